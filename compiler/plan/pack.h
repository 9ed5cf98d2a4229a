/* pack.h - operands rearranged for the kernels that read them, as nests: run at compile time for constants (nest_run), printed as C otherwise.
 *
 * Each function makes the packed tensor as a new SLOT_TEMP, of float unless it says otherwise, appends the nest that fills it to `to`, and returns it. A caller with
 * constant operands runs the nest and turns the slot into a SLOT_CONST. */
#ifndef ONNXCC_PLAN_PACK_H
#define ONNXCC_PLAN_PACK_H
#include "expr/nest.h"

/* B of gemm: [batch...][ceil(n / nr)][k][nr], columns beyond n zero, from mm->b (type F32); of gemm_half, where mm->narrow says so:
 * [batch...][ceil(n / nr)][ceil(k / 2)][nr][2], zero beyond n and k. Of the batch axes only those that b depends on are
 * kept; bit i of *kept_batch says that axis i is. */
slot pack_gemm_b(program *p, block *to, const char *name, const matmul_params *mm, int64_t nr, uint32_t *kept_batch);

/* B of qgemm, int8: [batch...][ceil(n / nr)][ceil(k / 4)][nr][4], zero beyond n and k, from mm->b (type I32, values of int8). */
slot pack_qgemm_b(program *p, block *to, const char *name, const matmul_params *mm, int64_t nr, uint32_t *kept_batch);

/* Weights of conv: [group][ceil(oc / nr)][ceil(ic / cb)][kernel...][cb][nr] with oc and ic per group, zero beyond them; from w
 * [group * oc][ic][kernel...]. */
slot pack_conv(program *p, block *to, const char *name, slot w, int64_t group, int64_t cb, int64_t nr);

/* Weights of conv_half, of type `stored`: [group][ceil(oc / nr)][ceil(ic / xb)][kernel...][xb / 2][nr * 2], zero beyond them; lane n * 2 + c is channel c of the two for output n. */
slot pack_conv_half(program *p, block *to, const char *name, slot w, int64_t group, int64_t xb, int64_t nr, elem stored);

/* Weights of conv_dw: [ceil(c / vl)][kernel...][vl], zero beyond c; from w [c][1][kernel...]. */
slot pack_conv_dw(program *p, block *to, const char *name, slot w, int64_t vl);

/* Weights of qconv: int8 [group][ceil(oc / nr)][ceil(ic / xb)][kernel...][xb / 4][nr * 4] with oc and ic per group, zero beyond them; lane n * 4 + c is
 * channel c of the four for output n. w is int8, or uint8: then 128 less. */
slot pack_qconv(program *p, block *to, const char *name, slot w, int64_t group, int64_t xb, int64_t nr);

/* Weights of qconv_dw: int8 [ceil(c / vl)][kernel but the last...][ceil(kw / 4)][vl * 4], zero beyond c and kw; from bytes as
 * above. */
slot pack_qconv_dw(program *p, block *to, const char *name, slot w, int64_t vl);

/* Weights of nbits_int8 and nbits_float: uint8 [ceil(n / nr)][blocks][size * bits / 32][nr][4] as templates/cpu/nbits_int8.c describes, zero beyond n and k; from
 * codes [n][k] of `bits` bits, in blocks of `size` along k. */
slot pack_nbits(program *p, block *to, const char *name, slot codes, int64_t size, int64_t nr);

/* Their scales, float, or zero points, uint8: [ceil(n / nr)][blocks][nr], zero beyond n; from [n][blocks]. */
slot pack_nbits_blocks(program *p, block *to, const char *name, slot values, int64_t nr);
#endif
