/* pool.c - one model generated for one thread and for four: with pools of 1 to 4 threads, and without one, all answers have the same bits. */
#include "drive.h"
#include "onnxcc_threads.h"

enum { MAX_POOL = 4, ROUNDS = 5 };
extern const onnxcc_model *one_model(void);
extern const onnxcc_model *four_model(void);

/* Counts the calls, so that a model that never splits its work is noticed. */
typedef struct {
    onnxcc_pool *pool;
    int calls;
} counted;

static void parallel_for(void *ctx, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain)
{
    counted *c = ctx;
    c->calls++;
    onnxcc_parallel_for(c->pool, fn, arg, n, grain);
}

/* The other end of what the contract allows: every piece alone, the last first. */
static void one_at_a_time(void *ctx, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain)
{
    (void)ctx;
    for (int64_t lo = (n - 1) / grain * grain; lo >= 0; lo -= grain) fn(arg, lo, lo + grain < n ? lo + grain : n);
}

int main(void)
{
    use expected = use_new(one_model(), 1), u = use_new(four_model(), 1);
    if (use_run(&expected, NULL) || use_run(&u, NULL)) return fprintf(stderr, "a run fails\n"), 1;
    if (!use_same(&u, &expected)) return fprintf(stderr, "generated for four threads, run by one: other bits\n"), 1;
    const onnxcc_env pieces = {.parallel_for = one_at_a_time};
    if (use_run(&u, &pieces) || !use_same(&u, &expected)) return fprintf(stderr, "piece by piece: other bits\n"), 1;
    for (int threads = 1; threads <= MAX_POOL; threads++) {
        counted c = {.pool = onnxcc_pool_new(threads)};
        if (!c.pool) return 2;
        const onnxcc_env env = {.parallel_for = parallel_for, .parallel_ctx = &c};
        for (int round = 0; round < ROUNDS; round++)
            if (use_run(&u, &env) || !use_same(&u, &expected)) return fprintf(stderr, "%d threads: other bits\n", threads), 1;
        if (!c.calls) return fprintf(stderr, "the work is never split\n"), 1;
        onnxcc_pool_free(c.pool);
    }
    use_free(&expected);
    use_free(&u);
    return 0;
}
