/* verb_doctor.c - `onnxcc doctor`: are the programs there that run, verify and bench call? */
#include <stdlib.h>
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"

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

static void try_package(command *c, const char *python, const char *package)
{
    text said = {.mem = c->mem};
    const char *argv[] = {python, "-c", arena_printf(c->mem, "import %s; print(%s.__version__)", package, package), NULL};
    const bool ok = process_run(argv, &said) == 0;
    show(c, package, ok, ok ? said.p : "not there: bench --against can't use it (ONNXCC_PYTHON names the Python that has it)");
}

exit_code verb_doctor(command *c)
{
    text said = {.mem = c->mem};
    const char *python = getenv("ONNXCC_PYTHON"), *folder = folder_temporary(c->mem, c->diag);
    if (!folder) return EXIT_IO;
    if (!python || !*python) python = "python3";
    const bool ok = try_compiler(c, folder, &said);
    folder_remove(folder);
    const char *identity = cc_identity(c->mem), *version = strchr(identity, '\n');
    show(c, "C compiler", ok, ok ? (version ? version + 1 : identity) : said.p ? said.p : "does not run");
    try_package(c, python, "onnxruntime");
    try_package(c, python, "openvino");
    return ok ? EXIT_OK : EXIT_IO;
}
