/* contrib_lstm.c - DynamicQuantizeLSTM of com.microsoft in terms of ai.onnx. Source: the documentation of onnxruntime's contrib operators, and what
 * onnxruntime computes.
 *
 * An LSTM whose two products are of integers. The input is quantized once for all steps, the state anew in every step, so the steps are a Scan:
 *
 *     xw = X * W;    each step: i, o, f, g = split(xw[t] + h * R + bias);    c = f * c + i * g;    h = o * tanh(c)
 *
 * W is [direction, input, 4 * hidden], turned compared to LSTM's, R likewise; scales and zero points are one or one per column. */
#include <string.h>
#include <strings.h>

#include "ops/contrib.h"

enum { X, W, R, BIAS, LENGTHS, H0, C0, PEEPHOLE, W_SCALE, W_ZERO, R_SCALE, R_ZERO };

/* The part of a direction: v without its first dimension. */
static value_id of_direction(edit *e, uint32_t input, int64_t dir)
{
    const attr axis = attr_int(e->m, "axis", 0);
    return input_of(e, input) ? insert(e, "Gather", &axis, IN(input_of(e, input), const_int(e, "direction", dir))) : 0;
}

/* x, quantized now, times constant weights: float. */
static value_id dynamic_product(edit *e, value_id x, value_id w, value_id w_scale, value_id w_zero)
{
    const value_id q[3] = {make_value(e, "quantized"), make_value(e, "scale"), make_value(e, "zero")}, in[4] = {q[0], w, q[2], w_zero};
    const attr to = attr_int(e->m, "to", ELEM_FLOAT);
    make_node(e, "DynamicQuantizeLinear", 0, NULL, IN(x), 3, q);
    const value_id sum = insert(e, "MatMulInteger", NULL, w_zero ? 4 : 3, in);
    return insert(e, "Mul", NULL, IN(insert(e, "Cast", &to, 1, &sum), insert(e, "Mul", NULL, IN(q[1], w_scale))));
}

/* Biases of the input and of the state, added up. */
static value_id bias_of(edit *e, int64_t dir)
{
    const value_id both = of_direction(e, BIAS, dir);
    if (!both) return 0;
    const attr a[2] = {attr_int(e->m, "axis", 0), attr_int(e->m, "num_outputs", 2)};
    const value_id part[2] = {make_value(e, "wb"), make_value(e, "rb")};
    make_node(e, "Split", 2, a, IN(both), 2, part);
    return insert(e, "Add", NULL, IN(part[0], part[1]));
}

/* State before the first step: given, or zeros [batch, hidden]. */
static value_id first_state(edit *e, uint32_t input, int64_t dir)
{
    if (input_of(e, input)) return of_direction(e, input, dir);
    const attr a[2] = {attr_int(e->m, "start", 1), attr_int(e->m, "end", 2)}, axis = attr_int(e->m, "axis", 0);
    const int64_t hidden = node_int(edited(e), "hidden_size", 0);
    const value_id x = input_of(e, X), shape = insert(e, "Concat", &axis, IN(make(e, "Shape", 2, a, 1, &x), const_ints(e, "hidden", 1, &hidden)));
    const float zero = 0;
    return insert(e, "Expand", NULL, IN(const_floats(e, "state", 1, &zero), shape));
}

/* One step as the body of the Scan: h, c, xw -> h, c, h. */
static graph_id step_body(edit *e, int64_t dir)
{
    model *m = e->m;
    const value_id r = of_direction(e, R, dir), scale = of_direction(e, R_SCALE, dir), zero = of_direction(e, R_ZERO, dir), bias = bias_of(e, dir);
    const graph_id body = graph_new(m, e->graph, "step");
    edit in = {.m = m, .graph = body, .id = e->id, .serial = e->serial};
    const value_id h = make_value(&in, "h"), c = make_value(&in, "c"), xw = make_value(&in, "xw");
    value_id sum = insert(&in, "Add", NULL, IN(xw, dynamic_product(&in, h, r, scale, zero)));
    if (bias) sum = insert(&in, "Add", NULL, IN(sum, bias));
    const attr split[2] = {attr_int(m, "axis", 1), attr_int(m, "num_outputs", 4)};
    const value_id part[4] = {make_value(&in, "i"), make_value(&in, "o"), make_value(&in, "f"), make_value(&in, "g")};
    make_node(&in, "Split", 2, split, IN(sum), 4, part);
    value_id gate[4];
    for (uint32_t i = 0; i < 4; i++) gate[i] = insert(&in, i < 3 ? "Sigmoid" : "Tanh", NULL, 1, &part[i]);
    const value_id cell = insert(&in, "Add", NULL, IN(insert(&in, "Mul", NULL, IN(gate[2], c)), insert(&in, "Mul", NULL, IN(gate[0], gate[3]))));
    const value_id state = insert(&in, "Mul", NULL, IN(gate[1], insert(&in, "Tanh", NULL, 1, &cell))), y = insert(&in, "Identity", NULL, 1, &state);
    graph *g = graph_at(m, body);
    memcpy(&g->nodes, &in.list, sizeof g->nodes);
    const value_id inputs[3] = {h, c, xw}, outputs[3] = {state, cell, y};
    for (uint32_t i = 0; i < 3; i++) {
        VEC_PUSH(m->mem, g->inputs, inputs[i]);
        VEC_PUSH(m->mem, g->outputs, outputs[i]);
    }
    e->serial = in.serial;
    return body;
}

