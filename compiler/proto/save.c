/* save.c - the IR to the protobuf form and its bytes; see save.h. The protobuf form points to names and weights of the model.
 *
 * What was loaded with `keep_source` and not changed since is its message from the file; what was changed is a copy of it with other names, inputs
 * and attributes. */
#include "proto/save.h"

#include <string.h>

#include "ir/labels.h"
#include "proto/prescan.h"
#include "proto/proto.h"
#include "proto/save_impl.h"

#define NEW(w, T, lower) ((T *)message_new((w)->a, sizeof(T), &onnx__##lower##__descriptor))
static void *message_new(arena *a, size_t bytes, const ProtobufCMessageDescriptor *kind)
{
    ProtobufCMessage *message = arena_alloc(a, bytes);
    protobuf_c_message_init(kind, message);
    return message;
}

/* A message to fill: a copy of the one in the file, or a new one. What it points to stays the file's. */
#define COPY(w, T, lower, from) ((T *)message_copy((w)->a, from, sizeof(T), &onnx__##lower##__descriptor))
static void *message_copy(arena *a, const void *source, size_t bytes, const ProtobufCMessageDescriptor *kind)
{
    return source ? arena_copy(a, source, bytes) : message_new(a, bytes, kind);
}

/* protobuf-c's structures are not const; what is packed is only read. NULL for "", which is not written. */
static char *borrowed(const char *s)
{
    return s && *s ? (char *)(uintptr_t)s : NULL;
}
/* For lists, whose entries are always written. */
static char *entry(const char *s)
{
    return (char *)(uintptr_t)(s ? s : "");
}
static const char *name_of(const writer *w, value_id v)
{
    return v && w->label[v] ? w->label[v] : "";
}

static char **names_of(const writer *w, const value_id *v, uint32_t n)
{
    char **list = ARENA_ARRAY(w->a, char *, n);
    for (uint32_t i = 0; i < n; i++) list[i] = entry(name_of(w, v[i]));
    return list;
}

/* ---- types and tensors ---- */

Onnx__TensorShapeProto__Dimension *write_dim(const writer *w, dim d)
{
    Onnx__TensorShapeProto__Dimension *p = NEW(w, Onnx__TensorShapeProto__Dimension, tensor_shape_proto__dimension);
    text param = {.mem = w->a};
    if (dim_is_const(w->m->dims, d, &p->dim_value)) {
        p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        return p;
    }
    dim_text(w->m->dims, w->m->types_inferred ? dim_with_names(w, d) : d, &param);
    p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    p->dim_param = entry(param.p);
    return p;
}

Onnx__TensorShapeProto *write_shape(const writer *w, const type *t)
{
    if (t->rank < 0) return NULL;
    Onnx__TensorShapeProto *shape = NEW(w, Onnx__TensorShapeProto, tensor_shape_proto);
    shape->n_dim = (size_t)t->rank;
    shape->dim = ARENA_ARRAY(w->a, Onnx__TensorShapeProto__Dimension *, t->rank);
    for (int32_t i = 0; i < t->rank; i++) shape->dim[i] = write_dim(w, t->shape[i]);
    return shape;
}

Onnx__TypeProto *write_type(const writer *w, const type *t)
{
    Onnx__TypeProto *p = NEW(w, Onnx__TypeProto, type_proto);
    switch (t->kind) {
    case TYPE_UNKNOWN: break;
    case TYPE_TENSOR:
        p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        p->tensor_type = NEW(w, Onnx__TypeProto__Tensor, type_proto__tensor);
        p->tensor_type->has_elem_type = true;
        p->tensor_type->elem_type = (int32_t)t->elem;
        p->tensor_type->shape = write_shape(w, t);
        break;
    case TYPE_SPARSE:
        p->value_case = ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE;
        p->sparse_tensor_type = NEW(w, Onnx__TypeProto__SparseTensor, type_proto__sparse_tensor);
        p->sparse_tensor_type->has_elem_type = true;
        p->sparse_tensor_type->elem_type = (int32_t)t->elem;
        p->sparse_tensor_type->shape = write_shape(w, t);
        break;
    case TYPE_SEQUENCE:
        p->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        p->sequence_type = NEW(w, Onnx__TypeProto__Sequence, type_proto__sequence);
        if (t->of) p->sequence_type->elem_type = write_type(w, t->of);
        break;
    case TYPE_OPTIONAL:
        p->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        p->optional_type = NEW(w, Onnx__TypeProto__Optional, type_proto__optional);
        if (t->of) p->optional_type->elem_type = write_type(w, t->of);
        break;
    case TYPE_MAP:
        p->value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
        p->map_type = NEW(w, Onnx__TypeProto__Map, type_proto__map);
        p->map_type->has_key_type = true;
        p->map_type->key_type = (int32_t)t->elem;
        if (t->of) p->map_type->value_type = write_type(w, t->of);
        break;
    }
    return p;
}

