"""Models with random weights for tests of generated CUDA code: each function of MODELS gives (model, list of inputs by name).

Weights are scaled so that values stay near one through all layers; the inputs have two sizes of every dimension that is free.

    small.py DIR NAME...     writes DIR/NAME.onnx"""
import os
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

FLOAT, HALF, INT64, BOOL = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL
OPSET = 21


class Graph:
    """Nodes so far; every call of an operator returns the name of its (first) output."""

    def __init__(self, seed, dtype=np.float32, prefix=""):
        self.rng, self.dtype, self.prefix = np.random.default_rng(seed), dtype, prefix
        self.nodes, self.constants, self.count = [], [], 0

    def __getattr__(self, operator):
        if not operator[0].isupper():
            raise AttributeError(operator)
        return lambda *inputs, **attributes: self.node(operator, inputs, **attributes)[0]

    def node(self, operator, inputs, outputs=1, **attributes):
        names = outputs if isinstance(outputs, list) else [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, [self.value(i) for i in inputs], names, **attributes))
        return names

    def name(self):
        self.count += 1
        return f"{self.prefix}v{self.count}"

    def value(self, v):
        """A name as it is; an array becomes an initializer."""
        if isinstance(v, str):
            return v
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(v), name))
        return name

    def floats(self, v):
        return np.asarray(v, self.dtype)

    def weights(self, *shape, fan=None):
        fan = fan or int(np.prod(shape[1:])) or 1
        return self.floats(self.rng.standard_normal(shape) * fan**-0.5)

    def small(self, *shape):
        return self.floats(self.rng.standard_normal(shape) * 0.1)

    def linear(self, x, rows, columns):
        return self.Add(self.MatMul(x, self.weights(rows, columns, fan=rows)), self.small(columns))

    def graph(self, name, inputs, outputs):
        return helper.make_graph(self.nodes, name, [helper.make_tensor_value_info(*i) for i in inputs],
                                 [helper.make_tensor_value_info(*o) for o in outputs], self.constants)

    def model(self, inputs, outputs, ml=False):
        domains = [helper.make_opsetid("", OPSET)] + [helper.make_opsetid("ai.onnx.ml", 3)] * ml
        made = helper.make_model(self.graph("g", inputs, outputs), opset_imports=domains, ir_version=10)
        checker.check_model(made)
        return made


