/* trees as a classifier of three classes: labels are the greatest scores that were given, scores go through softmax. */
#define X_T int64_t
#define MODE 1
#define TREES 7
#define TARGETS 3
#define CLASSIFY 1
#define POST 1
#define FEATURE_BITS 8
#define PER_LEAF 0
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        int64_t label[ROWS];
        CHECK_TREES(y, label, NULL, NULL, NULL, NULL)
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
