#!/usr/bin/env python3
"""Element types that an operator's schema does not list, where a wider one of the same kind is: a warning and the right answer, or refused.

    audit_beyond.py ONNXCC [--work DIR] [--only NAME[,NAME]] [--least N] [--jobs N]

The newest version of each operator of audit_table.py, first variant, each type of fewer bits. Expected is what onnxruntime or onnx.reference gives for the widest listed
type of the kind, each element rounded or wrapped once. Refused for its type is fine, but fewer than N that pass are a failure. Exit code 77: no
onnxruntime."""
import argparse
import json
import os
import shutil
import subprocess
import sys

from audit import Model, TensorProto, as_type, default_of, element, helper, is_float, ml_dtypes, np, onnx, write_case
from audit_table import OPS

# Not FLOAT8E8M0, which has no zero to pad with.
NARROW = {"FLOAT16": 16, "BFLOAT16": 16, "FLOAT8E4M3FN": 8, "FLOAT8E4M3FNUZ": 8, "FLOAT8E5M2": 8, "FLOAT8E5M2FNUZ": 8, "FLOAT6E2M3": 6, "FLOAT6E3M2": 6,
          "FLOAT4E2M1": 4, "INT16": 16, "INT8": 8, "INT4": 4, "INT2": 2, "UINT16": 16, "UINT8": 8, "UINT4": 4, "UINT2": 2}
WIDE = ["FLOAT", "INT32", "UINT32", "INT8", "UINT8"]


def kind_letter(name):
    return name[0] if name[0] in "UI" else "F"


def pairs(kinds):
    """(type that is not listed, the listed one to compute it in)"""
    for name in NARROW:
        narrow = TensorProto.DataType.Value(name)
        wide = [TensorProto.DataType.Value(w) for w in WIDE if kind_letter(w) == kind_letter(name) and TensorProto.DataType.Value(w) in kinds]
        if narrow not in kinds and wide:
            yield narrow, wide[0]


def dtype(kind):
    return np.dtype(helper.tensor_dtype_to_np_dtype(kind))


def converted(array, kind):
    """Wrapped, where integers are: ml_dtypes has no rule for its own."""
    name = TensorProto.DataType.Name(kind)
    if not is_float(kind) and NARROW[name] < 8:
        array = np.asarray(array, np.int64) & ((1 << NARROW[name]) - 1)
        if name[0] == "I":
            array = np.where(array >= 1 << (NARROW[name] - 1), array - (1 << NARROW[name]), array)
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(dtype(kind))


def step(kind):
    """The distance of two neighbours, relative: what an evaluator's own last bit may turn at a tie. Integers and movement are exact all the same."""
    return float(ml_dtypes.finfo(dtype(kind)).eps) if is_float(kind) else 0


def build(schema, variant, variable, narrow, wide):
    """The model in the narrow type, and expected outputs from the one in the wide type on the same numbers; None where no evaluator has them."""
    base = {}
    for c in schema.type_constraints:
        kinds = [k for k in map(element, c.allowed_type_strs) if k]
        if kinds:
            base[c.type_param_str] = default_of(kinds)
    m = Model(schema, variant, {**base, variable: narrow}, False)
    w = Model(schema, variant, {**base, variable: wide}, False)
    infos = {i.name: i.type.tensor_type.elem_type for i in m.infos}
    w.feeds = [{k: v.astype(dtype(wide)) if infos[k] == narrow else v for k, v in feed.items()} for feed in m.feeds]
    w.initializers = [onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(t).astype(dtype(wide)), t.name) if t.data_type == narrow else t for t in m.initializers]
    oracles = w.expected()
    if not oracles:
        return None
    sets = [[converted(v, narrow) if kind == narrow else v for (_, kind), v in zip(m.outputs, values)] for values in oracles[0][1]]
    return m, oracles[0][0], sets


def generate(a, folder):
    only = set(a.only.split(",")) if a.only else None
    for (domain, name), variants in sorted(OPS.items()):
        if domain or (only and name not in only) or not onnx.defs.has(name, domain) or "of" in variants[0][2] or variants[0][2].get("random"):
            continue
        schema = onnx.defs.get_schema(name, domain=domain)
        newest = [v for v in variants if v[2].get("since", 1) <= schema.since_version <= v[2].get("to", 999)]
        for c in schema.type_constraints if newest and not schema.deprecated else []:
            for narrow, wide in pairs([k for k in map(element, c.allowed_type_strs) if k]):
                case = f"{name}/{c.type_param_str}-{TensorProto.DataType.Name(narrow).lower()}"
                try:
                    made = build(schema, newest[0], c.type_param_str, narrow, wide)
                    if made:
                        write_case(os.path.join(folder, case), made[0], made[1], made[2])
                        with open(os.path.join(folder, case, "case.json"), "w") as f:
                            json.dump({"rtol": step(narrow), "atol": 1e-6}, f)
                except (ValueError, TypeError, KeyError, AttributeError, onnx.onnx_cpp2py_export.checker.ValidationError) as e:
                    shutil.rmtree(os.path.join(folder, case), ignore_errors=True)
                    if a.verbose:
                        print(f"no case: {case}: {type(e).__name__} {e}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--work", default="audit_beyond")
    ap.add_argument("--only")
    ap.add_argument("--least", type=int, default=1)
    ap.add_argument("--jobs", default="2")
    ap.add_argument("--verbose", action="store_true")
    a = ap.parse_args()
    folder, report = os.path.join(a.work, "cases"), os.path.join(a.work, "results.jsonl")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    generate(a, folder)
    subprocess.run([a.tool, "verify", "--cases", folder, "--jobs", a.jobs, f"--json={report}", "-q"], stdout=subprocess.DEVNULL, check=False)
    with open(report) as f:
        records = [json.loads(line) for line in f]
    passed = [r for r in records if r["result"] == "pass"]
    refused = [r for r in records if r["result"] != "pass" and any(f"[{code}]" in r["reason"] for code in ("input-type", "output-type", "type-mismatch"))]
    wrong = [r for r in records if r not in passed and r not in refused]
    for r in wrong:
        print(f"{r['result']}: {r['case']}: {r['reason'][:300]}")
    if a.verbose:
        print("\n".join(f"refused: {r['case']}: {r['reason'][:200]}" for r in refused))
    print(f"{len(passed)} passed, {len(refused)} refused, {len(wrong)} wrong")
    return 1 if wrong or len(passed) < a.least else 0


if __name__ == "__main__":
    sys.exit(main())
