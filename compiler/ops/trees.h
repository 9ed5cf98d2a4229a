/* trees.h - the tables of a tree ensemble as templates/cpu/trees.c reads them, from the attributes of TreeEnsembleRegressor and -Classifier. */
#ifndef ONNXCC_OPS_TREES_H
#define ONNXCC_OPS_TREES_H
#include "base/arena.h"
#include "base/diag.h"

typedef enum { TREE_LEQ, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_LEAF } tree_mode;

/* The attributes: nodes_* have n_nodes elements, weights n_weights. Identifiers are the model's: any numbers. */
typedef struct {
    uint32_t n_nodes, n_weights;
    const int64_t *tree, *node, *feature, *if_true, *if_false;
    const char *const *mode;    /* "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF" */
    const double *value;        /* thresholds */
    const int64_t *nan_to_true; /* NULL: never */
    const int64_t *weight_tree, *weight_node, *weight_target;
    const double *weight;
    const int64_t *root; /* node identifiers of n_roots roots, all in tree 0; NULL: each tree's first node that no other leads to */
    uint32_t n_roots;
    int64_t features; /* of the input; -1: unknown */
    int64_t targets;
} tree_attributes;

/* The attributes of TreeEnsemble-5: nodes_* have n_nodes elements, leaf_* n_leaves; true and false are node numbers, or leaf numbers where the
 * leaf flag is set. Modes: 0..5 as tree_mode, 6 BRANCH_MEMBER, whose sets stand in `members` one after the other, each ended by a NaN. */
typedef struct {
    uint32_t n_nodes, n_leaves, n_roots, n_members;
    const uint8_t *mode;
    const int64_t *feature, *if_true, *if_false, *true_is_leaf, *false_is_leaf;
    const double *split;
    const int64_t *nan_to_true; /* NULL: never */
    const int64_t *leaf_target;
    const double *leaf_weight;
    const int64_t *root;
    const double *members; /* NULL: no sets */
    int64_t features, targets;
} tree_attributes_5;

typedef struct {
    uint32_t n_nodes, n_weights, n_trees;
    int32_t *roots;         /* of the trees */
    int32_t *links;         /* [node][4]: feature, node if false, node if true (a leaf: itself), mode + 8 if NaN goes to true */
    int32_t *leaves;        /* [node][2]: first weight and number of weights */
    int32_t *depth;         /* by node: steps to the deepest leaf below it */
    double *leaves_below, *steps_below; /* by node: how many leaves, and the sum of steps to them, once for each way there */
    int32_t *weight_at;
    double *values, *weights;
    int mode;              /* of all branches, -1: they differ */
    bool tracks;           /* a branch sends NaN to its true side */
    bool all_positive;     /* no weight is negative */
    int64_t only_target;   /* the one target that has weights; -1: several */
} tree_tables;

/* The same ensemble as complete trees, as the kernel reads them with HEAP > 0. */
typedef struct {
    int depth;            /* levels above the leaves */
    uint32_t n_trees;     /* filled up to a multiple of 16 */
    int32_t *features, *target;
    double *values, *weights;
} tree_heap;

/* False where the trees don't go into complete ones: modes differ, NaN goes to true sides, a leaf has not exactly one weight, a tree's leaves are for several
 * targets, or complete trees would take more memory. */
bool tree_heap_make(arena *mem, const tree_tables *t, tree_heap *out);

/* The same ensemble as the kernel reads it with HEAP 0: nodes whose branches lie side by side. */
typedef struct {
    uint32_t n_nodes, n_leaves, n_weights, n_at;
    int feature_bits, flags; /* of a node's second word; feature_bits 0: the feature has a word of its own */
    int per_leaf;            /* weights of each leaf, with targets by tree; 0: leaves differ */
    size_t width;            /* words of a node, 2 or 4 */
    int32_t *nodes;          /* [n_nodes][width]: threshold as bits of a float, or of a leaf NaN with its number; branches, flags, feature */
    int32_t *roots;          /* [tree][4]: first node, root from there on, steps to a leaf in the mean and to the deepest */
    int32_t *leaves;         /* [n_leaves + 1] first weights */
    int32_t *weight_at;      /* [n_at] targets */
    double *values, *weights; /* [n_nodes] thresholds; [n_weights] */
} tree_pairs;

enum { TREE_FIELDS = 4 }; /* of roots */

/* With `true_first`, leaves are numbered from a tree's truest side on, else from its larger sides on, which come next in memory. */
void tree_pairs_make(arena *mem, const tree_tables *t, bool true_first, tree_pairs *out);

enum { TEST_FIELDS = 3 };

/* The tests of small trees for vectors of rows. */
typedef struct {
    uint32_t n_tests, n_words;
    int32_t *tests; /* [n_tests][3]: feature, threshold as bits of a float, what it leaves of 32 leaves if it is false */
    int32_t *words; /* [n_words + 1][2]: of each 32 leaves the first test, and the first that is true for NaN */
    int32_t *trees; /* [tree + 1][2]: first word and first leaf */
} tree_masks;

/* False where walks are faster (larger trees), and where modes or numbers of weights differ or trees share parts. `p`: with true_first. */
bool tree_masks_make(arena *mem, const tree_tables *t, const tree_pairs *p, tree_masks *out);

/* A TreeEnsemble-5 in the older form; a test for membership becomes a chain of tests for equality. */
bool tree_attributes_from_5(arena *mem, diag *d, const char *where, const tree_attributes_5 *in, tree_attributes *out);

/* Trees in order of their identifiers; weights of a leaf in the order given. Nodes that no root leads to do nothing. False when the attributes do
 * not describe trees (a branch to a node that is not there, a circle, features or targets out of range): reported at `where`. */
bool tree_tables_make(arena *mem, diag *d, const char *where, const tree_attributes *a, tree_tables *out);
#endif
