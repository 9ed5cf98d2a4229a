/* print_nest.c - a flattened nest as a C function: signature, loops over the parallel axes, stages. */
#include <assert.h>
#include <string.h>

#include "expr/expr_impl.h"
#include "expr/print.h"

/* ---- what the function takes ---- */

static param *param_add(printer *w, slot s)
{
    for (uint32_t i = 0; i < w->param.n; i++)
        if (w->param.p[i].slot == s) return &w->param.p[i];
    const char *name = slot_at(w->p, s)->name;
    VEC_PUSH(w->mem, w->param, ((param){.slot = s, .name = fresh_name(w, name ? name : "t")}));
    return &w->param.p[w->param.n - 1];
}

static void symbol_add(void *ctx, dim d)
{
    printer *w = ctx;
    if (dim_kind_of(w->t, d) != DIM_SYMBOL || axis_name(w, d)) return;
    axis_bind(w, d, fresh_name(w, dim_name(w->t, d)));
    VEC_PUSH(w->mem, w->symbol, d);
}

static void dim_use(printer *w, dim d)
{
    dim_atoms(w->t, d, symbol_add, w);
    if (!dim_fits32(w, d)) w->wide = true;
}

static void collect_ex(void *ctx, ex e)
{
    printer *w = ctx;
    const ex_node *n = ex_at(w->x, e);
    if (n->op == EX_DIM) dim_use(w, n->d);
    else if (n->op == EX_LOAD) param_add(w, n->slot)->read = true;
}

static void collect_axes(printer *w, uint32_t n, const dim *axis)
{
    for (uint32_t i = 0; i < n; i++) dim_use(w, dim_extent(w->t, axis[i]));
}

/* Slots that the nest writes, then those it only reads, each in order of appearance; run-time dims. */
void print_collect(printer *w, const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++)
            if (n->stage[i].sink[k].to) param_add(w, n->stage[i].sink[k].to)->written = true;
    collect_axes(w, n->n_axes, n->axis);
    for (uint32_t i = 0; i < n->n_stages; i++) {
        const stage *s = &n->stage[i];
        collect_axes(w, s->n_axes, s->axis);
        for (uint32_t k = 0; k < s->n_sinks; k++) {
            ex_walk(w->x, s->sink[k].value, collect_ex, w);
            if (s->sink[k].guard) ex_walk(w->x, s->sink[k].guard, collect_ex, w);
            for (uint32_t d = 0; d < s->sink[k].n; d++) ex_walk(w->x, s->sink[k].at[d], collect_ex, w);
        }
    }
}

/* Two pointers into one buffer, one of them written: restrict would be a lie. */
static bool is_aliased(const printer *w, const param *a)
{
    for (uint32_t i = 0; i < w->param.n; i++) {
        const param *b = &w->param.p[i];
        if (a != b && same_memory(w, a->slot, b->slot) && (a->written || b->written)) return true;
    }
    return false;
}

nest *nest_copy(printer *w, const nest *n)
{
    nest *c = arena_copy(w->mem, n, sizeof *n);
    c->stage = arena_copy(w->mem, n->stage, sizeof *n->stage * n->n_stages);
    for (uint32_t i = 0; i < c->n_stages; i++) {
        stage *s = &c->stage[i];
        s->sink = arena_copy(w->mem, s->sink, sizeof *s->sink * s->n_sinks);
        for (uint32_t k = 0; k < s->n_sinks; k++) {
            sink *t = &s->sink[k];
            if (!t->to || t->fold == FOLD_NONE) continue;
            t->value = fold_ex(w->x, t->fold, ex_load(w->x, t->to, slot_at(w->p, t->to)->type, t->n, t->at), t->value);
            t->fold = FOLD_NONE;
        }
    }
    return c;
}

/* ---- the function ---- */

bool in_order(const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++)
            if (n->stage[i].sink[k].in_order) return true;
    return false;
}

void print_param(printer *w, text *out, const char *comma, const param *q)
{
    const char *word = elem_of(slot_at(w->p, q->slot)->type)->ctype;
    text_addf(out, "%s%s%s *%s%s", comma, q->written ? "" : "const ", word, is_aliased(w, q) ? "" : "restrict ", q->name);
}

static void print_signature(printer *w, const char *name, const step_signature *sig)
{
    text_addf(w->out, "static %s %s%s(", sig->can_fail ? "int" : "void", w->o->prefix ? w->o->prefix : "", name);
    const char *comma = "";
    for (uint32_t i = 0; i < w->param.n; i++) {
        const param *q = &w->param.p[i];
        if (slot_is_local(w, q->slot)) continue;
        print_param(w, w->out, comma, q);
        comma = ", ";
    }
    for (uint32_t i = 0; i < w->symbol.n; i++) {
        text_addf(w->out, "%sint64_t %s", comma, axis_name(w, w->symbol.p[i]));
        comma = ", ";
    }
    if (sig->ranged) text_addf(w->out, "%sint64_t lo, int64_t hi", comma);
    else if (!*comma) text_add(w->out, "void");
    text_add(w->out, ")\n{\n");
}

bool mentions(const char *body, const char *word)
{
    const size_t n = strlen(word);
    for (const char *s = body; (s = strstr(s, word)); s += n) {
        const bool starts = s == body || !(strchr("_.", s[-1]) || (s[-1] >= '0' && s[-1] <= '9') || ((s[-1] | 32) >= 'a' && (s[-1] | 32) <= 'z'));
        const bool ends = !(s[n] == '_' || (s[n] >= '0' && s[n] <= '9') || ((s[n] | 32) >= 'a' && (s[n] | 32) <= 'z'));
        if (starts && ends) return true;
    }
    return false;
}

