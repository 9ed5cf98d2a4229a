/* nbits.c - a product with constant weights of 2, 4 or 8 bits in blocks along k (templates/cpu/nbits_int8.c, nbits_float.c).
 *
 * in:  a K_MATMUL step of floats whose b is (float(code[n, k]) - zero) * scale[n, k / block]
 * out: a K_TEMPLATE step on the packed codes, which stay as small as they are. Where the model allows it (accuracy_level 4), or with --math=fast, rows of A
 *      are rounded to int8 by blocks first, by a step of their own (nbits_rows.c), and products are of integers; else weights become floats in registers */
#include <assert.h>

#include "plan/matmul.h"
#include "plan/pack.h"

typedef struct {
    slot codes, scales, zeros; /* [n][k], [n][blocks] twice; zeros 0: all are `zero` */
    int64_t zero;
} weights;

typedef struct {
    int mr, nv, mt; /* MR NV MT */
} tile;

/* A load of a constant over n and `at`. */
static bool reads(program *p, ex e, dim n, dim at, slot *from)
{
    const ex_node *l = ex_at(p->ex, e);
    if (l->op != EX_LOAD || l->n != 2 || slot_at(p, l->slot)->kind != SLOT_CONST || l->idx[0] != ex_dim(p->ex, n) || l->idx[1] != ex_dim(p->ex, at)) return false;
    *from = l->slot;
    return true;
}

static bool reads_codes(program *p, ex e, dim n, dim at, slot *from)
{
    return reads(p, e, n, at, from) && (slot_at(p, *from)->type == ELEM_UINT2 || slot_at(p, *from)->type == ELEM_UINT4 || slot_at(p, *from)->type == ELEM_UINT8);
}

static bool read_weights(program *p, const matmul_params *mm, weights *w)
{
    exprs *x = p->ex;
    const dim at_block = dim_fdiv(p->dims, mm->k, dim_const(p->dims, mm->block));
    const ex_node product = *ex_at(x, mm->b);
    *w = (weights){0};
    if (product.op != EX_MUL) return false;
    const bool scale_first = ex_at(x, product.a[0])->op == EX_LOAD;
    const ex_node cast = *ex_at(x, product.a[!scale_first ? 0 : 1]);
    if (cast.op != EX_CAST || !reads(p, product.a[scale_first ? 0 : 1], mm->n, at_block, &w->scales) || slot_at(p, w->scales)->type != ELEM_FLOAT) return false;
    const ex_node off = *ex_at(x, cast.a[0]);
    double v;
    if (off.op == EX_LOAD) return reads_codes(p, cast.a[0], mm->n, mm->k, &w->codes);
    if ((off.op != EX_SUB && off.op != EX_ADD) || !reads_codes(p, off.a[0], mm->n, mm->k, &w->codes)) return false;
    if (!ex_is_num(x, off.a[1], &v)) return off.op == EX_SUB && reads_codes(p, off.a[1], mm->n, at_block, &w->zeros);
    w->zero = (int64_t)(off.op == EX_SUB ? v : -v);
    return true;
}

static bool of_bytes(const matmul_plan *q)
{
    return q->mm.bytes || q->o->math == MATH_FAST;
}

static int64_t known(program *p, dim d)
{
    int64_t v;
    return dim_is_const(p->dims, d, &v) ? v : -1;
}

/* One row streams the weights in more panels at once; several rows share what is unpacked. Products of bytes have two accumulators for an element. */
static tile tile_of(const target *t, int64_t m, bool bytes)
{
    const bool many = t->registers > 16;
    tile r = {bytes ? (many ? 4 : 2) : (many ? 8 : 4), 2, 1};
    if (t->vl == 1) r = (tile){1, 1, 1};
    else if (m == 1) r = (tile){1, many ? 4 : 2, 1};
    else if (!many && bytes && !t->dot4) r.nv = 1;
    if (m > 0 && m < r.mr) r.mr = (int)m;
    r.mt = m > 0 ? (int)(m % r.mr) : r.mr / 2;
    if (r.mt < 1) r.mt = 1;
    return r;
}

/* ---- packed weights ---- */

