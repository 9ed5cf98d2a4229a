/* memory.c - where every buffer of the arena lies.
 *
 * in:  buffers with sizes as dims, steps in order
 * out: static plan: an offset in bytes for each (sizes at the dims' upper bounds); dynamic plan: buffers grouped into regions whose sizes are
 *      formulas, so that the run adds up a few sizes and nothing else.
 * First, steps that can write over their input do (inplace.c).
 * Sources: greedy-by-size offset assignment, Pisarchyk and Lee, arXiv 2001.03288. */
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

enum { ALIGN = 64 };
#define STATIC_LIMIT ((int64_t)1 << 40) /* bytes; a buffer whose bound is beyond that has no useful bound */

typedef struct {
    program *p;
    uint32_t step; /* the one being looked at */
    uint32_t reach; /* what it touches lives at least to here (the end of the outermost loop around it) */
    uint32_t entry; /* first step of the outermost loop around it, 0: none */
} liveness;

static void touch(void *ctx, slot s, bool written)
{
    liveness *l = ctx;
    (void)written;
    const uint32_t buf = slot_at(l->p, s)->view.buf;
    if (!buf) return;
    buf_info *b = &l->p->buf.p[buf];
    const uint32_t first = l->entry ? l->entry : l->step;
    if (!b->first || first < b->first) b->first = first;
    if (l->reach > b->last) b->last = l->reach;
}

static uint32_t last_id(const block *b)
{
    uint32_t id = 0;
    for (uint32_t i = 0; b && i < b->steps.n; i++) {
        const step *s = b->steps.p[i];
        if (s->id > id) id = s->id;
        if (!s->control) continue;
        const uint32_t then = last_id(s->control->then), otherwise = last_id(s->control->otherwise);
        if (then > id) id = then;
        if (otherwise > id) id = otherwise;
    }
    return id;
}

static void live_block(liveness *l, const block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) {
        const step *s = b->steps.p[i];
        const liveness outer = *l;
        l->step = s->id;
        if (!outer.entry) l->reach = s->id;
        if ((s->kind == STEP_LOOP || s->kind == STEP_BAND) && !outer.entry) { /* the whole loop is one interval: bodies run again */
            l->entry = s->id;
            l->reach = last_id(s->control->then);
            if (l->reach < s->id) l->reach = s->id;
        }
        step_access(l->p, s, touch, l);
        if (s->control) {
            live_block(l, s->control->then);
            live_block(l, s->control->otherwise);
        }
        l->entry = outer.entry;
        l->reach = outer.reach;
    }
}

/* ---- static: greedy by size, best fit among the gaps ---- */

typedef struct {
    program *p;
    uint32_t *list; /* buffers to place */
    uint32_t n;
} job;

