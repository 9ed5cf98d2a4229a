#!/usr/bin/env python3
"""Operators of com.microsoft around attention, one at a time on random data, against onnxruntime without graph optimization.

    contrib_attention.py ONNXCC [WORD]

Each becomes a case of `onnxcc verify --cases`; WORD: only cases with it in their name. What onnxruntime does not implement is said. Exit code 77
without onnxruntime."""
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

import sizes  # noqa: E402

RNG = np.random.default_rng(5)
CASES = []


def noise(*shape):
    return np.asarray(RNG.standard_normal(shape), np.float32)


def real(*v):
    return np.asarray(v, np.float32)


def ints(*v):
    return np.asarray(v, np.int32)


def case(name, op, inputs, n_out, constants=(), wanted=None, symbols=False, **attributes):
    """inputs: arrays in the operator's order, None where absent. constants: places of initializers. wanted: the outputs asked for.
    symbols: the sizes of inputs are symbols."""
    CASES.append((name, op, inputs, n_out, set(constants), wanted, symbols, attributes))


def attention():
    b, s, n, h = 3, 5, 2, 4
    x, w, bias = noise(b, s, 6), noise(6, 3 * n * h), noise(3 * n * h)
    past, seen = noise(2, b, n, 3, h), RNG.integers(0, 2, (b, s)).astype(np.int32)
    case("attention_2d", "Attention", [x, w, bias, seen], 1, (1, 2), num_heads=n)
    case("attention_3d", "Attention", [x, w, bias, RNG.integers(0, 2, (b, s, s)).astype(np.int32)], 1, (1, 2), num_heads=n)
    case("attention_lengths", "Attention", [x, w, bias, ints(2, 5, 3)], 1, (1, 2), num_heads=n)
    case("attention_ends", "Attention", [x, w, bias, ints(3, 5, 4, 1, 0, 2)], 1, (1, 2), num_heads=n)
    case("attention_4d", "Attention", [x, w, bias, RNG.integers(0, 2, (b, 1, 12, 12)).astype(np.int32), past], 2, (1, 2), num_heads=n)
    case("attention_nothing_seen", "Attention", [x, w, bias, np.zeros((b, s), np.int32)], 1, (1, 2), num_heads=n)
    case("attention_left", "Attention", [x, w, bias, ints([0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1])], 1, (1, 2), num_heads=n, unidirectional=1)
    case("attention_sizes", "Attention", [x, noise(6, 2 * n * h + 6), noise(2 * n * h + 6), None, None, noise(1, n, s, s)], 1, (1, 2), num_heads=n,
         qkv_hidden_sizes=[n * h, n * h, 6])
    case("attention_filter", "Attention", [x, w, bias, seen], 1, (1, 2), num_heads=n, scale=0.3, mask_filter_value=-3.0)
    for masked in (False, True):
        mask = RNG.integers(0, 2, (b, s + 3)).astype(np.int32) if masked else None
        for causal in (0, 1):
            for add in (None, noise(b, n, s, s + 3), noise(1, 1, s, s + 3)):
                name = f"attention_past_{int(masked)}{causal}{0 if add is None else add.shape[0]}"
                case(name, "Attention", [x, w, bias, mask, past, add], 2, (1, 2), num_heads=n, unidirectional=causal, symbols=causal == 1)
    case("attention_one", "Attention", [noise(b, 1, 6), w, bias, None, past], 2, (1, 2), num_heads=n, unidirectional=1)


def quantized():
    b, s, n, h = 2, 4, 2, 4
    for causal in (0, 1):
        for past in (None, noise(2, b, n, 3, h)):
            total = s if past is None else s + 3
            x, w = RNG.integers(0, 255, (b, s, 6)).astype(np.uint8), RNG.integers(-128, 127, (6, 3 * n * h)).astype(np.int8)
            constants = [np.float32(0.02), np.float32(0.01), None, np.uint8(120), np.int8(0), past]
            for mask in (None, RNG.integers(0, 2, (b, total)).astype(np.int32)):
                name = f"qattention_{causal}{int(past is not None)}{int(mask is not None)}"
                inputs = [x, w, noise(3 * n * h), *constants]
                inputs[5] = mask
                case(name, "QAttention", inputs, 1 if past is None else 2, (1, 2, 3, 4, 6, 7), num_heads=n, unidirectional=causal)


