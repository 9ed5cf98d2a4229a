/* bench_inputs.c - see bench_inputs.h. */
#include "driver/bench_inputs.h"

#include <stdio.h>
#include <string.h>

#include "driver/inputs.h"
#include "driver/sample_sets.h"

enum { MOST_SETS = 256, MOST_INVENTED = 1 << 20 /* bytes */ };

/* A fixed sequence of numbers in [0, 1) (splitmix64), so that every run measures the same data. */
static double next_number(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* ---- what the options say of sizes ---- */

/* The name of a dimension of an input; "" where it has none. */
static const char *symbol_at(const model *m, const value *v, int32_t axis)
{
    const dim d = v->type.shape[axis];
    return dim_kind_of(m->dims, d) == DIM_SYMBOL ? dim_name(m->dims, d) : "";
}

/* Is the --dim about this dimension: by its symbol, or as INPUT:AXIS? */
static bool is_about(arena *a, const model *m, const dim_override *o, const value *v, int32_t axis)
{
    return !strcmp(o->name, symbol_at(m, v, axis)) || !strcmp(o->name, arena_printf(a, "%s:%d", v->name, axis));
}

static int64_t least_of(const dim_override *o)
{
    return o->lo || o->zero ? o->lo : 1;
}

static const char *range_text(arena *a, const dim_override *o)
{
    if (o->lo == o->hi) return arena_printf(a, "%lld", (long long)o->lo);
    if (o->hi == INT64_MAX) return arena_printf(a, "at least %lld", (long long)least_of(o));
    return arena_printf(a, "%lld..%lld", (long long)least_of(o), (long long)o->hi);
}

/* Size of a dimension of that name in the inputs that have a tensor, before `end`; -1: none has it. */
static int64_t size_of_symbol(model *m, const tensor_set *set, const char *symbol, uint32_t end, const char **input)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; *symbol && i < end; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const tensor *t = tensor_set_find(set, v->name);
        for (int32_t k = 0; t && (int32_t)t->rank == v->type.rank && k < v->type.rank; k++)
            if (!strcmp(symbol_at(m, v, k), symbol)) {
                *input = v->name;
                return t->shape[k];
            }
    }
    return -1;
}

/* Size of dimension `axis` of an input without a tensor: its constant, what --dim says, what it is in the inputs with one, else 1. */
static int64_t invented_dim(arena *a, model *m, const compile_options *o, const tensor_set *given, const value *input, int32_t axis)
{
    int64_t size;
    const char *other;
    if (dim_is_const(m->dims, input->type.shape[axis], &size)) return size;
    for (uint32_t i = 0; i < o->dims.n; i++)
        if (is_about(a, m, &o->dims.p[i], input, axis)) return o->dims.p[i].lo > 0 ? o->dims.p[i].lo : 1;
    size = size_of_symbol(m, given, symbol_at(m, input, axis), model_main(m)->inputs.n, &other);
    return size < 0 ? 1 : size;
}

/* A tensor for an input that none was given for: floats in [0, 1), integers 0 and 1; other ones for another seed. NULL for what can't be invented. */
static tensor *invent(arena *a, model *m, const compile_options *o, const tensor_set *given, const value *v, uint64_t seed)
{
    const type *t = &v->type;
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->elem == ELEM_STRING || elem_of(t->elem)->kind == 'c') return NULL;
    int64_t *shape = ARENA_ARRAY(a, int64_t, t->rank + 1);
    for (int32_t i = 0; i < t->rank; i++) shape[i] = invented_dim(a, m, o, given, v, i);
    for (uint32_t k = 0; k < o->shapes.n; k++)
        if (!strcmp(o->shapes.p[k].input, v->name))
            for (uint32_t i = 0; i < o->shapes.p[k].rank && i < (uint32_t)t->rank; i++)
                if (o->shapes.p[k].dim[i] >= 0) shape[i] = o->shapes.p[k].dim[i];
    tensor *r = tensor_new(a, t->elem, (uint32_t)t->rank, shape);
    r->name = v->name;
    uint64_t state = seed;
    const int64_t n = tensor_count(r);
    for (int64_t i = 0; i < n; i++) {
        const double x = next_number(&state);
        elem_set_double(r->type, (void *)(uintptr_t)r->data, (size_t)i, elem_of(r->type)->kind == 'f' ? x : x < 0.5 ? 0 : 1);
    }
    return r;
}

