/* parse.c - a recursive descent parser of the onnx package's text form into the protobuf form; see parse.h.
 *
 * Grammar: docs/Syntax.md of the onnx package. Wider than that: lists of tensors, graphs and types as attribute values, floats written as
 * numbers for 16-bit and smaller float types (integers are bit patterns there, as in the standard), sub-byte integers one by one. Everything is allocated in the arena;
 * a function that returns false or NULL has reported. */
#include "proto/parse.h"

#include <string.h>

#include "proto/lex.h"
#include "proto/prescan.h"
#include "proto/proto.h"

enum { MAX_NESTING = 32 }; /* of graphs, and of types */

typedef struct {
    lexer l;
    arena *mem;
    uint32_t depth;
    text_places *places;
} parser;

typedef VEC(Onnx__ValueInfoProto *) info_list;
typedef VEC(Onnx__TensorProto *) tensor_list;
typedef VEC(Onnx__AttributeProto *) attr_list;
typedef VEC(char *) name_list;

/* A new message of the protobuf form. */
#define NEW(ps, T, lower) ((T *)message_new((ps)->mem, sizeof(T), &onnx__##lower##__descriptor))
static void *message_new(arena *a, size_t bytes, const ProtobufCMessageDescriptor *kind)
{
    ProtobufCMessage *m = arena_alloc(a, bytes);
    protobuf_c_message_init(kind, m);
    return m;
}

#define SET_LIST(message, field, list)       \
    do {                                     \
        (message)->n_##field = (list).n;     \
        (message)->field = (list).p;         \
    } while (0)

/* Notes that the message is what starts here. */
static void note_place(parser *ps, const void *message)
{
    text_places *t = ps->places;
    text_place here;
    lex_place(&ps->l, &here.line, &here.column);
    VEC_PUSH(ps->mem, t->list, here);
    scope_define(t->by_message, message, t->list.n);
}

static bool deeper(parser *ps)
{
    return ++ps->depth <= MAX_NESTING || lex_fail(&ps->l, "nested more than %d deep", MAX_NESTING);
}

/* ---- types ---- */

static bool is_type_word(const char *w)
{
    static const char *const COMPOSED[] = {"seq", "map", "optional", "sparse_tensor", "opaque"};
    if (!w) return false;
    for (size_t i = 0; i < sizeof COMPOSED / sizeof *COMPOSED; i++)
        if (!strcmp(w, COMPOSED[i])) return true;
    return elem_named(w) != ELEM_NONE;
}

static bool at_type(parser *ps)
{
    return is_type_word(lex_peek_word(&ps->l));
}

static bool parse_dim(parser *ps, Onnx__TensorShapeProto__Dimension *d)
{
    if (lex_take(&ps->l, '?')) return true;
    if (lex_at_name(&ps->l)) {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        d->dim_param = lex_name(&ps->l, "a dimension");
        return d->dim_param != NULL;
    }
    d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    return lex_int(&ps->l, INT64_MIN, INT64_MAX, &d->dim_value);
}

/* What follows an element type: nothing (a scalar), [] (any rank) or [dims]. *out: NULL for any rank. */
static bool parse_shape(parser *ps, Onnx__TensorShapeProto **out)
{
    VEC(Onnx__TensorShapeProto__Dimension *) list = {0};
    *out = NULL;
    if (lex_take(&ps->l, '[')) {
        if (lex_take(&ps->l, ']')) return true;
        do {
            Onnx__TensorShapeProto__Dimension *d = NEW(ps, Onnx__TensorShapeProto__Dimension, tensor_shape_proto__dimension);
            if (!parse_dim(ps, d)) return false;
            VEC_PUSH(ps->mem, list, d);
        } while (lex_take(&ps->l, ','));
        if (!lex_want(&ps->l, ']')) return false;
    }
    *out = NEW(ps, Onnx__TensorShapeProto, tensor_shape_proto);
    SET_LIST(*out, dim, list);
    return true;
}

static Onnx__TypeProto *parse_type(parser *ps);

static bool parse_elem(parser *ps, int32_t *out)
{
    const char *w = lex_word(&ps->l, "an element type");
    if (!w) return false;
    *out = (int32_t)elem_named(w);
    return *out || lex_fail(&ps->l, "'%s' is no element type", w);
}

