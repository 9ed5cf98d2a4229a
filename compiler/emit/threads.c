/* threads.c - a step split over threads: its arguments in a struct, a function over a range, and the call that hands it to the environment.
 * Which steps and in what pieces plan/threads.c has decided. */
#include <inttypes.h>

#include "emit/emit.h"

/* The variable of a band's function that this symbol is; NULL: it is none. */
static const char *band_symbol(const emit *e, const step *s, dim symbol)
{
    const band *b = s->band ? s->band->control->band : NULL;
    for (uint32_t i = 0; b && i < b->n; i++)
        if (b->part[i].first == symbol) return arena_printf(e->mem, "first%u", i);
    if (b && s->nest && symbol == s->band->control->symbol) return "line";
    return b && s->nest && symbol == s->band->control->index ? "image" : NULL;
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

/* The step that is done in the parts of this one; NULL: none. */
static const step *joined_to(const step *s)
{
    return s->kernel ? s->kernel->joined : NULL;
}

bool step_is_joined(const step *s)
{
    return s->kernel && s->kernel->leader && s->kernel->leader->grain;
}

void job_members(emit *e, const step *s, const char *prefix, text *out)
{
    const printed *f = &e->by_step[s->id];
    for (uint32_t i = 0; i < f->args.n; i++) text_addf(out, "    %s%s *%s%u;\n", f->args.p[i].written ? "" : "const ", arg_type(e, f->args.p[i].slot), prefix, i);
    for (uint32_t i = 0; i < f->sig.symbols.n; i++)
        if (!band_symbol(e, s, f->sig.symbols.p[i])) text_addf(out, "    int64_t %s_d%u;\n", prefix, i);
}

/* Elements of a slot's buffer that each thread has for itself; 0: all of it is for all. */
static int64_t own_elements(const step *s, const printed *f, uint32_t arg)
{
    const slot to = f->args.p[arg].slot;
    const band *b = s->band ? s->band->control->band : NULL;
    for (uint32_t i = 0; b && i < b->n; i++)
        if (b->part[i].to == to) return b->part[i].own;
    return arg < f->args_before_range && s->kernel && s->kernel->thread_scratch && s->kernel->arg[arg].role == ARG_SCRATCH ? s->kernel->thread_scratch : 0;
}

const char *job_pointer(const emit *e, const step *s, const char *prefix, uint32_t arg)
{
    const int64_t own = e->o->threads > 1 ? own_elements(s, &e->by_step[s->id], arg) : 0;
    return arena_printf(e->mem, own ? "a->%s%u + own * %" PRId64 : "a->%s%u", prefix, arg, own);
}

void job_call(emit *e, const step *s, const char *prefix, const char *range, text *out)
{
    const printed *f = &e->by_step[s->id];
    text_addf(out, "%s(", f->name);
    for (uint32_t i = 0; i < f->args.n; i++) {
        if (i == f->args_before_range) text_addf(out, "%s, ", range);
        text_addf(out, "%s, ", job_pointer(e, s, prefix, i));
    }
    if (f->args_before_range == f->args.n) text_addf(out, "%s, ", range);
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) {
        const char *local = band_symbol(e, s, f->sig.symbols.p[i]);
        if (local) text_addf(out, "%s, ", local);
        else text_addf(out, "a->%s_d%u, ", prefix, i);
    }
    if (f->range_last) text_addf(out, "%s, ", range);
    out->n -= 2;
    out->p[out->n] = 0;
    text_add(out, ");\n");
}

void job_own(const emit *e, text *out)
{
    text_addf(out, "    int64_t own = 0; /* which part of the scratch memory: one for each of %d threads, and no more run at a time */\n"
                   "    while (__atomic_exchange_n(&a->taken[own], 1, __ATOMIC_ACQUIRE)) own = (own + 1) %% %d;\n", e->o->threads, e->o->threads);
}

void job_disown(text *out)
{
    text_add(out, "    __atomic_store_n(&a->taken[own], 0, __ATOMIC_RELEASE);\n");
}

/* struct NAME_args and NAME_part. */
static void print_job(emit *e, const step *s, text *out)
{
    const char *base = arena_printf(e->mem, "%s_part%u", e->name, s->id);
    const int64_t scratch = thread_scratch(s);
    text_add(out, "typedef struct {\n");
    job_members(e, s, "p", out);
    if (joined_to(s)) job_members(e, joined_to(s), "q", out);
    if (scratch) text_addf(out, "    char taken[%d];\n", e->o->threads);
    text_addf(out, "} %s_args;\nstatic void %s(void *arg, int64_t lo, int64_t hi)\n{\n    %s%s_args *a = (%s%s_args *)arg;\n", base, base, scratch ? "" : "const ", base,
              scratch ? "" : "const ", base);
    if (scratch) job_own(e, out);
    text_add(out, "    ");
    job_call(e, s, "p", "lo, hi", out);
    if (scratch) job_disown(out);
    if (joined_to(s)) {
        text_add(out, "    ");
        job_call(e, joined_to(s), "q", "lo, hi", out);
    }
    text_add(out, "}\n\n");
}

