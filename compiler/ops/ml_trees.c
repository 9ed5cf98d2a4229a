/* ml_trees.c - TreeEnsembleClassifier, TreeEnsembleRegressor, TreeEnsemble of ai.onnx.ml: tables (trees.h) for one kernel
 * (templates/cpu/trees.c). Source: ONNX Operators-ml.md, versions 5. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/ml.h"
#include "ops/trees.h"

typedef enum { SUM, AVERAGE, MIN, MAX, AGGREGATES } aggregate;

/* An ensemble of any of the three operators. */
typedef struct {
    tree_attributes a;
    uint32_t n_base, n_labels;
    const double *base;
    const int64_t *labels; /* of a classifier (zeros in place of strings); NULL: scores only */
    aggregate aggregate;
    post_kind post;
    elem values; /* of thresholds, weights and base: float or double */
} ensemble;

/* ---- attributes ---- */

/* A list of numbers: attribute NAME, or the tensor attribute NAME_as_tensor (or NAME itself where that is a tensor). */
static const double *numbers(model *m, const node *n, const char *name, uint32_t *count, elem *type_found)
{
    const attr *a = node_attr(n, arena_printf(m->mem, "%s_as_tensor", name));
    if (!a || a->kind != ATTR_TENSOR) a = node_attr(n, name);
    *count = 0;
    if (!a || (a->kind != ATTR_TENSOR && a->kind != ATTR_FLOATS) || (a->kind == ATTR_TENSOR && !a->u.t->data)) return NULL;
    *count = a->kind == ATTR_TENSOR ? (uint32_t)tensor_count(a->u.t) : a->n;
    double *v = ARENA_ARRAY(m->mem, double, *count + 1);
    for (uint32_t i = 0; i < *count; i++) v[i] = a->kind == ATTR_TENSOR ? elem_get_double(a->u.t->type, a->u.t->data, i) : (double)a->u.floats[i];
    if (type_found && a->kind == ATTR_TENSOR && a->u.t->type == ELEM_DOUBLE) *type_found = ELEM_DOUBLE;
    return v;
}

/* An integer list of exactly n entries; NULL when it is absent or has another length. */
static const int64_t *ints_of(const node *node_of, const char *name, uint32_t n)
{
    uint32_t count;
    const int64_t *v = node_ints(node_of, name, &count);
    return count == n ? v : NULL;
}

static aggregate aggregate_of(const char *name)
{
    static const char *const NAMES[] = {"SUM", "AVERAGE", "MIN", "MAX"};
    for (int i = 0; i < AGGREGATES; i++)
        if (!strcmp(name, NAMES[i])) return (aggregate)i;
    return AGGREGATES;
}

/* The older operators: nodes with identifiers, weights that name their leaf. `weights`: "class" or "target". */
static bool read_older(model *m, const node *n, const char *weights, ensemble *e)
{
    tree_attributes *a = &e->a;
    uint32_t count;
    const attr *modes = node_attr(n, "nodes_modes");
    (void)node_ints(n, "nodes_nodeids", &a->n_nodes);
    a->tree = ints_of(n, "nodes_treeids", a->n_nodes);
    a->node = ints_of(n, "nodes_nodeids", a->n_nodes);
    a->feature = ints_of(n, "nodes_featureids", a->n_nodes);
    a->if_true = ints_of(n, "nodes_truenodeids", a->n_nodes);
    a->if_false = ints_of(n, "nodes_falsenodeids", a->n_nodes);
    a->nan_to_true = ints_of(n, "nodes_missing_value_tracks_true", a->n_nodes);
    a->mode = modes && modes->kind == ATTR_STRINGS && modes->n == a->n_nodes ? modes->u.strings : NULL;
    a->value = numbers(m, n, "nodes_values", &count, &e->values);
    if (!a->n_nodes || !a->tree || !a->node || !a->feature || !a->if_true || !a->if_false || !a->mode || count != a->n_nodes) return false;
    (void)node_ints(n, arena_printf(m->mem, "%s_ids", weights), &a->n_weights);
    a->weight_target = ints_of(n, arena_printf(m->mem, "%s_ids", weights), a->n_weights);
    a->weight_tree = ints_of(n, arena_printf(m->mem, "%s_treeids", weights), a->n_weights);
    a->weight_node = ints_of(n, arena_printf(m->mem, "%s_nodeids", weights), a->n_weights);
    a->weight = numbers(m, n, arena_printf(m->mem, "%s_weights", weights), &count, &e->values);
    e->base = numbers(m, n, "base_values", &e->n_base, &e->values);
    return a->weight_target && a->weight_tree && a->weight_node && count == a->n_weights;
}

