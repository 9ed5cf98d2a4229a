#!/usr/bin/env python3
"""Runs the models of the text tests of passes in onnxruntime before and after the pass: an oracle that shares no code with the passes.

    oracle.py ONNXCC

Every tests/passes/PASS/*.onnxtxt is read by the onnx package's parser, optimized with --passes PASS, and compared on random inputs (graph
optimization off); outputs may differ by 1e-5 of their range. A model that onnxruntime does not run (an operator or version it does not have) is skipped."""
import glob
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "models"))

try:
    import onnx
    import onnx.parser
    from optimize import TOLERANCE, difference, optimize
    from optimize_cases import run
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)


def main():
    tool, failed, passed, skipped = os.path.abspath(sys.argv[1]), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(glob.glob(os.path.join(HERE, "*", "*.onnxtxt"))):
            name = os.path.relpath(path, HERE)
            if os.path.dirname(name) in ("integer", "sequence"):  # of the main road alone: nothing that is written back
                continue
            before, after = os.path.join(folder, "before.onnx"), os.path.join(folder, "after.onnx")
            with open(path, encoding="utf-8") as f:
                text = "".join(line for line in f if not line.startswith("#"))
            onnx.save(onnx.parser.parse_model(text), before)
            try:
                given, expected = run(before)
            except Exception as e:  # pylint: disable=broad-except
                print(f"skipped {name}: {str(e).splitlines()[0][:160]}")
                skipped += 1
                continue
            optimize(tool, before, after, f"--passes={os.path.dirname(name)}", "--for=" + ("onnxruntime" if "onnxruntime" in name else "portable"))
            worst = max((difference(a, b) for a, b in zip(expected, run(after, given)[1])), default=0.0)
            if worst <= TOLERANCE:
                passed += 1
            else:
                failed += 1
                print(f"FAIL {name}: outputs differ by {worst:.3g} of their range")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
