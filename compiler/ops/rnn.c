/* rnn.c - LSTM, GRU, RNN. Source: ONNX Operators.md, version 22.
 *
 * What does not depend on the state, x * W^T + biases of all steps and gates, is one matrix product before; the rest is a kernel that walks
 * the steps (templates/cpu/{lstm,gru,rnn}.c), one for each direction. */
#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/matmul.h"

typedef enum { CELL_RNN, CELL_GRU, CELL_LSTM } cell;

typedef struct {
    const char *op, *template;
    cell cell;
    int64_t gates, row; /* the kernel's scratch for a sequence: row * hidden, up to whole vectors, + MAX_LANES */
    uint32_t n_act;                /* activations of a direction */
    const char *act[3];            /* by default */
} cell_row;

static const cell_row CELLS[] = {
    {"RNN", "rnn", CELL_RNN, 1, 3, 1, {"Tanh"}},
    {"GRU", "gru", CELL_GRU, 3, 6, 2, {"Sigmoid", "Tanh"}},
    {"LSTM", "lstm", CELL_LSTM, 4, 7, 3, {"Sigmoid", "Tanh", "Tanh"}},
};

static const cell_row *cell_of(const node *n)
{
    for (size_t i = 0; i < sizeof CELLS / sizeof *CELLS; i++)
        if (!strcmp(CELLS[i].op, n->op)) return &CELLS[i];
    return NULL;
}

static int64_t directions_of(const node *n)
{
    return strcmp(node_string(n, "direction", "forward"), "bidirectional") ? 1 : 2;
}

/* ---- infer ---- */

bool infer_recurrent(infer_ctx *c)
{
    const cell_row *row = cell_of(c->n);
    for (uint32_t i = 0; i < 3; i++) {
        if (!need_rank(c, i)) return false;
        if (in_rank(c, i) != 3) return infer_error(c, "shape-rank", "input %u has %d dimensions instead of 3", i, in_rank(c, i));
    }
    const int64_t directions = directions_of(c->n), layout = node_int(c->n, "layout", 0);
    const dim d = dim_const(c->d, directions), t = in_dim(c, 0, layout ? 1 : 0), b = in_dim(c, 0, layout ? 0 : 1), h = in_dim(c, 2, 2);
    const dim y[4] = {layout ? b : t, layout ? t : d, layout ? d : b, h}, last[3] = {layout ? b : d, layout ? d : b, h};
    const elem e = in_elem(c, 0);
    int64_t units;
    const int64_t said = node_int(c->n, "hidden_size", -1);
    if (!infer_only_checks(c) && said >= 0 && dim_is_const(c->d, h, &units) && units != said) return infer_error(c, "attribute-value", "attribute 'hidden_size' is %lld, the recurrent weights are of %lld", (long long)said, (long long)units);
    const dim rows = dim_mulc(c->d, h, row->gates);
    bool fit = shape_fits(c, 1, 3, (const dim[]){d, rows, in_dim(c, 0, 2)}) && shape_fits(c, 2, 3, (const dim[]){d, rows, h});
    fit = fit && shape_fits(c, 3, 2, (const dim[]){d, dim_mulc(c->d, rows, 2)}) && shape_fits(c, 4, 1, &b) && shape_fits(c, 5, 3, last);
    fit = fit && (row->cell != CELL_LSTM || (shape_fits(c, 6, 3, last) && shape_fits(c, 7, 2, (const dim[]){d, dim_mulc(c->d, h, 3)})));
    if (!fit) return false;
    if (e != ELEM_FLOAT) return infer_unsupported(c, "type-unsupported", "%s of type %s is not supported yet", row->op, elem_of(e)->name);
    return out_tensor(c, 0, e, 4, y) && out_tensor(c, 1, e, 3, last) && (row->cell != CELL_LSTM || out_tensor(c, 2, e, 3, last));
}

/* ---- lower ---- */

typedef struct {
    lower_ctx *c;
    const cell_row *row;
    int64_t dir, directions;
    bool batch_first;
    dim t, b, h, gates_h; /* steps, batch, hidden size, gates * hidden size */
    VEC(binding) bind;
    VEC(kernel_arg) arg;
} recurrence;

static void bind_dim(recurrence *r, const char *name, dim d)
{
    VEC_PUSH(r->c->p->mem, r->bind, ((binding){.name = name, .kind = BIND_DIM, .d = d}));
}

static void bind_const(recurrence *r, const char *name, int64_t v)
{
    bind_dim(r, name, dim_const(r->c->d, v));
}

static void bind_text(recurrence *r, const char *name, const char *t)
{
    VEC_PUSH(r->c->p->mem, r->bind, ((binding){.name = name, .kind = BIND_TEXT, .text = t}));
}

static void add_arg(recurrence *r, slot s, arg_role role)
{
    VEC_PUSH(r->c->p->mem, r->arg, ((kernel_arg){s, role}));
}

