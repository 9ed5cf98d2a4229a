/* formula.h - short names with which operator families write their expressions, and helpers that several families share. */
#ifndef ONNXCC_OPS_FORMULA_H
#define ONNXCC_OPS_FORMULA_H
#include "ops/ops.h"

/* ---- expressions; the constants take their type from `like` ---- */
static inline ex num(lower_ctx *c, ex like, double v)
{
    return ex_f(c->x, ex_type(c->x, like), v);
}
static inline ex whole(lower_ctx *c, ex like, int64_t v)
{
    return ex_i(c->x, ex_type(c->x, like), v);
}
static inline ex add(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_ADD, a, b);
}
static inline ex sub(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_SUB, a, b);
}
static inline ex mul(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_MUL, a, b);
}
static inline ex divide(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_DIV, a, b);
}
static inline ex less(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_LT, a, b);
}
static inline ex equal(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_EQ, a, b);
}
static inline ex larger(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_MAX, a, b);
}
static inline ex smaller(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_MIN, a, b);
}
static inline ex both(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_AND, a, b);
}
static inline ex either(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_OR, a, b);
}
static inline ex attr_f(lower_ctx *c, ex like, const char *name, float otherwise)
{
    return num(c, like, (double)node_float(c->n, name, otherwise));
}
/* A size as a number of the type of `like`. */
static inline ex size_as(lower_ctx *c, ex like, dim d)
{
    return ex_cast(c->x, ex_type(c->x, like), ex_dim(c->x, d));
}
static inline ex dim_less(lower_ctx *c, dim a, dim b)
{
    return less(c, ex_dim(c->x, a), ex_dim(c->x, b));
}
static inline ex dim_inside(lower_ctx *c, dim at, dim extent)
{
    return ex_in_range(c->x, ex_dim(c->x, at), extent);
}
/* |x| ** p for a whole p >= 1, and its inverse. */
ex power_of(lower_ctx *c, ex x, int64_t p);
ex root_of(lower_ctx *c, ex x, int64_t p);
/* The cubic convolution kernel with parameter a, at distance 0 <= x <= 1 and 1 < x < 2. */
ex cubic_near(lower_ctx *c, ex x, ex a);
ex cubic_far(lower_ctx *c, ex x, ex a);
/* The least value of a storage type, as the start of a maximum that may be over nothing (-inf, INT8_MIN, false). */
ex lowest_of(lower_ctx *c, elem e);
ex highest_of(lower_ctx *c, elem e);

/* v as it must be before a store of an 8-bit float type rounds it: `saturate` keeps what is too large at the largest number, otherwise it
 * becomes infinity, or NaN where the type has none; `round` ("up", "down", "nearest") is for FLOAT8E8M0. Other types: v. */
ex to_small_float(lower_ctx *c, ex v, elem to, bool saturate, const char *round);

/* ---- constants ---- */
/* A CONST slot with data of its own (tensor_new). */
slot const_slot(lower_ctx *c, const char *name, const tensor *t);
slot slot_floats(lower_ctx *c, const char *name, uint32_t rank, const int64_t *shape, const float *v);
slot slot_ints(lower_ctx *c, const char *name, elem e, uint32_t rank, const int64_t *shape, const int64_t *v);

/* The elements of integer input i when all are numbers: *count of them, in model memory. NULL when absent or not known (then *count is 0);
 * a known empty list is not NULL. */
const int64_t *known_ints(model *m, const node *n, uint32_t i, uint32_t *count);
/* The elements of integer input i as symbols. Works at inference and at lowering. */
const dim *known_dims(model *m, const node *n, uint32_t i, uint32_t *count);
/* The elements of a numeric constant input as double; NULL when it is no constant. */
const double *known_doubles(model *m, const node *n, uint32_t i, uint32_t *count);

/* The axis from 0 on; rank where there is none. */
static inline uint32_t axis_of(int64_t axis, uint32_t rank)
{
    const int64_t from_0 = axis < 0 ? axis + (int64_t)rank : axis;
    return from_0 < 0 || from_0 > rank ? rank : (uint32_t)from_0;
}

/* Axes over shape[k] for the k in `mask`: of the stage, or of the nest. */
void stage_axes_mask(nest_builder *b, uint32_t rank, const dim *shape, uint32_t mask, dim *idx);
void nest_axes_mask(nest_builder *b, uint32_t rank, const dim *shape, uint32_t mask, dim *idx);
dim product_mask(dims *d, uint32_t rank, const dim *shape, uint32_t mask);

/* y = x, element for element: the copy that scatter operators start from. */
void lower_copy(lower_ctx *c, slot y, slot x);
/* Lanes of the widest vectors: scratch memory is for any target. */
enum { MAX_LANES = 16 };
/* A step of a kernel of templates/kernels.def with its bindings and arguments (copied); `range` as in struct kernel. The caller
 * says what it costs (kernel.ops, or the step's work) where it has a range: a step of unknown time is not split over threads. */
step *lower_template(lower_ctx *c, const char *name, uint32_t n_bind, const binding *bind, uint32_t n_arg, const kernel_arg *arg, dim range);
/* An int64 scalar that holds d. */
slot lower_dim(lower_ctx *c, const char *name, dim d);
/* The slot of any value of the model, from this graph or one around it. */
slot value_slot(lower_ctx *c, value_id v);
/* Output 0 is x, converted as the attributes of Cast say. */
bool lower_cast_of(lower_ctx *c, slot x);
/* A step that ends the run with this error (ONNXCC_E_...) where the integer scalar is not 0. */
void lower_check(lower_ctx *c, slot scalar, const char *error);
/* A step that reads the one element of `from` into a symbol that inference made for it. */
void lower_bind(lower_ctx *c, dim symbol, slot from, dim capacity); /* capacity: as in struct control */
#endif
