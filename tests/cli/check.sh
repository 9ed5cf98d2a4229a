# check, inspect, ops, text, doctor.
. "$(dirname "$0")/lib.sh"
expect 0 check relu.onnx custom.onnx
says out "relu.onnx: ok"
expect 0 check --full relu.onnx
expect 3 check relu.onnx two.onnx --json
says out '{"file":"relu.onnx","ok":true,"errors":[]}' '"code":"node-inputs"'
expect 3 check x.pb
expect 0 inspect relu.onnx
says out "float[n,3]" "Relu"
expect 0 inspect relu.onnx --json
says out '"operators":{"Relu":1}'
expect 0 inspect relu.onnx --after
says out "steps"
expect 0 ops Relu
says out "LeakyRelu"
expect 0 text relu.onnx
says out "Relu"
expect 0 doctor
says out "C compiler"
