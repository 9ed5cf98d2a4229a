/* lex.h - tokens of the onnx package's text form: characters, identifiers, literals, and errors with line and column. */
#ifndef ONNXCC_PROTO_LEX_H
#define ONNXCC_PROTO_LEX_H
#include "base/diag.h"

/* The text from `p` is still to be read. After an error `failed` is set and nothing matches any more. White space and # comments are skipped
 * before each token. */
typedef struct {
    arena *mem;
    diag *d;
    const char *p, *end;
    bool failed;
    const char *known; /* a place whose line and column are known: those of `p` are counted from there */
    uint32_t line, column;
} lexer;

typedef struct {
    char *s; /* terminated */
    size_t n;
} lex_text;

typedef struct {
    bool is_int;
    const char *digits; /* the literal's text, terminated */
} lex_number;

lexer lex_begin(arena *mem, diag *d, const char *source);
void lex_place(lexer *l, uint32_t *line, uint32_t *column); /* of the next token, from 1; places asked for never go back */

/* Reports at the current place; only the first error counts. Returns false. */
bool lex_fail(lexer *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

char lex_peek(lexer *l); /* the next character, 0 at the end */
bool lex_take(lexer *l, char c);
bool lex_want(lexer *l, char c); /* an error when it is not there */
bool lex_want_arrow(lexer *l);   /* => */

/* An identifier ([A-Za-z_][A-Za-z0-9_]*): peeked at (NULL: there is none), or wanted. */
const char *lex_peek_word(lexer *l);
char *lex_word(lexer *l, const char *what);
/* An identifier or a quoted string. */
bool lex_at_name(lexer *l);
char *lex_name(lexer *l, const char *what);
bool lex_string(lexer *l, lex_text *out);

bool lex_at_number(lexer *l); /* digits, a sign, or one of inf, infinity, nan */
bool lex_literal(lexer *l, lex_number *out);
bool lex_int(lexer *l, int64_t lo, int64_t hi, int64_t *out);
/* Values of a literal; false after reporting when it does not fit. */
bool lex_to_int(lexer *l, const lex_number *x, int64_t lo, int64_t hi, int64_t *out);
bool lex_to_uint(lexer *l, const lex_number *x, uint64_t hi, uint64_t *out);
float lex_to_float(const lex_number *x);
double lex_to_double(const lex_number *x);
#endif
