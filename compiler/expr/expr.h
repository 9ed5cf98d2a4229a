/* expr.h - the expression form of a step: one interned DAG of typed nodes, and nests made of stages.
 *
 * Expressions say what is computed for one point of an index space. Integers that are affine or otherwise symbolic in axes and dims are
 * DIM nodes (see ir/dim.h: one normal form for sizes and indexes); everything else is a typed operation. Constructors simplify, so equal
 * expressions have equal ids. Storage types (float16, int8, ...) exist only in loads, stores and ROUND; arithmetic has seven types, and strings are an eighth.
 *
 * Meaning of a nest: for every point of its axes, in any order (they are parallel), accumulators start at the identity of their fold and
 * the stages run one after the other; a stage walks its own axes in order, outermost first, and runs its sinks in order at every point.
 * There are two kinds of sink: acc = acc FOLD value, and slot[at...] = value. */
#ifndef ONNXCC_EXPR_EXPR_H
#define ONNXCC_EXPR_EXPR_H
#include "base/elem.h"
#include "ir/dim.h"
#include "ir/ir.h"

typedef uint32_t ex;   /* an expression; 0: none */
typedef uint32_t slot; /* a tensor of the program (program.h); 0: none */

typedef enum { CT_BOOL, CT_I32, CT_U32, CT_I64, CT_U64, CT_F32, CT_F64, CT_STR /* is loaded, stored, selected and compared; has no literals */ } ctype;

typedef enum {
    EX_NONE,
    /* leaves */
    EX_NUM,   /* literal: .f for F32/F64, .i for the others */
    EX_DIM,   /* .d, type I64 */
    EX_LOAD,  /* element idx[0..n) of slot, widened to the compute type; indexes are I64 expressions, in range by construction or guarded */
    EX_ACC,   /* value of accumulator .i; inside its own stage: the running value (a scan); in a kernel's hook: what the kernel hands over */
    /* one argument */
    EX_NEG, EX_ABS, EX_SQRT, EX_EXP,
    EX_EXPN, /* exp in a sum in which subnormal numbers are nothing, F32: 0 for those */
    EX_LOG, EX_SIN, EX_COS, EX_TAN, EX_ASIN, EX_ACOS, EX_ATAN, EX_SINH, EX_COSH, EX_TANH, EX_ASINH, EX_ACOSH,
    EX_ATANH, EX_ERF, EX_FLOOR, EX_CEIL, EX_RINT /* half to even */, EX_TRUNC, EX_ISNAN, EX_ISINF, EX_NOT /* bool: !, int: ~ */,
    EX_CAST,  /* to .type, from the argument's type. float -> int: truncates; NaN gives 0 and values out of range saturate (C leaves both
                 undefined). int -> narrower int wraps. anything -> bool: != 0 */
    EX_ROUND, /* to storage type .elem and back to the same compute type: float16 rounding, int8 wrapping */
    EX_BITCAST, /* the same bits as .type of the same width */
    /* two arguments of one type */
    EX_ADD, EX_SUB, EX_MUL,
    EX_DIV,   /* float: IEEE; int: truncates toward zero; by zero: 0 */
    EX_MOD,   /* float: fmod; int: sign of the dividend, as C; by zero: 0 */
    EX_FDIV, EX_FMOD, /* int: rounding down, sign of the divisor */
    EX_MAX, EX_MIN, /* float: NaN if either is NaN, as ONNX; in the interpreter +0 is above -0 (generated code may give either zero) */
    EX_POW, EX_ATAN2,
    EX_AND, EX_OR, EX_XOR, EX_SHL, EX_SHR, /* bool or int */
    EX_LT, EX_LE, EX_EQ, EX_NE, /* give BOOL; NaN compares false, NE true */
    /* three */
    EX_SELECT, /* a ? b : c; lazy: the branch not taken is not evaluated, so its loads may be out of range */
    EX_INDEX,  /* a wrapped (negative: + b); outside [0, b) the step fails with an error code: makes a nest can_fail. a, b are I64 */
    EX_OPS
} ex_op;

typedef struct {
    uint8_t op, type, elem; /* ex_op, ctype, elem (LOAD: the slot's; ROUND: to) */
    uint8_t n;              /* LOAD: number of indexes */
    ex a[3];
    slot slot;
    dim d;
    const ex *idx;
    double f;
    int64_t i;
} ex_node;

typedef struct exprs exprs;
exprs *exprs_new(arena *a, dims *t);
dims *exprs_dims(exprs *x);
const ex_node *ex_at(const exprs *x, ex e);
ctype ex_type(const exprs *x, ex e);

