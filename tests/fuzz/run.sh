#!/bin/sh
# The libFuzzer targets, built with clang and sanitizers in a folder of their own, SECONDS each.
#
#   sh tests/fuzz/run.sh [SECONDS [TARGET...]]        default: 120 seconds, all four
#   sh tests/fuzz/run.sh --build                      only builds them and gathers the seeds
#   sh tests/fuzz/run.sh --built SECONDS TARGET...    without that, for several at once
#
# Seeds are the kept cases, the models of the onnx package and those in samples/, for fuzz_parse the texts of the other tests. What is found stays in BUILD/found-TARGET/: a case worth
# keeping goes to tests/fuzz/cases/ with a name that says what it is. An input may take 2 seconds of a machine without sanitizers; with them, 10. ONNXCC_FUZZ_SEED: the random numbers are
# the same in each run. Exit code 77: no clang with libFuzzer.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${ONNXCC_FUZZ_BUILD:-$top/build-fuzz}
python=${ONNXCC_TEST_PYTHON:-$top/build/venv/bin/python}
step=
case ${1:-} in --*) step=$1; shift ;; esac
seconds=${1:-120}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- fuzz_load fuzz_parse fuzz_check fuzz_compile
probe=$(mktemp)
trap 'rm -f "$probe"' EXIT
echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n); int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return !p && n; }' |
    clang -x c -fsanitize=fuzzer,address - -o "$probe" 2> /dev/null || { echo "skipped: no clang with libFuzzer"; exit 77; }

seeds=$build/seeds texts=$build/seeds-text
if [ "$step" != --built ]; then
    cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER=clang -DCMAKE_C_FLAGS="-O1 -gline-tables-only -fsanitize=fuzzer-no-link" \
          -DONNXCC_SANITIZE=ON -DONNXCC_FUZZ=ON -DONNXCC_TEST_PYTHON="$python" > /dev/null
    cmake --build "$build" -j 2 --target "$@" > "$build/build.log" || { tail -20 "$build/build.log"; exit 1; }
    mkdir -p "$seeds" "$texts"
    "$python" "$top/tests/fuzz/mutants.py" --copy-seeds "$seeds" none || [ $? -eq 77 ]
    cp "$top"/tests/fuzz/cases/*.onnx "$top"/samples/*/*.onnx "$seeds"
    cp -R "$top"/tests/passes "$top"/tests/hostile/memory "$texts"
fi
[ "$step" != --build ] || exit 0

UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
ASAN_OPTIONS=detect_stack_use_after_return=0
export UBSAN_OPTIONS ASAN_OPTIONS
bad=0
for target; do
    from=$seeds
    [ "$target" != fuzz_parse ] || from=$texts
    mkdir -p "$build/corpus-$target" "$build/found-$target"
    if ! "$build/fuzz/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -seed="${ONNXCC_FUZZ_SEED:-0}" -print_final_stats=1 -verbosity=0 \
            -artifact_prefix="$build/found-$target/" "$build/corpus-$target" "$from" > "$build/$target.log" 2>&1; then
        bad=1
        grep -E -a 'ERROR|SUMMARY|runtime error|Test unit written|deadly signal' "$build/$target.log" || tail -20 "$build/$target.log"
    fi
    echo "$target: $(grep -a 'number_of_executed_units' "$build/$target.log" || echo 'no statistics')"
done
exit $bad
