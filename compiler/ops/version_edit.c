/* version_edit.c - see version_edit.h. */
#include "ops/version_edit.h"

#include <string.h>

#include "schema/schema.h"

node *edited(edit *e)
{
    return node_at(e->m, e->id);
}

value_id input_of(edit *e, uint32_t i)
{
    return node_in(edited(e), i);
}

void set_input(edit *e, uint32_t i, value_id v)
{
    node *n = edited(e);
    if (i >= n->n_in) {
        if (!v) return;
        value_id *in = ARENA_ARRAY(e->m->mem, value_id, i + 1);
        if (n->n_in) memcpy(in, n->in, n->n_in * sizeof *in);
        n->in = in;
        n->n_in = i + 1;
    }
    n->in[i] = v;
}

/* ---- attributes ---- */

attr attr_int(model *m, const char *name, int64_t v)
{
    return (attr){.name = intern(m->names, name), .kind = ATTR_INT, .u.i = v};
}

attr attr_ints(model *m, const char *name, uint32_t n, const int64_t *v)
{
    return (attr){.name = intern(m->names, name), .kind = ATTR_INTS, .n = n, .u.ints = arena_copy(m->mem, v, n * sizeof *v)};
}

attr attr_string(model *m, const char *name, const char *v)
{
    return (attr){.name = intern(m->names, name), .kind = ATTR_STRING, .n = (uint32_t)strlen(v), .u.s = intern(m->names, v)};
}

/* ---- nodes ---- */

static value_id new_value(edit *e, const char *role)
{
    const node *n = edited(e);
    const char *stem = n->n_out && n->out[0] ? value_at(e->m, n->out[0])->name : *n->name ? n->name : n->op;
    return value_new(e->m, arena_printf(e->m->mem, "%s.%s.%u", stem, role, e->serial++));
}

static node_id new_node(edit *e, const char *op, const attr *a, uint32_t n_in, const value_id *in, value_id out)
{
    model *m = e->m;
    const node_id id = node_new(m, e->graph, "", op, n_in, 1, a ? 1 : 0);
    node *n = node_at(m, id);
    n->version = schema_newest("", op)->since;
    n->origin = edited(e)->origin;
    n->name = edited(e)->name;
    if (n_in) memcpy(n->in, in, n_in * sizeof *in);
    n->out[0] = out;
    if (a) n->attr[0] = *a;
    value_at(m, out)->producer = id;
    value_at(m, out)->output = 0;
    return id;
}

value_id insert(edit *e, const char *op, const attr *a, uint32_t n_in, const value_id *in)
{
    const value_id out = new_value(e, op);
    VEC_PUSH(e->m->mem, e->list, new_node(e, op, a, n_in, in, out));
    return out;
}

void follow(edit *e, uint32_t k, const char *op, const attr *a, value_id second)
{
    model *m = e->m;
    const value_id old = edited(e)->out[k], now = new_value(e, op);
    const node_id id = new_node(e, op, a, second ? 2 : 1, (const value_id[]){now, second}, old);
    edited(e)->out[k] = now;
    value_at(m, now)->producer = e->id;
    value_at(m, now)->output = k;
    VEC_PUSH(m->mem, e->follow, id);
}

void give_output(edit *e, uint32_t k, value_id from)
{
    const value_id out = edited(e)->out[k];
    edited(e)->out[k] = 0;
    VEC_PUSH(e->m->mem, e->follow, new_node(e, "Identity", NULL, IN(from), out));
}

void become(edit *e, const char *op, const attr *a, uint32_t n_in, const value_id *in)
{
    model *m = e->m;
    node *n = edited(e);
    n->op = intern(m->names, op);
    n->version = schema_newest("", op)->since;
    n->in = arena_copy(m->mem, in, n_in * sizeof *in);
    n->n_in = n_in;
    n->n_out = 1;
    n->n_attr = 0;
    if (a) node_set_attr(m, n, *a);
}

/* ---- constants ---- */

