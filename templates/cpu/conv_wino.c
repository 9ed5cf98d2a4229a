/* conv_wino.c - 3x3 float32 convolution of stride 1 by Winograd's F(4x4, 3x3) or F(2x2, 3x3), with an epilogue.
 *
 *   OUT(sum over ic, kh, kw of X[n][ic][oh + kh][ow + kw] * W[oc][ic][kh][kw], n, oc / VL, oh, ow, oc % VL)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory. The output is cut into tiles of SIDE x SIDE pixels, each
 * from POINTS = (SIDE + 2)^2 of input: Y = At (sum over ic of (G W Gt) * (Bt X B)) A, the product being by elements, so POINTS matrix products of tiles by
 * channels: a quarter of the multiply-adds with SIDE 4, four ninths with SIDE 2, whose weights are less.
 *
 * arguments  x  [N][ceil(IC / VL)][OH + 2][OW + 2][VL] with strides X_N, X_C, X_H in elements; the first cell is element X_AT
 *            u  [ceil(OC / NR)][POINTS][IC][NR] with NR = NV * VL: G W Gt, zero where oc is beyond OC
 *            scratch  POINTS * ((TB * ICP + VL) + (TB * NR + VL)) floats, ICP being IC rounded up to whole vectors; the odd vectors keep the parts
 *               from falling into one set of the cache
 * range      [lo, hi) of parts: part = block of TB tiles * PARTS + share of the output channels. Each share transforms the block's input itself
 * fixed      X_T X_LD  as in conv_dw.c
 *            SIDE   4 or 2
 *            MR NV  tiles and output vectors of the register tile     MT  tiles of the second one, for what MR leaves over of TB; then single tiles
 *            NVT    vectors used of a group's last NR channels, 1..NV
 *            AHEAD  eighths of a cache line of the next weights to prefetch at each channel, so that all of them are there when they are needed
 *            OC_LANES  channels that OUT_V may be called for; OUT_S does the others
 * free       TILES  N * ceil(OH / SIDE) * ceil(OW / SIDE)
 *
 * Each of the products is one chain of fused multiply-adds from 0 over the channels, and the transforms are the same for every tile: an element's
 * bits depend on no block and no range. Error: with SIDE 4 about ten times that of the direct sum, below 2e-5 of the output's range.
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308. */
#include "kernel.h"
#include "simd/simd.h"

/* Bt d: SIDE + 2 values. */
INLINE void conv_wino_bt(const vf *d, vf *r)
{
    const vf d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    if (SIDE == 2) {
        r[0] = d0 - d2;
        r[1] = d1 + d2;
        r[2] = d2 - d1;
        r[3] = d1 - d3;
        return;
    }
    const vf d4 = d[4], d5 = d[5];
    const vf two = vf_set(2.0f), four = vf_set(4.0f), five = vf_set(-5.0f);
    const vf even = vf_fma(vf_set(-4.0f), d2, d4), odd = vf_fma(vf_set(-4.0f), d1, d3), apart = d4 - d2, twice = two * (d3 - d1);
    r[0] = vf_fma(four, d0, vf_fma(five, d2, d4));
    r[1] = even + odd;
    r[2] = even - odd;
    r[3] = apart + twice;
    r[4] = apart - twice;
    r[5] = vf_fma(four, d1, vf_fma(five, d3, d5));
}

/* At m: SIDE results from SIDE + 2. */
INLINE void conv_wino_at(const float *m, int64_t step, vf *o)
{
    const vf m0 = vf_ld(m), m1 = vf_ld(m + step), m2 = vf_ld(m + 2 * step), m3 = vf_ld(m + 3 * step);
    const vf a = m1 + m2, b = m1 - m2;
    if (SIDE == 2) {
        o[0] = m0 + a;
        o[1] = b - m3;
        return;
    }
    const vf m4 = vf_ld(m + 4 * step), m5 = vf_ld(m + 5 * step);
    const vf c = m3 + m4, d = m3 - m4;
    o[0] = m0 + a + c;
    o[1] = vf_fma(vf_set(2.0f), d, b);
    o[2] = vf_fma(vf_set(4.0f), c, a);
    o[3] = vf_fma(vf_set(8.0f), d, b) + m5;
}

