#!/bin/sh
# run.sh COMPILER KIND PROGRAM SOURCE_DIR BINARY_DIR - compiles tests/cuda/PROGRAM.cu against the emulation and runs it in every order of threads.
# KIND as in tests/cuda/compile.sh. Exit 77: skipped.
set -eu
cxx=$1 kind=$2 name=$3 source=$4 build=$5
. "$source/tests/cuda/compile.sh"
compile "$name" "$build/cuda/$name-$kind-$cxx"
for order in forward reverse random:1 random:2; do
    # shellcheck disable=SC2086
    OCC_ORDER=$order OCC_STREAMS=lazy $run "$out" || { echo "failed with OCC_ORDER=$order"; exit 1; }
done
# shellcheck disable=SC2086
OCC_ORDER=forward $run "$out" || { echo "failed without OCC_STREAMS=lazy"; exit 1; }
