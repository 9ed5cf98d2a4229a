/* mutants.c - mutants of seed models through the loader, the checker and the compiler, without libFuzzer.
 *
 *     mutants OUT COUNT FROM EVERY SEED.onnx...
 *
 * Mutant k, of FROM <= k < FROM + COUNT, is seed k % n after one to four changes that depend on k alone. Each is refused with a message or compiles, within 2 seconds of processor time
 * and 256 MB (10 seconds and no limit under AddressSanitizer). Those that don't are written to OUT/bad-K.onnx. Of every EVERY-th mutant that compiles the files go to
 * OUT/K/, for tests/fuzz/mutants.py to build. Mutants are worked on in a child, so that a crash is a result. Exit code 1: there were bad ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge.h"
#include "mutate.h"

enum { ROOM = 1 << 20, MEMORY = 256 << 20, SECONDS = UNDER_SANITIZERS ? 10 : 2 };

/* What the child has done; shared with it. */
typedef struct {
    long at, compiled, refused, kept;
} progress;

static const char *folder;
static char **seeds;
static long n_seeds, every;

static size_t make_mutant(unsigned char *to, long k)
{
    file_view seed;
    const char *why;
    if (!file_map(seeds[k % n_seeds], &seed, &why)) {
        fprintf(stderr, "mutants: %s: %s\n", seeds[k % n_seeds], why);
        exit(2);
    }
    size_t size = seed.size < ROOM / 2 ? seed.size : 0;
    memcpy(to, seed.data, size);
    file_unmap(&seed);
    uint64_t state = ((uint64_t)k + 1) * 0x9e3779b97f4a7c15ULL;
    for (uint64_t n = mutate_random(&state) % 4 + 1; n && size; n--) size = mutate_model(to, size, ROOM, &state);
    return size;
}

static void keep(progress *p, const compiled *out)
{
    char path[4096];
    const char *why;
    snprintf(path, sizeof path, "%s/%ld", folder, p->at);
    mkdir(path, 0777);
    for (uint32_t i = 0; i < out->files.n; i++) {
        snprintf(path, sizeof path, "%s/%ld/%s", folder, p->at, out->files.p[i].name);
        if (!file_write(path, out->files.p[i].data, out->files.p[i].size, &why)) exit(2);
    }
    p->kept++;
}

static void work(progress *p, long end)
{
    unsigned char *bytes = malloc(ROOM);
    const struct rlimit most = {MEMORY, MEMORY};
    if (!UNDER_SANITIZERS) setrlimit(RLIMIT_AS, &most);
    for (; p->at < end; p->at++) {
        const size_t size = make_mutant(bytes, p->at);
        const struct itimerval limit = {.it_value = {SECONDS, 0}};
        setitimer(ITIMER_PROF, &limit, NULL); /* SIGPROF ends the child */
        compiled out;
        arena *mem = arena_new();
        judge_load(bytes, size);
        judge_check(bytes, size);
        judge_rewrite(bytes, size);
        if (judge_compile(mem, bytes, size, "generic-c99", &out)) {
            if (++p->compiled % every == 0) keep(p, &out);
        } else p->refused++;
        arena_free(mem);
    }
    exit(0);
}

static void write_bad(long k, int status)
{
    static unsigned char bytes[ROOM];
    char path[4096];
    const char *why;
    const size_t size = make_mutant(bytes, k);
    snprintf(path, sizeof path, "%s/bad-%ld.onnx", folder, k);
    printf("FAILED mutant %ld of %s: %s %d, %s\n", k, seeds[k % n_seeds], WIFSIGNALED(status) ? "signal" : "left with",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), path);
    if (!file_write(path, bytes, size, &why)) fprintf(stderr, "mutants: %s: %s\n", path, why);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fputs("mutants OUT COUNT FROM EVERY SEED.onnx...\n", stderr);
        return 2;
    }
    folder = argv[1];
    const long from = atol(argv[3]), end = from + atol(argv[2]);
    every = atol(argv[4]) > 0 ? atol(argv[4]) : 1;
    seeds = argv + 5;
    n_seeds = argc - 5;
    progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return 2;
    long bad = 0;
    for (p->at = from; p->at < end; p->at++) {
        fflush(stdout);
        const pid_t child = fork();
        if (!child) work(p, end);
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0) return 2;
        if (!status) break;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LIMIT) { /* out of memory, with its message */
            p->refused++;
            continue;
        }
        write_bad(p->at, status);
        bad++;
    }
    printf("%ld mutants of %ld seeds: %ld refused, %ld compiled, %ld kept, %ld bad\n", end - from, n_seeds, p->refused, p->compiled, p->kept, bad);
    return bad > 0;
}
