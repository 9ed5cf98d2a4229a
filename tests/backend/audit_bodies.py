"""The rest of audit_table.py's OPS: operators that need a body or other nodes around them (control flow, sequences, optionals), and those of ai.onnx.ml whose
attributes depend on the types. `how` has two more things here:
    nodes        a function of (version, types) that gives all nodes of the model, from x0, x1, ... to y0, y1, ...
    of           for `nodes`: the type variables, or numbers of element types, of the inputs and then of the outputs, "V V > V"
A type variable over sequences or optionals of tensors counts as one over the tensors' element types."""
import numpy as np
from onnx import TensorProto, helper

from audit_table import C, V, op, v

node, value = helper.make_node, helper.make_tensor_value_info


def graph(nodes, inputs, outputs, scalars=()):
    return helper.make_graph(nodes, "body", [*(value(n, k, []) for n, k in scalars), *(value(n, k, None) for n, k in inputs)], [value(n, k, None) for n, k in outputs])


def whole(inputs, of, nodes, **how):
    """A variant whose model has these nodes, (version, types) -> nodes."""
    before, after = of.split(">")
    return v(inputs, {}, nodes=nodes, of=(before.split(), after.split()), outs=len(after.split()), **how)


# ---- control flow
def branches(version, types):
    kind = types["V"]
    return [node("If", ["x0"], ["y0"], then_branch=graph([node("Identity", ["x1"], ["a"])], [], [("a", kind)]), else_branch=graph([node("Identity", ["x2"], ["b"])], [], [("b", kind)]))]


def loop(version, types, trip="x0", cond=""):
    kind, bool_ = types["V"], TensorProto.BOOL
    nodes = [node("Identity", ["go"], ["on"]), node("Identity", ["v"], ["w"]), node("Identity", ["v"], ["s"])]
    body = graph(nodes, [("v", kind)], [("on", bool_), ("w", kind), ("s", kind)], [("i", TensorProto.INT64), ("go", bool_)])
    return [node("Loop", [trip, cond, "x1"], ["y0", "y1"], body=body)]


def scan(inputs):
    def made(version, types):
        kind = types["V"]
        nodes = [node("Identity", ["e"], ["t"]), node("Identity", ["s"], ["r"])]
        body = graph(nodes, [("s", kind), ("e", kind)], [("t", kind), ("r", kind)])
        more = {} if version == 8 else {"scan_input_directions": [1], "scan_output_directions": [1]}
        return [node("Scan", inputs, ["y0", "y1"], num_scan_inputs=1, body=body, **more)]
    return made


op("If", whole([V(True), "bc", "bc"], "B V V > V", branches), whole([V(False), "bc", "bc"], "B V V > V", branches))
op("Loop", whole([C(3), "bc"], "I V > V V", loop, expect=lambda trip, x: [x, np.stack([x] * 3)]))
op("Scan", whole("bd bcd", "V V > V V", scan(["", "x0", "x1"]), to=8), whole("d cd", "V V > V V", scan(["x0", "x1"]), since=9))


# ---- sequences: made of tensors, and tensors out of them
def sequence(*nodes):
    return lambda version, types: [node("SequenceConstruct", ["x0", "x1"], ["s"]), *nodes]


AT = [node("SequenceAt", ["s", "x2"], ["y0"])]
op("SequenceConstruct", whole(["bc", "bc"], "T T > T", sequence(node("ConcatFromSequence", ["s"], ["y0"], axis=0))))
op("SequenceAt", whole(["bc", "bc", C(-1)], "T T I > T", sequence(*AT)), whole(["bc", "bc", V(1)], "T T I > T", sequence(*AT)))
op("SequenceLength", whole("bc bc", "S S > I", sequence(node("SequenceLength", ["s"], ["y0"]))))
op("SequenceErase", whole(["bc", "bc", C(0)], "S S I > S", sequence(node("SequenceErase", ["s", "x2"], ["t"]), node("ConcatFromSequence", ["t"], ["y0"], axis=1))))
op("SequenceInsert", whole(["bc", "bc", C(1), "bc"], "T T I T > T", sequence(node("SequenceInsert", ["s", "x3", "x2"], ["t"]), node("ConcatFromSequence", ["t"], ["y0"], axis=1))),
   whole(["bc", "bc"], "T T > T", sequence(node("SequenceInsert", ["s", "x0"], ["t"]), node("ConcatFromSequence", ["t"], ["y0"], axis=1))))
