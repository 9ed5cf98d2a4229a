#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

/* Under AddressSanitizer what was not given out is poisoned, and a gap stays after each piece, so that it sees an access beyond a piece. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(WITH_ASAN)
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { GAP = 0 };
#endif

enum { BLOCK_BYTES = 256 * 1024, ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t used, size;
    char pad[8];
} block;
typedef char assert_block_keeps_alignment[sizeof(block) % ALIGN == 0 ? 1 : -1];

/* Something to do when an arena is freed; kept in the arena itself. */
typedef struct last_act {
    struct last_act *next;
    void (*f)(void *what);
    void *what;
} last_act;

struct arena {
    block *top;
    last_act *acts;
    size_t bytes;
};

/* ---- pieces of the heap, and what becomes of them when memory runs out ---- */

/* Before each piece. Those that a trap frees are in a ring, in the order in which they were made. */
typedef struct piece {
    struct piece *newer, *older; /* itself: in no ring */
    uint64_t number;             /* of all pieces of the thread */
    mem_release *release;
} piece;
typedef char assert_piece_keeps_alignment[sizeof(piece) % ALIGN == 0 ? 1 : -1];

static _Thread_local piece ring; /* its end: older is the newest */
static _Thread_local uint64_t n_pieces;
static _Thread_local mem_trap *trap;
static size_t block_bytes = BLOCK_BYTES;

static piece *piece_of(void *p)
{
    return (piece *)p - 1;
}

void mem_trap_set(mem_trap *t)
{
    *t = (mem_trap){.outer = trap, .since = n_pieces};
    trap = t;
}

void mem_trap_end(mem_trap *t)
{
    trap = t->outer;
}

/* From the oldest on: whoever frees another piece was there before it. */
static void free_since(uint64_t since)
{
    for (;;) {
        piece *oldest = NULL;
        for (piece *p = ring.older; p && p != &ring && p->number > since; p = p->older) oldest = p;
        if (!oldest) return;
        mem_free(oldest + 1);
    }
}

static _Noreturn void out_of_memory(void)
{
    if (trap) {
        free_since(trap->since);
        longjmp(trap->here, 1);
    }
    fputs("onnxcc: error: out of memory\n", stderr);
    exit(EXIT_LIMIT);
}

void *mem_alloc_with(size_t bytes, mem_release *release)
{
    piece *p = bytes > SIZE_MAX - sizeof *p ? NULL : calloc(1, sizeof *p + bytes);
    if (!p) out_of_memory();
    if (!ring.older) ring.newer = ring.older = &ring;
    *p = (piece){&ring, ring.older, ++n_pieces, release};
    ring.older = ring.older->newer = p;
    return p + 1;
}

void *mem_alloc(size_t bytes)
{
    return mem_alloc_with(bytes, NULL);
}

void *mem_realloc(void *content, size_t bytes)
{
    piece *p = bytes > SIZE_MAX - sizeof *p ? NULL : realloc(piece_of(content), sizeof *p + bytes);
    if (!p) out_of_memory();
    p->newer->older = p->older->newer = p;
    return p + 1;
}

void *mem_keep(void *content)
{
    piece *p = piece_of(content);
    p->newer->older = p->older;
    p->older->newer = p->newer;
    p->newer = p->older = p;
    return content;
}

void mem_free(void *content)
{
    if (!content) return;
    mem_keep(content);
    if (piece_of(content)->release) piece_of(content)->release(content);
    free(piece_of(content));
}

/* ---- arenas ---- */

static void arena_release(void *self)
{
    arena *a = self;
    for (last_act *act = a->acts; act; act = act->next) act->f(act->what);
    for (block *b = a->top, *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

arena *arena_new(void)
{
    return mem_alloc_with(sizeof(arena), arena_release);
}

void arena_free(arena *a)
{
    mem_free(a);
}

void arena_block_bytes(size_t bytes)
{
    block_bytes = bytes ? bytes : BLOCK_BYTES;
}

void arena_on_free(arena *a, void (*f)(void *what), void *what)
{
    last_act *act = ARENA_NEW(a, last_act);
    *act = (last_act){a->acts, f, what};
    a->acts = act;
}

size_t arena_bytes(const arena *a)
{
    return a->bytes;
}

static block *block_add(arena *a, size_t bytes)
{
    const size_t size = bytes > block_bytes / 4 ? bytes : block_bytes;
    if (size > SIZE_MAX - sizeof(block)) out_of_memory();
    block *b = calloc(1, sizeof(block) + size);
    if (!b) out_of_memory();
    ASAN_POISON_MEMORY_REGION(b + 1, size);
    b->size = size;
    a->bytes += sizeof(block) + size;
    if (a->top && size == bytes) { /* a large piece of its own goes below the current block, which stays open */
        b->next = a->top->next;
        a->top->next = b;
    } else {
        b->next = a->top;
        a->top = b;
    }
    return b;
}

void *arena_alloc(arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGN - GAP) out_of_memory();
    const size_t room = (bytes + GAP + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    block *b = a->top;
    if (!b || b->size - b->used < room) b = block_add(a, room);
    char *p = (char *)(b + 1) + b->used;
    b->used += room;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    return p;
}

void *arena_array(arena *a, size_t n, size_t elem_size)
{
    if (elem_size && n > SIZE_MAX / elem_size) out_of_memory();
    return arena_alloc(a, n * elem_size);
}

void *arena_copy(arena *a, const void *src, size_t bytes)
{
    void *p = arena_alloc(a, bytes);
    if (bytes) memcpy(p, src, bytes);
    return p;
}

char *arena_strndup(arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    if (n) memcpy(p, s, n);
    return p;
}

char *arena_vprintf(arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = arena_alloc(a, (size_t)(n > 0 ? n : 0) + 1);
    if (n > 0) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void *vec_grow(arena *a, void *p, uint32_t *cap, size_t elem_size)
{
    const uint32_t n = *cap;
    if (n > UINT32_MAX / 2) out_of_memory();
    *cap = n ? n * 2 : 8;
    void *q = arena_array(a, *cap, elem_size);
    if (n) memcpy(q, p, n * elem_size);
    return q;
}
