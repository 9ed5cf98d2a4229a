/* trees whose tests have masks: vectors of rows and what is left of them, trees of one leaf and of several words of leaves, NaN that is true. */
#define MODE 1
#define TRACKS 1
#define PER_LEAF 2
#define COLUMNS 5
#define DEPTH 6
#define LEAF_SHARE 20
#include "trees_check.h"

static int32_t tests[NODES_MAX * 3], words[NODES_MAX * 2], masked[(TREES + 1) * 2], n_tests, n_words;

/* The tests below node i, whose leaves begin at *leaf of the tree, for one word of leaves and for NaN that is true or false. */
static void collect(const ensemble *e, int32_t i, int32_t *leaf, int32_t word, int32_t nan)
{
    const int32_t *link = e->links + i * 4, first = *leaf;
    uint32_t cleared = 0;
    if (link[1] == i) {
        ++*leaf;
        return;
    }
    collect(e, link[2], leaf, word, nan);
    for (int32_t l = first; l < *leaf; l++)
        if (l / 32 == word) cleared |= 1u << l % 32;
    if (cleared && (link[3] & 8) == nan) {
        int32_t *test = tests + 3 * n_tests++;
        test[0] = link[0];
        test[1] = sf_bits(e->values[i]);
        test[2] = (int32_t)~cleared;
    }
    collect(e, link[1], leaf, word, nan);
}

static void new_masks(const ensemble *e)
{
    n_tests = n_words = 0;
    for (int32_t t = 0, first = 0; t < TREES; t++) {
        masked[t * 2] = n_words;
        masked[t * 2 + 1] = first;
        for (int32_t word = 0, leaf = 0; word == 0 || word * 32 < leaf; word++) {
            words[n_words * 2] = n_tests;
            collect(e, e->roots[t], (leaf = 0, &leaf), word, 0);
            words[n_words++ * 2 + 1] = n_tests;
            collect(e, e->roots[t], (leaf = 0, &leaf), word, 8);
            if ((word + 1) * 32 >= leaf) first += leaf;
        }
    }
    words[n_words * 2] = n_tests;
    masked[TREES * 2] = n_words;
}

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        new_masks(s);
        float y[ROWS * TARGETS];
        CHECK_TREES(y, NULL, NULL, tests, words, masked)
        check_scores(y, 1e-6);
    }
    return 0;
}
