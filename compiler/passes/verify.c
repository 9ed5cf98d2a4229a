/* verify.c - runs a model inside the compiler and compares two runs; see verify.h.
 *
 * in:  a typed graph. out: for each trial (sizes of the free dims, kind of input data) the outputs' shapes and elements.
 * A trial whose sizes do not suit the model (a load outside a tensor) counts only if it ran before the pass. Products and convolutions run
 * as nests. Loops are not run, nor models of too many multiply-adds: then nothing is compared, and the compiler says so. */
#include "passes/verify.h"

#include <math.h>
#include <string.h>

#include "check/check.h"
#include "ops/ops.h"
#include "passes/inline.h"
#include "proto/save.h"

enum { WORK = 1 << 26 };        /* points of all nests of one trial */
static const double TOLERANCE = 1e-5; /* of an output's largest magnitude, for passes that round anew */
static const double STEP = 0x1p-7;    /* likewise, for passes that move quantized values */
enum { FEW = 16 };                    /* elements whose average says little */

typedef enum { DATA_RANDOM, DATA_EXTREME, DATA_SPECIAL } data_kind;

static const struct {
    int64_t size;   /* of free dims, as far as their ranges allow */
    bool different; /* some symbols are one larger */
    data_kind data;
} TRIAL[] = {{2, false, DATA_RANDOM}, {3, true, DATA_EXTREME}, {1, false, DATA_RANDOM}, {8, false, DATA_SPECIAL}, {16, false, DATA_RANDOM}};
enum { TRIALS = sizeof TRIAL / sizeof *TRIAL };

typedef struct {
    elem type;
    uint32_t rank;
    int64_t shape[MAX_RANK];
    int64_t count;
    void *data;
} result;

typedef struct {
    const char *why; /* it did not run; NULL: it did */
    result *out;     /* one for each output of the model */
} outcome;

struct pass_check {
    arena *mem;
    model *m;
    outcome trial[TRIALS];
    uint32_t compared;
    double difference; /* the largest of the last pass, in parts of the largest magnitude */
};

/* A program being run. */
typedef struct {
    arena *mem;
    program *p;
    uint32_t trial;
    int64_t *symbol; /* by position in p->symbols; -1: not bound yet */
    void **data;     /* by slot; NULL: not touched yet */
    int64_t work;
    const char *why;
} machine;

/* ---- sizes ---- */

static int64_t symbol_value(void *ctx, dim d)
{
    machine *x = ctx;
    for (uint32_t i = 0; i < x->p->symbols.n; i++)
        if (x->p->symbols.p[i] == d && x->symbol[i] >= 0) return x->symbol[i];
    x->why = "a size is not known";
    return 0;
}

/* By name, not by place: after a pass there may be fewer symbols. */
static int64_t odd_name(const char *name)
{
    uint32_t h = 0;
    for (; *name; name++) h = h * 31 + (unsigned char)*name;
    return h >> 3 & 1;
}

static void choose_sizes(machine *x)
{
    program *p = x->p;
    x->symbol = ARENA_ARRAY(x->mem, int64_t, p->symbols.n + 1);
    for (uint32_t i = 0; i < p->symbols.n; i++) {
        const interval range = dim_range(p->dims, p->symbols.p[i]);
        int64_t v = TRIAL[x->trial].size + (TRIAL[x->trial].different ? odd_name(dim_name(p->dims, p->symbols.p[i])) : 0);
        if (v > range.hi) v = range.hi;
        if (v < range.lo) v = range.lo;
        x->symbol[i] = v;
    }
}

static int64_t extent_of(machine *x, dim d)
{
    const int64_t v = dim_eval(x->p->dims, d, symbol_value, x);
    return v > 0 ? v : 0;
}

static int64_t slot_elements(machine *x, slot s, int64_t *shape)
{
    const slot_info *i = slot_at(x->p, s);
    int64_t n = 1;
    for (uint32_t k = 0; k < i->rank; k++) {
        shape[k] = extent_of(x, i->extent[k]);
        n = sat_mul(n, shape[k]);
    }
    return n;
}

