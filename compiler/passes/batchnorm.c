/* batchnorm.c - a Conv, ConvTranspose, Gemm or MatMul with constant weights, followed by a BatchNormalization in inference form or by Mul, Div,
 * Add or Sub with one constant per channel, takes them into its weights and bias. A chain of them is composed first, in double, so that every
 * weight is rounded once.
 *
 *     a * (W x + c) + b  =  (a W) x + (a c + b)
 *
 * requires: types known (infer), newest versions.
 * keeps: names of graph outputs; weights that something else reads too (the factors are not folded then, since a copy costs more than they do).
 * breaks: the exact sequence of roundings, as any folding does; a result that would not be finite is left alone.
 * New weights are in the model's memory: as many bytes as the old ones, at most once each. */
#include <math.h>
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

/* What follows on each channel: a x + b. */
typedef struct {
    double *a, *b;
    int64_t n;
    bool scales; /* some a is not 1 */
} affine;

/* The product: output = weights * input + bias. */
typedef struct {
    node_id id;
    value_id weights, bias; /* bias 0: none */
    int64_t channels, group;
    uint32_t axis;          /* of the channels in the output */
    bool takes_bias;        /* MatMul has no place for one */
    enum { CHANNEL_FIRST, CHANNEL_SECOND, CHANNEL_LAST } layout; /* where the weights have them; second: within a group */
    double beta;            /* factor of Gemm's bias */
    node_id adder;          /* Add after a MatMul that is its bias; 0: none */
    uint32_t adder_input;   /* which input of it the bias is */
} product;

static bool is_real(elem e)
{
    return e == ELEM_FLOAT || e == ELEM_DOUBLE; /* half precision would lose too much in the weights */
}

static const tensor *constant(model *m, value_id v)
{
    const tensor *t = v ? value_at(m, v)->data : NULL;
    return t && is_real(t->type) && !t->strings ? t : NULL;
}

/* ---- what is there ---- */

static bool bias_fits(model *m, value_id bias, int64_t channels)
{
    if (!bias) return true;
    const tensor *t = constant(m, bias);
    if (!t) return false;
    const int64_t count = tensor_count(t);
    return count == 1 || (count == channels && t->rank && t->shape[t->rank - 1] == channels); /* Gemm broadcasts it */
}

static bool read_product(rewrite *r, node_id id, product *p)
{
    model *m = r->m;
    const node *n = node_at(m, id);
    const tensor *w = *n->domain || !op_readable(n) ? NULL : constant(m, node_in(n, 1));
    const type *y = n->n_out ? &value_at(m, n->out[0])->type : NULL;
    if (!w || !y || y->kind != TYPE_TENSOR || y->elem != w->type || y->rank < 2) return false;
    *p = (product){.id = id, .weights = n->in[1], .bias = node_in(n, 2), .group = 1, .axis = 1, .takes_bias = true, .beta = 1};
    if (!strcmp(n->op, "Conv") && w->rank >= 3) {
        p->channels = w->shape[0];
    } else if (!strcmp(n->op, "ConvTranspose") && w->rank >= 3) {
        p->layout = CHANNEL_SECOND;
        p->group = node_int(n, "group", 1);
        if (p->group < 1 || w->shape[0] % p->group || !mul_i64(w->shape[1], p->group, &p->channels)) return false;
    } else if (!strcmp(n->op, "Gemm") && w->rank == 2) {
        const bool turned = node_int(n, "transB", 0) != 0;
        p->layout = turned ? CHANNEL_FIRST : CHANNEL_LAST;
        p->channels = w->shape[turned ? 0 : 1];
        p->beta = (double)node_float(n, "beta", 1);
    } else if (!strcmp(n->op, "MatMul") && w->rank == 2) {
        p->layout = CHANNEL_LAST;
        p->channels = w->shape[1];
        p->axis = (uint32_t)y->rank - 1;
        p->takes_bias = false;
    } else {
        return false;
    }
    return p->channels > 0 && bias_fits(m, p->bias, p->channels);
}

/* Element i of a constant with one element or one per channel; its only dimension larger than 1 meets the product's channels. */
static bool per_channel(const product *p, int32_t rank, const tensor *t)
{
    if (!t || (int32_t)t->rank > rank) return false;
    for (uint32_t i = 0; i < t->rank; i++) {
        const uint32_t axis = (uint32_t)rank - t->rank + i;
        if (t->shape[i] != 1 && (axis != p->axis || t->shape[i] != p->channels)) return false;
    }
    return true;
}

static double channel_of(const tensor *t, int64_t i)
{
    return elem_get_double(t->type, t->data, tensor_count(t) == 1 ? 0 : (size_t)i);
}

static void compose(affine *f, int64_t i, double a, double b)
{
    f->a[i] *= a;
    f->b[i] = f->b[i] * a + b;
}

