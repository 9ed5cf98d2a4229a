/* profile.c - see profile.h. */
#include "driver/profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_TURNS = 3 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void note(void *ctx, int id, int end)
{
    step_profile *p = ctx;
    if (id < 1 || (uint32_t)id > p->n) return;
    timed_step *t = &p->step[id - 1];
    if (!end) t->began = now_ms();
    else {
        t->run += now_ms() - t->began;
        t->calls++;
    }
}

static int longest_first(const void *a, const void *b)
{
    const timed_step *x = a, *y = b;
    if (x->least != y->least) return x->least < y->least ? 1 : -1;
    return x->fact && y->fact ? (x->fact->id > y->fact->id) - (x->fact->id < y->fact->id) : 0;
}

void profile_print(const step_profile *p, FILE *out)
{
    enum { NODES = 70 };
    double all = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->step[i].fact && strcmp(p->step[i].fact->kernel, "control")) all += p->step[i].least;
    fprintf(out, "%5s %-12s %10s %6s %8s %8s %6s  %s\n", "step", "kernel", "ms", "%", "GMAC/s", "GB/s", "calls", "nodes");
    for (uint32_t i = 0; i < p->n; i++) {
        const timed_step *t = &p->step[i];
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

void profile_json(const step_profile *p, FILE *out)
{
    const char *sep = "";
    fputc('[', out);
    for (const timed_step *t = p->step; t < p->step + p->n; t++) {
        if (!t->fact || !t->calls) continue;
        fprintf(out, "%s{\"id\":%u,\"kernel\":\"%s\",\"nodes\":", sep, t->fact->id, t->fact->kernel);
        json_string(out, t->fact->nodes);
        fprintf(out, ",\"ms\":%s,\"calls\":%u", decimal_of(t->least, 6).s, t->calls);
        if (t->fact->multiply_adds > 0) fprintf(out, ",\"multiply_adds\":%lld", (long long)t->fact->multiply_adds);
        if (t->fact->bytes > 0) fprintf(out, ",\"bytes\":%lld", (long long)t->fact->bytes);
        fputc('}', out);
        sep = ",";
    }
    fputc(']', out);
}

/* n runs with a timer around each step: the times and calls of one, their mean, go to `run` and `calls`. */
static bool run_timed(session *s, step_profile *p, uint32_t n, double *ms)
{
    s->env.timer = note;
    s->env.timer_ctx = p;
    for (uint32_t i = 0; i < p->n; i++) p->step[i].run = p->step[i].calls = 0;
    const bool ok = session_calls(s, n, ms);
    s->env.timer = NULL;
    for (timed_step *t = p->step; t < p->step + p->n; t++) {
        t->run /= n;
        t->calls = (t->calls + n - 1) / n;
    }
    return ok;
}

bool profile_least(session *s, uint32_t n, double *least, double *ms)
{
    arena *scratch = arena_new();
    step_profile p = {ARENA_ARRAY(scratch, timed_step, n + 1), n};
    const bool ok = run_timed(s, &p, 1, ms);
    for (uint32_t i = 0; ok && i < n; i++)
        if (p.step[i].calls && p.step[i].run < least[i]) least[i] = p.step[i].run;
    arena_free(scratch);
    return ok;
}

bool profile_steps(session *s, const compiled *built, uint32_t runs, step_profile *p)
{
    *p = (step_profile){ARENA_ARRAY(s->mem, timed_step, built->n_steps + 1), built->n_steps};
    for (uint32_t i = 0; i < built->steps.n; i++) p->step[built->steps.p[i].id - 1].fact = &built->steps.p[i];
    const uint32_t sets = s->turns.n, turns = runs / sets > LEAST_TURNS ? runs / sets : LEAST_TURNS;
    for (uint32_t r = 0; r < turns; r++) {
        if (!run_timed(s, p, sets, NULL)) return false;
        for (uint32_t i = 0; i < p->n; i++)
            if (!r || p->step[i].run < p->step[i].least) p->step[i].least = p->step[i].run;
    }
    qsort(p->step, p->n, sizeof *p->step, longest_first);
    return true;
}
