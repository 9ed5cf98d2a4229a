/* contrib_relative.c - RelativePositionBias and GatedRelativePositionBias of com.microsoft in terms of ai.onnx: what attention by relative positions adds to
 * its scores. Source: onnxruntime's documentation of its contrib operators; T5's buckets, arXiv 1910.10683. */
#include <math.h>

#include "ops/contrib.h"

static value_id as_elem(edit *e, value_id v, elem to)
{
    const attr a = attr_int(e->m, "to", to);
    return insert(e, "Cast", &a, IN(v));
}

/* bucket(p), p >= 0: p itself below `exact`, then by its logarithm up to `most` at max_distance. */
static value_id bucket_of(edit *e, value_id p, int64_t exact, int64_t buckets, int64_t max_distance)
{
    const float pace = (float)(buckets - exact), whole = (float)exact, span = logf((float)max_distance / whole);
    const value_id start = const_int(e, "exact", exact), far = insert(e, "Max", NULL, IN(p, start));
    const value_id ratio = insert(e, "Div", NULL, IN(as_elem(e, far, ELEM_FLOAT), const_floats(e, "whole", 1, &whole)));
    const value_id turns = insert(e, "Div", NULL, IN(insert(e, "Log", NULL, IN(ratio)), const_floats(e, "span", 1, &span)));
    const value_id steps = as_elem(e, insert(e, "Mul", NULL, IN(turns, const_floats(e, "pace", 1, &pace))), ELEM_INT64);
    const value_id large = insert(e, "Min", NULL, IN(insert(e, "Add", NULL, IN(start, steps)), const_int(e, "most", buckets - 1)));
    return insert(e, "Where", NULL, IN(insert(e, "Less", NULL, IN(p, start)), p, large));
}

/* [buckets, heads], whose memory holds the rows of the heads one after the other; both lengths are one number -> [1, heads, length, length]. */
bool relative_bias(edit *e)
{
    model *m = e->m;
    const value_id table = input_of(e, 0);
    const type *t = &value_at(m, table)->type;
    const int64_t max_distance = node_int(edited(e), "max_distance", 0), first = 0, second = 1;
    const bool both_ways = node_int(edited(e), "is_bidirectional", 0) != 0;
    int64_t all;
    if (rank_of(e, table) < 0) return true; /* later, when types are known */
    if (rank_of(e, table) != 2 || !dim_is_const(m->dims, t->shape[0], &all)) return version_error(e, "contrib", "the number of buckets is not known");
    const int64_t buckets = both_ways ? all / 2 : all, exact = buckets / 2;
    if (exact < 1 || max_distance <= exact) return version_error(e, "contrib", "max_distance %lld does not fit %lld buckets", (long long)max_distance, (long long)all);
    const value_id length = insert(e, "Squeeze", NULL, IN(input_of(e, 1)));
    const value_id places = insert(e, "Range", NULL, IN(const_int(e, "zero", 0), as_elem(e, length, ELEM_INT64), const_int(e, "one", 1)));
    const value_id row = insert(e, "Unsqueeze", NULL, IN(places, const_ints(e, "first", 1, &first))), column = insert(e, "Unsqueeze", NULL, IN(places, const_ints(e, "second", 1, &second)));
    const value_id away = insert(e, "Sub", NULL, IN(row, column));
    value_id bucket = bucket_of(e, insert(e, "Abs", NULL, IN(away)), exact, buckets, max_distance);
    if (both_ways) {
        const value_id ahead = as_elem(e, insert(e, "Greater", NULL, IN(away, const_int(e, "here", 0))), ELEM_INT64);
        bucket = insert(e, "Add", NULL, IN(bucket, insert(e, "Mul", NULL, IN(ahead, const_int(e, "half", buckets)))));
    }
    const int64_t heads_first[2] = {-1, all};
    const attr along = attr_int(m, "axis", 1);
    const value_id rows = insert(e, "Reshape", NULL, IN(table, const_ints(e, "heads", 2, heads_first)));
    const value_id bias = insert(e, "Gather", &along, IN(rows, bucket));
    replace_node(e, "Unsqueeze", 0, NULL, IN(bias, const_ints(e, "batch", 1, &first)));
    return true;
}

/* rel_pos times a gate of each query: u (r eco_a - 1) + 2, where u and r are sigmoids of the sums of the halves of query * weight + bias. */
bool gated_relative_bias(edit *e)
{
    enum { QUERY, QUERY_BIAS, REL_POS, WEIGHT, BIAS, ECO_A, TOKEN_OFFSET };
    model *m = e->m;
    const int64_t heads = node_int(edited(e), "num_heads", 0), per_head[4] = {0, 0, heads, -1}, order[4] = {0, 2, 1, 3}, halves[5] = {0, 0, 0, 2, -1}, last = -1;
    if (rank_of(e, input_of(e, QUERY)) < 0) return true;
    if (heads < 1) return version_error(e, "contrib", "num_heads is %lld", (long long)heads);
    if (input_of(e, TOKEN_OFFSET) || rank_of(e, input_of(e, QUERY)) != 3) return version_error(e, "contrib", "sequences packed without padding are not supported");
    const attr perm = attr_ints(m, "perm", 4, order), axis = attr_int(m, "axis", -1), keep = attr_int(m, "keepdims", 0);
    const value_id query = insert(e, "Reshape", NULL, IN(with_bias(e, input_of(e, QUERY), input_of(e, QUERY_BIAS)), const_ints(e, "per_head", 4, per_head)));
    const value_id linear = with_bias(e, insert(e, "MatMul", NULL, IN(insert(e, "Transpose", &perm, IN(query)), input_of(e, WEIGHT))), input_of(e, BIAS));
    const value_id parts = insert(e, "Reshape", NULL, IN(linear, const_ints(e, "halves", 5, halves)));
    const value_id gates = insert(e, "Sigmoid", NULL, IN(insert(e, "ReduceSum", &keep, IN(parts, const_ints(e, "last", 1, &last)))));
    const int64_t one = 1, none = 0;
    const value_id u = insert(e, "Gather", &axis, IN(gates, const_ints(e, "u", 1, &none))), r = insert(e, "Gather", &axis, IN(gates, const_ints(e, "r", 1, &one)));
    const value_id scaled = insert(e, "Mul", NULL, IN(r, input_of(e, ECO_A)));
    const value_id less = insert(e, "Sub", NULL, IN(scaled, const_like(e, "one", 1, scaled)));
    const value_id gate = insert(e, "Mul", NULL, IN(u, less));
    replace_node(e, "Mul", 0, NULL, IN(insert(e, "Add", NULL, IN(gate, const_like(e, "two", 2, gate))), input_of(e, REL_POS)));
    return true;
}
