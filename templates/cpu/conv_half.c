/* conv_half.c - direct convolution of numbers of 16 bits with float32 sums with an epilogue; one to three spatial dimensions, groups, any kernel, stride and dilation.
 *
 *   OUT(sum over ic, kd, kh, kw of X[n][ic][od*SD + kd*DD][oh*SH + kh*DH][ow*SW + kw*DW] * W[oc][ic][kd][kh][kw],
 *       n, oc / VL, od * OH + oh, ow, oc % VL)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory, so there are no edge cases.
 *
 * arguments  x  bfloat16 or float16, in blocks of XB channels: channel c of group g is lane c % XB of block g * IC / XB + c / XB. Strides in elements: X_N image,
 *               X_C channel block, X_D, X_H, X_W; the first cell is element X_AT
 *            w  of the same type, [GROUPS][ceil(OC / NR)][ceil(IC / XB)][KD][KH][KW][XB / 2][NR][2] with NR = NV * VL, zero where oc is beyond OC
 * range      [lo, hi) of share * LINES + row, as in conv.c
 * fixed      ACC_T DOT2 TOTAL CHAIN  as in gemm_half.c, CHAIN a multiple of XB / 2
 *            RY RX NV NVT RT OC_LANES AHEAD PARTS  as in conv.c      XB  even      IC OC  channels per group, IC even
 * free       ROWS   rows that are computed for one weight block before the next, so that their input stays in the L2 cache
 *
 * Each element is one chain of DOT2 from 0 over blocks of XB channels, kd, kh, kw, pair of channels, or one for every CHAIN of them: its bits depend on no tile and no range. */
#include "kernel.h"
#include "simd/simd.h"

/* `py` rows from `row` on, `px` pixels from ow on and `nv` vectors from oc on (its group's first channel is oc0); constants at every call.
 * `ahead`: what of the next weights is to be prefetched meanwhile. */
INLINE void conv_half_tile(const int py, const int px, const int nv, const uint16_t *restrict x, const uint16_t *restrict w, const uint16_t *ahead, int64_t n,
                           int64_t oc0, int64_t oc, int64_t row, int64_t ow HOOK_PARAMS)
{
    const int64_t steps = (IC + XB - 1) / XB * (KD * KH * KW); /* blocks of channels at taps */
    vf sum[RY * RX][NV];
    int64_t from = 0, to;
    do {
        ACC_T acc[RY * RX][NV];
        to = CHAIN > 0 && from + CHAIN / (XB / 2) < steps ? from + CHAIN / (XB / 2) : steps;
#pragma GCC unroll 32
        for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) acc[p][j] = (ACC_T){0};
        }
        for (int64_t step = from; step < to; step++) {
            const int64_t block = step / (KD * KH * KW), tap = step % (KD * KH * KW), kd = tap / (KH * KW), kh = tap / KW % KH, kw = tap % KW;
            const int64_t lanes = IC % XB == 0 || block < IC / XB ? XB : IC % XB;
            const uint16_t *xt = x + block * X_C + kd * DD * X_D + kh * DH * X_H + kw * DW * X_W;
            for (int line = 0; line < AHEAD; line++) SIMD_PREFETCH(ahead + line * 32);
            ahead += AHEAD * 32;
#pragma GCC unroll 1
            for (int64_t i = 0; i < lanes; i += 2) {
                vh wi[NV];
#pragma GCC unroll 8
                for (int j = 0; j < nv; j++) wi[j] = vh_ld(w + (i * NV + j * 2) * VL);
#pragma GCC unroll 32
                for (int p = 0; p < py * px; p++) {
                    const vh xp = vh_set(xt + p / px * SH * X_H + p % px * SW * X_W + i);
#pragma GCC unroll 8
                    for (int j = 0; j < nv; j++) acc[p][j] = DOT2(acc[p][j], xp, wi[j]);
                }
            }
            w += XB * NV * VL;
        }
#pragma GCC unroll 32
        for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) sum[p][j] = from > 0 ? sum[p][j] + TOTAL(acc[p][j]) : TOTAL(acc[p][j]);
        }
        from = to;
    } while (CHAIN > 0 && to < steps);
    SIMD_FENCE();
    if ((OC_LANES >= OC && OC_LANES % VL == 0) || oc + nv * VL <= oc0 + OC_LANES) {
#pragma GCC unroll 32
        for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) OUT_V(sum[p][j], n, oc / VL + j, row + p / px, ow + p % px, oc % VL HOOK_ARGS);
        }
        return;
    }
    float lane[RY * RX][NV * VL];
