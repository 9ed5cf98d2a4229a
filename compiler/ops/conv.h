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
#endif
