/* infer_partial.c - what is known of an operator's outputs although an input that decides their sizes is not: the type, often the number of dimensions.
 *
 * For tools that look at a model without compiling it (infer_options.tolerant, strict). The rules are those of the ONNX operators' own inference. */
#include <string.h>

#include "ops/infer_partial.h"
#include "schema/schema.h"

typedef enum {
    RANK_UNKNOWN,
    RANK_OF_FIRST,     /* that of input 0 */
    SHAPE_OF_FIRST,    /* its whole shape */
    ONE_HOT,           /* input 0's with one more */
    OTHER_AXES,        /* input 0's, whose sizes are known but for attribute axes */
    UNCUT_AXES,        /* input 0's, whose sizes are known but for those in input 3, or as many as input 1 has elements */
    SPECTRUM,          /* input 0's sizes where nothing changes the length, the last one for complex numbers */
    IMAGES,            /* channels and sizes of as many dimensions as input `list` has elements */
    RANK_OF_LIST,      /* as many as input `list` has elements */
    RANK_PLUS_LIST,    /* input 0's and these */
    RANK_ONE
} rank_rule;

typedef struct {
    const char *op;
    int elem; /* the input whose type all outputs have */
    rank_rule rank;
    int list;
} partial_rule;

static const partial_rule RULES[] = {
    {"Resize", 0, OTHER_AXES, 0},
    {"Col2Im", 0, IMAGES, 1},
    {"Upsample", 0, RANK_OF_FIRST, 0},
    {"Pad", 0, RANK_OF_FIRST, 0},
    {"Slice", 0, UNCUT_AXES, 0},
    {"Tile", 0, RANK_OF_FIRST, 0},
    {"Split", 0, RANK_UNKNOWN, 0},
    {"CenterCropPad", 0, RANK_UNKNOWN, 0},
    {"MaxUnpool", 0, RANK_OF_FIRST, 0},
    {"DFT", 0, SPECTRUM, 0},
    {"CumSum", 0, SHAPE_OF_FIRST, 0},
    {"CumProd", 0, SHAPE_OF_FIRST, 0},
    {"Trilu", 0, SHAPE_OF_FIRST, 0},
    {"OneHot", 2, ONE_HOT, 0},
    {"Expand", 0, RANK_UNKNOWN, 0},
    {"Reshape", 0, RANK_OF_LIST, 1},
    {"AffineGrid", 0, RANK_OF_LIST, 1},
    {"Unsqueeze", 0, RANK_PLUS_LIST, 1},
    {"Squeeze", 0, RANK_UNKNOWN, 0},
    {"Range", 0, RANK_ONE, 0},
    {"ReduceSum", 0, RANK_UNKNOWN, 0},
    {"ReduceMean", 0, RANK_UNKNOWN, 0},
    {"ReduceMax", 0, RANK_UNKNOWN, 0},
    {"ReduceMin", 0, RANK_UNKNOWN, 0},
    {"ReduceProd", 0, RANK_UNKNOWN, 0},
    {"ReduceL1", 0, RANK_UNKNOWN, 0},
    {"ReduceL2", 0, RANK_UNKNOWN, 0},
    {"ReduceLogSum", 0, RANK_UNKNOWN, 0},
    {"ReduceLogSumExp", 0, RANK_UNKNOWN, 0},
    {"ReduceSumSquare", 0, RANK_UNKNOWN, 0},
    {"Compress", 0, RANK_UNKNOWN, 0},
};

/* How many elements the list of input i has; -1: unknown. */
static int64_t list_length(infer_ctx *c, int i)
{
    int64_t n;
    return in_rank(c, (uint32_t)i) == 1 && dim_is_const(c->d, in_dim(c, (uint32_t)i, 0), &n) && n <= MAX_RANK ? n : -1;
}

static int32_t rank_by(infer_ctx *c, const partial_rule *r)
{
    const int32_t first = in_rank(c, 0);
    const int64_t n = r->rank == RANK_OF_LIST || r->rank == RANK_PLUS_LIST || r->rank == IMAGES ? list_length(c, r->list) : 0;
    if (n < 0) return -1;
    if (infer_only_checks(c) && (r->rank == RANK_PLUS_LIST || (!strcmp(r->op, "Reshape") && !infer_is_strict(c)))) return -1; /* which onnx does not tell, of Reshape before version 14 */
    switch (r->rank) {
    case RANK_UNKNOWN: return -1;
    case RANK_OF_FIRST:
    case SHAPE_OF_FIRST: return first;
    case ONE_HOT: return first < 0 ? -1 : first + 1;
    case OTHER_AXES:
    case UNCUT_AXES:
    case SPECTRUM: return first;
    case IMAGES: return n < 0 ? -1 : (int32_t)n + 2;
    case RANK_OF_LIST: return (int32_t)n;
    case RANK_PLUS_LIST: return first < 0 ? -1 : first + (int32_t)n;
    case RANK_ONE: return 1;
    }
    return -1;
}

/* The axes of a Slice; false: not known. */
static bool cut_axes(infer_ctx *c, int32_t rank, bool *cut)
{
    uint32_t n;
    int64_t axis;
    const dim *axes = in_content(c, 3, &n);
    const int64_t first = node_in(c->n, 3) ? 0 : list_length(c, 1);
    if (node_in(c->n, 3) ? !axes : first < 0) return false;
    for (int32_t k = 0; k < rank; k++) cut[k] = k < first;
    for (uint32_t i = 0; axes && i < n; i++) {
        if (!dim_is_const(c->d, axes[i], &axis) || axis < -rank || axis >= rank) return false;
        cut[axis < 0 ? axis + rank : axis] = true;
    }
    return true;
}

