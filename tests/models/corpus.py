#!/usr/bin/env python3
"""Runs the models of a model corpus through onnxcc, at the sizes of their cases and at further ones.

    corpus.py ONNXCC CORPUS [--out DIR] [--jobs N] [--json FILE] [--arguments WORDS] [--no-sizes] [MODEL...]

CORPUS is a folder with corpus.py, index.json and one folder per model (see its README). Every model is built once, symbolic dims left symbolic, by
`onnxcc run --data`, and run at the sizes of its cases, against the stored reference outputs, and at the sizes of corpus.json beside this file (see
sizes.py), against onnxruntime without graph optimization. It passes when its worst difference is within the model's stated tolerance. Where that is
exceeded and corpus.json says "noise", roundings to 8 bits decide about the result: it passes when onnxruntime itself, its float constants moved by a
relative noise of that size, is further off in one of NOISY runs, and has fewer elements within the tolerance. Options that a model needs are in
corpus.json as well.
--arguments WORDS are further options for `onnxcc run`, such as "--target=cuda --emulate".
Without onnxruntime further sizes are skipped, which is said. The last line is `N passed, N failed, N skipped` (skipped: a model's file can't be
had here); exit code 1 when one fails."""
import argparse
import concurrent.futures
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx  # noqa: F401  (the corpus needs it)
except ImportError:
    np = None
else:
    import sizes
try:
    import onnxruntime
except ImportError:
    onnxruntime = None


NOISY = 6


