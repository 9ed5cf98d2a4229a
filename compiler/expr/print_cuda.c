/* print_cuda.c - a flattened nest as a kernel of CUDA.
 *
 * Two schedules. Points: each thread computes one point of the parallel axes, all stages of it, or four neighbours where the nest is one statement; the
 * axis along which memory is touched in order lies in neighbouring threads. Rows: each block computes one point, its threads share the axes of each stage; a fold ends with a fold over the
 * block, locals that stages hand on lie in shared memory, and a barrier stands where one thread reads or writes what another one wrote or read.
 * The same analysis that puts an axis into the lanes of a vector on a CPU decides: rows that it would fold along lanes become blocks. */
#include <assert.h>

#include "expr/expr_impl.h"
#include "expr/print_fours.h"

enum { POINT_THREADS = 256, WARP = 32, MOST_THREADS = 1024, PER_THREAD = 4, SHARED_BYTES = 40 * 1024, CHOICE_LANES = 16 };

typedef struct {
    printer *w;
    int threads;
    VEC(slot) read, written; /* memory that threads share, since the last barrier */
} rows;

static const char *index_word(const printer *w)
{
    return w->wide ? "int64_t" : "int32_t";
}

/* ---- points ---- */

/* Names for the axes of one number that counts all their points, the last axis fastest. */
static void split_point(printer *w, const char *point, uint32_t n, const dim *axis)
{
    const char *rest = point;
    for (uint32_t i = n; i-- > 0;) {
        const char *name = loop_name(w), *extent = paren(w, dim_str(w, dim_extent(w->t, axis[i])));
        if (i == 0) line(w, "const %s %s = %s;", index_word(w), name, rest);
        else {
            line(w, "const %s %s = %s %% %s;", index_word(w), name, rest, extent);
            const char *above = fresh_name(w, "rest");
            if (i > 1) line(w, "const %s %s = %s / %s;", index_word(w), above, rest, extent);
            else above = arena_printf(w->mem, "%s / %s", rest, extent);
            rest = above;
        }
        axis_bind(w, axis[i], name);
    }
}

static void print_points(printer *w, nest *n, dim innermost, launch_shape *launch)
{
    dim points = dim_const(w->t, 1);
    if (in_order(n)) {
        *launch = (launch_shape){.blocks = dim_const(w->t, 1), .threads = 1};
        print_loops(w, n, (choice){MODE_SCALAR, 0}, 0);
        return;
    }
    for (uint32_t i = 0; innermost && i + 1 < n->n_axes; i++)
        if (n->axis[i] == innermost) {
            n->axis[i] = n->axis[i + 1];
            n->axis[i + 1] = innermost;
        }
    quads q;
    const bool fours = take_fours(w, n, &q);
    for (uint32_t i = 0; i < n->n_axes; i++) points = dim_mul(w->t, points, dim_extent(w->t, n->axis[i]));
    if (!dim_fits32(w, dim_addc(w->t, points, POINT_THREADS))) w->wide = true;
    int64_t count;
    const bool one = dim_is_const(w->t, points, &count) && count == 1;
    *launch = one ? (launch_shape){.blocks = points, .threads = 1}
                  : (launch_shape){.blocks = dim_cdiv(w->t, points, dim_const(w->t, POINT_THREADS)), .threads = POINT_THREADS};
    if (!one) {
        const char *point = fresh_name(w, "point");
        line(w, "const %s %s = (%s)blockIdx.x * %d + (%s)threadIdx.x;", index_word(w), point, index_word(w), POINT_THREADS, index_word(w));
        line(w, "if (%s >= %s) return;", point, dim_str(w, points));
        split_point(w, point, n->n_axes, n->axis);
    }
    if (fours) print_fours(&q, n);
    else print_point(w, n);
}

/* ---- rows ---- */

static bool is_private(const printer *w, slot s)
{
    return slot_is_local(w, s) && slot_at(w->p, s)->rank == 0;
}

static bool meets(const rows *r, uint32_t n, const slot *list, slot s)
{
    for (uint32_t i = 0; i < n; i++)
        if (same_memory(r->w, list[i], s)) return true;
    return false;
}

typedef struct {
    rows *r;
    bool waits, notes;
} access_walk;

static void look_at_load(void *ctx, ex e)
{
    access_walk *a = ctx;
    const ex_node *n = ex_at(a->r->w->x, e);
    if (n->op != EX_LOAD || is_private(a->r->w, n->slot)) return;
    if (a->notes) VEC_PUSH(a->r->w->mem, a->r->read, n->slot);
    else a->waits |= meets(a->r, a->r->written.n, a->r->written.p, n->slot);
}

