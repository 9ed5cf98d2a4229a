#!/bin/sh
# A model generated with --threads 4, run by pools of 1 to 4 threads, gives the bits of the same model generated for one thread; and the threads do
# not race (ThreadSanitizer).
. "$(dirname "$0")/lib.sh"

racing=
for compiler in $compilers; do
    if sanitizes "$compiler" -fsanitize=thread; then racing=$compiler; fi
done
[ -n "$racing" ] || echo "without ThreadSanitizer: no compiler has it here"

check() { # NAME MODEL ONNXCC_OPTIONS...
    name=$1 model=$2
    shift 2
    for target in native generic-c99; do
        dir=$name-$target
        "$onnxcc" compile "$model" -o "$dir" --name one --target $target --weights c "$@"
        "$onnxcc" compile "$model" -o "$dir" --name four --target $target --weights c --threads 4 "$@"
        for compiler in $compilers; do
            for sanitize in "" -fsanitize=thread; do
                [ -z "$sanitize" ] || [ "$compiler-$target" = "$racing-native" ] || continue
                # shellcheck disable=SC2086
                "$compiler" -std=gnu11 -O1 -g $sanitize -march=native -Wall -Wextra -Werror -I"$dir" -I"$source/runtime" "$here/pool.c" "$dir"/*.c \
                    "$source/runtime/onnxcc_threads.c" -o program -lm -lpthread || fail "$compiler $name"
                ./program || fail "$name for $target, $compiler $sanitize: $?"
            done
        done
        echo "ok: $name for $target"
    done
}

check digits "$sample" --dim batch=7
"$onnxcc" compile "$sample" -o unknown --name unknown --threads 4 # models/convolutions runs such
grep -q 'unknown_for(env, .*, unknown_grain(' unknown/unknown.c && grep -q 'if (unknown_alone(env, ' unknown/unknown.c || fail "where only the run knows sizes it does not decide what is worth a thread"
check small small.onnxtxt
check residual residual.onnxtxt
# Of one sequence, each step is split over hidden units; 150 are no whole vectors.
cat > recurrent.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
recurrent (float[9,1,5] x) => (float[9,2,1,150] a, float[2,1,150] a_h, float[2,1,150] a_c, float[9,1,1,170] b, float[1,1,170] b_h, float[9,1,1,330] c, float[1,1,330] c_h)
<float zero = {0}, float one = {1}, float n = {180000}, int64[3] aw = {2,600,5}, int64[3] ar = {2,600,150}, int64[3] bw = {1,510,5}, int64[3] br = {1,510,170},
 int64[2] bb = {1,1020}, int64[3] cw = {1,330,5}, int64[3] cr = {1,330,330}, int64[3] ah = {2,1,150}, int64[3] bh = {1,1,170}, int32[1] lens = {7}, float tenth = {0.1}>
{
    line = Range (zero, n, one)
    waves = Cos (line)
    small = Mul (waves, tenth)
    i0 = Constant <value_ints = [0]> ()
    s1 = Constant <value_ints = [6000]> ()
    v1 = Slice (waves, i0, s1)
    w1 = Reshape (v1, aw)
    s2 = Constant <value_ints = [180000]> ()
    v2 = Slice (small, i0, s2)
    r1 = Reshape (v2, ar)
    s3 = Constant <value_ints = [300]> ()
    v3 = Slice (small, i0, s3)
    h1 = Reshape (v3, ah)
    a, a_h, a_c = LSTM <hidden_size = 150, direction = "bidirectional"> (x, w1, r1, , lens, h1, h1)
    s4 = Constant <value_ints = [2550]> ()
    v4 = Slice (waves, i0, s4)
    w2 = Reshape (v4, bw)
    s5 = Constant <value_ints = [86700]> ()
    v5 = Slice (small, i0, s5)
    r2 = Reshape (v5, br)
    s6 = Constant <value_ints = [1020]> ()
    v6 = Slice (small, i0, s6)
    b2 = Reshape (v6, bb)
    s7 = Constant <value_ints = [170]> ()
    v7 = Slice (small, i0, s7)
    h2 = Reshape (v7, bh)
    b, b_h = GRU <hidden_size = 170, linear_before_reset = 1> (x, w2, r2, b2, , h2)
    s8 = Constant <value_ints = [1650]> ()
    v8 = Slice (waves, i0, s8)
    w3 = Reshape (v8, cw)
    s9 = Constant <value_ints = [108900]> ()
    v9 = Slice (small, i0, s9)
    r3 = Reshape (v9, cr)
    c, c_h = RNN <hidden_size = 330, direction = "reverse"> (x, w3, r3)
}
END
check recurrent recurrent.onnxtxt
[ "$(grep -c 'for (int64_t turn[0-9]* = 0; turn[0-9]* < 9; ' recurrent-native/four.c)" -ge 3 ] || fail "the steps of a sequence are not split"
if [ -f "$tiny/kws_fp32.onnx" ]; then check kws_fp32 "$tiny/kws_fp32.onnx"; fi
