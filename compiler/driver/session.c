/* session.c - loading a built model and driving it through onnxcc_model. */
#include "driver/session.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "onnxcc_images.h"
#include "onnxcc_threads.h"

enum { ALIGN = 64, GUARD_BYTES = 64, GUARD = 0xa5, POISON = 0xff };

const char *model_error_text(int code)
{
    switch (code) {
    case ONNXCC_OK: return "no error";
    case ONNXCC_E_NULL: return "a required pointer is NULL";
    case ONNXCC_E_DIM: return "a run-time dimension is outside the range that the model was compiled for";
    case ONNXCC_E_INDEX: return "an index in the data is outside its tensor";
    case ONNXCC_E_CAPACITY: return "a size that the data decides is larger than planned, or smaller than --dim says";
    case ONNXCC_E_STATE: return "the state is missing or not aligned";
    case ONNXCC_E_WEIGHTS: return "the weights are not those that were generated with the code, or are damaged";
    case ONNXCC_E_ARENA: return "the work memory is missing, misaligned or too small";
    case ONNXCC_E_DEVICE: return "a call of CUDA failed";
    case ONNXCC_E_CAPTURE: return "the run can't be captured";
    case ONNXCC_E_TEXT: return "a string that is to become a number is none";
    case ONNXCC_E_VALUE: return "an input does not have the value that the model was compiled for";
    case ONNXCC_E_ALIGN: return "a tensor on the device is not aligned to 16 bytes";
    case ONNXCC_E_HOOK: return "the environment has no function decode_image";
    case ONNXCC_E_IMAGE: return "the format of an image is not supported";
    default: return code > 0 ? "from the function of a custom operator" : "unknown error code";
    }
}

/* What dimension k, which the run decides, can't exceed: INT64_MAX where neither a number nor an output's shape tells. */
static int64_t capacity_of(const session *s, int k)
{
    const onnxcc_model *m = s->model;
    if (m->dims[k].hi < INT64_MAX) return m->dims[k].hi;
    for (int i = 0; i < m->n_outputs; i++) {
        int64_t *shape = ARENA_ARRAY(s->mem, int64_t, m->outputs[i].rank + 1);
        for (int a = 0; a < m->outputs[i].rank; a++)
            if (m->outputs[i].shape[a] == -1 - k && !m->shape(i, s->dims_bound, shape)) return shape[a];
    }
    return INT64_MAX;
}

/* The size that was beyond what there is room for is the only one that such a run has written back. */
static void hint_capacity(session *s)
{
    for (int k = 0; k < s->model->n_dims; k++) {
        const onnxcc_dim_info *info = &s->model->dims[k];
        if (info->input != -1 || s->dims[k] == INT64_MAX) continue;
        const int64_t found = s->dims[k], most = capacity_of(s, k);
        text t = {.mem = s->mem};
        text_addf(&t, "'%s' is %lld, ", info->name, (long long)found);
        if (most < INT64_MAX) text_addf(&t, "which may be %lld to %lld", (long long)info->lo, (long long)most);
        else text_add(&t, found < info->lo ? "which is too small" : "more than the sizes of the inputs allow");
        if (found > info->lo && info->hi < INT64_MAX) text_addf(&t, "; --dim %s=..%lld, when compiling, makes room for it, where its operator allows so many", info->name, (long long)found);
        else if (found >= 0 && found < info->lo) text_addf(&t, "; --dim %s=%lld.., when compiling, allows it", info->name, (long long)found);
        diag_hint(s->diag, "%s", t.p);
        return;
    }
}

static bool run_failed(session *s, int code)
{
    diag_error(s->diag, EXIT_MISMATCH, "", "run-failed", "the model returned %d: %s%s%s", code, model_error_text(code), *s->message ? ": " : "", s->message);
    if (code == ONNXCC_E_CAPACITY) hint_capacity(s);
    return false;
}

static bool image_refused(session *s)
{
    const char *f = s->image_format, *package = !strcmp(f, "JPEG") ? "libjpeg-dev" : !strcmp(f, "PNG") ? "libpng-dev" : NULL;
    diag_error(s->diag, EXIT_UNSUPPORTED, "", "image-format", "this onnxcc can't decode %s images", f);
    if (package) return diag_hint(s->diag, "build onnxcc where %s is installed", package);
    return diag_hint(s->diag, "a program of yours can: see onnxcc_env.decode_image in onnxcc_rt.h");
}

/* Memory for a tensor or for work. */
static void *aligned(session *s, size_t bytes, size_t align)
{
    void *block = NULL;
    if (s->exact && !posix_memalign(&block, align, bytes)) {
        arena_on_free(s->mem, free, block);
        return block;
    }
    char *p = arena_alloc(s->mem, bytes + align);
    return p + (align - (uintptr_t)p % align) % align;
}

