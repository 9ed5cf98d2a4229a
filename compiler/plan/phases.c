/* phases.c - a transposed convolution as ordinary ones.
 *
 * in:  fused steps; K_CONV steps that are transposed, with float weights [in][out per group][kernel...] that are constant
 * out: none of them: for each phase (r modulo the stride, in every spatial dimension) a K_CONV of stride 1 that makes the outputs stride * j + r
 *
 * Output p gets tap k from input (p + pad - k * dilation) / stride, where that is a whole number. A phase has every n-th tap, n = stride / gcd(stride,
 * dilation), and from one to the next the input goes back by n * dilation / stride: in reversed order they are a convolution's window with that dilation. No product is wasted on zeros, but where a phase has no taps (a kernel shorter than the stride): a zero weight makes its outputs. */
#include <string.h>

#include "base/size.h"
#include "plan/plan.h"

typedef struct {
    int64_t first, every, taps; /* the taps of the kernel that the phase has, as they come */
    int64_t dilation, pad_lo, pad_hi;
    dim out; /* extent */
} phase;

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* Phase r of spatial dimension i. */
static phase phase_of(program *p, const kernel *k, uint32_t i, int64_t r)
{
    dims *d = p->dims;
    const conv_params *c = &k->conv;
    const int64_t s = c->stride[i], every = s / gcd(s, c->dilation[i]);
    const dim in = slot_at(p, k->arg[1].slot)->extent[i + 2], out = slot_at(p, k->hook[0].to)->extent[i + 2];
    int64_t beyond = 0; /* out = in * s + beyond */
    (void)dim_is_const(d, dim_sub(d, out, dim_mulc(d, in, s)), &beyond);
    phase f = {.every = every, .dilation = every * c->dilation[i] / s};
    while (f.first < c->kernel[i] && (r + c->pad_lo[i] - f.first * c->dilation[i]) % s) f.first++;
    f.taps = f.first < c->kernel[i] ? (c->kernel[i] - 1 - f.first) / every + 1 : 0;
    const int64_t more = -floor_div(r - beyond, s); /* out - in, of the phase */
    f.out = dim_addc(d, in, more);
    if (f.taps) f.pad_lo = (f.taps - 1) * f.dilation - (r + c->pad_lo[i] - f.first * c->dilation[i]) / s;
    f.pad_hi = more - f.pad_lo + (f.taps ? f.taps - 1 : 0) * f.dilation;
    return f;
}

/* The weights of a phase as an ordinary convolution has them: [out][in per group][taps...], zero where a dimension has none. */
static slot phase_weights(program *p, const kernel *k, const phase *f)
{
    const tensor *from = slot_at(p, k->arg[2].slot)->data;
    const uint32_t rank = k->conv.rank;
    const int64_t group = k->conv.group, ic = from->shape[0] / group, oc = from->shape[1];
    int64_t shape[MAX_RANK] = {oc * group, ic}, window = 1, taps = 1;
    bool none = false;
    for (uint32_t i = 0; i < rank; i++) {
        shape[i + 2] = f[i].taps ? f[i].taps : 1;
        none |= !f[i].taps;
        window *= shape[i + 2];
        taps *= from->shape[i + 2];
    }
    tensor *t = tensor_new(p->mem, ELEM_FLOAT, rank + 2, shape);
    for (int64_t at = 0; at < oc * group * ic * window && !none; at++) {
        const int64_t o = at / window / ic, c = at / window % ic;
        int64_t tap = 0, rest = at % window, unit = window;
        for (uint32_t i = 0; i < rank; i++) {
            unit /= shape[i + 2];
            tap = tap * from->shape[i + 2] + f[i].first + (f[i].taps - 1 - rest / unit) * f[i].every;
            rest %= unit;
        }
        elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, (size_t)at, elem_get_double(ELEM_FLOAT, from->data, (size_t)(((o / oc * ic + c) * oc + o % oc) * taps + tap)));
    }
    dim extent[MAX_RANK];
    for (uint32_t i = 0; i < rank + 2; i++) extent[i] = dim_const(p->dims, shape[i]);
    const slot made = slot_new(p, slot_at(p, k->arg[2].slot)->name, ELEM_FLOAT, SLOT_CONST, rank + 2, extent);
    t->name = slot_at(p, made)->name;
    slot_at(p, made)->data = t;
    return made;
}

/* The step of the phase f, whose numbers in the spatial dimensions are r. */
static step *phase_step(program *p, const step *s, const phase *f, const int64_t *r)
{
    dims *d = p->dims;
    const kernel *from = s->kernel;
    kernel *k = arena_copy(p->mem, from, sizeof *from);
    hook *h = k->hook = arena_copy(p->mem, from->hook, sizeof *from->hook);
    text what = {.mem = p->mem};
    dim old[MAX_RANK], new[MAX_RANK];
    uint32_t n = 0;
    k->arg = arena_copy(p->mem, from->arg, from->n_arg * sizeof *k->arg);
    k->arg[2].slot = phase_weights(p, from, f);
    k->conv.transposed = false;
    text_addf(&what, "%s, outputs", s->what);
    for (uint32_t i = 0; i < k->conv.rank; i++) {
        text_addf(&what, "%s %lld", i ? "," : "", (long long)r[i]);
        k->conv.kernel[i] = f[i].taps ? f[i].taps : 1;
        k->conv.dilation[i] = f[i].dilation;
        k->conv.pad_lo[i] = f[i].pad_lo;
        k->conv.pad_hi[i] = f[i].pad_hi;
        h->axis[i + 2] = dim_axis(d, f[i].out);
        if (!dim_is_axis(d, from->hook[0].axis[i + 2])) continue;
        old[n] = from->hook[0].axis[i + 2];
        new[n++] = dim_addc(d, dim_mulc(d, h->axis[i + 2], from->conv.stride[i]), r[i]);
    }
    for (uint32_t i = 0; i < k->conv.rank; i++) {
        text_addf(&what, "%s %lld", i ? "," : " modulo", (long long)from->conv.stride[i]);
        k->conv.stride[i] = 1;
    }
    h->value = ex_map(p->ex, h->value, n, old, new);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(p->ex, h->at[i], n, old, new);
    step *made = ARENA_NEW(p->mem, step);
    *made = (step){.kind = STEP_KERNEL, .what = what.p, .kernel = k};
    return made;
}

static void split(program *p, const step *s, block *out)
{
    const conv_params *c = &s->kernel->conv;
    int64_t phases = 1;
    for (uint32_t i = 0; i < c->rank; i++) phases *= c->stride[i];
    for (int64_t at = 0; at < phases; at++) {
        phase f[3];
        int64_t r[3], rest = at;
        bool empty = false;
        for (uint32_t i = c->rank; i-- > 0; rest /= c->stride[i]) {
            r[i] = rest % c->stride[i];
            f[i] = phase_of(p, s->kernel, i, r[i]);
            empty |= dim_range(p->dims, f[i].out).hi < 1;
        }
        if (!empty) VEC_PUSH(p->mem, out->steps, phase_step(p, s, f, r));
    }
}

static void split_block(program *p, block *b)
{
    block out = {.graph = b->graph};
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        if (s->control && s->control->then) split_block(p, s->control->then);
        if (s->control && s->control->otherwise) split_block(p, s->control->otherwise);
        if (s->kind == STEP_KERNEL && s->kernel->kind == K_CONV && s->kernel->conv.transposed) split(p, s, &out);
        else VEC_PUSH(p->mem, out.steps, s);
    }
    *b = out;
}

void plan_phases(program *p)
{
    split_block(p, &p->main);
}
