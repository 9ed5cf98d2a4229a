/* schema.h - the operators of the ONNX standard as data: every version of every operator, with arity, types and attributes.
 *
 * Covers the domains "" (ai.onnx), ai.onnx.ml, ai.onnx.preview, ai.onnx.preview.training and ai.onnx.training. The tables are made from the
 * standard's own registry (gen_schema.py writes schema_data.inc) and are constant: everything returned lives forever. A domain may be given
 * as "ai.onnx" or "". */
#ifndef ONNXCC_SCHEMA_SCHEMA_H
#define ONNXCC_SCHEMA_SCHEMA_H
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { SCHEMA_MANY = 0x7fff }; /* max_in, max_out: no limit */

/* A set of types. Bit c of the first four stands for element type c (a TensorProto.DataType code). */
typedef struct {
    uint32_t tensor, seq, optional, optional_seq; /* tensor(x), seq(tensor(x)), optional(tensor(x)), optional(seq(tensor(x))) */
    uint32_t maps;                                /* bits of schema_map */
} schema_types;

typedef enum {
    MAP_INT64_DOUBLE,
    MAP_INT64_FLOAT,
    MAP_INT64_STRING,
    MAP_STRING_DOUBLE,
    MAP_STRING_FLOAT,
    MAP_STRING_INT64,
    SEQ_MAP_INT64_FLOAT,
    SEQ_MAP_STRING_FLOAT,
    MAP_COUNT
} schema_map;

typedef enum { PARAM_ONE, PARAM_OPTIONAL, PARAM_VARIADIC } param_option;

/* A formal input or output. */
typedef struct {
    const char *name;
    uint8_t option;     /* param_option */
    bool homogeneous;   /* VARIADIC: all have one type */
    int8_t constraint;  /* index of the type variable; -1: a concrete type */
    const schema_types *types;
} schema_param;

/* A type variable: all parameters that name it have the same type, one of `types`. */
typedef struct {
    const char *name; /* "T" */
    const schema_types *types;
} schema_constraint;

typedef struct {
    const char *name;
    uint8_t kind; /* AttributeProto.AttributeType, as attr_kind in ir.h */
    bool required, has_default;
    uint8_t n; /* elements of ints, strings */
    union {
        int64_t i;
        float f;
        const char *s;
        const int64_t *ints;
        const char *const *strings;
    } otherwise; /* the default */
} schema_attr;

/* The body of a function operator: a FunctionProto written at opset `opset` of ai.onnx. */
typedef struct {
    int opset;
    uint32_t size; /* bytes */
    const void *data;
} schema_body;

typedef struct op_schema {
    const char *domain, *name;
    int since; /* the opset version that this form came with */
    bool deprecated;
    bool computed_body; /* a function operator whose body depends on the node: the standard has no data for it */
    bool any_attribute; /* onnx.checker lets it have attributes that are not in the list */
    bool infers;        /* the onnx package infers its types, by a function of its own or the body */
    uint16_t min_in, max_in, min_out, max_out;
    uint8_t n_in, n_out, n_constraint, n_attr, n_body; /* lengths of the lists below */
    const schema_param *in, *out;
    const schema_constraint *constraint;
    const schema_attr *attr; /* by name */
    const schema_body *body; /* by opset */
} op_schema;

/* The form of an operator that holds at an opset version: the newest with since <= opset. NULL: there is none. It may be a deprecated one. */
const op_schema *schema_find(const char *domain, const char *op, int opset);
const op_schema *schema_newest(const char *domain, const char *op);
/* The same operator's next version; NULL at the newest. */
const op_schema *schema_next(const op_schema *s);
const op_schema *schema_previous(const op_schema *s); /* NULL at the first */

/* All of them, ordered by domain, name and version: 0 <= i < schema_count(). */
uint32_t schema_count(void);
const op_schema *schema_at(uint32_t i);

/* The formal parameter of actual input or output i (a variadic one serves all from its place on); NULL beyond the list. */
const schema_param *schema_input(const op_schema *s, uint32_t i);
const schema_param *schema_output(const op_schema *s, uint32_t i);
const schema_attr *schema_attr_find(const op_schema *s, const char *name); /* NULL: it has no such attribute */
const schema_body *schema_body_find(const op_schema *s, int opset);        /* the newest with body->opset <= opset; NULL: none */

/* The newest version of one of the domains above; 0 for any other domain. */
int schema_domain_version(const char *domain);
const char *schema_domain_name(const char *domain); /* "ai.onnx" for "" */

/* One row per released set of numbers: what an IR version means. */
typedef struct {
    const char *onnx; /* release of the onnx package that first had them */
    int ir, ai_onnx, ml, training;
} schema_release;
const schema_release *schema_releases(uint32_t *n);
int schema_newest_ir(void);
/* The IR version of the first release with that opset of ai.onnx; 0 for an unknown one. */
int schema_ir_for_opset(int opset);

/* "float, double, seq(float)": adds the members to `out`, in the spelling of the standard's text form. */
void schema_types_text(const schema_types *t, text *out);
const char *schema_attr_kind_name(int kind); /* "INTS" */
#endif
