/* compile.h - the pipeline as a function: a loaded model goes in, the text of C files comes out. Nothing is read from or written to disk.
 *
 * The flags of `onnxcc compile` (CLI.md) are the fields of compile_options; compile_defaults() gives what holds without a flag. */
#ifndef ONNXCC_COMPILE_H
#define ONNXCC_COMPILE_H
#include "expr/nest.h"

/* --dim NAME=V or NAME=LO..HI; NAME is a symbol ("batch") or INPUT:AXIS ("x:0") for a dimension without a name. lo == hi fixes it. */
typedef struct {
    const char *name;
    int64_t lo, hi; /* inclusive; hi = INT64_MAX: no upper bound */
    bool zero;      /* --dim NAME=0..HI: a size of an input may be 0 */
} dim_override;

/* --shape INPUT=1x3x224x224; -1 (written ?) leaves that dimension as it is in the model. */
typedef struct {
    const char *input;
    uint32_t rank;
    int64_t dim[16];
} shape_override;

/* --value INPUT=...: an input whose value is known when the model is compiled. */
typedef struct {
    const char *input;
    const tensor *data; /* NULL: the numbers, in the input's type; as many as it holds */
    uint32_t n;
    const double *number;
    bool truths; /* the words true and false are among them, as 1 and 0: only a bool input takes those */
} value_override;

/* --length INPUT=N, INPUT=none or INPUT=any: elements of a sequence that is an input, or of one in an optional; none: the optional holds nothing; any: each run
 * says how many, they are alike and come as one tensor. */
typedef struct {
    const char *input;
    uint32_t n;
    bool none, any;
} length_override;

/* --state OUT=IN: the output becomes the input of the next run, kept in the caller's state memory. */
typedef struct {
    const char *out, *in;
} state_pair;

typedef enum { WEIGHTS_AUTO, WEIGHTS_C, WEIGHTS_INCBIN, WEIGHTS_STRING, WEIGHTS_FILE, WEIGHTS_POINTER } weights_mode;

/* Files beside NAME.h, NAME.c and the weights, which are always made. */
enum { EMIT_CMAKE = 1, EMIT_MANIFEST = 2, EMIT_MAIN = 4, EMIT_SHARED = 8 /* a library, which the command line builds of the others */ };

typedef struct {
    const char *name;   /* C identifier: prefix of every symbol and file; NULL: from the model's path */
    const char *target; /* "native", "x86-64-v3", "generic-c99", ...; NULL: native */
    VEC(dim_override) dims;
    VEC(shape_override) shapes;
    VEC(state_pair) states;
    VEC(value_override) values;
    VEC(length_override) lengths;
    VEC(const struct custom_op *) customs; /* operators of the user's, see ops/custom.h */
    VEC(const char *) custom_sources;      /* for verbs that run the code: files with their functions */
    weights_mode weights;
    optimize_mode optimize;
    math_mode math;
    precision_mode precision;
    gpu_precision gpu_precision; /* of --target=cuda */
    const char *gpu_arch;        /* of --target=cuda: compute capabilities without the point, "80;90"; NULL: all that nvcc knows from 75 on */
    int threads;      /* most threads that the plan provides scratch for; at least 1 */
    int64_t ram;      /* bytes that arena and state may take together; 0: any number */
    unsigned emit;    /* EMIT_* */
    bool profile;     /* call env->timer around each step */
    bool profile_bands; /* with it: also around those in bands, with threads in one of them at a time */
    bool verify_passes;
    bool whole_helpers; /* copy all of the vector header, which then can stand in one translation unit with that of another model */
    bool no_fuse;     /* one step per node: to find out where a difference comes from */
    struct tuning *tuning; /* measured choices, see plan/tuning.h, which then also lists what was asked; NULL: the plan's own */
    const char *dump; /* NULL, or the pass after which the model (or the plan) is written to compiled.dump */
} compile_options;