/* Memory for an input or output, whose type's alignment is all that a caller has to give: with `exact` it gets no more. */
static void *tensor_memory(session *s, elem e, size_t bytes)
{
    const size_t each = elem_bytes(e, 1);
    return s->exact && e != ELEM_STRING ? (char *)aligned(s, bytes + each, ALIGN) + each : aligned(s, bytes, ALIGN);
}

/* Bytes after outputs and work memory that have to stay as they are. */
static size_t guard_bytes(const session *s)
{
    return s->exact ? 0 : GUARD_BYTES;
}

/* Weights that are not in the library stand beside it, as NAME_weights.bin. */
static bool open_weights(session *s, const char *library, const char *name)
{
    if (!s->model->weights_file_bytes) return true;
    const char *slash = strrchr(library, '/'), *why;
    const char *path = arena_printf(s->mem, "%.*s%s_weights.bin", slash ? (int)(slash - library) + 1 : 0, library, name);
    if (!file_map(path, &s->weights, &why)) return diag_error(s->diag, EXIT_IO, "", "read-failed", "can't read '%s': %s", path, why);
    s->env.weights = s->weights.data;
    if ((uintptr_t)s->weights.data % ALIGN) s->env.weights = memcpy(aligned(s, s->weights.size, ALIGN), s->weights.data, s->weights.size);
    const bool whole = s->weights.size == s->model->weights_file_bytes;
    const int code = !whole ? ONNXCC_E_WEIGHTS : s->model->check_weights ? s->model->check_weights(s->env.weights, s->weights.size) : ONNXCC_OK;
    return code == ONNXCC_OK || diag_error(s->diag, EXIT_IO, "", "weights", "'%s': %s", path, model_error_text(code));
}

bool session_open(session *s, arena *mem, diag *d, const char *library, const char *name, int threads)
{
    *s = (session){.mem = mem, .diag = d};
    s->env.message = s->message;
    s->env.message_bytes = sizeof s->message;
    s->env.decode_image = onnxcc_decode_image;
    s->env.decode_image_ctx = &s->image_format;
    s->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!s->library) return diag_error(d, EXIT_INTERNAL, "", "load-failed", "can't load the library: %s", dlerror());
    const char *symbol = arena_printf(mem, "%s_model", name);
    const onnxcc_model *(*describe)(void);
    void *found = dlsym(s->library, symbol);
    if (!found) return diag_error(d, EXIT_INTERNAL, "", "load-failed", "the library has no function %s", symbol);
    memcpy(&describe, &found, sizeof describe); /* ISO C has no cast from void * to a function */
    s->model = describe();
    found = dlsym(s->library, "occ_first_race"); /* of the emulation, when that is linked */
    memcpy(&s->first_race, &found, sizeof found);
    if (s->model->abi != ONNXCC_RT_ABI)
        return diag_error(d, EXIT_INTERNAL, "", "load-failed", "the library's ABI is %d, not %d", s->model->abi, ONNXCC_RT_ABI);
    if (threads > 1) {
        s->pool = onnxcc_pool_new(threads);
        s->env.parallel_for = s->pool ? onnxcc_parallel_for : NULL;
        s->env.parallel_ctx = s->pool;
    }
    return open_weights(s, library, name);
}

/* ---- inputs ---- */

static bool shape_error(session *s, const onnxcc_tensor_info *info, const char *what)
{
    return diag_error(s->diag, EXIT_USAGE, arena_printf(s->mem, "input '%s'", info->name), "input-shape", "%s", what);
}

/* The dimension that the description gives: fixed, of a run-time dimension, or -1 when it's an expression. */
static int64_t expected_dim(const session *s, int64_t given)
{
    if (given >= 0) return given;
    const int64_t k = given == INT64_MIN ? -1 : -1 - given;
    return k >= 0 && k < s->model->n_dims && s->model->dims[k].input >= 0 ? s->dims[k] : -1;
}

static bool check_shape(session *s, const onnxcc_tensor_info *info, const tensor *t)
{
    for (int i = 0; i < info->rank; i++) {
        const int64_t want = expected_dim(s, info->shape[i]);
        if (want < 0 || want == t->shape[i]) continue;
        const char *name = info->shape[i] < 0 ? s->model->dims[-1 - info->shape[i]].name : NULL;
        return shape_error(
            s, info,
            name ? arena_printf(s->mem, "dimension %d is %lld, but '%s' is %lld elsewhere", i, (long long)t->shape[i], name, (long long)want)
                 : arena_printf(s->mem, "dimension %d is %lld, expected %lld", i, (long long)t->shape[i], (long long)want));
    }
    return true;
}

