/* nbits_int8.c - matrix product of rows of int8 by weights of a few bits, both in blocks along k with scales of their own, with an epilogue.
 *
 *   OUT(sum over blocks b of scale[row][b] * ws[b][n] * sum over k in b of x[row][k] * (w[k][n] - zero[b][n]), batch, m, n)     row = batch * M + m
 *
 * arguments  x scale start   as nbits_rows.c makes them
 *            w      panels [ceil(N / NR)][BLOCKS][SIZE * BITS / 32][NR][4] of bytes with NR = NV * VL: bits h * BITS of byte i of group q hold
 *                   k = 4 * q + i + h * (SIZE * BITS / 8) of the block. Zero beyond N
 *            ws     scales [ceil(N / NR)][BLOCKS][NR]
 *            zeros  uint8, alike; not read without ZEROS
 * range      [lo, hi) of tiles, a tile being MC rows by one panel: tile = (batch * ceil(M / MC) + row block) * ceil(N / NR) + panel
 * fixed      MR NV MC MT  as in gemm.c       BITS  2, 4 or 8       SIZE  of a block, a multiple of 16
 *            ZEROS  1: each block of each column has its zero point; 0: it is in start
 *            AHEAD  bytes of w to prefetch ahead, 0: none
 * free       M N BLOCKS BATCH
 *
 * Sums within a block are exact, those over blocks are one chain of fused multiply-adds: the bits depend on no tile size and no range. */
#include "kernel.h"
#include "simd/simd.h"

/* `rows` rows from m on, one panel; rows <= MR is a constant at every call. */
INLINE void nbits_int8_tile(const int rows, const int8_t *restrict x, const float *restrict scale, const int32_t *restrict start, const uint8_t *restrict w,
                            const float *restrict ws, const uint8_t *restrict zeros, int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vf acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t b = 0; b < BLOCKS; b++) {
        vi sum[MR][NV];
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vi first = vi_set(start[r * BLOCKS + b]);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) sum[r][j] = ZEROS ? vi_mul(vi_ld_u8(zeros + (b * NV + j) * VL), first) : first;
        }
        for (int q = 0; q < SIZE * BITS / 32; q++) {
            const int8_t *xq = x + b * SIZE + q * 4;
#pragma GCC unroll 8
            for (int j = 0; AHEAD > 0 && j < NV * VL * 4; j += 64) SIMD_PREFETCH(w + AHEAD + j);
            vb bytes[NV];
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++, w += VL * 4) bytes[j] = vb_ld_u8(w);
#pragma GCC unroll 4
            for (int h = 0; h < 8 / BITS; h++) {
                vb code[NV];
#pragma GCC unroll 8
                for (int j = 0; j < NV; j++) code[j] = vb_field(bytes[j], h * BITS, BITS);
#pragma GCC unroll 32
                for (int r = 0; r < rows; r++) {
                    const vb xr = vb_set_s8(xq + r * BLOCKS * SIZE + h * (SIZE * BITS / 8));
#pragma GCC unroll 8
                    for (int j = 0; j < NV; j++) sum[r][j] = vi_dot4(sum[r][j], code[j], xr);
                }
            }
        }
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vf xs = vf_set(scale[r * BLOCKS + b]);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) acc[r][j] = vf_fma(vi_to_f(sum[r][j]), xs * vf_ld(ws + (b * NV + j) * VL), acc[r][j]);
        }
    }
    SIMD_FENCE();
    if (N % (NV * VL) == 0 || n + NV * VL <= N) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) OUT_V(acc[r][j], batch_index, m + r, n + j * VL HOOK_ARGS);
        }
        return;
    }
    /* The last panel: whole vectors, then single columns. */
    float row[MR][NV * VL];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) vf_st(row[r] + j * VL, acc[r][j]);
    }
    for (int r = 0; r < rows; r++) {
        int64_t i = n;
        for (; i + VL <= N; i += VL) OUT_V(vf_ld(row[r] + (i - n)), batch_index, m + r, i HOOK_ARGS);
        for (; i < N; i++) OUT_S(row[r][i - n], batch_index, m + r, i HOOK_ARGS);
    }
}

KERNEL void nbits_int8(const int8_t *restrict x, const float *restrict scale, const int32_t *restrict start, const uint8_t *restrict w, const float *restrict ws,
                       const uint8_t *restrict zeros, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL), blocks = (M + MC - 1) / MC;
    for (int64_t tile = lo; tile < hi; tile++) {
        const int64_t batch_index = tile / panels / blocks, panel = tile % panels, n = panel * NV * VL;
        int64_t m = tile / panels % blocks * MC, row = batch_index * M + m;
        const int64_t end = m + MC < M ? m + MC : M;
        const uint8_t *wn = w + n * BLOCKS * (SIZE * BITS / 8), *zn = ZEROS ? zeros + n * BLOCKS : zeros;
        const float *sn = ws + n * BLOCKS;
        for (; m + MR <= end; m += MR, row += MR)
            nbits_int8_tile(MR, x + row * BLOCKS * SIZE, scale + row * BLOCKS, start + row * BLOCKS, wn, sn, zn, batch_index, m, n HOOK_ARGS);
        if (M % MR != 0) {
            for (; m + MT <= end; m += MT, row += MT)
                nbits_int8_tile(MT, x + row * BLOCKS * SIZE, scale + row * BLOCKS, start + row * BLOCKS, wn, sn, zn, batch_index, m, n HOOK_ARGS);
            for (; m < end; m++, row++)
                nbits_int8_tile(1, x + row * BLOCKS * SIZE, scale + row * BLOCKS, start + row * BLOCKS, wn, sn, zn, batch_index, m, n HOOK_ARGS);
        }
    }
}