static bool read_newer(model *m, const node *n, const char *where, ensemble *e)
{
    tree_attributes_5 a = {.features = e->a.features, .targets = e->a.targets};
    uint32_t splits, weights;
    const attr *modes = node_attr(n, "nodes_modes");
    if (!modes || modes->kind != ATTR_TENSOR || modes->u.t->type != ELEM_UINT8 || !modes->u.t->data) return false;
    a.n_nodes = (uint32_t)tensor_count(modes->u.t);
    a.mode = modes->u.t->data;
    a.feature = ints_of(n, "nodes_featureids", a.n_nodes);
    a.if_true = ints_of(n, "nodes_truenodeids", a.n_nodes);
    a.if_false = ints_of(n, "nodes_falsenodeids", a.n_nodes);
    a.true_is_leaf = ints_of(n, "nodes_trueleafs", a.n_nodes);
    a.false_is_leaf = ints_of(n, "nodes_falseleafs", a.n_nodes);
    a.nan_to_true = ints_of(n, "nodes_missing_value_tracks_true", a.n_nodes);
    a.split = numbers(m, n, "nodes_splits", &splits, &e->values);
    a.leaf_target = node_ints(n, "leaf_targetids", &a.n_leaves);
    a.leaf_weight = numbers(m, n, "leaf_weights", &weights, &e->values);
    a.root = node_ints(n, "tree_roots", &a.n_roots);
    a.members = numbers(m, n, "membership_values", &a.n_members, NULL);
    if (!a.feature || !a.if_true || !a.if_false || !a.true_is_leaf || !a.false_is_leaf || splits != a.n_nodes || weights != a.n_leaves || !a.root) return false;
    return tree_attributes_from_5(m->mem, m->diag, where, &a, &e->a);
}

/* `features`: -1 unknown. False when the attributes don't belong together. */
static bool ensemble_read(model *m, const node *n, int64_t features, ensemble *e)
{
    *e = (ensemble){.a = {.features = features}, .values = ELEM_FLOAT};
    if (!strcmp(n->op, "TreeEnsemble")) {
        static const aggregate ORDER[] = {AVERAGE, SUM, MIN, MAX};
        const int64_t aggregate_number = node_int(n, "aggregate_function", 1), post = node_int(n, "post_transform", 0);
        e->a.targets = node_int(n, "n_targets", 1);
        if (aggregate_number < 0 || aggregate_number > 3 || post < 0 || post >= POST_UNKNOWN) return false;
        e->aggregate = ORDER[aggregate_number];
        e->post = (post_kind)post;
        return read_newer(m, n, at_node(m, n), e);
    }
    e->post = post_of(n);
    if (!strcmp(n->op, "TreeEnsembleRegressor")) {
        e->a.targets = node_int(n, "n_targets", 1);
        e->aggregate = aggregate_of(node_string(n, "aggregate_function", "SUM"));
        return e->aggregate != AGGREGATES && read_older(m, n, "target", e);
    }
    e->labels = node_ints(n, "classlabels_int64s", &e->n_labels);
    const uint32_t strings = attr_count(n, "classlabels_strings");
    if (strings) e->labels = ARENA_ARRAY(m->mem, int64_t, strings), e->n_labels = strings;
    e->a.targets = e->n_labels == 1 ? 2 : e->n_labels;
    return read_older(m, n, "class", e);
}

