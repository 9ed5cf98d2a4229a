# merge, extract, inline, prefix; text both ways.
. "$(dirname "$0")/lib.sh"
cat > one.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17, "own" : 1], metadata_props: ["k": "v"]>
one (float[n,3] x) => (float[n,3] y, float[n,3] side)
<float[3] w = {1, 2, 3}>
{
    [a] t = own.Twice(x)
    [b] y = Add(t, w)
    [c] side = Neg(x)
}
<domain: "own", opset_import: ["" : 17]>
Twice (p) => (q)
{
    h = Add(p, p)
    q = Identity(h)
}
EOT
cat > two.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
two (float[n,3] in, bool c) => (float[n,3] z)
{
    z = If(c) <then_branch = f () => (r) { r = Relu(in) }, else_branch = g () => (s) { s = Abs(in) }>
}
EOT
expect 0 merge one.onnxtxt two.onnxtxt -o both.onnx --connect y=in --prefix2 m2/
expect 0 check both.onnx
expect 0 text both.onnx
says out 'one_two (float[n,3] x, bool "m2/c") => (float[n,3] side, float[n,3] "m2/z")' '"m2/r" = Relu (y)' 'metadata_props: ["k": "v"]' 'own.Twice (x)' 'float[3] w = {1, 2, 3}'
expect 0 merge one.onnxtxt two.onnxtxt -o cut.onnxtxt --connect y=in --to z
grep -q 'side' cut.onnxtxt && fail "an output that is not wanted is still computed"
expect 3 merge one.onnxtxt one.onnxtxt -o twice.onnx --connect y=x
says err "both models have"
expect 3 merge one.onnxtxt two.onnxtxt -o twice.onnx --connect t=in
says err "'t' is no output of the first model"
expect 3 merge one.onnxtxt two.onnxtxt -o twice.onnx --connect y=in --to z --to nothing --from nowhere
says err "'nothing' is no output of either model" "'nowhere' is no input of either model"
expect 0 merge one.onnxtxt two.onnxtxt -o named.onnx --connect y=in --prefix2 m2/ --to m2/z --from x --from m2/c
for type in 'float[n,4] 3 and 4 in dimension 1' 'float[n] 2 and 1 dimensions' 'int64[n,3] float and int64' 'seq(float[n,3]) kinds of types'; do
    sed "s/float\[n,3\] in/${type%% *} in/" two.onnxtxt > other.onnxtxt
    expect 3 merge one.onnxtxt other.onnxtxt -o twice.onnx --connect y=in
    says err "output 'y' can't be connected with input 'in', they differ: ${type#* }"
done
sed 's/float\[n,3\] in/float[2,m] in/' two.onnxtxt > other.onnxtxt
expect 0 merge one.onnxtxt other.onnxtxt -o fits.onnx --connect y=in
[ ! -e twice.onnx ] || fail "a refused merge was written"
expect 2 merge one.onnxtxt two.onnxtxt -o twice.onnx --connect y

# A part: types are inferred, what subgraphs read from outside counts, functions that nobody calls go.
expect 0 extract both.onnx -o part.onnx --from y --from m2/c --to m2/z
expect 0 check --full part.onnx
expect 0 text part.onnx
says out '(float[n,3] y, bool "m2/c") => (float[n,3] "m2/z")'
grep -q 'own.Twice\|Twice (p)\| w = ' out && fail "more than the part is there"
expect 2 extract both.onnx -o part.onnx --from m2/c --to m2/z --to nothing
says err "'nothing' is no value"
expect 2 extract both.onnx -o part2.onnx --from m2/c --to m2/z
says err "the outputs need 'x'"

expect 0 inline one.onnxtxt -o flat.onnxtxt
says flat.onnxtxt 'h__1 = Add (x, x)' 't = Identity (h__1)'
grep -q 'Twice' flat.onnxtxt && fail "a function that was inlined is still there"
expect 0 inline one.onnxtxt -o kept.onnxtxt --except own:Twice
says kept.onnxtxt 'own.Twice (x)'
for id in twice other:Twice own.Twice Relu; do
    for option in --function --except; do
        expect 2 inline one.onnxtxt -o never.onnx $option own:Twice $option $id
        says err "$option $id: the model has no function of that name"
    done
done
expect 2 inline one.onnxtxt -o never.onnx --standard --function Add
says err "defines no such operator by a body"
expect 0 inline one.onnxtxt -o never.onnxtxt --standard --function HardSwish --function Twice
rm never.onnxtxt
[ ! -e never.onnx ] || fail "a refused model was written"
cat > loop.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
g (float[2] x) => (float[2] y) { y = own.F(x) }
<domain: "own", opset_import: ["" : 17, "own" : 1]>
F (p) => (q) { q = own.F(p) }
EOT
expect 3 inline loop.onnxtxt -o never.onnx
says err "function-recursion"
# A body at another version goes to the model's first.
cat > old.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
g (float[2,3] x) => (float[2,1] y) { y = own.Total<axes=[1]>(x) }
<domain: "own", opset_import: ["" : 11]>
Total <axes> (p) => (q) { q = ReduceSum<axes: ints = @axes>(p) }
EOT
expect 0 inline old.onnxtxt -o new.onnx
expect 0 check --full new.onnx
expect 0 text new.onnx
says out 'Constant <value_ints: ints = [1]>' 'y = ReduceSum (x,'

expect 0 prefix both.onnx -o named.onnx --prefix p.
expect 0 check named.onnx
expect 0 text named.onnx
says out '"p.x"' '["p.a"] "p.t" = own."p.Twice" ("p.x")' '"p.m2/r" = Relu ("p.y")'
expect 0 prefix one.onnxtxt -o few.onnxtxt --prefix p_ --rename inputs --rename nodes
says few.onnxtxt 'float[n,3] p_x' '[p_a] t = own.Twice (p_x)' '=> (float[n,3] y'
expect 2 prefix one.onnxtxt -o few.onnxtxt

expect 0 text one.onnxtxt -o one.onnx
expect 0 text one.onnx
says out '[b] y = Add (t, w)'

# Weights in files: those of both models go to the result's folder.
if ${ONNXCC_TEST_PYTHON:-python3} -c 'import onnx, numpy' 2> /dev/null; then
    mkdir -p a b both
    ${ONNXCC_TEST_PYTHON:-python3} - <<'EOT'
import numpy, onnx
from onnx import helper
for d, i, o in (("a", "x", "y"), ("b", "p", "q")):
    w = onnx.numpy_helper.from_array(numpy.arange(2000, dtype=numpy.float32), "w" + d)
    types = [helper.make_tensor_value_info(n, 1, [2000]) for n in (i, o)]
    g = helper.make_graph([helper.make_node("Add", [i, "w" + d], [o])], d, types[:1], types[1:], [w])
    onnx.save(helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), d + "/m.onnx", save_as_external_data=True, location=d + ".bin", size_threshold=10)
EOT
    expect 0 merge a/m.onnx b/m.onnx -o both/m.onnx --connect y=p
    expect 0 check --full both/m.onnx
    cmp -s a/a.bin both/a.bin && cmp -s b/b.bin both/b.bin || fail "weights did not come along"
    expect 0 extract both/m.onnx -o part.onnx --from y --to q
    [ -e b.bin ] && [ ! -e a.bin ] || fail "weights of the part only"
fi
