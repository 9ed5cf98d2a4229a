/* signal.c - DFT, STFT, MelWeightMatrix, windows. Source: ONNX Operators.md, versions 20, 17, 17 and 17.
 *
 * DFT: a sum over the signal for each frequency, with cosines and sines from a table when the length is a number. Complex numbers are a last
 * dimension of 2; a last dimension of 1 is real. One-sided inverse: from half a spectrum to a real signal.
 * STFT: overlapping frames as rows, times a matrix of the window's turns. */
#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/matmul.h"

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
    int64_t parts;
    if (node_int(c->n, "inverse", 0) && node_int(c->n, "onesided", 0) && dim_is_const(c->d, x->shape[x->rank - 1], &parts) && parts != 2)
        return infer_error(c, "shape-mismatch", "the input of a one-sided inverse has complex numbers, but its last dimension is %lld, not 2", (long long)parts);
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

/* ---- STFT: signal [batch, length, 1 or 2], window [frame] -> [batch, frames, bins, 2] ---- */

typedef struct {
    dim step, frame, frames, bins;
    bool complex_in;
} framing;

/* False when step or frame length is not known. */
static bool frames_of(model *m, const node *n, const dim *signal, framing *f)
{
    uint32_t n_step, n_length;
    dims *d = m->dims;
    const dim *by = known_dims(m, n, 1, &n_step), *length = known_dims(m, n, 3, &n_length);
    const value_id window = node_in(n, 2);
    if (!by || n_step != 1 || (node_in(n, 3) && (!length || n_length != 1))) return false;
    *f = (framing){.step = by[0], .complex_in = dim_is(d, signal[2], 2)};
    f->frame = length ? length[0] : window ? value_at(m, window)->type.shape[0] : signal[1];
    int64_t pace, reach;
    if ((dim_is_const(d, f->step, &pace) && pace < 1) || (dim_is_const(d, f->frame, &reach) && reach < 1)) return false;
    f->frames = dim_addc(d, dim_fdiv(d, dim_sub(d, signal[1], f->frame), f->step), 1);
    f->bins = node_int(n, "onesided", 1) ? dim_addc(d, dim_fdiv(d, f->frame, dim_const(d, 2)), 1) : f->frame;
    return true;
}

bool infer_STFT(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 2)) return false;
    if (in_rank(c, 0) != 3) return infer_error(c, "shape-rank", "the signal has %d dimensions, expected 3 (batch, length, 1 or 2)", in_rank(c, 0));
    if (node_in(c->n, 2) && in_rank(c, 2) != 1) return infer_error(c, "shape-rank", "the window has %d dimensions, expected 1", in_rank(c, 2));
    int64_t parts;
    if (!dim_is_const(c->d, in_dim(c, 0, 2), &parts)) return infer_unsupported(c, "dim-unknown", "whether the signal is complex is not known: its last dimension is a symbol");
    if (parts != 1 && parts != 2) return infer_error(c, "shape-mismatch", "the last dimension of the signal is %lld, expected 1 or 2", (long long)parts);
    framing f;
    if (!frames_of(c->m, c->n, in_type(c, 0)->shape, &f)) {
        infer_unsupported(c, "frames-unknown", "frame_step or frame_length is computed at run time or not positive");
        return diag_hint(c->m->diag, "make the inputs 'frame_step' and 'frame_length' constants");
    }
    if (node_in(c->n, 2) && !assume_equal(c, in_dim(c, 2, 0), f.frame)) return infer_error(c, "shape-mismatch", "the window is not as long as a frame");
    int64_t count;
    if (dim_is_const(c->d, f.frames, &count) && count < 1) return infer_error(c, "shape-mismatch", "a frame is longer than the signal");
    const dim out[4] = {in_dim(c, 0, 0), f.frames, f.bins, dim_const(c->d, 2)};
    return out_tensor(c, 0, in_elem(c, 0), 4, out);
}

