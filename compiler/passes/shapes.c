/* shapes.c - what the user says about dimensions: --dim batch=4, --dim batch=1..32, --dim x:0=1..8, --shape x=1x3x224x224; and about sizes that
 * data decides, which inference names: --dim trip.LOOP=..100. */
#include <ctype.h>
#include <string.h>

#include "base/identifier.h"
#include "passes/passes.h"

/* The model's inputs, and their shapes as declared, before an option changed them. */
typedef struct {
    model *m;
    const graph *g;
    const dim **declared; /* NULL: of unknown rank, or no tensor */
} inputs;

/* A dimension of an input; axis < 0: none. */
typedef struct {
    uint32_t input;
    int32_t axis;
} place;

static value *input_at(const inputs *in, uint32_t i)
{
    return value_at(in->m, in->g->inputs.p[i]);
}

static void note_declared(inputs *in, uint32_t i)
{
    const type *t = &input_at(in, i)->type;
    if (t->kind == TYPE_TENSOR && t->rank >= 0) in->declared[i] = arena_copy(in->m->mem, t->shape, (size_t)t->rank * sizeof *t->shape);
}

/* Its number; that of inputs when there is none of the name. */
static uint32_t input_named(const inputs *in, const char *name)
{
    uint32_t i = 0;
    while (i < in->g->inputs.n && strcmp(input_at(in, i)->name, name)) i++;
    return i;
}

/* Replaces a symbol by a number everywhere it stands in a declared type. */
static void replace_everywhere(model *m, dim from, dim to)
{
    for (uint32_t i = 1; i < m->values.n; i++) {
        type *t = &value_at(m, i)->type;
        for (int32_t k = 0; t->kind == TYPE_TENSOR && k < t->rank; k++) t->shape[k] = dim_subst(m->dims, t->shape[k], 1, &from, &to);
    }
}

/* That dimension is no symbol, or none any more. `option`: what was said of it. */
static bool limit_fixed(const inputs *in, place at, const dim_override *o, const char *option)
{
    model *m = in->m;
    const dim now = input_at(in, at.input)->type.shape[at.axis], was = in->declared[at.input][at.axis];
    int64_t v;
    const bool known = dim_is_const(m->dims, now, &v);
    if (known && v >= o->lo && v <= o->hi) return true;
    if (now == was && known) return diag_error(m->diag, EXIT_USAGE, "", "dim", "%s: that dimension is fixed in the model, as %lld", option, (long long)v);
    text name = {.mem = m->mem};
    dim_text(m->dims, was, &name);
    if (known) return diag_error(m->diag, EXIT_USAGE, "", "dim", "%s: the model declares that dimension as '%s', which other options make %lld", option, name.p, (long long)v);
    return diag_error(m->diag, EXIT_USAGE, "", "dim", "%s: the model declares that dimension as '%s': set the names in it", option, name.p);
}

static bool limit(const inputs *in, place at, const dim_override *o, const char *option)
{
    model *m = in->m;
    const dim d = input_at(in, at.input)->type.shape[at.axis];
    if (dim_kind_of(m->dims, d) != DIM_SYMBOL) return limit_fixed(in, at, o, option);
    if (o->zero && !dim_allow_zero(m->dims, d))
        return diag_error(m->diag, EXIT_UNSUPPORTED, "", "dim", "%s: the model declares sizes that are computed from it, which take it as at least 1", option);
    if (o->lo == o->hi) replace_everywhere(m, d, dim_const(m->dims, o->lo));
    else dim_narrow(m->dims, d, o->lo, o->hi);
    return true;
}

/* Where INPUT:AXIS stands; nowhere when the name is not of that form. */
static place find_axis(const inputs *in, const char *name)
{
    const place none = {0, -1};
    const char *colon = strrchr(name, ':');
    if (!colon || !colon[1]) return none;
    int32_t axis = 0;
    for (const char *s = colon + 1; *s; s++) {
        if (!isdigit((unsigned char)*s) || axis > 1000) return none;
        axis = axis * 10 + (*s - '0');
    }
    const uint32_t i = input_named(in, arena_strndup(in->m->mem, name, (size_t)(colon - name)));
    return i < in->g->inputs.n && in->declared[i] && axis < input_at(in, i)->type.rank ? (place){i, axis} : none;
}

