/* product.cu - matrix product with an epilogue, as a pipeline of tiles in shared memory.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * arguments  a, b  the operands; matrix `batch` begins at A_AT and B_AT, the rest A_TILE and B_TILE know
 * grid       BATCH * ceil(M / BM) * ceil(N / BN) blocks of THREADS threads, with STAGES * (A_SIZE + B_SIZE) elements of type S of shared memory
 * fixed      T S        types of the operands and of what the tiles hold
 *            BM BN BK   tile of a block       STAGES  tiles of A and B that are on their way or in use
 *            ACC        elements of the result that a thread has
 *            A_TILE B_TILE      functions that fetch tiles of BM and BN lines by BK, of A_SIZE and B_SIZE elements (tile.cu, tile_conv.cu, tile16.cu, ...)
 *            MULTIPLY           adds the products of two tiles to a thread's elements (multiply_tf32.cu, multiply_f16.cu, multiply_fma.cu)
 *            PLACE              says where in the tile an element of a thread is (place_mma.cu, place_fma.cu)
 * free       M N K BATCH, and A_AT B_AT: expressions of batch_index, the matrix
 *
 * Tiles come by asynchronous copies, STAGES - 1 ahead of the products. Each element is one chain over k. */
#include "kernel.h"

OCC_KERNEL(product, THREADS)(const T *restrict a, const T *restrict b HOOK_PARAMS)
{
    OCC_DYNAMIC_SHARED(S, tiles);
    const int64_t across = (N + BN - 1) / BN, down = (M + BM - 1) / BM;
    const int64_t batch_index = (int64_t)blockIdx.x / (across * down);
    const int64_t m0 = (int64_t)blockIdx.x / across % down * BM, n0 = (int64_t)blockIdx.x % across * BN;
    const T *am = a + A_AT, *bm = b + B_AT;
    float acc[ACC];
    OCC_UNROLL
    for (int e = 0; e < ACC; e++) acc[e] = 0.0f;
    for (int s = 0; s < STAGES - 1; s++) {
        S *at = tiles + s * (A_SIZE + B_SIZE);
        if (s * BK < K) {
            A_TILE(at, am, m0, s * BK PART_ARGS);
            B_TILE(at + A_SIZE, bm, n0, s * BK PART_ARGS);
        }
        occ_cp_async_commit();
    }
    int now = 0, next = STAGES - 1;
    for (int64_t k = 0; k < K; k += BK) {
        occ_cp_async_wait<STAGES - 2>();
        __syncthreads();
        const int64_t ahead = k + (STAGES - 1) * BK;
        if (ahead < K) {
            S *at = tiles + next * (A_SIZE + B_SIZE);
            A_TILE(at, am, m0, ahead PART_ARGS);
            B_TILE(at + A_SIZE, bm, n0, ahead PART_ARGS);
        }
        occ_cp_async_commit();
        MULTIPLY(acc, tiles + now * (A_SIZE + B_SIZE), tiles + now * (A_SIZE + B_SIZE) + A_SIZE PART_ARGS);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
    occ_cp_async_wait<0>();
    OCC_UNROLL
    for (int e = 0; e < ACC; e++) {
        int row, column;
        PLACE(e, &row, &column PART_ARGS);
        if (m0 + row < M && n0 + column < N) OUT_S(acc[e], batch_index, m0 + row, n0 + column HOOK_ARGS);
    }
}
