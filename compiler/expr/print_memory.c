/* print_memory.c - loads, stores and accumulators as text: storage types widen at the load and narrow at the store. */
#include <math.h>
#include <string.h>

#include "expr/print.h"

const param *param_of(const printer *w, slot s)
{
    for (uint32_t i = 0; i < w->param.n; i++)
        if (w->param.p[i].slot == s) return &w->param.p[i];
    return NULL;
}

bool same_memory(const printer *w, slot a, slot b)
{
    const uint32_t buf = slot_at(w->p, a)->view.buf;
    return a == b || (buf && buf == slot_at(w->p, b)->view.buf);
}

bool lane_stride(printer *w, ex index, dim *coef)
{
    dim d, rest, a, b;
    const ex_node n = *ex_at(w->x, index);
    *coef = dim_const(w->t, 0);
    if (!is_vec(w, index)) return true;
    if (ex_is_dim(w->x, index, &d)) return dim_affine(w->t, d, w->vec, coef, &rest) && !dim_has_axis(w->t, *coef);
    if (n.op != EX_ADD || !lane_stride(w, n.a[0], &a) || !lane_stride(w, n.a[1], &b)) return false;
    *coef = dim_add(w->t, a, b);
    return true;
}

/* ---- what exists in simd.h ---- */

bool slot_is_local(const printer *w, slot s)
{
    return slot_at(w->p, s)->kind == SLOT_LOCAL;
}

/* Which strides between lanes a load has a form for, besides 1. */
typedef enum { ONE, ONE_AND_TWO, ANY } strides;

/* Vector forms by storage type: the name of the load and store, and which of them have a strided form. */
static const struct lane_form {
    elem type;
    const char *suffix;
    char letter; /* of the vector: f or i */
    strides loads;
    bool stores_strided;
} lane_forms[] = {{ELEM_FLOAT, "", 'f', ANY, true},
                  {ELEM_INT32, "", 'i', ANY, true},
                  {ELEM_INT8, "_s8", 'i', ONE_AND_TWO, true},
                  {ELEM_UINT8, "_u8", 'i', ONE_AND_TWO, true},
                  {ELEM_INT16, "_s16", 'i', ONE, false},
                  {ELEM_UINT16, "_u16", 'i', ONE, false},
                  {ELEM_BOOL, "_u8", 'i', ONE_AND_TWO, false},
                  {ELEM_FLOAT16, "_f16", 'f', ONE, false},
                  {ELEM_BFLOAT16, "_bf16", 'f', ONE, false},
                  {ELEM_INT64, "_s64", 'i', ONE, false}};

static const struct lane_form *lane_form_of(elem stored)
{
    for (size_t i = 0; i < sizeof lane_forms / sizeof *lane_forms; i++)
        if (lane_forms[i].type == stored) return &lane_forms[i];
    return NULL;
}

bool load_has_lanes(printer *w, const ex_node *load)
{
    const struct lane_form *form = lane_form_of((elem)load->elem);
    dim stride;
    if (load->elem == ELEM_INT64) return false;
    if (w->across && slot_is_local(w, load->slot)) return (load->elem == ELEM_FLOAT || load->elem == ELEM_INT32) && !is_vec(w, load->idx[0]);
    if (!form) return false;
    if (!lane_stride(w, load->idx[0], &stride)) return table_index(w->p, load) != 0;
    return form->loads == ANY || dim_is(w->t, stride, 1) || (form->loads == ONE_AND_TWO && dim_is(w->t, stride, 2));
}

bool store_has_lanes(printer *w, elem stored, dim stride)
{
    const struct lane_form *form = lane_form_of(stored);
    return form && (dim_is(w->t, stride, 1) || (form->stores_strided && !dim_is(w->t, stride, 0)));
}

/* ---- loads ---- */

/* The index of lane 0 (of the element, in scalar code). */
static const char *address_text(printer *w, ex index)
{
    const dim vec = w->vec;
    const bool was = w->in_address, lanes = is_vec(w, index);
    w->in_address = true;
    if (lanes) {
        set_vec(w, 0);
        w->in_line++; /* a name would outlive the switch to one lane */
    }
    const char *s = value_text(w, index);
    if (lanes) {
        w->in_line--;
        set_vec(w, vec);
    }
    w->in_address = was;
    return s;
}

