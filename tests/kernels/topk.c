/* topk.c against counting how many elements come before each: axes anywhere, ties, NaN, every K. */
#include "check.h"

static struct {
    int64_t n, k, inner, largest;
} shape;

#define T float
#define LARGEST shape.largest
#define N shape.n
#define K shape.k
#define INNER shape.inner
#define HOOK_PARAMS
#include "cpu/topk.c"

static bool above(float a, float b)
{
    return shape.largest ? a > b || (isnan(a) && !isnan(b)) : a < b || (isnan(b) && !isnan(a));
}

static void check_one(int64_t n)
{
    shape.n = n;
    shape.k = check_int(0, 2) ? check_int(0, n < 8 ? n : 8) : check_int(0, n);
    shape.inner = check_int(0, 1) ? 1 : check_int(2, 5);
    shape.largest = check_int(0, 1);
    const int64_t outer = check_int(1, 3), rows = outer * shape.inner, distinct = check_int(1, 2 * n + 1);
    float *x = check_floats(outer * n * shape.inner);
    for (int64_t i = 0; i < outer * n * shape.inner; i++) x[i] = check_int(0, 15) ? (float)check_int(-distinct, distinct) : check_int(0, 2) ? -0.0f : NAN;
    int64_t *y = malloc((size_t)(rows * shape.k) * sizeof *y + 1);
    if (!y) exit(3);
    for (int64_t i = 0; i < rows * shape.k; i++) y[i] = -1;
    CHECK_RANGES(rows, topk(y, x, lo, hi))
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r / shape.inner * n * shape.inner + r % shape.inner;
        for (int64_t i = 0; i < n; i++) {
            int64_t place = 0;
            for (int64_t j = 0; j < n; j++) {
                const float a = row[i * shape.inner], b = row[j * shape.inner];
                place += above(b, a) || (j < i && !above(a, b));
            }
            if (place >= shape.k) continue;
            const int64_t got = y[(r / shape.inner * shape.k + place) * shape.inner + r % shape.inner];
            if (got != i) check_fail("an index", (double)got, (double)i);
        }
    }
    free(x), free(y);
}

int main(void)
{
    for (int i = 0; i < 400; i++) check_one(check_int(1, i < 300 ? 20 : 150));
    return 0;
}