compile_options compile_defaults(void); /* native, balanced, default math, one thread, EMIT_CMAKE | EMIT_MANIFEST */

/* The words of the options that say how it may compute. */
typedef struct {
    const char *optimize, *math, *precision; /* "balanced", "default", "fp32" */
    const char *gpu_precision;               /* "tf32x3" */
} mode_words;
mode_words compile_modes(const compile_options *o);

/* One file to be written: a name without folder. Bytes live in the arena of the compilation. */
typedef struct {
    const char *name;
    const void *data;
    size_t size;
} out_file;

/* A tensor among the fields of the generated structs. */
typedef struct {
    const char *field, *c_type;
} io_field;

/* A step of the generated code, for reports. */
typedef struct {
    uint32_t id;
    const char *kernel;           /* its template, "nest", or what steers others: "control" */
    const char *nodes;            /* the ONNX nodes in it */
    int64_t multiply_adds, bytes; /* products and sums of products; of the tensors it reads and writes; -1: not known before the run */
} step_fact;

/* Where an input of --state lies in the state; sizes are those at the upper bounds of the dimensions. */
typedef struct {
    const char *input;
    int64_t offset; /* bytes */
    int64_t stride[32]; /* elements, of each dimension */
} state_fact;

/* A size that data decides during the run, by the name that --dim takes. */
typedef struct {
    const char *name;
    int64_t least;
    const char *at_most; /* a number, or a formula of the dimensions; NULL: nothing bounds it, and compiling wants --dim NAME=..N */
    bool number;
} run_size;

typedef struct {
    arena *mem;         /* set by the caller: everything below lives there */
    const char *name;   /* the prefix used: NAME_model() is the loader's symbol, NAME.c the main file */
    const char *target; /* its name: not "native" */
    VEC(io_field) inputs, outputs;
    VEC(const char *) dims, decided; /* fields: sizes that a run is given, and those that it decides */
    const char *cflags; /* what the C compiler needs for the target, such as "-march=x86-64-v3"; "" when nothing */
    VEC(out_file) files;
    const char *manifest; /* the JSON object that is NAME.json, also what `compile --json` prints */
    text dump;            /* asked for by options.dump */
    int64_t arena_bytes;  /* planned, at the dims' upper bounds; -1: decided at run time */
    int64_t arena_lower_bound, weights_bytes;
    winograd_use winograd;
    const char *multiply_adds; /* of all steps, a loop's body once; a number or a formula of the dimensions */
    uint32_t n_steps, n_nodes;
    uint32_t fast_steps; /* that round more than the default, with --math=fast */
    VEC(step_fact) steps;
    VEC(state_fact) states;
    VEC(run_size) run_sizes; /* of compile_sizes */
} compiled;

/* Runs the whole pipeline. `m` is changed by it (passes work in place). False: reported to m->diag, whose first error gives the exit code;
 * an operator or attribute that onnxcc cannot compile is EXIT_UNSUPPORTED. The result does not depend on time, memory layout or the host. */
bool compile_model(model *m, const compile_options *o, compiled *out);
const char *compile_target(const compile_options *o); /* the name of the target that it compiles for: not "native" */

/* `--target=auto`: the model, loaded twice, for this processor and for CUDA, and files that choose between them when they run. */
bool compile_auto(model *for_cpu, model *for_cuda, const compile_options *o, compiled *out);

/* The first part of it alone: checks, inlines and infers. After it m->decided lists the sizes that data decides, by the names that --dim takes. */
bool compile_front(model *m, const compile_options *o, compiled *out);
/* compile_front, and what compiling would find of the sizes that data decides: out->run_sizes. */
bool compile_sizes(model *m, const compile_options *o, compiled *out);

/* Names of all targets with one line of description each, ended by NULLs. */
typedef struct {
    const char *name, *what;
} target_line;
const target_line *compile_targets(void);
#endif
