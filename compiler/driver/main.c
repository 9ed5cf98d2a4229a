/* main.c - the command onnxcc: picks the verb and leaves with its exit code. Everything else is in one file per verb. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/command.h"
#include "driver/sanitize.h"

static exit_code (*const RUN[VERB_COUNT])(command *) = {
    [VERB_COMPILE] = verb_compile, [VERB_CHECK] = verb_check, [VERB_INFER] = verb_infer, [VERB_CONVERT] = verb_convert, [VERB_INSPECT] = verb_inspect, [VERB_OPTIMIZE] = verb_optimize, [VERB_QUANTIZE] = verb_quantize, [VERB_RUN] = verb_run,       [VERB_VERIFY] = verb_verify,
    [VERB_BENCH] = verb_bench, [VERB_TUNE] = verb_tune, [VERB_OPS] = verb_ops,     [VERB_TEXT] = verb_text,       [VERB_DOCTOR] = verb_doctor, [VERB_MERGE] = verb_merge, [VERB_EXTRACT] = verb_extract, [VERB_INLINE] = verb_inline, [VERB_PREFIX] = verb_prefix, [VERB_WEIGHTS] = verb_weights,
};

static bool want_color(const options *o)
{
    switch (opt_choice(o, OPT_COLOR)) {
    case 1: return true;
    case 2: return false;
    default: break;
    }
    const char *no = getenv("NO_COLOR");
    return !(no && *no) && isatty(STDERR_FILENO);
}

static exit_code print_help(const command *c)
{
    const char *form = opt_text(c->o, OPT_HELP, "");
    if (!strcmp(form, "man")) help_man(c->out);
    else if (!strcmp(form, "bash")) help_bash(c->out);
    else if (*form) {
        diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--help=%s: there is only --help, --help=man and --help=bash", form);
        return EXIT_USAGE;
    } else if (c->o->has_verb) help_verb(c->out, c->o->verb);
    else help_general(c->out);
    return EXIT_OK;
}

static exit_code print_targets(const command *c)
{
    for (const target_line *t = compile_targets(); t->name; t++) fprintf(c->out, "%-14s %s\n", t->name, t->what);
    return EXIT_OK;
}

/* Opens --json: standard output, or a file that appears whole at the end. */
static bool open_json(command *c, const char **path, char **bytes, size_t *size)
{
    *path = opt_text(c->o, OPT_JSON, NULL);
    if (!*path) return true;
    if (!**path || !strcmp(*path, "-")) {
        *path = NULL;
        c->json = stdout;
        return true;
    }
    c->json = open_memstream(bytes, size);
    return c->json || diag_error(c->diag, EXIT_LIMIT, "", "out-of-memory", "out of memory");
}

static exit_code cannot_write(const command *c, const char *path, const char *why)
{
    diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    return EXIT_IO;
}

static exit_code run_verb(command *c)
{
    const bool measures = c->o->verb == VERB_BENCH || c->o->verb == VERB_TUNE; /* for minutes, which would be lost */
    const char *path, *why;
    char *bytes = NULL;
    size_t size = 0;
    if (!open_json(c, &path, &bytes, &size)) return EXIT_LIMIT;
    const bool refused = path && measures && !file_can_write(path, &why);
    exit_code code = refused ? cannot_write(c, path, why) : RUN[c->o->verb](c);
    if (path) {
        fclose(c->json);
        if (!refused && !file_write(path, bytes, size, &why)) code = cannot_write(c, path, why);
        free(bytes);
    }
    return code;
}

static exit_code command_run(command *c, int argc, char **argv)
{
    const bool ok = options_parse(c->mem, c->diag, argc, (const char *const *)argv, c->o);
    c->color = want_color(c->o);
    if (!ok) return diag_exit(c->diag);
    c->quiet = opt_flag(c->o, OPT_QUIET);
    c->verbose = opt_flag(c->o, OPT_VERBOSE);
    if (opt_flag(c->o, OPT_HELP)) return print_help(c);
    if (opt_flag(c->o, OPT_VERSION)) return fputs("onnxcc " ONNXCC_VERSION "\n", c->out) < 0 ? EXIT_IO : EXIT_OK;
    if (opt_flag(c->o, OPT_LIST_TARGETS)) return print_targets(c);
    if (opt_flag(c->o, OPT_SANITIZE) && !sanitize_enter(c->mem, c->diag, argv)) return diag_exit(c->diag);
    return run_verb(c);
}

int main(int argc, char **argv)
{
    static mem_trap no_memory;
    static options o;
    static command c;
    mem_trap_set(&no_memory);
    if (setjmp(no_memory.here)) {
        fputs("onnxcc: error: out of memory [out-of-memory]\n", stderr);
        return EXIT_LIMIT;
    }
    c.mem = arena_new();
    c.diag = diag_new(c.mem, NULL);
    c.o = &o;
    c.out = stdout;
    c.program = argv[0];
    exit_code code = command_run(&c, argc, argv);
    command_report(&c, c.diag);
    if ((fflush(stdout) || ferror(stdout)) && code == EXIT_OK) {
        perror("onnxcc: error: standard output");
        code = EXIT_IO;
    }
    arena_free(c.mem);
    return (int)code;
}
