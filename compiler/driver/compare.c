/* compare.c - tensors against expected ones. Numbers are compared in double; 64-bit integers as integers. */
#include "driver/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *shape_text(const tensor *t, char *to, size_t n)
{
    size_t at = (size_t)snprintf(to, n, "%s[", elem_of(t->type)->name);
    for (uint32_t i = 0; i < t->rank && at < n; i++) at += (size_t)snprintf(to + at, n - at, i ? ",%lld" : "%lld", (long long)t->shape[i]);
    if (at < n) snprintf(to + at, n - at, "]");
    return to;
}

static bool same_form(const tensor *a, const tensor *b)
{
    return a->type == b->type && a->rank == b->rank && (!a->rank || !memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]));
}

/* One float: true when within tolerance. */
static bool compare_number(double got, double want, tolerance tol, int64_t index, difference *d)
{
    if (got == want || (isnan(got) && isnan(want))) return true;
    const double gap = fabs(got - want); /* NaN when one is NaN, infinite when one is infinite */
    if (!(isfinite(gap) && gap <= d->max_abs)) {
        d->max_abs = isnan(gap) ? (double)INFINITY : gap;
        if (d->ok) d->index = index;
    }
    const double rel = want != 0 ? gap / fabs(want) : gap > 0 ? (double)INFINITY : 0;
    if (isfinite(rel) && rel > d->max_rel) d->max_rel = rel;
    if (isfinite(gap) && gap <= tol.atol + tol.rtol * fabs(want)) return true;
    if (d->ok) {
        d->ok = false;
        d->index = index;
        snprintf(d->reason, sizeof d->reason, "element %lld is %.9g, expected %.9g", (long long)index, got, want);
    }
    return false;
}

double tensor_largest(const tensor *t)
{
    double most = 0;
    for (int64_t i = 0; i < tensor_count(t); i++) {
        const double x = fabs(elem_get_double(t->type, t->data, (size_t)i));
        if (isfinite(x)) most = fmax(most, x);
    }
    return most;
}

static void compare_floats(const tensor *got, const tensor *want, int64_t n, tolerance tol, difference *d)
{
    int64_t wrong = 0;
    if (want->type == ELEM_BFLOAT16) tol.rtol = fmax(tol.rtol, 0x1p-6);
    tol.atol += tol.range > 0 ? tol.range * tensor_largest(want) : 0;
    const bool complex = elem_of(want->type)->kind == 'c';
    const elem part = want->type == ELEM_COMPLEX64 ? ELEM_FLOAT : want->type == ELEM_COMPLEX128 ? ELEM_DOUBLE : want->type;
    if (complex) n *= 2;
    for (int64_t i = 0; i < n; i++)
        wrong +=
            !compare_number(elem_get_double(part, got->data, (size_t)i), elem_get_double(part, want->data, (size_t)i), tol, complex ? i / 2 : i, d);
    if (wrong > 1) {
        const size_t at = strlen(d->reason);
        snprintf(d->reason + at, sizeof d->reason - at, " (%lld of %lld differ)", (long long)wrong, (long long)n);
    }
}

static void compare_exact(const tensor *got, const tensor *want, int64_t n, difference *d)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        const long long g = elem_get_int(got->type, got->data, (size_t)i), w = elem_get_int(want->type, want->data, (size_t)i);
        if (g == w) continue;
        const double gap = fabs((double)g - (double)w);
        if (gap > d->max_abs) d->max_abs = gap;
        if (!wrong++) {
            d->ok = false;
            d->index = i;
            snprintf(d->reason, sizeof d->reason, "element %lld is %lld, expected %lld", (long long)i, g, w);
        }
    }
    if (wrong > 1) {
        const size_t at = strlen(d->reason);
        snprintf(d->reason + at, sizeof d->reason - at, " (%lld of %lld differ)", (long long)wrong, (long long)n);
    }
}

static void compare_strings(const tensor *got, const tensor *want, int64_t n, difference *d)
{
    for (int64_t i = 0; i < n && d->ok; i++) {
        if (!strcmp(got->strings[i], want->strings[i])) continue;
        d->ok = false;
        d->index = i;
        d->max_abs = (double)INFINITY;
        snprintf(d->reason, sizeof d->reason, "element %lld is \"%.60s\", expected \"%.60s\"", (long long)i, got->strings[i], want->strings[i]);
    }
}

difference compare(const tensor *got, const tensor *want, tolerance tol)
{
    difference d = {.ok = true, .index = -1};
    if (!same_form(got, want)) {
        char a[90], b[90];
        d.ok = false;
        d.max_abs = d.max_rel = (double)INFINITY;
        snprintf(d.reason, sizeof d.reason, "%s, expected %s", shape_text(got, a, sizeof a), shape_text(want, b, sizeof b));
        return d;
    }
    if (tol.shapes_only) return d;
    const int64_t n = tensor_count(want);
    const char kind = elem_of(want->type)->kind;
    if (kind == 's') compare_strings(got, want, n, &d);
    else if (kind == 'f' || kind == 'c') compare_floats(got, want, n, tol, &d);
    else compare_exact(got, want, n, &d);
    return d;
}
