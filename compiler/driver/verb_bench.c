/* verb_bench.c - `onnxcc bench MODEL`: run time, and that of other engines measured in the same rounds, so that whatever else the machine does
 * hits all of them. The model's dimensions are pinned to those of the inputs. With several sets of inputs, each run takes the next: a branch
 * predictor learns a tree's way through one row, and no row comes twice in use. What is timed is whole turns through the sets, or the shortest time
 * would be that of the shortest way; and several runs together where one is too short for the clock. All engines are timed by as many runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/embedded.h"
#include "driver/bench_inputs.h"
#include "driver/build.h"
#include "driver/command.h"
#include "driver/compare.h"
#include "driver/data_set.h"
#include "driver/inputs.h"
#include "driver/output_distance.h"
#include "driver/peer.h"
#include "driver/profile.h"
#include "target/target.h"

enum { LEAST_ROUNDS = 5, MOST_ROUNDS = 500, MOST_PER_ROUND = 2000 };
enum { PROFILED_RUNS = 20 };
enum { CLOCK_STEPS = 300 /* that a time is at least */, MOST_PER_TIME = 1 << 20 };
static const double ROUND_MS = 50, TOTAL_MS = 2000, INVENTED_MS = 5 /* of a turn through sets that were invented */;

typedef struct {
    command *c;
    const char *path, *folder;
    input_sets inputs;
    session s;
    samples ms;        /* of one run: the means of `per_time` runs each */
    uint32_t per_time; /* whole turns through the sets */
    peer peer[PEER_ENGINES];
    uint32_t n_peers;
    const compile_options *options;
    const char *target;
    int threads;
    step_profile steps; /* with --profile */
} bench;

/* ---- state ---- */

/* Elements from dimension `axis` on, from a dense tensor to where the state has them. */
static const char *fill_rows(char *to, const char *from, const tensor *t, const int64_t *stride, uint32_t axis)
{
    const size_t size = elem_bytes(t->type, 1);
    for (int64_t i = 0; axis < t->rank && i < t->shape[axis]; i++) from = fill_rows(to + i * stride[axis] * (int64_t)size, from, t, stride, axis + 1);
    if (axis < t->rank) return from;
    memcpy(to, from, size);
    return from + size;
}

/* A run reads the inputs of --state where the state has them. */
static void fill_state(bench *b, const compiled *built)
{
    for (uint32_t i = 0; i < built->states.n; i++) {
        const state_fact *f = &built->states.p[i];
        const tensor *t = tensor_set_find(&b->inputs.p[0], f->input);
        if (t && elem_of(t->type)->bits >= 8 && !b->s.model->device_alloc) fill_rows((char *)b->s.state + f->offset, t->data, t, f->stride, 0);
    }
}

/* ---- measuring ---- */

/* Threads of an engine go on spinning for a while after its round, on processors that the next one's threads want. */
static void let_rest(const bench *b)
{
    const struct timespec rest = {0, 30000000};
    if (b->threads > 1 && b->n_peers) nanosleep(&rest, NULL);
}

/* The shortest of three times of n runs each, as milliseconds of one. */
static bool shortest(bench *b, uint32_t n, double *least)
{
    for (int i = 0; i < 3; i++) {
        double ms;
        if (!session_calls(&b->s, n, &ms)) return false;
        *least = i ? fmin(*least, ms) : ms;
    }
    return true;
}

/* The shortest time in milliseconds that the clock shows: its step, or what it takes to read it. */
static double clock_step(void)
{
    double least = 1;
    for (int i = 0; i < 1000; i++) {
        struct timespec x, y;
        clock_gettime(CLOCK_MONOTONIC, &x);
        clock_gettime(CLOCK_MONOTONIC, &y);
        const double ms = (double)(y.tv_sec - x.tv_sec) * 1e3 + (double)(y.tv_nsec - x.tv_nsec) * 1e-6;
        if (ms > 0) least = fmin(least, ms);
    }
    return least;
}

