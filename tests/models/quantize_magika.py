#!/usr/bin/env python3
"""Quantizes a real model, magika's recognition of file types, and says how often the result has its float self's opinion; the table of docs/quantize.md.

    quantize_magika.py ONNXCC [--model FILE] [--files 500] [--calibrate 100] [--work DIR] [--json FILE]

The data are files of this machine, as many kinds as it has, each byte vector once; the first ones serve for calibration and are not judged with. A file
counts as agreeing when the label with the highest score is that of the float model in onnxruntime. Every model runs in onnxruntime with its default
optimizations, a file at a time. What is ours also runs in OpenVINO, and through `onnxcc run`, and has to be valid for onnx.checker.
Exit code 1 when ours are not better than onnxruntime's own quantization: static over all its operators, and the best of ours at least its dynamic one.

Needs numpy, onnx, onnxruntime and magika; skipped (77) by name without them. OpenVINO is left out when it is not there."""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile

try:
    import magika
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

ROOTS = ["/usr/share", "/usr/lib", "/usr/include", "/usr/bin", "/usr/local", "/etc", "/var/lib", "/opt"]
OURS = {
    "dynamic": [],
    "dynamic, per tensor": ["--per-tensor"],
    "static, mse": ["--method", "mse"],
    "static, minmax": ["--method", "minmax"],
    "static, percentile": ["--method", "percentile"],
    "static, mse, per tensor": ["--method", "mse", "--per-tensor"],
    "static, mse, s8": ["--method", "mse", "--activations", "s8"],
    "static, mse, openvino": ["--method", "mse", "--for", "openvino"],
}


def by_kind(roots, limit):
    """Paths by suffix, each list in an order that only the paths decide."""
    kinds = {}
    for root in roots:
        for folder, inner, names in os.walk(root):
            inner.sort()
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path) and os.path.isfile(path) and 64 < os.path.getsize(path) < 1 << 22:
                    kinds.setdefault(os.path.splitext(name)[1].lower(), []).append(path)
    for paths in kinds.values():
        paths.sort(key=lambda p: hashlib.sha256(p.encode()).hexdigest())
        del paths[limit:]
    return kinds


def byte_vectors(n, roots):
    """n different inputs of the model, of as many suffixes as there are, in turns."""
    from pathlib import Path

    reader = magika.Magika()
    config = reader._model_config  # pylint: disable=protected-access
    kinds = by_kind(roots, n)
    vectors, seen = [], set()
    for turn in range(n):
        for suffix in sorted(kinds, key=lambda s: hashlib.sha256(s.encode()).hexdigest()):
            if turn >= len(kinds[suffix]) or len(vectors) == n:
                continue
            try:
                result, f = reader._get_result_or_features_from_path(Path(kinds[suffix][turn]))  # pylint: disable=protected-access
            except OSError:
                continue
            if result is not None:
                continue
            x = list(f.beg[: config.beg_size]) + list(f.mid[: config.mid_size]) + (list(f.end[-config.end_size :]) if config.end_size else [])
            key = bytes(np.asarray(x, np.uint16).tobytes())
            if key not in seen:
                seen.add(key)
                vectors.append(np.asarray([x], np.int32))
    return vectors


def scores(path, vectors):
    o = onnxruntime.SessionOptions()
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    s = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return np.concatenate([s.run(None, {s.get_inputs()[0].name: x})[0] for x in vectors])


def openvino_scores(path, vectors):
    try:
        import openvino
    except ImportError:
        return None
    m = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([np.array(m([x])[0]) for x in vectors])


def onnxcc_scores(onnxcc, path, vectors, work):
    np.savez(os.path.join(work, "one.npz"), bytes=np.concatenate(vectors))
    done = subprocess.run([onnxcc, "run", path, "--input", os.path.join(work, "one.npz"), "-o", os.path.join(work, "out.npy"), "-q"], capture_output=True, text=True, check=False)
    return np.load(os.path.join(work, "out.npy")) if done.returncode == 0 else done.stderr


class Reader:
    """Calibration data as onnxruntime's tools want it."""

    def __init__(self, name, vectors):
        self.left = iter([{name: x} for x in vectors])

    def get_next(self):
        return next(self.left, None)


