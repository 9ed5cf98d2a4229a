/* quant.c - QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. Source: ONNX Operators.md, versions 28, 28, 11.
 *
 * Bit exact as ONNX defines them: one division in the type of the scale, round half to even, zero point added, saturation. */
#include "ops/quant.h"

#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

/* The value of a zero point that is one known number. */
static bool known_zero(lower_ctx *c, ex zero, int64_t *v)
{
    *v = 0;
    if (!zero) return true;
    const ex_node *n = ex_at(c->x, zero);
    const slot_info *i = n->op == EX_LOAD ? slot_at(c->p, n->slot) : NULL;
    if (!i || i->kind != SLOT_CONST || tensor_count(i->data) != 1) return false;
    *v = elem_get_int(i->type, i->data->data, 0);
    return true;
}

/* The same by a clamp before the rounding, to whole numbers that the zero point then shifts: rounding and conversion are one instruction. */
static ex quantized_narrow(lower_ctx *c, ex v, int64_t zero, elem to)
{
    const int bits = elem_of(to)->bits;
    const int64_t lo = elem_of(to)->kind == 'u' ? 0 : -((int64_t)1 << (bits - 1)), hi = lo + ((int64_t)1 << bits) - 1;
    v = smaller(c, larger(c, v, num(c, v, (double)(lo - zero))), num(c, v, (double)(hi - zero)));
    return add(c, ex_cast(c->x, ctype_of(to), ex_un(c->x, EX_RINT, v)), ex_i(c->x, ctype_of(to), zero));
}

ex quantized(lower_ctx *c, ex v, ex zero, elem to)
{
    int64_t known;
    if (elem_of(to)->kind != 'f' && elem_of(to)->bits <= 16 && known_zero(c, zero, &known)) return quantized_narrow(c, v, known, to);
    if (elem_of(to)->kind == 'f') return to_small_float(c, ex_cast(c->x, ctype_of(to), v), to, node_int(c->n, "saturate", 1) != 0, "up");
    v = ex_un(c->x, EX_RINT, v);
    /* exact: sums that float can't hold are far outside the range of these types */
    if (zero) v = add(c, v, ex_cast(c->x, ex_type(c->x, v), zero));
    const ex lo = ex_cast(c->x, ex_type(c->x, v), lowest_of(c, to)), hi = ex_cast(c->x, ex_type(c->x, v), highest_of(c, to));
    return ex_cast(c->x, ctype_of(to), smaller(c, larger(c, v, lo), hi));
}

/* ---- QuantizeLinear, DequantizeLinear ---- */

/* Scales are one, one per index of an axis, or one per block of an axis. */
static bool check_scale(infer_ctx *c)
{
    uint32_t axis;
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const int32_t rank = in_rank(c, 0), r = in_rank(c, 1);
    if (rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const int64_t size = node_int(c->n, "block_size", 0);
    if (size < 0) return infer_error(c, "attribute-value", "attribute 'block_size' is %lld", (long long)size);
    if (r == 0 || (r == 1 && dim_is(c->d, in_dim(c, 1, 0), 1))) {
        const int32_t z = in_rank(c, 2);
        return z <= 0 || (z == 1 && dim_is(c->d, in_dim(c, 2, 0), 1)) || infer_error(c, "shape-rank", "the scale is one number, the zero point is not");
    }
    if (size ? r != rank : r != 1) return infer_error(c, "shape-rank", "the scale has %d dimensions", r);
    if (!fix_axis(c, node_int(c->n, "axis", 1), rank, &axis)) return false;
    if (!size) return dim_fits(c, 1, 0, in_dim(c, 0, (int32_t)axis)) && shape_fits(c, 2, r, in_type(c, 1)->shape);
    dim blocks[MAX_RANK];
    for (int32_t k = 0; k < rank; k++) blocks[k] = (uint32_t)k == axis ? dim_cdiv(c->d, in_dim(c, 0, k), dim_const(c->d, size)) : in_dim(c, 0, k);
    return shape_fits(c, 1, rank, blocks) && shape_fits(c, 2, rank, blocks);
}

static bool known_elem(infer_ctx *c, const char *attribute, int64_t e)
{
    return elem_known((int)e) || infer_error(c, "attribute-value", "attribute '%s' is %lld, which is no element type", attribute, (long long)e);
}

bool infer_QuantizeLinear(infer_ctx *c)
{
    if (!check_scale(c)) return false;
    const type *t = in_type(c, 0);
    const int64_t wanted = node_int(c->n, "output_dtype", 0), precision = node_int(c->n, "precision", 0);
    if ((wanted && !known_elem(c, "output_dtype", wanted)) || (precision && !known_elem(c, "precision", precision))) return false;
    const elem e = node_in(c->n, 2) ? in_elem(c, 2) : wanted ? (elem)wanted : ELEM_UINT8;
    return out_tensor(c, 0, e, t->rank, t->shape);
}

bool infer_DequantizeLinear(infer_ctx *c)
{
    if (!check_scale(c)) return false;
    const type *t = in_type(c, 0);
    const int64_t wanted = node_int(c->n, "output_dtype", 0);
    if (wanted && !known_elem(c, "output_dtype", wanted)) return false;
    return out_tensor(c, 0, wanted ? (elem)wanted : in_elem(c, 1), t->rank, t->shape);
}

/* The scale or zero point in slot s for an element. */
static ex at_scale(lower_ctx *c, slot s, uint32_t rank, const dim *idx)
{
    const uint32_t r = slot_rank(c, s), axis = axis_of(node_int(c->n, "axis", 1), rank);
    const int64_t size = node_int(c->n, "block_size", 0);
    if (r == 0 || (r == 1 && dim_is(c->d, slot_dim(c, s, 0), 1))) return load_scalar(c, s);
    if (!size) return load_axes(c, s, 1, &idx[axis]);
    dim at[MAX_RANK];
    memcpy(at, idx, rank * sizeof *at);
    at[axis] = dim_fdiv(c->d, idx[axis], dim_const(c->d, size));
    return load_axes(c, s, rank, at);
}

static ex quantize_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), scale = in_slot(c, 1), zero = in_slot(c, 2);
    const uint32_t rank = slot_rank(c, x);
    const int64_t precision = node_int(c->n, "precision", 0);
    const elem given = precision ? (elem)precision : slot_elem(c, scale);
    const elem e = elem_of(given)->kind == 'f' && given != ELEM_FLOAT8E8M0 ? given : ELEM_FLOAT; /* what the division is done in: a power of two alone can't hold it */
    const ctype t = ctype_of(e);
    const ex s = ex_cast(c->x, t, at_scale(c, scale, rank, idx));
    const ex v = ex_round(c->x, e, divide(c, ex_cast(c->x, t, load_axes(c, x, rank, idx)), s));
    const elem to = slot_elem(c, out_slot(c, 0));
    const bool whole_numbers = elem_of(to)->kind != 'f';
    return quantized(c, v, zero && whole_numbers ? ex_cast(c->x, CT_I32, at_scale(c, zero, rank, idx)) : 0, to);
}

