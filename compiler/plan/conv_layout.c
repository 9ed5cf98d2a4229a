/* conv_layout.c - which values lie in channel blocks (NCHWc) with a halo, decided before views are made.
 *
 * in:  fused steps over logical indexes; K_CONV steps not yet bound
 * out: slot views with `block` and `halo` set where convolutions gain by it; copies inserted where a convolution can't read a value in place
 *
 * The rule: a temporary of a convolution's output or input is blocked by the vector length when every other step that touches it indexes
 * the channel as one axis plus multiples of the block, so that blocks stay whole. A later, better rule changes only this file. */
#include <string.h>

#include "plan/conv_plan.h"

enum { MOST_DILATION = 1024 /* of depthwise ones of bytes, which read behind the end */, SAME_SETS_BYTES = 2048, FEW_TERMS = 8 /* for each lane */ };

typedef struct {
    program *p;
    const plan_options *o;
    uint8_t *wanted;  /* by slot: a convolution reads or writes it */
    uint8_t *refused; /* by slot: something needs it row-major */
    uint8_t *shared;  /* by slot: it is a view of another slot, or another is one of it */
    slot copied, copy; /* the last copy that a convolution got, and of what */
    int vl;
} layouter;

bool conv_is_depthwise(program *p, const kernel *k)
{
    int64_t oc, icg;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    if (k->conv.group == 1 || k->conv.rank > 2) return false;
    return dim_is_const(p->dims, w->extent[0], &oc) && dim_is_const(p->dims, w->extent[1], &icg) && icg == 1 && oc == k->conv.group;
}

/* The vector length where channels of a group fill blocks, else 1 (NCHW). */
static int float_block(program *p, const kernel *k, int64_t icg, int vl)
{
    const elem to = slot_at(p, k->hook[0].to)->type;
    if ((to != ELEM_FLOAT && to != ELEM_FLOAT16 && to != ELEM_BFLOAT16) || ex_type(p->ex, k->hook[0].value) != CT_F32) return 0;
    if (conv_is_depthwise(p, k)) return vl;
    if (k->conv.group > 1) return icg % vl == 0 ? vl : 1;
    return icg >= vl / 2 && icg > 4 ? vl : 1;
}

/* Pixels from tap to tap along the row; between one tap and itself: 1. */
static int64_t row_dilation(const kernel *k)
{
    const uint32_t row = k->conv.rank - 1;
    return k->conv.kernel[row] > 1 ? k->conv.dilation[row] : 1;
}

/* Channels are multiplied four at a time, so blocks hold fours: the vector length, or 4 where there are no more. */
static int bytes_block(program *p, const kernel *k, int64_t icg, int vl)
{
    if (vl < 4) return 0;
    if (conv_is_depthwise(p, k)) return row_dilation(k) <= MOST_DILATION ? vl : 0;
    if (k->conv.group > 1) return icg % vl == 0 ? vl : icg % 4 == 0 ? 4 : 0;
    return icg <= 4 ? 4 : vl;
}

int conv_input_block(program *p, const kernel *k, int vl)
{
    int64_t oc, icg;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    if ((w->kind != SLOT_CONST && k->hook[0].int_acc) || k->conv.rank < 1 || k->conv.rank > 3 || k->n_hook != 1 || ex_can_fail(p->ex, k->hook[0].value)) return 0;
    if (!dim_is_const(p->dims, w->extent[0], &oc) || !dim_is_const(p->dims, w->extent[1], &icg)) return 0;
    return k->hook[0].int_acc ? bytes_block(p, k, icg, vl) : float_block(p, k, icg, vl);
}

