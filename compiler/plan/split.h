/* split.h - what the parts stand for that threads have of a step: rows of an image, or channels.
 *
 * A thread that goes on with what it has written itself finds it in its own cache. So where a step may go by rows or by channels, it goes by what the step before goes by. */
#ifndef ONNXCC_PLAN_SPLIT_H
#define ONNXCC_PLAN_SPLIT_H
#include "expr/program.h"

/* Of a nest: by what its axis `split` stands for in what it writes. */
split_by step_split(program *p, const step *s);

/* in: a program with nests' axes chosen. out: depthwise convolutions and halos of single images go by channels, in shares for so many threads, where what they read is
 * written so. */
void plan_splits(program *p, int threads);
#endif
