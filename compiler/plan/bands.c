/* bands.c - convolutions, pools and copies that go through an image together, a band of rows at a time.
 *
 * in:  K_CONV steps, not bound yet, and nests, whose slots have views; which convolutions are tiles of Winograd's algorithm is known
 * out: runs of them in which each reads what the one before makes, and nothing else does, are one STEP_BAND: for a few rows of the last one's output, each makes
 *      just the rows that the next one needs. What is between them takes memory for these rows only, so it stays in the cache, and the arena is smaller. Rows
 *      that the next band reads again are kept (band_part.room); none is made twice, but at the borders between the parts of an image that threads have.
 *
 * Each element is computed as it would be without, so the bits are the same. */
#include "plan/conv_plan.h"

enum { MOST_PARTS = 16, MOST_ROWS = 64 /* of a band */, MOST_HEIGHT = 1 << 20, LINE = 64 /* elements */, MOST_EDGE = 128 /* rows, see edge_rows */ };
static const double L2_RATE = 60, L3_RATE = 20; /* bytes in a ns, written and read again, of one core */
static const double MOST_LOSS = 0.015, SIZE_LOSS = 0.25; /* of the time of a run, for a smaller arena; the second with --optimize=size */
static const double LEAST_GAIN = 0.03;                   /* of that time, to be worth a band without it */
static const double ROW_NS = 20; /* of a nest, which is called for each row */
static const double CALL_NS = 40, MULTIPLY_ADDS = 2.5; /* of a step; of a lane in a ns */

typedef struct {
    program *p;
    const plan_options *o;
    arena *scratch;
    uint8_t *readers, *writers; /* by slot: how many steps, 2 for more */
    uint32_t *begin, *end;      /* by buffer: steps of main, from 1, between which it is alive; 0: it is not */
    int64_t *over;              /* by step of main: bytes that it makes in place */
    uint32_t now;               /* the step looked at */
    int64_t tallest;            /* rows of the highest image */
    dim first[MOST_PARTS], row, image; /* symbols, which all bands share: of each part, the first row in memory; of nests, where they are */
} bander;

/* A step that could be a part. */
typedef struct {
    step *s;
    band_part part;
    const ex *at; /* where it stores the element of its axes (image, channel, row, pixel) */
    dim axis[4];
    int64_t image_bytes, row_bytes; /* of its output */
    int64_t weights;                /* bytes */
    double row_ns;                  /* to compute a row */
} candidate;

typedef struct {
    double ns;
    int64_t bytes; /* alive */
} cost;

/* Candidates each of which reads what the one before makes. */
typedef struct {
    uint32_t at, n; /* the first one's position in its block */
    bool in_main;
    candidate c[MOST_PARTS];
    const cost *cost[MOST_PARTS * MOST_PARTS]; /* see costs_of */
    double work_ns; /* of its arithmetic */
    double ns;      /* that it may take beyond that, if it makes the arena smaller */
} run;

/* ---- which steps ---- */

static void count_use(void *ctx, slot s, bool written)
{
    bander *b = ctx;
    uint8_t *n = written ? &b->writers[s] : &b->readers[s];
    if (*n < 2) ++*n;
}

static void count_uses(void *ctx, step *s)
{
    bander *b = ctx;
    control own = {0};
    step alone = *s;
    if (s->control) { /* its blocks' steps are counted one by one */
        own = *s->control;
        own.then = own.otherwise = NULL;
        alone.control = &own;
    }
    step_access(b->p, &alone, count_use, b);
}

static int64_t extent_of(program *p, dim axis)
{
    int64_t n;
    return dim_is_const(p->dims, conv_extent(p, axis), &n) ? n : -1;
}

/* Bytes of a row of an image, all channels; 0: it is not known. */
static int64_t row_bytes(program *p, slot s)
{
    const slot_info *i = slot_at(p, s);
    int64_t channels, row;
    if (i->rank != 4 || i->view.rank != 4 || !dim_is_const(p->dims, i->extent[1], &channels) || !dim_is_const(p->dims, i->view.d[2].stride, &row)) return 0;
    const int64_t lanes = i->view.d[1].block > 1 ? i->view.d[1].block : 1;
    return (channels + lanes - 1) / lanes * row * ((elem_of(i->type)->bits + 7) / 8);
}

