# check, inspect, ops, text, doctor.
. "$(dirname "$0")/lib.sh"
expect 0 check relu.onnx custom.onnx
says out "relu.onnx: ok"
expect 0 check --full relu.onnx
expect 3 check relu.onnx two.onnx --json
says out '{"file":"relu.onnx","ok":true,"errors":[]}' '"code":"node-inputs"'
expect 3 check x.pb
expect 0 inspect relu.onnx
says out "float[n,3]" "Relu"
expect 0 inspect relu.onnx --json
says out '"operators":{"Relu":1}'
expect 0 inspect relu.onnx --after
says out "steps"
expect 0 ops Relu
says out "LeakyRelu"
expect 0 text relu.onnx
says out "Relu"
expect 0 doctor
for package in numpy onnxruntime openvino onnx emx-onnx-cgen; do says out " $package "; done
says out "C compiler"

# --full infers as onnx.checker does: what a file declares may not contradict it; numbers that nodes compute are not looked into.
declares() {
    printf '<ir_version: 10, opset_import: ["" : 21]>\ng (float[2,3] x) => (%s y)\n<int64[2] s = {3, 2}>\n{\n    %s\n    y = Relu(t)\n}\n' "$1" "$2" > declares.onnxtxt
}
declares 'float[3,2]' 't = Reshape(x, s)'
expect 0 check --full declares.onnxtxt
declares 'float[2,2]' 't = Reshape(x, s)'
expect 0 check declares.onnxtxt
expect 3 check --full declares.onnxtxt --json
says out '"class":"inference"' "dimension 0 of output 0 'y' is declared 2, but the operator gives 3"
declares 'float[3,2,1]' 't = Reshape(x, s)'
expect 3 check --full declares.onnxtxt
says err "is declared with 3 dimensions, but the operator gives 2"
declares 'float[2,2]' 'u = Identity(s)  t = Reshape(x, u)'
expect 0 check --full declares.onnxtxt

# The text form: all that is wrong, names that nothing defines first, operators too.
cat > wrong.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
g (float[n] x, bool c) => (float[n] y, float[n] w)
{
    a = Relu(nope)
    b = If (c) <then_branch = one () => (float[n] u) { u = Add(a, neither) }, else_branch = two () => (float[n] v) { v = Neg(x) }>
    d = NotThere(b)
    y = Relu<alpha = 1.0>(d)
    w = Add(x, third)
}
EOT
expect 3 check wrong.onnxtxt
says err "4:5: graph.node[0] 'Relu': input 0 'nope' is neither" "input 1 'neither' is neither" "input 1 'third' is neither" "there is no operator NotThere in version 17 of ai.onnx [op-unknown]" \
    "Relu has no attribute 'alpha' [attr-unknown]"
[ "$(grep -c 'error: ' err)" -eq 5 ] || fail "not one error for each"
expect 3 check --full wrong.onnxtxt

# A size that data decides, declared as 1: nothing is wrong with stretching it.
printf '<ir_version: 10, opset_import: ["" : 21]>\ng (float[2,4] x, int64[2] s) => (float[2,4] y)\n<float[1,1] w = {1}, float[2,1] e>\n{\n    e = Expand(w, s)\n    y = Add(x, e)\n}\n' > one.onnxtxt
expect 0 check --full one.onnxtxt

# Initializers that are declared otherwise, and inputs without the type of their elements.
printf '<ir_version: 10, opset_import: ["" : 21]>\ng (float[2] x, int64[2] w) => (float[2] y)\n<float[2] w = {1, 2}>\n{\n    y = Add(x, w)\n}\n' > twice.onnxtxt
expect 0 text twice.onnxtxt -o twice.onnx
expect 0 check twice.onnx
expect 3 check --full twice.onnx --json
says out '"code":"initializer-type","class":"inference","where":"value '"'w'"'","message":"is declared int64 as input, but float as initializer"'

# What onnx.checker does not look at is a warning, whatever it is that can't be compiled then; the rest is judged all the same.
one() { # NAME INITIALIZER NODE
    printf '<ir_version: 10, opset_import: ["" : 21]>\ng (float[2] x) => (float[2] y)\n<float[2] w = %s>\n{\n    %s\n}\n' "$2" "$3" > "$1.onnxtxt"
    expect 0 text "$1.onnxtxt" -o "$1.onnx"
}
one zero '{1, 2}' 'Q = Add(x, w)  y = Neg(Q)'
tr Q '\000' < zero.onnx > zeros.onnx
expect 0 check --full zeros.onnx
says err "warning: graph.node[0].output: the text has a zero byte in it, with which the model can't be compiled"
expect 4 infer zeros.onnx -o out.onnx
says err "error: graph.node[0].output: the text has a zero byte in it, which is valid but not supported [wire-zero]"
expect 4 compile zeros.onnx -o zeros
one zero '{1, 2}' 'Q = Add(x, w)  y = Nag(Q)'
tr Q '\000' < zero.onnx > zeros.onnx
expect 3 check zeros.onnx
says err "there is no operator Nag"
one more '{1, 2, 3}' 'y = Add(x, w)'
expect 0 check --full more.onnx
says err "warning: graph.initializer[0] 'w': float_data has 3 entries, float of its shape needs only 2 [tensor-excess]"
expect 3 compile more.onnx -o more

