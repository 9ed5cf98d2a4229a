/* trees some of whose nodes send what is missing to their true branch; blocks of rows with and without NaN; sums of two targets. */
#define MODE 0
#define TRACKS 1
#define PER_LEAF 2
#define DEPTH 6
#define LEAF_SHARE 6
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        for (int i = 0; round % 2 && i < ROWS * FEATURES; i++) shared.x[i] = (float)check_int(-4, 4);
        float y[ROWS * TARGETS];
        CHECK_TREES(y, NULL, NULL, NULL, NULL, NULL)
        check_scores(y, 1e-6);
    }
    return 0;
}
