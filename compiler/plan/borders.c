/* borders.c - steps that write the halos of slots: zeros, of bytes the zero point.
 *
 * in:  slots with `halo` set in their views, placed
 * out: behind each step that writes the inside of such a slot, one that writes its halo. After selection (plan_joins): where both go by the same rows they
 *      are one job for threads, so that each writes the cells around its own rows while those are in its cache */
#include <string.h>

#include "plan/conv_plan.h"

static bool has_halo(const slot_info *i)
{
    for (uint32_t k = 0; k < i->view.rank; k++)
        if (i->view.d[k].halo_lo || i->view.d[k].halo_hi) return true;
    return false;
}

/* ---- images: a kernel ---- */

/* Of all images; 0: it is not known. */
static double halo_cells(program *p, const slot_info *i, int64_t blocks)
{
    const struct view_dim *v = i->view.d;
    int64_t n, h, w;
    if (!dim_is_const(p->dims, i->extent[0], &n) || !dim_is_const(p->dims, i->extent[2], &h) || !dim_is_const(p->dims, i->extent[3], &w)) return 0;
    const double across = (double)v[3].halo_lo + v[3].halo_hi, down = (double)v[2].halo_lo + v[2].halo_hi;
    return (double)n * (double)blocks * ((double)h * across + ((double)w + across) * down);
}

static bool image_border(program *p, block *out, slot s)
{
    dims *d = p->dims;
    const slot_info i = *slot_at(p, s);
    const struct view_dim *v = i.view.d;
    int64_t channels;
    if (i.rank != 4 || v[0].halo_lo || v[0].halo_hi || v[1].halo_lo || v[1].halo_hi || !dim_is_const(d, i.extent[1], &channels)) return false;
    const int64_t lanes = v[1].block > 1 ? v[1].block : 1, blocks = (channels + lanes - 1) / lanes;
    const dim rows = dim_mul(d, i.extent[0], i.extent[2]);
    dim at = dim_mulc(d, i.view.offset, -1);
    if (v[2].first) at = dim_sub(d, at, dim_mul(d, dim_addc(d, v[2].first, v[2].halo_lo), v[2].stride));
    const struct {
        const char *name;
        int64_t number;
        dim size;
    } list[] = {{"L", lanes, 0}, {"VALUE", elem_of(i.type)->kind == 'f' ? 0 : i.halo_value, 0}, {"TOP", v[2].halo_lo, 0}, {"BOTTOM", v[2].halo_hi, 0}, {"LEFT", v[3].halo_lo, 0}, {"RIGHT", v[3].halo_hi, 0},
                {"BLOCKS", blocks, 0}, {"PARTS", 1, 0}, {"LINES", 0, rows}, {"H", 0, i.extent[2]}, {"W", 0, i.extent[3]}, {"Y_AT", 0, at}, {"Y_N", 0, v[0].stride}, {"Y_C", 0, v[1].stride}, {"Y_H", 0, v[2].stride}};
    enum { N = sizeof list / sizeof *list };
    binding bind[N + 1] = {{.name = "T", .kind = BIND_TYPE, .type = i.type}};
    for (uint32_t k = 0; k < N; k++) bind[k + 1] = (binding){.name = list[k].name, .kind = BIND_DIM, .d = list[k].size ? list[k].size : dim_const(d, list[k].number)};
    const kernel_arg arg = {s, ARG_INOUT};
    kernel *k = ARENA_NEW(p->mem, kernel);
    *k = (kernel){.kind = K_TEMPLATE, .name = "halo", .n_bind = N + 1, .bind = arena_copy(p->mem, bind, sizeof bind), .n_arg = 1, .arg = arena_copy(p->mem, &arg, sizeof arg),
                  .range = rows, .by = SPLIT_ROWS, .cells = halo_cells(p, &i, blocks)};
    step *made = ARENA_NEW(p->mem, step);
    *made = (step){.kind = STEP_KERNEL, .what = arena_printf(p->mem, "padding of '%s'", i.name), .kernel = k};
    VEC_PUSH(p->mem, out->steps, made);
    return true;
}

/* ---- any number of dimensions: a nest ---- */

