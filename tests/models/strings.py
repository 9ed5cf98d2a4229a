#!/usr/bin/env python3
"""Operators on strings against onnxruntime: `onnxcc verify --cases` on models made here, with what onnxruntime answers as expected outputs.

    strings.py ONNXCC [--keep DIR] [--arguments=WORDS]

--arguments: further words for `onnxcc verify`, as --arguments="--target=cuda --emulate".
Needs numpy, onnx and onnxruntime; skipped (77) by name without them."""
import argparse
import random
import shlex
import sys

import peer_cases
from peer_cases import np, numpy_helper, objects, onnx
from onnx import TensorProto as T
from onnx import helper

ML = "ai.onnx.ml"
WORDS = ["", "a", "b", "ab", "ba", "abc", "Zürich", "日本", "x y", "abcd" * 20]
N = helper.make_node
pick = random.Random(1)
normal = np.random.RandomState(2)


def text(*shape):
    return np.array([pick.choice(WORDS) for _ in range(int(np.prod(shape)))], dtype=object).reshape(shape)


def element(a):
    return T.STRING if a.dtype == object else helper.np_dtype_to_tensor_dtype(a.dtype)


def map_input(name, keys, values):
    """A map of these types as an input."""
    info = onnx.ValueInfoProto(name=name)
    info.type.CopyFrom(helper.make_map_type_proto(keys, helper.make_tensor_type_proto(values, [])))
    return info


def map_tensors(name, given):
    """What the model gets in place of a map, in an order of its own."""
    keys = list(given)
    pick.shuffle(keys)
    return {name + ".keys": objects(keys) if isinstance(keys[0], str) else np.array(keys), name + ".values": np.array([given[k] for k in keys], dtype=np.float32)}


def case(name, nodes, inputs, outputs, constants=None, symbols=True, ml=4, opset=21):
    """Dimensions of inputs are symbols of their own unless `symbols` is false. An input that is a dict is a map to floats."""
    declared = [map_input(k, T.STRING if isinstance(next(iter(v)), str) else T.INT64, T.FLOAT) if isinstance(v, dict) else
                helper.make_tensor_value_info(k, element(v), [f"{k}{i}" if symbols else s for i, s in enumerate(v.shape)]) for k, v in inputs.items()]
    results = [helper.make_tensor_value_info(k, t, None) for k, t in outputs.items()]
    graph = helper.make_graph(nodes, "g", declared, results, [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(ML, ml), helper.make_opsetid("com.microsoft", 1)], ir_version=10)
    tensors = {}
    for k, v in inputs.items():
        tensors.update(map_tensors(k, v) if isinstance(v, dict) else {k: v})
    peer_cases.add(name, model, inputs, tensors)


