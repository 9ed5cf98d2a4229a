/* warping.c - DynamicTimeWarping of com.microsoft: a matrix of costs to the cells of its cheapest way, as many as the data decide. Source: the documentation of
 * onnxruntime's contrib operators. */
#include "ops/families.h"
#include "ops/formula.h"

/* Each step leaves a row or a column behind. */
static dim longest(dims *d, dim h, dim w)
{
    return dim_add(d, h, w);
}

bool infer_DynamicTimeWarping(infer_ctx *c)
{
    const int32_t rank = in_rank(c, 0); /* the matrix is [h, w] or [1, h, w] */
    if (!need_rank(c, 0)) return false;
    if (in_elem(c, 0) != ELEM_FLOAT) return infer_error(c, "input-type", "the costs are %s, expected float", elem_of(in_elem(c, 0))->name);
    if (rank != 2 && rank != 3) return infer_error(c, "shape-rank", "the input has %d dimensions, expected 2, or 3 of which the first is 1", rank);
    if (rank == 3 && !dim_fits(c, 0, 0, dim_const(c->d, 1))) return false;
    const dim h = in_dim(c, 0, rank - 2), w = in_dim(c, 0, rank - 1);
    const dim n = out_unknown(c, "steps"), out[2] = {dim_const(c->d, 2), n};
    dim_narrow(c->d, n, 0, dim_range(c->d, longest(c->d, h, w)).hi);
    return out_tensor(c, 0, ELEM_INT32, 2, out);
}

static ex path_value(lower_ctx *c, const dim *idx, void *arg)
{
    return load_axes(c, *(const slot *)arg, 2, idx);
}

bool lower_DynamicTimeWarping(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const dim h = slot_dim(c, x, rank - 2), w = slot_dim(c, x, rank - 1), most = longest(c->d, h, w), room[2] = {dim_const(c->d, 2), most}, cells[2] = {h, w};
    const dim row = dim_addc(c->d, w, 1);
    slot path = temp_slot(c, "path", ELEM_INT32, 2, room);
    const slot count = temp_slot(c, "count", ELEM_INT64, 0, NULL);
    const kernel_arg args[5] = {{path, ARG_OUT}, {count, ARG_OUT}, {x, ARG_IN}, {temp_slot(c, "cost", ELEM_FLOAT, 1, &row), ARG_SCRATCH},
                                {temp_slot(c, "step", ELEM_UINT8, 2, cells), ARG_SCRATCH}};
    const binding bind[3] = {{.name = "H", .kind = BIND_DIM, .d = h}, {.name = "W", .kind = BIND_DIM, .d = w}, {.name = "ROOM", .kind = BIND_DIM, .d = most}};
    lower_template(c, "dtw", 3, bind, 5, args, 0);
    const dim size = slot_dim(c, y, 1);
    if (dim_kind_of(c->d, size) == DIM_SYMBOL) lower_bind(c, size, count, most);
    return lower_map(c, y, path_value, &path);
}
