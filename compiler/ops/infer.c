/* infer.c - types, shapes and known values of every value of the graph, in one walk in topological order; see ops.h.
 *
 * in:  a graph with nodes at any version (each goes to the newest one when the types of its inputs are known, version.h); declared types on
 *      inputs, outputs and value infos
 * out: every value has its type; constants are folded; small integer tensors have their content as dims */
#include <string.h>

#include "ops/contrib.h"
#include "ops/custom.h"
#include "ops/fold.h"
#include "ops/infer_partial.h"
#include "ops/ops.h"
#include "ops/version.h"
#include "schema/schema.h"

typedef struct infer_walk {
    arena *scratch;
    model *m;
    folder *f;
    const infer_options *o;
    const bool *weights; /* by value, of the graph that is walked: read as weights */
    uint32_t n_weights;
    const op_schema *asked; /* of the node that is looked at, as the file has it */
    bool unsupported;       /* a node's operator is not known */
} walk;

static bool infer_graph(walk *w, graph_id g);
static void type_of_data(model *m, value_id id);

bool infer_subgraph(infer_ctx *c, graph_id g)
{
    const graph *gr = graph_at(c->m, g);
    for (uint32_t i = 0; i < gr->initializers.n; i++) type_of_data(c->m, gr->initializers.p[i]);
    const bool ok = infer_graph(c->walk, g);
    for (uint32_t i = 0; i < gr->outputs.n; i++) type_of_data(c->m, gr->outputs.p[i]);
    c->n = node_at(c->m, c->id);
    return ok;
}

bool infer_only_checks(const infer_ctx *c)
{
    return c->walk && c->walk->o->strict;
}

bool infer_sizes_hold(infer_ctx *c)
{
    static const char *const ranks_only[] = {"STFT", "RNN", "GRU", "LSTM"};
    for (size_t i = 0; i < sizeof ranks_only / sizeof *ranks_only; i++)
        if (!strcmp(c->n->op, ranks_only[i])) return false;
    return infer_is_strict(c);
}

bool infer_is_partial(const infer_ctx *c)
{
    return c->walk && c->walk->o->partial;
}

bool infer_is_strict(infer_ctx *c)
{
    const op_schema *s = c->walk && c->walk->o->strict ? c->walk->asked : NULL;
    uint32_t n;
    if (s && s->since < 14 && !strcmp(s->name, "Reshape") && !in_content(c, 1, &n)) return false; /* nor of a shape that is computed */
    const bool old = s && s->since < 18 && strcmp(s->name, "ReduceSum");
    return s && s->infers && (!old || strncmp(s->name, "Reduce", 6) || node_in(c->n, 1) || node_int(c->n, "keepdims", 1)); /* of a full reduction onnx says nothing */
}

static bool type_known(model *m, value_id v)
{
    const value *x = value_at(m, v);
    return x->type.kind != TYPE_UNKNOWN || x->data;
}

/* A constant's type is that of its data. */
static void type_of_data(model *m, value_id id)
{
    value *v = value_at(m, id);
    if (!v->data) return;
    dim *shape = shape_new(m, v->data->rank);
    for (uint32_t i = 0; i < v->data->rank; i++) shape[i] = dim_const(m->dims, v->data->shape[i]);
    v->type = type_tensor(v->data->type, (int32_t)v->data->rank, shape);
}

static bool no_fold(const walk *w, const node *n)
{
    if (w->o->keep_dequantized && node_is(n, "", "DequantizeLinear")) return true;
    if (node_is_random(w->m, n) || custom_find(w->m, n)) return true;
    for (uint32_t i = 0; i < n->n_attr; i++) /* a body is folded node by node */
        if (n->attr[i].kind == ATTR_GRAPH) return true;
    return false;
}

/* Content that has become all numbers is a constant. */
static void settle(model *m, node_id id)
{
    const node *n = node_at(m, id);
    for (uint32_t i = 0; i < n->n_out; i++) {
        value *v = n->out[i] ? value_at(m, n->out[i]) : NULL;
        int64_t shape[MAX_RANK], x;
        if (!v || v->data || !v->content || v->type.rank > MAX_RANK || !shape_is_static(m, &v->type, shape)) continue;
        bool all = true;
        for (uint32_t k = 0; k < v->n_content; k++) all &= dim_is_const(m->dims, v->content[k], NULL);
        if (!all) continue;
        tensor *t = tensor_new(m->mem, v->type.elem, (uint32_t)v->type.rank, shape);
        t->name = v->name;
        for (uint32_t k = 0; k < v->n_content; k++) {
            (void)dim_is_const(m->dims, v->content[k], &x);
            elem_set_int(t->type, (void *)(uintptr_t)t->data, k, x);
        }
        v->data = t;
    }
}

