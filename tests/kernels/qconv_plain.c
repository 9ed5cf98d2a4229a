/* qconv_plain on random shapes: groups, one to three spatial dimensions, strides, dilations, windows that leave the image on either side or lie outside
 * it altogether, zero points of both; exact. */
#include "bytes.h"

typedef struct {
    int64_t n, groups, ic, oc; /* ic, oc: per group */
    int64_t o[3], k[3], s[3], d[3], pad[3], size[3];
    int64_t x_n, x_c, x_d, x_h, x_w;
    int32_t zx, zw;
    int edge[3], pairs;
} shape;
static const shape *p_; /* the one being checked: the tile has no arguments of the hook */

#define XT uint8_t
#define WT int8_t
#define RO 2
#define PAIRS (p_->pairs)
#ifndef RX
#define RX 3
#endif
#define IC (p_->ic)
#define OC (p_->oc)
#define GROUPS (p_->groups)
#define ID (p_->size[0])
#define IH (p_->size[1])
#define IW (p_->size[2])
#define OD (p_->o[0])
#define OH (p_->o[1])
#define OW (p_->o[2])
#define KD ((int32_t)p_->k[0])
#define KH ((int32_t)p_->k[1])
#define KW ((int32_t)p_->k[2])
#define SD (p_->s[0])
#define SH (p_->s[1])
#define SW (p_->s[2])
#define DD ((int32_t)p_->d[0])
#define DH ((int32_t)p_->d[1])
#define DW ((int32_t)p_->d[2])
#define PD (p_->pad[0])
#define PH (p_->pad[1])
#define PW (p_->pad[2])
#define EDGE_D (p_->edge[0])
#define EDGE_H (p_->edge[1])
#define EDGE_W (p_->edge[2])
#define X_N (p_->x_n)
#define X_C (p_->x_c)
#define X_D (p_->x_d)
#define X_H (p_->x_h)
#define X_W (p_->x_w)
#define ZX (p_->zx)
#define ZW (p_->zw)
#define HOOK_PARAMS , const check_output *y
#define HOOK_ARGS , y
#define OUT_S out_s

/* y is [n][groups * oc][od][oh][ow]; sums here are below 2^24: floats hold them. */
static void out_s(int32_t acc, int64_t n, int64_t oc, int64_t od, int64_t oh, int64_t ow, const check_output *y)
{
    check_store(y, (((n * p_->groups * p_->oc + oc) * p_->o[0] + od) * p_->o[1] + oh) * p_->o[2] + ow, (float)acc);
}

#include "cpu/qconv_plain.c"

static int32_t expected(const shape *p, const uint8_t *x, const int8_t *w, int64_t n, int64_t oc, const int64_t *at)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < p->ic; i++)
        for (int64_t t = 0; t < p->k[0] * p->k[1] * p->k[2]; t++) {
            const int64_t tap[3] = {t / (p->k[1] * p->k[2]), t / p->k[2] % p->k[1], t % p->k[2]};
            int64_t from = n * p->x_n + (oc / p->oc * p->ic + i) * p->x_c;
            bool inside = true;
            for (int a = 0; a < 3; a++) {
                const int64_t v = at[a] * p->s[a] + tap[a] * p->d[a] - p->pad[a];
                inside &= v >= 0 && v < p->size[a];
                from += v * (a == 0 ? p->x_d : a == 1 ? p->x_h : p->x_w);
            }
            if (inside) sum += (x[from] - p->zx) * (w[(oc * p->ic + i) * p->k[0] * p->k[1] * p->k[2] + t] - p->zw);
        }
    return sum;
}

static void check_shape(const shape *p)
{
    const int64_t all = p->groups * p->oc, blocks = (p->oc + RO - 1) / RO;
    uint8_t *x = check_bytes(p->n * p->x_n);
    int8_t *w = (int8_t *)check_bytes(all * p->ic * p->k[0] * p->k[1] * p->k[2]);
    check_output y = check_output_new(p->n * all * p->o[0] * p->o[1] * p->o[2]);
    CHECK_RANGES(p->n * p->groups * blocks, qconv_plain(x, w, lo, hi, &y))
    check_written_once(&y);
    int64_t i = 0;
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t oc = 0; oc < all; oc++)
            for (int64_t od = 0; od < p->o[0]; od++)
                for (int64_t oh = 0; oh < p->o[1]; oh++)
                    for (int64_t ow = 0; ow < p->o[2]; ow++) check_near("element", (double)y.value[i++], expected(p, x, w, n, oc, (const int64_t[]){od, oh, ow}), 0);
    check_output_free(&y);
    free(x);
    free(w);
}

static void random_shape(shape *p)
{
    p->n = check_int(1, 2);
    p->groups = check_int(0, 1) ? 1 : check_int(2, 4);
    p->ic = check_int(1, 5);
    p->oc = check_int(1, 5);
    p->zx = check_int(0, 1) ? 0 : (int32_t)check_int(0, 255);
    p->zw = check_int(0, 1) ? 0 : (int32_t)check_int(-9, 9);
    p->pairs = (int)check_int(0, 1);
    const int64_t rank = check_int(1, 3);
    for (int i = 0; i < 3; i++) {
        const bool used = i >= 3 - rank;
        p->o[i] = used ? check_int(1, i == 2 ? 3 * RX + 2 : 4) : 1;
        p->k[i] = used ? check_int(1, 4) : 1;
        p->s[i] = used ? check_int(1, 3) : 1;
        p->d[i] = used ? check_int(1, 2) : 1;
        p->pad[i] = used ? check_int(0, 4) : 0;
        const int64_t reach = (p->o[i] - 1) * p->s[i] + (p->k[i] - 1) * p->d[i] + 1 - p->pad[i], behind = used ? check_int(0, 4) : 0;
        p->size[i] = reach - behind > 1 ? reach - behind : 1;
        p->edge[i] = p->pad[i] > 0 || reach > p->size[i];
    }
    p->x_w = 1;
    p->x_h = p->size[2];
    p->x_d = p->size[1] * p->x_h;
    p->x_c = p->size[0] * p->x_d;
    p->x_n = p->groups * p->ic * p->x_c;
}

int main(void)
{
    for (int round = 0; round < 400; round++) {
        shape p;
        random_shape(&p);
        p_ = &p;
        check_shape(&p);
    }
    return 0;
}
