# quantize: a real model in both modes, the report, what is kept, the same bytes each time, what is refused.
. "$(dirname "$0")/lib.sh"
samples=$here/../../samples/digits
digits=$samples/digits.onnx

# Dynamic: every product, a smaller file, nearly the same numbers.
expect 0 quantize "$digits" -o dynamic.onnx
says out "conv1 (Conv)" "dense (Gemm)" "3 of 3 products in 8 bits"
expect 0 check dynamic.onnx
expect 0 verify dynamic.onnx --inputs "$samples/inputs.npz" --expect "$samples/expected.npz" --rtol 0.02 --atol 0.005
expect 0 text dynamic.onnx
says out DynamicQuantizeLinear ConvInteger MatMulInteger "uint8[16,1,3,3]" "int8[128,10]" "float[16,1,1]"
[ "$(wc -c < dynamic.onnx)" -lt "$(($(wc -c < "$digits") / 2))" ] || fail "the file is not half as large"
expect 0 quantize "$digits" -o again.onnx -q
cmp dynamic.onnx again.onnx || fail "not the same bytes each time"

# Static: every method, both types; Relu goes into the rounding; pools and Flatten have the same parameters on both sides.
for method in minmax percentile mse; do
    for type in u8 s8; do
        expect 0 quantize "$digits" -o static.onnx --calibrate "$samples/inputs.npz" --method $method --activations $type
        says out "3 of 3 products in 8 bits, 5 other nodes with them; calibrated with 1 set"
        expect 0 check static.onnx
        expect 0 verify static.onnx --inputs "$samples/inputs.npz" --expect "$samples/expected.npz" --rtol 0.02 --atol 0.005
    done
done
expect 0 text static.onnx
says out '"conv1.bias.quantized"' 'axis: int = 0> ("dense.weight.quantized"'
if grep -q Relu out; then fail "Relu is still there"; fi
expect 0 quantize "$digits" -o again.onnx --calibrate "$samples/inputs.npz" --method mse --activations s8 -q
cmp static.onnx again.onnx || fail "not the same bytes each time"
expect 0 quantize "$digits" -o tensor.onnx --calibrate "$samples/inputs.npz" --per-tensor -q
expect 0 text tensor.onnx
if grep -q "axis: int = 0> (\"dense.weight" out; then fail "--per-tensor has scales per channel"; fi

# Folders: of .npz files, of data sets.
mkdir -p npz/sub sets/test_data_set_0 none
cp "$samples/inputs.npz" npz/a.npz
cp "$samples/inputs.npz" npz/b.npz
expect 0 quantize "$digits" -o folder.onnx --calibrate npz
says out "calibrated with 2 sets"
{ printf '\010\001\010\001\010\010\010\010\020\001\112\200\002'; head -c 256 /dev/zero; } > sets/test_data_set_0/input_0.pb
expect 0 quantize "$digits" -o folder.onnx --calibrate sets
says out "calibrated with 1 set"

# Folders of .npy files: one input, each is a set; several, a folder with one for each of them is.
npy() { # npy FILE SHAPE NUMBER...: float32, numbers as octal bytes
    file=$1 shape=$2
    shift 2
    { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($shape), }"; for v; do printf "$v"; done; } > "$file"
}
mkdir -p npy two/s1 two/s2 half/s1
cat > one.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 13]>
g (float[n,2] x) => (float[n,2] y)
<float[2,2] w = {1, 2, 3, -4}>
{
  y = MatMul (x, w)
}
EOF
cat > two.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 13]>
g (float[n,2] a, float[n,2] "b/c") => (float[n,2] y)
<float[2,2] w = {1, 2, 3, -4}>
{
  s = Add (a, "b/c")
  y = MatMul (s, w)
}
EOF
one='\000\000\200\077' two='\000\000\000\100'
npy npy/first.npy 1,2 "$one" "$two"
npy npy/second.npy 2,2 "$one" "$two" "$two" "$two"
expect 0 quantize one.onnxtxt -o npy.onnx --calibrate npy
says out "calibrated with 2 sets"
expect 0 quantize one.onnxtxt -o npy.onnx --calibrate npy/first.npy
says out "calibrated with 1 set;"
for s in s1 s2; do
    cp npy/first.npy two/$s/a.npy
    cp npy/first.npy "two/$s/b\\c.npy"
