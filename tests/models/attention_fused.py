#!/usr/bin/env python3
"""Attention as exporters and optimizers say it, on random data, against onnxruntime: softmax(scores) times values must become the one kernel where it should,
and stay apart where it should not.

    attention_fused.py ONNXCC [WORD]

Each is compiled for several sizes, and with sizes that are symbols; for one thread and for three, whose bits must agree. WORD: only cases with it in their name.
Exit code 77 without onnxruntime."""
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

RNG = np.random.default_rng(11)
FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL


def noise(*shape):
    return np.asarray(RNG.standard_normal(shape), np.float32)


class Graph:
    """A model that grows node by node."""

    def __init__(self):
        self.nodes, self.inputs, self.dims, self.constants = [], {}, {}, []

    def input(self, name, value, dims=""):
        self.inputs[name] = value
        self.dims[name] = [int(d) if d.isdigit() else d for d in dims.split()] or value.shape
        return name

    def const(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __getattr__(self, op):
        def add(*inputs, **attributes):
            out = f"{op}_{len(self.nodes)}"
            domain = attributes.pop("domain", "")
            self.nodes.append(helper.make_node(op, list(inputs), [out], domain=domain, **attributes))
            return out

        return add

    def save(self, path, out, symbols, opset):
        kinds = {np.dtype(np.float32): FLOAT, np.dtype(bool): BOOL}
        infos = [helper.make_tensor_value_info(n, kinds[v.dtype], self.dims[n] if symbols else v.shape) for n, v in self.inputs.items()]
        graph = helper.make_graph(self.nodes, "attention", infos, [helper.make_tensor_value_info(out, FLOAT, None)], self.constants)
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)], ir_version=10), path)


def heads(g, x, n, d):
    return g.Transpose(g.Reshape(x, g.const(np.int64([0, 0, n, d]))), perm=[0, 2, 1, 3])


def merged(g, y, width):
    return g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), g.const(np.int64([0, 0, width])))


def projected(g, b, s, t, n, d, dv):
    return [heads(g, g.input(name, noise(b, rows, n * size), f"b {dim} {n * size}"), n, size)
            for name, rows, size, dim in (("q", s, d, "s"), ("k", t, d, "t"), ("v", t, dv, "t"))]


def by_product(g, b, s, t, n, d, dv):
    """As BERT: the product is divided, a mask of numbers is added."""
    q, k, v = projected(g, b, s, t, n, d, dv)
    scores = g.Div(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), g.const(np.float32(d**0.5)))
    mask = np.where(RNG.random((b, 1, 1, t)) < 0.3, np.float32(-10000), np.float32(0))
    return merged(g, g.MatMul(g.Softmax(g.Add(scores, g.input("mask", mask, "b 1 1 t")), axis=-1), v), n * dv)


def by_query(g, b, s, t, n, d, dv):
    """As Whisper: the queries are scaled, before their heads are apart."""
    q = heads(g, g.Mul(g.input("q", noise(b, s, n * d)), g.const(np.float32(d**-0.5))), n, d)
    k = g.Transpose(g.Reshape(g.input("k", noise(b, t, n * d)), g.const(np.int64([0, 0, n, d]))), perm=[0, 2, 3, 1])
    v = heads(g, g.input("v", noise(b, t, n * dv)), n, dv)
    return merged(g, g.MatMul(g.Softmax(g.MatMul(q, k), axis=-1), v), n * dv)


def by_root(g, b, s, t, n, d, dv):
    """As PyTorch: both are multiplied by the root of the scale, rows of NaN are replaced; booleans say what is seen, for some rows nothing."""
    q, k, v = projected(g, b, s, t, n, d, dv)
    root = g.const(np.float32(d**-0.25))
    seen = RNG.random((b, 1, s, t)) < 0.7
    seen[0, 0, 0] = False
    mask = g.Where(g.input("seen", seen, "b 1 s t"), g.const(np.float32(0)), g.const(np.float32(-np.inf)))
    p = g.Softmax(g.Add(g.MatMul(g.Mul(q, root), g.Mul(g.Transpose(k, perm=[0, 1, 3, 2]), root)), mask), axis=-1)
    p = g.Where(g.IsNaN(p), g.const(np.float32(0)), p)
    return merged(g, g.MatMul(p, v), n * dv)


def by_where(g, b, s, t, n, d, dv):
    """As GPT-2: a triangle of booleans chooses between the scores and the least number."""
    q, k, v = projected(g, b, s, t, n, d, dv)
    scores = g.Mul(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), g.const(np.float32(d**-0.5)))
    seen = g.input("seen", np.tri(s, t, t - s, dtype=bool)[None, None], "1 1 s t")
    p = g.Softmax(g.Where(seen, scores, g.const(np.float32(-3.4028235e38))), axis=-1)
    return merged(g, g.MatMul(p, v), n * dv)


def flat(g, b, s, t, n, d, dv):
    """As T5: heads and batch are one dimension, a bias of the positions is added, nothing is scaled; the result is by heads."""
    q, k, v = (g.input(name, noise(b * n, rows, size)) for name, rows, size in (("q", s, d), ("k", t, d), ("v", t, dv)))
    p = g.Softmax(g.Add(g.MatMul(q, g.Transpose(k, perm=[0, 2, 1])), g.input("bias", noise(1, s, t))), axis=-1)
    return g.Add(g.MatMul(p, v), g.const(noise(dv)))


