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

# Between convolutions, whose values lie in blocks of channels: a sum, an average over windows, a transposed convolution, a table. Each is one step, without a
# division or a float in memory, of whole vectors.
cat > between.onnxtxt <<END
<ir_version: 10, opset_import: ["" : 21]>
between (uint8[1,16,8,8] x) => (uint8[1,16,8,8] y)
<float s = {0.031}, float s2 = {0.27}, float s3 = {0.33}, uint8 z = {100}, float ws = {0.004}, int8[16,16,1,1] w = {$(numbers 256)}, int8[16,16,2,2] wt = {$(numbers 1024)}>
{
    xf = DequantizeLinear(x, s, z)
    wf = DequantizeLinear(w, ws)
    wtf = DequantizeLinear(wt, ws)
    af = Conv(xf, wf)
    a = QuantizeLinear(af, s2, z)
    ad = DequantizeLinear(a, s2, z)
    bf = Conv(ad, wf)
    b = QuantizeLinear(bf, s2, z)
    bd = DequantizeLinear(b, s2, z)
    cf = Add(ad, bd)
    c = QuantizeLinear(cf, s3, z)
    cd = DequantizeLinear(c, s3, z)
    df = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (cd)
    d = QuantizeLinear(df, s2, z)
    dd = DequantizeLinear(d, s2, z)
    ef = Conv(dd, wf)
    e = QuantizeLinear(ef, s2, z)
    ed = DequantizeLinear(e, s2, z)
    ff = ConvTranspose <strides = [2, 2]> (ed, wtf)
    f = QuantizeLinear(ff, s2, z)
    fd = DequantizeLinear(f, s2, z)
    gf = Conv(fd, wf)
    g = QuantizeLinear(gf, s2, z)
    gd = DequantizeLinear(g, s2, z)
    hf = Sigmoid(gd)
    h = QuantizeLinear(hf, s2, z)
    hd = DequantizeLinear(h, s2, z)
    i = Mul(hd, gd)
    y = QuantizeLinear(i, s2, z)
}
END
expect 0 compile between.onnxtxt -o between --name between --target x86-64-v3
sed -n '/_epilogue_1_v(\|_step1(/,/^int between_run/p' between/between.c > between/code
grep -q ' / [0-9.]*f' between/code && fail "a sum of quantized tensors is divided"
grep -q 'float \*\|vf_ld\|vf_st' between/code && fail "floats in memory between quantized operators"
sed -n '/AveragePoolInteger \*\//,/^}/p' between/code | grep -q 'vi_sat_u8(.*vi_ld_u8\|vi_sat_u8(.*a1' || fail "an average over windows is not of vectors"
sed -n '/DepthToSpace/,/^}/p' between/code | grep -q 'vi_st_u8(.*vi_ld_u8(' || fail "blocks of channels are not interleaved as vectors"

cat > table.onnxtxt <<END
<ir_version: 10, opset_import: ["" : 21]>
table (uint8[4,1000] x) => (int8[4,1000] y)
<float s = {0.031}, uint8 z = {100}, float sy = {0.004}, int8 zy = {-128}>
{
    xf = DequantizeLinear(x, s, z)
    yf = Sigmoid(xf)
    y = QuantizeLinear(yf, sy, zy)
}
END
expect 0 compile table.onnxtxt -o table --name table --target x86-64-v3
grep -q '^    vb_lookup(' table/table.c || fail "bytes are looked up one by one"
exit 0