/* Drops the --dim and --shape options that the pinned shapes already say; those for sizes that data decide, and mistakes, stay. */
static void drop_input_sizes(arena *a, model *m, compile_options *o)
{
    const graph *g = model_main(m);
    uint32_t n = 0, n_shapes = 0;
    for (uint32_t i = 0; i < o->dims.n; i++) {
        bool said = false;
        for (uint32_t k = 0; k < g->inputs.n; k++)
            for (int32_t axis = 0; axis < value_at(m, g->inputs.p[k])->type.rank; axis++) said |= is_about(a, m, &o->dims.p[i], value_at(m, g->inputs.p[k]), axis);
        if (!said) o->dims.p[n++] = o->dims.p[i];
    }
    for (uint32_t i = 0; i < o->shapes.n; i++) {
        bool said = false;
        for (uint32_t k = 0; k < g->inputs.n; k++) said |= !strcmp(o->shapes.p[i].input, value_at(m, g->inputs.p[k])->name);
        if (!said) o->shapes.p[n_shapes++] = o->shapes.p[i];
    }
    o->dims.n = n;
    o->shapes.n = n_shapes;
}

/* Tensors that no input is called as go to the inputs that are left, in their order, where both are as many: so does a run. */
static void name_rest(model *m, tensor_set *set)
{
    const graph *g = model_main(m);
    VEC(tensor *) rest = {0};
    VEC(const char *) left = {0};
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const char *name = value_at(m, g->inputs.p[i])->name;
        if (!tensor_set_find(set, name)) VEC_PUSH(m->mem, left, name);
    }
    for (uint32_t k = 0; k < set->list.n; k++) {
        bool named = false;
        for (uint32_t i = 0; i < g->inputs.n && set->list.p[k]->name; i++) named |= !strcmp(set->list.p[k]->name, value_at(m, g->inputs.p[i])->name);
        if (!named) VEC_PUSH(m->mem, rest, set->list.p[k]);
    }
    for (uint32_t k = 0; rest.n == left.n && k < rest.n; k++) rest.p[k]->name = left.p[k];
}

/* Tensors for the inputs that the set has none for. */
static bool invent_missing(command *c, model *m, const compile_options *o, uint64_t seed, tensor_set *set)
{
    const graph *g = model_main(m);
    name_rest(m, set);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        if (tensor_set_find(set, v->name)) continue;
        tensor *t = invent(c->mem, m, o, set, v, seed);
        if (!t) {
            diag_error(c->diag, EXIT_USAGE, at_value(m, g->inputs.p[i]), "missing-input", "give a tensor for this input");
            return diag_hint(c->diag, "--input FILE.npz");
        }
        VEC_PUSH(c->mem, set->list, t);
    }
    return true;
}

static const char *shape_text(arena *a, const tensor *t)
{
    text s = {.mem = a};
    for (uint32_t k = 0; k < t->rank; k++) text_addf(&s, k ? "x%lld" : "%lld", (long long)t->shape[k]);
    return s.n ? s.p : "a single number";
}

typedef VEC(const char *) paths; /* of the files that the first set's tensors were read from, one for each; the rest is invented */

static bool refuse(command *c, const value *v, const char *file, const char *what, const char *option)
{
    diag_error(c->diag, EXIT_USAGE, arena_printf(c->mem, "input '%s'", v->name), "input-shape", "%s%s", file ? arena_printf(c->mem, "'%s': ", file) : "", what);
    return option && diag_hint(c->diag, "leave out %s, or give an input of that size", option);
}

static bool refuse_size(command *c, const value *v, const char *file, uint32_t axis, int64_t is, const char *expected, const char *option)
{
    const char *what = arena_printf(c->mem, "dimension %u is %lld, expected %s", axis, (long long)is, expected);
    return refuse(c, v, file, option ? arena_printf(c->mem, "%s, as %s says", what, option) : what, option);
}

