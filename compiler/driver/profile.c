/* profile.c - see profile.h. */
#include "driver/profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    const step_fact *fact;
    double began, run, least; /* in ms: when the call began, its calls in this run, the least of all runs */
    uint32_t calls;           /* in one run */
} step_time;

typedef struct {
    step_time *step;
    uint32_t n; /* by id - 1 */
} profile;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void note(void *ctx, int id, int end)
{
    profile *p = ctx;
    if (id < 1 || (uint32_t)id > p->n) return;
    step_time *t = &p->step[id - 1];
    if (!end) t->began = now_ms();
    else {
        t->run += now_ms() - t->began;
        t->calls++;
    }
}

static int longest_first(const void *a, const void *b)
{
    const step_time *x = a, *y = b;
    if (x->least != y->least) return x->least < y->least ? 1 : -1;
    return x->fact && y->fact ? (x->fact->id > y->fact->id) - (x->fact->id < y->fact->id) : 0;
}

static void print(const profile *p, FILE *out)
{
    enum { NODES = 70 };
    double all = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->step[i].fact && strcmp(p->step[i].fact->kernel, "control")) all += p->step[i].least;
    fprintf(out, "%5s %-12s %10s %6s %8s %8s %6s  %s\n", "step", "kernel", "ms", "%", "GMAC/s", "GB/s", "calls", "nodes");
    for (uint32_t i = 0; i < p->n; i++) {
        const step_time *t = &p->step[i];
        if (!t->fact || !t->calls) continue;
        fprintf(out, "%5u %-12s %10.4f %6.1f", t->fact->id, t->fact->kernel, t->least, all > 0 ? 100 * t->least / all : 0);
        const double per = t->least > 0 ? 1e-6 * (double)t->calls / t->least : 0;
        if (t->fact->multiply_adds > 0) fprintf(out, " %8.1f", (double)t->fact->multiply_adds * per);
        else fprintf(out, " %8s", "");
        if (t->fact->bytes > 0) fprintf(out, " %8.1f", (double)t->fact->bytes * per);
        else fprintf(out, " %8s", "");
        fprintf(out, " %6u  %.*s%s\n", t->calls, NODES, t->fact->nodes, strlen(t->fact->nodes) > NODES ? "..." : "");
    }
}

/* One run with a timer around each step, whose times go to `run` and `calls`. */
static bool run_timed(session *s, profile *p, double *ms)
{
    s->env.timer = note;
    s->env.timer_ctx = p;
    for (uint32_t i = 0; i < p->n; i++) p->step[i].run = p->step[i].calls = 0;
    const bool ok = session_call(s, ms);
    s->env.timer = NULL;
    return ok;
}

bool profile_least(session *s, uint32_t n, double *least, double *ms)
{
    arena *scratch = arena_new();
    profile p = {ARENA_ARRAY(scratch, step_time, n + 1), n};
    const bool ok = run_timed(s, &p, ms);
    for (uint32_t i = 0; ok && i < n; i++)
        if (p.step[i].run < least[i]) least[i] = p.step[i].run;
    arena_free(scratch);
    return ok;
}

bool profile_print(session *s, const compiled *built, int runs, FILE *out)
{
    profile p = {ARENA_ARRAY(s->mem, step_time, built->n_steps + 1), built->n_steps};
    for (uint32_t i = 0; i < built->steps.n; i++) p.step[built->steps.p[i].id - 1].fact = &built->steps.p[i];
    bool ok = true;
    for (int r = 0; r < runs && ok; r++) {
        ok = run_timed(s, &p, NULL);
        for (uint32_t i = 0; i < p.n; i++)
            if (!r || p.step[i].run < p.step[i].least) p.step[i].least = p.step[i].run;
    }
    if (!ok) return false;
    qsort(p.step, p.n, sizeof *p.step, longest_first);
    print(&p, out);
    return true;
}
