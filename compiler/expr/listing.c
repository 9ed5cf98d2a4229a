/* listing.c - program_text: the plan for people (--dump=plan). One line for a slot; a line for a step and one for each of its stages. */
#include <inttypes.h>

#include "expr/nest.h"

typedef struct {
    program *p;
    text *out;
    uint32_t step; /* number of the last step listed */
} listing;

static const char *const KIND_NAME[] = {"input", "output", "const", "temp", "local", "state", "dead"};
static const char *const FOLD_NAME[] = {"store", "sum", "prod", "max", "min", "or", "and"};

static void indent(const listing *l, int depth)
{
    text_addf(l->out, "%*s", 2 * depth, "");
}

static void slot_text(void *ctx, slot s, text *out)
{
    const program *p = ctx;
    const char *name = s < p->slot.n ? p->slot.p[s].name : "?";
    if (name && *name) text_add(out, name);
    else text_addf(out, "s%u", s);
}

static void list_ex(const listing *l, ex e)
{
    ex_text_named(l->p->ex, e, slot_text, l->p, l->out);
}

static void list_dims(const listing *l, uint32_t n, const dim *d)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(l->out, ",");
        dim_text(l->p->dims, d[i], l->out);
    }
}

static void list_indexes(const listing *l, uint32_t n, const ex *at)
{
    text_add(l->out, "[");
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(l->out, ",");
        list_ex(l, at[i]);
    }
    text_add(l->out, "]");
}

/* "for i1 < 12, i2 < batch: ", or nothing without axes. */
static void list_axes(const listing *l, uint32_t n, const dim *axis)
{
    for (uint32_t i = 0; i < n; i++) {
        text_add(l->out, i ? ", " : "for ");
        dim_text(l->p->dims, axis[i], l->out);
        text_add(l->out, " < ");
        dim_text(l->p->dims, dim_extent(l->p->dims, axis[i]), l->out);
    }
    if (n) text_add(l->out, ": ");
}

/* target = value; target = target + value; target = max(target, value) */
static void list_sink(const listing *l, const sink *s)
{
    text target = {.mem = l->p->mem};
    const listing to = {l->p, &target, 0};
    if (s->to) {
        slot_text(l->p, s->to, &target);
        list_indexes(&to, s->n, s->at);
    } else text_addf(&target, "a%u", s->acc);
    if (s->guard) {
        text_add(l->out, "if ");
        list_ex(l, s->guard);
        text_add(l->out, ": ");
    }
    text_addf(l->out, "%s = ", target.p);
    if (s->fold == FOLD_SUM) text_addf(l->out, "%s + ", target.p);
    else if (s->fold == FOLD_PROD) text_addf(l->out, "%s * ", target.p);
    else if (s->fold != FOLD_NONE) text_addf(l->out, "%s(%s, ", FOLD_NAME[s->fold], target.p);
    list_ex(l, s->value);
    if (s->fold > FOLD_PROD) text_add(l->out, ")");
    if (s->in_order) text_add(l->out, " in order");
}

static void list_nest(const listing *l, const nest *n, int depth)
{
    list_axes(l, n->n_axes, n->axis);
    if (n->can_fail) text_add(l->out, " (can fail)");
    text_add(l->out, "\n");
    for (uint32_t i = 0; i < n->n_stages; i++) {
        const stage *g = &n->stage[i];
        indent(l, depth + 2);
        text_add(l->out, "{ ");
        list_axes(l, g->n_axes, g->axis);
        for (uint32_t k = 0; k < g->n_sinks; k++) {
            if (k) text_add(l->out, "; ");
            list_sink(l, &g->sink[k]);
        }
        text_add(l->out, " }\n");
    }
}

static void list_binding(const listing *l, const binding *b)
{
    text_addf(l->out, "%s=", b->name);
    switch (b->kind) {
    case BIND_DIM: dim_text(l->p->dims, b->d, l->out); break;
    case BIND_FLOAT: text_addf(l->out, "%.9g", b->f); break;
    case BIND_TYPE: text_add(l->out, elem_of(b->type)->name); break;
    case BIND_TEXT: text_add(l->out, b->text ? b->text : ""); break;
    }
}

static void list_kernel(const listing *l, const kernel *k, int depth)
{
    static const char *const ROLE[] = {"in", "out", "inout", "scratch"};
    static const char *const KERNEL[] = {"template", "matmul", "conv"};
    text_add(l->out, k->name ? k->name : KERNEL[k->kind]);
    text_add(l->out, "(");
    for (uint32_t i = 0; i < k->n_arg; i++) {
        text_addf(l->out, "%s%s ", i ? ", " : "", ROLE[k->arg[i].role]);
        slot_text(l->p, k->arg[i].slot, l->out);
    }
    text_add(l->out, ")");
    for (uint32_t i = 0; i < k->n_bind; i++) {
        text_add(l->out, " ");
        list_binding(l, &k->bind[i]);
    }
    text_add(l->out, "\n");
    if (k->kind == K_MATMUL) {
        indent(l, depth + 2);
        text_add(l->out, "[");
        list_dims(l, k->matmul.n_batch, k->matmul.batch);
        text_add(l->out, "] m ");
        dim_text(l->p->dims, k->matmul.m, l->out);
        text_add(l->out, " n ");
        dim_text(l->p->dims, k->matmul.n, l->out);
        text_add(l->out, " k ");
        dim_text(l->p->dims, k->matmul.k, l->out);
        text_add(l->out, ": ");
        list_ex(l, k->matmul.a);
        text_add(l->out, " times ");
        list_ex(l, k->matmul.b);
        if (k->matmul.block) text_addf(l->out, " in blocks of %lld%s", (long long)k->matmul.block, k->matmul.bytes ? ", may be int8" : "");
        text_add(l->out, "\n");
    }
    for (uint32_t i = 0; i < k->n_hook; i++) {
        const hook *h = &k->hook[i];
        indent(l, depth + 2);
        text_addf(l->out, "%s(", h->name ? h->name : "hook");
        list_dims(l, h->n_axes, h->axis);
        text_add(l->out, "): ");
        if (h->to) {
            slot_text(l->p, h->to, l->out);
            list_indexes(l, h->n, h->at);
            text_add(l->out, " = ");
        }
        list_ex(l, h->value);
        text_add(l->out, "\n");
    }
}

