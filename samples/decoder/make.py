#!/usr/bin/env python3
"""A decoder with random weights of 4 bits that takes one token, for this sample and for `onnxcc bench`.

    make.py OUT.onnx [--kind gpt2|llama] [--layers 12] [--width 768] [--heads 12] [--kv-heads N] [--vocabulary 50257] [--past 1024] [--bits 4]
                     [--block 32] [--accuracy-level 4] [--cache concat|share] [--seed 1]

Beside OUT.onnx goes OUT.npz, inputs for a token at position PAST. gpt2: LayerNormalization, learned positions, one product for q, k and v, Gelu. llama: RMSNorm, rotary
positions, grouped heads, SwiGLU. Products are MatMulNBits of com.microsoft. --cache concat: attention in elementary operators, the cache grown by Concat
(past.N.key [1, heads, past, size] -> present.N.key); share: GroupQueryAttention on a cache of PAST + 64 positions that is written in place where the runtime
can."""
import argparse
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOM = 64


class Graph:
    def __init__(self, a):
        self.a, self.rng = a, np.random.default_rng(a.seed)
        self.nodes, self.tensors, self.inputs, self.outputs, self.feeds = [], [], [], [], {}

    def const(self, name, v):
        self.tensors.append(numpy_helper.from_array(v, name))
        return name

    def op(self, op, inputs, name, domain="", outputs=None, **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs or [name], name=f"{name}/{op}", domain=domain, **attributes))
        return name

    def input(self, name, v, shape=None):
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), shape or v.shape))
        self.feeds[name] = v
        return name

    def noise(self, *shape, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def product(self, x, name, k, n, bias):
        bits, size = self.a.bits, self.a.block
        blocks = -(-k // size)
        codes = self.rng.integers(0, 256, (n, blocks, size * bits // 8), np.uint8)
        scales = (np.abs(self.rng.standard_normal((n, blocks))) + 0.5).astype(np.float32) / (2**bits * np.float32(np.sqrt(k)))
        inputs = [x, self.const(f"{name}.codes", codes), self.const(f"{name}.scales", scales)]
        if bias:
            inputs += ["", "", self.const(f"{name}.bias", self.noise(n, scale=0.02))]
        return self.op("MatMulNBits", inputs, name, "com.microsoft", K=k, N=n, bits=bits, block_size=size, accuracy_level=self.a.accuracy_level)

    def norm(self, x, name):
        scale = self.const(f"{name}.scale", 1 + self.noise(self.a.width, scale=0.1))
        if self.a.kind == "gpt2":
            return self.op("LayerNormalization", [x, scale, self.const(f"{name}.bias", self.noise(self.a.width, scale=0.1))], name, axis=-1, epsilon=1e-5)
        return self.op("RMSNormalization", [x, scale], name, axis=-1, epsilon=1e-5)

    def heads(self, x, name, count):
        shape = self.const(f"{name}.shape", np.asarray([1, -1, count, self.a.width // self.a.heads], np.int64))
        return self.op("Transpose", [self.op("Reshape", [x, shape], f"{name}.parted")], name, perm=[0, 2, 1, 3])

    def past(self, name, length):
        v = self.noise(1, self.a.kv_heads, length, self.a.width // self.a.heads)
        shape = [1, self.a.kv_heads, "past" if self.a.cache == "concat" else length, v.shape[3]]
        self.outputs.append(helper.make_tensor_value_info(f"present.{name}", TensorProto.FLOAT, [*shape[:2], "total" if self.a.cache == "concat" else length, shape[3]]))
        return self.input(f"past.{name}", v, shape)

    def appended(self, x, name):
        return self.op("Concat", [self.past(name, self.a.past), x], f"present.{name}", axis=2)

    def elementary(self, q, k, v, n):
        a, size = self.a, self.a.width // self.a.heads
        q, k, v = self.heads(q, f"{n}.q4", a.heads), self.heads(k, f"{n}.k4", a.kv_heads), self.heads(v, f"{n}.v4", a.kv_heads)
        if a.kind == "llama":
            q, k = (self.op("RotaryEmbedding", [t, "position", "cosines", "sines"], f"{t}.turned", "com.microsoft") for t in (q, k))
        k, v = self.appended(k, f"{n}.key"), self.appended(v, f"{n}.value")
        if a.heads != a.kv_heads:
            k, v = (self.repeated(t, f"{t}.repeated") for t in (k, v))
        scores = self.op("MatMul", [q, self.op("Transpose", [k], f"{n}.kt", perm=[0, 1, 3, 2])], f"{n}.scores")
        scores = self.op("Mul", [scores, self.const(f"{n}.scale", np.float32(size**-0.5))], f"{n}.scaled")
        y = self.op("MatMul", [self.op("Softmax", [scores], f"{n}.probabilities", axis=-1), v], f"{n}.weighed")
        y = self.op("Transpose", [y], f"{n}.turned", perm=[0, 2, 1, 3])
        return self.op("Reshape", [y, "joined"], f"{n}.joined")

    def repeated(self, x, name):
        a, size = self.a, self.a.width // self.a.heads
        x = self.op("Unsqueeze", [x, "two"], f"{name}.five")
        x = self.op("Expand", [x, self.const(f"{name}.copies", np.asarray([1, 1, a.heads // a.kv_heads, 1, 1], np.int64))], f"{name}.copied")
        return self.op("Reshape", [x, self.const(f"{name}.shape", np.asarray([1, a.heads, -1, size], np.int64))], name)

    def grouped(self, q, k, v, n):
        a, caches = self.a, [self.past(f"{n}.{what}", self.a.past + ROOM) for what in ("key", "value")]
        rotary = {"do_rotary": 1} if a.kind == "llama" else {}
        inputs = [q, k, v, *caches, "last", "total_length", *(["cosines", "sines"] if rotary else [])]
        return self.op("GroupQueryAttention", inputs, f"{n}.attended", "com.microsoft", [f"{n}.attended", f"present.{n}.key", f"present.{n}.value"],
                       num_heads=a.heads, kv_num_heads=a.kv_heads, **rotary)

    def attention(self, x, n):
        a, size = self.a, self.a.width // self.a.heads
        widths = [a.width, a.kv_heads * size, a.kv_heads * size]
        if a.kind == "gpt2":
            all3 = self.product(x, f"{n}.qkv", a.width, sum(widths), True)
            parts = [f"{n}.q", f"{n}.k", f"{n}.v"]
            self.op("Split", [all3, self.const(f"{n}.widths", np.asarray(widths, np.int64))], f"{n}.split", outputs=parts, axis=-1)
        else:
            parts = [self.product(x, f"{n}.{what}", a.width, w, False) for what, w in zip("qkv", widths)]
        y = (self.elementary if a.cache == "concat" else self.grouped)(*parts, n)
        return self.product(y, f"{n}.out", a.width, a.width, a.kind == "gpt2")

    def feed_forward(self, x, n):
        a = self.a
        if a.kind == "gpt2":
            h = self.op("Gelu", [self.product(x, f"{n}.up", a.width, 4 * a.width, True)], f"{n}.gelu", approximate="tanh")
            return self.product(h, f"{n}.down", 4 * a.width, a.width, True)
        wide = (8 * a.width // 3 + 63) // 64 * 64
        gate, up = self.product(x, f"{n}.gate", a.width, wide, False), self.product(x, f"{n}.up", a.width, wide, False)
        h = self.op("Mul", [self.op("Mul", [gate, self.op("Sigmoid", [gate], f"{n}.sigmoid")], f"{n}.silu"), up], f"{n}.gated")
        return self.product(h, f"{n}.down", wide, a.width, False)

    def model(self):
        a = self.a
        ids = self.input("input_ids", np.asarray([[7]], np.int64))
        x = self.op("Gather", [self.const("words", self.noise(a.vocabulary, a.width)), ids], "embedded")
        if a.kind == "gpt2":
            position = self.input("position", np.asarray([[a.past]], np.int64))
            x = self.op("Add", [x, self.op("Gather", [self.const("positions", self.noise(a.past + ROOM, a.width)), position], "placed")], "x")
        elif a.cache == "concat":
            self.input("position", np.asarray([[a.past]], np.int64))
        if a.kind == "llama":
            angles = np.arange(a.past + ROOM)[:, None] * 10000.0 ** -(np.arange(0, a.width // a.heads, 2) / (a.width // a.heads))
            self.const("cosines", np.cos(angles).astype(np.float32))
            self.const("sines", np.sin(angles).astype(np.float32))
        if a.cache == "share":
            self.input("last", np.asarray([a.past], np.int32))
            self.input("total_length", np.asarray(a.past + 1, np.int32), [])
        if a.cache == "concat":
            self.const("joined", np.asarray([1, -1, a.width], np.int64))
            if a.heads != a.kv_heads:
                self.const("two", np.asarray([2], np.int64))
        for i in range(a.layers):
            x = self.op("Add", [x, self.attention(self.norm(x, f"{i}.norm1"), f"{i}")], f"{i}.attended_sum")
            x = self.op("Add", [x, self.feed_forward(self.norm(x, f"{i}.norm2"), f"{i}")], f"{i}.sum")
        logits = self.product(self.norm(x, "norm"), "logits", a.width, a.vocabulary, False)
        self.outputs.insert(0, helper.make_tensor_value_info(logits, TensorProto.FLOAT, [1, 1, a.vocabulary]))
        graph = helper.make_graph(self.nodes, f"{a.kind} decoder", self.inputs, self.outputs, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)], ir_version=10)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--kind", choices=("gpt2", "llama"), default="gpt2")
    p.add_argument("--cache", choices=("concat", "share"), default="concat")
    for name, value in (("layers", 12), ("width", 768), ("heads", 12), ("kv-heads", 0), ("vocabulary", 50257), ("past", 1024), ("bits", 4), ("block", 32), ("accuracy-level", 4), ("seed", 1)):
        p.add_argument(f"--{name}", type=int, default=value)
    a = p.parse_args()
    a.kv_heads = a.kv_heads or a.heads
    g = Graph(a)
    onnx.save(g.model(), a.out)
    np.savez(os.path.splitext(a.out)[0] + ".npz", **g.feeds)


if __name__ == "__main__":
    main()
