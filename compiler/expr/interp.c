/* interp.c - nest_run: runs a nest on host memory, row by row.
 *
 * What goes in: a nest (logical or flattened) and memory for its slots; what comes out: the stores done. Stages were turned into lists of
 * instructions by tape.c; here they are executed. A row is up to 256 points of the innermost axis; every instruction works on a whole row,
 * so the cost per element is that of a short loop. Selects are lazy: the instructions of an arm that read memory or can fail run only for
 * the lanes that take it. Folds follow DESIGN section 10: 16 partial results, by position modulo 16, combined 8-4-2-1. */
#include <assert.h>
#include <string.h>

#include "expr/tape.h"

typedef struct {
    nest_run_state state;
    stage_tape *stage;
    int64_t axis[MAX_LEVELS]; /* current value by level; of the row level: at lane 0 */
    uint32_t n;               /* lanes of this row */
    int64_t position;         /* of lane 0 in the flattened order of the stage */
    const char *why;          /* NULL: no failure so far */
} runner;

static const uint8_t ALL[ROW] = {
#define ONES_16 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define ONES_64 ONES_16, ONES_16, ONES_16, ONES_16
    ONES_64, ONES_64, ONES_64, ONES_64};

static void fail(runner *r, const char *what, const char *name)
{
    if (!r->why) r->why = arena_printf(r->state.in->p->mem, what, name);
}

/* ---- instructions ---- */

static void spread(instr *i, uint32_t n)
{
    const size_t size = lane_bytes((ctype)i->type);
    char *p = i->lanes;
    if (size == 1) memset(p, p[0], n);
    else if (size == 4)
        for (uint32_t k = 1; k < n; k++) ((uint32_t *)i->lanes)[k] = ((uint32_t *)i->lanes)[0];
    else
        for (uint32_t k = 1; k < n; k++) ((uint64_t *)i->lanes)[k] = ((uint64_t *)i->lanes)[0];
}

static int64_t single(const instr *i)
{
    return i->straight ? i->base : ((const int64_t *)i->lanes)[0];
}

static void run_affine(const runner *r, instr *i, uint32_t n)
{
    int64_t *out = i->lanes;
    const uint32_t row_level = r->stage->row_level;
    i->base = i->constant;
    i->step = 0;
    for (uint32_t k = 0; k < i->n_terms; k++) {
        const affine_term *t = &i->term[k];
        if (!t->of) {
            i->base += t->coef * r->axis[t->level];
            if (t->level == row_level) i->step += t->coef;
        } else if (t->of->straight || !t->of->at_row) {
            i->base += t->coef * single(t->of);
            i->step += t->of->straight ? t->coef * t->of->step : 0;
        }
    }
    if (i->straight && !i->wide) {
        out[0] = i->base;
        return;
    }
    for (uint32_t k = 0; k < n; k++) out[k] = i->base + (int64_t)k * i->step;
    for (uint32_t k = 0; k < i->n_terms; k++) {
        const instr *of = i->term[k].of;
        if (!of || of->straight || !of->at_row) continue;
        const int64_t *v = of->lanes;
        for (uint32_t j = 0; j < n; j++) out[j] += i->term[k].coef * v[j];
    }
}

/* The elements that indexes name. offsets: room for the lanes when they do not lie on a straight line. */
static row address(const tensor_ref *m, uint32_t n_index, instr *const *index, uint32_t n, const uint8_t *mask, int64_t *offsets)
{
    row a = {.n = n, .mask = mask};
    for (uint32_t k = 0; k < n_index; k++) {
        const instr *i = index[k];
        if (i->straight || !i->at_row) {
            a.base += m->stride[k] * single(i);
            a.step += i->straight && i->at_row ? m->stride[k] * i->step : 0;
            continue;
        }
        const int64_t *v = i->lanes;
        if (a.at)
            for (uint32_t j = 0; j < n; j++) offsets[j] += m->stride[k] * v[j];
        else
            for (uint32_t j = 0; j < n; j++) offsets[j] = m->stride[k] * v[j];
        a.at = offsets;
    }
    return a;
}