def movement():
    case("mv_gather", [N("Gather", ["x", "i"], ["y"], axis=1)], {"x":text(3, 4), "i":np.array([2, -1, 0])}, {"y":T.STRING})
    case("mv_gathernd", [N("GatherND", ["x", "i"], ["y"])], {"x":text(3, 4), "i":np.array([[2, 1], [0, 0]])}, {"y":T.STRING}, symbols=False)
    case("mv_concat", [N("Concat", ["x", "z", "c"], ["y"], axis=0)], {"x":text(3, 4), "z":text(2, 4)}, {"y":T.STRING}, {"c":text(2, 4)}, symbols=False)
    case("mv_transpose", [N("Transpose", ["x"], ["t"], perm=[2, 0, 1]), N("Reshape", ["t", "s"], ["y"])], {"x":text(2, 3, 4)}, {"y":T.STRING}, {"s":np.array([0, -1])})
    case("mv_slice", [N("Slice", ["x", "a", "b", "ax", "st"], ["y"])], {"x":text(7, 5)}, {"y":T.STRING}, {"a":np.array([6, 0]), "b":np.array([-9, 4]), "ax":np.array([0, 1]), "st":np.array([-2, 1])})
    case("mv_where", [N("Equal", ["x", "z"], ["e"]), N("Where", ["e", "x", "c"], ["y"])], {"x":text(4, 6), "z":text(4, 6)}, {"y":T.STRING, "e":T.BOOL}, {"c":objects(["no"])}, symbols=False)
    case("mv_squeeze", [N("Unsqueeze", ["x", "a"], ["u"]), N("Identity", ["u"], ["v"]), N("Squeeze", ["v", "a"], ["y"])], {"x":text(4, 6)}, {"y":T.STRING, "u":T.STRING}, {"a":np.array([1])})
    case("mv_split", [N("Split", ["x", "sp"], ["y", "z"], axis=1)], {"x":text(4, 6)}, {"y":T.STRING, "z":T.STRING}, {"sp":np.array([2, 4])}, symbols=False)
    case("mv_expand", [N("Expand", ["x", "s"], ["y"])], {"x":text(4, 1)}, {"y":T.STRING}, {"s":np.array([2, 4, 3])}, symbols=False)
    case("mv_tile", [N("Tile", ["x", "s"], ["y"])], {"x":text(4, 2)}, {"y":T.STRING}, {"s":np.array([2, 3])})
    case("mv_unique", [N("Unique", ["x"], ["y", "i", "j", "k"])], {"x":text(30)}, {"y":T.STRING, "i":T.INT64, "j":T.INT64, "k":T.INT64})
    case("mv_unique_u", [N("Unique", ["x"], ["y", "i", "j", "k"], sorted=0)], {"x":text(30)}, {"y":T.STRING, "i":T.INT64, "j":T.INT64, "k":T.INT64})
    case("mv_scatter", [N("ScatterElements", ["x", "i", "u"], ["y"], axis=0)], {"x":text(4, 3), "i":np.array([[1, 0, 2]]), "u":text(1, 3)}, {"y":T.STRING}, symbols=False)
    case("mv_compress", [N("Compress", ["x", "i"], ["y"], axis=0)], {"x":text(4, 3), "i":np.array([True, False, True, True])}, {"y":T.STRING}, symbols=False)
    case("mv_const", [N("Constant", [], ["c"], value_strings=["p", "", "q"]), N("Gather", ["c", "i"], ["y"])], {"i":np.array([[2, 0], [1, 1]])}, {"y":T.STRING})
    case("mv_constfold", [N("Constant", [], ["c"], value_strings=["p", "", "q"]), N("Equal", ["c", "d"], ["e"]), N("Concat", ["c", "d"], ["y"], axis=0), N("Identity", ["i"], ["z"])], {"i":np.array([[2, 0], [1, 1]])}, {"e":T.BOOL, "y":T.STRING, "z":T.INT64}, {"d":objects(["p", "x", "q"])})
    case("mv_if", [N("If", ["b"], ["y"], then_branch=helper.make_graph([N("Identity", ["x"], ["p"])], "t", [], [helper.make_tensor_value_info("p", T.STRING, None)]), else_branch=helper.make_graph([N("Concat", ["x", "c"], ["q"], axis=0)], "t", [], [helper.make_tensor_value_info("q", T.STRING, None)]))], {"b":np.array(True), "x":text(3)}, {"y":T.STRING}, {"c":objects([])}, symbols=False)


