/* contrib.c - fused operators of com.microsoft in terms of ai.onnx: convolutions with activation, Gelu forms, normalizations with residual,
 * embeddings. Source: the documentation of onnxruntime's contrib operators. */
#include "ops/contrib.h"

#include <string.h>

#include "schema/schema.h"

/* ---- building ---- */

attr attr_float(model *m, const char *name, float v)
{
    return (attr){.name = intern(m->names, name), .kind = ATTR_FLOAT, .u.f = v};
}

value_id make_value(edit *e, const char *role)
{
    const node *n = edited(e);
    return value_new(e->m, arena_printf(e->m->mem, "%s.%s.%u", n->n_out && n->out[0] ? value_at(e->m, n->out[0])->name : n->op, role, e->serial++));
}

void make_node_as(edit *e, const node *as, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out)
{
    model *m = e->m;
    const node_id id = node_new(m, e->graph, as->domain, as->op, n_in, n_out, as->n_attr);
    node *n = node_at(m, id);
    n->version = as->version;
    n->origin = edited(e)->origin;
    n->name = edited(e)->name;
    memcpy(n->in, in, n_in * sizeof *in);
    memcpy(n->out, out, n_out * sizeof *out);
    if (as->n_attr) memcpy(n->attr, as->attr, as->n_attr * sizeof *as->attr);
    for (uint32_t i = 0; i < n_out; i++) {
        if (!out[i]) continue;
        value_at(m, out[i])->producer = id;
        value_at(m, out[i])->output = i;
    }
    VEC_PUSH(m->mem, e->list, id);
}

void make_node(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out)
{
    const node as = {.domain = "", .op = op, .version = schema_newest("", op)->since, .n_attr = n_attr, .attr = (attr *)(uintptr_t)a};
    make_node_as(e, &as, n_in, in, n_out, out);
}

value_id make(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in)
{
    const value_id out = make_value(e, op);
    make_node(e, op, n_attr, a, n_in, in, 1, &out);
    return out;
}

value_id make_contrib(edit *e, const char *op, uint32_t n_in, const value_id *in)
{
    const value_id out = make(e, "Identity", 0, NULL, n_in, in);
    node *n = node_at(e->m, value_at(e->m, out)->producer);
    n->domain = edited(e)->domain;
    n->op = intern(e->m->names, op);
    n->version = 0;
    return out;
}

value_id output_of(edit *e, uint32_t i)
{
    return i < edited(e)->n_out ? edited(e)->out[i] : 0;
}

static const contrib_row *row_at(uint32_t i)
{
    const contrib_row *const tables[] = {contrib_rows, contrib_attention_rows, contrib_gates_rows, contrib_other_rows, contrib_quant_rows};
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++)
        for (const contrib_row *r = tables[k]; r->op; r++)
            if (!i--) return r;
    return NULL;
}

static const contrib_row *row_of(const char *op)
{
    const contrib_row *r;
    for (uint32_t i = 0; (r = row_at(i)) && strcmp(r->op, op);) i++;
    return r;
}

const char *contrib_operator(uint32_t i)
{
    const contrib_row *r;
    for (uint32_t k = 0; (r = row_at(k)); k++)
        if (r->run != refused_search && !i--) return r->op;
    return NULL;
}

bool contrib_knows(const char *domain, const char *op)
{
    return strcmp(domain, CONTRIB_DOMAIN) ? attention_knows(domain, op) : row_of(op) != NULL;
}

/* What onnxruntime adds to ai.onnx when it saves models: RMSNormalization under another name, and LayerNormalization before it was in the standard. */
static bool own_of_onnxruntime(const node *n, int version)
{
    return !*n->domain && (!strcmp(n->op, "SimplifiedLayerNormalization") || (!strcmp(n->op, "LayerNormalization") && version < 17));
}

void contrib_names(model *m)
{
    const char *domain = intern(m->names, "com.microsoft");
    bool imported = false, used = false;
    int version = 0;
    for (uint32_t i = 0; i < m->opsets.n; i++) {
        imported |= !strcmp(m->opsets.p[i].domain, domain);
        if (!*m->opsets.p[i].domain) version = (int)m->opsets.p[i].version;
    }
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) {
            node *n = node_at(m, graph_at(m, g)->nodes.p[i]);
            if (!own_of_onnxruntime(n, version)) continue;
            n->domain = domain;
            used = true;
        }
    if (used && !imported) VEC_PUSH(m->mem, m->opsets, ((opset){.domain = domain, .version = 1}));
}

