/* wire.h - the few primitives of the protobuf wire format that the look before unpacking needs.
 *
 * A message is a sequence of fields: a tag (varint: number * 8 + wire type), then a payload whose length the wire type tells. Source: the
 * encoding page of the Protocol Buffers documentation. */
#ifndef ONNXCC_PROTO_WIRE_H
#define ONNXCC_PROTO_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_GROUP = 3, WIRE_GROUP_END = 4, WIRE_32 = 5 } wire_type;

/* Reads a varint of at most `limit` bytes (10 for values, 5 for tags and lengths) from [p, end). Returns the bytes used; 0: cut off or too long. */
static inline size_t wire_varint(const unsigned char *p, const unsigned char *end, size_t limit, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < limit && p + i < end; i++) {
        v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            *out = v;
            return i + 1;
        }
    }
    return 0;
}

/* Writes v as a varint of exactly 5 bytes (padded with continuation bits, which every reader accepts), so that a length can be filled in
 * after what it measures. */
static inline void wire_put_padded(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++, v >>= 7) p[i] = (unsigned char)((v & 0x7f) | 0x80);
    p[4] = (unsigned char)v;
}
#endif