static void run_load(runner *r, instr *i, uint32_t n, const uint8_t *mask)
{
    int64_t offsets[ROW];
    const row a = address(i->mem, i->n, i->arg, n, mask, offsets);
    if (!row_inside(&a, i->mem->count)) fail(r, "load outside the tensor '%s'", i->mem->name);
    else row_load(i->mem->type, i->mem->data, &a, i->lanes);
}

static void run_index(runner *r, instr *i, uint32_t n, const uint8_t *mask)
{
    const int64_t *v = i->arg[0]->lanes, *size = i->arg[1]->lanes;
    int64_t *out = i->lanes;
    for (uint32_t k = 0; k < n; k++) {
        const int64_t w = v[k] < 0 ? v[k] + size[k] : v[k];
        const bool inside = w >= 0 && w < size[k];
        out[k] = inside ? w : 0;
        if (!inside && (!mask || mask[k])) fail(r, "an index is outside its tensor%s", "");
    }
}

static void run_acc(const runner *r, instr *i, uint32_t n)
{
    const size_t size = lane_bytes((ctype)i->type);
    if (r->state.rows_are_points) memcpy(i->lanes, i->acc->lanes, n * size);
    else {
        memcpy(i->lanes, &i->acc->value, size);
        if (i->at_row) spread(i, n);
    }
}

/* Lanes [0, n) of the instruction; the arguments are ready. mask: lanes that may touch memory or fail (NULL: all). */
static void run_op(runner *r, instr *i, uint32_t n, const uint8_t *mask)
{
    void *const out = i->lanes;
    const ctype from = (ctype)i->from;
#define ARG(k) i->arg[k]->lanes
    switch (i->op) {
    case EX_NUM: break;
    case EX_DIM: run_affine(r, i, n); break;
    case EX_LOAD: run_load(r, i, n, mask); break;
    case EX_ACC: run_acc(r, i, n); break;
    case EX_CAST: vec_cast((ctype)i->type, from, n, out, ARG(0)); break;
    case EX_ROUND: vec_round((elem)i->elem, from, n, out, ARG(0)); break;
    case EX_BITCAST: memcpy(out, ARG(0), n * lane_bytes(from)); break;
    case EX_SELECT: vec_select((ctype)i->type, n, out, ARG(0), ARG(1), ARG(2)); break;
    case EX_INDEX: run_index(r, i, n, mask); break;
    default:
        if (i->n == 1) vec_un((ex_op)i->op, from, n, out, ARG(0));
        else vec_bin((ex_op)i->op, from, n, out, ARG(0), ARG(1));
    }
#undef ARG
}

/* out = a & b, or a & !b; true when a lane is left. */
static bool both(uint32_t n, uint8_t *out, const uint8_t *a, const uint8_t *b, uint8_t flip)
{
    uint8_t any = 0;
    for (uint32_t k = 0; k < n; k++) {
        out[k] = (uint8_t)(a[k] & (b[k] ^ flip));
        any |= out[k];
    }
    return any;
}

static void run_list(runner *r, const instr_list *l, const uint8_t *mask);

/* Runs an instruction of the row level for the lanes of `mask`; its arguments are ready. The arms of a select run before it, each for the
 * lanes that take it. */
static void run_masked(runner *r, instr *i, const uint8_t *mask)
{
    uint8_t arm[ROW];
    for (uint8_t k = 0; k < 2; k++)
        if (i->arm[k].n && both(r->n, arm, mask, i->arg[0]->lanes, k)) run_list(r, &i->arm[k], arm);
    run_op(r, i, r->n, memcmp(mask, ALL, r->n) ? mask : NULL);
}

