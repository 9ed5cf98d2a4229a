/* list.c - the operators of sequences and optionals. Compiling replaces them by others (passes/sequence.h), so what remains of them is not ours: a model that
 * is checked, or written back, has no need of it. */
#include "ops/families.h"

bool infer_list(infer_ctx *c)
{
    return infer_unsupported(c, "sequence-unknown", "sequences and optionals have no shapes of their own here");
}

bool lower_list(lower_ctx *c)
{
    return lower_unsupported(c, "sequence-unknown", "the sequence is not known when the model is compiled");
}
