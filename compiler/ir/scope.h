/* scope.h - which value a name means at a place of the model: a table with levels, one per graph, inner ones over outer ones. */
#ifndef ONNXCC_IR_SCOPE_H
#define ONNXCC_IR_SCOPE_H
#include "ir/ir.h"

typedef struct scope scope;

scope *scope_new(arena *a);
void scope_enter(scope *s);
void scope_leave(scope *s); /* forgets what the level defined */

/* Names are interned. */
void scope_define(scope *s, const char *name, value_id v);
value_id scope_find(const scope *s, const char *name);      /* at any level; 0: none */
value_id scope_find_here(const scope *s, const char *name); /* at the innermost level only */
#endif
