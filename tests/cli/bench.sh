# bench: the last line is the JSON that scripts read; an engine without a figure has an exit code of its own, after ours.
. "$(dirname "$0")/lib.sh"
expect 0 bench relu.onnx --dim n=4 --repeat 3
tail -1 out > last
says last '"model":"relu.onnx","target":"' '"optimize":"balanced","math":"default","precision":"fp32","threads":1,"runs":' '"ms":{"min":' '"p99":' '"peers":{}'
! grep -q '"steps"' last || fail "steps without --profile"
says err "input 'x' is pinned to 4x3"
expect 0 bench relu.onnx --input x.pb --repeat 2 --threads 2
says err "pinned to 2x3"
# Sizes of what is given against those of the model and of the options.
expect 0 bench relu.onnx --dim n=1..8 --input x.pb --repeat 1
says err "pinned to 2x3"
expect 2 bench relu.onnx --dim m=4 # the inputs are named as the model has them
says err "--dim m: no input has a dimension of that name" "the inputs are x float[n,3]"
expect 2 bench relu.onnx --dim n=1 --input x.pb
says err "input 'x': 'x.pb': dimension 0 is 2, expected 1, as --dim n says [input-shape]" "leave out --dim n"
expect 2 bench relu.onnx --dim x:0=3..8 --input x=x.pb
says err "'x.pb': dimension 0 is 2, expected 3..8, as --dim x:0 says"
expect 2 bench relu.onnx --shape x=?x4 --input x.pb
says err "'x.pb': dimension 1 is 3, expected 4, as --shape x says"
expect 2 bench relu.onnx --shape x=2x3 --dim n=4 # of options alone
says err "input 'x': dimension 0 is 2, expected 4, as --dim n says"
expect 2 tune relu.onnx --dim n=1 --input x.pb -o t.yaml
says err "'x.pb': dimension 0 is 2, expected 1, as --dim n says"
cat > four.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
four (float[n,4] x) => (float[n,4] y) { y = Relu (x) }
END
expect 2 bench four.onnxtxt --input x.pb
says err "input 'x': 'x.pb': dimension 1 is 3, expected 4 [input-shape]"
! grep -q -e --shape err || fail "an option that was not given is blamed"
# One symbol in two inputs: what is invented has the size of what is given; tensors without a name go to the inputs in order.
cat > sum.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
sum (float[n,3] a, float[n,3] b) => (float[n,3] y) { y = Add (a, b) }
END
npy() { # SHAPE BYTES-OF-ZEROS
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($1), }"
    head -c "$2" /dev/zero
}
npy '1, 3' 12 > one.npy
npy '2, 3' 24 > two.npy
npy '0, 3' 0 > none.npy
expect 0 bench sum.onnxtxt --input a=two.npy --repeat 1
says err "input 'b' is pinned to 2x3"
expect 0 bench sum.onnxtxt --input two.npy --input two.npy --repeat 1
says err "input 'a' is pinned to 2x3" "input 'b' is pinned to 2x3"
expect 2 bench sum.onnxtxt --input a=two.npy --input b=one.npy
says err "input 'b': 'one.npy': dimension 0 is 1, but 'n' is 2 in 'a'"
# Nothing to measure, nothing to read.
expect 2 bench relu.onnx --input none.npy
says err "no output has an element at these sizes: there is nothing to measure [no-data]" "input 'x' is 0x3"
expect 2 tune relu.onnx --input none.npy -o t.yaml
says err "there is nothing to measure"
printf 'PK\005\006\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000' > empty.npz
expect 2 bench relu.onnx --input empty.npz
says err "'empty.npz' holds no tensor [no-data]"
mkdir -p hollow
cp empty.npz hollow/a.npz
expect 2 bench relu.onnx --data hollow
says err "'hollow/a.npz' holds no tensor"
for verb in bench run; do
    expect 3 $verb relu.onnx --input relu.onnx
    says err "'relu.onnx' is no file of tensors: its name ends neither in .npz nor in .npy nor in .pb" ".npz and .npy, and from ONNX's .pb"
