/* infer_lists.c - types of sequences and optionals, for tools that look at a model without compiling it: see infer_partial in ops.h. (A compiled model has no
 * sequences left: passes/sequence.h.) */
#include <string.h>

#include "ops/infer_partial.h"

static type *boxed(infer_ctx *c, type t)
{
    return arena_copy(c->m->mem, &t, sizeof t);
}

type infer_sequence_of(infer_ctx *c, type element)
{
    return (type){.kind = TYPE_SEQUENCE, .rank = -1, .of = boxed(c, element)};
}

static type tensor_of(infer_ctx *c, elem e, int32_t rank)
{
    dim *shape = rank >= 0 ? shape_new(c->m, (uint32_t)rank) : NULL;
    for (int32_t k = 0; k < rank; k++) shape[k] = dim_fresh(c->d, "unknown", 0, INT64_MAX);
    return type_tensor(e, rank, shape);
}

static type element_of(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    return t && t->of ? *t->of : (type){.rank = -1};
}

type infer_common(infer_ctx *c, const type *a, const type *b)
{
    if (a->kind == TYPE_UNKNOWN || b->kind == TYPE_UNKNOWN) return a->kind == TYPE_UNKNOWN ? *b : *a;
    if (a->kind != b->kind) return (type){.rank = -1};
    if (a->kind != TYPE_TENSOR) {
        const type none = {.rank = -1}, of = infer_common(c, a->of ? a->of : &none, b->of ? b->of : &none);
        return (type){.kind = a->kind, .elem = a->elem, .rank = -1, .of = boxed(c, of)};
    }
    if (a->rank < 0 || a->rank != b->rank) return type_tensor(a->elem, -1, NULL);
    type t = tensor_of(c, a->elem, a->rank);
    for (int32_t k = 0; k < a->rank; k++)
        if (a->shape[k] == b->shape[k]) t.shape[k] = a->shape[k];
    return t;
}

static type all_inputs(infer_ctx *c, uint32_t from)
{
    type t = {.rank = -1};
    for (uint32_t i = from; i < c->n->n_in; i++) {
        const type *x = in_type(c, i);
        if (x && x->kind == TYPE_TENSOR) t = i == from ? *x : infer_common(c, &t, x);
    }
    return t;
}

/* Pieces along an axis: of one size where the split is a number that divides, else of any. */
static type split_pieces(infer_ctx *c)
{
    const type *x = in_type(c, 0);
    const bool each_one = !node_in(c->n, 1);
    uint32_t axis;
    if (!x || x->rank < 0 || !fix_axis(c, node_int(c->n, "axis", 0), x->rank, &axis)) return type_tensor(x ? x->elem : ELEM_NONE, -1, NULL);
    const bool drop = each_one && !node_int(c->n, "keepdims", 1);
    type t = tensor_of(c, x->elem, x->rank - drop);
    uint32_t n;
    int64_t size, whole;
    const dim *split = in_content(c, 1, &n);
    if (split && n == 1 && in_rank(c, 1) == 0 && dim_is_const(c->d, split[0], &size) && size < 1) (void)infer_error(c, "split", "pieces of %lld", (long long)size);
    for (int32_t k = 0, to = 0; k < x->rank; k++) {
        if ((uint32_t)k != axis) t.shape[to++] = x->shape[k];
        else if (each_one && !drop) t.shape[to++] = dim_const(c->d, 1);
        else if (!drop) {
            const bool even = split && n && dim_is_const(c->d, split[0], &size) && size > 0 &&
                              (in_rank(c, 1) == 1 || (dim_is_const(c->d, x->shape[k], &whole) && whole % size == 0));
            bool equal = even;
            for (uint32_t i = 1; i < n && equal; i++) equal = split[i] == split[0];
            if (equal) t.shape[to] = split[0];
            to++;
        }
    }
    return t;
}

static type concatenated(infer_ctx *c)
{
    const type of = element_of(c, 0);
    const bool fresh = node_int(c->n, "new_axis", 0) != 0;
    if (of.kind != TYPE_TENSOR || of.rank < 0) return type_tensor(of.kind == TYPE_TENSOR ? of.elem : ELEM_NONE, -1, NULL);
    type t = tensor_of(c, of.elem, of.rank + fresh);
    uint32_t axis;
    if (!fix_axis(c, node_int(c->n, "axis", 0), t.rank, &axis)) return type_tensor(of.elem, -1, NULL);
    for (int32_t k = 0, from = 0; k < t.rank; k++) {
        if ((uint32_t)k != axis) t.shape[k] = of.shape[from++];
        else if (!fresh) from++;
    }
    return t;
}

static type given_by_type(infer_ctx *c)
{
    const attr *a = node_attr(c->n, "type");
    if (a && a->kind == ATTR_TYPE) return *a->u.type;
    const type *x = in_type(c, 0);
    return x ? *x : (type){.rank = -1};
}

void infer_set_type(infer_ctx *c, uint32_t i, type t)
{
    if (!has_out(c, i) || t.kind == TYPE_UNKNOWN || (t.kind == TYPE_TENSOR && t.elem == ELEM_NONE)) return;
    if (t.kind == TYPE_TENSOR) (void)out_tensor(c, i, t.elem, t.rank, t.shape);
    else value_at(c->m, c->n->out[i])->type = t;
}

