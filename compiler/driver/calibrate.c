/* calibrate.c - see calibrate.h. */
#include "driver/calibrate.h"

#include "driver/process.h"
#include "driver/sample_run.h"
#include "passes/forms.h"

typedef enum { LOOK_RANGE, LOOK_BINS, LOOK_ERROR } look;

typedef struct {
    command *c;
    quantize_plan *p;
    session s;
    look how;
    value_list values;
    uint32_t *output;    /* by place in `values`: which output of the compiled model it is */
    const folder_list *sets;
    quant_params *param; /* by place in `values`: for the third look */
    layer_list layers;   /* by place in `values`: of errors, whose it is */
    observed **input;    /* by input of the compiled model: its range; NULL where it has no real numbers */
} calibration;

/* ---- the model with its values as outputs ---- */

/* Where the value is among the outputs, which gets it if need be; inputs of the model go through an Identity. */
static uint32_t output_of(model *m, value_id v)
{
    graph *g = model_main(m);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.p[i] == v) return i;
    value_id out = v;
    if (!value_at(m, v)->producer) {
        const node_id id = node_new(m, 1, "", "Identity", 1, 1, 0);
        out = value_new(m, arena_printf(m->mem, "%s.observed", value_at(m, v)->name));
        value_at(m, out)->type = value_at(m, v)->type;
        value_at(m, out)->producer = id;
        node_at(m, id)->version = op_version(m, "", "Identity");
        node_at(m, id)->in[0] = v;
        node_at(m, id)->out[0] = out;
        VEC_PUSH(m->mem, g->nodes, id);
    }
    VEC_PUSH(m->mem, g->outputs, out);
    return g->outputs.n - 1;
}

/* The plan's model as a model of its own, whose file it could be, with `values` as outputs. The plan's then has the first `nodes` of its nodes. */
static model *observed_model(calibration *k, uint32_t nodes)
{
    model *m = k->p->m;
    graph *g = model_main(m);
    const uint32_t outputs = g->outputs.n;
    k->output = ARENA_ARRAY(k->c->mem, uint32_t, k->values.n + 1);
    for (uint32_t i = 0; i < k->values.n; i++) k->output[i] = output_of(m, k->values.p[i]);
    model *copy = model_copy(k->c, m);
    g->outputs.n = outputs;
    g->nodes.n = nodes;
    return copy;
}

/* ---- looks ---- */

static bool look_at(calibration *k, uint32_t i, const tensor *t, const char *set)
{
    const look how = k->how;
    observed *s = k->p->seen[k->values.p[i]];
    const float *x = t->data; /* outputs are aligned, in the host's byte order */
    const int64_t n = tensor_count(t);
    if (how == LOOK_BINS) observe_bins(s, k->p->mem, x, n);
    if (how == LOOK_ERROR) observe_error(s, &k->param[i], x, n);
    if (how != LOOK_RANGE || observe_range(s, x, n)) return true;
    return diag_error(k->c->diag, EXIT_INVALID, at_value(k->p->m, k->values.p[i]), "not-finite", "element %lld is not finite for '%s'",
                      (long long)s->strange, set);
}

/* The range of every input with real numbers; one that is not finite shows in the values that are observed. */
static void look_at_inputs(calibration *k)
{
    const onnxcc_model *m = k->s.model;
    if (!k->input) k->input = ARENA_ARRAY(k->c->mem, observed *, m->n_inputs + 1);
    for (int i = 0; i < m->n_inputs; i++) {
        const tensor *t = k->s.bound[i];
        if (t->type != ELEM_FLOAT) continue;
        if (!k->input[i]) k->input[i] = observed_new(k->c->mem);
        observe_range(k->input[i], k->s.in[i], tensor_count(t));
    }
}

/* More than one element a set, and all of them one number: data as no model sees it, or a value that does nothing. */
static bool is_constant(const calibration *k, const observed *s)
{
    return s && s->count > k->sets->n && s->lo == s->hi && s->strange < 0;
}

