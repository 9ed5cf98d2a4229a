/* conv_sum on random shapes: one to three spatial dimensions, strides, dilations, all remainders of channels and pixels; lanes beyond the channels hold no numbers. */
#include "check.h"

typedef struct {
    int64_t n, ic, oc, blocks, o[3], k[3], s[3], d[3], size[3], x_n, x_c, x_d, x_h;
} shape;

static shape of; /* what is being checked */

#define IC (of.ic)
#define OC (of.oc)
#define OD (of.o[0])
#define OH (of.o[1])
#define OW (of.o[2])
#define KD (of.k[0])
#define KH (of.k[1])
#define KW (of.k[2])
#define SD (of.s[0])
#define SH (of.s[1])
#define SW (of.s[2])
#define DD (of.d[0])
#define DH (of.d[1])
#define DW (of.d[2])
#define X_AT 0
#define X_N (of.x_n)
#define X_C (of.x_c)
#define X_D (of.x_d)
#define X_H (of.x_h)
#define X_W VL
#define HOOK_PARAMS , const check_output *y
#define HOOK_ARGS , y
#define OUT_V out_v
#define OUT_S out_s

static void out_s(float acc, int64_t n, int64_t oc, int64_t row, int64_t ow, const check_output *y)
{
    check_store(y, ((n * of.oc + oc) * of.o[0] * of.o[1] + row) * of.o[2] + ow, acc);
}

static void out_v(vf acc, int64_t n, int64_t oc, int64_t row, int64_t ow, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], n, oc, row, ow + i, y);
}

#include "cpu/conv_sum.c"

/* [oc][block][tap][VL] of [oc][ic][tap]. */
static float *pack(const float *w)
{
    const int64_t taps = KD * KH * KW;
    float *packed = check_floats(OC * of.blocks * taps * VL), *to = packed;
    for (int64_t o = 0; o < OC; o++)
        for (int64_t b = 0; b < of.blocks; b++)
            for (int64_t t = 0; t < taps; t++)
                for (int64_t i = b * VL; i < (b + 1) * VL; i++) *to++ = i < IC ? w[(o * IC + i) * taps + t] : 0.0f;
    return packed;
}

static int64_t place(int64_t n, int64_t ic, int64_t d, int64_t h, int64_t w)
{
    return n * X_N + ic / VL * X_C + d * X_D + h * X_H + w * VL + ic % VL;
}

static void check_element(const float *x, const float *w, int64_t n, int64_t oc, const int64_t *at, float got)
{
    const int64_t taps = KD * KH * KW;
    double sum = 0, scale = 0;
    for (int64_t i = 0; i < IC; i++)
        for (int64_t t = 0; t < taps; t++) {
            const int64_t kd = t / (KH * KW), kh = t / KW % KH, kw = t % KW;
            const double product = (double)x[place(n, i, at[0] * SD + kd * DD, at[1] * SH + kh * DH, at[2] * SW + kw * DW)] * (double)w[(oc * IC + i) * taps + t];
            sum += product;
            scale += fabs(product);
        }
    check_near("element", (double)got, sum, 1e-6 * scale);
}

static shape new_shape(int dimensions)
{
    shape s = {.n = check_int(1, 2), .ic = check_int(1, 3 * VL), .oc = check_int(1, 3)};
    for (int i = 0; i < 3; i++) {
        const bool used = i >= 3 - dimensions;
        s.o[i] = used ? check_int(1, i == 2 ? 3 * VL : 3) : 1;
        s.k[i] = used ? check_int(1, 3) : 1;
        s.s[i] = check_int(1, 2);
        s.d[i] = check_int(1, 2);
        s.size[i] = (s.o[i] - 1) * s.s[i] + (s.k[i] - 1) * s.d[i] + 1;
    }
    s.blocks = (s.ic + VL - 1) / VL;
    s.x_h = s.size[2] * VL;
    s.x_d = s.size[1] * s.x_h;
    s.x_c = s.size[0] * s.x_d;
    s.x_n = s.blocks * s.x_c;
    return s;
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        of = new_shape(1 + round % 3);
        float *x = check_floats(of.n * of.x_n), *w = check_floats(of.oc * of.ic * KD * KH * KW), *packed = pack(w);
        for (int64_t i = 0; i < of.n * of.x_n; i++)
            if (i / of.x_c % of.blocks * VL + i % VL >= of.ic) x[i] = NAN;
        check_output y = check_output_new(of.n * of.oc * OD * OH * OW);
        CHECK_RANGES(of.n * OD * OH, conv_sum(x, packed, lo, hi, &y))
        check_written_once(&y);
        int64_t i = 0;
        for (int64_t n = 0; n < of.n; n++)
            for (int64_t oc = 0; oc < of.oc; oc++)
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