static int64_t padded(int64_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static program *sort_program; /* qsort has no context argument; set around each call */

static int by_size(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const buf_info *x = &sort_program->buf.p[i], *y = &sort_program->buf.p[j];
    if (x->bytes_max != y->bytes_max) return x->bytes_max > y->bytes_max ? -1 : 1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int by_offset(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const buf_info *x = &sort_program->buf.p[i], *y = &sort_program->buf.p[j];
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return i < j ? -1 : i > j;
}

static bool overlap(const buf_info *a, const buf_info *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The smallest gap that fits between the placed buffers alive at the same time. `placed` is sorted by offset. */
static int64_t best_offset(program *p, const uint32_t *placed, uint32_t n, const buf_info *b)
{
    const int64_t need = padded(b->bytes_max);
    int64_t end = 0, best = -1, best_gap = INT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const buf_info *q = &p->buf.p[placed[i]];
        if (!overlap(q, b)) continue;
        const int64_t gap = q->offset - end;
        if (gap >= need && gap < best_gap) {
            best = end;
            best_gap = gap;
        }
        const int64_t q_end = q->offset + padded(q->bytes_max);
        if (q_end > end) end = q_end;
    }
    return best >= 0 ? best : end;
}

static int64_t place_in_order(job *j)
{
    program *p = j->p;
    uint32_t *placed = mem_alloc((j->n + 1) * sizeof *placed);
    int64_t total = 0;
    for (uint32_t i = 0; i < j->n; i++) {
        buf_info *b = &p->buf.p[j->list[i]];
        b->offset = best_offset(p, placed, i, b);
        const int64_t end = b->offset + padded(b->bytes_max);
        if (end > total) total = end;
        uint32_t at = i;
        sort_program = p;
        while (at > 0 && by_offset(&j->list[i], &placed[at - 1]) < 0) {
            placed[at] = placed[at - 1];
            at--;
        }
        placed[at] = j->list[i];
    }
    mem_free(placed);
    return total;
}

static int by_first(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const buf_info *x = &sort_program->buf.p[i], *y = &sort_program->buf.p[j];
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return by_size(a, b);
}

static int by_area(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const buf_info *x = &sort_program->buf.p[i], *y = &sort_program->buf.p[j];
    const int64_t s = sat_mul(x->bytes_max, x->last - x->first + 1), t = sat_mul(y->bytes_max, y->last - y->first + 1);
    if (s != t) return s > t ? -1 : 1;
    return by_size(a, b);
}

/* A few orders and then seeded shuffles near the best one, until the bound is met; limited by count, so the result never depends on time. */
static int64_t place(program *p, job *j, int64_t bound)
{
    int (*const orders[])(const void *, const void *) = {by_size, by_area, by_first};
    int64_t *best_at = mem_alloc((p->buf.n + 1) * sizeof *best_at), best = INT64_MAX;
    uint32_t *best_list = mem_alloc((j->n + 1) * sizeof *best_list), seed = 12345;
    const uint32_t tries = j->n > 2000 ? 3 : j->n > 300 ? 30 : 400;
    for (uint32_t t = 0; t < tries && best > bound; t++) {
        sort_program = p;
        if (t < 3) qsort(j->list, j->n, sizeof *j->list, orders[t]);
        else {
            memcpy(j->list, best_list, j->n * sizeof *j->list);
            for (int swap = 0; swap < 3; swap++) {
                seed = seed * 1664525u + 1013904223u;
                const uint32_t a = (seed >> 8) % j->n;
                seed = seed * 1664525u + 1013904223u;
                const uint32_t b = (seed >> 8) % j->n, v = j->list[a];
                j->list[a] = j->list[b];
                j->list[b] = v;
            }
        }
        const int64_t total = place_in_order(j);
        if (total >= best) continue;
        best = total;
        memcpy(best_list, j->list, j->n * sizeof *j->list);
        for (uint32_t i = 0; i < j->n; i++) best_at[j->list[i]] = p->buf.p[j->list[i]].offset;
    }
    for (uint32_t i = 0; i < j->n; i++) p->buf.p[best_list[i]].offset = best_at[best_list[i]];
    mem_free(best_at);
    mem_free(best_list);
    return best;
}

static int64_t live_bound(program *p, const job *j, uint32_t n_steps)
{
    int64_t *delta = mem_alloc((n_steps + 2) * sizeof *delta), live = 0, most = 0;
    for (uint32_t i = 0; i < j->n; i++) {
        const buf_info *b = &p->buf.p[j->list[i]];
        delta[b->first] += padded(b->bytes_max);
        delta[b->last + 1] -= padded(b->bytes_max);
    }
    for (uint32_t t = 0; t <= n_steps; t++) {
        live += delta[t];
        if (live > most) most = live;
    }
    mem_free(delta);
    return most;
}

/* ---- dynamic: regions ---- */

enum { NOMINAL = 256 }; /* what an unbounded dim is taken for when sizes are compared */

static int64_t nominal(void *ctx, dim d)
{
    program *p = ctx;
    const interval r = dim_range(p->dims, d);
    return r.hi < NOMINAL ? r.hi : r.lo > NOMINAL ? r.lo : NOMINAL;
}

static void plan_regions(program *p, job *j, memory_area *out)
{
    for (uint32_t i = 0; i < j->n; i++) {
        buf_info *b = &p->buf.p[j->list[i]];
        b->bytes_max = sat_mul(dim_eval(p->dims, b->elems, nominal, p), elem_of(b->type)->bits / 8);
    }
    sort_program = p;
    qsort(j->list, j->n, sizeof *j->list, by_size);
    for (uint32_t i = 0; i < p->buf.n; i++) VEC_PUSH(p->mem, out->region, 0);
    for (uint32_t i = 0; i < j->n; i++) {
        const buf_info *b = &p->buf.p[j->list[i]];
        uint32_t r = 0;
        for (; r < out->n_regions; r++) {
            bool free_here = true;
            for (uint32_t k = 0; k < i && free_here; k++)
                free_here = out->region.p[j->list[k]] != r || !overlap(&p->buf.p[j->list[k]], b);
            if (free_here) break;
        }
        out->region.p[j->list[i]] = r;
        if (r == out->n_regions) out->n_regions++;
    }
    for (uint32_t r = 0; r < out->n_regions; r++)
        for (uint32_t i = 0; i < j->n; i++)
            if (out->region.p[j->list[i]] == r) VEC_PUSH(p->mem, out->order, j->list[i]);
}

static void count_step(void *ctx, step *s)
{
    uint32_t *n = ctx;
    if (s->id > *n) *n = s->id;
}

/* Constants by content: a table of buffers, where the next free place behind a hash is looked at. */
typedef struct {
    uint32_t *buf, size; /* 0: free; a power of two */
    const tensor **data; /* by buffer */
} contents;

static uint64_t content_hash(const tensor *t)
{
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)t->type;
    const unsigned char *p = t->data;
    size_t i = 0;
    for (; i + 8 <= t->bytes; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, sizeof w);
        h = (h ^ w) * 0x100000001b3u;
        h ^= h >> 29;
    }
    for (; i < t->bytes; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The buffer that holds the same bytes as buffer `buf` with data t; itself when it is the first. */
static uint32_t same_content(contents *c, uint32_t buf, const tensor *t)
{
    for (uint64_t at = content_hash(t);; at++) {
        uint32_t *place = &c->buf[at & (c->size - 1)];
        if (!*place) {
            c->data[buf] = t;
            return *place = buf;
        }
        const tensor *o = c->data[*place];
        if (o->type == t->type && o->bytes == t->bytes && !memcmp(o->data, t->data, t->bytes)) return *place;
    }
}

/* Equal constants are one, such as the weights that each turn of an unrolled recurrence packs anew. */
static void place_weights(program *p, memory_plan *out)
{
    contents c = {.size = 2};
    while (c.size < 2 * p->buf.n) c.size *= 2;
    c.buf = ARENA_ARRAY(p->mem, uint32_t, c.size);
    c.data = ARENA_ARRAY(p->mem, const tensor *, p->buf.n + 1);
    for (slot s = 1; s < p->slot.n; s++) {
        slot_info *i = slot_at(p, s);
        buf_info *b = i->view.buf ? &p->buf.p[i->view.buf] : NULL;
        if (!b || b->kind != SLOT_CONST || i->alias_of || !b->first || b->offset >= 0) continue; /* a view has no data; its root has */
        const uint32_t first = i->has_views || i->data->strings ? i->view.buf : same_content(&c, i->view.buf, i->data);
        if (first != i->view.buf) {
            if (b->first < p->buf.p[first].first) p->buf.p[first].first = b->first;
            i->view.buf = first;
            continue;
        }
        b->bytes_max = (int64_t)i->data->bytes;
        b->offset = out->weights_bytes;
        out->weights_bytes += padded(b->bytes_max ? b->bytes_max : 1); /* an empty one has an address, too */
    }
}

/* Has buffer b a place in the caller's memory of the device, or of the host? Strings of inputs and outputs are the caller's. */
static bool lies_in(const buf_info *b, bool host)
{
    if (!b->first) return false;
    if (!host) return b->kind == SLOT_TEMP && (!b->sides || b->sides & (DEVICE_READS | DEVICE_WRITES));
    return b->sides & (HOST_READS | HOST_WRITES) && b->kind != SLOT_CONST && (b->kind == SLOT_TEMP || b->type != ELEM_STRING);
}

static void plan_area(program *p, bool host, uint32_t n_steps, memory_area *out)
{
    job j = {p, ARENA_ARRAY(p->mem, uint32_t, p->buf.n), 0};
    for (uint32_t i = 1; i < p->buf.n; i++) {
        buf_info *b = &p->buf.p[i];
        if (!lies_in(b, host)) continue;
        const interval r = dim_range(p->dims, b->elems);
        b->bytes_max = r.hi == INT64_MAX ? INT64_MAX : sat_mul(r.hi, elem_of(b->type)->bits >= 8 ? elem_of(b->type)->bits / 8 : 1);
        if (b->bytes_max >= STATIC_LIMIT) out->dynamic = true;
        else out->logical += b->bytes_max;
        j.list[j.n++] = i;
    }
    if (out->dynamic) {
        plan_regions(p, &j, out);
        out->bytes = out->lower_bound = -1;
        return;
    }
    out->lower_bound = live_bound(p, &j, n_steps);
    out->bytes = j.n ? place(p, &j, out->lower_bound) : 0;
    if (host && j.n && !out->bytes) out->bytes = ALIGN; /* what is empty has an address, too */
}

void plan_memory(program *p, memory_plan *out)
{
    *out = (memory_plan){0};
    liveness l = {.p = p};
    live_block(&l, &p->main);
    program_steps(p, count_step, &out->n_steps);
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->keep && p->buf.p[slot_at(p, s)->view.buf].first) p->buf.p[slot_at(p, s)->view.buf].last = out->n_steps;
    plan_in_place(p);
    plan_sides(p);
    plan_area(p, true, out->n_steps, &out->host);
    for (uint32_t i = 1; i < p->buf.n; i++)
        if (lies_in(&p->buf.p[i], true)) p->buf.p[i].host_offset = p->buf.p[i].offset;
    place_weights(p, out);
    plan_area(p, false, out->n_steps, &out->arena);
}
