/* pack.c - the packing nests; see pack.h. The layouts are those that templates/cpu/{gemm,conv,conv_dw,gemm_half,conv_half}.c describe. */
#include "plan/pack.h"

#include <assert.h>

/* A packed tensor being described: dimensions in order, each an axis of the nest. */
typedef struct {
    program *p;
    nest_builder nest;
    uint32_t rank;
    dim extent[MAX_RANK];
    ex at[MAX_RANK];
} packer;

static packer packer_begin(program *p)
{
    return (packer){.p = p, .nest = nest_begin(p)};
}

static dim packer_axis(packer *k, dim extent)
{
    assert(k->rank < MAX_RANK);
    const dim axis = nest_axis(&k->nest, extent);
    k->extent[k->rank] = extent;
    k->at[k->rank++] = ex_dim(k->p->ex, axis);
    return axis;
}

static slot packer_end_as(packer *k, block *to, const char *name, elem stored, ex element)
{
    const slot packed = slot_new(k->p, name, stored, SLOT_TEMP, k->rank, k->extent);
    nest_stage(&k->nest);
    stage_store(&k->nest, packed, k->rank, k->at, element);
    nest_end(&k->nest, to, arena_printf(k->p->mem, "pack %s", name));
    return packed;
}

static slot packer_end(packer *k, block *to, const char *name, ex element)
{
    return packer_end_as(k, to, name, ELEM_FLOAT, element);
}

/* `element` where index < extent, else 0. */
static ex zero_beyond(program *p, dim index, dim extent, ex element)
{
    const ex inside = ex_in_range(p->ex, ex_dim(p->ex, index), extent);
    return ex_select(p->ex, inside, element, ex_i(p->ex, ex_type(p->ex, element), 0));
}

static dim extent_of(program *p, dim axis)
{
    return dim_is_axis(p->dims, axis) ? dim_extent(p->dims, axis) : dim_const(p->dims, 1);
}

typedef struct {
    const program *p;
    dim axis;
    bool found;
} axis_search;

static void look_for_axis(void *ctx, ex e)
{
    axis_search *s = ctx;
    dim d;
    if (ex_is_dim(s->p->ex, e, &d) && dim_has(s->p->dims, d, s->axis)) s->found = true;
}

static bool depends_on(const program *p, ex e, dim axis)
{
    axis_search s = {p, axis, false};
    if (dim_is_axis(p->dims, axis)) ex_walk(p->ex, e, look_for_axis, &s);
    return s.found;
}

/* Panels of `together` successive k for each column. */
static slot pack_panels(program *p, block *to, const char *name, const matmul_params *mm, int64_t nr, int64_t together, elem stored, uint32_t *kept_batch)
{
    const dim n_extent = extent_of(p, mm->n), lanes = dim_const(p->dims, nr);
    packer pk = packer_begin(p);
    dim from[MAX_RANK + 2], with[MAX_RANK + 2];
    uint32_t pairs = 0;
    *kept_batch = 0;
    for (uint32_t i = 0; i < mm->n_batch; i++) {
        if (!depends_on(p, mm->b, mm->batch[i])) continue;
        *kept_batch |= 1u << i;
        from[pairs] = mm->batch[i];
        with[pairs++] = packer_axis(&pk, extent_of(p, mm->batch[i]));
    }
    const dim panel = packer_axis(&pk, dim_cdiv(p->dims, n_extent, lanes));
    const dim k_extent = extent_of(p, mm->k), k_step = packer_axis(&pk, dim_cdiv(p->dims, k_extent, dim_const(p->dims, together)));
    const dim j = packer_axis(&pk, lanes);
    const dim k = together > 1 ? dim_add(p->dims, dim_mulc(p->dims, k_step, together), packer_axis(&pk, dim_const(p->dims, together))) : k_step;
    const dim n = dim_add(p->dims, dim_mulc(p->dims, panel, nr), j);
    if (dim_is_axis(p->dims, mm->k)) {
        from[pairs] = mm->k;
        with[pairs++] = k;
    }
    if (dim_is_axis(p->dims, mm->n)) {
        from[pairs] = mm->n;
        with[pairs++] = n;
    }
    const ex element = zero_beyond(p, n, n_extent, zero_beyond(p, k, k_extent, ex_map(p->ex, mm->b, pairs, from, with)));
    return packer_end_as(&pk, to, name, stored, element);
}

slot pack_gemm_b(program *p, block *to, const char *name, const matmul_params *mm, int64_t nr, uint32_t *kept_batch)
{
    assert(ex_type(p->ex, mm->b) == CT_F32);
    return mm->narrow ? pack_panels(p, to, name, mm, nr, 2, mm->narrow, kept_batch) : pack_panels(p, to, name, mm, nr, 1, ELEM_FLOAT, kept_batch);
}

