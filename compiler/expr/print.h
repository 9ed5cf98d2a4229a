/* print.h - what the files print*.c share: the state of one function being printed, and the steps from an expression to its text.
 *
 * Text of an expression is made bottom up; a sub-expression that is used more than once becomes a named constant in front of the statement that
 * needs it first. Scalar and vector code are printed by the same functions: `vec` is the axis whose values lie in the lanes, 0 in scalar code. */
#ifndef ONNXCC_EXPR_PRINT_H
#define ONNXCC_EXPR_PRINT_H
#include "expr/nest.h"

typedef struct {
    const char *name; /* the variable that holds it, or NULL */
    uint32_t refs;    /* parents in the statements being printed */
    uint32_t epoch;   /* of printer.epoch when `lanes` was found */
    bool lanes;       /* differs between lanes */
    uint32_t walk;    /* of printer.walk when it was last visited */
} ex_mark;

typedef struct {
    const char *name;
    bool lanes; /* holds one value per lane */
} acc_mark;

typedef struct {
    slot slot;
    const char *name;
    bool written, read;
} param;

typedef struct printer {
    program *p;
    exprs *x;
    dims *t;
    const print_options *o;
    arena *mem;
    text *out;
    int indent;
    bool wide;   /* index arithmetic in int64_t; else every index is proved to fit int32_t */
    dim vec;     /* the axis in the lanes; 0: scalar code */
    bool across; /* vec is a parallel axis: locals hold one vector per element */
    uint32_t epoch; /* changes with vec and with the accumulators that hold lanes */
    uint32_t walk;  /* number of the newest walk over marks */
    uint32_t in_line; /* inside ?: of which only one side may be evaluated: nothing may be put in front of the statement */
    VEC(ex_mark) mark;        /* by ex */
    VEC(const char *) axis;   /* by dim: the loop variable; NULL while its loop is not open */
    VEC(acc_mark) acc;        /* by accumulator */
    VEC(ex) named;            /* stack of expressions with a name, for leaving a scope */
    VEC(param) param;         /* slots, in order of the signature; locals follow and are no parameters */
    VEC(dim) symbol;
    VEC(const char *) taken;  /* names in use in the function */
    uint32_t temps, loops, accs;
    int acc_part;             /* which vector of a row's accumulator the body folds into; -1: the accumulator itself */
    const char *acc_lane;     /* index of the element, when the body folds one element into the lanes of a row's sum */
    uint32_t splits;          /* loops cut so far */
    bool in_address;          /* an index in range: its arithmetic does not overflow */
    bool exact;               /* below a rounding: no fused multiply-add */
} printer;

void printer_init(printer *w, program *p, const print_options *o, text *out); /* mem is the printer's own */
void printer_end(printer *w);                                                 /* frees mem */

