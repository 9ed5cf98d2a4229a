/* narrow.c - --precision=bf16 and fp16: products and convolutions of float32 with operands that are rounded to bfloat16 or float16; sums stay float32.
 *
 * in:  fused steps over logical indexes, before any layout
 * out: K_MATMUL and K_CONV steps with constant weights say that they read such a type (`narrow`); temporaries that such steps read lie in memory as that, whoever
 *      else reads them, so that half as much goes through the caches. All arithmetic between them is float32: what a step computes is rounded as it is stored.
 *
 * A product of two values that are both computed stays as it is, and so does what sums fewer than LEAST_SUM products: positions times frequencies, say,
 * which have not the bits for it. Where the target has no fast instruction for it, float32 serves as well; only --optimize=size then wants half the bytes. */
#include "plan/conv_plan.h"
#include "plan/matmul.h"

enum { LEAST_SUM = 16, CHAIN = 64 /* sums of so many products of float16 are as precise as products of bfloat16; see docs/performance.md */ };

typedef struct {
    program *p;
    const plan_options *o;
    elem to;
    uint8_t *wanted, *refused; /* by slot */
} narrower;

static bool is_constant_float(program *p, slot w)
{
    const slot_info *i = slot_at(p, w);
    return i->kind == SLOT_CONST && i->data && elem_of(i->type)->kind == 'f';
}

static bool narrow_matmul(narrower *n, const kernel *k)
{
    program *p = n->p;
    const matmul_params *mm = &k->matmul;
    int64_t sums;
    if (!matmul_is_float(p, k) || !dim_is_const(p->dims, matmul_extent(p, mm->k), &sums) || sums < LEAST_SUM) return false;
    return ex_is_constant(p, mm->b) && !ex_is_constant(p, mm->a);
}

/* Channels are multiplied two at a time, so a group has an even number of them. */
static bool narrow_conv(narrower *n, const kernel *k)
{
    program *p = n->p;
    int64_t channels;
    const int vl = n->o->target->vl;
    if (k->hook[0].int_acc || k->conv.transposed || vl < 2 || !is_constant_float(p, k->arg[2].slot) || conv_input_block(p, k, vl) != vl) return false;
    if (conv_is_depthwise(p, k)) return true;
    return dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[1], &channels) && channels % 2 == 0;
}

static void refuse(void *ctx, slot s, bool written)
{
    (void)written;
    ((narrower *)ctx)->refused[s] = 1;
}

static void refuse_read(void *ctx, slot s, bool written)
{
    if (!written) ((narrower *)ctx)->refused[s] = 1;
}

static void want_load(void *ctx, ex e)
{
    narrower *n = ctx;
    const ex_node *l = ex_at(n->p->ex, e);
    if (l->op == EX_LOAD) n->wanted[l->slot] = 1;
}

static void look_at_conv(narrower *n, kernel *k)
{
    const slot x = k->arg[1].slot;
    if (!narrow_conv(n, k)) n->refused[x] = 1;
    else if (!conv_is_depthwise(n->p, k) || n->o->optimize == OPTIMIZE_SIZE) {
        k->conv.narrow = n->to;
        n->wanted[x] = 1;
    }
}

/* Depthwise convolutions multiply float32, and making those of 16 bits takes more time than fewer bytes save: they read such numbers where another step wants
 * them, or where memory counts. */
static void settle_depthwise(void *ctx, step *s)
{
    narrower *n = ctx;
    kernel *k = s->kernel;
    if (s->kind != STEP_KERNEL || k->kind != K_CONV || !conv_is_depthwise(n->p, k)) return;
    k->conv.narrow = slot_at(n->p, k->arg[1].slot)->type == n->to ? n->to : ELEM_NONE;
}

