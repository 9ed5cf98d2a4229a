/* control.c - If, Loop and Bind in the run function, as C's if, for and an assignment.
 *
 * A size that the run decides (a Bind step's symbol) is a variable d_NAME, which begins at its capacity: the arena is laid out for that. It
 * is handed to the caller in the outputs. */
#include <inttypes.h>

#include "emit/emit.h"

/* ---- sizes that the run decides ---- */

static void find_control(void *ctx, step *s)
{
    emit *e = ctx;
    dims *d = e->p->dims;
    if (s->kind == STEP_LOOP) VEC_PUSH(e->mem, e->turns, s->control->index);
    if (s->kind != STEP_BIND) return;
    const int32_t i = symbol_index(e, s->control->symbol);
    dim capacity = s->control->capacity;
    const interval r = dim_range(d, s->control->symbol);
    if (!capacity && r.hi < INT64_MAX) capacity = dim_const(d, r.hi);
    if (!capacity) {
        e->failed = true;
        diag_error(e->p->diag, EXIT_UNSUPPORTED, s->what ? s->what : "", "dim-data", "the size '%s' is decided during the run and has no upper bound",
                   dim_name(d, s->control->symbol));
        diag_hint(e->p->diag, "bound it with --dim");
        capacity = dim_const(d, 0);
    }
    e->capacity[i] = e->capacity[i] ? dim_max(d, e->capacity[i], capacity) : capacity;
}

void control_init(emit *e)
{
    e->capacity = ARENA_ARRAY(e->mem, dim, e->p->symbols.n + 1);
    program_steps(e->p, find_control, e);
}

void bound_locals(emit *e, const char *indent, text *out)
{
    for (uint32_t i = 0; i < e->p->symbols.n; i++) {
        if (!e->capacity[i]) continue;
        text_addf(out, "%sint64_t d_%s = ", indent, e->symbol[i]);
        dim_c(e, e->capacity[i], "in->", out);
        text_addf(out, ";\n%s(void)d_%s;\n", indent, e->symbol[i]);
    }
}

/* ---- steps ---- */

/* The element of a one-element slot, as a C expression. */
static const char *scalar(emit *e, slot s)
{
    return arena_printf(e->mem, "*(const %s *)(const void *)(%s)", elem_of(slot_at(e->p, s)->type)->ctype, slot_pointer(e, s));
}

static bool dense(emit *e, slot s)
{
    const slot_info *i = slot_at(e->p, s);
    dim stride = dim_const(e->p->dims, 1);
    for (uint32_t k = i->rank; k-- > 0;) {
        if (i->view.d[k].block > 1 || (i->view.d[k].stride != stride && !dim_is(e->p->dims, i->extent[k], 1))) return false;
        stride = dim_mul(e->p->dims, stride, i->extent[k]);
    }
    return dim_is(e->p->dims, i->view.offset, 0);
}

static void move(emit *e, slot to, slot from, const char *indent, text *out)
{
    const slot_info *i = slot_at(e->p, to);
    if (!dense(e, to) || !dense(e, from)) {
        e->failed = true;
        diag_error(e->p->diag, EXIT_INTERNAL, i->name, "loop-view", "a carried value is no plain array");
        return;
    }
    text_addf(out, "%smemcpy(%s, %s, (size_t)(", indent, slot_pointer(e, to), slot_pointer(e, from));
    dim_c(e, dim_product(e->p->dims, i->extent, i->rank), "in->", out);
    text_addf(out, ") * sizeof(%s));\n", elem_of(i->type)->ctype);
}

static void call_loop(emit *e, const control *k, const char *indent, text *out)
{
    uint32_t turn = 0;
    while (e->turns.p[turn] != k->index) turn++;
    const char *inner = arena_printf(e->mem, "%s    ", indent);
    text_addf(out, "%sfor (int64_t turn%u = 0; ", indent, turn);
    if (k->trip) text_addf(out, "turn%u < %s", turn, scalar(e, k->trip));
    if (k->trip && k->cond) text_add(out, " && ");
    if (k->cond) text_add(out, scalar(e, k->cond));
    text_addf(out, "; ++turn%u) {\n", turn);
    call_block(e, k->then, inner, out);
    for (uint32_t i = 0; i < k->n_carried; i++) move(e, k->state[i], k->next[i], inner, out);
    if (k->cond_next) move(e, k->cond, k->cond_next, inner, out);
    text_addf(out, "%s}\n", indent);
}

static void call_bind(emit *e, const control *k, const char *indent, text *out)
{
    const int32_t i = symbol_index(e, k->symbol);
    const char *name = e->symbol[i];
    text_addf(out, "%sd_%s = (int64_t)%s;\n%sif (d_%s < 0 || d_%s > ", indent, name, scalar(e, k->cond), indent, name, name);
    dim_c(e, e->capacity[i], "in->", out);
    text_addf(out, ") return ONNXCC_E_CAPACITY;\n%sout->%s = d_%s;\n", indent, name, name);
}

void call_control(emit *e, const step *s, const char *indent, text *out)
{
    const control *k = s->control;
    const char *inner = arena_printf(e->mem, "%s    ", indent);
    if (s->kind == STEP_BIND) call_bind(e, k, indent, out);
    else if (s->kind == STEP_LOOP) call_loop(e, k, indent, out);
    else {
        text_addf(out, "%sif (%s) {\n", indent, scalar(e, k->cond));
        call_block(e, k->then, inner, out);
        text_addf(out, "%s} else {\n", indent);
        call_block(e, k->otherwise, inner, out);
        text_addf(out, "%s}\n", indent);
    }
}
