/* ram.c - a plan that needs more memory than it may have: where most of it is alive at once, and what would help; see plan_fits in plan.h. */
#include <string.h>

#include "plan/plan.h"

enum { SHOWN = 3, ALIGN = 64 };

/* Sizes as they would be with another upper bound of one symbol. */
typedef struct {
    program *p;
    dim symbol; /* 0: none */
    int64_t hi;
    bool bytes_only; /* floats take a byte, as in 8 bits */
} sizes;

static int64_t bound_of(void *ctx, dim d)
{
    const sizes *s = ctx;
    return d == s->symbol ? s->hi : dim_range(s->p->dims, d).hi;
}

static bool in_arena(const buf_info *b)
{
    return b->first && b->kind == SLOT_TEMP;
}

static int64_t buffer_bytes(sizes *s, const buf_info *b)
{
    const elem_info *e = elem_of(b->type);
    const int64_t each = e->bits < 8 || (s->bytes_only && e->kind == 'f') ? 1 : e->bits / 8, n = dim_eval(s->p->dims, b->elems, bound_of, s);
    return (sat_mul(n, each) + ALIGN - 1) / ALIGN * ALIGN;
}

/* The most that is alive at once; *at: in which step. */
static int64_t peak(sizes *s, uint32_t n_steps, uint32_t *at)
{
    int64_t *change = ARENA_ARRAY(s->p->mem, int64_t, n_steps + 2), live = 0, most = 0;
    for (uint32_t i = 1; i < s->p->buf.n; i++) {
        const buf_info *b = &s->p->buf.p[i];
        if (!in_arena(b)) continue;
        const int64_t bytes = buffer_bytes(s, b);
        change[b->first] += bytes;
        change[b->last + 1] -= bytes;
    }
    for (uint32_t t = 0; t <= n_steps; t++) {
        live += change[t];
        if (live <= most) continue;
        most = live;
        if (at) *at = t;
    }
    return most;
}

typedef struct {
    uint32_t id;
    const char *what;
} step_name;

static void name_step(void *ctx, step *s)
{
    step_name *n = ctx;
    if (s->id == n->id) n->what = s->what;
}

static const char *size_text(program *p, int64_t bytes)
{
    if (bytes < 10 * 1024) return arena_printf(p->mem, "%lld bytes", (long long)bytes);
    return bytes < 10 << 20 ? arena_printf(p->mem, "%.1f KiB", (double)bytes / 1024) : arena_printf(p->mem, "%.1f MiB", (double)bytes / (1 << 20));
}

static const char *buffer_name(program *p, uint32_t buf)
{
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->view.buf == buf && slot_at(p, s)->name) return slot_at(p, s)->name;
    return "?";
}

/* The largest buffers that are alive in a step. */
static void list_buffers(sizes *s, uint32_t at, text *out)
{
    uint32_t shown[SHOWN] = {0}, n = 0, alive = 0;
    for (uint32_t i = 1; i < s->p->buf.n; i++) {
        const buf_info *b = &s->p->buf.p[i];
        if (!in_arena(b) || b->first > at || b->last < at) continue;
        alive++;
        uint32_t k = n < SHOWN ? n++ : SHOWN;
        for (; k > 0 && buffer_bytes(s, b) > buffer_bytes(s, &s->p->buf.p[shown[k - 1]]); k--)
            if (k < SHOWN) shown[k] = shown[k - 1];
        if (k < SHOWN) shown[k] = i;
    }
    for (uint32_t k = 0; k < n; k++)
        text_addf(out, "%s'%s' (%s)", k ? ", " : "", buffer_name(s->p, shown[k]), size_text(s->p, buffer_bytes(s, &s->p->buf.p[shown[k]])));
    if (alive > n) text_addf(out, " and %u more", alive - n);
}

/* The largest bound of a symbol with which it would fit, 0: none. */
static int64_t bound_that_fits(program *p, dim symbol, uint32_t n_steps, int64_t limit)
{
    const interval r = dim_range(p->dims, symbol);
    int64_t lo = r.lo > 1 ? r.lo : 1, hi = r.hi - 1, found = 0;
    while (lo <= hi) {
        sizes s = {p, symbol, lo + (hi - lo) / 2, false};
        if (peak(&s, n_steps, NULL) > limit) hi = s.hi - 1;
        else {
            found = s.hi;
            lo = s.hi + 1;
        }
    }
    return found;
}

static void advise(program *p, const memory_plan *plan, int64_t limit)
{
    text out = {.mem = p->mem};
    for (uint32_t i = 0; i < p->symbols.n; i++) {
        const dim d = p->symbols.p[i];
        const int64_t n = bound_that_fits(p, d, plan->n_steps, limit);
        if (!n) continue;
        text_add(&out, out.n ? ", or " : "it would fit with --dim ");
        dim_text(p->dims, d, &out);
        text_addf(&out, "=..%lld", (long long)n);
    }
    sizes small = {p, 0, 0, true};
    const int64_t bytes = peak(&small, plan->n_steps, NULL);
    if (!out.n) text_add(&out, "smaller inputs (--dim, --shape) take less");
    if (bytes < plan->arena.bytes) text_addf(&out, "; in 8 bits (onnxcc quantize) it would be about %s", size_text(p, bytes));
    diag_hint(p->diag, "%s", out.p);
}

/* The first size without a bound. */
static bool report_unbounded(program *p)
{
    for (uint32_t i = 0; i < p->symbols.n; i++) {
        if (dim_range(p->dims, p->symbols.p[i]).hi != INT64_MAX) continue;
        text name = {.mem = p->mem};
        dim_text(p->dims, p->symbols.p[i], &name);
        diag_error(p->diag, EXIT_LIMIT, "", "ram-limit", "the run decides how large the arena is, since '%s' has no bound; --ram can't be kept", name.p);
        return diag_hint(p->diag, "give one: --dim %s=..8, for example", name.p);
    }
    return diag_error(p->diag, EXIT_LIMIT, "", "ram-limit", "the run decides how large the arena is; --ram can't be kept");
}

bool plan_fits(program *p, const memory_plan *plan, int64_t limit)
{
    const int64_t needed = plan->arena.bytes + plan->state_bytes;
    if (plan->arena.dynamic) return report_unbounded(p);
    if (needed <= limit) return true;
    sizes s = {p, 0, 0, false};
    step_name n = {0, ""};
    text alive = {.mem = p->mem};
    (void)peak(&s, plan->n_steps, &n.id);
    program_steps(p, name_step, &n);
    list_buffers(&s, n.id, &alive);
    diag_error(p->diag, EXIT_LIMIT, n.what, "ram-limit", "the arena takes %s%s, --ram allows %s; most is alive here, in step %u of %u: %s", size_text(p, needed), plan->state_bytes ? " with the state" : "",
               size_text(p, limit), n.id, plan->n_steps, alive.n ? alive.p : "nothing");
    advise(p, plan, limit - plan->state_bytes);
    return false;
}
