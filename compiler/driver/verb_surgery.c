/* verb_surgery.c - `onnxcc merge`, `extract`, `inline`, `prefix` and `weights`: models put together and taken apart. */
#include <string.h>

#include "check/check.h"
#include "driver/command.h"
#include "ops/version.h"
#include "passes/analyze.h"
#include "proto/save.h"
#include "proto/surgery.h"
#include "schema/schema.h"

enum { FOLD_LIMIT = 1 << 16 };

static const char *output_of(command *c, const char *verb)
{
    const char *out = opt_text(c->o, OPT_OUTPUT, NULL);
    if (!out) diag_error(c->diag, EXIT_USAGE, "", "output", "%s needs -o OUT, the file to write", verb);
    c->diag->file = c->o->args.p[0];
    return out;
}

static exit_code save(command *c, surgery *s, const char *out)
{
    return surgery_save(s, out) ? EXIT_OK : diag_exit(c->diag);
}

/* ---- prefix ---- */

static bool names_wanted(command *c, unsigned *what)
{
    static const char *const name[] = {"nodes", "edges", "inputs", "outputs", "initializers", "value_infos", "functions"};
    if (!c->o->n[OPT_RENAME]) *what = RENAME_ALL;
    for (uint32_t i = 0; i < c->o->n[OPT_RENAME]; i++) {
        uint32_t k = 0;
        while (k < 7 && strcmp(name[k], c->o->values[OPT_RENAME][i])) k++;
        if (k == 7)
            return diag_error(c->diag, EXIT_USAGE, "", "bad-value",
                              "--rename=%s: there are nodes, edges, inputs, outputs, initializers, value_infos, functions",
                              c->o->values[OPT_RENAME][i]);
        *what |= 1u << k;
    }
    return true;
}

exit_code verb_prefix(command *c)
{
    const char *out = output_of(c, "prefix"), *prefix = opt_text(c->o, OPT_PREFIX, NULL);
    unsigned what = 0;
    if (!prefix) diag_error(c->diag, EXIT_USAGE, "", "prefix", "prefix needs --prefix P, what names begin with then");
    if (!names_wanted(c, &what) || !prefix || !out) return EXIT_USAGE;
    surgery *s = surgery_open(c->mem, c->diag, c->o->args.p[0]);
    if (!s) return diag_exit(c->diag);
    surgery_prefix(s, prefix, what);
    return save(c, s, out);
}

/* ---- merge ---- */

static surgery *open_part(command *c, uint32_t i, const char **prefix)
{
    *prefix = opt_text(c->o, i ? OPT_PREFIX2 : OPT_PREFIX1, "");
    c->diag->file = c->o->args.p[i];
    surgery *s = surgery_open(c->mem, c->diag, c->o->args.p[i]);
    if (s && **prefix) surgery_prefix(s, *prefix, RENAME_ALL);
    return s;
}

static bool edges_wanted(command *c, const char *prefix1, const char *prefix2, merge_options *o)
{
    o->n_edges = c->o->n[OPT_CONNECT];
    surgery_edge *edges = ARENA_ARRAY(c->mem, surgery_edge, o->n_edges);
    for (uint32_t i = 0; i < o->n_edges; i++) {
        const char *edge = c->o->values[OPT_CONNECT][i], *equals = strchr(edge, '=');
        if (!equals)
            return diag_error(c->diag, EXIT_USAGE, "", "bad-value",
                              "--connect=%s: expected OUT=IN, an output of the first model and an input of the second", edge);
        edges[i].out = arena_printf(c->mem, "%s%.*s", prefix1, (int)(equals - edge), edge);
        edges[i].in = arena_printf(c->mem, "%s%s", prefix2, equals + 1);
    }
    o->edges = edges;
    return true;
}

/* What is written is a model, as onnx.compose makes sure; where weights are not together yet, that can't be said. */
static bool is_model(command *c, surgery *s)
{
    text bytes = {.mem = c->mem};
    if (!surgery_in_one_folder(s)) return true;
    return surgery_encode(s, &bytes) && check_model_bytes(c->mem, c->diag, bytes.p, bytes.n, c->o->args.p[0]) && !c->diag->errors;
}

exit_code verb_merge(command *c)
{
    const char *out = output_of(c, "merge"), *prefix1, *prefix2;
    merge_options o = {.inputs = c->o->values[OPT_FROM],
                       .n_inputs = c->o->n[OPT_FROM],
                       .outputs = c->o->values[OPT_TO],
                       .n_outputs = c->o->n[OPT_TO],
                       .name = opt_text(c->o, OPT_GRAPH_NAME, NULL)};
    if (!out) return EXIT_USAGE;
    surgery *first = open_part(c, 0, &prefix1), *second = first ? open_part(c, 1, &prefix2) : NULL;
    if (!second) return diag_exit(c->diag);
    c->diag->file = NULL;
    if (!edges_wanted(c, prefix1, prefix2, &o)) return EXIT_USAGE;
    if (!surgery_merge(first, second, &o) || !is_model(c, first)) return diag_exit(c->diag);
    return save(c, first, out);
}

