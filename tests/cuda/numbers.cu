/* numbers.cu - float16, bfloat16 and tf32 against their definitions: all 65536 values, and floats around every rounding; vector accesses. */
#include "check.h"

OCC_KERNEL(widen, 256)(float *f16, float *bf16)
{
    const unsigned i = blockIdx.x * 256 + threadIdx.x;
    f16[i] = occ_f16_to_float(static_cast<uint16_t>(i));
    bf16[i] = occ_bf16_to_float(static_cast<uint16_t>(i));
}

/* Packed results too: the element above the diagonal is the next number. */
OCC_KERNEL(narrow, 256)(uint16_t *f16, uint16_t *bf16, uint32_t *pairs, const float *x, int n)
{
    const int i = static_cast<int>(blockIdx.x * 256 + threadIdx.x);
    if (i >= n) return;
    f16[i] = occ_float_to_f16(x[i]);
    bf16[i] = occ_float_to_bf16(x[i]);
    pairs[2 * i] = occ_pack_f16(x[i], x[(i + 1) % n]);
    pairs[2 * i + 1] = occ_pack_bf16(x[i], x[(i + 1) % n]);
}

/* The value of `bits` with that many bits of exponent and fraction, by the definition of IEEE 754. */
static double value_of(unsigned bits, int exponent_bits, int fraction_bits)
{
    const int bias = (1 << (exponent_bits - 1)) - 1, e = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    const double fraction = ldexp(bits & ((1u << fraction_bits) - 1), -fraction_bits);
    const double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1.0 : 1.0;
    if (e == (1 << exponent_bits) - 1) return fraction > 0 ? NAN : sign * INFINITY;
    return sign * (e ? ldexp(1.0 + fraction, e - bias) : ldexp(fraction, 1 - bias));
}

/* The nearest of those values, the even one of two, among the three around `near`; overflow is from half a step above the largest on. */
static bool is_nearest(unsigned bits, float x, int exponent_bits, int fraction_bits)
{
    const unsigned sign = 1u << (exponent_bits + fraction_bits), magnitude = bits & (sign - 1);
    const unsigned infinity = ((1u << exponent_bits) - 1u) << fraction_bits;
    if (x != x) return magnitude > infinity;
    if (((bits & sign) != 0) != (signbit(x) != 0)) return false;
    const double a = fabs(static_cast<double>(x)), largest = value_of(infinity - 1, exponent_bits, fraction_bits);
    const double step = largest - value_of(infinity - 2, exponent_bits, fraction_bits);
    if (magnitude > infinity) return false;
    if (magnitude == infinity) return a >= largest + step / 2;
    const double v = value_of(magnitude, exponent_bits, fraction_bits);
    const double above = magnitude == infinity - 1 ? largest + step : value_of(magnitude + 1, exponent_bits, fraction_bits);
    const double below = magnitude ? value_of(magnitude - 1, exponent_bits, fraction_bits) : -1.0;
    const double up = (v + above) / 2, down = (v + below) / 2;
    return magnitude & 1 ? a > down && a < up : a >= down && a <= up;
}

static void test_widen(void)
{
    static float f16[65536], bf16[65536];
    float *df16 = to_device<float>(NULL, 65536), *dbf16 = to_device<float>(NULL, 65536);
    OCC_LAUNCH(widen, dim3(256), dim3(256), 0, 0, df16, dbf16);
    to_host(f16, df16, 65536);
    to_host(bf16, dbf16, 65536);
    for (unsigned i = 0; i < 65536; i++) {
        const double a = value_of(i, 5, 10), b = value_of(i, 8, 7);
        CHECK(isnan(a) ? isnan(f16[i]) : static_cast<double>(f16[i]) == a && (signbit(f16[i]) != 0) == (i >= 32768));
        CHECK(isnan(b) ? isnan(bf16[i]) : static_cast<double>(bf16[i]) == b && (signbit(bf16[i]) != 0) == (i >= 32768));
    }
}

/* Every float16 and bfloat16, the middles between neighbours, and the floats beside the middles. */
static int edges(float *x)
{
    int n = 0;
    for (int kind = 0; kind < 2; kind++)
        for (unsigned i = 0; i < 65536; i += kind ? 7 : 3) {
            const int exponent = kind ? 8 : 5, fraction = kind ? 7 : 10;
            const double a = value_of(i, exponent, fraction), b = value_of((i + 1) & 65535, exponent, fraction);
            const float middle = static_cast<float>((a + b) / 2);
            x[n++] = static_cast<float>(a);
            x[n++] = middle;
            x[n++] = nextafterf(middle, INFINITY);
            x[n++] = nextafterf(middle, -INFINITY);
        }
    const float more[] = {65519.996f, 65520.0f, -65520.0f, 1e30f, 3.4028235e38f, -3.4028235e38f, 1e-45f, -1e-45f, 2.9802322e-8f, 2.9802326e-8f, 0.0f, -0.0f};
    for (const float f : more) x[n++] = f;
    return n;
}

