#!/usr/bin/env python3
"""Compares `onnxcc infer` with what onnx.shape_inference answered, as a conformance folder records it.

    infer.py ONNXCC DIR [--known FILE] [--only WORD] [--least SHARE]

DIR has reader.py and open/shape_inference.*. Of each model the types of graph outputs and value_info, by name, in all graphs, must be those of the record or say more: a
number or an expression where onnx has nothing, a number where it has a name. A record that onnx refused must be refused. FILE names records that are known to
differ, with their reasons behind a tab. Exit code 77: no such folder, or no onnx package."""
import os
import subprocess
import sys
import tempfile

from records import Tally, arguments, load_corpus

try:
    import onnx
except ImportError:
    print("skipped: there is no onnx package")
    sys.exit(77)

FLAGS = (("check_type", "--check-type"), ("strict_mode", "--strict"), ("data_prop", "--data-prop"))


def graphs(g, path=""):
    yield path, g
    for k, n in enumerate(g.node):
        for a in n.attribute:
            for i, s in enumerate([a.g] if a.HasField("g") else a.graphs):
                yield from graphs(s, f"{path}/{k}.{a.name}.{i}")


def types(model):
    """(graph, name) -> TypeProto of outputs and value_info"""
    return {(path, v.name): v.type for path, g in graphs(model.graph) for v in list(g.value_info) + list(g.output)}


def says_as_much(theirs, ours):
    """None, or what is missing or different."""
    kind = theirs.WhichOneof("value")
    if kind is None:
        return None
    if ours.WhichOneof("value") != kind:
        return f"kind {ours.WhichOneof('value')}, expected {kind}"
    t, o = getattr(theirs, kind), getattr(ours, kind)
    if kind in ("sequence_type", "optional_type"):
        return says_as_much(t.elem_type, o.elem_type)
    if kind == "map_type":
        return None if t.key_type == o.key_type else "key type"
    if t.elem_type and t.elem_type != o.elem_type:
        return f"type {o.elem_type}, expected {t.elem_type}"
    if not t.HasField("shape"):
        return None
    if not o.HasField("shape"):
        return f"no shape, expected {len(t.shape.dim)} dimensions"
    if len(t.shape.dim) != len(o.shape.dim):
        return f"{len(o.shape.dim)} dimensions, expected {len(t.shape.dim)}"
    for k, (a, b) in enumerate(zip(t.shape.dim, o.shape.dim)):
        if a.HasField("dim_value") and not (b.HasField("dim_value") and a.dim_value == b.dim_value):
            return f"dimension {k} is {b.dim_value if b.HasField('dim_value') else b.dim_param!r}, expected {a.dim_value}"
        invented = a.dim_param.startswith("unk__") and b.dim_param  # any name for a size of which nothing is known
        if a.dim_param and a.dim_param != b.dim_param and not b.HasField("dim_value") and not invented:
            return f"dimension {k} is {b.dim_param!r}, expected {a.dim_param!r}"
    return None


def judge(tool, work, k, record, blob, out):
    path, written = os.path.join(work, f"{k}.onnx"), os.path.join(work, f"{k}.out.onnx")
    with open(path, "wb") as f:
        f.write(blob)
    flags = [f for name, f in FLAGS if record.get(name)]
    done = subprocess.run([tool, "infer", path, "-o", written, *flags, "-q"], capture_output=True, text=True)
    why = None
    if record.get("error"):
        why = f"accepted; onnx: {record['error'][:160]!r}" if done.returncode == 0 else None
    elif done.returncode:
        why = f"exit {done.returncode}: {done.stderr.strip().splitlines()[0][:200] if done.stderr.strip() else ''}"
    else:
        ours, theirs = types(onnx.load(written)), types(onnx.ModelProto.FromString(out))
        for key, t in theirs.items():
            said = says_as_much(t, ours[key]) if key in ours else None if t.WhichOneof("value") is None else "no type at all"
            if said:
                why = f"'{key[1]}': {said}"
                break
    for p in (path, written):
        if os.path.exists(p):
            os.unlink(p)
    return record["id"], "", why


def main():
    o = arguments(__doc__).parse_args()
    c = load_corpus(o.root, "shape_inference")
    tally = Tally(o.known)
    with tempfile.TemporaryDirectory() as work:
        records = ((k, r) for k, r in enumerate(c.records()) if r["api"] == "infer_shapes" and o.only in r["id"])
        tally.judge_all(judge, ((o.tool, work, k, r, c.get(r["blob"]), None if r.get("error") else c.get(r["out"])) for k, r in records))
    return tally.finish(o.least, "the same or more precise")


if __name__ == "__main__":
    sys.exit(main())