#pragma GCC unroll 32
    for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) vf_st(lane[p] + j * VL, sum[p][j]);
    }
    for (int p = 0; p < py * px; p++) {
        int64_t c = oc;
        for (; c + VL <= oc0 + OC_LANES && c < oc + nv * VL; c += VL) OUT_V(vf_ld(lane[p] + (c - oc)), n, c / VL, row + p / px, ow + p % px, c % VL HOOK_ARGS);
        for (; c < oc0 + OC && c < oc + nv * VL; c++) OUT_S(lane[p][c - oc], n, c / VL, row + p / px, ow + p % px, c % VL HOOK_ARGS);
    }
}

INLINE void conv_half_rows(const int py, const int nv, const uint16_t *restrict x, const uint16_t *restrict w, const uint16_t *ahead, int64_t n,
                           int64_t oc0, int64_t oc, int64_t row HOOK_PARAMS)
{
    const int64_t tile_ahead = (int64_t)((IC + XB - 1) / XB) * (KD * KH * KW * AHEAD * 32);
    int64_t ow = 0;
    for (; ow + RX <= OW; ow += RX, ahead += tile_ahead) conv_half_tile(py, RX, nv, x + ow * SW * X_W, w, ahead, n, oc0, oc, row, ow HOOK_ARGS);
    if (OW % RX == 0) return;
    for (; ow + RT <= OW; ow += RT) conv_half_tile(py, RT, nv, x + ow * SW * X_W, w, ahead, n, oc0, oc, row, ow HOOK_ARGS);
    if (OW % RX % RT == 0) return;
    for (; ow < OW; ow++) conv_half_tile(py, 1, nv, x + ow * SW * X_W, w, ahead, n, oc0, oc, row, ow HOOK_ARGS);
}

/* Rows [lo, hi) for the blocks [from, to) of weights. */
INLINE void conv_half_blocks(const uint16_t *restrict x, const uint16_t *restrict w, int64_t lo, int64_t hi, int64_t from, int64_t to HOOK_PARAMS)
{
    const int64_t blocks = (OC + NV * VL - 1) / (NV * VL);
    const int64_t block_size = (int64_t)((IC + XB - 1) / XB) * (KD * KH * KW * XB * NV * VL);
    const int64_t row_ahead = (OW + RX - 1) / RX * ((int64_t)((IC + XB - 1) / XB) * (KD * KH * KW * AHEAD * 32));
    for (int64_t first = lo; first < hi; first += ROWS) {
        const int64_t last = first + ROWS < hi ? first + ROWS : hi;
        for (int64_t block = from; block < to; block++) {
            const int64_t g = block / blocks, oc0 = g * OC, oc = oc0 + block % blocks * (NV * VL);
            const uint16_t *wb = w + block * block_size;
            for (int64_t row = first, rows; row < last; row += rows) {
                const int64_t n = row / OH / OD, od = row / OH % OD, oh = row % OH;
                const uint16_t *xr = x + X_AT + n * X_N + g * (IC / XB) * X_C + od * SD * X_D + oh * SH * X_H;
                const int whole = NVT == NV || oc + NV * VL <= oc0 + OC;
                const uint16_t *next = block + 1 < to ? wb + block_size + (row - first) / RY * row_ahead % block_size : w + from * block_size;
                rows = oh + RY <= OH && row + RY <= last ? RY : 1;
                if (rows == RY && whole) conv_half_rows(RY, NV, xr, wb, next, n, oc0, oc, od * OH + oh HOOK_ARGS);
                else if (rows == RY) conv_half_rows(RY, NVT, xr, wb, next, n, oc0, oc, od * OH + oh HOOK_ARGS);
                else if (whole) conv_half_rows(1, NV, xr, wb, next, n, oc0, oc, od * OH + oh HOOK_ARGS);
                else conv_half_rows(1, NVT, xr, wb, next, n, oc0, oc, od * OH + oh HOOK_ARGS);
            }
        }
    }
}

KERNEL void conv_half(const uint16_t *restrict x, const uint16_t *restrict w, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t all = GROUPS * ((OC + NV * VL - 1) / (NV * VL));
    for (int64_t at = lo, end; at < hi; at = end) {
        const int64_t share = PARTS > 1 ? at / LINES : 0, before = PARTS > 1 ? share * LINES : 0;
        end = PARTS > 1 && before + LINES < hi ? before + LINES : hi;
        conv_half_blocks(x, w, at - before, end - before, all * share / PARTS, all * (share + 1) / PARTS HOOK_ARGS);
    }
}
