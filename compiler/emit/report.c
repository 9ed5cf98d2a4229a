/* report.c - the files beside the code: the JSON manifest, a CMakeLists.txt, a main program; and the driver of all emitters. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/embedded.h"
#include "emit/emit.h"
#include "plan/tuning.h"

static void json_text(text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') text_addf(t, "\\%c", c);
        else if (c < 0x20) text_addf(t, "\\u%04x", c);
        else text_addn(t, s, 1);
    }
    text_add(t, "\"");
}

/* A number, or a string with a formula of the run-time dimensions. */
static void json_dim(emit *e, dim d, text *out)
{
    text t = {.mem = e->mem};
    int64_t v;
    dim_text(e->p->dims, d, &t);
    if (dim_is_const(e->p->dims, d, &v)) text_addf(out, "%" PRId64, v);
    else json_text(out, t.p);
}

static void json_dims(emit *e, uint32_t rank, const dim *d, text *out)
{
    text_add(out, "[");
    for (uint32_t k = 0; k < rank; k++) {
        if (k) text_add(out, ", ");
        json_dim(e, d[k], out);
    }
    text_add(out, "]");
}

static void json_symbol(emit *e, dim symbol, text *out)
{
    const interval r = dim_range(e->p->dims, symbol);
    const dim capacity = capacity_of(&e->bound, symbol);
    text_add(out, "{\"name\": ");
    json_text(out, dim_name(e->p->dims, symbol));
    text_addf(out, ", \"lo\": %" PRId64, r.lo);
    if (capacity) {
        text_add(out, dim_is_const(e->p->dims, capacity, NULL) ? ", \"hi\": " : ", \"at_most\": ");
        json_dim(e, capacity, out);
    } else if (r.hi != INT64_MAX) text_addf(out, ", \"hi\": %" PRId64, r.hi);
    text_add(out, "}");
}

static void json_io(emit *e, bool input, text *out)
{
    const uint32_t n = input ? e->p->inputs.n : e->p->outputs.n;
    text_addf(out, "  \"%s\": [", input ? "inputs" : "outputs");
    for (uint32_t k = 0; k < n; k++) {
        const slot_info *i = slot_at(e->p, input ? e->p->inputs.p[k] : e->p->outputs.p[k]);
        text_add(out, k ? ",\n    {\"name\": " : "\n    {\"name\": ");
        json_text(out, i->name);
        text_addf(out, ", \"field\": \"%s\", \"type\": \"%s\", \"shape\": ", input ? e->input[k] : e->output[k], elem_of(i->type)->name);
        json_dims(e, i->rank, i->extent, out);
        dim most[MAX_RANK];
        if (io_capacity(e, i, most)) {
            text_add(out, ", \"capacity\": ");
            json_dims(e, i->rank, most, out);
        }
        text_add(out, "}");
    }
    text_add(out, "],\n");
}

static void json_step(void *ctx, step *s)
{
    printed *first = ((void **)ctx)[0];
    text *out = ((void **)ctx)[1];
    emit *e = ((void **)ctx)[2];
    const dim work = step_work(e->p, s), bytes = step_bytes(e->p, s);
    text_addf(out, "%s\n    {\"id\": %u, \"kind\": \"%s\", \"nodes\": ", first->name ? "," : "", s->id,
              s->kind == STEP_NEST ? "nest" : s->kind == STEP_KERNEL ? "kernel" : s->kind == STEP_BAND ? "band" : "control");
    first->name = "";
    json_text(out, s->what ? s->what : "");
    if (!dim_is(e->p->dims, work, 0)) {
        text_add(out, ", \"multiply_adds\": ");
        json_dim(e, work, out);
    }
    if (!dim_is(e->p->dims, bytes, 0)) {
        text_add(out, ", \"bytes\": ");
        json_dim(e, bytes, out);
    }
    text_add(out, "}");
}

static void note_step(void *ctx, step *s)
{
    const emit *e = ((void **)ctx)[0];
    compiled *out = ((void **)ctx)[1];
    step_fact f = {s->id, s->kind == STEP_NEST ? "nest" : s->kind == STEP_KERNEL ? s->kernel->name : s->kind == STEP_BAND ? "band" : "control", s->what ? s->what : "", -1, -1};
    (void)dim_is_const(e->p->dims, band_work(e->p, s), &f.multiply_adds);
    (void)dim_is_const(e->p->dims, step_bytes(e->p, s), &f.bytes);
    VEC_PUSH(out->mem, out->steps, f);
    out->fast_steps += s->kind == STEP_KERNEL && s->kernel->fast;
}