/* Each output of the node as it was is one of the node as it is or of what was made for it: the operator has no more than it knows. */
static bool outputs_made(edit *e, const node *before)
{
    for (uint32_t i = 0; i < before->n_out; i++) {
        const value_id v = before->out[i];
        const node *n = v ? node_at(e->m, value_at(e->m, v)->producer) : NULL;
        bool made = !v;
        for (uint32_t k = 0; n && k < n->n_out; k++) made |= n->out[k] == v;
        if (!made) return version_error(e, "output-count", "%s has no output %u", before->op, i);
    }
    return true;
}

bool contrib_expand(edit *e)
{
    const node before = *edited(e);
    const bool channels_last = !strcmp(before.domain, "com.ms.internal.nhwc");
    if (!strcmp(before.domain, "com.microsoft.nchwc"))
        return version_error(e, "contrib", "has weights in the layout of the processor that the file was saved on; save it with onnxruntime's optimization level 'extended' or below");
    if (!channels_last && strcmp(before.domain, CONTRIB_DOMAIN)) return attention_expand(e);
    const contrib_row *r = channels_last ? NULL : row_of(before.op);
    if ((r || channels_last) && !before.n_out) return version_error(e, "output-count", "%s has no outputs here", before.op);
    return channels_last ? nhwc_expand(e) : !r || (r->run(e) && outputs_made(e, &before));
}

void rename_node(edit *e, const char *op, uint32_t n_in, const value_id *in)
{
    model *m = e->m;
    node *n = edited(e);
    n->domain = intern(m->names, "");
    n->op = intern(m->names, op);
    n->version = schema_newest("", op)->since;
    n->in = arena_copy(m->mem, in, n_in * sizeof *in);
    n->n_in = n_in;
}

void replace_node(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in)
{
    rename_node(e, op, n_in, in);
    edited(e)->n_attr = 0;
    for (uint32_t i = 0; i < n_attr; i++) node_set_attr(e->m, edited(e), a[i]);
}

/* ---- activations ---- */

value_id with_bias(edit *e, value_id x, value_id bias)
{
    return bias ? insert(e, "Add", NULL, IN(x, bias)) : x;
}

static bool bias_gelu(edit *e)
{
    const value_id x = with_bias(e, input_of(e, 0), input_of(e, 1));
    replace_node(e, "Gelu", 0, NULL, IN(x));
    return true;
}

static bool fast_gelu(edit *e)
{
    const value_id x = with_bias(e, input_of(e, 0), input_of(e, 1));
    const attr a = attr_string(e->m, "approximate", "tanh");
    replace_node(e, "Gelu", 1, &a, IN(x));
    return true;
}

static bool quick_gelu(edit *e)
{
    const attr a = attr_float(e->m, "alpha", node_float(edited(e), "alpha", 1.702f));
    replace_node(e, "Swish", 1, &a, IN(input_of(e, 0)));
    return true;
}

/* Attribute `activation` of a fused operator as a node after it. */
static bool follow_activation(edit *e, const char *name, const float *param, uint32_t n_param)
{
    model *m = e->m;
    if (!name || !*name) return true;
    const float a = n_param > 0 ? param[0] : 0, b = n_param > 1 ? param[1] : 0;
    if (!strcmp(name, "Clip")) {
        const value_id lo = const_like(e, "min", a, input_of(e, 0)), hi = const_like(e, "max", b, input_of(e, 0));
        follow(e, 0, "Min", NULL, hi);
        follow(e, 0, "Max", NULL, lo);
        return true;
    }
    const bool alpha = !strcmp(name, "LeakyRelu") || !strcmp(name, "HardSigmoid");
    if (!alpha && strcmp(name, "Relu") && strcmp(name, "Tanh") && strcmp(name, "Sigmoid") && strcmp(name, "HardSwish"))
        return version_error(e, "activation", "activation '%s' is not known", name);
    const attr first = attr_float(m, "alpha", n_param > 0 ? a : !strcmp(name, "LeakyRelu") ? 0.01f : 0.2f);
    follow(e, 0, name, alpha ? &first : NULL, 0);
    if (!strcmp(name, "HardSigmoid")) node_set_attr(m, node_at(m, e->follow.p[e->follow.n - 1]), attr_float(m, "beta", n_param > 1 ? b : 0.5f));
    return true;
}

