/* options.c - argv -> options, by the tables of options.def. Accepts --name=value, --name value, -x value, -xvalue, joined one-letter flags
 * (-qv), -- to end options, and @FILE. */
#include "driver/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check/near.h"

static const verb_info VERBS[] = {
#define VERB(id, name, use, least, most, help) {name, use, help, least, most},
#include "driver/options.def"
};

#define V(id) (1u << VERB_##id)
static const option_info OPTIONS[] = {
#define OPTION(id, name, letter, kind, arg, verbs, help) {name, letter, OPTION_##kind, arg, verbs, help},
#include "driver/options.def"
};
#undef V

const verb_info *verb_info_of(verb_id v)
{
    return &VERBS[v];
}

const option_info *option_info_of(option_id o)
{
    return &OPTIONS[o];
}

bool options_find(const char *name, option_id *id)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if (!strcmp(OPTIONS[i].name, name)) {
            *id = (option_id)i;
            return true;
        }
    return false;
}

static bool find_letter(char letter, option_id *id)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if (letter && OPTIONS[i].letter == letter) {
            *id = (option_id)i;
            return true;
        }
    return false;
}

/* Options whose value may be left out: --json and --help. */
static bool value_optional(option_id id)
{
    return id == OPT_JSON || id == OPT_HELP;
}

/* Position of `word` among the words of "a|b|c"; -1 when it's none of them. */
static int choice_index(const char *words, const char *word)
{
    const size_t n = strlen(word);
    for (int i = 0;; i++) {
        const size_t k = strcspn(words, "|");
        if (n == k && !strncmp(words, word, k)) return i;
        if (!words[k]) return -1;
        words += k + 1;
    }
}

bool option_has_word(option_id o, const char *word)
{
    return choice_index(OPTIONS[o].arg, word) >= 0;
}

static bool value_ok(diag *d, option_id id, const char *value)
{
    const option_info *info = &OPTIONS[id];
    char *end;
    errno = 0;
    if (info->kind == OPTION_INT && (strtoll(value, &end, 10), end == value || *end || errno))
        return diag_error(d, EXIT_USAGE, "", "bad-value", "--%s takes a whole number, not '%s'", info->name, value);
    if (info->kind == OPTION_REAL && (strtod(value, &end), end == value || *end))
        return diag_error(d, EXIT_USAGE, "", "bad-value", "--%s takes a number, not '%s'", info->name, value);
    if (info->kind == OPTION_CHOICE && choice_index(info->arg, value) < 0)
        return diag_error(d, EXIT_USAGE, "", "bad-value", "--%s is one of %s, not '%s'", info->name, info->arg, value);
    return true;
}

bool options_set(arena *a, diag *d, options *o, option_id id, const char *value)
{
    if (!value_ok(d, id, value)) return false;
    const uint32_t n = o->n[id];
    const char **v = ARENA_ARRAY(a, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) v[i] = o->values[id][i];
    v[n] = value;
    o->values[id] = v;
    o->n[id] = n + 1;
    return true;
}

/* ---- @FILE ---- */

typedef VEC(const char *) words;

static bool expand(arena *a, diag *d, const char *arg, words *out, int depth);

/* Splits text as a shell would: blanks separate, quotes and backslashes keep together. */
static bool split_words(arena *a, diag *d, const char *s, size_t n, words *out, int depth)
{
    const char *end = s + n;
    while (s < end) {
        while (s < end && strchr(" \t\r\n", *s)) s++;
        if (s == end) break;
        char *word = arena_alloc(a, (size_t)(end - s) + 1), *to = word, quote = 0;
        for (; s < end && (quote || !strchr(" \t\r\n", *s)); s++) {
            if (*s == quote) quote = 0;
            else if (!quote && (*s == '"' || *s == '\'')) quote = *s;
            else if (*s == '\\' && quote != '\'' && s + 1 < end) *to++ = *++s;
            else *to++ = *s;
        }
        if (!expand(a, d, word, out, depth + 1)) return false;
    }
    return true;
}

static bool expand(arena *a, diag *d, const char *arg, words *out, int depth)
{
    if (arg[0] != '@' || !arg[1]) {
        VEC_PUSH(a, *out, arg);
        return true;
    }
    if (depth > 8) return diag_error(d, EXIT_USAGE, "", "nested-arguments", "argument files name each other more than 8 deep at '%s'", arg);
    file_view f;
    const char *why;
    if (!file_map(arg + 1, &f, &why)) return diag_error(d, EXIT_IO, "", "read-failed", "can't read '%s': %s", arg + 1, why);
    const bool ok = split_words(a, d, (const char *)f.data, f.size, out, depth);
    file_unmap(&f);
    return ok;
}

