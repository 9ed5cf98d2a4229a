/* onnxcc_threads.c - the pool behind onnxcc_threads.h.
 *
 * Work is claimed, not assigned: a job is cut into a few chunks per thread, each thread has a share of them, and the next chunk of a share is claimed by a
 * compare-and-swap. A thread begins with its own share and takes from others when that is gone: what it wrote in one job is still in its cache when it reads
 * the same part in the next. From another core's cache a line comes at a twentieth of the speed. The caller claims too and waits only for chunks that were
 * claimed: a worker that lost its core, or sleeps, delays nobody.
 *
 * A line goes from core to core in 50 to 100 ns. So each thread has one with all that it needs: the caller writes the job into it with plain stores and begins
 * at once; the worker finds it there, claims its chunks and notes those that are done; the caller reads it again at the end. */
#include "onnxcc_threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 20000, SPINS_BEFORE_YIELD = 2000, CHUNKS_PER_THREAD = 4, MAX_THREADS = 4096, LINE = 64 };

/* A thread's share of a job. Who has claimed a chunk may read fn, n and step; they are written only when no chunk is left and all that were claimed are done.
 * Words: the job's number in the upper half, so that a thread that comes late changes nothing. */
typedef struct {
    _Alignas(LINE) _Atomic uint64_t left; /* the next chunk and the end of the share, 16 bits each */
    _Atomic uint64_t done;                /* how many chunks this thread has computed, of whatever share */
    onnxcc_range_fn fn;
    _Atomic(void *) arg;
    int64_t n, step;
    _Atomic uint32_t shares; /* that the job has: those of the threads 0 .. shares - 1 */
} share;

struct onnxcc_pool {
    atomic_flag busy;
    uint32_t job; /* the newest one's number; 0 is what workers start with */
    int n_workers;
    _Atomic int started; /* workers that have their number */
    _Atomic int sleepers;
    _Atomic bool stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t *worker;
    share share[]; /* by thread; the caller is 0 */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t word(uint32_t job, uint32_t low)
{
    return (uint64_t)job << 32 | low;
}

static uint32_t job_of(uint64_t w)
{
    return (uint32_t)(w >> 32);
}

/* The next chunk of the share; -1 when none is left, or it is of another job. */
static int64_t claim(share *from, uint32_t job)
{
    uint64_t left = atomic_load_explicit(&from->left, memory_order_relaxed);
    while (job_of(left) == job) {
        const uint32_t next = left >> 16 & 0xffff, end = left & 0xffff;
        if (next == end) break;
        if (atomic_compare_exchange_weak_explicit(&from->left, &left, word(job, (next + 1) << 16 | end), memory_order_acquire, memory_order_relaxed)) return next;
    }
    return -1;
}

static void compute(const share *from, int64_t chunk)
{
    const int64_t lo = chunk * from->step, hi = lo + from->step < from->n ? lo + from->step : from->n;
    from->fn(atomic_load_explicit(&from->arg, memory_order_relaxed), lo, hi);
}

/* Computes what is left of the share; returns how many chunks. */
static uint32_t take(share *from, uint32_t job)
{
    uint32_t taken = 0;
    for (int64_t chunk; (chunk = claim(from, job)) >= 0; taken++) compute(from, chunk);
    return taken;
}

/* Thread `me`, which has computed `done` chunks, computes its own share, then what others have left of theirs. */
static void work(onnxcc_pool *p, uint32_t me, uint32_t job, uint32_t done)
{
    share *own = &p->share[me];
    const uint32_t shares = atomic_load_explicit(&own->shares, memory_order_relaxed);
    for (uint32_t i = 0; i < shares; i++) {
        const uint32_t taken = take(&p->share[(me + i) % shares], job);
        done += taken;
        if (taken || !i) atomic_store_explicit(&own->done, word(job, done), memory_order_release);
    }
}

/* The caller need not see at once that a worker sleeps: it computes what is not claimed. */
static void sleep_until_new(onnxcc_pool *p, share *own, uint32_t seen)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->sleepers, 1, memory_order_relaxed);
    while (job_of(atomic_load(&own->left)) == seen) pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub_explicit(&p->sleepers, 1, memory_order_relaxed);
    pthread_mutex_unlock(&p->lock);
}

