/* ops.c - the registry and the vocabulary for operators' blocks; see ops.h. */
#include "ops/ops.h"

#include <string.h>

#include "ops/families.h"

static const op_def TABLE[] = {
#define OP(domain, name, infer, decompose, lower) {domain, #name, infer, decompose, lower},
#include "ops/ops.def"
#undef OP
};
enum { N_OPS = sizeof TABLE / sizeof *TABLE };

const op_def *op_table(uint32_t *n)
{
    *n = N_OPS;
    return TABLE;
}

const op_def *op_find(const char *domain, const char *name)
{
    for (uint32_t i = 0; i < N_OPS; i++)
        if (*TABLE[i].name == *name && !strcmp(TABLE[i].name, name) && !strcmp(TABLE[i].domain, domain)) return &TABLE[i]; /* a model may have 2^16 nodes */
    return NULL;
}

/* ---- infer ---- */

static bool report(model *m, const node *n, exit_code e, const char *code, const char *fmt, va_list ap)
{
    const char *msg = arena_vprintf(m->mem, fmt, ap);
    return diag_error(m->diag, e, at_node(m, n), code, "%s", msg);
}

bool infer_error(infer_ctx *c, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(c->m, c->n, EXIT_INVALID, code, fmt, ap);
    va_end(ap);
    return false;
}

bool infer_unsupported(infer_ctx *c, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(c->m, c->n, EXIT_UNSUPPORTED, code, fmt, ap);
    va_end(ap);
    return false;
}

bool lower_unsupported(lower_ctx *c, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(c->m, c->n, EXIT_UNSUPPORTED, code, fmt, ap);
    va_end(ap);
    return false;
}

const type *in_type(infer_ctx *c, uint32_t i)
{
    const value_id v = node_in(c->n, i);
    return v ? &value_at(c->m, v)->type : NULL;
}

elem in_elem(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    return t && t->kind == TYPE_TENSOR ? t->elem : ELEM_NONE;
}

int32_t in_rank(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    return t && t->kind == TYPE_TENSOR ? t->rank : -1;
}

dim in_dim(infer_ctx *c, uint32_t i, int32_t axis)
{
    const type *t = in_type(c, i);
    if (t && t->kind == TYPE_TENSOR && axis >= 0 && axis < t->rank) return t->shape[axis];
    if (t && t->kind == TYPE_TENSOR && t->rank >= 0)
        infer_error(c, "shape-rank", "input %u '%s' has %d dimensions: too few", i, value_at(c->m, c->n->in[i])->name, t->rank);
    else if (need_rank(c, i)) infer_error(c, "input-missing", "input %u is missing", i);
    c->wrong = true;
    return dim_const(c->d, 1);
}


const dim *value_content(model *m, value_id id, uint32_t *count)
{
    value *v = value_at(m, id);
    const int64_t n = v->data ? tensor_count(v->data) : 0; /* an empty constant has no data, but is known */
    if (!v->content && v->data && (v->data->data || !n) && strchr("iub", elem_of(v->data->type)->kind) && n <= MAX_CONTENT) {
        v->n_content = (uint32_t)n;
        v->content = ARENA_ARRAY(m->mem, dim, v->n_content + 1);
        for (uint32_t i = 0; i < v->n_content; i++) v->content[i] = dim_const(m->dims, elem_get_int(v->data->type, v->data->data, i));
    }
    *count = v->content ? v->n_content : 0;
    if (!v->content) note_asked(m, id);
    return v->content;
}

const dim *in_content(infer_ctx *c, uint32_t i, uint32_t *count)
{
    *count = 0;
    const value_id v = node_in(c->n, i);
    return v ? value_content(c->m, v, count) : NULL;
}

bool in_scalar(infer_ctx *c, uint32_t i, dim *out)
{
    uint32_t n;
    const dim *d = in_content(c, i, &n);
    if (!d || n != 1) return false;
    *out = d[0];
    return true;
}

const tensor *in_data(infer_ctx *c, uint32_t i)
{
    const value_id v = node_in(c->n, i);
    if (v && !value_at(c->m, v)->data) note_asked(c->m, v);
    return v ? value_at(c->m, v)->data : NULL;
}

