/* yaml_file.h - a YAML document from a file. */
#ifndef ONNXCC_DRIVER_YAML_FILE_H
#define ONNXCC_DRIVER_YAML_FILE_H
#include <yaml.h>

#include "base/diag.h"

/* Reads the file into *doc and calls read(ctx), which may look at it; the document is gone afterwards. False after reporting: EXIT_IO where the file can't be read,
 * EXIT_USAGE with `code` and the line where it is no YAML, or what `read` reported. */
bool yaml_file_read(arena *a, diag *d, const char *path, const char *code, yaml_document_t *doc, bool (*read)(void *ctx), void *ctx);
#endif
