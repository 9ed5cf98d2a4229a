/* tuning.c - see tuning.h. */
#include "plan/tuning.h"

#include <string.h>

#include "plan/conv_plan.h"

#define WINOGRAD "winograd " /* and the side of its tiles: such a word */

/* ---- entries and questions ---- */

static tuning_entry *entry_of(const tuning *t, const char *shape)
{
    for (uint32_t i = 0; t && i < t->entries.n; i++)
        if (!strcmp(t->entries.p[i].shape, shape)) return &t->entries.p[i];
    return NULL;
}

/* The plan's own way is taken after all. */
static void refuse_for_room(tuning *t, const char *shape)
{
    tuning_entry *e = entry_of(t, shape);
    for (uint32_t i = 0; i < t->questions.n; i++)
        if (!strcmp(t->questions.p[i].shape, shape)) t->questions.p[i].taken = 0;
    if (!e) return;
    e->used = false;
    e->refused = e->no_room = true;
}

const char *tuning_name(const tuning *t, const target *on)
{
    if (!t || !t->path || (t->target && strcmp(t->target, on->name))) return NULL;
    const char *slash = strrchr(t->path, '/');
    return slash ? slash + 1 : t->path;
}

const char *tuning_word(const tuning *t, const char *shape)
{
    const tuning_entry *e = entry_of(t, shape);
    return e ? e->choice : NULL;
}

int tuning_find(tuning *t, const char *shape, uint32_t n, const char *const *word)
{
    tuning_entry *e = entry_of(t, shape);
    if (!e) return -1;
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(word[i], e->choice)) {
            e->used = true;
            return (int)i;
        }
    e->refused = true;
    return -1;
}

void tuning_note(tuning *t, const char *shape, uint32_t n, const char *const *word, uint32_t taken, double ns)
{
    for (uint32_t i = 0; i < t->questions.n; i++)
        if (!strcmp(t->questions.p[i].shape, shape)) return;
    tuning_question q = {.shape = arena_printf(t->mem, "%s", shape), .n = n, .taken = taken, .ns = ns};
    for (uint32_t i = 0; i < n; i++) q.word[i] = arena_printf(t->mem, "%s", word[i]);
    VEC_PUSH(t->mem, t->questions, q);
}

uint32_t tuning_choose(tuning *t, const char *shape, uint32_t n, const char *const *word)
{
    if (!t) return 0;
    const int found = tuning_find(t, shape, n, word);
    const uint32_t taken = found < 0 ? 0 : (uint32_t)found;
    tuning_note(t, shape, n, word, taken, 0);
    return taken;
}

static void note_step(void *ctx, step *s)
{
    tuning *t = ctx;
    for (uint32_t i = 0; s->kernel && s->kernel->shape && i < t->questions.n; i++)
        if (!strcmp(t->questions.p[i].shape, s->kernel->shape)) VEC_PUSH(t->mem, t->questions.p[i].steps, s->id);
}

void tuning_steps(tuning *t, program *p)
{
    if (t) program_steps(p, note_step, t);
}

bool tuning_is_for(const tuning *t, diag *d, const target *on)
{
    if (!t->target || !strcmp(t->target, on->name)) return true;
    diag_warn(d, t->path, "tuning-target", "measured on %s: not used for %s", t->target, on->name);
    return false;
}

/* The length of a shape's name without ", 2 threads". */
static size_t without_threads(const char *shape)
{
    const char *const end = shape + strlen(shape), *const word = " threads", *at = end - strlen(word);
    if (at <= shape || strcmp(at, word)) return (size_t)(end - shape);
    while (at > shape && at[-1] >= '0' && at[-1] <= '9') at--;
    return at - 2 > shape && at[-1] == ' ' && at[-2] == ',' ? (size_t)(at - 2 - shape) : (size_t)(end - shape);
}

bool tuning_is_split(const char *shape)
{
    return !strncmp(shape, TUNING_SPLIT, strlen(TUNING_SPLIT));
}

bool tuning_is_winograd(const char *word)
{
    return !strncmp(word, WINOGRAD, strlen(WINOGRAD));
}

