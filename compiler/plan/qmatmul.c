/* qmatmul.c - a matrix product of bytes by the packed kernel (templates/cpu/qgemm.c), which multiplies unsigned by signed ones.
 *
 * in:  a K_MATMUL step over int32 whose operands are loads of int8 or uint8, or such a load minus a zero point that does not change along k
 * out: a K_TEMPLATE step on the bytes as they are stored; int8 rows of A come as copies with 128 added, uint8 columns of B are packed with 128
 *      taken away, and the zero points make up for it. What they change enters the hook (all modulo 2^32, so exact):
 *
 *          sum (a - za)(b - zb)  =  sum ab  -  zb * sum a  -  za * sum (b - zb)
 *
 *      sum a, of rows, is computed before the step where zb is not 0; sum (b - zb), of columns, is a constant where B is one. */
#include <string.h>

#include "plan/matmul.h"

/* An operand: the bytes as a value of the compute type, without their zero point. */
typedef struct {
    ex value;
    ex zero; /* I32; 0: none */
    elem stored;
} operand;

/* The one value that all elements of a constant have. */
static bool uniform_value(program *p, ex e, int64_t *v)
{
    const ex_node *n = ex_at(p->ex, e);
    double literal;
    if (ex_is_num(p->ex, e, &literal)) {
        *v = (int64_t)literal;
        return true;
    }
    const slot_info *s = n->op == EX_LOAD ? slot_at(p, n->slot) : NULL;
    if (!s || s->kind != SLOT_CONST || !s->data || !s->data->data) return false;
    size_t count = 1;
    for (uint32_t i = 0; i < s->rank; i++) count *= (size_t)s->data->shape[i];
    if (!count) return false;
    *v = elem_get_int(s->type, s->data->data, 0);
    for (size_t i = 1; i < count; i++)
        if (elem_get_int(s->type, s->data->data, i) != *v) return false;
    return true;
}

static bool read_operand(program *p, ex e, dim k, operand *o)
{
    const ex_node n = *ex_at(p->ex, e);
    const ex load = n.op == EX_SUB ? n.a[0] : e;
    const ex_node *l = ex_at(p->ex, load);
    if (l->op != EX_LOAD || (l->elem != ELEM_INT8 && l->elem != ELEM_UINT8)) return false;
    *o = (operand){.value = load, .zero = n.op == EX_SUB ? n.a[1] : 0, .stored = (elem)l->elem};
    if (o->zero && matmul_depends(p, o->zero, k)) return false;
    int64_t v;
    if (o->zero && uniform_value(p, o->zero, &v)) o->zero = v ? ex_i(p->ex, CT_I32, v) : 0;
    return true;
}

/* The same values from bytes that lie `by` higher. */
static void shift_operand(program *p, operand *o, int by)
{
    exprs *x = p->ex;
    double v;
    o->value = ex_bin(x, EX_ADD, o->value, ex_i(x, CT_I32, by));
    o->zero = o->zero ? ex_bin(x, EX_ADD, o->zero, ex_i(x, CT_I32, by)) : ex_i(x, CT_I32, by);
    if (ex_is_num(x, o->zero, &v) && v == 0) o->zero = 0;
}

/* ---- sums along k ---- */