static int64_t slot_bytes(program *p, slot s)
{
    const slot_info *i = slot_at(p, s);
    int64_t size = (elem_of(i->type)->bits + 7) / 8;
    for (uint32_t k = 0; k < i->rank; k++) {
        int64_t n;
        if (!dim_is_const(p->dims, i->extent[k], &n)) return -1;
        size *= n;
    }
    return size;
}

/* Does a convolution go by rows, and read its input where that lies? */
static bool read_conv(const bander *b, step *s, candidate *c)
{
    program *p = b->p;
    const kernel *k = s->kind == STEP_KERNEL ? s->kernel : NULL;
    if (!k || k->kind != K_CONV || k->conv.rank != 2 || k->conv.winograd || k->conv.transposed || k->n_hook != 1) return false;
    const int vl = b->o->target->vl, lanes = conv_input_block(p, k, vl);
    const slot_info *x = slot_at(p, k->arg[1].slot), *w = slot_at(p, k->arg[2].slot);
    if (!lanes || (k->hook[0].int_acc && vl < 4) || conv_by_rows(p, b->o, k) || w->kind != SLOT_CONST || x->view.rank != 4 || x->view.d[1].block != lanes) return false;
    for (uint32_t i = 0; i < 2; i++)
        if (k->conv.pad_lo[i] < 0 || k->conv.pad_hi[i] < 0 || k->conv.pad_lo[i] > x->view.d[i + 2].halo_lo || k->conv.pad_hi[i] > x->view.d[i + 2].halo_hi) return false;
    const hook *h = &k->hook[0];
    const int64_t height = extent_of(p, h->axis[2]), width = extent_of(p, h->axis[3]), reach = (k->conv.kernel[0] - 1) * k->conv.dilation[0] + 1;
    if (height < 2 || height > MOST_HEIGHT || width < 1 || k->conv.pad_lo[0] >= reach || k->conv.pad_hi[0] >= reach) return false;
    if (h->n != 4) return false;
    *c = (candidate){.s = s, .at = h->at, .part = {.height = height, .stride = k->conv.stride[0], .pad = k->conv.pad_lo[0], .reach = reach, .to = h->to}};
    for (uint32_t i = 0; i < 4; i++) c->axis[i] = h->axis[i];
    c->weights = slot_bytes(p, k->arg[2].slot);
    int64_t work, images;
    if (!dim_is_const(p->dims, matrix_work(p, k), &work) || !dim_is_const(p->dims, conv_extent(p, h->axis[0]), &images)) work = images = 1;
    c->row_ns = (double)work / (double)(images * height) / (MULTIPLY_ADDS * vl * (h->int_acc ? 4 : 1));
    return c->weights > 0;
}

/* The one store of a nest over the pixels of images, of sums and the like that its earlier stages make; NULL: it is another nest. */
static const sink *only_store(const nest *n)
{
    const sink *store = NULL;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const sink *s = &n->stage[i].sink[k];
            if (s->in_order || (s->to && (store || s->fold != FOLD_NONE || s->guard || n->stage[i].n_axes))) return NULL;
            if (s->to) store = s;
        }
    return store;
}

static bool is_nest_axis(const nest *n, dim axis)
{
    for (uint32_t i = 0; i < n->n_axes; i++)
        if (n->axis[i] == axis) return true;
    return false;
}

/* Is it as fast by single rows? Copies are, and what has channels in the lanes; other nests have all pixels of an image in a row. */
static bool by_rows(const bander *b, const nest *n, const sink *store)
{
    const int vl = b->o->target->vl;
    const slot_info *to = slot_at(b->p, store->to);
    return vl == 1 || ex_at(b->p->ex, store->value)->op == EX_LOAD || (n->n_stages <= 2 && to->view.rank == 4 && to->view.d[1].block == vl);
}

