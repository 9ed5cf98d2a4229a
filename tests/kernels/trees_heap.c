/* trees whose trees are complete: blocks of rows and single rows, several targets, NaN, padding of the ensemble. */
#define X_T float
#define V_T float
#define Y_T float
#define MODE 0
#define TRACKS 0
#define HEAP 5
#define FEATURE_BITS 0
#define PER_LEAF 0
#define COLUMNS 0
#define MOST 512
#ifndef GATHERS
#define GATHERS 1
#endif
#define AGGREGATE 0
#define TREES 21
#define TARGETS 3
#define BASES 3
#define CLASSIFY 0
#define POST 0
#define BOUND 0.0f
#define X_AT 0
#define X_N FEATURES
#define HOOK_PARAMS
#define HOOK_ARGS
#include "check.h"

enum { FEATURES = 7, NODES = 31, PADDED = 32, ROWS_TRIED = 53 };

#include "cpu/trees.c"

static float values[PADDED * NODES], weights[PADDED * (NODES + 1)], base[TARGETS], x[ROWS_TRIED * FEATURES];
static int32_t links[PADDED * NODES], target[PADDED];

static float score_of(const float *row, int to)
{
    float sum = 0.0f;
    for (int t = 0; t < TREES; t++) {
        int node = 0;
        for (int level = 0; level < HEAP; level++) node = 2 * node + (row[links[t * NODES + node]] <= values[t * NODES + node] ? 2 : 1);
        if (target[t] == to) sum += weights[t * (NODES + 1) + node - NODES];
    }
    return sum + base[to];
}

int main(void)
{
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < TREES * NODES; i++) {
            values[i] = check_random() % 9 == 0 ? INFINITY : (float)check_int(-3, 3);
            links[i] = (int32_t)check_int(0, FEATURES - 1);
        }
        for (int i = 0; i < TREES * (NODES + 1); i++) weights[i] = check_float();
        for (int i = 0; i < TREES; i++) target[i] = (int32_t)check_int(0, TARGETS - 1);
        for (int i = 0; i < TARGETS; i++) base[i] = check_float();
        for (int i = 0; i < ROWS_TRIED * FEATURES; i++) x[i] = check_random() % 12 == 0 ? NAN : (float)check_int(-4, 4);
        float y[ROWS_TRIED * TARGETS];
        CHECK_RANGES(ROWS_TRIED, trees(y, NULL, x, NULL, values, links, NULL, target, weights, base, NULL, NULL, NULL, lo, hi))
        for (int i = 0; i < ROWS_TRIED * TARGETS; i++) { /* the same sums in the same order: the same bits, but for targets that no tree has */
            bool any = false;
            for (int t = 0; t < TREES; t++) any |= target[t] == i % TARGETS;
            if (any) check_near("score", (double)y[i], (double)score_of(x + i / TARGETS * FEATURES, i % TARGETS), 0);
        }
    }
    return 0;
}
