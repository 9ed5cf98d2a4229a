/* build.h - from a model to a library that can be called: compile_model, the system's C compiler, and the files between them. */
#ifndef ONNXCC_DRIVER_BUILD_H
#define ONNXCC_DRIVER_BUILD_H
#include "compile.h"
#include "driver/cuda_build.h"

/* Calls the C compiler ($CC, else cc) on the C and assembler files `sources` (paths) to make the shared library `library`. `include` is the folder
 * of headers and of the files that assembler sources include; `cflags` what the target needs; `level` such as "-O2". False: what the compiler said is
 * in *messages. */
bool cc_shared(arena *a, const char *const *sources, uint32_t n, const char *include, const char *cflags, const char *level, const char *library,
               text *messages);

/* The path of a file that belongs to the C compiler, such as a library; NULL when it has none of that name. */
const char *cc_file(arena *a, const char *name);

/* Text that changes when the C compiler does: its name and version. */
const char *cc_identity(arena *a);

/* Writes the compiled files to a folder, all or none. What an earlier compilation left there stays when it's the same; its weights in another
 * form go. */
bool write_compiled(arena *a, diag *d, const compiled *out, const char *folder);

/* Writes onnxcc_rt.h, which generated headers include, to the folder. */
bool write_runtime_header(diag *d, arena *a, const char *folder);

/* Loads the model at `path` for compiling; NULL after reporting. */
model *load_for_build(arena *a, diag *d, const char *path);

/* Is this what the compiler builds, of the files that were generated: C, CUDA or assembler, and not an example's main program? */
bool is_source(const char *name);

/* The folder in which built libraries stay between runs; NULL: there is none. */
const char *cache_folder(arena *a);

/* Builds FOLDER/NAME.so of the compiled files, which are in the folder, with the target's flags and then `flags`. */
bool build_shared(arena *a, diag *d, const compiled *out, const compile_options *o, const char *folder, const char *flags, cuda_mode mode);

/* Compiles the C sources among `files` (--custom-source), each after the model's header, so that its prototypes are checked; adds the objects to `to`. */
bool cc_customs(arena *a, diag *d, const char *const *files, uint32_t n, const char *folder, const char *name, const char *flags, arguments *to);

/* Compiles m and builds the library in `folder` with the target's flags and `flags`, for CUDA as `mode` says; its path in *library. */
bool build_library(arena *a, model *m, const compile_options *o, const char *folder, const char *flags, cuda_mode mode, compiled *out, const char **library);
/* What Winograd's algorithm takes and saves (multiply-adds at the least sizes of open dimensions), and what --optimize=speed would add; nothing where no convolution is for it. */
void print_winograd(FILE *out, const char *label, const compiled *c);
#endif