static const char *const weights_words[] = {"auto", "c", "incbin", "string", "file", "pointer"};

static void count_narrow(void *ctx, step *s)
{
    const char *name = s->kind == STEP_KERNEL ? s->kernel->name : NULL;
    if (name && (!strcmp(name, "gemm_half") || !strcmp(name, "conv_half"))) ++*(int *)ctx;
}

/* How many steps multiply numbers of 16 bits, where that was permitted. */
static void json_precision(emit *e, text *out)
{
    int n = 0;
    if (e->o->precision == PRECISION_FP32) return;
    program_steps(e->p, count_narrow, &n);
    text_addf(out, "  \"half_steps\": %d,\n", n);
}

static void emit_manifest(emit *e, const compiled *done, text *out)
{
    model *m = e->p->model;
    text_addf(out, "{\n  \"generator\": \"onnxcc %s\",\n  \"name\": \"%s\",\n  \"target\": \"%s\",\n  \"sha256\": \"%s\",\n  \"opset\": {", ONNXCC_VERSION, e->name,
              e->target->name, m->sha256);
    for (uint32_t i = 0; i < m->opsets.n; i++) {
        if (opset_repeats(m, i)) continue;
        if (i) text_add(out, ", ");
        json_text(out, *m->opsets.p[i].domain ? m->opsets.p[i].domain : "ai.onnx");
        text_addf(out, ": %d", m->opsets.p[i].version);
    }
    text_add(out, "},\n");
    json_precision(e, out);
    const char *tuned = tuning_name(e->o->tuning, e->target);
    if (tuned) {
        text_add(out, "  \"tuning\": ");
        json_text(out, tuned);
        text_add(out, ",\n");
    }
    json_io(e, true, out);
    json_io(e, false, out);
    text_add(out, "  \"dims\": [");
    for (uint32_t i = 0; i < e->p->symbols.n; i++) {
        if (i) text_add(out, ", ");
        json_symbol(e, e->p->symbols.p[i], out);
    }
    text_add(out, "],\n");
    const int align = arena_align(e);
    if (arena_is_dynamic(e)) text_addf(out, "  \"arena\": {\"bytes\": null, \"align\": %d},\n", align);
    else
        text_addf(out, "  \"arena\": {\"bytes\": %" PRId64 ", \"lower_bound\": %" PRId64 ", \"sum\": %" PRId64 ", \"align\": %d},\n",
                  on_device(e) ? cuda_arena_bytes(e) : e->plan->arena.bytes, e->plan->arena.lower_bound, e->plan->arena.logical, align);
    if (e->plan->state_bytes) text_addf(out, "  \"state\": {\"bytes\": %" PRId64 ", \"align\": %d},\n", e->plan->state_bytes, align);
    if (has_host_arena(e) && e->plan->host.dynamic) text_add(out, "  \"host_arena\": {\"bytes\": null, \"align\": 64},\n");
    else if (has_host_arena(e)) text_addf(out, "  \"host_arena\": {\"bytes\": %" PRId64 ", \"lower_bound\": %" PRId64 ", \"align\": 64},\n", e->plan->host.bytes, e->plan->host.lower_bound);
    if (on_device(e)) text_addf(out, "  \"syncs\": %u,\n", e->n_syncs);
    const winograd_use *w = &done->winograd;
    if (w->layers || w->left)
        text_addf(out, "  \"winograd\": {\"convolutions\": %u, \"weights_bytes\": %" PRId64 ", \"multiply_adds_saved\": %" PRId64 ", \"left\": {\"convolutions\": %u, \"weights_bytes\": %" PRId64 ", \"multiply_adds_saved\": %" PRId64 "}},\n",
                  w->layers, w->bytes, w->saved, w->left, w->left_bytes, w->left_saved);
    text_addf(out, "  \"weights_bytes\": %" PRId64 ",\n  \"weights\": \"%s\",\n  \"multiply_adds\": ", e->plan->weights_bytes, weights_words[e->weights]);
    json_dim(e, program_work(e->p), out);
    text_add(out, ",\n  \"files\": [");
    for (uint32_t i = 0; i < done->files.n; i++) {
        if (i) text_add(out, ", ");
        json_text(out, done->files.p[i].name);
    }
    text_add(out, "],\n  \"steps\": [");
    printed first = {0};
    void *ctx[3] = {&first, out, e};
    program_steps(e->p, json_step, ctx);
    text_add(out, "]\n}\n");
}

