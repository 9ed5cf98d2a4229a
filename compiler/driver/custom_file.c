/* custom_file.c - descriptions of the user's operators from YAML; see ops/custom.h and docs/custom-operators.md.
 *
 * In: a file with one operator (a mapping) or several (a list of them). Out: descriptions whose rules can be read; every mistake is named with its line. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/identifier.h"
#include "driver/custom_file.h"
#include "driver/yaml_file.h"
#include "schema/schema.h"

typedef struct {
    yaml_source source;
    custom_ops *to;
    custom_op *op;           /* that is being read */
    VEC(const char *) names; /* of parameters in C */
} reader;

/* ---- nodes of the document ---- */

typedef yaml_node_t node_y;

static node_y *at(reader *r, int id)
{
    return yaml_document_get_node(&r->source.doc, id);
}

/* The value of a key; NULL: it is not there. */
static node_y *value_of(reader *r, const node_y *map, const char *key)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const char *name = yaml_scalar(&r->source, at(r, p->key));
        if (name && !strcmp(name, key)) return at(r, p->value);
    }
    return NULL;
}

/* A mapping with keys among those named, separated by blanks. */
static bool keys_known(reader *r, const node_y *map, const char *what, const char *known)
{
    if (map->type != YAML_MAPPING_NODE) return yaml_complain(&r->source, map, arena_printf(r->source.mem, "%s is a mapping with the keys %s", what, known));
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const node_y *key = at(r, p->key);
        const char *name = yaml_scalar(&r->source, key), *found = name && *name ? strstr(known, name) : NULL;
        while (found && ((found != known && found[-1] != ' ') || (found[strlen(name)] && found[strlen(name)] != ' '))) found = strstr(found + 1, name);
        if (!found) return yaml_complain(&r->source, key, arena_printf(r->source.mem, "%s has no key '%s'; its keys are %s", what, name ? name : "?", known));
        if (value_of(r, map, name) != at(r, p->value)) return yaml_complain(&r->source, key, arena_printf(r->source.mem, "'%s' is given twice", name));
    }
    return true;
}

static bool take_text(reader *r, const node_y *map, const char *key, const char **out)
{
    const node_y *v = value_of(r, map, key);
    const char *s = yaml_scalar(&r->source, v);
    if (v && !s) return yaml_complain(&r->source, v, arena_printf(r->source.mem, "'%s' takes one value", key));
    if (s) *out = s;
    return true;
}

static bool take_flag(reader *r, const node_y *map, const char *key, bool *out)
{
    const char *s = NULL;
    if (!take_text(r, map, key, &s)) return false;
    if (s && strcmp(s, "true") && strcmp(s, "false")) return yaml_complain(&r->source, value_of(r, map, key), arena_printf(r->source.mem, "'%s' is true or false", key));
    if (s) *out = !strcmp(s, "true");
    return true;
}

/* N or LO..HI, either end of which may be left out. */
static bool take_range(reader *r, const node_y *map, const char *key, int least, int most, int *lo, int *hi)
{
    const char *s = NULL, *why = arena_printf(r->source.mem, "'%s' is a number or a range such as 1..3, from %d on", key, least);
    if (!take_text(r, map, key, &s)) return false;
    *lo = least, *hi = most;
    if (!s) return true;
    char *end = (char *)(uintptr_t)s;
    if (isdigit((unsigned char)*s)) *lo = *hi = (int)strtol(s, &end, 10);
    if (end[0] == '.' && end[1] == '.') {
        *hi = most;
        s = end + 2;
        end += 2;
        if (isdigit((unsigned char)*s)) *hi = (int)strtol(s, &end, 10);
    } else if (end == s) return yaml_complain(&r->source, value_of(r, map, key), why);
    return (!*end && *lo >= least && *hi <= most && *lo <= *hi) || yaml_complain(&r->source, value_of(r, map, key), why);
}

/* ---- names ---- */

static bool is_identifier(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_') return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_') return false;
    return true;
}

static bool take_identifier(reader *r, const node_y *map, const char *what, const char *key, const char **out)
{
    if (!take_text(r, map, key, out)) return false;
    if (!*out) return yaml_complain(&r->source, map, arena_printf(r->source.mem, "%s needs '%s'", what, key));
    return (is_identifier(*out) && !c_keyword(*out)) || yaml_complain(&r->source, value_of(r, map, key), arena_printf(r->source.mem, "'%s' is no name in C", *out));
}

