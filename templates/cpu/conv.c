/* conv.c - direct float32 convolution with an epilogue; one to three spatial dimensions, groups, any kernel, stride and dilation.
 *
 *   OUT(sum over ic, kd, kh, kw of X[n][ic][od*SD + kd*DD][oh*SH + kh*DH][ow*SW + kw*DW] * W[oc][ic][kd][kh][kw],
 *       n, oc / VL, od * OH + oh, ow, oc % VL)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory, so there are no edge cases.
 *
 * arguments  x  in blocks of XB channels: channel c of group g is lane c % XB of block g * IC / XB + c / XB. Strides in elements: X_N image,
 *               X_C channel block, X_D, X_H, X_W; the first cell is element X_AT. XB = VL reads NCHWc, XB = 1 NCHW, XB = IC NHWC.
 *            w  [GROUPS][ceil(OC / NR)][ceil(IC / CB)][KD][KH][KW][CB][NR] with NR = NV * VL, zero where oc is beyond OC
 * range      [lo, hi) of share * LINES + row: output rows, row = (n * OD + od) * OH + oh of LINES; a share is a part of the blocks of output channels
 * fixed      RY RX NV  rows, pixels of a row, and output vectors of the register tile; single rows do what RY leaves over
 *            NVT    vectors used of a group's last NR channels, 1..NV      RT  pixels of the tile for what RX leaves over; then single pixels
 *            CB     channels that are added up at one tap before the next tap: a multiple of XB. Results depend on it
 *            IC OC  channels per group      OC_LANES  channels per group that OUT_V may be called for; OUT_S does the others. OC, or OC rounded
 *            up to whole vectors where OUT_V stands lanes beyond OC, or 0 where groups do not begin at whole vectors
 *            AHEAD  cache lines of the next weight block to prefetch at each tap, so that all of it is there when it is needed: less than 4, or a multiple of 4,
 *                   which are from four parts of it, for a cache fetches faster from several pages than from one
 *            STEP   blocks of CB channels that are added up for ROWS rows before the next ones, so that their weights stay in the L1 cache
 *            SUMS   sums that are kept between them: ROWS * OW * NR; 1 where STEP is all blocks
 *            PARTS  shares; with 1 LINES is not used
 * free       ROWS   rows that are computed for one weight block before the next, so that their input stays in the L2 cache
 *
 * Each element is one chain of fused multiply-adds from 0 over blocks of CB channels, kd, kh, kw, channel: its bits depend on no tile
 * and no range. */
#include "kernel.h"
#include "simd/simd.h"

/* The blocks [from, to) of CB channels for `py` rows from `row` on, `px` pixels from ow on and `nv` vectors from oc on (its group's first channel is oc0); py, px, nv
 * are constants at every call. sums: those of the blocks before, [py * px][nv][VL]. ahead: what of the next weights is to be prefetched meanwhile. */
INLINE void conv_tile(const int py, const int px, const int nv, const float *restrict x, const float *restrict w, const float *ahead, float *restrict sums, int64_t from,
                      int64_t to, int64_t n, int64_t oc0, int64_t oc, int64_t row, int64_t ow HOOK_PARAMS)
{
    const int64_t parts = AHEAD < 4 ? 1 : 4, size = (int64_t)STEP * (KD * KH * KW * CB * NV * VL);
    vf acc[RY * RX][NV];
#pragma GCC unroll 32
    for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[p][j] = STEP * CB < IC && from > 0 ? vf_ld(sums + (p * nv + j) * VL) : vf_set(0.0f);
    }
    for (int64_t block = from; block < to; block++) {
        const int64_t channels = IC % CB == 0 || block < IC / CB ? CB : IC % CB;
        const float *xb = x + block * (CB / XB) * X_C;
        for (int64_t kd = 0; kd < KD; kd++) {
            for (int64_t kh = 0; kh < KH; kh++) {
                for (int64_t kw = 0; kw < KW; kw++) {
                    const float *xt = xb + kd * DD * X_D + kh * DH * X_H + kw * DW * X_W;
                    if (KD * KH * KW > 1) SIMD_FORGET(xt); /* else gcc counts along an address of each pixel, in more registers than there are */
                    for (int line = 0; line < AHEAD; line++) SIMD_PREFETCH(ahead + line % parts * (size / parts) + line / parts * 16);
                    ahead += AHEAD / parts * 16;
                    for (int64_t first = 0; first < channels; first += XB, xt += X_C) {
                        const int64_t lanes = CB == XB || first + XB > channels ? channels - first : XB;
                        const float *wt = w + first * NV * VL;
#pragma GCC unroll 2
                        for (int64_t i = 0; i < lanes; i++) {
                            vf wi[NV];
#pragma GCC unroll 8
                            for (int j = 0; j < nv; j++) wi[j] = vf_ld(wt + (i * NV + j) * VL);
#pragma GCC unroll 32
                            for (int p = 0; p < py * px; p++) {
                                const vf xp = vf_set(xt[p / px * SH * X_H + p % px * SW * X_W + i]);
#pragma GCC unroll 8
                                for (int j = 0; j < nv; j++) acc[p][j] = vf_fma(xp, wi[j], acc[p][j]);
                            }
                        }
                    }
                    w += CB * NV * VL;
                }
            }
        }
    }
    if (STEP * CB < IC && to * CB < IC) {
#pragma GCC unroll 32
        for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) vf_st(sums + (p * nv + j) * VL, acc[p][j]);
        }
        return;
    }
    SIMD_FENCE();
    if ((OC_LANES >= OC && OC_LANES % VL == 0) || oc + nv * VL <= oc0 + OC_LANES) {
#pragma GCC unroll 32
        for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) OUT_V(acc[p][j], n, oc / VL + j, row + p / px, ow + p % px, oc % VL HOOK_ARGS);
        }
        return;
    }
    float lane[RY * RX][NV * VL];