/* Sees to it that lazy instructions have their values in the lanes of `mask`. */
static void run_list(runner *r, const instr_list *l, const uint8_t *mask)
{
    uint8_t need[ROW];
    for (uint32_t j = 0; j < l->n; j++) {
        instr *i = l->p[j];
        if (!both(r->n, need, mask, i->done, 1)) continue;
        run_masked(r, i, need);
        for (uint32_t k = 0; k < r->n; k++) i->done[k] |= need[k];
    }
}

static void run_level(runner *r, uint32_t level)
{
    for (uint32_t k = 0; k < r->stage->outer[level].n; k++) {
        instr *i = r->stage->outer[level].p[k];
        const bool affine = i->op == EX_DIM;
        run_op(r, i, affine && i->wide ? r->stage->width : 1, NULL);
        if (i->wide && !affine) spread(i, r->stage->width);
    }
}

/* ---- sinks ---- */

static void fold_one(fold f, ctype t, void *acc, const void *v)
{
    vec_bin(fold_op(f), t, 1, acc, acc, v);
}

static void fold_row(const runner *r, sink_tape *s, const uint8_t *mask)
{
    const size_t size = lane_bytes(s->type);
    const char *v = s->value->lanes;
    const ex_op op = fold_op(s->fold);
    if (r->state.rows_are_points) { /* a point per lane */
        lane next[ROW];
        char *to = s->acc->lanes;
        vec_bin(op, s->type, r->n, next, to, v);
        vec_select(s->type, r->n, to, mask ? mask : ALL, next, to);
        return;
    }
    if (s->running) {
        if (!mask || mask[0]) fold_one(s->fold, s->type, &s->acc->value, v);
        return;
    }
    lane packed[FOLD_LANES];
    char *part = (char *)packed;
    for (uint32_t k = 0; k < FOLD_LANES; k++) memcpy(part + k * size, &s->part[k], size);
    for (uint32_t k = 0; k < r->n;) {
        const uint32_t first = (uint32_t)((r->position + k) % FOLD_LANES);
        uint32_t count = FOLD_LANES - first < r->n - k ? FOLD_LANES - first : r->n - k;
        if (mask) {
            count = 1;
            if (mask[k]) vec_bin(op, s->type, 1, part + first * size, part + first * size, v + k * size);
        } else vec_bin(op, s->type, count, part + first * size, part + first * size, v + k * size);
        k += count;
    }
    for (uint32_t k = 0; k < FOLD_LANES; k++) memcpy(&s->part[k], part + k * size, size);
}

/* slot[at] = slot[at] FOLD value. Elements may repeat within a row, so one after the other unless they are neighbours. */
static void fold_store(sink_tape *s, const row *all)
{
    lane old[ROW];
    const size_t size = lane_bytes(s->type);
    if (!all->at && !all->mask && all->step != 0) {
        row_load(s->to->type, s->to->data, all, old);
        vec_bin(fold_op(s->fold), s->type, all->n, old, old, s->value->lanes);
        row_store(s->to->type, s->to->data, all, old);
        return;
    }
    for (uint32_t k = 0; k < all->n; k++) {
        if (all->mask && !all->mask[k]) continue;
        const row one = {.base = all->base + (int64_t)k * all->step + (all->at ? all->at[k] : 0), .n = 1};
        row_load(s->to->type, s->to->data, &one, old);
        fold_one(s->fold, s->type, old, (const char *)s->value->lanes + k * size);
        row_store(s->to->type, s->to->data, &one, old);
    }
}

