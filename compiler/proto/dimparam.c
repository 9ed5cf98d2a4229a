/* dimparam.c - a small expression parser for dim_param; see dimparam.h.
 * Grammar: sum = ['-'] product {('+' | '-') product}; product = operand {('*' | '//') operand}; operand = number | name | name '(' sum {',' sum} ')' | '(' sum ')'. */
#include "proto/dimparam.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAX_DEPTH = 32 };

typedef struct {
    dims *t;
    arena *a;
    const char *p;
    uint32_t depth;
    bool bad;
} reader;

static dim sum(reader *r);

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == ':' || (unsigned char)c >= 0x80;
}

static bool take(reader *r, const char *s)
{
    while (*r->p == ' ') r->p++;
    const size_t n = strlen(s);
    if (strncmp(r->p, s, n)) return false;
    r->p += n;
    return true;
}

static dim fail(reader *r)
{
    r->bad = true;
    return dim_const(r->t, 0);
}

/* A function with its name and the opening bracket already read; the names are those of dim_text() and of Python exporters. */
static dim call(reader *r, const char *name)
{
    dim arg[4] = {0};
    uint32_t n = 0;
    do {
        if (n == 4) return fail(r);
        arg[n++] = sum(r);
    } while (take(r, ","));
    if (!take(r, ")") || r->bad) return fail(r);
    const bool divides = n == 2 && dim_range(r->t, arg[1]).lo > 0;
    if (n == 2 && !strcasecmp(name, "min")) return dim_min(r->t, arg[0], arg[1]);
    if (n == 2 && !strcasecmp(name, "max")) return dim_max(r->t, arg[0], arg[1]);
    if (divides && !strcasecmp(name, "mod")) return dim_mod(r->t, arg[0], arg[1]);
    if (divides && !strcmp(name, "fdiv")) return dim_fdiv(r->t, arg[0], arg[1]);
    if (n == 4 && !strcmp(name, "select")) return dim_select(r->t, arg[0], arg[1], arg[2], arg[3]);
    return fail(r);
}

static dim operand(reader *r)
{
    if (r->bad || ++r->depth > MAX_DEPTH) return fail(r);
    dim d;
    if (take(r, "(")) {
        d = sum(r);
        if (!take(r, ")")) d = fail(r);
    } else if (isdigit((unsigned char)*r->p)) {
        int64_t v = 0;
        for (; isdigit((unsigned char)*r->p); r->p++)
            if (!mul_i64(v, 10, &v) || !add_i64(v, *r->p - '0', &v)) return fail(r);
        d = name_char(*r->p) ? fail(r) : dim_const(r->t, v);
    } else {
        const char *start = r->p;
        while (name_char(*r->p)) r->p++;
        if (r->p == start) return fail(r);
        const char *name = arena_strndup(r->a, start, (size_t)(r->p - start));
        d = take(r, "(") ? call(r, name) : dim_symbol(r->t, name, 1, INT64_MAX);
    }
    r->depth--;
    return d;
}

static dim product(reader *r)
{
    dim d = operand(r);
    while (!r->bad) {
        if (take(r, "//")) {
            const dim by = operand(r);
            if (r->bad || dim_range(r->t, by).lo <= 0) return fail(r);
            d = dim_fdiv(r->t, d, by);
        } else if (take(r, "*")) {
            d = *r->p == '*' ? fail(r) : dim_mul(r->t, d, operand(r));
        } else break;
    }
    return d;
}

static dim sum(reader *r)
{
    dim d = take(r, "-") ? dim_mulc(r->t, product(r), -1) : product(r);
    while (!r->bad) {
        if (take(r, "+")) d = dim_add(r->t, d, product(r));
        else if (take(r, "-")) d = dim_sub(r->t, d, product(r));
        else break;
    }
    return d;
}

/* An expression has an operator or a bracket between operands; a plain name never gets that far. */
static bool looks_composed(const char *s)
{
    bool operators = false;
    for (; *s; s++) {
        if (strchr("+-*/(),", *s)) operators = true;
        else if (*s != ' ' && !name_char(*s)) return false;
    }
    return operators;
}

dim dim_of_param(dims *t, arena *a, const char *param)
{
    if (looks_composed(param)) {
        reader r = {.t = t, .a = a, .p = param};
        const dim d = sum(&r);
        while (*r.p == ' ') r.p++;
        const bool overflow = dims_overflowed(t), too_long = dims_too_long(t) || dim_length(t, d) > DIM_LONG;
        /* "batch-size" is a name, not a difference: what could be negative is no size. */
        if (!r.bad && !*r.p && !overflow && !too_long && !dim_is_const(t, d, NULL) && dim_range(t, d).lo >= 0) return d;
    }
    return dim_symbol(t, param, 1, INT64_MAX);
}