def multi_head():
    b, s, t, n, h, v = 2, 3, 6, 2, 4, 5
    q, k, val = noise(b, s, n * h), noise(b, t, n * h), noise(b, t, n * v)
    whole = noise(n * (2 * h + v))
    case("mha_sizes", "MultiHeadAttention", [q, k, val, whole], 1, (3,), num_heads=n, symbols=True)
    case("mha_keys", "MultiHeadAttention", [q, k, val, whole, RNG.integers(0, 2, (b, t)).astype(np.int32)], 1, (3,), num_heads=n, symbols=True)
    case("mha_lengths", "MultiHeadAttention", [q, k, val, None, ints(2, 6)], 1, num_heads=n)
    case("mha_3d", "MultiHeadAttention", [q, k, val, None, RNG.integers(0, 2, (b, s, t)).astype(np.int32), noise(1, n, s, t)], 1, num_heads=n)
    case("mha_scores", "MultiHeadAttention", [q, k, val, None, RNG.integers(0, 2, (b, t)).astype(np.int32), noise(1, 1, s, t)], 4, num_heads=n, wanted=(0, 3))
    case("mha_crossed", "MultiHeadAttention", [q, noise(b, n, t, h), noise(b, n, t, h), noise(3 * n * h)], 1, (3,), num_heads=n)
    case("mha_crossed_plain", "MultiHeadAttention", [q, noise(b, n, t, h), noise(b, n, t, h)], 1, num_heads=n, scale=0.7)
    case("mha_packed_kv", "MultiHeadAttention", [q, noise(b, t, n, 2, h)], 1, num_heads=n)
    case("mha_packed", "MultiHeadAttention", [noise(b, t, n, 3, h)], 1, num_heads=n)
    pk, pv = noise(b, n, 4, h), noise(b, n, 4, h)
    now = noise(b, s, n * h)
    for causal in (0, 1):
        for mask in (None, RNG.integers(0, 2, (b, s + 4)).astype(np.int32)):
            for add in (None, noise(1, n, s, s + 4)):
                name = f"mha_past_{causal}{int(mask is not None)}{int(add is not None)}"
                inputs = [now, noise(b, s, n * h), noise(b, s, n * h), noise(3 * n * h), mask, add, pk, pv]
                case(name, "MultiHeadAttention", inputs, 3, (3,), num_heads=n, unidirectional=causal, symbols=add is None)


def buffers():
    """One query of a decoder whose keys lie in a buffer for the longest sequence."""
    b, n, h, before, total = 3, 2, 4, 4, 5
    past = np.zeros((2, b, n, 9, h), np.float32)
    past[:, :, :, :before] = noise(2, b, n, before, h)
    rows = [noise(b, 1, n * h) for _ in range(3)]
    for mask in (None, RNG.integers(0, 2, (b, total)).astype(np.int32)):
        for add in (None, noise(1, n, 1, total)):
            for bias in (None, noise(3 * n * h)):
                mark = f"{int(mask is not None)}{int(add is not None)}{int(bias is not None)}"
                case("mha_buffer_" + mark, "MultiHeadAttention", [*rows, bias, mask, add, *past, ints(before)], 3, num_heads=n)
                decoder = [*rows, mask, add, *past, ints(before), None, None, bias]
                case("decoder_heads_" + mark, "DecoderMaskedMultiHeadAttention", decoder, 3, num_heads=n, past_present_share_buffer=1, scale=0.3)
    crossed = [rows[0], noise(b, n, 6, h), noise(b, n, 6, h), RNG.integers(0, 2, (b, 6)).astype(np.int32)]
    case("decoder_crossed", "DecoderMaskedMultiHeadAttention", crossed, 1, num_heads=n)


