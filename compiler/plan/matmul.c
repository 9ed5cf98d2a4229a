/* matmul.c - a matrix product by a packed kernel (templates/cpu/gemm.c, gemm_half.c, qgemm.c).
 *
 * in:  a K_MATMUL step whose slots have views
 * out: a K_TEMPLATE step with B in panels - packed now when it is constant, by a nest before the step otherwise - and A read in place,
 *      or copied to rows first where its elements do not follow each other along k */
#include "plan/matmul.h"

#include <string.h>

#include "plan/pack.h"
#include "plan/tuning.h"

dim matmul_extent(program *p, dim axis)
{
    return dim_is_axis(p->dims, axis) ? dim_extent(p->dims, axis) : dim_const(p->dims, 1);
}

/* ---- constant operands are packed now ---- */

typedef struct {
    program *p;
    slot packed;
    void *memory;
} packing;

static void *packing_data(void *ctx, slot s)
{
    const packing *k = ctx;
    return s == k->packed ? k->memory : (void *)(uintptr_t)slot_at(k->p, s)->data->data;
}

static int64_t no_symbol(void *ctx, dim d)
{
    (void)ctx;
    (void)d;
    return 0;
}

/* Runs the packing nest in `steps` when everything it reads is constant: the packed slot becomes a constant and the steps vanish. */
bool pack_now(program *p, block *steps, slot packed)
{
    int64_t shape[MAX_RANK], v;
    slot_info *i = slot_at(p, packed);
    for (uint32_t k = 0; k < i->rank; k++) {
        if (!dim_is_const(p->dims, i->extent[k], &v)) return false;
        shape[k] = v;
    }
    tensor *t = tensor_new(p->mem, i->type, i->rank, shape);
    packing data = {p, packed, (void *)(uintptr_t)t->data};
    const interp in = {p, packing_data, no_symbol, &data};
    const char *why;
    for (uint32_t k = 0; k < steps->steps.n; k++)
        if (!nest_run(&in, steps->steps.p[k]->nest, &why)) return false;
    i = slot_at(p, packed);
    t->name = i->name;
    i->kind = SLOT_CONST;
    i->data = t;
    steps->steps.n = 0;
    return true;
}

typedef struct {
    program *p;
    bool all;
} const_search;

static void only_const(void *ctx, ex e)
{
    const_search *c = ctx;
    const ex_node *n = ex_at(c->p->ex, e);
    if (n->op == EX_LOAD && slot_at(c->p, n->slot)->kind != SLOT_CONST) c->all = false;
}

bool ex_is_constant(program *p, ex e)
{
    const_search c = {p, true};
    ex_walk(p->ex, e, only_const, &c);
    return c.all;
}

static void append(program *p, block *out, const block *steps)
{
    for (uint32_t i = 0; i < steps->steps.n; i++) VEC_PUSH(p->mem, out->steps, steps->steps.p[i]);
}

/* ---- A ---- */

static elem a_elem(const matmul_plan *q)
{
    return q->bytes ? ELEM_UINT8 : q->mm.narrow ? q->mm.narrow : ELEM_FLOAT;
}

bool matmul_read(program *p, const matmul_params *mm, ex e, dim line, elem stored, matmul_operand *out)
{
    dims *d = p->dims;
    const ex_node n = *ex_at(p->ex, e);
    dim at, rest;
    if (n.op != EX_LOAD || n.elem != stored) return false;
    if (!ex_is_dim(p->ex, slot_address(p, n.slot, n.n, n.idx), &at)) return false;
    at = dim_sub(d, at, slot_at(p, n.slot)->view.offset); /* arguments of kernels begin at their slot, not at its buffer */
    *out = (matmul_operand){.slot = n.slot, .line = dim_const(d, 0), .k = dim_const(d, 0)};
    rest = at;
    if (dim_is_axis(d, mm->k) && !dim_affine(d, at, mm->k, &out->k, &rest)) return false;
    out->base = rest;
    if (dim_is_axis(d, line) && !dim_affine(d, rest, line, &out->line, &out->base)) return false;
    return !dim_has_axis(d, out->line) && !dim_has_axis(d, out->k);
}

static bool read_a(matmul_plan *q, matmul_operand *a)
{
    if (!matmul_read(q->p, &q->mm, q->mm.a, q->mm.m, a_elem(q), a)) return false;
    q->a = a->slot;
    return true;
}

