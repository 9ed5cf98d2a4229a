#!/usr/bin/env python3
"""No hot loop of generated code keeps a vector register in memory.

    spills.py ONNXCC [--cc CC]... [--target T]... [--show]

A model with the layers that take time in real ones is compiled for each target, and the C by each compiler to assembly. A hot loop is an innermost loop with
at least FMAS multiply-adds of vectors, which are SHARE of its instructions or more (in transforms they are not, and arrays of a tile lie on the stack); an instruction in it that has a vector register and an address on the stack is a spill, and a failure. --show
prints the loops that were looked at. Exit code 77: the machine is no x86-64, or a compiler is missing."""
import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

V4 = ["-march=x86-64-v4", "-mprefer-vector-width=512"]
TARGETS = [("x86-64-v4", V4, "fp32"), ("x86-64-v4-vnni", V4 + ["-mavx512vnni"], "fp32"), ("x86-64-v3", ["-march=x86-64-v3"], "fp32"), ("x86-64-v4-bf16", V4 + ["-mavx512vnni", "-mavx512bf16"], "bf16"),
           ("x86-64-v4-fp16", V4 + ["-mavx512vnni", "-mavx512fp16"], "fp16")]
FMAS = 6
SHARE = 0.4
# name, input, operator, shape of its weights, attributes; weights are made by ConstantOfShape and biases by Range, which the compiler folds.
LAYERS = [
    ("direct", "1,64,28,28", "conv", "64,64,1,1", "kernel_shape = [1, 1]"),
    ("strided", "1,64,28,28", "conv", "128,64,3,3", "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]"),
    ("rows", "1,32,17,17", "conv", "64,32,3,3", "kernel_shape = [3, 3], strides = [2, 2]"),
    ("batch", "2,32,33,33", "conv", "64,32,2,2", "kernel_shape = [2, 2]"),
    ("output", "1,32,32,32", "conv", "64,32,1,1", "kernel_shape = [1, 1]"),
    ("winograd", "1,64,56,56", "conv", "64,64,3,3", "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"),
    ("first", "1,3,112,112", "conv", "64,3,7,7", "kernel_shape = [7, 7], strides = [2, 2], pads = [3, 3, 3, 3]"),
    ("small_map", "1,256,7,7", "conv", "256,256,3,3", "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"),
    ("depthwise", "1,64,28,28", "conv", "64,1,3,3", "kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 64"),
    ("depthwise5", "1,64,14,14", "conv", "64,1,5,5", "kernel_shape = [5, 5], pads = [2, 2, 2, 2], group = 64"),
    ("groups", "1,60,28,28", "conv", "60,20,1,1", "kernel_shape = [1, 1], group = 3"),
    ("groups3", "1,60,28,28", "conv", "60,20,3,3", "kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 3"),
    ("few", "1,64,28,28", "conv", "3,64,3,3", "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"),
    ("one", "1,40,28,28", "conv", "1,40,3,3", "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"),
    ("wide", "128,768", "matmul", "768,768", ""),
    ("tall", "128,3072", "matmul", "3072,768", ""),
    ("narrow", "7,256", "matmul", "256,40", ""),
    ("vector", "1,512", "matmul", "512,1000", ""),
    ("few_bits_row", "1,768", "nbits", "256,24,16", "K = 768, N = 256, block_size = 32"),
    ("few_bits_rows", "40,768", "nbits", "256,24,16", "K = 768, N = 256, block_size = 32"),
    ("few_bits_int8_row", "1,768", "nbits", "256,24,16", "K = 768, N = 256, block_size = 32, accuracy_level = 4"),
    ("few_bits_int8_rows", "40,768", "nbits", "256,24,16", "K = 768, N = 256, block_size = 32, accuracy_level = 4"),
]


