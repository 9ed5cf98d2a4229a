/* session.h - a built model, loaded and run through its description (onnxcc_model): what any loader does, in one place.
 *
 *     session s;
 *     session_open(&s, mem, d, "model.so", "model") && session_bind(&s, inputs) && session_call(&s, &ms) && session_outputs(&s, &outputs)
 *
 * Functions report to the diag and return false. */
#ifndef ONNXCC_DRIVER_SESSION_H
#define ONNXCC_DRIVER_SESSION_H
#include "driver/npy.h"
#include "onnxcc_rt.h"

struct onnxcc_pool;

typedef struct {
    arena *mem;
    diag *diag;
    void *library;
    const onnxcc_model *model;
    onnxcc_env env;
    const char *(*first_race)(void); /* NULL, or what the emulation of CUDA says of the first race, if there was one */
    file_view weights; /* when they are not in the library */
    struct onnxcc_pool *pool;
    bool poison; /* fill the arena and the outputs with NaN patterns before each call, so that what was never written shows */
    bool exact;  /* every buffer is a block of its own of exactly its size, without a guard and no more
                  * aligned than its type asks, so that a sanitizer sees accesses beyond it and wrong ones */
    /* set by session_bind */
    tensor *const *bound; /* what was given for each input */
    const void **in;
    VEC(const void **) turns; /* in, and those of session_add */
    uint32_t next_turn;
    void **out;
    size_t *out_bytes; /* capacity; a guard follows each */
    int64_t *dims, *dims_bound;
    void *work, *state; /* of the device, when the model runs on one */
    size_t work_bytes;
    char message[256];  /* what CUDA said of an error */
    const char *image_format; /* that decode_image refused; NULL: none */
} session;

/* Loads the library, finds NAME_model, and NAME_weights.bin beside the library when the model asks for it. `threads` > 1 makes a pool. */
bool session_open(session *s, arena *mem, diag *d, const char *library, const char *name, int threads);
void session_close(session *s);

/* Binds tensors to inputs: by name first, then those without a match in order. Reads the run-time dimensions from their shapes, checks every
 * dimension, and allocates outputs and work memory. May be called again. */
bool session_bind(session *s, const tensor_set *inputs);

/* Is there no output with elements, for the inputs that are bound: no work to measure? */
bool session_is_empty(const session *s);

/* Another set of inputs of the same shapes: each call takes the next, beginning with the one that was bound. */
bool session_add(session *s, const tensor_set *inputs);
void session_first(session *s); /* the next call takes the one that was bound */

/* Runs once; *ms (may be NULL) gets the time in milliseconds. */
bool session_call(session *s, double *ms);
/* Runs n times; *ms gets the time of one run, their mean: the clock is read before the first and after the last. */
bool session_calls(session *s, uint32_t n, double *ms);

/* The outputs of the last call, with the shapes it gave them; appended in declaration order. Fails when a guard was overwritten. */
bool session_outputs(session *s, tensor_set *out);

const char *model_error_text(int code); /* of onnxcc_rt.h's codes */
#endif
