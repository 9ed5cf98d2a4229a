# infer: types of all values in the file; what is declared stays; options as of onnx.shape_inference.
. "$(dirname "$0")/lib.sh"
cat > net.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 21]>
net (float[n,3] x, int64[2] s, bool c) => (float[a,b] y)
<float[3,5] w>
{
    t = MatMul(x, w)
    u = Reshape(t, s)
    v = If(c) <then_branch = f () => (p) { q = Neg(t)  p = Abs(q) }, else_branch = g () => (r) { r = Relu(t) }>
    l = SequenceConstruct(t, v)
    e = SequenceAt(l, z)
    y = Add(u, e)
}
EOT
sed -i 's/<float\[3,5\] w>/<float[3,5] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}, int64 z = {0}>/' net.onnxtxt
expect 0 infer net.onnxtxt -o out.onnxtxt
grep -q 'float\[a,5\] y' out.onnxtxt || fail "a name did not stay, or a number is not known"
grep -q 'MatMul (x, w)  # float\[n,5\]' out.onnxtxt || fail "t has no type"
grep -q 'Reshape (t, s)  # float\[unk__0,unk__1\]' out.onnxtxt || fail "u has no number of dimensions"
grep -q 'Neg (t)  # float\[n,5\]' out.onnxtxt || fail "values of a branch have no types"
grep -q 'SequenceConstruct (t, v)  # seq(float\[n,5\])' out.onnxtxt || fail "a sequence has no type"
expect 0 infer net.onnxtxt -o fixed.onnxtxt --dim n=4
grep -q 'float\[4,3\] x' fixed.onnxtxt || fail "--dim is not in the file"
grep -q 'MatMul (x, w)  # float\[4,5\]' fixed.onnxtxt || fail "nor in what follows"

# Numbers that nodes compute: with --data-prop, symbols included.
cat > shape.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 21]>
g (float[n,3] x) => (float[k] y)
<int64[1] m = {-1}, int64 zero = {0}, int64[1] two = {2}, int64[1] one = {1}>
{
    s = Shape(x)
    d = Gather(s, zero)
    d1 = Unsqueeze(d, axes)
    d2 = Mul(d1, two)
    r = Expand(one, d2)
    y = Cast<to = 1>(r)
}
EOT
sed -i 's/int64\[1\] one = {1}>/int64[1] one = {1}, int64[1] axes = {0}>/' shape.onnxtxt
expect 0 infer shape.onnxtxt -o plain.onnxtxt
grep -q 'Expand (one, d2)  # int64\[unk__0\]' plain.onnxtxt || fail "without --data-prop"
expect 0 infer shape.onnxtxt -o data.onnxtxt --data-prop
grep -q 'Expand (one, d2)  # int64\["2\*n"\]' data.onnxtxt || fail "with --data-prop"

# Strictness.
cat > bad.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 21]>
g (float[2,3] x, float[4,5] y) => (float[2,5] z)
{
    z = MatMul(x, y)
}
EOT
expect 0 infer bad.onnxtxt -o bad.onnx
expect 3 infer bad.onnxtxt -o strict.onnx --strict
says err "MatMul"
[ ! -e strict.onnx ] || fail "a refused model was written"
expect 2 infer net.onnxtxt

# Operators that nobody knows: what is behind them has no type, in both forms of a file.
printf '<ir_version: 8, opset_import: ["" : 17, "foo" : 1]>\ng (float[n] x) => (float[n] y)\n{\n    c = NotThere(x)\n    d = foo.Bar(c)\n    e = Relu(x)\n    y = Add(d, e)\n}\n' > unknown.onnxtxt
expect 0 text unknown.onnxtxt -o unknown.onnx
for file in unknown.onnxtxt unknown.onnx; do
    expect 0 infer $file -o found.onnxtxt
    says err "warning: node #0 (NotThere): there is no operator NotThere in version 17 of ai.onnx [op-unknown]"
    says found.onnxtxt "e = Relu (x)  # float[n]"
done

# A size that may be 1 may be stretched by what only the run knows.
cat > stretch.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
g (float[n,m] x, int64[2] s) => (float[a,b] y)
{
    t = Expand(x, s)
    y = Relu(t)
}
EOT
expect 0 infer stretch.onnxtxt -o stretched.onnxtxt
grep -q 'Expand (x, s)  # float\[unk__0,unk__1\]' stretched.onnxtxt || fail "what Expand gives has not the sizes of its input"

