/* winograd.c - which 3x3 convolutions Winograd's F(4x4, 3x3) computes (templates/cpu/conv_wino.c), and their weights.
 *
 * in:  K_CONV steps whose input has its view
 * out: conv_params.winograd; later, when kernels are selected, the step
 * It takes a quarter of the multiply-adds and four times the weights, which then come from farther away. So a cost model says where it is faster, and
 * --optimize how much more weights may be in all: balanced MOST_GROWTH of what the model has, given to what gains most for its bytes; speed as much as is
 * wanted; size nothing. The choice doesn't depend on the number of threads, for results must not. */
#include "plan/conv_plan.h"

enum { LEAST_CHANNELS = 16, POINTS = 36 };
static const double LEAST_GAIN = 1.15;
static const double MOST_GROWTH = 0.58;          /* of the weights, balanced; other packing adds a little too */
static const double L3_BYTES = 16e6;             /* what of the third cache is likely ours */
static const double L3_RATE = 40, DRAM_RATE = 14; /* bytes in one of tile.c's cycles (two multiply-adds of a vector), one thread, prefetched; measured on Zen 4 */

typedef struct {
    kernel *k;
    double gain; /* cycles */
    int64_t bytes;
} candidate;

typedef struct {
    program *p;
    const plan_options *o;
    VEC(candidate) list;
    int64_t all; /* bytes of the candidates' transformed weights */
} chooser;

static bool fits(program *p, const plan_options *o, const kernel *k)
{
    const conv_params *c = &k->conv;
    const int vl = o->target->vl;
    if (k->kind != K_CONV || k->hook[0].int_acc || c->rank != 2 || c->group != 1 || vl < 4 || conv_input_block(p, k, vl) != vl) return false;
    for (uint32_t i = 0; i < 2; i++)
        if (c->kernel[i] != 3 || c->stride[i] != 1 || c->dilation[i] != 1 || c->pad_lo[i] < 0 || c->pad_hi[i] < 0) return false;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    return w->data && elem_of(w->type)->kind == 'f' && conv_known(p, w->extent[0]) >= LEAST_CHANNELS && conv_known(p, w->extent[1]) >= LEAST_CHANNELS;
}

/* Of one image: the cycles of the direct sum, and those of Winograd's with `all` bytes of such weights in the model. */
static void estimate(const chooser *c, const kernel *k, double *direct, double *winograd)
{
    program *p = c->p;
    const target *t = c->o->target;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    const vector_unit unit = {t->vl, t->registers, t->l2, false};
    const hook *h = &k->hook[0];
    int64_t size[2];
    *direct = *winograd = 0;
    for (int i = 0; i < 2; i++) {
        size[i] = dim_is_axis(p->dims, h->axis[i + 2]) ? conv_known(p, dim_extent(p->dims, h->axis[i + 2])) : 1;
        if (size[i] < 0) size[i] = 56; /* not known before the run */
        if (!size[i]) return;
    }
    const int64_t oc = conv_known(p, w->extent[0]), ic = conv_known(p, w->extent[1]);
    const int64_t tiles = (size[0] + 3) / 4 * ((size[1] + 3) / 4);
    const conv_tile ct = conv_tile_choose(&unit, oc, size[0], size[1], size[1] * ic * 4);
    const wino_tile wt = wino_tile_choose(&unit, tiles, ic, oc, 1);
    if (!wt.tb) return;
    const double bytes = (double)(oc * ic * POINTS * 4), blocks = (double)((tiles + wt.tb - 1) / wt.tb);
    const double read = bytes < t->l2 / 2 ? 0 : bytes / ((double)c->all > L3_BYTES ? DRAM_RATE : L3_RATE) + (blocks - 1) * bytes / L3_RATE;
    *direct = ct.cycles * (double)ic * 9;
    *winograd = wt.cycles > read ? wt.cycles + read / 8 : read + wt.cycles / 8;
}

static void add_candidate(void *ctx, step *s)
{
    chooser *c = ctx;
    if (s->kind != STEP_KERNEL || !fits(c->p, c->o, s->kernel)) return;
    const int64_t bytes = tensor_count(slot_at(c->p, s->kernel->arg[2].slot)->data) / 9 * POINTS * (int64_t)sizeof(float);
    const candidate new = {s->kernel, 0, bytes};
    VEC_PUSH(c->p->mem, c->list, new);
    c->all += bytes;
}

static int64_t weights_bytes(program *p)
{
    int64_t n = 0;
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->kind == SLOT_CONST && slot_at(p, s)->data) n += (int64_t)slot_at(p, s)->data->bytes;
    return n;
}

static int by_gain(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    const double gx = x->gain / (double)x->bytes, gy = y->gain / (double)y->bytes;
    return gx != gy ? (gx < gy) - (gx > gy) : 0;
}

