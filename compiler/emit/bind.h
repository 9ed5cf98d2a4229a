/* bind.h - copies kernels into generated code.
 *
 * A file under templates/ is ordinary C whose parameters are upper-case identifiers. Binding a kernel prints the file with every whole
 * identifier that is a parameter replaced by its text, in code and comments alike; string literals, #include and the head comment are left
 * out of it. The kernel's functions get the instance's name, so that any number of instances stand in one file. An instance is known by the
 * kernel and its bindings: asking again for the same prints nothing and returns the same name, so equal layers share one function. */
#ifndef ONNXCC_EMIT_BIND_H
#define ONNXCC_EMIT_BIND_H
#include "expr/program.h"

typedef enum { ISA_ANY, ISA_VECTOR, ISA_CUDA } kernel_isa;

/* A row of templates/kernels.def, where the fields are explained; lists are separated by blanks (args: by commas). */
typedef struct {
    const char *name, *file;
    kernel_isa isa;
    const char *fixed, *free, *exports, *args, *hooks;
} kernel_def;

const kernel_def *kernel_defs(uint32_t *count);
const kernel_def *kernel_find(const char *name); /* NULL: there is no such kernel */
bool kernel_has_param(const kernel_def *k, const char *name);

typedef struct binder binder;

/* `prefix` begins every function's name ("resnet50_"). Errors are our own bugs: they go to `d` as EXIT_INTERNAL [bind]. */
binder *binder_new(arena *mem, const dims *t, diag *d, const char *prefix, bool cuda); /* cuda: functions of the device */

/* From here on functions are the device's or the host's. */
void binder_side(binder *b, bool cuda);

/* Appends the kernel's functions to `out` unless the same instance is there already, and returns the name of its main function: prefix,
 * stem (NULL: the kernel's name), number. Every fixed and free parameter must be bound, and each hook H as H_V and H_S; HOOK_PARAMS and
 * HOOK_ARGS default to nothing. A template's local variable that has the name of a hook argument is renamed. NULL: reported. */
const char *bind_kernel(binder *b, text *out, const char *kernel_name, const binding *bind, uint32_t n, const char *stem);

/* The same sharing for printed functions: `body` is C text in which the function's name is written HOOK (as in HOOK_v, HOOK_s). Appends it
 * with a fresh name made from prefix and stem, unless the same text is there already, and returns that name. Texts that differ in the n names alone, those of
 * parameters, are the same. */
const char *bind_hook(binder *b, text *out, const char *body, uint32_t n, const char *const *params, const char *stem);

/* The same for a function with a name of its own, behind the comment `head`. */
const char *bind_printed(binder *b, text *out, const char *head, const char *body, uint32_t n, const char *const *params, const char *name);

/* The C text of a bound value: literals negative or over 31 bits in a form that is right in every expression, run-time values in parentheses. */
const char *binding_text(binder *b, const binding *v);
#endif