def text():
    inputs = ", ".join(f"float[{size}] x{i}" for i, (_, size, _, _, _) in enumerate(LAYERS))
    outputs = ", ".join(f"float[{','.join('?' for _ in size.split(','))}] y{i}" for i, (_, size, _, _, _) in enumerate(LAYERS))
    constants = ", ".join(f"int64[{len(w.split(','))}] s{i} = {{{w}}}, float n{i} = {{{w.split(',')[kind == 'matmul']}}}" for i, (_, _, kind, w, _) in enumerate(LAYERS))
    nodes = []
    for i, (name, _, kind, _, more) in enumerate(LAYERS):
        value = "uint8[1] {77}" if kind == "nbits" else "float[1] {0.5}"
        nodes.append(f"w{i} = ConstantOfShape <value: tensor = {value}> (s{i})")
        if kind == "nbits":
            nodes.append(f"r{i} = ConstantOfShape <value: tensor = float[1] {{0.5}}> (blocks)")
            nodes.append(f"c{i} = com.microsoft.MatMulNBits <bits = 4, {more}> (x{i}, w{i}, r{i})")
        else:
            nodes.append(f"b{i} = Range(zero, n{i}, one)")
            nodes.append(f"c{i} = Conv <{more}> (x{i}, w{i}, b{i})" if kind == "conv" else f"p{i} = MatMul(x{i}, w{i})")
            if kind == "matmul":
                nodes.append(f"c{i} = Add(p{i}, b{i})")
        nodes.append(f"y{i} = Relu(c{i})" if kind != "conv" or name == "output" else f"f{i} = Relu(c{i})")
        if kind == "conv" and name != "output":
            nodes.append(f"y{i} = GlobalAveragePool(f{i})")
    inputs += ", float[1,4,100,64] q, float[1,4,64,100] k, float[1,4,100,64] v"
    outputs += ", float[?,?,?,?] attention"
    nodes += ["scores = MatMul(q, k)", "shares = Softmax <axis = -1> (scores)", "attention = MatMul(shares, v)"]
    return f'<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>\nlayers ({inputs}) => ({outputs})\n<{constants}, int64[2] blocks = {{256, 24}}, float zero = {{0}}, float one = {{1}}>\n{{\n    ' + "\n    ".join(nodes) + "\n}\n"


def functions(assembly):
    """(name, instructions and labels) of each function."""
    name, body = None, []
    for line in assembly.splitlines():
        m = re.match(r"([A-Za-z_][\w.$]*):", line)
        if m and not m.group(1).startswith(".L"):
            name, body = m.group(1), []
            continue
        if re.match(r"\s*\.size\s", line) and name:
            yield name, body
            name = None
        elif name and (re.match(r"\.L\w+:", line) or re.match(r"\s+[a-z]", line)):
            body.append(line.split("#")[0].strip())


def innermost_loops(body):
    """Slices from a label to the last jump back to it that hold no other loop."""
    place = {line[:-1]: i for i, line in enumerate(body) if line.endswith(":")}
    loops = []
    for i, line in enumerate(body):
        m = re.match(r"j\w+\s+(\.L\w+)$", line)
        if m and place.get(m.group(1), i) < i:
            loops.append((place[m.group(1)], i))
    return [body[a:b + 1] for a, b in loops if not any((c, d) != (a, b) and a <= c and d <= b for c, d in loops)]


def looked_at(body):
    frame = any(re.match(r"movq?\s+%rsp, %rbp", line) for line in body)  # else %rbp is a register like any other
    stack = r"\(%rsp|\(%rbp" if frame else r"\(%rsp"
    for loop in innermost_loops(body):
        fmas = [line for line in loop if re.match(r"vfn?m(add|sub)\d+p[sh]|vpdpbusd|vdpbf16ps", line)]
        if len(fmas) >= max(FMAS, SHARE * len(loop)):
            yield loop, [line for line in loop if re.search(r"%[xyz]mm", line) and re.search(stack, line)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("onnxcc")
    p.add_argument("--cc", action="append")
    p.add_argument("--target", action="append")
    p.add_argument("--show", action="store_true")
    a = p.parse_args()
    compilers = a.cc or ["gcc", "clang"]
    missing = [cc for cc in compilers if not shutil.which(cc)]
    if platform.machine() != "x86_64" or missing:
        print("skipped:", "no " + " ".join(missing) if missing else "the machine is no x86-64")
        return 77
    failed = loops = 0
    with tempfile.TemporaryDirectory() as work:
        model = os.path.join(work, "layers.onnxtxt")
        with open(model, "w") as f:
            f.write(text())
        for target, flags, precision in TARGETS:
            if a.target and target not in a.target:
                continue
            out = os.path.join(work, target)
            subprocess.run([a.onnxcc, "compile", model, "-o", out, "--name", "layers", "--target", target, "--optimize=speed", f"--precision={precision}", "-q"], check=True)
            for cc in compilers:
                asm = os.path.join(work, f"{target}-{cc}.s")
                subprocess.run([cc, "-std=c99", "-O2", "-Werror", *flags, "-S", os.path.join(out, "layers.c"), "-o", asm], check=True)
                with open(asm) as f:
                    found = [(name, loop, spilled) for name, body in functions(f.read()) for loop, spilled in looked_at(body)]
                loops += len(found)
                if a.show:
                    print(f"{target}, {cc}: {len(found)} hot loops")
                if not found:
                    failed += 1
                    print(f"FAILED: {target}, {cc}: no hot loop was found")
                for name, loop, spilled in found:
                    if spilled:
                        failed += 1
                        print(f"FAILED: {target}, {cc}: {name}: {len(spilled)} of {len(loop)} instructions of a hot loop, such as '{spilled[0]}'")
    print(f"{loops} hot loops, {failed} failures")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