static Onnx__ValueInfoProto *write_info(writer *w, value_id v)
{
    const value *val = value_at(w->m, v);
    Onnx__ValueInfoProto *p = COPY(w, Onnx__ValueInfoProto, value_info_proto, val->source);
    type constant = {.kind = TYPE_TENSOR};
    p->name = entry(name_of(w, v));
    if (val->source && w->m->types_inferred && val->type.kind != TYPE_UNKNOWN) p->type = merge_type(w, p->type, &val->type);
    if (val->source) return p; /* as declared */
    if (val->type.kind != TYPE_UNKNOWN) p->type = write_type(w, &val->type);
    else if (val->data) {
        constant.elem = val->data->type;
        constant.rank = (int32_t)val->data->rank;
        constant.shape = shape_new(w->m, val->data->rank);
        for (uint32_t i = 0; i < val->data->rank; i++) constant.shape[i] = dim_const(w->m->dims, val->data->shape[i]);
        p->type = write_type(w, &constant);
    }
    p->doc_string = borrowed(val->doc);
    return p;
}

static Onnx__TensorProto *write_tensor(writer *w, const tensor *t, const char *name)
{
    Onnx__TensorProto *p = COPY(w, Onnx__TensorProto, tensor_proto, t->sparse ? NULL : t->source);
    p->name = borrowed(name);
    if (t->source && !t->sparse) return p; /* external data stays where it is */
    p->has_data_type = true;
    p->data_type = (int32_t)t->type;
    p->n_dims = t->rank;
    p->dims = t->shape;
    if (t->type != ELEM_STRING) {
        p->has_raw_data = true;
        p->raw_data = (ProtobufCBinaryData){t->bytes, (uint8_t *)(uintptr_t)t->data};
        return p;
    }
    p->n_string_data = (size_t)tensor_count(t);
    p->string_data = ARENA_ARRAY(w->a, ProtobufCBinaryData, p->n_string_data);
    for (size_t i = 0; i < p->n_string_data; i++) p->string_data[i] = (ProtobufCBinaryData){strlen(t->strings[i]), (uint8_t *)(uintptr_t)t->strings[i]};
    return p;
}

/* ---- attributes ---- */

static Onnx__GraphProto *write_graph(writer *w, graph_id g);

static void write_lists(writer *w, const attr *a, Onnx__AttributeProto *p)
{
    if (a->kind == ATTR_FLOATS) {
        p->n_floats = a->n;
        p->floats = (float *)(uintptr_t)a->u.floats;
    } else if (a->kind == ATTR_INTS) {
        p->n_ints = a->n;
        p->ints = (int64_t *)(uintptr_t)a->u.ints;
    } else if (a->kind == ATTR_STRINGS) {
        p->n_strings = a->n;
        p->strings = ARENA_ARRAY(w->a, ProtobufCBinaryData, a->n);
        for (uint32_t i = 0; i < a->n; i++) p->strings[i] = (ProtobufCBinaryData){strlen(a->u.strings[i]), (uint8_t *)(uintptr_t)a->u.strings[i]};
    } else if (a->kind == ATTR_TENSORS) {
        p->n_tensors = a->n;
        p->tensors = ARENA_ARRAY(w->a, Onnx__TensorProto *, a->n);
        for (uint32_t i = 0; i < a->n; i++) p->tensors[i] = write_tensor(w, a->u.tensors[i], a->u.tensors[i]->name);
    } else if (a->kind == ATTR_GRAPHS) {
        p->n_graphs = a->n;
        p->graphs = ARENA_ARRAY(w->a, Onnx__GraphProto *, a->n);
        for (uint32_t i = 0; i < a->n; i++) p->graphs[i] = write_graph(w, a->u.graphs[i]);
    } else {
        p->n_type_protos = a->n;
        p->type_protos = ARENA_ARRAY(w->a, Onnx__TypeProto *, a->n);
        for (uint32_t i = 0; i < a->n; i++) p->type_protos[i] = write_type(w, &a->u.type[i]);
    }
}

