/* cases_build.c - from cases to libraries.
 *
 * Generating: a forked child per case runs the whole compiler and writes the files to the work folder, so that a crash or hang of the compiler is the
 * result of that case alone. Building: a unit is one C file that includes the generated C files of many cases (the headers that they share are read
 * once), compiled to one library. A unit that the C compiler refuses is split, by its messages or in halves, until the case that is to blame is
 * alone. Libraries are kept in a cache folder under the hash of everything that goes into them: generated text, C compiler, flags. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "driver/cases.h"
#include "proto/load.h"

enum { CASES_PER_UNIT = 40, STEPS_PER_UNIT = 150, UNIT_SECONDS = 300, CACHE_DAYS = 7 };
#define GENERATE_BYTES ((size_t)4 << 30)

/* ---- hashing: two independent 64-bit FNV-1a sums; names of cached files, not a security matter ---- */

static void hash_start(uint64_t h[2])
{
    h[0] = 0xcbf29ce484222325u;
    h[1] = 0x84222325cbf29ce4u;
}

static void hash_add(uint64_t h[2], const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) {
        h[0] = (h[0] ^ p[i]) * 0x100000001b3u;
        h[1] = (h[1] ^ p[i]) * 0x10000000000001b3u ^ h[1] >> 29;
    }
}

static void hash_text(uint64_t h[2], const char *s)
{
    hash_add(h, s, strlen(s) + 1);
}

/* ---- generating ---- */

/* The case again, where data decides sizes that have no bound: these get a capacity. A size may be met only when another has one, hence the rounds. */
static bool generate_bounded(case_run *r, test_case *t, const model *refused, const compile_options *o, diag *d, compiled *out)
{
    enum { CAPACITY = 4096, ROUNDS = 4 };
    arena *a = r->c->mem;
    compile_options with = *o;
    with.dims.p = NULL, with.dims.n = with.dims.cap = 0;
    for (uint32_t i = 0; i < o->dims.n; i++) VEC_PUSH(a, with.dims, o->dims.p[i]);
    for (int round = 0; refused && round < ROUNDS; round++) {
        const uint32_t n = with.dims.n;
        for (uint32_t i = 0; i < refused->decided.n; i++) {
            const dim s = refused->decided.p[i];
            if (dim_range(refused->dims, s).hi == INT64_MAX) VEC_PUSH(a, with.dims, ((dim_override){.name = dim_name(refused->dims, s), .hi = CAPACITY}));
        }
        if (with.dims.n == n) return false;
        diag *again = diag_new(a, NULL);
        model *m = load_for_build(a, again, arena_printf(a, "%s/model.onnx", t->dir));
        *out = (compiled){.mem = a};
        if (m && compile_model(m, &with, out)) {
            d->list.n = 0;
            d->errors = 0;
            return true;
        }
        refused = m;
    }
    return false;
}

/* Whether dimension d of input i has the size 1 and broadcasting may stretch it: another input has more there, counted from the end. */
static bool stretched(uint32_t n, const tensor *const *input, uint32_t i, uint32_t d)
{
    const uint32_t from_end = input[i]->rank - d;
    for (uint32_t k = 0; k < n && input[i]->shape[d] == 1; k++)
        if (input[k] && input[k]->rank >= from_end && input[k]->shape[input[k]->rank - from_end] > 1) return true;
    return false;
}

typedef enum { SAY_RANK, SAY_FIXED, SAY_ALL } said_sizes;

/* What --shape would say of an input: its rank; with SAY_FIXED the sizes that are 0 or stretched, which a symbol can't be; or all sizes. */
static void take_shape(case_run *r, const char *name, uint32_t n, const tensor *const *input, uint32_t i, said_sizes how, compile_options *o)
{
    const tensor *t = input[i];
    shape_override s = {.input = name, .rank = t->rank};
    bool any = how != SAY_FIXED;
    if (s.rank > sizeof s.dim / sizeof *s.dim) return;
    for (uint32_t d = 0; d < s.rank; d++) {
        const bool say = how == SAY_ALL || !t->shape[d] || stretched(n, input, i, d);
        s.dim[d] = say ? t->shape[d] : -1;
        any |= say;
    }
    if (any) VEC_PUSH(r->c->mem, o->shapes, s);
}

