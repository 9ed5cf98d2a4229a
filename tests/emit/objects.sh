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

# A model of integers needs nothing at all of a library, but for memcpy and its like and the compiler's own routines.
numbers() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%s%d", i ? ", " : "", (i * 37 + 11) % 255 - 127 }'; }
cat > integers.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17]>
integers (int8[1,3,9,9] x) => (int8[1,5] y)
<float s = {0.05}, int8 z = {3}, float t = {0.01}, int8 k = {-128}, float u = {0.1}, int8 zero = {0},
 int8[8,3,3,3] w = {$(numbers 216)}, int8[8,1,3,3] d = {$(numbers 72)}, int8[8,5] m = {$(numbers 40)}>
{
    a = DequantizeLinear(x, s, z)
    wf = DequantizeLinear(w, t, zero)
    b = Conv<pads = [1, 1, 1, 1]>(a, wf)
    r = Relu(b)
    q = QuantizeLinear(r, u, k)
    c = DequantizeLinear(q, u, k)
    df = DequantizeLinear(d, t, zero)
    e = Conv<group = 8, strides = [2, 2]>(c, df)
    f = QuantizeLinear(e, u, z)
    g = DequantizeLinear(f, u, z)
    h = HardSwish(g)
    i = QuantizeLinear(h, u, z)
    j = DequantizeLinear(i, u, z)
    l = GlobalAveragePool(j)
    n = QuantizeLinear(l, u, z)
    o = Flatten(n)
    p = DequantizeLinear(o, u, z)
    mf = DequantizeLinear(m, t, zero)
    v = MatMul(p, mf)
    y = QuantizeLinear(v, u, z)
}
END
check_integers() { # COMMAND AND FLAGS OF A C COMPILER, NM
    "$onnxcc" compile "$integers" -o integers --name net --target generic-c99 --weights c
    # shellcheck disable=SC2086
    $1 -std=c99 -O2 -c integers/net.c -o object.o || fail "$1"
    "$2" --undefined-only object.o | awk '{ print $2 }' | grep -Evx 'mem(cpy|set|move)|__aeabi_.*|_GLOBAL_OFFSET_TABLE_|net_w[0-9]+' > strangers || :
    [ ! -s strangers ] || fail "$integers: with $1 a model of integers needs $(cat strangers)"
}
for integers in integers.onnxtxt "$tiny"/*_int8.onnx; do
    [ -f "$integers" ] || continue
    for compiler in $compilers; do check_integers $compiler nm; done
    if command -v arm-none-eabi-gcc > /dev/null; then
        check_integers "arm-none-eabi-gcc -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard" arm-none-eabi-nm
        check_integers "arm-none-eabi-gcc -mthumb -mcpu=cortex-m3" arm-none-eabi-nm
    fi
    echo "ok: no library for $(basename "$integers")"
done
