#!/usr/bin/env python3
"""Random models through `onnxcc optimize`: what is written is valid, no larger, and gives the same outputs in onnxruntime.

    optimize_random.py ONNXCC [FIRST [COUNT]]

Model number N is always the same: up to 16 steps of views, slices, concatenations, shape arithmetic, elementwise operators, products and norms on one or
two inputs with named dimensions, at an opset from 11 to 21. It runs at several sizes, 1 among them, where onnxruntime runs the original: a pass that took
sizes as equal which are not would be seen there. Every fourth model runs with --verify-passes."""
import math
import os
import random
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime  # noqa: F401
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

from optimize import count, difference, optimize, session, valid

FLOOR = 0.1  # a range below this one is rounding noise: the norm of a row of equal numbers
TOLERANCE = 2e-5  # of an output's range: deep models round a few times more than those of the corpus
SIZES = [{"n": 1, "m": 1}, {"n": 3, "m": 5}, {"n": 2, "m": 2}]


class Model:
    """Nodes so far, and the float values that they give with their shapes at one choice of sizes."""

    def __init__(self, seed):
        self.rng, self.nodes, self.constants, self.values, self.shapes = random.Random(seed), [], [], [], {}
        self.opset = self.rng.choice([11, 12, 13, 17, 18, 20, 21])
        self.sizes = {"n": self.rng.choice([1, 2, 3]), "m": self.rng.choice([1, 2, 4, 5])}
        self.inputs = []
        for i in range(self.rng.choice([1, 2])):
            dims = [self.rng.choice(["n", "m", 1, 3, 4]) for _ in range(self.rng.choice([2, 3, 4, 4]))]
            self.inputs.append((f"x{i}", dims))
            self.give(f"x{i}", [self.sizes.get(d, d) for d in dims])
        for _ in range(self.rng.randint(3, 16)):
            usable = [v for v in self.values if len(self.shapes[v]) <= 5 and math.prod(self.shapes[v]) < 20000]
            x = self.rng.choice(usable[-6:] if self.rng.random() < 0.7 else usable)
            self.rng.choice(STEPS)(self, x, self.shapes[x])

    def give(self, name, shape):
        self.values.append(name)
        self.shapes[name] = tuple(shape)
        return name

    def const(self, data, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(data, dtype), name))
        return name

    def ints(self, *data):
        return self.const(data, np.int64)

    def add(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def with_axes(self, op, x, axes, since=13, **attributes):
        return self.add(op, x, self.ints(*axes), **attributes) if self.opset >= since else self.add(op, x, axes=list(axes), **attributes)

    def random(self, *shape):
        return np.random.RandomState(len(self.nodes)).randn(*shape).astype(np.float32) * 0.3  # pylint: disable=no-member

    def proto(self):
        made = [v for v in self.values if not v.startswith("x")]
        if not made:
            return None
        outputs = sorted({made[-1], *self.rng.sample(made, min(2, len(made)))})
        info = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, "g", [info(n, TensorProto.FLOAT, d) for n, d in self.inputs],
                                  [info(o, TensorProto.FLOAT, [None] * len(self.shapes[o])) for o in outputs], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10 if self.opset >= 21 else 8)

    def feeds(self, sizes, seed):
        r = np.random.RandomState(seed)  # pylint: disable=no-member
        return {n: r.randn(*[sizes.get(d, d) for d in dims]).astype(np.float32) for n, dims in self.inputs}


# ---- steps: each adds nodes that read x ----


def transpose(m, x, shape):
    order = list(range(len(shape)))
    m.rng.shuffle(order)
    if order:
        m.give(m.add("Transpose", x, perm=order), [shape[i] for i in order])


def reshape(m, x, shape):
    rest, dims = math.prod(shape), []
    for _ in range(m.rng.choice([0, 1, 2])):
        dims.append(m.rng.choice([d for d in (1, 2, 3, 4, 5, 6, 8) if rest % d == 0]))
        rest //= dims[-1]
    dims.append(rest)
    m.rng.shuffle(dims)
    target = [0 if i < len(shape) and d == shape[i] and m.rng.random() < 0.4 else d for i, d in enumerate(dims)]
    if m.rng.random() < 0.7:
        target[m.rng.randrange(len(target))] = -1
    m.give(m.add("Reshape", x, m.ints(*target)), dims)