/* Any nest that stores images as they are, row by row: copies, pools. */
static bool read_nest(const bander *b, step *s, candidate *c)
{
    program *p = b->p;
    const nest *n = s->nest;
    const sink *store = n->can_fail ? NULL : only_store(n);
    if (!store || store->n != 4 || !by_rows(b, n, store)) return false;
    *c = (candidate){.s = s, .at = store->at, .part = {.stride = 1, .reach = 1, .to = store->to}};
    for (uint32_t i = 0; i < 4; i++) {
        if (!ex_is_dim(p->ex, store->at[i], &c->axis[i])) return false;
        if (!is_nest_axis(n, c->axis[i]) && (i == 2 || !dim_is(p->dims, c->axis[i], 0))) return false;
    }
    for (uint32_t i = 0; i < n->n_axes; i++)
        if (n->axis[i] != c->axis[0] && extent_of(p, n->axis[i]) < 0) return false;
    const double ns = step_ns(p, s, b->o->target);
    c->part.height = extent_of(p, c->axis[2]);
    c->row_ns = ns > 0 && c->part.height > 0 ? ns / (double)c->part.height : 0;
    return c->part.height > 1 && c->part.height < MOST_HEIGHT && n->n_axes > 1 + (uint8_t)is_nest_axis(n, c->axis[0]);
}

static bool read_candidate(const bander *b, step *s, candidate *c)
{
    if (!(s->kind == STEP_NEST ? read_nest(b, s, c) : read_conv(b, s, c))) return false;
    const slot_info *to = slot_at(b->p, c->part.to);
    c->part.top = to->view.rank == 4 ? to->view.d[2].halo_lo : 0;
    c->part.bottom = to->view.rank == 4 ? to->view.d[2].halo_hi : 0;
    c->row_bytes = row_bytes(b->p, c->part.to);
    c->image_bytes = c->row_bytes * c->part.height;
    return c->image_bytes > 0;
}

/* ---- which rows a nest reads ---- */

typedef struct {
    const bander *b;
    const candidate *c;
    slot from;
    int64_t stride, low, high; /* for row r: r * stride + low .. high; stride 0: none seen yet */
    bool bad;
} row_search;

static void look_at_rows(void *ctx, ex e)
{
    row_search *k = ctx;
    program *p = k->b->p;
    const ex_node *n = ex_at(p->ex, e);
    dim row, coef, rest;
    int64_t stride;
    if (n->op != EX_LOAD || n->slot != k->from || k->bad) return;
    k->bad = true;
    if (n->n != 4 || n->idx[0] != ex_dim(p->ex, k->c->axis[0]) || !ex_is_dim(p->ex, n->idx[2], &row) || !dim_affine(p->dims, row, k->c->axis[2], &coef, &rest)) return;
    const interval r = dim_range(p->dims, rest);
    if (!dim_is_const(p->dims, coef, &stride) || stride < 1 || (k->stride && k->stride != stride) || r.lo < -MOST_HEIGHT || r.hi > MOST_HEIGHT) return;
    if (!k->stride || r.lo < k->low) k->low = r.lo;
    if (!k->stride || r.hi > k->high) k->high = r.hi;
    k->stride = stride;
    k->bad = false;
}

/* Each of its windows has at least one row of the image: only those outside are not read. */
static bool nest_rows(const bander *b, candidate *c, slot from, int64_t height)
{
    row_search k = {.b = b, .c = c, .from = from};
    const nest *n = c->s->nest;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t j = 0; j < n->stage[i].n_sinks; j++) {
            const sink *s = &n->stage[i].sink[j];
            ex_walk(b->p->ex, s->value, look_at_rows, &k);
            if (s->guard) ex_walk(b->p->ex, s->guard, look_at_rows, &k);
            for (uint32_t d = 0; d < s->n; d++) ex_walk(b->p->ex, s->at[d], look_at_rows, &k);
        }
    if (k.bad || !k.stride || k.high < 0 || (c->part.height - 1) * k.stride + k.low >= height) return false;
    c->part.stride = k.stride;
    c->part.pad = -k.low;
    c->part.reach = k.high - k.low + 1;
    return true;
}

