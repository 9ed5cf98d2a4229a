/* check.c - versions, operators, arity, attributes and order of definition of a model in IR form.
 *
 * In: a model as loaded. Out: node->version set, problems in the diagnostic sink. Source: the ONNX IR specification (docs/IR.md) and what
 * onnx.checker reports; the operators' rules come from schema/. */
#include "check/check.h"

#include <string.h>

#include "check/near.h"
#include "schema/schema.h"

typedef struct {
    const function *from, *to;
} call_edge;

/* Where the walk is. */
typedef struct {
    model *m;
    const function *function; /* whose body is walked; NULL: the main graph and its subgraphs */
    const opset *opsets;
    uint32_t n_opsets;
    uint8_t *defined; /* by value id: visible at this point */
    arena *scratch;
    VEC(call_edge) calls; /* between functions */
} walk;

const function *model_function(const model *m, const char *domain, const char *name, const char *overload)
{
    for (uint32_t i = 0; i < m->functions.n; i++) {
        const function *f = &m->functions.p[i];
        if (!strcmp(f->name, name) && !strcmp(f->domain, domain) && !strcmp(f->overload ? f->overload : "", overload ? overload : "")) return f;
    }
    return NULL;
}

static const char *where(walk *w, const node *n)
{
    if (!w->function || !*n->name) return at_node(w->m, n); /* the place of one without a name says the function */
    return arena_printf(w->m->mem, "function '%s': %s", w->function->name, at_node(w->m, n));
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- which version ---- */

static bool same_domain(const char *a, const char *b)
{
    return !strcmp(schema_domain_name(a), schema_domain_name(b));
}

static const opset *import_of(const walk *w, const char *domain)
{
    for (uint32_t i = w->n_opsets; i-- > 0;) /* of several the last counts, as in onnx.checker */
        if (same_domain(w->opsets[i].domain, domain)) return &w->opsets[i];
    return NULL;
}

/* Versions below 1 the loader has reported. */
static bool check_imports(diag *d, const char *at, const opset *list, uint32_t n)
{
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        const char *domain = schema_domain_name(list[i].domain);
        const int newest = schema_domain_version(list[i].domain), version = list[i].version;
        for (uint32_t k = 0; k < i; k++)
            if (same_domain(list[k].domain, domain) && list[k].version != version)
                diag_warn(d, at, "opset-twice", "imports domain %s at versions %d and %d; the last one counts", domain, list[k].version, version);
        if (newest && version > newest) {
            ok = diag_error(d, EXIT_UNSUPPORTED, at, "opset-unknown", "imports %s at version %d, newer than the newest known, %d", domain, version, newest);
            diag_hint(d, "export the model at opset %d, or use a newer onnxcc", newest);
        }
    }
    return ok;
}

/* What could have been meant by an operator that does not exist at this opset. */
static void hint_operator(walk *w, const node *n, int version)
{
    const op_schema *newest = schema_newest(n->domain, n->op);
    if (newest) { /* it exists, but starts later: the first row of that name says when */
        const op_schema *s = newest;
        while (s != schema_at(0) && !strcmp(s[-1].name, s->name) && !strcmp(s[-1].domain, s->domain)) s--;
        diag_hint(w->m->diag, "%s is new in version %d of %s; the model imports version %d%s", n->op, s->since, schema_domain_name(n->domain), version,
                  *s->domain ? "" : arena_printf(w->m->mem, " (onnxcc convert --opset %d)", s->since));
        return;
    }
    near_match best = near_start(n->op);
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *s = schema_at(i);
        if (!strcmp(s->name, n->op)) {
            diag_hint(w->m->diag, "domain %s has an operator of that name", schema_domain_name(s->domain));
            return;
        }
        if (same_domain(s->domain, n->domain)) near_try(&best, s->name);
    }
    if (best.name) diag_hint(w->m->diag, "did you mean %s?", best.name);
}

/* Of the form before one that is no more: for tools that look on. */
static int version_before(const op_schema *s)
{
    return s != schema_at(0) && !strcmp(s[-1].name, s->name) && !strcmp(s[-1].domain, s->domain) ? s[-1].since : 0;
}

