/* bands.c - the function of a STEP_BAND: for a few rows of its output at a time, the calls of its parts for the rows that these need.
 *
 * Of each part but the last it keeps: firstK, the first row in memory; doneK, up to which row they are made. For every band of rows it finds, from the last part
 * to the first, the rows that part K makes now, [beginK, untilK), and lowK, the first one that is still read; then, from the first part to the last, it moves
 * the rows from lowK on to the front of the memory where that has no room left, and makes the new ones. */
#include <inttypes.h>

#include "emit/emit.h"

static const char *name_of(const emit *e, const step *s)
{
    return arena_printf(e->mem, "%s_band%u", e->name, s->id);
}

static const char *prefix_of(const emit *e, const step *s)
{
    return arena_printf(e->mem, "s%u_", s->id);
}

static void look_for_band(void *ctx, step *s)
{
    if (s->kind == STEP_BAND) *(bool *)ctx = true;
}

void print_slide(emit *e, text *out)
{
    bool any = false;
    program_steps(e->p, look_for_band, &any);
    if (!any) return;
    text_addf(out, "/* In each of n blocks, which are `apart`, moves so many bytes to the front, from `from` on. */\n"
                   "static void %s_slide(void *rows, int64_t n, int64_t apart, int64_t from, int64_t bytes)\n{\n"
                   "    char *to = (char *)rows;\n    if (bytes <= 0) return;\n"
                   "    for (int64_t i = 0; i < n; i++, to += apart) memmove(to, to + from, (size_t)bytes);\n}\n\n", e->name);
}

/* What each thread has: a part of the memory. */
static bool shared_out(const emit *e)
{
    return e->o->threads > 1;
}

/* For `onnxcc tune`: it times each step of a band. */
static bool times_parts(const emit *e)
{
    return e->o->profile && e->o->profile_bands;
}

static void print_args(emit *e, const step *s, text *out)
{
    text_add(out, "typedef struct {\n");
    for (uint32_t i = 0; i < s->control->then->steps.n; i++) job_members(e, s->control->then->steps.p[i], prefix_of(e, s->control->then->steps.p[i]), out);
    if (shared_out(e)) text_addf(out, "    char taken[%d];\n", e->o->threads);
    if (times_parts(e)) text_add(out, "    const onnxcc_env *env;\n");
    text_addf(out, "} %s_args;\n", name_of(e, s));
}

/* The rows that part k has to make for those of the next one, [from, until). */
static void print_need(const band *b, uint32_t k, const char *from, const char *until, text *out)
{
    const band_part *part = &b->part[k], *next = part + 1;
    text_addf(out, "            const int64_t low%u = onnxcc_max(%s * %" PRId64 " - %" PRId64 ", %" PRId64 "), begin%u = onnxcc_max(done%u, onnxcc_max(low%u, 0));\n", k, from, next->stride, next->pad, -part->top, k, k, k);
    text_addf(out, "            const int64_t until%u = onnxcc_max(begin%u, onnxcc_min((%s - 1) * %" PRId64 " + %" PRId64 ", %" PRId64 "));\n", k, k, until, next->stride,
              next->reach - next->pad, part->height);
}

/* The argument of step s that is the slot `to`. */
static uint32_t arg_of(const emit *e, const step *s, slot to)
{
    const printed *f = &e->by_step[s->id];
    uint32_t i = f->args.n;
    while (i-- > 0 && f->args.p[i].slot != to) continue;
    return i;
}

/* Makes room for the rows up to untilK. */
static void print_move(emit *e, const step *s, const band_part *part, uint32_t k, text *out)
{
    const slot_info *t = slot_at(e->p, part->to);
    const int64_t bytes = (elem_of(t->type)->bits + 7) / 8, lanes = t->view.d[1].block > 1 ? t->view.d[1].block : 1;
    int64_t row = 0, apart = 0, channels = 0;
    (void)dim_is_const(e->p->dims, t->view.d[2].stride, &row);
    (void)dim_is_const(e->p->dims, t->view.d[1].stride, &apart);
    (void)dim_is_const(e->p->dims, t->extent[1], &channels);
    const char *around = part->bottom ? arena_printf(e->mem, " + (until%u == %" PRId64 " ? %" PRId64 " : 0)", k, part->height, part->bottom) : "";
    text_addf(out, "            if (until%u%s - first%u > %" PRId64 ") {\n", k, around, k, part->room);
    if (part->top) text_addf(out, "                const int64_t low = begin%u ? low%u : %" PRId64 ";\n", k, k, -part->top);
    const char *low = part->top ? "low" : arena_printf(e->mem, "low%u", k);
    const char *made = part->bottom ? arena_printf(e->mem, " + (done%u == %" PRId64 " ? %" PRId64 " : 0)", k, part->height, part->bottom) : "";
    text_addf(out, "                %s_slide(%s, %" PRId64 ", %" PRId64 ", (%s - first%u) * %" PRId64 ", (done%u%s - %s) * %" PRId64 ");\n                first%u = %s;\n            }\n", e->name,
              job_pointer(e, s, prefix_of(e, s), arg_of(e, s, part->to)), (channels + lanes - 1) / lanes, apart * bytes, low, k, row * bytes, k, made, low, row * bytes, k, low);
}

