/* Aliases: copies that keep the row-major order become views, and programs compute the same. Programs here are not fused before. */
#include "fuse_world.h"

static world alias(builder build, uint32_t steps)
{
    with_aliases = true;
    return check_with(build, NULL, steps, 0, 3);
}

static slot input(world *w)
{
    return make(w, "x", SLOT_INPUT, SHAPE(4, 6));
}

static void build_reshape_of_input(world *w)
{
    const slot t = make(w, "t", SLOT_TEMP, SHAPE(2, 12));
    reshape(w, input(w), t, "reshape");
    unary(w, EX_TANH, t, "y", SLOT_OUTPUT);
}

static void reshape_of_an_input_is_a_view_of_it(void **state)
{
    (void)state;
    arena_free(alias(build_reshape_of_input, 1).mem);
}

static void build_input_to_output(world *w)
{
    const slot y = make(w, "y", SLOT_OUTPUT, SHAPE(24));
    reshape(w, input(w), y, "reshape");
}

static void copy_of_an_input_to_an_output_stays(void **state)
{
    (void)state;
    arena_free(alias(build_input_to_output, 1).mem);
}

static void build_reshape_to_output(world *w)
{
    const slot t = unary(w, EX_TANH, input(w), "t", SLOT_TEMP), y = make(w, "y", SLOT_OUTPUT, SHAPE(2, 2, 6));
    reshape(w, t, y, "reshape");
}

static void step_before_a_reshape_writes_the_output(void **state)
{
    (void)state;
    arena_free(alias(build_reshape_to_output, 1).mem);
}

static void build_concat_outermost(world *w)
{
    const slot x = input(w), y = make(w, "y", SLOT_OUTPUT, SHAPE(12, 6));
    const slot a = unary(w, EX_TANH, x, "a", SLOT_TEMP), b = unary(w, EX_ERF, x, "b", SLOT_TEMP);
    copy_into(w, a, y, 0, 0, "concat");
    copy_into(w, b, y, 0, 4, "concat");
    copy_into(w, x, y, 0, 8, "concat");
    binary(w, EX_ADD, a, b, "z", SLOT_OUTPUT);
}

static void parts_of_a_concat_along_the_outermost_dimension_are_views(void **state)
{
    (void)state;
    world w = alias(build_concat_outermost, 4); /* the input is still copied */
    uint32_t views = 0;
    for (slot s = 1; s < w.p->slot.n; s++) views += slot_at(w.p, s)->alias_of != 0;
    assert_int_equal(views, 2);
    plan_layout(w.p);
    for (slot s = 1; s < w.p->slot.n; s++) {
        const slot_info *i = slot_at(w.p, s);
        if (!strcmp(i->name, "b")) assert_true(i->view.buf == slot_at(w.p, i->alias_of)->view.buf && dim_is(w.t, i->view.offset, 24));
    }
    arena_free(w.mem);
}

static void build_concat_inner(world *w)
{
    const slot x = input(w), y = make(w, "y", SLOT_OUTPUT, SHAPE(4, 12)), a = unary(w, EX_TANH, x, "a", SLOT_TEMP);
    copy_into(w, a, y, 1, 0, "concat");
    copy_into(w, x, y, 1, 6, "concat");
}

static void parts_of_a_concat_along_an_inner_dimension_are_copied(void **state)
{
    (void)state;
    arena_free(alias(build_concat_inner, 3).mem);
}

static void build_twice(world *w)
{
    const slot x = input(w), y = make(w, "y", SLOT_OUTPUT, SHAPE(8, 6)), a = unary(w, EX_TANH, x, "a", SLOT_TEMP);
    copy_into(w, a, y, 0, 0, "concat");
    copy_into(w, a, y, 0, 4, "concat");
}

static void slot_in_two_places_of_a_concat_is_a_view_of_one(void **state)
{
    (void)state;
    arena_free(alias(build_twice, 2).mem);
}

static void build_changed_later(world *w)
{
    const slot x = input(w), s = unary(w, EX_TANH, x, "s", SLOT_TEMP), t = like(w, "t", SLOT_TEMP, x);
    copy_into(w, s, t, 0, 0, "keep");
    pen q = map_to(w, s); /* s changes while t is still to be read */
    store(&q, ex_un(w->x, EX_NEG, of(&q, s)), "change");
    binary(w, EX_ADD, s, t, "y", SLOT_OUTPUT);
}

