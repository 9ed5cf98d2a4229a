#!/bin/sh
# --math=strict: every target and compiler gives the same bits, whatever the length of its vectors and whether it has fused multiply-adds.
. "$(dirname "$0")/lib.sh"

numbers() { # COUNT SEED: that many floats between -1 and 1
    awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) { s = (s * 25173 + 13849) % 65536; printf "%s%.6f", i ? ", " : "", s / 32768 - 1 } }'
}

bytes() { # COUNT SEED: that many integers from -128 to 127
    awk -v n="$1" -v s="$2" 'BEGIN { for (i = 0; i < n; i++) { s = (s * 25173 + 13849) % 65536; printf "%s%d", i ? ", " : "", int(s / 256) - 128 } }'
}

# Channels below, at, above and between vector lengths; groups, depthwise, strides, borders; then a norm, products of floats and of bytes, a softmax.
cat > net.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,3,11,9] x) => (float[1,10] y, float[1,1,6,5] e, float[1,40,1,1] a)
<float[20,3,3,3] w0 = {$(numbers 540 1)}, float[40,20,3,3] w1 = {$(numbers 7200 2)}, float[40,20,1,1] w2 = {$(numbers 800 3)},
 float[40,1,3,3] w3 = {$(numbers 360 4)}, float[33,40,1,1] w4 = {$(numbers 1320 5)}, float[33] g = {$(numbers 33 6)}, float[33] b = {$(numbers 33 7)},
 float[33,10] w5 = {$(numbers 330 8)}, int8[33,10] w6 = {$(bytes 330 9)}, int8[10] z6 = {$(bytes 10 10)}>
{
    c0 = Conv<pads = [1, 1, 1, 1]>(x, w0)
    r0 = Relu(c0)
    c1 = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(r0, w1)
    t1 = Tanh(c1)
    c2 = Conv<group = 2>(t1, w2)
    s2 = Add(c2, c1)
    c3 = Conv<group = 40, pads = [1, 1, 1, 1]>(s2, w3)
    r3 = HardSwish(c3)
    e = ReduceMean<axes = [1]>(r3)
    a = GlobalAveragePool(r3)
    c4 = Conv(r3, w4)
    m = GlobalAveragePool(c4)
    f = Flatten(m)
    n = LayerNormalization(f, g, b)
    p = MatMul(n, w5)
    q, qs, qz = DynamicQuantizeLinear(n)
    i = MatMulInteger(q, w6, qz, z6)
    if = Cast<to = 1>(i)
    d = Mul(if, qs)
    s = Add(p, d)
    y = Softmax(s)
}
END

has() { grep -qw "$1" /proc/cpuinfo 2> /dev/null; }
targets=generic-c99
case $(uname -m) in
x86_64)
    targets="$targets x86-64"
    if has avx2; then targets="$targets x86-64-v3"; fi
    if has avx512bw; then targets="$targets x86-64-v4"; fi
    if has avx512_vnni; then targets="$targets x86-64-v4-vnni"; fi ;;
aarch64) targets="$targets aarch64" ;;
esac

first=
for target in $targets; do
    "$onnxcc" compile net.onnxtxt -o "$target" --name net --target "$target" --weights c --math strict
    flags=
    case $target in
    x86-64-*-vnni) flags="-march=${target%-vnni} -mavx512vnni" ;;
    x86-64-*) flags=-march=$target ;;
    esac
    for compiler in $compilers; do
        # shellcheck disable=SC2086
        "$compiler" -std=c99 -O2 $flags -DMODEL=net_model -I"$target" "$here/answer.c" "$target"/*.c -o program -lm || fail "$compiler $target"
        ./program > "$target-$compiler.txt" || fail "$target, $compiler: $?"
        [ -n "$first" ] || first=$target-$compiler
        cmp -s "$first.txt" "$target-$compiler.txt" || fail "$target, $compiler: other bits than $first"
        echo "ok: $target, $compiler"
    done
done