static bool has_weights_file(const compiled *out, const char *suffix)
{
    for (uint32_t i = 0; i < out->files.n; i++) {
        const size_t n = strlen(out->files.p[i].name), k = strlen(suffix);
        if (n >= k && !strcmp(out->files.p[i].name + n - k, suffix)) return true;
    }
    return false;
}

static void weights_in_cmake(const emit *e, text *out)
{
    text_addf(out, "set_source_files_properties(%s_weights.S PROPERTIES COMPILE_OPTIONS \"-I${CMAKE_CURRENT_SOURCE_DIR}\" OBJECT_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/%s_weights.bin)\n",
              e->name, e->name);
}

/* --fmad=false: where a product and a sum are one operation is said in the source. Without exceptions the C++ library is not needed. */
static void cuda_cmake_text(emit *e, const compiled *done, text *out)
{
    const char *n = e->name;
    const bool s = has_weights_file(done, "_weights.S"), c = has_weights_file(done, "_weights.c");
    text_addf(out, "# generated by onnxcc %s: the model as a static library\ncmake_minimum_required(VERSION 3.18)\n", ONNXCC_VERSION);
    text_addf(out, "if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)\n  set(CMAKE_CUDA_ARCHITECTURES \"%s\")\nendif()\n",
              e->o->gpu_arch ? e->o->gpu_arch : "75;80;86;89;90;100;120");
    text_addf(out, "project(%s CUDA%s)\nadd_library(%s STATIC %s.cu%s)\n", n, s ? " ASM" : c ? " C" : "", n, n,
              s || c ? arena_printf(e->mem, " %s_weights.%c", n, s ? 'S' : 'c') : "");
    text_addf(out, "target_include_directories(%s PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})\n", n);
    text_addf(out, "set_target_properties(%s PROPERTIES CUDA_STANDARD 17 CUDA_RUNTIME_LIBRARY Static POSITION_INDEPENDENT_CODE ON)\n", n);
    text_addf(out, "target_compile_options(%s PRIVATE \"$<$<COMPILE_LANGUAGE:CUDA>:-O3;--fmad=false;-Xcompiler=-fno-exceptions,-fno-threadsafe-statics>\")\n", n);
    if (s) weights_in_cmake(e, out);
}

static void cmake_text(emit *e, const compiled *done, text *out)
{
    const char *n = e->name;
    const bool s = has_weights_file(done, "_weights.S"), c = has_weights_file(done, "_weights.c");
    text_addf(out, "# generated by onnxcc %s: the model as a static library\ncmake_minimum_required(VERSION 3.13)\nproject(%s C%s)\n", ONNXCC_VERSION, n, s ? " ASM" : "");
    text_addf(out, "add_library(%s STATIC %s.c%s%s)\n", n, n, s || c ? arena_printf(e->mem, " %s_weights", n) : "", s ? ".S" : c ? ".c" : "");
    text_addf(out, "target_include_directories(%s PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})\n", n);
    char *flags = arena_strndup(e->mem, e->target->cflags, strlen(e->target->cflags));
    for (char *f = flags; *f; f++)
        if (*f == ' ') *f = ';'; /* a CMake list */
    text_addf(out, "target_compile_options(%s PRIVATE $<$<COMPILE_LANGUAGE:C>:-std=c99;-O2;-ffp-contract=off;-fno-math-errno%s%s>)\n", n, *flags ? ";" : "", flags);
    if (s) weights_in_cmake(e, out);
    text_addf(out, "target_link_libraries(%s PUBLIC m)\n", n);
}