/* Adds the other sets; of those that were invented only as many as a short turn takes. *first: about how many milliseconds a run is. */
static bool add_sets(bench *b, double *first)
{
    input_sets *sets = &b->inputs;
    if (!shortest(b, 1, first)) return false;
    if (!b->c->o->n[OPT_DATA] && *first * sets->n > INVENTED_MS) sets->n = (uint32_t)fmax(INVENTED_MS / *first, 1);
    for (uint32_t i = 1; i < sets->n; i++)
        if (!session_add(&b->s, &sets->p[i])) return false;
    return sets->n == 1 || session_calls(&b->s, sets->n, first);
}

/* As many runs for each time as the clock needs, in whole turns. */
static bool choose_runs(bench *b, double *first)
{
    const double least = CLOCK_STEPS * clock_step();
    for (b->per_time = b->inputs.n; *first * b->per_time < least && b->per_time < MOST_PER_TIME;) {
        b->per_time *= 2;
        if (!shortest(b, b->per_time, first)) return false;
    }
    return true;
}

/* How many times fit a round. */
static int times_of_round(const bench *b, double run_ms, int most)
{
    const double ms = run_ms * b->per_time;
    return ms >= ROUND_MS ? 1 : (int)fmin(ROUND_MS / fmax(ms, 1e-6) + 1, most);
}

static bool our_round(bench *b, int k)
{
    double ms;
    let_rest(b);
    if (b->threads > 1 && !session_call(&b->s, NULL)) return false; /* wakes our own */
    for (int i = 0; i < k; i++) {
        if (!session_calls(&b->s, b->per_time, &ms)) return false;
        VEC_PUSH(b->c->mem, b->ms, ms);
    }
    return true;
}

static bool measure(bench *b, double first)
{
    if (!choose_runs(b, &first)) return false;
    const int per_round = times_of_round(b, first, MOST_PER_ROUND);
    const double fit = TOTAL_MS / fmax(first * b->per_time * per_round, 1e-3);
    const int rounds = (int)opt_int(b->c->o, OPT_REPEAT, (long long)fmin(fmax(fit, LEAST_ROUNDS), MOST_ROUNDS));
    for (int r = 0; r < rounds; r++) {
        if (!our_round(b, per_round)) return false;
        for (uint32_t i = 0; i < b->n_peers; i++) {
            peer *p = &b->peer[i];
            let_rest(b);
            if (!p->missing) peer_round(b->c->mem, p, times_of_round(b, p->ms.n ? p->ms.p[0] : first, per_round), b->per_time);
        }
    }
    return true;
}

static bool add_peer(bench *b, const char *name)
{
    if (!peer_known(name)) return diag_error(b->c->diag, EXIT_USAGE, "", "bad-value", "--against knows %s, not '%s'", peer_list(b->c->mem), name);
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (!strcmp(b->peer[i].name, name)) return true;
    b->peer[b->n_peers++] = (peer){.name = name};
    return true;
}

/* The engines that --against names: before anything is built, for a name may be wrong. */
static bool name_peers(bench *b)
{
    const options *o = b->c->o;
    for (uint32_t i = 0; i < o->n[OPT_AGAINST]; i++)
        for (const char *s = o->values[OPT_AGAINST][i];; s++) {
            const size_t n = strcspn(s, ",");
            if (!add_peer(b, arena_strndup(b->c->mem, s, n))) return false;
            s += n;
            if (!*s) break;
        }
    return true;
}

