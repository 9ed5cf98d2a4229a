/* trees as a classifier of two classes with weights for one: the score of the second class and its complement, through the logistic function. */
#define MODE 0
#define TREES 9
#define BASES 1
#define CLASSIFY 2
#define POST 2
#define FEATURE_BITS 0
#define PER_LEAF 1
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        int64_t label[ROWS];
        CHECK_TREES(y, label, s->base, NULL, NULL, NULL)
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
