/* yaml_file.h - a YAML document from a file. */
#ifndef ONNXCC_DRIVER_YAML_FILE_H
#define ONNXCC_DRIVER_YAML_FILE_H
#include <yaml.h>

#include "base/diag.h"

typedef struct {
    arena *mem;
    diag *d;
    const char *path, *code; /* of what is reported */
    yaml_document_t doc;
} yaml_source;

/* Reads the file s->path into s->doc and calls read(ctx), which may look at it; the document is gone afterwards. False after reporting: EXIT_IO where the file can't be
 * read, EXIT_USAGE with the line where it is no YAML, or what `read` reported. */
bool yaml_file_read(yaml_source *s, bool (*read)(void *ctx), void *ctx);

/* Reports (EXIT_USAGE) what is wrong with a node, with its line; n NULL: with the file. Always false. */
bool yaml_complain(yaml_source *s, const yaml_node_t *n, const char *what);
const char *yaml_line(yaml_source *s, const yaml_node_t *n);   /* "FILE:LINE" */
const char *yaml_scalar(yaml_source *s, const yaml_node_t *n); /* its text; NULL: there is none, or it is a list or a mapping */
#endif