/* Inputs that an operator needs are there, outputs are those that it has. The checker has seen to that, but a function call may leave out what its body needs, a list
 * of any number of inputs may have holes, and what operators of other domains are replaced by has been seen by no checker. */
static bool inputs_given(walk *w, const node *n)
{
    model *m = w->m;
    const op_schema *s = n->version ? schema_find(n->domain, n->op, n->version) : NULL;
    if (!strcmp(n->domain, CONTRIB_DOMAIN) && !node_in(n, 0)) return diag_error(m->diag, EXIT_INVALID, at_node(m, n), "input-missing", "input 0 is required but left out"); /* those have no schema */
    for (uint32_t i = 0; s && (i < n->n_in || i < s->min_in); i++) {
        const schema_param *p = node_in(n, i) ? NULL : schema_input(s, i);
        if (!p || p->option == PARAM_OPTIONAL) continue;
        diag_error(m->diag, EXIT_INVALID, at_node(m, n), "input-missing", "input %u (%s) is required but left out", i, p->name);
        if (w->o->strict && p->option == PARAM_VARIADIC && i) diag_allow_last(m->diag); /* onnx does not look at holes in lists */
        return false;
    }
    for (uint32_t i = 0; s && i < n->n_out; i++)
        if (n->out[i] && !schema_output(s, i)) return diag_error(m->diag, EXIT_INVALID, at_node(m, n), "output-count", "%s has no output %u", n->op, i);
    return true;
}

/* The body of a loop that was inferred under a wrong assumption (that sizes stay from one iteration to the next, for example): nothing is known of
 * it. */
static void forget_graph(model *m, graph_id g)
{
    for (node_id i = 1; i < m->nodes.n; i++) {
        const node *n = node_at(m, i);
        graph_id at = n->graph;
        while (at && at != g) at = graph_at(m, at)->parent;
        for (uint32_t k = 0; at && k < n->n_out; k++) {
            value *v = n->out[k] ? value_at(m, n->out[k]) : NULL;
            if (!v) continue;
            v->type = (type){.rank = -1};
            v->content = NULL;
            v->n_content = 0;
            if (v->producer) v->data = NULL;
        }
    }
    const graph *gr = graph_at(m, g);
    for (uint32_t i = 0; i < gr->inputs.n; i++) value_at(m, gr->inputs.p[i])->type = (type){.rank = -1};
}

static void forget_bodies(model *m, const node *n)
{
    if (node_is(n, "", "If")) return; /* its branches were inferred from what is known outside */
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        if (a->kind == ATTR_GRAPH) forget_graph(m, a->u.g);
        for (uint32_t k = 0; a->kind == ATTR_GRAPHS && k < a->n; k++) forget_graph(m, a->u.graphs[k]);
    }
}

/* A node with an input of unknown type: a few things are known all the same. False in any case. */
static bool infer_unknown(walk *w, node_id id)
{
    infer_ctx c = {w->m, w->m->dims, id, node_at(w->m, id), w, false};
    const attr *a = c.n->attr;
    const bool plain = !node_attr(c.n, "start") && !node_attr(c.n, "end");
    const dim rank = dim_fresh(c.d, "rank", 0, INT64_MAX);
    if (w->o->partial) (void)infer_partial(&c);
    if (!w->o->tolerant) return false;
    if (node_is(c.n, "", "Size")) (void)out_tensor(&c, 0, ELEM_INT64, 0, NULL);
    if (node_is(c.n, "", "Shape") && plain) (void)out_tensor(&c, 0, ELEM_INT64, 1, &rank);
    for (uint32_t i = 0, n = node_is(c.n, "", "If") ? c.n->n_attr : 0; i < n; i++)
        if (a[i].kind == ATTR_GRAPH) (void)infer_subgraph(&c, a[i].u.g);
    return false;
}

/* Is what was reported since then no fault of the model? */
static bool only_unsupported(const diag *d, uint32_t errors_before)
{
    return d->errors == errors_before || (d->last < d->list.n && d->list.p[d->last].exit == EXIT_UNSUPPORTED);
}

