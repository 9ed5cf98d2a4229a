/* trees_check.h - random ensembles and their plain evaluation, for the tests of trees; each defines MODE, PER_LEAF and the parameters that are not the usual ones. */
#ifndef TREES_CHECK_H
#define TREES_CHECK_H
#include "check.h"

#ifndef X_T
#define X_T float
#endif
#ifndef V_T
#define V_T float
#endif
#ifndef Y_T
#define Y_T float
#endif
#ifndef TRACKS
#define TRACKS 0
#endif
#ifndef AGGREGATE
#define AGGREGATE 0
#endif
#ifndef TREES
#define TREES 14
#endif
#ifndef TARGETS
#define TARGETS 2
#endif
#ifndef BASES
#define BASES 0
#endif
#ifndef CLASSIFY
#define CLASSIFY 0
#endif
#ifndef POST
#define POST 0
#endif
#ifndef BOUND
#define BOUND 0.0f
#endif
#ifndef HEAP
#define HEAP 0
#endif
#ifndef FEATURE_BITS
#define FEATURE_BITS 9
#endif
#ifndef COLUMNS
#define COLUMNS 0
#endif
#ifndef MOST
#define MOST 512
#endif
#ifndef GATHERS
#define GATHERS 0
#endif

/* At most so deep; the share of nodes above that are leaves all the same; every branch has a leaf beside it. */
#ifndef DEPTH
#define DEPTH 5
#define LEAF_SHARE 5
#endif
#ifndef THIN
#define THIN 0
#endif

enum { FEATURES = 5, NODES_MAX = 4000, ROWS = 40 };

#define X_AT 0
#define X_N FEATURES
#define HOOK_PARAMS
#define HOOK_ARGS

typedef struct {
    int32_t n, n_weights, n_leaves;
    int32_t roots[TREES], links[NODES_MAX * 4], leaves[NODES_MAX * 2], weight_at[NODES_MAX], number[NODES_MAX];
    V_T values[NODES_MAX], weights[NODES_MAX], base[TARGETS + 1];
    /* as the kernel takes them */
    int32_t slots, starts[TREES * 4], nodes[NODES_MAX * 4], first_weight[NODES_MAX], target[TREES * (PER_LEAF + 1)];
    V_T bounds[NODES_MAX];
    X_T x[ROWS * FEATURES];
} ensemble;

static ensemble shared;
static const ensemble *const s = &shared;

#include "cpu/trees.c"

/* A leaf with a weight for some targets, or for one of them, or for none. */
static void new_leaf(ensemble *e, int32_t i)
{
    e->number[i] = e->n_leaves++;
    e->links[i * 4 + 1] = e->links[i * 4 + 2] = i;
    e->leaves[i * 2] = e->n_weights;
    for (int32_t t = 0; t < (CLASSIFY == 2 ? 1 : TARGETS); t++) {
        if (CLASSIFY == 1 && check_random() % 3 == 0) continue;
        e->weight_at[e->n_weights] = t;
        e->weights[e->n_weights++] = (V_T)check_int(-64, 64) / (V_T)(CLASSIFY == 2 ? 1024 : 64); /* sums are exact */
        e->leaves[i * 2 + 1]++;
    }
    e->first_weight[e->n_leaves] = e->n_weights;
}

/* The node of a random tree of at most this depth; *deepest is how deep it is. */
static int32_t new_tree(ensemble *e, int depth, int32_t level, int32_t *deepest)
{
    const int32_t i = e->n++;
    if (level > *deepest) *deepest = level;
    if (depth <= 0 || check_random() % LEAF_SHARE == 0) {
        new_leaf(e, i);
        return i;
    }
    e->links[i * 4] = (int32_t)check_int(0, FEATURES - 1);
    e->links[i * 4 + 3] = (int32_t)(MODE < 0 ? check_int(0, 5) : MODE) + (TRACKS && check_random() % 2 ? 8 : 0);
    e->values[i] = (V_T)check_int(-3, 3);
    const bool side = check_random() % 2;
    const int32_t yes = new_tree(e, THIN && !side ? 0 : depth - 1, level + 1, deepest), no = new_tree(e, THIN && side ? 0 : depth - 1, level + 1, deepest);
    e->links[i * 4 + 1] = no;
    e->links[i * 4 + 2] = yes;
    return i;
}

