/* print_tile.c - a copy that turns two axes (a transpose of any rank) by square tiles in registers.
 *
 * One axis is contiguous where the copy stores, another where it loads: no vector fits both. VL x VL tiles are loaded as rows and stored as
 * columns (vf_transpose, of bytes vb_transpose); single elements finish the edges. */
#include "expr/print.h"

typedef struct {
    dim store, load;   /* the axis with stride 1 at the store, at the load */
    dim y_row, x_row;  /* stride of `load` at the store, of `store` at the load */
} turn;

static bool find_turn(printer *w, const nest *n, turn *t)
{
    const sink *k = &n->stage[0].sink[0];
    dim at, from, rest;
    if (n->n_stages != 1 || n->stage[0].n_axes || n->stage[0].n_sinks != 1 || !k->to || k->guard || k->in_order) return false;
    const ex_node v = *ex_at(w->x, k->value);
    if (v.op != EX_LOAD || (v.elem != ELEM_FLOAT && v.elem != ELEM_UINT8 && v.elem != ELEM_INT8)) return false;
    if (slot_at(w->p, k->to)->type != (elem)v.elem || same_memory(w, v.slot, k->to)) return false;
    if (!ex_is_dim(w->x, k->at[0], &at) || !ex_is_dim(w->x, v.idx[0], &from)) return false;
    *t = (turn){0};
    for (uint32_t i = 0; i < n->n_axes; i++) {
        dim y, x;
        int64_t extent;
        if (!dim_affine(w->t, at, n->axis[i], &y, &rest) || !dim_affine(w->t, from, n->axis[i], &x, &rest)) return false;
        if (dim_has_axis(w->t, y) || dim_has_axis(w->t, x)) return false;
        const bool wide = !dim_is_const(w->t, dim_extent(w->t, n->axis[i]), &extent) || extent >= w->o->vl;
        if (wide && dim_is(w->t, y, 1) && !dim_is(w->t, x, 1)) {
            t->store = n->axis[i];
            t->x_row = x;
        } else if (wide && dim_is(w->t, x, 1)) {
            t->load = n->axis[i];
            t->y_row = y;
        }
    }
    return t->store && t->load;
}

bool turned_axes(printer *w, const nest *n, dim *store, dim *load)
{
    turn t;
    if (w->o->vl < 4 || !find_turn(w, n, &t)) return false;
    *store = t.store;
    *load = t.load;
    return true;
}

static void print_copy(printer *w, const sink *k)
{
    print_store(w, k);
}

/* for (NAME = FROM; NAME < TO; ++NAME), binding the axis. */
static void edge_open(printer *w, dim axis, const char *name, const char *from, const char *to)
{
    axis_bind(w, axis, name);
    line(w, "for (%s %s = %s; %s < %s; ++%s) {", w->wide ? "int64_t" : "int32_t", name, from, name, to, name);
}

/* Do tiles leave nothing of it over? */
static bool is_whole(printer *w, dim axis, dim ranged)
{
    int64_t n;
    return axis != ranged && dim_is_const(w->t, dim_extent(w->t, axis), &n) && n % w->o->vl == 0;
}

static void print_tiles(printer *w, const sink *k, const turn *t, dim ranged)
{
    const char *i = loop_name(w), *j = loop_name(w), *r = loop_name(w), *word = w->wide ? "int64_t" : "int32_t";
    const char *i_begin, *i_end, *j_begin, *j_end;
    const ex_node v = *ex_at(w->x, k->value);
    const int vl = w->o->vl;
    const bool is_signed = v.elem == ELEM_INT8;
    axis_bounds(w, t->load, t->load == ranged, &i_begin, &i_end);
    axis_bounds(w, t->store, t->store == ranged, &j_begin, &j_end);
    line(w, "{");
    line(w, "%s %s = %s;", word, i, i_begin);
    line(w, "for (; %s + %d <= %s; %s += %d) {", i, vl, i_end, i, vl);
    axis_bind(w, t->load, i);
    axis_bind(w, t->store, j);
    line(w, "%s %s = %s;", word, j, j_begin);
    const char *y = value_text(w, k->at[0]), *x = value_text(w, v.idx[0]);
    const char *to = arena_printf(w->mem, is_signed ? "(uint8_t *)%s" : "%s", param_of(w, k->to)->name);
    const char *from = arena_printf(w->mem, is_signed ? "(const uint8_t *)%s" : "%s", param_of(w, v.slot)->name);
    line(w, "for (; %s + %d <= %s; %s += %d) v%c_transpose(%s + %s, %s, %s + %s, %s);", j, vl, j_end, j, vl, v.elem == ELEM_FLOAT ? 'f' : 'b', to, y,
         dim_str(w, t->y_row), from, x, dim_str(w, t->x_row));
    if (!is_whole(w, t->store, ranged)) {
        line(w, "for (; %s < %s; ++%s) {", j, j_end, j);
        edge_open(w, t->load, r, i, arena_printf(w->mem, "%s + %d", i, vl));
        print_copy(w, k);
        line(w, "}");
        line(w, "}");
    }
    line(w, "}");
    if (!is_whole(w, t->load, ranged)) {
        axis_bind(w, t->load, i);
        line(w, "for (; %s < %s; ++%s) {", i, i_end, i);
        edge_open(w, t->store, j, j_begin, j_end);
        print_copy(w, k);
        line(w, "}");
        line(w, "}");
    }
    line(w, "}");
    axis_bind(w, t->load, NULL);
    axis_bind(w, t->store, NULL);
    w->loops -= 3;
}

bool print_turned(printer *w, const nest *n, dim ranged)
{
    turn t;
    if (w->o->vl < 4 || !find_turn(w, n, &t)) return false;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        const char *begin, *end;
        if (n->axis[i] == t.store || n->axis[i] == t.load) continue;
        axis_bounds(w, n->axis[i], n->axis[i] == ranged, &begin, &end);
        edge_open(w, n->axis[i], loop_name(w), begin, end);
    }
    print_tiles(w, &n->stage[0].sink[0], &t, ranged);
    for (uint32_t i = 0; i < n->n_axes; i++) {
        if (n->axis[i] == t.store || n->axis[i] == t.load) continue;
        line(w, "}");
        axis_bind(w, n->axis[i], NULL);
        w->loops--;
    }
    return true;
}
