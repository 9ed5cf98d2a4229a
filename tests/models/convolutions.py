#!/usr/bin/env python3
"""Random convolutional nets, on several targets and with two threads, against onnxruntime.

    convolutions.py ONNXCC [--count N] [--seed S]

Each net is a few convolutions with what fuses into them (bias, residual, activation); many have 3x3 windows, which Winograd's algorithm computes with
--optimize=speed. Every third net is a transposed convolution in one to three dimensions, with any stride, dilation, padding and groups. Some weights are
computed. Sizes are numbers or symbols; one build with symbols runs at two sizes. Differences are at most 2e-5 of the output's range; one thread
and two give the same bits. Exit code 77 without onnx or onnxruntime."""
import argparse
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

SHARE = 2e-5


def net(rng):
    """(model, list of input shapes)."""
    nodes, weights = [], []
    channels, x, side = int(rng.integers(3, 70)), "x", int(rng.integers(9, 30))
    first = channels
    for i in range(int(rng.integers(1, 4))):
        out = channels if rng.random() < 0.4 else int(rng.integers(1, 8) if rng.random() < 0.3 else rng.integers(8, 90))
        kernel, stride, group = int(rng.choice([3, 3, 3, 1, 5])), int(rng.choice([1, 1, 1, 2])), 1
        if rng.random() < 0.15:
            out = group = channels
        elif rng.random() < 0.3:
            group = int(rng.choice([g for g in (2, 3, 4, 5, 7) if channels % g == 0] or [1]))
            out += -out % group
        scale = (channels // group * kernel * kernel) ** -0.5
        weights += [numpy_helper.from_array((scale * rng.standard_normal((out, channels // group, kernel, kernel))).astype(np.float32), f"w{i}"),
                    numpy_helper.from_array(rng.standard_normal(out).astype(np.float32), f"b{i}")]
        pads = [kernel // 2] * 4 if rng.random() < 0.8 else [int(p) for p in rng.integers(0, kernel // 2 + 1, 4)]
        w = f"w{i}"
        if rng.random() < 0.2:  # weights that only the run knows
            nodes += [helper.make_node("ReduceMean", ["x"], [f"m{i}"], keepdims=0), helper.make_node("Sigmoid", [f"m{i}"], [f"f{i}"]),
                      helper.make_node("Mul", [w, f"f{i}"], [f"v{i}"])]
            w = f"v{i}"
        nodes.append(helper.make_node("Conv", [x, w, f"b{i}"], [f"c{i}"], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group))
        y = f"c{i}"
        if out == channels and stride == 1 and pads == [kernel // 2] * 4 and rng.random() < 0.6:
            nodes.append(helper.make_node("Add", [y, x], [f"s{i}"]))
            y = f"s{i}"
        activation = rng.choice(["", "Relu", "Sigmoid"])
        if activation:
            nodes.append(helper.make_node(str(activation), [y], [f"a{i}"]))
            y = f"a{i}"
        x, channels = y, out
    symbols = rng.random() < 0.4
    shape = ["n", first, "h", "w"] if symbols else [int(rng.integers(1, 3)), first, side, int(rng.integers(9, 30))]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    return model, [[2, first, 10, 14], [1, first, 23, 11]] if symbols else [shape]


def some(rng, low, high, n):
    return [int(v) for v in rng.integers(low, high, n)]


def transposed_net(rng):
    """(model, list of input shapes): a transposed convolution, often behind a convolution, with an activation or a sum behind it."""
    rank, group = int(rng.choice([1, 2, 2, 2, 3])), int(rng.choice([1, 1, 1, 2, 5]))
    channels, out = group * int(rng.integers(1, 25)), group * int(rng.integers(1, 20))
    if rng.random() < 0.2:
        group = out = channels
    kernel, stride, dilation = some(rng, 1, 6 if rank < 3 else 4, rank), some(rng, 1, 4 if rank < 3 else 3, rank), some(rng, 1, 3, rank)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    pads = [int(rng.integers(0, (r + 1) // 2)) for r in reach] + [int(rng.integers(0, (r + 1) // 2)) for r in reach]
    more = [int(rng.integers(0, s)) for s in stride]
    weights = [numpy_helper.from_array((0.3 * rng.standard_normal([channels, out // group] + kernel)).astype(np.float32), "w")]
    bias = ["b"] * int(rng.integers(0, 2))
    weights += [numpy_helper.from_array(rng.standard_normal(out).astype(np.float32), b) for b in bias]
    nodes, x, symbols = [], "x", rng.random() < 0.4
    if rng.random() < 0.5:
        weights.append(numpy_helper.from_array((0.3 * rng.standard_normal([channels, channels] + [1] * rank)).astype(np.float32), "v"))
        nodes.append(helper.make_node("Conv", [x, "v"], ["c"]))
        x = "c"
    size = some(rng, 5 if rank < 3 else 3, 14 if rank < 3 else 6, rank)
    how = {"pads": pads, "output_padding": more}
    if not symbols and rng.random() < 0.2:
        how = {"output_shape": [(n - 1) * s + r - int(rng.integers(0, 2)) for n, s, r in zip(size, stride, reach)]}
    nodes.append(helper.make_node("ConvTranspose", [x, "w"] + bias, ["t"], kernel_shape=kernel, strides=stride, dilations=dilation, group=group, **how))
    nodes.append(helper.make_node(str(rng.choice(["Relu", "Sigmoid", "Neg"])), ["t"], ["a"]))
    nodes.append(helper.make_node("Add", ["a", "t"], ["y"]))
    shape = ["n", channels] + ["d", "h", "w"][3 - rank:] if symbols else [int(rng.integers(1, 3)), channels] + size
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    return model, [[2, channels] + size, [1, channels] + [n + 2 for n in size]] if symbols else [shape]


def run(tool, path, inputs, work, options):
    """The first output by input file."""
    out = os.path.join(work, "out")
    p = subprocess.run([tool, "run", path, "--data", inputs, "--output", out, "-q", *options], capture_output=True, text=True, check=False)
    if p.returncode:
        return None, (p.stderr.strip() + p.stdout)[:800]
    results = {}
    for name in sorted(os.listdir(inputs)):
        with np.load(os.path.join(out, name)) as z:
            results[name] = next(iter(z.values()))
    return results, ""


def prepare(model, shapes, rng, work, k):
    """The model's file, a folder with random inputs x of these shapes, and onnxruntime's first output by input file."""
    path, inputs = os.path.join(work, f"net{k}.onnx"), os.path.join(work, f"in{k}")
    onnx.save(model, path)
    os.makedirs(inputs)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    want = {}
    for i, shape in enumerate(shapes):
        x = rng.standard_normal(shape).astype(np.float32)
        np.savez(os.path.join(inputs, f"{i}.npz"), x=x)
        want[f"{i}.npz"] = session.run(None, {"x": x})[0]
    return path, inputs, want


def target_of(k):
    return ["native", "x86-64-v3", "x86-64", "generic-c99"][k % 4] if os.uname().machine == "x86_64" else "native"


def difference(got, want):
    """The largest one, as a share of the range; infinite between other shapes."""
    return np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1e-6) if got.shape == want.shape else np.inf


def check(tool, k, seed, work):
    rng = np.random.default_rng([seed, k])
    model, shapes = transposed_net(rng) if k % 3 == 2 else net(rng)
    path, inputs, want = prepare(model, shapes, rng, work, k)
    target, first = target_of(k), None
    for threads in ("1", "2"):
        got, said = run(tool, path, inputs, work, ["--optimize=speed", f"--target={target}", "--threads", threads])
        if got is None:
            return f"{target}, {threads} threads: {said}"
        for name, w in want.items():
            worst = difference(got[name], w)
            if not worst <= SHARE:
                return f"{target}, {threads} threads, {name}: differs by {worst:.3g} of the range"
            if first and got[name].tobytes() != first[name].tobytes():
                return f"{target}, {name}: not the same bits with two threads"
        first = got
    return ""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("onnxcc")
    p.add_argument("--count", type=int, default=24)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        for k in range(a.count):
            problem = check(a.onnxcc, k, a.seed, work)
            if problem:
                failed += 1
                print(f"FAILED: net {k} of seed {a.seed}: {problem}")
    print(f"{a.count - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
