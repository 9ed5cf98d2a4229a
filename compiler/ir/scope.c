/* scope.c - names of values by level; see scope.h. Open addressing by the name's address, and a log of what each level changed. */
#include "ir/scope.h"

typedef struct {
    const char *name; /* NULL: free slot */
    value_id v;       /* 0: not defined now */
    uint32_t level;
} binding;

struct scope {
    arena *mem;
    binding *slot;
    uint32_t n, cap; /* cap is a power of two */
    uint32_t level;
    VEC(binding) log;     /* what was there before */
    VEC(uint32_t) starts; /* of the levels in the log */
};

scope *scope_new(arena *a)
{
    scope *s = ARENA_NEW(a, scope);
    s->mem = a;
    s->cap = 256;
    s->slot = ARENA_ARRAY(a, binding, s->cap);
    return s;
}

static binding *slot_of(const scope *s, const char *name)
{
    uint64_t h = (uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(h >> 32) & (s->cap - 1);
    while (s->slot[i].name && s->slot[i].name != name) i = (i + 1) & (s->cap - 1);
    return &s->slot[i];
}

static void grow(scope *s)
{
    binding *old = s->slot;
    const uint32_t n = s->cap;
    s->cap *= 2;
    s->slot = ARENA_ARRAY(s->mem, binding, s->cap);
    for (uint32_t i = 0; i < n; i++)
        if (old[i].name) *slot_of(s, old[i].name) = old[i];
}

void scope_enter(scope *s)
{
    s->level++;
    VEC_PUSH(s->mem, s->starts, s->log.n);
}

void scope_leave(scope *s)
{
    const uint32_t start = s->starts.p[--s->starts.n];
    while (s->log.n > start) {
        const binding before = s->log.p[--s->log.n];
        *slot_of(s, before.name) = before;
    }
    s->level--;
}

void scope_define(scope *s, const char *name, value_id v)
{
    binding *b = slot_of(s, name);
    if (!b->name) {
        if (++s->n * 2 > s->cap) {
            grow(s);
            b = slot_of(s, name);
        }
        b->name = name;
    }
    VEC_PUSH(s->mem, s->log, *b);
    b->v = v;
    b->level = s->level;
}

value_id scope_find(const scope *s, const char *name)
{
    return slot_of(s, name)->v;
}

value_id scope_find_here(const scope *s, const char *name)
{
    const binding *b = slot_of(s, name);
    return b->level == s->level ? b->v : 0;
}
