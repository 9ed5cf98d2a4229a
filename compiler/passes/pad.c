/* pad.c - pass `pad`: a Pad with zeros around the image goes into the Conv, or the AveragePool that counts its border, or (with -infinity) the
 * MaxPool that reads it.
 *
 * requires: types and constants known. keeps: every bit. breaks: nothing. The pads have to be constant, not negative, and on spatial axes only. */
#include <math.h>
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

enum { MANY = 16 };

/* What Pad fills with. */
static bool fill_of(model *m, const node *pad, double *fill)
{
    *fill = 0;
    if (pad->version < 11) *fill = (double)node_float(pad, "value", 0);
    else if (node_in(pad, 2)) return scalar_constant(m, pad->in[2], fill);
    return true;
}

enum { MOST_PAD = INT32_MAX / 4 }; /* windows are reckoned in 32 bits (infer.c) */

/* pads[i], pads[n + i]: cells before and after spatial axis i. */
static bool spatial_pads(model *m, const node *pad, int64_t *pads, uint32_t *n)
{
    const type *t = &value_at(m, pad->out[0])->type;
    const int64_t *list;
    uint32_t count;
    if (t->kind != TYPE_TENSOR || t->rank < 3 || t->rank > MANY || strcmp(node_string(pad, "mode", "constant"), "constant") || node_in(pad, 3))
        return false;
    const uint32_t rank = (uint32_t)t->rank;
    if (!list_param(m, pad, "pads", 1, &list, &count) || !list || count != 2 * rank) return false;
    for (uint32_t i = 0; i < count; i++)
        if (list[i] < 0 || list[i] > MOST_PAD || (i % rank < 2 && list[i])) return false;
    *n = rank - 2;
    memcpy(pads, list + 2, *n * sizeof *pads);
    memcpy(pads + *n, list + rank + 2, *n * sizeof *pads);
    return true;
}

static bool into_window(rewrite *r, node_id id, bool wants_lowest)
{
    model *m = r->m;
    const node *n = node_at(m, id), *pad = rewrite_producer_is(r, n->in[0], "Pad");
    double fill;
    int64_t pads[2 * MANY];
    uint32_t spatial, count;
    if (!pad || !rewrite_only_use(r, n->in[0]) || n->n_out != 1 || !fill_of(m, pad, &fill) || !spatial_pads(m, pad, pads, &spatial)) return false;
    if (wants_lowest ? !(isinf(fill) && fill < 0) : fill != 0) return false;
    const char *automatic = node_string(n, "auto_pad", "NOTSET");
    if ((strcmp(automatic, "NOTSET") && strcmp(automatic, "VALID")) || node_int(n, "ceil_mode", 0)) return false;
    const int64_t *own = node_ints(n, "pads", &count);
    if (own && count != 2 * spatial) return false;
    for (uint32_t i = 0; own && i < count; i++)
        if (own[i] < 0 || own[i] > MOST_PAD) return false;
    for (uint32_t i = 0; own && i < count && !strcmp(automatic, "NOTSET"); i++) pads[i] += own[i];
    rewrite_set_input(r, id, 0, pad->in[0]);
    node_drop_attr(node_at(m, id), "auto_pad");
    set_attr_ints(m, id, "pads", 2 * spatial, pads);
    return true;
}

static bool into_conv(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    return into_window(r, id, false);
}

/* The standard allows pads of a pool only below the kernel's size. */
static bool into_pool(rewrite *r, node_id id, bool wants_lowest)
{
    uint32_t n, count, spatial;
    const node *pad = rewrite_producer_is(r, node_at(r->m, id)->in[0], "Pad");
    const int64_t *window = node_ints(node_at(r->m, id), "kernel_shape", &n), *own = node_ints(node_at(r->m, id), "pads", &count);
    int64_t pads[2 * MANY];
    if (!pad || !window || !spatial_pads(r->m, pad, pads, &spatial) || n != spatial || (own && count != 2 * spatial)) return false;
    for (uint32_t i = 0; i < 2 * spatial; i++)
        if (sat_add(pads[i], own ? own[i] : 0) >= window[i % spatial]) return false;
    return into_window(r, id, wants_lowest);
}

static bool into_average(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    return node_int(node_at(r->m, id), "count_include_pad", 0) && into_pool(r, id, false);
}

static bool into_max(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    return into_pool(r, id, true);
}

static const rule_row RULES[] = {{"Conv", into_conv}, {"AveragePool", into_average}, {"MaxPool", into_max}, {NULL, NULL}};

void merge_pads(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