bool need_rank(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    if (!t) return true;
    const char *name = value_at(c->m, c->n->in[i])->name;
    if (t->kind != TYPE_TENSOR && t->kind != TYPE_UNKNOWN) return infer_error(c, "type-kind", "input %u '%s' is not a tensor", i, name);
    if (t->kind == TYPE_TENSOR && t->rank >= 0) return true;
    if (value_at(c->m, c->n->in[i])->producer && infer_is_partial(c)) { /* one line for all that follows from what was said of the nodes before */
        infer_unsupported(c, "rank-unknown", "an input has an unknown number of dimensions, because of what computes it");
        return diag_hint(c->m->diag, "give the shape of '%s' with --infer-hint %s=...", name, name);
    }
    infer_unsupported(c, "rank-unknown", "input %u '%s' has an unknown number of dimensions", i, name);
    return diag_hint(c->m->diag, "give its shape with --shape %s=...", name);
}

bool fix_axis(infer_ctx *c, int64_t axis, int32_t rank, uint32_t *out)
{
    if (axis < -rank || axis >= rank) return infer_error(c, "axis-range", "axis %lld is outside [%d, %d)", (long long)axis, -rank, rank);
    *out = (uint32_t)(axis < 0 ? axis + rank : axis);
    return true;
}

bool has_out(infer_ctx *c, uint32_t i)
{
    return i < c->n->n_out && c->n->out[i];
}

dim out_unknown(infer_ctx *c, const char *stem)
{
    const char *name = decided_name(c->m, c->n, stem);
    return limit_decided(c->m, dim_fresh(c->d, name, 0, INT64_MAX), name);
}

const char *decided_name(model *m, const node *n, const char *stem)
{
    const char *name = *n->name ? n->name : n->n_out && n->out[0] ? value_at(m, n->out[0])->name : n->op;
    return arena_printf(m->mem, "%s.%s", stem, name);
}

dim limit_decided(model *m, dim symbol, const char *name)
{
    if (is_decided(m, symbol)) return symbol;
    VEC_PUSH(m->mem, m->decided, symbol);
    for (uint32_t i = 0; i < m->limits.n; i++) {
        size_limit *l = &m->limits.p[i];
        if (strcmp(l->name, name) && strcmp(l->name, dim_name(m->dims, symbol))) continue;
        dim_narrow(m->dims, symbol, l->lo, l->hi);
        l->used = true;
    }
    return symbol;
}

dim decided_symbol(model *m, node_id id, const char *stem, int64_t most)
{
    const node *n = node_at(m, id);
    const char *asked = decided_name(m, n, stem), *name = asked;
    for (node_id k = 1; k < id && name == asked; k++)
        if (*n->name && node_at(m, k)->name && !strcmp(node_at(m, k)->name, n->name)) name = arena_printf(m->mem, "%s.%u", asked, id);
    return limit_decided(m, dim_symbol(m->dims, name, 0, most), asked);
}

bool is_decided(const model *m, dim d)
{
    for (uint32_t i = 0; i < m->decided.n; i++)
        if (m->decided.p[i] == d) return true;
    return false;
}

/* A size that the run decides and nothing bounds is at most what the model declares; the run checks it. */
static void limit_by_declaration(infer_ctx *c, const type *declared, int32_t rank, const dim *shape)
{
    int64_t most;
    if (declared->kind != TYPE_TENSOR || declared->rank != rank) return;
    for (int32_t k = 0; k < rank; k++)
        if (is_decided(c->m, shape[k]) && dim_range(c->d, shape[k]).hi == INT64_MAX && dim_is_const(c->d, declared->shape[k], &most)) dim_narrow(c->d, shape[k], 0, most);
}

