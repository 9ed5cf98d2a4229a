"""onnxcc for Python: compiles an ONNX model to C, the C to a shared library, and calls that. Needs numpy, the `onnxcc` executable and a C compiler.

    model = onnxcc.compile("net.onnx", dim={"batch": "1..8"})
    outputs = model.run({"x": x})             # {name: array}, a list for a sequence, None for an empty optional

`onnxcc.backend` is the same as a backend of the onnx package. What the compiler knows stays in the compiler: this package calls it, and reads what it
says of itself (`onnxcc inspect --json`, `compile --json`, and the description in the library, runtime/onnxcc_rt.h)."""
from .library import RunError
from .model import Model, compile
from .tool import CompileError, Unsupported

__all__ = ["CompileError", "Model", "RunError", "Unsupported", "compile"]