/* The schema of an operator; NULL for calls and foreign domains, or (*ok false) after reporting. */
static const op_schema *resolve(walk *w, node *n, const function *callee, bool *ok)
{
    diag *d = w->m->diag;
    const char *domain = schema_domain_name(n->domain);
    const opset *import = import_of(w, n->domain);
    n->version = 0;
    n->faulty = !*n->op;
    if (n->faulty) {
        *ok = d->errors ? false : diag_error(d, EXIT_INVALID, where(w, n), "field-missing", "field 'op_type' is required but missing or empty"); /* with an error: the form has said so */
        return NULL;
    }
    if (!import) {
        n->faulty = true;
        *ok = diag_error(d, EXIT_INVALID, where(w, n), "domain-import", "domain '%s' is not imported", domain);
        diag_hint(d, "add the domain and a version to opset_import of the %s", w->function ? "function" : "model");
        return NULL;
    }
    if (callee || !schema_domain_version(n->domain)) return NULL;
    const op_schema *s = schema_find(n->domain, n->op, import->version);
    if (!s) {
        *ok = diag_error(d, strncmp(n->domain, "ai.onnx.preview", 15) ? EXIT_INVALID : EXIT_UNSUPPORTED, where(w, n), "op-unknown", "there is no operator %s in version %d of %s", n->op, import->version, domain);
        hint_operator(w, n, import->version);
        n->faulty = true;
        return NULL;
    }
    n->version = s->since;
    if (s->deprecated && schema_next(s)) { /* a form with a flaw, corrected since: it has a meaning, so it can be compiled */
        diag_warn(d, where(w, n), "op-deprecated", "version %d of %s is deprecated in favour of version %d", s->since, n->op, schema_next(s)->since);
    } else if (s->deprecated) {
        n->version = version_before(s);
        *ok = diag_error(d, EXIT_INVALID, where(w, n), "op-deprecated", "%s was removed from %s in version %d; the model imports version %d", n->op,
                         domain, s->since, import->version);
        return NULL;
    }
    return s;
}

/* ---- arity ---- */

static const char *range_text(arena *a, uint32_t lo, uint32_t hi)
{
    if (lo == hi) return arena_printf(a, "%u", lo);
    return hi >= SCHEMA_MANY ? arena_printf(a, "at least %u", lo) : arena_printf(a, "%u to %u", lo, hi);
}

static void hint_params(diag *d, const char *op, const char *what, const schema_param *p, uint32_t n)
{
    text list = {.mem = d->mem};
    for (uint32_t i = 0; i < n; i++) {
        static const char *const mark[] = {"", " (optional)", " (any number)"};
        text_addf(&list, "%s%s%s", i ? ", " : "", p[i].name, mark[p[i].option]);
    }
    if (n) diag_hint(d, "%ss of %s are %s", what, op, list.p);
}

static bool check_list(walk *w, const node *n, const op_schema *s, bool inputs)
{
    diag *d = w->m->diag;
    const char *what = inputs ? "input" : "output", *code = inputs ? "node-inputs" : "node-outputs";
    const uint32_t count = inputs ? n->n_in : n->n_out, lo = inputs ? s->min_in : s->min_out, hi = inputs ? s->max_in : s->max_out;
    if (count < lo || count > hi) {
        diag_error(d, EXIT_INVALID, where(w, n), code, "has %u %s%s, expected %s", count, what, plural(count), range_text(d->mem, lo, hi));
        hint_params(d, n->op, what, inputs ? s->in : s->out, inputs ? s->n_in : s->n_out);
        return false;
    }
    if (!inputs && !strcmp(s->name, "BatchNormalization") && count != lo && count != hi) /* the only operator with a gap, which its schema's numbers don't show */
        return diag_error(d, EXIT_INVALID, where(w, n), code, "has %u outputs, expected %u or %u", count, lo, hi);
    bool ok = true;
    for (uint32_t i = 0; i < count; i++) {
        const schema_param *p = inputs ? schema_input(s, i) : schema_output(s, i);
        if ((inputs ? n->in[i] : n->out[i]) || !p || p->option != PARAM_ONE) continue;
        ok = diag_error(d, EXIT_INVALID, where(w, n), inputs ? "input-missing" : "output-missing", "%s %u (%s) is required but left out", what, i, p->name);
    }
    return ok;
}

