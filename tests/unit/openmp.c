#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "onnxcc_openmp.h"

enum { N = 1000 };

static _Atomic int seen[N];
static _Atomic int bad_starts, most_threads;
static int64_t grain_now;

static void mark(void *arg, int64_t lo, int64_t hi)
{
    (void)arg;
    if (lo % grain_now) atomic_fetch_add(&bad_starts, 1);
    if (omp_get_num_threads() > atomic_load(&most_threads)) atomic_store(&most_threads, omp_get_num_threads());
    for (int64_t i = lo; i < hi; i++) atomic_fetch_add(&seen[i], 1);
}

static void check_all_once(int64_t n, int64_t grain)
{
    memset((void *)seen, 0, sizeof seen);
    grain_now = grain;
    onnxcc_openmp_for(NULL, mark, NULL, n, grain);
    assert_int_equal(atomic_load(&bad_starts), 0);
    for (int64_t i = 0; i < N; i++) assert_int_equal(atomic_load(&seen[i]), i < n);
}

static void every_index_is_done_once_and_ranges_start_at_multiples_of_the_grain(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        for (int64_t n = 0; n <= N; n += n < 40 ? 1 : 137)
            for (int64_t grain = 1; grain < 60; grain = grain * 2 + 1) check_all_once(n, grain);
    }
}

static void there_are_as_many_threads_as_openmp_is_told(void **state)
{
    (void)state;
    omp_set_num_threads(3);
    atomic_store(&most_threads, 0);
    check_all_once(N, 1);
    assert_int_equal(atomic_load(&most_threads), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_is_done_once_and_ranges_start_at_multiples_of_the_grain),
        cmocka_unit_test(there_are_as_many_threads_as_openmp_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
