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
    bool zeros;       /* zero bytes in texts are a warning: the skeleton has another character in their place */
} prescan_limits;

typedef struct {
    uint64_t memory;   /* estimate of the unpacked form in bytes, scratch memory of the unpacker included */
    uint64_t left_out; /* bytes of weights that prescan_skeleton() leaves out */
    uint64_t places;   /* weights left out */
    uint64_t messages; /* below the outermost one */
    size_t size;       /* bytes of the file without zeros behind the message, which protobuf takes for its end */
} prescan_result;

/* Walks `size` bytes as one message of type `root`. Reports what is wrong (EXIT_INVALID for a broken file, EXIT_LIMIT over a limit,
 * EXIT_UNSUPPORTED for legal oddities that no ONNX writer makes) with the path of the message and returns false; true: unpacking is safe. */
bool prescan(diag *d, const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *root, const prescan_limits *limits,
             prescan_result *out);

/* Where weights that were left out of the skeleton are in the file; stands as TensorProto.raw_data in their stead. */
typedef struct {
    uint64_t offset, bytes;
    uint64_t field; /* of TensorProto: raw_data, or float_data or double_data, whose packed form is the same little-endian array */
} prescan_place;

/* A copy of a file that passed prescan() without the weights, and with SUB (26) in place of zero bytes in texts
 * (not in pairs of texts, such as places of external data). `copy` has room for prescan_skeleton_bound() bytes; returns how many it takes. */
size_t prescan_skeleton_bound(size_t size, const prescan_result *scan);
size_t prescan_skeleton(const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *root, unsigned char *copy);

bool utf8_valid(const unsigned char *s, size_t n); /* no overlong forms, no surrogates, up to U+10FFFF */
#endif