static bool asked_with_other_threads(const tuning *t, const char *shape)
{
    if (tuning_is_split(shape)) shape += strlen(TUNING_SPLIT);
    const size_t n = without_threads(shape);
    for (uint32_t i = 0; i < t->questions.n; i++)
        if (without_threads(t->questions.p[i].shape) == n && !strncmp(t->questions.p[i].shape, shape, n)) return true;
    return false;
}

void tuning_size_option(text *to, const char *size)
{
    const char *word = strchr(size, ' ');
    const bool plain = word && !word[1 + strspn(word + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:=/+-")];
    if (to->n) text_add(to, " ");
    if (plain) text_add(to, size);
    else text_addf(to, "%.*s'%s'", (int)(word ? word + 1 - size : 0), size, word ? word + 1 : size);
}

/* What could have been chosen instead. */
static void hint_words(const tuning *t, diag *d, const tuning_entry *e)
{
    text words = {.mem = t->mem};
    for (uint32_t i = 0; i < t->questions.n; i++)
        for (uint32_t k = 0; !strcmp(t->questions.p[i].shape, e->shape) && k < t->questions.p[i].n; k++) text_addf(&words, "%s%s", words.n ? ", " : "", t->questions.p[i].word[k]);
    if (words.n) diag_hint(d, "the ways here are: %s", words.p);
}

void tuning_warn(const tuning *t, diag *d, const char *sizes)
{
    uint32_t unused = 0, threads = 0;
    const tuning_entry *first = NULL;
    for (uint32_t i = 0; t && t->path && i < t->entries.n; i++) {
        const tuning_entry *e = &t->entries.p[i];
        const char *line = arena_printf(t->mem, "%s:%u", t->path, e->line);
        if (e->no_room) {
            diag_warn(d, line, "tuning-stale", "'%s' for %s has more weights than --optimize leaves room for: the plan chooses", e->choice, e->shape);
            diag_hint(d, "--optimize=speed has room for all");
        } else if (e->refused) {
            diag_warn(d, line, "tuning-stale", "'%s' is no way to compute %s here: the plan chooses", e->choice, e->shape);
            hint_words(t, d, e);
        } else if (!e->used && asked_with_other_threads(t, e->shape)) threads++;
        else if (!e->used && !unused++) first = e;
    }
    if (threads) diag_warn(d, t->path, "tuning-target", "measured with another number of threads (%u choices): not used", threads);
    if (unused) diag_warn(d, arena_printf(t->mem, "%s:%u", t->path, first->line), "tuning-unknown", "the model has no %s (%u such choices)", first->shape, unused);
    if (unused && sizes && *sizes) diag_hint(d, "the file was measured with %s", sizes);
}

/* ---- convolutions ---- */

static void add_size(text *to, const char *before, int64_t n)
{
    if (n < 0) text_addf(to, "%s?", before);
    else text_addf(to, "%s%lld", before, (long long)n);
}

static void add_sizes(text *to, const char *what, const int64_t *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) add_size(to, i ? "x" : what, v[i]);
}

static bool all_are(const int64_t *v, uint32_t n, int64_t what)
{
    for (uint32_t i = 0; i < n; i++)
        if (v[i] != what) return false;
    return true;
}

static void add_threads(const plan_options *o, text *to)
{
    if (o->threads > 1) text_addf(to, ", %d threads", o->threads);
}

const char *tuning_conv_shape(program *p, const plan_options *o, const kernel *k)
{
    const conv_params *c = &k->conv;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    int64_t out[4];
    text t = {.mem = p->mem};
    if (!o->tuning) return NULL;
    for (uint32_t i = 0; i < c->rank + 1; i++) out[i] = conv_known(p, conv_extent(p, k->hook[0].axis[i ? i + 1 : 0]));
    add_size(&t, "conv ", conv_known(p, w->extent[1]) * c->group);
    add_size(&t, " to ", conv_known(p, w->extent[0]));
    text_add(&t, " channels");
    if (c->group > 1) add_size(&t, " in groups ", c->group);
    add_sizes(&t, ", kernel ", c->kernel, c->rank);
    if (!all_are(c->stride, c->rank, 1)) add_sizes(&t, ", stride ", c->stride, c->rank);
    if (!all_are(c->dilation, c->rank, 1)) add_sizes(&t, ", dilation ", c->dilation, c->rank);
    add_sizes(&t, ", output ", out, c->rank + 1);
    if (k->hook[0].int_acc) text_add(&t, ", bytes");
    if (c->narrow) text_addf(&t, ", %s", elem_of(c->narrow)->name);
    add_threads(o, &t);
    return t.p;
}

int tuning_winograd(program *p, const plan_options *o, const kernel *k)
{
    const char *shape = tuning_conv_shape(p, o, k), *word = shape ? tuning_word(o->tuning, shape) : NULL;
    if (!word) return -1;
    return !strcmp(word, WINOGRAD "4") ? 4 : !strcmp(word, WINOGRAD "2") ? 2 : 0;
}

static const char *word_of(program *p, int a, int b, int c)
{
    return c ? arena_printf(p->mem, "tile %dx%dx%d", a, b, c) : b ? arena_printf(p->mem, "tile %dx%d", a, b) : arena_printf(p->mem, "tile %d", a);
}

/* The words: what the plan would do, other tiles, other sides of Winograd's algorithm that it would allow. */
conv_tile tuning_conv_tile(program *p, const plan_options *o, const kernel *k, const char *shape, const vector_unit *u, int64_t oc, int64_t oh, int64_t ow, int64_t row_bytes, int *side)
{
    if (!o->tuning) return conv_tile_choose(u, oc, oh, ow, row_bytes);
    conv_tile tile[TILES_TO_TRY];
    const char *word[TUNING_WORDS];
    int sides[TUNING_WORDS] = {0};
    uint32_t at[TUNING_WORDS] = {0}, n = 0;
    const uint32_t tiles = conv_tiles(u, oc, oh, ow, row_bytes, tile);
    if (*side) sides[n++] = *side;
    for (uint32_t i = 0; i < tiles; i++) at[n++] = i;
    for (int s = 2; s <= 4; s += 2)
        if (k->conv.sides & s && s != *side) sides[n++] = s;
    for (uint32_t i = 0; i < n; i++) word[i] = sides[i] ? arena_printf(p->mem, WINOGRAD "%d", sides[i]) : word_of(p, tile[at[i]].ry, tile[at[i]].rx, tile[at[i]].nv);
    uint32_t taken = tuning_choose(o->tuning, shape, n, word);
    if (sides[taken] && sides[taken] != *side) { /* plan_winograd had no room for its weights */
        refuse_for_room(o->tuning, shape);
        taken = 0;
    }
    *side = sides[taken];
    return tile[at[taken]];
}

dw_tile tuning_dw_tile(program *p, const plan_options *o, const char *shape, const vector_unit *u, int64_t ow)
{
    if (!o->tuning) return dw_tile_choose(u, ow);
    dw_tile tile[TILES_TO_TRY];
    const char *word[TILES_TO_TRY];
    const uint32_t n = dw_tiles(u, ow, tile);
    for (uint32_t i = 0; i < n; i++) word[i] = word_of(p, tile[i].rx, 0, 0);
    return tile[tuning_choose(o->tuning, shape, n, word)];
}

/* ---- products ---- */

const char *tuning_gemm_shape(program *p, const plan_options *o, const char *name, int64_t batches, int64_t m, int64_t n, int64_t k)
{
    text t = {.mem = p->mem};
    if (!o->tuning) return NULL;
    text_add(&t, "product");
    if (batches != 1) add_size(&t, ", batch ", batches);
    add_size(&t, batches != 1 ? ", " : " ", m);
    add_size(&t, "x", k);
    add_size(&t, " by ", k);
    add_size(&t, "x", n);
    if (strcmp(name, "gemm")) text_addf(&t, ", %s", !strcmp(name, "qgemm") ? "bytes" : "16 bits");
    add_threads(o, &t);
    return t.p;
}

gemm_tile tuning_gemm_tile(program *p, const plan_options *o, const char *shape, const vector_unit *u, int64_t m, int64_t n, int64_t k, bool blocks, bool far)
{
    if (!o->tuning) return gemm_tile_choose(u, m, n, k, blocks, far);
    gemm_tile tile[TILES_TO_TRY];
    const char *word[TILES_TO_TRY];
    const uint32_t count = gemm_tiles(u, m, n, k, blocks, far, tile);
    for (uint32_t i = 0; i < count; i++) word[i] = word_of(p, tile[i].mr, tile[i].nv, 0);
    return tile[tuning_choose(o->tuning, shape, count, word)];
}
