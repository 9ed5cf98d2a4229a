/* qconv_plain.c - direct convolution of bytes for machines without vectors; one to three spatial dimensions, groups, any kernel, stride and dilation.
 *
 *   OUT_S(sum over ic, kd, kh, kw of (X[n][ic][od*SD + kd*DD - PD][oh*SH + kh*DH - PH][ow*SW + kw*DW - PW] - ZX) * (W[oc][ic][kd][kh][kw] - ZW), n, oc, od, oh, ow)
 *
 * with sums in int32, exact (they wrap). Nothing is packed and padding takes no memory: taps outside the image are left out.
 *
 * arguments  x  XT, element (n, c, d, h, w) at n * X_N + c * X_C + d * X_D + h * X_H + w * X_W
 *            w  WT [GROUPS * OC][IC][KD][KH][KW]
 * range      [lo, hi) of blocks of RO channels: (n * GROUPS + g) * ceil(OC / RO) + block
 * fixed      XT WT  types of 8 bits        RO RX  channels and pixels of a row of the register tile; single ones do what it leaves over
 *            IC OC  channels per group     EDGE_D EDGE_H EDGE_W  whether windows may leave the image along that axis
 *            PAIRS  no sum of products leaves int32 */
#include "kernel.h"
#include "simd/simd.h"

/* Taps of one axis that are inside, for the window whose first tap is at `first`. */
typedef struct {
    int32_t lo, hi;
} qconv_plain_taps;

INLINE qconv_plain_taps qconv_plain_inside(const int edge, int64_t first, int32_t taps, int32_t step, int64_t size)
{
    qconv_plain_taps t = {0, taps};
    if (edge && first < 0) t.lo = (int32_t)((step - 1 - first) / step);
    if (edge && first + (taps - 1) * step >= size) t.hi = first < size ? (int32_t)((size - first + step - 1) / step) : 0;
    return t;
}

/* sum[r * RX + p] for `ro` channels and `px` pixels, constants at every call; `at`: the first tap of the first pixel, which need not be inside. With
 * registers of 64 bits two channels share one: its upper half adds up the second, and is one too low where the first one's sum is negative. */
INLINE void qconv_plain_tile(const int ro, const int px, int32_t *restrict sum, const XT *restrict x, const WT *restrict w, int64_t at, qconv_plain_taps d,
                             qconv_plain_taps h, qconv_plain_taps v, int64_t x_c, int64_t x_d, int64_t x_h, int64_t x_w)
{
    const int paired = PAIRS && RO == 2 && ro == 2 && sizeof(size_t) == 8;
    int32_t acc[RO][RX];
    uint64_t pair[RX];
#pragma GCC unroll 8
    for (int p = 0; p < px; p++) {
        pair[p] = 0;
#pragma GCC unroll 8
        for (int r = 0; r < ro; r++) acc[r][p] = 0;
    }
    for (int32_t ic = 0; ic < IC; ic++) {
        for (int32_t kd = d.lo; kd < d.hi; kd++) {
            for (int32_t kh = h.lo; kh < h.hi; kh++) {
                const XT *xr = x + (at + ic * x_c + kd * DD * x_d + kh * DH * x_h + v.lo * DW * x_w);
                const WT *wr = w + (((ic * KD + kd) * KH + kh) * KW + v.lo);
                for (int32_t taps = v.hi - v.lo; taps > 0; taps--) {
                    int32_t wi[RO];
#pragma GCC unroll 8
                    for (int r = 0; r < ro; r++) wi[r] = wr[r * (IC * KD * KH * KW)] - ZW;
                    const uint64_t both = (uint64_t)(int64_t)wi[0] + ((uint64_t)(int64_t)wi[ro - 1] << 32);
#pragma GCC unroll 8
                    for (int p = 0; p < px; p++) {
                        const int32_t xp = xr[p * SW * x_w] - ZX;
                        if (paired) {
                            pair[p] += (uint64_t)(int64_t)xp * both;
                            continue;
                        }
#pragma GCC unroll 8
                        for (int r = 0; r < ro; r++) acc[r][p] = si_add(acc[r][p], xp * wi[r]);
                    }
                    xr += DW * x_w;
                    wr++;
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < px; p++) {
        if (paired) {
            acc[0][p] = (int32_t)(uint32_t)pair[p];
            acc[ro - 1][p] = (int32_t)(uint32_t)((pair[p] - (uint64_t)(int64_t)acc[0][p]) >> 32);
        }
#pragma GCC unroll 8
        for (int r = 0; r < ro; r++) sum[r * RX + p] = acc[r][p];
    }
}

/* `ro` channels of an image. The epilogue stands once behind both tiles, to be small. */
INLINE void qconv_plain_image(const int ro, const XT *restrict x, const WT *restrict w, int64_t n, int64_t oc HOOK_PARAMS)
{
    /* Pixels whose windows are inside along the row: [begin, end). */
    const int64_t begin = EDGE_W ? (PW + SW - 1) / SW : 0, fit = IW + PW - (KW - 1) * DW - 1;
    const int64_t end = !EDGE_W ? OW : fit < 0 ? 0 : fit / SW + 1 < OW ? fit / SW + 1 : OW;
    for (int64_t od = 0; od < OD; od++) {
        const qconv_plain_taps d = qconv_plain_inside(EDGE_D, od * SD - PD, KD, DD, ID);
        for (int64_t oh = 0; oh < OH; oh++) {
            const qconv_plain_taps h = qconv_plain_inside(EDGE_H, oh * SH - PH, KH, DH, IH), whole = {0, KW};
            const int64_t row = (od * SD - PD) * X_D + (oh * SH - PH) * X_H;
            int px;
            for (int64_t ow = 0; ow < OW; ow += px) {
                const int64_t first = ow * SW - PW, at = row + first * X_W;
                int32_t sum[RO * RX];
                px = ow >= begin && ow + RX <= end ? RX : 1;
                if (px == RX && RX > 1) qconv_plain_tile(ro, RX, sum, x, w, at, d, h, whole, X_C, X_D, X_H, X_W);
                else
                    qconv_plain_tile(ro, 1, sum, x, w, at, d, h, qconv_plain_inside(EDGE_W, first, KW, DW, IW), X_C, X_D, X_H, X_W);
#pragma GCC unroll 1
                for (int r = 0; r < ro; r++) {
#pragma GCC unroll 1
                    for (int p = 0; p < px; p++) OUT_S(sum[r * RX + p], n, oc + r, od, oh, ow + p HOOK_ARGS);
                }
            }
        }
    }
}

KERNEL void qconv_plain(const XT *restrict x, const WT *restrict w, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t blocks = (OC + RO - 1) / RO;
    for (int64_t block = lo; block < hi; block++) {
        const int64_t n = block / blocks / GROUPS, g = block / blocks % GROUPS, first = block % blocks * RO, oc = g * OC + first;
        const XT *xg = x + (n * X_N + g * IC * X_C);
        const WT *wb = w + oc * (IC * KD * KH * KW);
        if (OC % RO == 0 || first + RO <= OC) qconv_plain_image(RO, xg, wb, n, oc HOOK_ARGS);
        else
            for (int64_t r = 0; r < OC % RO; r++) qconv_plain_image(1, xg, wb + r * (IC * KD * KH * KW), n, oc + r HOOK_ARGS);
    }
}
