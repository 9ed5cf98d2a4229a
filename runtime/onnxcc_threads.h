/* onnxcc_threads.h - a small thread pool for generated models: a parallel_for to put into onnxcc_env. Optional; C11 and POSIX threads.
 *
 *     onnxcc_pool *pool = onnxcc_pool_new(4);
 *     onnxcc_env env = {.parallel_for = onnxcc_parallel_for, .parallel_ctx = pool};
 *     model_run(&in, &out, arena, &env);
 *     onnxcc_pool_free(pool);
 *
 * The caller works too: a pool of 4 has 3 threads of its own. Threads spin for a fraction of a millisecond after each job and then sleep.
 * A call from inside a job, or while another thread uses the pool, runs serially in the caller. What a model computes does not depend on the
 * number of threads. */
#ifndef ONNXCC_THREADS_H
#define ONNXCC_THREADS_H
#include "onnxcc_rt.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct onnxcc_pool onnxcc_pool;

onnxcc_pool *onnxcc_pool_new(int threads); /* caller included; NULL when out of memory. Fewer threads if the system refuses some. */
int onnxcc_pool_threads(const onnxcc_pool *pool);
void onnxcc_pool_free(onnxcc_pool *pool); /* NULL is fine; no job may be running */
void onnxcc_parallel_for(void *pool, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain);

#ifdef __cplusplus
}
#endif
#endif