op("SequenceEmpty", whole(["bc"], "S > S", lambda version, types: [node("SequenceEmpty", [], ["s"], dtype=types["S"]), node("SequenceInsert", ["s", "x0"], ["t"]),
                                                                  node("ConcatFromSequence", ["t"], ["y0"], axis=0)]))
op("ConcatFromSequence", whole("bc bd", "T T > T", sequence(node("ConcatFromSequence", ["s"], ["y0"], axis=1))), whole("bc bc", "T T > T", sequence(node("ConcatFromSequence", ["s"], ["y0"], axis=-1, new_axis=1))))


def pieces(*inputs, **attributes):
    return lambda version, types: [node("SplitToSequence", ["x0", *inputs], ["s"], **attributes), node("ConcatFromSequence", ["s"], ["y0"], axis=0)]


def element(version, types):
    return [node("SplitToSequence", ["x0", "x1"], ["s"], axis=1), node("SequenceAt", ["s", "x2"], ["y0"])]


op("SplitToSequence", whole(["b6", C([2, 4]), C(1)], "T I 7 > T", element), whole(["b6", C(3)], "T I > T", pieces("x1", axis=1)), whole("b4", "T > T", pieces(axis=1, keepdims=0)))


def mapped(version, types):
    kind = types["S"]
    body = graph([node("Identity", ["a"], ["b"])], [("a", kind)], [("b", kind)])
    return [node("SequenceConstruct", ["x0", "x1"], ["s"]), node("SequenceMap", ["s"], ["t"], body=body), node("ConcatFromSequence", ["t"], ["y0"], axis=0)]


op("SequenceMap", whole("bc bc", "S S > S", mapped))

# ---- optionals
THERE = [node("Optional", ["x0"], ["o"])]
op("Optional OptionalGetElement", whole("bc", "V > V", lambda version, types: [*THERE, node("OptionalGetElement", ["o"], ["y0"])], expect=lambda x: [x]))
op("OptionalHasElement", whole("bc", "O > B", lambda version, types: [*THERE, node("OptionalHasElement", ["o"], ["y0"])]))

# ---- attention by recurrence, convolution with a state
op("CausalConvWithState", v("bcd c13", {"activation": "silu"}, outs=2), v("bcd c13 c bc2", {"activation": "none"}, outs=2))
HEADS = {"q_num_heads": 2, "kv_num_heads": 2}
op("LinearAttention", v("bd8 bd8 bd8 b244", dict(HEADS, update_rule="linear"), outs=2), v(["bd8", "bd8", "bd8", "b244", "bd2:unit"], dict(HEADS, update_rule="gated"), outs=2),
   v(["bd8", "bd8", "bd8", "b244", None, "bd2:prob"], dict(HEADS, update_rule="delta"), outs=2))
op("FlexAttention", v("b2d4 b2e4 b2e4"), domain="ai.onnx.preview")

# ---- text, ai.onnx.ml
STRING = TensorProto.STRING


def if_text(variable, text, number):
    """(attribute for strings, attribute for numbers) of the type of a variable"""
    return (lambda version, types: text if types[variable] == STRING else None), (lambda version, types: number if types[variable] != STRING else None)


strings, numbers = if_text("T", ["a", "bb", "a", "ab"], [1, 2, 1, 3])
op("TfIdfVectorizer", v("b6:less4", {"mode": "TF", "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 1, "ngram_counts": [0, 2], "ngram_indexes": [0, 1, 2], "pool_strings": strings,
                                    "pool_int64s": numbers}))
