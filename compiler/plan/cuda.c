/* cuda.c - products and convolutions by the kernels of templates/cuda.
 *
 * in:  a K_MATMUL or K_CONV step of floats whose slots have views
 * out: a K_TEMPLATE step with its launch, its operands read where they lie; one whose elements follow each other neither along k nor along the
 *      other axis is copied to rows first. A convolution is a product of its weights with the matrix of taps by pixels, which is never stored. */
#include <string.h>

#include "plan/matmul.h"

enum { WARP = 32, FMA_THREADS = 256 };

/* How products are made: the parts of product.cu. */
typedef struct {
    const char *multiply, *place, *tile, *tile_conv;
    const char *stored;     /* type of what tiles hold */
    int bk, pad, bytes;     /* of tiles: k, elements behind each line, bytes of an element */
    const char *mma, *pack; /* of 16-bit floats */
} cuda_method;

static const cuda_method FMA = {"multiply_fma", "place_fma", "tile", "tile_conv", "float", 16, 4, 4, NULL, NULL},
                         TF32 = {"multiply_tf32", "place_mma", "tile", "tile_conv", "float", 16, 4, 4, NULL, NULL},
                         F16 = {"multiply_f16", "place_mma", "tile16", "tile16_conv", "uint16_t", 32, 8, 2, "occ_mma_f16", "occ_pack_f16"},
                         BF16 = {"multiply_f16", "place_mma", "tile16", "tile16_conv", "uint16_t", 32, 8, 2, "occ_mma_bf16", "occ_pack_bf16"};

/* By the type of the operands, and for float32 by what the user allows. */
static const cuda_method *method_of(const plan_options *o, elem stored)
{
    if (stored == ELEM_FLOAT16) return &F16;
    if (stored == ELEM_BFLOAT16) return &BF16;
    switch (o->gpu_precision) {
    case GPU_FP32: return &FMA;
    case GPU_FP16: return &F16;
    case GPU_BF16: return &BF16;
    default: return &TF32;
    }
}

/* Tile and warps of a block. */
typedef struct {
    int bm, bn, wm, wn, stages;
} cuda_tile;

static int64_t known(program *p, dim d)
{
    int64_t v;
    return dim_is_const(p->dims, d, &v) ? v : INT64_MAX;
}

static cuda_tile choose_tile(program *p, const cuda_method *how, dim m, dim n)
{
    enum { FEW = 16, MANY_TILES = 200 };
    const int64_t rows = known(p, m), columns = known(p, n);
    if (how == &FMA) return (cuda_tile){64, 64, 4, 2, 3};
    if (rows <= FEW) return (cuda_tile){16, 64, 1, 4, 4};
    if (columns <= FEW) return (cuda_tile){64, 16, 4, 1, 4};
    if (sat_mul(rows / 128, columns / 64) >= MANY_TILES) return (cuda_tile){128, 64, 4, 2, 3};
    return (cuda_tile){64, 64, 2, 2, 4};
}

static binding number(program *p, const char *name, int64_t v)
{
    return dim_binding(name, dim_const(p->dims, v));
}

typedef struct {
    VEC(binding) bind;
} binding_list;

static void add_number(program *p, binding_list *l, const char *name, int64_t v)
{
    VEC_PUSH(p->mem, l->bind, number(p, name, v));
}

static void add_dim(program *p, binding_list *l, const char *name, dim d)
{
    VEC_PUSH(p->mem, l->bind, dim_binding(name, d));
}

/* ---- operands ---- */

/* An operand as tile.cu fetches it. */
typedef struct {
    matmul_operand at;
    bool rows, vec;
} tile_source;

static bool is_one(program *p, dim d)
{
    return dim_is(p->dims, d, 1);
}

/* Every line begins at a multiple of 16 bytes: buffers do, and the caller's tensors are checked. */
static bool is_aligned(program *p, const matmul_operand *o, dim stride)
{
    const int64_t each = 128 / elem_of(slot_at(p, o->slot)->type)->bits;
    return dim_divides(p->dims, each, stride) && dim_divides(p->dims, each, dim_add(p->dims, o->base, slot_at(p, o->slot)->view.offset));
}

