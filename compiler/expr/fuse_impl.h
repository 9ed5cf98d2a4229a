/* fuse_impl.h - what the files of the fusion pass share: the program as one line of items with use lists, and the questions of legality.
 *
 * Rules are split the same way everywhere: a legality function says whether a rewrite keeps the meaning, a profitability function whether
 * it is wanted. Sizes are compared by proof where dims are equal and otherwise by an estimate at the upper bounds of their symbols. */
#ifndef ONNXCC_EXPR_FUSE_IMPL_H
#define ONNXCC_EXPR_FUSE_IMPL_H
#include "expr/nest.h"

enum {
    FUSE_STAGES = 12,          /* in one nest */
    FUSE_OUTPUTS = 6,          /* slots that one nest writes to memory */
    FUSE_SINKS = 10,           /* in one stage */
    FUSE_ROW_ELEMS = 16384,    /* of a slot that a row step keeps between its stages */
    FUSE_SERIAL_ITERS = 65536, /* points that one row may walk when there is no parallel axis left */
    FUSE_COST = 400,           /* of the expressions of a step after inlining, in adds (ex_cost) */
    FUSE_NODES = 2000          /* DAG nodes of the same */
};
#define FUSE_CHEAP 3.0 /* adds: what may be computed again instead of being stored */

typedef struct {
    slot slot;
    bool reads, writes;
} fuse_access;

/* One step in the linear order of the whole program; positions never change, a merged step takes the place of one of its parts. A loop has
 * a second item at the end of its body for what happens after each turn. */
typedef struct {
    step *step;        /* NULL: gone */
    block *block;      /* that it stands in */
    uint32_t parent;   /* item of the control step around its block; 0: none */
    uint32_t last;     /* position of the last item inside it (a control step), else its own */
    bool turn;         /* the end of a loop's turn; step is the loop */
    fuse_access *access;
    uint32_t n_access;
} fuse_item;

typedef struct {
    uint32_t item;
    bool reads, writes;
} fuse_use;

typedef struct {
    VEC(fuse_use) use;
} fuse_uses;

typedef struct {
    program *p;
    exprs *x;
    dims *t;
    arena *mem;
    const fuse_options *o;
    VEC(fuse_item) item; /* [0] is unused */
    VEC(uint32_t) bind;  /* items of BIND steps */
    fuse_uses *uses;     /* by slot; not for INPUT and CONST, which nobody writes */
    uint32_t *mark;      /* by slot, scratch of fuse_update: generation and position in the list being made */
    uint32_t *mark_at;
    uint32_t generation;
} fuser;

/* ---- items (fuse.c) ---- */
void fuse_update(fuser *f, uint32_t item); /* after its expressions changed */
void fuse_remove(fuser *f, uint32_t item);
const char *fuse_what(fuser *f, const char *a, const char *b); /* names of two merged steps, the earlier one first */
static inline nest *fuse_nest(const fuser *f, uint32_t item)
{
    const step *s = f->item.p[item].step;
    return s && !f->item.p[item].turn ? s->nest : NULL;
}
static inline kernel *fuse_kernel(const fuser *f, uint32_t item)
{
    const step *s = f->item.p[item].step;
    return s && !f->item.p[item].turn ? s->kernel : NULL;
}

/* May the steps of both become one? Not where steps on strings stand apart and only one touches strings. */
bool fuse_same_side(const fuser *f, uint32_t a, uint32_t b);
/* The only item that writes s, 0 when there are several or none. */
uint32_t fuse_writer(const fuser *f, slot s);
/* The only item that reads s, 0 when there are several or none. */
uint32_t fuse_reader(const fuser *f, slot s);
bool fuse_touches(const fuser *f, uint32_t item, slot s, bool *reads, bool *writes);
/* Is s written by an item at a position p with after < p <= until? */
bool fuse_written(const fuser *f, slot s, uint32_t after, uint32_t until);
/* Could `item` stand right beside `to` (another item of its block) without changing the meaning: nothing in between writes what it reads or
 * touches what it writes, but for stores to provably different parts of one slot. */
bool fuse_can_move(fuser *f, uint32_t item, uint32_t to);
/* Could the store k of `item` be made at the place of the earlier item `to`? Looks at k's target only. */
bool fuse_can_store_at(fuser *f, uint32_t item, const sink *k, uint32_t to);
/* Does an item at a position p with after < p <= until (but not `except`) write elements that the store k writes? */
bool fuse_overwritten(fuser *f, const sink *k, uint32_t after, uint32_t until, uint32_t except);
/* The position up to which reads made for `reader` may happen, seen from `block`: its own, or the end of the control step around it that
 * stands in `block`; 0 when it is not inside that block. */
