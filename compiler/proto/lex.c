/* lex.c - tokens of the text form; see lex.h. Source: docs/Syntax.md of the onnx package. */
#include "proto/lex.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

lexer lex_begin(arena *mem, diag *d, const char *source)
{
    return (lexer){.mem = mem, .d = d, .p = source, .end = source + strlen(source), .known = source, .line = 1, .column = 1};
}

static void count_lines(lexer *l)
{
    for (; l->known < l->p; l->known++) {
        l->column++;
        if (*l->known == '\n') {
            l->line++;
            l->column = 1;
        }
    }
}

bool lex_fail(lexer *l, const char *fmt, ...)
{
    if (l->failed) return false;
    l->failed = true;
    count_lines(l);
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(l->d->mem, fmt, ap);
    va_end(ap);
    return diag_error(l->d, EXIT_INVALID, arena_printf(l->d->mem, "%u:%u", l->line, l->column), "syntax", "%s", what);
}

static void skip_space(lexer *l)
{
    for (; l->p < l->end; l->p++) {
        if (*l->p == '#')
            while (l->p < l->end && *l->p != '\n') l->p++;
        if (l->p == l->end || !strchr(" \t\r\n\v\f", *l->p) || !*l->p) return;
    }
}

void lex_place(lexer *l, uint32_t *line, uint32_t *column)
{
    skip_space(l);
    count_lines(l);
    *line = l->line;
    *column = l->column;
}

char lex_peek(lexer *l)
{
    skip_space(l);
    return l->p < l->end && !l->failed ? *l->p : 0;
}

bool lex_take(lexer *l, char c)
{
    if (lex_peek(l) != c || !c) return false;
    l->p++;
    return true;
}

/* What stands here, for messages. */
static const char *here(lexer *l)
{
    const char c = lex_peek(l);
    if (!c) return "the end of the text";
    if (c < ' ' || c > '~') return "a strange character";
    const char *word = lex_peek_word(l);
    return word ? arena_printf(l->d->mem, "'%s'", word) : arena_printf(l->d->mem, "'%c'", c);
}

bool lex_want(lexer *l, char c)
{
    return lex_take(l, c) || lex_fail(l, "expected '%c' but found %s", c, here(l));
}

bool lex_want_arrow(lexer *l)
{
    if (lex_peek(l) != '=' || l->p + 1 == l->end || l->p[1] != '>') return lex_fail(l, "expected '=>' but found %s", here(l));
    l->p += 2;
    return true;
}

/* ---- names ---- */

static size_t word_length(lexer *l)
{
    if (!is_letter(lex_peek(l))) return 0;
    size_t n = 1;
    while (l->p + n < l->end && (is_letter(l->p[n]) || is_digit(l->p[n]))) n++;
    return n;
}

const char *lex_peek_word(lexer *l)
{
    const size_t n = word_length(l);
    return n ? arena_strndup(l->mem, l->p, n) : NULL;
}

char *lex_word(lexer *l, const char *what)
{
    const size_t n = word_length(l);
    if (!n) {
        lex_fail(l, "expected %s but found %s", what, here(l));
        return NULL;
    }
    l->p += n;
    return arena_strndup(l->mem, l->p - n, n);
}

bool lex_string(lexer *l, lex_text *out)
{
    if (lex_peek(l) != '"') return lex_fail(l, "expected a string but found %s", here(l));
    const char *p = l->p + 1;
    while (p < l->end && *p != '"') p += *p == '\\' && p + 1 < l->end ? 2 : 1;
    if (p >= l->end) return lex_fail(l, "the string that starts here has no end");
    char *s = arena_alloc(l->mem, (size_t)(p - l->p));
    size_t n = 0;
    for (const char *q = l->p + 1; q < p; q++) {
        if (*q == '\\') q++;
        s[n++] = *q;
    }
    l->p = p + 1;
    *out = (lex_text){s, n};
    return true;
}

bool lex_at_name(lexer *l)
{
    return lex_peek(l) == '"' || is_letter(lex_peek(l));
}

char *lex_name(lexer *l, const char *what)
{
    if (lex_peek(l) != '"') return lex_word(l, what);
    lex_text s;
    return lex_string(l, &s) ? s.s : NULL;
}

/* ---- numbers ---- */

static size_t special_length(const char *p, const char *end)
{
    static const char *const SPECIAL[] = {"infinity", "inf", "nan"};
    for (size_t i = 0; i < 3; i++) {
        const size_t n = strlen(SPECIAL[i]);
        if ((size_t)(end - p) < n || strncasecmp(p, SPECIAL[i], n)) continue;
        if (p + n == end || !(is_letter(p[n]) || is_digit(p[n]))) return n;
    }
    return 0;
}

bool lex_at_number(lexer *l)
{
    const char c = lex_peek(l);
    return is_digit(c) || c == '-' || (c && special_length(l->p, l->end));
}

bool lex_literal(lexer *l, lex_number *out)
{
    lex_peek(l);
    const char *p = l->p;
    out->is_int = true;
    if (p < l->end && *p == '-') p++;
    const size_t special = special_length(p, l->end);
    if (special) {
        p += special;
        out->is_int = false;
    } else {
        if (l->failed || p == l->end || !is_digit(*p)) return lex_fail(l, "expected a number but found %s", here(l));
        while (p < l->end && is_digit(*p)) p++;
        if (p < l->end && *p == '.') {
            out->is_int = false;
            for (p++; p < l->end && is_digit(*p);) p++;
        }
        if (p < l->end && (*p == 'e' || *p == 'E')) {
            out->is_int = false;
            p++;
            if (p < l->end && (*p == '+' || *p == '-')) p++;
            while (p < l->end && is_digit(*p)) p++;
        }
    }
    out->digits = arena_strndup(l->mem, l->p, (size_t)(p - l->p));
    l->p = p;
    return true;
}

bool lex_to_int(lexer *l, const lex_number *x, int64_t lo, int64_t hi, int64_t *out)
{
    if (!x->is_int) return lex_fail(l, "expected an integer but found %s", x->digits);
    errno = 0;
    *out = strtoll(x->digits, NULL, 10);
    if (!errno && *out >= lo && *out <= hi) return true;
    return lex_fail(l, "%s is not between %" PRId64 " and %" PRId64, x->digits, lo, hi);
}

bool lex_to_uint(lexer *l, const lex_number *x, uint64_t hi, uint64_t *out)
{
    if (!x->is_int) return lex_fail(l, "expected an integer but found %s", x->digits);
    errno = 0;
    *out = strtoull(x->digits, NULL, 10);
    if (!errno && x->digits[0] != '-' && *out <= hi) return true;
    return lex_fail(l, "%s is not between 0 and %" PRIu64, x->digits, hi);
}

float lex_to_float(const lex_number *x)
{
    return strtof(x->digits, NULL);
}

double lex_to_double(const lex_number *x)
{
    return strtod(x->digits, NULL);
}

bool lex_int(lexer *l, int64_t lo, int64_t hi, int64_t *out)
{
    lex_number x;
    return lex_literal(l, &x) && lex_to_int(l, &x, lo, hi, out);
}