static void walk_access(access_walk *a, const stage *s)
{
    const printer *w = a->r->w;
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        const sink *k = &s->sink[i];
        ex_walk(w->x, k->value, look_at_load, a);
        if (k->guard) ex_walk(w->x, k->guard, look_at_load, a);
        for (uint32_t d = 0; d < k->n; d++) ex_walk(w->x, k->at[d], look_at_load, a);
        if (!k->to || is_private(w, k->to)) continue;
        if (a->notes) VEC_PUSH(w->mem, a->r->written, k->to);
        else a->waits |= meets(a->r, a->r->written.n, a->r->written.p, k->to) || meets(a->r, a->r->read.n, a->r->read.p, k->to);
    }
}

/* In front of a stage that touches what other threads have written, or writes what they have read. */
static void wait_for_others(rows *r, const stage *s)
{
    access_walk look = {r, false, false}, note = {r, false, true};
    walk_access(&look, s);
    if (look.waits) {
        line(r->w, "__syncthreads();");
        r->read.n = r->written.n = 0;
    }
    walk_access(&note, s);
}

/* A stage without axes: sums and private values in every thread, memory by the first. */
static void print_once(rows *r, const stage *s)
{
    printer *w = r->w;
    for (uint32_t i = 0; i < s->n_sinks;) {
        const bool shared = s->sink[i].to && !is_private(w, s->sink[i].to);
        uint32_t end = i + 1;
        while (end < s->n_sinks && (s->sink[end].to && !is_private(w, s->sink[end].to)) == shared) end++;
        stage part = *s;
        part.sink = s->sink + i;
        part.n_sinks = end - i;
        if (shared) line(w, "if (threadIdx.x == 0) {");
        print_body(w, &part);
        if (shared) line(w, "}");
        i = end;
    }
}

static void print_shared_stage(rows *r, const stage *s)
{
    printer *w = r->w;
    wait_for_others(r, s);
    declare_accumulators(w, s);
    if (!s->n_axes) {
        print_once(r, s);
        return;
    }
    dim count = dim_const(w->t, 1);
    for (uint32_t i = 0; i < s->n_axes; i++) count = dim_mul(w->t, count, dim_extent(w->t, s->axis[i]));
    const char *i = s->n_axes == 1 ? loop_name(w) : fresh_name(w, "element"), *word = index_word(w);
    const uint32_t loops = w->loops, level = name_level(w);
    line(w, "for (%s %s = (%s)threadIdx.x; %s < %s; %s += %d) {", word, i, word, i, paren(w, dim_str(w, count)), i, r->threads);
    if (s->n_axes == 1) axis_bind(w, s->axis[0], i);
    else split_point(w, i, s->n_axes, s->axis);
    print_body(w, s);
    line(w, "}");
    name_pop(w, level);
    w->loops = loops - (s->n_axes == 1);
    for (uint32_t a = 0; a < s->n_axes; a++) axis_bind(w, s->axis[a], NULL);
    for (uint32_t k = 0; k < s->n_sinks; k++) {
        if (s->sink[k].to) continue;
        const char *name = acc_of(w, s->sink[k].acc)->name;
        const ctype t = ex_type(w->x, s->sink[k].value);
        line(w, "%s = occ_block_%s_%s(%s);", name, fold_word(s->sink[k].fold), t == CT_BOOL ? "si" : arena_printf(w->mem, "s%c", ctype_letter(t)), name);
        name_drop_acc(w, s->sink[k].acc);
        r->read.n = r->written.n = 0; /* it begins with a barrier */
    }
}

static void declare_shared(printer *w)
{
    for (uint32_t i = 0; i < w->param.n; i++) {
        const slot_info *s = slot_at(w->p, w->param.p[i].slot);
        if (s->kind != SLOT_LOCAL) continue;
        const char *word = elem_of(s->type)->ctype, *name = w->param.p[i].name;
        if (!s->rank) line(w, "%s %s;", word, name);
        else line(w, "OCC_SHARED(%s, %s, [%lld]);", word, name, (long long)dim_range(w->t, dim_product(w->t, s->extent, s->rank)).hi);
        if (!w->param.p[i].read) line(w, "(void)%s;", name);
    }
}

/* Threads for rows of so many elements: a few elements each. */
static int row_threads(printer *w, const nest *n)
{
    int64_t longest = 1;
    for (uint32_t i = 0; i < n->n_stages; i++) {
        int64_t count = 1;
        for (uint32_t a = 0; a < n->stage[i].n_axes; a++) {
            int64_t extent;
            count = sat_mul(count, dim_is_const(w->t, dim_extent(w->t, n->stage[i].axis[a]), &extent) ? extent : CHOICE_LANES * CHOICE_LANES);
        }
        if (count > longest) longest = count;
    }
    int threads = WARP;
    while (threads < MOST_THREADS && (int64_t)threads * PER_THREAD < longest) threads *= 2;
    return threads;
}

