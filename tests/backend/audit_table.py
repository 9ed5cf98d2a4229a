"""Inputs and attributes that make sense for each operator, for audit.py: OPS[domain, name] is a list of variants.

A variant is (inputs, attributes, how). An input is
    "bc3"        random numbers of that shape: a letter is a dimension with a name, a digit one that is fixed, "" a scalar
    "bc:pos"     the same, positive; ":unit" between -1 and 1; ":prob" between 0 and 1; ":less4" whole numbers from 0 to 3; ":any4" from -4 to 3
    C(...)       constant numbers, which become an initializer;  V(...) constant numbers as an input
    None         absent
What a version doesn't have (attributes, inputs at the end) is left out, so one variant says all versions. An attribute that is a function gets
(version, types) - types: of each type variable its number - and gives the value, or None. `how`:
    outs         how many outputs (1)
    since, to    versions that the variant is for
    expect       a function of the inputs (arrays) that gives the outputs, where neither onnxruntime nor onnx.reference knows the version
    otherwise    a function of the types and the inputs, for versions that neither evaluator has
    same         (type variable, the one that it follows, {element type of that: number of the one that goes with it}): the last may be absent
    random       outputs are compared by shape and type only
    types        {type variable: names of element types}: those to try, in place of what the schema has"""
import numpy as np
from onnx import TensorProto, helper


class C:
    def __init__(self, *v, like=None):
        self.v = v[0] if len(v) == 1 else list(v)


class V(C):
    pass


class Zero(C):
    """A zero point: 0 for floats."""


class Scale(C):
    """A scale: 2 for integers."""


OPS = {}


def op(names, *variants, domain=""):
    for name in names.split():
        OPS.setdefault((domain, name), []).extend(variants)


def v(inputs, attributes=None, **how):
    return (inputs.split(" ") if isinstance(inputs, str) and " " in inputs else [inputs] if isinstance(inputs, str) else inputs, attributes or {}, how)


def type_of(variable):
    return lambda version, types: types[variable]


def over(function, axis=None):
    """What operators on elements did before version 7: the second input's dimensions meet the first one's from `axis` on."""
    def meant(types, x, y):
        at = x.ndim - y.ndim if axis is None else axis % x.ndim
        with np.errstate(all="ignore"):
            return [function(x, y.reshape(y.shape + (1,) * (x.ndim - at - y.ndim))).astype(bool if x.dtype == bool else x.dtype)]
    return meant


def cast(types, x):
    return [x.astype(helper.tensor_dtype_to_np_dtype(types["T2"]))]


def bits_as(types, x):
    return [x.view(helper.tensor_dtype_to_np_dtype(types["T2"]))]


def clipped(low, high):
    return lambda types, x, *_: [np.clip(x, low, high).astype(x.dtype)]


def product(types, a, b, c):
    return [(a.astype(np.float64) @ b.astype(np.float64) + c.astype(np.float64)).astype(a.dtype)]


# ---- elementwise
op("Abs Ceil Cos Elu Erf Exp Floor Identity LeakyRelu Neg Relu Round Selu Sigmoid Sign Sin Softplus Softsign Tan Tanh Sinh Asinh Atan HardSigmoid HardSwish Mish "
   "ThresholdedRelu Celu Gelu Swish Not BitwiseNot IsNaN Shrink", v("bcd"))
op("Acos Asin Atanh", v("bc:prob"))
op("Acosh", v([V([[1.5, 2], [3, 4]])]))
op("Cosh", v("bc:unit"))
op("Log Sqrt Reciprocal", v("bc:pos"))
op("Elu LeakyRelu Selu Celu ThresholdedRelu", v("bcd", {"alpha": 0.3, "gamma": 2.0}))
op("Gelu", v("bcd", {"approximate": "tanh"}))
op("Shrink", v("bc", {"lambd": 0.4, "bias": 0.2}))
op("HardSigmoid", v("bc", {"alpha": 0.4, "beta": 0.6}))
op("IsInf", v([V([1.0, -np.inf, np.inf, np.nan])]), v([V([1.0, -np.inf, np.inf])], {"detect_negative": 0}))
op("Clip", v(["bcd", C(-1.0), C(1.0)], {"min": -1.0, "max": 1.0}, otherwise=clipped(-1, 1)), v(["bcd", None, C(1.0)], {"max": 1.0}, otherwise=clipped(None, 1)),
   v(["bcd", C(1), C(3)], {"min": 1.0, "max": 3.0}, otherwise=clipped(1, 3)))