/* Numbers that contradict each other; a size that is a symbol agrees with any. */
static bool agrees_with_declared(infer_ctx *c, uint32_t i, const char *name, const type *declared, int32_t rank, const dim *shape)
{
    int64_t a, b;
    if (declared->kind != TYPE_TENSOR || declared->rank < 0 || rank < 0) return true;
    if (declared->rank != rank)
        return infer_error(c, "shape-mismatch", "output %u '%s' is declared with %d dimensions, but the operator gives %d", i, name, declared->rank, rank);
    for (int32_t k = 0; k < rank && infer_sizes_hold(c); k++)
        if (dim_is_const(c->d, declared->shape[k], &a) && dim_is_const(c->d, shape[k], &b) && a != b)
            return infer_error(c, "shape-mismatch", "dimension %d of output %u '%s' is declared %lld, but the operator gives %lld", k, i, name, (long long)a, (long long)b);
    return true;
}

/* Where that is no error, what the operator gives holds, as in onnxruntime: exporters get declarations wrong. */
static void warn_of_declared(infer_ctx *c, uint32_t i, const type *declared, int32_t rank, const dim *shape)
{
    int64_t a, b;
    const value *v = value_at(c->m, c->n->out[i]);
    if (declared->kind != TYPE_TENSOR || declared->rank < 0 || rank < 0) return;
    if (declared->rank != rank)
        diag_warn(c->m->diag, at_node(c->m, c->n), "shape-mismatch", "output %u '%s' is declared with %d dimensions, but the operator gives %d: that is taken", i, v->name, declared->rank, rank);
    for (int32_t k = 0; declared->rank == rank && k < rank; k++)
        if (dim_is_const(c->d, declared->shape[k], &a) && dim_is_const(c->d, shape[k], &b) && a != b) /* no name: a wrong batch is wrong everywhere, and said once */
            diag_warn(c->m->diag, at_node(c->m, c->n), "shape-mismatch", "dimension %d of output %u is declared %lld, but the operator gives %lld: that is taken", k, i, (long long)a, (long long)b);
}

bool out_tensor(infer_ctx *c, uint32_t i, elem e, int32_t rank, const dim *shape)
{
    if (!has_out(c, i)) return true;
    value *v = value_at(c->m, c->n->out[i]);
    type *old = &v->type;
    if (old->kind == TYPE_TENSOR && old->elem != ELEM_NONE && e != ELEM_NONE && old->elem != e)
        return infer_error(c, "type-mismatch", "output %u '%s' is declared %s, but the operator gives %s", i, v->name, elem_of(old->elem)->name,
                           elem_of(e)->name);
    if (infer_is_strict(c) && !agrees_with_declared(c, i, v->name, old, rank, shape)) return false;
    warn_of_declared(c, i, old, rank, shape);
    if (rank < 0 && infer_is_partial(c) && old->kind == TYPE_TENSOR && old->rank >= 0) { /* as onnx: what is declared says more */
        rank = old->rank;
        shape = old->shape;
    }
    dim *own = NULL;
    int64_t size;
    for (int32_t k = 0; k < rank && !infer_only_checks(c); k++) /* onnx's inference does not look */
        if (dim_is_const(c->d, shape[k], &size) && size < 0) return infer_error(c, "shape-negative", "dimension %d of output %u '%s' is %lld", k, i, v->name, (long long)size);
    if (rank >= 0) {
        limit_by_declaration(c, old, rank, shape);
        own = shape_new(c->m, (uint32_t)rank);
        if (rank) memcpy(own, shape, (size_t)rank * sizeof *own);
    }
    bool is_long = dims_too_long(c->d);
    for (int32_t k = 0; k < rank; k++) is_long |= dim_length(c->d, own[k]) > DIM_LONG;
    if (is_long) {
        infer_unsupported(c, "size-formula", "the formula of a size of output %u '%s' has more than %d parts", i, v->name, DIM_LONG);
        return diag_hint(c->m->diag, "give sizes of the inputs as numbers, with --dim or --shape when compiling");
    }
    if (dims_overflowed(c->d)) return infer_error(c, "size-overflow", "the size of output %u '%s' does not fit 64 bits", i, v->name);
    v = value_at(c->m, c->n->out[i]);
    v->type = type_tensor(e, rank, own);
    return true;
}

bool out_like(infer_ctx *c, uint32_t i, uint32_t input)
{
    const type *t = in_type(c, input);
    return out_tensor(c, i, t->elem, t->rank, t->shape);
}