ex matmul_rows(program *p, block *out, const char *what, const matmul_params *mm, ex e, dim line, elem stored)
{
    dim extent[MAX_RANK], axis[MAX_RANK], from[MAX_RANK], with[MAX_RANK];
    uint32_t rank = 0, pairs = 0;
    for (uint32_t i = 0; i < mm->n_batch; i++)
        if (matmul_depends(p, e, mm->batch[i])) axis[rank++] = mm->batch[i];
    axis[rank++] = line;
    axis[rank++] = mm->k;
    for (uint32_t i = 0; i < rank; i++) extent[i] = matmul_extent(p, axis[i]);
    const slot rows = slot_new(p, "rows", stored, SLOT_TEMP, rank, extent);
    nest_builder b = nest_begin(p);
    ex at[MAX_RANK], load_at[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        const dim own = nest_axis(&b, extent[i]);
        at[i] = ex_dim(p->ex, own);
        load_at[i] = ex_dim(p->ex, axis[i]);
        if (!dim_is_axis(p->dims, axis[i])) continue;
        from[pairs] = axis[i];
        with[pairs++] = own;
    }
    nest_stage(&b);
    stage_store(&b, rows, rank, at, ex_map(p->ex, e, pairs, from, with));
    block steps = {0};
    nest_end(&b, &steps, arena_printf(p->mem, "rows of %s", what));
    if (!ex_is_constant(p, e) || !pack_now(p, &steps, rows)) append(p, out, &steps);
    plan_layout(p);
    return ex_load(p->ex, rows, stored, rank, load_at);
}

/* ---- batches ---- */

typedef struct {
    dims *d;
    bool found;
} division_search;

static void look_for_division(void *ctx, ex e)
{
    void **c = ctx;
    const exprs *x = c[0];
    division_search *s = c[1];
    dim v;
    if (!ex_is_dim(x, e, &v)) return;
    const dim_term *term;
    uint32_t n;
    (void)dim_poly(s->d, v, &term, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < term[i].n_atoms; k++) {
            const dim_kind kind = dim_kind_of(s->d, term[i].atom[k]);
            s->found |= (kind == DIM_FDIV || kind == DIM_MOD) && dim_has_axis(s->d, term[i].atom[k]);
        }
}

bool ex_has_division(program *p, ex e)
{
    division_search s = {p->dims, false};
    void *ctx[2] = {p->ex, &s};
    ex_walk(p->ex, e, look_for_division, ctx);
    return s.found;
}

bool matmul_depends(program *p, ex e, dim axis)
{
    const dim zero = dim_const(p->dims, 0);
    return dim_is_axis(p->dims, axis) && ex_map(p->ex, e, 1, &axis, &zero) != e;
}

bool matmul_join_batch(matmul_plan *q)
{
    program *p = q->p;
    dims *d = p->dims;
    if (!q->mm.n_batch) return false;
    const dim batch = q->mm.batch[q->mm.n_batch - 1], m = q->mm.m;
    if (!dim_is_axis(d, batch)) {
        q->mm.n_batch--;
        return true;
    }
    if (matmul_depends(p, q->mm.b, batch)) return false;
    const dim rows = matmul_extent(p, m), all = dim_axis(d, dim_mul(d, matmul_extent(p, batch), rows));
    const dim from[2] = {batch, m}, to[2] = {dim_fdiv(d, all, rows), dim_mod(d, all, rows)};
    const uint32_t n = dim_is_axis(d, m) ? 2 : 1;
    const ex a = ex_map(p->ex, q->mm.a, n, from, to);
    hook h = q->hook;
    h.value = ex_map(p->ex, h.value, n, from, to);
    for (uint32_t i = 0; i < h.n; i++) h.at[i] = ex_map(p->ex, h.at[i], n, from, to);
    hook flat = h;
    hook_flatten(p, &flat);
    if (ex_has_division(p, ex_flatten(p, a)) || ex_has_division(p, flat.value) || ex_has_division(p, flat.at[0])) return false;
    q->hook = h;
    q->mm.a = a;
    q->mm.m = all;
    q->mm.n_batch--;
    return true;
}

/* ---- the step ---- */

dim matmul_by_batch_index(program *p, const matmul_params *mm, dim at)
{
    dims *d = p->dims;
    dim index = dim_symbol(d, "batch_index", 0, INT64_MAX), from[MAX_RANK], to[MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = mm->n_batch; i-- > 0;) {
        if (!dim_is_axis(d, mm->batch[i])) continue;
        const dim e = matmul_extent(p, mm->batch[i]);
        from[n] = mm->batch[i];
        to[n++] = i ? dim_mod(d, index, e) : index;
        index = i ? dim_fdiv(d, index, e) : index;
    }
    return dim_subst(d, at, n, from, to);
}

