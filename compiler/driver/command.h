/* command.h - what every verb is given, and the list of verbs. A verb returns its exit code; results go to `out`, the rest to `diag` and stderr. */
#ifndef ONNXCC_DRIVER_COMMAND_H
#define ONNXCC_DRIVER_COMMAND_H
#include "compile.h"
#include "driver/custom_file.h"
#include "driver/options.h"

typedef struct {
    arena *mem;
    diag *diag;
    options *o;
    FILE *out;   /* results for people: stdout */
    FILE *json;  /* NULL, or where JSON goes: stdout or the file of --json=FILE */
    bool quiet, verbose, color;
    const char *program; /* argv[0] */
} command;

exit_code verb_compile(command *c);
exit_code verb_check(command *c);
exit_code explain_codes(command *c); /* check --explain: its arguments are codes, or "all" */
exit_code verb_infer(command *c);
exit_code verb_convert(command *c);
exit_code verb_inspect(command *c);
exit_code verb_optimize(command *c);
exit_code verb_quantize(command *c);
exit_code verb_run(command *c);
exit_code verb_verify(command *c);
exit_code verb_bench(command *c);
exit_code verb_tune(command *c);
exit_code verb_ops(command *c);
exit_code verb_text(command *c);
exit_code verb_merge(command *c);
exit_code verb_extract(command *c);
exit_code verb_inline(command *c);
exit_code verb_prefix(command *c);
exit_code verb_weights(command *c);
exit_code verb_doctor(command *c);

/* Reads --dim, --shape, --weights, ... into the compiler's options. Errors are EXIT_USAGE. */
bool command_compile_options(command *c, compile_options *o);
/* Reads what --custom names. */
bool command_customs(command *c, custom_ops *to);
/* One --dim NAME=.. / --shape INPUT=..: also used for what a case or bench pins itself. */
bool parse_dim(arena *a, diag *d, const char *s, dim_override *out);
bool parse_shape(arena *a, diag *d, const char *s, shape_override *out);

void print_manifest(FILE *to, const char *manifest); /* on one line, without a line break at its end */
/* Prints the problems of d to stderr, coloured if asked, warnings only when not quiet. */
void command_report(const command *c, const diag *d);
#endif