static void run_sink(runner *r, sink_tape *s)
{
    for (uint32_t k = 0; k < s->run.n; k++) {
        instr *i = s->run.p[k];
        if (i->lazy) run_list(r, &(instr_list){1, &i}, ALL);
        else run_masked(r, i, ALL);
    }
    const uint8_t *mask = NULL;
    if (s->guard) {
        mask = s->guard->lanes;
        if (!memchr(mask, 1, r->n)) return;
        run_list(r, &s->guarded, mask);
    }
    if (r->why) return;
    if (!s->to) {
        fold_row(r, s, mask);
        return;
    }
    int64_t offsets[ROW];
    const row a = address(s->to, s->n, s->at, r->n, mask, offsets);
    if (!row_inside(&a, s->to->count)) fail(r, "store outside the tensor '%s'", s->to->name);
    else if (s->fold != FOLD_NONE) fold_store(s, &a);
    else row_store(s->to->type, s->to->data, &a, s->value->lanes);
}

/* ---- loops ---- */

static void run_row(runner *r, int64_t at, uint32_t n)
{
    stage_tape *t = r->stage;
    r->axis[t->row_level] = at;
    r->n = n;
    for (uint32_t k = 0; k < t->lazy.n; k++) memset(t->lazy.p[k]->done, 0, n);
    for (uint32_t k = 0; k < t->n_sinks && !r->why; k++) run_sink(r, &t->sink[k]);
    r->position += n;
}

/* Walks levels from `level` to the row. */
static void run_loops(runner *r, uint32_t level)
{
    const stage_tape *t = r->stage;
    for (int64_t i = 0; i < t->extent[level] && !r->why;) {
        if (level == t->row_level) {
            const int64_t left = t->extent[level] - i;
            const uint32_t n = left < t->width ? (uint32_t)left : t->width;
            run_row(r, i, n);
            i += n;
        } else {
            r->axis[level] = i++;
            run_level(r, level);
            run_loops(r, level + 1);
        }
    }
}

/* `n`: lanes of a row of points. */
static void start_folds(stage_tape *t, uint32_t n)
{
    for (uint32_t k = 0; k < t->n_sinks; k++) {
        sink_tape *s = &t->sink[k];
        if (s->to) continue;
        const size_t size = lane_bytes(s->type);
        for (uint32_t i = 0; i < FOLD_LANES; i++) s->part[i] = s->identity;
        s->acc->value = s->identity;
        for (uint32_t i = 0; i < n; i++) memcpy((char *)s->acc->lanes + i * size, &s->identity, size);
    }
}

static void finish_folds(stage_tape *t)
{
    for (uint32_t k = 0; k < t->n_sinks; k++) {
        sink_tape *s = &t->sink[k];
        if (s->to || s->running) continue;
        for (uint32_t half = FOLD_LANES / 2; half; half /= 2)
            for (uint32_t i = 0; i < half; i++) fold_one(s->fold, s->type, &s->part[i], &s->part[i + half]);
        s->acc->value = s->part[0];
    }
}

/* All stages at one point of the parallel axes; axes of levels below `changed` are as in the point before. */
static void run_point(runner *r, stage_tape *stages, uint32_t changed)
{
    for (uint32_t k = 0; k < r->state.nest->n_stages && !r->why; k++) {
        r->stage = &stages[k];
        r->position = 0;
        start_folds(r->stage, 0);
        if (!r->stage->empty) {
            for (uint32_t l = changed; l < r->stage->first_level; l++) run_level(r, l);
            run_loops(r, r->stage->first_level);
        }
        finish_folds(r->stage);
    }
}

/* Stages without axes: rows of points go through all stages, each as wide as the narrowest allows. */
static void run_point_rows(runner *r, stage_tape *stages, uint32_t changed)
{
    const nest *n = r->state.nest;
    const uint32_t row_level = stages[0].row_level;
    const int64_t extent = stages[0].extent[row_level];
    uint32_t width = ROW;
    for (uint32_t k = 0; k < n->n_stages; k++) {
        if (stages[k].width < width) width = stages[k].width;
        r->stage = &stages[k];
        for (uint32_t l = changed; l < row_level; l++) run_level(r, l);
    }
    for (int64_t i = 0; i < extent && !r->why;) {
        const uint32_t m = extent - i < width ? (uint32_t)(extent - i) : width;
        for (uint32_t k = 0; k < n->n_stages && !r->why; k++) {
            r->stage = &stages[k];
            start_folds(r->stage, m);
            run_row(r, i, m);
        }
        i += m;
    }
}

