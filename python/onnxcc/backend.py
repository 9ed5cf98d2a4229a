"""onnxcc as a backend of the onnx package: `onnxcc.backend.prepare(model).run(inputs)`, and onnx.backend.test.BackendTest(onnxcc.backend, __name__).

A keyword argument `options` of prepare, run_model and run_node is a dictionary of options of onnxcc.compile."""
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from .model import Model
from .tool import CompileError, Unsupported  # noqa: F401


class OnnxccRep(BackendRep):
    """A prepared model."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def run(self, inputs, **kwargs):
        """A named tuple of the outputs. `inputs`: a list in the order of the model's inputs that are no initializers, a dictionary, or one array."""
        names = [n for n, _ in self.model.inputs]
        if not isinstance(inputs, (list, tuple, dict)):
            inputs = [inputs]
        if not isinstance(inputs, dict):
            if len(inputs) > len(names):
                raise ValueError(f"{len(inputs)} inputs are given, the model has {len(names)}")
            inputs = dict(zip(names, inputs))
        outputs = self.model.run(inputs)
        return namedtupledict("Outputs", list(outputs))(*outputs.values())


class OnnxccBackend(Backend):
    """Runs models on the processor, as C code compiled for it."""

    @classmethod
    def prepare(cls, model, device="CPU", options=None, **kwargs):
        """The compiler itself checks the model, hence no call of onnx.checker."""
        if not cls.supports_device(device):
            raise ValueError(f"there is no device {device}")
        return OnnxccRep(Model(model, **(options or {})))

    @classmethod
    def run_model(cls, model, inputs, device="CPU", options=None, **kwargs):
        return cls.prepare(model, device, options).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, opset_version=None, options=None, **kwargs):
        """The node as a model, with the types of these inputs."""
        super().run_node(node, inputs, device, outputs_info, **({"opset_version": opset_version} if opset_version else {}))
        names = [n for n in node.input if n]
        given = inputs if isinstance(inputs, dict) else dict(zip(names, inputs))
        declared = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(given[n].dtype), given[n].shape) for n in names]
        results = [onnx.ValueInfoProto(name=n) for n in node.output if n]
        version = opset_version or onnx.defs.onnx_opset_version()
        imports = [helper.make_opsetid(node.domain, 1 if node.domain else version)]
        if node.domain:
            imports.append(helper.make_opsetid("", version))
        graph = helper.make_graph([node], "node", declared, results)
        return cls.run_model(helper.make_model(graph, opset_imports=imports), given, device, options)

    @classmethod
    def supports_device(cls, device):
        return device.split(":")[0] == "CPU"


prepare = OnnxccBackend.prepare
run_model = OnnxccBackend.run_model
run_node = OnnxccBackend.run_node
supports_device = OnnxccBackend.supports_device
is_compatible = OnnxccBackend.is_compatible
