/* random.c - RandomUniform, RandomNormal, their Like forms, Bernoulli, Multinomial, Dropout. Source: ONNX Operators.md, version 22.
 *
 * The standard leaves the generator open. Ours is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014) with a
 * counter: element i takes output i of a generator that starts at the node's state, so that any order and any number of threads draws the same, and
 * every target the same bits. The state is the mixed bits of attribute `seed`, or without one the hash (FNV-1a) of the name of the first output: every run
 * of a model draws the same, and two nodes without seeds draw different numbers. */
#include "ops/random.h"

#include <string.h>

#include "ops/custom.h"
#include "ops/families.h"
#include "ops/formula.h"

/* ---- the generator ---- */

static const uint64_t STEP = UINT64_C(0x9e3779b97f4a7c15), FIRST = UINT64_C(0xbf58476d1ce4e5b9), SECOND = UINT64_C(0x94d049bb133111eb);

static uint64_t mixed(uint64_t z)
{
    z = (z ^ z >> 30) * FIRST;
    z = (z ^ z >> 27) * SECOND;
    return z ^ z >> 31;
}

static uint64_t state_of(model *m, const node *n)
{
    const attr *seed = node_attr(n, "seed"), *state = node_attr(n, "state");
    if (seed && seed->kind == ATTR_INT) return mixed((uint64_t)seed->u.i + STEP);
    if (seed && seed->kind == ATTR_FLOAT) {
        uint32_t bits;
        memcpy(&bits, &seed->u.f, sizeof bits);
        return mixed(bits + STEP);
    }
    if (state) return (uint64_t)state->u.i;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        for (const char *p = value_at(m, n->out[i])->name; *p; p++) h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        break;
    }
    return h;
}

void random_seed(infer_ctx *c)
{
    if (c->m->written_back || node_attr(c->n, "seed") || node_attr(c->n, "state")) return;
    const attr a = {.name = intern(c->m->names, "state"), .kind = ATTR_INT, .u.i = (int64_t)state_of(c->m, c->n)};
    node_set_attr(c->m, c->n, a);
}

bool node_is_random(model *m, const node *n)
{
    static const char *const RANDOM[] = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"};
    for (size_t i = 0; i < sizeof RANDOM / sizeof *RANDOM; i++)
        if (!strcmp(n->op, RANDOM[i])) return true;
    const custom_op *custom = custom_find(m, n);
    if (custom) return !custom->pure;
    if (strcmp(n->op, "Dropout")) return false;
    const value_id mode = node_in(n, 2);
    double trains;
    return mode && (!tensor_number(value_at(m, mode)->data, &trains) || trains != 0);
}

static ex bits(lower_ctx *c, uint64_t v)
{
    return ex_i(c->x, CT_U64, (int64_t)v);
}

static ex folded(lower_ctx *c, ex z, uint64_t shift)
{
    return ex_bin(c->x, EX_XOR, z, ex_bin(c->x, EX_SHR, z, bits(c, shift)));
}

ex random_bits(lower_ctx *c, ex at)
{
    const ex count = ex_cast(c->x, CT_U64, at);
    ex z = add(c, mul(c, count, bits(c, STEP)), bits(c, state_of(c->m, c->n) + STEP));
    z = mul(c, folded(c, z, 30), bits(c, FIRST));
    z = mul(c, folded(c, z, 27), bits(c, SECOND));
    return folded(c, z, 31);
}

/* The `digits` bits above `below` others as a number. */
static ex digits_of(lower_ctx *c, ctype t, ex z, int digits, uint64_t below)
{
    ex high = ex_bin(c->x, EX_SHR, z, bits(c, below));
    if ((uint64_t)digits + below < 64) high = both(c, high, bits(c, (UINT64_C(1) << digits) - 1));
    return ex_cast(c->x, t, ex_cast(c->x, digits < 31 ? CT_I32 : CT_I64, high));
}

ex random_unit(lower_ctx *c, ctype t, int digits, ex at)
{
    return mul(c, digits_of(c, t, random_bits(c, at), digits, 64 - (uint64_t)digits), ex_f(c->x, t, 1.0 / (double)(UINT64_C(1) << digits)));
}

ex random_place(lower_ctx *c, slot s, const dim *idx)
{
    dim at = dim_const(c->d, 0);
    for (uint32_t i = 0; i < slot_rank(c, s); i++) at = dim_add(c->d, dim_mul(c->d, at, slot_dim(c, s, i)), idx[i]);
    return ex_dim(c->x, at);
}

/* ---- RandomUniform, RandomNormal ---- */

