/* conv_wino.c - 3x3 float32 convolution of stride 1 by Winograd's F(4x4, 3x3) or F(2x2, 3x3), with an epilogue.
 *
 *   OUT(sum over ic, kh, kw of X[n][ic][oh + kh][ow + kw] * W[oc][ic][kh][kw], n, oc / VL, oh, ow, oc % VL)
 *
 * where X's spatial index 0 is the first cell of the halo: padding lies in memory. The output is cut into tiles of SIDE x SIDE pixels, each
 * from POINTS = (SIDE + 2)^2 of input: Y = At (sum over ic of (G W Gt) * (Bt X B)) A, the product being by elements, so POINTS matrix products of tiles by
 * channels: a quarter of the multiply-adds with SIDE 4, four ninths with SIDE 2, whose weights are less.
 *
 * For a block of TB tiles all points of the input are computed, then the output channels, in chunks of GB groups of NR = NV * VL: the products of each point by
 * all groups of the chunk, then what they give at all points is the chunk's output. So weights are read once for each block, in the order that they lie in.
 *
 * arguments  x  [N][ceil(IC / VL)][OH + 2][OW + 2][VL] with strides X_N, X_C, X_H in elements; the first cell is element X_AT
 *            u  [ceil(groups / GB)][POINTS][GB][IC][NR], the last chunk with the groups that are left: G W Gt, zero where oc is beyond OC
 *            scratch  POINTS * ((TB * ICP + VL) + (TB * GB * NR + VL)) floats, ICP being IC rounded up to whole vectors; the odd vectors keep the parts
 *               from falling into one set of the cache
 * range      [lo, hi) of parts: part = block of TB tiles * PARTS + share of the chunks. Each share transforms the block's input itself
 * fixed      X_T X_LD  as in conv_dw.c
 *            SIDE   4 or 2
 *            MR NV  tiles and output vectors of the register tile     MT  tiles of the second one, for what MR leaves over of TB; then single tiles
 *            NVT    vectors used of a group's last NR channels, 1..NV
 *            AHEAD  eighths of a cache line of the next weights to prefetch at each channel, or a multiple of 8, so that all of them are there when they are needed
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
INLINE void conv_wino_at(const vf *m, vf *o)
{
    const vf a = m[1] + m[2], b = m[1] - m[2];
    if (SIDE == 2) {
        o[0] = m[0] + a;
        o[1] = b - m[3];
        return;
    }
    const vf c = m[3] + m[4], d = m[3] - m[4];
    o[0] = m[0] + a + c;
    o[1] = vf_fma(vf_set(2.0f), d, b);
    o[2] = vf_fma(vf_set(4.0f), c, a);
    o[3] = vf_fma(vf_set(8.0f), d, b) + m[5];
}

/* Rows k to k + lines of Bt X B into `to`. */
INLINE void conv_wino_lines(const int k, const int lines, const X_T *restrict from, int64_t x_h, float *restrict to, int64_t part)
{
    vf h[2][SIDE + 2];
#pragma GCC unroll 6
    for (int i = 0; i < SIDE + 2; i++) {
        vf d[6], r[6];
#pragma GCC unroll 6
        for (int y = 0; y < SIDE + 2; y++) d[y] = X_LD(from + y * x_h + i * VL);
        conv_wino_bt(d, r);
#pragma GCC unroll 2
        for (int p = 0; p < lines; p++) h[p][i] = r[k + p];
    }
#pragma GCC unroll 2
    for (int p = 0; p < lines; p++) {
        vf r[6];
        conv_wino_bt(h[p], r);
#pragma GCC unroll 6
        for (int i = 0; i < SIDE + 2; i++) vf_st(to + ((k + p) * (SIDE + 2) + i) * part, r[i]);
    }
}

INLINE void conv_wino_points(const X_T *restrict from, int64_t x_h, float *restrict to, int64_t part)
{
    conv_wino_lines(0, 1, from, x_h, to, part);
    SIMD_FORGET(from);
    conv_wino_lines(1, 2, from, x_h, to, part);
    SIMD_FORGET(from);
    if (SIDE == 4) conv_wino_lines(3, 2, from, x_h, to, part);
    SIMD_FORGET(from);
    conv_wino_lines(SIDE + 1, 1, from, x_h, to, part);
}

