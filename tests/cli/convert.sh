# convert: to newer and older versions of ai.onnx, functions and subgraphs too; what an older version can't say is refused, node by node.
. "$(dirname "$0")/lib.sh"
cat > net.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 12, "own" : 1], doc_string: "about", metadata_props: ["k": "v"]>
net (float[n,3,1] x, bool c) => (float[a] y)
<float[2] w = {1, 2}>
{
    [first] s = own.Drop <ax=[2]> (x)
    t = ReduceSum <axes=[1], keepdims=0> (s)
    u = Softmax <axis=1> (x)
    v = If(c) <then_branch = f () => (p) { p = Squeeze<axes=[2]>(u) }, else_branch = g () => (r) { r = Squeeze<axes=[2]>(x) }>
    v1 = ReduceSum <axes=[1], keepdims=0> (v)
    y = Add(t, v1)
}
<domain: "own", opset_import: ["" : 12], doc_string: "fdoc">
Drop <ax> (x) => (y)
{
    a = Squeeze<axes: ints = @ax>(x)
    b = Unsqueeze<axes=[0]>(a)
    y = Squeeze<axes=[0]>(b)
}
EOT
expect 0 convert net.onnxtxt -o up.onnx --opset 21 --json
says out '"where":"node #2 (Softmax)","op":"Softmax","version":11,"new_op":"Softmax","new_version":13,"added":0,"rewritten":true'
expect 0 check --full up.onnx
expect 0 text up.onnx
says out 'opset_import: ["" : 21, "own" : 1]' 'doc_string: "about"' '["k": "v"]' 'doc_string: "fdoc"' '[first] s = own.Drop' 'ReduceSum <keepdims: int = 0> (s, "t.axes.0")' \
    'value_ints: ints = @ax' 'p = Squeeze (u, "p.axes.0")' 'Softmax <axis: int = -2>' 'float[2] w = {1, 2}'

# And back: inputs become attributes again, and their constants go.
expect 0 convert up.onnx -o back.onnx --opset 11 -v
says out 'node #1 (ReduceSum): ReduceSum-13 -> ReduceSum-11' 'node #3 (If): If-21 -> If-11, unchanged'
expect 0 check --full back.onnx
expect 0 text back.onnx
says out 'ReduceSum <keepdims: int = 0, axes: ints = [1]> (s)' 'a = Squeeze <axes: ints = @ax> (x)' 'p = Squeeze <axes: ints = [2]> (u)'
grep -q 'axes.0\|Constant' out && fail "a constant that became an attribute is still there"

# Where the form is older, nodes stand beside.
cat > soft.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
net (float[2,3,4] x) => (float[2,3,4] y)
{
    y = Softmax <axis=1> (x)
}
EOT
expect 0 convert soft.onnxtxt -o soft.onnx --opset 11
expect 0 text soft.onnx
says out 'Transpose <perm: ints = [0, 2, 1]> (x)' 'Softmax <axis: int = 2>'

# Operators that the older version lacks, by those that it has; names of nodes stay different.
cat > norm.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 23]>
net (float16[n,8] x, float16[8] w, float16[8] b) => (float16[n,8] y, float[n,1] mean, float16[n,8] z)
{
    [ln] y, mean, root = LayerNormalization (x, w, b)
    [rms] r = RMSNormalization (y, w)
    [gelu] z = Gelu <approximate="tanh"> (r)
}
EOT
expect 0 convert norm.onnxtxt -o norm.onnx --opset 13
expect 0 check --full norm.onnx
expect 0 text norm.onnx
says out 'ReduceMean <axes: ints = [-1]>' 'Sqrt' 'Tanh' '[ln] y = Add'
[ -z "$(sed -n 's/^   \(\[[^]]*\]\).*/\1/p' out | sort | uniq -d)" ] || fail "two nodes have one name"

# Attention, also with what only its newest version says; what an older one says stays.
attend() { # VERSION ATTRIBUTES
    printf '<ir_version: 11, opset_import: ["" : %s]>\nnet (float[b,4,q,8] x, float[b,2,k,8] y, float[b,2,k,8] v, bool[q,k] m) => (float[b,4,q,8] z)\n{\n    z = Attention <%s> (x, y, v, m)\n}\n' "$1" "$2" > attend.onnxtxt
}
attend 25 'is_causal=1'
expect 0 convert attend.onnxtxt -o attend.onnx --opset 23
expect 0 text attend.onnx
says out 'z = Attention <is_causal: int = 1>'
attend 25 'left_window_size=2, softcap=3.0'
expect 0 convert attend.onnxtxt -o attend.onnx --opset 24
expect 0 convert attend.onnxtxt -o attend13.onnx --opset 13
for file in attend.onnx attend13.onnx; do
    expect 0 check --full $file
    expect 0 text $file
    says out 'MatMul' 'Softmax' 'Tanh' 'Where'
    ! grep -q Attention out || fail "an Attention is left"
done
attend 25 'is_causal=1'
sed 's/float\[b/bfloat16[b/g' attend.onnxtxt > half.onnxtxt
expect 4 convert half.onnxtxt -o half.onnx --opset 13
says err 'is bfloat16, expected'

# Names of nodes stay different when nodes that a conversion added are converted again.
cat > again.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 9]>
net (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] m)
{
    [drop] y, m = Dropout (x)
}
EOT
expect 0 convert again.onnxtxt -o up.onnx --opset 13
expect 0 convert up.onnx -o down.onnx --opset 9
expect 0 text down.onnx
says out 'Dropout' 'Cast'
[ -z "$(sed -n 's/^   \(\[[^]]*\]\).*/\1/p' out | sort | uniq -d)" ] || fail "two nodes have one name"

# All that stands in the way, in one run; nothing is written.
cat > new.onnxtxt <<'EOT'
<ir_version: 10, opset_import: ["" : 21]>
net (float[n] x, int64[1] k, uint4[n] q) => (float[m] y, int64[1] z, float[n] t)
{
    y = ReduceMax <keepdims=0> (x, k)
    z = BitwiseNot (k)
    t = Cast <to=1> (q)
}
EOT
expect 4 convert new.onnxtxt -o new.onnx --opset 13
says err "the list of axes, 'k', is computed" "BitwiseNot came with opset 18" "is uint4, expected"
[ ! -e new.onnx ] || fail "a refused model was written"
expect 2 convert new.onnxtxt -o new.onnx --opset 99
expect 2 convert new.onnxtxt -o new.onnx
