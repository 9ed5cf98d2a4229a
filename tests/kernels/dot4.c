/* vi_dot4: products of bytes, exact where the instruction of AVX2 saturates, in lanes of bytes at any address. */
#include "check.h"

int main(void)
{
    static const uint8_t u8_ends[] = {0, 1, 127, 128, 254, 255};
    static const int8_t s8_ends[] = {-128, -127, -1, 0, 1, 126, 127};
    for (int round = 0; round < 20000; round++) {
        uint8_t a[5];
        int8_t b[4 * VL + 1];
        int32_t start[VL], sum[VL];
        const int off = round & 1, ends = round % 3;
        for (int i = 0; i < 4; i++) a[off + i] = ends ? u8_ends[check_int(0, 5)] : (uint8_t)check_int(0, 255);
        for (int i = 0; i < 4 * VL; i++) b[off + i] = ends ? s8_ends[check_int(0, 6)] : (int8_t)check_int(-128, 127);
        for (int k = 0; k < VL; k++) start[k] = ends ? (int32_t)check_int(-1000000, 1000000) : (int32_t)check_int(INT32_MIN, INT32_MAX);
        vi_st(sum, vi_dot4(vi_ld(start), vb_set_u8(a + off), vb_ld_s8(b + off)));
        for (int k = 0; k < VL; k++) {
            int32_t products = 0;
            for (int i = 0; i < 4; i++) products += a[off + i] * b[off + 4 * k + i];
            check_near("sum of four products", sum[k], si_add(start[k], products), 0);
        }
    }
    return 0;
}