/* The whole range of a nest, which makes one row. */
static const char *lines_of(emit *e, const step *s)
{
    text t = {.mem = e->mem};
    text_add(&t, "0, ");
    dim_c(e, e->by_step[s->id].sig.range, "in->", &t);
    return t.p;
}

/* Of one thread, for the timer counts one call at a time. */
static void print_timer(const emit *e, const step *s, const char *indent, int end, text *out)
{
    if (times_parts(e)) text_addf(out, "%sif (%sa->env && a->env->timer) a->env->timer(a->env->timer_ctx, %u, %d);\n", indent, shared_out(e) ? "!own && " : "", s->id, end);
}

/* The steps of part k, from step *at on: a nest or one with a hook, and those without behind it. */
static void print_steps(emit *e, const step *s, uint32_t k, uint32_t *at, text *out)
{
    const band *b = s->control->band;
    const block *steps = s->control->then;
    const bool last = k + 1 == b->n;
    const char *lo = last ? "row" : arena_printf(e->mem, "begin%u", k), *hi = last ? "end" : arena_printf(e->mem, "until%u", k);
    const char *range = arena_printf(e->mem, "image * %" PRId64 " + %s, image * %" PRId64 " + %s", b->part[k].height, lo, b->part[k].height, hi);
    const char *indent = last ? "            " : "                ";
    if (!last) {
        print_move(e, steps->steps.p[*at], &b->part[k], k, out);
        text_addf(out, "            if (%s < %s) {\n", lo, hi);
    }
    do {
        const step *one = steps->steps.p[*at];
        print_timer(e, one, indent, 0, out);
        text_add(out, indent);
        if (one->nest) text_addf(out, "for (int64_t line = %s; line < %s; line++) ", lo, hi);
        job_call(e, one, prefix_of(e, one), one->nest ? lines_of(e, one) : range, out);
        print_timer(e, one, indent, 1, out);
        ++*at;
    } while (*at < steps->steps.n && steps->steps.p[*at]->kernel && !steps->steps.p[*at]->kernel->n_hook);
    if (!last) text_addf(out, "                done%u = until%u;\n            }\n", k, k);
}

void print_band(emit *e, step *s, text *out)
{
    const band *b = s->control->band;
    const char *name = name_of(e, s);
    const int64_t height = b->part[b->n - 1].height;
    const bool own = shared_out(e);
    printed *f = &e->by_step[s->id];
    f->name = name;
    f->sig.range = dim_mulc(e->p->dims, b->images, height);
    print_args(e, s, out);
    text_addf(out, "/* %u  %s: %" PRId64 " rows at a time */\nstatic void %s(void *arg, int64_t lo, int64_t hi)\n{\n    %s%s_args *a = (%s%s_args *)arg;\n", s->id,
              comment_text(e->mem, s->what), b->rows, name, own ? "" : "const ", name, own ? "" : "const ", name);
    if (own) job_own(e, out);
    text_addf(out, "    for (int64_t at = lo, next; at < hi; at = next) {\n        const int64_t image = at / %" PRId64 ", to = onnxcc_min(hi - image * %" PRId64 ", %" PRId64 ");\n",
              height, height, height);
    for (uint32_t k = 0; k + 1 < b->n; k++) text_addf(out, "        int64_t first%u = INT32_MIN, done%u = INT32_MIN;\n", k, k);
    text_addf(out, "        for (int64_t row = at - image * %" PRId64 ", end; row < to; row = end) {\n            end = onnxcc_min(row + %" PRId64 ", to);\n", height, b->rows);
    for (uint32_t k = b->n - 1; k-- > 0;) {
        const bool last = k + 2 == b->n;
        print_need(b, k, last ? "row" : arena_printf(e->mem, "begin%u", k + 1), last ? "end" : arena_printf(e->mem, "until%u", k + 1), out);
    }
    for (uint32_t k = 0, at = 0; k < b->n; k++) print_steps(e, s, k, &at, out);
    text_addf(out, "        }\n        next = image * %" PRId64 " + to;\n    }\n", height);
    if (own) job_disown(out);
    text_add(out, "}\n\n");
}

void call_band(emit *e, const step *s, const char *indent, text *out)
{
    const char *name = name_of(e, s), *sep = "";
    const printed *f = &e->by_step[s->id];
    text_addf(out, "%s{\n%s    %s_args a = {", indent, indent, name);
    for (uint32_t i = 0; i < s->control->then->steps.n; i++) job_arguments(e, s->control->then->steps.p[i], &sep, out);
    if (shared_out(e)) text_addf(out, "%s{0}", sep);
    if (times_parts(e)) text_add(out, ", env");
    text_addf(out, "};\n%s    ", indent);
    if (s->grain) text_addf(out, "%s_for(env, %s, &a, ", e->name, name);
    else text_addf(out, "%s(&a, 0, ", name);
    dim_c(e, f->sig.range, "in->", out);
    if (s->grain) {
        text_add(out, ", ");
        split_grain(e, s, out);
    }
    text_addf(out, ");\n%s}\n", indent);
}
