#!/usr/bin/env python3
"""Runs `onnxcc optimize` on the models of a model corpus and makes the table of docs/optimize.md.

    optimize.py ONNXCC CORPUS [--out DIR] [--json FILE] [--peers] [--markdown] [MODEL...]

For every model: the written file is valid (onnx.checker, with full_check where the original passes it), has no more nodes than the original (bodies
of control flow counted), weights that stay have their bytes, writing it twice gives the same bytes, and onnxruntime (graph optimization off for both)
gives the same outputs for the corpus' inputs: within 1e-5 of the output's range for --for=portable and --for=onnxruntime, or, where a relative noise of
1e-6 on the inputs moves the output further than that (the corpus says how far), within that. --peers also counts the
nodes that onnxslim, onnxsim and onnxruntime's extended level leave. Exit code 1 when something of this does not hold.

Needs numpy, onnx and onnxruntime; skipped (77) by name without them. Peers that are not installed are left out."""
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

TOLERANCE = 1e-5
PEERS = {
    "onnxslim": "import onnx, onnxslim, sys; onnx.save(onnxslim.slim(sys.argv[1]), sys.argv[2])",
    "onnxsim": "import onnx, onnxsim, sys; onnx.save(onnxsim.simplify(sys.argv[1])[0], sys.argv[2])",
    "ort-extended": "import onnxruntime as o, sys; s = o.SessionOptions(); s.log_severity_level = 4; "
    "s.graph_optimization_level = o.GraphOptimizationLevel.ORT_ENABLE_EXTENDED; s.optimized_model_filepath = sys.argv[2]; "
    "o.InferenceSession(sys.argv[1], s, providers=['CPUExecutionProvider'])",
}


def graphs_of(node):
    for a in node.attribute:
        if a.type == onnx.AttributeProto.GRAPH:
            yield a.g
        yield from a.graphs


def count(graph):
    return len(graph.node) + sum(count(g) for n in graph.node for g in graphs_of(n))


def tensors(graph, into):
    for t in graph.initializer:
        into[t.name] = t
    for n in graph.node:
        for g in graphs_of(n):
            tensors(g, into)
    return into


def valid(path, full):
    try:
        onnx.checker.check_model(path, full_check=full)
        return ""
    except Exception as e:  # pylint: disable=broad-except
        return str(e).strip().splitlines()[0][:200] or "invalid"


def session(path):
    o = onnxruntime.SessionOptions()
    o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, o, providers=["CPUExecutionProvider"])


def run(path, cases):
    s = session(path)
    names = [o.name for o in s.get_outputs()]
    return names, [s.run(None, feeds) for feeds in cases]


def difference(a, b):
    """In parts of the largest magnitude; inf when shapes, types, integers or the places of NaN and infinities differ. A float16 output may be one step
    off: onnxruntime computes in float32 and rounds where casts are left."""
    if isinstance(a, (list, dict)) or a is None or isinstance(a, (str, int, float)):
        return 0.0 if repr(a) == repr(b) else float("inf")
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    if a.dtype.kind not in "f":
        return 0.0 if np.array_equal(a, b) else float("inf")
    if not a.size:
        return 0.0
    allowance = TOLERANCE * 2**10 if a.dtype == np.float16 else 1
    a, b = a.astype(np.float64), b.astype(np.float64)
    fine = np.isfinite(a)
    if not np.array_equal(fine, np.isfinite(b)) or not np.array_equal(a[~fine], b[~fine], equal_nan=True):
        return float("inf")
    worst = np.abs(a[fine] - b[fine]).max(initial=0)
    return float(allowance * worst / max(np.abs(a[fine]).max(initial=0), 1e-30)) if worst else 0.0


def optimize(tool, model, out, *options):
    start = time.time()
    p = subprocess.run([tool, "optimize", model, "-o", out, "-q", *options], capture_output=True, text=True, timeout=300, check=False)
    if p.returncode:
        raise RuntimeError(f"exit {p.returncode}: {(p.stderr.strip().splitlines() or ['no message'])[0]}"[:300])
    return time.time() - start


def noise(corpus, model_id):
    """What 1e-6 of noise on the inputs does to the outputs, in parts of their range."""
    worst = 0.0
    for case in corpus.meta_of(model_id)["cases"]:
        for o in case.get("outputs", {}).values():
            if o.get("noise_1e6") and o.get("absmax"):
                worst = max(worst, o["noise_1e6"] / o["absmax"])
    return worst


