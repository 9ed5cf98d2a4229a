/* program.c - the plan's tables, and what a step reads and writes. */
#include <assert.h>

#include "expr/nest.h"
#include "expr/program.h"

program *program_new(arena *mem, model *m)
{
    program *p = ARENA_NEW(mem, program);
    p->mem = mem;
    p->model = m;
    p->dims = m->dims;
    p->diag = m->diag;
    p->ex = exprs_new(mem, m->dims);
    p->turns = dim_const(m->dims, 1);
    VEC_PUSH(mem, p->slot, (slot_info){0});
    VEC_PUSH(mem, p->buf, (buf_info){0});
    return p;
}

slot slot_new(program *p, const char *name, elem stored, slot_kind kind, uint32_t rank, const dim *extent)
{
    assert(rank <= MAX_RANK);
    slot_info s = {.name = name ? name : "", .type = stored, .kind = kind, .rank = (uint8_t)rank};
    for (uint32_t i = 0; i < rank; i++) s.extent[i] = extent[i];
    VEC_PUSH(p->mem, p->slot, s);
    return p->slot.n - 1;
}

bool has_strings(const program *p)
{
    for (slot s = 1; s < p->slot.n; s++)
        if (p->slot.p[s].type == ELEM_STRING) return true;
    return false;
}

uint32_t acc_new(program *p)
{
    return ++p->n_acc;
}

/* ---- reads and writes ---- */

enum { SEEN_READ = 1, SEEN_WRITTEN = 2 };

typedef struct {
    program *p;
    uint8_t *seen; /* per slot */
    void (*f)(void *ctx, slot s, bool written);
    void *ctx;
} access_walk;

static void report(access_walk *w, slot s, bool written)
{
    const uint8_t bit = written ? SEEN_WRITTEN : SEEN_READ;
    if (!s || w->seen[s] & bit) return;
    w->seen[s] |= bit;
    w->f(w->ctx, s, written);
}

static void access_load(void *ctx, ex e)
{
    access_walk *w = ctx;
    const ex_node *n = ex_at(w->p->ex, e);
    if (n->op == EX_LOAD) report(w, n->slot, false);
}

static void access_expr(access_walk *w, ex e)
{
    if (e) ex_walk(w->p->ex, e, access_load, w);
}

static void access_nest(access_walk *w, const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++) {
        const stage *g = &n->stage[i];
        for (uint32_t k = 0; k < g->n_sinks; k++) {
            const sink *s = &g->sink[k];
            access_expr(w, s->value);
            access_expr(w, s->guard);
            if (!s->to) continue;
            for (uint32_t j = 0; j < s->n; j++) access_expr(w, s->at[j]);
            if (s->fold != FOLD_NONE) report(w, s->to, false);
            report(w, s->to, true);
        }
    }
}

static void access_kernel(access_walk *w, const kernel *k)
{
    for (uint32_t i = 0; i < k->n_arg; i++) {
        const kernel_arg *a = &k->arg[i];
        if (a->role == ARG_IN || a->role == ARG_INOUT) report(w, a->slot, false);
        if (a->role != ARG_IN) report(w, a->slot, true);
    }
    for (uint32_t i = 0; i < k->n_hook; i++) {
        const hook *h = &k->hook[i];
        access_expr(w, h->value);
        for (uint32_t j = 0; j < h->n; j++) access_expr(w, h->at[j]);
        report(w, h->to, true);
    }
    access_expr(w, k->matmul.a);
    access_expr(w, k->matmul.b);
}

static void access_step(access_walk *w, const step *s);

static void access_block(access_walk *w, const block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) access_step(w, b->steps.p[i]);
}

static void access_control(access_walk *w, const control *c)
{
    report(w, c->cond, false);
    report(w, c->trip, false);
    access_block(w, c->then);
    access_block(w, c->otherwise);
    report(w, c->cond_next, false);
    for (uint32_t i = 0; i < c->n_carried; i++) {
        report(w, c->next[i], false);
        report(w, c->state[i], true);
    }
}

static void access_step(access_walk *w, const step *s)
{
    if (s->nest) access_nest(w, s->nest);
    if (s->kernel) access_kernel(w, s->kernel);
    if (s->control) access_control(w, s->control);
}

void step_access(program *p, const step *s, void (*f)(void *ctx, slot s, bool written), void *ctx)
{
    access_walk w = {p, mem_alloc(p->slot.n), f, ctx};
    access_step(&w, s);
    mem_free(w.seen);
}

ex table_index(program *p, const ex_node *load)
{
    enum { TABLE_BYTES = 256 };
    const slot_info *s = slot_at(p, load->slot);
    double inside;
    if ((load->elem != ELEM_UINT8 && load->elem != ELEM_INT8) || load->n != 1 || s->kind != SLOT_CONST || !s->data || tensor_count(s->data) != TABLE_BYTES) return 0;
    if (ex_is_dim(p->ex, load->idx[0], NULL) || !ex_is_num(p->ex, ex_in_range(p->ex, load->idx[0], dim_const(p->dims, TABLE_BYTES)), &inside) || inside != 1) return 0;
    return ex_as_i32(p->ex, load->idx[0]);
}
