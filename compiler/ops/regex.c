/* regex.c - see regex.h. The tree becomes an automaton with free choice between its steps (Thompson), code points in it chains of bytes; sets of its nodes
 * are the states of the table. */
#include "ops/regex.h"

#include <string.h>

#include "ops/regex_parse.h"

enum { MOST_NODES = 20000, MOST_STATES = 2000 };

typedef enum { STEP_BYTE, STEP_EITHER, STEP_BEGIN, STEP_END, STEP_BOUNDARY, STEP_INSIDE, STEP_ACCEPT } step_of;

typedef struct {
    step_of kind;
    uint8_t lo, hi; /* BYTE */
    uint32_t a, b;  /* what follows; EITHER: one of both */
} automaton_node;

typedef struct {
    arena *mem;
    VEC(automaton_node) node;
    bool too_large;
} automaton;

static uint32_t node_add(automaton *m, step_of kind, uint32_t a, uint32_t b)
{
    if (m->node.n >= MOST_NODES) {
        m->too_large = true;
        return a;
    }
    VEC_PUSH(m->mem, m->node, ((automaton_node){.kind = kind, .a = a, .b = b}));
    return m->node.n - 1;
}

/* ---- UTF-8 ---- */

static int utf8(uint32_t c, uint8_t *to)
{
    const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t HEAD[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, c >>= 6) to[i] = (uint8_t)(0x80 | (c & 0x3f));
    to[0] = (uint8_t)(HEAD[n] | c);
    return n;
}

/* The code points lo to hi as chains of ranges of bytes, each leading to `next`; *all is what can begin them. */
static void add_range(automaton *m, uint32_t lo, uint32_t hi, uint32_t next, uint32_t *all)
{
    static const uint32_t LAST[] = {0x7f, 0x7ff, 0xffff};
    if (m->too_large) return;
    for (int i = 0; i < 3; i++)
        if (lo <= LAST[i] && hi > LAST[i]) {
            add_range(m, lo, LAST[i], next, all);
            add_range(m, LAST[i] + 1, hi, next, all);
            return;
        }
    for (int i = 1; hi > 0x7f && i < 4; i++) { /* the bytes behind the first different one have to run from 80 to bf */
        const uint32_t low = (1u << (6 * i)) - 1;
        if ((lo & ~low) == (hi & ~low)) continue;
        if (lo & low) {
            add_range(m, lo, lo | low, next, all);
            add_range(m, (lo | low) + 1, hi, next, all);
            return;
        }
        if ((hi & low) != low) {
            add_range(m, lo, (hi & ~low) - 1, next, all);
            add_range(m, hi & ~low, hi, next, all);
            return;
        }
    }
    uint8_t first[4], last[4];
    uint32_t at = next;
    const int n = utf8(lo, first);
    (void)utf8(hi, last);
    for (int i = n - 1; i >= 0; i--) {
        at = node_add(m, STEP_BYTE, at, 0);
        m->node.p[at].lo = first[i];
        m->node.p[at].hi = last[i];
    }
    *all = *all ? node_add(m, STEP_EITHER, *all, at) : at;
}

/* ---- from the tree ---- node 0 accepts, node 1 leads nowhere */

enum { ACCEPT = 0, NOWHERE = 1 };

static uint32_t build(automaton *m, const regex_node *n, uint32_t next);

static uint32_t build_repeat(automaton *m, const regex_node *n, uint32_t next)
{
    uint32_t at = next;
    if (n->most == RX_NO_LIMIT) {
        const uint32_t again = node_add(m, STEP_EITHER, next, next);
        const uint32_t inner = build(m, n->a, again);
        if (m->too_large) return next;
        m->node.p[again].a = inner;
        at = again;
    } else
        for (int i = n->least; i < n->most && !m->too_large; i++) {
            const uint32_t inner = build(m, n->a, at);
            at = node_add(m, STEP_EITHER, inner, next);
        }
    for (int i = 0; i < n->least && !m->too_large; i++) at = build(m, n->a, at);
    return at;
}

