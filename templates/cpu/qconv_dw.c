/* qconv_dw.c - depthwise convolution of bytes on NCHWc (c = VL) with an epilogue; one filter per channel, lanes are channels.
 *
 *   OUT(sum over kh, kw of X[n][c][oh*SH + kh*DH][ow*SW + kw*DW] * (W[c][kh][kw] + WZ), n, c / VL, oh, ow, c % VL)
 *
 * that begins with the bias of c, with X unsigned, W signed and sums in int32. X's spatial index 0 is the first cell of the halo: padding lies in memory. Four neighbouring pixels of
 * a block are one load, which vb_turn makes four bytes of each channel; with a dilation along the row, four loads. Where a row of taps ends inside such a
 * four, its weights are zero, so up to 3 * DW pixels behind the last that is needed are read, whatever they hold.
 *
 * arguments  x  uint8 [N][ceil(C / VL)][rows][pixels][VL] with strides X_N, X_C, X_H in elements, pixels VL apart; the first cell is element X_AT
 *            w  int8 [ceil(C / VL)][KH][ceil(KW / 4)][VL][4], zero where c or kw are beyond the last
 *            bias  int32 [C, and up to VL behind them]
 * range      [lo, hi) of rows of images: row = n * OH + oh, in all blocks of channels
 * fixed      RX, RT  pixels of the register tile and of the second one, for what RX leaves over
 *            C_LANES  channels that OUT_V may be called for, C or more; OUT_S does the others
 *            WZ       added to every weight; where it is not 0, sums of X are kept besides */
#include "kernel.h"
#include "simd/simd.h"

/* `px` pixels, a constant at every call. */
INLINE void qconv_dw_tile(const int px, const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict bias, int64_t n, int64_t block, int64_t oh, int64_t ow HOOK_PARAMS)
{
    vi acc[RX], sum[RX];
#pragma GCC unroll 32
    for (int p = 0; p < px; p++) {
        acc[p] = vi_ld(bias + block * VL);
        sum[p] = vi_set(0);
    }
#pragma GCC unroll 1
    for (int64_t kh = 0; kh < KH; kh++) {
        const uint8_t *xk = x + kh * DH * X_H;
#pragma GCC unroll 4
        for (int64_t four = 0; four < (KW + 3) / 4; four++) {
            const vb wk = vb_ld_s8(w + (kh * ((KW + 3) / 4) + four) * (4 * VL));
#pragma GCC unroll 32
            for (int p = 0; p < px; p++) {
                const uint8_t *xp = xk + (p * SW + four * 4 * DW) * VL;
                acc[p] = vi_dot4(acc[p], DW == 1 ? vb_turn(xp) : vb_rows_u8(xp, DW * VL), wk);
            }
            if (WZ == 0) continue;
            const uint8_t tap[4] = {1, four * 4 + 1 < KW, four * 4 + 2 < KW, four * 4 + 3 < KW};
            const vb taps = vb_set_u8(tap);
#pragma GCC unroll 32
            for (int p = 0; p < px; p++) {
                const uint8_t *xp = xk + (p * SW + four * 4 * DW) * VL;
                sum[p] = vi_dot4(sum[p], DW == 1 ? vb_turn(xp) : vb_rows_u8(xp, DW * VL), taps);
            }
        }
    }
    if (WZ != 0) {
#pragma GCC unroll 32
        for (int p = 0; p < px; p++) acc[p] = vi_add(acc[p], vi_mul(sum[p], vi_set(WZ)));
    }
    SIMD_FENCE();
    if (C_LANES % VL == 0 || (block + 1) * VL <= C_LANES) {
#pragma GCC unroll 32
        for (int p = 0; p < px; p++) OUT_V(acc[p], n, block, oh, ow + p, 0 HOOK_ARGS);
        return;
    }
    int32_t lane[RX][VL];
#pragma GCC unroll 32
    for (int p = 0; p < px; p++) vi_st(lane[p], acc[p]);
    for (int p = 0; p < px; p++) {
        for (int64_t i = 0; i < VL && block * VL + i < C; i++) OUT_S(lane[p][i], n, block, oh, ow + p, i HOOK_ARGS);
    }
}

INLINE void qconv_dw_row(const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict bias, int64_t n, int64_t block, int64_t oh HOOK_PARAMS)
{
    int64_t ow = 0;
    for (; ow + RX <= OW; ow += RX) qconv_dw_tile(RX, x + ow * SW * VL, w, bias, n, block, oh, ow HOOK_ARGS);
    if (OW % RX == 0) return;
    for (; ow + RT <= OW; ow += RT) qconv_dw_tile(RT, x + ow * SW * VL, w, bias, n, block, oh, ow HOOK_ARGS);
    if (OW % RX % RT == 0) return;
    for (; ow < OW; ow++) qconv_dw_tile(1, x + ow * SW * VL, w, bias, n, block, oh, ow HOOK_ARGS);
}

KERNEL void qconv_dw(const uint8_t *restrict x, const int8_t *restrict w, const int32_t *restrict bias, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t row = lo, end; row < hi; row = end) {
        const int64_t n = row / OH;
        end = (n + 1) * OH < hi ? (n + 1) * OH : hi;
        for (int64_t block = 0; block < (C + VL - 1) / VL; block++) {
            const int64_t at = X_AT + n * X_N + block * X_C;
            const int8_t *wb = w + block * (KH * ((KW + 3) / 4) * (4 * VL));
            for (int64_t oh = row - n * OH; oh < end - n * OH; oh++) qconv_dw_row(x + (at + oh * SH * X_H), wb, bias, n, block, oh HOOK_ARGS);
        }
    }
}
