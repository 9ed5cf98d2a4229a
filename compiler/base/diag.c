#include "base/diag.h"

#include <string.h>

#include "base/text.h"

diag *diag_new(arena *a, const char *file)
{
    diag *d = ARENA_NEW(a, diag);
    d->mem = a;
    d->file = file;
    d->kind = "validation";
    return d;
}

/* Names of any length fit into a message by what is at its ends; cut where characters begin. */
static const char *shortened(diag *d, const char *s)
{
    enum { LONGEST = 2000, HEAD = 1200, TAIL = 600 };
    const size_t n = strlen(s);
    if (n <= LONGEST) return s;
    size_t head = HEAD, tail = n - TAIL;
    while (((unsigned char)s[head] & 0xc0) == 0x80) head--;
    while (((unsigned char)s[tail] & 0xc0) == 0x80) tail++;
    return arena_printf(d->mem, "%.*s ... %s", (int)head, s, s + tail);
}

/* Names in a message come from the model: a line break, an escape sequence or a change of direction in one must not reach the terminal. */
static const char *one_line(diag *d, const char *s)
{
    s = shortened(d, s);
    size_t odd = 0, n = 0;
    for (size_t k; s[n]; n += k ? k : 1) odd += k = text_unseen(s + n);
    if (!odd) return s;
    char *line = arena_alloc(d->mem, n + 3 * odd + 1), *q = line;
    for (size_t left = 0; *s; s++, left -= left > 0) {
        const unsigned char c = (unsigned char)*s;
        if (!left) left = text_unseen(s);
        if (left) {
            *q++ = '\\';
            *q++ = 'x';
            *q++ = "0123456789abcdef"[c >> 4];
            *q++ = "0123456789abcdef"[c & 15];
        } else *q++ = (char)c;
    }
    return line;
}

static void count_beyond(diag *d, const problem *p)
{
    d->dropped++;
    d->last = UINT32_MAX;
    if (p->sev != SEV_ERROR) return;
    for (uint32_t i = 0; i < d->beyond.n; i++) {
        dropped_errors *b = &d->beyond.p[i];
        if (strcmp(b->code, p->code) || b->exit != p->exit) continue;
        b->n++;
        return;
    }
    VEC_PUSH(d->mem, d->beyond, ((dropped_errors){p->code, p->exit, 1}));
}

static void add(diag *d, problem p)
{
    const bool first_error = p.sev == SEV_ERROR && !d->errors;
    if (p.sev == SEV_ERROR) d->errors++;
    p.message = one_line(d, p.message);
    for (uint32_t i = 0; i < d->list.n; i++) {
        problem *q = &d->list.p[i];
        if (q->sev == p.sev && !strcmp(q->code, p.code) && !strcmp(q->message, p.message)) {
            q->times++;
            d->last = i;
            return;
        }
    }
    if (d->list.n >= DIAG_PROBLEMS && !first_error) {
        count_beyond(d, &p);
        return;
    }
    p.where = one_line(d, p.where);
    p.times = 1;
    p.kind = strncmp(p.code, "wire-", 5) && strcmp(p.code, "nesting") ? d->kind : "parse";
    d->last = d->list.n;
    VEC_PUSH(d->mem, d->list, p);
}

bool diag_error(diag *d, exit_code exit, const char *where, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, (problem){.sev = SEV_ERROR, .exit = exit, .code = code, .where = where ? where : "", .message = arena_vprintf(d->mem, fmt, ap)});
    va_end(ap);
    return false;
}

void diag_warn(diag *d, const char *where, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, (problem){.sev = SEV_WARNING, .exit = EXIT_OK, .code = code, .where = where ? where : "", .message = arena_vprintf(d->mem, fmt, ap)});
    va_end(ap);
}

bool diag_hint(diag *d, const char *fmt, ...)
{
    if (d->last >= d->list.n || (d->list.p[d->last].times > 1 && d->list.p[d->last].hint)) return false;
    va_list ap;
    va_start(ap, fmt);
    d->list.p[d->last].hint = one_line(d, arena_vprintf(d->mem, fmt, ap));
    va_end(ap);
    return false;
}

bool diag_need(diag *d, const char *option, const char *name)
{
    if (d->last >= d->list.n) return false;
    problem *p = &d->list.p[d->last];
    for (uint32_t i = 0; i < p->needs.n; i++)
        if (!strcmp(p->needs.p[i].option, option) && !strcmp(p->needs.p[i].name, name)) return false;
    VEC_PUSH(d->mem, p->needs, ((option_need){option, name}));
    return false;
}

