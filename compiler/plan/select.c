/* select.c - which kernel computes a product or a convolution; what no kernel fits becomes a nest. */
#include <string.h>

#include "plan/plan.h"

/* ---- arguments ---- */

static void note_load(void *ctx, ex e)
{
    void **c = ctx;
    program *p = c[0];
    kernel *k = c[1];
    const ex_node *n = ex_at(p->ex, e);
    if (n->op != EX_LOAD) return;
    for (uint32_t i = 0; i < k->n_arg; i++)
        if (k->arg[i].slot == n->slot) return;
    kernel_arg *grown = ARENA_ARRAY(p->mem, kernel_arg, k->n_arg + 1);
    memcpy(grown, k->arg, k->n_arg * sizeof *grown);
    grown[k->n_arg++] = (kernel_arg){n->slot, ARG_IN};
    k->arg = grown;
}

void kernel_note_loads(program *p, kernel *k, ex element)
{
    void *ctx[2] = {p, k};
    ex_walk(p->ex, element, note_load, ctx);
}

void append_template(program *p, const step *s, kernel k, block *out)
{
    kernel *kept = arena_copy(p->mem, &k, sizeof k);
    step *made = ARENA_NEW(p->mem, step);
    kept->kind = K_TEMPLATE;
    kernel_note_loads(p, kept, kept->hook[0].value);
    *made = (step){.kind = STEP_KERNEL, .what = s->what, .kernel = kept};
    VEC_PUSH(p->mem, out->steps, made);
}

/* ---- choice ---- */

/* The masks of trees (templates/cpu/trees.c) are for vectors long enough to gain by them, and take memory. */
static void select_trees(program *p, const plan_options *o, kernel *k)
{
    enum { TESTS = 10, MASKED = 12, LEAST_LANES = 8 };
    if (strcmp(k->name, "trees") || (o->target->vl >= LEAST_LANES && o->target->language == LANGUAGE_C && o->optimize != OPTIMIZE_SIZE)) return;
    for (uint32_t i = 0; i < k->n_bind; i++)
        if (!strcmp(k->bind[i].name, "COLUMNS")) k->bind[i].d = dim_const(p->dims, 0);
    for (uint32_t i = TESTS; i <= MASKED; i++) k->arg[i].slot = 0;
}

static bool select_step(program *p, const plan_options *o, const step *s, block *out)
{
    const bool cuda = o->target->language == LANGUAGE_CUDA;
    if (s->kernel->kind == K_MATMUL) return cuda ? cuda_select_matmul(p, o, s, out) : select_matmul(p, o, s, out);
    return cuda ? cuda_select_conv(p, o, s, out) : select_conv(p, o, s, out);
}

static bool select_block(program *p, const plan_options *o, block *b)
{
    block out = {.graph = b->graph};
    if (o->target->language == LANGUAGE_C && o->math != MATH_STRICT) select_attention(p, o, b);
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        if (s->kind == STEP_IF || s->kind == STEP_LOOP || s->kind == STEP_BAND) {
            if (s->control->then && !select_block(p, o, s->control->then)) return false;
            if (s->control->otherwise && !select_block(p, o, s->control->otherwise)) return false;
        }
        if (s->kind == STEP_KERNEL && s->kernel->kind == K_TEMPLATE) select_trees(p, o, s->kernel);
        if (s->kind == STEP_KERNEL && s->kernel->kind != K_TEMPLATE) {
            const dim work = matrix_work(p, s->kernel);
            if (select_step(p, o, s, &out)) {
                out.steps.p[out.steps.n - 1]->work = work; /* before it: steps that pack */
                continue;
            }
            s->work = work;
            s->nest = kernel_as_nest(p, s->kernel);
            s->kind = STEP_NEST;
            s->kernel = NULL;
        }
        VEC_PUSH(p->mem, out.steps, s);
    }
    *b = out;
    return true;
}

bool plan_select(program *p, const plan_options *o)
{
    return select_block(p, o, &p->main);
}
