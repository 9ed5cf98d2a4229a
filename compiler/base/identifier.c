/* identifier.c - names from a model as C identifiers; see identifier.h. */
#include "base/identifier.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

bool c_keyword(const char *s)
{
    static const char *const WORDS[] = {
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float", "for", "goto", "if", "inline",
        "int", "long", "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
        "volatile", "while", "asm", "typeof", "bool", "true", "false", "nullptr",
        "alignas", "alignof", "and", "and_eq", "bitand", "bitor", "catch", "char8_t", "char16_t", "char32_t", "class", "co_await", "co_return", "co_yield",
        "compl", "concept", "const_cast", "consteval", "constexpr", "constinit", "decltype", "delete", "dynamic_cast", "explicit", "export", "friend",
        "mutable", "namespace", "new", "noexcept", "not", "not_eq", "operator", "or", "or_eq", "private", "protected", "public", "reinterpret_cast",
        "requires", "static_assert", "static_cast", "template", "this", "thread_local", "throw", "try", "typeid", "typename", "using", "virtual", "wchar_t",
        "xor", "xor_eq", "unix", "linux", "near", "far", "threadIdx", "blockIdx", "blockDim", "gridDim"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strcmp(WORDS[i], s)) return true;
    return false;
}

static bool reserved(const char *s)
{
    static const char *const WORDS[] = {"in", "out", "env", "arena", "at", "state", "main", "errno", "assert", "stdin", "stdout", "stderr", "complex"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (!strcmp(WORDS[i], s)) return true;
    const size_t n = strlen(s), upper = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (upper == n && (!strcmp(s, "NULL") || !strcmp(s, "NAN") || !strcmp(s, "EOF") || !strcmp(s, "INFINITY") || !strncmp(s, "HUGE_VAL", 8) ||
                       !strncmp(s, "FP_", 3) || !strncmp(s, "M_", 2) || (n > 4 && (!strcmp(s + n - 4, "_MAX") || !strcmp(s + n - 4, "_MIN")))))
        return true; /* macros of standard headers */
    return c_keyword(s);
}

const char *c_identifier(arena *mem, const char *name, const char *const *taken, uint32_t n)
{
    text t = {.mem = mem};
    for (const char *s = name; *s && t.n < 60; s++) {
        const unsigned char c = (unsigned char)*s;
        if (!t.n && isdigit(c)) text_add(&t, "v");
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