def make_theirs(model, vectors, work):
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static

    name = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].name
    static = {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "calibrate_method": CalibrationMethod.MinMax}
    makers = {
        "onnxruntime dynamic": lambda out: quantize_dynamic(model, out),
        "onnxruntime static, all operators": lambda out: quantize_static(model, out, Reader(name, vectors), **static),
        "onnxruntime static, MatMul and Conv": lambda out: quantize_static(model, out, Reader(name, vectors), op_types_to_quantize=["MatMul", "Conv"], **static),
        "onnxruntime static, per channel": lambda out: quantize_static(model, out, Reader(name, vectors), per_channel=True, **static),
    }
    for what, make in makers.items():
        out = os.path.join(work, what.replace(" ", "-").replace(",", "") + ".onnx")
        try:
            make(out)
            yield what, out, ""
        except Exception as e:  # pylint: disable=broad-except
            yield what, None, f"{type(e).__name__}: {str(e).splitlines()[0][:80]}"


def make_ours(onnxcc, model, data, work):
    for what, options in OURS.items():
        out = os.path.join(work, "onnxcc-" + what.replace(" ", "-").replace(",", "") + ".onnx")
        calibrate = ["--calibrate", data] if what.startswith("static") else []
        done = subprocess.run([onnxcc, "quantize", model, "-o", out, *options, *calibrate], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            onnx.checker.check_model(out, full_check=True)
        yield "onnxcc " + what, out if done.returncode == 0 else None, done.stderr.strip()


def measure(args, work):
    vectors = byte_vectors(args.files + args.calibrate, args.root or ROOTS)
    calibrate, judged = vectors[: args.calibrate], vectors[args.calibrate :]
    data = os.path.join(work, "data")
    os.makedirs(data, exist_ok=True)
    for i, x in enumerate(calibrate):
        np.savez(os.path.join(data, f"{i:04}.npz"), bytes=x)
    float_scores = scores(args.model, judged)
    labels = float_scores.argmax(1)
    print(f"{len(judged)} files judged, {len(calibrate)} for calibration, {len(set(labels.tolist()))} labels; float: {os.path.getsize(args.model)} bytes")
    rows = []
    for what, path, why in [*make_theirs(args.model, calibrate, work), *make_ours(args.onnxcc, args.model, data, work)]:
        row = {"model": what, "error": why}
        if path:
            s = scores(path, judged)
            row |= {"agree": int((s.argmax(1) == labels).sum()), "files": len(judged), "bytes": os.path.getsize(path)}
            row |= {"largest": float(np.abs(s - float_scores).max()), "l1": float(np.abs(s - float_scores).sum(1).mean())}
        if path and what.startswith("onnxcc"):
            few = judged[:100]
            ov = openvino_scores(path, few)
            if ov is not None:
                row |= {"openvino": float(np.abs(ov - s[: len(few)]).max()), "openvino_agree": int((ov.argmax(1) == s[: len(few)].argmax(1)).sum())}
            own = onnxcc_scores(args.onnxcc, path, few[:1], work)
            row["run"] = float(np.abs(own - s[:1]).max()) if not isinstance(own, str) else own
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def table(rows):
    print("\n| model | agrees | largest difference of a score | mean L1 | bytes | OpenVINO to onnxruntime, 100 files |\n|---|---|---|---|---|---|")
    for r in rows:
        if r["error"] and "agree" not in r:
            print(f"| {r['model']} | fails: {r['error']} | | | | |")
            continue
        ov = f"{r['openvino']:.4f}, {r['openvino_agree']} same" if "openvino" in r else ""
        print(f"| {r['model']} | {r['agree'] / r['files']:.4f} | {r['largest']:.3f} | {r['l1']:.5f} | {r['bytes']} | {ov} |")


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("onnxcc")
    a.add_argument("--model", default=os.path.join(os.path.dirname(magika.__file__), "models", "standard_v3_3", "model.onnx"))
    a.add_argument("--files", type=int, default=500)
    a.add_argument("--calibrate", type=int, default=100)
    a.add_argument("--root", action="append", help="folder to take files from, instead of the usual ones")
    a.add_argument("--work")
    a.add_argument("--json")
    args = a.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.makedirs(args.work or temporary, exist_ok=True)
        rows = measure(args, args.work or temporary)
    table(rows)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)
    agree = {r["model"]: r.get("agree", 0) for r in rows}
    ours_static = max(v for k, v in agree.items() if k.startswith("onnxcc static"))
    ours = max(v for k, v in agree.items() if k.startswith("onnxcc"))
    good = ours_static > agree["onnxruntime static, all operators"] and ours >= agree["onnxruntime dynamic"]
    print("holds" if good else "does not hold")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
