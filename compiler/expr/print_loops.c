/* print_loops.c - the loops of a nest: parallel axes, stages, vectors and their tails.
 *
 * An axis of constant extent is cut where comparisons of indexes change (print_split.c), so the inside of a border runs without tests. In the
 * vector axis, a last partial vector overlaps the one before where computing an element twice is harmless, else scalars finish. A float sum or
 * product along a row is kept in ROW_LANES lanes whatever the vector length: 16 / VL vectors, or an array in scalar code. */
#include <string.h>

#include "expr/print.h"

enum { MAX_SPLITS = 48, PEEL = 8, UNROLL = 8, GROUP = 4, MAX_GROUP_FOLDS = 2 };

typedef struct {
    printer *w;
    choice c;
    dim ranged;
} loops;

/* An axis about to be walked, or a segment [from, to) of it whose own axis starts at 0. */
typedef struct {
    dim axis;
    bool ranged, whole;
    int64_t from, to;
    const char *begin, *end; /* not NULL: its bounds, found at run time */
} span;

static const char *index_type(const printer *w)
{
    return w->wide ? "int64_t" : "int32_t";
}

/* First and last-plus-one value of the loop variable. */
static const char *span_begin(printer *w, const span *s)
{
    if (s->begin) return s->begin;
    if (!s->ranged) return "0";
    const char *lo = s->whole || !s->from ? "lo" : arena_printf(w->mem, "(lo > %lld ? lo - %lld : 0)", (long long)s->from, (long long)s->from);
    return w->wide ? lo : arena_printf(w->mem, "(int32_t)%s", lo);
}

static const char *span_end(printer *w, const span *s)
{
    if (s->end) return s->end;
    if (!s->ranged) return paren(w, dim_str(w, dim_extent(w->t, s->axis)));
    const long long from = s->from, to = s->to;
    const char *rest = from ? arena_printf(w->mem, "hi - %lld", from) : "hi";
    const char *hi = s->whole ? "hi" : arena_printf(w->mem, "(hi < %lld ? %s : %lld)", to, rest, to - from);
    return w->wide ? hi : arena_printf(w->mem, "(int32_t)%s", hi);
}

void axis_bounds(printer *w, dim axis, bool ranged, const char **begin, const char **end)
{
    const span s = {.axis = axis, .ranged = ranged, .whole = true};
    *begin = span_begin(w, &s);
    *end = span_end(w, &s);
}

static bool span_const(printer *w, const span *s, int64_t *n)
{
    return !s->ranged && !s->begin && dim_is_const(w->t, dim_extent(w->t, s->axis), n);
}

static void loop_open(printer *w, const span *s)
{
    const char *i = loop_name(w);
    axis_bind(w, s->axis, i);
    line(w, "for (%s %s = %s; %s < %s; ++%s) {", index_type(w), i, span_begin(w, s), i, span_end(w, s), i);
}

static void loop_close(printer *w, dim axis)
{
    line(w, "}");
    axis_bind(w, axis, NULL);
    w->loops--;
}

/* ---- segments ---- */

/* Calls `f` for each segment of the axis with a copy of the stages in which the axis is the segment's own; an element alone has no loop (its
 * stages hold constants, axis 0). `peel`: segments that keep a comparison are taken element by element. */
typedef void (*segment_fn)(loops *l, const stage *s, uint32_t n, const span *p, void *ctx);

static void print_element(loops *l, const stage *s, uint32_t n, dim axis, int64_t at, bool ranged, bool braces, segment_fn f, void *ctx)
{
    printer *w = l->w;
    const span none = {.whole = true};
    const stage *one = map_stages(w, s, n, axis, dim_const(w->t, at));
    if (ranged) line(w, "if (lo <= %lld && %lld < hi) {", (long long)at, (long long)at);
    else if (braces) line(w, "{");
    f(l, one, n, &none, ctx);
    if (ranged || braces) line(w, "}");
}

