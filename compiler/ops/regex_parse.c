/* regex_parse.c - see regex_parse.h. Recursive descent: alternatives of sequences of repeated atoms. Source: RE2's page on syntax. */
#include "ops/regex_parse.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 200, MOST_REPEAT = 1000 };

typedef struct {
    arena *mem;
    const char *p;
    int depth;
    bool fold, dot_all; /* flags i, s */
    regex_result result;
    const char *why;
} parser;

static regex_node *give_up(parser *r, regex_result result, const char *why)
{
    if (r->result == REGEX_OK) r->result = result, r->why = why;
    return NULL;
}

static regex_node *make(parser *r, regex_kind kind, regex_node *a, regex_node *b)
{
    regex_node *n = ARENA_NEW(r->mem, regex_node);
    *n = (regex_node){.kind = kind, .a = a, .b = b};
    return n;
}

/* ---- sets of code points ---- */

static void set_add(parser *r, rune_set *s, uint32_t lo, uint32_t hi)
{
    VEC_PUSH(r->mem, *s, ((rune_range){lo, hi}));
}

static int by_start(const void *a, const void *b)
{
    const rune_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void set_sort(rune_set *s)
{
    uint32_t n = 0;
    if (s->n > 1) qsort(s->p, s->n, sizeof *s->p, by_start);
    for (uint32_t i = 0; i < s->n; i++) {
        if (n && s->p[i].lo <= s->p[n - 1].hi + 1) {
            if (s->p[i].hi > s->p[n - 1].hi) s->p[n - 1].hi = s->p[i].hi;
        } else s->p[n++] = s->p[i];
    }
    s->n = n;
}

static rune_set set_not(parser *r, rune_set *s)
{
    rune_set out = {0};
    uint32_t from = 0;
    set_sort(s);
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->p[i].lo > from) set_add(r, &out, from, s->p[i].lo - 1);
        from = s->p[i].hi + 1;
    }
    if (from <= RX_LAST_RUNE) set_add(r, &out, from, RX_LAST_RUNE);
    return out;
}

static bool set_has(const rune_set *s, uint32_t c)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->p[i].lo <= c && c <= s->p[i].hi) return true;
    return false;
}

/* Flag i: both cases of each ASCII letter. */
static bool set_fold(parser *r, rune_set *s)
{
    const rune_set given = *s;
    for (uint32_t i = 0; i < given.n; i++)
        if (given.p[i].hi > 0x7f && given.p[i].hi < RX_LAST_RUNE) return give_up(r, REGEX_UNSUPPORTED, "(?i) with letters that are not ASCII") != NULL;
    bool has[26];
    for (uint32_t k = 0; k < 26; k++) has[k] = set_has(s, 'a' + k) || set_has(s, 'A' + k);
    for (uint32_t k = 0; k < 26; k++) {
        if (!has[k]) continue;
        set_add(r, s, 'a' + k, 'a' + k);
        set_add(r, s, 'A' + k, 'A' + k);
    }
    if (has['s' - 'a']) set_add(r, s, 0x17f, 0x17f);
    if (has['k' - 'a']) set_add(r, s, 0x212a, 0x212a);
    return true;
}

static regex_node *set_node(parser *r, rune_set s, bool negated)
{
    if (r->fold && !set_fold(r, &s)) return NULL;
    regex_node *n = make(r, RX_SET, NULL, NULL);
    n->set = negated ? set_not(r, &s) : s;
    set_sort(&n->set);
    return n;
}

/* ---- characters ---- */

/* The next code point of the pattern; false at an error. */
static bool rune(parser *r, uint32_t *out)
{
    const unsigned char *s = (const unsigned char *)r->p;
    const int more = *s < 0x80 ? 0 : *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0 ? 1 : -1;
    if (more < 0 || *s > 0xf4) return give_up(r, REGEX_INVALID, "it is not UTF-8") != NULL;
    *out = more ? *s & (0x3fu >> more) : *s;
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) return give_up(r, REGEX_INVALID, "it is not UTF-8") != NULL;
        *out = *out << 6 | (s[i] & 0x3f);
    }
    r->p += more + 1;
    return true;
}

