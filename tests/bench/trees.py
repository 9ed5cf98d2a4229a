#!/usr/bin/env python3
"""Writes a tree ensemble to measure: trees.onnx (500 trees of depth 8, about 225 nodes each, 32 features, random), and its inputs as `onnxcc bench`
takes them: rows/K.npz, 256 sets of one row for --data, and rows1024.npz for --input.

    trees.py FOLDER"""
import argparse
import os

import numpy as np
import onnx
from onnx import helper

TREES, DEPTH, FEATURES, LEAF = 500, 8, 32, 0.118  # LEAF: the share of inner places that are leaves all the same


def grow(random, tree, columns):
    """Adds a tree's nodes, in order of their numbers, to the lists of TreeEnsembleRegressor's attributes."""
    open_places, n = [(0, 0)], 1
    while open_places:
        node, depth = open_places.pop(0)
        leaf = depth == DEPTH or (depth > 1 and random.random() < LEAF)
        true, false = (0, 0) if leaf else (n, n + 1)
        row = {"treeids": tree, "nodeids": node, "modes": "LEAF" if leaf else "BRANCH_LEQ", "featureids": 0 if leaf else int(random.integers(FEATURES)),
               "values": 0.0 if leaf else float(np.float32(random.standard_normal())), "truenodeids": true, "falsenodeids": false}
        for name, value in row.items():
            columns.setdefault("nodes_" + name, []).append(value)
        if leaf:
            for name, value in {"treeids": tree, "nodeids": node, "ids": 0, "weights": float(np.float32(random.standard_normal() / TREES))}.items():
                columns.setdefault("target_" + name, []).append(value)
        else:
            open_places += [(true, depth + 1), (false, depth + 1)]
            n += 2


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    folder = p.parse_args().folder
    random = np.random.default_rng(0)
    columns = {}
    for tree in range(TREES):
        grow(random, tree, columns)
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM", post_transform="NONE", **columns)
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", FEATURES])],
                              [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)
    onnx.checker.check_model(model)
    os.makedirs(os.path.join(folder, "rows"), exist_ok=True)
    onnx.save(model, os.path.join(folder, "trees.onnx"))
    for k in range(256):
        np.savez(os.path.join(folder, "rows", f"{k}.npz"), x=random.standard_normal((1, FEATURES)).astype(np.float32))
    np.savez(os.path.join(folder, "rows1024.npz"), x=random.standard_normal((1024, FEATURES)).astype(np.float32))
    print(f"{len(columns['nodes_modes'])} nodes")


main()
