/* Tables of tree ensembles: what they hold, and which attributes are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "ops/trees.h"

static arena *mem;
static diag *d;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    d = diag_new(mem, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* Tree 7: node 0 tests feature 1 <= 0.5, leaves 1 (if true) and 2. Tree 3: one leaf. Weights for targets 0 and 1. */
static const int64_t tree[] = {7, 7, 7, 3}, node[] = {0, 1, 2, 0}, feature[] = {1, 0, 0, 0}, if_true[] = {1, 0, 0, 0}, if_false[] = {2, 0, 0, 0};
static const char *const mode[] = {"BRANCH_LEQ", "LEAF", "LEAF", "LEAF"};
static const double threshold[] = {0.5, 0, 0, 0}, weight[] = {1, 2, 3, -4};
static const int64_t weight_tree[] = {7, 7, 3, 7}, weight_node[] = {1, 2, 0, 2}, weight_target[] = {0, 0, 1, 1};

static tree_attributes two_trees(void)
{
    return (tree_attributes){.n_nodes = 4, .n_weights = 4, .tree = tree, .node = node, .feature = feature, .if_true = if_true, .if_false = if_false,
                             .mode = mode, .value = threshold, .weight_tree = weight_tree, .weight_node = weight_node,
                             .weight_target = weight_target, .weight = weight, .features = 2, .targets = 2};
}

/* The leaf that a row of features comes to in tree number `t`, counted as in the tables. */
static int32_t walk(const tree_tables *t, uint32_t number, const double *x)
{
    int32_t n = t->roots[number];
    for (int32_t steps = t->depth[n]; steps > 0; steps--) {
        const int32_t *link = t->links + n * 4;
        const double v = x[link[0]];
        const bool test[] = {v <= t->values[n], v < t->values[n], v >= t->values[n], v > t->values[n], v == t->values[n], v != t->values[n]};
        n = link[1 + (test[link[3] & 7] || (isnan(v) && link[3] & 8))];
    }
    return n;
}

/* The leaf that a row comes to in a tree of pairs: its number. */
static int32_t walk_pairs(const tree_pairs *p, int test, uint32_t number, const double *x)
{
    const int32_t *root = p->roots + number * TREE_FIELDS;
    int32_t slot = root[0] + root[1];
    const int32_t *at = NULL;
    for (int32_t steps = 0; steps <= root[3]; steps++) { /* once more than it is deep: leaves stay */
        at = p->nodes + (size_t)slot * p->width;
        const uint32_t link = (uint32_t)at[1], column = p->feature_bits ? link & ((1u << p->feature_bits) - 1) : (uint32_t)at[2];
        const double v = x[column], bound = p->values[slot];
        const bool yes = test == TREE_NEQ ? v != bound : test == TREE_LT ? v < bound : test == TREE_EQ ? v == bound : v <= bound;
        slot = root[0] + (int32_t)(link >> (p->feature_bits + p->flags)) + yes;
    }
    return p->feature_bits ? at[0] & 0x3fffff : at[3];
}

static double first_weight(const tree_tables *t, int32_t leaf)
{
    return t->weights[t->leaves[leaf * 2]];
}

static void trees_stand_in_order_of_their_identifiers_and_lead_to_leaves(void **state)
{
    (void)state;
    const tree_attributes a = two_trees();
    tree_tables t;
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    assert_int_equal(t.n_trees, 2);
    assert_int_equal(t.depth[t.roots[0]], 0);
    assert_int_equal(t.depth[t.roots[1]], 1);
    assert_int_equal(t.mode, TREE_LEQ);
    assert_int_equal(t.only_target, -1);
    assert_false(t.all_positive);
    assert_true(first_weight(&t, walk(&t, 0, (double[]){0, 0})) == 3);
    assert_true(first_weight(&t, walk(&t, 1, (double[]){0, 0.5})) == 1);
    const int32_t leaf = walk(&t, 1, (double[]){0, 0.6});
    assert_int_equal(t.leaves[leaf * 2 + 1], 2);
    assert_true(first_weight(&t, leaf) == 2);
}

static void refused(const tree_attributes *a, const char *message)
{
    tree_tables t;
    d = diag_new(mem, NULL);
    assert_false(tree_tables_make(mem, d, "node 'x'", a, &t));
    assert_string_equal(d->list.p[0].message, message);
}

