/* vf_dot2: products of pairs of bfloat16, the second numbers' first, each rounded once; at any address. */
#include "check.h"

static uint16_t random_bf16(void)
{
    static const float ends[] = {0.0f, -0.0f, 1.0f, 0x1.fep127f, -0x1p-126f, INFINITY, NAN};
    return bf16_of_f(check_int(0, 20) ? check_float() : ends[check_int(0, 6)]);
}

int main(void)
{
    for (int round = 0; round < 20000; round++) {
        uint16_t a[3], b[2 * VL + 1];
        float start[VL], sum[VL];
        const int off = round & 1;
        for (int i = 0; i < 2; i++) a[off + i] = random_bf16();
        for (int i = 0; i < 2 * VL; i++) b[off + i] = random_bf16();
        for (int k = 0; k < VL; k++) start[k] = check_float();
        vf_st(sum, vf_dot2(vf_ld(start), vh_set(a + off), vh_ld(b + off)));
        for (int k = 0; k < VL; k++) {
            const float second = sf_fma(bf16_to_f(a[off + 1]), bf16_to_f(b[off + 2 * k + 1]), start[k]);
            const float want = sf_fma(bf16_to_f(a[off]), bf16_to_f(b[off + 2 * k]), second);
            if (sum[k] != want) check_near("sum of two products", (double)sum[k], (double)want, 0);
        }
    }
    return 0;
}
