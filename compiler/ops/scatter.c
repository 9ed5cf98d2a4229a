/* scatter.c - operators whose tensor says where to write: ScatterElements, ScatterND, TensorScatter. Source: ONNX Operators.md, versions 18, 18, 24.
 *
 * The data are copied, then the updates are stored in their order, so that the last of two equal indexes wins, as in onnxruntime. Reductions that a store can't
 * do (of strings; of complex numbers, but for the sum, which is one of each part) are a kernel, to which a nest says the place of each update. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/index.h"
#include "ops/strings.h"

/* The fold of attribute `reduction`; FOLD_NONE for "none" and for an unknown word. */
static fold reduction_of(lower_ctx *c, bool is_bool)
{
    static const struct {
        const char *name;
        fold fold, of_bool;
    } ROWS[] = {{"add", FOLD_SUM, FOLD_OR}, {"mul", FOLD_PROD, FOLD_AND}, {"max", FOLD_MAX, FOLD_OR}, {"min", FOLD_MIN, FOLD_AND}};
    const char *name = node_string(c->n, "reduction", "none");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (!strcmp(name, ROWS[i].name)) return is_bool ? ROWS[i].of_bool : ROWS[i].fold;
    return FOLD_NONE;
}

static bool check_reduction(infer_ctx *c)
{
    static const char *const KNOWN[] = {"none", "add", "mul", "max", "min"};
    const char *name = node_string(c->n, "reduction", "none");
    if (in_elem(c, 0) == ELEM_STRING && !strcmp(name, "mul")) {
        (void)infer_unsupported(c, "type-unsupported", "reduction 'mul' of strings has no meaning");
        return diag_hint(c->m->diag, "'add' puts strings one behind the other, 'min' and 'max' compare them byte by byte");
    }
    if (in_elem(c, 0) == ELEM_STRING && !strcmp(name, "add")) (void)decided_symbol(c->m, c->id, "bytes", INT64_MAX);
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strcmp(name, KNOWN[i])) return true;
    return infer_error(c, "attribute-value", "attribute 'reduction' is '%s'", name);
}

/* A store of v to y at places that the data say. The axis of complex numbers' parts is one of the nest. */
static sink *scattered(lower_ctx *c, nest_builder *b, slot y, const ex *at, ex v)
{
    const uint32_t rank = slot_rank(c, y);
    ex all[MAX_RANK];
    memcpy(all, at, rank * sizeof *at);
    if (slot_at(c->p, y)->pairs) all[rank] = ex_dim(c->x, c->part);
    return stage_store(b, y, rank + slot_at(c->p, y)->pairs, all, v);
}

/* All axes of the stage run in order: equal indexes are legal. */
static void scatter_store(lower_ctx *c, nest_builder *b, slot y, const ex *at, ex v)
{
    sink *s = scattered(c, b, y, at, v);
    s->in_order = true;
    s->fold = reduction_of(c, ex_type(c->x, v) == CT_BOOL);
}

/* Where update idx goes. */
typedef void (*place_of)(lower_ctx *c, const dim *idx, ex *at);

/* places[update]: the element of y, counted row by row. */
static slot update_places(lower_ctx *c, slot updates, place_of place)
{
    const slot y = out_slot(c, 0), to = temp_slot(c, "places", ELEM_INT64, slot_rank(c, updates), slot_at(c->p, updates)->extent);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    ex at[MAX_RANK], flat = ex_i(c->x, CT_I64, 0);
    axes_for(&b, slot_rank(c, to), slot_at(c->p, to)->extent, idx);
    nest_stage(&b);
    place(c, idx, at);
    for (uint32_t k = 0; k < slot_rank(c, y); k++) flat = add(c, mul(c, flat, ex_dim(c->x, slot_dim(c, y, k))), at[k]);
    store_axes(c, &b, to, slot_rank(c, to), idx, flat);
    low_end(c, &b);
    return to;
}

static dim count_of(lower_ctx *c, slot s)
{
    return dim_product(c->d, slot_at(c->p, s)->extent, slot_rank(c, s));
}

