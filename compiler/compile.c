/* compile.c - THE pipeline: read this first.
 *
 *     check -> inline -> shapes -> infer, normalize -> passes -> lower -> fuse -> select -> layout -> memory -> emit
 *
 * Every stage either succeeds or has reported why it can't. What holds after each is in docs/pipeline.md. */
#include "compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "emit/emit.h"
#include "ops/contrib.h"
#include "ops/ops.h"
#include "passes/optimize.h"
#include "passes/passes.h"
#include "passes/sequence.h"
#include "passes/verify.h"
#include "plan/tuning.h"
#include "quant/quant.h"
#include "target/target.h"

enum { FOLD_LIMIT = 1 << 16, WEIGHTS_LIMIT = 1 << 26 }; /* elements of a constant that folding may add; of one that is read as weights */

compile_options compile_defaults(void)
{
    return (compile_options){.threads = 1, .emit = EMIT_CMAKE | EMIT_MANIFEST};
}

mode_words compile_modes(const compile_options *o)
{
    static const char *const optimize[] = {"balanced", "speed", "size"}, *const math[] = {"default", "strict", "fast"}, *const precision[] = {"fp32", "bf16", "fp16"},
                            *const gpu[] = {"tf32x3", "fp32", "tf32", "fp16", "bf16"};
    return (mode_words){optimize[o->optimize], math[o->math], precision[o->precision], gpu[o->gpu_precision]};
}

const target_line *compile_targets(void)
{
    static target_line lines[32];
    uint32_t n;
    const target *t = target_table(&n);
    lines[0] = (target_line){"native", "the best of these that this machine can run"};
    for (uint32_t i = 0; i < n && i + 3 < 32; i++) lines[i + 1] = (target_line){t[i].name, t[i].what};
    lines[n + 1] = (target_line){"auto", "cuda and native in one program, which chooses when it runs (compile only)"};
    return lines;
}

/* --dump=NAME: the model after that pass, in the text form. */
static void dump(model *m, const compile_options *o, compiled *out, const char *pass)
{
    if (!o->dump || strcmp(o->dump, pass)) return;
    out->dump.mem = out->mem;
    model_text(m, &out->dump, 32);
}

static void dump_plan(program *p, const compile_options *o, compiled *out, const char *when)
{
    if (!o->dump || strcmp(o->dump, when)) return;
    out->dump.mem = out->mem;
    program_text(p, &out->dump);
}

/* A name that no pass has is a mistake. */
static bool dumped(model *m, const compile_options *o, const compiled *out)
{
    if (!o->dump || out->dump.mem) return true;
    diag_error(m->diag, EXIT_USAGE, "", "dump-unknown", "--dump: no pass is called '%s'", o->dump);
    return diag_hint(m->diag, "import, inline, infer, dead, the passes of `onnxcc optimize` that compiling runs, integer, lower, fuse, layout, plan");
}

/* Operators without a lowering of ours are computed by the body that the standard gives, where it gives one. */
static bool no_lowering(void *ctx, model *m, const node *n)
{
    (void)ctx;
    const op_def *op = op_of(m, n);
    return !op || !op->lower;
}

static fuse_options fusion_rules(const compile_options *o)
{
    const target *t = target_find(o->target);
    return (fuse_options){.inline_maps = true, .merge_rows = true, .merge_stages = true, .epilogues = true, .reciprocals = o->math != MATH_STRICT,
                          .strings_apart = t && t->language == LANGUAGE_CUDA};
}

/* What holds after each pass: nodes that nobody needs are gone, so that the next one sees true counts of uses. */
static bool after_pass(model *m, const compile_options *o, compiled *out, pass_check *check, const char *name, pass_change change)
{
    remove_dead(m);
    dump(m, o, out, name);
    return ir_verify(m) && (!check || pass_check_after(check, name, change));
}