/* What sample t of a frame adds to each bin: [frame * parts, bins * 2], where a part is real or imaginary. */
static slot stft_turns(lower_ctx *c, const framing *f)
{
    const slot x = in_slot(c, 0), window = in_slot(c, 2);
    const ctype ct = ctype_of(slot_elem(c, x));
    const int64_t parts = f->complex_in ? 2 : 1;
    const transform t = {.length = f->frame};
    slot tables[2] = {0, 0};
    make_tables(c, &t, tables);
    const dim shape[2] = {dim_mulc(c->d, f->frame, parts), dim_mulc(c->d, f->bins, 2)};
    const slot to = temp_slot(c, "turns", slot_elem(c, x), 2, shape);
    nest_builder b = low_begin(c);
    const dim sample = nest_axis(&b, f->frame), bin = nest_axis(&b, f->bins), turn = dim_mod(c->d, dim_mul(c->d, sample, bin), f->frame);
    nest_stage(&b);
    ex cosine = turn_part(c, &t, ct, turn, false, tables), sine = turn_part(c, &t, ct, turn, true, tables);
    if (window) {
        const ex w = load_channel(c, window, sample);
        cosine = mul(c, cosine, w);
        sine = mul(c, sine, w);
    }
    const ex from_real[2] = {cosine, ex_un(c->x, EX_NEG, sine)}, from_imaginary[2] = {sine, cosine};
    for (int64_t part = 0; part < parts; part++) {
        for (int64_t k = 0; k < 2; k++) {
            const dim at[2] = {dim_addc(c->d, dim_mulc(c->d, sample, parts), part), dim_addc(c->d, dim_mulc(c->d, bin, 2), k)};
            store_axes(c, &b, to, 2, at, part ? from_imaginary[k] : from_real[k]);
        }
    }
    low_end(c, &b);
    return to;
}

static ex stft_value(lower_ctx *c, const dim *idx, void *arg)
{
    const dim at[3] = {idx[0], idx[1], dim_add(c->d, dim_mulc(c->d, idx[2], 2), idx[3])};
    return load_axes(c, *(const slot *)arg, 3, at);
}

bool lower_STFT(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    framing f;
    if (!frames_of(c->m, c->n, slot_at(c->p, x)->extent, &f)) return lower_unsupported(c, "frames-unknown", "frame_step or frame_length is not known");
    const dim two = dim_const(c->d, 2), shape[3] = {slot_dim(c, x, 0), f.frames, dim_mul(c->d, f.bins, two)};
    const slot flat = temp_slot(c, "spectra", slot_elem(c, y), 3, shape);
    product q = {.a_slot = x, .b_slot = stft_turns(c, &f), .out = flat, .n_batch = 1, .n_at = 3};
    q.at[0] = q.batch[0] = dim_axis(c->d, shape[0]);
    q.at[1] = q.m = dim_axis(c->d, shape[1]);
    q.at[2] = q.n = dim_axis(c->d, shape[2]);
    q.k = dim_axis(c->d, slot_dim(c, q.b_slot, 0));
    const dim sample = f.complex_in ? dim_fdiv(c->d, q.k, two) : q.k;
    const dim a[3] = {q.batch[0], dim_add(c->d, dim_mul(c->d, q.m, f.step), sample), f.complex_in ? dim_mod(c->d, q.k, two) : dim_const(c->d, 0)}, b[2] = {q.k, q.n};
    q.a = load_axes(c, x, 3, a);
    q.b = load_axes(c, q.b_slot, 2, b);
    return lower_product(c, &q) && lower_map(c, y, stft_value, (void *)(uintptr_t)&flat);
}

/* ---- MelWeightMatrix: [bins of a spectrum, mel bins], each column a triangle between three bins that are evenly spaced on the mel scale ---- */

bool infer_MelWeightMatrix(infer_ctx *c)
{
    dim bins, length;
    const int64_t to = node_int(c->n, "output_datatype", ELEM_FLOAT);
    if (to < 1 || to >= ELEM_COUNT || !strchr("fiu", elem_of((elem)to)->kind)) return infer_error(c, "attribute-value", "attribute 'output_datatype' is %lld, which is no type of numbers", (long long)to);
    if (!in_scalar(c, 0, &bins) || !in_scalar(c, 1, &length)) {
        infer_unsupported(c, "shape-unknown", "num_mel_bins or dft_length is computed at run time");
        return diag_hint(c->m->diag, "make the inputs 'num_mel_bins' and 'dft_length' constants%s", infer_is_partial(c) ? "" : ", or say them with --value");
    }
    const dim out[2] = {dim_addc(c->d, dim_fdiv(c->d, length, dim_const(c->d, 2)), 1), bins};
    return out_tensor(c, 0, (elem)to, 2, out);
}

static ex mel_input(lower_ctx *c, uint32_t i)
{
    return ex_cast(c->x, CT_F64, load_scalar(c, in_slot(c, i)));
}

/* 2595 log10(1 + hertz / 700) in units of 2595 / ln 10. */
static ex mel_of(lower_ctx *c, ex hertz)
{
    return ex_un(c->x, EX_LOG, add(c, num(c, hertz, 1), divide(c, hertz, num(c, hertz, 700))));
}

