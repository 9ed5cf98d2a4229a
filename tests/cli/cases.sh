# verify --cases: every kind of result, tolerances of case.json, the cache.
. "$(dirname "$0")/lib.sh"
case_of() {
    mkdir -p "cases/$1/test_data_set_0"
    cp "$2" "cases/$1/model.onnx"
    cp x.pb "cases/$1/test_data_set_0/input_0.pb"
    cp "$3" "cases/$1/test_data_set_0/output_0.pb"
}
case_of good relu.onnx y.pb
case_of deep/down/good relu.onnx y.pb
case_of differs relu.onnx wrong.pb
case_of loose relu.onnx wrong.pb
echo '{"rtol": 0.001, "atol": 2.0}' > cases/loose/case.json
case_of random relu.onnx wrong.pb
echo '{"random": true}' > cases/random/case.json
case_of invalid two.onnx y.pb
case_of unknown custom.onnx y.pb
expect 1 verify --cases cases --jobs 2 --json results.jsonl
[ "$(tail -1 out)" = "4 passed, 2 failed, 1 skipped" ] || fail "wrong sums"
says results.jsonl '{"case":"deep/down/good","result":"pass","reason":""}' '{"case":"unknown","result":"unsupported"' '{"case":"differs","result":"fail"' \
    '{"case":"invalid","result":"error"'
[ "$(wc -l < results.jsonl)" -eq 7 ] || fail "not one line a case"
[ "$(find cache -name '*.so' | wc -l)" -eq 1 ] || fail "the library is not in the cache"
CC=false expect 1 verify --cases cases --only good
says out "the C compiler"
expect 0 verify --cases cases --only good
[ "$(tail -1 out)" = "2 passed, 0 failed, 0 skipped" ] || fail "wrong sums"
expect 5 verify --cases nowhere
# verify: nothing to compare with, or an output that the model has not, is no success.
printf '<ir_version: 8, opset_import: ["" : 17]>\ng (float[2] x) => (float[2] y)\n{\n    y = Neg(x)\n}\n' > neg.onnxtxt
printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (float[2] x)\n<float[2] c = {1, 2}>\n{\n    x = Identity(c)\n}\n' > in.onnxtxt
expect 0 run in.onnxtxt -o in.npz
expect 2 verify neg.onnxtxt --inputs in.npz --expect in.npz
says out "the model has no output for 'x'"
