# --state of caches: what Concat appends, or ScatterND updates, is written in place; nothing is copied.
# In strict mode the answers are those with the caches as inputs, to the bit: in the others a product may be added up in another order.
. "$(dirname "$0")/lib.sh"
cat > kv.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
kv (float[b,2,s,4] q, float[b,2,s,4] k, float[b,2,s,4] v, float[b,2,p,4] past_k, float[b,2,p,4] past_v) => (float[b,2,s,4] y, float[b,2,t,4] new_k, float[b,2,t,4] new_v)
{
    r = Neg(k)
    new_k = Concat<axis = 2>(past_k, r)
    new_v = Concat<axis = 2>(past_v, v)
    kt = Transpose<perm = [0, 1, 3, 2]>(new_k)
    w = MatMul(q, kt)
    a = Softmax<axis = -1>(w)
    y = MatMul(a, new_v)
}
END
cat > ring.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
ring (float[1,4] x, int64[1,1] row, float[6,4] rows) => (float[4] y, float[6,4] rows_next)
{
    rows_next = ScatterND(rows, row, x)
    y = ReduceSum<keepdims = 0>(rows_next, axes)
}
END
sed -i 's/^{/<int64[1] axes = {0}>\n{/' ring.onnxtxt
cat > program.c <<'END'
#include <stdio.h>
#include <string.h>
#include "plain.h"
#include "kept.h"
#include "ring.h"
static _Alignas(64) char arena[1 << 20], state[KEPT_STATE_BYTES + 64], rows[RING_STATE_BYTES + 64];
static float past_k[2 * 2 * 20 * 4], past_v[2 * 2 * 20 * 4], new_k[2 * 2 * 20 * 4], new_v[2 * 2 * 20 * 4], y[64], z[64];
int main(void)
{
    float x[3][2 * 2 * 2 * 4];
    unsigned seed = 1;
    if (sizeof arena < (size_t)PLAIN_ARENA_BYTES || sizeof arena < (size_t)KEPT_ARENA_BYTES) return 1;
    if (kept_model()->n_inputs != 3 || kept_model()->n_outputs != 1 || kept_model()->dims[2].input != -2) return 2;
    memset(state, 0x55, sizeof state); /* nothing is read of a cache that is empty */
    for (int turn = 0, past = 0; turn < 9; turn++) {
        const int s = turn % 2 + 1, n = 4 * s * 4;
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < n; k++) x[i][k] = (float)(int)((seed = seed * 1664525u + 1013904223u) >> 16 & 255) / 64 - 2;
        const plain_inputs in = {.q = x[0], .k = x[1], .v = x[2], .past_k = past_k, .past_v = past_v, .b = 2, .s = s, .p = past};
        plain_outputs out = {.y = y, .new_k = new_k, .new_v = new_v};
        if (plain_run(&in, &out, arena, NULL)) return 3;
        const kept_inputs a = {.state = state, .q = x[0], .k = x[1], .v = x[2], .b = 2, .s = s, .p = past};
        kept_outputs b = {.y = z};
        if (kept_run(&a, &b, arena, NULL)) return 4;
        if (memcmp(y, z, (size_t)n * sizeof *y)) return 5;
        past += s;
        memcpy(past_k, new_k, (size_t)(16 * past) * sizeof *new_k);
        memcpy(past_v, new_v, (size_t)(16 * past) * sizeof *new_v);
    }
    const kept_inputs full = {.state = state, .q = x[0], .k = x[1], .v = x[2], .b = 2, .s = 2, .p = 19};
    kept_outputs b = {.y = z};
    if (kept_run(&full, &b, arena, NULL) != ONNXCC_E_DIM) return 6;
    float sum[4], want[4] = {0};
    for (int turn = 0; turn < 6; turn++) {
        const float values[4] = {(float)turn, 1, -2, 0.5f};
        const int64_t at[1] = {5 - turn};
        const ring_inputs in = {.state = rows, .x = values, .row = at};
        ring_outputs out = {.y = sum};
        if (ring_run(&in, &out, arena, NULL)) return 7;
        for (int i = 0; i < 4; i++) want[i] += values[i];
        if (memcmp(sum, want, sizeof sum)) return 8;
    }
    return 0;
}
END
expect 0 compile kv.onnxtxt -o code --name plain --math strict --dim p=0..18 --dim s=1..2 --dim b=1..2
expect 0 compile kv.onnxtxt -o code --name kept --math strict --dim p=0..18 --dim s=1..2 --dim b=1..2 --state new_k=past_k --state new_v=past_v
expect 0 compile ring.onnxtxt -o code --name ring --state rows_next=rows
grep -q '\[b\]\[2\]\[20\]\[4\]' code/kept.h || fail "the header does not say how long the cache is"
grep -q 'KEPT_STATE_BYTES 2560' code/kept.h || fail "both caches take more than their longest sizes"
grep -q 'RING_STATE_BYTES 128' code/ring.h || fail "the rows are there twice"
if grep -q 'memcpy(.*in->state' code/kept.c code/ring.c; then fail "something is copied"; fi
for target in native generic-c99; do
    if [ $target = generic-c99 ]; then
        expect 0 compile kv.onnxtxt -o code --name plain --math strict --dim p=0..18 --dim s=1..2 --dim b=1..2 --target $target
        expect 0 compile kv.onnxtxt -o code --name kept --math strict --dim p=0..18 --dim s=1..2 --dim b=1..2 --target $target --state new_k=past_k --state new_v=past_v
        expect 0 compile ring.onnxtxt -o code --name ring --target $target --state rows_next=rows
    fi
    flags=; [ $target = generic-c99 ] || flags=-march=native
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 -O1 $flags -ffp-contract=off -fsanitize=address,undefined -Wall -Wextra -Werror -Icode code/*.c program.c -lm -o program || fail "the program does not build"
    ./program || fail "the program, line $?, for $target"
done
# A cache without a bound has no place; one that the run reverses is no cache.
expect 4 compile kv.onnxtxt -o code --state new_k=past_k
says err state-size "'b' has no bound" "hint: bound it, for example with "
for bound in ' --dim b=1..8' ' --dim p=0..1000' ' --dim s=1..8'; do says err "$bound"; done
expect 4 compile kv.onnxtxt -o code --dim b=1 --state new_k=past_k
! grep hint: err | grep -e 'dim b=' || fail "a hint to bound what is bounded"
sed 's/Concat<axis = 2>(past_k, r)/Concat<axis = 2>(r, past_k)/' kv.onnxtxt > front.onnxtxt
expect 4 compile front.onnxtxt -o code --dim p=0..18 --dim s=1..2 --dim b=1..2 --state new_k=past_k
says err state-shape
