/* threads.c - which steps are split over threads, along which axis of a nest, and in what pieces.
 *
 * in:  a placed program (flattened, buffers in their places)
 * out: nest.split; step.grain. Results don't depend on either: a piece computes whole rows, and no sum is cut.
 *
 * Every step of constant size has a few ways to be done: by the caller alone, or in pieces of some grain. What a way costs depends on those of the steps before:
 * what a thread reads that another one has written comes from that one's cache, and so does what it writes where another one has been. So the ways of a block
 * are chosen together, by a shortest path through its steps (costs of a step depend on all of the path, but mostly on its last steps; so the path kept for each
 * way is nearly always the best one). A step of a size that only the run knows goes in pieces that are worth it there; one of whose time nothing is known at all
 * is not split. */
#include <math.h>
#include <string.h>

#include "plan/split.h"
#include "plan/tuning.h"

/* In ns; measured on processors with 2 MiB of second cache a core and a common third one. */
static const double ASK_NS = 60;     /* to hand out a share of a job; the thread with it begins START_NS later, and the caller hears in HEAR_NS that it is done */
static const double START_NS = 250, HEAR_NS = 100;
static const double LINE_NS = 12, STREAM_NS = 3; /* a cache line from another core: one of the first FEW_LINES, and of those that are fetched ahead behind them */
static const double LEAST_GAIN_NS = 150; /* what a split must gain: other processors' cores are further apart */
static const double LATE_NS = 4000;  /* pieces of this length may be several for each thread, so that those that come late leave the rest to others */
static const double SHORT_ROWS = 1.5; /* rows that are too few for a kernel's tile take so much longer */
enum { PIECES_PER_THREAD = 4, MOST_WAYS = 12, LINE_BYTES = 64, MOST_READS = 12, FAR_BACK = 64 /* steps */, FEW_LINES = 512, TYPICAL_TURNS = 32 };

/* How a step may be done. As the pool does it: pieces of `step`, and thread t has those from pieces * t / shares on. shares 1: by the caller alone. */
typedef struct {
    int64_t grain, step, pieces;
    int shares;
} way;

typedef struct {
    int from;     /* the item that wrote it; -1: none of this block */
    double lines; /* cache lines of all of it */
    double reach; /* rows around its own that a step by rows reads, of all */
} reading;

/* A step that may be split, or else one of the way `serial`. */
typedef struct {
    step *s;
    int64_t n, unit;
    split_by by;
    double ns, written; /* of one thread, with everything in its cache; lines that it writes */
    double turns;       /* times that the threads have to be asked */
    uint32_t n_reads, n_ways;
    reading read[MOST_READS];
    way way[MOST_WAYS];
    double cost[MOST_WAYS]; /* of the best path that ends so */
    uint8_t before[MOST_WAYS];
} item;

typedef struct {
    program *p;
    const plan_options *o;
    VEC(item) items; /* of the block, since its last step of control */
    int *writer;     /* by buffer: the newest item; -1 */
} chooser;

/* ---- what is known of a step ---- */

static const band_part *last_part(const step *s)
{
    return s->kind == STEP_BAND ? &s->control->band->part[s->control->band->n - 1] : NULL;
}

static dim range_of(program *p, const step *s)
{
    if (s->kind == STEP_BAND) return dim_mulc(p->dims, s->control->band->images, last_part(s)->height);
    return s->kernel ? s->kernel->range : s->nest->split ? dim_extent(p->dims, s->nest->split) : 0;
}

static bool can_split(const step *s)
{
    if (s->kind == STEP_BAND) return true;
    if (s->host || (s->kernel && s->kernel->leader)) return false; /* the latter is done with its leader, or is short */
    return s->kernel ? s->kernel->range && !s->kernel->takes_env : s->nest->split && !s->nest->can_fail;
}

static int64_t number(program *p, dim d)
{
    int64_t v;
    return d && dim_is_const(p->dims, d, &v) ? v : -1;
}

static double lines_of(program *p, slot s)
{
    const slot_info *i = slot_at(p, s);
    const int64_t n = number(p, dim_product(p->dims, i->extent, i->rank));
    return n < 0 ? 0 : (double)n * elem_of(i->type)->bits / 8 / LINE_BYTES;
}

/* How often its range is gone through. */
static double turns_of(program *p, const step *s)
{
    const int64_t turns = s->kernel && s->kernel->turns ? number(p, s->kernel->turns) : 1;
    return turns < 0 ? TYPICAL_TURNS : (double)turns;
}

/* About how long one thread takes; below 0: it is not known. */
static double time_of(program *p, const step *s, const target *t)
{
    double ns = 0;
    if (s->kind != STEP_BAND) return step_ns(p, s, t) * turns_of(p, s);
    for (uint32_t i = 0; i < s->control->then->steps.n && ns >= 0; i++) {
        const double one = step_ns(p, s->control->then->steps.p[i], t);
        ns = one < 0 ? -1 : ns + one;
    }
    return ns;
}

