/* cuda.c - NAME.cu: the steps as kernels, and host functions that put the weights on the device and launch the steps in order.
 *
 * The caller's arena is memory of the device: a status word, the weights, what the plan places, and room for copies of inputs and outputs, which
 * only NAME_run uses. Nothing is allocated; NAME_enqueue waits only where a value on the device decides what comes next. */
#include <inttypes.h>
#include <string.h>

#include "emit/emit.h"
#include "emit/trim.h"

enum { WEIGHTS_AT = 256 /* behind the status word */, KERNEL_THREADS = 64 };

static int64_t up(int64_t bytes)
{
    return bytes > INT64_MAX - 255 ? INT64_MAX : (bytes + 255) / 256 * 256;
}

/* Of a tensor on the device: strings stay on the host. */
static dim bytes_of(emit *e, slot s)
{
    const slot_info *i = slot_at(e->p, s);
    dims *d = e->p->dims;
    if (i->type == ELEM_STRING) return dim_const(d, 0);
    const int bits = elem_of(i->type)->bits;
    const dim n = at_capacity(d, &e->bound, dim_product(d, i->extent, i->rank));
    return bits >= 8 ? dim_mulc(d, n, bits / 8) : dim_cdiv(d, dim_mulc(d, n, bits), dim_const(d, 8));
}

static int64_t plan_at(const emit *e)
{
    return WEIGHTS_AT + up(e->plan->weights_bytes);
}

int64_t cuda_arena_bytes(emit *e)
{
    int64_t bytes = plan_at(e) + up(e->plan->arena.bytes);
    for (uint32_t i = 0; i < e->p->inputs.n; i++) bytes = sat_add(bytes, up(dim_range(e->p->dims, bytes_of(e, e->p->inputs.p[i])).hi));
    for (uint32_t i = 0; i < e->p->outputs.n; i++) bytes = sat_add(bytes, up(dim_range(e->p->dims, bytes_of(e, e->p->outputs.p[i])).hi));
    return bytes;
}

/* ---- steps ---- */

static void print_nest_kernel(emit *e, step *s, text *out)
{
    printed *f = &e->by_step[s->id];
    const print_options o = {.vl = 1, .math = e->o->math};
    text body = {.mem = e->mem};
    nest_print_cuda(e->p, s->nest, "HOOK", &o, &body, &f->sig, &e->launch[s->id]);
    share_step(e, s, body.p, out);
    for (uint32_t i = 0; i < f->sig.slots.n; i++) VEC_PUSH(e->mem, f->args, ((printed_arg){f->sig.slots.p[i], is_written(e, s, f->sig.slots.p[i]), false}));
}

static bool has_scratch(const kernel *k)
{
    for (uint32_t i = 0; i < k->n_arg; i++)
        if (k->arg[i].role == ARG_SCRATCH) return true;
    return false;
}

/* A kernel of CUDA's own; or one of the CPU as device code: a thread for each part of its range, or one for all of it. */
static void print_thread_kernel(emit *e, step *s, text *out)
{
    printed *f = &e->by_step[s->id];
    dims *d = e->p->dims;
    if (s->kernel->launch.blocks) text_addf(out, "/* %u  %s */\n", s->id, comment_text(e->mem, s->what ? s->what : ""));
    print_kernel(e, s, out);
    const char *inner = f->name, *comma = "";
    e->launch[s->id] = s->kernel->launch;
    if (!inner || s->kernel->launch.blocks) return;
    const bool split = f->sig.ranged && !has_scratch(s->kernel);
    e->launch[s->id] = split ? (launch_shape){.blocks = dim_cdiv(d, f->sig.range, dim_const(d, KERNEL_THREADS)), .threads = KERNEL_THREADS}
                             : (launch_shape){.blocks = dim_const(d, 1), .threads = 1};
    text t = {.mem = e->mem};
    text_addf(&t, "OCC_KERNEL(HOOK, %d)(", split ? KERNEL_THREADS : 1);
    for (uint32_t i = 0; i < f->args.n; i++) {
        if (!f->args.p[i].slot) continue; /* an optional input that is not there */
        text_addf(&t, "%s%s%s *a%u", comma, f->args.p[i].written ? "" : "const ", elem_of(slot_at(e->p, f->args.p[i].slot)->type)->ctype, i);
        comma = ", ";
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++, comma = ", ") text_addf(&t, "%sint64_t d%u", comma, i);
    if (f->sig.ranged) text_addf(&t, "%sint64_t range", comma);
    text_add(&t, ")\n{\n");
    if (split) text_addf(&t, "    const int64_t part = (int64_t)blockIdx.x * %d + (int64_t)threadIdx.x;\n    if (part >= range) return;\n", KERNEL_THREADS);
    text_addf(&t, "    %s(", inner);
    comma = "";
    for (uint32_t i = 0; i <= f->args.n; i++) {
        if (i == f->args_before_range && f->sig.ranged) {
            text_addf(&t, split ? "%spart, part + 1" : "%s0, range", comma);
            comma = ", ";
        }
        if (i == f->args.n) break;
        if (f->args.p[i].slot) text_addf(&t, "%sa%u", comma, i);
        else text_addf(&t, "%sNULL", comma);
        comma = ", ";
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++, comma = ", ") text_addf(&t, "%sd%u", comma, i);
    text_add(&t, ");\n}\n");
    f->sig.names.n = 0; /* none of the kernel's own */
    share_step(e, s, t.p, out);
}