/* ---- infer ---- */

static int64_t features_of(dims *d, dim features)
{
    int64_t n;
    return dim_is_const(d, features, &n) ? n : -1;
}

bool infer_TreeEnsemble(infer_ctx *c)
{
    const bool classifier = !strcmp(c->n->op, "TreeEnsembleClassifier");
    uint32_t labels;
    elem kind = ELEM_INT64;
    ensemble e;
    if (!need_rank(c, 0)) return false;
    if (in_rank(c, 0) != 1 && in_rank(c, 0) != 2) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 2", in_rank(c, 0));
    const elem x = in_elem(c, 0);
    if (x != ELEM_FLOAT && x != ELEM_DOUBLE && x != ELEM_INT32 && x != ELEM_INT64 && x != ELEM_FLOAT16)
        return infer_unsupported(c, "type-unsupported", "an input of type %s is not supported yet", elem_of(x)->name);
    if (classifier && !ml_labels(c, "classlabels_int64s", "classlabels_strings", &labels, &kind)) return false;
    if (classifier && labels == 1 && kind == ELEM_STRING) return infer_unsupported(c, "labels-string", "a single class label that is a string is not supported yet");
    if (!ensemble_read(c->m, c->n, features_of(c->d, ml_features(c->d, in_type(c, 0))), &e))
        return infer_error(c, "attribute-value", "the attributes of nodes, leaves or weights are missing, wrong or don't have equal lengths");
    if (e.post == POST_UNKNOWN || e.a.targets < 1) return infer_error(c, "attribute-value", "the post transform or number of targets is wrong");
    if (e.n_base && (int64_t)e.n_base > e.a.targets) return infer_error(c, "attribute-value", "%u base values for %lld targets", e.n_base, (long long)e.a.targets);
    const dim n = ml_rows(c->d, in_type(c, 0)), out[2] = {n, dim_const(c->d, e.a.targets)};
    if (classifier) return out_tensor(c, 0, kind, 1, &n) && out_tensor(c, 1, ELEM_FLOAT, 2, out);
    return out_tensor(c, 0, strcmp(c->n->op, "TreeEnsemble") ? ELEM_FLOAT : x, 2, out);
}

/* ---- lower ---- */

static slot int_table(lower_ctx *c, const char *name, int64_t n, const int32_t *v)
{
    int64_t *wide = ARENA_ARRAY(c->m->mem, int64_t, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) wide[i] = v[i];
    return slot_ints(c, name, ELEM_INT32, 1, &n, wide);
}

static slot number_table(lower_ctx *c, const char *name, elem e, int64_t n, const double *v)
{
    tensor *t = tensor_new(c->p->mem, e, 1, &n);
    for (int64_t i = 0; i < n; i++) elem_set_double(e, (void *)(uintptr_t)t->data, (size_t)i, v[i]);
    return const_slot(c, name, t);
}

static binding number_bind(lower_ctx *c, const char *name, int64_t v)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = dim_const(c->d, v)};
}

static binding type_bind(const char *name, elem e)
{
    return (binding){.name = name, .kind = BIND_TYPE, .type = e};
}

/* How the kernel makes the label: 0 none, 2 and 3 when only one of two classes has weights, else 1. */
static int classify(const ensemble *e, const tree_tables *t)
{
    if (!e->labels) return 0;
    if (e->n_labels <= 2 && t->only_target == 0) return 2;
    return e->n_labels == 2 && t->only_target == 1 ? 3 : 1;
}

static ex label_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *s = arg; /* class numbers, labels */
    const ex i = load_axes(c, s[0], 1, idx);
    return load_at(c, s[1], 1, &i);
}

static ex converted(lower_ctx *c, const dim *idx, void *arg)
{
    const slot from = *(const slot *)arg;
    return load_axes(c, from, slot_rank(c, from), idx);
}

