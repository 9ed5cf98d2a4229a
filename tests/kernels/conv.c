/* conv on random shapes: groups, one to three spatial dimensions, strides, dilations, channel blocks of 1, VL and IC, all remainders. */
#include "check.h"

typedef struct {
    int64_t n, groups, ic, oc, oc_lanes, xb, cb, step, nvt, rows, parts;  /* ic, oc: per group */
    int64_t o[3], k[3], s[3], d[3], size[3];                    /* size: of the input with its halo */
    int64_t x_n, x_c, x_d, x_h, x_w;
} shape;

#define IC (p_->ic)
#define OC (p_->oc)
#define OC_LANES (p_->oc_lanes)
#define XB (p_->xb)
#define CB (p_->cb)
#define STEP (p_->step)
#define SUMS (5 * (2 * RX + 1) * NV * VL)
#define NVT ((int)p_->nvt)
#define GROUPS (p_->groups)
#define ROWS (p_->rows)
#define PARTS (p_->parts)
#define LINES (p_->n * p_->o[0] * p_->o[1])
#define OD (p_->o[0])
#define OH (p_->o[1])
#define OW (p_->o[2])
#define KD (p_->k[0])
#define KH (p_->k[1])
#define KW (p_->k[2])
#define SD (p_->s[0])
#define SH (p_->s[1])
#define SW (p_->s[2])
#define DD (p_->d[0])
#define DH (p_->d[1])
#define DW (p_->d[2])
#define X_AT 0
#define AHEAD 1
#define X_N (p_->x_n)
#define X_C (p_->x_c)
#define X_D (p_->x_d)
#define X_H (p_->x_h)
#define X_W (p_->x_w)
#define HOOK_PARAMS , const shape *p_, const check_output *y
#define HOOK_ARGS , p_, y
#define OUT_V out_v
#define OUT_S out_s

/* y is [n][groups * oc][od * oh][ow]; the hook may be called for lanes up to oc_lanes, which are dropped here. */
static void out_s(float acc, int64_t n, int64_t block, int64_t row, int64_t ow, int64_t lane, const shape *p_, const check_output *y)
{
    const int64_t oc = block * VL + lane;
    if (oc >= p_->groups * p_->oc) return;
    check_store(y, ((n * p_->groups * p_->oc + oc) * p_->o[0] * p_->o[1] + row) * p_->o[2] + ow, acc);
}

static void out_v(vf acc, int64_t n, int64_t block, int64_t row, int64_t ow, int64_t first, const shape *p_, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], n, block, row, ow, first + i, p_, y);
}

#include "cpu/conv.c"

static int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

static float x_at(const shape *p, const float *x, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w)
{
    return x[n * p->x_n + c / p->xb * p->x_c + d * p->x_d + h * p->x_h + w * p->x_w + c % p->xb];
}

static float *pack(const shape *p, const float *w)
{
    const int64_t taps = p->k[0] * p->k[1] * p->k[2], nr = NV * VL, ob = round_up(p->oc, nr), ib = round_up(p->ic, p->cb);
    float *packed = check_floats(p->groups * ob * ib * taps), *to = packed;
    for (int64_t g = 0; g < p->groups; g++)
        for (int64_t o0 = 0; o0 < ob; o0 += nr)
            for (int64_t i0 = 0; i0 < ib; i0 += p->cb)
                for (int64_t t = 0; t < taps; t++)
                    for (int64_t i = i0; i < i0 + p->cb; i++)
                        for (int64_t o = o0; o < o0 + nr; o++)
                            *to++ = o < p->oc && i < p->ic ? w[((g * p->oc + o) * p->ic + i) * taps + t] : 0.0f;
    return packed;
}

