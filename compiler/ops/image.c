/* image.c - ImageDecoder: a picture's bytes become pixels, through a function that the environment of a run brings. Source: ONNX Operators.md, version 20.
 *
 * Height and width are sizes that the run decides: height.NODE and width.NODE. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

static const char *const FORMATS[] = {"RGB", "BGR", "Grayscale"}; /* numbered as in onnxcc_rt.h */
enum { N_FORMATS = 3, GRAYSCALE = 2 };

static int format_of(const node *n)
{
    int i = 0;
    while (i < N_FORMATS && strcmp(node_string(n, "pixel_format", "RGB"), FORMATS[i])) i++;
    return i;
}

bool infer_ImageDecoder(infer_ctx *c)
{
    const int format = format_of(c->n);
    if (!need_rank(c, 0)) return false;
    if (in_rank(c, 0) != 1) return infer_error(c, "shape-rank", "the encoded image has %d dimensions instead of 1", in_rank(c, 0));
    if (format == N_FORMATS) return infer_error(c, "attribute-value", "attribute 'pixel_format' is '%s', which is none of RGB, BGR and Grayscale", node_string(c->n, "pixel_format", ""));
    const dim out[3] = {decided_symbol(c->m, c->id, "height", INT64_MAX), decided_symbol(c->m, c->id, "width", INT64_MAX), dim_const(c->d, format == GRAYSCALE ? 1 : 3)};
    return out_tensor(c, 0, ELEM_UINT8, 3, out);
}

bool lower_ImageDecoder(lower_ctx *c)
{
    const slot data = in_slot(c, 0), y = out_slot(c, 0), height = temp_slot(c, "height", ELEM_INT64, 0, NULL), width = temp_slot(c, "width", ELEM_INT64, 0, NULL);
    const kernel_arg args[4] = {{y, ARG_OUT}, {height, ARG_OUT}, {width, ARG_OUT}, {data, ARG_IN}};
    const binding bind[4] = {{.name = "FORMAT", .kind = BIND_DIM, .d = dim_const(c->d, format_of(c->n))},
                             {.name = "MAX_H", .kind = BIND_DIM, .d = dim_const(c->d, dim_range(c->d, slot_dim(c, y, 0)).hi)},
                             {.name = "MAX_W", .kind = BIND_DIM, .d = dim_const(c->d, dim_range(c->d, slot_dim(c, y, 1)).hi)},
                             {.name = "N", .kind = BIND_DIM, .d = slot_dim(c, data, 0)}};
    lower_template(c, "image_decode", 4, bind, 4, args, 0);
    c->to->steps.p[c->to->steps.n - 1]->kernel->takes_env = true;
    if (dim_kind_of(c->d, slot_dim(c, y, 0)) == DIM_SYMBOL) lower_bind(c, slot_dim(c, y, 0), height, 0);
    if (dim_kind_of(c->d, slot_dim(c, y, 1)) == DIM_SYMBOL) lower_bind(c, slot_dim(c, y, 1), width, 0);
    return true;
}
