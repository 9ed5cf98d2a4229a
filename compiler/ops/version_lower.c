/* version_lower.c - a node in an older version of its operator; see version_lower in version_edit.h.
 *
 * A step into the version before asks three things. Is there an adapter (lower_*_rows), for versions whose meaning or form differs? Does what is
 * left of the node fit the older schema: inputs, outputs, attributes, types? What the older one does not know may stand there only when it says the
 * default, which is what the older version does. Where no adapter leads back from a change that one was needed for, the node is refused. */
#include <string.h>

#include "check/check.h"
#include "ops/ops.h"
#include "ops/version_edit.h"
#include "schema/schema.h"

/* Values of attributes that are newer than the attribute. */
static const struct {
    const char *op;
    int since;
    const char *attr, *value;
} NEW_VALUES[] = {
    {"Resize", 19, "coordinate_transformation_mode", "half_pixel_symmetric"},
    {"Pad", 19, "mode", "wrap"},
    {"ScatterElements", 18, "reduction", "max"},
    {"ScatterElements", 18, "reduction", "min"},
    {"ScatterND", 18, "reduction", "max"},
    {"ScatterND", 18, "reduction", "min"},
};

static bool values_fit(edit *e, const op_schema *s)
{
    for (uint32_t i = 0; i < sizeof NEW_VALUES / sizeof *NEW_VALUES; i++) {
        if (NEW_VALUES[i].since != s->since || strcmp(NEW_VALUES[i].op, s->name)) continue;
        if (!strcmp(node_string(edited(e), NEW_VALUES[i].attr, ""), NEW_VALUES[i].value))
            return version_error(e, "version-lower", "%s='%s' came with version %d", NEW_VALUES[i].attr, NEW_VALUES[i].value, s->since);
    }
    return true;
}

static bool inputs_fit(edit *e, const op_schema *old)
{
    node *n = edited(e);
    while (n->n_in && !n->in[n->n_in - 1] && n->n_in > old->min_in) n->n_in--;
    if (n->n_in > old->max_in)
        return version_error(e, "version-lower", "version %d of %s has no input %u ('%s')", old->since, old->name, old->max_in,
                             value_at(e->m, n->in[old->max_in])->name);
    for (uint32_t i = 0; i < old->n_in; i++)
        if (old->in[i].option == PARAM_ONE && !node_in(n, i))
            return version_error(e, "version-lower", "version %d of %s needs input %u, %s", old->since, old->name, i, old->in[i].name);
    if (n->n_in < old->min_in) return version_error(e, "version-lower", "version %d of %s needs %u inputs", old->since, old->name, old->min_in);
    return true;
}

static bool outputs_fit(edit *e, const op_schema *old)
{
    node *n = edited(e);
    while (n->n_out > old->max_out && (!n->out[n->n_out - 1] || !is_used(e, n->out[n->n_out - 1]))) n->n_out--;
    if (n->n_out <= old->max_out) return true;
    return version_error(e, "version-lower", "version %d of %s has no output %u ('%s')", old->since, old->name, old->max_out,
                         value_at(e->m, n->out[old->max_out])->name);
}

/* ---- attributes ---- */

static bool is_default(const attr *a, const schema_attr *d)
{
    if (!d || !d->has_default || a->kind != (attr_kind)d->kind) return false;
    switch (a->kind) {
    case ATTR_INT: return a->u.i == d->otherwise.i;
    case ATTR_FLOAT: return !(a->u.f < d->otherwise.f) && !(a->u.f > d->otherwise.f);
    case ATTR_STRING: return !strcmp(a->u.s, d->otherwise.s);
    default: return false;
    }
}

/* Lists without a default in the schema that say nothing when all their elements are this: dilations, strides, pads. */
static bool says_nothing(const attr *a)
{
    const int64_t plain = !strcmp(a->name, "pads") ? 0 : 1;
    if (a->kind != ATTR_INTS || (strcmp(a->name, "pads") && strcmp(a->name, "dilations") && strcmp(a->name, "strides"))) return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->u.ints[i] != plain) return false;
    return true;
}

static bool drop_new_attributes(edit *e, const op_schema *s, const op_schema *old)
{
    node *n = edited(e);
    for (uint32_t i = 0; i < n->n_attr;) {
        const attr *a = &n->attr[i];
        const schema_attr *was = schema_attr_find(old, a->name);
        if (was || old->any_attribute) {
            if (was && was->kind != a->kind)
                return version_error(e, "version-lower", "attribute '%s' is of another kind in version %d", a->name, old->since);
            i++;
            continue;
        }
        if (a->ref)
            return version_error(e, "version-lower", "version %d of %s has no attribute '%s', which is given by the function's caller", old->since,
                                 old->name, a->name);
        if (!is_default(a, schema_attr_find(s, a->name)) && !says_nothing(a))
            return version_error(e, "version-lower", "version %d of %s has no attribute '%s'", old->since, old->name, a->name);
        node_drop_attr(n, a->name);
    }
    return true;
}