/* ---- data ---- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    uint64_t v = *state ^ *state >> 33;
    v *= 0xff51afd7ed558ccdu;
    return v ^ v >> 33;
}

static double real_input(data_kind kind, uint64_t r)
{
    static const double EXTREME[] = {0, -0.0, 1, -1, 1e-30, -1e4, 1e4, 0.5}, SPECIAL[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, -0.0};
    const double plain = (double)(r >> 11) * 0x1p-52 - 1;
    if (kind == DATA_EXTREME && r % 3 == 0) return EXTREME[r / 3 % 8];
    if (kind == DATA_SPECIAL && r % 13 == 0) return SPECIAL[r / 13 % 4];
    return plain;
}

static void fill_input(machine *x, const slot_info *s, void *data, int64_t n)
{
    const char kind = elem_of(s->type)->kind;
    uint64_t state = 1 + s->io + 1000 * (uint64_t)x->trial;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t r = next_random(&state);
        if (kind == 'f') elem_set_double(s->type, data, (size_t)i, real_input(TRIAL[x->trial].data, r));
        else if (kind != 'b' && elem_of(s->type)->bits == 8) elem_set_int(s->type, data, (size_t)i, (long long)(r >> 40)); /* quantized numbers */
        else elem_set_int(s->type, data, (size_t)i, (long long)(r >> 40) % (kind == 'b' ? 2 : x->trial + 1)); /* small: they may be indexes */
    }
}

static void *slot_data(void *ctx, slot s)
{
    machine *x = ctx;
    const slot_info *i = slot_at(x->p, s);
    if (i->kind == SLOT_CONST) return (void *)(uintptr_t)i->data->data;
    if (x->data[s]) return x->data[s];
    int64_t shape[MAX_RANK];
    int64_t n = slot_elements(x, s, shape);
    if (n > WORK) {
        x->why = "a tensor is too large";
        n = 0;
    }
    x->data[s] = arena_alloc(x->mem, elem_bytes(i->type, (size_t)n) + 1);
    if (i->kind == SLOT_INPUT) fill_input(x, i, x->data[s], n);
    return x->data[s];
}

/* ---- running ---- */

static int64_t nest_work(machine *x, const nest *n)
{
    int64_t points = 1, sum = 0;
    for (uint32_t i = 0; i < n->n_axes; i++) points = sat_mul(points, extent_of(x, dim_extent(x->p->dims, n->axis[i])));
    for (uint32_t i = 0; i < n->n_stages; i++) {
        int64_t stage_points = n->stage[i].n_sinks;
        for (uint32_t k = 0; k < n->stage[i].n_axes; k++) stage_points = sat_mul(stage_points, extent_of(x, dim_extent(x->p->dims, n->stage[i].axis[k])));
        sum = sat_add(sum, stage_points);
    }
    return sat_mul(points, sum);
}

/* Products and convolutions become nests. Everything that can't be run, or would take too long, is found before anything runs. Sizes that the
 * run finds out are taken as small. */
static void prepare(machine *x, block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n && !x->why; i++) {
        step *s = b->steps.p[i];
        if (has_strings(x->p)) x->why = "the model has strings";
        if (s->kind == STEP_LOOP) x->why = "the model has a loop";
        if (s->kind == STEP_CHECK) x->why = "the model has a check of its data";
        if (s->kind == STEP_IF) {
            prepare(x, s->control->then);
            prepare(x, s->control->otherwise);
        }
        if (s->kind == STEP_KERNEL && s->kernel->kind == K_TEMPLATE) x->why = "the model needs a kernel that has no other form";
        else if (s->kind == STEP_KERNEL) *s = (step){.kind = STEP_NEST, .what = s->what, .nest = kernel_as_nest(x->p, s->kernel)};
        if (s->kind == STEP_NEST) x->work = sat_add(x->work, nest_work(x, s->nest));
        if (x->work > WORK) x->why = "the model is too large to run in the compiler";
    }
}

