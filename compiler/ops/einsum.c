/* einsum.c - Einsum: a sum of products over named dimensions. Source: ONNX Operators.md, Einsum-28, and numpy.einsum for the notation.
 *
 * Every letter, and every dimension that an ellipsis stands for, is an axis. Two operands that contract one letter go to the matrix
 * product; everything else is one nest: parallel axes of the output, a stage over the rest. */
#include <ctype.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/matmul.h"

enum { MAX_OPERANDS = 16, MAX_LETTERS = 52 + MAX_RANK, ELLIPSIS = 52 };

typedef struct {
    uint32_t rank;
    uint8_t letter[MAX_RANK]; /* 0..51, then ELLIPSIS + the position from the right of an ellipsis dimension */
} term;

typedef struct {
    uint32_t n;
    term in[MAX_OPERANDS], out;
    dim extent[MAX_LETTERS];
    const char *why; /* it is wrong */
    bool sizes;      /* it is not, but the operands' sizes are */
} equation;

static int letter_of(char ch)
{
    return islower((unsigned char)ch) ? ch - 'a' : isupper((unsigned char)ch) ? ch - 'A' + 26 : -1;
}

/* Reads one term up to ',' or '-' or the end. `rank` is the operand's (it says how many dimensions the ellipsis has), or -1 for the output,
 * whose ellipsis has `dots`. */
static const char *read_term(const char *s, int32_t rank, uint32_t dots, term *t, const char **why)
{
    uint32_t letters = 0;
    for (const char *p = s; *p && *p != ',' && *p != '-'; p++) letters += letter_of(*p) >= 0;
    if (rank >= 0) dots = (uint32_t)rank >= letters ? (uint32_t)rank - letters : 0;
    bool has_dots = false;
    for (; *s && *s != ',' && *s != '-'; s++) {
        if (*s == ' ') continue;
        const int l = letter_of(*s);
        const bool ellipsis = !strncmp(s, "...", 3);
        if (t->rank + (ellipsis ? dots : 1) > MAX_RANK || (l < 0 && !ellipsis)) {
            *why = l < 0 && !ellipsis ? "it holds a character that is no letter" : "a term has too many letters";
            return NULL;
        }
        if (ellipsis) {
            for (uint32_t i = dots; i-- > 0;) t->letter[t->rank++] = (uint8_t)(ELLIPSIS + i);
            has_dots = true;
            s += 2;
        } else t->letter[t->rank++] = (uint8_t)l;
    }
    if (rank >= 0 && t->rank != (uint32_t)rank) {
        *why = has_dots ? "a term has more letters than its operand has dimensions" : "the letters of a term are not as many as the dimensions of its operand";
        return NULL;
    }
    return s;
}

/* Without "->": the ellipsis, then the letters that occur once, in alphabetical order. */
static void implicit_output(equation *e)
{
    uint32_t seen[MAX_LETTERS] = {0};
    for (uint32_t i = 0; i < e->n; i++)
        for (uint32_t k = 0; k < e->in[i].rank; k++) seen[e->in[i].letter[k]]++;
    for (int l = MAX_LETTERS - 1; l >= ELLIPSIS; l--)
        if (seen[l] && e->out.rank < MAX_RANK) e->out.letter[e->out.rank++] = (uint8_t)l;
    for (int upper = 1; upper >= 0; upper--) /* 'A' sorts before 'a' */
        for (int l = upper * 26; l < upper * 26 + 26; l++)
            if (seen[l] == 1 && e->out.rank < MAX_RANK) e->out.letter[e->out.rank++] = (uint8_t)l;
}

/* Extents of letters; an operand's dimension of 1 broadcasts. */
static bool note_extents(dims *d, equation *e, const term *t, const dim *shape)
{
    for (uint32_t k = 0; k < t->rank; k++) {
        dim *x = &e->extent[t->letter[k]];
        if (!*x || dim_is(d, *x, 1)) *x = shape[k];
        else if (!dim_is(d, shape[k], 1) && *x != shape[k] && dim_is_const(d, *x, NULL) && dim_is_const(d, shape[k], NULL)) {
            e->why = "operands have different sizes for one letter";
            e->sizes = true;
            return false;
        } else if (!dim_is(d, shape[k], 1) && dim_is_const(d, shape[k], NULL)) *x = shape[k];
    }
    return true;
}

static bool read_equation(dims *d, const node *n, const dim *const *shape, const int32_t *rank, equation *e)
{
    const char *s = node_string(n, "equation", "");
    uint32_t dots = 0;
    *e = (equation){.n = n->n_in};
    for (uint32_t i = 0; i < e->n; i++) {
        s = read_term(s, rank[i], 0, &e->in[i], &e->why);
        if (!s || !note_extents(d, e, &e->in[i], shape[i])) return false;
        if ((*s == ',') != (i + 1 < e->n)) {
            e->why = "it has not as many terms as the operator has inputs";
            return false;
        }
        s += *s == ',';
    }
    for (int l = ELLIPSIS; l < MAX_LETTERS; l++) dots += e->extent[l] != 0;
    if (!*s) {
        implicit_output(e);
        return true;
    }
    if (s[1] != '>' || !read_term(s + 2, -1, dots, &e->out, &e->why)) {
        if (!e->why) e->why = "'-' is not followed by '>'";
        return false;
    }
    for (uint32_t k = 0; k < e->out.rank; k++)
        if (!e->extent[e->out.letter[k]]) {
            e->why = "the output has a letter that no operand has";
            return false;
        }
    return true;
}

