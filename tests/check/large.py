#!/usr/bin/env python3
"""`onnxcc weights`, `convert` and `check` on a model of more than 2 GiB, made here with a file of weights that is mostly holes.

    large.py ONNXCC [--work DIR]

Three tensors of 800 MiB: out into files of at most 1000 MiB, from those into one again, which has to be the first file; into the model, which is refused, without a file
left; converted in another folder. onnx.checker takes what is written. No command may need more memory than 64 MiB besides the mapped files (not looked at
under sanitizers). Takes 10 GiB of disk for a moment. Exit code 77: no onnx package, or no room."""
import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile

try:
    import onnx
    from onnx import TensorProto, helper
except ImportError:
    print("skipped: there is no onnx package")
    sys.exit(77)

MIB = 1 << 20
PART = 800 * MIB
COUNT = 3
MARKS = (0, PART // 2, PART - 4)  # bytes of each tensor that are no zeros


def make(folder):
    rows = PART // 4 // 1024
    with open(os.path.join(folder, "big.data"), "wb") as f:
        for i in range(COUNT):
            for k, at in enumerate(MARKS):
                f.seek(i * PART + at)
                f.write(bytes([i + 1, k + 1, 0, 0]))
    weights = []
    for i in range(COUNT):
        t = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[rows, 1024], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "big.data"), ("offset", i * PART), ("length", PART)):
            t.external_data.add(key=key, value=str(value))
        weights.append(t)
    nodes = [helper.make_node("Gather", [f"w{i}", "ids"], [f"y{i}"]) for i in range(COUNT)]
    graph = helper.make_graph(nodes, "big", [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
                              [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, ["n", 1024]) for i in range(COUNT)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), os.path.join(folder, "big.onnx"))


def is_sanitized(tool):
    with open(tool, "rb") as f:
        return b"__asan_init" in f.read()


def limit_memory():
    resource.setrlimit(resource.RLIMIT_DATA, (64 * MIB, 64 * MIB))


def run(tool, expected, *args):
    """stderr; anonymous memory is what the limit is on."""
    done = subprocess.run([tool, *args], capture_output=True, text=True, preexec_fn=None if is_sanitized(tool) else limit_memory)
    if done.returncode != expected:
        raise SystemExit(f"FAILED: {' '.join(args)} left with {done.returncode}, expected {expected}: {done.stderr}")
    return done.stderr


def marks_of(path):
    """name -> the marks of a tensor of the model at that path, and the files"""
    found, files = {}, set()
    for t in onnx.load(path, load_external_data=False).graph.initializer:
        at = {e.key: e.value for e in t.external_data}
        files.add(at["location"])
        with open(os.path.join(os.path.dirname(path), at["location"]), "rb") as f:
            marks = []
            for mark in MARKS:
                f.seek(int(at["offset"]) + mark)
                marks.append(f.read(4))
            found[t.name] = (int(at["length"]), marks)
    return found, files


def expect(what, ok):
    if not ok:
        raise SystemExit(f"FAILED: {what}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--work")
    o = ap.parse_args()
    if shutil.disk_usage(o.work or tempfile.gettempdir()).free < 12 << 30:
        print("skipped: there are no 12 GiB of free space")
        return 77
    with tempfile.TemporaryDirectory(dir=o.work) as folder:
        path = lambda *parts: os.path.join(folder, *parts)
        make(folder)
        first, _ = marks_of(path("big.onnx"))
        os.mkdir(path("parts"))
        os.mkdir(path("one"))
        os.mkdir(path("old"))
        run(o.tool, 0, "check", "--full", path("big.onnx"))
        run(o.tool, 0, "weights", path("big.onnx"), "-o", path("parts", "big.onnx"), "--part-size", "1000")
        marks, files = marks_of(path("parts", "big.onnx"))
        expect("three files with the same weights", marks == first and files == {"big.onnx.data", "big.onnx.data.1", "big.onnx.data.2"})
        onnx.checker.check_model(path("parts", "big.onnx"), full_check=True)
        said = run(o.tool, 6, "weights", path("parts", "big.onnx"), "-o", path("whole.onnx"), "--inside")
        expect("the reason why they can't be in the model", "a protobuf file can't be larger than 2 GiB" in said and not os.path.exists(path("whole.onnx")))
        run(o.tool, 0, "weights", path("parts", "big.onnx"), "-o", path("one", "big.onnx"), "--data-file", "big.data")
        expect("one file again", marks_of(path("one", "big.onnx")) == (first, {"big.data"}))
        expect("the same bytes", subprocess.run(["cmp", path("big.data"), path("one", "big.data")]).returncode == 0)
        shutil.rmtree(path("parts"))
        run(o.tool, 0, "convert", path("one", "big.onnx"), "-o", path("old", "big.onnx"), "--opset", "13")
        expect("weights beside the converted model", marks_of(path("old", "big.onnx")) == (first, {"big.data"}))
        onnx.checker.check_model(path("old", "big.onnx"), full_check=True)
    print(f"{COUNT * PART >> 20} MiB of weights: out, in parts, together again, converted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
