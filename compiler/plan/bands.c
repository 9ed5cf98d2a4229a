/* bands.c - convolutions that go through an image together, a band of rows at a time.
 *
 * in:  K_CONV steps, not bound yet, whose slots have views; which of them are tiles of Winograd's algorithm is known
 * out: runs of them in which each reads what the one before makes, and nothing else does, are one STEP_BAND: for a few rows of the last one's output, each makes
 *      just the rows that the next one needs. What is between them takes memory for these rows only, so it stays in the cache, and the arena is smaller. Rows
 *      that the next band reads again are kept (band_part.room); none is made twice, but at the borders between the parts of an image that threads have.
 *
 * Each element is computed as it would be without, so the bits are the same. */
#include <string.h>

#include "plan/conv_plan.h"

enum { MOST_PARTS = 16, MOST_ROWS = 64 /* of a band */, MOST_HEIGHT = 1 << 20, LINE = 64 /* elements */ };
static const double L2_RATE = 60, L3_RATE = 20; /* bytes in a ns, written and read again, of one core */
static const double CALL_NS = 40, MULTIPLY_ADDS = 2.5; /* of a step; of a lane in a ns */

typedef struct {
    program *p;
    const plan_options *o;
    uint8_t *readers, *writers; /* by slot: how many steps, 2 for more */
    dim first[MOST_PARTS];      /* the symbols, which all bands share */
} bander;

/* One convolution that could be a part. */
typedef struct {
    step *s;
    band_part part;
    int64_t image_bytes, row_bytes; /* of its output */
    int64_t weights;                /* bytes */
    double row_ns;                  /* to compute a row */
} candidate;

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

static int64_t slot_size(program *p, slot s, uint32_t from)
{
    const slot_info *i = slot_at(p, s);
    int64_t size = (elem_of(i->type)->bits + 7) / 8;
    for (uint32_t k = from; k < i->rank; k++) {
        int64_t n;
        if (!dim_is_const(p->dims, i->extent[k], &n)) return -1;
        size *= n;
    }
    return size;
}

/* Does it go by rows, and read its input where that lies? */
static bool read_candidate(const bander *b, step *s, candidate *c)
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
    const slot_info *to = slot_at(p, h->to);
    *c = (candidate){.s = s, .part = {.height = height, .stride = k->conv.stride[0], .pad = k->conv.pad_lo[0], .reach = reach, .to = h->to}};
    c->part.top = to->view.rank == 4 ? to->view.d[2].halo_lo : 0;
    c->part.bottom = to->view.rank == 4 ? to->view.d[2].halo_hi : 0;
    c->image_bytes = slot_size(p, h->to, 1);
    c->row_bytes = c->image_bytes / height;
    c->weights = slot_size(p, k->arg[2].slot, 0);
    int64_t work, images;
    if (!dim_is_const(p->dims, matrix_work(p, k), &work) || !dim_is_const(p->dims, conv_extent(p, h->axis[0]), &images)) work = images = 1;
    c->row_ns = (double)work / (double)(images * height) / (MULTIPLY_ADDS * vl * (h->int_acc ? 4 : 1));
    return c->image_bytes > 0 && c->weights > 0;
}

/* Does `next` read what `c` makes, all of it as it lies, and nothing else does? */
static bool follows(const bander *b, const candidate *c, const candidate *next)
{
    program *p = b->p;
    const hook *h = &c->s->kernel->hook[0], *g = &next->s->kernel->hook[0];
    const slot_info *t = slot_at(p, h->to);
    if (next->s->kernel->arg[1].slot != h->to || t->kind != SLOT_TEMP || t->alias_of || t->has_views || t->keep || t->rank != 4 || h->n != 4) return false;
    if (b->readers[h->to] != 1 || b->writers[h->to] != 1 || conv_extent(p, h->axis[0]) != conv_extent(p, g->axis[0])) return false;
    for (uint32_t i = 0; i < 4; i++)
        if (h->at[i] != ex_dim(p->ex, h->axis[i]) || conv_extent(p, h->axis[i]) != t->extent[i]) return false;
    return true;
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
            const int64_t lowest = done[k] ? first : -part[k].top, highest = until[k] + (until[k] == part[k].height ? part[k].bottom : 0);
            part[k].room = most(part[k].room, highest - lowest);
        }
        for (uint32_t k = 0; k < n; k++) done[k] = until[k];
    }
}

static void count_room(const bander *b, band_part *part, uint32_t n, int64_t rows)
{
    for (uint32_t k = 0; k < n; k++) part[k].room = 0;
    const int64_t height = part[n - 1].height;
    for (int64_t from = 0; from < (b->o->threads > 1 ? height : 1); from++) run_rows(part, n, rows, from, height);
}

/* ---- what it takes ---- */

static double between_ns(const bander *b, int64_t bytes)
{
    return (double)bytes / (bytes > b->o->target->l2 / 2 ? L3_RATE : L2_RATE);
}

