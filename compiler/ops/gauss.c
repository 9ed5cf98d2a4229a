/* gauss.c - Det, Inverse: square matrices in the last two dimensions. Source: ONNX Operators.md, version 22, and the documentation of onnxruntime's
 * contrib operators. The kernel computes in float or double; other types are converted before and after. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

bool infer_gauss(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *x = in_type(c, 0);
    if (elem_of(x->elem)->kind != 'f') return infer_error(c, "input-type", "the matrices are of type %s, expected a float type", elem_of(x->elem)->name);
    if (x->rank < 2) return infer_error(c, "shape-rank", "the input has %d dimensions, fewer than 2", x->rank);
    if (!assume_equal(c, x->shape[x->rank - 2], x->shape[x->rank - 1])) return infer_error(c, "shape-mismatch", "the matrices are not square");
    return strcmp(c->n->op, "Det") ? out_like(c, 0, 0) : out_tensor(c, 0, x->elem, x->rank - 2, x->shape);
}

static ex converted(lower_ctx *c, const dim *idx, void *arg)
{
    const slot from = *(const slot *)arg;
    return load_axes(c, from, slot_rank(c, from), idx);
}

bool lower_gauss(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const bool det = !strcmp(c->n->op, "Det");
    const elem e = slot_elem(c, x) == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT;
    const bool direct = slot_elem(c, x) == e;
    const dim *shape = slot_at(c->p, x)->extent;
    const slot from = direct ? x : temp_slot(c, "matrices", e, rank, shape);
    const slot to = direct ? y : temp_slot(c, "result", e, slot_rank(c, y), slot_at(c->p, y)->extent);
    if (!direct && !lower_map(c, from, converted, (void *)(uintptr_t)&x)) return false;
    const kernel_arg args[4] = {{det ? to : 0, ARG_OUT}, {det ? 0 : to, ARG_OUT}, {from, ARG_IN}, {temp_slot(c, "work", e, rank, shape), ARG_SCRATCH}};
    const binding bind[2] = {{.name = "T", .kind = BIND_TYPE, .type = e}, {.name = "N", .kind = BIND_DIM, .d = slot_dim(c, x, rank - 1)}};
    const dim n = shape[rank - 1], matrices = dim_product(c->d, shape, rank - 2);
    lower_template(c, "gauss", 2, bind, 4, args, matrices)->kernel->ops = dim_mul(c->d, matrices, dim_mul(c->d, n, dim_mul(c->d, n, n)));
    return direct || lower_map(c, y, converted, (void *)(uintptr_t)&to);
}
