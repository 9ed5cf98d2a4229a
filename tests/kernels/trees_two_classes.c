/* trees as a classifier of two classes with weights for one: the score of the second class and its complement, through the logistic function. */
#define X_T float
#define V_T float
#define Y_T float
#define MODE 0
#define TRACKS 0
#define AGGREGATE 0
#define TREES 9
#define TARGETS 2
#define BASES 1
#define CLASSIFY 2
#define POST 2
#define BOUND 0.0f
#define HEAP 0
#define FEATURE_BITS 0
#define PER_LEAF 1
#define COLUMNS 0
#define MOST 512
#define GATHERS 0
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        int64_t label[ROWS];
        CHECK_RANGES(ROWS, trees(y, label, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, s->base, NULL, NULL, NULL, lo, hi))
        for (int row = 0; row < ROWS; row++) {
            double score[TARGETS];
            bool seen[TARGETS];
            reference(s, s->x + row * FEATURES, score, seen);
            const double v = score[0] + (double)s->base[0];
            check_near("label", (double)label[row], v > 0, 0);
            check_near("first score", (double)y[row * 2], 1 / (1 + exp(v)), 1e-6);
            check_near("second score", (double)y[row * 2 + 1], 1 / (1 + exp(-v)), 1e-6);
        }
    }
    return 0;
}