static bool hex(parser *r, uint32_t *out)
{
    const bool braces = *r->p == '{';
    const char *s = r->p + braces;
    int n = 0;
    for (*out = 0; n < (braces ? 6 : 2) && strspn(s + n, "0123456789abcdefABCDEF"); n++) {
        const char c = s[n];
        *out = *out * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (n == 0 || (braces && s[n] != '}') || (!braces && n != 2) || *out > RX_LAST_RUNE) return give_up(r, REGEX_INVALID, "a wrong \\x") != NULL;
    r->p = s + n + braces;
    return true;
}

/* \d \s \w and their opposites; false: it is none of them. */
static bool class_letter(parser *r, char c, rune_set *s)
{
    rune_set own = {0};
    switch (c | 32) {
    case 'd': set_add(r, &own, '0', '9'); break;
    case 's':
        set_add(r, &own, '\t', '\n');
        set_add(r, &own, '\f', '\r');
        set_add(r, &own, ' ', ' ');
        break;
    case 'w':
        set_add(r, &own, '0', '9');
        set_add(r, &own, 'A', 'Z');
        set_add(r, &own, '_', '_');
        set_add(r, &own, 'a', 'z');
        break;
    default: return false;
    }
    if (c < 'a') own = set_not(r, &own);
    for (uint32_t i = 0; i < own.n; i++) set_add(r, s, own.p[i].lo, own.p[i].hi);
    return true;
}

/* What follows a backslash, as one character. */
static bool escaped(parser *r, uint32_t *out)
{
    static const char LETTERS[] = "afnrtv", MEANT[] = "\a\f\n\r\t\v";
    const char c = *r->p;
    const char *at = c ? strchr(LETTERS, c) : NULL;
    if (!c) return give_up(r, REGEX_INVALID, "a backslash at the end") != NULL;
    if ((unsigned char)c >= 0x80) return rune(r, out);
    r->p++;
    if (c == 'x') return hex(r, out);
    if (at) *out = (unsigned char)MEANT[at - LETTERS];
    else if (c >= '0' && c <= '7' && (c == '0' || (r->p[0] >= '0' && r->p[0] <= '7'))) { /* octal */
        *out = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *r->p >= '0' && *r->p <= '7'; i++) *out = *out * 8 + (uint32_t)(*r->p++ - '0');
    } else if (strchr("bBCpPX", c)) return give_up(r, REGEX_UNSUPPORTED, "\\C, \\p, \\P, and \\b in []") != NULL;
    else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return give_up(r, REGEX_INVALID, "an unknown escape") != NULL;
    else *out = (unsigned char)c;
    return true;
}

