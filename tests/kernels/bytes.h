/* bytes.h - operands of kernels for bytes. */
#ifndef BYTES_H
#define BYTES_H
#include "check.h"

/* n random bytes, exactly; half of them 0x7f, 0x80 or 0xff. */
static inline uint8_t *check_bytes(int64_t n)
{
    static const uint8_t ends[] = {0x7f, 0x80, 0xff};
    void *p = NULL;
    if (posix_memalign(&p, 64, (size_t)(n > 0 ? n : 1))) exit(3);
    uint8_t *b = p;
    for (int64_t i = 0; i < n; i++) b[i] = check_int(0, 1) ? ends[check_int(0, 2)] : (uint8_t)check_int(0, 255);
    return b;
}

static inline int8_t check_signed(uint8_t b)
{
    return (int8_t)(b < 128 ? b : b - 256);
}

#endif
