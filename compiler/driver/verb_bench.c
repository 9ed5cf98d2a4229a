/* verb_bench.c - `onnxcc bench MODEL`: run time, and that of other engines measured in the same rounds, so that whatever else the machine does
 * hits all of them. The model's dimensions are pinned to those of the inputs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/embedded.h"
#include "driver/build.h"
#include "driver/command.h"
#include "driver/compare.h"
#include "driver/data_set.h"
#include "driver/inputs.h"
#include "driver/output_distance.h"
#include "driver/peer.h"
#include "driver/profile.h"

enum { MAX_PEERS = 8, LEAST_ROUNDS = 5, MOST_ROUNDS = 500, MOST_PER_ROUND = 2000 };
enum { PROFILED = 20 /* runs */ };
static const double ROUND_MS = 50, TOTAL_MS = 2000;

typedef struct {
    command *c;
    const char *path, *folder;
    tensor_set inputs;
    session s;
    samples ms;
    peer peer[MAX_PEERS];
    uint32_t n_peers;
    int threads;
} bench;

/* ---- inputs ---- */

/* A fixed sequence of numbers in [0, 1) (splitmix64), so that every run measures the same data. */
static double next_number(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Size of dimension `axis` of an input without a tensor: its constant, what --dim says (by symbol or as INPUT:AXIS), else 1. */
static int64_t invented_dim(arena *a, model *m, const compile_options *o, const value *input, int32_t axis)
{
    const dim d = input->type.shape[axis];
    int64_t size;
    if (dim_is_const(m->dims, d, &size)) return size;
    const char *symbol = dim_kind_of(m->dims, d) == DIM_SYMBOL ? dim_name(m->dims, d) : "", *place = arena_printf(a, "%s:%d", input->name, axis);
    for (uint32_t i = 0; i < o->dims.n; i++)
        if (!strcmp(o->dims.p[i].name, symbol) || !strcmp(o->dims.p[i].name, place)) return o->dims.p[i].lo > 0 ? o->dims.p[i].lo : 1;
    return 1;
}

/* A tensor for an input that none was given for: floats in [0, 1), integers 0 and 1. NULL for what can't be invented. */
static tensor *invent(arena *a, model *m, const compile_options *o, const value *v)
{
    const type *t = &v->type;
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->elem == ELEM_STRING || elem_of(t->elem)->kind == 'c') return NULL;
    int64_t *shape = ARENA_ARRAY(a, int64_t, t->rank + 1);
    for (int32_t i = 0; i < t->rank; i++) shape[i] = invented_dim(a, m, o, v, i);
    for (uint32_t k = 0; k < o->shapes.n; k++)
        if (!strcmp(o->shapes.p[k].input, v->name))
            for (uint32_t i = 0; i < o->shapes.p[k].rank && i < (uint32_t)t->rank; i++)
                if (o->shapes.p[k].dim[i] >= 0) shape[i] = o->shapes.p[k].dim[i];
    tensor *r = tensor_new(a, t->elem, (uint32_t)t->rank, shape);
    r->name = v->name;
    uint64_t state = 1;
    const int64_t n = tensor_count(r);
    for (int64_t i = 0; i < n; i++) {
        const double x = next_number(&state);
        elem_set_double(r->type, (void *)(uintptr_t)r->data, (size_t)i, elem_of(r->type)->kind == 'f' ? x : x < 0.5 ? 0 : 1);
    }
    return r;
}

/* Is `name` a dimension of an input: its symbol, or INPUT:AXIS? */
static bool input_dim(model *m, const char *name)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const size_t n = strlen(v->name);
        if (!strncmp(name, v->name, n) && name[n] == ':') return true;
        for (int32_t k = 0; k < v->type.rank; k++)
            if (dim_kind_of(m->dims, v->type.shape[k]) == DIM_SYMBOL && !strcmp(dim_name(m->dims, v->type.shape[k]), name)) return true;
    }
    return false;
}

/* Drops the --dim options that the pinned shapes already say; those for sizes that data decide stay. */
static void drop_input_dims(model *m, compile_options *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->dims.n; i++)
        if (!input_dim(m, o->dims.p[i].name)) o->dims.p[n++] = o->dims.p[i];
    o->dims.n = n;
}

