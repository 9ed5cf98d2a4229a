/* host.c - CUDA: steps that run on the host, because they touch strings or call a function of the user's, and the copies between both sides.
 *
 * Steps of the host that follow each other are one section: what they read and the device wrote is copied to the host's arena and waited for; then they
 * run; then what the device or the caller reads of theirs is copied back. Waiting also ends the copies of the section before. */
#include <inttypes.h>

#include "emit/emit.h"

bool has_host_arena(const emit *e)
{
    return on_device(e) && (e->plan->host.dynamic || e->plan->host.bytes > 0);
}

/* ---- pointers ---- */

const char *host_pointer(emit *e, slot s)
{
    const slot_info *i = slot_at(e->p, s);
    const buf_info *b = &e->p->buf.p[i->view.buf];
    const char *c_type = elem_of(i->type)->ctype;
    if (b->kind == SLOT_INPUT && i->type == ELEM_STRING) return arena_printf(e->mem, "in->%s", e->input[b->io]);
    if (b->kind == SLOT_OUTPUT && i->type == ELEM_STRING) return arena_printf(e->mem, "out->%s", e->output[b->io]);
    if (b->kind == SLOT_CONST) {
        e->host_constants = true;
        return arena_printf(e->mem, "(const %s *)(const void *)%s", c_type, weights_pointer(e, i->view.buf));
    }
    if (e->plan->host.dynamic) return arena_printf(e->mem, "(%s *)(void *)(host + host_region[%u])", c_type, e->plan->host.region.p[i->view.buf]);
    return arena_printf(e->mem, "(%s *)(void *)(host + %" PRId64 ")", c_type, b->host_offset);
}

/* ---- steps ---- */

void print_host_step(emit *e, step *s, text *out)
{
    binder_side(e->binder, false);
    print_c_step(e, s, out);
    binder_side(e->binder, true);
}

static void copy_across(emit *e, slot s, bool to_host, const char *indent, text *out)
{
    dims *d = e->p->dims;
    const buf_info *b = &e->p->buf.p[slot_at(e->p, s)->view.buf];
    const int bits = elem_of(b->type)->bits;
    const dim n = at_capacity(d, &e->bound, b->elems);
    const char *device = slot_pointer(e, s), *host = host_pointer(e, s);
    text_addf(out, "%sif ((rc = %s_cuda(env, cudaMemcpyAsync(%s%s, %s, (size_t)(", indent, e->name, to_host ? "" : b->kind == SLOT_INPUT ? "(void *)" : "", to_host ? host : device, to_host ? device : host);
    dim_c(e, bits >= 8 ? dim_mulc(d, n, bits / 8) : dim_cdiv(d, dim_mulc(d, n, bits), dim_const(d, 8)), "in->", out);
    text_addf(out, "), cudaMemcpy%s, stream), \"copy %s the host\")) != 0) return rc;\n", to_host ? "DeviceToHost" : "HostToDevice", to_host ? "to" : "from");
}

/* Numbers that lie on the device, too: all but constants, strings, and what only steps of the host touch. */
static bool is_shared(const buf_info *b)
{
    if (b->type == ELEM_STRING || b->kind == SLOT_CONST) return false;
    return b->kind != SLOT_TEMP || b->sides & (DEVICE_READS | DEVICE_WRITES);
}

typedef struct {
    emit *e;
    const char *indent;
    text *out;
    bool before;     /* the section, else behind it */
    VEC(uint32_t) done; /* buffers */
} section;

static void copy_slot(void *ctx, slot s, bool written)
{
    section *c = ctx;
    const uint32_t buf = slot_at(c->e->p, s)->view.buf;
    const buf_info *b = &c->e->p->buf.p[buf];
    if (!buf || !is_shared(b)) return;
    const bool given = b->kind == SLOT_INPUT || b->kind == SLOT_STATE || b->sides & DEVICE_WRITES; /* where a step writes a part, the rest has to be there, too */
    if (c->before ? !given : !written) return;
    for (uint32_t i = 0; i < c->done.n; i++)
        if (c->done.p[i] == buf) return;
    VEC_PUSH(c->e->mem, c->done, buf);
    copy_across(c->e, s, c->before, c->indent, c->out);
}

static bool is_host_step(const block *b, uint32_t i)
{
    return i < b->steps.n && b->steps.p[i]->host;
}

void host_section_begin(emit *e, const block *b, uint32_t i, const char *indent, text *out)
{
    section c = {.e = e, .indent = indent, .out = out, .before = true};
    const step *s = b->steps.p[i];
    if (!s->host || (i && is_host_step(b, i - 1))) return;
    for (; is_host_step(b, i); i++) step_access(e->p, b->steps.p[i], copy_slot, &c);
    text_addf(out, "%sif ((rc = %s_cuda(env, cudaStreamSynchronize(stream), \"waiting for what step %u reads\")) != 0) return rc;\n", indent, e->name, s->id);
    e->n_syncs++;
    if (!e->no_capture) e->no_capture = arena_printf(e->mem, "a step runs on the host: %s", s->what ? s->what : "");
}

void host_section_end(emit *e, const block *b, uint32_t i, const char *indent, text *out)
{
    section c = {.e = e, .indent = indent, .out = out};
    if (!b->steps.p[i]->host || is_host_step(b, i + 1)) return;
    uint32_t first = i;
    while (first && b->steps.p[first - 1]->host) first--;
    for (; first <= i; first++) step_access(e->p, b->steps.p[first], copy_slot, &c);
}

/* ---- the arena of the host ---- */

void host_arena_functions(emit *e, text *out)
{
    if (!e->plan->host.dynamic) return;
    area_place_function(e, &e->plan->host, arena_printf(e->mem, "%s_host_place", e->name), out);
    text_addf(out, "int64_t %s_host_bytes(const %s_inputs *in)\n{\n    int64_t region[%u];\n    if (!in) return ONNXCC_E_NULL;\n", e->name, e->name, e->plan->host.n_regions + 1);
    check_dims(e, out);
    text_addf(out, "    return %s_host_place(in, region);\n}\n\n", e->name);
}

void host_arena_begin(emit *e, text *out)
{
    if (!has_host_arena(e)) return;
    text_add(out, "    if (!in->host_arena || (uintptr_t)in->host_arena % 64) return ONNXCC_E_ARENA;\n    char *const host = (char *)in->host_arena;\n");
    if (e->plan->host.dynamic) text_addf(out, "    int64_t host_region[%u];\n    (void)%s_host_place(in, host_region);\n", e->plan->host.n_regions + 1, e->name);
}
