/* ml_labels.c - LabelEncoder, CategoryMapper, OneHotEncoder of ai.onnx.ml. Source: ONNX Operators-ml.md.
 *
 * Attribute lists become constant slots. Labels and categories are numbers or strings; a string is looked up first, and its number is what counts. */
#include <stdio.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/ml.h"
#include "ops/strings.h"

/* ---- LabelEncoder ---- */

/* The numbers of "PREFIX_tensor", "PREFIX_int64s" or "PREFIX_floats", as a constant slot; 0 when there are none. */
static slot number_list(lower_ctx *c, const char *prefix)
{
    uint32_t n;
    const attr *a = node_attr(c->n, arena_printf(c->m->mem, "%s_tensor", prefix));
    if (a && a->kind == ATTR_TENSOR) return const_slot(c, prefix, a->u.t);
    const int64_t *ints = node_ints(c->n, arena_printf(c->m->mem, "%s_int64s", prefix), &n);
    if (n) return slot_ints(c, prefix, ELEM_INT64, 1, (const int64_t[1]){n}, ints);
    const float *floats = node_floats(c->n, arena_printf(c->m->mem, "%s_floats", prefix), &n);
    return n ? slot_floats(c, prefix, 1, (const int64_t[1]){n}, floats) : 0;
}

/* The element type of "PREFIX_tensor", or of the list that there is, and how many there are; ELEM_NONE: none. */
static elem list_elem(const node *n, const char *prefix, int64_t *count)
{
    char name[32];
    snprintf(name, sizeof name, "%s_tensor", prefix);
    const attr *a = node_attr(n, name);
    *count = a && a->kind == ATTR_TENSOR ? tensor_count(a->u.t) : 0;
    if (a && a->kind == ATTR_TENSOR) return a->u.t->data || a->u.t->strings ? a->u.t->type : ELEM_NONE;
    static const struct {
        const char *suffix;
        attr_kind kind;
        elem type;
    } LIST[] = {{"int64s", ATTR_INTS, ELEM_INT64}, {"floats", ATTR_FLOATS, ELEM_FLOAT}, {"strings", ATTR_STRINGS, ELEM_STRING}};
    for (size_t i = 0; i < sizeof LIST / sizeof *LIST; i++) {
        snprintf(name, sizeof name, "%s_%s", prefix, LIST[i].suffix);
        a = node_attr(n, name);
        if (!a || a->kind != LIST[i].kind || !a->n) continue;
        *count = a->n;
        return LIST[i].type;
    }
    return ELEM_NONE;
}

/* The strings of a list or tensor; NULL: they are none. */
static const char *const *string_values(const node *n, const char *list, const char *in_tensor, uint32_t *count)
{
    const attr *a = node_attr(n, in_tensor);
    if (a && a->kind == ATTR_TENSOR && a->u.t->type == ELEM_STRING) {
        *count = (uint32_t)tensor_count(a->u.t);
        return a->u.t->strings;
    }
    a = node_attr(n, list);
    *count = a && a->kind == ATTR_STRINGS ? a->n : 0;
    return *count ? a->u.strings : NULL;
}

bool infer_LabelEncoder(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    if (!need_rank(c, 0)) return false;
    int64_t n_keys, n_values;
    const elem keys = list_elem(c->n, "keys", &n_keys), values = list_elem(c->n, "values", &n_values);
    if (!keys || !values) return infer_error(c, "attribute-missing", "the keys or values are missing");
    if (n_keys != n_values && !infer_only_checks(c)) return infer_error(c, "attribute-value", "there are %lld keys and %lld values", (long long)n_keys, (long long)n_values);
    if ((keys == ELEM_STRING) != (t->elem == ELEM_STRING))
        return infer_error(c, "type-mismatch", "the input is of type %s, the keys are of type %s", elem_of(t->elem)->name, elem_of(keys)->name);
    const attr *otherwise = node_attr(c->n, "default_tensor");
    if (otherwise && otherwise->kind == ATTR_TENSOR && (otherwise->u.t->type != values || tensor_count(otherwise->u.t) != 1))
        return infer_error(c, "attribute-value", "attribute 'default_tensor' must have one element of the values' type");
    return out_tensor(c, 0, values, t->rank, t->shape);
}

