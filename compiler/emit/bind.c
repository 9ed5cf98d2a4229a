/* bind.c - the kernel copier; see bind.h. In: a template from the embedded table, bindings. Out: C text. DESIGN section 5. */
#include "emit/bind.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/embedded.h"

static const kernel_def defs[] = {
#define KERNEL_DEF(name, file, isa, fixed, free, exports, args, hooks) {#name, file, isa, fixed, free, exports, args, hooks},
#include "../../templates/kernels.def"
#undef KERNEL_DEF
};

typedef struct {
    const char *name, *text;
} word;
typedef VEC(word) words;

typedef struct {
    const char *key; /* interned */
    const char *name;
} instance;

struct binder {
    arena *mem;
    const dims *dims;
    diag *diag;
    const char *prefix;
    bool cuda;
    names *keys;
    VEC(instance) instances;
};

const kernel_def *kernel_defs(uint32_t *count)
{
    *count = (uint32_t)(sizeof defs / sizeof *defs);
    return defs;
}

const kernel_def *kernel_find(const char *name)
{
    for (size_t i = 0; i < sizeof defs / sizeof *defs; i++)
        if (!strcmp(defs[i].name, name)) return &defs[i];
    return NULL;
}

binder *binder_new(arena *mem, const dims *t, diag *d, const char *prefix, bool cuda)
{
    binder *b = ARENA_NEW(mem, binder);
    b->mem = mem;
    b->dims = t;
    b->diag = d;
    b->prefix = prefix;
    b->cuda = cuda;
    b->keys = names_new(mem);
    return b;
}

void binder_side(binder *b, bool cuda)
{
    b->cuda = cuda;
}

/* ---- names ---- */

static bool is_word_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The next identifier at or after *s; *s moves behind it. False at the end. */
static bool next_word(const char **s, const char **start, size_t *length)
{
    const char *p = *s;
    while (*p && !is_word_start(*p)) {
        if (isdigit((unsigned char)*p)) while (is_word(*p)) p++; /* 1e5f is no identifier */
        else p++;
    }
    *start = p;
    while (is_word(*p)) p++;
    *length = (size_t)(p - *start);
    *s = p;
    return *length > 0;
}

static bool list_has(const char *list, const char *name, size_t length)
{
    const char *start;
    size_t n;
    while (next_word(&list, &start, &n))
        if (n == length && !memcmp(start, name, n)) return true;
    return false;
}

bool kernel_has_param(const kernel_def *k, const char *name)
{
    return list_has(k->fixed, name, strlen(name)) || list_has(k->free, name, strlen(name));
}

static const char *words_find(const words *w, const char *name, size_t length)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (strlen(w->p[i].name) == length && !memcmp(w->p[i].name, name, length)) return w->p[i].text;
    return NULL;
}

/* ---- values ---- */

static const char *int_text(binder *b, int64_t v)
{
    if (v > INT32_MAX) return arena_printf(b->mem, "INT64_C(%lld)", (long long)v);
    if (v < -INT32_MAX) return arena_printf(b->mem, "(-INT64_C(%lld) - 1)", (long long)-(v + 1));
    return arena_printf(b->mem, v < 0 ? "(%lld)" : "%lld", (long long)v);
}

static const char *float_text(binder *b, double v, elem to)
{
    if (isnan(v)) return "NAN";
    if (isinf(v)) return v > 0 ? "INFINITY" : "(-INFINITY)";
    const bool single = to != ELEM_DOUBLE;
    const char *digits = arena_printf(b->mem, single ? "%.9g" : "%.17g", single ? (double)(float)v : v);
    const char *point = strpbrk(digits, ".e") ? "" : ".0";
    return arena_printf(b->mem, signbit(v) ? "(%s%s%s)" : "%s%s%s", digits, point, single ? "f" : "");
}

const char *binding_text(binder *b, const binding *v)
{
    int64_t i;
    switch (v->kind) {
    case BIND_DIM:
        if (dim_is_const(b->dims, v->d, &i)) return int_text(b, i);
        text t = {.mem = b->mem};
        text_add(&t, "(");
        dim_text(b->dims, v->d, &t);
        text_add(&t, ")");
        return t.p;
    case BIND_FLOAT: return float_text(b, v->f, v->type);
    case BIND_TYPE: return elem_of(v->type)->ctype;
    case BIND_TEXT: return v->text;
    }
    return "";
}

static bool bind_error(binder *b, const kernel_def *k, const char *param, const char *what)
{
    return diag_error(b->diag, EXIT_INTERNAL, arena_printf(b->mem, "kernel '%s'", k->name), "bind", "parameter %s %s", param, what);
}

/* Every word of `list`, each followed by `suffix`, must be bound. */
static bool check_bound(binder *b, const kernel_def *k, const words *w, const char *list, const char *suffix)
{
    const char *start;
    size_t n;
    bool ok = true;
    while (next_word(&list, &start, &n)) {
        const char *name = arena_printf(b->mem, "%.*s%s", (int)n, start, suffix);
        if (!words_find(w, name, strlen(name))) ok = bind_error(b, k, name, "is not bound");
    }
    return ok;
}