static bool blockable(const layouter *l, slot s)
{
    const bool narrow = l->o->precision != PRECISION_FP32;
    const slot_info *i = slot_at(l->p, s);
    int64_t c;
    return i->kind == SLOT_TEMP && (i->type == ELEM_FLOAT || (narrow && (i->type == ELEM_BFLOAT16 || i->type == ELEM_FLOAT16)) || i->type == ELEM_UINT8 || i->type == ELEM_INT8) && i->rank >= 3 && i->rank <= 5 && !i->view.buf && dim_is_const(l->p->dims, i->extent[1], &c) &&
           c >= l->vl / 2;
}

/* Channel index = axis (of an extent that blocks divide) + multiples of the block: constants, and whatever is multiplied by such. */
static bool whole_blocks(const layouter *l, slot s, ex index)
{
    dims *d = l->p->dims;
    dim v;
    int64_t c;
    if (!ex_is_dim(l->p->ex, index, &v)) return false;
    (void)s;
    const dim_term *term;
    uint32_t n;
    const int64_t offset = dim_poly(d, v, &term, &n);
    if (offset % l->vl) return false;
    uint32_t steps = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (term[i].coef % l->vl == 0) continue;
        if (term[i].n_atoms != 1 || term[i].coef != 1 || !dim_is_axis(d, term[i].atom[0]) || !dim_is_const(d, dim_extent(d, term[i].atom[0]), &c) || c % l->vl) return false;
        steps++;
    }
    return steps == 1;
}

static void touch(layouter *l, slot s, uint32_t n, const ex *idx)
{
    if (n < 2 || !whole_blocks(l, s, idx[1])) l->refused[s] = 1;
}

static void touch_load(void *ctx, ex e)
{
    layouter *l = ctx;
    const ex_node *n = ex_at(l->p->ex, e);
    if (n->op == EX_LOAD) touch(l, n->slot, n->n, n->idx);
}

static void look_nest(layouter *l, const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const sink *s = &n->stage[i].sink[k];
            ex_walk(l->p->ex, s->value, touch_load, l);
            if (s->guard) ex_walk(l->p->ex, s->guard, touch_load, l);
            for (uint32_t a = 0; s->to && a < s->n; a++) ex_walk(l->p->ex, s->at[a], touch_load, l);
            if (s->to) touch(l, s->to, s->n, s->at);
        }
}

static void refuse(void *ctx, slot s, bool written)
{
    (void)written;
    ((layouter *)ctx)->refused[s] = 1;
}

/* A convolution's own output may have any number of channels: its hook stores whole vectors and then single lanes. */
static bool own_channel(const layouter *l, const hook *h, ex index)
{
    dim v;
    const dim_term *term;
    uint32_t n;
    if (!ex_is_dim(l->p->ex, index, &v)) return false;
    const int64_t offset = dim_poly(l->p->dims, v, &term, &n);
    return offset % l->vl == 0 && n == 1 && term[0].n_atoms == 1 && term[0].coef == 1 && term[0].atom[0] == h->axis[1];
}

typedef struct {
    layouter *l;
    const hook *h;
} hook_look;

static void touch_hook_load(void *ctx, ex e)
{
    const hook_look *k = ctx;
    const ex_node *n = ex_at(k->l->p->ex, e);
    if (n->op == EX_LOAD && n->n > 1 && !own_channel(k->l, k->h, n->idx[1])) k->l->refused[n->slot] = 1;
}

static void look_conv(layouter *l, const kernel *k)
{
    program *p = l->p;
    const hook *h = &k->hook[0];
    int64_t oc = 0;
    (void)dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[0], &oc);
    const bool aligned = k->conv.group == 1 || conv_is_depthwise(p, k) || oc / k->conv.group % l->vl == 0;
    if (h->n >= 2 && aligned && own_channel(l, h, h->at[1])) l->wanted[h->to] = 1;
    else l->refused[h->to] = 1;
    hook_look look = {l, h};
    ex_walk(p->ex, h->value, touch_hook_load, &look);
    if (!aligned) ex_walk(p->ex, h->value, touch_load, l);
    l->refused[k->arg[2].slot] = 1; /* weights that are no constant: they are packed from row-major */
    const slot x = k->arg[1].slot;
    if (conv_input_block(p, k, l->vl) == l->vl) l->wanted[x] = 1;
    else l->refused[x] = 1;
}

