/* split.c - see split.h. */
#include "plan/split.h"

#include <string.h>

#include "plan/plan.h"

enum { SHARES_PER_THREAD = 4 };

split_by step_split(program *p, const step *s)
{
    dim at, coef, rest;
    if (s->kind == STEP_BAND) return SPLIT_ROWS;
    if (s->kernel) return s->kernel->by;
    const sink *k = &s->nest->stage[s->nest->n_stages - 1].sink[0];
    if (!s->nest->split || !k->to || !ex_is_dim(p->ex, k->at[0], &at) || !dim_affine(p->dims, at, s->nest->split, &coef, &rest)) return SPLIT_OTHER;
    const slot_info *i = slot_at(p, k->to);
    if (i->rank != 4) return SPLIT_OTHER;
    const bool single = dim_is(p->dims, i->extent[0], 1);
    if (coef == i->view.d[single ? 2 : 0].stride) return SPLIT_ROWS;
    return single && coef == i->view.d[1].stride ? SPLIT_CHANNELS : SPLIT_OTHER;
}

typedef struct {
    program *p;
    int threads;
    bool *by_channels; /* of buffers: what wrote it last */
} splitter;

binding *kernel_binding(const kernel *k, const char *name)
{
    for (uint32_t i = 0; i < k->n_bind; i++)
        if (!strcmp(k->bind[i].name, name)) return &k->bind[i];
    return NULL;
}

/* Blocks of channels that the kernel goes through; 0: it can't go by them, or it makes several images, or threads would get too different shares. */
static int64_t blocks_of(const splitter *s, kernel *k, int64_t *lines)
{
    program *p = s->p;
    const bool halo = !strcmp(k->name, "halo");
    int64_t blocks, height;
    if ((!halo && strcmp(k->name, "conv_dw")) || k->by != SPLIT_ROWS || !dim_is_const(p->dims, k->range, lines) || !dim_is_const(p->dims, kernel_binding(k, halo ? "H" : "OH")->d, &height)) return 0;
    const slot_info *x = slot_at(p, k->arg[0].slot);
    if (*lines != height || !dim_is_const(p->dims, x->extent[1], &blocks)) return 0;
    const int64_t lanes = x->view.d[1].block > 1 ? x->view.d[1].block : 1;
    blocks = (blocks + lanes - 1) / lanes;
    const int64_t most = (blocks + s->threads - 1) / s->threads * s->threads;
    return blocks >= s->threads && most * 7 <= blocks * 8 ? blocks : 0;
}

static void turn(const splitter *s, kernel *k, int64_t shares, int64_t lines)
{
    kernel_binding(k, "PARTS")->d = dim_const(s->p->dims, shares);
    k->range = dim_const(s->p->dims, shares * lines);
    k->unit = lines;
    k->by = SPLIT_CHANNELS;
}

static void turn_step(const splitter *s, step *at)
{
    int64_t lines, behind;
    if (at->kind != STEP_KERNEL || !at->kernel->n_arg || at->kernel->leader) return;
    kernel *k = at->kernel, *joined = k->joined ? k->joined->kernel : NULL;
    const uint32_t from = slot_at(s->p, k->arg[0].slot)->view.buf;
    if (!from || !s->by_channels[from]) return;
    const int64_t blocks = blocks_of(s, k, &lines);
    if (!blocks || (joined && blocks_of(s, joined, &behind) != blocks)) return;
    const int64_t most = blocks < SHARES_PER_THREAD * s->threads ? blocks : SHARES_PER_THREAD * s->threads, shares = most - most % s->threads;
    turn(s, k, shares, lines);
    if (joined) turn(s, joined, shares, lines);
}

typedef struct {
    const splitter *s;
    const step *at;
} visit;

static void note(void *ctx, slot written_slot, bool written)
{
    const visit *v = ctx;
    const slot_info *i = slot_at(v->s->p, written_slot);
    if (!written || i->kind == SLOT_LOCAL || !i->view.buf) return;
    const split_by by = step_split(v->s->p, v->at);
    v->s->by_channels[i->view.buf] = by == SPLIT_CHANNELS || by == SPLIT_FILTERS;
}

static void split_block(const splitter *s, block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) {
        step *at = b->steps.p[i];
        visit v = {s, at};
        if (at->kind == STEP_NEST || at->kind == STEP_KERNEL || at->kind == STEP_BAND) {
            turn_step(s, at);
            step_access(s->p, at, note, &v);
            continue;
        }
        split_block(s, at->control->then);
        split_block(s, at->control->otherwise);
    }
}

void plan_splits(program *p, int threads)
{
    const splitter s = {p, threads, ARENA_ARRAY(p->mem, bool, p->buf.n)};
    split_block(&s, &p->main);
}
