"""Cases of `onnxcc verify --cases` with what onnxruntime answers as expected outputs: for sequences.py and strings.py. Without numpy, onnx and onnxruntime the test is
skipped (77), by name."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import numpy_helper
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

root = None
refused = 0


def objects(values):
    return np.array(values, dtype=object)


def add(name, model, feeds, tensors=None):
    """One folder. tensors: the inputs as the generated code takes them, where those are others than onnxruntime's (maps)."""
    global refused
    try:
        answer = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    except Exception as e:
        print(f"onnxruntime refuses {name}: {str(e)[:200]}")
        refused += 1
        return
    folder = os.path.join(root, "test_" + name, "test_data_set_0")
    os.makedirs(folder)
    onnx.save(model, os.path.join(root, "test_" + name, "model.onnx"))
    for kind, tensors in ("input", tensors or feeds), ("output", dict(zip([o.name for o in model.graph.output], answer))):
        for i, (k, v) in enumerate(tensors.items()):
            v = np.array(v)
            with open(os.path.join(folder, f"{kind}_{i}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(v.astype(object) if v.dtype.kind in "US" else v, k).SerializeToString())


def run(onnxcc, make, keep=None, arguments=(), may_have_values=True):
    """The exit code: make() adds the cases, in the folder `keep` or one that goes away; none may be skipped, or, unless they may, be compiled with the value of an input."""
    global root
    with tempfile.TemporaryDirectory() as work:
        root = os.path.join(keep or work, "node")
        make()
        done = subprocess.run([onnxcc, "verify", "--cases", os.path.dirname(root), "-v", *arguments], capture_output=True, text=True, check=False)
        values = not may_have_values and "with the value" in done.stdout
        print("\n".join(line for line in done.stdout.splitlines() if not line.startswith("pass") or (values and "with the value" in line)), done.stderr)
        return 1 if done.returncode or refused or " 0 skipped" not in done.stdout or values else 0
