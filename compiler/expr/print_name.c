/* print_name.c - the words of printed C: identifiers made from tensor names, literals, index arithmetic. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/identifier.h"
#include "expr/print.h"

enum { INDENT = 4, NAME_MAX_LENGTH = 40 };

void printer_init(printer *w, program *p, const print_options *o, text *out)
{
    *w = (printer){.p = p, .x = p->ex, .t = p->dims, .o = o, .mem = arena_new(), .out = out};
}

void printer_end(printer *w)
{
    arena_free(w->mem);
}

void line(printer *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *s = arena_vprintf(w->mem, fmt, ap);
    va_end(ap);
    if (*s == '}') w->indent--;
    text_addf(w->out, "%*s%s\n", *s ? w->indent * INDENT : 0, "", s);
    const size_t n = strlen(s);
    if (n && s[n - 1] == '{') w->indent++;
}

/* ---- identifiers ---- */

static bool is_reserved(const char *s)
{
    static const char *const words[] = {"lo", "hi", "vf", "vi", "env", "arena", "in", "out", "acc", "fail"};
    static const char *const prefixes[] = {"sf_", "sd_", "si_", "su_", "sl_", "sw_", "vf_", "vi_", "f16_", "bf16_", "ONNXCC", "e4m3", "e5m2", "e2m1", "e8m0"};
    if (c_keyword(s)) return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(s, words[i])) return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(s, prefixes[i], strlen(prefixes[i]))) return true;
    const size_t digits = strspn(s + 1, "0123456789");
    if (strchr("ijklmnauve", s[0]) && !s[1 + digits]) return true; /* loops, accumulators, temporaries */
    const size_t n = strlen(s), upper = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    return (upper == n && n > 2) || (n > 2 && !strcmp(s + n - 2, "_t")); /* macros, types */
}

static bool is_taken(const printer *w, const char *s)
{
    for (uint32_t i = 0; i < w->taken.n; i++)
        if (!strcmp(w->taken.p[i], s)) return true;
    return false;
}

const char *fresh_name(printer *w, const char *like)
{
    char s[NAME_MAX_LENGTH + 8];
    size_t n = 0;
    const size_t length = strlen(like);
    if (length > NAME_MAX_LENGTH) like += length - NAME_MAX_LENGTH; /* the end says most: /layer1/block0/conv/Conv_output_0 */
    for (const char *c = like; *c; c++) {
        const bool word = isalnum((unsigned char)*c) && (unsigned char)*c < 128;
        if (word) s[n++] = *c;
        else if (n && s[n - 1] != '_') s[n++] = '_';
    }
    while (n && s[n - 1] == '_') n--;
    s[n] = 0;
    const char *name = !n ? "t" : isdigit((unsigned char)s[0]) ? arena_printf(w->mem, "t%s", s) : arena_printf(w->mem, "%s", s);
    if (is_reserved(name)) name = arena_printf(w->mem, "%s_", name);
    const char *unique = name;
    for (int i = 2; is_taken(w, unique); i++) unique = arena_printf(w->mem, "%s_%d", name, i);
    VEC_PUSH(w->mem, w->taken, unique);
    return unique;
}

const char *loop_name(printer *w)
{
    const uint32_t n = w->loops++;
    return n < 4 ? arena_printf(w->mem, "%c", "ijkl"[n]) : arena_printf(w->mem, "%c%u", "ijkl"[n % 4], n / 4 + 1);
}

/* True when the text binds tighter than any operator: a word, a number, a call, an element. */
static bool is_tight(const char *s)
{
    int depth = 0;
    if (*s == '-' || *s == '!' || *s == '~') return false;
    if (*s == '(') { /* a cast or a parenthesis: tight only when the parenthesis closes at the very end */
        for (const char *c = s; *c; c++) {
            depth += *c == '(';
            depth -= *c == ')';
            if (!depth) return !c[1];
        }
    }
    for (; *s; s++) {
        depth += *s == '(' || *s == '[';
        depth -= *s == ')' || *s == ']';
        if (!depth && (*s == ' ' || *s == '*' || *s == '/')) return false;
    }
    return true;
}

const char *paren(printer *w, const char *s)
{
    return is_tight(s) ? s : arena_printf(w->mem, "(%s)", s);
}

/* ---- types and literals ---- */

