#!/usr/bin/env python3
"""Compares `onnxcc convert` with what onnx.version_converter did, as a conformance folder records it.

    convert.py ONNXCC DIR [--known FILE] [--only WORD] [--least SHARE] [--run] [--symbolic]

DIR has reader.py and open/version_converter.*. An upgrade has to succeed, a downgrade wherever the reference's did and its result was right; what is written passes
onnx.checker's full check where the model did (and the reference's result does), imports the wanted version, and keeps the names of its inputs and outputs. --run also compares outputs: those of the
model and of the converted one, in onnxruntime or else the reference evaluator, on the data of the backend case that the record was derived from. --symbolic gives names to the sizes of all inputs first. FILE names records that
are known to differ, with their reasons behind a tab. Exit code 77: no such folder, or no onnx package."""
import os
import subprocess
import sys
import tempfile
import threading

from records import Tally, arguments, load_corpus

try:
    import numpy as np
    import onnx
except ImportError:
    print("skipped: there is no onnx package")
    sys.exit(77)

RANDOM = ("Bernoulli", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial")


def opset_of(m):
    return next((o.version for o in m.opset_import if o.domain in ("", "ai.onnx")), 1)


def full_check(m):
    try:
        onnx.checker.check_model(m, full_check=True)
    except Exception as e:  # onnx raises several kinds
        return str(e).strip().splitlines()[0][:160]
    return None


def wanted(record, source, before):
    """Whether the conversion has to succeed."""
    if record["target"] >= source:
        return before is None and record["ok"]
    return record["ok"] and record.get("checks", True) and record.get("outputs_equal", True)


class Data:
    """Inputs of backend cases, by the name that records of conversions give them."""

    def __init__(self, root):
        self.corpus = load_corpus(root, "backend")
        self.lock = threading.Lock()
        self.cases = {}
        for r in self.corpus.records():
            for name in [r["id"], *r.get("aliases", [])]:
                self.cases[name] = r

    def feeds(self, record, m):
        r = self.cases.get(record["test"].replace("derived/convert/", ""))
        if not r:
            return None
        with self.lock:
            inputs, _ = self.corpus.data(r)[0]
        given = {}
        for v, blob in zip(m.graph.input, inputs):
            if v.type.WhichOneof("value") != "tensor_type":
                return None
            t = onnx.TensorProto()
            t.ParseFromString(blob)
            given[v.name] = onnx.numpy_helper.to_array(t)
        return given


def run_model(m, feeds):
    import onnxruntime as ort
    try:
        o = ort.SessionOptions()
        o.log_severity_level = 4
        o.intra_op_num_threads = 1
        return "ort", ort.InferenceSession(m.SerializeToString(), o, providers=["CPUExecutionProvider"]).run(None, feeds)
    except Exception:
        from onnx.reference import ReferenceEvaluator
        try:
            return "ref", ReferenceEvaluator(m).run(None, feeds)
        except Exception:
            return None, None


def differ(a, b):
    for x, y in zip(a, b):
        if isinstance(x, (list, dict)) or x is None or y is None:
            continue
        x, y = np.asarray(x), np.asarray(y)
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"{x.dtype}{x.shape}, {y.dtype}{y.shape}"
        same = np.array_equal(x, y) if x.dtype.kind in "OSUb" else np.allclose(x.astype(np.float64), y.astype(np.float64), 1e-3, 1e-6, equal_nan=True)
        if not same:
            return "outputs differ"
    return None


def name_sizes(m):
    """Sizes of the inputs that are no initializers become names, one for each number."""
    constants = {t.name for t in m.graph.initializer}
    for v in m.graph.input:
        for d in v.type.tensor_type.shape.dim if v.name not in constants else ():
            if d.dim_value > 1:
                d.dim_param = f"n{d.dim_value}"
    for v in list(m.graph.output) + list(m.graph.value_info):
        for d in v.type.tensor_type.shape.dim:
            d.Clear()
    return m


def judge(tool, work, k, record, blob, reference, data, symbolic):
    """(name, outcome, why): outcome is up, down or refused"""
    if symbolic:
        blob = name_sizes(onnx.ModelProto.FromString(blob)).SerializeToString()
    path, out = os.path.join(work, f"{k}.onnx"), os.path.join(work, f"{k}.out.onnx")
    with open(path, "wb") as f:
        f.write(blob)
    m = onnx.ModelProto()
    m.ParseFromString(blob)
    if reference is not None:
        reference = onnx.ModelProto.FromString(reference)
    before, target = full_check(m), record["target"]
    direction = "up" if target >= opset_of(m) else "down"
    done = subprocess.run([tool, "convert", path, "-o", out, "--opset", str(target), "-q"], capture_output=True, text=True)
    said = done.stderr.strip().splitlines()[0][-200:] if done.stderr.strip() else ""
    why = None
    if done.returncode:
        must = wanted(record, opset_of(m), before)
        why = f"exit {done.returncode}: {said}" if must or done.returncode > 6 or done.returncode < 0 else None
        result = direction + (" missed" if must else " refused")
    else:
        result = direction
        c = onnx.load(out)
        after = full_check(c)
        if after and not before and not (reference and full_check(reference)):
            why = f"full check: {after}"
        elif opset_of(c) != target:
            why = f"opset {opset_of(c)}"
        elif [v.name for v in c.graph.output] != [v.name for v in m.graph.output]:
            why = "names of outputs"
        elif data and not any(n.op_type in RANDOM for n in m.graph.node):
            feeds = data.feeds(record, m)
            if feeds is not None:
                a, b = run_model(m, feeds), run_model(c, feeds)
                if a[0] and b[0]:
                    why = differ(a[1], b[1])
                    result += " run"
        if direction == "down" and not record["ok"]:
            result += " beyond"
    for p in (path, out):
        if os.path.exists(p):
            os.unlink(p)
    return record["id"], result, why


def main():
    ap = arguments(__doc__)
    ap.add_argument("--run", action="store_true")
    ap.add_argument("--symbolic", action="store_true")
    o = ap.parse_args()
    c = load_corpus(o.root, "version_converter")
    data = Data(o.root) if o.run else None
    tally = Tally(o.known)
    with tempfile.TemporaryDirectory() as work:
        records = ((k, r) for k, r in enumerate(c.records()) if o.only in r["id"])
        tally.judge_all(judge, ((o.tool, work, k, r, c.get(r["blob"]), c.get(r["out"]) if r["ok"] else None, data, o.symbolic) for k, r in records))
    for (result, agrees), n in sorted(tally.count.items()):
        print(f"{n:6} {result}{'' if agrees else ', differs'}")
    return tally.finish(o.least, "as wanted")


if __name__ == "__main__":
    sys.exit(main())