/* Type and shape of the output: those of attributes, or of the input. */
bool infer_Random(infer_ctx *c)
{
    const bool like = c->n->n_in > 0;
    const type *x = like ? in_type(c, 0) : NULL;
    const int64_t to = node_int(c->n, "dtype", like ? (int64_t)x->elem : ELEM_FLOAT);
    if (to != ELEM_FLOAT && to != ELEM_DOUBLE && to != ELEM_FLOAT16 && to != ELEM_BFLOAT16)
        return infer_error(c, "attribute-value", "the output's type is %lld, which is no float type%s", (long long)to, like ? "; attribute 'dtype' says another one" : "");
    random_seed(c);
    if (like) return out_tensor(c, 0, (elem)to, x->rank, x->shape);
    uint32_t rank;
    const int64_t *shape = node_ints(c->n, "shape", &rank);
    if (!node_attr(c->n, "shape")) return infer_error(c, "attribute-missing", "attribute 'shape' is missing");
    if (rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    dim out[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] < 0) return infer_error(c, "attribute-value", "attribute 'shape' holds %lld", (long long)shape[i]);
        out[i] = dim_const(c->d, shape[i]);
    }
    return out_tensor(c, 0, (elem)to, (int32_t)rank, out);
}

/* Digits of the type's fraction: a number in [0, 1) stays below 1 when it is stored. */
static int digits_in(elem e)
{
    return e == ELEM_DOUBLE ? 53 : e == ELEM_FLOAT16 ? 11 : e == ELEM_BFLOAT16 ? 8 : 24;
}

static ex uniform_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot y = out_slot(c, 0);
    const ex u = random_unit(c, ctype_of(slot_elem(c, y)), digits_in(slot_elem(c, y)), random_place(c, y, idx));
    const ex low = attr_f(c, u, "low", 0), high = attr_f(c, u, "high", 1);
    return add(c, mul(c, u, sub(c, high, low)), low);
}

/* Box and Muller, "A note on the generation of random normal deviates", 1958: the first of the two numbers. */
static ex normal_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot y = out_slot(c, 0);
    const ctype t = ctype_of(slot_elem(c, y));
    const ex z = random_bits(c, random_place(c, y, idx)), one = ex_f(c->x, t, 1);
    const ex radius_at = mul(c, add(c, digits_of(c, t, z, 32, 32), one), ex_f(c->x, t, 1.0 / 4294967296.0)); /* in (0, 1] */
    const ex angle = mul(c, digits_of(c, t, z, 24, 0), ex_f(c->x, t, 6.28318530717958647693 / 16777216.0));
    const ex radius = ex_un(c->x, EX_SQRT, mul(c, ex_un(c->x, EX_LOG, radius_at), ex_f(c->x, t, -2)));
    const ex v = mul(c, radius, ex_un(c->x, EX_COS, angle));
    return add(c, mul(c, v, attr_f(c, v, "scale", 1)), attr_f(c, v, "mean", 0));
}

bool lower_RandomUniform(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), uniform_value, NULL);
}

bool lower_RandomNormal(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), normal_value, NULL);
}

/* ---- Bernoulli: 1 with the probability that the input says ---- */

bool infer_Bernoulli(infer_ctx *c)
{
    const type *x = in_type(c, 0);
    const int64_t to = node_int(c->n, "dtype", (int64_t)x->elem);
    if (to < 1 || to >= ELEM_COUNT || !strchr("fiub", elem_of((elem)to)->kind)) return infer_error(c, "attribute-value", "attribute 'dtype' is %lld, which is no type of numbers", (long long)to);
    random_seed(c);
    return out_tensor(c, 0, (elem)to, x->rank, x->shape);
}

static ex bernoulli_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const ex p = load_axes(c, x, slot_rank(c, x), idx);
    const ex u = random_unit(c, ex_type(c->x, p), digits_in(ex_type(c->x, p) == CT_F64 ? ELEM_DOUBLE : ELEM_FLOAT), random_place(c, y, idx));
    return ex_cast(c->x, ctype_of(slot_elem(c, y)), less(c, u, p));
}

bool lower_Bernoulli(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), bernoulli_value, NULL);
}

/* ---- Multinomial: classes by their unnormalized log-probabilities ---- */

