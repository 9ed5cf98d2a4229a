/* arena.h - memory that lives and dies in phases.
 *
 * Nobody frees a node: everything of a phase is allocated from one arena and goes with it. Memory is zeroed. An allocation never returns
 * NULL: when memory runs out, what was made since the innermost mem_trap is freed and control returns there (or the process ends with exit
 * code 6 when there is none), so that no caller needs a branch for it and outputs, which are written last, stay whole. */
#ifndef ONNXCC_BASE_ARENA_H
#define ONNXCC_BASE_ARENA_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct arena arena;

arena *arena_new(void);
void arena_free(arena *a); /* NULL is fine */

void *arena_alloc(arena *a, size_t bytes);               /* zeroed, aligned to 16 bytes */
void *arena_array(arena *a, size_t n, size_t elem_size); /* n * elem_size is checked for overflow */
void *arena_copy(arena *a, const void *src, size_t bytes);
char *arena_strndup(arena *a, const char *s, size_t n);
char *arena_printf(arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(arena *a, const char *fmt, va_list ap);
size_t arena_bytes(const arena *a); /* taken from the system so far */

/* Calls f(what) when the arena is freed, the newest first, before its memory goes: for mapped files and other things that live as long. */
void arena_on_free(arena *a, void (*f)(void *what), void *what);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_array((a), (size_t)(n), sizeof(T)))

/* How much an arena takes from the system at a time; 0: what holds without this. For tests, which want each piece to be an allocation that can fail. */
void arena_block_bytes(size_t bytes);

/* Heap memory for the few things that outlive or outgrow an arena; same contract as arena_alloc. `release` is called with it before it goes: by mem_free, or when memory runs out. */
typedef void mem_release(void *p);
void *mem_alloc(size_t bytes);
void *mem_alloc_with(size_t bytes, mem_release *release);
void *mem_realloc(void *p, size_t bytes); /* what is new is not zeroed */
void mem_free(void *p);                   /* NULL is fine */
/* From here on somebody else frees this piece (or arena) also when memory runs out: an arena that is older than the trap, with arena_on_free. Returns p. */
void *mem_keep(void *p);

/* Where control goes when memory runs out: mem_trap_set(&t), then setjmp(t.here) around a whole command, which gives 1 when that has happened; mem_trap_end in either case. Arenas and
 * pieces of the heap that were made in between and are not kept have been freed then; arenas that are older live, with what was added to them. */
typedef struct mem_trap {
    jmp_buf here;
    struct mem_trap *outer;
    uint64_t since;
} mem_trap;
void mem_trap_set(mem_trap *t);
void mem_trap_end(mem_trap *t);

/* A growing array in an arena: VEC(int) v = {0}; VEC_PUSH(arena, v, 3); v.p[i], v.n. The old storage stays in the arena. */
#define VEC(T)          \
    struct {            \
        T *p;           \
        uint32_t n, cap; \
    }
#define VEC_PUSH(a, v, x)                                                                                   \
    do {                                                                                                    \
        if ((v).n == (v).cap) (v).p = vec_grow((a), (v).p, &(v).cap, sizeof *(v).p);                        \
        (v).p[(v).n++] = (x);                                                                               \
    } while (0)
void *vec_grow(arena *a, void *p, uint32_t *cap, size_t elem_size);
#endif
