#!/usr/bin/env python3
"""Compares the verdicts of `onnxcc check` with those of onnx.checker that a conformance folder records.

    conformance.py ONNXCC DIR [--known FILE] [--least SHARE] [--least-class SHARE] [--work DIR] [--list]

DIR has reader.py and open/checker.* (its README explains the records). Judged are models given as bytes or by path, with the record's flags. A verdict agrees when
both accept or both refuse; a class agrees when what is said is of the same kind, onnx's ValidationError, InferenceError or an error of parsing. FILE names records
that are known to differ, one a line with its reason behind a tab; others that differ are printed, and so are names there that agree. --list prints
all differences. Bare nodes, tensors and the like, which are no files of models, are left out: their /wrapped records are judged. Exit code 77: no such folder."""
import collections
import json
import os
import subprocess
import sys
import tempfile

from records import Tally, arguments, load_corpus

BATCH = 200
FLAGS = (("full_check", "--full"), ("skip_opset", "--skip-opset"), ("check_custom_domain", "--check-custom-domains"))


def class_of(record):
    """What onnx says of a refused record: parse, inference or validation."""
    if record["exc"] in ("ValidationError", "InferenceError"):
        return "inference" if record["exc"] == "InferenceError" else "validation"
    return "parse" if "parse" in record["error"].lower() else "validation"


def our_class(errors):
    kinds = {e.get("class", "validation") for e in errors}
    return "parse" if "parse" in kinds else "validation" if "validation" in kinds else "inference"


def verdicts(tool, flags, paths):
    """path -> (ok, errors); a crash is a verdict of its own."""
    found = {}
    for at in range(0, len(paths), BATCH):
        batch = paths[at:at + BATCH]
        done = subprocess.run([tool, "check", "--json", *flags, *batch], capture_output=True, text=True)
        for line in done.stdout.splitlines():
            r = json.loads(line)
            found[r["file"]] = (r["ok"], r.get("errors", []))
        if len(found.keys() & set(batch)) == len(batch):
            continue
        for path in batch:  # one of them ended the program
            if path not in found:
                one = subprocess.run([tool, "check", "--json", *flags, path], capture_output=True, text=True)
                lines = one.stdout.splitlines()
                found[path] = (json.loads(lines[0])["ok"], json.loads(lines[0]).get("errors", [])) if lines else ("crash", [{"message": one.stderr[-300:]}])
    return found


def main():
    ap = arguments(__doc__)
    ap.add_argument("--least-class", type=float, default=0)
    ap.add_argument("--work")
    ap.add_argument("--list", action="store_true")
    o = ap.parse_args()
    c = load_corpus(o.root, "checker")
    work = o.work or tempfile.mkdtemp()
    groups = collections.defaultdict(list)  # flags -> (path, record)
    for k, r in enumerate(c.records()):
        if r["api"] not in ("check_model", "check_model_path", "load_external") or o.only not in r["id"]:
            continue
        flags = tuple(f for name, f in FLAGS if r.get(name))
        if "blob" in r:
            path = os.path.join(work, "blob", os.path.basename(r["blob"]))
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as f:
                    f.write(c.get(r["blob"]))
        else:
            root = os.path.join(work, "path", str(k))
            path = os.path.join(root, r["model"]) if os.path.exists(root) else c.lay_out(r, root)
        groups[flags].append((path, r))
    tally = Tally(None if o.list else o.known)
    n = same = same_class = refused = 0
    for flags, list_ in groups.items():
        found = verdicts(o.tool, flags, sorted({p for p, _ in list_}))
        for path, r in list_:
            ok, errors = found[path]
            n += 1
            agrees = ok == r["ok"]
            same += agrees
            why = None
            if not agrees:
                why = f"onnx: {'accepts' if r['ok'] else r['exc'] + ': ' + r['error'][:150]!r}, onnxcc: " + ("accepts" if ok is True else str(ok) if ok else "") + "; ".join(e.get("message", "")[:150] for e in errors[:2])
            elif not r["ok"]:
                refused += 1
                kind, ours = class_of(r), our_class(errors)
                same_class += kind == ours
                if kind != ours:
                    why = f"class {kind}: {r['error'][:120]!r}, ours {ours}: {errors[0].get('message', '')[:120]!r}"
            tally.add(r["id"], "", why)
    status = tally.finish(0, "the same in verdict and class")
    print(f"verdict {100 * same / max(n, 1):.2f} %, class {100 * same_class / max(refused, 1):.2f} % of {refused} refused by both")
    return status if same >= o.least * n and same_class >= o.least_class * refused else 1


if __name__ == "__main__":
    sys.exit(main())