def grouped(g, b, s, t, n, d, dv):
    """Heads share their keys and values, which are repeated."""
    q = heads(g, g.input("q", noise(b, s, 2 * n * d)), 2 * n, d)
    parts = []
    for name, size in (("k", d), ("v", dv)):
        x = g.Unsqueeze(heads(g, g.input(name, noise(b, t, n * size)), n, size), g.const(np.int64([2])))
        parts.append(g.Reshape(g.Expand(x, g.const(np.int64([1, 1, 2, 1, 1]))), g.const(np.int64([0, 2 * n, -1, size]))))
    p = g.Softmax(g.Mul(g.MatMul(q, g.Transpose(parts[0], perm=[0, 1, 3, 2])), g.const(np.float32(0.2))), axis=-1)
    return merged(g, g.MatMul(p, parts[1]), 2 * n * dv)


def standard(g, b, s, t, n, d, dv):
    """The operator Attention, causal."""
    q, k, v = (g.input(name, noise(b, n, rows, size)) for name, rows, size in (("q", s, d), ("k", t, d), ("v", t, dv)))
    return g.Attention(q, k, v, is_causal=1)


def microsoft(g, b, s, t, n, d, dv):
    """MultiHeadAttention of com.microsoft with a bias."""
    q, k, v = (g.input(name, noise(b, rows, n * size), f"b {dim} {n * size}") for name, rows, size, dim in (("q", s, d, "s"), ("k", t, d, "t"), ("v", t, dv, "t")))
    return g.MultiHeadAttention(q, k, v, "", "", g.input("bias", noise(b, n, s, t), f"b {n} s t"), num_heads=n, domain="com.microsoft")


def returned(g, b, s, t, n, d, dv):
    """The probabilities are used twice: not fused."""
    q, k, v = projected(g, b, s, t, n, d, dv)
    p = g.Softmax(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), axis=-1)
    return g.Add(merged(g, g.MatMul(p, v), n * dv), g.ReduceSum(p))


def by_columns(g, b, s, t, n, d, dv):
    """A softmax over the queries: not attention."""
    q, k, v = projected(g, b, s, t, n, d, dv)
    return merged(g, g.MatMul(g.Softmax(g.MatMul(q, g.Transpose(k, perm=[0, 1, 3, 2])), axis=-2), v), n * dv)


def few_queries(g, b, s, t, n, d, dv):
    """Packing the keys is most of the time: not fused."""
    return by_query(g, b, 3, 200, n, d, dv)


# batch, queries, keys, heads, elements of a head, of a value; and whether the first three are symbols
SIZES = {"small": (2, 9, 9, 2, 4, 4), "odd": (2, 37, 61, 3, 20, 24), "long": (1, 70, 1301, 2, 33, 17), "wide": (1, 17, 40, 1, 80, 96), "symbols": (2, 20, 33, 2, 16, 16)}
FUSED = (by_product, by_query, by_root, by_where, flat, grouped, standard, microsoft)
APART = (returned, by_columns, few_queries)


def run(onnxcc, path, inputs, out, *options):
    command = [onnxcc, "run", path, "--input", inputs, "--output", out, "-q", *options]
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    return p.stderr.strip().splitlines()[-1] if p.returncode else None


def is_fused(onnxcc, path):
    p = subprocess.run([onnxcc, path, "--dump=plan", "-o", path + ".out"], capture_output=True, text=True, check=False)
    return re.search(r"  attention\(", p.stdout) is not None


def check(onnxcc, folder, build, size, failures):
    g = Graph()
    out = build(g, *SIZES[size])
    name = f"{build.__name__}-{size}"
    opset = 23 if build is standard else 17
    path, inputs = os.path.join(folder, name + ".onnx"), os.path.join(folder, name + ".npz")
    g.save(path, out, size == "symbols", opset)
    np.savez(inputs, **g.inputs)
    expected = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run([out], g.inputs)[0]
    if is_fused(onnxcc, path) != (build in FUSED):
        failures.append(f"{name}: {'not fused' if build in FUSED else 'fused'}")
    results = []
    for options in ((), ("--threads=3",)):
        to = os.path.join(folder, f"{name}{len(options)}.npz")
        problem = run(onnxcc, path, inputs, to, *options)
        if problem:
            failures.append(f"{name}: {problem}")
            return
        results.append(np.load(to)[out])
    if not np.array_equal(results[0], results[1], equal_nan=True):
        failures.append(f"{name}: other bits with three threads")
    if not np.allclose(results[0], expected, rtol=2e-4, atol=2e-5, equal_nan=True):
        failures.append(f"{name}: differs by {np.nanmax(np.abs(results[0] - expected))}")


def main():
    onnxcc, word = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    failures, n = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for build in FUSED + APART:
            for size in SIZES if build in FUSED else ("odd",):
                if word not in f"{build.__name__}-{size}":
                    continue
                check(onnxcc, folder, build, size, failures)
                n += 1
    print("\n".join(failures + [f"{n} cases, {len(failures)} failures"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