/* `count` tiles from tile `first` on of an output of oh x ow pixels: Bt X B into v [POINTS][TB][ICP]. Where a tile reaches beyond the halo there are zeros. */
INLINE void conv_wino_input(const X_T *restrict x, float *restrict v, int64_t first, int64_t count, int64_t oh, int64_t ow, int64_t x_n, int64_t x_c, int64_t x_h)
{
    const int64_t across = (ow + SIDE - 1) / SIDE, down = (oh + SIDE - 1) / SIDE, channels = (IC + VL - 1) / VL * VL, part = TB * channels + VL;
    for (int64_t t = 0; t < count; t++) {
        const int64_t n = (first + t) / across / down, top = (first + t) / across % down * SIDE, left = (first + t) % across * SIDE;
        const int64_t rows = oh + 2 - top < SIDE + 2 ? oh + 2 - top : SIDE + 2, columns = ow + 2 - left < SIDE + 2 ? ow + 2 - left : SIDE + 2;
        for (int64_t c = 0; c < channels; c += VL) {
            const X_T *from = x + n * x_n + c / VL * x_c + top * x_h + left * VL;
            float edge[(SIDE + 2) * (SIDE + 2) * VL], half[(SIDE + 2) * (SIDE + 2) * VL];
            const int whole = rows >= SIDE + 2 && columns >= SIDE + 2;
            if (!whole) {
                for (int64_t y = 0; y < SIDE + 2; y++)
                    for (int64_t i = 0; i < SIDE + 2; i++) vf_st(edge + (y * (SIDE + 2) + i) * VL, y < rows && i < columns ? X_LD(from + y * x_h + i * VL) : vf_set(0.0f));
            }
            for (int64_t i = 0; i < SIDE + 2; i++) {
                vf d[6], r[6];
#pragma GCC unroll 6
                for (int k = 0; k < SIDE + 2; k++) d[k] = whole ? X_LD(from + k * x_h + i * VL) : vf_ld(edge + (k * (SIDE + 2) + i) * VL);
                conv_wino_bt(d, r);
#pragma GCC unroll 6
                for (int k = 0; k < SIDE + 2; k++) vf_st(half + (k * (SIDE + 2) + i) * VL, r[k]);
            }
            for (int64_t i = 0; i < SIDE + 2; i++) {
                vf d[6], r[6];
#pragma GCC unroll 6
                for (int k = 0; k < SIDE + 2; k++) d[k] = vf_ld(half + (i * (SIDE + 2) + k) * VL);
                conv_wino_bt(d, r);
#pragma GCC unroll 6
                for (int k = 0; k < SIDE + 2; k++) vf_st(v + (i * (SIDE + 2) + k) * part + t * channels + c, r[k]);
            }
        }
    }
}

/* m [rows][NR] = v [rows][ICP] times u [IC][NR], `nv` vectors of it; rows and nv are constants at every call. */
INLINE void conv_wino_tile(const int rows, const int nv, const float *restrict v, const float *restrict u, const float *ahead, float *restrict m)
{
    const int64_t channels = (IC + VL - 1) / VL * VL;
    vf acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t k = 0; k < IC; k++) {
        vf uk[NV];
        if (AHEAD > 0) SIMD_PREFETCH(ahead + k * AHEAD / 8 * 16);
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) uk[j] = vf_ld(u + (k * NV + j) * VL);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vf vr = vf_set(v[r * channels + k]);
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) acc[r][j] = vf_fma(vr, uk[j], acc[r][j]);
        }
    }
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) vf_st(m + (r * NV + j) * VL, acc[r][j]);
    }
}

