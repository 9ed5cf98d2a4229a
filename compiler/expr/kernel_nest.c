/* kernel_nest.c - a product or a convolution as a nest: what a kernel computes, said in the expression form. Serves every type and rank, where no
 * template fits and where results are compared. */
#include <string.h>

#include "expr/nest.h"

typedef struct {
    exprs *x;
    ex acc;
} acc_swap;

static ex swap_acc(void *ctx, ex e)
{
    const acc_swap *s = ctx;
    const ex_node *n = ex_at(s->x, e);
    return n->op == EX_ACC && n->i == 0 ? s->acc : 0;
}

static void copy_axes(dims *d, const dim *from, uint32_t n, uint8_t *count, dim *to)
{
    for (uint32_t i = 0; i < n; i++)
        if (dim_is_axis(d, from[i])) to[(*count)++] = from[i];
}

static ex less(exprs *x, ex v, int32_t zero)
{
    return zero ? ex_bin(x, EX_SUB, v, ex_i(x, ex_type(x, v), zero)) : v;
}

/* The term of a convolution: input (0 outside) times weight, over the hook's axes and the taps. */
static ex conv_product(program *p, const kernel *k, const hook *h, dim channel, const dim *tap)
{
    dims *d = p->dims;
    exprs *x = p->ex;
    const slot in = k->arg[1].slot, weight = k->arg[2].slot;
    const conv_params *c = &k->conv;
    ex xi[MAX_RANK], wi[MAX_RANK];
    const dim group_size = dim_fdiv(d, slot_at(p, weight)->extent[0], dim_const(d, c->group)), per_group = slot_at(p, weight)->extent[1];
    xi[0] = ex_dim(x, h->axis[0]);
    xi[1] = ex_dim(x, dim_add(d, dim_mul(d, dim_fdiv(d, h->axis[1], group_size), per_group), channel));
    wi[0] = ex_dim(x, h->axis[1]);
    wi[1] = ex_dim(x, channel);
    ex inside = ex_bool(x, true);
    for (uint32_t i = 0; i < c->rank; i++) {
        const dim at = dim_add(d, dim_mulc(d, h->axis[i + 2], c->stride[i]), dim_mulc(d, tap[i], c->dilation[i]));
        xi[i + 2] = ex_dim(x, dim_addc(d, at, -c->pad_lo[i]));
        wi[i + 2] = ex_dim(x, tap[i]);
        inside = ex_bin(x, EX_AND, inside, ex_in_range(x, xi[i + 2], slot_at(p, in)->extent[i + 2]));
    }
    const ex v = less(x, ex_load(x, in, slot_at(p, in)->type, c->rank + 2, xi), c->x_zero);
    const ex zero = ex_i(x, ex_type(x, v), 0);
    return ex_bin(x, EX_MUL, ex_select(x, inside, v, zero), less(x, ex_load(x, weight, slot_at(p, weight)->type, c->rank + 2, wi), c->w_zero));
}

nest *kernel_as_nest(program *p, const kernel *k)
{
    dims *d = p->dims;
    exprs *x = p->ex;
    const hook *h = &k->hook[0];
    nest *n = ARENA_NEW(p->mem, nest);
    copy_axes(d, h->axis, h->n_axes, &n->n_axes, n->axis);
    n->n_stages = 2;
    n->stage = ARENA_ARRAY(p->mem, stage, 2);
    stage *sum = &n->stage[0], *store = &n->stage[1];
    sum->n_sinks = store->n_sinks = 1;
    sum->sink = ARENA_NEW(p->mem, sink);
    store->sink = ARENA_NEW(p->mem, sink);
    ex term;
    if (k->kind == K_MATMUL) {
        copy_axes(d, &k->matmul.k, 1, &sum->n_axes, sum->axis);
        term = ex_bin(x, EX_MUL, k->matmul.a, k->matmul.b);
    } else {
        dim walk[4];
        walk[0] = dim_axis(d, slot_at(p, k->arg[2].slot)->extent[1]);
        for (uint32_t i = 0; i < k->conv.rank; i++) walk[i + 1] = dim_axis(d, dim_const(d, k->conv.kernel[i]));
        copy_axes(d, walk, k->conv.rank + 1, &sum->n_axes, sum->axis);
        term = conv_product(p, k, h, walk[0], walk + 1);
    }
    const uint32_t acc = acc_new(p);
    *sum->sink = (sink){.fold = FOLD_SUM, .acc = acc, .value = term};
    acc_swap swap = {x, ex_acc(x, acc, ex_type(x, term))};
    *store->sink = (sink){.fold = FOLD_NONE, .to = h->to, .n = h->n, .value = ex_subst(x, h->value, swap_acc, &swap)};
    memcpy(store->sink->at, h->at, sizeof h->at);
    n->can_fail = nest_can_fail(p, n);
    return n;
}