static void list_block(listing *l, const block *b, int depth);

static void list_slot_use(const listing *l, const char *what, slot s)
{
    if (!s) return;
    text_add(l->out, what);
    slot_text(l->p, s, l->out);
}

static void list_control(listing *l, step_kind kind, const control *c, int depth)
{
    if (kind == STEP_BIND) {
        dim_text(l->p->dims, c->symbol, l->out);
        list_slot_use(l, " = ", c->cond);
        text_add(l->out, "\n");
        return;
    }
    if (kind == STEP_CHECK) {
        text_add(l->out, c->error);
        list_slot_use(l, " if ", c->cond);
        text_add(l->out, "\n");
        return;
    }
    if (kind == STEP_BAND) {
        text_addf(l->out, "%" PRId64 " rows at a time, in memory", c->band->rows);
        for (uint32_t i = 0; i + 1 < c->band->n; i++) {
            text_addf(l->out, "%s %" PRId64 " of ", i ? "," : "", c->band->part[i].room);
            slot_text(l->p, c->band->part[i].to, l->out);
        }
        text_add(l->out, "\n");
        list_block(l, c->then, depth + 2);
        return;
    }
    if (kind == STEP_IF) {
        slot_text(l->p, c->cond, l->out);
        text_add(l->out, "\n");
        list_block(l, c->then, depth + 2);
        indent(l, depth + 1);
        text_add(l->out, "else\n");
        list_block(l, c->otherwise, depth + 2);
        return;
    }
    if (c->index) dim_text(l->p->dims, c->index, l->out);
    list_slot_use(l, " < ", c->trip);
    list_slot_use(l, " while ", c->cond);
    text_add(l->out, "\n");
    list_block(l, c->then, depth + 2);
    indent(l, depth + 2);
    list_slot_use(l, "next condition ", c->cond_next);
    for (uint32_t i = 0; i < c->n_carried; i++) {
        list_slot_use(l, "; ", c->state[i]);
        list_slot_use(l, " <- ", c->next[i]);
    }
    text_add(l->out, "\n");
}

static void list_step(listing *l, const step *s, int depth)
{
    static const char *const STEP[] = {"nest", "kernel", "if", "loop", "bind", "check", "band"};
    l->step++;
    text_addf(l->out, "%-4u", s->id ? s->id : l->step);
    indent(l, depth);
    text_addf(l->out, "%-6s  %s  ", STEP[s->kind], s->what ? s->what : "");
    if (s->grain) text_addf(l->out, "(threads: pieces of %lld)  ", (long long)s->grain);
    if (s->nest) list_nest(l, s->nest, depth);
    else if (s->kernel) list_kernel(l, s->kernel, depth);
    else list_control(l, s->kind, s->control, depth);
}

static void list_block(listing *l, const block *b, int depth)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) list_step(l, b->steps.p[i], depth);
}

static void list_view(const listing *l, const view *v)
{
    text_addf(l->out, "  at b%u+", v->buf);
    dim_text(l->p->dims, v->offset, l->out);
    for (uint32_t i = 0; i < v->rank; i++) {
        text_add(l->out, i ? ", " : " by ");
        dim_text(l->p->dims, v->d[i].stride, l->out);
        if (v->d[i].block > 1) {
            text_addf(l->out, "/%d*", v->d[i].block);
            dim_text(l->p->dims, v->d[i].inner, l->out);
        }
        if (v->d[i].halo_lo || v->d[i].halo_hi) text_addf(l->out, " halo %d %d", v->d[i].halo_lo, v->d[i].halo_hi);
    }
}

void program_text(program *p, text *out)
{
    listing l = {p, out, 0};
    for (slot s = 1; s < p->slot.n; s++) {
        const slot_info *info = slot_at(p, s);
        if (info->kind == SLOT_DEAD) continue;
        text_addf(out, "%-6s  ", KIND_NAME[info->kind]);
        slot_text(p, s, out);
        text_addf(out, "  %s[", elem_of(info->type)->name);
        list_dims(&l, info->rank, info->extent);
        text_add(out, "]");
        if (info->alias_of) {
            text_add(out, "  in ");
            slot_text(p, info->alias_of, out);
            text_add(out, " from ");
            dim_text(p->dims, info->alias_offset, out);
        }
        if (info->view.buf) list_view(&l, &info->view);
        text_add(out, "\n");
    }
    list_block(&l, &p->main, 0);
}
