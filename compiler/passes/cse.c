/* cse.c - common subexpressions: nodes that compute the same from the same become one, and constants with equal type, shape and bytes are
 * one value. A hash of each, so the time is linear in the model and in the bytes of its weights.
 *
 * requires: types known (infer). Two results of equal nodes whose shapes have symbols of their own (NonZero twice) stay two, unless the model is
 * written back: then the next analysis gives them one symbol.
 * keeps: names of graph outputs; random operators and operators with subgraphs. A node in a subgraph may give way to one outside, never the
 * other way round: a branch not taken computes nothing.
 * breaks: nothing. */
#include <string.h>

#include "ops/ops.h"
#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "schema/schema.h"

typedef struct entry {
    uint64_t hash;
    uint32_t what; /* node or value id */
    struct entry *next;
} entry;

/* Chained; a scope's entries are taken out again when it ends, newest first. */
typedef struct {
    entry **bucket;
    uint64_t mask;
} table;

typedef struct {
    table nodes, constants;
    uint8_t *done;         /* constants that have been looked up, by value id */
    VEC(entry *) log;      /* of nodes, in order */
    VEC(uint32_t) scopes;  /* lengths of the log */
} cse;

static table table_new(arena *mem, uint32_t n)
{
    uint64_t size = 64;
    while (size < 2 * (uint64_t)n) size *= 2;
    return (table){ARENA_ARRAY(mem, entry *, size), size - 1};
}

static entry *table_add(arena *mem, table *t, uint64_t hash, uint32_t what)
{
    entry *e = ARENA_NEW(mem, entry);
    *e = (entry){hash, what, t->bucket[hash & t->mask]};
    return t->bucket[hash & t->mask] = e;
}

/* ---- hashes ---- */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t mix_bytes(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t word = 0;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = mix(h, word);
    }
    word = 0;
    if (n) memcpy(&word, p, n);
    return mix(h, word ^ (uint64_t)n << 56);
}

static uint64_t mix_tensor(uint64_t h, const tensor *t)
{
    h = mix(mix(h, (uint64_t)t->type), t->rank);
    h = mix_bytes(h, t->shape, t->rank * sizeof *t->shape);
    if (!t->strings) return mix_bytes(h, t->data, t->bytes);
    for (int64_t i = 0; i < tensor_count(t); i++) h = mix_bytes(h, t->strings[i], strlen(t->strings[i]));
    return h;
}

static uint64_t hash_attr(const attr *a)
{
    uint64_t h = mix_bytes((uint64_t)a->kind, a->name, strlen(a->name));
    switch (a->kind) {
    case ATTR_FLOAT: return mix_bytes(h, &a->u.f, sizeof a->u.f);
    case ATTR_INT: return mix(h, (uint64_t)a->u.i);
    case ATTR_STRING: return mix_bytes(h, a->u.s, a->n);
    case ATTR_FLOATS: return mix_bytes(h, a->u.floats, a->n * sizeof *a->u.floats);
    case ATTR_INTS: return mix_bytes(h, a->u.ints, a->n * sizeof *a->u.ints);
    case ATTR_TENSOR: return mix_tensor(h, a->u.t);
    default: return mix(h, a->n);
    }
}

static uint64_t hash_node(const node *n)
{
    uint64_t h = mix(mix(mix(7, (uint64_t)n->version), n->n_in), n->n_out), attrs = 0;
    h = mix_bytes(h, n->op, strlen(n->op)); /* the text, not its address: results may not depend on where memory lies */
    h = mix_bytes(h, n->domain, strlen(n->domain));
    for (uint32_t i = 0; i < n->n_in; i++) h = mix(h, n->in[i]);
    for (uint32_t i = 0; i < n->n_attr; i++) attrs += hash_attr(&n->attr[i]); /* in any order */
    return mix(h, attrs);
}

/* ---- equality ---- */

static bool equal_tensors(const tensor *a, const tensor *b)
{
    if (a->type != b->type || a->rank != b->rank || a->bytes != b->bytes || !a->strings != !b->strings) return false;
    if (a->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape)) return false;
    if (!a->strings) return !a->bytes || !memcmp(a->data, b->data, a->bytes);
    for (int64_t i = 0; i < tensor_count(a); i++)
        if (strcmp(a->strings[i], b->strings[i])) return false;
    return true;
}

static bool equal_attrs(const attr *a, const attr *b)
{
    if (a->kind != b->kind || a->n != b->n || a->ref || b->ref) return false;
    switch (a->kind) {
    case ATTR_FLOAT: return !memcmp(&a->u.f, &b->u.f, sizeof a->u.f);
    case ATTR_INT: return a->u.i == b->u.i;
    case ATTR_STRING: return !a->n || !memcmp(a->u.s, b->u.s, a->n);
    case ATTR_FLOATS: return !a->n || !memcmp(a->u.floats, b->u.floats, a->n * sizeof *a->u.floats);
    case ATTR_INTS: return !a->n || !memcmp(a->u.ints, b->u.ints, a->n * sizeof *a->u.ints);
    case ATTR_TENSOR: return equal_tensors(a->u.t, b->u.t);
    case ATTR_STRINGS:
        for (uint32_t i = 0; i < a->n; i++)
            if (strcmp(a->u.strings[i], b->u.strings[i])) return false;
        return true;
    default: return false; /* graphs, types, lists of tensors: rare, so kept apart */
    }
}

