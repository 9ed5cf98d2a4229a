/* save_types.c - a declared type with what inference knows more of it; see save_impl.h. */
#include "onnx.pb-c.h"
#include "proto/save_impl.h"

typedef Onnx__TensorShapeProto__Dimension proto_dim;

enum { MOST_SYMBOLS = 16 };
typedef struct {
    model *m;
    uint32_t n;
    dim from[MOST_SYMBOLS], to[MOST_SYMBOLS];
} naming;

/* The file's names are kept; what inference or the loader invented is unk__0, unk__1 and so on, as onnx calls sizes of which nothing is known. */
static void name_symbol(void *ctx, dim symbol)
{
    naming *n = ctx;
    model *m = n->m;
    uint32_t i = 0;
    while (i < m->named.n && m->named.p[i] != symbol) i++;
    if (i < m->named.n || n->n == MOST_SYMBOLS) return;
    for (i = 0; i < m->invented.n && m->invented.p[i] != symbol;) i++;
    if (i == m->invented.n) VEC_PUSH(m->mem, m->invented, symbol);
    n->from[n->n] = symbol;
    n->to[n->n++] = dim_symbol(m->dims, arena_printf(m->mem, "unk__%u", i), 0, INT64_MAX);
}

dim dim_with_names(const writer *w, dim d)
{
    model *m = w->m;
    naming n = {.m = m};
    dim_atoms(m->dims, d, name_symbol, &n);
    return dim_subst(m->dims, d, n.n, n.from, n.to);
}

/* A number says more than a name, and a name more than nothing. What the file says is kept word for word. */
static proto_dim *merge_dim(const writer *w, proto_dim *declared, dim inferred)
{
    int64_t n;
    const bool number = dim_is_const(w->m->dims, inferred, &n);
    if (declared->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && declared->dim_value >= 0) return declared;
    const bool says = declared->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && declared->dim_param && *declared->dim_param;
    return number || !says ? write_dim(w, inferred) : declared;
}

static Onnx__TensorShapeProto *merge_shape(const writer *w, const Onnx__TensorShapeProto *declared, const type *t)
{
    if (!declared || t->rank < 0 || declared->n_dim != (size_t)t->rank) return declared ? (Onnx__TensorShapeProto *)(uintptr_t)declared : write_shape(w, t);
    Onnx__TensorShapeProto *shape = arena_copy(w->a, declared, sizeof *declared);
    shape->dim = ARENA_ARRAY(w->a, proto_dim *, declared->n_dim);
    for (size_t i = 0; i < declared->n_dim; i++) shape->dim[i] = merge_dim(w, declared->dim[i], t->shape[i]);
    return shape;
}

static bool is_kind(const Onnx__TypeProto *p, type_kind kind)
{
    switch (p->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return kind == TYPE_TENSOR;
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return kind == TYPE_SEQUENCE;
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return kind == TYPE_OPTIONAL;
    default: return false;
    }
}

Onnx__TypeProto *merge_type(const writer *w, Onnx__TypeProto *declared, const type *t)
{
    if (!declared || declared->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) return write_type(w, t);
    if (!is_kind(declared, t->kind)) return declared;
    Onnx__TypeProto *p = arena_copy(w->a, declared, sizeof *declared);
    if (t->kind == TYPE_TENSOR) {
        p->tensor_type = arena_copy(w->a, declared->tensor_type, sizeof *declared->tensor_type);
        if (!p->tensor_type->elem_type && t->elem != ELEM_NONE) {
            p->tensor_type->has_elem_type = true;
            p->tensor_type->elem_type = (int32_t)t->elem;
        }
        if (p->tensor_type->elem_type == (int32_t)t->elem) p->tensor_type->shape = merge_shape(w, p->tensor_type->shape, t);
    } else if (t->kind == TYPE_SEQUENCE && t->of) {
        p->sequence_type = arena_copy(w->a, declared->sequence_type, sizeof *declared->sequence_type);
        p->sequence_type->elem_type = merge_type(w, p->sequence_type->elem_type, t->of);
    } else if (t->kind == TYPE_OPTIONAL && t->of) {
        p->optional_type = arena_copy(w->a, declared->optional_type, sizeof *declared->optional_type);
        p->optional_type->elem_type = merge_type(w, p->optional_type->elem_type, t->of);
    }
    return p;
}