/* Does `next` read what `c` makes, all of it as it lies, and nothing else does? */
static bool follows(const bander *b, const candidate *c, candidate *next)
{
    program *p = b->p;
    const slot to = c->part.to;
    const slot_info *t = slot_at(p, to);
    if (t->kind != SLOT_TEMP || t->alias_of || t->has_views || t->keep || t->rank != 4 || b->readers[to] != 1 || b->writers[to] != 1) return false;
    if (conv_extent(p, c->axis[0]) != conv_extent(p, next->axis[0])) return false;
    for (uint32_t i = 0; i < 4; i++)
        if (c->at[i] != ex_dim(p->ex, c->axis[i]) || conv_extent(p, c->axis[i]) != t->extent[i]) return false;
    if (next->s->nest) return nest_rows(b, next, to, c->part.height);
    return next->s->kernel->arg[1].slot == to;
}

/* ---- how many rows ---- */

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The rows of memory that each part but the last needs where a thread makes the rows [from, to) of an image: what the code does (emit/bands.c), without the
 * steps. */
static void run_rows(band_part *part, uint32_t n, int64_t rows, int64_t from, int64_t to)
{
    int64_t done[MOST_PARTS] = {0}, until[MOST_PARTS], end;
    for (int64_t row = from; row < to; row = end) {
        end = row + rows < to ? row + rows : to;
        done[n - 1] = row;
        until[n - 1] = end;
        for (uint32_t k = n - 1; k-- > 0;) {
            const band_part *next = &part[k + 1];
            const int64_t first = done[k + 1] * next->stride - next->pad, last = (until[k + 1] - 1) * next->stride - next->pad + next->reach;
            done[k] = most(done[k], most(first, 0));
            until[k] = most(done[k], last < part[k].height ? last : part[k].height);
            const int64_t lowest = done[k] ? most(first, -part[k].top) : -part[k].top, highest = until[k] + (until[k] == part[k].height ? part[k].bottom : 0);
            part[k].room = most(part[k].room, highest - lowest);
        }
        for (uint32_t k = 0; k < n; k++) done[k] = until[k];
    }
}

/* Rows of all parts that lie around an image or that two neighbouring ones read: so far from its ends every band is like the next one. */
static int64_t edge_rows(const band_part *part, uint32_t n)
{
    int64_t edge = 0;
    for (uint32_t k = 0; k < n; k++) edge += part[k].reach + part[k].top + part[k].bottom + part[k].stride;
    return edge;
}

/* Of an image without most of the bands in its middle, which need nothing else; threads may begin at any row. */
static void count_room(const bander *b, band_part *part, uint32_t n, int64_t rows)
{
    band_part small[MOST_PARTS];
    const int64_t spare = (part[n - 1].height - 2 * edge_rows(part, n)) / rows - 4;
    int64_t less = spare > 0 ? spare * rows : 0;
    for (uint32_t k = n; k-- > 0; less *= part[k].stride) {
        small[k] = part[k];
        small[k].room = 0;
        small[k].height -= less;
    }
    for (int64_t from = 0; from < (b->o->threads > 1 ? small[n - 1].height : 1); from++) run_rows(small, n, rows, from, small[n - 1].height);
    for (uint32_t k = 0; k < n; k++) part[k].room = small[k].room;
}

/* ---- what it takes ---- */

static double between_ns(const bander *b, int64_t bytes)
{
    return (double)bytes / (bytes > b->o->target->l2 / 2 ? L3_RATE : L2_RATE);
}

/* The candidates as one step that makes so many rows at a time: about how long it takes beyond its arithmetic (-1: it does not fit the cache), and the bytes
 * of what is between them. */
