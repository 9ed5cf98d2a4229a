#!/usr/bin/env python3
"""Times of generated CUDA code, as CUDA graphs, against PyTorch, as a Markdown table.

    gpu.py ONNXCC [--work DIR] [--corpus DIR] [--batch N]... [--precision P]... [--seconds S] [--model FILE]... [--emulate]

ResNet50, MobileNetV2 and BERT-base (128 tokens) with random weights: exported from torchvision and transformers where these are installed, else from the
corpus beside the repository, else (MobileNetV2 and BERT) from tests/cuda/small.py. PyTorch runs what was exported: eager in a CUDA graph, and compiled
with max-autotune. Floors: the bytes that the steps read and write by the bandwidth of a copy, and twice the multiply-adds by the rate of a large product
(of PyTorch, in tf32, where it is there). --model: these files instead. --emulate: try the program without a GPU; its times mean nothing.
What fails is said in its place of the table."""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time

import onnx

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TOKENS = 128

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "%(name)s.h"
#include "onnxcc_device.h"
static void check(int code, const char *what) { if (code) { fprintf(stderr, "%%s: %%d\n", what, code); exit(1); } }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
static void *device(size_t bytes, int kind) /* kind 0: floats, 1: ones of 8 bytes, 2: zeros */
{
    void *p = NULL;
    char *host = (char *)calloc(bytes + 8, 1);
    check(cudaMalloc(&p, bytes ? bytes : 1), "cudaMalloc");
    for (size_t i = 0; kind == 0 && i < bytes / 4; i++) ((float *)(void *)host)[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    for (size_t i = 0; kind == 1 && i < bytes / 8; i++) ((long long *)(void *)host)[i] = 1;
    check(cudaMemcpy(p, host, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
    free(host);
    return p;
}
int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 1;
    cudaStream_t stream;
    void *arena, *graph;
    char message[256] = "";
    onnxcc_env env = {};
    check(cudaStreamCreate(&stream), "stream");
    env.stream = stream, env.message = message, env.message_bytes = sizeof message;
    %(name)s_inputs in = {};
    %(name)s_outputs out = {};
%(tensors)s
    check(cudaMalloc(&arena, %(arena)d), "arena");
    check(%(name)s_upload(arena, NULL, &env), "upload");
    const int code = %(name)s_capture(&in, &out, arena, &env, &graph);
    if (code) return fprintf(stderr, "capture: %%d %%s\n", code, message), 1;
    double least = 1e30, sum = 0, begin = now();
    int rounds = 0, launches = 1;
    for (double start = now();; rounds++) {
        const double a = now();
        for (int i = 0; i < launches; i++) check(cudaGraphLaunch((cudaGraphExec_t)graph, stream), "launch");
        check(cudaStreamSynchronize(stream), "wait");
        const double b = now(), each = (b - a) / launches;
        if (b - a < 0.02 && launches < 1000) { launches *= 2, rounds = -1, sum = 0, least = 1e30, start = now(); continue; } /* warming up, too */
        if (each < least) least = each;
        sum += each;
        if (b - start > seconds || b - begin > 4 * seconds + 5) break;
    }
    printf("{\"least_ms\": %%.6f, \"mean_ms\": %%.6f, \"rounds\": %%d, \"launches\": %%d}\n", least * 1e3, sum / (rounds + 1) * 1e3, rounds + 1, launches);
    return 0;
}
"""

COPY = r"""
#include <stdio.h>
#include <time.h>
#include <cuda_runtime.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
int main(void)
{
    void *a, *b;
    const size_t n = (size_t)1 << 30;
    if (cudaMalloc(&a, n) || cudaMalloc(&b, n)) return 1;
    double best = 1e30;
    for (int i = 0; i < 10; i++) {
        const double start = now();
        if (cudaMemcpy(b, a, n, cudaMemcpyDeviceToDevice) || cudaDeviceSynchronize()) return 1;
        if (now() - start < best) best = now() - start;
    }
    printf("%.6f\n", 2 * n / best * 1e-9); /* GB/s, read and written */
    return 0;
}
"""


def said(command, **options):
    r = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if r.returncode:
        raise RuntimeError(f"{os.path.basename(command[0])}: exit code {r.returncode}: {(r.stderr or r.stdout).strip()[-300:]}")
    return r.stdout


def there(module):
    return importlib.util.find_spec(module) is not None


# ---- models ----

def torch_models():
    """(name, module, inputs for a batch)"""
    import torch
    if there("torchvision"):
        import torchvision
        for name, make in (("ResNet50", torchvision.models.resnet50), ("MobileNetV2", torchvision.models.mobilenet_v2)):
            yield name, make(weights=None).eval(), lambda n: (torch.randn(n, 3, 224, 224),)
    if there("transformers"):
        import transformers
        module = transformers.BertModel(transformers.BertConfig(return_dict=False, attn_implementation="eager")).eval()
        yield "BERT-base", module, lambda n: (torch.ones(n, TOKENS, dtype=torch.int64), torch.ones(n, TOKENS, dtype=torch.int64))


def exported(a):
    import torch
    made = []
    for name, module, inputs in torch_models():
        path, names = os.path.join(a.work, name + ".onnx"), [f"x{i}" for i in range(len(inputs(1)))]
        try:
            more = {"dynamo": False} if torch.__version__ >= "2.5" else {}
            torch.onnx.export(module, inputs(2), path, input_names=names, dynamic_axes={n: {0: "batch"} for n in names}, opset_version=17, **more)
            made.append((name, path, module, inputs))
        except Exception as e:  # the others go on
            print(f"export of {name}: {str(e).strip()[-300:]}")
    return made


def from_corpus(a):
    tool, made = os.path.join(a.corpus, "corpus.py"), []
    for name, model in (("ResNet50", "tv-resnet50-dynamo"), ("MobileNetV2", "tv-mobilenetv2-ts13"), ("BERT-base", "hf-bert-base-ts")):
        try:
            said([sys.executable, tool, "materialize", model, "--out", a.work])
            made.append((name, os.path.join(a.work, model, "model.onnx"), None, None))
        except RuntimeError as e:
            print(f"{name} from the corpus: {e}")
    return made


def own(a):
    sys.path.insert(0, os.path.join(SOURCE, "tests", "cuda"))
    import small
    made = []
    for name, make in (("MobileNetV2", lambda: small.mobilenet_v2(224)), ("BERT-base", lambda: small.bert(12, 768, 12, 30522, 512))):
        path = os.path.join(a.work, name + ".onnx")
        onnx.save(make()[0], path)
        made.append((name, path, None, None))
    return made


def find_models(a):
    if a.model:
        return [(os.path.splitext(os.path.basename(m))[0], m, None, None) for m in a.model]
    for find, wanted in ((exported, there("torch")), (from_corpus, os.path.exists(os.path.join(a.corpus, "corpus.py"))), (own, True)):
        made = find(a) if wanted else []
        if made:
            return made
    return []


def pinned(path, batch):
    """--dim options that give every input this batch, and other free dimensions TOKENS."""
    graph, free = onnx.load(path, load_external_data=False).graph, {}
    constants = {t.name for t in graph.initializer}
    for i in graph.input:
        for axis, d in enumerate(i.type.tensor_type.shape.dim if i.name not in constants else []):
            if d.dim_param:
                free.setdefault(d.dim_param, batch if axis == 0 else TOKENS)
            elif axis == 0 and d.dim_value != batch:
                raise RuntimeError(f"its batch is {d.dim_value}")
    return [f"--dim={name}={n}" for name, n in free.items()]


# ---- generated code ----

def compiler(a):
    if a.emulate:
        return [os.environ.get("CXX", "g++"), "-std=c++17", "-O1", "-w", "-DOCC_EMULATE", "-ffp-contract=off", f"-I{SOURCE}/runtime/cuda", "-xc++"]
    return [os.environ.get("CUDACXX", "nvcc"), "-std=c++17", "-O3", "-w", "--fmad=false", "-arch=native"]


def program(a, folder, manifest):
    name, lines = manifest["name"], []
    bytes_of = {"float": 4, "int64": 8, "int32": 4, "float16": 2, "bfloat16": 2, "bool": 1, "uint8": 1, "int8": 1, "double": 8}
    for side in ("inputs", "outputs"):
        for t in manifest[side]:
            n = bytes_of[t["type"]]
            for d in t["shape"]:
                n *= d
            kind = {"float": 0, "int64": 1}.get(t["type"], 2) if side == "inputs" else 2
            lines.append(f"    {side[:-1].replace('put', '')}.{t['field']} = (decltype({side[:-1].replace('put', '')}.{t['field']}))device({n}, {kind});")
    with open(os.path.join(folder, "time.cu"), "w") as f:
        f.write(PROGRAM % {"name": name, "tensors": "\n".join(lines), "arena": manifest["arena"]["bytes"]})
    made, objects = os.path.join(folder, "time"), []
    for source in [f for f in manifest["files"] if f.endswith((".c", ".S"))]:
        objects.append(os.path.join(folder, source + ".o"))
        said(["cc", "-O1", "-w", "-I", folder, f"-Wa,-I,{folder}", "-c", os.path.join(folder, source), "-o", objects[-1]])
    sources = [os.path.join(folder, "time.cu"), os.path.join(folder, name + ".cu")]
    emulation = [os.path.join(SOURCE, "runtime", "cuda", f) for f in sorted(os.listdir(os.path.join(SOURCE, "runtime", "cuda"))) if f.endswith(".cpp")]
    said(compiler(a) + ["-I", folder] + sources + (emulation + ["-xnone"] if a.emulate else []) + objects + ["-o", made] + (["-ldl"] if a.emulate else []))
    return made


def generated(a, name, path, batch, precision):
    """(ms, manifest)"""
    folder = os.path.join(a.work, f"{name}-{batch}-{precision}")
    said([a.tool, path, "-o", folder, "--name=model", "--target=cuda", f"--gpu-precision={precision}", "-q"] + pinned(path, batch))
    with open(os.path.join(folder, "model.json")) as f:
        manifest = json.load(f)
    return json.loads(said([program(a, folder, manifest), str(a.seconds)]))["least_ms"], manifest


# ---- PyTorch ----

def timed(run, seconds):
    import torch
    for _ in range(10):
        run()
    torch.cuda.synchronize()
    least, start, launches = 1e30, time.perf_counter(), 1
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        for _ in range(launches):
            run()
        torch.cuda.synchronize()
        took = time.perf_counter() - before
        least = min(least, took / launches)
        launches = launches * 2 if took < 0.02 else launches
    return least * 1e3


def pytorch(a, module, inputs, batch, compiled):
    import torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    given = tuple(x.cuda() for x in inputs(batch))
    module = module.cuda()
    with torch.no_grad():
        if compiled:
            fast = torch.compile(module, mode="max-autotune")
            return timed(lambda: fast(*given), a.seconds)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                module(*given)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            module(*given)
        return timed(graph.replay, a.seconds)


def limits(a):
    """GB/s of a copy, TFLOP/s of a large product in tf32; None: not measured."""
    bandwidth = rate = None
    try:
        path = os.path.join(a.work, "copy.cu")
        with open(path, "w") as f:
            f.write(COPY)
        said(compiler(a) + [path, "-o", path + ".out"])
        bandwidth = float(said([path + ".out"]))
    except (RuntimeError, OSError) as e:
        print(f"bandwidth: {e}")
    try:
        import torch
        torch.backends.cuda.matmul.allow_tf32 = True
        x = torch.randn(8192, 8192, device="cuda")
        rate = 2 * 8192**3 / timed(lambda: x @ x, 1) * 1e-9
    except Exception as e:
        print(f"rate of a large product: {str(e).strip()[-200:]}")
    return bandwidth, rate


def attempt(what, *arguments):
    """Its result, or None after saying why there is none."""
    try:
        return what(*arguments)
    except Exception as e:
        print(f"{what.__name__} {[str(x)[:40] for x in arguments[1:3]]}: {str(e).strip()[-300:]}", flush=True)
        return None


def cell(v, digits=3):
    return f"{v:.{digits}f}" if v is not None else "-"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--work", default="gpu-bench")
    ap.add_argument("--corpus", default=os.path.join(SOURCE, "..", "shared", "corpus"))
    ap.add_argument("--batch", type=int, action="append")
    ap.add_argument("--precision", action="append")
    ap.add_argument("--seconds", type=float, default=1.0)
    ap.add_argument("--model", action="append")
    ap.add_argument("--emulate", action="store_true")
    a = ap.parse_args()
    os.makedirs(a.work, exist_ok=True)
    bandwidth, rate = (None, None) if a.emulate else limits(a)
    print(f"copy: {cell(bandwidth, 0)} GB/s; large product in tf32: {cell(rate, 1)} TFLOP/s\n", flush=True)
    rows = []
    for name, path, module, inputs in find_models(a):
        for batch in a.batch or [1, 32]:
            eager = attempt(pytorch, a, module, inputs, batch, False) if module is not None and not a.emulate else None
            compiled = attempt(pytorch, a, module, inputs, batch, True) if module is not None and not a.emulate else None
            for precision in a.precision or ["tf32", "tf32x3", "fp16"]:
                ms, manifest = attempt(generated, a, name, path, batch, precision) or (None, {"steps": [], "multiply_adds": 0})
                moved = sum(s.get("bytes", 0) for s in manifest["steps"])
                by_bytes = moved / bandwidth * 1e-6 if bandwidth and ms else None
                by_flops = 2 * manifest["multiply_adds"] / rate * 1e-9 if rate and ms else None
                ratio = [ms / other if ms and other else None for other in (eager, compiled)]
                rows.append([name, str(batch), precision, cell(ms), cell(eager), cell(ratio[0], 2), cell(compiled), cell(ratio[1], 2), cell(by_bytes), cell(by_flops)])
    print("\n| model | batch | precision | onnxcc ms | PyTorch graph ms | ratio | compiled ms | ratio | bytes' floor ms | flops' floor ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    return 0 if rows and all(r[3] != "-" for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
