/* qconv.c - direct convolution of bytes with an epilogue; one to three spatial dimensions, groups, any kernel, stride and dilation.
 *
 *   OUT(sum over ic, kd, kh, kw of X[n][ic][od*SD + kd*DD][oh*SH + kh*DH][ow*SW + kw*DW] * (W[oc][ic][kd][kh][kw] + WZ),
 *       n, oc / VL, od * OH + oh, ow, oc % VL)
 *
 * that begins with the bias of oc, with X unsigned, W signed and sums in int32, exact (they wrap). X's spatial index 0 is the first cell of the halo: padding lies in memory.
 *
 * arguments  x  uint8, in blocks of XB channels, a multiple of 4: channel c of group g is lane c % XB of block g * IC / XB + c / XB; lanes beyond
 *               the last channel hold anything. Strides in elements: X_N image, X_C channel block, X_D, X_H, X_W; the first cell is element X_AT
 *            w  int8 [GROUPS][ceil(OC / NR)][ceil(IC / XB)][KD][KH][KW][XB / 4][NR][4] with NR = NV * VL, zero where oc or ic are beyond the last
 *            bias  int32 [GROUPS * OC and up to NR behind them]
 * range      [lo, hi) of output rows: row = (n * OD + od) * OH + oh
 * fixed      RY RX NV  rows, pixels of a row, and output vectors of the register tile; single rows do what RY leaves over
 *            NVT    vectors used of a group's last NR channels, 1..NV      RT  pixels of the tile for what RX leaves over; then single pixels
 *            IC OC  channels per group      OC_LANES  channels per group that OUT_V may be called for; OUT_S does the others (see conv.c)
 *            WZ     added to every weight; where it is not 0, sums of X are kept besides
 * free       ROWS   rows that are computed for one weight block before the next, so that their input stays in the L2 cache */
#include "kernel.h"
#include "simd/simd.h"

/* `py` rows from `row` on, `px` pixels from ow on and `nv` vectors from oc on (its group's first channel is oc0); constants at every call. */
INLINE void qconv_tile(const int py, const int px, const int nv, const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict bias, int64_t n, int64_t oc0, int64_t oc,
                       int64_t row, int64_t ow HOOK_PARAMS)
{
    vi acc[RY * RX][NV], sum[RY * RX];
    const uint8_t one[4] = {1, 1, 1, 1}, rest[4] = {1, IC % 4 > 1, IC % 4 > 2, 0}; /* of four channels, those that there are */
    const vb ones = vb_set_u8(one), some = vb_set_u8(rest);
#pragma GCC unroll 32
    for (int p = 0; p < py * px; p++) {
        sum[p] = vi_set(0);
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[p][j] = vi_ld(bias + oc + j * VL);
    }
    for (int64_t block = 0; block < (IC + XB - 1) / XB; block++) {
        const int64_t lanes = IC % XB == 0 || block < IC / XB ? XB : IC % XB;
        for (int64_t tap = 0; tap < KD * KH * KW; tap++) {
            const int64_t kd = tap / (KH * KW), kh = tap / KW % KH, kw = tap % KW;
            const uint8_t *xt = x + block * X_C + kd * DD * X_D + kh * DH * X_H + kw * DW * X_W;
#pragma GCC unroll 4
            for (int64_t i = 0; i < lanes; i += 4) {
                vb wi[NV];
#pragma GCC unroll 8
                for (int j = 0; j < nv; j++) wi[j] = vb_ld_s8(w + (i * NV + j * 4) * VL);
#pragma GCC unroll 32
                for (int p = 0; p < py * px; p++) {
                    const vb xp = vb_set_u8(xt + p / px * SH * X_H + p % px * SW * X_W + i);
#pragma GCC unroll 8
                    for (int j = 0; j < nv; j++) acc[p][j] = vi_dot4(acc[p][j], xp, wi[j]);
                    if (WZ != 0) sum[p] = vi_dot4(sum[p], xp, IC % 4 == 0 || block * XB + i + 4 <= IC ? ones : some);
                }
            }
            w += XB * NV * VL;
        }
    }
    if (WZ != 0) {
#pragma GCC unroll 32
        for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) acc[p][j] = vi_add(acc[p][j], vi_mul(sum[p], vi_set(WZ)));
        }
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
    int32_t lane[RY * RX][NV * VL];
#pragma GCC unroll 32
    for (int p = 0; p < py * px; p++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) vi_st(lane[p] + j * VL, acc[p][j]);
    }
    for (int p = 0; p < py * px; p++) {
        int64_t c = oc;
        for (; c + VL <= oc0 + OC_LANES && c < oc + nv * VL; c += VL) OUT_V(vi_ld(lane[p] + (c - oc)), n, c / VL, row + p / px, ow + p % px, c % VL HOOK_ARGS);
        for (; c < oc0 + OC && c < oc + nv * VL; c++) OUT_S(lane[p][c - oc], n, c / VL, row + p / px, ow + p % px, c % VL HOOK_ARGS);
    }
}

INLINE void qconv_rows(const int py, const int nv, const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict bias, int64_t n, int64_t oc0, int64_t oc, int64_t row HOOK_PARAMS)
{
    int64_t ow = 0;
    for (; ow + RX <= OW; ow += RX) qconv_tile(py, RX, nv, x + ow * SW * X_W, w, bias, n, oc0, oc, row, ow HOOK_ARGS);
    if (OW % RX == 0) return;
    for (; ow + RT <= OW; ow += RT) qconv_tile(py, RT, nv, x + ow * SW * X_W, w, bias, n, oc0, oc, row, ow HOOK_ARGS);
    if (OW % RX % RT == 0) return;
    for (; ow < OW; ow++) qconv_tile(py, 1, nv, x + ow * SW * X_W, w, bias, n, oc0, oc, row, ow HOOK_ARGS);
}

KERNEL void qconv(const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict bias, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t blocks = (OC + NV * VL - 1) / (NV * VL);
    const int64_t block_size = (int64_t)((IC + XB - 1) / XB) * (KD * KH * KW * XB * NV * VL);
    for (int64_t first = lo; first < hi; first += ROWS) {
        const int64_t last = first + ROWS < hi ? first + ROWS : hi;
        for (int64_t block = 0; block < GROUPS * blocks; block++) {
            const int64_t g = block / blocks, oc0 = g * OC, oc = oc0 + block % blocks * (NV * VL);
            const int8_t *wb = w + block * block_size;
            for (int64_t row = first, rows; row < last; row += rows) {
                const int64_t n = row / OH / OD, od = row / OH % OD, oh = row % OH;
                const uint8_t *xr = x + (X_AT + n * X_N + g * (IC / XB) * X_C + od * SD * X_D + oh * SH * X_H);
                const int whole = NVT == NV || oc + NV * VL <= oc0 + OC;
                rows = oh + RY <= OH && row + RY <= last ? RY : 1;
                if (rows == RY && whole) qconv_rows(RY, NV, xr, wb, bias, n, oc0, oc, od * OH + oh HOOK_ARGS);
                else if (rows == RY) qconv_rows(RY, NVT, xr, wb, bias, n, oc0, oc, od * OH + oh HOOK_ARGS);
                else if (whole) qconv_rows(1, NV, xr, wb, bias, n, oc0, oc, od * OH + oh HOOK_ARGS);
                else qconv_rows(1, NVT, xr, wb, bias, n, oc0, oc, od * OH + oh HOOK_ARGS);
            }
        }
    }
}
