# CUDA: steps on strings run on the host, beside kernels. Emitted, built for the emulation and called as a program would.
. "$(dirname "$0")/lib.sh"
runtime=$(cd "$(dirname "$0")/../../runtime/cuda" && pwd)
cat > names.onnxtxt <<'EOT'
<ir_version: 8, opset_import: ["" : 17]>
names (int64[n] i, string[n] s) => (y, e, f)
<string[3] c = {"one", "", "three"}>
{
    j = Add(i, i)
    k = Sub(j, i)
    y = Gather(c, k)
    e = Equal(y, s)
    g = Cast<to=1>(e)
    h = Cast<to=1>(k)
    f = Mul(g, h)
}
EOT
expect 0 compile names.onnxtxt -o code --target=cuda --weights=pointer
grep -q 'void \*host_arena; /\* names_host_bytes bytes' code/names.h || fail "the header has no arena of the host"
grep -q '"host_arena": {"bytes": null' code/names.json || fail "nor has the manifest"
grep -q 'const void \*weights' code/names.h || fail "constants of a step of the host have no place in the inputs"
# Numbers are fused with numbers only: two kernels, and two steps that touch strings.
[ "$(grep -c 'OCC_KERNEL(' code/names.cu)" = 2 ] || fail "the kernels are not two"
expect 0 compile names.onnxtxt -o fixed --target=cuda --dim n=4
grep -q '#define NAMES_HOST_BYTES 192' fixed/names.h || fail "the size of the arena of the host"
expect 4 compile names.onnxtxt -o state --dim n=4 --state y=s
says err state-type "pointers into a run's memory"

command -v g++ > /dev/null || { echo "SKIPPED: the rest, because there is no g++"; exit 0; }
mkdir emulation
for f in "$runtime"/occ_*.cpp; do [ "$(basename "$f")" = occ_race.cpp ] || g++ -std=c++17 -O1 -DOCC_EMULATE -c "$f" -o "emulation/$(basename "$f").o" || fail "the emulation"; done
cat > program.cu <<'EOT'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onnxcc_device.h"
#include "names.h"
#define CHECK(c) do { if (!(c)) { printf("line %d: %s; %s\n", __LINE__, #c, message); return 1; } } while (0)
static char message[256];
static bool is(onnxcc_string s, const char *text) { return s.length == strlen(text) && !memcmp(s.data, text, s.length); }
int main(int, char **argv)
{
    static char weights[4096] __attribute__((aligned(64)));
    FILE *f = fopen(argv[1], "rb");
    const onnxcc_string s[4] = {{"three", 5}, {"x", 1}, {"one", 3}, {NULL, 0}};
    const int64_t i[4] = {2, 1, 0, -2};
    onnxcc_string y[4];
    uint8_t e[4];
    float product[4];
    onnxcc_env env = {};
    env.message = message;
    env.message_bytes = sizeof message;
    CHECK(f && fread(weights, 1, NAMES_WEIGHTS_BYTES, f) == NAMES_WEIGHTS_BYTES);
    names_inputs in = {};
    names_outputs out = {};
    in.i = i, in.s = s, in.n = 4;
    out.y = y, out.e = e, out.f = product;
    void *arena, *graph;
    CHECK(cudaMalloc(&arena, (size_t)names_arena_bytes(&in)) == cudaSuccess && names_upload(arena, weights, &env) == 0);
    CHECK(names_run(&in, &out, arena, &env) == ONNXCC_E_ARENA);
    in.host_arena = aligned_alloc(64, ((size_t)names_host_bytes(&in) / 64 + 1) * 64);
    CHECK(names_run(&in, &out, arena, &env) == ONNXCC_E_NULL);
    in.weights = weights;
    for (int turn = 0; turn < 2; turn++) {
        CHECK(names_run(&in, &out, arena, &env) == 0);
        CHECK(is(y[0], "three") && is(y[1], "") && is(y[2], "one") && is(y[3], ""));
        CHECK(e[0] && !e[1] && e[2] && e[3] && product[0] == 2 && product[1] == 0 && product[2] == 0 && product[3] == -2);
    }
    const int64_t outside[4] = {3, 0, 0, 0};
    in.i = outside;
    CHECK(names_run(&in, &out, arena, &env) == ONNXCC_E_INDEX);
    cudaStream_t stream;
    CHECK(cudaStreamCreate(&stream) == cudaSuccess);
    env.stream = stream;
    CHECK(names_capture(&in, &out, arena, &env, &graph) == ONNXCC_E_CAPTURE && strstr(message, "runs on the host"));
    return 0;
}
EOT
g++ -std=c++17 -Wall -Wextra -Wpedantic -Wno-unknown-pragmas -Wconversion -Wshadow -Werror -O1 -DOCC_EMULATE -Icode -I"$runtime" -x c++ -c code/names.cu -o names.o ||
    fail "the code has warnings"
g++ -std=c++17 -w -O1 -DOCC_EMULATE -Icode -I"$runtime" -x c++ program.cu -x none names.o emulation/*.o -o program || fail "the program does not build"
./program code/names_weights.bin || fail "the program"

# The program that chooses has both arenas.
expect 0 compile names.onnxtxt -o auto --target=auto --name=names
cat > main.c <<'EOT'
#include <stdio.h>
#include "names.h"
int main(void)
{
    const onnxcc_string s[1] = {{"three", 5}};
    const int64_t i[1] = {2};
    onnxcc_string y[1];
    uint8_t e[1];
    float f[1];
    names_inputs in = {.i = i, .s = s, .n = 1};
    names_outputs out = {.y = y, .e = e, .f = f};
    void *arena = names_arena_new(&in, NULL);
    if (!arena || names_run(&in, &out, arena, NULL) || y[0].length != 5 || !e[0] || f[0] != 2) return 1;
    names_arena_free(arena);
    puts(names_target());
    return 0;
}
EOT
for f in auto/names_cpu.c auto/names_cpu_weights.c auto/names_cuda_weights.c main.c; do gcc -std=c99 -O1 -march=native -w -Iauto -c $f -o $f.o || fail $f; done
g++ -std=c++17 -w -O1 -DOCC_EMULATE -Iauto -I"$runtime" -x c++ auto/names.cu auto/names_cuda.cu -x none main.c.o auto/*.o emulation/*.o -o chooses || fail "the program that chooses does not build"
[ "$(./chooses)" = cuda ] || fail "a device is there, but the program does not take it"
