#!/bin/sh
# Generated code compiles without a warning as ISO C99, with and without optimization, under gcc and clang, and its header also as C++.
. "$(dirname "$0")/lib.sh"
# The machine's instructions, which native code needs; empty for other machines' compilers.
native=-march=native

check() { # NAME MODEL ONNXCC_OPTIONS...
    name=$1 model=$2
    shift 2
    for target in generic-c99 native; do
        "$onnxcc" compile "$model" -o "$name-$target" --name "$name" --target $target "$@"
        flags=
        [ $target = generic-c99 ] || flags=$native
        for compiler in $compilers; do
            for level in -O0 -O2; do
                for file in "$name-$target"/*.c; do
                    # Weights are numbers: one level is enough.
                    case $level-$file in -O2-*_weights.c) continue ;; esac
                    # shellcheck disable=SC2086
                    "$compiler" -std=c99 $level $flags $warnings -c "$file" -o object.o || fail "$compiler $level $file"
                done
            done
        done
        echo "ok: $name for $target"
    done
}

check digits "$sample" --weights c --dim batch=1
check digits_any "$sample" --weights c --threads 4
check digits_strict "$sample" --weights incbin --math strict
check small small.onnxtxt
check residual residual.onnxtxt --weights c
for model in ad ic kws vww; do
    if [ -f "$tiny/${model}_fp32.onnx" ]; then check ${model}_fp32 "$tiny/${model}_fp32.onnx" --weights c; fi
done

if command -v g++ > /dev/null; then
    printf '#include "digits.h"\nint main() { return digits_model()->abi; }\n' > use.cc
    for standard in c++11 c++17; do g++ -std=$standard -Wall -Wextra -Wpedantic -Werror -Idigits-native -c use.cc -o object.o || fail "$standard"; done
fi

# A compiler that has none of gcc's extensions and pragmas to speak of.
if command -v tcc > /dev/null; then
    for name in digits small; do
        weights=$name-generic-c99/${name}_weights.c
        [ -f "$weights" ] || weights=
        # shellcheck disable=SC2086
        tcc -Wall -Werror -D"MODEL=${name}_model" -I$name-generic-c99 "$here/answer.c" $name-generic-c99/$name.c $weights -o $name-tcc -lm || fail "tcc $name"
        # shellcheck disable=SC2086
        ${compilers##* } -std=c99 -O1 -D"MODEL=${name}_model" -I$name-generic-c99 "$here/answer.c" $name-generic-c99/$name.c $weights -o $name-other -lm
        ./$name-tcc > tcc.txt
        ./$name-other > other.txt
        cmp tcc.txt other.txt || fail "tcc and ${compilers##* } answer differently for $name"
    done
    echo "ok: tcc"
fi