/* Rewrites of the typed graph. Quantized regions become integers before passes look at what stands between their quantizations. */
static bool simplify(model *m, const compile_options *o, compiled *out)
{
    const pass_context context = {0};
    uint32_t n;
    const graph_pass *passes = graph_passes(&n);
    pass_check *check = o->verify_passes ? pass_check_new(out->mem, m) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (!passes[i].in_compile) continue;
        passes[i].run(m, &context);
        if (!after_pass(m, o, out, check, passes[i].name, passes[i].change)) return false;
        if (strcmp(passes[i].name, "identity")) continue;
        use_integers(m);
        if (!after_pass(m, o, out, check, "integer", MOVES_A_STEP)) return false;
    }
    const fuse_options rules = fusion_rules(o);
    const char *why;
    if (check && !o->no_fuse && !pass_check_fusion(check, &rules)) return false;
    if (check && !pass_check_trials(check, &why)) diag_warn(m->diag, "", "verify-pass", "the passes were not checked: %s", why);
    return true;
}

/* Loaders of files that are not checked let inputs pass that say nothing. */
static bool inputs_have_types(model *m)
{
    const graph *g = model_main(m);
    bool ok = true;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (value_at(m, g->inputs.p[i])->type.kind == TYPE_UNKNOWN)
            ok = diag_error(m->diag, EXIT_INVALID, arena_printf(m->mem, "input '%s'", value_at(m, g->inputs.p[i])->name), "type-missing", "has no type");
    return ok;
}

/* The graph: from what the file says to nodes at the newest versions with all types known. */
bool compile_front(model *m, const compile_options *o, compiled *out)
{
    for (uint32_t i = 0; i < o->customs.n; i++) VEC_PUSH(m->mem, m->customs, o->customs.p[i]);
    contrib_names(m);
    if (!check_model_basic(m) || !inputs_have_types(m)) return false;
    dump(m, o, out, "import");
    if (!inline_functions(m) || !inline_operators(m, no_lowering, NULL, NULL)) return false;
    dump(m, o, out, "inline");
    sequences *lists = sequences_of(m, o);
    if (!lists || !set_shapes(m, o) || !set_values(m, o)) return false;
    const resolver resolve = sequences_resolver(lists);
    const infer_options infer = {.fold_limit = FOLD_LIMIT, .weights_limit = WEIGHTS_LIMIT, .keep_dequantized = true, .resolver = &resolve};
    if (!infer_model(m, &infer) || !sequences_give(lists) || !check_types(m, type_beyond) || !check_limits(m)) return false; /* and normalize: nodes go to the newest version as their inputs' types become known */
    dump(m, o, out, "infer");
    remove_dead(m);
    dump(m, o, out, "dead");
    return ir_verify(m) && simplify(m, o, out);
}

bool compile_sizes(model *m, const compile_options *o, compiled *out)
{
    program *p = compile_front(m, o, out) ? lower_model(out->mem, m, true) : NULL;
    if (!p) return false;
    const run_sizes sizes = run_sizes_of(p);
    for (uint32_t i = 0; i < sizes.symbol.n; i++) {
        const dim symbol = sizes.symbol.p[i], most = sizes.most.p[i];
        if (!sizes.what.p[i]) continue; /* the number of a turn */
        run_size s = {.name = dim_name(p->dims, symbol), .least = dim_range(p->dims, symbol).lo, .number = dim_is_const(p->dims, most, NULL)};
        text t = {.mem = out->mem};
        dim_text(p->dims, most, &t);
        if (most != symbol) s.at_most = t.p;
        VEC_PUSH(out->mem, out->run_sizes, s);
    }
    return true;
}

static void note_state(program *p, const char *in, compiled *out)
{
    for (slot s = 1; s < p->slot.n; s++) {
        const slot_info *i = slot_at(p, s);
        if (i->kind != SLOT_STATE || strcmp(i->name, in)) continue;
        state_fact f = {.input = in, .offset = p->buf.p[i->view.buf].offset};
        for (uint32_t k = 0; k < i->rank; k++) f.stride[k] = dim_range(p->dims, i->view.d[k].stride).hi;
        VEC_PUSH(out->mem, out->states, f);
        return;
    }
}

