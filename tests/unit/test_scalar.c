/* Scalar functions that stand in for libm's in generated code. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rounding_half_to_even_gives_the_bits_of_rintf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
