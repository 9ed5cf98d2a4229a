/* verb_infer.c - `onnxcc infer IN -o OUT`: writes the model back with the types of all values. */
#include <string.h>

#include "check/check.h"
#include "driver/command.h"
#include "passes/analyze.h"
#include "passes/passes.h"
#include "proto/save.h"

enum { FOLD_LIMIT = 1 << 16 };

/* ---- --infer-hint ---- */

typedef VEC(shape_override) hints;

static bool parse_hints(command *c, hints *to)
{
    for (uint32_t i = 0; i < c->o->n[OPT_INFER_HINT]; i++) {
        shape_override s;
        if (!parse_shape(c->mem, c->diag, c->o->values[OPT_INFER_HINT][i], &s)) return false;
        VEC_PUSH(c->mem, *to, s);
    }
    return true;
}

/* What a node of the main graph computes under this name; NULL after reporting. */
static value *computed_value(model *m, const char *name)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] && !strcmp(value_at(m, n->out[k])->name, name)) return value_at(m, n->out[k]);
    }
    diag_error(m->diag, EXIT_USAGE, "", "infer-hint", "--infer-hint %s: no node of the main graph computes a value of that name", name);
    diag_hint(m->diag, "inputs are for --shape");
    return NULL;
}

/* False after reporting, when a type of the value, declared or inferred, is something else. */
static bool hint_fits(model *m, const shape_override *s, const type *t, const char *who)
{
    bool ok = t->kind == TYPE_TENSOR && (t->rank < 0 || t->rank == (int32_t)s->rank);
    int64_t size;
    for (int32_t i = 0; ok && i < t->rank; i++) ok = s->dim[i] < 0 || !dim_is_const(m->dims, t->shape[i], &size) || size == s->dim[i];
    if (ok) return true;
    text shown = {.mem = m->mem};
    type_text(m, t, &shown);
    return diag_error(m->diag, EXIT_USAGE, "", "infer-hint", "--infer-hint %s: %s %s", s->input, who, shown.p);
}

/* As if the model declared it: inference takes what is declared where an operator does not say as much. */
static bool set_hint(model *m, const shape_override *s)
{
    value *v = computed_value(m, s->input);
    if (!v || (v->type.kind != TYPE_UNKNOWN && !hint_fits(m, s, &v->type, "the model declares"))) return false;
    const type declared = v->type;
    const bool known = declared.kind == TYPE_TENSOR && declared.rank >= 0;
    v->type = (type){.kind = TYPE_TENSOR, .elem = declared.kind == TYPE_TENSOR ? declared.elem : ELEM_NONE, .rank = (int32_t)s->rank, .shape = shape_new(m, s->rank)};
    for (uint32_t i = 0; i < s->rank; i++)
        v->type.shape[i] = s->dim[i] >= 0 ? dim_const(m->dims, s->dim[i]) : known ? declared.shape[i] : dim_fresh(m->dims, "unknown", 0, INT64_MAX);
    return true;
}

static bool hints_hold(model *m, const hints *given)
{
    for (uint32_t i = 0; i < given->n; i++)
        if (!hint_fits(m, &given->p[i], &computed_value(m, given->p[i].input)->type, "the operators give")) return false;
    return true;
}

/* ---- what stays unknown ---- */

typedef struct {
    const model *m;
    bool found;
    dim first; /* of those found, where it is a size */
} strangers;

/* A symbol that no name in the file stands for. */
static void look_at_atom(void *ctx, dim atom)
{
    strangers *s = ctx;
    bool named = false;
    for (uint32_t i = 0; i < s->m->named.n; i++) named |= s->m->named.p[i] == atom;
    if (!named && !s->found) s->first = atom;
    s->found |= !named;
}

/* size: what is not known of it, where that is a size. */
static bool is_unknown(model *m, const type *t, dim *size)
{
    strangers s = {m, t->kind == TYPE_UNKNOWN || (t->kind == TYPE_TENSOR && (t->rank < 0 || t->elem == ELEM_NONE)), *size};
    for (int32_t i = 0; t->kind == TYPE_TENSOR && i < t->rank; i++) dim_atoms(m->dims, t->shape[i], look_at_atom, &s);
    *size = s.first;
    return s.found;
}

/* Values that nodes compute, in the main graph and the bodies in it, how many are not known whole, and the first of those. */
typedef struct {
    uint32_t all, unknown;
    const value *first;
    bool sized; /* of which only a size is not known, `size` */
    dim size;
} tally;

static bool is_of_main(model *m, graph_id g)
{
    while (graph_at(m, g)->parent) g = graph_at(m, g)->parent;
    return g == 1;
}

static void count_in(model *m, graph_id id, tally *t)
{
    const graph *g = graph_at(m, id);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_out; k++) {
            const value *v = n->out[k] ? value_at(m, n->out[k]) : NULL;
            dim size = {0};
            if (!v) continue;
            t->all++;
            if (!is_unknown(m, &v->type, &size) || t->unknown++) continue;
            t->first = v;
            t->sized = v->type.kind == TYPE_TENSOR && v->type.rank > 0 && v->type.elem != ELEM_NONE;
            t->size = size;
        }
    }
}

static tally count_unknown(model *m)
{
    tally t = {0};
    for (graph_id g = 1; g < m->graphs.n; g++)
        if (is_of_main(m, g)) count_in(m, g, &t);
    return t;
}

/* What inference had to say about the node, or where it said nothing of that one, at all. */
static const problem *reason_at(const diag *d, const char *where)
{
    for (uint32_t i = 0; i < d->list.n; i++)
        if (!strcmp(d->list.p[i].where, where)) return &d->list.p[i];
    for (uint32_t i = 0; i < d->list.n; i++)
        if (d->list.p[i].exit != EXIT_OK) return &d->list.p[i]; /* no mere warning, of a wrong declaration for example */
    return NULL;
}