# What nobody can infer is said by a hint.
cat > asked.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
g (float[n,12] x, int64[k] s) => (float y)
{
    t = Reshape(x, s)
    u = Relu(t)
    y = ReduceSum<keepdims = 0>(u)
}
EOT
expect 0 infer asked.onnxtxt -o hinted.onnxtxt
says err "node #0 (Reshape): 't' has a type or sizes that stay unknown, as 1 more of 3 values have: the number of dimensions to reshape to is not known [infer-unknown]" "hint: --data-prop"
[ "$(grep -c ' warning: ' err)" -eq 1 ] || fail "not one warning"
expect 0 infer asked.onnxtxt -o hinted.onnxtxt --data-prop
says err "hint: --infer-hint t=.."
expect 0 infer asked.onnxtxt -o hinted.onnxtxt --json
says out '{"where":"node #0 (Reshape)","code":"rank-unknown"'
says out '"code":"infer-unknown","message":"'"'t' has a type or sizes that stay unknown, as 1 more of 3 values have: the number of dimensions"
expect 0 infer asked.onnxtxt -o hinted.onnxtxt --strict
says err "stay unknown, as 1 more of 3 values have"
printf '<ir_version: 8, opset_import: ["" : 17]>\ng (float[?,30] x) => (float[a,b] y)\n{\n    t = Relu(x)\n    y = Neg(t)\n}\n' > nameless.onnxtxt
expect 0 infer nameless.onnxtxt -o out.onnxtxt
says err "hint: dimension 0 of input 'x' has no name: --dim x:0=N or --shape x=Nx? fixes it"
expect 0 infer nameless.onnxtxt -o out.onnxtxt --dim x:0=5
[ ! -s err ] || fail "the option that the hint names did not help"
expect 0 infer nameless.onnxtxt -o out.onnxtxt --shape 'x=5x?'
[ ! -s err ] || fail "nor did the other"
sed 's/z = MatMul(x, y)/t = MatMul(x, y)  z = Relu(t)/' bad.onnxtxt > contradiction.onnxtxt
expect 0 infer contradiction.onnxtxt -o out.onnxtxt
grep -q hint: err && fail "no option helps against a contradiction"
says err "stay unknown: the last dimension of input 0 is 3, the matching one of input 1 is 4"
printf '<ir_version: 8, opset_import: ["" : 17]>\ng (float[2,4] x, float[5,3] w, bool c) => (float[2,3] y)\n{\n    y = If (c) <then_branch = one () => (float[2,3] p) { t = MatMul(x, w) p = Neg(t) }, else_branch = two () => (float[2,3] q) { q = Slice(x) }>\n}\n' |
    sed 's/q = Slice(x)/q = Neg(z)/; s/, bool c/, bool c, float[2,3] z/' > branch.onnxtxt
expect 0 infer branch.onnxtxt -o out.onnxtxt
says err "graph.node[0] 'If'.attribute[0] 'then_branch'.g 'one'.node[0] 'MatMul': 't' has a type or sizes that stay unknown"
expect 0 infer relu.onnx -o known.onnx
[ ! -s err ] || fail "something is said of a model whose types are known"
expect 0 infer asked.onnxtxt -o hinted.onnxtxt --infer-hint 't=?x6'
grep -q 'Relu (t)  # float\[unk__0,6\]' hinted.onnxtxt || fail "the hint goes no further"
expect 0 infer asked.onnxtxt -o hinted.onnxtxt --infer-hint u=2x6
grep -q 'Reshape (x, s)  # float\[\]' hinted.onnxtxt || fail "a hint for a later value"
grep -q 'Relu (t)  # float\[2,6\]' hinted.onnxtxt || fail "a hint where an operator knows no rank"
expect 2 infer asked.onnxtxt -o no.onnxtxt --infer-hint y=3
says err "--infer-hint y: the model declares float"
expect 2 infer asked.onnxtxt -o no.onnxtxt --infer-hint x=3x12
says err "no node of the main graph computes a value of that name"
expect 2 infer shape.onnxtxt -o no.onnxtxt --infer-hint d=4
says err "--infer-hint d: the operators give int64"
[ ! -e no.onnxtxt ] || fail "a refused hint, and a file"
expect 0 infer asked.onnxtxt -o said.onnxtxt --strict
says err "--infer-hint u="
printf '<ir_version: 8, opset_import: ["" : 17]>\ng (float[n,12] x, int64[k] s) => (float y)\n{\n    t = Reshape(x, s)\n    u = Transpose(t)\n    v = Softmax(u)\n    y = Shape(v)\n}\n' |
    sed 's/float y/int64[r] y/' > behind.onnxtxt
expect 0 check --full behind.onnxtxt
says err "node #1 (Transpose): an input has an unknown number of dimensions, because of what computes it (and 2 more like it) [rank-unknown]" "hint: give the shape of 't' with --infer-hint t=..."