uint32_t fuse_reach(const fuser *f, uint32_t reader, const block *b);
int64_t fuse_estimate(fuser *f, dim d); /* at the upper bounds of the symbols; a fixed guess for unbounded ones */
double fuse_elems(fuser *f, slot s);
double fuse_iterations(fuser *f, const nest *n, const stage *g); /* of one stage; g NULL: of the parallel axes alone */

/* ---- expressions of a step ---- */
typedef void (*fuse_visitor)(void *ctx, ex *e);
void fuse_each_sink(sink *k, fuse_visitor v, void *ctx);
void fuse_each_stage(stage *g, fuse_visitor v, void *ctx);
void fuse_each(step *s, fuse_visitor v, void *ctx); /* nests: all sinks; kernels: operands and hooks */
/* The different loads of one slot. */
typedef struct {
    VEC(ex) load;
} fuse_loads;
void fuse_loads_of_ex(fuser *f, ex e, slot s, fuse_loads *out); /* adds */
fuse_loads fuse_loads_of_stage(fuser *f, stage *g, slot s);
fuse_loads fuse_loads_of_nest(fuser *f, nest *n, slot s);
/* Replaces every load of `slot` by make(ctx, its indexes, already rewritten); 0 keeps the load. */
typedef struct {
    fuser *f;
    slot slot;
    ex (*make)(void *ctx, uint32_t n, const ex *idx);
    void *ctx;
} fuse_rewrite;
void fuse_rewrite_ex(void *rewrite, ex *e); /* a fuse_visitor */
/* The cost and size of all expressions of a step stay below the limits when `extra` is put in `times` more times. */
void fuse_rename_arg(kernel *k, slot from, slot to); /* ARG_IN: of a matmul, whose arguments name what its operands load */
bool fuse_fits(fuser *f, step *s, ex extra, uint32_t times);
bool fuse_is_axis(const fuser *f, ex e, dim *axis); /* exactly one axis */
bool fuse_strided(const fuser *f, ex e, dim axis);    /* neighbours along the axis are not neighbours in something that e loads */
bool fuse_is_zero(const fuser *f, ex e);
bool fuse_affine(const fuser *f, ex e); /* a DIM without division, modulo, minimum, maximum and selection of axes */
bool fuse_uses_acc(fuser *f, ex e, const sink *k, uint32_t n); /* reads an accumulator that one of the n sinks folds */
/* One stage without axes, one plain store (no fold, guard or order). */
sink *fuse_map_sink(const nest *n);
bool fuse_has_rows(const nest *n); /* several stages, a stage with axes, or folds: its parallel axes must stay that */
bool fuse_plain(const nest *n);    /* no store is in order or folds into memory */

/* ---- rules; each returns whether something changed ---- */
bool fuse_inline(fuser *f);                      /* fuse_inline.c: maps into their readers */
bool fuse_copies(fuser *f);                      /* fuse_copies.c: copies into the stores before them, readers past copies */
bool fuse_epilogues(fuser *f, bool movement);    /* fuse_epilogue.c: maps into kernels; movement: pure copies too */
bool fuse_into_kernel(fuser *f, uint32_t map);   /* ... this map, if it is no pure copy */
/* Would the kernel's vectors still store whole when its OUT hook stores at at[0..n)? */
bool fuse_hook_stores_well(const fuser *f, const kernel *k, const hook *h, const ex *at, uint32_t n);
hook *fuse_out_hook(kernel *k); /* NULL: none */
bool fuse_rows(fuser *f);                        /* fuse_rows.c: rules 2 and 3 */
bool fuse_tidy(fuser *f, uint32_t item);         /* fuse_local.c: forward stored values, drop what nobody reads; may remove the item */
void fuse_locals(fuser *f);                      /* fuse_local.c */
void fuse_reciprocals(fuser *f);                 /* fuse_recip.c */
void fuse_literals(fuser *f);                    /* fuse_const.c; before the use lists are made */
void fuse_constants(fuser *f);                   /* fuse_const.c; makes slots, so nothing else may follow */
bool fuse_merge_stages(fuser *f, nest *n);       /* fuse_rows.c */

/* Splits parallel axes that some index divides by a constant that divides their extent; true when one was split. */
bool fuse_split_axes(fuser *f, nest *n);
nest *fuse_copy_nest(fuser *f, const nest *n); /* stages and sinks too */

/* Expresses the axes of a map by the indexes of its load: afterwards axis[i] of the nest equals value[i] when load index d has the value
 * at[d]. Splits axes of the nest (in place, keeping its meaning: give it a copy) that the load divides. False when the load does not determine every axis
 * or does not walk every element of its slot exactly once. */
bool fuse_invert(fuser *f, nest *n, ex load, const ex *at, ex *value);
#endif
