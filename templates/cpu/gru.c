/* gru.c - the recurrent part of one direction of an ONNX GRU (GRU-22), float32.
 *
 *   z = F(xz + h * Rz)    r = F(xr + h * Rr)    xw = x * W^T + Wb + Rb comes from a matrix product before
 *   n = G(xn + (r . h) * Rn)                     or, with LINEAR_BEFORE_RESET, n = G(xn + r . (h * Rn + Rbn)): xn is then without Rbn
 *   h' = (1 - z) . n + z . h
 *
 * arguments  y     [T][BATCH][H] with strides Y_T, Y_B from element Y_AT      y_h  last state, rows YH_B apart from YH_AT; each may be NULL
 *            xw    [T][BATCH][3 * H] in order z, r, n from XW_AT       rt  R transposed, [H][3 * H] from RT_AT
 *            rb    Rbn [H] from RB_AT, NULL: zero; read with LINEAR_BEFORE_RESET only
 *            h0    [BATCH][H], rows H0_B apart from H0_AT, NULL: zero      lens  sequence lengths [BATCH], NULL: all T
 *            scratch  [BATCH][ROW] with ROW = 5 * H + 3 * VL
 * range      [lo, hi) of sequences in the batch
 * fixed      REVERSE  1: from the last step to the first      CLIP  bound of what goes into the activations; INFINITY: none
 *            F_V G_V  activation functions of a vector        MUL_ACC  name of the bound mul_acc
 *
 * Steps beyond a sequence's length give zeros in y and leave its state alone. */
#include "kernel.h"
#include "simd/simd.h"

INLINE vf gru_clip(vf x)
{
    return CLIP < INFINITY ? vf_min(vf_set(CLIP), vf_max(vf_set(-(CLIP)), x)) : x;
}

/* From r's argument, width = H: r . h into `reset`, or r . (h * Rn + Rbn), which stands behind it, added to n's argument, which `reset` holds. */
INLINE void gru_reset(int64_t width, float *restrict gates, const float *restrict h, float *restrict reset)
{
    for (int64_t j = 0; j < width; j += VL) {
        const vf r = F_V(gru_clip(vf_ld(gates + width + j)));
        if (!LINEAR_BEFORE_RESET) vf_st(reset + j, r * vf_ld(h + j));
        else vf_st(reset + j, vf_fma(r, vf_ld(gates + 2 * width + j), vf_ld(reset + j)));
    }
}

/* New state of one sequence; `n` holds the argument of G. */
INLINE void gru_cell(int64_t width, const float *restrict gates, const float *restrict n, float *restrict h)
{
    for (int64_t j = 0; j < width; j += VL) {
        const vf z = F_V(gru_clip(vf_ld(gates + j))), new_h = G_V(gru_clip(vf_ld(n + j)));
        vf_st(h + j, vf_fma(z, vf_ld(h + j), (vf_set(1.0f) - z) * new_h));
    }
}

KERNEL void gru(float *restrict y, float *restrict y_h, const float *restrict xw, const float *restrict rt, const float *restrict rb,
                const float *restrict h0, const int32_t *restrict lens, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t row_size = (int64_t)5 * H + 3 * VL, h_at = (int64_t)3 * H + VL, reset_at = h_at + H + VL;
    float *first = scratch + lo * row_size;
    for (int64_t b = lo; b < hi; b++) {
        float *row = scratch + b * row_size;
        for (int64_t j = 0; j < row_size; j++) row[j] = 0.0f;
        if (h0) memcpy(row + h_at, h0 + H0_AT + b * H0_B, (size_t)H * sizeof *row);
    }
    for (int64_t step = 0; step < T; step++) {
        for (int64_t b = lo; b < hi; b++) {
            const int64_t length = lens ? lens[b] : T, t = REVERSE && step < length ? length - 1 - step : step;
            float *row = scratch + b * row_size;
            const float *from = xw + XW_AT + (t * BATCH + b) * 3 * H;
            memcpy(row, from, (size_t)H * (LINEAR_BEFORE_RESET ? 2 : 3) * sizeof *xw);
            if (!LINEAR_BEFORE_RESET) continue;
            memcpy(row + reset_at, from + 2 * H, (size_t)H * sizeof *xw);
            for (int64_t j = 0; j < H; j++) row[2 * H + j] = rb ? rb[RB_AT + j] : 0.0f;
        }
        MUL_ACC(first, first + h_at, rt + RT_AT, hi - lo, H, (LINEAR_BEFORE_RESET ? 3 : 2) * H, row_size, 3 * H); /* one pass over whole rows where it can be */
        for (int64_t b = lo; b < hi; b++) {
            float *row = scratch + b * row_size;
            gru_reset(H, row, row + h_at, row + reset_at);
        }
        if (!LINEAR_BEFORE_RESET) MUL_ACC(first + 2 * H, first + reset_at, rt + RT_AT + 2 * H, hi - lo, H, H, row_size, 3 * H);
        for (int64_t b = lo; b < hi; b++) {
            const int64_t length = lens ? lens[b] : T, t = REVERSE && step < length ? length - 1 - step : step;
            float *row = scratch + b * row_size;
            if (step < length) gru_cell(H, row, row + (LINEAR_BEFORE_RESET ? reset_at : 2 * H), row + h_at);
            if (!y) continue;
            float *out = y + Y_AT + t * Y_T + b * Y_B;
            for (int64_t j = 0; j < H; j++) out[j] = step < length ? row[h_at + j] : 0.0f;
        }
    }
    for (int64_t b = lo; b < hi && y_h; b++) memcpy(y_h + YH_AT + b * YH_B, scratch + b * row_size + h_at, (size_t)H * sizeof *y_h);
}
