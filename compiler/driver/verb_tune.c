/* verb_tune.c - `onnxcc tune MODEL -o FILE`: times the ways that the plan has for each step, on this machine, and writes the best ones to a text file.
 *
 * A first compilation lists the questions (plan/tuning.h). Then variants are built: in the v-th, every shape is computed in its v-th way. All are loaded, run in
 * turns, and each step is timed, so that every way is measured in the model, with caches as they are there. How steps are split over threads shows only in the
 * whole run, for what one thread writes another one reads: those ways are tried one after the other, against the best so far. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "driver/bench_inputs.h"
#include "driver/build.h"
#include "driver/command.h"
#include "driver/compare.h"
#include "driver/data_set.h"
#include "driver/inputs.h"
#include "driver/output_distance.h"
#include "driver/profile.h"
#include "driver/tuning_file.h"
#include "target/target.h"

static const double LEAST_GAIN = 1.03, WHOLE_GAIN = 1.01; /* of a step, of the model: less is left to the plan */
static const double ROUND_MS = 20, SPLIT_NS = 60000; /* steps that take longer than that are split in any case */
enum { ROUNDS = 12, MOST_RUNS = 200, SET_BACK = 3 /* times that choices are set back */ };

/* The model, built with one choice for each question. */
typedef struct {
    tuning *choices;
    compiled built;
    session s;
    double *least; /* ms of each step, by id - 1 */
    double run;    /* ms of the shortest whole run */
    bool open, differs;
} variant;

typedef struct {
    command *c;
    const char *path, *folder;
    compile_options o;
    input_sets inputs;
    uint32_t n_built;
    int rounds;
    double tolerance; /* of outputs, of their range */
    VEC(tuning_result) results;
    uint32_t n_unmeasured; /* shapes */
} tuner;

/* What it is at, on stderr, for it may take minutes. */
static void progress(const tuner *t, const char *fmt, ...)
{
    va_list list;
    if (t->c->quiet) return;
    va_start(list, fmt);
    vfprintf(stderr, fmt, list);
    va_end(list);
}

/* ---- variants ---- */

static tuning *no_choices(const tuner *t)
{
    tuning *made = ARENA_NEW(t->c->mem, tuning);
    *made = (tuning){.mem = t->c->mem};
    return made;
}

static tuning *with_choice(const tuner *t, const tuning *others, const char *shape, const char *choice)
{
    tuning *made = no_choices(t);
    for (uint32_t i = 0; others && i < others->entries.n; i++)
        if (!shape || strcmp(others->entries.p[i].shape, shape)) VEC_PUSH(made->mem, made->entries, ((tuning_entry){.shape = others->entries.p[i].shape, .choice = others->entries.p[i].choice}));
    if (shape) VEC_PUSH(made->mem, made->entries, ((tuning_entry){.shape = shape, .choice = choice}));
    return made;
}

static bool build(tuner *t, variant *v, bool profile)
{
    command *c = t->c;
    const char *library, *folder = arena_printf(c->mem, "%s/%u", t->folder, t->n_built++);
    compile_options o = t->o;
    model *m = load_for_build(c->mem, c->diag, t->path);
    o.tuning = v->choices;
    o.profile = o.profile_bands = profile;
    if (!m) return false;
    if (!folder_make(c->diag, folder)) return false;
    if (!build_library(c->mem, m, &o, folder, "", CUDA_DEVICE, &v->built, &library)) return false;
    v->open = true;
    v->run = INFINITY;
    v->least = ARENA_ARRAY(c->mem, double, v->built.n_steps + 1);
    for (uint32_t i = 0; i < v->built.n_steps; i++) v->least[i] = INFINITY;
    return session_open(&v->s, c->mem, c->diag, library, v->built.name, o.threads) && session_bind(&v->s, &t->inputs.p[0]) && bench_worth(c, &v->s, &t->inputs.p[0]) && session_call(&v->s, NULL);
}

static void close_variant(variant *v)
{
    if (v->open) session_close(&v->s);
    v->open = false;
}