/* The bin of the spectrum where point k of the even spacing lies. */
static ex mel_point(lower_ctx *c, dim k, dim count)
{
    const ex low = mel_of(c, mel_input(c, 3)), high = mel_of(c, mel_input(c, 4)), one = num(c, low, 1);
    const ex pace = divide(c, sub(c, high, low), size_as(c, low, dim_addc(c->d, count, 2)));
    const ex mel = add(c, mul(c, size_as(c, low, k), pace), low), hertz = mul(c, num(c, low, 700), sub(c, ex_un(c->x, EX_EXP, mel), one));
    return ex_un(c->x, EX_FLOOR, divide(c, mul(c, add(c, mel_input(c, 1), one), hertz), mel_input(c, 2)));
}

static ex mel_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot y = out_slot(c, 0);
    const dim count = slot_dim(c, y, 1);
    const ex low = mel_point(c, idx[1], count), middle = mel_point(c, dim_addc(c->d, idx[1], 1), count), high = mel_point(c, dim_addc(c->d, idx[1], 2), count);
    const ex at = size_as(c, low, idx[0]), zero = num(c, low, 0), one = num(c, low, 1);
    const ex rising = both(c, ex_bin(c->x, EX_LE, low, at), less(c, at, middle)), falling = both(c, less(c, middle, at), less(c, at, high));
    const ex rise = divide(c, sub(c, at, low), sub(c, middle, low)), fall = divide(c, sub(c, high, at), sub(c, high, middle));
    const ex v = ex_select(c->x, equal(c, at, middle), one, ex_select(c->x, rising, rise, ex_select(c->x, falling, fall, zero)));
    return ex_cast(c->x, ctype_of(slot_elem(c, y)), v);
}

bool lower_MelWeightMatrix(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), mel_value, NULL);
}

/* ---- HannWindow, HammingWindow, BlackmanWindow: a0 - a1 cos(x) + a2 cos(2 x) at x = 2 pi i / size ---- */

bool infer_window(infer_ctx *c)
{
    const elem e = node_elem(c->n, "output_datatype", ELEM_FLOAT);
    if (e == ELEM_NONE) return infer_error(c, "attribute-value", "attribute 'output_datatype' is %lld, which is no element type", (long long)node_int(c->n, "output_datatype", 0));
    dim size;
    if (in_scalar(c, 0, &size)) return out_tensor(c, 0, e, 1, &size);
    size = out_unknown(c, "window");
    return out_tensor(c, 0, e, 1, &size);
}

/* What is stored as double, or cut off to an integer, is computed in double: in float, as the standard's bodies say, the middle may stay under 1. */
static ex window_value(lower_ctx *c, const dim *idx, void *arg)
{
    const double *a = arg;
    const elem to = slot_elem(c, out_slot(c, 0));
    const ex like = ex_f(c->x, elem_of(to)->kind == 'f' && to != ELEM_DOUBLE ? CT_F32 : CT_F64, 0);
    const dim size = slot_dim(c, out_slot(c, 0), 0);
    const ex steps = size_as(c, like, node_int(c->n, "periodic", 1) ? size : dim_addc(c->d, size, -1));
    const ex x = divide(c, mul(c, size_as(c, like, idx[0]), num(c, like, 6.283185307179586)), steps);
    ex v = mul(c, ex_un(c->x, EX_COS, x), num(c, like, -a[1]));
    if (a[2] > 0) v = add(c, v, mul(c, ex_un(c->x, EX_COS, mul(c, x, num(c, like, 2))), num(c, like, a[2])));
    return ex_cast(c->x, ctype_of(to), add(c, v, num(c, like, a[0])));
}

static bool lower_window(lower_ctx *c, double a0, double a1, double a2)
{
    const slot y = out_slot(c, 0);
    double a[3] = {a0, a1, a2};
    if (is_decided(c->m, slot_dim(c, y, 0))) {
        const slot size = temp_slot(c, "size", ELEM_INT64, 0, NULL);
        nest_builder b = low_begin(c);
        nest_stage(&b);
        store_axes(c, &b, size, 0, NULL, ex_cast(c->x, CT_I64, load_scalar(c, in_slot(c, 0))));
        low_end(c, &b);
        lower_bind(c, slot_dim(c, y, 0), size, 0);
    }
    return lower_map(c, y, window_value, a);
}

bool lower_HannWindow(lower_ctx *c)
{
    return lower_window(c, 0.5, 0.5, 0);
}

bool lower_HammingWindow(lower_ctx *c)
{
    return lower_window(c, 25.0 / 46, 21.0 / 46, 0);
}

bool lower_BlackmanWindow(lower_ctx *c)
{
    return lower_window(c, 0.42, 0.5, 0.08);
}
