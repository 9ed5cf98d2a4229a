/* operators.c - what operators.yaml describes. The model's header has the prototypes, so the C compiler sees to it that these functions fit. */
#include <math.h>
#include <string.h>

#include "despike.h"

enum { BAD_WIDTH = 1, BAD_MODE = 2 }; /* what a run returns then: positive, as the codes of onnxcc_rt.h are negative */

/* Sorts the few numbers of a window by insertion. */
static float median_of(float *v, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const float x = v[i];
        int64_t k = i;
        for (; k > 0 && v[k - 1] > x; k--) v[k] = v[k - 1];
        v[k] = x;
    }
    return v[n / 2];
}

int example_median(float *y, const int64_t *y_shape, int y_rank, const float *x, const int64_t *x_shape, int x_rank, int64_t width, void *scratch, void *user)
{
    const int64_t n = x_shape[x_rank - 1];
    int64_t rows = 1;
    (void)y_shape, (void)y_rank, (void)user; /* the shape of y is that of x */
    if (width < 1 || width % 2 == 0) return BAD_WIDTH;
    for (int i = 0; i < x_rank - 1; i++) rows *= x_shape[i];
    for (int64_t r = 0; r < rows; r++, x += n, y += n)
        for (int64_t i = 0; i < n; i++) {
            float *window = (float *)scratch;
            for (int64_t k = 0; k < width; k++) { /* beyond an end the last element goes on */
                const int64_t at = i + k - width / 2;
                window[k] = x[at < 0 ? 0 : at >= n ? n - 1 : at];
            }
            y[i] = median_of(window, width);
        }
    return 0;
}

static double load(const void *x, int type, int64_t i)
{
    return type == 1 ? (double)((const float *)x)[i] : ((const double *)x)[i]; /* numbers of TensorProto.DataType: 1 float, 11 double */
}

static void store(void *y, int type, int64_t i, double v)
{
    if (type == 1) ((float *)y)[i] = (float)v;
    else ((double *)y)[i] = v;
}

/* `user` is onnxcc_env.user: here a counter of elements that were limited, or NULL. */
int example_limit(void *y, const int64_t *y_shape, int y_rank, int y_type, float *changed, const int64_t *changed_shape, int changed_rank, const void *x,
                  const int64_t *x_shape, int x_rank, int x_type, const uint8_t *skip, const int64_t *skip_shape, int skip_rank, const char *mode, float low,
                  float high, void *user)
{
    const int zero = strcmp(mode, "zero") == 0;
    long *total = (long *)user;
    (void)y_shape, (void)y_rank, (void)changed_shape, (void)changed_rank, (void)x_rank, (void)skip_shape, (void)skip_rank;
    if (!zero && strcmp(mode, "clip") != 0) return BAD_MODE;
    for (int64_t r = 0; r < x_shape[0]; r++) {
        long count = 0;
        for (int64_t i = r * x_shape[1]; i < (r + 1) * x_shape[1]; i++) {
            const double v = load(x, x_type, i);
            const int outside = !(skip && skip[r]) && (v < (double)low || v > (double)high);
            store(y, y_type, i, !outside ? v : zero ? 0.0 : v < (double)low ? (double)low : (double)high);
            count += outside;
        }
        if (changed) changed[r] = (float)count; /* an optional output that nobody wants is NULL */
        if (total) *total += count;
    }
    return 0;
}
