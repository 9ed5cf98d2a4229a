/* sequence_map.c - ZipMap: a sequence of maps with the same keys is these keys and a row of values for each map; CastMap, DictVectorizer: a map is its
 * keys and their values, in whatever order; see sequence.h. Source: ONNX Operators-ml.md; onnxruntime for what it leaves open. */
#include <string.h>

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

/* ---- maps that are inputs ---- */

static const held *map_in(spot *p)
{
    const held *h = held_by(p->s, node_in(&p->n, 0));
    if (h && h->map) return h;
    if (!p->m->diag->errors) spot_unsupported(p, "type-map", "'%s' is no map that is an input of the model", node_in(&p->n, 0) ? value_at(p->m, p->n.in[0])->name : "");
    return NULL;
}

static value_id cast_to(spot *p, value_id v, elem to)
{
    if (value_at(p->m, v)->type.elem == to) return v;
    const attr a = {.name = intern(p->m->names, "to"), .kind = ATTR_INT, .u.i = to};
    return spot_insert(p, "Cast", &a, 1, &v, 0);
}

/* `n` times what an absent key has: 0, or a text. */
static value_id absent_values(spot *p, elem e, int64_t n, const char *otherwise)
{
    model *m = p->m;
    const char *name = value_at(m, p->n.out[0])->name;
    tensor *one = tensor_new(m->mem, e == ELEM_STRING ? ELEM_BOOL : e, 1, (const int64_t[]){1});
    if (e == ELEM_STRING) {
        one->type = ELEM_STRING;
        one->strings = ARENA_ARRAY(m->mem, const char *, 1);
        one->strings[0] = otherwise;
    }
    return spot_insert(p, "Expand", NULL, 2, (const value_id[]){new_constant(m, name, "absent", one), new_ints(m, name, "size", 1, &n)}, 0);
}

/* The node becomes this vector as the only row of a matrix. */
static resolution becomes_row(spot *p, value_id v)
{
    return spot_becomes(p, "Unsqueeze", NULL, 2, (const value_id[]){v, new_ints(p->m, value_at(p->m, p->n.out[0])->name, "axes", 1, (const int64_t[]){0})});
}

/* The values in the order of their keys. */
static value_id by_key(spot *p, value_id keys, value_id values)
{
    model *m = p->m;
    const attr smallest = {.name = intern(m->names, "largest"), .kind = ATTR_INT, .u.i = 0};
    const value_id all = spot_insert(p, "Shape", NULL, 1, &keys, 0), order = spot_insert(p, "TopK", &smallest, 2, (const value_id[]){keys, all}, 0);
    spot_outputs(m, value_at(m, order)->producer, 2, (const value_id[]){spot_value(p, "sorted", order), order});
    return spot_insert(p, "Gather", NULL, 2, (const value_id[]){values, order}, 0);
}

resolution resolve_CastMap(spot *p)
{
    static const char *const NAMES[] = {"TO_FLOAT", "TO_INT64", "TO_STRING"};
    static const elem TYPES[] = {ELEM_FLOAT, ELEM_INT64, ELEM_STRING};
    const held *h = map_in(p);
    const char *to = node_string(&p->n, "cast_to", "TO_FLOAT"), *form = node_string(&p->n, "map_form", "DENSE");
    const int64_t size = node_int(&p->n, "max_map", 1);
    uint32_t k = 0;
    if (!h) return RESOLVE_FAILED;
    while (k < 3 && strcmp(NAMES[k], to)) k++;
    if (k == 3) return spot_error(p, "attribute-value", "attribute 'cast_to' is '%s'", to);
    const value_id values = cast_to(p, h->item[1], TYPES[k]);
    if (!strcmp(form, "DENSE")) return becomes_row(p, by_key(p, h->item[0], values));
    if (strcmp(form, "SPARSE")) return spot_error(p, "attribute-value", "attribute 'map_form' is '%s'", form);
    if (size < 1) return spot_error(p, "attribute-value", "attribute 'max_map' is %lld", (long long)size);
    /* A negative key must not count from the end: it is as wrong as one that is too large. */
    const value_id negative = spot_insert(p, "Less", NULL, 2, (const value_id[]){h->item[0], spot_int(p, "zero", 0)}, 0);
    const value_id at = spot_insert(p, "Where", NULL, 3, (const value_id[]){negative, spot_int(p, "beyond", size), h->item[0]}, 0);
    return becomes_row(p, spot_insert(p, "ScatterElements", NULL, 3, (const value_id[]){absent_values(p, TYPES[k], size, "0.f"), at, values}, 0));
}

/* Each value goes to the place of its key in the vocabulary; those of other keys to one behind, which is cut off. */
resolution resolve_DictVectorizer(spot *p)
{
    model *m = p->m;
    const held *h = map_in(p);
    if (!h) return RESOLVE_FAILED;
    const type *of = &value_at(m, h->item[0])->type;
    const bool strings = of->elem == ELEM_STRING;
    const attr *words = node_attr(&p->n, strings ? "string_vocabulary" : "int64_vocabulary");
    if (!words || !words->n) return spot_error(p, "attribute-missing", "attribute '%s' is missing", strings ? "string_vocabulary" : "int64_vocabulary");
    const char *name = value_at(m, p->n.out[0])->name;
    const int64_t n = words->n;
    int64_t *number = ARENA_ARRAY(m->mem, int64_t, words->n);
    for (int64_t i = 0; i < n; i++) number[i] = i;
    attr keys = *words;
    keys.name = intern(m->names, strings ? "keys_strings" : "keys_int64s");
    const attr places = {.name = intern(m->names, "values_int64s"), .kind = ATTR_INTS, .n = words->n, .u.ints = number};
    const value_id at = spot_insert_in(p, "ai.onnx.ml", "LabelEncoder", &keys, 1, h->item, 0);
    node *encoder = node_at(m, value_at(m, at)->producer);
    node_set_attr(m, encoder, places);
    set_attr_int(m, value_at(m, at)->producer, "default_int64", n);
    const value_id absent = absent_values(p, value_at(m, h->item[1])->type.elem, n + 1, "");
    const value_id all = spot_insert(p, "ScatterElements", NULL, 3, (const value_id[]){absent, at, h->item[1]}, 0);
    const int64_t ends[2] = {0, n};
    const value_id in[3] = {all, new_ints(m, name, "start", 1, ends), new_ints(m, name, "end", 1, ends + 1)};
    return becomes_row(p, spot_insert(p, "Slice", NULL, 3, in, 0));
}