static cost band_cost(const bander *b, const candidate *c, uint32_t n, int64_t rows)
{
    band_part part[MOST_PARTS];
    int64_t weights = 0;
    cost all = {0, 0};
    for (uint32_t k = 0; k < n; k++) {
        part[k] = c[k].part;
        weights += c[k].weights;
    }
    if (n == 1) return all;
    if (edge_rows(part, n) > MOST_EDGE) return (cost){-1, 0};
    count_room(b, part, n, rows);
    const int64_t bands = (part[n - 1].height + rows - 1) / rows;
    for (uint32_t k = 0; k + 1 < n; k++) {
        const int64_t again = part[k + 1].reach > part[k + 1].stride ? part[k + 1].reach - part[k + 1].stride : 0;
        all.bytes += part[k].room * c[k].row_bytes;
        all.ns += (double)(c[k].image_bytes + bands * again * c[k].row_bytes) / L2_RATE + (double)(b->o->threads - 1) * (double)again * c[k].row_ns;
    }
    all.ns += (double)(bands - 1) * ((double)weights / L2_RATE + CALL_NS * n);
    for (uint32_t k = 0; k < n; k++)
        if (c[k].s->nest) all.ns += ROW_NS * (double)part[k].height;
    if (all.bytes + weights > b->o->target->l2 / 2) {
        if (b->o->optimize != OPTIMIZE_SIZE) all.ns = -1;
        else all.ns += (double)(bands - 1) * (double)weights / L3_RATE;
    }
    all.bytes *= b->o->threads;
    return all;
}

/* ---- what is alive ---- */

static void touch(void *ctx, slot s, bool written)
{
    bander *b = ctx;
    const uint32_t buf = slot_at(b->p, s)->view.buf;
    (void)written;
    if (!buf || b->p->buf.p[buf].kind != SLOT_TEMP) return;
    if (!b->begin[buf]) b->begin[buf] = b->now;
    b->end[buf] = b->now;
}

static int64_t one_or_less(void *ctx, dim symbol)
{
    const interval r = dim_range(((program *)ctx)->dims, symbol);
    return r.lo > 1 ? r.lo : r.hi < 1 ? r.hi : 1;
}

static int64_t buf_bytes(program *p, uint32_t buf)
{
    const buf_info *i = &p->buf.p[buf];
    return dim_eval(p->dims, i->elems, one_or_less, p) * ((elem_of(i->type)->bits + 7) / 8);
}

/* Bytes of all that is alive in a step of [begin, end) of the run, but what lies between those steps. */
static int64_t live_beside(const bander *b, const run *r, uint32_t begin, uint32_t end)
{
    const uint32_t first = r->at + begin + 1, last = r->at + end;
    int64_t bytes = 0;
    if (!r->in_main) return 0;
    for (uint32_t buf = 1; buf < b->p->buf.n; buf++) {
        bool between = !b->begin[buf] || b->begin[buf] > last || b->end[buf] < first;
        for (uint32_t k = begin; k + 1 < end && !between; k++) between = slot_at(b->p, r->c[k].part.to)->view.buf == buf;
        if (!between) bytes += buf_bytes(b->p, buf);
    }
    return begin + 1 == end ? bytes - b->over[first] : bytes;
}

typedef struct {
    const bander *b;
    slot to, over;
} overlay;

static void look_for_overlay(void *ctx, ex e)
{
    overlay *k = ctx;
    program *p = k->b->p;
    const ex_node *n = ex_at(p->ex, e);
    if (n->op != EX_LOAD || n->slot == k->to || !slot_at(p, n->slot)->view.buf) return;
    const uint32_t from = slot_at(p, n->slot)->view.buf, to = slot_at(p, k->to)->view.buf;
    if (p->buf.p[from].kind == SLOT_TEMP && k->b->end[from] == k->b->now && p->buf.p[from].elems == p->buf.p[to].elems && p->buf.p[from].type == p->buf.p[to].type) k->over = n->slot;
}

/* What a step probably writes over something that it reads for the last time (inplace.c). */
static int64_t bytes_over(const bander *b, const step *s)
{
    overlay k = {.b = b};
    ex made = 0;
    if (s->kind == STEP_KERNEL && s->kernel->n_hook) {
        k.to = s->kernel->hook[0].to;
        made = s->kernel->hook[0].value;
    } else if (s->kind == STEP_NEST && s->nest->n_stages == 1 && s->nest->stage[0].n_sinks == 1 && !s->nest->stage[0].n_axes) {
        k.to = s->nest->stage[0].sink[0].to;
        made = s->nest->stage[0].sink[0].value;
    }
    if (!k.to || slot_at(b->p, k.to)->kind != SLOT_TEMP) return 0;
    ex_walk(b->p->ex, made, look_for_overlay, &k);
    return k.over ? buf_bytes(b->p, slot_at(b->p, k.to)->view.buf) : 0;
}

