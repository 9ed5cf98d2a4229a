/* vf_transpose and vb_transpose: a tile turned between memories with any stride, nothing beside it touched. */
#include "bytes.h"

int main(void)
{
#if VL > 1
    for (int round = 0; round < 200; round++) {
        const int64_t xs = VL + check_int(0, 5), ys = VL + check_int(0, 5), nx = (VL - 1) * xs + VL, ny = (VL - 1) * ys + VL;
        float *x = check_floats(nx), *y = check_floats(ny);
        uint8_t *u = check_bytes(nx), *v = check_bytes(ny);
        float was[40 * VL];
        uint8_t old[40 * VL];
        memcpy(was, y, (size_t)ny * sizeof *y);
        memcpy(old, v, (size_t)ny);
        vf_transpose(y, ys, x, xs);
        vb_transpose(v, ys, u, xs);
        for (int64_t i = 0; i < ny; i++) {
            const int64_t c = i / ys, r = i % ys;
            check_near("float", (double)y[i], (double)(r < VL ? x[r * xs + c] : was[i]), 0);
            check_near("byte", v[i], r < VL ? u[r * xs + c] : old[i], 0);
        }
        free(x);
        free(y);
        free(u);
        free(v);
    }
#endif
    return 0;
}
