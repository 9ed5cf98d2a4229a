/* data_set.c - the layouts in which test data come: .npz, .npy, and the ONNX project's test_data_set_K/{input,output}_N.pb. */
#include "driver/data_set.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/load.h"

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

static bool add_named(tensor_set *to, tensor *t, const char *name)
{
    if (!t) return false;
    if (elem_of(t->type)->kind == 'c') t = tensor_of_parts(to->mem, t); /* as generated code has them */
    if (name) t->name = name;
    if (t->name && !*t->name) t->name = NULL;
    VEC_PUSH(to->mem, to->list, t);
    return true;
}

/* All tensors of an archive; with a name, the one called so, or the only one, which gets the name. */
static bool add_archive(tensor_set *into, const file_view *f, const char *name, const char **why)
{
    if (!name) return npz_parse(into, f->data, f->size, why);
    tensor_set all = {.mem = into->mem};
    if (!npz_parse(&all, f->data, f->size, why)) return false;
    const tensor *t = tensor_set_find(&all, name);
    if (!t && all.list.n == 1) t = all.list.p[0];
    if (!t) *why = arena_printf(into->mem, "there is no tensor '%s' in it", name);
    return t && add_named(into, arena_copy(into->mem, t, sizeof *t), name);
}

bool tensors_read(diag *d, const char *path, const char *name, tensor_set *into)
{
    if (ends_with(path, ".pb")) {
        const char *before = d->file;
        d->file = path;
        loaded_value v;
        bool ok = value_load(into->mem, d, path, &v);
        for (uint32_t k = 0; ok && k < v.n; k++)
            ok = add_named(into, v.item[k], !name ? NULL : v.list ? arena_printf(into->mem, "%s.%u", name, k) : name);
        into->lists |= ok && v.list;
        if (ok) d->file = before;
        return ok;
    }
    file_view f;
    const char *why = NULL;
    const bool archive = ends_with(path, ".npz"), array = ends_with(path, ".npy");
    bool ok = false;
    if (!file_map(path, &f, &why)) return diag_error(d, EXIT_IO, "", "read-failed", "can't read '%s': %s", path, why);
    if (archive) ok = add_archive(into, &f, name, &why);
    else if (array) ok = add_named(into, npy_parse(into->mem, f.data, f.size, &why), name);
    file_unmap(&f);
    if (!archive && !array) {
        diag_error(d, EXIT_INVALID, "", "bad-tensor", "'%s' is no file of tensors: its name ends neither in .npz nor in .npy nor in .pb", path);
        return diag_hint(d, "tensors are read from NumPy's .npz and .npy, and from ONNX's .pb; for anything else, np.save(\"x.npy\", array) in Python writes one");
    }
    return ok || diag_error(d, EXIT_INVALID, "", "bad-tensor", "'%s': %s", path, why);
}

bool tensors_write(diag *d, const char *path, const tensor_set *set)
{
    text bytes = {.mem = set->mem};
    const char *why;
    if (ends_with(path, ".npy")) {
        if (set->list.n != 1)
            return diag_error(d, EXIT_USAGE, "", "bad-value", "'%s' holds one tensor, there are %u: name an .npz", path, set->list.n);
        npy_print(set->list.p[0], &bytes);
    } else if (!npz_print(set, &bytes, &why)) return diag_error(d, EXIT_LIMIT, "", "size-limit", "'%s': %s", path, why);
    return file_write(path, bytes.p, bytes.n, &why) || diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
}

/* ---- test_data_set_K ---- */

static long set_number(const char *name)
{
    static const char stem[] = "test_data_set_";
    char *end;
    if (strncmp(name, stem, sizeof stem - 1)) return -1;
    const long k = strtol(name + sizeof stem - 1, &end, 10);
    return *end || end == name + sizeof stem - 1 ? -1 : k;
}

static int by_number(const void *a, const void *b)
{
    const long x = set_number(strrchr(*(const char *const *)a, '/') + 1), y = set_number(strrchr(*(const char *const *)b, '/') + 1);
    return (x > y) - (x < y);
}

static bool holds_tensors(arena *a, const char *dir)
{
    return !access(arena_printf(a, "%s/output_0.pb", dir), R_OK) || !access(arena_printf(a, "%s/input_0.pb", dir), R_OK);
}

folder_list data_set_folders(arena *a, const char *dir)
{
    folder_list list = {0};
    if (holds_tensors(a, dir)) {
        VEC_PUSH(a, list, dir);
        return list;
    }
    DIR *at = opendir(dir);
    if (!at) return list;
    for (const struct dirent *e; (e = readdir(at));)
        if (set_number(e->d_name) >= 0) VEC_PUSH(a, list, arena_printf(a, "%s/%s", dir, e->d_name));
    closedir(at);
    if (list.n) qsort(list.p, list.n, sizeof *list.p, by_number);
    return list;
}

static bool read_numbered(diag *d, const char *folder, const char *stem, tensor_set *into)
{
    for (int i = 0;; i++) {
        const char *path = arena_printf(into->mem, "%s/%s_%d.pb", folder, stem, i);
        if (access(path, R_OK)) return true;
        if (!tensors_read(d, path, NULL, into)) return false;
    }
}

bool data_set_read(arena *a, diag *d, const char *folder, data_set *out)
{
    const char *slash = strrchr(folder, '/');
    *out = (data_set){.name = slash ? slash + 1 : folder, .inputs.mem = a, .expected.mem = a};
    return read_numbered(d, folder, "input", &out->inputs) && read_numbered(d, folder, "output", &out->expected);
}

/* ---- outcomes ---- */

