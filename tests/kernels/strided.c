/* Bytes stored a stride apart: each lane's low 8 bits, and nothing between them. */
#include <string.h>

#include "check.h"
#include "simd/simd.h"

int main(void)
{
#if VL > 1
    for (int64_t stride = -3; stride <= 5; stride++) {
        uint8_t u[8 * VL + 1], s[8 * VL + 1];
        int32_t v[VL];
        const int64_t first = stride < 0 ? 8 * VL : 0;
        if (!stride) continue;
        memset(u, 77, sizeof u);
        memset(s, 77, sizeof s);
        for (int k = 0; k < VL; k++) v[k] = (int32_t)check_int(-1000, 1000);
        vi_sts_u8(u + first, stride, vi_ld(v));
        vi_sts_s8((int8_t *)s + first, stride, vi_ld(v));
        for (int64_t i = 0; i <= 8 * VL; i++) {
            const int64_t k = (i - first) / stride;
            const int stored = (i - first) % stride == 0 && k >= 0 && k < VL;
            const int want = stored ? (uint8_t)v[k] : 77;
            check_near("unsigned byte", u[i], want, 0);
            check_near("signed byte", s[i], want, 0);
        }
    }
#endif
    return 0;
}
