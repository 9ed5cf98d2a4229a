#!/usr/bin/env python3
"""Quantized operators of com.microsoft, one at a time on random data, against onnxruntime without graph optimization.

    contrib_int8.py ONNXCC [OPERATOR...]

Integers may differ by one step in one element of a hundred (averages; the others are equal where onnxruntime uses fused multiply-adds), floats by
1e-5 of the largest. What onnxruntime does not implement is said. Exit code 77 without onnxruntime."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnxruntime
    from onnx import helper, numpy_helper, save
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

import sizes  # noqa: E402

RNG = np.random.default_rng(3)


def real(v):
    return np.asarray(v, np.float32)


def noise(*shape):
    return real(RNG.standard_normal(shape))


def whole(shape, kind):
    i = np.iinfo(kind)
    return np.asarray(RNG.integers(i.min, i.max, shape, endpoint=True), kind)


def zero(v, kind):
    return np.array(v if kind == np.uint8 else v - 128, kind)


def sums(kind):
    """QLinearAdd and QLinearMul: tensors, a scalar, broadcasting; scales with many ties and without."""
    for sa, sb, sy, za, zb, zy in ((0.0235, 0.0117, 0.03, 113, 7, 101), (0.02, 0.04, 0.04, 128, 128, 129), (0.0665, 0.0118, 0.0235, 105, 0, 0)):
        for op in ("QLinearAdd", "QLinearMul"):
            constants = {"as": real(sa), "az": zero(za, kind), "bs": real(sb), "bz": zero(zb, kind), "ys": real(sy * (0.8 if op == "QLinearMul" else 1)),
                         "yz": zero(zy, kind)}
            names = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
            yield op, {"a": whole((4, 5000), kind), "b": whole((4, 5000), kind)}, constants, names, {}
            yield op, {"a": whole((4, 5000), kind)}, {**constants, "b": whole((), kind)}, names, {}
            yield op, {"a": whole((4, 50, 10), kind)}, {**constants, "b": whole((50, 1), kind)}, names, {}


def functions(kind):
    constants = {"xs": real(0.031), "xz": zero(113, kind), "ys": real(0.022), "yz": zero(90, kind)}
    unit = {**constants, "xs": real(0.05), "ys": real(1 / 256), "yz": zero(0, kind)}
    names = ["x", "xs", "xz", "ys", "yz"]
    yield "QLinearLeakyRelu", {"x": whole((4, 500), kind)}, constants, names, {"alpha": 0.17}
    yield "QLinearSigmoid", {"x": whole((4, 500), kind)}, unit, names, {}
    yield "QLinearSoftmax", {"x": whole((200, 50), kind)}, unit, names, {"axis": -1, "opset": 13}
    yield "QLinearSoftmax", {"x": whole((20, 50, 3), kind)}, unit, names, {"axis": 1, "opset": 13}
    for last in (0, 1):
        x = whole((3, 7, 7, 64) if last else (3, 64, 7, 7), kind)
        yield "QLinearGlobalAveragePool", {"x": x}, {**constants, "ys": real(0.004)}, names, {"channels_last": last}
    for count in (0, 1):
        window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": count}
        yield "QLinearAveragePool", {"x": whole((3, 8, 17, 17), kind)}, constants, names, window
    parts = {"as": real(0.05), "az": zero(3, kind), "bs": real(0.022), "bz": zero(90, kind), "ys": real(0.022), "yz": zero(90, kind)}
    yield "QLinearConcat", {"a": whole((3, 800), kind), "b": whole((3, 90), kind)}, parts, ["ys", "yz", "a", "as", "az", "b", "bs", "bz"], {"axis": 1}


def products(kind):
    for weights in (np.uint8, np.int8):
        for channels in (False, True):
            w, ws = whole((64, 30), weights), real(RNG.uniform(0.001, 0.01, 30) if channels else 0.004)
            wz = (np.zeros(30, weights) if weights == np.int8 else whole(30, weights)) if channels else np.array(5, weights)
            constants = {"as": real(0.03), "az": zero(120, kind), "ws": ws, "wz": wz}
            c = RNG.integers(-2000, 2000, 30).astype(np.int32)
            gemm = ["a", "as", "az", "w", "ws", "wz", "c"]
            yield "QGemm", {"a": whole((50, 64), kind)}, {**constants, "w": w, "c": c, "ys": real(0.15), "yz": zero(100, kind)}, gemm + ["ys", "yz"], {}
            yield "QGemm", {"a": whole((50, 64), kind)}, {**constants, "w": w.T.copy(), "c": c}, gemm, {"transB": 1}
            matmul = {**constants, "w": w, "b": noise(30)}
            yield "MatMulIntegerToFloat", {"a": whole((4, 50, 64), kind)}, matmul, ["a", "w", "as", "ws", "az", "wz", "b"], {}


def dynamic():
    for weights in (np.uint8, np.int8):
        w = whole((64, 30), weights)
        yield "DynamicQuantizeMatMul", {"a": noise(4, 50, 64)}, {"w": w, "ws": real(0.01), "wz": np.array(7, weights), "b": noise(30)}, ["a", "w", "ws", "wz", "b"], {}
        mask = np.array([[1] * 10, [1] * 6 + [0] * 4], np.int32)
        constants = {"w": whole((64, 192), weights), "b": noise(192) * real(0.1), "xs": real(0.02), "ws": real(0.002), "xz": np.array(120, np.uint8), "wz": np.array(3, weights)}
        yield "QAttention", {"x": whole((2, 10, 64), np.uint8), "m": mask}, constants, ["x", "w", "b", "xs", "ws", "m", "xz", "wz"], {"num_heads": 4}
    for way in ("forward", "reverse", "bidirectional"):
        for given in (False, True):
            d, size, hidden, steps = 2 if way == "bidirectional" else 1, 24, 16, 7
            inputs = {"x": noise(steps, 1, size), **({"h": noise(d, 1, hidden), "c": noise(d, 1, hidden)} if given else {})}
            scale = (d, 4 * hidden) if given else (d,)
            constants = {"w": whole((d, size, 4 * hidden), np.int8), "r": whole((d, hidden, 4 * hidden), np.int8), "b": noise(d, 8 * hidden)}
            for n in "wr":
                constants.update({n + "s": real(RNG.uniform(0.001, 0.004, scale)), n + "z": np.zeros(scale, np.int8)})
            names = ["x", "w", "r", "b", "", "h" if given else "", "c" if given else "", "", "ws", "wz", "rs", "rz"]
            yield "DynamicQuantizeLSTM", inputs, constants, names, {"hidden_size": hidden, "direction": way}


def cases():
    for kind in (np.uint8, np.int8):
        for group in (sums, functions, products):
            for op, *rest in group(kind):
                yield f"{op} {np.dtype(kind).name}", op, *rest
    for op, *rest in dynamic():
        yield op, op, *rest


def build(op, inputs, constants, names, attributes):
    outputs = ["y", "y_h", "y_c"] if op.endswith("LSTM") else ["y"]
    node = helper.make_node(op, names, outputs, domain="com.microsoft", **attributes)
    given = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in inputs.items()]
    graph = helper.make_graph([node], "g", given, [helper.make_empty_tensor_value_info(o) for o in outputs], [numpy_helper.from_array(a, n) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8)


def compare(tool, work, op, inputs, constants, names, attributes):
    """None, or what is wrong."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    model = build(op, inputs, constants, names, attributes)
    try:
        wanted = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return "not implemented in onnxruntime"
    for o, w in zip(model.graph.output, wanted):
        o.CopyFrom(helper.make_tensor_value_info(o.name, helper.np_dtype_to_tensor_dtype(w.dtype), w.shape))
    path, given, made = (os.path.join(work, f) for f in ("m.onnx", "in.npz", "out.npz"))
    save(model, path)
    np.savez(given, **inputs)
    p = subprocess.run([tool, "run", path, "--input", given, "--output", made, "-q"], capture_output=True, text=True)
    if p.returncode:
        return f"FAILED: exit code {p.returncode}: {(p.stderr.splitlines() or ['no message'])[0]}"
    with np.load(made) as got:
        for o, w in zip(model.graph.output, wanted):
            off = np.abs(got[o.name].astype(np.float64) - w)
            good = off.max() <= 1 and (off > 0).mean() <= 0.01 if w.dtype.kind in "iu" else off.max() <= 1e-5 * np.abs(w).max()
            if not good:
                return f"FAILED: {o.name} is off by {off.max():.4g}, {100 * (off > 0).mean():.2f}% of its elements differ"
    return None


def main():
    if sizes.saturates():
        print(sizes.NO_REFERENCE)
        return 77
    tool, only, bad = sys.argv[1], sys.argv[2:], 0
    with tempfile.TemporaryDirectory() as work:
        for name, op, *case in cases():
            if only and op not in only:
                continue
            problem = compare(tool, work, op, *case)
            if problem:
                print(f"{name}: {problem}", flush=True)
                bad += problem.startswith("FAILED")
    print(f"{bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
