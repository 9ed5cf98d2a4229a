/* sequence_map.c - ZipMap: a sequence of maps with the same keys is these keys and a row of values for each map; see sequence.h. Source: ONNX
 * Operators-ml.md. */
#include "passes/forms.h"
#include "passes/sequence_impl.h"

/* The keys, in the order of the columns. */
static tensor *map_keys(model *m, const node *n)
{
    const attr *strings = node_attr(n, "classlabels_strings");
    uint32_t count = strings && strings->kind == ATTR_STRINGS ? strings->n : 0;
    if (count) {
        const int64_t shape[1] = {count};
        tensor *t = ARENA_NEW(m->mem, tensor);
        *t = (tensor){.type = ELEM_STRING, .rank = 1, .shape = arena_copy(m->mem, shape, sizeof shape), .strings = strings->u.strings};
        return t;
    }
    const int64_t *ints = node_ints(n, "classlabels_int64s", &count), shape[1] = {count};
    tensor *t = tensor_new(m->mem, ELEM_INT64, 1, shape);
    for (uint32_t i = 0; i < count; i++) elem_set_int(ELEM_INT64, (void *)(uintptr_t)t->data, i, ints[i]);
    return count ? t : NULL;
}

/* [rows, keys], or the values of one map. */
resolution resolve_ZipMap(spot *p)
{
    model *m = p->m;
    const value_id x = node_in(&p->n, 0);
    tensor *keys = map_keys(m, &p->n);
    const type *t = x ? &value_at(m, x)->type : NULL;
    int64_t columns;
    if (!x || !tensor_type_known(m, x)) return RESOLVE_LEAVES;
    if (!keys) return spot_error(p, "attribute-missing", "neither 'classlabels_int64s' nor 'classlabels_strings' is given");
    if (p->g != 1) return spot_unsupported(p, "zipmap", "a sequence of maps in a subgraph is not supported yet");
    if (t->rank != 1 && t->rank != 2) return spot_error(p, "shape-rank", "the input has %d dimensions instead of 1 or 2", t->rank);
    if (dim_is_const(m->dims, t->shape[t->rank - 1], &columns) && columns != keys->shape[0])
        return spot_error(p, "attribute-value", "%lld keys for %lld values", (long long)keys->shape[0], (long long)columns);
    value_id item[2] = {new_constant(m, value_at(m, p->n.out[0])->name, "keys", keys), x};
    if (t->rank == 1) {
        tensor *axes = tensor_new(m->mem, ELEM_INT64, 1, (const int64_t[1]){1});
        const value_id in[2] = {x, new_constant(m, value_at(m, p->n.out[0])->name, "axes", axes)};
        item[1] = spot_insert(p, "Unsqueeze", NULL, 2, in, 0);
    }
    hold(p->s, p->n.out[0], (held){.n = 2, .item = arena_copy(m->mem, item, sizeof item), .maps = true});
    return spot_drop(p);
}