static Onnx__AttributeProto *write_attr(writer *w, const attr *a, const char *where)
{
    Onnx__AttributeProto *p = COPY(w, Onnx__AttributeProto, attribute_proto, a->source);
    if (a->source && a->kind != ATTR_GRAPH && a->kind != ATTR_GRAPHS) return p;
    p->name = entry(a->name);
    p->has_type = a->kind != ATTR_NONE;
    p->type = (Onnx__AttributeProto__AttributeType)a->kind;
    p->ref_attr_name = borrowed(a->ref);
    if (a->ref) return p;
    switch (a->kind) {
    case ATTR_FLOAT:
        p->has_f = true;
        p->f = a->u.f;
        break;
    case ATTR_INT:
        p->has_i = true;
        p->i = a->u.i;
        break;
    case ATTR_STRING:
        p->has_s = true;
        p->s = (ProtobufCBinaryData){a->n, (uint8_t *)(uintptr_t)a->u.s};
        break;
    case ATTR_TENSOR: p->t = write_tensor(w, a->u.t, a->u.t->name); break;
    case ATTR_GRAPH: p->g = write_graph(w, a->u.g); break;
    case ATTR_TYPE: p->tp = write_type(w, a->u.type); break;
    case ATTR_SPARSE:
    case ATTR_SPARSES: diag_error(w->d, EXIT_UNSUPPORTED, where, "save-sparse", "the sparse attribute '%s' can't be written", a->name); break;
    default: write_lists(w, a, p); break;
    }
    return p;
}

/* ---- nodes and graphs ---- */

static Onnx__NodeProto *write_node(writer *w, const node *n)
{
    Onnx__NodeProto *p = COPY(w, Onnx__NodeProto, node_proto, n->source);
    if (!n->source) {
        p->name = borrowed(n->name);
        p->op_type = entry(n->op);
        p->domain = borrowed(n->domain);
        p->overload = borrowed(n->overload);
        p->doc_string = borrowed(n->doc);
    }
    if (p->op_type && strcmp(p->op_type, n->op)) p->op_type = entry(n->op); /* its name in another version */
    p->n_input = n->n_in;
    p->input = names_of(w, n->in, n->n_in);
    p->n_output = n->n_out;
    p->output = names_of(w, n->out, n->n_out);
    p->n_attribute = n->n_attr;
    p->attribute = ARENA_ARRAY(w->a, Onnx__AttributeProto *, n->n_attr);
    for (uint32_t i = 0; i < n->n_attr; i++) p->attribute[i] = write_attr(w, &n->attr[i], at_node(w->m, n));
    return p;
}

/* A constant as a node, for the bodies of functions. */
static Onnx__NodeProto *write_constant(writer *w, value_id v)
{
    Onnx__NodeProto *p = NEW(w, Onnx__NodeProto, node_proto);
    Onnx__AttributeProto *a = NEW(w, Onnx__AttributeProto, attribute_proto);
    a->name = entry("value");
    a->has_type = true;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    a->t = write_tensor(w, value_at(w->m, v)->data, NULL);
    p->op_type = entry("Constant");
    p->n_output = 1;
    p->output = names_of(w, &v, 1);
    p->n_attribute = 1;
    p->attribute = ARENA_ARRAY(w->a, Onnx__AttributeProto *, 1);
    p->attribute[0] = a;
    return p;
}

