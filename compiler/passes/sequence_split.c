/* sequence_split.c - SplitToSequence as a Split; see sequence.h. Source: ONNX Operators.md, version 25, SplitToSequence. */
#include "passes/forms.h"
#include "passes/sequence_impl.h"

enum { MOST_PIECES = 4096 };

/* The sizes of the pieces, as many as there are. */
typedef struct {
    uint32_t n;
    value_id sizes; /* a tensor of n of them */
} pieces;

static resolution pieces_of(spot *p, dim size, int64_t each, pieces *out)
{
    model *m = p->m;
    int64_t n, whole;
    if (each <= 0) return spot_error(p, "split-size", "pieces of %lld elements", (long long)each);
    const dim count = dim_cdiv(m->dims, size, dim_const(m->dims, each));
    if (dims_overflowed(m->dims)) return spot_unsupported(p, "sequence-long", "the number of pieces does not fit 64 bits");
    if (!dim_is_const(m->dims, count, &n)) {
        spot_unsupported(p, "sequence-unknown", "the number of pieces depends on a size that is not known when the model is compiled");
        diag_hint(m->diag, "--dim or --shape says it");
        return RESOLVE_FAILED;
    }
    if (n > MOST_PIECES) return spot_unsupported(p, "sequence-long", "%lld pieces are more than %d", (long long)n, MOST_PIECES);
    out->n = (uint32_t)n;
    if (!n) return RESOLVE_LEAVES;
    if (!dim_is_const(m->dims, size, &whole)) {
        if (n > 1) return spot_unsupported(p, "sequence-unknown", "the size of the last piece is not known when the model is compiled");
        return RESOLVE_LEAVES; /* one piece is the input */
    }
    int64_t *sizes = ARENA_ARRAY(m->mem, int64_t, n);
    for (int64_t k = 0; k < n; k++) sizes[k] = k + 1 < n ? each : whole - each * (n - 1);
    out->sizes = new_ints(m, value_at(m, p->n.out[0])->name, "sizes", out->n, sizes);
    return RESOLVE_LEAVES;
}

/* RESOLVE_LEAVES: they are known. */
static resolution find_pieces(spot *p, dim size, pieces *out)
{
    model *m = p->m;
    const value_id split = node_in(&p->n, 1);
    int64_t each, n;
    if (!split) return pieces_of(p, size, 1, out);
    const value *v = value_at(m, split);
    if (!tensor_type_known(m, split)) return RESOLVE_FAILED;
    if (!v->type.rank) {
        if (known_int(m, split, &each)) return pieces_of(p, size, each, out);
        spot_unsupported(p, "sequence-unknown", "the size of the pieces, '%s', is not known when the model is compiled", v->name);
        hint_value(m, split);
        return RESOLVE_FAILED;
    }
    if (v->type.rank != 1 || !dim_is_const(m->dims, v->type.shape[0], &n))
        return spot_unsupported(p, "sequence-unknown", "the number of pieces is the size of '%s', which is not known when the model is compiled", v->name);
    if (n > MOST_PIECES) return spot_unsupported(p, "sequence-long", "%lld pieces are more than %d", (long long)n, MOST_PIECES);
    *out = (pieces){(uint32_t)n, split};
    if (v->type.elem == ELEM_INT32) { /* Split has them in int64 only */
        const attr to = {.name = intern(m->names, "to"), .kind = ATTR_INT, .u.i = ELEM_INT64};
        out->sizes = spot_insert(p, "Cast", &to, 1, &split, 0);
    }
    return RESOLVE_LEAVES;
}

resolution resolve_SplitToSequence(spot *p)
{
    model *m = p->m;
    const value_id x = node_in(&p->n, 0), result = p->n.out[0];
    if (!x || !tensor_type_known(m, x)) return p->m->diag->errors ? RESOLVE_FAILED : spot_unsupported(p, "rank-unknown", "the number of dimensions of the input is not known");
    const type t = value_at(m, x)->type;
    int64_t axis = node_int(&p->n, "axis", 0);
    const bool squeeze = !node_in(&p->n, 1) && !node_int(&p->n, "keepdims", 1);
    if (axis < -t.rank || axis >= t.rank) return spot_error(p, "axis-range", "axis %lld of a tensor with %d dimensions", (long long)axis, t.rank);
    if (axis < 0) axis += t.rank;
    if (!node_in(&p->n, 1) && !dim_is_const(m->dims, t.shape[axis], NULL)) return stack_split(p, x, axis, !squeeze);
    pieces part = {0};
    const resolution found = find_pieces(p, t.shape[axis], &part);
    if (found != RESOLVE_LEAVES) return found;
    value_id *item = ARENA_ARRAY(m->mem, value_id, part.n + 1), *piece = ARENA_ARRAY(m->mem, value_id, part.n + 1);
    const char *stem = result ? value_at(m, result)->name : "split";
    for (uint32_t k = 0; k < part.n; k++) item[k] = piece[k] = spot_value(p, stem, k);
    if (squeeze) {
        const value_id axes = new_ints(m, stem, "axes", 1, &axis);
        for (uint32_t k = 0; k < part.n; k++) {
            piece[k] = value_new(m, arena_printf(m->mem, "%s.%u.kept", stem, k));
            const uint32_t at = p->i;
            p->i = at + 1; /* behind the node */
            (void)spot_insert(p, "Squeeze", NULL, 2, (const value_id[]){piece[k], axes}, item[k]);
            p->i = at;
        }
    }
    hold_items(p->s, result, part.n, item);
    if (!part.n) return spot_drop(p);
    if (part.n == 1) spot_becomes(p, "Identity", NULL, 1, &x);
    else {
        const attr a = {.name = intern(m->names, "axis"), .kind = ATTR_INT, .u.i = axis};
        spot_becomes(p, "Split", &a, 2, (const value_id[]){x, part.sizes});
    }
    spot_outputs(m, p->id, part.n, piece);
    return RESOLVE_AGAIN;
}