value_id const_of_tensor(edit *e, const char *role, const tensor *t)
{
    model *m = e->m;
    const value_id v = new_value(e, role);
    dim *shape = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(m->dims, t->shape[i]);
    value_at(m, v)->type = type_tensor(t->type, (int32_t)t->rank, shape);
    value_at(m, v)->data = t;
    VEC_PUSH(m->mem, graph_at(m, e->graph)->initializers, v);
    return v;
}

static void *tensor_bytes(const tensor *t)
{
    return (void *)(uintptr_t)t->data; /* new tensors own theirs */
}

value_id const_ints(edit *e, const char *role, uint32_t n, const int64_t *v)
{
    tensor *t = tensor_new(e->m->mem, ELEM_INT64, 1, (const int64_t[]){n});
    for (uint32_t i = 0; i < n; i++) elem_set_int(ELEM_INT64, tensor_bytes(t), i, v[i]);
    return const_of_tensor(e, role, t);
}

value_id const_floats(edit *e, const char *role, uint32_t n, const float *v)
{
    tensor *t = tensor_new(e->m->mem, ELEM_FLOAT, 1, (const int64_t[]){n});
    for (uint32_t i = 0; i < n; i++) elem_set_double(ELEM_FLOAT, tensor_bytes(t), i, (double)v[i]);
    return const_of_tensor(e, role, t);
}

value_id const_int(edit *e, const char *role, int64_t v)
{
    tensor *t = tensor_new(e->m->mem, ELEM_INT64, 0, (const int64_t[]){0});
    elem_set_int(ELEM_INT64, tensor_bytes(t), 0, v);
    return const_of_tensor(e, role, t);
}

value_id const_bool(edit *e, const char *role, bool v)
{
    tensor *t = tensor_new(e->m->mem, ELEM_BOOL, 0, (const int64_t[]){0});
    elem_set_int(ELEM_BOOL, tensor_bytes(t), 0, v);
    return const_of_tensor(e, role, t);
}

value_id const_like(edit *e, const char *role, float v, value_id x)
{
    const char kind = elem_of(elem_type_of(e, x))->kind;
    const elem known = kind == 's' || kind == 'c' || kind == '?' ? ELEM_NONE : elem_type_of(e, x);
    tensor *t = tensor_new(e->m->mem, known ? known : ELEM_FLOAT, 0, (const int64_t[]){0});
    elem_set_double(t->type, tensor_bytes(t), 0, (double)v);
    const value_id c = const_of_tensor(e, role, t);
    return known ? c : insert(e, "CastLike", NULL, IN(c, x));
}

static const char *const CONSTANT_LISTS[] = {"value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings"};

/* Attribute k of CONSTANT_LISTS as a tensor. */
static tensor *tensor_of_list(model *m, const attr *a, uint32_t k)
{
    const bool list = k & 1;
    const elem kind = k < 2 ? ELEM_FLOAT : k < 4 ? ELEM_INT64 : ELEM_STRING;
    tensor *t = ARENA_NEW(m->mem, tensor);
    if (kind != ELEM_STRING) t = tensor_new(m->mem, kind, list, (const int64_t[]){a->n});
    else *t = (tensor){.type = kind, .rank = list, .shape = arena_copy(m->mem, (const int64_t[]){a->n}, sizeof(int64_t))};
    const uint32_t count = list ? a->n : 1;
    if (kind == ELEM_STRING) t->strings = ARENA_ARRAY(m->mem, const char *, count);
    for (uint32_t i = 0; i < count; i++) {
        if (kind == ELEM_FLOAT) elem_set_double(kind, tensor_bytes(t), i, (double)(list ? a->u.floats[i] : a->u.f));
        else if (kind == ELEM_INT64) elem_set_int(kind, tensor_bytes(t), i, list ? a->u.ints[i] : a->u.i);
        else t->strings[i] = list ? a->u.strings[i] : a->u.s;
    }
    return t;
}