static bool read_dims(session *s, tensor *const *given)
{
    const onnxcc_model *m = s->model;
    s->dims = ARENA_ARRAY(s->mem, int64_t, m->n_dims + 1);
    for (int k = 0; k < m->n_dims; k++) {
        const onnxcc_dim_info *info = &m->dims[k];
        if (info->input < 0) { /* INT64_MAX: the run decides, until then shape() gives the capacity */
            s->dims[k] = info->input == -1 ? INT64_MAX : info->hi;
            continue;
        }
        if (info->input >= m->n_inputs || info->axis < 0 || info->axis >= m->inputs[info->input].rank)
            return diag_error(s->diag, EXIT_INTERNAL, "", "bad-description", "dimension '%s' is read from no input", info->name);
        s->dims[k] = given[info->input]->shape[info->axis];
        if (s->dims[k] < info->lo || s->dims[k] > info->hi) {
            const char *range = info->hi == INT64_MAX ? arena_printf(s->mem, "at least %lld", (long long)info->lo)
                                                      : arena_printf(s->mem, "%lld..%lld", (long long)info->lo, (long long)info->hi);
            return shape_error(s, &m->inputs[info->input],
                               arena_printf(s->mem, "'%s' is %lld; the model was compiled for %s", info->name, (long long)s->dims[k], range));
        }
    }
    return true;
}

static bool match_inputs(session *s, const tensor_set *set, tensor **given)
{
    const onnxcc_model *m = s->model;
    bool *used = ARENA_ARRAY(s->mem, bool, set->list.n + 1);
    uint32_t missing = 0, left = 0;
    for (int i = 0; i < m->n_inputs; i++) {
        for (uint32_t k = 0; k < set->list.n && !given[i]; k++) {
            tensor *t = set->list.p[k];
            if (used[k] || !t->name || strcmp(t->name, m->inputs[i].name)) continue;
            given[i] = t;
            used[k] = true;
        }
        missing += !given[i];
    }
    for (uint32_t k = 0; k < set->list.n; k++) left += !used[k];
    uint32_t k = 0;
    for (int i = 0; i < m->n_inputs; i++) {
        if (given[i]) continue;
        if (missing != left) return diag_error(s->diag, EXIT_USAGE, "", "missing-input", "no tensor is given for input '%s'", m->inputs[i].name);
        while (used[k]) k++;
        used[k] = true;
        given[i] = set->list.p[k];
    }
    return true;
}

static const void *string_input(session *s, const tensor *t)
{
    const int64_t n = tensor_count(t);
    onnxcc_string *v = ARENA_ARRAY(s->mem, onnxcc_string, n + 1);
    for (int64_t i = 0; i < n; i++) v[i] = (onnxcc_string){t->strings[i], strlen(t->strings[i])};
    return v;
}

static bool bind_inputs(session *s, const tensor_set *set)
{
    const onnxcc_model *m = s->model;
    tensor **given = ARENA_ARRAY(s->mem, tensor *, m->n_inputs + 1);
    if (!match_inputs(s, set, given)) return false;
    for (int i = 0; i < m->n_inputs; i++) {
        const onnxcc_tensor_info *info = &m->inputs[i];
        tensor *t = tensor_as(s->mem, given[i], (elem)info->type);
        if (!t)
            return diag_error(s->diag, EXIT_USAGE, arena_printf(s->mem, "input '%s'", info->name), "input-type", "the tensor is %s, expected %s",
                              elem_of(given[i]->type)->name, elem_of((elem)info->type)->name);
        if ((int)t->rank != info->rank)
            return shape_error(s, info, arena_printf(s->mem, "the tensor has %u dimensions, expected %d", t->rank, info->rank));
        given[i] = t;
    }
    if (!read_dims(s, given)) return false;
    s->bound = given;
    s->in = ARENA_ARRAY(s->mem, const void *, m->n_inputs + 1);
    for (int i = 0; i < m->n_inputs; i++) {
        if (!check_shape(s, &m->inputs[i], given[i])) return false;
        if (given[i]->type == ELEM_STRING) s->in[i] = string_input(s, given[i]);
        else {
            void *copy = tensor_memory(s, given[i]->type, given[i]->bytes);
            if (given[i]->bytes) memcpy(copy, given[i]->data, given[i]->bytes);
            s->in[i] = copy;
        }
    }
    return true;
}

/* ---- outputs ---- */

