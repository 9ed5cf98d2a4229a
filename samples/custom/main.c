/* main.c - a model with two operators of our own (operators.yaml, operators.c) on a signal with a spike and a part that is too loud. */
#include <stdio.h>
#include <stdlib.h>

#include "despike.h"

enum { CHANNELS = 2, SAMPLES = 12 };

int main(void)
{
    static const float signal[CHANNELS * SAMPLES] = {0, 0.1f, 0.2f, 9, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1, 1.1f,
                                                     0, -1, -2, -3, -2, -1, 0, 1, 2, 3, 2, 1};
    float clean[CHANNELS * SAMPLES], changed[CHANNELS];
    long total = 0;
    const despike_inputs in = {.signal = signal, .channels = CHANNELS, .samples = SAMPLES};
    despike_outputs out = {.clean = clean, .changed = changed};
    const onnxcc_env env = {.user = &total}; /* handed to the operators */
    const int64_t bytes = despike_arena_bytes(&in);
    void *arena = bytes >= 0 ? aligned_alloc(DESPIKE_ARENA_ALIGN, ((size_t)bytes + 63) / 64 * 64 + 64) : NULL;
    const int code = arena ? despike_run(&in, &out, arena, &env) : 1;
    for (int c = 0; c < CHANNELS && !code; c++) {
        for (int i = 0; i < SAMPLES; i++) printf("%5.2f", (double)clean[c * SAMPLES + i]);
        printf("   %g limited\n", (double)changed[c]);
    }
    if (code) fprintf(stderr, "the run ended with code %d\n", code);
    else printf("%ld in all\n", total);
    free(arena);
    return code != 0;
}