/* Does it compute what the first one does, within the tolerance? */
static bool check_outputs(tuner *t, variant *first, variant *v)
{
    tensor_set want = {.mem = t->c->mem}, got = {.mem = t->c->mem};
    if (!session_outputs(&first->s, &want) || !session_outputs(&v->s, &got)) return false;
    for (uint32_t i = 0; i < want.list.n && i < got.list.n; i++) {
        output_distance d = {0};
        if (want.list.p[i]->type == ELEM_STRING || elem_of(want.list.p[i]->type)->kind == 'c') continue;
        distance_add(&d, want.list.p[i], got.list.p[i]);
        const double range = tensor_largest(want.list.p[i]);
        v->differs |= d.other_shapes || d.largest > t->tolerance * (range > 0 ? range : 1);
    }
    if (v->differs) diag_warn(t->c->diag, "", "tune-differs", "a way was left out that computes something else; please report it with the model");
    return true;
}

/* A round of one variant: its shortest run, and with `steps` that of each step. */
static bool time_round(variant *v, bool steps)
{
    double ms, spent = 0;
    if (!session_call(&v->s, &ms)) return false; /* wakes threads, fills caches */
    for (int i = 0; i < MOST_RUNS && spent < ROUND_MS; i++, spent += ms) {
        if (steps ? !profile_least(&v->s, v->built.n_steps, v->least, &ms) : !session_call(&v->s, &ms)) return false;
        v->run = fmin(v->run, ms);
    }
    return true;
}

static bool time_all(const tuner *t, variant *v, uint32_t n, bool steps)
{
    for (int r = 0; r < t->rounds; r++)
        for (uint32_t i = 0; i < n; i++)
            if (!time_round(&v[i], steps)) return false;
    return true;
}

/* ---- ways to compute a step ---- */

static const tuning_question *question_of(const variant *v, const char *shape)
{
    for (uint32_t i = 0; i < v->choices->questions.n; i++)
        if (!strcmp(v->choices->questions.p[i].shape, shape)) return &v->choices->questions.p[i];
    return NULL;
}

static double step_time(const variant *v, const char *shape)
{
    const tuning_question *q = question_of(v, shape);
    double sum = 0;
    bool any = false;
    for (uint32_t i = 0; q && i < q->steps.n; i++) {
        const double ms = v->least[q->steps.p[i] - 1];
        if (!isfinite(ms)) continue; /* in a branch that is not taken */
        sum += ms;
        any = true;
    }
    return any ? sum : INFINITY;
}

static void note_result(tuner *t, const char *shape, const char *choice, const char *over, double gain)
{
    if (choice == over) progress(t, "%s: %s, as planned\n", shape, choice);
    else progress(t, "%s: %s, %.2f times as fast as %s\n", shape, choice, gain, over);
    VEC_PUSH(t->c->mem, t->results, ((tuning_result){.shape = shape, .choice = choice, .over = over, .gain = gain}));
}

/* What was faster is not taken, but this. */
static void give_up(const tuner *t, tuning_result *r, const char *why, const char *choice, double gain)
{
    if (r->choice == choice) return;
    progress(t, "%s: %s not taken: %s\n", r->shape, r->choice, why);
    if (choice != r->over) progress(t, "%s: %s instead, %.2f times as fast as %s\n", r->shape, choice, gain, r->over);
    if (!r->better) { /* of several the file says the fastest */
        r->better = r->choice;
        r->better_gain = r->gain;
        r->why = why;
    }
    r->choice = choice;
    r->gain = gain;
}

/* Why a way is not taken whose weights are too many. */
static const char *no_room(const tuner *t)
{
    return arena_printf(t->c->mem, "weights beyond what --optimize=%s allows", compile_modes(&t->o).optimize);
}

/* Was variant k built of the k-th way? It may have had no room for its weights. */
static bool built_so(const tuning_question *q, const variant *v, uint32_t k)
{
    const tuning_question *own = question_of(&v[k], q->shape);
    return own && !strcmp(own->word[own->taken], q->word[k]);
}