static uint32_t build(automaton *m, const regex_node *n, uint32_t next)
{
    uint32_t all = 0;
    if (m->too_large) return next;
    switch (n->kind) {
    case RX_EMPTY: return next;
    case RX_BEGIN: return node_add(m, STEP_BEGIN, next, 0);
    case RX_END: return node_add(m, STEP_END, next, 0);
    case RX_BOUNDARY: return node_add(m, STEP_BOUNDARY, next, 0);
    case RX_INSIDE: return node_add(m, STEP_INSIDE, next, 0);
    case RX_CAT: return build(m, n->a, build(m, n->b, next));
    case RX_ALT: {
        const uint32_t a = build(m, n->a, next), b = build(m, n->b, next);
        return node_add(m, STEP_EITHER, a, b);
    }
    case RX_REPEAT: return build_repeat(m, n, next);
    case RX_SET:
        for (uint32_t i = 0; i < n->set.n; i++) add_range(m, n->set.p[i].lo, n->set.p[i].hi, next, &all);
        return all ? all : NOWHERE;
    }
    return next;
}

/* ---- states ---- */

typedef struct {
    automaton *m;
    uint32_t n_words; /* of 64 bits in a set */
    bool words;       /* a step asks for boundaries of words */
    VEC(uint64_t *) set; /* by state */
    VEC(bool) in_word;   /* by state: it follows a byte of a word; false where no step asks */
    uint32_t *stack;
} states;

/* What is known of the place between two bytes. */
typedef struct {
    bool begin, end;          /* of the text */
    bool decided, boundary;   /* of a word, when both bytes are known */
} place;

static bool has(const uint64_t *set, uint32_t i)
{
    return set[i / 64] >> (i % 64) & 1;
}

