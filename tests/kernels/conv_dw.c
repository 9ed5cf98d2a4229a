/* conv_dw on random shapes: channels that fill no vector, strides, dilations, all remainders of pixels. */
#include "check.h"

#define X_T float
#define X_LD vf_ld

typedef struct {
    int64_t n, c, lanes, oh, ow, kh, kw, sh, sw, dh, dw, x_n, x_c, x_h, parts;
} shape;

#define C (s->c)
#define C_LANES (s->lanes)
#define PARTS (s->parts)
#define LINES (s->n * s->oh)
#define OH (s->oh)
#define OW (s->ow)
#define KH (s->kh)
#define KW (s->kw)
#define SH (s->sh)
#define SW (s->sw)
#define DH (s->dh)
#define DW (s->dw)
#define X_AT 0
#define X_N (s->x_n)
#define X_C (s->x_c)
#define X_H (s->x_h)
#define X_W VL
#define HOOK_PARAMS , const shape *s, const check_output *y
#define HOOK_ARGS , s, y
#define OUT_V out_v
#define OUT_S out_s

static void out_s(float acc, int64_t n, int64_t block, int64_t oh, int64_t ow, int64_t lane, const shape *s, const check_output *y)
{
    const int64_t c = block * VL + lane;
    if (c < s->c) check_store(y, ((n * s->c + c) * s->oh + oh) * s->ow + ow, acc);
}

static void out_v(vf acc, int64_t n, int64_t block, int64_t oh, int64_t ow, int64_t first, const shape *s, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], n, block, oh, ow, first + i, s, y);
}

#include "cpu/conv_dw.c"

static void check_shape(const shape *s)
{
    const int64_t blocks = (s->c + VL - 1) / VL;
    float *x = check_floats(s->n * s->x_n), *w = check_floats(blocks * s->kh * s->kw * VL);
    check_output y = check_output_new(s->n * s->c * s->oh * s->ow);
    CHECK_RANGES(s->n * s->oh * s->parts, conv_dw(x, w, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) {
        const int64_t ow = i % s->ow, oh = i / s->ow % s->oh, c = i / s->ow / s->oh % s->c, n = i / s->ow / s->oh / s->c;
        double sum = 0, scale = 0;
        for (int64_t kh = 0; kh < s->kh; kh++)
            for (int64_t kw = 0; kw < s->kw; kw++) {
                const float v = x[n * s->x_n + c / VL * s->x_c + (oh * s->sh + kh * s->dh) * s->x_h + (ow * s->sw + kw * s->dw) * VL + c % VL];
                const double product = (double)v * (double)w[((c / VL * s->kh + kh) * s->kw + kw) * VL + c % VL];
                sum += product;
                scale += fabs(product);
            }
        check_near("element", (double)y.value[i], sum, 1e-6 * scale);
    }
    check_output_free(&y);
    free(x);
    free(w);
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        shape s = {.n = check_int(1, 2), .c = check_int(1, 2 * VL + 1), .oh = check_int(1, 4), .ow = check_int(1, 2 * RX + 1),
                   .kh = check_int(1, 4), .kw = check_int(1, 4), .sh = check_int(1, 2), .sw = check_int(1, 2),
                   .dh = check_int(1, 2), .dw = check_int(1, 2), .parts = check_int(1, 3)};
        s.lanes = check_int(0, 1) ? s.c : (s.c + VL - 1) / VL * VL;
        s.x_h = ((s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1) * VL;
        s.x_c = ((s.oh - 1) * s.sh + (s.kh - 1) * s.dh + 1) * s.x_h;
        s.x_n = (s.c + VL - 1) / VL * s.x_c;
        check_shape(&s);
    }
    return 0;
}
