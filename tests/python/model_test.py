#!/usr/bin/env python3
"""The Python package without the onnx package: model_test.py ONNXCC. Exit code 77: there is no numpy."""
import ctypes
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

try:
    import numpy as np
except ImportError:
    print("skipped: there is no numpy")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import onnxcc  # noqa: E402
from onnxcc import images, library, tool, types  # noqa: E402

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None


def model(body, opset=21, more="", **options):
    """The model with this text, compiled."""
    text = f'<ir_version: 10, opset_import: ["" : {opset}{more}]>\n{body}\n'
    with tempfile.NamedTemporaryFile("w", suffix=".onnxtxt", dir=os.environ["ONNXCC_CACHE"], delete=False) as f:
        f.write(text)
    return onnxcc.compile(f.name, target="generic-c99", **options)


def floats(*v):
    return np.array(v, np.float32)


class LayoutTest(unittest.TestCase):
    """What library.py says of the structures in onnxcc_rt.h is what the C compiler says."""

    RUNTIME = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "runtime")
    STRUCTS = {"onnxcc_env": library._Env, "onnxcc_tensor_info": library._Tensor, "onnxcc_dim_info": library._Dim, "onnxcc_model": library._Model,
               "onnxcc_string": types.String, "onnxcc_image": images.Image}

    def test_structures_are_those_of_the_header(self):
        asked = [(c, f[0], getattr(s, f[0]).offset) for c, s in self.STRUCTS.items() for f in s._fields_]
        lines = [f'printf("%zu\\n", offsetof({c}, {f}));' for c, f, _ in asked] + [f'printf("%zu\\n", sizeof({c}));' for c in self.STRUCTS]
        source = os.path.join(os.environ["ONNXCC_CACHE"], "layout.c")
        program = source[:-2]
        with open(source, "w") as f:
            f.write('#include <stdio.h>\n#include "onnxcc_rt.h"\nint main(void) {\n' + "\n".join(lines) + "\nreturn 0; }\n")
        subprocess.run([*os.environ.get("CC", "cc").split(), "-I", self.RUNTIME, source, "-o", program], check=True)
        said = [int(n) for n in subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout.split()]
        want = [(c, f, n) for (c, f, _), n in zip(asked, said)] + [(c, "size", n) for c, n in zip(self.STRUCTS, said[len(asked):])]
        self.assertEqual(asked + [(c, "size", ctypes.sizeof(s)) for c, s in self.STRUCTS.items()], want)

    def test_elements_of_few_bits_lie_one_behind_the_other(self):
        for bits in (2, 4, 6):
            x = np.arange(7, dtype=np.uint8) * 5 % (1 << bits)
            packed = types._pack(x, bits)
            self.assertEqual(int.from_bytes(packed.tobytes(), "little"), sum(int(v) << bits * i for i, v in enumerate(x)))
            self.assertEqual(types._unpack(packed, bits, 7).tolist(), x.tolist())

    def test_the_version_and_the_error_codes_are_those_of_the_header(self):
        with open(os.path.join(self.RUNTIME, "onnxcc_rt.h")) as f:
            text = f.read()
        self.assertEqual(library.ABI, int(re.search(r"ONNXCC_RT_ABI (\d+)", text).group(1)))
        codes = {int(n) for n in re.findall(r"ONNXCC_E_\w+ = (-\d+)", text)}
        self.assertLessEqual(set(library._ERRORS), codes)


class ExecutableTest(unittest.TestCase):
    def test_it_is_found_in_the_build_folders_of_the_source_tree(self):
        with tempfile.TemporaryDirectory() as top, mock.patch.dict(os.environ), mock.patch.object(tool, "__file__", os.path.join(top, "python", "onnxcc", "tool.py")):
            del os.environ["ONNXCC"]
            os.environ["PATH"] = top
            os.makedirs(os.path.join(top, "python", "onnxcc"))
            with self.assertRaisesRegex(FileNotFoundError, "ONNXCC"):
                tool.executable()
            for folder in ("build/quickstart", "build"):
                path = os.path.join(top, folder, "onnxcc")
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as f:
                    os.chmod(f.fileno(), 0o755)
                self.assertTrue(os.path.samefile(tool.executable(), path))