static void find_live(bander *b)
{
    const block *main = &b->p->main;
    for (uint32_t i = 0; i < main->steps.n; i++) {
        b->now = i + 1;
        step_access(b->p, main->steps.p[i], touch, b);
    }
    for (uint32_t i = 0; i < main->steps.n; i++) {
        b->now = i + 1;
        b->over[i + 1] = bytes_over(b, main->steps.p[i]);
    }
}

/* ---- how a run is cut ---- */

/* Of the steps before `end`: the least time, the step behind the cut before them, and how many rows the band from there on makes at a time. */
typedef struct {
    double ns[MOST_PARTS + 1];
    uint32_t from[MOST_PARTS + 1];
    int64_t rows[MOST_PARTS + 1];
} cuts;

static int64_t most_rows(const run *r, uint32_t end)
{
    const int64_t height = r->c[end - 1].part.height;
    return height < MOST_ROWS ? height : MOST_ROWS;
}

/* The cost of the steps [begin, end) as one, by the number of rows at a time, from 1 on. */
static const cost *costs_of(const run *r, uint32_t begin, uint32_t end)
{
    return r->cost[begin * MOST_PARTS + end - 1];
}

static void fill_costs(const bander *b, run *r)
{
    for (uint32_t begin = 0; begin < r->n; begin++)
        for (uint32_t end = begin + 1; end <= r->n; end++) {
            const int64_t n = end - begin == 1 ? 1 : most_rows(r, end);
            cost *list = ARENA_ARRAY(b->scratch, cost, n);
            for (int64_t rows = 1; rows <= n; rows++) {
                list[rows - 1] = band_cost(b, r->c + begin, end - begin, rows);
                list[rows - 1].bytes += live_beside(b, r, begin, end);
            }
            r->cost[begin * MOST_PARTS + end - 1] = list;
        }
}

/* The quickest cut in which no step has more than so many bytes alive. ns[n] < 0: there is none. */
static cuts best_cut(const bander *b, const run *r, int64_t bytes)
{
    cuts best = {.ns = {0}};
    for (uint32_t end = 1; end <= r->n; end++) {
        best.ns[end] = -1;
        for (uint32_t begin = end; begin-- > 0;) {
            if (best.ns[begin] < 0) continue;
            const double before = best.ns[begin] + (begin ? between_ns(b, r->c[begin - 1].image_bytes) : 0);
            const cost *list = costs_of(r, begin, end);
            const int64_t n = end - begin == 1 ? 1 : most_rows(r, end);
            for (int64_t rows = 1; rows <= n; rows++) {
                const cost *one = &list[rows - 1];
                if (one->ns < 0 || one->bytes > bytes || (best.ns[end] >= 0 && before + one->ns >= best.ns[end])) continue;
                best.ns[end] = before + one->ns;
                best.from[end] = begin;
                best.rows[end] = rows;
            }
        }
    }
    return best;
}

/* The same with no band. */
static cuts single_steps(const bander *b, const run *r, int64_t bytes)
{
    cuts c = {.ns = {0}};
    for (uint32_t end = 1; end <= r->n; end++) {
        c.ns[end] = c.ns[end - 1] < 0 || costs_of(r, end - 1, end)->bytes > bytes ? -1 : c.ns[end - 1] + (end > 1 ? between_ns(b, r->c[end - 2].image_bytes) : 0);
        c.from[end] = end - 1;
    }
    return c;
}

/* The least that any step of the run may have alive in a cut that takes at most so long. */
static int64_t least_bytes(const bander *b, const run *r, double ns)
{
    int64_t low = 0, high = INT64_MAX / 2;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const double took = best_cut(b, r, middle).ns[r->n];
        if (took >= 0 && took <= ns) high = middle;
        else low = middle + 1;
    }
    return high;
}

/* ---- the step ---- */

