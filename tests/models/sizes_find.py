#!/usr/bin/env python3
"""Finds, for every model of a corpus with a dynamic dimension, two sizes that its cases don't have and that onnxruntime accepts.

    sizes_find.py CORPUS --out DIR [MODEL...]       updates corpus.json beside it; DIR holds materialized models

Dimensions that are equal in every case stay equal, and one that is the sum of two others stays that. The first size is the smallest that is
accepted, 1 where possible; the second is another than the cases', odd where possible. A size is accepted when onnxruntime runs the model there
with optimization off and gives no NaN or infinity that a case doesn't give, when no tensor is empty, when the windows of pools fit into what they go over
(else the standard's size is 0, onnxruntime's 1), and when broadcasting stretches no dimension that has another size than 1 in a case (docs/pipeline.md)."""
import argparse
import itertools
import json
import os
import sys
import tempfile

import numpy as np
import onnx

import corpus as runner
import sizes

TRIES = 4000
BROADCAST = {"Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "Mean", "Sum", "PRelu", "Equal", "Less", "Greater", "And", "Or", "Xor"}


def relations(cases):
    """Free dimensions, {dimension: the free one that it equals}, {dimension: the two whose sum it is}."""
    column = {d: tuple(c[d] for c in cases) for d in cases[0]}
    free, same, sums = [], {}, {}
    for d in column:
        first = next((f for f in free if column[f] == column[d]), None)
        if first:
            same[d] = first
        else:
            free.append(d)
    for d in list(free):
        pair = next((p for p in itertools.combinations(free, 2) if d not in p and all(column[p[0]][k] + column[p[1]][k] == column[d][k] for k in range(len(cases)))), None)
        if pair and len(cases) > 1:
            sums[d] = pair
            free.remove(d)
    return free, same, sums


def complete(free_size, same, sums, order):
    size = dict(free_size)
    for d, (a, b) in sums.items():
        size[d] = size[a] + size[b]
    for d, f in same.items():
        size[d] = size[f]
    return {d: size[d] for d in order}


def smaller(n):
    """Sizes to try first: the smallest first, then those of strided networks."""
    steps = [1, 2, 3, 5] if n <= 8 else [1, 2, 3, 5, 8, 11, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, n // 4, n // 2, 400, 512, 1280, n * 3 // 4]
    return [s for s in dict.fromkeys(steps) if 0 < s <= max(n, 5)] + [n]


def others(n):
    if n <= 8:
        return [5, 4, 3, 2, 6, 7, n]
    steps = [n * 4 // 3 | 1, n * 3 // 4 | 1, n + 7, n + 32, n - 32, n * 3 // 2, n * 2, n // 2, n + 64, n + 128, n]
    return [s for s in dict.fromkeys(steps) if s > 0]


def finite(outputs):
    return all(np.isfinite(v).all() for v in outputs.values() if v.dtype.kind == "f")


def hangs_over(node, shapes):
    """Does the window of a pool or convolution not fit into its padded input?"""
    kind = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    taps, x = kind.get("kernel_shape"), shapes.get(node.input[0]) if node.input else None
    if not taps or not x or kind.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return False
    n = len(taps)
    pads, dilations = kind.get("pads", [0] * 2 * n), kind.get("dilations", [1] * n)
    return "Transpose" not in node.op_type and any(x[i - n] + pads[i] + pads[i + n] < (taps[i] - 1) * dilations[i] + 1 for i in range(n))


class Shapes:
    """The shapes of the tensors of a model's main graph, as onnxruntime has them."""

    def __init__(self, corpus, path, cases):
        self.corpus, model = corpus, onnx.load(path)
        self.nodes = model.graph.node
        self.constant = {t.name: list(t.dims) for t in model.graph.initializer}
        had = {o.name for o in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=n) for node in self.nodes for n in node.output if n and n not in had)
        with tempfile.TemporaryDirectory() as folder:
            onnx.save(model, os.path.join(folder, "model.onnx"))
            self.session = sizes.session(os.path.join(folder, "model.onnx"))
        self.fixed = [self.at(inputs) for inputs in cases]

    def at(self, inputs):
        values = list(inputs.items()) + list(zip((o.name for o in self.session.get_outputs()), self.session.run(None, inputs)))
        return {**self.constant, **{n: list(v.shape) for n, v in values if isinstance(v, np.ndarray)}}

    def trouble(self, inputs):
        """Why a size is none to compare at; "" when it is one."""
        here = self.at(inputs)
        for name, shape in here.items():
            if 0 in shape and not any(0 in case.get(name, [0]) for case in self.fixed):
                return f"{name} is empty"
        for node in self.nodes:
            if hangs_over(node, here):
                return f"the window of {node.output[0]} does not fit"
            out = here.get(node.output[0])
            if node.op_type not in BROADCAST or out is None:
                continue
            for name in node.input:
                mine = here.get(name, out)
                for axis in range(1, len(mine) + 1):
                    if mine[-axis] == 1 and out[-axis] != 1 and any(case.get(name, mine)[-axis] != 1 for case in self.fixed):
                        return f"{name} is stretched"
        return ""


def find(corpus, model_id, path):
    meta = corpus.meta_of(model_id)
    cases = [sizes.dims_in(corpus, model_id, k) for k in range(len(meta["cases"]))]
    if not cases[0]:
        return []
    free, same, sums = relations(cases)
    session = sizes.session(path)
    was_finite = finite(sizes.outputs_at(corpus, session, corpus.make_inputs(model_id, 0)))
    found, known = [], list(cases)
    shapes = Shapes(corpus, path, [corpus.make_inputs(model_id, k) for k in range(len(cases))])
    for choices in (smaller, others):
        lists = [choices(cases[-1][d]) for d in free]
        order = sorted(itertools.product(*(range(len(x)) for x in lists)), key=lambda at: (sum(at), max(at)))
        why = "none left"
        for at in order[:TRIES]:
            size = complete({d: x[i] for d, x, i in zip(free, lists, at)}, same, sums, cases[0])
            if size in known:
                continue
            try:
                inputs = sizes.inputs_at(corpus, model_id, size)
                outputs = sizes.outputs_at(corpus, session, inputs)
            except Exception as e:  # onnxruntime's own, of many types
                why = str(e)[:200]
                continue
            why = shapes.trouble(inputs) or ("" if finite(outputs) or not was_finite else "not finite")
            if not why:
                found.append(size)
                known.append(size)
                break
        else:
            print(f"{model_id}: {choices.__name__}: {why}", file=sys.stderr)
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("corpus")
    ap.add_argument("models", nargs="*")
    ap.add_argument("--out", required=True)
    a = ap.parse_intermixed_args()
    corpus = runner.load_corpus(a.corpus)
    records = sizes.recorded() if os.path.exists(sizes.RECORDED) else {}
    for model_id in corpus.pick(a.models):
        path = os.path.join(a.out, model_id, "model.onnx")
        if not os.path.exists(path):
            corpus.materialize(model_id, a.out)
        found = find(corpus, model_id, path)
        if found:
            records.setdefault(model_id, {})["sizes"] = found
        print(model_id, found, flush=True)
        with open(sizes.RECORDED, "w") as f:
            entries = []
            for key in sorted(records):
                lines = [f'  "{word}": {json.dumps(records[key][word])}' for word in records[key] if word != "sizes"]
                if "sizes" in records[key]:
                    lines.append('  "sizes": [' + ",\n            ".join(json.dumps(s) for s in records[key]["sizes"]) + "]")
                entries.append(f' {json.dumps(key)}: {{\n' + ",\n".join(lines) + "}")
            f.write("{\n" + ",\n".join(entries) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
