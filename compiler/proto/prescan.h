/* prescan.h - the look at a file's wire format before anything is unpacked.
 *
 * protobuf-c recurses without a limit and trusts the file with memory: 30 KB of nested graphs overflow the stack, 4 MB of empty nodes take
 * 400 MB. So the wire format is walked first, without recursion, by the message descriptors that protobuf-c itself will use. */
#ifndef ONNXCC_PROTO_PRESCAN_H
#define ONNXCC_PROTO_PRESCAN_H
#include <protobuf-c/protobuf-c.h>

#include "base/diag.h"

enum { WIRE_NESTING = 100 }; /* messages below the outermost one: what protobuf allows by default */

typedef struct {
    uint64_t memory;  /* bytes that the unpacked form may take, raw_data not counted; 0: 16 x file + 64 MiB */
    uint32_t nesting; /* 0: WIRE_NESTING */
} prescan_limits;

typedef struct {
    uint64_t memory;   /* estimate of the unpacked form in bytes, scratch memory of the unpacker included */
    uint64_t raw_data; /* bytes in TensorProto.raw_data */
    uint64_t raw_fields;
    uint64_t messages; /* below the outermost one */
} prescan_result;

/* Walks `size` bytes as one message of type `root`. Reports what is wrong (EXIT_INVALID for a broken file, EXIT_LIMIT over a limit,
 * EXIT_UNSUPPORTED for legal oddities that no ONNX writer makes) with the path of the message and returns false; true: unpacking is safe. */
bool prescan(diag *d, const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *root, const prescan_limits *limits,
             prescan_result *out);

/* A copy of a file that passed prescan() without the content of TensorProto.raw_data: each such field holds 16 bytes instead, the offset and
 * length of the content in the file (native uint64_t each). Heap memory of *n bytes, freed by the caller. */
unsigned char *prescan_skeleton(const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *root, const prescan_result *scan, size_t *n);

bool utf8_valid(const unsigned char *s, size_t n); /* no overlong forms, no surrogates, up to U+10FFFF */
#endif
