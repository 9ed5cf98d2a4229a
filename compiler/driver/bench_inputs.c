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

/* Size of dimension `axis` of an input without a tensor: its constant, what --dim says (by symbol or as INPUT:AXIS), else 1. */
static int64_t invented_dim(arena *a, model *m, const compile_options *o, const value *input, int32_t axis)
{
    const dim d = input->type.shape[axis];
    int64_t size;
    if (dim_is_const(m->dims, d, &size)) return size;
    const char *symbol = dim_kind_of(m->dims, d) == DIM_SYMBOL ? dim_name(m->dims, d) : "", *place = arena_printf(a, "%s:%d", input->name, axis);
    for (uint32_t i = 0; i < o->dims.n; i++)
        if (!strcmp(o->dims.p[i].name, symbol) || !strcmp(o->dims.p[i].name, place)) return o->dims.p[i].lo > 0 ? o->dims.p[i].lo : 1;
    return 1;
}

/* A tensor for an input that none was given for: floats in [0, 1), integers 0 and 1; other ones for another seed. NULL for what can't be invented. */
static tensor *invent(arena *a, model *m, const compile_options *o, const value *v, uint64_t seed)
{
    const type *t = &v->type;
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->elem == ELEM_STRING || elem_of(t->elem)->kind == 'c') return NULL;
    int64_t *shape = ARENA_ARRAY(a, int64_t, t->rank + 1);
    for (int32_t i = 0; i < t->rank; i++) shape[i] = invented_dim(a, m, o, v, i);
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

/* Is `name` a dimension of an input: its symbol, or INPUT:AXIS? */
static bool input_dim(model *m, const char *name)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const size_t n = strlen(v->name);
        if (!strncmp(name, v->name, n) && name[n] == ':') return true;
        for (int32_t k = 0; k < v->type.rank; k++)
            if (dim_kind_of(m->dims, v->type.shape[k]) == DIM_SYMBOL && !strcmp(dim_name(m->dims, v->type.shape[k]), name)) return true;
    }
    return false;
}

/* Drops the --dim options that the pinned shapes already say; those for sizes that data decide stay. */
static void drop_input_dims(model *m, compile_options *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->dims.n; i++)
        if (!input_dim(m, o->dims.p[i].name)) o->dims.p[n++] = o->dims.p[i];
    o->dims.n = n;
}

/* Tensors for the inputs that the set has none for. */
static bool invent_missing(command *c, model *m, const compile_options *o, uint64_t seed, tensor_set *set)
{
    const graph *g = model_main(m);
    if (g->inputs.n == 1 && set->list.n == 1) set->list.p[0]->name = value_at(m, g->inputs.p[0])->name;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        if (tensor_set_find(set, v->name)) continue;
        tensor *t = invent(c->mem, m, o, v, seed);
        if (!t) {
            diag_error(c->diag, EXIT_USAGE, at_value(m, g->inputs.p[i]), "missing-input", "give a tensor for this input");
            return diag_hint(c->diag, "--input FILE.npz");
        }
        VEC_PUSH(c->mem, set->list, t);
    }
    return true;
}

static void print_pinned(const value *v, const tensor *t)
{
    fprintf(stderr, "input '%s' is pinned to ", v->name);
    for (uint32_t k = 0; k < t->rank; k++) fprintf(stderr, k ? "x%lld" : "%lld", (long long)t->shape[k]);
    fputc('\n', stderr);
}

/* The compiler's options pin every input's shape to that of its tensor. */
static bool pin_inputs(command *c, model *m, compile_options *o, const tensor_set *set)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const tensor *t = tensor_set_find(set, v->name);
        shape_override s = {.input = v->name, .rank = t->rank};
        if (t->rank > sizeof s.dim / sizeof *s.dim) return diag_error(c->diag, EXIT_LIMIT, at_value(m, g->inputs.p[i]), "rank-limit", "too many dimensions");
        if (v->type.rank >= 0 && t->rank != (uint32_t)v->type.rank)
            return diag_error(c->diag, EXIT_USAGE, at_value(m, g->inputs.p[i]), "input-shape", "the tensor given has %u dimensions, the input %d", t->rank, v->type.rank);
        for (uint32_t k = 0; k < t->rank; k++) s.dim[k] = t->shape[k];
        VEC_PUSH(c->mem, o->shapes, s);
        if (!c->quiet && !shape_is_static(m, &v->type, NULL)) print_pinned(v, t);
    }
    drop_input_dims(m, o);
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

static bool read_sets(command *c, model *m, const compile_options *o, input_sets *sets)
{
    folder_list paths;
    if (c->o->n[OPT_INPUT]) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--input and --data both give inputs");
    if (!sample_sets_find(c, m, opt_text(c->o, OPT_DATA, NULL), &paths)) return false;
    for (uint32_t i = 0; i < paths.n && i < MOST_SETS; i++) {
        tensor_set set;
        if (!sample_set_read(c->diag, c->mem, paths.p[i], &set) || (!i && !inputs_named(c, m, &set)) || !invent_missing(c, m, o, 1, &set)) return false;
        if (i && !same_shapes(c, &sets->p[0], &set, paths.p[i])) return false;
        VEC_PUSH(c->mem, *sets, set);
    }
    return true;
}

/* What --input gives and, when that is nothing, as many sets as fit a cache. */
static bool make_sets(command *c, model *m, const compile_options *o, input_sets *sets)
{
    size_t bytes = 0;
    do {
        tensor_set set = {.mem = c->mem};
        if (!inputs_read(c, &set) || (!sets->n && !inputs_named(c, m, &set)) || !invent_missing(c, m, o, sets->n + 1, &set)) return false;
        bytes += bytes_of(&set);
        VEC_PUSH(c->mem, *sets, set);
    } while (!c->o->n[OPT_INPUT] && !c->o->n[OPT_STATE] && sets->n < MOST_SETS && bytes + bytes / sets->n <= MOST_INVENTED);
    return true;
}

bool bench_inputs(command *c, model *m, compile_options *o, input_sets *sets)
{
    const bool made = opt_text(c->o, OPT_DATA, NULL) ? read_sets(c, m, o, sets) : make_sets(c, m, o, sets);
    return made && pin_inputs(c, m, o, &sets->p[0]);
}
