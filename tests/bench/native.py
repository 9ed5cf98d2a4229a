"""Programs that run generated C beside another library in one process and time both with rounds.h: what capi.py and trees_tl2cgen.py share."""
import os
import shutil
import subprocess
import sys

import numpy as np
from cpu import real_time
from footprint import compiler_options

HERE = os.path.dirname(os.path.abspath(__file__))
CC = os.environ.get("CC", "cc").split()


def call(command):
    """What a command prints; RuntimeError with its message when it fails."""
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    if p.returncode:
        raise RuntimeError(f"{os.path.basename(command[0])}: " + (p.stderr.strip().splitlines() or ["no message"])[0][:300])
    return p.stdout


def generate(onnxcc, model, folder, name, options):
    """The model's C in a folder, compiled with the options of its CMakeLists.txt: the object files."""
    shutil.rmtree(folder, ignore_errors=True)
    call([onnxcc, "compile", model, "-o", folder, "--name", name, "-q", *options])
    objects = []
    for source in sorted(f for f in os.listdir(folder) if f.endswith((".c", ".S"))):
        objects.append(os.path.join(folder, source + ".o"))
        call([*CC, *(compiler_options(folder) if source.endswith(".c") else ["-I" + folder]), "-c", os.path.join(folder, source), "-o", objects[-1]])
    return objects


def link(source, objects, folders, program):
    """A program of a C file of this folder, the objects, and the headers in the folders."""
    call([*CC, "-std=gnu11", "-O2", "-Wall", *("-I" + f for f in [*folders, HERE]), os.path.join(HERE, source), *objects, "-o", program, "-lm", "-ldl"])


def times(program, *arguments):
    """What the program prints: {name: (shortest, median, runs of a turn)} in microseconds, and {word: text} of its other lines."""
    first = real_time()
    if not first:
        print("no real-time priority here: other work on this machine disturbs the times", file=sys.stderr)
    measured, said = {}, {}
    for line in call([*first, program, *map(str, arguments)]).splitlines():
        name, *values = line.split()
        if len(values) == 3:
            measured[name] = (float(values[0]), float(values[1]), int(values[2]))
        else:
            said[name] = " ".join(values)
    return measured, said


def write_raw(path, arrays):
    with open(path, "wb") as f:
        for a in arrays:
            f.write(np.ascontiguousarray(a).tobytes())


def figure(measured, ours, theirs):
    """Cells: microseconds of both, shortest, and the ratio of the shortest and, in brackets, of the medians."""
    a, b = measured[ours], measured[theirs]
    return f"{a[0]:.4g} | {b[0]:.4g} | {b[0] / a[0]:.2f} ({b[1] / a[1]:.2f})"
