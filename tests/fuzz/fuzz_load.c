/* fuzz_load.c - a libFuzzer target: any bytes as a model file; what loads must verify, print, and load again when it is written. */
#include <stdlib.h>

#include "proto/parse.h"
#include "proto/save.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "fuzz");
    model *m = model_load_bytes(mem, d, data, size, NULL, NULL);
    if (!m != (d->errors > 0)) abort(); /* no model without a message, no message with a model */
    if (m) {
        text t = {.mem = mem}, bytes = {.mem = mem};
        if (!ir_verify(m)) abort();
        model_text(m, &t, 1000);
        if (model_encode(m, d, &bytes) && !model_load_bytes(mem, d, bytes.p ? bytes.p : "", bytes.n, NULL, NULL)) abort();
    }
    arena_free(mem);
    return 0;
}
