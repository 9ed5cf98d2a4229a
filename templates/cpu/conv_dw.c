/* conv_dw.c - depthwise float32 convolution on NCHWc (c = VL) with an epilogue; one filter per channel, lanes are channels.
 *
 *   OUT(sum over kh, kw of X[n][c][oh*SH + kh*DH][ow*SW + kw*DW] * W[c][kh][kw], n, c / VL, oh, ow, c % VL)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory.
 *
 * arguments  x  [N][ceil(C / VL)][rows][pixels][VL] with strides X_N, X_C, X_H, X_W in elements; the first cell is element X_AT
 *            w  [ceil(C / VL)][KH][KW][VL], zero where c is beyond C
 * range      [lo, hi) of share * LINES + row: rows of images, row = n * OH + oh of LINES; a share is a part of the blocks of channels
 * fixed      X_T X_LD  type of the elements of x and what loads a vector of them as floats: float and vf_ld, or uint16_t and vf_ld_bf16
 *            RX, RT  pixels of the register tile and of the second one, for what RX leaves over
 *            PARTS  shares; with 1 LINES is not used
 *            C_LANES  channels that OUT_V may be called for, C or more; OUT_S does the others */
#include "kernel.h"
#include "simd/simd.h"

/* `px` pixels, a constant at every call. The loop over kh stays a loop, and with few registers each tap loads its pixels again: else the
 * compiler would keep loads for later taps and spill them. */
INLINE void conv_dw_tile(const int px, const X_T *restrict x, const float *restrict w, int64_t n, int64_t block, int64_t oh,
                         int64_t ow HOOK_PARAMS)
{
    vf acc[RX];
#pragma GCC unroll 32
    for (int p = 0; p < px; p++) acc[p] = vf_set(0.0f);
#pragma GCC unroll 1
    for (int64_t kh = 0; kh < KH; kh++) {
        const X_T *xk = x + kh * DH * X_H;
        SIMD_FORGET(xk); /* one pointer and displacements, not an index for each pixel */
#pragma GCC unroll 8
        for (int64_t kw = 0; kw < KW; kw++) {
            const vf wk = vf_ld(w + (kh * KW + kw) * VL);
            if (VL < 16) SIMD_FORGET(xk);
#pragma GCC unroll 32
            for (int p = 0; p < px; p++) acc[p] = vf_fma(X_LD(xk + (p * SW + kw * DW) * X_W), wk, acc[p]);
        }
    }
    SIMD_FENCE();
    if (C_LANES % VL == 0 || (block + 1) * VL <= C_LANES) {
#pragma GCC unroll 32
        for (int p = 0; p < px; p++) OUT_V(acc[p], n, block, oh, ow + p, 0 HOOK_ARGS);
        return;
    }
    float lane[RX][VL];
#pragma GCC unroll 32
    for (int p = 0; p < px; p++) vf_st(lane[p], acc[p]);
    for (int p = 0; p < px; p++) {
        for (int64_t i = 0; i < VL && block * VL + i < C; i++) OUT_S(lane[p][i], n, block, oh, ow + p, i HOOK_ARGS);
    }
}

INLINE void conv_dw_row(const X_T *restrict x, const float *restrict w, int64_t n, int64_t block, int64_t oh HOOK_PARAMS)
{
    int64_t ow = 0;
    for (; ow + RX <= OW; ow += RX) conv_dw_tile(RX, x + ow * SW * X_W, w, n, block, oh, ow HOOK_ARGS);
    if (OW % RX == 0) return;
    for (; ow + RT <= OW; ow += RT) conv_dw_tile(RT, x + ow * SW * X_W, w, n, block, oh, ow HOOK_ARGS);
    if (OW % RX % RT == 0) return;
    for (; ow < OW; ow++) conv_dw_tile(1, x + ow * SW * X_W, w, n, block, oh, ow HOOK_ARGS);
}

/* Rows [lo, hi) of the blocks [from, to). */
INLINE void conv_dw_blocks(const X_T *restrict x, const float *restrict w, int64_t lo, int64_t hi, int64_t from, int64_t to HOOK_PARAMS)
{
    for (int64_t row = lo, end; row < hi; row = end) {
        const int64_t n = row / OH;
        end = (n + 1) * OH < hi ? (n + 1) * OH : hi;
        for (int64_t block = from; block < to; block++) {
            const int64_t at = X_AT + n * X_N + block * X_C;
            const float *wb = w + block * (KH * KW * VL);
            for (int64_t oh = row - n * OH; oh < end - n * OH; oh++) conv_dw_row(x + (at + oh * SH * X_H), wb, n, block, oh HOOK_ARGS);
        }
    }
}

KERNEL void conv_dw(const X_T *restrict x, const float *restrict w, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t all = (C + VL - 1) / VL;
    for (int64_t at = lo, end; at < hi; at = end) {
        const int64_t share = PARTS > 1 ? at / LINES : 0, before = PARTS > 1 ? share * LINES : 0;
        end = PARTS > 1 && before + LINES < hi ? before + LINES : hi;
        conv_dw_blocks(x, w, at - before, end - before, all * share / PARTS, all * (share + 1) / PARTS HOOK_ARGS);
    }
}
