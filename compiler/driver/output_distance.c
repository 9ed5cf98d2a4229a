/* output_distance.c - see output_distance.h. */
#include "driver/output_distance.h"

#include <math.h>
#include <string.h>

#include "driver/process.h"
#include "driver/sample_run.h"
#include "quant/range.h"

/* ---- two tensors ---- */

static bool same_shape(const tensor *a, const tensor *b)
{
    return a->rank == b->rank && (!a->rank || !memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]));
}

static void add_pair(output_distance *d, double x, double y)
{
    d->count++;
    if (x == y || (isnan(x) && isnan(y))) {
        if (isfinite(x)) d->dot += x * x, d->power += x * x, d->own_power += x * x;
        return;
    }
    if (!isfinite(x) || !isfinite(y)) {
        d->largest = (double)INFINITY;
        return;
    }
    d->dot += x * y;
    d->power += x * x;
    d->own_power += y * y;
    d->noise += (x - y) * (x - y);
    d->largest = fmax(d->largest, fabs(x - y));
}

static int64_t argmax(const tensor *t, int64_t from, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (elem_get_double(t->type, t->data, (size_t)(from + i)) > elem_get_double(t->type, t->data, (size_t)(from + best))) best = i;
    return best;
}

void distance_add(output_distance *d, const tensor *expected, const tensor *got)
{
    if (!same_shape(expected, got)) {
        d->other_shapes++;
        return;
    }
    const int64_t n = tensor_count(expected), row = expected->rank ? expected->shape[expected->rank - 1] : 1;
    for (int64_t i = 0; i < n; i++)
        add_pair(d, elem_get_double(expected->type, expected->data, (size_t)i), elem_get_double(got->type, got->data, (size_t)i));
    for (int64_t at = 0; row > 1 && at < n; at += row) {
        d->rows++;
        d->same_argmax += argmax(expected, at, row) == argmax(got, at, row);
    }
}

double distance_cosine(const output_distance *d)
{
    const double length = sqrt(d->power) * sqrt(d->own_power);
    return length > 0 ? fmin(d->dot / length, 1) : (double)NAN;
}

double distance_sqnr(const output_distance *d)
{
    return isinf(d->largest) ? -(double)INFINITY : decibel(d->power, d->noise);
}

/* ---- two models ---- */

typedef struct {
    session s[2];
    uint32_t open; /* sessions */
    distance_list *out;
} pair_of_models;

static bool run_both(void *ctx, const tensor_set *inputs, const char *path, arena *mem)
{
    pair_of_models *p = ctx;
    tensor_set outputs[2];
    (void)path;
    for (int k = 0; k < 2; k++)
        if (!sample_outputs(&p->s[k], mem, inputs, &outputs[k])) return false;
    for (uint32_t i = 0; i < outputs[0].list.n && i < outputs[1].list.n; i++) {
        const tensor *t = outputs[0].list.p[i];
        if (t->type != ELEM_STRING && elem_of(t->type)->kind != 'c') distance_add(&p->out->p[i], t, outputs[1].list.p[i]);
    }
    return true;
}

static void name_outputs(command *c, const session *s, distance_list *out)
{
    *out = (distance_list){0};
    for (int i = 0; i < s->model->n_outputs; i++) {
        const output_distance d = {.name = arena_printf(c->mem, "%s", s->model->outputs[i].name)};
        VEC_PUSH(c->mem, *out, d);
    }
}

bool outputs_compare(command *c, model *expected, model *got, const folder_list *sets, distance_list *out)
{
    pair_of_models p = {.out = out};
    model *const models[2] = {expected, got};
    const char *folders[2] = {NULL, NULL};
    bool ok = true;
    for (int k = 0; ok && k < 2; k++) {
        folders[k] = folder_temporary(c->mem, c->diag);
        ok = folders[k] && sample_session(c, models[k], folders[k], &p.s[p.open++]);
    }
    if (ok) {
        name_outputs(c, &p.s[0], out);
        ok = sample_sets_each(c, sets, "comparing", run_both, &p);
    }
    for (uint32_t k = 0; k < p.open; k++) session_close(&p.s[k]);
    for (int k = 0; k < 2; k++)
        if (folders[k]) folder_remove(folders[k]);
    return ok;
}
