/* memory.c - every allocation fails once, in what `check`, `infer`, `convert`, `optimize` and `compile` do with a model.
 *
 *     memory WORK MODEL.onnxtxt...
 *
 * After each failure: control comes back through the trap, or with "out of memory" and exit code 6, or nothing was lost; no piece of the heap, no mapping and no open file is left, and
 * no file in WORK. First with the blocks that arenas take from the system, then with a block for each piece of an arena. Exit code 1: something else happened. Linked with the
 * functions below wrapped. */
#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/check.h"
#include "compile.h"
#include "ops/version.h"
#include "passes/analyze.h"
#include "passes/inline.h"
#include "passes/optimize.h"
#include "proto/load.h"
#include "proto/save.h"

/* ---- calls that fail, and what they leave ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t n);

static long fail_at = -1; /* number of the allocation that fails; negative: none */
static long calls;        /* allocations so far */
static long pieces, maps; /* that are there */

static bool fails(void)
{
    return calls++ == fail_at;
}
void *__wrap_malloc(size_t n)
{
    void *p = fails() ? NULL : __real_malloc(n);
    pieces += p != NULL;
    return p;
}
void *__wrap_calloc(size_t n, size_t each)
{
    void *p = fails() ? NULL : __real_calloc(n, each);
    pieces += p != NULL;
    return p;
}
void *__wrap_realloc(void *p, size_t n)
{
    void *q = fails() ? NULL : __real_realloc(p, n);
    pieces += !p && q;
    return q;
}
void __wrap_free(void *p)
{
    pieces -= p != NULL;
    __real_free(p);
}
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    void *p = __real_mmap(at, n, protection, flags, fd, offset);
    maps += p != MAP_FAILED;
    return p;
}
int __wrap_munmap(void *at, size_t n)
{
    maps--;
    return __real_munmap(at, n);
}

static long entries(const char *folder)
{
    DIR *d = opendir(folder);
    long n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

/* ---- the verbs, from a file to memory or to a file ---- */

enum { FOLD_LIMIT = 1 << 16 };

typedef struct {
    arena *mem;
    diag *d;
    const char *in, *out;
} job;
typedef bool verb(const job *j);

static bool run_check(const job *j)
{
    const infer_options o = {.fold_limit = FOLD_LIMIT, .strict = true, .partial = true, .given_only = true, .before = check_input_types};
    model *m = check_model_file(j->mem, j->d, j->in, false, true);
    if (!m || j->d->errors || !inline_functions(m) || !infer_model(m, &o)) return false;
    check_types(m, NULL);
    return !j->d->errors;
}

static model *load_kept(const job *j)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true};
    return model_load_checked(j->mem, j->d, j->in, &load);
}

static bool run_infer(const job *j)
{
    const infer_options o = {.fold_limit = FOLD_LIMIT, .tolerant = true, .partial = true};
    model *m = load_kept(j);
    if (!m || !analyze_types(m, &o)) return false;
    m->types_inferred = true;
    return model_save_own(m, j->d, j->out);
}

static bool run_convert(const job *j)
{
    version_changes done = {0};
    model *m = load_kept(j);
    if (!m) return false;
    analyze_kept(m, FOLD_LIMIT);
    return version_convert(m, 24, &done) && model_save_own(m, j->d, j->out);
}

static bool run_optimize(const job *j)
{
    const optimize_options o = {.level = LEVEL_ALL};
    optimize_report report;
    model *m = load_kept(j);
    return m && optimize_model(m, j->mem, &o, &report) && model_save_own(m, j->d, j->out);
}

static bool run_compile(const job *j)
{
    compile_options o = compile_defaults();
    compiled out = {.mem = j->mem};
    o.target = "x86-64-v3";
    o.name = "memory_model";
    model *m = model_load_checked(j->mem, j->d, j->in, NULL);
    return m && compile_model(m, &o, &out);
}

static const struct {
    const char *name;
    verb *run;
} VERBS[] = {{"check", run_check}, {"infer", run_infer}, {"convert", run_convert}, {"optimize", run_optimize}, {"compile", run_compile}};

/* ---- one run ---- */

static const char *work;
static long bad;

typedef enum { WENT_THROUGH, RAN_OUT, REFUSED } outcome;

/* Allocation `n` fails; -1: none does. */
static outcome run(verb *v, const char *in, const char *out, long n)
{
    static diag *d;
    static exit_code code;
    mem_trap trap;
    volatile outcome result = RAN_OUT;
    arena *mem = arena_new();
    d = diag_new(mem, in);
    mem_trap_set(&trap);
    if (!setjmp(trap.here)) {
        const job j = {mem, d, in, out};
        calls = 0;
        fail_at = n;
        result = v(&j) ? WENT_THROUGH : REFUSED;
    }
    mem_trap_end(&trap);
    fail_at = -1;
    code = diag_exit(d);
    if (result == REFUSED && (n < 0 || code != EXIT_LIMIT)) diag_print(d, stdout);
    else if (result == REFUSED) result = RAN_OUT; /* protobuf-c was told NULL, and that was said */
    arena_free(mem);
    return result;
}

static void expect(bool holds, const char *in, const char *name, long n, const char *what)
{
    if (holds) return;
    printf("FAILED %s: %s: allocation %ld: %s\n", in, name, n, what);
    bad++;
}

/* Returns the number of allocations. */
static long try_verb(const char *in, const char *out, const char *name, verb *v)
{
    unlink(out);
    expect(run(v, in, out, -1) == WENT_THROUGH, in, name, -1, "fails without a reason");
    unlink(out);
    const long total = calls, pieces_before = pieces, maps_before = maps;
    const long open_before = entries("/proc/self/fd"), files_before = entries(work);
    for (long n = 0; n < total; n++) {
        const outcome o = run(v, in, out, n);
        expect(o != REFUSED, in, name, n, "another message");
        expect(pieces == pieces_before, in, name, n, "memory is left");
        expect(maps == maps_before, in, name, n, "a mapping is left");
        if (o == WENT_THROUGH) unlink(out);
        expect(entries(work) == files_before, in, name, n, "a file is left");
        expect(entries("/proc/self/fd") == open_before, in, name, n, "a file is open");
        pieces = pieces_before;
        maps = maps_before;
    }
    return total;
}

/* The text as a binary file beside its external data. */
static bool prepare(const char *source, const char *to)
{
    const load_options o = {.keep_source = true, .overridable_inputs = true};
    arena *mem = arena_new();
    diag *d = diag_new(mem, source);
    model *m = model_load(mem, d, source, &o);
    const bool ok = m && model_save_own(m, d, to);
    if (!ok) diag_print(d, stdout);
    arena_free(mem);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("memory WORK MODEL.onnxtxt...\n", stderr);
        return 2;
    }
    work = argv[1];
    mkdir(work, 0777);
    for (int i = 2; i < argc; i++) {
        char in[4096], out[4096];
        snprintf(in, sizeof in, "%s/in.onnx", work);
        snprintf(out, sizeof out, "%s/out.onnx", work);
        if (!prepare(argv[i], in)) return 2;
        printf("%s:", argv[i]);
        for (size_t v = 0; v < sizeof VERBS / sizeof *VERBS; v++) {
            arena_block_bytes(0);
            const long blocks = try_verb(in, out, VERBS[v].name, VERBS[v].run);
            arena_block_bytes(1);
            printf(" %s %ld/%ld", VERBS[v].name, blocks, try_verb(in, out, VERBS[v].name, VERBS[v].run));
            fflush(stdout);
        }
        putchar('\n');
        unlink(in);
    }
    return bad > 0;
}
