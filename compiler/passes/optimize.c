/* optimize.c - the list of passes, and the tool that runs them until nothing changes; see optimize.h.
 *
 * in:  a model as its file says it. out: the same, with fewer nodes; nothing that no pass touched is different.
 * Each round begins with an analysis (analyze.h): types, constants and symbolic contents by value. */
#include "passes/optimize.h"

#include <string.h>

#include "passes/analyze.h"
#include "passes/passes.h"
#include "passes/verify.h"

enum { ROUNDS = 12 };
enum { LARGEST_CONSTANT = 1 << 16 }; /* bytes that a folded constant may take when no constant of its size goes for it */

/* Passes that need no context. */
#define PLAIN(name, pass)                                                                                                                            \
    static void name(model *m, const pass_context *c)                                                                                                \
    {                                                                                                                                                \
        (void)c;                                                                                                                                     \
        pass(m);                                                                                                                                     \
    }
PLAIN(run_branch, take_branches)
PLAIN(run_fold, keep_folded_outputs)
PLAIN(run_identity, remove_identities)
PLAIN(run_elementwise, simplify_elementwise)
PLAIN(run_sizes, share_sizes)
PLAIN(run_view, merge_views)
PLAIN(run_pieces, merge_pieces)
PLAIN(run_state, drop_zero_states)
PLAIN(run_pad, merge_pads)
PLAIN(run_batchnorm, fold_batchnorm)
PLAIN(run_gemm, make_gemms)
PLAIN(run_norm, make_norms)
PLAIN(run_cse, merge_common)

static const graph_pass PASSES[] = {
    {"fold", run_fold, KEEPS_BITS, false, LEVEL_BASIC, "what depends on constants only becomes a constant"},
    {"branch", run_branch, KEEPS_BITS, true, LEVEL_BASIC, "an If with a constant condition gives way to its branch"},
    {"identity", run_identity, KEEPS_BITS, true, LEVEL_BASIC, "nodes that give their input back vanish"},
    {"elementwise", run_elementwise, KEEPS_BITS, true, LEVEL_BASIC, "operators on elements that say nothing, or what one says"},
    {"sizes", run_sizes, KEEPS_BITS, false, LEVEL_BASIC, "tensors of sizes are taken from where they are cheapest"},
    {"view", run_view, KEEPS_BITS, true, LEVEL_BASIC, "Reshape, Squeeze, Transpose and the like in a row become one"},
    {"pieces", run_pieces, KEEPS_BITS, true, LEVEL_BASIC, "so do Slice, Concat, Split and Expand"},
    {"state", run_state, KEEPS_BITS, true, LEVEL_BASIC, "initial states of LSTM, GRU and RNN that are zero are left out"},
    {"pad", run_pad, KEEPS_BITS, true, LEVEL_BASIC, "Pad goes into Conv and pools"},
    {"batchnorm", run_batchnorm, ROUNDS_ANEW, true, LEVEL_EXTENDED, "factors and sums on channels go into weights and bias"},
    {"gemm", run_gemm, ROUNDS_ANEW, false, LEVEL_EXTENDED, "MatMul and Add of matrices become Gemm"},
    {"norm", run_norm, ROUNDS_ANEW, false, LEVEL_ALL, "LayerNormalization and RMSNormalization are recognised"},
    {"activation", make_activations, ROUNDS_ANEW, false, LEVEL_ALL, "Gelu, HardSigmoid, HardSwish and Mish are recognised"},
    {"attention", make_attentions, ROUNDS_FINITE, false, LEVEL_ALL, "scaled dot products become Attention or MultiHeadAttention"},
    {"microsoft", make_microsoft, ROUNDS_ANEW, false, LEVEL_ALL, "onnxruntime: SkipLayerNormalization, BiasGelu, FusedConv"},
    {"cse", run_cse, KEEPS_BITS, true, LEVEL_BASIC, "equal nodes and equal constants become one"},
};
enum { N_PASSES = sizeof PASSES / sizeof *PASSES };

const graph_pass *graph_passes(uint32_t *n)
{
    *n = N_PASSES;
    return PASSES;
}

/* ---- what is there ---- */

static uint32_t count_graph(const model *m, graph_id g)
{
    const graph *gr = m->graphs.p[g];
    uint32_t n = gr->nodes.n;
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const node *nd = &m->nodes.p[gr->nodes.p[i]];
        for (uint32_t k = 0; k < nd->n_attr; k++) {
            const attr *a = &nd->attr[k];
            if (a->kind == ATTR_GRAPH) n += count_graph(m, a->u.g);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) n += count_graph(m, a->u.graphs[j]);
        }
    }
    return n;
}