/* Rules that onnx's inference does not know: a model that breaks them can't run, but is none that its checker refuses. */
static bool onnx_passes(const diag *d, const node *n)
{
    static const struct {
        const char *op, *code; /* code NULL: any */
    } rules[] = {{"STFT", NULL}, {"GatherElements", NULL}, {"ScatterND", NULL}, {"Einsum", "einsum-sizes"}, {"Adagrad", "input-count"}, {"Conv", "shape-channels"}, {"LinearClassifier", NULL},
                 {"TreeEnsemble", NULL}, {"TreeEnsembleClassifier", NULL}, {"TreeEnsembleRegressor", NULL}, {"RNN", "shape-mismatch"}, {"Loop", "type-kind"},
                 {"StringNormalizer", "attribute-value"}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rules[i].op, n->op)) return d->last < d->list.n && (!rules[i].code || !strcmp(rules[i].code, d->list.p[d->last].code));
    return false;
}

/* Are the types of the inputs those that the operator takes? What is not is reported after inference (check_types), but must not be computed. */
static bool operands_fit(model *m, const node *n)
{
    const op_schema *s = schema_find(n->domain, n->op, n->version);
    uint8_t bound[UINT8_MAX + 1] = {0}; /* by type variable: element type */
    for (uint32_t i = 0; s && i < n->n_in; i++) {
        const type *t = n->in[i] ? &value_at(m, n->in[i])->type : NULL;
        const schema_param *p = schema_input(s, i);
        if (!p || !t || t->kind != TYPE_TENSOR || t->elem == ELEM_NONE) continue;
        if (!(p->types->tensor >> t->elem & 1) && !type_beyond(m, n, p->types->tensor, t->elem)) return false;
        if (p->constraint < 0 || (p->option == PARAM_VARIADIC && !p->homogeneous)) continue;
        uint8_t *b = &bound[(uint8_t)p->constraint];
        if (*b && *b != t->elem) return false;
        *b = (uint8_t)t->elem;
    }
    return true;
}

/* Windows are reckoned in 64 bits: no number of one may be beyond 32. */
static bool window_fits(infer_ctx *c)
{
    static const char *const lists[] = {"kernel_shape", "strides", "dilations", "pads", "output_padding", "output_shape"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        uint32_t n;
        const int64_t *list = node_ints(c->n, lists[i], &n);
        for (uint32_t k = 0; list && k < n; k++)
            if (list[k] > INT32_MAX || list[k] < -INT32_MAX) return infer_error(c, "attr-range", "%s has %lld in it, which does not fit 32 bits", lists[i], (long long)list[k]);
    }
    return true;
}

/* Elements that a constant computed by the node may have. */
static int64_t fold_limit(const walk *w, const node *n)
{
    const bool weights = n->n_out == 1 && n->out[0] < w->n_weights && w->weights[n->out[0]];
    return weights && w->o->weights_limit > w->o->fold_limit ? w->o->weights_limit : w->o->fold_limit;
}

/* Sizes that a node gives as numbers (Shape): onnx does not follow them without data propagation. */
static void forget_content(model *m, const node *n)
{
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && !value_at(m, n->out[i])->data) value_at(m, n->out[i])->content = NULL;
}

/* An input of the model that is declared a tensor of nothing. */
static bool lacks_elements(model *m, value_id v)
{
    const value *x = value_at(m, v);
    if (x->producer || x->data || x->type.kind != TYPE_TENSOR || x->type.elem != ELEM_NONE) return false;
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (g->inputs.p[i] == v) return true;
    return false;
}

static bool infer_one(walk *w, node_id id)
{
    model *m = w->m;
    node *n = node_at(m, id);
    if (!inputs_given(w, n)) return false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!n->in[i]) continue;
        type_of_data(m, n->in[i]);
        if (w->o->strict && !w->o->faults_known && lacks_elements(m, n->in[i])) return diag_error(m->diag, EXIT_INVALID, at_node(m, n), "type-missing", "the type of the elements of input %u is not given", i);
        if (!type_known(m, n->in[i])) return infer_unknown(w, id); /* follows from a problem that was reported where it arose */
    }
    const op_def *op = op_of(m, n);
    infer_ctx c = {m, m->dims, id, n, w, false};
    if (!op || !op->infer || (!strcmp(n->domain, OWN_DOMAIN) && !w->o->resolver)) { /* a resolver makes some of those */
        if (w->o->partial) (void)infer_partial(&c);
        w->unsupported = true; /* reported at the end, all of them */
        return false;
    }
    const uint32_t errors = m->diag->errors, asked = m->asked.n; /* not 0 in the body of a node that has asked */
    if (w->o->partial && infer_list_types(&c)) return true;
    const bool inferred = window_fits(&c) && op->infer(&c) && !c.wrong;
    if (!inferred && m->diag->errors > errors) hint_asked(m, node_at(m, id), asked, !w->o->partial);
    m->asked.n = asked;
    if (!inferred) {
        if (w->o->strict && m->diag->errors == errors + 1 && onnx_passes(m->diag, n)) node_is(n, "", "Loop") ? diag_drop_last(m->diag) : diag_allow_last(m->diag); /* a sequence that a loop carries is no fault */
        if (w->o->partial && only_unsupported(m->diag, errors)) (void)infer_partial(&c);
        return false;
    }
    n = node_at(m, id);
    if (w->o->given_only && w->o->strict) forget_content(m, n);
    if (w->o->given_only) return true;
    if (no_fold(w, n) || (m->written_back && node_is(n, "", "DequantizeLinear"))) return true; /* quantized weights stay quantized in a file */
    bool done = n->n_out > 0;
    for (uint32_t i = 0; i < n->n_out; i++) done &= !n->out[i] || value_at(m, n->out[i])->data || value_at(m, n->out[i])->content;
    if (!done && operands_fit(m, n) && !fold_numbers(w->f, id, fold_limit(w, n))) (void)fold_symbols(w->f, id);
    settle(m, id);
    return true;
}

