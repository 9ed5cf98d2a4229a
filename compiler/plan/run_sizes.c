/* run_sizes.c - the sizes that data decides during the run, and how large each can become: what memory has to have room for.
 *
 * A bind (lower_bind) names what its size can't exceed, of the sizes around it; --dim may say less. Sizes that it names are bound by earlier steps, so each is
 * put as a formula of sizes that are known before the run. A size that several places bind (the branches of an if) can become the largest of theirs. In the body
 * of a loop a size may follow from the number of the turn, which is below the number of turns. */
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

static void add(search *f, dim symbol, int64_t least, dim most, const char *what)
{
    VEC_PUSH(f->p->mem, f->all->symbol, symbol);
    VEC_PUSH(f->p->mem, f->all->least, dim_const(f->p->dims, least));
    VEC_PUSH(f->p->mem, f->all->most, most);
    VEC_PUSH(f->p->mem, f->all->what, what);
}

static void note_bind(search *f, const step *s)
{
    run_sizes *all = f->all;
    dims *d = f->p->dims;
    const dim symbol = s->control->symbol;
    const interval r = dim_range(d, symbol);
    dim most = s->control->capacity;
    if (r.hi < INT64_MAX) most = most ? dim_min(d, most, dim_const(d, r.hi)) : dim_const(d, r.hi);
    most = most ? at_capacity(d, all, most) : symbol;
    const uint32_t i = place_of(all, symbol);
    if (i == all->symbol.n) add(f, symbol, r.lo, most, s->what ? s->what : "");
    else all->most.p[i] = most == symbol || all->most.p[i] == symbol ? symbol : dim_max(d, all->most.p[i], most);
}

static void note_loop(search *f, const step *s)
{
    dims *d = f->p->dims;
    if (!s->control->turns) return;
    add(f, s->control->index, 0, dim_max(d, dim_addc(d, at_capacity(d, f->all, s->control->turns), -1), dim_const(d, 0)), NULL);
}

static void note(void *ctx, step *s)
{
    if (s->kind == STEP_BIND) note_bind(ctx, s);
    else if (s->kind == STEP_LOOP) note_loop(ctx, s);
}

run_sizes run_sizes_of(program *p)
{
    run_sizes all = {0};
    program_steps(p, note, &(search){p, &all});
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