static const char *element_text(printer *w, slot s, const char *address)
{
    const char *name = param_of(w, s)->name;
    return slot_is_local(w, s) && slot_at(w->p, s)->rank == 0 ? name : arena_printf(w->mem, "%s[%s]", name, address);
}

static const char *scalar_load(printer *w, const ex_node *n, const char *address)
{
    const char *name = param_of(w, n->slot)->name, *e = element_text(w, n->slot, address), *f;
    switch ((elem)n->elem) {
    case ELEM_BOOL: return arena_printf(w->mem, "(%s != 0)", e);
    case ELEM_FLOAT16: f = "f16_to_f"; break;
    case ELEM_BFLOAT16: f = "bf16_to_f"; break;
    case ELEM_FLOAT8E4M3FN: f = "e4m3fn_to_f"; break;
    case ELEM_FLOAT8E4M3FNUZ: f = "e4m3fnuz_to_f"; break;
    case ELEM_FLOAT8E5M2: f = "e5m2_to_f"; break;
    case ELEM_FLOAT8E5M2FNUZ: f = "e5m2fnuz_to_f"; break;
    case ELEM_FLOAT8E8M0: f = "e8m0_to_f"; break;
    case ELEM_UINT4: return arena_printf(w->mem, "u4_ld(%s, %s)", name, address);
    case ELEM_INT4: return arena_printf(w->mem, "i4_ld(%s, %s)", name, address);
    case ELEM_UINT2: return arena_printf(w->mem, "u2_ld(%s, %s)", name, address);
    case ELEM_INT2: return arena_printf(w->mem, "i2_ld(%s, %s)", name, address);
    case ELEM_FLOAT4E2M1: return arena_printf(w->mem, "e2m1_ld(%s, %s)", name, address);
    case ELEM_FLOAT6E2M3: return arena_printf(w->mem, "e2m3_to_f(six_get(%s, %s))", name, address);
    case ELEM_FLOAT6E3M2: return arena_printf(w->mem, "e3m2_to_f(six_get(%s, %s))", name, address);
    default: return e;
    }
    return arena_printf(w->mem, "%s(%s)", f, e);
}

static const char *plus(printer *w, const char *name, const char *address)
{
    return !strcmp(address, "0") ? name : arena_printf(w->mem, "%s + %s", name, address);
}

/* A local of an across-nest: one vector for each element. */
static const char *lane_local(printer *w, slot s, ex index)
{
    const char *a = address_text(w, index), *name = param_of(w, s)->name;
    return slot_at(w->p, s)->rank == 0 || !strcmp(a, "0") ? name : arena_printf(w->mem, "%s + %d*%s", name, w->o->vl, paren(w, a));
}

const char *load_text(printer *w, ex e)
{
    const ex_node n = *ex_at(w->x, e);
    if (!is_vec(w, e)) return scalar_load(w, &n, address_text(w, n.idx[0]));
    const struct lane_form *form = lane_form_of((elem)n.elem);
    if (w->across && slot_is_local(w, n.slot)) return arena_printf(w->mem, "v%c_ld(%s)", form->letter, lane_local(w, n.slot, n.idx[0]));
    dim stride;
    if (!lane_stride(w, n.idx[0], &stride)) return arena_printf(w->mem, "vi_look%s(%s, %s)", form->suffix, param_of(w, n.slot)->name, value_text(w, table_index(w->p, &n)));
    const char *place = plus(w, param_of(w, n.slot)->name, address_text(w, n.idx[0]));
    if (dim_is(w->t, stride, 1) || dim_is(w->t, stride, 2)) {
        const char *s = arena_printf(w->mem, "v%c_ld%s%s(%s)", form->letter, dim_is(w->t, stride, 2) ? "2" : "", form->suffix, place);
        return n.elem == ELEM_BOOL ? arena_printf(w->mem, "(%s != vi_set(0))", s) : s;
    }
    if (dim_is(w->t, stride, -1)) return arena_printf(w->mem, "v%c_ldr(%s)", form->letter, place);
    return arena_printf(w->mem, "v%c_lds(%s, %s)", form->letter, place, dim_str(w, stride));
}

/* ---- stores ---- */