/* `count` tiles from tile `first` on of an output of oh x ow pixels: Bt X B into v [POINTS][TB][ICP]. Where a tile reaches beyond the halo there are zeros. */
INLINE void conv_wino_input(const X_T *restrict x, float *restrict v, int64_t first, int64_t count, int64_t oh, int64_t ow, int64_t x_n, int64_t x_c, int64_t x_h)
{
    const int64_t across = (ow + SIDE - 1) / SIDE, down = (oh + SIDE - 1) / SIDE, channels = (IC + VL - 1) / VL * VL, part = TB * channels + VL;
    for (int64_t t = 0; t < count; t++) {
        const int64_t n = (first + t) / across / down, top = (first + t) / across % down * SIDE, left = (first + t) % across * SIDE;
        const int64_t rows = oh + 2 - top < SIDE + 2 ? oh + 2 - top : SIDE + 2, columns = ow + 2 - left < SIDE + 2 ? ow + 2 - left : SIDE + 2;
        const int whole = rows >= SIDE + 2 && columns >= SIDE + 2;
        for (int64_t c = 0; c < channels; c += VL) {
            const X_T *from = x + n * x_n + c / VL * x_c + top * x_h + left * VL;
            X_T edge[(SIDE + 2) * (SIDE + 2) * VL];
            if (!whole) {
                for (int64_t y = 0; y < SIDE + 2; y++)
                    for (int64_t i = 0; i < SIDE + 2; i++) {
                        X_T *cell = edge + (y * (SIDE + 2) + i) * VL;
                        if (y < rows && i < columns) memcpy(cell, from + y * x_h + i * VL, VL * sizeof *cell);
                        else memset(cell, 0, VL * sizeof *cell);
                    }
            }
            conv_wino_points(whole ? from : edge, whole ? x_h : (SIDE + 2) * VL, v + t * channels + c, part);
        }
    }
}

/* m [rows][NV * VL] = v [rows][ICP] times u [IC][NV * VL], `nv` vectors of it; rows and nv are constants at every call. `ahead`: what of the next weights
 * is to be prefetched meanwhile, in four parts at once: a cache fetches faster from several pages than from one. */
INLINE void conv_wino_tile(const int rows, const int nv, const float *restrict v, const float *restrict u, const float *ahead, float *restrict m, int64_t m_t)
{
    const int64_t channels = (IC + VL - 1) / VL * VL, parts = 4;
    vf acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t k = 0; k < IC; k++) {
        vf uk[NV];
#pragma GCC unroll 8
        for (int line = 0; line < AHEAD; line += 8) {
            const int64_t at = (k * AHEAD + line) / 8;
            SIMD_PREFETCH(ahead + (AHEAD < 8 ? k : at) % parts * (IC * NV * VL / parts) + at / parts * 16);
        }
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
        for (int j = 0; j < nv; j++) vf_st(m + r * m_t + j * VL, acc[r][j]);
    }
}

/* How many register tiles of MR the product of `count` tiles begins with: as many as leave the fewest for single ones behind those of MT. */
INLINE int64_t conv_wino_large(int64_t count)
{
    int64_t best = count / MR;
    for (int64_t n = best - 1; n >= 0; n--)
        if ((count - n * MR) % MT < (count - best * MR) % MT) best = n;
    return best;
}

/* m [count][m_t] = v [count][ICP] times u: one point and one group of channels. */
INLINE void conv_wino_product(const int nv, const float *restrict v, const float *restrict u, const float *next, float *restrict m, int64_t m_t, int64_t large, int64_t count)
{
    const int64_t channels = (IC + VL - 1) / VL * VL, tile_ahead = (int64_t)IC * AHEAD / 32 * 16;
    int64_t t = 0;
    for (; t < large * MR; t += MR, next += tile_ahead) conv_wino_tile(MR, nv, v + t * channels, u, next, m + t * m_t, m_t);
    for (; t + MT <= count; t += MT, next += tile_ahead) conv_wino_tile(MT, nv, v + t * channels, u, next, m + t * m_t, m_t);
    for (; t < count; t++) conv_wino_tile(1, nv, v + t * channels, u, next, m + t * m_t, m_t);
}

