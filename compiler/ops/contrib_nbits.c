/* contrib_nbits.c - MatMulNBits of com.microsoft: A * dequantized(B)^T, where B has N rows of K numbers of 2, 4 or 8 bits, in blocks with a scale and
 * a zero point. Source: the documentation of onnxruntime's contrib operators.
 *
 * Constant weights become a tensor of uint2, uint4 or uint8 that onnxcc.MatMulNBits (matmul.c) multiplies by, or that is dequantized by blocks where blocks are no
 * multiple of 16 or zero points are no integers. Weights that are computed are taken apart by shifts. */
#include <string.h>

#include "ops/contrib.h"
#include "ops/ops.h"

typedef struct {
    edit *e;
    int64_t k, rows, size, bits, blocks;
} nbits;

static elem code_type(const nbits *b)
{
    return b->bits == 2 ? ELEM_UINT2 : b->bits == 4 ? ELEM_UINT4 : ELEM_UINT8;
}

static value_id constant_of(edit *e, const char *role, const tensor *t)
{
    model *m = e->m;
    const value_id v = make_value(e, role);
    dim *d = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) d[i] = dim_const(m->dims, t->shape[i]);
    value_at(m, v)->type = type_tensor(t->type, (int32_t)t->rank, d);
    value_at(m, v)->data = t;
    VEC_PUSH(m->mem, graph_at(m, e->graph)->initializers, v);
    return v;
}

/* A constant of bytes seen as numbers of a few bits, `columns` in a row, of which the first `wanted` are kept: [rows, wanted]. */
static value_id constant_codes(const nbits *b, const char *role, int64_t columns, int64_t wanted, const void *bytes)
{
    model *m = b->e->m;
    const elem kind = code_type(b);
    const int64_t shape[2] = {b->rows, wanted};
    tensor *t = tensor_new(m->mem, kind, 2, shape);
    if (wanted == columns) t->data = bytes;
    for (int64_t r = 0; r < b->rows && wanted != columns; r++)
        for (int64_t i = 0; i < wanted; i++)
            elem_set_int(kind, (void *)(uintptr_t)t->data, (size_t)(r * wanted + i), elem_get_int(kind, bytes, (size_t)(r * columns + i)));
    return constant_of(b->e, role, t);
}

static value_id as_rows(const nbits *b, value_id v, int64_t columns)
{
    const int64_t shape[2] = {b->rows, columns};
    return insert(b->e, "Reshape", NULL, IN(v, const_ints(b->e, "shape", 2, shape)));
}

static value_id first_columns(edit *e, value_id v, int64_t count)
{
    return slice(e, v, one_int(e, 0), one_int(e, count), 1);
}

/* Bytes that are known at run time, as one uint8 for each number in them: [rows, columns]. */
static value_id computed_codes(const nbits *b, value_id bytes, int64_t columns)
{
    return as_rows(b, b->bits == 8 ? bytes : unpacked_bits(b->e, bytes, b->bits), columns);
}

/* The codes, or the zero points, in `v`: the first `wanted` of the `columns` that a row of whole bytes holds. 0 after a report. */
static value_id codes_of(const nbits *b, const char *role, value_id v, int64_t columns, int64_t wanted)
{
    const tensor *t = data_of(b->e, v);
    if (t && (int64_t)t->bytes >= b->rows * columns * b->bits / 8) return constant_codes(b, role, columns, wanted, t->data);
    if (t) {
        version_error(b->e, "contrib", "the %s are too short", role);
        return 0;
    }
    const value_id codes = computed_codes(b, v, columns);
    return wanted == columns ? codes : first_columns(b->e, codes, wanted);
}

/* The zero points as codes, [rows, blocks]: in the middle where none are given. 0 after a report. */
static value_id zeros_of(const nbits *b, value_id given)
{
    const int64_t columns = (b->blocks * b->bits + 7) / 8 * 8 / b->bits, bytes = b->rows * columns * b->bits / 8;
    if (given) return codes_of(b, "zero points", given, columns, b->blocks);
    uint8_t *middle = arena_alloc(b->e->m->mem, (size_t)bytes);
    memset(middle, b->bits == 2 ? 0xaa : b->bits == 4 ? 0x88 : 0x80, (size_t)bytes);
    return constant_codes(b, "zeros", columns, b->blocks, middle);
}