/* One stage: the halo's value over the whole of the spatial dims before `side`, the border of `side`, the inside of those behind it. */
static void border_stage(program *p, nest_builder *b, slot s, const ex *lead, uint32_t side, bool low)
{
    const slot_info i = *slot_at(p, s);
    const struct view_dim *v = i.view.d;
    const int32_t width = low ? v[side].halo_lo : v[side].halo_hi;
    if (!width) return;
    ex at[MAX_RANK];
    at[0] = lead[0];
    at[1] = lead[1];
    nest_stage(b);
    for (uint32_t k = 2; k < i.rank; k++) {
        dim index;
        if (k == side) index = dim_add(p->dims, stage_axis(b, dim_const(p->dims, width)), low ? dim_const(p->dims, -width) : i.extent[k]);
        else if (k < side) index = stage_axis(b, i.extent[k]);
        else index = dim_addc(p->dims, stage_axis(b, dim_addc(p->dims, dim_addc(p->dims, i.extent[k], v[k].halo_lo), v[k].halo_hi)), -(int64_t)v[k].halo_lo);
        at[k] = ex_dim(p->ex, index);
    }
    stage_store(b, s, i.rank, at, elem_of(i.type)->kind == 'f' ? ex_f(p->ex, CT_F32, 0) : ex_i(p->ex, CT_I32, i.halo_value));
}

static void write_border(program *p, block *out, slot s)
{
    const slot_info i = *slot_at(p, s);
    nest_builder b = nest_begin(p);
    ex lead[2];
    int64_t c = 0;
    (void)dim_is_const(p->dims, i.extent[1], &c);
    const int32_t by = i.view.d[1].block;
    lead[0] = ex_dim(p->ex, nest_axis(&b, i.extent[0]));
    if (by > 1 && c % by) { /* the last block's spare lanes too, so that whole vectors are written */
        const dim blocks = nest_axis(&b, dim_const(p->dims, (c + by - 1) / by));
        lead[1] = ex_dim(p->ex, dim_add(p->dims, dim_mulc(p->dims, blocks, by), nest_axis(&b, dim_const(p->dims, by))));
    } else lead[1] = ex_dim(p->ex, nest_axis(&b, i.extent[1]));
    for (uint32_t k = 2; k < i.rank; k++) {
        border_stage(p, &b, s, lead, k, true);
        border_stage(p, &b, s, lead, k, false);
    }
    nest_end(&b, out, arena_printf(p->mem, "padding of '%s'", i.name));
}

typedef struct {
    program *p;
    block *out;
    uint8_t *done;
} borders;

static void border_of(void *ctx, slot s, bool written)
{
    borders *k = ctx;
    if (!written || k->done[s] || !has_halo(slot_at(k->p, s))) return;
    k->done[s] = 1;
    if (!image_border(k->p, k->out, s)) write_border(k->p, k->out, s);
}

static void add_borders(program *p, block *b, uint8_t *done)
{
    block out = {.graph = b->graph};
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        if (s->control && s->control->then) add_borders(p, s->control->then, done);
        if (s->control && s->control->otherwise) add_borders(p, s->control->otherwise, done);
        borders k = {p, &out, done};
        VEC_PUSH(p->mem, out.steps, s);
        if (!s->control) step_access(p, s, border_of, &k);
    }
    *b = out;
}

void plan_borders(program *p)
{
    add_borders(p, &p->main, ARENA_ARRAY(p->mem, uint8_t, p->slot.n));
}

/* ---- one job ---- */

static bool joins(const step *s, const step *border)
{
    return s->kind == STEP_KERNEL && s->kernel->n_hook && border->kind == STEP_KERNEL && !strcmp(border->kernel->name, "halo") && border->kernel->arg[0].slot == s->kernel->hook[0].to &&
           s->kernel->range && border->kernel->range == s->kernel->range;
}

static void join_block(block *b)
{
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        for (uint32_t k = 0; s->kind == STEP_BAND && k < s->control->then->steps.n; k++) s->control->then->steps.p[k]->band = s;
        if (s->kind == STEP_BAND) continue;
        if (s->control && s->control->then) join_block(s->control->then);
        if (s->control && s->control->otherwise) join_block(s->control->otherwise);
        if (!i || !joins(b->steps.p[i - 1], s)) continue;
        b->steps.p[i - 1]->kernel->joined = s;
        s->kernel->leader = b->steps.p[i - 1];
    }
}

void plan_joins(program *p)
{
    join_block(&p->main);
}