static bool read_source(program *p, const matmul_params *mm, ex e, dim line, elem stored, tile_source *out)
{
    if (!matmul_read(p, mm, e, line, stored, &out->at)) return false;
    const bool one_k = !dim_is_axis(p->dims, mm->k), one_line = !dim_is_axis(p->dims, line);
    out->rows = is_one(p, out->at.k) || one_k;
    if (!out->rows && !is_one(p, out->at.line) && !one_line) return false;
    const dim stride = out->rows ? out->at.line : out->at.k;
    out->vec = is_aligned(p, &out->at, stride);
    return true;
}

static void add_text(program *p, binding_list *l, const char *name, const char *words)
{
    VEC_PUSH(p->mem, l->bind, ((binding){.name = name, .kind = BIND_TEXT, .text = words}));
}

/* What every tile is told: its size, and what tiles of 16-bit floats are made of. */
static void tile_bindings(program *p, const cuda_method *how, elem stored, int lines, int threads, binding_list *l)
{
    add_number(p, l, "LINES", lines);
    add_number(p, l, "BK", how->bk);
    add_number(p, l, "THREADS", threads);
    if (!how->mma) return;
    add_text(p, l, "T", elem_of(stored)->ctype);
    add_text(p, l, "PACK", how->pack);
}

static kernel_part tile_part(program *p, const cuda_method *how, const char *param, const tile_source *s, dim end, dim depth, int lines, int threads)
{
    binding_list l = {0};
    tile_bindings(p, how, slot_at(p, s->at.slot)->type, lines, threads, &l);
    add_number(p, &l, "ROWS", s->rows);
    add_number(p, &l, "VEC", s->vec);
    add_dim(p, &l, "END", end);
    add_dim(p, &l, "DEPTH", depth);
    add_dim(p, &l, "STRIDE", s->rows ? s->at.line : s->at.k);
    return (kernel_part){param, how->tile, l.bind.n, l.bind.p};
}

/* ---- the step ---- */

/* A product on its way to a kernel: C[batch_index][m][n]. */
typedef struct {
    program *p;
    const plan_options *o;
    const cuda_method *how;
    const char *what;
    block *out;
    dim m, n, k, batches, a_at, b_at;
    slot a, b;
    hook hook;         /* over (batch_index, m, n) */
    cuda_tile tile;
    kernel_part part[2]; /* A_TILE, B_TILE */
    bool a_rows, b_rows;
} cuda_product;

static int threads_of(const cuda_method *how, const cuda_tile *t)
{
    return how == &FMA ? FMA_THREADS : t->wm * t->wn * WARP;
}

static int64_t tile_size(const cuda_method *how, bool rows, int lines)
{
    return rows ? lines * (how->bk + how->pad) : how->bk * (lines + 8);
}

/* The tile of a block and its warps. */
static void block_bindings(const cuda_product *c, binding_list *l)
{
    program *p = c->p;
    add_number(p, l, "BN", c->tile.bn);
    if (c->how == &FMA) return;
    add_number(p, l, "BM", c->tile.bm);
    add_number(p, l, "WM", c->tile.wm);
    add_number(p, l, "WN", c->tile.wn);
}

static kernel_part place_part(const cuda_product *c)
{
    binding_list l = {0};
    block_bindings(c, &l);
    return (kernel_part){"PLACE", c->how->place, l.bind.n, l.bind.p};
}

