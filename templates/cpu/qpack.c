/* qpack.c - panels of bytes for qgemm.c from a matrix that is known at run time only.
 *
 *   panels[batch][n / NR][k / 4][n % NR][k % 4] = B[batch][k][n] - OFF, zero beyond N and K
 *
 * arguments  y  int8 panels [BATCH][ceil(N / NR)][ceil(K / 4)][NR][4], NR = NV * VL
 *            b  bytes; element [k][n] of matrix `batch` is element B_AT + k * B_K + n * B_N
 * range      [lo, hi) of panels of all matrices
 * fixed      B_T  type of b: uint8_t or int8_t      OFF  0, or 128 where B_T is uint8_t, to make it signed
 *            NV   as in qgemm.c
 * free       N K BATCH B_K B_N, and B_AT: an expression of batch_index, the matrix
 *
 * Columns side by side in memory are taken a vector of each of four rows at a time, columns that lie along k four bytes at a time. */
#include "kernel.h"
#include "simd/simd.h"

/* Four k of one column, `stride` apart, `left` of them inside the matrix. */
INLINE void qpack_column(int8_t *y, const B_T *b, int64_t stride, int64_t left)
{
    for (int64_t i = 0; i < 4; i++) y[i] = i < left ? (int8_t)(b[i * stride] - OFF) : 0;
}

/* The same where the four lie side by side. */
INLINE void qpack_word(int8_t *y, const B_T *b)
{
    uint32_t w;
    memcpy(&w, b, sizeof w);
    if (OFF != 0) w ^= 0x80808080u;
    memcpy(y, &w, sizeof w);
}

KERNEL void qpack(int8_t *restrict y, const B_T *restrict b, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL);
    for (int64_t panel = lo; panel < hi; panel++) {
        const int64_t batch_index = panel / panels;
        (void)batch_index;
        const int64_t n = panel % panels * NV * VL;
        const int64_t columns = n + NV * VL <= N ? NV * VL : N - n;
        const B_T *from = b + B_AT + n * B_N;
        int8_t *to = y + panel * ((K + 3) / 4 * 4 * NV * VL);
        for (int64_t k = 0; k < K; k += 4, from += 4 * B_K, to += 4 * NV * VL) {
            int64_t j = 0;
            if (B_N == 1 && k + 4 <= K)
                for (; j + VL <= columns; j += VL) {
                    const vb four = vb_rows_u8((const uint8_t *)from + j, B_K);
                    vb_st_s8(to + 4 * j, OFF != 0 ? vb_flip(four) : four);
                }
            else if (B_K == 1 && k + 4 <= K)
                for (; j < columns; j++) qpack_word(to + 4 * j, from + j * B_N);
            for (; j < columns; j++) qpack_column(to + 4 * j, from + j * B_N, B_K, K - k);
            for (; j < NV * VL; j++) qpack_column(to + 4 * j, from, B_K, 0);
        }
    }
}
