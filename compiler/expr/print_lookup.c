/* print_lookup.c - a nest that looks bytes up in a table of 256, row by row: a function of simd.h does many at a time, where a vector of int32 lanes
 * would gather. */
#include "expr/print.h"

enum { TABLE = 256, LEAST = 64 };

typedef struct {
    dim axis;  /* along which bytes lie side by side at the load and the store */
    ex_node x; /* the byte that is looked up */
    slot table;
    int flip; /* what turns it into an index, by exclusive or */
} lookup;

static bool is_byte(elem e)
{
    return e == ELEM_UINT8 || e == ELEM_INT8;
}

/* Of 256 bytes, which the nest does not write. */
static bool is_table(printer *w, const ex_node *load, slot to)
{
    if (load->op != EX_LOAD || load->n != 1 || !is_byte((elem)load->elem) || same_memory(w, load->slot, to)) return false;
    const slot_info *s = slot_at(w->p, load->slot);
    return s->rank == 1 && dim_is(w->t, s->extent[0], TABLE);
}

/* The index of a table: a uint8, or an int8 and 128. */
static bool read_index(printer *w, ex index, lookup *l)
{
    double add = 0;
    ex_node n = *ex_at(w->x, index);
    if (n.op == EX_ADD && ex_is_num(w->x, n.a[1], &add)) n = *ex_at(w->x, n.a[0]);
    else if (n.op == EX_ADD && ex_is_num(w->x, n.a[0], &add)) n = *ex_at(w->x, n.a[1]);
    if (n.op != EX_CAST) return false;
    l->x = *ex_at(w->x, n.a[0]);
    l->flip = (int)add;
    return l->x.op == EX_LOAD && add == (l->x.elem == ELEM_INT8 ? 128 : 0) && is_byte((elem)l->x.elem);
}

static bool find_lookup(printer *w, const nest *n, lookup *l)
{
    const sink *k = &n->stage[0].sink[0];
    dim at, from, y, x, rest;
    int64_t extent;
    if (n->n_stages != 1 || n->stage[0].n_axes || n->stage[0].n_sinks != 1 || !k->to || k->guard || k->in_order) return false;
    const ex_node v = *ex_at(w->x, k->value);
    if (!is_byte(slot_at(w->p, k->to)->type) || !is_table(w, &v, k->to) || !read_index(w, v.idx[0], l)) return false;
    if (!ex_is_dim(w->x, k->at[0], &at) || !ex_is_dim(w->x, l->x.idx[0], &from)) return false;
    if (same_memory(w, k->to, l->x.slot) && at != from) return false;
    l->table = v.slot;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        const dim axis = n->axis[i];
        if (!dim_affine(w->t, at, axis, &y, &rest) || !dim_affine(w->t, from, axis, &x, &rest) || !dim_is(w->t, y, 1) || !dim_is(w->t, x, 1)) continue;
        if (dim_is_const(w->t, dim_extent(w->t, axis), &extent) && extent < LEAST) continue;
        l->axis = axis;
        return true;
    }
    return false;
}

/* A pointer to bytes from element `index` of a slot on. */
static const char *bytes_at(printer *w, slot s, const char *index, bool written)
{
    const char *name = param_of(w, s)->name;
    if (slot_at(w->p, s)->type == ELEM_INT8) name = arena_printf(w->mem, written ? "(uint8_t *)%s" : "(const uint8_t *)%s", name);
    return index ? arena_printf(w->mem, "%s + %s", name, index) : name;
}

bool print_looked_up(printer *w, const nest *n, dim ranged)
{
    lookup l;
    const char *begin, *end;
    if (w->o->vl < 4 || !find_lookup(w, n, &l)) return false;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        if (n->axis[i] == l.axis) continue;
        const char *name = loop_name(w), *word = w->wide ? "int64_t" : "int32_t";
        axis_bounds(w, n->axis[i], n->axis[i] == ranged, &begin, &end);
        axis_bind(w, n->axis[i], name);
        line(w, "for (%s %s = %s; %s < %s; ++%s) {", word, name, begin, name, end, name);
    }
    axis_bounds(w, l.axis, l.axis == ranged, &begin, &end);
    axis_bind(w, l.axis, begin);
    const sink *k = &n->stage[0].sink[0];
    const char *y = bytes_at(w, k->to, value_text(w, k->at[0]), true), *x = bytes_at(w, l.x.slot, value_text(w, l.x.idx[0]), false);
    const char *count = l.axis == ranged ? "hi - lo" : end;
    line(w, "vb_lookup(%s, %s, %s, %s, %d);", y, x, count, bytes_at(w, l.table, NULL, false), l.flip);
    for (uint32_t i = 0; i < n->n_axes; i++) {
        axis_bind(w, n->axis[i], NULL);
        if (n->axis[i] == l.axis) continue;
        line(w, "}");
        w->loops--;
    }
    return true;
}
