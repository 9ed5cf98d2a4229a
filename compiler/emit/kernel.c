/* kernel.c - a kernel step: its hooks printed as small functions, its template bound, and the call. */
#include <assert.h>
#include <string.h>

#include "emit/emit.h"

typedef VEC(dim) dim_list;

static void add_dim(const emit *e, dim_list *list, dim s)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->p[i] == s) return;
    VEC_PUSH(e->mem, *list, s);
}

static void add_slot(const emit *e, step_signature *sig, slot s)
{
    for (uint32_t i = 0; i < sig->slots.n; i++)
        if (sig->slots.p[i] == s) return;
    VEC_PUSH(e->mem, sig->slots, s);
}

/* Sizes and turn numbers, but not the template's own variables. */
static void add_symbol(void *ctx, dim s)
{
    void **c = ctx;
    const emit *e = c[0];
    if (dim_kind_of(e->p->dims, s) == DIM_SYMBOL && !kernel_exports(e, s)) add_dim(e, c[1], s);
}

/* A slot whose memory another one of the list shares, one of them written: the epilogue stores where it loads, and restrict would be a lie. */
static bool shares_memory(const emit *e, const step_signature *sig, slot s, slot written)
{
    for (uint32_t i = 0; i < sig->slots.n; i++) {
        const slot other = sig->slots.p[i];
        if (other != s && (other == written || s == written) && slot_at(e->p, other)->view.buf == slot_at(e->p, s)->view.buf) return true;
    }
    return false;
}

/* The parameters behind the kernel's own, as ", float *restrict p0, int64_t d_batch", and the arguments ", p0, d_batch". `named`: with types. */
static const char *extra_list(emit *e, const step_signature *sig, slot written, const dim_list *symbols, bool typed)
{
    text t = {.mem = e->mem};
    text_add(&t, "");
    for (uint32_t i = 0; i < sig->slots.n; i++) {
        const slot s = sig->slots.p[i];
        if (typed)
            text_addf(&t, ", %s%s *%sp%u", s == written ? "" : "const ", elem_of(slot_at(e->p, s)->type)->ctype,
                      shares_memory(e, sig, s, written) ? "" : "restrict ", i);
        else text_addf(&t, ", p%u", i);
    }
    for (uint32_t i = 0; i < symbols->n; i++) text_addf(&t, typed ? ", int64_t %s" : ", %s", symbol_param(e, symbols->p[i]));
    return t.p;
}

/* What all hooks of a kernel take: f->sig.slots, and the dims. Each hook takes only its own: a function between them drops the rest. */
static const char *adapt_hook(emit *e, text *out, const char *hook_name, const hook *h, const step_signature *sig, const step_signature *kernel_sig, slot written,
                              const dim_list *all)
{
    text t = {.mem = e->mem}, index = {.mem = e->mem}, args = {.mem = e->mem};
    for (uint32_t i = 0; i < h->n_axes; i++) {
        text_addf(&index, ", int64_t i%u", i);
        text_addf(&args, ", i%u", i);
    }
    for (uint32_t i = 0; i < sig->slots.n; i++)
        for (uint32_t k = 0; k < kernel_sig->slots.n; k++)
            if (kernel_sig->slots.p[k] == sig->slots.p[i]) text_addf(&args, ", p%u", k);
    for (uint32_t i = 0; i < sig->symbols.n; i++) text_addf(&args, ", %s", symbol_param(e, sig->symbols.p[i]));
    const char *params = extra_list(e, kernel_sig, written, all, true);
    for (int vector = !on_device(e); vector >= 0; vector--) {
        const char *acc = h->int_acc ? (vector ? "vi" : "int32_t") : (vector ? "vf" : "float"), *result = h->to ? "void" : vector ? "vf" : "float";
        text_addf(&t, "%s %s HOOK_%c(%s acc%s%s)\n{\n", on_device(e) ? "OCC_DEVICE" : "static inline __attribute__((always_inline, unused))", result, vector ? 'v' : 's', acc,
                  index.p, params);
        for (uint32_t i = 0; i < kernel_sig->slots.n; i++) text_addf(&t, "    (void)p%u;\n", i);
        for (uint32_t i = 0; i < all->n; i++) text_addf(&t, "    (void)%s;\n", symbol_param(e, all->p[i]));
        text_addf(&t, "    %s%s_%c(acc%s);\n}\n", h->to ? "" : "return ", hook_name, vector ? 'v' : 's', args.p);
    }
    return bind_hook(e->binder, out, t.p, 0, NULL, "epilogue");
}

static bool needs_adapter(const dim_list *all, const step_signature *kernel_sig, const step_signature *sig)
{
    return all->n != sig->symbols.n || kernel_sig->slots.n != sig->slots.n;
}

static void kernel_args(emit *e, const kernel *k, printed *f);

