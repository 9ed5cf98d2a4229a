/* lstm.c - the recurrent part of one direction of an ONNX LSTM (LSTM-22), float32.
 *
 *   gates i, o, f, c = xw[t] + h * rt     (xw = x * W^T + Wb + Rb comes from a matrix product before)
 *   c' = F(f + Pf * c) * c + F(i + Pi * c) * G(c gate)      h' = F(o + Po * c') * H(c')
 *
 * arguments  y     [T][BATCH][H] with strides Y_T, Y_B from element Y_AT      y_h, y_c  last states, rows YH_B apart from YH_AT; each may be NULL
 *            xw    [T][BATCH][4 * H] from XW_AT        rt  R transposed, [H][4 * H] from RT_AT
 *            h0 c0 [BATCH][H], rows H0_B apart from H0_AT, NULL: zero      p  peepholes [3 * H] in order i, o, f from P_AT, NULL: none
 *            lens  sequence lengths [BATCH], NULL: all T      scratch  [BATCH][ROW] with ROW = 6 * H + 3 * VL
 * range      [lo, hi) of sequences in the batch
 * fixed      REVERSE       1: from the last step to the first       INPUT_FORGET  1: forget gate = 1 - input gate
 *            CLIP          bound of what goes into the gates' activations; INFINITY: none
 *            F_V G_V H_V   activation functions of a vector         MUL_ACC       name of the bound mul_acc
 *
 * Steps beyond a sequence's length give zeros in y and leave its state alone. */
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

/* New state of one sequence, n = H, from its gates; h and c have room for whole vectors. */
INLINE void lstm_cell(int64_t n, const float *restrict gates, float *restrict h, float *restrict c, const float *restrict p)
{
    for (int64_t j = 0; j < n; j += VL) {
        const vf c_old = vf_ld(c + j);
        vf i = vf_ld(gates + j), o = vf_ld(gates + n + j), f = vf_ld(gates + 2 * n + j);
        if (p) {
            i = vf_fma(lstm_load(p + j, n - j), c_old, i);
            f = vf_fma(lstm_load(p + 2 * n + j, n - j), c_old, f);
        }
        i = F_V(lstm_clip(i));
        f = INPUT_FORGET ? vf_set(1.0f) - i : F_V(lstm_clip(f));
        const vf c_new = vf_fma(f, c_old, i * G_V(lstm_clip(vf_ld(gates + 3 * n + j))));
        if (p) o = vf_fma(lstm_load(p + n + j, n - j), c_new, o);
        vf_st(c + j, c_new);
        vf_st(h + j, F_V(lstm_clip(o)) * H_V(c_new));
    }
}

KERNEL void lstm(float *restrict y, float *restrict y_h, float *restrict y_c, const float *restrict xw, const float *restrict rt,
                 const float *restrict h0, const float *restrict c0, const float *restrict p, const int32_t *restrict lens,
                 float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t row_size = (int64_t)6 * H + 3 * VL, h_at = (int64_t)4 * H + VL, c_at = h_at + H + VL;
    for (int64_t b = lo; b < hi; b++) {
        float *row = scratch + b * row_size;
        for (int64_t j = 0; j < row_size; j++) row[j] = 0.0f;
        if (h0) memcpy(row + h_at, h0 + H0_AT + b * H0_B, (size_t)H * sizeof *row);
        if (c0) memcpy(row + c_at, c0 + H0_AT + b * H0_B, (size_t)H * sizeof *row);
    }
    for (int64_t step = 0; step < T; step++) {
        for (int64_t b = lo; b < hi; b++) {
            const int64_t length = lens ? lens[b] : T, t = REVERSE && step < length ? length - 1 - step : step;
            memcpy(scratch + b * row_size, xw + XW_AT + (t * BATCH + b) * 4 * H, (size_t)H * 4 * sizeof *xw);
        }
        MUL_ACC(scratch + lo * row_size, scratch + lo * row_size + h_at, rt + RT_AT, hi - lo, H, 4 * H, row_size, 4 * H);
        for (int64_t b = lo; b < hi; b++) {
            const int64_t length = lens ? lens[b] : T, t = REVERSE && step < length ? length - 1 - step : step;
            float *row = scratch + b * row_size;
            if (step < length) lstm_cell(H, row, row + h_at, row + c_at, p ? p + P_AT : NULL);
            if (!y) continue;
            float *out = y + Y_AT + t * Y_T + b * Y_B;
            for (int64_t j = 0; j < H; j++) out[j] = step < length ? row[h_at + j] : 0.0f;
        }
    }
    for (int64_t b = lo; b < hi; b++) {
        const float *row = scratch + b * row_size;
        if (y_h) memcpy(y_h + YH_AT + b * YH_B, row + h_at, (size_t)H * sizeof *y_h);
        if (y_c) memcpy(y_c + YH_AT + b * YH_B, row + c_at, (size_t)H * sizeof *y_c);
    }
}
