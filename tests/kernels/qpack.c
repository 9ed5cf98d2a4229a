/* qpack on random matrices: signed and unsigned, columns or rows side by side, or neither. */
#include "check.h"

typedef struct {
    int64_t batch, n, k, b_k, b_n;
} shape;

#define N (s->n)
#define K (s->k)
#define B_AT (batch_index * (N * K + 1))
#define HOOK_PARAMS , const shape *s
#define HOOK_ARGS , s
#define B_K (s->b_k)
#define B_N (s->b_n)

#define B_T uint8_t
#define OFF 128
#define qpack qpack_u8
#define qpack_word qpack_word_u8
#define qpack_column qpack_column_u8
#include "cpu/qpack.c"
#undef B_T
#undef OFF
#undef qpack
#undef qpack_word
#undef qpack_column
#define B_T int8_t
#define OFF 0
#include "cpu/qpack.c"

static void check_shape(const shape *s, bool is_signed)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL), steps = (K + 3) / 4, count = s->batch * panels * steps * NV * VL * 4;
    const int64_t bytes = (s->batch - 1) * (N * K + 1) + (K - 1) * B_K + (N - 1) * B_N + 1;
    uint8_t *b = malloc((size_t)bytes);
    int8_t *y = malloc((size_t)count);
    if (!b || !y) exit(3);
    for (int64_t i = 0; i < bytes; i++) b[i] = (uint8_t)check_int(0, 255);
    memset(y, 99, (size_t)count);
    if (is_signed) {
        CHECK_RANGES(s->batch * panels, qpack(y, (const int8_t *)b, lo, hi, s))
    } else CHECK_RANGES(s->batch * panels, qpack_u8(y, b, lo, hi, s))
    for (int64_t i = 0; i < count; i++) {
        const int64_t j = i / 4 % (NV * VL), k = i / (4 * NV * VL) % steps * 4 + i % 4, panel = i / (4 * NV * VL * steps);
        const int64_t n = panel % panels * NV * VL + j, batch_index = panel / panels;
        const int stored = n < N && k < K ? b[B_AT + k * B_K + n * B_N] : is_signed ? 0 : 128;
        check_near("byte", y[i], is_signed ? (stored < 128 ? stored : stored - 256) : stored - 128, 0);
    }
    free(b);
    free(y);
}

int main(void)
{
    for (int round = 0; round < 90; round++) {
        shape s = {check_int(1, 3), check_int(1, 3 * NV * VL), check_int(1, 40), 0, 0};
        if (round % 4 == 0) s.n = NV * VL;
        switch (round % 3) {
        case 0: s.b_k = s.n, s.b_n = 1; break;
        case 1: s.b_k = 1, s.b_n = s.k; break;
        default: s.b_k = 2, s.b_n = 2 * s.k + 1;
        }
        check_shape(&s, round % 2);
    }
    return 0;
}
