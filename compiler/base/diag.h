/* diag.h - what the compiler has to say about its input: a sink that collects; library code never prints or exits.
 *
 * One shape for every message (DESIGN section 10):
 *     FILE: error: WHERE: MESSAGE [CODE]
 *     FILE: hint: HINT
 * Functions that can fail return false or NULL after reporting: `return diag_error(d, EXIT_INVALID, where, "shape-rank", "...")`. */
#ifndef ONNXCC_BASE_DIAG_H
#define ONNXCC_BASE_DIAG_H
#include <stdio.h>

#include "base/arena.h"

typedef enum {
    EXIT_OK = 0,
    EXIT_MISMATCH = 1,
    EXIT_USAGE = 2,
    EXIT_INVALID = 3,     /* the model breaks a rule of ONNX */
    EXIT_UNSUPPORTED = 4, /* valid, but not something onnxcc can do */
    EXIT_IO = 5,
    EXIT_LIMIT = 6, /* memory, size or nesting over a limit */
    EXIT_INTERNAL = 70
} exit_code;

typedef enum { SEV_ERROR, SEV_WARNING } severity;

/* An option that would say what was not known, such as --value axes=.. */
typedef struct {
    const char *option, *name; /* "value", "axes" */
} option_need;

typedef struct {
    severity sev;
    exit_code exit;
    const char *code;    /* stable short name, such as "shape-rank" */
    const char *where;   /* "node 'Conv_12' (Conv)", a path in the file, or "" */
    const char *message; /* one line */
    const char *hint;    /* NULL: none */
    const char *kind;    /* diag.kind when it was reported */
    uint32_t times;      /* equal messages (same code and text at other places) fold into the first */
    VEC(option_need) needs;     /* all of them, of equal messages too */
} problem;

/* Errors that are only counted. */
typedef struct {
    const char *code;
    exit_code exit;
    uint32_t n;
} dropped_errors;

enum { DIAG_PROBLEMS = 200 }; /* different ones that are kept; more are only counted */

typedef struct diag {
    arena *mem;
    const char *file; /* shown in front of each line; may be NULL */
    VEC(problem) list;
    const char *kind; /* of what is reported from now on, as JSON says it: "validation" (default) or "inference"; the codes nesting and wire-... are "parse" */
    uint32_t errors;
    uint32_t dropped; /* problems beyond DIAG_PROBLEMS */
    VEC(dropped_errors) beyond; /* the errors among them */
    uint32_t last; /* index of the problem that was reported last, also when it folded into an older one */
} diag;

diag *diag_new(arena *a, const char *file);

/* Adds a problem. `where` may be NULL or "". Always returns false. */
bool diag_error(diag *d, exit_code exit, const char *where, const char *code, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void diag_warn(diag *d, const char *where, const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Adds a hint to the problem reported last, unless it folded into one that has a hint. Returns false, so that `return diag_hint(...)` may follow diag_error. */
bool diag_hint(diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Notes with the problem reported last an option that would help. Returns false. */
bool diag_need(diag *d, const char *option, const char *name);

/* Makes warnings of the errors with that code, or (code NULL) of those that say what onnxcc can't do: they are no faults of the model. */
void diag_allow(diag *d, const char *code);

/* Adds what a later stage reported apart, but nothing about places that `d` has errors at: what is said there first is why the rest is. */
void diag_take(diag *d, const diag *later);

/* The problem that was reported last is none. */
void diag_drop_last(diag *d);
/* The error that was reported last becomes a warning. */
void diag_allow_last(diag *d);

exit_code diag_exit(const diag *d); /* of the first error; EXIT_OK without one */
void diag_print(const diag *d, FILE *to);
void diag_print_json(const diag *d, FILE *to); /* {"file":..,"ok":..,"errors":[{"code","class","where","message","hint","needs":[{"option","name"}]}]} and a newline; hint and needs when there are any */
void json_string(FILE *to, const char *s);     /* quoted and escaped */
#endif
