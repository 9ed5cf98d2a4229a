/* coupling.c - class probabilities of a support vector machine from the decisions between pairs of classes (SVMClassifier with prob_a, prob_b):
 * Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling", 2004, second method, as libsvm does it.
 *
 * arguments  y [N][CLASSES] probabilities      s [N][PAIRS] decisions, PAIRS = CLASSES * (CLASSES - 1) / 2, of (0, 1), (0, 2) ... (1, 2) ...
 *            a, b [PAIRS]: the first class of a pair has probability 1 / (1 + exp(a * s + b))
 * range      [lo, hi) of rows
 * fixed      CLASSES */
#include "kernel.h"

KERNEL void coupling(float *restrict y, const float *restrict s, const float *restrict a, const float *restrict b, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t pairs = (int64_t)CLASSES * (CLASSES - 1) / 2;
    for (int64_t row = lo; row < hi; row++) {
        float r[CLASSES][CLASSES], q[CLASSES][CLASSES], qp[CLASSES], *p = y + row * CLASSES;
        int64_t at = row * pairs;
        for (int i = 0; i < CLASSES; i++) {
            for (int j = i + 1; j < CLASSES; j++, at++) {
                const float v = s[at] * a[at - row * pairs] + b[at - row * pairs];
                const float e = expf(-fabsf(v)), share = v < 0.0f ? 1.0f / (1.0f + e) : e / (1.0f + e);
                r[i][j] = fminf(fmaxf(share, 1e-7f), 1.0f - 1e-7f);
                r[j][i] = 1.0f - r[i][j];
            }
        }
        for (int t = 0; t < CLASSES; t++) {
            p[t] = 1.0f / (float)CLASSES;
            q[t][t] = 0.0f;
            for (int j = 0; j < CLASSES; j++) {
                if (j == t) continue;
                q[t][t] += r[j][t] * r[j][t];
                q[t][j] = -r[j][t] * r[t][j];
            }
        }
        for (int turn = 0; turn < (CLASSES > 100 ? CLASSES : 100); turn++) {
            float pqp = 0.0f, error = 0.0f;
            for (int t = 0; t < CLASSES; t++) {
                qp[t] = 0.0f;
                for (int j = 0; j < CLASSES; j++) qp[t] += q[t][j] * p[j];
                pqp += p[t] * qp[t];
            }
            for (int t = 0; t < CLASSES; t++) error = fmaxf(error, fabsf(qp[t] - pqp));
            if (error < 0.005f / (float)CLASSES) break;
            for (int t = 0; t < CLASSES; t++) {
                const float d = (pqp - qp[t]) / q[t][t], scale = 1.0f / (1.0f + d);
                p[t] += d;
                pqp = (pqp + d * (d * q[t][t] + 2.0f * qp[t])) * scale * scale;
                for (int j = 0; j < CLASSES; j++) {
                    qp[j] = (qp[j] + d * q[t][j]) * scale;
                    p[j] *= scale;
                }
            }
        }
    }
}