/* What --length would say of inputs that are sequences or optionals, and --shape of their elements, of tensors whose rank the model leaves open, and of
 * sizes that no symbol can be: what the first set has. sizes: --shape of every tensor. */
static void take_lengths(case_run *r, const test_case *t, model *m, bool sizes, compile_options *o)
{
    arena *a = r->c->mem;
    const folder_list folders = data_set_folders(a, t->dir);
    const graph *g = model_main(m);
    const tensor **input = ARENA_ARRAY(a, const tensor *, g->inputs.n + 1);
    loaded_value *data = ARENA_ARRAY(a, loaded_value, g->inputs.n + 1);
    for (uint32_t i = 0, file = 0; folders.n && i < g->inputs.n; i++, file++) {
        const char *path = arena_printf(a, "%s/input_%u.pb", folders.p[0], file);
        if (value_at(m, g->inputs.p[i])->type.kind == TYPE_MAP) file++; /* its keys and its values */
        if (access(path, R_OK) || !value_load(a, diag_new(a, NULL), path, &data[i])) data[i] = (loaded_value){0};
        else if (!data[i].list && !data[i].nothing) input[i] = data[i].item[0];
    }
    for (uint32_t i = 0; folders.n && i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const bool is_list = v->type.kind == TYPE_SEQUENCE || v->type.kind == TYPE_OPTIONAL;
        if (input[i] && v->type.kind == TYPE_TENSOR && (v->type.rank < 0 || v->type.rank == (int32_t)input[i]->rank))
            take_shape(r, v->name, g->inputs.n, input, i, sizes ? SAY_ALL : v->type.rank < 0 ? SAY_RANK : SAY_FIXED, o);
        if (!is_list || (!data[i].n && !data[i].list && !data[i].nothing)) continue;
        if (v->type.kind == TYPE_OPTIONAL && !data[i].nothing && (!v->type.of || v->type.of->kind == TYPE_TENSOR)) continue;
        VEC_PUSH(a, o->lengths, ((length_override){v->name, data[i].n, data[i].nothing, false}));
        for (uint32_t k = 0; k < data[i].n; k++) {
            const tensor *element = data[i].item[k];
            take_shape(r, arena_printf(a, "%s.%u", v->name, k), 1, &element, 0, sizes ? SAY_ALL : SAY_RANK, o);
        }
    }
}

static bool generate(case_run *r, test_case *t, const compile_options *o, bool sizes, diag *d, compiled *out)
{
    arena *a = r->c->mem;
    model *m = load_for_build(a, d, arena_printf(a, "%s/model.onnx", t->dir));
    if (!m) return false;
    compile_options with = *o;
    with.lengths.p = NULL, with.lengths.n = with.lengths.cap = 0; /* of its own, behind those that were given */
    with.shapes.p = NULL, with.shapes.n = with.shapes.cap = 0;
    for (uint32_t i = 0; i < o->shapes.n; i++) VEC_PUSH(a, with.shapes, o->shapes.p[i]);
    take_lengths(r, t, m, sizes, &with);
    *out = (compiled){.mem = a};
    return (compile_model(m, &with, out) || generate_bounded(r, t, m, &with, d, out)) && write_compiled(a, d, out, r->work);
}

/* ---- inputs that decide shapes ---- */

/* Inputs of up to so many elements may be what a node wants to know when the model is compiled: axes, sizes, scales. */
enum { FEW_ELEMENTS = 16, MOST_CANDIDATES = 8 };

