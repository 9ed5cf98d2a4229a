#!/bin/sh
# library.sh COMPILER KIND SOURCE_DIR BINARY_DIR - builds the emulation's files: KIND is plain; asan, with AddressSanitizer and
# UndefinedBehaviorSanitizer; or ucontext, with the threads' switch as on processors that it has no assembly for. They become
# BINARY_DIR/cuda/KIND-COMPILER.a, which tests/cuda/compile.sh links. Exit 77: skipped, because there is no such compiler or no sanitizer.
set -eu
cxx=$1 kind=$2 source=$3 build=$4
command -v "$cxx" >/dev/null || { echo "SKIPPED: no $cxx"; exit 77; }
objects=$build/cuda/$kind-$cxx
case $kind in
asan)
    flags="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    . "$source/tests/sanitizes.sh"
    sanitizes "$cxx" "-fsanitize=address,undefined" || { echo "SKIPPED: $cxx has no sanitizers here"; exit 77; } ;;
ucontext) flags="-O2 -g1 -DOCC_UCONTEXT" ;;
*) flags="-O2 -g1" ;;
esac
mkdir -p "$objects"
for file in "$source"/runtime/cuda/occ_*.cpp; do
    # shellcheck disable=SC2086
    "$cxx" -std=c++17 $flags -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -c "$file" -o "$objects/$(basename "$file" .cpp).o"
done
rm -f "$build/cuda/$kind-$cxx.a"
ar rcs "$build/cuda/$kind-$cxx.a" "$objects"/*.o
