/* ml_linear.c - LinearRegressor, LinearClassifier, SVMRegressor, SVMClassifier of ai.onnx.ml. Source: ONNX Operators-ml.md, and the reference
 * implementation of the onnx package for what the text leaves open (votes, two-class scores). */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/ml.h"

static slot scores_slot(lower_ctx *c, const char *name, ctype t, dim rows, dim count)
{
    const dim shape[2] = {rows, count};
    return temp_slot(c, name, t == CT_F64 ? ELEM_DOUBLE : ELEM_FLOAT, 2, shape);
}

static dim input_rows(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    return slot_rank(c, x) == 2 ? slot_dim(c, x, 0) : dim_const(c->d, 1);
}

static dim input_features(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    return slot_dim(c, x, slot_rank(c, x) - 1);
}

static ctype input_ctype(lower_ctx *c)
{
    return slot_elem(c, in_slot(c, 0)) == ELEM_DOUBLE ? CT_F64 : CT_F32;
}

/* ---- linear ---- */

/* scores[row, t] = sum over features of x * coefficients[t, k], plus intercepts[t]. */
static slot linear_scores(lower_ctx *c, int64_t targets)
{
    uint32_t n_coef, n_intercept;
    const float *coef = node_floats(c->n, "coefficients", &n_coef), *intercept = node_floats(c->n, "intercepts", &n_intercept);
    const slot w = slot_floats(c, "coefficients", 2, (const int64_t[2]){targets, n_coef / targets}, coef);
    const slot b0 = n_intercept ? slot_floats(c, "intercepts", 1, (const int64_t[1]){n_intercept}, intercept) : 0;
    const slot to = scores_slot(c, "scores", input_ctype(c), input_rows(c), dim_const(c->d, targets));
    nest_builder b = low_begin(c);
    dim at[2];
    axes_for(&b, 2, slot_at(c->p, to)->extent, at);
    nest_stage(&b);
    const dim k = stage_axis(&b, input_features(c)), wi[2] = {at[1], k};
    const ex x = ml_feature(c, at[0], k);
    ex v = stage_fold(&b, FOLD_SUM, mul(c, x, ex_cast(c->x, ex_type(c->x, x), load_axes(c, w, 2, wi))));
    nest_stage(&b);
    if (b0) v = add(c, v, ex_cast(c->x, ex_type(c->x, v), load_channel(c, b0, at[1])));
    store_axes(c, &b, to, 2, at, v);
    low_end(c, &b);
    return to;
}

static bool check_coefficients(infer_ctx *c, int64_t targets)
{
    int64_t features;
    const uint32_t n = attr_count(c->n, "coefficients");
    if (targets < 1 || n % targets || (dim_is_const(c->d, ml_features(c->d, in_type(c, 0)), &features) && (int64_t)n != targets * features))
        return infer_error(c, "attribute-value", "%u coefficients for %lld targets don't fit the features", n, (long long)targets);
    return true;
}

bool infer_LinearRegressor(infer_ctx *c)
{
    if (!ml_matrix(c)) return false;
    const int64_t targets = node_int(c->n, "targets", 1);
    const dim out[2] = {ml_rows(c->d, in_type(c, 0)), dim_const(c->d, targets)};
    return check_coefficients(c, targets) && out_tensor(c, 0, ELEM_FLOAT, 2, out);
}

bool lower_LinearRegressor(lower_ctx *c)
{
    ml_post(c, linear_scores(c, node_int(c->n, "targets", 1)), out_slot(c, 0));
    return true;
}

/* Rows of coefficients: one per class, or one for two classes. */
static int64_t coefficient_rows(const node *n, int64_t features)
{
    return features > 0 ? attr_count(n, "coefficients") / features : 0;
}

bool infer_LinearClassifier(infer_ctx *c)
{
    uint32_t labels;
    elem kind;
    int64_t features;
    if (!ml_matrix(c) || !ml_labels(c, "classlabels_ints", "classlabels_strings", &labels, &kind)) return false;
    if (labels == 1 && kind == ELEM_STRING) return infer_unsupported(c, "labels-string", "a single class label that is a string is not supported yet");
    if (!dim_is_const(c->d, ml_features(c->d, in_type(c, 0)), &features)) return infer_unsupported(c, "shape-unknown", "the number of features is not known");
    const int64_t rows = coefficient_rows(c->n, features);
    if (!check_coefficients(c, rows)) return false;
    if (rows != labels && !(rows == 1 && labels == 2)) return infer_error(c, "attribute-value", "%lld rows of coefficients for %u labels", (long long)rows, labels);
    const dim n = ml_rows(c->d, in_type(c, 0)), out[2] = {n, dim_const(c->d, labels)};
    return out_tensor(c, 0, kind, 1, &n) && out_tensor(c, 1, ELEM_FLOAT, 2, out);
}

