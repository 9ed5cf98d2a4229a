#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plan/plan.h"

static arena *mem;
static program *p;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    p = program_new(mem, model_new(mem, diag_new(mem, "test")));
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static slot vector(slot_kind kind, int64_t n)
{
    const dim extent = dim_const(p->dims, n);
    return slot_new(p, "v", ELEM_FLOAT, kind, 1, &extent);
}

static slot named_vector(slot_kind kind, dim extent)
{
    return slot_new(p, "v", ELEM_FLOAT, kind, 1, &extent);
}

/* to[i] = from[i % size of from] + add[0]: an element of each is read, so both are alive. */
static void step_from(slot to, slot from, slot add, bool same_place)
{
    nest_builder b = nest_begin(p);
    const dim i = nest_axis(&b, slot_at(p, to)->extent[0]);
    const ex at = ex_dim(p->ex, i), zero = ex_i(p->ex, CT_I64, 0);
    nest_stage(&b);
    ex v = ex_load(p->ex, from, ELEM_FLOAT, 1, same_place ? &at : &zero);
    if (add) v = ex_bin(p->ex, EX_ADD, v, ex_load(p->ex, add, ELEM_FLOAT, 1, &zero));
    stage_store(&b, to, 1, &at, v);
    nest_end(&b, &p->main, "step");
}

static memory_plan plan(void)
{
    memory_plan m;
    plan_layout(p);
    plan_flatten(p);
    plan_memory(p, &m);
    return m;
}

static const buf_info *buf_of(slot s)
{
    return &p->buf.p[slot_at(p, s)->view.buf];
}

/* No two buffers that are alive at the same time share a byte, and none goes beyond the arena. */
static void check_apart(const memory_plan *m)
{
    for (uint32_t i = 1; i < p->buf.n; i++) {
        const buf_info *a = &p->buf.p[i];
        if (a->kind != SLOT_TEMP || !a->first) continue;
        assert_true(a->offset >= 0 && a->offset % 64 == 0 && a->offset + a->bytes_max <= m->arena.bytes);
        for (uint32_t k = i + 1; k < p->buf.n && k < i + 200; k++) {
            const buf_info *b = &p->buf.p[k];
            if (b->kind != SLOT_TEMP || !b->first || a->last < b->first || b->last < a->first) continue;
            assert_true(a->offset + a->bytes_max <= b->offset || b->offset + b->bytes_max <= a->offset);
        }
    }
}

static void a_chain_alternates_between_two_places(void **state)
{
    (void)state;
    slot from = vector(SLOT_INPUT, 64);
    for (int i = 0; i < 10; i++) {
        const slot to = vector(SLOT_TEMP, 64);
        step_from(to, from, 0, false);
        from = to;
    }
    const memory_plan m = plan();
    assert_int_equal(m.arena.bytes, 2 * 256);
    assert_int_equal(m.arena.lower_bound, 2 * 256);
    check_apart(&m);
}

static void an_elementwise_step_writes_over_its_input(void **state)
{
    (void)state;
    const slot x = vector(SLOT_INPUT, 64), a = vector(SLOT_TEMP, 64), b = vector(SLOT_TEMP, 64), c = vector(SLOT_TEMP, 64), y = vector(SLOT_OUTPUT, 64);
    step_from(a, x, 0, true);
    step_from(b, a, 0, true);
    step_from(c, b, 0, true);
    step_from(y, c, 0, true);
    const memory_plan m = plan();
    assert_int_equal(m.arena.bytes, 256);
    assert_int_equal(slot_at(p, a)->view.buf, slot_at(p, c)->view.buf);
}

static void what_is_read_again_later_is_not_written_over(void **state)
{
    (void)state;
    const slot x = vector(SLOT_INPUT, 64), a = vector(SLOT_TEMP, 64), b = vector(SLOT_TEMP, 64), y = vector(SLOT_OUTPUT, 64);
    step_from(a, x, 0, true);
    step_from(b, a, 0, true);
    step_from(y, b, a, true);
    const memory_plan m = plan();
    assert_int_not_equal(slot_at(p, a)->view.buf, slot_at(p, b)->view.buf);
    assert_int_equal(m.arena.bytes, 512);
}

static void another_element_read_forbids_writing_over(void **state)
{
    (void)state;
    const slot x = vector(SLOT_INPUT, 64), a = vector(SLOT_TEMP, 64), b = vector(SLOT_TEMP, 64), y = vector(SLOT_OUTPUT, 64);
    step_from(a, x, 0, true);
    step_from(b, a, a, true); /* reads a[i] and a[0] */
    step_from(y, b, 0, true);
    const memory_plan m = plan();
    assert_int_equal(m.arena.bytes, 512);
}

static void a_bounded_dim_is_planned_at_its_bound(void **state)
{
    (void)state;
    const dim n = dim_symbol(p->dims, "n", 1, 100);
    VEC_PUSH(mem, p->symbols, n);
    const slot x = named_vector(SLOT_INPUT, n), a = named_vector(SLOT_TEMP, n), y = named_vector(SLOT_OUTPUT, n);
    step_from(a, x, 0, false);
    step_from(y, a, 0, false);
    const memory_plan m = plan();
    assert_false(m.arena.dynamic);
    assert_int_equal(m.arena.bytes, 448); /* 400, in steps of 64 */
    assert_int_equal(buf_of(a)->bytes_max, 400);
}

