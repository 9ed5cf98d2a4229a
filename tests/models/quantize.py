#!/usr/bin/env python3
"""Runs `onnxcc quantize` on the models of a model corpus that have a Conv, MatMul or Gemm, and makes a table of docs/quantize.md.

    quantize.py ONNXCC CORPUS [--out DIR] [--json FILE] [--markdown] [MODEL...]

Dynamic, and static with the corpus' own inputs for calibration. For both: the written file is valid (onnx.checker), runs in onnxruntime with its default
optimizations, and the table says how close its floating-point outputs are to the original's, as the smallest cosine of an output over the corpus' cases. A
model whose sizes have to be known to compile it is pinned to those of its first case. Exit code 1 when quantizing, checking or running fails; what quantizing
makes of a model's outputs is no failure, since most weights of the corpus are random.

Needs numpy, onnx and onnxruntime; skipped (77) by name without them."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

from corpus import load_corpus

PRODUCTS = ("Conv", "MatMul", "Gemm")


def has_products(graph):
    for n in graph.node:
        if n.op_type in PRODUCTS or any(has_products(a.g) for a in n.attribute if a.type == onnx.AttributeProto.GRAPH):
            return True
    return False


def run(path, cases):
    o = onnxruntime.SessionOptions()
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    s = onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])
    return [s.run(None, feeds) for feeds in cases]


def cosine(a, b):
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    fine = np.isfinite(a) & np.isfinite(b)
    a, b = a[fine], b[fine]
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length > 0 else float(np.array_equal(a, b))


def closeness(expected, got):
    worst = 1.0
    for e, g in zip(expected, got):
        for a, b in zip(e, g):
            if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.shape == b.shape and a.size:
                worst = min(worst, cosine(a, b))
            elif isinstance(a, np.ndarray) and a.shape != b.shape:
                worst = -1.0 if a.dtype.kind == "f" else worst
    return worst


def write_data(folder, cases):
    os.makedirs(folder, exist_ok=True)
    for k, feeds in enumerate(cases):
        np.savez(os.path.join(folder, f"case{k}.npz"), **{n.replace("/", "\\"): v for n, v in feeds.items()})


def quantize(tool, model, out, options):
    start = time.time()
    p = subprocess.run([tool, "quantize", model, "-o", out, "--json", *options], capture_output=True, text=True, timeout=600, check=False)
    if p.returncode:
        errors = [line for line in p.stderr.splitlines() if "error" in line] or ["no message"]
        return p.returncode, errors[0][:300], time.time() - start
    return 0, [json.loads(line) for line in p.stdout.splitlines()], time.time() - start


def quantize_static(tool, model, out, cases, folder):
    write_data(os.path.join(folder, "all"), cases)
    code, said, seconds = quantize(tool, model, out, ["--calibrate", os.path.join(folder, "all")])
    if code != 4:
        return code, said, seconds, False
    write_data(os.path.join(folder, "first"), cases[:1])
    shapes = [f"--shape={n}={'x'.join(map(str, np.shape(v)))}" for n, v in cases[0].items() if np.ndim(v)]
    return *quantize(tool, model, out, ["--calibrate", os.path.join(folder, "first"), *shapes]), True


def judge(record, mode, path, cases, expected, said):
    report = said[-1]
    record[mode] = {"quantized": report["quantized"], "products": report["products"], "others": report["others"], "bytes": report["bytes"]["after"]}
    record[mode]["kept"] = sorted({layer["reason"] for layer in said[:-1] if "reason" in layer})
    try:
        onnx.checker.check_model(path)
        record[mode]["cosine"] = closeness(expected, run(path, cases))
    except Exception as e:  # pylint: disable=broad-except
        record["problems"].append(f"{mode}: {(str(e).strip().splitlines() or ['invalid'])[0][:300]}")


def run_model(tool, corpus, model_id, work):
    record = {"id": model_id, "problems": []}
    folder = os.path.join(work, model_id)
    model = os.path.join(folder, "model.onnx")
    try:
        if not os.path.exists(model):
            corpus.materialize(model_id, work)
    except (FileNotFoundError, ValueError) as e:
        return record | {"skipped": str(e)}
    if not has_products(onnx.load(model, load_external_data=False).graph):
        return record | {"skipped": "no product"}
    record["bytes"] = os.path.getsize(model)
    cases = [corpus.make_inputs(model_id, k) for k in range(len(corpus.meta_of(model_id)["cases"]))]
    expected = run(model, cases)
    for mode in ("dynamic", "static"):
        path = os.path.join(folder, f"{mode}.onnx")
        try:
            if mode == "dynamic":
                code, said, seconds = quantize(tool, model, path, [])
                pinned = False
            else:
                code, said, seconds, pinned = quantize_static(tool, model, path, cases, os.path.join(folder, "calibration"))
        except subprocess.TimeoutExpired:
            record["problems"].append(f"{mode}: took too long")
            continue
        if code:
            record["problems"].append(f"{mode}: exit {code}: {said}")
            continue
        judge(record, mode, path, cases, expected, said)
        record[mode] |= {"seconds": round(seconds, 1), "pinned": pinned}
    return record


def markdown(records):
    print("| model | bytes | dynamic: products | bytes | cosine | static: products | other nodes | bytes | cosine | time, s |\n|---|---|---|---|---|---|---|---|---|---|")
    for r in records:
        if "skipped" in r:
            continue
        d, s = r.get("dynamic"), r.get("static")
        cells = [f"{d['quantized']} of {d['products']}", str(d["bytes"]), f"{d.get('cosine', 0):.4f}"] if d else ["fails", "", ""]
        cells += [f"{s['quantized']} of {s['products']}", str(s["others"]), str(s["bytes"]), f"{s.get('cosine', 0):.4f}", str(s["seconds"])] if s else ["fails", "", "", "", ""]
        print(f"| {r['id']} | {r['bytes']} | " + " | ".join(cells) + " |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("corpus")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--out", help="keep models there; those that are there already are used again")
    ap.add_argument("--json")
    ap.add_argument("--markdown", action="store_true")
    a = ap.parse_intermixed_args()
    if not os.path.exists(os.path.join(a.corpus, "corpus.py")):
        print(f"skipped: no model corpus at {a.corpus}")
        return 77
    corpus = load_corpus(a.corpus)
    records = []
    with tempfile.TemporaryDirectory() as scratch:
        for i in corpus.pick(a.models):
            r = run_model(a.tool, corpus, i, a.out or scratch)
            records.append(r)
            if "skipped" not in r:
                shown = {m: (r[m].get("cosine"), r[m]["quantized"], r[m]["products"], r[m]["others"], r[m]["seconds"]) for m in ("dynamic", "static") if m in r}
                print(f"{'FAIL' if r['problems'] else 'ok':5} {i:28} {shown} {'; '.join(r['problems'])}", file=sys.stderr if a.markdown else sys.stdout, flush=True)
            if a.json:
                with open(a.json, "w", encoding="utf-8") as f:
                    json.dump(records, f, indent=1)
    if a.markdown:
        markdown(records)
    ran = [r for r in records if "skipped" not in r]
    failed = sum(bool(r["problems"]) for r in ran)
    print(f"{len(ran) - failed} passed, {failed} failed, {len(records) - len(ran)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