/* Room for the bytes of data and updates together. */
static string_room room_for_sums(lower_ctx *c, slot x, slot u)
{
    slot count[2];
    for (uint32_t i = 0; i < 2; i++) {
        const slot of = i ? u : x;
        const kernel_arg args[3] = {{count[i] = temp_slot(c, "bytes", ELEM_INT64, 0, NULL), ARG_OUT}, {of, ARG_IN}, {0, ARG_IN}};
        const binding bind[1] = {{.name = "N", .kind = BIND_DIM, .d = count_of(c, of)}};
        lower_template(c, "string_bytes", 1, bind, 3, args, 0);
    }
    const slot all = temp_slot(c, "bytes", ELEM_INT64, 0, NULL);
    nest_builder b = low_begin(c);
    nest_stage(&b);
    store_axes(c, &b, all, 0, NULL, add(c, load_scalar(c, count[0]), load_scalar(c, count[1])));
    low_end(c, &b);
    return string_room_of(c, all, 0);
}

static bool scatter_kernel(lower_ctx *c, slot updates, place_of place, fold f)
{
    const slot x = in_slot(c, 0), u = in_slot(c, 2), y = out_slot(c, 0), places = update_places(c, updates, place);
    const dim n = count_of(c, y), kind = dim_const(c->d, f == FOLD_MIN ? 1 : f == FOLD_MAX ? 2 : 0);
    const binding bind[4] = {{.name = "KIND", .kind = BIND_DIM, .d = kind}, {.name = "N", .kind = BIND_DIM, .d = n}, {.name = "M", .kind = BIND_DIM, .d = count_of(c, u)},
                             {.name = "T", .kind = BIND_TYPE, .type = slot_elem(c, y)}};
    if (slot_at(c->p, y)->pairs) {
        const kernel_arg args[4] = {{y, ARG_OUT}, {x, ARG_IN}, {u, ARG_IN}, {places, ARG_IN}};
        lower_template(c, "scatter_complex", 4, bind, 4, args, 0);
        return true;
    }
    const bool sum = f == FOLD_SUM;
    const string_room room = sum ? room_for_sums(c, x, u) : (string_room){0};
    const kernel_arg args[7] = {{y, ARG_OUT}, {room.pool, ARG_OUT}, {x, ARG_IN}, {u, ARG_IN}, {places, ARG_IN}, {room.at, ARG_IN},
                                {sum ? temp_slot(c, "grown", ELEM_INT64, 1, &n) : 0, ARG_SCRATCH}};
    lower_template(c, "scatter_string", 3, bind, 7, args, 0);
    return true;
}

/* updates: the input with the shape that is walked. */
static bool lower_scatter(lower_ctx *c, slot updates, place_of place)
{
    const slot u = in_slot(c, 2), y = out_slot(c, 0);
    const fold f = reduction_of(c, false);
    if (f != FOLD_NONE && (slot_elem(c, y) == ELEM_STRING || (slot_at(c->p, y)->pairs && f != FOLD_SUM))) return scatter_kernel(c, updates, place, f);
    lower_copy(c, y, in_slot(c, 0));
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    ex at[MAX_RANK];
    part_axis(c, &b, y);
    nest_stage(&b);
    stage_axes_for(&b, slot_rank(c, updates), slot_at(c->p, updates)->extent, idx);
    place(c, idx, at);
    scatter_store(c, &b, y, at, load_axes(c, u, slot_rank(c, u), idx));
    low_end(c, &b);
    return true;
}

bool infer_ScatterElements(infer_ctx *c)
{
    uint32_t axis;
    if (!need_ranks(c, 3) || !fix_axis(c, node_int(c->n, "axis", 0), in_rank(c, 0), &axis) || !check_reduction(c)) return false;
    if (in_rank(c, 0) != in_rank(c, 1) || in_rank(c, 0) != in_rank(c, 2))
        return infer_error(c, "shape-rank", "data, indices and updates have %d, %d and %d dimensions", in_rank(c, 0), in_rank(c, 1), in_rank(c, 2));
    inside_data(c, axis);
    return shape_fits(c, 2, in_rank(c, 1), in_type(c, 1)->shape) && out_like(c, 0, 0);
}