op("And Or Xor Equal Greater Less", v("bcd bcd:pos"), v("bcd d:pos", since=7), v("b1d cd:pos", since=7), v("bcd d:pos", {"broadcast": 1}, to=6),
   v("bcd c:pos", {"broadcast": 1, "axis": 1}, to=6), v("bcde cd:pos", {"broadcast": 1, "axis": -3}, to=6))
for name, function in (("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)):
    op(name, v("bcd bcd:pos"), v("bcd d:pos", since=7), v("b1d cd:pos", since=7), v("bcd d:pos", {"broadcast": 1}, to=6, otherwise=over(function)),
       v("bcd c:pos", {"broadcast": 1, "axis": 1}, to=6, otherwise=over(function, 1)), v("bcde cd:pos", {"broadcast": 1, "axis": -3}, to=6, otherwise=over(function, -3)))
op("GreaterOrEqual LessOrEqual BitwiseAnd BitwiseOr BitwiseXor", v("bcd d:pos"), v("bcd bcd"))
op("Pow", v("bcd:pos d:unit", since=7), v("bcd:pos bcd:unit", to=6), v("bcd:pos c:unit", {"broadcast": 1, "axis": 1}, to=6))
op("Mod", v("bcd d:pos", {"fmod": lambda version, types: int("FLOAT" in TensorProto.DataType.Name(types["T"]) or types["T"] == TensorProto.DOUBLE)}),
   v("bcd d:pos", {"fmod": 1}))
op("BitShift", v("bcd:less4 d:less4", {"direction": "LEFT"}), v("bcd:less4 d:less4", {"direction": "RIGHT"}))
op("PRelu", v("bcd d", since=7), v("bcd c", to=6), v("bcd 1", to=6), v("bcd c1", since=7))
op("Max Min Sum Mean", v("bcd bcd bcd"), v("bcd"), v("bcd d c1", since=8))
op("Where", v("cd:less2 bcd d"))
CAST = {"to": lambda version, types: types["T2"] if version >= 6 else helper.tensor_dtype_to_string(types["T2"]).split(".")[-1]}
op("Cast", v("bcd:unit", CAST, otherwise=cast), v("bcd:pos", dict(CAST, saturate=0), otherwise=cast))
op("CastLike", v("bcd:pos c"))
PARTNER = {"FLOAT": "INT32", "INT32": "UINT32", "UINT32": "FLOAT", "DOUBLE": "INT64", "INT64": "UINT64", "UINT64": "DOUBLE", "COMPLEX64": "INT64", "FLOAT16": "INT16", "INT16": "UINT16", "UINT16": "FLOAT16",
           "BFLOAT16": "INT16", "INT8": "UINT8", "UINT8": "INT8", "BOOL": "UINT8", "INT4": "UINT4", "UINT4": "INT4", "INT2": "UINT2", "UINT2": "INT2", "FLOAT4E2M1": "UINT4", "FLOAT8E4M3FN": "UINT8",
           "FLOAT8E4M3FNUZ": "INT8", "FLOAT8E5M2": "UINT8", "FLOAT8E5M2FNUZ": "INT8", "FLOAT8E8M0": "UINT8"}
PARTNER = {k: TensorProto.DataType.Value(n) for k, n in PARTNER.items()}
op("BitCast", v("bcd", {"to": lambda version, types: types["T2"]}, otherwise=bits_as, same=("T2", "T1", PARTNER)))

# ---- shapes
op("Concat", v("bcd bed bcd", {"axis": 1}), v("bcd bcd", {"axis": -1}, since=4), v("bcd bed", to=3))
op("Constant", v([], {"value": lambda version, types: helper.make_tensor("v", types["T"], [2, 2], [b"a", b"b", b"", b"d"] if types["T"] == TensorProto.STRING else [1, 0, 1, 1])}))
op("ConstantOfShape", v([V([2, 3])], {"value": lambda version, types: helper.make_tensor("v", types["T2"], [1], [1])}), v([C([2, 3])], {}))
op("Expand", v(["b1d", C([2, 1, 3, 1])]))
op("Flatten", v("bcde", {"axis": 2}), v("bcde"), v("bcde", {"axis": -1}, since=11), v("bcde", {"axis": 0}))
op("Reshape", v(["bcd", C([0, -1])], {"shape": [0, -1]}), v(["bcd", C([-1])], {"shape": [-1]}))
op("Shape Size", v("bcd"))
op("Shape", v("bcde", {"start": 1, "end": -1}, since=15))
op("Squeeze", v(["b1c1", C([1, 3])], {"axes": [1, 3]}), v(["2131", None], {}), v(["b1c", C([-2])], {"axes": [-2]}, since=11))
op("Unsqueeze", v(["bc", C([0, 2])], {"axes": [0, 2]}), v(["bc", C([-1])], {"axes": [-1]}, since=11))
op("Transpose", v("bcd"), v("bcd", {"perm": [1, 2, 0]}))
op("Slice", v(["67d", C([1, 0]), C([4, -1]), C([0, 1]), C([2, 3])], {"starts": [1, 0], "ends": [4, -1], "axes": [0, 1]}),
   v(["67d", C([1]), C([1000])], {"starts": [1], "ends": [1000]}), v(["67d", C([5, -1]), C([-9, 0]), C([1, 0]), C([-2, -1])], {}, since=10))
op("Split", v(["b6c", C([2, 4])], {"axis": 1, "split": [2, 4]}, outs=2), v(["b6c", None], {"axis": 1}, outs=3, since=2, to=17), v(["b6c", None], {"axis": 1, "num_outputs": 3}, outs=3, since=18),
   v(["b7c", None], {"axis": 1, "num_outputs": 3}, outs=3, since=18))
op("Range", v([C(1), C(10), C(3)]), v([V(1), V(10), V(3)]))
op("Tile", v(["bcd", C([2, 1, 3])], since=6), v(["bcd", C(3), C(1)], to=5, expect=lambda x, *_: [np.tile(x, (1, 3, 1))]))
op("EyeLike", v("bc", {"k": 1, "dtype": lambda version, types: types["T2"]}), v("45", {"dtype": lambda version, types: types["T2"]}))
op("Trilu", v("bcd"), v(["bcd", C(1)], {"upper": 0}))
op("Pad", v(["bcd", C([0, 1, 2, 1, 0, 1]), C(2)], {"pads": [0, 1, 2, 1, 0, 1], "paddings": [0, 1, 2, 1, 0, 1], "value": 2.0}),
   v(["b56", C([0, 1, 2, 1, 0, 1])], {"pads": [0, 1, 2, 0, 1, 2], "paddings": [0, 1, 2, 0, 1, 2], "mode": "reflect"}, to=10),
   v(["b56", C([0, 1, 2, 0, 1, 2])], {"mode": "reflect"}, since=11), v(["b56", C([0, 1, 2, 0, 1, 2])], {"mode": "edge", "pads": [0, 1, 2, 0, 1, 2], "paddings": [0, 1, 2, 0, 1, 2]}),
   v(["b56", C([0, 1, 2, 0, 1, 2])], {"mode": "wrap"}, since=19), v(["b56", C([1, -1, 1, 1]), None, C([0, 2])], {"mode": "constant"}, since=18))
op("DepthToSpace", v("b8de", {"blocksize": 2}), v("b8de", {"blocksize": 2, "mode": "CRD"}, since=11))
op("SpaceToDepth", v("bc46", {"blocksize": 2}))
op("CenterCropPad", v(["b5d", C([3, 7])], {"axes": [1, 2]}), v(["345", C([5, 4, 3])]))

# ---- products
op("MatMul", v("bcd bde"), v("cd de"), v("d bde"))
op("Gemm", v("cd de ce", to=6, otherwise=product), v("cd de e", {"broadcast": 1}, to=6, otherwise=product), v("dc ed e", {"alpha": 0.5, "beta": 0.7, "transA": 1, "transB": 1, "broadcast": 1}), v("cd de c1", since=7), v("cd de", since=11))
op("Conv", v("b2hw 3233 3", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 0], "strides": [2, 1]}), v("b4hw 6233", {"group": 2, "dilations": [2, 1], "auto_pad": "SAME_UPPER"}), v("b2w 323"),
   v("b2hw 3222", {"auto_pad": "SAME_LOWER", "kernel_shape": [2, 2]}))
