#!/usr/bin/env python3
"""Every operator with hostile shapes, types, constants and attributes, one or two at a time, through everything that the fuzz targets do.

    sweep.py SWEEP [--only NAME[,NAME]] [--every N] [--from K] [--pairs N] [--newest] [--found DIR] [--list]

SWEEP is the program of sweep.c. Models that are in order come from the tables of the operator audit (tests/backend/audit_table.py: each operator at each of its
versions, with sizes and with symbols), from the tests of com.microsoft's operators, and again with channels last as com.ms.internal.nhwc has them. Of each, every hostile change is tried by itself, then N pairs of them
by a fixed sequence of random numbers. --every: one model in N, from the K-th on. What ends SWEEP is kept in DIR, and the next one goes on. Exit code 77: no onnx
package, or no onnxruntime."""
import argparse
import os
import random
import struct
import subprocess
import sys
import warnings
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../backend"), os.path.join(HERE, "../models")]

import audit  # noqa: E402
from audit import Model, TensorProto, choices, helper, np, onnx  # noqa: E402
from audit_table import OPS  # noqa: E402
from onnx import AttributeProto, ModelProto  # noqa: E402

LEAST, MOST = -(1 << 63), (1 << 63) - 1
INTS = [LEAST, LEAST + 1, MOST, -1, 0, 1, 2, 3, 7, 64, 1 << 31, -(1 << 31), (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 62]
FLOATS = [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 1e-45, 3e38, -3e38, 1e19]
SIZES = [0, 1, 2, 1 << 31, 1 << 62, MOST, -1, "n"]
KINDS = ["FLOAT", "DOUBLE", "FLOAT16", "INT64", "INT32", "UINT8", "BOOL", "STRING", "COMPLEX64", "INT4", "FLOAT8E4M3FN", "UNDEFINED"]
WORDS = [b"", b"x", b"NOTSET", b"SAME_UPPER", b"VALID", b"linear", b"cubic", b"nearest", b"sum", b"none", b"i,j->", b"...ii->...i", b"ij,jk", b"->", b"Relu", b"(((((((((", b"[^", b"\xff\xfe", b"%s%n",
         b"a" * 300]


# ---- models that are in order

def standard(newest_only):
    """(name, model, schema, whether pairs of changes will do: a variant of one before)"""
    newest = {}
    schemas = onnx.defs.get_all_schemas_with_history()
    for s in schemas:
        newest[s.domain, s.name] = max(newest.get((s.domain, s.name), 0), s.since_version)
    for s in sorted(schemas, key=lambda s: (s.domain, s.name, s.since_version)):
        is_newest = newest[s.domain, s.name] == s.since_version
        if s.deprecated or (newest_only and not is_newest):
            continue
        for n, variant in enumerate(OPS.get((s.domain, s.name), [])):
            how = variant[2]
            if not how.get("since", 1) <= s.since_version <= how.get("to", 999) or (n and not is_newest):
                continue
            for symbols in (False, True) if is_newest and not n and not how.get("fixed") else (False,):
                for word, types in list(choices(s, how))[:1]:
                    try:
                        m = Model(s, variant, types, symbols)
                        yield f"{s.name}-{s.since_version}.{n}{word}{'-symbols' if symbols else ''}", m.proto(dict(m.outputs)), s, n > 0
                    except (ValueError, TypeError, KeyError, AttributeError):
                        continue


def microsoft():
    sys.argv, own = sys.argv[:1], sys.argv
    import contrib_attention
    import contrib_gates
    import contrib_int8
    import contrib_other
    sys.argv = own
    for make in (contrib_other.diffusion, contrib_other.products, contrib_other.movement, contrib_other.identifiers, contrib_other.images, contrib_other.integers, contrib_other.blocks,
                 contrib_other.sparse_mixer, contrib_gates.gates, contrib_gates.norms, contrib_gates.streams, contrib_gates.positions, contrib_gates.states):
        make()
    seen = set()
    for row in contrib_other.CASES:
        if row[1] not in seen:
            yield f"ms.{row[1]}", contrib_other.build(row, False)[0], None, False
            yield f"ms.{row[1]}-symbols", contrib_other.build(row, True)[0], None, False
        seen.add(row[1])
    c, times = contrib_attention, {}
    for make in (c.attention, c.quantized, c.multi_head, c.buffers, c.grouped, c.quantized_cache, c.embeddings, c.norms, c.blocked, c.few_bits, c.halves):
        make()
    for row in c.CASES:
        single = c.single(row)
        times[row[1]] = times.get(row[1], 0) + 1
        if times[row[1]] <= 2:
            yield f"ms.{row[1]}.{row[0]}", single[1], None, False
    seen = set()
    for name, op, *case in contrib_int8.cases():
        if op not in seen:
            made = contrib_int8.build(op, *case)
            yield f"ms.{name}", made[0] if isinstance(made, tuple) else made, None, False
        seen.add(op)


def channels_last():
    """Operators of ai.onnx as onnxruntime writes them for images with channels last."""
    for name, m, schema, variant in standard(True):
        if schema.domain == "" and not variant and any(len(v.type.tensor_type.shape.dim) == 4 for v in m.graph.input[:1]):
            node_of(m).domain = "com.ms.internal.nhwc"
            m.opset_import.add(domain="com.ms.internal.nhwc", version=schema.since_version)
            yield f"nhwc.{name}", m, schema, False


# ---- hostile changes: each is (name, function that changes a model in place)

def node_of(m):
    return m.graph.node[-1]


def set_input(i, name):
    def change(m):
        node_of(m).input[i] = name
    return change


def cut_inputs(i):
    def change(m):
        del node_of(m).input[i:]
    return change


def info_of(m, name):
    return next((v for v in m.graph.input if v.name == name), None)


def tensor_of(m, name):
    return next((t for t in m.graph.initializer if t.name == name), None)


def set_kind(name, kind, outer):
    def change(m):
        v = info_of(m, name)
        if v is None:
            v = m.graph.input.add(name=name)
            m.graph.initializer.remove(tensor_of(m, name))
        if kind is None:
            v.ClearField("type")
            return
        inner = type(v.type)()
        inner.tensor_type.CopyFrom(v.type.tensor_type)
        inner.tensor_type.elem_type = kind
        v.ClearField("type")
        to = v.type
        for word in outer.split():
            to = to.sequence_type.elem_type if word == "seq" else to.optional_type.elem_type if word == "optional" else to.map_type.value_type
            if word == "map":
                v.type.map_type.key_type = 7
        to.CopyFrom(inner)
    return change


def set_shape(name, shape):
    def change(m):
        v, t = info_of(m, name), tensor_of(m, name)
        if t is not None:
            kind = t.data_type
            m.graph.initializer.remove(t)
            if v is not None:
                m.graph.input.remove(v)
            m.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
        elif shape is None:
            v.type.tensor_type.ClearField("shape")
        else:
            v.type.tensor_type.shape.ClearField("dim")
            for size in shape:
                d = v.type.tensor_type.shape.dim.add()
                if isinstance(size, str):
                    d.dim_param = size
                elif size is not None:
                    d.dim_value = size
    return change


def set_tensor(name, kind, dims, values):
    def change(m):
        v, t = info_of(m, name), tensor_of(m, name)
        if v is not None:
            m.graph.input.remove(v)
        if t is not None:
            m.graph.initializer.remove(t)
        t = m.graph.initializer.add(name=name, data_type=kind, dims=dims)
        if kind == TensorProto.STRING:
            t.string_data.extend(values)
        elif kind == TensorProto.INT64:
            t.int64_data.extend(values)
        elif kind in (TensorProto.UINT64, TensorProto.UINT32):
            t.uint64_data.extend(v & ((1 << 64) - 1) for v in values)
        elif kind == TensorProto.FLOAT:
            t.float_data.extend(values)
        elif kind == TensorProto.DOUBLE:
            t.double_data.extend(values)
        else:
            t.raw_data = b"".join(values)
    return change


def set_attribute(name, given):
    def change(m):
        n = node_of(m)
        for a in [a for a in n.attribute if a.name == name]:
            n.attribute.remove(a)
        if given is not None:
            n.attribute.append(given)
    return change


def change_graph(name, edit):
    def change(m):
        for a in node_of(m).attribute:
            if a.name == name:
                edit(a.g)
    return change


def set_outputs(names):
    def change(m):
        n = node_of(m)
        del n.output[:]
        n.output.extend(names)
        known = [o.name for o in m.graph.output]
        for o in [o for o in m.graph.output if o.name not in names]:
            m.graph.output.remove(o)
        for o in names:
            if o and o not in known:
                m.graph.output.add(name=o)
    return change


def declare(k, info):
    def change(m):
        o = m.graph.output[k]
        info.name = o.name
        o.CopyFrom(info)
    return change


def shapes_like(shape):
    yield from ([], [0], [1], [5], [1] * 8, [2] * 8, [2] * 7, ["n"] * 3, [1] * 65, None)
    for k in range(len(shape)):
        for size in SIZES:
            yield shape[:k] + [size] + shape[k + 1:]
    yield [0] * len(shape)
    yield ["n"] * len(shape)
    yield [None] * len(shape)
    yield [1 << 31] * len(shape)
    yield shape + [1]
    yield [2] + shape
    if shape:
        yield shape[1:]
        yield shape[:-1]


def lists_like(values, hostile):
    yield []
    for x in hostile:
        yield [x]
        for k in range(min(len(values), 4)):
            yield values[:k] + [x] + values[k + 1:]
    if values:
        yield values[:-1]
        yield values + values[-1:]
        yield values + values
        yield values[::-1]
    for x in hostile[:6]:
        yield [x] * max(2, len(values))
    yield hostile[3:4] * 70


def in_no_file(t):
    t.data_location = TensorProto.EXTERNAL
    t.external_data.add(key="location", value="no-such-file")
    t.external_data.add(key="length", value="16")


def set_external(name, kind, dims):
    def change(m):
        set_tensor(name, kind, dims, [])(m)
        in_no_file(tensor_of(m, name))
    return change


def tensors_like(name, kind, dims, values):
    """Constants of this type: (name, change)"""
    yield "external", set_external(name, kind, dims)
    if kind == TensorProto.STRING:
        for k, row in enumerate(lists_like([bytes(v) for v in values], WORDS)):
            yield f"words{k}", set_tensor(name, kind, [len(row)], row)
        return
    if kind in (TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE):
        hostile = INTS if kind == TensorProto.INT64 else FLOATS
        for k, row in enumerate(lists_like(values, hostile)):
            yield f"list{k}", set_tensor(name, kind, [len(row)], row)
            if len(row) == len(values) and len(dims) != 1:
                yield f"values{k}", set_tensor(name, kind, dims, row)
        for x in hostile:
            yield f"scalar{x}", set_tensor(name, kind, [], [x])
        for most in ([0], [0, MOST], [1 << 32, 0], [0] * 9):
            yield f"empty{most}", set_tensor(name, kind, most, [])
        return
    size = {TensorProto.BOOL: 1, TensorProto.INT8: 1, TensorProto.UINT8: 1, TensorProto.INT16: 2, TensorProto.UINT16: 2, TensorProto.FLOAT16: 2, TensorProto.BFLOAT16: 2, TensorProto.INT32: 4,
            TensorProto.UINT32: 4, TensorProto.UINT64: 8, TensorProto.COMPLEX64: 8, TensorProto.COMPLEX128: 16}.get(kind, 1)
    for k, pattern in enumerate((b"\0" * size, b"\xff" * size, b"\0" * (size - 1) + b"\x80", b"\xff" * (size - 1) + b"\x7f", b"\1" + b"\0" * (size - 1))):
        for shape in ([], [1], [2], [3], [70], [0], [1, 1], [2, 2], dims):
            count = int(np.prod(shape)) if shape else 1
            if count < 1000:
                yield f"bits{k}{shape}", set_tensor(name, kind, shape, [pattern] * count)


def input_changes(m):
    n = node_of(m)
    for i, name in enumerate(n.input):
        yield f"in{i}-cut", cut_inputs(i)
        if not name:
            yield f"in{i}-first", set_input(i, n.input[0])
            continue
        yield f"in{i}-absent", set_input(i, "")
        if i:
            yield f"in{i}-first", set_input(i, n.input[0])
        v, t = info_of(m, name), tensor_of(m, name)
        if v is None and t is None:
            continue
        tensor = v.type.tensor_type if v is not None else None
        kind = t.data_type if t is not None else tensor.elem_type
        shape = list(t.dims) if t is not None else [d.dim_param or d.dim_value for d in tensor.shape.dim]
        for word in KINDS:
            if TensorProto.DataType.Value(word) != kind:
                yield f"in{i}-{word.lower()}", set_kind(name, TensorProto.DataType.Value(word), "")
        for outer in ("seq", "optional", "optional seq", "map", "seq map", "seq seq"):
            yield f"in{i}-{outer}", set_kind(name, kind, outer)
        yield f"in{i}-typeless", set_kind(name, None, "")
        for k, s in enumerate(shapes_like(shape)):
            yield f"in{i}-shape{k}", set_shape(name, s)
        if kind:
            values = onnx.numpy_helper.to_array(t).ravel().tolist() if t is not None and kind != TensorProto.STRING else list(t.string_data) if t is not None else []
            dims = [s if isinstance(s, int) and s < 5 else 2 for s in shape]
            if not values and kind in (TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE):
                values = [1] * int(np.prod(dims))
            for word, change in tensors_like(name, kind, dims, values):
                yield f"in{i}-{word}", change
    yield "in-one-more", lambda m: node_of(m).input.append(node_of(m).input[0] if node_of(m).input else "")
    yield "in-many", lambda m: node_of(m).input.extend([node_of(m).input[0] if node_of(m).input else ""] * 70)


def graph_edits():
    yield "empty", lambda g: g.Clear()
    yield "no-outputs", lambda g: g.ClearField("output")
    yield "no-inputs", lambda g: g.ClearField("input")
    yield "no-nodes", lambda g: g.ClearField("node")
    yield "one-output-more", lambda g: g.output.append(g.output[-1]) if g.output else None
    yield "one-output-less", lambda g: g.output.pop() if g.output else None
    yield "one-input-more", lambda g: g.input.add(name="more")
    yield "one-input-less", lambda g: g.input.pop() if g.input else None
    yield "typeless", lambda g: [v.ClearField("type") for v in [*g.input, *g.output]]
    yield "strings", lambda g: [setattr(v.type.tensor_type, "elem_type", TensorProto.STRING) for v in [*g.input, *g.output]]
    yield "sequences", lambda g: [v.type.sequence_type.elem_type.tensor_type.MergeFrom(onnx.TypeProto.Tensor(elem_type=1)) for v in [*g.input, *g.output]]
    yield "swapped", lambda g: g.output.reverse() if hasattr(g.output, "reverse") else None
    yield "input-is-output", lambda g: [setattr(o, "name", g.input[0].name) for o in g.output] if g.input else None


def tensor_attributes(name):
    for kind, dims, values in ((1, [], [float("nan")]), (1, [1], [1e30]), (1, [0], []), (1, [2, 2], [1, 2, 3, 4]), (7, [1], [LEAST]), (7, [3], [1, 0, -1]), (8, [1], [b"x"]), (8, [0], []), (7, [0, MOST], [])):
        a = AttributeProto(name=name, type=AttributeProto.TENSOR)
        a.t.data_type = kind
        a.t.dims.extend(dims)
        {1: a.t.float_data, 7: a.t.int64_data, 8: a.t.string_data}[kind].extend(values)
        yield a
        if kind != 8:
            a = AttributeProto(name=name, type=AttributeProto.TENSOR)
            a.t.data_type = kind
            a.t.dims.extend(dims)
            in_no_file(a.t)
            yield a
    for kind, dims, raw in ((14, [1], b"\0" * 8), (22, [3], b"\x21\x03"), (9, [1], b"\2"), (11, [1], b"\xff" * 8), (1, [], b"\0" * 3), (0, [1], b""), (99, [1], b"\0")):
        a = AttributeProto(name=name, type=AttributeProto.TENSOR)
        a.t.data_type, a.t.raw_data = kind, raw
        a.t.dims.extend(dims)
        yield a


def made(name, kind, field, value):
    a = AttributeProto(name=name, type=kind)
    if isinstance(value, list):
        getattr(a, field).extend(value)
    else:
        setattr(a, field, value)
    return a


def attribute_values(name, kind, old):
    """Attributes of this name: (word, attribute, None to leave it out)"""
    A = AttributeProto
    yield "absent", None
    if kind == A.INT:
        for x in INTS:
            yield f"{x}", made(name, kind, "i", x)
    elif kind == A.FLOAT:
        for x in FLOATS:
            yield f"{x}", made(name, kind, "f", x)
    elif kind == A.STRING:
        for k, x in enumerate(WORDS):
            yield f"word{k}", made(name, kind, "s", x)
    elif kind == A.INTS:
        for k, x in enumerate(lists_like(list(old.ints) if old else [1, 1], INTS)):
            yield f"ints{k}", made(name, kind, "ints", x)
    elif kind == A.FLOATS:
        for k, x in enumerate(lists_like(list(old.floats) if old else [1.0, 1.0], FLOATS)):
            yield f"floats{k}", made(name, kind, "floats", x)
    elif kind == A.STRINGS:
        for k, x in enumerate(lists_like(list(old.strings) if old else [b"a", b"b"], WORDS)):
            yield f"strings{k}", made(name, kind, "strings", x)
    elif kind == A.TENSOR:
        for k, a in enumerate(tensor_attributes(name)):
            yield f"tensor{k}", a
    for other, field, value in ((A.INT, "i", 2), (A.INTS, "ints", [1, 2]), (A.FLOAT, "f", 0.5), (A.STRING, "s", b"y"), (A.STRINGS, "strings", [b"y"]), (A.FLOATS, "floats", [0.5])):
        if other != kind:
            yield f"kind{other}", made(name, other, field, value)
    yield "reference", A(name=name, type=kind, ref_attr_name="other")
    yield "untyped", A(name=name)


def attribute_changes(m, schema):
    n = node_of(m)
    given = {a.name: a for a in n.attribute}
    kinds = {a.name: a.type for a in n.attribute}
    if schema is not None and schema.name == n.op_type:
        kinds.update({name: int(a.type.value) if hasattr(a.type, "value") else int(a.type) for name, a in schema.attributes.items()})
    for name, kind in sorted(kinds.items()):
        for word, a in attribute_values(name, kind, given.get(name)):
            yield f"{name}={word}", set_attribute(name, a)
        if kind == AttributeProto.GRAPH:
            for word, edit in graph_edits():
                yield f"{name}-{word}", change_graph(name, edit)


def output_changes(m):
    names = list(node_of(m).output)
    yield "out-none", set_outputs([])
    yield "out-unnamed", set_outputs([""] * len(names))
    for k in range(1, 6):
        if k != len(names):
            yield f"out-{k}", set_outputs([f"o{i}" for i in range(k)])
        yield f"out-only{k}", set_outputs([""] * k + ["o"])
    yield "out-many", set_outputs([f"o{i}" for i in range(70)])
    if names:
        for kind in (1, 7, 8, 14, 22):
            for k, shape in enumerate((None, [], [0], [1, 2, 3], ["n"] * 4, [MOST, MOST], [1] * 9)):
                yield f"out-declared{kind}.{k}", declare(0, helper.make_tensor_value_info("", kind, shape))
        yield "out-sequence", declare(0, helper.make_tensor_sequence_value_info("", 1, None))


def opset_changes(m):
    for version in (1, 6, 10, 12, 17, 26):
        yield f"opset{version}", lambda m, v=version: [setattr(o, "version", v) for o in m.opset_import if not o.domain]


def changes(m, schema):
    yield from input_changes(m)
    yield from attribute_changes(m, schema)
    yield from output_changes(m)
    yield from opset_changes(m)


def changed(m, *steps):
    copy = ModelProto()
    copy.CopyFrom(m)
    for step in steps:
        step(copy)
    return copy.SerializeToString()


def models(o):
    """(name, function that gives the bytes)"""
    only = set(o.only.split(",")) if o.only else None
    for bases in (standard(o.newest), microsoft(), channels_last()):
        for name, m, schema, only_pairs in bases:
            if only and node_of(m).op_type not in only:
                continue
            yield name, lambda m=m: m.SerializeToString()
            all_changes = list(changes(m, schema))
            for word, step in [] if only_pairs else all_changes:
                yield f"{name}/{word}", lambda m=m, step=step: changed(m, step)
            rng = random.Random(zlib.crc32(name.encode()) + o.seed)
            for _ in range(o.pairs):
                (a, first), (b, second) = rng.choice(all_changes), rng.choice(all_changes)
                yield f"{name}/{a}+{b}", lambda m=m, s=(first, second): changed(m, *s)


# ---- going through them

class Program:
    def __init__(self, path, log):
        self.path, self.log, self.process = path, log, None

    def takes(self, data):
        """Goes through one model; False when that ended the program."""
        if self.process is None:
            self.errors = open(self.log, "wb")
            self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.errors.seek(0)
        self.errors.truncate()
        try:
            self.process.stdin.write(struct.pack("<I", len(data)) + data)
            self.process.stdin.flush()
            good = self.process.stdout.read(1) == b"."
        except BrokenPipeError:
            good = False
        if not good:
            self.status = self.process.wait()
            self.process = None
        return good

    def end(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def why(log, status):
    with open(log, "rb") as f:
        lines = f.read().decode(errors="replace").splitlines()
    said = [line for line in lines if "runtime error" in line or "ERROR: " in line or "took " in line or "Assertion" in line or "internal" in line]
    frames = [line.split(" in ", 1)[1].split(" (")[0] for line in lines if line.lstrip().startswith("#") and "/compiler/" in line]
    return f"{status}: {(said or lines[-1:] or [''])[0].strip()[:200]} | {' < '.join(f.split('/')[-1] if k else f.split(' ')[0] + ' ' + f.split('/')[-1] for k, f in enumerate(frames[:4]))}"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("--only")
    ap.add_argument("--every", type=int, default=1)
    ap.add_argument("--from", type=int, default=0, dest="first")
    ap.add_argument("--pairs", type=int, default=50)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--newest", action="store_true")
    ap.add_argument("--found", default="sweep")
    ap.add_argument("--list", action="store_true")
    o = ap.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    os.makedirs(o.found, exist_ok=True)
    program = Program(o.program, os.path.join(o.found, "log"))
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    tried = bad = 0
    for k, (name, make) in enumerate(models(o)):
        if k < o.first or (k - o.first) % o.every:
            continue
        if o.list:
            print(name)
            continue
        try:
            data = make()
        except (ValueError, IndexError, TypeError):
            continue  # two changes that do not go together
        tried += 1
        if program.takes(data):
            continue
        bad += 1
        with open(os.path.join(o.found, f"{k}.onnx"), "wb") as f:
            f.write(data)
        print(f"{k} {name}: {why(program.log, program.status)}", flush=True)
    program.end()
    print(f"{tried} models, {bad} found")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