/* The input's dimension that the size is, one without a name, by the options that fix it; NULL: it is none. */
static const char *option_for_size(model *m, dim size)
{
    for (uint32_t i = 0; i < model_main(m)->inputs.n; i++) {
        const value *v = value_at(m, model_main(m)->inputs.p[i]);
        text shape = {.mem = m->mem};
        for (int32_t k = 0; v->type.kind == TYPE_TENSOR && k < v->type.rank; k++) {
            if (v->type.shape[k] != size) continue;
            for (int32_t j = 0; j < v->type.rank; j++) text_addf(&shape, "%s%s", j ? "x" : "", j == k ? "N" : "?");
            return arena_printf(m->mem, "dimension %d of input '%s' has no name: --dim %s:%d=N or --shape %s=%s fixes it", k, v->name, v->name, k, v->name, shape.p);
        }
    }
    return NULL;
}

/* What would help; NULL: no option, as the model contradicts itself. */
static const char *option_for(const command *c, model *m, const tally *t, const problem *why)
{
    const char *of_input = t->sized ? option_for_size(m, t->size) : NULL;
    if (of_input) return of_input;
    if (why && why->exit == EXIT_INVALID) return NULL;
    if (!opt_flag(c->o, OPT_DATA_PROP))
        return arena_printf(m->mem, "--data-prop follows the numbers in shapes through the nodes that compute them; else --dim, --shape, or --infer-hint %s=.. say what is known", t->first->name);
    return why && why->hint ? why->hint : arena_printf(m->mem, "--infer-hint %s=.. says what is known", t->first->name);
}

/* One warning for all of them, to the diag `to`: how many, the first, why, and the option that would help. */
static void say_unknown(const command *c, model *m, const diag *reasons, diag *to)
{
    const tally t = count_unknown(m);
    if (!t.unknown) return;
    const char *at = at_node(m, node_at(m, t.first->producer));
    const bool of_input = t.sized && option_for_size(m, t.size);
    const problem *p = of_input ? NULL : reason_at(reasons, at);
    const char *option = option_for(c, m, &t, p);
    const char *why = p ? arena_printf(m->mem, ": %s%s%s", strcmp(p->where, at) ? p->where : "", strcmp(p->where, at) ? ": " : "", p->message) : of_input ? "" : ": data decide it";
    diag_warn(to, at, "infer-unknown", "'%s' has a type or sizes that stay unknown%s%s", t.first->name,
              t.unknown > 1 ? arena_printf(m->mem, ", as %u more of %u values have", t.unknown - 1, t.all) : "", why);
    if (option) diag_hint(to, "%s", option);
}

/* All of them, an object each. */
static void print_reasons(FILE *to, const diag *d)
{
    for (uint32_t i = 0; i < d->list.n; i++) {
        const problem *p = &d->list.p[i];
        const char *const part[4] = {p->where, p->code, p->message, p->hint ? p->hint : ""}, *const key[4] = {"where", "code", "message", "hint"};
        for (uint32_t k = 0; k < 4; k++) {
            fprintf(to, "%s\"%s\":", k ? "," : "{", key[k]);
            json_string(to, part[k]);
        }
        fprintf(to, ",\"times\":%u}\n", p->times);
    }
}

/* ---- the verb ---- */

/* Without --strict, what can't be inferred is no error: the value has no type then. */
static bool infer_all(command *c, model *m)
{
    const bool strict = opt_flag(c->o, OPT_STRICT);
    const infer_options o = {.fold_limit = FOLD_LIMIT, .tolerant = true, .partial = true, .strict = strict, .given_only = !opt_flag(c->o, OPT_DATA_PROP),
                             .before = opt_flag(c->o, OPT_CHECK_TYPE) ? check_input_types : NULL};
    diag *said = m->diag, *apart = diag_new(c->mem, NULL);
    if (!strict && !o.before) m->diag = apart;
    said->kind = "inference";
    (void)analyze_types(m, &o);
    if (o.before) (void)check_types(m, NULL); /* of outputs, too */
    diag_allow(m->diag, NULL);
    if (!m->diag->errors || m->diag == apart) say_unknown(c, m, m->diag, c->json ? m->diag : said);
    if (c->json) print_reasons(c->json, m->diag);
    m->diag = said;
    return !said->errors;
}

exit_code verb_infer(command *c)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true, .no_digest = true};
    const char *out = opt_text(c->o, OPT_OUTPUT, NULL);
    compile_options o = compile_defaults();
    hints given = {0};
    if (!out) {
        diag_error(c->diag, EXIT_USAGE, "", "output", "infer needs -o OUT, the file to write");
        return EXIT_USAGE;
    }
    if (!command_compile_options(c, &o) || !parse_hints(c, &given)) return diag_exit(c->diag);
    c->diag->file = c->o->args.p[0];
    model *m = model_load_checked(c->mem, c->diag, c->o->args.p[0], &load);
    for (uint32_t i = 0; m && i < o.customs.n; i++) VEC_PUSH(m->mem, m->customs, o.customs.p[i]);
    if (!m || !set_shapes(m, &o)) return diag_exit(c->diag);
    for (uint32_t i = 0; i < given.n; i++)
        if (!set_hint(m, &given.p[i])) return diag_exit(c->diag);
    if (!infer_all(c, m) || !hints_hold(m, &given)) return diag_exit(c->diag);
    m->types_inferred = true;
    if (!model_save_own(m, c->diag, out)) return diag_exit(c->diag);
    return EXIT_OK;
}
