/* vi_look: bytes of a table of 256, each index in each lane. */
#include "bytes.h"

int main(void)
{
#if VL > 1
    for (int round = 0; round < 50; round++) {
        uint8_t *t = check_bytes(256);
        for (int first = 0; first < 256; first++) {
            int32_t at[VL], u[VL], s[VL];
            for (int k = 0; k < VL; k++) at[k] = k == first % VL ? first : (int32_t)check_int(0, 255);
            vi_st(u, vi_look_u8(t, vi_ld(at)));
            vi_st(s, vi_look_s8((const int8_t *)t, vi_ld(at)));
            for (int k = 0; k < VL; k++) {
                check_near("unsigned byte", u[k], t[at[k]], 0);
                check_near("signed byte", s[k], check_signed(t[at[k]]), 0);
            }
        }
        free(t);
    }
#endif
    return 0;
}
