/* version_other.c - version adapters of recurrent, signal, control and ai.onnx.ml operators. */
#include <string.h>

#include "ops/version_edit.h"
#include "schema/schema.h"

/* LSTM RNN 1 -> 7, GRU 3 -> 7: output_sequence said whether the first output is wanted; that it is there says so. */
static bool recurrent_to_7(edit *e)
{
    node_drop_attr(edited(e), "output_sequence");
    return true;
}

/* DFT 17 -> 20: axis is an input and defaults to the last signal axis; it was an attribute with default 1. */
static bool dft_to_20(edit *e)
{
    set_input(e, 2, const_int(e, "axis", node_int(edited(e), "axis", 1)));
    node_drop_attr(edited(e), "axis");
    return true;
}

/* A value of a new graph, without a type yet. */
static value_id inner_value(edit *e, value_id like)
{
    return value_new(e->m, arena_printf(e->m->mem, "%s.%s.%u", value_at(e->m, like)->name, "batch", e->serial++));
}

/* Scan 8 -> 9: version 8 runs the body for each element of a batch (axis 0 of everything) along axis 1; version 9 knows no batch. Said with
 * two scans: the outer one walks the batch, its body is the scan of version 9. sequence_lens is gone. */
static bool scan_to_9(edit *e)
{
    model *m = e->m;
    if (input_of(e, 0)) return version_error(e, "version-scan", "sequence_lens has no form in later versions");
    const attr *body = node_attr(edited(e), "body"), *turn = node_attr(edited(e), "directions");
    const uint32_t n_in = edited(e)->n_in ? edited(e)->n_in - 1 : 0, n_out = edited(e)->n_out;
    if (!body || body->kind != ATTR_GRAPH) return version_error(e, "version-scan", "has no body");

    const graph_id batch = graph_new(m, e->graph, "batch");
    graph_at(m, body->u.g)->parent = batch;
    const node_id id = node_new(m, batch, "", "Scan", n_in, n_out, 0);
    node *inner = node_at(m, id);
    node_set_attr(m, inner, *node_attr(edited(e), "body"));
    node_set_attr(m, inner, attr_int(m, "num_scan_inputs", node_int(edited(e), "num_scan_inputs", 0)));
    if (turn && turn->kind == ATTR_INTS) node_set_attr(m, inner, attr_ints(m, "scan_input_directions", turn->n, turn->u.ints));
    inner->version = 9;
    inner->origin = edited(e)->origin;
    inner->name = edited(e)->name;
    for (uint32_t i = 0; i < n_in; i++) {
        inner->in[i] = inner_value(e, edited(e)->in[i + 1]);
        VEC_PUSH(m->mem, graph_at(m, batch)->inputs, inner->in[i]);
    }
    for (uint32_t i = 0; i < n_out; i++) {
        inner->out[i] = edited(e)->out[i] ? inner_value(e, edited(e)->out[i]) : value_new(m, arena_printf(m->mem, "batch.unused.%u", e->serial++));
        value_at(m, inner->out[i])->producer = id;
        value_at(m, inner->out[i])->output = i;
        VEC_PUSH(m->mem, graph_at(m, batch)->outputs, inner->out[i]);
    }
    VEC_PUSH(m->mem, graph_at(m, batch)->nodes, id);

    node *outer = edited(e);
    outer->in++; /* without sequence_lens */
    outer->n_in = n_in;
    outer->n_attr = 0;
    node_set_attr(m, outer, (attr){.name = intern(m->names, "body"), .kind = ATTR_GRAPH, .u.g = batch});
    node_set_attr(m, outer, attr_int(m, "num_scan_inputs", n_in));
    return true;
}

/* LabelEncoder 1 -> 2: one list of classes and the places in it, in either direction, become keys and values. The direction follows from the
 * types of input and output, strings on one side and int64 on the other. */
static bool label_encoder_to_2(edit *e)
{
    model *m = e->m;
    node *n = edited(e);
    const attr *classes = node_attr(n, "classes_strings");
    const elem in = elem_type_of(e, node_in(n, 0)), out = elem_type_of(e, n->n_out ? n->out[0] : 0);
    if (!classes || classes->kind != ATTR_STRINGS) return version_error(e, "version-ml", "has no classes_strings");
    if (in == ELEM_NONE && out == ELEM_NONE) return version_error(e, "version-ml", "the type of input and output is not known, which decides what version 1 does");
    const bool from_string = in == ELEM_STRING || out == ELEM_INT64;
    attr strings = *classes;
    int64_t *place = ARENA_ARRAY(m->mem, int64_t, strings.n);
    for (uint32_t i = 0; i < strings.n; i++) place[i] = i;
    strings.name = intern(m->names, from_string ? "keys_strings" : "values_strings");
    node_drop_attr(n, "classes_strings");
    node_set_attr(m, n, strings);
    node_set_attr(m, n, attr_ints(m, from_string ? "values_int64s" : "keys_int64s", strings.n, place));
    return true;
}

/* LSTM, GRU and RNN of float16, bfloat16 and double are computed in float: what goes in and out is converted. */
bool recurrent_in_float(edit *e)
{
    static const uint32_t NUMBERS[] = {0, 1, 2, 3, 5, 6, 7}; /* 4: the lengths of sequences */
    const elem kind = elem_type_of(e, input_of(e, 0));
    const attr to_float = attr_int(e->m, "to", ELEM_FLOAT), back = attr_int(e->m, "to", kind);
    if (kind == ELEM_NONE || kind == ELEM_FLOAT) return true;
    if (kind == ELEM_DOUBLE) diag_warn(e->m->diag, at_node(e->m, edited(e)), "recurrent-double", "a recurrent operator of type double is computed in float");
    for (uint32_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (input_of(e, NUMBERS[i])) set_input(e, NUMBERS[i], insert(e, "Cast", &to_float, IN(input_of(e, NUMBERS[i]))));
    for (uint32_t k = 0; k < edited(e)->n_out; k++)
        if (edited(e)->out[k]) follow(e, k, "Cast", &back, 0);
    return true;
}

const adapter_row version_other_rows[] = {
    {"", "LSTM", 7, recurrent_to_7},
    {"", "RNN", 7, recurrent_to_7},
    {"", "GRU", 7, recurrent_to_7},
    {"", "DFT", 20, dft_to_20},
    {"", "Scan", 9, scan_to_9},
    {"ai.onnx.ml", "LabelEncoder", 2, label_encoder_to_2},
    {NULL, NULL, 0, NULL},
};