const char *ctype_name(ctype t)
{
    static const char *const of_type[] = {[CT_BOOL] = "int32_t", [CT_I32] = "int32_t", [CT_U32] = "uint32_t", [CT_I64] = "int64_t",
                                        [CT_U64] = "uint64_t", [CT_F32] = "float",   [CT_F64] = "double", [CT_STR] = "onnxcc_string"};
    return of_type[t];
}

char ctype_letter(ctype t)
{
    static const char letters[] = {[CT_BOOL] = 'i', [CT_I32] = 'i', [CT_U32] = 'u', [CT_I64] = 'l', [CT_U64] = 'w', [CT_F32] = 'f', [CT_F64] = 'd', [CT_STR] = 't'};
    return letters[t];
}

const char *int_text(printer *w, int64_t v)
{
    if (v == INT64_MIN) return "INT64_MIN";
    if (v == INT32_MIN) return "INT32_MIN";
    if (v > INT32_MAX || v < INT32_MIN) return arena_printf(w->mem, "%sINT64_C(%lld)", v < 0 ? "-" : "", (long long)(v < 0 ? -v : v));
    return arena_printf(w->mem, "%lld", (long long)v);
}

/* The shortest decimal that reads back as the same number. */
const char *float_text(printer *w, double v, bool is_float)
{
    char s[40];
    if (isnan(v)) return is_float ? "NAN" : "(double)NAN";
    if (isinf(v)) return v < 0 ? is_float ? "-INFINITY" : "-(double)INFINITY" : is_float ? "INFINITY" : "(double)INFINITY";
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (is_float ? strtof(s, NULL) == (float)v : strtod(s, NULL) == v) break;
    }
    const bool point = strpbrk(s, ".e") != NULL;
    return arena_printf(w->mem, "%s%s%s", s, point ? "" : ".0", is_float ? "f" : "");
}

const char *literal(printer *w, ctype t, const ex_node *n)
{
    switch (t) {
    case CT_F32: return float_text(w, n->f, true);
    case CT_F64: return float_text(w, n->f, false);
    case CT_U32: return arena_printf(w->mem, "%lluu", (unsigned long long)(uint32_t)n->i);
    case CT_U64: return arena_printf(w->mem, "UINT64_C(%llu)", (unsigned long long)n->i);
    default: return int_text(w, n->i);
    }
}

/* ---- index arithmetic ---- */

const char *axis_name(const printer *w, dim axis)
{
    return axis < w->axis.n ? w->axis.p[axis] : NULL;
}

void axis_bind(printer *w, dim axis, const char *name)
{
    if (axis >= w->axis.n) {
        const uint32_t n = axis + axis / 2 + 1024;
        const char **old = w->axis.p;
        w->axis.p = ARENA_ARRAY(w->mem, const char *, n);
        if (old) memcpy(w->axis.p, old, sizeof *old * w->axis.n);
        w->axis.n = n;
    }
    w->axis.p[axis] = name;
}

static const char *symbol_text(printer *w, dim d)
{
    const char *s = axis_name(w, d);
    if (s) return s;
    return dim_kind_of(w->t, d) == DIM_SYMBOL ? dim_name(w->t, d) : "axis_without_loop";
}

static const char *atom_str(printer *w, dim d)
{
    const dim_kind kind = dim_kind_of(w->t, d);
    if (kind == DIM_SYMBOL || kind == DIM_AXIS) return symbol_text(w, d);
    const dim *arg = dim_args(w->t, d);
    const char *a = dim_str(w, arg[0]), *b = dim_str(w, arg[1]);
    switch (kind) {
    case DIM_FDIV:
        if (!dim_ge0(w->t, arg[0])) return arena_printf(w->mem, "sl_fdiv(%s, %s)", a, b);
        return arena_printf(w->mem, "(%s / %s)", paren(w, a), paren(w, b));
    case DIM_MOD:
        if (!dim_ge0(w->t, arg[0])) return arena_printf(w->mem, "sl_fmod(%s, %s)", a, b);
        return arena_printf(w->mem, "(%s %% %s)", paren(w, a), paren(w, b));
    case DIM_MIN: return arena_printf(w->mem, "s%c_min(%s, %s)", w->wide ? 'l' : 'i', a, b);
    case DIM_MAX: return arena_printf(w->mem, "s%c_max(%s, %s)", w->wide ? 'l' : 'i', a, b);
    case DIM_SELECT:
        return arena_printf(w->mem, "(%s < %s ? %s : %s)", paren(w, a), paren(w, b), paren(w, dim_str(w, arg[2])), paren(w, dim_str(w, arg[3])));
    default: return "?";
    }
}

