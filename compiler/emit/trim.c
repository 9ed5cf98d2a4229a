/* trim.c - see trim.h.
 *
 * What a header has to look like (templates/simd does): every declaration and directive begins in the first column; a macro that defines functions
 * is used by a line NAME(arguments) without a semicolon; comments stand before what they are about, a line of dashes opens a section.
 *
 * The header is cut into pieces, each a declaration, a macro or an #include in a branch of nested conditions. Kept is what the users name, what that
 * names in turn, and the conditions around it. */
#include "emit/trim.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 8, MAX_DEPTH = 16 };

/* #if, #elif or #else of a chain. */
typedef struct {
    uint32_t parent; /* the branch around it; 0: none */
    const char *condition; /* NULL: #else */
    int decided;     /* 1 and 0: true and false whatever the compiler; -1: it decides */
    bool keep;
    uint32_t first; /* of its chain */
    const char *guard; /* the macro that keeps the header from being read twice, where the condition is that */
} branch;

typedef struct {
    const char *text; /* with the comment before it and a line end */
    const char *name; /* that it defines; NULL: kept always */
    uint32_t branch;
    uint32_t section; /* the heading before it, as a piece; 0: none */
    bool keep, heading;
} piece;

typedef struct {
    const char *name;
    uint32_t piece;
} entry;

typedef struct {
    const char *name, *body, *comment;
    const char *param[MAX_PARAMS];
    uint32_t n;
} macro;

typedef struct {
    arena *mem;
    int vl;
    VEC(piece) pieces; /* [0] is unused */
    VEC(branch) branches;
    VEC(macro) macros;
    entry *index; /* named pieces in order of their names */
    uint32_t n_index;
    VEC(uint32_t) waiting; /* kept pieces whose words have not been looked at */
    uint32_t inside;  /* the branch that is open */
    uint32_t section;
    const char *comment; /* waits for its declaration */
} trimmer;

/* ---- reading ---- */

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t word_length(const char *s)
{
    size_t n = 0;
    while (word_char(s[n])) n++;
    return n;
}

static bool same_word(const char *a, const char *b)
{
    const size_t n = word_length(a);
    return n == word_length(b) && !memcmp(a, b, n);
}

/* The next identifier at or after *s outside comments and literals; its length, 0 at the end. */
static size_t next_word(const char **s)
{
    const char *p = *s;
    while (*p) {
        if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else if (*p == '"' || *p == '\'') {
            const char quote = *p++;
            while (*p && *p != quote) p += *p == '\\' && p[1] ? 2 : 1;
            if (*p) p++;
        } else if (isdigit((unsigned char)*p)) {
            while (word_char(*p) || *p == '.') p++;
        } else if (word_char(*p)) {
            *s = p;
            return word_length(p);
        } else p++;
    }
    *s = p;
    return 0;
}

static const char *line_end(const char *s)
{
    const char *end = strchr(s, '\n');
    return end ? end + 1 : s + strlen(s);
}

/* Where a directive ends: backslashes continue it. */
static const char *directive_end(const char *s)
{
    const char *end = line_end(s);
    while (end - s > 1 && end[-1] == '\n' && end[-2] == '\\') end = line_end(end);
    return end;
}

static bool calls(const char *s)
{
    const size_t n = word_length(s);
    return n && s[n] == '(';
}

/* Where a declaration ends: outside all brackets, at the end of a line after ; or } - of a call, after ). */
static const char *declaration_end(const char *s)
{
    const bool call = calls(s);
    int depth = 0;
    char last = 0;
    for (const char *p = s; *p; p++) {
        if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            if (!end) return p + strlen(p);
            p = end + 1;
            continue;
        }
        if (*p == '(' || *p == '{' || *p == '[') depth++;
        if (*p == ')' || *p == '}' || *p == ']') depth--;
        if (*p == '\n' && !depth && (last == ';' || last == '}' || (call && last == ')'))) return p + 1;
        if (!isspace((unsigned char)*p)) last = *p;
    }
    return s + strlen(s);
}

/* Of a type the last word before ; or an attribute, of a function the word before its parameters, of an array the word before [ or =. */
static const char *declared_name(arena *mem, const char *s)
{
    const bool type = !strncmp(s, "typedef", 7);
    const char *at = s, *last = NULL;
    size_t n, last_n = 0;
    while ((n = next_word(&at)) != 0) {
        const char *after = at + n;
        if (same_word(at, "__attribute__")) {
            if (type) break;
            at = after;
            continue;
        }
        last = at;
        last_n = n;
        while (*after == ' ') after++;
        if (!type && (*after == '(' || *after == '[' || *after == '=')) break;
        at += n;
    }
    return last ? arena_strndup(mem, last, last_n) : NULL;
}