/* ---- the line ---- */

/* The verb's option whose name is nearest, at most `most` half edits away; with verb < 0, of any verb. NULL: none is near. */
static const char *near_option(const char *name, int verb, unsigned most)
{
    near_match best = near_start(name);
    for (int i = 0; i < OPT_COUNT; i++)
        if (verb < 0 || OPTIONS[i].verbs >> verb & 1) near_try(&best, OPTIONS[i].name);
    return best.distance <= most ? best.name : NULL;
}

/* The verb that the line names so far; -1: none. */
static int verb_so_far(const options *o)
{
    for (int v = 0; v < VERB_COUNT && o->args.n; v++)
        if (!strcmp(VERBS[v].name, o->args.p[0])) return v;
    return -1;
}

static bool wrong_option(arena *a, diag *d, const char *arg, const options *o)
{
    const int verb = verb_so_far(o);
    const char *name = !strncmp(arg, "--", 2) ? arena_strndup(a, arg + 2, strcspn(arg + 2, "=")) : NULL, *near = name ? near_option(name, verb, UINT_MAX) : NULL;
    diag_error(d, EXIT_USAGE, "", "unknown-option", "there is no option '%s'", arg);
    if (near && verb >= 0) return diag_hint(d, "'%s' has --%s", VERBS[verb].name, near);
    return near && diag_hint(d, "there is --%s", near);
}

/* `verify --cases DIR --json FILE`: there are no other arguments there, so a word behind --json is its file. */
static bool takes_json_file(const words *w, uint32_t i)
{
    if (i + 1 >= w->n || w->p[i + 1][0] == '-') return false;
    for (uint32_t k = 0; k < w->n; k++)
        if (!strncmp(w->p[k], "--cases", 7)) return true;
    return false;
}

static bool parse_long(arena *a, diag *d, const words *w, uint32_t *i, options *o)
{
    const char *arg = w->p[*i], *equals = strchr(arg, '=');
    const char *name = equals ? arena_strndup(a, arg + 2, (size_t)(equals - arg) - 2) : arg + 2;
    option_id id;
    if (!options_find(name, &id)) return wrong_option(a, d, arg, o);
    if (OPTIONS[id].kind == OPTION_FLAG) {
        if (equals) return diag_error(d, EXIT_USAGE, "", "bad-value", "--%s takes no value", name);
        return options_set(a, d, o, id, "");
    }
    if (equals) return options_set(a, d, o, id, equals + 1);
    if (id == OPT_JSON && takes_json_file(w, *i)) return options_set(a, d, o, id, w->p[++*i]);
    if (value_optional(id)) return options_set(a, d, o, id, "");
    if (*i + 1 == w->n) return diag_error(d, EXIT_USAGE, "", "missing-value", "--%s needs a value: %s", name, OPTIONS[id].arg);
    return options_set(a, d, o, id, w->p[++*i]);
}