static kernel_part multiply_part(const cuda_product *c)
{
    program *p = c->p;
    binding_list l = {0};
    block_bindings(c, &l);
    if (c->how == &FMA) add_number(p, &l, "BM", c->tile.bm);
    add_number(p, &l, "BK", c->how->bk);
    add_number(p, &l, "A_ROWS", c->a_rows);
    add_number(p, &l, "B_ROWS", c->b_rows);
    if (c->how == &TF32) add_number(p, &l, "PASSES", c->o->gpu_precision == GPU_TF32 ? 1 : 3);
    if (c->how->mma) add_text(p, &l, "MMA", c->how->mma);
    return (kernel_part){"MULTIPLY", c->how->multiply, l.bind.n, l.bind.p};
}

static void product_step(cuda_product *c)
{
    program *p = c->p;
    dims *d = p->dims;
    const cuda_tile t = c->tile;
    const cuda_method *how = c->how;
    const int64_t a_size = tile_size(how, c->a_rows, t.bm), b_size = tile_size(how, c->b_rows, t.bn);
    const int threads = threads_of(how, &t);
    binding_list l = {0};
    add_text(p, &l, "T", elem_of(slot_at(p, c->a)->type)->ctype);
    add_text(p, &l, "S", how->stored);
    add_number(p, &l, "BM", t.bm);
    add_number(p, &l, "BN", t.bn);
    add_number(p, &l, "BK", how->bk);
    add_number(p, &l, "STAGES", t.stages);
    add_number(p, &l, "THREADS", threads);
    add_number(p, &l, "ACC", t.bm * t.bn / threads);
    add_number(p, &l, "A_SIZE", a_size);
    add_number(p, &l, "B_SIZE", b_size);
    add_dim(p, &l, "M", c->m);
    add_dim(p, &l, "N", c->n);
    add_dim(p, &l, "K", c->k);
    add_dim(p, &l, "BATCH", c->batches);
    add_dim(p, &l, "A_AT", c->a_at);
    add_dim(p, &l, "B_AT", c->b_at);
    const kernel_part parts[] = {c->part[0], c->part[1], multiply_part(c), place_part(c)};
    kernel *k = ARENA_NEW(p->mem, kernel);
    *k = (kernel){.kind = K_TEMPLATE, .name = "product", .lane = 2, .n_bind = l.bind.n, .bind = l.bind.p, .n_hook = 1, .n_part = 4};
    k->part = arena_copy(p->mem, parts, sizeof parts);
    k->hook = arena_copy(p->mem, &c->hook, sizeof c->hook);
    const dim tiles = dim_mul(d, dim_cdiv(d, c->m, dim_const(d, t.bm)), dim_cdiv(d, c->n, dim_const(d, t.bn)));
    k->launch = (launch_shape){dim_mul(d, c->batches, tiles), threads, t.stages * (a_size + b_size) * how->bytes};
    const kernel_arg args[] = {{c->a, ARG_IN}, {c->b, ARG_IN}, {c->hook.to, ARG_OUT}};
    k->n_arg = 3;
    k->arg = arena_copy(p->mem, args, sizeof args);
    kernel_note_loads(p, k, c->hook.value);
    step *s = ARENA_NEW(p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = c->what, .kernel = k};
    VEC_PUSH(p->mem, c->out->steps, s);
}

/* ---- products of matrices ---- */

static bool is_tensor_type(elem e)
{
    return e == ELEM_FLOAT || e == ELEM_FLOAT16 || e == ELEM_BFLOAT16;
}

/* The type that both operands are read as; what is computed, or of two types, is copied to rows of float32. */
static elem operand_type(program *p, const kernel *k)
{
    const ex_node a = *ex_at(p->ex, k->matmul.a), b = *ex_at(p->ex, k->matmul.b);
    return a.op == EX_LOAD && b.op == EX_LOAD && a.elem == b.elem && is_tensor_type((elem)a.elem) ? (elem)a.elem : ELEM_FLOAT;
}

static bool is_float_hook(program *p, const hook *h)
{
    return !h->int_acc && is_tensor_type(slot_at(p, h->to)->type) && ex_type(p->ex, h->value) == CT_F32 && !ex_can_fail(p->ex, h->value);
}

