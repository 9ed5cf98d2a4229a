/* kernels.h - kernels as the compiler writes them, for tests of the device functions together: a product on tensor cores and a softmax.
 *
 * PLANT plants a mistake: tests/cuda/mistakes.sh wants each to be found. */
#ifndef TESTS_CUDA_KERNELS_H
#define TESTS_CUDA_KERNELS_H
#include "onnxcc_device.h"

enum {
    NO_MISTAKE,
    SHORT_WAIT,       /* the main loop waits for one stage too few */
    NO_LOOP_BARRIER,  /* no barrier in the main loop */
    NO_REUSE_BARRIER, /* no barrier between two uses of the reduction's buffer */
    NO_COLUMN_GUARD,  /* columns beyond the last are stored */
    DIVERGENT_SHUFFLE,
    MISALIGNED_ROWS,
    EARLY_RETURN /* warps leave before a barrier */
};
#ifndef PLANT
#define PLANT NO_MISTAKE
#endif

/* -- c[m][n] = out(sum over k of a[m][k] * b[n][k]), float16 with sums in float ------------------------------------------------------------------
 *
 * A block makes TILE_M x TILE_N elements with 4 warps, each 32 x 32. STAGES tiles of TILE_K columns are under way at a time. Rows of shared memory
 * are 8 elements longer than TILE_K, so that the 8 rows of a matrix lie in different banks. k is a multiple of 8. */
enum { TILE_M = 64, TILE_N = 64, TILE_K = 32, STAGES = 3, ROW = TILE_K + (PLANT == MISALIGNED_ROWS ? 4 : 8), GEMM_THREADS = 128 };
enum { GEMM_SHARED = STAGES * (TILE_M + TILE_N) * ROW * 2 };

/* The hook: what becomes of a sum. */
OCC_DEVICE float gemm_out(float sum, int n, const float *bias)
{
    const float v = sum + bias[n];
    return 0.5f * v * (1.0f + erff(v * 0.70710678f));
}

/* Rows `row` to row + 63 and columns k to k + 31 of x[rows][columns] to a stage; zeros beyond the last of either. */
OCC_DEVICE void gemm_copy(uint16_t *stage, const uint16_t *x, int row, int k, int rows, int columns)
{
    for (int i = 0; i < TILE_M * TILE_K / 8 / GEMM_THREADS; i++) {
        const int chunk = static_cast<int>(threadIdx.x) + i * GEMM_THREADS, r = chunk / (TILE_K / 8), c = chunk % (TILE_K / 8) * 8;
        const bool inside = row + r < rows && k + c < columns;
        occ_cp_async16(stage + r * ROW + c, x + (inside ? static_cast<size_t>(row + r) * static_cast<size_t>(columns) + static_cast<size_t>(k + c) : 0),
                       inside ? 16 : 0);
    }
}

/* d[i][j] += the products of a stage: i in steps of 16 rows, j in steps of 8 columns. */
OCC_DEVICE void gemm_multiply(float d[2][4][4], const uint16_t *a, const uint16_t *b)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    OCC_UNROLL
    for (int k = 0; k < TILE_K; k += 16) {
        uint32_t fa[2][4], fb[2][4];
        OCC_UNROLL
        for (int i = 0; i < 2; i++) occ_ldmatrix_x4(fa[i], a + (i * 16 + lane % 16) * ROW + k + lane / 16 * 8);
        OCC_UNROLL
        for (int j = 0; j < 2; j++) occ_ldmatrix_x4(fb[j], b + (j * 16 + lane % 8 + lane / 16 * 8) * ROW + k + lane / 8 % 2 * 8);
        OCC_UNROLL
        for (int i = 0; i < 2; i++)
            OCC_UNROLL
            for (int j = 0; j < 4; j++) occ_mma_f16(d[i][j], fa[i], fb[j / 2] + j % 2 * 2);
    }
}

