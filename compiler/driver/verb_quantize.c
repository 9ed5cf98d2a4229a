/* verb_quantize.c - `onnxcc quantize IN -o OUT`: writes the model back with products in 8 bits; what became of each of them as a table. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "check/check.h"
#include "driver/build.h"
#include "driver/calibrate.h"
#include "driver/command.h"
#include "driver/output_distance.h"
#include "driver/sample_run.h"
#include "ops/version.h"
#include "passes/analyze.h"
#include "passes/inline.h"
#include "passes/optimize.h"
#include "passes/passes.h"
#include "proto/save.h"

enum { LARGEST_CONSTANT = 1 << 16 };

/* ---- options ---- */

static bool read_options(command *c, quantize_options *o)
{
    static const range_method METHOD[] = {RANGE_MSE, RANGE_MINMAX, RANGE_PERCENTILE};
    const char *calibration = opt_text(c->o, OPT_CALIBRATE, NULL), *mode = opt_text(c->o, OPT_MODE, calibration ? "static" : "dynamic");
    *o = (quantize_options){.method = METHOD[opt_choice(c->o, OPT_METHOD)], .reader = (quantize_reader)opt_choice(c->o, OPT_FOR)};
    o->mode = !strcmp(mode, "static") ? QUANTIZE_STATIC : QUANTIZE_DYNAMIC;
    o->activations = opt_choice(c->o, OPT_ACTIVATIONS) ? ELEM_INT8 : ELEM_UINT8;
    o->per_tensor = opt_flag(c->o, OPT_PER_TENSOR);
    o->keep = c->o->values[OPT_KEEP];
    o->n_keep = c->o->n[OPT_KEEP];
    o->keep_type = c->o->values[OPT_KEEP_TYPE];
    o->n_keep_type = c->o->n[OPT_KEEP_TYPE];
    o->least_sqnr = opt_real(c->o, OPT_LEAST_SQNR, 10);
    if (strcmp(mode, "static") && strcmp(mode, "dynamic")) {
        diag_error(c->diag, EXIT_UNSUPPORTED, "", "option-unsupported", "--mode=%s is not there yet", mode);
        return diag_hint(c->diag, "dynamic and static are");
    }
    if (o->mode == QUANTIZE_STATIC && !calibration) {
        diag_error(c->diag, EXIT_USAGE, "", "no-data", "--mode=static needs --calibrate PATH, inputs as the model will see them");
        return diag_hint(c->diag, "--mode=dynamic needs none");
    }
    if (opt_flag(c->o, OPT_METRIC) && !calibration)
        return diag_error(c->diag, EXIT_USAGE, "", "no-data", "--metric needs --calibrate PATH, inputs to compare outputs for");
    if (o->mode == QUANTIZE_DYNAMIC && calibration && !opt_flag(c->o, OPT_METRIC))
        return diag_error(c->diag, EXIT_USAGE, "", "arguments", "--mode=dynamic does not calibrate: leave --calibrate out, or give --metric, too");
    if (o->mode == QUANTIZE_DYNAMIC && c->o->n[OPT_ACTIVATIONS] && o->activations != ELEM_UINT8)
        return diag_error(c->diag, EXIT_UNSUPPORTED, "", "option-unsupported",
                          "DynamicQuantizeLinear gives u8: --activations=s8 is for --mode=static");
    return true;
}

/* ---- the model ---- */

enum { RAISED_OPSET = 13 }; /* with scales per channel */

/* Functions become nodes, and the nodes go to RAISED_OPSET. Adapters look at types. */
static bool raise_opset(model *m)
{
    if (m->functions.n && !inline_functions(m)) return false;
    analyze(m, LARGEST_CONSTANT);
    return version_raise(m, RAISED_OPSET);
}

/* The model at an opset that has what the mode needs, and what it would like: scales per channel. *had is the file's own. */
static model *load_model(command *c, const quantize_options *o, const char *path, int *had)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true};
    model *m = model_load_checked(c->mem, c->diag, path, &load);
    if (!m) return NULL;
    *had = model_opset(m, "");
    const bool needs = *had < quantize_least_opset(o->mode), likes = o->mode == QUANTIZE_STATIC && !o->per_tensor && *had < RAISED_OPSET;
    if (!*had || (!needs && !likes)) return m;
    if (!needs) m->diag = diag_new(c->mem, path); /* what can't be raised is quantized as it is */
    if (raise_opset(m)) {
        m->diag = c->diag;
        return m;
    }
    return needs ? NULL : model_load_checked(c->mem, c->diag, path, &load);
}

