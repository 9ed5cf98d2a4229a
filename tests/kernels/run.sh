#!/bin/sh
# run.sh COMPILER VL KERNEL SOURCE_DIR BINARY_DIR - compiles one kernel test for vectors of VL floats, with sanitizers, and runs it.
# VL is 1, 4, 8 or 16, or 8-vnni or 16-vnni with the instructions for products of bytes too, or 16-bf16 or 16-fp16 with
# those for bfloat16 or float16.
# Exit 77: skipped, because the machine lacks the instructions or the compiler.
set -eu
cc=$1 units=$2 kernel=$3 source=$4 build=$5
vl=${units%-*}

command -v "$cc" >/dev/null || { echo "SKIPPED: no $cc"; exit 77; }
has() { grep -qw "$1" /proc/cpuinfo; }
arch=
if [ "$(uname -m)" = x86_64 ]; then
    case $vl in
    8) [ "$units" = 8 ] || has avx512vl || { echo "SKIPPED: this CPU has no AVX-512"; exit 77; }
       has avx2 || { echo "SKIPPED: this CPU has no AVX2"; exit 77; }
       arch=-march=x86-64-v3
       [ "$units" = 8 ] || arch="$arch -mavx512vl" ;;
    16) has avx512bw || { echo "SKIPPED: this CPU has no AVX-512"; exit 77; }
        arch="-march=x86-64-v4 -mprefer-vector-width=512" ;;
    esac
    case $units in
    *-vnni) has avx512_vnni || { echo "SKIPPED: this CPU has no VNNI"; exit 77; }
            arch="$arch -mavx512vnni" ;;
    *-bf16) has avx512_bf16 || { echo "SKIPPED: this CPU has no products of bfloat16"; exit 77; }
            arch="$arch -mavx512bf16" ;;
    *-fp16) has avx512_fp16 || { echo "SKIPPED: this CPU has no products of float16"; exit 77; }
            arch="$arch -mavx512fp16" ;;
    esac
elif [ "$vl" -gt 4 ]; then
    echo "SKIPPED: vectors of $vl floats are x86 only"
    exit 77
fi
case $vl in # small register tiles: every remainder occurs, and the compiler is soon done
1) tile="-DMR=4 -DNV=3 -DMT=2 -DMC=8 -DRY=2 -DRX=2 -DRT=1" ;;
4) tile="-DMR=4 -DNV=2 -DMT=2 -DMC=8 -DRY=2 -DRX=3 -DRT=2" ;;
8) tile="-DMR=6 -DNV=2 -DMT=3 -DMC=12 -DRY=1 -DRX=4 -DRT=3" ;;
16) tile="-DMR=5 -DNV=2 -DMT=3 -DMC=10 -DRY=2 -DRX=3 -DRT=2" ;;
esac
case $kernel-$vl-$cc in
conv-1-gcc) ;;
conv-*|qconv-*|conv_half-*|conv_f16-*) tile="$tile -DKERNEL_OUTLINE" ;; # inlined copies of conv take a minute
esac
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
. "$source/tests/sanitizes.sh"
[ "$cc" != gcc ] || sanitize="$sanitize --param asan-use-after-return=0" # with it, vectors of 64 bytes are misplaced: gcc's bug 110027
sanitizes "$cc" "$sanitize" || { echo "without sanitizers: $cc has none here"; sanitize=; }
mkdir -p "$build/kernels"
out=$build/kernels/$kernel-$cc-$units
# shellcheck disable=SC2086
"$cc" -std=c99 -D_POSIX_C_SOURCE=200112L -O1 -g $arch -ffp-contract=off $sanitize \
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -DVL="$vl" $tile \
    -I"$source/templates" -I"$source/tests/kernels" "$source/tests/kernels/$kernel.c" -o "$out" -lm
exec "$out"
