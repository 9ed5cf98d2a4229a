/* work.c - how much a step computes and touches, for reports.
 *
 * in:  steps of a program, products and convolutions not yet bound (matrix_work) or everything placed (step_work, step_bytes)
 * out: sizes, in the run-time dimensions */
#include <string.h>

#include "plan/plan.h"

static dim extents(dims *d, const dim *axis, uint32_t n)
{
    dim all = dim_const(d, 1);
    for (uint32_t i = 0; i < n; i++)
        if (dim_is_axis(d, axis[i])) all = dim_mul(d, all, dim_extent(d, axis[i]));
    return all;
}

dim matrix_work(program *p, const kernel *k)
{
    dims *d = p->dims;
    dim all = extents(d, k->hook[0].axis, k->hook[0].n_axes); /* elements of the result */
    if (k->kind == K_MATMUL) return dim_mul(d, all, extents(d, &k->matmul.k, 1));
    all = dim_mul(d, all, slot_at(p, k->arg[2].slot)->extent[1]); /* channels of the group */
    for (uint32_t i = 0; i < k->conv.rank; i++) all = dim_mulc(d, all, k->conv.kernel[i]);
    return all;
}

/* Sums of products in a nest: its axes times those of the stage. */
static dim nest_work(program *p, const nest *n)
{
    dims *d = p->dims;
    const dim outer = extents(d, n->axis, n->n_axes);
    dim all = dim_const(d, 0);
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const sink *s = &n->stage[i].sink[k];
            if (s->fold != FOLD_SUM || ex_at(p->ex, s->value)->op != EX_MUL) continue;
            all = dim_add(d, all, dim_mul(d, outer, extents(d, n->stage[i].axis, n->stage[i].n_axes)));
        }
    return all;
}

dim step_work(program *p, const step *s)
{
    if (s->work) return s->work;
    return s->kind == STEP_NEST ? nest_work(p, s->nest) : dim_const(p->dims, 0);
}

typedef struct {
    program *p;
    dim sum;
} total;

static void add_slot(void *ctx, slot s, bool written)
{
    total *t = ctx;
    dims *d = t->p->dims;
    const slot_info *i = slot_at(t->p, s);
    (void)written;
    if (i->kind == SLOT_LOCAL) return;
    t->sum = dim_add(d, t->sum, dim_cdiv(d, dim_mulc(d, dim_product(d, i->extent, i->rank), elem_of(i->type)->bits), dim_const(d, 8)));
}

dim step_bytes(program *p, const step *s)
{
    total t = {p, dim_const(p->dims, 0)};
    if (s->kind == STEP_NEST || s->kind == STEP_KERNEL) step_access(p, s, add_slot, &t);
    return t.sum;
}

enum { LEAST_COST = 2 }; /* of an element: it is read and written */

/* Operations on elements of a nest. */
static dim nest_adds(program *p, const nest *n)
{
    dims *d = p->dims;
    const dim outer = extents(d, n->axis, n->n_axes);
    dim all = dim_const(d, 0);
    for (uint32_t i = 0; i < n->n_stages; i++) {
        double cost = 0;
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const double one = ex_cost(p->ex, n->stage[i].sink[k].value);
            cost += one < LEAST_COST ? LEAST_COST : one;
        }
        all = dim_add(d, all, dim_mulc(d, dim_mul(d, outer, extents(d, n->stage[i].axis, n->stage[i].n_axes)), (int64_t)(cost + 0.5)));
    }
    return all;
}

static const double ADDS = 2, MULTIPLY_ADDS = 5; /* per ns: of a lane */

/* A processor with two multiply-adds of a vector a cycle, less what is lost around them. */
double step_ns(program *p, const step *s, const target *t)
{
    static const double CELL_NS = 1.2, NEAR = 50, FAR = 16; /* per ns: bytes, of the second cache and beyond it */
    int64_t bytes, work, adds;
    if (s->kernel && s->kernel->cells > 0) return CELL_NS * s->kernel->cells;
    if ((s->kind != STEP_NEST && s->kind != STEP_KERNEL) || !dim_is_const(p->dims, step_bytes(p, s), &bytes) || !dim_is_const(p->dims, step_work(p, s), &work)) return -1;
    if (s->kernel && s->kernel->ops) return dim_is_const(p->dims, s->kernel->ops, &adds) ? (double)adds / ADDS : -1;
    if (s->kernel && !s->work) return -1;
    const bool bytes_products = s->kernel && s->kernel->n_hook && s->kernel->hook[0].int_acc, by_tiles = s->kernel && !strcmp(s->kernel->name, "conv_wino");
    double busy = (double)work / (MULTIPLY_ADDS * t->vl * (bytes_products ? 4 : by_tiles ? 2 : 1));
    if (s->kind == STEP_NEST) {
        if (!dim_is_const(p->dims, nest_adds(p, s->nest), &adds)) return -1;
        if ((double)adds / (ADDS * t->vl) > busy) busy = (double)adds / (ADDS * t->vl);
    }
    const double moved = (double)bytes / (bytes < t->l2 ? NEAR : FAR);
    return busy > moved ? busy : moved;
}

dim step_ns_at_run(program *p, const step *s, const target *t)
{
    dim sum = dim_const(p->dims, 0);
    for (uint32_t i = 0; s->kind == STEP_BAND && i < s->control->then->steps.n; i++) { /* what is not known of its parts is the little around them */
        const dim one = step_ns_at_run(p, s->control->then->steps.p[i], t);
        if (one) sum = dim_add(p->dims, sum, one);
    }
    if (s->kind == STEP_BAND) return dim_is(p->dims, sum, 0) ? 0 : sum;
    if (s->kind == STEP_NEST) return dim_fdiv(p->dims, nest_adds(p, s->nest), dim_const(p->dims, (int64_t)ADDS * t->vl));
    if (s->kernel && s->kernel->ops) return dim_fdiv(p->dims, s->kernel->ops, dim_const(p->dims, (int64_t)ADDS));
    return s->work ? dim_fdiv(p->dims, s->work, dim_const(p->dims, (int64_t)MULTIPLY_ADDS * t->vl)) : 0;
}

static void add_work(void *ctx, step *s)
{
    total *t = ctx;
    t->sum = dim_add(t->p->dims, t->sum, step_work(t->p, s));
}

dim band_work(program *p, const step *s)
{
    dim sum = step_work(p, s);
    for (uint32_t i = 0; s->kind == STEP_BAND && i < s->control->then->steps.n; i++) sum = dim_add(p->dims, sum, step_work(p, s->control->then->steps.p[i]));
    return sum;
}

dim program_work(program *p)
{
    total all = {p, dim_const(p->dims, 0)};
    program_steps(p, add_work, &all);
    return all.sum;
}