static int64_t known(program *p, dim d)
{
    int64_t v;
    return dim_is_const(p->dims, d, &v) ? v : -1;
}

void matmul_hook_axes(matmul_plan *q, dim batches)
{
    dims *d = q->p->dims;
    exprs *x = q->p->ex;
    hook *h = &q->hook;
    const dim one = dim_axis(d, batches);
    dim index = one, from[MAX_RANK], to[MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = q->mm.n_batch; i-- > 0;) {
        const dim e = matmul_extent(q->p, q->mm.batch[i]);
        if (dim_is_axis(d, q->mm.batch[i])) {
            from[n] = q->mm.batch[i];
            to[n++] = i ? dim_mod(d, index, e) : index;
        }
        index = dim_fdiv(d, index, e);
    }
    h->value = ex_map(x, h->value, n, from, to);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(x, h->at[i], n, from, to);
    h->n_axes = 3;
    h->axis[0] = one;
    h->axis[1] = q->mm.m;
    h->axis[2] = q->mm.n;
}

/* Panels of nv vectors: a constant, or filled by a step before the kernel's. */
static void pack_b(matmul_plan *q, int nv, uint32_t *kept_batch)
{
    program *p = q->p;
    const int64_t nr = (int64_t)nv * q->o->target->vl;
    const char *name = arena_printf(p->mem, "%s_panels", q->name ? q->name : slot_at(p, q->hook.to)->name);
    const bool constant = ex_is_constant(p, q->mm.b);
    block steps = {0};
    if (!constant && q->bytes && (q->b = qmatmul_pack(q, name, nv, kept_batch)) != 0) return;
    q->b = q->bytes ? pack_qgemm_b(p, &steps, name, &q->mm, nr, kept_batch) : pack_gemm_b(p, &steps, name, &q->mm, nr, kept_batch);
    if (!constant || !pack_now(p, &steps, q->b)) append(p, q->out, &steps);
}

dim matmul_batches(const matmul_plan *q)
{
    dim batches = dim_const(q->p->dims, 1);
    for (uint32_t i = 0; i < q->mm.n_batch; i++) batches = dim_mul(q->p->dims, batches, matmul_extent(q->p, q->mm.batch[i]));
    return batches;
}

/* k that a lane takes at once. */
static int64_t together_of(const matmul_plan *q)
{
    return q->bytes ? 4 : q->mm.narrow ? 2 : 1;
}

dim matmul_panels(matmul_plan *q, int nv)
{
    program *p = q->p;
    dims *d = p->dims;
    const int64_t nr = (int64_t)nv * q->o->target->vl, together = together_of(q);
    uint32_t kept;
    pack_b(q, nv, &kept);
    plan_layout(p);
    const dim panels = dim_cdiv(d, matmul_extent(p, q->mm.n), dim_const(d, nr)), k_steps = dim_cdiv(d, matmul_extent(p, q->mm.k), dim_const(d, together));
    dim at = dim_const(d, 0), stride = dim_mulc(d, dim_mul(d, panels, dim_mulc(d, k_steps, together)), nr);
    for (uint32_t i = q->mm.n_batch; i-- > 0;) {
        if (!(kept >> i & 1)) continue;
        at = dim_add(d, at, dim_mul(d, q->mm.batch[i], stride));
        stride = dim_mul(d, stride, matmul_extent(p, q->mm.batch[i]));
    }
    return at;
}

/* Whether the model's constants are more than stays in the third cache from run to run. */
static bool weights_are_far(const program *p)
{
    enum { LIKELY_OURS = 32000000 };
    int64_t bytes = 0;
    for (slot s = 1; s < p->slot.n; s++)
        if (p->slot.p[s].value && p->slot.p[s].kind == SLOT_CONST && p->slot.p[s].data) bytes += (int64_t)p->slot.p[s].data->bytes;
    return bytes > LIKELY_OURS;
}