/* The value of an input in all data sets of the case; NULL when it has several, or is large. */
static const tensor *same_value(case_run *r, const test_case *t, const char *name, elem stored, diag *d)
{
    arena *a = r->c->mem;
    const folder_list folders = data_set_folders(a, t->dir);
    const tensor *found = NULL;
    for (uint32_t i = 0; i < folders.n; i++) {
        data_set set;
        tensor *v = data_set_read(a, d, folders.p[i], &set) ? tensor_set_find(&set.inputs, name) : NULL;
        v = v ? tensor_as(a, v, stored) : NULL;
        if (!v || v->type == ELEM_STRING || tensor_count(v) > FEW_ELEMENTS || v->rank > 1) return NULL;
        if (found && (found->bytes != v->bytes || memcmp(found->data, v->data, v->bytes))) return NULL;
        found = v;
    }
    return found;
}

/* What --value would say of the case's small inputs. */
static uint32_t candidates(case_run *r, const test_case *t, value_override *out, uint32_t *inputs)
{
    arena *a = r->c->mem;
    diag *d = diag_new(a, NULL);
    uint32_t n = 0;
    *inputs = 0;
    model *m = load_for_build(a, d, arena_printf(a, "%s/model.onnx", t->dir));
    if (!m) return 0;
    const graph *g = model_main(m);
    *inputs = g->inputs.n;
    for (uint32_t i = 0; i < g->inputs.n && n < MOST_CANDIDATES; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        const tensor *data = v->type.kind == TYPE_TENSOR ? same_value(r, t, v->name, v->type.elem, d) : NULL;
        if (data) out[n++] = (value_override){.input = v->name, .data = data};
    }
    return n;
}

/* Whether attempt i of --value takes candidate k: each alone, the last first; then those of integers; then all. */
static bool in_attempt(uint32_t i, uint32_t k, uint32_t n, const value_override *v)
{
    return i < n ? k == n - 1 - i : i > n || elem_of(v[k].data->type)->kind != 'f';
}

/* The case with one of its small inputs fixed by --value, those of integers, or all of them, but never all that it has; `fixed` says which. */
static bool generate_valued(case_run *r, test_case *t, const compile_options *o, bool sizes, compiled *out, text *fixed)
{
    value_override one[MOST_CANDIDATES];
    uint32_t inputs;
    const uint32_t n = candidates(r, t, one, &inputs);
    for (uint32_t i = 0; i < n + (n > 1 ? 2 : 0); i++) {
        compile_options with = *o;
        with.values.p = NULL, with.values.n = with.values.cap = 0;
        for (uint32_t k = 0; k < n; k++)
            if (in_attempt(i, k, n, one)) VEC_PUSH(r->c->mem, with.values, one[k]);
        if (!with.values.n || with.values.n >= inputs || !generate(r, t, &with, sizes, diag_new(r->c->mem, NULL), out)) continue;
        for (uint32_t k = 0; k < with.values.n; k++) text_addf(fixed, "%s'%s'", k ? ", " : "the value of ", with.values.p[k].input);
        return true;
    }
    return false;
}

/* The case with the least of its data: the value of small inputs, the shapes of inputs, both. */
static bool generate_fixed(case_run *r, test_case *t, const compile_options *o, compiled *out, text *fixed)
{
    if (generate_valued(r, t, o, false, out, fixed)) return true;
    text_add(fixed, "the shapes of its inputs");
    if (generate(r, t, o, true, diag_new(r->c->mem, NULL), out)) return true;
    text_add(fixed, " and ");
    return generate_valued(r, t, o, true, out, fixed);
}

/* The child's result: the outcome's line; when that is "pass", the flags, the hash and the names of the files follow, one a line. */
static void generate_work(void *ctx, uint32_t i, FILE *result)
{
    case_run *r = ctx;
    test_case *t = &r->list.p[i];
    diag *d = diag_new(r->c->mem, NULL);
    compiled out = {0};
    outcome o = {OUTCOME_PASS, 0, 0, "", -1, ""};
    compile_options how = r->options;
    text fixed = {.mem = r->c->mem};
    how.whole_helpers = true;
    how.name = t->prefix;
    text_add(&fixed, "");
    if (!generate(r, t, &how, false, d, &out)) {
        o = outcome_of_diag(r->c->mem, d);
        if (o.kind != OUTCOME_UNSUPPORTED || !generate_fixed(r, t, &how, &out, &fixed)) {
            outcome_write(&o, result);
            return;
        }
        o = (outcome){OUTCOME_PASS, 0, 0, "", -1, ""};
    }
    uint64_t h[2];
    hash_start(h);
    for (uint32_t k = 0; k < out.files.n; k++) {
        hash_text(h, out.files.p[k].name);
        hash_add(h, out.files.p[k].data, out.files.p[k].size);
    }
    outcome_write(&o, result);
    fprintf(result, "%s\n%s\n%llx %llx %u\n", fixed.p, out.cflags ? out.cflags : "", (unsigned long long)h[0], (unsigned long long)h[1], out.n_steps);
    for (uint32_t k = 0; k < out.files.n; k++) fprintf(result, "%s\n", out.files.p[k].name);
}