bool infer_Einsum(infer_ctx *c)
{
    const dim *shape[MAX_OPERANDS];
    int32_t rank[MAX_OPERANDS];
    if (c->n->n_in > MAX_OPERANDS) return infer_unsupported(c, "einsum-operands", "more than %d operands", MAX_OPERANDS);
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        if (!need_rank(c, i)) return false;
        if (in_rank(c, i) > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
        shape[i] = in_type(c, i)->shape;
        rank[i] = in_rank(c, i);
    }
    equation e;
    if (!read_equation(c->d, c->n, shape, rank, &e))
        return infer_error(c, e.sizes ? "einsum-sizes" : "einsum-equation", "equation \"%s\": %s", node_string(c->n, "equation", ""), e.why);
    for (uint32_t i = 0; i < e.n; i++)
        for (uint32_t k = 0; k < e.in[i].rank; k++)
            if (!dim_is(c->d, shape[i][k], 1) && !dim_fits(c, i, (int32_t)k, e.extent[e.in[i].letter[k]])) return false;
    dim out[MAX_RANK];
    for (uint32_t k = 0; k < e.out.rank; k++) out[k] = e.extent[e.out.letter[k]];
    return out_tensor(c, 0, in_elem(c, 0), (int32_t)e.out.rank, out);
}

/* ---- lowering ---- */

static ex operand_at(lower_ctx *c, slot s, const term *t, const dim *axis)
{
    dim at[MAX_RANK];
    for (uint32_t k = 0; k < t->rank; k++) at[k] = dim_is(c->d, slot_dim(c, s, k), 1) ? dim_const(c->d, 0) : axis[t->letter[k]];
    return load_axes(c, s, t->rank, at);
}

static bool has_letter(const term *t, uint32_t l)
{
    for (uint32_t k = 0; k < t->rank; k++)
        if (t->letter[k] == l) return true;
    return false;
}

/* Two operands with exactly one contracted letter, one (innermost in the output) that only the second has, and one that only the first has;
 * the others are batch. False when it has another form. */
static bool as_product(lower_ctx *c, const equation *e, const slot *in)
{
    if (e->n != 2 || e->out.rank < 2) return false;
    product q = {.a_slot = in[0], .b_slot = in[1], .out = out_slot(c, 0), .n_at = e->out.rank};
    dim axis[MAX_LETTERS];
    uint32_t k_letters = 0;
    int m = -1, n = -1;
    for (uint32_t l = 0; l < MAX_LETTERS; l++) {
        const bool a = has_letter(&e->in[0], l), b = has_letter(&e->in[1], l), o = has_letter(&e->out, l);
        if (!e->extent[l]) continue;
        if (!o && !(a && b)) return false; /* summed in one operand alone */
        k_letters += !o;
        axis[l] = 0;
    }
    for (uint32_t i = 0; i < e->out.rank; i++) { /* the last ones win */
        const uint32_t l = e->out.letter[i];
        const bool a = has_letter(&e->in[0], l), b = has_letter(&e->in[1], l);
        if (a && !b) m = (int)l;
        if (b && !a) n = (int)l;
    }
    if (k_letters != 1 || m < 0 || n < 0) return false;
    for (uint32_t l = 0; l < MAX_LETTERS; l++) {
        if (!e->extent[l]) continue;
        axis[l] = dim_axis(c->d, e->extent[l]);
        if ((int)l == m) q.m = axis[l];
        else if ((int)l == n) q.n = axis[l];
        else if (!has_letter(&e->out, l)) q.k = axis[l];
        else if (q.n_batch < MAX_RANK) q.batch[q.n_batch++] = axis[l];
    }
    q.a = operand_at(c, in[0], &e->in[0], axis);
    q.b = operand_at(c, in[1], &e->in[1], axis);
    for (uint32_t i = 0; i < e->out.rank; i++) q.at[i] = axis[e->out.letter[i]];
    return lower_product(c, &q);
}

static bool as_nest(lower_ctx *c, const equation *e, const slot *in)
{
    nest_builder b = low_begin(c);
    dim axis[MAX_LETTERS] = {0}, at[MAX_RANK];
    uint32_t n_axes = 0;
    for (uint32_t i = 0; i < e->out.rank; i++) {
        dim *a = &axis[e->out.letter[i]];
        if (!*a) *a = nest_axis(&b, e->extent[e->out.letter[i]]);
        at[i] = *a;
    }
    nest_stage(&b);
    for (uint32_t l = 0; l < MAX_LETTERS; l++) {
        if (!e->extent[l] || axis[l]) continue;
        if (++n_axes > NEST_AXES) return lower_unsupported(c, "rank-limit", "a sum over more than %d letters", NEST_AXES);
        axis[l] = stage_axis(&b, e->extent[l]);
    }
    ex v = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        const ex x = operand_at(c, in[i], &e->in[i], axis);
        v = v ? mul(c, v, x) : x;
    }
    const ex sum = stage_fold(&b, FOLD_SUM, v);
    nest_stage(&b);
    store_axes(c, &b, out_slot(c, 0), e->out.rank, at, sum);
    low_end(c, &b);
    return true;
}

bool lower_Einsum(lower_ctx *c)
{
    const dim *shape[MAX_OPERANDS];
    int32_t rank[MAX_OPERANDS];
    slot in[MAX_OPERANDS];
    for (uint32_t i = 0; i < c->n->n_in; i++) in[i] = in_slot(c, i);
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        shape[i] = slot_at(c->p, in[i])->extent;
        rank[i] = (int32_t)slot_rank(c, in[i]);
    }
    equation e;
    if (!read_equation(c->d, c->n, shape, rank, &e)) return lower_unsupported(c, "einsum-equation", "%s", e.why);
    return as_product(c, &e, in) || as_nest(c, &e, in);
}