static void attributes_that_describe_no_trees_are_refused(void **state)
{
    (void)state;
    tree_attributes a = two_trees();
    a.if_true = (const int64_t[]){9, 0, 0, 0};
    refused(&a, "node 0 of tree 7 branches to a node that is not there");
    a.if_true = (const int64_t[]){0, 0, 0, 0};
    refused(&a, "node 0 of tree 7 branches to itself");
    a = two_trees();
    a.mode = (const char *const[]){"BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF"};
    a.if_true = a.if_false = (const int64_t[]){1, 0, 0, 0};
    refused(&a, "node 0 of tree 7 is part of a circle of branches");
    a = two_trees();
    a.node = (const int64_t[]){0, 1, 1, 0};
    refused(&a, "node 1 of tree 7 is there twice");
    a = two_trees();
    a.features = 1;
    refused(&a, "node 0 of tree 7 tests a feature that the input does not have");
    a = two_trees();
    a.targets = 1;
    refused(&a, "node 0 of tree 3 has a weight for a target that is not there");
    a = two_trees();
    a.mode = (const char *const[]){"BRANCH_MAYBE", "LEAF", "LEAF", "LEAF"};
    refused(&a, "node 0 of tree 7 has the unknown mode 'BRANCH_MAYBE'");
}

static void version_5_shares_leaves_and_tests_membership(void **state)
{
    (void)state;
    /* Node 0: x0 in {2, 5} ? leaf 0 : node 1; node 1: x0 < 1 ? leaf 1 : leaf 1. */
    const tree_attributes_5 in = {.n_nodes = 2, .n_leaves = 2, .n_roots = 1, .n_members = 3, .mode = (const uint8_t[]){6, 1},
                                  .feature = (const int64_t[]){0, 0}, .if_true = (const int64_t[]){0, 1}, .if_false = (const int64_t[]){1, 1},
                                  .true_is_leaf = (const int64_t[]){1, 1}, .false_is_leaf = (const int64_t[]){0, 1}, .split = (const double[]){0, 1},
                                  .leaf_target = (const int64_t[]){0, 0}, .leaf_weight = (const double[]){10, 20}, .root = (const int64_t[]){0},
                                  .members = (const double[]){2, 5, (double)NAN}, .features = 1, .targets = 1};
    tree_attributes a;
    tree_tables t;
    assert_true(tree_attributes_from_5(mem, d, "node 'x'", &in, &a));
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    assert_int_equal(t.n_trees, 1);
    assert_int_equal(t.depth[t.roots[0]], 3);
    assert_true(first_weight(&t, walk(&t, 0, (double[]){2})) == 10);
    assert_true(first_weight(&t, walk(&t, 0, (double[]){5})) == 10);
    assert_true(first_weight(&t, walk(&t, 0, (double[]){3})) == 20);
    assert_true(first_weight(&t, walk(&t, 0, (double[]){0})) == 20);
}

static void pairs_lead_to_the_same_leaves(void **state)
{
    (void)state;
    tree_attributes a = two_trees();
    tree_tables t;
    tree_pairs p;
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    tree_pairs_make(mem, &t, false, &p);
    assert_int_equal(p.n_nodes, 6); /* a place is left empty before each root */
    assert_int_equal(p.n_leaves, 3);
    assert_int_equal(p.width, 2);
    assert_int_equal(p.per_leaf, 0); /* one leaf has two weights */
    assert_true(p.weights[p.leaves[walk_pairs(&p, TREE_LEQ, 0, (double[]){0, 0})]] == 3);
    assert_true(p.weights[p.leaves[walk_pairs(&p, TREE_LEQ, 1, (double[]){0, 0.5})]] == 1);
    const int32_t two = walk_pairs(&p, TREE_LEQ, 1, (double[]){0, 0.6});
    assert_int_equal(p.leaves[two + 1] - p.leaves[two], 2);
    assert_true(p.weights[p.leaves[two] + 1] == -4 && p.weight_at[p.leaves[two] + 1] == 1);

    a.mode = (const char *const[]){"BRANCH_NEQ", "LEAF", "LEAF", "LEAF"};
    a.n_weights = 3;
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    tree_pairs_make(mem, &t, false, &p);
    assert_int_equal(p.per_leaf, 1);
    assert_int_equal(p.weight_at[0], 1);
    assert_int_equal(p.weight_at[1], 0);
    assert_true(p.weights[walk_pairs(&p, TREE_NEQ, 1, (double[]){0, 0.5})] == 2);
    assert_true(p.weights[walk_pairs(&p, TREE_NEQ, 1, (double[]){0, 7})] == 1);
}

static void features_that_leave_no_bits_for_branches_have_a_word_of_their_own(void **state)
{
    (void)state;
    tree_attributes a = two_trees();
    a.feature = (const int64_t[]){(1 << 30) - 1, 0, 0, 0};
    a.features = -1;
    tree_tables t;
    tree_pairs p;
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    tree_pairs_make(mem, &t, false, &p);
    assert_int_equal(p.width, 4);
    assert_int_equal(p.nodes[3 * 4 + 2], (1 << 30) - 1);
}

