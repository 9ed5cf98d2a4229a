/* occ_race.cpp - accesses by kernels that nothing orders: kernels compiled with -fsanitize=thread call the hooks below for every load and store.
 *
 * Two accesses to a byte race when at least one writes, not both are atomic, different threads make them, and
 *   in different blocks   nothing but an atomic access after __threadfence, in both, to the same address, lies between;
 *   in different warps    no __syncthreads lies between;
 *   in one warp           no __syncthreads and no __syncwarp lies between: shuffles and products of matrices order no memory, as CUDA has it.
 * Bytes that a cp.async is to write are not to be touched until the thread that issued it has waited. Whatever the order that threads run in.
 *
 * For 8 bytes of shared or device memory there is a record of four accesses; with more, old ones are forgotten, those first that can't race any
 * more. As every access passes here, those outside allocations and shared variables are errors as well, those by host code to device memory, and
 * those by kernels to host memory. */
#include "occ_internal.h"

#include <algorithm>
#include <dlfcn.h>
#include <elf.h>
#include <map>
#include <set>
#include <string>
#include <sys/mman.h>

enum { SLOTS = 4, GRAIN = 8, CHUNK = 1 << 16, MAX_REPORTS = 10 };

typedef uint64_t place; /* of an access in the source: an address in the program, or a number of `sites` with the highest bit set */
struct slot {
    uint32_t epoch; /* 0: empty */
    uint32_t thread : 10, kind : 3, mask : 8, warp_epoch : 11;
    place at;
};
struct record {
    slot slots[SLOTS];
};

static std::vector<record> shared_records;
static record **device_records; /* of CHUNK bytes each, made when first touched */
static unsigned long races;
static std::string first_race;

/* -- places ------------------------------------------------------------------------------------------------------------------------------------------ */

static std::vector<std::pair<const char *, int>> &sites(void)
{
    static auto *all = new std::vector<std::pair<const char *, int>>;
    return *all;
}

static place place_of(const char *file, int line)
{
    static auto *numbers = new std::map<std::pair<const char *, int>, place>;
    const auto found = numbers->find({file, line});
    if (found != numbers->end()) return found->second;
    sites().push_back({file, line});
    return (*numbers)[{file, line}] = (sites().size() - 1) | uint64_t(1) << 63;
}

/* "file.cu:12" through binutils' addr2line, or the address within the program for who has none. */
static std::string place_text(place at)
{
    char text[600];
    if (at >> 63) {
        const auto &site = sites()[at & ~(uint64_t(1) << 63)];
        if (!site.first) return "an atomic";
        snprintf(text, sizeof text, "%s:%d", occ_file_name(site.first), site.second);
        return text;
    }
    Dl_info image;
    if (!dladdr(reinterpret_cast<void *>(at), &image)) return "?";
    unsigned char head[18];
    memcpy(head, image.dli_fbase, sizeof head);
    const bool moved = head[16] == ET_DYN; /* e_type: its addresses count from where it is loaded */
    const unsigned long long address = at - 1 - (moved ? reinterpret_cast<uint64_t>(image.dli_fbase) : 0);
    const char *path = !strchr(image.dli_fname, '\'') ? image.dli_fname : "/proc/self/exe";
    snprintf(text, sizeof text, "addr2line -e '%s' 0x%llx 2>/dev/null", path, address);
    std::string line;
    if (FILE *pipe = popen(text, "r")) {
        if (fgets(text, sizeof text, pipe)) line = text;
        pclose(pipe);
    }
    line = line.substr(0, line.find_first_of(" \n"));
    if (!line.empty() && line[0] != '?') return occ_file_name(line.c_str());
    snprintf(text, sizeof text, "%s+0x%llx", occ_file_name(image.dli_fname), address);
    return text;
}

/* -- blocks of the launch, and what orders them -------------------------------------------------------------------------------------------------------- */

struct block_run {
    uint32_t epoch; /* that it began in */
    uint3 index;
    std::set<uint32_t> after; /* epochs of the blocks that it knows to be done with what they wrote before */
};
static std::vector<block_run> blocks;
static std::map<const void *, std::set<uint32_t>> released; /* by address of an atomic variable */