/* Is each size what the model, the options and the inputs before this one say? */
static bool check_sizes(command *c, model *m, const compile_options *o, const tensor_set *set, uint32_t i, const tensor *t, const char *file)
{
    const value *v = value_at(m, model_main(m)->inputs.p[i]);
    const char *other = NULL;
    if (v->type.rank >= 0 && t->rank != (uint32_t)v->type.rank)
        return refuse(c, v, file, arena_printf(c->mem, "the tensor given has %u dimension%s, the input %d", t->rank, t->rank == 1 ? "" : "s", v->type.rank), NULL);
    for (uint32_t k = 0; k < o->shapes.n; k++) {
        const shape_override *s = &o->shapes.p[k];
        const char *option = arena_printf(c->mem, "--shape %s", s->input);
        if (strcmp(s->input, v->name)) continue;
        if (s->rank != t->rank) return refuse(c, v, file, arena_printf(c->mem, "its number of dimensions is %u, %s says %u", t->rank, option, s->rank), NULL);
        for (uint32_t axis = 0; axis < s->rank; axis++)
            if (s->dim[axis] >= 0 && s->dim[axis] != t->shape[axis]) return refuse_size(c, v, file, axis, t->shape[axis], arena_printf(c->mem, "%lld", (long long)s->dim[axis]), option);
    }
    for (uint32_t axis = 0; v->type.rank >= 0 && axis < t->rank; axis++) {
        const int64_t is = t->shape[axis];
        int64_t want;
        if (dim_is_const(m->dims, v->type.shape[axis], &want) && want != is) return refuse_size(c, v, file, axis, is, arena_printf(c->mem, "%lld", (long long)want), NULL);
        for (uint32_t k = 0; k < o->dims.n; k++) {
            const dim_override *d = &o->dims.p[k];
            if (!is_about(c->mem, m, d, v, (int32_t)axis) || (is >= least_of(d) && is <= d->hi)) continue;
            return refuse_size(c, v, file, axis, is, range_text(c->mem, d), arena_printf(c->mem, "--dim %s", d->name));
        }
        want = size_of_symbol(m, set, symbol_at(m, v, (int32_t)axis), i, &other);
        if (want >= 0 && want != is)
            return refuse(c, v, file, arena_printf(c->mem, "dimension %u is %lld, but '%s' is %lld in '%s'", axis, (long long)is, symbol_at(m, v, (int32_t)axis), (long long)want, other), NULL);
    }
    return true;
}

static const char *file_of(const tensor_set *set, const paths *from, const tensor *t)
{
    for (uint32_t k = 0; k < set->list.n && k < from->n; k++)
        if (set->list.p[k] == t) return from->p[k];
    return NULL;
}

/* Does --dim give one of the input's sizes as a range? */
static bool has_range(command *c, model *m, const compile_options *o, const value *v, uint32_t rank)
{
    for (uint32_t k = 0; k < o->dims.n; k++)
        for (uint32_t axis = 0; axis < rank; axis++)
            if (o->dims.p[k].lo < o->dims.p[k].hi && is_about(c->mem, m, &o->dims.p[k], v, (int32_t)axis)) return true;
    return false;
}

/* The compiler's options pin every input's shape to that of its tensor. */
static bool pin_inputs(command *c, model *m, compile_options *o, const tensor_set *set, const paths *from)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const tensor *t = tensor_set_find(set, v->name);
        const char *file = file_of(set, from, t);
        if (t->rank > sizeof o->shapes.p->dim / sizeof *o->shapes.p->dim) return diag_error(c->diag, EXIT_LIMIT, at_value(m, g->inputs.p[i]), "rank-limit", "too many dimensions");
        if (!check_sizes(c, m, o, set, i, t, file)) return false;
        if (!c->quiet && !shape_is_static(m, &v->type, NULL))
            fprintf(stderr, "input '%s' is pinned to %s%s\n", v->name, shape_text(c->mem, t), !file && has_range(c, m, o, v, t->rank) ? ", the low end of a range" : "");
    }
    drop_input_sizes(c->mem, m, o);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const tensor *t = tensor_set_find(set, v->name);
        shape_override s = {.input = v->name, .rank = t->rank};
        for (uint32_t k = 0; k < t->rank; k++) s.dim[k] = t->shape[k];
        VEC_PUSH(c->mem, o->shapes, s);
    }
    return true;
}

/* ---- sets ---- */

static size_t bytes_of(const tensor_set *set)
{
    size_t n = 0;
    for (uint32_t i = 0; i < set->list.n; i++) n += set->list.p[i]->bytes;
    return n;
}

static bool same_shapes(command *c, const tensor_set *first, const tensor_set *other, const char *path)
{
    for (uint32_t i = 0; i < first->list.n; i++) {
        const tensor *a = first->list.p[i], *b = tensor_set_find(other, a->name);
        if (b && a->rank == b->rank && (!a->rank || !memcmp(a->shape, b->shape, a->rank * sizeof *a->shape))) continue;
        diag_error(c->diag, EXIT_USAGE, "", "input-shape", "input '%s' has another shape in '%s' than in the first set", a->name, path);
        return diag_hint(c->diag, "runs of one measurement are of one size");
    }
    return true;
}

static void note_files(command *c, const tensor_set *set, const char *path, paths *from)
{
    while (from->n < set->list.n) VEC_PUSH(c->mem, *from, path);
}

