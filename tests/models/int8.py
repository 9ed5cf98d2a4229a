#!/usr/bin/env python3
"""Compares quantized models with onnxruntime running the same file without graph optimization, output by output.

    int8.py ONNXCC [--corpus DIR] [--tiny DIR] [--text DIR] [--inputs N] [--values] [--work DIR] [--floor PERCENT] [MODEL...]

--values: instead, every 8-bit value that a model computes is compared by itself: each is an output, and what reads it reads onnxruntime's
numbers, so that differences do not add up on the way (one input; within one step means of that value).
--text DIR compares the models in text form there instead of whole ones, symbolic dimensions set to 2.
Every model runs on its own cases (corpus) or on random ones, then on variations of the first until there are N inputs. A step is one unit of
an integer output, the scale of the DequantizeLinear that makes a float output, or 1/255 of the range of any other float output
(marked r). Prints a row of Markdown for each model: outputs compared, share that is equal, share within one step, largest difference in steps;
the last two columns are the same for onnxruntime with all its optimizations against itself without: what rounding alone does to the model.
--floor: exit code 1 when a model has less than PERCENT within one step. Without onnxruntime or without the models: skipped, exit code 77."""
import argparse
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from corpus import load_corpus, load_outputs  # noqa: E402

PEER = onnxruntime.capi.onnxruntime_pybind11_state
PEER_ERRORS = (PEER.NotImplemented, PEER.Fail, PEER.InvalidGraph, PEER.RuntimeException)
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Integer", "QLinear", "QGemm", "QAttention", "DynamicQuantize")
TYPES = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(uint16)": np.uint16, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def is_quantized(path):
    graph = onnx.load(path, load_external_data=False).graph
    return any(any(q in n.op_type for q in QUANTIZED) for n in graph.node)


def steps_of(path):
    """By output name: the scale of its DequantizeLinear."""
    graph = onnx.load(path).graph
    numbers = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    made = {o: n for n in graph.node for o in n.output}
    steps = {}
    for out in graph.output:
        n = made.get(out.name)
        if n is not None and n.op_type == "DequantizeLinear" and n.input[1] in numbers and numbers[n.input[1]].size == 1:
            steps[out.name] = float(numbers[n.input[1]].ravel()[0])
    return steps


def random_input(spec, rng, size=1):
    shape = [d if isinstance(d, int) else size for d in spec.shape]
    if spec.type == "tensor(bool)":
        return rng.integers(0, 1, shape, endpoint=True).astype(bool)
    kind = TYPES[spec.type]
    if kind == np.float32:
        return np.asarray(rng.standard_normal(shape), kind)
    return rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape, endpoint=True).astype(kind) if np.iinfo(kind).bits <= 16 else np.zeros(shape, kind)


def variation(inputs, rng):
    """Another input of the same kind: noise on floats, other bytes; integers (ids, lengths) stay."""
    out = {}
    for name, a in inputs.items():
        if a.dtype == np.float32:
            a = (a * rng.uniform(0.5, 1.2) + rng.standard_normal(a.shape) * 0.1 * float(a.std() or 1)).astype(np.float32)
        elif a.dtype in (np.int8, np.uint8):
            a = rng.integers(np.iinfo(a.dtype).min, np.iinfo(a.dtype).max, a.shape, endpoint=True).astype(a.dtype)
        out[name] = np.asarray(a)
    return out


