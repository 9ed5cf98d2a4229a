/* plan.h - from fused steps to a placed program: kernels chosen, every slot laid out, every buffer given its place.
 *
 * Order: plan_limits, plan_alias, plan_widen, plan_narrow, plan_tables, plan_pairs, plan_conv_layout, plan_layout, plan_winograd, plan_bands, plan_borders, plan_select, plan_layout for the slots that selection made, plan_joins, plan_flatten, for CUDA plan_host, plan_memory, plan_threads.
 * Emitters only print what these decide. */
#ifndef ONNXCC_PLAN_PLAN_H
#define ONNXCC_PLAN_PLAN_H
#include "expr/nest.h"
#include "target/target.h"

typedef struct {
    const target *target;
    math_mode math;
    int threads;
    gpu_precision gpu_precision;
    optimize_mode optimize;
    precision_mode precision;
    struct tuning *tuning; /* measured choices (tuning.h); NULL: none */
} plan_options;

/* Refuses values whose size in bytes leaves the 64-bit range: EXIT_LIMIT. Right after lowering. */
bool plan_limits(program *p);

/* Keeps float16 and bfloat16 around products and convolutions as rounded float32 (widen.c). After fuse, before any layout. */
void plan_widen(program *p, const plan_options *o);

/* After the type of slots has changed, each from was[slot] (ELEM_NONE: it has not): loads follow, and with `round`, values are rounded to the type that they had
 * before they are stored. */
void plan_retype(program *p, const elem *was, bool round);
/* With --precision: which products and convolutions read operands of 16 bits, and what lies in memory so for them (narrow.c). After plan_widen. */
void plan_narrow(program *p, const plan_options *o);
/* The parameters ACC_T, DOT2, TOTAL and CHAIN of gemm_half and conv_half for operands of that type. */
enum { NARROW_BINDINGS = 4 };
void narrow_bindings(program *p, const plan_options *o, elem narrow, binding *to);

/* Computes what lookups in tables of bytes would give, where that is cheaper (table.c). After fuse, before any layout. */
void plan_tables(program *p, const plan_options *o);

/* The same for what is computed from two bytes (pairs.c). */
void plan_pairs(program *p, const plan_options *o);
ex pair_computed(exprs *x, ex e); /* e, or the same integer of two bytes computed otherwise */

/* Chooses channel blocks and halos for what convolutions read and write (conv_layout.c). */
void plan_conv_layout(program *p, const plan_options *o);
bool conv_is_depthwise(program *p, const kernel *k);
/* The block of channels that the kernel for this convolution reads its input in; 0: there is no kernel for it. */
int conv_input_block(program *p, const kernel *k, int vl);

/* Steps that write the halos (borders.c), after the first plan_layout; after plan_select, those that are one job with the step before. */
void plan_borders(program *p);
void plan_joins(program *p);

/* Splits each transposed convolution into ordinary ones (phases.c). After plan_alias, before plan_conv_layout. */
void plan_phases(program *p);
/* Chooses the convolutions that Winograd's algorithm computes (winograd.c): conv_params.winograd. After plan_conv_layout and plan_layout. */
winograd_use plan_winograd(program *p, const plan_options *o);

/* Convolutions that go through an image together, a band of rows at a time (bands.c). After plan_winograd, before plan_borders. */
void plan_bands(program *p, const plan_options *o);

/* Replaces every K_MATMUL and K_CONV by a bound kernel with its packed operands, or by a nest where no kernel fits. */
bool plan_select(program *p, const plan_options *o);
/* Lists what a hook's expression loads among the kernel's arguments, each slot once. */
void kernel_note_loads(program *p, kernel *k, ex element);
/* The packed operands and templates for one K_MATMUL: fills *out with the steps that replace it. False: no kernel fits, use a nest. */
bool select_matmul(program *p, const plan_options *o, const step *s, block *out);

/* Products around a softmax in b as one step each (attention.c). Its sums depend on the vectors, so not in strict mode. */
void select_attention(program *p, const plan_options *o, block *b);

/* The same for one K_CONV (conv.c). */
bool select_conv(program *p, const plan_options *o, const step *s, block *out);
/* Of bytes, without vectors (qconv_plain.c). */
bool select_qconv_plain(program *p, const step *s, block *out);
/* Appends the template k, with one hook, in place of step s; what the hook loads becomes arguments. */
void append_template(program *p, const step *s, kernel k, block *out);

/* The same two for CUDA (cuda.c). */
bool cuda_select_matmul(program *p, const plan_options *o, const step *s, block *out);
bool cuda_select_conv(program *p, const plan_options *o, const step *s, block *out);

/* Runs packing nests whose operands are all constant: `packed` becomes a constant and the steps vanish. False: they must run. */
bool pack_now(program *p, block *steps, slot packed);
bool ex_is_constant(program *p, ex e); /* loads constants only */
bool ex_has_division(program *p, ex e); /* an index in it divides an axis or takes it modulo something */

/* Output `out` and input `in`, a pair of --state, are one place where the one is the other with more in it (cache.c). After fuse, before any layout. Leaves alone what
 * does not fit. */