bool cuda_select_matmul(program *p, const plan_options *o, const step *s, block *out)
{
    enum { SHORT = 8 };
    const kernel *k = s->kernel;
    const elem stored = operand_type(p, k);
    if (k->n_hook != 1 || !is_float_hook(p, &k->hook[0]) || ex_type(p->ex, k->matmul.a) != CT_F32 || ex_type(p->ex, k->matmul.b) != CT_F32) return false;
    if (known(p, matmul_extent(p, k->matmul.k)) < SHORT) return false;
    const cuda_method *how = method_of(o, stored);
    matmul_plan q = {.p = p, .o = o, .what = s->what, .out = out, .mm = k->matmul, .hook = k->hook[0]};
    tile_source a, b;
    if (!read_source(p, &q.mm, q.mm.a, q.mm.m, stored, &a)) q.mm.a = matmul_rows(p, out, s->what, &q.mm, q.mm.a, q.mm.m, stored);
    if (!read_source(p, &q.mm, q.mm.b, q.mm.n, stored, &b)) q.mm.b = matmul_rows(p, out, s->what, &q.mm, q.mm.b, q.mm.n, stored);
    while (matmul_join_batch(&q)) {}
    if (!read_source(p, &q.mm, q.mm.a, q.mm.m, stored, &a) || !read_source(p, &q.mm, q.mm.b, q.mm.n, stored, &b)) return false;
    cuda_product c = {.p = p, .o = o, .how = how, .what = s->what, .out = out, .a = a.at.slot, .b = b.at.slot, .a_rows = a.rows, .b_rows = b.rows};
    c.m = matmul_extent(p, q.mm.m);
    c.n = matmul_extent(p, q.mm.n);
    c.k = matmul_extent(p, q.mm.k);
    c.batches = matmul_batches(&q);
    c.a_at = matmul_by_batch_index(p, &q.mm, a.at.base);
    c.b_at = matmul_by_batch_index(p, &q.mm, b.at.base);
    matmul_hook_axes(&q, c.batches);
    c.hook = q.hook;
    c.tile = choose_tile(p, how, c.m, c.n);
    const int threads = threads_of(how, &c.tile);
    c.part[0] = tile_part(p, how, "A_TILE", &a, c.m, c.k, c.tile.bm, threads);
    c.part[1] = tile_part(p, how, "B_TILE", &b, c.n, c.k, c.tile.bn, threads);
    product_step(&c);
    return true;
}

/* ---- convolutions ---- */

/* Depth, height, width of something given along the spatial axes; `none` where the convolution has fewer. */
static void spread(uint32_t rank, const int64_t *from, int64_t none, int64_t *to)
{
    for (uint32_t i = 0; i < 3; i++) to[i] = i + rank >= 3 ? from[i + rank - 3] : none;
}

static bool is_float_conv(program *p, const kernel *k)
{
    const elem x = slot_at(p, k->arg[1].slot)->type;
    return k->n_hook == 1 && is_float_hook(p, &k->hook[0]) && is_tensor_type(x) && slot_at(p, k->arg[2].slot)->type == x && !k->conv.x_zero && !k->conv.w_zero;
}

static bool is_plain(const view *v, uint32_t rank)
{
    for (uint32_t i = 0; i < rank; i++)
        if (v->d[i].block > 1 || v->d[i].halo_lo || v->d[i].halo_hi) return false;
    return true;
}

/* A convolution with spatial dimensions as depth, height and width. */
typedef struct {
    const kernel *k;
    const slot_info *x;
    int64_t oc, ic; /* of a group */
    int64_t depth;  /* taps of all its channels */
    int64_t kernel[3], stride[3], dilation[3], pad[3];
    dim in[3], step[3], out[3]; /* extents and strides of the input, extents of the output */
    dim images;
} conv_shape;

