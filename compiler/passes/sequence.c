/* sequence.c - the operators of sequences and optionals, replaced by what they mean for lists of values; see sequence.h. Source: ONNX Operators.md,
 * version 25.
 *
 * in:  a node whose inputs have types, or hold a list or nothing
 * out: nodes that speak of tensors only */
#include "passes/sequence.h"

#include <string.h>

#include "passes/forms.h"
#include "passes/rewrite.h"
#include "passes/sequence_impl.h"

const held *held_by(const sequences *s, value_id v)
{
    return v && v < s->of.n ? s->of.p[v] : NULL;
}

void hold(sequences *s, value_id v, held h)
{
    if (!v) return;
    while (s->of.n <= v) VEC_PUSH(s->m->mem, s->of, NULL);
    s->of.p[v] = arena_copy(s->m->mem, &h, sizeof h);
}

void hold_items(sequences *s, value_id v, uint32_t n, const value_id *item)
{
    hold(s, v, (held){.n = n, .item = arena_copy(s->m->mem, item, n * sizeof *item)});
}

/* The list that input i holds; NULL after a report. */
static const held *list_in(spot *p, uint32_t i)
{
    const held *h = held_by(p->s, node_in(&p->n, i));
    if (h && !h->absent && !h->present) return h;
    if (h && h->present) spot_error(p, "type-kind", "'%s' is an optional", value_at(p->m, p->n.in[i])->name);
    else if (h) spot_error(p, "optional-empty", "'%s' holds nothing", value_at(p->m, p->n.in[i])->name);
    else if (!p->m->diag->errors)
        spot_unsupported(p, "sequence-unknown", "the length of the sequence '%s' is not known when the model is compiled",
                         node_in(&p->n, i) ? value_at(p->m, p->n.in[i])->name : "");
    return NULL;
}

/* An element is a tensor: nothing that is a list or an optional itself. False after a report. */
static bool is_element(spot *p, uint32_t i)
{
    if (!held_by(p->s, node_in(&p->n, i))) return true;
    spot_error(p, "type-kind", "input %u '%s' is no tensor", i, value_at(p->m, p->n.in[i])->name);
    return false;
}

static resolution resolve_SequenceConstruct(spot *p)
{
    for (uint32_t i = 0; i < p->n.n_in; i++)
        if (!is_element(p, i)) return RESOLVE_FAILED;
    hold_items(p->s, p->n.out[0], p->n.n_in, p->n.in);
    return spot_drop(p);
}

static resolution resolve_SequenceEmpty(spot *p)
{
    hold(p->s, p->n.out[0], (held){0});
    return spot_drop(p);
}

/* Place `given` in a list of n; negative ones count from the end. */
static bool place_in(spot *p, int64_t given, uint32_t n, uint32_t end, uint32_t *out)
{
    const int64_t at = given < 0 ? given + n : given;
    if (at < 0 || at >= end) {
        spot_error(p, "sequence-position", "position %lld is outside a sequence of %u", (long long)given, n);
        return false;
    }
    *out = (uint32_t)at;
    return true;
}

static resolution unknown_position(spot *p, uint32_t i)
{
    const resolution r = spot_unsupported(p, "sequence-position", "the position '%s' is not known when the model is compiled, and the elements differ in size", value_at(p->m, p->n.in[i])->name);
    hint_value(p->m, p->n.in[i]);
    return r;
}

/* At a position that only the run knows, elements have to be alike: they lie in one tensor then. False after a report. `more`: an element like them, or 0. */
static bool as_stack(spot *p, const held *h, uint32_t position, value_id more, held *out)
{
    for (uint32_t k = 0; k < h->n; k++)
        if (!same_value_type(p->m, h->item[0], k ? h->item[k] : more ? more : h->item[0])) {
            unknown_position(p, position);
            return false;
        }
    if (h->n) *out = (held){.stack = stack_of(p, h)};
    else spot_error(p, "sequence-position", "the sequence is empty");
    return h->n > 0;
}