static void look_step(void *ctx, step *s)
{
    layouter *l = ctx;
    if (s->kind == STEP_NEST) look_nest(l, s->nest);
    else if (s->kind == STEP_KERNEL && s->kernel->kind == K_CONV && conv_input_block(l->p, s->kernel, l->vl)) look_conv(l, s->kernel);
    else if (s->kind == STEP_KERNEL && s->kernel->kind == K_CONV) { /* becomes a nest: reads channels one by one */
        step_access(l->p, s, refuse, l);
    } else step_access(l->p, s, refuse, l);
}

/* ---- inputs with room for the padding ---- */

static bool needs_halo(const conv_params *c)
{
    for (uint32_t k = 0; k < c->rank; k++)
        if (c->pad_lo[k] > 0 || c->pad_hi[k] > 0) return true;
    return false;
}

static bool has_halo(const slot_info *i)
{
    for (uint32_t k = 0; k < i->view.rank; k++)
        if (i->view.d[k].halo_lo || i->view.d[k].halo_hi) return true;
    return false;
}

static elem input_type(const kernel *k)
{
    return k->hook[0].int_acc ? ELEM_UINT8 : k->conv.narrow ? k->conv.narrow : ELEM_FLOAT;
}

/* Does the slot lie in blocks of `lanes`, with a border that is no one's or has the right value? */
static bool lies_well(const slot_info *i, const kernel *k, int lanes)
{
    if (i->type != input_type(k) || (needs_halo(&k->conv) && has_halo(i) && i->halo_value != k->conv.x_zero)) return false;
    return (i->view.rank ? i->view.d[1].block : 1) == lanes;
}

/* Does slot s already lie as the convolution wants it, or can it still be made so? */
static bool serves(const layouter *l, slot s, const kernel *k, int lanes)
{
    const slot_info *i = slot_at(l->p, s);
    return i->kind == SLOT_TEMP && !i->view.buf && !l->shared[s] && lies_well(i, k, lanes);
}

static void want_halo(layouter *l, slot s, const conv_params *c)
{
    slot_info *i = slot_at(l->p, s);
    i->halo_value = c->x_zero;
    if (!i->view.rank) { /* row-major so far: the view begins here */
        i->view.rank = i->rank;
        for (uint32_t k = 0; k < i->rank; k++) i->view.d[k].block = 1;
    }
    for (uint32_t k = 0; k < c->rank; k++) {
        struct view_dim *d = &i->view.d[k + 2];
        if (c->pad_lo[k] > d->halo_lo) d->halo_lo = (int32_t)c->pad_lo[k];
        if (c->pad_hi[k] > d->halo_hi) d->halo_hi = (int32_t)c->pad_hi[k];
    }
}

/* Copies n channels, from the one at `first` on. */
static void copy_channels(program *p, block *out, slot from, slot to, dim first, dim n, const char *what)
{
    const slot_info i = *slot_at(p, from);
    nest_builder b = nest_begin(p);
    ex at[MAX_RANK];
    for (uint32_t k = 0; k < i.rank; k++) at[k] = ex_dim(p->ex, k == 1 ? dim_add(p->dims, nest_axis(&b, n), first) : nest_axis(&b, i.extent[k]));
    nest_stage(&b);
    ex v = ex_load(p->ex, from, i.type, i.rank, at);
    if (i.type == ELEM_INT8 && slot_at(p, to)->type == ELEM_UINT8) v = ex_bin(p->ex, EX_ADD, v, ex_i(p->ex, CT_I32, 128));
    stage_store(&b, to, i.rank, at, v);
    nest_end(&b, out, arena_printf(p->mem, "layout of %s", what));
}

