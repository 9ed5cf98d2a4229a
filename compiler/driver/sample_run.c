/* sample_run.c - see sample_run.h. */
#include "driver/sample_run.h"

#include <unistd.h>

#include "driver/build.h"
#include "proto/load.h"
#include "proto/save.h"

model *model_copy(command *c, model *m)
{
    text *bytes = ARENA_NEW(c->mem, text);
    *bytes = (text){.mem = c->mem};
    return model_encode(m, c->diag, bytes) ? model_load_bytes(c->mem, c->diag, bytes->p, bytes->n, m->path, NULL) : NULL;
}

bool sample_session(command *c, model *m, const char *folder, session *s)
{
    compile_options co;
    compiled built = {0};
    const char *library;
    if (!command_compile_options(c, &co)) return false;
    co.emit = 0;
    co.math = MATH_STRICT;
    /* -O1: more takes longer than it saves, since a set runs three times at most. */
    if (!build_library(c->mem, m, &co, folder, "-O1", CUDA_DEVICE, &built, &library)) return false;
    return session_open(s, c->mem, c->diag, library, built.name, co.threads);
}

bool sample_outputs(session *s, arena *mem, const tensor_set *inputs, tensor_set *out)
{
    arena *own = s->mem;
    s->mem = mem;
    *out = (tensor_set){.mem = mem};
    const bool ok = session_bind(s, inputs) && session_call(s, NULL) && session_outputs(s, out);
    s->mem = own;
    return ok;
}

static void show_progress(const command *c, const char *what, uint32_t done, uint32_t all)
{
    if (c->quiet || !isatty(2)) return;
    fprintf(stderr, "\r%s: %u of %u sets%s", what, done, all, done == all ? "\r\033[K" : "");
    fflush(stderr);
}

bool sample_sets_each(command *c, const folder_list *sets, const char *what, sample_visit *visit, void *ctx)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < sets->n; i++) {
        arena *mem = arena_new();
        tensor_set inputs;
        show_progress(c, what, i, sets->n);
        ok = sample_set_read(c->diag, mem, sets->p[i], &inputs) && visit(ctx, &inputs, sets->p[i], mem);
        arena_free(mem);
        if (!ok) diag_hint(c->diag, "the calibration data is '%s'", sets->p[i]);
    }
    show_progress(c, what, sets->n, sets->n);
    return ok;
}
