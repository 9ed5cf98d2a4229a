#!/usr/bin/env python3
"""Sequences whose length the run decides, against onnxruntime: `onnxcc verify --cases` on models made here, with what onnxruntime answers as expected outputs.

    sequences.py ONNXCC [--keep DIR] [--sanitize]

Needs numpy, onnx and onnxruntime; skipped (77) by name without them."""
import argparse
import sys

import peer_cases
from peer_cases import np, objects
from onnx import parser

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'


def case(name, text, inputs):
    """`text` is a model in the onnx package's text form, whose outputs are tensors."""
    peer_cases.add(name, parser.parse_model(HEAD + text), {k: objects(list(v)) if isinstance(v, str) else np.array(v) for k, v in inputs.items()})


X = np.arange(20, dtype=np.float32).reshape(10, 2)

POSITION = """g (float[n,q] x, string[r] w, float[q] v, int32 at) => (float[k,q] y, float[j,q] z, string[m] s) {
    one = Constant<value_int = 1>()
    many = SplitToSequence<keepdims = 0>(x)
    fewer = SequenceErase(many, one)
    e = SequenceAt(fewer, at)
    more = SequenceInsert(fewer, e, at)
    y = ConcatFromSequence<axis = 0, new_axis = 1>(more)
    list = SequenceConstruct(v, e, v, v)
    longer = SequenceInsert(list, e, at)
    shorter = SequenceErase(longer, at)
    z = ConcatFromSequence<axis = 0, new_axis = 1>(shorter)
    words = SplitToSequence(w)
    word = SequenceAt(words, at)
    left = SequenceErase(words, at)
    moved = SequenceInsert(left, word, one)
    s = ConcatFromSequence<axis = 0>(moved)
}"""

FRONT = """g (float[r,2] x, int64 turns) => (float[k,2] y, int64 n) {
    none = SequenceEmpty()
    s = Loop(turns, , none) <body = b (int64 i, bool go, seq(float[2]) a) => (bool go1, seq(float[2]) d) {
        go1 = Identity(go)
        row = Gather(x, i)
        zero = Constant<value_int = 0>()
        d = SequenceInsert(a, row, zero)
    }>
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
    n = SequenceLength(s)
}"""

QUEUE = """g (float[r,2] x, int64 turns, int64 most) => (float[k,2] y, int64 n, int64 t) {
    none = SequenceEmpty()
    zero = Constant<value_int = 0>()
    s, t = Loop(turns, , none, zero) <body = b (int64 i, bool go, seq(float[2]) a, int64 sum) => (bool go1, seq(float[2]) d, int64 sum1) {
        go1 = Identity(go)
        row = Gather(x, i)
        two = Constant<value_int = 2>()
        e = SequenceInsert(a, row)
        length = SequenceLength(e)
        long = Less(most, length)
        half = Div(length, two)
        d = If(long) <then_branch = p () => (seq(float[2]) q) { q = SequenceErase(e, half) }, else_branch = o () => (seq(float[2]) w) { w = Identity(e) }>
        l = SequenceLength(d)
        sum1 = Add(sum, l)
    }>
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
    n = SequenceLength(s)
}"""

TWO = """g (float[r,2] x, int64 turns, float[2] w) => (float[k,2] y, float[j,2] z, float[u,2] got) {
    s0 = SequenceConstruct(w, w)
    q0 = SplitToSequence<keepdims = 0>(x)
    kept = SequenceConstruct(w)
    s, q, same, got = Loop(turns, , s0, q0, kept) <body = b (int64 i, bool go, seq(float[2]) a, seq(float[2]) f, seq(float[2]) c) => (bool go1, seq(float[2]) d, seq(float[2]) g, seq(float[2]) c1, float[2] h) {
        go1 = Identity(go)
        c1 = Identity(c)
        zero = Constant<value_int = 0>()
        one = Constant<value_int = 1>()
        base = SequenceAt(c, zero)
        length = SequenceLength(f)
        middle = Div(i, length)
        h = SequenceAt(f, middle)
        g = SequenceErase(f, middle)
        twice = Add(h, base)
        d = SequenceInsert(a, twice, one)
    }>
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
    z = ConcatFromSequence<axis = 0, new_axis = 1>(q)
}"""