op("ConvTranspose", v("b2hw 2333 3", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 0], "strides": [2, 1]}), v("b4hw 4333", {"group": 2, "output_padding": [1, 0], "strides": [2, 2]}),
   v("b2hw 2333", {"strides": [2, 2], "auto_pad": "SAME_UPPER"}), v("b278 2333", {"output_shape": [15, 17], "strides": [2, 2]}))
op("DeformConv", v("b266 3222 b855 3", {"kernel_shape": [2, 2]}))
op("Einsum", v("bcd bde", {"equation": "bcd,bde->bce"}), v("cc", {"equation": "ii->i"}), v("bcd", {"equation": "...d->d..."}))
op("MatMulInteger", v("cd de"), v(["cd", "de", C(1), C(1)]))
op("ConvInteger", v(["b2hw", "3233", C(1), C(1)], {"pads": [1, 1, 1, 1]}), v("b2hw 3233"))
op("QLinearMatMul", v(["cd", C(0.5), Zero(1), "de", C(0.25), Zero(1), C(0.6), Zero(2)]))
op("QLinearConv", v(["b2hw", C(0.5), C(1), "3233", C(0.25), C(1), C(0.61), C(2), C([1, -2, 3])]))
op("Det", v("bcc"))
op("Col2Im", v(["b49", C([4, 4]), C([2, 2])]))

