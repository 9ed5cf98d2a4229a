/* sha256.h - SHA-256 of a block of memory (FIPS 180-4). */
#ifndef ONNXCC_BASE_SHA256_H
#define ONNXCC_BASE_SHA256_H
#include <stddef.h>

void sha256_hex(const void *data, size_t size, char out[65]); /* 64 lower-case hexadecimal digits and a terminator */
#endif
