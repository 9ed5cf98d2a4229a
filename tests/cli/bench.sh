# bench: the last line is the JSON that scripts read; a missing engine is said, not fatal.
. "$(dirname "$0")/lib.sh"
expect 0 bench relu.onnx --dim n=4 --repeat 3
tail -1 out > last
says last '"model":"relu.onnx","threads":1,"ms":{"min":' '"p99":' '"peers":{}'
says err "input 'x' is pinned to 4x3"
expect 0 bench relu.onnx --input x.pb --repeat 2 --threads 2
says err "pinned to 2x3"
ONNXCC_PYTHON=false expect 0 bench relu.onnx --repeat 2 --against onnxruntime
says err "onnxruntime can't be measured"
expect 2 bench relu.onnx --against nobody