slot pack_qgemm_b(program *p, block *to, const char *name, const matmul_params *mm, int64_t nr, uint32_t *kept_batch)
{
    assert(ex_type(p->ex, mm->b) == CT_I32);
    return pack_panels(p, to, name, mm, nr, 4, ELEM_INT8, kept_batch);
}

slot pack_conv(program *p, block *to, const char *name, slot w, int64_t group, int64_t cb, int64_t nr)
{
    const slot_info info = *slot_at(p, w);
    dims *t = p->dims;
    const dim oc = dim_div_exact(t, info.extent[0], dim_const(t, group)), ic = info.extent[1];
    assert(oc && info.rank + 3 <= MAX_RANK);
    packer pk = packer_begin(p);
    ex at[MAX_RANK];
    const dim g = packer_axis(&pk, dim_const(t, group));
    const dim oc_block = packer_axis(&pk, dim_cdiv(t, oc, dim_const(t, nr)));
    const dim ic_block = packer_axis(&pk, dim_cdiv(t, ic, dim_const(t, cb)));
    for (uint32_t i = 2; i < info.rank; i++) at[i] = ex_dim(p->ex, packer_axis(&pk, info.extent[i]));
    const dim c = dim_add(t, dim_mulc(t, ic_block, cb), packer_axis(&pk, dim_const(t, cb)));
    const dim o = dim_add(t, dim_mulc(t, oc_block, nr), packer_axis(&pk, dim_const(t, nr)));
    at[0] = ex_dim(p->ex, dim_add(t, dim_mul(t, g, oc), o));
    at[1] = ex_dim(p->ex, c);
    const ex element = ex_load(p->ex, w, info.type, info.rank, at);
    return packer_end(&pk, to, name, zero_beyond(p, o, oc, zero_beyond(p, c, ic, element)));
}

slot pack_conv_dw(program *p, block *to, const char *name, slot w, int64_t vl)
{
    const slot_info info = *slot_at(p, w);
    dims *t = p->dims;
    packer pk = packer_begin(p);
    ex at[MAX_RANK];
    const dim channel_block = packer_axis(&pk, dim_cdiv(t, info.extent[0], dim_const(t, vl)));
    for (uint32_t i = 2; i < info.rank; i++) at[i] = ex_dim(p->ex, packer_axis(&pk, info.extent[i]));
    const dim c = dim_add(t, dim_mulc(t, channel_block, vl), packer_axis(&pk, dim_const(t, vl)));
    at[0] = ex_dim(p->ex, c);
    at[1] = ex_dim(p->ex, dim_const(t, 0));
    const ex element = ex_load(p->ex, w, info.type, info.rank, at);
    return packer_end(&pk, to, name, zero_beyond(p, c, info.extent[0], element));
}

/* An element of the weights in the range of int8. */
static ex weight_byte(program *p, slot w, const ex *at)
{
    const slot_info info = *slot_at(p, w);
    const ex element = ex_load(p->ex, w, info.type, info.rank, at);
    return info.type == ELEM_UINT8 ? ex_bin(p->ex, EX_SUB, element, ex_i(p->ex, CT_I32, 128)) : element;
}

/* Weights in blocks of xb channels, `together` successive channels for each output in one lane, as floats or bytes. */
static slot pack_lanes(program *p, block *to, const char *name, slot w, int64_t group, int64_t xb, int64_t nr, int64_t together, elem stored)
{
    const slot_info info = *slot_at(p, w);
    dims *t = p->dims;
    const dim oc = dim_div_exact(t, info.extent[0], dim_const(t, group)), ic = info.extent[1], some = dim_const(t, together);
    assert(oc && info.rank + 3 <= MAX_RANK);
    packer pk = packer_begin(p);
    ex at[MAX_RANK];
    const dim g = packer_axis(&pk, dim_const(t, group));
    const dim oc_block = packer_axis(&pk, dim_cdiv(t, oc, dim_const(t, nr)));
    const dim ic_block = packer_axis(&pk, dim_cdiv(t, ic, dim_const(t, xb)));
    for (uint32_t i = 2; i < info.rank; i++) at[i] = ex_dim(p->ex, packer_axis(&pk, info.extent[i]));
    const dim part = packer_axis(&pk, dim_const(t, xb / together)), lane = packer_axis(&pk, dim_const(t, nr * together));
    const dim c = dim_add(t, dim_mulc(t, ic_block, xb), dim_add(t, dim_mulc(t, part, together), dim_mod(t, lane, some)));
    const dim o = dim_add(t, dim_mulc(t, oc_block, nr), dim_fdiv(t, lane, some)), own = dim_add(t, dim_mul(t, g, oc), o);
    at[0] = ex_dim(p->ex, own);
    at[1] = ex_dim(p->ex, c);
    const ex element = stored == ELEM_INT8 ? weight_byte(p, w, at) : ex_load(p->ex, w, info.type, info.rank, at);
    return packer_end_as(&pk, to, name, stored, zero_beyond(p, o, oc, zero_beyond(p, c, ic, element)));
}

