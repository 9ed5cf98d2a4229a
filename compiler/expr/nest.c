/* nest.c - building nests: axes, stages and sinks are appended, nest_end checks the whole and appends it to a block as a step. */
#include <assert.h>
#include <string.h>

#include "expr/nest.h"

nest_builder nest_begin(program *p)
{
    return (nest_builder){.p = p, .nest = ARENA_NEW(p->mem, nest)};
}

static dim add_axis(nest_builder *b, uint8_t *n, dim *axis, dim extent)
{
    const dim d = dim_axis(b->p->dims, extent);
    if (!dim_is_axis(b->p->dims, d)) return d;
    assert(*n < NEST_AXES);
    axis[(*n)++] = d;
    return d;
}

dim nest_axis(nest_builder *b, dim extent)
{
    return add_axis(b, &b->nest->n_axes, b->nest->axis, extent);
}

/* Arrays of stages and sinks double when their length reaches a power of two. */
static void *room_for_one(arena *mem, void *p, uint32_t n, size_t size)
{
    if (n & (n - 1)) return p;
    void *q = arena_array(mem, n ? 2 * (size_t)n : 1, size);
    if (n) memcpy(q, p, n * size);
    return q;
}

void nest_stage(nest_builder *b)
{
    nest *n = b->nest;
    n->stage = room_for_one(b->p->mem, n->stage, n->n_stages, sizeof *n->stage);
    b->stage = &n->stage[n->n_stages++];
}

dim stage_axis(nest_builder *b, dim extent)
{
    if (!b->stage) nest_stage(b);
    return add_axis(b, &b->stage->n_axes, b->stage->axis, extent);
}

static sink *add_sink(nest_builder *b)
{
    if (!b->stage) nest_stage(b);
    stage *g = b->stage;
    g->sink = room_for_one(b->p->mem, g->sink, g->n_sinks, sizeof *g->sink);
    return &g->sink[g->n_sinks++];
}

ex stage_fold(nest_builder *b, fold f, ex v)
{
    assert(f != FOLD_NONE);
    sink *s = add_sink(b);
    s->fold = f;
    s->acc = acc_new(b->p);
    s->value = v;
    return ex_acc(b->p->ex, s->acc, ex_type(b->p->ex, v));
}

sink *stage_store(nest_builder *b, slot to, uint32_t n, const ex *at, ex v)
{
    assert(n <= MAX_RANK);
    const slot_info *info = slot_at(b->p, to);
    const ex_node *top = ex_at(b->p->ex, v);
    if (top->op == EX_ROUND && top->elem == info->type) v = top->a[0]; /* storing rounds by itself */
    sink *s = add_sink(b);
    s->to = to;
    s->n = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++) s->at[i] = at[i];
    s->value = v;
    return s;
}

/* ---- the finished nest ---- */

static void check_sink(const program *p, const sink *s)
{
    const exprs *x = p->ex;
    assert(s->value);
    assert(!s->guard || ex_type(x, s->guard) == CT_BOOL);
    if (!s->to) {
        assert(s->fold != FOLD_NONE && s->acc);
        return;
    }
    const slot_info *info = &p->slot.p[s->to];
    assert(s->to < p->slot.n && s->n == info->rank);
    assert(ex_type(x, s->value) == ctype_of(info->type));
    for (uint32_t i = 0; i < s->n; i++) assert(ex_type(x, s->at[i]) == CT_I64);
    (void)info, (void)x;
}

static bool sink_can_fail(const exprs *x, const sink *s)
{
    bool fails = ex_can_fail(x, s->value) || (s->guard && ex_can_fail(x, s->guard));
    for (uint32_t i = 0; s->to && i < s->n; i++) fails |= ex_can_fail(x, s->at[i]);
    return fails;
}

bool nest_can_fail(const program *p, const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++)
            if (sink_can_fail(p->ex, &n->stage[i].sink[k])) return true;
    return false;
}

step *nest_end(nest_builder *b, block *to, const char *what)
{
    program *p = b->p;
    nest *n = b->nest;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) check_sink(p, &n->stage[i].sink[k]);
    n->can_fail = nest_can_fail(p, n);
    step *s = ARENA_NEW(p->mem, step);
    s->kind = STEP_NEST;
    s->what = what ? what : "";
    s->nest = n;
    VEC_PUSH(p->mem, to->steps, s);
    return s;
}
