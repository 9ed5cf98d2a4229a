/* support.c - the list of operators, from the tables by which they are compiled; see support.h. */
#include "passes/support.h"

#include <stdlib.h>
#include <string.h>

#include "ops/contrib.h"
#include "ops/families.h"
#include "ops/gradient.h"
#include "ops/version.h"
#include "passes/computed_body.h"

typedef VEC(support) supports;

static support_kind kind_of(const char *domain, const char *op, const op_schema *s)
{
    const op_def *own = op_find(domain, op);
    if (own && own->lower && own->lower != lower_list) return SUPPORT_LOWERED;
    if (own && (own->lower || !s || (!s->n_body && !s->computed_body))) return SUPPORT_RESOLVED; /* without: its types are known without its body */
    if (contrib_knows(domain, op)) return SUPPORT_PARTS;
    const op_schema *newest = schema_newest(domain, op);
    if (newest && newest->deprecated) return version_replaces(newest) ? SUPPORT_PARTS : SUPPORT_NONE;
    if (computed_body_find(domain, op) || gradient_knows(domain, op)) return SUPPORT_PARTS;
    return s && s->n_body ? SUPPORT_BODY : SUPPORT_NONE;
}

static void add(arena *a, supports *to, const char *domain, const char *op, const op_schema *s)
{
    VEC_PUSH(a, *to, ((support){domain, op, kind_of(domain, op, s), s}));
}

static void add_standard(arena *a, supports *to)
{
    const op_schema *usable = NULL;
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *s = schema_at(i), *next = schema_next(s);
        if (!s->deprecated) usable = s;
        if (next) continue;
        add(a, to, s->domain, s->name, usable);
        usable = NULL;
    }
}

static void add_others(arena *a, supports *to)
{
    uint32_t n;
    const op_def *op = op_table(&n);
    for (uint32_t i = 0; contrib_operator(i); i++) add(a, to, CONTRIB_DOMAIN, contrib_operator(i), NULL);
    for (uint32_t i = 0; i < n; i++)
        if (!schema_newest(op[i].domain, op[i].name) && strcmp(op[i].domain, OWN_DOMAIN) != 0) add(a, to, op[i].domain, op[i].name, NULL);
}

static int by_name(const void *a, const void *b)
{
    const support *x = a, *y = b;
    const int d = strcmp(x->domain, y->domain);
    return d ? d : strcmp(x->op, y->op);
}

const support *support_list(arena *a, uint32_t *n)
{
    supports list = {0};
    add_standard(a, &list);
    add_others(a, &list);
    qsort(list.p, list.n, sizeof *list.p, by_name);
    *n = list.n;
    return list.p;
}
