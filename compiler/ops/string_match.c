/* string_match.c - RegexFullMatch. Source: ONNX Operators.md, version 20. */
#include "ops/families.h"
#include "ops/formula.h"
#include "ops/regex.h"

bool infer_RegexFullMatch(infer_ctx *c)
{
    regex_table t;
    const char *why = NULL, *pattern = node_string(c->n, "pattern", "");
    if (!need_rank(c, 0)) return false;
    const regex_result r = regex_compile(c->m->mem, pattern, &t, &why);
    if (r == REGEX_INVALID) return infer_error(c, "attribute-value", "attribute 'pattern' is no regular expression: %s", why);
    if (r == REGEX_UNSUPPORTED) return infer_unsupported(c, "regex", "%s in attribute 'pattern' is not supported yet", why);
    return out_tensor(c, 0, ELEM_BOOL, in_rank(c, 0), in_type(c, 0)->shape);
}

static slot byte_table(lower_ctx *c, const char *name, uint32_t n, const uint8_t *v)
{
    int64_t *wide = ARENA_ARRAY(c->m->mem, int64_t, n), count = n;
    for (uint32_t i = 0; i < n; i++) wide[i] = v[i];
    return slot_ints(c, name, ELEM_UINT8, 1, &count, wide);
}

bool lower_RegexFullMatch(lower_ctx *c)
{
    regex_table t;
    const char *why;
    if (regex_compile(c->m->mem, node_string(c->n, "pattern", ""), &t, &why) != REGEX_OK) return lower_unsupported(c, "regex", "%s", why);
    const slot x = in_slot(c, 0);
    const int64_t size = (int64_t)t.n_states * t.n_classes;
    int64_t *next = ARENA_ARRAY(c->m->mem, int64_t, (size_t)size);
    for (int64_t i = 0; i < size; i++) next[i] = t.next[i];
    const kernel_arg args[5] = {{out_slot(c, 0), ARG_OUT}, {x, ARG_IN}, {byte_table(c, "classes", 256, t.of_byte), ARG_IN},
                                {slot_ints(c, "next", ELEM_INT32, 1, &size, next), ARG_IN}, {byte_table(c, "accepts", t.n_states, t.accepts), ARG_IN}};
    const binding bind[1] = {{.name = "CLASSES", .kind = BIND_DIM, .d = dim_const(c->d, t.n_classes)}};
    lower_template(c, "regex_match", 1, bind, 5, args, dim_product(c->d, slot_at(c->p, x)->extent, slot_rank(c, x)));
    return true;
}
