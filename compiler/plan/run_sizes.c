/* run_sizes.c - the sizes that data decides during the run, and how large each can become: what memory has to have room for.
 *
 * A bind (lower_bind) names what its size can't exceed, of the sizes around it; --dim may say less. Sizes that it names are bound by earlier steps, so each is
 * put as a formula of sizes that are known before the run. A size that several places bind (the branches of an if) can become the largest of theirs. */
#include "plan/plan.h"

typedef struct {
    program *p;
    run_sizes *all;
} search;

static uint32_t place_of(const run_sizes *s, dim symbol)
{
    uint32_t i = 0;
    while (i < s->symbol.n && s->symbol.p[i] != symbol) i++;
    return i;
}

static void note_bind(void *ctx, step *s)
{
    search *f = ctx;
    run_sizes *all = f->all;
    dims *d = f->p->dims;
    if (s->kind != STEP_BIND) return;
    const dim symbol = s->control->symbol;
    const interval r = dim_range(d, symbol);
    dim most = s->control->capacity;
    if (r.hi < INT64_MAX) most = most ? dim_min(d, most, dim_const(d, r.hi)) : dim_const(d, r.hi);
    most = most ? at_capacity(d, all, most) : symbol;
    const uint32_t i = place_of(all, symbol);
    if (i == all->symbol.n) {
        VEC_PUSH(f->p->mem, all->symbol, symbol);
        VEC_PUSH(f->p->mem, all->least, dim_const(d, r.lo));
        VEC_PUSH(f->p->mem, all->most, most);
        VEC_PUSH(f->p->mem, all->what, s->what ? s->what : "");
    } else all->most.p[i] = most == symbol || all->most.p[i] == symbol ? symbol : dim_max(d, all->most.p[i], most);
}

run_sizes run_sizes_of(program *p)
{
    run_sizes all = {0};
    program_steps(p, note_bind, &(search){p, &all});
    return all;
}

dim capacity_of(const run_sizes *s, dim symbol)
{
    const uint32_t i = place_of(s, symbol);
    return i < s->symbol.n ? s->most.p[i] : 0;
}

dim at_capacity(dims *t, const run_sizes *s, dim d)
{
    return s->symbol.n ? dim_at_most(t, d, s->symbol.n, s->symbol.p, s->least.p, s->most.p) : d;
}
