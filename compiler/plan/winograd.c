/* winograd.c - which 3x3 convolutions Winograd's F(4x4, 3x3) or F(2x2, 3x3) computes (templates/cpu/conv_wino.c), and their weights.
 *
 * in:  K_CONV steps whose input has its view
 * out: conv_params.winograd; later, when kernels are selected, the step
 * They take a quarter or four ninths of the multiply-adds, and 4 or 1.8 times the weights, which then come from farther away. So a cost model says where they
 * are faster, and --optimize how much more weights may be in all: balanced MOST_GROWTH of what the model has, given to what gains most for its bytes; speed as
 * much as is wanted; size nothing. The choice doesn't depend on the number of threads, for results must not. */
#include "plan/conv_plan.h"
#include "plan/tuning.h"

enum { LEAST_CHANNELS = 16, SIDES = 2 };
static const int side_of[SIDES] = {2, 4};
static const double LEAST_GAIN = 1.15;
static const double MEASURED = 1e30; /* gain of what a tuning file wants: it comes first */
static const double HALF_RATE = 2.5; /* direct sums of float16 against float32, less what Intel's processors, which have them, gain less by tiles than this model says; measured */
static const double MOST_GROWTH = 0.59; /* of the weights, balanced; other packing adds a little too */

/* A convolution by tiles of one size in place of smaller ones, or of the direct sum. */
typedef struct {
    kernel *k;
    int side, before; /* before: 0, or the side of the tiles that it has to have so far */
    double gain;      /* cycles */
    double more;      /* bytes of weights */
} candidate;

typedef struct {
    program *p;
    const plan_options *o;
    VEC(kernel *) list;
    double from_l3; /* share of the weights that a run finds in the third cache */
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

static int64_t points_of(int side)
{
    return (int64_t)(side + 2) * (side + 2);
}

static double weights_of(program *p, const kernel *k, int64_t points)
{
    return (double)tensor_count(slot_at(p, k->arg[2].slot)->data) / 9 * (double)points * sizeof(float);
}

/* Cycles of a step whose weights are prefetched while it computes. */
static double with_weights(const chooser *c, double cycles, double bytes)
{
    const target *t = c->o->target;
    const double read = bytes < (double)t->l2 / 2 ? 0 : bytes * (c->from_l3 / t->l3_rate + (1 - c->from_l3) / t->memory_rate);
    return cycles > read ? cycles + read / 8 : read + cycles / 8;
}

/* Of one image: the cycles of the direct sum, and with tiles of each size; 0: none. */
static void estimate(const chooser *c, const kernel *k, double *direct, double *winograd)
{
    program *p = c->p;
    const target *t = c->o->target;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    const vector_unit unit = {t->vl, t->registers, t->l2, false, t->l3_rate};
    const hook *h = &k->hook[0];
    int64_t size[2];
    *direct = winograd[0] = winograd[1] = 0;
    for (int i = 0; i < 2; i++) {
        size[i] = dim_is_axis(p->dims, h->axis[i + 2]) ? conv_known(p, dim_extent(p->dims, h->axis[i + 2])) : 1;
        if (size[i] < 0) size[i] = 56; /* not known before the run */
        if (!size[i]) return;
    }
    const int64_t oc = conv_known(p, w->extent[0]), ic = conv_known(p, w->extent[1]);
    const conv_tile ct = conv_tile_choose(&unit, oc, size[0], size[1], size[1] * ic * 4);
    *direct = with_weights(c, ct.cycles * (double)ic * 9 / (!k->conv.narrow ? 1 : t->dot2 ? 2 : t->fma16 ? HALF_RATE : 1), weights_of(p, k, 9));
    for (int i = 0; i < SIDES; i++) {
        const int side = side_of[i];
        const int64_t tiles = (size[0] + side - 1) / side * ((size[1] + side - 1) / side);
        const wino_tile wt = wino_tile_choose(&unit, side, tiles, ic, oc, 1);
        if (!wt.tb) continue;
        winograd[i] = with_weights(c, wt.cycles, weights_of(p, k, points_of(side)));
    }
}

static void add_kernel(void *ctx, step *s)
{
    chooser *c = ctx;
    if (s->kind != STEP_KERNEL || !fits(c->p, c->o, s->kernel)) return;
    VEC_PUSH(c->p->mem, c->list, s->kernel);
}

static int64_t weights_bytes(program *p)
{
    int64_t n = 0;
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->kind == SLOT_CONST && slot_at(p, s)->data) n += (int64_t)slot_at(p, s)->data->bytes;
    return n;
}