/* The output that expected tensor k is for: by name, else by position. */
static const tensor *output_for(const tensor_set *got, const data_set *set, uint32_t k)
{
    const char *name = set->expected.list.p[k]->name;
    const tensor *t = name ? tensor_set_find(got, name) : NULL;
    return t || (name && set->by_name) ? t : k < got->list.n ? got->list.p[k] : NULL;
}

static void keep_difference(outcome *o, const difference *d, const char *output, const char *reason)
{
    if (!d->ok && o->kind == OUTCOME_PASS) {
        o->kind = OUTCOME_FAIL;
        o->output = output;
        o->index = d->index;
        o->reason = reason;
    } else if (o->kind == OUTCOME_PASS && d->max_abs > o->max_abs) {
        o->output = output;
        o->index = d->index;
    }
    o->max_abs = fmax(o->max_abs, d->max_abs);
    o->max_rel = fmax(o->max_rel, d->max_rel);
}

/* An output that belongs to NAME: NAME itself, or NAME.K. */
static bool belongs(const char *output, const char *name, size_t n)
{
    return !strncmp(output, name, n) && (!output[n] || (output[n] == '.' && output[n + 1] && strspn(output + n + 1, "0123456789") == strlen(output + n + 1)));
}

/* The outputs as the expected values count them: NAME.present says whether the optional NAME holds something, and is none itself. */
static tensor_set without_empty(const tensor_set *got)
{
    static const char tail[] = ".present";
    tensor_set kept = {.mem = got->mem};
    for (uint32_t i = 0; i < got->list.n; i++) {
        bool keep = !ends_with(got->list.p[i]->name, tail);
        for (uint32_t k = 0; keep && k < got->list.n; k++) {
            const tensor *t = got->list.p[k];
            const bool empty = ends_with(t->name, tail) && t->type == ELEM_BOOL && !elem_get_int(t->type, t->data, 0);
            if (empty && belongs(got->list.p[i]->name, t->name, strlen(t->name) - (sizeof tail - 1))) keep = false;
        }
        if (keep) VEC_PUSH(kept.mem, kept.list, got->list.p[i]);
    }
    return kept;
}

bool data_set_verify(session *s, const data_set *set, tolerance tol, outcome *o)
{
    tensor_set got = {.mem = s->mem};
    if (!session_bind(s, &set->inputs) || !session_call(s, NULL) || !session_outputs(s, &got)) return false;
    if (set->expected.lists) got = without_empty(&got);
    for (uint32_t k = 0; k < set->expected.list.n; k++) {
        tensor *want = set->expected.list.p[k];
        const tensor *t = output_for(&got, set, k);
        if (!t) return diag_error(s->diag, EXIT_USAGE, "", "missing-output", "the model has no output for '%s'", want->name ? want->name : "?");
        tensor *as = tensor_as(s->mem, want, t->type);
        const difference d = compare(t, as ? as : want, tol);
        keep_difference(o, &d, t->name, arena_printf(s->mem, "output '%s' of %s: %s", t->name, set->name, d.reason));
    }
    const difference count = {.ok = !set->expected.lists || got.list.n == set->expected.list.n, .index = -1};
    keep_difference(o, &count, "", arena_printf(s->mem, "%s has %u outputs, sequences counted by their elements, the model %u", set->name, set->expected.list.n, got.list.n));
    return true;
}

static const char *const WORDS[] = {"pass", "fail", "unsupported", "error"};

const char *outcome_word(outcome_kind k)
{
    return WORDS[k];
}

void outcome_write(const outcome *o, FILE *to)
{
    fprintf(to, "%s\t%.17g\t%.17g\t%lld\t%s\t", WORDS[o->kind], o->max_abs, o->max_rel, (long long)o->index, o->output);
    for (const char *p = o->reason; *p; p++) fputc(*p == '\n' || *p == '\t' ? ' ' : *p, to);
    fputc('\n', to);
}

outcome outcome_parse(arena *a, const char *line)
{
    outcome o = {OUTCOME_ERROR, 0, 0, "", -1, "no result came back"};
    char *copy = arena_strndup(a, line, strcspn(line, "\n")), *field[6];
    for (int i = 0; i < 6; i++) {
        field[i] = copy;
        char *tab = i < 5 ? strchr(copy, '\t') : NULL;
        if (i < 5 && !tab) return o;
        if (tab) {
            *tab = 0;
            copy = tab + 1;
        }
    }
    for (int k = 0; k < 4; k++)
        if (!strcmp(field[0], WORDS[k])) o.kind = (outcome_kind)k;
    o.max_abs = strtod(field[1], NULL);
    o.max_rel = strtod(field[2], NULL);
    o.index = strtoll(field[3], NULL, 10);
    o.output = field[4];
    o.reason = field[5];
    return o;
}

outcome outcome_of_diag(arena *a, const diag *d)
{
    outcome o = {OUTCOME_ERROR, 0, 0, "", -1, "failed without saying why"};
    for (uint32_t i = 0; i < d->list.n; i++) {
        const problem *p = &d->list.p[i];
        if (p->sev != SEV_ERROR) continue;
        o.kind = p->exit == EXIT_UNSUPPORTED ? OUTCOME_UNSUPPORTED : p->exit == EXIT_MISMATCH ? OUTCOME_FAIL : OUTCOME_ERROR;
        o.reason = arena_printf(a, "%s%s%s [%s]", p->where, *p->where ? ": " : "", p->message, p->code);
        break;
    }
    return o;
}

void json_number(FILE *to, double v)
{
    if (isfinite(v)) fprintf(to, "%.9g", v);
    else fputs(isnan(v) ? "\"nan\"" : v > 0 ? "\"inf\"" : "\"-inf\"", to);
}
