#!/usr/bin/env python3
"""Every operator of the standard at every version with every element type that its schema allows, against onnxruntime and onnx.reference.

    audit.py ONNXCC [--work DIR] [--only NAME[,NAME]] [--newest] [--every N] [--symbols] [--all] [--list] [--known FILE] [--jobs N]

For each operator of audit_table.py, each of its versions and each element type of each type variable (the others at their first choice), one model with
random inputs becomes a case of `onnxcc verify --cases`: the first variant with every type, the others with the first. Where the two evaluators differ, either may be right. What neither evaluator computes and no formula of the table gives is counted and left
out. --symbols: sizes with names are symbols, and one program has to serve two sizes. --newest: newest versions
only. --every: one case in N. --all: every variant with every type. --list: operators without a variant. FILE: patterns of cases
that may fail or be refused, with reasons; NAME@onnxruntime+reference: both have an opinion. Exit code 77: no onnxruntime."""
import argparse
import collections
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys

try:
    import ml_dtypes  # noqa: F401
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

import audit_bodies  # noqa: F401
from audit_table import OPS, C, Scale, V, Zero

SIZES = [dict(b=2, c=3, d=4, e=5, h=6, w=7), dict(b=3, c=3, d=6, e=2, h=9, w=8)]
FIRST = ["FLOAT", "INT64", "INT32", "UINT8", "INT8", "BOOL", "STRING", "UINT4", "INT4"]  # the default of a type variable
WORDS = np.array(["a", "bb", "ab", "", "Abc d", "c c"], object)
HALF = {TensorProto.FLOAT16: 1e-2, TensorProto.BFLOAT16: 8e-2}  # of sums in those types


def element(type_text):
    """The number of the element type of a tensor, or of a sequence or optional of tensors."""
    m = re.fullmatch(r"(?:seq\(|optional\()?tensor\((\w+)\)\)?", type_text)
    return TensorProto.DataType.Value(m[1].upper()) if m else None


def default_of(types):
    for name in FIRST:
        if TensorProto.DataType.Value(name) in types:
            return TensorProto.DataType.Value(name)
    return types[0]


def is_float(kind):
    return TensorProto.DataType.Name(kind).startswith(("FLOAT", "DOUBLE", "BFLOAT"))


def as_type(array, kind):
    if kind == TensorProto.STRING:
        return np.asarray(WORDS[np.abs(np.asarray(array, np.float64)).astype(np.int64) % len(WORDS)], object)
    array = np.asarray(array)
    if not is_float(kind) and array.dtype.kind == "f":
        array = np.nan_to_num(array, posinf=9, neginf=-9)
    if TensorProto.DataType.Name(kind).startswith("U"):
        array = np.abs(array)
    if kind in (TensorProto.UINT2, TensorProto.INT2, TensorProto.UINT4, TensorProto.INT4):
        array = np.clip(array, *{TensorProto.UINT2: (0, 3), TensorProto.INT2: (-2, 1), TensorProto.UINT4: (0, 15), TensorProto.INT4: (-8, 7)}[kind])
    return array.astype(helper.tensor_dtype_to_np_dtype(kind))


def random_input(text, kind, sizes, rng):
    shape_text, _, what = text.partition(":")
    shape = [sizes[s] if s in sizes else int(s) for s in shape_text]
    less = re.fullmatch(r"(less|any)(\d)", what)
    if less:
        n = int(less[2])
        return as_type(rng.integers(0 if less[1] == "less" else -n, n, shape), kind)
    if kind == TensorProto.STRING:
        return np.asarray(rng.choice(WORDS, shape), object)
    if kind == TensorProto.BOOL:
        return np.asarray(rng.random(shape) < 0.5)
    if is_float(kind) or kind in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        x = {"pos": rng.random(shape) * 2 + 0.5, "unit": rng.random(shape) * 2 - 1, "prob": rng.random(shape) * 0.9 + 0.05}.get(what, rng.standard_normal(shape))
        return as_type(x, kind)
    return as_type(rng.integers(1, 6, shape) if what == "pos" else rng.integers(0, 2, shape) if what in ("unit", "prob") else rng.integers(-4, 6, shape), kind)