void print_part(emit *e, const step *s, text *out)
{
    if (s->band) return;
    if (step_is_joined(s)) print_job(e, s->kernel->leader, out); /* which calls both, so it comes behind both */
    else if (s->grain && !joined_to(s)) print_job(e, s, out);
}

void job_arguments(emit *e, const step *s, const char **sep, text *out)
{
    const printed *f = &e->by_step[s->id];
    for (uint32_t i = 0; i < f->args.n; i++, *sep = ", ") {
        text_add(out, *sep);
        slot_argument(e, f->args.p[i].slot, f->args.p[i].from_view, out);
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) {
        if (band_symbol(e, s, f->sig.symbols.p[i])) continue;
        text_add(out, *sep);
        dim_c(e, f->sig.symbols.p[i], "in->", out);
        *sep = ", ";
    }
}

void split_grain(emit *e, const step *s, text *out)
{
    if (!s->ns_at_run || (s->kernel && s->kernel->turns)) {
        text_addf(out, "%" PRId64, s->grain);
        return;
    }
    text_addf(out, "%s_grain(", e->name);
    dim_c(e, e->by_step[s->id].sig.range, "in->", out);
    text_addf(out, ", %" PRId64 ", ", s->grain);
    dim_c(e, s->ns_at_run, "in->", out);
    text_add(out, ")");
}

/* Where a run finds it too short to be split, the call of the step itself, which may be inlined. */
static void call_short(emit *e, const step *s, const char *indent, text *out)
{
    const char *inner = arena_printf(e->mem, "%s    ", indent);
    text_addf(out, "%sif (%s_alone(env, ", indent, e->name);
    dim_c(e, s->ns_at_run, "in->", out);
    text_add(out, ")) {\n");
    call_whole(e, s, inner, out);
    if (joined_to(s)) call_whole(e, joined_to(s), inner, out);
    text_addf(out, "%s} else ", indent);
}

static void call_once(emit *e, const step *s, const char *indent, text *out)
{
    const printed *f = &e->by_step[s->id];
    const char *base = arena_printf(e->mem, "%s_part%u", e->name, s->id), *sep = "";
    if (s->ns_at_run) call_short(e, s, indent, out);
    else text_add(out, indent);
    text_addf(out, "{\n%s    %s_args a = {", indent, base);
    job_arguments(e, s, &sep, out);
    if (joined_to(s)) job_arguments(e, joined_to(s), &sep, out);
    if (thread_scratch(s)) text_addf(out, "%s{0}", sep);
    text_addf(out, "};\n%s    %s_for(env, %s, &a, ", indent, e->name, base);
    dim_c(e, f->sig.range, "in->", out);
    text_add(out, ", ");
    split_grain(e, s, out);
    text_addf(out, ");\n%s}\n", indent);
}

void call_split(emit *e, const step *s, const char *indent, text *out)
{
    const char *turn = arena_printf(e->mem, "turn%u", s->id);
    if (!s->kernel || !s->kernel->turns) {
        call_once(e, s, indent, out);
        return;
    }
    text_addf(out, "%sfor (int64_t %s = 0; %s < ", indent, turn, turn);
    dim_c(e, s->kernel->turns, "in->", out);
    text_addf(out, "; ++%s) {\n", turn);
    VEC_PUSH(e->mem, e->local, ((local_dim){s->kernel->turn, turn}));
    call_once(e, s, arena_printf(e->mem, "%s    ", indent), out);
    e->local.n--;
    text_addf(out, "%s}\n", indent);
}

static void look_for_unknown(void *ctx, step *s)
{
    if (s->ns_at_run) *(bool *)ctx = true;
}

/* The one place that knows env->parallel_for. */
void print_for(emit *e, text *out)
{
    if (e->o->threads < 2) return;
    text_addf(out,
              "static __attribute__((unused)) void %s_for(const onnxcc_env *env, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain)\n{\n"
              "    if (n > grain && env && env->parallel_for) env->parallel_for(env->parallel_ctx, fn, arg, n, grain);\n"
              "    else fn(arg, 0, n);\n}\n\n", e->name);
    bool asked = false;
    program_steps(e->p, look_for_unknown, &asked);
    if (!asked) return;
    text_addf(out,
              "/* The least part of n, in whole units, that takes 1.5 us, of all of it, which takes ns. */\n"
              "static int64_t %s_grain(int64_t n, int64_t unit, int64_t ns)\n{\n"
              "    return ns < 1500 ? n : (1500 * n / ns / unit + 1) * unit;\n}\n\n"
              "static __attribute__((unused)) int %s_alone(const onnxcc_env *env, int64_t ns)\n{\n"
              "    return ns < 1500 || !env || !env->parallel_for;\n}\n\n", e->name, e->name);
}
