#!/usr/bin/env python3
"""Runs `onnxcc quantize` on random small models, judged by onnxruntime.

    quantize_random.py ONNXCC [--count N] [--seed S] [--run-every K] [--keep DIR]

Each model is a chain with branches of convolutions (1 to 3 dimensions, groups, dilation, automatic padding), pools, activations, movement and matrix
products (Gemm in all its forms, MatMul from either side, with batch dimensions), at a random operator set, with a symbolic batch. It is quantized dynamically
and statically with random options, calibrated with the inputs it is judged on. Then

- the exit code is 0, and the file passes onnx.checker with full inference;
- no product that --keep names is in 8 bits;
- a second run writes the same bytes, and the operator set is the model's own, or the one that the mode needs (static with scales per channel: 13);
- onnxruntime without optimization gives the float model's results to at least --least-sqnr dB, and with all optimizations those of without
  (integer kernels round sums where float ones don't: a cosine of 0.999);
- every K-th: `onnxcc run` gives what onnxruntime without optimization gives, to a cosine of 0.9999.

Needs numpy, onnx and onnxruntime; skipped (77) by name without them, and for an onnxcc that has no `quantize`."""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

import sizes  # noqa: E402

MODES = {"dynamic": 11, "static": 10}  # and the least operator set of each
PER_CHANNEL = 13  # the least with scales per channel, which older models are raised to
PRODUCTS = ("Conv", "Gemm", "MatMul")


