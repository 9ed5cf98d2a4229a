# optimize: a real model, tables, weights beside the model, what is kept, what is refused.
. "$(dirname "$0")/lib.sh"
samples=$here/../../samples/digits

# The sample's model: fewer or equal nodes, the same numbers, the same bytes each time.
expect 0 optimize "$samples/digits.onnx" -o small.onnx
says out "before" "operator" "in all" "pass" "batchnorm"
expect 0 check small.onnx
expect 0 verify small.onnx --inputs "$samples/inputs.npz" --expect "$samples/expected.npz"
expect 0 optimize "$samples/digits.onnx" -o again.onnx -q
cmp small.onnx again.onnx || fail "not the same bytes each time"
expect 0 optimize small.onnx -o third.onnx -q
cmp small.onnx third.onnx || fail "what is optimized changes once more"
expect 0 optimize "$samples/digits.onnx" -o small.onnx --json
says out '{"pass":"fold","before":' '"nodes":{"before":' '"operators":{"'

# What no pass touches is written as it stood: versions, names, doc strings, unknown domains, functions.
cat > keep.onnxtxt <<'EOF'
<ir_version: 7, opset_import: ["": 12, "my": 3, "com.example": 1], producer_name: "p", metadata_props: ["k": "v"]>
g (float[n,4] x) => (float[n,4] y, float[n] z)
<float[4] w = {1, 2, 3, 4}, float[4] unread = {0, 0, 0, 0}>
{
  a = my.scaled <factor = 2.0> (x)
  b = com.example.Magic <power = 3> (a, w)
  c = Identity (b)
  y = Neg (c)
  d = Unsqueeze <axes = [0]> (x)
  z = ReduceSum <axes = [0, 2], keepdims = 0> (d)
}
<domain: "my", opset_import: ["": 12]>
scaled <factor> (v) => (r)
{
  k = Constant <value_float: float = @factor> ()
  r = Mul (v, k)
}
EOF
expect 0 optimize keep.onnxtxt -o keep.onnx -q
expect 0 check keep.onnx
expect 0 text keep.onnx
says out '"" : 12' '"my" : 3' 'my.scaled <factor: float = 2>' 'com.example.Magic <power: int = 3> (a, w)' 'Unsqueeze <axes: ints = [0]>' 'value_float: float = @factor'
if grep -q "unread\|Identity" out; then fail "what nobody needs is still there"; fi

# Weights in a file beside the model stay there; in another folder they are copied, never over another file.
mkdir -p there/sub
printf '\000\000\200\077\000\000\000\100\000\000\100\100\000\000\200\100' > w.bin
cat > external.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["": 17]>
g (float[n,4] x) => (float[n,4] y)
<float[4] w = ["location": "w.bin", "offset": "0", "length": "16"]>
{
  a = Identity (x)
  y = Mul (a, w)
}
EOF
expect 0 optimize external.onnxtxt -o here.onnx -q
expect 0 optimize external.onnxtxt -o there/model.onnx -q
cmp w.bin there/w.bin || fail "weights were not copied"
grep -q "w.bin" there/model.onnx || fail "weights are no longer external"
expect 0 check there/model.onnx
expect 0 optimize there/model.onnx -o there/model.onnx -q
printf 'another' > there/sub/w.bin
expect 5 optimize external.onnxtxt -o there/sub/model.onnx
says err "write-external"
[ ! -e there/sub/model.onnx ] || fail "a model was written after an error"

# Constants of a branch that is never taken go with it.
cat > branch.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["": 17]>
g (float[n] x) => (float[n] y)
{
  c = Constant <value = bool {1}> ()
  y = If (c) <
    then_branch = a () => (float[n] p) { p = Relu (x) },
    else_branch = b () => (float[n] q) {
      never = Constant <value = float {7.0}> ()
      q = Add (x, never)
    }
  >
}
EOF
expect 0 optimize branch.onnxtxt -o branch.onnx -q
expect 0 text branch.onnx
says out "y = Relu (x)"
if grep -q "never" out; then fail "a constant of the branch that is not taken is still there"; fi

# Levels and passes.
expect 0 optimize keep.onnxtxt -o keep2.onnx --passes identity,cse
if grep -q "batchnorm" out; then fail "a pass ran that was not asked for"; fi
expect 0 optimize keep.onnxtxt -o keep2.onnx --level basic
if grep -q "gelu\|batchnorm" out; then fail "a pass of a higher level ran"; fi
expect 2 optimize keep.onnxtxt -o keep2.onnx --passes nothing
says err "pass-unknown" "identity"
expect 2 optimize keep.onnxtxt
says err "-o OUT"
expect 3 optimize two.onnx -o no.onnx
says err "node-inputs"
[ ! -e no.onnx ] || fail "an invalid model was written"
expect 5 optimize nothing.onnx -o no.onnx
expect 0 optimize custom.onnx -o custom2.onnx -q
expect 0 optimize relu.onnx -o relu2.onnx --for=onnxruntime -q
cmp relu.onnx relu2.onnx || fail "a model that nothing can be done about is written anew"
