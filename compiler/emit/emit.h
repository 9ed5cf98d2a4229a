/* emit.h - from a placed program to the text of files. Emitters print; they decide nothing. */
#ifndef ONNXCC_EMIT_EMIT_H
#define ONNXCC_EMIT_EMIT_H
#include "base/identifier.h"
#include "compile.h"
#include "emit/bind.h"
#include "plan/plan.h"

/* A printed step function, as the run function calls it. */
typedef struct {
    slot slot;
    bool written;
    bool from_view; /* the pointer begins at the slot, not at its buffer */
} printed_arg;
typedef struct {
    const char *name;
    step_signature sig;
    VEC(printed_arg) args;      /* pointers in the order of the parameters */
    uint32_t args_before_range; /* kernels: lo, hi stand behind so many pointers; UINT32_MAX: they come last */
    bool range_last;
} printed;

/* A size that is a variable of the run function. */
typedef struct {
    dim symbol;
    const char *name;
} local_dim;

typedef struct emit {
    arena *mem;
    program *p;
    const memory_plan *plan;
    const compile_options *o;
    const target *target;
    const char *name, *upper; /* "resnet50", "RESNET50" */
    const char **input, **output, **symbol; /* C names of fields, by position */
    printed *by_step;                       /* by step id */
    weights_mode weights;                   /* AUTO resolved */
    binder *binder;
    uint32_t n_input_symbols; /* symbols from here on are decided during the run */
    bool by_dims;             /* symbols print as dims[i]: in functions for loaders */
    run_sizes bound;
    VEC(local_dim) local;     /* loops that are open */
    const char *exports; /* of the kernel being bound: names that its parameters may use */
    launch_shape *launch; /* by step id: of CUDA */
    bool host_step;       /* CUDA: a step of the host is being printed, pointers are the host's */
    bool host_constants;  /* such steps read constants */
    uint32_t n_syncs;     /* places at which a run waits for the device */
    const char *no_capture; /* why such a run is no graph, with the first place's nodes */
    VEC(graph_id) branches; /* that are printed as such */
    bool failed;
} emit;

/* Fills `out` with the files of a model. False after a report. */
bool emit_c(program *p, const memory_plan *plan, const compile_options *o, const target *t, compiled *out);

/* The code runs on a device: its pointers are the device's. */
static inline bool on_device(const emit *e)
{
    return e->target->language == LANGUAGE_CUDA;
}

/* `--target=auto` (auto.c): the files of both, and those that choose between them when they run. */
void emit_auto(const char *name, const compiled *cpu, const compiled *cuda, const compile_options *o, compiled *out);

/* names.c */
/* Text for a comment or a string literal: no character that could end it. */
const char *comment_text(arena *mem, const char *s);
void string_literal(text *t, const char *s);
bool opset_repeats(const model *m, uint32_t i); /* a file may import one domain twice, under both of its names */

/* dimtext.c: a dim as a C expression of int64_t; `prefix` stands before each symbol's field name ("in->"). */
void dim_c(emit *e, dim d, const char *prefix, text *out);
int32_t symbol_index(const emit *e, dim s); /* -1: not a size of the run, such as a loop's turn */
const char *symbol_param(emit *e, dim s);   /* its name as a parameter of a kernel: d_NAME */
bool kernel_exports(const emit *e, dim s);  /* it is a variable of the kernel being bound */

/* kernel.c */
void print_kernel(emit *e, step *s, text *out); /* the bound template and its hooks; sets by_step[s->id] */
void call_kernel(emit *e, const step *s, const char *indent, text *out);
const char *slot_pointer(emit *e, slot s); /* source.c: a C expression for the start of the slot's buffer */
void share_step(emit *e, const step *s, const char *body, text *out); /* prints the step's function, named HOOK in `body`, unless an equal one is there; sets the step's name */
void slot_argument(emit *e, slot s, bool from_view, text *out); /* the same, or for the slot's index 0; NULL without a slot */
void call_whole(emit *e, const step *s, const char *indent, text *out); /* a nest or a kernel, by one thread */
void call_block(emit *e, const block *b, const char *indent, text *out);

/* custom.c */
void custom_prototypes(emit *e, text *out); /* of the user's functions that the model calls */
void print_custom(emit *e, step *s, text *out); /* as print_kernel; the sizes that the step needs are in its signature */

/* control.c */
void call_control(emit *e, const step *s, const char *indent, text *out);
bool bound_symbols(emit *e);
/* What a tensor of the caller's has to have room for, `most` of its rank, where the run decides a size of it; false: its shape. */
bool io_capacity(const emit *e, const slot_info *i, dim *most);