static const char *activation_name(const recurrence *r, uint32_t i)
{
    const attr *a = node_attr(r->c->n, "activations");
    const uint32_t at = (uint32_t)r->dir * r->row->n_act + i;
    return a && a->kind == ATTR_STRINGS && at < a->n ? a->u.strings[at] : r->row->act[i];
}

static bool bind_activations(recurrence *r)
{
    static const struct {
        const char *name, *function;
    } KNOWN[] = {{"Sigmoid", "vf_sigmoid"}, {"Tanh", "vf_tanh"}, {"Relu", "vf_relu"}};
    static const char *const PARAM[] = {"F_V", "G_V", "H_V"};
    for (uint32_t i = 0; i < r->row->n_act; i++) {
        const char *name = activation_name(r, i), *fn = NULL;
        for (size_t k = 0; k < sizeof KNOWN / sizeof *KNOWN; k++)
            if (!strcasecmp(name, KNOWN[k].name)) fn = KNOWN[k].function;
        if (!fn) return lower_unsupported(r->c, "activation", "activation '%s' is not supported yet", name);
        bind_text(r, PARAM[i], fn);
    }
    return true;
}

/* Element i of the biases of a gate: that of the input plus that of the state. The GRU's last gate keeps the state's for the kernel when it
 * is scaled by the reset gate there. */
static ex bias_at(recurrence *r, dim gate_i, bool apart)
{
    lower_ctx *c = r->c;
    const dim dir = dim_const(c->d, r->dir);
    const slot s = in_slot(c, 3);
    const dim in[2] = {dir, gate_i}, state[2] = {dir, dim_add(c->d, gate_i, r->gates_h)};
    const ex of_input = load_axes(c, s, 2, in), of_state = load_axes(c, s, 2, state);
    if (!apart) return add(c, of_input, of_state);
    const ex last = ex_bin(c->x, EX_LE, ex_dim(c->x, dim_mulc(c->d, r->h, 2)), ex_dim(c->x, gate_i));
    return add(c, of_input, ex_select(c->x, last, num(c, of_state, 0), of_state));
}

/* x * W^T + biases: [t, b, gates * h]. */
static slot input_part(recurrence *r, bool apart)
{
    lower_ctx *c = r->c;
    const dim shape[3] = {r->t, r->b, r->gates_h};
    const slot x = in_slot(c, 0), w = in_slot(c, 1), bias = in_slot(c, 3), plain = temp_slot(c, "xw", ELEM_FLOAT, 3, shape);
    product q = {.a_slot = x, .b_slot = w, .out = plain, .n_batch = 1, .n_at = 3};
    q.batch[0] = q.at[0] = dim_axis(c->d, r->t);
    q.m = q.at[1] = dim_axis(c->d, r->b);
    q.n = q.at[2] = dim_axis(c->d, r->gates_h);
    q.k = dim_axis(c->d, slot_dim(c, x, 2));
    const dim xi[3] = {r->batch_first ? q.m : q.batch[0], r->batch_first ? q.batch[0] : q.m, q.k}, wi[3] = {dim_const(c->d, r->dir), q.n, q.k};
    q.a = load_axes(c, x, 3, xi);
    q.b = load_axes(c, w, 3, wi);
    if (!lower_product(c, &q)) return 0;
    if (!bias) return plain;
    const slot to = temp_slot(c, "xw_biased", ELEM_FLOAT, 3, shape);
    nest_builder b = low_begin(c);
    dim idx[3];
    axes_for(&b, 3, shape, idx);
    nest_stage(&b);
    store_axes(c, &b, to, 3, idx, add(c, load_axes(c, plain, 3, idx), bias_at(r, idx[2], apart)));
    low_end(c, &b);
    return to;
}

/* R of this direction, transposed: [h, gates * h]; a constant when R is one. */
static slot transposed(recurrence *r)
{
    lower_ctx *c = r->c;
    const slot from = in_slot(c, 2);
    const tensor *data = low_data(c, 2);
    if (data && data->type == ELEM_FLOAT) {
        const int64_t n = data->shape[1], h = data->shape[2];
        tensor *t = tensor_new(c->p->mem, ELEM_FLOAT, 2, (const int64_t[2]){h, n});
        const float *in = (const float *)data->data + r->dir * n * h;
        float *out = (float *)(uintptr_t)t->data;
        for (int64_t i = 0; i < h; i++)
            for (int64_t k = 0; k < n; k++) memcpy(&out[i * n + k], &in[k * h + i], sizeof *out); /* the same byte order */
        return const_slot(c, "rt", t);
    }
    const dim shape[2] = {r->h, r->gates_h};
    const slot to = temp_slot(c, "rt", ELEM_FLOAT, 2, shape);
    nest_builder b = low_begin(c);
    dim idx[2];
    axes_for(&b, 2, shape, idx);
    nest_stage(&b);
    const dim at[3] = {dim_const(c->d, r->dir), idx[1], idx[0]};
    store_axes(c, &b, to, 2, idx, load_axes(c, from, 3, at));
    low_end(c, &b);
    return to;
}

