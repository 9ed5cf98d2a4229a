/* conv.h - sliding windows: what convolutions and pools share. */
#ifndef ONNXCC_OPS_CONV_H
#define ONNXCC_OPS_CONV_H
#include "ops/ops.h"

/* Per spatial axis; output position p reads input positions p * stride + tap * dilation - pad_lo for tap in [0, kernel). */
typedef struct {
    int64_t kernel[MAX_RANK], stride[MAX_RANK], dilation[MAX_RANK];
    dim pad_lo[MAX_RANK], pad_hi[MAX_RANK]; /* constants unless auto_pad meets symbolic sizes */
    dim out[MAX_RANK];                      /* output extents */
} window;

/* Reads strides, dilations, pads, auto_pad and ceil_mode of a node for `rank` spatial axes of extents `input`. False when a number is not
 * positive. */
bool window_read(dims *d, const node *n, uint32_t rank, const dim *input, const int64_t *taps, window *w);
/* The same for a convolution of x [n, c, spatial...] with weights of that rank: the kernel's shape is the attribute or the weights'. False also when
 * it is not known. */
bool window_of_conv(dims *d, const node *n, uint32_t rank, const dim *x_shape, const dim *w_shape, window *w);

/* kernel_shape, strides and dilations, where given, have a positive number for each spatial dimension. False after a report. */
bool steps_are_positive(infer_ctx *c);
/* kernel_shape, where given, is that of the weights, the input of this number. False after a report. */
bool kernel_fits(infer_ctx *c, uint32_t weights);

/* The window of the lowered node as parameters of a K_CONV, whose pads are numbers: false when they are not. */
bool window_params(lower_ctx *c, const window *w, uint32_t rank, conv_params *p);
/* Appends a K_CONV of x and weights `w` that makes the node's output 0. The value of its OUT hook, whose axes are (n, oc, spatial...), is the bare
 * accumulator of type `acc`, float or int32. */
hook *lower_conv_step(lower_ctx *c, const conv_params *params, slot x, slot w, ctype acc);
#endif