def scatters():
    """Sums of strings: one behind the other, in the order of the updates."""
    for k, places in enumerate(([0, 3, 0, -1, 0], [1, 1, 1, 1, 1])):
        case(f"scatter_nd{k}", [N("ScatterND", ["x", "i", "u"], ["y"], reduction="add"), N("StringConcat", ["y", "y"], ["z"])],
             {"x": text(4, 2), "i": np.array(places).reshape(5, 1), "u": text(5, 2)}, {"y": T.STRING, "z": T.STRING})
        case(f"scatter_elements{k}", [N("ScatterElements", ["x", "i", "u"], ["y"], axis=-1, reduction="add")],
             {"x": text(3, 4), "i": np.array([places, places[::-1]]), "u": text(2, 5)}, {"y": T.STRING})
    body = graph([N("Identity", ["c"], ["c1"]), N("ScatterND", ["s", "at", "u"], ["s1"], reduction="add"), N("Gather", ["s1", "zero"], ["row"])],
                 [("i", T.INT64, True), ("c", T.BOOL, True), ("s", T.STRING, False)], [("c1", T.BOOL), ("s1", T.STRING), ("row", T.STRING)])
    case("scatter_loop", [N("Loop", ["n", "", "s0"], ["s", "rows"], body=body)], {"s0": text(3), "n": np.array(4), "u": objects(["x", "", "yz"])}, {"s": T.STRING, "rows": T.STRING},
         {"at": np.array([[0], [2], [0]]), "zero": np.array([0])}, symbols=False)


def labels():
    case("le_ss", [N("LabelEncoder", ["x"], ["y"], domain=ML, keys_strings=WORDS[:6], values_strings=WORDS[3:9], default_string="none")], {"x":text(5, 7)}, {"y":T.STRING})
    case("le_si", [N("LabelEncoder", ["x"], ["y"], domain=ML, keys_strings=WORDS[:6], values_int64s=range(6))], {"x":text(50)}, {"y":T.INT64})
    case("le_sf", [N("LabelEncoder", ["x"], ["y"], domain=ML, keys_strings=WORDS[:6], values_floats=[1.5, 2, 3, 4, 5, 6], default_float=9.)], {"x":text(50)}, {"y":T.FLOAT})
    case("le_is", [N("LabelEncoder", ["x"], ["y"], domain=ML, keys_int64s=[3, 1, 2], values_strings=["c", "a", "b"])], {"x":np.array([1, 2, 3, 4, 0])}, {"y":T.STRING})
    case("le_fs", [N("LabelEncoder", ["x"], ["y"], domain=ML, keys_floats=[3, 1, float("nan")], values_strings=["c", "a", "b"])], {"x":np.array([1, 2, 3, np.nan, 0], dtype=np.float32)}, {"y":T.STRING})
    case("le_v1", [N("LabelEncoder", ["x"], ["y"], domain=ML, classes_strings=["c", "a", "b"], default_int64=-3)], {"x":objects(["b", "a", "q"])}, {"y":T.INT64}, ml=1)
    case("le_v1i", [N("LabelEncoder", ["x"], ["y"], domain=ML, classes_strings=["c", "a", "b"], default_string="?")], {"x":np.array([0, 2, 7])}, {"y":T.STRING}, ml=1)
    case("cm_s", [N("CategoryMapper", ["x"], ["y"], domain=ML, cats_strings=["a", "b", ""], cats_int64s=[5, 6, 7], default_int64=-2)], {"x":text(5, 6)}, {"y":T.INT64})
    case("cm_i", [N("CategoryMapper", ["x"], ["y"], domain=ML, cats_strings=["a", "b", ""], cats_int64s=[5, 6, 7], default_string="?")], {"x":np.array([[5, 6, 7, 8]])}, {"y":T.STRING})
    case("oh_s", [N("OneHotEncoder", ["x"], ["y"], domain=ML, cats_strings=["a", "b", ""], zeros=1)], {"x":text(5, 6)}, {"y":T.FLOAT})
    case("lc", [N("LinearClassifier", ["x"], ["l", "y"], domain=ML, classlabels_strings=["p", "q", "r"], coefficients=normal.randn(12).tolist(), intercepts=[0.1, 0.2, 0.3], multi_class=1, post_transform="SOFTMAX")], {"x":normal.randn(6, 4).astype(np.float32)}, {"l":T.STRING, "y":T.FLOAT}, symbols=False)
    case("lc2", [N("LinearClassifier", ["x"], ["l", "y"], domain=ML, classlabels_strings=["p", "q"], coefficients=normal.randn(4).tolist(), intercepts=[0.1], post_transform="LOGISTIC")], {"x":normal.randn(6, 4).astype(np.float32)}, {"l":T.STRING, "y":T.FLOAT}, symbols=False)


