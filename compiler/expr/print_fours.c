/* print_fours.c - CUDA: a thread computes four neighbouring points of a nest of one statement, so that elements that lie one after the other come and go
 * in one access of 16 bytes (8 for 16-bit types). */
#include "expr/expr_impl.h"
#include "expr/print_fours.h"


static char quad_letter(elem e)
{
    return e == ELEM_FLOAT ? 'f' : e == ELEM_INT32 ? 'i' : e == ELEM_FLOAT16 || e == ELEM_BFLOAT16 ? 'h' : 0;
}

/* The local array for an access to four neighbours at an aligned place; 0 when it is none. */
static slot quad_local(quads *q, slot s, ex index, bool stored)
{
    printer *w = q->w;
    dim at, coef, first;
    if (slot_is_local(w, s) || !quad_letter(slot_at(w->p, s)->type) || !ex_is_dim(w->x, index, &at) || !dim_has(w->t, at, q->four)) return 0;
    if (!dim_affine(w->t, at, q->four, &coef, &first) || !dim_is(w->t, coef, 1) || !dim_divides(w->t, QUAD, first)) return 0;
    if (!stored && !stays_inside(w, s, at)) return 0;
    for (uint32_t i = 0; i < q->local.n; i++)
        if (q->memory.p[i] == s && q->at.p[i] == first && q->stored.p[i] == stored) return q->local.p[i];
    const dim extent = dim_const(w->t, QUAD);
    const slot local = slot_new(w->p, arena_printf(w->p->mem, "%s_4", param_of(w, s)->name), slot_at(w->p, s)->type, SLOT_LOCAL, 1, &extent);
    VEC_PUSH(w->mem, w->param, ((param){.slot = local, .name = fresh_name(w, slot_at(w->p, local)->name), .written = true, .read = true}));
    VEC_PUSH(w->mem, q->memory, s);
    VEC_PUSH(w->mem, q->at, first);
    VEC_PUSH(w->mem, q->local, local);
    VEC_PUSH(w->mem, q->stored, stored);
    return local;
}

static ex quad_load(void *ctx, ex e)
{
    quads *q = ctx;
    const ex_node n = *ex_at(q->w->x, e);
    const slot local = n.op == EX_LOAD ? quad_local(q, n.slot, n.idx[0], false) : 0;
    const ex index = ex_dim(q->w->x, q->four);
    return local ? ex_load(q->w->x, local, (elem)n.elem, 1, &index) : 0;
}

typedef struct {
    const printer *w;
    slot stored;
    bool found;
} reader_search;

static void look_for_reader(void *ctx, ex e)
{
    reader_search *r = ctx;
    const ex_node *n = ex_at(r->w->x, e);
    r->found |= n->op == EX_LOAD && same_memory(r->w, n->slot, r->stored);
}

/* One stage without axes whose stores no later one reads again. */
static bool is_statement(const printer *w, const nest *n)
{
    const stage *s = &n->stage[0];
    if (n->n_stages != 1 || s->n_axes || n->can_fail || in_order(n)) return false;
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        if (!s->sink[i].to || s->sink[i].guard) return false;
        reader_search r = {w, s->sink[i].to, false};
        for (uint32_t k = i + 1; k < s->n_sinks; k++) ex_walk(w->x, s->sink[k].value, look_for_reader, &r);
        if (r.found) return false;
    }
    return true;
}

bool take_fours(printer *w, nest *n, quads *q)
{
    const dim last = n->n_axes ? n->axis[n->n_axes - 1] : 0;
    if (!last || !is_statement(w, n) || !dim_divides(w->t, QUAD, dim_extent(w->t, last))) return false;
    const dim outer = dim_axis(w->t, dim_fdiv(w->t, dim_extent(w->t, last), dim_const(w->t, QUAD)));
    *q = (quads){.w = w, .four = dim_axis(w->t, dim_const(w->t, QUAD))};
    stage *s = map_stages(w, n->stage, 1, last, dim_add(w->t, dim_mulc(w->t, outer, QUAD), q->four));
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        sink *k = &s->sink[i];
        k->value = ex_subst(w->x, k->value, quad_load, q);
        const slot local = quad_local(q, k->to, k->at[0], true);
        if (!local) continue;
        k->to = local;
        k->at[0] = ex_dim(w->x, q->four);
    }
    if (!q->local.n) return false;
    n->stage = s;
    if (dim_is_axis(w->t, outer)) n->axis[n->n_axes - 1] = outer;
    else n->n_axes--; /* just four */
    return true;
}

static void print_quad_accesses(const quads *q, bool stored)
{
    printer *w = q->w;
    for (uint32_t i = 0; i < q->local.n; i++) {
        if (q->stored.p[i] != stored) continue;
        const char *memory = param_of(w, q->memory.p[i])->name, *local = param_of(w, q->local.p[i])->name, *at = paren(w, dim_str(w, q->at.p[i]));
        const char letter = quad_letter(slot_at(w->p, q->local.p[i])->type);
        if (stored) line(w, "occ_put4_%c(%s + %s, %s);", letter, memory, at, local);
        else line(w, "occ_get4_%c(%s, %s + %s);", letter, local, memory, at);
    }
}

void print_fours(quads *q, const nest *n)
{
    printer *w = q->w;
    for (uint32_t i = 0; i < q->local.n; i++)
        line(w, "%s %s[%d];", elem_of(slot_at(w->p, q->local.p[i])->type)->ctype, param_of(w, q->local.p[i])->name, QUAD);
    print_quad_accesses(q, false);
    const char *name = loop_name(w);
    line(w, "OCC_UNROLL");
    line(w, "for (int32_t %s = 0; %s < %d; ++%s) {", name, name, QUAD, name);
    axis_bind(w, q->four, name);
    w->acc_part = -1;
    print_body(w, &n->stage[0]);
    axis_bind(w, q->four, NULL);
    line(w, "}");
    print_quad_accesses(q, true);
}