# ---- reductions, order
REDUCE = "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"
op(REDUCE, v(["bcd:pos", C([1])], {"axes": [1]}), v(["bcd:pos"]), v(["bcd:pos", C([0, -1])], {"axes": [0, -1], "keepdims": 0}, since=11), v(["bcd:pos"], {"noop_with_empty_axes": 1}, since=13))
op("ArgMax ArgMin", v("bcd", {"axis": 1}), v("bcd:less4", {"axis": -1, "keepdims": 0, "select_last_index": 1}, since=11), v("bcd"))
op("CumSum CumProd", v(["bcd", C(1)]), v(["bcd", C(-1)], {"exclusive": 1, "reverse": 1}))
op("Hardmax Softmax LogSoftmax", v("bcd"), v("bcd", {"axis": 1}), v("bcde", {"axis": 2}), v("bcd", {"axis": -1}, since=11), v("bcd", {"axis": 0}))
op("TopK", v(["bc7", C([3])], {"k": 3}, outs=2), v(["b7c", C([2])], {"k": 2, "axis": 1, "largest": 0, "sorted": 1}, outs=2))

# ---- normalization
op("BatchNormalization", v("bchw c c c c:pos", {"epsilon": 1e-3, "is_test": 1}), v("bchw chw chw chw chw:pos", {"spatial": 0, "is_test": 1}, since=1, to=8,
   expect=lambda x, s, b, m, w: [((x - m) / np.sqrt(w + 1e-5) * s + b).astype(x.dtype)]), v("bc c c c c:pos", {"is_test": 1}, since=7),
   v("bchw c c c c:pos", {"training_mode": 1}, since=14, outs=3))
op("GroupNormalization", v("b4hw 2 2", {"num_groups": 2}, to=20), v("b4hw 4 4", {"num_groups": 2, "epsilon": 1e-3}, since=21))
op("InstanceNormalization", v("bchw c c", {"epsilon": 1e-3}))
op("LRN", v("b5hw", {"size": 3, "alpha": 0.1, "beta": 0.6, "bias": 1.5}))
op("LayerNormalization", v("bcd d d"), v("bcd cd cd", {"axis": 1}), v("bcd d", outs=3))
op("RMSNormalization", v("bcd d"), v("bcd cd", {"axis": 1}))
op("LpNormalization", v("bcd"), v("bcd", {"axis": 1, "p": 1}))
op("MeanVarianceNormalization", v("bchw"), v("bchw", {"axes": [1, 2]}))
op("Dropout", v("bcd", {"is_test": 1, "ratio": 0.3}, otherwise=lambda types, x: [x]), v("bcd", {"is_test": 1}, outs=2))

# ---- pools
POOL = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}
op("MaxPool AveragePool LpPool", v("bchw", POOL), v("bchw", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}), v("bchw", {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}),
   v("bcw", {"kernel_shape": [3], "auto_pad": "VALID"}), v("bchw", {"kernel_shape": [3, 3], "ceil_mode": 1, "strides": [2, 2]}, since=10), v("bchw", {"kernel_shape": [2, 2], "dilations": [2, 1]}, since=10))