/* b may be replaced by a: the same operator on the same inputs, and a gives all that b gives, in the same type. */
static bool equal_nodes(model *m, const node *a, const node *b)
{
    if (a->version != b->version || a->n_in != b->n_in || a->n_out != b->n_out || a->n_attr != b->n_attr) return false;
    if (strcmp(a->op, b->op) || strcmp(a->domain, b->domain)) return false;
    if (a->source && b->source && a->overload != b->overload) return false;
    if (a->n_in && memcmp(a->in, b->in, a->n_in * sizeof *a->in)) return false;
    for (uint32_t i = 0; i < b->n_attr; i++) {
        const attr *other = node_attr(a, b->attr[i].name);
        if (!other || !equal_attrs(other, &b->attr[i])) return false;
    }
    for (uint32_t i = 0; i < b->n_out; i++)
        if (b->out[i] && (!a->out[i] || (!m->written_back && !same_value_type(m, a->out[i], b->out[i])))) return false;
    return true;
}

/* ---- the pass ---- */

/* Input `id`, or the first constant that equals it. */
static void unify_constant(rewrite *r, value_id id)
{
    cse *c = r->ctx;
    const tensor *t = id ? value_at(r->m, id)->data : NULL;
    if (!t || c->done[id]) return;
    c->done[id] = 1;
    const uint64_t h = mix_tensor(11, t);
    for (const entry *e = c->constants.bucket[h & c->constants.mask]; e; e = e->next)
        if (e->hash == h && equal_tensors(value_at(r->m, e->what)->data, t)) {
            (void)rewrite_alias(r, id, e->what);
            return;
        }
    table_add(r->mem, &c->constants, h, id);
}

/* An output of the graph whose name no other node can take is copied from the equal value instead of computed again. */
static void copy_instead(model *m, node *n, value_id same)
{
    (void)node_becomes(m, value_at(m, n->out[0])->producer, "", "Identity", 1, &same);
}

static bool replace(rewrite *r, node_id id, node_id by)
{
    node *n = node_at(r->m, id);
    const node *first = node_at(r->m, by);
    if (n->n_out == 1) {
        const bool gone = rewrite_alias(r, n->out[0], first->out[0]);
        if (!gone && n->n_in) copy_instead(r->m, n, first->out[0]);
        return gone;
    }
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && r->output[n->out[i]]) return false; /* rare: all names would have to be taken over, or none */
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) (void)rewrite_alias(r, n->out[i], first->out[i]);
    return true;
}

static bool mergeable(model *m, const node *n)
{
    if (node_is_random(m, n) || node_has_graph(n)) return false;
    bool computes = false;
    for (uint32_t i = 0; i < n->n_out; i++) {
        const value *v = n->out[i] ? value_at(m, n->out[i]) : NULL;
        if (v && v->type.kind != TYPE_TENSOR) return false;
        computes |= v && !v->data;
    }
    return computes;
}

static bool visit(rewrite *r, node_id id)
{
    cse *c = r->ctx;
    node *n = node_at(r->m, id);
    for (uint32_t i = 0; i < n->n_in; i++) {
        unify_constant(r, n->in[i]);
        n->in[i] = rewrite_resolve(r, n->in[i]);
    }
    if (!mergeable(r->m, n)) return false;
    const uint64_t h = hash_node(n);
    for (const entry *e = c->nodes.bucket[h & c->nodes.mask]; e; e = e->next)
        if (e->hash == h && equal_nodes(r->m, node_at(r->m, e->what), n)) return replace(r, id, e->what);
    entry *added = table_add(r->mem, &c->nodes, h, id);
    VEC_PUSH(r->mem, c->log, added);
    return false;
}

static void scope(rewrite *r, bool enter)
{
    cse *c = r->ctx;
    if (enter) {
        VEC_PUSH(r->mem, c->scopes, c->log.n);
        return;
    }
    const uint32_t before = c->scopes.p[--c->scopes.n];
    while (c->log.n > before) {
        const entry *e = c->log.p[--c->log.n];
        c->nodes.bucket[e->hash & c->nodes.mask] = e->next; /* the newest is the first of its chain */
    }
}

void merge_common(model *m)
{
    arena *scratch = arena_new();
    cse c = {.nodes = table_new(scratch, m->nodes.n), .constants = table_new(scratch, m->values.n), .done = ARENA_ARRAY(scratch, uint8_t, m->values.n)};
    rewrite r = rewrite_new(m, scratch, &c);
    rewrite_run(&r, visit, scope);
    arena_free(scratch);
}
