#!/usr/bin/env python3
"""Times of generated C against onnxruntime and OpenVINO on models of the corpus, as ratios in a Markdown table.

    cpu.py ONNXCC [--corpus DIR] [--models DIR] [--work DIR] [--threads N]... [--against LIST] [--arguments WORDS] [--json FILE] [MODEL...]

Models are those of the corpus beside the repository, their dims pinned to those of case 0, and with --models the .onnx files of a folder with their
inputs beside them (NAME.npz), such as the benchmark models make. Each is measured by `onnxcc bench`, which runs the engines in turns in one run, under
real-time priority where that is allowed, and compares their outputs. MODEL: only those whose name holds one of the words.

ratio = peer's time / ours, from the minimum and, in brackets, from the median; `differs`: the largest difference from onnxruntime's outputs as a share of
the output's largest magnitude. The last lines are geometric means over the float32 models (the corpus calls the others quantized or fp16) and the lowest
of them. Nothing here passes or fails: times are no test. Exit code 77: there is no corpus, nor --models."""
import argparse
import json
import math
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "tests", "models"))
import sizes  # noqa: E402
from corpus import load_corpus  # noqa: E402

PINNED = ["chrt", "-f", "10"]
NO_FIGURE = 4  # exit code where an engine could not be measured, with a line of JSON if ours was, and where the model is not supported


def real_time():
    return PINNED if subprocess.run([*PINNED, "true"], capture_output=True, check=False).returncode == 0 else []


def of_corpus(root, work, words):
    """(name, model, inputs, options, whether it is float32) of each model that can be had."""
    corpus = load_corpus(root)
    with open(os.path.join(root, "index.json")) as f:
        index = json.load(f)["models"]
    for entry in index:
        name = entry["id"]
        if words and not any(w in name for w in words):
            continue
        model, inputs = os.path.join(work, name, "model.onnx"), os.path.join(work, name, "bench.npz")
        try:
            if not os.path.exists(model):
                corpus.materialize(name, work)
        except (FileNotFoundError, ValueError) as e:
            print(f"{name}: not to be had here: {e}", file=sys.stderr)
            continue
        arrays = corpus.make_inputs(name, 0)
        np.savez(inputs, **{n.replace("/", "\\"): (v.astype(str) if v.dtype == object else v) for n, v in arrays.items()})
        meta = corpus.meta_of(name)
        plain = not meta.get("quantized") and not any(word in name for word in ("int8", "int4", "qdq", "qop", "dynq", "fp16"))
        yield name, model, inputs, sizes.recorded().get(name, {}).get("options", []), plain


def of_folder(folder, words):
    for file in sorted(os.listdir(folder)):
        name, kind = os.path.splitext(file)
        if kind == ".onnx" and (not words or any(w in name for w in words)):
            inputs = os.path.join(folder, name + ".npz")
            yield name, os.path.join(folder, file), inputs if os.path.exists(inputs) else None, [], not name.endswith("int8")


def add_model_options(p):
    p.add_argument("onnxcc")
    p.add_argument("words", nargs="*", metavar="MODEL")
    p.add_argument("--corpus", default=os.path.join(os.path.dirname(SOURCE), "shared", "corpus"))
    p.add_argument("--models")
    p.add_argument("--work", default="bench-work")
    p.add_argument("--arguments", default="")
    p.add_argument("--json")


def models_of(a):
    """Ends the script where they can't be had: exit code 77 without a corpus, 2 where --models is no folder."""
    if a.models and not os.path.isdir(a.models):
        print(f"--models: there is no folder {a.models}", file=sys.stderr)
        sys.exit(2)
    if not a.models and not os.path.exists(os.path.join(a.corpus, "corpus.py")):
        print(f"skipped: no model corpus at {a.corpus}; --corpus DIR names one, --models DIR takes the .onnx files of a folder", file=sys.stderr)
        sys.exit(77)
    return of_folder(a.models, a.words) if a.models else of_corpus(a.corpus, a.work, a.words)


def bench(a, first, model, inputs, options, threads):
    out = os.path.join(a.work, "bench.json")
    command = [*first, a.onnxcc, "bench", model, "--threads", str(threads), "--against", a.against, "-q", f"--json={out}", *options, *a.arguments.split()]
    if inputs:
        command += ["--input", inputs]
    if os.path.exists(out):
        os.remove(out)
    p = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "ONNXCC_PYTHON": sys.executable})
    lines = open(out).readlines() if os.path.exists(out) else []
    if p.returncode not in (0, NO_FIGURE) or not lines:
        return {"error": (p.stderr.splitlines() or ["no message"])[0][:200]}
    return json.loads(lines[-1])


def ratios(record, peer):
    if peer not in record.get("peers", {}):
        return None
    return record["peers"][peer]["min"] / record["ms"]["min"], record["peers"][peer]["median"] / record["ms"]["median"]


def mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else math.nan


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_options(p)
    p.add_argument("--threads", type=int, action="append")
    p.add_argument("--against", default="onnxruntime")
    a = p.parse_intermixed_args()
    a.threads = a.threads or [1]
    models = models_of(a)
    os.makedirs(a.work, exist_ok=True)
    peers, first = a.against.split(","), real_time()
    if not first:
        print("no real-time priority here: other work on this machine disturbs the times", file=sys.stderr)
    found = {(peer, t): [] for peer in peers for t in a.threads}
    print("| model |", " | ".join(f"ms, {t} thread{'s' * (t > 1)} | {' | '.join(peers)}" for t in a.threads), "| differs |")
    print("|---|" + "---|" * (len(a.threads) * (1 + len(peers)) + 1))
    records = []
    for name, model, inputs, options, plain in models:
        cells, differs = [], ""
        for t in a.threads:
            record = {"name": name, "float32": plain, "threads": t, **bench(a, first, model, inputs, options, t)}
            records.append(record)
            cells.append(f"{record['ms']['min']:.4g}" if "ms" in record else record["error"])
            for peer in peers:
                r = ratios(record, peer)
                cells.append(f"{r[0]:.2f} ({r[1]:.2f})" if r else "")
                if r and plain:
                    found[peer, t].append((r[0], name))
            if "onnxruntime" in record.get("difference", {}):
                differs = f"{record['difference']['onnxruntime']:.1g}"
        print(f"| {name} |", " | ".join(cells), f"| {differs} |", flush=True)
        if a.json:
            with open(a.json, "w") as f:
                json.dump(records, f, indent=1)
    for (peer, t), values in found.items():
        if values:
            low = min(values)
            print(f"{peer}, {t} thread{'s' * (t > 1)}: geometric mean {mean([v for v, _ in values]):.2f} of {len(values)} float32 models, lowest {low[0]:.2f} ({low[1]})")


if __name__ == "__main__":
    main()