/* A program that runs the model once on zeros and prints what comes out. */
void emit_main(emit *e, text *out)
{
    const char *n = e->name;
    text_addf(out, "/* %s_main.c - generated by onnxcc %s: runs the model once on zeros, all dimensions at their smallest, room for the largest of those that it decides */\n#include <stdio.h>\n#include <stdlib.h>\n#include \"%s.h\"\n\n", n,
              ONNXCC_VERSION, n);
    text_addf(out,
              "int main(void)\n{\n    const onnxcc_model *m = %s_model();\n    int64_t dims[%u] = {0}, shape[16];\n    const void *in[%u] = {0};\n    void *out[%u] = {0};\n"
              "    static const int bytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 16, 1, 2, 8, 4, 8, 8, 16, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};\n    onnxcc_env env = {0};\n",
              n, e->p->symbols.n + 1, e->p->inputs.n + 1, e->p->outputs.n + 1);
    if (weights_outside(e))
        text_addf(out,
                  "    char *file = malloc(%s_WEIGHTS_BYTES + 64);\n    FILE *f = fopen(\"%s_weights.bin\", \"rb\");\n    if (!file || !f) return 1;\n"
                  "    file += (64 - (uintptr_t)file %% 64) %% 64;\n    if (fread(file, 1, %s_WEIGHTS_BYTES, f) != %s_WEIGHTS_BYTES) return 1;\n    fclose(f);\n"
                  "    if (m->check_weights && m->check_weights(file, %s_WEIGHTS_BYTES)) return 1;\n    env.weights = file;\n",
                  e->upper, n, e->upper, e->upper, e->upper);
    text_add(out, "    for (int i = 0; i < m->n_dims; i++) dims[i] = m->dims[i].input == -1 ? INT64_MAX : m->dims[i].lo;\n"
                  "    for (int i = 0; i < m->n_inputs; i++) {\n        size_t n = 1;\n"
                  "        for (int k = 0; k < m->inputs[i].rank; k++) n *= (size_t)(m->inputs[i].shape[k] >= 0 ? m->inputs[i].shape[k] : dims[-1 - m->inputs[i].shape[k]]);\n"
                  "        in[i] = calloc(n + 1, (size_t)bytes[m->inputs[i].type]);\n    }\n"
                  "    for (int i = 0; i < m->n_outputs; i++) {\n        size_t n = 1;\n        if (m->shape(i, dims, shape)) return 1;\n"
                  "        for (int k = 0; k < m->outputs[i].rank; k++) n *= (size_t)shape[k];\n        out[i] = calloc(n + 1, (size_t)bytes[m->outputs[i].type]);\n    }\n"
                  "    const int64_t need = m->prepare(dims);\n    if (need < 0) return 1;\n    char *arena = malloc((size_t)need + 64);\n    if (!arena) return 1;\n"
                  "    char *aligned = arena + (64 - (uintptr_t)arena % 64) % 64;\n"
                  "    char *state = calloc(m->state_bytes + 64, 1);\n    if (!state) return 1;\n"
                  "    const int rc = m->run(in, out, dims, aligned, (size_t)need, state + (64 - (uintptr_t)state % 64) % 64, &env);\n"
                  "    for (int i = 0; i < m->n_outputs && !rc; i++) {\n        printf(\"%s:\", m->outputs[i].name);\n"
                  "        if (m->outputs[i].type == 1) printf(\" %g\", (double)((float *)out[i])[0]);\n        printf(\"\\n\");\n    }\n"
                  "    free(state);\n    free(arena);\n    return rc ? 1 : 0;\n}\n");
}

static void names_of(emit *e)
{
    program *p = e->p;
    e->input = ARENA_ARRAY(e->mem, const char *, p->inputs.n + 1);
    e->output = ARENA_ARRAY(e->mem, const char *, p->outputs.n + 1);
    e->symbol = ARENA_ARRAY(e->mem, const char *, p->symbols.n + 1);
    const char **taken = ARENA_ARRAY(e->mem, const char *, p->inputs.n + p->symbols.n + 2);
    uint32_t n = 0;
    if (weights_outside(e) && !on_device(e)) taken[n++] = "weights";
    for (uint32_t i = 0; i < p->inputs.n; i++, n++) e->input[i] = taken[n] = c_identifier(e->mem, slot_at(p, p->inputs.p[i])->name, taken, n);
    for (uint32_t i = 0; i < p->symbols.n; i++, n++) e->symbol[i] = taken[n] = c_identifier(e->mem, dim_name(p->dims, p->symbols.p[i]), taken, n);
    for (uint32_t i = e->n_input_symbols; i < p->symbols.n; i++) taken[i - e->n_input_symbols] = e->symbol[i]; /* they are fields of the outputs too */
    const uint32_t bound = p->symbols.n - e->n_input_symbols;
    const char **beside = ARENA_ARRAY(e->mem, const char *, bound + p->outputs.n + 1);
    memcpy(beside, taken, bound * sizeof *beside);
    for (uint32_t i = 0; i < p->outputs.n; i++) e->output[i] = beside[bound + i] = c_identifier(e->mem, slot_at(p, p->outputs.p[i])->name, beside, bound + i);
}

