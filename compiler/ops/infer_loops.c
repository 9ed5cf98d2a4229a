/* infer_loops.c - types of what loops and maps over sequences give, for tools that look at a model without compiling it: see infer_partial in ops.h.
 *
 * A body is inferred once, with what is known of its inputs whatever the turn: of a carried tensor its type and the sizes that the first turn and the body's
 * result agree on; of a carried sequence its kind. */
#include <string.h>

#include "ops/infer_partial.h"

static type unknown_type(void)
{
    return (type){.rank = -1};
}

static graph_id body_of(const node *n)
{
    const attr *a = node_attr(n, "body");
    return a && a->kind == ATTR_GRAPH && !a->ref ? a->u.g : 0;
}

static type input_type(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    return t ? *t : unknown_type();
}

/* A carried value in any turn: sizes may change. */
static type in_any_turn(infer_ctx *c, type t)
{
    if (t.kind != TYPE_TENSOR || t.rank < 0) return t;
    dim *size = shape_new(c->m, (uint32_t)t.rank);
    for (int32_t k = 0; k < t.rank; k++) size[k] = dim_fresh(c->d, "turn", 0, INT64_MAX);
    return type_tensor(t.elem, t.rank, size);
}

static void give(infer_ctx *c, value_id v, type t)
{
    type *to = &value_at(c->m, v)->type;
    if (to->kind == TYPE_UNKNOWN || (to->kind == TYPE_TENSOR && to->rank < 0)) *to = t;
}

/* Without one axis, or with one more of that size. */
static type without_axis(infer_ctx *c, type t, int64_t axis)
{
    if (t.kind != TYPE_TENSOR || t.rank < 1) return t.kind == TYPE_TENSOR ? type_tensor(t.elem, -1, NULL) : unknown_type();
    if (axis < 0) axis += t.rank;
    dim *size = shape_new(c->m, (uint32_t)t.rank - 1);
    for (int32_t k = 0, to = 0; k < t.rank; k++)
        if (k != axis && to + 1 < t.rank) size[to++] = t.shape[k];
    return type_tensor(t.elem, t.rank - 1, size);
}

static type with_axis(infer_ctx *c, type t, int64_t axis, dim length)
{
    if (t.kind != TYPE_TENSOR || t.rank < 0 || t.rank >= MAX_RANK) return t.kind == TYPE_TENSOR ? type_tensor(t.elem, -1, NULL) : unknown_type();
    if (axis < 0) axis += t.rank + 1;
    dim *size = shape_new(c->m, (uint32_t)t.rank + 1);
    for (int32_t k = 0, from = 0; k <= t.rank; k++) size[k] = k == axis || from >= t.rank ? length : t.shape[from++];
    return type_tensor(t.elem, t.rank + 1, size);
}

static type output_type(infer_ctx *c, const graph *g, uint32_t i)
{
    return i < g->outputs.n && g->outputs.p[i] ? value_at(c->m, g->outputs.p[i])->type : unknown_type();
}

static bool infer_body(infer_ctx *c, graph_id body)
{
    (void)infer_subgraph(c, body); /* what it can't infer it has reported */
    return true;
}

/* The last of a carried value: what it began as, and what a turn makes of it. */
static void set_carried(infer_ctx *c, uint32_t i, type first, type then)
{
    infer_set_type(c, i, infer_common(c, &first, &then));
}

static bool loop_types(infer_ctx *c)
{
    const graph_id body = body_of(c->n);
    const graph *g = body ? graph_at(c->m, body) : NULL;
    const uint32_t n_state = c->n->n_in > 2 ? c->n->n_in - 2 : 0;
    if (!g || g->inputs.n != n_state + 2 || g->outputs.n < n_state + 1) return true;
    give(c, g->inputs.p[0], type_tensor(ELEM_INT64, 0, NULL));
    give(c, g->inputs.p[1], type_tensor(ELEM_BOOL, 0, NULL));
    for (uint32_t i = 0; i < n_state; i++) give(c, g->inputs.p[i + 2], in_any_turn(c, input_type(c, i + 2)));
    if (!infer_body(c, body)) return false;
    for (uint32_t i = 0; i < c->n->n_out; i++) {
        if (i < n_state) set_carried(c, i, input_type(c, i + 2), output_type(c, g, i + 1));
        else infer_set_type(c, i, with_axis(c, output_type(c, g, i + 1), 0, dim_fresh(c->d, "turns", 0, INT64_MAX)));
    }
    return true;
}

static bool scan_types(infer_ctx *c)
{
    const graph_id body = body_of(c->n);
    const graph *g = body ? graph_at(c->m, body) : NULL;
    const int64_t n_scan = node_int(c->n, "num_scan_inputs", 0);
    uint32_t n_in_axes, n_out_axes;
    const int64_t *in_axes = node_ints(c->n, "scan_input_axes", &n_in_axes), *out_axes = node_ints(c->n, "scan_output_axes", &n_out_axes);
    if (!g || n_scan < 1 || n_scan > c->n->n_in || g->inputs.n != c->n->n_in) return true;
    const uint32_t n_state = c->n->n_in - (uint32_t)n_scan;
    dim length = 0;
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        const type t = input_type(c, i);
        if (i < n_state) {
            give(c, g->inputs.p[i], in_any_turn(c, t));
            continue;
        }
        int64_t axis = i - n_state < n_in_axes ? in_axes[i - n_state] : 0;
        if (t.kind == TYPE_TENSOR && t.rank > 0) {
            if (axis < 0) axis += t.rank;
            if (!length && axis >= 0 && axis < t.rank) length = t.shape[axis];
        }
        give(c, g->inputs.p[i], without_axis(c, t, axis));
    }
    if (!infer_body(c, body)) return false;
    if (!length) length = dim_fresh(c->d, "turns", 0, INT64_MAX);
    for (uint32_t i = 0; i < c->n->n_out; i++) {
        if (i < n_state) set_carried(c, i, input_type(c, i), output_type(c, g, i));
        else infer_set_type(c, i, with_axis(c, output_type(c, g, i), i - n_state < n_out_axes ? out_axes[i - n_state] : 0, length));
    }
    return true;
}

static bool map_types(infer_ctx *c)
{
    const graph_id body = body_of(c->n);
    const graph *g = body ? graph_at(c->m, body) : NULL;
    if (!g) return true;
    if (g->inputs.n != c->n->n_in) return infer_error(c, "subgraph-inputs", "the body has %u inputs, %u are given", g->inputs.n, c->n->n_in);
    if (g->outputs.n != c->n->n_out) return infer_error(c, "subgraph-outputs", "the body has %u outputs, %u are wanted", g->outputs.n, c->n->n_out);
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        const type t = input_type(c, i);
        give(c, g->inputs.p[i], t.kind == TYPE_SEQUENCE && t.of ? *t.of : t);
    }
    if (!infer_body(c, body)) return false;
    for (uint32_t i = 0; i < c->n->n_out; i++) infer_set_type(c, i, infer_sequence_of(c, output_type(c, g, i)));
    return true;
}

bool infer_loop_types(infer_ctx *c)
{
    if (node_is(c->n, "", "Loop")) return loop_types(c);
    if (node_is(c->n, "", "Scan")) return scan_types(c);
    return node_is(c->n, "", "SequenceMap") && map_types(c);
}
