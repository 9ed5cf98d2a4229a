/* control.c - if, loop and bind as C around the calls of their blocks' steps. */
#include <inttypes.h>
#include <string.h>

#include "emit/emit.h"

static const char *deeper(emit *e, const char *indent)
{
    return arena_printf(e->mem, "%s    ", indent);
}

/* The one element of a scalar slot, as an expression. */
static const char *scalar(emit *e, slot s)
{
    const slot_info *i = slot_at(e->p, s);
    int64_t offset = 0;
    (void)dim_is_const(e->p->dims, i->view.offset, &offset);
    return arena_printf(e->mem, "((const %s *)%s)[%" PRId64 "]", elem_of(i->type)->ctype, slot_pointer(e, s), offset);
}

static void call_if(emit *e, const step *s, const char *indent, text *out)
{
    const control *k = s->control;
    text_addf(out, "%sif (%s) {\n", indent, scalar(e, k->cond));
    if (k->then) call_block(e, k->then, deeper(e, indent), out);
    if (k->otherwise && k->otherwise->steps.n) {
        text_addf(out, "%s} else {\n", indent);
        call_block(e, k->otherwise, deeper(e, indent), out);
    }
    text_addf(out, "%s}\n", indent);
}

/* state = next, element for element; both dense. */
static void carry(emit *e, slot state, slot next, const char *indent, text *out)
{
    const slot_info *i = slot_at(e->p, state);
    const int bits = elem_of(i->type)->bits;
    text_addf(out, "%smemcpy(%s, %s, (size_t)(", indent, slot_pointer(e, state), slot_pointer(e, next));
    dim_c(e, dim_mulc(e->p->dims, e->p->buf.p[i->view.buf].elems, bits >= 8 ? bits / 8 : 1), "in->", out);
    text_add(out, "));\n");
}

static void call_loop(emit *e, const step *s, const char *indent, text *out)
{
    const control *k = s->control;
    const char *in = deeper(e, indent), *turn = arena_printf(e->mem, "turn%u", s->id);
    text_addf(out, "%sfor (int64_t %s = 0;", indent, turn);
    if (k->trip) text_addf(out, " %s < %s", turn, scalar(e, k->trip));
    if (k->cond) text_addf(out, "%s%s", k->trip ? " && " : " ", scalar(e, k->cond));
    text_addf(out, "; ++%s) {\n", turn);
    VEC_PUSH(e->mem, e->local, ((local_dim){k->index, turn}));
    call_block(e, k->then, in, out);
    e->local.n--;
    for (uint32_t i = 0; i < k->n_carried; i++) carry(e, k->state[i], k->next[i], in, out);
    if (k->cond && k->cond_next) carry(e, k->cond, k->cond_next, in, out);
    text_addf(out, "%s}\n", indent);
}

/* Reads the size and checks it against what the plan has room for. The variable lives to the end of the run function. */
static void call_bind(emit *e, const step *s, const char *indent, text *out)
{
    const control *k = s->control;
    const interval r = dim_range(e->p->dims, k->symbol);
    const int32_t index = symbol_index(e, k->symbol);
    if (index < 0) return;
    text_addf(out, "%sb_%s = (int64_t)%s;\n", indent, e->symbol[index], scalar(e, k->cond));
    text_addf(out, "%sif (b_%s < %" PRId64 " || b_%s > ", indent, e->symbol[index], r.lo, e->symbol[index]);
    text_addf(out, r.hi == INT64_MAX ? "INT64_MAX" : "INT64_C(%" PRId64 ")", r.hi);
    text_add(out, ") return ONNXCC_E_CAPACITY;\n");
}

void call_control(emit *e, const step *s, const char *indent, text *out)
{
    if (s->kind == STEP_IF) call_if(e, s, indent, out);
    else if (s->kind == STEP_LOOP) call_loop(e, s, indent, out);
    else call_bind(e, s, indent, out);
}

typedef VEC(dim) dim_list;

static void note_bound(void *ctx, step *s)
{
    emit *e = ((void **)ctx)[0];
    dim_list *bound = ((void **)ctx)[1];
    if (s->kind != STEP_BIND) return;
    for (uint32_t i = 0; i < bound->n; i++)
        if (bound->p[i] == s->control->symbol) return;
    VEC_PUSH(e->mem, *bound, s->control->symbol);
}

/* Sizes decided during the run follow the inputs' in the list of symbols; each needs a capacity. */
bool bound_symbols(emit *e)
{
    dim_list bound = {0}, all = {0};
    void *ctx[2] = {e, &bound};
    program_steps(e->p, note_bound, ctx);
    for (uint32_t i = 0; i < e->p->symbols.n; i++) {
        bool late = false;
        for (uint32_t k = 0; k < bound.n; k++) late |= bound.p[k] == e->p->symbols.p[i];
        if (!late) VEC_PUSH(e->mem, all, e->p->symbols.p[i]);
    }
    e->n_input_symbols = all.n;
    for (uint32_t i = 0; i < bound.n; i++) VEC_PUSH(e->mem, all, bound.p[i]);
    e->p->symbols.n = 0;
    for (uint32_t i = 0; i < all.n; i++) VEC_PUSH(e->p->mem, e->p->symbols, all.p[i]);
    bool ok = true;
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) {
        const dim s = e->p->symbols.p[i];
        if (dim_range(e->p->dims, s).hi < INT64_MAX) continue;
        ok = false;
        diag_error(e->p->diag, EXIT_UNSUPPORTED, "", "dim-data", "the size '%s' is decided by data during the run and has no upper bound", dim_name(e->p->dims, s));
        diag_hint(e->p->diag, "give it a capacity: --dim %s=..N", dim_name(e->p->dims, s));
    }
    return ok;
}
