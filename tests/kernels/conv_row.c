/* conv_row on random shapes: groups, one to three spatial dimensions, strides, dilations, all remainders of channels and pixels. */
#include "check.h"

typedef struct {
    int64_t n, groups, ic, oc, o[3], k[3], s[3], d[3], size[3], x_n, x_c, x_d, x_h;
} shape;

static shape of; /* what is being checked */

#define RO 3
#define RV 2
#define IC (of.ic)
#define OC (of.oc)
#define GROUPS (of.groups)
#define OD (of.o[0])
#define OH (of.o[1])
#define OW (of.o[2])
#define KD (of.k[0])
#define KH (of.k[1])
#define KW (of.k[2])
#define SD (of.s[0])
#define SH (of.s[1])
#define DD (of.d[0])
#define DH (of.d[1])
#define DW (of.d[2])
#define X_AT 0
#define X_N (of.x_n)
#define X_C (of.x_c)
#define X_D (of.x_d)
#define X_H (of.x_h)
#define HOOK_PARAMS , const check_output *y
#define HOOK_ARGS , y
#define OUT_V out_v
#define OUT_S out_s

static void out_s(float acc, int64_t n, int64_t oc, int64_t row, int64_t ow, const check_output *y)
{
    check_store(y, ((n * of.groups * of.oc + oc) * of.o[0] * of.o[1] + row) * of.o[2] + ow, acc);
}

static void out_v(vf acc, int64_t n, int64_t oc, int64_t row, int64_t ow, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], n, oc, row, ow + i, y);
}

#include "cpu/conv_row.c"

static float *pack(const float *w)
{
    const int64_t taps = KD * KH * KW, blocks = (OC + RO - 1) / RO;
    float *packed = check_floats(GROUPS * blocks * RO * IC * taps), *to = packed;
    for (int64_t g = 0; g < GROUPS; g++)
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t i = 0; i < IC * taps; i++)
                for (int64_t o = b * RO; o < (b + 1) * RO; o++) *to++ = o < OC ? w[(g * OC + o) * IC * taps + i] : 0.0f;
    return packed;
}

static void check_element(const float *x, const float *w, int64_t n, int64_t oc, const int64_t *at, float got)
{
    const int64_t g = oc / OC, taps = KD * KH * KW;
    double sum = 0, scale = 0;
    for (int64_t i = 0; i < IC; i++)
        for (int64_t t = 0; t < taps; t++) {
            const int64_t kd = t / (KH * KW), kh = t / KW % KH, kw = t % KW;
            const float v = x[n * X_N + (g * IC + i) * X_C + (at[0] * SD + kd * DD) * X_D + (at[1] * SH + kh * DH) * X_H + at[2] + kw * DW];
            const double product = (double)v * (double)w[(oc * IC + i) * taps + t];
            sum += product;
            scale += fabs(product);
        }
    check_near("element", (double)got, sum, 1e-6 * scale);
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        of = (shape){.n = check_int(1, 2), .groups = check_int(1, 3), .ic = check_int(1, 9), .oc = check_int(1, 2 * RO + 1)};
        for (int i = 0; i < 3; i++) {
            const bool used = i >= round % 3;
            of.o[i] = used ? check_int(1, i == 2 ? 3 * RV * VL : 3) : 1;
            of.k[i] = used ? check_int(1, 3) : 1;
            of.s[i] = i == 2 ? 1 : check_int(1, 2);
            of.d[i] = check_int(1, 2);
            of.size[i] = (of.o[i] - 1) * of.s[i] + (of.k[i] - 1) * of.d[i] + 1;
        }
        of.x_h = of.size[2];
        of.x_d = of.size[1] * of.x_h;
        of.x_c = of.size[0] * of.x_d;
        of.x_n = of.groups * of.ic * of.x_c;
        float *x = check_floats(of.n * of.x_n + VL - 1), *w = check_floats(of.groups * of.oc * of.ic * KD * KH * KW), *packed = pack(w);
        for (int i = 0; i < VL - 1; i++) x[of.n * of.x_n + i] = NAN;
        check_output y = check_output_new(of.n * of.groups * of.oc * OD * OH * OW);
        CHECK_RANGES(of.n * OD * OH * GROUPS * ((OC + RO - 1) / RO), conv_row(x, packed, lo, hi, &y))
        check_written_once(&y);
        int64_t i = 0;
        for (int64_t n = 0; n < of.n; n++)
            for (int64_t oc = 0; oc < of.groups * of.oc; oc++)
                for (int64_t od = 0; od < OD; od++)
                    for (int64_t oh = 0; oh < OH; oh++)
                        for (int64_t ow = 0; ow < OW; ow++) check_element(x, w, n, oc, (const int64_t[]){od, oh, ow}, y.value[i++]);
        check_output_free(&y);
        free(x);
        free(w);
        free(packed);
    }
    return 0;
}