# Nodes without a name that stand in bodies: where, since each body counts its own.
cat > bodies.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17, "f" : 1]>
g (float[2,4] x, float[5,3] w, bool c) => (float[a,b] y)
{
    [own] t = Relu(x)
    y = If (c) <then_branch = one () => (u) { v = Neg(t)  u = Relu<alpha = 1.0>(v) }, else_branch = two () => (z) { z = f.Twice(t) }>
}
<domain: "f", opset_import: ["" : 17]>
Twice (a) => (b)
{
    c = Neg(a)
    b = Softmax<axes = 1>(c)
}
EOT
expect 3 check bodies.onnxtxt
says err "error: graph.node[1] 'If'.attribute[0] 'then_branch'.g 'one'.node[1] 'Relu': Relu has no attribute 'alpha' [attr-unknown]" \
    "error: functions[0] 'Twice'.node[1] 'Softmax': Softmax has no attribute 'axes' [attr-unknown]"
sed -i 's/<alpha = 1.0>//; s/axes = 1/axis = 1/; s/v = Neg(t)/v = MatMul(t, w)/' bodies.onnxtxt
expect 3 check --full bodies.onnxtxt
says err "error: graph.node[1] 'If'.attribute[0] 'then_branch'.g 'one'.node[0] 'MatMul': the last dimension of input 0 is 4, the matching one of input 1 is 5 [shape-mismatch]"

# One run says all, whatever stage finds it: names, the form of the file, operators, and with --full types; and nothing that only follows from what is said.
cat > stages.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,2,8,8] x, float[3,2,3,3] w, float[2,4] a, float[5,3] b, bool t) => (float[1,3,6,6] z, float q)
{
    [cv] y = Conv<foo = 3>(x, w)
    [rl] z = Relu(nope)
    [sm] z2 = Softmax<axis = 1.5>(y)
    [mm] m = MatMul(a, b)
    [br] i = If (t) <then_branch = one () => (u) { u = Nag(a) }, else_branch = two () => (v) { v = Neg(a) }>
    [tr] q = Transpose(i, a)
    [so] s = Softmax(m)
}
EOT
expect 3 check --full stages.onnxtxt
says err "input 0 'nope' is neither" "(Conv): Conv has no attribute 'foo' [attr-unknown]" "attribute 'axis' is FLOAT, expected INT [attr-type]" "there is no operator Nag" "(Transpose): has 2 inputs, expected 1" \
    "error: node 'mm' (MatMul): the last dimension of input 0 is 4, the matching one of input 1 is 5 [shape-mismatch]"
[ "$(grep -c -e 'error: ' -e 'warning: ' err)" -eq 6 ] || fail "not one error for each"
cat > form.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,2,8,8] x, float[3,2,3,3] w, float[2,4] a, float[5,3] b) => (float[1,3,6,6] y, float[] q)
{
    [cv] y = Conv(x, w)
    [sm] twice = Softmax<axis = 1>(y)
    [ne] first = Neg(a)
    [re] r = Relu(first)
    [mm] m = MatMul(a, b)
    [so] q = Tanh(m)
}
EOT
expect 0 text form.onnxtxt -o form.onnx
LC_ALL=C sed 's/twice/first/; s/axis/axes/; s/Relu/Rulu/' form.onnx > faults.onnx # the bytes of names only: their number stays
expect 3 check --full faults.onnx
says err "graph.output[1] 'q': field 'shape' is required but missing or empty [field-missing]" "graph.node[2] 'ne': output 0 'first' is a name that is defined already [value-twice]" \
    "node 'sm' (Softmax): Softmax has no attribute 'axes' [attr-unknown]" "there is no operator Rulu" "error: node 'mm' (MatMul): the last dimension of input 0 is 4"
[ "$(grep -c -e 'error: ' -e 'warning: ' err)" -eq 5 ] || fail "not one error for each fault of the form and of what it means"

# Text that is not UTF-8: an error of parsing, though onnx.checker passes it.
one utf8 '{1, 2}' 'Q = Add(x, w)  y = Neg(Q)'
LC_ALL=C tr Q '\377' < utf8.onnx > latin.onnx
expect 3 check latin.onnx --json
says out '"class":"parse"' "text is not valid UTF-8"

# What a code means.
expect 0 check --explain shape-mismatch op-unknown
says out "shape-mismatch: Sizes that must be equal are different" "op-unknown: " "convert --opset N" "--custom to be compiled"
expect 0 check --explain sequence-length
says out "--length INPUT=any for a number that each run decides"
expect 0 check --explain all
says out "# What the codes of messages mean" '| `attr-missing` |'
expect 2 check --explain attr-mising
says err "no message has the code 'attr-mising'"
expect 2 compile --explain relu.onnx -o a
says err "'compile' has no option --explain" "hint: it is an option of \`onnxcc check\`"
