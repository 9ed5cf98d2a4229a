/* mul_acc.c - a part of other kernels: adds x * w to y, for a few rows and a matrix w that no cache needs to hold.
 *
 *   y[row][p][n] += sum over i of x[row][i] * w[i][p][n]      for row < rows, i < k, p < parts, n < columns
 *
 * Elements from one row, and from one part, to the next: y_row, y_part, x_row, w_row, w_part. Each element is one chain of fused multiply-adds over i that
 * continues from y. Eight rows of w are read at a time for all rows of x, so w streams through the caches once. */
#include "kernel.h"
#include "simd/simd.h"

/* A vector of y with `some` rows of w, a constant at every call. */
INLINE vf mul_acc_vector(const int some, vf sum, const float *restrict x, const float *restrict w, int64_t w_row)
{
#pragma GCC unroll 8
    for (int i = 0; i < some; i++) sum = vf_fma(vf_set(x[i]), vf_ld(w + i * w_row), sum);
    return sum;
}

INLINE void mul_acc_some(const int some, float *restrict y, const float *restrict x, const float *restrict w, int64_t columns, int64_t w_row)
{
    int64_t n = 0;
    for (; n + VL <= columns; n += VL) vf_st(y + n, mul_acc_vector(some, vf_ld(y + n), x, w + n, w_row));
    if (n == columns) return;
    if (columns > VL) { /* the last vector's worth, of which the first lanes are done */
        const vf old = vf_ld(y + columns - VL), all = mul_acc_vector(some, old, x, w + columns - VL, w_row);
        vf_st(y + columns - VL, vf_sel(vi_iota(0, 1) < vi_set((int32_t)(n + VL - columns)), old, all));
        return;
    }
    for (; n < columns; n++) {
        float sum = y[n];
        for (int i = 0; i < some; i++) sum = sf_fma(x[i], w[i * w_row + n], sum);
        y[n] = sum;
    }
}

KERNEL void mul_acc(float *restrict y, const float *restrict x, const float *restrict w, int64_t rows, int64_t k, int64_t columns, int64_t parts,
                    int64_t y_row, int64_t y_part, int64_t x_row, int64_t w_row, int64_t w_part)
{
    const int64_t eights = k / 8;
    for (int64_t eight = 0; eight < eights; eight++, x += 8, w += 8 * w_row)
        for (int64_t row = 0; row < rows; row++)
            for (int64_t p = 0; p < parts; p++) mul_acc_some(8, y + row * y_row + p * y_part, x + row * x_row, w + p * w_part, columns, w_row);
    for (int64_t i = 0; i < k % 8; i++, x++, w += w_row)
        for (int64_t row = 0; row < rows; row++)
            for (int64_t p = 0; p < parts; p++) mul_acc_some(1, y + row * y_row + p * y_part, x + row * x_row, w + p * w_part, columns, w_row);
}
