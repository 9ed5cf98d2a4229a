/* describe.c - what a loader gets of a model: names, types, shapes, and functions that take all tensors as lists. */
#include <inttypes.h>

#include "emit/emit.h"

static void shape_table(emit *e, const char *what, uint32_t k, slot s, text *out)
{
    const slot_info *i = slot_at(e->p, s);
    text_addf(out, "static const int64_t %s_%s_shape%u[] = {", e->name, what, k);
    for (uint32_t a = 0; a < i->rank; a++) {
        int64_t v;
        const int32_t sym = symbol_index(e, i->extent[a]);
        if (dim_is_const(e->p->dims, i->extent[a], &v)) text_addf(out, "%" PRId64 ", ", v);
        else if (sym >= 0) text_addf(out, "%d, ", -1 - sym);
        else text_add(out, "INT64_MIN, ");
    }
    text_add(out, "0};\n");
}

static void info_table(emit *e, const char *what, bool input, text *out)
{
    const uint32_t n = input ? e->p->inputs.n : e->p->outputs.n;
    for (uint32_t k = 0; k < n; k++) shape_table(e, what, k, input ? e->p->inputs.p[k] : e->p->outputs.p[k], out);
    text_addf(out, "static const onnxcc_tensor_info %s_%s_info[] = {\n", e->name, what);
    for (uint32_t k = 0; k < n; k++) {
        const slot_info *i = slot_at(e->p, input ? e->p->inputs.p[k] : e->p->outputs.p[k]);
        const interval r = dim_range(e->p->dims, dim_product(e->p->dims, i->extent, i->rank));
        const int64_t bytes = r.hi == INT64_MAX ? 0 : sat_mul(r.hi, elem_of(i->type)->bits / 8);
        text_add(out, "    {");
        string_literal(out, i->name);
        text_addf(out, ", %d, %u, %s_%s_shape%u, INT64_C(%" PRId64 ")},\n", (int)i->type, i->rank, e->name, what, k, bytes);
    }
    text_add(out, n ? "};\n" : "    {0, 0, 0, 0, 0}};\n");
}

static void dim_table(emit *e, text *out)
{
    if (!e->p->symbols.n) return;
    text_addf(out, "static const onnxcc_dim_info %s_dims[] = {\n", e->name);
    for (uint32_t i = 0; i < e->p->symbols.n; i++) {
        const dim s = e->p->symbols.p[i];
        const interval r = dim_range(e->p->dims, s);
        int input = -1, axis = 0;
        for (uint32_t k = 0; k < e->p->inputs.n && input < 0; k++) {
            const slot_info *in = slot_at(e->p, e->p->inputs.p[k]);
            for (uint32_t a = 0; a < in->rank && input < 0; a++)
                if (in->extent[a] == s) {
                    input = (int)k;
                    axis = (int)a;
                }
        }
        if (input < 0 && i < e->n_input_symbols) input = -2;
        text_add(out, "    {");
        string_literal(out, dim_name(e->p->dims, s));
        text_addf(out, ", %" PRId64 ", ", r.lo);
        text_addf(out, r.hi == INT64_MAX ? "INT64_MAX" : "%" PRId64, r.hi);
        text_addf(out, ", %d, %d},\n", input, axis);
    }
    text_add(out, "};\n");
}

static void set_symbols(emit *e, text *out)
{
    for (uint32_t i = 0; i < e->n_input_symbols; i++) text_addf(out, "    in.%s = dims[%u];\n", e->symbol[i], i);
}

/* What a size of the state alone is after a run: the shape of "output" -1-k for dimension k. Left out where two states that begin with one size end with
 * different ones. */
static void grown_sizes(emit *e, text *out)
{
    const program *p = e->p;
    for (uint32_t k = 0; k < e->n_input_symbols; k++) {
        dim after = 0;
        bool same = true;
        for (uint32_t i = 0; i < p->grows.n; i++) {
            if (p->grows.p[i].before != p->symbols.p[k]) continue;
            same &= !after || after == p->grows.p[i].after;
            after = p->grows.p[i].after;
        }
        if (!after || !same) continue;
        text_addf(out, "    case -1 - %u:\n        shape[0] = ", k);
        dim_c(e, after, "", out);
        text_add(out, ";\n        return 0;\n");
    }
}

/* Where a size becomes smaller with one that the run decides, its largest is not at that one's capacity. */
static void size_text(emit *e, dim d, text *out)
{
    dims *t = e->p->dims;
    const run_sizes *b = &e->bound;
    const dim most = at_capacity(t, b, d), at_most = dim_subst(t, d, b->symbol.n, b->symbol.p, b->most.p);
    if (most != at_most) {
        text_addf(out, "dims[%u] == INT64_MAX ? ", e->n_input_symbols); /* before the run */
        dim_c(e, most, "", out);
        text_add(out, " : ");
    }
    dim_c(e, d, "", out);
}

static void shape_function(emit *e, text *out)
{
    text_addf(out, "static int %s_shape(int output, const int64_t *dims, int64_t *shape)\n{\n", e->name);
    text_add(out, "    (void)dims;\n");
    e->by_dims = true;
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) { /* before a run the capacity, after it what the run decided */
        const dim capacity = capacity_of(&e->bound, e->p->symbols.p[i]);
        text_addf(out, "    const int64_t b_%s = onnxcc_min(dims[%u], ", e->symbol[i], i);
        dim_c(e, capacity, "", out);
        text_addf(out, ");\n    (void)b_%s;\n", e->symbol[i]);
    }
    text_add(out, "    (void)shape;\n    switch (output) {\n");
    for (uint32_t k = 0; k < e->p->outputs.n; k++) {
        const slot_info *i = slot_at(e->p, e->p->outputs.p[k]);
        text_addf(out, "    case %u:\n", k);
        for (uint32_t a = 0; a < i->rank; a++) {
            text_addf(out, "        shape[%u] = ", a);
            size_text(e, i->extent[a], out);
            text_add(out, ";\n");
        }
        text_add(out, "        return 0;\n");
    }
    grown_sizes(e, out);
    e->by_dims = false;
    text_add(out, "    default: return ONNXCC_E_NULL;\n    }\n}\n\n");
}