static bool parse_letters(arena *a, diag *d, const words *w, uint32_t *i, options *o)
{
    for (const char *p = w->p[*i] + 1; *p; p++) {
        option_id id;
        if (!find_letter(*p, &id)) return wrong_option(a, d, w->p[*i], o);
        if (OPTIONS[id].kind == OPTION_FLAG || value_optional(id)) {
            if (!options_set(a, d, o, id, "")) return false;
            continue;
        }
        if (p[1]) return options_set(a, d, o, id, p + 1);
        if (*i + 1 == w->n) return diag_error(d, EXIT_USAGE, "", "missing-value", "-%c needs a value: %s", *p, OPTIONS[id].arg);
        return options_set(a, d, o, id, w->p[++*i]);
    }
    return true;
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

static bool take_verb(diag *d, options *o)
{
    if (!o->args.n) {
        if (opt_flag(o, OPT_HELP) || opt_flag(o, OPT_VERSION) || opt_flag(o, OPT_LIST_TARGETS)) return true;
        diag_error(d, EXIT_USAGE, "", "no-verb", "nothing to do");
        return diag_hint(d, "onnxcc MODEL.onnx -o DIR compiles a model; onnxcc --help lists the verbs");
    }
    const char *first = o->args.p[0];
    for (int v = 0; v < VERB_COUNT; v++) {
        if (strcmp(VERBS[v].name, first)) continue;
        o->verb = (verb_id)v;
        o->has_verb = true;
        o->args.p++;
        o->args.n--;
        return true;
    }
    if (ends_with(first, ".onnx") || ends_with(first, ".onnxtxt")) {
        o->verb = VERB_COMPILE;
        return o->has_verb = true;
    }
    diag_error(d, EXIT_USAGE, "", "unknown-verb", "there is no verb '%s'", first);
    if (strpbrk(first, "./")) return diag_hint(d, "names of models end in .onnx or .onnxtxt where the verb is left out; `onnxcc compile %s` takes any name", first);
    near_match best = near_start(first);
    for (int v = 0; v < VERB_COUNT; v++) near_try(&best, VERBS[v].name);
    return best.name ? diag_hint(d, "did you mean '%s'?", best.name) : diag_hint(d, "onnxcc --help lists the verbs");
}

/* The option of the verb that has nearly the name, else the verbs that take the option; nothing where they are many, for then another option is meant. */
static void hint_verbs(diag *d, int option, verb_id verb)
{
    const char *near = near_option(OPTIONS[option].name, (int)verb, 2);
    text t = {.mem = d->mem};
    int n = 0;
    for (int v = 0; v < VERB_COUNT; v++)
        if (OPTIONS[option].verbs >> v & 1) text_addf(&t, "%s`onnxcc %s`", n++ ? ", " : "", VERBS[v].name);
    if (near) diag_hint(d, "'%s' has --%s", VERBS[verb].name, near);
    else if (n && n <= 3) diag_hint(d, "it is an option of %s", t.p);
}

/* Every option given belongs to the verb, and the number of arguments is one that it takes. */
static bool check_fit(diag *d, const options *o)
{
    const verb_info *v = &VERBS[o->verb];
    if (!o->has_verb || opt_flag(o, OPT_HELP)) return true;
    for (int i = 0; i < OPT_COUNT; i++)
        if (o->n[i] && !o->from_config[i] && !(OPTIONS[i].verbs >> o->verb & 1)) {
            diag_error(d, EXIT_USAGE, "", "unknown-option", "'%s' has no option --%s", v->name, OPTIONS[i].name);
            hint_verbs(d, i, o->verb);
        }
    if ((int)o->args.n < v->least || (v->most >= 0 && (int)o->args.n > v->most)) {
        diag_error(d, EXIT_USAGE, "", "arguments", (int)o->args.n < v->least ? "'%s' needs an argument" : "'%s' takes fewer arguments", v->name);
        diag_hint(d, "onnxcc %s %s", v->name, v->use);
    }
    return !d->errors;
}

bool options_parse(arena *a, diag *d, int argc, const char *const *argv, options *o)
{
    words w = {0};
    bool more = true;
    for (int i = 1; i < argc; i++)
        if (!expand(a, d, argv[i], &w, 0)) return false;
    for (uint32_t i = 0; i < w.n; i++) {
        const char *arg = w.p[i];
        if (more && !strcmp(arg, "--")) more = false;
        else if (more && !strncmp(arg, "--", 2)) {
            if (!parse_long(a, d, &w, &i, o)) return false;
        } else if (more && arg[0] == '-' && arg[1]) {
            if (!parse_letters(a, d, &w, &i, o)) return false;
        } else VEC_PUSH(a, o->args, arg);
    }
    if (!take_verb(d, o)) return false;
    const char *config = opt_text(o, OPT_CONFIG, NULL);
    if (config && !config_read(a, d, config, o)) return false;
    return check_fit(d, o);
}

const char *opt_text(const options *o, option_id id, const char *otherwise)
{
    return o->n[id] ? o->values[id][o->n[id] - 1] : otherwise;
}

long long opt_int(const options *o, option_id id, long long otherwise)
{
    return o->n[id] ? strtoll(opt_text(o, id, ""), NULL, 10) : otherwise;
}

double opt_real(const options *o, option_id id, double otherwise)
{
    return o->n[id] ? strtod(opt_text(o, id, ""), NULL) : otherwise;
}

int opt_choice(const options *o, option_id id)
{
    return o->n[id] ? choice_index(OPTIONS[id].arg, opt_text(o, id, "")) : 0;
}
