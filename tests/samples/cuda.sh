# samples/cuda built by its CMakeLists.txt with nvcc: it needs no library but libc and the loader.   cuda.sh ONNXCC CMAKE WORK_DIR [ARCH]
# That it answers right is seen without a device by tests/cuda/generated.sh; here only where there is one. Exit code 77: there is no nvcc.
set -eu
onnxcc=$1 cmake=$2 work=$3 arch=${4:-80}
top=$(cd "$(dirname "$0")/../.." && pwd)
nvcc=${CUDACXX:-nvcc}
command -v "$nvcc" > /dev/null || nvcc=/usr/local/cuda/bin/nvcc
command -v "$nvcc" > /dev/null || { echo "skipped: there is no nvcc"; exit 77; }
command -v make > /dev/null || export CMAKE_GENERATOR=Ninja
mkdir -p "$work"
fail() { echo "FAILED: $1"; cat "$work/log"; exit 1; }
"$cmake" -S "$top/samples/cuda" -B "$work/build" -DONNXCC="$onnxcc" -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="$arch" > "$work/log" 2>&1 || fail configuring
"$cmake" --build "$work/build" > "$work/log" 2>&1 || fail building
program=$work/build/digits_cuda
readelf -d "$program" > "$work/log"
sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/log" > "$work/needed"
if grep -v '^libc\.so\.\|^ld-linux' "$work/needed"; then fail "the sample needs more than libc and the loader"; fi
[ -e /dev/nvidia0 ] || { echo "linked; there is no device to run it on"; exit 0; }
"$program" "$top/samples/digits/digit.pgm" > "$work/log" 2>&1 || fail running
[ "$(grep -c 'picture 1 is a 7' "$work/log")" = 2 ] || fail "not a 7 for run and for graph"