/* What part k makes has room for some rows only, once for each thread. */
static void narrow_slot(bander *b, band_part *part)
{
    program *p = b->p;
    dims *d = p->dims;
    slot_info *t = slot_at(p, part->to);
    view *v = &t->view;
    const int64_t lanes = v->d[1].block > 1 ? v->d[1].block : 1, channels = conv_known(p, t->extent[1]), row = conv_known(p, v->d[2].stride);
    v->d[2].first = part->first;
    v->d[1].stride = dim_const(d, part->room * row);
    v->d[0].stride = dim_const(d, 0);
    v->offset = dim_const(d, v->d[3].halo_lo * lanes);
    const int64_t own = ((channels + lanes - 1) / lanes * part->room * row + t->read_past + LINE - 1) / LINE * LINE;
    part->own = own;
    p->buf.p[v->buf].elems = dim_const(d, own * b->o->threads);
}

/* The same nest for one row of an image, which are symbols. */
static nest *one_row(bander *b, const candidate *c)
{
    program *p = b->p;
    nest *n = arena_copy(p->mem, c->s->nest, sizeof *n);
    const dim from[2] = {c->axis[2], c->axis[0]}, to[2] = {b->row, b->image};
    const uint32_t axes = dim_is_axis(p->dims, from[1]) ? 2 : 1;
    n->stage = arena_copy(p->mem, n->stage, n->n_stages * sizeof *n->stage);
    n->n_axes = 0;
    for (uint32_t i = 0; i < c->s->nest->n_axes; i++)
        if (c->s->nest->axis[i] != from[0] && c->s->nest->axis[i] != from[1]) n->axis[n->n_axes++] = c->s->nest->axis[i];
    for (uint32_t i = 0; i < n->n_stages; i++) {
        stage *g = &n->stage[i];
        g->sink = arena_copy(p->mem, g->sink, g->n_sinks * sizeof *g->sink);
        for (uint32_t k = 0; k < g->n_sinks; k++) {
            sink *s = &g->sink[k];
            s->value = ex_map(p->ex, s->value, axes, from, to);
            if (s->guard) s->guard = ex_map(p->ex, s->guard, axes, from, to);
            for (uint32_t d = 0; d < s->n; d++) s->at[d] = ex_map(p->ex, s->at[d], axes, from, to);
        }
    }
    return n;
}

static step *make_band(bander *b, candidate *c, uint32_t n, int64_t rows)
{
    program *p = b->p;
    band *made = ARENA_NEW(p->mem, band);
    block *steps = ARENA_NEW(p->mem, block);
    control *ctl = ARENA_NEW(p->mem, control);
    step *s = ARENA_NEW(p->mem, step);
    made->part = ARENA_ARRAY(p->mem, band_part, n);
    made->n = n;
    made->rows = rows;
    made->images = conv_extent(p, c[0].axis[0]);
    for (uint32_t k = 0; k < n; k++) made->part[k] = c[k].part;
    count_room(b, made->part, n, rows);
    for (uint32_t k = 0; k < n; k++) {
        if (c[k].s->kernel) c[k].s->kernel->conv.rows = k + 1 < n ? made->part[k].room : rows;
        else c[k].s->nest = one_row(b, &c[k]);
        VEC_PUSH(p->mem, steps->steps, c[k].s);
        if (k + 1 == n) break;
        if (!b->first[k]) b->first[k] = dim_fresh(p->dims, arena_printf(p->mem, "first%u", k), -b->tallest, b->tallest);
        made->part[k].first = b->first[k];
        narrow_slot(b, &made->part[k]);
    }
    ctl->then = steps;
    ctl->band = made;
    ctl->index = b->image;
    ctl->symbol = b->row;
    *s = (step){.kind = STEP_BAND, .what = arena_printf(p->mem, "%s .. %s", c[0].s->what, c[n - 1].s->what), .control = ctl};
    return s;
}

/* ---- all runs ---- */

static void place_run(bander *b, run *r, int64_t bytes, block *out)
{
    const cuts quickest = best_cut(b, r, bytes), single = single_steps(b, r, bytes);
    const cuts best = single.ns[r->n] >= 0 && single.ns[r->n] - quickest.ns[r->n] < LEAST_GAIN * r->work_ns ? single : quickest;
    uint32_t end[MOST_PARTS + 1], n = 0;
    for (uint32_t at = r->n; at; at = best.from[at]) end[n++] = at;
    while (n--) {
        const uint32_t begin = best.from[end[n]], length = end[n] - begin;
        step *s = length == 1 ? r->c[begin].s : make_band(b, r->c + begin, length, best.rows[end[n]]);
        VEC_PUSH(b->p->mem, out->steps, s);
    }
}

