/* shapes.c - what the user says about dimensions: --dim batch=4, --dim batch=1..32, --dim x:0=1..8, --shape x=1x3x224x224; and about sizes that
 * data decides, which inference names: --dim trip.LOOP=..100. */
#include <ctype.h>
#include <string.h>

#include "base/identifier.h"
#include "passes/passes.h"

static value *input_named(model *m, const char *name)
{
    graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        value *v = value_at(m, g->inputs.p[i]);
        if (!strcmp(v->name, name)) return v;
    }
    return NULL;
}

/* Replaces a symbol by a number everywhere it stands in a declared type. */
static void replace_everywhere(model *m, dim from, dim to)
{
    for (uint32_t i = 1; i < m->values.n; i++) {
        type *t = &value_at(m, i)->type;
        for (int32_t k = 0; t->kind == TYPE_TENSOR && k < t->rank; k++) t->shape[k] = dim_subst(m->dims, t->shape[k], 1, &from, &to);
    }
}

static bool limit(model *m, dim d, const dim_override *o)
{
    if (dim_kind_of(m->dims, d) != DIM_SYMBOL) {
        int64_t v;
        if (dim_is_const(m->dims, d, &v) && v >= o->lo && v <= o->hi) return true;
        return diag_error(m->diag, EXIT_USAGE, "", "dim", "--dim %s: that dimension is fixed in the model", o->name);
    }
    if (o->zero && !dim_allow_zero(m->dims, d))
        return diag_error(m->diag, EXIT_UNSUPPORTED, "", "dim", "--dim %s: the model declares sizes that are computed from it, which take it as at least 1", o->name);
    if (o->lo == o->hi) replace_everywhere(m, d, dim_const(m->dims, o->lo));
    else dim_narrow(m->dims, d, o->lo, o->hi);
    return true;
}

/* INPUT:AXIS, or 0 when the name is not of that form. */
static dim dim_of_input(model *m, const char *name)
{
    const char *colon = strrchr(name, ':');
    if (!colon || !colon[1]) return 0;
    int64_t axis = 0;
    for (const char *s = colon + 1; *s; s++) {
        if (!isdigit((unsigned char)*s) || axis > 1000) return 0;
        axis = axis * 10 + (*s - '0');
    }
    const value *v = input_named(m, arena_strndup(m->mem, name, (size_t)(colon - name)));
    return v && v->type.kind == TYPE_TENSOR && axis < v->type.rank ? v->type.shape[axis] : 0;
}

static dim find_symbol(model *m, const char *name)
{
    graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const type *t = &value_at(m, g->inputs.p[i])->type;
        for (int32_t k = 0; t->kind == TYPE_TENSOR && k < t->rank; k++)
            if (dim_kind_of(m->dims, t->shape[k]) == DIM_SYMBOL && !strcmp(dim_name(m->dims, t->shape[k]), name)) return t->shape[k];
    }
    return 0;
}

static bool unknown_dim(model *m, const char *name)
{
    text t = {.mem = m->mem};
    graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        text_addf(&t, "%s%s ", i ? ", " : "", v->name);
        type_text(m, &v->type, &t);
    }
    diag_error(m->diag, EXIT_USAGE, "", "dim", "--dim %s: no input has a dimension of that name", name);
    return diag_hint(m->diag, "the inputs are %s; a dimension can also be named INPUT:AXIS", t.p ? t.p : "none");
}

static bool set_shape(model *m, const shape_override *s)
{
    value *v = input_named(m, s->input);
    if (!v) return diag_error(m->diag, EXIT_USAGE, "", "shape", "--shape %s: the model has no input of that name", s->input);
    if (v->type.kind != TYPE_TENSOR) return diag_error(m->diag, EXIT_USAGE, "", "shape", "--shape %s: that input is no tensor", s->input);
    if (v->type.rank < 0) {
        v->type.rank = (int32_t)s->rank;
        v->type.shape = shape_new(m, s->rank);
        for (uint32_t i = 0; i < s->rank; i++) v->type.shape[i] = dim_fresh(m->dims, "n", 1, INT64_MAX);
    }
    if ((int32_t)s->rank != v->type.rank)
        return diag_error(m->diag, EXIT_USAGE, "", "shape", "--shape %s: %u dimensions given, the input has %d", s->input, s->rank, v->type.rank);
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0) continue;
        const dim_override o = {.name = arena_printf(m->mem, "%s:%u", s->input, i), .lo = s->dim[i], .hi = s->dim[i]};
        if (!limit(m, v->type.shape[i], &o)) return false;
        v = input_named(m, s->input);
    }
    return true;
}

bool set_shapes(model *m, const compile_options *o)
{
    for (uint32_t i = 0; i < o->shapes.n; i++)
        if (!set_shape(m, &o->shapes.p[i])) return false;
    for (uint32_t i = 0; i < o->dims.n; i++) {
        dim d = find_symbol(m, o->dims.p[i].name);
        if (!d) d = dim_of_input(m, o->dims.p[i].name);
        if (!d && strchr(o->dims.p[i].name, '.')) { /* KIND.NODE: inference will make it, or check_limits reports it */
            VEC_PUSH(m->mem, m->limits, ((size_limit){o->dims.p[i].name, o->dims.p[i].lo, o->dims.p[i].hi, false}));
            continue;
        }
        if (!d) return unknown_dim(m, o->dims.p[i].name);
        if (!limit(m, d, &o->dims.p[i])) return false;
    }
    return true;
}

bool check_limits(model *m)
{
    text known = {.mem = m->mem};
    bool ok = true;
    for (uint32_t i = 0; i < m->decided.n; i++) text_addf(&known, "%s%s", i ? ", " : "", dim_name(m->dims, m->decided.p[i]));
    for (uint32_t i = 0; i < m->limits.n; i++) {
        if (m->limits.p[i].used) continue;
        ok = diag_error(m->diag, EXIT_USAGE, "", "dim", "--dim %s: no input has a dimension of that name, and data decides no size of that name", m->limits.p[i].name);
        if (known.n) diag_hint(m->diag, "data decides %s", known.p);
        else diag_hint(m->diag, "data decides no size of this model");
    }
    return ok;
}

/* NAME.h must not stand where a system header is looked for, and CMake has targets of its own. */
static bool is_taken(const char *name)
{
    static const char *const NAMES[] = {"assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale", "math", "setjmp",
                                          "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath", "threads", "time",
                                          "wchar", "wctype", "unistd", "memory", "features", "onnxcc_rt", "all", "clean", "help", "install", "package", "test"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (!strcmp(NAMES[i], name)) return true;
    return false;
}

const char *model_name(model *m, const compile_options *o, arena *mem)
{
    if (o->name) {
        if (!strcmp(c_identifier(mem, o->name, NULL, 0), o->name) && !is_taken(o->name)) return o->name;
        diag_error(m->diag, EXIT_USAGE, "", "name", "--name %s: not a C identifier that can begin every symbol and file", o->name);
        diag_hint(m->diag, "letters, digits and underscores, no keyword, no name of a system header or of one of CMake's targets; for example --name=%s_model", c_identifier(mem, o->name, NULL, 0));
        return NULL;
    }
    const char *path = m->path ? m->path : "model", *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    const char *name = c_identifier(mem, arena_strndup(mem, base, dot && dot != base ? (size_t)(dot - base) : strlen(base)), NULL, 0);
    return is_taken(name) ? arena_printf(mem, "%s_model", name) : name;
}
