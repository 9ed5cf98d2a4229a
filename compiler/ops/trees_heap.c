/* trees_heap.c - an ensemble as complete trees; see trees.h.
 *
 * in:  tables in which nodes lead to nodes
 * out: trees of one depth, node p leading to 2p + 1 (false) and 2p + 2 (true). Below a leaf that lies higher both sides have its weight, and tests that say
 *      true (or false) for every number. */
#include <math.h>

#include "ops/trees.h"

enum { MOST_DEPTH = 12, FILL = 16, FIELDS = 4, NODE_BYTES = FIELDS * 4 + 4 + 8, HEAP_NODE_BYTES = 8, LEAF_BYTES = 4 };

typedef struct {
    const tree_tables *t;
    tree_heap *heap;
    uint32_t tree;
} filler;

static bool is_leaf(const tree_tables *t, int32_t node)
{
    return t->links[(int64_t)node * FIELDS + 1] == node;
}

static int depth_below(const tree_tables *t, int32_t node, int level)
{
    if (is_leaf(t, node) || level > MOST_DEPTH) return level;
    const int32_t *link = t->links + (int64_t)node * FIELDS;
    const int no = depth_below(t, link[1], level + 1), yes = depth_below(t, link[2], level + 1);
    return no > yes ? no : yes;
}

/* One weight for each leaf, all of a tree's for one target. */
static bool one_target(const tree_tables *t, int32_t node, int32_t *target)
{
    const int32_t *link = t->links + (int64_t)node * FIELDS, *leaf = t->leaves + (int64_t)node * 2;
    if (!is_leaf(t, node)) return one_target(t, link[1], target) && one_target(t, link[2], target);
    if (leaf[1] != 1 || (*target >= 0 && t->weight_at[leaf[0]] != *target)) return false;
    *target = t->weight_at[leaf[0]];
    return true;
}

/* The subtree at place p of the complete tree, `level` steps below its root. */
static void fill(const filler *f, int32_t node, int64_t p, int level)
{
    const tree_tables *t = f->t;
    const int64_t nodes = ((int64_t)1 << f->heap->depth) - 1, at = f->tree * nodes + p;
    const int32_t *link = t->links + (int64_t)node * FIELDS;
    if (level == f->heap->depth) {
        f->heap->weights[f->tree * (nodes + 1) + p - nodes] = t->weights[t->leaves[(int64_t)node * 2]];
        return;
    }
    const bool leaf = is_leaf(t, node);
    f->heap->features[at] = leaf ? 0 : link[0];
    f->heap->values[at] = leaf ? (double)INFINITY : t->values[node];
    fill(f, leaf ? node : link[1], 2 * p + 1, level + 1);
    fill(f, leaf ? node : link[2], 2 * p + 2, level + 1);
}

bool tree_heap_make(arena *mem, const tree_tables *t, tree_heap *out)
{
    *out = (tree_heap){.n_trees = (t->n_trees + FILL - 1) / FILL * FILL};
    if (t->mode < 0 || t->tracks || !t->n_trees) return false;
    for (uint32_t i = 0; i < t->n_trees; i++) {
        int32_t target = -1;
        const int depth = depth_below(t, t->roots[i], 0);
        if (depth > out->depth) out->depth = depth;
        if (depth > MOST_DEPTH || !one_target(t, t->roots[i], &target)) return false;
    }
    const int64_t leaves = (int64_t)1 << out->depth, nodes = leaves - 1;
    if (!out->depth || out->n_trees * (nodes * HEAP_NODE_BYTES + leaves * LEAF_BYTES) > (int64_t)t->n_nodes * NODE_BYTES) return false;
    out->features = arena_array(mem, out->n_trees * (size_t)nodes, sizeof *out->features);
    out->values = arena_array(mem, out->n_trees * (size_t)nodes, sizeof *out->values);
    out->weights = arena_array(mem, out->n_trees * (size_t)leaves, sizeof *out->weights);
    out->target = arena_array(mem, out->n_trees, sizeof *out->target);
    for (uint32_t i = 0; i < t->n_trees; i++) {
        const filler f = {t, out, i};
        int32_t target = -1;
        (void)one_target(t, t->roots[i], &target);
        out->target[i] = target;
        fill(&f, t->roots[i], 0, 0);
    }
    return true;
}
