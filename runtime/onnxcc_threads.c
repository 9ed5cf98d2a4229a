/* onnxcc_threads.c - the pool behind onnxcc_threads.h.
 *
 * Work is claimed, not assigned: a job is cut into a few chunks per thread, and a 64-bit word has a bit for each chunk that is free. A thread claims a chunk by
 * a compare-and-swap of that word, and reads the job only then: a late one, too, computes what is there now. The caller claims too and waits only for
 * chunks that were claimed: a worker that lost its core delays nobody.
 *
 * Each thread begins with the chunks of its own part of the range, and takes others' when those are gone: what it wrote in one job is still in its cache
 * when it reads the same part in the next. From another core's cache a line comes at a twentieth of the speed. */
#include "onnxcc_threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 20000, SPINS_BEFORE_YIELD = 2000, CHUNKS_PER_THREAD = 4, MAX_CHUNKS = 64, LINE = 64 };

struct onnxcc_pool {
    /* each on a cache line of its own: the first is written by every claim, the second only once a job, the third at each chunk's end */
    _Alignas(LINE) _Atomic uint64_t free;
    _Alignas(LINE) _Atomic uint32_t generation;
    _Atomic int sleepers;
    _Atomic bool stop;
    _Atomic uint32_t chunks; /* of the job; to a thread without a chunk only a hint */
    _Atomic int started; /* workers that have their number */
    _Alignas(LINE) _Atomic uint32_t done;
    /* the job; written before the chunks that announce it, read only by holders of a chunk */
    _Alignas(LINE) onnxcc_range_fn fn;
    void *arg;
    int64_t n, step;
    atomic_flag busy;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int n_workers;
    pthread_t worker[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The number of a free chunk, if there is one from `first` on, else any; -1 when none is left. */
static int claim(onnxcc_pool *p, uint32_t first)
{
    uint64_t free = atomic_load(&p->free);
    while (free) {
        const uint64_t later = first < MAX_CHUNKS ? free >> first << first : 0;
        const int chunk = __builtin_ctzll(later ? later : free);
        if (atomic_compare_exchange_weak(&p->free, &free, free & ~((uint64_t)1 << chunk))) return chunk;
    }
    return -1;
}

/* Thread `me`, of which the caller is 0, computes chunks until none is free. */
static void work(onnxcc_pool *p, uint32_t me)
{
    const uint32_t first = atomic_load_explicit(&p->chunks, memory_order_relaxed) * me / ((uint32_t)p->n_workers + 1);
    int chunk;
    while ((chunk = claim(p, first)) >= 0) {
        const int64_t lo = chunk * p->step, hi = lo + p->step < p->n ? lo + p->step : p->n;
        p->fn(p->arg, lo, hi);
        atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
    }
}

/* Sleeps until there is a generation other than `seen`. The count of sleepers and the generation are both sequentially consistent: either the
 * caller sees this sleeper and wakes it, or the sleeper sees the caller's new generation. */
static void sleep_until_new(onnxcc_pool *p, uint32_t seen)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->generation) == seen) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker(void *pool)
{
    onnxcc_pool *p = pool;
    const uint32_t me = (uint32_t)atomic_fetch_add(&p->started, 1) + 1;
    for (uint32_t seen = 0;;) {
        int spins = 0;
        uint32_t now;
        while ((now = atomic_load_explicit(&p->generation, memory_order_acquire)) == seen) {
            if (++spins < SPINS) relax();
            else {
                sleep_until_new(p, seen);
                spins = 0;
            }
        }
        if (atomic_load(&p->stop)) return NULL;
        seen = now;
        work(p, me);
    }
}

static void announce(onnxcc_pool *p, uint32_t generation)
{
    atomic_store(&p->generation, generation);
    if (!atomic_load(&p->sleepers)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void onnxcc_parallel_for(void *pool, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain)
{
    onnxcc_pool *p = pool;
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    if (!p || !p->n_workers || n <= grain || atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire)) {
        fn(arg, 0, n);
        return;
    }
    const int64_t grains = n / grain + (n % grain != 0);
    int64_t chunks = (int64_t)(p->n_workers + 1) * CHUNKS_PER_THREAD;
    if (chunks > MAX_CHUNKS) chunks = MAX_CHUNKS;
    if (chunks > grains) chunks = grains;
    const int64_t step = (grains + chunks - 1) / chunks * grain;
    chunks = n / step + (n % step != 0);
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->step = step;
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    uint32_t generation = atomic_load_explicit(&p->generation, memory_order_relaxed) + 1;
    if (!generation) generation = 1; /* 0 is what workers start with */
    atomic_store_explicit(&p->chunks, (uint32_t)chunks, memory_order_relaxed);
    atomic_store(&p->free, ~(uint64_t)0 >> (MAX_CHUNKS - chunks));
    announce(p, generation);
    work(p, 0);
    for (int spins = 0; atomic_load_explicit(&p->done, memory_order_acquire) != (uint32_t)chunks;) {
        if (++spins < SPINS_BEFORE_YIELD) relax();
        else sched_yield();
    }
    atomic_flag_clear_explicit(&p->busy, memory_order_release);
}

onnxcc_pool *onnxcc_pool_new(int threads)
{
    const int wanted = threads > 1 ? threads - 1 : 0;
    const size_t bytes = (sizeof(onnxcc_pool) + (size_t)wanted * sizeof(pthread_t) + LINE - 1) / LINE * LINE;
    onnxcc_pool *p = aligned_alloc(LINE, bytes);
    if (!p) return NULL;
    atomic_init(&p->free, 0);
    atomic_init(&p->chunks, 0);
    atomic_init(&p->started, 0);
    atomic_init(&p->generation, 0);
    atomic_init(&p->sleepers, 0);
    atomic_init(&p->stop, false);
    atomic_init(&p->done, 0);
    atomic_flag_clear(&p->busy);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->n_workers = 0;
    while (p->n_workers < wanted && !pthread_create(&p->worker[p->n_workers], NULL, worker, p)) p->n_workers++;
    return p;
}

int onnxcc_pool_threads(const onnxcc_pool *pool)
{
    return pool ? pool->n_workers + 1 : 1;
}

void onnxcc_pool_free(onnxcc_pool *p)
{
    if (!p) return;
    atomic_store(&p->stop, true);
    announce(p, atomic_load(&p->generation) + 1);
    for (int i = 0; i < p->n_workers; i++) pthread_join(p->worker[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
