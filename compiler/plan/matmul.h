/* matmul.h - a matrix product on its way to a packed kernel: what the kernels for floats (matmul.c) and for bytes (qmatmul.c) share. */
#ifndef ONNXCC_PLAN_MATMUL_H
#define ONNXCC_PLAN_MATMUL_H
#include "plan/plan.h"

typedef struct {
    program *p;
    const plan_options *o;
    const char *what;
    block *out; /* gets the steps */
    matmul_params mm;
    hook hook;
    bool bytes; /* qgemm: a is in the range of uint8, b in that of int8, the accumulator int32. Else gemm, all float, or with mm.narrow gemm_half */
    slot a, b;  /* A as read; B in panels: both set by matmul_step */
    const char *name; /* that the panels' begins with; NULL: the result's */
} matmul_plan;

/* Appends the kernel's step, before it those that copy A to rows (where it is no plain load or its elements do not follow each other along k)
 * and pack B (unless it is constant and packed now). False: no kernel can read A. */
bool matmul_step(matmul_plan *q);

/* An operand read in place: element (line, k) lies line * .line + k * .k elements behind .base, an expression of the batch axes. */
typedef struct {
    slot slot;
    dim line, k, base;
} matmul_operand;
/* The parts of matmul_step: A as rows that lie in place, copied where they don't; and B in panels of nv vectors, which returns the element that each matrix
 * begins at, over the batch axes. */
bool matmul_lines(matmul_plan *q, matmul_operand *a);
dim matmul_panels(matmul_plan *q, int nv);
/* Of a or b, `line` being m or n. False when it is no plain load of that type, or not affine. */
bool matmul_read(program *p, const matmul_params *mm, ex e, dim line, elem stored, matmul_operand *out);
/* A load of a copy [batch..., line, k] of what e gives, without the batch axes that it does not depend on; constants are copied now. */
ex matmul_rows(program *p, block *out, const char *what, const matmul_params *mm, ex e, dim line, elem stored);

/* Rows of all matrices of a batch are rows of one matrix when B is the same for all, and A and the result go on where a matrix ends. */
bool matmul_join_batch(matmul_plan *q);
dim matmul_batches(const matmul_plan *q);
/* The hook's axes as the kernels call them: (batch_index, m, n). */
void matmul_hook_axes(matmul_plan *q, dim batches);
bool matmul_is_float(program *p, const kernel *k); /* operands, result and hook are */

/* 1 for the constant 0 that stands for an axis of extent 1. */
dim matmul_extent(program *p, dim axis);
bool matmul_depends(program *p, ex e, dim axis);
/* `at` with each batch axis as a function of the one symbol batch_index that the kernels have. */
dim matmul_by_batch_index(program *p, const matmul_params *mm, dim at);
static inline binding dim_binding(const char *name, dim d)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = d};
}

/* B in panels for qgemm by the kernel qpack (qmatmul.c), appended to q->out; see pack_qgemm_b. 0: it can't read B. */
slot qmatmul_pack(matmul_plan *q, const char *name, int nv, uint32_t *kept_batch);

/* select_matmul for weights of a few bits in blocks (nbits.c). */
bool select_nbits(program *p, const plan_options *o, const step *s, block *out);

/* select_matmul for a product of bytes (qmatmul.c). */
bool select_qmatmul(program *p, const plan_options *o, const step *s, block *out);
#endif