/* [rows, blocks] as [rows, k]. */
static value_id spread(const nbits *b, value_id v)
{
    edit *e = b->e;
    const attr axis = attr_int(e->m, "axis", 1);
    const value_id column = count_to(e, one_int(e, b->k));
    return insert(e, "Gather", &axis, IN(v, insert(e, "Div", NULL, IN(column, const_int(e, "block", b->size)))));
}

/* The weights, [rows, k]. 0 after a report. */
static value_id weights_of(const nbits *b)
{
    edit *e = b->e;
    const value_id scales = as_rows(b, input_of(e, 2), b->blocks), given = input_of(e, 3);
    const bool whole = !given || elem_type_of(e, given) == ELEM_UINT8;
    const int64_t columns = b->blocks * b->size;
    value_id codes = codes_of(b, "weights", input_of(e, 1), columns, whole ? columns : b->k),
             zeros = whole ? zeros_of(b, given) : as_rows(b, given, b->blocks);
    if (!codes || !zeros) return 0;
    if (whole) {
        const attr a[2] = {attr_int(e->m, "axis", 1), attr_int(e->m, "block_size", b->size)};
        if (given && !data_of(e, given) != !data_of(e, input_of(e, 1))) { /* one type for both */
            const attr to = attr_int(e->m, "to", ELEM_UINT8);
            codes = insert(e, "Cast", &to, 1, &codes);
            zeros = insert(e, "Cast", &to, 1, &zeros);
        } else if (!given && !data_of(e, input_of(e, 1))) {
            zeros = insert(e, "CastLike", NULL, IN(zeros, codes));
        }
        const value_id w = make(e, "DequantizeLinear", 2, a, IN(codes, scales, zeros));
        return columns != b->k ? first_columns(e, w, b->k) : w;
    }
    codes = insert(e, "CastLike", NULL, IN(codes, scales));
    const value_id off = insert(e, "Sub", NULL, IN(codes, spread(b, insert(e, "CastLike", NULL, IN(zeros, scales)))));
    return insert(e, "Mul", NULL, IN(off, spread(b, scales)));
}

static void become_sum(edit *e, const char *op, uint32_t n_in, const value_id *in, value_id bias)
{
    if (bias) {
        const value_id y = insert(e, op, NULL, n_in, in);
        replace_node(e, "Add", 0, NULL, IN(y, bias));
    } else {
        replace_node(e, op, 0, NULL, n_in, in);
    }
}

/* Weights without elements stand for zeros. */
static void become_zeros(const nbits *b, value_id bias)
{
    edit *e = b->e;
    const value_id x = input_of(e, 0);
    const attr end = attr_int(e->m, "end", -1), axis = attr_int(e->m, "axis", 0);
    const value_id shape = insert(e, "Concat", &axis, IN(insert(e, "Shape", &end, 1, &x), const_ints(e, "n", 1, &b->rows)));
    become_sum(e, "Expand", IN(const_like(e, "zero", 0, x), shape), bias);
}

/* ---- constant weights as they are ---- */

static bool are_known(const nbits *b)
{
    edit *e = b->e;
    const value_id zeros = input_of(e, 3);
    const elem kind = elem_type_of(e, input_of(e, 0));
    if (kind != ELEM_FLOAT && kind != ELEM_FLOAT16 && kind != ELEM_BFLOAT16) return false;
    if (b->size % 16 || e->m->written_back || !data_of(e, input_of(e, 1)) || !data_of(e, input_of(e, 2))) return false;
    return !zeros || (data_of(e, zeros) && elem_type_of(e, zeros) == ELEM_UINT8);
}

/* The scales as float32 [rows, blocks]. 0 after a report. */
static value_id constant_scales(const nbits *b, const tensor *from)
{
    const int64_t shape[2] = {b->rows, b->blocks}, count = tensor_count(from);
    if (count % b->rows || count / b->rows != b->blocks) {
        version_error(b->e, "contrib", "there are %lld scales, expected %lld for each of %lld rows", (long long)count, (long long)b->blocks, (long long)b->rows);
        return 0;
    }
    tensor *t = tensor_new(b->e->m->mem, ELEM_FLOAT, 2, shape);
    for (size_t i = 0; i < (size_t)count; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, i, elem_get_double(from->type, from->data, i));
    return constant_of(b->e, "scales", t);
}

static value_id as_float(edit *e, value_id v)
{
    const attr to = attr_int(e->m, "to", ELEM_FLOAT);
    return !v || elem_type_of(e, v) == ELEM_FLOAT ? v : insert(e, "Cast", &to, 1, &v);
}

