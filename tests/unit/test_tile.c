/* The tiles that the model of a core chooses for shapes where measurement says which is best. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "plan/tile.h"

static const vector_unit units[] = {{16, 32, 1 << 20, false, 40}, {8, 16, 1 << 18, false, 40}, {4, 16, 1 << 18, false, 40}, {4, 32, 1 << 18, false, 40}, {1, 16, 1 << 15, false, 40}};
static const vector_unit by_halves[] = {{16, 32, 1 << 20, true, 40}, {8, 16, 1 << 18, true, 40}, {4, 16, 1 << 18, true, 40}};

static void a_tile_fits_the_registers_and_keeps_the_units_busy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const gemm_tile t = gemm_tile_choose(&units[i], 128, 768, 768, true, true);
        assert_true(t.mr * t.nv < units[i].registers);
        assert_true(t.mr * t.nv >= 8);
        assert_int_equal(t.mc % t.mr, 0);
    }
}

static void weights_from_afar_are_read_for_all_tiles_at_once(void **state)
{
    (void)state;
    const vector_unit slow = {16, 32, 2 << 20, false, 10};
    for (int threads = 1; threads <= 4; threads *= 2) {
        const wino_tile far = wino_tile_choose(&slow, 4, 49, 512, 512, threads), near = wino_tile_choose(&slow, 4, 784, 64, 64, threads);
        assert_int_equal(far.tb, 49);
        assert_int_equal(far.parts, threads);
        assert_true(near.tb < 784 / threads);
        assert_true(36 * 4 * near.tb * (64 + near.gb * near.nv * 16) < 2 << 20);
    }
}

static void blocks_of_tiles_leave_no_thread_idle_and_are_there_for_any_number_of_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        for (int64_t tiles = -1; tiles < 300; tiles += 5) {
            const wino_tile t = wino_tile_choose(&units[i], 2, tiles, 48, 80, 3), one = wino_tile_choose(&units[i], 2, tiles, 48, 80, 1);
            assert_int_equal(t.tb > 0, one.tb > 0);
            if (!t.tb) continue;
            assert_true(t.mr <= t.tb && t.nvt <= t.nv && t.gb >= 1 && (t.ahead < 8 || t.ahead % 8 == 0));
            if (tiles >= 12) assert_true(t.parts == 3 || (tiles + t.tb - 1) / t.tb % 3 == 0);
        }
}

static void rows_of_a_convolution_are_divided_without_a_rest_where_possible(void **state)
{
    (void)state;
    const int64_t widths[] = {56, 28, 14, 7};
    for (int i = 0; i < 4; i++) {
        const conv_tile t = conv_tile_choose(&units[0], 512, widths[i], widths[i], 65536);
        assert_int_equal(widths[i] % t.rx, 0);
        assert_true(t.ry * t.rx * t.nv >= 21);
    }
}

static void weights_of_a_step_of_channels_stay_in_the_first_cache(void **state)
{
    (void)state;
    const vector_unit u = {.vl = 8, .registers = 16, .l2_bytes = 512 * 1024};
    const int64_t row = 7 * 2048 * 4, terms = 8, all = 2048 / 8;
    const conv_tile before = conv_tile_choose(&u, 512, 7, 7, row);
    conv_tile t = before;
    conv_steps(&u, &t, all, terms, 7, 7, row);
    assert_true(before.rows < 7 && t.rows >= 7 && t.step > 0);
    assert_true(t.step * terms * t.nv * u.vl * 4 <= 16384);
    conv_tile small = conv_tile_choose(&u, 512, 7, 7, row / 32), large = conv_tile_choose(&u, 512, 14, 14, row);
    conv_steps(&u, &small, all / 32, terms, 7, 7, row / 32); /* weights are in the first cache */
    conv_steps(&u, &large, all, terms, 14, 14, row);         /* the image is in no cache */
    assert_true(!small.step && large.step > 0 && large.rows < 14);
    const vector_unit wide = {.vl = 16, .registers = 32, .l2_bytes = 512 * 1024};
    conv_tile few = conv_tile_choose(&wide, 512, 14, 14, row);
    conv_steps(&wide, &few, all / 2, 2 * terms, 14, 14, row);
    assert_int_equal(few.step, 0);
    const vector_unit none = {.vl = 1, .registers = 8, .l2_bytes = 512 * 1024};
    conv_tile plain = conv_tile_choose(&none, 512, 7, 7, row);
    conv_steps(&none, &plain, 2048, 1, 7, 7, row);
    assert_int_equal(plain.step, 0);
    conv_tile unknown = conv_tile_choose(&u, 512, -1, -1, 65536);
    conv_steps(&u, &unknown, all, terms, -1, -1, 65536);
    assert_int_equal(unknown.step, 0);
}

static void products_by_halves_leave_two_registers_for_each_vector(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof by_halves / sizeof *by_halves; i++) {
        const gemm_tile t = gemm_tile_choose(&by_halves[i], 128, 768, 192, true, true);
        assert_true(t.mr * t.nv + 2 * t.nv + 3 <= by_halves[i].registers);
        assert_true(t.mr * t.nv >= 6);
    }
}

