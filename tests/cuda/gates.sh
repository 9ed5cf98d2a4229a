#!/bin/sh
# Static gates for generated CUDA: gates.sh ONNXCC SOURCE_DIR WORK_DIR [ARCH...]
#
# Compiles the generated code of small models with nvcc for every architecture and refuses warnings, spilled registers, stack frames (local memory),
# and kernels with more registers than the budget. Exit code 77: there is no nvcc.
set -eu
onnxcc=$1 source=$2 work=$3
shift 3
[ $# -gt 0 ] || set -- 75 80 86 89 90 100 120
budget=168 # registers of a thread: three blocks of 128 threads on a processor
nvcc=${CUDACXX:-nvcc}
command -v "$nvcc" > /dev/null || nvcc=/usr/local/cuda/bin/nvcc
command -v "$nvcc" > /dev/null || { echo "skipped: there is no nvcc"; exit 77; }
mkdir -p "$work"

gencode=
for arch; do gencode="$gencode -gencode=arch=compute_$arch,code=sm_$arch"; done
failed=0
for precision in tf32x3 fp32 tf32 fp16 bf16; do
    folder=$work/$precision
    "$onnxcc" "$source/samples/digits/digits.onnx" -o "$folder" --target=cuda --gpu-precision=$precision -q
    # shellcheck disable=SC2086
    "$nvcc" -std=c++17 -O3 --fmad=false -Xcompiler=-Wall,-Wextra -Xptxas=-v $gencode -c "$folder/digits.cu" -o "$folder/digits.o" > "$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
    if grep -E 'warning' "$folder/log"; then failed=1; fi
    awk -v budget=$budget -v precision=$precision '
        /Compiling entry function/ { kernel = $0; sub(/.*function ./, "", kernel); sub(/. for/, " for", kernel); n++ }
        /bytes stack frame/ && !/ 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/ { print precision ": " kernel ": " $0; bad = 1 }
        /Used [0-9]+ registers/ { for (i = 1; i < NF; i++) if ($i == "Used") { if ($(i + 1) > most) most = $(i + 1); if ($(i + 1) > budget) { print precision ": " kernel ": " $(i + 1) " registers"; bad = 1 } } }
        END { print precision ": " n " kernels, at most " most " registers"; exit bad || !n }' "$folder/log" || failed=1
done
exit $failed
