/* help.c - help texts, the manual page (man macros) and bash completion, all from the tables of options.def. */
#include <stdio.h>
#include <string.h>

#include "driver/options.h"

static const char *const EXIT_CODES[] = {
    "0   success",        "1   outputs differ, or the model returned an error", "2   wrong use",          "3   the model is invalid",
    "4   not supported",  "5   reading or writing failed", "6   over a limit", "70  internal error",
};

static bool takes_value(const option_info *o)
{
    return o->kind != OPTION_FLAG;
}

/* The verbs that a part of a help text begins with, as in "run, verify: ..."; *text: what follows. 0: it begins with none. */
static unsigned verbs_named(const char *part, size_t n, const char **text)
{
    unsigned verbs = 0;
    for (const char *s = part; s < part + n;) {
        const size_t word = strcspn(s, ",: ;");
        unsigned found = 0;
        for (int v = 0; v < VERB_COUNT; v++)
            if (strlen(verb_info_of((verb_id)v)->name) == word && !strncmp(verb_info_of((verb_id)v)->name, s, word)) found = 1u << v;
        if (!found || (s[word] != ',' && s[word] != ':') || s[word + 1] != ' ') return 0;
        verbs |= found;
        if (s[word] == ':') {
            *text = s + word + 2;
            return verbs;
        }
        s += word + 2;
    }
    return 0;
}

/* An option's help as far as it concerns one of the verbs: a part without verbs belongs to the part before it. */
static void print_help(const option_info *o, unsigned verbs, void print(FILE *, const char *, size_t), FILE *to)
{
    const bool one = verbs && !(verbs & (verbs - 1));
    bool wanted = true, any = false;
    for (const char *s = o->help; *s;) {
        const char *end = strstr(s, "; "), *text = s;
        const size_t n = end ? (size_t)(end - s) : strlen(s);
        const unsigned named = verbs_named(s, n, &text);
        if (named) wanted = named & verbs;
        if (!one) text = s;
        if (wanted) {
            if (any) print(to, "; ", 2);
            print(to, text, (size_t)(s + n - text));
            any = true;
        }
        s += end ? n + 2 : n;
    }
}

static void plain(FILE *to, const char *s, size_t n)
{
    fwrite(s, 1, n, to);
}

static void print_option(FILE *to, const option_info *o, unsigned verbs)
{
    char left[80];
    const bool optional = !strcmp(o->name, "json") || !strcmp(o->name, "help");
    int n = o->letter ? snprintf(left, sizeof left, "-%c, --%s", o->letter, o->name) : snprintf(left, sizeof left, "    --%s", o->name);
    if (takes_value(o)) n += snprintf(left + n, sizeof left - (size_t)n, optional ? "[=%s]" : "=%s", o->arg);
    fprintf(to, "  %-34s", left);
    if (n > 33) fprintf(to, "\n  %34s", "");
    fputc(' ', to);
    print_help(o, verbs, plain, to);
    fputc('\n', to);
}

static bool everywhere(const option_info *o)
{
    return o->verbs == ~0u;
}

static void print_options(FILE *to, unsigned verbs, bool common)
{
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_info *o = option_info_of((option_id)i);
        if (everywhere(o) == common && (o->verbs & verbs)) print_option(to, o, verbs);
    }
}

static const char WORDS[] = "@FILE stands for the words in FILE. Of an option that takes one value, the last one given counts.";

void help_general(FILE *to)
{
    fputs("onnxcc - an ahead-of-time compiler from ONNX models to standalone C\n\n"
          "use: onnxcc VERB ...            (onnxcc VERB --help says more)\n"
          "     onnxcc MODEL.onnx -o DIR   (compile)\n\nverbs:\n",
          to);
    for (int v = 0; v < VERB_COUNT; v++) fprintf(to, "  %-10s%s\n", verb_info_of((verb_id)v)->name, verb_info_of((verb_id)v)->help);
    fputs("\noptions of every verb:\n", to);
    print_options(to, ~0u, true);
    fprintf(to, "\n%s\n\nexit codes:\n", WORDS);
    for (size_t i = 0; i < sizeof EXIT_CODES / sizeof *EXIT_CODES; i++) fprintf(to, "  %s\n", EXIT_CODES[i]);
}

