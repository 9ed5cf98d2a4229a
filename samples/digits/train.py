#!/usr/bin/env python3
"""Trains the digit reader of this folder and writes its files. They are checked in: run this only to make them again.

    python3 -m venv venv && venv/bin/pip install numpy scikit-learn onnx
    venv/bin/python train.py

Data     1797 pictures of handwritten digits, 8x8, 17 grey levels: "Optical Recognition of Handwritten Digits" (UCI), as in scikit-learn.
Network  two convolutions with pooling and one dense layer, trained with Adam; plain numpy, a minute on one core.
Files    digits.onnx    picture float[batch,1,8,8], 0 (paper) to 1 (ink) -> score float[batch,10], probabilities
         digit.pgm      the clearest 7 of the pictures kept out of training
         inputs.npz, expected.npz    five pictures and what the onnx package's reference evaluator computes for them
"""
import os

import numpy as np
import onnx
import onnx.reference
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = os.path.dirname(os.path.abspath(__file__))
CHANNELS = (16, 32)
EPOCHS, BATCH, RATE = 60, 32, 2e-3


def windows(x):
    """[n,c,h,w] -> [n,h,w,c*9]: what a 3x3 convolution with padding 1 sees at each place."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = x.shape
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, w, c * 9)


def unwindows(g, c):
    """The transpose of windows(): adds what each window's cells received."""
    n, h, w, _ = g.shape
    g = g.reshape(n, h, w, c, 3, 3)
    out = np.zeros((n, c, h + 2, w + 2), g.dtype)
    for i in range(3):
        for j in range(3):
            out[:, :, i:i + h, j:j + w] += g[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    return out[:, :, 1:-1, 1:-1]


class Layer:
    """3x3 convolution, ReLU, 2x2 max pooling."""

    def __init__(self, rng, inputs, outputs):
        self.w = rng.normal(0, np.sqrt(2 / (inputs * 9)), (inputs * 9, outputs)).astype(np.float32)
        self.b = np.zeros(outputs, np.float32)

    def forward(self, x):
        self.inputs = x.shape[1]
        self.cols = windows(x)
        y = np.maximum(self.cols @ self.w + self.b, 0)
        n, h, w, c = y.shape
        cells = y.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 5, 2, 4).reshape(n, h // 2, w // 2, c, 4)
        self.best = cells.argmax(-1)
        pooled = cells.max(-1)
        self.alive = pooled > 0
        return pooled.transpose(0, 3, 1, 2)

    def backward(self, g):
        g = g.transpose(0, 2, 3, 1) * self.alive
        n, h, w, c = g.shape
        cells = (np.arange(4) == self.best[..., None]) * g[..., None]
        g = cells.reshape(n, h, w, c, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(n, h * 2, w * 2, c)
        self.grads = [np.tensordot(self.cols, g, ([0, 1, 2], [0, 1, 2])), g.sum((0, 1, 2))]
        return unwindows(g @ self.w.T, self.inputs)


def probabilities(scores):
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def shifted(rng, x):
    """Each picture moved by up to one cell: a cheap way to more pictures."""
    out = np.zeros_like(x)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for k, (i, j) in enumerate(rng.choice([0, 1, 2], (len(x), 2), p=[0.15, 0.7, 0.15])):
        out[k] = padded[k, :, i:i + 8, j:j + 8]
    return out


def train(x, t):
    rng = np.random.default_rng(7)
    layers = [Layer(rng, 1, CHANNELS[0]), Layer(rng, *CHANNELS)]
    flat = CHANNELS[1] * 4
    dense = [rng.normal(0, np.sqrt(1 / flat), (10, flat)).astype(np.float32), np.zeros(10, np.float32)]
    params = [p for layer in layers for p in (layer.w, layer.b)] + dense
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    step = 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            pick = order[at:at + BATCH]
            h = shifted(rng, x[pick])
            for layer in layers:
                h = layer.forward(h)
            shape, h = h.shape, h.reshape(len(h), -1)
            g = (probabilities(h @ dense[0].T + dense[1]) - np.eye(10, dtype=np.float32)[t[pick]]) / len(pick)
            grads = [g.T @ h, g.sum(0)]
            g = (g @ dense[0]).reshape(shape)
            for layer in reversed(layers):
                g = layer.backward(g)
                grads = layer.grads + grads
            step += 1
            rate = RATE * (1 - epoch / EPOCHS) * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            for p, grad, (m, v) in zip(params, grads, moments):
                m += 0.1 * (grad - m)
                v += 0.001 * (grad * grad - v)
                p -= rate * m / (np.sqrt(v) + 1e-8)
    return params


def model(params):
    w1, b1, w2, b2, w3, b3 = params

    def filters(w):
        return np.ascontiguousarray(w.T.reshape(w.shape[1], -1, 3, 3))

    constants = {"conv1.weight": filters(w1), "conv1.bias": b1, "conv2.weight": filters(w2), "conv2.bias": b2,
                 "dense.weight": w3, "dense.bias": b3}
    conv = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    pool = dict(kernel_shape=[2, 2], strides=[2, 2])
    nodes = [
        helper.make_node("Conv", ["picture", "conv1.weight", "conv1.bias"], ["c1"], "conv1", **conv),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", **pool),
        helper.make_node("Conv", ["p1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", **conv),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("MaxPool", ["r2"], ["p2"], "pool2", **pool),
        helper.make_node("Flatten", ["p2"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"], "dense", transB=1),
        helper.make_node("Softmax", ["logits"], ["score"], "softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()])
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="onnxcc samples/digits")
    onnx.checker.check_model(m, full_check=True)
    return m


def main():
    data = load_digits()
    x = (data.images / 16).astype(np.float32)[:, None]
    x, x_test, t, t_test = train_test_split(x, data.target, test_size=0.2, random_state=1, stratify=data.target)
    m = model(train(x, t))
    onnx.save(m, os.path.join(HERE, "digits.onnx"))
    score = onnx.reference.ReferenceEvaluator(m).run(None, {"picture": x_test})[0]
    right = score.argmax(1) == t_test
    print(f"right on {right.sum()} of {len(right)} pictures kept out of training ({100 * right.mean():.1f}%)")

    np.savez(os.path.join(HERE, "inputs.npz"), picture=x_test[:5])
    np.savez(os.path.join(HERE, "expected.npz"), score=score[:5])
    clearest = x_test[np.where(t_test == 7, score[:, 7], 0).argmax(), 0]
    rows = [" ".join(f"{int(v * 16):2d}" for v in row) for row in clearest]
    with open(os.path.join(HERE, "digit.pgm"), "w") as f:
        f.write("P2\n# a handwritten digit, 0 paper to 16 ink\n8 8\n16\n" + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
