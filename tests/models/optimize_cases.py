#!/usr/bin/env python3
"""Runs `onnxcc optimize` on the small models of a conformance corpus of optimizer cases (reader.py, open/optimizer).

    optimize_cases.py ONNXCC CONFORMANCE [--list]

Every model that onnx.checker accepts: what is written is valid, has no more nodes, and gives the same outputs in onnxruntime (graph optimization off) on
random inputs, for both readers, within 1e-5 of the range. As a second measure, nodes are compared with what each tool of the corpus left; --list names
where ours are more. Exit code 1 when a model fails."""
import argparse
import os
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime  # noqa: F401
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

from optimize import TOLERANCE, count, difference, optimize, session, valid

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
         "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}


def feeds(s):
    """Random inputs: free dimensions are 2, integers small."""
    rng, made = np.random.default_rng(1), {}
    for i in s.get_inputs():
        dtype = TYPES.get(i.type)
        if dtype is None:
            return None
        shape = [d if isinstance(d, int) and d >= 0 else 2 for d in i.shape]
        made[i.name] = (rng.standard_normal(shape) if np.dtype(dtype).kind == "f" else rng.integers(0, 2, shape)).astype(dtype)
    return made


def run(path, given=None):
    s = session(path)
    given = feeds(s) if given is None else given
    return given, s.run(None, given)


def judge(tool, data, folder):
    """(problems, nodes before, nodes after) of one model; None: the checker refuses it."""
    before, problems, left = os.path.join(folder, "before.onnx"), [], None
    with open(before, "wb") as f:
        f.write(data)
    if valid(before, False):
        return None
    original = count(onnx.load(before).graph)
    full = not valid(before, True)
    try:
        given, expected = run(before)
    except Exception:  # pylint: disable=broad-except
        given = None
    for reader in ("portable", "onnxruntime"):
        after = os.path.join(folder, f"{reader}.onnx")
        try:
            optimize(tool, before, after, f"--for={reader}")
        except RuntimeError as e:
            problems.append(f"{reader}: {e}")
            continue
        nodes = count(onnx.load(after).graph)
        left = nodes if reader == "portable" else left
        bad = valid(after, full)
        if bad:
            problems.append(f"{reader}: invalid: {bad}")
        if nodes > original:
            problems.append(f"{reader}: {nodes} nodes, {original} before")
        if given is None or bad:
            continue
        try:
            worst = max((difference(a, b) for a, b in zip(expected, run(after, given)[1])), default=0.0)
        except Exception as e:  # pylint: disable=broad-except
            problems.append(f"{reader}: onnxruntime: {str(e).splitlines()[0][:200]}")
            continue
        if not worst <= TOLERANCE:
            problems.append(f"{reader}: outputs differ by {worst:.3g} of their range")
    return problems, original, left


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("corpus")
    ap.add_argument("--list", action="store_true")
    a = ap.parse_args()
    if not os.path.exists(os.path.join(a.corpus, "reader.py")):
        print(f"skipped: no conformance corpus at {a.corpus}")
        return 77
    sys.dont_write_bytecode = True
    sys.path.insert(0, a.corpus)
    from reader import Corpus  # pylint: disable=import-error,import-outside-toplevel

    cases, results, tools = Corpus("open", "optimizer"), {}, {}
    refused = failed = 0
    records = list(cases.records())
    with tempfile.TemporaryDirectory() as folder:
        for r in records:
            if r["blob"] not in results:
                results[r["blob"]] = judge(a.tool, cases.get(r["blob"]), folder)
                refused += results[r["blob"]] is None
                if results[r["blob"]] and results[r["blob"]][0]:
                    failed += 1
                    print(f"FAIL {r['id']}: {'; '.join(results[r['blob']][0])}", flush=True)
    for r in records:
        result = results[r["blob"]]
        if result is None or result[2] is None:
            continue
        others = {}
        if r["api"] == "optimize_counts":
            others = {t: sum(h.values()) if isinstance(h, dict) else None for t, h in r["after"].items()}
        elif r.get("out"):
            m = onnx.ModelProto()
            m.ParseFromString(cases.get(r["out"]))
            others = {r["api"]: count(m.graph)}
        for t, n in others.items():
            fewer, total, errors = tools.get(t, (0, 0, 0))
            tools[t] = (fewer + (n is not None and result[2] <= n), total + (n is not None), errors + (n is None))
            if a.list and n is not None and result[2] > n:
                print(f"{t} leaves {n}, ours {result[2]}: {r['id']}")
    for t, (fewer, total, errors) in sorted(tools.items()):
        print(f"at most as many nodes as {t}: {fewer} of {total}" + (f" ({errors} that it fails on)" if errors else ""))
    print(f"{len(results) - refused - failed} passed, {failed} failed, {refused} skipped (the checker refuses them)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