/* Rows k and k + 2, or k alone, of At M A of the points at m, to o [lines][SIDE]. */
INLINE void conv_wino_rows(const int k, const int lines, const float *restrict m, int64_t part, vf (*o)[4])
{
    vf h[2][SIDE + 2];
#pragma GCC unroll 6
    for (int i = 0; i < SIDE + 2; i++) {
        vf d[6], r[4];
#pragma GCC unroll 6
        for (int y = 0; y < SIDE + 2; y++) d[y] = vf_ld(m + (y * (SIDE + 2) + i) * part);
        conv_wino_at(d, r);
#pragma GCC unroll 2
        for (int p = 0; p < lines; p++) h[p][i] = r[k + 2 * p];
    }
#pragma GCC unroll 2
    for (int p = 0; p < lines; p++) conv_wino_at(h[p], o[p]);
}

/* One row of results to the epilogue: pixels from ow on of channels from oc on. */
INLINE void conv_wino_store(const vf *o, int64_t n, int64_t oc, int64_t oh, int64_t ow HOOK_PARAMS)
{
    if (oh >= OH) return;
    if (OC_LANES % VL == 0 || oc + VL <= OC_LANES) {
#pragma GCC unroll 4
        for (int k = 0; k < SIDE; k++)
            if (ow + k < OW) OUT_V(o[k], n, oc / VL, oh, ow + k, 0 HOOK_ARGS);
        return;
    }
    float lane[SIDE * VL];
#pragma GCC unroll 4
    for (int k = 0; k < SIDE; k++) vf_st(lane + k * VL, o[k]);
    for (int64_t k = 0; k < SIDE && ow + k < OW; k++)
        for (int64_t i = 0; i < VL && oc + i < OC; i++) OUT_S(lane[k * VL + i], n, oc / VL, oh, ow + k, i HOOK_ARGS);
}

/* At M A of `count` tiles and the channels from oc on, `vectors` of them, to the epilogue. */
INLINE void conv_wino_output(const float *restrict m, int64_t first, int64_t count, int64_t oc, int64_t vectors HOOK_PARAMS)
{
    const int64_t across = (OW + SIDE - 1) / SIDE, down = (OH + SIDE - 1) / SIDE, part = TB * GB * NV * VL + VL;
    for (int64_t t = 0; t < count; t++) {
        const int64_t n = (first + t) / across / down, top = (first + t) / across % down * SIDE, left = (first + t) % across * SIDE;
        for (int64_t j = 0; j < vectors; j++) {
            const float *from = m + (t * GB * NV + j) * VL;
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                vf o[2][4];
                conv_wino_rows(k, SIDE / 2, from, part, o);
                conv_wino_store(o[0], n, oc + j * VL, top + k, left HOOK_ARGS);
                if (SIDE == 4) conv_wino_store(o[1], n, oc + j * VL, top + k + 2, left HOOK_ARGS);
                SIMD_FORGET(from);
            }
        }
    }
}

KERNEL void conv_wino(const X_T *restrict x, const float *restrict u, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t groups = (OC + NV * VL - 1) / (NV * VL), chunks = (groups + GB - 1) / GB, channels = (IC + VL - 1) / VL * VL;
    const int64_t points = (SIDE + 2) * (SIDE + 2), v_part = TB * channels + VL, m_part = TB * GB * NV * VL + VL, size = IC * NV * VL;
    float *v = scratch, *m = scratch + points * v_part;
    int64_t there = -1; /* the block whose input is in v */
    for (int64_t part = lo; part < hi; part++) {
        const int64_t block = part / PARTS, share = part % PARTS, first = block * TB, count = TILES - first < TB ? TILES - first : TB;
        const int64_t large = conv_wino_large(count);
        if (block != there) conv_wino_input(x + X_AT, v, first, count, OH, OW, X_N, X_C, X_H);
        there = block;
        for (int64_t c = chunks * share / PARTS; c < chunks * (share + 1) / PARTS; c++) {
            const int64_t from = c * GB, to = from + GB < groups ? from + GB : groups;
            const float *next = u + from * points * size;
            for (int64_t i = 0; i < points; i++) {
                for (int64_t g = from; g < to; g++) {
                    const float *ug = next;
                    next += size;
                    if (NVT == NV || g + 1 < groups) conv_wino_product(NV, v + i * v_part, ug, next, m + i * m_part + (g - from) * NV * VL, GB * NV * VL, large, count);
                    else conv_wino_product(NVT, v + i * v_part, ug, next, m + i * m_part + (g - from) * NV * VL, GB * NV * VL, large, count);
                }
            }
            conv_wino_output(m, first, count, from * NV * VL, (to - from) * NV - (to == groups ? NV - NVT : 0) HOOK_ARGS);
        }
    }
}
