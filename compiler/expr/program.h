/* program.h - the plan: a program of blocks of steps over slots. Lowering makes it, fusion rewrites it, layout and memory place it, emitters print it. */
#ifndef ONNXCC_EXPR_PROGRAM_H
#define ONNXCC_EXPR_PROGRAM_H
#include "expr/expr.h"

/* Where a tensor, or a part of one, lies: logical index -> element of a buffer. A dimension of block c > 1 lies as i/c * stride + i%c * inner
 * (NCHWc); otherwise as i * stride. Halo cells exist in memory around the extent: index -halo_lo .. extent + halo_hi - 1 is addressable. Where only some
 * rows at a time are in memory (bands.c), i lies as i - first. */
typedef struct {
    uint32_t buf; /* index in program.buf; 0: not placed */
    uint8_t rank;
    dim offset; /* elements from the start of the buffer to index 0,...,0 */
    struct view_dim {
        dim stride, inner;
        int32_t block, halo_lo, halo_hi;
        dim first; /* a symbol of the run: the index, halo included, of the first one in memory; 0: all are */
    } d[MAX_RANK];
} view;

typedef enum {
    SLOT_INPUT,  /* the caller's */
    SLOT_OUTPUT, /* the caller's */
    SLOT_CONST,  /* weights: `data` */
    SLOT_TEMP,   /* in the arena */
    SLOT_LOCAL,  /* in one nest only: registers or a small array inside the step; has only the dims its stages walk */
    SLOT_STATE,  /* kept by the caller between runs */
    SLOT_DEAD
} slot_kind;

typedef struct {
    const char *name; /* the ONNX value's, or one made from the step; unique is not required */
    elem type;
    slot_kind kind;
    uint8_t rank;
    dim extent[MAX_RANK];
    slot alias_of;      /* plan_alias: this slot is a part of that one, in row-major order from element alias_offset on; 0: it is not */
    dim alias_offset;
    bool has_views;     /* another slot is a part of this one */
    view view;          /* after layout */
    int32_t halo_value; /* what the halo's cells hold */
    int32_t read_past;  /* elements behind the last that a kernel may read, whatever they are */
    const tensor *data; /* CONST, row-major, little-endian; after packing in the view's layout */
    value_id value;     /* of the model; 0: none */
    bool pairs;         /* complex numbers: `type` is that of their parts, which are a last dimension of 2 that operators don't see */
    bool keep;          /* TEMP: what it holds is needed to the end of the run (bytes that strings of an output point to) */
    uint32_t io;        /* INPUT, OUTPUT, STATE: position among the model's inputs or outputs */
} slot_info;

typedef enum { DEVICE_READS = 1, DEVICE_WRITES = 2, HOST_READS = 4, HOST_WRITES = 8 } buf_side;

/* A piece of memory; what plan/memory.c places. */
typedef struct {
    slot_kind kind;      /* INPUT, OUTPUT, CONST, TEMP, STATE */
    elem type;           /* of the first slot in it */
    dim elems;           /* size in elements, halo and padding included */
    uint32_t io;
    int64_t offset;      /* TEMP: bytes into the arena (static and bounded plans); CONST: into the weights; STATE: into the state */
    int64_t bytes_max;   /* at the upper bounds of all dims */
    int64_t host_offset; /* the same in the host's memory, where a step of the host uses it */
    uint32_t first, last; /* steps in the linear order between which it is alive */
    uint8_t sides;       /* CUDA with steps on the host: who uses it (buf_side); 0: the device */
} buf_info;

/* ---- steps ---- */
typedef enum { STEP_NEST, STEP_KERNEL, STEP_IF, STEP_LOOP, STEP_BIND, STEP_CHECK, STEP_BAND } step_kind;

typedef enum { BIND_DIM, BIND_FLOAT, BIND_TYPE, BIND_TEXT } bind_kind;
typedef struct {
    const char *name; /* upper-case identifier in the template */
    bind_kind kind;
    dim d;            /* BIND_DIM: a literal, or a C expression of run-time dims in parentheses */
    double f;         /* BIND_FLOAT: printed as float literal; type says which */
    elem type;        /* BIND_TYPE: its C name; BIND_FLOAT: float or double */
    const char *text; /* BIND_TEXT: copied */
} binding;

typedef enum { ARG_IN, ARG_OUT, ARG_INOUT, ARG_SCRATCH } arg_role;
typedef struct {
    slot slot;
    arg_role role;
} kernel_arg;

/* A small function printed above the kernel: value at logical index axis[0..n), which the kernel calls with the index of lane 0.
 * An epilogue gets the accumulator as EX_ACC 0 and stores to `to`; a prologue gives the element instead of a plain load; a map (`to` 0, too) gets the
 * accumulator and gives what the kernel goes on with. */