/* |coefficient| * atoms, without its sign. */
static const char *term_str(printer *w, const dim_term *t)
{
    const int64_t c = t->coef < 0 ? -t->coef : t->coef;
    const char *s = c == 1 ? "" : arena_printf(w->mem, "%s*", int_text(w, c));
    for (uint32_t i = 0; i < t->n_atoms; i++) s = arena_printf(w->mem, "%s%s%s", s, i ? "*" : "", atom_str(w, t->atom[i]));
    return s;
}

static bool term_before(const dim_term *a, const dim_term *b)
{
    if ((a->coef < 0) != (b->coef < 0)) return b->coef < 0;
    if (a->n_atoms != b->n_atoms) return a->n_atoms > b->n_atoms;
    return a->coef > 0 ? a->coef > b->coef : a->coef < b->coef;
}

const char *dim_str(printer *w, dim d)
{
    int64_t c;
    if (dim_is_const(w->t, d, &c)) return int_text(w, c);
    if (dim_kind_of(w->t, d) != DIM_POLY) return atom_str(w, d);
    const dim_term *term;
    uint32_t n;
    c = dim_poly(w->t, d, &term, &n);
    const char *s = "";
    uint32_t order[64], count = n < 64 ? n : 64;
    for (uint32_t i = 0; i < count; i++) { /* positive terms first (no leading minus where it can be avoided), outer ones before inner ones */
        uint32_t j = i;
        for (; j > 0 && term_before(&term[i], &term[order[j - 1]]); j--) order[j] = order[j - 1];
        order[j] = i;
    }
    for (uint32_t i = 0; i < n; i++) {
        const dim_term *t = &term[i < count ? order[i] : i];
        const char *sign = *s ? t->coef < 0 ? " - " : " + " : t->coef < 0 ? "-" : "";
        s = arena_printf(w->mem, "%s%s%s", s, sign, term_str(w, t));
    }
    if (c > 0) return arena_printf(w->mem, "%s + %s", s, int_text(w, c));
    if (c == INT64_MIN) return arena_printf(w->mem, "%s + INT64_MIN", s);
    return c < 0 ? arena_printf(w->mem, "%s - %s", s, int_text(w, -c)) : s;
}

static bool in32(int64_t lo, int64_t hi)
{
    return lo >= -INT32_MAX && hi <= INT32_MAX;
}

static bool atom_fits32(printer *w, dim d)
{
    const dim_kind kind = dim_kind_of(w->t, d);
    const interval r = dim_range(w->t, d);
    if (kind == DIM_SYMBOL || !in32(r.lo, r.hi)) return false;
    if (kind == DIM_AXIS) return true;
    const dim *arg = dim_args(w->t, d);
    if ((kind == DIM_FDIV || kind == DIM_MOD) && !dim_ge0(w->t, arg[0])) return false; /* the helper is 64-bit */
    for (uint32_t i = 0; i < (kind == DIM_SELECT ? 4u : 2u); i++)
        if (!dim_fits32(w, arg[i])) return false;
    return true;
}

static int64_t magnitude(int64_t v)
{
    return v >= 0 ? v : v == INT64_MIN ? INT64_MAX : -v;
}

bool dim_fits32(printer *w, dim d)
{
    int64_t c;
    if (dim_is_const(w->t, d, &c)) return in32(c, c);
    if (dim_kind_of(w->t, d) != DIM_POLY) return atom_fits32(w, d);
    const dim_term *term;
    uint32_t n;
    c = dim_poly(w->t, d, &term, &n);
    int64_t sum = magnitude(c); /* of magnitudes, so that every order of adding is safe */
    for (uint32_t i = 0; i < n; i++) {
        int64_t size = magnitude(term[i].coef);
        for (uint32_t j = 0; j < term[i].n_atoms; j++) {
            if (!atom_fits32(w, term[i].atom[j])) return false;
            const interval r = dim_range(w->t, term[i].atom[j]);
            const int64_t lo = magnitude(r.lo), hi = magnitude(r.hi);
            size = sat_mul(size, lo > hi ? lo : hi);
        }
        sum = sat_add(sum, size);
    }
    return in32(0, sum);
}
