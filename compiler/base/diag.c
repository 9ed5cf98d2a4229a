#include "base/diag.h"

#include <string.h>

diag *diag_new(arena *a, const char *file)
{
    diag *d = ARENA_NEW(a, diag);
    d->mem = a;
    d->file = file;
    d->kind = "validation";
    return d;
}

/* Names in a message come from the model: a line break or an escape sequence in one must not reach the terminal. */
static const char *one_line(diag *d, const char *s)
{
    size_t odd = 0, n = 0;
    for (; s[n]; n++) odd += (unsigned char)s[n] < 0x20 || s[n] == 0x7f;
    if (!odd) return s;
    char *line = arena_alloc(d->mem, n + 3 * odd + 1), *q = line;
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) {
            *q++ = '\\';
            *q++ = 'x';
            *q++ = "0123456789abcdef"[c >> 4];
            *q++ = "0123456789abcdef"[c & 15];
        } else *q++ = (char)c;
    }
    return line;
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
        d->dropped++;
        d->last = UINT32_MAX;
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
    if (d->last >= d->list.n) return false;
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