void out_content(infer_ctx *c, uint32_t i, const dim *content, uint32_t n)
{
    if (!has_out(c, i) || n > MAX_CONTENT) return;
    value *v = value_at(c->m, c->n->out[i]);
    v->content = arena_copy(c->m->mem, content, n * sizeof *content);
    v->n_content = n;
}

/* Is this claimed where it holds for the node, too? */
static bool claimed(infer_ctx *c, size_relation is, dim a, dim b)
{
    for (uint32_t i = 0; i < c->m->claims.n; i++) {
        const size_claim *p = &c->m->claims.p[i];
        if (p->is != is || p->a != a || p->b != b) continue;
        for (graph_id g = c->n->graph; g; g = graph_at(c->m, g)->parent)
            if (g == p->graph) return true;
    }
    return false;
}

static void claim(infer_ctx *c, size_relation is, dim a, dim b)
{
    VEC_PUSH(c->m->mem, c->m->claims, ((size_claim){a, b, is, c->n->graph}));
}

bool assume_equal(infer_ctx *c, dim a, dim b)
{
    int64_t x, y;
    if (a == b) return true;
    if (dim_is_const(c->d, a, &x) && dim_is_const(c->d, b, &y)) return false;
    if (dim_lt(c->d, a, b) || dim_lt(c->d, b, a)) return false;
    if (!claimed(c, SIZE_EQUAL, a, b) && !claimed(c, SIZE_EQUAL, b, a)) claim(c, SIZE_EQUAL, a, b);
    return true;
}

/* `check` gives the verdict of the standard's inference, which looks at the operands of few operators. */
static bool misfit(infer_ctx *c, uint32_t i)
{
    return infer_only_checks(c) || infer_error(c, "shape-mismatch", "the shape of input %u does not fit the other inputs", i);
}

bool dim_fits(infer_ctx *c, uint32_t i, int32_t axis, dim size)
{
    if (!node_in(c->n, i) || in_rank(c, i) < 0) return true;
    return (axis < in_rank(c, i) && assume_equal(c, in_dim(c, i, axis), size)) || misfit(c, i);
}

bool shape_fits(infer_ctx *c, uint32_t i, int32_t rank, const dim *shape)
{
    if (!node_in(c->n, i) || in_rank(c, i) < 0) return true;
    if (in_rank(c, i) != rank) return misfit(c, i);
    for (int32_t k = 0; k < rank; k++)
        if (!dim_fits(c, i, k, shape[k])) return false;
    return true;
}

bool shape_stretches(infer_ctx *c, uint32_t i, int32_t rank, const dim *shape)
{
    if (!node_in(c->n, i) || in_rank(c, i) < 0) return true;
    const int32_t own = in_rank(c, i);
    for (int32_t k = 1; k <= own; k++) {
        const dim d = in_dim(c, i, own - k);
        if (!dim_is(c->d, d, 1) && !assume_equal(c, d, k <= rank ? shape[rank - k] : dim_const(c->d, 1))) return misfit(c, i);
    }
    return true;
}

void assume_at_least(infer_ctx *c, dim a, int64_t least)
{
    const dim b = dim_const(c->d, least);
    if (!dim_is_const(c->d, a, NULL) && !dim_le(c->d, b, a) && !claimed(c, SIZE_AT_LEAST, a, b)) claim(c, SIZE_AT_LEAST, a, b);
}

bool needs_elements(infer_ctx *c, uint32_t i, dim size)
{
    if (infer_only_checks(c)) return true;
    if (dim_is(c->d, size, 0)) return infer_error(c, "shape-mismatch", "input %u '%s' has no elements where some are read", i, value_at(c->m, c->n->in[i])->name);
    assume_at_least(c, size, 1);
    return true;
}

typedef struct {
    const model *m;
    bool found;
} decided_search;

static void is_decided_atom(void *ctx, dim atom)
{
    decided_search *s = ctx;
    s->found |= is_decided(s->m, atom);
}

