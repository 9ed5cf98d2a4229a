/* mul_acc.c - a part of other kernels: adds x * w to y, for a few rows and a matrix w that no cache needs to hold.
 *
 *   y[row][p][n] += sum over i of x[row][i] * w[i][p][n]      for row < rows, i < k, p < parts, n < columns
 *
 * Elements from one row, and from one part, to the next: y_row, y_part, x_row, w_row, w_part. Each element is one chain of fused multiply-adds over i that
 * continues from y. Eight rows of w are read at a time for all rows of x, so w streams through the caches once. */
#include "kernel.h"
#include "simd/simd.h"

/* `some` rows of w, a constant at every call. */
INLINE void mul_acc_some(const int some, float *restrict y, const float *restrict x, const float *restrict w, int64_t columns, int64_t w_row)
{
    int64_t n = 0;
    for (; n + VL <= columns; n += VL) {
        vf sum = vf_ld(y + n);
#pragma GCC unroll 8
        for (int i = 0; i < some; i++) sum = vf_fma(vf_set(x[i]), vf_ld(w + i * w_row + n), sum);
        vf_st(y + n, sum);
    }
    for (int64_t rest = columns % VL; rest > 0; rest--, n++) {
        float sum = y[n];
        for (int i = 0; i < some; i++) sum = sf_fma(x[i], w[i * w_row + n], sum);
        y[n] = sum;
    }
}

KERNEL void mul_acc(float *restrict y, const float *restrict x, const float *restrict w, int64_t rows, int64_t k, int64_t columns, int64_t parts,
                    int64_t y_row, int64_t y_part, int64_t x_row, int64_t w_row, int64_t w_part)
{
    int64_t i = 0;
    for (; i + 8 <= k; i += 8)
        for (int64_t row = 0; row < rows; row++)
            for (int64_t p = 0; p < parts; p++)
                mul_acc_some(8, y + row * y_row + p * y_part, x + row * x_row + i, w + i * w_row + p * w_part, columns, w_row);
    for (; i < k; i++)
        for (int64_t row = 0; row < rows; row++)
            for (int64_t p = 0; p < parts; p++)
                mul_acc_some(1, y + row * y_row + p * y_part, x + row * x_row + i, w + i * w_row + p * w_part, columns, w_row);
}