static void for_segments(loops *l, const stage *s, uint32_t n, dim axis, bool peel, bool braces, segment_fn f, void *ctx)
{
    printer *w = l->w;
    int64_t cut[MAX_CUTS];
    const bool ranged = axis == l->ranged;
    const span whole = {.axis = axis, .ranged = ranged, .whole = true};
    const uint32_t segments = w->splits < MAX_SPLITS ? find_cuts(w, s, n, axis, cut) : 1;
    if (segments <= 1) {
        f(l, s, n, &whole, ctx);
        return;
    }
    w->splits += segments - 1;
    for (uint32_t q = 0; q < segments; q++) {
        const int64_t length = cut[q + 1] - cut[q];
        if (length == 1) {
            print_element(l, s, n, axis, cut[q], ranged, braces, f, ctx);
            continue;
        }
        const dim t = dim_axis(w->t, dim_const(w->t, length));
        const stage *part = map_stages(w, s, n, axis, dim_addc(w->t, t, cut[q]));
        const span p = {.axis = t, .ranged = ranged, .from = cut[q], .to = cut[q + 1]};
        if (peel && length <= PEEL && has_guards(w, part, n, t) && w->splits < MAX_SPLITS) {
            w->splits += (uint32_t)length;
            for (int64_t i = cut[q]; i < cut[q + 1]; i++) print_element(l, s, n, axis, i, ranged, braces, f, ctx);
        } else f(l, part, n, &p, ctx);
    }
}

/* ---- bodies ---- */

static const char *acc_target(printer *w, const sink *k)
{
    const char *name = acc_of(w, k->acc)->name;
    if (w->acc_part >= 0) return arena_printf(w->mem, "%s_%d", name, is_ordered_fold(w, k) ? w->acc_part : 0);
    if (w->acc_lane && is_ordered_fold(w, k)) return arena_printf(w->mem, "%s_l[%s %% %d]", name, w->acc_lane, ROW_LANES);
    return name;
}

void print_body(printer *w, const stage *s)
{
    const uint32_t level = name_level(w);
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        count_refs(w, s->sink[i].value);
        if (s->sink[i].guard) count_refs(w, s->sink[i].guard);
        for (uint32_t d = 0; d < s->sink[i].n; d++) count_refs(w, s->sink[i].at[d]);
    }
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        if (s->sink[i].to) print_store(w, &s->sink[i]);
        else print_fold(w, &s->sink[i], acc_target(w, &s->sink[i]));
    }
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        clear_refs(w, s->sink[i].value);
        if (s->sink[i].guard) clear_refs(w, s->sink[i].guard);
        for (uint32_t d = 0; d < s->sink[i].n; d++) clear_refs(w, s->sink[i].at[d]);
    }
    name_pop(w, level);
}

/* ---- a row in the lanes ---- */

static bool has_ordered(printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++)
        if (is_ordered_fold(w, &s->sink[i])) return true;
    return false;
}

typedef struct {
    printer *w;
    slot written;
    bool hit;
} overlap_search;

static void find_overlap(void *ctx, ex e)
{
    overlap_search *o = ctx;
    const ex_node *n = ex_at(o->w->x, e);
    if (n->op == EX_LOAD && !slot_is_local(o->w, o->written) && same_memory(o->w, n->slot, o->written)) o->hit = true;
}

/* Computing an element a second time changes nothing. */
static bool may_repeat(printer *w, const stage *s, uint32_t n, bool folds_restart)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s[i].n_sinks; k++) {
            const sink *t = &s[i].sink[k];
            if (t->in_order) return false;
            if (!t->to && !folds_restart && (t->fold == FOLD_SUM || t->fold == FOLD_PROD)) return false;
            overlap_search o = {w, t->to, false};
            for (uint32_t j = 0; t->to && j < n; j++)
                for (uint32_t m = 0; m < s[j].n_sinks; m++) {
                    ex_walk(w->x, s[j].sink[m].value, find_overlap, &o);
                    for (uint32_t d = 0; d < s[j].sink[m].n; d++) ex_walk(w->x, s[j].sink[m].at[d], find_overlap, &o);
                }
            if (o.hit) return false;
        }
    return true;
}

static const char *vector_type(ctype t)
{
    return t == CT_F32 ? "vf" : "vi";
}

/* The vectors of an accumulator: all of a row's lanes for an ordered fold, else one. */
static int acc_parts(printer *w, const sink *k)
{
    return is_ordered_fold(w, k) ? ROW_LANES / w->o->vl : 1;
}

