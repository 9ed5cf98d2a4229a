#!/bin/sh
# Everything under AddressSanitizer and UndefinedBehaviorSanitizer, compiler and generated code, in a build folder of its own.
#
#   sh tests/nightly.sh [ctest arguments]        for example: sh tests/nightly.sh -L cli
#
# Takes gcc with libasan and what tests/run.sh installs (run that first; its Python with the onnx package is used, and without one the tests
# that need it are skipped by name), about 12 GB of disk, 2 GB of memory, and three to four hours on two processors.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${ONNXCC_BUILD:-$top/build-nightly}
python=${ONNXCC_TEST_PYTHON:-$top/build/venv/bin/python}

cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=gcc -DONNXCC_SANITIZE=ON -DONNXCC_TEST_SANITIZED=ON -DONNXCC_TEST_BACKEND_SUITE=ON -DONNXCC_FUZZ_SECONDS=0 \
      -DONNXCC_TEST_AUDIT=ON -DONNXCC_TEST_LARGE=ON -DONNXCC_TEST_PYTHON="$python"
cmake --build "$build" -j 2

# A child that runs a case leaves without looking for leaks; everything else does look.
ASAN_OPTIONS=${ASAN_OPTIONS:-print_legend=0:strict_string_checks=1:detect_stack_use_after_return=1}
UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
XDG_CACHE_HOME=${XDG_CACHE_HOME:-$build/cache}
export ASAN_OPTIONS UBSAN_OPTIONS XDG_CACHE_HOME
cd "$build"
failed=0
ctest --output-on-failure --timeout 7200 "$@" || failed=1
# Only what was asked for, when something was: else the whole sweep, two minutes of each fuzz target, and every allocation instead of some (without sanitizers, which have their own).
if [ $# -eq 0 ]; then
    "$python" "$top/tests/fuzz/sweep.py" "$build/fuzz/sweep" --newest --pairs 20 --found "$build/sweep-all" || [ $? -eq 77 ] || failed=1
    ONNXCC_TEST_PYTHON=$python sh "$top/tests/fuzz/run.sh" 120 || [ $? -eq 77 ] || failed=1
    plain=${ONNXCC_PLAIN_BUILD:-$top/build}
    if [ -x "$plain/onnxcc" ] && [ -e "$plain/tests/libfaults.so" ]; then
        python3 "$top/tests/hostile/faults.py" "$plain/onnxcc" "$plain/tests/libfaults.so" --most 0 --work "$build/faults" || failed=1
    fi
fi
exit $failed