/* Both are asked, so that both are reported. */
static bool both(bool a, bool b)
{
    return a && b;
}

static bool check_call(walk *w, const node *n, const function *f)
{
    diag *d = w->m->diag;
    const graph *body = graph_at(w->m, f->body);
    bool ok = true;
    if (n->n_in > body->inputs.n)
        ok = diag_error(d, EXIT_INVALID, where(w, n), "call-inputs", "has %u inputs, the function takes %u", n->n_in, body->inputs.n);
    if (n->n_out > body->outputs.n)
        ok = diag_error(d, EXIT_INVALID, where(w, n), "call-outputs", "has %u outputs, the function gives %u", n->n_out, body->outputs.n);
    return ok;
}

/* ---- attributes ---- */

static void hint_attribute(walk *w, const node *n, const op_schema *s, const char *name)
{
    for (uint32_t i = 0; i < schema_count(); i++) { /* rows are ordered: this finds the oldest version that has it */
        const op_schema *t = schema_at(i);
        if (strcmp(t->name, s->name) || strcmp(t->domain, s->domain) || !schema_attr_find(t, name)) continue;
        for (uint32_t k = 0; k < s->n_in; k++)
            if (!strcmp(s->in[k].name, name)) {
                diag_hint(w->m->diag, "'%s' is input %u since a version later than %d of %s", name, k, t->since, n->op);
                return;
            }
        diag_hint(w->m->diag, "version %d of %s has it; the model's opset selects version %d", t->since, n->op, s->since);
        return;
    }
    near_match best = near_start(name);
    for (uint32_t i = 0; i < s->n_attr; i++) near_try(&best, s->attr[i].name);
    if (best.name) diag_hint(w->m->diag, "did you mean '%s'?", best.name);
}

static bool declares(const function *f, const char *name)
{
    for (uint32_t i = 0; i < f->n_attr; i++)
        if (!strcmp(f->attr[i].name, name)) return true;
    return false;
}

static bool check_references(walk *w, const node *n)
{
    diag *d = w->m->diag;
    bool ok = true;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        if (a->ref && !w->function) {
            ok = diag_error(d, EXIT_INVALID, where(w, n), "attr-ref", "attribute '%s' refers to '%s', but this is no function body", a->name, a->ref);
        } else if (a->ref && !declares(w->function, a->ref)) {
            ok = diag_error(d, EXIT_INVALID, where(w, n), "attr-undeclared", "attribute '%s' refers to '%s', which the function does not declare", a->name, a->ref);
        }
    }
    return ok;
}

static bool check_attributes(walk *w, const node *n, const op_schema *s)
{
    diag *d = w->m->diag;
    bool ok = true;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        if (!*a->name) continue; /* the form says so */
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(n->attr[k].name, a->name)) ok = diag_error(d, EXIT_INVALID, where(w, n), "attr-twice", "attribute '%s' is given twice", a->name);
        if (!s || !strncmp(a->name, "__", 2) || (s->any_attribute && !schema_attr_find(s, a->name))) continue; /* names with two underscores are free for tools */
        const schema_attr *formal = schema_attr_find(s, a->name);
        if (!formal) {
            ok = diag_error(d, EXIT_INVALID, where(w, n), "attr-unknown", "%s has no attribute '%s'", n->op, a->name);
            hint_attribute(w, n, s, a->name);
        } else if (a->kind != (attr_kind)formal->kind && !(a->ref && a->kind == ATTR_NONE)) {
            ok = diag_error(d, EXIT_INVALID, where(w, n), "attr-type", "attribute '%s' is %s, expected %s", a->name, schema_attr_kind_name((int)a->kind),
                            schema_attr_kind_name(formal->kind));
        }
    }
    for (uint32_t i = 0; s && i < s->n_attr; i++)
        if (s->attr[i].required && !node_attr(n, s->attr[i].name))
            ok = diag_error(d, EXIT_INVALID, where(w, n), "attr-missing", "required attribute '%s' (%s) is missing", s->attr[i].name,
                            schema_attr_kind_name(s->attr[i].kind));
    return ok;
}

