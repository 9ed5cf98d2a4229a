/* capi.c - a generated model, linked as m, against onnxruntime through its C API, in one process; for capi.py.
 *
 *   capi LIBRARY MODEL.onnx INPUTS SECONDS
 *
 * LIBRARY is a libonnxruntime.so, INPUTS a file with the bytes of the inputs one after the other. onnxruntime has one thread, all optimizations, a
 * memory pattern, and tensors for inputs and outputs that are made once; it is called by Run and by RunWithBinding. Prints "differs X", the largest
 * difference of the outputs as a share of the largest, then the lines of time_rounds. Tensors are described by m_model(), all shapes known, outputs
 * float.
 *
 * Of onnxruntime's table of functions only the places below are used; its header promises that functions keep their places. */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "m.h"
#include "rounds.h"

enum { API_VERSION = 17, LEVEL_ALL = 99, LOG_ERRORS = 3, ARENA_ALLOCATOR = 1, MEMORY_DEFAULT = 0, MOST_RUNS = 2000, MOST_TENSORS = 64, FLOAT = 1 };
/* Places in OrtApi. */
enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    ENABLE_MEM_PATTERN = 16,
    SET_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_THREADS = 24,
    CREATE_TENSOR_WITH_DATA = 49,
    CREATE_CPU_MEMORY_INFO = 69,
    RUN_WITH_BINDING = 133,
    CREATE_IO_BINDING = 134,
    BIND_INPUT = 136,
    BIND_OUTPUT = 137
};
typedef void (*any_function)(void);
typedef struct {
    const any_function *(*get_api)(uint32_t version);
    const char *(*version)(void);
} api_base;

typedef struct {
    const any_function *api;
    void *session, *binding;
    int n_inputs, n_outputs;
    const char *in_names[MOST_TENSORS], *out_names[MOST_TENSORS];
    void *in[MOST_TENSORS], *out[MOST_TENSORS]; /* OrtValue */
} peer;

typedef struct {
    m_inputs in;
    m_outputs out;
    void *arena;
} ours;

/* Calls the function at a place of p->api: parameter types in brackets, then its arguments. */
#define CALL(p, place, types, arguments) check(p, ((void *(*)types)(p)->api[place])arguments)

static void check(const peer *p, void *status)
{
    if (status) fail("onnxruntime", ((const char *(*)(void *))p->api[GET_ERROR_MESSAGE])(status));
}

static void run_ours(void *self, int set)
{
    ours *o = self;
    (void)set;
    if (m_run(&o->in, &o->out, o->arena, NULL)) fail("m_run", "it returned an error");
}

static void run_plain(void *self, int set)
{
    peer *p = self;
    (void)set;
    CALL(p, RUN, (void *, const void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **),
         (p->session, NULL, p->in_names, p->in, (size_t)p->n_inputs, p->out_names, (size_t)p->n_outputs, p->out));
}

static void run_bound(void *self, int set)
{
    peer *p = self;
    (void)set;
    CALL(p, RUN_WITH_BINDING, (void *, const void *, const void *), (p->session, NULL, p->binding));
}

static void open_session(peer *p, const char *library, const char *model)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), *env, *options;
    any_function base;
    if (!handle) fail("dlopen", dlerror());
    *(void **)&base = dlsym(handle, "OrtGetApiBase");
    if (!base) fail(library, "it has no OrtGetApiBase");
    const api_base *b = ((const api_base *(*)(void))base)();
    p->api = b->get_api(API_VERSION);
    if (!p->api) fail(library, "its API is too old");
    CALL(p, CREATE_ENV, (int, const char *, void **), (LOG_ERRORS, "bench", &env));
    CALL(p, CREATE_SESSION_OPTIONS, (void **), (&options));
    CALL(p, SET_OPTIMIZATION_LEVEL, (void *, int), (options, LEVEL_ALL));
    CALL(p, SET_INTRA_OP_THREADS, (void *, int), (options, 1));
    CALL(p, ENABLE_MEM_PATTERN, (void *), (options));
    CALL(p, CREATE_SESSION, (void *, const char *, void *, void **), (env, model, options, &p->session));
    CALL(p, CREATE_IO_BINDING, (void *, void **), (p->session, &p->binding));
    printf("version %s\n", b->version());
}

