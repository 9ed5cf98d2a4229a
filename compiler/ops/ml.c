/* ml.c - feature operators of ai.onnx.ml: Scaler, Normalizer, Binarizer, Imputer, ArrayFeatureExtractor, FeatureVectorizer, ZipMap
 * (refused), and what all families of the domain share. Source: ONNX Operators-ml.md.
 *
 * Attribute lists become constant slots. */
#include "ops/ml.h"

#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

/* ---- shared ---- */

const float *node_floats(const node *n, const char *name, uint32_t *count)
{
    const attr *a = node_attr(n, name);
    *count = a && a->kind == ATTR_FLOATS ? a->n : 0;
    return *count ? a->u.floats : NULL;
}

uint32_t attr_count(const node *n, const char *name)
{
    const attr *a = node_attr(n, name);
    if (!a) return 0;
    if (a->kind == ATTR_TENSOR) return (uint32_t)tensor_count(a->u.t);
    return a->kind == ATTR_FLOATS || a->kind == ATTR_INTS || a->kind == ATTR_STRINGS ? a->n : 0;
}

post_kind post_of(const node *n)
{
    static const char *const NAMES[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    const char *name = node_string(n, "post_transform", "NONE");
    for (int i = 0; i < POST_UNKNOWN; i++)
        if (!strcmp(name, NAMES[i])) return (post_kind)i;
    return POST_UNKNOWN;
}

bool ml_matrix(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    if (in_rank(c, 0) != 1 && in_rank(c, 0) != 2) return infer_error(c, "shape-rank", "the input has %d dimensions, expected [rows, features]", in_rank(c, 0));
    if (!strchr("fiub", elem_of(in_elem(c, 0))->kind)) return infer_unsupported(c, "type-unsupported", "string inputs are not supported yet");
    if (post_of(c->n) == POST_UNKNOWN) return infer_error(c, "attribute-value", "attribute 'post_transform' is '%s'", node_string(c->n, "post_transform", ""));
    return true;
}

dim ml_rows(dims *d, const type *t)
{
    return t->rank == 2 ? t->shape[0] : dim_const(d, 1);
}

dim ml_features(dims *d, const type *t)
{
    (void)d;
    return t->shape[t->rank - 1];
}

bool ml_labels(infer_ctx *c, const char *ints, const char *strings, uint32_t *count, elem *t)
{
    *count = attr_count(c->n, strings);
    *t = *count ? ELEM_STRING : ELEM_INT64;
    if (!*count) *count = attr_count(c->n, ints);
    return *count || infer_error(c, "attribute-missing", "attribute '%s' is missing", ints);
}

slot ml_label_list(lower_ctx *c, const char *ints, const char *strings, uint32_t *count)
{
    const attr *a = node_attr(c->n, strings);
    if (a && a->kind == ATTR_STRINGS && a->n) {
        *count = a->n;
        return slot_strings(c, "labels", 1, (const int64_t[1]){a->n}, a->u.strings);
    }
    const int64_t *v = node_ints(c->n, ints, count);
    return slot_ints(c, "labels", ELEM_INT64, 1, (const int64_t[1]){*count}, v);
}

ex ml_feature(lower_ctx *c, dim row, dim k)
{
    const slot x = in_slot(c, 0);
    const dim at[2] = {row, k};
    const ex v = load_axes(c, x, slot_rank(c, x), slot_rank(c, x) == 2 ? at : &k);
    return ex_cast(c->x, slot_elem(c, x) == ELEM_DOUBLE ? CT_F64 : CT_F32, v);
}

/* The quantile of the normal distribution, with the approximation of the inverse error function that ONNX runtimes share. */
static ex probit(lower_ctx *c, ex p)
{
    const ex one = num(c, p, 1), x = sub(c, mul(c, num(c, p, 2), p), one), zero = num(c, p, 0);
    const ex l = ex_un(c->x, EX_LOG, mul(c, sub(c, one, x), add(c, one, x)));
    const ex a = add(c, num(c, p, 2.0 / (3.14159 * 0.147)), mul(c, num(c, p, 0.5), l)), b = mul(c, num(c, p, 1 / 0.147), l);
    const ex r = ex_un(c->x, EX_SQRT, sub(c, ex_un(c->x, EX_SQRT, sub(c, mul(c, a, a), b)), a));
    return mul(c, num(c, p, 1.41421356), ex_select(c->x, less(c, x, zero), ex_un(c->x, EX_NEG, r), r));
}

static ex logistic(lower_ctx *c, ex x)
{
    const ex one = num(c, x, 1), p = divide(c, one, add(c, one, ex_un(c->x, EX_EXP, ex_un(c->x, EX_NEG, ex_un(c->x, EX_ABS, x)))));
    return ex_select(c->x, less(c, x, num(c, x, 0)), sub(c, one, p), p);
}

/* exp(x - max), or x * exp(-max) for what is nearly zero with SOFTMAX_ZERO. */
static ex soft_term(lower_ctx *c, ex x, ex max, post_kind k)
{
    const ex e = ex_un(c->x, EX_EXP, sub(c, x, max));
    if (k == POST_SOFTMAX) return e;
    const ex tiny = ex_bin(c->x, EX_LE, ex_un(c->x, EX_ABS, x), num(c, x, 0.0000001));
    return ex_select(c->x, tiny, mul(c, x, ex_un(c->x, EX_EXP, ex_un(c->x, EX_NEG, max))), e);
}

void ml_post(lower_ctx *c, slot scores, slot to)
{
    const post_kind k = post_of(c->n);
    const dim rows = slot_dim(c, scores, 0), count = slot_dim(c, scores, 1);
    nest_builder b = low_begin(c);
    dim idx[2] = {nest_axis(&b, rows), 0};
    ex max = 0, sum = 0;
    if (k == POST_SOFTMAX || k == POST_SOFTMAX_ZERO) {
        nest_stage(&b);
        idx[1] = stage_axis(&b, count);
        max = stage_fold(&b, FOLD_MAX, load_axes(c, scores, 2, idx));
        nest_stage(&b);
        idx[1] = stage_axis(&b, count);
        sum = stage_fold(&b, FOLD_SUM, soft_term(c, load_axes(c, scores, 2, idx), max, k));
    }
    nest_stage(&b);
    idx[1] = stage_axis(&b, count);
    ex v = load_axes(c, scores, 2, idx);
    if (k == POST_LOGISTIC) v = logistic(c, v);
    if (k == POST_PROBIT) v = probit(c, v);
    if (sum) {
        const ex share = divide(c, soft_term(c, v, max, k), sum);
        v = k == POST_SOFTMAX ? share : ex_select(c->x, equal(c, sum, num(c, sum, 0)), num(c, sum, 0.5), share);
    }
    store_axes(c, &b, to, 2, idx, ex_cast(c->x, ctype_of(slot_elem(c, to)), v));
    low_end(c, &b);
}

void ml_label(lower_ctx *c, slot scores, slot labels, slot to)
{
    nest_builder b = low_begin(c);
    dim idx[2] = {nest_axis(&b, slot_dim(c, scores, 0)), 0};
    nest_stage(&b);
    idx[1] = stage_axis(&b, slot_dim(c, scores, 1));
    const ex max = stage_fold(&b, FOLD_MAX, load_axes(c, scores, 2, idx));
    nest_stage(&b);
    idx[1] = stage_axis(&b, slot_dim(c, scores, 1));
    const ex last = ex_dim(c->x, dim_addc(c->d, slot_dim(c, scores, 1), -1)); /* of NaN: a label that exists */
    const ex hit = ex_select(c->x, equal(c, load_axes(c, scores, 2, idx), max), ex_dim(c->x, idx[1]), last);
    const ex first = stage_fold(&b, FOLD_MIN, hit);
    nest_stage(&b);
    store_axes(c, &b, to, 1, idx, load_at(c, labels, 1, &first));
    low_end(c, &b);
}

/* ---- Scaler, Imputer, Binarizer, Normalizer ---- */

/* Entry of a list for feature k: its own, or the only one. */
static ex list_entry(lower_ctx *c, const char *name, dim k, double otherwise)
{
    uint32_t n;
    const float *v = node_floats(c->n, name, &n);
    if (!n) return ex_f(c->x, CT_F32, otherwise);
    if (n == 1) return ex_f(c->x, CT_F32, (double)v[0]);
    return load_axes(c, slot_floats(c, name, 1, (const int64_t[1]){n}, v), 1, &k);
}

static bool check_lists(infer_ctx *c, const char *const *lists)
{
    int64_t features;
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (t->rank < 1 || t->rank > MAX_RANK) return infer_error(c, "shape-rank", "the input has %d dimensions", t->rank);
    if (!strchr("fiub", elem_of(t->elem)->kind)) return infer_unsupported(c, "type-unsupported", "string inputs are not supported yet");
    for (; *lists; lists++) {
        const uint32_t n = attr_count(c->n, *lists);
        if (n > 1 && dim_is_const(c->d, ml_features(c->d, t), &features) && (int64_t)n < features)
            return infer_error(c, "attribute-value", "attribute '%s' has %u numbers for %lld features", *lists, n, (long long)features);
    }
    return true;
}

bool infer_Scaler(infer_ctx *c)
{
    static const char *const LISTS[] = {"offset", "scale", NULL};
    const type *t = in_type(c, 0);
    return check_lists(c, LISTS) && out_tensor(c, 0, ELEM_FLOAT, t->rank, t->shape);
}

static ex scaler_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const ex v = ex_cast(c->x, CT_F32, load_axes(c, x, rank, idx));
    return mul(c, sub(c, v, list_entry(c, "offset", idx[rank - 1], 0)), list_entry(c, "scale", idx[rank - 1], 1));
}

