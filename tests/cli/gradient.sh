# Gradient: what is refused, and where its names lead. That derivatives are right is in tests/models/gradient.py.
. "$(dirname "$0")/lib.sh"
tensor() {
    printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (%s y)\n<%s c = {%s}>\n{\n    y = Identity(c)\n}\n' "$2" "$2" "$3" > tensor.onnxtxt
    expect 0 run tensor.onnxtxt -o "$1"
}
G=ai.onnx.preview.training.Gradient
model() {
    cat > g.onnxtxt <<M
<ir_version: 9, opset_import: ["" : 20, "ai.onnx.preview.training" : 1, "ai.onnx.ml" : 3, "my" : 1]>
g (float[n,3] a, float[3] b) => (float[n,3] da, float[3] db)
{
$1
}
$2
M
}
tensor a.npy 'float[2,3]' '1, 2, 3, 4, 5, 6'
tensor b.npy 'float[3]' '10, 20, 30'
answers() { # db and da, shown as numbers
    expect 0 run g.onnxtxt a=a.npy b=b.npy
    says out "$@"
}
model "p = Mul(a, b)
y = Mul(p, p)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(a, b)"
answers 'da: float[2,3] = 200 1600 5400 800 4000 10800' 'db: float[3] = 340 1160 2700'
# One of the two alone; what y does not depend on has derivative 0; an output that is not wanted.
model "p = Mul(a, b)
y = ReduceSum(p)
z = Mul(b, b)
da = $G<xs = [\"a\"], zs = [\"b\"], y = \"y\">(a, b)
none, db = $G<xs = [\"a\", \"b\"], y = \"z\">(a, b)"
answers 'da: float[2,3] = 10 20 30 10 20 30' 'db: float[3] = 20 40 60'
model "z = Mul(b, b)
da, db = $G<xs = [\"a\", \"b\"], y = \"z\">(a, b)"
answers 'da: float[2,3] = 0 0 0 0 0 0' 'db: float[3] = 20 40 60'
model "z = Mul(b, b)
db = $G<xs = [\"b\"], y = \"z\">(b)
da = $G<xs = [\"a\"], y = \"a\">(a)"
answers 'da: float[2,3] = 1 1 1 1 1 1' 'db: float[3] = 20 40 60'
# In a function, whose values get other names, and in a branch, which sees those outside.
model 'da, db = my.Pair(a, b)' "<domain: \"my\", opset_import: [\"\" : 20, \"ai.onnx.preview.training\" : 1]>
Pair (p, q) => (dp, dq)
{
    r = Mul(p, q)
    y = Mul(r, r)
    dp, dq = $G<xs = [\"p\", \"q\"], y = \"y\">(p, q)
}"
answers 'da: float[2,3] = 200 1600 5400 800 4000 10800' 'db: float[3] = 340 1160 2700'
model "y = Mul(a, a)
s = ReduceSum(y)
zero = Constant<value_float = 0.0>()
c = Greater(s, zero)
shape = Constant<value_ints = [1]>()
cond = Reshape(c, shape)
da = If(cond)<then_branch = t () => (float[n,3] u) { u = $G<xs = [\"a\"], y = \"y\">(a) }, else_branch = f () => (float[n,3] v) { v = Neg(y) }>
db = Identity(b)"
answers 'da: float[2,3] = 2 4 6 8 10 12'

refused() { # EXIT TEXT BODY
    model "$3"
    expect "$1" compile g.onnxtxt -o gen
    says err "$2"
}
refused 3 "there is no tensor 'w'" "y = Mul(a, b)
da, db = $G<xs = [\"a\", \"w\"], y = \"y\">(a, b)"
refused 3 "there is no tensor 'u'" "y = Mul(a, b)
da, db = $G<xs = [\"a\", \"b\"], y = \"u\">(a, b)"
refused 3 'has 2 inputs and 2 outputs, but xs has 1 names and zs 0' "y = Mul(a, b)
da, db = $G<xs = [\"a\"], y = \"y\">(a, b)"
refused 3 "'p' is computed from another tensor of xs and zs" "p = Mul(a, a)
y = Mul(p, b)
da, db = $G<xs = [\"p\", \"b\"], zs = [\"a\"], y = \"y\">(p, b, a)"
refused 3 "y is computed from its own derivatives" "y = Mul(a, da)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(b, b)"
refused 4 "is not supported yet: there is no rule" "y = ai.onnx.ml.Normalizer(a)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(b, b)"
refused 4 "is no tensor of floats" "y = Shape(a)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(a, b)"
refused 4 "the derivative of node #1 (LayerNormalization) is not supported yet: there is no rule" "p = Mul(a, b)
y = LayerNormalization(p, b)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(a, b)"
refused 4 "by its input 1" "m = ReduceMax<keepdims = 0>(b)
y = Clip(a, m)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(a, b)"
model "y = Mul(a, b)
da, db = $G<xs = [\"a\", \"b\"], y = \"y\">(a, b)"
expect 4 optimize g.onnxtxt -o out.onnx
says err optimize-gradient
[ ! -e out.onnx ] || fail "a refused model was written"
