/* schema.c - looking things up in the generated tables; see schema.h. */
#include "schema/schema.h"

#include <string.h>

#include "base/elem.h"

typedef struct {
    const char *name;
    int newest;
} schema_domain;

/* Words that the generated rows use. */
#define ONE          PARAM_ONE
#define OPT          PARAM_OPTIONAL
#define VAR          PARAM_VARIADIC
#define MANY         SCHEMA_MANY
#define NO_DEFAULT   false, 0, {.i = 0}
#define INT(v)       true, 0, {.i = v}
#define FLOAT(v)     true, 0, {.f = v}
#define STRING(v)    true, 0, {.s = v}
#define INTS(n, ...) true, n, {.ints = (const int64_t[]){__VA_ARGS__}}
#define STRINGS(n, ...) true, n, {.strings = (const char *const[]){__VA_ARGS__}}
#include "schema/schema_data.inc"

enum { N_SCHEMA = sizeof SCHEMA / sizeof *SCHEMA, N_DOMAIN = sizeof DOMAIN / sizeof *DOMAIN, N_RELEASE = sizeof RELEASE / sizeof *RELEASE };

static const char *plain_domain(const char *domain)
{
    return strcmp(domain, "ai.onnx") ? domain : "";
}

static int compare(const op_schema *s, const char *domain, const char *op, int version)
{
    int c = strcmp(s->domain, domain);
    if (!c) c = strcmp(s->name, op);
    return c ? c : s->since - version;
}

const op_schema *schema_find(const char *domain, const char *op, int opset)
{
    domain = plain_domain(domain);
    uint32_t lo = 0, hi = N_SCHEMA; /* the first row beyond (domain, op, opset) */
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        if (compare(&SCHEMA[mid], domain, op, opset) <= 0) lo = mid + 1;
        else hi = mid;
    }
    if (!lo) return NULL;
    const op_schema *s = &SCHEMA[lo - 1];
    return !strcmp(s->domain, domain) && !strcmp(s->name, op) ? s : NULL;
}

const op_schema *schema_newest(const char *domain, const char *op)
{
    return schema_find(domain, op, INT32_MAX);
}

const op_schema *schema_next(const op_schema *s)
{
    const op_schema *t = s + 1;
    return t < SCHEMA + N_SCHEMA && !strcmp(t->domain, s->domain) && !strcmp(t->name, s->name) ? t : NULL;
}

const op_schema *schema_previous(const op_schema *s)
{
    return schema_find(s->domain, s->name, s->since - 1);
}

uint32_t schema_count(void)
{
    return N_SCHEMA;
}

const op_schema *schema_at(uint32_t i)
{
    return &SCHEMA[i];
}

static const schema_param *param_at(const schema_param *p, uint32_t n, uint32_t i)
{
    if (i < n) return &p[i];
    return n && p[n - 1].option == PARAM_VARIADIC ? &p[n - 1] : NULL;
}

const schema_param *schema_input(const op_schema *s, uint32_t i)
{
    return param_at(s->in, s->n_in, i);
}

const schema_param *schema_output(const op_schema *s, uint32_t i)
{
    return param_at(s->out, s->n_out, i);
}

const schema_attr *schema_attr_find(const op_schema *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_attr; i++)
        if (!strcmp(s->attr[i].name, name)) return &s->attr[i];
    return NULL;
}

const schema_body *schema_body_find(const op_schema *s, int opset)
{
    const schema_body *best = NULL;
    for (uint32_t i = 0; i < s->n_body; i++)
        if (s->body[i].opset <= opset) best = &s->body[i];
    return best;
}

int schema_domain_version(const char *domain)
{
    domain = plain_domain(domain);
    for (uint32_t i = 0; i < N_DOMAIN; i++)
        if (!strcmp(DOMAIN[i].name, domain)) return DOMAIN[i].newest;
    return 0;
}

const char *schema_domain_name(const char *domain)
{
    return *domain ? domain : "ai.onnx";
}

const schema_release *schema_releases(uint32_t *n)
{
    *n = N_RELEASE;
    return RELEASE;
}

int schema_newest_ir(void)
{
    return RELEASE[N_RELEASE - 1].ir;
}

int schema_ir_for_opset(int opset)
{
    for (uint32_t i = 0; i < N_RELEASE; i++)
        if (RELEASE[i].ai_onnx >= opset) return RELEASE[i].ir;
    return 0;
}

/* ---- text ---- */

static const char *elem_name(uint32_t code)
{
    return elem_known((int)code) ? elem_of((elem)code)->name : "?";
}

static void mask_text(uint32_t mask, const char *before, const char *after, const char **sep, text *out)
{
    for (uint32_t i = 0; i < 32; i++) {
        if (!(mask >> i & 1)) continue;
        text_addf(out, "%s%s%s%s", *sep, before, elem_name(i), after);
        *sep = ", ";
    }
}

void schema_types_text(const schema_types *t, text *out)
{
    static const char *const map[MAP_COUNT] = {"map(int64, double)", "map(int64, float)",  "map(int64, string)",     "map(string, double)",
                                               "map(string, float)", "map(string, int64)", "seq(map(int64, float))", "seq(map(string, float))"};
    const char *sep = "";
    mask_text(t->tensor, "", "", &sep, out);
    mask_text(t->seq, "seq(", ")", &sep, out);
    mask_text(t->optional, "optional(", ")", &sep, out);
    mask_text(t->optional_seq, "optional(seq(", "))", &sep, out);
    for (uint32_t i = 0; i < MAP_COUNT; i++) {
        if (!(t->maps >> i & 1)) continue;
        text_addf(out, "%s%s", sep, map[i]);
        sep = ", ";
    }
}

const char *schema_attr_kind_name(int kind)
{
    static const char *const name[] = {"UNDEFINED", "FLOAT",   "INT",    "STRING",        "TENSOR",         "GRAPH",      "FLOATS",     "INTS",
                                       "STRINGS",   "TENSORS", "GRAPHS", "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};
    return kind >= 0 && kind < (int)(sizeof name / sizeof *name) ? name[kind] : "UNDEFINED";
}