/* One score s of two classes as (-s, s). */
static slot both_classes(lower_ctx *c, slot one)
{
    const slot two = scores_slot(c, "two_scores", input_ctype(c), slot_dim(c, one, 0), dim_const(c->d, 2));
    nest_builder b = low_begin(c);
    dim at[2];
    axes_for(&b, 2, slot_at(c->p, two)->extent, at);
    nest_stage(&b);
    const dim from[2] = {at[0], dim_const(c->d, 0)};
    const ex s = load_axes(c, one, 2, from);
    store_axes(c, &b, two, 2, at, ex_select(c->x, equal(c, ex_dim(c->x, at[1]), ex_i(c->x, CT_I64, 0)), ex_un(c->x, EX_NEG, s), s));
    low_end(c, &b);
    return two;
}

/* The only label there is when its score reaches the threshold, else 0. */
static void single_label(lower_ctx *c, slot scores, int64_t label, slot to)
{
    nest_builder b = low_begin(c);
    const dim at[2] = {nest_axis(&b, slot_dim(c, scores, 0)), dim_const(c->d, 0)};
    nest_stage(&b);
    const ex s = load_axes(c, scores, 2, at);
    const ex hit = ex_bin(c->x, EX_LE, num(c, s, post_of(c->n) == POST_NONE ? 0 : 0.5), s);
    store_axes(c, &b, to, 1, at, ex_select(c->x, hit, ex_i(c->x, CT_I64, label), ex_i(c->x, CT_I64, 0)));
    low_end(c, &b);
}

bool lower_LinearClassifier(lower_ctx *c)
{
    uint32_t n;
    int64_t features = 1;
    const slot labels = ml_label_list(c, "classlabels_ints", "classlabels_strings", &n);
    (void)dim_is_const(c->d, input_features(c), &features);
    slot scores = linear_scores(c, coefficient_rows(c->n, features));
    if (n == 2 && dim_is(c->d, slot_dim(c, scores, 1), 1)) scores = both_classes(c, scores);
    const slot last = low_has_out(c, 1) ? out_slot(c, 1) : scores_slot(c, "probabilities", input_ctype(c), slot_dim(c, scores, 0), slot_dim(c, scores, 1));
    ml_post(c, scores, last);
    if (!low_has_out(c, 0)) return true;
    if (n == 1) single_label(c, last, node_ints(c->n, "classlabels_ints", &n)[0], out_slot(c, 0));
    else ml_label(c, scores, labels, out_slot(c, 0));
    return true;
}

/* ---- support vectors ---- */

typedef enum { SVM_LINEAR, SVM_POLY, SVM_RBF, SVM_SIGMOID, SVM_UNKNOWN } svm_kernel;

