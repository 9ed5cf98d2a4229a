/* cases.h - `onnxcc verify --cases DIR`: many small models with expected outputs, such as the ONNX project's backend tests. */
#ifndef ONNXCC_DRIVER_CASES_H
#define ONNXCC_DRIVER_CASES_H
#include "driver/build.h"
#include "driver/command.h"
#include "driver/data_set.h"

typedef struct {
    const char *dir;      /* holds model.onnx and test_data_set_K/ */
    const char *shown;    /* its path below the folder of all cases */
    const char *prefix;   /* of its symbols and files: c0, c1, ... */
    tolerance tol;
    bool decided;         /* result is final */
    outcome result;
    const char *fixed;    /* what of its data it was compiled with (--value, --shape), for it compiles only so; "" for none */
    const char *cflags;   /* for its target */
    folder_list sources, assembly; /* names in the work folder */
    uint32_t n_steps;
    uint64_t hash[2];     /* of everything that was generated */
    const char *library;  /* NULL until built */
} test_case;

typedef struct {
    command *c;
    compile_options options;
    cuda_tools tools;
    const cuda_tools *cuda;          /* NULL: the generated code is C */
    const char *root, *work, *cache; /* folders: cases, generated files, built libraries */
    const char *cc;                  /* identity of the C compiler */
    const char *flags;               /* for the C compiler beside those of the target */
    int at_once, seconds;
    VEC(test_case) list;
} case_run;

/* What --rtol, --atol and --precision say; case.json may say otherwise. */
tolerance tolerance_of(const options *o);
/* cases_find.c: the folders below root that hold a case, sorted, with the tolerances of their case.json. */
bool cases_find(case_run *r);
/* cases_build.c: generates C for every case, each in a process of its own, and builds the libraries, many cases to each. */
void cases_generate(case_run *r);
void cases_build(case_run *r);

exit_code verify_cases(command *c);
#endif