static bool read_conv(program *p, const kernel *k, conv_shape *c)
{
    enum { FEW_CHANNELS = 8 };
    dims *d = p->dims;
    const conv_params *v = &k->conv;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    int64_t oc;
    *c = (conv_shape){.k = k, .x = slot_at(p, k->arg[1].slot)};
    if (!is_float_conv(p, k) || !dim_is_const(d, w->extent[0], &oc) || !dim_is_const(d, w->extent[1], &c->ic)) return false;
    c->oc = oc / v->group;
    if (!is_plain(&c->x->view, v->rank + 2) || !is_plain(&w->view, v->rank + 2) || c->oc < FEW_CHANNELS) return false;
    spread(v->rank, v->kernel, 1, c->kernel);
    spread(v->rank, v->stride, 1, c->stride);
    spread(v->rank, v->dilation, 1, c->dilation);
    spread(v->rank, v->pad_lo, 0, c->pad);
    c->depth = c->ic * c->kernel[0] * c->kernel[1] * c->kernel[2];
    c->images = matmul_extent(p, k->hook[0].axis[0]);
    for (uint32_t i = 0; i < 3; i++) {
        const bool real = i + v->rank >= 3;
        const uint32_t at = real ? i + v->rank - 3 + 2 : 0;
        c->out[i] = real ? matmul_extent(p, k->hook[0].axis[at]) : dim_const(d, 1);
        c->in[i] = real ? c->x->extent[at] : dim_const(d, 1);
        c->step[i] = real ? c->x->view.d[at].stride : dim_const(d, 0);
    }
    return true;
}

/* The hook over (batch_index, channel of the group, pixel): batch_index is the group and pixels are those of all images; or, with groups > 0, batch_index
 * is image * groups + group. */
static void conv_hook(cuda_product *c, const conv_shape *v, int64_t groups)
{
    program *p = c->p;
    dims *d = p->dims;
    hook *h = &c->hook;
    const uint32_t rank = v->k->conv.rank;
    const dim batch = dim_axis(d, c->batches), channel = dim_axis(d, c->m), pixel = dim_axis(d, c->n);
    dim from[MAX_RANK], to[MAX_RANK], rest = pixel;
    uint32_t n = 0;
    for (uint32_t i = rank; i-- > 0;) {
        if (dim_is_axis(d, h->axis[i + 2])) {
            from[n] = h->axis[i + 2];
            to[n++] = i || !groups ? dim_mod(d, rest, v->out[i + 3 - rank]) : rest;
        }
        rest = dim_fdiv(d, rest, v->out[i + 3 - rank]);
    }
    if (dim_is_axis(d, h->axis[0])) {
        from[n] = h->axis[0];
        to[n++] = groups ? dim_fdiv(d, batch, dim_const(d, groups)) : rest;
    }
    if (dim_is_axis(d, h->axis[1])) {
        from[n] = h->axis[1];
        to[n++] = dim_add(d, dim_mul(d, groups ? dim_mod(d, batch, dim_const(d, groups)) : batch, c->m), channel);
    }
    h->value = ex_map(p->ex, h->value, n, from, to);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(p->ex, h->at[i], n, from, to);
    const dim axes[] = {batch, channel, pixel};
    h->n_axes = 3;
    memcpy(h->axis, axes, sizeof axes);
}

/* Every output pixel is a function of the input pixel at its place, and pixels lie one after the other. */
static bool is_pointwise(program *p, const conv_shape *c)
{
    dim next = dim_const(p->dims, 1);
    for (uint32_t i = 3; i-- > 0;) {
        if (c->kernel[i] != 1 || c->stride[i] != 1 || c->pad[i] || c->in[i] != c->out[i]) return false;
        if (!dim_is(p->dims, c->in[i], 1) && c->step[i] != next) return false;
        next = dim_mul(p->dims, next, c->in[i]);
    }
    return true;
}

