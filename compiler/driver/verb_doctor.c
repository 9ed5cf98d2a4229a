/* verb_doctor.c - `onnxcc doctor`: are the programs there that run, verify and bench call? */
#include <stdlib.h>
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"
#include "driver/peer.h"

enum { NO_PROGRAM = 127 }; /* status of what could not be started */

static void show(const command *c, const char *what, bool ok, const char *detail)
{
    if (c->json) {
        fputs("{\"what\":", c->json);
        json_string(c->json, what);
        fprintf(c->json, ",\"ok\":%s,\"detail\":", ok ? "true" : "false");
        json_string(c->json, arena_strndup(c->mem, detail, strcspn(detail, "\n")));
        fputs("}\n", c->json);
    }
    if (c->json == stdout) return;
    fprintf(c->out, "%-4s %-18s %.*s\n", ok ? "ok" : "-", what, (int)strcspn(detail, "\n"), detail);
}

/* Builds a library from two lines of C. */
static bool try_compiler(command *c, const char *folder, text *said)
{
    static const char source[] = "#include <math.h>\ndouble onnxcc_doctor(double x);\ndouble onnxcc_doctor(double x) { return sqrt(x); }\n";
    const char *path = arena_printf(c->mem, "%s/doctor.c", folder), *why;
    return file_write(path, source, sizeof source - 1, &why) &&
           cc_shared(c->mem, &path, 1, folder, "", "-O2", arena_printf(c->mem, "%s/doctor.so", folder), said);
}

static void try_package(command *c, const char *python, const char *package, const char *what_for)
{
    text said = {.mem = c->mem};
    const bool is_program = strchr(package, '-') != NULL; /* what is not imported but run */
    const char *argv[] = {python, "-c", is_program ? arena_printf(c->mem, "import importlib.metadata; print(importlib.metadata.version('%s'))", package) : arena_printf(c->mem, "import %s; print(%s.__version__)", package, package), NULL};
    const int status = process_run(argv, &said);
    const bool ok = status == 0;
    show(c, package, ok, ok ? said.p : status == NO_PROGRAM ? arena_printf(c->mem, "%s (ONNXCC_PYTHON names it)", python_fault(c->mem, python)) : arena_printf(c->mem, "%s does not have it: %s (ONNXCC_PYTHON names the Python that has it)", python, what_for));
}

exit_code verb_doctor(command *c)
{
    static const char *const packages[][2] = {{"numpy", "for bench --against"},
                                              {"onnxruntime", "for bench --against=onnxruntime"},
                                              {"openvino", "for bench --against=openvino"},
                                              {"onnx", "for bench --against=emx"},
                                              {"emx-onnx-cgen", "for bench --against=emx"}};
    text said = {.mem = c->mem};
    const char *python = python_program(), *folder = folder_temporary(c->mem, c->diag);
    if (!folder) return EXIT_IO;
    const bool ok = try_compiler(c, folder, &said);
    folder_remove(folder);
    const char *identity = cc_identity(c->mem), *version = strchr(identity, '\n');
    show(c, "C compiler", ok, ok ? (version ? version + 1 : identity) : said.p ? said.p : "does not run");
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++) try_package(c, python, packages[i][0], packages[i][1]);
    return ok ? EXIT_OK : EXIT_IO;
}