bool lower_Scaler(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), scaler_value, NULL);
}

bool infer_Imputer(infer_ctx *c)
{
    static const char *const LISTS[] = {"imputed_value_floats", "imputed_value_int64s", NULL};
    return check_lists(c, LISTS) && out_like(c, 0, 0);
}

static ex imputer_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const ex v = load_axes(c, x, rank, idx);
    if (ctype_is_float(ex_type(c->x, v))) {
        const float old = node_float(c->n, "replaced_value_float", 0);
        const ex hit = isnan(old) ? ex_un(c->x, EX_ISNAN, v) : equal(c, v, num(c, v, (double)old));
        return ex_select(c->x, hit, ex_cast(c->x, ex_type(c->x, v), list_entry(c, "imputed_value_floats", idx[rank - 1], 0)), v);
    }
    uint32_t n;
    const int64_t *fill = node_ints(c->n, "imputed_value_int64s", &n);
    if (!n) return v;
    ex with = whole(c, v, fill[0]);
    if (n > 1) with = ex_cast(c->x, ex_type(c->x, v), load_axes(c, slot_ints(c, "imputed", ELEM_INT64, 1, (const int64_t[1]){n}, fill), 1, &idx[rank - 1]));
    return ex_select(c->x, equal(c, v, whole(c, v, node_int(c->n, "replaced_value_int64", 0))), with, v);
}

