/* threads.c - a step split over threads: its arguments in a struct, a function over a range, and the call that hands it to the environment.
 * Which steps and in what pieces plan/threads.c has decided. */
#include <inttypes.h>

#include "emit/emit.h"

/* Elements of scratch memory that each thread has; 0: none. */
static int64_t thread_scratch(const step *s)
{
    return s->kernel ? s->kernel->thread_scratch : 0;
}

static const char *arg_type(emit *e, slot s)
{
    return elem_of(slot_at(e->p, s)->type)->ctype;
}

/* The step that is done in the parts of this one; NULL: none. */
static const step *joined_to(const step *s)
{
    return s->kernel ? s->kernel->joined : NULL;
}

bool step_is_joined(const step *s)
{
    return s->kernel && s->kernel->leader && s->kernel->leader->grain;
}

/* The members of NAME_args for one step, whose names begin with `letter`. */
static void print_members(emit *e, const step *s, char letter, text *out)
{
    const printed *f = &e->by_step[s->id];
    for (uint32_t i = 0; i < f->args.n; i++) text_addf(out, "    %s%s *%c%u;\n", f->args.p[i].written ? "" : "const ", arg_type(e, f->args.p[i].slot), letter, i);
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) text_addf(out, "    int64_t %c_d%u;\n", letter, i);
}

static void print_part_call(emit *e, const step *s, char letter, text *out)
{
    const printed *f = &e->by_step[s->id];
    const int64_t scratch = thread_scratch(s);
    text_addf(out, "    %s(", f->name);
    for (uint32_t i = 0; i < f->args.n; i++) {
        if (i == f->args_before_range) text_add(out, "lo, hi, ");
        text_addf(out, "a->%c%u", letter, i);
        if (scratch && i < f->args_before_range && s->kernel->arg[i].role == ARG_SCRATCH) text_addf(out, " + own * %" PRId64, scratch);
        text_add(out, ", ");
    }
    if (f->args_before_range == f->args.n) text_add(out, "lo, hi, ");
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) text_addf(out, "a->%c_d%u, ", letter, i);
    if (f->range_last) text_add(out, "lo, hi, ");
    out->n -= 2;
    out->p[out->n] = 0;
    text_add(out, ");\n");
}

/* struct NAME_args and NAME_part. */
static void print_job(emit *e, const step *s, text *out)
{
    const char *base = arena_printf(e->mem, "%s_part%u", e->name, s->id);
    const int64_t scratch = thread_scratch(s);
    text_add(out, "typedef struct {\n");
    print_members(e, s, 'p', out);
    if (joined_to(s)) print_members(e, joined_to(s), 'q', out);
    if (scratch) text_addf(out, "    char taken[%d];\n", e->o->threads);
    text_addf(out, "} %s_args;\nstatic void %s(void *arg, int64_t lo, int64_t hi)\n{\n    %s%s_args *a = (%s%s_args *)arg;\n", base, base, scratch ? "" : "const ", base,
              scratch ? "" : "const ", base);
    if (scratch)
        text_addf(out, "    int64_t own = 0; /* which part of the scratch memory: one for each of %d threads, and no more run at a time */\n"
                       "    while (__atomic_exchange_n(&a->taken[own], 1, __ATOMIC_ACQUIRE)) own = (own + 1) %% %d;\n", e->o->threads, e->o->threads);
    print_part_call(e, s, 'p', out);
    if (scratch) text_add(out, "    __atomic_store_n(&a->taken[own], 0, __ATOMIC_RELEASE);\n");
    if (joined_to(s)) print_part_call(e, joined_to(s), 'q', out);
    text_add(out, "}\n\n");
}

void print_part(emit *e, const step *s, text *out)
{
    if (step_is_joined(s)) print_job(e, s->kernel->leader, out); /* which calls both, so it comes behind both */
    else if (s->grain && !joined_to(s)) print_job(e, s, out);
}

static void job_arguments(emit *e, const step *s, const char **sep, text *out)
{
    const printed *f = &e->by_step[s->id];
    for (uint32_t i = 0; i < f->args.n; i++, *sep = ", ") {
        text_add(out, *sep);
        slot_argument(e, f->args.p[i].slot, f->args.p[i].from_view, out);
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++, *sep = ", ") {
        text_add(out, *sep);
        dim_c(e, f->sig.symbols.p[i], "in->", out);
    }
}

void call_split(emit *e, const step *s, const char *indent, text *out)
{
    const printed *f = &e->by_step[s->id];
    const char *base = arena_printf(e->mem, "%s_part%u", e->name, s->id), *sep = "";
    text_addf(out, "%s{\n%s    %s_args a = {", indent, indent, base);
    job_arguments(e, s, &sep, out);
    if (joined_to(s)) job_arguments(e, joined_to(s), &sep, out);
    if (thread_scratch(s)) text_addf(out, "%s{0}", sep);
    text_addf(out, "};\n%s    %s_for(env, %s, &a, ", indent, e->name, base);
    dim_c(e, f->sig.range, "in->", out);
    text_addf(out, ", %" PRId64 ");\n%s}\n", s->grain, indent);
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
