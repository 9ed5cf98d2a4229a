/* region.h - what the rewrites of the pass `integer` share: reading quantizations, counting readers, making nodes and constants.
 *
 * A rewrite works on one graph at a time. New nodes go to the end of the graph's list, so a rewrite that visits nodes by index sees them too;
 * region_settle() puts the list in order again, drops what was dropped and counts anew. Tables by value id have entries only for values that
 * were there at the last count (id < region.n). */
#ifndef ONNXCC_QUANT_REGION_H
#define ONNXCC_QUANT_REGION_H
#include "ir/ir.h"
#include "ops/fold.h"
#include "ops/version_edit.h" /* IN, attributes */

enum { TABLE_SIZE = 256 }; /* values of an 8-bit integer */

typedef struct region {
    model *m;
    arena *mem; /* of the pass */
    folder *f;
    graph_id g;
    uint32_t n;      /* values at the last count */
    uint32_t *uses;  /* by value id: inputs of nodes that read it, in any graph */
    node_id *reader; /* by value id: one of those nodes */
    uint8_t *output; /* by value id: it is an output of some graph */
    value_id *same;  /* by value id: what its readers shall read instead; 0: itself */
} region;

void region_open(region *r, graph_id g);
void region_settle(region *r); /* order, substitutions, counts */

/* ---- quantizations ---- */

/* real = (integer - zero) * scale */
typedef struct {
    float scale;
    int32_t zero;
    elem type; /* of the integer */
} affine;
bool same_affine(affine a, affine b);

/* What a QuantizeLinear or DequantizeLinear of float says, its parameters constants. */
typedef struct {
    node_id id;
    value_id x;           /* what it reads */
    value_id scale, zero; /* zero is 0 when left out */
    elem type;            /* of the integers */
    int64_t axis;         /* of the scales; -1: there is one scale */
    affine one;           /* with one scale */
} quantization;

/* False when v is no dequantized value, or its scales are computed, blocked, not float or not positive. */
bool read_dequantized(region *r, value_id v, quantization *out);
bool read_quantize(region *r, node_id id, quantization *out);
/* The same with one scale and 8 bits. */
bool read_dequantized_byte(region *r, value_id v, quantization *out);
bool read_quantize_byte(region *r, node_id id, quantization *out);

static inline bool is_byte(elem e)
{
    return e == ELEM_UINT8 || e == ELEM_INT8;
}
static inline int32_t lowest_byte(elem e)
{
    return e == ELEM_INT8 ? -128 : 0;
}
int32_t quantize_number(affine a, float v); /* as QuantizeLinear */

/* ---- questions ---- */
const tensor *region_constant(region *r, value_id v); /* NULL: it is none */
node_id producer_of(region *r, value_id v);       /* in this graph; 0: none */
bool read_once(region *r, value_id v);            /* by one node, and it is no output */
node_id only_reader(region *r, value_id v);       /* that node, when it stands in this graph; 0: there is none */
bool same_shape(region *r, value_id a, value_id b);

/* ---- making ---- */
value_id new_like(region *r, value_id of, const char *role); /* a value named OF.ROLE */
/* A node in place of `like`, whose name it gets; the type of `out` is inferred. Constant results are computed at once. */
node_id region_add(region *r, node_id like, const char *domain, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in,
                   value_id out);
/* The same with a new output, named after output 0 of `like`. */
value_id region_make(region *r, node_id like, const char *domain, const char *op, const char *role, uint32_t n_attr, const attr *a, uint32_t n_in,
                     const value_id *in);
/* A DequantizeLinear of a constant, which stays a node: products read its integers. axis -1: there is one scale; zero 0: none. */
value_id region_dequantize(region *r, node_id like, const char *role, value_id x, value_id scale, value_id zero, int64_t axis);
/* A node like another, attributes included, with other inputs and outputs. */
node_id region_copies(region *r, node_id like, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out);
node_id region_copy(region *r, node_id like, uint32_t n_in, const value_id *in, value_id out); /* one output */
void drop_node(region *r, node_id id);                  /* its outputs belong to nobody, or to a node made before */
void replace_value(region *r, value_id v, value_id by); /* one value from region_settle() on; as an output v keeps its name, as a copy if need be */

/* Constants named OF.ROLE. */
value_id const_tensor(region *r, value_id of, const char *role, tensor *t);
value_id unlisted_constant(region *r, value_id of, const char *role, tensor *t);   /* no initializer of the graph: for the compiler's own use */
value_id const_number(region *r, value_id of, const char *role, elem e, double v); /* a scalar */
value_id const_numbers(region *r, value_id of, const char *role, elem e, uint32_t n, const double *v); /* a vector; a scalar when all are equal */

/* ---- the rewrites, in the order in which they run; each leaves the region settled ---- */
void make_convolutions(region *r); /* spread.c: transposed convolutions become convolutions */
void move_quantization(region *r); /* move.c: movement and order-preserving operators work on the integers */
void make_tables(region *r);       /* table.c: functions of one 8-bit value become lookups */
void make_products(region *r);     /* product.c: products of integers */
void make_unsigned(region *r);     /* unsign.c: int8 activations of products become uint8 */
void make_integer_sums(region *r); /* sums.c: averages and softmax */

/* move.c: which inputs of a node hold the numbers that it moves or selects without computing. */
typedef enum { MOVES_NOTHING, MOVES_FIRST, MOVES_ALL, MOVES_BRANCHES /* inputs 1 and 2 */ } movement;
movement movement_of(region *r, const node *n);
bool is_moved(movement how, uint32_t input);
#endif
