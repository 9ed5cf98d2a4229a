# samples/custom: a model with operators of the user's, from model to answer with the built compiler:   custom.sh ONNXCC CMAKE
onnxcc=$1
cmake=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
sample=$top/samples/custom
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $1"; cat "$work/log"; exit 1; }
try() { "$@" > "$work/log" 2>&1 || fail "$*"; }

# A machine that has ninja only need not have make.
command -v make > /dev/null || export CMAKE_GENERATOR=Ninja
try "$cmake" -S "$sample" -B "$work/build" -DONNXCC="$onnxcc"
try "$cmake" --build "$work/build"
try "$work/build/despike"
cat "$work/log"
cat > "$work/expected" <<'END'
 0.00 0.05 0.10 0.20 0.25 0.30 0.30 0.35 0.40 0.45 0.50 0.50   1 limited
 0.00-0.50-0.50-0.50-0.50-0.50 0.00 0.50 0.50 0.50 0.50 0.50   6 limited
7 in all
END
cmp "$work/log" "$work/expected" || fail "the answer is another one"

# The same through the command line.
printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (float[1,5] y)\n<float[1,5] c = {0, 9, 0.5, 2, 2}>\n{\n    y = Identity(c)\n}\n' > "$work/x.onnxtxt"
try "$onnxcc" run "$work/x.onnxtxt" -o "$work/x.npy"
try "$onnxcc" run "$sample/despike.onnxtxt" --custom "$sample/operators.yaml" --custom-source "$sample/operators.c" "signal=$work/x.npy"
grep -q '^clean: float\[1,5\] = 0 0.25 0.5 0.5 0.5$' "$work/log" || fail "the answer of run is another one"