/* About how many ns the candidates take beyond their arithmetic as one band of so many rows; -1: it does not fit the cache. */
static double band_ns(const bander *b, const candidate *c, uint32_t n, int64_t rows)
{
    band_part part[MOST_PARTS];
    int64_t weights = 0, memory = 0;
    double ns = 0;
    for (uint32_t k = 0; k < n; k++) {
        part[k] = c[k].part;
        weights += c[k].weights;
    }
    count_room(b, part, n, rows);
    const int64_t bands = (part[n - 1].height + rows - 1) / rows;
    for (uint32_t k = 0; k + 1 < n; k++) {
        const int64_t again = part[k + 1].reach > part[k + 1].stride ? part[k + 1].reach - part[k + 1].stride : 0;
        memory += part[k].room * c[k].row_bytes;
        ns += (double)(c[k].image_bytes + bands * again * c[k].row_bytes) / L2_RATE;
        ns += (double)(b->o->threads - 1) * (double)again * c[k].row_ns;
    }
    if (n > 1 && memory + weights > b->o->target->l2 / 2) return -1;
    return n > 1 ? ns + (double)(bands - 1) * ((double)weights / L2_RATE + CALL_NS * n) : ns;
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
    made->images = conv_extent(p, c[0].s->kernel->hook[0].axis[0]);
    for (uint32_t k = 0; k < n; k++) made->part[k] = c[k].part;
    count_room(b, made->part, n, rows);
    for (uint32_t k = 0; k < n; k++) {
        c[k].s->kernel->conv.rows = k + 1 < n ? made->part[k].room : rows;
        VEC_PUSH(p->mem, steps->steps, c[k].s);
        if (k + 1 == n) break;
        if (!b->first[k]) b->first[k] = dim_fresh(p->dims, arena_printf(p->mem, "first%u", k), -MOST_HEIGHT, MOST_HEIGHT);
        made->part[k].first = b->first[k];
        narrow_slot(b, &made->part[k]);
    }
    ctl->then = steps;
    ctl->band = made;
    *s = (step){.kind = STEP_BAND, .what = arena_printf(p->mem, "%s .. %s", c[0].s->what, c[n - 1].s->what), .control = ctl};
    return s;
}

/* Cuts a run of candidates into bands and single steps, whatever takes the least time together. */
static void place_run(bander *b, candidate *c, uint32_t n, block *out)
{
    double least[MOST_PARTS + 1] = {0};
    uint32_t from[MOST_PARTS + 1] = {0};
    int64_t rows[MOST_PARTS + 1] = {0};
    for (uint32_t end = 1; end <= n; end++) {
        least[end] = -1;
        for (uint32_t begin = end; begin-- > 0;) {
            const double before = least[begin] + (begin ? between_ns(b, c[begin - 1].image_bytes) : 0);
            const int64_t height = c[end - 1].part.height;
            for (int64_t r = end - begin == 1 ? height : 1; r <= height && (r <= MOST_ROWS || end - begin == 1); r++) {
                const double ns = band_ns(b, c + begin, end - begin, r);
                if (ns < 0) break;
                if (least[end] >= 0 && before + ns >= least[end]) continue;
                least[end] = before + ns;
                from[end] = begin;
                rows[end] = r;
            }
        }
    }
    uint32_t cut[MOST_PARTS + 1], cuts = 0;
    for (uint32_t end = n; end; end = from[end]) cut[cuts++] = end;
    while (cuts--) {
        const uint32_t end = cut[cuts], begin = from[end];
        step *s = end - begin == 1 ? c[begin].s : make_band(b, c + begin, end - begin, rows[end]);
        VEC_PUSH(b->p->mem, out->steps, s);
    }
}

static void band_block(bander *b, block *steps)
{
    block out = {.graph = steps->graph};
    for (uint32_t i = 0, n; i < steps->steps.n; i += n) {
        step *s = steps->steps.p[i];
        candidate run[MOST_PARTS];
        if (s->control && s->control->then) band_block(b, s->control->then);
        if (s->control && s->control->otherwise) band_block(b, s->control->otherwise);
        for (n = 0; n < MOST_PARTS && i + n < steps->steps.n; n++)
            if (!read_candidate(b, steps->steps.p[i + n], &run[n]) || (n && !follows(b, &run[n - 1], &run[n]))) break;
        if (n > 1) place_run(b, run, n, &out);
        else {
            VEC_PUSH(b->p->mem, out.steps, s);
            n = 1;
        }
    }
    *steps = out;
}

void plan_bands(program *p, const plan_options *o)
{
    arena *scratch = arena_new();
    bander b = {.p = p, .o = o, .readers = ARENA_ARRAY(scratch, uint8_t, p->slot.n), .writers = ARENA_ARRAY(scratch, uint8_t, p->slot.n)};
    program_steps(p, count_uses, &b);
    band_block(&b, &p->main);
    arena_free(scratch);
}
