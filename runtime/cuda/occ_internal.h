/* occ_internal.h - what the files of the emulation share; occ_emulate.h is what kernels see. */
#ifndef OCC_INTERNAL_H
#define OCC_INTERNAL_H
#include "occ_emulate.h"

#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define OCC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OCC_ASAN 1
#endif
#endif
#ifdef OCC_ASAN
#include <sanitizer/asan_interface.h>
#else
#define OCC_ASAN 0
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { OCC_WARP = 32, OCC_MAX_THREADS = 1024, OCC_POISON = 0xff, OCC_STATIC_SHARED = 48 << 10, OCC_MAX_SHARED = 99 << 10 };

/* -- fibers (occ_fiber.cpp) --------------------------------------------------------------------------------------------------------------- */

struct occ_fiber {
    void *sp;    /* of a fiber that is not running */
    char *stack; /* its lowest byte; NULL: the thread of the system */
    void *sanitizer;
};
bool occ_on_stack(const occ_fiber *f, const void *p);
/* Gives the fiber a stack on first use, and makes it begin at entry() when it is switched to next. entry() never returns. */
void occ_fiber_prepare(occ_fiber *f, void (*entry)(void));
void occ_fiber_entered(void); /* the first call in entry() */
/* Leaves `from` where it is and goes on in `to`. `last`: `from` is not gone on with. */
void occ_fiber_switch(occ_fiber *from, occ_fiber *to, bool last);

/* -- the running block (occ_emulate.cpp) --------------------------------------------------------------------------------------------------- */

enum occ_state { OCC_READY, OCC_AT_BARRIER, OCC_IN_WARP, OCC_ENDED };

struct occ_copy { /* of occ_cp_async16 and occ_cp_async4 */
    unsigned char *dst;
    const unsigned char *src;
    int size, bytes; /* written; of them read, the others are zeros */
    uint64_t group;
    const char *file;
    int line;
};
struct occ_call { /* a lane's part of what its warp does together */
    const char *what, *file;
    int line;
    unsigned mask;
    const void *in;
    void *out;
    int operand;
};
struct occ_thread {
    occ_fiber fiber;
    occ_state state;
    uint3 index;
    int number; /* in the block: x fastest */
    bool fenced; /* since its last atomic access to global memory */
    bool inside; /* the kernel itself runs, not what prepares its arguments */
    const char *file; /* where it waits */
    int line;
    occ_call *call;
    std::vector<occ_copy> copies; /* not waited for */
    uint64_t groups;              /* committed */
};
struct occ_warp {
    unsigned arrived;  /* lanes that wait in a call, not all in the same one where masks differ */
    unsigned exists;   /* lanes that the block has */
    uint32_t epoch;    /* rises at every __syncwarp */
};
struct occ_block { /* and the kernel it belongs to */
    const char *kernel; /* NULL: none is running */
    uint64_t number;    /* counts up over all launches */
    uint32_t epoch;     /* counts up at every barrier and every block, over all launches */
    uint32_t block_epoch, launch_epoch; /* in which the block and the launch's first block began */
    int threads;
    unsigned char *dynamic;
    size_t dynamic_bytes, allowed_dynamic; /* the latter: by cudaFuncSetAttribute, else 0 */
};
extern occ_block occ_running;
extern occ_thread *occ_self; /* NULL: host code runs */
extern occ_thread occ_threads[OCC_MAX_THREADS];
extern occ_warp occ_warps[OCC_MAX_THREADS / OCC_WARP];

void occ_wait(occ_state state, const char *file, int line); /* lets others run until the thread is OCC_READY again */
void occ_ready(occ_thread *t);
const char *occ_file_name(const char *path); /* without its folder; "?" for NULL */

bool occ_is_pinned(const void *p); /* host memory of cudaMallocHost, which kernels may access */
size_t occ_allowed_shared(const void *function); /* dynamic bytes that cudaFuncSetAttribute allowed the kernel, or 0 */
/* Runs all blocks. The shape has been checked. */
void occ_run(const occ_launch_shape &shape, const std::function<void()> &body);
/* For host code: a line that says which call failed and why. */
void occ_note(const char *function, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -- warps ---------------------------------------------------------------------------------------------------------------------------------- */

/* The lane waits for all lanes of call->mask; the last one runs `together` on the lanes' calls (NULL where the mask has none). */
void occ_collective(occ_call *call, void (*together)(occ_call *const *lanes, unsigned mask));

/* -- memory (occ_memory.cpp) ----------------------------------------------------------------------------------------------------------------- */

void occ_shared_begin(size_t dynamic_bytes); /* for a block: all poisoned, no static variables yet */
bool occ_in_shared(const void *p, size_t bytes);
struct occ_space {
    const unsigned char *begin, *end;
};
extern occ_space occ_shared_space, occ_device_space; /* what is or could become memory of that kind */
static inline bool occ_in_space(const occ_space &space, const void *p)
{
    return static_cast<const unsigned char *>(p) >= space.begin && static_cast<const unsigned char *>(p) < space.end;
}
/* The allocation that holds p, or the nearest one before it; false: there is none. */
struct occ_allocation {
    unsigned char *at;
    size_t bytes;
};
bool occ_allocation_of(const void *p, occ_allocation *a);
bool occ_in_device(const void *p, size_t bytes); /* within one allocation */
void *occ_device_new(size_t bytes);              /* NULL: not that much left; poisoned */
bool occ_device_delete(void *p);                 /* false: not such an allocation */
size_t occ_device_used(void);
[[noreturn]] void occ_fail_access(const void *p, size_t bytes, const char *file, int line); /* bytes 0: not known */
void occ_catch_faults(void); /* a kernel's access to no memory is reported like other mistakes */

/* -- accesses, for a detector of races ------------------------------------------------------------------------------------------------------- */

enum occ_access { OCC_READ, OCC_WRITE, OCC_ATOMIC, OCC_COPY_BEGINS, OCC_COPY_ENDS };
extern void (*occ_watch)(const void *p, size_t bytes, occ_access kind, const char *file, int line); /* NULL: nobody wants to know */
static inline void occ_seen(const void *p, size_t bytes, occ_access kind, const char *file, int line)
{
    if (occ_watch) occ_watch(p, bytes, kind, file, line);
}
#endif
