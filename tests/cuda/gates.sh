#!/bin/sh
# Static gates for generated CUDA: gates.sh ONNXCC SOURCE_DIR WORK_DIR [ARCH...]
#
# Compiles the generated code of small models with nvcc for every architecture and refuses warnings, spilled registers, stack frames (local memory),
# and kernels with more registers than the budget. The sample in all precisions; with PYTHON, a Python that has the onnx package, in the environment also
# models of tests/cuda/small.py. Exit code 77: there is no nvcc, or it does not know an ARCH.
set -eu
onnxcc=$1 source=$2 work=$3
shift 3
[ $# -gt 0 ] || set -- 75 80 86 89 90 100 120
nvcc=${CUDACXX:-nvcc}
command -v "$nvcc" > /dev/null || nvcc=/usr/local/cuda/bin/nvcc
command -v "$nvcc" > /dev/null || { echo "skipped: there is no nvcc"; exit 77; }
gencode=
for arch; do
    "$nvcc" --list-gpu-code | grep -qx "sm_$arch" || { echo "skipped: $nvcc does not know sm_$arch"; exit 77; }
    gencode="$gencode -gencode=arch=compute_$arch,code=sm_$arch"
done
mkdir -p "$work"
echo "* 168" > "$work/budgets" # three blocks of 128 threads on a processor
failed=0

# gate MODEL PRECISION...
gate() {
    model=$1 name=$(basename "$1")
    name=${name%.*}
    shift
    for precision; do
        folder=$work/$name-$precision
        "$onnxcc" compile "$model" -o "$folder" --target=cuda --gpu-precision="$precision" -q
        # shellcheck disable=SC2086
        "$nvcc" -std=c++17 -O3 --fmad=false -Xcompiler=-Wall,-Wextra -Xptxas=-v $gencode -c "$folder/$name.cu" -o "$folder/$name.o" > "$folder/log" 2>&1 ||
            { cat "$folder/log"; exit 1; }
        if grep -E 'warning' "$folder/log"; then failed=1; fi
        said=0
        sh "$source/tests/cuda/ptxas.sh" "$work/budgets" "$folder/log" > "$folder/judged" || said=1
        [ $said = 0 ] || { failed=1; grep FAILED "$folder/judged"; }
        awk -v what="$name, $precision" '/ registers of / { n++; if ($(NF - 3) > most) most = $(NF - 3) } END { print what ": " n " kernels, at most " most " registers" }' \
            "$folder/judged"
    done
}

gate "$source/samples/digits/digits.onnx" tf32x3 fp32 tf32 fp16 bf16
cat > "$work/strings.onnxtxt" <<'EOF'
<ir_version: 10, opset_import: ["" : 20]>
strings (string[n] s, float[n] x) => (y)
<string[2] c = {"one", "two"}>
{
    m = RegexFullMatch<pattern = "a.*">(s)
    i = Cast<to = 7>(m)
    g = Gather(c, i)
    e = Equal(g, s)
    f = Cast<to = 1>(e)
    y = Mul(f, x)
}
EOF
gate "$work/strings.onnxtxt" tf32x3
if "${PYTHON:-false}" "$source/tests/cuda/small.py" "$work" bert cnn lstm > "$work/python" 2>&1; then
    gate "$work/bert.onnx" tf32x3 fp16
    gate "$work/cnn.onnx" tf32x3
    gate "$work/lstm.onnx" tf32x3
else
    echo "the sample only: no Python with the onnx package"
fi
exit $failed