static bool parse_tensor_type(parser *ps, const char *word, Onnx__TypeProto *t)
{
    t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->tensor_type = NEW(ps, Onnx__TypeProto__Tensor, type_proto__tensor);
    t->tensor_type->has_elem_type = true;
    t->tensor_type->elem_type = (int32_t)elem_named(word);
    if (!t->tensor_type->elem_type) return lex_fail(&ps->l, "'%s' is no type", word);
    return parse_shape(ps, &t->tensor_type->shape);
}

/* (), (name) or (domain, name), both of words with dots between */
static bool parse_opaque(parser *ps, Onnx__TypeProto__Opaque *t)
{
    for (bool more = lex_peek(&ps->l) != ')'; more;) {
        text name = {.mem = ps->mem};
        do {
            const char *w = lex_word(&ps->l, "a name");
            if (!w) return false;
            text_addf(&name, "%s%s", name.n ? "." : "", w);
        } while (lex_take(&ps->l, '.'));
        if (t->domain) return lex_fail(&ps->l, "an opaque type has a domain and a name only");
        t->domain = t->name;
        t->name = name.p;
        more = lex_take(&ps->l, ',');
    }
    return true;
}

/* The inside of the brackets of a composed type. */
static bool parse_composed(parser *ps, const char *word, Onnx__TypeProto *t)
{
    if (!strcmp(word, "seq")) {
        t->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        t->sequence_type = NEW(ps, Onnx__TypeProto__Sequence, type_proto__sequence);
        return (t->sequence_type->elem_type = parse_type(ps)) != NULL;
    }
    if (!strcmp(word, "optional")) {
        t->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        t->optional_type = NEW(ps, Onnx__TypeProto__Optional, type_proto__optional);
        return (t->optional_type->elem_type = parse_type(ps)) != NULL;
    }
    if (!strcmp(word, "map")) {
        t->value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
        t->map_type = NEW(ps, Onnx__TypeProto__Map, type_proto__map);
        t->map_type->has_key_type = true;
        return parse_elem(ps, &t->map_type->key_type) && lex_want(&ps->l, ',') && (t->map_type->value_type = parse_type(ps)) != NULL;
    }
    if (!strcmp(word, "opaque")) {
        t->value_case = ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE;
        t->opaque_type = NEW(ps, Onnx__TypeProto__Opaque, type_proto__opaque);
        return parse_opaque(ps, t->opaque_type);
    }
    t->value_case = ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE;
    t->sparse_tensor_type = NEW(ps, Onnx__TypeProto__SparseTensor, type_proto__sparse_tensor);
    t->sparse_tensor_type->has_elem_type = true;
    return parse_elem(ps, &t->sparse_tensor_type->elem_type) && parse_shape(ps, &t->sparse_tensor_type->shape);
}

static Onnx__TypeProto *parse_type(parser *ps)
{
    const char *w = lex_word(&ps->l, "a type");
    if (!w || !deeper(ps)) return NULL;
    Onnx__TypeProto *t = NEW(ps, Onnx__TypeProto, type_proto);
    bool ok;
    if (elem_named(w) || !is_type_word(w)) ok = parse_tensor_type(ps, w, t);
    else ok = lex_want(&ps->l, '(') && parse_composed(ps, w, t) && lex_want(&ps->l, ')');
    ps->depth--;
    return ok ? t : NULL;
}

/* ---- tensors ---- */

/* The range that a number in int32_data may have. */
static void int_range(elem e, int64_t *lo, int64_t *hi)
{
    const int bits = elem_of(e)->bits;
    const bool is_signed = elem_of(e)->kind == 'i';
    *lo = is_signed ? -((int64_t)1 << (bits - 1)) : 0;
    *hi = is_signed ? ((int64_t)1 << (bits - 1)) - 1 : ((int64_t)1 << bits) - 1;
    if (bits < 8) *hi = 255; /* a whole byte of packed ones, too */
    if (elem_of(e)->kind == 'b') *hi = 1;
}

static bool parse_small(parser *ps, elem e, int32_t *out)
{
    lex_number x;
    int64_t lo, hi, v;
    if (!lex_literal(&ps->l, &x)) return false;
    if (elem_of(e)->kind == 'f' && !x.is_int) {
        unsigned char bits[8] = {0};
        elem_set_double(e, bits, 0, lex_to_double(&x));
        *out = bits[0] | bits[1] << 8;
        return true;
    }
    int_range(e, &lo, &hi);
    if (!lex_to_int(&ps->l, &x, lo, hi, &v)) return false;
    *out = (int32_t)v;
    return true;
}

