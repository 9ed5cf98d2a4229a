/* trees as a regressor in double: all node modes, NaN tracks, averages, several targets. */
#define X_T double
#define V_T double
#define Y_T float
#define MODE (-1)
#define TRACKS 1
#define AGGREGATE 1
#define TREES 10
#define TARGETS 2
#define BASES 2
#define CLASSIFY 0
#define POST 0
#define BOUND 0.0f
#define HEAP 0
#define FEATURE_BITS 8
#define PER_LEAF TARGETS
#define COLUMNS 0
#define MOST 512
#define GATHERS 0
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        CHECK_RANGES(ROWS, trees(y, NULL, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, s->base, NULL, NULL, NULL, lo, hi))
        for (int row = 0; row < ROWS; row++) {
            double score[TARGETS];
            bool seen[TARGETS];
            reference(s, s->x + row * FEATURES, score, seen);
            for (int i = 0; i < TARGETS; i++) check_near("score", (double)y[row * TARGETS + i], score[i] + s->base[i], 1e-6);
        }
    }
    return 0;
}