bool lower_Imputer(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), imputer_value, NULL);
}

bool infer_Binarizer(infer_ctx *c)
{
    return out_like(c, 0, 0);
}

static ex binarizer_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    const ex v = load_axes(c, x, slot_rank(c, x), idx);
    const ex wide = ctype_is_float(ex_type(c->x, v)) ? v : ex_cast(c->x, CT_F64, v);
    return ex_select(c->x, less(c, attr_f(c, wide, "threshold", 0), wide), whole(c, v, 1), whole(c, v, 0));
}

bool lower_Binarizer(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), binarizer_value, NULL);
}

bool infer_Normalizer(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    const char *norm = node_string(c->n, "norm", "MAX");
    if (strcmp(norm, "MAX") && strcmp(norm, "L1") && strcmp(norm, "L2")) return infer_error(c, "attribute-value", "attribute 'norm' is '%s'", norm);
    return ml_matrix(c) && out_tensor(c, 0, ELEM_FLOAT, t->rank, t->shape);
}

bool lower_Normalizer(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const char *norm = node_string(c->n, "norm", "MAX");
    const bool max = !strcmp(norm, "MAX"), l2 = !strcmp(norm, "L2");
    const uint32_t rank = slot_rank(c, x);
    nest_builder b = low_begin(c);
    dim idx[2];
    nest_axes_mask(&b, rank, slot_at(c->p, x)->extent, rank == 2, idx);
    nest_stage(&b);
    stage_axes_mask(&b, rank, slot_at(c->p, x)->extent, 1u << (rank - 1), idx);
    ex v = ex_cast(c->x, CT_F32, load_axes(c, x, rank, idx));
    v = l2 ? mul(c, v, v) : ex_un(c->x, EX_ABS, v);
    v = stage_fold(&b, max ? FOLD_MAX : FOLD_SUM, v);
    if (l2) v = ex_un(c->x, EX_SQRT, v);
    v = larger(c, v, num(c, v, 1e-30));
    nest_stage(&b);
    stage_axes_mask(&b, rank, slot_at(c->p, x)->extent, 1u << (rank - 1), idx);
    store_axes(c, &b, y, rank, idx, divide(c, ex_cast(c->x, CT_F32, load_axes(c, x, rank, idx)), v));
    low_end(c, &b);
    return true;
}