static slot packed_now(program *p, slot (*pack)(program *p, block *to, const char *name, slot from, int64_t nr), const char *name, slot from, int64_t nr)
{
    block steps = {0};
    const slot to = pack(p, &steps, name, from, nr);
    return pack_now(p, &steps, to) ? to : 0;
}

static slot packed_codes(program *p, const char *name, slot codes, int64_t size, int64_t nr)
{
    block steps = {0};
    const slot to = pack_nbits(p, &steps, name, codes, size, nr);
    return pack_now(p, &steps, to) ? to : 0;
}

static bool pack_weights(matmul_plan *q, weights *w, int64_t nr)
{
    program *p = q->p;
    const char *name = slot_at(p, q->hook.to)->name;
    w->codes = packed_codes(p, arena_printf(p->mem, "%s_codes", name), w->codes, q->mm.block, nr);
    w->scales = packed_now(p, pack_nbits_blocks, arena_printf(p->mem, "%s_scales", name), w->scales, nr);
    if (w->zeros) {
        w->zeros = packed_now(p, pack_nbits_blocks, arena_printf(p->mem, "%s_zeros", name), w->zeros, nr);
        if (!w->zeros) return false;
    }
    return w->codes && w->scales;
}

/* ---- the steps ---- */

enum { AHEAD = 2048, MOST_ROWS = 64, MOST_BINDINGS = 16, MOST_ARGS = 7 };

typedef struct {
    program *p;
    kernel k;
} builder;

static builder kernel_begin(program *p, const char *name)
{
    builder b = {.p = p, .k = {.kind = K_TEMPLATE, .name = name}};
    b.k.bind = ARENA_ARRAY(p->mem, binding, MOST_BINDINGS);
    b.k.arg = ARENA_ARRAY(p->mem, kernel_arg, MOST_ARGS);
    return b;
}

static void bind_dim(builder *b, const char *name, dim v)
{
    assert(b->k.n_bind < MOST_BINDINGS);
    b->k.bind[b->k.n_bind++] = dim_binding(name, v);
}

static void bind_number(builder *b, const char *name, int64_t v)
{
    bind_dim(b, name, dim_const(b->p->dims, v));
}

static void take(builder *b, slot s, arg_role role)
{
    assert(b->k.n_arg < MOST_ARGS);
    b->k.arg[b->k.n_arg++] = (kernel_arg){s, role};
}

static void append(const builder *b, const char *what, block *out)
{
    step *s = ARENA_NEW(b->p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = what, .kernel = arena_copy(b->p->mem, &b->k, sizeof b->k)};
    VEC_PUSH(b->p->mem, out->steps, s);
}

/* What says where A's rows are. */
static void bind_rows(builder *b, const matmul_plan *q, const matmul_operand *a)
{
    const dim k = matmul_extent(b->p, q->mm.k);
    bind_dim(b, "M", matmul_extent(b->p, q->mm.m));
    bind_dim(b, "K", k);
    bind_dim(b, "BATCH", matmul_batches(q));
    bind_dim(b, "LDA", dim_is(b->p->dims, a->line, 0) ? k : a->line);
    bind_dim(b, "A_AT", matmul_by_batch_index(b->p, &q->mm, a->base));
}

/* A as int8 by blocks, before the product, which takes the three tensors. */
static void round_rows(matmul_plan *q, const matmul_operand *a, const weights *w, dim blocks, builder *product)
{
    program *p = q->p;
    dims *d = p->dims;
    const char *name = slot_at(p, q->hook.to)->name;
    const dim rows = dim_mul(d, matmul_batches(q), matmul_extent(p, q->mm.m)), wide[2] = {rows, dim_mulc(d, blocks, q->mm.block)}, narrow[2] = {rows, blocks};
    const slot to[3] = {slot_new(p, arena_printf(p->mem, "%s_bytes", name), ELEM_INT8, SLOT_TEMP, 2, wide),
                        slot_new(p, arena_printf(p->mem, "%s_byte_scales", name), ELEM_FLOAT, SLOT_TEMP, 2, narrow),
                        slot_new(p, arena_printf(p->mem, "%s_starts", name), ELEM_INT32, SLOT_TEMP, 2, narrow)};
    builder b = kernel_begin(p, "nbits_rows");
    bind_number(&b, "SIZE", q->mm.block);
    bind_number(&b, "ZERO", w->zeros ? 1 : w->zero);
    bind_rows(&b, q, a);
    for (int i = 0; i < 3; i++) {
        take(&b, to[i], ARG_OUT);
        take(product, to[i], ARG_IN);
    }
    take(&b, a->slot, ARG_IN);
    b.k.range = rows;
    b.k.ops = dim_mul(d, rows, matmul_extent(p, q->mm.k));
    append(&b, arena_printf(p->mem, "rows of %s as int8", q->what), q->out);
}