static bool is_hook_word(const kernel_def *k, const char *name)
{
    const size_t n = strlen(name);
    if (!strcmp(name, "HOOK_PARAMS") || !strcmp(name, "HOOK_ARGS")) return true;
    return n > 2 && (!strcmp(name + n - 2, "_V") || !strcmp(name + n - 2, "_S")) && list_has(k->hooks, name, n - 2);
}

/* The bindings as text, in the order given, after checking them against the kernel's row. */
static bool collect(binder *b, const kernel_def *k, const binding *bind, uint32_t n, words *w)
{
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = bind[i].name;
        const bool fixed = list_has(k->fixed, name, strlen(name));
        if (!fixed && !list_has(k->free, name, strlen(name)) && !is_hook_word(k, name)) ok = bind_error(b, k, name, "is not one of this kernel's");
        if (words_find(w, name, strlen(name))) ok = bind_error(b, k, name, "is bound twice");
        if (fixed && bind[i].kind == BIND_DIM && !dim_is_const(b->dims, bind[i].d, NULL))
            ok = bind_error(b, k, name, "must be a literal");
        const word pair = {name, binding_text(b, &bind[i])};
        VEC_PUSH(b->mem, *w, pair);
    }
    static const char *const optional[] = {"HOOK_PARAMS", "HOOK_ARGS"};
    for (int i = 0; i < 2; i++) {
        const word nothing = {optional[i], ""};
        if (!words_find(w, optional[i], strlen(optional[i]))) VEC_PUSH(b->mem, *w, nothing);
    }
    ok &= check_bound(b, k, w, k->fixed, "");
    ok &= check_bound(b, k, w, k->free, "");
    ok &= check_bound(b, k, w, k->hooks, "_V");
    ok &= check_bound(b, k, w, k->hooks, "_S");
    return ok;
}

/* Local variables of the template that would hide a hook argument get an underscore; an exported one cannot be renamed. */
static bool rename_locals(binder *b, const kernel_def *k, words *w)
{
    const char *args = words_find(w, "HOOK_ARGS", 9), *start;
    size_t n;
    while (next_word(&args, &start, &n)) {
        if (words_find(w, start, n)) continue;
        const char *name = arena_strndup(b->mem, start, n);
        if (list_has(k->exports, name, n)) return bind_error(b, k, "HOOK_ARGS", "has the name of an exported variable");
        const word renamed = {name, arena_printf(b->mem, "%s_", name)};
        VEC_PUSH(b->mem, *w, renamed);
    }
    return true;
}

/* ---- copying ---- */

static const char *skip_blank(const char *s)
{
    while (isspace((unsigned char)*s)) s++;
    return s;
}

/* Behind the head comment, the #include lines and the blank lines around them. */
static const char *skip_head(const char *s)
{
    bool comment_seen = false;
    for (;;) {
        s = skip_blank(s);
        if (*s == '#' && strncmp(s, "#pragma", 7)) s += strcspn(s, "\n");
        else if (!comment_seen && !strncmp(s, "/*", 2)) {
            const char *end = strstr(s, "*/");
            s = end ? end + 2 : s + strlen(s);
            comment_seen = true;
        } else return s;
    }
}

/* One identifier: bound, one of the kernel's own functions, or as it is. */
static void copy_word(text *out, const kernel_def *k, const char *instance_name, const words *w, const char *start, size_t n)
{
    const size_t kn = strlen(k->name);
    const char *bound = words_find(w, start, n);
    if (bound) text_add(out, bound);
    else if (n >= kn && !memcmp(start, k->name, kn) && (n == kn || start[kn] == '_')) {
        text_add(out, instance_name);
        text_addn(out, start + kn, n - kn);
    } else text_addn(out, start, n);
}

static const char *string_end(const char *s)
{
    const char quote = *s++;
    while (*s && *s != quote) s += *s == '\\' && s[1] ? 2 : 1;
    return *s ? s + 1 : s;
}

static void copy_file(text *out, const char *s, const kernel_def *k, const char *instance_name, const words *w)
{
    bool comment = false, line_start = true;
    for (s = skip_head(s); *s;) {
        if (line_start && *s == '#' && strncmp(s, "#pragma", 7)) {
            s += strcspn(s, "\n");
            if (*s) s++;
            continue;
        }
        line_start = *s == '\n';
        const char *end = s + 1;
        if (is_word_start(*s)) {
            while (is_word(*end)) end++;
            copy_word(out, k, instance_name, w, s, (size_t)(end - s));
            s = end;
            continue;
        }
        if (isdigit((unsigned char)*s)) while (is_word(*end)) end++;
        else if (!comment && (*s == '"' || *s == '\'')) end = string_end(s);
        else if (!comment && s[0] == '/' && s[1] == '*') comment = true;
        else if (comment && s[0] == '*' && s[1] == '/') {
            comment = false;
            end = s + 2;
        }
        text_addn(out, s, (size_t)(end - s));
        s = end;
    }
}

