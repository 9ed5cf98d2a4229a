/* string_match.c - what is found in strings: StringSplit, RegexFullMatch (ONNX Operators.md, version 20), Tokenizer of com.microsoft. Pieces of a string lie
 * where the string does. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/regex.h"
#include "ops/strings.h"

static binding size_bind(const char *name, dim d)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = d};
}

static dim count_of(lower_ctx *c, slot s)
{
    return dim_product(c->d, slot_at(c->p, s)->extent, slot_rank(c, s));
}

/* ---- StringSplit ---- */

static int64_t most_splits(const node *n)
{
    return node_attr(n, "maxsplit") ? node_int(n, "maxsplit", -1) : -1;
}

bool infer_StringSplit(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (t->rank + 1 > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const dim pieces = decided_symbol(c->m, c->id, "pieces", INT64_MAX);
    if (most_splits(c->n) >= 0) dim_narrow(c->d, pieces, 0, most_splits(c->n) + 1);
    dim out[MAX_RANK];
    for (int32_t k = 0; k < t->rank; k++) out[k] = t->shape[k];
    out[t->rank] = pieces;
    return out_tensor(c, 0, ELEM_STRING, t->rank + 1, out) && out_tensor(c, 1, ELEM_INT64, t->rank, t->shape);
}

/* The table of steps of an automaton. */
static slot regex_steps(lower_ctx *c, const regex_table *t)
{
    const int64_t size = (int64_t)t->n_states * t->n_classes;
    int64_t *next = ARENA_ARRAY(c->m->mem, int64_t, (size_t)size);
    for (int64_t i = 0; i < size; i++) next[i] = t->next[i];
    return slot_ints(c, "next", ELEM_INT32, 1, &size, next);
}

/* Pieces of each string of input 0, as a kernel finds them: it counts them, the largest count decides the size, and it stores them. */
static bool lower_pieces(lower_ctx *c, const char *name, uint32_t n_bind, const binding *given, uint32_t n_tables, const slot *tables)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0), most = temp_slot(c, "most", ELEM_INT64, 0, NULL);
    const uint32_t rank = slot_rank(c, x);
    const slot count = low_has_out(c, 1) ? out_slot(c, 1) : temp_slot(c, "count", ELEM_INT64, rank, slot_at(c->p, x)->extent);
    binding bind[8] = {size_bind("N", count_of(c, x)), size_bind("PIECES", dim_const(c->d, 0))};
    kernel_arg args[8] = {{0, ARG_OUT}, {count, ARG_OUT}, {x, ARG_IN}};
    for (uint32_t i = 0; i < n_bind; i++) bind[i + 2] = given[i];
    for (uint32_t i = 0; i < n_tables; i++) args[i + 3] = (kernel_arg){tables[i], ARG_IN};
    lower_template(c, name, n_bind + 2, bind, n_tables + 3, args, 0);
    if (!y) return true;
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    nest_stage(&b);
    stage_axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    const ex largest = stage_fold(&b, FOLD_MAX, load_axes(c, count, rank, idx));
    nest_stage(&b);
    store_axes(c, &b, most, 0, NULL, larger(c, largest, ex_i(c->x, CT_I64, 0)));
    low_end(c, &b);
    const dim pieces = slot_dim(c, y, rank);
    lower_bind(c, pieces, most, 0);
    bind[1].d = pieces;
    args[0].slot = y;
    args[1].slot = temp_slot(c, "again", ELEM_INT64, rank, slot_at(c->p, x)->extent);
    lower_template(c, name, n_bind + 2, bind, n_tables + 3, args, 0);
    return true;
}

/* A constant of bytes; at least one. */
static slot byte_slot(lower_ctx *c, const char *name, size_t n, const void *v)
{
    const int64_t count = n ? (int64_t)n : 1;
    tensor *t = tensor_new(c->p->mem, ELEM_UINT8, 1, &count);
    memcpy((void *)(uintptr_t)t->data, v, n);
    return const_slot(c, name, t);
}

