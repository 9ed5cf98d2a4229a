#!/usr/bin/env python3
"""Operators of com.microsoft beside attention and quantization, one at a time on random data, against onnxruntime without graph optimization, or against a
formula where onnxruntime has them on a GPU only.

    contrib_other.py ONNXCC [WORD]

Each becomes a case of `onnxcc verify --cases`, once with fixed sizes and once with the outer two as symbols; WORD: only cases with it in their name. Exit
code 77 without onnxruntime."""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper, save
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

RNG = np.random.default_rng(7)
CASES = []


def noise(*shape):
    return np.asarray(RNG.standard_normal(shape), np.float32)


def whole(low, high, shape, kind=np.uint8):
    return RNG.integers(low, high, shape).astype(kind)


def case(name, op, inputs, outputs=1, constants=(), formula=None, domain="com.microsoft", kinds=None, opset=17, **attributes):
    """inputs: arrays, None where absent. constants: places of initializers. formula: gives the outputs, where onnxruntime can't. kinds: of the outputs."""
    CASES.append((name, op, inputs, outputs, constants, formula, domain, kinds, opset, attributes))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def erf(x):
    import math
    return np.vectorize(math.erf)(x).astype(np.float32)


def normalized(x, gamma, beta, groups, silu, last):
    x = np.moveaxis(x, -1, 1) if last else x
    g = x.reshape(x.shape[0], groups, -1)
    y = ((g - g.mean(-1, keepdims=True)) / np.sqrt(g.var(-1, keepdims=True) + 1e-5)).reshape(x.shape)
    y = y * gamma[:, None, None] + beta[:, None, None]
    y = y * sigmoid(y) if silu else y
    return (np.moveaxis(y, 1, -1) if last else y).astype(np.float32)


def diffusion():
    gamma, beta, bias = noise(6), noise(6), noise(6)
    for last in (0, 1):
        x = noise(2, 4, 5, 6) if last else noise(2, 6, 4, 5)
        for silu in (0, 1):
            case(f"group_norm_{last}{silu}", "GroupNorm", [x, gamma, beta], formula=lambda x=x, s=silu, o=last: [normalized(x, gamma, beta, 3, s, o)], groups=3, activation=silu,
                 channels_last=last, epsilon=1e-5, constants=(1, 2))
    x, thin, skip = noise(2, 4, 5, 6), noise(2, 6), noise(2, 4, 5, 6)
    for k, (s, b) in enumerate(((skip, None), (thin, bias), (skip, bias))):
        total = x + (s[:, None, None] if s.ndim == 2 else s) + (0 if b is None else b)
        case(f"skip_group_norm_{k}", "SkipGroupNorm", [x, gamma, beta, s, b], 2, formula=lambda t=total: [normalized(t, gamma, beta, 2, 1, 1), t], groups=2, activation=1, epsilon=1e-5, constants=(1, 2))
    x, y, b = noise(2, 5, 6), noise(2, 5, 6), noise(6)
    case("bias_add", "BiasAdd", [x, b, y], formula=lambda: [x + b + y])
    s = x + b
    case("bias_split_gelu", "BiasSplitGelu", [x, b], formula=lambda: [s[..., :3] * s[..., 3:] * 0.5 * (1 + erf(s[..., 3:] / np.sqrt(2)))])


