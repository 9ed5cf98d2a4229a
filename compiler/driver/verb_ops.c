/* verb_ops.c - `onnxcc ops [WORD]...`: the operators that can be compiled, with their versions and types, as lines, JSON or the page docs/operators.md;
 * and `onnxcc text MODEL`. */
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"
#include "passes/support.h"
#include "proto/surgery.h"

static const struct {
    const char *word, *what;
} KINDS[] = {
    [SUPPORT_NONE] = {"no", "not compiled"},
    [SUPPORT_LOWERED] = {"own", "has a lowering of its own"},
    [SUPPORT_RESOLVED] = {"resolved", "is resolved when the model is compiled: no step of the program is left of it"},
    [SUPPORT_PARTS] = {"parts", "becomes other operators, by a rewrite of ours"},
    [SUPPORT_BODY] = {"body", "becomes other operators, by the body that the standard gives it"},
};

static const char *domain_of(const support *s)
{
    return schema_domain_name(s->domain);
}

static bool wanted(const command *c, const support *s)
{
    if (!c->o->args.n) return true;
    for (uint32_t i = 0; i < c->o->args.n; i++)
        if (strcasestr(s->op, c->o->args.p[i]) || !strcasecmp(domain_of(s), c->o->args.p[i])) return true;
    return false;
}

/* "1,7,13": those that a model may use. */
static const char *versions(const command *c, const support *s)
{
    text to = {.mem = c->mem};
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *v = schema_at(i);
        if (!v->deprecated && !strcmp(v->domain, s->domain) && !strcmp(v->name, s->op)) text_addf(&to, to.n ? ",%d" : "%d", v->since);
    }
    return to.n ? to.p : "1";
}

/* ---- types: of the first input, or where there is none of the first output ---- */

static const struct {
    const char *word;
    uint32_t bits; /* of elem */
} GROUPS[] = {
    {"floating", 1u << ELEM_FLOAT | 1u << ELEM_DOUBLE | 1u << ELEM_FLOAT16 | 1u << ELEM_BFLOAT16},
    {"integer", 1u << ELEM_INT8 | 1u << ELEM_INT16 | 1u << ELEM_INT32 | 1u << ELEM_INT64 | 1u << ELEM_UINT8 | 1u << ELEM_UINT16 | 1u << ELEM_UINT32 | 1u << ELEM_UINT64},
    {"complex", 1u << ELEM_COMPLEX64 | 1u << ELEM_COMPLEX128},
    {"float8", 1u << ELEM_FLOAT8E4M3FN | 1u << ELEM_FLOAT8E4M3FNUZ | 1u << ELEM_FLOAT8E5M2 | 1u << ELEM_FLOAT8E5M2FNUZ},
    {"4-bit integer", 1u << ELEM_INT4 | 1u << ELEM_UINT4},
    {"2-bit integer", 1u << ELEM_INT2 | 1u << ELEM_UINT2},
};

/* The types that the standard has and the compiler knows; none for operators that are not of the standard. */
static schema_types types_of(const support *s)
{
    const schema_param *p = s->schema ? schema_input(s->schema, 0) : NULL;
    if (s->schema && !p) p = schema_output(s->schema, 0);
    schema_types t = p ? *p->types : (schema_types){0};
    uint32_t *const sets[] = {&t.tensor, &t.seq, &t.optional, &t.optional_seq};
    for (uint32_t k = 0; k < 4; k++)
        for (int e = 0; e < 32; e++)
            if (!elem_known(e)) *sets[k] &= ~(1u << e);
    return t;
}

static void grouped(uint32_t set, const char *of, text *to)
{
    const char *separator = *of ? of : "";
    if (to->n && set) text_add(to, "; ");
    for (size_t g = 0; g < sizeof GROUPS / sizeof *GROUPS; g++) {
        if ((set & GROUPS[g].bits) != GROUPS[g].bits) continue;
        text_addf(to, "%s%s", separator, GROUPS[g].word);
        set &= ~GROUPS[g].bits;
        separator = ", ";
    }
    for (int e = 0; e < ELEM_COUNT; e++) {
        if (!(set >> e & 1)) continue;
        text_addf(to, "%s%s", separator, elem_of((elem)e)->name);
        separator = ", ";
    }
}

static const char *types_text(const command *c, const support *s)
{
    text to = {.mem = c->mem};
    const schema_types t = types_of(s), maps = {.maps = t.maps};
    grouped(t.tensor, "", &to);
    grouped(t.seq, "sequences of ", &to);
    grouped(t.optional, "optionals of ", &to);
    if (t.optional_seq) text_add(&to, ", and of sequences of these");
    if (t.maps && to.n) text_add(&to, "; ");
    if (t.maps) schema_types_text(&maps, &to);
    return to.n ? to.p : "";
}

static void json_types(const command *c, const support *s)
{
    text all = {.mem = c->mem};
    const schema_types t = types_of(s);
    schema_types_text(&t, &all);
    const char *p = all.n ? all.p : "";
    for (const char *separator = "["; *p; separator = ",") { /* names hold no ", " but in map(k, v) */
        const char *end = p;
        for (int depth = 0; *end && (depth || *end != ','); end++) depth += (*end == '(') - (*end == ')');
        fputs(separator, c->json);
        json_string(c->json, arena_strndup(c->mem, p, (size_t)(end - p)));
        p = *end ? end + 2 : end;
    }
    fputs(all.n ? "]" : "[]", c->json);
}