def ngrams(k, rng):
    """A pool of different n-grams with random sizes, columns, weights and mode."""
    strings, least = k % 2, int(rng.integers(1, 3))
    most = int(least + rng.integers(0, 3))
    words = ["a", "b", "ab", "c", "ü"] if strings else [1, 2, -1, 7, 2**40]
    pool, starts, total = [], [], 0
    for n in range(1, most + 1):
        starts.append(len(pool))
        grams = sorted({tuple(int(i) for i in rng.integers(0, len(words), n)) for _ in range(int(rng.integers(1, 8)))})
        pool += [words[i] for gram in grams for i in gram]
        total += len(grams)
    attributes = {"min_gram_length": least, "max_gram_length": most, "max_skip_count": int(rng.integers(0, 4)), "mode": ["TF", "IDF", "TFIDF"][k % 3],
                  "ngram_counts": starts, "ngram_indexes": rng.permutation(total).tolist(), "pool_strings" if strings else "pool_int64s": pool}
    if rng.integers(0, 3):
        attributes["weights"] = rng.random(total).astype(np.float32).tolist()
    shape = [(9,), (3, 11), (2, 1)][int(rng.integers(0, 3))]
    x = np.array([words[int(i)] for i in rng.integers(0, len(words), int(np.prod(shape)))], dtype=object if strings else np.int64).reshape(shape)
    case(f"tfidf{k}", [N("TfIdfVectorizer", ["x"], ["y"], **attributes)], {"x": x}, {"y": T.FLOAT})


def made():
    """Operators that make strings; `onnxcc verify` gives their bytes a capacity."""
    concat = [N("StringConcat", ["x", "z"], ["y"])]
    case("concat", concat, {"x": text(3, 4), "z": text(3, 4)}, {"y": T.STRING}, symbols=False)
    case("concat_symbols", [N("StringConcat", ["x", "x"], ["y"])], {"x": text(3, 4)}, {"y": T.STRING})
    case("concat_stretch", concat, {"x": text(3, 1), "z": text(2, 1, 4)}, {"y": T.STRING}, symbols=False)
    case("concat_constant", concat, {"x": text(3, 4)}, {"y": T.STRING}, {"z": text(4)})
    case("concat_scalar", concat, {"x": text(3, 4)}, {"y": T.STRING}, {"z": objects("-")})
    chain = [N("StringConcat", ["x", "z"], ["u"]), N("StringConcat", ["u", "x"], ["v"]), N("Transpose", ["v"], ["y"], perm=[1, 0])]
    case("concat_chain", chain, {"x": text(5, 4), "z": text(5, 4)}, {"y": T.STRING, "u": T.STRING}, symbols=False)
    words = objects(["Monday", "tuesday", "WEDNESDAY", "", "monday", "Ünder", "a1Z"])
    for k, change in enumerate(("NONE", "LOWER", "UPPER")):
        for sensitive in (0, 1):
            for j, stop in enumerate(([], ["monday"], ["Monday", "", "tuesday"], [str(w) for w in words])):
                for rank in (1, 2):
                    attributes = {"case_change_action": change, "is_case_sensitive": sensitive, "locale": "C"}
                    if stop:
                        attributes["stopwords"] = stop
                    ascii_words = words[[0, 1, 2, 4, 6]]  # onnxruntime changes other letters, too
                    x = ascii_words if change != "NONE" or not sensitive else words
                    case(f"normalizer{k}{sensitive}{j}{rank}", [N("StringNormalizer", ["x"], ["y"], **attributes)], {"x": x.reshape((-1,) if rank == 1 else (1, -1))}, {"y": T.STRING},
                         symbols=rank == 1)
    x = objects(["a,b", "b", "a,,b,", ",", "ab", "a,b,c,d,e"]).reshape(2, 3)  # an empty string is one piece, onnxruntime has none
    spaces = objects(["a b", "", "  a   b ", "  ", "ab", "a b c d e"]).reshape(2, 3)
    for most in (None, 0, 1, 2, 9):
        for k, delimiter in enumerate((",", "b,", None, "")):
            attributes = ({} if most is None else {"maxsplit": most}) | ({} if delimiter is None else {"delimiter": delimiter})
            case(f"split{most}{k}", [N("StringSplit", ["x"], ["y", "n"], **attributes)], {"x": x if delimiter else spaces}, {"y": T.STRING, "n": T.INT64})
    case("split_count", [N("StringSplit", ["x"], ["y", "n"], delimiter=",")], {"x": x}, {"n": T.INT64})
    case("split_labels", [N("StringSplit", ["x"], ["y", "n"], delimiter=","), N("LabelEncoder", ["y"], ["i"], domain=ML, keys_strings=["a", "b"], values_int64s=[1, 2])], {"x": x},
         {"i": T.INT64})