/* The best way for the question, of all or of those without more weights; 0 where none is better than the plan's. Variant number k has the k-th. */
static uint32_t best_way(const tuning_question *q, const variant *v, uint32_t n, bool all, double *gain)
{
    uint32_t least = 0;
    for (uint32_t k = 1; k < n && k < q->n; k++)
        if ((all || !tuning_is_winograd(q->word[k])) && built_so(q, v, k) && !v[k].differs && step_time(&v[k], q->shape) < step_time(&v[least], q->shape)) least = k;
    *gain = step_time(&v[0], q->shape) / step_time(&v[least], q->shape);
    if (*gain >= LEAST_GAIN) return least;
    *gain = 1;
    return 0;
}

static void choose_way(tuner *t, const tuning_question *q, const variant *v, uint32_t n, tuning *best)
{
    double gain, spare_gain;
    if (!isfinite(step_time(&v[0], q->shape))) {
        t->n_unmeasured++;
        progress(t, "%s: not measured: no step that computes it runs with these inputs\n", q->shape);
        return;
    }
    for (uint32_t k = 1; k < n && k < q->n; k++)
        if (!built_so(q, v, k)) progress(t, "%s: %s not measured: %s\n", q->shape, q->word[k], no_room(t));
    const uint32_t least = best_way(q, v, n, true, &gain), spare = best_way(q, v, n, false, &spare_gain);
    note_result(t, q->shape, q->word[least], q->word[0], gain);
    tuning_result *r = &t->results.p[t->results.n - 1];
    r->spare = q->word[spare];
    r->spare_gain = spare_gain;
    VEC_PUSH(best->mem, best->entries, ((tuning_entry){.shape = q->shape, .choice = q->word[least]}));
}

/* The plan's own variant is v[0]; the others are built of its questions. */
static bool tune_kernels(tuner *t, tuning *best)
{
    variant v[TUNING_WORDS] = {{.choices = no_choices(t)}};
    uint32_t n = 1, most = 1;
    progress(t, "building: as planned\n");
    bool ok = build(t, &v[0], true);
    for (uint32_t i = 0; ok && i < v[0].choices->questions.n; i++)
        if (!tuning_is_split(v[0].choices->questions.p[i].shape) && v[0].choices->questions.p[i].n > most) most = v[0].choices->questions.p[i].n;
    for (; ok && n < most; n++) {
        progress(t, "building: way %u of %u\n", n + 1, most);
        v[n].choices = no_choices(t);
        for (uint32_t i = 0; i < v[0].choices->questions.n; i++) {
            const tuning_question *q = &v[0].choices->questions.p[i];
            if (!tuning_is_split(q->shape) && n < q->n) VEC_PUSH(v[n].choices->mem, v[n].choices->entries, ((tuning_entry){.shape = q->shape, .choice = q->word[n]}));
        }
        ok = build(t, &v[n], true) && check_outputs(t, &v[0], &v[n]);
    }
    if (ok && n > 1) {
        progress(t, "measuring: %u builds in turns, %d round%s\n", n, t->rounds, t->rounds == 1 ? "" : "s");
        ok = time_all(t, v, n, true);
    }
    for (uint32_t i = 0; ok && i < v[0].choices->questions.n; i++)
        if (!tuning_is_split(v[0].choices->questions.p[i].shape)) choose_way(t, &v[0].choices->questions.p[i], v, n, best);
    for (uint32_t i = 0; i < n; i++) close_variant(&v[i]);
    return ok;
}

/* ---- threads ---- */

/* Each way of splitting steps of one shape, against the best so far (pair[0]), which becomes the better one. */
static bool try_splits(tuner *t, const tuning_question *q, variant *pair)
{
    double gain = 1;
    const char *choice = q->word[0];
    for (uint32_t k = 1; k < q->n; k++) {
        progress(t, "measuring: %s: %s\n", q->shape, q->word[k]);
        pair[1] = (variant){.choices = with_choice(t, pair[0].choices, q->shape, q->word[k])};
        if (!build(t, &pair[1], false) || !check_outputs(t, &pair[0], &pair[1])) return false;
        pair[0].run = INFINITY;
        if (!time_all(t, pair, 2, false)) return false;
        const bool better = !pair[1].differs && pair[1].run * LEAST_GAIN < pair[0].run;
        if (better) {
            gain *= pair[0].run / pair[1].run;
            choice = q->word[k];
            const variant last = pair[0];
            pair[0] = pair[1];
            pair[1] = last;
        }
        close_variant(&pair[1]);
    }
    note_result(t, q->shape, choice, q->word[0], gain);
    return true;
}

