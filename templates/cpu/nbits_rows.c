/* nbits_rows.c - rows of floats as int8 in blocks of SIZE, each with a scale of its own, for nbits_int8.
 *
 *   scale[row][block] = max |a| / 127,   x[row][k] = round(a[row][k] * (127 / max |a|)),   start[row][block] = -ZERO * (sum of x)
 *
 * arguments  x      int8 [BATCH * M][blocks * SIZE], zero beyond K
 *            scale  float [BATCH * M][blocks]       start  int32, alike
 *            a      matrices [M][K], rows LDA elements apart; matrix `batch` begins at element A_AT
 * range      [lo, hi) of rows
 * fixed      SIZE   of a block, a multiple of 16
 *            ZERO   the zero point of all weights; 1 where each block has its own
 * free       M K BATCH LDA, and A_AT, an expression of batch_index, the matrix
 *
 * Where NaN or an infinity is in a block its scale is one of them, and so is the product. Blocks of numbers below 1e-36 are zero. */
#include "kernel.h"
#include "simd/simd.h"

/* The largest magnitude of SIZE floats; NaN wins. */
INLINE float nbits_rows_most(const float *a)
{
    vf all = vf_abs(vf_ld(a));
    for (int i = VL; i < SIZE; i += VL) all = vf_max(all, vf_abs(vf_ld(a + i)));
    return vf_hmax(all);
}

/* One block; returns the sum of its integers. */
INLINE int32_t nbits_rows_block(int8_t *restrict x, const float *restrict a, float *restrict scale)
{
    const float most = nbits_rows_most(a);
    const vf factor = vf_set(most >= 1e-36f ? 127.0f / most : 0.0f);
    int32_t lane[VL], sum = 0;
    vi all = vi_set(0);
    for (int i = 0; i < SIZE; i += VL) {
        const vi v = vf_to_i_in(vf_rint(vf_ld(a + i) * factor));
        all = vi_add(all, v);
        vi_st_s8(x + i, v);
    }
    vi_st(lane, all);
    for (int i = 0; i < VL; i++) sum += lane[i];
    *scale = most / 127.0f;
    return sum;
}

KERNEL void nbits_rows(int8_t *restrict x, float *restrict scale, int32_t *restrict start, const float *restrict a, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t blocks = (K + SIZE - 1) / SIZE;
    for (int64_t row = lo; row < hi; row++) {
        const int64_t batch_index = row / M;
        (void)batch_index; /* A_AT may be a number */
        const float *from = a + A_AT + row % M * LDA;
        for (int64_t b = 0; b < blocks; b++) {
            float last[SIZE] = {0};
            const float *block = from + b * SIZE;
            const int64_t at = row * blocks + b;
            if (K % SIZE != 0 && b + 1 == blocks) block = memcpy(last, block, (size_t)(K % SIZE) * sizeof *last);
            start[at] = -ZERO * nbits_rows_block(x + at * SIZE, block, scale + at);
        }
    }
}
