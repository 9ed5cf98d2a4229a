/* host.c - CUDA: what touches strings, and what calls a function of the user's, runs on the host.
 *
 * in:  numbered steps over placed slots
 * out: step.host; for each buffer on which side it is read and written (buf_info.sides), from which memory.c gives it a place on each, and emit
 *      the copies: a host step finds what the device wrote, the device what a host step wrote.
 *
 * A number that an if, a loop or a size reads is read on the host where only host steps write it, else on the device. */
#include "plan/plan.h"

static void look_for_strings(void *ctx, slot s, bool written)
{
    void **c = ctx;
    (void)written;
    if (slot_at(c[0], s)->type == ELEM_STRING) *(bool *)c[1] = true;
}

static void mark_step(void *ctx, step *s)
{
    bool found = false;
    void *c[2] = {ctx, &found};
    if (s->kind == STEP_NEST || s->kind == STEP_KERNEL) step_access(ctx, s, look_for_strings, c);
    s->host = found || (s->kind == STEP_KERNEL && s->kernel->takes_env);
}

static void look_for_host(void *ctx, step *s)
{
    *(bool *)ctx |= s->host;
}

static buf_info *buf_of(program *p, slot s)
{
    return &p->buf.p[slot_at(p, s)->view.buf];
}

typedef struct {
    program *p;
    bool host;
} access_side;

static void note_access(void *ctx, slot s, bool written)
{
    const access_side *a = ctx;
    buf_of(a->p, s)->sides |= a->host ? (written ? HOST_WRITES : HOST_READS) : (written ? DEVICE_WRITES : DEVICE_READS);
}

static void note_step(void *ctx, step *s)
{
    program *p = ctx;
    access_side a = {p, s->host};
    if (s->kind == STEP_NEST || s->kind == STEP_KERNEL) step_access(p, s, note_access, &a);
    for (uint32_t i = 0; s->control && i < s->control->n_carried; i++) { /* copied from device to device, strings on the host */
        a.host = slot_at(p, s->control->state[i])->type == ELEM_STRING;
        note_access(&a, s->control->next[i], false);
        note_access(&a, s->control->state[i], true);
    }
    if (s->control && s->control->cond_next) note_access(&a, s->control->cond, true);
    if (s->control && s->control->cond_next) note_access(&a, s->control->cond_next, false);
}

static void note_scalar(program *p, slot s)
{
    if (!s) return;
    buf_info *b = buf_of(p, s);
    b->sides |= scalar_on_host(p, s) ? HOST_READS : DEVICE_READS;
}

static void note_scalars(void *ctx, step *s)
{
    if (!s->control) return;
    note_scalar(ctx, s->control->cond);
    note_scalar(ctx, s->control->trip);
}

bool scalar_on_host(program *p, slot s)
{
    const buf_info *b = buf_of(p, s);
    return b->kind == SLOT_TEMP && b->sides & HOST_WRITES && !(b->sides & DEVICE_WRITES);
}

void plan_host(program *p)
{
    program_steps(p, mark_step, p);
}

/* Steps of the host that follow each other: what they share with the device is copied in front of the first and behind the last (emit/host.c), so it keeps
 * its place from one to the other. */
typedef struct {
    program *p;
    uint32_t first, last;
} section;

static void keep_in_section(void *ctx, slot s, bool written)
{
    const section *c = ctx;
    buf_info *b = buf_of(c->p, s);
    (void)written;
    if (b->kind == SLOT_TEMP && !(b->sides & (DEVICE_READS | DEVICE_WRITES))) return;
    if (b->first > c->first) b->first = c->first;
    if (b->last < c->last) b->last = c->last;
}

static void keep_in_sections(program *p, const block *b)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) {
        const step *s = b->steps.p[i];
        if (s->control) {
            keep_in_sections(p, s->control->then);
            keep_in_sections(p, s->control->otherwise);
        }
        if (!s->host || (i && b->steps.p[i - 1]->host)) continue;
        uint32_t end = i;
        while (end + 1 < b->steps.n && b->steps.p[end + 1]->host) end++;
        section c = {p, s->id, b->steps.p[end]->id};
        for (uint32_t k = i; k <= end; k++) step_access(p, b->steps.p[k], keep_in_section, &c);
    }
}

void plan_sides(program *p)
{
    bool any = false;
    program_steps(p, look_for_host, &any);
    if (!any) return;
    program_steps(p, note_step, p);
    program_steps(p, note_scalars, p);
    keep_in_sections(p, &p->main);
}
