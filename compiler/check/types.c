/* types.c - the types of inputs and outputs against the schemas' constraints; see check_types in check.h.
 *
 * In: a model whose values have the types that inference could find. Unknown parts of a type pass. */
#include <string.h>

#include "check/check.h"
#include "schema/schema.h"

static bool in_mask(uint32_t mask, elem e)
{
    return e == ELEM_NONE || (mask >> (unsigned)e & 1);
}

static int map_bit(const type *t)
{
    const elem key = t->elem, val = t->of && t->of->kind == TYPE_TENSOR ? t->of->elem : ELEM_NONE;
    if (key == ELEM_INT64) return val == ELEM_DOUBLE ? MAP_INT64_DOUBLE : val == ELEM_FLOAT ? MAP_INT64_FLOAT : val == ELEM_STRING ? MAP_INT64_STRING : -1;
    if (key == ELEM_STRING) return val == ELEM_DOUBLE ? MAP_STRING_DOUBLE : val == ELEM_FLOAT ? MAP_STRING_FLOAT : val == ELEM_INT64 ? MAP_STRING_INT64 : -1;
    return -1;
}

static bool allows_seq_of_map(const schema_types *s, const type *map)
{
    const int bit = map_bit(map);
    return (bit == MAP_INT64_FLOAT && (s->maps >> SEQ_MAP_INT64_FLOAT & 1)) || (bit == MAP_STRING_FLOAT && (s->maps >> SEQ_MAP_STRING_FLOAT & 1));
}

static bool allows(const schema_types *s, const type *t)
{
    const type *of = t->of;
    switch (t->kind) {
    case TYPE_UNKNOWN: return true;
    case TYPE_SPARSE: return false; /* no operator takes them */
    case TYPE_TENSOR: return s->tensor && in_mask(s->tensor, t->elem);
    case TYPE_SEQUENCE:
        if (!of || of->kind == TYPE_UNKNOWN) return s->seq || s->maps;
        return of->kind == TYPE_MAP ? allows_seq_of_map(s, of) : of->kind == TYPE_TENSOR && s->seq && in_mask(s->seq, of->elem);
    case TYPE_OPTIONAL:
        if (!of || of->kind == TYPE_UNKNOWN) return s->optional || s->optional_seq;
        if (of->kind == TYPE_TENSOR) return s->optional && in_mask(s->optional, of->elem);
        return of->kind == TYPE_SEQUENCE && s->optional_seq && (!of->of || in_mask(s->optional_seq, of->of->elem));
    case TYPE_MAP: return map_bit(t) >= 0 && (s->maps >> map_bit(t) & 1);
    }
    return true;
}

/* Nothing is known, or only that it would be a tensor of something. */
static bool unknown(const type *t)
{
    return t->kind == TYPE_UNKNOWN || (t->kind == TYPE_TENSOR && t->elem == ELEM_NONE);
}

/* Equal as far as both are known; shapes do not matter. */
static bool same_type(const type *a, const type *b)
{
    if (unknown(a) || unknown(b)) return true;
    if (a->kind != b->kind) return false;
    if (a->elem != ELEM_NONE && b->elem != ELEM_NONE && a->elem != b->elem) return false;
    return !a->of || !b->of || same_type(a->of, b->of);
}

static const char *type_name(model *m, const type *t)
{
    text out = {.mem = m->mem};
    type bare = *t;
    if (bare.kind == TYPE_TENSOR) bare.rank = 0; /* no shape in the message */
    type_text(m, &bare, &out);
    return out.p;
}

enum { MAX_VARIABLES = 16 };

typedef struct {
    model *m;
    const node *n;
    const op_schema *s;
    types_beyond beyond; /* NULL: none */
    bool warned;
    struct {
        value_id v;
        const char *what;
        uint32_t i;
    } first[MAX_VARIABLES]; /* by type variable: who bound it */
} binding;

