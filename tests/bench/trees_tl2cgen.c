/* trees_tl2cgen.c - generated code for trees, linked as `one` (a row) and `many` (rows), against C of tl2cgen, in one process; for trees_tl2cgen.py.
 *
 *   trees_tl2cgen ROWS N SECONDS NAME=LIBRARY...
 *
 * ROWS is a file with N rows for single ones, in turns, and then those of `many`. A LIBRARY is C of tl2cgen as a shared library, which computes a row
 * a call. Each row is copied to what it is computed from, as tl2cgen's own predictor does: quantized code writes there. Prints for each NAME
 * "differs.NAME X", the largest difference from ours as a share of the largest output, and the lines of time_rounds as one.NAME and many.NAME; ours
 * are one.ours and many.ours. */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "many.h"
#include "one.h"
#include "rounds.h"

enum { MOST_RUNS = 2000, MOST_FEATURES = 1024, MOST_LIBRARIES = 7 };

typedef union { /* as in tl2cgen's header.h */
    int missing;
    float value;
    int quantized;
} entry;
typedef void (*predict_function)(entry *row, int margin, float *result);

typedef struct {
    const char *name;
    predict_function predict; /* NULL: ours */
    size_t features;
    const float *rows;
    size_t n_rows; /* of a call; a set of inputs is n_rows rows */
    void *arena;
    float *out; /* of all sets */
} trees;

static void run_one(void *self, int set)
{
    trees *t = self;
    const one_inputs in = {t->rows + (size_t)set * t->features};
    one_outputs out = {t->out + set};
    if (one_run(&in, &out, t->arena, NULL)) fail("one_run", "it returned an error");
}

static void run_many(void *self, int set)
{
    trees *t = self;
    const many_inputs in = {t->rows};
    many_outputs out = {t->out};
    (void)set;
    if (many_run(&in, &out, t->arena, NULL)) fail("many_run", "it returned an error");
}

static void run_library(void *self, int set)
{
    trees *t = self;
    entry row[MOST_FEATURES];
    for (size_t i = (size_t)set * t->n_rows; i < ((size_t)set + 1) * t->n_rows; i++) {
        memcpy(row, t->rows + i * t->features, t->features * sizeof *row);
        t->out[i] = 0; /* it adds to it */
        t->predict(row, 1, &t->out[i]);
    }
}

/* Times ours and the libraries on `sets` sets of n_rows rows. */
static void compare(const char *prefix, void (*run)(void *, int), void *arena, const trees *libraries, int n, const float *rows, size_t features,
                    int sets, size_t n_rows, double seconds)
{
    trees t[MOST_LIBRARIES + 1];
    contender c[MOST_LIBRARIES + 1];
    for (int i = 0; i <= n; i++) {
        char *name = room(256);
        t[i] = i ? libraries[i - 1] : (trees){.name = "ours", .arena = arena};
        t[i].features = features;
        t[i].rows = rows;
        t[i].n_rows = n_rows;
        t[i].out = room((size_t)sets * n_rows * sizeof(float));
        snprintf(name, 256, "%s.%s", prefix, t[i].name);
        c[i] = (contender){.name = name, .run = i ? run_library : run, .self = &t[i]};
    }
    time_rounds(c, n + 1, sets, MOST_RUNS, seconds);
    for (int i = 1; i <= n; i++) printf("differs.%s %.3g\n", c[i].name, difference(t[i].out, t[0].out, (size_t)sets * n_rows));
}

int main(int argc, char **argv)
{
    const onnxcc_model *a = one_model(), *b = many_model();
    trees libraries[MOST_LIBRARIES];
    if (argc < 5 || argc - 4 > MOST_LIBRARIES) fail("use", "trees_tl2cgen ROWS N SECONDS NAME=LIBRARY...");
    const size_t features = (size_t)a->inputs[0].shape[1], many = (size_t)b->inputs[0].shape[0];
    const int sets = atoi(argv[2]);
    const size_t n = ((size_t)sets + many) * features;
    const double seconds = strtod(argv[3], NULL);
    if (features > MOST_FEATURES) fail("features", "more than 1024");
    for (int i = 0; i < argc - 4; i++) {
        char *equals = strchr(argv[4 + i], '=');
        if (!equals) fail(argv[4 + i], "it is not NAME=LIBRARY");
        *equals = 0;
        void *handle = dlopen(equals + 1, RTLD_NOW | RTLD_LOCAL);
        if (!handle) fail("dlopen", dlerror());
        libraries[i] = (trees){.name = argv[4 + i]};
        *(void **)&libraries[i].predict = dlsym(handle, "predict");
        if (!libraries[i].predict) fail(equals + 1, "it has no function predict");
    }
    float *rows = room(n * sizeof(float));
    FILE *f = fopen(argv[1], "rb");
    if (!f || fread(rows, sizeof(float), n, f) != n) fail(argv[1], "it can't be read or is too short");
    fclose(f);
    compare("one", run_one, room(a->arena_bytes), libraries, argc - 4, rows, features, sets, 1, seconds);
    compare("many", run_many, room(b->arena_bytes), libraries, argc - 4, rows + (size_t)sets * features, features, 1, many, seconds);
    return 0;
}