/* Sub-byte elements given one by one are packed, as int32_data wants them. */
static void pack(Onnx__TensorProto *t, elem e)
{
    const size_t per = 8 / (size_t)elem_of(e)->bits;
    int64_t n = 1;
    for (size_t i = 0; i < t->n_dims; i++) n = t->dims[i] < 0 ? 0 : sat_mul(n, t->dims[i]);
    if ((size_t)n != t->n_int32_data || n < 2) return;
    const size_t packed = (t->n_int32_data + per - 1) / per;
    for (size_t i = 0; i < packed; i++) {
        unsigned v = 0;
        for (size_t k = 0; k < per && i * per + k < (size_t)n; k++)
            v |= ((unsigned)t->int32_data[i * per + k] & ((1u << elem_of(e)->bits) - 1)) << (k * (size_t)elem_of(e)->bits);
        t->int32_data[i] = (int32_t)v;
    }
    t->n_int32_data = packed;
}

#define PARSE_VALUES(field, ctype, parse)                              \
    do {                                                               \
        VEC(ctype) list = {0};                                         \
        do {                                                           \
            ctype v;                                                   \
            lex_number x;                                              \
            (void)x;                                                   \
            if (!(parse)) return false;                                \
            VEC_PUSH(ps->mem, list, v);                                \
        } while (lex_take(l, ','));                                    \
        SET_LIST(t, field, list);                                      \
    } while (0)

static bool read_string(parser *ps, ProtobufCBinaryData *out)
{
    lex_text s;
    if (!lex_string(&ps->l, &s)) return false;
    *out = (ProtobufCBinaryData){s.n, (uint8_t *)s.s};
    return true;
}

/* The values between braces, into the typed field that the standard gives to the element type. */
static bool parse_values(parser *ps, Onnx__TensorProto *t)
{
    lexer *l = &ps->l;
    const elem e = (elem)t->data_type;
    switch (e) {
    case ELEM_FLOAT:
    case ELEM_COMPLEX64: PARSE_VALUES(float_data, float, lex_literal(l, &x) && (v = lex_to_float(&x), true)); break;
    case ELEM_DOUBLE:
    case ELEM_COMPLEX128: PARSE_VALUES(double_data, double, lex_literal(l, &x) && (v = lex_to_double(&x), true)); break;
    case ELEM_INT64: PARSE_VALUES(int64_data, int64_t, lex_int(l, INT64_MIN, INT64_MAX, &v)); break;
    case ELEM_UINT32: PARSE_VALUES(uint64_data, uint64_t, lex_literal(l, &x) && lex_to_uint(l, &x, UINT32_MAX, &v)); break;
    case ELEM_UINT64: PARSE_VALUES(uint64_data, uint64_t, lex_literal(l, &x) && lex_to_uint(l, &x, UINT64_MAX, &v)); break;
    case ELEM_STRING: PARSE_VALUES(string_data, ProtobufCBinaryData, read_string(ps, &v)); break;
    default: PARSE_VALUES(int32_data, int32_t, parse_small(ps, e, &v)); break;
    }
    if (elem_of(e)->bits < 8 && 8 % elem_of(e)->bits == 0) pack(t, e);
    return true;
}

/* ["key": "value", ...] without the brackets */
static bool parse_pairs(parser *ps, size_t *n, Onnx__StringStringEntryProto ***out)
{
    VEC(Onnx__StringStringEntryProto *) list = {0};
    do {
        lex_text key, v;
        if (!lex_string(&ps->l, &key) || !lex_want(&ps->l, ':') || !lex_string(&ps->l, &v)) return false;
        Onnx__StringStringEntryProto *e = NEW(ps, Onnx__StringStringEntryProto, string_string_entry_proto);
        e->key = key.s;
        e->value = v.s;
        VEC_PUSH(ps->mem, list, e);
    } while (lex_take(&ps->l, ','));
    *n = list.n;
    *out = list.p;
    return true;
}