/* Roots 0 and 1 of one graph: x0 < 1 ? node 2 : leaf 0; x0 < 2 ? leaf 1 : node 2; node 2: x0 < 3 ? leaf 2 : leaf 0. */
static void parts_that_trees_share_are_there_once(void **state)
{
    (void)state;
    const tree_attributes_5 in = {.n_nodes = 3, .n_leaves = 3, .n_roots = 2, .mode = (const uint8_t[]){1, 1, 1}, .feature = (const int64_t[]){0, 0, 0},
                                  .if_true = (const int64_t[]){2, 1, 2}, .if_false = (const int64_t[]){0, 2, 0}, .true_is_leaf = (const int64_t[]){0, 1, 1},
                                  .false_is_leaf = (const int64_t[]){1, 0, 1}, .split = (const double[]){1, 2, 3}, .leaf_target = (const int64_t[]){0, 0, 0},
                                  .leaf_weight = (const double[]){10, 20, 30}, .root = (const int64_t[]){0, 1}, .features = 1, .targets = 1};
    tree_attributes a;
    tree_tables t;
    tree_pairs p;
    assert_true(tree_attributes_from_5(mem, d, "node 'x'", &in, &a));
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    tree_pairs_make(mem, &t, false, &p);
    assert_int_equal(p.n_nodes, 2 * 2 + 3 * 2); /* two roots, a pair below each of three nodes */
    assert_int_equal(p.n_leaves, 3);
    assert_true(p.weights[walk_pairs(&p, TREE_LT, 0, (double[]){0})] == 30);
    assert_true(p.weights[walk_pairs(&p, TREE_LT, 0, (double[]){1})] == 10);
    assert_true(p.weights[walk_pairs(&p, TREE_LT, 1, (double[]){1})] == 20);
    assert_true(p.weights[walk_pairs(&p, TREE_LT, 1, (double[]){2})] == 30);
    assert_true(p.weights[walk_pairs(&p, TREE_LT, 1, (double[]){3})] == 10);
}

/* x1 <= 0.5 ? leaf 1 : (x0 <= 2 or NaN ? leaf 3 : leaf 4), a leaf beside it as a tree: the tests leave the leaf that the branches lead to. */
static void masks_leave_the_leaf_that_branches_lead_to(void **state)
{
    (void)state;
    const int64_t trees[] = {7, 7, 7, 7, 7, 3}, nodes[] = {0, 1, 2, 3, 4, 0}, features[] = {1, 0, 0, 0, 0, 0}, yes[] = {1, 0, 3, 0, 0, 0}, no[] = {2, 0, 4, 0, 0, 0};
    const int64_t tracks[] = {0, 0, 1, 0, 0, 0}, at_tree[] = {7, 7, 7, 3}, at_node[] = {1, 3, 4, 0}, at_target[] = {0, 0, 0, 0};
    const char *const modes[] = {"BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"};
    const tree_attributes a = {.n_nodes = 6, .n_weights = 4, .tree = trees, .node = nodes, .feature = features, .if_true = yes, .if_false = no, .mode = modes,
                               .value = (const double[]){0.5, 0, 2, 0, 0, 0}, .nan_to_true = tracks, .weight_tree = at_tree, .weight_node = at_node,
                               .weight_target = at_target, .weight = (const double[]){1, 3, 4, 9}, .features = 2, .targets = 1};
    tree_tables t;
    tree_pairs p;
    tree_masks k;
    assert_true(tree_tables_make(mem, d, "node 'x'", &a, &t));
    tree_pairs_make(mem, &t, true, &p);
    assert_true(tree_masks_make(mem, &t, &p, &k));
    assert_int_equal(k.n_words, 2);
    assert_int_equal(k.n_tests, 2);
    assert_true(p.weights[k.trees[1]] == 9); /* the tree of one leaf */
    const double rows[][3] = {{0, 0.5, 1}, {2, 0.6, 3}, {3, 0.6, 4}, {(double)NAN, 0.6, 3}, {0, (double)NAN, 3}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        uint32_t left = UINT32_MAX;
        int32_t leaf = 0;
        for (int32_t i = k.words[2]; i < k.words[4]; i++) {
            const int32_t *test = k.tests + i * TEST_FIELDS;
            float bound;
            memcpy(&bound, &test[1], sizeof bound);
            const double v = rows[r][test[0]];
            if (!(v <= (double)bound || (isnan(v) && i >= k.words[3]))) left &= (uint32_t)test[2];
        }
        while (!(left >> leaf & 1)) leaf++;
        assert_true(p.weights[k.trees[3] + leaf] == rows[r][2]);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {T(trees_stand_in_order_of_their_identifiers_and_lead_to_leaves), T(attributes_that_describe_no_trees_are_refused),
                                       T(version_5_shares_leaves_and_tests_membership), T(pairs_lead_to_the_same_leaves),
                                       T(features_that_leave_no_bits_for_branches_have_a_word_of_their_own), T(parts_that_trees_share_are_there_once),
                                       T(masks_leave_the_leaf_that_branches_lead_to)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
