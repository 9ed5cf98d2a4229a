/* tuning_file.c - see tuning_file.h.
 *
 *     target: x86-64-v4
 *     optimize: balanced
 *     math: default
 *     precision: fp32
 *     sizes:
 *       - '--dim batch=1'
 *     choices:
 *       - shape: conv 64 to 64 channels, kernel 1x1, output 1x25x5
 *         choice: tile 1x5x4
 *         over: tile 5x5x1
 *         gain: 1.08
 *
 * `over` and `gain` are for people, and so is a comment behind them: what was faster, and why it is not the choice. Files of older versions lack `optimize`, `math` and `precision`, and so do those of models with
 * fixed inputs `sizes`: the options that gave the model the sizes that it was measured with. */
#include "driver/tuning_file.h"

#include <stdlib.h>
#include <string.h>

#include "driver/options.h"
#include "driver/yaml_file.h"

typedef struct {
    yaml_source source;
    tuning *to;
} reader;

/* The values of a mapping for these keys, NULL where one is not there; `wanted` of them have to be. */
static bool read_keys(reader *r, const yaml_node_t *map, const char *what, const char *const *key, uint32_t n, uint32_t wanted, const yaml_node_t **given)
{
    if (!map || map->type != YAML_MAPPING_NODE) return yaml_complain(&r->source, map, arena_printf(r->source.mem, "%s is a mapping with the keys %s and %s", what, key[0], key[1]));
    for (uint32_t i = 0; i < n; i++) given[i] = NULL;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *at = yaml_document_get_node(&r->source.doc, p->key);
        const char *name = yaml_scalar(&r->source, at);
        uint32_t i = 0;
        while (i < n && (!name || strcmp(name, key[i]))) i++;
        if (i == n) return yaml_complain(&r->source, at, arena_printf(r->source.mem, "%s has no key '%s'", what, name && *name ? name : "?"));
        if (given[i]) return yaml_complain(&r->source, at, arena_printf(r->source.mem, "'%s' is given twice", name));
        given[i] = yaml_document_get_node(&r->source.doc, p->value);
    }
    for (uint32_t i = 0; i < wanted; i++)
        if (!given[i]) return yaml_complain(&r->source, map, arena_printf(r->source.mem, "%s lacks the key '%s'", what, key[i]));
    return true;
}

static bool read_entry(reader *r, const yaml_node_t *map)
{
    static const char *const key[] = {"shape", "choice", "over", "gain"};
    enum { KEYS = sizeof key / sizeof *key };
    const yaml_node_t *given[KEYS];
    const char *word[KEYS];
    char *end;
    if (!read_keys(r, map, "a choice", key, KEYS, 2, given)) return false;
    for (uint32_t i = 0; i < KEYS; i++) {
        word[i] = yaml_scalar(&r->source, given[i]);
        if (given[i] && (!word[i] || !*word[i])) return yaml_complain(&r->source, given[i], arena_printf(r->source.mem, "'%s' takes one value", key[i]));
    }
    if (word[3] && ((void)strtod(word[3], &end), *end)) return yaml_complain(&r->source, given[3], "'gain' is a number");
    if (tuning_word(r->to, word[0])) return yaml_complain(&r->source, given[0], arena_printf(r->source.mem, "a second choice for '%s'", word[0]));
    const tuning_entry e = {.shape = word[0], .choice = word[1], .line = (uint32_t)given[0]->start_mark.line + 1};
    VEC_PUSH(r->source.mem, r->to->entries, e);
    return true;
}

static bool read_sizes(reader *r, const yaml_node_t *list)
{
    if (list->type != YAML_SEQUENCE_NODE) return yaml_complain(&r->source, list, "'sizes' is a list");
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++) {
        const yaml_node_t *at = yaml_document_get_node(&r->source.doc, *i);
        const char *word = yaml_scalar(&r->source, at);
        if (!word || (strncmp(word, "--dim ", 6) && strncmp(word, "--shape ", 8)) || !strchr(word, '=')) return yaml_complain(&r->source, at, "'sizes' lists options such as --dim batch=1");
        VEC_PUSH(r->source.mem, r->to->sizes, word);
    }
    return true;
}

