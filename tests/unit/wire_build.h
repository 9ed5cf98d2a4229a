/* wire_build.h - writes protobuf wire format by hand, so that tests can make files that no writer makes. */
#ifndef ONNXCC_TEST_WIRE_BUILD_H
#define ONNXCC_TEST_WIRE_BUILD_H
#include "base/text.h"

static inline void put_varint(text *t, uint64_t v)
{
    do {
        const char c = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        text_addn(t, &c, 1);
        v >>= 7;
    } while (v);
}
static inline void put_int(text *t, uint32_t field, int64_t v)
{
    put_varint(t, field << 3);
    put_varint(t, (uint64_t)v);
}
static inline void put_bytes(text *t, uint32_t field, const void *p, size_t n)
{
    put_varint(t, field << 3 | 2);
    put_varint(t, n);
    text_addn(t, p, n);
}
static inline void put_string(text *t, uint32_t field, const char *s)
{
    size_t n = 0;
    while (s[n]) n++;
    put_bytes(t, field, s, n);
}
static inline void put_message(text *t, uint32_t field, const text *m)
{
    put_bytes(t, field, m->p ? m->p : "", m->n);
}
#endif