OCC_KERNEL(gemm, GEMM_THREADS)(uint16_t *c, const uint16_t *a, const uint16_t *b, const float *bias, int m_size, int n_size, int k_size)
{
    OCC_DYNAMIC_SHARED(uint16_t, stages);
    uint16_t *const stages_b = stages + STAGES * TILE_M * ROW;
    const int t = static_cast<int>(threadIdx.x), lane = t % 32, warp = t / 32;
    const int m0 = static_cast<int>(blockIdx.y) * TILE_M, n0 = static_cast<int>(blockIdx.x) * TILE_N, wm = warp % 2 * 32, wn = warp / 2 * 32;
    const int steps = (k_size + TILE_K - 1) / TILE_K;
    float d[2][4][4] = {};
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            gemm_copy(stages + s * TILE_M * ROW, a, m0, s * TILE_K, m_size, k_size);
            gemm_copy(stages_b + s * TILE_N * ROW, b, n0, s * TILE_K, n_size, k_size);
        }
        occ_cp_async_commit();
    }
    for (int s = 0; s < steps; s++) {
        occ_cp_async_wait<PLANT == SHORT_WAIT ? STAGES - 1 : STAGES - 2>();
        if (PLANT != NO_LOOP_BARRIER) __syncthreads();
        const int next = s + STAGES - 1;
        if (next < steps) {
            gemm_copy(stages + next % STAGES * TILE_M * ROW, a, m0, next * TILE_K, m_size, k_size);
            gemm_copy(stages_b + next % STAGES * TILE_N * ROW, b, n0, next * TILE_K, n_size, k_size);
        }
        occ_cp_async_commit();
        gemm_multiply(d, stages + (s % STAGES * TILE_M + wm) * ROW, stages_b + (s % STAGES * TILE_N + wn) * ROW);
    }
    occ_cp_async_wait<0>();
    OCC_UNROLL
    for (int i = 0; i < 2; i++)
        OCC_UNROLL
        for (int j = 0; j < 4; j++)
            OCC_UNROLL
            for (int r = 0; r < 4; r++) {
                const int m = m0 + wm + i * 16 + lane / 4 + r / 2 * 8, n = n0 + wn + j * 8 + lane % 4 * 2 + r % 2;
                if (m < m_size && (n < n_size || PLANT == NO_COLUMN_GUARD))
                    c[static_cast<size_t>(m) * static_cast<size_t>(n_size) + static_cast<size_t>(n)] = occ_float_to_f16(gemm_out(d[i][j][r], n, bias));
            }
}

/* -- softmax: a block for a row of n elements ------------------------------------------------------------------------------------------------------ */

enum { SOFTMAX_THREADS = 128, SOFTMAX_WARPS = SOFTMAX_THREADS / 32 };

OCC_KERNEL(softmax, SOFTMAX_THREADS)(float *y, const float *x, int n)
{
    OCC_SHARED(float, partial, [SOFTMAX_WARPS]);
    const int t = static_cast<int>(threadIdx.x);
    x += static_cast<size_t>(blockIdx.x) * static_cast<size_t>(n);
    y += static_cast<size_t>(blockIdx.x) * static_cast<size_t>(n);
    if (PLANT == EARLY_RETURN && t / 32 * 32 >= n) return;
    float largest = -INFINITY;
    for (int i = t; i < n; i += SOFTMAX_THREADS) largest = fmaxf(largest, x[i]);
    if (PLANT != DIVERGENT_SHUFFLE || t % 32 < n)
        for (int o = 16; o > 0; o >>= 1) largest = fmaxf(largest, occ_shfl_xor(largest, o));
    if (t % 32 == 0) partial[t / 32] = largest;
    __syncthreads();
    for (int w = 0; w < SOFTMAX_WARPS; w++) largest = fmaxf(largest, partial[w]);
    if (PLANT != NO_REUSE_BARRIER) __syncthreads();
    float sum = 0.0f;
    for (int i = t; i < n; i += SOFTMAX_THREADS) sum += expf(x[i] - largest);
    for (int o = 16; o > 0; o >>= 1) sum += occ_shfl_xor(sum, o);
    if (t % 32 == 0) partial[t / 32] = sum;
    __syncthreads();
    sum = 0.0f;
    for (int w = 0; w < SOFTMAX_WARPS; w++) sum += partial[w];
    for (int i = t; i < n; i += SOFTMAX_THREADS) y[i] = expf(x[i] - largest) / sum;
}
#endif
