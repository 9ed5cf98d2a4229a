/* float16 by vectors: every pattern widened, and floats around every boundary rounded, to the bits of the scalar functions. */
#include "check.h"

#if VL == 1
int main(void) { return 0; } /* the scalar functions themselves */
#else
static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static void check_bits(const char *what, float got, float want)
{
    if (bits(got) != bits(want)) check_fail(what, (double)got, (double)want);
}

static void check_widening(void)
{
    uint16_t b[VL];
    float a[VL], c[VL];
    int32_t wide[VL];
    for (int32_t first = 0; first < 65536; first += VL) {
        for (int i = 0; i < VL; i++) b[i] = (uint16_t)(wide[i] = first + i);
        vf_st(a, vf_ld_f16(b));
        vf_st(c, vf_of_f16(vi_ld(wide)));
        for (int i = 0; i < VL; i++) {
            check_bits("a load of float16", a[i], f16_to_f(b[i]));
            check_bits("float16 as float", c[i], f16_to_f(b[i]));
        }
    }
}

static void check_rounding(const float *x)
{
    float r[VL];
    uint16_t b[VL];
    vf_st(r, vf_round_f16(vf_ld(x)));
    vf_st_f16(b, vf_ld(x));
    for (int i = 0; i < VL; i++) {
        check_bits("rounding to float16", r[i], f16_to_f(f16_of_f(x[i])));
        if (b[i] != f16_of_f(x[i])) check_fail("a store of float16", b[i], f16_of_f(x[i]));
    }
}

int main(void)
{
    float x[VL];
    check_widening();
    for (uint32_t half = 0; half < 65536; half += VL) /* each number, and a little to both sides of it and of the middle to the next */
        for (int k = 0; k < 6; k++) {
            for (int i = 0; i < VL; i++) {
                const float near = f16_to_f((uint16_t)(half + (uint32_t)i));
                uint32_t u = bits(near) + (k >= 3 ? 0x1000u : 0u) + (uint32_t)(k % 3) - 1;
                memcpy(&x[i], &u, sizeof u);
            }
            check_rounding(x);
        }
    for (int round = 0; round < 200000; round++) {
        for (int i = 0; i < VL; i++) {
            const uint32_t u = (uint32_t)check_random();
            memcpy(&x[i], &u, sizeof u);
        }
        check_rounding(x);
    }
    return 0;
}
#endif
