#!/usr/bin/env python3
"""Tokens that a program of samples/decoder printed against onnxruntime's, which is handed the grown caches.

    decoder.py MODEL TOKENS PROMPT...

Both round activations to int8, so scores may differ by a rounding that falls the other way: where the tokens differ, onnxruntime's score of ours has to be within
CLOSE of its best, as a share of the range of scores, and onnxruntime goes on with ours."""
import sys

import numpy as np
import onnxruntime

CLOSE = 0.02


def main():
    model, tokens, *prompt = sys.argv[1:]
    with open(tokens) as f:
        ours = [int(word) for word in f.read().split()]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs() if i.name.startswith("past.")]
    shape = {i.name: i.shape for i in session.get_inputs()}
    caches = {n: np.zeros([1, shape[n][1], 0, shape[n][3]], np.float32) for n in names}
    text, same = [int(word) for word in prompt] + ours, 0
    for position, token in enumerate(text[:-1]):
        feeds = {"input_ids": np.asarray([[token]], np.int64), "position": np.asarray([[position]], np.int64), **caches}
        answer = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
        caches = {n: answer[n.replace("past", "present")] for n in names}
        if position + 1 < len(prompt):
            continue
        scores, got = answer["logits"].ravel(), text[position + 1]
        same += int(np.argmax(scores)) == got
        short = float((scores.max() - scores[got]) / np.ptp(scores))
        if short > CLOSE:
            print(f"token {position + 1}: {got} has {short:.3g} of the range less than {int(np.argmax(scores))}")
            return 1
    print(f"{same} of {len(ours)} tokens are onnxruntime's")
    return 0


if __name__ == "__main__":
    sys.exit(main())
