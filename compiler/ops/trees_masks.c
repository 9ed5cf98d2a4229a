/* trees_masks.c - the tests of small trees, each with the leaves that it leaves; see trees.h.
 *
 * in:  tables in which nodes lead to nodes, and pairs in which true branches come first, so that a tree's leaves have their numbers from the truest side on
 * out: for each 32 leaves the tests that are above some of them on the true side. A test that is false leaves none of those; the first leaf that all tests
 *      leave is the row's. Source: Lucchese et al., QuickScorer (SIGIR 2015), and its vector form (SIGIR 2016). */
#include <string.h>

#include "ops/trees.h"

enum { FIELDS = 4, WORD = 32, TESTS_PER_LEVEL = 16, MOST_LEAVES = 1024, TRACKS = 8 };

typedef struct {
    const tree_tables *t;
    tree_masks *out;
    int32_t leaf, word; /* number of the next leaf in its tree; the word whose tests are collected */
    bool tracks;        /* of the tests that are collected */
} collector;

static bool is_leaf(const tree_tables *t, int32_t node)
{
    return t->links[(int64_t)node * FIELDS + 1] == node;
}

/* Bits from..to-1 of word number `word`. */
static uint32_t bits_of(int32_t from, int32_t to, int32_t word)
{
    const int64_t lo = (int64_t)from - word * WORD, hi = (int64_t)to - word * WORD;
    const uint64_t below_hi = hi <= 0 ? 0 : hi >= WORD ? UINT32_MAX : (UINT64_C(1) << hi) - 1, below_lo = lo <= 0 ? 0 : lo >= WORD ? UINT32_MAX : (UINT64_C(1) << lo) - 1;
    return (uint32_t)(below_hi & ~below_lo);
}

/* The tests at and below a node that concern the word. */
static void collect(collector *c, int32_t node)
{
    const int32_t *link = c->t->links + (int64_t)node * FIELDS, first = c->leaf;
    if (is_leaf(c->t, node)) {
        c->leaf++;
        return;
    }
    collect(c, link[2]);
    const uint32_t cleared = bits_of(first, c->leaf, c->word);
    if (cleared && (link[3] & TRACKS) == (c->tracks ? TRACKS : 0)) {
        int32_t *test = c->out->tests + (size_t)c->out->n_tests++ * TEST_FIELDS;
        const float bound = (float)c->t->values[node];
        test[0] = link[0];
        memcpy(&test[1], &bound, sizeof bound);
        test[2] = (int32_t)~cleared;
    }
    collect(c, link[1]);
}

/* Each test concerns a word for every 32 of the leaves on its true side, and at most one more. */
static bool worthwhile(const tree_tables *t, const tree_pairs *p, double *most_tests)
{
    double leaves = 0, levels = 0, tests = 0;
    for (uint32_t i = 0; i < t->n_trees; i++) {
        const int32_t root = t->roots[i];
        if (t->leaves_below[root] > MOST_LEAVES) return false;
        leaves += t->leaves_below[root];
        levels += t->steps_below[root] / t->leaves_below[root];
        tests += t->leaves_below[root] + (t->steps_below[root] / WORD + 1);
    }
    *most_tests = tests + leaves;
    return t->n_trees && leaves == p->n_leaves && leaves <= TESTS_PER_LEVEL * levels;
}

bool tree_masks_make(arena *mem, const tree_tables *t, const tree_pairs *p, tree_masks *out)
{
    double most;
    *out = (tree_masks){0};
    if (t->mode < 0 || !p->per_leaf || !worthwhile(t, p, &most)) return false;
    uint32_t n_words = 0;
    for (uint32_t i = 0; i < t->n_trees; i++) n_words += ((uint32_t)t->leaves_below[t->roots[i]] + WORD - 1) / WORD;
    out->tests = arena_array(mem, (size_t)most + 1, TEST_FIELDS * sizeof *out->tests);
    out->words = arena_array(mem, (size_t)n_words + 1, 2 * sizeof *out->words);
    out->trees = arena_array(mem, (size_t)t->n_trees + 1, 2 * sizeof *out->trees);
    for (uint32_t i = 0, leaf = 0; i < t->n_trees; i++) {
        const uint32_t leaves = (uint32_t)t->leaves_below[t->roots[i]];
        out->trees[i * 2] = (int32_t)out->n_words;
        out->trees[i * 2 + 1] = (int32_t)leaf;
        leaf += leaves;
        for (uint32_t word = 0; word * WORD < leaves; word++) {
            collector c = {.t = t, .out = out, .word = (int32_t)word};
            int32_t *at = out->words + (size_t)out->n_words++ * 2;
            at[0] = (int32_t)out->n_tests;
            collect(&c, t->roots[i]);
            at[1] = (int32_t)out->n_tests;
            c.tracks = true;
            c.leaf = 0;
            if (t->tracks) collect(&c, t->roots[i]);
        }
    }
    out->words[(size_t)out->n_words * 2] = (int32_t)out->n_tests;
    out->trees[(size_t)t->n_trees * 2] = (int32_t)out->n_words;
    return true;
}
