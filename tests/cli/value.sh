# --value INPUT=...: an input whose value is known when the model is compiled; the run refuses others.
. "$(dirname "$0")/lib.sh"
cat > sum.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
sum (float[n,3] x, int64[k] axes) => (y)
{
    y = ReduceSum<keepdims = 0>(x, axes)
}
EOF
# tensor FILE TYPE VALUES: an .npy file, made by a model of one constant.
tensor() {
    printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (%s y)\n<%s c = {%s}>\n{\n    y = Identity(c)\n}\n' "$2" "$2" "$3" > tensor.onnxtxt
    expect 0 run tensor.onnxtxt -o "$1"
}
tensor x.npy 'float[2,3]' '0, 1, 2, 3, 4, 5'
tensor one.npy 'int64[1]' 1
tensor zero.npy 'int64[1]' 0
tensor wanted.npy 'float[2]' '3, 12'
# Without it the axes are not known.
expect 4 compile sum.onnxtxt -o out
says err axes-unknown "given when compiling: --value axes=.."
expect 4 compile sum.onnxtxt -o out --json
says out '"ok":false' '"code":"axes-unknown"' '"needs":[{"option":"value","name":"axes"}]'
# The input is named, too, where the operator reads what was computed from it; not the ones whose shapes decide.
cat > behind.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
behind (float[n,3] x, int64[k] a, int64 b, float[n,3] other) => (y)
{
    size = Shape(other)
    zero = Constant<value_int = 0>()
    rank = Gather(size, zero)
    some = Mul(a, b)
    axes = Mod(some, rank)
    y = ReduceSum<keepdims = 0>(x, axes)
}
EOF
expect 4 compile behind.onnxtxt -o out --json
says out '"needs":[{"option":"value","name":"a"},{"option":"value","name":"b"}]'
expect 0 compile sum.onnxtxt -o one --value axes=1
says one/sum.h "float *y; /* 'y' float[n]"
says one/sum.c "return ONNXCC_E_VALUE;"
expect 0 compile sum.onnxtxt -o both --value axes=0,1
says both/sum.h "'y' float */"
expect 2 compile sum.onnxtxt -o bad --value axes=1.5
expect 2 compile sum.onnxtxt -o bad --value axes
expect 2 compile sum.onnxtxt -o bad --value nothing=1
says err "no input of that name"
expect 2 compile sum.onnxtxt -o bad --value x=1,2,3
expect 5 compile sum.onnxtxt -o bad --value axes=nothing.npy
[ ! -e bad ] || fail "a refused compilation left files"

expect 0 compile sum.onnxtxt -o file --value axes=one.npy
cmp one/sum.c file/sum.c || fail "a file and numbers give different code"
expect 0 run sum.onnxtxt --value axes=1 x=x.npy axes=one.npy -o y.npy
cmp y.npy wanted.npy || fail "the sums are wrong"
expect 1 run sum.onnxtxt --value axes=1 x=x.npy axes=zero.npy -o y.npy
says err "does not have the value that the model was compiled for"
# A trip count that is known bounds the number of a turn, and so the sizes that follow from it.
cat > turns.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
turns (int64 count, bool go, float[1] y) => (float[1] z)
{
    z = Loop(count, go, y) <body = b (int64 i, bool c, float[1] a) => (bool d, float[1] e) {
        d = Identity(c)
        five = Constant<value = float[5] {1, 2, 3, 4, 5}>()
        one = Constant<value_int = 1>()
        zero = Constant<value_ints = [0]>()
        next = Add(i, one)
        from = Unsqueeze(i, zero)
        to = Unsqueeze(next, zero)
        part = Slice(five, from, to)
        e = Add(a, part)
    }>
}
END
expect 4 compile turns.onnxtxt -o out
says err loop-shape "--value count=.."
expect 0 compile turns.onnxtxt -o turns --value count=5
expect 4 compile turns.onnxtxt -o out --value count=6
# Truth values: numbers or words.
cat > truth.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
truth (bool go, bool[k] which, float[2] x) => (float[2] y, float[m,2] z)
{
    y = If(go) <then_branch = a () => (float[2] p) { p = Neg(x) }, else_branch = b () => (float[2] q) { q = Identity(x) }>
    both = Concat<axis = 0>(x, x)
    two = Constant<value_ints = [2, 2]>()
    rows = Reshape(both, two)
    z = Compress<axis = 0>(rows, which)
}
END
tensor pair.npy 'float[2]' '1, 2'
tensor go.npy bool 1
tensor stay.npy bool 0
tensor second.npy 'bool[2]' '0, 1'
for word in 1 true; do
    expect 0 run truth.onnxtxt --value go=$word --value which=0,$word x=pair.npy go=go.npy which=second.npy
    says out "y: float[2] = -1 -2" "z: float[1,2] = 1 2"
    expect 1 run truth.onnxtxt --value go=$word --value which=false,$word x=pair.npy go=stay.npy which=second.npy
    says err "does not have the value that the model was compiled for"
done
for word in 0 false; do
    expect 0 run truth.onnxtxt --value go=$word --value which=$word,true x=pair.npy go=stay.npy which=second.npy
    says out "y: float[2] = 1 2"
done
for word in 2 -1 0.5 true,false; do
    expect 2 compile truth.onnxtxt -o bad --value go=$word
    says err "are no value of that input"
done
expect 5 compile truth.onnxtxt -o bad --value go=yes
expect 2 compile sum.onnxtxt -o bad --value axes=true
says err "are no value of that input"