/* The data of a tensor whose type has been read: {values} or [place of external data]. */
static Onnx__TensorProto *parse_tensor(parser *ps, const Onnx__TypeProto *tp, char *name)
{
    if (!tp || tp->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !tp->tensor_type->shape) {
        lex_fail(&ps->l, "a constant needs a tensor type with a shape");
        return NULL;
    }
    Onnx__TensorProto *t = NEW(ps, Onnx__TensorProto, tensor_proto);
    const Onnx__TensorShapeProto *shape = tp->tensor_type->shape;
    t->name = name;
    t->has_data_type = true;
    t->data_type = tp->tensor_type->elem_type;
    t->n_dims = shape->n_dim;
    t->dims = ARENA_ARRAY(ps->mem, int64_t, shape->n_dim);
    for (size_t i = 0; i < shape->n_dim; i++) {
        if (shape->dim[i]->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
            lex_fail(&ps->l, "a constant needs a shape of numbers");
            return NULL;
        }
        t->dims[i] = shape->dim[i]->dim_value;
    }
    bool ok;
    if (lex_take(&ps->l, '[')) {
        t->has_data_location = true;
        t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
        ok = parse_pairs(ps, &t->n_external_data, &t->external_data) && lex_want(&ps->l, ']');
    } else ok = lex_want(&ps->l, '{') && (lex_take(&ps->l, '}') || (parse_values(ps, t) && lex_want(&ps->l, '}')));
    return ok ? t : NULL;
}

/* ---- attributes ---- */

static Onnx__GraphProto *parse_graph(parser *ps);

static bool parse_type_or_tensor(parser *ps, Onnx__AttributeProto *a, attr_kind expected)
{
    Onnx__TypeProto *tp = parse_type(ps);
    if (!tp) return false;
    const char c = lex_peek(&ps->l);
    const bool is_tensor = expected == ATTR_TENSOR || (expected != ATTR_TYPE && (c == '{' || c == '=' || c == '[' || lex_at_name(&ps->l)));
    a->has_type = true;
    if (!is_tensor) {
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO;
        a->tp = tp;
        return true;
    }
    char *name = lex_at_name(&ps->l) ? lex_name(&ps->l, "a name") : NULL;
    lex_take(&ps->l, '=');
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    a->t = parse_tensor(ps, tp, name);
    return a->t != NULL;
}

static bool parse_number_attr(parser *ps, Onnx__AttributeProto *a, attr_kind expected)
{
    lex_number x;
    if (!lex_literal(&ps->l, &x)) return false;
    a->has_type = true;
    if (expected == ATTR_FLOAT || !x.is_int) {
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        a->has_f = true;
        a->f = lex_to_float(&x);
        return true;
    }
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    a->has_i = true;
    return lex_to_int(&ps->l, &x, INT64_MIN, INT64_MAX, &a->i);
}

/* One value that is no list, into the field of its kind. */
static bool parse_single(parser *ps, Onnx__AttributeProto *a, attr_kind expected)
{
    if (lex_take(&ps->l, '@')) {
        a->ref_attr_name = lex_name(&ps->l, "the name of an attribute");
        a->has_type = true;
        a->type = (Onnx__AttributeProto__AttributeType)expected;
        return a->ref_attr_name != NULL;
    }
    bool ok;
    if (expected == ATTR_GRAPH || (lex_peek_word(&ps->l) && !at_type(ps) && !lex_at_number(&ps->l))) {
        a->has_type = true;
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
        ok = (a->g = parse_graph(ps)) != NULL;
    } else if (lex_peek(&ps->l) == '"') {
        a->has_type = a->has_s = true;
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        ok = read_string(ps, &a->s);
    } else ok = lex_at_number(&ps->l) ? parse_number_attr(ps, a, expected) : parse_type_or_tensor(ps, a, expected);
    if (!ok || expected == ATTR_NONE || (attr_kind)a->type == expected) return ok;
    return lex_fail(&ps->l, "the value of attribute '%s' is not of the kind that is said", a->name);
}

static const struct {
    const char *name;
    attr_kind kind, single; /* single: of the elements of a list, ATTR_NONE for what is no list */
} ATTR_KINDS[] = {
    {"float", ATTR_FLOAT, ATTR_NONE},         {"int", ATTR_INT, ATTR_NONE},
    {"string", ATTR_STRING, ATTR_NONE},       {"tensor", ATTR_TENSOR, ATTR_NONE},
    {"graph", ATTR_GRAPH, ATTR_NONE},         {"floats", ATTR_FLOATS, ATTR_FLOAT},
    {"ints", ATTR_INTS, ATTR_INT},            {"strings", ATTR_STRINGS, ATTR_STRING},
    {"tensors", ATTR_TENSORS, ATTR_TENSOR},   {"graphs", ATTR_GRAPHS, ATTR_GRAPH},
    {"sparse_tensor", ATTR_SPARSE, ATTR_NONE}, {"sparse_tensors", ATTR_SPARSES, ATTR_SPARSE},
    {"type_proto", ATTR_TYPE, ATTR_NONE},     {"type_protos", ATTR_TYPES, ATTR_TYPE},
};
enum { N_ATTR_KINDS = sizeof ATTR_KINDS / sizeof *ATTR_KINDS };

