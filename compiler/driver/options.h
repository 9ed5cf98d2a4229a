/* options.h - the command line, parsed: verb, options, the other arguments. The tables are in options.def. */
#ifndef ONNXCC_DRIVER_OPTIONS_H
#define ONNXCC_DRIVER_OPTIONS_H
#include "base/diag.h"

typedef enum {
#define VERB(id, name, use, least, most, help) VERB_##id,
#include "driver/options.def"
    VERB_COUNT
} verb_id;

typedef enum {
#define OPTION(id, name, letter, kind, arg, verbs, help) OPT_##id,
#include "driver/options.def"
    OPT_COUNT
} option_id;

typedef struct {
    const char *name, *use, *help;
    int least, most; /* arguments that are no options; most -1: any number */
} verb_info;

typedef enum { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_REAL, OPTION_CHOICE, OPTION_LIST } option_kind;
typedef struct {
    const char *name;
    char letter;
    option_kind kind;
    const char *arg;
    unsigned verbs; /* bit 1 << VERB_x */
    const char *help;
} option_info;

typedef struct {
    verb_id verb;
    bool has_verb;
    const char *const *values[OPT_COUNT]; /* in order; a flag has one empty value */
    uint32_t n[OPT_COUNT];
    bool from_config[OPT_COUNT];
    VEC(const char *) args;
} options;

const verb_info *verb_info_of(verb_id v);
const option_info *option_info_of(option_id o);

/* Parses argv[1..argc); @FILE is replaced by the words in it, `--config` files are read with less weight than the command line. Errors go to d as
 * EXIT_USAGE or EXIT_IO. The verb may be left out when the first argument ends in .onnx (compile). */
bool options_parse(arena *a, diag *d, int argc, const char *const *argv, options *o);

/* For an option of words: is it one of them? */
bool option_has_word(option_id o, const char *word);

static inline bool opt_flag(const options *o, option_id id)
{
    return o->n[id] > 0;
}
const char *opt_text(const options *o, option_id id, const char *otherwise); /* the last value given */
long long opt_int(const options *o, option_id id, long long otherwise);
double opt_real(const options *o, option_id id, double otherwise);
int opt_choice(const options *o, option_id id); /* index of the word; 0, the default, when not given */

/* Used by options_parse and by config files. */
bool options_set(arena *a, diag *d, options *o, option_id id, const char *value);
bool options_find(const char *name, option_id *id);
bool config_read(arena *a, diag *d, const char *path, options *o); /* config.c */

/* help.c */
void help_general(FILE *to);
void help_verb(FILE *to, verb_id v);
void help_man(FILE *to);
void help_bash(FILE *to);
#endif
