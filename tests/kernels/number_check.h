/* number_check.h - random doubles, and texts of them that are hard to read: very long ones, and those in the middle between two numbers. */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"


static uint64_t check_state = 88172645463325252u;

static uint64_t check_bits(void)
{
    check_state ^= check_state << 13;
    check_state ^= check_state >> 7;
    return check_state ^= check_state << 17;
}

static double check_double(int round)
{
    const uint64_t bits = check_bits();
    const uint32_t half = (uint32_t)(bits >> 20);
    double v = 0;
    float f;
    switch (round % 4) {
    case 0: memcpy(&v, &bits, sizeof v); break;
    case 1: memcpy(&f, &half, sizeof f), v = (double)f; break;
    case 2: v = (double)(bits >> 40) / -1000; break;
    case 3: v = (double)(bits >> (bits & 63)) * 0.5; break;
    }
    return v;
}

enum { CHECK_TEXT = 3000 };

static __attribute__((unused)) int check_text(char *to, int round, double v)
{
    const int digits = (int)(check_bits() % 1100);
    const int plain = isfinite(v) && fabs(v) < 1e30;
    switch (round % 7) {
    case 0: return snprintf(to, CHECK_TEXT, "%.17g", v);
    case 1: return snprintf(to, CHECK_TEXT, "%.9g", v);
    case 2: return snprintf(to, CHECK_TEXT, "%.*e", digits, v);
    case 3: return plain ? snprintf(to, CHECK_TEXT, "%.*f", digits, v) : snprintf(to, CHECK_TEXT, "%gE5", 1.5);
    case 4: return plain ? snprintf(to, CHECK_TEXT, "%.300f%s", ((double)(float)v + (double)nextafterf((float)v, FLT_MAX)) / 2, round % 2 ? "" : "0001") : snprintf(to, CHECK_TEXT, "Infinity");
    case 5: return plain && LDBL_MANT_DIG > DBL_MANT_DIG ? snprintf(to, CHECK_TEXT, "%.1100Le", ((long double)v + (long double)nextafter(v, DBL_MAX)) / 2) : snprintf(to, CHECK_TEXT, "-.5e-400");
    default: return snprintf(to, CHECK_TEXT, "\t %+g\n ", v);
    }
}

static __attribute__((unused)) int check_same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}