slot pack_qconv(program *p, block *to, const char *name, slot w, int64_t group, int64_t xb, int64_t nr)
{
    return pack_lanes(p, to, name, w, group, xb, nr, 4, ELEM_INT8);
}

slot pack_conv_half(program *p, block *to, const char *name, slot w, int64_t group, int64_t xb, int64_t nr, elem stored)
{
    return pack_lanes(p, to, name, w, group, xb, nr, 2, stored);
}

slot pack_qconv_dw(program *p, block *to, const char *name, slot w, int64_t vl)
{
    const slot_info info = *slot_at(p, w);
    dims *t = p->dims;
    const uint32_t last = info.rank - 1;
    const dim four = dim_const(t, 4);
    packer pk = packer_begin(p);
    ex at[MAX_RANK];
    const dim channel_block = packer_axis(&pk, dim_cdiv(t, info.extent[0], dim_const(t, vl)));
    for (uint32_t i = 2; i < last; i++) at[i] = ex_dim(p->ex, packer_axis(&pk, info.extent[i]));
    const dim taps = packer_axis(&pk, dim_cdiv(t, info.extent[last], four)), lane = packer_axis(&pk, dim_const(t, vl * 4));
    const dim c = dim_add(t, dim_mulc(t, channel_block, vl), dim_fdiv(t, lane, four)), tap = dim_add(t, dim_mulc(t, taps, 4), dim_mod(t, lane, four));
    at[0] = ex_dim(p->ex, c);
    at[1] = ex_dim(p->ex, dim_const(t, 0));
    at[last] = ex_dim(p->ex, tap);
    const ex element = weight_byte(p, w, at);
    return packer_end_as(&pk, to, name, ELEM_INT8, zero_beyond(p, c, info.extent[0], zero_beyond(p, tap, info.extent[last], element)));
}

slot pack_nbits(program *p, block *to, const char *name, slot codes, int64_t size, int64_t nr)
{
    const slot_info info = *slot_at(p, codes);
    exprs *x = p->ex;
    dims *t = p->dims;
    const int64_t bits = elem_of(info.type)->bits, bytes = size * bits / 8; /* of a block of one column */
    packer pk = packer_begin(p);
    const dim panel = packer_axis(&pk, dim_cdiv(t, info.extent[0], dim_const(t, nr))), b = packer_axis(&pk, dim_cdiv(t, info.extent[1], dim_const(t, size)));
    const dim group = packer_axis(&pk, dim_const(t, bytes / 4)), lane = packer_axis(&pk, dim_const(t, nr)), i = packer_axis(&pk, dim_const(t, 4));
    const dim n = dim_add(t, dim_mulc(t, panel, nr), lane), first = dim_add(t, dim_mulc(t, b, size), dim_add(t, dim_mulc(t, group, 4), i));
    ex byte = 0;
    for (int64_t h = 0; h < 8 / bits; h++) {
        const dim k = dim_addc(t, first, h * bytes);
        const ex at[2] = {ex_dim(x, n), ex_dim(x, k)}, shift = ex_i(x, CT_I32, h * bits);
        const ex code = ex_bin(x, EX_SHL, zero_beyond(p, n, info.extent[0], zero_beyond(p, k, info.extent[1], ex_load(x, codes, info.type, 2, at))), shift);
        byte = byte ? ex_bin(x, EX_OR, byte, code) : code;
    }
    return packer_end_as(&pk, to, name, ELEM_UINT8, byte);
}

slot pack_nbits_blocks(program *p, block *to, const char *name, slot values, int64_t nr)
{
    const slot_info info = *slot_at(p, values);
    dims *t = p->dims;
    packer pk = packer_begin(p);
    const dim panel = packer_axis(&pk, dim_cdiv(t, info.extent[0], dim_const(t, nr))), b = packer_axis(&pk, info.extent[1]);
    const dim n = dim_add(t, dim_mulc(t, panel, nr), packer_axis(&pk, dim_const(t, nr)));
    const ex at[2] = {ex_dim(p->ex, n), ex_dim(p->ex, b)};
    const ex element = zero_beyond(p, n, info.extent[0], ex_load(p->ex, values, info.type, 2, at));
    return packer_end_as(&pk, to, name, info.type == ELEM_FLOAT ? ELEM_FLOAT : ELEM_UINT8, element);
}