void diag_allow(diag *d, const char *code)
{
    for (uint32_t i = 0; i < d->list.n; i++) {
        problem *p = &d->list.p[i];
        if (p->sev != SEV_ERROR || (code ? strcmp(p->code, code) != 0 : p->exit != EXIT_UNSUPPORTED)) continue;
        p->sev = SEV_WARNING;
        d->errors -= p->times;
    }
    for (uint32_t i = 0; i < d->beyond.n; i++) {
        dropped_errors *b = &d->beyond.p[i];
        if (code ? strcmp(b->code, code) != 0 : b->exit != EXIT_UNSUPPORTED) continue;
        d->errors -= b->n;
        b->n = 0;
    }
}

static bool has_error_at(const diag *d, uint32_t n, const char *where)
{
    for (uint32_t i = 0; i < n; i++)
        if (d->list.p[i].sev == SEV_ERROR && !strcmp(d->list.p[i].where, where)) return true;
    return false;
}

void diag_take(diag *d, const diag *later)
{
    const uint32_t before = d->list.n;
    for (uint32_t i = 0; i < later->list.n; i++) {
        const problem *p = &later->list.p[i];
        if (has_error_at(d, before, p->where)) continue;
        if (d->list.n >= DIAG_PROBLEMS) {
            d->dropped++;
            continue;
        }
        if (p->sev == SEV_ERROR) d->errors += p->times;
        VEC_PUSH(d->mem, d->list, *p);
    }
    d->dropped += later->dropped;
}

void diag_drop_last(diag *d)
{
    if (!d->list.n || d->last + 1 != d->list.n || d->list.p[d->last].times > 1) {
        diag_allow_last(d);
        return;
    }
    if (d->list.p[d->last].sev == SEV_ERROR) d->errors--;
    d->list.n--;
}

void diag_allow_last(diag *d)
{
    problem *p = d->last < d->list.n ? &d->list.p[d->last] : NULL;
    if (!p || p->sev != SEV_ERROR || p->times > 1) return;
    p->sev = SEV_WARNING;
    d->errors--;
}

exit_code diag_exit(const diag *d)
{
    for (uint32_t i = 0; i < d->list.n; i++)
        if (d->list.p[i].sev == SEV_ERROR) return d->list.p[i].exit;
    for (uint32_t i = 0; i < d->beyond.n; i++)
        if (d->beyond.p[i].n) return d->beyond.p[i].exit;
    return EXIT_OK;
}

void diag_print(const diag *d, FILE *to)
{
    const char *file = d->file ? d->file : "onnxcc";
    for (uint32_t i = 0; i < d->list.n; i++) {
        const problem *p = &d->list.p[i];
        fprintf(to, "%s: %s: %s%s%s", file, p->sev == SEV_ERROR ? "error" : "warning", p->where, *p->where ? ": " : "", p->message);
        if (p->times > 1) fprintf(to, " (and %u more like it)", p->times - 1);
        fprintf(to, " [%s]\n", p->code);
        if (p->hint) fprintf(to, "%s: hint: %s\n", file, p->hint);
    }
    if (d->dropped) fprintf(to, "%s: and %u more problems\n", file, d->dropped);
}

void json_string(FILE *to, const char *s)
{
    fputc('"', to);
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') fprintf(to, "\\%c", c);
        else if (c == '\n') fputs("\\n", to);
        else if (c < 0x20 || c == 0x7f) fprintf(to, "\\u%04x", c);
        else fputc(c, to);
    }
    fputc('"', to);
}

void diag_print_json(const diag *d, FILE *to)
{
    fputs("{\"file\":", to);
    json_string(to, d->file ? d->file : "");
    fprintf(to, ",\"ok\":%s,\"errors\":[", d->errors ? "false" : "true");
    const char *sep = "";
    for (uint32_t i = 0; i < d->list.n; i++) {
        const problem *p = &d->list.p[i];
        if (p->sev != SEV_ERROR) continue;
        fprintf(to, "%s{\"code\":", sep);
        json_string(to, p->code);
        fprintf(to, ",\"class\":\"%s\",\"where\":", p->kind);
        json_string(to, p->where);
        fputs(",\"message\":", to);
        json_string(to, p->message);
        if (p->hint) {
            fputs(",\"hint\":", to);
            json_string(to, p->hint);
        }
        for (uint32_t k = 0; k < p->needs.n; k++) {
            fprintf(to, "%s{\"option\":\"%s\",\"name\":", k ? "," : ",\"needs\":[", p->needs.p[k].option);
            json_string(to, p->needs.p[k].name);
            fputs(k + 1 < p->needs.n ? "}" : "}]", to);
        }
        fputc('}', to);
        sep = ",";
    }
    fputs("]}\n", to);
}