static const char *lanes_identity(printer *w, const sink *k)
{
    const ctype t = ex_type(w->x, k->value);
    const char *s = t == CT_BOOL ? k->fold == FOLD_AND ? "-1" : "0" : identity_text(k->fold, t);
    return arena_printf(w->mem, "%s_set(%s)", vector_type(t), s);
}

static void row_begin(printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        const sink *k = &s->sink[i];
        if (k->to) continue;
        const char *name = acc_of(w, k->acc)->name;
        if (is_ordered_fold(w, k)) {
            if (w->o->vl == 1 && k->fold == FOLD_SUM) line(w, "float %s_l[%d] = {0.0f};", name, ROW_LANES);
            else if (w->o->vl == 1) line(w, "float %s_l[%d] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};", name, ROW_LANES);
        }
        if (w->o->vl == 1) continue;
        const char *list = "";
        for (int u = 0; u < acc_parts(w, k); u++) list = arena_printf(w->mem, "%s%s%s_%d = %s", list, u ? ", " : "", name, u, lanes_identity(w, k));
        line(w, "%s %s;", vector_type(ex_type(w->x, k->value)), list);
    }
}

/* Moves the lanes of ordered folds to their arrays, for scalars to go on, or back. */
static void row_spill(printer *w, const stage *s, bool back)
{
    for (uint32_t i = 0; i < s->n_sinks && w->o->vl > 1; i++) {
        const sink *k = &s->sink[i];
        if (!is_ordered_fold(w, k)) continue;
        const char *name = acc_of(w, k->acc)->name;
        if (!back) line(w, "float %s_l[%d];", name, ROW_LANES);
        for (int u = 0; u < acc_parts(w, k); u++) {
            const char *place = u ? arena_printf(w->mem, "%s_l + %d", name, u * w->o->vl) : arena_printf(w->mem, "%s_l", name);
            if (back) line(w, "%s_%d = vf_ld(%s);", name, u, place);
            else line(w, "vf_st(%s, %s_%d);", place, name, u);
        }
    }
}

const char *fold_word(fold f)
{
    static const char *const words[] = {[FOLD_SUM] = "sum", [FOLD_PROD] = "prod", [FOLD_MAX] = "max", [FOLD_MIN] = "min", [FOLD_OR] = "or", [FOLD_AND] = "and"};
    return words[f];
}

static void row_end(printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        const sink *k = &s->sink[i];
        if (k->to) continue;
        const ctype t = ex_type(w->x, k->value);
        const char *name = acc_of(w, k->acc)->name, *word = fold_word(k->fold);
        if (is_ordered_fold(w, k)) {
            const char *list = arena_printf(w->mem, w->o->vl > 1 ? "%s_0" : "%s_l", name);
            for (int u = 1; w->o->vl > 1 && u < acc_parts(w, k); u++) list = arena_printf(w->mem, "%s, %s_%d", list, name, u);
            line(w, "%s = %s_row_%s(%s);", name, w->o->vl > 1 ? "vf" : "sf", word, list);
        } else if (w->o->vl > 1) {
            const char *all = arena_printf(w->mem, "%s_h%s(%s_0)", vector_type(t), word, name);
            if (t == CT_BOOL) line(w, "%s %s= %s != 0;", name, k->fold == FOLD_AND ? "&" : "|", all);
            else if (k->fold == FOLD_OR || k->fold == FOLD_AND) line(w, "%s %s= %s;", name, k->fold == FOLD_AND ? "&" : "|", all);
            else {
                const char *op = k->fold == FOLD_SUM ? "add" : k->fold == FOLD_PROD ? "mul" : word;
                line(w, "%s = s%c_%s(%s, %s);", name, t == CT_F32 ? 'f' : 'i', op, name, all);
            }
        }
    }
}

/* The vector body of a row: `width` elements from the loop variable on. */
static void row_vectors(loops *l, const stage *s, dim axis, int width)
{
    printer *w = l->w;
    set_vec(w, axis);
    for (int u = 0; u * w->o->vl < width; u++) {
        w->acc_part = u;
        print_body(w, u ? map_stages(w, s, 1, axis, dim_addc(w->t, axis, (int64_t)u * w->o->vl)) : s);
    }
    w->acc_part = -1;
    set_vec(w, 0);
}