void plan_winograd(program *p, const plan_options *o)
{
    chooser c = {.p = p, .o = o};
    if (o->math == MATH_STRICT || o->optimize == OPTIMIZE_SIZE || o->target->language != LANGUAGE_C) return;
    program_steps(p, add_candidate, &c);
    for (uint32_t i = 0; i < c.list.n; i++) {
        double direct, winograd;
        estimate(&c, c.list.p[i].k, &direct, &winograd);
        c.list.p[i].gain = direct > winograd * LEAST_GAIN ? direct - winograd : 0;
    }
    /* Equal gains stay in the order of the steps: insertion is stable, and lists are short. */
    for (uint32_t i = 1; i < c.list.n; i++)
        for (uint32_t k = i; k > 0 && by_gain(&c.list.p[k - 1], &c.list.p[k]) > 0; k--) {
            const candidate t = c.list.p[k];
            c.list.p[k] = c.list.p[k - 1];
            c.list.p[k - 1] = t;
        }
    double room = o->optimize == OPTIMIZE_SPEED ? (double)INT64_MAX : MOST_GROWTH * (double)weights_bytes(p);
    for (uint32_t i = 0; i < c.list.n; i++) {
        const candidate *k = &c.list.p[i];
        const double more = (double)(k->bytes - k->bytes / 4);
        if (!(k->gain > 0) || more > room) continue;
        room -= more;
        k->k->conv.winograd = true;
    }
}

/* ---- weights ---- */

/* G of F(4x4, 3x3) for the points 0, 1, -1, 2, -2 and infinity. */
static const double G[6][3] = {{1.0 / 4, 0, 0},           {-1.0 / 6, -1.0 / 6, -1.0 / 6},    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                               {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};

static void transform(const double *w, double *u)
{
    double half[6][3];
    for (int i = 0; i < 6; i++)
        for (int b = 0; b < 3; b++) half[i][b] = G[i][0] * w[b] + G[i][1] * w[3 + b] + G[i][2] * w[6 + b];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) u[i * 6 + j] = half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2];
}

static slot pack_winograd(program *p, const char *name, slot w, int64_t nr)
{
    const tensor *from = slot_at(p, w)->data;
    const int64_t oc = from->shape[0], ic = from->shape[1], shape[4] = {(oc + nr - 1) / nr, POINTS, ic, nr};
    tensor *t = tensor_new(p->mem, ELEM_FLOAT, 4, shape);
    float *to = (void *)(uintptr_t)t->data;
    for (int64_t o = 0; o < oc; o++)
        for (int64_t c = 0; c < ic; c++) {
            double taps[9], u[POINTS];
            for (int64_t i = 0; i < 9; i++) taps[i] = elem_get_double(from->type, from->data, (size_t)((o * ic + c) * 9 + i));
            transform(taps, u);
            for (int64_t i = 0; i < POINTS; i++) to[((o / nr * POINTS + i) * ic + c) * nr + o % nr] = (float)u[i];
        }
    dim extent[4];
    for (int i = 0; i < 4; i++) extent[i] = dim_const(p->dims, shape[i]);
    const slot made = slot_new(p, name, ELEM_FLOAT, SLOT_CONST, 4, extent);
    t->name = slot_at(p, made)->name;
    slot_at(p, made)->data = t;
    return made;
}

/* ---- the step ---- */

static slot scratch_slot(program *p, const char *name, int64_t threads, int64_t elements)
{
    const dim extent[2] = {dim_const(p->dims, threads), dim_const(p->dims, elements)};
    return slot_new(p, name, ELEM_FLOAT, SLOT_TEMP, 2, extent);
}

/* Tiles of 4x4 pixels, in blocks (templates/cpu/conv_wino.c). */
bool conv_winograd(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    const int vl = c->o->target->vl, threads = c->o->threads > 1 ? c->o->threads : 1;
    const vector_unit unit = conv_unit(c);
    const dim four = dim_const(d, 4);
    const dim tiles = dim_mul(d, conv_extent(p, c->hook.axis[0]), dim_mul(d, dim_cdiv(d, c->out[1], four), dim_cdiv(d, c->out[2], four)));
    const wino_tile t = wino_tile_choose(&unit, conv_known(p, tiles), c->ic, c->oc, threads);
    if (!t.tb) return false;
    const slot weights = pack_winograd(p, conv_weights_name(c), c->k->arg[2].slot, (int64_t)t.nv * vl);
    const int64_t scratch = 36 * (t.tb * ((c->ic + vl - 1) / vl * vl + t.nv * vl) + 2 * vl);
    bindings b = {.d = d};
    conv_bind_number(&b, "MR", t.mr);
    conv_bind_number(&b, "MT", t.mt);
    conv_bind_number(&b, "NV", t.nv);
    conv_bind_number(&b, "NVT", t.nvt);
    conv_bind_number(&b, "TB", t.tb);
    conv_bind_number(&b, "PARTS", t.parts);
    conv_bind_number(&b, "AHEAD", t.ahead);
    conv_bind_number(&b, "IC", c->ic);
    conv_bind_number(&b, "OC", c->oc);
    conv_bind_number(&b, "OC_LANES", c->lanes);
    conv_bind(&b, "OH", c->out[1]);
    conv_bind(&b, "OW", c->out[2]);
    conv_bind(&b, "TILES", tiles);
    conv_bind(&b, "X_AT", c->x_at);
    conv_bind(&b, "X_N", c->x_n);
    conv_bind(&b, "X_C", c->x_c);
    conv_bind(&b, "X_H", c->x_stride[1]);
    const dim parts = dim_mulc(d, dim_cdiv(d, tiles, dim_const(d, t.tb)), t.parts);
    conv_append(c, s, out, "conv_wino", b.list, b.n, weights, scratch_slot(p, "tiles", threads, scratch), scratch, parts);
    return true;
}
