/* run.c - the run function around the calls of the steps: what it checks, where the arena's parts begin. */
#include <inttypes.h>
#include <string.h>

#include "emit/emit.h"

int arena_align(const emit *e)
{
    return on_device(e) ? 256 : 64;
}

bool arena_is_dynamic(emit *e)
{
    return e->plan->arena.dynamic || (on_device(e) && cuda_arena_bytes(e) == INT64_MAX); /* inputs and outputs without a bound have copies there */
}

void check_dims(emit *e, text *out)
{
    for (uint32_t i = 0; i < e->n_input_symbols; i++) {
        const interval r = dim_range(e->p->dims, e->p->symbols.p[i]);
        const char *s = e->symbol[i];
        if (r.hi == INT64_MAX) text_addf(out, "    if (in->%s < %" PRId64 ") return ONNXCC_E_DIM;\n", s, r.lo);
        else text_addf(out, "    if (in->%s < %" PRId64 " || in->%s > %" PRId64 ") return ONNXCC_E_DIM;\n", s, r.lo, s, r.hi);
    }
}

typedef struct {
    const emit *e;
    bool known;
} symbol_check;

static void is_input_symbol(void *ctx, dim d)
{
    symbol_check *k = ctx;
    const int32_t i = symbol_index(k->e, d);
    if (i < 0 || (uint32_t)i >= k->e->n_input_symbols) k->known = false;
}

/* The innermost branch of an If around graph g that runs as one; 0: there is none. */
static graph_id branch_around(const emit *e, graph_id g)
{
    for (; g; g = graph_at(e->p->model, g)->parent)
        for (uint32_t i = 0; i < e->branches.n; i++)
            if (e->branches.p[i] == g) return g;
    return 0;
}

/* What was taken for granted of sizes must hold: otherwise some step would read past a tensor. */
void check_claims(emit *e, graph_id branch, const char *indent, text *out)
{
    static const char *const broken[] = {[SIZE_EQUAL] = "!=", [SIZE_OTHER] = "==", [SIZE_AT_LEAST] = "<"};
    const model *m = e->p->model;
    for (uint32_t i = 0; i < m->claims.n; i++) {
        const size_claim *claim = &m->claims.p[i];
        symbol_check k = {e, branch_around(e, claim->graph) == branch};
        dim_atoms(e->p->dims, claim->a, is_input_symbol, &k);
        dim_atoms(e->p->dims, claim->b, is_input_symbol, &k);
        if (!k.known) continue;
        text_addf(out, "%sif (", indent);
        dim_c(e, claim->a, "in->", out);
        text_addf(out, " %s ", broken[claim->is]);
        dim_c(e, claim->b, "in->", out);
        text_add(out, ") return ONNXCC_E_DIM;\n");
    }
}

/* Copies a number of bytes inside the memory that steps work on; `bytes` are a dim. */
void print_copy(emit *e, const char *indent, bool device, const char *to, const char *from, dim bytes, text *out)
{
    text n = {.mem = e->mem};
    text_add(&n, "");
    dim_c(e, bytes, "in->", &n);
    if (!device) text_addf(out, "%smemcpy(%s, %s, (size_t)(%s));\n", indent, to, from, n.p);
    else
        text_addf(out, "%sif ((rc = %s_cuda(env, cudaMemcpyAsync(%s, %s, (size_t)(%s), cudaMemcpyDeviceToDevice, stream), \"copy\")) != 0) return rc;\n", indent,
                  e->name, to, from, n.p);
}

/* What this run made of the states is what the next one reads. */
static void keep_states(emit *e, text *out)
{
    for (uint32_t i = 0; i < e->plan->state.n; i++) {
        const state_move m = e->plan->state.p[i];
        if (m.from == m.to) continue;
        const buf_info *from = &e->p->buf.p[m.from], *to = &e->p->buf.p[m.to];
        const int bits = elem_of(from->type)->bits;
        print_copy(e, "    ", on_device(e), arena_printf(e->mem, "(char *)in->state + %" PRId64, to->offset), arena_printf(e->mem, "(char *)in->state + %" PRId64, from->offset),
                   bits >= 8 ? dim_mulc(e->p->dims, from->elems, bits / 8) : dim_cdiv(e->p->dims, dim_mulc(e->p->dims, from->elems, bits), dim_const(e->p->dims, 8)), out);
    }
}

void area_place_function(emit *e, const memory_area *m, const char *name, text *out)
{
    text_addf(out, "/* Where each region of the arena begins: region r holds the buffers that are never alive together. Returns the bytes of all. */\n"
                   "static int64_t %s(const %s_inputs *in, int64_t *region)\n{\n    int64_t at = 0, size;\n", name, e->name);
    if (!e->p->symbols.n) text_add(out, "    (void)in;\n");
    for (uint32_t r = 0; r < m->n_regions; r++) {
        text_addf(out, "    region[%u] = at;\n    size = 0;\n", r);
        VEC(dim) seen = {0};
        for (uint32_t i = 0; i < m->order.n; i++) {
            const uint32_t buf = m->order.p[i];
            if (m->region.p[buf] != r) continue;
            const buf_info *b = &e->p->buf.p[buf];
            const dim bytes = dim_mulc(e->p->dims, at_capacity(e->p->dims, &e->bound, b->elems), elem_of(b->type)->bits >= 8 ? elem_of(b->type)->bits / 8 : 1);
            bool dup = false;
            for (uint32_t k = 0; k < seen.n; k++) dup |= seen.p[k] == bytes || dim_le(e->p->dims, bytes, seen.p[k]);
            if (dup) continue;
            VEC_PUSH(e->mem, seen, bytes);
            text_add(out, "    size = onnxcc_max(size, ");
            dim_c(e, bytes, "in->", out);
            text_add(out, ");\n");
        }
        text_add(out, "    at += (size + 63) / 64 * 64;\n");
    }
    text_add(out, "    return at;\n}\n\n");
}

