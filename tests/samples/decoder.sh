# samples/decoder from nothing to tokens:   decoder.sh ONNXCC CMAKE PYTHON
# Both programs have to go on with a text as onnxruntime does where it is installed. Exit code 77: no Python with numpy and onnx, which make.py needs.
onnxcc=$1
cmake=$2
python=${3:-python3}
top=$(cd "$(dirname "$0")/../.." && pwd)
"$python" -c 'import numpy, onnx' 2> /dev/null || { echo "SKIPPED: $python has no numpy or onnx"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $1"; cat "$work/log"; exit 1; }
try() { "$@" > "$work/log" 2>&1 || fail "$*"; }

# A machine that has ninja only need not have make.
command -v make > /dev/null || export CMAKE_GENERATOR=Ninja
refused() { # TEXT OPTION...
    text=$1
    shift
    "$cmake" -S "$top/samples/decoder" -B "$work/none" "$@" > "$work/log" 2>&1 && fail "configured with $*"
    tr -s ' \n' '  ' < "$work/log" | grep -qF "$text" || fail "does not say: $text"
    rm -rf "$work/none"
}
refused "There is no compiler $work/onnxcc: build onnxcc first" -DONNXCC="$work/onnxcc" -DPYTHON="$python"
printf '#!/bin/sh\nexit 1\n' > "$work/python"
chmod +x "$work/python"
ONNXCC_PYTHON=$work/python refused "$work/python has no numpy or no onnx" -DONNXCC="$onnxcc"
python=$(command -v "$python")
ONNXCC_PYTHON=$python
export ONNXCC_PYTHON
try "$cmake" -S "$top/samples/decoder" -B "$work/build" -DONNXCC="$onnxcc"
grep -q "^PYTHON:FILEPATH=$python$" "$work/build/CMakeCache.txt" || fail "ONNXCC_PYTHON was not looked at"
try "$cmake" --build "$work/build"
for kind in gpt2 llama; do
    grep -q 'memcpy([^;]*in->state' "$work/build/${kind}_model/decoder.c" && fail "$kind: a cache is copied"
    grep -q nbits_int8 "$work/build/${kind}_model/decoder.c" || fail "$kind: weights are not of 4 bits"
    try "$work/build/$kind" -n 24 11 22 33
    cp "$work/log" "$work/$kind.tokens"
    echo "$kind: $(cat "$work/log")"
    [ "$(wc -w < "$work/log")" -eq 24 ] || fail "$kind: not 24 tokens"
    for word in 300 foo 2x -h; do "$work/build/$kind" 1 $word > "$work/log" 2>&1 && fail "$kind: a token that is none was taken: $word"; done
    "$work/build/$kind" -n 127 1 2 > "$work/log" 2>&1 || fail "$kind: a text of the full length"
    "$work/build/$kind" -n 128 1 2 > "$work/log" 2>&1 && fail "$kind: a text that is too long was taken"
done
"$python" -c 'import onnxruntime' 2> /dev/null || { echo "not compared: no onnxruntime"; exit 0; }
for kind in gpt2 llama; do
    try "$python" "$top/tests/samples/decoder.py" "$work/build/$kind.onnx" "$work/$kind.tokens" 11 22 33
    cat "$work/log"
done
