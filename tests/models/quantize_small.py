#!/usr/bin/env python3
"""`onnxcc quantize` on small models of each kind, judged by onnx.checker and onnxruntime; needs no model from elsewhere.

    quantize_small.py ONNXCC [--work DIR] [MODEL...]

The repository's digits model, and models made here: a convolutional net with a residual block, a perceptron, products with a batch of weights, an LSTM
between products, branches of an If, a Loop. Each dynamically and statically, calibrated with the inputs that it is judged on:

- as many products are in 8 bits as the model's row here says;
- the file passes onnx.checker with full inference;
- onnxruntime without optimization gives the float model's results to at least LEAST_SQNR dB;
- `onnxcc run` gives what onnxruntime gives: 99.9 % of every output within a step (docs/int8.md: one unit of an integer output, the scale of the
  DequantizeLinear that makes an output, or 1/255 of another output's range);
- OpenVINO, where its package is there and it takes the float model, gives what onnxruntime gives to a cosine of 0.99.

Needs numpy, onnx and onnxruntime; skipped (77) by name without them."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    import onnx.parser
    from onnx import numpy_helper
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

import sizes  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from int8 import compare, open_session  # noqa: E402
from quantize_random import cosine, joined, sqnr  # noqa: E402

LEAST_SQNR = 25
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

CONV = """<ir_version: 8, opset_import: ["": 13]>
conv (float[n,3,12,12] x) => (float[n,10] y)
{
  c1 = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
  r1 = Relu (c1)
  d = Conv <pads = [1, 1, 1, 1], group = 16> (r1, w2, b2)
  s = HardSigmoid (d)
  g = Mul (d, s)
  p = Conv (g, w3)
  a = Add (p, r1)
  r2 = Relu (a)
  m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r2)
  c = Concat <axis = 1> (m, m)
  v = GlobalAveragePool (c)
  f = Flatten (v)
  l = Gemm <transB = 1> (f, w4, b4)
  y = Softmax <axis = 1> (l)
}"""
MLP = """<ir_version: 8, opset_import: ["": 17]>
mlp (float[n,t,20] x) => (float[n,t,5] y, float[n,t,32] h)
{
  a = MatMul (x, w1)
  b = Add (a, b1)
  h = Relu (b)
  c = MatMul (h, w2)
  d = Add (c, b2)
  e = Tanh (d)
  y = MatMul (e, w3)
}"""
BATCH = """<ir_version: 8, opset_import: ["": 13]>
batch (float[n,1,6,24] x) => (float[n,4,6,16] y, float[n,4,6,32] h)
{
  h = MatMul (x, w1)
  r = Relu (h)
  y = MatMul (r, w2)
}"""
LSTM = """<ir_version: 8, opset_import: ["": 14]>
lstm (float[t,1,12] x) => (float[t,1,1,16] h, float[t,1,7] y)
{
  a = MatMul (x, w1)
  h, last = LSTM <hidden_size = 16> (a, w, r, b)
  axes = Constant <value_ints = [1]> ()
  s = Squeeze (h, axes)
  l = MatMul (s, w2)
  z = Add (l, b2)
  y = Sigmoid (z)
}"""
IF = """<ir_version: 8, opset_import: ["": 13]>
branches (float[3,16] x) => (float[3,8] y)
{
  a = Gemm (x, w1, b1)
  sum = ReduceSum <keepdims = 0> (a)
  zero = Constant <value_float = 0.0> ()
  positive = Greater (sum, zero)
  y = If (positive) <
    then_branch = yes () => (float[3,8] t) { r = Relu (a)  t = MatMul (r, w2) },
    else_branch = no () => (float[3,8] e) { q = Tanh (a)  e = MatMul (q, w3) }
  >
}"""
LOOP = """<ir_version: 8, opset_import: ["": 13]>
repeats (float[2,16] x) => (float[2,16] y, float[2,4] z)
{
  count = Constant <value_int = 3> ()
  yes = Constant <value = bool {1}> ()
  y = Loop (count, yes, x) <
    body = step (int64 i, bool go, float[2,16] s) => (bool again, float[2,16] t) { again = Identity (go)  m = MatMul (s, w1)  t = Tanh (m) }
  >
  z = MatMul (y, w2)
}"""

# name: text, shapes of constants, of the inputs' sets, products in 8 bits: dynamic, static. A body of control flow is quantized only dynamically.
MODELS = {
    "conv": (CONV, {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 1, 3, 3), "b2": (16,), "w3": (16, 16, 1, 1), "w4": (10, 32), "b4": (10,)},
             [(2, 3, 12, 12), (1, 3, 12, 12), (3, 3, 12, 12)], 4, 4),
    "mlp": (MLP, {"w1": (20, 32), "b1": (32,), "w2": (32, 32), "b2": (32,), "w3": (32, 5)}, [(1, 7, 20), (3, 4, 20)], 3, 3),
    "batch": (BATCH, {"w1": (4, 24, 32), "w2": (4, 32, 16)}, [(1, 1, 6, 24), (3, 1, 6, 24)], 2, 2),
    "lstm": (LSTM, {"w1": (12, 10), "w": (1, 64, 10), "r": (1, 64, 16), "b": (1, 128), "w2": (16, 7), "b2": (7,)}, [(5, 1, 12), (9, 1, 12)], 2, 2),
    "if": (IF, {"w1": (16, 24), "b1": (24,), "w2": (24, 8), "w3": (24, 8)}, [(3, 16)] * 6, 3, 1),
    "loop": (LOOP, {"w1": (16, 16), "w2": (16, 4)}, [(2, 16)] * 3, 2, 1),
}
MODES = {
    "dynamic": [],
    "dynamic, per tensor": ["--per-tensor"],
    "static": ["--calibrate", "DATA"],
    "static, minmax, s8": ["--calibrate", "DATA", "--method", "minmax", "--activations", "s8"],
    "static, percentile, per tensor": ["--calibrate", "DATA", "--method", "percentile", "--per-tensor"],
    "static, biases corrected": ["--calibrate", "DATA", "--bias-correction", "on"],
    "static, for OpenVINO": ["--calibrate", "DATA", "--for", "openvino"],
}


def build(name, path):
    """The model's sets of inputs; weights and inputs have the scale that keeps values near 1, and the same numbers each time."""
    text, constants, shapes = MODELS[name][:3]
    rng, model = np.random.default_rng(len(name)), onnx.parser.parse_model(text)
    for k, shape in constants.items():
        fan = int(np.prod(shape[1:])) if name == "conv" else shape[-2] if len(shape) > 1 else 4
        model.graph.initializer.append(numpy_helper.from_array((rng.standard_normal(shape) * fan**-0.5).astype(np.float32), k))
    onnx.save(model, path)
    return [{"x": rng.standard_normal(s).astype(np.float32)} for s in shapes]


