# Sequences and optionals as inputs and outputs, and what is refused of them.
. "$(dirname "$0")/lib.sh"
cat > tail.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
tail (seq(float[N,2]) s, optional(float[3]) bias) => (seq(float[N,2]) rest, bool given)
{
    zero = Constant<value_int = 0>()
    rest = SequenceErase(s, zero)
    given = OptionalHasElement(bias)
}
EOF
tensor() {
    printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (%s y)\n<%s c = {%s}>\n{\n    y = Identity(c)\n}\n' "$2" "$2" "$3" > tensor.onnxtxt
    expect 0 run tensor.onnxtxt -o "$1"
}
expect 4 compile tail.onnxtxt -o out
says err sequence-length "--length s=N"
expect 4 compile tail.onnxtxt -o out --json
says out '"needs":[{"option":"length","name":"s"}]'
expect 0 compile tail.onnxtxt -o two --length s=2
says two/tail.h "const float *s_0; /* 's.0' float[N.0][2] */" "float *rest_0; /* 'rest.0' float[N.1][2] */" "const float *bias;"
expect 0 compile tail.onnxtxt -o none --length s=2 --length bias=none
grep -q bias none/tail.h && fail "an empty optional is a field"
expect 0 compile tail.onnxtxt -o fixed --length s=2 --dim N.0=4 --shape s.1=5x2
says fixed/tail.h "'s.0' float[4][2]" "'rest.0' float[5][2]"

tensor a.npy 'float[1,2]' '1, 2'
tensor b.npy 'float[2,2]' '3, 4, 5, 6'
expect 0 run tail.onnxtxt --length s=2 --length bias=none s.0=a.npy s.1=b.npy -o got.npz
says out rest.0

# One tensor for any number of elements of one size.
cat > sum.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
sum (seq(float[2]) s, float[2] w) => (seq(float[2]) t, int64 n)
{
    t = SequenceMap(s, w) <body = b (float[2] u, float[2] v) => (float[2] r) { r = Add(u, v) }>
    n = SequenceLength(t)
}
EOF
tensor s.npy 'float[3,2]' '1, 2, 3, 4, 5, 6'
tensor w.npy 'float[2]' '10, 20'
expect 0 run sum.onnxtxt --length s=any s=s.npy w=w.npy -o got.npz
says out "t: float[3,2] = 11 22 13 24 15 26" "n: int64[] = 3"
expect 0 compile sum.onnxtxt -o any --length s=any --dim s.length=..8
says any/sum.h "const float *s; /* 's' float[s.length][2] */" "0 to 8"

for bad in s s=x s=-1 =2 s=none x=2; do
    expect 2 compile tail.onnxtxt -o bad --length "$bad"
done
# A position outside the sequence.
expect 3 compile tail.onnxtxt -o bad --length s=0
says err sequence-position
# A length that the run decides, of elements that differ.
cat > grow.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
grow (float[2] x, float[3] y, bool c) => (int64 n)
{
    s = If(c) <then_branch = t () => (seq(float) p) { p = SequenceConstruct(x) }, else_branch = e () => (seq(float) q) { q = SequenceConstruct(x, y) }>
    n = SequenceLength(s)
}
EOF
expect 4 compile grow.onnxtxt -o bad
says err sequence-unlike
# A loop that appends gives a tensor of what it appends; elements have to be of one size.
cat > append.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
append (float[r,2] x, int64 turns) => (seq(float[2]) rows)
{
    none = SequenceEmpty()
    rows = Loop(turns, , none) <body = b (int64 i, bool c, seq(float[2]) s) => (bool d, seq(float[2]) t) { d = Identity(c) row = Gather(x, i) t = SequenceInsert(s, row) }>
}
EOF
tensor two.npy 'int64' 2
tensor rows.npy 'float[3,2]' '1, 2, 3, 4, 5, 6'
tensor wanted.npy 'float[2,2]' '1, 2, 3, 4'
expect 0 run append.onnxtxt --dim trip.rows=..5 x=rows.npy turns=two.npy -o y.npy
cmp y.npy wanted.npy || fail "the rows are wrong"
sed 's/row = Gather(x, i)/z = Constant<value_ints = [0]>() e = Unsqueeze(i, z) row = Slice(x, z, e)/; s/\[2\]) [stro]/[k,2]) &/' append.onnxtxt | sed 's/\[k,2\]) \[2\])/[k,2])/g' > unlike.onnxtxt
expect 4 compile unlike.onnxtxt -o bad --dim trip.rows=..5
says err sequence-unlike "--value turns=.."
[ ! -e bad ] || fail "a refused compilation left files"

