#!/usr/bin/env python3
"""The models of small.py as CUDA code, each at two sizes of its free dimensions, against onnxruntime or the onnx package's reference evaluator.

    models.py ONNXCC [--work DIR] [--model NAME]... [--precision P]... [--order ORDER]... [--device] [--races]

Runs under the emulation, or with --device on the GPU. A difference of T of the largest expected number of the output is allowed for each number, T by the
precision of products (TOLERANCE); 8-bit numbers may be a step apart. --order: orders of the emulation's threads (OCC_ORDER), all with the same libraries.
--races: races are errors. Exit code 77: the onnx package is not there."""
import argparse
import json
import os
import shutil
import subprocess
import sys

try:
    import numpy as np
    from onnx import numpy_helper, save
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

import small

# tf32x3 and fp32 round as float32 does, in another order of sums than the oracle; operands of tf32 and fp16 are rounded by 2^-12 at most, of bf16 by 2^-9.
TOLERANCE = {"tf32x3": 2e-5, "fp32": 2e-5, "tf32": 1e-2, "fp16": 1e-2, "bf16": 8e-2}
LEAST = {"half": 5e-3, "quantized": 0.025}  # float16 results; one step of the output's scale, in outputs near one and more


def oracle(model):
    """Outputs by name for inputs by name."""
    names = [o.name for o in model.graph.output]
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator
        session = ReferenceEvaluator(model)
        return lambda inputs: dict(zip(names, session.run(names, inputs)))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda inputs: dict(zip(names, session.run(names, inputs)))


def write_case(folder, model, inputs):
    """A folder as `onnxcc verify --cases` reads it, once: the oracle takes longest. The largest number of all outputs that are floats."""
    largest, expect = 0, oracle(model)
    os.makedirs(folder, exist_ok=True)
    save(model, os.path.join(folder, "model.onnx"))
    for k, given in enumerate(inputs):
        at = os.path.join(folder, f"test_data_set_{k}")
        os.makedirs(at, exist_ok=True)
        expected = expect(given)
        for stem, tensors in (("input", given), ("output", expected)):
            for i, (name, v) in enumerate(tensors.items()):
                with open(os.path.join(at, f"{stem}_{i}.pb"), "wb") as f:
                    f.write(numpy_helper.from_array(np.asarray(v), name).SerializeToString())
        largest = max([largest] + [float(abs(v).max()) for v in expected.values() if v.dtype.kind == "f" and v.size])
    return largest


def write_tolerance(folder, name, precision, largest):
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump({"rtol": 0, "atol": max(TOLERANCE[precision], LEAST.get(name, 0)) * max(largest, 1e-3)}, f)


def verify(a, cases, precision, order):
    report = os.path.join(a.work, "results.jsonl")
    words = ["--target=cuda", f"--gpu-precision={precision}"] + ([] if a.device else ["--emulate"]) + (["--races"] if a.races else [])
    command = [a.tool, "verify", "--cases", cases, "--jobs", str(os.cpu_count() if a.device else 2), "--time-limit", "300", f"--json={report}", "-q"] + words
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env={**os.environ, "OCC_ORDER": order})
    with open(report) as f:
        records = [json.loads(line) for line in f]
    bad = [r for r in records if r["result"] != "pass"]
    for r in bad:
        print(f"{r['case']}, {precision}, {order}: {r['result']}: {r['reason']}")
    return len(records) - len(bad), len(bad)


def index_is_refused(a, operator):
    """An index that is outside of its tensor is the documented error, from the device too; one that is inside is not."""
    model, inputs = small.outside(operator)
    path, index = os.path.join(a.work, "outside.onnx"), os.path.join(a.work, "index.npy")
    save(model, path)
    for k, (given, text) in enumerate(zip(inputs, ("", "the model returned -3: an index in the data is outside its tensor"))):
        np.save(index, given["i"])
        command = [a.tool, "run", path, index, "--target=cuda", "-q"] + ([] if a.device else ["--emulate"])
        r = subprocess.run(command, capture_output=True, text=True, check=False)
        if (r.returncode != 0) != bool(text) or text not in r.stderr:
            print(f"outside, {operator}, set {k}: exit code {r.returncode}: {r.stderr.strip()}")
            return False
    return True


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--work", default=".")
    ap.add_argument("--model", action="append")
    ap.add_argument("--precision", action="append", choices=TOLERANCE)
    ap.add_argument("--order", action="append")
    ap.add_argument("--device", action="store_true")
    ap.add_argument("--races", action="store_true")
    a = ap.parse_args()
    cases, largest, passed, failed = os.path.join(a.work, "cases"), {}, 0, 0
    shutil.rmtree(cases, ignore_errors=True)
    for make in small.MODELS:
        if a.model and make.__name__ not in a.model:
            continue
        largest[make.__name__] = write_case(os.path.join(cases, make.__name__), *make())
    for precision in a.precision or TOLERANCE:
        for name in largest:
            write_tolerance(os.path.join(cases, name), name, precision, largest[name])
        for order in a.order or ["forward"]:
            good, bad = verify(a, cases, precision, order)
            passed, failed = passed + good, failed + bad
    for operator in [] if a.model or a.races else ["Relu", "Softmax"]:
        ok = index_is_refused(a, operator)
        passed, failed = passed + ok, failed + (not ok)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
