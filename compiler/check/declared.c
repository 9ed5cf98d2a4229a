/* declared.c - declarations of the main graph that contradict each other or say nothing, as `check --full` sees them; see form.h.
 *
 * In: a model that check_form has looked at and the loader could read. The IR keeps one type of a value; a file can declare two, of an input or output and of its initializer. */
#include <string.h>

#include "base/elem.h"
#include "check/form.h"
#include "ir/scope.h"

typedef struct {
    diag *d;
    const Onnx__GraphProto *g;
    names *names;
    scope *initializers; /* name: its place in the list, from 1 on */
    scope *read;         /* names that nodes of the graph read */
} walk;

/* What is declared of one tensor. */
typedef struct {
    const char *as; /* "input", "output", "initializer" */
    int32_t elem;   /* 0: unknown */
    int64_t rank;   /* -1: unknown */
    const Onnx__TensorShapeProto *shape;
    const int64_t *dims; /* NULL: those of `shape` */
} declared;

static const char *text_of(const char *s)
{
    return s ? s : "";
}

static bool of_type(const Onnx__ValueInfoProto *v, const char *as, declared *out)
{
    if (!v->type || v->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return false;
    const Onnx__TypeProto__Tensor *t = v->type->tensor_type;
    *out = (declared){.as = as, .elem = t->elem_type, .rank = t->shape ? (int64_t)t->shape->n_dim : -1, .shape = t->shape};
    return true;
}

static bool number_at(const declared *a, int64_t k, int64_t *out)
{
    if (a->dims) *out = a->dims[k];
    else if (a->shape->dim[k]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) *out = a->shape->dim[k]->dim_value;
    else return false;
    return true;
}

static void compare(const walk *w, const char *name, const declared *a, const declared *b)
{
    const char *at = arena_printf(w->d->mem, "value '%s'", name);
    int64_t x, y;
    if (a->elem && b->elem && a->elem != b->elem) {
        diag_error(w->d, EXIT_INVALID, at, "initializer-type", "is declared %s as %s, but %s as %s", elem_of((elem)a->elem)->name, a->as, elem_of((elem)b->elem)->name, b->as);
        return;
    }
    if (a->rank >= 0 && b->rank >= 0 && a->rank != b->rank)
        diag_error(w->d, EXIT_INVALID, at, "shape-mismatch", "has %lld dimensions as %s, but %lld as %s", (long long)a->rank, a->as, (long long)b->rank, b->as);
    for (int64_t k = 0; a->rank == b->rank && k < a->rank; k++)
        if (number_at(a, k, &x) && number_at(b, k, &y) && x != y)
            diag_error(w->d, EXIT_INVALID, at, "shape-mismatch", "dimension %lld is %lld as %s, but %lld as %s", (long long)k, (long long)x, a->as, (long long)y, b->as);
}

static void compare_with_initializer(const walk *w, const Onnx__ValueInfoProto *v, const char *as)
{
    declared a;
    const uint32_t i = scope_find(w->initializers, intern(w->names, text_of(v->name)));
    if (!i || !of_type(v, as, &a)) return;
    const Onnx__TensorProto *t = w->g->initializer[i - 1];
    const declared b = {.as = "initializer", .elem = t->data_type, .rank = (int64_t)t->n_dims, .dims = t->dims};
    compare(w, text_of(v->name), &a, &b);
}

/* Else check_form has said so. */
static bool is_formed(const Onnx__TypeProto *t)
{
    if (!t || t->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) return false;
    return t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || t->tensor_type->has_elem_type;
}

/* The element types of all tensors in it are known. */
static bool says_elements(const Onnx__TypeProto *t)
{
    if (!t) return false;
    switch (t->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: return t->tensor_type->elem_type != 0;
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return t->sparse_tensor_type->elem_type != 0;
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return says_elements(t->sequence_type->elem_type);
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return says_elements(t->optional_type->elem_type);
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return says_elements(t->map_type->value_type);
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: return true;
    default: return false;
    }
}

void check_declared_types(arena *scratch, diag *d, const Onnx__ModelProto *p)
{
    const walk w = {d, p->graph, names_new(scratch), scope_new(scratch), scope_new(scratch)};
    for (uint32_t i = 0; i < w.g->n_initializer; i++) scope_define(w.initializers, intern(w.names, text_of(w.g->initializer[i]->name)), i + 1);
    for (size_t i = 0; i < w.g->n_node; i++)
        for (size_t k = 0; k < w.g->node[i]->n_input; k++) scope_define(w.read, intern(w.names, w.g->node[i]->input[k]), 1);
    for (size_t i = 0; i < w.g->n_input; i++) {
        const Onnx__ValueInfoProto *v = w.g->input[i];
        d->kind = v->type && v->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? "inference" : "validation"; /* as in onnx */
        if (is_formed(v->type) && !says_elements(v->type) && scope_find(w.read, intern(w.names, text_of(v->name))))
            diag_error(d, EXIT_INVALID, arena_printf(d->mem, "input '%s'", text_of(v->name)), "type-missing", "the type of its elements is not given");
        d->kind = "inference";
        compare_with_initializer(&w, v, "input");
    }
    d->kind = "inference";
    for (size_t i = 0; i < w.g->n_output; i++) compare_with_initializer(&w, w.g->output[i], "output");
    d->kind = "validation";
}