def computed_reshape(m, x, shape):
    """Two neighbouring dimensions become one, by shape arithmetic in the spellings of exporters."""
    if len(shape) < 2:
        return
    sizes, parts = m.add("Shape", x), []
    for i in range(len(shape)):
        if m.rng.random() < 0.5:
            parts.append(m.add("Slice", sizes, m.ints(i), m.ints(i + 1), m.ints(0)))
        else:
            parts.append(m.with_axes("Unsqueeze", m.add("Gather", sizes, m.const(i, np.int64), axis=0), [0]))
    i = m.rng.randrange(len(shape) - 1)
    parts[i : i + 2] = [m.add("Mul", parts[i], parts[i + 1])]
    m.give(m.add("Reshape", x, m.add("Concat", *parts, axis=0)), [*shape[:i], shape[i] * shape[i + 1], *shape[i + 2 :]])


def unsqueeze(m, x, shape):
    rank = len(shape) + m.rng.choice([1, 1, 2])
    axes = sorted(m.rng.sample(range(rank), rank - len(shape)))
    rest = iter(shape)
    m.give(m.with_axes("Unsqueeze", x, [a - rank if m.rng.random() < 0.3 else a for a in axes]), [1 if i in axes else next(rest) for i in range(rank)])


def squeeze(m, x, shape):
    ones = [i for i, d in enumerate(shape) if d == 1]
    if ones:
        axes = sorted(m.rng.sample(ones, m.rng.randint(1, len(ones))))
        m.give(m.with_axes("Squeeze", x, axes), [d for i, d in enumerate(shape) if i not in axes])


def flatten(m, x, shape):
    axis = m.rng.randint(0, len(shape))
    m.give(m.add("Flatten", x, axis=axis), [math.prod(shape[:axis]), math.prod(shape[axis:])])


def cut(m, x, shape):
    cuts, result = [], list(shape)
    for axis in m.rng.sample(range(len(shape)), min(len(shape), m.rng.randint(1, 2))):
        start, end, step = m.rng.choice([0, 0, 1, -1, -2, -1000]), m.rng.choice([shape[axis], 1000, 2**62, -1, 2]), m.rng.choice([1, 1, 1, 2, -1])
        result[axis] = len(range(*slice(start, min(end, 10**6), step).indices(shape[axis])))
        if not result[axis]:
            return
        cuts.append((start, end, axis, step))
    if cuts:
        m.give(m.add("Slice", x, *[m.ints(*column) for column in zip(*cuts)]), result)


def one_element(m, x, shape):
    """Gather or Slice of one, and what follows it."""
    if not shape:
        return
    axis = m.rng.randrange(len(shape))
    less, one = [d for i, d in enumerate(shape) if i != axis], [1 if i == axis else d for i, d in enumerate(shape)]
    if m.rng.random() < 0.5:
        y = m.add("Gather", x, m.const(m.rng.choice([0, -1]), np.int64), axis=axis)
        m.give(y, less)
        if m.rng.random() < 0.5:
            m.give(m.with_axes("Unsqueeze", y, [axis]), one)
    else:
        start, end = m.rng.choice([(0, 1), (-1, 2**62)])
        m.give(m.with_axes("Squeeze", m.add("Slice", x, m.ints(start), m.ints(end), m.ints(axis)), [axis]), less)


def concat(m, x, shape):
    if not shape:
        return
    axis = m.rng.randrange(len(shape))
    fit = [v for v in m.values if len(m.shapes[v]) == len(shape) and all(m.shapes[v][i] == d for i, d in enumerate(shape) if i != axis)]
    parts = [x, *[m.rng.choice(fit) for _ in range(m.rng.choice([0, 1, 2]))]]
    m.rng.shuffle(parts)
    result = list(shape)
    result[axis] = sum(m.shapes[p][axis] for p in parts)
    m.give(m.add("Concat", *parts, axis=axis - (len(shape) if m.rng.random() < 0.3 else 0)), result)


