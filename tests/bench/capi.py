#!/usr/bin/env python3
"""Times of generated C against onnxruntime through its C API, in one process, as a Markdown table: for small models, where calls from Python take longer than the model.

    capi.py ONNXCC [--library FILE] [--models DIR]... [--work DIR] [--seconds S] [--arguments WORDS] [--json FILE] [MODEL...]

Models: MLPs of 16-32-32-4 and 64-64-64-10 (Gemm and Relu, one row), and with --models the .onnx files of folders, all outputs float, with their inputs beside them
(NAME.npz) or else invented. MODEL: only those whose name holds one of the words. --library: libonnxruntime.so, as the onnxruntime package has it (default: that one's).
Unknown dimensions are fixed, to those of the inputs or to 1, for both.

capi.c has the measuring: one thread, all optimizations, tensors made once, turns of up to 2,000 runs. onnxruntime is called by Run and by RunWithBinding, and the faster of them
counts. ratio = onnxruntime's time / ours, of the shortest rounds and, in brackets, of the medians; `differs`: the largest difference of the outputs as a share of their
largest magnitude. Nothing here passes or fails."""
import argparse
import glob
import importlib.util
import json
import os
import sys

import numpy as np
import onnx
from cpu import of_folder
from native import figure, generate, link, times, write_raw
from onnx import helper, numpy_helper

MLPS = ((16, 32, 32, 4), (64, 64, 64, 10))


def default_library():
    spec = importlib.util.find_spec("onnxruntime")
    found = glob.glob(os.path.join(os.path.dirname(spec.origin), "capi", "libonnxruntime.so*")) if spec else []
    return found[0] if found else None


def save_mlp(sizes, path):
    random = np.random.default_rng(0)
    nodes, weights, x = [], [], "x"
    for k, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        weights.append(numpy_helper.from_array((random.standard_normal((n_out, n_in)) / np.sqrt(n_in)).astype(np.float32), f"w{k}"))
        weights.append(numpy_helper.from_array(random.standard_normal(n_out).astype(np.float32), f"b{k}"))
        last = k == len(sizes) - 2
        nodes.append(helper.make_node("Gemm", [x, f"w{k}", f"b{k}"], ["y" if last else f"g{k}"], transB=1))
        if not last:
            x = f"r{k}"
            nodes.append(helper.make_node("Relu", [f"g{k}"], [x]))
    ends = [[helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n])] for name, n in (("x", sizes[0]), ("y", sizes[-1]))]
    onnx.save(helper.make_model(helper.make_graph(nodes, "mlp", *ends, weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def models_of(a):
    for sizes in MLPS:
        name = "mlp " + "-".join(map(str, sizes))
        if not a.words or any(w in name for w in a.words):
            path = os.path.join(a.work, name.replace(" ", "_") + ".onnx")
            save_mlp(sizes, path)
            yield name, path, None
    for folder in a.models:
        yield from ((name, model, inputs) for name, model, inputs, _, _ in of_folder(folder, a.words))


def pin(model, inputs, path):
    """Writes the model with all dimensions of its inputs fixed; the inputs' arrays, in order."""
    m, random, arrays = onnx.load(model), np.random.default_rng(0), []
    given = np.load(inputs) if inputs else {}
    weights = {t.name for t in m.graph.initializer}
    for value in (v for v in m.graph.input if v.name not in weights):
        t = value.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(t.elem_type)
        key = value.name.replace("/", "\\")
        array = given[key] if key in given else random.standard_normal([d.dim_value or 1 for d in t.shape.dim]).astype(dtype)
        for dim, size in zip(t.shape.dim, array.shape):
            dim.dim_value = size
        arrays.append(array)
    for value in m.graph.output:
        value.type.tensor_type.ClearField("shape")
    del m.graph.value_info[:]
    onnx.save(onnx.shape_inference.infer_shapes(m), path)
    return arrays


def measure(a, name, model, inputs):
    at = lambda file: os.path.join(a.work, file)
    arrays = pin(model, inputs, at("pinned.onnx"))
    write_raw(at("inputs.bin"), arrays)
    link("capi.c", generate(a.onnxcc, at("pinned.onnx"), at("code"), "m", a.arguments.split()), [at("code")], at("capi"))
    measured, said = times(at("capi"), a.library, at("pinned.onnx"), at("inputs.bin"), a.seconds)
    return {"name": name, "us": measured, "differs": float(said["differs"]), "onnxruntime": said["version"]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("onnxcc")
    p.add_argument("words", nargs="*", metavar="MODEL")
    p.add_argument("--library", default=default_library())
    p.add_argument("--models", action="append", default=[])
    p.add_argument("--work", default="bench-work")
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--arguments", default="")
    p.add_argument("--json")
    a = p.parse_intermixed_args()
    if not a.library:
        sys.exit("no libonnxruntime.so in Python's onnxruntime package: name one with --library")
    os.makedirs(a.work, exist_ok=True)
    print("| model | ours, us | onnxruntime, us | ratio | differs |\n|---|---|---|---|---|")
    records = []
    for name, model, inputs in models_of(a):
        try:
            records.append(measure(a, name, model, inputs))
        except RuntimeError as problem:
            print(f"| {name} | {problem} |")
            continue
        us = records[-1]["us"]
        print(f"| {name} | {figure(us, 'ours', min(('run', 'bound'), key=lambda k: us[k][0]))} | {records[-1]['differs']:.1g} |", flush=True)
        if a.json:
            with open(a.json, "w", encoding="utf-8") as f:
                json.dump(records, f, indent=1)


if __name__ == "__main__":
    main()