static attr_kind single_of(attr_kind list)
{
    for (size_t i = 0; i < N_ATTR_KINDS; i++)
        if (ATTR_KINDS[i].kind == list) return ATTR_KINDS[i].single;
    return ATTR_NONE;
}

static attr_kind list_of(attr_kind single)
{
    for (size_t i = 0; i < N_ATTR_KINDS; i++)
        if (single && ATTR_KINDS[i].single == single) return ATTR_KINDS[i].kind;
    return ATTR_NONE;
}

/* The elements of a list attribute, all of the kind of the first unless one was said. */
static bool parse_list(parser *ps, Onnx__AttributeProto *a)
{
    VEC(float) floats = {0};
    VEC(int64_t) ints = {0};
    VEC(ProtobufCBinaryData) strings = {0};
    tensor_list tensors = {0};
    VEC(Onnx__GraphProto *) graphs = {0};
    VEC(Onnx__TypeProto *) types = {0};
    attr_kind single = single_of((attr_kind)a->type);
    if (a->type && !single) return lex_fail(&ps->l, "attribute '%s' is no list", a->name);
    if (lex_peek(&ps->l) == ']' && !a->type) return lex_fail(&ps->l, "an empty list needs the attribute's kind, such as '%s: ints = []'", a->name);
    for (bool more = lex_peek(&ps->l) != ']'; more; more = lex_take(&ps->l, ',')) {
        Onnx__AttributeProto *e = NEW(ps, Onnx__AttributeProto, attribute_proto);
        e->name = a->name;
        if (!parse_single(ps, e, single)) return false;
        if (e->ref_attr_name) return lex_fail(&ps->l, "a reference can't be in a list");
        single = (attr_kind)e->type;
        if (single == ATTR_FLOAT) VEC_PUSH(ps->mem, floats, e->f);
        else if (single == ATTR_INT) VEC_PUSH(ps->mem, ints, e->i);
        else if (single == ATTR_STRING) VEC_PUSH(ps->mem, strings, e->s);
        else if (single == ATTR_TENSOR) VEC_PUSH(ps->mem, tensors, e->t);
        else if (single == ATTR_GRAPH) VEC_PUSH(ps->mem, graphs, e->g);
        else VEC_PUSH(ps->mem, types, e->tp);
    }
    a->has_type = true;
    a->type = (Onnx__AttributeProto__AttributeType)list_of(single);
    SET_LIST(a, floats, floats);
    SET_LIST(a, ints, ints);
    SET_LIST(a, strings, strings);
    SET_LIST(a, tensors, tensors);
    SET_LIST(a, graphs, graphs);
    SET_LIST(a, type_protos, types);
    return lex_want(&ps->l, ']');
}

/* [: kind] = value, after the name */
static Onnx__AttributeProto *parse_attr(parser *ps, char *name)
{
    if (!name) return NULL;
    Onnx__AttributeProto *a = NEW(ps, Onnx__AttributeProto, attribute_proto);
    a->name = name;
    if (lex_take(&ps->l, ':')) {
        const char *w = lex_word(&ps->l, "the kind of an attribute");
        if (!w) return NULL;
        for (size_t i = 0; i < N_ATTR_KINDS; i++)
            if (!strcmp(w, ATTR_KINDS[i].name)) a->type = (Onnx__AttributeProto__AttributeType)ATTR_KINDS[i].kind;
        if (!a->type) {
            lex_fail(&ps->l, "'%s' is no kind of attribute", w);
            return NULL;
        }
    }
    if (!lex_want(&ps->l, '=')) return NULL;
    const bool ok = lex_take(&ps->l, '[') ? parse_list(ps, a) : parse_single(ps, a, (attr_kind)a->type);
    return ok ? a : NULL;
}