/* ---- order of definition ---- */

static bool check_graph(walk *w, graph_id g);

static bool check_use(walk *w, const node *n, uint32_t i)
{
    model *m = w->m;
    const value_id v = n->in[i];
    if (!v || w->defined[v] || value_at(m, v)->undefined) return true; /* undefined: the loader has reported it */
    const value *in = value_at(m, v);
    if (in->producer) {
        diag_error(m->diag, EXIT_INVALID, where(w, n), "graph-order", "input %u '%s' is used before %s defines it", i, in->name,
                   at_node(m, node_at(m, in->producer)));
        return diag_hint(m->diag, "nodes must be listed in topological order, and a graph sees only its own values and those of the graphs around it");
    }
    return diag_error(m->diag, EXIT_INVALID, where(w, n), "value-undefined", "input %u '%s' is no graph input, initializer or node output", i, in->name);
}

static bool check_node(walk *w, node_id id)
{
    model *m = w->m;
    node *n = node_at(m, id);
    bool ok = true;
    const function *callee = model_function(m, n->domain, n->op, n->overload);
    const op_schema *s = resolve(w, n, callee, &ok);
    if (s) {
        n->faulty = !both(check_list(w, n, s, true), check_list(w, n, s, false));
        ok &= !n->faulty;
    } else if (callee) {
        ok &= check_call(w, n, callee);
        if (w->function) VEC_PUSH(w->scratch, w->calls, ((call_edge){w->function, callee}));
    }
    ok &= check_references(w, n);
    if (!check_attributes(w, n, s)) {
        n->faulty = true;
        ok = false;
    }
    for (uint32_t i = 0; i < n->n_in; i++) ok &= check_use(w, n, i);
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        if (a->kind == ATTR_GRAPH && !a->ref) ok &= check_graph(w, a->u.g);
        for (uint32_t k = 0; a->kind == ATTR_GRAPHS && !a->ref && k < a->n; k++) ok &= check_graph(w, a->u.graphs[k]);
    }
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) w->defined[n->out[i]] = 1;
    return ok;
}

/* Values of a graph are visible below it, and no longer when it ends. */
static void define_all(walk *w, graph_id g, uint8_t mark)
{
    const graph *gr = graph_at(w->m, g);
    for (uint32_t i = 0; i < gr->inputs.n; i++) w->defined[gr->inputs.p[i]] = mark;
    for (uint32_t i = 0; i < gr->initializers.n; i++) w->defined[gr->initializers.p[i]] = mark;
}

static bool check_graph(walk *w, graph_id g)
{
    model *m = w->m;
    const graph *gr = graph_at(m, g);
    bool ok = true;
    define_all(w, g, 1);
    for (uint32_t i = 0; i < gr->nodes.n; i++) ok &= check_node(w, gr->nodes.p[i]);
    for (uint32_t i = 0; i < gr->outputs.n; i++) {
        const value_id o = gr->outputs.p[i];
        if (o && !w->defined[o] && !value_at(m, o)->undefined)
            ok = diag_error(m->diag, EXIT_INVALID, w->function ? arena_printf(m->mem, "function '%s'", w->function->name) : "", "output-undefined",
                            "nothing defines output %u '%s' of graph '%s'", i, value_at(m, o)->name, gr->name ? gr->name : "");
    }
    define_all(w, g, 0);
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const node *n = node_at(m, gr->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_out; k++) w->defined[n->out[k]] = 0;
    }
    return ok;
}

/* ---- recursion ---- */

