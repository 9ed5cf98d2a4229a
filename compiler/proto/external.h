/* external.h - the one opener of external data: files beside the model that hold its weights.
 *
 * A model names the file, so the name is hostile until proved otherwise. A file is opened only below the model's folder: the path is relative,
 * has no "..", no component is a symbolic link, the file is a regular one and has no second name (hard link). Source: the rules that
 * the advisories CVE-2022-25882, CVE-2024-27318, CVE-2026-27489, CVE-2026-34446 and -34447 against the onnx package led to. */
#ifndef ONNXCC_PROTO_EXTERNAL_H
#define ONNXCC_PROTO_EXTERNAL_H
#include "base/diag.h"
#include "base/text.h"

typedef struct externals externals;

/* Files stay mapped until `mem` goes; each is mapped once. `folder` NULL: every request is an error. */
externals *externals_new(arena *mem, diag *d, const char *folder);

/* The bytes [offset, offset + bytes) of a file. NULL after reporting at `where`; not NULL when bytes is 0. */
const void *external_data(externals *e, const char *where, const char *location, uint64_t offset, uint64_t bytes);
/* The size of a file in bytes; false after reporting. */
bool external_size(externals *e, const char *where, const char *location, uint64_t *size);

/* Files that are to be written together. */
typedef VEC(file_content) file_list;

/* Adds the files at these locations, as far as they lie in folder `home`, to what is to be written beside file `path`, under the same locations; folders on the way are made.
 * A different file of that name, there or in the list, is never overwritten, and `path` may be none of them. False after reporting. */
bool external_copy(arena *a, diag *d, const char *home, const char *path, const char *const *location, uint32_t n, file_list *copies);

/* Writes all of them or none. False after reporting. */
bool file_list_write(const file_list *list, diag *d);
#endif