static block_run *current_block(void)
{
    if (!blocks.empty() && blocks[0].epoch < occ_running.launch_epoch) {
        blocks.clear();
        released.clear();
    }
    if (blocks.empty() || blocks.back().epoch != occ_running.block_epoch) blocks.push_back({occ_running.block_epoch, occ_here.block, {}});
    return &blocks.back();
}

static const block_run *block_at(uint32_t epoch)
{
    const auto after = std::upper_bound(blocks.begin(), blocks.end(), epoch, [](uint32_t e, const block_run &b) { return e < b.epoch; });
    return after == blocks.begin() ? nullptr : &after[-1];
}

static void synchronize(const void *p)
{
    block_run *b = current_block();
    std::set<uint32_t> &known = released[p];
    b->after.insert(known.begin(), known.end());
    if (!occ_self->fenced) return;
    known.insert(b->after.begin(), b->after.end());
    known.insert(b->epoch);
    occ_self->fenced = false;
}

/* -- reports ----------------------------------------------------------------------------------------------------------------------------------------------- */

static void finish(void)
{
    fflush(stdout);
    fprintf(stderr, "onnxcc emulation: %lu races\n", races);
    fflush(stderr);
    _Exit(OCC_EXIT_RACE);
}

static uint3 thread_index(unsigned number)
{
    const dim3 b = occ_here.block_dim;
    return uint3{number % b.x, number / b.x % b.y, number / b.x / b.y};
}

static std::string access_text(const slot &s)
{
    static const char *const NAMES[] = {"read", "write", "atomic", "cp.async under way", "write by cp.async"};
    char text[200];
    const uint3 t = thread_index(s.thread), b = occ_here.block;
    const block_run *other = s.epoch < occ_running.block_epoch ? block_at(s.epoch) : nullptr;
    const uint3 in = other ? other->index : b;
    snprintf(text, sizeof text, "%s by block (%u,%u,%u) thread (%u,%u,%u) at ", NAMES[s.kind], in.x, in.y, in.z, t.x, t.y, t.z);
    return text + place_text(s.at);
}

/* Once for each pair of places. */
static void report(const slot &now, const slot &before, const unsigned char *p, bool shared)
{
    static auto *told = new std::set<std::pair<place, place>>;
    if (!races++) atexit(finish);
    if (!told->insert({now.at, before.at}).second || told->size() > MAX_REPORTS) return;
    char where[120] = "";
    occ_allocation a;
    if (shared && p >= occ_running.dynamic)
        snprintf(where, sizeof where, "byte %td of dynamic shared memory", p - occ_running.dynamic);
    else if (shared)
        snprintf(where, sizeof where, "static shared memory, at %p", static_cast<const void *>(p));
    else if (occ_allocation_of(p, &a))
        snprintf(where, sizeof where, "byte %td of an allocation of %zu bytes", p - a.at, a.bytes);
    fflush(stdout);
    const std::string text = std::string("race: kernel '") + occ_running.kernel + "', " + where + ": " + access_text(now) + "; " + access_text(before) +
                             "; nothing orders them [" + (before.kind == OCC_COPY_BEGINS ? "copy-not-waited-for" : shared ? "race-shared" : "race-device") + "]";
    if (first_race.empty()) first_race = text;
    fprintf(stderr, "onnxcc emulation: %s\n", text.c_str());
}

/* -- accesses ---------------------------------------------------------------------------------------------------------------------------------------------- */

static bool is_write(unsigned kind)
{
    return kind != OCC_READ;
}

/* `s` is an earlier access of the launch (device) or block (shared) to bytes that `now` touches. */
static bool races_with(const slot &now, const slot &s)
{
    if (s.kind == OCC_COPY_BEGINS) return true; /* its end is told apart before */
    if (!is_write(now.kind) && !is_write(s.kind)) return false;
    if (now.kind == OCC_ATOMIC && s.kind == OCC_ATOMIC) return false;
    if (s.epoch < occ_running.block_epoch) {
        const block_run *other = block_at(s.epoch);
        return !other || !current_block()->after.count(other->epoch);
    }
    if (s.thread == now.thread || s.epoch != now.epoch) return false;
    return s.thread / OCC_WARP != now.thread / OCC_WARP || s.warp_epoch == now.warp_epoch;
}