/* factor * sum over k of `term` as a load of a new tensor over those of the product's axes that it depends on; factor 0: the plain sum. */
static ex sum_along_k(matmul_plan *q, const char *name, ex term, ex factor)
{
    program *p = q->p;
    const dim own_k = q->mm.k;
    dim axis[MAX_RANK], extent[MAX_RANK], from[MAX_RANK + 1], with[MAX_RANK + 1];
    ex at[MAX_RANK], load_at[MAX_RANK];
    uint32_t rank = 0, pairs = 0;
    for (uint32_t i = 0; i < q->mm.n_batch; i++)
        if (matmul_depends(p, term, q->mm.batch[i])) axis[rank++] = q->mm.batch[i];
    if (matmul_depends(p, term, q->mm.m)) axis[rank++] = q->mm.m;
    if (matmul_depends(p, term, q->mm.n)) axis[rank++] = q->mm.n;
    nest_builder b = nest_begin(p);
    for (uint32_t i = 0; i < rank; i++) {
        extent[i] = matmul_extent(p, axis[i]);
        from[pairs] = axis[i];
        with[pairs] = nest_axis(&b, extent[i]);
        at[i] = ex_dim(p->ex, with[pairs++]);
        load_at[i] = ex_dim(p->ex, axis[i]);
    }
    nest_stage(&b);
    if (dim_is_axis(p->dims, own_k)) {
        from[pairs] = own_k;
        with[pairs++] = stage_axis(&b, matmul_extent(p, own_k));
    }
    const ex sum = stage_fold(&b, FOLD_SUM, ex_map(p->ex, term, pairs, from, with));
    nest_stage(&b);
    const slot to = slot_new(p, name, ELEM_INT32, SLOT_TEMP, rank, extent);
    stage_store(&b, to, rank, at, factor ? ex_bin(p->ex, EX_MUL, factor, sum) : sum);
    block steps = {0};
    nest_end(&b, &steps, arena_printf(p->mem, "%s of %s", name, q->what));
    if (!ex_is_constant(p, term) || !pack_now(p, &steps, to))
        for (uint32_t i = 0; i < steps.steps.n; i++) VEC_PUSH(p->mem, q->out->steps, steps.steps.p[i]);
    return ex_load(p->ex, to, ELEM_INT32, rank, load_at);
}

/* What is to be subtracted from the kernel's sums; 0: nothing. */
static ex correction(matmul_plan *q, const operand *a, const operand *b)
{
    exprs *x = q->p->ex;
    ex rows = 0, columns = 0;
    double v;
    if (b->zero) rows = ex_bin(x, EX_MUL, b->zero, sum_along_k(q, "row_sums", a->value, 0));
    if (a->zero) {
        const ex column = b->zero ? ex_bin(x, EX_SUB, b->value, b->zero) : b->value;
        const bool literal = ex_is_num(x, a->zero, &v);
        columns = sum_along_k(q, "column_sums", column, literal ? a->zero : 0);
        if (!literal) columns = ex_bin(x, EX_MUL, a->zero, columns);
    }
    return rows && columns ? ex_bin(x, EX_ADD, rows, columns) : rows ? rows : columns;
}

/* ---- B at run time ---- */

/* The load in B's value, where it is that or unsigned bytes made signed. */
static ex plain_load(program *p, ex b)
{
    const ex_node *n = ex_at(p->ex, b);
    double v;
    if (n->op == EX_LOAD) return b;
    if (n->op != EX_ADD) return 0;
    for (int i = 0; i < 2; i++) {
        const ex_node *l = ex_at(p->ex, n->a[i]);
        if (l->op == EX_LOAD && l->elem == ELEM_UINT8 && ex_is_num(p->ex, n->a[1 - i], &v) && v == -128) return n->a[i];
    }
    return 0;
}

/* B's offset as coefficients of k and n and the rest, which depends on batch axes alone. */
static bool read_b(matmul_plan *q, const ex_node *load, dim *along_k, dim *along_n, dim *base)
{
    program *p = q->p;
    dims *d = p->dims;
    dim at, rest;
    if (!ex_is_dim(p->ex, slot_address(p, load->slot, load->n, load->idx), &at)) return false;
    at = dim_sub(d, at, slot_at(p, load->slot)->view.offset);
    *along_k = *along_n = dim_const(d, 0);
    rest = at;
    if (dim_is_axis(d, q->mm.k) && !dim_affine(d, at, q->mm.k, along_k, &rest)) return false;
    *base = rest;
    if (dim_is_axis(d, q->mm.n) && !dim_affine(d, rest, q->mm.n, along_n, base)) return false;
    return !dim_has_axis(d, *along_k) && !dim_has_axis(d, *along_n);
}