bool infer_Multinomial(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const int64_t to = node_int(c->n, "dtype", ELEM_INT32), samples = node_int(c->n, "sample_size", 1);
    if (in_rank(c, 0) != 2) return infer_error(c, "shape-rank", "the input has %d dimensions, expected 2 (batch, class)", in_rank(c, 0));
    if (to != ELEM_INT32 && to != ELEM_INT64) return infer_error(c, "attribute-value", "attribute 'dtype' is %lld, expected int32 or int64", (long long)to);
    if (samples < 1) return infer_error(c, "attribute-value", "attribute 'sample_size' is %lld", (long long)samples);
    random_seed(c);
    const dim out[2] = {in_dim(c, 0, 0), dim_const(c->d, samples)};
    return out_tensor(c, 0, (elem)to, 2, out);
}

/* Running sums of exp(x - maximum) along each row. */
static slot running_weights(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    const dim *shape = slot_at(c->p, x)->extent;
    const slot to = temp_slot(c, "weights", slot_elem(c, x) == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT, 2, shape);
    nest_builder b = low_begin(c);
    dim at[2] = {nest_axis(&b, shape[0])};
    nest_stage(&b);
    at[1] = stage_axis(&b, shape[1]);
    const ex most = stage_fold(&b, FOLD_MAX, load_axes(c, x, 2, at));
    nest_stage(&b);
    at[1] = stage_axis(&b, shape[1]);
    const ex sum = stage_fold(&b, FOLD_SUM, ex_un(c->x, EX_EXP, sub(c, load_axes(c, x, 2, at), most)));
    store_axes(c, &b, to, 2, at, sum);
    low_end(c, &b);
    return to;
}

/* The first class whose running sum is above a random part of the whole. */
bool lower_Multinomial(lower_ctx *c)
{
    const slot y = out_slot(c, 0), weights = running_weights(c);
    const dim classes = slot_dim(c, weights, 1), last = dim_addc(c->d, classes, -1);
    nest_builder b = low_begin(c);
    dim idx[2];
    axes_for(&b, 2, slot_at(c->p, y)->extent, idx);
    nest_stage(&b);
    const dim at[2] = {idx[0], stage_axis(&b, classes)}, end[2] = {idx[0], last};
    const ex all = load_axes(c, weights, 2, end);
    const ctype t = ex_type(c->x, all);
    const ex part = mul(c, all, random_unit(c, t, t == CT_F64 ? 53 : 24, random_place(c, y, idx)));
    const ex below = ex_bin(c->x, EX_LE, load_axes(c, weights, 2, at), part);
    const ex n = stage_fold(&b, FOLD_SUM, ex_select(c->x, below, ex_i(c->x, CT_I64, 1), ex_i(c->x, CT_I64, 0)));
    nest_stage(&b);
    store_axes(c, &b, y, 2, idx, ex_cast(c->x, ctype_of(slot_elem(c, y)), smaller(c, n, ex_dim(c->x, last))));
    low_end(c, &b);
    return true;
}

/* ---- Dropout: the identity, or in training mode x / (1 - ratio) where the mask is set, else 0 ---- */

bool infer_Dropout(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    if (node_is_random(c->m, c->n)) random_seed(c);
    return out_like(c, 0, 0) && out_tensor(c, 1, ELEM_BOOL, t->rank, t->shape);
}

/* Ratio and mode as numbers of x's type; mode 0: inference. */
static ex dropout_input(lower_ctx *c, uint32_t i, ex like, double otherwise)
{
    const slot s = in_slot(c, i);
    uint32_t n;
    const double *known = known_doubles(c->m, c->n, i, &n);
    if (!s || (known && n == 1)) return num(c, like, s ? known[0] : otherwise);
    return ex_cast(c->x, ex_type(c->x, like), load_scalar(c, s));
}

static ex dropout_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot s = in_slot(c, 0);
    const ex x = load_axes(c, s, slot_rank(c, s), idx), ratio = dropout_input(c, 1, x, 0.5), mode = dropout_input(c, 2, x, 0);
    const ex training = ex_bin(c->x, EX_NE, mode, num(c, x, 0)), u = random_unit(c, ex_type(c->x, x), ex_type(c->x, x) == CT_F64 ? 53 : 24, random_place(c, s, idx));
    const ex kept = ex_bin(c->x, EX_LE, ratio, u);
    if (arg) return ex_select(c->x, training, kept, ex_bool(c->x, true));
    return ex_select(c->x, training, ex_select(c->x, kept, divide(c, x, sub(c, num(c, x, 1), ratio)), num(c, x, 0)), x);
}

bool lower_Dropout(lower_ctx *c)
{
    if (low_has_out(c, 0) && !lower_map(c, out_slot(c, 0), dropout_value, NULL)) return false;
    return !low_has_out(c, 1) || lower_map(c, out_slot(c, 1), dropout_value, c);
}
