/* cache.c - --state OUT=IN where the output is the input with something written into it or behind it: one place for both, and nothing is copied.
 *
 * in:  fused steps with logical indexes, before any layout
 * out: both slots lie in one buffer of the state, as long as the longer one can become; the step that copied one to the other is gone
 *
 * That holds for what Concat appends along one dimension (the keys and values of a decoder) when its other parts are stored behind the input's, and for what
 * ScatterND and its like update when nothing reads the input afterwards. */
#include "plan/plan.h"

typedef struct {
    program *p;
    slot in, out;
    uint32_t axis;  /* along which OUT is longer; the rank when both have one shape */
    step *keep;     /* the step that copies IN to OUT */
    uint32_t at;    /* of the step being looked at, in the linear order */
    uint32_t last_read, first_write; /* of IN, by others than `keep`; into OUT, likewise */
    bool fits;
} cache;

static const slot_info *info(const cache *c, slot s)
{
    return slot_at(c->p, s);
}

static bool one_differs(cache *c)
{
    const slot_info *in = info(c, c->in), *out = info(c, c->out);
    uint32_t n = 0;
    if (in->type != out->type || in->rank != out->rank || elem_of(in->type)->bits < 8 || in->type == ELEM_STRING) return false;
    c->axis = in->rank;
    for (uint32_t i = 0; i < in->rank; i++) {
        if (in->extent[i] == out->extent[i]) continue;
        c->axis = i;
        n++;
    }
    return n <= 1;
}

/* OUT[i, j...] = IN[i, j...] for all of IN. */
static bool is_keep(const cache *c, const step *s)
{
    exprs *x = c->p->ex;
    dims *d = c->p->dims;
    if (s->kind != STEP_NEST || s->nest->n_stages != 1 || s->nest->stage[0].n_axes || s->nest->stage[0].n_sinks != 1) return false;
    const sink *k = &s->nest->stage[0].sink[0];
    const ex_node *load = ex_at(x, k->value);
    if (k->to != c->out || k->fold != FOLD_NONE || k->guard || load->op != EX_LOAD || load->slot != c->in) return false;
    for (uint32_t i = 0; i < k->n; i++) {
        dim at;
        if (k->at[i] != load->idx[i] || !ex_is_dim(x, k->at[i], &at)) return false;
        const dim extent = info(c, c->in)->extent[i];
        if (dim_is_axis(d, at) ? dim_extent(d, at) != extent : !(dim_is(d, at, 0) && dim_is(d, extent, 1))) return false;
    }
    return true;
}

/* Is the index never below the input's length? Axes count from 0. */
static bool is_behind(const cache *c, ex at)
{
    dims *d = c->p->dims;
    dim lo;
    if (!ex_is_dim(c->p->ex, at, &lo)) return false;
    while (dim_has_axis(d, lo)) {
        const dim_term *term;
        uint32_t n;
        dim axis = 0, coef, rest;
        dim_poly(d, lo, &term, &n);
        for (uint32_t i = 0; i < n && !axis; i++)
            for (uint32_t k = 0; k < term[i].n_atoms && !axis; k++)
                if (dim_is_axis(d, term[i].atom[k])) axis = term[i].atom[k];
        if (!axis || !dim_affine(d, lo, axis, &coef, &rest) || dim_has_axis(d, coef) || !dim_ge0(d, coef)) return false;
        lo = rest;
    }
    return dim_le(d, info(c, c->in)->extent[c->axis], lo);
}

/* Every store into OUT by the step lies behind what the input holds. */
static bool stores_behind(const cache *c, const step *s)
{
    for (uint32_t i = 0; s->nest && i < s->nest->n_stages; i++)
        for (uint32_t k = 0; k < s->nest->stage[i].n_sinks; k++) {
            const sink *t = &s->nest->stage[i].sink[k];
            if (t->to == c->out && !is_behind(c, t->at[c->axis])) return false;
        }
    for (uint32_t i = 0; s->kernel && i < s->kernel->n_hook; i++)
        if (s->kernel->hook[i].to == c->out && !is_behind(c, s->kernel->hook[i].at[c->axis])) return false;
    return true;
}

