"""Protobuf wire format by hand, and the parts of an ONNX model as bytes, so that files can be made that no writer makes."""
import struct

FLOAT, INT64, STRING = 1, 7, 8
EXTERNAL = 1


def varint(v):
    v &= (1 << 64) - 1
    out = bytearray()
    while v > 127:
        out.append(v & 127 | 128)
        v >>= 7
    out.append(v)
    return bytes(out)


def num(field, v):
    return varint(field << 3) + varint(v)


def blob(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def entry(key, value):
    return blob(1, key) + blob(2, value)


def shape_of(dims):
    return b"".join(blob(1, num(1, d) if isinstance(d, int) else blob(2, d)) for d in dims)


def tensor_type(dims=(2,), elem=FLOAT):
    return blob(1, num(1, elem) + (blob(2, shape_of(dims)) if dims is not None else b""))


def value(name, dims=(2,), elem=FLOAT, extra=b""):
    return blob(1, name) + blob(2, tensor_type(dims, elem)) + extra


def tensor(name="w", dims=(2,), elem=FLOAT, data=None, extra=b""):
    """data: bytes of raw_data; None: 1.0 in all elements of a small one; b"": no data at all."""
    if data is None:
        n = 1
        for d in dims:
            n *= d
        data = struct.pack("<f", 1) * n if elem == FLOAT else struct.pack("<q", 1) * n
    return b"".join(num(1, d) for d in dims) + num(2, elem) + (blob(8, name) if name else b"") + (blob(9, data) if data else b"") + extra


def external(name="w", dims=(2,), elem=FLOAT, **entries):
    return tensor(name, dims, elem, b"", b"".join(blob(13, entry(k, v)) for k, v in entries.items()) + num(14, EXTERNAL))


def sparse(values, indices, dims):
    return blob(1, values) + blob(2, indices) + b"".join(num(3, d) for d in dims)


def attr(name, kind, content):
    return blob(5, blob(1, name) + content + num(20, kind))


def attr_int(name, v):
    return attr(name, 2, num(3, v))


def attr_ints(name, vs):
    return attr(name, 7, b"".join(num(8, v) for v in vs))


def attr_tensor(name, t):
    return attr(name, 4, blob(5, t))


def attr_graph(name, g):
    return attr(name, 5, blob(6, g))


def node(op, inputs=(), outputs=(), *attrs, name="", domain="", extra=b""):
    return (b"".join(blob(1, i) for i in inputs) + b"".join(blob(2, o) for o in outputs) + (blob(3, name) if name else b"") + blob(4, op)
            + b"".join(attrs) + (blob(7, domain) if domain else b"") + extra)


def graph(nodes, inputs=(), outputs=(), initializers=(), name="g", extra=b""):
    return (b"".join(blob(1, n) for n in nodes) + blob(2, name) + b"".join(blob(5, t) for t in initializers) + b"".join(blob(11, v) for v in inputs)
            + b"".join(blob(12, v) for v in outputs) + extra)


def model(g, functions=(), opset=17, ir=8, domains=(), extra=b""):
    imports = blob(8, num(2, opset)) + b"".join(blob(8, blob(1, d) + num(2, 1)) for d in domains)
    return num(1, ir) + imports + blob(7, g) + b"".join(blob(25, f) for f in functions) + extra


def function(name, inputs, outputs, nodes, domain="local", domains=(), opset=17):
    imports = blob(9, num(2, opset)) + b"".join(blob(9, blob(1, d) + num(2, 1)) for d in domains)
    return (blob(1, name) + b"".join(blob(4, i) for i in inputs) + b"".join(blob(5, o) for o in outputs) + b"".join(blob(7, n) for n in nodes)
            + imports + blob(10, domain))


def relu(x="x", y="y", **more):
    return node("Relu", [x], [y], **more)


def plain(nodes=None, dims=(2,), initializers=(), **more):
    """y = Relu(x), or these nodes between x and y."""
    return model(graph([relu()] if nodes is None else nodes, [value("x", dims)], [value("y", dims)], initializers), **more)


def out(rank, elem=FLOAT, name="y"):
    """A value of which only the rank is declared."""
    return value(name, tuple(f"d{i}" for i in range(rank)), elem)


def with_weight(t, rank=1, elem=FLOAT, **more):
    """y = Identity(w)."""
    return model(graph([node("Identity", ["w"], ["y"])], [], [out(rank, elem)], [t]), **more)
