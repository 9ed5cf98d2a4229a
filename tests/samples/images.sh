# samples/images: a model with ImageDecoder, from model to answer with the built compiler:   images.sh ONNXCC CMAKE
onnxcc=$1
cmake=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
sample=$top/samples/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $1"; cat "$work/log"; exit 1; }
try() { "$@" > "$work/log" 2>&1 || fail "$*"; }
look() { "$work/build/look" "$@" > "$work/log" 2>&1; }

# A machine that has ninja only need not have make.
command -v make > /dev/null || export CMAKE_GENERATOR=Ninja
try "$cmake" -S "$sample" -B "$work/build" -DONNXCC="$onnxcc"
try "$cmake" --build "$work/build"
look "$sample/flag.ppm" || fail "running"
cat "$work/log"
grep -q ': 6 x 4, mean colour 164.7 135.0 157.3$' "$work/log" || fail "another picture"
look "$sample/main.c"
grep -q 'no image, or a damaged one' "$work/log" || fail "a text was read as an image"
{ printf 'P5 2000 1000 255 '; head -c 2000000 /dev/zero; } > "$work/large.pgm"
look "$work/large.pgm" && fail "an image that is too large was read"
grep -q 'the image is too large' "$work/log" || fail "no message for an image that is too large"
printf 'RIFF1234WEBPVP8 ' > "$work/x.webp"
look "$work/x.webp" && fail "a format that is not there was read"
grep -q 'without WebP' "$work/log" || fail "no message for a format that is not there"