static void add(emit *e, compiled *out, const char *name, void (*print)(emit *, text *))
{
    text t = {.mem = e->mem};
    print(e, &t);
    VEC_PUSH(e->mem, out->files, ((out_file){name, t.p, t.n}));
}

bool emit_c(program *p, const memory_plan *plan, const compile_options *o, const target *t, compiled *out)
{
    emit e = {.mem = out->mem, .p = p, .plan = plan, .o = o, .target = t, .name = out->name};
    char *upper = arena_strndup(e.mem, e.name, strlen(e.name));
    for (char *s = upper; *s; s++) *s = (char)toupper((unsigned char)*s);
    e.upper = upper;
    e.weights = weights_choose(&e, o->weights);
    e.binder = binder_new(e.mem, p->dims, p->diag, arena_printf(e.mem, "%s_", e.name), t->language == LANGUAGE_CUDA);
    if (!bound_symbols(&e)) return false;
    names_of(&e);
    const bool cuda = on_device(&e);
    add(&e, out, arena_printf(e.mem, cuda ? "%s.cu" : "%s.c", e.name), cuda ? emit_cuda_source : emit_source);
    add(&e, out, arena_printf(e.mem, "%s.h", e.name), emit_header);
    weights_files(&e, out);
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        if (!strcmp(f->name, "runtime/onnxcc_rt.h") || (cuda && !strcmp(f->name, "runtime/cuda/onnxcc_device.h")))
            VEC_PUSH(e.mem, out->files, ((out_file){strrchr(f->name, '/') + 1, f->data, f->size}));
    if (o->emit & EMIT_CMAKE) {
        text c = {.mem = e.mem};
        (cuda ? cuda_cmake_text : cmake_text)(&e, out, &c);
        VEC_PUSH(e.mem, out->files, ((out_file){"CMakeLists.txt", c.p, c.n}));
    }
    if (o->emit & EMIT_MAIN && !cuda) add(&e, out, arena_printf(e.mem, "%s_main.c", e.name), emit_main);
    text manifest = {.mem = e.mem}; /* last: it lists the others */
    emit_manifest(&e, out, &manifest);
    program_steps(p, note_step, (void *[]){&e, out});
    out->manifest = manifest.p;
    if (o->emit & EMIT_MANIFEST) VEC_PUSH(e.mem, out->files, ((out_file){arena_printf(e.mem, "%s.json", e.name), manifest.p, manifest.n}));
    out->cflags = t->cflags;
    out->target = t->name;
    for (uint32_t i = 0; i < p->inputs.n; i++) VEC_PUSH(e.mem, out->inputs, ((io_field){e.input[i], elem_of(slot_at(p, p->inputs.p[i])->type)->ctype}));
    for (uint32_t i = 0; i < p->outputs.n; i++) VEC_PUSH(e.mem, out->outputs, ((io_field){e.output[i], elem_of(slot_at(p, p->outputs.p[i])->type)->ctype}));
    for (uint32_t i = 0; i < p->symbols.n; i++) {
        if (i < e.n_input_symbols) VEC_PUSH(e.mem, out->dims, e.symbol[i]);
        else VEC_PUSH(e.mem, out->decided, e.symbol[i]);
    }
    out->arena_bytes = plan->arena.bytes;
    out->arena_lower_bound = plan->arena.lower_bound;
    out->weights_bytes = plan->weights_bytes;
    text work = {.mem = e.mem};
    dim_text(p->dims, program_work(p), &work);
    out->multiply_adds = work.p;
    out->n_steps = plan->n_steps;
    return !e.failed && !p->diag->errors;
}
