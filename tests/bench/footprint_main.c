/* footprint_main.c - a process that only runs a model, for footprint.py: MODEL is its function NAME_model.
 *
 * Runs it RUNS times on zeros, dimensions at their smallest, and prints: bytes of inputs and outputs, work memory, state and the
 * largest resident set, and the milliseconds of each run.
 * With an argument every page is in memory before the first run, so that its time holds no page faults. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "onnxcc_rt.h"

enum { RUNS = 7 };
const onnxcc_model *MODEL(void);

static char *zeros(size_t n)
{
    void *p;
    if (posix_memalign(&p, 64, n + 64)) exit(1);
    return memset(p, 0, n + 64);
}

static size_t bytes_of(const onnxcc_tensor_info *t, const int64_t *dims, const int64_t *shape)
{
    static const unsigned char bytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 16, 1, 2, 8, 4, 8, 8, 16, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    size_t n = bytes[t->type];
    for (int k = 0; k < t->rank; k++) n *= (size_t)(shape[k] >= 0 ? shape[k] : dims[-1 - shape[k]]);
    return n;
}

static long long largest_resident(void)
{
    char line[256];
    long long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "VmHWM: %lld", &kb);
    if (f) fclose(f);
    return kb * 1024;
}

int main(int argc, char **argv)
{
    const onnxcc_model *m = MODEL();
    int64_t *dims = calloc((size_t)m->n_dims + 1, sizeof *dims), *now = calloc((size_t)m->n_dims + 1, sizeof *now), shape[64];
    const void **in = calloc((size_t)m->n_inputs + 1, sizeof *in);
    void **out = calloc((size_t)m->n_outputs + 1, sizeof *out);
    size_t io = 0;
    onnxcc_env env = {0};
    for (int i = 0; i < m->n_dims; i++) dims[i] = m->dims[i].input == -1 ? INT64_MAX : m->dims[i].lo;
    for (int i = 0; i < m->n_inputs; i++) {
        const size_t n = bytes_of(&m->inputs[i], dims, m->inputs[i].shape);
        in[i] = zeros(n);
        io += n;
    }
    for (int i = 0; i < m->n_outputs; i++) {
        if (m->shape(i, dims, shape)) return 1;
        const size_t n = bytes_of(&m->outputs[i], dims, shape);
        out[i] = zeros(n);
        io += n;
    }
    const int64_t work = m->prepare(dims);
    void *memory, *state = zeros(m->state_bytes);
    if (work < 0 || posix_memalign(&memory, 64, (size_t)work + 1)) return 1;
    if (argc > 1 && mlockall(MCL_CURRENT | MCL_FUTURE)) return 2;
    double ms[RUNS];
    for (int k = 0; k < RUNS; k++) {
        struct timespec a, b;
        memcpy(now, dims, (size_t)m->n_dims * sizeof *dims);
        clock_gettime(CLOCK_MONOTONIC, &a);
        if (m->run(in, out, now, memory, (size_t)work, state, &env)) return 3;
        clock_gettime(CLOCK_MONOTONIC, &b);
        ms[k] = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
    }
    printf("%zu %lld %zu %lld", io, (long long)work, (size_t)m->state_bytes, largest_resident());
    for (int k = 0; k < RUNS; k++) printf(" %.6f", ms[k]);
    printf("\n");
    return argv[0] == NULL;
}
