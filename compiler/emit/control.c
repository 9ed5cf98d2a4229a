/* control.c - if, loop, bind and check as C around the calls of their blocks' steps. */
#include <inttypes.h>
#include <string.h>

#include "emit/emit.h"

static const char *deeper(emit *e, const char *indent)
{
    return arena_printf(e->mem, "%s    ", indent);
}

/* The one element of a scalar slot, as an expression. From a device it has to be read back, which waits; *rc is the error then. */
static const char *scalar(emit *e, slot s)
{
    const slot_info *i = slot_at(e->p, s);
    int64_t offset = 0;
    (void)dim_is_const(e->p->dims, i->view.offset, &offset);
    if (on_device(e) && i->kind == SLOT_CONST && i->data) {
        text t = {.mem = e->mem};
        c_number(&t, i->type, i->data->data, (size_t)offset);
        return t.p;
    }
    if (on_device(e) && !scalar_on_host(e->p, s)) {
        e->n_syncs++;
        return arena_printf(e->mem, "(%s)%s_read(env, (const %s *)%s + %" PRId64 ", sizeof(%s), &rc)", elem_of(i->type)->ctype, e->name, elem_of(i->type)->ctype,
                            slot_pointer(e, s), offset, elem_of(i->type)->ctype);
    }
    return arena_printf(e->mem, "((const %s *)%s)[%" PRId64 "]", elem_of(i->type)->ctype, on_device(e) ? host_pointer(e, s) : slot_pointer(e, s), offset);
}

/* Leaves the run when reading from the device failed. */
static void after_read(const emit *e, const char *indent, text *out)
{
    if (on_device(e)) text_addf(out, "%sif (rc) return rc;\n", indent);
}

static void call_branch(emit *e, const block *b, const char *indent, text *out)
{
    check_claims(e, b->graph, indent, out);
    call_block(e, b, indent, out);
}

static void call_if(emit *e, const step *s, const char *indent, text *out)
{
    const control *k = s->control;
    if (on_device(e)) {
        text_addf(out, "%sconst bool taken%u = %s;\n", indent, s->id, scalar(e, k->cond));
        after_read(e, indent, out);
        text_addf(out, "%sif (taken%u) {\n", indent, s->id);
    } else text_addf(out, "%sif (%s) {\n", indent, scalar(e, k->cond));
    call_branch(e, k->then, deeper(e, indent), out);
    if (k->otherwise && k->otherwise->steps.n) {
        text_addf(out, "%s} else {\n", indent);
        call_branch(e, k->otherwise, deeper(e, indent), out);
    }
    text_addf(out, "%s}\n", indent);
}

/* state = next, element for element; both dense. */
static void carry(emit *e, slot state, slot next, const char *indent, text *out)
{
    const slot_info *i = slot_at(e->p, state);
    const int bits = elem_of(i->type)->bits;
    print_copy(e, indent, on_device(e) && i->type != ELEM_STRING, slot_pointer(e, state), slot_pointer(e, next), dim_mulc(e->p->dims, e->p->buf.p[i->view.buf].elems, bits >= 8 ? bits / 8 : 1), out);
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
    after_read(e, indent, out);
}

/* Reads the size and checks it against what the plan has room for: its field says what it is where that is too much. The variable lives to the end of the run
 * function. */
static void call_bind(emit *e, const step *s, const char *indent, text *out)
{
    const control *k = s->control;
    const int32_t index = symbol_index(e, k->symbol);
    if (index < 0) return;
    const char *name = e->symbol[index], *found = k->guard ? arena_printf(e->mem, "(int64_t)%s", scalar(e, k->cond)) : arena_printf(e->mem, "b_%s", name);
    if (k->guard) text_addf(out, "%sif (%s >= ", indent, found);
    else {
        text_addf(out, "%s%s = (int64_t)%s;\n", indent, found, scalar(e, k->cond));
        after_read(e, indent, out);
        text_addf(out, "%sif (%s < %" PRId64 " || %s > ", indent, found, dim_range(e->p->dims, k->symbol).lo, found);
    }
    dim_c(e, capacity_of(&e->bound, k->symbol), "in->", out);
    text_addf(out, ") {\n%s    out->%s = %s%s;\n%s    return ONNXCC_E_CAPACITY;\n%s}\n", indent, name, found, k->guard ? " + 1" : "", indent, indent);
}

static void call_check(emit *e, const step *s, const char *indent, text *out)
{
    text_addf(out, "%sif (%s) return %s;\n", indent, scalar(e, s->control->cond), s->control->error);
    after_read(e, indent, out);
}

void call_control(emit *e, const step *s, const char *indent, text *out)
{
    const uint32_t syncs = e->n_syncs;
    if (s->kind == STEP_IF) call_if(e, s, indent, out);
    else if (s->kind == STEP_LOOP) call_loop(e, s, indent, out);
    else if (s->kind == STEP_CHECK) call_check(e, s, indent, out);
    else if (s->kind == STEP_BAND) call_band(e, s, indent, out);
    else call_bind(e, s, indent, out);
    if (e->n_syncs > syncs && !e->no_capture) e->no_capture = arena_printf(e->mem, "the host has to read what the device computed: %s", s->what ? s->what : "");
}

static void note_branches(void *ctx, step *s)
{
    emit *e = ctx;
    if (s->kind != STEP_IF) return;
    VEC_PUSH(e->mem, e->branches, s->control->then->graph);
    VEC_PUSH(e->mem, e->branches, s->control->otherwise->graph);
}

static void need_capacity(emit *e, dim symbol, const char *what)
{
    const char *name = dim_name(e->p->dims, symbol);
    diag_error(e->p->diag, EXIT_UNSUPPORTED, what, "dim-data", "the size '%s' is decided by data during the run and has no upper bound", name);
    diag_need(e->p->diag, "dim", name);
    diag_hint(e->p->diag, "give it a capacity: --dim %s=..N", name);
}

/* Sizes decided during the run follow the inputs' in the list of symbols. Notes which branches there are, too. */
bool bound_symbols(emit *e)
{
    VEC(dim) all = {0};
    const uint32_t errors = e->p->diag->errors;
    program_steps(e->p, note_branches, e);
    e->bound = run_sizes_of(e->p);
    const run_sizes *b = &e->bound;
    for (uint32_t i = 0; i < b->symbol.n; i++)
        if (b->what.p[i] && b->most.p[i] == b->symbol.p[i]) need_capacity(e, b->symbol.p[i], b->what.p[i]);
    for (uint32_t i = 0; i < e->p->symbols.n; i++)
        if (!capacity_of(b, e->p->symbols.p[i])) VEC_PUSH(e->mem, all, e->p->symbols.p[i]);
    e->n_input_symbols = all.n;
    for (uint32_t i = 0; i < b->symbol.n; i++)
        if (b->what.p[i]) VEC_PUSH(e->mem, all, b->symbol.p[i]);
    e->p->symbols.n = 0;
    for (uint32_t i = 0; i < all.n; i++) VEC_PUSH(e->p->mem, e->p->symbols, all.p[i]);
    return e->p->diag->errors == errors;
}

bool io_capacity(const emit *e, const slot_info *i, dim *most)
{
    bool other = false;
    for (uint32_t k = 0; k < i->rank; k++) {
        most[k] = at_capacity(e->p->dims, &e->bound, i->extent[k]);
        other |= most[k] != i->extent[k];
    }
    return other;
}
