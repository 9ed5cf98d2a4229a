/* contrib_distance.c - CDist of com.microsoft in terms of ai.onnx: distances between the rows of [m, k] and of [n, k]. Source: onnxruntime's documentation of
 * its contrib operators, which names the metrics as scipy.spatial.distance.cdist does; the formulas are those of scipy's documentation, and what it takes by
 * default: p = 2 for minkowski, variances and covariances of the rows of both inputs. */
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

/* ---- truths: what is not zero is true ---- */

/* How many places are true in both, in the first only, in the second only, in one of them; how many there are. [m, n], the last a scalar. */
typedef struct {
    value_id both, first, second, apart, all;
} counts;

static value_id truths(rows *r, value_id v)
{
    const attr truth = attr_int(r->e->m, "to", ELEM_BOOL), number = attr_int(r->e->m, "to", elem_type_of(r->e, r->x));
    return insert(r->e, "Cast", &number, IN(insert(r->e, "Cast", &truth, IN(v))));
}

static counts counted(rows *r)
{
    edit *e = r->e;
    const int64_t along = 1, order[2] = {1, 0};
    const attr perm = attr_ints(e->m, "perm", 2, order), to = attr_int(e->m, "to", elem_type_of(e, r->x));
    const value_id a = truths(r, r->x), b = truths(r, r->y), axis = const_ints(e, "along", 1, &along);
    counts c = {.both = insert(e, "MatMul", NULL, IN(a, insert(e, "Transpose", &perm, IN(b))))};
    c.first = insert(e, "Sub", NULL, IN(insert(e, "ReduceSum", NULL, IN(a, axis)), c.both));
    c.second = insert(e, "Sub", NULL, IN(insert(e, "ReduceSum", &r->thin, IN(b, axis)), c.both));
    c.apart = insert(e, "Add", NULL, IN(c.first, c.second));
    c.all = insert(e, "Cast", &to, IN(size_of(e, r->x, 1)));
    return c;
}

static value_id twice(rows *r, value_id v)
{
    return insert(r->e, "Add", NULL, IN(v, v));
}

/* above / below, and 0 where above is 0 */
static void share(rows *r, value_id above, value_id below)
{
    edit *e = r->e;
    const value_id zero = const_like(e, "zero", 0, above);
    gives(r, "Where", IN(insert(e, "Equal", NULL, IN(above, zero)), zero, insert(e, "Div", NULL, IN(above, below))));
}

static void dice(rows *r)
{
    const counts c = counted(r);
    gives(r, "Div", IN(c.apart, insert(r->e, "Add", NULL, IN(twice(r, c.both), c.apart))));
}

static void jaccard(rows *r)
{
    const counts c = counted(r);
    share(r, c.apart, insert(r->e, "Add", NULL, IN(c.both, c.apart)));
}

static void kulsinski(rows *r)
{
    const counts c = counted(r);
    const value_id sum = insert(r->e, "Add", NULL, IN(c.apart, c.all));
    gives(r, "Div", IN(insert(r->e, "Sub", NULL, IN(sum, c.both)), sum));
}

static void rogerstanimoto(rows *r)
{
    const counts c = counted(r);
    gives(r, "Div", IN(twice(r, c.apart), insert(r->e, "Add", NULL, IN(c.all, c.apart))));
}

static void russellrao(rows *r)
{
    const counts c = counted(r);
    gives(r, "Div", IN(insert(r->e, "Sub", NULL, IN(c.all, c.both)), c.all));
}

static void sokalsneath(rows *r)
{
    const counts c = counted(r);
    const value_id weighed = twice(r, c.apart);
    gives(r, "Div", IN(weighed, insert(r->e, "Add", NULL, IN(c.both, weighed))));
}

/* 2 TF FT / (TT FF + TF FT) */
static void yule(rows *r)
{
    edit *e = r->e;
    const counts c = counted(r);
    const value_id crossed = insert(e, "Mul", NULL, IN(c.first, c.second)), neither = insert(e, "Sub", NULL, IN(c.all, insert(e, "Add", NULL, IN(c.both, c.apart))));
    share(r, twice(r, crossed), insert(e, "Add", NULL, IN(insert(e, "Mul", NULL, IN(c.both, neither)), crossed)));
}

/* ---- distributions ---- */

/* sum of p log(p / m), where 0 log(0 / m) is 0 */
static value_id divergence(rows *r, value_id p, value_id m)
{
    edit *e = r->e;
    const value_id zero = const_like(e, "zero", 0, p), part = insert(e, "Mul", NULL, IN(p, insert(e, "Log", NULL, IN(insert(e, "Div", NULL, IN(p, m))))));
    return reduced(r, "ReduceSum", insert(e, "Where", NULL, IN(insert(e, "Equal", NULL, IN(p, zero)), zero, part)));
}

/* The root of half the sum of the divergences from the mean, of rows with sum 1. */
static void jensenshannon(rows *r)
{
    edit *e = r->e;
    const value_id p = insert(e, "Div", NULL, IN(r->a, insert(e, "ReduceSum", NULL, IN(r->a, r->last)))), q = insert(e, "Div", NULL, IN(r->b, insert(e, "ReduceSum", NULL, IN(r->b, r->last))));
    const value_id half = const_like(e, "half", 0.5f, p), mean = insert(e, "Mul", NULL, IN(insert(e, "Add", NULL, IN(p, q)), half));
    const value_id sum = insert(e, "Add", NULL, IN(divergence(r, p, mean), divergence(r, q, mean)));
    gives(r, "Sqrt", IN(insert(e, "Mul", NULL, IN(sum, half))));
}

