#!/usr/bin/env python3
"""Random chains of convolutions and pools that go through an image by rows, on several targets and with several threads, against onnxruntime.

    bands.py ONNXCC [--count N] [--seed S] [--sanitize]

Each net is one to three chains of convolutions (1x1, depthwise, dense, grouped) and pools with any stride, dilation and padding, a residual sum around some.
With --optimize=size all that can be is a band; where that is so is seen in the plan, and it must be in most nets. The same bits have to come out with one,
two and three threads, and of the net that gives every value in between as an output, which leaves nothing to be banded; --sanitize: and nothing is to be seen
by the sanitizers. Differences from onnxruntime are at most 2e-5 of the output's range. Exit code 77 without onnx or onnxruntime."""
import argparse
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime  # noqa: F401
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

from convolutions import difference, prepare, run, target_of

SHARE = 2e-5


def convolution(rng, i, x, channels, group, out, kernel, how):
    scale = (channels // group * kernel[0] * kernel[1]) ** -0.5
    weights = [numpy_helper.from_array((scale * rng.standard_normal([out, channels // group] + kernel)).astype(np.float32), f"w{i}"),
               numpy_helper.from_array(rng.standard_normal(out).astype(np.float32), f"b{i}")]
    return [helper.make_node("Conv", [x, f"w{i}", f"b{i}"], [f"c{i}"], kernel_shape=kernel, group=group, **how)], weights


def window(rng, least, pool):
    """Kernel, and the other attributes, of a window that fits into `least` pixels."""
    while True:
        kernel, dilation = [int(k) for k in rng.choice([1, 2, 3, 3, 5], 2)], [int(d) for d in rng.choice([1, 1, 2], 2)]
        if pool:
            dilation = [1, 1]
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
        stride = [int(s) for s in rng.choice([1, 1, 2, 3], 2)]
        pads = [r // 2 for r in reach] * 2 if rng.random() < 0.6 else [int(rng.integers(0, k if pool else r)) for k, r in zip(kernel, reach)] + [int(rng.integers(0, k if pool else r)) for k, r in zip(kernel, reach)]
        if max(reach) <= least:
            return kernel, dict({"strides": stride, "pads": pads}, **({} if pool else {"dilations": dilation}))


def sizes_after(size, kernel, how):
    dilation = how.get("dilations", [1, 1])
    return [(n + how["pads"][k] + how["pads"][k + 2] - (kernel[k] - 1) * dilation[k] - 1) // how["strides"][k] + 1 for k, n in enumerate(size)]


def net(rng):
    """(model, the names in between, list of input shapes)."""
    nodes, weights, names = [], [], []
    channels, x = int(rng.choice([3, 4, 8])), "x"
    first, size = channels, [int(n) for n in rng.integers(9, 34, 2)]
    shape = [int(rng.integers(1, 4)), first] + size
    residual = None
    for i in range(int(rng.integers(2, 8))):
        kind, out, group = rng.choice(["1x1", "1x1", "dw", "dw", "dense", "group", "pool"] if i else ["dense", "1x1"]), int(rng.choice([24, 40, 65, 96])), 1
        if kind == "1x1":
            kernel, how = [1, 1], {"strides": [1, 1], "pads": [0] * 4}
        else:
            kernel, how = window(rng, min(size), kind == "pool")
        if kind == "pool":
            node = str(rng.choice(["MaxPool", "AveragePool"]))
            made, more, out = [helper.make_node(node, [x], [f"c{i}"], kernel_shape=kernel, **how)], [], channels
        else:
            if kind == "dw":
                out = group = channels
            elif kind == "group":
                group = int(rng.choice([g for g in (2, 3, 4, 5) if channels % g == 0] or [1]))
                out += -out % group
            made, more = convolution(rng, i, x, channels, group, out, kernel, how)
        after = sizes_after(size, kernel, how)
        if min(after) < 2:
            continue
        nodes += made
        weights += more
        x, channels, size = f"c{i}", out, after
        if residual and residual[1:] == (channels, size) and rng.random() < 0.7:
            nodes.append(helper.make_node("Add", [x, residual[0]], [f"s{i}"]))
            x = f"s{i}"
        if rng.random() < 0.6:
            nodes.append(helper.make_node(str(rng.choice(["Relu", "Sigmoid", "HardSwish"])), [x], [f"a{i}"]))
            x = f"a{i}"
        names.append(x)
        if rng.random() < 0.3:
            residual = (x, channels, size)
    symbols = rng.random() < 0.3
    declared = ["n"] + shape[1:] if symbols else shape
    nodes.append(helper.make_node("Neg", [x], ["y"]))
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, declared)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], weights)
    model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    return model, names, [shape, [4] + shape[1:]] if symbols else [shape]


def with_outputs(model, names):
    """The same with more outputs, so that everything between the nodes is written as a whole."""
    more = onnx.ModelProto()
    more.CopyFrom(model)
    known = {v.name: v for v in model.graph.value_info}
    for name in names:
        more.graph.output.append(known[name])
    return more


def has_bands(tool, path, work, options):
    p = subprocess.run([tool, "compile", path, "--dump=layout", "-q", "-o", os.path.join(work, "plan"), *options], capture_output=True, text=True, check=False)
    return any(line.split()[1:2] == ["band"] for line in p.stdout.splitlines())


def check(tool, k, seed, work, sanitize):
    """(what is wrong, whether there was a band)."""
    rng = np.random.default_rng([seed, k])
    model, names, shapes = net(rng)
    path, inputs, want = prepare(model, shapes, rng, work, k)
    whole = os.path.join(work, f"whole{k}.onnx")
    onnx.save(with_outputs(model, names), whole)
    target = target_of(k)
    options, first = ["--optimize=size", f"--target={target}"], None
    for model_path, threads in ((path, 1), (path, 2), (path, 3), (whole, 1)):
        how = f"{target}, {threads} threads" + (", not banded" if model_path == whole else "")
        got, said = run(tool, model_path, inputs, work, options + ["--threads", str(threads)])
        if got is None:
            return f"{how}: {said}", False
        for name, w in want.items():
            worst = difference(got[name], w)
            if not worst <= SHARE:
                return f"{how}, {name}: differs by {worst:.3g} of the range", False
            if first and got[name].tobytes() != first[name].tobytes():
                return f"{how}, {name}: not the same bits", False
        first = first or got
    if sanitize:
        for name, w in want.items():
            expected = os.path.join(work, "expected.npz")
            np.savez(expected, y=w)
            p = subprocess.run([tool, "verify", path, "--inputs", os.path.join(inputs, name), "--expect", expected, "--sanitize", "-q", *options, "--threads", "2"],
                               capture_output=True, text=True, check=False)
            if p.returncode:
                return f"{target}, sanitized: {(p.stderr.strip() + p.stdout)[:800]}", False
    return "", has_bands(tool, path, work, options)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("onnxcc")
    p.add_argument("--count", type=int, default=16)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--sanitize", action="store_true")
    a = p.parse_args()
    failed = banded = 0
    with tempfile.TemporaryDirectory() as work:
        for k in range(a.count):
            problem, band = check(a.onnxcc, k, a.seed, work, a.sanitize)
            banded += band
            if problem:
                failed += 1
                print(f"FAILED: net {k} of seed {a.seed}: {problem}")
    print(f"{a.count - failed} passed, {failed} failed; {banded} with bands")
    return failed != 0 or 2 * banded < a.count


if __name__ == "__main__":
    sys.exit(main())