static bool is_word(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

static bool passes(const automaton_node *k, place at)
{
    switch (k->kind) {
    case STEP_EITHER: return true;
    case STEP_BEGIN: return at.begin;
    case STEP_END: return at.end;
    case STEP_BOUNDARY: return at.decided && at.boundary;
    case STEP_INSIDE: return at.decided && !at.boundary;
    default: return false;
    }
}

/* Adds a node and what it reaches without a byte. */
static void reach(states *s, uint64_t *set, uint32_t from, place at)
{
    uint32_t n = 0;
    s->stack[n++] = from;
    while (n) {
        const uint32_t node = s->stack[--n];
        const automaton_node *k = &s->m->node.p[node];
        if (has(set, node)) continue;
        set[node / 64] |= (uint64_t)1 << (node % 64);
        if (k->kind == STEP_EITHER) s->stack[n++] = k->b;
        if (passes(k, at)) s->stack[n++] = k->a;
    }
}

static bool asks(const automaton_node *k)
{
    return k->kind == STEP_BOUNDARY || k->kind == STEP_INSIDE;
}

static bool any_asks(const automaton *m)
{
    for (uint32_t i = 0; i < m->node.n; i++)
        if (asks(&m->node.p[i])) return true;
    return false;
}

/* Is there a step that waits for what comes next, and may ask for the byte before, itself or behind the end of the text? */
static bool waits(const states *s, const uint64_t *set)
{
    for (uint32_t i = 0; s->words && i < s->m->node.n; i++)
        if (has(set, i) && (asks(&s->m->node.p[i]) || s->m->node.p[i].kind == STEP_END)) return true;
    return false;
}

static uint32_t state_add(states *s, const uint64_t *set, bool in_word)
{
    VEC_PUSH(s->m->mem, s->set, arena_copy(s->m->mem, set, s->n_words * sizeof *set));
    VEC_PUSH(s->m->mem, s->in_word, in_word);
    return s->set.n - 1;
}

/* State 1, the start, is never come back to. */
static uint32_t state_of(states *s, const uint64_t *set, bool after_word)
{
    const bool in_word = after_word && waits(s, set);
    for (uint32_t i = 0; i < s->set.n; i++)
        if (i != 1 && s->in_word.p[i] == in_word && !memcmp(s->set.p[i], set, s->n_words * sizeof *set)) return i;
    return state_add(s, set, in_word);
}

/* What ends are reached where the text ends: END holds there, and BEGIN where it is empty. */
static bool accepts(states *s, uint32_t state)
{
    const uint64_t *set = s->set.p[state];
    const place at = {.begin = state == 1, .end = true, .decided = true, .boundary = s->in_word.p[state]};
    uint64_t *all = ARENA_ARRAY(s->m->mem, uint64_t, s->n_words);
    for (uint32_t i = 0; i < s->m->node.n; i++)
        if (has(set, i) && (s->m->node.p[i].kind == STEP_END || asks(&s->m->node.p[i]))) reach(s, all, i, at);
    return has(set, ACCEPT) || has(all, ACCEPT);
}

/* The set of a state where it is known whether the next byte is one of a word: boundaries of words that hold there are passed. */
static const uint64_t *before(states *s, uint32_t state, bool word)
{
    const uint64_t *set = s->set.p[state];
    if (!waits(s, set)) return set;
    const place at = {.begin = state == 1, .decided = true, .boundary = s->in_word.p[state] != word};
    uint64_t *all = arena_copy(s->m->mem, set, s->n_words * sizeof *set);
    for (uint32_t i = 0; i < s->m->node.n; i++)
        if (has(set, i) && asks(&s->m->node.p[i]) && passes(&s->m->node.p[i], at)) reach(s, all, s->m->node.p[i].a, at);
    return all;
}

static bool has_anchors(const automaton *m)
{
    for (uint32_t i = 0; i < m->node.n; i++)
        if (m->node.p[i].kind == STEP_BEGIN || m->node.p[i].kind == STEP_END) return true;
    return any_asks(m);
}

/* Bytes that every step treats alike are one class. */
static void classes(const automaton *m, regex_table *out)
{
    bool begins[257] = {false};
    for (uint32_t i = 0; i < m->node.n; i++) {
        if (m->node.p[i].kind != STEP_BYTE) continue;
        begins[m->node.p[i].lo] = true;
        begins[m->node.p[i].hi + 1] = true;
    }
    for (int c = 1; c < 256 && any_asks(m); c++) begins[c] |= is_word(c) != is_word(c - 1);
    uint32_t n = 0;
    for (int c = 0; c < 256; c++) {
        n += c > 0 && begins[c];
        out->of_byte[c] = (uint8_t)n;
    }
    out->n_classes = n + 1;
}

static regex_result table(automaton *m, uint32_t start, regex_table *out, const char **why)
{
    states s = {.m = m, .n_words = (m->node.n + 63) / 64, .words = any_asks(m), .stack = ARENA_ARRAY(m->mem, uint32_t, 2 * m->node.n + 2)};
    uint64_t *set = ARENA_ARRAY(m->mem, uint64_t, s.n_words);
    VEC(int32_t) next = {0};
    uint8_t sample[256];
    out->anchors = has_anchors(m);
    classes(m, out);
    for (int c = 255; c >= 0; c--) sample[out->of_byte[c]] = (uint8_t)c;
    (void)state_add(&s, set, false); /* 0: nothing matches */
    reach(&s, set, start, (place){.begin = true});
    (void)state_add(&s, set, false); /* 1: the start, and nothing else, as it alone is at the beginning */
    for (uint32_t i = 0; i < s.set.n; i++) {
        if (s.set.n > MOST_STATES) {
            *why = "so many states of the automaton";
            return REGEX_UNSUPPORTED;
        }
        const uint64_t *const either[] = {before(&s, i, false), before(&s, i, true)};
        for (uint32_t c = 0; c < out->n_classes; c++) {
            const uint64_t *from = either[is_word(sample[c])];
            memset(set, 0, s.n_words * sizeof *set);
            for (uint32_t k = 0; k < m->node.n; k++)
                if (has(from, k) && m->node.p[k].kind == STEP_BYTE && m->node.p[k].lo <= sample[c] && sample[c] <= m->node.p[k].hi)
                    reach(&s, set, m->node.p[k].a, (place){0});
            uint32_t to = state_of(&s, set, is_word(sample[c]));
            VEC_PUSH(m->mem, next, (int32_t)to);
        }
    }
    out->n_states = s.set.n;
    out->next = next.p;
    out->accepts = ARENA_ARRAY(m->mem, uint8_t, s.set.n);
    for (uint32_t i = 0; i < s.set.n; i++) out->accepts[i] = accepts(&s, i);
    return REGEX_OK;
}

regex_result regex_compile(arena *mem, const char *pattern, regex_table *out, const char **why)
{
    regex_result result;
    *out = (regex_table){0};
    automaton m = {.mem = mem};
    const regex_node *tree = regex_parse(mem, pattern, &result, why);
    if (!tree) return result;
    (void)node_add(&m, STEP_ACCEPT, 0, 0);
    (void)node_add(&m, STEP_EITHER, NOWHERE, NOWHERE);
    const uint32_t start = build(&m, tree, ACCEPT);
    if (m.too_large) {
        *why = "a pattern of that size";
        return REGEX_UNSUPPORTED;
    }
    return table(&m, start, out, why);
}
