/* sequence.h - sequences and optionals are resolved while the model is compiled.
 *
 * A sequence is a list of values as far as the compiler is concerned: how many there are, and which one an operator takes, is known before the run. An
 * optional is the value that it holds, or nothing. So no step of a program knows of either: SequenceAt is the value at that place, ConcatFromSequence
 * a Concat, a loop that carries a sequence its turns one after the other. This happens during inference, which finds the shapes and constants that
 * decide lengths and places. Where the run decides a length or a position, elements have to be alike: they lie in one tensor along its first axis. At the boundary of
 * the model, element k of sequence S is a tensor named S.k; how many an input has says --length. The maps of ZipMap are two tensors, S.keys and S.values,
 * and so is a map that is an input. */
#ifndef ONNXCC_PASSES_SEQUENCE_H
#define ONNXCC_PASSES_SEQUENCE_H
#include "compile.h"
#include "ops/ops.h"

typedef struct sequences sequences;

/* Inputs of the model that are sequences or optionals become tensors, as --length says. Before set_shapes, which then knows them by name. NULL after a
 * report. */
sequences *sequences_of(model *m, const compile_options *o);
/* For infer_model. */
resolver sequences_resolver(sequences *s);
/* After inference: outputs of the model that are sequences or optionals become tensors. False after a report. */
bool sequences_give(sequences *s);
#endif
