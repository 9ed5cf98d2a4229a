# samples/digits from model to answer with the built compiler, as samples/quickstart.sh does it:   digits.sh ONNXCC CMAKE
onnxcc=$1
cmake=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
sample=$top/samples/digits
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $1"; cat "$work/log"; exit 1; }
try() { "$@" > "$work/log" 2>&1 || fail "$*"; }

# A machine that has ninja only need not have make.
command -v make > /dev/null || export CMAKE_GENERATOR=Ninja
try "$cmake" -S "$sample" -B "$work/build" -DONNXCC="$onnxcc"
try "$cmake" --build "$work/build"
try "$work/build/digits" "$sample/digit.pgm"
cat "$work/log"
grep -q '^this is a 7 ([0-9.]*%)$' "$work/log" || fail "a 7 was not read as a 7"
[ "$(grep -c '^[ .:=+*#%@-]*$' "$work/log")" -eq 8 ] || fail "the picture is not drawn in 8 lines"

"$work/build/digits" "$sample/main.c" > "$work/log" 2>&1 && fail "a file that is no picture was read"
grep -q 'not a plain PGM file' "$work/log" || fail "no message for a file that is no picture"

# A new model makes new code, and an old one makes nothing.
try "$cmake" --build "$work/build" --verbose
grep -q 'onnxcc .*digits.onnx' "$work/log" && fail "the code was made again without need"

for target in native generic-c99; do
    try "$onnxcc" verify "$sample/digits.onnx" --target "$target" --inputs "$sample/inputs.npz" --expect "$sample/expected.npz" --rtol 1e-4
    cat "$work/log"
done
# One size at a time, too: the arena is then a constant.
try "$onnxcc" verify "$sample/digits.onnx" --dim batch=5 --inputs "$sample/inputs.npz" --expect "$sample/expected.npz" --rtol 1e-4