/* The sizes of the run that a kernel's parameters name. */
static void note_symbols(emit *e, const char *kernel_name, uint32_t n, const binding *bind, dim_list *all)
{
    void *ctx[2] = {e, all};
    const kernel_def *def = kernel_find(kernel_name);
    e->exports = def ? def->exports : NULL;
    for (uint32_t i = 0; i < n; i++)
        if (bind[i].kind == BIND_DIM) dim_atoms(e->p->dims, bind[i].d, add_symbol, ctx);
    e->exports = NULL;
}

/* The bindings with the text of sizes that are known only when it runs; room for `more` behind them. */
static binding *bindings_of(emit *e, const char *kernel_name, uint32_t n, const binding *from, uint32_t more)
{
    binding *bind = ARENA_ARRAY(e->mem, binding, n + more);
    const kernel_def *def = kernel_find(kernel_name);
    e->exports = def ? def->exports : NULL;
    for (uint32_t i = 0; i < n; i++) {
        bind[i] = from[i];
        if (bind[i].kind != BIND_DIM || dim_is_const(e->p->dims, bind[i].d, NULL)) continue;
        text t = {.mem = e->mem};
        text_add(&t, "(");
        dim_c(e, bind[i].d, "d_", &t);
        text_add(&t, ")");
        bind[i].kind = BIND_TEXT;
        bind[i].text = t.p;
    }
    e->exports = NULL;
    return bind;
}

static binding text_binding(const char *name, const char *s)
{
    return (binding){.name = name, .kind = BIND_TEXT, .text = s};
}

/* A kernel that this one calls; it takes the sizes of the run that all of them need. */
static binding bind_part(emit *e, const kernel_part *part, const dim_list *all, text *out)
{
    enum { HOOKS = 2 };
    text params = {.mem = e->mem};
    binding *bind = bindings_of(e, part->name, part->n_bind, part->bind, HOOKS);
    uint32_t n = part->n_bind;
    for (uint32_t i = 0; i < all->n; i++) text_addf(&params, ", [[maybe_unused]] int64_t %s", symbol_param(e, all->p[i]));
    if (all->n) bind[n++] = text_binding("HOOK_PARAMS", params.p);
    return text_binding(part->param, bind_kernel(e->binder, out, part->name, bind, n, NULL));
}

/* Sizes of the run that the tensors of a custom operator have. */
static void note_extents(emit *e, const kernel *k, dim_list *all)
{
    void *ctx[2] = {e, all};
    for (uint32_t i = 0; i < k->n_arg; i++)
        for (uint32_t a = 0; k->arg[i].slot && a < slot_at(e->p, k->arg[i].slot)->rank; a++)
            dim_atoms(e->p->dims, slot_at(e->p, k->arg[i].slot)->extent[a], add_symbol, ctx);
}

static void print_template(emit *e, step *s, text *out);

void print_kernel(emit *e, step *s, text *out)
{
    printed *f = &e->by_step[s->id];
    if (s->kernel->custom) {
        dim_list all = {0};
        note_extents(e, s->kernel, &all);
        for (uint32_t i = 0; i < all.n; i++) VEC_PUSH(e->mem, f->sig.symbols, all.p[i]);
        print_custom(e, s, out);
    } else print_template(e, s, out);
    f->sig.can_fail |= s->kernel->takes_env;
}

enum { MOST_HOOKS = 2 };

/* The functions of the hooks, and what all of them take together: the slots of the first one, which is the one that stores, come first. */
typedef struct {
    step_signature sig[MOST_HOOKS];
    text body[MOST_HOOKS];
} printed_hooks;

static void print_hooks(emit *e, const kernel *k, printed_hooks *h, step_signature *together, dim_list *all)
{
    const print_options o = {.prefix = "", .vl = e->target->vl, .math = e->o->math, .scalar_only = on_device(e)};
    assert(k->n_hook <= MOST_HOOKS);
    for (uint32_t i = 0; i < k->n_hook; i++) {
        h->body[i] = (text){.mem = e->mem};
        hook_print(e->p, &k->hook[i], "HOOK", k->lane, &o, &h->body[i], &h->sig[i]);
        for (uint32_t j = 0; j < h->sig[i].slots.n; j++) add_slot(e, together, h->sig[i].slots.p[j]);
        for (uint32_t j = 0; j < h->sig[i].symbols.n; j++) add_dim(e, all, h->sig[i].symbols.p[j]);
    }
}