static void add_piece(trimmer *t, const char *s, const char *name)
{
    const char *comment = t->comment ? t->comment : "";
    VEC_PUSH(t->mem, t->pieces, ((piece){.text = arena_printf(t->mem, "%s%s", comment, s), .name = name, .branch = t->inside, .section = t->section}));
    t->comment = NULL;
}

/* ---- macros ---- */

static macro *macro_named(trimmer *t, const char *s, size_t n)
{
    for (uint32_t i = t->macros.n; i-- > 0;)
        if (strlen(t->macros.p[i].name) == n && !memcmp(t->macros.p[i].name, s, n)) return &t->macros.p[i];
    return NULL;
}

/* The body as lines of its own: without the backslashes, and without the indentation that all lines but the first have. */
static const char *macro_body(arena *mem, const char *s, const char *end)
{
    text body = {.mem = mem};
    text_add(&body, "");
    while (s < end && (*s == ' ' || *s == '\\' || *s == '\n')) s++;
    while (s < end) {
        const char *eol = line_end(s) > end ? end : line_end(s), *stop = eol;
        while (stop > s && (stop[-1] == '\n' || stop[-1] == '\\' || stop[-1] == ' ')) stop--;
        text_addn(&body, s, (size_t)(stop - s));
        text_add(&body, "\n");
        s = eol;
        for (int i = 0; i < 4 && s < end && *s == ' '; i++) s++;
    }
    return body.p;
}

/* Splits "a, b)" at commas; returns what stands behind the bracket. */
static const char *split_list(arena *mem, const char *s, const char **item, uint32_t *n)
{
    int depth = 0;
    const char *start = s;
    *n = 0;
    for (;; s++) {
        if (*s == '(') depth++;
        const bool end = !*s || (*s == ')' && !depth);
        if (*s == ')') depth--;
        if (!end && (*s != ',' || depth)) continue;
        while (*start == ' ') start++;
        if (*n < MAX_PARAMS) item[(*n)++] = arena_strndup(mem, start, (size_t)(s - start));
        start = s + 1;
        if (end) return *s ? s + 1 : s;
    }
}

static void note_macro(trimmer *t, const char *s, const char *end)
{
    const size_t n = word_length(s);
    if (s[n] != '(') return;
    macro m = {.name = arena_strndup(t->mem, s, n), .comment = t->comment};
    const char *body = split_list(t->mem, s + n + 1, m.param, &m.n);
    m.body = macro_body(t->mem, body, end);
    VEC_PUSH(t->mem, t->macros, m);
}

/* The body with the arguments in the parameters' places, pasted where ## says so; *behind is what follows the call. */
static const char *expanded(trimmer *t, const macro *m, const char *arguments, const char **behind)
{
    const char *value[MAX_PARAMS];
    uint32_t n;
    text out = {.mem = t->mem};
    *behind = split_list(t->mem, arguments, value, &n);
    for (const char *s = m->body; *s;) {
        if (s[0] == '#' && s[1] == '#') {
            s += 2;
            continue;
        }
        const size_t k = word_length(s);
        uint32_t i = 0;
        while (k && i < m->n && i < n && (strlen(m->param[i]) != k || memcmp(m->param[i], s, k))) i++;
        if (k && i < m->n && i < n) text_add(&out, value[i]);
        else text_addn(&out, s, k ? k : 1);
        s += k ? k : 1;
    }
    return out.p ? out.p : "";
}

/* ---- conditions ---- */

/* VL == N, VL > N: 1 or 0; -1: something else. */
static int decide_term(const trimmer *t, const char *s)
{
    int n;
    char op[3];
    if (sscanf(s, " VL %2[=<>!] %d", op, &n) != 2) return -1;
    return !strcmp(op, "==") ? t->vl == n : !strcmp(op, "!=") ? t->vl != n : !strcmp(op, ">") ? t->vl > n : !strcmp(op, "<") ? t->vl < n : -1;
}

/* Terms joined by && of which one is false, or all are true. */
static int decide(const trimmer *t, const char *condition)
{
    if (strstr(condition, "||")) return -1;
    int all = 1;
    for (const char *s = condition; s; s = strstr(s, "&&") ? strstr(s, "&&") + 2 : NULL) {
        const int term = decide_term(t, s);
        if (term == 0) return 0;
        if (term < 0) all = -1;
    }
    return all;
}

static void open_branch(trimmer *t, branch b)
{
    VEC_PUSH(t->mem, t->branches, b);
    t->inside = t->branches.n - 1;
}