op("AveragePool", v("bchw", dict(POOL, count_include_pad=1)), v("bchw", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1, "strides": [2, 2], "count_include_pad": 1}, since=19))
op("MaxPool", v("bchw", POOL, outs=2, since=8), v("bchw", dict(POOL, storage_order=1), outs=2, since=8))
op("LpPool GlobalLpPool", v("bchw", dict(POOL, p=lambda version, types: 1.0 if version == 1 else 1)))
op("GlobalMaxPool GlobalAveragePool GlobalLpPool", v("bchw"), v("bcw"))
op("MaxUnpool", v([V(np.arange(1, 5).reshape(1, 1, 2, 2)), V(np.array([5, 7, 13, 15]).reshape(1, 1, 2, 2))], {"kernel_shape": [2, 2], "strides": [2, 2]}))
op("MaxRoiPool", v(["2366", V([[0, 0, 0, 3, 3], [1, 1, 1, 5, 4]])], {"pooled_shape": [2, 2], "spatial_scale": 0.9}))
op("RoiAlign", v(["2366", V([[0, 0, 3, 3], [1, 1, 5, 4]]), V([0, 1])], {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.8}), v(["2366", V([[0, 0, 3, 3], [1, 1, 5, 4]]), V([0, 1])], {"mode": "max", "output_height": 2, "output_width": 2, "sampling_ratio": 2}))
op("NonMaxSuppression", v([V(np.array([[[0, 0, 1, 1], [0, .1, 1, 1.1], [0, -.1, 1, .9], [0, 10, 1, 11]]])), V(np.array([[[.9, .75, .6, .95]]])), C([3]), C([0.5]), C([0.0])]))

# ---- indexes
op("Gather", v("6cd bc:less6"), v("b6d c:any6", {"axis": 1}, since=11))
op("GatherElements", v("6c dc:any6"))
op("GatherND", v(["345", V([[0, 1], [2, 3]])]), v(["245", V([[1], [3]])], {"batch_dims": 1}, since=12))
op("OneHot", v(["bc:less5", C(5), V([0, 1])]), v(["bc:less5", C(5), V([2, 3])], {"axis": 1}))
op("ReverseSequence", v(["45c", V([1, 2, 3, 4, 4])]), v(["54c", V([1, 2, 3, 4, 4])], {"batch_axis": 0, "time_axis": 1}))
SCATTER = ["45", V([[1, 0, 2, 3, 3], [0, 2, 0, 2, 1]]), "25"]
op("Scatter ScatterElements", v(SCATTER), v(["45", V([[1, 0], [3, 2]]), "22"], {"axis": 1}))
for how in ("add", "mul"):
    op("ScatterElements", v(SCATTER, {"reduction": how}, since=16))
    op("ScatterND", v(["45", V([[1], [1], [3]]), "35"], {"reduction": how}, since=16))
for how in ("min", "max"):
    op("ScatterElements", v(SCATTER, {"reduction": how}, since=18))
    op("ScatterND", v(["45", V([[1], [1], [3]]), "35"], {"reduction": how}, since=18))
op("ScatterND", v(["45", V([[1], [3]]), "25"]))
op("TensorScatter", v(["b26d", "b22d", V([1, 2])]))
op("Compress", v(["6c", V([1, 0, 1, 1])], {"axis": 0}), v(["5c", V([0, 1, 1])]))
op("NonZero", v("bcd:less2"))
op("Unique", v("6:less4", outs=4), v("6:less4", {"sorted": 0}, outs=4), v(["62:less2"], {"axis": 0}, outs=4))

# ---- resampling
op("Upsample", v("bchw", {"height_scale": 2.0, "width_scale": 3.0}, to=6), v("bchw", {"height_scale": 2.0, "width_scale": 2.0, "mode": "bilinear"}, to=6,),
   v(["bchw", C([1.0, 1.0, 2.0, 3.0])], {"scales": [1.0, 1.0, 2.0, 3.0]}, since=7), v(["bchw", C([1.0, 1.0, 2.0, 2.0])], {"scales": [1.0, 1.0, 2.0, 2.0], "mode": "linear"}, since=7))
