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
if [ -f "$tiny/kws_fp32.onnx" ]; then check kws_fp32 "$tiny/kws_fp32.onnx"; fi