class ModelTest(unittest.TestCase):
    def equal(self, got, want):
        self.assertEqual(got.dtype, want.dtype)
        np.testing.assert_array_equal(got, want)

    def test_one_library_serves_several_sizes(self):
        m = model("m (float[n,k] x, float[k] b) => (float[n,k] y) { y = Add(x, b) }")
        self.assertEqual(m.inputs, [("x", "float[n,k]"), ("b", "float[k]")])
        for n, k in ((1, 1), (2, 3), (7, 2)):
            x, b = np.arange(n * k, dtype=np.float32).reshape(n, k), np.ones(k, np.float32)
            self.equal(m.run({"x": x, "b": b})["y"], x + b)
        self.assertEqual(len(m._libraries), 1)
        self.equal(m.run({"x": np.zeros((0, 2), np.float32), "b": floats(1, 2)})["y"], np.zeros((0, 2), np.float32))

    def test_a_size_of_0(self):
        text = "m (float[batch,2] picture) => (float[batch,2] y) { y = Neg(picture) }"
        for dim, libraries in ((None, 2), ({"batch": "0..4"}, 1), ({"batch": "0.."}, 1), (["picture:0=0..4"], 1), ("batch=0..", 1)):
            m = model(text, dim=dim)
            for n in (0, 2):
                self.equal(m.run({"picture": np.ones((n, 2), np.float32)})["y"], -np.ones((n, 2), np.float32))
            self.assertEqual(len(m._libraries), libraries)
        with self.assertRaisesRegex(onnxcc.RunError, "'batch' is 0.* 1 to 4"):
            model(text, dim={"batch": "1..4"}).run({"picture": np.zeros((0, 2), np.float32)})
        m = model("m (float[n,k] x, float[k] b) => (float[n,k] y) { y = Add(x, b) }", dim={"k": "0..3"})
        self.equal(m.run({"x": np.zeros((0, 2), np.float32), "b": floats(1, 2)})["y"], np.zeros((0, 2), np.float32))
        self.equal(m.run({"x": np.zeros((0, 0), np.float32), "b": floats()})["y"], np.zeros((0, 0), np.float32))
        m = model("m (seq(float[k]) s) => (float[total] y) { y = ConcatFromSequence<axis = 0>(s) }")
        self.equal(m.run({"s": [floats(1), floats(), floats(2)]})["y"], floats(1, 2))

    def test_a_state_does_not_follow_to_another_library(self):
        m = model("m (float[n] x, float[2] h) => (float[n] y, float[2] next) { y = Neg(x) one = Constant<value_float = 1.0>() next = Add(h, one) }",
                  state={"next": "h"})
        m.run({"x": floats(1)})
        with self.assertRaisesRegex(onnxcc.RunError, "reset"):
            m.run({"x": floats()})
        m.reset()
        self.equal(m.run({"x": floats()})["y"], floats())

    def test_lists_are_inputs(self):
        m = model("m (float[n,2] x, int64[n] i, string[n] s, bool[n] b, seq(float[2]) q) => (float[n,2] y, int64[n] j, string[n] t, bool[n] c, seq(float[2]) r) "
                  "{ y = Neg(x) j = Neg(i) t = Identity(s) c = Not(b) r = Identity(q) }")
        good = {"x": [[1, 2.5]], "i": [3], "s": ["a\0"], "b": [True], "q": [[1, 2], (3, 4)]}
        got = m.run(good)
        self.equal(got["y"], floats(-1, -2.5)[None])
        self.equal(got["j"], np.array([-3]))
        self.assertEqual((got["t"].tolist(), got["c"].tolist(), [r.tolist() for r in got["r"]]), (["a\0"], [False], [[1, 2], [3, 4]]))
        self.assertIs(m.run({**good, "b": np.array([False])})["c"].tolist()[0], True)
        for name, bad in (("x", [["a", "b"]]), ("x", [[1, 2], [3]]), ("i", [1.5]), ("i", [1 << 70]), ("s", [1]), ("b", [2]), ("q", 3), ("q", [["a", 1]]), ("x", {1: 2})):
            with self.assertRaisesRegex(onnxcc.RunError, f"'{name}'", msg=bad):
                m.run({**good, name: bad})
        m = model("m (uint8[n] x) => (uint8[n] y) { y = Identity(x) }")
        with self.assertRaisesRegex(onnxcc.RunError, "'x'"):
            m.run({"x": [256]})
        self.equal(m.run({"x": []})["y"], np.zeros(0, np.uint8))

    def test_element_types_are_those_of_the_compiler(self):
        with open(os.path.join(LayoutTest.RUNTIME, "..", "compiler", "base", "elem.h")) as f:
            known = {name: int(code) for code, name in re.findall(r"X\(\w+, (\d+), \"(\w+)\"", f.read())}
        self.assertGreater(len(known), 20)
        for name, code in known.items():
            for kind in (name, f"{name}[n,3]", f"seq({name})", f"optional(seq({name}[2]))"):
                self.assertEqual(types.code_of(kind), code)

    def test_a_model_shows_its_name_and_types(self):
        m = model("m (float[n,3] x) => (float[n,3] y) { y = Neg(x) }")
        self.assertEqual(repr(m), f"<onnxcc.Model {m.path}: (x: float[n,3]) -> (y: float[n,3])>")
        with self.assertRaisesRegex(onnxcc.CompileError, "^the model in memory: error"):
            onnxcc.compile(b"abc")

    def test_mistakes_of_the_caller_are_errors_with_the_name(self):
        m = model("m (float[n,3] x, float[n,3] z) => (float[n,3] y) { y = Add(x, z) }")
        good = np.zeros((2, 3), np.float32)
        for bad, says in (({"x": good}, "'z'"), ({"x": good, "z": good, "w": good}, "'w'"), ({"x": good, "z": good[0]}, "dimensions"),
                          ({"x": good, "z": good.astype(np.float64)}, "float64"), ({"x": good, "z": np.zeros((3, 3), np.float32)}, "dimension 0"),
                          ({"x": good, "z": np.zeros((2, 4), np.float32)}, "dimension 1")):
            with self.assertRaisesRegex(onnxcc.RunError, says):
                m.run(bad)

    def test_a_value_that_decides_a_shape_is_compiled_in_once_for_each(self):
        m = model("m (float[n,3] x, int64[k] axes) => (y) { y = ReduceSum<keepdims = 0>(x, axes) }")
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        for axes in ([0], [1], [0, 1], [1]):
            self.equal(m.run({"x": x, "axes": np.array(axes, np.int64)})["y"], np.sum(x, axis=tuple(axes), dtype=np.float32))
        self.assertEqual(len(m._libraries), 3)

    def test_sizes_that_the_data_decides_grow(self):
        m = model("m (string[n] x) => (string[n] y) { y = StringConcat(x, x) }")
        for n in (3, 9000):
            x = np.array(["ab"] * n, object)
            self.assertEqual(m.run({"x": x})["y"].tolist(), ["abab"] * n)
        m = model("m (float[n] x) => (int64[1,found] y) { y = NonZero(x) }")
        self.equal(m.run({"x": floats(0, 5, 0, 7)})["y"], np.array([[1, 3]], np.int64))

    def test_strings_keep_every_character(self):
        m = model("m (string[n] x) => (string[n] y) { y = Identity(x) }")
        x = np.array(["", "a\0b", "日本", "end"], object)
        self.assertEqual(m.run({"x": x})["y"].tolist(), x.tolist())

    def test_sequences_are_lists_and_empty_optionals_none(self):
        m = model("""m (seq(float[k]) s, optional(float[3]) o) => (seq(float[k]) t, bool given, int64 n)
        { zero = Constant<value_int = 0>() t = SequenceErase(s, zero) given = OptionalHasElement(o) n = SequenceLength(s) }""")
        for length in (1, 3):
            got = m.run({"s": [floats(*range(k + 1)) for k in range(length)], "o": None if length == 1 else floats(1, 2, 3)})
            self.assertEqual([t.shape for t in got["t"]], [(k + 2,) for k in range(length - 1)])
            self.assertEqual(bool(got["given"]), length == 3)
            self.assertEqual(int(got["n"]), length)

    def test_a_sequence_of_any_length_is_one_tensor_in_the_library(self):
        m = model("m (seq(float[2]) s) => (seq(float[2]) t, int64 n) { t = Identity(s) n = SequenceLength(s) }", length={"s": "any"})
        for n in (1, 4):
            got = m.run({"s": [floats(k, 1) for k in range(n)]})
            self.assertEqual([t.tolist() for t in got["t"]], [[k, 1] for k in range(n)])
        self.assertEqual(len(m._libraries), 1)

    def test_maps_are_dictionaries(self):
        m = model('m (float[n,2] x) => (seq(map(string, float)) y) { y = ai.onnx.ml.ZipMap<classlabels_strings = ["no", "yes"]>(x) }',
                  more=', "ai.onnx.ml" : 3')
        self.assertEqual(m.run({"x": np.array([[0.25, 0.75], [1, 0]], np.float32)})["y"], [{"no": 0.25, "yes": 0.75}, {"no": 1.0, "yes": 0.0}])

    def test_a_map_that_is_an_input_is_a_dictionary_or_two_arrays(self):
        m = model('m (map(int64, float) words) => (float[1,4] y) { y = ai.onnx.ml.CastMap<map_form = "SPARSE", max_map = 4>(words) }',
                  more=', "ai.onnx.ml" : 3')
        self.equal(m.run({"words": {0: 1.5, 2: 3}})["y"], floats(1.5, 0, 3, 0)[None])
        self.equal(m.run({"words.keys": np.array([3]), "words.values": floats(2)})["y"], floats(0, 0, 0, 2)[None])
        self.equal(m.run({"words": {}})["y"], floats(0, 0, 0, 0)[None])
        self.assertEqual(len(m._libraries), 1)
        for bad, says in (({"words": [1]}, "dictionary"), ({"words.keys": [1]}, "words.values"), ({}, "'words'"), ({"words": {0: 1}, "words.length": 1}, "words.length")):
            with self.assertRaisesRegex(onnxcc.RunError, says):
                m.run(bad)
        m = model('m (map(string, int64) words) => (int64[1,3] y) { y = ai.onnx.ml.DictVectorizer<string_vocabulary = ["a", "b", "c"]>(words) }',
                  more=', "ai.onnx.ml" : 3', dim={"words.length": "..4"})
        self.assertEqual(m.run({"words": {"c": 7, "a": 1}})["y"].tolist(), [[1, 0, 7]])
        with self.assertRaisesRegex(onnxcc.RunError, "'words.length' is 5"):
            m.run({"words": {str(k): k for k in range(5)}})

    @unittest.skipUnless(importlib.util.find_spec("onnx"), "there is no onnx")
    def test_a_backend_takes_maps(self):
        import onnx
        import onnxcc.backend
        net = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 21, "ai.onnx.ml" : 3]> m (map(int64, float) words) => (float[1,2] y)
        { y = ai.onnx.ml.CastMap<map_form = "SPARSE", max_map = 2>(words) }""")
        for given in ([{1: 1.5}], {"words": {1: 1.5}}, {"words.keys": np.array([1]), "words.values": floats(1.5)}):
            self.equal(onnxcc.backend.run_model(net, given, options={"target": "generic-c99"}).y, floats(0, 1.5)[None])
        with self.assertRaisesRegex(onnxcc.CompileError, "^model 'm': error"):
            onnxcc.backend.run_model(net, [{1: 1.5}], options={"dim": {"other": 3}})

    def test_state_stays_from_run_to_run(self):
        m = model("m (float[2] x, float[2] h) => (float[2] y, float[2] next) { next = Add(x, h) y = Identity(next) }", state={"next": "h"})
        self.assertEqual([n for n, _ in m.inputs + m.outputs], ["x", "y"])
        for k in (1, 2, 3):
            self.equal(m.run({"x": floats(1, 2)})["y"], floats(k, 2 * k))
        m.reset()
        self.equal(m.run({"x": floats(1, 2)})["y"], floats(1, 2))

    def test_a_state_that_grows_is_counted(self):
        text = """m (float[1,new,2] x, float[1,past,2] cache) => (float[2] sum, float[1,total,2] grown)
        { grown = Concat<axis = 1>(cache, x) axes = Constant<value_ints = [0, 1]>() sum = ReduceSum<keepdims = 0>(grown, axes) }"""
        m = model(text, dim={"new": "1..4", "past": "0..8"}, state={"grown": "cache"})
        for _ in range(2):
            past = np.zeros((1, 0, 2), np.float32)
            for n in (3, 1, 2):
                x = np.arange(n * 2, dtype=np.float32).reshape(1, n, 2) + n
                past = np.concatenate([past, x], axis=1)
                self.equal(m.run({"x": x})["sum"], past.sum(axis=(0, 1)))
            m.reset()
        one = np.ones((1, 1, 2), np.float32)
        for _ in range(4):
            m.run({"x": one})
        self.equal(m.run({"x": one}, sizes={"past": 2})["sum"], floats(3, 3))
        self.equal(m.run({"x": one})["sum"], floats(4, 4))
        with self.assertRaisesRegex(onnxcc.RunError, "'old'.*past"):
            m.run({"x": one}, sizes={"old": 2})
        for _ in range(5):
            m.run({"x": one})
        with self.assertRaisesRegex(onnxcc.RunError, "'past' is 9"):
            m.run({"x": one})
        with self.assertRaisesRegex(onnxcc.RunError, "'past' is 0.*0..8"):
            model(text, dim={"new": "1..4", "past": "1..8"}, state={"grown": "cache"}).run({"x": one})

    def test_a_size_of_the_state_that_does_not_grow_has_to_be_given(self):
        m = model("m (float[1] x, float[n] h) => (float[1] y, float[n] next) { next = Add(h, x) y = ReduceSum<keepdims = 1>(next) }", dim={"n": "1..4"},
                  state={"next": "h"})
        with self.assertRaisesRegex(onnxcc.RunError, "sizes={'n'"):
            m.run({"x": floats(1)})
        for k in (1, 2):
            self.equal(m.run({"x": floats(1)}, sizes={"n": 3})["y"], floats(3 * k))

    def test_narrow_types_are_packed_and_unpacked(self):
        for kind, code, bits in (("uint4", 21, 4), ("uint2", 25, 2)):
            m = model(f"m ({kind}[n] x) => ({kind}[n] y) {{ y = Identity(x) }}", opset=25)
            for n in (1, 5, 8):
                x = (np.arange(n, dtype=np.uint8) * 7 % (1 << bits)).view(types.dtype_of(code))
                self.equal(m.run({"x": x})["y"], x)

    @unittest.skipUnless(ml_dtypes, "there is no ml_dtypes")
    def test_types_of_ml_dtypes(self):
        for kind, dtype in (("bfloat16", "bfloat16"), ("float8e4m3fn", "float8_e4m3fn"), ("int4", "int4")):
            m = model(f"m ({kind}[n] x) => (float[n] y) {{ y = Cast<to = 1>(x) }}")
            x = np.array([-3, 0, 1.5, 4]).astype(getattr(ml_dtypes, dtype))
            self.equal(m.run({"x": x})["y"], x.astype(np.float32))
            self.equal(m.run({"x": x.view(f"u{x.itemsize}")})["y"], x.astype(np.float32))

    def test_operators_of_the_callers_own(self):
        here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "custom")
        paths = [os.path.join(here, n) for n in ("despike.onnxtxt", "operators.yaml", "operators.c")]
        x = np.array([[0, 0, 9, 0, 0, 0, 0.5, 0.5, 0.5, 0.5]], np.float32)
        for custom, source in ((paths[1], paths[2]), ([os.path.relpath(paths[1])], [os.path.relpath(paths[2])])):
            m = onnxcc.compile(paths[0], target="generic-c99", custom=custom, custom_source=source)
            self.equal(m.run({"signal": x})["clean"], floats(0, 0, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25)[None])
        with self.assertRaisesRegex(onnxcc.CompileError, "example_.* is missing|missing: .*example_"):
            onnxcc.compile(paths[0], target="generic-c99", custom=paths[1])

    def test_weights_in_a_file(self):
        m = model("m (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }", weights="file")
        self.equal(m.run({"x": floats(1, 1)})["y"], floats(2, 3))

    def test_what_is_not_supported_says_so_with_its_code(self):
        with self.assertRaises(onnxcc.Unsupported) as caught:
            model("m (float[2] x) => (y) { y = my.own.Thing(x) }", more=', "my.own" : 1')
        self.assertEqual(caught.exception.code, 4)
        self.assertEqual(caught.exception.errors[0]["code"], "op-unsupported")
        with self.assertRaises(onnxcc.CompileError) as caught:
            model("m (float[2] x, float[3] z) => (y) { y = Add(x, z) }")
        self.assertEqual(caught.exception.code, 3)


if __name__ == "__main__":
    os.environ["ONNXCC"] = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ONNXCC_CACHE"] = cache
        unittest.main()