static bool add_batch_normalization(model *m, const product *p, const node *n, affine *f)
{
    const tensor *t[5] = {0};
    if (node_int(n, "training_mode", 0) || p->axis != 1) return false;
    for (uint32_t i = 1; i < 5; i++) {
        t[i] = constant(m, node_in(n, i));
        if (!t[i] || t[i]->rank != 1 || t[i]->shape[0] != p->channels) return false;
    }
    const double epsilon = (double)node_float(n, "epsilon", 1e-5f);
    for (int64_t i = 0; i < f->n; i++) {
        const double a = channel_of(t[1], i) / sqrt(channel_of(t[4], i) + epsilon);
        compose(f, i, a, channel_of(t[2], i) - channel_of(t[3], i) * a);
    }
    return true;
}

static bool add_arithmetic(model *m, const product *p, const node *n, value_id x, affine *f)
{
    if (n->n_in != 2 || n->in[0] == n->in[1]) return false;
    const bool first = n->in[0] == x;
    const tensor *t = constant(m, n->in[first ? 1 : 0]);
    if (!per_channel(p, value_at(m, x)->type.rank, t)) return false;
    const bool mul = !strcmp(n->op, "Mul"), div = !strcmp(n->op, "Div"), plus = !strcmp(n->op, "Add"), minus = !strcmp(n->op, "Sub");
    if (!mul && !plus && !minus && !(div && first)) return false;
    for (int64_t i = 0; i < f->n; i++) {
        const double c = channel_of(t, i);
        if (mul || div) compose(f, i, mul ? c : 1 / c, 0);
        else if (plus) compose(f, i, 1, c);
        else if (first) compose(f, i, 1, -c);
        else compose(f, i, -1, c);
    }
    return true;
}

/* What node n does to x, after f; false leaves f as it was. */
static bool extend(rewrite *r, const product *p, const node *n, value_id x, affine *f)
{
    model *m = r->m;
    const size_t bytes = (size_t)f->n * sizeof(double);
    if (*n->domain || !op_readable(n) || !n->n_out || !n->out[0] || !same_value_type(m, x, n->out[0])) return false;
    affine next = {arena_copy(r->mem, f->a, bytes), arena_copy(r->mem, f->b, bytes), f->n, false};
    const bool batch = !strcmp(n->op, "BatchNormalization");
    if (batch ? !add_batch_normalization(m, p, n, &next) : !add_arithmetic(m, p, n, x, &next)) return false;
    for (int64_t i = 0; i < next.n; i++) {
        if (!isfinite(next.a[i]) || !isfinite(next.b[i])) return false;
        next.scales |= next.a[i] != 1;
        if (next.b[i] != 0 && !p->takes_bias) return false;
    }
    if (next.scales && r->uses[p->weights] != 1) return false;
    *f = next;
    return true;
}

/* ---- what becomes of it ---- */

/* Channel that element i of the weights serves. */
static int64_t channel_of_weight(const product *p, const tensor *w, int64_t i)
{
    const int64_t inner = tensor_count(w) / (w->shape[0] * w->shape[1]), row = i / (inner * w->shape[1]), column = i / inner % w->shape[1];
    switch (p->layout) {
    case CHANNEL_FIRST: return row;
    case CHANNEL_SECOND: return row / (w->shape[0] / p->group) * w->shape[1] + column;
    case CHANNEL_LAST: return column;
    }
    return 0;
}

static bool all_finite(const tensor *t)
{
    const size_t n = (size_t)tensor_count(t);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(elem_get_double(t->type, t->data, i))) return false;
    return true;
}

static tensor *scaled_weights(model *m, const product *p, const affine *f)
{
    const tensor *w = value_at(m, p->weights)->data;
    tensor *t = tensor_new(m->mem, w->type, w->rank, w->shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        const double v = elem_get_double(w->type, w->data, (size_t)i) * f->a[channel_of_weight(p, w, i)];
        elem_set_double(t->type, (void *)(uintptr_t)t->data, (size_t)i, v);
    }
    return t;
}

static tensor *new_bias(model *m, const product *p, const affine *f)
{
    const tensor *old = p->bias ? value_at(m, p->bias)->data : NULL;
    tensor *t = tensor_new(m->mem, value_at(m, p->weights)->data->type, 1, &p->channels);
    for (int64_t i = 0; i < f->n; i++) {
        const double c = old ? p->beta * channel_of(old, i) : 0;
        elem_set_double(t->type, (void *)(uintptr_t)t->data, (size_t)i, f->a[i] * c + f->b[i]);
    }
    return t;
}

static value_id constant_value(model *m, graph_id g, const char *of, const char *role, tensor *t)
{
    const value_id v = value_new(m, arena_printf(m->mem, "%s.%s", of, role));
    value *x = value_at(m, v);
    t->name = x->name;
    x->data = t;
    dim *shape = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(m->dims, t->shape[i]);
    x->type = type_tensor(t->type, (int32_t)t->rank, shape);
    VEC_PUSH(m->mem, graph_at(m, g)->initializers, v);
    return v;
}

