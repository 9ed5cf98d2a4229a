"""Gradient against numeric differentiation: every rule alone, then random graphs, with fixed and with symbolic sizes.   gradient.py ONNXCC [--count N] [--keep DIR]

Everything is double. The forward graph runs in the onnx package's reference evaluator; the derivative of the sum of y by each element of each variable is
(f(x + h) - f(x - h)) / 2h. The cases are verified by `onnxcc verify --cases`. Exit code 77: the onnx package is not there."""
import argparse
import math
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper, parser
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun
except ImportError:
    print("skipped: the onnx package is not there")
    sys.exit(77)

STEP = 1e-5


class Erf(OpRun):
    """The reference evaluator's own is float."""

    def _run(self, x):
        return (np.asarray(np.vectorize(math.erf, otypes=["d"])(x)),)


class Gelu(OpRun):
    def _run(self, x, approximate=None):
        return (np.asarray(x * (1 + np.vectorize(math.erf, otypes=["d"])(x / math.sqrt(2))) / 2),)


def evaluator(model):
    return ReferenceEvaluator(model, new_ops=[Erf, Gelu])


TRAINING = "ai.onnx.preview.training"

# name, body (y is the result), variables: shape, or (shape, low, high) of its values; others: arrays that are not differentiated
CASES = [
    *[(op.lower(), f"y = {op}(a)", {"a": ((2, 3), *range_)}, {}) for op, *range_ in [
        ("Identity", -2, 2), ("Neg", -2, 2), ("Abs", -2, 2), ("Exp", -2, 2), ("Log", 0.5, 3), ("Sqrt", 0.5, 3), ("Reciprocal", 0.5, 3), ("Sigmoid", -2, 2),
        ("Tanh", -2, 2), ("Relu", -2, 2), ("Sin", -2, 2), ("Cos", -2, 2), ("Tan", -1, 1), ("Asin", -0.9, 0.9), ("Acos", -0.9, 0.9), ("Atan", -2, 2),
        ("Sinh", -2, 2), ("Cosh", -2, 2), ("Asinh", -2, 2), ("Acosh", 1.5, 3), ("Atanh", -0.9, 0.9), ("Erf", -2, 2), ("Softplus", -2, 2),
        ("Softsign", -2, 2), ("LeakyRelu", -2, 2), ("Elu", -2, 2), ("Selu", -2, 2), ("HardSigmoid", -4, 4), ("HardSwish", -5, 5), ("Mish", -2, 2),
        ("Gelu", -2, 2), ("Celu", -2, 2), ("Floor", -2, 2), ("ThresholdedRelu", -2, 3)]],
    ("attributes", "l = LeakyRelu<alpha = 0.3>(a)\n e = Elu<alpha = 1.5>(l)\n y = Selu<alpha = 1.2, gamma = 0.7>(e)", {"a": (3, 4)}, {}),
    ("add", "y = Add(a, b)", {"a": (2, 3), "b": (3,)}, {}),
    ("sub_both_ways", "y = Sub(a, b)", {"a": (2, 1, 3), "b": (4, 1)}, {}),
    ("mul_scalar", "y = Mul(a, b)", {"a": (), "b": (2, 3)}, {}),
    ("mul_itself", "y = Mul(a, a)", {"a": (2, 3)}, {}),
    ("div", "y = Div(a, b)", {"a": (2, 3), "b": ((2, 1), 0.5, 2)}, {}),
    ("pow", "y = Pow(a, b)", {"a": ((2, 3), 0.5, 2), "b": ((3,), -2, 2)}, {}),
    ("pow_int", "y = Pow(a, n)", {"a": ((2, 4), -2, 2)}, {"n": np.array([0, 1, 2, 3], np.int64)}),
    ("prelu", "y = PRelu(a, b)", {"a": (2, 3), "b": (3,)}, {}),
    ("where", "y = Where(c, a, b)", {"a": (2, 3), "b": (3,)}, {"c": np.array([[True], [False]])}),
    ("clip", "y = Clip(a, lo, hi)", {"a": (4, 4)}, {"lo": np.array(-0.5), "hi": np.array(0.8)}),
    ("sum", "y = Sum(a, b, a)", {"a": (2, 3), "b": (1, 3)}, {}),
    ("mean", "y = Mean(a, b, c)", {"a": (2, 3), "b": (1, 3), "c": (2, 1)}, {}),
    ("max", "y = Max(a, b, c)", {"a": (2, 3), "b": (1, 3), "c": (2, 1)}, {}),
    ("min", "y = Min(a, b)", {"a": (2, 3), "b": (2, 3)}, {}),
    ("matmul", "y = MatMul(a, b)", {"a": (2, 3), "b": (3, 4)}, {}),
    ("matmul_batch", "y = MatMul(a, b)", {"a": (2, 1, 2, 3), "b": (4, 3, 2)}, {}),
    ("matmul_vectors", "y = MatMul(a, b)", {"a": (3,), "b": (3,)}, {}),
    ("matmul_row", "y = MatMul(a, b)", {"a": (3,), "b": (2, 3, 4)}, {}),
    ("matmul_column", "y = MatMul(a, b)", {"a": (2, 4, 3), "b": (3,)}, {}),
    *[(f"gemm_{ta}{tb}", f"y = Gemm<alpha = 0.5, beta = 2.0, transA = {ta}, transB = {tb}>(a, b, c)",
       {"a": (3, 2) if ta else (2, 3), "b": (4, 3) if tb else (3, 4), "c": (4,)}, {}) for ta in (0, 1) for tb in (0, 1)],
    *[(f"{op.lower()}_{keep}", f"r = {op}<keepdims = {keep}>(a, axes)\n y = Mul(r, r)", {"a": ((2, 3, 4), 0.5, 2)}, {"axes!": np.array([0, -1], np.int64)})
      for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp") for keep in (0, 1)],
    ("reduce_all", "m = ReduceMean<keepdims = 0>(a)\n y = Mul(m, a)", {"a": (2, 3)}, {}),
    ("pools", "m = GlobalAveragePool(a)\n n = GlobalMaxPool(a)\n y = Mul(m, n)", {"a": (1, 2, 3, 3)}, {}),
    ("softmax", "s = Softmax<axis = 1>(a)\n y = Mul(s, b)", {"a": (2, 3, 2), "b": (2, 3, 2)}, {}),
    ("logsoftmax", "s = LogSoftmax(a)\n y = Mul(s, b)", {"a": (2, 3), "b": (2, 3)}, {}),
    ("cumsum", "s = CumSum<exclusive = 1, reverse = 1>(a, axis)\n y = Mul(s, b)", {"a": (2, 3), "b": (2, 3)}, {"axis!": np.array(1, np.int64)}),
    ("transpose", "t = Transpose<perm = [1, 2, 0]>(a)\n y = Mul(t, b)", {"a": (2, 3, 4), "b": (3, 4, 2)}, {}),
    ("reshape", "t = Reshape(a, s)\n y = Mul(t, b)", {"a": (2, 6), "b": (3, 4)}, {"s!": np.array([3, -1], np.int64)}),
    ("flatten_squeeze", "f = Flatten<axis = 2>(a)\n u = Unsqueeze(f, x)\n q = Squeeze(u, x)\n y = Mul(q, q)", {"a": (2, 3, 4)}, {"x!": np.array([0], np.int64)}),
    ("expand", "t = Expand(a, s)\n y = Mul(t, b)", {"a": (3, 1), "b": (2, 3, 4)}, {"s!": np.array([2, 3, 4], np.int64)}),
    ("concat", "t = Concat<axis = -1>(a, b, a)\n y = Mul(t, t)", {"a": (2, 3), "b": (2, 1)}, {}),
    ("split", "p, q = Split<axis = 1, num_outputs = 2>(a)\n y = Mul(q, q)", {"a": (2, 4)}, {}),
    ("slice", "t = Slice(a, from, to, axes, steps)\n y = Mul(t, t)", {"a": (4, 5)},
     {"from!": np.array([3, 1], np.int64), "to!": np.array([-5, 5], np.int64), "axes!": np.array([0, 1], np.int64), "steps!": np.array([-2, 3], np.int64)}),
    ("gather", "t = Gather<axis = 1>(a, i)\n y = Mul(t, t)", {"a": (2, 4)}, {"i": np.array([[0, 1, 1], [-1, 0, 1]], np.int64)}),
    ("gather_elements", "t = GatherElements<axis = 1>(a, i)\n y = Mul(t, t)", {"a": (2, 4)}, {"i": np.array([[0, 1, 1], [3, 0, 0]], np.int64)}),
    ("gather_nd", "t = GatherND(a, i)\n y = Mul(t, t)", {"a": (2, 4)}, {"i": np.array([[0, 1], [1, 3], [0, 1]], np.int64)}),
    *[(f"scatter_{r}", f't = ScatterElements<axis = 1, reduction = "{r}">(a, i, b)\n y = Mul(t, t)', {"a": (2, 4), "b": (2, 2)}, {"i": np.array([[0, 2], [3, -3]], np.int64)}) for r in ("none", "add")],
    *[(f"scatter_nd_{r}", f't = ScatterND<reduction = "{r}">(a, i, b)\n y = Mul(t, t)', {"a": (3, 4), "b": (2, 4)}, {"i": np.array([[2], [0]], np.int64)}) for r in ("none", "add")],
    ("tile", "t = Tile(a, r)\n y = Mul(t, b)", {"a": (2, 3), "b": (4, 3)}, {"r!": np.array([2, 1], np.int64)}),
    ("pad", "t = Pad(a, p, v)\n y = Mul(t, b)", {"a": (2, 3), "b": (4, 4)}, {"p!": np.array([1, 0, 1, 1], np.int64), "v!": np.array(7.0)}),
    ("pad_reflect", 't = Pad<mode = "reflect">(a, p)\n y = Mul(t, t)', {"a": (3, 4)}, {"p!": np.array([1, 2, 1, 0], np.int64)}),
    ("depth", 't = DepthToSpace<blocksize = 2, mode = "CRD">(a)\n s = SpaceToDepth<blocksize = 3>(t)\n y = Mul(s, s)', {"a": (1, 4, 3, 3)}, {}),
    ("trilu", "t = Trilu<upper = 0>(a)\n y = Mul(t, b)", {"a": (3, 4), "b": (3, 4)}, {}),
    ("dropout", "t, m = Dropout(a)\n y = Mul(t, t)", {"a": (2, 3)}, {}),
    ("not_reached", "t = Mul(b, b)\n y = Mul(a, a)\n z = Shape(t)", {"a": (2, 3), "b": (2,)}, {}),
    ("several_ways", "p = Mul(a, b)\n q = Sin(p)\n r = Add(q, p)\n s = MatMul(r, b)\n y = Tanh(s)", {"a": (2, 2), "b": (2, 2)}, {}),
    ("mlp", "h = Gemm<transB = 1>(x, w, v)\n r = Tanh(h)\n o = MatMul(r, u)\n l = LogSoftmax(o)\n p = Mul(l, t)\n s = ReduceSum<keepdims = 0>(p)\n y = Neg(s)",
     {"w": (4, 3), "v": (4,), "u": (4, 2)}, {"x": np.linspace(-1, 1, 15).reshape(5, 3), "t": np.eye(5, 2)}),
]


def onnx_type(array):
    return {"float64": "double", "int64": "int64", "bool": "bool"}[array.dtype.name]


class Case:
    """A forward graph in the text form, with its inputs: variables (to differentiate), others, and constants (names ending in '!')."""

    def __init__(self, name, body, variables, others, seed):
        rng = np.random.default_rng(seed)
        self.name, self.body = name, body
        self.x = {}
        for key, spec in variables.items():
            shape, low, high = spec if len(spec) == 3 and isinstance(spec[0], tuple) else (spec, -1.5, 1.5)
            self.x[key] = np.asarray(rng.uniform(low, high, shape))
        self.others = {k: v for k, v in others.items() if not k.endswith("!")}
        self.constants = {k[:-1]: v for k, v in others.items() if k.endswith("!")}

    def inputs(self):
        return {**self.x, **self.others}

    def model(self, symbolic, gradient, inputs=None, y="y"):
        """`inputs`: other names for what Gradient is given. Symbolic: sizes of variables have names, equal ones the same."""
        def declared(name, array):
            dims = [f"n{d}" if symbolic and d > 1 and name in self.x else str(d) for d in array.shape]
            return f"{onnx_type(array)}{'[' + ','.join(dims) + ']' if dims else ''} {name}"
        given = ", ".join(declared(k, v) for k, v in (inputs or self.inputs()).items())
        nodes = self.body
        outputs = ["y"]
        if gradient:
            grads = [f"d_{k}" for k in self.x]
            xs, zs = (", ".join(f'"{k}"' for k in names) for names in (self.x, self.others))
            of = ", ".join(list(self.x) + list(self.others)) if not inputs else ", ".join(inputs)
            lists = f"xs = [{xs}], " + (f"zs = [{zs}], " if zs else "")
            nodes += f'\n {", ".join(grads)} = {TRAINING}.Gradient<{lists}y = "{y}">({of})'
            outputs = grads
        text = f'<ir_version: 9, opset_import: ["" : 20, "{TRAINING}" : 1]>\n{self.name} ({given}) => ({", ".join("double " + o for o in outputs)})\n{{\n {nodes}\n}}'
        m = parser.parse_model(text)
        for o in m.graph.output:
            o.type.tensor_type.ClearField("shape")
        m.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in self.constants.items())
        return m

    def numeric(self, at=None):
        at = at or self.inputs()
        session = evaluator(self.model(False, False))
        result = []
        for k in self.x:
            x = at[k].copy()
            g = np.zeros_like(x)
            for i in np.ndindex(x.shape):
                side = []
                for h in (STEP, -STEP):
                    moved = x.copy()
                    moved[i] += h
                    side.append(np.sum(session.run(None, {**at, k: moved})[0], dtype=np.float64))
                g[i] = (side[0] - side[1]) / (2 * STEP)
            result.append(g)
        return result