size_is assume_is(infer_ctx *c, dim a, int64_t number)
{
    const interval r = dim_range(c->d, a);
    const dim b = dim_const(c->d, number);
    if (r.lo == number && r.hi == number) return SIZE_IS;
    if (number < r.lo || number > r.hi || claimed(c, SIZE_OTHER, a, b)) return SIZE_IS_NOT;
    decided_search s = {c->m, false};
    dim_atoms(c->d, a, is_decided_atom, &s);
    if (s.found || c->m->written_back) return SIZE_IS_OPEN;
    if (claimed(c, SIZE_EQUAL, a, b) || claimed(c, SIZE_EQUAL, b, a)) return SIZE_IS;
    claim(c, SIZE_OTHER, a, b);
    return SIZE_IS_NOT;
}

/* What two sizes broadcast to when nothing may be taken for granted. They are equal or one of them is 1, so it is the larger one, unless there may be none
 * at all. */
static dim stretched(dims *d, dim x, dim y)
{
    if (dim_range(d, x).lo < 1 || dim_range(d, y).lo < 1) return dim_fresh(d, "stretched", 0, INT64_MAX);
    if (dim_kind_of(d, y) == DIM_MIN && (dim_args(d, y)[0] == x || dim_args(d, y)[1] == x)) return x;
    if (dim_kind_of(d, x) == DIM_MIN && (dim_args(d, x)[0] == y || dim_args(d, x)[1] == y)) return y;
    return dim_max(d, x, y);
}

/* A symbol that can be 1. */
static bool may_be_one(infer_ctx *c, dim x)
{
    return !dim_is_const(c->d, x, NULL) && dim_range(c->d, x).lo <= 1 && dim_range(c->d, x).hi >= 1;
}

bool broadcast(infer_ctx *c, const dim *a, int32_t ra, const dim *b, int32_t rb, dim *out, int32_t *rank)
{
    const int32_t r = ra > rb ? ra : rb;
    for (int32_t i = r - 1; i >= 0; i--) {
        const dim one = dim_const(c->d, 1), x = i - r + ra >= 0 ? a[i - r + ra] : one, y = i - r + rb >= 0 ? b[i - r + rb] : one;
        if (x == y || y == one) out[i] = x;
        else if (x == one) out[i] = y;
        else if (c->m->written_back && !dim_is_const(c->d, x, NULL) && !dim_is_const(c->d, y, NULL)) out[i] = stretched(c->d, x, y);
        else if (may_be_one(c, x) && dim_lt(c->d, x, y) && assume_equal(c, x, one)) out[i] = y; /* smaller for sure, so not equal */
        else if (may_be_one(c, y) && dim_lt(c->d, y, x) && assume_equal(c, y, one)) out[i] = x;
        else if (!assume_equal(c, x, y)) {
            text t = {.mem = c->m->mem};
            dim_text(c->d, x, &t);
            text_add(&t, " and ");
            dim_text(c->d, y, &t);
            return infer_error(c, "shape-broadcast", "dimensions %s can't be broadcast (axis %d of the result)", t.p, i);
        } else out[i] = dim_is_const(c->d, x, NULL) ? x : y; /* a symbol against a number or another symbol: taken as equal, see docs/pipeline.md */
    }
    *rank = r;
    return true;
}

/* ---- lower ---- */

slot typed_slot(program *p, const char *name, elem e, slot_kind kind, uint32_t rank, const dim *extent)
{
    dim with_parts[MAX_RANK];
    if (elem_of(e)->kind != 'c') return slot_new(p, name, e, kind, rank, extent);
    for (uint32_t i = 0; i < rank; i++) with_parts[i] = extent[i];
    with_parts[rank] = dim_const(p->dims, 2);
    const slot s = slot_new(p, name, e == ELEM_COMPLEX64 ? ELEM_FLOAT : ELEM_DOUBLE, kind, rank + 1, with_parts);
    slot_at(p, s)->pairs = true;
    return s;
}

bool takes_complex(const node *n)
{
    static const char *const KNOWN[] = {"Cast", "CastLike", "CenterCropPad", "Compress", "Concat", "Constant", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity",
                                        "OneHot", "Pad", "Reshape", "ReverseSequence", "Shape", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Trilu",
                                        "Unsqueeze", "Where", "Col2Im", "GridSample", "If", "Loop", "NonZero", "RandomNormalLike", "RandomUniformLike", "Scan", "ScatterElements",
                                        "ScatterND", "TensorScatter", "Unique", "BitCast"};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strcmp(n->op, KNOWN[i])) return !*n->domain;
    return false;
}

