/* report.c - problems as people read them: base/diag's lines, with colour. */
#include <stdio.h>

#include "driver/command.h"

void command_report(const command *c, const diag *d)
{
    const char *file = d->file ? d->file : "onnxcc";
    const char *const off = c->color ? "\033[0m" : "";
    for (uint32_t i = 0; i < d->list.n; i++) {
        const problem *p = &d->list.p[i];
        const bool error = p->sev == SEV_ERROR;
        if (c->quiet && !error) continue;
        const char *const on = !c->color ? "" : error ? "\033[1;31m" : "\033[1;35m";
        fprintf(stderr, "%s: %s%s:%s %s%s%s", file, on, error ? "error" : "warning", off, p->where, *p->where ? ": " : "", p->message);
        if (p->times > 1) fprintf(stderr, " (and %u more like it)", p->times - 1);
        fprintf(stderr, " [%s]\n", p->code);
        if (p->hint) fprintf(stderr, "%s: %shint:%s %s\n", file, c->color ? "\033[1;36m" : "", off, p->hint);
    }
}