static void look(void *ctx, step *s)
{
    narrower *n = ctx;
    kernel *k = s->kernel;
    if (s->kind == STEP_KERNEL && k->kind == K_MATMUL) {
        if (!narrow_matmul(n, k)) step_access(n->p, s, refuse_read, n);
        else {
            k->matmul.narrow = n->to;
            ex_walk(n->p->ex, k->matmul.a, want_load, n);
        }
    } else if (s->kind == STEP_KERNEL && k->kind == K_CONV) look_at_conv(n, k);
    else if (s->kind != STEP_NEST) step_access(n->p, s, refuse, n);
    for (uint32_t i = 0; s->nest && i < s->nest->n_stages; i++)
        for (uint32_t a = 0; a < s->nest->stage[i].n_sinks; a++) {
            const sink *to = &s->nest->stage[i].sink[a];
            if (to->to && to->fold != FOLD_NONE) n->refused[to->to] = 1; /* each addition would be rounded */
        }
}

static slot whole_of(program *p, slot s)
{
    while (slot_at(p, s)->alias_of) s = slot_at(p, s)->alias_of;
    return s;
}

/* Slots that are parts of one have one type: what is said of one of them is said of the whole. */
static void join_views(narrower *n)
{
    for (slot s = 1; s < n->p->slot.n; s++) {
        const slot_info *i = slot_at(n->p, s);
        const slot whole = whole_of(n->p, s);
        n->wanted[whole] |= n->wanted[s];
        n->refused[whole] |= n->refused[s];
        if (i->kind != SLOT_TEMP || i->type != ELEM_FLOAT || i->keep || i->pairs) n->refused[whole] = 1;
    }
}

static bool has_products(const target *t, bool brain)
{
    return brain ? t->dot2 : t->fma16;
}

/* Half the bytes are no reason for who wants time. */
static void warn_of_target(program *p, const plan_options *o, bool brain)
{
    text with = {.mem = p->mem};
    uint32_t n;
    const target *t = target_table(&n);
    for (uint32_t i = 0; i < n; i++)
        if (has_products(&t[i], brain)) text_addf(&with, "%s%s", with.n ? ", " : "", t[i].name);
    diag_warn(p->diag, "", "precision", "%s has no products of %s that are faster than those of float32: nothing is rounded", o->target->name, brain ? "bfloat16" : "float16");
    diag_hint(p->diag, "targets that have them: %s; --optimize=size rounds on any, for half the bytes of weights but mostly a longer run", with.p);
}

void plan_narrow(program *p, const plan_options *o)
{
    const bool brain = o->precision == PRECISION_BF16;
    if (o->precision == PRECISION_FP32) return;
    if (!has_products(o->target, brain) && o->optimize != OPTIMIZE_SIZE) {
        warn_of_target(p, o, brain);
        return;
    }
    arena *scratch = arena_new();
    narrower n = {p, o, brain ? ELEM_BFLOAT16 : ELEM_FLOAT16, ARENA_ARRAY(scratch, uint8_t, p->slot.n), ARENA_ARRAY(scratch, uint8_t, p->slot.n)};
    elem *was = ARENA_ARRAY(scratch, elem, p->slot.n);
    program_steps(p, look, &n);
    join_views(&n);
    for (slot s = 1; s < p->slot.n; s++) {
        const slot whole = whole_of(p, s);
        if (!n.wanted[whole] || n.refused[whole]) continue;
        was[s] = slot_at(p, s)->type;
        slot_at(p, s)->type = n.to;
    }
    program_steps(p, settle_depthwise, &n);
    plan_retype(p, was, false);
    arena_free(scratch);
}

void narrow_bindings(program *p, const plan_options *o, elem narrow, binding *to)
{
    const bool brain = narrow == ELEM_BFLOAT16;
    to[0] = (binding){.name = "ACC_T", .kind = BIND_TEXT, .text = brain ? "vf" : "vk"};
    to[1] = (binding){.name = "DOT2", .kind = BIND_TEXT, .text = brain ? "vf_dot2" : "vk_dot2"};
    to[2] = (binding){.name = "TOTAL", .kind = BIND_TEXT, .text = brain ? "" : "vk_total"};
    to[3] = (binding){.name = "CHAIN", .kind = BIND_DIM, .d = dim_const(p->dims, !brain && o->target->fma16 ? CHAIN : 0)};
}
