/* onnxcc_openmp.h - OpenMP's threads for generated models, in programs that have them anyway: a parallel_for to put into onnxcc_env. Compile with -fopenmp.
 *
 *     onnxcc_env env = {.parallel_for = onnxcc_openmp_for};
 *     model_run(&in, &out, arena, &env);
 *
 * As many threads as OpenMP is told to use (omp_set_num_threads, OMP_NUM_THREADS); inside of a parallel region, one. */
#ifndef ONNXCC_OPENMP_H
#define ONNXCC_OPENMP_H
#include <omp.h>

#include "onnxcc_rt.h"

static inline void onnxcc_openmp_for(void *ctx, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain)
{
    const int64_t grains = (n + grain - 1) / grain, threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    const int64_t each = (grains + 4 * threads - 1) / (4 * threads) * grain; /* four pieces for a thread: one that is held up does not hold up all */
    (void)ctx;
    if (threads == 1 || grains < 2) {
        if (n > 0) fn(arg, 0, n);
        return;
    }
#pragma omp parallel for schedule(dynamic) num_threads((int)threads)
    for (int64_t lo = 0; lo < n; lo += each) fn(arg, lo, lo + each < n ? lo + each : n);
}
#endif