static size_t elements(const onnxcc_tensor_info *t, const int64_t *shape)
{
    size_t n = 1;
    for (int k = 0; k < t->rank; k++) n *= (size_t)shape[k];
    return n;
}

/* Reads the inputs for both, whose tensors are the same memory, and makes outputs for each; onnxruntime's are p_out. */
static void make_tensors(peer *p, ours *o, const onnxcc_model *m, const char *inputs, float **p_out, float **o_out, size_t *n_out)
{
    void *memory;
    const void *in[MOST_TENSORS];
    FILE *f = fopen(inputs, "rb");
    if (!f) fail(inputs, "it can't be read");
    CALL(p, CREATE_CPU_MEMORY_INFO, (int, int, void **), (ARENA_ALLOCATOR, MEMORY_DEFAULT, &memory));
    p->n_inputs = m->n_inputs;
    p->n_outputs = m->n_outputs;
    for (int i = 0; i < m->n_inputs; i++) {
        const onnxcc_tensor_info *t = &m->inputs[i];
        const size_t bytes = (size_t)t->max_bytes;
        void *data = room(bytes);
        if (fread(data, 1, bytes, f) != bytes) fail(inputs, "it is too short");
        in[i] = data;
        p->in_names[i] = t->name;
        CALL(p, CREATE_TENSOR_WITH_DATA, (void *, void *, size_t, const int64_t *, size_t, int, void **),
             (memory, data, bytes, t->shape, (size_t)t->rank, t->type, &p->in[i]));
        CALL(p, BIND_INPUT, (void *, const char *, void *), (p->binding, t->name, p->in[i]));
    }
    fclose(f);
    for (int i = 0; i < m->n_outputs; i++) {
        const onnxcc_tensor_info *t = &m->outputs[i];
        if (t->type != FLOAT) fail(t->name, "its type is not float");
        n_out[i] = elements(t, t->shape);
        p_out[i] = room(n_out[i] * sizeof(float));
        o_out[i] = room(n_out[i] * sizeof(float));
        p->out_names[i] = t->name;
        CALL(p, CREATE_TENSOR_WITH_DATA, (void *, void *, size_t, const int64_t *, size_t, int, void **),
             (memory, p_out[i], n_out[i] * sizeof(float), t->shape, (size_t)t->rank, t->type, &p->out[i]));
        CALL(p, BIND_OUTPUT, (void *, const char *, void *), (p->binding, t->name, p->out[i]));
    }
    memcpy(&o->in, in, sizeof o->in); /* without run-time sizes both structs hold one pointer after the other */
    memcpy(&o->out, o_out, sizeof o->out);
    o->arena = room(m->arena_bytes);
}

int main(int argc, char **argv)
{
    const onnxcc_model *m = m_model();
    static peer p;
    static ours o;
    float *p_out[MOST_TENSORS] = {0}, *o_out[MOST_TENSORS] = {0};
    size_t n_out[MOST_TENSORS];
    if (argc != 5) fail("use", "capi LIBRARY MODEL.onnx INPUTS SECONDS");
    if (m->n_dims || m->state_bytes || m->n_inputs > MOST_TENSORS || m->n_outputs > MOST_TENSORS)
        fail(argv[2], "it has run-time sizes, state or too many tensors");
    if (sizeof o.in != (size_t)m->n_inputs * sizeof(void *) || sizeof o.out != (size_t)m->n_outputs * sizeof(void *))
        fail(argv[2], "its inputs or outputs are not tensors alone");
    open_session(&p, argv[1], argv[2]);
    make_tensors(&p, &o, m, argv[3], p_out, o_out, n_out);
    double differs = 0;
    void (*const peers[])(void *, int) = {run_plain, run_bound};
    run_ours(&o, 0);
    for (int k = 0; k < 2; k++) {
        peers[k](&p, 0);
        for (int i = 0; i < m->n_outputs; i++) {
            const double d = difference(o_out[i], p_out[i], n_out[i]);
            if (d > differs || d != d) differs = d;
            memset(p_out[i], 0, n_out[i] * sizeof(float));
        }
    }
    printf("differs %.3g\n", differs);
    contender c[] = {{.name = "ours", .run = run_ours, .self = &o},
                     {.name = "run", .run = run_plain, .self = &p},
                     {.name = "bound", .run = run_bound, .self = &p}};
    time_rounds(c, 3, 1, MOST_RUNS, strtod(argv[4], NULL));
    return 0;
}