/* How willingly a slot is given to another access: empty and old ones before all, then the same thread's, then those that a barrier orders. */
static int worth(const slot &s, const slot &now, uint32_t begin)
{
    if (s.epoch < begin) return 0;
    if (s.kind == OCC_COPY_BEGINS) return 5;
    if (s.epoch >= occ_running.block_epoch && s.thread == now.thread && s.kind == now.kind && !(s.mask & ~now.mask)) return 1;
    if (s.epoch >= occ_running.block_epoch && s.epoch != now.epoch && !is_write(s.kind)) return 2;
    return is_write(s.kind) ? 4 : 3;
}

static void touch(record *r, const slot &now, const unsigned char *p, bool shared)
{
    const uint32_t begin = shared ? occ_running.block_epoch : occ_running.launch_epoch;
    int given = 0, least = 9;
    for (int i = 0; i < SLOTS; i++) {
        slot &s = r->slots[i];
        const bool live = s.epoch >= begin && (s.mask & now.mask);
        if (now.kind == OCC_COPY_ENDS && live && s.kind == OCC_COPY_BEGINS && s.thread == now.thread) {
            given = i;
            break;
        }
        if (live && races_with(now, s)) report(now, s, p, shared);
        const int w = worth(s, now, begin);
        if (w < least) given = i, least = w;
    }
    r->slots[given] = now;
    if (now.kind == OCC_COPY_ENDS) r->slots[given].kind = OCC_WRITE;
}

static record *record_of(const unsigned char *p, bool shared)
{
    if (shared) {
        const size_t n = static_cast<size_t>(occ_shared_space.end - occ_shared_space.begin) / GRAIN;
        if (shared_records.empty()) shared_records.resize(n + 1);
        return &shared_records[static_cast<size_t>(p - occ_shared_space.begin) / GRAIN];
    }
    const size_t offset = static_cast<size_t>(p - occ_device_space.begin);
    if (!device_records) {
        const size_t bytes = static_cast<size_t>(occ_device_space.end - occ_device_space.begin) / CHUNK * sizeof(record *);
        void *all = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED) occ_fail(nullptr, 0, "memory", "there is no memory for the race detector");
        device_records = static_cast<record **>(all);
    }
    record *&chunk = device_records[offset / CHUNK];
    if (!chunk) chunk = static_cast<record *>(calloc(CHUNK / GRAIN, sizeof(record)));
    if (!chunk) occ_fail(nullptr, 0, "memory", "there is no memory for the race detector");
    return &chunk[offset % CHUNK / GRAIN];
}

[[noreturn]] static void fail_access(const void *p, size_t bytes, place at)
{
    const std::string text = place_text(at);
    const size_t colon = text.rfind(':');
    occ_fail_access(p, bytes, text.substr(0, colon).c_str(), colon == std::string::npos ? 0 : atoi(text.c_str() + colon + 1));
}

extern "C" const char __start_occ_constant[] __attribute__((weak)), __stop_occ_constant[] __attribute__((weak)); /* of __constant__ variables */

/* A kernel's access to memory that is neither shared nor of the device: its own variables, what host and device share, constants; else a mistake. */
static void check_host_access(const void *p, size_t bytes, place at)
{
    const char *c = static_cast<const char *>(p), *here = reinterpret_cast<const char *>(&occ_here);
    if (occ_on_stack(&occ_self->fiber, p) || (c >= here && c < here + sizeof occ_here) || occ_is_pinned(p)) return;
    if (__start_occ_constant && c >= __start_occ_constant && c < __stop_occ_constant) return;
    const std::string text = place_text(at);
    occ_fail(nullptr, 0, "host-memory", "%s: access of %zu bytes to memory that is neither shared nor the device's, at %p", text.c_str(), bytes, p);
}

static void see(const void *address, size_t bytes, occ_access kind, place at)
{
    const bool shared = occ_in_space(occ_shared_space, address);
    if (!bytes) return;
    if (!shared && !occ_in_space(occ_device_space, address)) {
        if (occ_self && occ_self->inside) check_host_access(address, bytes, at);
        return;
    }
    if (!occ_self || !(shared ? occ_in_shared(address, bytes) : occ_in_device(address, bytes))) fail_access(address, bytes, at);
    const unsigned char *p = static_cast<const unsigned char *>(address), *end = p + bytes;
    const unsigned thread = static_cast<unsigned>(occ_self->number);
    if (!shared) current_block();
    if (kind == OCC_ATOMIC && !shared) synchronize(address);
    slot now = {};
    now.epoch = occ_running.epoch;
    now.thread = thread & 1023;
    now.kind = kind & 7;
    now.warp_epoch = occ_warps[thread / OCC_WARP].epoch & 2047;
    now.at = at;
    while (p < end) {
        const size_t from = reinterpret_cast<uintptr_t>(p) % GRAIN, n = std::min(GRAIN - from, static_cast<size_t>(end - p));
        now.mask = ((1u << n) - 1u) << from & 0xff;
        touch(record_of(p, shared), now, p, shared);
        p += n;
    }
}