bool fused_conv(edit *e)
{
    const char *name = node_string(edited(e), "activation", "");
    const attr *params = node_attr(edited(e), "activation_params");
    const float *p = params && params->kind == ATTR_FLOATS ? params->u.floats : NULL;
    const uint32_t n = p ? params->n : 0;
    const value_id residual = input_of(e, 3);
    const value_id in[3] = {input_of(e, 0), input_of(e, 1), input_of(e, 2)};
    node_drop_attr(edited(e), "activation");
    node_drop_attr(edited(e), "activation_params");
    rename_node(e, "Conv", in[2] ? 3 : 2, in);
    if (!follow_activation(e, name, p, n)) return false;
    if (residual) follow(e, 0, "Add", NULL, residual); /* the newest follower is nearest to the node */
    return true;
}

static bool fused_gemm(edit *e)
{
    const char *name = node_string(edited(e), "activation", "");
    const float p[2] = {node_float(edited(e), "activation_alpha", 0.01f), node_float(edited(e), "activation_beta", 0.5f)};
    static const char *const OWN[] = {"activation", "activation_alpha", "activation_beta", "activation_gamma"};
    const value_id in[3] = {input_of(e, 0), input_of(e, 1), input_of(e, 2)};
    for (uint32_t i = 0; i < 4; i++) node_drop_attr(edited(e), OWN[i]);
    rename_node(e, "Gemm", in[2] ? 3 : 2, in);
    return follow_activation(e, name, p, 2);
}

/* alpha * op(A) * op(B); op takes the first dimension behind those of the batch, and swaps the last two. */
static bool fused_matmul(edit *e)
{
    value_id in[2] = {input_of(e, 0), input_of(e, 1)};
    const char *const flag[2] = {"transA", "transB"}, *const batch[2] = {"transBatchA", "transBatchB"};
    for (uint32_t i = 0; i < 2; i++) {
        const int32_t rank = rank_of(e, in[i]);
        const bool turned = node_int(edited(e), flag[i], 0) != 0, moved = node_int(edited(e), batch[i], 0) != 0;
        if (!turned && !moved) continue;
        if (rank < 0) return true; /* later, when types are known */
        if (rank < 2 || rank > MAX_RANK) continue;
        int64_t perm[MAX_RANK];
        for (int32_t k = 0; k < rank; k++) perm[k] = !moved || k == rank - 1 ? k : k == rank - 2 ? 0 : k + 1;
        if (turned) {
            const int64_t inner = perm[rank - 1];
            perm[rank - 1] = perm[rank - 2];
            perm[rank - 2] = inner;
        }
        const attr a = attr_ints(e->m, "perm", (uint32_t)rank, perm);
        in[i] = insert(e, "Transpose", &a, 1, &in[i]);
    }
    const float alpha = node_float(edited(e), "alpha", 1.0f);
    if (alpha != 1.0f) in[0] = insert(e, "Mul", NULL, IN(in[0], const_like(e, "alpha", alpha, in[0])));
    replace_node(e, "MatMul", 0, NULL, 2, in);
    return true;
}

/* ---- normalizations ---- */

/* 1 / sqrt(mean of squares + epsilon) over the last axis, in float. */
static void inverse_deviation(edit *e, value_id x, float epsilon, value_id out)
{
    const attr to = attr_int(e->m, "to", ELEM_FLOAT);
    const value_id f = insert(e, "Cast", &to, 1, &x), mean = insert(e, "ReduceMean", NULL, IN(insert(e, "Mul", NULL, IN(f, f)), one_int(e, -1)));
    const value_id root = insert(e, "Sqrt", NULL, IN(insert(e, "Add", NULL, IN(mean, const_floats(e, "epsilon", 1, &epsilon)))));
    make_node(e, "Reciprocal", 0, NULL, IN(root), 1, &out);
}

/* LayerNormalization or RMSNormalization of input + skip + bias; the sum is output 3. */
static bool skip_norm(edit *e)
{
    model *m = e->m;
    const bool rms = !strcmp(edited(e)->op, "SkipSimplifiedLayerNormalization");
    const value_id gamma = input_of(e, 2), beta = rms ? 0 : input_of(e, 3), bias = input_of(e, rms ? 3 : 4);
    if (rms && output_of(e, 1)) return version_error(e, "contrib", "the mean, which this normalization does not use, is not supported as an output");
    const value_id all = output_of(e, 3), x = with_bias(e, input_of(e, 0), bias), sum = all ? all : make_value(e, "sum");
    make_node(e, "Add", 0, NULL, IN(x, input_of(e, 1)), 1, &sum);
    const attr a[2] = {attr_int(m, "axis", -1), attr_float(m, "epsilon", node_float(edited(e), "epsilon", 1e-12f))};
    if (rms && output_of(e, 2)) inverse_deviation(e, sum, a[1].u.f, output_of(e, 2));
    if (edited(e)->n_out > 3) edited(e)->n_out = 3;
    if (rms) edited(e)->n_out = 1;
    if (beta) replace_node(e, "LayerNormalization", 2, a, IN(sum, gamma, beta));
    else replace_node(e, rms ? "RMSNormalization" : "LayerNormalization", 2, a, IN(sum, gamma));
    return true;
}

