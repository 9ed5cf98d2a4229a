/* conv_sum.c - float32 convolution to few channels, whose lanes are the input's channels, with an epilogue over the pixels of a row.
 *
 *   OUT(sum over ic, kd, kh, kw of X[n][ic][od*SD + kd*DD][oh*SH + kh*DH][ow*SW + kw*DW] * W[oc][ic][kd][kh][kw], n, oc, od * OH + oh, ow)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory.
 *
 * arguments  x  [n][ceil(IC / VL)][...][VL] with strides X_N, X_C (block), X_D, X_H, X_W in elements; the first cell is element X_AT. Lanes beyond IC may hold anything
 *            w  [OC][ceil(IC / VL)][KD][KH][KW][VL], zero beyond IC
 * range      [lo, hi) of rows (n * OD + od) * OH + oh
 *
 * Each element is a chain of fused multiply-adds from 0 over blocks, kd, kh, kw for each lane; then the lanes are added up: its bits depend on no range. */
#include "kernel.h"
#include "simd/simd.h"

/* The products of `lanes` channels of a block, VL: all, for np pixels from x on, both constants at every call. */
INLINE void conv_sum_block(const int np, const int lanes, vf *restrict acc, const float *restrict x, const float *restrict w, int64_t x_d, int64_t x_h, int64_t x_w)
{
    for (int64_t line = 0; line < KD * KH; line++) {
        const float *xt = x + line / KH * DD * x_d + line % KH * DH * x_h;
        for (int64_t kw = 0; kw < KW; kw++, xt += DW * x_w, w += VL) {
            const vf wt = vf_ld(w);
            SIMD_FENCE(); /* or compilers keep pixels of one tap for the next, and spill sums */
#pragma GCC unroll 16
            for (int j = 0; j < np; j++) {
                vf xj = vf_ld(xt + j * SW * x_w);
                if (lanes < VL) xj = vf_sel(vi_iota(0, 1) < vi_set(lanes), xj, vf_set(0.0f));
                acc[j] = vf_fma(xj, wt, acc[j]);
            }
        }
    }
}

/* The sums of np pixels; x_c and so on are X_C ... */
INLINE void conv_sum_pixels(const int np, float *restrict sum, const float *restrict x, const float *restrict w, int64_t x_c, int64_t x_d, int64_t x_h, int64_t x_w)
{
    const int64_t whole = (IC) / VL, block_size = KD * KH * KW * VL;
    const int rest = (int)((IC) % VL);
    vf acc[VL];
#pragma GCC unroll 16
    for (int j = 0; j < np; j++) acc[j] = vf_set(0.0f);
    for (int64_t block = 0; block < whole; block++) conv_sum_block(np, VL, acc, x + block * x_c, w + block * block_size, x_d, x_h, x_w);
    if (rest) conv_sum_block(np, rest, acc, x + whole * x_c, w + whole * block_size, x_d, x_h, x_w);
    SIMD_FENCE();
#pragma GCC unroll 16
    for (int j = 0; j < np; j++) sum[j] = vf_hsum(acc[j]);
}

KERNEL void conv_sum(const float *restrict x, const float *restrict w, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t channel_size = ((IC) + VL - 1) / VL * (KD * KH * KW * VL);
    float sum[VL];
    for (int64_t row = lo; row < hi; row++) {
        const int64_t n = row / (OH) / (OD), od = row / (OH) % (OD), oh = row % (OH);
        const float *xr = x + X_AT + n * X_N + od * SD * X_D + oh * SH * X_H;
        for (int64_t oc = 0; oc < OC; oc++) {
            const float *wo = w + oc * channel_size;
            int64_t ow = 0;
            for (; ow + VL <= (OW); ow += VL) {
                conv_sum_pixels(VL, sum, xr + ow * (SW * X_W), wo, X_C, X_D, X_H, X_W);
                OUT_V(vf_ld(sum), n, oc, od * (OH) + oh, ow HOOK_ARGS);
            }
            if (ow == (OW)) continue;
            const int64_t from = (OW) < VL ? 0 : (OW) - VL; /* those of its pixels that are done already are not stored again */
            if ((OW) >= VL) conv_sum_pixels(VL, sum, xr + from * (SW * X_W), wo, X_C, X_D, X_H, X_W);
            for (int64_t i = 0; i < (OW) && (OW) < VL; i++) conv_sum_pixels(1, sum + i, xr + i * (SW * X_W), wo, X_C, X_D, X_H, X_W);
            for (; ow < (OW); ow++) OUT_S(sum[ow - from], n, oc, od * (OH) + oh, ow HOOK_ARGS);
        }
    }
}