/* What folds into products goes first: they are quantized as they will run. */
static bool prepare_model(command *c, model *m)
{
    const optimize_options o = {.level = LEVEL_EXTENDED};
    optimize_report report;
    if (m->functions.n && !inline_functions(m)) return false;
    if (!optimize_model(m, c->mem, &o, &report)) return false;
    analyze(m, LARGEST_CONSTANT);
    return true;
}

/* ---- the report ---- */

typedef struct {
    const char *in, *out;
    uint32_t sets, quantized, others;
    long long before, after; /* bytes of the files */
    distance_list outputs;   /* with --metric */
} summary;

static long long file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (long long)st.st_size;
}

static void print_decibel(FILE *to, double v)
{
    if (isnan(v)) fputs("       -", to);
    else if (isinf(v)) fputs(v > 0 ? "   exact" : "    none", to);
    else fprintf(to, "%8.1f", v);
}

static void print_outputs(FILE *to, const distance_list *outputs)
{
    if (outputs->n) fputs("  cosine     SQNR    largest   argmax  output\n", to);
    for (uint32_t i = 0; i < outputs->n; i++) {
        const output_distance *d = &outputs->p[i];
        const double cosine = distance_cosine(d);
        if (isnan(cosine)) fputs("       -", to);
        else fprintf(to, "%8.5f", cosine);
        fputc(' ', to);
        print_decibel(to, distance_sqnr(d));
        fprintf(to, " %10.4g", d->largest);
        if (d->rows) fprintf(to, " %7.2f%%", 100 * (double)d->same_argmax / (double)d->rows);
        else fputs("        -", to);
        fprintf(to, "  %s", d->name);
        if (d->other_shapes) fprintf(to, ", with another shape in %u sets", d->other_shapes);
        fputc('\n', to);
    }
}

static void print_table(FILE *to, const quantize_plan *p, const summary *s)
{
    const bool stat = p->o->mode == QUANTIZE_STATIC;
    fputs(stat ? "   input  weights   output  outside  layer\n" : " weights  layer\n", to);
    for (uint32_t i = 0; i < p->layers.n; i++) {
        const layer *l = &p->layers.p[i];
        if (stat) {
            print_decibel(to, l->sqnr[0]);
            print_decibel(to, l->sqnr[1]);
            fputc(' ', to);
            print_decibel(to, l->sqnr[2]);
            if (isnan(l->sqnr[0])) fputs("         -", to);
            else fprintf(to, " %8.3f%%", 100 * l->saturated);
        } else {
            print_decibel(to, l->sqnr[1]);
        }
        fprintf(to, "  %s (%s)%s%s\n", l->name, l->op, l->kept ? " stays in float: " : "", l->kept ? l->kept : "");
    }
    print_outputs(to, &s->outputs);
    fprintf(to, "%u of %u products in 8 bits", s->quantized, p->layers.n);
    if (stat) fprintf(to, ", %u other nodes with them; calibrated with %u set%s", s->others, s->sets, s->sets == 1 ? "" : "s");
    fprintf(to, "; %lld bytes before, %lld after\n", s->before, s->after);
    for (uint32_t i = 0; i < p->notes.n; i++) fprintf(to, "%s\n", p->notes.p[i]);
}

static void json_field(FILE *to, const char *key, double v)
{
    if (isnan(v)) return;
    fprintf(to, ",\"%s\":", key);
    json_number(to, v);
}

static void json_outputs(FILE *to, const distance_list *outputs)
{
    if (outputs->n) fputs(",\"outputs\":[", to);
    for (uint32_t i = 0; i < outputs->n; i++) {
        const output_distance *d = &outputs->p[i];
        fputs(i ? ",{\"name\":" : "{\"name\":", to);
        json_string(to, d->name);
        json_field(to, "cosine", distance_cosine(d));
        json_field(to, "sqnr", distance_sqnr(d));
        json_field(to, "max_difference", d->largest);
        if (d->rows) json_field(to, "argmax_agreement", (double)d->same_argmax / (double)d->rows);
        if (d->other_shapes) fprintf(to, ",\"other_shapes\":%u", d->other_shapes);
        fputc('}', to);
    }
    if (outputs->n) fputc(']', to);
}