/* Shape and size in bytes of output i for the dims as they are. */
static bool output_shape(session *s, int i, int64_t *shape, size_t *bytes)
{
    const onnxcc_tensor_info *info = &s->model->outputs[i];
    const int code = s->model->shape(i, s->dims, shape);
    if (code < 0)
        return diag_error(s->diag, EXIT_USAGE, arena_printf(s->mem, "output '%s'", info->name), "run-failed", "%s", model_error_text(code));
    int64_t n = 1;
    for (int k = 0; k < info->rank; k++)
        if (shape[k] < 0 || !mul_i64(n, shape[k], &n) || n > INT64_MAX / 32)
            return diag_error(s->diag, EXIT_LIMIT, arena_printf(s->mem, "output '%s'", info->name), "size-limit", "dimension %d is %lld", k,
                              (long long)shape[k]);
    *bytes = elem_bytes((elem)info->type, (size_t)n);
    return true;
}

static bool allocate_host(session *s)
{
    const size_t align = s->model->arena_align > ALIGN ? s->model->arena_align : ALIGN;
    s->work = aligned(s, s->work_bytes + guard_bytes(s), align);
    s->state = s->model->state_bytes ? aligned(s, s->model->state_bytes, align) : NULL;
    return true;
}

static void free_device(session *s)
{
    if (!s->model || !s->model->device_alloc) return;
    if (s->work) s->model->device_free(s->work);
    if (s->state) s->model->device_free(s->state);
    s->work = s->state = NULL;
}

static void *device_memory(session *s, size_t bytes)
{
    void *p = s->model->device_alloc(bytes);
    if (!p) {
        diag_error(s->diag, EXIT_IO, "", "device-memory", "there is no CUDA device here, or it has no %zu bytes of memory left", bytes);
        diag_hint(s->diag, "--emulate runs the code on the processor");
    }
    return p;
}

static bool allocate_device(session *s)
{
    const onnxcc_model *m = s->model;
    free_device(s);
    s->work = device_memory(s, s->work_bytes);
    s->state = m->state_bytes ? device_memory(s, m->state_bytes) : NULL;
    if (!s->work || (m->state_bytes && !s->state)) return false;
    const int64_t host_bytes = m->prepare_host ? m->prepare_host(s->dims) : 0;
    if (host_bytes < 0) return run_failed(s, (int)host_bytes);
    if (host_bytes) s->env.host_arena = aligned(s, (size_t)host_bytes, ALIGN);
    const int code = m->device_upload(s->work, s->env.weights, &s->env);
    return code == ONNXCC_OK || run_failed(s, code);
}

static bool allocate(session *s)
{
    const onnxcc_model *m = s->model;
    s->out = ARENA_ARRAY(s->mem, void *, m->n_outputs + 1);
    s->out_bytes = ARENA_ARRAY(s->mem, size_t, m->n_outputs + 1);
    for (int i = 0; i < m->n_outputs; i++) {
        int64_t *shape = ARENA_ARRAY(s->mem, int64_t, m->outputs[i].rank + 1);
        if (!output_shape(s, i, shape, &s->out_bytes[i])) return false;
        s->out[i] = tensor_memory(s, (elem)m->outputs[i].type, s->out_bytes[i] + guard_bytes(s));
    }
    s->work_bytes = m->arena_bytes;
    if (m->prepare && (m->n_dims > 0 || !m->arena_bytes)) {
        const int64_t bytes = m->prepare(s->dims);
        if (bytes < 0) return diag_error(s->diag, EXIT_USAGE, "", "run-failed", "%s", model_error_text((int)bytes));
        if ((size_t)bytes > s->work_bytes) s->work_bytes = (size_t)bytes;
    }
    if (m->device_alloc ? !allocate_device(s) : !allocate_host(s)) return false;
    s->dims_bound = arena_copy(s->mem, s->dims, (size_t)m->n_dims * sizeof *s->dims);
    return true;
}

void session_close(session *s)
{
    free_device(s);
    onnxcc_pool_free(s->pool);
    if (s->weights.data) file_unmap(&s->weights);
    s->weights = (file_view){0};
    if (s->library) dlclose(s->library);
    s->library = NULL;
    s->pool = NULL;
}

bool session_bind(session *s, const tensor_set *inputs)
{
    memset(&s->turns, 0, sizeof s->turns); /* what it held was the arena's of that time */
    s->next_turn = 0;
    if (!bind_inputs(s, inputs) || !allocate(s)) return false;
    VEC_PUSH(s->mem, s->turns, s->in);
    return true;
}

bool session_is_empty(const session *s)
{
    size_t bytes = 0;
    for (int i = 0; i < s->model->n_outputs; i++) bytes |= s->out_bytes[i];
    return !bytes;
}