uint32_t count_nodes(const model *m)
{
    return count_graph(m, 1);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* Differs when a pass did something. */
static uint64_t fingerprint(const model *m)
{
    uint64_t h = m->values.n;
    for (graph_id g = 1; g < m->graphs.n; g++) {
        const graph *gr = m->graphs.p[g];
        for (uint32_t i = 0; i < gr->nodes.n; i++) {
            const node *n = &m->nodes.p[gr->nodes.p[i]];
            h = mix(mix(mix(h, gr->nodes.p[i]), n->n_in), n->n_attr);
            for (const char *s = n->op; *s; s++) h = mix(h, (unsigned char)*s);
            for (uint32_t k = 0; k < n->n_in; k++) h = mix(h, n->in[k]);
            for (uint32_t k = 0; k < n->n_out; k++) h = mix(h, n->out[k]);
        }
    }
    return h;
}

/* ---- the tool ---- */

/* Values are rounded to whole steps on the way: a pass that changes a last bit would make some of them another step, which is a large difference.
 * Such passes run only when they are asked for by name. */
static bool quantizes(const model *m)
{
    static const char *const OPS[] = {"QuantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QAttention"};
    for (node_id n = 1; n < m->nodes.n; n++)
        for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++)
            if (!strcmp(m->nodes.p[n].op, OPS[i])) return true;
    return false;
}

static bool chosen(const optimize_options *o, bool quantized, const graph_pass *p)
{
    if (!o->passes) return p->level <= o->level && (p->change == KEEPS_BITS || !quantized);
    for (uint32_t i = 0; i < o->n_passes; i++)
        if (!strcmp(o->passes[i], p->name)) return true;
    return false;
}

static bool known_passes(model *m, const optimize_options *o)
{
    for (uint32_t i = 0; i < o->n_passes; i++) {
        bool known = false;
        for (uint32_t k = 0; k < N_PASSES; k++) known |= !strcmp(PASSES[k].name, o->passes[i]);
        if (known) continue;
        text list = {.mem = m->mem};
        for (uint32_t k = 0; k < N_PASSES; k++) text_addf(&list, "%s%s", k ? ", " : "", PASSES[k].name);
        diag_error(m->diag, EXIT_USAGE, "", "pass-unknown", "there is no pass '%s'", o->passes[i]);
        return diag_hint(m->diag, "the passes are: %s", list.p);
    }
    return true;
}

typedef struct {
    const pass_context *pass;
    pass_check *check; /* NULL: not asked for */
    uint64_t last;     /* the model's fingerprint when it was checked last */
} round_context;

static bool verify_pass(round_context *c, model *m, const graph_pass *p, pass_result *result)
{
    const uint64_t now = fingerprint(m);
    double difference;
    if (!c->check || now == c->last) return true;
    c->last = now;
    if (!pass_check_written_after(c->check, m, p->name, p->change, &difference)) return false;
    if (difference > result->difference) result->difference = difference;
    return true;
}

static bool run_round(model *m, round_context *c, const optimize_options *o, bool quantized, optimize_report *report)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < N_PASSES; i++) {
        if (!chosen(o, quantized, &PASSES[i])) continue;
        const uint32_t before = count_nodes(m);
        PASSES[i].run(m, c->pass);
        remove_dead(m);
        pass_result *result = &report->passes.p[at++];
        if (!report->rounds) result->before = result->after = before;
        result->after -= before - count_nodes(m);
        if (!ir_verify(m) || !verify_pass(c, m, &PASSES[i], result)) return false;
    }
    return true;
}

/* Gradient speaks of values by their names, which passes neither see nor keep. */
static bool names_values(model *m)
{
    for (node_id i = 1; i < m->nodes.n; i++) {
        const node *n = node_at(m, i);
        if (!node_is(n, "ai.onnx.preview.training", "Gradient")) continue;
        diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "optimize-gradient", "a model with Gradient can't be written back, as the node names tensors that passes change");
        return true;
    }
    return false;
}

bool optimize_model(model *m, arena *mem, const optimize_options *o, optimize_report *report)
{
    const pass_context pass = {o->reader, o->level};
    round_context c = {&pass, o->verify ? pass_check_written(mem, m) : NULL, fingerprint(m)};
    const bool quantized = quantizes(m);
    *report = (optimize_report){0};
    if (!known_passes(m, o) || names_values(m)) return false;
    for (uint32_t i = 0; i < N_PASSES; i++)
        if (chosen(o, quantized, &PASSES[i])) VEC_PUSH(mem, report->passes, ((pass_result){PASSES[i].name, 0, 0, -1}));
    uint64_t before, after = 0;
    do {
        before = after;
        analyze(m, LARGEST_CONSTANT);
        if (!run_round(m, &c, o, quantized, report)) return false;
        after = fingerprint(m);
    } while (++report->rounds < ROUNDS && after != before);
    const char *why;
    if (c.check) {
        (void)pass_check_trials(c.check, &why);
        if (why) diag_warn(m->diag, "", "verify-pass", "the passes were not checked: %s", why);
    }
    return true;
}