/* Stores a node and what is below it as pairs, in the tree that begins at slot `first`. */
static void put(ensemble *e, int32_t i, int32_t slot, int32_t first)
{
    const int32_t *link = e->links + i * 4;
    const bool leaf = link[1] == i;
    const int32_t below = leaf ? slot - (MODE == 5) : e->slots;
    const uint32_t flags = leaf ? 0 : 1 | (trees_flags == 5 ? (uint32_t)link[3] << 1 : 0), feature = (uint32_t)link[0];
    int32_t *node = e->nodes + slot * trees_words;
    node[0] = leaf ? FEATURE_BITS ? 0x7fc00000 | e->number[i] : 0x7fc00000 : sf_bits((float)e->values[i]);
    node[1] = (int32_t)((uint32_t)(below - first) << (FEATURE_BITS + trees_flags) | flags << FEATURE_BITS | (FEATURE_BITS ? feature : 0));
    if (!FEATURE_BITS) {
        node[2] = (int32_t)feature;
        node[3] = e->number[i];
    }
    e->bounds[slot] = leaf ? (V_T)NAN : e->values[i];
    if (leaf) return;
    e->slots += 2;
    put(e, link[1], below, first);
    put(e, link[2], below + 1, first);
}

static void new_ensemble(ensemble *e)
{
    memset(e, 0, sizeof *e);
    for (int32_t t = 0; t < TREES; t++) {
        int32_t *start = e->starts + t * 4, first = e->slots;
        e->roots[t] = new_tree(e, DEPTH, 0, &start[3]);
        start[0] = first;
        start[1] = 1;
        start[2] = start[3] / 2;
        e->slots += 2;
        put(e, e->roots[t], first + 1, first);
        for (int32_t w = 0; w < PER_LEAF; w++) e->target[t * PER_LEAF + w] = w;
    }
    for (int i = 0; i < BASES; i++) e->base[i] = (V_T)check_int(-8, 8) / (V_T)16;
    for (int i = 0; i < ROWS * FEATURES; i++) e->x[i] = TRACKS && check_random() % 8 == 0 ? (X_T)NAN : (X_T)check_int(-4, 4);
}

static bool goes_to_true(const ensemble *e, int32_t node, const X_T *x)
{
    const double v = (double)x[e->links[node * 4]], bound = (double)e->values[node];
    const int32_t mode = e->links[node * 4 + 3];
    if (isnan(v) && mode & 8) return true;
    const bool test[] = {v <= bound, v < bound, v >= bound, v > bound, v == bound, v != bound};
    return test[mode & 7];
}

static const int32_t *targets_of_weights(const ensemble *e)
{
    return PER_LEAF ? e->target : e->weight_at;
}

/* Sums, or the smallest or greatest weight, per target; seen says which have one. */
static void reference(const ensemble *e, const X_T *x, double *score, bool *seen)
{
    for (int i = 0; i < TARGETS; i++) score[i] = seen[i] = 0;
    for (int32_t t = 0; t < TREES; t++) {
        int32_t node = e->roots[t];
        while (e->links[node * 4 + 1] != node) node = e->links[node * 4 + (goes_to_true(e, node, x) ? 2 : 1)];
        for (int32_t w = e->leaves[node * 2]; w < e->leaves[node * 2] + e->leaves[node * 2 + 1]; w++) {
            const int32_t i = e->weight_at[w];
            const double v = (double)e->weights[w];
            if (AGGREGATE < 2) score[i] += v;
            else if (!seen[i]) score[i] = v;
            else score[i] = AGGREGATE == 2 ? fmin(score[i], v) : fmax(score[i], v);
            seen[i] = true;
        }
    }
    for (int i = 0; i < TARGETS && AGGREGATE == 1; i++) score[i] /= TREES;
}

/* All rows, range by range, and none; the arguments behind the weights are those of the base and of the masks. */
#define CHECK_TREES(y, label, ...)                                                                                                                                   \
    CHECK_RANGES(ROWS, trees(y, label, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, __VA_ARGS__, lo, hi))                 \
    trees(y, label, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, __VA_ARGS__, ROWS, ROWS);

#if !CLASSIFY
/* The scores of all rows against the plain evaluation. */
static void check_scores(const float *y, double tolerance)
{
    for (int row = 0; row < ROWS; row++) {
        double score[TARGETS];
        bool seen[TARGETS];
        reference(s, s->x + row * FEATURES, score, seen);
        for (int i = 0; i < TARGETS; i++) check_near("score", (double)y[row * TARGETS + i], score[i] + (BASES ? (double)s->base[i] : 0), tolerance);
    }
}
#endif
#endif