/* Where the direction's part of y ([t, d, b, h] or [b, t, d, h]) and of the states ([d, b, h] or [b, d, h]) begins, and how far apart steps
 * and sequences lie. */
static void bind_places(recurrence *r)
{
    dims *d = r->c->d;
    const dim row = r->h, all = dim_mulc(d, row, r->directions), plane = dim_mul(d, r->b, row);
    bind_dim(r, "Y_T", r->batch_first ? all : dim_mulc(d, plane, r->directions));
    bind_dim(r, "Y_B", r->batch_first ? dim_mul(d, r->t, all) : row);
    const dim at = dim_mulc(d, r->batch_first ? row : plane, r->dir), apart = r->batch_first ? all : row;
    bind_dim(r, "Y_AT", at);
    bind_dim(r, "YH_AT", at);
    bind_dim(r, "YH_B", apart);
    bind_dim(r, "H0_AT", at);
    bind_dim(r, "H0_B", apart);
    bind_const(r, "XW_AT", 0);
    bind_const(r, "RT_AT", 0);
    bind_const(r, "UNITS", 0);
    bind_const(r, "FROM", 0);
    bind_dim(r, "TO", r->t);
    bind_dim(r, "T", r->t);
    bind_dim(r, "BATCH", r->b);
    bind_dim(r, "H", r->h);
}

static bool lower_direction(recurrence *r)
{
    lower_ctx *c = r->c;
    const cell kind = r->row->cell;
    const bool backward = r->dir == 1 || !strcmp(node_string(c->n, "direction", ""), "reverse");
    const bool apart = kind == CELL_GRU && node_int(c->n, "linear_before_reset", 0) != 0;
    const arg_role out = r->dir ? ARG_INOUT : ARG_OUT; /* the second direction keeps what the first wrote */
    const slot xw = input_part(r, apart), rt = transposed(r);
    if (!xw || !bind_activations(r)) return false;
    bind_places(r);
    bind_const(r, "REVERSE", backward);
    const float clip = node_float(c->n, "clip", 0);
    bind_text(r, "CLIP", clip > 0 ? arena_printf(c->p->mem, "%.9gf", (double)clip) : "INFINITY");
    add_arg(r, out_slot(c, 0), out);
    add_arg(r, out_slot(c, 1), out);
    if (kind == CELL_LSTM) add_arg(r, out_slot(c, 2), out);
    add_arg(r, xw, ARG_IN);
    add_arg(r, rt, ARG_IN);
    if (kind == CELL_GRU) {
        bind_const(r, "LINEAR_BEFORE_RESET", apart);
        bind_dim(r, "RB_AT", dim_mulc(c->d, r->h, r->dir * 6 + 5));
        add_arg(r, apart ? in_slot(c, 3) : 0, ARG_IN);
    }
    add_arg(r, in_slot(c, 5), ARG_IN);
    if (kind == CELL_LSTM) {
        bind_const(r, "INPUT_FORGET", node_int(c->n, "input_forget", 0) != 0);
        bind_dim(r, "P_AT", dim_mulc(c->d, r->h, 3 * r->dir));
        add_arg(r, in_slot(c, 6), ARG_IN);
        add_arg(r, in_slot(c, 7), ARG_IN);
    }
    add_arg(r, in_slot(c, 4), ARG_IN);
    const dim vectors = dim_cdiv(c->d, r->h, dim_const(c->d, MAX_LANES)), scratch[2] = {r->b, dim_addc(c->d, dim_mulc(c->d, vectors, r->row->row * MAX_LANES), MAX_LANES)};
    add_arg(r, temp_slot(c, "rows", ELEM_FLOAT, 2, scratch), ARG_SCRATCH);
    const dim rows = dim_mul(c->d, r->t, r->b);
    lower_template(c, r->row->template, r->bind.n, r->bind.p, r->arg.n, r->arg.p, r->b)->work = dim_mul(c->d, rows, dim_mul(c->d, r->h, r->gates_h));
    return true;
}

bool lower_recurrent(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    const bool batch_first = node_int(c->n, "layout", 0) != 0;
    const int64_t directions = directions_of(c->n);
    if (slot_elem(c, x) != ELEM_FLOAT) return lower_unsupported(c, "type-unsupported", "only float is supported yet");
    for (int64_t dir = 0; dir < directions; dir++) {
        recurrence r = {.c = c, .row = cell_of(c->n), .dir = dir, .directions = directions, .batch_first = batch_first};
        r.t = slot_dim(c, x, batch_first ? 1 : 0);
        r.b = slot_dim(c, x, batch_first ? 0 : 1);
        r.h = slot_dim(c, in_slot(c, 2), 2);
        r.gates_h = dim_mulc(c->d, r.h, r.row->gates);
        if (!lower_direction(&r)) return false;
    }
    return true;
}
