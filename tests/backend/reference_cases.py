"""The records of a conformance folder's `reference_evaluator` (models, feeds and outputs that the tests of onnx.reference have) as case folders of
`onnxcc verify --cases`: model.onnx and test_data_set_0. onnx.reference doesn't look at the types that a graph declares, and some of those tests declare others than they have; here they are those of the data. A map, of
which the record has the text, is its keys and its values. What has no form as a file is left out, which is a failure of the case."""
import ast
import json
import os
import re

import onnx
from onnx import helper, numpy_helper


def value_of(corpus, stored, name):
    """A recorded value as bytes of a file: a tensor, a sequence of tensors, or an optional of nothing."""
    if stored is None:
        return onnx.OptionalProto(name=name).SerializeToString()
    if isinstance(stored, dict) and "seq" in stored:
        sequence = onnx.SequenceProto(name=name, elem_type=onnx.SequenceProto.TENSOR)
        for blob in stored["seq"]:
            sequence.tensor_values.add().ParseFromString(corpus.get(blob))
        return sequence.SerializeToString()
    if not isinstance(stored, str):
        return None
    tensor = onnx.TensorProto.FromString(corpus.get(stored))
    tensor.name = name
    return tensor.SerializeToString()


def map_of(info, text):
    """The files of a map: its keys, its values."""
    pairs = ast.literal_eval(re.sub(r"array\(([^()]*)\)", r"\1", text))
    kind = info.type.map_type
    return [helper.make_tensor(f"{info.name}.{part}", element, [len(pairs)], [v.encode() if isinstance(v, str) else v for v in list_]).SerializeToString()
            for part, element, list_ in (("keys", kind.key_type, list(pairs)), ("values", kind.value_type.tensor_type.elem_type, list(pairs.values())))]


def same_type(declared, value):
    """Whether a declared tensor type allows a value; symbols and open ranks allow all."""
    kind = declared.tensor_type
    dims = kind.shape.dim
    return (kind.elem_type == value.data_type and (not kind.HasField("shape") or len(dims) == len(value.dims))
            and all(not d.HasField("dim_value") or d.dim_value == n for d, n in zip(dims, value.dims)))


def set_type(info, value):
    info.type.CopyFrom(helper.make_tensor_type_proto(value.data_type, [None] * len(value.dims)))


def mend_output(info, content, is_list):
    if is_list:
        first = onnx.SequenceProto.FromString(content).tensor_values[0]
        info.type.CopyFrom(helper.make_sequence_type_proto(helper.make_tensor_type_proto(first.data_type, None)))
    elif info.type.WhichOneof("value") == "tensor_type":
        value = onnx.TensorProto.FromString(content)
        if not same_type(info.type, value):
            set_type(info, value)


def types_fit(model):
    try:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        return True
    except Exception:
        return False


def mend_input(model, info, content):
    """The declared type becomes that of the data. Where no node takes that, the data are converted to the declared element type."""
    if info.type.WhichOneof("value") != "tensor_type" or content is None:
        return content
    value = onnx.TensorProto.FromString(content)
    kind = info.type.tensor_type.elem_type
    if same_type(info.type, value):
        return content
    set_type(info, value)
    if kind == value.data_type or types_fit(model):
        return content
    array = numpy_helper.to_array(value).astype(helper.tensor_dtype_to_np_dtype(kind))
    value = numpy_helper.from_array(array, info.name)
    if value.data_type != kind:
        value = helper.make_tensor(info.name, kind, array.shape, array.flatten().tolist())
    set_type(info, value)
    return value.SerializeToString()


def undeclared(model, feeds):
    """Names that nodes of the graph read and that are fed, but that the graph does not declare."""
    known = {v.name for v in [*model.graph.input, *model.graph.initializer]} | {o for n in model.graph.node for o in n.output}
    read = {i for n in model.graph.node for i in n.input}
    return [name for name in feeds if name in read - known]


def write(corpus, folder):
    for record in corpus.records():
        model = corpus.model(record)
        test = record["id"].split("::")[-1]
        place = os.path.join(folder, record["suite"], re.sub(r"[^A-Za-z0-9_.-]+", "_", test))
        data = os.path.join(place, "test_data_set_0")
        os.makedirs(data)
        if any("andom" in node.op_type or node.op_type in ("Bernoulli", "Multinomial") for node in model.graph.node):
            with open(os.path.join(place, "case.json"), "w") as f:
                json.dump({"random": True}, f)
        outs = dict(zip(record["output_names"], record["outs"]))
        for name in undeclared(model, record["feeds"]):
            value = onnx.TensorProto.FromString(value_of(corpus, record["feeds"][name], name))
            model.graph.input.add(name=name, type=helper.make_tensor_type_proto(value.data_type, [None] * len(value.dims)))
        inputs = [(i, record["feeds"][i.name]) for i in model.graph.input if i.name in record["feeds"]]
        outputs = [(o, outs[o.name]) for o in model.graph.output if o.name in outs]
        contents = {}
        for k, (info, stored) in enumerate(outputs):
            contents[f"output_{k}"] = content = value_of(corpus, stored, info.name)
            if content is not None and stored is not None:
                mend_output(info, content, isinstance(stored, dict))
        files = []
        for info, stored in inputs:
            if isinstance(stored, dict) and stored.get("map"):
                files += map_of(info, stored["repr"])
            else:
                files.append(mend_input(model, info, value_of(corpus, stored, info.name)))
        contents |= {f"input_{k}": content for k, content in enumerate(files)}
        for stem, content in contents.items():
            if content is not None:
                with open(os.path.join(data, f"{stem}.pb"), "wb") as f:
                    f.write(content)
        with open(os.path.join(place, "model.onnx"), "wb") as f:
            f.write(model.SerializeToString())
