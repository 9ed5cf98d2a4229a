/* data_set.h - tensors from files, and expected outputs to verify a model with. */
#ifndef ONNXCC_DRIVER_DATA_SET_H
#define ONNXCC_DRIVER_DATA_SET_H
#include "driver/compare.h"
#include "driver/npy.h"
#include "driver/session.h"

/* Adds the tensors of an .npz, .npy or .pb file. A single tensor gets `name` when that is not NULL. Reports and returns false on failure. */
bool tensors_read(diag *d, const char *path, const char *name, tensor_set *into);
/* Writes .npz, or .npy when `path` ends so and there is one tensor. */
bool tensors_write(diag *d, const char *path, const tensor_set *set);

typedef struct {
    const char *name; /* "test_data_set_0" or the files' names */
    tensor_set inputs, expected;
    bool by_name; /* a name that no output has is an error; else what has it is for the output at its place */
} data_set;

/* The names of the folders test_data_set_K below dir, in order of K; dir itself when it holds input_0.pb or output_0.pb. */
typedef VEC(const char *) folder_list;
folder_list data_set_folders(arena *a, const char *dir);
/* Reads input_N.pb and output_N.pb. */
bool data_set_read(arena *a, diag *d, const char *folder, data_set *out);

typedef enum { OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_UNSUPPORTED, OUTCOME_ERROR } outcome_kind;
typedef struct {
    outcome_kind kind;
    double max_abs, max_rel;
    const char *output; /* of the first difference, else of the largest; "" for none */
    int64_t index;
    const char *reason; /* "" when passed */
} outcome;

/* Runs the model on the set and compares every output; `so_far` is updated: it keeps the first failure and the largest differences. */
bool data_set_verify(session *s, const data_set *set, tolerance tol, outcome *so_far);

/* An outcome as one line, to hand it from a child process to its parent. */
void outcome_write(const outcome *o, FILE *to);
outcome outcome_parse(arena *a, const char *line);
outcome outcome_of_diag(arena *a, const diag *d); /* unsupported or error, with the first error as reason */
const char *outcome_word(outcome_kind k);         /* "pass", "fail", "unsupported", "error" */
void json_number(FILE *to, double v);             /* infinities as 1e999 have no place in JSON: written as strings */
#endif
