/* parse.h - the onnx package's text form of a model (onnx.parser), read into the protobuf form or the IR. */
#ifndef ONNXCC_PROTO_PARSE_H
#define ONNXCC_PROTO_PARSE_H
#include "proto/load.h"

struct proto_file;

/* `path` is for messages and the folder of external data, may be NULL. NULL after reporting, with where = "line:column". */
model *model_parse(arena *mem, diag *d, const char *text, const char *path);
/* The same with options. */
model *model_parse_with(arena *mem, diag *d, const char *text, const char *path, const load_options *o);
/* The protobuf form only, for the checker (proto.h); lives in `mem`. */
struct proto_file *proto_parse(arena *mem, diag *d, const char *text, const char *path);
#endif