/* Every input has a tensor, and the compiler's options pin its shape. */
static bool pin_inputs(bench *b, model *m, compile_options *o)
{
    command *c = b->c;
    const graph *g = model_main(m);
    if (g->inputs.n == 1 && b->inputs.list.n == 1) b->inputs.list.p[0]->name = value_at(m, g->inputs.p[0])->name;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        tensor *t = tensor_set_find(&b->inputs, v->name);
        if (!t) {
            t = invent(c->mem, m, o, v);
            if (!t) {
                diag_error(c->diag, EXIT_USAGE, at_value(m, g->inputs.p[i]), "missing-input", "give a tensor for this input");
                return diag_hint(c->diag, "--input FILE.npz");
            }
            VEC_PUSH(c->mem, b->inputs.list, t);
        }
        shape_override s = {.input = v->name, .rank = t->rank};
        if (t->rank > sizeof s.dim / sizeof *s.dim)
            return diag_error(c->diag, EXIT_LIMIT, at_value(m, g->inputs.p[i]), "rank-limit", "too many dimensions");
        for (uint32_t k = 0; k < t->rank; k++) s.dim[k] = t->shape[k];
        VEC_PUSH(c->mem, o->shapes, s);
        if (c->quiet || shape_is_static(m, &v->type, NULL)) continue;
        fprintf(stderr, "input '%s' is pinned to ", v->name);
        for (uint32_t k = 0; k < t->rank; k++) fprintf(stderr, k ? "x%lld" : "%lld", (long long)t->shape[k]);
        fputc('\n', stderr);
    }
    drop_input_dims(m, o);
    return true;
}

/* ---- measuring ---- */

/* Threads of an engine go on spinning for a while after its round, on processors that the next one's threads want. */
static void let_rest(const bench *b)
{
    const struct timespec rest = {0, 30000000};
    if (b->threads > 1 && b->n_peers) nanosleep(&rest, NULL);
}

static bool our_round(bench *b, int k)
{
    double ms;
    let_rest(b);
    if (b->threads > 1 && !session_call(&b->s, &ms)) return false; /* wakes our own */
    for (int i = 0; i < k; i++) {
        if (!session_call(&b->s, &ms)) return false;
        VEC_PUSH(b->c->mem, b->ms, ms);
    }
    return true;
}

static bool measure(bench *b)
{
    double first = 0;
    for (int i = 0; i < 3; i++)
        if (!session_call(&b->s, &first)) return false;
    const int per_round = first >= ROUND_MS ? 1 : first > 0 ? (int)fmin(ROUND_MS / first + 1, MOST_PER_ROUND) : MOST_PER_ROUND;
    const double fit = TOTAL_MS / fmax(first * per_round, 1e-3);
    const int rounds = (int)opt_int(b->c->o, OPT_REPEAT, (long long)fmin(fmax(fit, LEAST_ROUNDS), MOST_ROUNDS));
    for (int r = 0; r < rounds; r++) {
        if (!our_round(b, per_round)) return false;
        for (uint32_t i = 0; i < b->n_peers; i++) {
            peer *p = &b->peer[i];
            const double theirs = p->ms.n ? p->ms.p[0] : first;
            let_rest(b);
            const int k = theirs >= ROUND_MS ? 1 : (int)fmin(ROUND_MS / fmax(theirs, 1e-3) + 1, per_round);
            if (!p->missing && !peer_round(b->c->mem, p, k)) p->missing = "it ended during the measurement";
        }
    }
    return true;
}

static bool start_peers(bench *b)
{
    command *c = b->c;
    const char *script = arena_printf(c->mem, "%s/bench_peer.py", b->folder), *npz = arena_printf(c->mem, "%s/bench_inputs.npz", b->folder),
               *why = "missing";
    if (!c->o->n[OPT_AGAINST]) return true;
    bool ok = false;
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        if (!strcmp(f->name, "compiler/driver/bench_peer.py")) ok = file_write(script, f->data, f->size, &why);
    if (!ok) return diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", script, why);
    if (!tensors_write(c->diag, npz, &b->inputs)) return false;
    for (uint32_t i = 0; i < c->o->n[OPT_AGAINST]; i++)
        for (const char *s = c->o->values[OPT_AGAINST][i]; *s && b->n_peers < MAX_PEERS;) {
            const size_t n = strcspn(s, ",");
            peer *p = &b->peer[b->n_peers++];
            p->name = arena_strndup(c->mem, s, n);
            s += n + (s[n] == ',');
            if (strcmp(p->name, "onnxruntime") && strcmp(p->name, "openvino") && strcmp(p->name, "openvino-bf16"))
                return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--against knows onnxruntime, openvino and openvino-bf16, not '%s'", p->name);
            p->answers = arena_printf(c->mem, "%s/bench_%s.npz", b->folder, p->name);
            p->distance = (double)NAN;
            peer_start(c->mem, p, script, b->path, npz, b->threads);
            if (p->missing) fprintf(stderr, "%s can't be measured: %s\n", p->name, p->missing);
        }
    return true;
}

/* ---- whether both computed the same ---- */