/* The statement that stores the value s, which is already of the compute type. */
static void scalar_store(printer *w, slot to, const char *address, const char *s)
{
    const elem stored = slot_at(w->p, to)->type;
    const char *name = param_of(w, to)->name, *e = element_text(w, to, address), *f = NULL;
    switch (stored) {
    case ELEM_FLOAT16: f = "f16_of_f"; break;
    case ELEM_BFLOAT16: f = "bf16_of_f"; break;
    case ELEM_FLOAT8E4M3FN: f = "e4m3fn_of_f"; break;
    case ELEM_FLOAT8E4M3FNUZ: f = "e4m3fnuz_of_f"; break;
    case ELEM_FLOAT8E5M2: f = "e5m2_of_f"; break;
    case ELEM_FLOAT8E5M2FNUZ: f = "e5m2fnuz_of_f"; break;
    case ELEM_FLOAT8E8M0: f = "e8m0_of_f"; break;
    case ELEM_UINT4:
    case ELEM_INT4: line(w, "bits_put(%s, %s, 4, %s);", name, address, s); return;
    case ELEM_UINT2:
    case ELEM_INT2: line(w, "bits_put(%s, %s, 2, %s);", name, address, s); return;
    case ELEM_FLOAT4E2M1: line(w, "bits_put(%s, %s, 4, e2m1_of_f(%s));", name, address, s); return;
    case ELEM_FLOAT6E2M3: line(w, "six_put(%s, %s, e2m3_of_f(%s));", name, address, s); return;
    case ELEM_FLOAT6E3M2: line(w, "six_put(%s, %s, e3m2_of_f(%s));", name, address, s); return;
    case ELEM_BOOL:
    case ELEM_INT8:
    case ELEM_UINT8:
    case ELEM_INT16:
    case ELEM_UINT16: line(w, "%s = (%s)%s;", e, elem_of(stored)->ctype, paren(w, s)); return;
    default: line(w, "%s = %s;", e, s); return;
    }
    line(w, "%s = %s(%s);", e, f, s);
}

static void lane_store(printer *w, const sink *k, const char *s, bool saturates)
{
    const elem stored = slot_at(w->p, k->to)->type;
    const struct lane_form *form = lane_form_of(stored);
    dim stride;
    if (w->across && slot_is_local(w, k->to)) {
        line(w, "v%c_st(%s, %s);", form->letter, lane_local(w, k->to, k->at[0]), s);
        return;
    }
    const char *place = plus(w, param_of(w, k->to)->name, address_text(w, k->at[0]));
    lane_stride(w, k->at[0], &stride);
    if (stored == ELEM_BOOL) s = arena_printf(w->mem, "-%s", paren(w, s));
    if (dim_is(w->t, stride, 1)) line(w, "v%c_%s%s(%s, %s);", form->letter, saturates ? "sat" : "st", form->suffix, place, s);
    else line(w, "v%c_sts%s(%s, %s, %s);", form->letter, form->suffix, place, dim_str(w, stride), s);
}

static bool store_is_vec(printer *w, const sink *k)
{
    return w->vec && (is_vec(w, k->at[0]) || (w->across && slot_is_local(w, k->to)));
}

void print_store(printer *w, const sink *k)
{
    const uint32_t level = name_level(w);
    const bool lanes = store_is_vec(w, k);
    if (k->guard) {
        const char *guard = value_text(w, k->guard);
        line(w, "if (%s) {", guard);
    }
    dim stride;
    const bool row = lanes && lane_stride(w, k->at[0], &stride) && dim_is(w->t, stride, 1);
    const char *saturated = row ? saturated_text(w, k->value, slot_at(w->p, k->to)->type) : NULL;
    if (saturated) lane_store(w, k, saturated, true);
    else if (lanes) {
        const ex_node v = *ex_at(w->x, k->value);
        const bool narrow = v.type == CT_I64 && is_vec(w, k->value); /* an int64 cast from int32 lanes: the store widens */
        const char *s = lanes_text(w, narrow ? v.a[0] : k->value);
        lane_store(w, k, narrow && ex_type(w->x, v.a[0]) == CT_BOOL ? arena_printf(w->mem, "-%s", paren(w, s)) : s, false);
    } else {
        const char *address = address_text(w, k->at[0]), *s = value_text(w, k->value);
        scalar_store(w, k->to, address, s);
    }
    if (k->guard) {
        name_pop(w, level);
        line(w, "}");
    }
    name_drop_loads(w, k->to);
}

/* ---- accumulators ---- */

