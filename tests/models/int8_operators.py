#!/usr/bin/env python3
"""Quantized operators that are no products, one at a time: QDQ with uint8 and int8, and com.microsoft's form where onnxruntime has one.

    int8_operators.py ONNXCC [--time] [--keep DIR] [CASE...]

Each is compared with onnxruntime without graph optimization on random bytes: a row of Markdown says how many outputs are equal and how many are
within one step. --time adds the time of one call, in microseconds, one thread, in rounds that alternate with onnxruntime (with all its
optimizations, less the time that it takes for a model that does nothing). CASE picks by part of the name. Exit code 1 when something is more
than one step off, 77 without onnxruntime."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnxruntime
    from onnx import helper, numpy_helper, save
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

OPSET = 21
IMAGE, MIDDLE, ROWS = (1, 64, 56, 56), (1, 128, 28, 28), (1, 128, 768)
WINDOW = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
# name, operator, shapes of the inputs, attributes
CASES = [
    ("Add", "Add", [IMAGE, IMAGE], {}),
    ("Add, rows", "Add", [ROWS, ROWS], {}),
    ("Add, a channel", "Add", [IMAGE, (1, 64, 1, 1)], {}),
    ("Sub", "Sub", [IMAGE, IMAGE], {}),
    ("Mul", "Mul", [IMAGE, IMAGE], {}),
    ("Mul, rows", "Mul", [ROWS, ROWS], {}),
    ("Mul, a channel", "Mul", [IMAGE, (1, 64, 1, 1)], {}),
    ("Concat", "Concat", [IMAGE, IMAGE], {"axis": 1}),
    ("Concat, last axis", "Concat", [ROWS, ROWS], {"axis": -1}),
    ("MaxPool 3x3/2", "MaxPool", [IMAGE], WINDOW),
    ("MaxPool 2x2/2", "MaxPool", [IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("AveragePool 2x2/2", "AveragePool", [IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("AveragePool 3x3", "AveragePool", [MIDDLE], {"kernel_shape": [3, 3]}),
    ("AveragePool 3x3, padded", "AveragePool", [MIDDLE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("AveragePool 3x3/2, padded", "AveragePool", [IMAGE], WINDOW),
    ("AveragePool 3x3, padding counts", "AveragePool", [MIDDLE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool 3x3/2, ceil_mode", "AveragePool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("GlobalAveragePool", "GlobalAveragePool", [(1, 512, 7, 7)], {}),
    ("ReduceMean, rows", "ReduceMean", [ROWS], {"axes": [-1]}),
    ("ReduceMean, image", "ReduceMean", [IMAGE], {"axes": [2, 3]}),
    ("Softmax", "Softmax", [(12, 128, 128)], {"axis": -1}),
    ("Sigmoid", "Sigmoid", [IMAGE], {}),
    ("HardSwish", "HardSwish", [IMAGE], {}),
    ("LeakyRelu", "LeakyRelu", [IMAGE], {"alpha": 0.1}),
    ("Resize, nearest", "Resize", [MIDDLE], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ("ConvTranspose 2x2/2", "ConvTranspose", [(1, 64, 28, 28)], {"strides": [2, 2]}),
    ("ConvTranspose 4x4/2", "ConvTranspose", [(1, 64, 28, 28)], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
]
# (scale, zero point of uint8) of the inputs and the output; few results are ties. int8 has them 128 lower.
SCALES = {"Add": (0.0236, 0.0117, 0.0311), "Sub": (0.0236, 0.0117, 0.0311), "Mul": (0.0236, 0.0117, 0.0253), "Concat": (0.0236, 0.0117, 0.0311),
          "Softmax": (0.0236, 0, 1 / 256), "Sigmoid": (0.0463, 0, 1 / 256), "HardSwish": (0.0463, 0, 0.0278), "LeakyRelu": (0.0463, 0, 0.0278),
          "AveragePool": (0.0236, 0, 0.0187), "ReduceMean": (0.0236, 0, 0.0031), "GlobalAveragePool": (0.0236, 0, 0.0031), "ConvTranspose": (0.0236, 0, 0.16)}
ZEROS = {"Softmax": (120, 0, 0), "Sigmoid": (120, 0, 0), "HardSwish": (120, 0, 14), "LeakyRelu": (120, 0, 25)}
CONTRIB = ("Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "ReduceMean", "Softmax", "Sigmoid", "LeakyRelu")
RNG = np.random.default_rng(5)


class Model:
    def __init__(self):
        self.nodes, self.constants, self.inputs = [], {}, {}

    def constant(self, name, value):
        self.constants[name] = value
        return name

    def add(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def proto(self, kind, shape=None):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        given = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in self.inputs.items()]
        graph = helper.make_graph(self.nodes, "g", given, [helper.make_tensor_value_info("y", kind, shape)], [numpy_helper.from_array(v, n) for n, v in self.constants.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)], ir_version=10)


def zero_of(kind, zero):
    return np.array(zero if kind == np.uint8 else zero - 128, kind)


def parameters(m, op, kind):
    """Names of scale and zero point of each input and of the output."""
    scales, zeros = SCALES.get(op, (0.0236, 0.0117, 0.0236)), ZEROS.get(op, (113, 131, 113 if op in ("MaxPool", "Resize") else 101))
    names = []
    for role, scale, zero in zip("aby", scales, zeros):
        names.append((m.constant(role + "s", np.float32(scale)), m.constant(role + "z", zero_of(kind, zero))))
    return names


def start(shapes, kind):
    m, info = Model(), np.iinfo(kind)
    for name, shape in zip("ab", shapes):
        m.inputs[name] = RNG.integers(info.min, info.max, shape, endpoint=True).astype(kind)
    return m, list(m.inputs)


def qdq(op, shapes, attributes, kind):
    m, names = start(shapes, kind)
    *given, result = parameters(m, op, kind)
    real = [m.add("DequantizeLinear", [n, *given[i]], n + "f") for i, n in enumerate(names)]
    attributes = dict(attributes)
    if op == "ReduceMean":
        real.append(m.constant("axes", np.array(attributes.pop("axes"), np.int64)))
    if op == "Resize":
        real += ["", m.constant("factors", np.array([1, 1, 2, 2], np.float32))]
    if op == "ConvTranspose":
        taps = 2 * attributes["strides"][0] if "pads" in attributes else 2
        m.constant("w", RNG.integers(-127, 127, (shapes[0][1], 32, taps, taps)).astype(np.int8))
        real.append(m.add("DequantizeLinear", ["w", m.constant("ws", np.float32(0.004))], "wf"))
    m.add(op, real, "yf", **attributes)
    m.add("QuantizeLinear", ["yf", *result], "y")
    return m.proto(kind), m.inputs


def contrib(op, shapes, attributes, kind):
    """com.microsoft's form; None where it has none."""
    m, names = start(shapes, kind)
    *given, result = parameters(m, op, kind)
    attributes = {**attributes, "domain": "com.microsoft"}
    if op == "Concat":
        m.add("QLinearConcat", [*result, *sum(([n, *given[i]] for i, n in enumerate(names)), [])], "y", **attributes)
    elif op == "ReduceMean":
        return None  # onnxruntime has it in no provider
    elif len(names) == 2:
        m.add("QLinear" + op, [*sum(([n, *given[i]] for i, n in enumerate(names)), []), *result], "y", **attributes)
    else:
        if op == "Softmax":
            attributes["opset"] = 13
        if op == "GlobalAveragePool":
            attributes["channels_last"] = 0
        m.add("QLinear" + op, [names[0], *given[0], *result], "y", **attributes)
    return m.proto(kind), m.inputs


