/* trees as a classifier of three classes: labels are the greatest scores that were given, scores go through softmax. */
#define X_T int64_t
#define V_T float
#define Y_T float
#define MODE 1
#define TRACKS 0
#define AGGREGATE 0
#define TREES 7
#define TARGETS 3
#define BASES 0
#define CLASSIFY 1
#define POST 1
#define BOUND 0.0f
#define HEAP 0
#define FEATURE_BITS 8
#define PER_LEAF 0
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
        CHECK_RANGES(ROWS, trees(y, label, s->x, s->starts, s->bounds, s->nodes, s->first_weight, targets_of_weights(s), s->weights, NULL, NULL, NULL, NULL, lo, hi))
        for (int row = 0; row < ROWS; row++) {
            double score[TARGETS], sum = 0;
            bool seen[TARGETS];
            reference(s, s->x + row * FEATURES, score, seen);
            int best = 0;
            for (int i = 0; i < TARGETS; i++) {
                if (seen[i] && (!seen[best] || score[i] > score[best])) best = i;
                sum += exp(score[i]);
            }
            check_near("label", (double)label[row], best, 0);
            for (int i = 0; i < TARGETS; i++) check_near("score", (double)y[row * TARGETS + i], exp(score[i]) / sum, 1e-6);
        }
    }
    return 0;
}
