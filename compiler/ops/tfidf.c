/* tfidf.c - TfIdfVectorizer. Source: ONNX Operators.md, version 9, and onnxruntime for what the text leaves open (a single token is counted once,
 * whatever may be skipped).
 *
 * The pool of n-grams becomes a tree whose edges are tokens, in a table by hash. Tokens are integers; of strings, their number among the pool's. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/ml.h"
#include "ops/strings.h"

typedef struct {
    int64_t least, most, skips;
    uint32_t n_pool, n_sizes, n_grams;
    const int64_t *ints, *starts, *columns; /* ints: the pool, or NULL; starts: of the n-grams of each size in it */
    const char *const *strings;
    int64_t width; /* columns */
} vectorizer;

static vectorizer vectorizer_of(const node *n)
{
    vectorizer v = {.least = node_int(n, "min_gram_length", 1), .most = node_int(n, "max_gram_length", 1), .skips = node_int(n, "max_skip_count", 0)};
    const attr *strings = node_attr(n, "pool_strings");
    v.starts = node_ints(n, "ngram_counts", &v.n_sizes);
    v.columns = node_ints(n, "ngram_indexes", &v.n_grams);
    if (strings && strings->kind == ATTR_STRINGS && strings->n) v.strings = strings->u.strings, v.n_pool = strings->n;
    else v.ints = node_ints(n, "pool_int64s", &v.n_pool);
    for (uint32_t i = 0; i < v.n_grams; i++)
        if (v.columns[i] >= v.width) v.width = v.columns[i] + 1;
    return v;
}

/* Where the n-grams of `size` tokens end in the pool. */
static int64_t pool_end(const vectorizer *v, uint32_t size)
{
    return size < v->n_sizes ? v->starts[size] : v->n_pool;
}

static bool pool_is_right(const vectorizer *v)
{
    int64_t grams = 0;
    if (v->least < 1 || v->most < v->least || v->skips < 0 || v->most > v->n_sizes || !v->n_pool || !v->n_grams) return false;
    for (uint32_t i = 0; i < v->n_grams; i++)
        if (v->columns[i] < 0 || v->columns[i] > INT32_MAX - 1) return false;
    for (uint32_t size = 1; size <= v->n_sizes; size++) {
        const int64_t first = v->starts[size - 1], end = pool_end(v, size);
        if (first < 0 || end < first || end > v->n_pool || (end - first) % size) return false;
        grams += (end - first) / size;
    }
    return v->starts[0] == 0 && grams == v->n_grams;
}

static bool columns_differ(arena *mem, const vectorizer *v)
{
    bool *used = ARENA_ARRAY(mem, bool, (size_t)v->width);
    for (uint32_t i = 0; i < v->n_grams; i++) {
        if (used[v->columns[i]]) return false;
        used[v->columns[i]] = true;
    }
    return true;
}

bool infer_TfIdfVectorizer(infer_ctx *c)
{
    const vectorizer v = vectorizer_of(c->n);
    const char *mode = node_string(c->n, "mode", "");
    uint32_t weights;
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (t->rank != 1 && t->rank != 2) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 1 or 2", t->rank);
    if ((t->elem == ELEM_STRING) != (v.strings != NULL)) return infer_error(c, "type-mismatch", "the input and the pool of n-grams are of different types");
    if (strcmp(mode, "TF") && strcmp(mode, "IDF") && strcmp(mode, "TFIDF")) return infer_error(c, "attribute-value", "attribute 'mode' is '%s'", mode);
    if (!pool_is_right(&v)) return infer_error(c, "attribute-value", "the lengths, 'ngram_counts' or 'ngram_indexes' don't fit the pool of n-grams");
    (void)node_floats(c->n, "weights", &weights);
    if (weights && weights != v.n_grams) return infer_error(c, "attribute-value", "%u weights for %u n-grams", weights, v.n_grams);
    if (weights && strcmp(mode, "TF") && !columns_differ(c->m->mem, &v))
        return infer_unsupported(c, "tfidf-columns", "weights of several n-grams in one column ('ngram_indexes') are not supported yet");
    const dim width = dim_const(c->d, v.width), out[2] = {t->rank == 2 ? t->shape[0] : width, width};
    return out_tensor(c, 0, ELEM_FLOAT, t->rank, out);
}

/* ---- the tree ---- */

typedef struct {
    int64_t size, n_nodes;
    int64_t *from, *token, *to; /* edges by hash */
    int64_t *column;            /* by node */
} tree;

/* The node that the token leads to; made when it is new. As in templates/cpu/ngrams.c. */
static int64_t tree_step(tree *t, int64_t at_node, int64_t token)
{
    const uint64_t h = ((uint64_t)token ^ (uint64_t)at_node << 32) * 0x9e3779b97f4a7c15u;
    int64_t at = (int64_t)(h >> 32) & (t->size - 1);
    for (; t->from[at] >= 0; at = (at + 1) & (t->size - 1))
        if (t->from[at] == at_node && t->token[at] == token) return t->to[at];
    t->from[at] = at_node;
    t->token[at] = token;
    t->column[t->n_nodes] = -1;
    return t->to[at] = t->n_nodes++;
}