static void print_rows(printer *w, const nest *n, launch_shape *launch)
{
    rows r = {.w = w, .threads = row_threads(w, n)};
    dim points = dim_const(w->t, 1);
    for (uint32_t i = 0; i < n->n_axes; i++) points = dim_mul(w->t, points, dim_extent(w->t, n->axis[i]));
    *launch = (launch_shape){.blocks = points, .threads = r.threads};
    if (n->n_axes) {
        const char *row = fresh_name(w, "row");
        line(w, "const %s %s = (%s)blockIdx.x;", index_word(w), row, index_word(w));
        split_point(w, row, n->n_axes, n->axis);
    }
    w->acc_part = -1;
    declare_shared(w);
    for (uint32_t i = 0; i < n->n_stages; i++) print_shared_stage(&r, &n->stage[i]);
}

/* ---- which of them ---- */

/* A private value that a loop leaves behind for a later stage would differ between threads. */
static bool leaves_private(printer *w, const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++)
            if (n->stage[i].n_axes && n->stage[i].sink[k].to && is_private(w, n->stage[i].sink[k].to)) return true;
    return false;
}

static bool rows_fit(printer *w, const nest *n)
{
    int64_t bytes = 0, longest = 0;
    for (uint32_t i = 0; i < w->param.n; i++) {
        const slot_info *s = slot_at(w->p, w->param.p[i].slot);
        if (s->kind == SLOT_LOCAL && s->rank) bytes = sat_add(bytes, sat_mul(dim_range(w->t, dim_product(w->t, s->extent, s->rank)).hi, 8));
    }
    for (uint32_t i = 0; i < n->n_stages; i++) {
        int64_t count = n->stage[i].n_axes > 0;
        for (uint32_t a = 0; a < n->stage[i].n_axes; a++) count = sat_mul(count, dim_range(w->t, dim_extent(w->t, n->stage[i].axis[a])).hi);
        if (count > longest) longest = count;
        if (is_serial(w, &n->stage[i])) return false;
    }
    return bytes <= SHARED_BYTES && longest >= WARP && !leaves_private(w, n);
}

/* Few points with much to do at each: a block for each of them, however memory is touched. */
static bool few_points(printer *w, const nest *n)
{
    enum { FEW = 64 };
    int64_t points = 1;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        int64_t extent;
        if (!dim_is_const(w->t, dim_extent(w->t, n->axis[i]), &extent)) return false;
        points = sat_mul(points, extent);
    }
    return points < FEW;
}

static void print_kernel_signature(printer *w, const char *name, const step_signature *sig, int threads)
{
    text_addf(w->out, "OCC_KERNEL(%s%s, %d)(", w->o->prefix ? w->o->prefix : "", name, threads);
    const char *comma = "";
    for (uint32_t i = 0; i < w->param.n; i++) {
        if (slot_is_local(w, w->param.p[i].slot)) continue;
        print_param(w, w->out, comma, &w->param.p[i]);
        comma = ", ";
    }
    for (uint32_t i = 0; i < w->symbol.n; i++, comma = ", ") text_addf(w->out, "%sint64_t %s", comma, axis_name(w, w->symbol.p[i]));
    if (sig->can_fail) text_addf(w->out, "%sint *fail", comma);
    text_add(w->out, ")\n{\n");
}

void nest_print_cuda(program *p, const nest *n, const char *name, const print_options *o, text *out, step_signature *sig, launch_shape *launch)
{
    printer w;
    text body = {0};
    print_options lanes = *o, scalar = *o;
    lanes.vl = CHOICE_LANES;
    scalar.on_fail = "{\n        *fail = ONNXCC_E_INDEX;\n        return;\n    }";
    assert(n->flat);
    printer_init(&w, p, &lanes, &body);
    body.mem = w.mem;
    print_collect(&w, n);
    nest *work = nest_copy(&w, n);
    const choice c = choose_vector(&w, work);
    w.o = &scalar;
    print_signature_of(&w, work, sig);
    sig->ranged = false;
    w.indent = 1;
    const bool wants_rows = c.mode == MODE_ALONG || few_points(&w, work);
    scalar.notes_fail = wants_rows && rows_fit(&w, work); /* a thread of a row can't leave: the others wait for it */
    if (scalar.notes_fail) print_rows(&w, work, launch);
    else print_points(&w, work, c.mode == MODE_ACROSS ? c.axis : 0, launch);
    w.out = out;
    print_kernel_signature(&w, name, sig, launch->threads);
    silence_unused(&w, body.p ? body.p : "", false);
    text_add(out, body.p ? body.p : "");
    text_add(out, "}\n");
    print_names_of(&w, sig);
    printer_end(&w);
}