static svm_kernel svm_kernel_of(const node *n)
{
    static const char *const NAMES[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    for (int i = 0; i < SVM_UNKNOWN; i++)
        if (!strcmp(node_string(n, "kernel_type", "LINEAR"), NAMES[i])) return (svm_kernel)i;
    return SVM_UNKNOWN;
}

static ex kernel_param(lower_ctx *c, ex like, uint32_t i)
{
    uint32_t n;
    const float *p = node_floats(c->n, "kernel_params", &n); /* gamma, coef0, degree */
    return num(c, like, i < n ? (double)p[i] : 0);
}

/* out[row, v] = K(x[row], vectors[v]). */
static slot kernel_values(lower_ctx *c, const char *list, int64_t vectors, svm_kernel kind)
{
    uint32_t n;
    const float *v = node_floats(c->n, list, &n);
    const slot sv = slot_floats(c, list, 2, (const int64_t[2]){vectors, n / vectors}, v);
    const slot to = scores_slot(c, "kernel_values", input_ctype(c), input_rows(c), dim_const(c->d, vectors));
    nest_builder b = low_begin(c);
    dim at[2];
    axes_for(&b, 2, slot_at(c->p, to)->extent, at);
    nest_stage(&b);
    const dim k = stage_axis(&b, input_features(c)), from[2] = {at[1], k};
    const ex x = ml_feature(c, at[0], k), y = ex_cast(c->x, ex_type(c->x, x), load_axes(c, sv, 2, from)), d = sub(c, x, y);
    ex s = stage_fold(&b, FOLD_SUM, kind == SVM_RBF ? mul(c, d, d) : mul(c, x, y));
    nest_stage(&b);
    const ex gamma = kernel_param(c, s, 0), shifted = add(c, mul(c, s, gamma), kernel_param(c, s, 1));
    if (kind == SVM_RBF) s = ex_un(c->x, EX_EXP, mul(c, ex_un(c->x, EX_NEG, gamma), s));
    if (kind == SVM_SIGMOID) s = ex_un(c->x, EX_TANH, shifted);
    if (kind == SVM_POLY) s = ex_bin(c->x, EX_POW, shifted, num(c, s, (double)(int64_t)ex_at(c->x, kernel_param(c, s, 2))->f));
    store_axes(c, &b, to, 2, at, s);
    low_end(c, &b);
    return to;
}

/* out[row, j] = sum over v of values[row, v] * table[j, v], plus rho[j] (or rho[0]). */
static slot weighted_sums(lower_ctx *c, slot values, int64_t count, const float *table, const float *rho, uint32_t n_rho)
{
    int64_t vectors = 1;
    (void)dim_is_const(c->d, slot_dim(c, values, 1), &vectors);
    const slot w = slot_floats(c, "weights", 2, (const int64_t[2]){count, vectors}, table);
    const slot r = slot_floats(c, "rho", 1, (const int64_t[1]){n_rho}, rho);
    const slot to = scores_slot(c, "decisions", input_ctype(c), slot_dim(c, values, 0), dim_const(c->d, count));
    nest_builder b = low_begin(c);
    dim at[2];
    axes_for(&b, 2, slot_at(c->p, to)->extent, at);
    nest_stage(&b);
    const dim v = stage_axis(&b, slot_dim(c, values, 1)), vi[2] = {at[0], v}, wi[2] = {at[1], v};
    const ex x = load_axes(c, values, 2, vi);
    const ex sum = stage_fold(&b, FOLD_SUM, mul(c, x, ex_cast(c->x, ex_type(c->x, x), load_axes(c, w, 2, wi))));
    nest_stage(&b);
    store_axes(c, &b, to, 2, at, add(c, sum, ex_cast(c->x, ex_type(c->x, sum), load_channel(c, r, at[1]))));
    low_end(c, &b);
    return to;
}

static bool check_svm(infer_ctx *c)
{
    if (!ml_matrix(c)) return false;
    if (svm_kernel_of(c->n) == SVM_UNKNOWN) return infer_error(c, "attribute-value", "attribute 'kernel_type' is '%s'", node_string(c->n, "kernel_type", ""));
    if (!attr_count(c->n, "coefficients") || !attr_count(c->n, "rho")) return infer_error(c, "attribute-missing", "'coefficients' and 'rho' are needed");
    return true;
}

bool infer_SVMRegressor(infer_ctx *c)
{
    if (!check_svm(c)) return false;
    const int64_t n = node_int(c->n, "n_supports", 0);
    if (n > 0 && (attr_count(c->n, "coefficients") < n || attr_count(c->n, "support_vectors") % n))
        return infer_error(c, "attribute-value", "the coefficients or vectors don't fit %lld supports", (long long)n);
    const dim out[2] = {ml_rows(c->d, in_type(c, 0)), dim_const(c->d, 1)};
    return out_tensor(c, 0, ELEM_FLOAT, 2, out);
}

static ex one_class_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *from = arg;
    const ex v = load_axes(c, *from, 2, idx);
    if (!node_int(c->n, "one_class", 0)) return ex_cast(c->x, CT_F32, v);
    return ex_select(c->x, less(c, num(c, v, 0), v), ex_f(c->x, CT_F32, 1), ex_f(c->x, CT_F32, -1));
}

bool lower_SVMRegressor(lower_ctx *c)
{
    uint32_t n_coef, n_rho;
    const float *coef = node_floats(c->n, "coefficients", &n_coef), *rho = node_floats(c->n, "rho", &n_rho);
    const int64_t n = node_int(c->n, "n_supports", 0);
    static const float ONE[1] = {1};
    slot sums;
    if (n > 0) sums = weighted_sums(c, kernel_values(c, "support_vectors", n, svm_kernel_of(c->n)), 1, coef, rho, 1);
    else sums = weighted_sums(c, kernel_values(c, "coefficients", 1, SVM_LINEAR), 1, ONE, rho, 1);
    return lower_map(c, out_slot(c, 0), one_class_value, &sums);
}

