/* fuzz_parse.c - a libFuzzer target: any bytes as a model in text form; what reads must verify and print. */
#include <stdlib.h>

#include "proto/parse.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    model *m = model_parse(mem, d, arena_strndup(mem, (const char *)data, size), NULL);
    if (!m != (d->errors > 0)) abort();
    if (m) {
        text t = {.mem = mem};
        if (!ir_verify(m)) abort();
        model_text(m, &t, 1000);
    }
    arena_free(mem);
    return 0;
}