void part_axis(lower_ctx *c, nest_builder *b, slot out)
{
    if (slot_at(c->p, out)->pairs) c->part = nest_axis(b, dim_const(c->d, 2));
}

slot in_slot(lower_ctx *c, uint32_t i)
{
    const value_id id = node_in(c->n, i);
    if (!id) return 0;
    if (c->of_value[id]) return c->of_value[id];
    const value *v = value_at(c->m, id);
    dim extent[MAX_RANK];
    const uint32_t rank = v->data ? v->data->rank : (uint32_t)v->type.rank;
    for (uint32_t k = 0; k < rank && k < MAX_RANK; k++) extent[k] = v->data ? dim_const(c->d, v->data->shape[k]) : v->type.shape[k];
    const slot s = typed_slot(c->p, v->name, v->data ? v->data->type : v->type.elem, v->data ? SLOT_CONST : SLOT_TEMP, rank, extent);
    slot_at(c->p, s)->data = v->data && slot_at(c->p, s)->pairs ? tensor_of_parts(c->p->mem, v->data) : v->data;
    slot_at(c->p, s)->value = id;
    return c->of_value[id] = s;
}

bool low_has_out(lower_ctx *c, uint32_t i)
{
    return i < c->n->n_out && c->n->out[i];
}

slot out_slot(lower_ctx *c, uint32_t i)
{
    if (!low_has_out(c, i)) return 0;
    const value_id id = c->n->out[i];
    if (c->of_value[id]) return c->of_value[id];
    const value *v = value_at(c->m, id);
    const slot s = typed_slot(c->p, v->name, v->type.elem, SLOT_TEMP, (uint32_t)v->type.rank, v->type.shape);
    slot_at(c->p, s)->value = id;
    return c->of_value[id] = s;
}

slot temp_slot(lower_ctx *c, const char *name, elem e, uint32_t rank, const dim *extent)
{
    return slot_new(c->p, name, e, SLOT_TEMP, rank, extent);
}

slot temp_like(lower_ctx *c, const char *name, slot like, uint32_t rank, const dim *extent)
{
    const elem part = slot_elem(c, like);
    if (!slot_at(c->p, like)->pairs) return temp_slot(c, name, part, rank, extent);
    return typed_slot(c->p, name, part == ELEM_FLOAT ? ELEM_COMPLEX64 : ELEM_COMPLEX128, SLOT_TEMP, rank, extent);
}

uint32_t slot_rank(lower_ctx *c, slot s)
{
    return (uint32_t)slot_at(c->p, s)->rank - slot_at(c->p, s)->pairs;
}

/* A tensor with other dimensions than the operator reads: the model's mistake, which inference has let through. */
static void wrong_rank(lower_ctx *c, slot s, const char *what)
{
    const char *name = slot_at(c->p, s)->name;
    if (slot_rank(c, s) == 1) diag_error(c->m->diag, EXIT_INVALID, at_node(c->m, c->n), "shape-rank", "'%s' has 1 dimension, %s", name, what);
    else diag_error(c->m->diag, EXIT_INVALID, at_node(c->m, c->n), "shape-rank", "'%s' has %u dimensions, %s", name, slot_rank(c, s), what);
}

dim slot_dim(lower_ctx *c, slot s, uint32_t axis)
{
    const slot_info *i = slot_at(c->p, s);
    if (axis < i->rank) return i->extent[axis];
    wrong_rank(c, s, "too few");
    return dim_const(c->d, 1);
}

elem slot_elem(lower_ctx *c, slot s)
{
    return slot_at(c->p, s)->type;
}

const dim *low_content(lower_ctx *c, uint32_t i, uint32_t *count)
{
    *count = 0;
    const value_id v = node_in(c->n, i);
    return v ? value_content(c->m, v, count) : NULL;
}

const tensor *low_data(lower_ctx *c, uint32_t i)
{
    const value_id v = node_in(c->n, i);
    return v ? value_at(c->m, v)->data : NULL;
}

