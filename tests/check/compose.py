#!/usr/bin/env python3
"""Compares `onnxcc text`, `merge`, `extract`, `inline` and `prefix` with what onnx.parser, printer, compose, utils and inliner did, as a conformance folder records it.

    compose.py ONNXCC DIR [--known FILE] [--only WORD] [--least SHARE]

DIR has reader.py and open/text_inline_compose.*. Models are the same when nodes, values, constants, functions, imports and metadata are; producers and doc strings may
differ, types of inner values may be more. Texts are the same but for white space and comments. What was refused is refused. FILE names records that are known to
differ, with their reasons behind a tab. Exit code 77: no such folder, or no onnx package."""
import os
import re
import subprocess
import sys
import tempfile

from records import Tally, arguments, load_corpus

try:
    import onnx
    from onnx import numpy_helper
except ImportError:
    print("skipped: there is no onnx package")
    sys.exit(77)

HEAD = '<ir_version: 10, opset_import: ["" : 20]>\n'
RENAME = ("nodes", "edges", "inputs", "outputs", "initializers", "value_infos", "functions")


class Tool:
    def __init__(self, path, work):
        self.path, self.work = path, work

    def file(self, name, content):
        path = os.path.join(self.work, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, *arguments):
        """(exit code, message, the model that was written)"""
        out = os.path.join(self.work, "out.onnx")
        if os.path.exists(out):
            os.unlink(out)
        done = subprocess.run([self.path, *arguments, "-o", out, "-q"], capture_output=True, text=True)
        said = done.stderr.strip().splitlines()[0][-220:] if done.stderr.strip() else ""
        return done.returncode, said, onnx.load(out, load_external_data=False) if done.returncode == 0 else None


# ---- equality ----

def tensor(t):
    if t.data_location == onnx.TensorProto.EXTERNAL:
        return t.name, sorted((e.key, e.value) for e in t.external_data)
    try:
        return t.name, t.data_type, tuple(t.dims), numpy_helper.to_array(t).tobytes()
    except Exception:
        return t.name, t.SerializeToString(deterministic=True)


def attribute(a):
    if a.HasField("g") or a.graphs:
        return a.name, a.type, [graph(g) for g in ([a.g] if a.HasField("g") else a.graphs)]
    if a.HasField("t") or a.tensors:
        return a.name, a.type, [tensor(t)[1:] for t in ([a.t] if a.HasField("t") else a.tensors)]
    return a.name, a.SerializeToString(deterministic=True)


def node(n):
    return n.op_type, n.domain, n.overload, n.name, list(n.input), list(n.output), sorted(map(attribute, n.attribute), key=str), sorted((p.key, p.value) for p in n.metadata_props)


def sparse(t):
    return tensor(t.values), tensor(t.indices)[1:], tuple(t.dims)


def graph(g):
    return {"nodes": [node(n) for n in g.node], "inputs": [v.SerializeToString(deterministic=True) for v in g.input], "outputs": [v.SerializeToString(deterministic=True) for v in g.output],
            "initializers": sorted(map(tensor, g.initializer), key=str), "sparse": sorted(map(sparse, g.sparse_initializer), key=str), "name": g.name}


def function(f):
    return {"name": (f.domain, f.name, f.overload), "nodes": [node(n) for n in f.node], "in": list(f.input), "out": list(f.output), "attrs": list(f.attribute),
            "defaults": [attribute(a) for a in f.attribute_proto], "imports": {o.domain: o.version for o in f.opset_import}}


def model(m):
    return {**graph(m.graph), "functions": sorted(map(function, m.functions), key=str), "imports": {o.domain: o.version for o in m.opset_import}, "ir": m.ir_version}


def infos(g):
    outer = {v.name for v in list(g.input) + list(g.output)} | {t.name for t in g.initializer} | {t.values.name for t in g.sparse_initializer}
    return {v.name: v.type for v in g.value_info if v.name not in outer}


def differ(ours, theirs, metadata=True, types=True):
    """None, or what differs."""
    a, b = model(ours), model(theirs)
    for key in b:
        if a[key] != b[key]:
            return f"{key}: {str(a[key])[:120]}, expected {str(b[key])[:120]}"
    if metadata and {p.key: p.value for p in ours.metadata_props} != {p.key: p.value for p in theirs.metadata_props}:
        return "metadata"
    a, b = infos(ours.graph), infos(theirs.graph)
    for name in b if types else ():
        if name not in a or a[name].SerializeToString(deterministic=True) != b[name].SerializeToString(deterministic=True):
            return f"type of {name}"
    return None


