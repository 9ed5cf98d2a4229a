/* contrib_distance.c - CDist of com.microsoft in terms of ai.onnx: distances between the rows of [m, k] and of [n, k]. Source: onnxruntime's documentation of
 * its contrib operators, which names the metrics as scipy.spatial.distance.cdist does. */
#include <string.h>

#include "ops/contrib.h"

typedef struct {
    edit *e;
    value_id x, y;  /* the inputs */
    value_id a, b;  /* [m, 1, k], [1, n, k] */
    value_id last;  /* the axis of k, for reductions */
    value_id difference;
    attr thin;      /* keepdims=0 */
} rows;

static value_id reduced(rows *r, const char *op, value_id v)
{
    return insert(r->e, op, &r->thin, IN(v, r->last));
}

static value_id absolute(rows *r, value_id v)
{
    return insert(r->e, "Abs", NULL, IN(v));
}

static void gives(rows *r, const char *op, uint32_t n_in, const value_id *in)
{
    replace_node(r->e, op, !strncmp(op, "Reduce", 6), &r->thin, n_in, in);
}

/* 1 - x y / (|x| |y|) */
static void one_less_cosine(rows *r, value_id x, value_id y)
{
    edit *e = r->e;
    const int64_t axis = 1, order[2] = {1, 0};
    const attr perm = attr_ints(e->m, "perm", 2, order);
    const value_id along = const_ints(e, "along", 1, &axis);
    const value_id left = insert(e, "Div", NULL, IN(x, insert(e, "ReduceL2", NULL, IN(x, along)))), right = insert(e, "Div", NULL, IN(y, insert(e, "ReduceL2", NULL, IN(y, along))));
    const value_id cosine = insert(e, "MatMul", NULL, IN(left, insert(e, "Transpose", &perm, IN(right))));
    gives(r, "Sub", IN(const_like(e, "one", 1, cosine), cosine));
}

static value_id centred(rows *r, value_id v)
{
    const int64_t axis = 1;
    return insert(r->e, "Sub", NULL, IN(v, insert(r->e, "ReduceMean", NULL, IN(v, const_ints(r->e, "along", 1, &axis)))));
}

/* sum |a - b| / (|a| + |b|), where 0 / 0 counts 0 */
static void canberra(rows *r)
{
    edit *e = r->e;
    const value_id sum = insert(e, "Add", NULL, IN(absolute(r, r->a), absolute(r, r->b))), zero = const_like(e, "zero", 0, sum);
    const value_id part = insert(e, "Div", NULL, IN(absolute(r, r->difference), sum));
    gives(r, "ReduceSum", IN(insert(e, "Where", NULL, IN(insert(e, "Equal", NULL, IN(sum, zero)), zero, part)), r->last));
}

/* The share of places that differ. */
static void hamming(rows *r)
{
    edit *e = r->e;
    const elem kind = elem_type_of(e, r->x);
    const attr to = attr_int(e->m, "to", kind);
    const value_id differs = insert(e, "Not", NULL, IN(insert(e, "Equal", NULL, IN(r->a, r->b))));
    gives(r, "ReduceMean", IN(insert(e, "Cast", &to, IN(differs)), r->last));
}

bool c_dist(edit *e)
{
    static const char *const KNOWN[] = {"sqeuclidean", "euclidean", "cityblock", "chebyshev", "braycurtis", "canberra", "cosine", "correlation", "hamming"};
    const char *metric = node_string(edited(e), "metric", "sqeuclidean");
    const int64_t first = 0, middle = 1, last = 2;
    bool known = false;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) known |= !strcmp(metric, KNOWN[i]);
    if (!known) return version_error(e, "contrib", "metric '%s' is not supported yet", metric);
    if (elem_type_of(e, input_of(e, 0)) == ELEM_NONE) return true; /* later, when types are known */
    rows r = {.e = e, .x = input_of(e, 0), .y = input_of(e, 1), .thin = attr_int(e->m, "keepdims", 0)};
    if (!strcmp(metric, "cosine")) return one_less_cosine(&r, r.x, r.y), true;
    if (!strcmp(metric, "correlation")) return one_less_cosine(&r, centred(&r, r.x), centred(&r, r.y)), true;
    r.a = insert(e, "Unsqueeze", NULL, IN(r.x, const_ints(e, "middle", 1, &middle)));
    r.b = insert(e, "Unsqueeze", NULL, IN(r.y, const_ints(e, "first", 1, &first)));
    r.last = const_ints(e, "axes", 1, &last);
    if (!strcmp(metric, "hamming")) return hamming(&r), true;
    r.difference = insert(e, "Sub", NULL, IN(r.a, r.b));
    if (!strcmp(metric, "sqeuclidean")) gives(&r, "ReduceSumSquare", IN(r.difference, r.last));
    else if (!strcmp(metric, "euclidean")) gives(&r, "Sqrt", IN(reduced(&r, "ReduceSumSquare", r.difference)));
    else if (!strcmp(metric, "cityblock")) gives(&r, "ReduceL1", IN(r.difference, r.last));
    else if (!strcmp(metric, "chebyshev")) gives(&r, "ReduceMax", IN(absolute(&r, r.difference), r.last));
    else if (!strcmp(metric, "canberra")) canberra(&r);
    else gives(&r, "Div", IN(reduced(&r, "ReduceL1", r.difference), reduced(&r, "ReduceL1", insert(e, "Add", NULL, IN(r.a, r.b)))));
    return true;
}