done
expect 0 quantize two.onnxtxt -o npy.onnx --calibrate two
says out "calibrated with 2 sets"
expect 0 quantize two.onnxtxt -o npy.onnx --calibrate two/s1
says out "calibrated with 1 set;"
cp npy/first.npy half/s1/a.npy
expect 2 quantize two.onnxtxt -o no.onnx --calibrate half
says err "there is no 'b\\c.npy' in 'half/s1'" "a folder with one named after each input: a.npy, b\\c.npy" "[no-data]"
expect 2 quantize two.onnxtxt -o no.onnx --calibrate npy
says err "there is no 'a.npy' in 'npy'"

# A batch of matrices: a scale for each column, or in static mode one for all.
cat > batch.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 13]>
g (float[n,2] x) => (float[2,n,3] y)
<float[2,2,3] w = {1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6}>
{
  y = MatMul (x, w)
}
EOF
expect 0 quantize batch.onnxtxt -o batch.onnx
says out "1 of 1 products in 8 bits"
expect 0 text batch.onnx
says out "int8[2,2,3]" "float[3]"
expect 0 run batch.onnxtxt --input npy/second.npy -o float.npz
expect 0 verify batch.onnx --inputs npy/second.npy --expect float.npz --rtol 0.02 --atol 0.05
expect 0 quantize batch.onnxtxt -o batch.onnx --calibrate npy
says out "1 of 1 products in 8 bits"
expect 0 verify batch.onnx --inputs npy/second.npy --expect float.npz --rtol 0.02 --atol 0.05

# How far the outputs are, in both modes; OUT may be IN.
expect 0 quantize "$digits" -o metric.onnx --calibrate "$samples/inputs.npz" --metric
says out "  cosine     SQNR    largest   argmax  output" " 1.00000 " " 100.00%  score" "3 of 3 products"
cp "$digits" metric.onnx
expect 0 quantize metric.onnx -o metric.onnx --mode dynamic --calibrate "$samples/inputs.npz" --metric --json
says out '"mode":"dynamic"' '"sets":1' '"outputs":[{"name":"score","cosine":0.99' '"sqnr":' '"max_difference":' '"argmax_agreement":1}]}'
expect 2 quantize "$digits" -o no.onnx --metric
says err "--metric needs --calibrate PATH"

# Weights that round to 0 shift their output; the shift goes into a bias, which is made where there is none.
cat > shift.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 13]>
g (float[n,2] x) => (float[n,2] y)
<float[2,2] w = {100, 0.3, 0, 0.3}>
{
  y = Gemm (x, w)
}
EOF
expect 0 quantize shift.onnxtxt -o shift.onnx --calibrate npy --per-tensor --bias-correction=off --metric --json
says out '"max_difference":1.2'
expect 0 quantize shift.onnxtxt -o shift.onnx --calibrate npy --per-tensor --bias-correction=on --metric --json
says out '"max_difference":0.2'
expect 0 check shift.onnx --full
expect 0 text shift.onnx
says out '"y.bias.quantized"'

# Data that say nothing: an input, a value.
zero='\000\000\000\000' minus='\000\000\200\277'
npy zero.npy 2,2 "$zero" "$zero" "$zero" "$zero"
npy minus.npy 1,2 "$minus" "$zero"
cat > dead.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 13]>
g (float[n,2] x) => (float[n,2] y)
<float[2,2] w = {1, 2, 3, -4}>
{
  r = Relu (x)
  y = MatMul (r, w)
}
EOF
expect 0 quantize one.onnxtxt -o npy.onnx --calibrate zero.npy
says err "warning: input 'x': all of the calibration data for it is 0 [calibration-constant]" "give inputs as the model will see them"
expect 0 quantize dead.onnxtxt -o npy.onnx --calibrate minus.npy
says err "warning: value 'r': it is 0 in all elements" "[calibration-constant]"
if grep -q "input 'x'" err; then fail "the input is not constant"; fi
expect 0 quantize one.onnxtxt -o npy.onnx --calibrate npy
[ ! -s err ] || fail "a warning about good data"

# What stays in float, and why.
expect 0 quantize "$digits" -o kept.onnx --calibrate npz --keep 'conv*2' --keep-type Gemm
says out "conv2 (Conv) stays in float: --keep conv*2" "dense (Gemm) stays in float: --keep-type Gemm" "1 of 3 products"
expect 0 verify kept.onnx --inputs "$samples/inputs.npz" --expect "$samples/expected.npz" --rtol 0.02 --atol 0.005
expect 0 quantize "$digits" -o kept.onnx --calibrate npz --least-sqnr 60
says out "stays in float: signal to noise" "0 of 3 products"
expect 0 verify kept.onnx --inputs "$samples/inputs.npz" --expect "$samples/expected.npz"
expect 0 quantize "$digits" -o json.onnx --calibrate npz --json
says out '{"node":"conv1","op":"Conv","quantized":true,"sqnr_input":' '"saturated":' '"mode":"static","products":3,"quantized":3,"others":5,"sets":2,"bytes":{"before":'