static void note(void *ctx, slot s, bool written)
{
    cache *c = ctx;
    if (s == c->in && written) c->fits = false;
    if (s == c->in && c->at > c->last_read) c->last_read = c->at;
    if (s == c->out && written && !c->first_write) c->first_write = c->at;
}

/* Templates take tensors whole, and control steps move them: their memory has to be dense. */
static bool takes_whole(const cache *c, const step *s)
{
    const kernel *k = s->kernel;
    for (uint32_t i = 0; k && k->kind != K_MATMUL && i < k->n_arg; i++)
        if (k->arg[i].slot == c->in || k->arg[i].slot == c->out) return true;
    return false;
}

static void look_at(void *ctx, step *s)
{
    cache *c = ctx;
    c->at++;
    if (s == c->keep) return;
    if (s->control) { /* its blocks come by themselves */
        const control *k = s->control;
        for (uint32_t i = 0; i < k->n_carried; i++) c->fits &= k->state[i] != c->out && k->next[i] != c->out && k->next[i] != c->in && k->state[i] != c->in;
        return;
    }
    if (takes_whole(c, s) || (c->axis < info(c, c->in)->rank && !stores_behind(c, s))) c->fits = false;
    step_access(c->p, s, note, c);
}

/* One buffer, as long along the axis as the output can become. */
static bool place_both(cache *c)
{
    program *p = c->p;
    slot_info *in = slot_at(p, c->in), *out = slot_at(p, c->out);
    view v = {.rank = in->rank, .offset = dim_const(p->dims, 0), .buf = p->buf.n};
    dim stride = dim_const(p->dims, 1);
    for (uint32_t i = in->rank; i-- > 0;) {
        const interval r = dim_range(p->dims, out->extent[i]);
        if (r.hi == INT64_MAX) return false;
        v.d[i] = (struct view_dim){.stride = stride, .inner = dim_const(p->dims, 1), .block = 1};
        stride = dim_mul(p->dims, stride, i == c->axis ? dim_const(p->dims, r.hi) : out->extent[i]);
    }
    VEC_PUSH(p->mem, p->buf, ((buf_info){.kind = SLOT_STATE, .type = in->type, .elems = stride, .offset = -1}));
    in->view = out->view = v;
    in->kind = out->kind = SLOT_STATE;
    return true;
}

static void drop(program *p, const step *gone)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->main.steps.n; i++)
        if (p->main.steps.p[i] != gone) p->main.steps.p[kept++] = p->main.steps.p[i];
    p->main.steps.n = kept;
}

void plan_cache(program *p, const char *out, const char *in)
{
    cache c = {.p = p, .fits = true};
    c.in = slot_named(p, p->inputs.p, p->inputs.n, in);
    c.out = slot_named(p, p->outputs.p, p->outputs.n, out);
    if (!c.in || !c.out || !one_differs(&c)) return;
    for (uint32_t i = 0; i < p->main.steps.n && !c.keep; i++)
        if (is_keep(&c, p->main.steps.p[i])) c.keep = p->main.steps.p[i];
    if (!c.keep) return;
    program_steps(p, look_at, &c);
    const bool grows = c.axis < slot_at(p, c.in)->rank;
    if (!c.fits || (!grows && c.first_write && c.last_read > c.first_write)) return;
    if (!p->buf.n) VEC_PUSH(p->mem, p->buf, (buf_info){0});
    if (!place_both(&c)) return;
    drop(p, c.keep);
    if (grows) VEC_PUSH(p->mem, p->grows, ((growth){info(&c, c.in)->extent[c.axis], info(&c, c.out)->extent[c.axis]}));
}