/* [:alpha:] and the like, r->p behind the colon. */
static bool named_class(parser *r, rune_set *s)
{
    static const struct {
        const char *name;
        const char *ranges; /* pairs */
    } CLASS[] = {{"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"blank", "\t\t  "}, {"digit", "09"}, {"graph", "!~"}, {"lower", "az"}, {"print", " ~"},
                 {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"}, {"word", "09AZaz__"}, {"xdigit", "09AFaf"}, {"cntrl", "\x01\x1f\x7f\x7f"}, {"ascii", "\x01\x7f"}};
    const bool negated = *r->p == '^';
    const char *name = r->p + negated;
    for (size_t i = 0; i < sizeof CLASS / sizeof *CLASS; i++) {
        const size_t n = strlen(CLASS[i].name);
        if (strncmp(name, CLASS[i].name, n) || name[n] != ':' || name[n + 1] != ']') continue;
        rune_set own = {0};
        for (const char *c = CLASS[i].ranges; *c; c += 2) set_add(r, &own, (unsigned char)c[0], (unsigned char)c[1]);
        if (*CLASS[i].name == 'c' || !strcmp(CLASS[i].name, "ascii")) set_add(r, &own, 0, 0);
        if (negated) own = set_not(r, &own);
        for (uint32_t k = 0; k < own.n; k++) set_add(r, s, own.p[k].lo, own.p[k].hi);
        r->p = name + n + 2;
        return true;
    }
    return give_up(r, REGEX_INVALID, "an unknown class of characters") != NULL;
}

static bool set_member(parser *r, uint32_t *out)
{
    if (*r->p != '\\') return rune(r, out);
    r->p++;
    return escaped(r, out);
}

static regex_node *parse_set(parser *r)
{
    rune_set s = {0};
    const bool negated = *r->p == '^';
    r->p += negated;
    for (bool first = true; first || *r->p != ']'; first = false) {
        uint32_t lo, hi;
        if (!*r->p) return give_up(r, REGEX_INVALID, "a [ without ]");
        if (r->p[0] == '[' && r->p[1] == ':') {
            r->p += 2;
            if (!named_class(r, &s)) return NULL;
            continue;
        }
        if (r->p[0] == '\\' && r->p[1] && class_letter(r, r->p[1], &s)) {
            r->p += 2;
            continue;
        }
        if (!set_member(r, &lo)) return NULL;
        hi = lo;
        if (r->p[0] == '-' && r->p[1] && r->p[1] != ']') {
            r->p++;
            if (!set_member(r, &hi)) return NULL;
            if (hi < lo) return give_up(r, REGEX_INVALID, "a range in [] goes backwards");
        }
        set_add(r, &s, lo, hi);
    }
    r->p++;
    return set_node(r, s, negated);
}

static regex_node *one_rune(parser *r, uint32_t c)
{
    rune_set s = {0};
    set_add(r, &s, c, c);
    return set_node(r, s, false);
}

/* ---- structure ---- */

static regex_node *parse_alternatives(parser *r);

/* Behind "(?": a name, or flags. *flags_only: it is (?i), which holds to the end of the group around it. */
static bool group_head(parser *r, bool *flags_only)
{
    *flags_only = false;
    if (r->p[0] == '<' || (r->p[0] == 'P' && r->p[1] == '<')) {
        const char *end = strchr(r->p, '>');
        if (!end || r->p[1] == '=' || r->p[1] == '!') return give_up(r, REGEX_INVALID, "a wrong name of a group") != NULL;
        r->p = end + 1;
        return true;
    }
    bool on = true;
    for (;; r->p++) {
        switch (*r->p) {
        case '-': on = false; break;
        case 'i': r->fold = on; break;
        case 's': r->dot_all = on; break;
        case 'm':
        case 'U':
            if (on) return give_up(r, REGEX_UNSUPPORTED, "(?m) and (?U)") != NULL;
            break;
        case ':':
        case ')': *flags_only = *r->p++ == ')'; return true;
        default: return give_up(r, REGEX_INVALID, "an unknown kind of group") != NULL;
        }
    }
}

static regex_node *parse_group(parser *r)
{
    const bool fold = r->fold, dot_all = r->dot_all;
    bool flags_only = false;
    if (*r->p == '?') {
        r->p++;
        if (!group_head(r, &flags_only)) return NULL;
        if (flags_only) return make(r, RX_EMPTY, NULL, NULL);
    }
    if (++r->depth > MOST_DEPTH) return give_up(r, REGEX_UNSUPPORTED, "groups nested so deeply");
    regex_node *n = parse_alternatives(r);
    r->depth--;
    if (!n) return NULL;
    if (*r->p != ')') return give_up(r, REGEX_INVALID, "a ( without )");
    r->p++;
    r->fold = fold;
    r->dot_all = dot_all;
    return n;
}

/* \Q...\E: as it stands. */
static regex_node *parse_quoted(parser *r)
{
    regex_node *all = make(r, RX_EMPTY, NULL, NULL);
    while (*r->p && strncmp(r->p, "\\E", 2)) {
        uint32_t c;
        if (!rune(r, &c)) return NULL;
        regex_node *one = one_rune(r, c);
        if (!one) return NULL;
        all = make(r, RX_CAT, all, one);
    }
    if (*r->p) r->p += 2;
    return all;
}

static regex_node *parse_backslash(parser *r)
{
    rune_set s = {0};
    uint32_t c;
    if (*r->p == 'A') return r->p++, make(r, RX_BEGIN, NULL, NULL);
    if (*r->p == 'z') return r->p++, make(r, RX_END, NULL, NULL);
    if (*r->p == 'b') return r->p++, make(r, RX_BOUNDARY, NULL, NULL);
    if (*r->p == 'B') return r->p++, make(r, RX_INSIDE, NULL, NULL);
    if (*r->p == 'Q') return r->p++, parse_quoted(r);
    if (*r->p && class_letter(r, *r->p, &s)) return r->p++, set_node(r, s, false);
    return escaped(r, &c) ? one_rune(r, c) : NULL;
}

static regex_node *parse_atom(parser *r)
{
    rune_set s = {0};
    uint32_t c;
    switch (*r->p) {
    case '(': return r->p++, parse_group(r);
    case '[': return r->p++, parse_set(r);
    case '\\': return r->p++, parse_backslash(r);
    case '^': return r->p++, make(r, RX_BEGIN, NULL, NULL);
    case '$': return r->p++, make(r, RX_END, NULL, NULL);
    case '*':
    case '+':
    case '?': return give_up(r, REGEX_INVALID, "nothing to repeat");
    case '.': {
        r->p++;
        if (!r->dot_all) set_add(r, &s, '\n', '\n');
        regex_node *n = make(r, RX_SET, NULL, NULL);
        n->set = set_not(r, &s);
        return n;
    }
    default: return rune(r, &c) ? one_rune(r, c) : NULL;
    }
}

/* {n}, {n,}, {n,m}; false: it is not of that form, and stands for itself. */
static bool parse_counts(const char **p, int *least, int *most)
{
    const char *s = *p + 1;
    char *end;
    if (*s < '0' || *s > '9') return false;
    *least = *most = (int)strtol(s, &end, 10);
    if (*end == ',') {
        s = end + 1;
        *most = RX_NO_LIMIT;
        end = (char *)(uintptr_t)s;
        if (*s >= '0' && *s <= '9') *most = (int)strtol(s, &end, 10);
    }
    if (*end != '}') return false;
    *p = end + 1;
    return true;
}

static regex_node *parse_repeated(parser *r)
{
    regex_node *n = parse_atom(r);
    for (int times = 0; n; times++) {
        int least = 0, most = RX_NO_LIMIT;
        if (*r->p == '*') r->p++;
        else if (*r->p == '+') least = 1, r->p++;
        else if (*r->p == '?') most = 1, r->p++;
        else if (*r->p != '{' || !parse_counts(&r->p, &least, &most)) break;
        if (times) return give_up(r, REGEX_INVALID, "a repetition of a repetition");
        if (least > MOST_REPEAT || most > MOST_REPEAT || (most >= 0 && most < least)) return give_up(r, REGEX_INVALID, "a wrong number of repetitions");
        if (*r->p == '?') r->p++; /* lazy */
        n = make(r, RX_REPEAT, n, NULL);
        n->least = least;
        n->most = most;
    }
    return n;
}

static regex_node *parse_alternatives(parser *r)
{
    regex_node *all = NULL;
    for (;;) {
        regex_node *one = make(r, RX_EMPTY, NULL, NULL);
        while (*r->p && *r->p != '|' && *r->p != ')') {
            regex_node *next = parse_repeated(r);
            if (!next) return NULL;
            one = make(r, RX_CAT, one, next);
        }
        all = all ? make(r, RX_ALT, all, one) : one;
        if (*r->p != '|') return all;
        r->p++;
    }
}

regex_node *regex_parse(arena *mem, const char *pattern, regex_result *result, const char **why)
{
    parser r = {.mem = mem, .p = pattern};
    regex_node *n = parse_alternatives(&r);
    if (n && *r.p) n = give_up(&r, REGEX_INVALID, "a ) without (");
    *result = r.result;
    *why = r.why;
    return n;
}
