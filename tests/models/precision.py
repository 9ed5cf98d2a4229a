#!/usr/bin/env python3
"""--precision=bf16 and fp16: random convolutional nets and small encoders on several targets against onnxruntime.

    precision.py ONNXCC [--count N] [--seed S]

Where a target has no fast instruction for such products, --optimize=size rounds operands all the same. Outputs differ by at most SHARE of their range from
onnxruntime's in float32, and do differ, for else nothing would have been rounded. One thread and two, gcc and clang give the same bits. Exit code 77 without
onnx or onnxruntime."""
import argparse
import os
import shutil
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

from convolutions import difference, net, prepare, run

SHARE = 2e-2


def encoder(rng):
    """(model, list of input shapes): one layer of a transformer, or two."""
    heads, size, tokens = int(rng.integers(1, 4)), 8 * int(rng.integers(1, 5)), int(rng.integers(5, 40))
    width, inner = heads * size, int(rng.integers(17, 150))
    nodes, weights = [], []

    def weight(name, *shape):
        scale = shape[0] ** -0.5 if len(shape) > 1 else 0.1
        weights.append(numpy_helper.from_array((scale * rng.standard_normal(shape)).astype(np.float32), name))
        return name

    def node(op, inputs, name, **attributes):
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def linear(x, name, m, n):
        return node("Add", [node("MatMul", [x, weight(f"{name}w", m, n)], f"{name}m"), weight(f"{name}b", n)], f"{name}a")

    def norm(x, name):
        return node("LayerNormalization", [x, weight(f"{name}s", width), weight(f"{name}o", width)], f"{name}n")

    weights.append(numpy_helper.from_array(np.array([0, 0, heads, size], dtype=np.int64), "split"))
    weights.append(numpy_helper.from_array(np.array([0, 0, width], dtype=np.int64), "joined"))
    weights.append(numpy_helper.from_array(np.array(size ** -0.5, dtype=np.float32), "scale"))
    x = "x"
    for i in range(int(rng.integers(1, 3))):
        parts = {}
        for part, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            value = node("Reshape", [linear(x, f"{part}{i}", width, width), "split"], f"{part}{i}r")
            parts[part] = node("Transpose", [value], f"{part}{i}t", perm=perm)
        scores = node("Mul", [node("MatMul", [parts["q"], parts["k"]], f"qk{i}"), "scale"], f"s{i}")
        mixed = node("MatMul", [node("Softmax", [scores], f"p{i}"), parts["v"]], f"pv{i}")
        joined = node("Reshape", [node("Transpose", [mixed], f"pt{i}", perm=[0, 2, 1, 3]), "joined"], f"j{i}")
        x = norm(node("Add", [x, linear(joined, f"o{i}", width, width)], f"r{i}"), f"n{i}")
        hidden = node("Sigmoid", [linear(x, f"h{i}", width, inner)], f"g{i}")
        x = norm(node("Add", [x, linear(hidden, f"d{i}", inner, width)], f"e{i}"), f"m{i}")
    batch = int(rng.integers(1, 3))
    shape = ["n", "t", width] if rng.random() < 0.4 else [batch, tokens, width]
    graph = helper.make_graph(nodes, "encoder", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model), [[batch, tokens, width], [1, tokens + 3, width]] if "n" in shape else [shape]


def targets():
    """Precision, target and what to optimize for; with the instruction only where it is."""
    if os.uname().machine != "x86_64":
        return [(p, t, "size") for p in ("bf16", "fp16") for t in ("native", "generic-c99")]
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        has = f.read()
    fast = [(p, f"x86-64-v4-{p}", "balanced") for p in ("bf16", "fp16") if f"avx512_{p}" in has]
    plain = ["x86-64-v4"] * ("avx512bw" in has) + ["x86-64-v3"] * ("avx2" in has) + ["x86-64", "generic-c99"]
    return fast + [(("bf16", "fp16")[k % 2], t, "size") for k, t in enumerate(plain)] + fast + [(("fp16", "bf16")[k % 2], t, "size") for k, t in enumerate(plain)]


def check(tool, k, seed, work):
    rng = np.random.default_rng([seed, k])
    model, shapes = encoder(rng) if k % 2 else net(rng)
    path, inputs, want = prepare(model, shapes, rng, work, k)
    choice = targets()
    precision, target, optimize = choice[k // 2 % len(choice)]
    first = None
    for threads, cc in (("1", "gcc"), ("2", "gcc"), ("1", "clang")):
        if not shutil.which(cc):
            continue
        os.environ["CC"] = cc
        where = f"{precision}, {target}, {threads} threads, {cc}"
        got, said = run(tool, path, inputs, work, [f"--precision={precision}", f"--optimize={optimize}", f"--target={target}", "--threads", threads])
        if got is None:
            return f"{where}: {said}"
        for name, w in want.items():
            worst = difference(got[name], w)
            if not worst <= SHARE:
                return f"{where}, {name}: differs by {worst:.3g} of the range"
            if k % 2 and worst < 1e-6:
                return f"{where}, {name}: nothing was rounded"
            if first and got[name].tobytes() != first[name].tobytes():
                return f"{where}, {name}: not the bits of one thread and gcc"
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
