#!/usr/bin/env python3
"""Time and peak memory of `onnxcc check` and onnx.checker on a model of 500 MB, with its weights inside and in a file beside it.

    large.py ONNXCC [--megabytes N] [--repeat R] [--work DIR]

Each run is a process of its own, in turns; printed is the shortest time, that of importing onnx not counted (it is measured apart), and the peak of resident memory as a multiple of the file. Exit code 1:
onnxcc takes longer than onnx.checker, or more memory than 1.2 (beside) or 2.2 (inside) times the file. 77: no onnx package."""
import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire import *  # noqa: E402, F403

CHECKER = "import sys, time, onnx\nt = time.perf_counter()\nonnx.checker.check_model(sys.argv[1])\nprint(time.perf_counter() - t)"


def write_models(folder, megabytes):
    """y = x w0 w1 ..., 4 MB each"""
    side, n = 1024, megabytes // 4
    data = os.urandom(1 << 16) * 64
    paths = {"inside": os.path.join(folder, "inside.onnx"), "beside": os.path.join(folder, "beside.onnx")}
    names = ["x", *(f"v{i}" for i in range(1, n)), "y"]
    nodes = [node("MatMul", [a, f"w{i}"], [b]) for i, (a, b) in enumerate(zip(names, names[1:]))]
    for kind, path in paths.items():
        if kind == "inside":
            ts = [tensor(f"w{i}", (side, side), FLOAT, data) for i in range(n)]
        else:
            ts = [external(f"w{i}", (side, side), location="beside.bin", offset=str(i * len(data)), length=str(len(data))) for i in range(n)]
            with open(os.path.join(folder, "beside.bin"), "wb") as f:
                for _ in range(n):
                    f.write(data)
        with open(path, "wb") as f:
            f.write(model(graph(nodes, [value("x", ("n", side))], [value("y", ("n", side))], ts)))
    return paths, n * len(data)


def run(command):
    """seconds, peak bytes"""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status:
        sys.exit(f"{command}: left with {child.returncode}")
    return (float(said) if command[0] == sys.executable else time.perf_counter() - began), used.ru_maxrss * 1024


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--megabytes", type=int, default=500)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--work", default="large")
    o = ap.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError:
        print("skipped: there is no onnx package")
        return 77
    os.makedirs(o.work, exist_ok=True)
    with concurrent.futures.ProcessPoolExecutor(1) as apart:  # a child begins with what its parent holds
        paths, size = apart.submit(write_models, o.work, o.megabytes).result()
    failed = False
    print("| weights | | seconds | peak memory, of the file |\n|---|---|---|---|")
    for kind, most in (("inside", 2.2), ("beside", 1.2)):
        runs = {"onnxcc check": [], "onnx.checker": []}
        for _ in range(o.repeat):
            runs["onnxcc check"].append(run([o.tool, "check", paths[kind]]))
            runs["onnx.checker"].append(run([sys.executable, "-c", CHECKER, paths[kind]]))
        best = {k: (min(t for t, _ in v), max(m for _, m in v) / size) for k, v in runs.items()}
        for k, (t, m) in best.items():
            print(f"| {kind} | {k} | {t:.2f} | {m:.2f} |")
        failed |= best["onnxcc check"][0] > best["onnx.checker"][0] or best["onnxcc check"][1] > most
    for f in [*paths.values(), os.path.join(o.work, "beside.bin")]:
        os.remove(f)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
