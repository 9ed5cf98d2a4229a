#!/bin/sh
# Generated code runs without undefined behaviour and inside its memory: AddressSanitizer and UndefinedBehaviorSanitizer, with the arena, every input
# and every output an allocation of its own.
. "$(dirname "$0")/lib.sh"
compiler=${compilers##* }
flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
sanitizes "$compiler" "$flags" || compiler=gcc
sanitizes "$compiler" "$flags" || { echo "SKIPPED: no compiler has its sanitizers here"; exit 77; }
printf '#include "drive.h"\nextern const onnxcc_model *net_model(void);\nint main(void)\n{\n    use u = use_new(net_model(), 1);\n    const int rc = use_run(&u, NULL);\n    use_free(&u);\n    return rc != 0;\n}\n' > once.c

check() { # NAME MODEL ONNXCC_OPTIONS...
    name=$1 model=$2
    shift 2
    for target in $targets; do
        "$onnxcc" compile "$model" -o "$name-$target" --name net --target $target --weights c "$@"
        # shellcheck disable=SC2086
        "$compiler" -std=gnu11 -O1 -g $flags -march=native -I"$here" -I"$name-$target" once.c "$name-$target"/*.c -o program -lm || fail "$compiler $name"
        ./program || fail "$name for $target"
        echo "ok: $name for $target"
    done
}

targets="generic-c99 native"
check digits "$sample" --dim batch=3
check small small.onnxtxt
check residual residual.onnxtxt
targets=generic-c99 # kernels inlined into native code take a sanitizing compiler a minute
for model in ad kws; do
    if [ -f "$tiny/${model}_fp32.onnx" ]; then check ${model}_fp32 "$tiny/${model}_fp32.onnx"; fi
done