void dense_constant(edit *e)
{
    model *m = e->m;
    for (uint32_t k = 0; k < sizeof CONSTANT_LISTS / sizeof *CONSTANT_LISTS; k++) {
        const attr *a = node_attr(edited(e), CONSTANT_LISTS[k]);
        if (!a || a->ref) continue;
        tensor *t = tensor_of_list(m, a, k);
        node_drop_attr(edited(e), CONSTANT_LISTS[k]);
        node_set_attr(m, edited(e), (attr){.name = intern(m->names, "value"), .kind = ATTR_TENSOR, .u.t = t});
        return;
    }
}

/* ---- facts ---- */

static const tensor *data_of_constant(model *m, const node *n)
{
    const attr *a = node_attr(n, "value");
    if (a) return a->kind == ATTR_TENSOR && !a->ref ? a->u.t : NULL;
    for (uint32_t k = 0; k < sizeof CONSTANT_LISTS / sizeof *CONSTANT_LISTS; k++) {
        a = node_attr(n, CONSTANT_LISTS[k]);
        if (a && !a->ref) return tensor_of_list(m, a, k);
    }
    return NULL;
}

const tensor *data_of(edit *e, value_id v)
{
    if (!v) return NULL;
    const value *x = value_at(e->m, v);
    const tensor *t = x->data;
    if (!t && x->producer && node_is(node_at(e->m, x->producer), "", "Constant")) t = data_of_constant(e->m, node_at(e->m, x->producer));
    return t && elem_of(t->type)->kind != 's' && elem_of(t->type)->kind != 'c' && (t->data || !tensor_count(t)) ? t : NULL; /* a file beside the model may not be there */
}

int32_t rank_of(edit *e, value_id v)
{
    const tensor *t = data_of(e, v);
    if (t) return (int32_t)t->rank;
    const type *x = v ? &value_at(e->m, v)->type : NULL;
    return x && x->kind == TYPE_TENSOR ? x->rank : -1;
}

elem elem_type_of(edit *e, value_id v)
{
    const tensor *t = data_of(e, v);
    if (t) return t->type;
    const type *x = v ? &value_at(e->m, v)->type : NULL;
    return x && x->kind == TYPE_TENSOR ? x->elem : ELEM_NONE;
}

bool is_used(edit *e, value_id v)
{
    const model *m = e->m;
    for (uint32_t i = 1; i < m->nodes.n; i++)
        for (uint32_t k = 0; k < m->nodes.p[i].n_in && !m->nodes.p[i].dead; k++)
            if (m->nodes.p[i].in[k] == v) return true;
    for (uint32_t g = 1; g < m->graphs.n; g++)
        for (uint32_t k = 0; k < m->graphs.p[g]->outputs.n; k++)
            if (m->graphs.p[g]->outputs.p[k] == v) return true;
    return false;
}

/* ---- steps that several operators share ---- */

void ints_to_input(edit *e, const char *name, uint32_t i)
{
    uint32_t count;
    const int64_t *v = node_ints(edited(e), name, &count);
    const attr *given = node_attr(edited(e), name);
    if (given && given->ref) { /* the caller of the function has it */
        const attr list = {.name = intern(e->m->names, "value_ints"), .kind = ATTR_INTS, .ref = given->ref};
        set_input(e, i, insert(e, "Constant", &list, 0, NULL));
    } else if (count) set_input(e, i, const_ints(e, name, count, v));
    node_drop_attr(edited(e), name);
}

/* The same when a rank is not known: the shape is made at run time (and folds away once inference knows it). */
static value_id align_dynamic(edit *e, value_id a, value_id b, int64_t axis)
{
    const value_id shape_b = insert(e, "Shape", NULL, IN(b)), rank_b = insert(e, "Shape", NULL, IN(shape_b));
    const value_id from = const_ints(e, "axis", 1, &(int64_t){axis >= 0 ? axis : axis < -64 ? 64 : -axis}); /* no rank is beyond 64 */
    value_id room = from; /* axes of a from `axis` on */
    if (axis >= 0) {
        const value_id shape_a = insert(e, "Shape", NULL, IN(a)), rank_a = insert(e, "Shape", NULL, IN(shape_a));
        room = insert(e, "Sub", NULL, IN(rank_a, from));
    }
    const value_id missing = insert(e, "Sub", NULL, IN(room, rank_b)), zero = const_ints(e, "zero", 1, &(int64_t){0});
    const value_id count = insert(e, "Max", NULL, IN(missing, zero)), one = const_ints(e, "one", 1, &(int64_t){1});
    const value_id ones = insert(e, "Expand", NULL, IN(one, count));
    const attr first = attr_int(e->m, "axis", 0), allow = attr_int(e->m, "allowzero", 1);
    const value_id shape = insert(e, "Concat", &first, IN(shape_b, ones));
    return insert(e, "Reshape", &allow, IN(b, shape));
}