/* The place of an element in its segment of the row. */
static const char *row_lane(printer *w, const span *p)
{
    const char *i = axis_name(w, p->axis);
    return p->begin && strcmp(p->begin, "0") != 0 ? arena_printf(w->mem, "(%s - %s)", i, p->begin) : i;
}

/* Elements one by one; p NULL: the only element, lane 0. */
static void row_scalar_loop(loops *l, const stage *s, const span *p)
{
    printer *w = l->w;
    const bool spills = w->o->vl > 1 && has_ordered(w, s);
    if (spills) line(w, "{");
    row_spill(w, s, false);
    if (p) loop_open(w, p);
    w->acc_lane = p ? row_lane(w, p) : "0";
    print_body(w, s);
    w->acc_lane = NULL;
    if (p) loop_close(w, p->axis);
    row_spill(w, s, true);
    if (spills) line(w, "}");
}

/* A row of run-time length, or one that scalars finish. */
static void row_with_tail(loops *l, const stage *s, const span *p, int width)
{
    printer *w = l->w;
    const char *i = loop_name(w), *end = span_end(w, p);
    int64_t n;
    const bool known = span_const(w, p, &n);
    line(w, "{");
    line(w, "%s %s = %s;", index_type(w), i, span_begin(w, p));
    axis_bind(w, p->axis, i);
    if (known) line(w, "for (; %s < %lld; %s += %d) {", i, (long long)(n / width * width), i, width);
    else line(w, "for (; %s + %d <= %s; %s += %d) {", i, width, end, i, width);
    row_vectors(l, s, p->axis, width);
    line(w, "}");
    row_spill(w, s, false);
    line(w, "for (; %s < %s; ++%s) {", i, end, i);
    w->acc_lane = row_lane(w, p);
    print_body(w, s);
    w->acc_lane = NULL;
    line(w, "}");
    row_spill(w, s, true);
    line(w, "}");
    axis_bind(w, p->axis, NULL);
    w->loops--;
}

/* Vectors over a constant number of elements, the last one moved back over the one before. */
static void vectors_open(printer *w, dim axis, int64_t n, int width)
{
    const char *i = loop_name(w), *word = index_type(w);
    axis_bind(w, axis, i);
    if (n % width == 0) {
        line(w, "for (%s %s = 0; %s < %lld; %s += %d) {", word, i, i, (long long)n, i, width);
        return;
    }
    const long long last = (long long)(n - width);
    line(w, "for (%s %s0 = 0; %s0 < %lld; %s0 += %d) {", word, i, i, (long long)n, i, width);
    line(w, "const %s %s = %s0 < %lld ? %s0 : %lld;", word, i, i, last, i, last);
}

/* Calls f for the three parts of an axis that are before, inside and after what find_inside gives. */
static bool print_inside(loops *l, const stage *s, uint32_t n, const span *p, bool across, segment_fn f, void *ctx)
{
    printer *w = l->w;
    dim from, to;
    const stage *in = p->begin ? NULL : find_inside(w, s, n, p->axis, &from, &to);
    for (uint32_t i = 0; in && i < n; i++)
        if (!stage_has_lanes(w, &in[i], p->axis, across, false)) in = NULL;
    if (!in) return false;
    const char *begin = span_begin(w, p), *end = span_end(w, p), *word = index_type(w), *cast = w->wide ? "" : "(int32_t)";
    const char *a = arena_printf(w->mem, "e%u", ++w->temps), *b = arena_printf(w->mem, "e%u", ++w->temps);
    line(w, "{");
    line(w, "const %s %s = %ssl_min(sl_max(%s, %s), %s);", word, a, cast, begin, dim_str(w, from), end);
    line(w, "const %s %s = %ssl_max(sl_min(%s, %s), %s);", word, b, cast, dim_str(w, to), end, a);
    const span part[3] = {{.axis = p->axis, .begin = begin, .end = a}, {.axis = p->axis, .begin = a, .end = b}, {.axis = p->axis, .begin = b, .end = end}};
    f(l, s, n, &part[0], ctx);
    f(l, in, n, &part[1], ctx);
    f(l, s, n, &part[2], ctx);
    line(w, "}");
    return true;
}

