#!/usr/bin/env python3
"""What models cost beside the time of a run, as a Markdown table: time to generate and to compile their C, size of the source, memory, first run.

    footprint.py ONNXCC [--corpus DIR] [--models DIR] [--work DIR] [--json FILE] [--arguments WORDS] [MODEL...]

Models are found as cpu.py finds them, dims pinned likewise. Columns:
  onnxcc, cc   processor seconds to generate the C and to compile it, with the options of the generated CMakeLists.txt
  source       KB of C
  weights, arena, tensors   MB: packed weights, work memory and state, inputs and outputs
  beyond       MB of a process that runs the model (its largest resident set) less weights, 1.1 times the arena, and tensors
  first        ms that the first run takes longer than the shortest of the next six, with every page in memory beforehand (the least of three processes)

Nothing here passes or fails. Exit code 77: there is no corpus, nor --models."""
import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
from cpu import SOURCE, add_model_options, models_of, real_time

MB = 1e6


def children_seconds():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def timed(command):
    """Processor seconds of a command and its message, empty when it succeeded."""
    before = children_seconds()
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    return children_seconds() - before, (p.stderr.splitlines() or ["no message"])[0][:200] if p.returncode else ""


def compiler_options(folder):
    with open(os.path.join(folder, "CMakeLists.txt"), encoding="utf-8") as f:
        return re.search(r"COMPILE_LANGUAGE:C>:([^>]*)>", f.read()).group(1).split(";")


def run_once(program, *arguments):
    """The numbers that the program prints; None when it fails."""
    p = subprocess.run([*real_time(), program, *arguments], capture_output=True, text=True, check=False)
    return None if p.returncode else [float(x) for x in p.stdout.split()]


def shape_options(inputs):
    """--shape for each input of an .npz, so that no dimension is open."""
    if not inputs:
        return []
    with np.load(inputs) as arrays:
        shapes = {name.replace("\\", "/"): arrays[name].shape for name in arrays.files}
    return [f"--shape={name}={'x'.join(map(str, shape))}" for name, shape in shapes.items() if shape]


def measure(a, model, options):
    folder = os.path.join(a.work, "code")
    shutil.rmtree(folder, ignore_errors=True)
    ours, error = timed([a.onnxcc, "compile", model, "-o", folder, "--name", "m", "-q", "--weights", "incbin", *options, *a.arguments.split()])
    if error:
        return {"error": error}
    with open(os.path.join(folder, "m.json"), encoding="utf-8") as f:
        weights = json.load(f)["weights_bytes"]
    cc, program = os.environ.get("CC", "cc").split(), os.path.join(a.work, "footprint")
    theirs, error = timed([*cc, *compiler_options(folder), "-c", os.path.join(folder, "m.c"), "-o", program + ".o"])
    parts = [os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".S")]
    link = [*cc, "-O1", "-DMODEL=m_model", "-I" + folder, "-I" + os.path.join(SOURCE, "runtime"), os.path.join(SOURCE, "tests", "bench", "footprint_main.c"), program + ".o", *parts, "-o", program, "-lm"]
    _, error = ("", error) if error else timed(link)
    if error:
        return {"error": error}
    plain = run_once(program)
    locked = [r for r in (run_once(program, "locked") for _ in range(3)) if r]
    record = {"onnxcc_s": ours, "cc_s": theirs, "source": os.path.getsize(os.path.join(folder, "m.c")), "weights": weights}
    if not plain:
        return {**record, "error": "it does not run on zeros"}
    io, work, state, resident = plain[:4]
    record.update(tensors=io, arena=work + state, resident=resident, beyond=resident - weights - 1.1 * (work + state) - io)
    if locked:
        record["first_ms"] = min(r[4] - min(r[5:]) for r in locked)
    return record


def row(name, r):
    if "source" not in r:
        return f"| {name} | {r['error']} |"
    cells = [f"{r['onnxcc_s']:.2f}", f"{r['cc_s']:.1f}", f"{r['source'] / 1e3:.0f}", f"{r['weights'] / MB:.1f}"]
    cells += [f"{r[k] / MB:.2f}" for k in ("arena", "tensors", "beyond")] if "arena" in r else [r["error"], "", ""]
    return f"| {name} | " + " | ".join([*cells, f"{r['first_ms']:.2f}" if "first_ms" in r else ""]) + " |"


def main():
    p = argparse.ArgumentParser()
    add_model_options(p)
    a = p.parse_intermixed_args()
    models = models_of(a)
    os.makedirs(a.work, exist_ok=True)
    print("| model | onnxcc, s | cc, s | source, KB | weights, MB | arena | tensors | beyond | first, ms |\n|---|---|---|---|---|---|---|---|---|")
    records = []
    for name, model, inputs, options, _ in models:
        records.append({"name": name, **measure(a, model, [*shape_options(inputs), *options])})
        print(row(name, records[-1]), flush=True)
        if a.json:
            with open(a.json, "w", encoding="utf-8") as f:
                json.dump(records, f, indent=1)
    whole = [r for r in records if "source" in r]
    for key, unit, text in (("cc_s", 1, "cc, s"), ("beyond", MB, "beyond, MB"), ("first_ms", 1, "first, ms")):
        most = max((r for r in whole if key in r), key=lambda r: r[key], default=None)
        if most:
            print(f"largest {text}: {most[key] / unit:.2f} ({most['name']})", file=sys.stderr)


if __name__ == "__main__":
    main()