def forms(op, shapes, attributes):
    for kind in (np.uint8, np.int8):
        yield f"QDQ {np.dtype(kind).name}", kind, qdq(op, shapes, attributes, kind)
    for kind in (np.uint8, np.int8) if op in CONTRIB else ():
        made = contrib(op, shapes, attributes, kind)
        if made:
            yield f"QLinear {np.dtype(kind).name}", kind, made


def session(model, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(tool, path, given):
    """Minimal times in microseconds: ours, onnxruntime's."""
    command = [tool, "bench", path, "--input", given, "--against", "onnxruntime", "--repeat", "9", "-q"]
    p = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ONNXCC_PYTHON": sys.executable}, check=False)
    if p.returncode:
        raise RuntimeError((p.stderr.splitlines() or ["no message"])[0])
    record = json.loads(p.stdout.strip().splitlines()[-1])
    return 1e3 * record["ms"]["min"], 1e3 * record["peers"]["onnxruntime"]["min"]


def empty_model():
    m = Model()
    m.inputs["x"] = np.zeros(1, np.uint8)
    m.add("Identity", ["x"], "y")
    return m.proto(np.uint8, [1]), m.inputs


def compare(tool, model, inputs, folder):
    """Shares of outputs that are equal and within one step, or what is wrong; and whether it is good."""
    path, given, made = (os.path.join(folder, f) for f in ("m.onnx", "in.npz", "out.npz"))
    try:
        want, = session(model, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL).run(None, inputs)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return "not in onnxruntime | ", True
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(want.dtype), want.shape))
    save(model, path)
    np.savez(given, **inputs)
    p = subprocess.run([tool, "run", path, "--input", given, "--output", made, "-q"], capture_output=True, text=True, check=False)
    if p.returncode:
        return f"exit code {p.returncode}: {(p.stderr.splitlines() or ['no message'])[0]} | ", False
    with np.load(made) as z:
        off = np.abs(z["y"].astype(np.int32) - want.astype(np.int32))
    return f"{100 * (off == 0).mean():.3f}% | {100 * (off <= 1).mean():.3f}%", off.max() <= 1


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("cases", nargs="*")
    ap.add_argument("--time", action="store_true")
    ap.add_argument("--keep", help="a folder for the models, one below it for each")
    a = ap.parse_intermixed_args()
    bad, idle = 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        if a.time:
            model, inputs = empty_model()
            compare(a.tool, model, inputs, scratch)
            idle = measure(a.tool, os.path.join(scratch, "m.onnx"), os.path.join(scratch, "in.npz"))[1]
            print(f"onnxruntime, a model that does nothing: {idle:.1f} us\n")
        print("| operator | shape | form | equal | within 1 step |" + (" us | onnxruntime | times ours |" if a.time else ""))
        print("|---|---|---|---|---|" + ("---|---|---|" if a.time else ""))
        for name, op, shapes, attributes in CASES:
            for form, kind, (model, inputs) in forms(op, shapes, attributes):
                label = f"{name} {form}"
                if a.cases and not any(c in label for c in a.cases):
                    continue
                folder = os.path.join(a.keep, label.replace(" ", "_").replace("/", "-").replace(",", "")) if a.keep else scratch
                os.makedirs(folder, exist_ok=True)
                result, good = compare(a.tool, model, inputs, folder)
                row = f"| {name} | {'x'.join(map(str, shapes[0]))} | {form} | {result} |"
                if a.time and good and "%" in result:
                    ours, theirs = measure(a.tool, os.path.join(folder, "m.onnx"), os.path.join(folder, "in.npz"))
                    row += f" {ours:.1f} | {theirs - idle:.1f} | {(theirs - idle) / ours:.2f} |"
                print(row, flush=True)
                bad += not good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