static void print_row(loops *l, const stage *s, uint32_t count, const span *p, void *ctx)
{
    printer *w = l->w;
    const bool ordered = has_ordered(w, s);
    const int width = ordered ? ROW_LANES : w->o->vl;
    int64_t n;
    const uint32_t level = name_level(w);
    if (!p->axis) {
        row_scalar_loop(l, s, NULL);
        return;
    }
    const bool known = span_const(w, p, &n);
    if (!stage_has_lanes(w, s, p->axis, false, false) && print_inside(l, s, count, p, false, print_row, ctx)) return;
    hoist_stage(w, s, known && n > 0);
    if (w->o->vl == 1 || !stage_has_lanes(w, s, p->axis, false, false) || (known && n < width)) row_scalar_loop(l, s, p);
    else if (known && (n % width == 0 || (!ordered && may_repeat(w, s, 1, false)))) {
        vectors_open(w, p->axis, n, width);
        row_vectors(l, s, p->axis, width);
        loop_close(w, p->axis);
    } else row_with_tail(l, s, p, width);
    name_pop(w, level);
}

/* ---- stages ---- */

void declare_accumulators(printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        const sink *k = &s->sink[i];
        if (k->to || acc_of(w, k->acc)->name) continue;
        const ctype t = ex_type(w->x, k->value);
        const char *name = acc_of(w, k->acc)->name = arena_printf(w->mem, "a%u", ++w->accs);
        acc_of(w, k->acc)->lanes = w->vec != 0;
        w->epoch++;
        if (w->vec) line(w, "%s %s = %s;", vector_type(t), name, lanes_identity(w, k));
        else line(w, "%s %s = %s;", ctype_name(t), name, identity_text(k->fold, t));
    }
}

typedef struct {
    uint32_t depth; /* of the axis in stage.axis */
    bool along;
} stage_walk;

static void print_axes(loops *l, const stage *s, uint32_t depth, bool along);

static void print_axis(loops *l, const stage *s, uint32_t count, const span *p, void *ctx)
{
    printer *w = l->w;
    const stage_walk *c = ctx;
    int64_t n;
    (void)count;
    if (!p->axis) {
        print_axes(l, s, c->depth + 1, c->along);
        return;
    }
    const bool known = span_const(w, p, &n);
    if (known && n <= (w->vec ? UNROLL : w->o->vl > 1 ? 3 : 0) && c->depth + 2 >= s->n_axes) { /* a window: all its places one after the other */
        for (int64_t i = 0; i < n; i++) print_axes(l, map_stages(w, s, 1, p->axis, dim_const(w->t, i)), c->depth + 1, c->along);
        return;
    }
    const uint32_t level = name_level(w);
    if (c->depth + 1 == s->n_axes) hoist_stage(w, s, known && n > 0);
    loop_open(w, p);
    print_axes(l, s, c->depth + 1, c->along);
    loop_close(w, p->axis);
    name_pop(w, level);
}

/* Only folds of identities are left: the outside of a border. */
static bool is_idle(const printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++)
        if (!is_identity(w, &s->sink[i])) return false;
    return true;
}

static void print_axes(loops *l, const stage *s, uint32_t depth, bool along)
{
    stage_walk c = {depth, along};
    if (is_idle(l->w, s)) return;
    if (depth == s->n_axes) print_body(l->w, s);
    else if (along && depth + 1 == s->n_axes) for_segments(l, s, 1, s->axis[depth], false, false, print_row, NULL);
    else for_segments(l, s, 1, s->axis[depth], true, false, print_axis, &c);
}

static void declare_locals(printer *w)
{
    const int lanes = w->across ? w->o->vl : 1;
    for (uint32_t i = 0; i < w->param.n; i++) {
        const slot_info *s = slot_at(w->p, w->param.p[i].slot);
        if (s->kind != SLOT_LOCAL) continue;
        const char *word = elem_of(s->type)->ctype, *name = w->param.p[i].name;
        const int64_t n = s->rank ? dim_range(w->t, dim_product(w->t, s->extent, s->rank)).hi : 1;
        if (s->rank == 0 && lanes == 1) line(w, "%s %s;", word, name);
        else line(w, "%s %s[%lld];", word, name, (long long)elem_bytes(ELEM_UINT8, (size_t)(n > 0 ? n : 1)) * lanes);
        if (!w->param.p[i].read) line(w, "(void)%s;", name); /* stored for the failure that its value may be */
    }
}

