#!/usr/bin/env python3
"""Times of generated C for 500 trees of depth 8 (trees.py) against C of tl2cgen for the same trees, in one process, as a Markdown table.

    trees_tl2cgen.py ONNXCC [--work DIR] [--ways LIST] [--seconds S] [--arguments WORDS] [--json FILE]

The Python that runs this needs onnx, treelite and tl2cgen. tl2cgen's code is generated in the ways of LIST - plain, quantized (thresholds as numbers of their order)
and annotated (branches marked with how often other rows take them) - each in 8 files, for the compiler's sake, and compiled with -O3 -march=native.
That takes minutes, and what is in DIR already is used again. Ours is compiled with the options of its CMakeLists.txt.

One row: 256 of them in turns. 1024 rows: one call of ours, 1024 of tl2cgen's. Times are those of rounds.h; ratio = tl2cgen's time / ours, of the shortest rounds and, in
brackets, of the medians; `differs`: the largest difference from our outputs as a share of the largest. Nothing here passes or fails."""
import argparse
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import tl2cgen
from native import CC, HERE, call, figure, generate, link, times, write_raw
from treelite.model_builder import Metadata, ModelBuilder, PostProcessorFunc, TreeAnnotation

ROWS, MANY, FILES = 256, 1024, 8


def treelite_model(path):
    """The TreeEnsembleRegressor of trees.py as treelite has it; its nodes are in the order of their trees."""
    node = onnx.load(path).graph.node[0]
    a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
    n_trees, n_features = max(a["nodes_treeids"]) + 1, max(a["nodes_featureids"]) + 1
    leaves = dict(zip(zip(a["target_treeids"], a["target_nodeids"]), a["target_weights"]))
    builder = ModelBuilder(threshold_type="float32", leaf_output_type="float32",
                           metadata=Metadata(num_feature=n_features, task_type="kRegressor", average_tree_output=False, num_target=1, num_class=[1], leaf_vector_shape=(1, 1)),
                           tree_annotation=TreeAnnotation(num_tree=n_trees, target_id=[0] * n_trees, class_id=[0] * n_trees),
                           postprocessor=PostProcessorFunc(name="identity"), base_scores=[0.0])
    last = None
    for tree, k, mode, feature, value, true, false in zip(*(a["nodes_" + name] for name in ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids"))):
        if tree != last:
            if last is not None:
                builder.end_tree()
            builder.start_tree()
            last = tree
        builder.start_node(k)
        if mode == b"LEAF":
            builder.leaf(leaves[tree, k])
        else:
            builder.numerical_test(feature, value, default_left=False, opname="<=", left_child_key=true, right_child_key=false)
        builder.end_node()
    builder.end_tree()
    return builder.commit()


def library(model, way, work):
    """The shared library of tl2cgen's code in that way, made where it is not there."""
    folder, made = os.path.join(work, "tl2cgen-" + way), os.path.join(work, f"tl2cgen-{way}.so")
    if os.path.exists(made):
        return made
    options = {"parallel_comp": FILES}
    if way == "quantized":
        options["quantize"] = 1
    elif way == "annotated":
        options["annotate_in"] = os.path.join(work, "annotation.json")
        rows = np.random.default_rng(1).standard_normal((4096, model.num_feature)).astype(np.float32)
        tl2cgen.annotate_branch(model, tl2cgen.DMatrix(rows), options["annotate_in"])
    tl2cgen.generate_c_code(model, folder, options)
    sources = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".c"))
    for source in sources:
        call([*CC, "-w", "-std=c99", "-O3", "-march=native", "-fPIC", "-c", source, "-o", source + ".o"])
    call([*CC, "-shared", *(s + ".o" for s in sources), "-o", made, "-lm"])
    return made


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("onnxcc")
    p.add_argument("--work", default="bench-work/trees")
    p.add_argument("--ways", default="plain,quantized,annotated")
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--arguments", default="")
    p.add_argument("--json")
    a = p.parse_args()
    at = lambda file: os.path.join(a.work, file)
    subprocess.run([sys.executable, os.path.join(HERE, "trees.py"), a.work], check=True, stdout=subprocess.DEVNULL)
    write_raw(at("rows.bin"), [np.load(at(f"rows/{k}.npz"))["x"] for k in range(ROWS)] + [np.load(at(f"rows{MANY}.npz"))["x"]])
    ways, model = a.ways.split(","), treelite_model(at("trees.onnx"))
    libraries = [f"{way}={os.path.abspath(library(model, way, a.work))}" for way in ways]
    objects = []
    for name, rows in (("one", 1), ("many", MANY)):
        objects += generate(a.onnxcc, at("trees.onnx"), at(name), name, [f"--dim=N={rows}", *a.arguments.split()])
    link("trees_tl2cgen.c", objects, [at("one"), at("many")], at("trees_tl2cgen"))
    measured, said = times(at("trees_tl2cgen"), at("rows.bin"), ROWS, a.seconds, *libraries)
    print("| rows | tl2cgen | ours, us | tl2cgen, us | ratio | differs |\n|---|---|---|---|---|---|")
    for name, rows in (("one", "1"), ("many", str(MANY))):
        for way in ways:
            print(f"| {rows} | {way} | {figure(measured, name + '.ours', f'{name}.{way}')} | {float(said[f'differs.{name}.{way}']):.1g} |")
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump({"us": measured, "said": said, "tl2cgen": tl2cgen.__version__}, f, indent=1)


if __name__ == "__main__":
    main()