/* Guards that were decided while printing may leave a parameter without use. */
void silence_unused(printer *w, const char *body, bool ranged)
{
    for (uint32_t i = 0; i < w->param.n; i++)
        if (!slot_is_local(w, w->param.p[i].slot) && !mentions(body, w->param.p[i].name)) line(w, "(void)%s;", w->param.p[i].name);
    for (uint32_t i = 0; i < w->symbol.n; i++)
        if (!mentions(body, axis_name(w, w->symbol.p[i]))) line(w, "(void)%s;", axis_name(w, w->symbol.p[i]));
    if (ranged && !mentions(body, "lo")) line(w, "(void)lo;");
    if (ranged && !mentions(body, "hi")) line(w, "(void)hi;");
}

static bool is_ranged(const nest *n)
{
    return n->n_axes > 0 && !in_order(n);
}

void print_signature_of(printer *w, const nest *n, step_signature *sig)
{
    *sig = (step_signature){.can_fail = n->can_fail, .ranged = is_ranged(n), .range = dim_const(w->t, 1)};
    if (sig->ranged) sig->range = dim_extent(w->t, n->axis[0]);
    for (int written = 1; written >= 0; written--)
        for (uint32_t i = 0; i < w->param.n; i++)
            if (!slot_is_local(w, w->param.p[i].slot) && w->param.p[i].written == (written == 1)) VEC_PUSH(w->p->mem, sig->slots, w->param.p[i].slot);
    for (uint32_t i = 0; i < w->symbol.n; i++) VEC_PUSH(w->p->mem, sig->symbols, w->symbol.p[i]);
}

void print_names_of(printer *w, step_signature *sig)
{
    for (uint32_t i = 0; i < w->param.n; i++) VEC_PUSH(w->p->mem, sig->names, arena_strndup(w->p->mem, w->param.p[i].name, strlen(w->param.p[i].name)));
}

/* ---- the axis that ranges and threads split ---- */

static int64_t few(void *ctx, dim symbol)
{
    enum { FEW = 4 }; /* a run-time dim is often a batch of one */
    const interval r = dim_range(((printer *)ctx)->t, symbol);
    return r.lo > FEW ? r.lo : r.hi < FEW ? r.hi : FEW;
}

/* The longest axis, where the first one is too short to be shared among threads. Not the one in the lanes, nor the innermost of a copy, which is walked in
 * the order of memory, nor those that a copy turns by tiles. */
static dim choose_range(printer *w, const nest *n, const choice *c)
{
    enum { ENOUGH = 16 };
    uint32_t best = 0;
    int64_t longest = 0;
    const bool rows = c->mode == MODE_ALONG;
    dim store = 0, load = 0;
    if (c->mode == MODE_SCALAR && n->n_axes > 2) turned_axes(w, n, &store, &load);
    for (uint32_t i = 0; i < n->n_axes; i++) {
        const int64_t extent = dim_eval(w->t, dim_extent(w->t, n->axis[i]), few, w);
        if (n->axis[i] == store || n->axis[i] == load) continue;
        if (n->axis[i] == c->axis || (!rows && i > 0 && i + 1 == n->n_axes)) continue;
        if (extent > longest) {
            best = i;
            longest = extent;
        }
        if (longest >= ENOUGH) break;
    }
    return n->axis[best];
}

dim nest_range(program *p, const nest *n, const print_options *o)
{
    printer w;
    if (!is_ranged(n)) return 0;
    printer_init(&w, p, o, NULL);
    print_collect(&w, n);
    const nest *work = nest_copy(&w, n);
    const choice c = choose_vector(&w, work);
    const dim axis = choose_range(&w, work, &c);
    printer_end(&w);
    return axis;
}

/* The axis that is split becomes the outermost loop. */
static void move_range(nest *n)
{
    uint32_t at = 0;
    while (at < n->n_axes && n->axis[at] != n->split) at++;
    if (!at || at == n->n_axes) return;
    memmove(&n->axis[1], &n->axis[0], sizeof *n->axis * at);
    n->axis[0] = n->split;
}


void nest_print(program *p, const nest *n, const char *name, const print_options *o, text *out, step_signature *sig)
{
    printer w;
    text body = {0};
    assert(n->flat);
    printer_init(&w, p, o, &body);
    body.mem = w.mem;
    print_collect(&w, n);
    nest *work = nest_copy(&w, n);
    const choice c = choose_vector(&w, work);
    if (is_ranged(work)) move_range(work);
    print_signature_of(&w, work, sig);
    w.indent = 1;
    const dim ranged = sig->ranged ? work->axis[0] : 0;
    if (!print_looked_up(&w, work, ranged) && !(c.mode == MODE_SCALAR && print_turned(&w, work, ranged))) print_loops(&w, work, c, ranged);
    if (sig->can_fail) line(&w, "return ONNXCC_OK;");
    w.out = out;
    print_signature(&w, name, sig);
    silence_unused(&w, body.p ? body.p : "", sig->ranged);
    text_add(out, body.p ? body.p : "");
    text_add(out, "}\n");
    print_names_of(&w, sig);
    printer_end(&w);
}