# A loop that inserts elsewhere than at the end carries a tensor with room, which needs a capacity.
sed 's/append (/front (/; s/t = SequenceInsert(s, row)/z = Constant<value_int = 0>() t = SequenceInsert(s, row, z)/' append.onnxtxt > front.onnxtxt
expect 4 compile front.onnxtxt -o bad
says err "'length.rows', which has no upper bound" "--dim length.rows=..N"
tensor turned.npy 'float[2,2]' '3, 4, 1, 2'
expect 0 run front.onnxtxt --dim length.rows=..2 x=rows.npy turns=two.npy -o y.npy
cmp y.npy turned.npy || fail "the rows are wrong"
expect 1 run front.onnxtxt --dim length.rows=..1 x=rows.npy turns=two.npy
says err "larger than planned"
sed 's/append (/unlike (/; s/t = SequenceInsert(s, row)/k = Constant<value_int = 0>() t = SequenceInsert(s, row, k)/' unlike.onnxtxt > front.onnxtxt
expect 4 compile front.onnxtxt -o bad --dim length.rows=..5
says err sequence-unlike
# A position that the run decides: elements have to be of one size, too.
cat > place.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
place (float[2] x, float[3] y, int64 at) => (int64 n)
{
    s = SequenceConstruct(x, y)
    t = SequenceErase(s, at)
    n = SequenceLength(t)
}
EOF
expect 4 compile place.onnxtxt -o bad
says err "'at' is not known when the model is compiled, and the elements differ in size"
# What onnxcc makes for itself, no model may bring.
cat > own.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17, "onnxcc" : 1]>
own (float[n] x) => (float[n] y)
{
    y = onnxcc.Rows<capacity = 4>(x)
}
EOF
expect 4 compile own.onnxtxt -o bad
says err "operator onnxcc.Rows is not supported"
sed 's/float\[2\] x, float\[3\] y, int64 at/float[k,2] x, float[3] y/; s/s = .*/s = SplitToSequence<keepdims = 0>(x)/; s/SequenceErase(s, at)/SequenceInsert(s, y)/' place.onnxtxt > other.onnxtxt
expect 4 compile other.onnxtxt -o bad
says err sequence-unlike "'y' may differ in size"
# A loop of many turns stays one where its sequences have a capacity; else its turns are written down, if they are not too many.
cat > long.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
long (float[2] x) => (float[k,2] y, int64 n)
<int64 many = {5000}>
{
    none = SequenceEmpty()
    s = Loop(many, , none) <body = b (int64 i, bool go, seq(float[2]) a) => (bool go1, seq(float[2]) d)
    {
        go1 = Identity(go)
        f = CastLike(i, x)
        row = Add(x, f)
        zero = Constant<value_int = 0>()
        e = SequenceInsert(a, row, zero)
        l = SequenceLength(e)
        two = Constant<value_int = 2>()
        more = Less(two, l)
        d = If(more) <then_branch = p () => (seq(float[2]) q) { q = SequenceErase(e) }, else_branch = o () => (seq(float[2]) w) { w = Identity(e) }>
    }>
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
    n = SequenceLength(s)
}
EOF
expect 0 run long.onnxtxt x=w.npy --dim length.s=..3
says out "y: float[2,2] = 5009 5019 5008 5018" "n: int64[] = 2"
expect 0 run long.onnxtxt x=w.npy --dim length.s=..3 --target=cuda --emulate
says out "y: float[2,2] = 5009 5019 5008 5018"
sed 's/go1 = Identity(go)/top = Gather(x, zero) few = CastLike(top, i) go1 = Less(i, few)/; s/  zero = .*//; s/{5000}/{5000}, int64 zero = {0}/' long.onnxtxt > until.onnxtxt
expect 4 compile until.onnxtxt -o bad
says err "whether it goes on after a turn is not known" "--dim length.s=..N"
expect 0 run until.onnxtxt x=w.npy --dim length.s=..3
says out "y: float[2,2] = 20 30 19 29"
sed 's/{5000}/{50}/' until.onnxtxt > few.onnxtxt
expect 4 compile few.onnxtxt -o bad
says err "--dim length.s=..N"
expect 0 run few.onnxtxt x=w.npy --dim length.s=..3
says out "y: float[2,2] = 20 30 19 29"