/* "native" is the target on which the products of the precision that is asked for are fast. */
static const target *chosen_target(const compile_options *o)
{
    const bool native = !o->target || !strcmp(o->target, "native");
    const target *t = !native || o->precision == PRECISION_FP32 ? NULL : o->precision == PRECISION_BF16 ? target_native_dot2() : target_native_fma16();
    return t ? t : target_find(o->target);
}

/* Whatever was computed from sizes after inference could be made (DIM_LONGEST). */
static bool sizes_made(model *m)
{
    if (!dims_too_long(m->dims)) return true;
    diag_error(m->diag, EXIT_UNSUPPORTED, "", "size-formula", "what follows from the sizes takes formulas of more than %d parts", DIM_LONGEST);
    return diag_hint(m->diag, "give sizes of the inputs as numbers, with --dim or --shape");
}

const char *compile_target(const compile_options *o)
{
    const target *t = chosen_target(o);
    return t ? t->name : "";
}

static void note_other(arena *a, text *was, text *is, const char *option, const char *then, const char *now)
{
    if (!then || !strcmp(then, now)) return;
    was->mem = is->mem = a;
    text_addf(was, "%s--%s=%s", was->n ? " " : "", option, then);
    text_addf(is, "%s--%s=%s", is->n ? " " : "", option, now);
}

/* Choices that were measured with other options are followed as far as these allow, but need not be the best. */
static void warn_of_modes(const tuning *t, diag *d, const compile_options *o)
{
    const mode_words now = compile_modes(o);
    text was = {0}, is = {0};
    if (!t) return;
    note_other(t->mem, &was, &is, "optimize", t->optimize, now.optimize);
    note_other(t->mem, &was, &is, "math", t->math, now.math);
    note_other(t->mem, &was, &is, "precision", t->precision, now.precision);
    if (was.n) diag_warn(d, t->path, "tuning-mode", "measured with %s, used with %s: other choices may be better", was.p, is.p);
}

/* Do the options say that the input's dimension has this size? */
static bool is_pinned(const compile_options *o, const value *v, int32_t axis, const char *name, const char *size)
{
    for (uint32_t i = 0; i < o->dims.n; i++)
        if (!strcmp(o->dims.p[i].name, name) && o->dims.p[i].lo == o->dims.p[i].hi && o->dims.p[i].lo == strtoll(size, NULL, 10)) return true;
    for (uint32_t i = 0; i < o->shapes.n; i++)
        if (!strcmp(o->shapes.p[i].input, v->name) && axis < (int32_t)o->shapes.p[i].rank && o->shapes.p[i].dim[axis] == strtoll(size, NULL, 10)) return true;
    return false;
}

/* Does the model have that size, open? `name` is a dimension's, or that of an input of unknown rank. */
static bool is_open(model *m, const compile_options *o, const char *name, const char *size)
{
    const graph *g = model_main(m);
    for (uint32_t k = 0; k < g->inputs.n; k++) {
        const value *v = value_at(m, g->inputs.p[k]);
        if (v->type.rank < 0 && !o->shapes.n && !strcmp(v->name, name)) return true;
        for (int32_t axis = 0; axis < v->type.rank; axis++) {
            const dim d = v->type.shape[axis];
            if (dim_kind_of(m->dims, d) == DIM_SYMBOL && !strcmp(dim_name(m->dims, d), name) && !is_pinned(o, v, axis, name, size)) return true;
        }
    }
    return false;
}

/* The sizes that the file was measured with and that the options leave open, as options; "" for none. The model is as it was loaded. */
static const char *open_sizes(model *m, const compile_options *o, const tuning *t)
{
    text list = {.mem = m->mem};
    for (uint32_t i = 0; t && i < t->sizes.n; i++) {
        const char *word = strchr(t->sizes.p[i], ' '), *equals = strrchr(t->sizes.p[i], '=');
        if (word && equals && is_open(m, o, arena_strndup(m->mem, word + 1, (size_t)(equals - word - 1)), equals + 1)) tuning_size_option(&list, t->sizes.p[i]);
    }
    return list.n ? list.p : "";
}