static bool tune_splits(tuner *t, tuning *best)
{
    variant pair[2] = {{.choices = with_choice(t, best, NULL, NULL)}, {0}};
    bool ok = build(t, &pair[0], false);
    const tuning asked = *pair[0].choices;
    for (uint32_t i = 0; ok && i < asked.questions.n; i++) {
        const tuning_question *q = &asked.questions.p[i];
        if (tuning_is_split(q->shape) && q->ns < SPLIT_NS) ok = try_splits(t, q, pair);
    }
    close_variant(&pair[0]);
    close_variant(&pair[1]);
    return ok;
}

/* ---- the whole ---- */

static bool build_tuned(tuner *t, variant *v)
{
    *v = (variant){.choices = no_choices(t)};
    for (uint32_t i = 0; i < t->results.n; i++) VEC_PUSH(v->choices->mem, v->choices->entries, ((tuning_entry){.shape = t->results.p[i].shape, .choice = t->results.p[i].choice}));
    return build(t, v, false);
}

/* Has what was chosen otherwise taken the room of weights that the plan has? */
static bool takes_room_of_plan(const tuner *t, const variant *v)
{
    bool planned = false, other = false;
    for (uint32_t i = 0; i < t->results.n; i++) {
        const tuning_result *r = &t->results.p[i];
        planned |= r->choice == r->over && v->choices->entries.p[i].no_room;
        other |= r->choice != r->over && tuning_is_winograd(r->choice);
    }
    return planned && other;
}

/* Choices that can't be followed together are set back: each may have fitted alone into what --optimize leaves for weights. How a step was split is
 * left out then, for another kernel has other pieces. True: there was one. */
static bool set_back(tuner *t, const variant *v)
{
    const bool crowded = takes_room_of_plan(t, v);
    uint32_t kept = 0, n = t->results.n;
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        tuning_result r = t->results.p[i];
        const tuning_entry *e = &v->choices->entries.p[i];
        if (crowded ? r.choice != r.over && tuning_is_winograd(r.choice) : e->refused) {
            any = true;
            if (r.choice == r.over) continue;
            if (e->no_room || crowded) give_up(t, &r, no_room(t), r.spare, r.spare_gain);
            else give_up(t, &r, "no way to compute it beside the other choices", r.over, 1);
        }
        t->results.p[kept++] = r;
    }
    t->results.n = kept;
    return any;
}

/* Steps were faster, but the model is not: what one gained another one lost, or it was noise. Splits were those of the kernels that are given up. */
static void keep_plan(tuner *t)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->results.n; i++) {
        tuning_result r = t->results.p[i];
        give_up(t, &r, "the whole model gains less than 1 %", r.over, 1);
        if (tuning_is_split(r.shape)) continue;
        t->results.p[kept++] = r;
    }
    t->results.n = kept;
}

static void print_report(tuner *t, double before, double after)
{
    const command *c = t->c;
    uint32_t changed = 0, not_taken = 0;
    decimal was, is;
    for (uint32_t i = 0; i < t->results.n; i++) {
        changed += strcmp(t->results.p[i].choice, t->results.p[i].over) != 0;
        not_taken += t->results.p[i].better != NULL;
    }
    if (!changed) before = after = fmin(before, after); /* of the same code: what differs is noise */
    was = decimal_of(before, 6);
    is = decimal_of(after, 6);
    if (c->json) {
        fputs("{\"model\":", c->json);
        json_string(c->json, t->path);
        fprintf(c->json, ",\"threads\":%d,\"shapes\":%u,\"changed\":%u,\"not_taken\":%u,\"not_measured\":%u,\"ms\":{\"plan\":%s,\"tuned\":%s}}\n", t->o.threads, t->results.n, changed, not_taken, t->n_unmeasured, was.s, is.s);
    }
    if (c->quiet || c->json == stdout) return;
    const char *rest = t->n_unmeasured ? arena_printf(c->mem, ", %u not measured", t->n_unmeasured) : "";
    if (!t->results.n && !t->n_unmeasured) {
        fprintf(c->out, "no step of the model has more than one way to be computed: %s ms\n", decimal_of(before, 4).s);
        return;
    }
    fprintf(c->out, "%u shape%s, ", t->results.n, t->results.n == 1 ? "" : "s");
    if (changed) fprintf(c->out, "%u of them better otherwise%s: %s ms, before %s ms\n", changed, rest, decimal_of(after, 4).s, decimal_of(before, 4).s);
    else if (not_taken) fprintf(c->out, "%u of them better otherwise, but not taken%s: %s ms\n", not_taken, rest, decimal_of(before, 4).s);
    else fprintf(c->out, "none of them better than planned%s: %s ms\n", rest, decimal_of(before, 4).s);
}

