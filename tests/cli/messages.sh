# What is said of models that can't be compiled: what it is, where, what would help.
. "$(dirname "$0")/lib.sh"

# Unsupported operators: all of them, each with its nodes, most first, and what may take their place.
cat > foreign.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 21, "com.acme" : 1, "org.x" : 3, "com.microsoft" : 1]>
net (float[n,8] x, bool c) => (float[n,8] y)
{
    t = com.acme.Twist (x)
    [first] a = com.acme.Frob <k=1> (t)
    b = com.acme.Frob <k=2> (a)
    r = org.x.Relu (b)
    s = com.microsoft.BeamSearch (r)
    y = If (c) <then_branch = one () => (float[n,8] u) { u = com.acme.Frob (s) }, else_branch = two () => (float[n,8] v) { v = Neg (s) }>
}
EOT
expect 4 compile foreign.onnxtxt -o foreign
says err "error: node 'first' (Frob): operator com.acme.Frob is not supported, in 3 nodes [op-unsupported]" "(Twist): operator com.acme.Twist is not supported [op-unsupported]" \
    "hint: a function of yours can compute it: --custom FILE.yaml (docs/custom-operators.md)" "hint: ai.onnx has an operator of that name" "(BeamSearch): searches with a model of its own"
[ "$(grep -c 'error: ' err)" -eq 4 ] || fail "not one error for each operator"
grep 'error: ' err | grep -n 'Frob' | grep -q '^[12]:' || fail "the most frequent operator is not first"
expect 0 check --full foreign.onnxtxt
says err "warning: node 'first' (Frob): operator com.acme.Frob is not supported, in 3 nodes"

# One that is too new for the model's version says which version has it, and how to get there.
printf '<ir_version: 10, opset_import: ["" : 21]>\nnet (float[n] x) => (float[n] y)\n{\n    y = Swish (x)\n}\n' > new.onnxtxt
expect 3 compile new.onnxtxt -o new
says err "there is no operator Swish in version 21 of ai.onnx" "hint: Swish is new in version 24 of ai.onnx; the model imports version 21 (onnxcc convert --opset 24)"

# Shapes that can't be inferred: which value decides, and the option that gives it.
says_of() { # INPUTS NODES TEXT...
    printf '<ir_version: 10, opset_import: ["" : 21]>\nnet (%s) => (float[a] y)\n{\n    %s\n}\n' "$1" "$2" > shape.onnxtxt
    shift 2
    expect 4 compile shape.onnxtxt -o shape
    says err "$@"
    [ "$(grep -c 'error: ' err)" -eq 1 ] || fail "what follows from a problem is reported too"
}
says_of 'float[n,12] x, int64[k] s' 't = Reshape(x, s) u = Relu(t) y = ReduceSum<keepdims=0>(u, s)' "node #0 (Reshape): the number of dimensions to reshape to is not known [rank-unknown]" "--value s=.."
says_of 'float[] x' 'y = Relu(x)' "value 'x': the number of dimensions is not known [rank-unknown]" "--shape x="
says_of 'float[n,12] x' 'i = NonZero(x) j = ReduceMax<keepdims=0>(i) y = Unsqueeze(x, j)' "the axes are computed from data [axes-data]" \
    "hint: 'j' decides it, which node #1 (ReduceMax) computes from data"

# What contradicts itself in a branch does so whatever the condition is, and check has no --value to give one by.
branch() { # NODES
    printf '<ir_version: 10, opset_import: ["" : 21]>\nnet (float[2,4] x, float[5,3] w, bool c, int64[2] s) => (float[a,b] y)\n{\n    y = If (c) <then_branch = one () => (p) { %s }, else_branch = two () => (q) { q = Neg(x) }>\n}\n' "$1" > branch.onnxtxt
}
for nodes in 'p = MatMul(x, w)' 'p = Softmax<axis = 3>(x)' 'p = Cast<to = 6>(x)'; do
    branch "$nodes"
    expect 3 compile branch.onnxtxt -o branch
    grep -q 'value c' err && fail "data that decide nothing are asked for: $nodes"
    expect 3 check --full branch.onnxtxt
    grep -q 'value' err && fail "check has no --value: $nodes"
done
branch 'r = Shape(x) z = Sub(r, s) p = Unsqueeze(x, z)'
expect 4 compile branch.onnxtxt -o branch
says err "[axes-data]" "--value s=.."
expect 0 check --full branch.onnxtxt
grep -q -e '--value' err && fail "check has no --value"

# A declaration that an operator contradicts is a warning, of the number of dimensions and of each; a wrong batch is one warning.
printf '<ir_version: 10, opset_import: ["" : 21]>\nnet (float[2,3] x) => (float[5,3] z, float[6] f)\n<float[5,3] y>\n{\n    y = Relu(x)\n    z = Neg(y)\n    f = Flatten(y)\n}\n' > declared.onnxtxt
expect 0 compile declared.onnxtxt -o declared
says err "warning: node #0 (Relu): dimension 0 of output 0 is declared 5, but the operator gives 2: that is taken (and 1 more like it) [shape-mismatch]" \
    "warning: node #2 (Flatten): output 0 'f' is declared with 1 dimensions, but the operator gives 2: that is taken"
[ "$(grep -c ' warning: ' err)" -eq 2 ] || fail "not one warning for each"
expect 0 compile relu.onnx -o silent
[ ! -s err ] || fail "a warning of a model without a fault"

# More memory than there is: the step in which most is alive, what is, the sizes that would fit, what 8 bits would give.
cat > large.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 21]>
net (float[n,64,64] x) => (float[n,64,64] y)
{
    [first] a = MatMul(x, x)
    [soft] b = Softmax(a)
    [last] y = MatMul(b, a)
}
EOT
expect 6 compile large.onnxtxt -o large --dim n=1..32 --ram 100k
says err "--ram allows 100.0 KiB; most is alive here, in step" "'a' (512.0 KiB), 'b' (512.0 KiB)" "[ram-limit]" "hint: it would fit with --dim n=..2; in 8 bits (onnxcc quantize) it would be about"
[ ! -e large ] || fail "a refused model was written"
expect 0 compile large.onnxtxt -o large --dim n=1..2 --ram 100k
expect 6 compile large.onnxtxt -o large --dim n=8 --ram 100k
says err "hint: smaller inputs (--dim, --shape) take less"
expect 6 compile large.onnxtxt -o large --ram 1g
says err "'n' has no bound" "--dim n=..8"
for size in 0 -1 3q k ''; do expect 2 compile large.onnxtxt -o large --ram "$size"; done

# A model that is none: code, place, what is wrong, what is expected.
printf '<ir_version: 10, opset_import: ["" : 21]>\nnet (float[1,3,8,8] x, float[4,3,3] w) => (float[a,b,c,d] y)\n{\n    [c1] y = Conv (x, w)\n    [c2] z = Conv <kernel_shap = [3, 3]> (x)\n}\n' > invalid.onnxtxt
expect 3 compile invalid.onnxtxt -o invalid
says err "error: node 'c2' (Conv): has 1 input, expected 2 to 3 [node-inputs]" "hint: inputs of Conv are X, W, B (optional)" "Conv has no attribute 'kernel_shap' [attr-unknown]" "hint: did you mean 'kernel_shape'?"
sed -i '/c2/d' invalid.onnxtxt
expect 3 compile invalid.onnxtxt -o invalid
says err "error: node 'c1' (Conv)" "[shape-rank]"
