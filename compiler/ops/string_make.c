/* string_make.c - operators that make strings: StringConcat, StringNormalizer. Source: ONNX Operators.md, versions 20, 10.
 *
 * New bytes go to a pool in the arena, whose size the run counts before it is filled (string_room.c). */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

static binding size_bind(const char *name, dim d)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = d};
}

static dim count_of(lower_ctx *c, slot s)
{
    return dim_product(c->d, slot_at(c->p, s)->extent, slot_rank(c, s));
}

/* Room for the bytes of a and b (0: none), counted by the run. */
static string_room room_for(lower_ctx *c, slot a, slot b, dim n)
{
    const slot count = temp_slot(c, "bytes", ELEM_INT64, 0, NULL);
    const kernel_arg args[3] = {{count, ARG_OUT}, {a, ARG_IN}, {b, ARG_IN}};
    const binding bind[1] = {size_bind("N", n)};
    lower_template(c, "string_bytes", 1, bind, 3, args, 0);
    return string_room_of(c, count, 0);
}

/* ---- StringConcat ---- */

bool infer_StringConcat(infer_ctx *c)
{
    (void)decided_symbol(c->m, c->id, "bytes", INT64_MAX);
    return infer_binary(c);
}

static ex stretched_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *s = arg;
    return load_bcast(c, s[0], slot_rank(c, s[1]), idx);
}

/* x with all elements of the result's shape. */
static slot stretched(lower_ctx *c, slot x, slot y)
{
    const uint32_t rank = slot_rank(c, y);
    bool same = slot_rank(c, x) == rank;
    for (uint32_t k = 0; same && k < rank; k++) same = slot_dim(c, x, k) == slot_dim(c, y, k);
    if (same) return x;
    slot s[2] = {x, y};
    const slot to = temp_slot(c, "stretched", ELEM_STRING, rank, slot_at(c->p, y)->extent);
    (void)lower_map(c, to, stretched_value, s);
    return to;
}

bool lower_StringConcat(lower_ctx *c)
{
    const slot y = out_slot(c, 0), a = stretched(c, in_slot(c, 0), y), b = stretched(c, in_slot(c, 1), y);
    const dim n = count_of(c, y);
    const string_room room = room_for(c, a, b, n);
    const kernel_arg args[5] = {{y, ARG_OUT}, {room.pool, ARG_OUT}, {a, ARG_IN}, {b, ARG_IN}, {room.at, ARG_IN}};
    const binding bind[1] = {size_bind("N", n)};
    lower_template(c, "string_concat", 1, bind, 5, args, 0);
    return true;
}

/* ---- StringNormalizer ---- */

typedef enum { CASE_NONE, CASE_LOWER, CASE_UPPER, CASE_UNKNOWN } case_change;

static case_change case_of(const node *n)
{
    static const char *const NAMES[] = {"NONE", "LOWER", "UPPER"};
    for (int i = 0; i < CASE_UNKNOWN; i++)
        if (!strcmp(node_string(n, "case_change_action", "NONE"), NAMES[i])) return (case_change)i;
    return CASE_UNKNOWN;
}

bool infer_StringNormalizer(infer_ctx *c)
{
    int64_t n;
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (t->rank != 1 && t->rank != 2) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 1 or 2", t->rank);
    if (t->rank == 2 && !assume_equal(c, t->shape[0], dim_const(c->d, 1))) return infer_error(c, "shape-rank", "the first dimension is not 1");
    if (case_of(c->n) == CASE_UNKNOWN) return infer_error(c, "attribute-value", "attribute 'case_change_action' is '%s'", node_string(c->n, "case_change_action", ""));
    if (case_of(c->n) != CASE_NONE) (void)decided_symbol(c->m, c->id, "bytes", INT64_MAX);
    const attr *stop = node_attr(c->n, "stopwords");
    const dim all = t->shape[t->rank - 1], one = dim_const(c->d, 1);
    if (dim_is_const(c->d, all, &n) && n == 0) return infer_unsupported(c, "string-empty", "an input without strings is not supported yet");
    dim kept = all;
    if (stop && stop->n) {
        kept = decided_symbol(c->m, c->id, "kept", INT64_MAX);
        dim_narrow(c->d, kept, 1, dim_range(c->d, all).hi);
    }
    const dim out[2] = {t->rank == 2 ? one : kept, kept};
    return out_tensor(c, 0, ELEM_STRING, t->rank, out);
}

static const char *small_letters(arena *mem, const char *s)
{
    char *to = arena_strndup(mem, s, strlen(s));
    for (char *p = to; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
    return to;
}

/* The strings that are no stopwords; `n` becomes how many. */
static slot without_stopwords(lower_ctx *c, slot x, dim kept, dim *n)
{
    const attr *stop = node_attr(c->n, "stopwords");
    if (!stop || !stop->n) return x;
    const bool folded = !node_int(c->n, "is_case_sensitive", 0);
    const char **list = ARENA_ARRAY(c->m->mem, const char *, stop->n);
    for (uint32_t i = 0; i < stop->n; i++) list[i] = folded ? small_letters(c->m->mem, stop->u.strings[i]) : stop->u.strings[i];
    const slot found = folded ? lower_find_folded(c, x, stop->n, list) : lower_find(c, x, stop->n, list);
    const dim room = dim_max(c->d, *n, dim_const(c->d, 1));
    const slot to = temp_slot(c, "kept", ELEM_STRING, 1, &room), count = temp_slot(c, "count", ELEM_INT64, 0, NULL);
    const kernel_arg args[4] = {{to, ARG_OUT}, {count, ARG_OUT}, {x, ARG_IN}, {found, ARG_IN}};
    const binding bind[1] = {size_bind("N", *n)};
    lower_template(c, "string_keep", 1, bind, 4, args, 0);
    if (dim_kind_of(c->d, kept) == DIM_SYMBOL) lower_bind(c, kept, count, room);
    *n = kept;
    return to;
}

static ex kept_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *s = arg;
    return load_axes(c, s[0], slot_rank(c, s[0]), slot_rank(c, s[0]) == slot_rank(c, s[1]) ? idx : idx + 1);
}

bool lower_StringNormalizer(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    dim n = count_of(c, x);
    const case_change change = case_of(c->n);
    slot s[2] = {without_stopwords(c, x, slot_dim(c, y, slot_rank(c, y) - 1), &n), y};
    if (change == CASE_NONE) return lower_map(c, y, kept_value, s);
    const string_room room = room_for(c, s[0], 0, n);
    const kernel_arg args[4] = {{y, ARG_OUT}, {room.pool, ARG_OUT}, {s[0], ARG_IN}, {room.at, ARG_IN}};
    const binding bind[2] = {size_bind("UPPER", dim_const(c->d, change == CASE_UPPER)), size_bind("N", n)};
    lower_template(c, "string_case", 2, bind, 4, args, 0);
    return true;
}