def products():
    for kind in (np.float32,):
        for ta, tb, ba, bb in ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 1, 1), (1, 1, 1, 1)):
            a, b = [3, 4, 5, 6], [3, 4, 6, 2]
            a, b = (a[:2] + [a[3], a[2]] if ta else a), (b[:2] + [b[3], b[2]] if tb else b)
            a, b = ([a[2], a[0], a[1], a[3]] if ba else a), ([b[2], b[0], b[1], b[3]] if bb else b)
            case(f"fused_matmul_{ta}{tb}{ba}{bb}", "FusedMatMul", [noise(*a), noise(*b)], transA=ta, transB=tb, transBatchA=ba, transBatchB=bb, alpha=0.5)
    case("transpose_matmul", "TransposeMatMul", [noise(2, 5, 4), noise(2, 5, 3)], transA=1)
    case("matmul_integer_16", "MatMulInteger16", [whole(-300, 300, (2, 3, 4), np.int16), whole(-300, 300, (2, 4, 5), np.int16)], kinds=[TensorProto.INT32])
    for kind in (0, 1):
        for n, k, size in ((6, 32, 16), (5, 21, 16), (8, 64, 64)):
            count = n * k
            case(f"bnb4_{kind}_{n}", "MatMulBnb4", [noise(2, 3, k), whole(0, 256, (count + 1) // 2), np.abs(noise(-(-count // size)))], constants=(1, 2), K=k, N=n, block_size=size, quant_type=kind)
    case("cdist_0", "CDist", [noise(4, 6), noise(5, 6)], metric="euclidean")
    case("cdist_1", "CDist", [noise(4, 6), noise(5, 6)], metric="sqeuclidean")
    for h, w in ((5, 7), (6, 2), (1, 4)):
        for k, x in enumerate((noise(h, w), whole(0, 3, (h, w), np.float32))):
            case(f"warping_{h}{k}", "DynamicTimeWarping", [x if k else x[None]], kinds=[TensorProto.INT32])
    case("inverse", "Inverse", [noise(2, 4, 4) + 3 * np.eye(4, dtype=np.float32)])
    a, b = noise(2, 3, 2), noise(2, 3, 2)
    z, w = a[..., 0] + 1j * a[..., 1], b[..., 0] + 1j * b[..., 1]
    case("complex_mul", "ComplexMul", [a, b], formula=lambda: [np.stack([(z * w).real, (z * w).imag], -1).astype(np.float32)])
    case("complex_mul_conj", "ComplexMulConj", [a, b], formula=lambda: [np.stack([(z * w.conj()).real, (z * w.conj()).imag], -1).astype(np.float32)])


def t5_bucket(position, buckets, max_distance, both_ways):
    """The bucket of a relative position as T5 has it; what lies ahead counts like what lies behind where buckets are for one way only."""
    start = 0
    if both_ways:
        buckets //= 2
        start = buckets if position > 0 else 0
    position, exact = abs(position), buckets // 2
    if position < exact:
        return start + position
    return start + min(buckets - 1, exact + int(np.log(np.float32(position) / exact) / np.log(np.float32(max_distance) / exact) * (buckets - exact)))


def relative():
    table, n = noise(16, 3), 30
    for both_ways in (0, 1):
        rows = table.reshape(3, 16)  # as onnxruntime reads its memory
        expected = np.array([[[row[t5_bucket(k - q, 16, 20, both_ways)] for k in range(n)] for q in range(n)] for row in rows], np.float32)[None]
        case(f"relative_bias_{both_ways}", "RelativePositionBias", [table, np.array([n]), np.array([n])], formula=lambda v=expected: [v], constants=(0, 1, 2), max_distance=20, is_bidirectional=both_ways)
    query, bias, places, weight, shift, eco = noise(2, 5, 12), noise(12), noise(1, 3, 5, 5), noise(4, 8), noise(8), noise(1, 3, 1, 1)
    q = (query + bias).reshape(2, 5, 3, 4).transpose(0, 2, 1, 3)
    gates = sigmoid((q @ weight + shift).reshape(2, 3, 5, 2, 4).sum(-1))
    u, r = gates[..., :1], gates[..., 1:]
    case("gated_relative_bias", "GatedRelativePositionBias", [query, bias, places, weight, shift, eco], formula=lambda: [(u * (r * eco - 1) + 2) * places], constants=(1, 2, 3, 4, 5), num_heads=3)


def ratio(above, below):
    """0 where there is nothing above."""
    return np.where(above == 0, 0, above / np.where(above == 0, 1, below))


def truths():
    """Metrics of CDist that ask whether a number is 0."""
    x, y = whole(0, 3, (4, 9), np.float32), whole(0, 3, (5, 9), np.float32)
    x[0], y[0], y[1] = 1, 0, 1
    a, b = x[:, None] != 0, y[None] != 0
    tt, tf, ft, ff = (v.sum(-1).astype(np.float64) for v in (a & b, a & ~b, ~a & b, ~a & ~b))
    apart, n = tf + ft, x.shape[1]
    for metric, expected in {"dice": apart / (2 * tt + apart), "jaccard": ratio(apart, tt + apart), "kulsinski": (apart - tt + n) / (apart + n), "matching": (x[:, None] != y[None]).mean(-1),
                             "rogerstanimoto": 2 * apart / (tt + ff + 2 * apart), "russellrao": (n - tt) / n, "sokalmichener": 2 * apart / (tt + ff + 2 * apart),
                             "sokalsneath": 2 * apart / (tt + 2 * apart), "yule": ratio(2 * tf * ft, tt * ff + tf * ft)}.items():
        case(f"cdist_{metric}", "CDist", [x, y], formula=lambda v=expected.astype(np.float32): [v], metric=metric)


def distributions():
    x, y = np.abs(noise(6, 4)), np.abs(noise(5, 4))
    x[1, 2] = y[2, 3] = 0
    p, q = (x / x.sum(-1, keepdims=True))[:, None].astype(np.float64), (y / y.sum(-1, keepdims=True))[None].astype(np.float64)
    m = (p + q) / 2
    d, rows = (x[:, None] - y[None]).astype(np.float64), np.concatenate([x, y]).astype(np.float64)
    parts = [np.where(v == 0, 0, v * np.log(np.where(v == 0, 1, v) / m)).sum(-1) for v in (p, q)]
    for metric, expected in {"jensenshannon": np.sqrt(sum(parts) / 2), "minkowski": np.sqrt((d * d).sum(-1)), "seuclidean": np.sqrt((d * d / rows.var(0, ddof=1)).sum(-1)),
                             "mahalanobis": np.sqrt(np.einsum("mnk,kl,mnl->mn", d, np.linalg.inv(np.cov(rows.T)), d))}.items():
        case(f"cdist_{metric}", "CDist", [x, y], formula=lambda v=expected.astype(np.float32): [v], metric=metric)


def movement():
    for upper in (0, 1):
        case(f"trilu_{upper}", "Trilu", [noise(2, 4, 5)], upper=upper)
        case(f"trilu_k_{upper}", "Trilu", [noise(2, 4, 5), np.asarray(1 - 2 * upper, np.int64)], constants=(1,), upper=upper)
    for mode in ("constant", "reflect", "edge"):
        case(f"pad_{mode}", "Pad", [noise(3, 4, 5), np.asarray([0, 1, 2, 0, 2, 1], np.int64), *([np.asarray(3, np.float32)] if mode == "constant" else [])], constants=(1, 2), mode=mode)
    case("expand_dims", "ExpandDims", [noise(3, 4), np.asarray(1, np.int32)], constants=(1,))
    case("expand_dims_last", "ExpandDims", [noise(3, 4), np.asarray(-1, np.int32)], constants=(1,))
    table, ids = noise(7, 4), whole(0, 7, (2, 3), np.int64)
    x, y = np.asarray(whole(0, 3, (4, 6), np.float32)), np.asarray(whole(0, 3, (5, 6), np.float32))
    x[:, 0], y[:, 0] = 0, 0
    a, b = x[:, None], y[None]
    centred = [v - v.mean(-1, keepdims=True) for v in (x, y)]
    metrics = {"cityblock": np.abs(a - b).sum(-1), "chebyshev": np.abs(a - b).max(-1), "braycurtis": np.abs(a - b).sum(-1) / np.abs(a + b).sum(-1),
               "canberra": np.nan_to_num(np.abs(a - b) / np.where(a + b == 0, 1, a + b)).sum(-1), "hamming": (a != b).mean(-1).astype(np.float32),
               "cosine": 1 - x @ y.T / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(y, axis=1),
               "correlation": 1 - centred[0] @ centred[1].T / np.linalg.norm(centred[0], axis=1)[:, None] / np.linalg.norm(centred[1], axis=1)}
    for metric, expected in metrics.items():
        case(f"cdist_{metric}", "CDist", [x, y], formula=lambda v=expected: [v], metric=metric)
    truths()
    distributions()
    signal = noise(2, 3, 5, 8)
    for n in (1, 2, 3):
        spectrum = np.fft.rfftn(signal, axes=range(-n, 0))
        spectrum = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)
        case(f"rfft_{n}", "Rfft", [signal], formula=lambda v=spectrum: [v], signal_ndim=n, normalized=0, onesided=1)
        case(f"irfft_{n}", "Irfft", [spectrum], formula=lambda: [signal], signal_ndim=n, normalized=0, onesided=1)
    relative()
    case("torch_embedding", "TorchEmbedding", [table, ids], formula=lambda: [table[ids]])
    for dim, size, step in ((-1, 3, 2), (1, 2, 1), (0, 2, 1)):
        case(f"unfold_{dim}", "UnfoldTensor", [noise(3, 5, 8)], dim=dim, size=size, step=step)
    x = noise(3, 4)
    bad = x.copy()
    bad[1, 2] = np.nan
    for k, v in enumerate((x, bad)):
        case(f"is_all_finite_{k}", "IsAllFinite", [v, noise(2, 2)], formula=lambda k=k: [np.asarray(k == 0)], kinds=[TensorProto.BOOL])
        case(f"is_all_finite_inf_{k}", "IsAllFinite", [v], formula=lambda: [np.asarray(True)], kinds=[TensorProto.BOOL], isinf_only=1)
    for axis, bias in ((3, (3, 1, 1, 5)), (3, (5,)), (2, (4, 5))):
        x, b = noise(3, 2, 4, 5), noise(*bias)
        e = np.exp(x + b - (x + b).max(tuple(range(axis, 4)), keepdims=True))
        case(f"bias_softmax_{axis}_{len(bias)}", "BiasSoftmax", [x, b], formula=lambda e=e, axis=axis: [e / e.sum(tuple(range(axis, 4)), keepdims=True)], axis=axis, is_inner_broadcast=0)
    case("layer_norm_1", "LayerNormalization", [noise(2, 3, 8), noise(8), noise(8)], domain="", opset=15, axis=-1, epsilon=1e-5)
    case("simplified_norm", "SimplifiedLayerNormalization", [noise(2, 3, 8), noise(8)], domain="", axis=-1, epsilon=1e-5)


def identifiers():
    for k, x in enumerate((whole(-2**31, 2**31 - 1, (4, 3), np.int32), whole(0, 2**32 - 1, (4, 3), np.uint32), noise(4, 3), whole(-2**62, 2**62, (4, 3), np.int64), noise(4, 3).astype(np.float64))):
        case(f"murmur_{k}", "MurmurHash3", [x], seed=k, kinds=[TensorProto.UINT32])
        case(f"murmur_signed_{k}", "MurmurHash3", [x], positive=0, kinds=[TensorProto.INT32])
    for n in (1, 2, 3):
        case(f"ngram_{n}", "NGramRepeatBlock", [whole(0, 3, (4, 12), np.int64), noise(4, 5)], ngram_size=n)


def images():
    boxes = np.asarray([[0, 0, 1, 1], [0.2, 0.1, 0.7, 0.9], [-0.3, 0.5, 0.5, 1.4], [0.9, 0.8, 0.1, 0.2]], np.float32)
    for size in ((3, 4), (1, 2)):
        for mode in ("bilinear", "nearest"):
            case(f"crop_{mode}_{size[0]}", "CropAndResize", [noise(2, 3, 6, 7), boxes, np.asarray([0, 1, 1, 0], np.int32), np.asarray(size, np.int32)], constants=(3,), mode=mode, extrapolation_value=0.5)
    x, w, b, z = noise(2, 6, 7, 4), noise(3, 4, 3, 3), noise(3), noise(2, 6, 7, 3)

    def convolved(x, w, b, pads):
        node = helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=pads)
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xwb"]
        m = helper.make_model(helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        y = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": np.moveaxis(x, -1, 1), "w": w, "b": b})[0]
        return np.moveaxis(y, 1, -1)

    pads = [1, 1, 1, 1]
    case("nhwc_conv", "NhwcConv", [x, w, b], formula=lambda: [convolved(x, w, b, pads)], constants=(1, 2), pads=pads)
    case("nhwc_conv_internal", "Conv", [x, w, b], formula=lambda: [convolved(x, w, b, pads)], constants=(1, 2), pads=pads, domain="com.ms.internal.nhwc")
    case("nhwc_fused_conv", "NhwcFusedConv", [x, w, b, z], formula=lambda: [np.maximum(convolved(x, w, b, pads) + z, 0)], constants=(1, 2), pads=pads, activation="Relu")
    case("nhwc_max_pool", "NhwcMaxPool", [whole(0, 256, (2, 6, 7, 4))], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], kinds=[TensorProto.UINT8])
    scale, zero = np.asarray(0.05, np.float32), np.asarray(120, np.uint8)
    q = whole(0, 256, (2, 6, 7, 4))
    for last in (0, 1):
        v = q if last else np.ascontiguousarray(np.moveaxis(q, -1, 1))
        case(f"q_conv_{last}", "QLinearConv", [v, scale, zero, whole(0, 256, (3, 4, 3, 3)), scale, zero, np.asarray(0.9, np.float32), zero, whole(-99, 99, 3, np.int32)], constants=range(1, 9), pads=pads,
             channels_last=last, kinds=[TensorProto.UINT8])
        case(f"q_average_pool_{last}", "QLinearAveragePool", [v, scale, zero, np.asarray(0.0431, np.float32), zero], constants=range(1, 5), kernel_shape=[2, 3], channels_last=last, kinds=[TensorProto.UINT8])


def integers():
    scale, zero = np.asarray(0.05, np.float32), np.asarray(120, np.uint8)
    x, y, c = whole(0, 256, (3, 4, 5)), whole(0, 256, (3, 4, 5)), whole(0, 2, (4, 5), bool)
    case("q_where", "QLinearWhere", [c, x, scale, zero, y, np.asarray(0.07, np.float32), np.asarray(99, np.uint8), np.asarray(0.06, np.float32), np.asarray(110, np.uint8)], constants=(2, 3, 5, 6, 7, 8),
         kinds=[TensorProto.UINT8])
    mean = ((x.astype(np.float32) - 120) * scale).mean((1, 2), keepdims=True)
    case("q_reduce_mean", "QLinearReduceMean", [x, scale, zero, np.asarray(0.01, np.float32), zero], constants=range(1, 5), axes=[1, 2], kinds=[TensorProto.UINT8],
         formula=lambda: [np.clip(np.rint(mean / np.float32(0.01)) + 120, 0, 255).astype(np.uint8)])
    case("mul_integer", "MulInteger", [x, zero, y, np.asarray(7, np.uint8)], constants=(1, 3), kinds=[TensorProto.INT32], formula=lambda: [(x.astype(np.int32) - 120) * (y.astype(np.int32) - 7)])


def blocks():
    """GatherBlockQuantized: bits, axes, with and without zero points."""
    ids = whole(0, 9, (2, 3), np.int64)
    for bits in (2, 4, 8):
        data, scales = whole(0, 256, (9, 32 * bits // 8)), noise(9, 2)
        for zeros in (None, whole(0, 256, (9, -(-2 * bits // 8)))):
            case(f"gather_blocks_{bits}_{int(zeros is not None)}", "GatherBlockQuantized", [data, ids, scales, zeros], constants=(0, 2, 3), bits=bits, block_size=16, gather_axis=0, quantize_axis=1)
    case("gather_blocks_3d", "GatherBlockQuantized", [whole(0, 256, (9, 3, 16)), ids, noise(9, 3, 2)], constants=(0, 2), bits=4, block_size=16, gather_axis=0, quantize_axis=2)
    for bits, sizes in ((4, (0, 16)), (8, (0,))):  # with 8 bits in blocks, onnxruntime rounds the tokens to 8 bits, too
        for size in sizes:
            e, inner, hidden, tokens = 3, 32, 32, 5

            def layer(rows, columns):
                return [whole(0, 256, (e, rows, columns * bits // 8)), np.abs(noise(e, rows, columns // size) if size else noise(e, rows)) / 2**bits, noise(e, rows)]
            more = {"block_size": size} if size else {}
            case(f"qmoe_{bits}_{size}", "QMoE", [noise(tokens, hidden), noise(tokens, e), *layer(inner, hidden), *layer(hidden, inner)], constants=range(2, 8), k=2, expert_weight_bits=bits,
                 activation_type="silu", normalize_routing_weights=1, **more)
            case(f"qmoe_swiglu_{bits}_{size}", "QMoE", [noise(tokens, hidden), noise(tokens, e), *layer(2 * inner, hidden), *layer(hidden, inner)], constants=range(2, 8), k=2, expert_weight_bits=bits,
                 activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.702, activation_beta=1.0, normalize_routing_weights=1, **more)


def sparse_mixer():
    """Two experts of a token, each with its part of the softmax over the experts that come near it."""
    e, hidden, inner, tokens = 8, 6, 5, 7
    x, first, second = noise(tokens, hidden), noise(e, inner, hidden), noise(e, hidden, inner)
    router = 1 + noise(tokens, e) / 50  # near each other
    router[0] -= 2
    expected = np.zeros_like(x)
    for t, scores in enumerate(router):
        left = np.ones(e, bool)
        for _ in range(2):
            best = np.argmax(np.where(left, scores, -np.inf))
            near = left & (scores[best] - scores <= 0.02 * np.maximum(np.abs(scores), scores[best]))
            share = 1 / np.exp(scores[near] - scores[best]).sum()
            expected[t] += share * (second[best] @ np.maximum(first[best] @ x[t], 0))
            left[best] = False
    case("moe_sparse", "MoE", [x, router, first, None, second], formula=lambda: [expected], constants=(2, 4), k=2, use_sparse_mixer=1, activation_type="relu")


def build(row, symbols):
    name, op, inputs, outputs, constants, formula, domain, kinds, opset, attributes = row
    names = ["" if v is None else f"i{k}" for k, v in enumerate(inputs)]
    infos, tensors, fed = [], [], {}
    for k, v in enumerate(inputs):
        if v is None:
            continue
        if k in constants:
            tensors.append(numpy_helper.from_array(np.asarray(v), names[k]))
            continue
        v = fed[names[k]] = np.asarray(v)
        shape = [f"{names[k]}_{d}" if symbols and d < 1 and v.ndim > 1 else size for d, size in enumerate(v.shape)]
        infos.append(helper.make_tensor_value_info(names[k], helper.np_dtype_to_tensor_dtype(v.dtype), shape))
    results = [helper.make_tensor_value_info(f"o{k}", (kinds or [TensorProto.FLOAT] * outputs)[k], None) for k in range(outputs)]
    node = helper.make_node(op, names, [f"o{k}" for k in range(outputs)], domain=domain, **attributes)
    graph = helper.make_graph([node], name, infos, results, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("com.ms.internal.nhwc", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), fed


def write(folder, row):
    """False when there is nothing to compare with."""
    name, formula = row[0], row[5]
    model, fed = build(row, False)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        outputs = formula() if formula else onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, fed)
    except Exception as e:  # onnxruntime's exceptions have no common base
        print(f"not in onnxruntime: {name}: {str(e).splitlines()[0][:200]}")
        return False
    for symbols in (False, True):
        place = os.path.join(folder, name + ("_symbols" if symbols else ""))
        data = os.path.join(place, "test_data_set_0")
        os.makedirs(data)
        save(build(row, symbols)[0], os.path.join(place, "model.onnx"))
        for kind, values in (("input", fed.values()), ("output", outputs)):
            for k, v in enumerate(values):
                with open(os.path.join(data, f"{kind}_{k}.pb"), "wb") as f:
                    f.write(numpy_helper.from_array(np.asarray(v), "").SerializeToString())
    return True


def main(*makes):
    for make in makes:
        make()
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    with tempfile.TemporaryDirectory() as folder:
        count = sum(write(folder, row) for row in CASES if word in row[0])
        run = subprocess.run([sys.argv[1], "verify", "--cases", folder, "--rtol=1e-4", "--atol=2e-5", "-v", "--jobs=2"], stdout=subprocess.PIPE, text=True, check=False)
    lines = [line for line in run.stdout.splitlines() if not line.startswith("pass")]
    good = run.returncode == 0 and not any(line.startswith("unsupported") for line in lines)
    print("\n".join(lines))
    print(f"{count} operators: {'the same' if good else 'DIFFERENT'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(diffusion, products, movement, identifiers, images, integers, blocks, sparse_mixer))
