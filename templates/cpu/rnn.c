/* rnn.c - the recurrent part of one direction of an ONNX RNN (RNN-22), float32: h' = F(xw[t] + h * rt), xw = x * W^T + Wb + Rb.
 *
 * arguments  y     [T][BATCH][H] with strides Y_T, Y_B from element Y_AT      y_h  last state, rows YH_B apart from YH_AT; each may be NULL
 *            xw    [T][BATCH][H] from XW_AT       rt  R transposed, [H][H] from RT_AT
 *            h0    [BATCH][H], rows H0_B apart from H0_AT, NULL: zero      lens  sequence lengths [BATCH], NULL: all T
 *            scratch  [BATCH][3 * WIDE + 16], WIDE: H up to the next multiple of 16. Of a sequence: two states h, of even and odd steps, and sums
 * range      [lo, hi) of sequences in the batch, FROM 0, TO T; with UNITS, of hidden units, multiples of 16 where they meet, and for these steps
 *            FROM to TO - 1, when those before are done for all units
 * fixed      UNITS    0, 1: what the range is of
 *            REVERSE  1: from the last step to the first      CLIP  bound of what goes into the activation; INFINITY: none
 *            F_V      activation function of a vector         MUL_ACC  name of the bound mul_acc
 *
 * Steps beyond a sequence's length give zeros in y and leave its state alone; lengths are taken as 0 to T. */
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

/* Steps of a sequence; more than there are is what there are. */
INLINE int64_t rnn_length(const int32_t *lens, int64_t b, int64_t steps)
{
    return lens && lens[b] < steps ? lens[b] : steps;
}

/* Where a step's input and output are. */
INLINE int64_t rnn_place(int64_t step, int64_t length)
{
    return REVERSE && step < length ? length - 1 - step : step;
}

KERNEL void rnn(float *restrict y, float *restrict y_h, const float *restrict xw, const float *restrict rt, const float *restrict h0,
                const int32_t *restrict lens, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t first = UNITS ? 0 : lo, last = UNITS ? (BATCH) : hi, from = UNITS ? lo : 0, n = UNITS ? hi - lo : (H), end = TO, steps = T;
    const int64_t wide = ((int64_t)(H) + 15) / 16 * 16, row_size = 3 * wide + 16, sum_at = 2 * wide + from;
    float *top = scratch + first * row_size;
    for (int64_t b = first; b < last && (FROM) == 0; b++) {
        float *row = scratch + b * row_size;
        for (int64_t j = 0; j < n; j++) row[from + j] = h0 ? h0[H0_AT + b * (H0_B) + from + j] : 0.0f;
        for (int64_t j = n; n % 16 && j < n + 16; j++) row[sum_at + j] = 0.0f; /* lanes of the last vector */
    }
    for (int64_t step = FROM; step < end; step++) {
        const int64_t h_at = step % 2 * wide, new_at = (step + 1) % 2 * wide + from;
        for (int64_t b = first; b < last; b++) {
            const int64_t length = rnn_length(lens, b, steps), t = rnn_place(step, length);
            memcpy(scratch + b * row_size + sum_at, xw + XW_AT + (t * (BATCH) + b) * (H) + from, (size_t)n * sizeof *xw);
        }
        if (step || h0) { /* another piece may not have its first states here yet */
            const float *h = step ? top + h_at : h0 + H0_AT + first * (H0_B);
            MUL_ACC(top + sum_at, h, rt + RT_AT + from, last - first, H, n, 1, row_size, 0, step ? row_size : (H0_B), H, 0);
        }
        for (int64_t b = first; b < last; b++) {
            const int64_t length = rnn_length(lens, b, steps), t = rnn_place(step, length);
            float *row = scratch + b * row_size, *h = row + new_at;
            if (step < length) rnn_cell(n, row + sum_at, h);
            else memcpy(h, row + h_at + from, (size_t)n * sizeof *h);
            if (!y) continue;
            float *out = y + Y_AT + t * Y_T + b * Y_B + from;
            for (int64_t j = 0; j < n; j++) out[j] = step < length ? h[j] : 0.0f;
        }
    }
    for (int64_t b = first; b < last && end == steps && y_h; b++)
        memcpy(y_h + YH_AT + b * (YH_B) + from, scratch + b * row_size + steps % 2 * wide + from, (size_t)n * sizeof *y_h);
}