def judge(record, key, path, original, full, cases, expected):
    bad = valid(path, full)
    if bad:
        record["problems"].append(f"{key}: invalid: {bad}")
        return
    written = onnx.load(path)
    record[key] = count(written.graph)
    if record[key] > record["before"]:
        record["problems"].append(f"{key}: {record[key]} nodes, {record['before']} before")
    old, new = tensors(original.graph, {}), tensors(written.graph, {})
    changed = [n for n in new if n in old and onnx.numpy_helper.to_array(old[n]).tobytes() != onnx.numpy_helper.to_array(new[n]).tobytes()]
    if changed:
        record["problems"].append(f"{key}: weights changed: {changed[:3]}")
    try:
        names, outputs = run(path, cases)
    except Exception as e:  # pylint: disable=broad-except
        record["problems"].append(f"{key}: onnxruntime: {str(e).strip().splitlines()[0][:300]}")
        return
    worst = max((difference(a, b) for e, o in zip(expected[1], outputs) for a, b in zip(e, o)), default=0.0)
    record[f"{key}_difference"] = worst
    if worst > TOLERANCE:
        record["above"] = True
    if names != expected[0] or not worst <= max(TOLERANCE, record["noise"]):
        record["problems"].append(f"{key}: outputs differ by {worst:.3g} of their range")


def run_model(tool, corpus, model_id, work, peers, only):
    record = {"id": model_id, "problems": []}
    folder = os.path.join(work, model_id)
    model = os.path.join(folder, "model.onnx")
    try:
        if not os.path.exists(model):
            corpus.materialize(model_id, work)
    except (FileNotFoundError, ValueError) as e:
        record["skipped"] = str(e)
        return record
    original = onnx.load(model)
    record["before"] = count(original.graph)
    cases = [corpus.make_inputs(model_id, k) for k in range(len(corpus.meta_of(model_id)["cases"]))]
    expected = run(model, cases)
    record["noise"] = noise(corpus, model_id)
    full = not valid(model, True)
    for key in only:
        path = os.path.join(folder, f"{key}.onnx")
        try:
            record["seconds"] = round(optimize(tool, model, path, f"--for={key}"), 2)
            optimize(tool, model, path + ".again", f"--for={key}")
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            record["problems"].append(f"{key}: {e}")
            continue
        with open(path, "rb") as a, open(path + ".again", "rb") as b:
            if a.read() != b.read():
                record["problems"].append(f"{key}: not the same bytes each time")
        os.remove(path + ".again")
        judge(record, key, path, original, full, cases, expected)
    for name, code in PEERS.items() if peers else ():
        path = os.path.join(folder, f"{name}.onnx")
        try:
            if not os.path.exists(path):
                subprocess.run([sys.executable, "-c", code, model, path], capture_output=True, timeout=300, check=True)
            record[name] = count(onnx.load(path, load_external_data=False).graph)
        except (subprocess.SubprocessError, FileNotFoundError):
            record[name] = None
    return record


def markdown(records, peers):
    columns = ["before", "portable"] + [p for p in PEERS if peers] + ["onnxruntime"]
    print("| model | " + " | ".join(columns) + " | largest difference | time, s |\n|---" + "|---" * (len(columns) + 2) + "|")
    for r in records:
        if "skipped" in r:
            continue
        cells = ["fails" if r.get(c) is None else str(r[c]) for c in columns]
        worst = max(r.get("portable_difference", 0), r.get("onnxruntime_difference", 0))
        print(f"| {r['id']} | " + " | ".join(cells) + f" | {worst:.2g} | {r.get('seconds', 0)} |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("corpus")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--out", help="keep models there; what peers wrote there is used again")
    ap.add_argument("--json")
    ap.add_argument("--for", dest="reader", help="only this reader")
    ap.add_argument("--peers", action="store_true")
    ap.add_argument("--markdown", action="store_true")
    a = ap.parse_intermixed_args()
    if not os.path.exists(os.path.join(a.corpus, "corpus.py")):
        print(f"skipped: no model corpus at {a.corpus}")
        return 77
    corpus = load_corpus(a.corpus)
    records, only = [], [a.reader] if a.reader else ["portable", "onnxruntime"]
    with tempfile.TemporaryDirectory() as scratch:
        for i in corpus.pick(a.models):
            r = run_model(a.tool, corpus, i, a.out or scratch, a.peers, only)
            records.append(r)
            counts = {k: r[k] for k in ("before", "portable", "onnxruntime", *PEERS) if k in r}
            if not a.markdown or r["problems"]:
                print(f"{'skipped' if 'skipped' in r else 'FAIL' if r['problems'] else 'ok':8} {i:28} {counts} {'; '.join(r['problems'])}",
                      file=sys.stderr if a.markdown else sys.stdout, flush=True)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(records, f, indent=1)
    if a.markdown:
        markdown(records, a.peers)
    ran = [r for r in records if "skipped" not in r]
    failed = sum(bool(r["problems"]) for r in ran)
    judged = [r for r in ran if r.get("onnxslim") is not None and "portable" in r]
    fewer = sum(r["portable"] <= r["onnxslim"] for r in judged)
    above = [r["id"] for r in ran if r.get("above")]
    if above:
        print(f"above 1e-5, within what 1e-6 of noise on the inputs does: {', '.join(above)}" + "\n" * a.markdown)
    if judged:
        print(f"at most as many nodes as onnxslim leaves on {fewer} of {len(judged)}" + "\n" * a.markdown)
    print(f"{len(ran) - failed} passed, {failed} failed, {len(records) - len(ran)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