value_id align_to_axis(edit *e, value_id a, value_id b, int64_t axis)
{
    const int32_t ra = rank_of(e, a), rb = rank_of(e, b);
    if (ra < 0 || rb < 0) return align_dynamic(e, a, b, axis);
    if (axis < 0) axis += ra;
    const int64_t missing = ra - axis - rb;
    if (missing <= 0 || missing > ra) return b;
    int64_t *axes = ARENA_ARRAY(e->m->mem, int64_t, missing);
    for (int64_t i = 0; i < missing; i++) axes[i] = rb + i;
    return insert(e, "Unsqueeze", NULL, IN(b, const_ints(e, "axes", (uint32_t)missing, axes)));
}

/* ---- the other way ---- */

void drop_input(edit *e, uint32_t i)
{
    node *n = edited(e);
    if (i >= n->n_in) return;
    n->in[i] = 0;
    while (n->n_in && !n->in[n->n_in - 1]) n->n_in--;
}

const tensor *settled(edit *e, uint32_t i, const char *what)
{
    const value_id in = input_of(e, i);
    const tensor *t = data_of(e, in);
    if (t || !in || !value_at(e->m, in)->initial) return t;
    diag_warn(e->m->diag, at_node(e->m, edited(e)), "version-lower", "%s, '%s', is an input of the model; it is fixed to its initial value, since the older version wants an attribute", what,
              value_at(e->m, in)->name);
    return value_at(e->m, in)->initial;
}

bool input_ints(edit *e, uint32_t i, const char *what, const int64_t **v, uint32_t *count)
{
    const value_id in = input_of(e, i);
    const tensor *t = settled(e, i, what);
    *v = NULL;
    *count = 0;
    if (!in) return true;
    if (!t || elem_of(t->type)->kind == 'f') return version_error(e, "version-lower", "%s, '%s', is computed; the older version wants an attribute", what, value_at(e->m, in)->name);
    const uint32_t n = (uint32_t)tensor_count(t);
    int64_t *list = ARENA_ARRAY(e->m->mem, int64_t, n + 1);
    for (uint32_t k = 0; k < n; k++) list[k] = elem_get_int(t->type, t->data, k);
    *v = list;
    *count = n;
    return true;
}

bool input_to_ints(edit *e, uint32_t i, const char *name)
{
    const int64_t *v;
    uint32_t count;
    const value_id in = input_of(e, i);
    const node *from = in && value_at(e->m, in)->producer ? node_at(e->m, value_at(e->m, in)->producer) : NULL;
    const attr *list = from && node_is(from, "", "Constant") ? node_attr(from, "value_ints") : NULL;
    if (list && list->ref) { /* the caller of the function has it */
        node_set_attr(e->m, edited(e), (attr){.name = intern(e->m->names, name), .kind = ATTR_INTS, .ref = list->ref});
        drop_input(e, i);
        return true;
    }
    if (!input_ints(e, i, name, &v, &count)) return false;
    if (v) node_set_attr(e->m, edited(e), attr_ints(e->m, name, count, v));
    drop_input(e, i);
    return true;
}

bool version_error(edit *e, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *message = arena_vprintf(e->m->mem, fmt, ap);
    va_end(ap);
    return diag_error(e->m->diag, EXIT_UNSUPPORTED, at_node(e->m, edited(e)), code, "%s", message);
}