static bool same_default(const schema_attr *a, const schema_attr *b)
{
    if (!a->has_default || !b->has_default || a->kind != b->kind) return a->has_default == b->has_default;
    switch ((attr_kind)a->kind) {
    case ATTR_INT: return a->otherwise.i == b->otherwise.i;
    case ATTR_FLOAT: return !(a->otherwise.f < b->otherwise.f) && !(a->otherwise.f > b->otherwise.f);
    case ATTR_STRING: return !strcmp(a->otherwise.s, b->otherwise.s);
    default: return true;
    }
}

static attr spelled_out(model *m, const schema_attr *a)
{
    attr x = {.name = intern(m->names, a->name), .kind = (attr_kind)a->kind};
    if (x.kind == ATTR_FLOAT) x.u.f = a->otherwise.f;
    if (x.kind == ATTR_INT) x.u.i = a->otherwise.i;
    return x.kind == ATTR_STRING ? attr_string(m, a->name, a->otherwise.s) : x;
}

/* What an absent attribute means differs: it is said. */
static bool say_defaults(edit *e, const op_schema *s, const op_schema *old)
{
    for (uint32_t i = 0; i < old->n_attr; i++) {
        const schema_attr *was = &old->attr[i], *now = schema_attr_find(s, was->name);
        if (node_attr(edited(e), was->name)) continue;
        if (now && now->has_default && !same_default(was, now)) node_set_attr(e->m, edited(e), spelled_out(e->m, now));
        else if (!strcmp(was->name, "consumed_inputs")) {
            if (was->required)
                node_set_attr(e->m, edited(e),
                              attr_ints(e->m, was->name, edited(e)->n_in, ARENA_ARRAY(e->m->mem, int64_t, edited(e)->n_in))); /* none is */
        } else if (was->required) return version_error(e, "version-lower", "version %d of %s needs attribute '%s'", old->since, old->name, was->name);
    }
    return true;
}

/* ---- steps ---- */

static bool types_fit(edit *e)
{
    diag *said = e->m->diag;
    diag *why = e->m->diag = diag_new(e->m->mem, NULL);
    const bool ok = check_node_types(e->m, edited(e), NULL);
    e->m->diag = said;
    return ok || version_error(e, "version-lower", "%s", why->list.n ? why->list.p[0].message : "types");
}

static bool fit(edit *e, const op_schema *s, const op_schema *old)
{
    if (!values_fit(e, s) || !drop_new_attributes(e, s, old) || !say_defaults(e, s, old) || !inputs_fit(e, old) || !outputs_fit(e, old)) return false;
    edited(e)->version = old->since;
    return types_fit(e);
}

static bool has_graph(const node *n)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH) return true;
    return false;
}

/* What adapters have added is lowered too, and wants to know its types. */
static void type_added(edit *e, uint32_t from)
{
    diag *said = e->m->diag;
    e->m->diag = diag_new(e->m->mem, NULL);
    for (uint32_t i = from; i < e->list.n; i++)
        if (!has_graph(node_at(e->m, e->list.p[i]))) (void)infer_node(e->m, e->list.p[i]);
    e->m->diag = said;
}

static bool lower_step(edit *e, const op_schema *s, int to)
{
    const op_schema *old = schema_previous(s);
    adapter run = version_row(lower_math_rows, s);
    if (!run) run = version_row(lower_shape_rows, s);
    if (!run) run = version_row(lower_body_rows, s);
    if (!run) run = version_row(lower_attention_rows, s);
    if (run) {
        const char *op = edited(e)->op;
        const uint32_t before = e->list.n;
        if (!run(e)) return false;
        type_added(e, before);
        if (edited(e)->op != op) return true; /* now another operator, and the adapter says its version */
    }
    if (!old) return version_error(e, "version-lower", "%s came with opset %d", s->name, s->since);
    if (!run && version_adapter(s))
        return version_error(e, "version-lower", "version %d of %s can't say what version %d says", old->since, s->name, s->since);
    if (old->deprecated) return version_error(e, "version-lower", "%s is no operator of opset %d", s->name, to);
    return fit(e, s, old);
}

bool version_lower(edit *e, int to)
{
    for (;;) {
        const node *n = edited(e);
        const op_schema *s = *n->domain || !n->version ? NULL : schema_find("", n->op, n->version);
        if (!s || s->since <= to) return true;
        if (!lower_step(e, s, to)) return false;
    }
}
