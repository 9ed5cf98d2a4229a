/* lstm.c - the recurrent part of one direction of an ONNX LSTM (LSTM-22), float32.
 *
 *   gates i, o, f, c = xw[t] + h * rt     (xw = x * W^T + Wb + Rb comes from a matrix product before)
 *   c' = F(f + Pf * c) * c + F(i + Pi * c) * G(c gate)      h' = F(o + Po * c') * H(c')
 *
 * arguments  y     [T][BATCH][H] with strides Y_T, Y_B from element Y_AT      y_h, y_c  last states, rows YH_B apart from YH_AT; each may be NULL
 *            xw    [T][BATCH][4 * H] from XW_AT        rt  R transposed, [H][4 * H] from RT_AT
 *            h0 c0 [BATCH][H], rows H0_B apart from H0_AT, NULL: zero      p  peepholes [3 * H] in order i, o, f from P_AT, NULL: none
 *            lens  sequence lengths [BATCH], NULL: all T
 *            scratch  [BATCH][7 * WIDE + 16], WIDE: H up to the next multiple of 16. Of a sequence: two states h, of even and odd steps, c, and gates
 * range      [lo, hi) of sequences in the batch, FROM 0, TO T; with UNITS, of hidden units, multiples of 16 where they meet, and for these steps
 *            FROM to TO - 1, when those before are done for all units
 * fixed      UNITS         0, 1: what the range is of
 *            REVERSE       1: from the last step to the first       INPUT_FORGET  1: forget gate = 1 - input gate
 *            CLIP          bound of what goes into the gates' activations; INFINITY: none
 *            F_V G_V H_V   activation functions of a vector         MUL_ACC       name of the bound mul_acc
 *
 * Steps beyond a sequence's length give zeros in y and leave its state alone; lengths are taken as 0 to T. */
#include "kernel.h"
#include "simd/simd.h"

/* Up to VL elements; lanes beyond `left` are 0. */
INLINE vf lstm_load(const float *p, int64_t left)
{
    if (left >= VL) return vf_ld(p);
    float lane[VL] = {0.0f};
    for (int64_t i = 0; i < left; i++) lane[i] = p[i];
    return vf_ld(lane);
}

INLINE vf lstm_clip(vf x)
{
    return CLIP < INFINITY ? vf_min(vf_set(CLIP), vf_max(vf_set(-(CLIP)), x)) : x;
}

/* New state of n hidden units of one sequence, from their gates; h and c have room for whole vectors, gates of p lie p_gate apart. */
INLINE void lstm_cell(int64_t n, const float *restrict gates, float *restrict h, float *restrict c, const float *restrict p, int64_t p_gate)
{
    for (int64_t j = 0; j < n; j += VL) {
        const vf c_old = vf_ld(c + j);
        vf i = vf_ld(gates + j), o = vf_ld(gates + n + j), f = vf_ld(gates + 2 * n + j);
        if (p) {
            i = vf_fma(lstm_load(p + j, n - j), c_old, i);
            f = vf_fma(lstm_load(p + 2 * p_gate + j, n - j), c_old, f);
        }
        i = F_V(lstm_clip(i));
        f = INPUT_FORGET ? vf_set(1.0f) - i : F_V(lstm_clip(f));
        const vf c_new = vf_fma(f, c_old, i * G_V(lstm_clip(vf_ld(gates + 3 * n + j))));
        if (p) o = vf_fma(lstm_load(p + p_gate + j, n - j), c_new, o);
        vf_st(c + j, c_new);
        vf_st(h + j, F_V(lstm_clip(o)) * H_V(c_new));
    }
}

/* Steps of a sequence; more than there are is what there are. */
INLINE int64_t lstm_length(const int32_t *lens, int64_t b, int64_t steps)
{
    return lens && lens[b] < steps ? lens[b] : steps;
}

/* Where a step's input and output are. */
INLINE int64_t lstm_place(int64_t step, int64_t length)
{
    return REVERSE && step < length ? length - 1 - step : step;
}

KERNEL void lstm(float *restrict y, float *restrict y_h, float *restrict y_c, const float *restrict xw, const float *restrict rt,
                 const float *restrict h0, const float *restrict c0, const float *restrict p, const int32_t *restrict lens,
                 float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t first = UNITS ? 0 : lo, last = UNITS ? (BATCH) : hi, from = UNITS ? lo : 0, n = UNITS ? hi - lo : (H), end = TO, steps = T;
    const int64_t wide = ((int64_t)(H) + 15) / 16 * 16, row_size = 7 * wide + 16, c_at = 2 * wide + from, gates_at = 3 * wide + 4 * from;
    for (int64_t b = first; b < last && (FROM) == 0; b++) {
        float *row = scratch + b * row_size;
        for (int64_t j = 0; j < n; j++) {
            row[from + j] = h0 ? h0[H0_AT + b * (H0_B) + from + j] : 0.0f;
            row[c_at + j] = c0 ? c0[H0_AT + b * (H0_B) + from + j] : 0.0f;
        }
        for (int64_t j = from + n; j < (n % 16 ? wide : 0); j++) row[2 * wide + j] = 0.0f; /* lanes of last vectors */
        for (int64_t j = 4 * n; n % 16 && j < 4 * n + 16; j++) row[gates_at + j] = 0.0f;
    }
    for (int64_t step = FROM; step < end; step++) {
        const int64_t h_at = step % 2 * wide, new_at = (step + 1) % 2 * wide + from;
        for (int64_t b = first; b < last; b++) {
            const int64_t length = lstm_length(lens, b, steps), t = lstm_place(step, length);
            const float *x = xw + XW_AT + (t * (BATCH) + b) * 4 * (H) + from;
            for (int64_t gate = 0; gate < 4; gate++) memcpy(scratch + b * row_size + gates_at + gate * n, x + gate * (H), (size_t)n * sizeof *x);
        }
        if (step || h0) { /* one pass over whole rows where it can be; another piece may not have its first states here yet */
            const float *h = step ? scratch + first * row_size + h_at : h0 + H0_AT + first * (H0_B);
            MUL_ACC(scratch + first * row_size + gates_at, h, rt + RT_AT + from, last - first, H, UNITS ? n : 4 * (int64_t)(H), UNITS ? 4 : 1,
                    row_size, n, step ? row_size : (H0_B), 4 * (int64_t)(H), H);
        }
        for (int64_t b = first; b < last; b++) {
            const int64_t length = lstm_length(lens, b, steps), t = lstm_place(step, length);
            float *row = scratch + b * row_size, *h = row + new_at;
            if (step < length) lstm_cell(n, row + gates_at, h, row + c_at, p ? p + P_AT + from : NULL, H);
            else memcpy(h, row + h_at + from, (size_t)n * sizeof *h);
            if (!y) continue;
            float *out = y + Y_AT + t * Y_T + b * Y_B + from;
            for (int64_t j = 0; j < n; j++) out[j] = step < length ? h[j] : 0.0f;
        }
    }
    for (int64_t b = first; b < last && end == steps; b++) {
        const float *row = scratch + b * row_size;
        if (y_h) memcpy(y_h + YH_AT + b * (YH_B) + from, row + steps % 2 * wide + from, (size_t)n * sizeof *y_h);
        if (y_c) memcpy(y_c + YH_AT + b * (YH_B) + from, row + c_at, (size_t)n * sizeof *y_c);
    }
}