static void check_element(const shape *p, const float *x, const float *w, int64_t n, int64_t oc, const int64_t *at, float got)
{
    const int64_t g = oc / p->oc;
    double sum = 0, scale = 0;
    for (int64_t i = 0; i < p->ic; i++)
        for (int64_t t = 0; t < p->k[0] * p->k[1] * p->k[2]; t++) {
            const int64_t kd = t / (p->k[1] * p->k[2]), kh = t / p->k[2] % p->k[1], kw = t % p->k[2];
            const float v = x_at(p, x, n, g * p->ic + i, at[0] * p->s[0] + kd * p->d[0], at[1] * p->s[1] + kh * p->d[1], at[2] * p->s[2] + kw * p->d[2]);
            const double product = (double)v * (double)w[(oc * p->ic + i) * p->k[0] * p->k[1] * p->k[2] + t];
            sum += product;
            scale += fabs(product);
        }
    check_near("element", (double)got, sum, 1e-6 * scale);
}

static void check_shape(const shape *p)
{
    const int64_t channels = p->groups * p->ic, taps = p->k[0] * p->k[1] * p->k[2];
    float *x = check_floats(p->n * p->x_n), *w = check_floats(p->groups * p->oc * p->ic * taps), *packed = pack(p, w);
    if (p->groups == 1 && p->xb == VL) /* lanes beyond the channels hold anything, even NaN */
        for (int64_t i = 0; i < p->n * p->x_n; i++)
            if (i / p->x_c % (p->x_n / p->x_c) * VL + i % VL >= channels) x[i] = NAN;
    check_output y = check_output_new(p->n * p->groups * p->oc * p->o[0] * p->o[1] * p->o[2]);
    CHECK_RANGES(p->n * p->o[0] * p->o[1] * p->parts, conv(x, packed, lo, hi, p, &y))
    check_written_once(&y);
    int64_t i = 0;
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t oc = 0; oc < p->groups * p->oc; oc++)
            for (int64_t od = 0; od < p->o[0]; od++)
                for (int64_t oh = 0; oh < p->o[1]; oh++)
                    for (int64_t ow = 0; ow < p->o[2]; ow++) check_element(p, x, w, n, oc, (const int64_t[]){od, oh, ow}, y.value[i++]);
    check_output_free(&y);
    free(x);
    free(w);
    free(packed);
}

static void random_shape(shape *p, int layout)
{
    p->n = check_int(1, 2);
    p->groups = check_int(0, 2) ? 1 : check_int(2, 3);
    p->ic = check_int(1, VL + 3);
    p->oc = check_int(1, 2 * NV * VL);
    if (layout == 0 && p->groups > 1) p->ic = VL; /* blocks of VL channels must not cross groups */
    p->xb = layout == 0 ? VL : layout == 1 || p->groups > 1 ? 1 : p->ic;
    p->cb = p->xb * check_int(1, 3);
    p->step = check_int(1, 3);
    p->oc_lanes = p->groups > 1 || check_int(0, 1) ? p->oc : round_up(p->oc, VL);
    if (p->groups > 1 && p->oc % VL) p->oc_lanes = 0;
    p->nvt = (p->oc - 1) / VL % NV + 1;
    p->rows = check_int(1, 5);
    p->parts = check_int(1, 3);
    const int64_t rank = check_int(1, 3);
    for (int i = 0; i < 3; i++) {
        const bool used = i >= 3 - rank;
        p->o[i] = used ? check_int(1, i == 2 ? 2 * RX + 1 : 3) : 1;
        p->k[i] = used ? check_int(1, 3) : 1;
        p->s[i] = check_int(1, 2);
        p->d[i] = check_int(1, 2);
        p->size[i] = (p->o[i] - 1) * p->s[i] + (p->k[i] - 1) * p->d[i] + 1;
    }
    p->x_w = p->xb;
    p->x_h = p->size[2] * p->x_w;
    p->x_d = p->size[1] * p->x_h;
    p->x_c = p->size[0] * p->x_d;
    p->x_n = round_up(p->groups * p->ic, p->xb) / p->xb * p->x_c;
}

int main(void)
{
    for (int round = 0; round < 45; round++) {
        shape p;
        random_shape(&p, round % 3);
        check_shape(&p);
    }
    return 0;
}
