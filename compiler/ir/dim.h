/* dim.h - sizes and indexes as symbolic integers.
 *
 * A dim is an interned expression over named symbols (model dimensions such as "batch") and axes (loop variables of a nest), in a normal
 * form: equal values that the normal form can see have equal ids, so `a == b` is a proof of equality. Sums and products are kept as
 * polynomials; floor division, modulo, minimum, maximum and selection are atoms with simplified arguments. Every atom has an interval, so
 * ordering and divisibility are proved by interval arithmetic, never guessed. 64-bit; overflow sets dims.overflow and yields 0. */
#ifndef ONNXCC_IR_DIM_H
#define ONNXCC_IR_DIM_H
#include "base/arena.h"
#include "base/size.h"
#include "base/text.h"

typedef uint32_t dim; /* 0: none */
typedef struct dims dims;

typedef enum {
    DIM_CONST,
    DIM_SYMBOL, /* a named size, known at run time */
    DIM_AXIS,   /* a loop variable: 0 <= axis < extent */
    DIM_POLY,   /* constant + sum of coefficient * product of atoms */
    DIM_FDIV,   /* floor(a / b), b > 0 */
    DIM_MOD,    /* a - b * floor(a / b) */
    DIM_MIN,
    DIM_MAX,
    DIM_SELECT /* a < b ? c : d */
} dim_kind;

typedef struct {
    int64_t lo, hi; /* inclusive; INT64_MIN and INT64_MAX: no bound */
} interval;

dims *dims_new(arena *a);
bool dims_overflowed(dims *t); /* since the last call; clears the mark */
/* Every use of a dim looks at all of it, and what it shares with itself counts each time: one that refers twice to one that refers twice to another is 2^n long. Those of
 * more than DIM_LONGEST numbers and names are not made: 0 stands for them, and the mark is set. What inference gives has at most DIM_LONG, so that what is computed
 * from it can be made. */
enum { DIM_LONG = 1 << 14, DIM_LONGEST = 1 << 18 };
uint32_t dim_length(const dims *t, dim d);
bool dims_too_long(dims *t); /* since the last call; clears the mark */

dim dim_const(dims *t, int64_t v);
/* The symbol of that name; made with the interval when new. Names are unique per table; the interval can be narrowed later. */
dim dim_symbol(dims *t, const char *name, int64_t lo, int64_t hi);
void dim_narrow(dims *t, dim symbol, int64_t lo, int64_t hi);
/* A symbol of at least 1 may be 0 from here on. False, with nothing changed, when some dim was simplified by what it was before. */
bool dim_allow_zero(dims *t, dim symbol);
/* A symbol with an unused name made from `stem`. */
dim dim_fresh(dims *t, const char *stem, int64_t lo, int64_t hi);
/* A new axis with the given extent; the constant 0 when the extent is 1. */
dim dim_axis(dims *t, dim extent);

dim dim_add(dims *t, dim a, dim b);
dim dim_sub(dims *t, dim a, dim b);
dim dim_mul(dims *t, dim a, dim b);
dim dim_fdiv(dims *t, dim a, dim b); /* b must be > 0 for every value; dim_div_ok() says whether that is proved */
dim dim_cdiv(dims *t, dim a, dim b); /* ceil(a / b) */
dim dim_mod(dims *t, dim a, dim b);
dim dim_min(dims *t, dim a, dim b);
dim dim_max(dims *t, dim a, dim b);
dim dim_select(dims *t, dim a, dim b, dim if_less, dim if_not); /* a < b ? if_less : if_not */
dim dim_addc(dims *t, dim a, int64_t c);
dim dim_mulc(dims *t, dim a, int64_t c);
/* a / b when b divides a for every value of the symbols; 0 when that is not proved. */
dim dim_div_exact(dims *t, dim a, dim b);
dim dim_product(dims *t, const dim *d, uint32_t n);

dim_kind dim_kind_of(const dims *t, dim d);
bool dim_is_const(const dims *t, dim d, int64_t *v); /* v may be NULL */
bool dim_is(const dims *t, dim d, int64_t v);        /* the constant v */
bool dim_is_axis(const dims *t, dim d);
const char *dim_name(const dims *t, dim d); /* of a symbol */
dim dim_extent(const dims *t, dim axis);
interval dim_range(dims *t, dim d);
/* Proofs: true means for every value of every symbol and axis; false means not proved. */
bool dim_ge0(dims *t, dim d);
bool dim_lt(dims *t, dim a, dim b);
bool dim_le(dims *t, dim a, dim b);
bool dim_divides(dims *t, int64_t c, dim d); /* c > 0 divides d */

/* Reading an expression. A POLY is constant + terms; each term is coefficient * atoms. Other kinds are one term with themselves as atom. */
typedef struct {
    int64_t coef;
    const dim *atom; /* sorted; repeated for powers */
    uint32_t n_atoms;
} dim_term;
int64_t dim_poly(const dims *t, dim d, const dim_term **terms, uint32_t *n_terms); /* returns the constant */
const dim *dim_args(const dims *t, dim d);                                         /* of FDIV MOD MIN MAX (2) and SELECT (4) */
bool dim_has(const dims *t, dim d, dim atom);                                      /* mentions a symbol or axis, at any depth */
bool dim_has_axis(const dims *t, dim d);
/* d = coef * atom + rest with neither mentioning atom; false when d is not affine in it. */
bool dim_affine(dims *t, dim d, dim atom, dim *coef, dim *rest);
/* Calls f once for each different symbol and axis in d. */
void dim_atoms(const dims *t, dim d, void (*f)(void *ctx, dim atom), void *ctx);

/* Replaces symbols and axes: from[i] becomes to[i], all at once. */
dim dim_subst(dims *t, dim d, uint32_t n, const dim *from, const dim *to);
/* What d is at most while symbol[i] is from lo[i] to hi[i], which name none of the symbols: a formula of the others. */
dim dim_at_most(dims *t, dim d, uint32_t n, const dim *symbol, const dim *lo, const dim *hi);
/* The number, with values of atoms from `value`. */
int64_t dim_eval(const dims *t, dim d, int64_t (*value)(void *ctx, dim atom), void *ctx);
/* A text: names for symbols, i12 for axes unless `name` gives another; valid C when `c` (calls onnxcc_fdiv etc. for possibly negative). */
void dim_text(const dims *t, dim d, text *out);
#endif
