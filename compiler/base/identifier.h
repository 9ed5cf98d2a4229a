/* identifier.h - names from a model as C identifiers. */
#ifndef ONNXCC_BASE_IDENTIFIER_H
#define ONNXCC_BASE_IDENTIFIER_H
#include "base/arena.h"

/* A keyword of C or C++, or a word that compilers use as one or as a macro. */
bool c_keyword(const char *s);

/* Letters, digits and underscores made from any text; never a keyword of C or C++, and unlike the n names in `taken`. */
const char *c_identifier(arena *mem, const char *name, const char *const *taken, uint32_t n);
#endif