/* Operands and attributes of onnxcc.MatMulNBits: x, codes [rows, k], scales and zero points [rows, blocks]. */
static bool become_product(const nbits *b, value_id bias)
{
    edit *e = b->e;
    model *m = e->m;
    const value_id x = input_of(e, 0), given = input_of(e, 3);
    const elem kind = elem_type_of(e, x);
    const attr a[2] = {attr_int(m, "block_size", b->size), attr_int(m, "accuracy_level", node_int(edited(e), "accuracy_level", 0))}, to = attr_int(m, "to", kind);
    const value_id in[4] = {as_float(e, x), codes_of(b, "weights", input_of(e, 1), b->blocks * b->size, b->k), constant_scales(b, data_of(e, input_of(e, 2))),
                            given ? zeros_of(b, given) : 0};
    if (!in[1] || !in[2] || (given && !in[3])) return false;
    value_id y = make(e, "Identity", 2, a, given ? 4 : 3, in);
    node *n = node_at(m, value_at(m, y)->producer);
    n->domain = intern(m->names, OWN_DOMAIN);
    n->op = intern(m->names, "MatMulNBits");
    n->version = 0;
    if (bias) y = insert(e, "Add", NULL, IN(y, as_float(e, bias)));
    if (kind == ELEM_FLOAT) replace_node(e, "Identity", 0, NULL, 1, &y);
    else replace_node(e, "Cast", 1, &to, 1, &y);
    return true;
}

enum { MOST_WEIGHTS_LOG2 = 36 };
#define MOST_WEIGHTS ((int64_t)1 << MOST_WEIGHTS_LOG2)

/* The bytes of weights, where it is known how many there are, are as many as the attributes say; none stand for zeros. */
static bool weights_fit(const nbits *b)
{
    model *m = b->e->m;
    const type *t = &value_at(m, input_of(b->e, 1))->type;
    int64_t shape[MAX_RANK], count = 1;
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > MAX_RANK || !shape_is_static(m, t, shape)) return true;
    for (int32_t i = 0; i < t->rank; i++) count = sat_mul(count, shape[i]);
    return !count || count == b->rows * b->blocks * (b->size * b->bits / 8);
}

bool matmul_nbits(edit *e)
{
    const node *n = edited(e);
    nbits b = {.e = e, .k = node_int(n, "K", 0), .rows = node_int(n, "N", 0), .size = node_int(n, "block_size", 32), .bits = node_int(n, "bits", 4)};
    const value_id x = input_of(e, 0), bias = input_of(e, 5);
    const tensor *codes = data_of(e, input_of(e, 1));
    if (b.bits != 2 && b.bits != 4 && b.bits != 8)
        return version_error(e, "contrib", "weights of %lld bits are not supported yet", (long long)b.bits);
    if (input_of(e, 4)) return version_error(e, "contrib", "g_idx, an input that is deprecated, is not supported");
    if (node_int(n, "weight_prepacked", 0))
        return version_error(e, "contrib", "weights in the layout of a GPU (weight_prepacked) are not supported yet");
    if (b.k < 1 || b.rows < 1 || b.size < 2 || b.k > INT32_MAX || b.rows > INT32_MAX || b.size > INT32_MAX || b.size * b.bits % 8) return version_error(e, "contrib", "K, N or block_size is wrong");
    if (elem_type_of(e, x) == ELEM_NONE || (input_of(e, 3) && elem_type_of(e, input_of(e, 3)) == ELEM_NONE))
        return true; /* later, when types are known */
    b.blocks = (b.k + b.size - 1) / b.size;
    if (sat_mul(sat_mul(b.rows, b.blocks), b.size) > MOST_WEIGHTS) return version_error(e, "contrib", "N rows of K weights in blocks are more than 2^%d", MOST_WEIGHTS_LOG2);
    if (!weights_fit(&b)) return version_error(e, "contrib", "the size of the weights is not that of N rows of K numbers in blocks");
    if (codes && !tensor_count(codes)) {
        become_zeros(&b, bias);
        return true;
    }
    if (are_known(&b)) return become_product(&b, bias);
    value_id w = weights_of(&b);
    if (!w) return false;
    w = insert(e, "Transpose", NULL, 1, &w);
    become_sum(e, "MatMul", IN(x, w), bias);
    return true;
}