/* #ifdef or #ifndef of `rest`. VL is defined. A guard, whose next line defines it, is not yet. */
static void open_defined(trimmer *t, const char *line, const char *rest, bool not)
{
    const char *next = line_end(line);
    const bool guard = not && !strncmp(next, "#define ", 8) && same_word(next + 8, rest), vl = same_word(rest, "VL");
    const char *condition = arena_printf(t->mem, "%sdefined(%.*s)\n", not ? "!" : "", (int)word_length(rest), rest);
    open_branch(t, (branch){.parent = t->inside, .condition = condition, .decided = guard ? 1 : vl ? !not : -1, .first = t->branches.n,
                            .guard = guard ? rest : NULL});
}

static void next_branch(trimmer *t, const char *condition)
{
    const branch before = t->branches.p[t->inside];
    bool taken = false, open = false;
    for (uint32_t i = before.first; i < t->branches.n; i++) {
        if (t->branches.p[i].first != before.first) continue;
        taken |= t->branches.p[i].decided == 1;
        open |= t->branches.p[i].decided < 0;
    }
    const int decided = taken ? 0 : condition ? decide(t, condition) : open ? -1 : 1;
    open_branch(t, (branch){.parent = before.parent, .condition = condition, .decided = decided, .first = before.first});
}

static void directive(trimmer *t, const char *s, const char *end)
{
    const char *word = s + 1, *rest = word + word_length(word);
    while (*rest == ' ') rest++;
    const char *all = arena_strndup(t->mem, s, (size_t)(end - s)), *condition = all + (rest - s), *guard = t->branches.p[t->inside].guard;
    if (same_word(word, "ifdef") || same_word(word, "ifndef")) open_defined(t, s, rest, word[2] == 'n');
    else if (same_word(word, "if")) open_branch(t, (branch){.parent = t->inside, .condition = condition, .decided = decide(t, condition), .first = t->branches.n});
    else if (same_word(word, "elif")) next_branch(t, condition);
    else if (same_word(word, "else")) next_branch(t, NULL);
    else if (same_word(word, "endif")) t->inside = t->branches.p[t->inside].parent;
    else if (same_word(word, "include")) add_piece(t, all, NULL);
    else if (same_word(word, "define") && !(guard && same_word(guard, rest))) {
        note_macro(t, rest, end);
        add_piece(t, all, arena_strndup(t->mem, rest, word_length(rest)));
    }
}

/* ---- cutting ---- */

static const char *take_comment(trimmer *t, const char *s)
{
    const char *close = strstr(s, "*/"), *end = close ? line_end(close) : s + strlen(s);
    const char *words = arena_strndup(t->mem, s, (size_t)(end - s));
    if (!strncmp(s, "/* ----", 7)) {
        t->comment = NULL;
        t->section = 0;
        add_piece(t, arena_printf(t->mem, "\n%s", words), "");
        t->section = t->pieces.n - 1;
        t->pieces.p[t->section].heading = true;
    } else t->comment = *end == '\n' ? NULL : t->comment ? arena_printf(t->mem, "%s%s", t->comment, words) : words; /* a blank line parts it from what follows */
    return end;
}

static void cut(trimmer *t, const char *s)
{
    while (*s) {
        const char *end = line_end(s);
        if (*s == '\n') t->comment = NULL;
        else if (s[0] == '/' && s[1] == '*') end = take_comment(t, s);
        else if (*s == '#') {
            end = directive_end(s);
            directive(t, s, end);
            t->comment = NULL;
        } else {
            end = declaration_end(s);
            const macro *m = calls(s) ? macro_named(t, s, word_length(s)) : NULL;
            if (m) {
                const char *behind, *body = expanded(t, m, s + word_length(s) + 1, &behind);
                if (m->comment) t->comment = m->comment;
                cut(t, body);
                t->comment = NULL;
                while (*behind == ' ') behind++;
                if (calls(behind)) end = behind; /* another call on the line */
            } else {
                const char *piece_text = arena_strndup(t->mem, s, (size_t)(end - s));
                add_piece(t, piece_text, declared_name(t->mem, piece_text));
            }
        }
        s = end;
    }
}

/* ---- keeping ---- */

static int order_of_entries(const void *a, const void *b)
{
    const entry *p = a, *q = b;
    const int c = strcmp(p->name, q->name);
    return c ? c : p->piece < q->piece ? -1 : 1;
}

static void make_index(trimmer *t)
{
    t->index = ARENA_ARRAY(t->mem, entry, t->pieces.n);
    for (uint32_t i = 1; i < t->pieces.n; i++)
        if (t->pieces.p[i].name && !t->pieces.p[i].heading) t->index[t->n_index++] = (entry){t->pieces.p[i].name, i};
    qsort(t->index, t->n_index, sizeof *t->index, order_of_entries);
}

static bool possible(const trimmer *t, uint32_t b)
{
    for (; b; b = t->branches.p[b].parent)
        if (t->branches.p[b].decided == 0) return false;
    return true;
}

static void keep_words(trimmer *t, const char *s);

