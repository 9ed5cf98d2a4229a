"""Compares an answer of answer.c with what the onnx package's reference evaluator computes for the same input.

    reference.py MODEL.onnx ANSWER [RTOL ATOL]

Exit 0 equal within the tolerance, 1 different, 77 when there is no onnx package.
"""
import sys

try:
    import numpy as np
    import onnx
    from onnx import version_converter
    from onnx.reference import ReferenceEvaluator
except ImportError:
    print("skipped: there is no onnx package")
    sys.exit(77)


def input_of(value):
    """The numbers that answer.c fills an input with; a symbolic size counts as 1."""
    shape = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
    i = np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(37) % 256
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if dtype == np.float32:
        return (i / 256).astype(np.float32).reshape(shape)
    return i.astype(np.uint8).view(dtype).reshape(shape)


def main(model_path, answer_path, rtol=1e-4, atol=1e-6):
    model = onnx.load(model_path)
    constants = {t.name for t in model.graph.initializer}
    feed = {v.name: input_of(v) for v in model.graph.input if v.name not in constants}
    try:
        evaluator = ReferenceEvaluator(model)
    except RuntimeError:  # it knows only later versions of an operator
        evaluator = ReferenceEvaluator(version_converter.convert_version(model, 21))
    expected = evaluator.run(None, feed)
    expected = np.concatenate([np.ravel(e) for e in expected])
    answer = open(answer_path).read().split()
    if expected.dtype == np.float32:
        got = np.array([int(bits, 16) for bits in answer], np.uint32).view(np.float32)
    else:  # bytes; a quantized number may round to the next one
        got = np.array([int(bits, 16) for bits in answer], np.uint8).view(expected.dtype).astype(np.float64)
        rtol, atol = 0, 1
    expected = np.tile(expected, 2).astype(got.dtype)  # answer.c runs twice
    if got.shape != expected.shape or not np.allclose(got, expected, float(rtol), float(atol)):
        print("differs from the reference:", got[:8], expected[:8])
        return 1
    print("largest difference from the reference", np.abs(got - expected).max())
    return 0


sys.exit(main(*sys.argv[1:]))
