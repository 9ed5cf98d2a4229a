/* conv_plan.h - a convolution on its way to a kernel: what conv.c, conv_row.c, conv_sum.c and winograd.c share. */
#ifndef ONNXCC_PLAN_CONV_PLAN_H
#define ONNXCC_PLAN_CONV_PLAN_H
#include "plan/plan.h"
#include "plan/tile.h"

typedef struct {
    program *p;
    const plan_options *o;
    const kernel *k;
    hook hook;
    int64_t oc, ic;            /* per group */
    dim out[3];                /* extents of the output: depth, height, width; 1 where the rank has none */
    int64_t kernel[3], stride[3], dilation[3];
    dim x_at, x_stride[3];     /* elements from x's index 0 to the first halo cell; per spatial axis */
    dim x_n, x_c;
    int block;
    slot bias;     /* of bytes: what accumulators begin with */
    int64_t lanes; /* channels that the hook may be called for with whole vectors, see whole_lanes */
} conv_plan;

/* ---- parameters of a kernel ---- */
enum { MOST_BINDINGS = 40 };

typedef struct {
    dims *d;
    binding list[MOST_BINDINGS];
    uint32_t n;
} bindings;

void conv_bind(bindings *b, const char *name, dim v);
void conv_bind_number(bindings *b, const char *name, int64_t v);
/* X_T and X_LD: the type that the input lies in memory as, of a kernel that computes with floats. */
void conv_bind_input(bindings *b, const conv_plan *c);
/* The window along the axes from `first` on: 0 depth, 1 height, 2 width. `adjoining`: the kernel knows that the pixels of a row do. */
void conv_bind_window(bindings *b, const conv_plan *c, uint32_t first, bool adjoining);

/* Runs the steps that pack the weights where those are constant, else appends them, to run before the kernel. False: they can't run. */
bool conv_pack(conv_plan *c, block *out, block *steps, slot weights);
/* Appends the kernel with the step's hook in place of step s. `third`: the bias, or scratch of which each thread has `scratch` elements (0: it is no
 * scratch); 0: neither. */
kernel *conv_append(conv_plan *c, const step *s, block *out, const char *name, const binding *bind, uint32_t n_bind, slot weights, slot third, int64_t scratch, dim range);

/* The hook's axes (n, oc, row, ow), for kernels whose lanes are the pixels of a row as they store them. */
void conv_pixel_axes(conv_plan *c);
/* The axis row = od * OH + oh of the hook; what depth and height become of it is appended to from and to. */
dim conv_row_axis(const conv_plan *c, uint32_t *n, dim *from, dim *to);
/* Makes the rows of an image one, in c->out and the hook, which has the axes of the step still; false where pixels of rows don't adjoin or more than channels is added up,
 * and nothing has changed. conv_divides: whether an address of the hook divides then. */
bool conv_join_rows(conv_plan *c);
bool conv_divides(const conv_plan *c);
dim conv_extent(program *p, dim axis);    /* 1 of what is no axis */
int64_t conv_known(program *p, dim d);    /* -1: decided at run time */
vector_unit conv_unit(const conv_plan *c);
const char *conv_weights_name(conv_plan *c);

/* ---- kernels beside the direct ones of conv.c ---- each appends its step, or says that it can't */
bool conv_winograd(conv_plan *c, const step *s, block *out);
bool conv_rows(conv_plan *c, const step *s, block *out);
bool conv_sums(conv_plan *c, const step *s, block *out);
/* Is it for conv_sums, which goes by rows as the direct kernel does, and reads the same blocks? */
bool conv_to_few(program *p, const plan_options *o, const kernel *k);
/* Is it for conv_rows? Known before the layout, for it wants the input row-major, in memory that may be read beyond its end. */
bool conv_by_rows(program *p, const plan_options *o, const kernel *k);
#endif