/* The sizes, where some are known; else NULL. Those that are not are symbols of their own. */
static const dim *known_sizes(infer_ctx *c, const partial_rule *r, int32_t rank)
{
    const type *x = in_type(c, 0);
    if (rank < 0 || rank > MAX_RANK) return NULL;
    if (r->rank == SHAPE_OF_FIRST) return x->shape;
    dim *size = shape_new(c->m, (uint32_t)rank);
    for (int32_t k = 0; k < rank; k++) size[k] = dim_fresh(c->d, "unknown", 0, INT64_MAX);
    uint32_t n, axis;
    const int64_t *axes = node_ints(c->n, "axes", &n);
    if (r->rank == ONE_HOT && fix_axis(c, node_int(c->n, "axis", -1), rank, &axis)) {
        for (int32_t k = 0; k < rank; k++)
            if ((uint32_t)k != axis) size[k] = x->shape[k - ((uint32_t)k > axis)];
    } else if (r->rank == OTHER_AXES && axes) {
        for (int32_t k = 0; k < rank; k++) {
            bool listed = false;
            for (uint32_t i = 0; i < n; i++) listed |= axes[i] == k || axes[i] + rank == k;
            if (!listed) size[k] = x->shape[k];
        }
    } else if (r->rank == UNCUT_AXES) {
        bool cut[MAX_RANK];
        if (!cut_axes(c, rank, cut)) return NULL;
        for (int32_t k = 0; k < rank; k++)
            if (!cut[k]) size[k] = x->shape[k];
    } else if (r->rank == SPECTRUM && rank > 0) {
        const bool half = node_int(c->n, "onesided", 0);
        if (!half && !node_in(c->n, 1)) memcpy(size, x->shape, (size_t)rank * sizeof *size);
        size[rank - 1] = dim_const(c->d, half && node_int(c->n, "inverse", 0) ? 1 : 2);
    } else if (r->rank == IMAGES && in_rank(c, 0) == 3) size[0] = x->shape[0];
    else if (r->rank == RANK_OF_LIST && rank > 0 && !strcmp(r->op, "AffineGrid")) {
        size[0] = in_rank(c, 0) == 3 ? x->shape[0] : size[0];
        size[rank - 1] = dim_const(c->d, rank - 2);
    } else return NULL;
    return size;
}

/* A declared type says more, where it does not contradict. */
static bool set_output(infer_ctx *c, uint32_t i, elem e, int32_t rank, const dim *shape)
{
    if (!has_out(c, i)) return true;
    const type *declared = &value_at(c->m, c->n->out[i])->type;
    dim own[MAX_RANK];
    if (!shape && declared->kind == TYPE_TENSOR && declared->rank >= 0 && (rank < 0 || declared->rank == rank)) {
        rank = declared->rank;
        shape = declared->shape;
    }
    if (rank > MAX_RANK) rank = -1;
    for (int32_t k = 0; !shape && k < rank; k++) own[k] = dim_fresh(c->d, "unknown", 0, INT64_MAX);
    return out_tensor(c, i, e, rank, shape ? shape : own);
}

/* The only type that a parameter may have. */
static elem only_elem(const schema_types *t)
{
    if (t->seq || t->optional || t->optional_seq || t->maps || !t->tensor || t->tensor & (t->tensor - 1)) return ELEM_NONE;
    elem e = ELEM_NONE;
    while (t->tensor >> ((unsigned)e + 1)) e = (elem)(e + 1);
    return e;
}

/* A list whose members may have different types, although they have one variable. */
static bool differs_within(const schema_param *p)
{
    return p->option == PARAM_VARIADIC && !p->homogeneous;
}

/* That of the inputs with the same type variable, or the only one that there is. */
static elem elem_by_schema(infer_ctx *c, const op_schema *s, uint32_t output)
{
    const schema_param *p = schema_output(s, output);
    if (!p || differs_within(p)) return ELEM_NONE;
    for (uint32_t i = 0; p->constraint >= 0 && i < c->n->n_in; i++) {
        const schema_param *q = schema_input(s, i);
        if (q && !differs_within(q) && q->constraint == p->constraint && in_elem(c, i) != ELEM_NONE) return in_elem(c, i);
    }
    return only_elem(p->types);
}

static bool infer_by_schema(infer_ctx *c)
{
    const op_schema *s = c->n->version ? schema_find(c->n->domain, c->n->op, c->n->version) : NULL;
    for (uint32_t i = 0; s && i < c->n->n_out; i++) {
        const elem e = elem_by_schema(c, s, i);
        if (e != ELEM_NONE && !set_output(c, i, e, -1, NULL)) return false;
    }
    return true;
}

bool infer_partial(infer_ctx *c)
{
    if (infer_list_types(c) || infer_branch_types(c) || infer_loop_types(c)) return true;
    for (size_t k = 0; !*c->n->domain && k < sizeof RULES / sizeof *RULES; k++) {
        const partial_rule *r = &RULES[k];
        if (strcmp(r->op, c->n->op)) continue;
        const elem e = in_elem(c, (uint32_t)r->elem);
        const int32_t rank = rank_by(c, r);
        if (e == ELEM_NONE) return true;
        for (uint32_t i = 0; i < c->n->n_out; i++)
            if (!set_output(c, i, e, rank, known_sizes(c, r, rank))) return false;
        return true;
    }
    return infer_by_schema(c);
}