/* The element type is not listed, but computed all the same: one warning a node. */
static bool goes_beyond(binding *b, value_id v, uint32_t i, const schema_param *p, const char *what)
{
    model *m = b->m;
    const value *x = value_at(m, v);
    const char *how = b->beyond && x->type.kind == TYPE_TENSOR && p->types->tensor ? b->beyond(m, b->n, p->types->tensor, x->type.elem) : NULL;
    if (!how || b->warned) return how != NULL;
    b->warned = true;
    diag_warn(m->diag, at_node(m, b->n), "type-beyond", "%s %u '%s' (%s) is %s, which version %d of %s does not list; computed %s", what, i, x->name, p->name,
              type_name(m, &x->type), b->s->since, b->n->op, how);
    diag_hint(m->diag, "other tools may refuse the model, as `onnxcc check --full` does; a Cast to a type that is listed makes it portable");
    return true;
}

static bool check_value(binding *b, value_id v, uint32_t i, const schema_param *p, const char *what)
{
    model *m = b->m;
    if (!v || !p) return true;
    const value *x = value_at(m, v);
    if (x->data && x->data->sparse)
        return diag_error(m->diag, EXIT_INVALID, at_node(m, b->n), "input-type", "%s %u '%s' (%s) is a sparse tensor, which no operator takes", what, i, x->name, p->name);
    if (unknown(&x->type)) return true;
    if (!allows(p->types, &x->type) && !goes_beyond(b, v, i, p, what)) {
        text list = {.mem = m->mem};
        schema_types_text(p->types, &list);
        diag_error(m->diag, EXIT_INVALID, at_node(m, b->n), *what == 'i' ? "input-type" : "output-type", "%s %u '%s' (%s) is %s, expected %s", what, i,
                   x->name, p->name, type_name(m, &x->type), list.p);
        return diag_hint(m->diag, "version %d of %s applies here", b->s->since, b->n->op);
    }
    const int c = p->constraint;
    if (c < 0 || c >= MAX_VARIABLES || (p->option == PARAM_VARIADIC && !p->homogeneous)) return true;
    if (!b->first[c].v) {
        b->first[c].v = v;
        b->first[c].what = what;
        b->first[c].i = i;
        return true;
    }
    const value *y = value_at(m, b->first[c].v);
    if (same_type(&x->type, &y->type)) return true;
    return diag_error(m->diag, EXIT_INVALID, at_node(m, b->n), "type-mismatch", "%s %u '%s' is %s but %s %u '%s' is %s; both are of type %s", what, i, x->name,
                      type_name(m, &x->type), b->first[c].what, b->first[c].i, y->name, type_name(m, &y->type), b->s->constraint[c].name);
}

bool check_input_types(model *m, const node *n)
{
    const op_schema *s = n->version ? schema_find(n->domain, n->op, n->version) : NULL;
    binding b = {.m = m, .n = n, .s = s};
    bool ok = true;
    for (uint32_t i = 0; s && i < n->n_in; i++) ok &= check_value(&b, n->in[i], i, schema_input(s, i), "input");
    return ok;
}

bool check_node_types(model *m, const node *n, types_beyond beyond)
{
    const op_schema *s = n->version ? schema_find(n->domain, n->op, n->version) : NULL;
    if (!s) return true;
    binding b = {.m = m, .n = n, .s = s, .beyond = beyond};
    bool ok = true;
    for (uint32_t i = 0; i < n->n_in; i++) ok &= check_value(&b, n->in[i], i, schema_input(s, i), "input");
    for (uint32_t i = 0; i < n->n_out; i++) ok &= check_value(&b, n->out[i], i, schema_output(s, i), "output");
    return ok;
}

bool check_types(model *m, types_beyond beyond)
{
    bool ok = true;
    for (uint32_t g = 1; g < m->graphs.n; g++) {
        const graph *gr = graph_at(m, g);
        for (uint32_t i = 0; i < gr->nodes.n; i++) ok &= check_node_types(m, node_at(m, gr->nodes.p[i]), beyond);
    }
    return ok;
}