INLINE void conv_wino_products(const int nv, const float *restrict v, const float *restrict u, float *restrict m, int64_t count)
{
    const int64_t channels = (IC + VL - 1) / VL * VL;
    for (int64_t i = 0; i < (SIDE + 2) * (SIDE + 2); i++) {
        const float *vp = v + i * (TB * channels + VL), *ui = u + i * (IC * NV * VL), *ahead = ui + IC * NV * VL;
        float *mi = m + i * (TB * NV * VL + VL);
        int64_t t = 0;
        for (; t + MR <= count; t += MR, ahead += (int64_t)IC * AHEAD / 8 * 16) conv_wino_tile(MR, nv, vp + t * channels, ui, ahead, mi + t * NV * VL);
        if (count % MR == 0) continue;
        for (; t + MT <= count; t += MT) conv_wino_tile(MT, nv, vp + t * channels, ui, ahead, mi + t * NV * VL);
        for (; t < count; t++) conv_wino_tile(1, nv, vp + t * channels, ui, ahead, mi + t * NV * VL);
    }
}

/* At M A of `count` tiles and the channels from oc on, `nv` vectors, to the epilogue. */
INLINE void conv_wino_output(const float *restrict m, int64_t first, int64_t count, int64_t oc, int64_t nv HOOK_PARAMS)
{
    const int64_t across = (OW + SIDE - 1) / SIDE, down = (OH + SIDE - 1) / SIDE, part = TB * NV * VL + VL;
    for (int64_t t = 0; t < count; t++) {
        const int64_t n = (first + t) / across / down, top = (first + t) / across % down * SIDE, left = (first + t) % across * SIDE;
        for (int64_t j = 0; j < nv; j++) {
            float half[SIDE * (SIDE + 2) * VL];
            for (int64_t i = 0; i < SIDE + 2; i++) {
                vf o[4];
                conv_wino_at(m + i * part + (t * NV + j) * VL, (SIDE + 2) * part, o);
#pragma GCC unroll 4
                for (int k = 0; k < SIDE; k++) vf_st(half + (k * (SIDE + 2) + i) * VL, o[k]);
            }
            for (int64_t line = 0; line < SIDE && top + line < OH; line++) {
                vf o[4];
                conv_wino_at(half + line * (SIDE + 2) * VL, VL, o);
                if (OC_LANES % VL == 0 || oc + (j + 1) * VL <= OC_LANES) {
#pragma GCC unroll 4
                    for (int k = 0; k < SIDE; k++)
                        if (left + k < OW) OUT_V(o[k], n, oc / VL + j, top + line, left + k, 0 HOOK_ARGS);
                    continue;
                }
                float lane[SIDE * VL];
#pragma GCC unroll 4
                for (int k = 0; k < SIDE; k++) vf_st(lane + k * VL, o[k]);
                for (int64_t k = 0; k < SIDE && left + k < OW; k++)
                    for (int64_t i = 0; i < VL && oc + j * VL + i < OC; i++) OUT_S(lane[k * VL + i], n, oc / VL + j, top + line, left + k, i HOOK_ARGS);
            }
        }
    }
}

KERNEL void conv_wino(const X_T *restrict x, const float *restrict u, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t groups = (OC + NV * VL - 1) / (NV * VL), channels = (IC + VL - 1) / VL * VL;
    float *v = scratch, *m = scratch + (SIDE + 2) * (SIDE + 2) * (TB * channels + VL);
    int64_t there = -1; /* the block whose input is in v */
    for (int64_t part = lo; part < hi; part++) {
        const int64_t block = part / PARTS, share = part % PARTS, first = block * TB, count = TILES - first < TB ? TILES - first : TB;
        if (block != there) conv_wino_input(x + X_AT, v, first, count, OH, OW, X_N, X_C, X_H);
        there = block;
        for (int64_t g = groups * share / PARTS; g < groups * (share + 1) / PARTS; g++) {
            const float *ug = u + g * ((SIDE + 2) * (SIDE + 2) * IC * NV * VL);
            const int whole = NVT == NV || g + 1 < groups;
            if (whole) conv_wino_products(NV, v, ug, m, count);
            else conv_wino_products(NVT, v, ug, m, count);
            conv_wino_output(m, first, count, g * NV * VL, whole ? NV : NVT HOOK_ARGS);
        }
    }
}
