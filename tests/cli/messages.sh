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