ML = "ai.onnx.ml"
op("CategoryMapper", v("bc:less4", {"cats_int64s": [0, 1, 2], "cats_strings": ["a", "bb", "ab"], "default_string": "none", "default_int64": -1}, same=("T2", "T1")), domain=ML)


def labels(what, variable, of):
    def given(version, types):
        return of if version > 1 and {1: "floats", 7: "int64s", 8: "strings"}.get(types[variable]) == what else None
    return given


def tensors(variable, of):
    def given(version, types):
        if types[variable] in (1, 7, 8):
            return None
        return helper.make_tensor("t", types[variable], [len(of)], of)
    return given


ENCODE = {"classes_strings": ["a", "bb", "ab"], "keys_tensor": tensors("T1", [1, 2, 3]), "values_tensor": tensors("T2", [3, 1, 2]), "default_tensor": tensors("T2", [9])}
for kind, keys, values in (("strings", ["a", "bb", "ab"], ["x", "y", "z"]), ("int64s", [0, 1, 2], [7, 8, 9]), ("floats", [0.0, 1.0, 2.0], [0.5, 1.5, 2.5])):
    ENCODE["keys_" + kind] = labels(kind, "T1", keys)
    ENCODE["values_" + kind] = labels(kind, "T2", values)
op("LabelEncoder", v("bc:less4", ENCODE, since=2), v("bc:less4", ENCODE, to=1, types={"T1": ["STRING"]}), domain=ML)
NAMES = {"classlabels_strings": ["a", "bb"]}
SVM = {"coefficients": [1.0, -0.5, 0.7], "kernel_params": [0.2, 0.0, 3.0], "kernel_type": "RBF", "rho": [0.3], "vectors_per_class": [2, 1], "support_vectors": [0.1, 0.2, 0.3, 1.0, -1.0, 0.5, 0.3, 0.8, -0.6]}
op("SVMClassifier", v("b3", dict(SVM, classlabels_ints=[0, 1]), outs=2, types={"T2": ["INT64"]}), v("b3", dict(SVM, prob_a=[-1.5], prob_b=[0.2], classlabels_ints=[3, 5]), outs=2, types={"T2": ["INT64"]}),
   v("b3", dict(SVM, **NAMES), outs=2, types={"T2": ["STRING"]}), domain=ML)
TREE = {"nodes_falsenodeids": [2, 0, 0], "nodes_featureids": [0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_nodeids": [0, 1, 2], "nodes_treeids": [0, 0, 0], "nodes_truenodeids": [1, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0], "class_ids": [0, 1, 2], "class_nodeids": [1, 2, 2], "class_treeids": [0, 0, 0], "class_weights": [0.8, 0.6, 0.3]}
op("TreeEnsembleClassifier", v("b3", dict(TREE, classlabels_int64s=[4, 5, 6]), outs=2, types={"T2": ["INT64"]}), v("b3", dict(TREE, classlabels_strings=["a", "bb", "ab"], post_transform="SOFTMAX"), outs=2, types={"T2": ["STRING"]}),
   domain=ML)


def row(values, kind=None):
    return lambda version, types: helper.make_tensor("t", kind or types["T"], [len(values)], values)


op("TreeEnsemble", v("b3", {"n_targets": 2, "aggregate_function": 1, "post_transform": 0, "tree_roots": [0], "nodes_modes": row([0, 4], TensorProto.UINT8), "nodes_featureids": [0, 1], "nodes_splits": row([0.5, -0.25]),
   "nodes_truenodeids": [1, 1], "nodes_trueleafs": [0, 1], "nodes_falsenodeids": [0, 2], "nodes_falseleafs": [1, 1], "leaf_targetids": [0, 1, 0], "leaf_weights": row([1.0, 2.0, -0.5])}), domain=ML)