/* s as the kernel reads or writes it: itself, or float in place of float16. */
static slot as_computed(lower_ctx *c, const char *name, slot s)
{
    return slot_elem(c, s) == ELEM_FLOAT16 ? temp_slot(c, name, ELEM_FLOAT, slot_rank(c, s), slot_at(c->p, s)->extent) : s;
}

/* The tables as the kernel takes them (0: not there), and what it has to know of them. */
typedef struct {
    int depth, feature_bits, per_leaf;
    int64_t columns; /* features, where there are masks */
    slot roots, values, links, leaves, weight_at, weights, tests, words, masked;
} layout;

enum { MOST_COLUMNS = 128, LEAST_ROWS = 16, BLOCK_ROWS = 512 }; /* a block of rows by columns is on the stack */
enum { TREE_OPS = 8 }; /* kernel.ops of a row in a tree */

/* Tests and their masks, for vectors of rows (plan_select drops them where vectors are short). */
static void add_masks(lower_ctx *c, const tree_tables *t, dim features, dim rows, tree_pairs *p, layout *l)
{
    tree_masks k;
    int64_t columns, n;
    if (!dim_is_const(c->d, features, &columns) || columns > MOST_COLUMNS || (dim_is_const(c->d, rows, &n) && n < LEAST_ROWS)) return;
    tree_pairs_make(c->p->mem, t, true, p);
    if (!tree_masks_make(c->p->mem, t, p, &k)) {
        tree_pairs_make(c->p->mem, t, false, p);
        return;
    }
    l->columns = columns;
    l->tests = int_table(c, "tests", TEST_FIELDS * (int64_t)k.n_tests, k.tests);
    l->words = int_table(c, "words", 2 * ((int64_t)k.n_words + 1), k.words);
    l->masked = int_table(c, "trees", 2 * ((int64_t)t->n_trees + 1), k.trees);
}

/* Complete trees, where floats are all that is computed and they take no more memory, else pairs. */
static layout layout_of(lower_ctx *c, const tree_tables *t, bool floats, elem values, dim features, dim rows)
{
    tree_heap h;
    tree_pairs p;
    if (floats && tree_heap_make(c->p->mem, t, &h)) {
        const int64_t leaves = (int64_t)1 << h.depth, nodes = h.n_trees * (leaves - 1);
        return (layout){.depth = h.depth, .values = number_table(c, "values", values, nodes, h.values), .links = int_table(c, "features", nodes, h.features),
                        .weight_at = int_table(c, "targets", h.n_trees, h.target), .weights = number_table(c, "weights", values, h.n_trees * leaves, h.weights)};
    }
    layout l = {0};
    tree_pairs_make(c->p->mem, t, false, &p);
    if (floats) add_masks(c, t, features, rows, &p, &l);
    l.feature_bits = p.feature_bits;
    l.per_leaf = p.per_leaf;
    l.roots = int_table(c, "roots", TREE_FIELDS * (int64_t)t->n_trees, p.roots);
    l.values = values == ELEM_FLOAT ? 0 : number_table(c, "values", values, p.n_nodes, p.values);
    l.links = int_table(c, "nodes", p.n_nodes * (int64_t)p.width, p.nodes);
    l.leaves = p.per_leaf ? 0 : int_table(c, "leaves", (int64_t)p.n_leaves + 1, p.leaves);
    l.weight_at = int_table(c, "weight_at", p.n_at, p.weight_at);
    l.weights = number_table(c, "weights", values, p.n_weights, p.weights);
    return l;
}

static int64_t most_rows(lower_ctx *c, dim rows)
{
    const int64_t most = dim_range(c->d, rows).hi;
    return most < 1 ? 1 : most < BLOCK_ROWS ? most : BLOCK_ROWS;
}