cat > mixed.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 12]>
g (float[n,4] x, float[4,4] v) => (float[n,4] y)
<float[4,4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}>
{
  a = MatMul (x, w)
  b = Relu (a)
  c = MatMul (b, w)
  y = MatMul (c, v)
}
EOF
expect 0 quantize mixed.onnxtxt -o mixed.onnx
says out "2 of 3 products" "stays in float: its weights are not constant"
expect 0 text mixed.onnx
[ "$(grep -c 'int8\[4,4\]' out)" = 1 ] || fail "shared weights are not stored once"
[ "$(grep -c '"w.scale" =' out)" = 1 ] || fail "their scales are not"

# What is between products: a residual block, a Clip that rounding does and one that it does not, a product whose result is an output, islands.
mkdir -p block
{ printf '\010\001\010\001\010\003\010\003\020\001\112\044'; for v in 1 2 3; do printf '\000\000\200\077\000\000\000\100\000\000\200\277'; done; } > block/input_0.pb
cat > block.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 13]>
g (float[n,1,3,3] x) => (float[n,2] y, float[n,2,3,3] c2, float[n,2,3,3] z)
<float[2,1,1,1] w1 = {4, -1}, float[2] b1 = {1, 0.5}, float[2,2,1,1] w2 = {1, 0.5, -1, 2}, float[2,2] w3 = {1, 2, 3, 4}, float zero = {0}, float six = {6}, float one = {1}>
{
  c1 = Conv (x, w1, b1)
  r1 = Clip (c1, zero, six)
  c2 = Conv (r1, w2)
  s = Add (c2, r1)
  r2 = Relu (s)
  k = Clip (r2, one, six)
  p = GlobalAveragePool (k)
  f = Flatten (p)
  y = Gemm (f, w3)
  e = Exp (x)
  z = Mul (e, c2)
}
EOF
expect 0 quantize block.onnxtxt -o block.onnx --calibrate block
says out "3 of 3 products in 8 bits, 5 other nodes with them"
expect 0 check block.onnx --full
expect 0 text block.onnx
says out ' c2 = DequantizeLinear' ' z = Mul (e, c2)' ' y = Gemm (f, ' '= Add (c2, r1)' ' = Clip (' ' e = Exp (x)'
[ "$(grep -c ' = Clip (' out)" = 1 ] || fail "not one of two Clips is left"
if grep -q Relu out; then fail "Relu is still there"; fi
[ "$(grep -c QuantizeLinear out)" = 12 ] || fail "unexpected number of Q and DQ: $(grep -c QuantizeLinear out)"
expect 0 quantize block.onnxtxt -o openvino.onnx --calibrate block --for openvino
expect 0 run openvino.onnx --input block/input_0.pb

# A model older than the operators is raised.
sed 's/"": 12/"": 9/' mixed.onnxtxt > old.onnxtxt
expect 0 quantize old.onnxtxt -o old.onnx
says out "the model's opset is 13 now, it was 9"
expect 0 check old.onnx

# Refusals: nothing is written.
expect 2 quantize "$digits"
says err "needs -o OUT"
expect 2 quantize "$digits" -o no.onnx --mode static
says err "needs --calibrate" "[no-data]"
expect 2 quantize "$digits" -o no.onnx --mode int3
expect 4 quantize "$digits" -o no.onnx --mode weight-only
says err "--mode=weight-only is not there yet"
expect 4 quantize "$digits" -o no.onnx --mode fp16
expect 4 quantize "$digits" -o no.onnx --activations s8
expect 2 quantize "$digits" -o no.onnx --mode dynamic --calibrate npz
expect 5 quantize "$digits" -o no.onnx --calibrate nowhere
expect 5 quantize "$digits" -o no.onnx --calibrate none
says err "'none' holds no inputs"
expect 2 quantize "$digits" -o no.onnx --calibrate "$samples/expected.npz"
says err "expected 4" "[input-shape]" "the calibration data is"
{ printf '\010\001\010\001\010\010\010\010\020\001\112\200\002'; head -c 252 /dev/zero; printf '\000\000\300\177'; } > sets/test_data_set_0/input_0.pb
expect 3 quantize "$digits" -o no.onnx --calibrate sets
says err "value 'picture': element 63 is not finite" "[not-finite]"
[ ! -e no.onnx ] || fail "a refused call wrote its output"