NUMBERS = {T.FLOAT: np.float32, T.DOUBLE: np.float64, T.FLOAT16: np.float16, T.INT8: np.int8, T.INT16: np.int16, T.INT32: np.int32, T.INT64: np.int64, T.UINT8: np.uint8,
           T.UINT16: np.uint16, T.UINT32: np.uint32, T.UINT64: np.uint64, T.BOOL: np.bool_}


def random_numbers(kind, count, rng):
    if np.dtype(kind).kind != "f":
        return np.frombuffer(rng.bytes(8 * count), dtype=np.int64).astype(kind) >> np.array(rng.integers(0, np.dtype(kind).itemsize * 8 - 1, count)).astype(kind) if kind != np.bool_ else rng.integers(0, 2, count).astype(kind)
    with np.errstate(all="ignore"):
        parts = [np.frombuffer(rng.bytes(8 * count), dtype=kind)[:count], rng.normal(size=count) * 10.0 ** rng.integers(-9, 12, count), np.round(rng.normal(size=count), 2) * 100,
                 rng.integers(-10**8, 10**8, count), [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-4, 9.9999999e-5, 99999999, 99999999.5, 0.5, 5e-324, 1e-45, 65504]]
        return np.concatenate([np.asarray(p).astype(kind) for p in parts])


def casts():
    """Between strings and numbers, on what onnxruntime reads as a whole, too."""
    rng = np.random.default_rng(3)
    for to, kind in NUMBERS.items():
        x = random_numbers(kind, 400, rng)
        for k, shaped in enumerate((x, x[:6].reshape(1, 3, 2), x[0:1].reshape(()))):
            case(f"number_string{to}_{k}", [N("Cast", ["x"], ["y"], to=T.STRING)], {"x": shaped}, {"y": T.STRING})
        exact = x.astype(np.float64) if kind == np.float16 else x
        texts = [f"{v:.{int(rng.integers(6, 25))}g}" if np.dtype(kind).kind == "f" else str(int(v)) for v in exact]
        if np.dtype(kind).kind == "f":
            texts = [s for s in texts if not 0 < abs(float(s)) < (2.3e-308 if kind == np.float64 else 1.2e-38) and (abs(float(s)) < 3.4e38 or kind == np.float64 or float(s) == np.inf)]
            texts += ["inf", "+INF", "-Inf", "NaN", "nan", "1e5", "1E+05", ".5", "5.", "+3", " 12", "1e-5", "0" * 400 + "1", "3.14", "1000"]
        x = objects(texts)
        case(f"string_number{to}", [N("Cast", ["x"], ["y"], to=to)], {"x": x}, {"y": to})
        case(f"string_number_rank{to}", [N("Cast", ["x"], ["y"], to=to)], {"x": objects(texts[:12]).reshape(2, 1, 2, 3)}, {"y": to})
        case(f"string_like{to}", [N("CastLike", ["x", "z"], ["y"]), N("CastLike", ["y", "x"], ["s"])], {"x": objects(texts[:9]), "z": np.zeros((1,), dtype=kind)}, {"y": to, "s": T.STRING})
    case("cast_constant", [N("Cast", ["c"], ["f"], to=T.FLOAT), N("Mul", ["f", "x"], ["y"]), N("Cast", ["y"], ["s"], to=T.STRING), N("Cast", ["s"], ["z"], to=T.DOUBLE)],
         {"x": normal.randn(4, 3).astype(np.float32)}, {"y": T.FLOAT, "s": T.STRING, "z": T.DOUBLE}, {"c": objects(["1", "2.5", "-1e-3"])})


