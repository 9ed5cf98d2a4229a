/* computed_body.h - bodies of function operators that the standard computes from the node, so that schema/ has no data for them. */
#ifndef ONNXCC_PASSES_COMPUTED_BODY_H
#define ONNXCC_PASSES_COMPUTED_BODY_H
#include "ops/version_edit.h"

/* Says the edited node with other operators, in their newest form: some before it, the node itself as the last of them. */
typedef bool (*body_builder)(edit *e);

body_builder computed_body_find(const char *domain, const char *op); /* NULL: there is none here */
#endif
