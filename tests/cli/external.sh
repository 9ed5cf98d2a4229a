# weights: out of the model into files beside it, and back.
. "$(dirname "$0")/lib.sh"
awk 'BEGIN {
    print "<ir_version: 10, opset_import: [\"\" : 21]>\nnet (float[n,32] x, bool c) => (float[n,32] y, float[n,32] z)\n<float[32,32] w = {"
    for (i = 0; i < 1024; i++) printf "%s%d", i ? ", " : "", i % 7 - 3
    print "}, float[32] b = {"
    for (i = 0; i < 32; i++) printf "%s%d", i ? ", " : "", i
    print "}, int4[600] q = {"
    for (i = 0; i < 600; i++) printf "%s%d", i ? ", " : "", i % 16 - 8
    print "}>\n{\n    a = MatMul(x, w)  y = Add(a, b)\n    i = Cast<to = 1>(q)\n    k = If(c) <then_branch = one () => (float[32,32] v) <float[32,32] v = {"
    for (i = 0; i < 1024; i++) printf "%s%d", i ? ", " : "", i % 5
    print "}> {}, else_branch = two () => (float[32,32] u) { u = Neg(w) }>\n    z = MatMul(y, k)\n}"
}' > net.onnxtxt
expect 0 text net.onnxtxt -o net.onnx
expect 0 check --full net.onnx
cp net.onnx kept.onnx
expect 0 text net.onnx
cp out net.text

mkdir beside
expect 0 weights net.onnx -o beside/net.onnx
expect 0 check --full beside/net.onnx
[ "$(wc -c < beside/net.onnx.data)" -eq 8192 ] || fail "the file has not the weights of graph and subgraph"
[ "$(wc -c < beside/net.onnx)" -lt 2048 ] || fail "weights are left in the model"
expect 0 weights beside/net.onnx -o back.onnx --inside
expect 0 text back.onnx
cmp out net.text || fail "the weights are others"

# Each where it is told to be; small ones too. Of what is there nothing is overwritten, but itself.
mkdir all
expect 0 weights beside/net.onnx -o all/net.onnx --data-file w.bin --least-size 0
[ "$(wc -c < all/w.bin)" -eq 8640 ] || fail "small tensors are left in the model"
expect 0 weights beside/net.onnx -o all/net.onnx --data-file w.bin --least-size 0
expect 5 weights net.onnx -o all/net.onnx --data-file w.bin
says err "'all/w.bin' is there already, with other content [write-external]"
expect 0 weights all/net.onnx -o back.onnx --inside
expect 0 text back.onnx
cmp out net.text || fail "the weights are others"
cmp net.onnx kept.onnx || fail "the model was changed"

# Wrong use, and weights that are not there.
for name in ../w.bin a/w.bin '..' ''; do expect 2 weights net.onnx -o x.onnx --data-file "$name"; done
expect 2 weights net.onnx -o x.onnx --data-file x.onnx
expect 2 weights net.onnx -o x.onnx --inside --part-size 1
expect 2 weights net.onnx
rm beside/net.onnx.data
expect 5 weights beside/net.onnx -o x.onnx --inside
[ ! -e x.onnx ] || fail "a model without its weights was written"
