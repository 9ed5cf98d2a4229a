/* header.c - NAME.h: what a program that uses the model includes. */
#include <ctype.h>
#include <inttypes.h>

#include "emit/emit.h"

/* [1][n], as it stands in a comment */
static const char *extents_text(emit *e, uint32_t rank, const dim *extent)
{
    text t = {.mem = e->mem};
    for (uint32_t k = 0; k < rank; k++) {
        text_add(&t, "[");
        dim_text(e->p->dims, extent[k], &t);
        text_add(&t, "]");
    }
    return t.p ? comment_text(e->mem, t.p) : "";
}

/* 'name' float[1][16]; where the run decides a size, also what there has to be room for. */
static void io_words(emit *e, slot s, text *out)
{
    const slot_info *i = slot_at(e->p, s);
    dim most[MAX_RANK];
    text_addf(out, " '%s' %s%s", comment_text(e->mem, i->name), elem_of(i->type)->name, extents_text(e, i->rank, i->extent));
    if (io_capacity(e, i, most)) text_addf(out, ", with room for %s", extents_text(e, i->rank, most));
}

static void size_field(emit *e, uint32_t symbol, text *out)
{
    const dim d = e->p->symbols.p[symbol];
    text most = {.mem = e->mem};
    dim_text(e->p->dims, capacity_of(&e->bound, d), &most);
    text_addf(out, "    int64_t %s; /* set by the run: size '%s', at most %s */\n", e->symbol[symbol], comment_text(e->mem, dim_name(e->p->dims, d)), comment_text(e->mem, most.p));
}

static void fields(emit *e, text *out, bool input)
{
    const uint32_t n = input ? e->p->inputs.n : e->p->outputs.n;
    if (input && weights_in_run(e))
        text_addf(out, "    const void *weights; /* the %" PRId64 " bytes of %s_weights.bin, aligned to 64 bytes */\n", weights_outside_bytes(e), e->name);
    if (input && e->plan->state_bytes)
        text_addf(out, "    void *state; /* %s_STATE_BYTES bytes%s, aligned to %d, kept from run to run */\n", e->upper, on_device(e) ? " of the device" : "", arena_align(e));
    if (input && has_host_arena(e)) {
        text_addf(out, e->plan->host.dynamic ? "    void *host_arena; /* %s_host_bytes bytes" : "    void *host_arena; /* %s_HOST_BYTES bytes", e->plan->host.dynamic ? e->name : e->upper);
        text_add(out, " of the host, aligned to 64, for steps on strings; this run's alone, like the arena */\n");
    }
    for (uint32_t i = 0; i < n; i++) {
        const slot s = input ? e->p->inputs.p[i] : e->p->outputs.p[i];
        text_addf(out, "    %s%s *%s;", input ? "const " : "", elem_of(slot_at(e->p, s)->type)->ctype, input ? e->input[i] : e->output[i]);
        text_add(out, " /*");
        io_words(e, s, out);
        text_add(out, " */\n");
    }
    for (uint32_t i = e->n_input_symbols; !input && i < e->p->symbols.n; i++) size_field(e, i, out);
    if (input)
        for (uint32_t i = 0; i < e->n_input_symbols; i++) {
            const interval r = dim_range(e->p->dims, e->p->symbols.p[i]);
            text_addf(out, "    int64_t %s; /* dimension '%s', ", e->symbol[i], comment_text(e->mem, dim_name(e->p->dims, e->p->symbols.p[i])));
            if (r.hi == INT64_MAX) text_addf(out, "at least %" PRId64 " */\n", r.lo);
            else text_addf(out, "%" PRId64 " to %" PRId64 " */\n", r.lo, r.hi);
        }
    if (!n && !(input && (weights_in_run(e) || e->plan->state_bytes || has_host_arena(e))) && (input ? !e->n_input_symbols : e->n_input_symbols == e->p->symbols.n)) text_add(out, "    char none; /* a C struct may not be empty */\n");
}

/* A state that grows: the array that it is the beginning of. */
static void longer_words(emit *e, const slot_info *now, const slot_info *then, text *out)
{
    bool differ = false;
    for (uint32_t k = 0; k < now->rank; k++) differ |= now->extent[k] != then->extent[k];
    if (!differ) return;
    text t = {.mem = e->mem};
    for (uint32_t k = 0; k < now->rank; k++) {
        text_add(&t, "[");
        if (now->extent[k] == then->extent[k]) dim_text(e->p->dims, now->extent[k], &t);
        else text_addf(&t, "%" PRId64, dim_range(e->p->dims, then->extent[k]).hi);
        text_add(&t, "]");
    }
    text_addf(out, " in an array %s; after the run", comment_text(e->mem, t.p));
    t.n = 0;
    for (uint32_t k = 0; k < now->rank; k++) {
        text_add(&t, "[");
        dim_text(e->p->dims, then->extent[k], &t);
        text_add(&t, "]");
    }
    text_addf(out, " %s of it", comment_text(e->mem, t.p));
}

