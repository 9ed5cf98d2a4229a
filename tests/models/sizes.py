"""Models of a model corpus at sizes that its cases don't have.

A size is a dict {dimension: number}. Dimensions have the names that meta.json gives them; INPUT:AXIS is one without a name of its own. The
inputs at a size come from the corpus's own generators, or, where a case's inputs are a file, from its rows, pixels and samples, repeated or cut
off along each axis. corpus.json records sizes that onnxruntime accepts (sizes_find.py)."""
import json
import os

import numpy as np

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus.json")
UNNAMED = ("?", "", None, -1)
NO_REFERENCE = "skipped: onnxruntime saturates products of bytes on this processor, which has no VNNI"


def recorded():
    """{model: {"sizes": [...], "options": [...], "noise": E}}: what a model needs beside sizes is said in corpus.py."""
    with open(RECORDED) as f:
        return json.load(f)


def dim_of(name, axis, dim):
    """The name of a dimension in a size; a number when it is fixed."""
    if dim in UNNAMED:
        return f"{name}:{axis}"
    return dim


def shapes_in(corpus, model_id, k):
    """{input: shape} of case k."""
    return {name: list(shape) for name, shape in corpus.meta_of(model_id)["cases"][k]["shapes"].items()}


def dims_in(corpus, model_id, k):
    """{dimension: number} of case k."""
    meta, shapes, dims = corpus.meta_of(model_id), shapes_in(corpus, model_id, k), {}
    for x in meta["inputs"]:
        for axis, dim in enumerate(x["shape"]):
            name = dim_of(x["name"], axis, dim)
            if isinstance(name, str) and x["name"] in shapes:
                dims[name] = shapes[x["name"]][axis]
    return dims


def shape_at(entry, size):
    dims = [dim_of(entry["name"], axis, dim) for axis, dim in enumerate(entry["shape"])]
    return [size[d] if isinstance(d, str) else d for d in dims]


def scaled(value, old, size):
    """A number of the case that is the size of a dimension in it, such as a length: the dimension's new size."""
    return next((size[d] for d in old if old[d] == value and old[d] != size[d] and value > 1), value)


def wrapped(array, shape):
    for axis, n in enumerate(shape):
        array = np.take(array, np.arange(n) % array.shape[axis], axis=axis)
    return array


def generated(corpus, model_id, name, g, shape, tag, old, size):
    kind = g["gen"]
    if kind == "const":
        return np.full(shape, g["value"], dtype=g["dtype"])
    if kind == "arange":
        return np.broadcast_to(np.arange(shape[-1]) + scaled(g.get("start", 0), old, size), shape).astype(g["dtype"])
    if kind == "values":
        if g["dtype"] == "str":
            return wrapped(np.array(g["value"], dtype=object).reshape(g["shape"]), shape)
        values = wrapped(np.array(g["value"], dtype=g["dtype"]).reshape(g["shape"]), shape)
        longest = int(values.max()) if values.size else 0
        most = scaled(longest, old, size)
        return values if most == longest else np.maximum(1, values * most // longest).astype(g["dtype"])
    if kind == "prefix_mask":  # the first row is full
        a = np.zeros(shape, dtype=g["dtype"])
        for b in range(shape[0]):
            a[b, : max(1, shape[1] - 5 * b % shape[1])] = 1
        return a
    seed = corpus.seed_of(model_id, f"input/{tag}/{name}")
    if g["dtype"] == "bool":
        return corpus.gen_array(g, seed, shape, np.int64) != 0
    return corpus.gen_array(g, seed, shape, np.dtype(g["dtype"]))


def inputs_at(corpus, model_id, size):
    """{input: array}: the model's inputs at this size, made like those of its last case."""
    meta = corpus.meta_of(model_id)
    k = len(meta["cases"]) - 1
    case, old = meta["cases"][k], dims_in(corpus, model_id, k)
    given = corpus.make_inputs(model_id, k) if case.get("file") else {}
    tag = "x".join(str(n) for n in size.values())
    out = {}
    for entry in meta["inputs"]:
        name = entry["name"]
        if name not in case["shapes"]:
            continue
        shape = shape_at(entry, size)
        if name in given:
            out[name] = wrapped(given[name], shape)
        else:
            out[name] = generated(corpus, model_id, name, case["inputs"][name], shape, tag, old, size)
    return out


def session(model):
    """A model (its path or bytes) in onnxruntime without graph optimization, on one thread, silent."""
    import onnxruntime

    o = onnxruntime.SessionOptions()
    o.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, o, providers=["CPUExecutionProvider"])


def with_noise(corpus, path, noise, seed):
    """The model as bytes, its float constants off by a relative noise."""
    import onnx

    model = onnx.load(path)
    for t in model.graph.initializer:
        if t.data_type == onnx.TensorProto.FLOAT:
            a = onnx.numpy_helper.to_array(t)
            by = corpus.gen_array({"gen": "normal", "mean": 0.0, "std": noise}, corpus.seed_of(f"noise {seed}", t.name), a.shape, np.float64)
            t.CopyFrom(onnx.numpy_helper.from_array((a * (1 + by)).astype(np.float32), t.name))
    return model.SerializeToString()


def outputs_at(corpus, session_, inputs):
    """What onnxruntime gives, named like the corpus's stored outputs."""
    out = {}
    for o, v in zip(session_.get_outputs(), session_.run(None, inputs)):
        out.update(corpus.flatten(o.name, v))
    return out


def excess(meta, want, got):
    """The differences in units of the model's tolerance, element by element."""
    if want.dtype.kind in "OUS":
        return np.where(got.astype(str) == want.astype(str), 0.0, np.inf)
    if want.dtype.kind in "biu" and meta["integer_outputs"] == "exact":
        return np.where(got == want, 0.0, np.inf)
    w, g = want.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(w) & np.isfinite(g)
    same = (w == g) | (np.isnan(w) & np.isnan(g))
    with np.errstate(invalid="ignore"):
        d = np.abs(w - g) / (meta["tolerance"]["atol"] + meta["tolerance"]["rtol"] * np.abs(w))
    return np.where(finite, d, np.where(same, 0.0, np.inf))


def compare(meta, want, got):
    """(worst excess, elements within the tolerance, elements) over {output: (shape, flat indices or None, values)}."""
    worst, good, n = 0.0, 0, 0
    for name, (shape, indices, values) in want.items():
        n += values.size
        if name not in got or tuple(got[name].shape) != tuple(shape):
            worst = float("inf")
            continue
        g = got[name].reshape(-1)[indices] if indices is not None else got[name]
        d = excess(meta, values, g)
        if d.size:
            worst = max(worst, float(d.max()))
        good += int((d <= 1).sum())
    return worst, good, n


def saturates():
    """Whether onnxruntime's products of unsigned and signed bytes saturate at 16 bits on this processor, as they do on x86-64 without VNNI: then its results are no reference
    for quantized models."""
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.full((64, 16), 127, np.int8), "b")
    x, y = helper.make_tensor_value_info("a", TensorProto.UINT8, [4, 64]), helper.make_tensor_value_info("y", TensorProto.INT32, [4, 16])
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["y"])], "products", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bool((session(model.SerializeToString()).run(None, {"a": np.full((4, 64), 255, np.uint8)})[0] != 255 * 127 * 64).any())