/* The piece, its heading, and the conditions around it, whose own words count too. */
static void keep(trimmer *t, uint32_t i)
{
    piece *p = &t->pieces.p[i];
    if (p->keep || !possible(t, p->branch)) return;
    p->keep = true;
    if (p->section) t->pieces.p[p->section].keep = true;
    VEC_PUSH(t->mem, t->waiting, i);
    for (uint32_t b = p->branch; b && !t->branches.p[b].keep; b = t->branches.p[b].parent) {
        t->branches.p[b].keep = true;
        const uint32_t chain = t->branches.p[b].first;
        for (uint32_t k = chain; k <= b; k++)
            if (t->branches.p[k].first == chain && t->branches.p[k].condition && t->branches.p[k].decided < 0) keep_words(t, t->branches.p[k].condition);
    }
}

/* Everything called by the word that begins at s. */
static void keep_named(trimmer *t, const char *s, size_t n)
{
    uint32_t lo = 0, hi = t->n_index;
    while (lo < hi) {
        const uint32_t middle = (lo + hi) / 2;
        if (strncmp(t->index[middle].name, s, n) < 0) lo = middle + 1;
        else hi = middle;
    }
    for (; lo < t->n_index && !strncmp(t->index[lo].name, s, n) && !t->index[lo].name[n]; lo++) keep(t, t->index[lo].piece);
}

static void keep_words(trimmer *t, const char *s)
{
    size_t n;
    for (; (n = next_word(&s)) != 0; s += n) keep_named(t, s, n);
}

static void keep_all(trimmer *t, const char *users)
{
    keep_words(t, users);
    for (uint32_t i = 1; i < t->pieces.n; i++)
        if (!t->pieces.p[i].name) keep(t, i);
    while (t->waiting.n) keep_words(t, t->pieces.p[t->waiting.p[--t->waiting.n]].text);
}

/* ---- writing ---- */

/* Whether the chain of b shows a directive for b or one before it. */
static bool shows(const trimmer *t, uint32_t b)
{
    const uint32_t first = t->branches.p[b].first;
    for (uint32_t k = first; k <= b; k++)
        if (t->branches.p[k].first == first && t->branches.p[k].decided < 0) return true;
    return false;
}

static uint32_t path_of(const trimmer *t, uint32_t b, uint32_t *path)
{
    uint32_t n = 0, up[MAX_DEPTH];
    for (; b && n < MAX_DEPTH; b = t->branches.p[b].parent) up[n++] = b;
    for (uint32_t i = 0; i < n; i++) path[i] = up[n - 1 - i];
    return n;
}

/* The directives of b's chain behind branch `from` (0: from its start) up to b. */
static void write_directives(const trimmer *t, uint32_t from, uint32_t b, text *out)
{
    const uint32_t first = t->branches.p[b].first;
    for (uint32_t k = from ? from + 1 : first; k <= b; k++) {
        const branch *at = &t->branches.p[k];
        if (at->first != first || at->decided == 0) continue;
        bool leads = true;
        for (uint32_t j = first; j < k; j++) leads &= t->branches.p[j].first != first || t->branches.p[j].decided == 0;
        if (leads && at->decided == 1) continue;
        if (at->condition && at->decided < 0) text_addf(out, leads ? "#if %s" : "#elif %s", at->condition);
        else text_add(out, "#else\n");
    }
}

/* Closes and opens conditions until branch b is the one that is open. */
static void go_to(trimmer *t, uint32_t b, text *out)
{
    uint32_t here[MAX_DEPTH], there[MAX_DEPTH];
    const uint32_t n = path_of(t, t->inside, here), m = path_of(t, b, there);
    uint32_t same = 0;
    while (same < n && same < m && here[same] == there[same]) same++;
    const bool next = same < n && same < m && t->branches.p[here[same]].first == t->branches.p[there[same]].first;
    for (uint32_t i = n; i-- > same + next;)
        if (shows(t, here[i])) text_add(out, "#endif\n");
    for (uint32_t i = same; i < m; i++) write_directives(t, next && i == same ? here[i] : 0, there[i], out);
    t->inside = b;
}

void trim_header(arena *mem, const char *header, const char *users, int vl, text *out)
{
    trimmer t = {.mem = mem, .vl = vl};
    VEC_PUSH(mem, t.pieces, (piece){0});
    VEC_PUSH(mem, t.branches, (branch){0});
    cut(&t, header);
    make_index(&t);
    keep_all(&t, users);
    t.inside = 0;
    for (uint32_t i = 1; i < t.pieces.n; i++) {
        if (!t.pieces.p[i].keep) continue;
        go_to(&t, t.pieces.p[i].branch, out);
        text_add(out, t.pieces.p[i].text);
    }
    go_to(&t, 0, out);
}
