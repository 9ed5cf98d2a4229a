/* print_fours.h - between print_cuda.c and print_fours.c. */
#ifndef ONNXCC_EXPR_PRINT_FOURS_H
#define ONNXCC_EXPR_PRINT_FOURS_H
#include "expr/print.h"

enum { QUAD = 4 };

/* A nest of one statement whose innermost axis is walked by fours. */
typedef struct {
    printer *w;
    dim four;         /* the axis of the four */
    VEC(slot) memory; /* what is accessed so */
    VEC(dim) at;      /* the first of the four elements */
    VEC(slot) local;  /* an array of the four in the thread */
    VEC(bool) stored;
} quads;

/* The statement by fours along the last axis, in *q and *n; false when nothing is gained or the axis can't be cut so. */
bool take_fours(printer *w, nest *n, quads *q);
/* Its four points, where all axes of the nest have names. */
void print_fours(quads *q, const nest *n);
#endif