/* ---- extract ---- */

/* A model with the types that inference finds: a part's inputs and outputs need theirs. */
static surgery *open_inferred(command *c, const char *path)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true};
    const infer_options o = {.fold_limit = FOLD_LIMIT, .tolerant = true, .partial = true};
    model *m = model_load_checked(c->mem, c->diag, path, &load);
    if (!m) return NULL;
    m->diag = diag_new(c->mem, NULL);
    (void)analyze_types(m, &o);
    m->diag = c->diag;
    m->types_inferred = true;
    text bytes = {.mem = c->mem};
    return model_encode(m, c->diag, &bytes) ? surgery_open_bytes(c->mem, c->diag, bytes.p, bytes.n, path) : NULL;
}

exit_code verb_extract(command *c)
{
    const char *out = output_of(c, "extract");
    if (!c->o->n[OPT_FROM] || !c->o->n[OPT_TO])
        diag_error(c->diag, EXIT_USAGE, "", "extract", "extract needs --from NAME and --to NAME, values where the part begins and ends");
    if (!out || c->diag->errors) return EXIT_USAGE;
    surgery *s = open_inferred(c, c->o->args.p[0]);
    if (!s || !surgery_extract(s, c->o->values[OPT_FROM], c->o->n[OPT_FROM], c->o->values[OPT_TO], c->o->n[OPT_TO])) return diag_exit(c->diag);
    return save(c, s, out);
}

/* ---- inline ---- */

/* Versions in between only allow more types. */
static bool same_form(const op_schema *from, const op_schema *into)
{
    return from->since < into->since && version_same(from)->since >= into->since;
}

/* Where operators of functions mean something else in the model, the functions go to its version of ai.onnx first. */
static surgery *open_level(command *c, const char *path, const inline_options *o)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true};
    version_changes done = {0};
    surgery *s = surgery_open(c->mem, c->diag, path);
    if (!s || surgery_same_operators(s, o)) return s;
    model *m = model_load_checked(c->mem, c->diag, path, &load);
    text bytes = {.mem = c->mem};
    if (!m || !version_convert(m, model_opset(m, ""), &done) || !model_encode(m, c->diag, &bytes)) return NULL;
    return surgery_open_bytes(c->mem, c->diag, bytes.p, bytes.n, path);
}

exit_code verb_inline(command *c)
{
    const char *out = output_of(c, "inline");
    const bool except = c->o->n[OPT_EXCEPT] > 0;
    const inline_options o = {.except = except,
                              .ids = c->o->values[except ? OPT_EXCEPT : OPT_FUNCTION],
                              .n_ids = c->o->n[except ? OPT_EXCEPT : OPT_FUNCTION],
                              .standard = opt_flag(c->o, OPT_STANDARD),
                              .same_form = same_form};
    if (except && c->o->n[OPT_FUNCTION])
        diag_error(c->diag, EXIT_USAGE, "", "arguments", "--function and --except together: one of them says what goes");
    if (!out || c->diag->errors) return EXIT_USAGE;
    surgery *s = open_level(c, c->o->args.p[0], &o);
    if (!s || !surgery_inline(s, &o)) return diag_exit(c->diag);
    return save(c, s, out);
}

/* ---- weights ---- */

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool weights_wanted(command *c, const char *out, weights_options *o)
{
    const char *slash = strrchr(out, '/');
    const int64_t part = opt_int(c->o, OPT_PART_SIZE, 0), least = opt_int(c->o, OPT_LEAST_SIZE, 1024), most = INT64_MAX >> 20;
    *o = (weights_options){.folder = !slash ? "." : slash == out ? "/" : arena_strndup(c->mem, out, (size_t)(slash - out)),
                           .file = opt_text(c->o, OPT_DATA_FILE, arena_printf(c->mem, "%s.data", last_name(out))),
                           .part = (uint64_t)part << 20,
                           .least = least > 0 ? (uint64_t)least : 1}; /* empty tensors have no place in a file */
    if (part < 0 || part > most || least < 0) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--part-size and --least-size are sizes, in MiB and in bytes");
    if (!strcmp(o->file, last_name(out))) return diag_error(c->diag, EXIT_USAGE, "", "output", "--data-file=%s is the model itself", o->file);
    return true;
}

exit_code verb_weights(command *c)
{
    const char *out = output_of(c, "weights");
    const bool inside = opt_flag(c->o, OPT_INSIDE);
    weights_options o;
    if (!out || !weights_wanted(c, out, &o)) return EXIT_USAGE;
    if (inside && (c->o->n[OPT_DATA_FILE] || c->o->n[OPT_PART_SIZE] || c->o->n[OPT_LEAST_SIZE])) {
        diag_error(c->diag, EXIT_USAGE, "", "arguments", "--inside leaves no weights for files beside the model");
        return EXIT_USAGE;
    }
    surgery *s = surgery_open(c->mem, c->diag, c->o->args.p[0]);
    if (!s || !(inside ? surgery_weights_in(s) : surgery_weights_out(s, &o))) return diag_exit(c->diag);
    return save(c, s, out);
}