/* SimplifiedLayerNormalization, LayerNormalization: the standard's of later versions. */
static bool norm(edit *e)
{
    const bool rms = !strcmp(edited(e)->op, "SimplifiedLayerNormalization");
    const value_id in[3] = {input_of(e, 0), input_of(e, 1), input_of(e, 2)}, deviation = rms ? output_of(e, 1) : 0;
    if (deviation && node_int(edited(e), "axis", -1) != -1) return version_error(e, "contrib", "the deviation is an output for the last axis only");
    if (deviation) inverse_deviation(e, in[0], node_float(edited(e), "epsilon", 1e-5f), deviation);
    if (rms) edited(e)->n_out = 1;
    rename_node(e, rms ? "RMSNormalization" : "LayerNormalization", in[2] ? 3 : 2, in);
    return true;
}

/* ---- embeddings ---- */

value_id size_of(edit *e, value_id x, int64_t axis)
{
    const attr a[2] = {attr_int(e->m, "start", axis), attr_int(e->m, "end", axis + 1)};
    return make(e, "Shape", 2, a, 1, &x);
}

value_id position_rows(edit *e, value_id table, value_id ids, value_id position_ids)
{
    if (position_ids) return insert(e, "Gather", NULL, IN(table, position_ids));
    const int64_t zero = 0;
    const value_id first = const_ints(e, "first", 1, &zero), axes = const_ints(e, "axes", 1, &zero);
    return insert(e, "Slice", NULL, IN(table, first, size_of(e, ids, 1), axes));
}

bool become_embed_norm(edit *e, value_id sum, value_id gamma, value_id beta, value_id mask)
{
    model *m = e->m;
    const value_id rows = output_of(e, 1), embedding = output_of(e, 2);
    if (rows) {
        const attr keep = attr_int(m, "keepdims", 0), to = attr_int(m, "to", ELEM_INT32);
        const int64_t one = 1;
        value_id v = mask;
        if (!v) { /* no mask: zeros */
            const value_id zero = const_int(e, "zero", 0);
            v = insert(e, "Mul", NULL, IN(insert(e, "CastLike", NULL, IN(input_of(e, 0), zero)), zero));
        }
        const value_id counted = insert(e, "ReduceSum", &keep, IN(v, const_ints(e, "axes", 1, &one)));
        make_node(e, "Cast", 1, &to, 1, &counted, 1, &rows);
    }
    if (embedding) make_node(e, "Identity", 0, NULL, 1, &sum, 1, &embedding);
    const attr a[2] = {attr_int(m, "axis", -1), attr_float(m, "epsilon", node_float(edited(e), "epsilon", 1e-12f))};
    edited(e)->n_out = 1;
    replace_node(e, "LayerNormalization", 2, a, IN(sum, gamma, beta));
    return true;
}

static bool embed_norm(edit *e)
{
    const value_id ids = input_of(e, 0), segment = input_of(e, 1);
    value_id sum = insert(e, "Gather", NULL, IN(input_of(e, 2), ids));
    sum = insert(e, "Add", NULL, IN(sum, position_rows(e, input_of(e, 3), ids, input_of(e, 8))));
    if (segment) sum = insert(e, "Add", NULL, IN(sum, insert(e, "Gather", NULL, IN(input_of(e, 4), segment))));
    return become_embed_norm(e, sum, input_of(e, 5), input_of(e, 6), input_of(e, 7));
}

const contrib_row contrib_rows[] = {
    {"BiasGelu", bias_gelu},
    {"EmbedLayerNormalization", embed_norm},
    {"FastGelu", fast_gelu},
    {"FusedConv", fused_conv},
    {"FusedGemm", fused_gemm},
    {"FusedMatMul", fused_matmul},
    {"Gelu", bias_gelu},
    {"LayerNormalization", norm},
    {"QuickGelu", quick_gelu},
    {"SimplifiedLayerNormalization", norm},
    {"SkipLayerNormalization", skip_norm},
    {"SkipSimplifiedLayerNormalization", skip_norm},
    {"TransposeMatMul", fused_matmul},
    {NULL, NULL},
};