/* ---- SVMClassifier ---- */

typedef struct {
    uint32_t classes;
    int64_t pairs, vectors; /* vectors 0: one row of coefficients per class, no voting */
    const int64_t *per_class;
    bool probabilities;
} machine;

static machine machine_of(const node *n)
{
    machine m = {0};
    uint32_t k;
    m.classes = attr_count(n, "classlabels_strings");
    if (!m.classes) m.classes = attr_count(n, "classlabels_ints");
    m.per_class = node_ints(n, "vectors_per_class", &k);
    for (uint32_t i = 0; i < k; i++) m.vectors += m.per_class[i];
    m.pairs = (int64_t)m.classes * (m.classes - 1) / 2;
    m.probabilities = m.vectors && attr_count(n, "prob_a");
    return m;
}

bool infer_SVMClassifier(infer_ctx *c)
{
    uint32_t labels, k;
    elem kind;
    if (!check_svm(c) || !ml_labels(c, "classlabels_ints", "classlabels_strings", &labels, &kind)) return false;
    const machine m = machine_of(c->n);
    const int64_t *per_class = node_ints(c->n, "vectors_per_class", &k);
    for (uint32_t i = 0; i < k; i++)
        if (per_class[i] < 0) return infer_error(c, "attribute-value", "a class has %lld vectors", (long long)per_class[i]);
    const uint32_t coef = attr_count(c->n, "coefficients");
    if (labels < 2) return infer_unsupported(c, "svm-classes", "fewer than two classes");
    if (m.vectors && (k != labels || coef != m.vectors * (labels - 1) || attr_count(c->n, "rho") < m.pairs || attr_count(c->n, "support_vectors") % m.vectors))
        return infer_error(c, "attribute-value", "the coefficients, vectors or rho don't fit %u classes", labels);
    if (!m.vectors && coef % labels) return infer_error(c, "attribute-value", "%u coefficients don't fit %u classes", coef, labels);
    if (m.probabilities && (attr_count(c->n, "prob_a") < m.pairs || attr_count(c->n, "prob_b") < m.pairs))
        return infer_error(c, "attribute-value", "'prob_a' or 'prob_b' is too short");
    int64_t scores = m.vectors && !m.probabilities ? m.pairs : labels;
    if (scores == 1) scores = 2; /* the complement is written too */
    const dim n = ml_rows(c->d, in_type(c, 0)), out[2] = {n, dim_const(c->d, scores)};
    return out_tensor(c, 0, kind, 1, &n) && out_tensor(c, 1, ELEM_FLOAT, 2, out);
}

/* The weight of every vector in the decision between two classes i < j: coefficients[j - 1] for the vectors of i, [i] for those of j. */
static const float *pair_table(lower_ctx *c, const machine *m)
{
    uint32_t n;
    const float *coef = node_floats(c->n, "coefficients", &n);
    float *t = ARENA_ARRAY(c->m->mem, float, (size_t)(m->pairs * m->vectors));
    int64_t pair = 0, first_i = 0;
    for (uint32_t i = 0; i < m->classes; first_i += m->per_class[i++]) {
        int64_t first_j = first_i + m->per_class[i];
        for (uint32_t j = i + 1; j < m->classes; first_j += m->per_class[j++], pair++) {
            float *row = t + pair * m->vectors;
            for (int64_t v = first_i; v < first_i + m->per_class[i]; v++) row[v] = coef[(j - 1) * m->vectors + v];
            for (int64_t v = first_j; v < first_j + m->per_class[j]; v++) row[v] = coef[i * m->vectors + v];
        }
    }
    return t;
}

