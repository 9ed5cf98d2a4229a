/* signal.c - DFT. Source: ONNX Operators.md, version 20.
 *
 * A sum over the signal for each frequency, with cosines and sines from a table when the length is a number. Complex numbers are a last
 * dimension of 2; a last dimension of 1 is real. One-sided inverse: from half a spectrum to a real signal. */
#include <math.h>

#include "ops/families.h"
#include "ops/formula.h"

typedef struct {
    uint32_t axis;
    dim length;     /* of the transform */
    bool inverse, onesided, complex_in;
} transform;

static bool transform_of(model *m, const node *n, const dim *shape, uint32_t rank, transform *t)
{
    uint32_t n_length, n_axis;
    const dim *length = known_dims(m, n, 1, &n_length);
    const int64_t *axis = known_ints(m, n, 2, &n_axis);
    if ((node_in(n, 1) && (!length || n_length != 1)) || (node_in(n, 2) && (!axis || n_axis != 1))) return false;
    *t = (transform){.inverse = node_int(n, "inverse", 0) != 0, .onesided = node_int(n, "onesided", 0) != 0};
    t->axis = axis_of(axis ? axis[0] : -2, rank);
    if (t->axis + 1 >= rank) return false;
    t->complex_in = dim_is(m->dims, shape[rank - 1], 2);
    t->length = length ? length[0] : t->inverse && t->onesided ? dim_mulc(m->dims, dim_addc(m->dims, shape[t->axis], -1), 2) : shape[t->axis];
    return true;
}

bool infer_DFT(infer_ctx *c)
{
    transform t;
    if (!need_rank(c, 0)) return false;
    const type *x = in_type(c, 0);
    if (x->rank < 2 || x->rank > MAX_RANK) return infer_error(c, "shape-rank", "the input has %d dimensions", x->rank);
    if (!transform_of(c->m, c->n, x->shape, (uint32_t)x->rank, &t))
        return infer_unsupported(c, "axes-unknown", "the length or axis is computed at run time, or the axis is out of range");
    dim out[MAX_RANK];
    for (int32_t k = 0; k < x->rank; k++) out[k] = x->shape[k];
    out[t.axis] = t.onesided && !t.inverse ? dim_addc(c->d, dim_fdiv(c->d, t.length, dim_const(c->d, 2)), 1) : t.length;
    out[x->rank - 1] = dim_const(c->d, t.onesided && t.inverse ? 1 : 2);
    return out_tensor(c, 0, x->elem, x->rank, out);
}

/* cos or sin of 2 pi i / length. */
static ex turn_part(lower_ctx *c, const transform *t, ctype ct, dim i, bool sine, const slot *tables)
{
    if (tables[sine]) return ex_cast(c->x, ct, load_axes(c, tables[sine], 1, &i));
    const ex angle = divide(c, mul(c, ex_f(c->x, ct, 6.28318530717958647693), ex_cast(c->x, ct, ex_dim(c->x, i))), ex_cast(c->x, ct, ex_dim(c->x, t->length)));
    return ex_un(c->x, sine ? EX_SIN : EX_COS, angle);
}

static void make_tables(lower_ctx *c, const transform *t, slot *tables)
{
    int64_t n;
    if (!dim_is_const(c->d, t->length, &n) || n < 1 || n > 65536) return;
    for (int sine = 0; sine < 2; sine++) {
        tensor *v = tensor_new(c->p->mem, ELEM_DOUBLE, 1, &n);
        for (int64_t i = 0; i < n; i++) {
            const double angle = 6.28318530717958647693 * (double)i / (double)n;
            elem_set_double(ELEM_DOUBLE, (void *)(uintptr_t)v->data, (size_t)i, sine ? sin(angle) : cos(angle));
        }
        tables[sine] = const_slot(c, sine ? "sines" : "cosines", v);
    }
}

bool lower_DFT(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const ctype ct = ctype_of(slot_elem(c, x));
    transform t;
    slot tables[2] = {0, 0};
    if (!transform_of(c->m, c->n, slot_at(c->p, x)->extent, rank, &t)) return lower_unsupported(c, "axes-unknown", "the length or axis is not known");
    make_tables(c, &t, tables);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], at[MAX_RANK];
    nest_axes_mask(&b, rank - 1, slot_at(c->p, y)->extent, ~0u, idx);
    for (uint32_t k = 0; k < rank; k++) at[k] = k == rank - 1 ? dim_const(c->d, 0) : idx[k];
    nest_stage(&b);
    at[t.axis] = stage_axis(&b, dim_min(c->d, t.length, slot_dim(c, x, t.axis))); /* a longer signal is cut, a shorter one padded with zeros */
    const dim i = dim_mod(c->d, dim_mul(c->d, at[t.axis], idx[t.axis]), t.length);
    const ex cosine = turn_part(c, &t, ct, i, false, tables), plain_sine = turn_part(c, &t, ct, i, true, tables);
    const ex sine = t.inverse ? plain_sine : ex_un(c->x, EX_NEG, plain_sine), re = load_axes(c, x, rank, at);
    at[rank - 1] = dim_const(c->d, 1);
    const ex im = t.complex_in ? load_axes(c, x, rank, at) : num(c, re, 0);
    ex weight = num(c, re, 1);
    if (t.inverse && t.onesided) { /* the other half of the spectrum is the conjugate */
        const ex own = either(c, equal(c, ex_dim(c->x, at[t.axis]), ex_i(c->x, CT_I64, 0)), equal(c, ex_dim(c->x, dim_mulc(c->d, at[t.axis], 2)), ex_dim(c->x, t.length)));
        weight = ex_select(c->x, own, weight, num(c, re, 2));
    }
    ex real = sub(c, mul(c, re, cosine), mul(c, im, sine)), imaginary = add(c, mul(c, re, sine), mul(c, im, cosine));
    real = stage_fold(&b, FOLD_SUM, mul(c, real, weight));
    if (!(t.inverse && t.onesided)) imaginary = stage_fold(&b, FOLD_SUM, imaginary);
    nest_stage(&b);
    const ex scale = t.inverse ? divide(c, num(c, re, 1), size_as(c, re, t.length)) : num(c, re, 1);
    idx[rank - 1] = dim_const(c->d, 0);
    store_axes(c, &b, y, rank, idx, mul(c, real, scale));
    idx[rank - 1] = dim_const(c->d, 1);
    if (!(t.inverse && t.onesided)) store_axes(c, &b, y, rank, idx, mul(c, imaginary, scale));
    low_end(c, &b);
    return true;
}