static const char *next_line(arena *a, const char **s)
{
    const size_t n = strcspn(*s, "\n");
    const char *line = arena_strndup(a, *s, n);
    *s += n + ((*s)[n] == '\n');
    return line;
}

static void decide(test_case *t, outcome_kind kind, const char *reason)
{
    t->decided = true;
    t->result = (outcome){kind, 0, 0, "", -1, reason};
}

/* A job that ended badly: true when it did, with the case decided. */
static bool job_failed(case_run *r, test_case *t, const job_result *j, const char *what)
{
    arena *a = r->c->mem;
    if (j->end == JOB_TIMED_OUT) decide(t, OUTCOME_ERROR, arena_printf(a, "%s took longer than %d s", what, r->seconds));
    else if (j->end == JOB_CRASHED)
        decide(t, OUTCOME_ERROR,
               arena_printf(a, "%s was ended by signal %d (%s)%s%s", what, j->status, strsignal(j->status), *j->message ? ": " : "", j->message));
    else if (j->status != 0 && !*j->text)
        decide(t, OUTCOME_ERROR, arena_printf(a, "%s left with code %d%s%s", what, j->status, *j->message ? ": " : "", j->message));
    else return false;
    return true;
}

static void generate_take(void *ctx, uint32_t i, const job_result *j)
{
    case_run *r = ctx;
    test_case *t = &r->list.p[i];
    arena *a = r->c->mem;
    if (job_failed(r, t, j, "compiling")) return;
    const char *s = j->text;
    t->result = outcome_parse(a, next_line(a, &s));
    if (t->result.kind != OUTCOME_PASS) {
        t->decided = true;
        return;
    }
    t->fixed = next_line(a, &s);
    t->cflags = next_line(a, &s);
    unsigned long long h0 = 0, h1 = 0;
    sscanf(next_line(a, &s), "%llx %llx %u", &h0, &h1, &t->n_steps);
    t->hash[0] = h0;
    t->hash[1] = h1;
    while (*s) {
        const char *name = next_line(a, &s);
        const size_t n = strlen(name);
        if (is_source(name)) VEC_PUSH(a, *(name[n - 1] == 'S' ? &t->assembly : &t->sources), name);
    }
}

void cases_generate(case_run *r)
{
    const job_limits limits = {r->at_once, r->seconds, GENERATE_BYTES, r->c->quiet || !isatty(STDERR_FILENO) ? NULL : "compiling"};
    jobs_run(r->c->mem, r->list.n, &limits, generate_work, generate_take, r);
}

/* ---- building ---- */

typedef struct {
    VEC(uint32_t) cases; /* indices into case_run.list */
    uint32_t n_steps;    /* of all of them */
    bool rest;           /* what was left when messages blamed the others: halved when it fails too, since then the messages do not help */
    const char *path;    /* of the library */
} unit;

typedef struct {
    case_run *r;
    VEC(unit) now, next; /* to build in this round; halves of those that failed */
} unit_run;

static const char *LEVEL = "-O1";

static void name_unit(case_run *r, unit *u)
{
    uint64_t h[2];
    hash_start(h);
    hash_text(h, r->cc);
    hash_text(h, LEVEL);
    hash_text(h, r->flags);
    for (uint32_t i = 0; i < u->cases.n; i++) {
        const test_case *t = &r->list.p[u->cases.p[i]];
        hash_text(h, t->cflags);
        hash_add(h, t->hash, sizeof t->hash);
    }
    u->path = arena_printf(r->c->mem, "%s/%016llx%016llx.so", r->cache, (unsigned long long)h[0], (unsigned long long)h[1]);
}

