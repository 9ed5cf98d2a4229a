/* contrib_ids.c - operators of com.microsoft on identifiers, in terms of ai.onnx: MurmurHash3, NGramRepeatBlock. Source: the documentation of onnxruntime's
 * contrib operators, and MurmurHash3_x86_32 as its author, Austin Appleby, put it into the public domain. */
#include <math.h>

#include "ops/contrib.h"

/* ---- MurmurHash3: numbers of 4 or 8 bytes ---- */

static value_id word(edit *e, uint32_t v)
{
    const attr to = attr_int(e->m, "to", ELEM_UINT32);
    return insert(e, "Cast", &to, IN(const_int(e, "word", (int64_t)v)));
}

static value_id shifted(edit *e, value_id v, const char *way, uint32_t by)
{
    const attr a = attr_string(e->m, "direction", way);
    return insert(e, "BitShift", &a, IN(v, word(e, by)));
}

static value_id rotated(edit *e, value_id v, uint32_t by)
{
    return insert(e, "BitwiseOr", NULL, IN(shifted(e, v, "LEFT", by), shifted(e, v, "RIGHT", 32 - by)));
}

static value_id times(edit *e, value_id v, uint32_t factor)
{
    return insert(e, "Mul", NULL, IN(v, word(e, factor)));
}

static value_id folded(edit *e, value_id v, uint32_t by)
{
    return insert(e, "BitwiseXor", NULL, IN(v, shifted(e, v, "RIGHT", by)));
}

/* x as words of 32 bits, the low one first. 0: a type that has none. */
static uint32_t words_of(edit *e, value_id x, elem kind, value_id out[2])
{
    const int bits = elem_of(kind)->bits;
    const attr to = attr_int(e->m, "to", ELEM_UINT32), as = attr_int(e->m, "to", bits == 64 ? ELEM_UINT64 : ELEM_UINT32), right = attr_string(e->m, "direction", "RIGHT");
    if ((bits != 32 && bits != 64) || elem_of(kind)->kind == 'c') return 0;
    const value_id raw = insert(e, "BitCast", &as, IN(x));
    if (bits == 32) {
        out[0] = raw;
        return 1;
    }
    const attr wide = attr_int(e->m, "to", ELEM_UINT64);
    const value_id mask = insert(e, "Cast", &wide, IN(const_int(e, "mask", 0xffffffff))), by = insert(e, "Cast", &wide, IN(const_int(e, "by", 32)));
    out[0] = insert(e, "Cast", &to, IN(insert(e, "BitwiseAnd", NULL, IN(raw, mask))));
    out[1] = insert(e, "Cast", &to, IN(insert(e, "BitShift", &right, IN(raw, by))));
    return 2;
}

bool murmur_hash(edit *e)
{
    value_id part[2];
    const value_id x = input_of(e, 0);
    const elem kind = elem_type_of(e, x);
    const bool positive = node_int(edited(e), "positive", 1) != 0;
    value_id h = word(e, (uint32_t)node_int(edited(e), "seed", 0));
    if (kind == ELEM_NONE) return true; /* later, when types are known */
    const uint32_t n = words_of(e, x, kind, part);
    if (!n) return version_error(e, "contrib", "hashes of %s are not supported yet", elem_of(kind)->name);
    for (uint32_t i = 0; i < n; i++) {
        const value_id k = times(e, rotated(e, times(e, part[i], 0xcc9e2d51), 15), 0x1b873593);
        h = insert(e, "Add", NULL, IN(times(e, rotated(e, insert(e, "BitwiseXor", NULL, IN(h, k)), 13), 5), word(e, 0xe6546b64)));
    }
    h = insert(e, "BitwiseXor", NULL, IN(h, word(e, 4 * n)));
    h = times(e, folded(e, h, 16), 0x85ebca6b);
    h = folded(e, times(e, folded(e, h, 13), 0xc2b2ae35), 16);
    const attr to = attr_int(e->m, "to", positive ? ELEM_UINT32 : ELEM_INT32);
    replace_node(e, "BitCast", 1, &to, IN(h));
    return true;
}

/* ---- NGramRepeatBlock ---- */

/* Every window of n ids whose first n - 1 are the last n - 1 of the row forbids its last one: the score becomes -inf. */
bool ngram_block(edit *e)
{
    const int64_t n = node_int(edited(e), "ngram_size", 0), last = 1;
    const value_id ids = input_of(e, 0), scores = input_of(e, 1);
    if (n < 1) return version_error(e, "contrib", "ngram_size is %lld", (long long)n);
    const attr along = attr_int(e->m, "axis", 1), flat = attr_int(e->m, "keepdims", 0), to_bytes = attr_int(e->m, "to", ELEM_UINT8), truth = attr_int(e->m, "to", ELEM_BOOL);
    const value_id length = size_of(e, ids, 1), count = insert(e, "Sub", NULL, IN(length, one_int(e, n - 1)));
    const value_id places = insert(e, "Add", NULL, IN(with_axes(e, count_to(e, count), 1, &last), count_to(e, one_int(e, n))));
    const value_id windows = insert(e, "Gather", &along, IN(ids, places)); /* [batch, count, n] */
    const value_id forbidden = picked(e, windows, n - 1, 2);
    const float none[2] = {INFINITY, -INFINITY};
    const value_id high = insert(e, "CastLike", NULL, IN(const_floats(e, "high", 1, &none[0]), scores)), low = insert(e, "CastLike", NULL, IN(const_floats(e, "low", 1, &none[1]), scores));
    value_id marks;
    if (n == 1) marks = insert(e, "Expand", NULL, IN(low, insert(e, "Shape", NULL, IN(forbidden))));
    else {
        const value_id tail = with_axes(e, slice(e, ids, count, length, 1), 1, &last);
        const value_id same = insert(e, "Equal", NULL, IN(slice(e, windows, one_int(e, 0), one_int(e, n - 1), 2), tail));
        const value_id all = insert(e, "ReduceMin", &flat, IN(insert(e, "Cast", &to_bytes, IN(same)), one_int(e, 2)));
        marks = insert(e, "Where", NULL, IN(insert(e, "Cast", &truth, IN(all)), low, high));
    }
    const attr a[2] = {attr_int(e->m, "axis", 1), attr_string(e->m, "reduction", "min")};
    replace_node(e, "ScatterElements", 2, a, IN(scores, forbidden, marks));
    return true;
}