ex fold_ex(exprs *x, fold f, ex a, ex b)
{
    static const ex_op ops[] = {[FOLD_SUM] = EX_ADD, [FOLD_PROD] = EX_MUL, [FOLD_MAX] = EX_MAX, [FOLD_MIN] = EX_MIN, [FOLD_OR] = EX_OR, [FOLD_AND] = EX_AND};
    return ex_bin(x, ops[f], a, b);
}

const char *identity_text(fold f, ctype t)
{
    const bool max = f == FOLD_MAX;
    switch (f) {
    case FOLD_SUM: return t == CT_F32 ? "0.0f" : t == CT_F64 ? "0.0" : t == CT_U32 || t == CT_U64 ? "0u" : "0";
    case FOLD_PROD: return t == CT_F32 ? "1.0f" : t == CT_F64 ? "1.0" : t == CT_U32 || t == CT_U64 ? "1u" : "1";
    case FOLD_OR: return "0";
    case FOLD_AND: return t == CT_BOOL ? "1" : t == CT_U32 ? "UINT32_MAX" : t == CT_U64 ? "UINT64_MAX" : "-1";
    default: break;
    }
    switch (t) {
    case CT_F32: return max ? "-INFINITY" : "INFINITY";
    case CT_F64: return max ? "-(double)INFINITY" : "(double)INFINITY";
    case CT_I32: return max ? "INT32_MIN" : "INT32_MAX";
    case CT_I64: return max ? "INT64_MIN" : "INT64_MAX";
    case CT_U32: return max ? "0u" : "UINT32_MAX";
    case CT_U64: return max ? "0u" : "UINT64_MAX";
    default: return max ? "0" : "1";
    }
}

bool is_fused_fold(printer *w, const sink *k)
{
    const ex_node *n = ex_at(w->x, k->value);
    return !k->to && k->fold == FOLD_SUM && n->op == EX_MUL && n->type == CT_F32 && w->o->math != MATH_STRICT && mark_of(w, k->value)->refs <= 1;
}

/* Folding this changes nothing: what is left of a window outside the border. */
bool is_identity(const printer *w, const sink *k)
{
    double v;
    if (k->to || !ex_is_num(w->x, k->value, &v)) return false;
    const bool real = ctype_is_float(ex_type(w->x, k->value));
    switch (k->fold) {
    case FOLD_SUM: return v == 0;
    case FOLD_PROD: return v == 1;
    case FOLD_OR: return !real && v == 0;
    case FOLD_MAX: return real && v == -(double)INFINITY;
    case FOLD_MIN: return real && v == (double)INFINITY;
    default: return false;
    }
}

void print_fold(printer *w, const sink *k, const char *acc)
{
    if (is_identity(w, k)) return;
    const uint32_t level = name_level(w);
    if (k->guard) {
        const char *guard = value_text(w, k->guard);
        line(w, "if (%s) {", guard);
    }
    const ctype t = ex_type(w->x, k->value);
    const bool lanes = w->vec != 0;
    const char v = lanes ? 'v' : 's', letter = ctype_letter(t);
    if (is_fused_fold(w, k)) {
        const ex_node n = *ex_at(w->x, k->value);
        const char *a = lanes ? lanes_text(w, n.a[0]) : value_text(w, n.a[0]), *b = lanes ? lanes_text(w, n.a[1]) : value_text(w, n.a[1]);
        line(w, "%s = %cf_fma(%s, %s, %s);", acc, v, a, b, acc);
    } else {
        const char *s = lanes ? lanes_text(w, k->value) : value_text(w, k->value);
        const bool plain = t == CT_F32 || t == CT_F64 || t == CT_U32 || t == CT_U64;
        const char *name = k->fold == FOLD_SUM ? "add" : k->fold == FOLD_PROD ? "mul" : k->fold == FOLD_MAX ? "max" : "min";
        if (k->fold == FOLD_OR) line(w, "%s |= %s;", acc, s);
        else if (k->fold == FOLD_AND) line(w, "%s &= %s;", acc, s);
        else if (plain && k->fold == FOLD_SUM) line(w, "%s += %s;", acc, s);
        else if (plain && k->fold == FOLD_PROD) line(w, "%s *= %s;", acc, s);
        else line(w, "%s = %c%c_%s(%s, %s);", acc, v, letter, name, s, acc); /* the accumulator last: a test for NaN of the other delays no one */
    }
    if (k->guard) {
        name_pop(w, level);
        line(w, "}");
    }
    name_drop_acc(w, k->acc);
}