def digits(path):
    folder = os.path.join(ROOT, "samples", "digits")
    onnx.save(onnx.load(os.path.join(folder, "digits.onnx")), path)
    with np.load(os.path.join(folder, "inputs.npz")) as z:
        return [{n: z[n] for n in z.files}]


def run(path, cases):
    s = open_session(path, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    return joined([s.run(None, feeds) for feeds in cases])


def run_openvino(path, cases):
    """None where OpenVINO is not there, or does not take the model."""
    try:
        import openvino  # pylint: disable=import-outside-toplevel
    except ImportError:
        return None
    try:
        m = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return joined([[np.array(v) for v in m(feeds).values()] for feeds in cases])
    except RuntimeError:
        return None


def judge(tool, model, cases, options, products, work):
    """What is wrong, and the least signal to noise ratio of an output."""
    path = os.path.join(work, "quantized.onnx")
    p = subprocess.run([tool, "quantize", model, "-o", path, "--json", *options], capture_output=True, text=True, timeout=300, check=False)
    if p.returncode:
        return [f"exit {p.returncode}: {p.stderr.strip()[:400]}"], np.nan
    quantized, wrong = json.loads(p.stdout.splitlines()[-1])["quantized"], []
    if quantized != products:
        wrong.append(f"{quantized} products in 8 bits, expected {products}")
    try:
        onnx.checker.check_model(path, full_check=True)
        expected, got = run(model, cases), run(path, cases)
    except Exception as e:  # pylint: disable=broad-except
        return [*wrong, str(e).strip()[:400]], np.nan
    least = min(sqnr(e, g) for e, g in zip(expected, got))
    if least < LEAST_SQNR:
        wrong.append(f"{least:.1f} dB")
    tally = compare(tool, path, cases, len(cases), work)[0]
    if tally.near < 0.999 * tally.outputs:
        wrong.append(f"onnxcc run: {tally.outputs - tally.near} of {tally.outputs} more than a step off, the largest {tally.worst:.2f}")
    theirs = run_openvino(path, cases) if run_openvino(model, cases) else None
    if theirs and min(cosine(a, b) for a, b in zip(got, theirs)) < 0.99:
        wrong.append(f"OpenVINO: cosines {[round(cosine(a, b), 5) for a, b in zip(got, theirs)]}")
    return wrong, least


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("onnxcc")
    ap.add_argument("models", nargs="*", help="of these only: digits, " + ", ".join(MODELS))
    ap.add_argument("--work", help="keep models here")
    a = ap.parse_args()
    if sizes.saturates():
        print(sizes.NO_REFERENCE)
        return 77
    passed = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in a.models or ["digits", *MODELS]:
            work = os.path.join(a.work or scratch, name)
            model, data = os.path.join(work, "model.onnx"), os.path.join(work, "data")
            os.makedirs(data, exist_ok=True)
            cases = digits(model) if name == "digits" else build(name, model)
            for i, feeds in enumerate(cases):
                np.savez(os.path.join(data, f"{i}.npz"), **feeds)
            for mode, options in MODES.items():
                products = 3 if name == "digits" else MODELS[name][4 if "static" in mode else 3]
                wrong, least = judge(os.path.abspath(a.onnxcc), model, cases, [data if o == "DATA" else o for o in options], products, work)
                print(f"{'FAIL' if wrong else 'ok':5} {name:7} {mode:31} {least:6.1f} dB  {'; '.join(wrong)}", flush=True)
                passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