/* Names of parameters, the ones made from a tensor's or list's included, differ. */
static bool add_param(reader *r, const node_y *n, const char *name)
{
    for (uint32_t i = 0; i < r->names.n; i++)
        if (!strcmp(r->names.p[i], name)) return yaml_complain(&r->source, n, arena_printf(r->source.mem, "the C function would have two parameters '%s'", name));
    VEC_PUSH(r->source.mem, r->names, name);
    return true;
}

/* ---- rules ---- */

static bool take_rule(reader *r, const node_y *map, const char *key, bool one, const char **out)
{
    const node_y *v = value_of(r, map, key);
    text t = {.mem = r->source.mem};
    dim values[MAX_RANK];
    uint32_t n;
    const char *why;
    if (!v) return true;
    if (v->type == YAML_SEQUENCE_NODE && !one) {
        text_add(&t, "");
        for (yaml_node_item_t *i = v->data.sequence.items.start; i < v->data.sequence.items.top; i++) {
            const char *s = yaml_scalar(&r->source, at(r, *i));
            if (!s) return yaml_complain(&r->source, at(r, *i), "a size is an expression; one with brackets stands in quotes");
            text_addf(&t, "%s%s", t.n ? ", " : "", s);
        }
    } else {
        const char *s = yaml_scalar(&r->source, v);
        if (!s) return yaml_complain(&r->source, v, arena_printf(r->source.mem, one ? "'%s' is an expression" : "'%s' is a list of expressions", key));
        text_add(&t, s);
    }
    *out = t.p;
    return custom_rule(r->source.mem, NULL, NULL, r->op, t.p, values, &n, &why) || yaml_complain(&r->source, v, arena_printf(r->source.mem, "'%s': %s", t.p, why));
}

/* ---- tensors ---- */

static bool add_type(reader *r, const node_y *n, custom_tensor *t)
{
    const char *s = yaml_scalar(&r->source, n);
    const elem e = s ? elem_named(s) : ELEM_NONE;
    if (!e) return yaml_complain(&r->source, n, arena_printf(r->source.mem, "there is no element type '%s'", s ? s : "?"));
    if (elem_of(e)->kind == 'c') return yaml_complain(&r->source, n, "complex numbers are not supported yet");
    t->types |= 1u << e;
    return true;
}

/* A type, a list of them, or the name of an input that has been described. */
static bool take_types(reader *r, const node_y *map, bool input, custom_tensor *t)
{
    node_y *v = value_of(r, map, "type");
    if (!v) return yaml_complain(&r->source, map, "the tensor needs 'type'");
    if (v->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = v->data.sequence.items.start; i < v->data.sequence.items.top; i++)
            if (!add_type(r, at(r, *i), t)) return false;
        if (!t->types) return yaml_complain(&r->source, v, "the list of types is empty");
        if (!input && (t->types & (t->types - 1))) return yaml_complain(&r->source, v, "the type of an output is one type, or the name of the input whose type it has");
        return true;
    }
    const char *s = yaml_scalar(&r->source, v);
    for (uint32_t i = 0; s && i < r->op->n_in; i++) {
        if (strcmp(r->op->in[i].name, s)) continue;
        if (r->op->in[i].optional) return yaml_complain(&r->source, v, arena_printf(r->source.mem, "'%s' may be left out: no other tensor can have its type", s));
        t->like = i;
        return true;
    }
    return add_type(r, v, t);
}

static bool read_tensor(reader *r, const node_y *n, bool input, custom_tensor *t)
{
    const char *what = input ? "an input" : "an output";
    int lo, hi;
    if (!keys_known(r, n, what, input ? "name type rank optional" : "name type shape optional") || !take_identifier(r, n, what, "name", &t->name)) return false;
    if (!take_types(r, n, input, t) || !take_flag(r, n, "optional", &t->optional) || !take_range(r, n, "rank", 0, MAX_RANK, &lo, &hi)) return false;
    t->rank_lo = lo, t->rank_hi = hi;
    static const char *const more[] = {"", "_shape", "_rank", "_type"};
    for (size_t i = 0; i < 4; i++)
        if (!add_param(r, n, arena_printf(r->source.mem, "%s%s", t->name, more[i]))) return false;
    return true;
}

