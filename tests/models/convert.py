#!/usr/bin/env python3
"""`onnxcc check --full`, `infer` and `convert` on the models of a model corpus.

    convert.py ONNXCC CORPUS [--out DIR] [--json FILE] [--opsets N,N] [MODEL...]

For every model: `check --full` says what onnx.checker does. What `infer` writes, and what `convert` writes for opset versions 13, 17, 21 and 28 and back from each to the model's
own, passes onnx.checker, fully where the model does, and gives the same outputs in onnxruntime (graph optimization off) for the corpus' inputs: to 1e-5 of the output's range, or
what noise of 1e-6 on the inputs makes of it; of quantized models, to one step of 8 bits, since roundings decide there, and not at all where onnxruntime saturates products of bytes. A conversion down that is refused is counted, with its reason,
and so is a file that onnxruntime has no kernels for. Exit code 1 when something of this does not hold.

Needs numpy, onnx and onnxruntime; skipped (77) by name without them."""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import onnx
    import onnxruntime  # noqa: F401  (optimize.py needs it)
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

import sizes
from corpus import load_corpus
from optimize import TOLERANCE, difference, noise, run, valid


def opset_of(path):
    imports = {o.domain: o.version for o in onnx.load(path, load_external_data=False).opset_import}
    return imports.get("", imports.get("ai.onnx", 1))


def call(tool, *args):
    """(exit code, first line of what was said)"""
    p = subprocess.run([tool, *args], capture_output=True, text=True, timeout=600, check=False)
    return p.returncode, (p.stderr.strip().splitlines() or [""])[0][-240:]


class Model:
    """One model, and what came of each step: "ok", "refused", "no kernels", "no reference", or what is wrong. saturates: as sizes.saturates()"""

    def __init__(self, tool, corpus, model_id, work, saturates):
        self.tool, self.folder, self.steps = tool, os.path.join(work, model_id), {}
        corpus.materialize(model_id, work)
        self.path = os.path.join(self.folder, "model.onnx")
        self.cases = [corpus.make_inputs(model_id, k) for k in range(len(corpus.meta_of(model_id)["cases"]))]
        self.expected = run(self.path, self.cases)
        quantized = corpus.meta_of(model_id).get("quantized")
        self.limit = max(TOLERANCE, noise(corpus, model_id), 1 / 255 if quantized else 0)
        self.no_reference = quantized and saturates
        self.full, self.own = not valid(self.path, True), opset_of(self.path)

    def judge(self, step, path):
        bad = valid(path, self.full)
        if bad:
            self.steps[step] = f"onnx.checker: {bad}"
            return
        try:
            names, outputs = run(path, self.cases)
        except Exception as e:  # pylint: disable=broad-except
            said = str(e).strip().splitlines()[0][:200]
            self.steps[step] = "no kernels" if "NOT_IMPLEMENTED" in said or "is till opset" in said else f"onnxruntime: {said}"
            return
        if self.no_reference and names == self.expected[0]:
            self.steps[step] = "no reference"
            return
        worst = max((difference(a, b) for e, o in zip(self.expected[1], outputs) for a, b in zip(e, o)), default=0.0)
        if names != self.expected[0]:
            self.steps[step] = "other names of outputs"
        else:
            self.steps[step] = "ok" if worst <= self.limit else f"outputs differ by {worst:.3g} of their range"

    def check(self):
        code, said = call(self.tool, "check", "--full", self.path)
        self.steps["check"] = "ok" if (code == 0) == self.full else f"exit {code}, onnx.checker {'accepts' if self.full else 'refuses'}: {said}"

    def infer(self):
        out = os.path.join(self.folder, "infer.onnx")
        code, said = call(self.tool, "infer", self.path, "-o", out, "-q")
        if code:
            self.steps["infer"] = f"exit {code}: {said}"
        else:
            self.judge("infer", out)

    def convert(self, opset):
        there, back = os.path.join(self.folder, f"{opset}.onnx"), os.path.join(self.folder, f"{opset}-back.onnx")
        code, said = call(self.tool, "convert", self.path, "-o", there, "--opset", str(opset), "-q")
        if code:
            self.steps[f"to {opset}"] = f"refused: {said}" if code == 4 and opset < self.own else f"exit {code}: {said}"
            return
        self.judge(f"to {opset}", there)
        code, said = call(self.tool, "convert", there, "-o", back, "--opset", str(self.own), "-q")
        if code:
            self.steps[f"back from {opset}"] = f"exit {code}: {said}"
        else:
            self.judge(f"back from {opset}", back)
        os.remove(there)


def is_fine(outcome):
    return outcome in ("ok", "no kernels", "no reference") or outcome.startswith("refused: ")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("corpus")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--out")
    ap.add_argument("--json")
    ap.add_argument("--opsets", default="13,17,21,28")
    a = ap.parse_intermixed_args()
    if not os.path.exists(os.path.join(a.corpus, "corpus.py")):
        print(f"skipped: no model corpus at {a.corpus}")
        return 77
    corpus, count, records, failed, saturates = load_corpus(a.corpus), collections.Counter(), {}, 0, sizes.saturates()
    if saturates:
        print("outputs of quantized models: " + sizes.NO_REFERENCE)
    with tempfile.TemporaryDirectory(dir=a.out) as work:
        for model_id in corpus.pick(a.models):
            try:
                m = Model(a.tool, corpus, model_id, work, saturates)
            except (FileNotFoundError, ValueError) as e:
                print(f"skipped  {model_id}: {e}", flush=True)
                continue
            m.check()
            m.infer()
            for opset in a.opsets.split(","):
                m.convert(int(opset))
            records[model_id] = m.steps
            count.update((step, outcome.split(":")[0] if is_fine(outcome) else "wrong") for step, outcome in m.steps.items())
            worth_saying = {step: outcome for step, outcome in m.steps.items() if outcome != "ok"}
            bad = not all(is_fine(outcome) for outcome in m.steps.values())
            failed += bad
            print(f"{'FAIL' if bad else 'ok':8} {model_id} ({m.own}) {worth_saying or ''}", flush=True)
            shutil.rmtree(m.folder)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(records, f, indent=1)
    for (step, outcome), n in sorted(count.items()):
        print(f"{n:5} {step}: {outcome}")
    print(f"{len(records)} models, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
