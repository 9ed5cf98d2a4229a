/* proto.h - the protobuf form of a model: what the checker reads and the loader converts. Only proto/ and check/ include this. */
#ifndef ONNXCC_PROTO_PROTO_H
#define ONNXCC_PROTO_PROTO_H
#include "ir/scope.h"
#include "onnx.pb-c.h"
#include "proto/load.h"

typedef struct proto_memory proto_memory;

/* Where nodes, values and constants stand in a text. */
typedef struct {
    uint32_t line, column; /* from 1 */
} text_place;
typedef struct {
    scope *by_message; /* address of the message -> place in the list + 1 */
    VEC(text_place) list;
} text_places;

/* A file that was unpacked. TensorProto.raw_data.data points into the file itself, which stays mapped until the arena goes (packed float_data
 * and double_data of a tensor of that type are the same bytes and appear as raw_data); everything else is in memory of its own that
 * proto_release() gives back. */
typedef struct proto_file {
    const char *path;   /* NULL: none */
    const char *folder; /* of external data; NULL: none */
    const ProtobufCMessage *root;
    proto_memory *memory;
    file_view view;
    const text_places *places; /* not NULL: root was built by the parser of the text form (parse.h) */
    char sha256[65];
} proto_file;

/* Maps, looks over and unpacks a file that holds one message of type `root`. NULL after reporting. */
proto_file *proto_open(arena *mem, diag *d, const char *path, const ProtobufCMessageDescriptor *root, const load_options *o);
proto_file *proto_open_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path, const ProtobufCMessageDescriptor *root,
                             const load_options *o);
void proto_release(proto_file *f);
const char *proto_folder(arena *mem, const char *path); /* the folder that a file lies in */

/* Appends the bytes of a message. False after reporting that it is too large for a file, or that no reader would take it (prescan.h): nested deeper, say, than what was read. */
bool proto_encode(diag *d, const ProtobufCMessage *p, text *out);

static inline const Onnx__ModelProto *proto_model(const proto_file *f)
{
    return (const Onnx__ModelProto *)f->root;
}

/* Converts; the model keeps nothing of the protobuf form but views into the file. NULL after reporting. */
model *model_from_proto(arena *mem, diag *d, const proto_file *f, const load_options *o);

/* A position in a model, for messages: graph.node[3] 'conv'.attribute[0] 'pads'. A chain on the caller's stack; text is made when needed. */
typedef struct place {
    const struct place *up;
    const char *field;
    int64_t index;    /* -1: the field is no list */
    const char *name; /* NULL or "": none */
} place;
const char *place_text(diag *d, const place *p);
#endif
