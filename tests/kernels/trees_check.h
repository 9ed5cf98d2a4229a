/* trees_check.h - random ensembles and their plain evaluation, for the tests of trees with parameters defined by each. */
#ifndef TREES_CHECK_H
#define TREES_CHECK_H
#include "check.h"

enum { FEATURES = 5, NODES_MAX = 4000, ROWS = 40 };

#define GROUPS (s->groups)
#define X_AT 0
#define X_N FEATURES
#define HOOK_PARAMS
#define HOOK_ARGS

typedef struct {
    int32_t groups, n, n_weights;
    int32_t roots[4 * 8], depths[8], links[NODES_MAX * 4], leaves[NODES_MAX * 2], weight_at[NODES_MAX];
    V_T values[NODES_MAX], weights[NODES_MAX], base[TARGETS + 1];
    X_T x[ROWS * FEATURES];
} ensemble;

static ensemble shared;
static const ensemble *const s = &shared;

#include "cpu/trees.c"

/* A leaf with a weight for some targets, or for one of them, or for none. */
static void new_leaf(ensemble *e, int32_t i, bool empty)
{
    e->links[i * 4 + 1] = e->links[i * 4 + 2] = i;
    e->leaves[i * 2] = e->n_weights;
    for (int32_t t = 0; t < (CLASSIFY == 2 ? 1 : TARGETS) && !empty; t++) {
        if (CLASSIFY == 1 && check_random() % 3 == 0) continue;
        e->weight_at[e->n_weights] = t;
        e->weights[e->n_weights++] = (V_T)check_int(-64, 64) / (V_T)(CLASSIFY == 2 ? 1024 : 64); /* sums are exact */
        e->leaves[i * 2 + 1]++;
    }
}

/* The node of a random tree of at most this depth; *deepest is how deep it is. */
static int32_t new_tree(ensemble *e, int depth, int32_t level, int32_t *deepest)
{
    const int32_t i = e->n++;
    if (level > *deepest) *deepest = level;
    if (depth == 0 || check_random() % 5 == 0) {
        new_leaf(e, i, false);
        return i;
    }
    e->links[i * 4] = (int32_t)check_int(0, FEATURES - 1);
    e->links[i * 4 + 3] = (int32_t)(MODE < 0 ? check_int(0, 5) : MODE) + (TRACKS && check_random() % 2 ? 8 : 0);
    e->values[i] = (V_T)check_int(-3, 3);
    const int32_t no = new_tree(e, depth - 1, level + 1, deepest), yes = new_tree(e, depth - 1, level + 1, deepest);
    e->links[i * 4 + 1] = no;
    e->links[i * 4 + 2] = yes;
    return i;
}

static void new_ensemble(ensemble *e)
{
    memset(e, 0, sizeof *e);
    e->groups = (TREES + 3) / 4;
    for (int32_t t = 0; t < TREES; t++) e->roots[t] = new_tree(e, 5, 0, &e->depths[t / 4]);
    new_leaf(e, e->n, true);
    for (int32_t t = TREES; t < e->groups * 4; t++) e->roots[t] = e->n;
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
#endif