def split(m, x, shape):
    axes = [i for i, d in enumerate(shape) if d > 1]
    if not axes:
        return
    axis = m.rng.choice(axes)
    first = m.rng.randint(1, shape[axis] - 1)
    sizes = [first, shape[axis] - first]
    parts = m.add("Split", x, m.ints(*sizes), outputs=2, axis=axis) if m.opset >= 13 else m.add("Split", x, outputs=2, axis=axis, split=sizes)
    for p, d in zip(parts, sizes):
        m.give(p, [*shape[:axis], d, *shape[axis + 1 :]])
    if m.rng.random() < 0.5:
        m.give(m.add("Concat", *parts, axis=axis), shape)


def expand(m, x, shape):
    result = [m.rng.choice([2, 3]) if d == 1 and m.rng.random() < 0.5 else d for d in shape]
    target = [d if d != old or m.rng.random() < 0.6 else 1 for d, old in zip(result, shape)]
    if m.rng.random() < 0.3:
        m.give(m.add("Expand", x, m.add("Shape", x)), shape)
    elif target:
        m.give(m.add("Expand", x, m.ints(*target)), result)


def filled(m, x, shape):
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [m.rng.choice([0.0, 1.0])])
    m.give(m.add("ConstantOfShape", m.add("Shape", x), value=value), shape)


def unary(m, x, shape):
    m.give(m.add(m.rng.choice(["Relu", "Neg", "Abs", "Sigmoid", "Tanh", "Identity"]), x), shape)


def neutral(m, x, shape):
    op, number = m.rng.choice([("Mul", 1), ("Div", 1), ("Sub", 0), ("Add", 0), ("Add", -0.0), ("Pow", 1), ("Mul", 2), ("Sub", 1)])
    ones = m.rng.choice([(), (1,), (1, 1)])
    inputs = [x, m.const(np.full(ones, number))]
    if op in ("Mul", "Add") and m.rng.random() < 0.5:
        inputs.reverse()
    m.give(m.add(op, *inputs), np.broadcast_shapes(shape, ones))


def binary(m, x, shape):
    fit = []
    for v in m.values:
        try:
            fit.append((v, np.broadcast_shapes(m.shapes[v], shape)))
        except ValueError:
            pass
    other, result = m.rng.choice(fit)
    inputs = [x, other]
    m.rng.shuffle(inputs)
    m.give(m.add(m.rng.choice(["Add", "Mul", "Sub", "Max", "Min"]), *inputs), result)


def bounds(m, x, shape):
    if m.rng.random() < 0.5:
        x = m.add("Relu", x)
    low, high = m.rng.choice([(0, 6), (-1, 1), (0, 1)])
    y = m.give(m.add("Clip", x, m.const(low), m.const(high)), shape)
    if m.rng.random() < 0.5:
        m.give(m.add("Relu", y), shape)


def casts(m, x, shape):
    y = m.add("Cast", x, to=m.rng.choice([TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT32]))
    if m.rng.random() < 0.5:
        y = m.add("Cast", y, to=m.rng.choice([TensorProto.DOUBLE, TensorProto.INT64]))
    m.give(m.add("Cast", y, to=TensorProto.FLOAT), shape)


def where(m, x, shape):
    condition = m.add("Less", x, m.const(0.1))
    for _ in range(m.rng.randint(0, 2)):
        condition = m.add("Not", condition)
    m.give(m.add("Where", condition, x, m.const(3)), shape)


def pad(m, x, shape):
    pads = [m.rng.choice([0, 0, 1]) for _ in range(2 * len(shape))]
    if pads:
        m.give(m.add("Pad", x, m.ints(*pads), mode="constant"), [d + pads[i] + pads[len(shape) + i] for i, d in enumerate(shape)])


def conv(m, x, shape):
    if len(shape) != 4 or min(shape[2:]) < 3 or shape[1] > 8:
        return
    if m.rng.random() < 0.5:
        x, shape = m.add("Pad", x, m.ints(0, 0, 1, 1, 0, 0, 1, 1)), (*shape[:2], shape[2] + 2, shape[3] + 2)
    channels = m.rng.choice([2, 3])
    result = (shape[0], channels, shape[2] - 2, shape[3] - 2)
    y = m.give(m.add("Conv", x, m.const(m.random(channels, shape[1], 3, 3))), result)
    if m.rng.random() < 0.7:
        y = m.give(m.add(m.rng.choice(["Mul", "Add"]), y, m.const(m.random(1, channels, 1, 1))), result)
    if m.rng.random() < 0.5:
        m.give(m.add("Relu", y), result)


