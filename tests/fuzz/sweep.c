/* sweep.c - models from standard input through what the fuzz targets do, one after the other in one process; see sweep.py.
 *
 * in:  for each model its size, 4 bytes with the lowest first, and its bytes
 * out: one byte for each that was gone through; what one does that it must not ends the program before that
 *
 * Each has 2 seconds of processor time (10 under sanitizers) for each thing that is done with it, and 256 MiB (2 GiB) of memory. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "judge.h"

enum { SECONDS = UNDER_SANITIZERS ? 10 : 2, MEMORY_MIB = UNDER_SANITIZERS ? 2048 : 256 };

/* SIGPROF ends the program when the time is over. */
static void set_clock(const char *doing)
{
    const struct itimerval limit = {.it_value = {SECONDS, 0}};
    fprintf(stderr, "%s\n", doing);
    setitimer(ITIMER_PROF, &limit, NULL);
}

static void compile_for(const char *target, const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    compiled out;
    set_clock(target);
    (void)judge_compile(mem, data, size, target, &out);
    arena_free(mem);
}

static void judge(const unsigned char *data, size_t size)
{
    set_clock("load");
    judge_load(data, size);
    set_clock("check");
    judge_check(data, size);
    set_clock("rewrite");
    judge_rewrite(data, size);
    compile_for("generic-c99", data, size);
    compile_for("cuda", data, size);
    struct rusage used;
    if (!getrusage(RUSAGE_SELF, &used) && used.ru_maxrss / 1024 > MEMORY_MIB) {
        fprintf(stderr, "took %ld MiB\n", used.ru_maxrss / 1024);
        exit(1);
    }
}

int main(void)
{
    unsigned char head[4];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        const size_t size = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        unsigned char *data = malloc(size ? size : 1);
        if (!data || fread(data, 1, size, stdin) != size) return 2;
        judge(data, size);
        free(data);
        putchar('.');
        fflush(stdout);
    }
    return 0;
}
