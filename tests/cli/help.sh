# Help, version, completion and wrong use.
. "$(dirname "$0")/lib.sh"
expect 0 --version
says out "onnxcc "
expect 0 --help
says out "compile" "verify" "exit codes:"
expect 0 verify --help
says out "--cases=DIR" "--quiet"
# where sets of inputs come from, in the verb's own help
for verb in run bench; do
    expect 0 $verb --help
    says out "--data=PATH" "a folder with .npz files, with .npy files (of a model with several inputs: folders with INPUT.npy), or with test_data_set_K/input_N.pb"
done
says out "runs take them in turns"
! grep -q "the outputs of each go to" out || fail "bench --help has what is for run"
expect 0 --help=man
says out ".TH ONNXCC 1" "\\-\\-depfile"
expect 0 --help=bash
bash -n out 2> err || fail "the completion is not bash"
expect 0 ops relu
says out "LeakyRelu" "Relu "
expect 0 ops QLINEARsig ai.onnx.PREVIEW
says out "QLinearSigmoid" "FlexAttention"
expect 4 ops Relux
says err "op-unknown"
# Operators that become others are in the list, with their versions; what is resolved while compiling, too.
expect 0 ops --json upsample negativeloglikelihoodloss SwiGLU sequenceat ZipMap
says out '"operator":"Upsample","versions":[1,7,9],"how":"parts"' '"operator":"NegativeLogLikelihoodLoss","versions":[12,13,22],"how":"parts"' \
    '"operator":"SwiGLU","versions":[28],"how":"body"' '"operator":"SequenceAt","versions":[11],"how":"resolved"' '"targets":["c","cuda"]' '"operator":"ZipMap","versions":[1],"how":"resolved"'
expect 2 verify relu.onnx --input x.pb --expect y.pb
says err "'verify' has no option --input" "hint: 'verify' has --inputs"
expect 2 verify relu.onnx --inputs x.pb --expected y.pb
says err "there is no option '--expected'" "hint: 'verify' has --expect"
expect 2 run relu.onnx --inputs=x.pb
says err "hint: 'run' has --input"
expect 2 run relu.onnx --against onnxruntime
says err "it is an option of \`onnxcc bench\`"
expect 0 doctor --json
says out '{"what":"C compiler","ok":true'
expect 0 --list-targets
says out "native"
expect 2
says err "nothing to do"
expect 2 fly
says err "no verb 'fly'"
expect 2 bnech relu.onnx
says err "no verb 'bnech'" "hint: did you mean 'bench'?"
expect 2 ./relu.onx -o out.d
says err "no verb './relu.onx'" "hint: names of models end in .onnx or .onnxtxt where the verb is left out"
expect 2 compile relu.onnx
says err "-o DIR"
expect 2 compile relu.onnx -o out.d --weights=heavy
says err "auto|c|incbin"
expect 2 check relu.onnx --repeat=2
expect 5 check missing.onnx
expect 2 compile relu.onnx -o d --dim n=5..2
NO_COLOR= expect 2 fly --color=always
grep -q "$(printf '\033')" err || fail "no colour"
expect 2 fly --color=never
grep -q "$(printf '\033')" err && fail "colour" || true

# Of an option with one value the last one counts, whatever it is; what is about one thing twice is no such option, and may not contradict itself.
expect 0 --help
says out 'Of an option that takes one value, the last one given counts.'
expect 0 --help=man
says out 'the last one given counts'
expect 0 compile relu.onnx -o other -o last --name other --name last --math=fast --math=strict --threads 2 --threads 1 --dim n=2
[ ! -e other ] || fail "the first -o counts"
says last/last.c ' --math=strict ' ' --threads=1'
expect 2 compile relu.onnx -o last --dim n=2 --dim n=3
