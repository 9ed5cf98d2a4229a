/* formula.c - what several operator families share; see formula.h. */
#include "ops/formula.h"

#include <math.h>
#include <string.h>

ex power_of(lower_ctx *c, ex x, int64_t p)
{
    const ex a = p % 2 ? ex_un(c->x, EX_ABS, x) : x;
    if (p == 1) return a;
    if (p == 2) return mul(c, a, a);
    return ex_bin(c->x, EX_POW, ex_un(c->x, EX_ABS, x), num(c, x, (double)p));
}

ex cubic_near(lower_ctx *c, ex x, ex a)
{
    const ex two = num(c, x, 2), three = num(c, x, 3), one = num(c, x, 1);
    return add(c, mul(c, mul(c, sub(c, mul(c, add(c, a, two), x), add(c, a, three)), x), x), one);
}

ex cubic_far(lower_ctx *c, ex x, ex a)
{
    const ex five = mul(c, num(c, x, 5), a), eight = mul(c, num(c, x, 8), a), four = mul(c, num(c, x, 4), a);
    return sub(c, mul(c, add(c, mul(c, sub(c, mul(c, a, x), five), x), eight), x), four);
}

ex root_of(lower_ctx *c, ex x, int64_t p)
{
    if (p == 1) return x;
    if (p == 2) return ex_un(c->x, EX_SQRT, x);
    return ex_bin(c->x, EX_POW, x, num(c, x, 1.0 / (double)p));
}

ex lowest_of(lower_ctx *c, elem e)
{
    const elem_info *i = elem_of(e);
    const ctype t = ctype_of(e);
    if (i->kind == 'f') return ex_f(c->x, t, -INFINITY);
    return i->kind == 'i' ? ex_i(c->x, t, -1 - (INT64_MAX >> (64 - i->bits))) : ex_i(c->x, t, 0);
}

ex highest_of(lower_ctx *c, elem e)
{
    const elem_info *i = elem_of(e);
    const ctype t = ctype_of(e);
    if (i->kind == 'f') return ex_f(c->x, t, INFINITY);
    if (i->kind == 'b') return ex_bool(c->x, true);
    if (i->kind == 'i') return ex_i(c->x, t, INT64_MAX >> (64 - i->bits));
    return ex_i(c->x, t, i->bits == 64 ? -1 : (INT64_C(1) << i->bits) - 1);
}

/* Powers of two from 2^-127 to 2^127, without zero and sign; what a negative number becomes is not specified. */
static ex to_power_of_two(lower_ctx *c, ex v, bool saturate, const char *round)
{
    if (!strcmp(round, "nearest")) return v;
    v = ex_un(c->x, EX_ABS, v);
    const ex top = num(c, v, ldexp(1, 127)), bits = ex_bitcast(c->x, CT_I32, v), exponent = ex_i(c->x, CT_I32, 0x7f800000);
    const ex carry = ex_i(c->x, CT_I32, strcmp(round, "up") ? 0 : 0x007fffff);
    const ex least = num(c, v, ldexp(1, -126)); /* below, float has no implicit bit: left to the store */
    const ex whole_power = ex_bitcast(c->x, CT_F32, both(c, add(c, bits, carry), exponent));
    const ex r = ex_select(c->x, less(c, v, least), v, ex_select(c->x, less(c, top, v), saturate ? top : num(c, v, NAN), whole_power));
    return ex_select(c->x, ex_un(c->x, EX_ISNAN, v), v, r);
}

ex to_small_float(lower_ctx *c, ex v, elem to, bool saturate, const char *round)
{
    /* the largest number, and the least magnitude that rounds to something larger (exclusive where the tie goes to the even number below) */
    static const struct {
        elem type;
        double top, over;
        bool tie_stays, has_inf;
    } ROWS[] = {{ELEM_FLOAT8E4M3FN, 448, 464, true, false}, {ELEM_FLOAT8E4M3FNUZ, 240, 248, false, false},
                {ELEM_FLOAT8E5M2, 57344, 61440, false, true}, {ELEM_FLOAT8E5M2FNUZ, 57344, 61440, false, false}};
    if (to == ELEM_FLOAT8E8M0) return to_power_of_two(c, v, saturate, round);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (ROWS[i].type != to) continue;
        const ex top = num(c, v, ROWS[i].top);
        if (saturate) return larger(c, smaller(c, v, top), ex_un(c->x, EX_NEG, top));
        if (ROWS[i].has_inf) return v; /* the store gives infinity */
        const ex a = ex_un(c->x, EX_ABS, v), over = num(c, v, ROWS[i].over);
        return ex_select(c->x, ex_bin(c->x, ROWS[i].tie_stays ? EX_LT : EX_LE, over, a), num(c, v, NAN), v);
    }
    return v;
}

const dim *known_dims(model *m, const node *n, uint32_t i, uint32_t *count)
{
    infer_ctx c = {m, m->dims, 0, (node *)(uintptr_t)n, NULL, false};
    return in_content(&c, i, count);
}

const int64_t *known_ints(model *m, const node *n, uint32_t i, uint32_t *count)
{
    uint32_t k;
    const dim *d = known_dims(m, n, i, &k);
    *count = 0;
    if (!d) return NULL;
    int64_t *v = ARENA_ARRAY(m->mem, int64_t, k + 1);
    for (uint32_t j = 0; j < k; j++)
        if (!dim_is_const(m->dims, d[j], &v[j])) return NULL;
    *count = k;
    return v;
}