/* NAME_prepare_host, for loaders: bytes of the host's arena. */
static void prepare_host(emit *e, text *out)
{
    if (!has_host_arena(e)) return;
    text_addf(out, "static int64_t %s_prepare_host(const int64_t *dims)\n{\n", e->name);
    if (e->plan->host.dynamic) {
        text_addf(out, "    %s_inputs in;\n    memset(&in, 0, sizeof in);\n", e->name);
        set_symbols(e, out);
        text_addf(out, "    return %s_host_bytes(&in);\n}\n\n", e->name);
    } else text_addf(out, "    (void)dims;\n    return %s_HOST_BYTES;\n}\n\n", e->upper);
}

static void loader_functions(emit *e, text *out)
{
    const char *n = e->name;
    prepare_host(e, out);
    shape_function(e, out);
    text_addf(out, "static int64_t %s_prepare(const int64_t *dims)\n{\n", n);
    if (arena_is_dynamic(e)) {
        text_addf(out, "    (void)dims;\n    %s_inputs in;\n    memset(&in, 0, sizeof in);\n", n);
        set_symbols(e, out);
        text_addf(out, "    return %s_arena_bytes(&in);\n}\n\n", n);
    } else text_addf(out, "    (void)dims;\n    return %s_ARENA_BYTES;\n}\n\n", e->upper);
    text_addf(out,
              "static int %s_run_any(const void *const *inputs, void *const *outputs, int64_t *dims, void *arena, size_t arena_bytes, void *state, const onnxcc_env *env)\n"
              "{\n    %s_inputs in;\n    %s_outputs out;\n    memset(&in, 0, sizeof in);\n    memset(&out, 0, sizeof out);\n"
              "    (void)inputs;\n    (void)outputs;\n    (void)dims;\n    (void)state;\n",
              n, n, n);
    for (uint32_t i = 0; i < e->p->inputs.n; i++)
        text_addf(out, "    in.%s = (const %s *)inputs[%u];\n", e->input[i], elem_of(slot_at(e->p, e->p->inputs.p[i])->type)->ctype, i);
    if (weights_in_run(e)) text_add(out, "    in.weights = env ? env->weights : NULL;\n");
    if (e->plan->state_bytes) text_add(out, "    in.state = state;\n");
    if (has_host_arena(e)) text_add(out, "    in.host_arena = env ? env->host_arena : NULL;\n");
    set_symbols(e, out);
    for (uint32_t i = 0; i < e->p->outputs.n; i++)
        text_addf(out, "    out.%s = (%s *)outputs[%u];\n", e->output[i], elem_of(slot_at(e->p, e->p->outputs.p[i])->type)->ctype, i);
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) text_addf(out, "    out.%s = dims[%u];\n", e->symbol[i], i); /* stays where a run fails before it knows */
    text_addf(out,
              "    const int64_t need = %s_prepare(dims);\n    if (need < 0) return (int)need;\n"
              "    if ((uint64_t)need > arena_bytes) return ONNXCC_E_ARENA;\n    const int rc = %s_run(&in, &out, arena, env);\n",
              n, n);
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) text_addf(out, "    dims[%u] = out.%s;\n", i, e->symbol[i]);
    text_add(out, "    return rc;\n}\n\n");
}

void emit_description(emit *e, text *out)
{
    const char *n = e->name;
    info_table(e, "input", true, out);
    info_table(e, "output", false, out);
    dim_table(e, out);
    text_add(out, "\n");
    loader_functions(e, out);
    text_addf(out, "const onnxcc_model *%s_model(void)\n{\n    static const onnxcc_model model = {\n        ONNXCC_RT_ABI, ", n);
    string_literal(out, n);
    text_addf(out, ", \"%s\", \"%s\",\n        %u, %u, %u, %u, %s, %s, %s%s,\n", e->p->model->sha256, e->target->name, e->p->inputs.n, e->p->outputs.n,
              e->p->symbols.n, e->plan->n_steps, arena_printf(e->mem, "%s_input_info", n), arena_printf(e->mem, "%s_output_info", n),
              e->p->symbols.n ? n : "0", e->p->symbols.n ? "_dims" : "");
    text_addf(out, "        %s, %d, %" PRId64 ", %" PRId64 ", %s_prepare, %s_shape, %s_run_any, %" PRId64 ", %s%s,\n        %s};\n    return &model;\n}\n",
              arena_is_dynamic(e) ? "0" : arena_printf(e->mem, "%s_ARENA_BYTES", e->upper), arena_align(e), e->plan->state_bytes, e->plan->weights_bytes, n, n, n, weights_outside_bytes(e),
              e->weights == WEIGHTS_FILE ? n : "NULL", e->weights == WEIGHTS_FILE ? "_check_weights" : "",
              !on_device(e)        ? "NULL, NULL, NULL, NULL"
              : has_host_arena(e) ? arena_printf(e->mem, "%s_device_alloc, %s_device_free, %s_upload, %s_prepare_host", n, n, n, n)
                                  : arena_printf(e->mem, "%s_device_alloc, %s_device_free, %s_upload, NULL", n, n, n));
}