/* A run that reads more than the cache holds finds the less there the more it is. */
static double share_in_l3(const plan_options *o, double bytes)
{
    const double share = 2 - bytes * (1 + MOST_GROWTH) / (double)o->target->l3;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

typedef VEC(candidate) candidates;

static void add_candidate(const chooser *c, candidates *list, kernel *k, int side, int before, double gain)
{
    const double more = weights_of(c->p, k, points_of(side)) - weights_of(c->p, k, before ? points_of(before) : 9);
    const candidate made = {k, side, before, gain, more};
    VEC_PUSH(c->p->mem, *list, made);
}

static void add_choices(const chooser *c, candidates *list, kernel *k)
{
    double direct, winograd[SIDES];
    estimate(c, k, &direct, winograd);
    const int tuned = tuning_winograd(c->p, c->o, k);
    for (int i = 0; i < SIDES; i++) {
        if (winograd[i] <= 0) continue;
        k->conv.sides |= side_of[i];
        if (tuned == side_of[i]) add_candidate(c, list, k, tuned, 0, MEASURED);
    }
    if (tuned >= 0) return;
    const double small = winograd[0] > 0 && direct > winograd[0] * LEAST_GAIN ? direct - winograd[0] : 0;
    const double large = winograd[1] > 0 && direct > winograd[1] * LEAST_GAIN ? direct - winograd[1] : 0;
    if (small > 0) add_candidate(c, list, k, 2, 0, small);
    if (large > small) add_candidate(c, list, k, 4, small > 0 ? 2 : 0, large - small);
}

/* The most for its bytes first, and equal ones in the order of the steps. Where the larger tiles gain more for their bytes than the smaller ones before them,
 * those come first all the same (`before`), and the step to the larger ones soon after. */
static void sort(candidates *list)
{
    for (uint32_t i = 1; i < list->n; i++)
        for (uint32_t k = i; k > 0 && list->p[k - 1].gain / list->p[k - 1].more < list->p[k].gain / list->p[k].more && list->p[k - 1].k != list->p[k].k; k--) {
            const candidate t = list->p[k];
            list->p[k] = list->p[k - 1];
            list->p[k - 1] = t;
        }
}

/* Multiply-adds of the step that tiles of a side save, at the least sizes of what is open; side 0: none. */
static int64_t saved_by(program *p, const kernel *k, int side)
{
    const int64_t work = dim_range(p->dims, matrix_work(p, k)).lo;
    return side ? work / (9 * side * side) * (9 * side * side - points_of(side)) : 0;
}

static void note_taken(program *p, const kernel *k, winograd_use *f)
{
    if (!k->conv.winograd) return;
    f->layers++;
    f->bytes += (int64_t)(weights_of(p, k, points_of(k->conv.winograd)) - weights_of(p, k, 9));
    f->saved += saved_by(p, k, k->conv.winograd);
}

static void note_left(program *p, const candidate *k, winograd_use *f)
{
    f->left += !k->before || k->k->conv.winograd == k->before; /* not its larger tiles as well */
    f->left_bytes += (int64_t)k->more;
    f->left_saved += saved_by(p, k->k, k->side) - saved_by(p, k->k, k->before);
}

winograd_use plan_winograd(program *p, const plan_options *o)
{
    chooser c = {.p = p, .o = o};
    candidates list = {0};
    winograd_use facts = {0};
    if (o->math == MATH_STRICT || o->target->language != LANGUAGE_C) return facts;
    c.from_l3 = share_in_l3(o, (double)weights_bytes(p));
    program_steps(p, add_kernel, &c);
    for (uint32_t i = 0; i < c.list.n; i++) add_choices(&c, &list, c.list.p[i]);
    sort(&list);
    double room = o->optimize == OPTIMIZE_SPEED ? (double)INT64_MAX : o->optimize == OPTIMIZE_SIZE ? 0 : MOST_GROWTH * (double)weights_bytes(p);
    for (uint32_t i = 0; i < list.n; i++) {
        const candidate *k = &list.p[i];
        if (k->k->conv.winograd != k->before || k->more > room) {
            note_left(p, k, &facts);
            continue;
        }
        room -= k->more;
        k->k->conv.winograd = k->side;
    }
    for (uint32_t i = 0; i < c.list.n; i++) {
        note_taken(p, c.list.p[i], &facts);
        if (o->optimize == OPTIMIZE_SIZE) c.list.p[i]->conv.sides = 0; /* a tuning file may not ask for it either */
    }
    return facts;
}

/* ---- weights ---- */

/* G of F(4x4, 3x3) for the points 0, 1, -1, 2, -2 and infinity, and of F(2x2, 3x3) for 0, 1, -1 and infinity. */
static const double G4[6][3] = {{1.0 / 4, 0, 0},           {-1.0 / 6, -1.0 / 6, -1.0 / 6},    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};
static const double G2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

static void transform(int side, const double *w, double *u)
{
    const double(*const g)[3] = side == 4 ? G4 : G2;
    double half[6][3];
    for (int i = 0; i < side + 2; i++)
        for (int b = 0; b < 3; b++) half[i][b] = g[i][0] * w[b] + g[i][1] * w[3 + b] + g[i][2] * w[6 + b];
    for (int i = 0; i < side + 2; i++)
        for (int j = 0; j < side + 2; j++) u[i * (side + 2) + j] = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
}

/* G w Gt of the weights, in double: constant [groups of nr channels][points][IC][nr], but in each chunk of gb groups the points are the first dimension. */
static slot pack_winograd(program *p, const char *name, slot w, int side, int64_t nr, int64_t gb)
{
    const tensor *from = slot_at(p, w)->data;
    const int64_t oc = from->shape[0], ic = from->shape[1], points = points_of(side), groups = (oc + nr - 1) / nr, shape[4] = {groups, points, ic, nr};
    tensor *t = tensor_new(p->mem, ELEM_FLOAT, 4, shape);
    float *to = (void *)(uintptr_t)t->data;
    for (int64_t o = 0; o < oc; o++)
        for (int64_t c = 0; c < ic; c++) {
            double taps[9], u[36];
            for (int64_t i = 0; i < 9; i++) taps[i] = elem_get_double(from->type, from->data, (size_t)((o * ic + c) * 9 + i));
            transform(side, taps, u);
            const int64_t g = o / nr, first = g / gb * gb, chunk = groups - first < gb ? groups - first : gb;
            for (int64_t i = 0; i < points; i++) to[((first * points + i * chunk + g - first) * ic + c) * nr + o % nr] = (float)u[i];
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

/* Tiles in blocks (templates/cpu/conv_wino.c). */
bool conv_winograd(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    const int vl = c->o->target->vl, threads = c->o->threads > 1 ? c->o->threads : 1, side = c->k->conv.winograd;
    const vector_unit unit = conv_unit(c);
    const dim across = dim_const(d, side);
    const dim tiles = dim_mul(d, conv_extent(p, c->hook.axis[0]), dim_mul(d, dim_cdiv(d, c->out[1], across), dim_cdiv(d, c->out[2], across)));
    const wino_tile t = wino_tile_choose(&unit, side, conv_known(p, tiles), c->ic, c->oc, threads);
    if (!t.tb) return false;
    const slot weights = pack_winograd(p, conv_weights_name(c), c->k->arg[2].slot, side, (int64_t)t.nv * vl, t.gb);
    const int64_t scratch = points_of(side) * (t.tb * ((c->ic + vl - 1) / vl * vl + t.gb * t.nv * vl) + 2 * vl);
    bindings b = {.d = d};
    conv_bind_input(&b, c);
    conv_bind_number(&b, "SIDE", side);
    conv_bind_number(&b, "MR", t.mr);
    conv_bind_number(&b, "MT", t.mt);
    conv_bind_number(&b, "NV", t.nv);
    conv_bind_number(&b, "NVT", t.nvt);
    conv_bind_number(&b, "TB", t.tb);
    conv_bind_number(&b, "GB", t.gb);
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
    conv_append(c, s, out, "conv_wino", b.list, b.n, weights, scratch_slot(p, "tiles", threads, scratch), scratch, parts)->by = t.parts == 1 ? SPLIT_ROWS : SPLIT_FILTERS;
    return true;
}
