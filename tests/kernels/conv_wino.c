/* conv_wino on random shapes: all remainders of tiles, channels and pixels, blocks and shares of the channels; lanes beyond the channels are NaN. */
#include "check.h"

#define X_T float
#define X_LD vf_ld

typedef struct {
    int64_t n, ic, oc, oc_lanes, nvt, tb, gb, parts, oh, ow, x_n, x_c, x_h;
} shape;

static shape of; /* what is being checked */

#define IC (of.ic)
#define OC (of.oc)
#define OC_LANES (of.oc_lanes)
#define NVT ((int)of.nvt)
#define TB (of.tb)
#define GB (of.gb)
#define PARTS (of.parts)
#define OH (of.oh)
#define OW (of.ow)
#ifndef SIDE
#define SIDE 4
#endif
#define POINTS ((SIDE + 2) * (SIDE + 2))
#define TILES (of.n * ((OH + SIDE - 1) / SIDE) * ((OW + SIDE - 1) / SIDE))
#define AHEAD 1
#define X_AT 0
#define X_N (of.x_n)
#define X_C (of.x_c)
#define X_H (of.x_h)
#define HOOK_PARAMS , const check_output *y
#define HOOK_ARGS , y
#define OUT_V out_v
#define OUT_S out_s

/* y is [n][oc][oh][ow]; the hook may be called for lanes up to oc_lanes, which are dropped here. */
static void out_s(float acc, int64_t n, int64_t block, int64_t row, int64_t ow, int64_t lane, const check_output *y)
{
    const int64_t oc = block * VL + lane;
    if (oc < of.oc) check_store(y, ((n * of.oc + oc) * of.oh + row) * of.ow + ow, acc);
}

static void out_v(vf acc, int64_t n, int64_t block, int64_t row, int64_t ow, int64_t first, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], n, block, row, ow, first + i, y);
}

#include "cpu/conv_wino.c"

static int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

/* G W Gt of every pair of channels, in double, as the plan packs it. */
static float *pack(const float *w)
{
    static const double four[6][3] = {{1.0 / 4, 0, 0},           {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                      {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}},
                        two[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}}, (*const g_of)[3] = SIDE == 4 ? four : two;
    const int64_t nr = NV * VL, columns = round_up(OC, nr), groups = columns / nr;
    float *u = check_floats(columns * POINTS * IC), *to = u;
    for (int64_t first = 0; first < groups; first += GB)
        for (int i = 0; i < POINTS; i++)
            for (int64_t g = first; g < groups && g < first + GB; g++)
                for (int64_t c = 0; c < IC; c++)
                    for (int64_t o = g * nr; o < (g + 1) * nr; o++) {
                        double sum = 0;
                        for (int a = 0; a < 3; a++)
                            for (int b = 0; b < 3; b++) sum += o < OC ? g_of[i / (SIDE + 2)][a] * (double)w[((o * IC + c) * 3 + a) * 3 + b] * g_of[i % (SIDE + 2)][b] : 0;
                        *to++ = (float)sum;
                    }
    return u;
}

static void check_element(const float *x, const float *w, int64_t n, int64_t oc, int64_t oh, int64_t ow, float got)
{
    double sum = 0, scale = 0;
    for (int64_t c = 0; c < IC; c++)
        for (int64_t t = 0; t < 9; t++) {
            const float v = x[n * X_N + c / VL * X_C + (oh + t / 3) * X_H + (ow + t % 3) * VL + c % VL];
            const double product = (double)v * (double)w[(oc * IC + c) * 9 + t];
            sum += product;
            scale += fabs(product);
        }
    check_near("element", (double)got, sum, 1e-5 * scale + 1e-5);
}

int main(void)
{
    for (int round = 0; round < 40; round++) {
        of = (shape){.n = check_int(1, 2), .ic = check_int(1, 2 * VL + 3), .oc = check_int(1, 4 * NV * VL), .tb = check_int(1, 3 * MR), .gb = check_int(1, 3), .parts = check_int(1, 2),
                     .oh = check_int(1, 11), .ow = check_int(1, 11)};
        of.oc_lanes = check_int(0, 1) ? of.oc : round_up(of.oc, VL);
        of.nvt = (of.oc - 1) / VL % NV + 1;
        of.x_h = (of.ow + 2) * VL;
        of.x_c = (of.oh + 2) * of.x_h;
        of.x_n = round_up(of.ic, VL) / VL * of.x_c;
        float *x = check_floats(of.n * of.x_n), *w = check_floats(of.oc * of.ic * 9), *u = pack(w);
        for (int64_t i = 0; i < of.n * of.x_n; i++)
            if (i / of.x_c % (of.x_n / of.x_c) * VL + i % VL >= of.ic) x[i] = NAN;
        float *scratch = check_floats(POINTS * (of.tb * (round_up(of.ic, VL) + of.gb * NV * VL) + 2 * VL));
        check_output y = check_output_new(of.n * of.oc * of.oh * of.ow);
        CHECK_RANGES((TILES + of.tb - 1) / of.tb * of.parts, conv_wino(x, u, scratch, lo, hi, &y))
        check_written_once(&y);
        for (int64_t i = 0; i < y.n; i++) check_element(x, w, i / of.ow / of.oh / of.oc, i / of.ow / of.oh % of.oc, i / of.ow % of.oh, i % of.ow, y.value[i]);
        check_output_free(&y);
        free(x);
        free(w);
        free(u);
        free(scratch);
    }
    return 0;
}