def write_case(folder, model, inputs, outputs):
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    onnx.save(model, os.path.join(folder, "model.onnx"))
    for kind, arrays in (("input", inputs), ("output", outputs)):
        names = getattr(model.graph, kind)
        for i, a in enumerate(arrays):
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(np.asarray(a), names[i].name).SerializeToString())


UNARY = ["Tanh", "Sigmoid", "Sin", "Neg", "Softplus", "Erf", "Atan", "Softsign"]


def random_case(seed):
    """A graph of about ten nodes, each result computed as it grows, so that shapes are known."""
    r = random.Random(seed)
    shapes = [(2, 3), (3,), (3, 2), (2, 1), (1, 3), (2, 2, 3)]
    variables = {k: r.choice(shapes) for k in "abc"[:r.randint(1, 3)]}
    case = Case(f"random_{seed}", "", variables, {}, seed)
    values = {k: v for k, v in case.x.items()}
    lines = []

    def grow(line, out, constants=None):
        trial = Case("trial", "\n ".join(lines + [line, f"y = Identity({out})"]), variables, {}, seed)
        trial.constants = {**case.constants, **(constants or {})}
        try:
            v = evaluator(trial.model(False, False)).run(None, case.x)[0]
        except Exception:
            return
        if v.size > 60 or v.ndim > 4 or np.max(np.abs(v)) > 1e3:
            return
        lines.append(line)
        values[out] = v
        case.constants = trial.constants

    for i in range(r.randint(6, 14)):
        out, p, q = f"v{i}", r.choice(list(values)), r.choice(list(values))
        rank = values[p].ndim
        kind = r.randrange(10)
        if kind < 2:
            grow(f"{out} = {r.choice(UNARY)}({p})", out)
        elif kind < 5:
            grow(f"{out} = {r.choice(['Add', 'Sub', 'Mul', 'Max'])}({p}, {q})", out)
        elif kind == 5 and rank and values[q].ndim:
            grow(f"{out} = MatMul({p}, {q})", out)
        elif kind == 6 and rank:
            op = r.choice(["ReduceSum", "ReduceMean", "ReduceLogSumExp"])
            grow(f"{out} = {op}<keepdims = {r.randint(0, 1)}>({p}, k{i})", out, {f"k{i}": np.array([r.randrange(-rank, rank)], np.int64)})
        elif kind == 7 and rank:
            perm = r.sample(range(rank), rank)
            grow(f"{out} = Transpose<perm = {perm}>({p})", out)
        elif kind == 8 and rank:
            grow(f"{out} = {r.choice(['Concat'])}<axis = {r.randrange(rank)}>({p}, {q})", out)
        elif kind == 9 and rank:
            axis = r.randrange(rank)
            n = values[p].shape[axis]
            grow(f"{out} = Gather<axis = {axis}>({p}, k{i})", out, {f"k{i}": np.array([r.randrange(n) for _ in range(3)], np.int64)})
    last = list(values)[-1]
    lines.append(f"y = Tanh({last})" if lines else "y = Tanh(a)")
    case.body = "\n ".join(lines)
    return case