static bool read_document(void *ctx)
{
    static const char *const key[] = {"target", "choices", "optimize", "math", "precision", "sizes"};
    enum { KEYS = sizeof key / sizeof *key };
    reader *r = ctx;
    enum { SIZES = KEYS - 1 };
    const char **const mode[SIZES] = {NULL, NULL, &r->to->optimize, &r->to->math, &r->to->precision};
    static const option_id option[SIZES] = {[2] = OPT_OPTIMIZE, [3] = OPT_MATH, [4] = OPT_PRECISION};
    const yaml_node_t *given[KEYS];
    if (!read_keys(r, yaml_document_get_root_node(&r->source.doc), "a tuning file", key, KEYS, 2, given)) return false;
    r->to->target = yaml_scalar(&r->source, given[0]);
    if (!r->to->target || !*r->to->target) return yaml_complain(&r->source, given[0], "'target' is the name of a target");
    for (uint32_t i = 2; i < SIZES; i++) {
        *mode[i] = yaml_scalar(&r->source, given[i]);
        if (given[i] && (!*mode[i] || !**mode[i])) return yaml_complain(&r->source, given[i], arena_printf(r->source.mem, "'%s' takes one value", key[i]));
        if (given[i] && !option_has_word(option[i], *mode[i]))
            return yaml_complain(&r->source, given[i], arena_printf(r->source.mem, "'%s' is one of %s, not '%s'", key[i], option_info_of(option[i])->arg, *mode[i]));
    }
    if (given[SIZES] && !read_sizes(r, given[SIZES])) return false;
    if (given[1]->type != YAML_SEQUENCE_NODE) return yaml_complain(&r->source, given[1], "'choices' is a list");
    for (yaml_node_item_t *i = given[1]->data.sequence.items.start; i < given[1]->data.sequence.items.top; i++)
        if (!read_entry(r, yaml_document_get_node(&r->source.doc, *i))) return false;
    return true;
}

tuning *tuning_read(arena *a, diag *d, const char *path)
{
    reader r = {.source = {.mem = a, .d = d, .path = path, .code = "tuning-file"}, .to = ARENA_NEW(a, tuning)};
    *r.to = (tuning){.mem = a, .path = path};
    return yaml_file_read(&r.source, read_document, &r) ? r.to : NULL;
}

static int by_shape(const void *a, const void *b)
{
    return strcmp(((const tuning_result *)a)->shape, ((const tuning_result *)b)->shape);
}

/* A scalar in single quotes: a name may hold anything. */
static void add_quoted(text *out, const char *s)
{
    text_add(out, "'");
    for (; *s; s++) text_addn(out, *s == '\'' ? "''" : s, *s == '\'' ? 2 : 1);
    text_add(out, "'");
}

void tuning_text(tuning_result *list, uint32_t n, const compile_options *o, const arguments *sizes, text *out)
{
    const mode_words w = compile_modes(o);
    if (n) qsort(list, n, sizeof *list, by_shape);
    text_addf(out, "# Measured by `onnxcc tune`, for `onnxcc compile --tuning=FILE` (docs/tune.md).\ntarget: %s\noptimize: %s\nmath: %s\nprecision: %s\n", compile_target(o), w.optimize, w.math,
              w.precision);
    if (sizes->n) text_add(out, "sizes:\n");
    for (uint32_t i = 0; i < sizes->n; i++) {
        text_add(out, "  - ");
        add_quoted(out, sizes->p[i]);
        text_add(out, "\n");
    }
    text_addf(out, "choices:%s\n", n ? "" : " []");
    for (uint32_t i = 0; i < n; i++) {
        const tuning_result *r = &list[i];
        text_addf(out, "  - shape: %s\n    choice: %s\n    over: %s\n    gain: %.2f\n", r->shape, r->choice, r->over, r->gain);
        if (r->better) text_addf(out, "    # %s was %.2f times as fast; not taken: %s\n", r->better, r->better_gain, r->why);
    }
}
