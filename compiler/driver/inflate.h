/* inflate.h - reads the DEFLATE compressed data format (RFC 1951), as np.savez_compressed writes it. */
#ifndef ONNXCC_DRIVER_INFLATE_H
#define ONNXCC_DRIVER_INFLATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Unpacks the n bytes at src into exactly `size` bytes at dst. False when the data is damaged, too short or too long. Never writes past
 * dst + size or reads past src + n. */
bool inflate_raw(const unsigned char *src, size_t n, unsigned char *dst, size_t size);

/* CRC-32 as in zip files (reflected, polynomial 0xEDB88320). */
uint32_t crc32_of(const void *data, size_t n);
#endif