/* y [steps, 1, batch, hidden], h and c [1, batch, hidden] of a direction. */
static void one_direction(edit *e, int64_t dir, bool backward, value_id *out)
{
    model *m = e->m;
    const value_id xw = dynamic_product(e, input_of(e, X), of_direction(e, W, dir), of_direction(e, W_SCALE, dir), of_direction(e, W_ZERO, dir));
    const int64_t way = backward, first = 0, second = 1;
    const attr a[4] = {{.name = intern(m->names, "body"), .kind = ATTR_GRAPH, .u.g = step_body(e, dir)},
                       attr_int(m, "num_scan_inputs", 1),
                       attr_ints(m, "scan_input_directions", 1, &way),
                       attr_ints(m, "scan_output_directions", 1, &way)};
    const value_id result[3] = {make_value(e, "h"), make_value(e, "c"), make_value(e, "y")};
    make_node(e, "Scan", 4, a, IN(first_state(e, H0, dir), first_state(e, C0, dir), xw), 3, result);
    out[0] = insert(e, "Unsqueeze", NULL, IN(result[2], const_ints(e, "axes", 1, &second)));
    for (uint32_t i = 0; i < 2; i++) out[i + 1] = insert(e, "Unsqueeze", NULL, IN(result[i], const_ints(e, "axes", 1, &first)));
}

static bool plain_activations(const node *n)
{
    static const char *const PLAIN[] = {"sigmoid", "tanh", "tanh"};
    const attr *a = node_attr(n, "activations");
    for (uint32_t i = 0; a && a->kind == ATTR_STRINGS && i < a->n; i++)
        if (strcasecmp(a->u.strings[i], PLAIN[i % 3])) return false;
    return true;
}

bool dynamic_lstm(edit *e)
{
    const node *n = edited(e);
    const char *way = node_string(n, "direction", "forward");
    const int64_t directions = strcmp(way, "bidirectional") ? 1 : 2;
    if (input_of(e, LENGTHS) || input_of(e, PEEPHOLE)) return version_error(e, "contrib", "lengths of sequences and peepholes are not supported yet");
    if (node_attr(n, "clip") || node_int(n, "input_forget", 0) || !plain_activations(n))
        return version_error(e, "contrib", "clipping, coupled gates and activations other than sigmoid and tanh are not supported yet");
    if (node_int(n, "hidden_size", 0) < 1) return version_error(e, "contrib", "hidden_size is missing");
    value_id part[3][2], all[3];
    for (int64_t dir = 0; dir < directions; dir++) {
        value_id out[3];
        one_direction(e, dir, dir == 1 || !strcmp(way, "reverse"), out);
        for (uint32_t i = 0; i < 3; i++) part[i][dir] = out[i];
    }
    for (uint32_t i = 1; i < 3; i++) {
        const attr axis = attr_int(e->m, "axis", 0);
        all[i] = output_of(e, i);
        if (all[i]) make_node(e, "Concat", 1, &axis, (uint32_t)directions, part[i], 1, &all[i]);
    }
    if (!output_of(e, 0)) edited(e)->out[0] = make_value(e, "y");
    const attr axis = attr_int(e->m, "axis", 1);
    become(e, "Concat", &axis, (uint32_t)directions, part[0]);
    edited(e)->domain = intern(e->m->names, "");
    return true;
}