typedef struct {
    emit *e;
    text *out;
} step_printer;

static void print_step(void *ctx, step *s)
{
    const step_printer *w = ctx;
    if (s->host) print_host_step(w->e, s, w->out);
    else if (s->kind == STEP_NEST) print_nest_kernel(w->e, s, w->out);
    else if (s->kind == STEP_KERNEL) print_thread_kernel(w->e, s, w->out);
}

void cuda_call(emit *e, const step *s, const char *indent, text *out)
{
    const printed *f = &e->by_step[s->id];
    const launch_shape l = e->launch[s->id];
    text blocks = {.mem = e->mem};
    if (!f->name || dim_is(e->p->dims, l.blocks, 0)) return;
    dim_c(e, l.blocks, "in->", &blocks);
    if (dim_range(e->p->dims, l.blocks).lo < 1) text_addf(out, "%sif (%s > 0)\n    ", indent, blocks.p); /* CUDA refuses a launch of nothing */
    text_addf(out, "%sOCC_LAUNCH(%s, (unsigned)(%s), %d, %" PRId64 ", stream", indent, f->name, blocks.p, l.threads, l.shared);
    for (uint32_t i = 0; i < f->args.n; i++) {
        if (!f->args.p[i].slot) continue;
        text_add(out, ", ");
        slot_argument(e, f->args.p[i].slot, f->args.p[i].from_view, out);
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) {
        text_add(out, ", ");
        dim_c(e, f->sig.symbols.p[i], "in->", out);
    }
    if (s->kind == STEP_KERNEL && f->sig.ranged) {
        text_add(out, ", ");
        dim_c(e, f->sig.range, "in->", out);
    }
    if (f->sig.can_fail) text_add(out, ", (int *)arena");
    text_addf(out, ");\n%sif ((rc = %s_cuda(env, cudaGetLastError(), \"launch of step %u\")) != 0) return rc;\n", indent, e->name, s->id);
}

/* ---- host ---- */

static void error_function(emit *e, text *out)
{
    text_addf(out,
              "/* A code for what a call of CUDA returned; its name and text go to the caller. */\n"
              "static int %s_cuda(const onnxcc_env *env, cudaError_t error, const char *what)\n{\n"
              "    if (error == cudaSuccess) return ONNXCC_OK;\n"
              "    if (env && env->message) snprintf(env->message, env->message_bytes, \"%%s: %%s (%%s)\", what, cudaGetErrorName(error), cudaGetErrorString(error));\n"
              "    return ONNXCC_E_DEVICE;\n}\n\n",
              e->name);
}

static void read_function(emit *e, text *out)
{
    text_addf(out,
              "/* A number of `bytes` bytes on the device, which decides what the host does next: waits for all that was launched. */\n"
              "static int64_t %s_read(const onnxcc_env *env, const void *from, size_t bytes, int *rc)\n{\n"
              "    const cudaStream_t stream = env ? (cudaStream_t)env->stream : NULL;\n    int64_t number = 0;\n"
              "    *rc = %s_cuda(env, cudaMemcpyAsync(&number, from, bytes, cudaMemcpyDeviceToHost, stream), \"reading a size or condition\");\n"
              "    if (!*rc) *rc = %s_cuda(env, cudaStreamSynchronize(stream), \"reading a size or condition\");\n"
              "    return *rc ? 0 : number;\n}\n\n",
              e->name, e->name, e->name);
}