/* ---- ArrayFeatureExtractor, FeatureVectorizer ---- */

bool infer_ArrayFeatureExtractor(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *x = in_type(c, 0), *i = in_type(c, 1);
    if (x->rank < 1 || x->rank > MAX_RANK) return infer_error(c, "shape-rank", "the input has %d dimensions", x->rank);
    dim out[MAX_RANK + 1] = {dim_const(c->d, 1)};
    int32_t rank = x->rank == 1 ? 2 : x->rank;
    for (int32_t k = 0; x->rank > 1 && k + 1 < x->rank; k++) out[k] = x->shape[k];
    out[rank - 1] = dim_product(c->d, i->shape, (uint32_t)i->rank);
    return out_tensor(c, 0, x->elem, rank, out);
}

static ex extractor_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), i = in_slot(c, 1);
    const uint32_t rank = slot_rank(c, x), ri = slot_rank(c, i), ro = slot_rank(c, out_slot(c, 0));
    dim at_i[MAX_RANK], rest = idx[ro - 1];
    for (uint32_t k = ri; k-- > 0;) {
        at_i[k] = k ? dim_mod(c->d, rest, slot_dim(c, i, k)) : rest;
        rest = dim_fdiv(c->d, rest, slot_dim(c, i, k));
    }
    ex at[MAX_RANK];
    for (uint32_t k = 0; k + 1 < rank; k++) at[k] = ex_dim(c->x, idx[k]);
    at[rank - 1] = ex_index(c->x, ex_cast(c->x, CT_I64, load_axes(c, i, ri, at_i)), ex_dim(c->x, slot_dim(c, x, rank - 1)));
    return load_at(c, x, rank, at);
}

bool lower_ArrayFeatureExtractor(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), extractor_value, NULL);
}

/* How many features input i gives: what inputdimensions says (fewer than it has are its first, to more zeros are added), else what it has. */
static dim features_given(dims *d, const node *n, uint32_t i, dim has)
{
    uint32_t count;
    const int64_t *said = node_ints(n, "inputdimensions", &count);
    return said && i < count ? dim_const(d, said[i]) : has;
}

bool infer_FeatureVectorizer(infer_ctx *c)
{
    dim features = dim_const(c->d, 0);
    uint32_t count;
    const int64_t *said = node_ints(c->n, "inputdimensions", &count);
    for (uint32_t i = 0; said && i < count; i++)
        if (said[i] < 0) return infer_error(c, "attribute-value", "attribute 'inputdimensions' has %lld", (long long)said[i]);
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        if (!need_rank(c, i)) return false;
        if (in_rank(c, i) != 2) return infer_error(c, "shape-rank", "input %u has %d dimensions instead of 2", i, in_rank(c, i));
        features = dim_add(c->d, features, features_given(c->d, c->n, i, in_dim(c, i, 1)));
    }
    const dim out[2] = {in_dim(c, 0, 0), features};
    return out_tensor(c, 0, ELEM_FLOAT, 2, out);
}

bool lower_FeatureVectorizer(lower_ctx *c)
{
    dim at = dim_const(c->d, 0);
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        const slot x = in_slot(c, i), y = out_slot(c, 0);
        nest_builder b = low_begin(c);
        dim idx[2];
        const dim n = features_given(c->d, c->n, i, slot_dim(c, x, 1)), shape[2] = {slot_dim(c, x, 0), n};
        axes_for(&b, 2, shape, idx);
        nest_stage(&b);
        const dim to[2] = {idx[0], dim_add(c->d, at, idx[1])};
        const ex v = ex_cast(c->x, CT_F32, load_axes(c, x, 2, idx));
        const bool all = dim_range(c->d, dim_sub(c->d, slot_dim(c, x, 1), n)).lo >= 0;
        store_axes(c, &b, y, 2, to, all ? v : ex_select(c->x, dim_inside(c, idx[1], slot_dim(c, x, 1)), v, num(c, v, 0)));
        low_end(c, &b);
        at = dim_add(c->d, at, n);
    }
    return true;
}

/* ---- refused ---- */

bool infer_ZipMap(infer_ctx *c)
{
    infer_unsupported(c, "zipmap", "a list of dictionaries is no tensor");
    return diag_hint(c->m->diag, "export with option zipmap=False, or end the model at '%s'", value_at(c->m, c->n->in[0])->name);
}
