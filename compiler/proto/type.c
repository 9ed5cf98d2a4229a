/* type.c - TypeProto to type. A named dim becomes the symbol of that name (at least 1), one without a name a symbol of its own. */
#include <string.h>

#include "proto/convert.h"
#include "proto/dimparam.h"

static void note_named(void *ctx, dim symbol)
{
    model *m = ctx;
    for (uint32_t i = 0; i < m->named.n; i++)
        if (m->named.p[i] == symbol) return;
    VEC_PUSH(m->mem, m->named, symbol);
}

static dim convert_dim(converter *c, const Onnx__TensorShapeProto__Dimension *p, const char *stem, uint32_t axis, const place *at)
{
    const char *param = "";
    if (p->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
        if (p->dim_value >= 0) return dim_const(c->m->dims, p->dim_value);
        /* Some exporters write -1 for a size they do not know; no other negative number has a meaning. */
        if (p->dim_value != -1) {
            diag_error(c->d, EXIT_INVALID, where_of(c, at), "shape-negative", "dimension %u is %lld", axis, (long long)p->dim_value);
            return 0;
        }
        diag_warn(c->d, where_of(c, at), "shape-negative", "dimension %u is -1, taken as unknown", axis);
    } else if (p->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) param = given(p->dim_param);
    if (*param && strcmp(param, "?")) {
        const dim d = dim_of_param(c->m->dims, c->mem, param);
        dim_atoms(c->m->dims, d, note_named, c->m);
        return d;
    }
    return dim_fresh(c->m->dims, arena_printf(c->mem, "%s:%u", stem, axis), 1, INT64_MAX);
}

static bool convert_shaped(converter *c, type_kind kind, int32_t elem_type, const Onnx__TensorShapeProto *shape, const char *stem, const place *at, type *out)
{
    if (elem_type && !elem_known(elem_type)) return diag_error(c->d, EXIT_INVALID, where_of(c, at), "elem-type", "element type %d is unknown", elem_type);
    *out = (type){.kind = kind, .elem = (elem)elem_type, .rank = -1};
    if (!shape) return true;
    dim *sizes = shape_new(c->m, (uint32_t)shape->n_dim);
    for (uint32_t i = 0; i < shape->n_dim; i++) {
        sizes[i] = convert_dim(c, shape->dim[i], stem, i, at);
        if (!sizes[i]) return false;
    }
    out->rank = (int32_t)shape->n_dim;
    out->shape = sizes;
    return true;
}

static bool convert_of(converter *c, type_kind kind, const Onnx__TypeProto *of, const char *stem, const place *at, type *out)
{
    type *inner = ARENA_NEW(c->mem, type);
    *out = (type){.kind = kind, .rank = -1, .of = inner};
    return convert_type(c, of, stem, at, inner); /* unknown when it is not given */
}

bool convert_type(converter *c, const Onnx__TypeProto *t, const char *stem, const place *at, type *out)
{
    *out = (type){.kind = TYPE_UNKNOWN, .rank = -1};
    if (!t) return true;
    switch (t->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        return convert_shaped(c, TYPE_TENSOR, t->tensor_type->elem_type, t->tensor_type->shape, stem, at, out);
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        return convert_shaped(c, TYPE_SPARSE, t->sparse_tensor_type->elem_type, t->sparse_tensor_type->shape, stem, at, out);
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return convert_of(c, TYPE_SEQUENCE, t->sequence_type->elem_type, stem, at, out);
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return convert_of(c, TYPE_OPTIONAL, t->optional_type->elem_type, stem, at, out);
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: {
        const bool ok = convert_of(c, TYPE_MAP, t->map_type->value_type, stem, at, out);
        if (!elem_known(t->map_type->key_type))
            return diag_error(c->d, EXIT_INVALID, where_of(c, at), "elem-type", "key type %d is unknown", t->map_type->key_type);
        out->elem = (elem)t->map_type->key_type;
        return ok;
    }
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE:
        return diag_error(c->d, EXIT_UNSUPPORTED, where_of(c, at), "type-opaque", "opaque types are not supported");
    default: return true;
    }
}
