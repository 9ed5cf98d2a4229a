/* algebra.c - values as formulas; see algebra.h. */
#include "passes/algebra.h"

#include <math.h>
#include <string.h>

#include "passes/forms.h"

enum { DEPTH = 8 }; /* nodes from a value down to x or t */

bool close_to(double a, double b)
{
    return fabs(a - b) <= 2e-6 * fmax(fabs(a), fabs(b)) + 1e-12;
}

/* ---- formulas ---- */

static bool multiply(const formula *a, const formula *b, formula *out)
{
    formula f = {0};
    for (int i = 0; i < FORMULA_T; i++)
        for (int k = 0; k < FORMULA_X; k++)
            for (int j = 0; j < FORMULA_T && a->c[i][k] != 0; j++)
                for (int l = 0; l < FORMULA_X; l++) {
                    if (b->c[j][l] == 0) continue;
                    if (i + j >= FORMULA_T || k + l >= FORMULA_X) return false;
                    f.c[i + j][k + l] += a->c[i][k] * b->c[j][l];
                }
    *out = f;
    return true;
}

static void add(formula *a, const formula *b, double factor)
{
    for (int i = 0; i < FORMULA_T; i++)
        for (int k = 0; k < FORMULA_X; k++) a->c[i][k] += factor * b->c[i][k];
}

static bool to_power(const formula *base, double exponent, formula *out)
{
    *out = (formula){.c = {{1}}};
    if (exponent != 1 && exponent != 2 && exponent != 3) return false;
    for (int i = 0; i < (int)exponent; i++)
        if (!multiply(out, base, out)) return false;
    return true;
}

typedef struct {
    rewrite *r;
    value_id x, t;
} terms;

static bool read_formula(const terms *s, value_id v, uint32_t depth, formula *f)
{
    double number;
    *f = (formula){0};
    if (v == s->x) return f->c[0][1] = 1, true;
    if (s->t && v == s->t) return f->c[1][0] = 1, true;
    if (scalar_constant(s->r->m, v, &number)) return f->c[0][0] = number, true;
    const node *n = depth ? rewrite_producer(s->r, v) : NULL;
    formula a, b;
    if (!n || *n->domain || !op_readable(n) || !n->n_in || !read_formula(s, n->in[0], depth - 1, &a)) return false;
    if (op_is(n, "Neg")) return add(f, &a, -1), true;
    if (n->n_in != 2 || !read_formula(s, n->in[1], depth - 1, &b)) return false;
    const double second = scalar_constant(s->r->m, n->in[1], &number) ? number : 0;
    if (op_is(n, "Mul")) return multiply(&a, &b, f);
    if (op_is(n, "Div") && second != 0) return add(f, &a, 1 / second), true;
    if (op_is(n, "Pow")) return to_power(&a, second, f);
    if (!op_is(n, "Add") && !op_is(n, "Sub")) return false;
    add(f, &a, 1);
    add(f, &b, op_is(n, "Add") ? 1 : -1);
    return true;
}

bool formula_of(rewrite *r, value_id v, value_id x, value_id t, formula *f)
{
    const terms s = {r, x, t};
    return read_formula(&s, v, DEPTH, f);
}

bool formula_is(const formula *f, const formula *want)
{
    for (int i = 0; i < FORMULA_T; i++)
        for (int k = 0; k < FORMULA_X; k++)
            if (!close_to(f->c[i][k], want->c[i][k])) return false;
    return true;
}

uint32_t formula_leaves(rewrite *r, value_id v, value_id *leaf, uint32_t most)
{
    static const char *const ARITHMETIC[] = {"Add", "Sub", "Mul", "Div", "Neg", "Pow"};
    uint32_t n_leaf = 0;
    leaf[n_leaf++] = v;
    for (uint32_t i = 0; i < n_leaf; i++) {
        const node *n = rewrite_producer(r, leaf[i]);
        bool arithmetic = false;
        for (size_t k = 0; n && k < sizeof ARITHMETIC / sizeof *ARITHMETIC; k++) arithmetic |= op_is(n, ARITHMETIC[k]);
        for (uint32_t k = 0; arithmetic && k < n->n_in && n_leaf < most; k++) {
            bool known = value_at(r->m, n->in[k])->data != NULL;
            for (uint32_t j = 0; j < n_leaf; j++) known |= leaf[j] == n->in[k];
            if (!known) leaf[n_leaf++] = n->in[k];
        }
    }
    return n_leaf;
}

/* ---- parts of norms ---- */

bool is_rsqrt(rewrite *r, value_id v, value_id *w)
{
    const node *n = rewrite_producer(r, v), *root = NULL;
    double number;
    if (!n) return false;
    if (op_is(n, "Pow") && scalar_constant(r->m, n->in[1], &number) && number == -0.5) return *w = n->in[0], true;
    if (op_is(n, "Reciprocal")) root = rewrite_producer_is(r, n->in[0], "Sqrt");
    if (op_is(n, "Div") && scalar_constant(r->m, n->in[0], &number) && number == 1) root = rewrite_producer_is(r, n->in[1], "Sqrt");
    if (root) *w = root->in[0];
    return root != NULL;
}

bool is_square(rewrite *r, value_id v, value_id *w)
{
    const node *n = rewrite_producer(r, v);
    double number;
    if (!n || n->n_in != 2) return false;
    *w = n->in[0];
    if (op_is(n, "Pow")) return scalar_constant(r->m, n->in[1], &number) && number == 2;
    return op_is(n, "Mul") && n->in[0] == n->in[1];
}

bool is_mean(rewrite *r, value_id v, value_id *w, int64_t *axis)
{
    model *m = r->m;
    const node *n = rewrite_producer_is(r, v, "ReduceMean");
    const type *t = n ? &value_at(m, n->in[0])->type : NULL;
    const int64_t *axes;
    uint32_t count;
    if (!n || node_int(n, "keepdims", 1) != 1 || t->kind != TYPE_TENSOR || t->rank < 1) return false;
    if (!list_param(m, n, "axes", 1, &axes, &count) || !axes || !count || count > (uint32_t)t->rank) return false;
    uint64_t mark = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t a = axes[i] < 0 ? axes[i] + t->rank : axes[i];
        if (a < 0 || a >= t->rank || a >= 64) return false;
        mark |= 1ull << a;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!(mark >> (t->rank - 1 - (int32_t)i) & 1)) return false;
    *w = n->in[0];
    *axis = t->rank - (int64_t)count;
    return true;
}

bool is_shifted(rewrite *r, value_id v, value_id *w, double *constant)
{
    const node *n = rewrite_producer_is(r, v, "Add");
    if (!n) return false;
    for (uint32_t i = 0; i < 2; i++)
        if (scalar_constant(r->m, n->in[i], constant)) return *w = n->in[1 - i], true;
    return false;
}