static void give_output(model *m, node_id id, value_id out)
{
    node *n = node_at(m, id);
    value_at(m, n->out[0])->producer = 0;
    n->out[0] = out;
    value_at(m, out)->producer = id;
    value_at(m, out)->output = 0;
}

/* The product computes `out`, the last value of the chain. False when a number would not be finite. */
static bool fold_into(model *m, const product *p, const affine *f, value_id out)
{
    tensor *w = f->scales ? scaled_weights(m, p, f) : NULL, *bias = p->takes_bias ? new_bias(m, p, f) : NULL;
    if ((w && !all_finite(w)) || (bias && !all_finite(bias))) return false;
    const graph_id g = node_at(m, p->id)->graph;
    const char *of = value_at(m, out)->name;
    const value_id weights = w ? constant_value(m, g, of, "weights", w) : p->weights, added = bias ? constant_value(m, g, of, "bias", bias) : 0;
    node *n = node_at(m, p->id);
    n->in[1] = weights;
    if (p->adder) {
        n = node_at(m, p->adder);
        n->in[p->adder_input] = added;
        give_output(m, p->adder, out);
        return true;
    }
    if (added && n->n_in < 3) {
        value_id *in = ARENA_ARRAY(m->mem, value_id, 3);
        memcpy(in, n->in, 2 * sizeof *in);
        n->in = in;
        n->n_in = 3;
    }
    if (added) n->in[2] = added;
    if (added) node_drop_attr(n, "beta");
    give_output(m, p->id, out);
    return true;
}

/* ---- the pass ---- */

typedef struct {
    node_id *reader; /* by value id: a node that reads it */
} readers;

static void find_readers(rewrite *r, graph_id id)
{
    readers *all = r->ctx;
    const graph *g = graph_at(r->m, id);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_in; k++) all->reader[n->in[k]] = g->nodes.p[i];
    }
}

/* The one node that reads v, in the same graph; 0 when there are more or v is an output. */
static node_id only_reader(rewrite *r, value_id v, graph_id g)
{
    const readers *all = r->ctx;
    if (v >= r->n || r->uses[v] != 1 || r->output[v]) return 0;
    const node_id id = all->reader[v];
    return id && node_at(r->m, id)->graph == g ? id : 0;
}

/* MatMul has no bias of its own; a constant one that is added right after it serves as one. Returns the value of the sum, or the product's. */
static value_id find_adder(rewrite *r, product *p, value_id y, graph_id g)
{
    model *m = r->m;
    const node_id id = p->takes_bias ? 0 : only_reader(r, y, g);
    const node *n = id ? node_at(m, id) : NULL;
    if (!n || !op_is(n, "Add") || n->n_in != 2 || n->in[0] == n->in[1] || !same_value_type(m, y, n->out[0])) return y;
    p->adder_input = n->in[0] == y;
    if (!per_channel(p, value_at(m, y)->type.rank, constant(m, n->in[p->adder_input]))) return y;
    p->adder = id;
    p->bias = n->in[p->adder_input];
    p->takes_bias = true;
    return n->out[0];
}

/* Follows the chain after a product and folds what it can. Its nodes are dropped when the walk comes to them: nothing reads them then. */
static bool visit(rewrite *r, node_id id)
{
    model *m = r->m;
    product p;
    if (node_at(m, id)->dead) return true;
    if (!read_product(r, id, &p)) return false;
    affine f = {ARENA_ARRAY(r->mem, double, p.channels), ARENA_ARRAY(r->mem, double, p.channels), p.channels, false};
    for (int64_t i = 0; i < f.n; i++) f.a[i] = 1;
    const graph_id g = node_at(m, id)->graph;
    value_id last = find_adder(r, &p, node_at(m, id)->out[0], g);
    VEC(node_id) chain = {0};
    for (node_id next; (next = only_reader(r, last, g)) != 0;) {
        const node *n = node_at(m, next);
        if (!extend(r, &p, n, last, &f)) break;
        VEC_PUSH(r->mem, chain, next);
        last = n->out[0];
    }
    if (!chain.n || !fold_into(m, &p, &f, last)) return false;
    for (uint32_t i = 0; i < chain.n; i++) {
        node *n = node_at(m, chain.p[i]);
        n->dead = true;
        if (n->out[0] != last) value_at(m, n->out[0])->producer = 0;
    }
    return false;
}

void fold_batchnorm(model *m)
{
    arena *scratch = arena_new();
    readers all = {ARENA_ARRAY(scratch, node_id, m->values.n)};
    rewrite r = rewrite_new(m, scratch, &all);
    for (graph_id g = 1; g < m->graphs.n; g++) find_readers(&r, g);
    rewrite_run(&r, visit, NULL);
    arena_free(scratch);
}