/* A file that includes all files of the unit with that ending. */
static bool unit_sources(case_run *r, const unit *u, const char *ending, arguments *files)
{
    arena *a = r->c->mem;
    text source = {.mem = a};
    const char *why, *path = arena_printf(a, "%s/unit%ld%s", r->work, (long)getpid(), ending);
    text_add(&source, "");
    for (uint32_t k = 0; k < u->cases.n; k++) {
        const test_case *t = &r->list.p[u->cases.p[k]];
        for (uint32_t f = 0; f < t->sources.n; f++) {
            const size_t n = strlen(t->sources.p[f]), end = strlen(ending);
            if (n > end && !strcmp(t->sources.p[f] + n - end, ending)) text_addf(&source, "#include \"%s\"\n", t->sources.p[f]);
        }
    }
    VEC_PUSH(a, *files, path);
    return file_write(path, source.p, source.n, &why);
}

static void unit_work(void *ctx, uint32_t i, FILE *result)
{
    unit_run *ur = ctx;
    case_run *r = ur->r;
    arena *a = r->c->mem;
    const unit *u = &ur->now.p[i];
    if (!access(u->path, R_OK)) {
        fputs("ok\n", result);
        return;
    }
    text said = {.mem = a};
    arguments files = {0};
    const char *temp = arena_printf(a, "%s.%ld", u->path, (long)getpid());
    if (!unit_sources(r, u, ".c", &files) || (r->cuda && !unit_sources(r, u, ".cu", &files))) return;
    for (uint32_t k = 0; k < u->cases.n; k++) {
        const test_case *t = &r->list.p[u->cases.p[k]];
        for (uint32_t f = 0; f < t->assembly.n; f++) VEC_PUSH(a, files, arena_printf(a, "%s/%s", r->work, t->assembly.p[f]));
    }
    const char *flags = arena_printf(a, "%s %s", r->list.p[u->cases.p[0]].cflags, r->flags);
    const bool built = r->cuda ? cuda_shared(a, r->cuda, files.p, files.n, r->work, flags, LEVEL, temp, &said)
                               : cc_shared(a, files.p, files.n, r->work, flags, LEVEL, temp, &said);
    if (built && !rename(temp, u->path)) fputs("ok\n", result);
    else {
        unlink(temp);
        fputs(said.p ? said.p : "", result);
    }
}

/* The first line that speaks of an error, else the first line. */
static const char *error_line(arena *a, const char *s)
{
    const char *at = strstr(s, "undefined reference");
    if (!at) at = strstr(s, "error: ");
    if (!at) at = s;
    return arena_strndup(a, at, strcspn(at, "\n"));
}

/* Does an error line of the compiler or linker name the case's file or one of its functions? */
static bool blamed(const case_run *r, const test_case *t, const char *said)
{
    arena *a = r->c->mem;
    const char *file = arena_printf(a, r->cuda ? "/%s.cu:" : "/%s.c:", t->prefix), *symbol = arena_printf(a, "`%s_", t->prefix);
    while (*said) {
        const char *line = next_line(a, &said);
        if (strstr(line, "error: ") && strstr(line, file)) return true;
        if (strstr(line, "undefined reference") && strstr(line, symbol)) return true;
    }
    return false;
}