static ex default_value(lower_ctx *c, elem e)
{
    const attr *a = node_attr(c->n, "default_tensor");
    const ctype t = ctype_of(e);
    if (e == ELEM_STRING) {
        uint32_t n;
        const char *const *given = string_values(c->n, "", "default_tensor", &n), *own = node_string(c->n, "default_string", "_Unused");
        return load_scalar(c, slot_strings(c, "default", 0, NULL, given && n ? given : &own));
    }
    if (a && a->kind == ATTR_TENSOR)
        return ctype_is_float(t) ? ex_f(c->x, t, elem_get_double(a->u.t->type, a->u.t->data, 0)) : ex_i(c->x, t, elem_get_int(a->u.t->type, a->u.t->data, 0));
    return ctype_is_float(t) ? ex_f(c->x, t, (double)node_float(c->n, "default_float", -0.0f)) : ex_i(c->x, t, node_int(c->n, "default_int64", -1));
}

/* A stage that finds the last key that is equal to x[idx]: its number, -1: there is none. */
static ex find_number(lower_ctx *c, nest_builder *b, slot x, const dim *idx, slot keys)
{
    dim flat[MAX_RANK], at = dim_const(c->d, 0); /* a keys tensor may have any shape: it is read in row-major order */
    nest_stage(b);
    stage_axes_for(b, slot_rank(c, keys), slot_at(c->p, keys)->extent, flat);
    for (uint32_t k = 0; k < slot_rank(c, keys); k++) at = dim_add(c->d, dim_mul(c->d, at, slot_dim(c, keys, k)), flat[k]);
    const ex v = load_axes(c, x, slot_rank(c, x), idx), key = ex_cast(c->x, ex_type(c->x, v), load_axes(c, keys, slot_rank(c, keys), flat));
    ex hit = equal(c, v, key);
    if (ctype_is_float(ex_type(c->x, v))) hit = either(c, hit, both(c, ex_un(c->x, EX_ISNAN, v), ex_un(c->x, EX_ISNAN, key)));
    return stage_fold(b, FOLD_MAX, ex_select(c->x, hit, ex_dim(c->x, at), ex_i(c->x, CT_I64, -1)));
}

/* values[number], or the default where it is negative. */
static ex value_of_number(lower_ctx *c, slot values, ex number, ex otherwise)
{
    ex rest = number, at[MAX_RANK];
    for (uint32_t k = slot_rank(c, values); k-- > 0;) {
        const ex n = ex_dim(c->x, slot_dim(c, values, k));
        at[k] = k ? ex_bin(c->x, EX_FMOD, rest, n) : rest;
        rest = ex_bin(c->x, EX_FDIV, rest, n);
    }
    return ex_select(c->x, less(c, ex_i(c->x, CT_I64, -1), number), load_at(c, values, slot_rank(c, values), at), otherwise);
}

/* y = values[the place of x among the keys], or the default. found: the places, where keys are strings; else `numbers` are the keys. */
static bool lower_mapping(lower_ctx *c, slot found, slot numbers, slot values, ex otherwise)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    const ex number = found ? load_axes(c, found, rank, idx) : find_number(c, &b, x, idx, numbers);
    nest_stage(&b);
    store_axes(c, &b, y, rank, idx, value_of_number(c, values, number, otherwise));
    low_end(c, &b);
    return true;
}

bool lower_LabelEncoder(lower_ctx *c)
{
    uint32_t n, n_values;
    int64_t count;
    const bool from_strings = list_elem(c->n, "keys", &count) == ELEM_STRING, to_strings = list_elem(c->n, "values", &count) == ELEM_STRING;
    const char *const *keys = from_strings ? string_values(c->n, "keys_strings", "keys_tensor", &n) : NULL;
    const char *const *strings = to_strings ? string_values(c->n, "values_strings", "values_tensor", &n_values) : NULL;
    const slot values = strings ? slot_strings(c, "values", 1, (const int64_t[1]){n_values}, strings) : number_list(c, "values");
    const slot found = keys ? lower_find(c, in_slot(c, 0), n, keys) : 0, numbers = keys ? 0 : number_list(c, "keys");
    return lower_mapping(c, found, numbers, values, default_value(c, slot_elem(c, out_slot(c, 0))));
}