class Model:
    """One operator at one version with one choice of types: the model and its data."""

    def __init__(self, schema, variant, types, symbols):
        inputs, attributes, how = variant
        self.how, self.schema, self.types = how, schema, types
        self.rng = np.random.default_rng(len(schema.name) + schema.since_version)
        given = [helper.make_attribute("consumed_inputs", [0] * 5)] if "consumed_inputs" in schema.attributes else []
        for name, value in attributes.items():
            if name not in schema.attributes:
                continue
            value = value(schema.since_version, types) if callable(value) else value
            if value is not None:
                given.append(helper.make_attribute(name, value))
        self.initializers, self.infos, self.feeds, names = [], [], [{}, {}], []
        formal = list(schema.inputs)
        before, after = how.get("of", ([], []))
        for i, spec in enumerate(inputs):
            at = formal[min(i, len(formal) - 1)] if formal else None
            if "of" not in how and (at is None or (i >= len(formal) and at.option != onnx.defs.OpSchema.FormalParameterOption.Variadic)):
                break
            if spec is None:
                names.append("")
                continue
            kind = self.kind_of(before[i] if before else at.type_str)
            name = f"x{i}"
            names.append(name)
            if isinstance(spec, Zero) and is_float(kind):
                spec = C(0)
            if isinstance(spec, Scale) and not is_float(kind):
                spec = C(2)
            if isinstance(spec, C) and not isinstance(spec, V):
                self.initializers.append(numpy_helper.from_array(as_type(spec.v, kind), name))
                continue
            for k, sizes in enumerate(SIZES):
                fixed = isinstance(spec, V) or not symbols
                self.feeds[k][name] = as_type(spec.v, kind) if isinstance(spec, V) else random_input(spec, kind, SIZES[0] if fixed else sizes, self.rng)
            shape = list(self.feeds[0][name].shape)
            if symbols and isinstance(spec, str):
                shape = [int(s) if s.isdigit() else s for s in spec.partition(":")[0]]
            self.infos.append(helper.make_tensor_value_info(name, kind, shape))
        while names and not names[-1]:
            names.pop()
        outs = how.get("outs", 1)
        self.nodes = [helper.make_node(schema.name, names, [f"y{i}" for i in range(outs)], domain=schema.domain)]
        self.nodes[0].attribute.extend(given)
        self.names = names
        if "nodes" in how:
            self.nodes = how["nodes"](schema.since_version, types)
        self.outputs = []
        out_formal = list(schema.outputs)
        for i in range(outs):
            self.outputs.append((f"y{i}", self.kind_of(after[i] if after else out_formal[min(i, len(out_formal) - 1)].type_str)))
        opsets = {schema.domain: schema.since_version}
        opsets.setdefault("", 20 if schema.domain else schema.since_version)
        self.opsets = [helper.make_opsetid(d, n) for d, n in opsets.items()]
        if not symbols:
            self.feeds.pop()

    def kind_of(self, text):
        """The element type that a type variable, a type or a number stands for."""
        kind = self.types.get(text) or (int(text) if text.isdigit() else element(text))
        if kind is None:
            raise ValueError(f"type {text}")
        return kind

    def proto(self, kinds):
        graph = helper.make_graph(self.nodes, "g", self.infos, [helper.make_tensor_value_info(n, kinds[n], None) for n, _ in self.outputs], self.initializers)
        m = helper.make_model(graph, opset_imports=self.opsets, ir_version=min(13, max(3, helper.find_min_ir_version_for(self.opsets, ignore_unknown=True))))
        if any(k > 26 for k in [*self.types.values()] if k):
            m.ir_version = 14
        return m

    def expected(self):
        """[(name of the oracle, outputs for each feed)]"""
        table = {t.name: numpy_helper.to_array(t) for t in self.initializers}
        if "expect" in self.how:
            return [("table", [self.how["expect"](*[(f.get(n, table.get(n))) for n in self.names]) for f in self.feeds])]
        found = []
        m = self.proto(dict(self.outputs))
        try:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = onnxruntime.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
            found.append(("onnxruntime", [session.run(None, f) for f in self.feeds]))
        except Exception:
            pass
        try:
            evaluator = ReferenceEvaluator(m)
            with np.errstate(all="ignore"):
                found.append(("reference", [evaluator.run(None, f) for f in self.feeds]))
        except Exception:
            pass
        try:
            if not found and "otherwise" in self.how:
                found.append(("formula", [self.how["otherwise"](self.types, *[f.get(n, table.get(n)) for n in self.names if n]) for f in self.feeds]))
        except (TypeError, ValueError):
            pass  # casts of words
        return found