/* One object for each product, then one for the whole. */
static void print_json(FILE *to, const quantize_plan *p, const summary *s)
{
    for (uint32_t i = 0; i < p->layers.n; i++) {
        const layer *l = &p->layers.p[i];
        fputs("{\"node\":", to);
        json_string(to, l->name);
        fprintf(to, ",\"op\":\"%s\",\"quantized\":%s", l->op, l->kept ? "false" : "true");
        json_field(to, "sqnr_input", l->sqnr[0]);
        json_field(to, "sqnr_weights", l->sqnr[1]);
        json_field(to, "sqnr_output", l->sqnr[2]);
        if (!isnan(l->sqnr[0])) fprintf(to, ",\"saturated\":%.9g", l->saturated);
        if (l->kept) {
            fputs(",\"reason\":", to);
            json_string(to, l->kept);
        }
        fputs("}\n", to);
    }
    fputs("{\"file\":", to);
    json_string(to, s->in);
    fputs(",\"output\":", to);
    json_string(to, s->out);
    fprintf(to, ",\"mode\":\"%s\",\"products\":%u,\"quantized\":%u,\"others\":%u,\"sets\":%u,\"bytes\":{\"before\":%lld,\"after\":%lld}",
            p->o->mode == QUANTIZE_STATIC ? "static" : "dynamic", p->layers.n, s->quantized, s->others, s->sets, s->before, s->after);
    json_outputs(to, &s->outputs);
    fputs("}\n", to);
}

static void count_quantized(const quantize_plan *p, summary *s)
{
    for (uint32_t i = 0; i < p->layers.n; i++) s->quantized += !p->layers.p[i].kept;
    for (node_id n = 1; n < p->n_nodes; n++) s->others += p->role[n] != ROLE_NONE && p->role[n] != ROLE_PRODUCT;
}

/* ---- the verb ---- */

static bool write_quantized(command *c, quantize_plan *p, const folder_list *sets, summary *s)
{
    if (p->o->mode == QUANTIZE_STATIC) {
        if (!calibrate(c, p, sets)) return false;
        quantize_judge(p);
        if (opt_choice(c->o, OPT_BIAS_CORRECTION) && !calibrate_biases(c, p, sets)) return false;
        count_quantized(p, s);
        quantize_write_static(p);
    } else {
        count_quantized(p, s);
        quantize_write_dynamic(p);
    }
    remove_dead(p->m);
    if (!ir_verify(p->m) || !model_save_own(p->m, c->diag, s->out)) return false;
    s->after = file_bytes(s->out);
    return true;
}

static bool quantize_model(command *c, quantize_plan *p, summary *s)
{
    const char *data = opt_text(c->o, OPT_CALIBRATE, NULL);
    const bool metric = opt_flag(c->o, OPT_METRIC);
    folder_list sets = {0};
    if (p->o->mode != QUANTIZE_STATIC && opt_choice(c->o, OPT_BIAS_CORRECTION))
        return diag_error(c->diag, EXIT_USAGE, "", "arguments", "--bias-correction=on is for static mode, with --calibrate");
    if (data && !sample_sets_find(c, p->m, data, &sets)) return false;
    s->sets = sets.n;
    model *before = metric ? model_copy(c, p->m) : NULL;
    if ((metric && !before) || !write_quantized(c, p, &sets, s)) return false;
    if (!metric) return true;
    model *after = load_for_build(c->mem, c->diag, s->out);
    const bool ok = after && outputs_compare(c, before, after, &sets, &s->outputs);
    c->diag->file = s->in;
    return ok;
}

exit_code verb_quantize(command *c)
{
    int had = 0;
    summary s = {.in = c->o->args.p[0], .out = opt_text(c->o, OPT_OUTPUT, NULL)};
    quantize_options o;
    if (!s.out) {
        diag_error(c->diag, EXIT_USAGE, "", "output", "quantize needs -o OUT, the file to write");
        return EXIT_USAGE;
    }
    if (!read_options(c, &o)) return diag_exit(c->diag);
    c->diag->file = s.in;
    model *m = load_model(c, &o, s.in, &had);
    if (!m || !prepare_model(c, m)) return diag_exit(c->diag);
    s.before = file_bytes(s.in);
    quantize_plan *p = quantize_choose(c->mem, m, &o);
    if (model_opset(m, "") != had)
        VEC_PUSH(c->mem, p->notes, arena_printf(c->mem, "the model's opset is %d now, it was %d", model_opset(m, ""), had));
    if (had && o.mode == QUANTIZE_STATIC && !o.per_tensor && model_opset(m, "") < RAISED_OPSET)
        VEC_PUSH(c->mem, p->notes, "weights have one scale for each node: scales per channel came with opset 13, to which this model can't be raised");
    if (!quantize_model(c, p, &s)) return diag_exit(c->diag);
    if (c->json) print_json(c->json, p, &s);
    if (c->json != stdout && !c->quiet) print_table(c->out, p, &s);
    return EXIT_OK;
}
