# Tree ensembles of every shape and test against onnxruntime, and onnx's reference evaluator for version 5: one leaf, deep and thin, mixed depths; each mode, missing values, sets of members.
. "$(dirname "$0")/lib.sh"

python=${ONNXCC_TEST_PYTHON:-python3}
"$python" -c 'import onnx.reference, onnxruntime, numpy' 2> /dev/null || { echo "SKIPPED: no onnx or onnxruntime package"; exit 77; }

cat > trees.py <<'EOT'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

FEATURES, ROWS = 6, 61
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
SHAPES = {"leaf": (0, 1), "thin": (40, 1), "mixed": (9, 0.2)}  # most levels, share of branches that end early


def grow(random, columns, tree, shape, mode, missing, targets):
    """Adds a tree's nodes and leaves to the lists of TreeEnsembleRegressor's attributes."""
    levels, early = SHAPES[shape]
    places, n = [(0, 0)], 1
    while places:
        node, depth = places.pop()
        leaf = depth == levels or (shape == "mixed" and depth and random.random() < early) or (shape == "thin" and node and not node % 2)
        true, false = (0, 0) if leaf else (n, n + 1)
        for name, value in {"treeids": tree, "nodeids": node, "modes": "LEAF" if leaf else MODES[random.integers(6)] if mode is None else mode,
                            "featureids": 0 if leaf else int(random.integers(FEATURES)), "values": float(random.integers(-3, 4)), "truenodeids": true,
                            "falsenodeids": false, "missing_value_tracks_true": int(missing and not leaf and random.integers(2))}.items():
            columns.setdefault("nodes_" + name, []).append(value)
        for target in range(targets if leaf else 0):
            for name, value in {"treeids": tree, "nodeids": node, "ids": target, "weights": float(random.integers(-64, 65)) / 64}.items():
                columns.setdefault("target_" + name, []).append(value)
        if not leaf:
            places += [(false, depth + 1), (true, depth + 1)]
            n += 2


def save(random, name, node, missing=False):
    x = random.integers(-4, 5, (ROWS, FEATURES)).astype(np.float32)
    x[random.random(x.shape) < 0.1 * missing] = np.nan
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", FEATURES])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", None])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", node.name == "v5" and 5 or 3)], ir_version=10)
    onnx.save(model, name + ".onnx")
    np.savez(name + ".npz", x=x)
    np.savez(name + "_one.npz", x=x[:1])
    engine = ReferenceEvaluator(model) if node.name == "v5" else onnxruntime.InferenceSession(name + ".onnx", providers=["CPUExecutionProvider"])
    np.save(name + "_want.npy", engine.run(None, {"x": x})[0])


def members(random):
    """x[0] in a set, on both sides of which the same nodes are reached."""
    sets = [1.0, 3.0, np.nan, -2.0, np.nan]
    return helper.make_node("TreeEnsemble", ["x"], ["y"], name="v5", domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0, tree_roots=[0],
                            nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [3], [6, 6, 0]), nodes_featureids=[0, 1, 2], nodes_truenodeids=[2, 0, 1],
                            nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[1, 2, 2], nodes_falseleafs=[0, 0, 1],
                            nodes_splits=helper.make_tensor("s", TensorProto.FLOAT, [3], [0, 0, 0.5]),
                            membership_values=helper.make_tensor("v", TensorProto.FLOAT, [5], sets), leaf_targetids=[0, 0, 0],
                            leaf_weights=helper.make_tensor("w", TensorProto.FLOAT, [3], [1, 2, 4]))


def main():
    random = np.random.default_rng(7)
    cases = [(mode, missing) for mode in MODES + [None] for missing in (False, True)]
    for i, (mode, missing) in enumerate(cases):
        columns, targets = {}, 3 if missing else 1
        for tree, shape in enumerate(["mixed"] * 11 + ["leaf", "thin", "thin", "mixed", "leaf"]):
            grow(random, columns, tree, shape, mode, missing, targets)
        save(random, f"case{i}", helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=targets, **columns), missing)
    save(random, f"case{len(cases)}", members(random))


def check(name):
    want = np.load(name + "_want.npy")
    for got, part in (np.load("got.npy"), want), (np.load("one.npy"), want[:1]):
        if not np.array_equal(got, part.reshape(got.shape)):
            sys.exit(f"{name}: {got[:4]} instead of {part[:4]}")


main() if len(sys.argv) == 1 else check(*sys.argv[1:])
EOT
"$python" trees.py || fail "no models"
# Small trees have masks where vectors are long enough to gain by them.
expect 0 compile case0.onnx -o long --target x86-64-v3
says long/case0.c "COLUMNS 6"
expect 0 compile case0.onnx -o short --target generic-c99
says short/case0.c "COLUMNS 0"
for model in case*.onnx; do
    name=${model%.onnx}
    expect 0 run "$model" --input "$name.npz" -o got.npy --threads 3
    expect 0 run "$model" --input "${name}_one.npz" -o one.npy
    "$python" trees.py "$name" > out 2> err || fail "$name"
done
