/* contrib_other.c - operators of com.microsoft that are those of ai.onnx under another name or layout. Source: the documentation of onnxruntime's
 * contrib operators. */
#include <string.h>

#include "ops/contrib.h"

/* The axis, a scalar or one element, is where a dimension of 1 comes in. */
static bool expand_dims(edit *e)
{
    const int64_t one = 1;
    const value_id axis = insert(e, "Reshape", NULL, IN(as_int64(e, input_of(e, 1)), const_ints(e, "one", 1, &one)));
    rename_node(e, "Unsqueeze", IN(input_of(e, 0), axis));
    return true;
}

static bool range(edit *e)
{
    const value_id start = input_of(e, 0), delta = input_of(e, 2);
    rename_node(e, "Range", IN(start, input_of(e, 1), delta ? delta : const_like(e, "delta", 1, start)));
    return true;
}

static bool gather_nd(edit *e)
{
    rename_node(e, "GatherND", IN(input_of(e, 0), as_int64(e, input_of(e, 1))));
    return true;
}

/* Values in the order of their first occurrence, the place of each element among them, and how often each occurs. */
static bool unique(edit *e)
{
    model *m = e->m;
    const value_id out[4] = {output_of(e, 0), 0, output_of(e, 1), output_of(e, 2)};
    rename_node(e, "Unique", IN(input_of(e, 0)));
    node *n = edited(e);
    n->out = arena_copy(m->mem, out, sizeof out);
    n->n_out = 4;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (out[i]) value_at(m, out[i])->output = i;
    node_set_attr(m, n, attr_int(m, "sorted", 0));
    return true;
}

/* Distances between the rows of [m, k] and [n, k]: the root of the sum of squared differences, or the sum. */
static bool c_dist(edit *e)
{
    const char *metric = node_string(edited(e), "metric", "sqeuclidean");
    const bool root = !strcmp(metric, "euclidean");
    if (!root && strcmp(metric, "sqeuclidean")) return version_error(e, "contrib", "metric '%s' is not supported yet", metric);
    const int64_t first = 0, middle = 1, last = 2;
    const value_id a = insert(e, "Unsqueeze", NULL, IN(input_of(e, 0), const_ints(e, "middle", 1, &middle)));
    const value_id b = insert(e, "Unsqueeze", NULL, IN(input_of(e, 1), const_ints(e, "first", 1, &first)));
    const value_id difference = insert(e, "Sub", NULL, IN(a, b));
    node_drop_attr(edited(e), "metric");
    rename_node(e, "ReduceSumSquare", IN(difference, const_ints(e, "axes", 1, &last)));
    node_set_attr(e->m, edited(e), attr_int(e->m, "keepdims", 0));
    if (root) follow(e, 0, "Sqrt", NULL, 0);
    return true;
}

/* MaxPool with channels last. */
static bool nhwc_max_pool(edit *e)
{
    const int32_t rank = rank_of(e, input_of(e, 0));
    int64_t first[MAX_RANK], back[MAX_RANK];
    if (rank < 0) return true; /* later, when types are known */
    if (rank < 3 || rank > MAX_RANK) return version_error(e, "contrib", "the input has %d dimensions", rank);
    for (int32_t k = 0; k < rank; k++) {
        first[k] = k == 0 ? 0 : k == 1 ? rank - 1 : k - 1;
        back[k] = k == 0 ? 0 : k == rank - 1 ? 1 : k + 1;
    }
    const attr there = attr_ints(e->m, "perm", (uint32_t)rank, first), here = attr_ints(e->m, "perm", (uint32_t)rank, back);
    const value_id x = input_of(e, 0);
    rename_node(e, "MaxPool", IN(insert(e, "Transpose", &there, 1, &x)));
    follow(e, 0, "Transpose", &here, 0);
    return true;
}

const contrib_row contrib_other_rows[] = {
    {"CDist", c_dist},
    {"ExpandDims", expand_dims},
    {"GatherND", gather_nd},
    {"NhwcMaxPool", nhwc_max_pool},
    {"Range", range},
    {"Unique", unique},
    {NULL, NULL},
};