/* The run that begins at step `at`; one step that is none: NULL. */
static run *find_run(bander *b, const block *steps, uint32_t at, bool in_main)
{
    run *r = ARENA_NEW(b->scratch, run);
    for (; r->n < MOST_PARTS && at + r->n < steps->steps.n; r->n++)
        if (!read_candidate(b, steps->steps.p[at + r->n], &r->c[r->n]) || (r->n && !follows(b, &r->c[r->n - 1], &r->c[r->n]))) break;
    r->at = at;
    r->in_main = in_main;
    if (r->n < 2) return NULL;
    fill_costs(b, r);
    for (uint32_t k = 0; k < r->n; k++) r->work_ns += r->c[k].row_ns * (double)r->c[k].part.height;
    r->ns = best_cut(b, r, INT64_MAX).ns[r->n] + r->work_ns * (b->o->optimize == OPTIMIZE_SIZE ? SIZE_LOSS : MOST_LOSS);
    return r;
}

/* What the arena can't be smaller than: the most that is alive in a step outside of runs, or in one of a run even if that is cut for memory. */
static int64_t least_arena(const bander *b, run *const *by_step)
{
    const uint32_t n = b->p->main.steps.n;
    int64_t least = 0;
    for (uint32_t i = 0; i < n; i += by_step[i] ? by_step[i]->n : 1) {
        const run alone = {.at = i, .in_main = true};
        least = most(least, by_step[i] ? least_bytes(b, by_step[i], by_step[i]->ns) : live_beside(b, &alone, 0, 1));
    }
    return least;
}

static void band_block(bander *b, block *steps, bool in_main)
{
    const uint32_t n = steps->steps.n;
    block out = {.graph = steps->graph};
    run **by_step = ARENA_ARRAY(b->scratch, run *, n + 1);
    for (uint32_t i = 0; i < n; i += by_step[i] ? by_step[i]->n : 1) by_step[i] = find_run(b, steps, i, in_main);
    const int64_t bytes = in_main ? least_arena(b, by_step) : INT64_MAX;
    for (uint32_t i = 0; i < n; i += by_step[i] ? by_step[i]->n : 1) {
        step *s = steps->steps.p[i];
        if (s->control && s->control->then) band_block(b, s->control->then, false);
        if (s->control && s->control->otherwise) band_block(b, s->control->otherwise, false);
        if (by_step[i]) place_run(b, by_step[i], bytes, &out);
        else VEC_PUSH(b->p->mem, out.steps, s);
    }
    *steps = out;
}

static void find_tallest(bander *b)
{
    dims *d = b->p->dims;
    int64_t images = 1;
    b->tallest = 1;
    for (slot s = 1; s < b->p->slot.n; s++) {
        const slot_info *i = slot_at(b->p, s);
        if (i->kind == SLOT_DEAD || i->rank != 4) continue;
        const int64_t height = conv_known(b->p, i->extent[2]);
        if (height < MOST_HEIGHT) b->tallest = most(b->tallest, height + i->view.d[2].halo_lo);
        images = most(images, dim_range(d, i->extent[0]).hi);
    }
    b->row = dim_fresh(d, "row", 0, b->tallest);
    b->image = dim_fresh(d, "image", 0, images);
}

void plan_bands(program *p, const plan_options *o)
{
    bander b = {.p = p, .o = o, .scratch = arena_new()};
    b.readers = ARENA_ARRAY(b.scratch, uint8_t, p->slot.n);
    b.writers = ARENA_ARRAY(b.scratch, uint8_t, p->slot.n);
    b.begin = ARENA_ARRAY(b.scratch, uint32_t, p->buf.n);
    b.end = ARENA_ARRAY(b.scratch, uint32_t, p->buf.n);
    b.over = ARENA_ARRAY(b.scratch, int64_t, p->main.steps.n + 1);
    program_steps(p, count_uses, &b);
    find_tallest(&b);
    find_live(&b);
    band_block(&b, &p->main, true);
    arena_free(b.scratch);
}