bool lower_StringSplit(lower_ctx *c)
{
    const char *given = node_string(c->n, "delimiter", "");
    const slot delimiter = byte_slot(c, "delimiter", strlen(given), given);
    const binding bind[2] = {size_bind("LENGTH", dim_const(c->d, (int64_t)strlen(given))), size_bind("MOST", dim_const(c->d, most_splits(c->n)))};
    return lower_pieces(c, "string_split", 2, bind, 1, &delimiter);
}

/* ---- Tokenizer of com.microsoft ---- source: the documentation of onnxruntime's contrib operators, and its code for what the text leaves open */

/* A single dot is each character, whichever it is. */
static const char *token_expression(const node *n)
{
    const char *s = node_string(n, "tokenexp", "");
    return strcmp(s, ".") ? s : "(?s).";
}

bool infer_Tokenizer(infer_ctx *c)
{
    regex_table t;
    const char *why = NULL, *expression = token_expression(c->n);
    const attr *separators = node_attr(c->n, "separators");
    if (!need_rank(c, 0)) return false;
    const type *x = in_type(c, 0);
    if (x->elem != ELEM_STRING) return infer_error(c, "input-type", "the input is of type %s, expected string", elem_of(x->elem)->name);
    if (x->rank != 1 && x->rank != 2) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 1 or 2", x->rank);
    if (node_int(c->n, "mincharnum", 0) < 1) return infer_error(c, "attribute-value", "attribute 'mincharnum' is missing or below 1");
    if (!*expression || (separators && separators->n)) return infer_unsupported(c, "tokenizer", "attribute 'separators' is not supported yet, only 'tokenexp'");
    const regex_result r = regex_compile(c->m->mem, expression, &t, &why);
    if (r == REGEX_INVALID) return infer_error(c, "attribute-value", "attribute 'tokenexp' is no regular expression: %s", why);
    if (r == REGEX_UNSUPPORTED || t.anchors) return infer_unsupported(c, "regex", "%s in attribute 'tokenexp' is not supported yet", why ? why : "^, $ and \\b");
    const dim pieces = decided_symbol(c->m, c->id, "pieces", INT64_MAX), out[3] = {x->shape[0], x->rank == 2 ? x->shape[1] : pieces, pieces};
    return out_tensor(c, 0, ELEM_STRING, x->rank + 1, out);
}

bool lower_Tokenizer(lower_ctx *c)
{
    regex_table t;
    const char *why, *pad = node_string(c->n, "pad_value", "");
    if (regex_compile(c->m->mem, token_expression(c->n), &t, &why) != REGEX_OK) return lower_unsupported(c, "regex", "%s", why);
    char *extra = arena_printf(c->m->mem, "\x02\x03%s", pad);
    const slot tables[4] = {byte_slot(c, "classes", 256, t.of_byte), regex_steps(c, &t), byte_slot(c, "accepts", t.n_states, t.accepts),
                            byte_slot(c, "extra", strlen(extra), extra)};
    const binding bind[4] = {size_bind("CLASSES", dim_const(c->d, t.n_classes)), size_bind("LEAST", dim_const(c->d, node_int(c->n, "mincharnum", 1))),
                             size_bind("MARK", dim_const(c->d, node_int(c->n, "mark", 0) != 0)), size_bind("PAD", dim_const(c->d, (int64_t)strlen(pad)))};
    return lower_pieces(c, "tokenize", 4, bind, 4, tables);
}

/* ---- RegexFullMatch ---- */

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

bool lower_RegexFullMatch(lower_ctx *c)
{
    regex_table t;
    const char *why;
    if (regex_compile(c->m->mem, node_string(c->n, "pattern", ""), &t, &why) != REGEX_OK) return lower_unsupported(c, "regex", "%s", why);
    const kernel_arg args[5] = {{out_slot(c, 0), ARG_OUT}, {in_slot(c, 0), ARG_IN}, {byte_slot(c, "classes", 256, t.of_byte), ARG_IN},
                                {regex_steps(c, &t), ARG_IN}, {byte_slot(c, "accepts", t.n_states, t.accepts), ARG_IN}};
    const binding bind[1] = {size_bind("CLASSES", dim_const(c->d, t.n_classes))};
    const dim strings = count_of(c, in_slot(c, 0));
    lower_template(c, "regex_match", 1, bind, 5, args, strings)->kernel->ops = dim_mulc(c->d, strings, STRING_OPS);
    return true;
}
