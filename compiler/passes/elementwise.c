/* elementwise.c - pass `elementwise`: operators on single elements that say nothing, or what one says.
 *
 *     Mul(x, 1)  Div(x, 1)  Sub(x, 0)  Add(x, -0)  Pow(x, 1)      x
 *     Cast(Cast(x))                      Cast(x)           when the first one loses nothing
 *     Not(Not(x))                        x
 *     Where(Not(c), a, b)                Where(c, b, a)
 *     Relu(Relu(x))  Relu(Clip(x, 0, 6)) the first one
 *     Clip(Relu(x), 0, 6)                Clip(x, 0, 6)
 *
 * requires: types known. keeps: every bit (integers: also Add(x, 0)). breaks: nothing. */
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

static bool becomes_input(rewrite *r, node_id id, value_id x, bool *gone)
{
    const value_id out = node_at(r->m, id)->out[0];
    if (!same_value_type(r->m, x, out)) return false;
    *gone = rewrite_alias(r, out, x);
    return *gone;
}

/* All elements of a constant are this number, with its sign. */
static bool all_are(model *m, value_id v, double x)
{
    const tensor *t = constant_of(m, v);
    const int64_t n = t ? tensor_count(t) : 0;
    const char kind = t ? elem_of(t->type)->kind : ' ';
    if (!n || !strchr("fiu", kind)) return false;
    for (int64_t i = 0; i < n; i++) {
        const double e = kind == 'f' ? elem_get_double(t->type, t->data, (size_t)i) : (double)elem_get_int(t->type, t->data, (size_t)i);
        if (e != x || (kind == 'f' && __builtin_signbit(e) != __builtin_signbit(x))) return false;
    }
    return true;
}

static bool neutral(rewrite *r, node_id id, bool *gone)
{
    static const struct {
        const char *op;
        double right;
        bool left; /* also on the left */
    } OPS[] = {{"Mul", 1, true}, {"Div", 1, false}, {"Sub", 0, false}, {"Add", -0.0, true}, {"Pow", 1, false}};
    const node n = *node_at(r->m, id);
    for (size_t i = 0; i < sizeof OPS / sizeof *OPS && n.n_in == 2; i++) {
        if (!op_is(&n, OPS[i].op)) continue;
        if (all_are(r->m, n.in[1], OPS[i].right) && becomes_input(r, id, n.in[0], gone)) return true;
        return OPS[i].left && all_are(r->m, n.in[0], OPS[i].right) && becomes_input(r, id, n.in[1], gone);
    }
    return false;
}

/* Adding +0 changes the sign of -0, which integers do not have. */
static bool add_nothing(rewrite *r, node_id id, bool *gone)
{
    const node n = *node_at(r->m, id);
    const type *t = &value_at(r->m, n.out[0])->type;
    if (n.n_in != 2 || t->kind != TYPE_TENSOR || !t->elem || !strchr("iu", elem_of(t->elem)->kind)) return false;
    return (all_are(r->m, n.in[1], 0) && becomes_input(r, id, n.in[0], gone)) || (all_are(r->m, n.in[0], 0) && becomes_input(r, id, n.in[1], gone));
}

/* ---- Cast ---- */

/* Every value of `a` is one of `b`. */
static bool loses_nothing(elem a, elem b)
{
    const elem_info *x = elem_of(a), *y = elem_of(b);
    if (a == ELEM_BOOL) return strchr("fiu", y->kind) != NULL;
    if (x->kind == 'i' || x->kind == 'u') {
        const int digits = x->bits - (x->kind == 'i');
        if (y->kind == 'i') return digits <= y->bits - 1;
        if (y->kind == 'u') return x->kind == 'u' && digits <= y->bits;
        return b == ELEM_DOUBLE ? digits <= 53 : b == ELEM_FLOAT ? digits <= 24 : b == ELEM_FLOAT16 ? digits <= 11 : false;
    }
    if (a == ELEM_FLOAT16 || a == ELEM_BFLOAT16) return b == ELEM_FLOAT || b == ELEM_DOUBLE;
    return a == ELEM_FLOAT && b == ELEM_DOUBLE;
}

static bool join_casts(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *first = rewrite_producer_is(r, n->in[0], "Cast");
    if (!first) return false;
    const type *a = &value_at(m, first->in[0])->type, *b = &value_at(m, n->in[0])->type;
    if (a->kind != TYPE_TENSOR || b->kind != TYPE_TENSOR || !a->elem || !b->elem || a->elem == ELEM_STRING || b->elem == ELEM_STRING) return false;
    if (!loses_nothing(a->elem, b->elem)) return false;
    rewrite_set_input(r, id, 0, first->in[0]);
    return true;
}

/* ---- logic ---- */

static bool not_not(rewrite *r, node_id id, bool *gone)
{
    const node *first = rewrite_producer_is(r, node_at(r->m, id)->in[0], "Not");
    return first && becomes_input(r, id, first->in[0], gone);
}

static bool where_not(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    const node *n = node_at(r->m, id), *first = rewrite_producer_is(r, n->in[0], "Not");
    if (!first) return false;
    const value_id yes = n->in[1], no = n->in[2];
    rewrite_set_input(r, id, 0, first->in[0]);
    rewrite_set_input(r, id, 1, no);
    rewrite_set_input(r, id, 2, yes);
    return true;
}

/* ---- Relu and Clip ---- */

/* The lower bound of a Clip, -1 when it has none or one that is not known. */
static double lower_bound(model *m, const node *n)
{
    double lo = -1;
    if (n->version < 11) return (double)node_float(n, "min", -1);
    return scalar_constant(m, node_in(n, 1), &lo) ? lo : -1;
}

static bool relu_again(rewrite *r, node_id id, bool *gone)
{
    const value_id x = node_at(r->m, id)->in[0];
    const node *clip = rewrite_producer_is(r, x, "Clip");
    return (rewrite_producer_is(r, x, "Relu") || (clip && lower_bound(r->m, clip) >= 0)) && becomes_input(r, id, x, gone);
}

static bool clip_relu(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    const node *n = node_at(r->m, id), *relu = rewrite_producer_is(r, n->in[0], "Relu");
    if (!relu || !(lower_bound(r->m, n) >= 0)) return false;
    rewrite_set_input(r, id, 0, relu->in[0]);
    return true;
}

static const rule_row RULES[] = {
    {NULL, neutral},      {"Add", add_nothing}, {"Cast", join_casts}, {"Not", not_not},
    {"Where", where_not}, {"Relu", relu_again}, {"Clip", clip_relu},  {NULL, NULL},
};

void simplify_elementwise(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