static place find_symbol(const inputs *in, const char *name)
{
    const dims *d = in->m->dims;
    for (uint32_t i = 0; i < in->g->inputs.n; i++)
        for (int32_t k = 0; in->declared[i] && k < input_at(in, i)->type.rank; k++)
            if (dim_kind_of(d, in->declared[i][k]) == DIM_SYMBOL && !strcmp(dim_name(d, in->declared[i][k]), name)) return (place){i, k};
    return (place){0, -1};
}

/* What the inputs are is said as the model declares them, for that is what names are for. */
static bool unknown_dim(const inputs *in, const char *name)
{
    model *m = in->m;
    text t = {.mem = m->mem};
    for (uint32_t i = 0; i < in->g->inputs.n; i++) {
        type declared = input_at(in, i)->type;
        if (in->declared[i]) declared.shape = (dim *)(uintptr_t)in->declared[i];
        text_addf(&t, "%s%s ", i ? ", " : "", input_at(in, i)->name);
        type_text(m, &declared, &t);
    }
    diag_error(m->diag, EXIT_USAGE, "", "dim", "--dim %s: no input has a dimension of that name", name);
    return diag_hint(m->diag, "the inputs are %s; a dimension can also be named INPUT:AXIS", t.p ? t.p : "none");
}

static bool set_shape(inputs *in, const shape_override *s)
{
    model *m = in->m;
    const uint32_t k = input_named(in, s->input);
    if (k == in->g->inputs.n) return diag_error(m->diag, EXIT_USAGE, "", "shape", "--shape %s: the model has no input of that name", s->input);
    type *t = &input_at(in, k)->type;
    if (t->kind != TYPE_TENSOR) return diag_error(m->diag, EXIT_USAGE, "", "shape", "--shape %s: that input is no tensor", s->input);
    if (t->rank < 0) {
        t->rank = (int32_t)s->rank;
        t->shape = shape_new(m, s->rank);
        for (uint32_t i = 0; i < s->rank; i++) t->shape[i] = dim_fresh(m->dims, "n", 1, INT64_MAX);
        note_declared(in, k);
    }
    if ((int32_t)s->rank != t->rank)
        return diag_error(m->diag, EXIT_USAGE, "", "shape", "--shape %s: %u dimensions given, the input has %d", s->input, s->rank, t->rank);
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0) continue;
        const dim_override o = {.lo = s->dim[i], .hi = s->dim[i]};
        if (!limit(in, (place){k, (int32_t)i}, &o, arena_printf(m->mem, "--shape %s, dimension %u is %lld", s->input, i, (long long)s->dim[i]))) return false;
    }
    return true;
}

bool set_shapes(model *m, const compile_options *o)
{
    inputs in = {m, model_main(m), NULL};
    in.declared = ARENA_ARRAY(m->mem, const dim *, in.g->inputs.n + 1);
    for (uint32_t i = 0; i < in.g->inputs.n; i++) note_declared(&in, i);
    for (uint32_t i = 0; i < o->shapes.n; i++)
        if (!set_shape(&in, &o->shapes.p[i])) return false;
    for (uint32_t i = 0; i < o->dims.n; i++) {
        const dim_override *d = &o->dims.p[i];
        place at = find_symbol(&in, d->name);
        if (at.axis < 0) at = find_axis(&in, d->name);
        if (at.axis < 0 && strchr(d->name, '.')) { /* KIND.NODE: inference will make it, or check_limits reports it */
            VEC_PUSH(m->mem, m->limits, ((size_limit){d->name, d->lo, d->hi, false}));
            continue;
        }
        if (at.axis < 0) return unknown_dim(&in, d->name);
        if (!limit(&in, at, d, arena_printf(m->mem, "--dim %s", d->name))) return false;
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