/* Rows between the parts of a band, of which each thread has its own. */
static bool is_inside(const step *s, slot at)
{
    const band *b = s->kind == STEP_BAND ? s->control->band : NULL;
    for (uint32_t k = 0; b && k + 1 < b->n; k++)
        if (b->part[k].to == at) return true;
    return false;
}

typedef struct {
    chooser *c;
    item *i;
    int self;
} access;

static void note_read(void *ctx, slot s, bool written)
{
    access *a = ctx;
    program *p = a->c->p;
    const slot_info *i = slot_at(p, s);
    if (written || i->kind == SLOT_LOCAL || i->kind == SLOT_CONST || is_inside(a->i->s, s) || a->i->n_reads == MOST_READS) return;
    const int64_t rows = i->rank == 4 ? number(p, i->extent[2]) : -1;
    const double reach = rows > 0 && i->view.rank == 4 ? (double)i->view.d[2].halo_hi / (double)rows : 0;
    a->i->read[a->i->n_reads++] = (reading){i->view.buf ? a->c->writer[i->view.buf] : -1, lines_of(p, s), reach};
}

static void note_written(void *ctx, slot s, bool written)
{
    access *a = ctx;
    const slot_info *i = slot_at(a->c->p, s);
    if (!written || i->kind == SLOT_LOCAL || !i->view.buf || is_inside(a->i->s, s)) return;
    a->i->written += lines_of(a->c->p, s);
    a->c->writer[i->view.buf] = a->self;
}

/* ---- ways ---- */

static int64_t up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static way pieces_of(int64_t n, int64_t grain, int threads)
{
    way w = {.grain = grain};
    const int64_t grains = up(n, grain), most = (int64_t)threads * PIECES_PER_THREAD;
    w.step = up(grains, most) * grain;
    w.pieces = up(n, w.step);
    w.shares = (int)(w.pieces < threads ? w.pieces : threads);
    return w;
}

static void add_way(item *i, int64_t grain, int threads)
{
    for (uint32_t k = 0; k < i->n_ways; k++)
        if (i->way[k].grain == grain) return;
    if (grain > 0 && grain < i->n && i->n_ways < MOST_WAYS) i->way[i->n_ways++] = pieces_of(i->n, grain, threads);
}

/* Whole tiles in so many pieces that no thread gets more than it must: one for each thread, or several where they are long. */
static int64_t even_grain(const item *i, int threads)
{
    const int64_t n = up(i->n, i->unit);
    int64_t best = n, least = n;
    for (int64_t each = 1; each <= PIECES_PER_THREAD; each++) {
        const int64_t grain = up(n, each * threads), pieces = up(n, grain), most = up(pieces, threads) * grain;
        if (each > 1 && i->ns >= 0 && i->ns / i->turns / (double)pieces < LATE_NS) break;
        if (most > least) continue;
        best = grain;
        least = most;
    }
    return best * i->unit;
}

/* What tuning files call the ways of a step, where they speak of it; the shape, or NULL. */
static const char *name_ways(const chooser *c, const item *i, const char **word)
{
    arena *mem = c->p->mem;
    if (!c->o->tuning || !i->s->kernel || !i->s->kernel->shape) return NULL;
    for (uint32_t k = 0; k < i->n_ways; k++) word[k] = i->way[k].grain ? arena_printf(mem, "pieces of %lld", (long long)i->way[k].grain) : "one thread";
    return arena_printf(mem, TUNING_SPLIT "%s", i->s->kernel->shape);
}

static void take_measured(const chooser *c, item *i)
{
    const char *word[MOST_WAYS], *shape = name_ways(c, i, word);
    const int found = shape ? tuning_find(c->o->tuning, shape, i->n_ways, word) : -1;
    if (found < 0) return;
    i->way[0] = i->way[found];
    i->n_ways = 1;
}

/* Keeps the question, with the way that was taken first. */
static void note_taken(const chooser *c, const item *i, uint32_t taken)
{
    const char *word[MOST_WAYS], *shape = name_ways(c, i, word);
    if (!shape || i->n_ways < 2 || i->n_ways > TUNING_WORDS) return;
    const char *first = word[taken];
    word[taken] = word[0];
    word[0] = first;
    tuning_note(c->o->tuning, shape, i->n_ways, word, 0, i->ns);
}