static bool parse_attrs(parser *ps, Onnx__NodeProto *n)
{
    attr_list list = {0};
    if (n->n_attribute || !lex_take(&ps->l, '<')) return true;
    do {
        Onnx__AttributeProto *a = parse_attr(ps, lex_name(&ps->l, "an attribute"));
        if (!a) return false;
        VEC_PUSH(ps->mem, list, a);
    } while (lex_take(&ps->l, ','));
    SET_LIST(n, attribute, list);
    return lex_want(&ps->l, '>');
}

/* ---- nodes ---- */

/* Names between commas; nothing or "" stands for one that is left out. A comma at the end adds nothing. */
static bool parse_names(parser *ps, char close, size_t *n, char ***out)
{
    name_list list = {0};
    while (lex_peek(&ps->l) != close) {
        char *name = lex_peek(&ps->l) == ',' ? arena_strndup(ps->mem, "", 0) : lex_name(&ps->l, "a name");
        if (!name) return false;
        VEC_PUSH(ps->mem, list, name);
        if (!lex_take(&ps->l, ',')) break;
    }
    *n = list.n;
    *out = list.p;
    return true;
}

/* domain.of.several.words.Op[:overload] */
static bool parse_op(parser *ps, Onnx__NodeProto *n)
{
    text domain = {.mem = ps->mem};
    n->op_type = lex_peek(&ps->l) == '.' ? "" : lex_name(&ps->l, "an operator");
    while (n->op_type && lex_take(&ps->l, '.')) {
        text_addf(&domain, "%s%s", domain.n ? "." : "", n->op_type);
        n->op_type = lex_name(&ps->l, "an operator");
    }
    n->domain = domain.p;
    if (n->op_type && lex_take(&ps->l, ':')) {
        n->overload = lex_name(&ps->l, "an overload");
        return n->overload != NULL;
    }
    return n->op_type != NULL;
}

static Onnx__NodeProto *parse_node(parser *ps)
{
    Onnx__NodeProto *n = NEW(ps, Onnx__NodeProto, node_proto);
    lexer *l = &ps->l;
    note_place(ps, n);
    if (lex_take(l, '[')) {
        n->name = lex_at_name(l) ? lex_name(l, "a name") : NULL;
        if (!lex_want(l, ']')) return NULL;
    }
    const bool ok = parse_names(ps, '=', &n->n_output, &n->output) && lex_want(l, '=') && parse_op(ps, n) && parse_attrs(ps, n) && lex_want(l, '(') &&
                    parse_names(ps, ')', &n->n_input, &n->input) && lex_want(l, ')') && parse_attrs(ps, n);
    return ok ? n : NULL;
}

static bool parse_nodes(parser *ps, size_t *n, Onnx__NodeProto ***out)
{
    VEC(Onnx__NodeProto *) list = {0};
    if (!lex_want(&ps->l, '{')) return false;
    while (!lex_take(&ps->l, '}')) {
        Onnx__NodeProto *node_ = parse_node(ps);
        if (!node_) return false;
        VEC_PUSH(ps->mem, list, node_);
    }
    *n = list.n;
    *out = list.p;
    return true;
}

/* ---- graphs ---- */

/* [type] name [= constant]; constants go to `constants` (NULL: not allowed here). *constant: there was one. */
static Onnx__ValueInfoProto *parse_info(parser *ps, tensor_list *constants, bool *constant)
{
    Onnx__ValueInfoProto *v = NEW(ps, Onnx__ValueInfoProto, value_info_proto);
    *constant = false;
    note_place(ps, v);
    if (at_type(ps) && !(v->type = parse_type(ps))) return NULL;
    v->name = lex_name(&ps->l, "a value");
    if (!v->name) return NULL;
    if (constants && lex_take(&ps->l, '=')) {
        Onnx__TensorProto *t = parse_tensor(ps, v->type, v->name);
        if (!t) return NULL;
        scope_define(ps->places->by_message, (const char *)t, scope_find(ps->places->by_message, (const char *)v));
        VEC_PUSH(ps->mem, *constants, t);
        *constant = true;
    }
    return v;
}

/* A list of values between `open` and `close`. Constants are in `infos` as well when `both`. */
static bool parse_infos(parser *ps, char open, char close, info_list *infos, tensor_list *constants, bool both)
{
    if (!lex_want(&ps->l, open)) return false;
    if (lex_take(&ps->l, close)) return true;
    do {
        bool constant;
        Onnx__ValueInfoProto *v = parse_info(ps, constants, &constant);
        if (!v) return false;
        if (both || !constant) VEC_PUSH(ps->mem, *infos, v);
    } while (lex_take(&ps->l, ','));
    return lex_want(&ps->l, close);
}