void plan_cache(program *p, const char *out, const char *in);
slot slot_named(const program *p, const slot *list, uint32_t n, const char *name); /* 0: none of them has that name */

/* Drops copies that keep the row-major order: one slot becomes a view of the other (slot_info.alias_of). After fuse, before any layout:
 * slots with alias_of or has_views lie dense and row-major. What convolutions touch is left alone, for they choose their layout. */
void plan_alias(program *p);

/* Gives every slot but locals that has none yet a view of a buffer: aliases share one, the rest is row-major. */
void plan_layout(program *p);
/* Numbers the steps (step.id, from 1) and rewrites their nests and hooks to flat addresses. */
void plan_flatten(program *p);

/* What reports say about steps (work.c): multiply-adds of a K_MATMUL or K_CONV; of a step, as far as known: products, convolutions and sums of
 * products; of all steps, each body of a loop or branch once; bytes of the tensors that a step reads and writes. */
dim matrix_work(program *p, const kernel *k);
dim step_work(program *p, const step *s);
dim band_work(program *p, const step *s); /* with that of the steps in it, of a band */
dim program_work(program *p);
dim step_bytes(program *p, const step *s);
/* About how long a step takes on one thread of a fast processor with the target's vectors, in ns, for what is worth handing to threads; -1: not known. */
double step_ns(program *p, const step *s, const target *t);
/* The same where only the run knows sizes, of its arithmetic, and so of the sizes of its axes alone. 0: not known. */
dim step_ns_at_run(program *p, const step *s, const target *t);

/* The parameter of that name, which may be changed; NULL: it has none (split.c). */
binding *kernel_binding(const kernel *k, const char *name);
/* The kernel of a recurrent cell goes by hidden units, one step after the other (recurrent.c), which serves threads where sequences are fewer or only the run knows
 * how many; false: it can't, or threads have sequences enough. And back again. */
bool recurrent_by_units(program *p, step *s, int threads);
void recurrent_by_sequences(program *p, step *s);

/* After a run, buffer `from` is copied over buffer `to`, both in the state; from == to: the run works in place. */
typedef struct {
    uint32_t from, to;
} state_move;

/* One piece of memory that the caller gives to a run. */
typedef struct {
    bool dynamic;        /* some size has no bound: offsets are formulas, see `place` */
    int64_t bytes;       /* static: bytes; dynamic: -1 */
    int64_t lower_bound; /* largest sum of live bytes over time; -1 when dynamic */
    int64_t logical;     /* sum of all buffers in it */
    /* dynamic: buffers share regions one after the other; a region's size is the largest of its buffers' */
    VEC(uint32_t) order;  /* buffers by region */
    VEC(uint32_t) region; /* by buffer: its region */
    uint32_t n_regions;
} memory_area;

/* Where every TEMP and STATE buffer lies. */
typedef struct {
    memory_area arena;
    memory_area host; /* CUDA: of steps on the host, their copies of what the device has included */
    int64_t weights_bytes;
    uint32_t n_steps;
    int64_t state_bytes; /* of the memory that the caller keeps between runs */
    VEC(state_move) state;
} memory_plan;
void plan_memory(program *p, memory_plan *out);
/* After plan_memory: output `out` becomes input `in` of the next run, both in the state (state.c). False after reporting. */
bool plan_state(program *p, const char *out, const char *in, memory_plan *plan);
/* After plan_memory: the axis that a nest is split along (nest.split) and, with o->threads of 2 or more, which steps are split and in what pieces (step.grain; threads.c). */
void plan_threads(program *p, const plan_options *o);
/* Is the arena, with the state, at most `limit` bytes? Else false after reporting the step in which most is alive, what is, and what would help (ram.c). */
bool plan_fits(program *p, const memory_plan *plan, int64_t limit);
/* CUDA, after plan_flatten: which steps run on the host (host.c). After plan_in_place, in plan_memory: who uses which buffer. */
void plan_host(program *p);
void plan_sides(program *p);
/* The number that a control step reads is written by steps of the host alone, and read there. */
bool scalar_on_host(program *p, slot s);
void plan_in_place(program *p); /* part of plan_memory (inplace.c): buffers that share memory because one dies as the other begins */

/* Calls f for every step, in execution order, bodies after their control step. */
void program_steps(program *p, void (*f)(void *ctx, step *s), void *ctx);

/* The sizes that the run decides, in the order in which it does, and what they are between: `most` is a formula of sizes known before the run, or the symbol
 * itself where nothing bounds it. After lowering (run_sizes.c). */
typedef struct {
    VEC(dim) symbol, least, most;
    VEC(const char *) what; /* the nodes of the step that reads it; NULL: it is the number of a loop's turn, which sizes in its body may have in them */
} run_sizes;
run_sizes run_sizes_of(program *p);
dim capacity_of(const run_sizes *s, dim symbol);       /* its `most`; 0: the run does not decide it */
dim at_capacity(dims *t, const run_sizes *s, dim d);   /* what d is at most, of sizes known before the run */
#endif