def same_message(a, b):
    """Of parsed text: everything."""
    return a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True)


# ---- the records ----

def words(text):
    return re.sub(r"\s+", "", re.sub(r"#[^\n]*", "", text))


def parse(tool, r, expected):
    kind, text = r["api"][6:], r["text"]
    whole = {"model": text, "graph": HEAD + text, "node": HEAD + "g () => () {\n" + text + "\n}", "function": HEAD + "g () => () { }\n" + text}[kind]
    if not whole.lstrip().startswith("<"):
        whole = whole  # a model without a head is for the parser to judge
    code, said, m = tool.run("text", tool.file("in.onnxtxt", whole))
    if not r["parsed_ok"]:
        return None if code else "accepted"
    if code:
        return said
    got = {"model": lambda: m, "graph": lambda: m.graph, "node": lambda: m.graph.node[0], "function": lambda: m.functions[0]}[kind]()
    theirs = {"model": onnx.ModelProto, "graph": onnx.GraphProto, "node": onnx.NodeProto, "function": onnx.FunctionProto}[kind].FromString(expected)
    if same_message(got, theirs):
        return None
    judge = {"model": model, "graph": graph, "node": node, "function": function}[kind]
    return None if judge(got) == judge(theirs) else f"{str(judge(got))[:150]}, expected {str(judge(theirs))[:150]}"


def print_(tool, r, blob):
    m = onnx.ModelProto()
    if r["api"] == "model_to_text":
        m.ParseFromString(blob)
    else:
        m.ir_version = 10
        m.opset_import.add().version = 20
        m.graph.ParseFromString(blob)
    done = subprocess.run([tool.path, "text", tool.file("in.onnx", m.SerializeToString())], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip()[-200:]
    text = done.stdout if r["api"] == "model_to_text" else done.stdout[done.stdout.index("\n>") + 2:]
    return None if words(text) == words(r["text"]) else f"{text[:150]!r}, expected {r['text'][:150]!r}"


def answer(r, code, said, ours, theirs, **how):
    if not r["ok"]:
        return None if code else "accepted"
    return said if code else differ(ours, onnx.ModelProto.FromString(theirs), **how)


def judge(tool, c, r):
    api, out = r["api"], c.get(r["out"]) if "out" in r else None
    if api.startswith("parse_"):
        return parse(tool, r, out)
    if api.endswith("_to_text"):
        return print_(tool, r, c.get(r["blob"]))
    if api == "merge_models":
        flags = [f for a, b in r["io_map"] for f in ("--connect", f"{a}={b}")]
        for key, flag in (("prefix1", "--prefix1"), ("prefix2", "--prefix2")):
            flags += [flag, r["kw"][key]] if r["kw"].get(key) else []
        for key, flag in (("inputs", "--from"), ("outputs", "--to")):
            flags += [f for name in r["kw"].get(key) or [] for f in (flag, name)]
        return answer(r, *tool.run("merge", tool.file("a.onnx", c.get(r["m1"])), tool.file("b.onnx", c.get(r["m2"])), *flags), out)
    path = tool.file("in.onnx", c.get(r["blob"]))
    if api == "add_prefix":
        only = [n for n in RENAME if r["kw"].get("rename_" + n, True)]
        return answer(r, *tool.run("prefix", path, "--prefix", r["prefix"], *[f for n in only for f in ("--rename", n)]), out)
    if api == "extract_model":
        return answer(r, *tool.run("extract", path, *[f for n in r["inputs"] for f in ("--from", n)], *[f for n in r["outputs"] for f in ("--to", n)]), out, metadata=False)
    flags = ["--standard"] if api.endswith("2") else []
    flags += [f for d, n in r.get("ids") or [] for f in ("--except" if r.get("exclude") else "--function", f"{d}:{n}")]
    return answer(r, *tool.run("inline", path, *flags), out, types=False)


def main():
    o = arguments(__doc__).parse_args()
    c = load_corpus(o.root, "text_inline_compose")
    tally = Tally(o.known)
    with tempfile.TemporaryDirectory() as work:
        tool = Tool(o.tool, work)
        for r in c.records():
            if o.only in r["id"] + r["api"] and "rec_error" not in r:
                tally.add(r["id"], r["api"], judge(tool, c, r))
    for api in sorted({api for api, _ in tally.count}):
        same, differ_ = tally.count[api, True], tally.count[api, False]
        print(f"{same:5} of {same + differ_:3} {api}")
    return tally.finish(o.least, "the same")


if __name__ == "__main__":
    sys.exit(main())