/* Takes away functions that call none of those left, until there is no such function; what is left goes in circles. */
static bool check_recursion(walk *w)
{
    const function *first = w->m->functions.p;
    const uint32_t n = w->m->functions.n, n_calls = w->calls.n;
    enum { MAX_CALLS = 100 }; /* as in onnx.checker */
    uint32_t *open = ARENA_ARRAY(w->scratch, uint32_t, n);       /* calls that a function makes to those left */
    uint32_t *deep = ARENA_ARRAY(w->scratch, uint32_t, n);       /* functions below it on the longest way */
    uint32_t *at = ARENA_ARRAY(w->scratch, uint32_t, n + 1);     /* where its callers begin in */
    uint32_t *caller = ARENA_ARRAY(w->scratch, uint32_t, n_calls);
    uint32_t *done = ARENA_ARRAY(w->scratch, uint32_t, n), n_done = 0;
    for (uint32_t i = 0; i < n_calls; i++) {
        open[w->calls.p[i].from - first]++;
        at[w->calls.p[i].to - first]++;
    }
    for (uint32_t i = 1; i <= n; i++) at[i] += at[i - 1];
    for (uint32_t i = 0; i < n_calls; i++) caller[--at[w->calls.p[i].to - first]] = (uint32_t)(w->calls.p[i].from - first);
    for (uint32_t i = 0; i < n; i++)
        if (!open[i]) done[n_done++] = i;
    bool ok = true;
    for (uint32_t i = 0; i < n_done; i++) {
        const uint32_t here = deep[done[i]] + 1;
        for (uint32_t k = at[done[i]]; k < at[done[i] + 1]; k++) {
            if (deep[caller[k]] < here) deep[caller[k]] = here;
            if (!--open[caller[k]]) done[n_done++] = caller[k];
        }
        if (here == MAX_CALLS + 1)
            ok = diag_error(w->m->diag, EXIT_INVALID, arena_printf(w->m->mem, "function '%s'", first[done[i]].name), "function-depth",
                            "calls of functions in functions are more than %d deep", MAX_CALLS);
    }
    for (uint32_t i = 0; i < n; i++)
        if (open[i]) ok = diag_error(w->m->diag, EXIT_INVALID, arena_printf(w->m->mem, "function '%s'", first[i].name), "function-recursion",
                                     "the function calls itself, or one that does");
    return ok;
}

/* ---- the whole ---- */

static bool check_versions(model *m)
{
    bool ok = true;
    const int newest = schema_newest_ir();
    if (m->ir_version < 1) {
        ok = diag_error(m->diag, EXIT_INVALID, "", "ir-version", "the model states no IR version");
    } else if (m->ir_version > newest) {
        ok = diag_error(m->diag, EXIT_INVALID, "", "ir-version", "IR version %lld is newer than the newest known, %d", (long long)m->ir_version, newest);
        diag_hint(m->diag, "export the model with an older onnx package, or use a newer onnxcc");
    }
    if (m->opsets.n && m->ir_version > 0 && m->ir_version < 3)
        ok = diag_error(m->diag, EXIT_INVALID, "", "opset-forbidden", "IR version %lld has no opset_import, but the model has", (long long)m->ir_version);
    if (!m->opsets.n && m->ir_version < 3) VEC_PUSH(m->mem, m->opsets, ((opset){intern(m->names, ""), 1})); /* before opset_import existed */
    if (!m->opsets.n) ok = diag_error(m->diag, EXIT_INVALID, "", "opset-missing", "the model imports no opset");
    return ok & check_imports(m->diag, "opset_import", m->opsets.p, m->opsets.n);
}

bool check_model_basic(model *m)
{
    arena *scratch = arena_new();
    walk w = {.m = m, .scratch = scratch, .opsets = m->opsets.p, .n_opsets = m->opsets.n};
    w.defined = ARENA_ARRAY(scratch, uint8_t, m->values.n);
    bool ok = check_versions(m);
    w.opsets = m->opsets.p;
    w.n_opsets = m->opsets.n;
    ok &= check_graph(&w, 1);
    for (uint32_t i = 0; i < m->functions.n; i++) {
        const function *f = &m->functions.p[i];
        w.function = f;
        w.opsets = f->opsets.p;
        w.n_opsets = f->opsets.n;
        const char *at = arena_printf(m->mem, "function '%s'", f->name);
        if (model_function(m, f->domain, f->name, f->overload) != f)
            ok = diag_error(m->diag, EXIT_INVALID, at, "function-twice", "is defined twice in domain %s", schema_domain_name(f->domain));
        ok &= check_imports(m->diag, at, f->opsets.p, f->opsets.n);
        ok &= check_graph(&w, f->body);
    }
    ok &= check_recursion(&w);
    arena_free(scratch);
    return ok;
}