def run_ours(tool, model, inputs, work):
    given, made = os.path.join(work, "in.npz"), os.path.join(work, "out.npz")
    np.savez(given, **{n.replace("/", "\\"): a for n, a in inputs.items()})
    p = subprocess.run([tool, "run", model, "--input", given, "--output", made, "-q"], capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(f"exit code {p.returncode}: {(p.stderr.splitlines() or ['no message'])[0]}")
    return load_outputs(made)


class Tally:
    def __init__(self):
        self.outputs = self.equal = self.near = 0
        self.worst, self.by_range = 0.0, False

    def add(self, ours, theirs, step):
        a, b = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
        if not a.size:
            return
        if step is None:
            self.by_range, step = True, float(b.max() - b.min()) / 255 or 1.0
        off = np.where(a == b, 0, np.abs(a - b) / step)
        self.outputs += a.size
        self.equal += int((a == b).sum())
        self.near += int((off <= 1.001).sum())
        self.worst = max(self.worst, float(off.max()))

    def row(self):
        if not self.outputs:
            return "| | |"
        mark = " r" if self.by_range else ""
        return f"{100 * self.equal / self.outputs:.3f}% | {100 * self.near / self.outputs:.3f}% | {self.worst:.3g}{mark} |"


def open_session(path, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def compare(tool, path, cases, count, work, size=1):
    level = onnxruntime.GraphOptimizationLevel
    session = open_session(path, level.ORT_DISABLE_ALL)
    try:
        optimized = open_session(path, level.ORT_ENABLE_ALL)
    except PEER_ERRORS:  # some of its rewrites make models that it refuses
        optimized = session
    rng, steps, tally, peer = np.random.default_rng(1), steps_of(path), Tally(), Tally()
    inputs = cases or [{i.name: random_input(i, rng, size) for i in session.get_inputs()}]
    while len(inputs) < count:
        inputs.append(variation(inputs[0], rng))
    names = [o.name for o in session.get_outputs()]
    for given in inputs[:max(count, len(cases))]:
        ours = run_ours(tool, path, given, work)
        for name, want, other in zip(names, session.run(names, given), optimized.run(names, given)):
            if want.dtype.kind not in "fiu":
                continue
            step = 1.0 if want.dtype.kind in "iu" else steps.get(name)
            tally.add(ours[name], want, step)
            peer.add(other, want, step)
    return tally, peer


def cut_apart(path, given, work):
    """A model whose 8-bit values are all inputs (where they are read) and outputs (where they are computed), those inputs, and the wanted outputs."""
    model = onnx.load(path)
    graph = model.graph
    had = [o.name for o in graph.output]
    made = [o for n in graph.node if n.op_type != "Constant" for o in n.output if o]
    graph.output.extend(onnx.ValueInfoProto(name=v) for v in made if v not in had)
    everything = os.path.join(work, "everything.onnx")
    onnx.save(model, everything)
    session = open_session(everything, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    names = [o.name for o in session.get_outputs()]
    values = dict(zip(names, session.run(names, given)))
    cut = [v for v in made if values[v].dtype in (np.int8, np.uint8) and values[v].size > 1]
    inputs, info = dict(given), {}
    for v in cut:
        info[v] = onnx.helper.make_tensor_value_info(v, onnx.helper.np_dtype_to_tensor_dtype(values[v].dtype), values[v].shape)
        entry = graph.input.add()
        entry.CopyFrom(info[v])
        entry.name = inputs_name = v + "/given"
        inputs[inputs_name] = values[v]
    for n in graph.node:
        for k, v in enumerate(n.input):
            if v in info:
                n.input[k] = v + "/given"
    del graph.output[:]
    graph.output.extend(info.values())
    whole = os.path.join(work, "cut.onnx")
    onnx.save(model, whole)
    return whole, inputs, {v: values[v] for v in cut}


def compare_values(tool, path, cases, work):
    rng = np.random.default_rng(1)
    session = open_session(path, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    given = cases[0] if cases else {i.name: random_input(i, rng) for i in session.get_inputs()}
    whole, inputs, wanted = cut_apart(path, given, work)
    tally, ours = Tally(), run_ours(tool, whole, inputs, work)
    for name, want in wanted.items():
        tally.add(ours[name], want, 1.0)
    return tally, len(wanted)


def text_models(a, work):
    for f in sorted(os.listdir(a.text)):
        name, ending = os.path.splitext(f)
        if ending != ".onnxtxt" or (a.models and name not in a.models):
            continue
        with open(os.path.join(a.text, f)) as text:
            lines = [line for line in text if not line.startswith("#")]
        path = os.path.join(work, name + ".onnx")
        onnx.save(onnx.parser.parse_model("".join(lines)), path)
        yield name, path, []


def models(a, work):
    """(name, path, cases) of every quantized model."""
    tool = load_corpus(a.corpus) if os.path.exists(os.path.join(a.corpus, "corpus.py")) else None
    for i in tool.pick([]) if tool else []:
        if a.models and i not in a.models:
            continue
        source = [os.path.join(a.corpus, i, f) for f in ("model.onnx", "skeleton.onnx")]
        if not any(os.path.exists(s) and is_quantized(s) for s in source):
            continue
        path = os.path.join(work, i, "model.onnx")
        if not os.path.exists(path):
            tool.materialize(i, work)
        yield i, path, [tool.make_inputs(i, k) for k in range(len(tool.meta_of(i)["cases"]))]
    for f in sorted(os.listdir(a.tiny)) if os.path.isdir(a.tiny) else []:
        name = f.removesuffix(".onnx")
        if f.endswith("_int8.onnx") and (not a.models or name in a.models):
            yield name, os.path.join(a.tiny, f), []


def main():
    shared = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared")
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--corpus", default=os.path.join(shared, "corpus"))
    ap.add_argument("--tiny", default=os.path.join(shared, "corpus-tiny"))
    ap.add_argument("--text")
    ap.add_argument("--values", action="store_true")
    ap.add_argument("--inputs", type=int, default=4)
    ap.add_argument("--work")
    ap.add_argument("--floor", type=float)
    a = ap.parse_intermixed_args()
    below, count = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        head = "| model | outputs | equal | within 1 step | largest, steps | its own: equal | within 1 step | largest |\n|---|---|---|---|---|---|---|---|"
        print("| model | values | elements | equal | within 1 step | largest |\n|---|---|---|---|---|---|" if a.values else head)
        for name, path, cases in (text_models if a.text else models)(a, a.work or scratch):
            try:
                if a.values:
                    count += 1
                    tally, number = compare_values(a.tool, path, cases, scratch)
                    print(f"| {name} | {number} | {tally.outputs} | {tally.row()}", flush=True)
                    continue
                tally, peer = compare(a.tool, path, cases, a.inputs, scratch, 2 if a.text else 1)
            except PEER_ERRORS as e:
                print(f"| {name} | skipped: onnxruntime: {str(e).splitlines()[0][:80]} | | | | | | |", flush=True)
                continue
            except RuntimeError as e:
                print(f"| {name} | {e} | | | | | | |", flush=True)
                below.append(name)
                continue
            count += 1
            print(f"| {name} | {tally.outputs} | {tally.row()} {peer.row()}", flush=True)
            if a.floor is not None and tally.near * 100 < a.floor * tally.outputs:
                below.append(name)
    if not count and not below:
        print("skipped: no quantized models")
        return 77
    if below and a.floor is not None:
        print(f"below {a.floor}%: {' '.join(below)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
