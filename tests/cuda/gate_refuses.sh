#!/bin/sh
# gate_refuses.sh SOURCE_DIR - tests/cuda/ptxas.sh fails on what it is to refuse: reports as ptxas writes them, and its own where there is nvcc.
set -eu
source=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
printf '4gemm 96\n* 64\n' >"$folder/budgets"

# judge TEXT: what the gate says of the report in $folder/log has TEXT; empty: it passes.
judge() {
    said=$(sh "$source/tests/cuda/ptxas.sh" "$folder/budgets" "$folder/log") && status=0 || status=1
    if [ -z "$1" ] && [ $status = 0 ]; then return; fi
    if [ -n "$1" ] && [ $status = 1 ] && printf '%s\n' "$said" | grep -qF "$1"; then return; fi
    printf 'wanted "%s", status %s and:\n%s\n' "$1" $status "$said"
    failed=1
}
# report STACK STORES LOADS REGISTERS [REST]
report() {
    cat >"$folder/log" <<END
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4gemmPtS_' for 'sm_80'
ptxas info    : Function properties for _Z4gemmPtS_
    $1 bytes stack frame, $2 bytes spill stores, $3 bytes spill loads
ptxas info    : Used $4 registers, used 1 barriers,${5:-} 372 bytes cmem[0]
END
}
report 0 0 0 96 && judge ""
report 0 0 0 97 && judge "FAILED sm_80 _Z4gemmPtS_: 97 registers, its budget is 96"
report 8 0 0 40 && judge "8 bytes of stack"
report 0 4 0 40 && judge "4 bytes of spill stores, 0 bytes of spill loads"
report 0 0 12 40 && judge "0 bytes of spill stores, 12 bytes of spill loads"
report 0 0 0 40 " 16 bytes lmem," && judge "16 bytes of local memory"
: >"$folder/log" && judge "no kernels"

if command -v "${NVCC:-nvcc}" >/dev/null; then
    cat >"$folder/local.cu" <<'END'
__global__ void gemm(float *y, const int *at)
{
    float a[64];
    for (int i = 0; i < 64; i++) a[i] = y[i];
    for (int i = 0; i < 64; i++) a[at[i]] += y[i]; /* indices that are not known put the array into local memory */
    for (int i = 0; i < 64; i++) y[i] = a[i];
}
END
    "${NVCC:-nvcc}" -arch=sm_80 -Xptxas -v -c "$folder/local.cu" -o "$folder/local.o" >"$folder/log" 2>&1
    judge "bytes of stack"
fi
exit $failed