def load_corpus(root):
    spec = importlib.util.spec_from_file_location("corpus_tool", os.path.join(root, "corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def load_outputs(path):
    with np.load(path, allow_pickle=False) as z:
        return {re.sub(r"\.(keys|values)$", r"/\1", name.replace("\\", "/")): z[name] for name in z.files}  # of ZipMap: as the corpus names them


class Reference:
    """What the outputs of one model have to be."""

    def __init__(self, corpus, model_id, path, entry):
        self.corpus, self.id, self.path, self.entry, self.session, self.noisy = corpus, model_id, path, entry, None, []
        self.meta = corpus.meta_of(model_id)
        self.cases = [f"case{k}" for k in range(len(self.meta["cases"]))]
        self.sizes = {"size" + "x".join(str(n) for n in size.values()): size for size in entry.get("sizes", ())}

    def inputs(self, name):
        return self.corpus.make_inputs(self.id, self.cases.index(name)) if name in self.cases else sizes.inputs_at(self.corpus, self.id, self.sizes[name])

    def outputs(self, name):
        """{output: (shape, flat indices or None, values)}."""
        if name in self.cases:
            return self.corpus.stored(self.id, self.cases.index(name))
        self.session = self.session or sizes.session(self.path)
        return {n: (v.shape, None, v) for n, v in sizes.outputs_at(self.corpus, self.session, self.inputs(name)).items()}

    def compare(self, name, got):
        """The worst difference in units of the tolerance, elements within it, elements, whether that passes."""
        want = self.outputs(name)
        worst, good, n = sizes.compare(self.meta, want, got)
        noise = self.entry.get("noise")
        if worst <= 1 or not noise or not onnxruntime:
            return worst, good, n, worst <= 1
        if not self.noisy:
            self.noisy = [sizes.session(sizes.with_noise(self.corpus, self.path, noise, seed)) for seed in range(NOISY)]
        runs = [sizes.compare(self.meta, want, sizes.outputs_at(self.corpus, s, self.inputs(name))) for s in self.noisy]
        return worst, good, n, worst <= max(r[0] for r in runs) and good >= min(r[1] for r in runs)


def call(command, limit):
    """(exit code, what it said); None: it took too long."""
    try:
        p = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None, f"longer than {limit} s"
    lines = [l for l in p.stderr.splitlines() if "error" in l] or p.stderr.splitlines() or ["no message"]
    return p.returncode, lines[0].split(": error: ", 1)[-1]


def judge(record, reference, names, results):
    for name in names:
        output = os.path.join(results, name + ".npz")
        if not os.path.exists(output):
            record.update(result="error", reason=record["reason"] or f"{name}: no outputs")
            return
        worst, good, n, passes = reference.compare(name, load_outputs(output))
        kind = "worst" if name in reference.cases else "worst_at_sizes"
        record[kind] = max(record.get(kind, 0.0), worst)
        record["good"] += good
        record["elements"] += n
        if not worst <= 1:
            record["reason"] = f"{name}: {worst:.3g} times the tolerance, {good} of {n} elements within"
        if not passes:
            record["result"] = "fail"


def run_model(tool, corpus, model_id, work, a):
    """One record: id, result (pass, fail, unsupported, error, skipped), reason, worst and worst_at_sizes (in tolerances), good of elements, seconds."""
    start = time.time()
    record = {"id": model_id, "result": "pass", "reason": "", "worst": 0.0, "good": 0, "elements": 0}
    folder = os.path.join(work, model_id)
    entry = sizes.recorded().get(model_id, {})
    try:
        model = os.path.join(folder, "model.onnx")
        if not os.path.exists(model):
            corpus.materialize(model_id, work)
    except (FileNotFoundError, ValueError) as e:
        record.update(result="skipped", reason=str(e))
        return record
    reference = Reference(corpus, model_id, model, entry)
    saturated = a.sizes and a.saturates and reference.meta.get("quantized")
    if saturated and reference.sizes:
        record["reason"] = "other sizes are skipped: onnxruntime saturates products of bytes on this processor"
    names = reference.cases + (list(reference.sizes) if a.sizes and not saturated else [])
    inputs, results = (os.path.join(folder, kind) for kind in ("inputs", "outputs"))
    for path in (inputs, results):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    for name in names:
        arrays = {n.replace("/", "\\"): (v.astype(str) if v.dtype == object else v) for n, v in reference.inputs(name).items()}
        np.savez(os.path.join(inputs, name + ".npz"), **arrays)
    options = entry.get("options", []) + a.arguments.split()
    code, said = call([tool, "run", model, "--data", inputs, "--output", results, "-q", *options], a.limit)
    if code == 4:
        record.update(result="unsupported", reason=f"exit 4: {said}"[:300])
    else:
        if code != 0:
            record.update(result="error", reason=f"exit {code}: {said}"[:300])
        judge(record, reference, names, results)
    record["seconds"] = round(time.time() - start, 1)
    return record


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("corpus")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--out", help="keep models and outputs there")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--limit", type=int, default=600, help="seconds for one model")
    ap.add_argument("--json")
    ap.add_argument("--arguments", default="")
    ap.add_argument("--no-sizes", dest="sizes", action="store_false", help="the sizes of the cases only")
    a = ap.parse_intermixed_args()
    if np is None or not os.path.exists(os.path.join(a.corpus, "corpus.py")):
        print("skipped: there is no numpy" if np is None else f"skipped: no model corpus at {a.corpus}")
        return 77
    if a.sizes and not onnxruntime:
        print("sizes other than those of the cases are skipped: there is no onnxruntime")
        a.sizes = False
    a.saturates = a.sizes and sizes.saturates()
    corpus = load_corpus(a.corpus)
    records = []
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for r in pool.map(lambda i: run_model(a.tool, corpus, i, a.out or scratch, a), corpus.pick(a.models)):
            records.append(r)
            at_sizes = f"{r['worst_at_sizes']:.3g}" if "worst_at_sizes" in r else "-"
            print(f"{r['result']:12} {r['id']:32} {r.get('seconds', 0):6.1f} s  {r['worst']:.3g}  {at_sizes}  {r['reason']}", flush=True)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(records, f, indent=1)
    passed, skipped = (sum(r["result"] == word for r in records) for word in ("pass", "skipped"))
    print(f"{passed} passed, {len(records) - passed - skipped} failed, {skipped} skipped")
    return 1 if passed + skipped < len(records) else 0


if __name__ == "__main__":
    sys.exit(main())