def agree(one, other):
    for a, b in zip([v for s in one[1] for v in s], [v for s in other[1] for v in s]):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind in "OUSb" or a.dtype.kind in "iu":
            same = np.array_equal(a, b)
        else:
            same = np.allclose(a.astype(np.float64) if a.dtype.kind != "c" else a, b.astype(np.float64) if b.dtype.kind != "c" else b, rtol=1e-5, atol=1e-6, equal_nan=True)
        if not same:
            return False
    return True


def write_case(folder, m, oracle, sets):
    kinds = {}
    for (name, kind), value in zip(m.outputs, sets[0]):
        got = helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype) if not (np.asarray(value).dtype == object or np.asarray(value).dtype.kind == "U") else TensorProto.STRING
        kinds[name] = kind or got
    model = m.proto(kinds)
    os.makedirs(folder)
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(model.SerializeToString())
    for k, (feed, values) in enumerate(zip(m.feeds, sets)):
        at = os.path.join(folder, f"test_data_set_{k}")
        os.makedirs(at)
        for i, info in enumerate(m.infos):
            save(os.path.join(at, f"input_{i}.pb"), feed[info.name], info.name, info.type.tensor_type.elem_type)
        for i, ((name, _), value) in enumerate(zip(m.outputs, values)):
            save(os.path.join(at, f"output_{i}.pb"), np.asarray(value), name, kinds[name])
    loose = max([HALF.get(k, 0) for k in [*m.types.values(), *kinds.values()] if k] + [1e-4])
    with open(os.path.join(folder, "case.json"), "w") as f:
        json.dump({"rtol": loose, "atol": loose, **({"random": True} if m.how.get("random") else {})}, f)


def save(path, array, name, kind):
    t = numpy_helper.from_array(array if array.dtype.kind != "U" else array.astype(object), name)
    if t.data_type != kind:
        array = as_type(array, kind) if kind != TensorProto.STRING else array
        t = numpy_helper.from_array(np.asarray(array), name)
    with open(path, "wb") as f:
        f.write(t.SerializeToString())


def choices(schema, how):
    """Choices of types: every type of every variable, the others at their default."""
    variables = {}
    for c in schema.type_constraints:
        kinds = [element(t) for t in c.allowed_type_strs]
        variables[c.type_param_str] = list(dict.fromkeys(k for k in kinds if k))
    for name, wanted in how.get("types", {}).items():
        if wanted and name in variables:
            variables[name] = [k for k in variables[name] if TensorProto.DataType.Name(k) in wanted]
    base = {name: default_of(kinds) for name, kinds in variables.items() if kinds}
    seen = set()
    for name, kinds in variables.items():
        if "of" in how and name not in [*how["of"][0], *how["of"][1]]:
            continue
        for k in kinds:
            types = dict(base, **{name: k})
            if "same" in how and how["same"][0] in types:
                same, like, partner = (*how["same"], {})[:3]
                types[same] = partner.get(TensorProto.DataType.Name(types[like]), types[like])
            key = tuple(sorted(types.items()))
            if key not in seen:
                seen.add(key)
                yield TensorProto.DataType.Name(k).lower() if len(variables) == 1 else f"{name}-{TensorProto.DataType.Name(k).lower()}", types
    if not variables:
        yield "fixed", {}