/* A tensor like s that lies in blocks of `lanes`. */
static slot in_blocks(program *p, slot s, elem as, int lanes)
{
    const slot_info i = *slot_at(p, s);
    const slot c = slot_new(p, arena_printf(p->mem, "%s_blocks", i.name), as, SLOT_TEMP, i.rank, i.extent);
    slot_info *n = slot_at(p, c);
    n->view.rank = i.rank;
    for (uint32_t k = 0; k < i.rank; k++) n->view.d[k].block = 1;
    n->view.d[1].block = lanes;
    return c;
}

/* Channels that fill blocks are copied apart from the rest: they are turned in registers. */
static void copy_blocks(program *p, block *out, slot from, slot to, int lanes, const char *what)
{
    const dim extent = slot_at(p, from)->extent[1];
    int64_t channels;
    const int64_t rest = lanes > 1 && dim_is_const(p->dims, extent, &channels) && channels > lanes ? channels % lanes : 0;
    if (rest) {
        copy_channels(p, out, from, to, dim_const(p->dims, 0), dim_const(p->dims, channels - rest), what);
        copy_channels(p, out, from, to, dim_const(p->dims, channels - rest), dim_const(p->dims, rest), what);
    } else copy_channels(p, out, from, to, dim_const(p->dims, 0), extent, what);
}

/* A copy of s in the wanted layout, before the convolution. Signed bytes become unsigned: 128 more. */
static slot copy_in(layouter *l, block *out, slot s, elem as, int wanted, const char *what)
{
    const slot c = in_blocks(l->p, s, as, wanted);
    copy_blocks(l->p, out, s, c, wanted, what);
    return c;
}

static bool is_own_index(const program *p, const hook *h)
{
    dim d;
    for (uint32_t k = 0; k < h->n; k++)
        if (h->n != h->n_axes || !ex_is_dim(p->ex, h->at[k], &d) || d != h->axis[k]) return false;
    return true;
}

/* Storing lanes that are channels one by one takes long where each result has few multiply-adds, as in depthwise convolutions, and where planes are so far apart
 * that the same pixel of all channels of a vector falls into the same few sets of the first cache, of which each has 8 ways or a few more. */
static bool stores_slowly(const layouter *l, const kernel *k)
{
    program *p = l->p;
    const slot_info *w = slot_at(p, k->arg[2].slot), *y = slot_at(p, k->hook[0].to);
    int64_t plane, terms;
    if (conv_is_depthwise(p, k)) return true;
    if (k->conv.group > 1) return false;
    const bool known = dim_is_const(p->dims, dim_product(p->dims, y->extent + 2, y->rank - 2), &plane);
    if (known && (plane < l->vl || plane * 4 % SAME_SETS_BYTES == 0)) return plane >= l->vl;
    return dim_is_const(p->dims, dim_product(p->dims, w->extent + 1, w->rank - 1), &terms) && terms < FEW_TERMS * l->vl;
}

/* There the convolution makes blocks, and who wants rows gets a copy that is turned in registers. */
static void fix_output(layouter *l, block *out, step *s)
{
    program *p = l->p;
    hook *h = &s->kernel->hook[0];
    const slot y = h->to;
    int64_t channels;
    if (l->vl < 2 || h->int_acc || l->o->optimize == OPTIMIZE_SIZE || !stores_slowly(l, s->kernel) || conv_input_block(p, s->kernel, l->vl) != l->vl) return;
    const slot_info *i = slot_at(p, y);
    if (i->type != ELEM_FLOAT || i->view.buf || (i->view.rank && i->view.d[1].block > 1) || !is_own_index(p, h) || !dim_is_const(p->dims, i->extent[1], &channels) || channels < l->vl) return;
    h->to = in_blocks(p, y, i->type, l->vl);
    copy_blocks(p, out, h->to, y, l->vl, s->what);
}

