/* embedded.h - the files of templates/ and runtime/, carried inside the executable (made at build time by cmake/embed.cmake). */
#ifndef ONNXCC_BASE_EMBEDDED_H
#define ONNXCC_BASE_EMBEDDED_H

typedef struct {
    const char *name;          /* "templates/cpu/gemm.c" */
    const unsigned char *data; /* followed by a zero byte */
    unsigned long size;
} embedded_file;

extern const embedded_file onnxcc_embedded[]; /* ended by a NULL name */
#endif