static void test_narrow(void)
{
    static float x[2 * 65536 * 4];
    static uint16_t f16[2 * 65536 * 4], bf16[2 * 65536 * 4];
    static uint32_t pairs[2 * 65536 * 8];
    const int n = edges(x);
    const size_t size = static_cast<size_t>(n);
    float *dx = to_device(x, size);
    uint16_t *df16 = to_device<uint16_t>(NULL, size), *dbf16 = to_device<uint16_t>(NULL, size);
    uint32_t *dpairs = to_device<uint32_t>(NULL, 2 * size);
    OCC_LAUNCH(narrow, dim3((static_cast<unsigned>(n) + 255) / 256), dim3(256), 0, 0, df16, dbf16, dpairs, dx, n);
    to_host(f16, df16, size);
    to_host(bf16, dbf16, size);
    to_host(pairs, dpairs, 2 * size);
    for (int i = 0; i < n; i++) {
        const int next = (i + 1) % n;
        CHECK(is_nearest(f16[i], x[i], 5, 10));
        CHECK(is_nearest(bf16[i], x[i], 8, 7));
        CHECK_INT(pairs[2 * i], static_cast<uint32_t>(f16[i]) | static_cast<uint32_t>(f16[next]) << 16);
        CHECK_INT(pairs[2 * i + 1], static_cast<uint32_t>(bf16[i]) | static_cast<uint32_t>(bf16[next]) << 16);
    }
}

OCC_KERNEL(round_tf32, 256)(float *y, const float *x, int n)
{
    const int i = static_cast<int>(blockIdx.x * 256 + threadIdx.x);
    if (i < n) y[i] = __uint_as_float(occ_float_to_tf32(x[i]));
}

/* To 10 bits of fraction, ties away from zero. */
static void test_tf32(void)
{
    static float x[4096], y[4096];
    for (int i = 0; i < 4096; i++) x[i] = i % 2 ? random_float() * 1e3f : ldexpf(1.0f + static_cast<float>(i) / 4096.0f, i % 60 - 30);
    x[0] = INFINITY;
    x[1] = NAN;
    x[2] = 1.0f + 0x1p-11f;
    x[3] = -1.0f - 0x1p-11f;
    float *dx = to_device(x, 4096), *dy = to_device<float>(NULL, 4096);
    OCC_LAUNCH(round_tf32, dim3(16), dim3(256), 0, 0, dy, dx, 4096);
    to_host(y, dy, 4096);
    CHECK(isinf(y[0]) && isnan(y[1]));
    for (int i = 2; i < 4096; i++) {
        int e;
        const double fraction = frexp(static_cast<double>(x[i]), &e);
        CHECK_NEAR(y[i], ldexp(round(ldexp(fraction, 11)), e - 11), 0);
    }
}

OCC_KERNEL(vectors, 64)(float *y, const float *x)
{
    const int t = static_cast<int>(threadIdx.x);
    const float4 a = occ_load_f4(x + 8 * t);
    occ_store_f4(y + 8 * t, make_float4(a.w, a.z, a.y, a.x));
    const uint2 b = occ_load8(x + 8 * t + 4);
    occ_store8(y + 8 * t + 4, make_uint2(b.y, b.x));
    OCC_SHARED(float, row, [64][4]);
    occ_store16(row[t], occ_load16(x + 8 * t));
    __syncthreads();
    const uint4 c = occ_load16(row[63 - t]);
    y[8 * t + 6] = __uint_as_float(c.x);
    y[8 * t + 7] = __uint_as_float(c.w);
}

static void test_vectors(void)
{
    float x[512], y[512];
    for (int i = 0; i < 512; i++) x[i] = static_cast<float>(i);
    float *dx = to_device(x, 512), *dy = to_device<float>(NULL, 512);
    OCC_LAUNCH(vectors, dim3(1), dim3(64), 0, 0, dy, dx);
    to_host(y, dy, 512);
    for (int t = 0; t < 64; t++) {
        const int order[8] = {8 * t + 3, 8 * t + 2, 8 * t + 1, 8 * t, 8 * t + 5, 8 * t + 4, 8 * (63 - t), 8 * (63 - t) + 3};
        for (int k = 0; k < 8; k++) CHECK_NEAR(y[8 * t + k], order[k], 0);
    }
}

int main(void)
{
    test_widen();
    test_narrow();
    test_tf32();
    test_vectors();
    return finish();
}