def second_order(folder):
    """The derivative of a derivative, and other tensors than those that are named."""
    case = Case("second", "p = Mul(a, a)\n q = Mul(p, a)\n y = Mul(q, b)", {"a": (2, 3)}, {"b": np.linspace(0.5, 2, 3)}, 3)
    text = (f'<ir_version: 9, opset_import: ["" : 20, "{TRAINING}" : 1]>\nsecond (double[2,3] a, double[3] b) => (double[2,3] dd)\n{{\n {case.body}\n'
            f' d = {TRAINING}.Gradient<xs = ["a"], zs = ["b"], y = "y">(a, b)\n dd = {TRAINING}.Gradient<xs = ["a"], zs = ["b"], y = "d">(a, b)\n}}')
    a, b = case.x["a"], case.others["b"]
    write_case(os.path.join(folder, "second_order"), parser.parse_model(text), [a, b], [6 * a * b])
    others = {"a2": a + 1, "b2": b}
    model = case.model(False, True, others)
    model.graph.input.extend(case.model(False, False).graph.input) # a and b, which y is computed from
    write_case(os.path.join(folder, "other_tensors"), model, [a + 1, b, a, b], [3 * (a + 1) ** 2 * b])
    places = (f'<ir_version: 9, opset_import: ["" : 20, "{TRAINING}" : 1]>\nplaces (double[4] a, int64[3] i) => (double[4] dd)\n{{\n p = Gather(a, i)\n q = Mul(p, p)\n y = Mul(q, p)\n'
              f' d = {TRAINING}.Gradient<xs = ["a"], zs = ["i"], y = "y">(a, i)\n dd = {TRAINING}.Gradient<xs = ["a"], zs = ["i"], y = "d">(a, i)\n}}')
    x, i = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 3])
    write_case(os.path.join(folder, "second_order_gather"), parser.parse_model(places), [x, i], [6 * x * np.array([0, 2, 0, 1])])
    half = (f'<ir_version: 9, opset_import: ["" : 20, "{TRAINING}" : 1]>\nhalf (double[2,3] a, double[2,3] h) => (double[2,3] dp, double[2,3] dh)\n{{\n'
            f' p = Mul(a, a)\n y = Sin(p)\n dp = {TRAINING}.Gradient<xs = ["p"], y = "y">(p)\n dh = {TRAINING}.Gradient<xs = ["p"], y = "y">(h)\n}}')
    write_case(os.path.join(folder, "intermediate"), parser.parse_model(half), [a, a + 2], [np.cos(a * a), np.cos(a + 2)])
    twice = (f'<ir_version: 9, opset_import: ["" : 20, "{TRAINING}" : 1]>\ntwice (double[3] a, double[3] b, double[3] h) => (double[3] da, double[3] db)\n{{\n'
             f' s = Mul(b, b)\n y = Mul(a, s)\n da, db = {TRAINING}.Gradient<xs = ["a", "b"], y = "y">(h, h)\n}}')
    casts = (f'<ir_version: 9, opset_import: ["" : 20, "{TRAINING}" : 1]>\ncasts (double[2,3] a) => (double[2,3] d)\n{{\n f = Cast<to = 1>(a)\n b = CastLike(f, a)\n'
             f' i = Cast<to = 7>(a)\n g = CastLike(i, a)\n s = Mul(b, b)\n y = Mul(s, g)\n d = {TRAINING}.Gradient<xs = ["a"], y = "y">(a)\n}}')
    write_case(os.path.join(folder, "casts"), parser.parse_model(casts), [a + 3], [2 * (a + 3) * np.trunc(a + 3)])
    v = np.array([0.5, -2.0, 3.0])
    write_case(os.path.join(folder, "one_tensor_for_two"), parser.parse_model(twice), [v * 0, v * 0, v], [v * v, 2 * v * v])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("onnxcc")
    p.add_argument("--count", type=int, default=60)
    p.add_argument("--keep")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = a.keep or work
        cases = [Case(name, body, variables, others, 11) for name, body, variables, others in CASES] + [random_case(s) for s in range(a.count)]
        for i, case in enumerate(cases):
            expected = case.numeric()
            for symbolic in (False, True) if i % 2 or i < len(CASES) else (False,):
                model = case.model(symbolic, True)
                write_case(os.path.join(folder, f"{case.name}_{'symbolic' if symbolic else 'fixed'}"), model, list(case.inputs().values()), expected)
        second_order(folder)
        run = subprocess.run([a.onnxcc, "verify", "--cases", folder, "-v", "--rtol", "1e-5", "--atol", "1e-6", "--time-limit", "60"], capture_output=True, text=True)
        bad = [line for line in run.stdout.splitlines() if re.match(r"(?!pass|\d+ passed)", line)]
        print("\n".join(bad + run.stdout.splitlines()[-1:]))
        print(run.stderr[-2000:] if run.returncode else "", end="")
        return 1 if run.returncode or bad else 0


if __name__ == "__main__":
    sys.exit(main())