static void product_step(matmul_plan *q, const matmul_operand *a, const weights *w, int64_t bits, const tile *t)
{
    program *p = q->p;
    dims *d = p->dims;
    const bool bytes = of_bytes(q);
    const dim m = matmul_extent(p, q->mm.m), n = matmul_extent(p, q->mm.n), batches = matmul_batches(q);
    const dim blocks = dim_cdiv(d, matmul_extent(p, q->mm.k), dim_const(d, q->mm.block));
    builder b = kernel_begin(p, bytes ? "nbits_int8" : "nbits_float");
    b.k.fast = bytes && !q->mm.bytes;
    bind_number(&b, "MR", t->mr);
    bind_number(&b, "NV", t->nv);
    bind_number(&b, "MT", t->mt);
    bind_number(&b, "MC", MOST_ROWS);
    bind_number(&b, "BITS", bits);
    bind_number(&b, "SIZE", q->mm.block);
    bind_number(&b, "ZEROS", w->zeros != 0);
    bind_number(&b, "AHEAD", AHEAD);
    bind_dim(&b, "N", n);
    if (bytes) {
        bind_dim(&b, "M", m);
        bind_dim(&b, "BLOCKS", blocks);
        bind_dim(&b, "BATCH", batches);
        round_rows(q, a, w, blocks, &b);
    } else {
        bind_number(&b, "ZERO", w->zero);
        bind_rows(&b, q, a);
        take(&b, a->slot, ARG_IN);
    }
    take(&b, w->codes, ARG_IN);
    take(&b, w->scales, ARG_IN);
    take(&b, w->zeros ? w->zeros : w->codes, ARG_IN); /* not read without zero points */
    take(&b, q->hook.to, ARG_OUT);
    b.k.lane = 2;
    b.k.range = dim_mul(d, dim_mul(d, batches, dim_cdiv(d, m, dim_const(d, MOST_ROWS))), dim_cdiv(d, n, dim_const(d, (int64_t)t->nv * q->o->target->vl)));
    matmul_hook_axes(q, batches);
    b.k.hook = arena_copy(p->mem, &q->hook, sizeof q->hook);
    b.k.n_hook = 1;
    kernel_note_loads(p, &b.k, q->hook.value);
    append(&b, q->what, q->out);
}

bool select_nbits(program *p, const plan_options *o, const step *s, block *out)
{
    const kernel *k = s->kernel;
    matmul_plan q = {.p = p, .o = o, .what = s->what, .out = out, .mm = k->matmul, .hook = k->hook[0]};
    matmul_operand a;
    weights w;
    if (!read_weights(p, &q.mm, &w)) return false;
    if (!matmul_read(p, &q.mm, q.mm.a, q.mm.m, ELEM_FLOAT, &a) || (dim_is_axis(p->dims, q.mm.k) && !dim_is(p->dims, a.k, 1)))
        q.mm.a = matmul_rows(p, out, q.what, &q.mm, q.mm.a, q.mm.m, ELEM_FLOAT);
    while (matmul_join_batch(&q)) {}
    if (!matmul_read(p, &q.mm, q.mm.a, q.mm.m, ELEM_FLOAT, &a)) return false;
    const tile t = tile_of(o->target, known(p, matmul_extent(p, q.mm.m)), of_bytes(&q));
    const int64_t bits = elem_of(slot_at(p, w.codes)->type)->bits;
    if (!pack_weights(&q, &w, (int64_t)t.nv * o->target->vl)) return false;
    product_step(&q, &a, &w, bits, &t);
    plan_layout(p);
    return true;
}
