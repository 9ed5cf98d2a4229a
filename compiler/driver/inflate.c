/* inflate.c - DEFLATE (RFC 1951): stored, fixed and dynamic blocks. Canonical codes are decoded by counting (one bit at a time against the
 * first code of each length), which needs no tables to build; test files are small, so clarity wins over speed. */
#include "driver/inflate.h"

#include <string.h>

enum { MAX_BITS = 15, LITERALS = 288, DISTANCES = 30, LENGTH_CODES = 19 };

typedef struct {
    const unsigned char *src;
    size_t n, at;
    uint32_t bits; /* read from src but not used yet, low bit first */
    unsigned n_bits;
    unsigned char *dst;
    size_t size, made;
    bool bad;
} stream;

/* A canonical code: how many codes of each length, and the symbols in code order. */
typedef struct {
    uint16_t count[MAX_BITS + 1];
    uint16_t symbol[LITERALS];
} huffman;

static unsigned take(stream *s, unsigned want)
{
    while (s->n_bits < want) {
        if (s->at == s->n) {
            s->bad = true;
            return 0;
        }
        s->bits |= (uint32_t)s->src[s->at++] << s->n_bits;
        s->n_bits += 8;
    }
    const unsigned v = s->bits & ((1u << want) - 1);
    s->bits >>= want;
    s->n_bits -= want;
    return v;
}

/* Builds the code from the length of each symbol's code (0: unused). False when the lengths ask for more codes than there are. */
static bool huffman_build(huffman *h, const uint8_t *length, unsigned n)
{
    uint16_t offset[MAX_BITS + 1];
    memset(h->count, 0, sizeof h->count);
    for (unsigned i = 0; i < n; i++) h->count[length[i]]++;
    h->count[0] = 0;
    int left = 1;
    for (int len = 1; len <= MAX_BITS; len++) {
        left = left * 2 - h->count[len];
        if (left < 0) return false;
    }
    offset[1] = 0;
    for (int len = 1; len < MAX_BITS; len++) offset[len + 1] = (uint16_t)(offset[len] + h->count[len]);
    for (unsigned i = 0; i < n; i++)
        if (length[i]) h->symbol[offset[length[i]]++] = (uint16_t)i;
    return true;
}

static unsigned huffman_read(stream *s, const huffman *h)
{
    int code = 0, first = 0, index = 0;
    for (int len = 1; len <= MAX_BITS; len++) {
        code |= (int)take(s, 1);
        if (s->bad) return 0;
        const int count = h->count[len];
        if (code - first < count) return h->symbol[index + code - first];
        index += count;
        first = (first + count) * 2;
        code *= 2;
    }
    s->bad = true;
    return 0;
}

static void copy_stored(stream *s)
{
    s->bits = 0;
    s->n_bits = 0;
    if (s->n - s->at < 4) {
        s->bad = true;
        return;
    }
    const unsigned char *p = s->src + s->at;
    const size_t len = (size_t)p[0] | (size_t)p[1] << 8, check = (size_t)p[2] | (size_t)p[3] << 8;
    s->at += 4;
    if (len != (check ^ 0xffff) || s->n - s->at < len || s->size - s->made < len) {
        s->bad = true;
        return;
    }
    if (len) memcpy(s->dst + s->made, s->src + s->at, len);
    s->at += len;
    s->made += len;
}

static void copy_back(stream *s, size_t distance, size_t length)
{
    if (distance > s->made || length > s->size - s->made) {
        s->bad = true;
        return;
    }
    for (size_t i = 0; i < length; i++, s->made++) s->dst[s->made] = s->dst[s->made - distance]; /* may overlap: byte by byte */
}

static void read_codes(stream *s, const huffman *literals, const huffman *distances)
{
    static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                             31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                               193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
    while (!s->bad) {
        const unsigned symbol = huffman_read(s, literals);
        if (s->bad || symbol == 256) return;
        if (symbol < 256) {
            if (s->made == s->size) s->bad = true;
            else s->dst[s->made++] = (unsigned char)symbol;
            continue;
        }
        if (symbol - 257 >= 29) {
            s->bad = true;
            return;
        }
        const size_t length = length_base[symbol - 257] + take(s, length_extra[symbol - 257]);
        const unsigned d = huffman_read(s, distances);
        if (s->bad || d >= DISTANCES) {
            s->bad = true;
            return;
        }
        const size_t distance = distance_base[d] + take(s, distance_extra[d]);
        if (!s->bad) copy_back(s, distance, length);
    }
}

static void read_fixed(stream *s)
{
    huffman literals, distances;
    uint8_t length[LITERALS];
    for (int i = 0; i < LITERALS; i++) length[i] = (uint8_t)(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
    huffman_build(&literals, length, LITERALS);
    memset(length, 5, DISTANCES);
    huffman_build(&distances, length, DISTANCES);
    read_codes(s, &literals, &distances);
}

static void read_dynamic(stream *s)
{
    static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t length[LITERALS + 32] = {0};
    huffman codes, distances;
    const unsigned n_lit = take(s, 5) + 257, n_dist = take(s, 5) + 1, n_code = take(s, 4) + 4;
    for (unsigned i = 0; i < n_code; i++) length[order[i]] = (uint8_t)take(s, 3);
    if (s->bad || n_lit > 286 || n_dist > DISTANCES || !huffman_build(&codes, length, LENGTH_CODES)) {
        s->bad = true;
        return;
    }
    memset(length, 0, sizeof length);
    for (unsigned i = 0; i < n_lit + n_dist && !s->bad;) {
        const unsigned symbol = huffman_read(s, &codes);
        if (symbol < 16) {
            length[i++] = (uint8_t)symbol;
            continue;
        }
        const uint8_t value = symbol == 16 && i ? length[i - 1] : 0;
        if (symbol == 16 && !i) s->bad = true;
        unsigned repeat = symbol == 16 ? 3 + take(s, 2) : symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        if (repeat > n_lit + n_dist - i) s->bad = true;
        else
            while (repeat--) length[i++] = value;
    }
    huffman literals;
    if (s->bad || !length[256] || !huffman_build(&literals, length, n_lit) || !huffman_build(&distances, length + n_lit, n_dist)) {
        s->bad = true;
        return;
    }
    read_codes(s, &literals, &distances);
}

bool inflate_raw(const unsigned char *src, size_t n, unsigned char *dst, size_t size)
{
    stream s = {.src = src, .n = n, .dst = dst, .size = size};
    for (unsigned last = 0; !last && !s.bad;) {
        last = take(&s, 1);
        switch (take(&s, 2)) {
        case 0: copy_stored(&s); break;
        case 1: read_fixed(&s); break;
        case 2: read_dynamic(&s); break;
        default: s.bad = true; break;
        }
    }
    return !s.bad && s.made == size;
}

uint32_t crc32_of(const void *data, size_t n)
{
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const unsigned char *p = data;
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c = nibble[(c ^ p[i]) & 15] ^ (c >> 4);
        c = nibble[(c ^ ((uint32_t)p[i] >> 4)) & 15] ^ (c >> 4);
    }
    return ~c;
}