/* ---- CategoryMapper ---- */

/* The categories are the keys, cats_int64s the values, in the direction that the input's type says. */
bool infer_CategoryMapper(infer_ctx *c)
{
    const uint32_t n = attr_count(c->n, "cats_strings");
    if (!need_rank(c, 0)) return false;
    if (!n || n != attr_count(c->n, "cats_int64s")) return infer_error(c, "attribute-value", "'cats_strings' and 'cats_int64s' don't have equal lengths");
    return out_tensor(c, 0, in_elem(c, 0) == ELEM_STRING ? ELEM_INT64 : ELEM_STRING, in_rank(c, 0), in_type(c, 0)->shape);
}

bool lower_CategoryMapper(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    uint32_t n;
    const int64_t *ints = node_ints(c->n, "cats_int64s", &n), shape[1] = {n};
    const char *const *strings = node_attr(c->n, "cats_strings")->u.strings, *own = node_string(c->n, "default_string", "_Unused");
    const bool from_strings = slot_elem(c, x) == ELEM_STRING;
    const slot numbers = slot_ints(c, "numbers", ELEM_INT64, 1, shape, ints);
    const slot values = from_strings ? numbers : slot_strings(c, "strings", 1, shape, strings);
    const ex otherwise = from_strings ? ex_i(c->x, CT_I64, node_int(c->n, "default_int64", -1)) : load_scalar(c, slot_strings(c, "default", 0, NULL, &own));
    return lower_mapping(c, from_strings ? lower_find(c, x, n, strings) : 0, numbers, values, otherwise);
}

/* ---- OneHotEncoder ---- */

bool infer_OneHotEncoder(infer_ctx *c)
{
    uint32_t n;
    elem labels;
    if (!need_rank(c, 0) || !ml_labels(c, "cats_int64s", "cats_strings", &n, &labels)) return false;
    const type *t = in_type(c, 0);
    if ((labels == ELEM_STRING) != (t->elem == ELEM_STRING)) return infer_error(c, "type-mismatch", "the input is of type %s, the categories are of type %s", elem_of(t->elem)->name, elem_of(labels)->name);
    if (t->rank + 1 > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    dim out[MAX_RANK];
    for (int32_t k = 0; k < t->rank; k++) out[k] = t->shape[k];
    out[t->rank] = dim_const(c->d, n);
    return out_tensor(c, 0, ELEM_FLOAT, t->rank + 1, out);
}

static ex one_hot_encoder_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *cats = arg, x = cats[1];
    const uint32_t rank = slot_rank(c, x);
    const ex hit = equal(c, ex_cast(c->x, CT_I64, load_axes(c, x, rank, idx)), load_axes(c, cats[0], 1, &idx[rank]));
    return ex_select(c->x, hit, ex_f(c->x, CT_F32, 1), ex_f(c->x, CT_F32, 0));
}

/* Strings are looked up first; their categories are the numbers in the list. */
bool lower_OneHotEncoder(lower_ctx *c)
{
    uint32_t n;
    slot s[2] = {0, in_slot(c, 0)};
    const int64_t *cats = node_ints(c->n, "cats_int64s", &n);
    if (slot_elem(c, s[1]) == ELEM_STRING) {
        const attr *strings = node_attr(c->n, "cats_strings");
        n = strings->n;
        int64_t *own = ARENA_ARRAY(c->m->mem, int64_t, n);
        for (uint32_t i = 0; i < n; i++) own[i] = i;
        cats = own;
        s[1] = lower_find(c, s[1], n, strings->u.strings);
    }
    s[0] = slot_ints(c, "categories", ELEM_INT64, 1, (const int64_t[1]){n}, cats);
    return lower_map(c, out_slot(c, 0), one_hot_encoder_value, s);
}
