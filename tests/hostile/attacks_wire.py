"""Attacks on the reader: the wire format, sizes, memory."""
import struct

from attacks import attack
from wire import *  # noqa: F403

HUGE = (1 << 63) - 1


# ---- nesting ----

def nest(depth, wrap, inner=b""):
    for _ in range(depth):
        inner = wrap(inner)
    return inner


@attack("graphs in attributes of nodes, 1,000 deep")
def nested_graphs(folder):
    return model(nest(1000, lambda g: blob(1, node("If", ["c"], ["y"], attr_graph("then_branch", g))), b""))


@attack("types of sequences of sequences, 50,000 deep")
def nested_types(folder):
    pieces, n = [], 0  # from inside out, without copying what is there again and again
    for _ in range(50000):
        for tag in (b"\x0a", b"\x22"):
            head = tag + varint(n)
            pieces.append(head)
            n += len(head)
    content = b"".join(reversed(pieces))
    return model(graph([relu()], [blob(1, "x") + blob(2, content)], [value("y")]))


@attack("types of optionals, 90 deep", lines=3)
def optional_types(folder):
    t = nest(90, lambda t: blob(9, blob(1, t)), tensor_type())
    return model(graph([node("Identity", ["x"], ["y"])], [blob(1, "x") + blob(2, t)], [blob(1, "y") + blob(2, t)]))


@attack("groups, the old form of sub-messages, 10,000 deep")
def nested_groups(folder):
    return plain() + b"\x7b" * 10000 + b"\x7c" * 10000


# ---- amplification ----

@attack("two million empty nodes in 4 MB", lines=2)
def empty_nodes(folder):
    return model(blob(1, b"") * 2000000 + blob(2, "g"))


@attack("two million empty dimensions", "any", lines=2, differs="a rank no runtime takes is a limit here")
def empty_dims(folder):
    x = blob(1, "x") + blob(2, blob(1, num(1, FLOAT) + blob(2, blob(1, b"") * 2000000)))
    return model(graph([relu()], [x], [out(2)]))


@attack("four million packed numbers of one byte", "any")
def packed_numbers(folder):
    return model(graph([node("Transpose", ["x"], ["y"], attr("perm", 7, blob(8, b"\0" * 4000000)))], [value("x")], [value("y")]))


@attack("a million empty initializers", lines=2)
def empty_initializers(folder):
    return model(graph([relu()], [value("x")], [value("y")]) + blob(5, b"") * 1000000)


@attack("a million empty strings of a tensor that has one", differs="a limit: memory out of proportion to the file")
def empty_strings(folder):
    return with_weight(tensor("w", (1,), STRING, b"", blob(6, b"") * 1000000), 1, STRING)


@attack("a million imports of the same domain", "any", differs="a limit: memory out of proportion to the file")
def many_imports(folder):
    return plain(extra=blob(8, num(2, 17)) * 1000000)


