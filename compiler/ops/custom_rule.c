/* custom_rule.c - rules of descriptions: shapes, bytes and costs as expressions; see custom.h.
 *
 *     rule  = item {"," item}
 *     item  = INPUT | INPUT "[" [k] ":" [k] "]" | INTS | expression        all sizes of an input, some of them, all numbers of an attribute
 *     expression over + - * / % ( ), numbers, INT, INTS "[" k "]", INPUT "[" k "]" and the functions below; / rounds down
 *
 * In: the text, a node with typed inputs. Out: dims. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ops/custom.h"

enum { DEPTH = 100 };

typedef struct {
    arena *mem;
    model *m; /* NULL: the rule is only read */
    const node *n;
    const custom_op *op;
    const char *s;
    const char *why; /* the first mistake */
    int depth;
} reader;

static dim wrong(reader *r, const char *why)
{
    if (!r->why) r->why = why;
    return 0;
}

static void skip_blank(reader *r)
{
    while (isspace((unsigned char)*r->s)) r->s++;
}

static bool take(reader *r, char c)
{
    skip_blank(r);
    if (*r->s != c) return false;
    r->s++;
    return true;
}

static bool need(reader *r, char c)
{
    if (take(r, c)) return true;
    wrong(r, arena_printf(r->mem, "'%c' is expected at '%.20s'", c, r->s));
    return false;
}

static const char *take_name(reader *r)
{
    skip_blank(r);
    const char *from = r->s;
    if (!isalpha((unsigned char)*from) && *from != '_') return NULL;
    while (isalnum((unsigned char)*r->s) || *r->s == '_') r->s++;
    return arena_strndup(r->mem, from, (size_t)(r->s - from));
}

static bool take_number(reader *r, int64_t *v)
{
    skip_blank(r);
    char *end;
    if (!isdigit((unsigned char)*r->s)) return false;
    *v = strtoll(r->s, &end, 10);
    r->s = end;
    return true;
}

/* ---- names ---- */

static int32_t find_input(const custom_op *op, const char *name)
{
    for (uint32_t i = 0; i < op->n_in; i++)
        if (!strcmp(op->in[i].name, name)) return (int32_t)i;
    return -1;
}

static const attr *find_attr(const reader *r, const char *name)
{
    for (uint32_t i = 0; i < r->op->n_attr; i++) {
        const attr *described = &r->op->attr[i].otherwise, *given = r->n ? node_attr(r->n, name) : NULL;
        if (!strcmp(described->name, name)) return given ? given : described;
    }
    return NULL;
}

static const type *input_type(const reader *r, int32_t i)
{
    const value_id v = r->m ? node_in(r->n, (uint32_t)i) : 0;
    return v ? &value_at(r->m, v)->type : NULL;
}

static int64_t rank_of(const reader *r, int32_t i)
{
    const type *t = input_type(r, i);
    return t ? t->rank : 0;
}

static dim number(reader *r, int64_t v)
{
    return r->m ? dim_const(r->m->dims, v) : 0;
}

/* Size k of an input, negative from the end; 0 of one that is not there. */
static dim size_of(reader *r, int32_t input, int64_t k)
{
    const type *t = input_type(r, input);
    if (!t) return number(r, 0);
    if (k < 0) k += t->rank;
    if (k >= 0 && k < t->rank) return t->shape[k];
    return wrong(r, arena_printf(r->mem, "'%s' has %d dimensions", r->op->in[input].name, t->rank));
}

static dim element_of(reader *r, const attr *a, int64_t k)
{
    if (!r->m) return 0;
    if (k < 0) k += a->n;
    return k >= 0 && k < a->n ? number(r, a->u.ints[k]) : wrong(r, arena_printf(r->mem, "'%s' has %u numbers", a->name, a->n));
}

static bool take_index(reader *r, int64_t *k)
{
    const bool negative = take(r, '-');
    if (!take_number(r, k)) return false;
    if (negative) *k = -*k;
    return true;
}

/* ---- expressions ---- */

static dim expression(reader *r);

static dim divided(reader *r, dim a, dim b, char how)
{
    if (!r->m || r->why) return 0;
    dims *d = r->m->dims;
    if (dim_range(d, b).lo < 1) return wrong(r, "the divisor may be less than 1");
    return how == '%' ? dim_mod(d, a, b) : how == '/' ? dim_fdiv(d, a, b) : dim_cdiv(d, a, b);
}

/* rank(INPUT), has(INPUT), count(INPUT) elements, count(INTS) */
static dim of_name(reader *r, const char *what)
{
    const char *name = take_name(r);
    const int32_t i = name ? find_input(r->op, name) : -1;
    const attr *a = name ? find_attr(r, name) : NULL;
    const type *t = i >= 0 ? input_type(r, i) : NULL;
    if (!strcmp(what, "count") && a && (a->kind == ATTR_INTS || a->kind == ATTR_FLOATS || a->kind == ATTR_STRINGS)) return number(r, a->n);
    if (i < 0) return wrong(r, arena_printf(r->mem, "%s() wants the name of an input%s", what, strcmp(what, "count") ? "" : " or of a list"));
    if (!strcmp(what, "rank")) return number(r, rank_of(r, i));
    if (!strcmp(what, "has")) return number(r, t != NULL);
    return t ? dim_product(r->m->dims, t->shape, (uint32_t)t->rank) : number(r, 0);
}