static void print_stages(loops *l, const stage *s, uint32_t n)
{
    printer *w = l->w;
    declare_locals(w);
    for (uint32_t i = 0; i < n; i++) {
        const bool along = l->c.mode == MODE_ALONG && stage_along(w, &s[i], true);
        declare_accumulators(w, &s[i]);
        if (along) row_begin(w, &s[i]);
        print_axes(l, &s[i], 0, along);
        if (along) row_end(w, &s[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s[i].n_sinks; k++)
            if (!s[i].sink[k].to) *acc_of(w, s[i].sink[k].acc) = (acc_mark){0};
    w->epoch++;
}

/* ---- parallel axes ---- */

typedef struct {
    const nest *n;
    uint32_t depth;
} parallel_walk;

static void across_body(loops *l, const stage *s, uint32_t n, dim axis)
{
    l->w->across = true;
    set_vec(l->w, axis);
    print_stages(l, s, n);
    set_vec(l->w, 0);
    l->w->across = false;
}

/* ---- several vectors at once ---- */

typedef struct {
    printer *w;
    const uint32_t *from, *to;
    uint32_t n;
} acc_rename;

static ex rename_acc(void *ctx, ex e)
{
    const acc_rename *r = ctx;
    const ex_node n = *ex_at(r->w->x, e);
    for (uint32_t i = 0; n.op == EX_ACC && i < r->n; i++)
        if (r->from[i] == (uint32_t)n.i) return ex_acc(r->w->x, r->to[i], (ctype)n.type);
    return 0;
}

/* A fold over a long stage axis, without locals: GROUP neighbouring vectors share the walk, so that it touches whole stretches of memory and no
 * fold waits for the one before. */
static bool wants_group(printer *w, const stage *s, uint32_t n)
{
    uint32_t folds = 0, sinks = 0;
    bool walks = false;
    for (uint32_t i = 0; i < w->param.n; i++)
        if (slot_is_local(w, w->param.p[i].slot)) return false;
    for (uint32_t i = 0; i < n; i++) {
        int64_t extent;
        for (uint32_t k = 0; k < s[i].n_sinks; k++) {
            folds += !s[i].sink[k].to;
            sinks++;
            if (s[i].sink[k].guard || s[i].sink[k].in_order) return false;
        }
        for (uint32_t a = 0; a < s[i].n_axes; a++) walks |= !dim_is_const(w->t, dim_extent(w->t, s[i].axis[a]), &extent) || extent > UNROLL;
    }
    return walks && folds > 0 && folds <= MAX_GROUP_FOLDS && sinks <= 2 * MAX_GROUP_FOLDS && may_repeat(w, s, n, true);
}

/* The stages with every sink once for each vector of the group; accumulators of their own. */
static stage *group_stages(printer *w, const stage *s, uint32_t n, dim axis)
{
    uint32_t from[MAX_GROUP_FOLDS], to[MAX_GROUP_FOLDS], folds = 0;
    stage *r = arena_copy(w->mem, s, sizeof *s * n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < s[i].n_sinks; k++)
            if (!s[i].sink[k].to) from[folds++] = s[i].sink[k].acc;
        r[i].sink = ARENA_ARRAY(w->mem, sink, s[i].n_sinks * GROUP);
        r[i].n_sinks = 0;
    }
    for (uint32_t u = 0; u < GROUP; u++) {
        const stage *part = u ? map_stages(w, s, n, axis, dim_addc(w->t, axis, (int64_t)u * w->o->vl)) : s;
        for (uint32_t i = 0; i < folds; i++) to[i] = u ? acc_new(w->p) : from[i];
        acc_rename fresh = {w, from, to, folds};
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < s[i].n_sinks; k++) {
                sink t = part[i].sink[k];
                t.value = ex_subst(w->x, t.value, rename_acc, &fresh);
                for (uint32_t j = 0; j < folds && !t.to; j++)
                    if (from[j] == t.acc) {
                        t.acc = to[j];
                        break;
                    }
                r[i].sink[r[i].n_sinks++] = t;
            }
    }
    return r;
}

