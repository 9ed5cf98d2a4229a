#!/usr/bin/env python3
"""Every allocation, every write and other calls of the system fail once, in `check`, `infer` and `compile` of six small models.

    faults.py ONNXCC FAULTS.so [--most N] [--work DIR]

FAULTS.so is faults.c, to be preloaded. After a failed allocation: exit code 6 and "out of memory" (or 0, where it was not needed), after a failed call 5; nothing is written, no temporary
file stays. Reads and writes that do less than they were asked for change nothing. Standard output that can't be written (/dev/full, a pipe that nobody reads) is exit code 5. At
most N places of each kind are tried for a model and verb, spread evenly; 0: all. Exit code 77: a sanitized tool, which has its own allocator."""
import argparse
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from wire import *  # noqa: E402, F403

bad, n_runs = [], 0


def models():
    branch = lambda op: graph([node(op, ["w"], ["p"])], [], [value("p")], name=op)  # noqa: E731
    g = graph([node("If", ["c"], ["t"], attr_graph("then_branch", branch("Neg")), attr_graph("else_branch", branch("Abs"))), node("Add", ["x", "t"], ["y"])],
              [value("c", (), 9), value("x")], [value("y")], [tensor()])
    function_ = function("f", ["x"], ["y"], [node("Relu", ["x"], ["t"]), node("Neg", ["t"], ["y"])])
    conv = graph([node("Conv", ["x", "w"], ["t"], attr_ints("kernel_shape", [3, 3])), node("Relu", ["t"], ["y"])], [value("x", ("n", 1, 8, 8))],
                 [value("y", ("n", 2, 6, 6))], [tensor("w", (2, 1, 3, 3))])
    return {
        "plain": plain(), "branches": model(g), "function": model(graph([node("f", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), [function_], domains=["local"]),
        "conv": model(conv), "strings": with_weight(tensor("w", (2,), STRING, b"", blob(6, "a") + blob(6, "b")), 1, STRING),
        "external": with_weight(external(location="w.bin", length="8")),
    }


def listing(folder):
    return sorted(os.path.relpath(os.path.join(at, n), folder) for at, folders, files in os.walk(folder) for n in folders + files)


def run(tool, library, fault, arguments, folder, **more):
    """exit code, messages, whether the fault has happened, what was written"""
    global n_runs
    n_runs += 1
    mark = os.path.join(os.path.dirname(folder), "mark")
    if os.path.exists(mark):
        os.remove(mark)
    made = os.path.join(folder, "made")
    shutil.rmtree(made, ignore_errors=True)
    if arguments[0] == "infer":
        os.makedirs(made)
    env = {**os.environ, "LD_PRELOAD": library, "FAULT": fault, "FAULT_MARK": mark}
    more.setdefault("stdout", subprocess.DEVNULL)
    done = subprocess.run([tool, *arguments], cwd=folder, env=env, stderr=subprocess.PIPE, text=True, errors="replace", timeout=60, **more)
    return done.returncode, done.stderr, os.path.exists(mark), listing(made) if os.path.exists(made) else None


def try_all(tool, library, kind, codes, name, arguments, folder, most):
    """The 0th, 1st, ... call of a kind fails, until there are no more."""
    total, step = 0, 64
    while step:  # the number of calls
        if run(tool, library, f"{kind}:{total + step}", arguments, folder)[2]:
            total += step
        else:
            step //= 2
            continue
    whole = run(tool, library, f"{kind}:1000000", arguments, folder)
    for n in range(0, total + 1, max(1, (total + 1) // most) if most else 1):
        code, err, happened, made = run(tool, library, f"{kind}:{n}", arguments, folder)
        where = f"{name}: {arguments[0]}: {kind} {n}: left with {code}"
        if not happened:
            continue
        if code == 0 and made != whole[3]:
            bad.append(f"{where}, but there is {made}")
        if code and code not in codes:
            bad.append(f"{where}: {err[:200]}")
        if code and made:
            bad.append(f"{where} and these files: {made}")
        if code and arguments[0] == "compile" and made is not None:
            bad.append(f"{where} and an empty folder")
        if code == 6 and "memory" not in err:
            bad.append(f"{where} without a word of memory: {err[:200]}")
        if code and "error: " not in err:
            bad.append(f"{where} without a message")
    return total + 1


def try_output(tool, folder, name, arguments):
    for what in ("/dev/full", "pipe"):
        if what == "pipe":
            reader, out = os.pipe()
            os.close(reader)
        else:
            out = os.open(what, os.O_WRONLY)
        done = subprocess.run([tool, *arguments], cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True, restore_signals=False, timeout=60)
        os.close(out)
        if done.returncode != 5 or "error: " not in done.stderr:
            bad.append(f"{name}: {' '.join(arguments)} to {what}: left with {done.returncode}: {done.stderr[:200]}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("library")
    ap.add_argument("--most", type=int, default=6)
    ap.add_argument("--work", default="faults")
    o = ap.parse_args()
    with open(o.tool, "rb") as f:
        if b"__asan_report_load8" in f.read():
            print("skipped: the sanitizer has its own allocator")
            return 77
    tool, library, folder = os.path.abspath(o.tool), os.path.abspath(o.library), os.path.join(os.path.abspath(o.work), "at")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "w.bin"), "wb") as f:
        f.write(b"\0" * 8)
    for name, content in models().items():
        with open(os.path.join(folder, name + ".onnx"), "wb") as f:
            f.write(content)
        verbs = [["check", "--full", name + ".onnx"], ["infer", name + ".onnx", "-o", "made/out.onnx"], ["compile", name + ".onnx", "-o", "made"]]
        counts = []
        for arguments in verbs:
            whole = run(tool, library, "none:0", arguments, folder)
            if whole[0]:
                bad.append(f"{name}: {arguments[0]} left with {whole[0]} without a fault: {whole[1][:300]}")
                continue
            counts.append(try_all(tool, library, "alloc", (6,), name, arguments, folder, o.most))
            for kind in ("write", "rename", "fsync", "open", "mmap"):
                try_all(tool, library, kind, (5, 6), name, arguments, folder, o.most)
            if run(tool, library, "short:0", arguments, folder)[::3] != whole[::3]:
                bad.append(f"{name}: {arguments[0]} with short reads and writes is not the same")
        try_output(tool, folder, name, ["check", name + ".onnx"])
        try_output(tool, folder, name, ["compile", name + ".onnx", "-o", "made", "--json"])
        print(f"{name}: {counts} allocations in check, infer, compile", flush=True)
    for line in bad:
        print("FAILED " + line)
    print(f"{n_runs} runs, {len(bad)} failures")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