def maps():
    """Maps as inputs."""
    numbers = {5: 1.5, 2: -2.75, 11: 1e9, 0: 3}
    for k, (to, kind) in enumerate((("TO_FLOAT", T.FLOAT), ("TO_INT64", T.INT64))):
        case(f"castmap{k}", [N("CastMap", ["x"], ["y"], domain=ML, cast_to=to)], {"x": {**numbers, -3: 7}}, {"y": kind})
        case(f"castmap_sparse{k}", [N("CastMap", ["x"], ["y"], domain=ML, cast_to=to, map_form="SPARSE", max_map=14)], {"x": numbers}, {"y": kind})
    words = {"b": 1, "": 2.5, "日本": -1, "not there": 9}
    case("dict_words", [N("DictVectorizer", ["x"], ["y"], domain=ML, string_vocabulary=WORDS)], {"x": words}, {"y": T.FLOAT})
    case("dict_numbers", [N("DictVectorizer", ["x"], ["v"], domain=ML, int64_vocabulary=[7, 2, -3, 5]), N("Add", ["v", "z"], ["y"])],
         {"z": normal.randn(3, 4).astype(np.float32), "x": numbers}, {"y": T.FLOAT})
    case("dict_two", [N("DictVectorizer", ["x"], ["v"], domain=ML, string_vocabulary=WORDS[:3]), N("CastMap", ["z"], ["w"], domain=ML), N("Concat", ["v", "w"], ["y"], axis=1)],
         {"z": numbers, "x": words}, {"y": T.FLOAT})


def graph(nodes, inputs, outputs):
    """The body of a loop or branch, without shapes."""
    return helper.make_graph(nodes, "body", [helper.make_tensor_value_info(k, t, [] if scalar else None) for k, t, scalar in inputs],
                             [helper.make_tensor_value_info(k, t, None) for k, t in outputs])