ex load_at(lower_ctx *c, slot s, uint32_t n, const ex *idx)
{
    ex at[MAX_RANK];
    const uint32_t rank = slot_rank(c, s);
    if (n != rank) {
        wrong_rank(c, s, arena_printf(c->m->mem, "where %u are read", n));
        n = rank;
        for (uint32_t i = 0; i < n; i++) at[i] = ex_dim(c->x, dim_const(c->d, 0));
        idx = at;
    }
    if (!slot_at(c->p, s)->pairs) return ex_load(c->x, s, slot_elem(c, s), n, idx);
    for (uint32_t i = 0; i < n; i++) at[i] = idx[i];
    at[n] = ex_dim(c->x, c->part);
    return ex_load(c->x, s, slot_elem(c, s), n + 1, at);
}

ex load_axes(lower_ctx *c, slot s, uint32_t n, const dim *idx)
{
    ex e[MAX_RANK];
    for (uint32_t i = 0; i < n; i++) e[i] = ex_dim(c->x, idx[i]);
    return load_at(c, s, n, e);
}

ex load_bcast(lower_ctx *c, slot s, uint32_t rank, const dim *idx)
{
    dim at[MAX_RANK];
    const uint32_t r = slot_rank(c, s);
    if (r > rank) return load_axes(c, s, rank, idx);
    for (uint32_t i = 0; i < r; i++) at[i] = dim_is(c->d, slot_dim(c, s, i), 1) ? dim_const(c->d, 0) : idx[rank - r + i];
    return load_axes(c, s, r, at);
}

ex load_scalar(lower_ctx *c, slot s)
{
    dim at[MAX_RANK];
    for (uint32_t i = 0; i < slot_rank(c, s); i++) {
        at[i] = dim_const(c->d, 0);
        if (dim_is(c->d, slot_dim(c, s, i), 0))
            diag_error(c->m->diag, EXIT_INVALID, at_node(c->m, c->n), "shape-mismatch", "'%s' has no elements where one is read", slot_at(c->p, s)->name);
    }
    return load_axes(c, s, slot_rank(c, s), at);
}

ex load_channel(lower_ctx *c, slot s, dim i)
{
    if (slot_rank(c, s) == 0 || dim_is(c->d, slot_dim(c, s, 0), 1)) return load_scalar(c, s);
    return load_axes(c, s, 1, &i);
}

void axes_for(nest_builder *b, uint32_t rank, const dim *extent, dim *idx)
{
    for (uint32_t i = 0; i < rank; i++) idx[i] = nest_axis(b, extent[i]);
}

void stage_axes_for(nest_builder *b, uint32_t rank, const dim *extent, dim *idx)
{
    for (uint32_t i = 0; i < rank; i++) idx[i] = stage_axis(b, extent[i]);
}

sink *store_axes(lower_ctx *c, nest_builder *b, slot to, uint32_t n, const dim *at, ex element)
{
    ex e[MAX_RANK];
    for (uint32_t i = 0; i < n; i++) e[i] = ex_dim(c->x, at[i]);
    if (slot_at(c->p, to)->pairs) e[n++] = ex_dim(c->x, c->part);
    return stage_store(b, to, n, e, ex_round(c->x, slot_elem(c, to), element));
}

nest_builder low_begin(lower_ctx *c)
{
    return nest_begin(c->p);
}

void low_end(lower_ctx *c, nest_builder *b)
{
    nest_end(b, c->to, c->what);
}

bool lower_map(lower_ctx *c, slot out, ex (*element)(lower_ctx *c, const dim *idx, void *arg), void *arg)
{
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    const uint32_t rank = slot_rank(c, out);
    axes_for(&b, rank, slot_at(c->p, out)->extent, idx);
    part_axis(c, &b, out);
    nest_stage(&b);
    const ex e = element(c, idx, arg);
    if (!e) return false;
    store_axes(c, &b, out, rank, idx, e);
    low_end(c, &b);
    return true;
}

ex ex_one(lower_ctx *c, ctype t)
{
    return ex_i(c->x, t, 1);
}
