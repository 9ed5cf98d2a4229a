/* names.c - text from a model, made harmless: identifiers, comments, string literals. */
#include <ctype.h>
#include <string.h>

#include "emit/emit.h"

static bool reserved(const char *s)
{
    static const char *const WORDS[] = {
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float", "for", "goto", "if",
        "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
        "unsigned", "void", "volatile", "while", "class", "new", "delete", "this", "template", "operator", "private", "public", "protected",
        "namespace", "bool", "true", "false", "in", "out", "env", "arena", "at", "state", "main", "asm", "typeof", "and", "or", "not", "xor"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strcmp(WORDS[i], s)) return true;
    return false;
}

const char *c_identifier(arena *mem, const char *name, const char *const *taken, uint32_t n)
{
    text t = {.mem = mem};
    if (!*name || isdigit((unsigned char)*name)) text_add(&t, "v");
    for (const char *s = name; *s && t.n < 60; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c < 128 && isalnum(c)) text_addn(&t, s, 1);
        else if (t.n && t.p[t.n - 1] != '_') text_add(&t, "_");
    }
    while (t.n > 1 && t.p[t.n - 1] == '_') t.p[--t.n] = 0;
    if (!t.n || t.p[0] == '_') {
        t = (text){.mem = mem};
        text_addf(&t, "v%u", n);
    }
    if (reserved(t.p)) text_add(&t, "_");
    const char *base = t.p;
    for (uint32_t k = 2, i = 0; i < n; i++) {
        if (strcmp(taken[i], t.p)) continue;
        t = (text){.mem = mem};
        text_addf(&t, "%s_%u", base, k++);
        i = UINT32_MAX; /* start over */
    }
    return t.p;
}

const char *comment_text(arena *mem, const char *s)
{
    text t = {.mem = mem};
    text_add(&t, "");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) text_add(&t, " ");
        else if (c == '\\' || c == '?' || (c == '/' && t.n && t.p[t.n - 1] == '*') || (c == '*' && t.n && t.p[t.n - 1] == '/')) text_add(&t, "_");
        else text_addn(&t, s, 1);
    }
    return t.p;
}

void string_literal(text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') text_addf(t, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f || c == '?') text_addf(t, "\\%03o", c);
        else text_addn(t, s, 1);
    }
    text_add(t, "\"");
}

bool opset_repeats(const model *m, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (!strcmp(m->opsets.p[k].domain, m->opsets.p[i].domain)) return true;
    return false;
}
