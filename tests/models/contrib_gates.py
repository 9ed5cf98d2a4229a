#!/usr/bin/env python3
"""Operators of com.microsoft around the layers of newer language models against onnxruntime, as contrib_other.py does it.

    contrib_gates.py ONNXCC [WORD]"""
import sys

from contrib_other import TensorProto, case, erf, main, noise, np, sigmoid, whole  # noqa: F401

HALF = [TensorProto.FLOAT16]


def gates():
    x, y = noise(2, 3, 8), noise(2, 3, 8)
    case("gated_add", "GatedAdd", [x, y, noise(2, 3, 1)])
    case("scaled_silu", "ScaledSiLU", [x], alpha=1.5)
    case("scaled_silu_input", "ScaledSiLU", [x, np.asarray(0.5, np.float32)])
    for limit, beta in ((0.0, 0.0), (0.7, 1.0)):
        case(f"swiglu_{beta}", "SwiGLU", [x, y], formula=lambda a=limit, b=beta: [swiglu(x, y, a, b)], limit=limit, activation_beta=beta, activation_alpha=1.702)
        case(f"swiglu_halves_{beta}", "SwiGLU", [x], formula=lambda a=limit, b=beta: [swiglu(x[..., :4], x[..., 4:], a, b)], limit=limit, activation_beta=beta, activation_alpha=1.702)
    case("attention_gate", "LinearAttentionGate", [x, noise(8), -np.abs(noise(8)), y], 2)
    case("attention_gate_alone", "LinearAttentionGate", [x, noise(8), -np.abs(noise(8))])
    w, b = noise(8, 5), noise(5)
    s = (x @ w + b).astype(np.float64)
    case("gemm_fast_gelu", "GemmFastGelu", [x, w, b], formula=lambda: [(0.5 * s * (1 + np.tanh(np.sqrt(2 / np.pi) * (s + 0.044715 * s**3)))).astype(np.float32)])
    bias = noise(8)
    case("bias_dropout", "BiasDropout", [x, bias, y, np.asarray(0.5, np.float32)], formula=lambda: [x + bias + y])


def swiglu(gate, up, limit, beta):
    if limit > 0:
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    return (gate * sigmoid(1.702 * gate) * (up + beta)).astype(np.float32)


def norms():
    x = noise(2, 3, 12)
    for activation in ("silu", "sigmoid"):
        case(f"gated_norm_{activation}", "GatedRMSNorm", [x, noise(4), noise(2, 3, 12)], activation=activation, epsilon=1e-4)
    half = [v.astype(np.float16) for v in (x, noise(12), noise(2, 3, 12))]
    case("gated_norm_half", "GatedRMSNorm", half, kinds=HALF)
    for k, scale in enumerate((None, noise(4), noise(3, 4), noise(12))):
        given = [] if scale is None else [scale]
        case(f"branch_norm_{k}", "BranchwiseRMSNorm", [noise(2, 5, 3, 4), *given])
        case(f"branch_norm_flat_{k}", "BranchwiseRMSNorm", [noise(2, 5, 12), *given], num_branches=3)
    key, query, value = noise(2, 5, 3, 8), noise(2, 5, 3, 8), noise(2, 5, 8)
    case("engram_gate", "EngramGate", [key, query, value, noise(3, 8), noise(3, 8)])
    case("engram_gate_normed", "EngramGate", [key, query, value, noise(3, 8), noise(3, 8), noise(3, 8)], 2)


def streams():
    x, flat = noise(2, 5, 3, 4), noise(2, 5, 12)
    for k, mix in enumerate((noise(2, 5, 3), noise(2, 5, 3, 1), noise(2, 5, 3, 4))):
        case(f"pre_mix_{k}", "HyperConnectionPreMix", [x, mix], reduction_scale=0.5)
        case(f"pre_mix_flat_{k}", "HyperConnectionPreMix", [flat, mix], num_branches=3)
        case(f"post_mix_{k}", "HyperConnectionPostMix", [x, noise(2, 5, 4), mix, noise(2, 5, 3, 3)])
        case(f"post_mix_flat_{k}", "HyperConnectionPostMix", [flat, noise(2, 5, 4), mix], num_branches=3)
    case("pre_mix_features", "HyperConnectionPreMix", [flat, noise(2, 5, 12)], num_branches=3)


def positions():
    angles = np.arange(20)[:, None] * 0.3 ** np.arange(6)[None]
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    ids = whole(0, 20, (3, 2, 5), np.int64)
    for layout, section in ((0, [2, 3, 1]), (0, [6, 0, 0]), (1, [2, 2, 2]), (1, [4, 1, 1])):
        name = f"rotary_{layout}{section[0]}"
        case(name, "MRotaryEmbedding", [noise(2, 5, 36), ids, cos, sin], constants=(2, 3), mrope_section=section, mrope_layout=layout, num_heads=3)
        case(name + "_heads", "MRotaryEmbedding", [noise(2, 3, 5, 16), ids, cos, sin], constants=(2, 3), mrope_section=section, mrope_layout=layout, num_heads=3, rotary_embedding_dim=12, interleaved=layout)
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            case(f"grid_{mode}_{padding}", "GridSample", [noise(2, 3, 5, 6), noise(2, 4, 3, 2)], mode=mode, padding_mode=padding, align_corners=int(padding == "border"))


def states():
    w = noise(6, 1, 4)
    for activation in ("none", "silu"):
        case(f"causal_{activation}", "CausalConvWithState", [noise(2, 6, 7), w, noise(6), noise(2, 6, 3)], 2, activation=activation)
    case("causal_plain", "CausalConvWithState", [noise(2, 6, 7), w], 2)
    q, k, v = noise(2, 5, 4 * 6), noise(2, 5, 2 * 6) / 3, noise(2, 5, 2 * 3)
    state, decay, beta = noise(2, 2, 6, 3), -np.abs(noise(2, 5, 2)), np.asarray(RNG_BETA, np.float32)
    for rule in ("linear", "gated", "delta", "gated_delta"):
        given = [q, k, v, state, decay if "gated" in rule else None, beta if "delta" in rule else None]
        while given[-1] is None:
            given.pop()
        case(f"linear_{rule}", "LinearAttention", given, 2, q_num_heads=4, kv_num_heads=2, update_rule=rule)


RNG_BETA = sigmoid(noise(2, 5, 2))

if __name__ == "__main__":
    sys.exit(main(gates, norms, streams, positions, states))