/* Constants that the node reads have their types. */
static void type_constants(model *m, const node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i]) type_of_data(m, n->in[i]);
}

/* The node at place i at its newest version, or what it was replaced by, with its types. */
static bool infer_place(walk *w, graph_id g, uint32_t i)
{
    graph *gr = graph_at(w->m, g);
    for (;;) {
        if (i >= gr->nodes.n) return true; /* a node that nothing stands for was the last */
        if (w->o->faults_known && node_at(w->m, gr->nodes.p[i])->faulty) return false;
        type_constants(w->m, node_at(w->m, gr->nodes.p[i]));
        if (w->o->before && !w->o->before(w->m, node_at(w->m, gr->nodes.p[i]))) return false;
        const node *n = node_at(w->m, gr->nodes.p[i]);
        w->asked = n->version ? schema_find(n->domain, n->op, n->version) : NULL;
        const op_def *op = op_find(n->domain, n->op);
        if (w->o->partial && op && op->infer && !op->lower) return infer_one(w, gr->nodes.p[i]); /* its types are known without its body */
        if (!version_node(w->m, g, i)) return false;
        if (!w->o->resolver) return infer_one(w, gr->nodes.p[i]);
        type_constants(w->m, node_at(w->m, gr->nodes.p[i]));
        switch (w->o->resolver->node(w->o->resolver->ctx, g, i)) {
        case RESOLVE_LEAVES: return infer_one(w, gr->nodes.p[i]);
        case RESOLVE_FAILED: return false;
        case RESOLVE_AGAIN: break;
        }
    }
}

bool infer_branches(infer_ctx *c, graph_id then, graph_id otherwise)
{
    const resolver *r = c->walk ? c->walk->o->resolver : NULL;
    const bool ok = !r || r->branches(r->ctx, c->id, then, otherwise);
    c->n = node_at(c->m, c->id);
    return ok;
}

static bool infer_graph(walk *w, graph_id g)
{
    graph *gr = graph_at(w->m, g);
    const bool *outer = w->weights;
    const uint32_t n_outer = w->n_weights;
    bool ok = true;
    if (w->o->weights_limit) {
        w->weights = weight_flags(w->m, g, w->scratch);
        w->n_weights = w->m->values.n;
    }
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const bool good = infer_place(w, g, i);
        if (!good && w->o->tolerant && !w->o->partial) forget_bodies(w->m, node_at(w->m, gr->nodes.p[i]));
        ok &= good;
    }
    w->weights = outer;
    w->n_weights = n_outer;
    return ok;
}

bool infer_node(model *m, node_id id)
{
    const op_def *op = op_of(m, node_at(m, id));
    infer_ctx c = {m, m->dims, id, node_at(m, id), NULL, false};
    return op && op->infer && op->infer(&c);
}

bool infer_model(model *m, const infer_options *o)
{
    arena *scratch = arena_new();
    walk w = {.scratch = scratch, .m = m, .f = folder_new(scratch, m), .o = o};
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->initializers.n; i++) type_of_data(m, g->initializers.p[i]);
    const bool inferred = infer_graph(&w, 1);
    if (w.unsupported) report_unsupported(m);
    const bool ok = inferred && !m->diag->errors;
    if (!inferred && !m->diag->errors && !o->tolerant && !o->faults_known) diag_error(m->diag, EXIT_UNSUPPORTED, "", "type-unknown", "the types of the values can't be inferred");
    arena_free(scratch);
    return ok;
}