class Net:
    """A model in the making: `shape` is that of `x`, the value the next layer reads; dimension 0 is the batch."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.np = np.random.default_rng(seed)
        self.opset = self.r.choice([8, 9, 11, 12, 13, 14, 17, 19, 21])
        self.nodes, self.weights = [], []
        self.spatial = self.r.choice([1, 2, 2, 2, 3])
        self.shape = [None, self.r.choice([1, 3, 4, 8])] + [self.r.randint(6, 10) for _ in range(self.spatial)]
        self.x, self.input_shape, self.done = "x", list(self.shape), []

    def weight(self, *shape, spread=None):
        fan = max(1, int(np.prod(shape[1:])))
        return self.constant((self.np.standard_normal(shape) * (spread or fan**-0.5) * self.r.choice([0.3, 1, 3])).astype(np.float32))

    def constant(self, a):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(a), name))
        return name

    def node(self, op, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        name = f"{op}_{len(self.nodes)}" if self.r.random() < 0.8 else ""
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names if outputs > 1 else names[0]

    # ---- layers: each reads self.x and self.shape, and sets both ----

    def conv(self):
        d, c = self.spatial, self.shape[1]
        group = self.r.choice([g for g in (1, 1, 2, c) if c % g == 0])
        out = group * self.r.choice([1, 2, 3, 4])
        kernel = [self.r.choice([1, 2, 3]) for _ in range(d)]
        a = {"group": group, "kernel_shape": kernel}
        strides = [self.r.choice([1, 1, 2]) for _ in range(d)]
        if self.r.random() < 0.3:
            a["auto_pad"] = self.r.choice(["SAME_UPPER", "SAME_LOWER"])
            sizes = [-(-n // s) for n, s in zip(self.shape[2:], strides)]
        else:
            dilations = [self.r.choice([1, 1, 2]) for _ in range(d)]
            pads = [self.r.randint(0, 2) for _ in range(2 * d)]
            sizes = [(n + pads[i] + pads[d + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i, n in enumerate(self.shape[2:])]
            a |= {"dilations": dilations, "pads": pads}
        if min(sizes) < 1:
            return
        inputs = [self.x, self.weight(out, c // group, *kernel)] + ([self.weight(out, spread=0.5)] if self.r.random() < 0.7 else [])
        self.x, self.shape = self.node("Conv", inputs, strides=strides, **a), [None, out, *sizes]
        if self.r.random() < 0.3:
            c = [self.constant(self.np.uniform(0.5, 1.5, out).astype(np.float32)) for _ in range(4)]
            self.x = self.node("BatchNormalization", [self.x, *c])

    def gemm(self):
        self.flatten()
        k, n, turned = self.shape[1], self.r.choice([1, 5, 16, 33]), self.r.random() < 0.5
        a = {"transB": int(turned)}
        if self.r.random() < 0.3:
            a |= {"alpha": self.r.choice([0.5, -1.5]), "beta": self.r.choice([0.0, 0.5, 1.0])}
        inputs = [self.x, self.weight(n, k) if turned else self.weight(k, n, spread=k**-0.5)]
        if self.r.random() < 0.7 or self.opset < 11:
            inputs.append(self.weight(*self.r.choice([(n,), (1, n), (1,)]), spread=0.5))
        if self.r.random() < 0.15:
            self.x = self.node("Transpose", [self.x], perm=[1, 0])
            a["transA"], inputs[0] = 1, self.x
        self.x, self.shape = self.node("Gemm", inputs, **a), [None, n]

    def matmul(self):
        if len(self.shape) == 2 and self.r.random() < 0.5:
            self.flatten()
        if len(self.shape) > 2 and self.r.random() < 0.2:  # weights from the left
            m = self.r.choice([3, 8])
            self.x, self.shape = self.node("MatMul", [self.weight(m, self.shape[-2]), self.x]), [*self.shape[:-2], m, self.shape[-1]]
            return
        k, n = self.shape[-1], self.r.choice([1, 4, 9, 16])
        self.x, self.shape = self.node("MatMul", [self.x, self.weight(k, n, spread=k**-0.5)]), [*self.shape[:-1], n]
        if self.r.random() < 0.7:
            self.x = self.node("Add", [self.x, self.weight(n, spread=0.5)])

    def flatten(self):
        if len(self.shape) > 2:
            self.x, self.shape = self.node("Flatten", [self.x], axis=1), [None, int(np.prod(self.shape[1:]))]

    def activation(self):
        op = self.r.choice(["Relu", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Clip", "Clip", "silu", "Exp"])
        if op == "silu":
            self.x = self.node("Mul", [self.x, self.node("Sigmoid", [self.x])])
        elif op == "Clip":
            lo, hi = self.r.choice([(0.0, 6.0), (-1.0, 1.0), (0.5, 2.0), (-3.0, -0.25), (0.0, 0.125)])
            if self.opset < 11:
                self.x = self.node(op, [self.x], min=lo, max=hi)
            else:
                self.x = self.node(op, [self.x, self.constant(np.float32(lo)), self.constant(np.float32(hi))])
        elif op == "Exp":
            self.x = self.node(op, [self.node("Tanh", [self.x])])
        else:
            self.x = self.node(op, [self.x])

    def pool(self):
        if len(self.shape) < 4 or len(self.shape) - 2 != self.spatial:
            return
        op = self.r.choice(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
        if op.startswith("Global"):
            self.x, self.shape = self.node(op, [self.x]), [None, self.shape[1]] + [1] * self.spatial
        elif min(self.shape[2:]) >= 2:
            self.x = self.node(op, [self.x], kernel_shape=[2] * self.spatial, strides=[2] * self.spatial)
            self.shape = self.shape[:2] + [n // 2 for n in self.shape[2:]]

    def movement(self):
        rank = len(self.shape)
        what = self.r.choice(["Transpose", "Split", "Concat", "Gather", "Reshape"])
        if what == "Transpose" and rank > 2:
            perm = list(range(1, rank))
            self.r.shuffle(perm)
            self.x, self.shape = self.node(what, [self.x], perm=[0, *perm]), [None] + [self.shape[i] for i in perm]
        elif what == "Split" and self.shape[1] % 2 == 0:
            sizes = [self.shape[1] // 2] * 2
            parts = self.node(what, [self.x] + ([self.constant(np.array(sizes))] if self.opset > 12 else []), 2, axis=1, **({} if self.opset > 12 else {"split": sizes}))
            self.x, self.shape = self.node(self.r.choice(["Add", "Mul"]), parts), [None, sizes[0], *self.shape[2:]]
        elif what == "Concat":
            other = self.node("Tanh", [self.x])
            self.x, self.shape = self.node(what, self.r.sample([self.x, other], 2), axis=1), [None, 2 * self.shape[1], *self.shape[2:]]
        elif what == "Gather":
            self.x, n = self.node(what, [self.x, self.constant(self.np.integers(0, self.shape[1], 4))], axis=1), 4
            self.shape = [None, n, *self.shape[2:]]
        elif what == "Reshape" and rank > 3:
            n = int(np.prod(self.shape[2:]))
            self.x, self.shape = self.node(what, [self.x, self.constant(np.array([0, self.shape[1], n]))]), [None, self.shape[1], n]

    def join(self):
        for x, shape in reversed(self.done):
            if shape == self.shape and x != self.x:
                self.x = self.node(self.r.choice(["Add", "Mul", "Add", "Sub"]), self.r.sample([self.x, x], 2))
                return

    def step(self):
        fits_conv = len(self.shape) - 2 == self.spatial
        makers = [self.conv] * 4 * fits_conv + [self.activation] * 3 + [self.pool, self.movement, self.join, self.matmul] + [self.gemm] * (len(self.shape) == 2 or self.r.random() < 0.2)
        self.r.choice(makers)()
        self.done.append((self.x, list(self.shape)))
        if int(np.prod(self.shape[1:])) > 20000:
            self.flatten()

    def build(self):
        for _ in range(self.r.randint(3, 10)):
            self.step()
        if self.x == "x" or not any(n.op_type in PRODUCTS for n in self.nodes):
            self.gemm()
        outputs = [self.x] + ([self.r.choice(self.done)[0]] if self.done and self.r.random() < 0.3 else [])
        outputs = [o for i, o in enumerate(outputs) if o not in outputs[:i] and o != "x"]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *self.input_shape[1:]])
        g = helper.make_graph(self.nodes, "random", [x], [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], self.weights)
        old = self.opset < 10 and self.r.random() < 0.5  # IR version 3 lists initializers as inputs
        if old:
            g.input.extend(helper.make_tensor_value_info(w.name, w.data_type, list(w.dims)) for w in self.weights)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=3 if old else 8)
        return onnx.shape_inference.infer_shapes(m)

    def feeds(self):
        spread, offset = self.r.choice([1, 0.1, 20]), self.r.choice([0, 0, 0.5, 3])
        return [{"x": ((self.np.standard_normal([b, *self.input_shape[1:]]) + offset) * spread).astype(np.float32)} for b in (1, 3, 2, 4)]


# ---- judging ----


def run(path, feeds, optimize):
    o = onnxruntime.SessionOptions()
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    level = onnxruntime.GraphOptimizationLevel
    o.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    s = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return joined([s.run(None, f) for f in feeds])


def joined(runs):
    """Every output over all runs, as one vector each."""
    return [np.concatenate([np.ravel(r[k]) for r in runs]).astype(np.float64) for k in range(len(runs[0]))]


def sqnr(a, b):
    noise, power = float(((a - b) ** 2).sum()), float((a**2).sum())
    return np.inf if noise == 0 else -np.inf if power == 0 else 10 * np.log10(power / noise)


def cosine(a, b):
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length else float(np.allclose(a, b, atol=1e-6))


def options_for(net, mode, data):
    r = net.r
    o = ["--mode", mode] + (["--calibrate", data] if mode == "static" else [])
    o += ["--per-tensor"] * (r.random() < 0.2)
    if mode == "static":
        o += ["--method", r.choice(["mse", "minmax", "percentile"]), "--for", r.choice(["portable", "onnxruntime", "openvino"])]
        o += ["--activations", r.choice(["u8", "u8", "s8"])]
    if r.random() < 0.3:
        o += [f"--keep={n.name}" for n in net.nodes if n.op_type in PRODUCTS and n.name]
    return o


def too_many(model, options, said):
    """More layers in 8 bits than there are products that --keep does not name?"""
    keep = {o[len("--keep="):] for o in options if o.startswith("--keep=")}
    left = sum(n.op_type in PRODUCTS and n.name not in keep for n in onnx.load(model).graph.node)
    quantized = json.loads(said.splitlines()[-1])["quantized"]
    return f"{quantized} layers in 8 bits, but --keep leaves {left}" if quantized > left else ""


def own_run(tool, path, feeds, work):
    given, got = os.path.join(work, "given.npz"), os.path.join(work, "got.npz")
    np.savez(given, **feeds[1])
    p = subprocess.run([tool, "run", path, "--input", given, "-o", got, "-q"], capture_output=True, text=True, timeout=300, check=False)
    if p.returncode:
        return None, f"run: exit {p.returncode}: {p.stderr.strip()[:300]}"
    z = np.load(got)
    return [np.ravel(z[o.name]).astype(np.float64) for o in onnx.load(path).graph.output], ""


def judge(args, model, mode, options, feeds, work, own):
    """A list of what is wrong, and the least signal to noise ratio of an output."""
    path, again = os.path.join(work, f"{mode}.onnx"), os.path.join(work, "again.onnx")
    for out in (path, again):
        p = subprocess.run([args.onnxcc, "quantize", model, "-o", out, "--json", *options], capture_output=True, text=True, timeout=300, check=False)
        if p.returncode:
            return [f"exit {p.returncode}: {p.stderr.strip()[:400]}"], np.nan
    wrong = [w for w in [too_many(model, options, p.stdout)] if w]
    with open(path, "rb") as a, open(again, "rb") as b:
        if a.read() != b.read():
            wrong.append("two runs wrote different files")
    before, after = (onnx.load(x).opset_import[0].version for x in (model, path))
    least_opset = PER_CHANNEL if mode == "static" and "--per-tensor" not in options else MODES[mode]
    if after != (before if before >= least_opset else PER_CHANNEL):
        wrong.append(f"opset {before} became {after}")
    try:
        onnx.checker.check_model(path, full_check=True)
        expected, plain, fast = run(model, feeds, False), run(path, feeds, False), run(path, feeds, True)
    except Exception as e:  # pylint: disable=broad-except
        return [*wrong, str(e).strip()[:400]], np.nan
    least = min(sqnr(e, p) for e, p in zip(expected, plain))
    if least < args.least_sqnr:
        wrong.append(f"{least:.1f} dB")
    near = min(cosine(p, f) for p, f in zip(plain, fast))
    if near < 0.999:
        wrong.append(f"optimized and not: cosine {near:.5f}")
    if own:
        got, why = own_run(args.onnxcc, path, feeds, work)
        if why:
            wrong.append(why)
        else:
            near = min(cosine(p, g) for p, g in zip(run(path, feeds[1:2], False), got))
            if near < 0.9999:
                wrong.append(f"onnxcc run: cosine {near:.6f}")
    return wrong, least


def judge_model(args, seed, work, own):
    net = Net(seed)
    model, data = os.path.join(work, "model.onnx"), os.path.join(work, "data")
    os.makedirs(data, exist_ok=True)
    onnx.save(net.build(), model)
    feeds = net.feeds()
    for i, f in enumerate(feeds):
        np.savez(os.path.join(data, f"{i}.npz"), **f)
    try:
        if not all(np.isfinite(v).all() for v in run(model, feeds, False)):
            return None
    except Exception:  # pylint: disable=broad-except
        return None  # not a model that onnxruntime takes
    results = {}
    for mode in MODES:
        options = options_for(net, mode, data)
        wrong, least = judge(args, model, mode, options, feeds, work, own)
        results[mode] = least
        if wrong:
            print(f"seed {seed}, opset {net.opset}, {' '.join(options).replace(data, 'DATA')}: {'; '.join(wrong)}", flush=True)
            results["failed"] = True
    return results


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("onnxcc")
    a.add_argument("--count", type=int, default=100)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--run-every", type=int, default=10)
    a.add_argument("--least-sqnr", type=float, default=10)
    a.add_argument("--keep", help="a folder for the models, by seed")
    args = a.parse_args()
    if sizes.saturates():
        print(sizes.NO_REFERENCE)
        return 77
    if subprocess.run([args.onnxcc, "quantize", "--help"], capture_output=True, check=False).returncode:
        print("skipped: this onnxcc has no quantize")
        return 77
    judged, failed, levels = 0, 0, {m: [] for m in MODES}
    for k in range(args.count):
        seed = args.seed + k
        with tempfile.TemporaryDirectory() as scratch:
            work = os.path.join(args.keep, str(seed)) if args.keep else scratch
            os.makedirs(work, exist_ok=True)
            r = judge_model(args, seed, work, args.run_every and k % args.run_every == 0)
        if r is None:
            continue
        judged += 1
        failed += "failed" in r
        for m in MODES:
            levels[m].append(r[m])
    for m, v in levels.items():
        v = np.array([x for x in v if np.isfinite(x)])
        if v.size:
            print(f"{m}: least {v.min():.1f} dB, a tenth below {np.quantile(v, 0.1):.1f} dB, median {np.median(v):.1f} dB")
    print(f"{judged - failed} passed, {failed} failed, {args.count - judged} skipped")
    return 1 if failed or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
