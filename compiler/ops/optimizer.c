/* optimizer.c - Adagrad, Adam, Momentum of ai.onnx.preview.training: one step of training. Source: ONNX Operators.md, version 1.
 *
 * Inputs are the learning rate R, the count of updates T, then lists of n tensors each: X, its gradients, and what the operator keeps of the past (one
 * list, Adam two). Outputs are the lists of new X and of the new past. All of one tensor is one nest. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

enum { LISTS = 4 };

static uint32_t lists_of(const node *n)
{
    return strcmp(n->op, "Adam") ? 3 : 4;
}

/* Inputs of tensor i: X, gradient, past; outputs in the same order without the gradient. */
static uint32_t input_at(const node *n, uint32_t list, uint32_t i)
{
    return 2 + list * ((n->n_in - 2) / lists_of(n)) + i;
}

bool infer_optimizer(infer_ctx *c)
{
    const uint32_t lists = lists_of(c->n), count = c->n->n_in < 2 ? 0 : (c->n->n_in - 2) / lists;
    if (!count || c->n->n_in != 2 + count * lists) return infer_error(c, "input-count", "%u inputs are not 2 and lists of %u for each tensor", c->n->n_in, lists);
    if (c->n->n_out > count * (lists - 1)) return infer_error(c, "output-count", "%u outputs for %u tensors", c->n->n_out, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t x = input_at(c->n, 0, i);
        if (!need_rank(c, x)) return false;
        if (in_rank(c, x) > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
        for (uint32_t k = 1; k < lists; k++) {
            const uint32_t other = input_at(c->n, k, i);
            if (!need_rank(c, other)) return false;
            bool same = in_rank(c, other) == in_rank(c, x);
            for (int32_t d = 0; same && d < in_rank(c, x); d++) same = assume_equal(c, in_dim(c, x, d), in_dim(c, other, d));
            if (!same) return infer_error(c, "shape-mismatch", "inputs %u and %u have not the same shape", x, other);
        }
        for (uint32_t k = 0; k + 1 < lists; k++)
            if (!out_like(c, k * count + i, x)) return false;
    }
    return true;
}

/* ---- one element: v[0] X, v[1] gradient with regularization, v[2..] past; gives the new X in v[0] and the new past ---- */

static void momentum(lower_ctx *c, ex rate, ex count, ex *v)
{
    const ex like = v[0], one = num(c, like, 1), alpha = attr_f(c, like, "alpha", 0);
    const ex beta = ex_select(c->x, less(c, num(c, like, 0), count), attr_f(c, like, "beta", 1), one);
    v[2] = add(c, mul(c, alpha, v[2]), mul(c, beta, v[1]));
    const bool nesterov = !strcmp(node_string(c->n, "mode", "standard"), "nesterov");
    v[0] = sub(c, v[0], mul(c, rate, nesterov ? add(c, v[1], mul(c, alpha, v[2])) : v[2]));
}

static void adagrad(lower_ctx *c, ex rate, ex count, ex *v)
{
    const ex like = v[0], slower = divide(c, rate, add(c, num(c, like, 1), mul(c, count, attr_f(c, like, "decay_factor", 0))));
    v[2] = add(c, v[2], mul(c, v[1], v[1]));
    const ex size = add(c, ex_un(c->x, EX_SQRT, v[2]), attr_f(c, like, "epsilon", 1e-6f));
    v[0] = sub(c, v[0], divide(c, mul(c, slower, v[1]), size));
}

static void adam(lower_ctx *c, ex rate, ex count, ex *v)
{
    const ex like = v[0], one = num(c, like, 1), alpha = attr_f(c, like, "alpha", 0.9f), beta = attr_f(c, like, "beta", 0.999f);
    v[2] = add(c, mul(c, alpha, v[2]), mul(c, sub(c, one, alpha), v[1]));
    v[3] = add(c, mul(c, beta, v[3]), mul(c, mul(c, sub(c, one, beta), v[1]), v[1]));
    const ex root = ex_un(c->x, EX_SQRT, sub(c, one, ex_bin(c->x, EX_POW, beta, count)));
    const ex scaled = divide(c, mul(c, rate, root), sub(c, one, ex_bin(c->x, EX_POW, alpha, count)));
    const ex adjusted = ex_select(c->x, less(c, num(c, like, 0), count), scaled, rate);
    const ex size = add(c, ex_un(c->x, EX_SQRT, v[3]), attr_f(c, like, "epsilon", 1e-6f));
    const ex x = sub(c, v[0], divide(c, mul(c, adjusted, v[2]), size));
    v[0] = mul(c, sub(c, one, attr_f(c, like, "norm_coefficient_post", 0)), x);
}

static void lower_tensor(lower_ctx *c, uint32_t i, uint32_t count)
{
    const uint32_t lists = lists_of(c->n);
    const slot x = in_slot(c, input_at(c->n, 0, i));
    const uint32_t rank = slot_rank(c, x);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    nest_stage(&b);
    ex v[LISTS];
    for (uint32_t k = 0; k < lists; k++) v[k] = load_axes(c, in_slot(c, input_at(c->n, k, i)), rank, idx);
    const ctype t = ex_type(c->x, v[0]);
    for (uint32_t k = 1; k < lists; k++) v[k] = ex_cast(c->x, t, v[k]);
    const ex rate = ex_cast(c->x, t, load_scalar(c, in_slot(c, 0))), updates = ex_cast(c->x, t, load_scalar(c, in_slot(c, 1)));
    v[1] = add(c, mul(c, attr_f(c, v[0], "norm_coefficient", 0), v[0]), v[1]);
    (!strcmp(c->n->op, "Adam") ? adam : !strcmp(c->n->op, "Adagrad") ? adagrad : momentum)(c, rate, updates, v);
    for (uint32_t k = 0; k + 1 < lists; k++)
        if (low_has_out(c, k * count + i)) store_axes(c, &b, out_slot(c, k * count + i), rank, idx, k ? v[k + 1] : v[0]);
    low_end(c, &b);
}

bool lower_optimizer(lower_ctx *c)
{
    const uint32_t lists = lists_of(c->n), count = (c->n->n_in - 2) / lists;
    for (uint32_t i = 0; i < count; i++) {
        bool wanted = false;
        for (uint32_t k = 0; k + 1 < lists; k++) wanted |= low_has_out(c, k * count + i);
        if (wanted) lower_tensor(c, i, count);
    }
    return true;
}