bool compile_model(model *m, const compile_options *o, compiled *out)
{
    const target *t = chosen_target(o);
    if (!t) {
        diag_error(m->diag, EXIT_USAGE, "", "target", "there is no target '%s'", o->target);
        return diag_hint(m->diag, "`onnxcc --list-targets` lists them");
    }
    struct tuning *measured = o->tuning && tuning_is_for(o->tuning, m->diag, t) ? o->tuning : NULL;
    const char *sizes = open_sizes(m, o, measured);
    out->name = model_name(m, o, out->mem);
    if (!out->name) return false;
    out->n_nodes = model_main(m)->nodes.n;
    if (!compile_front(m, o, out)) return false;

    program *p = lower_model(out->mem, m, t->language == LANGUAGE_C);
    if (!p || !plan_limits(p)) return false;
    dump_plan(p, o, out, "lower");
    if (!o->no_fuse) {
        const fuse_options rules = fusion_rules(o);
        fuse(p, &rules);
        for (uint32_t i = 0; i < o->states.n; i++) plan_cache(p, o->states.p[i].out, o->states.p[i].in);
        plan_alias(p);
    }
    dump_plan(p, o, out, "fuse");
    const plan_options plan = {t, o->math, o->threads, o->gpu_precision, o->optimize, o->precision, measured};
    plan_widen(p, &plan);
    plan_narrow(p, &plan);
    plan_tables(p, &plan);
    plan_pairs(p, &plan);
    plan_phases(p);
    if (t->language == LANGUAGE_C) plan_conv_layout(p, &plan);
    plan_layout(p);
    out->winograd = plan_winograd(p, &plan);
    if (t->language == LANGUAGE_C && !o->no_fuse) plan_bands(p, &plan);
    plan_borders(p);
    if (!plan_select(p, &plan)) return false;
    plan_layout(p);
    plan_joins(p);
    dump_plan(p, o, out, "layout");
    plan_flatten(p);
    if (t->language == LANGUAGE_CUDA) plan_host(p);
    memory_plan memory;
    plan_memory(p, &memory);
    for (uint32_t i = 0; i < o->states.n; i++)
        if (!plan_state(p, o->states.p[i].out, o->states.p[i].in, &memory)) return false;
    for (uint32_t i = 0; i < o->states.n; i++) note_state(p, o->states.p[i].in, out);
    plan_threads(p, &plan);
    tuning_steps(measured, p);
    warn_of_modes(measured, m->diag, o);
    tuning_warn(measured, m->diag, sizes);
    dump_plan(p, o, out, "plan");
    if (o->ram && !plan_fits(p, &memory, o->ram)) return false;
    return dumped(m, o, out) && emit_c(p, &memory, o, t, out) && sizes_made(m);
}

bool compile_auto(model *for_cpu, model *for_cuda, const compile_options *o, compiled *out)
{
    compiled cpu = {.mem = out->mem}, cuda = {.mem = out->mem};
    compile_options part = *o;
    const char *name = model_name(for_cpu, o, out->mem);
    if (!name) return false;
    if (o->weights == WEIGHTS_FILE || o->weights == WEIGHTS_POINTER || o->states.n)
        return diag_error(for_cpu->diag, EXIT_USAGE, "", "target", "--target=auto has its weights in the program and no --state");
    part.emit &= ~(unsigned)EMIT_MAIN;
    part.target = NULL;
    part.name = arena_printf(out->mem, "%s_cpu", name);
    if (!compile_model(for_cpu, &part, &cpu)) return false;
    part.target = "cuda";
    part.name = arena_printf(out->mem, "%s_cuda", name);
    if (!compile_model(for_cuda, &part, &cuda)) return false;
    emit_auto(name, &cpu, &cuda, o, out);
    return true;
}