const double *known_doubles(model *m, const node *n, uint32_t i, uint32_t *count)
{
    const value_id id = node_in(n, i);
    const tensor *t = id ? value_at(m, id)->data : NULL;
    *count = 0;
    if (id && !t) note_asked(m, id);
    if (!t || !t->data || !strchr("fiub", elem_of(t->type)->kind)) return NULL;
    *count = (uint32_t)tensor_count(t);
    double *v = ARENA_ARRAY(m->mem, double, *count + 1);
    for (uint32_t j = 0; j < *count; j++) v[j] = elem_get_double(t->type, t->data, j);
    return v;
}

slot const_slot(lower_ctx *c, const char *name, const tensor *t)
{
    dim extent[MAX_RANK];
    for (uint32_t k = 0; k < t->rank; k++) extent[k] = dim_const(c->d, t->shape[k]);
    const slot s = slot_new(c->p, name, t->type, SLOT_CONST, t->rank, extent);
    slot_at(c->p, s)->data = t;
    return s;
}

slot slot_floats(lower_ctx *c, const char *name, uint32_t rank, const int64_t *shape, const float *v)
{
    tensor *t = tensor_new(c->p->mem, ELEM_FLOAT, rank, shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, (size_t)i, (double)v[i]);
    return const_slot(c, name, t);
}

slot slot_ints(lower_ctx *c, const char *name, elem e, uint32_t rank, const int64_t *shape, const int64_t *v)
{
    tensor *t = tensor_new(c->p->mem, e, rank, shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) elem_set_int(e, (void *)(uintptr_t)t->data, (size_t)i, v[i]);
    return const_slot(c, name, t);
}

void stage_axes_mask(nest_builder *b, uint32_t rank, const dim *shape, uint32_t mask, dim *idx)
{
    for (uint32_t k = 0; k < rank; k++)
        if (mask >> k & 1) idx[k] = stage_axis(b, shape[k]);
}

void nest_axes_mask(nest_builder *b, uint32_t rank, const dim *shape, uint32_t mask, dim *idx)
{
    for (uint32_t k = 0; k < rank; k++)
        if (mask >> k & 1) idx[k] = nest_axis(b, shape[k]);
}

dim product_mask(dims *d, uint32_t rank, const dim *shape, uint32_t mask)
{
    dim p = dim_const(d, 1);
    for (uint32_t k = 0; k < rank; k++)
        if (mask >> k & 1) p = dim_mul(d, p, shape[k]);
    return p;
}

void lower_copy(lower_ctx *c, slot y, slot x)
{
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    const uint32_t rank = slot_rank(c, y);
    axes_for(&b, rank, slot_at(c->p, y)->extent, idx);
    part_axis(c, &b, y);
    nest_stage(&b);
    store_axes(c, &b, y, rank, idx, load_axes(c, x, rank, idx));
    low_end(c, &b);
}

step *lower_template(lower_ctx *c, const char *name, uint32_t n_bind, const binding *bind, uint32_t n_arg, const kernel_arg *arg, dim range)
{
    arena *mem = c->p->mem;
    kernel *k = ARENA_NEW(mem, kernel);
    *k = (kernel){.kind = K_TEMPLATE, .name = name, .n_bind = n_bind, .n_arg = n_arg, .range = range};
    k->bind = arena_copy(mem, bind, n_bind * sizeof *bind);
    k->arg = arena_copy(mem, arg, n_arg * sizeof *arg);
    step *s = ARENA_NEW(mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = c->what, .kernel = k};
    VEC_PUSH(mem, c->to->steps, s);
    return s;
}

slot lower_dim(lower_ctx *c, const char *name, dim d)
{
    const slot s = temp_slot(c, name, ELEM_INT64, 0, NULL);
    nest_builder b = low_begin(c);
    nest_stage(&b);
    store_axes(c, &b, s, 0, NULL, ex_dim(c->x, d));
    low_end(c, &b);
    return s;
}

slot value_slot(lower_ctx *c, value_id v)
{
    node use = {.n_in = 1, .in = &v};
    lower_ctx inner = *c;
    inner.n = &use;
    return in_slot(&inner, 0);
}

void lower_check(lower_ctx *c, slot scalar, const char *error)
{
    step *s = ARENA_NEW(c->p->mem, step);
    s->kind = STEP_CHECK;
    s->what = c->what;
    s->control = ARENA_NEW(c->p->mem, control);
    s->control->cond = scalar;
    s->control->error = error;
    VEC_PUSH(c->p->mem, c->to->steps, s);
}

void lower_bind(lower_ctx *c, dim symbol, slot from, dim capacity)
{
    step *s = ARENA_NEW(c->p->mem, step);
    s->kind = STEP_BIND;
    s->what = c->what;
    s->control = ARENA_NEW(c->p->mem, control);
    s->control->cond = from;
    s->control->symbol = symbol;
    s->control->capacity = capacity;
    VEC_PUSH(c->p->mem, c->to->steps, s);
    for (uint32_t i = 0; i < c->p->symbols.n; i++)
        if (c->p->symbols.p[i] == symbol) return;
    VEC_PUSH(c->p->mem, c->p->symbols, symbol);
}