slot qmatmul_pack(matmul_plan *q, const char *name, int nv, uint32_t *kept_batch)
{
    program *p = q->p;
    dims *d = p->dims;
    const ex load = plain_load(p, q->mm.b);
    if (!load) return 0;
    const ex_node from = *ex_at(p->ex, load);
    dim along_k, along_n, base, extent[MAX_RANK], batches = dim_const(d, 1);
    if (!read_b(q, &from, &along_k, &along_n, &base)) return 0;
    matmul_params kept = {0};
    uint32_t rank = 0;
    *kept_batch = 0;
    for (uint32_t i = 0; i < q->mm.n_batch; i++) {
        if (!matmul_depends(p, load, q->mm.batch[i])) continue;
        *kept_batch |= 1u << i;
        kept.batch[kept.n_batch++] = q->mm.batch[i];
        extent[rank] = matmul_extent(p, q->mm.batch[i]);
        batches = dim_mul(d, batches, extent[rank++]);
    }
    const dim n = matmul_extent(p, q->mm.n), k = matmul_extent(p, q->mm.k), lanes = dim_const(d, (int64_t)nv * q->o->target->vl), four = dim_const(d, 4);
    const dim panels = dim_cdiv(d, n, lanes);
    extent[rank++] = panels;
    extent[rank++] = dim_cdiv(d, k, four);
    extent[rank++] = lanes;
    extent[rank++] = four;
    const slot to = slot_new(p, name, ELEM_INT8, SLOT_TEMP, rank, extent);
    kernel *pack = ARENA_NEW(p->mem, kernel);
    const binding bind[] = {dim_binding("NV", dim_const(d, nv)), dim_binding("OFF", dim_const(d, load == q->mm.b ? 0 : 128)),
                            {.name = "B_T", .kind = BIND_TYPE, .type = (elem)from.elem}, dim_binding("N", n), dim_binding("K", k), dim_binding("BATCH", batches),
                            dim_binding("B_AT", matmul_by_batch_index(p, &kept, base)), dim_binding("B_K", along_k), dim_binding("B_N", along_n)};
    const kernel_arg arg[] = {{to, ARG_OUT}, {from.slot, ARG_IN}};
    *pack = (kernel){.kind = K_TEMPLATE, .name = "qpack", .n_bind = sizeof bind / sizeof *bind, .bind = arena_copy(p->mem, bind, sizeof bind), .n_arg = 2,
                     .arg = arena_copy(p->mem, arg, sizeof arg), .range = dim_mul(d, batches, panels),
                     .ops = dim_mul(d, batches, dim_mul(d, n, k))};
    step *s = ARENA_NEW(p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = arena_printf(p->mem, "pack %s", name), .kernel = pack};
    VEC_PUSH(p->mem, q->out->steps, s);
    return to;
}

/* ---- the step ---- */

typedef struct {
    exprs *x;
    ex sum;
} acc_swap;

static ex swap_acc(void *ctx, ex e)
{
    const acc_swap *s = ctx;
    return ex_at(s->x, e)->op == EX_ACC ? s->sum : 0;
}

bool select_qmatmul(program *p, const plan_options *o, const step *s, block *out)
{
    const kernel *k = s->kernel;
    exprs *x = p->ex;
    matmul_plan q = {.p = p, .o = o, .what = s->what, .out = out, .mm = k->matmul, .hook = k->hook[0], .bytes = true};
    operand a, b;
    if (k->n_hook != 1 || !q.hook.int_acc || ex_can_fail(x, q.hook.value) || q.mm.n_batch + 4 > MAX_RANK) return false;
    if (!read_operand(p, q.mm.a, q.mm.k, &a) || !read_operand(p, q.mm.b, q.mm.k, &b)) return false;
    if (a.stored == ELEM_INT8) shift_operand(p, &a, 128);
    if (b.stored == ELEM_UINT8) shift_operand(p, &b, -128);
    q.mm.a = a.value;
    q.mm.b = b.value;
    const ex off = correction(&q, &a, &b);
    if (off) {
        acc_swap swap = {x, ex_bin(x, EX_SUB, ex_acc(x, 0, CT_I32), off)};
        q.hook.value = ex_subst(x, q.hook.value, swap_acc, &swap);
    }
    plan_layout(p);
    return matmul_step(&q);
}
