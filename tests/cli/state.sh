# --state: outputs that become inputs of the next run live in the caller's state memory; and --profile: the timer is called around every step.
. "$(dirname "$0")/lib.sh"
cat > rnn.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
rnn (float[n,3] x, float[n,4] h, int64[1] k) => (float[n,4] y, float[n,4] h_next, int64[1] k_next)
<float[3,4] w = {0.1, 0.2, -0.3, 0.4, 0.5, -0.6, 0.7, 0.8, -0.9, 1.0, 0.11, 0.12},
 float[4,4] r = {0.3, 0.1, 0.2, -0.5, 0.4, -0.1, 0.6, 0.2, -0.7, 0.2, 0.1, 0.3, 0.5, 0.5, -0.4, 0.1}, int64[1] one = {1}>
{
    a = MatMul(x, w)
    b = MatMul(h, r)
    c = Add(a, b)
    h_next = Tanh(c)
    k_next = Add(k, one)
    f = Cast<to = 1>(k)
    y = Mul(h_next, f)
}
END

# Three runs of each of two sequences, in turn, with the state kept: as three runs of the model whose caller hands the state on himself.
cat > program.c <<'END'
#include <stdio.h>
#include <string.h>
#include "plain.h"
#include "kept.h"
static int steps, depth;
static void tick(void *ctx, int step, int end)
{
    (void)ctx;
    steps += end ? 0 : step > 0;
    depth += end ? -1 : 1;
}
int main(void)
{
    static _Alignas(64) char arena[PLAIN_ARENA_BYTES + KEPT_ARENA_BYTES + 64], state[2][KEPT_STATE_BYTES + 64];
    float h[2][8] = {{0}}, y[8], z[8], next[8];
    int64_t k[2][1] = {{0}}, k_next[1];
    const onnxcc_env env = {.timer = tick};
    if (kept_model()->state_bytes != KEPT_STATE_BYTES || kept_model()->n_inputs != 1 || kept_model()->n_outputs != 1) return 1;
    for (int turn = 0; turn < 3; turn++) {
        for (int q = 0; q < 2; q++) {
            const float x[6] = {1, 2, (float)turn, -1, (float)q, 0.5f};
            const plain_inputs in = {.x = x, .h = h[q], .k = k[q], .n = 2};
            plain_outputs out = {.y = y, .h_next = next, .k_next = k_next};
            if (plain_run(&in, &out, arena, NULL)) return 2;
            memcpy(h[q], next, sizeof next);
            memcpy(k[q], k_next, sizeof k_next);
            const kept_inputs a = {.state = state[q], .x = x, .n = 2};
            kept_outputs b = {.y = z};
            if (kept_run(&a, &b, arena, &env)) return 3;
            if (memcmp(y, z, sizeof y)) return 4;
        }
    }
    if (depth != 0 || steps != 6 * kept_model()->n_steps) return 5;
    const kept_inputs none = {.x = y, .n = 2}, odd = {.state = state[0] + 4, .x = y, .n = 2};
    kept_outputs b = {.y = z};
    if (kept_run(&none, &b, arena, NULL) != ONNXCC_E_STATE || kept_run(&odd, &b, arena, NULL) != ONNXCC_E_STATE) return 6;
    return h[0][4] == h[1][4] ? 7 : 0; /* the sequences are not the same */
}
END
for target in generic-c99 native; do
    expect 0 compile rnn.onnxtxt -o d --name plain --dim n=1..4 --target $target
    expect 0 compile rnn.onnxtxt -o d --name kept --dim n=1..4 --target $target --state h_next=h --state k_next=k --profile --emit=json,main
    says d/kept.json '"state": {"bytes": 256'
    for cc in gcc clang; do
        command -v $cc > /dev/null || continue
        $cc -std=c11 -O1 -march=native -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I d program.c d/plain.c d/plain_weights.c d/kept.c d/kept_weights.c -o program -lm \
            2> err || fail "the program does not build with $cc for $target"
        ./program || fail "the program of $cc for $target left with $?"
    done
    cc -std=c99 -O1 -march=native -I d d/kept_main.c d/kept.c d/kept_weights.c -o main -lm 2> err && ./main > out || fail "the generated main program"
done
expect 4 compile rnn.onnxtxt -o e --state h_next=h
says err "[state-size]" "--dim"
expect 2 compile rnn.onnxtxt -o e --state hx=h
says err "no output 'hx'" "'h_next'"
expect 2 compile rnn.onnxtxt -o e --state h_next=z
expect 4 compile rnn.onnxtxt -o e --state y=k
says err "[state-shape]"
[ ! -e e ] || fail "something was written"