/* Splits a unit that failed: the cases that the messages blame stand alone, the others stay together; when none or all are blamed, in halves. */
static void split_unit(unit_run *ur, const unit *u, const char *said)
{
    case_run *r = ur->r;
    arena *a = r->c->mem;
    unit half[2] = {0};
    for (uint32_t k = 0; k < u->cases.n; k++) {
        const uint32_t i = u->cases.p[k];
        VEC_PUSH(a, half[!u->rest && blamed(r, &r->list.p[i], said)].cases, i);
    }
    if (half[0].cases.n && half[1].cases.n) {
        for (uint32_t k = 0; k < half[1].cases.n; k++) {
            unit alone = {0};
            VEC_PUSH(a, alone.cases, half[1].cases.p[k]);
            name_unit(r, &alone);
            VEC_PUSH(a, ur->next, alone);
        }
        half[0].rest = true;
        name_unit(r, &half[0]);
        VEC_PUSH(a, ur->next, half[0]);
        return;
    }
    for (uint32_t from = 0, n = u->cases.n, middle = n / 2; from < n; from = from ? n : middle) {
        unit part = {.rest = u->rest};
        for (uint32_t k = from; k < (from ? n : middle); k++) VEC_PUSH(a, part.cases, u->cases.p[k]);
        name_unit(r, &part);
        VEC_PUSH(a, ur->next, part);
    }
}

static void unit_take(void *ctx, uint32_t i, const job_result *j)
{
    unit_run *ur = ctx;
    case_run *r = ur->r;
    arena *a = r->c->mem;
    const unit *u = &ur->now.p[i];
    if (j->end == JOB_DONE && !strncmp(j->text, "ok\n", 3)) {
        for (uint32_t k = 0; k < u->cases.n; k++) r->list.p[u->cases.p[k]].library = u->path;
        return;
    }
    if (u->cases.n == 1) {
        test_case *t = &r->list.p[u->cases.p[0]];
        if (j->end == JOB_DONE) decide(t, OUTCOME_ERROR, arena_printf(a, "the C compiler refuses the generated code: %s", error_line(a, j->text)));
        else job_failed(r, t, j, "the C compiler");
        return;
    }
    split_unit(ur, u, j->end == JOB_DONE ? j->text : "");
}

/* Units hold neighbours in the list of all cases, so that a case whose code changes leaves the other units as they are; all of one unit have the
 * same flags, and one does not hold so many steps that the C compiler works on it alone at the end. */
static void make_units(unit_run *ur)
{
    case_run *r = ur->r;
    arena *a = r->c->mem;
    for (uint32_t first = 0; first < r->list.n; first += CASES_PER_UNIT) {
        const uint32_t start = ur->now.n, end = first + CASES_PER_UNIT < r->list.n ? first + CASES_PER_UNIT : r->list.n;
        for (uint32_t i = first; i < end; i++) {
            const test_case *t = &r->list.p[i];
            if (t->decided) continue;
            uint32_t k = start;
            while (k < ur->now.n && (strcmp(r->list.p[ur->now.p[k].cases.p[0]].cflags, t->cflags) || ur->now.p[k].n_steps > STEPS_PER_UNIT)) k++;
            if (k == ur->now.n) VEC_PUSH(a, ur->now, (unit){0});
            VEC_PUSH(a, ur->now.p[k].cases, i);
            ur->now.p[k].n_steps += t->n_steps;
        }
        for (uint32_t k = start; k < ur->now.n; k++) name_unit(r, &ur->now.p[k]);
    }
}

static void forget_old(case_run *r)
{
    DIR *at = opendir(r->cache);
    if (!at) return;
    for (const struct dirent *e; (e = readdir(at));) {
        const char *path = arena_printf(r->c->mem, "%s/%s", r->cache, e->d_name);
        struct stat st;
        if (strstr(e->d_name, ".so") && !stat(path, &st) && time(NULL) - st.st_mtime > CACHE_DAYS * 86400) unlink(path);
    }
    closedir(at);
}

void cases_build(case_run *r)
{
    unit_run ur = {.r = r};
    forget_old(r);
    make_units(&ur);
    const job_limits limits = {r->at_once, UNIT_SECONDS, 0, r->c->quiet || !isatty(STDERR_FILENO) ? NULL : "building"};
    while (ur.now.n) {
        jobs_run(r->c->mem, ur.now.n, &limits, unit_work, unit_take, &ur);
        ur.now.n = 0;
        for (uint32_t i = 0; i < ur.next.n; i++) VEC_PUSH(r->c->mem, ur.now, ur.next.p[i]);
        ur.next.n = 0;
    }
}
