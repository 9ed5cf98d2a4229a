"""C of emx-onnx-cgen as an engine of bench_peer.py."""
import ctypes
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile

import numpy
import onnx

# Calls go through a volatile pointer, or a compiler may see that one call does what many do.
CALLS = """#include <time.h>
double timed_runs(void ***in_of, void **out, long sets, long n)
{
    static long set;
    __typeof__(&model) volatile run = model;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long k = 0; k < n; k++) {
        void **in = in_of[set];
        run(%s);
        set = set + 1 < sets ? set + 1 : 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    return ((b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec)) * 1e-6;
}
"""


def pin(model, inputs, path):
    """Writes the model with its inputs' dimensions as the arrays have them; its names of outputs."""
    m = onnx.load(model)
    for value in m.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, inputs[value.name].shape if value.name in inputs else []):
            dim.dim_value = size
    onnx.save(m, path)
    return [o.name for o in m.graph.output]


def build(command):
    """Runs a command that is no part of what is measured, at ordinary priority."""
    made = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)))
    if made.returncode:
        said = [line for line in (made.stderr or made.stdout).splitlines() if line.strip()]  # of a traceback the last line is the message
        raise RuntimeError(said[-1] if said else f"{command[0]} ended with status {made.returncode}")


def prepare(model, sets, flags):
    """C of another generator, compiled by the compiler that ours is compiled by; one thread."""
    folder = tempfile.TemporaryDirectory()
    at = lambda name: os.path.join(folder.name, name)
    outputs = pin(model, sets[0], at("pinned.onnx"))
    generator = os.path.join(os.path.dirname(sys.executable), "emx-onnx-cgen")
    build([generator, "compile", at("pinned.onnx"), at("model.c"), "--model-name", "model", "--restrict-arrays"])
    with open(at("model.c"), encoding="utf-8") as f:
        code = f.read()
    arguments = re.search(r"^void model\((.*?)\) ?\{", code, re.M | re.S).group(1).split(", ")
    parsed = [re.fullmatch(r"(const )?(\w+) \w+((?:\[[^]]*\])+)", a.strip()) for a in arguments]
    if not all(parsed):
        raise RuntimeError("the generated function takes sizes at run time: " + arguments[0])
    made = [numpy.empty([int(n.split()[-1]) for n in re.findall(r"\[([^]]*)\]", p.group(3))], {"float": "f4", "double": "f8", "_Bool": "?", "bool": "?"}.get(p.group(2), p.group(2)[:-2]))
            for p in parsed[len(sets[0]):]]
    words = [f"in[{i}]" for i in range(len(sets[0]))] + [f"out[{i}]" for i in range(len(made))]
    with open(at("model.c"), "a", encoding="utf-8") as f:
        f.write(CALLS % ", ".join(words))
    build([*os.environ.get("CC", "cc").split(), "-w", "-O3", "-march=native", *flags, "-shared", "-fPIC", at("model.c"), "-o", at("model.so"), "-lm"])
    library = ctypes.CDLL(at("model.so"))
    if "_Bool model_load(" in code and not library.model_load(at("model.bin").encode()):
        raise RuntimeError("its weights can't be loaded")
    library.timed_runs.restype = ctypes.c_double
    pointers = lambda arrays: (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
    kept = [[numpy.ascontiguousarray(a) for a in inputs.values()] for inputs in sets]
    given, into = [pointers(arrays) for arrays in kept], pointers(made)
    in_of = (ctypes.c_void_p * len(given))(*map(ctypes.addressof, given))
    take = lambda n, own=(kept, given, folder): library.timed_runs(in_of, into, ctypes.c_long(len(given)), ctypes.c_long(n))
    return importlib.metadata.version("emx-onnx-cgen"), take, lambda: dict(zip(outputs, made))
