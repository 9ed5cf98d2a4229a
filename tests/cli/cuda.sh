# --target=cuda and --target=auto: the files, the options, and programs that use the generated functions (under the emulation of runtime/cuda).
. "$(dirname "$0")/lib.sh"
runtime=$(cd "$(dirname "$0")/../../runtime/cuda" && pwd)
cat > net.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
net (float[n,8] x, int64[2] rows) => (float[2,8] y)
<float[8,8] w = {1,0,0,0,0,0,0,0, 0,1,0,0,0,0,0,0, 0,0,1,0,0,0,0,0, 0,0,0,1,0,0,0,0, 0,0,0,0,1,0,0,0, 0,0,0,0,0,1,0,0, 0,0,0,0,0,0,1,0, 0,0,0,0,0,0,0,1}>
{
    a = MatMul(x, w)
    y = Gather<axis = 0>(a, rows)
}
EOF
cat > choice.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
choice (float[4] x) => (float[4] y)
{
    s = ReduceSum<keepdims = 0>(x)
    zero = Constant<value_float = 0.0>()
    c = Greater(s, zero)
    y = If(c) <then_branch = t () => (float[4] p) { p = Neg(x) }, else_branch = f () => (float[4] q) { q = Abs(x) }>
}
EOF

# The files, the same each time.
expect 0 compile net.onnxtxt -o one --target=cuda --gpu-arch=sm_80,sm_90a
expect 0 compile net.onnxtxt -o two --target=cuda --gpu-arch=sm_80 --gpu-arch=sm_90a
cmp one/net.cu two/net.cu && cmp one/CMakeLists.txt two/CMakeLists.txt || fail "two runs write different files"
grep -q 'CMAKE_CUDA_ARCHITECTURES "80;90a"' one/CMakeLists.txt || fail "--gpu-arch is not in CMakeLists.txt"
grep -qF ' * options --optimize=balanced --math=default --gpu-precision=tf32x3' one/net.h || fail "the header does not say the modes"
grep -q '"syncs": 0' one/net.json || fail "the manifest does not say that nothing is waited for"
expect 0 compile choice.onnxtxt -o choice --target=cuda
grep -q '"syncs": 1' choice/choice.json || fail "the manifest does not count the condition of the If"

# Wrong uses.
expect 2 compile net.onnxtxt -o bad --target=cuda --gpu-arch=sm_70
expect 2 compile net.onnxtxt -o bad --target=cuda --gpu-arch=80
expect 2 compile net.onnxtxt -o bad --target=cuda --gpu-precision=fp8
expect 2 compile net.onnxtxt -o bad --target=auto --weights=file
expect 2 bench net.onnxtxt --dim n=3 --emulate
expect 2 bench net.onnxtxt --dim n=3 --target=auto
[ ! -e bad ] || fail "a refused compilation left files"

# The headers are C.
printf '#include "net.h"\nint main(void) { return NET_ARENA_ALIGN != 256; }\n' > header.c
for cc in gcc clang; do
    command -v $cc > /dev/null || continue
    $cc -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Ione header.c -o header && ./header || fail "$cc does not take net.h"
done