static tree tree_of(lower_ctx *c, const vectorizer *v, const int64_t *pool)
{
    tree t = {.size = 2, .n_nodes = 1};
    while (t.size < 2 * (int64_t)v->n_pool) t.size *= 2;
    t.from = ARENA_ARRAY(c->m->mem, int64_t, (size_t)t.size);
    t.token = ARENA_ARRAY(c->m->mem, int64_t, (size_t)t.size);
    t.to = ARENA_ARRAY(c->m->mem, int64_t, (size_t)t.size);
    t.column = ARENA_ARRAY(c->m->mem, int64_t, (size_t)v->n_pool + 1);
    t.column[0] = -1;
    for (int64_t i = 0; i < t.size; i++) t.from[i] = -1;
    uint32_t gram = 0;
    for (uint32_t size = 1; size <= v->n_sizes; size++)
        for (int64_t at = v->starts[size - 1]; at < pool_end(v, size); at += size, gram++) {
            if (size < v->least || size > v->most) continue;
            int64_t end = 0;
            for (uint32_t k = 0; k < size; k++) end = tree_step(&t, end, pool[at + k]);
            t.column[end] = v->columns[gram];
        }
    return t;
}

/* ---- lower ---- */

static ex token_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    return ex_cast(c->x, CT_I64, load_axes(c, x, slot_rank(c, x), idx));
}

static slot tokens_of(lower_ctx *c, const vectorizer *v, const int64_t **pool)
{
    const slot x = in_slot(c, 0);
    *pool = v->ints;
    if (v->strings) {
        const char **distinct;
        uint32_t n;
        *pool = string_numbers(c->m->mem, v->n_pool, v->strings, &distinct, &n);
        return lower_find(c, x, n, distinct);
    }
    if (slot_elem(c, x) == ELEM_INT64) return x;
    const slot to = temp_slot(c, "tokens", ELEM_INT64, slot_rank(c, x), slot_at(c->p, x)->extent);
    (void)lower_map(c, to, token_value, NULL);
    return to;
}

/* The weight of each column; that of an n-gram is given by its place in the pool. */
static slot column_weights(lower_ctx *c, const vectorizer *v)
{
    uint32_t n;
    const float *given = node_floats(c->n, "weights", &n);
    if (!n) return 0;
    float *of_column = ARENA_ARRAY(c->m->mem, float, (size_t)v->width);
    for (uint32_t i = 0; i < n; i++) of_column[v->columns[i]] = given[i];
    return slot_floats(c, "weights", 1, &v->width, of_column);
}

typedef struct {
    slot counts, weights;
    bool times; /* weight * count, else the weight where there is a count */
} weighting;

static ex weighted_value(lower_ctx *c, const dim *idx, void *arg)
{
    const weighting *w = arg;
    const uint32_t rank = slot_rank(c, w->counts);
    const ex n = load_axes(c, w->counts, rank, idx), one = num(c, n, 1);
    const ex weight = w->weights ? load_axes(c, w->weights, 1, &idx[rank - 1]) : one;
    return w->times ? mul(c, n, weight) : ex_select(c->x, less(c, num(c, n, 0), n), weight, num(c, n, 0));
}

static binding size_bind(const char *name, dim d)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = d};
}

bool lower_TfIdfVectorizer(lower_ctx *c)
{
    enum { MOST_COUNTED = 1000 };
    const vectorizer v = vectorizer_of(c->n);
    const int64_t *pool;
    const slot y = out_slot(c, 0), x = tokens_of(c, &v, &pool);
    const uint32_t rank = slot_rank(c, x);
    const tree t = tree_of(c, &v, pool);
    const char *mode = node_string(c->n, "mode", "");
    const slot weights = strcmp(mode, "TF") ? column_weights(c, &v) : 0;
    const bool plain = !weights && strcmp(mode, "IDF") != 0;
    const slot counts = plain ? y : temp_slot(c, "counts", ELEM_FLOAT, slot_rank(c, y), slot_at(c->p, y)->extent);
    const dim rows = rank == 2 ? slot_dim(c, x, 0) : dim_const(c->d, 1);
    const binding bind[] = {size_bind("SIZE", dim_const(c->d, t.size)),      size_bind("LEAST", dim_const(c->d, v.least)),
                            size_bind("MOST", dim_const(c->d, v.most)),      size_bind("SKIPS", dim_const(c->d, v.skips)),
                            size_bind("COLUMNS", dim_const(c->d, v.width)), size_bind("N", slot_dim(c, x, rank - 1))};
    const kernel_arg args[] = {{counts, ARG_OUT},
                               {x, ARG_IN},
                               {slot_ints(c, "from", ELEM_INT32, 1, &t.size, t.from), ARG_IN},
                               {slot_ints(c, "token", ELEM_INT64, 1, &t.size, t.token), ARG_IN},
                               {slot_ints(c, "to", ELEM_INT32, 1, &t.size, t.to), ARG_IN},
                               {slot_ints(c, "column", ELEM_INT32, 1, &t.n_nodes, t.column), ARG_IN}};
    const dim starts = dim_mulc(c->d, slot_dim(c, x, rank - 1), 20 * ((v.skips < MOST_COUNTED ? v.skips : MOST_COUNTED) + 1)), each = dim_addc(c->d, starts, v.width / 4);
    lower_template(c, "ngrams", sizeof bind / sizeof *bind, bind, sizeof args / sizeof *args, args, rows)->kernel->ops = dim_mul(c->d, rows, each);
    if (plain) return true;
    weighting w = {counts, weights, !strcmp(mode, "TFIDF")};
    return lower_map(c, y, weighted_value, &w);
}