/* Outputs of the bodies, where the same operator may give sequences. */
static bool branches(infer_ctx *c)
{
    const attr *a = node_attr(c->n, "then_branch"), *b = node_attr(c->n, "else_branch");
    if (!a || !b || a->kind != ATTR_GRAPH || b->kind != ATTR_GRAPH) return false;
    const graph *x = graph_at(c->m, a->u.g), *y = graph_at(c->m, b->u.g);
    for (uint32_t i = 0; i < c->n->n_out && i < x->outputs.n && i < y->outputs.n; i++) {
        const type s = value_at(c->m, x->outputs.p[i])->type, t = value_at(c->m, y->outputs.p[i])->type;
        infer_set_type(c, i, infer_common(c, &s, &t));
    }
    return true;
}

bool infer_branch_types(infer_ctx *c)
{
    return !*c->n->domain && !strcmp(c->n->op, "If") && branches(c);
}

static type row(infer_ctx *c, elem e, dim length)
{
    dim *shape = shape_new(c->m, 2);
    shape[0] = dim_const(c->d, 1);
    shape[1] = length;
    return type_tensor(e, 2, shape);
}

static type cast_map(infer_ctx *c)
{
    const char *to = node_string(c->n, "cast_to", "TO_FLOAT");
    const elem e = !strcmp(to, "TO_STRING") ? ELEM_STRING : !strcmp(to, "TO_INT64") ? ELEM_INT64 : ELEM_FLOAT;
    const bool sparse = !strcmp(node_string(c->n, "map_form", "DENSE"), "SPARSE");
    return row(c, e, sparse ? dim_const(c->d, node_int(c->n, "max_map", 1)) : dim_fresh(c->d, "keys", 0, INT64_MAX));
}

static type vector_of_map(infer_ctx *c)
{
    const type *x = in_type(c, 0);
    const attr *strings = node_attr(c->n, "string_vocabulary"), *words = strings ? strings : node_attr(c->n, "int64_vocabulary");
    if (!x || x->kind != TYPE_MAP || !x->of || !words) return (type){.rank = -1};
    return row(c, x->of->elem, dim_const(c->d, words->n));
}

/* seq(map(key, float)) */
static type maps_of_labels(infer_ctx *c)
{
    const bool strings = node_attr(c->n, "classlabels_strings") != NULL;
    const type score = type_tensor(ELEM_FLOAT, -1, NULL);
    return infer_sequence_of(c, (type){.kind = TYPE_MAP, .elem = strings ? ELEM_STRING : ELEM_INT64, .rank = -1, .of = boxed(c, score)});
}

bool infer_list_types(infer_ctx *c)
{
    if (node_is(c->n, "ai.onnx.ml", "ZipMap")) return infer_set_type(c, 0, maps_of_labels(c)), true;
    const char *op = c->n->op;
    const type *x = in_type(c, 0);
    if (node_is(c->n, "ai.onnx.ml", "CastMap")) return infer_set_type(c, 0, cast_map(c)), true;
    if (node_is(c->n, "ai.onnx.ml", "DictVectorizer")) return infer_set_type(c, 0, vector_of_map(c)), true;
    if (*c->n->domain) return false;
    if (!strcmp(op, "SequenceEmpty")) infer_set_type(c, 0, infer_sequence_of(c, type_tensor(node_elem(c->n, "dtype", ELEM_FLOAT), -1, NULL)));
    else if (!strcmp(op, "SequenceConstruct")) infer_set_type(c, 0, infer_sequence_of(c, all_inputs(c, 0)));
    else if (!strcmp(op, "SequenceInsert")) {
        const type of = element_of(c, 0), *put = in_type(c, 1);
        infer_set_type(c, 0, infer_sequence_of(c, put ? infer_common(c, &of, put) : of));
    } else if (!strcmp(op, "SequenceErase") || (!strcmp(op, "Identity") && x && x->kind != TYPE_TENSOR)) infer_set_type(c, 0, x ? *x : (type){.rank = -1});
    else if (!strcmp(op, "SequenceAt")) infer_set_type(c, 0, element_of(c, 0));
    else if (!strcmp(op, "SequenceLength")) infer_set_type(c, 0, tensor_of(c, ELEM_INT64, 0));
    else if (!strcmp(op, "SplitToSequence")) infer_set_type(c, 0, infer_sequence_of(c, split_pieces(c)));
    else if (!strcmp(op, "ConcatFromSequence")) infer_set_type(c, 0, concatenated(c));
    else if (!strcmp(op, "Optional")) infer_set_type(c, 0, (type){.kind = TYPE_OPTIONAL, .rank = -1, .of = boxed(c, given_by_type(c))});
    else if (!strcmp(op, "OptionalGetElement")) infer_set_type(c, 0, x && x->kind == TYPE_OPTIONAL ? element_of(c, 0) : x ? *x : (type){.rank = -1});
    else if (!strcmp(op, "OptionalHasElement")) infer_set_type(c, 0, tensor_of(c, ELEM_BOOL, 0));
    else return false;
    return true;
}