static void copy_of_a_slot_that_changes_later_stays(void **state)
{
    (void)state;
    arena_free(alias(build_changed_later, 4).mem);
}

static void build_split(world *w)
{
    const slot x = input(w), s = unary(w, EX_TANH, x, "s", SLOT_TEMP), lo = make(w, "lo", SLOT_TEMP, SHAPE(2, 6)), hi = make(w, "hi", SLOT_TEMP, SHAPE(2, 6));
    pen q = map_to(w, lo);
    store(&q, of(&q, s), "split");
    q = map_to(w, hi);
    const dim at[2] = {dim_addc(w->t, q.i[0], 2), q.i[1]};
    store(&q, at_dims(w, s, at), "split");
    binary(w, EX_SUB, lo, hi, "y", SLOT_OUTPUT);
}

static void parts_of_a_split_are_views(void **state)
{
    (void)state;
    arena_free(alias(build_split, 2).mem);
}

static void build_symbolic(world *w)
{
    const dim n = dim_symbol(w->t, "n", 1, INT64_MAX), shape[2] = {n, num(w, 6)}, flat = dim_mulc(w->t, n, 6);
    VEC_PUSH(w->mem, w->p->symbols, n);
    const slot x = tensor_of(w, "x", SLOT_INPUT, ELEM_FLOAT, 2, shape), a = unary(w, EX_TANH, x, "a", SLOT_TEMP), b = unary(w, EX_ERF, x, "b", SLOT_TEMP);
    const slot y = tensor_of(w, "y", SLOT_OUTPUT, ELEM_FLOAT, 1, (dim[]){dim_mulc(w->t, flat, 2)});
    const slot part[2] = {a, b};
    for (int k = 0; k < 2; k++) { /* concat and flatten in one */
        nest_builder nb = nest_begin(w->p);
        const dim i[2] = {nest_axis(&nb, n), nest_axis(&nb, num(w, 6))};
        dim at = dim_add(w->t, dim_mulc(w->t, i[0], 6), i[1]);
        if (k) at = dim_add(w->t, at, flat);
        stage_store(&nb, y, 1, (ex[]){ex_dim(w->x, at)}, at_dims(w, part[k], i));
        nest_end(&nb, block_of(w), "concat");
    }
}

static void symbolic_offsets_are_views_too(void **state)
{
    (void)state;
    arena_free(alias(build_symbolic, 2).mem);
}

static void build_loop(world *w)
{
    const slot x = input(w), trip = tensor_of(w, "trip", SLOT_INPUT, ELEM_INT64, 0, NULL);
    const slot s = like(w, "s", SLOT_TEMP, x), kept = like(w, "kept", SLOT_TEMP, x);
    copy_into(w, x, s, 0, 0, "start");
    step *loop = control_step(w, STEP_LOOP, trip);
    w->to = loop->control->then;
    copy_into(w, s, kept, 0, 0, "keep");
    const slot next = binary(w, EX_ADD, kept, x, "next", SLOT_TEMP);
    loop->control->n_carried = 1;
    loop->control->state = arena_copy(w->mem, &s, sizeof s);
    loop->control->next = arena_copy(w->mem, &next, sizeof next);
    w->to = NULL;
    binary(w, EX_SUB, s, kept, "y", SLOT_OUTPUT);
}

static void slots_that_a_loop_carries_stay_alone(void **state)
{
    (void)state;
    arena_free(alias(build_loop, 3).mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshape_of_an_input_is_a_view_of_it),
        cmocka_unit_test(copy_of_an_input_to_an_output_stays),
        cmocka_unit_test(step_before_a_reshape_writes_the_output),
        cmocka_unit_test(parts_of_a_concat_along_the_outermost_dimension_are_views),
        cmocka_unit_test(parts_of_a_concat_along_an_inner_dimension_are_copied),
        cmocka_unit_test(slot_in_two_places_of_a_concat_is_a_view_of_one),
        cmocka_unit_test(copy_of_a_slot_that_changes_later_stays),
        cmocka_unit_test(parts_of_a_split_are_views),
        cmocka_unit_test(symbolic_offsets_are_views_too),
        cmocka_unit_test(slots_that_a_loop_carries_stay_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
