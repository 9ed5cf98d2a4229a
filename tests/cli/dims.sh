# --dim for sizes that data decides: their names, bounds, and what happens beyond them.
. "$(dirname "$0")/lib.sh"
cat > loop.onnxtxt <<'END'
<ir_version: 8, opset_import: ["": 17]>
turns (int64 n, float[2,3] x) => (float[t, 2, 3] y, int64[u] upto)
{
   [rounds] y = Loop (n, , ) <body = body (int64 i, bool go) => (bool more, float[2, 3] z) {
      more = Identity (go)
      f = Cast <to = 1> (i)
      z = Add (x, f)
   }>
   zero = Constant <value_int = 0> ()
   two = Constant <value_int = 2> ()
   upto = Range (zero, n, two)
}
END
# int64 scalars 0, 2, 4, 5
for n in 0 2 4 5; do printf '\020\007B\001nJ\010\00'$n'\000\000\000\000\000\000\000' > n$n.pb; done
expect 0 inspect loop.onnxtxt --json
says out '"decided_by_data":[{"name":"trip.rounds","lo":0},{"name":"len.upto","lo":0}]'
expect 0 inspect loop.onnxtxt --dim trip.rounds=..4
says out "trip.rounds: at most 4" "len.upto: no bound; give it one with --dim len.upto=..N"
expect 0 inspect loop.onnxtxt --dim len.upto=2..3
says out "len.upto: at least 2, at most 3"
expect 4 compile loop.onnxtxt -o a
says err "--dim trip.rounds=..N" "--dim len.upto=..N"
if grep -q "more like it" err; then fail "one loop is counted twice"; fi
expect 2 compile loop.onnxtxt -o a --dim trip.round=..4
says err "data decides trip.rounds, len.upto"
expect 2 compile loop.onnxtxt -o a --dim rounds=..4
says err "no input has a dimension of that name"
expect 2 compile relu.onnx -o a --dim trip.relu=..4
bounds="--dim trip.rounds=..4 --dim len.upto=1..3"
expect 0 run loop.onnxtxt n=n4.pb x=x.pb $bounds
says out "y: float[4,2,3] = 1 -2 3 -4 5 -6 2 -1 ..." "upto: int64[2] = 0 2"
expect 0 run loop.onnxtxt n=n2.pb x=x.pb $bounds
says out "y: float[2,2,3] = 1 -2" "upto: int64[1] = 0"
expect 1 run loop.onnxtxt n=n0.pb x=x.pb $bounds
says err "or smaller than --dim says" "hint: 'len.upto' is 0, which may be 1 to 3; --dim len.upto=0.., when compiling, allows it"
expect 1 run loop.onnxtxt n=n5.pb x=x.pb $bounds
says err "larger than planned" "hint: 'trip.rounds' is 5, which may be 0 to 4; --dim trip.rounds=..5, when compiling, makes room for it"
mkdir sets sets/test_data_set_0
cp n5.pb sets/test_data_set_0/input_0.pb
cp x.pb sets/test_data_set_0/input_1.pb
expect 1 run loop.onnxtxt --data sets $bounds
says err "sets/test_data_set_0" "'trip.rounds' is 5, which may be 0 to 4"
expect 0 run loop.onnxtxt n=n0.pb x=x.pb --dim trip.rounds=..4 --dim len.upto=..3
says out "y: float[0,2,3] =" "upto: int64[0] ="
# What follows from other sizes is their bound.
cat > bounded.onnxtxt <<'END'
<ir_version: 10, opset_import: ["": 21]>
bounded (float[n] x, float[24] w, int64[1] k, float[1,m,4] boxes, float[1,2,m] scores, bool go) => (int64[1,a] y, float[b] u, float[c] v, int64[c] i, int64[d,3] sel, int64[e] z)
{
   y = NonZero (x)
   u = Unique (w)
   [best] v, i = TopK (x, k)
   five = Constant <value = int64 {5}> ()
   sel = NonMaxSuppression (boxes, scores, five)
   z = If (go) <then_branch = then () => (int64[p] p0) { one = Constant <value = int64[1] {-1}> () p0 = Reshape (y, one) },
                else_branch = otherwise () => (int64[q] q0) { three = Constant <value = int64[1] {3}> () q0 = ConstantOfShape <value = int64[1] {1}> (three) }>
}
END
expect 0 inspect bounded.onnxtxt
says out "nonzero.y: at most n" "unique.u: at most 24" "k.best: at most n" "selected.sel: at most 2*min(m, 5)" "if.z: at most max(n, 3)"
expect 0 inspect bounded.onnxtxt --dim n=7 --json
says out '{"name":"nonzero.y","lo":0,"hi":7}' '{"name":"selected.sel","lo":0,"at_most":"2*min(m, 5)"}' '{"name":"if.z","lo":0,"hi":7}'
expect 0 compile bounded.onnxtxt -o bounded --dim m=1..20
says bounded/bounded.h "'y' int64[1][nonzero.y], with room for [1][n] */" "'sel' int64[selected.sel][3], with room for [2*min(m, 5)][3] */" "size 'unique.u', at most 24 */" "'z' int64[if.z], with room for [max(n, 3)]"
says bounded/bounded.json '"shape": [1, "nonzero.y"], "capacity": [1, "n"]}' '{"name": "m", "lo": 1, "hi": 20}, {"name": "nonzero.y", "lo": 0, "at_most": "n"}, {"name": "unique.u", "lo": 0, "hi": 24}'
# More than an axis has.
cat > topk.onnxtxt <<'END'
<ir_version: 8, opset_import: ["": 17]>
top (float[2,n] x, int64[1] k) => (float[2,w] v, int64[2,w] i) { v, i = TopK (x, k) }
END
printf '\010\001\020\007B\001kJ\010\011\0\0\0\0\0\0\0' > nine.pb
expect 1 run topk.onnxtxt x=x.pb k=nine.pb
says err "hint: 'k.v' is 9, which may be 0 to 3"
if grep -q -e "--dim k.v" err; then fail "--dim is no remedy"; fi
expect 3 compile topk.onnxtxt -o a --value k=9 --dim n=3
says err "k is 9, but axis 1 of 'x' has 3 elements" "hint: k is from 0 to 3 here"
expect 3 compile topk.onnxtxt -o a --value k=-2
says err "k is -2: it can't be negative"
# A size that becomes smaller with one that data decides: there is room for the largest, in the arena and for the output.
cat > rest.onnxtxt <<'END'
<ir_version: 10, opset_import: ["": 21]>
rest (float[n] x) => (float[m] y, float[u] z)
{
   one = Constant <value = int64[1] {1}> ()
   zero = Constant <value = int64[1] {0}> ()
   far = Constant <value = int64[1] {100}> ()
   i = NonZero (x)
   s = Shape (i)
   k = Gather (s, one)
   y = Slice (x, k, far, zero)
   z = Unique (y)
}
END
# float[8]: all 0 but the sixth, which is 1; and eight of 1
printf '\010\010\020\001B\001xJ\040\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200\077\0\0\0\0\0\0\0\0' > sixth.pb
(printf '\010\010\020\001B\001xJ\040'; for i in 1 2 3 4 5 6 7 8; do printf '\0\0\200\077'; done) > ones.pb
expect 0 run rest.onnxtxt x=sixth.pb
says out "y: float[7] = 0 0 0 0 1 0 0" "z: float[2] = 0 1"
expect 0 run rest.onnxtxt x=sixth.pb --dim n=8
says out "y: float[7] = 0 0 0 0 1 0 0" "z: float[2] = 0 1"
expect 0 run rest.onnxtxt x=ones.pb
says out "y: float[0] =" "z: float[0] ="
# A size in the body of a loop that follows from the number of the turn: how many different numbers there are at the beginning of x.
cat > turns.onnxtxt <<'END'
<ir_version: 10, opset_import: ["": 21]>
turns (float[n] x) => (int64[n] y)
{
   one = Constant <value = int64[1] {1}> ()
   flat = Constant <value = int64[1] {-1}> ()
   zero = Constant <value = int64[1] {0}> ()
   yes = Constant <value = bool {1}> ()
   n = Size (x)
   y = Loop (n, yes) <body = body (int64 i, bool go) => (bool more, int64 z) {
      i1 = Reshape (i, flat)
      end = Add (i1, one)
      part = Slice (x, zero, end, zero)
      u = Unique (part)
      z = Size (u)
      more = Identity (go)
   }>
}
END
expect 0 inspect turns.onnxtxt
says out "unique.u: at most n"
expect 0 run turns.onnxtxt x=sixth.pb
says out "y: int64[8] = 1 1 1 1 1 2 2 2"
expect 0 run turns.onnxtxt x=sixth.pb --dim n=8
says out "y: int64[8] = 1 1 1 1 1 2 2 2"
# One name at several places is one size.
cat > square.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
square (float[1,3,h,h] x, float[h,2] w) => (float[1,3,h,2] y) { y = MatMul(x, w) }
END
expect 2 compile square.onnxtxt -o bad --shape x=1x3x64x32
says err "--shape x, dimension 3 is 32: the model declares that dimension as 'h', which other options make 64"
expect 2 compile square.onnxtxt -o bad --shape x=1x3x64x64 --shape w=32x2
says err "--shape w, dimension 0 is 32: the model declares that dimension as 'h', which other options make 64"
expect 2 compile square.onnxtxt -o bad --dim x:2=64 --dim h=32
says err "--dim h: the model declares that dimension as 'h', which other options make 64"
expect 2 compile square.onnxtxt -o bad --shape x=1x4x8x8
says err "--shape x, dimension 1 is 4: that dimension is fixed in the model, as 3"
expect 2 compile square.onnxtxt -o bad --dim x:1=4
says err "--dim x:1: that dimension is fixed in the model, as 3"
[ ! -e bad ] || fail "a refused model was written"
expect 0 compile square.onnxtxt -o good --shape x=1x3x8x8 --dim h=8 --dim w:0=8
