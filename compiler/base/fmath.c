/* fmath.c - see fmath.h. Series and argument reductions are the textbook ones; speed does not matter much, the same bits everywhere do.
 * Must be compiled without contraction to fused multiply-add (-ffp-contract=off in CMakeLists.txt).
 *
 * A "pair" is an unevaluated sum hi + lo with |lo| <= ulp(hi) / 2: twice the precision (Dekker 1971). */
#include "base/fmath.h"

#include <math.h>
#include <stdbool.h>

typedef struct {
    double hi, lo;
} pair;

static const double INF = (double)INFINITY, NOT_A_NUMBER = (double)NAN;
static const double PI = 0x1.921fb54442d18p+1, PI_LO = 0x1.1a62633145c07p-53; /* pi = PI + PI_LO */
static const double LN2_HI = 0x1.62e42feep-1, LN2_LO = 0x1.a39ef35793c76p-33; /* HI has 32 bits: times a small integer it is exact */
static const double LN2_LO2 = 0x1.cc01f97b57a08p-87;                          /* ln 2 = HI + LO + LO2 */

/* ---- pairs ---- */

static pair two_sum(double a, double b)
{
    const double s = a + b, t = s - a;
    return (pair){s, (a - (s - t)) + (b - t)};
}

static pair fast_sum(double a, double b) /* |a| >= |b| */
{
    const double s = a + b;
    return (pair){s, b - (s - a)};
}