command -v g++ > /dev/null || { echo "SKIPPED: the rest, because there is no g++"; exit 0; }
mkdir emulation
for f in "$runtime"/occ_*.cpp; do [ "$(basename "$f")" = occ_race.cpp ] || g++ -std=c++17 -O1 -DOCC_EMULATE -c "$f" -o "emulation/$(basename "$f").o" || fail "the emulation"; done
weights() { for f in "$@"; do case $f in *.c) gcc -std=c99 -O1 -march=native -w -I"$(dirname "$f")" -c "$f" -o "$f.o" || fail "$f" ;; esac; done; }
weights one/net_weights.c
cat > program.cu <<'EOF'
#include <stdio.h>
#include <string.h>
#include "onnxcc_device.h"
#include "net.h"
#include "choice.h"
#define CHECK(c) do { if (!(c)) { printf("line %d: %s; %s\n", __LINE__, #c, message); return 1; } } while (0)
static char message[256];
int main(void)
{
    float x[3 * 8], y[16], a[4] = {-1, 2, 3, -5}, b[4];
    int64_t rows[2] = {2, -3};
    for (int i = 0; i < 24; i++) x[i] = (float)i;
    onnxcc_env env = {};
    env.message = message;
    env.message_bytes = sizeof message;
    net_inputs in = {};
    net_outputs out = {};
    in.n = 3;
    in.x = x;
    in.rows = rows;
    out.y = y;
    const int64_t bytes = net_arena_bytes(&in);
    void *arena, *other, *graph;
    float *dx, *dy;
    int64_t *drows;
    CHECK(bytes > 0 && cudaMalloc(&arena, (size_t)bytes) == cudaSuccess && cudaMalloc(&other, CHOICE_ARENA_BYTES) == cudaSuccess);
    CHECK(cudaMalloc((void **)&dx, sizeof x) == cudaSuccess && cudaMalloc((void **)&dy, sizeof y) == cudaSuccess && cudaMalloc((void **)&drows, sizeof rows) == cudaSuccess);
    CHECK(net_upload(arena, NULL, &env) == 0);
    CHECK(net_run(&in, &out, arena, &env) == 0 && !memcmp(y, x + 16, 32) && !memcmp(y + 8, x, 32));
    /* What is wrong with the arguments. */
    CHECK(net_run(&in, &out, NULL, &env) == ONNXCC_E_ARENA && net_run(NULL, &out, arena, &env) == ONNXCC_E_NULL);
    CHECK(net_enqueue(&in, &out, (char *)arena + 16, &env) == ONNXCC_E_ARENA);
    in.n = 0;
    CHECK(net_run(&in, &out, arena, &env) == ONNXCC_E_DIM);
    in.n = 3;
    rows[1] = 3; /* outside */
    CHECK(net_run(&in, &out, arena, &env) == ONNXCC_E_INDEX);
    rows[1] = 1;
    CHECK(net_run(&in, &out, arena, &env) == 0 && !memcmp(y + 8, x + 8, 32)); /* the status is the run's own */
    /* On the device. */
    net_inputs din = in;
    net_outputs dout = out;
    din.x = dx;
    din.rows = drows;
    dout.y = dy;
    CHECK(cudaMemcpy(dx, x, sizeof x, cudaMemcpyHostToDevice) == cudaSuccess && cudaMemcpy(drows, rows, sizeof rows, cudaMemcpyHostToDevice) == cudaSuccess);
    CHECK(net_enqueue(&din, &dout, arena, &env) == 0 && cudaMemcpy(y, dy, sizeof y, cudaMemcpyDeviceToHost) == cudaSuccess && !memcmp(y, x + 16, 32));
    din.x = dx + 1;
    CHECK(net_enqueue(&din, &dout, arena, &env) == ONNXCC_E_ALIGN);
    /* A condition that the device computes: right, and no graph. */
    choice_inputs cin = {};
    choice_outputs cout = {};
    cin.x = a;
    cout.y = b;
    CHECK(choice_upload(other, NULL, &env) == 0 && choice_run(&cin, &cout, other, &env) == 0 && b[0] == 1 && b[3] == 5);
    a[3] = 5;
    CHECK(choice_run(&cin, &cout, other, &env) == 0 && b[0] == 1 && b[3] == -5);
    cudaStream_t stream;
    CHECK(cudaStreamCreate(&stream) == cudaSuccess);
    CHECK(choice_capture(&cin, &cout, other, &env, &graph) == ONNXCC_E_CAPTURE && strstr(message, ": If"));
    env.stream = stream;
    din.x = dx;
    CHECK(net_capture(&din, &dout, arena, &env, &graph) == 0);
    CHECK(cudaMemset(dy, 0, sizeof y) == cudaSuccess && cudaGraphLaunch((cudaGraphExec_t)graph, stream) == cudaSuccess && cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(cudaMemcpy(y, dy, sizeof y, cudaMemcpyDeviceToHost) == cudaSuccess && !memcmp(y, x + 16, 32));
    return 0;
}
EOF
g++ -std=c++17 -w -O1 -DOCC_EMULATE -Ione -Ichoice -I"$runtime" -x c++ program.cu one/net.cu choice/choice.cu -x none one/net_weights.c.o emulation/*.o -o program || fail "the program does not build"
./program || fail "the program"

# A program that chooses.
expect 0 compile net.onnxtxt -o auto --target=auto --name=net
cat > main.c <<'EOF'
#include <stdio.h>
#include <string.h>
#include "net.h"
int main(void)
{
    float x[24], y[16];
    const int64_t rows[2] = {1, 0};
    for (int i = 0; i < 24; i++) x[i] = (float)i;
    net_inputs in;
    net_outputs out;
    in.n = 3, in.x = x, in.rows = rows, out.y = y;
    void *arena = net_arena_new(&in, NULL);
    if (!arena || net_run(&in, &out, arena, NULL) || memcmp(y, x + 8, 32) || memcmp(y + 8, x, 32)) return 1;
    net_arena_free(arena);
    puts(net_target());
    return 0;
}
EOF
weights auto/net_cpu.c auto/net_cpu_weights.c auto/net_cuda_weights.c
gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -Iauto -c main.c -o main.o || fail "net.h of --target=auto is no C"
g++ -std=c++17 -w -O1 -DOCC_EMULATE -Iauto -I"$runtime" -x c++ auto/net.cu auto/net_cuda.cu -x none main.o auto/*.o emulation/*.o -o chooses || fail "the program that chooses does not build"
[ "$(./chooses)" = cuda ] || fail "a device is there, but the program does not take it"
# Without one: the same with a runtime that finds none.
g++ -std=c++17 -w -O1 -DOCC_EMULATE '-DcudaGetDeviceCount(n)=(*(n) = 0, cudaErrorNoDevice)' -Iauto -I"$runtime" -x c++ auto/net.cu -c -o alone.o 2> log || true
if [ -e alone.o ]; then
    g++ -std=c++17 -w -O1 -DOCC_EMULATE -Iauto -I"$runtime" -x c++ auto/net_cuda.cu -x none alone.o main.o auto/*.o emulation/*.o -o alone || fail "the program without a device does not build"
    case $(./alone) in cuda | "") fail "there is no device, but the program takes it" ;; esac
fi