def noise(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def mlp(dtype=np.float32):
    g, kind = Graph(1, dtype), helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x = g.Relu(g.linear("x", 48, 100))
    x = g.Tanh(g.Gemm(x, g.weights(70, 100), g.small(70), transB=1))
    g.node("Softmax", [g.linear(x, 70, 13)], ["y"], axis=-1)
    return g.model([("x", kind, ["n", 48])], [("y", kind, ["n", 13])]), [{"x": noise(n, n, 48, dtype=dtype)} for n in (1, 37)]


def half():
    return mlp(np.float16)


def cnn():
    g = Graph(2)
    x = g.Relu(g.Conv("x", g.weights(16, 3, 5, 5), g.small(16), pads=[2] * 4))
    x = g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    x = g.Concat(g.Conv(x, g.weights(24, 16, 3, 3), pads=[1] * 4), g.Conv(x, g.weights(8, 16, 1, 1)), axis=1)
    x = g.Sigmoid(g.Conv(x, g.weights(32, 8, 3, 3), g.small(32), group=4, strides=[2, 2]))
    x = g.ConvTranspose(x, g.weights(32, 12, 2, 2, fan=32), strides=[2, 2])
    x = g.AveragePool(x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.Flatten(g.GlobalAveragePool(g.Relu(x)))
    g.node("LogSoftmax", [g.linear(x, 12, 10)], ["y"], axis=-1)
    return g.model([("x", FLOAT, ["n", 3, 21, 30])], [("y", FLOAT, ["n", 10])]), [{"x": noise(n, n, 3, 21, 30)} for n in (1, 3)]


def mobilenet_v2(size=64):
    g = Graph(3)

    def conv(x, channels, out, kernel=1, stride=1, group=1, clip=True):
        x = g.Conv(x, g.weights(out, channels // group, kernel, kernel) * g.floats(1.4), strides=[stride] * 2, pads=[kernel // 2] * 4, group=group)
        x = g.BatchNormalization(x, *(g.floats(v) for v in (1 + 0.1 * g.rng.standard_normal(out), 0.1 * g.rng.standard_normal(out),
                                                            0.1 * g.rng.standard_normal(out), g.rng.uniform(0.7, 1.3, out))))
        return g.Clip(x, g.floats(0), g.floats(6)) if clip else x

    x, channels = conv("x", 3, 32, 3, 2), 32
    for expand, out, repeats, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(repeats):
            inner, stride, into = channels * expand, first if i == 0 else 1, x
            y = conv(x, channels, inner) if expand > 1 else x
            x = conv(conv(y, inner, inner, 3, stride, inner), inner, out, clip=False)
            if stride == 1 and channels == out:
                x = g.Add(into, x)
            channels = out
    x = g.Flatten(g.ReduceMean(conv(x, channels, 1280), np.array([2, 3])))
    g.node("Gemm", [x, g.weights(1000, 1280), g.small(1000)], ["y"], transB=1)
    return g.model([("x", FLOAT, ["n", 3, size, size])], [("y", FLOAT, ["n", 1000])]), [{"x": noise(n, n, 3, size, size)} for n in (1, 2)]


def bert(layers=2, hidden=64, heads=4, words=101, positions=64):
    g = Graph(4)
    each, f = hidden // heads, g.floats

    def norm(x):
        centred = g.Sub(x, g.ReduceMean(x, np.array([-1])))
        scale = g.Sqrt(g.Add(g.ReduceMean(g.Pow(centred, f(2)), np.array([-1])), f(1e-12)))
        return g.Add(g.Mul(g.Div(centred, scale), f(1 + 0.1 * g.rng.standard_normal(hidden))), g.small(hidden))

    def split(x, order):
        return g.Transpose(g.Reshape(x, np.array([0, 0, heads, each])), perm=order)

    length = g.Gather(g.Shape("ids"), np.array(1))
    place = g.Gather(g.weights(positions, hidden, fan=1), g.Range(np.array(0), length, np.array(1)))
    x = norm(g.Add(g.Add(g.Gather(g.weights(words, hidden, fan=1), "ids"), place), g.Gather(g.weights(2, hidden, fan=1), "types")))
    mask = g.Mul(g.Sub(f(1), g.Cast(g.Unsqueeze("mask", np.array([1, 2])), to=FLOAT)), f(-10000))
    for _ in range(layers):
        q, k, v = (split(g.linear(x, hidden, hidden), order) for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        p = g.Softmax(g.Add(g.Div(g.MatMul(q, k), f(each**0.5)), mask), axis=-1)
        joined = g.Reshape(g.Transpose(g.MatMul(p, v), perm=[0, 2, 1, 3]), np.array([0, 0, hidden]))
        x = norm(g.Add(x, g.linear(joined, hidden, hidden)))
        y = g.linear(x, hidden, 4 * hidden)
        y = g.Mul(g.Mul(y, g.Add(g.Erf(g.Div(y, f(2**0.5))), f(1))), f(0.5))
        x = norm(g.Add(x, g.linear(y, 4 * hidden, hidden)))
    first = g.Gather(x, np.array(0), axis=1)
    g.node("Tanh", [g.linear(first, hidden, hidden)], ["pooled"])
    g.node("Identity", [x], ["y"])
    made = g.model([(n, INT64, ["n", "s"]) for n in ("ids", "mask", "types")], [("y", FLOAT, ["n", "s", hidden]), ("pooled", FLOAT, ["n", hidden])])
    rng, inputs = np.random.default_rng(5), []
    for n, s in ((1, 7), (3, 40)):
        lengths = rng.integers(1, s + 1, n)
        inputs.append({"ids": rng.integers(0, words, (n, s)), "mask": (np.arange(s) < lengths[:, None]).astype(np.int64), "types": rng.integers(0, 2, (n, s))})
    return made, inputs


def lstm():
    g, hidden = Graph(6), 24
    y, last, cell = g.node("LSTM", ["x", g.weights(2, 4 * hidden, 10, fan=10), g.weights(2, 4 * hidden, hidden, fan=hidden), g.small(2, 8 * hidden)], 3,
                           hidden_size=hidden, direction="bidirectional")
    g.node("Tanh", [g.linear(g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), np.array([0, 0, 2 * hidden])), 2 * hidden, 9)], ["y"])
    g.node("Concat", [last, cell], ["last"], axis=2)
    return (g.model([("x", FLOAT, ["s", "n", 10])], [("y", FLOAT, ["s", "n", 9]), ("last", FLOAT, [2, "n", 2 * hidden])]),
            [{"x": noise(s, s, n, 10)} for s, n in ((1, 1), (11, 3))])


def forest(trees=20, depth=5, features=12, classes=4):
    g, nodes, leaves = Graph(7), [], []
    inner = 2**depth - 1
    for tree in range(trees):
        for i in range(2 * inner + 1):
            leaf = i >= inner
            nodes.append((tree, i, int(g.rng.integers(features)), "LEAF" if leaf else "BRANCH_LEQ", float(np.float32(g.rng.standard_normal() * 0.7)),
                          0 if leaf else 2 * i + 1, 0 if leaf else 2 * i + 2))
            if leaf:
                leaves += [(tree, i, c, float(w)) for c, w in enumerate(g.rng.dirichlet(np.ones(classes)).astype(np.float32) / trees)]
    tree, at, feature, mode, value, yes, no = map(list, zip(*nodes))
    leaf_tree, leaf_at, leaf_class, weight = map(list, zip(*leaves))
    g.node("TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml", nodes_treeids=tree, nodes_nodeids=at, nodes_featureids=feature,
           nodes_modes=mode, nodes_values=value, nodes_truenodeids=yes, nodes_falsenodeids=no, class_treeids=leaf_tree, class_nodeids=leaf_at,
           class_ids=leaf_class, class_weights=weight, classlabels_int64s=list(range(classes)), post_transform="NONE")
    return (g.model([("x", FLOAT, ["n", features])], [("label", INT64, ["n"]), ("scores", FLOAT, ["n", classes])], ml=True),
            [{"x": noise(n, n, features)} for n in (1, 130)])


def branch():
    """The sum of the input decides on the device which of two networks runs."""
    g, parts = Graph(8), []
    for i, function in enumerate(("Relu", "Tanh")):
        b = Graph(9 + i, prefix=f"b{i}")
        b.node(function, [b.linear("hidden", 40, 20)], [f"branch{i}"])
        parts.append(b.graph(f"branch{i}", [], [(f"branch{i}", FLOAT, ["n", 20])]))
    g.node("Relu", [g.linear("x", 30, 40)], ["hidden"])
    positive = g.Greater(g.ReduceSum("x", keepdims=0), g.floats(0))
    g.node("If", [positive], ["y"], then_branch=parts[0], else_branch=parts[1])
    return g.model([("x", FLOAT, ["n", 30])], [("y", FLOAT, ["n", 20])]), [{"x": abs(noise(1, 1, 30))}, {"x": -abs(noise(2, 5, 30))}]


def loop():
    """A loop with as many turns as the largest number of an input, and one that goes on until its state is small and keeps every turn's."""
    g, parts = Graph(11), []
    for i, shrink in enumerate((1, 0.6)):
        b = Graph(12 + i, prefix=f"b{i}")
        b.node("Tanh", [b.linear("state", 16, 16) if i == 0 else b.Mul("state", b.floats(shrink))], [f"next{i}"])
        b.node("Greater", [b.ReduceMax(b.Abs(f"next{i}"), keepdims=0), b.floats(0.1)], [f"again{i}"])
        outputs = [(f"again{i}", BOOL, []), (f"next{i}", FLOAT, ["n", 16])]
        if i == 1:
            b.node("Neg", [f"next{i}"], ["kept"])
            outputs.append(("kept", FLOAT, ["n", 16]))
        parts.append(b.graph(f"body{i}", [("turn", INT64, []), ("going", BOOL, []), ("state", FLOAT, ["n", 16])], outputs))
    turns = g.Cast(g.ReduceMax("counts", keepdims=0), to=INT64)
    y = g.Loop(turns, np.array(True), "x", body=parts[0])
    _, kept = g.node("Loop", [np.array(12), np.array(True), y], ["y", "kept"], body=parts[1])
    g.node("Reshape", [kept, np.array([-1, 16])], ["all"])  # where the reference evaluator has joined them already
    return (g.model([("x", FLOAT, ["n", 16]), ("counts", FLOAT, [4])], [("y", FLOAT, ["n", 16]), ("all", FLOAT, ["rows", 16])]),
            [{"x": noise(n, n, 16), "counts": np.array([0, 1, most, 2], np.float32)} for n, most in ((1, 3), (5, 9))])


def nonzero():
    """The rows of a product whose flag is set: how many they are is known on the device only."""
    g = Graph(13)
    which = g.Reshape(g.NonZero(g.Greater("flags", g.floats(0))), np.array([-1]))
    rows = g.Gather(g.linear("x", 20, 24), which)
    g.node("Softmax", [g.linear(rows, 24, 17)], ["y"], axis=-1)
    g.node("ReduceSum", [rows, np.array([0])], ["sums"], keepdims=0)
    return (g.model([("x", FLOAT, ["n", 20]), ("flags", FLOAT, ["n"])], [("y", FLOAT, ["found", 17]), ("sums", FLOAT, [24])]),
            [{"x": noise(n, n, 20), "flags": noise(n + 1, n)} for n in (9, 60)])


def quantized():
    """A convolution and a product in 8 bits, as QuantizeLinear and DequantizeLinear around float operators."""
    g = Graph(14)

    def both(x, scale, zero):
        return g.DequantizeLinear(g.QuantizeLinear(x, g.floats(scale), zero), g.floats(scale), zero)

    def fixed(w):
        scale = abs(w).reshape(len(w), -1).max(1) / 127
        steps = np.rint(w / scale.reshape(-1, *[1] * (w.ndim - 1))).astype(np.int8)
        return g.DequantizeLinear(steps, g.floats(scale), np.zeros(len(w), np.int8), axis=0)

    x = both("x", 0.03, np.array(121, np.uint8))
    x = g.Relu(g.Conv(x, fixed(g.weights(16, 3, 3, 3)), g.small(16), pads=[1] * 4))
    x = both(x, 0.02, np.array(0, np.uint8))
    x = g.Flatten(g.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2]))
    x = g.Gemm(x, fixed(g.weights(10, 16 * 6 * 6)), g.small(10), transB=1)
    g.node("Identity", [both(x, 0.025, np.array(128, np.uint8))], ["y"])
    return g.model([("x", FLOAT, ["n", 3, 12, 12])], [("y", FLOAT, ["n", 10])]), [{"x": noise(n, n, 3, 12, 12)} for n in (1, 4)]


def outside(operator):
    """Not one of MODELS: its second set has an index that is outside of the table. A thread for each element (Relu), or a block for each row (Softmax)."""
    g = Graph(15)
    g.node(operator, [g.Gather(g.weights(9, 70), "i")], ["y"])
    return g.model([("i", INT64, ["n"])], [("y", FLOAT, ["n", 70])]), [{"i": np.array([0, 8, -9])}, {"i": np.array([0, 9, 1])}]


MODELS = [mlp, half, cnn, mobilenet_v2, bert, lstm, forest, branch, loop, nonzero, quantized]

if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        save(globals()[wanted]()[0], os.path.join(sys.argv[1], wanted + ".onnx"))