static void elements_place(lower_ctx *c, const dim *idx, ex *at)
{
    const slot y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, y), axis = axis_of(node_int(c->n, "axis", 0), rank);
    as_ex(c, rank, idx, at);
    at[axis] = index_from(c, in_slot(c, 1), idx, slot_dim(c, y, axis));
}

bool lower_ScatterElements(lower_ctx *c)
{
    return lower_scatter(c, in_slot(c, 1), elements_place);
}

bool infer_ScatterND(infer_ctx *c)
{
    if (!need_ranks(c, 3) || !check_reduction(c)) return false;
    const type *x = in_type(c, 0), *i = in_type(c, 1);
    int64_t n;
    if (!tuple_length(c->d, i, &n)) return infer_unsupported(c, "shape-unknown", "the last dimension of indices is not known");
    if (n > x->rank) return infer_error(c, "shape-rank", "tuples of %lld indexes don't fit data of %d dimensions", (long long)n, x->rank);
    const int64_t want = i->rank - 1 + x->rank - n;
    if (in_rank(c, 2) != want) return infer_error(c, "shape-rank", "updates have %d dimensions instead of %lld", in_rank(c, 2), (long long)want);
    for (int32_t k = 0; k < want; k++)
        if (!dim_fits(c, 2, k, k < i->rank - 1 ? i->shape[k] : x->shape[k - (i->rank - 1) + n])) return false;
    return out_like(c, 0, 0);
}

static void tuple_place(lower_ctx *c, const dim *idx, ex *at)
{
    const slot i = in_slot(c, 1), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, y), ri = slot_rank(c, i);
    int64_t n = 0;
    (void)dim_is_const(c->d, slot_dim(c, i, ri - 1), &n);
    tuple_indexes(c, i, idx, y, 0, n, at);
    as_ex(c, rank - (uint32_t)n, idx + ri - 1, at + n);
}

bool lower_ScatterND(lower_ctx *c)
{
    return lower_scatter(c, in_slot(c, 2), tuple_place);
}

/* ---- TensorScatter: a key-value cache gets rows at a position of each batch ---- */

bool infer_TensorScatter(infer_ctx *c)
{
    uint32_t axis;
    if (!need_ranks(c, 2) || !fix_axis(c, node_int(c->n, "axis", -2), in_rank(c, 0), &axis)) return false;
    if (axis == 0) return infer_error(c, "axis-range", "axis 0 is the batch dimension");
    for (int32_t k = 0; k < in_rank(c, 0); k++)
        if ((uint32_t)k != axis && !dim_fits(c, 1, k, in_dim(c, 0, k))) return false;
    assume_at_least(c, dim_sub(c->d, in_dim(c, 0, (int32_t)axis), in_dim(c, 1, (int32_t)axis)), 0);
    return dim_fits(c, 2, 0, in_dim(c, 0, 0)) && out_like(c, 0, 0);
}

bool lower_TensorScatter(lower_ctx *c)
{
    const slot u = in_slot(c, 1), w = in_slot(c, 2), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, y), axis = axis_of(node_int(c->n, "axis", -2), rank);
    const bool circular = !strcmp(node_string(c->n, "mode", "linear"), "circular");
    lower_copy(c, y, in_slot(c, 0));
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    ex at[MAX_RANK];
    part_axis(c, &b, y);
    nest_stage(&b);
    stage_axes_for(&b, rank, slot_at(c->p, u)->extent, idx);
    as_ex(c, rank, idx, at);
    const ex size = ex_dim(c->x, slot_dim(c, y, axis));
    if (w) at[axis] = add(c, at[axis], load_axes(c, w, 1, idx));
    at[axis] = circular ? ex_bin(c->x, EX_FMOD, at[axis], size) : w ? ex_index(c->x, at[axis], size) : at[axis];
    scattered(c, &b, y, at, load_axes(c, u, rank, idx))->in_order = true;
    low_end(c, &b);
    return true;
}