static void an_unbounded_dim_makes_the_plan_dynamic(void **state)
{
    (void)state;
    const dim n = dim_symbol(p->dims, "n", 1, INT64_MAX);
    VEC_PUSH(mem, p->symbols, n);
    slot from = named_vector(SLOT_INPUT, n);
    for (int i = 0; i < 6; i++) {
        const slot to = named_vector(SLOT_TEMP, n);
        step_from(to, from, 0, false);
        from = to;
    }
    const memory_plan m = plan();
    assert_true(m.arena.dynamic);
    assert_int_equal(m.arena.bytes, -1);
    assert_int_equal(m.arena.n_regions, 2); /* a chain needs two places, whatever n is */
}

static void ten_thousand_buffers_are_planned(void **state)
{
    (void)state;
    uint32_t seed = 7;
    slot recent[8] = {0};
    recent[0] = vector(SLOT_INPUT, 64);
    for (int i = 0; i < 10000; i++) {
        seed = seed * 1664525u + 1013904223u;
        const slot to = vector(SLOT_TEMP, 16 + (seed >> 8) % 5000);
        const slot from = recent[(seed >> 20) % 8] ? recent[(seed >> 20) % 8] : recent[0];
        step_from(to, from, recent[(seed >> 24) % 8], false);
        recent[(seed >> 16) % 8] = to;
    }
    const memory_plan m = plan();
    assert_true(m.arena.bytes >= m.arena.lower_bound);
    assert_true(m.arena.bytes <= m.arena.lower_bound + m.arena.lower_bound / 4);
    check_apart(&m);
}

/* ---- bands ---- */

static slot image(slot_kind kind, int64_t height)
{
    const dim extent[] = {dim_const(p->dims, 2), dim_const(p->dims, 8), dim_const(p->dims, height), dim_const(p->dims, 64)};
    return slot_new(p, "image", ELEM_FLOAT, kind, 4, extent);
}

/* to[n, c, h, w] = from[n, c, h, w] + from[n, c, h + below, w] */
static void rows_from(slot to, slot from, int64_t below)
{
    nest_builder b = nest_begin(p);
    ex at[4], other[4];
    for (uint32_t i = 0; i < 4; i++) {
        const dim axis = nest_axis(&b, slot_at(p, to)->extent[i]);
        at[i] = ex_dim(p->ex, axis);
        other[i] = ex_dim(p->ex, i == 2 ? dim_addc(p->dims, axis, below) : axis);
    }
    nest_stage(&b);
    stage_store(&b, to, 4, at, ex_bin(p->ex, EX_ADD, ex_load(p->ex, from, ELEM_FLOAT, 4, at), ex_load(p->ex, from, ELEM_FLOAT, 4, other)));
    nest_end(&b, &p->main, "step");
}

static void plan_two(bool read_again)
{
    const plan_options o = {.target = target_find("generic-c99"), .threads = 1, .optimize = OPTIMIZE_SIZE};
    const slot x = image(SLOT_INPUT, 256), t = image(SLOT_TEMP, 256), y = image(SLOT_OUTPUT, 254);
    rows_from(t, x, 0);
    rows_from(y, t, 2);
    if (read_again) rows_from(image(SLOT_OUTPUT, 256), t, 0);
    plan_layout(p);
    plan_bands(p, &o);
}

static void rows_between_two_steps_have_memory_for_a_few(void **state)
{
    (void)state;
    memory_plan m;
    plan_two(false);
    assert_int_equal(p->main.steps.n, 1);
    const step *s = p->main.steps.p[0];
    assert_int_equal(s->kind, STEP_BAND);
    const band *b = s->control->band;
    assert_int_equal(b->n, 2);
    assert_int_equal(b->part[1].reach, 3);
    assert_int_equal(b->part[0].room, b->rows + 2);
    plan_flatten(p);
    plan_memory(p, &m);
    assert_int_equal(m.arena.bytes, b->part[0].room * 8 * 64 * 4);
}

static void what_something_else_reads_is_in_no_band(void **state)
{
    (void)state;
    plan_two(true);
    for (uint32_t i = 0; i < p->main.steps.n; i++) assert_int_equal(p->main.steps.p[i]->kind, STEP_NEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chain_alternates_between_two_places, setup, teardown),
        cmocka_unit_test_setup_teardown(an_elementwise_step_writes_over_its_input, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read_again_later_is_not_written_over, setup, teardown),
        cmocka_unit_test_setup_teardown(another_element_read_forbids_writing_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bounded_dim_is_planned_at_its_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unbounded_dim_makes_the_plan_dynamic, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_buffers_are_planned, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_between_two_steps_have_memory_for_a_few, setup, teardown),
        cmocka_unit_test_setup_teardown(what_something_else_reads_is_in_no_band, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