static void run_nest(machine *x, const nest *n)
{
    const interp in = {x->p, slot_data, symbol_value, x};
    const char *why = NULL;
    if (!nest_run(&in, n, &why) && !x->why) x->why = why;
}

static long long scalar_of(machine *x, slot s)
{
    return elem_get_int(slot_at(x->p, s)->type, slot_data(x, s), 0);
}

static void bind_size(machine *x, const control *k)
{
    const long long v = scalar_of(x, k->cond);
    if (v < 0 || v > WORK) x->why = "a size is out of range";
    for (uint32_t i = 0; i < x->p->symbols.n; i++)
        if (x->p->symbols.p[i] == k->symbol) x->symbol[i] = v;
}

static void run_block(machine *x, const block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n && !x->why; i++) {
        const step *s = b->steps.p[i];
        switch (s->kind) {
        case STEP_NEST: run_nest(x, s->nest); break;
        case STEP_BIND: bind_size(x, s->control); break;
        case STEP_IF: run_block(x, scalar_of(x, s->control->cond) ? s->control->then : s->control->otherwise); break;
        case STEP_KERNEL:
        case STEP_CHECK:
        case STEP_BAND:
        case STEP_LOOP: x->why = "a step that prepare() should have refused"; break;
        }
    }
}

static void keep_outputs(machine *x, arena *keep, outcome *o)
{
    const program *p = x->p;
    o->out = ARENA_ARRAY(keep, result, p->outputs.n + 1);
    for (uint32_t i = 0; i < p->outputs.n; i++) {
        result *r = &o->out[i];
        const slot s = p->outputs.p[i];
        r->type = slot_at(x->p, s)->type;
        r->rank = slot_at(x->p, s)->rank;
        r->count = slot_elements(x, s, r->shape);
        const void *data = slot_data(x, s);
        if (!x->why) r->data = arena_copy(keep, data, elem_bytes(r->type, (size_t)r->count) + 1);
    }
}

/* Lowers the model, fuses it unless `rules` is NULL, and runs it. What can't be lowered is reported later, by the stage that has to. */
static outcome run_trial(pass_check *c, uint32_t trial, const fuse_options *rules)
{
    model *m = c->m;
    arena *scratch = arena_new();
    const uint32_t problems = m->diag->list.n, errors = m->diag->errors;
    outcome o = {0};
    machine x = {.mem = scratch, .p = lower_model(scratch, m, false), .trial = trial};
    m->diag->list.n = problems;
    m->diag->errors = errors;
    if (!x.p) {
        arena_free(scratch);
        return (outcome){.why = "the model cannot be lowered"};
    }
    if (rules) fuse(x.p, rules);
    choose_sizes(&x);
    x.data = ARENA_ARRAY(scratch, void *, x.p->slot.n);
    prepare(&x, &x.p->main);
    run_block(&x, &x.p->main);
    if (!x.why) keep_outputs(&x, c->mem, &o);
    if (x.why) o.why = arena_strndup(c->mem, x.why, strlen(x.why));
    arena_free(scratch);
    return o;
}

/* ---- comparing ---- */

static bool equal_reals(double a, double b, double slack)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (slack == 0) return a == b && signbit(a) == signbit(b);
    return a == b || fabs(a - b) <= slack;
}

static double largest(const result *r)
{
    double most = 0;
    for (int64_t i = 0; i < r->count; i++) {
        const double v = fabs(elem_get_double(r->type, r->data, (size_t)i));
        if (isfinite(v) && v > most) most = v;
    }
    return most;
}

/* Half the distance from 1 to the next number, of types that are rounded to after single steps. */
static double rounding_of(elem t)
{
    return t == ELEM_FLOAT16 ? 0x1p-11 : t == ELEM_BFLOAT16 ? 0x1p-8 : 0;
}

