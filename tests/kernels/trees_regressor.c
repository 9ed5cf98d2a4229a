/* trees as a regressor in double: all node modes, NaN tracks, averages, several targets. */
#define X_T double
#define V_T double
#define MODE (-1)
#define TRACKS 1
#define AGGREGATE 1
#define TREES 10
#define BASES 2
#define FEATURE_BITS 8
#define PER_LEAF TARGETS
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        CHECK_TREES(y, NULL, s->base, NULL, NULL, NULL)
        check_scores(y, 1e-6);
    }
    return 0;
}
