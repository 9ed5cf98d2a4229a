/* trees some of whose nodes send what is missing to their true branch; blocks of rows with and without NaN; sums of two targets. */
#define X_T float
#define V_T float
#define Y_T float
#define MODE 0
#define TRACKS 1
#define AGGREGATE 0
#define TREES 14
#define TARGETS 2
#define BASES 0
#define CLASSIFY 0
#define POST 0
#define BOUND 0.0f
#define HEAP 0
#define FEATURE_BITS 9
#define PER_LEAF 2
#define COLUMNS 0
#define MOST 512
#define GATHERS 0
#define DEPTH 6
#define LEAF_SHARE 6
#define THIN 0
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        for (int i = 0; round % 2 && i < ROWS * FEATURES; i++) shared.x[i] = (float)check_int(-4, 4);
        float y[ROWS * TARGETS];
        CHECK_RANGES(ROWS, trees(y, NULL, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, NULL, NULL, NULL, NULL, lo, hi))
        for (int row = 0; row < ROWS; row++) {
            double score[TARGETS];
            bool seen[TARGETS];
            reference(s, s->x + row * FEATURES, score, seen);
            for (int i = 0; i < TARGETS; i++) check_near("score", (double)y[row * TARGETS + i], score[i], 1e-6);
        }
    }
    return 0;
}