static void find_ways(const chooser *c, item *i)
{
    const int threads = c->o->threads;
    if (i->ns >= 0) i->way[i->n_ways++] = (way){.step = i->n, .pieces = 1, .shares = 1};
    if (i->s->kind == STEP_BAND && threads >= 2) add_way(i, up(i->n, threads), threads); /* each in one piece, for the rows around it are made twice */
    else if (threads >= 2 && can_split(i->s) && i->n > 1) {
        add_way(i, even_grain(i, threads), threads);
        if (i->by == SPLIT_ROWS) add_way(i, up(i->n, threads), threads); /* that of its neighbours, whatever their tiles */
        for (int few = threads / 2; few >= 2 && i->ns >= 0; few /= 2) add_way(i, up(up(i->n, i->unit), few) * i->unit, threads);
    }
    if (!i->n_ways) i->way[i->n_ways++] = (way){.step = i->n, .pieces = 1, .shares = 1};
    take_measured(c, i);
}

/* ---- costs ---- */

typedef struct {
    double lo, hi;
} part;

/* What thread t has of the range, as a part of all. */
static part part_of(const item *i, const way *w, int t)
{
    if (t >= w->shares) return (part){0, 0};
    const int64_t lo = w->pieces * t / w->shares * w->step, hi = w->pieces * (t + 1) / w->shares * w->step;
    return (part){(double)lo / (double)i->n, (double)(hi < i->n ? hi : i->n) / (double)i->n};
}

/* Rows as whole tiles, with those that are too few for one. */
static double weight(const item *i, int64_t rows)
{
    const double rest = (double)(rows % i->unit) * SHORT_ROWS;
    return (double)(rows - rows % i->unit) + (rest < (double)i->unit ? rest : (double)i->unit);
}

static double own_ns(const item *i, const way *w, int t)
{
    double sum = 0;
    for (int64_t k = w->pieces * t / w->shares; k < w->pieces * (t + 1) / w->shares; k++) {
        const int64_t lo = k * w->step, hi = lo + w->step < i->n ? lo + w->step : i->n;
        sum += weight(i, hi - lo);
    }
    return i->ns * sum / weight(i, i->n);
}

/* How much of a part of a tensor is in other caches than thread t's, of all of the tensor, after item `by` was done in way w. */
static double elsewhere(const item *by, const way *w, int t, part wanted, bool same_manner)
{
    const part own = part_of(by, w, t);
    const double all = wanted.hi - wanted.lo;
    if (w->shares == 1) return t ? all : 0;
    if (!same_manner) return all * (1 - (own.hi - own.lo));
    const double lo = wanted.lo > own.lo ? wanted.lo : own.lo, hi = wanted.hi < own.hi ? wanted.hi : own.hi;
    return hi > lo ? all - (hi - lo) : all;
}

static bool by_channels(const item *i)
{
    return i->by == SPLIT_CHANNELS || i->by == SPLIT_FILTERS;
}

/* Do parts of what they write stand for the same? Nests that go by nothing known do where they are equally long. */
static bool same_manner(const item *a, const item *b)
{
    if (by_channels(a) || by_channels(b)) return by_channels(a) && by_channels(b);
    return a->by == b->by && (a->by == SPLIT_ROWS || (a->n == b->n && a->s->nest && b->s->nest));
}

static part wanted_of(const item *i, const way *w, int t, double reach)
{
    if (i->by == SPLIT_FILTERS || (i->by == SPLIT_OTHER && i->s->kernel)) return (part){0, 1};
    if (i->by != SPLIT_ROWS) reach = 0;
    const part own = part_of(i, w, t);
    return (part){own.lo > reach ? own.lo - reach : 0, own.hi + reach < 1 ? own.hi + reach : 1};
}

/* The way of item `at` on the path that ends at item `last` with way k. */
static const way *way_on_path(const chooser *c, int at, int last, uint32_t k)
{
    for (; last > at; last--) k = c->items.p[last].before[k];
    return &c->items.p[at].way[k];
}

/* Lines that thread t gets from elsewhere when item number n is done in way w, behind the path that ends with way k of the item before. */
static double lines_moved(const chooser *c, int n, const way *w, int t, uint32_t k)
{
    const item *i = &c->items.p[n];
    double lines = 0;
    for (uint32_t r = 0; r < i->n_reads; r++) {
        const int from = i->read[r].from;
        if (from < 0 || from < n - FAR_BACK) continue;
        const item *by = &c->items.p[from];
        lines += i->read[r].lines * elsewhere(by, way_on_path(c, from, n - 1, k), t, wanted_of(i, w, t, i->read[r].reach), same_manner(i, by));
    }
    if (!n) return lines;
    const item *last = &c->items.p[n - 1]; /* stands for whoever has been where it writes */
    return lines + i->written * elsewhere(last, &last->way[k], t, part_of(i, w, t), same_manner(i, last));
}

static double moving_ns(double lines)
{
    return lines < FEW_LINES ? LINE_NS * lines : LINE_NS * FEW_LINES + STREAM_NS * (lines - FEW_LINES);
}