static pair two_product(double a, double b)
{
    const double p = a * b;
    const double ca = 134217729.0 * a, cb = 134217729.0 * b; /* 2^27 + 1 splits into halves of 26 bits */
    const double ah = ca - (ca - a), al = a - ah, bh = cb - (cb - b), bl = b - bh;
    return (pair){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static pair pair_add(pair a, pair b)
{
    const pair s = two_sum(a.hi, b.hi);
    return fast_sum(s.hi, s.lo + (a.lo + b.lo));
}

static pair pair_mul(pair a, pair b)
{
    const pair p = two_product(a.hi, b.hi);
    return fast_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static pair pair_div(pair a, pair b)
{
    const double q = a.hi / b.hi;
    const pair p = pair_mul((pair){q, 0}, b);
    const pair r = pair_add(a, (pair){-p.hi, -p.lo});
    return fast_sum(q, r.hi / b.hi);
}

/* ---- exp ---- */

static const double INV_FACTORIAL[] = {
    1.0,
    1.0,
    1.0 / 2,
    1.0 / 6,
    1.0 / 24,
    1.0 / 120,
    1.0 / 720,
    1.0 / 5040,
    1.0 / 40320,
    1.0 / 362880,
    1.0 / 3628800,
    1.0 / 39916800,
    1.0 / 479001600,
    1.0 / 6227020800.0,
    1.0 / 87178291200.0,
    1.0 / 1307674368000.0,
    1.0 / 20922789888000.0,
    1.0 / 355687428096000.0,
    1.0 / 6402373705728000.0,
    1.0 / 121645100408832000.0,
};

/* sum of r^k / k! for k = first .. last, divided by r^first */
static double exp_tail(double r, int first, int last)
{
    double p = INV_FACTORIAL[last];
    for (int k = last - 1; k >= first; k--) p = p * r + INV_FACTORIAL[k];
    return p;
}

/* e^(x + low), low tiny. */
static double exp_pair(double x, double low)
{
    if (x != x) return x;
    if (x > 710) return INF;
    if (x < -746) return 0;
    const double k = rint(x * 0x1.71547652b82fep+0); /* 1 / ln 2 */
    const double hi = x - k * LN2_HI, lo = k * LN2_LO - low, r = hi - lo;
    const double rest = ((hi - r) - lo) + r * r * exp_tail(r, 2, 14);
    return ldexp(1.0 + (r + rest), (int)k);
}

double fm_exp(double x)
{
    return exp_pair(x, 0);
}

double fm_expm1(double x)
{
    if (x != x || x == 0) return x;
    if (fabs(x) < 0.5) return x + x * x * exp_tail(x, 2, 17);
    if (x > 710) return INF;
    return fm_exp(x) - 1;
}

/* ---- log ---- */

/* x > 0, finite: x = m * 2^k with sqrt(1/2) <= m < sqrt(2). */
static double split(double x, int *k)
{
    double m = frexp(x, k);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        --*k;
    }
    return m;
}

static bool log_special(double x, double *r)
{
    if (x > 0 && x < INF) return false;
    *r = x != x ? x : x == 0 ? -INF : x < 0 ? NOT_A_NUMBER : INF;
    return true;
}

double fm_log(double x)
{
    double r;
    int k;
    if (log_special(x, &r)) return r;
    /* log(1 + f) = 2 artanh(s), s = f / (2 + f); written as f minus a small correction so that the rounding errors stay small. */
    const double f = split(x, &k) - 1, s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    double p = 0;
    for (int n = 25; n >= 3; n -= 2) p = p * z + 2.0 / n;
    return k * LN2_HI - ((half - (s * (half + z * p) + k * LN2_LO)) - f);
}

double fm_log1p(double x)
{
    if (x != x || x == 0 || x == INF) return x;
    if (x <= -1) return x == -1 ? -INF : NOT_A_NUMBER;
    const double u = 1 + x;
    if (u == 1) return x;
    return fm_log(u) + (x - (u - 1)) / u; /* the part of x that 1 + x lost */
}

/* log(x) as a pair, for pow. x > 0 and finite. */
static pair log_pair(double x)
{
    int k;
    const double f = split(x, &k) - 1;
    const pair s = pair_div((pair){f, 0}, two_sum(2, f));
    const pair z = pair_mul(s, s);
    pair p = {0, 0};
    for (int n = 29; n >= 1; n -= 2) p = pair_add(pair_mul(p, z), pair_div((pair){2, 0}, (pair){n, 0}));
    const pair ln2_part = pair_add((pair){k * LN2_HI, 0}, pair_add(two_product(k, LN2_LO), (pair){k * LN2_LO2, 0}));
    return pair_add(ln2_part, pair_mul(p, s));
}

/* ---- pow ---- */

static bool is_integer(double y)
{
    return floor(y) == y;
}

static bool is_odd(double y)
{
    return is_integer(y) && fabs(y) < 0x1p53 && fmod(y, 2) != 0;
}

/* a^n, a > 0 finite, 0 < n <= 512: by squaring in pairs, nearly always exactly rounded. */
static double pow_integer(double a, int n, bool inverse)
{
    int e;
    pair base = {frexp(a, &e), 0}, r = {1, 0};
    for (int m = n; m; m >>= 1) {
        if (m & 1) r = pair_mul(r, base);
        if (m > 1) base = pair_mul(base, base);
    }
    if (inverse) return ldexp(pair_div((pair){1, 0}, r).hi, -e * n);
    return ldexp(r.hi, e * n);
}

static double pow_positive(double a, double y)
{
    if (a == 1) return 1;
    if (is_integer(y) && fabs(y) <= 512) return pow_integer(a, (int)fabs(y), y < 0);
    const pair l = log_pair(a);
    if (fabs(y * l.hi) > 1000) return y * l.hi > 0 ? INF : 0;
    const pair p = pair_mul(l, (pair){y, 0});
    return exp_pair(p.hi, p.lo);
}

double fm_pow(double x, double y)
{
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return NOT_A_NUMBER;
    const double a = fabs(x);
    if (fabs(y) == INF) return a == 1 ? 1 : (a > 1) == (y > 0) ? INF : 0;
    const double sign = signbit(x) && is_odd(y) ? -1 : 1;
    if (a == 0 || a == INF) return sign * ((a == 0) == (y > 0) ? 0.0 : INF);
    if (x < 0 && !is_integer(y)) return NOT_A_NUMBER;
    if (fabs(y) > 0x1p70) return a == 1 ? 1 : (a > 1) == (y > 0) ? INF : 0;
    return sign * pow_positive(a, y);
}

/* ---- sin, cos, tan ---- */

/* x = n * pi/2 + r with |r| <= pi/4 (a little more at the edges); returns n mod 4. The first two parts of pi/2 have 24 bits, so that their
 * products with n < 2^29 are exact. */
static int reduce(double x, pair *r)
{
    static const double P1 = 0x1.921fb4p+0, P2 = 0x1.4442d0p-24, P3 = 0x1.846988p-48, P4 = 0x1.8cc51701b839ap-72;
    if (fabs(x) > 0x1p29) x = fmod(x, 2 * PI);
    const double n = rint(x * 0x1.45f306dc9c883p-1); /* 2 / pi */
    const double t = (x - n * P1) - n * P2, w = n * P3;
    const pair d = two_sum(t, -w);
    *r = fast_sum(d.hi, d.lo - n * P4);
    const double q = fmod(n, 4);
    return (int)(q < 0 ? q + 4 : q);
}

static double sin_kernel(pair r)
{
    const double x = r.hi, z = x * x;
    double p = 0;
    for (int k = 19; k >= 3; k -= 2) p = p * z + ((k / 2) % 2 ? -INV_FACTORIAL[k] : INV_FACTORIAL[k]);
    return x + (x * z * p + r.lo * (1 - 0.5 * z));
}

static double cos_kernel(pair r)
{
    const double x = r.hi, z = x * x, half = 0.5 * z, w = 1 - half;
    double p = 0;
    for (int k = 18; k >= 4; k -= 2) p = p * z + ((k / 2) % 2 ? -INV_FACTORIAL[k] : INV_FACTORIAL[k]);
    return w + (((1 - w) - half) + (z * z * p - x * r.lo));
}

double fm_sin(double x)
{
    pair r;
    if (!(fabs(x) < INF)) return NOT_A_NUMBER;
    if (x == 0) return x;
    const int n = reduce(x, &r);
    const double v = n & 1 ? cos_kernel(r) : sin_kernel(r);
    return n & 2 ? -v : v;
}

double fm_cos(double x)
{
    pair r;
    if (!(fabs(x) < INF)) return NOT_A_NUMBER;
    const int n = reduce(x, &r);
    const double v = n & 1 ? sin_kernel(r) : cos_kernel(r);
    return n == 1 || n == 2 ? -v : v;
}

double fm_tan(double x)
{
    pair r;
    if (!(fabs(x) < INF)) return NOT_A_NUMBER;
    if (x == 0) return x;
    return reduce(x, &r) & 1 ? -cos_kernel(r) / sin_kernel(r) : sin_kernel(r) / cos_kernel(r);
}

/* ---- inverse circular functions ---- */

/* a >= 0: atan(a) = atan(c) + atan((a - c) / (1 + a c)) for the nearest c of 0, 1/2, 1, 3/2, infinity. */
static double atan_positive(double a)
{
    double t = a, hi = 0, lo = 0;
    if (a >= 2.4375) t = -1 / a, hi = PI / 2, lo = PI_LO / 2;
    else if (a >= 1.1875) t = (a - 1.5) / (1 + 1.5 * a), hi = 0x1.f730bd281f69bp-1, lo = 0x1.007887af0cbbdp-56;
    else if (a >= 0.6875) t = (a - 1) / (1 + a), hi = PI / 4, lo = PI_LO / 4;
    else if (a >= 0.4375) t = (2 * a - 1) / (2 + a), hi = 0x1.dac670561bb4fp-2, lo = 0x1.a2b7f222f65e2p-56;
    const double z = t * t;
    double p = 0;
    for (int n = 47; n >= 3; n -= 2) p = p * z + ((n / 2) % 2 ? -1.0 : 1.0) / n;
    return hi + (t + (t * z * p + lo));
}

double fm_atan(double x)
{
    if (x != x || x == 0) return x;
    return copysign(atan_positive(fabs(x)), x);
}

double fm_atan2(double y, double x)
{
    if (x != x || y != y) return NOT_A_NUMBER;
    const double ay = fabs(y), ax = fabs(x);
    double v;
    if (ay == 0) v = 0;
    else if (ax == 0) v = PI / 2;
    else if (ay == INF) v = ax == INF ? PI / 4 : PI / 2;
    else if (ax == INF) v = 0;
    else v = atan_positive(ay / ax);
    if (signbit(x)) v = PI - (v - PI_LO);
    return copysign(v, y);
}

double fm_asin(double x)
{
    if (!(fabs(x) <= 1)) return NOT_A_NUMBER;
    return x == 0 ? x : fm_atan2(x, sqrt((1 - x) * (1 + x)));
}

double fm_acos(double x)
{
    if (!(fabs(x) <= 1)) return NOT_A_NUMBER;
    return 2 * fm_atan2(sqrt(1 - x), sqrt(1 + x));
}

/* ---- hyperbolic functions and their inverses ---- */

double fm_sinh(double x)
{
    const double a = fabs(x);
    if (x != x || x == 0) return x;
    if (a > 22) {
        const double h = fm_exp(0.5 * a);
        return copysign(0.5 * h * h, x);
    }
    const double t = fm_expm1(a);
    return copysign(0.5 * (t + t / (t + 1)), x);
}

double fm_cosh(double x)
{
    const double a = fabs(x);
    if (a > 22) {
        const double h = fm_exp(0.5 * a);
        return 0.5 * h * h;
    }
    const double e = fm_exp(a);
    return 0.5 * e + 0.5 / e;
}

double fm_tanh(double x)
{
    const double a = fabs(x);
    if (x != x || x == 0) return x;
    if (a > 22) return copysign(1.0, x);
    const double t = fm_expm1(2 * a);
    return copysign(t / (t + 2), x);
}

double fm_asinh(double x)
{
    const double a = fabs(x);
    if (x != x || x == 0 || a == INF) return x;
    const double v = a > 0x1p28 ? fm_log(a) + 0x1.62e42fefa39efp-1 : fm_log1p(a + a * a / (1 + sqrt(a * a + 1)));
    return copysign(v, x);
}

double fm_acosh(double x)
{
    if (!(x >= 1)) return NOT_A_NUMBER;
    if (x > 0x1p28) return fm_log(x) + 0x1.62e42fefa39efp-1;
    const double t = x - 1;
    return fm_log1p(t + sqrt(2 * t + t * t));
}

double fm_atanh(double x)
{
    const double a = fabs(x);
    if (x != x || x == 0) return x;
    if (a >= 1) return a == 1 ? copysign(INF, x) : NOT_A_NUMBER;
    return copysign(0.5 * fm_log1p(2 * a / (1 - a)), x);
}

/* ---- erf ---- */

/* erf(x) = 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)): all terms positive, so nothing cancels. */
static double erf_series(double a)
{
    const pair square = two_product(a, a);
    double term = a, sum = 0;
    for (int n = 1; term > sum * 0x1p-60; n++) {
        sum += term;
        term *= 2 * square.hi / (2 * n + 1);
    }
    return 0x1.20dd750429b6dp+0 * exp_pair(-square.hi, -square.lo) * sum;
}

/* erfc by its continued fraction, a >= 2.5; good to far more than erf = 1 - erfc needs. */
static double erfc_fraction(double a)
{
    double f = a;
    for (int n = 80; n >= 1; n--) f = a + 0.5 * n / f;
    return fm_exp(-a * a) / (f * 0x1.c5bf891b4ef6bp+0); /* sqrt(pi) */
}

double fm_erf(double x)
{
    const double a = fabs(x);
    if (x != x || x == 0) return x;
    if (a > 6) return copysign(1.0, x);
    return copysign(a < 2.5 ? erf_series(a) : 1 - erfc_fraction(a), x);
}