/* Reads the word, and gets its line for writing: to claim then takes no further way between cores. */
static uint64_t look(_Atomic uint64_t *w)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*w));
#elif defined(__GNUC__)
    __builtin_prefetch(w, 1);
#endif
    return atomic_load_explicit(w, memory_order_acquire);
}

static void *worker(void *pool)
{
    onnxcc_pool *p = pool;
    const uint32_t me = (uint32_t)atomic_fetch_add(&p->started, 1) + 1;
    share *own = &p->share[me];
    for (uint32_t seen = 0, now;; seen = now) {
        int spins = 0;
        while ((now = job_of(look(&own->left))) == seen) {
            if (++spins < SPINS) relax();
            else {
                sleep_until_new(p, own, seen);
                spins = 0;
            }
        }
        if (atomic_load_explicit(&p->stop, memory_order_relaxed)) return NULL;
#ifdef __GNUC__
        __builtin_prefetch(atomic_load_explicit(&own->arg, memory_order_relaxed)); /* comes while the chunk is claimed */
#endif
        work(p, me, now, 0);
    }
}

static void wake_all(onnxcc_pool *p)
{
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* A new job of so many chunks, of which the caller has claimed the `first` ones. */
static void announce(onnxcc_pool *p, onnxcc_range_fn fn, void *arg, int64_t n, int64_t step, uint32_t first, uint32_t chunks, uint32_t shares)
{
    if (!++p->job) p->job = 1;
    for (uint32_t i = shares; i-- > 0;) {
        share *s = &p->share[i];
        s->fn = fn;
        s->n = n;
        s->step = step;
        atomic_store_explicit(&s->arg, arg, memory_order_relaxed);
        atomic_store_explicit(&s->shares, shares, memory_order_relaxed);
        atomic_store_explicit(&s->left, word(p->job, (i ? chunks * i / shares : first) << 16 | chunks * (i + 1) / shares), memory_order_release);
    }
    if (atomic_load_explicit(&p->sleepers, memory_order_relaxed)) wake_all(p);
}

static uint32_t chunks_done(onnxcc_pool *p, uint32_t shares)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < shares; i++) {
        const uint64_t done = atomic_load_explicit(&p->share[i].done, memory_order_acquire);
        if (job_of(done) == p->job) n += (uint32_t)done;
    }
    return n;
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
    const int64_t threads = p->n_workers + 1, grains = n / grain + (n % grain != 0), most = threads * CHUNKS_PER_THREAD;
    const int64_t step = (grains + most - 1) / most * grain, chunks = n / step + (n % step != 0);
    const uint32_t shares = (uint32_t)(chunks < threads ? chunks : threads);
    announce(p, fn, arg, n, step, 1, (uint32_t)chunks, shares);
    compute(&p->share[0], 0);
    work(p, 0, p->job, 1);
    for (int spins = 0; chunks_done(p, shares) != (uint32_t)chunks;) {
        if (++spins < SPINS_BEFORE_YIELD) relax();
        else sched_yield();
    }
    atomic_flag_clear_explicit(&p->busy, memory_order_release);
}

onnxcc_pool *onnxcc_pool_new(int threads)
{
    const int limited = threads < MAX_THREADS ? threads : MAX_THREADS, wanted = limited > 1 ? limited - 1 : 0;
    const size_t bytes = sizeof(onnxcc_pool) + ((size_t)wanted + 1) * sizeof(share) + (size_t)wanted * sizeof(pthread_t);
    onnxcc_pool *p = aligned_alloc(LINE, (bytes + LINE - 1) / LINE * LINE);
    if (!p) return NULL;
    p->job = 0;
    p->n_workers = 0;
    atomic_flag_clear(&p->busy);
    atomic_init(&p->started, 0);
    atomic_init(&p->sleepers, 0);
    atomic_init(&p->stop, false);
    p->worker = (pthread_t *)(void *)&p->share[wanted + 1];
    for (int i = 0; i <= wanted; i++) {
        atomic_init(&p->share[i].left, 0);
        atomic_init(&p->share[i].done, 0);
        atomic_init(&p->share[i].arg, NULL);
        atomic_init(&p->share[i].shares, 0);
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
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
    announce(p, NULL, NULL, 0, 0, 0, 0, (uint32_t)p->n_workers + 1);
    wake_all(p);
    for (int i = 0; i < p->n_workers; i++) pthread_join(p->worker[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
