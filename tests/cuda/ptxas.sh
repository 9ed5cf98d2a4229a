#!/bin/sh
# ptxas.sh BUDGETS LOG - judges what `nvcc -Xptxas -v` said: fails on any spill, stack or local memory, and on more registers than a kernel's budget.
# BUDGETS has lines `KERNEL REGISTERS`, `*` for those not named; a KERNEL is part of the mangled name as in _Z4gemmPt...: 4gemm.
set -eu
awk '
FNR == NR { if ($1 != "" && $1 !~ /^#/) budget[$1] = $2; next }
/Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; arch = part[4]; kernels++ }
/bytes stack frame/ {
    sub(/^ptxas info *: */, "")
    if ($1 != 0) bad(kernel, $1 " bytes of stack")
    if ($5 != 0 || $9 != 0) bad(kernel, $5 " bytes of spill stores, " $9 " bytes of spill loads")
}
/ bytes lmem/ { for (i = 1; i < NF; i++) if ($(i + 1) ~ /^bytes/ && $(i + 2) ~ /^lmem/) bad(kernel, $i " bytes of local memory") }
/Used [0-9]+ registers/ {
    for (i = 1; i <= NF; i++) if ($i == "Used") used = $(i + 1)
    limit = budget["*"]
    for (name in budget) if (name != "*" && index(kernel, name)) limit = budget[name]
    if (limit == "") bad(kernel, "no budget of registers")
    else if (used + 0 > limit + 0) bad(kernel, used " registers, its budget is " limit)
    else print arch " " kernel ": " used " registers of " limit
}
function bad(kernel, what) { print "FAILED " arch " " kernel ": " what; failed = 1 }
END { if (!kernels) { print "FAILED: no kernels"; failed = 1 }; exit failed }
' "$1" "$2"