/* bench_peer.py and what it imports. */
static bool write_scripts(const bench *b)
{
    static const char stem[] = "compiler/driver/bench_";
    for (const embedded_file *f = onnxcc_embedded; f->name; f++) {
        if (strncmp(f->name, stem, sizeof stem - 1)) continue;
        const char *path = arena_printf(b->c->mem, "%s%s", b->folder, strrchr(f->name, '/')), *why;
        if (!file_write(path, f->data, f->size, &why)) return diag_error(b->c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    }
    return true;
}

static bool start_peers(bench *b)
{
    command *c = b->c;
    const char *script = arena_printf(c->mem, "%s/bench_peer.py", b->folder), *inputs = arena_printf(c->mem, "%s/bench_inputs", b->folder);
    if (!b->n_peers) return true;
    if (!write_scripts(b)) return false;
    for (uint32_t i = 0; i < b->inputs.n; i++)
        if (!tensors_write(c->diag, arena_printf(c->mem, "%s_%u.npz", inputs, i), &b->inputs.p[i])) return false;
    for (uint32_t i = 0; i < b->n_peers; i++) {
        peer *p = &b->peer[i];
        p->answers = arena_printf(c->mem, "%s/bench_%s.npz", b->folder, p->name);
        p->distance = (double)NAN;
        peer_start(c->mem, p, script, b->path, inputs, b->inputs.n, b->threads, c->o->n[OPT_STATE], c->o->values[OPT_STATE]);
    }
    return true;
}

/* ---- whether both computed the same ---- */

static bool can_compare(const tensor *want, const tensor *got)
{
    return want && (want->type == ELEM_STRING) == (got->type == ELEM_STRING) && elem_of(want->type)->kind != 'c' && elem_of(got->type)->kind != 'c';
}

static void compare_strings(peer *p, const tensor *want, const tensor *got)
{
    const int64_t n = tensor_count(got);
    const bool as_many = tensor_count(want) == n;
    for (int64_t i = 0; i < n; i++) p->other_strings += !as_many || strcmp(want->strings[i], got->strings[i]) != 0;
    p->strings += (uint64_t)n;
}

static void compare_numbers(peer *p, const tensor *want, const tensor *got)
{
    output_distance d = {.name = got->name};
    distance_add(&d, want, got);
    const double range = tensor_largest(want), share = d.other_shapes ? (double)INFINITY : d.largest / (range > 0 ? range : 1);
    p->distance = fmax(share, isnan(p->distance) ? 0 : p->distance);
}

static void compare_answers(bench *b, peer *p, const tensor_set *ours)
{
    command *c = b->c;
    const char *why;
    file_view file;
    tensor_set theirs = {.mem = c->mem};
    const bool mapped = file_map(p->answers, &file, &why);
    const bool read = mapped && npz_parse(&theirs, file.data, file.size, &why);
    for (uint32_t i = 0; i < ours->list.n; i++) {
        const tensor *got = ours->list.p[i], *want = read ? tensor_set_find(&theirs, got->name) : NULL;
        if (!can_compare(want, got)) VEC_PUSH(c->mem, p->not_compared, got->name);
        else if (got->type == ELEM_STRING) compare_strings(p, want, got);
        else compare_numbers(p, want, got);
    }
    if (mapped) file_unmap(&file);
}

static bool compare_all(bench *b, const compiled *built)
{
    tensor_set ours = {.mem = b->c->mem};
    if (!b->n_peers) return true;
    session_first(&b->s);
    fill_state(b, built);
    if (!session_call(&b->s, NULL) || !session_outputs(&b->s, &ours)) return false;
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (!b->peer[i].missing) compare_answers(b, &b->peer[i], &ours);
    return true;
}

/* ---- result ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const samples *s, double q)
{
    return s->p[(uint32_t)(q * (double)(s->n - 1) + 0.5)];
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

/* What was timed: "20 runs", "20 times 300 runs", "20 turns through 64 sets". */
static const char *counted(const bench *b)
{
    const uint32_t sets = b->inputs.n, together = b->per_time / sets;
    text t = {.mem = b->c->mem};
    text_addf(&t, "%u ", b->ms.n);
    if (together > 1) text_addf(&t, "times %u ", together);
    text_addf(&t, "%s%s", sets > 1 ? "turn" : "run", plural(together > 1 ? together : b->ms.n));
    if (sets > 1) text_addf(&t, " through %u %ssets", sets, b->c->o->n[OPT_DATA] ? "" : "invented ");
    return t.p;
}

static void print_compared(const bench *b, const peer *p, FILE *out)
{
    if (!isnan(p->distance)) fprintf(out, "; outputs%s differ by at most %.2g of their largest magnitude", b->inputs.n > 1 ? " of the first set" : "", p->distance);
    if (p->strings) fprintf(out, "; %llu of %llu strings differ", (unsigned long long)p->other_strings, (unsigned long long)p->strings);
    for (uint32_t i = 0; i < p->not_compared.n; i++) fprintf(out, "%s%s", i ? ", " : "; not compared: ", p->not_compared.p[i]);
}

static void print_figures(const bench *b, double least)
{
    FILE *out = b->c->out;
    fprintf(out, "%-14s min %s ms, median %s ms, p99 %s ms (%s, %d thread%s", "onnxcc", decimal_of(least, 4).s, decimal_of(quantile(&b->ms, 0.5), 4).s,
            decimal_of(quantile(&b->ms, 0.99), 4).s, counted(b), b->threads, plural((uint32_t)b->threads));
    if (processors() < b->threads) fprintf(out, " on %d processor%s", processors(), plural((uint32_t)processors()));
    fputs(")\n", out);
    for (uint32_t i = 0; i < b->n_peers; i++) {
        const peer *p = &b->peer[i];
        if (p->missing) continue;
        fprintf(out, "%-14s min %s ms, median %s ms; %.2f times ours, by the medians %.2f (%s", p->name, decimal_of(p->ms.p[0], 4).s, decimal_of(quantile(&p->ms, 0.5), 4).s, p->ms.p[0] / least,
                quantile(&p->ms, 0.5) / quantile(&b->ms, 0.5), p->version);
        if (p->threads != b->threads) fprintf(out, ", %d thread%s", p->threads, plural((uint32_t)p->threads));
        fputc(')', out);
        print_compared(b, p, out);
        fputc('\n', out);
    }
}

/* "NAME": of the next in an object; what comes before the one after it. */
static const char *json_key(FILE *to, const char *sep, const char *name)
{
    fprintf(to, "%s\"%s\":", sep, name);
    return ",";
}

static unsigned long long runs_of(const bench *b, const samples *times)
{
    return (unsigned long long)times->n * b->per_time;
}

/* What the comparison of outputs found, beside the largest difference. */
static void json_compared(FILE *to, const bench *b)
{
    const peer *const end = b->peer + b->n_peers;
    const char *sep = "";
    fputs("},\"strings_differ\":{", to);
    for (const peer *p = b->peer; p < end; p++) {
        if (!p->strings) continue;
        sep = json_key(to, sep, p->name);
        fprintf(to, "%.3g", (double)p->other_strings / (double)p->strings);
    }
    sep = "";
    fputs("},\"not_compared\":{", to);
    for (const peer *p = b->peer; p < end; p++) {
        if (!p->not_compared.n) continue;
        sep = json_key(to, sep, p->name);
        for (uint32_t i = 0; i < p->not_compared.n; i++) {
            fputc(i ? ',' : '[', to);
            json_string(to, p->not_compared.p[i]);
        }
        fputc(']', to);
    }
}

static void json_peers(FILE *to, const bench *b, double least)
{
    const peer *const end = b->peer + b->n_peers;
    const char *sep = "";
    fputs("\"peers\":{", to);
    for (const peer *p = b->peer; p < end; p++) {
        if (p->missing) continue;
        sep = json_key(to, sep, p->name);
        fprintf(to, "{\"min\":%s,\"median\":%s,\"runs\":%llu,\"threads\":%d,\"version\":", decimal_of(p->ms.p[0], 6).s, decimal_of(quantile(&p->ms, 0.5), 6).s, runs_of(b, &p->ms), p->threads);
        json_string(to, p->version);
        fputc('}', to);
    }
    sep = "";
    fputs("},\"ratio\":{", to);
    for (const peer *p = b->peer; p < end; p++) {
        if (p->missing) continue;
        sep = json_key(to, sep, p->name);
        fputs(decimal_of(p->ms.p[0] / least, 4).s, to);
    }
    sep = "";
    fputs("},\"difference\":{", to);
    for (const peer *p = b->peer; p < end; p++) {
        if (!isfinite(p->distance)) continue;
        sep = json_key(to, sep, p->name);
        fprintf(to, "%.3g", p->distance);
    }
    json_compared(to, b);
    sep = "";
    fputs("},\"missing\":{", to);
    for (const peer *p = b->peer; p < end; p++) {
        if (!p->missing) continue;
        sep = json_key(to, sep, p->name);
        json_string(to, p->missing);
    }
    fputs("}", to);
}

static void json_modes(FILE *to, const bench *b)
{
    const mode_words w = compile_modes(b->options);
    const bool cuda = target_is_cuda(b->target);
    fprintf(to, "\"optimize\":\"%s\",\"math\":\"%s\",\"%s\":\"%s\"", w.optimize, w.math, cuda ? "gpu_precision" : "precision", cuda ? w.gpu_precision : w.precision);
}

static void json_inputs(FILE *to, const bench *b)
{
    const tensor_set *set = &b->inputs.p[0];
    const char *sep = "";
    fputs("\"inputs\":{", to);
    for (uint32_t i = 0; i < set->list.n; i++) {
        const tensor *t = set->list.p[i];
        sep = json_key(to, sep, t->name);
        for (uint32_t k = 0; k < t->rank; k++) fprintf(to, "%c%lld", k ? ',' : '[', (long long)t->shape[k]);
        fputs(t->rank ? "]" : "[]", to);
    }
    fputs("},", to);
}

static void print_json(const bench *b, double least)
{
    FILE *to = b->c->json ? b->c->json : b->c->out;
    fputs("{\"model\":", to);
    json_string(to, b->path);
    fprintf(to, ",\"target\":\"%s\",", b->target);
    json_modes(to, b);
    fprintf(to, ",\"threads\":%d,\"runs\":%llu,\"sets\":%u,\"runs_per_time\":%u,\"processors\":%d,", b->threads, runs_of(b, &b->ms), b->inputs.n, b->per_time, processors());
    json_inputs(to, b);
    fprintf(to, "\"ms\":{\"min\":%s,\"median\":%s,\"p99\":%s},", decimal_of(least, 6).s, decimal_of(quantile(&b->ms, 0.5), 6).s, decimal_of(quantile(&b->ms, 0.99), 6).s);
    json_peers(to, b, least);
    if (b->options->profile) {
        fputs(",\"steps\":", to);
        profile_json(&b->steps, to);
    }
    fputs("}\n", to);
}

/* An engine that was asked for and has no figure is an error, which comes after ours are printed. */
static void report_missing(const bench *b)
{
    for (uint32_t i = 0; i < b->n_peers; i++) {
        const peer *p = &b->peer[i];
        if (!p->missing) continue;
        diag_error(b->c->diag, EXIT_UNSUPPORTED, "", "peer-missing", "no figure of %s: %s", p->name, p->missing);
        if (p->absent) diag_hint(b->c->diag, "$ONNXCC_PYTHON says which Python has it; `onnxcc doctor` lists what the present one has");
    }
}

static void report(bench *b)
{
    qsort(b->ms.p, b->ms.n, sizeof *b->ms.p, by_value);
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (b->peer[i].ms.n) qsort(b->peer[i].ms.p, b->peer[i].ms.n, sizeof *b->peer[i].ms.p, by_value);
    if (!b->c->quiet && b->c->json != stdout) print_figures(b, b->ms.p[0]);
    print_json(b, b->ms.p[0]);
    report_missing(b);
}

static bool bench_in(bench *b)
{
    command *c = b->c;
    compile_options o;
    compiled built = {0};
    const char *library;
    cuda_mode mode;
    if (!name_peers(b) || !command_compile_options(c, &o) || !cuda_mode_of(c->o, c->diag, o.target, &mode)) return false;
    o.emit = 0;
    b->options = &o;
    b->threads = o.threads;
    model *m = load_for_build(c->mem, c->diag, b->path);
    if (!m || !bench_inputs(c, m, &o, &b->inputs) || !build_library(c->mem, m, &o, b->folder, "", mode, &built, &library)) return false;
    double first;
    const tensor_set *given = &b->inputs.p[0];
    bool ok = session_open(&b->s, c->mem, c->diag, library, built.name, o.threads) && session_bind(&b->s, given) && bench_worth(c, &b->s, given);
    if (ok) fill_state(b, &built);
    ok = ok && add_sets(b, &first) && start_peers(b) && measure(b, first) && compare_all(b, &built);
    for (uint32_t i = 0; i < b->n_peers; i++) peer_stop(&b->peer[i]);
    b->target = built.target;
    if (ok && o.profile) ok = profile_steps(&b->s, &built, PROFILED_RUNS, &b->steps);
    if (ok && o.profile) profile_print(&b->steps, c->json == stdout ? stderr : c->out);
    if (ok) report(b);
    session_close(&b->s);
    return ok;
}

exit_code verb_bench(command *c)
{
    bench b = {.c = c, .path = c->o->args.p[0]};
    bool temporary;
    if (!(b.folder = build_folder(c, &temporary))) return diag_exit(c->diag);
    (void)bench_in(&b);
    if (temporary) folder_remove(b.folder);
    return diag_exit(c->diag);
}