def generate(a, folder):
    count = collections.Counter()
    silent, number = [], 0
    only = set(a.only.split(",")) if a.only else None
    newest = {}
    for s in onnx.defs.get_all_schemas_with_history():
        newest[s.domain, s.name] = max(newest.get((s.domain, s.name), 0), s.since_version)
    for s in sorted(onnx.defs.get_all_schemas_with_history(), key=lambda s: (s.domain, s.name, s.since_version)):
        if s.deprecated or (only and s.name not in only) or (a.newest and newest[s.domain, s.name] != s.since_version):
            continue
        for n, variant in enumerate(OPS.get((s.domain, s.name), [])):
            how = variant[2]
            if not how.get("since", 1) <= s.since_version <= how.get("to", 999) or (a.symbols and how.get("fixed")):
                continue
            for word, types in list(choices(s, how))[:None if not n or a.all or how.get("types") else 1]:
                number += 1
                if number % a.every:
                    continue
                name = f"{s.domain or 'ai.onnx'}/{s.name}-{s.since_version}/{n}_{word}"
                count["tried"] += 1
                try:
                    m = Model(s, variant, types, a.symbols)
                    oracles = m.expected()
                except Exception as e:
                    print(f"no model: {name}: {type(e).__name__} {e}")
                    count["no model"] += 1
                    continue
                if not oracles:
                    silent.append(name)
                written = False
                if len(oracles) == 2 and agree(*oracles):
                    oracles.pop()
                for oracle, sets in oracles:
                    try:
                        write_case(os.path.join(folder, f"{name}@{oracle}"), m, oracle, sets)
                        written = True
                    except Exception as e:
                        shutil.rmtree(os.path.join(folder, f"{name}@{oracle}"), ignore_errors=True)
                        if a.verbose:
                            print(f"no data: {name}@{oracle}: {type(e).__name__} {e}")
                count["with expected outputs" if written else "without expected outputs"] += 1
    return count, silent


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--work", default="audit")
    ap.add_argument("--only")
    ap.add_argument("--known")
    ap.add_argument("--jobs", default="2")
    ap.add_argument("--every", type=int, default=1)
    for flag in ("newest", "symbols", "list", "all", "verbose"):
        ap.add_argument(f"--{flag}", action="store_true")
    a = ap.parse_args()
    if a.list:
        names = {(s.domain, s.name) for s in onnx.defs.get_all_schemas_with_history()}
        print("\n".join(f"{d}.{n}" for d, n in sorted(names - set(OPS))))
        return 0
    folder = os.path.join(a.work, "cases")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    count, silent = generate(a, folder)
    report = os.path.join(a.work, "results.jsonl")
    subprocess.run([a.tool, "verify", "--cases", folder, "--jobs", a.jobs, f"--json={report}", "-q"], stdout=subprocess.DEVNULL, check=False)
    best, judges = {}, collections.defaultdict(list)
    order = ["pass", "unsupported", "fail", "error"]
    with open(report) as f:
        for line in f:
            r = json.loads(line)
            name, judge = r["case"].rsplit("@", 1)
            judges[name].append(judge)
            if name not in best or order.index(r["result"]) < order.index(best[name]["result"]):
                best[name] = r
    known = set()
    if a.known:
        with open(a.known) as f:
            known = {line.split("#")[0].strip() for line in f} - {""}
    new = 0
    for name, r in sorted(best.items()):
        count[r["result"]] += 1
        if r["result"] == "pass":
            continue
        if any(fnmatch.fnmatchcase(f"{name}@{'+'.join(sorted(judges[name]))}", k) for k in known):
            count["known"] += 1
        else:
            new += 1
            print(f"{r['result']}: {r['case']}: {r.get('reason', '')[:300]}")
    with open(os.path.join(a.work, "silent.txt"), "w") as f:
        f.write("\n".join(silent) + "\n")
    print(", ".join(f"{v} {k}" for k, v in count.items()))
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