@attack("a chain of 20 functions, each of which calls the next twice: a million nodes", "any", full="a limit: a million nodes")
def doubling_functions(folder):
    fs = [function("f0", ["x"], ["y"], [relu()])]
    for i in range(1, 21):
        calls = [node(f"f{i - 1}", ["x"], ["t"], domain="local"), node(f"f{i - 1}", ["t"], ["y"], domain="local")]
        fs.append(function(f"f{i}", ["x"], ["y"], calls, domains=["local"]))
    return model(graph([node("f20", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), fs, domains=["local"])


@attack("a constant of a terabyte from ConstantOfShape", "any")
def vast_constant(folder):
    shape = tensor("s", (2,), INT64, struct.pack("<2q", 1 << 20, 1 << 18))
    return model(graph([node("ConstantOfShape", ["s"], ["y"])], [], [out(2)], [shape]))


@attack("a chain of convolutions over images of a million rows, which go through them by rows", "fine")
def tall_images(folder):
    dims = (1, 16, (1 << 20) - 1, 4)
    weights = [tensor("w", (16, 16, 1, 1)), tensor("d", (16, 1, 3, 3))]
    depthwise = attr_int("group", 16) + attr_ints("pads", [1, 1, 1, 1])
    nodes = [n for i in range(7) for n in (node("Conv", [f"b{i}", "w"], [f"a{i}"]), node("Conv", [f"a{i}", "d"], [f"b{i + 1}"], depthwise))]
    return model(graph(nodes, [value("b0", dims)], [value("b7", dims)], weights))


@attack("Expand, Tile and Pad make terabytes of four bytes", "any")
def vast_moves(folder):
    big, axes = tensor("s", (1,), INT64, struct.pack("<q", 1 << 38)), tensor("p", (2,), INT64, struct.pack("<2q", 1 << 39, 1 << 39))
    nodes = [node("Expand", ["w", "s"], ["a"]), node("Tile", ["w", "s"], ["b"]), node("Pad", ["w", "p"], ["c"]), node("Sum", ["a", "b"], ["y"])]
    return model(graph(nodes, [], [out(1), out(1, name="c")], [tensor("w", (1,)), big, axes]))


@attack("a Range of 2^62 numbers", "any")
def vast_range(folder):
    ends = [tensor(n, (), INT64, struct.pack("<q", v)) for n, v in (("a", 0), ("b", 1 << 62), ("d", 1))]
    return model(graph([node("Range", ["a", "b", "d"], ["y"])], [], [out(1, INT64)], ends))


@attack("a Loop of 2^62 rounds over constants", "any")
def endless_loop(folder):
    scalar = lambda n, e: value(n, (), e)  # noqa: E731
    body = graph([node("Identity", ["c"], ["c2"]), node("Add", ["v", "i"], ["v2"])], [scalar("i", INT64), scalar("c", 9), scalar("v", INT64)],
                 [scalar("c2", 9), scalar("v2", INT64)], name="body")
    starts = [tensor("n", (), INT64, struct.pack("<q", 1 << 62)), tensor("z", (), INT64, struct.pack("<q", 0))]
    return model(graph([node("Loop", ["n", "", "z"], ["y"], attr_graph("body", body))], [], [scalar("y", INT64)], starts))


# ---- truncation, numbers, strings ----

@attack("a small model with a function, a subgraph and a weight, cut at every byte", "any")
def truncated(folder):
    branch = graph([node("Neg", ["w"], ["p"])], [], [value("p")], name="b")
    g = graph([node("If", ["c"], ["y"], attr_graph("then_branch", branch), attr_graph("else_branch", branch))], [value("c", (), 9)], [value("y")], [tensor()])
    whole = model(g, [function("f", ["x"], ["y"], [relu()])], domains=["local"])
    return {f"cut{i:03}.onnx": whole[:i] for i in range(len(whole))}


@attack("a number of ten bytes with bits beyond the 64th, and one of eleven bytes")
def long_varint(folder):
    return plain() + num(5, 0)[:1] + b"\xff" * 10 + b"\x01"


@attack("a length of 2^64 - 1")
def length_all_ones(folder):
    return b"\x3a" + b"\xff" * 9 + b"\x01" + plain()


@attack("a length of 2^32 + 1, which is 1 in 32 bits")
def length_wraps(folder):
    return plain() + b"\x32" + varint((1 << 32) + 1) + b"a"


@attack("a length of 2^31 in a file of 100 bytes")
def length_beyond(folder):
    return b"\x3a" + varint(1 << 31) + plain()


@attack("field number 0")
def field_zero(folder):
    return plain() + b"\x02\x01a"


@attack("a tag of more than 32 bits")
def long_tag(folder):
    return plain() + varint((1 << 35) | 2) + b"\x01a"


@attack("the end of a group that nothing began")
def stray_group_end(folder):
    return plain() + b"\x7c"


@attack("op_type as a number: an unknown field, so the node has none", lines=2)
def wrong_wire_type(folder):
    return model(graph([blob(1, "x") + blob(2, "y") + num(4, 7)], [value("x")], [value("y")]))


@attack("text that is no UTF-8, in each kind of name", "refused", differs="protobuf reads it, for ONNX's syntax is that of its version 2; readers fail later, when they decode the text")
def bad_utf8(folder):
    bad = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82", b"\xf8\x88\x80\x80\x80"]
    files = {f"node{i}.onnx": plain([relu(name=b)]) for i, b in enumerate(bad)}
    files.update({f"doc{i}.onnx": plain(extra=blob(6, b)) for i, b in enumerate(bad)})
    files.update({f"value{i}.onnx": model(graph([relu("x", b)], [value("x")], [value(b)])) for i, b in enumerate(bad)})
    return files


@attack("the graph is given twice", differs="protobuf merges the two; onnxcc does not")
def two_graphs(folder):
    return plain() + blob(7, graph([], name="h"))


@attack("a tensor with raw_data twice", differs="the last wins in protobuf; two pieces are refused here")
def raw_data_twice(folder):
    return with_weight(tensor() + blob(9, b"\0" * 8))


@attack("a tensor with raw_data and float_data", lines=2)
def two_kinds_of_data(folder):
    return with_weight(tensor(extra=blob(4, b"\0" * 8)))


@attack("scalar fields of the model a million times", "any")
def repeated_scalar(folder):
    return plain(extra=num(5, 3) * 1000000)


@attack("no bytes, zeros, text, and an archive instead of a model", "any")
def no_model(folder):
    return {"empty.onnx": b"", "zeros.onnx": b"\0" * 4096, "text.onnx": b"ir_version: 8\ngraph {}\n", "zip.onnx": b"PK\x03\x04" + b"\0" * 60,
            "script.onnx": b"#!/bin/sh\nexit 0\n"}


@attack("IR versions and opsets: none, 0, negative, 2^31, 2^63 - 1", "any", lines=2)
def odd_versions(folder):
    vs = {"zero": 0, "below": -1, "int32": 1 << 31, "most": HUGE, "least": -1 << 63}
    files = {f"ir_{k}.onnx": plain(ir=v) for k, v in vs.items()}
    files.update({f"opset_{k}.onnx": plain(opset=v) for k, v in vs.items()})
    return files


# ---- dims of tensors ----

def dims_attack(name, what, dims, **more):
    def make(folder):
        return with_weight(tensor("w", dims, FLOAT, b"\0\0\x80\x3f"), len(dims))
    make.__name__ = name
    attack(what, **more)(make)


dims_attack("dim_negative", "a constant with dimension -1", (-1,))
dims_attack("dim_least", "a constant with dimension -2^63", (-1 << 63,))
dims_attack("dim_2_31", "a constant with dimension 2^31", (1 << 31,))
dims_attack("dim_2_63", "a constant with dimension 2^63 - 1", (HUGE,))
dims_attack("dims_product", "a constant whose dimensions have a product over 2^64", (HUGE, HUGE))
dims_attack("dims_product_wraps", "a constant with a product that is 1 in 64 bits", ((1 << 32) + 1, (1 << 32) + 1, (1 << 32) - 1, 5, 1))
dims_attack("dims_product_zero", "a constant with a product that is 0 in 64 bits", (1 << 32, 1 << 32))
dims_attack("dims_bytes_wrap", "a constant of 2^62 + 1 elements, 4 bytes in 64 bits", ((1 << 62) + 1,))
dims_attack("dims_zero_between", "a zero among vast dimensions, and data", (HUGE, 0, HUGE))
dims_attack("dims_two_negative", "two negative dimensions with a positive product", (-1, -1))


@attack("declared sizes of inputs: -1, 2^31, 2^63 - 1, and products that overflow", "any", differs={"least": "-2^63 is a size to onnx.checker, -1 is none"})
def declared_dims(folder):
    shapes = {"below": (-1,), "least": (-1 << 63,), "int32": (1 << 31,), "most": (HUGE,), "product": (1 << 32, 1 << 32), "wraps": ((1 << 62) + 1, 4),
              "many": (1 << 20,) * 8}
    return {f"{k}.onnx": plain(dims=d) for k, d in shapes.items()}


@attack("a tensor of rank 100,000, all ones", "any")
def vast_rank(folder):
    return with_weight(tensor("w", (), FLOAT, b"\0\0\x80\x3f", num(1, 1) * 100000), 0)


@attack("attributes beyond all sizes: kernels, strides, pads, dilations of Conv and pools", "any", full="onnx's inference computes with 64 bits, which wrap")
def vast_windows(folder):
    files = {}
    for v in (0, -1, 1 << 31, (1 << 62) + 3, HUGE, -1 << 63):
        for a in ("kernel_shape", "strides", "dilations", "pads"):
            kernel = [] if a == "kernel_shape" else [attr_ints("kernel_shape", [2, 2])]
            pool = node("MaxPool", ["x"], ["y"], *kernel, attr_ints(a, [v] * (4 if a == "pads" else 2)))
            files[f"{a}_{v & (1 << 64) - 1:x}.onnx"] = model(graph([pool], [value("x", (1, 1, 4, 4))], [out(4)]))
    return files


@attack("axes, sizes and counts of other operators, 2^63 - 1 and -2^63", "any", full={"LRN": "onnx does not look at the size", "": "onnx cuts an axis to 32 bits"})
def vast_attributes(folder):
    files = {}
    for op, a in (("Softmax", "axis"), ("Concat", "axis"), ("Flatten", "axis"), ("Gather", "axis"), ("DepthToSpace", "blocksize"), ("LRN", "size"),
                  ("EyeLike", "k"), ("Split", "axis"), ("Cast", "to"), ("RandomNormalLike", "dtype"), ("TopK", "axis"), ("ReduceMax", "keepdims")):
        for v in (HUGE, -1 << 63, 1 << 32):
            ins = {"Gather": ["x", "i"], "TopK": ["x", "i"]}.get(op, ["x"])
            g = graph([node(op, ins, ["y"], attr_int(a, v))], [value("x", (1, 4, 2, 2)), value("i", (1,), INT64)], [out(2 if op == "Flatten" else 4)])
            files[f"{op}_{v & (1 << 64) - 1:x}.onnx"] = model(g)
    return files


@attack("Reshape, Slice, Resize, OneHot with constants of 2^63 - 1 and -2^63", "any", full={"TopK": "onnx does not compare the number with the axis"})
def vast_operands(folder):
    files = {}
    for v in (HUGE, -1 << 63, 1 << 40, -7):
        n = lambda name, *vs: tensor(name, (len(vs),), INT64, struct.pack(f"<{len(vs)}q", *vs))  # noqa: E731
        cases = {
            "Reshape": (["x", "a"], [n("a", v, -1)]), "Slice": (["x", "a", "b"], [n("a", v), n("b", v)]),
            "Slice_step": (["x", "a", "b", "", "d"], [n("a", 0), n("b", HUGE), n("d", v)]), "Resize": (["x", "", "", "a"], [n("a", v, v)]),
            "OneHot": (["i", "a", "d"], [n("a", v), tensor("d", (2,))]), "Unsqueeze": (["x", "a"], [n("a", v)]), "TopK": (["x", "a"], [n("a", v)]),
            "Tile": (["x", "a"], [n("a", v, v)]), "Pad": (["x", "a"], [n("a", v, v, v, v)]), "Expand": (["x", "a"], [n("a", v, v)]),
        }
        for op, (ins, ts) in cases.items():
            outs = ["y", "z"] if op == "TopK" else ["y"]
            g = graph([node(op.split("_")[0], ins, outs)], [value("x", (2, 2)), value("i", (3,), INT64)], [out(3 if op == "Unsqueeze" else 2)], ts)
            files[f"{op}_{v & (1 << 64) - 1:x}.onnx"] = model(g)
    return files
