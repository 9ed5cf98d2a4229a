/* Scalar functions that stand in for libm's in generated code. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/elem.h"

#undef __SSE4_1__ /* the form for processors without an instruction for it */
#include "../../templates/simd/scalar.h"

static void rounding_half_to_even_gives_the_bits_of_rintf(void **state)
{
    (void)state;
    for (uint32_t top = 0; top < 1u << 16; top++) { /* every sign, exponent and 7 bits of the mantissa */
        static const uint32_t LOW[] = {0, 1, 0x1234, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff};
        for (size_t i = 0; i < sizeof LOW / sizeof *LOW; i++) {
            const float a = su_float(top << 16 | LOW[i]), got = sf_rint(a), want = rintf(a);
            if (a != a) assert_true(got != got);
            else assert_int_equal(sf_bits_u(got), sf_bits_u(want));
        }
    }
}

static void six_bit_floats_are_what_the_compiler_has(void **state)
{
    (void)state;
    for (int type = ELEM_FLOAT6E2M3; type <= ELEM_FLOAT6E3M2; type++) {
        const bool wide = type == ELEM_FLOAT6E3M2;
        uint8_t mine[6] = {0}, theirs[6] = {0};
        for (int k = 0; k < 4096; k++) {
            const float v = (float)(k - 2048) / 64.0f;
            six_put(mine, k % 7, wide ? e3m2_of_f(v) : e2m3_of_f(v));
            elem_set_double((elem)type, theirs, (size_t)(k % 7), (double)v);
            assert_memory_equal(mine, theirs, sizeof mine);
            const uint8_t code = six_get(mine, k % 7);
            const float back = wide ? e3m2_to_f(code) : e2m3_to_f(code);
            assert_true((double)back == elem_get_double((elem)type, theirs, (size_t)(k % 7)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rounding_half_to_even_gives_the_bits_of_rintf), cmocka_unit_test(six_bit_floats_are_what_the_compiler_has)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
