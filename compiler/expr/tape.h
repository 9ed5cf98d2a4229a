/* tape.h - a stage made ready for the interpreter: its expressions as a list of instructions, each placed at the loop it changes with.
 *
 * Loops around a stage have levels: 1 is the outermost parallel axis, `row_level` the innermost one, which is not walked point by point
 * but in rows of up to ROW lanes. An instruction at a lower level runs once when that loop advances and its single value is spread over a
 * row only if a row instruction reads it; one at the row level works on all lanes of a row. */
#ifndef ONNXCC_EXPR_TAPE_H
#define ONNXCC_EXPR_TAPE_H
#include "expr/expr_impl.h"
#include "expr/nest.h"
#include "expr/rowmem.h"
#include "expr/vecop.h"

enum { ROW = 256, MAX_LEVELS = 2 * NEST_AXES + 2, FOLD_LANES = 16 };

/* A tensor in memory as the nest indexes it. */
typedef struct {
    void *data;
    elem type;
    uint32_t rank;
    int64_t stride[MAX_RANK]; /* elements; a flattened nest has rank 1, stride 1 */
    int64_t count;            /* elements that may be touched; INT64_MAX: unknown */
    const char *name;
    bool stored; /* by this nest */
} tensor_ref;

/* An accumulator between its stage and those that read it. */
typedef struct {
    lane value;  /* nests that loop over points one by one */
    void *lanes; /* nests whose rows are points: one value each */
} acc_value;

typedef struct instr instr;

/* Lazy instructions that a value under a condition needs, arguments before users; what only an arm of an inner select needs is on the
 * list of that select. */
typedef struct {
    uint32_t n;
    instr **p;
} instr_list;

/* coefficient * (axis of that level, or value of an instruction) */
typedef struct {
    int64_t coef;
    uint32_t level; /* 0: `of` */
    instr *of;
} affine_term;

struct instr {
    uint8_t op;   /* ex_op; EX_DIM: base + sum of terms */
    uint8_t type; /* ctype of the result */
    uint8_t from; /* ctype of the arguments */
    uint8_t elem; /* ROUND */
    uint8_t n;    /* arguments or indexes */
    uint8_t level;
    bool at_row;   /* runs once a row, on all lanes (level == row_level) */
    bool straight; /* EX_DIM: lane i is base + i * step, kept as such */
    bool wide;     /* some reader wants it in `lanes`, all of them */
    bool lazy;     /* reads memory or can fail, and is needed only under a condition: runs on demand */
    instr **arg;
    tensor_ref *mem;
    acc_value *acc;
    uint32_t n_terms;
    affine_term *term;
    int64_t constant;
    int64_t base, step; /* value of a straight instruction */
    void *lanes;        /* ROW lanes of .type; lane 0 is the value below the row level */
    uint8_t *done;      /* lazy: lanes that have their value in this row */
    instr_list arm[2];  /* SELECT: what each arm needs */
    uint32_t number;    /* lazy: counts up in the stage, arguments before users */
    uint32_t collected; /* tape.c: last list it was put on */
};

typedef struct {
    fold fold;
    bool in_order;
    bool running;   /* an accumulator that its own stage reads: folded one by one, each read sees what came before */
    ctype type;
    tensor_ref *to; /* NULL: accumulator */
    acc_value *acc;
    instr *guard, *value; /* guard may be NULL */
    uint8_t n;
    instr *at[MAX_RANK];
    instr_list run;     /* instructions of the row level to run before this sink */
    instr_list guarded; /* what value and indexes need where the guard holds */
    lane part[FOLD_LANES]; /* lane = position in the stage modulo 16 */
    lane identity;         /* of the fold */
} sink_tape;

typedef struct {
    uint32_t first_level; /* of the stage's own axes; row_level when rows are points */
    uint32_t row_level;
    uint32_t width; /* lanes of the longest row: at most ROW, and 1 when sinks of the stage depend on each other from point to point */
    int64_t extent[MAX_LEVELS];
    bool empty; /* a loop of the stage has no iterations: nothing may be read */
    VEC(instr *) outer[MAX_LEVELS]; /* instructions below the row level, by level */
    VEC(instr *) lazy;
    uint32_t n_sinks;
    sink_tape *sink;
} stage_tape;

/* What all stages of a nest share while it runs. */
typedef struct {
    const interp *in;
    const nest *nest;
    arena *mem;
    bool rows_are_points; /* no stage has axes: rows go along the innermost parallel axis */
    uint32_t n_outer;     /* parallel axes, in the order they are walked */
    dim outer[NEST_AXES];
    tensor_ref **slot;    /* by slot, made on first use */
    acc_value *acc;       /* by accumulator id */
} nest_run_state;

tensor_ref *tape_slot(nest_run_state *r, slot s);
int64_t tape_dim(const nest_run_state *r, dim d); /* without axes: its number in this run */
void tape_stage(nest_run_state *r, const stage *g, stage_tape *t);
#endif
