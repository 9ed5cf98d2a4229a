/* sequence_edit.c - changes to a graph around one node, for sequence.h. */
#include <string.h>

#include "passes/forms.h"
#include "passes/sequence_impl.h"

static resolution report(spot *p, exit_code exit, const char *code, const char *fmt, va_list ap)
{
    const char *what = arena_vprintf(p->m->mem, fmt, ap);
    diag_error(p->m->diag, exit, at_node(p->m, node_at(p->m, p->id)), code, "%s", what);
    return RESOLVE_FAILED;
}

resolution spot_error(spot *p, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const resolution r = report(p, EXIT_INVALID, code, fmt, ap);
    va_end(ap);
    return r;
}

resolution spot_unsupported(spot *p, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const resolution r = report(p, EXIT_UNSUPPORTED, code, fmt, ap);
    va_end(ap);
    return r;
}

value_id spot_value(spot *p, const char *stem, int64_t k)
{
    return value_new(p->m, arena_printf(p->m->mem, "%s.%lld", stem, (long long)k));
}

static value_id insert_node(spot *p, const char *domain, const char *op, const attr *a, uint32_t n_in, const value_id *in, value_id out)
{
    model *m = p->m;
    const char *stem = p->n.n_out && p->n.out[0] ? value_at(m, p->n.out[0])->name : p->n.op;
    if (!out) out = value_new(m, arena_printf(m->mem, "%s.%s.%u", stem, op, m->values.n));
    const node_id id = node_new(m, p->g, domain, op, n_in, 1, 0);
    node *n = node_at(m, id);
    n->name = p->n.name;
    n->version = op_version(m, domain, op);
    n->origin = p->n.origin;
    if (n_in) memcpy(n->in, in, n_in * sizeof *in);
    n->out[0] = out;
    value_at(m, out)->producer = id;
    value_at(m, out)->output = 0;
    if (a) node_set_attr(m, n, *a);
    graph *g = graph_at(m, p->g);
    VEC_PUSH(m->mem, g->nodes, 0);
    memmove(g->nodes.p + p->i + 1, g->nodes.p + p->i, (g->nodes.n - 1 - p->i) * sizeof *g->nodes.p);
    g->nodes.p[p->i++] = id;
    return out;
}

value_id spot_insert(spot *p, const char *op, const attr *a, uint32_t n_in, const value_id *in, value_id out)
{
    return insert_node(p, "", op, a, n_in, in, out);
}

value_id spot_insert_in(spot *p, const char *domain, const char *op, const attr *a, uint32_t n_in, const value_id *in, value_id out)
{
    return insert_node(p, domain, op, a, n_in, in, out);
}

resolution spot_becomes(spot *p, const char *op, const attr *a, uint32_t n_in, const value_id *in)
{
    node *n = node_becomes(p->m, p->id, "", op, n_in, in);
    if (a) node_set_attr(p->m, n, *a);
    return RESOLVE_AGAIN;
}

resolution spot_copies(spot *p, value_id v)
{
    const elem e = value_at(p->m, v)->type.elem;
    const attr to = {.name = intern(p->m->names, "to"), .kind = ATTR_INT, .u.i = e};
    return e == ELEM_FLOAT6E2M3 || e == ELEM_FLOAT6E3M2 ? spot_becomes(p, "Cast", &to, 1, &v) : spot_becomes(p, "Identity", NULL, 1, &v);
}

resolution spot_drop(spot *p)
{
    model *m = p->m;
    node *n = node_at(m, p->id);
    graph *g = graph_at(m, p->g);
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] && value_at(m, n->out[k])->producer == p->id) value_at(m, n->out[k])->producer = 0;
    n->dead = true;
    memmove(g->nodes.p + p->i, g->nodes.p + p->i + 1, (g->nodes.n - 1 - p->i) * sizeof *g->nodes.p);
    g->nodes.n--;
    return RESOLVE_AGAIN;
}

void spot_outputs(model *m, node_id id, uint32_t n, const value_id *out)
{
    node *x = node_at(m, id);
    for (uint32_t k = 0; k < x->n_out; k++)
        if (x->out[k]) value_at(m, x->out[k])->producer = 0;
    x->out = arena_copy(m->mem, out, n * sizeof *out);
    x->n_out = n;
    for (uint32_t k = 0; k < n; k++) {
        if (!out[k]) continue;
        value_at(m, out[k])->producer = id;
        value_at(m, out[k])->output = k;
    }
}

static value_id scalar(spot *p, const char *role, elem e, int64_t v)
{
    tensor *t = tensor_new(p->m->mem, e, 0, NULL);
    elem_set_int(e, (void *)(uintptr_t)t->data, 0, v);
    return new_constant(p->m, *p->n.name ? p->n.name : p->n.op, role, t);
}

value_id spot_int(spot *p, const char *role, int64_t v)
{
    return scalar(p, role, ELEM_INT64, v);
}

value_id spot_bool(spot *p, const char *role, bool v)
{
    return scalar(p, role, ELEM_BOOL, v);
}

bool known_int(model *m, value_id v, int64_t *out)
{
    const tensor *t = constant_of(m, v);
    if (!t || tensor_count(t) != 1 || !strchr("iub", elem_of(t->type)->kind)) return false;
    *out = elem_get_int(t->type, t->data, 0);
    return true;
}

bool tensor_type_known(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    return t->kind == TYPE_TENSOR && t->rank >= 0;
}
