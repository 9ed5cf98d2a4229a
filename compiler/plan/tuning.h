/* tuning.h - choices between ways to compute a step that someone has measured, in place of the plan's own.
 *
 * A choice is about a shape: a text that says what is computed, such as "conv 64 to 64 channels, kernel 1x1, output 1x25x5", the same for every model. Where the
 * plan has a choice it lists the ways that the options allow as words, its own first, and asks. The answer is the entry's for that shape where that is among the
 * words. So an entry can't lead to what a mode forbids, and what fits no more is ignored and can be told. */
#ifndef ONNXCC_PLAN_TUNING_H
#define ONNXCC_PLAN_TUNING_H
#include "plan/plan.h"
#include "plan/tile.h"

enum { TUNING_WORDS = 8 }; /* most ways */
#define TUNING_SPLIT "split of " /* what shapes begin with where the choice is how a step of the rest's shape is split over threads */
bool tuning_is_split(const char *shape);
bool tuning_is_winograd(const char *word); /* a way that has more weights than the others */

typedef struct {
    const char *shape, *choice;
    uint32_t line;     /* of the file; 0: of none */
    bool used, refused; /* it was followed; it was about a shape of the model, but is no way to compute it */
    bool no_room;       /* refused, because its weights are more than --optimize allows */
} tuning_entry;

typedef struct {
    const char *shape;
    uint32_t n, taken; /* words; which was taken */
    const char *word[TUNING_WORDS];
    double ns;         /* about how long one such step takes, where that was known; 0 */
    VEC(uint32_t) steps; /* ids of the steps of that shape, by tuning_steps */
} tuning_question;

typedef struct tuning {
    arena *mem;
    const char *path, *target; /* the file; what it was measured on */
    const char *optimize, *math, *precision; /* the words of the options that it was measured with; NULL: it does not say */
    VEC(const char *) sizes; /* the options that pinned the model, such as "--dim batch=1" */
    VEC(tuning_entry) entries;
    VEC(tuning_question) questions; /* that the plan asked, each shape once */
} tuning;

/* The name, without its folder, of the file that code for the target follows; NULL: of none. */
const char *tuning_name(const tuning *t, const target *on);
/* Which of n words; 0, the plan's own, where no entry says otherwise or t is NULL. */
uint32_t tuning_choose(tuning *t, const char *shape, uint32_t n, const char *const *word);
/* The entry's answer alone, for where the words are not known yet, or the plan's own way comes later; NULL: there is none. */
const char *tuning_word(const tuning *t, const char *shape);
/* Of n words, the entry's; -1: there is none, or it is none of them. */
int tuning_find(tuning *t, const char *shape, uint32_t n, const char *const *word);
/* Keeps the question, for `onnxcc tune`. */
void tuning_note(tuning *t, const char *shape, uint32_t n, const char *const *word, uint32_t taken, double ns);
/* After plan_flatten: which steps each question was about. */
void tuning_steps(tuning *t, program *p);

/* Is it for this target? Else false after a warning. After compiling: warns of entries of a file that were not followed. `sizes`: options that
 * would make the model's sizes those that were measured; NULL or "": there are none. */
bool tuning_is_for(const tuning *t, diag *d, const target *on);
void tuning_warn(const tuning *t, diag *d, const char *sizes);
/* Appends such an option as a shell takes it. */
void tuning_size_option(text *to, const char *size);

/* The shape of a K_CONV before its selection, and the side of Winograd's tiles that an entry wants for it: 0 for none, -1 where there is no entry. */
const char *tuning_conv_shape(program *p, const plan_options *o, const kernel *k);
int tuning_winograd(program *p, const plan_options *o, const kernel *k);
/* NULL shapes: there is no tuning. As conv_tile_choose and its like; *side is the side of Winograd's tiles, before as plan_winograd has chosen, then as the entry wants: 0 is the
 * direct sum, for which the tile is. */
conv_tile tuning_conv_tile(program *p, const plan_options *o, const kernel *k, const char *shape, const vector_unit *u, int64_t oc, int64_t oh, int64_t ow, int64_t row_bytes, int *side);
dw_tile tuning_dw_tile(program *p, const plan_options *o, const char *shape, const vector_unit *u, int64_t ow);
const char *tuning_gemm_shape(program *p, const plan_options *o, const char *name, int64_t batches, int64_t m, int64_t n, int64_t k); /* -1: not known */
gemm_tile tuning_gemm_tile(program *p, const plan_options *o, const char *shape, const vector_unit *u, int64_t m, int64_t n, int64_t k, bool blocks, bool far);
#endif
