# Devices and FIFOs: refused as inputs and as outputs, unread; nothing waits for the other end of a FIFO. What the caller's shell hands over is read.
. "$(dirname "$0")/lib.sh"
program=$onnxcc
onnxcc=soon
soon() { timeout 20 "$program" "$@"; }
mkfifo fifo
for place in fifo /dev/zero /dev/null; do
    for verb in check inspect text "compile -o out.c"; do
        expect 5 $verb $place
        says err "is not a regular file"
    done
done
mkfifo fifo.onnxtxt fifo.npy
expect 5 check fifo.onnxtxt
says err "is not a regular file"
expect 5 run relu.onnx x=fifo.npy
says err "can't read 'fifo.npy': is not a regular file"
expect 5 check @fifo
expect 5 check .
says err "is a directory"

for place in fifo /dev/full /dev/zero; do
    for verb in infer "convert --opset 16" optimize "prefix --prefix a"; do
        expect 5 $verb relu.onnx -o $place
        says err "can't write '$place': is not a regular file"
    done
done
ln -s /dev/zero link
expect 5 infer relu.onnx -o link
expect 5 check relu.onnx --json=fifo
mkdir out.d
mkfifo out.d/relu.c
expect 5 compile relu.onnx -o out.d
[ "$(ls out.d)" = relu.c ] || fail "a refused place left other files"
[ -p fifo ] && [ -p out.d/relu.c ] && [ -h link ] && [ -c /dev/zero ] || fail "something was replaced"

cat relu.onnx | expect 0 check /dev/stdin || exit 1
expect 0 check /dev/stdin < relu.onnx
(sleep 1; cat two.onnx) | expect 3 check /dev/stdin || exit 1
expect 5 check /dev/stdin < /dev/zero
