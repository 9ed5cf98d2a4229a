/* infer_partial.c - what is known of an operator's outputs although an input that decides their sizes is not: the type, often the number of dimensions.
 *
 * For tools that look at a model without compiling it (infer_options.tolerant, strict). The rules are those of the ONNX operators' own inference. */
#include <string.h>

#include "ops/ops.h"

typedef enum {
    RANK_UNKNOWN,
    RANK_OF_FIRST,     /* that of input 0 */
    SHAPE_OF_FIRST,    /* its whole shape */
    RANK_ABOVE,        /* one more than input 0 */
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
    {"Resize", 0, RANK_OF_FIRST, 0},
    {"Upsample", 0, RANK_OF_FIRST, 0},
    {"Pad", 0, RANK_OF_FIRST, 0},
    {"Slice", 0, RANK_OF_FIRST, 0},
    {"Tile", 0, RANK_OF_FIRST, 0},
    {"Split", 0, RANK_UNKNOWN, 0},
    {"CenterCropPad", 0, RANK_UNKNOWN, 0},
    {"MaxUnpool", 0, RANK_OF_FIRST, 0},
    {"DFT", 0, RANK_OF_FIRST, 0},
    {"CumSum", 0, SHAPE_OF_FIRST, 0},
    {"CumProd", 0, SHAPE_OF_FIRST, 0},
    {"Trilu", 0, SHAPE_OF_FIRST, 0},
    {"OneHot", 2, RANK_ABOVE, 0},
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
    const int64_t n = r->rank == RANK_OF_LIST || r->rank == RANK_PLUS_LIST ? list_length(c, r->list) : 0;
    if (n < 0) return -1;
    switch (r->rank) {
    case RANK_UNKNOWN: return -1;
    case RANK_OF_FIRST:
    case SHAPE_OF_FIRST: return first;
    case RANK_ABOVE: return first < 0 ? -1 : first + 1;
    case RANK_OF_LIST: return (int32_t)n;
    case RANK_PLUS_LIST: return first < 0 ? -1 : first + (int32_t)n;
    case RANK_ONE: return 1;
    }
    return -1;
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

bool infer_partial(infer_ctx *c)
{
    for (size_t k = 0; !*c->n->domain && k < sizeof RULES / sizeof *RULES; k++) {
        const partial_rule *r = &RULES[k];
        if (strcmp(r->op, c->n->op)) continue;
        const elem e = in_elem(c, (uint32_t)r->elem);
        const int32_t rank = rank_by(c, r);
        if (e == ELEM_NONE) return true;
        for (uint32_t i = 0; i < c->n->n_out; i++)
            if (!set_output(c, i, e, rank, r->rank == SHAPE_OF_FIRST && rank >= 0 ? in_type(c, 0)->shape : NULL)) return false;
    }
    return true;
}