/* The axis in the lanes: vectors, then scalars for the rest. */
static void print_across(loops *l, const stage *s, uint32_t n, const span *p, void *ctx)
{
    printer *w = l->w;
    int64_t extent;
    const int vl = w->o->vl;
    const bool known = span_const(w, p, &extent);
    bool ok = !(known && extent < vl);
    for (uint32_t i = 0; i < n && ok; i++) ok = stage_has_lanes(w, &s[i], p->axis, true, false);
    if (!ok && !(known && extent < vl) && print_inside(l, s, n, p, true, print_across, ctx)) return;
    if (!ok) {
        loop_open(w, p);
        print_stages(l, s, n);
        loop_close(w, p->axis);
    } else if (known && extent >= GROUP * vl && wants_group(w, s, n)) {
        vectors_open(w, p->axis, extent, GROUP * vl);
        across_body(l, group_stages(w, s, n, p->axis), n, p->axis);
        loop_close(w, p->axis);
    } else if (known && (extent % vl == 0 || may_repeat(w, s, n, true))) {
        vectors_open(w, p->axis, extent, vl);
        across_body(l, s, n, p->axis);
        loop_close(w, p->axis);
    } else {
        const char *i = loop_name(w), *end = span_end(w, p);
        line(w, "{");
        line(w, "%s %s = %s;", index_type(w), i, span_begin(w, p));
        axis_bind(w, p->axis, i);
        if (wants_group(w, s, n)) {
            line(w, "for (; %s + %d <= %s; %s += %d) {", i, GROUP * vl, end, i, GROUP * vl);
            across_body(l, group_stages(w, s, n, p->axis), n, p->axis);
            line(w, "}");
        }
        line(w, "for (; %s + %d <= %s; %s += %d) {", i, vl, end, i, vl);
        across_body(l, s, n, p->axis);
        line(w, "}");
        line(w, "for (; %s < %s; ++%s) {", i, end, i);
        print_stages(l, s, n);
        line(w, "}");
        line(w, "}");
        axis_bind(w, p->axis, NULL);
        w->loops--;
    }
}

static void print_parallel(loops *l, const nest *n, const stage *s, uint32_t depth);

static void print_parallel_axis(loops *l, const stage *s, uint32_t n, const span *p, void *ctx)
{
    printer *w = l->w;
    const parallel_walk *c = ctx;
    const bool last = c->depth + 1 == c->n->n_axes;
    int64_t extent;
    if (!p->axis) {
        print_parallel(l, c->n, s, c->depth + 1);
        return;
    }
    const uint32_t level = name_level(w);
    if (last && (l->c.mode == MODE_ACROSS || (n == 1 && !s->n_axes))) {
        const bool runs = span_const(w, p, &extent) && extent > 0;
        for (uint32_t i = 0; i < n; i++)
            if (!s[i].n_axes) hoist_stage(w, &s[i], runs);
    }
    if (last && l->c.mode == MODE_ACROSS) print_across(l, s, n, p, NULL);
    else {
        loop_open(w, p);
        print_parallel(l, c->n, s, c->depth + 1);
        loop_close(w, p->axis);
    }
    name_pop(w, level);
}

static void print_parallel(loops *l, const nest *n, const stage *s, uint32_t depth)
{
    parallel_walk c = {n, depth};
    if (depth == n->n_axes) print_stages(l, s, n->n_stages);
    else for_segments(l, s, n->n_stages, n->axis[depth], !(l->c.mode == MODE_ACROSS && depth + 1 == n->n_axes), true, print_parallel_axis, &c);
}

void print_point(printer *w, const nest *n)
{
    loops l = {w, {MODE_SCALAR, 0}, 0};
    w->acc_part = -1;
    print_stages(&l, n->stage, n->n_stages);
}

void print_loops(printer *w, const nest *n, choice c, dim ranged)
{
    loops l = {w, c, ranged};
    nest order = *n;
    w->acc_part = -1;
    if (c.mode == MODE_ACROSS) { /* its axis is walked innermost */
        uint8_t k = 0;
        for (uint8_t i = 0; i < n->n_axes; i++)
            if (n->axis[i] != c.axis) order.axis[k++] = n->axis[i];
        order.axis[k] = c.axis;
    }
    print_parallel(&l, &order, n->stage, 0);
}
