#!/usr/bin/env python3
"""Makes the table of docs/models.md: what a corpus gives, model by model.

    table.py ONNXCC RESULTS.json --work DIR [--repeat N] [--against onnxruntime] [--measured FILE]

RESULTS.json is what corpus.py --json wrote. For every model that passed, the memory plan of its first case (shapes fixed) comes from
`onnxcc compile`, and the latency ratio (peer's minimum / ours, one thread, interleaved in one run) from `onnxcc bench`. Run it alone on
the machine. --measured FILE: models that an older table has keep its numbers for these."""
import argparse
import json
import os
import subprocess
import sys

import numpy as np

import sizes


def shapes_of(inputs):
    with np.load(inputs, allow_pickle=False) as z:
        return [f"--shape={n.replace(chr(92), '/')}={'x'.join(map(str, z[n].shape))}" for n in z.files if z[n].ndim]


def plan_of(tool, model, inputs, out, options):
    command = [tool, "compile", model, "-o", out, "--name", "m", "-q", *options] + shapes_of(inputs)
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    with open(os.path.join(out, "m.json")) as f:
        return json.load(f)["arena"]


def ratio_of(tool, model, inputs, peer, repeat, options):
    command = [tool, "bench", model, "--input", inputs, "--against", peer, "--repeat", str(repeat), "-q", *options]
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(p.stdout.strip().splitlines()[-1])["ratio"].get(peer)
    except (IndexError, ValueError, KeyError):
        return None


def measured_in(path):
    """{model: (arena, lower bound, ratio)} of a table in Markdown."""
    rows = {}
    with open(path) as f:
        for line in f:
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if len(cells) > 5 and all(c and set(c) <= set("0123456789.-") for c in cells[-3:]) and cells[1].startswith("pass"):
                rows[cells[0]] = tuple(cells[-3:])
    return rows


def measure(a, model_id):
    folder, options = os.path.join(a.work, model_id), sizes.recorded().get(model_id, {}).get("options", [])
    model, inputs = os.path.join(folder, "model.onnx"), os.path.join(folder, "inputs", "case0.npz")
    plan = plan_of(a.tool, model, inputs, os.path.join(folder, "c"), options) or {}
    ratio = ratio_of(a.tool, model, inputs, a.against, a.repeat, options)
    return str(plan.get("bytes", "-")), str(plan.get("lower_bound", "-")), f"{ratio:.2f}" if ratio else "-"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("results")
    ap.add_argument("--work", required=True, help="the folder that corpus.py --out filled")
    ap.add_argument("--repeat", type=int, default=15)
    ap.add_argument("--against", default="onnxruntime")
    ap.add_argument("--measured")
    a = ap.parse_args()
    with open(a.results) as f:
        records = json.load(f)
    measured = measured_in(a.measured) if a.measured else {}
    passed = [r for r in records if r["result"] == "pass"]
    tight = planned = 0
    print("| model | result | worst | sizes | worst there | arena | lower bound | ratio |\n|---|---|---|---|---|---|---|---|")
    for r in sorted(records, key=lambda r: r["id"]):
        if r["result"] != "pass":
            print(f"| {r['id']} | {r['result']}: {r['reason'].replace('|', '/')[:110]} | | | | | | |")
            continue
        entry = sizes.recorded().get(r["id"], {})
        result = "pass, noise" if max(r["worst"], r.get("worst_at_sizes", 0)) > 1 else "pass"
        at = ", ".join("x".join(str(n) for n in size.values()) for size in entry.get("sizes", ()))
        there = f"{r['worst_at_sizes']:.2g}" if "worst_at_sizes" in r else ""
        arena, bound, ratio = measured.get(r["id"]) or measure(a, r["id"])
        planned += arena != "-"
        tight += arena == bound != "-"
        print(f"| {r['id']} | {result} | {r['worst']:.2g} | {at} | {there} | {arena} | {bound} | {ratio} |", flush=True)
    print(f"\n{len(passed)} of {len(records)} models pass; the arena equals its lower bound on {tight} of {planned}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