done
cp x.pb x.pgm
expect 3 verify relu.onnx --inputs x.pb --expect x.pgm
says err "'x.pgm' is no file of tensors"
ONNXCC_PYTHON=false expect 4 bench relu.onnx --repeat 2 --against onnxruntime
says err "no figure of onnxruntime: 'false' ends with status 1 before the engine is ready [peer-missing]" "ONNXCC_PYTHON says which Python has it"
says out '"peers":{},"ratio":{},"difference":{},"strings_differ":{},"not_compared":{},"missing":{"onnxruntime":"'"'false' ends with status 1"
ONNXCC_PYTHON=./nowhere expect 4 bench relu.onnx --repeat 2 --against onnxruntime
says err "no figure of onnxruntime: there is no './nowhere' to run it with [peer-missing]" "ONNXCC_PYTHON says which Python has it"
mkdir -p venv/bin
ONNXCC_PYTHON=venv expect 4 bench relu.onnx --repeat 2 --against onnxruntime
says err "no figure of onnxruntime: 'venv' is a folder, and no program such as bin/python of a virtual environment [peer-missing]"
printf '#!/bin/sh\nexit 1\n' > venv/bin/python
chmod +x venv/bin/python
ONNXCC_PYTHON=venv expect 4 bench relu.onnx --repeat 2 --against onnxruntime
says err "no figure of onnxruntime: 'venv' is a folder, and its Python is 'venv/bin/python' [peer-missing]"
ONNXCC_PYTHON=venv expect 0 doctor
says out "'venv' is a folder, and its Python is 'venv/bin/python' (ONNXCC_PYTHON names it)"
expect 2 bench nowhere.onnx --against onnxruntime,nobody # before the model is looked at
says err "--against knows onnxruntime, openvino, openvino-bf16, emx and emx-fast-math, not 'nobody'"
expect 2 bench relu.onnx --against ''

# engines that are measured, that end on the way, that refuse the model; the second time that one is named counts for nothing
cat > engine <<'END'
#!/bin/sh
case $2 in
    emx-*) echo "missing it takes no Relu"; exit ;;
esac
echo ready 1.0
while read -r k n; do
    [ "$2" = openvino ] && exit
    echo "$n" > asked
    yes 0.5 | head -n "$k" | tr '\n' ' '
    echo
done
END
chmod +x engine
ONNXCC_PYTHON=./engine expect 0 bench relu.onnx --repeat 2 --against onnxruntime,openvino-bf16 --against onnxruntime
tail -1 out > last
says last '"peers":{"onnxruntime":{"min":0.5,"median":0.5,"runs":' '"openvino-bf16":{"min":0.5,'
says last '"difference":{},"strings_differ":{},"not_compared":{"onnxruntime":["y"],"openvino-bf16":["y"]},"missing":{}}' # they gave no outputs
says out "; not compared: y"
ONNXCC_PYTHON=./engine expect 4 bench relu.onnx -q --repeat 2 --against emx-fast-math,openvino,onnxruntime
says err "no figure of openvino: it ended during the measurement [peer-missing]" "no figure of emx-fast-math: it takes no Relu [peer-missing]"
! grep -q ONNXCC_PYTHON err || fail "a hint that is about a missing package"
says out '"peers":{"onnxruntime":{"min":0.5,' '"missing":{"emx-fast-math":"it takes no Relu","openvino":"it ended during the measurement"}'

# An engine that takes one thread, whatever is asked for; fewer processors than threads.
ONNXCC_PYTHON=./engine expect 0 bench relu.onnx --threads 2 --repeat 2 --against emx,onnxruntime
says out "(1.0, 1 thread)" " times ours, by the medians " " (1.0);" '"emx":{"min":0.5,"median":0.5,"runs":' ',"threads":1,"version":"1.0"}' ',"threads":2,"version":"1.0"}'
cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status 2>/dev/null)
if taskset -c "$cpu" true 2>/dev/null; then
    taskset -c "$cpu" "$onnxcc" bench relu.onnx --threads 2 --repeat 1 > out 2> err || fail "two threads on one processor"
    says out "2 threads on 1 processor)" '"threads":2,' '"processors":1,'
fi