/* The compute type for a storage type: int8..int32, uint8, uint16 -> I32; float8, float16, bfloat16, float -> F32; string -> STR; others their own. */
ctype ctype_of(elem t);
bool ctype_is_float(ctype t);

/* Constructors; all simplify. Arguments of two-argument operations must have equal types (asserted). */
ex ex_f(exprs *x, ctype t, double v); /* F32 (rounded once) or F64 */
ex ex_i(exprs *x, ctype t, int64_t v); /* any type; converts for floats. I64 gives a constant DIM (beyond 2^61 a NUM) */
ex ex_bool(exprs *x, bool v);
ex ex_dim(exprs *x, dim d); /* I64; a constant dim is the same as ex_i(I64) */
ex ex_load(exprs *x, slot s, elem stored, uint32_t n, const ex *idx);
ex ex_acc(exprs *x, uint32_t id, ctype t);
ex ex_un(exprs *x, ex_op op, ex a);
ex ex_cast(exprs *x, ctype to, ex a);
ex ex_round(exprs *x, elem to, ex a); /* nothing when the compute type is the storage type */
ex ex_bitcast(exprs *x, ctype to, ex a);
ex ex_bin(exprs *x, ex_op op, ex a, ex b); /* on two DIMs of add, sub, mul, max, min, fdiv, fmod: again a DIM */
ex ex_select(exprs *x, ex c, ex a, ex b);
ex ex_index(exprs *x, ex v, ex n);
/* 0 <= e < n, folded where provable. */
ex ex_in_range(exprs *x, ex e, dim n);
bool ex_is_num(const exprs *x, ex e, double *v); /* a literal of any type, or a constant DIM */
bool ex_is_dim(const exprs *x, ex e, dim *d);
ex ex_as_i32(exprs *x, ex e); /* an index of type I64 that is made of int32, as int32; 0: it is not */
bool ex_can_fail(const exprs *x, ex e); /* holds an INDEX */

/* Rebuilds e; `leaf` maps a NUM, DIM, LOAD or ACC to its replacement or returns 0 to keep it (a kept LOAD has its indexes rebuilt). It is
 * called once for each different leaf, those inside the indexes of a load before the load. It may build and substitute by itself. */
ex ex_subst(exprs *x, ex e, ex (*leaf)(void *ctx, ex e), void *ctx);
/* Replaces axes and symbols in all DIMs: from[i] becomes the dim to[i]. */
ex ex_map(exprs *x, ex e, uint32_t n, const dim *from, const dim *to);
/* The same, but axes become any I64 expressions (gather indexes). */
ex ex_map_ex(exprs *x, ex e, uint32_t n, const dim *from, const ex *to);
/* Each different sub-expression once, arguments and indexes included and before their users. */
void ex_walk(const exprs *x, ex e, void (*f)(void *ctx, ex e), void *ctx);
double ex_cost(const exprs *x, ex e); /* in units of one add: exp 15, erf and tanh 20, sqrt 8, div 4, load 0.5 */
void ex_text(const exprs *x, ex e, text *out); /* for dumps and tests */
/* The same with names of slots: `name` adds one to the text. NULL: s7 for slot 7. */
typedef void (*ex_slot_name)(void *ctx, slot s, text *out);
void ex_text_named(const exprs *x, ex e, ex_slot_name name, void *ctx, text *out);

/* ---- nests ---- */
enum { NEST_AXES = 10 };

typedef enum { FOLD_NONE, FOLD_SUM, FOLD_PROD, FOLD_MAX, FOLD_MIN, FOLD_OR, FOLD_AND } fold; /* MAX and MIN: NaN wins, as EX_MAX */

typedef struct {
    fold fold;     /* FOLD_NONE: a store; with `to` set and a fold: slot[at] = slot[at] FOLD value */
    bool in_order; /* a store whose `at` may repeat: last one wins, so its axes must run in order on one thread */
    uint32_t acc;  /* accumulator id (unique in the program) when `to` is 0 */
    slot to;
    uint8_t n;
    ex at[MAX_RANK]; /* I64; one per dimension of `to` */
    ex guard;        /* BOOL; 0: always */
    ex value;
} sink;

typedef struct {
    uint8_t n_axes;
    dim axis[NEST_AXES];
    uint32_t n_sinks;
    sink *sink;
} stage;

typedef struct nest {
    uint8_t n_axes;
    dim axis[NEST_AXES]; /* parallel */
    dim split;           /* the one that ranges and threads split, set by plan_threads; 0: the first */
    uint32_t n_stages;
    stage *stage;
    bool can_fail; /* holds an INDEX */
    bool flat;     /* set by nest_flatten: every load and store has one index, the element offset in the slot's buffer */
} nest;
#endif
