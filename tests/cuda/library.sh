#!/bin/sh
# library.sh COMPILER KIND SOURCE_DIR BINARY_DIR - builds the emulation's files: KIND is plain, or asan with AddressSanitizer and UndefinedBehaviorSanitizer.
# (race needs no files of its own: those of plain). They become BINARY_DIR/cuda/KIND-COMPILER.a, which tests/cuda/run.sh links. Exit 77: skipped, because there is no such compiler or no sanitizer.
set -eu
cxx=$1 kind=$2 source=$3 build=$4
command -v "$cxx" >/dev/null || { echo "SKIPPED: no $cxx"; exit 77; }
objects=$build/cuda/$kind-$cxx
flags="-O2 -g1"
if [ "$kind" = asan ]; then
    flags="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    . "$source/tests/sanitizes.sh"
    sanitizes "$cxx" "-fsanitize=address,undefined" || { echo "SKIPPED: $cxx has no sanitizers here"; exit 77; }
fi
mkdir -p "$objects"
for file in "$source"/runtime/cuda/occ_*.cpp; do
    # shellcheck disable=SC2086
    "$cxx" -std=c++17 $flags -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -c "$file" -o "$objects/$(basename "$file" .cpp).o"
done
rm -f "$build/cuda/$kind-$cxx.a"
ar rcs "$build/cuda/$kind-$cxx.a" "$objects"/*.o