# A run too short for the clock is timed with others, by every engine as many.
ONNXCC_PYTHON=./engine expect 0 bench relu.onnx --input x.pb --repeat 2 --against onnxruntime
tail -1 out > last
each=$(sed -n 's/.*"sets":1,"runs_per_time":\([0-9]*\),.*/\1/p' last)
[ "${each:-1}" -gt 1 ] && [ "$each" = "$(cat asked)" ] || fail "one run of a few nanoseconds at a time"
says out " times $each runs, 1 thread)"

# What the script itself says: of a Python without packages which; of an engine that refuses the model, the engine's words.
cat > python <<'END'
#!/bin/sh
exec python3 -S -E -s "$@"
END
chmod +x python
if python3 -S -E -s -c '' 2>/dev/null && ! python3 -S -E -s -c 'import numpy' 2>/dev/null; then
    ONNXCC_PYTHON=./python expect 4 bench relu.onnx --repeat 1 --against emx
    says err " has no package numpy and no onnx and no emx-onnx-cgen [peer-missing]" "ONNXCC_PYTHON says which Python has it; \`onnxcc doctor\`"
    ! grep -q Traceback err || fail "a traceback"
fi
cat > short.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
short (int16[n] x) => (int16[n] y) { y = Relu (x) }
END
if "${ONNXCC_PYTHON:-python3}" -c 'import numpy, onnxruntime' 2>/dev/null; then
    expect 0 text short.onnxtxt -o short.onnx
    expect 4 bench short.onnx --repeat 1 --against onnxruntime
    says err "no figure of onnxruntime: [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED"
    ! grep -q -e ONNXCC_PYTHON -e Traceback err || fail "a wrong hint, or a traceback"
fi

# sets of inputs that runs take in turns
mkdir -p sets
cp x.pb sets/input_0.pb
expect 0 bench relu.onnx --data sets --repeat 2
says err "pinned to 2x3"
says out '"inputs":{"x":[2,3]},'
expect 0 bench relu.onnx --dim n=2..4 --repeat 2
says err "input 'x' is pinned to 2x3, the low end of a range"
says out " turns through " " invented sets, 1 thread)"
expect 2 bench relu.onnx --data sets --input x.pb
says err "--input and --data both give inputs"
mkdir -p rows
expect 0 run relu.onnx --dim n=2 -i x.pb -o rows/a.npy
cp rows/a.npy rows/b.npy
expect 0 bench relu.onnx --data rows --repeat 2
mkdir -p many
k=0
while [ $k -lt 257 ]; do cp rows/a.npy many/$k.npy; k=$((k + 1)); done
expect 0 bench relu.onnx --data many --repeat 2
says err "'many' holds 257 sets: the first 256 by name are measured"
printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }" > rows/c.npy
printf '\000\000\200\077\000\000\200\077\000\000\200\077' >> rows/c.npy
expect 2 bench relu.onnx --data rows
says err "input 'x' has another shape in 'rows/c.npy' than in the first set"
expect 5 bench relu.onnx --data nowhere

