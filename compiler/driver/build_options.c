/* build_options.c - the options that say how to compile a model, from the command line's words to compile_options. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "driver/command.h"
#include "driver/data_set.h"
#include "driver/tuning_file.h"
#include "target/target.h"

static bool parse_number(const char **s, int64_t *v)
{
    char *end;
    if (**s < '0' || **s > '9') return false;
    const long long n = strtoll(*s, &end, 10);
    if (n == LLONG_MAX) return false;
    *s = end;
    *v = n;
    return true;
}

bool parse_dim(arena *a, diag *d, const char *s, dim_override *out)
{
    const char *equals = strrchr(s, '=');
    if (!equals || equals == s) return diag_error(d, EXIT_USAGE, "", "bad-value", "--dim takes NAME=N or NAME=LO..HI, not '%s'", s);
    *out = (dim_override){.name = arena_strndup(a, s, (size_t)(equals - s)), .hi = INT64_MAX};
    const char *p = equals + 1;
    bool ok = true;
    const bool has_lo = strncmp(p, "..", 2) != 0;
    if (has_lo) ok = parse_number(&p, &out->lo);
    if (ok && !*p && has_lo) out->hi = out->lo;
    else if (ok && !strncmp(p, "..", 2)) {
        p += 2;
        if (*p) ok = parse_number(&p, &out->hi);
        else ok = has_lo;
    } else ok = false;
    if (!ok || *p || out->lo > out->hi) return diag_error(d, EXIT_USAGE, "", "bad-value", "--dim takes NAME=N or NAME=LO..HI, not '%s'", s);
    out->zero = has_lo && !out->lo;
    if (out->hi < 1) {
        diag_error(d, EXIT_USAGE, "", "bad-value", "--dim %s: a dimension can't be 0 in every run", s);
        return diag_hint(d, "%s=0..8, for example, is 0 in some", out->name);
    }
    return true;
}

static bool parse_ram(command *c, int64_t *bytes)
{
    const char *s = opt_text(c->o, OPT_RAM, NULL), *p = s;
    *bytes = 0;
    if (!s) return true;
    bool ok = parse_number(&p, bytes) && *bytes > 0;
    const char *unit = *p ? strchr("KMG", toupper((unsigned char)*p)) : NULL;
    if (unit) {
        const int shift = *unit == 'K' ? 10 : *unit == 'M' ? 20 : 30;
        ok = ok && *bytes <= INT64_MAX >> shift;
        *bytes = ok ? *bytes << shift : 0;
        p++;
    }
    return (ok && !*p) || diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--ram takes a number of bytes, or one and K, M or G, not '%s'", s);
}

bool parse_shape(arena *a, diag *d, const char *s, shape_override *out)
{
    const char *equals = strrchr(s, '=');
    const char *const use = "a shape is given as NAME=1x3x224x224 (? leaves a dimension as it is), not as '%s'";
    if (!equals || equals == s) return diag_error(d, EXIT_USAGE, "", "bad-value", use, s);
    memset(out, 0, sizeof *out);
    out->input = arena_strndup(a, s, (size_t)(equals - s));
    for (const char *p = equals + 1; *p;) {
        if (out->rank == sizeof out->dim / sizeof *out->dim) return diag_error(d, EXIT_USAGE, "", "bad-value", "too many dimensions in '%s'", s);
        if (*p == '?') {
            out->dim[out->rank++] = -1;
            p++;
        } else if (!parse_number(&p, &out->dim[out->rank++])) return diag_error(d, EXIT_USAGE, "", "bad-value", use, s);
        if (*p == 'x' && p[1]) p++;
        else if (*p) return diag_error(d, EXIT_USAGE, "", "bad-value", use, s);
    }
    return true;
}

static bool parse_emit(command *c, compile_options *o)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"cmake", EMIT_CMAKE}, {"json", EMIT_MANIFEST}, {"main", EMIT_MAIN}, {"shared", EMIT_SHARED}, {"none", 0}};
    if (c->o->n[OPT_EMIT]) o->emit = 0;
    for (uint32_t i = 0; i < c->o->n[OPT_EMIT]; i++)
        for (const char *p = c->o->values[OPT_EMIT][i]; *p;) {
            const size_t n = strcspn(p, ",");
            size_t k = 0;
            while (k < sizeof words / sizeof *words && (strlen(words[k].word) != n || strncmp(words[k].word, p, n))) k++;
            if (k == sizeof words / sizeof *words)
                return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--emit takes cmake, json, main, shared or none, not '%.*s'", (int)n, p);
            o->emit |= words[k].bit;
            p += n + (p[n] == ',');
        }
    return true;
}

static bool parse_states(command *c, compile_options *o)
{
    for (uint32_t i = 0; i < c->o->n[OPT_STATE]; i++) {
        const char *s = c->o->values[OPT_STATE][i], *equals = strchr(s, '=');
        if (!equals || equals == s || !equals[1]) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--state takes OUT=IN, not '%s'", s);
        VEC_PUSH(c->mem, o->states, ((state_pair){arena_strndup(c->mem, s, (size_t)(equals - s)), equals + 1}));
    }
    return true;
}

/* A number, or one of the words true and false, up to a comma or the end. */
static bool parse_value(const char **p, double *v, bool *truths)
{
    char *end;
    const size_t n = strcspn(*p, ",");
    const bool yes = n == 4 && !strncmp(*p, "true", n), no = n == 5 && !strncmp(*p, "false", n);
    if (yes || no) {
        *v = yes;
        *truths = true;
    } else {
        *v = strtod(*p, &end);
        if (end == *p || end != *p + n) return false;
    }
    *p += n + ((*p)[n] == ',');
    return true;
}

