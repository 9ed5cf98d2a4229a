/* qconv_dw on random shapes: channels that fill no vector, rows of taps that fill no four, strides, all remainders of pixels; exact, with and without an
 * offset of the weights. */
#include "bytes.h"

typedef struct {
    int64_t n, c, lanes, oh, ow, kh, kw, sh, sw, dh, dw, x_n, x_c, x_h, wz;
} shape;

#define C (s->c)
#define C_LANES (s->lanes)
#define OH (s->oh)
#define OW (s->ow)
#define KH (s->kh)
#define KW (s->kw)
#define SH (s->sh)
#define SW (s->sw)
#define DH (s->dh)
#define DW (s->dw)
#define WZ ((int32_t)s->wz)
#define X_AT 0
#define X_N (s->x_n)
#define X_C (s->x_c)
#define X_H (s->x_h)
#define HOOK_PARAMS , const shape *s, const check_output *y
#define HOOK_ARGS , s, y
#define OUT_V out_v
#define OUT_S out_s

static void out_s(int32_t acc, int64_t n, int64_t block, int64_t oh, int64_t ow, int64_t lane, const shape *s, const check_output *y)
{
    const int64_t c = block * VL + lane;
    if (c < s->c) check_store(y, ((n * s->c + c) * s->oh + oh) * s->ow + ow, (float)acc);
}

static void out_v(vi acc, int64_t n, int64_t block, int64_t oh, int64_t ow, int64_t first, const shape *s, const check_output *y)
{
    int32_t lane[VL];
    vi_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], n, block, oh, ow, first + i, s, y);
}

#include "cpu/qconv_dw.c"

static void check_shape(const shape *s)
{
    const int64_t blocks = (s->c + VL - 1) / VL, fours = (s->kw + 3) / 4;
    uint8_t *x = check_bytes(s->n * s->x_n + 3 * VL * s->dw), *w = check_bytes(blocks * VL * s->kh * s->kw);
    int8_t *packed = (int8_t *)check_bytes(blocks * s->kh * fours * VL * 4), *to = packed;
    int32_t bias[3 * VL + 2];
    for (int64_t i = 0; i < 3 * VL + 2; i++) bias[i] = (int32_t)check_int(-9999, 9999);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t kh = 0; kh < s->kh; kh++)
            for (int64_t four = 0; four < fours; four++)
                for (int64_t i = 0; i < 4 * VL; i++) {
                    const int64_t c = b * VL + i / 4, kw = four * 4 + i % 4;
                    *to++ = c < s->c && kw < s->kw ? check_signed(w[(c * s->kh + kh) * s->kw + kw]) : 0;
                }
    check_output y = check_output_new(s->n * s->c * s->oh * s->ow);
    CHECK_RANGES(s->n * s->oh, qconv_dw(x, packed, bias, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) {
        const int64_t ow = i % s->ow, oh = i / s->ow % s->oh, c = i / s->ow / s->oh % s->c, n = i / s->ow / s->oh / s->c;
        int32_t sum = bias[c];
        for (int64_t kh = 0; kh < s->kh; kh++)
            for (int64_t kw = 0; kw < s->kw; kw++)
                sum += x[n * s->x_n + c / VL * s->x_c + (oh * s->sh + kh * s->dh) * s->x_h + (ow * s->sw + kw * s->dw) * VL + c % VL] *
                       (check_signed(w[(c * s->kh + kh) * s->kw + kw]) + (int32_t)s->wz);
        check_near("element", (double)y.value[i], sum, 0);
    }
    check_output_free(&y);
    free(x);
    free(w);
    free(packed);
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        shape s = {.n = check_int(1, 2), .c = check_int(1, 2 * VL + 1), .oh = check_int(1, 4), .ow = check_int(1, 2 * RX + 1),
                   .kh = check_int(1, 4), .kw = check_int(1, 6), .sh = check_int(1, 2), .sw = check_int(1, 2),
                   .dh = check_int(1, 2), .dw = check_int(0, 1) ? 1 : check_int(2, 3), .wz = check_int(0, 1) ? 0 : check_int(-9, 130)};
        s.lanes = check_int(0, 1) ? s.c : (s.c + VL - 1) / VL * VL;
        s.x_h = ((s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1) * VL;
        s.x_c = ((s.oh - 1) * s.sh + (s.kh - 1) * s.dh + 1) * s.x_h;
        s.x_n = (s.c + VL - 1) / VL * s.x_c;
        check_shape(&s);
    }
    return 0;
}
