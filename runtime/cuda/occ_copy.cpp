/* occ_copy.cpp - accesses that are checked: 16 and 8 bytes at once, copies that are not waited for, atomics. */
#include "occ_internal.h"

void (*occ_watch)(const void *p, size_t bytes, occ_access kind, const char *file, int line);

/* An access by a kernel to `bytes` at p must be aligned to them, and within what it belongs to. Pointers to host memory, as to the kernel's own
 * variables, can't be judged. */
static void check_access(const void *p, size_t bytes, size_t alignment, const char *what, const char *file, int line)
{
    if (reinterpret_cast<uintptr_t>(p) % alignment)
        occ_fail(file, line, "misaligned", "%s: address %p is not a multiple of %zu", what, p, alignment);
    const bool shared = occ_in_space(occ_shared_space, p), device = occ_in_space(occ_device_space, p);
    if ((shared && !occ_in_shared(p, bytes)) || (device && !occ_in_device(p, bytes))) occ_fail_access(p, bytes, file, line);
}

void occ_load_bytes(void *to, const void *p, size_t bytes, const char *file, int line)
{
    check_access(p, bytes, bytes, "vector load", file, line);
    occ_seen(p, bytes, OCC_READ, file, line);
    memcpy(to, p, bytes);
}

void occ_store_bytes(void *p, const void *from, size_t bytes, const char *file, int line)
{
    check_access(p, bytes, bytes, "vector store", file, line);
    occ_seen(p, bytes, OCC_WRITE, file, line);
    memcpy(p, from, bytes);
}

/* -- copies to shared memory ------------------------------------------------------------------------------------------------------------------------ */

/* The copy is done at the last moment, when it is waited for; until then its destination is poisoned. */
static void begin_copy(void *dst, const void *src, int size, int bytes, const char *file, int line)
{
    const size_t n = static_cast<size_t>(size);
    if (!occ_in_shared(dst, n)) occ_fail(file, line, "shared-range", "cp.async: destination %p: its %d bytes are not in the block's shared memory", dst, size);
    check_access(dst, n, n, "cp.async, destination", file, line);
    if (bytes) {
        if (occ_in_space(occ_shared_space, src)) occ_fail(file, line, "copy-source", "cp.async reads from shared memory");
        check_access(src, static_cast<size_t>(bytes), n, "cp.async, source", file, line);
        occ_seen(src, static_cast<size_t>(bytes), OCC_READ, file, line);
    }
    occ_seen(dst, n, OCC_COPY_BEGINS, file, line);
    memset(dst, OCC_POISON, n);
    occ_self->copies.push_back(
        occ_copy{static_cast<unsigned char *>(dst), static_cast<const unsigned char *>(src), size, bytes, occ_self->groups, file, line});
}

void occ_cp_async16(void *dst, const void *src, int bytes, const char *file, int line)
{
    if (bytes < 0 || bytes > 16) occ_fail(file, line, "copy-size", "cp.async of %d bytes: it is 0 to 16", bytes);
    begin_copy(dst, src, 16, bytes, file, line);
}

void occ_cp_async4(void *dst, const void *src, int bytes, const char *file, int line)
{
    if (bytes && bytes != 4) occ_fail(file, line, "copy-size", "cp.async of %d bytes: it is 0 or 4", bytes);
    begin_copy(dst, src, 4, bytes, file, line);
}

void occ_cp_async_commit(void)
{
    occ_self->groups++;
}

void occ_cp_async_wait_groups(int n)
{
    std::vector<occ_copy> &copies = occ_self->copies;
    size_t done = 0;
    for (; done < copies.size() && copies[done].group + static_cast<uint64_t>(n) < occ_self->groups; done++) {
        const occ_copy &c = copies[done];
        const size_t size = static_cast<size_t>(c.size);
        occ_seen(c.dst, size, OCC_COPY_ENDS, c.file, c.line);
        memset(c.dst, 0, size);
        memcpy(c.dst, c.src, static_cast<size_t>(c.bytes));
    }
    copies.erase(copies.begin(), copies.begin() + static_cast<ptrdiff_t>(done));
}

/* -- atomics: there is one thread of the system, so plain accesses do ---------------------------------------------------------------------------------- */

template <class T, class F> static T atomic(T *p, F change)
{
    check_access(p, sizeof *p, sizeof *p, "atomic", nullptr, 0);
    occ_seen(p, sizeof *p, OCC_ATOMIC, nullptr, 0);
    const T old = *p;
    *p = change(old);
    return old;
}
#define OCC_ATOMICS(T)                                                     \
    T atomicAdd(T *p, T v)                                                 \
    {                                                                      \
        return atomic(p, [v](T old) { return static_cast<T>(old + v); });  \
    }                                                                      \
    T atomicExch(T *p, T v)                                                \
    {                                                                      \
        return atomic(p, [v](T) { return v; });                            \
    }
#define OCC_ATOMICS_OF_INTEGERS(T)                                         \
    T atomicMax(T *p, T v)                                                 \
    {                                                                      \
        return atomic(p, [v](T old) { return old < v ? v : old; });        \
    }                                                                      \
    T atomicMin(T *p, T v)                                                 \
    {                                                                      \
        return atomic(p, [v](T old) { return v < old ? v : old; });        \
    }                                                                      \
    T atomicCAS(T *p, T compare, T v)                                      \
    {                                                                      \
        return atomic(p, [compare, v](T old) { return old == compare ? v : old; }); \
    }
OCC_ATOMICS(int)
OCC_ATOMICS(unsigned)
OCC_ATOMICS(unsigned long long)
OCC_ATOMICS(float)
OCC_ATOMICS_OF_INTEGERS(int)
OCC_ATOMICS_OF_INTEGERS(unsigned)
OCC_ATOMICS_OF_INTEGERS(unsigned long long)
