/* support.h - which operators can be compiled, and how: what `onnxcc ops` lists. */
#ifndef ONNXCC_PASSES_SUPPORT_H
#define ONNXCC_PASSES_SUPPORT_H
#include "schema/schema.h"

typedef enum {
    SUPPORT_NONE,
    SUPPORT_LOWERED,  /* by a block of its own in compiler/ops */
    SUPPORT_RESOLVED, /* while the model is compiled (sequence.h) */
    SUPPORT_PARTS,    /* other operators take its place: our rewrite */
    SUPPORT_BODY      /* the same, by the body that the standard gives */
} support_kind;

typedef struct {
    const char *domain, *op; /* "" for ai.onnx */
    support_kind kind;
    const op_schema *schema; /* its newest form that is not deprecated; NULL: not of the standard */
} support;

/* All operators of the standard, also those with SUPPORT_NONE, and those of other domains that can be compiled, by domain and name. */
const support *support_list(arena *a, uint32_t *n);
#endif
