#!/bin/sh
# run.sh COMPILER KIND PROGRAM SOURCE_DIR BINARY_DIR - compiles tests/cuda/PROGRAM.cu against the emulation and runs it in three orders of threads.
# KIND as in tests/cuda/library.sh, which has run. Exit 77: skipped.
set -eu
cxx=$1 kind=$2 program=$3 source=$4 build=$5
library=$build/cuda/$kind-$cxx.a
[ -e "$library" ] || { echo "SKIPPED: $kind-$cxx was not built"; exit 77; }
case $kind in
asan) flags="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined" ;;
*) flags="-O2 -g1" ;;
esac
out=$build/cuda/$program-$kind-$cxx
# shellcheck disable=SC2086
"$cxx" -std=c++17 $flags -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -DOCC_EMULATE -I"$source/runtime/cuda" \
    -I"$source/tests/cuda" -x c++ "$source/tests/cuda/$program.cu" -x none "$library" -o "$out"
for order in forward reverse random:1 random:2; do
    OCC_ORDER=$order OCC_STREAMS=lazy "$out" || { echo "failed with OCC_ORDER=$order"; exit 1; }
done
OCC_ORDER=forward "$out" || { echo "failed without OCC_STREAMS=lazy"; exit 1; }
