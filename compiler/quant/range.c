/* range.c - ranges, histograms and the parameters that follow from them; see range.h. */
#include "quant/range.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

enum { CANDIDATES = 100 };            /* clipping ranges that the search tries */
enum { MOST_REFINED = 6, FEW = 4 };   /* bins are refined where all that is covered lies in less than 1 / FEW of them */
static const double COVERED = 0.9999; /* share of the values inside the percentile's range */

observed *observed_new(arena *mem)
{
    observed *s = ARENA_NEW(mem, observed);
    s->lo = INFINITY;
    s->hi = -INFINITY;
    s->strange = -1;
    return s;
}

bool observe_range(observed *s, const float *x, int64_t n)
{
    float lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            s->strange = i;
            return false;
        }
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    if ((double)lo < s->lo) s->lo = (double)lo;
    if ((double)hi > s->hi) s->hi = (double)hi;
    s->count += (uint64_t)n;
    return true;
}

static double bin_width(const observed *s)
{
    return (s->to - s->from) / RANGE_BINS;
}

void observe_bins(observed *s, arena *mem, const float *x, int64_t n)
{
    if (s->settled) return;
    if (!s->bins) {
        s->bins = ARENA_ARRAY(mem, uint64_t, RANGE_BINS);
        s->from = s->lo;
        s->to = s->hi;
    }
    const double width = bin_width(s);
    for (int64_t i = 0; i < n; i++) {
        if (x[i] == 0) { /* exact whatever the range */
            s->zeros++;
            continue;
        }
        if ((double)x[i] < s->from || (double)x[i] > s->to) {
            *((double)x[i] < s->from ? &s->below : &s->above) += 1;
            continue;
        }
        const double at = width > 0 ? ((double)x[i] - s->from) / width : 0;
        s->bins[at < 0 ? 0 : at >= RANGE_BINS ? RANGE_BINS - 1 : (int)at]++;
    }
}

void observe_error(observed *s, const quant_params *p, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double v = (double)x[i], off = v - (double)(quantize_one(p, x[i]) - p->zero) * (double)p->scale;
        const double q = rint(v / (double)p->scale) + p->zero;
        s->power += v * v;
        s->noise += off * off;
        s->outside += q < p->least || q > p->most;
    }
}

/* ---- ranges ---- */

/* Drops the smallest tails whose share is not covered, half of it on each side at most. */
static void percentile(const observed *s, double *lo, double *hi)
{
    uint64_t all = s->zeros + s->below + s->above, below = s->below, above = s->above;
    for (int i = 0; i < RANGE_BINS; i++) all += s->bins[i];
    const double tail = (1 - COVERED) * (double)all / 2, width = bin_width(s);
    int first = 0, last = RANGE_BINS - 1;
    while (first < last && (double)(below + s->bins[first]) <= tail) below += s->bins[first++];
    while (last > first && (double)(above + s->bins[last]) <= tail) above += s->bins[last--];
    *lo = s->from + first * width;
    *hi = s->from + (last + 1) * width;
}

bool observe_refine(observed *s)
{
    double lo, hi;
    if (s->settled || !s->bins) return false;
    percentile(s, &lo, &hi);
    s->settled = s->refined == MOST_REFINED || !(hi > lo) || (hi - lo) * FEW >= s->to - s->from;
    if (s->settled) return false;
    s->refined++;
    s->from = lo;
    s->to = hi;
    s->below = s->above = s->zeros = 0;
    memset(s->bins, 0, RANGE_BINS * sizeof *s->bins);
    return true;
}

/* Squared error of the histogram when [lo, hi] is represented in 256 steps: a bin's values are taken to lie in its middle, and spread over
 * a step where they are inside. */
static double clipping_error(const observed *s, double lo, double hi)
{
    const double width = bin_width(s), step = (hi - lo) / 255, inside = step * step / 12;
    double sum = 0;
    for (int i = 0; i < RANGE_BINS; i++) {
        if (!s->bins[i]) continue;
        const double v = s->from + (i + 0.5) * width, off = v < lo ? lo - v : v > hi ? v - hi : 0;
        /* bins narrower than a step hold no single value: the error inside is that of rounding */
        sum += (double)s->bins[i] * (off * off + inside);
    }
    return sum;
}

/* The scaled range [lo * a, hi * b] with the least error: first both ends together, then each alone. */
static void least_error(const observed *s, double *lo, double *hi)
{
    const double full_lo = *lo, full_hi = *hi;
    double best = clipping_error(s, *lo, *hi);
    for (int turn = 0; turn < 3; turn++) {
        const double from_lo = turn ? *lo : full_lo, from_hi = turn ? *hi : full_hi;
        for (int k = 1; k < CANDIDATES; k++) {
            const double a = turn == 2 ? 1 : 1 - (double)k / CANDIDATES, b = turn == 1 ? 1 : 1 - (double)k / CANDIDATES;
            const double e = clipping_error(s, from_lo * a, from_hi * b);
            if (e >= best) continue;
            best = e;
            *lo = from_lo * a;
            *hi = from_hi * b;
        }
    }
}

void range_of(const observed *s, range_method method, double *lo, double *hi)
{
    *lo = s->lo > s->hi ? 0 : s->lo;
    *hi = s->lo > s->hi ? 0 : s->hi;
    if (method == RANGE_PERCENTILE && s->bins && s->hi > s->lo) percentile(s, lo, hi);
    *lo = fmin(*lo, 0);
    *hi = fmax(*hi, 0);
    if (method == RANGE_MSE && s->bins && s->hi > s->lo) least_error(s, lo, hi);
}

/* ---- parameters ---- */

quant_params params_of_range(double lo, double hi, elem type)
{
    const int32_t least = type == ELEM_INT8 ? -128 : 0;
    quant_params p = {1, least, least, least + 255, type};
    if (!(hi > lo)) return p;
    p.scale = (float)((hi - lo) / 255);
    if (!(p.scale >= 0x1p-126f)) p.scale = 0x1p-126f; /* a scale that is no normal number is 0 for some readers */
    const double zero = rint((double)least - lo / (double)p.scale);
    p.zero = (int32_t)fmin(fmax(zero, least), least + 255);
    return p;
}

int32_t quantize_one(const quant_params *p, float x)
{
    const float q = rintf(x / p->scale); /* QuantizeLinear divides in float32 and rounds halves to even; then comes the zero point */
    return q <= (float)(p->least - p->zero) ? p->least : q >= (float)(p->most - p->zero) ? p->most : (int32_t)q + p->zero;
}

float weight_scale(double most)
{
    const float s = (float)(most / 127);
    return most == 0 ? 1 : s >= 0x1p-126f ? s : 0x1p-126f;
}

float weight_scale_mse(const float *x, int64_t n, int64_t stride)
{
    double most = 0, best = INFINITY;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)x[i * stride]));
    float scale = weight_scale(most);
    for (int k = 0; k < 50 && most > 0; k++) {
        const float s = weight_scale(most * (1 - k / 100.0));
        double e = 0;
        for (int64_t i = 0; i < n; i++) {
            const double v = (double)x[i * stride], q = fmin(fmax(rint(v / (double)s), -127), 127), off = v - q * (double)s;
            e += off * off;
        }
        if (e < best) best = e, scale = s;
    }
    return scale;
}

double decibel(double power, double noise)
{
    return noise > 0 ? power > 0 ? 10 / fm_log(10) * fm_log(power / noise) : -INFINITY : power > 0 ? INFINITY : NAN;
}