static void a_single_row_is_computed_in_many_columns(void **state)
{
    (void)state;
    const gemm_tile t = gemm_tile_choose(&units[0], 1, 1000, 2048, true, true);
    assert_int_equal(t.mr, 1);
    assert_true(t.nv >= 2);
}

/* Eight chains keep two multiply-adds a cycle of a latency of four cycles busy, and their vectors need no registers. */
static void a_single_row_has_as_many_sums_as_the_latency_wants(void **state)
{
    (void)state;
    const int64_t columns[] = {64, 128, 640, 1024};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const gemm_tile t = gemm_tile_choose(&units[1], 1, columns[i], 64, true, false);
        assert_int_equal(t.mr, 1);
        assert_int_equal(t.nv, 8);
    }
    const gemm_tile bytes = gemm_tile_choose(&by_halves[1], 1, 64, 64, false, false);
    assert_true(bytes.nv <= 4); /* products by halves take two registers for each vector */
}

static void a_long_sum_goes_in_blocks_where_its_rows_would_fill_the_cache(void **state)
{
    (void)state;
    const gemm_tile t = gemm_tile_choose(&units[0], 128, 768, 3072, true, true), few = gemm_tile_choose(&units[0], 16, 768, 3072, true, true);
    assert_int_equal(t.kc, 768);
    assert_int_equal(t.mc, 128);
    assert_int_equal(few.kc, 0);
    assert_int_equal(gemm_tile_choose(&units[0], 128, 768, 768, true, true).kc, 0);
    assert_int_equal(gemm_tile_choose(&units[0], 128, 768, 3072, false, true).kc, 0);
    assert_true(gemm_tile_choose(&units[0], -1, 768, 3072, true, true).kc > 0);
}

static void attention_has_whole_tiles_in_a_block_and_equal_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        for (int64_t m = -1; m < 200; m += 67)
            for (int64_t n = -1; n < 3000; n += 717) {
                const attention_tile t = attention_tile_choose(&units[i], m, n, 64, 80);
                assert_true(t.mr * (t.kv > t.pv ? t.kv : t.pv) < units[i].registers);
                assert_int_equal(t.rb % t.mr, 0);
                assert_int_equal(t.kb % (t.kv * units[i].vl), 0);
                assert_true(t.rb > 0 && t.kb > 0 && t.kb <= 1024);
            }
    assert_int_equal(attention_tile_choose(&units[0], 128, 128, 64, 64).pv, 2);
}

static void few_rows_prefetch_whole_lines(void **state)
{
    (void)state;
    assert_int_equal(gemm_tile_choose(&units[0], 8, 768, 768, true, true).ahead % 8, 0);
    assert_true(gemm_tile_choose(&units[0], 8, 768, 768, true, true).ahead >= 8);
    assert_int_equal(gemm_tile_choose(&units[0], 1, 768, 768, true, true).ahead, 0);
    assert_int_equal(gemm_tile_choose(&units[0], 8, 768, 768, true, false).ahead, 0);
    assert_true(gemm_tile_choose(&units[0], 128, 768, 768, true, false).ahead > 0);
}

static void channels_that_fill_no_block_choose_a_block_that_they_fill(void **state)
{
    (void)state;
    const conv_tile t = conv_tile_choose(&units[0], 24, 56, 56, 65536);
    assert_int_equal(t.nv, 2);
    assert_int_equal(t.nvt, 2);
    assert_int_equal(conv_tile_choose(&units[0], 16, 112, 112, 65536).nv, 1);
}

static void unknown_extents_leave_a_second_tile_for_the_rest(void **state)
{
    (void)state;
    const gemm_tile t = gemm_tile_choose(&units[1], -1, -1, -1, true, true);
    assert_true(t.mt > 1 && t.mt < t.mr);
}

#define T(f) cmocka_unit_test(f)
int main(void)
{
    const struct CMUnitTest tests[] = {T(a_tile_fits_the_registers_and_keeps_the_units_busy), T(weights_from_afar_are_read_for_all_tiles_at_once),
                                       T(blocks_of_tiles_leave_no_thread_idle_and_are_there_for_any_number_of_them), T(rows_of_a_convolution_are_divided_without_a_rest_where_possible),
                                       T(weights_of_a_step_of_channels_stay_in_the_first_cache),
                                       T(products_by_halves_leave_two_registers_for_each_vector), T(a_single_row_is_computed_in_many_columns),
                                       T(a_single_row_has_as_many_sums_as_the_latency_wants), T(channels_that_fill_no_block_choose_a_block_that_they_fill),
                                       T(unknown_extents_leave_a_second_tile_for_the_rest),
                                       T(a_long_sum_goes_in_blocks_where_its_rows_would_fill_the_cache), T(few_rows_prefetch_whole_lines),
                                       T(attention_has_whole_tiles_in_a_block_and_equal_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
