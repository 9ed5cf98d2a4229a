/* occ_emulate.cpp - runs a kernel: block after block, and in a block one thread at a time, each until it waits for others.
 *
 * OCC_ORDER says which of the threads that can go on does so, and which block is next: `forward` the lowest number, `reverse` the highest,
 * `random` or `random:SEED` any. Results of a correct kernel depend on none of this. */
#include "occ_internal.h"

#include <cstdarg>

occ_place occ_here;
occ_block occ_running;
occ_thread *occ_self;
occ_thread occ_threads[OCC_MAX_THREADS];
occ_warp occ_warps[OCC_MAX_THREADS / OCC_WARP];

static occ_fiber host;
static const std::function<void()> *kernel_body;
static int n_live, n_at_barrier;

/* -- messages ----------------------------------------------------------------------------------------------------------------------------- */

const char *occ_file_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : nullptr;
    return slash ? slash + 1 : path ? path : "?";
}

void occ_fail(const char *file, int line, const char *tag, const char *format, ...)
{
    fflush(stdout);
    fprintf(stderr, "onnxcc emulation: error: ");
    if (occ_running.kernel) fprintf(stderr, "kernel '%s', block (%u,%u,%u), ", occ_running.kernel, occ_here.block.x, occ_here.block.y, occ_here.block.z);
    if (occ_self) fprintf(stderr, "thread (%u,%u,%u), ", occ_self->index.x, occ_self->index.y, occ_self->index.z);
    if (file) fprintf(stderr, "%s:%d: ", occ_file_name(file), line);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " [%s]\n", tag);
    fflush(stderr);
    _Exit(OCC_EXIT_ERROR); /* no destructors: a fiber's stack is in use */
}

