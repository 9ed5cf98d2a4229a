# run and verify: the three kinds of files, wrong inputs, differences, crashes.
. "$(dirname "$0")/lib.sh"
expect 0 run relu.onnx -i x.pb -o y.npz --json
says out '"outputs":[{"name":"y","type":"float","shape":[2,3]}]'
expect 0 run relu.onnx x=x.pb -o y.npy
says out "y: float[2,3] = 1 0 3 0 5 0"
expect 0 run relu.onnx --input x=y.npy --threads 2
says out "y: float[2,3] = 1 0 3 0 5 0"
expect 2 run relu.onnx nosuch=x.pb
says err "no input 'nosuch'" "it has 'x'"
case $(uname -m) in x86_64) foreign=aarch64 ;; *) foreign=x86-64 ;; esac
expect 2 run relu.onnx -i x.pb --target=$foreign
says err "can't run code for '$foreign'"
expect 2 run relu.onnx
says err "input 'x'"
expect 2 run relu.onnx -i x.pb --dim n=5
says err "expected 5"
expect 0 run relu.onnx -i x.pb --keep kept
[ -f kept/relu.c ] && [ -f kept/relu.so ] || fail "nothing was kept"
mkdir -p data/test_data_set_0
cp x.pb data/test_data_set_0/input_0.pb
cp y.pb data/test_data_set_0/output_0.pb
expect 0 verify relu.onnx --data data
says out "ok"
cp wrong.pb data/test_data_set_0/output_0.pb
expect 1 verify relu.onnx --data data --json
says out '"ok":false' '"output":"y","index":5' '"max_abs":1'
expect 1 verify relu.onnx --data data
says out 'the largest difference is 1, accepted are 0.001 of the expected and 1e-07 (--rtol, --atol)'
expect 0 verify relu.onnx --data data --atol 1.5
expect 2 verify relu.onnx
expect 5 verify relu.onnx --data empty
CC=false expect 5 verify relu.onnx --data data
says err "the C compiler 'false' does not run" "onnxcc doctor"
expect 0 run relu.onnx -i x.pb -o in.npz # a tensor y
expect 0 run relu.onnx x=in.npz
says out "y: float[2,3] = 1 0 3 0 5 0"
mkdir -p sets outputs # several sets of inputs from one build; one that is wrong does not keep the others from running
cp in.npz sets/a.npz
cp in.npz sets/c.npz
expect 0 run relu.onnx --data sets -o outputs
expect 0 run relu.onnx x=outputs/c.npz
says out "y: float[2,3] = 1 0 3 0 5 0"
printf 'PK' >sets/b.npz
rm outputs/*
expect 3 run relu.onnx --data sets -o outputs
says err "sets/b.npz: "
[ -f outputs/a.npz ] && [ ! -f outputs/b.npz ] && [ -f outputs/c.npz ] || fail "not every set was run"
expect 2 run relu.onnx -i x.pb --data sets
expect 5 run relu.onnx --data nowhere
says err "there is no 'nowhere' to read inputs from"

expect 2 run relu.onnx x=in.npz x=outputs/c.npz
says err "two tensors are given for input 'x' [input-twice]"

# A tensor of another name may be meant for another model: it is said.
expect 0 run relu.onnx in.npz
says err "the model has no input 'y': that tensor is taken for input 'x'"
expect 0 run relu.onnx x=x.pb -i in.npz
says err "the model has no input 'y': that tensor is not used"
expect 0 run relu.onnx x=in.npz
[ ! -s err ] || fail "a warning for a tensor that got its name"

# To Unique NaN is a value like others, the greatest (y: 1 NaN NaN 1 NaN 1).
cat > unique.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
g (float[2,3] x) => (float[k] u, int64[k] first, int64[6] place, int64[k] count)
<float[2,3] odd = {1, 0, 0, 1, 0, 1}>
{
    r = Relu (x)
    nan = Div (r, odd)
    zero = Sub (nan, nan)
    y = Add (zero, odd)
    u, first, place, count = Unique (y)
}
T
expect 0 run unique.onnxtxt -i x.pb
says out "first: int64[2] = 0 1" "place: int64[6] = 0 1 1 0 1 0" "count: int64[2] = 3 3"
