/* trees that are deep and thin, with != as the test, whose leaves have to stay where they are; the smallest weight of all trees. */
#define MODE 5
#define AGGREGATE 2
#define TARGETS 1
#define PER_LEAF 1
#define DEPTH 45
#define LEAF_SHARE 30
#define THIN 1
#include "trees_check.h"

int main(void)
{
    for (int round = 0; round < 20; round++) {
        new_ensemble(&shared);
        float y[ROWS * TARGETS];
        CHECK_TREES(y, NULL, NULL, NULL, NULL, NULL)
        check_scores(y, 0);
    }
    return 0;
}