op("Resize", v(["bchw", C([1.0, 1.0, 2.0, 3.0])], to=10), v(["bchw", C([1.0, 1.0, 0.6, 1.5])], {"mode": "linear"}, to=10), v(["bchw", C(np.zeros(0)), C([1.0, 1.0, 2.0, 0.6])], since=11),
   v(["bc46", C(np.zeros(0)), C(np.zeros(0)), C([2, 3, 7, 9])], {"mode": "linear"}, since=11, fixed=True, types={"T1": ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"], "T": ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"]}),
   v(["bc46", C(np.zeros(0)), C(np.zeros(0)), C([2, 3, 8, 12])], {"mode": "linear"}, since=11, fixed=True, types={"T1": ["UINT8", "INT8", "INT32"], "T": ["UINT8", "INT8", "INT32"]}),
   v(["bchw", C(np.zeros(0)), C([1.0, 1.0, 2.0, 1.5])], {"mode": "cubic", "coordinate_transformation_mode": "align_corners"}, since=11),
   v(["bchw", None, C([1.0, 1.0, 0.5, 0.6])], {"mode": "linear", "antialias": 1}, since=18))
op("GridSample", v("bchw bde2:unit"), v("bchw bde2:unit", {"mode": lambda version, types: "bicubic" if version < 20 else "cubic", "padding_mode": "border", "align_corners": 1}))
op("AffineGrid", v(["223", C([2, 3, 4, 5])]), v(["223", C([2, 3, 4, 5])], {"align_corners": 1}))

# ---- quantization
op("QuantizeLinear", v(["bcd", Scale(0.5), Zero(1)]), v(["b3c", C([0.5, 0.25, 0.3]), C([1, 0, 2])], {"axis": 1}, since=13))
op("DequantizeLinear", v(["bcd:less4", Scale(0.5), Zero(1)], {"output_dtype": lambda version, types: types.get("T3")}), v(["b3c:less4", C([0.5, 0.25, 0.3]), C([1, 0, 2])], {"axis": 1}, since=13))
op("DynamicQuantizeLinear", v("bcd", outs=3))

# ---- recurrent
op("RNN", v(["dc4", "154", "155", V(np.full((1, 10), 0.1))], {"hidden_size": 5}, outs=2))
op("GRU", v(["dc4", C(np.linspace(-1, 1, 60).reshape(1, 15, 4)), C(np.linspace(1, -1, 75).reshape(1, 15, 5)), C(np.linspace(-.5, .5, 30).reshape(1, 30))], {"hidden_size": 5, "linear_before_reset": 1}, outs=2),
   v(["dc4", C(np.linspace(-1, 1, 60).reshape(1, 15, 4)), C(np.linspace(1, -1, 75).reshape(1, 15, 5))], {"hidden_size": 5, "output_sequence": 1}, outs=2))
op("LSTM", v(["dc4", C(np.linspace(-1, 1, 80).reshape(1, 20, 4)), C(np.linspace(1, -1, 100).reshape(1, 20, 5)), C(np.linspace(-.5, .5, 40).reshape(1, 40))], {"hidden_size": 5, "output_sequence": 1}, outs=3),
   v(["dc4", C(np.linspace(-1, 1, 80).reshape(1, 20, 4)), C(np.linspace(1, -1, 100).reshape(1, 20, 5))], {"hidden_size": 5, "direction": "reverse", "input_forget": 0}, outs=3))

# ---- attention
op("Attention", v("b2d4 b2e4 b2e4"), v("b2d4 b2d4 b2d4", {"is_causal": 1}))
op("RotaryEmbedding", v(["b2c4", "62", "62", V(np.zeros((2, 4)))], fixed=True), v(["bc8", "bc2", "bc2"], {"num_heads": 2}))
op("SwiGLU", v("bc6"))

