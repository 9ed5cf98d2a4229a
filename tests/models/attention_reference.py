#!/usr/bin/env python3
"""LinearAttention of ai.onnx and FlexAttention of ai.onnx.preview on random data, against the onnx package's reference evaluator.

    attention_reference.py ONNXCC [WORD]

Each becomes a case of `onnxcc verify --cases`, sizes being symbols; WORD: only cases with it in their name. Exit code 77 where there is no onnx package
that has these operators."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import TensorProto, defs, helper, numpy_helper, save
    from onnx.reference import ReferenceEvaluator

    defs.get_schema("LinearAttention")
    defs.get_schema("FlexAttention", domain="ai.onnx.preview")
except Exception as e:  # the schema error is of the package's own kind
    print(f"skipped: {e}")
    sys.exit(77)

RNG = np.random.default_rng(7)


def noise(*shape, kind=np.float32):
    return RNG.standard_normal(shape).astype(kind)


def linear():
    for kind in (np.float32, np.float16):
        for rule in ("linear", "gated", "delta", "gated_delta"):
            for heads, kv in ((2, 2), (4, 2), (3, 1)):
                for past in (False, True):
                    b, t, dk, dv = 2, 1 if heads == 3 else 5, 4, 6
                    inputs = {"query": noise(b, t, heads * dk, kind=kind), "key": 0.4 * noise(b, t, kv * dk, kind=kind), "value": noise(b, t, kv * dv, kind=kind)}
                    if past:
                        inputs["past_state"] = noise(b, kv, dk, dv, kind=kind)
                    if "gated" in rule:
                        inputs["decay"] = -np.abs(noise(b, t, kv * (dk if past else 1), kind=kind))
                    if "delta" in rule:
                        inputs["beta"] = RNG.random((b, t, kv if past else 1)).astype(kind)
                    inputs = {k: v.astype(kind) for k, v in inputs.items()}
                    names = [n if n in inputs else "" for n in ("query", "key", "value", "past_state", "decay", "beta")]
                    more = {"scale": 0.3} if heads == 4 else {}
                    node = helper.make_node("LinearAttention", names, ["y", "state"], q_num_heads=heads, kv_num_heads=kv, update_rule=rule, **more)
                    yield f"linear_{np.dtype(kind).name}_{rule}_{heads}{kv}_{int(past)}", node, inputs, {"y": (kind, 3), "state": (kind, 4)}


def modifier(name, kind, nodes):
    constants = [numpy_helper.from_array(np.asarray(0.5, kind), "half"), numpy_helper.from_array(np.where(np.tri(3, 5), 0, -np.inf).astype(kind), "mask")]
    ends = [[helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), ["B", "H", "L", "S"])] for n in ("in", "out")]
    return helper.make_graph(nodes, name, *ends, constants)


def flex():
    for kind in (np.float32, np.float64, np.float16):
        for heads, kv in ((2, 2), (4, 2), (3, 1)):
            for case in ("plain", "scale", "score", "prob", "both", "precise"):
                inputs = {"q": noise(2, heads, 3, 4, kind=kind), "k": noise(2, kv, 5, 4, kind=kind), "v": noise(2, kv, 5, 6, kind=kind)}
                inner = np.float64 if kind == np.float64 or case == "precise" else np.float32
                more = {}
                if case in ("score", "both"):
                    more["score_mod"] = modifier("score", inner, [helper.make_node("Mul", ["in", "half"], ["capped"]), helper.make_node("Add", ["capped", "mask"], ["out"])])
                if case in ("prob", "both"):
                    more["prob_mod"] = modifier("prob", inner, [helper.make_node("Mul", ["in", "half"], ["out"])])
                if case == "scale":
                    more["scale"] = 0.2
                if case == "precise":
                    more["softmax_precision"] = TensorProto.DOUBLE
                node = helper.make_node("FlexAttention", ["q", "k", "v"], ["y"], domain="ai.onnx.preview", **more)
                yield f"flex_{np.dtype(kind).name}_{case}_{heads}{kv}", node, inputs, {"y": (kind, 4)}


def write(folder, name, node, inputs, outputs):
    kind = lambda t: helper.np_dtype_to_tensor_dtype(np.dtype(t))
    time = {"q": "l", "k": "s", "v": "s"}  # names of dimension 2 of FlexAttention's inputs; LinearAttention has time in dimension 1, and no state has it
    given = []
    for k, v in inputs.items():
        shape = ["b", v.shape[1], time[k], v.shape[3]] if node.domain else ["b", "t" if v.ndim == 3 else v.shape[1], *v.shape[2:]]
        given.append(helper.make_tensor_value_info(k, kind(v.dtype), shape))
    results = [helper.make_tensor_value_info(k, kind(t), [None] * rank) for k, (t, rank) in outputs.items()]
    graph = helper.make_graph([node], name, given, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 27), helper.make_opsetid("ai.onnx.preview", 1)], ir_version=13)
    wanted = ReferenceEvaluator(model).run(None, inputs)
    data = os.path.join(folder, name, "test_data_set_0")
    os.makedirs(data)
    save(model, os.path.join(folder, name, "model.onnx"))
    for word, values in (("input", inputs.values()), ("output", wanted)):
        for k, v in enumerate(values):
            with open(os.path.join(data, f"{word}_{k}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(np.asarray(v), "").SerializeToString())


def main():
    word, bad = sys.argv[2] if len(sys.argv) > 2 else "", 0
    rows = [row for row in [*linear(), *flex()] if word in row[0]]
    for half, limits in ((False, ("--rtol=1e-4", "--atol=1e-5")), (True, ("--rtol=4e-3", "--atol=4e-3"))):
        with tempfile.TemporaryDirectory() as folder:
            some = [row for row in rows if ("float16" in row[0]) == half]
            for row in some:
                write(folder, *row)
            run = subprocess.run([sys.argv[1], "verify", "--cases", folder, *limits, "-v", "--jobs=2"], stdout=subprocess.PIPE, text=True, check=False)
        lines = [line for line in run.stdout.splitlines() if not line.startswith("pass")]
        good = not some or (run.returncode == 0 and not any(line.startswith("unsupported") for line in lines))
        print("\n".join(lines))
        print(f"{len(some)} cases of {'float16' if half else 'float and double'}: {'the same' if good else 'DIFFERENT'}")
        bad += not good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