static Onnx__GraphProto *parse_graph(parser *ps)
{
    if (!deeper(ps)) return NULL;
    Onnx__GraphProto *g = NEW(ps, Onnx__GraphProto, graph_proto);
    info_list in = {0}, out = {0}, infos = {0};
    tensor_list constants = {0};
    g->name = lex_name(&ps->l, "a graph");
    bool ok = g->name && parse_infos(ps, '(', ')', &in, &constants, true) && lex_want_arrow(&ps->l) && parse_infos(ps, '(', ')', &out, NULL, true);
    if (ok && lex_peek(&ps->l) == '<') ok = parse_infos(ps, '<', '>', &infos, &constants, false);
    ok = ok && parse_nodes(ps, &g->n_node, &g->node);
    SET_LIST(g, input, in);
    SET_LIST(g, output, out);
    SET_LIST(g, value_info, infos);
    SET_LIST(g, initializer, constants);
    ps->depth--;
    return ok ? g : NULL;
}

/* ---- the model ---- */

static bool parse_opsets(parser *ps, size_t *n, Onnx__OperatorSetIdProto ***out)
{
    VEC(Onnx__OperatorSetIdProto *) list = {0};
    if (!lex_want(&ps->l, '[')) return false;
    for (bool more = lex_peek(&ps->l) != ']'; more; more = lex_take(&ps->l, ',')) {
        Onnx__OperatorSetIdProto *o = NEW(ps, Onnx__OperatorSetIdProto, operator_set_id_proto);
        lex_text domain;
        if (!lex_string(&ps->l, &domain) || !lex_want(&ps->l, ':') || !lex_int(&ps->l, INT64_MIN, INT64_MAX, &o->version)) return false;
        o->domain = domain.s;
        o->has_version = true;
        VEC_PUSH(ps->mem, list, o);
    }
    *n = list.n;
    *out = list.p;
    return lex_want(&ps->l, ']');
}

/* A keyword and its colon. NULL after reporting. */
static const char *parse_key(parser *ps)
{
    const char *w = lex_word(&ps->l, "a keyword");
    return w && lex_want(&ps->l, ':') ? w : NULL;
}

static bool parse_text_of(parser *ps, char **out)
{
    lex_text s;
    if (!lex_string(&ps->l, &s)) return false;
    *out = s.s;
    return true;
}

static bool parse_model_entry(parser *ps, Onnx__ModelProto *m)
{
    lexer *l = &ps->l;
    const char *key = parse_key(ps);
    if (!key) return false;
    if (!strcmp(key, "ir_version")) return m->has_ir_version = true, lex_int(l, INT64_MIN, INT64_MAX, &m->ir_version);
    if (!strcmp(key, "model_version")) return m->has_model_version = true, lex_int(l, INT64_MIN, INT64_MAX, &m->model_version);
    if (!strcmp(key, "opset_import")) return parse_opsets(ps, &m->n_opset_import, &m->opset_import);
    if (!strcmp(key, "producer_name")) return parse_text_of(ps, &m->producer_name);
    if (!strcmp(key, "producer_version")) return parse_text_of(ps, &m->producer_version);
    if (!strcmp(key, "domain")) return parse_text_of(ps, &m->domain);
    if (!strcmp(key, "doc_string")) return parse_text_of(ps, &m->doc_string);
    if (strcmp(key, "metadata_props")) return lex_fail(l, "'%s' is no keyword of a model", key);
    if (!lex_want(l, '[')) return false;
    return lex_take(l, ']') || (parse_pairs(ps, &m->n_metadata_props, &m->metadata_props) && lex_want(l, ']'));
}

static bool parse_function_entry(parser *ps, Onnx__FunctionProto *f)
{
    const char *key = parse_key(ps);
    if (!key) return false;
    if (!strcmp(key, "opset_import")) return parse_opsets(ps, &f->n_opset_import, &f->opset_import);
    if (!strcmp(key, "domain")) return parse_text_of(ps, &f->domain);
    if (!strcmp(key, "overload")) return parse_text_of(ps, &f->overload);
    if (!strcmp(key, "doc_string")) return parse_text_of(ps, &f->doc_string);
    return lex_fail(&ps->l, "'%s' is no keyword of a function", key);
}

