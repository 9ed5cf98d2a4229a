#!/bin/sh
# gate.sh ARCH SOURCE_DIR BINARY_DIR - compiles every tests/cuda/*.cu but the mistakes for sm_ARCH and judges its kernels by tests/cuda/budgets.txt.
# Exit 77: skipped, because there is no nvcc (NVCC in the environment, or in PATH), or it does not know the ARCH.
set -eu
arch=$1 source=$2 build=$3
nvcc=${NVCC:-nvcc}
command -v "$nvcc" >/dev/null || { echo "SKIPPED: no nvcc"; exit 77; }
"$nvcc" --list-gpu-code | grep -qx "sm_$arch" || { echo "SKIPPED: $nvcc does not know sm_$arch"; exit 77; }
mkdir -p "$build/cuda"
failed=0
for file in "$source"/tests/cuda/*.cu; do
    [ "$(basename "$file")" != mistakes.cu ] || continue
    log=$build/cuda/$(basename "$file" .cu)-sm_$arch.log
    "$nvcc" -std=c++17 -arch="sm_$arch" -Xptxas -v -Werror all-warnings -I"$source/runtime/cuda" -I"$source/tests/cuda" -c "$file" -o "$log.o" >"$log" 2>&1 ||
        { grep -v '^ptxas info\|^    0 bytes' "$log"; exit 1; }
    sh "$source/tests/cuda/ptxas.sh" "$source/tests/cuda/budgets.txt" "$log" || failed=1
done
exit $failed
