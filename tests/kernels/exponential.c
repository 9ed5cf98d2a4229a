/* vf_exp, vf_expn, vf_sigmoid: against libm's double, the same in a lane as alone, and what becomes of numbers that are too small, too large, or none. */
#include "check.h"

static const double ULP = 0x1p-23, LARGEST = 0x1.fffffep127;

static void check_same(const char *what, float got, float want)
{
    if (isnan(want) ? !isnan(got) : memcmp(&got, &want, sizeof got) != 0) check_fail(what, got, want);
}

static void check_exp(float x, float e, float n)
{
    const double want = exp((double)x);
    if (isnan(x)) check_same("exp of NaN", e, x);
    else if (want > 1.001 * LARGEST) check_same("exp, too large", e, INFINITY);
    else if (want < 0.999 * LARGEST) check_near("exp", e, want, 1.1 * ULP * want + 0x1p-149);
    if (want < 0x1p-126) check_same("expn, too small", n, 0.0f);
    else if (isnan(x) || want > 1.001 * LARGEST) check_same("expn", n, e);
    else if (want > 0x1p-124 && want < 0.999 * LARGEST) check_near("expn", n, want, (1.1 + fabs((double)x) / 25) * ULP * want);
}

static void check_lanes(const float *x)
{
    float e[VL], n[VL], s[VL];
    vf_st(e, vf_exp(vf_ld(x)));
    vf_st(n, vf_expn(vf_ld(x)));
    vf_st(s, vf_sigmoid(vf_ld(x)));
    for (int k = 0; k < VL; k++) {
        check_same("exp in a lane", e[k], sf_exp(x[k]));
        check_same("expn in a lane", n[k], sf_expn(x[k]));
        check_same("sigmoid in a lane", s[k], sf_sigmoid(x[k]));
        check_exp(x[k], e[k], n[k]);
        check_near("sigmoid", s[k], 1 / (1 + exp(-(double)x[k])), 3 * ULP);
    }
}

int main(void)
{
    static const float special[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,    88.0f,   88.72283f, 88.8f,    89.0f,   1000.0f,
                                    3e38f, -86.9f, -87.0f,   -87.3f,    -87.5f, -88.0f, -103.0f,  -104.0f, -1000.0f, -3e38f};
    enum { SPECIAL = sizeof special / sizeof *special };
    float x[VL];
    for (int i = 0; i < SPECIAL; i++) {
        for (int k = 0; k < VL; k++) x[k] = special[(i + k) % SPECIAL];
        check_lanes(x);
    }
    for (int round = 0; round < 20000 / VL; round++) {
        for (int k = 0; k < VL; k++) x[k] = (float)check_int(-110000, 90000) / 1000.0f + check_float() / 1000.0f;
        check_lanes(x);
    }
    return 0;
}
