/* codes.c - `onnxcc check --explain CODE...`: what the codes of messages mean; `all` prints the page docs/codes.md. */
#include <string.h>

#include "driver/command.h"

/* A group has no code. */
static const struct {
    const char *code, *meaning, *remedy;
} CODES[] = {
#define GROUP(title) {NULL, title, NULL},
#define CODE(code, meaning, remedy) {code, meaning, remedy},
#include "driver/codes.def"
};

enum { N_CODES = sizeof CODES / sizeof *CODES };

static const char PAGE[] =
    "# What the codes of messages mean\n\n"
    "Each message ends with a code in brackets, which stays the same from version to version; `--json` has it as `code`. `onnxcc check --explain CODE` prints a line of this page, which\n"
    "`onnxcc check --explain all` writes.\n";

static void print_all(command *c)
{
    fputs(PAGE, c->out);
    for (int i = 0; i < N_CODES; i++)
        if (CODES[i].code) fprintf(c->out, "| `%s` | %s | %s |\n", CODES[i].code, CODES[i].meaning, CODES[i].remedy);
        else fprintf(c->out, "\n## %s\n\n| code | means | what to do |\n|---|---|---|\n", CODES[i].meaning);
}

static bool explain(command *c, const char *code)
{
    for (int i = 0; i < N_CODES; i++) {
        if (!CODES[i].code || strcmp(CODES[i].code, code) != 0) continue;
        fprintf(c->out, "%s: %s\n    %s\n", code, CODES[i].meaning, CODES[i].remedy);
        return true;
    }
    diag_error(c->diag, EXIT_USAGE, "", "bad-value", "no message has the code '%s'", code);
    return diag_hint(c->diag, "`onnxcc check --explain all` lists them");
}

exit_code explain_codes(command *c)
{
    for (uint32_t i = 0; i < c->o->args.n; i++) {
        const char *code = c->o->args.p[i];
        if (!strcmp(code, "all")) print_all(c);
        else (void)explain(c, code);
    }
    return diag_exit(c->diag);
}