/* INPUT=1,2,3 or INPUT=FILE */
static bool parse_values(command *c, compile_options *o)
{
    for (uint32_t i = 0; i < c->o->n[OPT_VALUE]; i++) {
        const char *s = c->o->values[OPT_VALUE][i], *equals = strrchr(s, '=');
        if (!equals || equals == s) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--value takes INPUT=N,.. or INPUT=FILE, not '%s'", s);
        value_override v = {.input = arena_strndup(c->mem, s, (size_t)(equals - s))};
        const char *p = equals + 1;
        VEC(double) numbers = {0};
        for (double d; *p && parse_value(&p, &d, &v.truths);) VEC_PUSH(c->mem, numbers, d);
        v.n = numbers.n;
        v.number = numbers.p;
        if (*p) {
            tensor_set set = {.mem = c->mem};
            if (!tensors_read(c->diag, equals + 1, v.input, &set)) return false;
            if (set.list.n != 1) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--value %s: the file holds %u tensors", v.input, set.list.n);
            v.data = set.list.p[0];
        }
        VEC_PUSH(c->mem, o->values, v);
    }
    return true;
}

/* INPUT=N, INPUT=any or INPUT=none */
static bool parse_lengths(command *c, compile_options *o)
{
    for (uint32_t i = 0; i < c->o->n[OPT_LENGTH]; i++) {
        const char *s = c->o->values[OPT_LENGTH][i], *equals = strrchr(s, '=');
        char *end = NULL;
        length_override v = {.none = equals && !strcmp(equals + 1, "none"), .any = equals && !strcmp(equals + 1, "any")};
        const unsigned long n = equals && !v.none && !v.any ? strtoul(equals + 1, &end, 10) : 0;
        const bool number = end && isdigit((unsigned char)equals[1]) && !*end && n <= 65536;
        if (!equals || equals == s || !(v.none || v.any || number))
            return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--length takes INPUT=N, N at most 65536, INPUT=any or INPUT=none, not '%s'", s);
        v.input = arena_strndup(c->mem, s, (size_t)(equals - s));
        v.n = (uint32_t)n;
        VEC_PUSH(c->mem, o->lengths, v);
    }
    return true;
}

/* sm_80,sm_90 as 80;90 */
static bool parse_gpu_arch(command *c, compile_options *o)
{
    text list = {.mem = c->mem};
    for (uint32_t i = 0; i < c->o->n[OPT_GPU_ARCH]; i++)
        for (const char *p = c->o->values[OPT_GPU_ARCH][i]; *p;) {
            static const int known[] = {75, 80, 86, 87, 88, 89, 90, 100, 101, 103, 110, 120, 121};
            const size_t n = strcspn(p, ","), digits = strncmp(p, "sm_", 3) ? 0 : strspn(p + 3, "0123456789");
            const bool whole = digits && (3 + digits == n || (3 + digits + 1 == n && (p[n - 1] == 'a' || p[n - 1] == 'f')));
            bool ok = false;
            for (size_t k = 0; whole && k < sizeof known / sizeof *known; k++) ok |= strtol(p + 3, NULL, 10) == known[k];
            if (!ok) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--gpu-arch takes architectures from sm_75 to sm_121, such as sm_80, not '%.*s'", (int)n, p);
            text_addf(&list, "%s%.*s", list.n ? ";" : "", (int)(n - 3), p + 3);
            p += n + (p[n] == ',');
        }
    o->gpu_arch = list.p;
    const bool cuda = target_is_cuda(o->target) || (o->target && !strcmp(o->target, "auto"));
    if (!cuda && (c->o->n[OPT_GPU_ARCH] || c->o->n[OPT_GPU_PRECISION]))
        return diag_error(c->diag, EXIT_USAGE, "", "target", "--gpu-arch and --gpu-precision are for --target=cuda and auto");
    if (cuda && (o->emit & EMIT_MAIN)) return diag_error(c->diag, EXIT_USAGE, "", "target", "--emit=main is for targets of C; samples/cuda/main.cu is a program for CUDA");
    return true;
}

