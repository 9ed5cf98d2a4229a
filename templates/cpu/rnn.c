/* rnn.c - the recurrent part of one direction of an ONNX RNN (RNN-22), float32: h' = F(xw[t] + h * rt), xw = x * W^T + Wb + Rb.
 *
 * arguments  y     [T][BATCH][H] with strides Y_T, Y_B from element Y_AT      y_h  last state, rows YH_B apart from YH_AT; each may be NULL
 *            xw    [T][BATCH][H] from XW_AT       rt  R transposed, [H][H] from RT_AT
 *            h0    [BATCH][H], rows H0_B apart from H0_AT, NULL: zero      lens  sequence lengths [BATCH], NULL: all T
 *            scratch  [BATCH][ROW] with ROW = 2 * H + 2 * VL
 * range      [lo, hi) of sequences in the batch
 * fixed      REVERSE  1: from the last step to the first      CLIP  bound of what goes into the activation; INFINITY: none
 *            F_V      activation function of a vector         MUL_ACC  name of the bound mul_acc
 *
 * Steps beyond a sequence's length give zeros in y and leave its state alone. */
#include "kernel.h"
#include "simd/simd.h"

INLINE void rnn_cell(int64_t width, const float *restrict sum, float *restrict h)
{
    for (int64_t j = 0; j < width; j += VL) {
        vf x = vf_ld(sum + j);
        if (CLIP < INFINITY) x = vf_min(vf_set(CLIP), vf_max(vf_set(-(CLIP)), x));
        vf_st(h + j, F_V(x));
    }
}

KERNEL void rnn(float *restrict y, float *restrict y_h, const float *restrict xw, const float *restrict rt, const float *restrict h0,
                const int32_t *restrict lens, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t row_size = (int64_t)2 * H + 2 * VL, h_at = (int64_t)H + VL;
    for (int64_t b = lo; b < hi; b++) {
        float *row = scratch + b * row_size;
        for (int64_t j = 0; j < row_size; j++) row[j] = 0.0f;
        if (h0) memcpy(row + h_at, h0 + H0_AT + b * H0_B, (size_t)H * sizeof *row);
    }
    for (int64_t step = 0; step < T; step++) {
        for (int64_t b = lo; b < hi; b++) {
            const int64_t length = lens ? lens[b] : T, t = REVERSE && step < length ? length - 1 - step : step;
            memcpy(scratch + b * row_size, xw + XW_AT + (t * BATCH + b) * H, (size_t)H * sizeof *xw);
        }
        MUL_ACC(scratch + lo * row_size, scratch + lo * row_size + h_at, rt + RT_AT, hi - lo, H, H, row_size, H);
        for (int64_t b = lo; b < hi; b++) {
            const int64_t length = lens ? lens[b] : T, t = REVERSE && step < length ? length - 1 - step : step;
            float *row = scratch + b * row_size;
            if (step < length) rnn_cell(H, row, row + h_at);
            if (!y) continue;
            float *out = y + Y_AT + t * Y_T + b * Y_B;
            for (int64_t j = 0; j < H; j++) out[j] = step < length ? row[h_at + j] : 0.0f;
        }
    }
    for (int64_t b = lo; b < hi && y_h; b++) memcpy(y_h + YH_AT + b * YH_B, scratch + b * row_size + h_at, (size_t)H * sizeof *y_h);
}
