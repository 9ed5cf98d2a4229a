/* print_hook.c - the hook of a kernel as two small functions: NAME_v for the lanes of a vector and NAME_s for one element.
 *
 * An epilogue gets the accumulator and stores its result; a prologue returns an element; a map gets one and returns one. Parameters: the accumulator
 * (not of prologues), the index of lane 0 for each hook axis in order (int64_t; an axis of extent 1 too), the slots' pointers (written ones first), the run-time dims. */
#include <assert.h>

#include "expr/print.h"

typedef struct {
    printer *w;
    const hook *h;
    const char *name;
    const char *index[MAX_RANK]; /* parameter of each axis */
} hook_print_state;

static bool takes_acc(const hook *h)
{
    return h->to || h->map;
}

static void print_head(hook_print_state *c, text *out, bool lanes)
{
    printer *w = c->w;
    const ctype t = ex_type(w->x, c->h->value);
    const char *result = c->h->to ? "void" : lanes ? t == CT_F32 ? "vf" : "vi" : ctype_name(t), *comma = "";
    text_addf(out, "SIMD_FN %s %s%s_%c(", result, w->o->prefix ? w->o->prefix : "", c->name, lanes ? 'v' : 's');
    if (takes_acc(c->h)) {
        text_addf(out, "%s acc", c->h->int_acc ? (lanes ? "vi" : "int32_t") : (lanes ? "vf" : "float"));
        comma = ", ";
    }
    for (uint32_t i = 0; i < c->h->n_axes; i++, comma = ", ") text_addf(out, "%sint64_t %s", comma, c->index[i]);
    for (uint32_t i = 0; i < w->param.n; i++, comma = ", ") print_param(w, out, comma, &w->param.p[i]);
    for (uint32_t i = 0; i < w->symbol.n; i++, comma = ", ") text_addf(out, "%sint64_t %s", comma, axis_name(w, w->symbol.p[i]));
    text_add(out, ")\n{\n");
}

/* One vector by way of single elements: for stores and operations that have no vector form. */
static void print_by_element(hook_print_state *c, uint32_t lane)
{
    printer *w = c->w;
    const bool one = w->o->vl == 1;
    const char *args = takes_acc(c->h) ? one ? "acc" : "acc[lane]" : "", *comma = takes_acc(c->h) ? ", " : "";
    for (uint32_t i = 0; i < c->h->n_axes; i++, comma = ", ")
        args = arena_printf(w->mem, i == lane && !one ? "%s%s%s + lane" : "%s%s%s", args, comma, c->index[i]);
    for (uint32_t i = 0; i < w->param.n; i++, comma = ", ") args = arena_printf(w->mem, "%s%s%s", args, comma, w->param.p[i].name);
    for (uint32_t i = 0; i < w->symbol.n; i++, comma = ", ") args = arena_printf(w->mem, "%s%s%s", args, comma, axis_name(w, w->symbol.p[i]));
    const char *call = arena_printf(w->mem, "%s%s_s(%s)", w->o->prefix ? w->o->prefix : "", c->name, args);
    if (one) line(w, c->h->to ? "%s;" : "return %s;", call);
    else if (c->h->to) line(w, "for (int lane = 0; lane < VL; ++lane) %s;", call);
    else {
        line(w, "%s r;", ex_type(w->x, c->h->value) == CT_F32 ? "vf" : "vi");
        line(w, "for (int lane = 0; lane < VL; ++lane) r[lane] = %s;", call);
        line(w, "return r;");
    }
}

static void print_value(hook_print_state *c, const sink *k, dim vec)
{
    printer *w = c->w;
    set_vec(w, vec);
    count_refs(w, k->value);
    if (k->to) {
        count_refs(w, k->at[0]);
        print_store(w, k);
        clear_refs(w, k->at[0]);
    } else {
        const char *s = vec ? lanes_text(w, k->value) : value_text(w, k->value);
        line(w, "return %s;", s);
    }
    clear_refs(w, k->value);
    name_pop(w, 0);
    set_vec(w, 0);
}

static void print_function(hook_print_state *c, text *out, const sink *k, uint32_t lane, bool lanes)
{
    printer *w = c->w;
    text body = {.mem = w->mem};
    stage s = {.n_sinks = 1, .sink = arena_copy(w->mem, k, sizeof *k)};
    const dim axis = lane < c->h->n_axes ? c->h->axis[lane] : 0;
    const bool own = lanes && w->o->vl > 1 && axis && dim_is_axis(w->t, axis) && stage_has_lanes(w, &s, axis, false, false);
    w->out = &body;
    w->indent = 1;
    text_add(&body, "");
    if (lanes && !own) print_by_element(c, lane);
    else print_value(c, k, own ? axis : 0);
    w->out = out;
    w->indent = 1;
    print_head(c, out, lanes);
    if (takes_acc(c->h) && !mentions(body.p, "acc")) line(w, "(void)acc;");
    for (uint32_t i = 0; i < c->h->n_axes; i++)
        if (!mentions(body.p, c->index[i])) line(w, "(void)%s;", c->index[i]);
    silence_unused(w, body.p, false);
    text_add(out, body.p);
    text_add(out, "}\n");
}

void hook_print(program *p, const hook *h, const char *name, uint32_t lane, const print_options *o, text *out, step_signature *sig)
{
    printer w;
    hook_print_state c = {.w = &w, .h = h, .name = name};
    sink k = {.to = h->to, .n = h->to ? 1 : 0, .value = h->value};
    stage s = {.n_sinks = 1, .sink = &k};
    nest n = {.n_stages = 1, .stage = &s, .flat = true};
    assert(h->flat && h->n_axes <= MAX_RANK);
    if (h->to) k.at[0] = h->at[0];
    printer_init(&w, p, o, out);
    print_collect(&w, &n);
    print_signature_of(&w, &n, sig);
    w.wide = true;
    w.acc_part = -1;
    *acc_of(&w, 0) = (acc_mark){"acc", true};
    for (uint32_t i = 0; i < h->n_axes; i++) {
        c.index[i] = loop_name(&w);
        if (dim_is_axis(w.t, h->axis[i])) axis_bind(&w, h->axis[i], c.index[i]);
    }
    print_function(&c, out, &k, lane, false);
    if (!o->scalar_only) print_function(&c, out, &k, lane, true);
    print_names_of(&w, sig);
    printer_end(&w);
}