typedef struct {
    const char *name; /* identifier in the template: OUT, A_LOAD, ... */
    bool map;
    uint8_t n_axes;
    dim axis[MAX_RANK];
    ex value;
    slot to; /* epilogue: where the result goes, at at[] */
    uint8_t n;
    ex at[MAX_RANK];
    bool int_acc; /* the accumulator is int32, else float */
    bool flat; /* set by hook_flatten: loads and the store have one index, the offset in the buffer */
} hook;

/* A kernel that another one calls by the name that stands for its parameter `param`. */
typedef struct {
    const char *param, *name;
    uint32_t n_bind;
    binding *bind;
} kernel_part;

/* How a kernel of CUDA is launched: `blocks` of `threads` threads, which have `shared` bytes together. blocks 0: it is none. */
typedef struct {
    dim blocks;
    int threads;
    int64_t shared;
} launch_shape;

typedef enum { K_TEMPLATE, K_MATMUL, K_CONV } kernel_kind;

/* Conv as lowered, before layout and selection: spatial rank 1..3. */
typedef struct {
    uint32_t rank; /* spatial dimensions */
    int64_t kernel[3], stride[3], dilation[3], pad_lo[3], pad_hi[3];
    int64_t group;
    int32_t x_zero, w_zero; /* of integers: what is subtracted from each element; padding is x_zero. 0 for floats */
    elem narrow; /* the type that the input lies in memory as, set by plan_narrow; ELEM_NONE: float32, or bytes */
    int winograd; /* set by plan_winograd: side of the tiles, 4 or 2; 0: it is another way */
    int sides;    /* those that it might have, added up */
    int64_t rows;  /* set by plan_bands: it makes about so many rows at a time; 0: all of them */
    bool transposed; /* the weights are [in][out per group][kernel...], stride and dilation are those of the output, pad_lo is what it loses: until plan_phases */
} conv_params;

/* C[batch..., m, n] = sum over k A[batch..., m, k] * B[batch..., k, n], indexes through the axes of the expressions a and b. */
typedef struct {
    uint8_t n_batch;
    dim batch[MAX_RANK]; /* axes */
    dim m, n, k;         /* axes (the constant 0 where the extent is 1) */
    ex a, b;             /* loads (or prologue expressions) over those axes */
    int64_t block;       /* b is integers of a few bits with a scale for each of these many k; 0: it is not */
    bool bytes;          /* such blocks of a may be rounded to int8 */
    elem narrow;         /* the type that operands are rounded to, set by plan_narrow; ELEM_NONE: what they are */
} matmul_params;

/* Convolutions by Winograd's algorithm, and `left`, those that --optimize=speed would add or give larger tiles: bytes that their weights take more, multiply-adds that they take less. */
typedef struct {
    uint32_t layers, left;
    int64_t bytes, saved, left_bytes, left_saved;
} winograd_use;

/* What the range of a step stands for. */
typedef enum {
    SPLIT_OTHER,
    SPLIT_ROWS,     /* of the images that it writes, and of those that it reads, as far as strides let them be */
    SPLIT_CHANNELS, /* of both, likewise */
    SPLIT_FILTERS   /* channels that it writes; it reads all */
} split_by;

typedef struct kernel {
    kernel_kind kind;
    const char *name; /* in kernels.def; set by selection for MATMUL and CONV */
    uint32_t n_bind, n_arg, n_hook, n_part;
    binding *bind;
    kernel_part *part;
    kernel_arg *arg;
    hook *hook;
    conv_params conv;
    matmul_params matmul;
    uint32_t lane; /* which axis of the hook its vectors go along */
    const struct custom_call *custom; /* a call of the user's function, see ops/custom.h, instead of a template */
    int64_t thread_scratch; /* elements of the first scratch argument that each thread has for itself; its slot holds as many as there are threads. 0: there is none */
    bool takes_env; /* behind its pointers it takes the run's environment, and it returns 0 or the code with which the run ends */
    dim range;     /* extent of the dimension that (lo, hi) splits; 0: cannot be split */
    int64_t unit;  /* pieces of the range should be multiples of this; 0: of 1 */
    dim turns, turn; /* how often the range is gone through, each time when all of the last is done, and a symbol for which time it is; 0: once */
    split_by by;   /* what (lo, hi) are */
    dim ops;       /* operations on scalars, about, to go through the range once, where the step's work says too little of its time; 0: not known */
    double cells;  /* that it writes, where it touches no more of its tensors; 0: it does */
    const char *shape; /* what tuning files call it (plan/tuning.h); NULL: nothing */
    bool fast;         /* it rounds more than the default, as --math=fast permits */
    struct step *joined, *leader; /* the next step, whose range is split with this one's and done in the same parts; in that step, this one. NULL: none */
    launch_shape launch;
} kernel;

typedef struct block block;

