/* judge.c - see judge.h. */
#include "judge.h"

#include <stdlib.h>

#include "check/check.h"
#include "ops/ops.h"
#include "ops/version.h"
#include "passes/analyze.h"
#include "passes/inline.h"
#include "passes/optimize.h"
#include "passes/passes.h"
#include "proto/load.h"
#include "proto/save.h"

enum { FOLD_LIMIT = 1 << 16 };

void judge_load(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    model *m = model_load_bytes(mem, d, data, size, NULL, NULL);
    if (!m != (d->errors > 0)) abort(); /* no model without a message, no message with a model */
    if (m) {
        text t = {.mem = mem}, bytes = {.mem = mem};
        if (!ir_verify(m)) abort();
        model_text(m, &t, 1000);
        if (model_encode(m, d, &bytes) && !model_load_bytes(mem, d, bytes.p ? bytes.p : "", bytes.n, NULL, NULL)) abort();
    }
    arena_free(mem);
}

static bool not_ours(void *ctx, model *m, const node *n)
{
    (void)ctx;
    const op_def *op = op_of(m, n);
    return !op || !op->infer;
}

static void infer_again(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true};
    model *m = model_load_bytes(mem, d, data, size, NULL, &load);
    const infer_options o = {.fold_limit = FOLD_LIMIT, .tolerant = true, .partial = true};
    if (m && check_model_basic(m)) {
        text bytes = {.mem = mem};
        (void)analyze_types(m, &o);
        m->types_inferred = true;
        (void)model_encode(m, d, &bytes);
    }
    arena_free(mem);
}

void judge_check(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    model *m = check_model_bytes(mem, d, data, size, NULL);
    if (!m && !d->errors) abort();
    const infer_options o = {.fold_limit = FOLD_LIMIT, .strict = true, .partial = true, .given_only = true, .before = check_input_types};
    if (m && !d->errors && inline_functions(m) && inline_operators(m, not_ours, NULL, NULL)) {
        (void)infer_model(m, &o);
        check_types(m, NULL);
    }
    arena_free(mem);
    infer_again(data, size);
}

/* A model that is written back has to load again. */
static void expect_readable(model *m, diag *d, arena *mem)
{
    text bytes = {.mem = mem};
    if (!model_encode(m, d, &bytes)) return;
    diag *again = diag_new(mem, "fuzz");
    if (model_load_bytes(mem, again, bytes.p ? bytes.p : "", bytes.n, NULL, NULL)) return;
    diag_print(again, stderr);
    abort();
}

static model *load_checked(arena *mem, diag *d, const unsigned char *data, size_t size)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true};
    model *m = model_load_bytes(mem, d, data, size, NULL, &load);
    return m && check_model_basic(m) ? m : NULL;
}

void judge_rewrite(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    const optimize_options o = {.level = LEVEL_ALL};
    optimize_report report;
    model *m = load_checked(mem, d, data, size);
    if (m && optimize_model(m, mem, &o, &report)) expect_readable(m, d, mem);
    if (diag_exit(d) == EXIT_INTERNAL) {
        diag_print(d, stderr);
        abort();
    }
    static const int versions[] = {7, 13, 22};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        version_changes done = {0};
        d = diag_new(mem, "fuzz");
        m = load_checked(mem, d, data, size);
        if (!m) break;
        analyze_kept(m, FOLD_LIMIT);
        if (version_convert(m, versions[i], &done)) expect_readable(m, d, mem);
        else if (!d->errors) abort();
    }
    arena_free(mem);
}

bool judge_compile(arena *mem, const unsigned char *data, size_t size, const char *target, compiled *out)
{
    diag *d = diag_new(mem, "fuzz");
    compile_options o = compile_defaults();
    o.target = target;
    o.name = "fuzz_model";
    o.emit |= EMIT_MAIN;
    *out = (compiled){.mem = mem};
    model *m = model_load_bytes(mem, d, data, size, NULL, NULL);
    const bool ok = m && compile_model(m, &o, out);
    if (!ok && !d->errors) abort(); /* refused without a word */
    if (diag_exit(d) == EXIT_INTERNAL) {
        diag_print(d, stderr);
        abort(); /* a mistake of ours */
    }
    return ok;
}
