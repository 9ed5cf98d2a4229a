/* nest.h - building nests, running them in the compiler, fusing them, printing them as C. */
#ifndef ONNXCC_EXPR_NEST_H
#define ONNXCC_EXPR_NEST_H
#include "expr/program.h"

/* ---- build ---- a nest under construction, appended to a block by nest_end. */
typedef struct nest_builder {
    program *p;
    nest *nest;
    stage *stage;
} nest_builder;

nest_builder nest_begin(program *p);
/* A parallel axis; returns its index as dim (0 when the extent is 1). */
dim nest_axis(nest_builder *b, dim extent);
/* Opens the next stage. */
void nest_stage(nest_builder *b);
/* A loop axis of the open stage, inside those made before. The first stage opens by itself. */
dim stage_axis(nest_builder *b, dim extent);
ex stage_fold(nest_builder *b, fold f, ex value); /* returns the accumulator */
/* One index for each dimension of `to`. The sink is for setting guard, fold and in_order; valid until the next sink of the stage. */
sink *stage_store(nest_builder *b, slot to, uint32_t n, const ex *at, ex value);
bool nest_can_fail(const program *p, const nest *n); /* an INDEX anywhere */
step *nest_end(nest_builder *b, block *to, const char *what); /* checks, sets can_fail, appends */
/* A K_MATMUL or K_CONV with its one hook as a nest over the hook's axes; any type, any rank. */
nest *kernel_as_nest(program *p, const kernel *k);

/* ---- run ---- on host memory, for constant folding, packing and --verify-passes. Row-major little-endian data of every slot that the
 * step reads or writes; `data` maps a slot to its memory (not asked for LOCAL slots, whose memory lives as long as the call; of a flat nest:
 * the start of the slot's buffer), `value` gives run-time dims. Works row by row on vectors of elements. Outputs need not be zeroed.
 * False with *why (in the program's memory) when an INDEX was out of range, or a load or store was outside its tensor; what was stored
 * until then stays. */
typedef struct {
    program *p;
    void *(*data)(void *ctx, slot s);
    int64_t (*value)(void *ctx, dim symbol);
    void *ctx;
} interp;
bool nest_run(const interp *in, const nest *n, const char **why);

/* ---- fuse ---- on a whole block tree: inlines maps into readers, drops copies by storing or reading elsewhere, joins row steps and stages,
 * gives kernels epilogues, makes locals, computes constants from constants, drops what nobody reads. Requires logical indexes (before
 * layout). Keeps the meaning of every INPUT, OUTPUT and STATE slot, and without `reciprocals` its bits. */
typedef struct {
    bool inline_maps, merge_rows, merge_stages, epilogues;
    bool reciprocals; /* x / u as x * (1 / u) where u is the same along the inner loop; changes the last bit, so not in strict mode */
    bool strings_apart; /* a step that touches strings becomes one only with others that do: it runs elsewhere */
} fuse_options;
void fuse(program *p, const fuse_options *o);

/* ---- addresses ---- after layout: rewrites every load and store of a placed slot to one flat element index through its view (n = 1),
 * splits axes that are divided or taken modulo a constant, and collapses neighbouring axes that every address sees as one. */
void nest_flatten(program *p, nest *n);
void hook_flatten(program *p, hook *h); /* the same for a hook; its axes stay */
ex ex_flatten(program *p, ex e);        /* and for an expression */
ex slot_address(program *p, slot s, uint32_t n, const ex *index); /* element index[0..n) of a slot as an offset in its buffer */

/* ---- print ---- */
typedef enum { MATH_DEFAULT, MATH_STRICT, MATH_FAST } math_mode;
typedef enum { OPTIMIZE_BALANCED, OPTIMIZE_SPEED, OPTIMIZE_SIZE } optimize_mode;
/* The least precision of operands of products and convolutions that were float32. */
typedef enum { PRECISION_FP32, PRECISION_BF16, PRECISION_FP16 } precision_mode;
/* What products of float32 on a GPU are computed with: tensor cores with operands as sums of two tf32 numbers, fused multiply-adds, tensor cores with
 * operands as one tf32 number, float16, bfloat16. Sums are float32. */
typedef enum { GPU_TF32X3, GPU_FP32, GPU_TF32, GPU_FP16, GPU_BF16 } gpu_precision;

typedef struct {
    const char *prefix; /* of every function: "resnet50_" */
    int vl;             /* float lanes of the target's vector: 16, 8, 4 or 1 (scalar) */
    math_mode math;
    bool scalar_only;    /* hooks: no vector form */
    const char *on_fail; /* the statement that a failing step ends with; NULL: return ONNXCC_E_INDEX; */
    bool notes_fail;     /* instead, the code goes to *fail and the step goes on with index 0 */
} print_options;

/* What a printed step function takes besides (lo, hi): pointers to buffers' slots in this order, then the run-time dims as int64_t. */
typedef struct {
    VEC(slot) slots;   /* written ones first */
    VEC(dim) symbols;
    VEC(const char *) names; /* of the pointers and of arrays in the function, as printed */
    bool ranged;       /* has parameters int64_t lo, hi over one parallel axis: nest.split */
    dim range;         /* its extent; dim 1 when not ranged */
    bool can_fail;     /* returns int (0 or a negative code), else void */
} step_signature;
/* static void PREFIXname(float *restrict y, const float *restrict x, int64_t batch, int64_t lo, int64_t hi) { ... } on flattened nests. */
void nest_print(program *p, const nest *n, const char *name, const print_options *o, text *out, step_signature *sig);
/* The axis of a flattened, placed nest that (lo, hi) had better bound, given how it will be printed; 0: it has none. To be kept in nest.split. */
dim nest_range(program *p, const nest *n, const print_options *o);
/* The same as a kernel of CUDA, __global__ void PREFIXname(...), without lo and hi; one that can fail takes `int *fail` last, where it leaves the code.
 * Either each thread computes one point of the parallel axes, or each block one point with its threads sharing the stages' axes. */
void nest_print_cuda(program *p, const nest *n, const char *name, const print_options *o, text *out, step_signature *sig, launch_shape *launch);
/* Two inline functions for a flattened hook, vector (suffix _v) and scalar (_s), lane axis = hook axis `lane`:
 *     SIMD_FN void PREFIXname_v(vf acc, int64_t i, int64_t j, ..., float *restrict y, const float *restrict bias, ..., int64_t batch, ...)
 * the accumulator (vi or int32_t with h->int_acc); the index of lane 0 for each hook axis in order, axes of extent 1 included; the slots in the order of sig->slots; the dims in
 * the order of sig->symbols. A prologue (to == 0) has no acc and returns the element (float or int32_t, vf or vi). The vector form always exists
 * (VL 1: vf is float); where no vector operation fits, it calls the scalar form for each lane. */
void hook_print(program *p, const hook *h, const char *name, uint32_t lane, const print_options *o, text *out, step_signature *sig);
/* Names of SIMD header functions that the printed text uses are collected so that only those are copied into the output. */
#endif
