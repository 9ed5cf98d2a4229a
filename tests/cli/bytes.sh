# Products of quantized matrices: one kernel with all that follows in its epilogue, constants multiplied by the compiler.
. "$(dirname "$0")/lib.sh"

numbers() { # COUNT: integers
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%s%d", i ? ", " : "", (i * 37 + 11) % 255 - 127 }'
}
zeros() {
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%s0", i ? ", " : "" }'
}

# Quantized at run time: the range, the bytes, the product.
cat > dynamic.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17]>
dynamic (float[20,30] x) => (float[20,40] y)
<int8[30,40] w = {$(numbers 1200)}, int8[40] wz = {$(zeros 40)}, float ws = {0.01}, float[40] bias = {$(numbers 40)}>
{
    q, s, z = DynamicQuantizeLinear(x)
    i = MatMulInteger(q, w, z, wz)
    f = Cast<to = 1>(i)
    m = Mul(s, ws)
    d = Mul(f, m)
    b = Add(d, bias)
    y = Relu(b)
}
END
expect 0 compile dynamic.onnxtxt -o dynamic --name dynamic
grep -q '^ \* work    [23] steps' dynamic/dynamic.c || fail "a dynamic product is more than quantization and one kernel"
grep -q 'vf_st(.*vf_fmax(.*vi_to_f(' dynamic/dynamic.c || [ "$(uname -m)" != x86_64 ] || fail "the epilogue has no vectors"
grep -q 'row_sums' dynamic/dynamic.c && fail "sums of rows for a zero point of 0"

# Quantized before: bytes in, bytes out, no division.
cat > static.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17]>
static (uint8[20,30] x) => (uint8[20,40] y)
<int8[30,40] w = {$(numbers 1200)}, int8 wz = {0}, float ws = {0.01}, float xs = {0.03}, uint8 xz = {100}, float ys = {0.7}, uint8 yz = {120}>
{
    y = QLinearMatMul(x, xs, xz, w, ws, wz, ys, yz)
}
END
for target in native generic-c99; do
    expect 0 compile static.onnxtxt -o static-$target --name bytes --target $target
    grep -q '^ \* work    1 steps' static-$target/bytes.c || fail "a static product is more than one kernel"
    grep -A4 'bytes_epilogue_1_. *(' static-$target/bytes.c | grep -q ' / ' && fail "the epilogue divides"
done
exit 0