def rotary(size, width=None):
    angle = noise(40, (width or size) // 2)
    return np.cos(angle), np.sin(angle)


def grouped():
    h = 16
    for heads, kv in ((4, 2), (4, 1), (3, 3)):
        for b, s, before in ((1, 1, 7), (1, 6, 0), (2, 5, 0), (1, 3, 4), (2, 1, 6)):
            for room in (0, 5):
                total = s + before
                past = np.zeros((2, b, kv, before + room, h), np.float32)
                past[:, :, :, :before] = noise(2, b, kv, before, h)
                if room == 0 and before == 0:
                    continue
                if room:
                    past = np.concatenate((past, np.zeros((2, b, kv, s, h), np.float32)), 3)
                basic = [noise(b, s, heads * h), noise(b, s, kv * h), noise(b, s, kv * h), past[0], past[1], np.full(b, total - 1, np.int32), np.int32(total)]
                mark = f"{heads}{kv}_{b}{s}{before}_{room}"
                sizes = {"num_heads": heads, "kv_num_heads": kv}
                constants = (6,)
                case("gqa_plain_" + mark, "GroupQueryAttention", basic, 3, constants, **sizes)
                case("gqa_rotary_" + mark, "GroupQueryAttention", basic + [*rotary(h)], 3, (6, 7, 8), do_rotary=1, **sizes)
                case("gqa_window_" + mark, "GroupQueryAttention", basic, 3, constants, local_window_size=3, softcap=2.0, scale=0.4, **sizes)
                case("gqa_sink_" + mark, "GroupQueryAttention", basic + [None] * 4 + [noise(heads)], 3, constants, **sizes)
                case("gqa_smooth_" + mark, "GroupQueryAttention", basic, 3, constants, smooth_softmax=1, **sizes)
                case("gqa_bias_" + mark, "GroupQueryAttention", basic + [None] * 3 + [noise(1, heads, s, total)], 3, constants, softcap=3.0, **sizes)
                case("gqa_scores1_" + mark, "GroupQueryAttention", basic + [None] * 3 + [noise(1, 1, s, total)], 4, constants, qk_output=1, softcap=3.0, **sizes)
                case("gqa_scores3_" + mark, "GroupQueryAttention", basic, 4, constants, qk_output=1, local_window_size=2, **sizes)
                case("gqa_scores2_" + mark, "GroupQueryAttention", basic, 4, constants, qk_output=2, **sizes)
    basic = [noise(2, 3, 8 * h), None, None, np.zeros((2, 2, 9, h), np.float32), np.zeros((2, 2, 9, h), np.float32), ints(2, 2), np.int32(3)]
    for interleaved in (0, 1):
        more = [*rotary(h), np.asarray([[4, 5, 6], [1, 2, 3]], np.int64)]
        case(f"gqa_packed_{interleaved}", "GroupQueryAttention", basic + more, 3, (7, 8), num_heads=4, kv_num_heads=2, do_rotary=1, rotary_interleaved=interleaved)
    uneven = [noise(2, 4, 4 * h), noise(2, 4, 2 * h), noise(2, 4, 2 * h), np.zeros((2, 2, 9, h), np.float32), np.zeros((2, 2, 9, h), np.float32)]
    case("gqa_whole", "GroupQueryAttention", uneven + [ints(3, 3), np.int32(4)], 3, num_heads=4, kv_num_heads=2, causal=0)
    old = noise(2, 3, 2, 9, h)
    old[:, 0, :, 4:] = 0
    old[:, 1, :, 7:] = 0
    old[:, 2, :, 2:] = 0
    one = [noise(3, 1, 4 * h), noise(3, 1, 2 * h), noise(3, 1, 2 * h), old[0], old[1], ints(4, 7, 2), np.int32(8)]
    case("gqa_uneven", "GroupQueryAttention", one + [*rotary(h)], 3, (7, 8), num_heads=4, kv_num_heads=2, do_rotary=1)
    case("gqa_uneven_window", "GroupQueryAttention", one, 3, num_heads=4, kv_num_heads=2, local_window_size=2)
    wide = [noise(1, 5, 128), noise(1, 5, 64), noise(1, 5, 64), np.zeros((1, 2, 9, 32), np.float32), np.zeros((1, 2, 9, 32), np.float32), ints(4), np.int32(5)]
    case("gqa_part", "GroupQueryAttention", wide + [*rotary(32, 16)], 3, (7, 8), num_heads=4, kv_num_heads=2, do_rotary=1)
    case("gqa_no_past", "GroupQueryAttention", uneven[:3] + [None, None, ints(3, 3), np.int32(4), *rotary(h)], 3, (7, 8), num_heads=4, kv_num_heads=2, do_rotary=1)
    valid = [None] * 7 + [ints(4, 4)]
    case("gqa_valid", "GroupQueryAttention", uneven + [ints(5, 3), np.int32(9), *rotary(h)] + valid, 3, (7, 8), num_heads=4, kv_num_heads=2, do_rotary=1)


def quantized_cache():
    h = 16
    for b, s, before in ((2, 1, 6), (1, 3, 4), (1, 4, 0)):
        for how, scale in (("PER_TENSOR", real(0.03)), ("PER_CHANNEL", np.abs(noise(1, 2, 1, h)) / 20 + real(0.01))):
            for bits, kind in ((8, np.int8), (4, np.uint8)):
                past = [RNG.integers(0, 100, (b, 2, 9, h * bits // 8)).astype(kind) for _ in range(2)]
                for p in past:
                    p[:, :, before:] = 0
                size = real(10) if bits == 4 else real(1)
                inputs = [noise(b, s, 4 * h), noise(b, s, 2 * h), noise(b, s, 2 * h), *past, np.full(b, s + before - 1, np.int32), np.int32(s + before), *rotary(h), None, None, None,
                          scale * size, scale * size / 2]
                case(f"gqa_quantized_{b}{s}_{bits}_{how}", "GroupQueryAttention", inputs, 3, (7, 8, 12, 13), num_heads=4, kv_num_heads=2, do_rotary=1, k_quant_type=how, v_quant_type=how,
                     kv_cache_bit_width=bits)


def embeddings():
    for interleaved in (0, 1):
        for shape in ((2, 3, 16), (2, 2, 3, 8)):
            case(f"rotary_offset_{interleaved}{len(shape)}", "RotaryEmbedding", [noise(*shape), np.asarray([4], np.int64), *rotary(8)], 1, (2, 3), interleaved=interleaved, symbols=True)
            case(f"rotary_part_{interleaved}{len(shape)}", "RotaryEmbedding", [noise(*shape), np.asarray([4], np.int64), *rotary(8, 4)], 1, (2, 3), interleaved=interleaved,
                 num_heads=2, rotary_embedding_dim=4)


def halves():
    """Inputs of float16, for what onnxruntime computes in that type."""
    half = lambda row: [v.astype(np.float16) if v is not None and v.dtype == np.float32 else v for v in row]
    q, k, v = (noise(2, 3, 8) for _ in range(3))
    for mask in (None, ints([1, 1, 0], [1, 1, 1])):
        case(f"half_mha_{int(mask is not None)}", "MultiHeadAttention", half([q, k, v, noise(24), mask, noise(1, 2, 3, 3)]), 1, (3,), num_heads=2)
    cache = np.zeros((2, 2, 2, 9, 16), np.float32)
    cache[:, :, :, :4] = noise(2, 2, 2, 4, 16)
    step = [noise(2, 1, 64), noise(2, 1, 32), noise(2, 1, 32), *cache, ints(4, 4), np.int32(5)]
    case("half_gqa", "GroupQueryAttention", half([*step, *rotary(16)]), 3, (7, 8), num_heads=4, kv_num_heads=2, do_rotary=1)
    case("half_gqa_more", "GroupQueryAttention", half([*step, *rotary(16), None, noise(1, 4, 1, 5), noise(4)]), 3, (7, 8), num_heads=4, kv_num_heads=2, softcap=2.0, local_window_size=3)
    case("half_nbits", "MatMulNBits", half([noise(2, 32), RNG.integers(0, 256, (4, 2, 16)).astype(np.uint8), np.abs(noise(4, 2)) / 99]), 1, (1, 2), K=32, N=4, bits=8, block_size=16)
    case("half_skip", "SkipLayerNormalization", half([q, k, noise(8), noise(8)]), 1, (2, 3))
    case("half_rotary", "RotaryEmbedding", half([q, np.asarray([4], np.int64), *rotary(8)]), 1, (2, 3))


def norms():
    x, g, h, k = noise(2, 3, 8), noise(8), noise(8), noise(8)
    for skip, mark in ((noise(2, 3, 8), "same"), (noise(1, 3, 8), "one"), (noise(3, 8), "flat")):
        case(f"skip_{mark}", "SkipLayerNormalization", [x, skip, g, h, k], 4, (2, 3, 4), wanted=(0, 3), epsilon=1e-5)
        case(f"skip_plain_{mark}", "SkipLayerNormalization", [x, skip, g], 1, (2,), symbols=mark == "same")
        case(f"skip_rms_{mark}", "SkipSimplifiedLayerNormalization", [x, skip, g, k], 4, (2, 3), wanted=(0, 3), epsilon=1e-5)
        case(f"skip_deviation_{mark}", "SkipSimplifiedLayerNormalization", [x, skip, g, k], 4, (2, 3), wanted=(0, 2, 3), epsilon=1e-5)
    case("skip_2d", "SkipSimplifiedLayerNormalization", [noise(4, 8), noise(4, 8), g], 1, (2,))
    ids, segments, mask = (RNG.integers(0, n, (2, 5)).astype(np.int32) for n in (20, 2, 2))
    tables = [noise(20, 8), noise(9, 8)]
    for n, (segment, seen, position) in enumerate(((True, True, None), (False, True, None), (True, False, ids % 9), (False, False, ids[:1] % 9), (True, True, ids % 9))):
        inputs = [ids, segments if segment else None, *tables, noise(2, 8) if segment else None, g, h, mask if seen else None, position]
        case(f"embed_{n}", "EmbedLayerNormalization", inputs, 3, (2, 3, 4, 5, 6), epsilon=1e-5)
        case(f"embed_one_{n}", "EmbedLayerNormalization", inputs, 2, (2, 3, 4, 5, 6), wanted=(0,), symbols=True)


def blocked():
    """MatMulNBits: a last block that is not full, an odd number of blocks, weights that are inputs."""
    for bits in (2, 4, 8):
        for k, n, size in ((64, 6, 16), (72, 5, 32), (40, 3, 16)):
            blocks = -(-k // size)
            codes = RNG.integers(0, 256, (n, blocks, size * bits // 8)).astype(np.uint8)
            scales, packed = np.abs(noise(n, blocks)) / 2**bits, RNG.integers(0, 256, (n, -(-blocks * bits // 8))).astype(np.uint8)
            x, numbers = noise(2, 3, k), np.asarray(RNG.integers(0, 2**bits, (n, blocks)), np.float32)
            sizes = {"K": k, "N": n, "bits": bits, "block_size": size}
            for zero, mark in ((None, "none"), (packed, "packed"), (numbers, "real")):
                for bias in (None, noise(n)):
                    for constants, how in (((1, 2, 3, 5), "constant"), ((), "input")):
                        name = f"nbits_{bits}_{k}_{mark}_{how}_{0 if bias is None else 1}"
                        case(name, "MatMulNBits", [x, codes, scales, zero, None, bias], 1, constants, **sizes)


def few_bits():
    """MatMulNBits with constant weights as decoders have them: rows, columns and lengths that fill no tile and no block, and each accuracy_level."""
    for bits in (2, 4, 8):
        for k, n, size, rows in ((128, 50, 32, (1, 1)), (200, 33, 64, (3,)), (80, 70, 16, (1, 40)), (600, 20, 256, (2, 3))):
            blocks = -(-k // size)
            codes = RNG.integers(0, 256, (n, blocks, size * bits // 8)).astype(np.uint8)
            scales, zeros = np.abs(noise(n, blocks)) / 2**bits, RNG.integers(0, 256, (n, -(-blocks * bits // 8))).astype(np.uint8)
            for level in (0, 4) if bits > 2 else (0,):
                for zero, mark in ((None, "none"), (zeros, "zeros")):
                    for symbols in (False, True) if len(rows) > 1 else (False,):
                        case(f"few_{bits}_{size}_{level}_{mark}_{symbols:d}", "MatMulNBits", [noise(*rows, k), codes, scales, zero, None, noise(n)], 1, (1, 2, 3, 5),
                             symbols=symbols, K=k, N=n, bits=bits, block_size=size, accuracy_level=level)


def build(name, op, inputs, n_out, constants, symbols, attributes, wanted):
    names = ["" if v is None else f"i{k}" for k, v in enumerate(inputs)]
    infos, tensors = [], []
    for k, v in enumerate(inputs):
        if v is None:
            continue
        if k in constants:
            tensors.append(numpy_helper.from_array(np.asarray(v), names[k]))
        else:
            v = np.asarray(v)
            shape = [f"{names[k]}_{d}" if symbols and d in (0, v.ndim - 2) and v.ndim > 2 else size for d, size in enumerate(v.shape)]
            infos.append(helper.make_tensor_value_info(names[k], helper.np_dtype_to_tensor_dtype(v.dtype), shape))
    kept = range(n_out) if wanted is None else wanted
    outputs = [f"o{k}" if k in kept else "" for k in range(n_out)]
    kinds = [TensorProto.FLOAT16 if name.startswith("half") else TensorProto.FLOAT] * n_out
    if op == "EmbedLayerNormalization":
        kinds[1:2] = [TensorProto.INT32]
    if "k_quant_type" in attributes:
        kinds[1:] = [helper.np_dtype_to_tensor_dtype(inputs[3].dtype)] * 2
    results = [helper.make_tensor_value_info(o, kinds[k], None) for k, o in enumerate(outputs) if o]
    node = helper.make_node(op, names, outputs, domain="com.microsoft", **attributes)
    graph = helper.make_graph([node], name, infos, results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8)


def decoder():
    """A step of a decoder as models have it: sizes are symbols, and how many keys there are comes from the mask's shape."""
    real, whole = TensorProto.FLOAT, TensorProto.INT64
    q, kv = ["b", "s", 64], ["b", "s", 32]
    inputs = [("q", real, q), ("k", real, kv), ("v", real, kv), ("pk", real, ["b", 2, "p", 16]), ("pv", real, ["b", 2, "p", 16]), ("mask", whole, ["b", "t"])]
    outputs = [("y", real, q), ("ok", real, ["b", 2, "t", 16]), ("ov", real, ["b", 2, "t", 16])]
    constants = [numpy_helper.from_array(v, n) for n, v in (("axes", np.asarray([1], np.int64)), ("one", np.asarray(1, np.int64)), ("cos", rotary(16)[0]), ("sin", rotary(16)[1]))]
    nodes = [helper.make_node("ReduceSum", ["mask", "axes"], ["count"], keepdims=0), helper.make_node("Sub", ["count", "one"], ["last"]),
             helper.make_node("Cast", ["last"], ["last32"], to=TensorProto.INT32), helper.make_node("Shape", ["mask"], ["shape"]),
             helper.make_node("Gather", ["shape", "one"], ["total"]), helper.make_node("Cast", ["total"], ["total32"], to=TensorProto.INT32),
             helper.make_node("GroupQueryAttention", ["q", "k", "v", "pk", "pv", "last32", "total32", "cos", "sin"], ["y", "ok", "ov"], domain="com.microsoft",
                              num_heads=4, kv_num_heads=2, do_rotary=1, local_window_size=6)]
    graph = helper.make_graph(nodes, "decoder", [helper.make_tensor_value_info(*i) for i in inputs], [helper.make_tensor_value_info(*o) for o in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8)
    for b, s, p in ((2, 1, 7), (1, 3, 5), (1, 4, 1)):
        mask = np.ones((b, s + p), np.int64)
        yield f"decoder_{b}{s}{p}", model, dict(q=noise(b, s, 64), k=noise(b, s, 32), v=noise(b, s, 32), pk=noise(b, 2, p, 16), pv=noise(b, 2, p, 16), mask=mask)


def single(row):
    name, op, inputs, n_out, constants, wanted, symbols, attributes = row
    fed = {f"i{k}": np.asarray(v) for k, v in enumerate(inputs) if v is not None and k not in constants}
    return name, build(name, op, inputs, n_out, constants, symbols, attributes, wanted), fed


def write(folder, name, model, fed):
    """False when onnxruntime can't run it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        outputs = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, fed)
    except Exception as e:  # onnxruntime's exceptions have no common base
        print(f"not in onnxruntime: {name}: {str(e).splitlines()[0][:200]}")
        return False
    data = os.path.join(folder, name, "test_data_set_0")
    os.makedirs(data)
    save(model, os.path.join(folder, name, "model.onnx"))
    for kind, values in (("input", fed.values()), ("output", outputs)):
        for k, v in enumerate(values):
            with open(os.path.join(data, f"{kind}_{k}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(v, "").SerializeToString())
    return True


def main():
    for make in (attention, quantized, multi_head, buffers, grouped, quantized_cache, embeddings, norms, blocked, few_bits, halves):
        if make is quantized and sizes.saturates():
            print("qattention_*: " + sizes.NO_REFERENCE)
            continue
        make()
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    rows, bad = [row for row in [*map(single, CASES), *decoder()] if word in row[0]], 0
    for half, limits in ((False, ("--atol=1e-5",)), (True, ("--rtol=5e-3", "--atol=5e-3"))):
        with tempfile.TemporaryDirectory() as folder:
            count = sum(write(folder, *row) for row in rows if row[0].startswith("half") == half)
            if not count:
                continue
            run = subprocess.run([sys.argv[1], "verify", "--cases", folder, *limits, "-v", "--jobs=2"], stdout=subprocess.PIPE, text=True, check=False)
        lines = [line for line in run.stdout.splitlines() if not line.startswith("pass")]
        good = run.returncode == 0 and not any(line.startswith("unsupported") for line in lines)
        print("\n".join(lines))
        print(f"{count} cases of {'float16' if half else 'float'}: {'the same' if good else 'DIFFERENT'}")
        bad += not good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
