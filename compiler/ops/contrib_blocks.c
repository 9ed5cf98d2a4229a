/* contrib_blocks.c - tables and weights that com.microsoft keeps in a few bits with a scale for each block: GatherBlockQuantized, MatMulBnb4, QMoE.
 * Source: the documentation of onnxruntime's contrib operators. */
#include <string.h>

#include "ops/contrib.h"

/* Numbers packed along the last dimension of `bytes`, a tensor of rank `rank`: one uint8 each, the dimension being 8 / bits times as long. */
static value_id unpacked_last(edit *e, value_id bytes, int32_t rank, int64_t bits)
{
    if (bits == 8) return bytes;
    int64_t shape[MAX_RANK + 1];
    for (int32_t i = 0; i < rank; i++) shape[i] = i < rank - 1 ? 0 : -1;
    return insert(e, "Reshape", NULL, IN(unpacked_bits(e, bytes, bits), const_ints(e, "shape", (uint32_t)rank, shape)));
}

/* ---- GatherBlockQuantized ---- */

typedef struct {
    edit *e;
    value_id indices;
    int32_t rank, index_rank; /* of the table and of the indices */
    int64_t gather, along, bits;
} block_gather;

/* The rows of one of the tables (numbers, scales, zero points), unpacked where they are bytes of several numbers. */
static value_id rows_of(const block_gather *g, value_id table, bool packed)
{
    edit *e = g->e;
    const attr axis = attr_int(e->m, "axis", g->gather);
    const value_id rows = insert(e, "Gather", &axis, IN(table, g->indices));
    return packed ? unpacked_last(e, rows, g->rank + g->index_rank - 1, g->bits) : rows;
}

static bool wrapped(int64_t axis, int32_t rank, int64_t *out)
{
    *out = axis < 0 ? axis + rank : axis;
    return *out >= 0 && *out < rank;
}

/* Zero points of one number each, of which there may be more in the last byte than there are blocks. */
static value_id zeros_like(edit *e, value_id zeros, value_id scales, int64_t axis)
{
    return slice(e, zeros, one_int(e, 0), size_of(e, scales, axis), axis);
}

bool gather_blocks(edit *e)
{
    const value_id data = input_of(e, 0), zeros = input_of(e, 3);
    const elem kind = elem_type_of(e, data);
    const int64_t size = node_int(edited(e), "block_size", 128);
    block_gather g = {.e = e, .indices = input_of(e, 1), .rank = rank_of(e, data), .index_rank = rank_of(e, input_of(e, 1)), .bits = node_int(edited(e), "bits", 4)};
    if (g.rank < 0 || g.index_rank < 0 || kind == ELEM_NONE) return true; /* later, when types are known */
    if (g.rank + g.index_rank > MAX_RANK || !wrapped(node_int(edited(e), "gather_axis", 0), g.rank, &g.gather) || !wrapped(node_int(edited(e), "quantize_axis", 1), g.rank, &g.along))
        return version_error(e, "contrib", "the axes are not those of a table of %d dimensions", g.rank);
    if (g.bits != 2 && g.bits != 4 && g.bits != 8) return version_error(e, "contrib", "%lld bits are not supported", (long long)g.bits);
    if (g.gather == g.along || (size < 1 && elem_of(kind)->kind != 'f')) return version_error(e, "contrib", "the blocks are along the axis that is gathered, or without a size");
    const bool packed = kind == ELEM_UINT8 && g.bits < 8;
    const int64_t axis = g.along > g.gather ? g.along + g.index_rank - 1 : g.along;
    const value_id rows = rows_of(&g, data, packed), scales = rows_of(&g, input_of(e, 2), false);
    value_id middle = zeros ? zeros_like(e, rows_of(&g, zeros, packed), scales, axis) : 0;
    if (elem_of(kind)->kind == 'f') {
        const value_id wide = insert(e, "CastLike", NULL, IN(rows, scales));
        const value_id block = size ? insert(e, "Div", NULL, IN(count_to(e, size_of(e, wide, axis)), const_int(e, "block", size))) : 0;
        const attr a = attr_int(e->m, "axis", axis);
        replace_node(e, "Mul", 0, NULL, IN(wide, block ? insert(e, "Gather", &a, IN(scales, block)) : scales));
        return true;
    }
    if (!middle && kind == ELEM_UINT8) { /* a zero point for every scale, for which one number has to be spread */
        const attr to = attr_int(e->m, "to", ELEM_UINT8);
        middle = insert(e, "Expand", NULL, IN(insert(e, "Cast", &to, IN(const_int(e, "middle", (int64_t)1 << (g.bits - 1)))), insert(e, "Shape", NULL, IN(scales))));
    }
    const attr a[2] = {attr_int(e->m, "axis", axis), attr_int(e->m, "block_size", size)};
    const value_id in[3] = {rows, scales, middle};
    replace_node(e, "DequantizeLinear", 2, a, middle ? 3 : 2, in);
    return true;
}

/* ---- MatMulBnb4: weights [N, K] as one row of 4-bit codes, the first of a byte in its high bits ---- */