bool lower_QuantizeLinear(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), quantize_value, NULL);
}

static ex dequantize_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), zero = in_slot(c, 2), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const ex s = at_scale(c, in_slot(c, 1), rank, idx);
    ex v = load_axes(c, x, rank, idx);
    if (zero && !ctype_is_float(ex_type(c->x, v))) v = sub(c, v, at_scale(c, zero, rank, idx));
    v = mul(c, ex_cast(c->x, ex_type(c->x, s), v), s);
    return ex_cast(c->x, ctype_of(slot_elem(c, y)), v);
}

bool lower_DequantizeLinear(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), dequantize_value, NULL);
}

/* ---- DynamicQuantizeLinear ---- */

bool infer_DynamicQuantizeLinear(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    if (in_rank(c, 0) > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const type *t = in_type(c, 0);
    return out_tensor(c, 0, ELEM_UINT8, t->rank, t->shape) && out_tensor(c, 1, ELEM_FLOAT, 0, NULL) && out_tensor(c, 2, ELEM_UINT8, 0, NULL);
}

static ex dynamic_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *to = arg; /* scale, zero point */
    const slot x = in_slot(c, 0);
    const ex v = divide(c, load_axes(c, x, slot_rank(c, x), idx), load_scalar(c, to[0]));
    return quantized(c, v, load_scalar(c, to[1]), ELEM_UINT8);
}

bool lower_DynamicQuantizeLinear(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    slot to[2] = {out_slot(c, 1), out_slot(c, 2)};
    if (!to[0]) to[0] = temp_slot(c, "scale", ELEM_FLOAT, 0, NULL);
    if (!to[1]) to[1] = temp_slot(c, "zero", ELEM_UINT8, 0, NULL);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    nest_stage(&b);
    stage_axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    const ex v = load_axes(c, x, rank, idx), zero = num(c, v, 0);
    ex lo = stage_fold(&b, FOLD_MIN, v), hi = stage_fold(&b, FOLD_MAX, v);
    nest_stage(&b);
    lo = smaller(c, lo, zero);
    hi = larger(c, hi, zero);
    const ex range = ex_select(c->x, equal(c, lo, hi), num(c, v, 1), sub(c, hi, lo));
    const ex scale = divide(c, range, num(c, v, 255));
    store_axes(c, &b, to[0], 0, NULL, scale);
    store_axes(c, &b, to[1], 0, NULL, quantized(c, divide(c, ex_un(c->x, EX_NEG, lo), scale), 0, ELEM_UINT8));
    low_end(c, &b);
    return !low_has_out(c, 0) || lower_map(c, out_slot(c, 0), dynamic_value, to);
}