static void upload_function(emit *e, text *out)
{
    const char *n = e->name;
    text_addf(out, "int %s_upload(void *arena, const void *weights, const onnxcc_env *env)\n{\n", n);
    text_addf(out, "    if (!arena || (uintptr_t)arena %% %d) return ONNXCC_E_ARENA;\n", arena_align(e));
    if (!e->plan->weights_bytes) text_add(out, "    (void)weights;\n    (void)env;\n    return ONNXCC_OK;\n}\n\n");
    else {
        if (weights_outside(e)) text_add(out, "    if (!weights) return ONNXCC_E_NULL;\n");
        else text_addf(out, "    if (!weights) weights = %s_weights;\n", n);
        text_addf(out,
                  "    return %s_cuda(env, cudaMemcpyAsync((char *)arena + %" PRId64 ", (const char *)weights + %" PRId64 ", %" PRId64 ", cudaMemcpyHostToDevice,\n"
                  "                   env ? (cudaStream_t)env->stream : NULL), \"upload of the weights\");\n}\n\n",
                  n, (int64_t)WEIGHTS_AT, weights_outside_bytes(e) - (weights_outside(e) ? e->plan->weights_bytes : 0), e->plan->weights_bytes);
    }
}

/* NAME_places: where the copies of inputs and outputs lie in the arena. */
static void places_function(emit *e, text *out)
{
    const uint32_t in = e->p->inputs.n, n = in + e->p->outputs.n;
    text_addf(out,
              "/* Bytes from the start of the arena to the copies of inputs and outputs, in order; the last entry is the size of the arena. */\n"
              "static void %s_places(const %s_inputs *in, int64_t *place)\n{\n    (void)in;\n",
              e->name, e->name);
    if (e->plan->arena.dynamic)
        text_addf(out, "    int64_t region[%u];\n    place[0] = %" PRId64 " + (%s_place(in, region) + 255) / 256 * 256;\n", e->plan->arena.n_regions + 1, plan_at(e), e->name);
    else text_addf(out, "    place[0] = %" PRId64 ";\n", plan_at(e) + up(e->plan->arena.bytes));
    for (uint32_t i = 0; i < n; i++) {
        text_addf(out, "    place[%u] = place[%u] + (", i + 1, i);
        dim_c(e, bytes_of(e, i < in ? e->p->inputs.p[i] : e->p->outputs.p[i - in]), "in->", out);
        text_add(out, " + 255) / 256 * 256;\n");
    }
    text_add(out, "}\n\n");
    if (arena_is_dynamic(e))
        text_addf(out,
                  "int64_t %s_arena_bytes(const %s_inputs *in)\n{\n    int64_t place[%u];\n    if (!in) return ONNXCC_E_NULL;\n",
                  e->name, e->name, n + 1);
    if (!arena_is_dynamic(e)) return;
    check_dims(e, out);
    text_addf(out, "    %s_places(in, place);\n    return place[%u];\n}\n\n", e->name, n);
}

static void enqueue_function(emit *e, const text *steps, text *out)
{
    const char *n = e->name;
    text_addf(out, "int %s_enqueue(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env)\n{\n", n, n, n);
    text_add(out, "    const cudaStream_t stream = env ? (cudaStream_t)env->stream : NULL;\n");
    if (strstr(steps->p, "(weights + ")) text_addf(out, "    const char *const weights = (const char *)arena + %" PRId64 ";\n", (int64_t)WEIGHTS_AT);
    if (strstr(steps->p, "(at + ")) text_addf(out, "    char *const at = (char *)arena + %" PRId64 ";\n", plan_at(e));
    text_add(out, "    int rc = 0;\n");
    run_begin(e, true, out);
    host_arena_begin(e, out);
    if (e->host_constants && weights_outside(e)) text_add(out, "    if (!in->weights) return ONNXCC_E_NULL;\n    if ((uintptr_t)in->weights % 64) return ONNXCC_E_WEIGHTS;\n");
    text_add(out, "    (void)cudaGetLastError(); /* an error of the caller's that is left is none of this run */\n");
    if (any_can_fail(e)) text_addf(out, "    if ((rc = %s_cuda(env, cudaMemsetAsync(arena, 0, sizeof(int), stream), \"clearing the status\")) != 0) return rc;\n", n);
    text_add(out, "\n");
    text_addn(out, steps->p, steps->n);
    text_add(out, "    (void)stream;\n");
    run_end(e, out);
}