void help_verb(FILE *to, verb_id v)
{
    const verb_info *info = verb_info_of(v);
    fprintf(to, "onnxcc %s %s\n\n%s\n\noptions:\n", info->name, info->use, info->help);
    print_options(to, 1u << v, false);
    fputs("\noptions of every verb:\n", to);
    print_options(to, 1u << v, true);
}

/* Text in a manual page: a backslash and a dash are written as escapes. */
static void man_part(FILE *to, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '-' || s[i] == '\\') fputc('\\', to);
        fputc(s[i] == '\\' ? 'e' : s[i], to);
    }
}

static void man_text(FILE *to, const char *s)
{
    man_part(to, s, strlen(s));
}

static void man_option(FILE *to, const option_info *o, unsigned verbs)
{
    fputs(".TP\n.B ", to);
    if (o->letter) fprintf(to, "\\-%c, ", o->letter);
    fputs("\\-\\-", to);
    man_text(to, o->name);
    if (takes_value(o)) {
        fputs("\\fR=\\fI", to);
        man_text(to, o->arg);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    print_help(o, verbs, man_part, to);
    fputs(".\n", to);
}

void help_man(FILE *to)
{
    fputs(".TH ONNXCC 1 \"\" \"onnxcc " ONNXCC_VERSION "\"\n.SH NAME\nonnxcc \\- an ahead\\-of\\-time compiler from ONNX models to standalone C\n"
          ".SH SYNOPSIS\n.B onnxcc\n.I verb\n[\\fIoption\\fR]... [\\fIargument\\fR]...\n.SH VERBS\n",
          to);
    for (int v = 0; v < VERB_COUNT; v++) {
        const verb_info *info = verb_info_of((verb_id)v);
        fprintf(to, ".SS \"%s ", info->name);
        man_text(to, info->use);
        fputs("\"\n", to);
        man_text(to, info->help);
        fputs(".\n", to);
        for (int i = 0; i < OPT_COUNT; i++) {
            const option_info *o = option_info_of((option_id)i);
            if (!everywhere(o) && (o->verbs >> v & 1)) man_option(to, o, 1u << v);
        }
    }
    fputs(".SH OPTIONS OF EVERY VERB\n", to);
    for (int i = 0; i < OPT_COUNT; i++)
        if (everywhere(option_info_of((option_id)i))) man_option(to, option_info_of((option_id)i), ~0u);
    fprintf(to, ".PP\n%s\n.SH EXIT STATUS\n.nf\n", WORDS);
    for (size_t i = 0; i < sizeof EXIT_CODES / sizeof *EXIT_CODES; i++) fprintf(to, "%s\n", EXIT_CODES[i]);
    fputs(".fi\n.SH ENVIRONMENT\n.TP\n.B CC\nthe C compiler that run, verify and bench call.\n.TP\n.B ONNXCC_PYTHON\nthe Python that bench starts "
          "other engines with.\n.TP\n.B NO_COLOR\nno colours.\n.TP\n.B TMPDIR\nfor temporary files.\n",
          to);
}

void help_bash(FILE *to)
{
    fputs("# bash completion for onnxcc: source this file\n_onnxcc()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words\n"
          "    case $verb in\n",
          to);
    for (int v = 0; v < VERB_COUNT; v++) {
        fprintf(to, "    %s) words='", verb_info_of((verb_id)v)->name);
        for (int i = 0; i < OPT_COUNT; i++) {
            const option_info *o = option_info_of((option_id)i);
            if (o->verbs >> v & 1) fprintf(to, "--%s%s ", o->name, takes_value(o) ? "=" : "");
        }
        fputs("' ;;\n", to);
    }
    fputs("    *) words='", to);
    for (int v = 0; v < VERB_COUNT; v++) fprintf(to, "%s ", verb_info_of((verb_id)v)->name);
    fputs("--help --version --list-targets' ;;\n    esac\n"
          "    if [[ $COMP_CWORD -eq 1 || $word == -* ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$word\")); fi\n"
          "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n}\ncomplete -o default -F _onnxcc onnxcc\n",
          to);
}
