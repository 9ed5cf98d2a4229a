/* gauss.c - determinant (Det-22) and inverse (com.microsoft.Inverse) of square matrices by elimination, with the largest element of a column as its pivot.
 *
 * arguments  det [BATCH], NULL: not wanted        inverse [BATCH][N][N], NULL: not wanted        x [BATCH][N][N]        a [BATCH][N][N] scratch
 * range      [lo, hi) of matrices
 * fixed      T  their type, float or double
 *
 * The determinant of a singular matrix is 0; its inverse is made of infinities and NaN. */
#include "kernel.h"

INLINE T gauss_size(T v)
{
    return v < (T)0 ? -v : v;
}

INLINE void gauss_swap(T *restrict p, T *restrict q, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        const T v = p[j];
        p[j] = q[j];
        q[j] = v;
    }
}

INLINE void gauss_subtract(T *restrict row, const T *restrict pivot, T factor, int64_t n)
{
    for (int64_t j = 0; j < n; j++) row[j] -= factor * pivot[j];
}

/* The determinant; `e`, where there is one, goes from the unit matrix to the inverse. */
INLINE T gauss_eliminate(T *restrict a, T *restrict e, int64_t n)
{
    T det = (T)1;
    for (int64_t k = 0; k < n; k++) {
        int64_t best = k;
        for (int64_t i = k + 1; i < n; i++)
            if (gauss_size(a[i * n + k]) > gauss_size(a[best * n + k])) best = i;
        if (best != k) {
            gauss_swap(a + best * n, a + k * n, n);
            if (e) gauss_swap(e + best * n, e + k * n, n);
            det = -det;
        }
        const T pivot = a[k * n + k];
        det *= pivot;
        if (!e && !(gauss_size(pivot) > (T)0)) return det;
        for (int64_t i = e ? 0 : k + 1; i < n; i++) {
            const T factor = a[i * n + k] / pivot;
            if (i == k) continue;
            gauss_subtract(a + i * n + k, a + k * n + k, factor, n - k);
            if (e) gauss_subtract(e + i * n, e + k * n, factor, n);
        }
    }
    for (int64_t k = 0; e && k < n; k++)
        for (int64_t j = 0; j < n; j++) e[k * n + j] /= a[k * n + k];
    return det;
}

KERNEL void gauss(T *restrict det, T *restrict inverse, const T *restrict x, T *restrict a, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t b = lo; b < hi; b++) {
        T *const e = inverse ? inverse + b * N * N : NULL, *const work = a + b * N * N;
        memcpy(work, x + b * N * N, (size_t)N * (size_t)N * sizeof *work);
        for (int64_t i = 0; e && i < (int64_t)N * N; i++) e[i] = i / N == i % N ? (T)1 : (T)0;
        const T v = gauss_eliminate(work, e, N);
        if (det) det[b] = v;
    }
}