static dim of_two(reader *r, const char *what)
{
    const dim a = expression(r);
    if (!need(r, ',')) return 0;
    const dim b = expression(r);
    if (!strcmp(what, "ceil_div")) return divided(r, a, b, 'c');
    if (!r->m || r->why) return 0;
    return !strcmp(what, "min") ? dim_min(r->m->dims, a, b) : dim_max(r->m->dims, a, b);
}

static bool in_words(const char *name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(words[i], name)) return true;
    return false;
}

static dim called(reader *r, const char *name)
{
    static const char *const ONE[] = {"rank", "has", "count"}, *const TWO[] = {"min", "max", "ceil_div"};
    dim v;
    if (in_words(name, ONE, 3)) v = of_name(r, name);
    else if (in_words(name, TWO, 3)) v = of_two(r, name);
    else return wrong(r, arena_printf(r->mem, "there is no function '%s'; there are rank, has, count, min, max and ceil_div", name));
    need(r, ')');
    return v;
}

static dim named(reader *r, const char *name)
{
    int64_t k;
    if (take(r, '(')) return called(r, name);
    const int32_t i = find_input(r->op, name);
    const attr *a = find_attr(r, name);
    if (i < 0 && !a) return wrong(r, arena_printf(r->mem, "'%s' is no input and no attribute", name));
    if (a && a->kind == ATTR_INT) return number(r, a->u.i);
    if (a && a->kind != ATTR_INTS) return wrong(r, arena_printf(r->mem, "attribute '%s' is no integer", name));
    if (!take(r, '[')) return wrong(r, arena_printf(r->mem, "'%s' stands for several numbers: one of them is '%s[0]'", name, name));
    if (!take_index(r, &k)) return wrong(r, "a number is expected behind '['");
    if (!need(r, ']')) return 0;
    return i >= 0 ? size_of(r, i, k) : element_of(r, a, k);
}

static dim primary(reader *r)
{
    int64_t v;
    if (take_number(r, &v)) return number(r, v);
    const char *name = take_name(r);
    if (name) return named(r, name);
    if (take(r, '-')) {
        const dim a = primary(r);
        return r->m && !r->why ? dim_mulc(r->m->dims, a, -1) : 0;
    }
    if (!take(r, '(')) return wrong(r, *r->s ? arena_printf(r->mem, "an expression is expected at '%.20s'", r->s) : "an expression is missing at the end");
    if (++r->depth > DEPTH) return wrong(r, "the expression is nested too deeply");
    const dim a = expression(r);
    r->depth--;
    need(r, ')');
    return a;
}

static dim product(reader *r)
{
    dim a = primary(r);
    for (;;) {
        skip_blank(r);
        const char op = *r->s;
        if (r->why || (op != '*' && op != '/' && op != '%')) return a;
        r->s++;
        const dim b = primary(r);
        if (op != '*') a = divided(r, a, b, op);
        else if (r->m && !r->why) a = dim_mul(r->m->dims, a, b);
    }
}

static dim expression(reader *r)
{
    dim a = product(r);
    for (;;) {
        skip_blank(r);
        const char op = *r->s;
        if (r->why || (op != '+' && op != '-')) return a;
        r->s++;
        const dim b = product(r);
        if (r->m && !r->why) a = op == '+' ? dim_add(r->m->dims, a, b) : dim_sub(r->m->dims, a, b);
    }
}

/* ---- lists ---- */

typedef struct {
    dim *out;
    uint32_t n;
} values;

static void add(reader *r, values *v, dim d)
{
    if (v->n == MAX_RANK) wrong(r, arena_printf(r->mem, "more than %d numbers", MAX_RANK));
    else if (!r->why) v->out[v->n++] = d;
}

/* INPUT, INPUT[k:k] or INTS as a whole item; false: it is something else, and nothing was taken. */
static bool several(reader *r, values *v)
{
    const char *from = r->s, *name = take_name(r);
    const int32_t i = name ? find_input(r->op, name) : -1;
    const attr *a = name ? find_attr(r, name) : NULL;
    int64_t lo = 0, hi = i >= 0 ? rank_of(r, i) : a && a->kind == ATTR_INTS ? a->n : 0, k;
    const int64_t n = hi;
    bool whole = i >= 0 || (a && a->kind == ATTR_INTS);
    if (whole && take(r, '[')) {
        if (take_index(r, &k)) lo = k < 0 ? k + n : k;
        whole = take(r, ':');
        if (whole && take_index(r, &k)) hi = k < 0 ? k + n : k;
        whole = whole && take(r, ']');
    }
    skip_blank(r);
    if (!whole || (*r->s && *r->s != ',')) {
        r->s = from;
        return false;
    }
    if (lo < 0) lo = 0;
    for (k = lo; r->m && k < hi && k < n; k++) add(r, v, i >= 0 ? size_of(r, i, k) : element_of(r, a, k));
    return true;
}

bool custom_rule(arena *mem, model *m, const node *n, const custom_op *op, const char *rule, dim *out, uint32_t *count, const char **why)
{
    reader r = {.mem = mem, .m = m, .n = m ? n : NULL, .op = op, .s = rule};
    values v = {.out = out};
    skip_blank(&r);
    for (bool more = *r.s != 0; more && !r.why;) {
        skip_blank(&r);
        if (!several(&r, &v)) add(&r, &v, expression(&r));
        more = take(&r, ',');
    }
    skip_blank(&r);
    if (*r.s) wrong(&r, arena_printf(mem, "'%.20s' is not understood", r.s));
    if (m && !r.why && dims_overflowed(m->dims)) wrong(&r, "a number does not fit 64 bits");
    *count = v.n;
    *why = r.why;
    return !r.why;
}
