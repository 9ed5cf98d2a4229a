/* names.c - text from a model, made harmless: comments, string literals (identifiers: base/identifier.h). */
#include <string.h>

#include "emit/emit.h"

const char *comment_text(arena *mem, const char *s)
{
    text t = {.mem = mem};
    text_add(&t, "");
    for (size_t unseen; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if ((unseen = text_unseen(s)) > 0) {
            text_add(&t, " ");
            s += unseen - 1;
        } else if (c == '\\' || c == '?' || (c == '/' && t.n && t.p[t.n - 1] == '*') || (c == '*' && t.n && t.p[t.n - 1] == '/')) text_add(&t, "_");
        else text_addn(&t, s, 1);
    }
    return t.p;
}

/* Longer than what C99 promises for a literal: the elements of an array. */
static void long_literal(text *t, const char *s)
{
    text_add(t, "(const char[]){");
    for (uint32_t i = 0; *s; s++, i++) {
        const unsigned char c = (unsigned char)*s;
        text_addf(t, c < 0x80 ? "%u," : "'\\%03o',", c);
        if (i % 32 == 31) text_add(t, "\n");
    }
    text_add(t, "0}");
}

void string_literal(text *t, const char *s)
{
    if (strlen(s) > 4095) {
        long_literal(t, s);
        return;
    }
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