static double cost_of(const chooser *c, int n, const way *w, uint32_t k)
{
    const item *i = &c->items.p[n];
    double most = 0;
    if (i->ns < 0) return 0;
    for (int t = 0; t < w->shares; t++) {
        const double asked = w->shares == 1 ? 0 : ASK_NS * (t ? t : w->shares - 1) + (t ? START_NS + HEAR_NS : 0);
        const double all = asked * i->turns + own_ns(i, w, t) + moving_ns(lines_moved(c, n, w, t, k));
        if (all > most) most = all;
    }
    return w->shares == 1 ? most : most + LEAST_GAIN_NS * i->turns;
}

/* ---- the path ---- */

static void extend_paths(chooser *c, int n)
{
    item *i = &c->items.p[n];
    const item *last = n ? &c->items.p[n - 1] : NULL;
    for (uint32_t w = 0; w < i->n_ways; w++) {
        i->cost[w] = INFINITY;
        for (uint32_t k = 0; k < (last ? last->n_ways : 1); k++) {
            const double cost = (last ? last->cost[k] : 0) + cost_of(c, n, &i->way[w], k);
            if (cost >= i->cost[w]) continue;
            i->cost[w] = cost;
            i->before[w] = (uint8_t)k;
        }
    }
}

/* Chooses for all items, and begins anew. */
static void choose_ways(chooser *c)
{
    const int n = (int)c->items.n;
    for (int i = 0; i < n; i++) extend_paths(c, i);
    uint32_t k = 0;
    for (uint32_t w = 1; n && w < c->items.p[n - 1].n_ways; w++)
        if (c->items.p[n - 1].cost[w] < c->items.p[n - 1].cost[k]) k = w;
    for (int i = n; i-- > 0; k = c->items.p[i].before[k]) {
        step *s = c->items.p[i].s;
        s->grain = c->items.p[i].way[k].grain;
        if (s->kernel && s->kernel->turns && !s->grain) recurrent_by_sequences(c->p, s);
        note_taken(c, &c->items.p[i], k);
    }
    c->items.n = 0;
    for (uint32_t b = 0; b < c->p->buf.n; b++) c->writer[b] = -1;
}

/* Of sizes that only the run knows: units, of which so many go together as the run finds worth it; of bands whole images; of what is gone through in turns a
 * part for each thread. */
static void split_at_run(const chooser *c, step *s)
{
    const bool in_turns = s->kernel && s->kernel->turns;
    s->grain = s->kind == STEP_BAND ? last_part(s)->height : s->kernel && s->kernel->unit > 0 ? s->kernel->unit : 1;
    if (in_turns) s->grain *= up(up(number(c->p, s->kernel->range), s->grain), c->o->threads);
    s->ns_at_run = step_ns_at_run(c->p, s, c->o->target);
}

static void add_item(chooser *c, step *s)
{
    (void)recurrent_by_units(c->p, s, c->o->threads);
    const int64_t n = number(c->p, range_of(c->p, s));
    const double ns = time_of(c->p, s, c->o->target);
    if (can_split(s) && (n < 0 || ns < 0)) {
        if (step_ns_at_run(c->p, s, c->o->target)) split_at_run(c, s);
        return;
    }
    item i = {.s = s, .n = n > 0 ? n : 1, .ns = ns, .turns = turns_of(c->p, s), .unit = s->kernel && s->kernel->unit > 0 ? s->kernel->unit : 1};
    i.by = step_split(c->p, s);
    access a = {c, &i, (int)c->items.n};
    step_access(c->p, s, note_read, &a);
    step_access(c->p, s, note_written, &a);
    find_ways(c, &i);
    VEC_PUSH(c->p->mem, c->items, i);
}

static void choose_block(chooser *c, block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        if (s->kind == STEP_NEST || s->kind == STEP_KERNEL || s->kind == STEP_BAND) {
            if (!s->host && !(s->kernel && s->kernel->leader)) add_item(c, s);
            continue;
        }
        choose_ways(c);
        choose_block(c, s->control->then);
        choose_block(c, s->control->otherwise);
    }
    choose_ways(c);
}

static void choose_axis(void *ctx, step *s)
{
    const chooser *c = ctx;
    const print_options print = {.vl = c->o->target->vl, .math = c->o->math};
    if (s->nest && s->nest->flat && (s->host || c->o->target->language == LANGUAGE_C)) s->nest->split = nest_range(c->p, s->nest, &print);
}

void plan_threads(program *p, const plan_options *o)
{
    chooser c = {.p = p, .o = o};
    program_steps(p, choose_axis, &c);
    if (o->threads < 2 || o->target->language != LANGUAGE_C) return;
    plan_splits(p, o->threads);
    c.writer = ARENA_ARRAY(p->mem, int, p->buf.n);
    for (uint32_t b = 0; b < p->buf.n; b++) c.writer[b] = -1;
    choose_block(&c, &p->main);
}