static void compare_answers(bench *b, peer *p, const tensor_set *ours)
{
    command *c = b->c;
    const char *why;
    file_view file;
    tensor_set theirs = {.mem = c->mem};
    if (!file_map(p->answers, &file, &why)) return;
    if (npz_parse(&theirs, file.data, file.size, &why)) {
        for (uint32_t i = 0; i < ours->list.n; i++) {
            const tensor *got = ours->list.p[i], *want = tensor_set_find(&theirs, got->name);
            if (!want || got->type == ELEM_STRING || elem_of(got->type)->kind == 'c') continue;
            output_distance d = {.name = got->name};
            distance_add(&d, want, got);
            const double range = tensor_largest(want), share = d.other_shapes ? (double)INFINITY : d.largest / (range > 0 ? range : 1);
            p->distance = fmax(share, isnan(p->distance) ? 0 : p->distance);
        }
    }
    file_unmap(&file);
}

static bool compare_all(bench *b)
{
    tensor_set ours = {.mem = b->c->mem};
    if (!b->n_peers) return true;
    if (!session_outputs(&b->s, &ours)) return false;
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

static void report(bench *b)
{
    command *c = b->c;
    qsort(b->ms.p, b->ms.n, sizeof *b->ms.p, by_value);
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (b->peer[i].ms.n) qsort(b->peer[i].ms.p, b->peer[i].ms.n, sizeof *b->peer[i].ms.p, by_value);
    const double least = b->ms.p[0];
    if (!c->quiet && c->json != stdout) {
        fprintf(c->out, "%-14s min %.4g ms, median %.4g ms, p99 %.4g ms (%u runs, %d thread%s)\n", "onnxcc", least, quantile(&b->ms, 0.5),
                quantile(&b->ms, 0.99), b->ms.n, b->threads, b->threads == 1 ? "" : "s");
        for (uint32_t i = 0; i < b->n_peers; i++) {
            const peer *p = &b->peer[i];
            if (!p->ms.n) continue;
            fprintf(c->out, "%-14s min %.4g ms, median %.4g ms; %.2f times ours (%s)", p->name, p->ms.p[0], quantile(&p->ms, 0.5), p->ms.p[0] / least, p->version);
            if (!isnan(p->distance)) fprintf(c->out, "; outputs differ by at most %.2g of their largest magnitude", p->distance);
            fputc('\n', c->out);
        }
    }
    FILE *to = c->json ? c->json : c->out;
    fputs("{\"model\":", to);
    json_string(to, b->path);
    fprintf(to, ",\"threads\":%d,\"ms\":{\"min\":%.6g,\"median\":%.6g,\"p99\":%.6g},\"peers\":{", b->threads, least, quantile(&b->ms, 0.5),
            quantile(&b->ms, 0.99));
    const char *sep = "";
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (b->peer[i].ms.n) {
            fprintf(to, "%s\"%s\":{\"min\":%.6g,\"median\":%.6g}", sep, b->peer[i].name, b->peer[i].ms.p[0], quantile(&b->peer[i].ms, 0.5));
            sep = ",";
        }
    fputs("},\"ratio\":{", to);
    sep = "";
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (b->peer[i].ms.n) {
            fprintf(to, "%s\"%s\":%.4g", sep, b->peer[i].name, b->peer[i].ms.p[0] / least);
            sep = ",";
        }
    fputs("},\"difference\":{", to);
    sep = "";
    for (uint32_t i = 0; i < b->n_peers; i++)
        if (isfinite(b->peer[i].distance)) {
            fprintf(to, "%s\"%s\":%.3g", sep, b->peer[i].name, b->peer[i].distance);
            sep = ",";
        }
    fputs("}}\n", to);
}

static bool bench_in(bench *b)
{
    command *c = b->c;
    compile_options o;
    compiled built = {0};
    const char *library;
    cuda_mode mode;
    if (!command_compile_options(c, &o) || !cuda_mode_of(c->o, c->diag, o.target, &mode)) return false;
    o.emit = 0;
    b->threads = o.threads;
    model *m = load_for_build(c->mem, c->diag, b->path);
    if (!m || !pin_inputs(b, m, &o) || !build_library(c->mem, m, &o, b->folder, "", mode, &built, &library)) return false;
    bool ok = session_open(&b->s, c->mem, c->diag, library, built.name, o.threads) && session_bind(&b->s, &b->inputs) && start_peers(b) && measure(b) && compare_all(b);
    for (uint32_t i = 0; i < b->n_peers; i++) peer_stop(&b->peer[i]);
    if (ok && o.profile) ok = profile_print(&b->s, &built, PROFILED, c->json == stdout ? stderr : c->out);
    if (ok) report(b);
    session_close(&b->s);
    return ok;
}

exit_code verb_bench(command *c)
{
    bench b = {.c = c, .path = c->o->args.p[0], .inputs.mem = c->mem};
    bool temporary;
    if (!inputs_read(c, &b.inputs) || !(b.folder = build_folder(c, &temporary))) return diag_exit(c->diag);
    const bool ok = bench_in(&b);
    if (temporary) folder_remove(b.folder);
    return ok ? EXIT_OK : diag_exit(c->diag);
}