#pragma GCC unroll 32
    for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) vf_st(lane[p] + j * VL, acc[p][j]);
    }
    for (int p = 0; p < py * px; p++) {
        int64_t c = oc;
        for (; c + VL <= oc0 + OC_LANES && c < oc + nv * VL; c += VL) OUT_V(vf_ld(lane[p] + (c - oc)), n, c / VL, row + p / px, ow + p % px, c % VL HOOK_ARGS);
        for (; c < oc0 + OC && c < oc + nv * VL; c++) OUT_S(lane[p][c - oc], n, c / VL, row + p / px, ow + p % px, c % VL HOOK_ARGS);
    }
}

/* `py` rows; sums: [py * OW][nv][VL]. */
INLINE void conv_rows(const int py, const int nv, const float *restrict x, const float *restrict w, const float *ahead, float *restrict sums, int64_t from, int64_t to,
                      int64_t n, int64_t oc0, int64_t oc, int64_t row HOOK_PARAMS)
{
    const int64_t pixel = STEP * CB < IC ? py * nv * VL : 0, tile_ahead = (int64_t)STEP * (KD * KH * KW * (AHEAD < 4 ? AHEAD : AHEAD / 4) * 16);
    int64_t ow = 0;
    for (; ow + RX <= OW; ow += RX, ahead += tile_ahead) conv_tile(py, RX, nv, x + ow * SW * X_W, w, ahead, sums + ow * pixel, from, to, n, oc0, oc, row, ow HOOK_ARGS);
    if (OW % RX == 0) return;
    for (; ow + RT <= OW; ow += RT) conv_tile(py, RT, nv, x + ow * SW * X_W, w, ahead, sums + ow * pixel, from, to, n, oc0, oc, row, ow HOOK_ARGS);
    if (OW % RX % RT == 0) return;
    for (; ow < OW; ow++) conv_tile(py, 1, nv, x + ow * SW * X_W, w, ahead, sums + ow * pixel, from, to, n, oc0, oc, row, ow HOOK_ARGS);
}

/* Rows [first, last) for the blocks [from, to) of CB channels and one group of output channels. ahead: the weights that are read next. */
INLINE void conv_group(const float *restrict x, const float *restrict w, const float *ahead, float *restrict sums, int64_t first, int64_t last, int64_t from, int64_t to,
                       int64_t oc0, int64_t oc HOOK_PARAMS)
{
    const int64_t row_ahead = (OW + RX - 1) / RX * ((int64_t)STEP * (KD * KH * KW * (AHEAD < 4 ? AHEAD : AHEAD / 4) * 16));
    const int whole = NVT == NV || oc + NV * VL <= oc0 + OC;
    for (int64_t row = first, rows; row < last; row += rows) {
        const int64_t n = row / OH / OD, od = row / OH % OD, oh = row % OH;
        const float *xr = x + (X_AT + n * X_N + od * SD * X_D + oh * SH * X_H);
        const float *next = ahead + (row - first) / RY * row_ahead % ((int64_t)STEP * (KD * KH * KW * CB * NV * VL));
        float *kept = sums + (STEP * CB < IC ? (row - first) * OW * NV * VL : 0);
        rows = oh + RY <= OH && row + RY <= last ? RY : 1;
        if (rows == RY && whole) conv_rows(RY, NV, xr, w, next, kept, from, to, n, oc0, oc, od * OH + oh HOOK_ARGS);
        else if (rows == RY) conv_rows(RY, NVT, xr, w, next, kept, from, to, n, oc0, oc, od * OH + oh HOOK_ARGS);
        else if (whole) conv_rows(1, NV, xr, w, next, kept, from, to, n, oc0, oc, od * OH + oh HOOK_ARGS);
        else conv_rows(1, NVT, xr, w, next, kept, from, to, n, oc0, oc, od * OH + oh HOOK_ARGS);
    }
}

/* Rows [lo, hi) for the blocks [from, to) of weights. */
INLINE void conv_blocks(const float *restrict x, const float *restrict w, int64_t lo, int64_t hi, int64_t from, int64_t to HOOK_PARAMS)
{
    const int64_t blocks = (OC + NV * VL - 1) / (NV * VL), all = (IC + CB - 1) / CB, size = KD * KH * KW * CB * NV * VL;
    float sums[SUMS];
    for (int64_t first = lo; first < hi; first += ROWS) {
        const int64_t last = first + ROWS < hi ? first + ROWS : hi;
        for (int64_t block = from; block < to; block++) {
            const int64_t g = block / blocks, oc0 = g * OC, oc = oc0 + block % blocks * (NV * VL);
            const float *xg = x + g * (IC / XB) * X_C, *wb = w + block * all * size, *next = block + 1 < to ? wb + all * size : w + from * all * size;
            for (int64_t k = 0, end; k < all; k = end) {
                end = k + STEP < all ? k + STEP : all;
                conv_group(xg, wb + k * size, end < all ? wb + end * size : next, sums, first, last, k, end, oc0, oc HOOK_ARGS);
            }
        }
    }
}

KERNEL void conv(const float *restrict x, const float *restrict w, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t all = GROUPS * ((OC + NV * VL - 1) / (NV * VL));
    for (int64_t at = lo, end; at < hi; at = end) {
        const int64_t share = PARTS > 1 ? at / LINES : 0, before = PARTS > 1 ? share * LINES : 0;
        end = PARTS > 1 && before + LINES < hi ? before + LINES : hi;
        conv_blocks(x, w, at - before, end - before, all * share / PARTS, all * (share + 1) / PARTS HOOK_ARGS);
    }
}
