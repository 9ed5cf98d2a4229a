#!/bin/sh
# Objects of generated code: no writable data, global symbols that start with the model's name, nothing undefined but a few functions of libc and
# libm; and the same text each time it is generated.
. "$(dirname "$0")/lib.sh"
command -v nm > /dev/null && command -v objdump > /dev/null || { echo "SKIPPED: no binutils"; exit 77; }
allowed='memcpy|memset|memmove|memcmp|fabsf|sqrtf|rintf|floorf|ceilf|truncf|fmaf|fmodf|sinf|cosf|tanf|expf|exp|log|sqrt|rint|floor|ceil|trunc|_GLOBAL_OFFSET_TABLE_'

# Sections that hold bytes a program can write. Position-independent code has .data.rel.ro beside them, which is constant once it is loaded.
writable_sections() {
    objdump -h "$1" | awk '$2 ~ /^\.(data|bss|tdata|tbss|lbss|ldata)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ { print $2 }'
}

check_object() { # OBJECT NAME
    found=$(writable_sections "$1")
    [ -z "$found" ] || fail "$1 has bytes in $found"
    nm --defined-only --extern-only "$1" | awk -v name="$2" '$3 !~ "^" name "_" { print $3 }' > strangers
    [ ! -s strangers ] || fail "$1 defines $(cat strangers)"
    nm --undefined-only "$1" | awk '{ print $2 }' | grep -Evx "$allowed|$2_(w[0-9]+|weights)" > strangers || :
    [ ! -s strangers ] || fail "$1 needs $(cat strangers)"
}

# The test would notice.
printf 'int bad_zero, bad_one = 1;\nstatic __thread int bad_own = 3;\nint *bad_it(void) { return &bad_own; }\n' > bad.c
${compilers##* } -c bad.c -o bad.o
[ "$(writable_sections bad.o | sort | tr '\n' ' ')" = ".bss .data .tdata " ] || fail "writable data goes unnoticed"

check() { # NAME MODEL ONNXCC_OPTIONS...
    name=$1 model=$2
    shift 2
    for target in generic-c99 native; do
        dir=$name-$target flags=
        [ $target = generic-c99 ] || flags=-march=native
        "$onnxcc" compile "$model" -o "$dir" --name "$name" --target $target "$@"
        "$onnxcc" compile "$model" -o "$dir-again" --name "$name" --target $target "$@"
        diff -r "$dir" "$dir-again" || fail "$name for $target is not the same twice"
        for compiler in $compilers; do
            for pic in -fPIC -fno-pic; do
                for file in "$dir"/*.c "$dir"/*.S; do
                    [ -f "$file" ] || continue
                    # shellcheck disable=SC2086
                    (cd "$dir" && "$compiler" -std=c99 -O2 $pic $flags -c "$(basename "$file")" -o "$work/object.o") || fail "$compiler $pic $file"
                    check_object object.o "$name"
                done
            done
        done
        echo "ok: $name for $target"
    done
}

check digits "$sample" --weights c --dim batch=1
check digits_any "$sample" --weights incbin --threads 4
check small small.onnxtxt
check residual residual.onnxtxt --weights c
if [ -f "$tiny/kws_fp32.onnx" ]; then check kws_fp32 "$tiny/kws_fp32.onnx" --weights c; fi