static bool read_tensors(reader *r, const node_y *op, const char *key, bool input)
{
    node_y *list = value_of(r, op, key);
    if (!list && input) return true; /* a source of data */
    if (!list || list->type != YAML_SEQUENCE_NODE) return yaml_complain(&r->source, list ? list : op, arena_printf(r->source.mem, "'%s' is a list of tensors", key));
    const size_t n = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    custom_tensor *all = ARENA_ARRAY(r->source.mem, custom_tensor, n + 1);
    uint32_t *count = input ? &r->op->n_in : &r->op->n_out;
    *(input ? &r->op->in : &r->op->out) = all;
    for (size_t i = 0; i < n; i++) {
        if (!read_tensor(r, at(r, list->data.sequence.items.start[i]), input, &all[i])) return false;
        *count = (uint32_t)i + 1;
    }
    return n || input || yaml_complain(&r->source, list, "an operator has an output");
}

/* Shapes may speak of attributes: they come last. */
static bool read_shapes(reader *r, const node_y *op)
{
    const node_y *list = value_of(r, op, "outputs");
    for (uint32_t i = 0; i < r->op->n_out; i++) {
        const node_y *n = at(r, list->data.sequence.items.start[i]);
        if (!take_rule(r, n, "shape", false, &r->op->out[i].shape)) return false;
        if (!r->op->out[i].shape) return yaml_complain(&r->source, n, arena_printf(r->source.mem, "output '%s' needs 'shape'", r->op->out[i].name));
    }
    return true;
}

/* ---- attributes ---- */

static const struct {
    const char *name;
    attr_kind kind;
} KINDS[] = {{"int", ATTR_INT}, {"float", ATTR_FLOAT}, {"string", ATTR_STRING}, {"ints", ATTR_INTS}, {"floats", ATTR_FLOATS}, {"strings", ATTR_STRINGS}};

static bool take_int(reader *r, const node_y *n, int64_t *out)
{
    const char *s = yaml_scalar(&r->source, n);
    char *end = NULL;
    const long long v = s ? strtoll(s, &end, 10) : 0;
    *out = v;
    return (end && end != s && !*end) || yaml_complain(&r->source, n, "a whole number is expected");
}

static bool take_float(reader *r, const node_y *n, float *out)
{
    const char *s = yaml_scalar(&r->source, n);
    char *end = NULL;
    *out = s ? strtof(s, &end) : 0;
    return (end && end != s && !*end) || yaml_complain(&r->source, n, "a number is expected");
}

static bool take_list(reader *r, const node_y *v, attr *a)
{
    if (v->type != YAML_SEQUENCE_NODE) return yaml_complain(&r->source, v, "the default is a list");
    const yaml_node_item_t *item = v->data.sequence.items.start;
    a->n = (uint32_t)(v->data.sequence.items.top - item);
    int64_t *ints = ARENA_ARRAY(r->source.mem, int64_t, a->n + 1);
    float *floats = ARENA_ARRAY(r->source.mem, float, a->n + 1);
    const char **strings = ARENA_ARRAY(r->source.mem, const char *, a->n + 1);
    for (uint32_t i = 0; i < a->n; i++) {
        const node_y *n = at(r, item[i]);
        if (a->kind == ATTR_INTS && !take_int(r, n, &ints[i])) return false;
        if (a->kind == ATTR_FLOATS && !take_float(r, n, &floats[i])) return false;
        strings[i] = yaml_scalar(&r->source, n);
        if (!strings[i]) return yaml_complain(&r->source, n, "the elements of the list are plain values");
    }
    if (a->kind == ATTR_INTS) a->u.ints = ints;
    else if (a->kind == ATTR_FLOATS) a->u.floats = floats;
    else a->u.strings = strings;
    return true;
}

static bool take_default(reader *r, const node_y *v, attr *a)
{
    switch (a->kind) {
    case ATTR_INT: return take_int(r, v, &a->u.i);
    case ATTR_FLOAT: return take_float(r, v, &a->u.f);
    case ATTR_STRING:
        a->u.s = yaml_scalar(&r->source, v);
        a->n = a->u.s ? (uint32_t)strlen(a->u.s) : 0;
        return a->u.s || yaml_complain(&r->source, v, "the default is a text");
    default: return take_list(r, v, a);
    }
}

static bool read_attr(reader *r, const node_y *n, custom_attr *to)
{
    attr *a = &to->otherwise;
    const char *kind = NULL;
    if (!keys_known(r, n, "an attribute", "name type default") || !take_identifier(r, n, "an attribute", "name", &a->name) || !take_text(r, n, "type", &kind)) return false;
    for (size_t i = 0; kind && i < sizeof KINDS / sizeof *KINDS; i++)
        if (!strcmp(KINDS[i].name, kind)) a->kind = KINDS[i].kind;
    if (!a->kind) return yaml_complain(&r->source, n, "the type of an attribute is int, float, string, ints, floats or strings");
    const node_y *v = value_of(r, n, "default");
    to->required = !v;
    if (v && !take_default(r, v, a)) return false;
    const bool list = a->kind == ATTR_INTS || a->kind == ATTR_FLOATS || a->kind == ATTR_STRINGS;
    return add_param(r, n, a->name) && (!list || add_param(r, n, arena_printf(r->source.mem, "%s_count", a->name)));
}