static const char *template_text(const kernel_def *k)
{
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        if (!strncmp(f->name, "templates/", 10) && !strcmp(f->name + 10, k->file)) return (const char *)f->data;
    return NULL;
}

/* The name of the instance with this key; *fresh says that it is new and has to be printed. `name`: its name then; NULL: one made from `stem`. */
static const char *instance_name(binder *b, const char *key, const char *name, const char *stem, bool *fresh)
{
    key = intern(b->keys, key);
    *fresh = false;
    for (uint32_t i = 0; i < b->instances.n; i++)
        if (b->instances.p[i].key == key) return b->instances.p[i].name;
    *fresh = true;
    const instance made = {key, name ? name : arena_printf(b->mem, "%s%s_%u", b->prefix, stem, b->instances.n + 1)};
    VEC_PUSH(b->mem, b->instances, made);
    return made.name;
}

/* "/" "* gemm: MR 8, NV 3, M 128 *" "/": what a reader of the generated file wants to know about the instance. */
static void print_title(text *out, const kernel_def *k, const words *w)
{
    text_addf(out, "/* %s:", k->name);
    const char *separator = " ";
    for (uint32_t i = 0; i < w->n; i++) {
        if (!kernel_has_param(k, w->p[i].name)) continue;
        text_addf(out, "%s%s %s", separator, w->p[i].name, w->p[i].text);
        separator = ", ";
    }
    text_add(out, " */\n");
}

const char *bind_kernel(binder *b, text *out, const char *kernel_name, const binding *bind, uint32_t n, const char *stem)
{
    const kernel_def *k = kernel_find(kernel_name);
    if (!k) {
        diag_error(b->diag, EXIT_INTERNAL, "", "bind", "there is no kernel '%s'", kernel_name);
        return NULL;
    }
    const char *source = template_text(k);
    if (!source) {
        diag_error(b->diag, EXIT_INTERNAL, "", "bind", "template '%s' is missing", k->file);
        return NULL;
    }
    words w = {0};
    if (!collect(b, k, bind, n, &w)) return NULL;

    text key = {.mem = b->mem};
    text_addf(&key, "%s%s", b->cuda ? "" : "host ", kernel_name);
    for (uint32_t i = 0; i < w.n; i++) text_addf(&key, "\n%s=%s", w.p[i].name, w.p[i].text);
    bool fresh;
    const char *name = instance_name(b, key.p, NULL, stem ? stem : kernel_name, &fresh);
    if (!fresh) return name;

    print_title(out, k, &w);
    static const word macros[2][3] = {{{"KERNEL", "static __attribute__((noinline))"}, {"INLINE", "static inline __attribute__((always_inline))"}, {"GCC", "GCC"}},
                                      {{"KERNEL", "static __device__"}, {"INLINE", "OCC_DEVICE"}, {"GCC", ""}}}; /* nvcc's is #pragma unroll */
    for (size_t i = 0; i < 3; i++) VEC_PUSH(b->mem, w, macros[b->cuda][i]);
    if (!rename_locals(b, k, &w)) return NULL;
    copy_file(out, source, k, name, &w);
    text_add(out, "\n");
    return name;
}

/* The text with a mark that is no word for each of the names, by their order. */
static const char *without_names(binder *b, const char *s, uint32_t n, const char *const *params)
{
    text t = {.mem = b->mem};
    text_add(&t, "");
    while (*s) {
        const char *end = s + 1;
        uint32_t i = n;
        if (is_word(*s)) {
            while (is_word(*end)) end++;
            for (i = 0; i < n && (strlen(params[i]) != (size_t)(end - s) || memcmp(params[i], s, (size_t)(end - s))); i++) {}
        } else if (*s == '"' || *s == '\'') end = string_end(s);
        if (i < n) text_addf(&t, "$%u", i);
        else text_addn(&t, s, (size_t)(end - s));
        s = end;
    }
    return t.p;
}

static void copy_named(text *out, const char *body, const char *name)
{
    const kernel_def pseudo = {.name = "HOOK"};
    const words none = {0};
    copy_file(out, body, &pseudo, name, &none);
}

const char *bind_hook(binder *b, text *out, const char *body, uint32_t n, const char *const *params, const char *stem)
{
    bool fresh;
    const char *name = instance_name(b, arena_printf(b->mem, "HOOK\n%s", without_names(b, body, n, params)), NULL, stem, &fresh);
    if (fresh) copy_named(out, body, name);
    return name;
}

const char *bind_printed(binder *b, text *out, const char *head, const char *body, uint32_t n, const char *const *params, const char *name)
{
    bool fresh;
    const char *key = arena_printf(b->mem, "%s\n%s", b->cuda ? "" : "host", without_names(b, body, n, params));
    name = instance_name(b, key, name, NULL, &fresh);
    if (!fresh) return name;
    text_add(out, head);
    copy_named(out, body, name);
    text_add(out, "\n");
    return name;
}