static resolution resolve_SequenceInsert(spot *p)
{
    const held *h = list_in(p, 0);
    if (!h || !is_element(p, 1)) return RESOLVE_FAILED;
    if (h->stack) return stack_insert(p, h);
    int64_t given = h->n;
    uint32_t at;
    held whole;
    if (node_in(&p->n, 2) && !known_int(p->m, p->n.in[2], &given)) return as_stack(p, h, 2, p->n.in[1], &whole) ? stack_insert(p, &whole) : RESOLVE_FAILED;
    if (!place_in(p, given, h->n, h->n + 1, &at)) return RESOLVE_FAILED;
    value_id *item = ARENA_ARRAY(p->m->mem, value_id, h->n + 1);
    for (uint32_t k = 0; k <= h->n; k++) item[k] = k < at ? h->item[k] : k == at ? p->n.in[1] : h->item[k - 1];
    hold_items(p->s, p->n.out[0], h->n + 1, item);
    return spot_drop(p);
}

static resolution resolve_SequenceErase(spot *p)
{
    const held *h = list_in(p, 0);
    if (!h) return RESOLVE_FAILED;
    if (h->stack) return stack_erase(p, h);
    int64_t given = -1;
    uint32_t at;
    held whole;
    if (node_in(&p->n, 1) && !known_int(p->m, p->n.in[1], &given)) return as_stack(p, h, 1, 0, &whole) ? stack_erase(p, &whole) : RESOLVE_FAILED;
    if (!place_in(p, given, h->n, h->n, &at)) return RESOLVE_FAILED;
    value_id *item = ARENA_ARRAY(p->m->mem, value_id, h->n);
    for (uint32_t k = 0; k + 1 < h->n; k++) item[k] = h->item[k + (k >= at)];
    hold_items(p->s, p->n.out[0], h->n - 1, item);
    return spot_drop(p);
}

static resolution resolve_SequenceAt(spot *p)
{
    const held *h = list_in(p, 0);
    int64_t given;
    uint32_t at;
    if (!h) return RESOLVE_FAILED;
    if (h->stack) return stack_at(p, h);
    held whole;
    if (!known_int(p->m, node_in(&p->n, 1), &given)) return as_stack(p, h, 1, 0, &whole) ? stack_at(p, &whole) : RESOLVE_FAILED;
    if (!place_in(p, given, h->n, h->n, &at)) return RESOLVE_FAILED;
    return spot_becomes(p, "Identity", NULL, 1, &h->item[at]);
}

/* The node's output is this constant. */
static resolution gives(spot *p, value_id constant)
{
    if (p->n.out[0]) {
        value *to = value_at(p->m, p->n.out[0]);
        const value *from = value_at(p->m, constant);
        to->type = from->type;
        to->data = from->data;
    }
    return spot_drop(p);
}

static resolution resolve_SequenceLength(spot *p)
{
    const held *h = list_in(p, 0);
    if (h && h->stack) return stack_length(p, h);
    return h ? gives(p, spot_int(p, "length", h->n)) : RESOLVE_FAILED;
}

static resolution resolve_ConcatFromSequence(spot *p)
{
    const held *h = list_in(p, 0);
    if (!h) return RESOLVE_FAILED;
    if (h->stack) return stack_concat(p, h);
    if (!h->n) return spot_error(p, "sequence-empty", "there is nothing to concatenate: the sequence is empty");
    if (!node_attr(&p->n, "axis")) return spot_error(p, "attribute-missing", "attribute 'axis' is missing");
    const attr axis = axis_attr(p, node_int(&p->n, "axis", 0));
    return spot_becomes(p, "Concat", &axis, h->n, node_int(&p->n, "new_axis", 0) ? unsqueezed(p, h, axis.u.i) : h->item);
}

/* ---- optionals ---- */

/* The same list, or the same tensor. */
static resolution same_as(spot *p, value_id v)
{
    const held *h = held_by(p->s, v);
    if (!h) return spot_copies(p, v);
    hold(p->s, p->n.out[0], *h);
    return spot_drop(p);
}

static resolution resolve_Optional(spot *p)
{
    if (node_in(&p->n, 0)) return same_as(p, p->n.in[0]);
    hold(p->s, p->n.out[0], (held){.absent = true});
    return spot_drop(p);
}

static resolution resolve_OptionalHasElement(spot *p)
{
    const held *h = held_by(p->s, node_in(&p->n, 0));
    if (h && h->present) return spot_becomes(p, "Identity", NULL, 1, &h->present);
    return gives(p, spot_bool(p, "has", node_in(&p->n, 0) && !(h && h->absent)));
}