/* threads.c */
bool step_is_joined(const step *s); /* done by the parts of the step before */
void print_part(emit *e, const step *s, text *out);
void call_split(emit *e, const step *s, const char *indent, text *out);
void split_grain(emit *e, const step *s, text *out); /* the least part of the step's range for a thread */
void print_for(emit *e, text *out);
/* A function over a range takes its arguments in a struct, `a`: the members for one step, whose names begin with `prefix`; the step's call in such a function;
 * what the members are made of, separated by *sep. */
void job_members(emit *e, const step *s, const char *prefix, text *out);
void job_call(emit *e, const step *s, const char *prefix, const char *range, text *out);
void job_arguments(emit *e, const step *s, const char **sep, text *out);
const char *job_pointer(const emit *e, const step *s, const char *prefix, uint32_t arg);
/* `own`, which of the threads' parts of memory is this one's, from a->taken; and its return. */
void job_own(const emit *e, text *out);
void job_disown(text *out);

/* bands.c */
void print_slide(emit *e, text *out); /* a helper of bands, where there are some */
void print_band(emit *e, step *s, text *out); /* a STEP_BAND's function, behind those of its steps */
void call_band(emit *e, const step *s, const char *indent, text *out);

/* weights.c */
weights_mode weights_choose(emit *e, weights_mode asked); /* AUTO resolved; C when there are no weights */
bool weights_outside(const emit *e);                  /* the caller hands them to each run */
bool weights_in_run(const emit *e);                   /* the inputs have a field for them */
int64_t weights_outside_bytes(const emit *e);         /* of what the caller hands over; 0: built in */
void weights_declare(emit *e, text *out);             /* in the source, before the steps */
void weights_check_function(emit *e, text *out);      /* NAME_check_weights, for weights in a file */
void weights_files(emit *e, compiled *out);           /* NAME_weights.c, or .S and .bin, or .bin alone */
const char *weights_pointer(emit *e, uint32_t buf);   /* an expression of type const char * or a typed array's name */
void c_number(text *t, elem kind, const void *data, size_t i); /* one element as a C literal of its storage type */

/* run.c */
int arena_align(const emit *e);
bool arena_is_dynamic(emit *e); /* its size depends on the dimensions of the run */
bool any_can_fail(const emit *e);
void place_function(emit *e, text *out); /* NAME_place and NAME_arena_bytes of a dynamic plan */
void area_place_function(emit *e, const memory_area *area, const char *name, text *out); /* where the regions of one area begin */
void check_dims(emit *e, text *out); /* those of the inputs, against their bounds */
/* What inference took for granted of sizes, at the start of the run (branch 0) or of a branch. */
void check_claims(emit *e, graph_id branch, const char *indent, text *out);
void check_values(emit *e, text *out); /* inputs whose value was fixed */
void run_begin(emit *e, bool arena_used, text *out);
void run_end(emit *e, text *out);
void run_function(emit *e, text *out);
void print_copy(emit *e, const char *indent, bool device, const char *to, const char *from, dim bytes, text *out);

/* cuda.c */
void emit_cuda_source(emit *e, text *out);
void cuda_call(emit *e, const step *s, const char *indent, text *out); /* the launch of a nest or kernel */
int64_t cuda_arena_bytes(emit *e);                                     /* weights, activations, copies of inputs and outputs; static plans */

/* host.c: steps of the host in code for CUDA */
bool has_host_arena(const emit *e);
const char *host_pointer(emit *e, slot s);
void print_host_step(emit *e, step *s, text *out);
/* Around step i of a block, if a section of steps of the host begins or ends there. */
void host_section_begin(emit *e, const block *b, uint32_t i, const char *indent, text *out);
void host_section_end(emit *e, const block *b, uint32_t i, const char *indent, text *out);
void host_arena_functions(emit *e, text *out); /* NAME_host_bytes, where sizes decide */
void host_arena_begin(emit *e, text *out);     /* what NAME_enqueue begins with */

/* source.c, header.c, describe.c, report.c */
void print_c_step(emit *e, step *s, text *out); /* a function for a nest or kernel of the processor; sets by_step[s->id] */
void copy_header(emit *e, const char *folder, const char *file, text *out); /* with those that it includes from the same folder in their place */
void print_helpers(emit *e, const char *steps, text *out);                  /* what steps use of templates/simd, in front of them */
bool is_written(const emit *e, const step *s, slot which);
void emit_source(emit *e, text *out);
void emit_description(emit *e, text *out);
void emit_header(emit *e, text *out);
void emit_main(emit *e, text *out);
void head_comment(emit *e, text *out);
#endif