# Times are of whole turns: a set that takes a thousand times as long as the other is in the shortest one too.
cat > rounds.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
rounds (int64 n, float[64] x) => (float[64] y)
{
    y = Loop (n, , x) <body = body (int64 i, bool go, float[64] a) => (bool more, float[64] b) { more = Identity (go) b = Sin (a) }>
}
END
count() { # NUMBER-AS-BYTES FOLDER
    mkdir -p "$2"
    { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': (), }" && printf "$1\000\000\000\000\000\000"; } > "$2/n.npy"
    npy 64 256 > "$2/x.npy"
}
count '\001\000' turns/short
count '\000\010' turns/long # 2048
count '\000\010' alone/long
least() { sed -n 's/.*"ms":{"min":\([0-9.]*\),.*/\1/p' out; }
expect 0 bench rounds.onnxtxt --data alone --repeat 2
alone=$(least)
expect 0 bench rounds.onnxtxt --data turns --repeat 2
says out " turns through 2 sets, 1 thread)" '"sets":2,"runs_per_time":2,'
awk "BEGIN { exit !($(least) > $alone / 8) }" || fail "the shortest time is that of the short set"

expect 2 bench relu.onnx --dim n=2 --repeat 0
says err '--repeat is at least 1'
expect 2 bench relu.onnx -i other=x.pb
says err "error: the model has no input 'other'"
! grep warning err || fail "a warning before the error"
cat > flat.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
flat (float[n] x) => (float[n] y) { y = Relu (x) }
END
expect 2 bench flat.onnxtxt -i x.pb
says err 'the tensor given has 2 dimensions, the input 1'
if [ "$(uname -m)" = x86_64 ] && ! grep -q avx512f /proc/cpuinfo; then
    expect 2 bench relu.onnx --dim n=2 --target=x86-64-v4
    says err target-foreign
fi

# A band of rows is one step of the profile, with the multiply-adds of all that is in it: 784 * (64 * 64 + 9 * 64 + 64 * 64).
expect 0 bench band.onnxtxt --target generic-c99 --optimize size --profile --repeat 2
awk '$2 == "band" && $5 > 0 { n = $3 * $5 / (784 * 8768e-6) } END { exit !(n > 0.7 && n < 1.4) }' out || fail "multiply-adds of a band"
expect 0 bench band.onnxtxt --target generic-c99 --optimize size --math fast --threads 2 --profile --repeat 2 --json=band.json
says band.json '"target":"generic-c99","optimize":"size","math":"fast","precision":"fp32","threads":2,"runs":' '"steps":[{"id":' '"kernel":"band","nodes":"' '"calls":1,"multiply_adds":6874112'
# What could not be written is said before anything is measured.
expect 5 bench band.onnxtxt --target generic-c99 --repeat 2 --json=nowhere/band.json
says err "can't write 'nowhere/band.json'"
! grep -q median out || fail "measured for nothing"

# A cache as state is filled from the input of that name: the same answer as with the cache among the inputs.
cat > cache.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
cache (float[1,2,1,8] k, float[1,2,p,8] past) => (float[1,2,t,1] y, float[1,2,t,8] present)
<int64[1] last = {3}, int64[4] shape = {1, 2, 1, 8}>
{
    present = Concat<axis = 2>(past, k)
    twice = Mul(present, present)
    y = ReduceSum<keepdims = 1>(twice, last)
}
END
expect 0 bench cache.onnxtxt --dim p=5 --state present=past --repeat 2
says err "input 'past' is pinned to 1x2x5x8"
# onnxruntime: sets that differ in time, strings, and an output of another shape than the model declares.
cat > words.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
words (int64[n] x) => (string[n] y) { y = ai.onnx.ml.LabelEncoder <keys_ints = [0, 1], values_strings = ["no", "yes"]> (x) }
END
cat > other.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
other (float[n,3] x) => (float[1] y) <int64[1] last = {1}> { y = ReduceSum <keepdims = 0> (x, last) }
END
python=${ONNXCC_PYTHON:-python3}
if "$python" -c 'import numpy, onnxruntime, onnx' 2>/dev/null; then
    for name in cache words other rounds; do expect 0 text $name.onnxtxt -o $name.onnx; done
    expect 0 bench words.onnx --dim n=4 --repeat 2 --against onnxruntime
    says out "; 0 of 4 strings differ" '"strings_differ":{"onnxruntime":0}'
    expect 0 bench other.onnx --dim n=4 --repeat 2 --against onnxruntime
    says out '"difference":{"onnxruntime":'
    expect 0 bench rounds.onnx --data turns --repeat 2 --against onnxruntime
    sed -n 's/.*"peers":{"onnxruntime":{"min":\([0-9.]*\),"median":\([0-9.]*\),.*/\1 \2/p' out > both
    awk '{ exit !($1 > $2 / 8) }' both || fail "the peer's shortest time is that of the short set"
    ONNXCC_PYTHON=$python expect 0 bench cache.onnx --dim p=5 --state present=past --repeat 2 --against onnxruntime
    tail -1 out > last
    grep -qE '"difference":\{"onnxruntime":(0|[0-9.]+e-0[78])\}' last || fail "neither equal nor a rounding apart"
fi