static Onnx__NodeProto **write_nodes(writer *w, const graph *g, const value_id *constants, uint32_t n_constants)
{
    Onnx__NodeProto **list = ARENA_ARRAY(w->a, Onnx__NodeProto *, (size_t)g->nodes.n + n_constants);
    for (uint32_t i = 0; i < n_constants; i++) list[i] = write_constant(w, constants[i]);
    for (uint32_t i = 0; i < g->nodes.n; i++) list[n_constants + i] = write_node(w, node_at(w->m, g->nodes.p[i]));
    return list;
}

static Onnx__ValueInfoProto **write_infos(writer *w, const value_id *v, uint32_t n)
{
    Onnx__ValueInfoProto **list = ARENA_ARRAY(w->a, Onnx__ValueInfoProto *, n);
    for (uint32_t i = 0; i < n; i++) list[i] = write_info(w, v[i]);
    return list;
}

typedef VEC(Onnx__ValueInfoProto *) info_list;

static bool is_listed(const info_list *list, const Onnx__ValueInfoProto *p)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (p->name && list->p[i]->name && !strcmp(list->p[i]->name, p->name)) return true;
    return false;
}

/* The types of what nodes compute, outputs of the graph left out. With a source: those that it declares. */
static void write_inner_types(writer *w, const graph *g, Onnx__GraphProto *p)
{
    info_list list = {0};
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(w->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_out; k++) {
            const value_id v = n->out[k];
            const value *x = value_at(w->m, v);
            if (v && !w->is_output[v] && (x->source || (x->type.kind != TYPE_UNKNOWN && (!w->m->source || w->m->types_inferred)))) VEC_PUSH(w->a, list, write_info(w, v));
        }
    }
    for (size_t i = 0; w->m->types_inferred && i < p->n_value_info; i++)
        if (!is_listed(&list, p->value_info[i])) VEC_PUSH(w->a, list, p->value_info[i]); /* of initializers, or of nothing: they stay */
    p->n_value_info = list.n;
    p->value_info = list.p;
}

/* Before IR version 4 every initializer is the default of a graph input. */
static void list_initializers_as_inputs(writer *w, const graph *g, const value_id *loose, uint32_t n_loose, Onnx__GraphProto *p)
{
    VEC(value_id) list = {0};
    uint8_t *listed = ARENA_ARRAY(w->a, uint8_t, w->m->values.n);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        listed[g->inputs.p[i]] = 1;
        VEC_PUSH(w->a, list, g->inputs.p[i]);
    }
    for (uint32_t i = 0; i < g->initializers.n; i++)
        if (!listed[g->initializers.p[i]]) VEC_PUSH(w->a, list, g->initializers.p[i]);
    for (uint32_t i = 0; i < n_loose; i++) VEC_PUSH(w->a, list, loose[i]);
    p->n_input = list.n;
    p->input = write_infos(w, list.p, list.n);
}

static void write_initializers(writer *w, const graph *g, const value_id *loose, uint32_t n_loose, Onnx__GraphProto *p)
{
    const uint32_t n = g->initializers.n + n_loose;
    p->n_initializer = p->n_sparse_initializer = 0;
    p->initializer = ARENA_ARRAY(w->a, Onnx__TensorProto *, n);
    p->sparse_initializer = ARENA_ARRAY(w->a, Onnx__SparseTensorProto *, n);
    for (uint32_t i = 0; i < n; i++) {
        const value_id v = i < g->initializers.n ? g->initializers.p[i] : loose[i - g->initializers.n];
        const value *x = value_at(w->m, v);
        const tensor *t = x->data ? x->data : x->initial;
        if (t->source && t->sparse && t->name == name_of(w, v)) p->sparse_initializer[p->n_sparse_initializer++] = (Onnx__SparseTensorProto *)(uintptr_t)t->source;
        else p->initializer[p->n_initializer++] = write_tensor(w, t, name_of(w, v));
    }
}

