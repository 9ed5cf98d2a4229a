#!/usr/bin/env python3
"""Runs ONNX backend test cases through `onnxcc verify --cases` and judges the whole.

    run.py ONNXCC --package                 cases that the installed onnx package ships
    run.py ONNXCC --conformance DIR         cases of a conformance folder (reader.py, open/backend.tar.xz)
    run.py ONNXCC --reference DIR           the same folder's records of onnx.reference (open/reference_evaluator.tar.xz)
           [--least N] [--work DIR] [--known FILE] [--sanitize] [--only WORD] [--arguments=WORDS]

A case may pass, or be refused as unsupported (exit code 4 with a reason). A wrong answer, a crash or a message of another kind is a
failure unless FILE names it (one case a line, sorted, `#` begins a comment); a name there that passes now is reported, so that the list
shrinks. --least N: fewer passing cases than that is a failure. --sanitize: the generated code runs under the sanitizers, whose reports
are failures. --only WORD: the cases with WORD in their path. --arguments=WORDS: further words for `onnxcc verify`, as
--arguments="--target=cuda --emulate". Exit code 77: the cases can't be had here (a skipped test)."""
import argparse
import importlib.util
import json
import os
import shlex
import subprocess
import sys


def package_cases():
    try:
        import onnx.backend.test
    except ImportError:
        print("skipped: there is no onnx package")
        sys.exit(77)
    folder = os.path.join(os.path.dirname(onnx.backend.test.__file__), "data")
    if not os.path.isdir(os.path.join(folder, "simple")):
        print("skipped: the onnx package ships no test data")
        sys.exit(77)
    return folder


def conformance_cases(root, work, name):
    if not os.path.exists(os.path.join(root, "reader.py")):
        print(f"skipped: no conformance folder at {root}")
        sys.exit(77)
    try:
        import onnx  # noqa: F401  (reader.py needs it)
    except ImportError:
        print("skipped: there is no onnx package")
        sys.exit(77)
    folder = os.path.join(work, "cases")
    if not os.path.isdir(folder):
        spec = importlib.util.spec_from_file_location("conformance_reader", os.path.join(root, "reader.py"))
        reader = importlib.util.module_from_spec(spec)
        sys.dont_write_bytecode = True
        spec.loader.exec_module(reader)
        os.makedirs(folder + ".part", exist_ok=True)
        corpus = reader.Corpus("open", name, root)
        if name == "backend":
            corpus.extract(folder + ".part")
        else:
            import reference_cases
            reference_cases.write(corpus, folder + ".part")
        os.rename(folder + ".part", folder)
    return folder


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--package", action="store_true")
    ap.add_argument("--conformance")
    ap.add_argument("--reference")
    ap.add_argument("--least", type=int, default=0)
    ap.add_argument("--work", default=".")
    ap.add_argument("--known")
    ap.add_argument("--sanitize", action="store_true")
    ap.add_argument("--only")
    ap.add_argument("--arguments", default="")
    a = ap.parse_args()
    os.makedirs(a.work, exist_ok=True)
    name = "reference_evaluator" if a.reference else "backend"
    folder = package_cases() if a.package else conformance_cases(a.reference or a.conformance, a.work, name)
    report = os.path.join(a.work, "results.jsonl")
    command = [a.tool, "verify", "--cases", folder, "--jobs", "2", f"--json={report}", "-q"]
    if a.sanitize:
        command += ["--sanitize", "--time-limit", "60"]
    if a.only:
        command += ["--only", a.only]
    command += shlex.split(a.arguments)
    if os.path.exists(report):
        os.remove(report)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    with open(report) as f:
        records = [json.loads(line) for line in f]
    known = set()
    if a.known and os.path.exists(a.known):
        with open(a.known) as f:
            known = {line.split("#")[0].strip() for line in f} - {""}
    passed = [r for r in records if r["result"] == "pass"]
    refused = [r for r in records if r["result"] == "unsupported"]
    bad = [r for r in records if r["result"] not in ("pass", "unsupported")]
    new = [r for r in bad if r["case"] not in known]
    for r in new:
        print(f"{r['result']}: {r['case']}: {r.get('reason', '')}")
    for name in sorted(known & {r["case"] for r in passed}):
        print(f"known failure passes now: {name}")
    print(f"{len(passed)} passed, {len(bad)} failed, {len(refused)} skipped")
    if len(passed) < a.least:
        print(f"fewer than {a.least} cases pass")
    return 1 if new or len(passed) < a.least or not records else 0


if __name__ == "__main__":
    sys.exit(main())
