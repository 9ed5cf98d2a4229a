/* trees_pairs.c - an ensemble as nodes whose two branches lie side by side; see trees.h.
 *
 * in:  tables in which nodes lead to nodes, maybe several to one
 * out: for each tree its root, then pairs of nodes, a node's false branch before its true one. The pair below the branch with more nodes under it comes next,
 *      so that most steps go to the same or the next cache line, unless leaves are to have their numbers from the true side on. A node that several lead to is there several times, but what is below it once. */
#include <math.h>
#include <string.h>

#include "ops/trees.h"

enum { FIELDS = 4, NARROW = 2, WIDE = 4, MIN_FEATURE_BITS = 8, LEAF_BITS = 22, MODE_FLAGS = 5, NAN_BITS = 0x7fc00000 };

/* A node to be stored and where. */
typedef struct {
    int32_t node;
    uint32_t slot;
} place;

typedef struct {
    const tree_tables *t;
    tree_pairs *out;
    place *placed;   /* all nodes in the order in which they are stored */
    uint32_t *below; /* by node: slot of the pair below it, 0: not stored yet */
    int32_t *number, *numbered; /* by node: the leaf's number, -1: none yet; by number: the leaf */
    place *stack;
    bool true_first;
    uint32_t n_placed, slots; /* slots: one is left empty before each root, for pairs to begin at even ones */
} builder;

static bool is_leaf(const tree_tables *t, int32_t node)
{
    return t->links[(int64_t)node * FIELDS + 1] == node;
}

/* Stores all of the tree below `root` that is not stored yet. True if some was, by an earlier tree. */
static bool place_tree(builder *b, int32_t root)
{
    const uint32_t first = b->slots;
    bool shares = false;
    uint32_t n = 0;
    b->stack[n++] = (place){root, first + 1};
    b->slots += 2;
    while (n) {
        const place p = b->stack[--n];
        const int32_t *link = b->t->links + (int64_t)p.node * FIELDS;
        b->placed[b->n_placed++] = p;
        if (is_leaf(b->t, p.node)) continue;
        if (b->below[p.node]) {
            shares |= b->below[p.node] < first;
            continue;
        }
        const uint32_t pair = b->below[p.node] = b->slots;
        b->slots += 2;
        const int more = b->true_first || b->t->leaves_below[link[2]] > b->t->leaves_below[link[1]]; /* stored next */
        b->stack[n++] = (place){link[1 + !more], pair + !more};
        b->stack[n++] = (place){link[1 + more], pair + (uint32_t)more};
    }
    return shares;
}

/* ---- leaves ---- */

static const int32_t *leaf_of(const tree_tables *t, int32_t node)
{
    return t->leaves + (int64_t)node * 2;
}

static int32_t leaf_below(const tree_tables *t, int32_t node)
{
    while (!is_leaf(t, node)) node = t->links[(int64_t)node * FIELDS + 1];
    return node;
}

/* Numbers the leaves as they are stored; a tree's are placed[end of the tree before .. its end - 1]. Gives the number of weights that each has, if all have as
 * many and those of a tree are for the same targets, else 0. */
static int32_t number_leaves(builder *b, const uint32_t *end)
{
    const tree_tables *t = b->t;
    int32_t per_leaf = -1;
    for (uint32_t tree = 0, i = 0; tree < t->n_trees; tree++)
        for (const int32_t *first = NULL; i < end[tree]; i++) {
            const int32_t node = b->placed[i].node, *leaf = leaf_of(t, node);
            if (!is_leaf(t, node)) continue;
            if (b->number[node] < 0) b->numbered[b->number[node] = (int32_t)b->out->n_leaves++] = node;
            if (!first) first = leaf;
            if (per_leaf < 0) per_leaf = leaf[1];
            if (leaf[1] != per_leaf || memcmp(t->weight_at + leaf[0], t->weight_at + first[0], (size_t)leaf[1] * sizeof *t->weight_at)) per_leaf = 0;
        }
    return per_leaf;
}

/* Weights in order of the leaves' numbers, and where they go: of each tree, or of each leaf. */
static void fill_leaves(builder *b, arena *mem, const uint32_t *end)
{
    const tree_tables *t = b->t;
    tree_pairs *out = b->out;
    const size_t per_leaf = (size_t)(out->per_leaf = number_leaves(b, end));
    uint32_t n = 0;
    out->n_at = per_leaf ? t->n_trees * (uint32_t)per_leaf : t->n_weights;
    out->weights = ARENA_ARRAY(mem, double, (size_t)t->n_weights + 1);
    out->weight_at = ARENA_ARRAY(mem, int32_t, (size_t)out->n_at + 1);
    out->leaves = ARENA_ARRAY(mem, int32_t, (size_t)out->n_leaves + 1);
    for (uint32_t i = 0; i < out->n_leaves; i++) {
        const int32_t *leaf = leaf_of(t, b->numbered[i]);
        memcpy(out->weights + n, t->weights + leaf[0], (size_t)leaf[1] * sizeof *t->weights);
        if (!per_leaf) memcpy(out->weight_at + n, t->weight_at + leaf[0], (size_t)leaf[1] * sizeof *t->weight_at);
        out->leaves[i + 1] = (int32_t)(n += (uint32_t)leaf[1]);
    }
    out->n_weights = n;
    for (uint32_t tree = 0; tree < t->n_trees && per_leaf; tree++)
        memcpy(out->weight_at + tree * per_leaf, t->weight_at + leaf_of(t, leaf_below(t, t->roots[tree]))[0], per_leaf * sizeof *t->weight_at);
}