/* The first element that differs; -1: none. */
static int64_t first_difference(pass_check *c, const result *a, const result *b, pass_change allowed)
{
    const bool real = elem_of(a->type)->kind == 'f';
    const double most = real ? largest(a) : 0, slack = allowed == ROUNDS_ANEW || allowed == ROUNDS_FINITE ? (TOLERANCE + 2 * rounding_of(a->type)) * most : 0;
    for (int64_t i = 0; i < a->count; i++) {
        const size_t k = (size_t)i;
        const double off = real ? fabs(elem_get_double(a->type, a->data, k) - elem_get_double(b->type, b->data, k)) : 0;
        if (off > c->difference * most && isfinite(off)) c->difference = off / most;
        const bool same = real ? equal_reals(elem_get_double(a->type, a->data, k), elem_get_double(b->type, b->data, k), slack)
                               : elem_get_int(a->type, a->data, k) == elem_get_int(b->type, b->data, k);
        if (!same) return i;
    }
    return -1;
}

/* How far two elements are apart, in steps. */
static double steps_apart(const result *a, const result *b, size_t i, double most)
{
    const double x = elem_get_double(a->type, a->data, i), y = elem_get_double(b->type, b->data, i);
    if (elem_of(a->type)->kind != 'f') return elem_of(a->type)->bits == 8 ? fabs(x - y) : x != y ? 10 : 0;
    if (equal_reals(x, y, 0)) return 0;
    return isfinite(x - y) && most > 0 ? fabs(x - y) / (STEP * most) : INFINITY;
}

/* One rounding that goes the other way may change all that depends on it, a whole channel perhaps: what counts is the average. The element that is
 * furthest away when it is too large; -1: it is not. */
static int64_t moved_too_far(const result *a, const result *b)
{
    const double most = largest(a);
    double sum = 0, far = 0;
    int64_t worst = -1;
    for (int64_t i = 0; i < a->count; i++) {
        const double apart = steps_apart(a, b, (size_t)i, most);
        sum += apart;
        if (apart > far) {
            far = apart;
            worst = i;
        }
    }
    return sum > (double)a->count * (a->count < FEW ? 4 : 0.5) ? worst : -1;
}

static bool compare(pass_check *c, const char *pass, const outcome *before, const outcome *after, pass_change allowed)
{
    model *m = c->m;
    const graph *g = model_main(m);
    if (after->why && m->written_back) return true;
    if (after->why) return diag_error(m->diag, EXIT_INTERNAL, "", "verify-pass", "after pass %s the model does not run: %s", pass, after->why);
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        const result *a = &before->out[i], *b = &after->out[i];
        const char *where = at_value(m, g->outputs.p[i]);
        if (a->type != b->type || a->rank != b->rank || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape))
            return diag_error(m->diag, EXIT_INTERNAL, where, "verify-pass", "has another type or shape after pass %s", pass);
        const int64_t at = allowed == MOVES_A_STEP ? moved_too_far(a, b) : first_difference(c, a, b, allowed);
        if (at < 0) continue;
        return diag_error(m->diag, EXIT_INTERNAL, where, "verify-pass", "element %lld is %.9g after pass %s, %.9g before", (long long)at,
                          elem_get_double(b->type, b->data, (size_t)at), pass, elem_get_double(a->type, a->data, (size_t)at));
    }
    return true;
}

pass_check *pass_check_new(arena *mem, model *m)
{
    pass_check *c = ARENA_NEW(mem, pass_check);
    c->mem = mem;
    c->m = m;
    for (uint32_t i = 0; i < TRIALS; i++) c->trial[i] = run_trial(c, i, NULL);
    return c;
}

