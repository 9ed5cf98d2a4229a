# A program with a pool of threads, and one that decodes images, from an installed tree alone:   install.sh CMAKE BUILD
cmake=$1
build=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAILED: $1"; cat "$work/log"; exit 1; }
try() { "$@" > "$work/log" 2>&1 || fail "$*"; }

prefix=$work/prefix
try "$cmake" --install "$build" --prefix "$prefix"
cp "$top/samples/digits/digits.onnx" "$work" # the only thing that is not installed
cd "$work" || exit 1
cat > main.c <<'END'
#include <stdio.h>
#include "digits.h"
#include "onnxcc_threads.h"
static _Alignas(DIGITS_ARENA_ALIGN) char arena[DIGITS_ARENA_BYTES];
int main(void)
{
    static float picture[32 * 64], score[32 * 10];
    onnxcc_pool *pool = onnxcc_pool_new(2);
    if (!pool) return 1;
    const onnxcc_env env = {.parallel_for = onnxcc_parallel_for, .parallel_ctx = pool};
    const digits_inputs in = {.picture = picture};
    digits_outputs out = {.score = score};
    const int rc = digits_run(&in, &out, arena, &env);
    onnxcc_pool_free(pool);
    if (rc) return 2;
    float sum = 0;
    for (int i = 0; i < 10; i++) sum += score[i];
    return sum > 0.999f && sum < 1.001f ? 0 : 3;
}
END
try "$prefix/bin/onnxcc" digits.onnx -o model --dim batch=32 --threads 2 --weights=c
try "${CC:-cc}" -std=c11 -O1 -march=native -Imodel -I"$prefix/include" main.c model/*.c "$prefix/share/onnxcc/runtime/onnxcc_threads.c" -o program -lm -pthread
try ./program
try "${CC:-cc}" -std=c11 -O1 -Wall -I"$prefix/include" -c "$prefix/share/onnxcc/runtime/onnxcc_images.c" -o images.o
