#!/bin/sh
# run.sh TARGET ONNXCC SOURCE_DIR BINARY_DIR [PYTHON] - portable generated code on another machine: TARGET is cortex-m3, cortex-m4,
# aarch64 or s390x. On aarch64 the kernels for bytes run with its vectors, too.
#
# samples/digits (and the keyword spotting models of ../shared where they stand there) is compiled to generic C99, built for this machine and for the
# target, and run on both. With --math strict the bits are the same; with the default, where a machine's fma may be used, the numbers nearly. This
# machine's answer is compared with stored results and with the onnx package where there is one. Exit 77: skipped, because a tool is missing.
set -eu
target=$1 onnxcc=$2 source=$3 build=$4 python=${5:-}
here=$source/tests/qemu emit=$source/tests/emit shared=$source/../shared
work=$build/qemu/$target
rm -rf "$work"
mkdir -p "$work"

case $target in
cortex-m3 | cortex-m4)
    tool=arm-none-eabi- emulator=qemu-system-arm
    case $target in
    cortex-m3) board=mps2-an385 float=-mfloat-abi=soft ;;
    cortex-m4) board=mps2-an386 float="-mfloat-abi=hard -mfpu=fpv4-sp-d16" ;;
    esac
    flags="-mcpu=$target -mthumb $float -ffunction-sections -fdata-sections -DBARE_METAL -nostartfiles -Wl,--gc-sections -T $here/cortex_m.ld $here/cortex_m.c"
    run="$emulator -M $board -display none -monitor none -serial none -chardev stdio,id=text -semihosting-config enable=on,target=native,chardev=text -kernel" ;;
aarch64 | s390x)
    tool=$target-linux-gnu- emulator=qemu-$target
    flags=-static
    run=$emulator ;;
*) echo "run.sh: what is $target?"; exit 2 ;;
esac
for name in "${tool}gcc" "$emulator" cc; do
    command -v "$name" > /dev/null || { echo "SKIPPED: no $name"; exit 77; }
done
# A cross compiler without the C library of its target is no use.
printf '#include <math.h>\n#include <string.h>\n' | "${tool}gcc" -x c -c -o /dev/null - 2> /dev/null || { echo "SKIPPED: no C library for ${tool}gcc"; exit 77; }

fail() { echo "FAILED: $*"; exit 1; }
strict_flags="-O2 -Wall -Wextra -Wshadow -Wconversion -Werror"
cc -std=c99 -O1 "$emit/near.c" -o "$work/near" -lm

# build COMPILER OUT STANDARD NAME FLAGS...: answer.c with the model in $dir.
build_answer() {
    compiler=$1 out=$2 standard=$3 name=$4
    shift 4
    # shellcheck disable=SC2086
    "$compiler" $standard $strict_flags -I"$dir" -DMODEL="${name}_model" "$emit/answer.c" "$dir/$name.c" "$dir/${name}_weights.c" -o "$out" "$@" -lm ||
        fail "$compiler cannot build $name"
}

# check NAME MATH MODEL ONNXCC_OPTIONS...
check() {
    name=$1 math=$2 model=$3
    shift 3
    dir=$work/$name-$math
    "$onnxcc" compile "$model" -o "$dir" --name "$name" --target generic-c99 --weights c --math "$math" "$@"
    build_answer cc "$dir/host" -std=c99 "$name"
    "$dir/host" > "$dir/expected" || fail "$name on this machine: $?"
    [ -s "$dir/expected" ] || fail "$name on this machine: no answer"
    # Contraction of a * b + c into fma is gcc's default outside ISO C: the generated file itself has to forbid it.
    for standard in -std=c99 -std=gnu99; do
        # shellcheck disable=SC2086
        build_answer "${tool}gcc" "$dir/program" $standard "$name" $flags
        # shellcheck disable=SC2086
        timeout 120 $run "$dir/program" > "$dir/answer" || fail "$name on $target ($standard): exit code $?"
        if [ "$math" = strict ]; then
            cmp "$dir/answer" "$dir/expected" || fail "$name on $target ($standard): other bits"
        else
            "$work/near" "$dir/answer" "$dir/expected" 1e-4 1e-6 || fail "$name on $target ($standard)"
        fi
    done
    status=77
    [ -z "$python" ] || status=0
    [ -z "$python" ] || "$python" "$emit/reference.py" "$model" "$dir/expected" || status=$?
    [ $status -eq 0 ] || [ $status -eq 77 ] || fail "$name on this machine differs from the reference"
    echo "ok: $name, --math $math, on $target"
}

# Bytes are multiplied four at a time, whatever the order of the bytes.
bytes() { # COUNT SEED: that many integers from -128 to 127
    awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) { s = (s * 25173 + 13849) % 65536; printf "%s%d", i ? ", " : "", int(s / 256) - 128 } }'
}
cat > "$work/bytes.onnxtxt" <<END
<ir_version: 8, opset_import: ["" : 17]>
bytes (float[3,11] x) => (float[3,5] y)
<int8[11,5] w = {$(bytes 55 1)}, int8[5] z = {$(bytes 5 2)}>
{
    q, s, qz = DynamicQuantizeLinear(x)
    i = MatMulInteger(q, w, qz, z)
    f = Cast<to = 1>(i)
    y = Mul(f, s)
}
END
check bytes strict "$work/bytes.onnxtxt"

sample=$source/samples/digits
for math in strict default; do
    "$onnxcc" verify "$sample/digits.onnx" --target generic-c99 --math $math --inputs "$sample/inputs.npz" --expect "$sample/expected.npz" --rtol 1e-4
    check digits $math "$sample/digits.onnx" --dim batch=1
    if [ -f "$shared/corpus-tiny/kws_fp32.onnx" ]; then check kws_fp32 $math "$shared/corpus-tiny/kws_fp32.onnx"; fi
done
if [ -f "$shared/corpus-tiny/kws_int8.onnx" ]; then check kws_int8 strict "$shared/corpus-tiny/kws_int8.onnx"; fi

# The vector forms of loads, tables and products of bytes, these without and with the instruction for them.
if [ "$target" = aarch64 ]; then
    for kernel in look strided dot4 qgemm qpack qconv_dw; do
        for arch in -march=armv8-a -march=armv8.2-a+i8mm; do
            # shellcheck disable=SC2086
            "${tool}gcc" -static -std=c99 -D_POSIX_C_SOURCE=200112L $strict_flags $arch -DVL=4 -DMR=4 -DNV=2 -DMT=2 -DMC=8 -DRX=3 -DRT=2 -I"$source/templates" \
                -I"$source/tests/kernels" "$source/tests/kernels/$kernel.c" -o "$work/$kernel" -lm || fail "${tool}gcc $arch cannot build $kernel"
            "$emulator" -cpu max "$work/$kernel" || fail "$kernel on $target ($arch)"
        done
        echo "ok: $kernel on $target"
    done
fi

# A file of weights has a byte order; code that would misread it does not compile.
if [ "$target" = s390x ]; then
    "$onnxcc" compile "$sample/digits.onnx" -o "$work/incbin" --target generic-c99 --weights incbin
    "${tool}gcc" -std=c99 -c "$work/incbin/digits.c" -o "$work/digits.o" 2> "$work/err" && fail "code with little-endian weights compiles for s390x"
    grep -q 'these weights are little-endian' "$work/err" || fail "no message about the byte order of the weights"
fi
