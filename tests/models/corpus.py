#!/usr/bin/env python3
"""Runs the models of a model corpus through onnxcc and compares with the stored reference outputs.

    corpus.py ONNXCC CORPUS [--out DIR] [--jobs N] [--json FILE] [--expect FILE] [--arguments WORDS] [MODEL...]

CORPUS is a folder with corpus.py, index.json and one folder per model (see its README). Every case of a model runs through
`onnxcc run`, symbolic dims left symbolic, and passes when its worst difference is within the model's stated tolerance.
--arguments WORDS are further options for `onnxcc run`, such as "--target=cuda --emulate".
--expect FILE names models that must pass, one a line; exit code 1 when one of them does not. The last line is
`N passed, N failed, N skipped` (skipped: onnxcc says that the model is not supported, or its file can't be had here)."""
import argparse
import concurrent.futures
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx  # noqa: F401  (the corpus needs it)
except ImportError:
    np = None


def load_corpus(root):
    spec = importlib.util.spec_from_file_location("corpus_tool", os.path.join(root, "corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def load_outputs(path):
    with np.load(path, allow_pickle=False) as z:
        return {re.sub(r"\.(keys|values)$", r"/\1", name.replace("\\", "/")): z[name] for name in z.files}  # of ZipMap: as the corpus names them


def run_model(tool, corpus, model_id, work, limit, arguments):
    """One record: id, result (pass, fail, unsupported, error), reason, worst (in tolerances), seconds."""
    start = time.time()
    record = {"id": model_id, "result": "pass", "reason": "", "worst": 0.0}
    folder = os.path.join(work, model_id)
    try:
        model = os.path.join(folder, "model.onnx")
        if not os.path.exists(model):
            corpus.materialize(model_id, work)
    except (FileNotFoundError, ValueError) as e:
        record.update(result="skipped", reason=str(e))
        return record
    for k in range(len(corpus.meta_of(model_id)["cases"])):
        inputs, outputs = os.path.join(folder, f"case{k}.in.npz"), os.path.join(folder, f"case{k}.out.npz")
        arrays = {n.replace("/", "\\"): (a.astype(str) if a.dtype == object else a) for n, a in corpus.make_inputs(model_id, k).items()}
        np.savez(inputs, **arrays)
        command = [tool, "run", model, "--input", inputs, "--output", outputs, "-q", *arguments]
        try:
            p = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            record.update(result="error", reason=f"case {k}: longer than {limit} s")
            break
        if p.returncode:
            lines = [l for l in p.stderr.splitlines() if "error" in l] or p.stderr.splitlines() or ["no message"]
            text = lines[0].split(": error: ", 1)[-1]
            record.update(result="unsupported" if p.returncode == 4 else "error", reason=f"exit {p.returncode}: {text}"[:300])
            break
        worst = corpus.compare(model_id, k, load_outputs(outputs))
        record["worst"] = max(record["worst"], worst)
        if not worst <= 1:
            record.update(result="fail", reason=f"case {k}: {worst:.3g} times the tolerance")
            break
    record["seconds"] = round(time.time() - start, 1)
    return record


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("corpus")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--out", help="keep models and outputs there")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--limit", type=int, default=300, help="seconds for one case")
    ap.add_argument("--json")
    ap.add_argument("--expect")
    ap.add_argument("--arguments", default="")
    a = ap.parse_intermixed_args()
    if np is None or not os.path.exists(os.path.join(a.corpus, "corpus.py")):
        print("skipped: there is no numpy" if np is None else f"skipped: no model corpus at {a.corpus}")
        return 77
    corpus = load_corpus(a.corpus)
    ids = corpus.pick(a.models)
    expected = set()
    if a.expect:
        with open(a.expect) as f:
            expected = {line.split("#")[0].strip() for line in f} - {""}
        if not a.models:
            ids = [i for i in ids if i in expected]
    records = []
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        work = a.out or scratch
        for r in pool.map(lambda i: run_model(a.tool, corpus, i, work, a.limit, a.arguments.split()), ids):
            records.append(r)
            print(f"{r['result']:12} {r['id']:32} {r.get('seconds', 0):6.1f} s  {r['worst']:.3g}  {r['reason']}", flush=True)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(records, f, indent=1)
    passed = sum(r["result"] == "pass" for r in records)
    skipped = sum(r["result"] in ("unsupported", "skipped") for r in records)
    missing = sorted(expected - {r["id"] for r in records if r["result"] == "pass"} - {r["id"] for r in records if r["result"] == "skipped"})
    for i in missing:
        print(f"expected to pass: {i}")
    print(f"{passed} passed, {len(records) - passed - skipped} failed, {skipped} skipped")
    return 1 if missing or (not expected and passed + skipped < len(records)) else 0


if __name__ == "__main__":
    sys.exit(main())
