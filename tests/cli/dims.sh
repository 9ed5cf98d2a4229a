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
says out "trip.rounds: 0..4" "--dim len.upto=..N"
expect 4 compile loop.onnxtxt -o a
says err "--dim trip.rounds=..N" "--dim len.upto=..N"
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
expect 1 run loop.onnxtxt n=n5.pb x=x.pb $bounds
says err "larger than planned"
expect 0 run loop.onnxtxt n=n0.pb x=x.pb --dim trip.rounds=..4 --dim len.upto=..3
says out "y: float[0,2,3] =" "upto: int64[0] ="

# What is taken for granted of sizes that nothing bounds is checked by the run. Inputs of several sizes:
inputs() { # inputs FILE NAME=SHAPE...: ones
    to=$1
    shift
    body= outs=
    for pair; do
        body="$body c_${pair%%=*} = Constant <value_ints = [${pair#*=}]> () ${pair%%=*} = ConstantOfShape <value = float[1] {1}> (c_${pair%%=*})"
        outs="$outs${outs:+, }float[] ${pair%%=*}"
    done
    sed 's/float\[\]/float/g' > ones.onnxtxt <<END
<ir_version: 8, opset_import: ["": 17]>
ones () => ($outs) { $body }
END
    expect 0 run ones.onnxtxt -o "$to"
}
# A Squeeze without axes: a size that may be 1 is taken not to be, unless it has to be.
cat > squeeze.onnxtxt <<'END'
<ir_version: 8, opset_import: ["": 17]>
squeeze (float[n,1,m] x) => (float[n,m] y) { y = Squeeze (x) }
END
inputs a.npz x=4,1,3
inputs b.npz x=1,1,3
expect 0 run squeeze.onnxtxt -i a.npz
says out "y: float[4,3] ="
expect 1 run squeeze.onnxtxt -i b.npz
says err "outside the range"
expect 0 run squeeze.onnxtxt -i b.npz --dim n=1 --json
says out '"shape":[3]'
# A state of another batch size than the input's.
cat > rnn.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["": 17]>
rnn (float[t,b,2] x, float[1,3,2] w, float[1,3,3] r, float[1,c,3] h) => (float[1,u,3] y)
{
   all, y = RNN <hidden_size = 3> (x, w, r, , , h)
}
EOF
inputs a.npz x=2,4,2 w=1,3,2 r=1,3,3 h=1,4,3
inputs b.npz x=2,4,2 w=1,3,2 r=1,3,3 h=1,1,3
expect 0 run rnn.onnxtxt -i a.npz
says out "y: float[1,4,3] ="
expect 1 run rnn.onnxtxt -i b.npz
says err "outside the range"
expect 3 run rnn.onnxtxt -i b.npz --dim c=1 --dim b=4
says err "the shape of input 5 does not fit the other inputs"
# A window that does not fit; one in a branch that is not taken does not matter.
cat > window.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["": 17]>
window (float[1,1,n] x, bool wide) => (float[1,1,m] y)
{
   y = If (wide) <then_branch = a () => (float[1,1,k] p) { p = MaxPool <kernel_shape = [5]> (x) },
                  else_branch = b () => (float[1,1,k] q) { q = MaxPool <kernel_shape = [3], pads = [0, 0]> (x) }>
}
EOF
printf '\020\011B\004wideJ\001\001' > yes.pb
printf '\020\011B\004wideJ\001\000' > no.pb
inputs a.npz x=1,1,5
inputs b.npz x=1,1,4
expect 0 run window.onnxtxt -i a.npz wide=yes.pb --dim if.y=..9
says out "y: float[1,1,1] = 1"
expect 0 run window.onnxtxt -i b.npz wide=no.pb --dim if.y=..9
says out "y: float[1,1,2] = 1 1"
expect 1 run window.onnxtxt -i b.npz wide=yes.pb --dim if.y=..9
says err "outside the range"
# What exporters write for the squeeze of a size that they don't know: the size is taken to be 1.
cat > maybe.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["": 17]>
maybe (float[b,n] x) => (float[b] y)
{
   shape = Shape (x)
   last = Constant <value_ints = [-1]> ()
   size = Gather (shape, last)
   one = Constant <value_ints = [1]> ()
   is_one = Equal (size, one)
   y = If (is_one) <then_branch = a () => (float[b] p) { p = Squeeze (x, last) }, else_branch = b () => (float[b,n] q) { q = Identity (x) }>
}
EOF
inputs a.npz x=3,1
inputs b.npz x=3,2
expect 0 run maybe.onnxtxt -i a.npz
says out "y: float[3] = 1 1 1"
expect 1 run maybe.onnxtxt -i b.npz
says err "outside the range"