/* Of the file's annotations for quantization, those of values that are still there. */
static void keep_annotations(writer *w, Onnx__GraphProto *p)
{
    Onnx__TensorAnnotation **list = p->quantization_annotation;
    const size_t n = p->n_quantization_annotation;
    if (!n) return;
    p->n_quantization_annotation = 0;
    p->quantization_annotation = ARENA_ARRAY(w->a, Onnx__TensorAnnotation *, n);
    for (size_t i = 0; i < n; i++)
        if (list[i]->tensor_name && scope_find(w->written, intern(w->m->names, list[i]->tensor_name))) p->quantization_annotation[p->n_quantization_annotation++] = list[i];
}

static Onnx__GraphProto *write_graph(writer *w, graph_id id)
{
    const graph *g = graph_at(w->m, id);
    uint32_t n_loose = 0;
    const value_id *loose = id == 1 ? loose_constants(w->m, w->a, id, &n_loose) : NULL;
    Onnx__GraphProto *p = COPY(w, Onnx__GraphProto, graph_proto, g->source);
    if (!g->source) {
        p->name = entry(*g->name ? g->name : "graph"); /* the standard wants one */
        p->doc_string = borrowed(g->doc);
    }
    p->n_input = g->inputs.n;
    p->input = write_infos(w, g->inputs.p, g->inputs.n);
    p->n_output = g->outputs.n;
    p->output = write_infos(w, g->outputs.p, g->outputs.n);
    write_initializers(w, g, loose, n_loose, p);
    if (w->m->ir_version < 4) list_initializers_as_inputs(w, g, loose, n_loose, p);
    p->n_node = g->nodes.n;
    p->node = write_nodes(w, g, NULL, 0);
    write_inner_types(w, g, p);
    keep_annotations(w, p);
    return p;
}

/* ---- functions and the model ---- */

static Onnx__OperatorSetIdProto **write_opsets(writer *w, const opset *o, uint32_t n)
{
    Onnx__OperatorSetIdProto **list = ARENA_ARRAY(w->a, Onnx__OperatorSetIdProto *, n);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = NEW(w, Onnx__OperatorSetIdProto, operator_set_id_proto);
        list[i]->domain = entry(o[i].domain);
        list[i]->has_version = true;
        list[i]->version = o[i].version;
    }
    return list;
}

/* The file's, then those that were added. */
static void write_imports(writer *w, Onnx__ModelProto *p)
{
    const Onnx__ModelProto *source = w->m->source;
    const size_t kept = source ? source->n_opset_import : 0;
    p->n_opset_import = w->m->opsets.n;
    p->opset_import = write_opsets(w, w->m->opsets.p, w->m->opsets.n);
    for (size_t i = 0; i < kept; i++)
        if (source->opset_import[i]->version == w->m->opsets.p[i].version) p->opset_import[i] = source->opset_import[i];
}

static void write_function_head(writer *w, const function *f, Onnx__FunctionProto *p)
{
    const graph *g = graph_at(w->m, f->body);
    p->name = entry(f->name);
    p->domain = borrowed(f->domain);
    p->overload = borrowed(f->overload);
    p->doc_string = borrowed(f->doc);
    p->n_input = g->inputs.n;
    p->input = names_of(w, g->inputs.p, g->inputs.n);
    p->n_output = g->outputs.n;
    p->output = names_of(w, g->outputs.p, g->outputs.n);
    p->attribute = ARENA_ARRAY(w->a, char *, f->n_attr);
    p->attribute_proto = ARENA_ARRAY(w->a, Onnx__AttributeProto *, f->n_attr);
    for (uint32_t i = 0; i < f->n_attr; i++) {
        if (f->attr[i].kind == ATTR_NONE) p->attribute[p->n_attribute++] = entry(f->attr[i].name);
        else p->attribute_proto[p->n_attribute_proto++] = write_attr(w, &f->attr[i], f->name);
    }
}

static Onnx__FunctionProto *write_function(writer *w, const function *f)
{
    if (f->source && !f->changed) return (Onnx__FunctionProto *)(uintptr_t)f->source;
    uint32_t n_constants;
    const value_id *constants = loose_constants(w->m, w->a, f->body, &n_constants);
    Onnx__FunctionProto *p = COPY(w, Onnx__FunctionProto, function_proto, f->source);
    if (!f->source) write_function_head(w, f, p);
    p->n_opset_import = f->opsets.n;
    p->opset_import = write_opsets(w, f->opsets.p, f->opsets.n);
    p->n_node = (size_t)graph_at(w->m, f->body)->nodes.n + n_constants;
    p->node = write_nodes(w, graph_at(w->m, f->body), constants, n_constants);
    return p;
}

