#!/usr/bin/env python3
"""Mutants of the onnx package's operator cases and of small models beside the repository, and the code that they become.

    mutants.py MUTANTS [--count N] [--from K] [--seeds N] [--every K] [--run N] [--work DIR] [--jobs N]

MUTANTS is the program of mutants.c. Of the mutants that compile, every K-th is given to cc -fsyntax-only, and N of those are built with AddressSanitizer and
UndefinedBehaviorSanitizer and run by their own main function, 10 seconds each. Exit code 77: no onnx package."""
import argparse
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME = os.path.join(HERE, "../../runtime")
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def operator_seeds(folder, most):
    """The onnx package's operator cases, as files; made once."""
    from onnx.backend.test.case.node import collect_testcases
    if not os.path.isdir(folder):
        os.makedirs(folder + ".part", exist_ok=True)
        models = [c.model for c in collect_testcases(None) if c.model and c.model.ByteSize() < 65536]
        for i, m in enumerate(models[::max(1, len(models) // most)]):
            with open(os.path.join(folder + ".part", f"{i:03}.onnx"), "wb") as f:
                f.write(m.SerializeToString())
        os.rename(folder + ".part", folder)
    return sorted(glob.glob(os.path.join(folder, "*.onnx")))


def find_seeds(most, folder):
    try:
        import onnx.backend.test as cases
    except ImportError:
        print("skipped: there is no onnx package")
        sys.exit(77)
    found = sorted(glob.glob(os.path.join(os.path.dirname(cases.__file__), "data", "*", "*", "model.onnx")))
    found = [f for f in found if os.path.getsize(f) < 65536]
    tiny = sorted(glob.glob(os.path.join(HERE, "../../../shared/corpus-tiny/*.onnx")))
    own = [f for f in tiny if os.path.getsize(f) < 100000] + found[::max(1, 2 * len(found) // most)]
    return (own + operator_seeds(folder, most))[:most]


def sources(folder):
    return sorted(f for f in glob.glob(os.path.join(folder, "*.c")))


def syntax(folder):
    done = subprocess.run(["cc", *WARNINGS, "-fsyntax-only", "-I", folder, "-I", RUNTIME, *[f for f in sources(folder) if not f.endswith("_main.c")]],
                          capture_output=True, text=True)
    return f"{folder}: cc: {done.stderr[:1500]}" if done.returncode or done.stderr else None


def build_and_run(folder):
    program = os.path.join(folder, "program")
    done = subprocess.run(["cc", "-std=c99", "-O1", "-g1", "-w", *SANITIZERS, "-I", folder, "-I", RUNTIME, "-o", program, *sources(folder), "-lm"], capture_output=True, text=True)
    if done.returncode:
        return f"{folder}: cc: {done.stderr[:1500]}"
    try:
        done = subprocess.run([program], capture_output=True, text=True, errors="replace", timeout=10, cwd=folder,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=1024"})
    except subprocess.TimeoutExpired:
        return None  # a mutant may ask for any amount of work
    if "failed to allocate" in done.stderr or "exceeds maximum supported size" in done.stderr:
        return None  # or of memory
    if done.returncode < 0 or "Sanitizer" in done.stderr or "runtime error" in done.stderr:
        return f"{folder}: left with {done.returncode}: {done.stderr[:2000]}"
    return None


def make(o, seeds, first, end):
    """The mutants from `first` on, by a process of their own."""
    return subprocess.run([o.program, o.work, str(end - first), str(first), str(o.every), *seeds], capture_output=True, text=True, errors="replace")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("--count", type=int, default=2000)
    ap.add_argument("--from", type=int, default=0, dest="first")
    ap.add_argument("--seeds", type=int, default=300)
    ap.add_argument("--every", type=int, default=8)
    ap.add_argument("--run", type=int, default=20)
    ap.add_argument("--copy-seeds", help="only copies the seeds to this folder")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--work", default="mutants")
    o = ap.parse_args()
    warnings.simplefilter("ignore")
    if o.copy_seeds:
        for i, f in enumerate(find_seeds(o.seeds, o.copy_seeds + "-made")):
            shutil.copy(f, os.path.join(o.copy_seeds, f"seed{i:03}.onnx"))
        return 0
    o.work = os.path.abspath(o.work)
    shutil.rmtree(o.work, ignore_errors=True)
    os.makedirs(o.work)
    seeds = find_seeds(o.seeds, o.work + "-seeds")
    parts = [(o.first + o.count * i // o.jobs, o.first + o.count * (i + 1) // o.jobs) for i in range(o.jobs)]
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        all_made = list(pool.map(lambda part: make(o, seeds, *part), parts))
    for made in all_made:
        print(made.stdout, end="")
        if made.returncode not in (0, 1):
            print(f"left with {made.returncode}: {made.stderr[-2000:]}")
            return 1
        if made.returncode:
            print(made.stderr[-8000:])
    kept = sorted((f for f in glob.glob(os.path.join(o.work, "*")) if os.path.isdir(f)), key=lambda f: int(os.path.basename(f)))
    chosen = kept[::max(1, len(kept) // o.run)][:o.run] if o.run else []
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        bad = [r for r in [*pool.map(syntax, kept), *pool.map(build_and_run, chosen)] if r]
    for line in bad:
        print("FAILED " + line)
    print(f"{len(kept)} given to cc, {len(chosen)} built and run, {len(bad)} failures")
    return 1 if any(made.returncode for made in all_made) or bad else 0


if __name__ == "__main__":
    sys.exit(main())