void occ_note(const char *function, const char *format, ...)
{
    fprintf(stderr, "onnxcc emulation: %s: ", function);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* "has ended" or where a thread waits. */
static void describe(const occ_thread *t, char *to, size_t bytes)
{
    if (t->state == OCC_ENDED)
        snprintf(to, bytes, "has ended");
    else if (t->state == OCC_AT_BARRIER)
        snprintf(to, bytes, "waits at the barrier of %s:%d", occ_file_name(t->file), t->line);
    else if (t->call)
        snprintf(to, bytes, "waits for its warp in the %s of %s:%d", t->call->what, occ_file_name(t->file), t->line);
}

/* For a warp that waits in vain: a lane that the call waits for, and what that one does instead. */
[[noreturn]] static void fail_stuck_warp(const occ_thread *waiting)
{
    occ_thread *lanes = &occ_threads[waiting->number / OCC_WARP * OCC_WARP], *t = lanes;
    for (int i = 0; i < OCC_WARP; i++) {
        if (!(waiting->call->mask >> i & 1)) continue;
        t = &lanes[i];
        if (t->state != OCC_IN_WARP || t->line != waiting->line || t->call->what != waiting->call->what || t->call->mask != waiting->call->mask) break;
    }
    char doing[256] = "";
    describe(t, doing, sizeof doing);
    occ_self = &occ_threads[waiting->number];
    occ_fail(waiting->file, waiting->line, "divergent-collective", "divergent warp collective: the %s waits for lane %d, thread (%u,%u,%u), which %s",
             waiting->call->what, t->number % OCC_WARP, t->index.x, t->index.y, t->index.z, doing);
}

/* Nobody can go on. A warp that waits in vain is the cause of a barrier that does, so it is named first. */
[[noreturn]] static void fail_deadlock(void)
{
    const occ_thread *at_barrier = nullptr, *elsewhere = nullptr;
    for (int i = 0; i < occ_running.threads; i++) {
        const occ_thread *t = &occ_threads[i];
        if (t->state == OCC_IN_WARP) fail_stuck_warp(t);
        if (t->state == OCC_AT_BARRIER && !at_barrier) at_barrier = t;
        if (t->state != OCC_AT_BARRIER && !elsewhere) elsewhere = t;
    }
    char doing[256] = "";
    describe(elsewhere, doing, sizeof doing);
    occ_self = &occ_threads[at_barrier->number];
    occ_fail(at_barrier->file, at_barrier->line, "barrier-deadlock", "barrier deadlock: %d of %d threads wait here; thread (%u,%u,%u) %s",
             n_at_barrier, occ_running.threads, elsewhere->index.x, elsewhere->index.y, elsewhere->index.z, doing);
}

/* -- order ----------------------------------------------------------------------------------------------------------------------------------- */

static enum { FORWARD, REVERSE, RANDOM } order;
static uint64_t random_state;
static uint64_t ready[OCC_MAX_THREADS / 64]; /* a bit for each thread */

static void read_order(void)
{
    const char *s = getenv("OCC_ORDER");
    random_state = 0x9e3779b97f4a7c15u;
    if (!s || !*s || !strcmp(s, "forward"))
        order = FORWARD;
    else if (!strcmp(s, "reverse"))
        order = REVERSE;
    else if (!strncmp(s, "random", 6) && (!s[6] || s[6] == ':')) {
        order = RANDOM;
        if (s[6]) random_state += strtoull(s + 7, nullptr, 10) * 0xbf58476d1ce4e5b9u;
    } else {
        fprintf(stderr, "onnxcc emulation: error: OCC_ORDER is forward, reverse, random or random:SEED, not '%s'\n", s);
        exit(OCC_EXIT_ERROR);
    }
}

static uint64_t random_number(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The thread that goes on, out of `ready`; -1: none. */
static int pick(void)
{
    const int words = (occ_running.threads + 63) / 64;
    if (order == FORWARD) {
        for (int w = 0; w < words; w++)
            if (ready[w]) return w * 64 + __builtin_ctzll(ready[w]);
    } else if (order == REVERSE) {
        for (int w = words - 1; w >= 0; w--)
            if (ready[w]) return w * 64 + 63 - __builtin_clzll(ready[w]);
    } else { /* the first from a random place on */
        const int from = static_cast<int>(random_number() % static_cast<uint64_t>(occ_running.threads));
        uint64_t bits = ready[from / 64] & ~0ull << from % 64;
        for (int k = 0; k <= words; k++) {
            const int w = (from / 64 + k) % words;
            if (k) bits = ready[w];
            if (bits) return w * 64 + __builtin_ctzll(bits);
        }
    }
    return -1;
}

void occ_ready(occ_thread *t)
{
    t->state = OCC_READY;
    ready[t->number / 64] |= 1ull << t->number % 64;
}

/* -- threads ----------------------------------------------------------------------------------------------------------------------------------- */

static void pass_barrier(void)
{
    occ_running.epoch++;
    n_at_barrier = 0;
    for (int i = 0; i < occ_running.threads; i++) occ_ready(&occ_threads[i]);
}

/* Lets another thread run, or the host when all have ended. */
static void leave(occ_thread *me)
{
    int next = pick();
    if (next < 0 && n_live == 0) {
        occ_fiber_switch(&me->fiber, &host, true);
        __builtin_unreachable();
    }
    if (next < 0 && n_at_barrier == occ_running.threads) {
        pass_barrier();
        next = pick();
    }
    if (next < 0) fail_deadlock();
    occ_thread *to = &occ_threads[next];
    ready[next / 64] &= ~(1ull << next % 64);
    occ_self = to;
    occ_here.thread = to->index;
    if (to != me) occ_fiber_switch(&me->fiber, &to->fiber, me->state == OCC_ENDED);
}

void occ_wait(occ_state state, const char *file, int line)
{
    occ_thread *me = occ_self;
    me->state = state;
    me->file = file;
    me->line = line;
    leave(me);
}

void occ_enter_kernel(void)
{
    occ_self->inside = true;
}

static void thread_main(void)
{
    occ_fiber_entered();
    (*kernel_body)();
    occ_thread *me = occ_self;
    me->inside = false;
    if (!me->copies.empty())
        occ_fail(me->copies[0].file, me->copies[0].line, "copy-in-flight", "the thread ends while this cp.async is under way");
    me->state = OCC_ENDED;
    n_live--;
    leave(me);
}

void __syncthreads(const char *file, int line)
{
    if (n_at_barrier++) {
        for (int i = 0; i < occ_running.threads; i++) {
            const occ_thread *t = &occ_threads[i];
            if (t->state != OCC_AT_BARRIER) continue;
            if (t->line != line || strcmp(t->file, file))
                occ_fail(file, line, "divergent-barrier", "divergent barrier: thread (%u,%u,%u) waits at another one, %s:%d", t->index.x, t->index.y,
                         t->index.z, occ_file_name(t->file), t->line);
            break;
        }
    }
    occ_wait(OCC_AT_BARRIER, file, line);
}

void __threadfence(void)
{
    occ_self->fenced = true;
}

void __trap(const char *file, int line)
{
    occ_fail(file, line, "trap", "the kernel calls __trap");
}

/* -- blocks ------------------------------------------------------------------------------------------------------------------------------------- */

static void run_block(const occ_launch_shape &shape)
{
    const dim3 b = shape.block;
    const int n = static_cast<int>(b.x * b.y * b.z);
    occ_running.number++;
    occ_running.block_epoch = ++occ_running.epoch;
    occ_running.threads = n;
    occ_shared_begin(shape.shared_bytes);
    for (int i = 0; i < n; i++) {
        occ_thread *t = &occ_threads[i];
        const unsigned u = static_cast<unsigned>(i);
        t->index = uint3{u % b.x, u / b.x % b.y, u / b.x / b.y};
        t->number = i;
        t->fenced = t->inside = false;
        t->call = nullptr;
        t->groups = 0;
        occ_fiber_prepare(&t->fiber, thread_main);
        occ_ready(t);
    }
    for (int w = 0; w * OCC_WARP < n; w++) {
        const int lanes = n - w * OCC_WARP;
        occ_warps[w] = occ_warp{0, lanes < OCC_WARP ? (1u << lanes) - 1u : 0xffffffffu, 0};
    }
    n_live = n;
    n_at_barrier = 0;
    const int first = pick();
    ready[first / 64] &= ~(1ull << first % 64);
    occ_self = &occ_threads[first];
    occ_here.thread = occ_self->index;
    occ_fiber_switch(&host, &occ_self->fiber, false);
    occ_self = nullptr;
}

/* Block number i of n in a random order: i * step + start with a step that has no divisor in common with n visits each once. */
static uint64_t random_step(uint64_t n)
{
    for (;;) {
        const uint64_t step = random_number() % n;
        uint64_t a = step, b = n;
        while (a) {
            const uint64_t rest = b % a;
            b = a;
            a = rest;
        }
        if (b == 1) return step;
    }
}

void occ_run(const occ_launch_shape &shape, const std::function<void()> &body)
{
    read_order();
    occ_catch_faults();
    const dim3 g = shape.grid;
    const uint64_t n = static_cast<uint64_t>(g.x) * g.y * g.z;
    const uint64_t step = order == RANDOM && n > 1 ? random_step(n) : 1, start = order == RANDOM ? random_number() % n : 0;
    kernel_body = &body;
    occ_running.kernel = shape.kernel;
    occ_running.allowed_dynamic = occ_allowed_shared(shape.function);
    occ_running.launch_epoch = occ_running.epoch + 1;
    occ_here.grid_dim = g;
    occ_here.block_dim = shape.block;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t k = order == REVERSE ? n - 1 - i : order == RANDOM ? (i * step + start) % n : i;
        occ_here.block = uint3{static_cast<unsigned>(k % g.x), static_cast<unsigned>(k / g.x % g.y), static_cast<unsigned>(k / g.x / g.y)};
        run_block(shape);
    }
    occ_running.kernel = nullptr;
}
