/* threads.c - a step split over threads: its arguments in a struct, a function over a range, and the call that hands it to the environment.
 * Only with --threads 2 or more; each part computes whole rows, so results do not depend on how the range is cut. */
#include <inttypes.h>
#include <string.h>

#include "emit/emit.h"

/* A piece takes at least this long, for handing one over costs up to a fifth of it. */
static const double LEAST_NS = 1000;
enum { PIECES_PER_THREAD = 4 /* threads that come late leave the rest to others */ };

/* The least part of the range that is worth a call, where the sizes are known; 0: the whole. Chosen here because the axis that a nest is split along
 * still is (print_nest.c); both belong to plan/. */
static int64_t grain_of(const emit *e, const step *s)
{
    const printed *f = &e->by_step[s->id];
    const int64_t unit = s->kernel && s->kernel->unit > 0 ? s->kernel->unit : 1;
    int64_t n;
    if (!dim_is_const(e->p->dims, f->sig.range, &n)) return unit;
    const double ns = s->kernel && !s->work ? -1 : step_ns(e->p, s, e->target->vl); /* of most kernels it is not known what they compute */
    int64_t pieces = (int64_t)PIECES_PER_THREAD * e->o->threads;
    if (ns >= 0 && ns / LEAST_NS < (double)pieces) pieces = (int64_t)(ns / LEAST_NS);
    if (pieces < 2) return 0;
    const int64_t units = (n + unit - 1) / unit, grain = (units + pieces - 1) / pieces * unit;
    return grain < n ? grain : 0;
}

bool step_splits(const emit *e, const step *s)
{
    const printed *f = &e->by_step[s->id];
    return e->o->threads >= 2 && f->name && f->sig.ranged && !f->sig.can_fail && grain_of(e, s) > 0;
}

/* Elements of scratch memory that each thread has; 0: none. */
static int64_t thread_scratch(const step *s)
{
    return s->kernel ? s->kernel->thread_scratch : 0;
}

static const char *arg_type(emit *e, slot s)
{
    return elem_of(slot_at(e->p, s)->type)->ctype;
}

/* struct NAME_args and NAME_part. */
void print_part(emit *e, const step *s, text *out)
{
    const printed *f = &e->by_step[s->id];
    if (!step_splits(e, s)) return;
    const char *base = arena_printf(e->mem, "%s_part%u", e->name, s->id);
    text_add(out, "typedef struct {\n");
    for (uint32_t i = 0; i < f->args.n; i++) text_addf(out, "    %s%s *p%u;\n", f->args.p[i].written ? "" : "const ", arg_type(e, f->args.p[i].slot), i);
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) text_addf(out, "    int64_t d%u;\n", i);
    const int64_t scratch = thread_scratch(s);
    if (scratch) text_addf(out, "    char taken[%d];\n", e->o->threads);
    text_addf(out, "} %s_args;\nstatic void %s(void *arg, int64_t lo, int64_t hi)\n{\n    %s%s_args *a = (%s%s_args *)arg;\n", base, base, scratch ? "" : "const ", base,
              scratch ? "" : "const ", base);
    if (scratch)
        text_addf(out, "    int64_t own = 0; /* which part of the scratch memory: one for each of %d threads, and no more run at a time */\n"
                       "    while (__atomic_exchange_n(&a->taken[own], 1, __ATOMIC_ACQUIRE)) own = (own + 1) %% %d;\n", e->o->threads, e->o->threads);
    text_addf(out, "    %s(", f->name);
    for (uint32_t i = 0; i < f->args.n; i++) {
        if (i == f->args_before_range) text_add(out, "lo, hi, ");
        text_addf(out, "a->p%u", i);
        if (scratch && i < f->args_before_range && s->kernel->arg[i].role == ARG_SCRATCH) text_addf(out, " + own * %" PRId64, scratch);
        text_add(out, ", ");
    }
    if (f->args_before_range == f->args.n) text_add(out, "lo, hi, ");
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) text_addf(out, "a->d%u, ", i);
    if (f->range_last) text_add(out, "lo, hi, ");
    out->n -= 2;
    out->p[out->n] = 0;
    text_add(out, ");\n");
    if (scratch) text_add(out, "    __atomic_store_n(&a->taken[own], 0, __ATOMIC_RELEASE);\n");
    text_add(out, "}\n\n");
}

void call_split(emit *e, const step *s, const char *indent, text *out)
{
    const printed *f = &e->by_step[s->id];
    const char *base = arena_printf(e->mem, "%s_part%u", e->name, s->id);
    text_addf(out, "%s{\n%s    %s_args a = {", indent, indent, base);
    const char *sep = "";
    for (uint32_t i = 0; i < f->args.n; i++, sep = ", ") {
        text_add(out, sep);
        slot_argument(e, f->args.p[i].slot, f->args.p[i].from_view, out);
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++, sep = ", ") {
        text_add(out, sep);
        dim_c(e, f->sig.symbols.p[i], "in->", out);
    }
    if (thread_scratch(s)) text_addf(out, "%s{0}", sep);
    text_addf(out, "};\n%s    %s_for(env, %s, &a, ", indent, e->name, base);
    dim_c(e, f->sig.range, "in->", out);
    text_addf(out, ", %" PRId64 ");\n%s}\n", grain_of(e, s), indent);
}

/* The one place that knows env->parallel_for. */
void print_for(emit *e, text *out)
{
    if (e->o->threads < 2) return;
    text_addf(out,
              "static __attribute__((unused)) void %s_for(const onnxcc_env *env, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain)\n{\n"
              "    if (n > grain && env && env->parallel_for) env->parallel_for(env->parallel_ctx, fn, arg, n, grain);\n"
              "    else fn(arg, 0, n);\n}\n\n",
              e->name);
}