/* <a, b: int = 3>: attributes without and with a default */
static bool parse_function_attrs(parser *ps, Onnx__FunctionProto *f)
{
    name_list names_ = {0};
    attr_list defaults = {0};
    if (!lex_take(&ps->l, '<')) return true;
    do {
        char *name = lex_name(&ps->l, "an attribute");
        if (!name) return false;
        const char c = lex_peek(&ps->l);
        if (c != ':' && c != '=') {
            VEC_PUSH(ps->mem, names_, name);
            continue;
        }
        Onnx__AttributeProto *a = parse_attr(ps, name);
        if (!a) return false;
        VEC_PUSH(ps->mem, defaults, a);
    } while (lex_take(&ps->l, ','));
    SET_LIST(f, attribute, names_);
    SET_LIST(f, attribute_proto, defaults);
    return lex_want(&ps->l, '>');
}

/* (x, float[2] y): names, and value infos for those with a type */
static bool parse_function_values(parser *ps, size_t *n, char ***out, info_list *infos)
{
    info_list list = {0};
    name_list names_ = {0};
    if (!parse_infos(ps, '(', ')', &list, NULL, true)) return false;
    for (uint32_t i = 0; i < list.n; i++) {
        VEC_PUSH(ps->mem, names_, list.p[i]->name);
        if (list.p[i]->type) VEC_PUSH(ps->mem, *infos, list.p[i]);
    }
    *n = names_.n;
    *out = names_.p;
    return true;
}

static Onnx__FunctionProto *parse_function(parser *ps)
{
    Onnx__FunctionProto *f = NEW(ps, Onnx__FunctionProto, function_proto);
    info_list infos = {0};
    bool ok = true;
    if (lex_take(&ps->l, '<')) {
        do ok = parse_function_entry(ps, f);
        while (ok && lex_take(&ps->l, ','));
        ok = ok && lex_want(&ps->l, '>');
    }
    ok = ok && (f->name = lex_name(&ps->l, "a function")) && parse_function_attrs(ps, f) && parse_function_values(ps, &f->n_input, &f->input, &infos) &&
         lex_want_arrow(&ps->l) && parse_function_values(ps, &f->n_output, &f->output, &infos);
    if (ok && lex_peek(&ps->l) == '<') ok = parse_infos(ps, '<', '>', &infos, NULL, true);
    ok = ok && parse_nodes(ps, &f->n_node, &f->node);
    SET_LIST(f, value_info, infos);
    return ok ? f : NULL;
}

static Onnx__ModelProto *parse_model(parser *ps)
{
    Onnx__ModelProto *m = NEW(ps, Onnx__ModelProto, model_proto);
    VEC(Onnx__FunctionProto *) functions = {0};
    if (lex_take(&ps->l, '<')) {
        do {
            if (!parse_model_entry(ps, m)) return NULL;
        } while (lex_take(&ps->l, ','));
        if (!lex_want(&ps->l, '>')) return NULL;
    }
    m->graph = parse_graph(ps);
    if (!m->graph) return NULL;
    while (lex_peek(&ps->l)) {
        Onnx__FunctionProto *f = parse_function(ps);
        if (!f) return NULL;
        VEC_PUSH(ps->mem, functions, f);
    }
    SET_LIST(m, functions, functions);
    return ps->l.failed ? NULL : m;
}

proto_file *proto_parse(arena *mem, diag *d, const char *source, const char *path)
{
    text_places *places = ARENA_NEW(mem, text_places);
    places->by_message = scope_new(mem);
    parser ps = {.l = lex_begin(mem, d, source), .mem = mem, .places = places};
    if (!utf8_valid((const unsigned char *)source, strlen(source))) {
        diag_error(d, EXIT_INVALID, "", "syntax", "the text is not valid UTF-8");
        return NULL;
    }
    Onnx__ModelProto *m = parse_model(&ps);
    if (!m) return NULL;
    proto_file *f = ARENA_NEW(mem, proto_file);
    if (path) {
        f->path = arena_strndup(mem, path, strlen(path));
        f->folder = proto_folder(mem, path);
    }
    f->root = &m->base;
    f->places = places;
    return f;
}

model *model_parse_with(arena *mem, diag *d, const char *source, const char *path, const load_options *o)
{
    const proto_file *f = proto_parse(mem, d, source, path);
    return f ? model_from_proto(mem, d, f, o) : NULL;
}

model *model_parse(arena *mem, diag *d, const char *source, const char *path)
{
    return model_parse_with(mem, d, source, path, NULL);
}