static bool is_string(const emit *e, slot s)
{
    return slot_at(e->p, s)->type == ELEM_STRING;
}

static void copies(emit *e, bool input, text *out)
{
    const uint32_t n = input ? e->p->inputs.n : e->p->outputs.n;
    for (uint32_t i = 0; i < n; i++) {
        const char *field = input ? e->input[i] : e->output[i];
        if (is_string(e, input ? e->p->inputs.p[i] : e->p->outputs.p[i])) continue;
        text_addf(out, "    if ((rc = %s_cuda(env, cudaMemcpyAsync(", e->name);
        if (input) text_addf(out, "(void *)device_in.%s, in->%s", field, field);
        else text_addf(out, "out->%s, device_out.%s", field, field);
        text_add(out, ", (size_t)(");
        dim_c(e, bytes_of(e, input ? e->p->inputs.p[i] : e->p->outputs.p[i]), "in->", out);
        text_addf(out, "), cudaMemcpy%s, stream), \"copy of %s %u\")) != 0) return rc;\n", input ? "HostToDevice" : "DeviceToHost", input ? "input" : "output", i);
    }
}

static void device_run_function(emit *e, text *out)
{
    const char *n = e->name;
    const uint32_t in = e->p->inputs.n;
    text_addf(out,
              "int %s_run(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env)\n{\n"
              "    const cudaStream_t stream = env ? (cudaStream_t)env->stream : NULL;\n    int64_t place[%u];\n    int rc, status = 0;\n"
              "    if (!in || !out) return ONNXCC_E_NULL;\n    if (!arena) return ONNXCC_E_ARENA;\n",
              n, n, n, in + e->p->outputs.n + 1);
    for (uint32_t i = 0; i < in; i++) text_addf(out, "    if (!in->%s) return ONNXCC_E_NULL;\n", e->input[i]);
    for (uint32_t i = 0; i < e->p->outputs.n; i++) text_addf(out, "    if (!out->%s) return ONNXCC_E_NULL;\n", e->output[i]);
    check_dims(e, out);
    check_values(e, out);
    text_addf(out, "    %s_inputs device_in = *in;\n    %s_outputs device_out = *out;\n    %s_places(in, place);\n", n, n, n);
    for (uint32_t i = 0; i < in; i++)
        if (!is_string(e, e->p->inputs.p[i])) text_addf(out, "    device_in.%s = (const %s *)(const void *)((char *)arena + place[%u]);\n", e->input[i], elem_of(slot_at(e->p, e->p->inputs.p[i])->type)->ctype, i);
    for (uint32_t i = 0; i < e->p->outputs.n; i++)
        if (!is_string(e, e->p->outputs.p[i])) text_addf(out, "    device_out.%s = (%s *)(void *)((char *)arena + place[%u]);\n", e->output[i], elem_of(slot_at(e->p, e->p->outputs.p[i])->type)->ctype, in + i);
    copies(e, true, out);
    text_addf(out, "    rc = %s_enqueue(&device_in, &device_out, arena, env);\n", n);
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) text_addf(out, "    out->%s = device_out.%s;\n", e->symbol[i], e->symbol[i]);
    text_add(out, "    if (rc != 0) return rc;\n");
    copies(e, false, out);
    if (any_can_fail(e)) text_addf(out, "    if ((rc = %s_cuda(env, cudaMemcpyAsync(&status, arena, sizeof status, cudaMemcpyDeviceToHost, stream), \"reading the status\")) != 0) return rc;\n", n);
    text_addf(out, "    if ((rc = %s_cuda(env, cudaStreamSynchronize(stream), \"waiting for the run\")) != 0) return rc;\n", n);
    text_add(out, "    return status;\n}\n\n");
}