static void write_head(writer *w, Onnx__ModelProto *p)
{
    model *m = w->m;
    p->has_ir_version = true;
    p->ir_version = m->ir_version;
    p->producer_name = borrowed(m->producer);
    p->producer_version = borrowed(m->producer_version);
    p->domain = borrowed(m->domain);
    p->doc_string = borrowed(m->doc);
    p->has_model_version = m->model_version != 0;
    p->model_version = m->model_version;
    p->n_metadata_props = m->metadata.n;
    p->metadata_props = ARENA_ARRAY(w->a, Onnx__StringStringEntryProto *, m->metadata.n);
    for (uint32_t i = 0; i < m->metadata.n; i++) {
        p->metadata_props[i] = NEW(w, Onnx__StringStringEntryProto, string_string_entry_proto);
        p->metadata_props[i]->key = entry(m->metadata.p[i].key);
        p->metadata_props[i]->value = entry(m->metadata.p[i].value);
    }
}

static Onnx__ModelProto *write_model(writer *w)
{
    model *m = w->m;
    Onnx__ModelProto *p = COPY(w, Onnx__ModelProto, model_proto, m->source);
    if (!m->source) write_head(w, p);
    if (p->ir_version < m->ir_version) p->ir_version = m->ir_version; /* the model was raised */
    p->n_training_info = 0; /* the loader has warned */
    p->graph = write_graph(w, 1);
    write_imports(w, p);
    p->n_functions = m->functions.n;
    p->functions = ARENA_ARRAY(w->a, Onnx__FunctionProto *, m->functions.n);
    for (uint32_t i = 0; i < m->functions.n; i++) p->functions[i] = write_function(w, &m->functions.p[i]);
    return p;
}

/* ---- bytes ---- */

typedef struct {
    ProtobufCBuffer base;
    text *out;
} text_buffer;

static void append(ProtobufCBuffer *self, size_t n, const uint8_t *data)
{
    text_addn(((text_buffer *)self)->out, (const char *)data, n);
}

bool proto_encode(diag *d, const ProtobufCMessage *p, text *out)
{
    const size_t n = protobuf_c_message_get_packed_size(p);
    if (n > INT32_MAX) return diag_error(d, EXIT_LIMIT, "", "file-size", "the model takes %zu bytes; a protobuf file can't be larger than 2 GiB", n);
    text_buffer buffer = {{append}, out};
    const size_t before = out->n;
    protobuf_c_message_pack_to_buffer(p, &buffer.base);
    prescan_result scan;
    return prescan(d, (const unsigned char *)(out->p ? out->p : "") + before, out->n - before, p->descriptor, &(prescan_limits){.memory = UINT64_MAX}, &scan);
}

bool model_encode(model *m, diag *d, text *out)
{
    const uint32_t errors = d->errors;
    writer w = {m, d, out->mem, value_labels(m, out->mem), ARENA_ARRAY(out->mem, uint8_t, m->values.n), scope_new(out->mem)};
    scope_enter(w.written);
    for (value_id v = 1; v < m->values.n; v++)
        if (w.label[v]) scope_define(w.written, w.label[v], v);
    for (uint32_t i = 1; i < m->graphs.n; i++)
        for (uint32_t k = 0; k < graph_at(m, i)->outputs.n; k++) w.is_output[graph_at(m, i)->outputs.p[k]] = 1;
    const Onnx__ModelProto *p = write_model(&w);
    if (d->errors > errors) return false;
    return proto_encode(d, &p->base, out);
}

bool model_save(model *m, diag *d, const char *path)
{
    arena *a = arena_new();
    text out = {.mem = a};
    const char *why = NULL;
    bool ok = model_encode(m, d, &out);
    if (ok && !file_write(path, out.p, out.n, &why)) ok = diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    arena_free(a);
    return ok;
}