def batch_normalization(m, x, shape):
    if len(shape) >= 2 and shape[1] < 20:
        m.give(m.add("BatchNormalization", x, *[m.const(abs(m.random(shape[1])) + 0.5) for _ in range(4)]), shape)


def product(m, x, shape):
    if len(shape) < 2:
        return
    result = (*shape[:-1], 3)
    y = m.give(m.add("MatMul", x, m.const(m.random(shape[-1], 3))), result)
    if m.rng.random() < 0.7:
        y = m.give(m.add("Add", m.const(m.random(3)), y), result)
    if m.rng.random() < 0.4:
        m.give(m.add("Mul", y, m.const(0.5)), result)


def reduction(m, x, shape):
    if not shape:
        return
    axis, keep = m.rng.randrange(len(shape)), m.rng.choice([0, 1])
    one = [1 if i == axis else d for i, d in enumerate(shape)]
    y = m.give(m.with_axes("ReduceMax", x, [axis], since=18, keepdims=keep), one if keep else [d for i, d in enumerate(shape) if i != axis])
    if not keep and m.rng.random() < 0.6:
        m.give(m.with_axes("Unsqueeze", y, [axis]), one)


def gelu(m, x, shape):
    wide = m.add("Add", m.add("Erf", m.add("Div", x, m.const(math.sqrt(2)))), m.const(1))
    m.give(m.add("Mul", m.add("Mul", x, wide), m.const(0.5)), shape)


def layer_normalization(m, x, shape):
    if not shape or shape[-1] < 2:
        return
    d = m.add("Sub", x, m.with_axes("ReduceMean", x, [-1], since=18))
    variance = m.with_axes("ReduceMean", m.add("Mul", d, d), [-1], since=18)
    y = m.give(m.add("Div", d, m.add("Sqrt", m.add("Add", variance, m.const(0.01)))), shape)
    if m.rng.random() < 0.6:
        m.give(m.add("Mul", y, m.const(np.linspace(0.5, 1, shape[-1]))), shape)


STEPS = [transpose, reshape, computed_reshape, unsqueeze, squeeze, flatten, cut, one_element, concat, split, expand, filled, unary, neutral, binary, bounds, casts,
         where, pad, conv, batch_normalization, product, reduction, gelu, layer_normalization]


def judge(tool, number, folder):
    """Problems; None: no model, or onnxruntime does not run it."""
    made = Model(number)
    proto = made.proto()
    before, after = os.path.join(folder, "before.onnx"), os.path.join(folder, "after.onnx")
    if proto is None:
        return None
    onnx.save(proto, before)
    full, runs = not valid(before, True), []
    try:
        original = session(before)
    except Exception:  # pylint: disable=broad-except
        return None
    for sizes in (made.sizes, *SIZES):
        given = made.feeds(sizes, number)
        try:
            runs.append((sizes, given, original.run(None, given)))
        except Exception:  # pylint: disable=broad-except
            pass
    if not runs:
        return None
    problems = []
    for reader in ("portable", "onnxruntime"):
        try:
            optimize(tool, before, after, f"--for={reader}", *(["--verify-passes"] if reader == "portable" and number % 4 == 0 else []))
            written = session(after)
            bad = valid(after, full)
            if bad or count(onnx.load(after).graph) > len(proto.graph.node):
                problems.append(f"{reader}: {bad or 'more nodes than before'}")
            for sizes, given, expected in runs:
                got = written.run(None, given)
                worst = max(0 if np.allclose(a, b, rtol=0, atol=TOLERANCE * FLOOR, equal_nan=True) else difference(a, b) for a, b in zip(expected, got))
                if not worst <= TOLERANCE:
                    problems.append(f"{reader}: outputs differ by {worst:.3g} of their range at {sizes}")
        except Exception as e:  # pylint: disable=broad-except
            problems.append(f"{reader}: {str(e).splitlines()[0][:200]}")
    return problems


def main():
    tool, first, number = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, int(sys.argv[3]) if len(sys.argv) > 3 else 150
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(first, first + number):
            results[i] = judge(tool, i, folder)
            if results[i]:
                print(f"FAIL model {i}: {'; '.join(results[i])}", flush=True)
    skipped, failed = sum(r is None for r in results.values()), sum(bool(r) for r in results.values())
    print(f"{len(results) - skipped - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