bool lower_TreeEnsemble(lower_ctx *c)
{
    ensemble e;
    tree_tables t;
    slot given = in_slot(c, 0), x = as_computed(c, "features", given);
    if (x != given && !lower_map(c, x, converted, &given)) return false;
    const uint32_t rank = slot_rank(c, x);
    const dim features = slot_dim(c, x, rank - 1), rows = rank == 2 ? slot_dim(c, x, 0) : dim_const(c->d, 1);
    if (!ensemble_read(c->m, c->n, features_of(c->d, features), &e)) return lower_unsupported(c, "attribute-value", "the attributes don't describe trees");
    if (!tree_tables_make(c->p->mem, c->m->diag, at_node(c->m, c->n), &e.a, &t)) return false;
    const dim shape[2] = {rows, dim_const(c->d, e.a.targets)};
    slot y = out_slot(c, e.labels ? 1 : 0), numbers_of = 0;
    const slot wanted = y;
    y = y ? as_computed(c, "scores", y) : temp_slot(c, "scores", ELEM_FLOAT, 2, shape);
    if (e.labels && low_has_out(c, 0)) numbers_of = temp_slot(c, "class_numbers", ELEM_INT64, 1, &rows);
    const bool half = e.labels && t.all_positive; /* votes, not log odds */
    const bool floats = slot_elem(c, x) == ELEM_FLOAT && e.values == ELEM_FLOAT && slot_elem(c, y) == ELEM_FLOAT && (e.aggregate == SUM || e.aggregate == AVERAGE);
    const layout l = layout_of(c, &t, floats, e.values, features, rows);
    const binding bind[] = {
        type_bind("X_T", slot_elem(c, x)), type_bind("V_T", e.values), type_bind("Y_T", slot_elem(c, y)), number_bind(c, "MODE", t.mode),
        number_bind(c, "TRACKS", t.tracks), number_bind(c, "HEAP", l.depth), number_bind(c, "FEATURE_BITS", l.feature_bits),
        number_bind(c, "PER_LEAF", l.per_leaf), number_bind(c, "COLUMNS", l.columns), number_bind(c, "MOST", most_rows(c, rows)), number_bind(c, "AGGREGATE", e.aggregate), number_bind(c, "TREES", t.n_trees),
        number_bind(c, "TARGETS", e.a.targets), number_bind(c, "BASES", e.n_base), number_bind(c, "CLASSIFY", classify(&e, &t)), number_bind(c, "POST", e.post),
        {.name = "BOUND", .kind = BIND_FLOAT, .f = half ? 0.5 : 0, .type = ELEM_FLOAT}, number_bind(c, "X_AT", 0),
        {.name = "X_N", .kind = BIND_DIM, .d = features}};
    const kernel_arg args[] = {
        {y, ARG_OUT}, {numbers_of, ARG_OUT}, {x, ARG_IN}, {l.roots, ARG_IN}, {l.values, ARG_IN}, {l.links, ARG_IN}, {l.leaves, ARG_IN}, {l.weight_at, ARG_IN},
        {l.weights, ARG_IN}, {e.n_base ? number_table(c, "base", e.values, e.n_base, e.base) : 0, ARG_IN}, {l.tests, ARG_IN},
        {l.words, ARG_IN}, {l.masked, ARG_IN}};
    lower_template(c, "trees", sizeof bind / sizeof *bind, bind, sizeof args / sizeof *args, args, rows)->kernel->ops = dim_mulc(c->d, rows, TREE_OPS * (int64_t)t.n_trees);
    if (wanted && wanted != y && !lower_map(c, wanted, converted, &y)) return false;
    if (!numbers_of) return true;
    int64_t own[2] = {0, 1}; /* a single label is that of the second class */
    uint32_t n;
    const slot both = e.n_labels == 1 ? slot_ints(c, "labels", ELEM_INT64, 1, (const int64_t[1]){2}, own) : ml_label_list(c, "classlabels_int64s", "classlabels_strings", &n);
    const slot map[2] = {numbers_of, both};
    return lower_map(c, out_slot(c, 0), label_value, (void *)(uintptr_t)map);
}
