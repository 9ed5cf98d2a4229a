/* fuzz_load.c - a libFuzzer target: any bytes as a model file; what loads must verify and print. */
#include <stdlib.h>

#include "proto/parse.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    model *m = model_load_bytes(mem, d, data, size, NULL, NULL);
    if (!m != (d->errors > 0)) abort(); /* no model without a message, no message with a model */
    if (m) {
        text t = {.mem = mem};
        if (!ir_verify(m)) abort();
        model_text(m, &t, 1000);
    }
    arena_free(mem);
    return 0;
}
