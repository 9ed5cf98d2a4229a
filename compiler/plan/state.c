/* state.c - --state OUT=IN: tensors that the caller keeps between runs.
 *
 * in:  a program with memory planned. out: each pair is no input and output any more, but two places in the caller's state memory. A run reads one
 *      and writes the other, which is copied over the first when all steps are done: a run that fails leaves the state as it was. */
#include <string.h>

#include "plan/plan.h"

enum { STATE_ALIGN = 64 };

static int32_t find_io(const program *p, const slot *list, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(p->slot.p[list[i]].name, name)) return (int32_t)i;
    return -1;
}

slot slot_named(const program *p, const slot *list, uint32_t n, const char *name)
{
    const int32_t i = find_io(p, list, n, name);
    return i < 0 ? 0 : list[i];
}

static bool unknown_name(program *p, const char *what, const char *name, const slot *list, uint32_t n)
{
    text known = {.mem = p->mem};
    for (uint32_t i = 0; i < n; i++) text_addf(&known, i ? ", '%s'" : "'%s'", slot_at(p, list[i])->name);
    diag_error(p->diag, EXIT_USAGE, "", "bad-value", "--state: the model has no %s '%s'", what, name);
    return diag_hint(p->diag, "it has %s", known.n ? known.p : "none");
}

static bool same_shape(const slot_info *a, const slot_info *b)
{
    return a->type == b->type && a->rank == b->rank && !memcmp(a->extent, b->extent, a->rank * sizeof *a->extent);
}

/* Bytes at the upper bounds of the dimensions, rounded up; 0 when there is no bound. */
static int64_t place_bytes(program *p, const buf_info *b)
{
    const interval r = dim_range(p->dims, b->elems);
    if (r.hi == INT64_MAX) return 0;
    const int64_t bytes = (int64_t)elem_bytes(b->type, (size_t)r.hi);
    return bytes > INT64_MAX - STATE_ALIGN ? 0 : (bytes + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
}

static uint32_t place(program *p, slot s, memory_plan *plan, int64_t bytes)
{
    const uint32_t buf = slot_at(p, s)->view.buf;
    slot_at(p, s)->kind = SLOT_STATE;
    p->buf.p[buf].kind = SLOT_STATE;
    p->buf.p[buf].offset = plan->state_bytes;
    plan->state_bytes += bytes;
    return buf;
}

/* Takes entry k out of the list; those behind it move up. */
static void remove_io(program *p, slot *list, uint32_t *n, uint32_t k)
{
    for (uint32_t i = k; i + 1 < *n; i++) {
        list[i] = list[i + 1];
        slot_at(p, list[i])->io = i;
        p->buf.p[slot_at(p, list[i])->view.buf].io = i;
    }
    --*n;
}

/* Do they differ, in one size that is no number? */
static bool may_grow(program *p, const slot_info *a, const slot_info *b)
{
    uint32_t n = 0;
    if (a->type != b->type || a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (a->extent[i] == b->extent[i]) continue;
        if (dim_is_const(p->dims, a->extent[i], NULL)) return false;
        n++;
    }
    return n == 1;
}

/* What would give all sizes of both a bound; a size that grows from run to run begins at 0. */
static bool hint_bounds(program *p, const slot_info *out, const slot_info *in)
{
    text t = {.mem = p->mem};
    for (uint32_t i = 0; i < p->symbols.n; i++) {
        const dim symbol = p->symbols.p[i];
        bool there = false, grows = false;
        if (dim_range(p->dims, symbol).hi != INT64_MAX) continue;
        for (uint32_t k = 0; k < in->rank && k < out->rank; k++) {
            const bool read = dim_has(p->dims, in->extent[k], symbol);
            there |= read || dim_has(p->dims, out->extent[k], symbol);
            grows |= read && out->extent[k] != in->extent[k];
        }
        if (there) text_addf(&t, " --dim %s=%s", dim_name(p->dims, symbol), grows ? "0..1000" : "1..8");
    }
    return t.n && diag_hint(p->diag, "bound it, for example with%s", t.p);
}

static bool no_largest(program *p, const char *name, dim size, const slot_info *from, const slot_info *to)
{
    text t = {.mem = p->mem};
    dim_text(p->dims, size, &t);
    diag_error(p->diag, EXIT_UNSUPPORTED, "", "state-size", "--state: '%s' has no largest size: '%s' has no bound", name, t.p);
    return hint_bounds(p, from, to);
}

bool plan_state(program *p, const char *out, const char *in, memory_plan *plan)
{
    const int32_t from = find_io(p, p->outputs.p, p->outputs.n, out), to = find_io(p, p->inputs.p, p->inputs.n, in);
    if (from < 0) return unknown_name(p, "output", out, p->outputs.p, p->outputs.n);
    if (to < 0) return unknown_name(p, "input", in, p->inputs.p, p->inputs.n);
    const slot a = p->outputs.p[from], b = p->inputs.p[to];
    const bool one_place = slot_at(p, a)->kind == SLOT_STATE && slot_at(p, a)->view.buf == slot_at(p, b)->view.buf;
    for (uint32_t i = 0; !one_place && may_grow(p, slot_at(p, a), slot_at(p, b)) && i < slot_at(p, a)->rank; i++)
        if (dim_range(p->dims, slot_at(p, a)->extent[i]).hi == INT64_MAX) return no_largest(p, out, slot_at(p, a)->extent[i], slot_at(p, a), slot_at(p, b));
    if (!one_place && !same_shape(slot_at(p, a), slot_at(p, b))) {
        diag_error(p->diag, EXIT_UNSUPPORTED, "", "state-shape", "--state: output '%s' and input '%s' have not the same type and shape", out, in);
        return diag_hint(p->diag, "a state keeps its shape (fix or name the dimensions alike with --dim), or grows where Concat appends to it (bound its length with --dim NAME=..N)");
    }
    if (slot_at(p, b)->type == ELEM_STRING)
        return diag_error(p->diag, EXIT_UNSUPPORTED, "", "state-type", "--state: input '%s' holds strings, which are pointers into a run's memory", in);
    const int64_t bytes = place_bytes(p, &p->buf.p[slot_at(p, b)->view.buf]);
    if (!bytes) {
        diag_error(p->diag, EXIT_UNSUPPORTED, "", "state-size", "--state: input '%s' has no largest size", in);
        return hint_bounds(p, slot_at(p, a), slot_at(p, b));
    }
    state_move move = {0};
    move.to = move.from = place(p, b, plan, bytes);
    if (!one_place) move.from = place(p, a, plan, bytes);
    VEC_PUSH(p->mem, plan->state, move);
    remove_io(p, p->inputs.p, &p->inputs.n, (uint32_t)to);
    remove_io(p, p->outputs.p, &p->outputs.n, (uint32_t)from);
    return true;
}