/* ---- print_name.c ---- */
void line(printer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* one indented line */
const char *fresh_name(printer *w, const char *like); /* an identifier made from any text, different from all others of the function */
const char *loop_name(printer *w);                    /* i, j, k, l, then i2, ... */
const char *paren(printer *w, const char *s);         /* in parentheses unless it is one word, call or element */
const char *literal(printer *w, ctype t, const ex_node *n);
const char *float_text(printer *w, double v, bool is_float);
const char *int_text(printer *w, int64_t v);
const char *dim_str(printer *w, dim d); /* C text; axes by their loop variables */
bool dim_fits32(printer *w, dim d);     /* every intermediate result too */
const char *ctype_name(ctype t);        /* int32_t for BOOL */
char ctype_letter(ctype t);             /* of scalar.h: sf, sd, si, su, sl, sw; st of text.h */
const char *axis_name(const printer *w, dim axis);
void axis_bind(printer *w, dim axis, const char *name); /* NULL: closes */

/* ---- print_expr.c ---- */
ex_mark *mark_of(printer *w, ex e);
acc_mark *acc_of(printer *w, uint32_t id);
void set_vec(printer *w, dim axis);
void count_refs(printer *w, ex e); /* one more statement needs e */
void clear_refs(printer *w, ex e);
uint32_t name_level(const printer *w);
void name_pop(printer *w, uint32_t level); /* leaves a scope */
void name_drop_loads(printer *w, slot s);  /* s was written: names of what was read from its buffer are stale */
void name_drop_acc(printer *w, uint32_t id);
const char *name_value(printer *w, ex e, const char *s); /* prints the constant that holds s, the text of e */
const char *value_text(printer *w, ex e);                /* may print statements first */
const char *lanes_text(printer *w, ex e);                /* the same as a vector, broadcast when it is uniform */
/* A vector of what is rounded, moved and clamped to all of the range of bytes, without the bounds: for a store that saturates. NULL: e is not that,
 * or its float is not known to be inside the range of int32. */
const char *saturated_text(printer *w, ex e, elem to);
bool is_vec(printer *w, ex e);                           /* differs between lanes */
interval ex_range(const printer *w, ex e);

/* ---- print_memory.c ---- */
const param *param_of(const printer *w, slot s);
bool same_memory(const printer *w, slot a, slot b);
/* index = uniform + *coef * lane axis; false when the index is not of that form (a gather). *coef is 0 for a uniform index. */
bool lane_stride(printer *w, ex index, dim *coef);
const char *load_text(printer *w, ex e);
bool load_has_lanes(printer *w, const ex_node *load);              /* the vector form of this load exists, if its index has one */
bool store_has_lanes(printer *w, elem stored, dim stride);
bool is_fused(printer *w, const ex_node *n, int arg); /* argument 0 or 1 of a sum is a product that joins it in one fma */
bool is_identity(const printer *w, const sink *k); /* a fold of its own identity: changes nothing */
bool is_fused_fold(printer *w, const sink *k);
void print_store(printer *w, const sink *k);
void print_fold(printer *w, const sink *k, const char *acc); /* acc: the variable that takes the value */
bool slot_is_local(const printer *w, slot s);
ex fold_ex(exprs *x, fold f, ex a, ex b);
const char *identity_text(fold f, ctype t);

/* ---- print_nest.c ---- */
void print_collect(printer *w, const nest *n); /* fills param and symbol */
void print_signature_of(printer *w, const nest *n, step_signature *sig);
void print_names_of(printer *w, step_signature *sig); /* once everything is printed */
nest *nest_copy(printer *w, const nest *n); /* the printer's own, in which a store with a fold is a plain store of the folded value */
bool in_order(const nest *n);               /* its points must be walked in order, by one thread */
void print_param(printer *w, text *out, const char *comma, const param *q); /* the declaration of a pointer */
bool mentions(const char *body, const char *word);
void silence_unused(printer *w, const char *body, bool ranged);

/* ---- print_choice.c ---- which axis lies in the lanes */
typedef enum {
    MODE_SCALAR,
    MODE_ALONG, /* the last axis of every stage that allows it; folds go across lanes once per row. Never depends on the vector length */
    MODE_ACROSS /* one parallel axis; accumulators and locals hold a vector */
} vector_mode;
typedef struct {
    vector_mode mode;
    dim axis; /* MODE_ACROSS */
} choice;
enum { ROW_LANES = 16 }; /* a float sum along a row is 16 sums, lane = index mod 16, folded 8-4-2-1: on every target */
choice choose_vector(printer *w, const nest *n);
/* The stage can be printed with `axis` in the lanes. `hopeful`: comparisons of indexes will be decided by splitting loops. */
bool stage_has_lanes(printer *w, const stage *s, dim axis, bool across, bool hopeful);
bool stage_along(printer *w, const stage *s, bool hopeful); /* its last axis, in MODE_ALONG */
bool is_ordered_fold(const printer *w, const sink *k);      /* the order of its operands changes the bits */
bool stays_inside(printer *w, slot s, dim at);              /* the element is proved to be one of the slot's buffer */
bool is_serial(printer *w, const stage *s);                 /* points of the stage depend on those before */

/* ---- print_split.c ---- borders: where comparisons of indexes change along an axis */
enum { MAX_CUTS = 32 };
/* Bounds of the segments of an axis of constant extent, 0 and the extent included; returns the number of segments (1: no cut). */
uint32_t find_cuts(printer *w, const stage *s, uint32_t n, dim axis, int64_t *cut);
/* A copy of the stages in which the comparisons that depend on the axis hold, and the axis values [*from, *to) (not yet clamped to the extent) for
 * which that is so whatever the axes without a loop are. NULL: there is no such comparison. For extents and borders known at run time only. */
stage *find_inside(printer *w, const stage *s, uint32_t n, dim axis, dim *from, dim *to);
stage *map_stages(printer *w, const stage *s, uint32_t n, dim axis, dim to); /* a copy with the axis replaced in every expression */
bool has_guards(printer *w, const stage *s, uint32_t n, dim axis);           /* a comparison of indexes still depends on the axis */

/* ---- print_hoist.c ---- */
/* Names what does not change in the loops over `inside` and what is below them, in front of these loops. `runs`: they run at least once. */
void hoist_stage(printer *w, const stage *s, bool runs);

/* ---- print_loops.c ---- */
void axis_bounds(printer *w, dim axis, bool ranged, const char **begin, const char **end);
void print_loops(printer *w, const nest *n, choice c, dim ranged); /* ranged: the axis that lo and hi bound; 0: none */
void print_point(printer *w, const nest *n); /* the stages at one point of the parallel axes, which have names, as scalar code */
void print_body(printer *w, const stage *s); /* every sink of a stage once */
void declare_accumulators(printer *w, const stage *s);
const char *fold_word(fold f); /* sum, prod, max, ... */

/* ---- print_tile.c ---- */
bool print_turned(printer *w, const nest *n, dim ranged); /* false: the nest is no copy that turns two axes */
bool turned_axes(printer *w, const nest *n, dim *store, dim *load); /* the axes of its tiles, if print_turned prints it */

/* ---- print_lookup.c ---- */
bool print_looked_up(printer *w, const nest *n, dim ranged); /* false: the nest does not only look bytes up, row by row */
#endif