static bool parse_tuning(command *c, compile_options *o)
{
    const char *path = opt_text(c->o, OPT_TUNING, NULL);
    return !path || (o->tuning = tuning_read(c->mem, c->diag, path)) != NULL;
}

static bool check_precision(command *c, const compile_options *o)
{
    if (o->precision == PRECISION_FP32) return true;
    if (target_is_cuda(o->target) || (o->target && !strcmp(o->target, "auto"))) {
        diag_error(c->diag, EXIT_USAGE, "", "precision", "--precision is for targets of C");
        return diag_hint(c->diag, "--gpu-precision");
    }
    if (o->math == MATH_STRICT) return diag_error(c->diag, EXIT_USAGE, "", "precision", "--math=strict computes in float32: it does not go with --precision");
    return true;
}

bool command_customs(command *c, custom_ops *to)
{
    for (uint32_t i = 0; i < c->o->n[OPT_CUSTOM]; i++)
        if (!custom_read(c->mem, c->diag, c->o->values[OPT_CUSTOM][i], to)) return false;
    return true;
}

static bool parse_customs(command *c, compile_options *o)
{
    custom_ops all = {0};
    if (!command_customs(c, &all)) return false;
    for (uint32_t i = 0; i < all.n; i++) VEC_PUSH(c->mem, o->customs, all.p[i]);
    for (uint32_t i = 0; i < c->o->n[OPT_CUSTOM_SOURCE]; i++) VEC_PUSH(c->mem, o->custom_sources, c->o->values[OPT_CUSTOM_SOURCE][i]);
    return true;
}

bool command_compile_options(command *c, compile_options *o)
{
    const options *given = c->o;
    *o = compile_defaults();
    o->name = opt_text(given, OPT_NAME, NULL);
    o->target = opt_text(given, OPT_TARGET, NULL);
    o->weights = (weights_mode)opt_choice(given, OPT_WEIGHTS);
    o->optimize = (optimize_mode)opt_choice(given, OPT_OPTIMIZE);
    o->math = (math_mode)opt_choice(given, OPT_MATH);
    o->precision = (precision_mode)opt_choice(given, OPT_PRECISION);
    o->gpu_precision = (gpu_precision)opt_choice(given, OPT_GPU_PRECISION);
    const long long threads = opt_int(given, OPT_THREADS, 1);
    if (threads < 1 || threads > 1024) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--threads is at least 1 and at most 1024");
    o->threads = (int)threads;
    const long long repeat = opt_int(given, OPT_REPEAT, 1);
    if (repeat < 1 || repeat > 1000000) return diag_error(c->diag, EXIT_USAGE, "", "bad-value", "--repeat is at least 1 and at most 1000000");
    if (!parse_ram(c, &o->ram)) return false;
    o->profile = opt_flag(given, OPT_PROFILE);
    o->verify_passes = opt_flag(given, OPT_VERIFY_PASSES);
    o->no_fuse = opt_flag(given, OPT_NO_FUSE);
    o->dump = opt_text(given, OPT_DUMP, NULL);
    for (uint32_t i = 0; i < given->n[OPT_DIM]; i++) {
        dim_override v;
        if (!parse_dim(c->mem, c->diag, given->values[OPT_DIM][i], &v)) return false;
        VEC_PUSH(c->mem, o->dims, v);
    }
    for (uint32_t i = 0; i < given->n[OPT_SHAPE]; i++) {
        shape_override v;
        if (!parse_shape(c->mem, c->diag, given->values[OPT_SHAPE][i], &v)) return false;
        VEC_PUSH(c->mem, o->shapes, v);
    }
    return parse_emit(c, o) && parse_states(c, o) && parse_gpu_arch(c, o) && parse_values(c, o) && parse_lengths(c, o) && parse_customs(c, o) && parse_tuning(c, o) && check_precision(c, o) && !c->diag->errors;
}
