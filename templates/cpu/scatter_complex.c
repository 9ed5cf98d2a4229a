/* scatter_complex.c - ScatterElements-18 and ScatterND-18 of complex numbers with a reduction that needs both parts of a number at once.
 *
 * arguments  y, x [N][2]      u [M][2] updates      at [M] the element that each is for; the first of equal ones comes first
 * fixed      T     type of the parts, float or double
 *            KIND  0 product, 1 minimum, 2 maximum; the latter by real part, then imaginary part, as numpy has it, and NaN wins
 * free       N M */
#include "kernel.h"

INLINE int scatter_complex_less(const T *a, const T *b)
{
    return a[0] < b[0] || (a[0] == b[0] && a[1] < b[1]);
}

INLINE int scatter_complex_nan(const T *a)
{
    return a[0] != a[0] || a[1] != a[1];
}

KERNEL void scatter_complex(T *restrict y, const T *restrict x, const T *restrict u, const int64_t *restrict at HOOK_PARAMS)
{
    for (int64_t i = 0; i < 2 * (int64_t)(N); i++) y[i] = x[i];
    for (int64_t i = 0; i < (M); i++) {
        T *const to = y + 2 * at[i];
        const T *const v = u + 2 * i;
        const T a = to[0], b = to[1];
        if (KIND == 0) {
            to[0] = a * v[0] - b * v[1];
            to[1] = a * v[1] + b * v[0];
        } else if (!scatter_complex_nan(to) && (scatter_complex_nan(v) || (KIND == 1 ? scatter_complex_less(v, to) : scatter_complex_less(to, v)))) {
            to[0] = v[0];
            to[1] = v[1];
        }
    }
}