static void capture_function(emit *e, text *out)
{
    const char *n = e->name;
    text_addf(out, "int %s_capture(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env, void **graph)\n{\n", n, n, n);
    if (e->n_syncs) {
        text_addf(out,
                  "    (void)in, (void)out, (void)arena, (void)graph;\n"
                  "    if (env && env->message) snprintf(env->message, env->message_bytes, \"%%s\", ");
        string_literal(out, e->no_capture);
        text_add(out, ");\n    return ONNXCC_E_CAPTURE;\n}\n\n");
        return;
    }
    text_addf(out,
              "    const cudaStream_t stream = env ? (cudaStream_t)env->stream : NULL;\n    cudaGraph_t made = NULL;\n    cudaGraphExec_t ready = NULL;\n    int rc, ended;\n"
              "    if (!stream || !graph) return ONNXCC_E_NULL;\n"
              "    if ((rc = %s_cuda(env, cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), \"begin of the capture\")) != 0) return rc;\n"
              "    rc = %s_enqueue(in, out, arena, env);\n"
              "    ended = %s_cuda(env, cudaStreamEndCapture(stream, &made), \"end of the capture\");\n"
              "    if (rc || ended) {\n        if (made) cudaGraphDestroy(made);\n        (void)cudaGetLastError();\n        return rc ? rc : ended;\n    }\n"
              "    rc = %s_cuda(env, cudaGraphInstantiate(&ready, made, 0), \"making the graph\");\n"
              "    cudaGraphDestroy(made);\n    *graph = ready;\n    return rc;\n}\n\n",
              n, n, n, n);
}

static void memory_functions(emit *e, text *out)
{
    text_addf(out,
              "static void *%s_device_alloc(size_t bytes)\n{\n    void *p = NULL;\n"
              "    if (cudaMalloc(&p, bytes ? bytes : 1) != cudaSuccess || cudaMemset(p, 0, bytes ? bytes : 1) != cudaSuccess) return NULL;\n    return p;\n}\n\n"
              "static void %s_device_free(void *p)\n{\n    cudaFree(p);\n}\n\n",
              e->name, e->name);
}

/* ---- the file ---- */

static void preamble(emit *e, text *out)
{
    head_comment(e, out);
    text_addf(out, "#define OCC_CUDA 1\n#define VL 1\n#include <stdio.h>\n#include \"onnxcc_device.h\"\n#include \"%s.h\"\n\n", e->name);
    text_addf(out, "/* The arena, in bytes from its start: 0 a status word, %" PRId64 " the weights, %" PRId64 " what steps hand on to others, ", (int64_t)WEIGHTS_AT, plan_at(e));
    if (e->plan->arena.dynamic) text_addf(out, "behind it copies of inputs and outputs (%s_places). */\n\n", e->name);
    else text_addf(out, "%" PRId64 " copies of inputs and outputs (%s_places). */\n\n", plan_at(e) + up(e->plan->arena.bytes), e->name);
    text_add(out, "#undef restrict\n#define restrict __restrict__\n");
    if (e->o->math == MATH_STRICT) text_add(out, "#define SIMD_NO_FMA 1 /* the same bits with and without the instruction */\n");
}

void emit_cuda_source(emit *e, text *out)
{
    text kernels = {.mem = e->mem}, host = {.mem = e->mem}, calls = {.mem = e->mem}, folds = {.mem = e->mem}, header = {.mem = e->mem};
    step_printer w = {e, &kernels};
    text_add(&kernels, "");
    text_add(&calls, "");
    e->by_step = ARENA_ARRAY(e->mem, printed, e->plan->n_steps + 1);
    e->launch = ARENA_ARRAY(e->mem, launch_shape, e->plan->n_steps + 1);
    weights_declare(e, &host);
    program_steps(e->p, print_step, &w);
    call_block(e, &e->p->main, "    ", &calls);
    e->failed |= e->p->diag->errors != 0;
    error_function(e, &host);
    if (strstr(calls.p, "_read(env, ")) read_function(e, &host);
    place_function(e, &host);
    host_arena_functions(e, &host);
    places_function(e, &host);
    upload_function(e, &host);
    enqueue_function(e, &calls, &host);
    device_run_function(e, &host);
    capture_function(e, &host);
    weights_check_function(e, &host);
    memory_functions(e, &host);
    emit_description(e, &host);
    copy_header(e, "templates/cuda", "four.h", &header);
    copy_header(e, "templates/cuda", "fold.h", &header);
    trim_header(e->mem, header.p, kernels.p, 1, &folds);
    if (folds.p) text_addn(&folds, kernels.p, kernels.n);
    const text *steps = folds.p ? &folds : &kernels;
    text all = {.mem = e->mem};
    text_addn(&all, steps->p, steps->n);
    text_addn(&all, host.p, host.n);
    preamble(e, out);
    print_helpers(e, all.p, out);
    text_addn(out, all.p, all.n);
}
