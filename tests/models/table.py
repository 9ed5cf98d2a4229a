#!/usr/bin/env python3
"""Makes the table of docs/models.md: what a corpus gives, model by model.

    table.py ONNXCC RESULTS.json [--work DIR] [--repeat N] [--against onnxruntime] > docs/models.md

RESULTS.json is what corpus.py --json wrote. For every model that passed, the memory plan of its first case (shapes fixed) comes from
`onnxcc compile`, and the latency ratio (peer's minimum / ours, one thread, interleaved in one run) from `onnxcc bench`. Run it alone on
the machine."""
import argparse
import json
import os
import subprocess
import sys

import numpy as np


def shapes_of(inputs):
    with np.load(inputs, allow_pickle=False) as z:
        return [f"--shape={n.replace(chr(92), '/')}={'x'.join(map(str, z[n].shape))}" for n in z.files if z[n].ndim]


def plan_of(tool, model, inputs, out):
    command = [tool, "compile", model, "-o", out, "--name", "m", "-q"] + shapes_of(inputs)
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    with open(os.path.join(out, "m.json")) as f:
        return json.load(f)["arena"]


def ratio_of(tool, model, inputs, peer, repeat):
    command = [tool, "bench", model, "--input", inputs, "--against", peer, "--repeat", str(repeat), "-q"]
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(p.stdout.strip().splitlines()[-1])["ratio"].get(peer)
    except (IndexError, ValueError, KeyError):
        return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("results")
    ap.add_argument("--work", required=True, help="the folder that corpus.py --out filled")
    ap.add_argument("--repeat", type=int, default=15)
    ap.add_argument("--against", default="onnxruntime")
    a = ap.parse_args()
    with open(a.results) as f:
        records = json.load(f)
    passed = [r for r in records if r["result"] == "pass"]
    tight = planned = 0
    print("# What the model corpus gives\n")
    print("Made by tests/models/table.py. `worst` is the largest difference in units of the model's tolerance; `ratio` is onnxruntime's minimum")
    print("latency divided by ours, one thread, interleaved in one run (above 1: ours is faster). Arena and lower bound in bytes, shapes of case 0.\n")
    print("| model | result | worst | arena | lower bound | ratio |\n|---|---|---|---|---|---|")
    for r in sorted(records, key=lambda r: r["id"]):
        if r["result"] != "pass":
            print(f"| {r['id']} | {r['result']}: {r['reason'].replace('|', '/')[:110]} | | | | |")
            continue
        folder = os.path.join(a.work, r["id"])
        model, inputs = os.path.join(folder, "model.onnx"), os.path.join(folder, "case0.in.npz")
        plan = plan_of(a.tool, model, inputs, os.path.join(folder, "c"))
        ratio = ratio_of(a.tool, model, inputs, a.against, a.repeat)
        arena, bound = (plan or {}).get("bytes"), (plan or {}).get("lower_bound")
        if arena is not None:
            planned += 1
            tight += arena == bound
        print(f"| {r['id']} | pass | {r['worst']:.2g} | {arena if arena is not None else '-'} | {bound if bound is not None else '-'} | "
              f"{f'{ratio:.2f}' if ratio else '-'} |", flush=True)
    print(f"\n{len(passed)} of {len(records)} models pass; the arena equals its lower bound on {tight} of {planned}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
