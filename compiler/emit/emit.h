/* emit.h - from a placed program to the text of files. Emitters print; they decide nothing. */
#ifndef ONNXCC_EMIT_EMIT_H
#define ONNXCC_EMIT_EMIT_H
#include "compile.h"
#include "emit/bind.h"
#include "plan/plan.h"

/* A printed step function, as the run function calls it. */
typedef struct {
    const char *name;
    step_signature sig;
} printed;

typedef struct emit {
    arena *mem;
    program *p;
    const memory_plan *plan;
    const compile_options *o;
    const target *target;
    const char *name, *upper; /* "resnet50", "RESNET50" */
    const char **input, **output, **symbol; /* C names of fields, by position */
    printed *by_step;                       /* by step id */
    weights_mode weights;                   /* AUTO resolved */
    binder *binder;
    dim *capacity;       /* by position in symbols: of one that the run decides (BIND); 0: of the caller */
    VEC(dim) turns;      /* loops' symbols; variables turn0, turn1... in the run function */
    const char *exports; /* of the kernel being bound: names that its parameters may use */
    bool failed;
} emit;

/* Fills `out` with the files of a model. False after a report. */
bool emit_c(program *p, const memory_plan *plan, const compile_options *o, const target *t, compiled *out);

/* names.c: C identifiers made from ONNX names: letters, digits and underscores; never a keyword; unique within `taken` (n names). */
const char *c_identifier(arena *mem, const char *name, const char *const *taken, uint32_t n);
/* Text for a comment or a string literal: no character that could end it. */
const char *comment_text(arena *mem, const char *s);
void string_literal(text *t, const char *s);

/* dimtext.c: a dim as a C expression of int64_t; `prefix` stands before each symbol's field name ("in->"). */
void dim_c(emit *e, dim d, const char *prefix, text *out);
int32_t symbol_index(const emit *e, dim s); /* -1: not known at run time */

/* control.c: If, Loop and Bind in the run function. */
void control_init(emit *e);                                          /* finds e->capacity and e->turns */
void call_control(emit *e, const step *s, const char *indent, text *out);
void call_block(emit *e, const block *b, const char *indent, text *out); /* source.c */
void bound_locals(emit *e, const char *indent, text *out); /* declares the variables of sizes that the run decides, at their capacities */

/* kernel.c */
void print_kernel(emit *e, step *s, text *out); /* the bound template and its hooks; sets by_step[s->id] */
void call_kernel(emit *e, const step *s, const char *indent, text *out);
const char *slot_pointer(emit *e, slot s); /* source.c: a C expression for the start of the slot's buffer */

/* weights.c */
void weights_declare(emit *e, text *out);             /* in the source, before the steps */
void weights_files(emit *e, compiled *out);           /* NAME_weights.c, or .S and .bin */
const char *weights_pointer(emit *e, uint32_t buf);   /* an expression of type const char * or a typed array's name */
void c_number(text *t, elem kind, const void *data, size_t i); /* one element as a C literal of its storage type */

/* source.c, header.c, report.c */
void emit_source(emit *e, text *out);
void emit_header(emit *e, text *out);
void emit_manifest(emit *e, text *out);
void emit_cmake(emit *e, text *out);
void emit_main(emit *e, text *out);
void head_comment(emit *e, text *out);
#endif