bool session_add(session *s, const tensor_set *inputs)
{
    tensor *const *bound = s->bound;
    const void **in = s->in;
    int64_t *read = s->dims;
    bool ok = bind_inputs(s, inputs);
    for (int k = 0; ok && k < s->model->n_dims; k++)
        if (s->dims[k] != s->dims_bound[k]) ok = diag_error(s->diag, EXIT_USAGE, "", "input-shape", "'%s' differs between the sets of inputs", s->model->dims[k].name);
    if (ok) VEC_PUSH(s->mem, s->turns, s->in);
    s->bound = bound;
    s->in = in;
    s->dims = read;
    return ok;
}

void session_first(session *s)
{
    s->next_turn = 0;
}

static void prepare_memory(session *s)
{
    const bool here = !s->model->device_alloc;
    if (here) memset((char *)s->work + s->work_bytes, GUARD, guard_bytes(s));
    for (int i = 0; i < s->model->n_outputs; i++) {
        if (s->poison && s->out_bytes[i] && s->model->outputs[i].type != ELEM_STRING) memset(s->out[i], POISON, s->out_bytes[i]);
        memset((char *)s->out[i] + s->out_bytes[i], GUARD, guard_bytes(s));
    }
    if (s->poison && s->work_bytes && here) memset(s->work, POISON, s->work_bytes);
}

/* Runs on the next set; the model's code. */
static int call_next(session *s)
{
    const void *const *in = s->turns.p[s->next_turn];
    s->next_turn = s->next_turn + 1 < s->turns.n ? s->next_turn + 1 : 0;
    if (s->model->n_dims) memcpy(s->dims, s->dims_bound, (size_t)s->model->n_dims * sizeof *s->dims);
    return s->model->run(in, s->out, s->dims, s->work, s->work_bytes, s->state, &s->env);
}

bool session_calls(session *s, uint32_t n, double *ms)
{
    struct timespec a, b;
    int code = 0;
    prepare_memory(s);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (uint32_t k = 0; k < n && !code; k++) code = call_next(s);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (ms) *ms = (double)((int64_t)(b.tv_sec - a.tv_sec) * 1000000000 + (b.tv_nsec - a.tv_nsec)) * 1e-6 / n;
    if (code == ONNXCC_E_IMAGE && s->image_format) return image_refused(s);
    if (code != 0) return run_failed(s, code);
    const char *race = s->first_race ? s->first_race() : NULL;
    return !race || diag_error(s->diag, EXIT_INTERNAL, "", "race", "%s", race);
}

bool session_call(session *s, double *ms)
{
    return session_calls(s, 1, ms);
}

static bool guard_ok(const session *s, const void *end)
{
    const unsigned char *p = end;
    for (size_t i = 0; i < guard_bytes(s); i++)
        if (p[i] != GUARD) return false;
    return true;
}

static const char **string_output(session *s, const onnxcc_string *v, int64_t n)
{
    const char **to = ARENA_ARRAY(s->mem, const char *, n + 1);
    for (int64_t i = 0; i < n; i++) to[i] = v[i].length ? arena_strndup(s->mem, v[i].data, v[i].length) : "";
    return to;
}

bool session_outputs(session *s, tensor_set *out)
{
    if (!s->model->device_alloc && !guard_ok(s, (char *)s->work + s->work_bytes)) return diag_error(s->diag, EXIT_INTERNAL, "", "overrun", "the model wrote past its work memory");
    for (int i = 0; i < s->model->n_outputs; i++) {
        const onnxcc_tensor_info *info = &s->model->outputs[i];
        const char *where = arena_printf(s->mem, "output '%s'", info->name);
        if (!guard_ok(s, (char *)s->out[i] + s->out_bytes[i]))
            return diag_error(s->diag, EXIT_INTERNAL, where, "overrun", "the model wrote past its end");
        tensor *t = ARENA_NEW(s->mem, tensor);
        t->name = info->name;
        t->type = (elem)info->type;
        t->rank = (uint32_t)info->rank;
        t->shape = ARENA_ARRAY(s->mem, int64_t, info->rank + 1);
        if (!output_shape(s, i, t->shape, &t->bytes)) return false;
        if (t->bytes > s->out_bytes[i]) return diag_error(s->diag, EXIT_INTERNAL, where, "overrun", "its final shape is larger than its capacity");
        if (t->type == ELEM_STRING) {
            t->strings = string_output(s, s->out[i], tensor_count(t));
            t->bytes = 0;
        } else t->data = s->out[i];
        VEC_PUSH(out->mem, out->list, t);
    }
    return true;
}
