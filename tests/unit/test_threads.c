#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "onnxcc_threads.h"

enum { N = 10000 };

typedef struct {
    _Atomic int seen[N];
    _Atomic int64_t bad_starts;
    int64_t grain;
    onnxcc_pool *pool;
} job;

static void mark(void *arg, int64_t lo, int64_t hi)
{
    job *j = arg;
    if (lo % j->grain) atomic_fetch_add(&j->bad_starts, 1);
    for (int64_t i = lo; i < hi; i++) atomic_fetch_add_explicit(&j->seen[i], 1, memory_order_relaxed);
}

static void check_all_once(onnxcc_pool *pool, int64_t n, int64_t grain)
{
    job *j = calloc(1, sizeof *j);
    j->grain = grain;
    onnxcc_parallel_for(pool, mark, j, n, grain);
    assert_int_equal(atomic_load(&j->bad_starts), 0);
    for (int64_t i = 0; i < N; i++) assert_int_equal(atomic_load(&j->seen[i]), i < n);
    free(j);
}

static void every_index_is_done_once_and_ranges_start_at_multiples_of_the_grain(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads *= 2) {
        onnxcc_pool *pool = onnxcc_pool_new(threads);
        assert_non_null(pool);
        for (int64_t n = 0; n < 70; n += 3)
            for (int64_t grain = 1; grain < 40; grain += 5) check_all_once(pool, n, grain);
        check_all_once(pool, N, 1);
        check_all_once(pool, N, 333);
        onnxcc_pool_free(pool);
    }
}

static void without_a_pool_the_caller_does_everything(void **state)
{
    (void)state;
    check_all_once(NULL, 100, 7);
    assert_int_equal(onnxcc_pool_threads(NULL), 1);
    onnxcc_pool_free(NULL);
}

static void many_small_jobs_leave_nothing_behind(void **state)
{
    (void)state;
    onnxcc_pool *pool = onnxcc_pool_new(3);
    for (int i = 0; i < 300; i++) check_all_once(pool, 16, 1);
    onnxcc_pool_free(pool);
}

static void sleeping_threads_wake_up(void **state)
{
    (void)state;
    onnxcc_pool *pool = onnxcc_pool_new(2);
    for (int i = 0; i < 5; i++) {
        check_all_once(pool, 100, 1);
        usleep(20000);
    }
    onnxcc_pool_free(pool);
}

static void mark_nested(void *arg, int64_t lo, int64_t hi)
{
    job *j = arg;
    for (int64_t i = lo; i < hi; i++) check_all_once(j->pool, 8, 1);
    mark(arg, lo, hi);
}

static void a_job_may_start_jobs(void **state)
{
    (void)state;
    job *j = calloc(1, sizeof *j);
    j->grain = 1;
    j->pool = onnxcc_pool_new(4);
    onnxcc_parallel_for(j->pool, mark_nested, j, 40, 1);
    for (int i = 0; i < 40; i++) assert_int_equal(atomic_load(&j->seen[i]), 1);
    onnxcc_pool_free(j->pool);
    free(j);
}

static void *use_pool(void *pool)
{
    for (int i = 0; i < 50; i++) check_all_once(pool, 64, 1);
    return NULL;
}

static void two_callers_may_share_a_pool(void **state)
{
    (void)state;
    onnxcc_pool *pool = onnxcc_pool_new(2);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, use_pool, pool), 0);
    use_pool(pool);
    pthread_join(other, NULL);
    onnxcc_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_done_once_and_ranges_start_at_multiples_of_the_grain),
        cmocka_unit_test(without_a_pool_the_caller_does_everything),
        cmocka_unit_test(many_small_jobs_leave_nothing_behind),
        cmocka_unit_test(sleeping_threads_wake_up),
        cmocka_unit_test(a_job_may_start_jobs),
        cmocka_unit_test(two_callers_may_share_a_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
