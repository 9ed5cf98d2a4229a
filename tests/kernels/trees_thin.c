/* trees that are deep and thin, with != as the test, whose leaves have to stay where they are; the smallest weight of all trees. */
#define X_T float
#define V_T float
#define Y_T float
#define MODE 5
#define TRACKS 0
#define AGGREGATE 2
#define TREES 14
#define TARGETS 1
#define BASES 0
#define CLASSIFY 0
#define POST 0
#define BOUND 0.0f
#define HEAP 0
#define FEATURE_BITS 9
#define PER_LEAF 1
#define COLUMNS 0
#define MOST 512
#define GATHERS 0
#define DEPTH 45
#define LEAF_SHARE 30
#define THIN 1
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        CHECK_RANGES(ROWS, trees(y, NULL, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, NULL, NULL, NULL, NULL, lo, hi))
        for (int row = 0; row < ROWS; row++) {
            double score[TARGETS];
            bool seen[TARGETS];
            reference(s, s->x + row * FEATURES, score, seen);
            check_near("score", (double)y[row], score[0], 0);
        }
    }
    return 0;
}