static bool read_attrs(reader *r, const node_y *op)
{
    node_y *list = value_of(r, op, "attributes");
    if (!list) return true;
    if (list->type != YAML_SEQUENCE_NODE) return yaml_complain(&r->source, list, "'attributes' is a list");
    const yaml_node_item_t *item = list->data.sequence.items.start;
    const uint32_t n = (uint32_t)(list->data.sequence.items.top - item);
    r->op->attr = ARENA_ARRAY(r->source.mem, custom_attr, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (!read_attr(r, at(r, item[i]), &r->op->attr[i])) return false;
        r->op->n_attr = i + 1;
    }
    return true;
}

/* ---- operators ---- */

static bool read_names(reader *r, const node_y *n)
{
    custom_op *op = r->op;
    if (!take_text(r, n, "domain", &op->def.domain) || !take_text(r, n, "operator", &op->def.name)) return false;
    if (!op->def.domain || !op->def.name) return yaml_complain(&r->source, n, arena_printf(r->source.mem, "an operator needs '%s'", op->def.domain ? "operator" : "domain"));
    if (!*op->def.domain || !strcmp(op->def.domain, "ai.onnx") || schema_domain_version(op->def.domain) || !strcmp(op->def.domain, OWN_DOMAIN))
        return yaml_complain(&r->source, value_of(r, n, "domain"), arena_printf(r->source.mem, "the operators of domain '%s' are known", op->def.domain));
    return take_identifier(r, n, "an operator", "function", &op->function) && take_range(r, n, "versions", 1, INT_MAX, &op->since, &op->until);
}

static bool read_op(reader *r, const node_y *n, custom_ops *to)
{
    custom_op *op = ARENA_NEW(r->source.mem, custom_op);
    *op = (custom_op){.def = {.infer = custom_infer, .lower = custom_lower}, .where = yaml_line(&r->source, n), .pure = true};
    r->op = op;
    r->names.n = 0;
    if (!keys_known(r, n, "an operator", "domain operator versions function inputs outputs attributes scratch cost pure") || !read_names(r, n)) return false;
    if (!add_param(r, n, "scratch") || !add_param(r, n, "user") || !read_tensors(r, n, "inputs", true) || !read_tensors(r, n, "outputs", false)) return false;
    if (!read_attrs(r, n) || !read_shapes(r, n) || !take_rule(r, n, "scratch", true, &op->scratch) || !take_rule(r, n, "cost", true, &op->cost)) return false;
    if (!take_flag(r, n, "pure", &op->pure)) return false;
    for (uint32_t i = 0; i < to->n; i++) {
        const custom_op *other = to->p[i];
        if (!strcmp(other->function, op->function)) return yaml_complain(&r->source, value_of(r, n, "function"), arena_printf(r->source.mem, "function '%s' stands in %s already", op->function, other->where));
        if (!strcmp(other->def.domain, op->def.domain) && !strcmp(other->def.name, op->def.name) && other->since <= op->until && op->since <= other->until)
            return yaml_complain(&r->source, n, arena_printf(r->source.mem, "%s.%s is described in %s already, for some of these versions", op->def.domain, op->def.name, other->where));
    }
    VEC_PUSH(r->source.mem, *to, op);
    return true;
}

static bool read_document(void *ctx)
{
    reader *r = ctx;
    node_y *root = yaml_document_get_root_node(&r->source.doc);
    if (!root) return yaml_complain(&r->source, NULL, "the file describes no operator");
    if (root->type != YAML_SEQUENCE_NODE) return read_op(r, root, r->to);
    bool ok = true;
    for (yaml_node_item_t *i = root->data.sequence.items.start; i < root->data.sequence.items.top; i++) ok &= read_op(r, at(r, *i), r->to);
    return ok;
}

bool custom_read(arena *mem, diag *d, const char *path, custom_ops *to)
{
    reader r = {.source = {.mem = mem, .d = d, .path = path, .code = "custom-file"}, .to = to};
    return yaml_file_read(&r.source, read_document, &r);
}
