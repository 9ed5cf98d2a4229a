/* conv_row.c - float32 convolution whose lanes are the pixels of a row, with an epilogue: for groups whose channels fill no vectors. Stride 1 along the row.
 *
 *   OUT(sum over ic, kd, kh, kw of X[n][ic][od*SD + kd*DD][oh*SH + kh*DH][ow + kw*DW] * W[oc][ic][kd][kh][kw], n, oc, od * OH + oh, ow)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory.
 *
 * arguments  x  row-major, pixels of a row adjoining, strides X_N, X_C (channel), X_D, X_H in elements; the first cell is element X_AT. VL - 1 elements
 *               behind the last may be read, whatever they are
 *            w  [GROUPS][ceil(OC / RO)][IC][KD][KH][KW][RO], zero where oc is beyond OC
 * range      [lo, hi) of row * GROUPS * ceil(OC / RO) + block, row = (n * OD + od) * OH + oh
 * fixed      RO RV  channels and vectors of the register tile; single vectors do what RV leaves over      IC OC  channels per group
 *
 * Each element is one chain of fused multiply-adds from 0 over ic, kd, kh, kw: its bits depend on no tile and no range. */
#include "kernel.h"
#include "simd/simd.h"

/* `nv` vectors, a constant at every call, of which the last has `lanes` pixels; channels [oc, oc + RO) of those below `end`. */
INLINE void conv_row_tile(const int nv, const float *restrict x, const float *restrict w, int64_t n, int64_t oc, int64_t end, int64_t row, int64_t ow,
                          int64_t lanes HOOK_PARAMS)
{
    vf acc[RO][RV];
#pragma GCC unroll 32
    for (int o = 0; o < RO; o++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[o][j] = vf_set(0.0f);
    }
    for (int64_t ic = 0; ic < IC; ic++) {
        for (int64_t tap = 0; tap < KD * KH * KW; tap++, w += RO) {
            const float *xt = x + ic * X_C + tap / (KH * KW) * DD * X_D + tap / KW % KH * DH * X_H + tap % KW * DW;
#pragma GCC unroll 32
            for (int o = 0; o < RO; o++) {
                const vf wo = vf_set(w[o]);
#pragma GCC unroll 8
                for (int j = 0; j < nv; j++) acc[o][j] = vf_fma(vf_ld(xt + j * VL), wo, acc[o][j]);
            }
        }
    }
    SIMD_FENCE();
    if (lanes == VL) {
#pragma GCC unroll 32
        for (int o = 0; o < RO; o++) {
            if (oc + o >= end) break;
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) OUT_V(acc[o][j], n, oc + o, row, ow + j * VL HOOK_ARGS);
        }
        return;
    }
    float lane[RO][VL];
#pragma GCC unroll 32
    for (int o = 0; o < RO; o++) vf_st(lane[o], acc[o][0]);
    for (int64_t o = 0; o < RO && oc + o < end; o++)
        for (int64_t i = 0; i < lanes; i++) OUT_S(lane[o][i], n, oc + o, row, ow + i HOOK_ARGS);
}

KERNEL void conv_row(const float *restrict x, const float *restrict w, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t blocks = (OC + RO - 1) / RO, block_size = (int64_t)IC * (KD * KH * KW * RO);
    for (int64_t at = lo; at < hi; at++) {
        const int64_t row = at / (GROUPS * blocks), block = at % (GROUPS * blocks), g = block / blocks, oc = g * OC + block % blocks * RO;
        const int64_t n = row / OH / OD, od = row / OH % OD, oh = row % OH;
        const float *xr = x + X_AT + n * X_N + g * IC * X_C + od * SD * X_D + oh * SH * X_H, *wb = w + block * block_size;
        int64_t ow = 0;
        for (; ow + RV * VL <= OW; ow += RV * VL) conv_row_tile(RV, xr + ow, wb, n, oc, (g + 1) * OC, od * OH + oh, ow, VL HOOK_ARGS);
        if (OW % (RV * VL) == 0) continue;
        for (; ow + VL <= OW; ow += VL) conv_row_tile(1, xr + ow, wb, n, oc, (g + 1) * OC, od * OH + oh, ow, VL HOOK_ARGS);
        if (OW % VL != 0) conv_row_tile(1, xr + ow, wb, n, oc, (g + 1) * OC, od * OH + oh, ow, OW % VL HOOK_ARGS);
    }
}