static void print_template(emit *e, step *s, text *out)
{
    enum { MORE = 8 /* OUT_V, OUT_S, the same of another hook, HOOK_PARAMS, HOOK_ARGS, MUL_ACC, PART_ARGS */ };
    const kernel *k = s->kernel;
    printed *f = &e->by_step[s->id];
    dim_list all = {0};
    const dim_list none = {0};
    printed_hooks h = {0};
    print_hooks(e, k, &h, &f->sig, &all);
    note_symbols(e, k->name, k->n_bind, k->bind, &all);
    for (uint32_t i = 0; i < k->n_part; i++) note_symbols(e, k->part[i].name, k->part[i].n_bind, k->part[i].bind, &all);
    binding *bind = bindings_of(e, k->name, k->n_bind, k->bind, MORE + k->n_part);
    const slot written = k->n_hook ? k->hook[0].to : 0;
    uint32_t n = k->n_bind;
    for (uint32_t i = 0; i < k->n_hook; i++) {
        const char *name = bind_hook(e->binder, out, h.body[i].p, h.sig[i].names.n, h.sig[i].names.p, k->hook[i].map ? "map" : "epilogue");
        if (needs_adapter(&all, &f->sig, &h.sig[i])) name = adapt_hook(e, out, name, &k->hook[i], &h.sig[i], &f->sig, written, &all);
        const char *called = k->hook[i].map ? k->hook[i].name : "OUT";
        bind[n++] = text_binding(arena_printf(e->mem, "%s_V", called), arena_printf(e->mem, "%s_v", name));
        bind[n++] = text_binding(arena_printf(e->mem, "%s_S", called), arena_printf(e->mem, "%s_s", name));
    }
    if (k->n_hook || all.n) {
        bind[n++] = text_binding("HOOK_PARAMS", extra_list(e, &f->sig, written, &all, true));
        bind[n++] = text_binding("HOOK_ARGS", extra_list(e, &f->sig, written, &all, false));
    }
    const kernel_def *def = kernel_find(k->name);
    const kernel_part mul_acc = {.param = "MUL_ACC", .name = "mul_acc"}; /* of the cells of recurrent networks */
    if (def && kernel_has_param(def, mul_acc.param)) bind[n++] = bind_part(e, &mul_acc, &none, out);
    if (def && kernel_has_param(def, "GATHERS")) bind[n++] = text_binding("GATHERS", e->target->gathers ? "1" : "0");
    for (uint32_t i = 0; i < k->n_part; i++) bind[n++] = bind_part(e, &k->part[i], &all, out);
    const step_signature symbols_only = {0};
    if (k->n_part) bind[n++] = text_binding("PART_ARGS", extra_list(e, &symbols_only, 0, &all, false));
    f->name = bind_kernel(e->binder, out, k->name, bind, n, NULL);
    if (!f->name) e->failed = true;
    f->sig.symbols.n = 0;
    for (uint32_t i = 0; i < all.n; i++) VEC_PUSH(e->mem, f->sig.symbols, all.p[i]);
    kernel_args(e, k, f);
}

/* Arguments of the template, [lo, hi), then those of the hook. */
static void kernel_args(emit *e, const kernel *k, printed *f)
{
    const kernel_def *def = kernel_find(k->name);
    uint32_t n = 1;
    for (const char *c = def ? def->args : ""; *c; c++) n += *c == ',';
    for (uint32_t i = 0; i < n && i < k->n_arg; i++) VEC_PUSH(e->mem, f->args, ((printed_arg){k->arg[i].slot, k->arg[i].role != ARG_IN, true}));
    f->args_before_range = f->args.n;
    for (uint32_t i = 0; k->n_hook && i < f->sig.slots.n; i++)
        VEC_PUSH(e->mem, f->args, ((printed_arg){f->sig.slots.p[i], f->sig.slots.p[i] == k->hook[0].to, false}));
    f->sig.ranged = k->range != 0;
    f->sig.range = k->range;
}

void call_kernel(emit *e, const step *s, const char *indent, text *out)
{
    const printed *f = &e->by_step[s->id];
    const char *sep = "";
    if (!f->name) return;
    text_addf(out, "%s%s%s(", indent, s->kernel->takes_env ? "if ((rc = " : "", f->name);
    for (uint32_t i = 0; i <= f->args.n; i++) {
        if (i == f->args_before_range && f->sig.ranged) {
            text_addf(out, "%s0, ", sep);
            dim_c(e, f->sig.range, "in->", out);
            sep = ", ";
        }
        if (i == f->args.n) break;
        text_add(out, sep);
        slot_argument(e, f->args.p[i].slot, f->args.p[i].from_view, out);
        sep = ", ";
    }
    if (s->kernel->takes_env) {
        text_addf(out, "%senv", sep);
        sep = ", ";
    }
    for (uint32_t i = 0; i < f->sig.symbols.n; i++, sep = ", ") {
        text_add(out, sep);
        dim_c(e, f->sig.symbols.p[i], "in->", out);
    }
    text_add(out, s->kernel->takes_env ? ")) != 0) return rc;\n" : ");\n");
}