static void watch(const void *p, size_t bytes, occ_access kind, const char *file, int line)
{
    see(p, bytes, kind, place_of(file, line));
}

/* -- what the compiler's instrumentation calls --------------------------------------------------------------------------------------------------------------- */

#define OCC_PLACE reinterpret_cast<place>(__builtin_return_address(0))
#define OCC_HOOK(name, bytes, kind)       \
    void __tsan_##name(void *p)           \
    {                                     \
        see(p, bytes, kind, OCC_PLACE);   \
    }
#define OCC_HOOKS(bytes)                          \
    OCC_HOOK(read##bytes, bytes, OCC_READ)        \
    OCC_HOOK(write##bytes, bytes, OCC_WRITE)      \
    OCC_HOOK(unaligned_read##bytes, bytes, OCC_READ)   \
    OCC_HOOK(unaligned_write##bytes, bytes, OCC_WRITE)

/* Host code's own atomics, as of a function's static variables. */
#define OCC_HOST_ATOMICS(bits, T)                                           \
    T __tsan_atomic##bits##_load(const volatile T *p, int)                  \
    {                                                                       \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST);                        \
    }                                                                       \
    void __tsan_atomic##bits##_store(volatile T *p, T v, int)               \
    {                                                                       \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                           \
    }                                                                       \
    T __tsan_atomic##bits##_fetch_add(volatile T *p, T v, int)              \
    {                                                                       \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                  \
    }                                                                       \
    T __tsan_atomic##bits##_fetch_sub(volatile T *p, T v, int)              \
    {                                                                       \
        return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                  \
    }                                                                       \
    T __tsan_atomic##bits##_exchange(volatile T *p, T v, int)               \
    {                                                                       \
        return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                 \
    }

extern "C" {
/* For who loads a library of kernels and does not end with exit(): NULL when there was no race yet. */
const char *occ_first_race(void);
const char *occ_first_race(void)
{
    return first_race.empty() ? nullptr : first_race.c_str();
}

void __tsan_init(void) /* called before main by files that are instrumented */
{
    occ_watch = watch;
}
void __tsan_func_entry(void *)
{
}
void __tsan_func_exit(void)
{
}
void __tsan_vptr_update(void **, void *)
{
}
void __tsan_vptr_read(void **)
{
}
OCC_HOOKS(1)
OCC_HOOKS(2)
OCC_HOOKS(4)
OCC_HOOKS(8)
OCC_HOOKS(16)
void __tsan_read_range(void *p, size_t bytes)
{
    see(p, bytes, OCC_READ, OCC_PLACE);
}
void __tsan_write_range(void *p, size_t bytes)
{
    see(p, bytes, OCC_WRITE, OCC_PLACE);
}
void *__tsan_memcpy(void *to, const void *from, size_t bytes) /* from: also what a local variable begins with, in the program's constants */
{
    if (occ_in_space(occ_shared_space, from) || occ_in_space(occ_device_space, from)) see(from, bytes, OCC_READ, OCC_PLACE);
    see(to, bytes, OCC_WRITE, OCC_PLACE);
    return memcpy(to, from, bytes);
}
void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
    see(from, bytes, OCC_READ, OCC_PLACE);
    see(to, bytes, OCC_WRITE, OCC_PLACE);
    return memmove(to, from, bytes);
}
void *__tsan_memset(void *to, int value, size_t bytes)
{
    see(to, bytes, OCC_WRITE, OCC_PLACE);
    return memset(to, value, bytes);
}
OCC_HOST_ATOMICS(8, unsigned char)
OCC_HOST_ATOMICS(32, unsigned)
OCC_HOST_ATOMICS(64, unsigned long long)
}
