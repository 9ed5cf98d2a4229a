# What the tests of generated code share. A test is `sh TEST ONNXCC SOURCE_DIR BINARY_DIR [PYTHON]`; it works in an empty folder below BINARY_DIR.
set -eu
onnxcc=$1 source=$2
test_name=$(basename "$0" .sh)
here=$source/tests/emit
sample=$source/samples/digits/digits.onnx
tiny=$source/../shared/corpus-tiny
work=$3/emit/$test_name
rm -rf "$work"
mkdir -p "$work"
cd "$work"

. "$source/tests/sanitizes.sh"
fail() { echo "FAILED: $*"; exit 1; }
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror"
compilers=
for compiler in gcc clang; do
    if command -v $compiler > /dev/null; then compilers="$compilers $compiler"; fi
done
[ -n "$compilers" ] || { echo "SKIPPED: neither gcc nor clang"; exit 77; }

# A second model, small and without weights, with two outputs.
cat > small.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
small (float[64,48] x) => (float[64,48] y, float[64] z) {
    y = Softmax(x)
    z = ReduceMax<axes = [1], keepdims = 0>(y)
}
END

# A product whose epilogue adds what it then writes over.
cat > residual.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
residual (float[4096,4] x) => (float[4096,4] y)
<float[4,4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2}>
{
    a = Softmax(x)
    r = Softmax<axis = 0>(x)
    m = MatMul(a, w)
    s = Add(m, r)
    y = Softmax(s)
}
END