static kernel_part conv_part(program *p, const conv_shape *c, const cuda_method *how, dim end, int lines, int threads)
{
    static const char *const kernel_names[] = {"KD", "KH", "KW"}, *const stride_names[] = {"SD", "SH", "SW"}, *const dilation_names[] = {"DD", "DH", "DW"},
                            *const pad_names[] = {"PD", "PH", "PW"}, *const out_names[] = {"OD", "OH", "OW"}, *const in_names[] = {"D", "H", "W"},
                            *const view_names[] = {"X_D", "X_H", "X_W"};
    binding_list l = {0};
    tile_bindings(p, how, c->x->type, lines, threads, &l);
    add_number(p, &l, "DEPTH", c->depth);
    add_dim(p, &l, "END", end);
    add_dim(p, &l, "X_N", c->x->view.d[0].stride);
    add_dim(p, &l, "X_C", c->x->view.d[1].stride);
    for (uint32_t i = 0; i < 3; i++) {
        add_number(p, &l, kernel_names[i], c->kernel[i]);
        add_number(p, &l, stride_names[i], c->stride[i]);
        add_number(p, &l, dilation_names[i], c->dilation[i]);
        add_number(p, &l, pad_names[i], c->pad[i]);
        add_dim(p, &l, out_names[i], c->out[i]);
        add_dim(p, &l, in_names[i], c->in[i]);
        add_dim(p, &l, view_names[i], c->step[i]);
    }
    return (kernel_part){"B_TILE", how->tile_conv, l.bind.n, l.bind.p};
}

/* Pointwise and with lines that are read by 16 bytes, a convolution is a product of matrices for each image; else one for all images together. */
bool cuda_select_conv(program *p, const plan_options *o, const step *s, block *out)
{
    conv_shape v;
    dims *d = p->dims;
    if (!read_conv(p, s->kernel, &v)) return false;
    const int64_t groups = v.k->conv.group, each = 128 / elem_of(v.x->type)->bits;
    const dim pixels = dim_product(d, v.out, 3), batch_index = dim_symbol(d, "batch_index", 0, INT64_MAX), one = dim_const(d, 1), per_image = dim_const(d, groups);
    const tile_source weights = {.at = {.slot = v.k->arg[2].slot, .line = dim_const(d, v.depth), .k = one, .base = dim_const(d, v.oc * v.depth)},
                                 .rows = true, .vec = v.depth % each == 0};
    const tile_source image = {.at = {.slot = v.k->arg[1].slot, .line = one, .k = v.x->view.d[1].stride, .base = dim_mulc(d, v.x->view.d[1].stride, v.ic)}, .vec = true};
    const bool by_image = is_pointwise(p, &v) && dim_divides(d, each, pixels) && is_aligned(p, &image.at, image.at.k) && is_aligned(p, &image.at, v.x->view.d[0].stride);
    const dim group = by_image ? dim_mod(d, batch_index, per_image) : batch_index;
    cuda_product c = {.p = p, .o = o, .how = method_of(o, v.x->type), .what = s->what, .out = out, .a = weights.at.slot, .b = image.at.slot, .hook = v.k->hook[0], .a_rows = true};
    c.m = dim_const(d, v.oc);
    c.k = dim_const(d, v.depth);
    c.n = by_image ? pixels : dim_mul(d, v.images, pixels);
    c.batches = by_image ? dim_mul(d, v.images, per_image) : per_image;
    c.a_at = dim_mulc(d, group, v.oc * v.depth);
    c.b_at = dim_mul(d, group, image.at.base);
    if (by_image) c.b_at = dim_add(d, c.b_at, dim_mul(d, dim_fdiv(d, batch_index, per_image), v.x->view.d[0].stride));
    c.tile = choose_tile(p, c.how, c.m, c.n);
    const int threads = threads_of(c.how, &c.tile);
    c.part[0] = tile_part(p, c.how, "A_TILE", &weights, c.m, c.k, c.tile.bm, threads);
    c.part[1] = by_image ? tile_part(p, c.how, "B_TILE", &image, c.n, c.k, c.tile.bn, threads) : conv_part(p, &v, c.how, c.n, c.tile.bn, threads);
    conv_hook(&c, &v, by_image ? groups : 0);
    product_step(&c);
    return true;
}
