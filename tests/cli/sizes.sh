# What is taken for granted of sizes that nothing bounds is checked by the run.
. "$(dirname "$0")/lib.sh"
# Inputs of several sizes:
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
# Other sizes that have to fit each other.
unfit() { # unfit NAME INPUTS OUTPUT NODES NAME=SHAPE...: the run refuses these shapes
    printf '<ir_version: 8, opset_import: ["": 24]>\n%s (%s) => (%s) { %s }\n' "$1" "$2" "$3" "$4" > "$1.onnxtxt"
    model=$1.onnxtxt
    shift 4
    inputs u.npz "$@"
    expect 1 run "$model" -i u.npz
    says err "outside the range"
}
unfit attention 'float[a,2,3,4] q, float[b,2,c,4] k, float[d,2,g,4] v' 'float[e,2,3,4] y' 'y = Attention (q, k, v)' q=2,2,3,4 k=2,2,5,4 v=2,2,6,4
unfit norm 'float[2,a] x, float[b] s' 'float[2,c] y' 'y = LayerNormalization (x, s)' x=2,5 s=4
unfit elements 'float[a,4] x, float[b,2] i' 'float[b,2] y' 'j = Cast <to = 7> (i) y = GatherElements <axis = 1> (x, j)' x=2,4 i=3,2
unfit reshape 'float[a,2] x' 'float[3,2] y' 's = Constant <value_ints = [3, 2]> () y = Reshape (x, s)' x=4,2
unfit split 'float[a,2] x' 'float[2,2] y, float[3,2] z' 's = Constant <value_ints = [2, 3]> () y, z = Split <axis = 0> (x, s)' x=4,2
unfit topk 'float[a] x' 'float[5] y, int64[5] z' 'k = Constant <value_ints = [5]> () y, z = TopK (x, k)' x=4
unfit scan 'float[a,2] x, float[b,2] v' 'float[a,2] y' \
    'y = Scan <num_scan_inputs = 2, body = turn (float[2] p, float[2] q) => (float[2] r) { r = Add (p, q) }> (x, v)' x=3,2 v=2,2
