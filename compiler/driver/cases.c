/* cases.c - `onnxcc verify --cases DIR`: generate, build (cases_build.c), then run every case in a process of its own with limits of time and memory,
 * and report. */
#include "driver/cases.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/inputs.h"
#include "driver/sanitize.h"
#include "target/target.h"

#define RUN_BYTES ((size_t)4 << 30)

static bool run_case(const case_run *r, const test_case *t, diag *d, outcome *o)
{
    arena *a = r->c->mem;
    session s;
    if (!session_open(&s, a, d, t->library, t->prefix, r->options.threads)) return false;
    s.poison = true;
    s.exact = *r->flags != 0;
    const folder_list folders = data_set_folders(a, t->dir);
    for (uint32_t i = 0; i < folders.n; i++) {
        data_set set;
        if (!data_set_read(a, d, folders.p[i], &set) || !data_set_verify(&s, &set, t->tol, o)) return false;
    }
    return true;
}

typedef struct {
    case_run *r;
    VEC(uint32_t) pending;
} run_phase;

static void run_work(void *ctx, uint32_t i, FILE *result)
{
    const run_phase *p = ctx;
    const test_case *t = &p->r->list.p[p->pending.p[i]];
    diag *d = diag_new(p->r->c->mem, NULL);
    outcome o = {OUTCOME_PASS, 0, 0, "", -1, ""};
    if (!run_case(p->r, t, d, &o)) o = outcome_of_diag(p->r->c->mem, d);
    outcome_write(&o, result);
}

static void run_take(void *ctx, uint32_t i, const job_result *j)
{
    const run_phase *p = ctx;
    arena *a = p->r->c->mem;
    test_case *t = &p->r->list.p[p->pending.p[i]];
    t->decided = true;
    if (j->end == JOB_TIMED_OUT) t->result = (outcome){OUTCOME_ERROR, 0, 0, "", -1, arena_printf(a, "the run took longer than %d s", p->r->seconds)};
    else if (j->end == JOB_CRASHED)
        t->result = (outcome){OUTCOME_ERROR, 0, 0, "", -1, arena_printf(a, "the run was ended by signal %d (%s)", j->status, strsignal(j->status))};
    else if (*j->text) t->result = outcome_parse(a, j->text);
    else t->result = (outcome){OUTCOME_ERROR, 0, 0, "", -1, arena_printf(a, "the run left with code %d: %s", j->status, j->message)};
}

static void run_all(case_run *r)
{
    run_phase p = {.r = r};
    for (uint32_t i = 0; i < r->list.n; i++)
        if (!r->list.p[i].decided) VEC_PUSH(r->c->mem, p.pending, i);
    const job_limits limits = {r->at_once, r->seconds, RUN_BYTES, r->c->quiet || !isatty(STDERR_FILENO) ? NULL : "running"};
    jobs_run(r->c->mem, p.pending.n, &limits, run_work, run_take, &p);
}

static exit_code report(const case_run *r)
{
    const command *c = r->c;
    uint32_t passed = 0, failed = 0, skipped = 0, fixed = 0;
    for (uint32_t i = 0; i < r->list.n; i++) {
        const test_case *t = &r->list.p[i];
        const outcome_kind k = t->result.kind;
        passed += k == OUTCOME_PASS;
        const bool with_value = k == OUTCOME_PASS && t->fixed && *t->fixed;
        const char *reason = with_value ? arena_printf(c->mem, "compiled with %s", t->fixed) : t->result.reason;
        fixed += with_value;
        skipped += k == OUTCOME_UNSUPPORTED;
        failed += k == OUTCOME_FAIL || k == OUTCOME_ERROR;
        if (c->json) {
            fputs("{\"case\":", c->json);
            json_string(c->json, t->shown);
            fprintf(c->json, ",\"result\":\"%s\",\"reason\":", outcome_word(k));
            json_string(c->json, reason);
            fputs("}\n", c->json);
        }
        if (c->json != stdout && (c->verbose || k == OUTCOME_FAIL || k == OUTCOME_ERROR))
            fprintf(c->out, "%-11s %s%s%s\n", outcome_word(k), t->shown, *reason ? ": " : "", reason);
    }
    if (fixed) fprintf(c->out, "%u of those that passed compile only with the value of an input that decides a shape (--value), or with shapes (--shape)\n", fixed);
    fprintf(c->out, "%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed ? EXIT_MISMATCH : EXIT_OK;
}

exit_code verify_cases(command *c)
{
    case_run r = {.c = c, .root = opt_text(c->o, OPT_CASES, NULL)};
    r.at_once = (int)opt_int(c->o, OPT_JOBS, processors());
    r.seconds = (int)opt_int(c->o, OPT_TIME_LIMIT, 10);
    r.flags = opt_flag(c->o, OPT_SANITIZE) ? SANITIZE_FLAGS : "";
    bool temporary;
    cuda_mode mode;
    if (c->o->n[OPT_CUSTOM]) {
        diag_error(c->diag, EXIT_USAGE, "", "option-mix", "--custom is for single models, not for --cases");
        return EXIT_USAGE;
    }
    if (!command_compile_options(c, &r.options) || !cuda_mode_of(c->o, c->diag, r.options.target, &mode)) return diag_exit(c->diag);
    r.options.emit = 0;
    if (r.options.weights == WEIGHTS_FILE || r.options.weights == WEIGHTS_POINTER) { /* cached libraries stand alone */
        diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--cases needs the weights in the library: --weights=file and pointer are for single models");
        return EXIT_USAGE;
    }
    if (!cases_find(&r)) return diag_exit(c->diag);
    r.work = build_folder(c, &temporary);
    if (!r.work) return EXIT_IO;
    r.cache = cache_folder(c->mem);
    if (!r.cache) r.cache = r.work;
    const bool cuda = target_is_cuda(r.options.target);
    if (cuda && !cuda_prepare(c->mem, c->diag, r.work, r.cache, mode, r.options.gpu_arch, &r.tools)) return diag_exit(c->diag);
    r.cuda = cuda ? &r.tools : NULL;
    r.cc = cuda ? r.tools.identity : cc_identity(c->mem);
    exit_code code = EXIT_IO;
    if (write_runtime_header(c->diag, c->mem, r.work)) {
        static const struct {
            const char *what;
            void (*run)(case_run *r);
        } phase[] = {{"compiling", cases_generate}, {"building", cases_build}, {"running", run_all}};
        for (size_t i = 0; i < sizeof phase / sizeof *phase; i++) {
            const double start = seconds_now();
            phase[i].run(&r);
            if (c->verbose) fprintf(stderr, "%s: %.1f s\n", phase[i].what, seconds_now() - start);
        }
        code = report(&r);
    }
    if (temporary) folder_remove(r.work);
    return code;
}
