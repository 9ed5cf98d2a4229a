/* gemm.c - pass `gemm`: MatMul of two matrices followed by Add becomes Gemm.
 *
 * requires: types known. breaks: the order of additions, so the last bits. Gemm adds C without stretching the product: C's dimensions have to be 1 or
 * those of the result. */
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

static const type *matrix(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    return t->kind == TYPE_TENSOR && t->rank == 2 && (t->elem == ELEM_FLOAT || t->elem == ELEM_DOUBLE) ? t : NULL;
}

static bool fits(model *m, value_id c, const type *y)
{
    const type *t = &value_at(m, c)->type;
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > 2 || t->elem != y->elem) return false;
    for (int32_t i = 0; i < t->rank; i++)
        if (!dim_is(m->dims, t->shape[i], 1) && t->shape[i] != y->shape[2 - t->rank + i]) return false;
    return true;
}

static bool add_bias(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id);
    const type *y = matrix(m, n.out[0]);
    if (!y || !op_has(m, "Gemm", 7)) return false;
    for (uint32_t i = 0; i < 2; i++) {
        const node *product = rewrite_producer_is(r, n.in[i], "MatMul");
        const value_id c = n.in[1 - i];
        if (!product || !rewrite_only_use(r, n.in[i]) || !matrix(m, product->in[0]) || !matrix(m, product->in[1])) continue;
        if (!same_value_type(m, n.in[i], n.out[0]) || !fits(m, c, y)) continue;
        const char *name = product->name;
        const origin_id from = product->origin;
        node *gemm = rewrite_becomes(r, id, "", "Gemm", 3, (const value_id[]){product->in[0], product->in[1], c});
        gemm->name = name; /* it is the product that reports and options speak of */
        gemm->origin = from;
        return true;
    }
    return false;
}

static const rule_row RULES[] = {{"Add", add_bias}, {NULL, NULL}};

void make_gemms(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