/* What the state holds, at which byte: for callers that begin with something else than zeros. */
static void state_macro(emit *e, text *out)
{
    if (!e->plan->state_bytes) return;
    text_addf(out, "/* Memory that each sequence of runs has of its own: fill it with what the first run is to read, mostly zeros.");
    for (uint32_t i = 0; i < e->plan->state.n; i++) {
        const uint32_t buf = e->plan->state.p[i].to;
        slot first = 0;
        for (uint32_t s = 1; s < e->p->slot.n; s++) {
            if (slot_at(e->p, s)->kind != SLOT_STATE || slot_at(e->p, s)->view.buf != buf) continue;
            if (first) longer_words(e, slot_at(e->p, first), slot_at(e->p, s), out);
            if (first) continue; /* what a run makes of it is in the same place */
            first = s;
            text_addf(out, "\n * byte %" PRId64 ":", e->p->buf.p[buf].offset);
            io_words(e, s, out);
        }
    }
    text_addf(out, " */\n#define %s_STATE_BYTES %" PRId64 "\n\n", e->upper, e->plan->state_bytes);
}

static void device_functions(emit *e, text *out)
{
    const char *n = e->name;
    text_addf(out,
              "/* The functions below take an arena in the memory of the device, aligned to %d bytes, which belongs to one run at a time, and work on the stream\n"
              " * env->stream (`env` may be NULL: the default stream, silent). They allocate nothing and return 0 or a negative ONNXCC_E_ code from onnxcc_rt.h. */\n\n"
              "/* Puts the weights into the arena: once, before the first run. `weights`: %s. */\n"
              "int %s_upload(void *arena, const void *weights, const onnxcc_env *env);\n\n"
              "/* Runs the model on tensors of the host: copies them to the device and back, and waits. */\n"
              "int %s_run(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env);\n\n"
              "/* Runs it on tensors of the device, which are aligned to 16 bytes%s",
              arena_align(e), weights_outside(e) ? arena_printf(e->mem, "the bytes of %s_weights.bin", n) : "NULL, for those that are linked in", n, n, n, n,
              has_strings(e->p) ? " (strings are the host's)" : "");
    if (!e->n_syncs) text_add(out, ", and returns when all is launched, before it is done.");
    else text_addf(out, ", and waits at %u place%s for a number that decides how to go on.", e->n_syncs, e->n_syncs == 1 ? "" : "s");
    if (any_can_fail(e)) text_add(out, "\n * An index outside its tensor leaves a code in the int at the start of the arena.");
    text_addf(out,
              " */\nint %s_enqueue(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env);\n\n"
              "/* The same as a graph: *graph is a cudaGraphExec_t for cudaGraphLaunch, which reads and writes these tensors. Needs a stream of its own%s. */\n"
              "int %s_capture(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env, void **graph);\n\n",
              n, n, n, e->n_syncs ? "; refused\n * for this model (ONNXCC_E_CAPTURE), which waits for numbers" : "", n, n, n);
}

void emit_header(emit *e, text *out)
{
    head_comment(e, out);
    text_addf(out, "#ifndef %s_H\n#define %s_H\n#include \"onnxcc_rt.h\"\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", e->upper, e->upper);
    if (arena_is_dynamic(e))
        text_addf(out, "/* Bytes of arena depend on the dimensions: ask %s_arena_bytes. */\n#define %s_ARENA_ALIGN %d\n\n", e->name, e->upper, arena_align(e));
    else
        text_addf(out, "#define %s_ARENA_BYTES %" PRId64 "\n#define %s_ARENA_ALIGN %d\n\n", e->upper, on_device(e) ? cuda_arena_bytes(e) : e->plan->arena.bytes, e->upper,
                  arena_align(e));
    if (has_host_arena(e) && !e->plan->host.dynamic) text_addf(out, "#define %s_HOST_BYTES %" PRId64 "\n\n", e->upper, e->plan->host.bytes);
    custom_prototypes(e, out);
    if (weights_outside(e)) text_addf(out, "#define %s_WEIGHTS_BYTES %" PRId64 " /* of %s_weights.bin */\n\n", e->upper, weights_outside_bytes(e), e->name);
    state_macro(e, out);
    text_add(out, "typedef struct {\n");
    fields(e, out, true);
    text_addf(out, "} %s_inputs;\n\ntypedef struct {\n", e->name);
    fields(e, out, false);
    text_addf(out, "} %s_outputs;\n\n", e->name);
    if (arena_is_dynamic(e))
        text_addf(out,
                  "/* Bytes of arena that a run with these dimensions needs; the pointers in `in` are not looked at. Negative: a code as of run. */\n"
                  "int64_t %s_arena_bytes(const %s_inputs *in);\n\n",
                  e->name, e->name);
    if (has_host_arena(e) && e->plan->host.dynamic)
        text_addf(out, "/* Bytes of the host's arena, likewise. */\nint64_t %s_host_bytes(const %s_inputs *in);\n\n", e->name, e->name);
    if (e->weights == WEIGHTS_FILE)
        text_addf(out,
                  "/* Whether `data` is %s_weights.bin as it was generated, whole and unchanged, at an address that is a multiple of 64. Call it once after mapping\n"
                  " * or reading the file: runs don't look again. Returns 0, or ONNXCC_E_WEIGHTS. */\n"
                  "int %s_check_weights(const void *data, size_t size);\n\n",
                  e->name, e->name);
    if (on_device(e)) device_functions(e, out);
    else
        text_addf(out,
                  "/* Runs the model once. `arena` is aligned to 64 bytes and need not be initialized; `env` may be NULL (one thread, silent).\n"
                  " * Re-entrant: all state is in the arguments. Returns 0, or a negative ONNXCC_E_ code from onnxcc_rt.h. */\n"
                  "int %s_run(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env);\n\n",
                  e->name, e->name, e->name);
    text_addf(out,
              "/* Names, types, shapes and entry points, for loaders that know no model in particular. */\n"
              "const onnxcc_model *%s_model(void);\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n",
              e->name);
}