/* Of steps that go through an image together: a convolution, and what fills the cells around its output. */
typedef struct {
    int64_t height;             /* rows of an image that it makes */
    int64_t stride, pad, reach; /* for its row r it reads row r * stride - pad and the reach - 1 behind it, of what the part before makes */
    slot to;                    /* where its rows lie */
    dim first;                  /* the first one that is in memory, a symbol; 0: all are, of the last part */
    int64_t room;               /* rows of memory, those around the image included */
    int64_t own;                /* elements of memory for each thread */
    int64_t top, bottom;        /* rows around the image */
} band_part;

/* Makes the rows of every image in turn, `rows` of the last part at a time: each part makes those that the next one reads and that it has not made yet. What
 * is in memory moves along: rows that are still to be read go to its front. Each step with a hook begins a part. */
typedef struct band {
    dim images;
    int64_t rows;
    uint32_t n;
    band_part *part;
} band;

/* if: two blocks that write the same slots. loop: runs body while i < trip and cond; carried pairs move from `next` to `state` after each
 * turn. bind: reads an integer scalar into a symbol and checks its capacity. check: ends the run with an error where an integer scalar is not 0. band: `then` are
 * the steps of its parts. */
typedef struct control {
    slot cond;      /* IF; LOOP: 0 for none. BIND, CHECK: the scalar read */
    block *then, *otherwise; /* IF; LOOP: the body is `then` */
    slot trip;      /* LOOP: int64 scalar; 0: no limit */
    dim index;      /* LOOP: a symbol that stands for the iteration number inside the body */
    dim turns;      /* LOOP: what their number can't exceed; 0: not known before the run */
    slot cond_next; /* LOOP: computed by the body; 0 for none */
    uint32_t n_carried;
    slot *state, *next;
    dim symbol;   /* BIND */
    dim capacity; /* BIND: what the symbol can't exceed, of sizes known before the run; 0: the symbol's upper bound */
    const char *error; /* CHECK: the code, ONNXCC_E_... */
    const band *band; /* BAND */
    bool guard;   /* BIND: only checks that the scalar, an index, is below the capacity; the symbol is set by another bind later */
} control;

typedef struct step {
    step_kind kind;
    const char *what; /* ONNX nodes: "'Conv_0' (Conv) + 'Relu_1' (Relu)" */
    nest *nest;
    kernel *kernel;
    control *control;
    uint32_t id; /* position in the linear order, from 1; set by plan */
    struct step *band; /* the STEP_BAND that it is a part of; NULL: none */
    bool host;   /* CUDA: it runs on the host, because it touches strings */
    dim work;    /* multiply-adds, of what was a K_MATMUL or K_CONV; 0: see step_work */
    int64_t grain; /* the least part of its range that is worth a thread's time, set by plan_threads; 0: one thread does it all */
    dim ns_at_run; /* where only the run knows sizes: about how long it takes, which decides how many grains go together; 0: that is not known */
} step;

struct block {
    VEC(step *) steps;
    graph_id graph; /* of an If's branch; else 0 */
};

/* A size of the state alone: what it is after a run. */
typedef struct {
    dim before, after;
} growth;

typedef struct program {
    arena *mem;
    model *model; /* for names and messages */
    dims *dims;
    exprs *ex;
    diag *diag;
    VEC(slot_info) slot; /* [0] is unused */
    VEC(buf_info) buf;   /* [0] is unused */
    block main, before; /* lowering: steps that go before all others of main */
    bool in_sequence;   /* lowering: one processor runs it, for which a kernel of fewer operations is better than a nest whose points are independent */
    dim turns;          /* lowering: how often the block that is made runs at most; 0: not known before the run */
    uint32_t n_acc; /* accumulators given out; ids start at 1, 0 is the kernel's in a hook */
    VEC(slot) inputs, outputs;
    VEC(dim) symbols; /* run-time dims, in order of appearance in the inputs' shapes, then bound ones */
    VEC(growth) grows; /* along which tensors of --state become longer (cache.c) */
} program;

program *program_new(arena *mem, model *m);
slot slot_new(program *p, const char *name, elem type, slot_kind kind, uint32_t rank, const dim *extent);
static inline slot_info *slot_at(program *p, slot s)
{
    return &p->slot.p[s];
}
bool has_strings(const program *p); /* a slot holds strings */
uint32_t acc_new(program *p);
/* The index, as int32, of a load from a constant table of 256 bytes by a byte that something computes; 0: it is none. `load`: not a node in place, which
 * making another one may move. */
ex table_index(program *p, const ex_node *load);

/* What a step reads and writes (hooks, scratch and nested blocks included): f is called at most once for reading and at most once for
 * writing a slot, so a slot that is updated in place (a fold into it, an ARG_INOUT) comes twice. Scratch counts as written. */
void step_access(program *p, const step *s, void (*f)(void *ctx, slot s, bool written), void *ctx);
void program_text(program *p, text *out); /* --dump=plan: print-only listing */
#endif