# ---- signal, random, losses
op("DFT", v(["b81", None, C(1)], {"axis": 1}), v(["b82", None, C(1)], {"axis": 1, "inverse": 1}), v(["b81", None, C(1)], {"axis": 1, "onesided": 1}), v(["b62", C(7), C(1)], {"axis": 1}))
op("STFT", v(["b91", C(2), None, C(4)]), v(["b92", C(2), C([0.5, 1, 1, 0.5])], {"onesided": 0}))
op("MelWeightMatrix", v([C(4), C(16), C(8000), C(100.0), C(3000.0)], {"output_datatype": lambda version, types: types.get("T3", 1)}))
op("HannWindow HammingWindow BlackmanWindow", v([C(8)], {"output_datatype": lambda version, types: types.get("T2", 1)}), v([V(8)], {"periodic": 0}))
op("RandomNormal RandomUniform", v([], {"shape": [3, 4], "dtype": lambda version, types: types["T"]}, random=True))
op("RandomNormalLike RandomUniformLike", v("bc", {"dtype": lambda version, types: types["T2"]}, random=True), v("bc", random=True, types={"T2": None, "T1": ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"]}, same=("T2", "T1")))
op("Bernoulli", v("bc:prob", {"dtype": lambda version, types: types["T2"]}, random=True))
op("Multinomial", v("bc:prob", {"sample_size": 3, "dtype": lambda version, types: types["T2"]}, random=True))
op("NegativeLogLikelihoodLoss", v("bcd bd:less3", {"reduction": "mean"}), v("bc b:less3 c:pos", {"reduction": "sum"}))
op("SoftmaxCrossEntropyLoss", v("bc b:less3"), v("bcd bd:less3 c:pos", {"reduction": "none"}, outs=2))

# ---- strings
op("StringConcat", v("bc c"))
op("StringNormalizer", v("c", {"case_change_action": "UPPER"}))
op("StringSplit", v("bc", outs=2))
op("RegexFullMatch", v("bc", {"pattern": "[ab]+"}))

# ---- ai.onnx.ml
ML = "ai.onnx.ml"
op("ArrayFeatureExtractor", v(["bc6", V([0, 3])]), domain=ML)
op("Binarizer", v("bc", {"threshold": 0.5}), domain=ML)
op("FeatureVectorizer", v("b3 b2", {"inputdimensions": [3, 2]}), domain=ML)
op("Imputer", v("b3", {"imputed_value_floats": lambda version, types: [1.0, 2.0, 3.0] if types["T"] in (1, 11) else None, "replaced_value_float": 0.0,
                       "imputed_value_int64s": lambda version, types: None if types["T"] in (1, 11) else [1, 2, 3], "replaced_value_int64": 0}), domain=ML)
op("Normalizer", v("bc", {"norm": "L2"}), v("bc", {"norm": "L1"}), v("bc", {"norm": "MAX"}), domain=ML)
op("Scaler", v("b3", {"scale": [0.5, 1.0, 2.0], "offset": [1.0, 0.0, -1.0]}), domain=ML)
op("OneHotEncoder", v("b:less3", {"cats_int64s": lambda version, types: None if types["T"] == TensorProto.STRING else [0, 1, 2], "cats_strings": lambda version, types: ["a", "bb", "ab"] if types["T"] == TensorProto.STRING else None}),
   domain=ML)
op("LinearRegressor", v("b3", {"coefficients": [0.5, 1.0, 2.0], "intercepts": [0.1], "targets": 1}), domain=ML)
op("LinearClassifier", v("b3", {"coefficients": [0.5, 1.0, 2.0, -0.5, 0.3, 0.2], "intercepts": [0.1, -0.1], "classlabels_ints": [0, 1], "post_transform": "SOFTMAX"}, outs=2, types={"T2": ["INT64"]}),
   v("b3", {"coefficients": [0.5, 1.0, 2.0, -0.5, 0.3, 0.2], "intercepts": [0.1, -0.1], "classlabels_strings": ["a", "bb"]}, outs=2, types={"T2": ["STRING"]}), domain=ML)
op("SVMRegressor", v("b3", {"coefficients": [1.0, -0.5], "kernel_params": [0.2, 0.0, 3.0], "kernel_type": "RBF", "n_supports": 2, "rho": [0.3], "support_vectors": [0.1, 0.2, 0.3, 1.0, -1.0, 0.5]}), domain=ML)
op("TreeEnsembleRegressor", v("b3", {"n_targets": 1, "nodes_falsenodeids": [2, 0, 0], "nodes_featureids": [0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_nodeids": [0, 1, 2],
   "nodes_treeids": [0, 0, 0], "nodes_truenodeids": [1, 0, 0], "nodes_values": [0.5, 0.0, 0.0], "target_ids": [0, 0], "target_nodeids": [1, 2], "target_treeids": [0, 0], "target_weights": [1.0, 2.0]}), domain=ML)

# ---- training
for name, more in (("Adagrad", 1), ("Momentum", 1), ("Adam", 2)):
    op(name, v(["", V(0)] + ["bc:pos"] * (2 + more), {"norm_coefficient": 0.001, "alpha": 0.9, "beta": 0.8, "mode": "standard", "epsilon": 1e-3}, outs=1 + more), domain="ai.onnx.preview.training")