def subgraphs():
    """Strings that branches and loops make: those of all turns stay. (onnxruntime gets carried strings of Scan wrong; tests/cli/strings.sh has some.)"""
    case("sub_if", [N("If", ["b"], ["y"], then_branch=graph([N("StringConcat", ["x", "x"], ["p"])], [], [("p", T.STRING)]),
                      else_branch=graph([N("StringNormalizer", ["x"], ["q"], case_change_action="UPPER", locale="C")], [], [("q", T.STRING)])), N("StringConcat", ["y", "y"], ["z"])],
         {"b": np.array(True), "x": text(4)}, {"y": T.STRING, "z": T.STRING}, symbols=False)
    body = graph([N("Cast", ["i"], ["t"], to=T.STRING), N("StringConcat", ["s", "t"], ["s1"]), N("Identity", ["c"], ["c1"]), N("StringConcat", ["t", "x"], ["o"]),
                  N("Cast", ["f"], ["ft"], to=T.STRING), N("Add", ["f", "half"], ["f1"])],
                 [("i", T.INT64, True), ("c", T.BOOL, True), ("s", T.STRING, True), ("f", T.FLOAT, False)],
                 [("c1", T.BOOL), ("s1", T.STRING), ("f1", T.FLOAT), ("o", T.STRING), ("t", T.STRING), ("ft", T.STRING)])
    for constant in False, True:
        inputs = {"x": text(3), "s0": objects("start"), "f0": np.array([[1.5, -1e9]], dtype=np.float32)}
        constants = {"half": np.array([0.5], dtype=np.float32)}
        (constants if constant else inputs)["n"] = np.array(12)
        case(f"sub_loop{int(constant)}", [N("Loop", ["n", "", "s0", "f0"], ["s", "f", "o", "t", "ft"], body=body)], inputs, {"s": T.STRING, "f": T.FLOAT, "o": T.STRING, "t": T.STRING, "ft": T.STRING},
             constants, symbols=False)
    scan = graph([N("StringConcat", ["w", "e"], ["s"]), N("StringNormalizer", ["w"], ["u"], case_change_action="LOWER", locale="C"), N("StringSplit", ["s"], ["sp", "ns"], delimiter=" ")],
                 [("e", T.STRING, False), ("w", T.STRING, False)], [("s", T.STRING), ("u", T.STRING), ("ns", T.INT64)])
    case("sub_scan", [N("Scan", ["x", "z"], ["s", "u", "ns"], body=scan, num_scan_inputs=2)], {"x": text(5, 2), "z": objects([["Ab", "C"], ["", "dE"], ["X", "Y"], ["z", "W"], ["QQ", "q"]])},
         {"s": T.STRING, "u": T.STRING, "ns": T.INT64}, symbols=False)
    inner = graph([N("Cast", ["j"], ["tj"], to=T.STRING), N("StringConcat", ["a", "tj"], ["a1"]), N("Identity", ["cc"], ["cc1"]), N("StringConcat", ["a1", "ti"], ["row"])],
                  [("j", T.INT64, True), ("cc", T.BOOL, True), ("a", T.STRING, True)], [("cc1", T.BOOL), ("a1", T.STRING), ("row", T.STRING)])
    outer = graph([N("Cast", ["i"], ["ti"], to=T.STRING), N("Loop", ["m", "", "acc"], ["acc1", "rows"], body=inner), N("Identity", ["c"], ["c1"]), N("Less", ["i", "two"], ["lt"]),
                   N("If", ["lt"], ["r"], then_branch=graph([N("StringConcat", ["ti", "acc1"], ["p"])], [], [("p", T.STRING)]),
                     else_branch=graph([N("Cast", ["i"], ["q"], to=T.STRING)], [], [("q", T.STRING)]))],
                  [("i", T.INT64, True), ("c", T.BOOL, True), ("acc", T.STRING, True)], [("c1", T.BOOL), ("acc1", T.STRING), ("rows", T.STRING), ("r", T.STRING)])
    for k, (n, m) in enumerate(((3, 4), (5, 1))):
        case(f"sub_nested{k}", [N("Loop", ["n", "", "s0"], ["s", "rows", "r"], body=outer)], {"s0": objects("<"), "n": np.array(n), "m": np.array(m)},
             {"s": T.STRING, "rows": T.STRING, "r": T.STRING}, {"two": np.array(2)}, symbols=False)


def tokens():
    """Tokenizer of com.microsoft."""
    x = objects(["a bc", "", "ab12 c3", "日本 ü-x", "...", "abcd"]).reshape(2, 3)
    for k, pattern in enumerate(["[a-z]+", ".", "a|ab", "[a-z]+[0-9]*|[^a ]", "\\w{2}", "[日本ü]+"]):
        for mark in 0, 1:
            for least in (1, 2) if pattern != "." else (1,):
                node = N("Tokenizer", ["x"], ["y"], domain="com.microsoft", tokenexp=pattern, mark=mark, mincharnum=least, pad_value="#pad" if k else "")
                case(f"tokenizer{k}{mark}{least}", [node], {"x": x if k else x.reshape(-1)}, {"y": T.STRING})