/* The copy that the step before made of it, too, where it did: the phases of a transposed convolution share one. */
static slot copy_for(layouter *l, block *out, slot x, elem as, int wanted, const step *s)
{
    const step *before = out->steps.n ? out->steps.p[out->steps.n - 1] : NULL;
    if (l->copied == x && before && before->kind == STEP_KERNEL && before->kernel->kind == K_CONV && before->kernel->arg[1].slot == l->copy && lies_well(slot_at(l->p, l->copy), s->kernel, wanted))
        return l->copy;
    l->copied = x;
    return l->copy = copy_in(l, out, x, as, wanted, s->what);
}

static void fix_input(layouter *l, block *out, step *s)
{
    program *p = l->p;
    kernel *k = s->kernel;
    const slot x = k->arg[1].slot;
    const int wanted = conv_input_block(p, k, l->vl);
    const elem as = input_type(k);
    slot from = x;
    const slot_info *i = slot_at(p, x);
    const bool in_place = i->view.rank ? i->view.d[1].block == wanted : wanted == 1;
    if (i->type != as && k->hook[0].int_acc) k->conv.x_zero += 128;
    const bool by_rows = conv_by_rows(p, l->o, k);
    if (!serves(l, x, k, wanted) && (needs_halo(&k->conv) || !in_place || i->type != as || by_rows)) from = copy_for(l, out, x, as, wanted, s);
    if (from != x) {
        kernel_arg *arg = arena_copy(p->mem, k->arg, k->n_arg * sizeof *arg);
        arg[1].slot = from;
        k->arg = arg;
    }
    if (needs_halo(&k->conv)) want_halo(l, from, &k->conv);
    if (by_rows && slot_at(p, from)->read_past < l->vl - 1) slot_at(p, from)->read_past = l->vl - 1;
    /* qconv_dw reads four taps at once */
    if (!k->hook[0].int_acc || !conv_is_depthwise(p, k)) return;
    const int32_t past = (int32_t)(3 * wanted * row_dilation(k));
    if (slot_at(p, from)->read_past < past) slot_at(p, from)->read_past = past;
}

static void fix_block(layouter *l, block *b)
{
    block out = {.graph = b->graph};
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        if (s->control && s->control->then) fix_block(l, s->control->then);
        if (s->control && s->control->otherwise) fix_block(l, s->control->otherwise);
        if (s->kind == STEP_KERNEL && s->kernel->kind == K_CONV && conv_input_block(l->p, s->kernel, l->vl)) fix_input(l, &out, s);
        VEC_PUSH(l->p->mem, out.steps, s);
        if (s->kind == STEP_KERNEL && s->kernel->kind == K_CONV) fix_output(l, &out, s);
    }
    *b = out;
}

void plan_conv_layout(program *p, const plan_options *o)
{
    arena *scratch = arena_new();
    layouter l = {.p = p, .o = o, .vl = o->target->vl};
    l.wanted = ARENA_ARRAY(scratch, uint8_t, p->slot.n);
    l.refused = ARENA_ARRAY(scratch, uint8_t, p->slot.n);
    l.shared = ARENA_ARRAY(scratch, uint8_t, p->slot.n);
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->alias_of) l.shared[s] = l.shared[slot_at(p, s)->alias_of] = l.refused[s] = l.refused[slot_at(p, s)->alias_of] = 1;
    program_steps(p, look_step, &l);
    /* Strict: sums over what convolutions make are in one order on all targets, so it lies row-major on all. */
    for (slot s = 1; s < p->slot.n && l.vl > 1 && o->math != MATH_STRICT; s++) {
        slot_info *i = slot_at(p, s);
        if (!l.wanted[s] || l.refused[s] || !blockable(&l, s)) continue;
        i->view.rank = i->rank;
        for (uint32_t k = 0; k < i->rank; k++) i->view.d[k].block = 1;
        i->view.d[1].block = l.vl;
    }
    fix_block(&l, &p->main);
    arena_free(scratch);
}