/* The model with all choices against the model without. */
static bool report(tuner *t)
{
    variant pair[2] = {{.choices = no_choices(t)}, {0}};
    progress(t, "measuring: the model without these choices and with them\n");
    bool ok = build(t, &pair[0], false) && build_tuned(t, &pair[1]);
    for (int k = 0; ok && k < SET_BACK && set_back(t, &pair[1]); k++) {
        close_variant(&pair[1]);
        ok = build_tuned(t, &pair[1]);
    }
    ok = ok && time_all(t, pair, 2, false);
    if (ok && pair[1].run * WHOLE_GAIN > pair[0].run) keep_plan(t);
    if (ok) print_report(t, pair[0].run, pair[1].run);
    close_variant(&pair[0]);
    close_variant(&pair[1]);
    return ok;
}

/* Choices name shapes with all their sizes, so only a model of those sizes finds them. */
static void say_sizes(const tuner *t, const arguments *sizes)
{
    text list = {.mem = t->c->mem};
    for (uint32_t i = 0; i < sizes->n; i++) tuning_size_option(&list, sizes->p[i]);
    if (list.n && t->results.n) progress(t, "these choices are for the sizes that were measured: `onnxcc compile --tuning` finds them with %s\n", list.p);
}

static bool tune_in(tuner *t, const char *output)
{
    command *c = t->c;
    const char *why;
    if (!command_compile_options(c, &t->o)) return false;
    const char *name = t->o.target;
    if (target_is_cuda(name) || (name && !strcmp(name, "auto"))) return diag_error(c->diag, EXIT_USAGE, "", "target", "tune is for targets of C");
    t->rounds = (int)opt_int(c->o, OPT_REPEAT, ROUNDS);
    t->tolerance = t->o.precision == PRECISION_FP32 ? 1e-3 : 1.0 / 32;
    if (!file_can_write(output, &why)) return diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", output, why);
    model *m = load_for_build(c->mem, c->diag, t->path);
    if (!m || !bench_inputs(c, m, &t->o, &t->inputs)) return false;
    const arguments sizes = bench_sizes(m, &t->inputs.p[0]);
    tuning *best = no_choices(t);
    if (!tune_kernels(t, best) || (t->o.threads > 1 && !tune_splits(t, best)) || !report(t)) return false;
    text out = {.mem = c->mem};
    tuning_text(t->results.p, t->results.n, &t->o, &sizes, &out);
    if (!file_write(output, out.p, out.n, &why)) return diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", output, why);
    say_sizes(t, &sizes);
    return true;
}

exit_code verb_tune(command *c)
{
    tuner t = {.c = c, .path = c->o->args.p[0]};
    bool temporary;
    const char *output = opt_text(c->o, OPT_OUTPUT, NULL);
    if (!output) {
        diag_error(c->diag, EXIT_USAGE, "", "output", "'tune' needs -o FILE to write to");
        return EXIT_USAGE;
    }
    if (!(t.folder = build_folder(c, &temporary))) return diag_exit(c->diag);
    const bool ok = tune_in(&t, output);
    if (temporary) folder_remove(t.folder);
    return ok ? EXIT_OK : diag_exit(c->diag);
}
