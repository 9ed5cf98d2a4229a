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
 *            scratch  [BATCH][6 * WIDE + 16], WIDE: H up to the next multiple of 16. Of a sequence: two states h, of even and odd steps, and gates
 * range      [lo, hi) of sequences in the batch, FROM 0, TO T; with UNITS, and so LINEAR_BEFORE_RESET, of hidden units, multiples of 16 where they meet, and
 *            for these steps FROM to TO - 1, when those before are done for all units
 * fixed      UNITS    0, 1: what the range is of
 *            REVERSE  1: from the last step to the first      CLIP  bound of what goes into the activations; INFINITY: none
 *            F_V G_V  activation functions of a vector        MUL_ACC  name of the bound mul_acc
 *
 * Steps beyond a sequence's length give zeros in y and leave its state alone; lengths are taken as 0 to T. */
#include "kernel.h"
#include "simd/simd.h"

INLINE vf gru_clip(vf x)
{
    return CLIP < INFINITY ? vf_min(vf_set(CLIP), vf_max(vf_set(-(CLIP)), x)) : x;
}

/* From r's argument, of `width` units: r . h into `reset`, or r . (h * Rn + Rbn), which stands behind it, added to n's argument, which `reset` holds. */
INLINE void gru_reset(int64_t width, float *restrict gates, const float *restrict h, float *restrict reset)
{
    for (int64_t j = 0; j < width; j += VL) {
        const vf r = F_V(gru_clip(vf_ld(gates + width + j)));
        if (!LINEAR_BEFORE_RESET) vf_st(reset + j, r * vf_ld(h + j));
        else vf_st(reset + j, vf_fma(r, vf_ld(gates + 2 * width + j), vf_ld(reset + j)));
    }
}

/* New state of `width` units of one sequence; `n` holds the argument of G. */
INLINE void gru_cell(int64_t width, const float *restrict gates, const float *restrict n, const float *restrict h, float *restrict to)
{
    for (int64_t j = 0; j < width; j += VL) {
        const vf z = F_V(gru_clip(vf_ld(gates + j))), new_h = G_V(gru_clip(vf_ld(n + j)));
        vf_st(to + j, vf_fma(z, vf_ld(h + j), (vf_set(1.0f) - z) * new_h));
    }
}

/* Steps of a sequence; more than there are is what there are. */
INLINE int64_t gru_length(const int32_t *lens, int64_t b, int64_t steps)
{
    return lens && lens[b] < steps ? lens[b] : steps;
}

/* Where a step's input and output are. */
INLINE int64_t gru_place(int64_t step, int64_t length)
{
    return REVERSE && step < length ? length - 1 - step : step;
}

KERNEL void gru(float *restrict y, float *restrict y_h, const float *restrict xw, const float *restrict rt, const float *restrict rb,
                const float *restrict h0, const int32_t *restrict lens, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t first = UNITS ? 0 : lo, last = UNITS ? (BATCH) : hi, from = UNITS ? lo : 0, n = UNITS ? hi - lo : (H);
    const int64_t end = TO, steps = T, sums = LINEAR_BEFORE_RESET ? 3 : 2;
    const int64_t wide = ((int64_t)(H) + 15) / 16 * 16, row_size = 6 * wide + 16, gates_at = 2 * wide + 4 * from, reset_at = gates_at + 3 * n;
    float *top = scratch + first * row_size;
    for (int64_t b = first; b < last && (FROM) == 0; b++) {
        float *row = scratch + b * row_size;
        for (int64_t j = 0; j < n; j++) row[from + j] = h0 ? h0[H0_AT + b * (H0_B) + from + j] : 0.0f;
        for (int64_t j = from + n; j < (n % 16 ? wide : 0); j++) row[j] = row[wide + j] = 0.0f; /* lanes of last vectors */
        for (int64_t j = 4 * n; n % 16 && j < 4 * n + 16; j++) row[gates_at + j] = 0.0f;
    }
    for (int64_t step = FROM; step < end; step++) {
        const int64_t h_at = step % 2 * wide, new_at = (step + 1) % 2 * wide + from;
        for (int64_t b = first; b < last; b++) {
            const int64_t length = gru_length(lens, b, steps), t = gru_place(step, length);
            float *gates = scratch + b * row_size + gates_at;
            const float *x = xw + XW_AT + (t * (BATCH) + b) * 3 * (H) + from;
            for (int64_t gate = 0; gate < sums; gate++) memcpy(gates + gate * n, x + gate * (H), (size_t)n * sizeof *x);
            memcpy(gates + (LINEAR_BEFORE_RESET ? 3 : 2) * n, x + 2 * (H), (size_t)n * sizeof *x);
            for (int64_t j = 0; j < n && LINEAR_BEFORE_RESET; j++) gates[2 * n + j] = rb ? rb[RB_AT + from + j] : 0.0f;
        }
        if (step || h0) { /* one pass over whole rows where it can be; another piece may not have its first states here yet */
            const float *h = step ? top + h_at : h0 + H0_AT + first * (H0_B);
            MUL_ACC(top + gates_at, h, rt + RT_AT + from, last - first, H, UNITS ? n : sums * (H), UNITS ? sums : 1, row_size, n,
                    step ? row_size : (H0_B), 3 * (int64_t)(H), H);
        }
        for (int64_t b = first; b < last; b++) {
            float *row = scratch + b * row_size;
            gru_reset(n, row + gates_at, row + h_at + from, row + reset_at);
        }
        if (!LINEAR_BEFORE_RESET)
            MUL_ACC(top + gates_at + 2 * n, top + reset_at, rt + RT_AT + 2 * (H), last - first, H, H, 1, row_size, 0, row_size, 3 * (int64_t)(H), 0);
        for (int64_t b = first; b < last; b++) {
            const int64_t length = gru_length(lens, b, steps), t = gru_place(step, length);
            float *row = scratch + b * row_size, *h = row + new_at;
            if (step < length) gru_cell(n, row + gates_at, row + gates_at + (LINEAR_BEFORE_RESET ? 3 : 2) * n, row + h_at + from, h);
            else memcpy(h, row + h_at + from, (size_t)n * sizeof *h);
            if (!y) continue;
            float *out = y + Y_AT + t * Y_T + b * Y_B + from;
            for (int64_t j = 0; j < n; j++) out[j] = step < length ? h[j] : 0.0f;
        }
    }
    for (int64_t b = first; b < last && end == steps && y_h; b++)
        memcpy(y_h + YH_AT + b * (YH_B) + from, scratch + b * row_size + steps % 2 * wide + from, (size_t)n * sizeof *y_h);
}