void place_function(emit *e, text *out)
{
    if (!e->plan->arena.dynamic) return;
    area_place_function(e, &e->plan->arena, arena_printf(e->mem, "%s_place", e->name), out);
    if (on_device(e)) return; /* the arena holds more than these */
    text_addf(out, "int64_t %s_arena_bytes(const %s_inputs *in)\n{\n    int64_t region[%u];\n    if (!in) return ONNXCC_E_NULL;\n", e->name,
              e->name, e->plan->arena.n_regions + 1);
    check_dims(e, out);
    text_addf(out, "    return %s_place(in, region);\n}\n\n", e->name);
}

bool any_can_fail(const emit *e)
{
    for (uint32_t i = 1; i <= e->plan->n_steps; i++)
        if (e->by_step[i].sig.can_fail) return true;
    return false;
}

void check_values(emit *e, text *out)
{
    const model *m = e->p->model;
    for (uint32_t k = 0; k < m->fixed.n; k++)
        for (uint32_t i = 0; i < e->p->inputs.n; i++) {
            const slot_info *s = slot_at(e->p, e->p->inputs.p[i]);
            const tensor *t = m->fixed.p[k].data;
            if (s->value != m->fixed.p[k].input || !t->bytes) continue;
            text_addf(out, "    static const unsigned char value%u[] = {", i);
            for (size_t b = 0; b < t->bytes; b++) text_addf(out, b ? ", %u" : "%u", ((const unsigned char *)t->data)[b]);
            text_addf(out, "}; /* '%s' */\n    if (memcmp(in->%s, value%u, sizeof value%u)) return ONNXCC_E_VALUE;\n", comment_text(e->mem, s->name), e->input[i], i, i);
        }
}

/* The variables that steps need, and what is wrong with the arguments. */
void run_begin(emit *e, bool arena_used, text *out)
{
    if (e->plan->arena.dynamic && arena_used) text_addf(out, "    int64_t region[%u];\n", e->plan->arena.n_regions + 1);
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) text_addf(out, "    int64_t b_%s = 0;\n", e->symbol[i]);
    text_add(out, "    (void)env;\n");
    if (!arena_used) text_add(out, "    (void)arena;\n");
    text_add(out, "    if (!in || !out) return ONNXCC_E_NULL;\n");
    for (uint32_t i = 0; i < e->p->inputs.n; i++) text_addf(out, "    if (!in->%s) return ONNXCC_E_NULL;\n", e->input[i]);
    for (uint32_t i = 0; i < e->p->outputs.n; i++) text_addf(out, "    if (!out->%s) return ONNXCC_E_NULL;\n", e->output[i]);
    if (!on_device(e)) check_values(e, out);
    for (uint32_t i = 0; on_device(e) && i < e->p->inputs.n; i++)
        if (slot_at(e->p, e->p->inputs.p[i])->type != ELEM_STRING) text_addf(out, "    if ((uintptr_t)in->%s %% 16) return ONNXCC_E_ALIGN;\n", e->input[i]);
    for (uint32_t i = 0; on_device(e) && i < e->p->outputs.n; i++)
        if (slot_at(e->p, e->p->outputs.p[i])->type != ELEM_STRING) text_addf(out, "    if ((uintptr_t)out->%s %% 16) return ONNXCC_E_ALIGN;\n", e->output[i]);
    check_dims(e, out);
    check_claims(e, 0, "    ", out);
    if (e->plan->state_bytes) text_addf(out, "    if (!in->state || (uintptr_t)in->state %% %d) return ONNXCC_E_STATE;\n", arena_align(e));
    if (arena_used) text_addf(out, "    if (!arena || (uintptr_t)arena %% %d) return ONNXCC_E_ARENA;\n", arena_align(e));
    if (e->plan->arena.dynamic && arena_used) text_addf(out, "    (void)%s_place(in, region);\n", e->name);
}

void run_end(emit *e, text *out)
{
    keep_states(e, out);
    for (uint32_t i = e->n_input_symbols; i < e->p->symbols.n; i++) text_addf(out, "    out->%s = b_%s;\n", e->symbol[i], e->symbol[i]);
    text_add(out, "    return ONNXCC_OK;\n}\n\n");
}

void run_function(emit *e, text *out)
{
    place_function(e, out);
    text body = {.mem = e->mem};
    text_add(&body, "");
    call_block(e, &e->p->main, "    ", &body);
    text_addf(out, "int %s_run(const %s_inputs *in, %s_outputs *out, void *arena, const onnxcc_env *env)\n{\n", e->name, e->name, e->name);
    const bool arena_used = strstr(body.p, "(at + ") != NULL;
    e->failed |= e->p->diag->errors != 0;
    if (arena_used) text_add(out, "    char *const at = arena;\n");
    if (any_can_fail(e)) text_add(out, "    int rc;\n");
    run_begin(e, arena_used, out);
    if (weights_outside(e)) text_add(out, "    if (!in->weights) return ONNXCC_E_NULL;\n    if ((uintptr_t)in->weights % 64) return ONNXCC_E_WEIGHTS;\n");
    text_add(out, "\n");
    text_addn(out, body.p, body.n);
    run_end(e, out);
}