static resolution resolve_OptionalGetElement(spot *p)
{
    const held *h = held_by(p->s, node_in(&p->n, 0));
    if (h && h->absent) return spot_error(p, "optional-empty", "'%s' holds nothing", value_at(p->m, p->n.in[0])->name);
    if (!h || !h->present) return same_as(p, p->n.in[0]);
    if (h->single) return spot_copies(p, *h->item);
    held list = *h;
    list.present = 0;
    hold(p->s, p->n.out[0], list);
    return spot_drop(p);
}

static resolution resolve_Identity(spot *p)
{
    return held_by(p->s, node_in(&p->n, 0)) ? same_as(p, p->n.in[0]) : RESOLVE_LEAVES;
}

/* ---- the table ---- */

typedef struct {
    const char *op;
    resolution (*run)(spot *p);
    bool other; /* it speaks of tensors, too */
} resolve_row;

static const resolve_row ROWS[] = {
    {"SequenceConstruct", resolve_SequenceConstruct, false},
    {"SequenceEmpty", resolve_SequenceEmpty, false},
    {"SequenceInsert", resolve_SequenceInsert, false},
    {"SequenceErase", resolve_SequenceErase, false},
    {"SequenceAt", resolve_SequenceAt, false},
    {"SequenceLength", resolve_SequenceLength, false},
    {"SequenceMap", resolve_SequenceMap, false},
    {"SplitToSequence", resolve_SplitToSequence, false},
    {"ConcatFromSequence", resolve_ConcatFromSequence, false},
    {"Optional", resolve_Optional, false},
    {"OptionalHasElement", resolve_OptionalHasElement, false},
    {"OptionalGetElement", resolve_OptionalGetElement, false},
    {"Identity", resolve_Identity, true},
    {"If", resolve_If, true},
    {"Loop", resolve_Loop, true},
};

static const resolve_row *row_of(const node *n)
{
    for (size_t k = 0; !*n->domain && k < sizeof ROWS / sizeof *ROWS; k++)
        if (!strcmp(ROWS[k].op, n->op)) return &ROWS[k];
    return NULL;
}

bool speaks_of_sequences(const node *n)
{
    const resolve_row *row = row_of(n);
    return row && !row->other;
}

static resolution resolve_node(void *ctx, graph_id g, uint32_t i)
{
    sequences *s = ctx;
    model *m = s->m;
    const node_id id = graph_at(m, g)->nodes.p[i];
    spot p = {s, m, g, i, id, *node_at(m, id)};
    const resolve_row *row = row_of(&p.n);
    for (uint32_t k = 0; k < p.n.n_in; k++) {
        const held *h = held_by(s, p.n.in[k]);
        if (h && h->map && row && strcmp(p.n.op, "Identity")) return spot_unsupported(&p, "type-map", "'%s' is a map, which this operator does not take yet", value_at(m, p.n.in[k])->name);
        if (h && h->maps) return spot_unsupported(&p, "zipmap", "'%s' is a sequence of maps, which can only be an output of the model", value_at(m, p.n.in[k])->name);
    }
    if (node_is(&p.n, "ai.onnx.ml", "ZipMap")) return resolve_ZipMap(&p);
    if (node_is(&p.n, "ai.onnx.ml", "CastMap")) return resolve_CastMap(&p);
    if (node_is(&p.n, "ai.onnx.ml", "DictVectorizer")) return resolve_DictVectorizer(&p);
    if (node_is(&p.n, OWN_DOMAIN, "Pack")) return resolve_Pack(&p);
    bool read = false;
    for (uint32_t k = 0; k < p.n.n_out; k++) read |= p.n.out[k] != 0;
    if (row && !read) return row->other ? RESOLVE_LEAVES : spot_drop(&p);
    if (row) return row->run(&p);
    for (uint32_t k = 0; k < p.n.n_in; k++)
        if (held_by(s, p.n.in[k]))
            return spot_unsupported(&p, "type-kind", "'%s' is a sequence or an empty optional, which this operator does not take", value_at(m, p.n.in[k])->name);
    return RESOLVE_LEAVES;
}

resolver sequences_resolver(sequences *s)
{
    return (resolver){s, resolve_node, resolve_branches};
}
