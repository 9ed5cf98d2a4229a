#!/bin/sh
# For a machine with a GPU: tests and times of generated CUDA code, in about 8 minutes.   gpu.sh [WORK_DIR]
#
# Builds onnxcc if needed, runs the models of tests/cuda/small.py on the device, the sample (also under compute-sanitizer where it is installed), and
# tests/bench/gpu.py, whose table is the end. Whatever fails is said and the rest goes on; the exit code counts what failed. PYTHON names a Python with
# onnx and numpy, and torch, torchvision and transformers to be compared with; ONNXCC the compiler, CUDACXX nvcc.
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:-$top/build/gpu}
python=${PYTHON:-python3}
onnxcc=${ONNXCC:-$top/build/onnxcc}
failed=0
mkdir -p "$work"

# part SECONDS NAME COMMAND...
part() {
    seconds=$1 name=$2
    shift 2
    echo "## $name"
    timeout "$seconds" "$@" || { echo "FAILED: $name: exit code $?"; failed=$((failed + 1)); }
}

build() {
    [ -x "$onnxcc" ] || { cmake -S "$top" -B "$top/build" -DCMAKE_BUILD_TYPE=Release && cmake --build "$top/build" -j "$(nproc)" --target onnxcc; }
}
sample() {
    sh "$top/tests/samples/cuda.sh" "$onnxcc" cmake "$work/sample" "$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)"
}
watch() {
    command -v compute-sanitizer > /dev/null || { echo "compute-sanitizer is not installed: left out"; return 0; }
    compute-sanitizer --tool "$1" --error-exitcode 1 "$work/sample/build/digits_cuda" "$top/samples/digits/digit.pgm"
}

nvidia-smi --query-gpu=name,compute_cap,driver_version,clocks.max.sm,memory.total --format=csv || echo "nvidia-smi does not run"
build > "$work/build.log" 2>&1 || { tail -n 5 "$work/build.log"; echo "FAILED: onnxcc is not built"; exit 1; }
part 150 "models on the device" "$python" "$top/tests/cuda/models.py" "$onnxcc" --work "$work/models" --device --precision tf32x3 --precision fp32 --precision tf32
echo "## the sample"
sample || { echo "FAILED: the sample"; failed=$((failed + 1)); }
for tool in memcheck racecheck; do
    echo "## the sample under $tool"
    watch $tool || { echo "FAILED: $tool"; failed=$((failed + 1)); }
done
part 300 "times" "$python" "$top/tests/bench/gpu.py" "$onnxcc" --work "$work/bench"
exit $failed