/* A file without tensors is a mistake of whoever wrote it, where the model has inputs. */
static bool holds_some(command *c, model *m, const tensor_set *set, uint32_t before, const char *path)
{
    if (set->list.n > before || !model_main(m)->inputs.n) return true;
    diag_error(c->diag, EXIT_USAGE, "", "no-data", "'%s' holds no tensor", path);
    return diag_hint(c->diag, "np.savez(FILE, **{name: array for each input}) writes one that does");
}

static bool read_sets(command *c, model *m, const compile_options *o, input_sets *sets, paths *from)
{
    folder_list list;
    if (c->o->n[OPT_INPUT]) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--input and --data both give inputs");
    if (!sample_sets_find(c, m, opt_text(c->o, OPT_DATA, NULL), &list)) return false;
    if (list.n > MOST_SETS) diag_warn(c->diag, "", "no-data", "'%s' holds %u sets: the first %d by name are measured", opt_text(c->o, OPT_DATA, NULL), list.n, MOST_SETS);
    for (uint32_t i = 0; i < list.n && i < MOST_SETS; i++) {
        tensor_set set;
        if (!sample_set_read(c->diag, c->mem, list.p[i], &set) || !holds_some(c, m, &set, 0, list.p[i])) return false;
        if (!i) note_files(c, &set, list.p[i], from);
        if ((!i && !inputs_named(c, m, &set)) || !invent_missing(c, m, o, 1, &set)) return false;
        if (i && !same_shapes(c, &sets->p[0], &set, list.p[i])) return false;
        VEC_PUSH(c->mem, *sets, set);
    }
    return true;
}

static bool read_inputs(command *c, model *m, tensor_set *set, paths *from)
{
    for (uint32_t i = 0; i < c->o->n[OPT_INPUT]; i++) {
        const char *word = c->o->values[OPT_INPUT][i], *path = input_path(word);
        const uint32_t before = set->list.n;
        if (!input_add(c, word, set) || !holds_some(c, m, set, before, path)) return false;
        note_files(c, set, path, from);
    }
    return true;
}

/* What --input gives and, when that is nothing, as many sets as fit a cache. */
static bool make_sets(command *c, model *m, const compile_options *o, input_sets *sets, paths *from)
{
    size_t bytes = 0;
    do {
        tensor_set set = {.mem = c->mem};
        if (!read_inputs(c, m, &set, from) || (!sets->n && !inputs_named(c, m, &set)) || !invent_missing(c, m, o, sets->n + 1, &set)) return false;
        bytes += bytes_of(&set);
        VEC_PUSH(c->mem, *sets, set);
    } while (!c->o->n[OPT_INPUT] && !c->o->n[OPT_STATE] && sets->n < MOST_SETS && bytes + bytes / sets->n <= MOST_INVENTED);
    return true;
}

bool bench_inputs(command *c, model *m, compile_options *o, input_sets *sets)
{
    paths from = {0};
    const bool made = opt_text(c->o, OPT_DATA, NULL) ? read_sets(c, m, o, sets, &from) : make_sets(c, m, o, sets, &from);
    return made && pin_inputs(c, m, o, &sets->p[0], &from);
}

static void add_once(arena *a, arguments *to, const char *word)
{
    for (uint32_t i = 0; i < to->n; i++)
        if (!strcmp(to->p[i], word)) return;
    VEC_PUSH(a, *to, word);
}

arguments bench_sizes(model *m, const tensor_set *inputs)
{
    const graph *g = model_main(m);
    arguments sizes = {0};
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const tensor *t = tensor_set_find(inputs, v->name);
        if (v->type.rank < 0) add_once(m->mem, &sizes, arena_printf(m->mem, "--shape %s=%s", v->name, t->rank ? shape_text(m->mem, t) : ""));
        for (int32_t k = 0; k < v->type.rank; k++)
            if (*symbol_at(m, v, k)) add_once(m->mem, &sizes, arena_printf(m->mem, "--dim %s=%lld", symbol_at(m, v, k), (long long)t->shape[k]));
    }
    return sizes;
}

bool bench_worth(command *c, const session *s, const tensor_set *inputs)
{
    if (!session_is_empty(s)) return true;
    diag_error(c->diag, EXIT_USAGE, "", "no-data", "no output has an element at these sizes: there is nothing to measure");
    for (uint32_t i = 0; i < inputs->list.n; i++)
        if (!tensor_count(inputs->list.p[i])) return diag_hint(c->diag, "input '%s' is %s", inputs->list.p[i]->name, shape_text(c->mem, inputs->list.p[i]));
    return false;
}
