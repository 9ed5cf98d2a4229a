/* rounds.h - times functions in turns within one process, for the programs that compare generated code with other libraries.
 *
 * A round gives each contender one turn: an untimed run, then `runs` runs, timed together, on one set of inputs after the other. The figures of a
 * contender are the shortest and the median of its rounds, microseconds a run. */
#ifndef ROUNDS_H
#define ROUNDS_H
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    const char *name;
    void (*run)(void *self, int set); /* runs once on that set of inputs */
    void *self;
    double *us; /* of each round */
    int at;     /* the next set */
} contender;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* Memory of at least one cache line, aligned to one, zeroed. */
static void *room(size_t bytes)
{
    const size_t whole = (bytes + 127) / 64 * 64;
    char *p = aligned_alloc(64, whole);
    if (!p) fail("memory", "there is no more");
    for (size_t i = 0; i < whole; i++) p[i] = 0;
    return p;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Microseconds that `runs` runs take together. */
static double turn(contender *c, int sets, int runs)
{
    const double start = now_us();
    for (int k = 0; k < runs; k++) {
        c->run(c->self, c->at);
        c->at = c->at + 1 < sets ? c->at + 1 : 0;
    }
    return now_us() - start;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Rounds for `seconds` altogether, at least three. most_runs: of a turn, fewer where it would last longer than 20 ms. Prints a line for each
 * contender: its name, shortest and median, and the runs of a turn. */
static void time_rounds(contender *c, int n, int sets, int most_runs, double seconds)
{
    enum { TURN_US = 20000, LEAST = 3 };
    int runs[16];
    double round_us = 0;
    if (n > 16) fail("contenders", "more than 16");
    for (int i = 0; i < n; i++) {
        turn(&c[i], sets, sets); /* warming up */
        const double one = turn(&c[i], sets, sets) / sets, fit = TURN_US / one;
        runs[i] = fit >= most_runs ? most_runs : fit > 1 ? (int)fit : 1;
        round_us += one * runs[i];
    }
    const int most = (int)(seconds * 1e6 / round_us), rounds = most > LEAST ? most : LEAST;
    for (int i = 0; i < n; i++) c[i].us = room((size_t)rounds * sizeof(double));
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++) {
            turn(&c[i], sets, 1);
            c[i].us[r] = turn(&c[i], sets, runs[i]) / runs[i];
        }
    for (int i = 0; i < n; i++) {
        qsort(c[i].us, (size_t)rounds, sizeof(double), by_size);
        printf("%s %.6f %.6f %d\n", c[i].name, c[i].us[0], c[i].us[rounds / 2], runs[i]);
    }
}

/* The largest difference of a[n] from b[n] as a share of the largest magnitude in b; NaN where there is one. */
static double difference(const float *a, const float *b, size_t n)
{
    double most = 0, range = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i], m = b[i] < 0 ? -(double)b[i] : (double)b[i];
        if (d != d) return d;
        if (d > most || -d > most) most = d < 0 ? -d : d;
        if (m > range) range = m;
    }
    return range > 0 ? most / range : most;
}
#endif