bool matmul_bnb4(edit *e)
{
    /* bitsandbytes' two code books: floats of 1 + 2 + 1 bits, and quantiles of the normal distribution */
    static const float FP4[16] = {0.0f, 0.005208333333f, 0.66666667f, 1.0f, 0.33333333f, 0.5f, 0.16666667f, 0.25f,
                                  -0.0f, -0.005208333333f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};
    static const float NF4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
                                  -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                  0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
    const node *n = edited(e);
    const int64_t k = node_int(n, "K", 0), rows = node_int(n, "N", 0), size = node_int(n, "block_size", 64), kind = node_int(n, "quant_type", 1), shape[2] = {rows, k};
    const int64_t both[2] = {4, 0}, low = 15, last = -1;
    const value_id x = input_of(e, 0), absmax = input_of(e, 2);
    const bool turned = node_int(n, "transB", 1) != 0;
    if (elem_type_of(e, x) == ELEM_NONE) return true;
    if (k < 1 || rows < 1 || size < 1 || kind < 0 || kind > 1) return version_error(e, "contrib", "K, N, block_size or quant_type is wrong");
    const attr right = attr_string(e->m, "direction", "RIGHT");
    value_id codes = insert(e, "BitShift", &right, IN(with_axes(e, input_of(e, 1), 1, &last), small_numbers(e, 2, both)));
    codes = insert(e, "BitwiseAnd", NULL, IN(codes, small_numbers(e, 1, &low)));
    codes = slice(e, insert(e, "Reshape", NULL, IN(codes, one_int(e, -1))), one_int(e, 0), one_int(e, rows * k), 0);
    const value_id book = insert(e, "CastLike", NULL, IN(const_floats(e, "book", 16, kind ? NF4 : FP4), x));
    const value_id scale = insert(e, "Gather", NULL, IN(absmax, insert(e, "Div", NULL, IN(count_to(e, one_int(e, rows * k)), const_int(e, "block", size)))));
    value_id w = insert(e, "Mul", NULL, IN(insert(e, "Gather", NULL, IN(book, as_int64(e, codes))), scale));
    w = insert(e, "Reshape", NULL, IN(w, const_ints(e, "shape", 2, shape)));
    if (turned) w = insert(e, "Transpose", NULL, IN(w));
    replace_node(e, "MatMul", 0, NULL, IN(x, w));
    return true;
}

/* ---- QMoE: MoE with weights of 2, 4 or 8 bits, a scale for each row or for blocks of it ---- */

/* One expert layer's weights in the type of x: input `i`, its scales, and its zero points at `zeros`. 0: absent. */
static value_id expert_weights(edit *e, uint32_t i, uint32_t zeros, int64_t bits, int64_t size)
{
    const value_id bytes = input_of(e, i), given = input_of(e, zeros);
    const int64_t last = -1;
    value_id scales = input_of(e, i + 1);
    if (!bytes) return 0;
    const attr to = attr_int(e->m, "to", ELEM_FLOAT), as_x = attr_int(e->m, "to", elem_type_of(e, input_of(e, 0))), axis = attr_int(e->m, "axis", 2);
    const value_id codes = insert(e, "Cast", &to, IN(unpacked_last(e, bytes, 3, bits)));
    value_id middle = given ? unpacked_last(e, given, size > 0 ? 3 : 2, bits) : 0;
    scales = insert(e, "Cast", &to, IN(scales));
    if (middle) middle = insert(e, "Cast", &to, IN(zeros_like(e, middle, scales, size > 0 ? 2 : 1)));
    if (size > 0) {
        const value_id block = insert(e, "Div", NULL, IN(count_to(e, size_of(e, codes, 2)), const_int(e, "block", size)));
        scales = insert(e, "Gather", &axis, IN(scales, block));
        if (middle) middle = insert(e, "Gather", &axis, IN(middle, block));
    } else {
        scales = with_axes(e, scales, 1, &last);
        if (middle) middle = with_axes(e, middle, 1, &last);
    }
    const float half = (float)((int64_t)1 << (bits - 1));
    if (!middle) middle = const_floats(e, "middle", 1, &half);
    return insert(e, "Cast", &as_x, IN(insert(e, "Mul", NULL, IN(insert(e, "Sub", NULL, IN(codes, middle)), scales))));
}

bool q_moe(edit *e)
{
    static const char *const OWN[] = {"expert_weight_bits", "fc1_expert_weight_bits", "fc2_expert_weight_bits", "fc3_expert_weight_bits", "block_size", "quant_type",
                                      "weights_prepacked", "accuracy_level", "swiglu_limit_after_activation"};
    const node *n = edited(e);
    const int64_t bits = node_int(n, "expert_weight_bits", 4), size = node_int(n, "block_size", 0);
    const char *kind = node_string(n, "quant_type", "int");
    value_id in[8] = {input_of(e, 0), input_of(e, 1)};
    if (strcmp(kind, "int")) return version_error(e, "contrib", "quant_type '%s' is not supported yet", kind);
    if (node_int(n, "weights_prepacked", 0) > 0) return version_error(e, "contrib", "weights in the layout of a GPU (weights_prepacked) are not supported yet");
    if (input_of(e, 14)) return version_error(e, "contrib", "router_weights are not supported yet");
    if (node_int(n, "swiglu_limit_after_activation", 0)) return version_error(e, "contrib", "swiglu_limit_after_activation is not supported yet");
    if (elem_type_of(e, in[0]) == ELEM_NONE) return true;
    for (uint32_t i = 0; i < 3; i++) {
        const int64_t own = node_int(n, OWN[1 + i], bits);
        if (own != 2 && own != 4 && own != 8) return version_error(e, "contrib", "weights of %lld bits are not supported yet", (long long)own);
        in[2 + 2 * i] = expert_weights(e, 2 + 3 * i, 11 + i, own, size);
        in[3 + 2 * i] = input_of(e, 4 + 3 * i);
        n = edited(e);
    }
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++) node_drop_attr(edited(e), OWN[i]);
    node *to = edited(e);
    to->op = intern(e->m->names, "MoE");
    to->in = arena_copy(e->m->mem, in, sizeof in);
    to->n_in = 8;
    return true;
}