/* ---- nodes ---- */

static int32_t float_bits(double v)
{
    const float f = (float)v;
    int32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* A node, whose tree begins at slot `first`. A leaf leads to itself: nothing compares with NaN, except that it differs. */
static void fill_node(const builder *b, place p, uint32_t first)
{
    const tree_tables *t = b->t;
    tree_pairs *out = b->out;
    const int32_t *link = t->links + (int64_t)p.node * FIELDS;
    int32_t *node = out->nodes + (size_t)p.slot * out->width;
    const bool leaf = is_leaf(t, p.node);
    const uint32_t below = leaf ? p.slot - (t->mode == TREE_NEQ) : b->below[p.node], flags = leaf ? 0 : 1 | (uint32_t)link[3] << 1;
    const uint32_t tail = (flags & (out->flags == MODE_FLAGS ? 31 : 1)) << out->feature_bits;
    node[1] = (int32_t)((below - first) << (out->feature_bits + out->flags) | tail | (out->feature_bits ? (uint32_t)link[0] : 0));
    out->values[p.slot] = leaf ? (double)NAN : t->values[p.node];
    node[0] = !leaf ? float_bits(t->values[p.node]) : out->feature_bits ? NAN_BITS | b->number[p.node] : NAN_BITS;
    if (out->feature_bits) return;
    node[2] = link[0];
    node[3] = leaf ? b->number[p.node] : 0;
}

/* How the bits of a node's second word are divided: most_below is how many slots a tree has. */
static void choose_bits(tree_pairs *out, const tree_tables *t, uint32_t most_below)
{
    int32_t feature = 0;
    for (uint32_t i = 0; i < t->n_nodes; i++)
        if (t->links[(size_t)i * FIELDS] > feature) feature = t->links[(size_t)i * FIELDS];
    out->flags = t->mode < 0 || t->tracks ? MODE_FLAGS : 1;
    out->feature_bits = MIN_FEATURE_BITS;
    while (out->feature_bits < 31 && feature >> out->feature_bits) out->feature_bits++;
    const int bits = 32 - out->flags - out->feature_bits;
    if (bits < 1 || most_below >> bits || out->n_leaves >> LEAF_BITS) out->feature_bits = 0;
    out->width = out->feature_bits ? NARROW : WIDE;
}

void tree_pairs_make(arena *mem, const tree_tables *t, bool true_first, tree_pairs *out)
{
    const size_t n = t->n_nodes;
    *out = (tree_pairs){0};
    builder b = {.t = t, .out = out, .true_first = true_first, .placed = ARENA_ARRAY(mem, place, 2 * n + t->n_trees), .below = ARENA_ARRAY(mem, uint32_t, n),
                 .number = ARENA_ARRAY(mem, int32_t, n), .numbered = ARENA_ARRAY(mem, int32_t, n), .stack = ARENA_ARRAY(mem, place, n + 2)};
    uint32_t *end = ARENA_ARRAY(mem, uint32_t, (size_t)t->n_trees + 1), *first = ARENA_ARRAY(mem, uint32_t, (size_t)t->n_trees + 1), most = 0;
    bool shared = false;
    for (size_t i = 0; i < n; i++) b.number[i] = -1;
    for (uint32_t i = 0; i < t->n_trees; i++) {
        first[i] = b.slots;
        shared |= place_tree(&b, t->roots[i]);
        end[i] = b.n_placed;
        if (b.slots - first[i] > most) most = b.slots - first[i];
    }
    fill_leaves(&b, mem, end);
    choose_bits(out, t, shared ? b.slots : most);
    out->n_nodes = b.slots;
    out->nodes = arena_array(mem, (size_t)b.slots + 1, out->width * sizeof *out->nodes);
    out->values = ARENA_ARRAY(mem, double, (size_t)b.slots + 1);
    out->roots = arena_array(mem, (size_t)t->n_trees + 1, TREE_FIELDS * sizeof *out->roots);
    for (uint32_t tree = 0, i = 0; tree < t->n_trees; tree++) {
        const uint32_t from = shared ? 0 : first[tree];
        int32_t *root = out->roots + (size_t)tree * TREE_FIELDS;
        root[0] = (int32_t)from;
        root[1] = (int32_t)(first[tree] + 1 - from);
        root[2] = (int32_t)(t->steps_below[t->roots[tree]] / t->leaves_below[t->roots[tree]]);
        root[3] = t->depth[t->roots[tree]];
        for (; i < end[tree]; i++) fill_node(&b, b.placed[i], from);
    }
}
