#!/usr/bin/env python3
"""Decoders of a model corpus whose caches are state: a few tokens one after the other, from an empty cache on, against onnxruntime, which is handed the grown caches.

    decoder.py ONNXCC CORPUS [MODEL...]

Every model with inputs past_key_values.* and outputs present.* is compiled by the Python package with `state` for each pair and past_sequence 0..N, whose count the package keeps; what it gives and what onnxruntime gives (without
optimizations) differ by no more than the model's stated tolerance. The generated code may not copy a cache. Exit code 77: no onnxruntime, or no corpus."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnxruntime
except ImportError as e:
    print(f"skipped: {e.name} is not installed")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import onnxcc  # noqa: E402

CAPACITY, PROMPT, TURNS = 24, 5, 6


def sizes_of(session):
    """Names of the dimensions: batch, new tokens, tokens in the cache, both together."""
    by_name = {i.name: i.shape for i in session.get_inputs()}
    past = next(s for n, s in by_name.items() if n.startswith("past_key_values"))
    return by_name["input_ids"][0], by_name["input_ids"][1], past[2], by_name["attention_mask"][1]


def feed(session, names, ids, past, caches):
    batch, new, old, total = names
    given = {}
    for i in session.get_inputs():
        if i.name == "input_ids":
            given[i.name] = ids
        elif i.name == "attention_mask":
            given[i.name] = np.ones((1, past + ids.shape[1]), np.int64)
        elif i.name == "position_ids":
            given[i.name] = np.arange(past, past + ids.shape[1], dtype=np.int64)[None]
        else:
            given[i.name] = caches[i.name]
    return given


def build(path, names, pairs):
    batch, new, old, total = names
    model = onnxcc.compile(path, dim={batch: 1, new: f"1..{PROMPT}", old: f"0..{CAPACITY - PROMPT}"}, state=dict(pairs))
    source, = glob.glob(os.path.join(os.environ["ONNXCC_CACHE"], "*", "model.c"))
    with open(source) as f:
        assert not re.search(r"memcpy\([^;]*in->state", f.read()), "a cache is copied"
    return model


def run_model(root, name, work):
    path = os.path.join(work, name, "model.onnx")
    subprocess.run([sys.executable, os.path.join(root, "corpus.py"), "materialize", name, "--out", work], check=True, stdout=subprocess.DEVNULL)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = sizes_of(session)
    into = [i.name for i in session.get_inputs() if i.name.startswith("past_key_values")]
    pairs = [(n.replace("past_key_values", "present"), n) for n in into]
    outputs = [o.name for o in session.get_outputs()]
    os.environ["ONNXCC_CACHE"] = os.path.join(work, name, "code")
    model = build(path, names, pairs)
    with open(os.path.join(root, name, "meta.json")) as f:
        meta = json.load(f)
    tolerance = meta["tolerance"]
    shape = {i.name: i.shape for i in session.get_inputs()}
    caches = {n: np.zeros([1, shape[n][1], 0, shape[n][3]], np.float32) for n in into}
    rng = np.random.RandomState(1)
    past, worst = 0, 0.0
    for turn in range(TURNS):
        ids = rng.randint(1, 1000, (1, PROMPT if not turn else 1)).astype(np.int64)
        given = feed(session, names, ids, past, caches)
        answer = dict(zip(outputs, session.run(None, given)))
        caches = {i: answer[o] for o, i in pairs}
        logits = next(o for o in outputs if not o.startswith("present"))
        ours = model.run({n: v for n, v in given.items() if n not in caches})[logits]
        worst = max(worst, float((abs(ours - answer[logits]) / (tolerance["atol"] + tolerance["rtol"] * abs(answer[logits]))).max()))
        past += ids.shape[1]
    return worst


def main():
    os.environ["ONNXCC"], root = os.path.abspath(sys.argv[1]), sys.argv[2]
    if not os.path.exists(os.path.join(root, "index.json")):
        print(f"skipped: no model corpus at {root}")
        sys.exit(77)
    names = sys.argv[3:] or ["hf-gpt2-kv-ts", "hf-llama-gqa-kv-ts"]
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            worst = run_model(root, name, work)
            failed += worst > 1
            print(f"{name}: {TURNS} runs, {worst:.3g} times the tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