/* Runs the trials again and compares with the last run, which this one then is. `plain`: only those whose inputs are not extreme. */
static bool run_again(pass_check *c, const char *pass, pass_change allowed, bool plain, const fuse_options *rules)
{
    c->compared = 0;
    c->difference = 0;
    for (uint32_t i = 0; i < TRIALS; i++) {
        if (c->trial[i].why || (plain && TRIAL[i].data != DATA_RANDOM)) continue;
        const outcome after = run_trial(c, i, rules);
        const bool finite = allowed == MOVES_A_STEP || allowed == ROUNDS_FINITE; /* ONNX does not say what NaN is as an integer */
        const bool defined = !finite || TRIAL[i].data != DATA_SPECIAL;
        if (defined && !compare(c, pass, &c->trial[i], &after, allowed)) return false;
        c->trial[i] = after;
        c->compared += !after.why;
    }
    return true;
}

bool pass_check_after(pass_check *c, const char *pass, pass_change allowed)
{
    return run_again(c, pass, allowed, false, NULL);
}

bool pass_check_fusion(pass_check *c, const fuse_options *rules)
{
    /* Constants that become known round anew: pow(x, 3) is then a product. And a last bit of a score of 1e8 decides what a softmax gives. So
     * what rounds anew is for plain inputs, and everything else has to keep the bits. */
    const fuse_options constants = {0};
    fuse_options exact = *rules;
    exact.reciprocals = false;
    if (!run_again(c, "fuse (constants)", ROUNDS_ANEW, true, &constants)) return false;
    for (uint32_t i = 0; i < TRIALS; i++)
        if (!c->trial[i].why) c->trial[i] = run_trial(c, i, &constants);
    return run_again(c, "fuse", KEEPS_BITS, false, &exact) && (!rules->reciprocals || run_again(c, "fuse (reciprocals)", ROUNDS_ANEW, true, rules));
}

/* ---- models that are written back ---- */

static bool without_lowering(void *ctx, model *m, const node *n)
{
    (void)ctx, (void)m;
    const op_def *op = op_find(n->domain, n->op);
    return !op || !op->lower;
}

/* What someone gets who loads the file that would be written now, brought to the newest versions. NULL: it can't be run here. */
static model *runnable_copy(arena *mem, model *m)
{
    diag *quiet = diag_new(mem, NULL);
    text bytes = {.mem = mem};
    const infer_options infer = {.fold_limit = 1 << 16};
    if (!model_encode(m, quiet, &bytes)) return NULL;
    model *copy = model_load_bytes(mem, quiet, bytes.p, bytes.n, m->path, NULL);
    const bool ok = copy && check_model_basic(copy) && inline_functions(copy) && inline_operators(copy, without_lowering, NULL, NULL) && infer_model(copy, &infer);
    return ok ? copy : NULL;
}

/* Where the copy's messages go: to the model's own, about its values. */
static void take_copy(pass_check *c, model *m)
{
    c->m = runnable_copy(c->mem, m);
    if (!c->m) return;
    c->m->diag = m->diag;
    c->m->written_back = true;
}

pass_check *pass_check_written(arena *mem, model *m)
{
    pass_check *c = ARENA_NEW(mem, pass_check);
    c->mem = mem;
    take_copy(c, m);
    for (uint32_t i = 0; i < TRIALS; i++) c->trial[i] = c->m ? run_trial(c, i, NULL) : (outcome){.why = "it holds what can't be run here"};
    return c;
}

bool pass_check_written_after(pass_check *c, model *m, const char *pass, pass_change allowed, double *difference)
{
    *difference = -1;
    take_copy(c, m);
    if (!c->m) { /* from here on nothing is comparable */
        for (uint32_t i = 0; i < TRIALS; i++) c->trial[i].why = "it holds what can't be run here";
        return true;
    }
    if (!pass_check_after(c, pass, allowed)) return false;
    if (c->compared) *difference = c->difference;
    return true;
}

uint32_t pass_check_trials(const pass_check *c, const char **why)
{
    *why = c->trial[0].why;
    return c->compared;
}