/* Every point of the parallel axes (but the innermost when rows go along it), the last axis fastest. */
static void run_points(runner *r, stage_tape *stages)
{
    const uint32_t outer = r->state.rows_are_points ? stages[0].row_level - 1 : r->state.n_outer;
    for (uint32_t l = 1; l <= outer; l++)
        if (stages[0].extent[l] <= 0) return;
    if (r->state.rows_are_points && stages[0].empty) return;
    uint32_t changed = 0;
    while (!r->why) {
        if (r->state.rows_are_points) run_point_rows(r, stages, changed);
        else run_point(r, stages, changed);
        changed = outer;
        while (changed > 0 && ++r->axis[changed] == stages[0].extent[changed]) r->axis[changed--] = 0;
        if (changed == 0) return;
    }
}

/* Parallel axes may be walked in any order: when rows go along the last one and it is short, the longest becomes the last. */
static void order_axes(nest_run_state *s)
{
    enum { SHORT = 32 };
    const nest *n = s->nest;
    const dims *t = s->in->p->dims;
    s->n_outer = n->n_axes;
    memcpy(s->outer, n->axis, sizeof s->outer);
    if (!s->rows_are_points || n->n_axes < 2) return;
    for (uint32_t k = 0; k < n->n_stages; k++)
        for (uint32_t i = 0; i < n->stage[k].n_sinks; i++) {
            const sink *to = &n->stage[k].sink[i];
            if (to->to && (to->in_order || to->fold != FOLD_NONE)) return; /* results depend on the order */
        }
    uint32_t longest = n->n_axes - 1u;
    int64_t most = tape_dim(s, dim_extent(t, n->axis[longest]));
    if (most >= SHORT) return;
    for (uint32_t k = longest; k-- > 0;) {
        const int64_t extent = tape_dim(s, dim_extent(t, n->axis[k]));
        if (extent > most) most = extent, longest = k;
    }
    const dim last = s->outer[longest];
    for (uint32_t k = longest; k + 1u < n->n_axes; k++) s->outer[k] = s->outer[k + 1];
    s->outer[n->n_axes - 1] = last;
}

static void prepare(runner *r, stage_tape *stages)
{
    nest_run_state *s = &r->state;
    const nest *n = s->nest;
    program *p = s->in->p;
    s->slot = ARENA_ARRAY(s->mem, tensor_ref *, p->slot.n);
    s->acc = ARENA_ARRAY(s->mem, acc_value, p->n_acc + 1);
    s->rows_are_points = true;
    for (uint32_t k = 0; k < n->n_stages; k++) {
        const stage *g = &n->stage[k];
        if (g->n_axes) s->rows_are_points = false;
        for (uint32_t i = 0; i < g->n_sinks; i++)
            if (g->sink[i].to) tape_slot(s, g->sink[i].to)->stored = true;
            else if (!s->acc[g->sink[i].acc].lanes) s->acc[g->sink[i].acc].lanes = arena_alloc(s->mem, ROW * sizeof(lane));
    }
    order_axes(s);
    for (uint32_t k = 0; k < n->n_stages; k++) tape_stage(s, &n->stage[k], &stages[k]);
}

bool nest_run(const interp *in, const nest *n, const char **why)
{
    runner r = {.state = {.in = in, .nest = n, .mem = arena_new()}};
    if (n->n_stages) {
        stage_tape *stages = ARENA_ARRAY(r.state.mem, stage_tape, n->n_stages);
        prepare(&r, stages);
        run_points(&r, stages);
    }
    arena_free(r.state.mem);
    if (r.why && why) *why = r.why;
    return !r.why;
}