static void warn_constant(const calibration *k)
{
    static const char CODE[] = "calibration-constant";
    model *m = k->p->m;
    diag *d = k->c->diag;
    for (int i = 0; i < k->s.model->n_inputs; i++) {
        if (!is_constant(k, k->input[i])) continue;
        diag_warn(d, arena_printf(k->c->mem, "input '%s'", k->s.model->inputs[i].name), CODE, "all of the calibration data for it is %g", k->input[i]->lo);
        diag_hint(d, "ranges are those of the calibration data: give inputs as the model will see them");
    }
    for (uint32_t i = 0; i < k->values.n; i++) {
        const value_id v = k->values.p[i];
        if (!value_at(m, v)->producer || !is_constant(k, k->p->seen[v])) continue;
        diag_warn(d, at_value(m, v), CODE, "it is %g in all elements for all of the calibration data", k->p->seen[v]->lo);
    }
}

static bool run_set(void *ctx, const tensor_set *inputs, const char *path, arena *mem)
{
    calibration *k = ctx;
    tensor_set outputs;
    if (!sample_outputs(&k->s, mem, inputs, &outputs)) return false;
    if (k->how == LOOK_RANGE) look_at_inputs(k);
    for (uint32_t i = 0; i < k->values.n; i++)
        if (!look_at(k, i, outputs.list.p[k->output[i]], path)) return false;
    return true;
}

static bool look_at_all(calibration *k, look how)
{
    static const char *const WHAT[] = {"calibrating, ranges", "calibrating, histograms", "calibrating, errors"};
    k->how = how;
    return sample_sets_each(k->c, k->sets, WHAT[how], run_set, k);
}

/* Until the bins of every value are fine enough: once, where there are no outliers. */
static bool look_at_bins(calibration *k)
{
    for (bool again = true; again;) {
        if (!look_at_all(k, LOOK_BINS)) return false;
        again = false;
        for (uint32_t i = 0; k->p->o->method == RANGE_PERCENTILE && i < k->values.n; i++) again |= observe_refine(k->p->seen[k->values.p[i]]);
    }
    return true;
}

static bool calibrate_in(calibration *k, const char *folder)
{
    command *c = k->c;
    model *m = observed_model(k, model_main(k->p->m)->nodes.n);
    bool ok = m && sample_session(c, m, folder, &k->s) && look_at_all(k, LOOK_RANGE);
    if (ok) warn_constant(k);
    if (ok && k->p->o->method != RANGE_MINMAX) ok = look_at_bins(k);
    k->param = ARENA_ARRAY(c->mem, quant_params, k->values.n + 1);
    for (uint32_t i = 0; i < k->values.n; i++) k->param[i] = quantize_params(k->p, k->values.p[i]);
    ok = ok && look_at_all(k, LOOK_ERROR);
    session_close(&k->s);
    return ok;
}

bool calibrate(command *c, quantize_plan *p, const folder_list *sets)
{
    calibration k = {.c = c, .p = p, .values = quantize_observed(p), .sets = sets};
    if (!k.values.n) return true;
    const char *folder = folder_temporary(c->mem, c->diag);
    if (!folder) return false;
    const bool ok = calibrate_in(&k, folder);
    folder_remove(folder);
    return ok;
}

/* ---- biases ---- */

static bool add_errors(void *ctx, const tensor_set *inputs, const char *path, arena *mem)
{
    calibration *k = ctx;
    tensor_set outputs;
    (void)path;
    if (!sample_outputs(&k->s, mem, inputs, &outputs)) return false;
    for (uint32_t i = 0; i < k->values.n; i++) quantize_observe_error(k->p, k->layers.p[i], outputs.list.p[k->output[i]]);
    return true;
}

bool calibrate_biases(command *c, quantize_plan *p, const folder_list *sets)
{
    calibration k = {.c = c, .p = p, .sets = sets};
    const uint32_t nodes = model_main(p->m)->nodes.n;
    k.values = quantize_errors(p, &k.layers);
    model *m = observed_model(&k, nodes);
    if (!k.values.n) return true;
    const char *folder = m ? folder_temporary(c->mem, c->diag) : NULL;
    if (!folder) return false;
    const bool ok = sample_session(c, m, folder, &k.s) && sample_sets_each(c, sets, "calibrating, biases", add_errors, &k);
    session_close(&k.s);
    folder_remove(folder);
    return ok;
}