/* votes[row, class]: of each pair, the first class gets one when the decision is positive, else the second. */
static slot votes_slot(lower_ctx *c, const machine *m, slot decisions)
{
    int64_t *first = ARENA_ARRAY(c->m->mem, int64_t, (size_t)m->pairs), *second = ARENA_ARRAY(c->m->mem, int64_t, (size_t)m->pairs), pair = 0;
    for (uint32_t i = 0; i < m->classes; i++)
        for (uint32_t j = i + 1; j < m->classes; j++, pair++) first[pair] = i, second[pair] = j;
    const slot a = slot_ints(c, "first", ELEM_INT64, 1, &m->pairs, first), s = slot_ints(c, "second", ELEM_INT64, 1, &m->pairs, second);
    const slot to = scores_slot(c, "votes", CT_F32, slot_dim(c, decisions, 0), dim_const(c->d, m->classes));
    nest_builder b = low_begin(c);
    dim at[2];
    axes_for(&b, 2, slot_at(c->p, to)->extent, at);
    nest_stage(&b);
    const dim p = stage_axis(&b, slot_dim(c, decisions, 1)), from[2] = {at[0], p};
    const ex d = load_axes(c, decisions, 2, from);
    const ex winner = ex_select(c->x, less(c, num(c, d, 0), d), load_axes(c, a, 1, &p), load_axes(c, s, 1, &p));
    const ex hit = ex_select(c->x, equal(c, winner, ex_dim(c->x, at[1])), ex_f(c->x, CT_F32, 1), ex_f(c->x, CT_F32, 0));
    const ex sum = stage_fold(&b, FOLD_SUM, hit);
    nest_stage(&b);
    store_axes(c, &b, to, 2, at, sum);
    low_end(c, &b);
    return to;
}

/* Class probabilities from the decisions of pairs: the kernel solves the coupling of each row (Wu, Lin and Weng 2004). */
static slot coupled(lower_ctx *c, const machine *m, slot decisions)
{
    uint32_t n;
    const float *a = node_floats(c->n, "prob_a", &n), *b = node_floats(c->n, "prob_b", &n);
    const slot sa = slot_floats(c, "prob_a", 1, &m->pairs, a), sb = slot_floats(c, "prob_b", 1, &m->pairs, b);
    const slot to = scores_slot(c, "coupled", CT_F32, slot_dim(c, decisions, 0), dim_const(c->d, m->classes));
    slot in = decisions;
    if (slot_elem(c, in) != ELEM_FLOAT) {
        in = scores_slot(c, "decisions_f", CT_F32, slot_dim(c, decisions, 0), slot_dim(c, decisions, 1));
        nest_builder nb = low_begin(c);
        dim at[2];
        axes_for(&nb, 2, slot_at(c->p, in)->extent, at);
        nest_stage(&nb);
        store_axes(c, &nb, in, 2, at, ex_cast(c->x, CT_F32, load_axes(c, decisions, 2, at)));
        low_end(c, &nb);
    }
    const kernel_arg args[4] = {{to, ARG_OUT}, {in, ARG_IN}, {sa, ARG_IN}, {sb, ARG_IN}};
    const binding bind[1] = {{.name = "CLASSES", .kind = BIND_DIM, .d = dim_const(c->d, m->classes)}};
    const dim rows = slot_dim(c, decisions, 0);
    lower_template(c, "coupling", 1, bind, 4, args, rows)->kernel->ops = dim_mulc(c->d, rows, 40 * (int64_t)m->classes * m->classes); /* as of a few turns */
    return to;
}

bool lower_SVMClassifier(lower_ctx *c)
{
    machine m = machine_of(c->n);
    uint32_t n_coef, n_rho;
    (void)node_floats(c->n, "coefficients", &n_coef);
    const float *rho = node_floats(c->n, "rho", &n_rho);
    const slot labels = ml_label_list(c, "classlabels_ints", "classlabels_strings", &m.classes);
    slot scores, votes;
    if (m.vectors) {
        const slot values = kernel_values(c, "support_vectors", m.vectors, svm_kernel_of(c->n));
        scores = weighted_sums(c, values, m.pairs, pair_table(c, &m), rho, (uint32_t)m.pairs);
        votes = votes_slot(c, &m, scores);
        if (m.probabilities) scores = coupled(c, &m, scores);
    } else {
        float *unit = ARENA_ARRAY(c->m->mem, float, (size_t)m.classes * m.classes);
        for (uint32_t i = 0; i < m.classes; i++) unit[i * m.classes + i] = 1;
        votes = scores = weighted_sums(c, kernel_values(c, "coefficients", m.classes, SVM_LINEAR), m.classes, unit, rho, 1);
    }
    if (low_has_out(c, 0)) ml_label(c, votes, labels, out_slot(c, 0));
    if (!low_has_out(c, 1)) return true;
    if (dim_is(c->d, slot_dim(c, scores, 1), 1)) scores = both_classes(c, scores);
    ml_post(c, scores, out_slot(c, 1));
    return true;
}