static void print_line(const command *c, const support *s)
{
    if (c->json) {
        fprintf(c->json, "{\"domain\":\"%s\",\"operator\":\"%s\",\"versions\":[%s],\"how\":\"%s\",\"types\":", domain_of(s), s->op, versions(c, s), KINDS[s->kind].word);
        json_types(c, s);
        fprintf(c->json, ",\"targets\":[\"c\",\"cuda\"]}\n");
    }
    if (c->json != stdout) fprintf(c->out, "%-18s %-32s %-9s %-22s %s\n", domain_of(s), s->op, KINDS[s->kind].word, versions(c, s), types_text(c, s));
}

/* ---- the page ---- */

static void page_domain(const command *c, const support *list, uint32_t n)
{
    uint32_t yes = 0;
    for (uint32_t i = 0; i < n; i++) yes += list[i].kind != SUPPORT_NONE;
    fprintf(c->out, "\n## %s\n\n", domain_of(list));
    if (list->schema) fprintf(c->out, "%u of the standard's %u.\n\n", yes, n);
    fputs(list->schema ? "| operator | versions | how | types |\n|---|---|---|---|\n" : "| operator | how |\n|---|---|\n", c->out);
    for (uint32_t i = 0; i < n; i++) {
        const support *s = &list[i];
        if (s->kind == SUPPORT_NONE) continue;
        if (s->schema) fprintf(c->out, "| %s | %s | %s | %s |\n", s->op, versions(c, s), KINDS[s->kind].word, types_text(c, s));
        else fprintf(c->out, "| %s | %s |\n", s->op, KINDS[s->kind].word);
    }
    const char *separator = "\nNot compiled: ";
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].kind != SUPPORT_NONE) continue;
        fprintf(c->out, "%s%s", separator, list[i].op);
        separator = ", ";
    }
    if (yes < n) fputs(".\n", c->out);
}

static void print_page(const command *c, const support *list, uint32_t n)
{
    fputs("# Operators\n\n<!-- written by `onnxcc ops --markdown`; a test compares -->\n\n"
          "These operators are compiled, in all versions, for C and for CUDA; `onnxcc ops` prints the same list, `onnxcc ops --json` for programs. What is refused of an operator\n"
          "(an attribute, a size that only the run knows) is an error with its own message and exit code 4; README.md lists the larger gaps. Types are those of the first\n"
          "input (or output) in the newest version: *floating* is float, double, float16 and bfloat16, *integer* 8 to 64 bits with and without sign. Operators of\n"
          "com.microsoft have one version.\n\n| how | the operator |\n|---|---|\n",
          c->out);
    for (size_t k = SUPPORT_LOWERED; k < sizeof KINDS / sizeof *KINDS; k++) fprintf(c->out, "| %s | %s |\n", KINDS[k].word, KINDS[k].what);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && !strcmp(list[end].domain, list[i].domain);) end++;
        page_domain(c, list + i, end - i);
    }
}

exit_code verb_ops(command *c)
{
    uint32_t n, shown = 0;
    const support *list = support_list(c->mem, &n), *refused = NULL;
    if (opt_flag(c->o, OPT_MARKDOWN)) {
        print_page(c, list, n);
        return EXIT_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!wanted(c, &list[i])) continue;
        if (list[i].kind == SUPPORT_NONE) {
            refused = &list[i];
            continue;
        }
        print_line(c, &list[i]);
        shown++;
    }
    if (shown) return EXIT_OK;
    if (refused) diag_error(c->diag, EXIT_UNSUPPORTED, "", "op-unsupported", "operator %s of %s is not supported yet", refused->op, domain_of(refused));
    else diag_error(c->diag, EXIT_UNSUPPORTED, "", "op-unknown", "no operator that can be compiled has that name or domain");
    diag_hint(c->diag, "`onnxcc ops` lists all that can be compiled");
    return EXIT_UNSUPPORTED;
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

exit_code verb_text(command *c)
{
    enum { SHOWN_ELEMENTS = 64 };
    text t = {.mem = c->mem};
    const char *path = opt_text(c->o, OPT_OUTPUT, NULL), *why;
    if (path && ends_with(path, ".onnx")) {
        surgery *s = surgery_open(c->mem, c->diag, c->o->args.p[0]);
        return s && surgery_save(s, path) ? EXIT_OK : diag_exit(c->diag);
    }
    model *m = load_for_build(c->mem, c->diag, c->o->args.p[0]);
    if (!m) return diag_exit(c->diag);
    model_text(m, &t, SHOWN_ELEMENTS);
    if (!path) return fwrite(t.p, 1, t.n, c->out) == t.n ? EXIT_OK : EXIT_IO;
    if (file_write(path, t.p, t.n, &why)) return EXIT_OK;
    diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    return EXIT_IO;
}