STOPS = """g (float[r,n] x, int64 turns, int64 stop, float[n] w) => (float[k,n] y, float[j,n] o) {
    s0 = SequenceConstruct(w)
    s, same, o = Loop(turns, , s0, stop) <body = b (int64 i, bool go, seq(float[n]) a, int64 st) => (bool go1, seq(float[n]) d, int64 st1, float[n] oo) {
        one = Constant<value_int = 1>()
        two = Constant<value_int = 2>()
        minus = Constant<value_int = -1>()
        row = Gather(x, i)
        st1 = Identity(st)
        go1 = Less(i, st)
        inner = Loop(two, , a) <body = ib (int64 j, bool ig, seq(float[n]) aa) => (bool ig1, seq(float[n]) dd) {
            ig1 = Identity(ig)
            jj = CastLike(j, row)
            v = Add(row, jj)
            zero = Constant<value_int = 0>()
            dd = SequenceInsert(aa, v, zero)
        }>
        oo = SequenceAt(inner, minus)
        even = Mod(i, two)
        odd = Equal(even, one)
        d = If(odd) <then_branch = p () => (seq(float[n]) q) { q = SequenceErase(inner, one) }, else_branch = e () => (seq(float[n]) ww) { ww = Identity(inner) }>
    }>
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
}"""

NESTED = """g (float[r,n] x, int64 turns, int64 m, float[n] w) => (float[k,n] y) {
    s0 = SequenceConstruct(w)
    s = Loop(turns, , s0) <body = b (int64 i, bool go, seq(float[n]) a) => (bool go1, seq(float[n]) d) {
        go1 = Identity(go)
        row = Gather(x, i)
        d = Loop(m, , a) <body = ib (int64 j, bool ig, seq(float[n]) aa) => (bool ig1, seq(float[n]) dd) {
            ig1 = Identity(ig)
            jj = CastLike(j, row)
            v = Add(row, jj)
            zero = Constant<value_int = 0>()
            dd = SequenceInsert(aa, v, zero)
        }>
    }>
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
}"""

WORDS = """g (float[r,n] x, string[r] st, int64 turns, bool c) => (float[k,n] y, int64 l, string[j] z) {
    none = SequenceEmpty()
    nothing = SequenceEmpty<dtype = 8>()
    s, t = Loop(turns, , none, nothing) <body = b (int64 i, bool go, seq(float[n]) a, seq(string) u) => (bool go1, seq(float[n]) d, seq(string) v) {
        go1 = Identity(go)
        row = Gather(x, i)
        word = Gather(st, i)
        two = Constant<value_int = 2>()
        zero = Constant<value_int = 0>()
        bit = Mod(i, two)
        odd = Cast<to = 9>(bit)
        d = If(odd) <then_branch = p () => (seq(float[n]) q) { q = Identity(a) }, else_branch = e () => (seq(float[n]) w) { w = SequenceInsert(a, row, zero) }>
        v = If(c) <then_branch = p2 () => (seq(string) q2) { q2 = SequenceInsert(u, word, zero) }, else_branch = e2 () => (seq(string) w2) { w2 = Identity(u) }>
    }>
    end = Constant<value_string = "end">()
    last = SequenceInsert(t, end)
    y = ConcatFromSequence<axis = 0, new_axis = 1>(s)
    z = ConcatFromSequence<axis = 0, new_axis = 1>(last)
    l = SequenceLength(s)
}"""


def all_cases():
    for at in -4, -1, 0, 1, 3:
        case(f"position{at}", POSITION, {"x": X, "w": "abcd", "v": X[3], "at": np.int32(at)})
    for turns in 1, 3, 9:
        case(f"front{turns}", FRONT, {"x": X, "turns": turns})
        case(f"queue{turns}", QUEUE, {"x": X, "turns": turns, "most": 3})
    for turns in 1, 3:
        case(f"two{turns}", TWO, {"x": X, "turns": turns, "w": X[9] * 100})
    for turns, stop in (4, 2), (6, 9), (1, 0):
        case(f"stops{turns}", STOPS, {"x": X, "turns": turns, "stop": stop, "w": X[9]})
    for turns, m in (3, 2), (2, 5), (1, 0):
        case(f"nested{turns}", NESTED, {"x": X, "turns": turns, "m": m, "w": X[9]})
    for c in True, False:
        case(f"words{int(c)}", WORDS, {"x": X, "st": "abcdefghij", "turns": 5, "c": c})


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("onnxcc")
    arguments.add_argument("--keep")
    arguments.add_argument("--sanitize", action="store_true")
    o = arguments.parse_args()
    return peer_cases.run(o.onnxcc, all_cases, o.keep, ["--sanitize"] * o.sanitize, may_have_values=False)  # the run decides


if __name__ == "__main__":
    sys.exit(main())
