/* occ_memory.cpp - shared memory of the running block and the allocations of the device, each in address space of its own.
 *
 * Device: one reservation that nothing else uses. An allocation ends, rounded up to 256 bytes, at a page that can't be touched; addresses are not
 * used again, so that what is freed faults. Shared: the dynamic part ends likewise, rounded up to 128; static variables lie before it. */
#include "occ_internal.h"

#include <map>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static constexpr size_t ALIGN_DEVICE = 256, ALIGN_DYNAMIC = 128, ALIGN_STATIC = 16, GAP = 16; /* bytes between static variables */
static constexpr size_t DEVICE_BYTES = size_t(16) << 30; /* what the device has */

static size_t page_bytes(void)
{
    static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static unsigned char *reserve(size_t bytes)
{
    void *p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<unsigned char *>(p);
}

occ_space occ_shared_space, occ_device_space;

/* -- shared memory ------------------------------------------------------------------------------------------------------------------------------- */

static unsigned char *shared_space; /* page, static variables, page, dynamic part, page */
static size_t static_used, static_space, dynamic_space;

static void shared_reserve(void)
{
    const size_t page = page_bytes();
    static_space = round_up(OCC_STATIC_SHARED + OCC_STATIC_SHARED / 4, page); /* with gaps */
    dynamic_space = round_up(OCC_MAX_SHARED, page);
    shared_space = reserve(static_space + dynamic_space + 3 * page);
    if (!shared_space || mprotect(shared_space + page, static_space, PROT_READ | PROT_WRITE) ||
        mprotect(shared_space + 2 * page + static_space, dynamic_space, PROT_READ | PROT_WRITE)) {
        fprintf(stderr, "onnxcc emulation: error: there is no memory for a block's shared memory\n");
        exit(OCC_EXIT_ERROR);
    }
    occ_shared_space = occ_space{shared_space, shared_space + static_space + dynamic_space + 3 * page};
}

static unsigned char *static_base(void)
{
    return shared_space + page_bytes();
}

static unsigned char *dynamic_end(void)
{
    return shared_space + 2 * page_bytes() + static_space + dynamic_space;
}

void occ_shared_begin(size_t dynamic_bytes)
{
    if (!shared_space) shared_reserve();
    static_used = 0;
    occ_running.dynamic = dynamic_end() - round_up(dynamic_bytes, ALIGN_DYNAMIC);
    occ_running.dynamic_bytes = dynamic_bytes;
    ASAN_POISON_MEMORY_REGION(static_base(), static_space);
    ASAN_POISON_MEMORY_REGION(dynamic_end() - dynamic_space, dynamic_space);
    ASAN_UNPOISON_MEMORY_REGION(occ_running.dynamic, dynamic_bytes);
    if (dynamic_bytes) memset(occ_running.dynamic, OCC_POISON, dynamic_bytes);
}

void *occ_dynamic_shared(void)
{
    return occ_running.dynamic;
}

void *occ_shared(occ_site *site, size_t bytes)
{
    if (site->block == occ_running.number) return site->at;
    const size_t at = static_used ? round_up(static_used + GAP, ALIGN_STATIC) : 0;
    if (bytes > OCC_STATIC_SHARED || at + bytes > static_space)
        occ_fail(nullptr, 0, "shared-size", "static shared memory: %zu bytes and %zu more are beyond the 48 KiB that a block can have", at, bytes);
    const size_t all = at + bytes + occ_running.dynamic_bytes, most = occ_running.dynamic_bytes > occ_running.allowed_dynamic ? OCC_STATIC_SHARED : OCC_MAX_SHARED;
    if (all > most)
        occ_fail(nullptr, 0, "shared-size", "%zu bytes of static and %zu of dynamic shared memory are beyond the %zu that this launch can have", at + bytes,
                 occ_running.dynamic_bytes, most);
    static_used = at + bytes;
    site->block = occ_running.number;
    site->at = static_base() + at;
    ASAN_UNPOISON_MEMORY_REGION(site->at, bytes);
    memset(site->at, OCC_POISON, bytes);
    return site->at;
}

bool occ_in_shared(const void *p, size_t bytes)
{
    const unsigned char *c = static_cast<const unsigned char *>(p);
    if (!shared_space) return false;
    return (c >= occ_running.dynamic && c + bytes <= occ_running.dynamic + occ_running.dynamic_bytes) ||
           (c >= static_base() && c + bytes <= static_base() + static_used);
}

/* -- device memory ------------------------------------------------------------------------------------------------------------------------------- */

static unsigned char *device_space;
static size_t device_space_bytes, device_at, device_used;
static occ_allocation last_found; /* most accesses are to the same one */

/* By address; made on first use, as kernels' files may allocate before main. */
static std::map<const unsigned char *, size_t> &allocations(void)
{
    static std::map<const unsigned char *, size_t> *all = new std::map<const unsigned char *, size_t>;
    return *all;
}

static bool device_reserve(void)
{
    for (device_space_bytes = size_t(1) << 36; device_space_bytes >= size_t(1) << 30; device_space_bytes /= 2)
        if ((device_space = reserve(device_space_bytes))) {
            occ_device_space = occ_space{device_space, device_space + device_space_bytes};
            return true;
        }
    return false;
}

void *occ_device_new(size_t bytes)
{
    if (!device_space && !device_reserve()) return nullptr;
    const size_t page = page_bytes(), rounded = round_up(bytes, ALIGN_DEVICE), whole = round_up(rounded, page);
    if (bytes > DEVICE_BYTES - device_used || whole + page > device_space_bytes - device_at) return nullptr;
    unsigned char *pages = device_space + device_at, *p = pages + whole - rounded;
    if (mprotect(pages, whole, PROT_READ | PROT_WRITE)) return nullptr;
    device_at += whole + page;
    device_used += bytes;
    memset(p, OCC_POISON, bytes);
    ASAN_POISON_MEMORY_REGION(pages, whole);
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    allocations()[p] = bytes;
    return p;
}

bool occ_device_delete(void *p)
{
    const auto it = allocations().find(static_cast<unsigned char *>(p));
    if (it == allocations().end()) return false;
    const size_t page = page_bytes(), whole = round_up(round_up(it->second, ALIGN_DEVICE), page);
    unsigned char *pages = static_cast<unsigned char *>(p) + round_up(it->second, ALIGN_DEVICE) - whole;
    device_used -= it->second;
    last_found = occ_allocation{nullptr, 0};
    allocations().erase(it);
    ASAN_POISON_MEMORY_REGION(pages, whole);
    mmap(pages, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0); /* gives the memory back */
    return true;
}

size_t occ_device_used(void)
{
    return device_used;
}

bool occ_allocation_of(const void *p, occ_allocation *a)
{
    const unsigned char *c = static_cast<const unsigned char *>(p);
    if (last_found.at && c >= last_found.at && c < last_found.at + last_found.bytes) {
        *a = last_found;
        return true;
    }
    auto it = allocations().upper_bound(c);
    if (it == allocations().begin()) return false;
    --it;
    *a = last_found = occ_allocation{const_cast<unsigned char *>(it->first), it->second};
    return true;
}

bool occ_in_device(const void *p, size_t bytes)
{
    occ_allocation a;
    if (!occ_in_space(occ_device_space, p) || !occ_allocation_of(p, &a)) return false;
    const unsigned char *c = static_cast<const unsigned char *>(p);
    return c + bytes <= a.at + a.bytes;
}

/* -- faults -------------------------------------------------------------------------------------------------------------------------------------- */

void occ_fail_access(const void *p, size_t bytes, const char *file, int line)
{
    const char *who = occ_self ? "" : "host code: ";
    char size[40] = "";
    if (bytes) snprintf(size, sizeof size, " of %zu bytes", bytes);
    occ_allocation a;
    if (occ_in_space(occ_device_space, p) && occ_allocation_of(p, &a) && static_cast<const unsigned char *>(p) >= a.at)
        occ_fail(file, line, "device-range", "%saccess%s at byte %zu of an allocation of %zu bytes", who, size,
                 static_cast<size_t>(static_cast<const unsigned char *>(p) - a.at), a.bytes);
    if (occ_in_space(occ_device_space, p)) occ_fail(file, line, "device-range", "%saccess%s to device memory that is not allocated, at %p", who, size, p);
    if (occ_in_space(occ_shared_space, p))
        occ_fail(file, line, "shared-range", "%saccess%s outside the block's shared memory, %td bytes from the start of its dynamic part", who, size,
                 static_cast<const unsigned char *>(p) - occ_running.dynamic);
    occ_fail(file, line, "address", "%saccess%s to %p, which is no memory (or the thread's stack is full)", who, size, p);
}

#if OCC_ASAN /* it reports faults itself */
void occ_catch_faults(void)
{
}
#else
static struct sigaction before_us;

/* The system's own way to say it is all that is left for other code's faults: the access is made again. */
static void fault(int, siginfo_t *info, void *)
{
    const void *p = info->si_addr;
    if (!occ_self && !occ_in_space(occ_device_space, p)) {
        sigaction(SIGSEGV, &before_us, nullptr);
        return;
    }
    occ_fail_access(p, 0, nullptr, 0);
}

void occ_catch_faults(void)
{
    static bool done;
    if (done) return;
    done = true;
    static char stack[64 << 10];
    stack_t alternative = {};
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof stack;
    sigaltstack(&alternative, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &before_us);
}
#endif