/* Both inputs' rows, less their mean over all rows, and the number of rows less one. */
static value_id pooled(rows *r, value_id *count)
{
    edit *e = r->e;
    const int64_t first = 0;
    const attr axis = attr_int(e->m, "axis", 0), to = attr_int(e->m, "to", elem_type_of(e, r->x));
    const value_id all = insert(e, "Concat", &axis, IN(r->x, r->y));
    *count = insert(e, "Cast", &to, IN(insert(e, "Sub", NULL, IN(size_of(e, all, 0), one_int(e, 1)))));
    return insert(e, "Sub", NULL, IN(all, insert(e, "ReduceMean", NULL, IN(all, const_ints(e, "first", 1, &first)))));
}

/* Squares over the variances. */
static void seuclidean(rows *r)
{
    edit *e = r->e;
    const int64_t first = 0;
    value_id count;
    const value_id apart = pooled(r, &count), variance = insert(e, "Div", NULL, IN(insert(e, "ReduceSumSquare", &r->thin, IN(apart, const_ints(e, "first", 1, &first))), count));
    const value_id square = insert(e, "Mul", NULL, IN(r->difference, r->difference));
    gives(r, "Sqrt", IN(reduced(r, "ReduceSum", insert(e, "Div", NULL, IN(square, variance)))));
}

/* d' C^-1 d with the covariances C */
static void mahalanobis(rows *r)
{
    edit *e = r->e;
    const int64_t order[2] = {1, 0};
    const attr perm = attr_ints(e->m, "perm", 2, order);
    value_id count;
    const value_id apart = pooled(r, &count), covariance = insert(e, "Div", NULL, IN(insert(e, "MatMul", NULL, IN(insert(e, "Transpose", &perm, IN(apart)), apart)), count));
    const value_id turned = insert(e, "MatMul", NULL, IN(r->difference, make_contrib(e, "Inverse", IN(covariance))));
    gives(r, "Sqrt", IN(reduced(r, "ReduceSum", insert(e, "Mul", NULL, IN(turned, r->difference)))));
}

static void sqeuclidean(rows *r)
{
    gives(r, "ReduceSumSquare", IN(r->difference, r->last));
}

static void euclidean(rows *r)
{
    gives(r, "Sqrt", IN(reduced(r, "ReduceSumSquare", r->difference)));
}

static void cityblock(rows *r)
{
    gives(r, "ReduceL1", IN(r->difference, r->last));
}

static void chebyshev(rows *r)
{
    gives(r, "ReduceMax", IN(absolute(r, r->difference), r->last));
}

static void braycurtis(rows *r)
{
    gives(r, "Div", IN(reduced(r, "ReduceL1", r->difference), reduced(r, "ReduceL1", insert(r->e, "Add", NULL, IN(r->a, r->b)))));
}

static void cosine(rows *r)
{
    one_less_cosine(r, r->x, r->y);
}

static void correlation(rows *r)
{
    one_less_cosine(r, centred(r, r->x), centred(r, r->y));
}

static const struct {
    const char *name;
    void (*run)(rows *r);
} METRICS[] = {
    {"braycurtis", braycurtis}, {"canberra", canberra}, {"chebyshev", chebyshev}, {"cityblock", cityblock}, {"correlation", correlation}, {"cosine", cosine},
    {"dice", dice}, {"euclidean", euclidean}, {"hamming", hamming}, {"jaccard", jaccard}, {"jensenshannon", jensenshannon}, {"kulsinski", kulsinski},
    {"mahalanobis", mahalanobis}, {"matching", hamming}, {"minkowski", euclidean}, {"rogerstanimoto", rogerstanimoto}, {"russellrao", russellrao},
    {"seuclidean", seuclidean}, {"sokalmichener", rogerstanimoto}, {"sokalsneath", sokalsneath}, {"sqeuclidean", sqeuclidean}, {"yule", yule},
};

bool c_dist(edit *e)
{
    const char *metric = node_string(edited(e), "metric", "sqeuclidean");
    const int64_t first = 0, middle = 1, last = 2;
    size_t i = 0;
    while (i < sizeof METRICS / sizeof *METRICS && strcmp(metric, METRICS[i].name)) i++;
    if (!strcmp(metric, "wminkowski")) return version_error(e, "contrib", "metric 'wminkowski' needs weights, which the operator has no input for");
    if (i == sizeof METRICS / sizeof *METRICS) return version_error(e, "contrib", "there is no metric '%s'", metric);
    if (elem_type_of(e, input_of(e, 0)) == ELEM_NONE) return true; /* later, when types are known */
    rows r = {.e = e, .x = input_of(e, 0), .y = input_of(e, 1), .thin = attr_int(e->m, "keepdims", 0)};
    r.a = insert(e, "Unsqueeze", NULL, IN(r.x, const_ints(e, "middle", 1, &middle)));
    r.b = insert(e, "Unsqueeze", NULL, IN(r.y, const_ints(e, "first", 1, &first)));
    r.last = const_ints(e, "axes", 1, &last);
    r.difference = insert(e, "Sub", NULL, IN(r.a, r.b));
    METRICS[i].run(&r);
    return true;
}