static void gemm_step(matmul_plan *q, dim lda, dim base)
{
    program *p = q->p;
    dims *d = p->dims;
    const dim m = matmul_extent(p, q->mm.m), n = matmul_extent(p, q->mm.n), kk = matmul_extent(p, q->mm.k), batches = matmul_batches(q);
    const vector_unit unit = {q->o->target->vl, q->o->target->registers, q->o->target->l2, q->bytes && !q->o->target->dot4, q->o->target->l3_rate};
    const dim k_steps = dim_cdiv(d, kk, dim_const(d, together_of(q)));
    const char *name = q->bytes ? "qgemm" : q->mm.narrow ? "gemm_half" : "gemm", *shape = tuning_gemm_shape(p, q->o, name, known(p, batches), known(p, m), known(p, n), known(p, kk));
    const gemm_tile t = tuning_gemm_tile(p, q->o, shape, &unit, known(p, m), known(p, n), known(p, k_steps), !q->bytes && !q->mm.narrow, weights_are_far(p));
    const dim b_at = matmul_panels(q, t.nv), panels = dim_cdiv(d, n, dim_const(d, (int64_t)t.nv * unit.vl));
    kernel *k = ARENA_NEW(p->mem, kernel);
    k->kind = K_TEMPLATE;
    k->name = name;
    k->shape = shape;
    k->lane = 2;
    const binding bind[] = {dim_binding("MR", dim_const(d, t.mr)), dim_binding("NV", dim_const(d, t.nv)), dim_binding("MT", dim_const(d, t.mt)),
                            dim_binding("MC", dim_const(d, t.mc)), dim_binding("AHEAD", dim_const(d, t.ahead)), dim_binding("M", m), dim_binding("N", n), dim_binding("K", kk),
                            dim_binding("BATCH", batches), dim_binding("LDA", dim_is(d, lda, 0) ? kk : lda), dim_binding("A_AT", matmul_by_batch_index(p, &q->mm, base)),
                            dim_binding("B_AT", matmul_by_batch_index(p, &q->mm, b_at)), dim_binding("KC", dim_const(d, t.kc))};
    const uint32_t shared = (uint32_t)(sizeof bind / sizeof *bind) - (q->bytes || q->mm.narrow ? 1 : 0); /* only gemm has KC */
    k->n_bind = shared + (q->mm.narrow ? NARROW_BINDINGS : 0);
    k->bind = ARENA_ARRAY(p->mem, binding, k->n_bind);
    memcpy(k->bind, bind, shared * sizeof *bind);
    if (q->mm.narrow) narrow_bindings(p, q->o, q->mm.narrow, k->bind + shared);
    k->range = dim_mul(d, dim_mul(d, batches, dim_cdiv(d, m, dim_const(d, t.mc))), panels);
    matmul_hook_axes(q, batches);
    k->hook = arena_copy(p->mem, &q->hook, sizeof q->hook);
    k->n_hook = 1;
    k->n_arg = 3;
    k->arg = ARENA_ARRAY(p->mem, kernel_arg, 3);
    k->arg[0] = (kernel_arg){q->a, ARG_IN};
    k->arg[1] = (kernel_arg){q->b, ARG_IN};
    k->arg[2] = (kernel_arg){q->hook.to, ARG_OUT};
    kernel_note_loads(p, k, q->hook.value);
    step *s = ARENA_NEW(p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = q->what, .kernel = k};
    VEC_PUSH(p->mem, q->out->steps, s);
}

bool matmul_lines(matmul_plan *q, matmul_operand *a)
{
    if (!read_a(q, a) || (dim_is_axis(q->p->dims, q->mm.k) && !dim_is(q->p->dims, a->k, 1)))
        q->mm.a = matmul_rows(q->p, q->out, q->what, &q->mm, q->mm.a, q->mm.m, a_elem(q));
    return read_a(q, a);
}

bool matmul_step(matmul_plan *q)
{
    matmul_operand a;
    (void)matmul_lines(q, &a);
    while (matmul_join_batch(q)) {}
    if (!read_a(q, &a)) return false;
    gemm_step(q, a.line, a.base);
    return true;
}

bool matmul_is_float(program *p, const kernel *k)
{
    const hook *h = &k->hook[0];
    const elem to = slot_at(p, h->to)->type;
    if (k->n_hook != 1 || (to != ELEM_FLOAT && to != ELEM_FLOAT16 && to != ELEM_BFLOAT16) || ex_type(p->ex, k->matmul.a) != CT_F32 || ex_type(p->ex, k->matmul.b) != CT_F32) return false;
    return ex_type(p->ex, h->value) == CT_F32 && !ex_can_fail(p->ex, h->value);
}

bool select_matmul(program *p, const plan_options *o, const step *s, block *out)
{
    const kernel *k = s->kernel;
    matmul_plan q = {.p = p, .o = o, .what = s->what, .out = out, .mm = k->matmul, .hook = k->hook[0]};
    if (ex_type(p->ex, q.mm.a) == CT_I32) return select_qmatmul(p, o, s, out);
    if (!matmul_is_float(p, k)) return false;
    if (dim_is(p->dims, matmul_extent(p, q.mm.m), 1) && !ex_is_constant(p, q.mm.b)) return false; /* one row: packing B takes longer than the product does */
    return (q.mm.block && select_nbits(p, o, s, out)) || matmul_step(&q);
}