PATTERNS = [
    "", "a", "a*", "a+b?", "(a|b)*abb", "(?:ab|ba)+", "a{2}", "a{2,}", "a{1,3}b{0}", "a{,2}", "x{2", "[abc]+", "[^abc]+", "[a-cx]{2,4}", "[]a]+", "[^]a]+", "[a-]+", ".", "..", ".*", "(?s).*",
    "(?s:.)b", r"\d+", r"\w+@\w+\.com", r"\s*\S+\s*", r"[\d\s]+", r"[^\d]+", r"[[:alpha:]]+", r"[[:^digit:]]+[[:punct:]]", "^a$", "^^a", "a$$", "a^b", "(^a|b)+", "(a|b$)+", r"\Aab\z", "()",
    "(|a)b", "a||b", "(a*)+", "(a*)*b", "ü+", "[ü日]+", "[a-ü]+", "[^a]ü", "[日-本]+", r"\x61+", r"\x{65e5}.", r"\Qa.b\E+", "(?i)aB+", "(?i:k)s", "(?i)[k-s]+", "(?i)[^k]", "(?P<n>a)b", "a*?b", "(a+?)(b??)",
    r"\.\*", r"\n", "[a-z]+@[a-z]+\\.(com|org)", "((a|b)(c|d)?){1,2}", r"\012?", r"(\w\W){2}", "(?i)(?-i:A)b", "a(?i)B|c", "[[:word:]]*", "a.?c|[^b]*",
    r"\ba.*b\b", r".*\b.*", r".*\B.*", r"\b", r"\B", r"\b^a$\b", r"(a\b|\Bb| )+", r"(\b.)+", r"(.\B)*[ab]", r"[^a]*\ba\b[^a]*", r"\B.\B", r"(ü\B|\ba)+", r".*\b\B.*", r"(\b|a)+b", r"(\b\w+\b\W*)+",
    r"\b(a|b)\b.*|\B.*\B", r"www\.[\w.-]+\.\bcom\b", r"(?s).\b.\B.",
    r"\bab", r"(\b$|a)*", r"(a|$\b)+", r"a*\B|\bb*", r"\B*", r"(\b)*a?"]


def matches():
    """RegexFullMatch on random strings of letters that the patterns have."""
    letters = ["a", "b", "c", "x", "k", "K", "s", "A", "B", " ", "1", "@", ".", "com", "\n", "ü", "日", "本", "]", "*", "-", "{2", "\u212a", "\u017f", "😀", "\t"]
    strings = ["", "abb", "aabb", "a.b", "ab@ab.com", "日本", "aaa", "\n", "b", "aB", "abcd"]
    strings += ["".join(pick.choice(letters) for _ in range(pick.randint(1, 4))) for _ in range(500)]
    for k, pattern in enumerate(PATTERNS):
        mine = [pick.choice(pattern) for _ in range(60) if pattern]
        joined = ["".join(mine[i:i + 3]) for i in range(0, len(mine), 2)]
        case(f"regex{k}", [N("RegexFullMatch", ["x"], ["y"], pattern=pattern)], {"x": objects(strings + joined + letters)}, {"y": T.BOOL})


def all_cases():
    rng = np.random.default_rng(0)
    for family in movement, labels, made, casts, maps, subgraphs, tokens, matches:
        family()
    for k in range(40):
        ngrams(k, rng)
    scatters()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("onnxcc")
    arguments.add_argument("--keep")
    arguments.add_argument("--arguments", default="")
    o = arguments.parse_args()
    return peer_cases.run(o.onnxcc, all_cases, o.keep, shlex.split(o.arguments))


if __name__ == "__main__":
    sys.exit(main())
