"""Attacks on what goes through the graph: cycles, recursion, doubled names, sparse tensors."""
import struct

from attacks import attack
from wire import *  # noqa: F403


@attack("a node that reads its own output")
def cycle_of_one(folder):
    return plain([relu("y", "y")])


@attack("two nodes that need each other")
def cycle_of_two(folder):
    return plain([node("Add", ["x", "b"], ["a"]), relu("a", "b"), relu("b", "y")])


@attack("a cycle of 100,000 nodes", "any", lines=200)
def long_cycle(folder):
    n = 100000
    return plain([relu(f"v{(i + 1) % n}", f"v{i}") for i in range(n)] + [relu("v0", "y")])


@attack("a chain of 100,000 nodes, which has no cycle", "any")
def long_chain(folder):
    n = 100000
    return plain([relu("x" if i == 0 else f"v{i}", "y" if i == n - 1 else f"v{i + 1}") for i in range(n)])


@attack("the same chain from its end to its beginning: not in order", "any", lines=200)
def reversed_chain(folder):
    n = 2000
    return plain([relu("x" if i == 0 else f"v{i}", "y" if i == n - 1 else f"v{i + 1}") for i in reversed(range(n))])


@attack("a function that calls itself")
def recursion(folder):
    f = function("f", ["x"], ["y"], [node("f", ["x"], ["y"], domain="local")], domains=["local"])
    return model(graph([node("f", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), [f], domains=["local"])


@attack("functions that call each other")
def mutual_recursion(folder):
    fs = [function(a, ["x"], ["y"], [node(b, ["x"], ["y"], domain="local")], domains=["local"]) for a, b in (("f", "g"), ("g", "h"), ("h", "f"))]
    return model(graph([node("f", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), fs, domains=["local"])


@attack("a function that calls itself in a branch")
def recursion_in_branch(folder):
    b = graph([node("f", ["x"], ["p"], domain="local")], [], [blob(1, "p")], name="b")
    body = [node("ReduceMax", ["x"], ["m"], attr_int("keepdims", 0)), node("Cast", ["m"], ["c"], attr_int("to", 9)),
            node("If", ["c"], ["y"], attr_graph("then_branch", b), attr_graph("else_branch", b))]
    f = function("f", ["x"], ["y"], body, domains=["local"])
    return model(graph([node("f", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), [f], domains=["local"])


@attack("a function that calls itself, which nothing calls")
def idle_recursion(folder):
    f = function("f", ["x"], ["y"], [node("f", ["x"], ["y"], domain="local")], domains=["local"])
    return plain(functions=[f], domains=["local"])


@attack("a chain of 5,000 functions", "any")
def long_call_chain(folder):
    fs = [function("f0", ["x"], ["y"], [relu()])]
    fs += [function(f"f{i}", ["x"], ["y"], [node(f"f{i - 1}", ["x"], ["y"], domain="local")], domains=["local"]) for i in range(1, 5000)]
    return model(graph([node("f4999", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), fs, domains=["local"])


@attack("a function defined twice", "any")
def two_functions(folder):
    fs = [function("f", ["x"], ["y"], [relu()]), function("f", ["x"], ["y"], [node("Neg", ["x"], ["y"])])]
    return model(graph([node("f", ["x"], ["y"], domain="local")], [value("x")], [value("y")]), fs, domains=["local"])


@attack("a function with the name of an operator", "any")
def function_over_operator(folder):
    return plain(functions=[function("Relu", ["x"], ["y"], [node("Neg", ["x"], ["y"])], domain="")])


@attack("a value that two nodes make")
def two_writers(folder):
    return plain([relu(), node("Neg", ["x"], ["y"])])


@attack("a node that writes to an input of the graph")
def writes_input(folder):
    return plain([relu("x", "x"), relu("x", "y")])


@attack("an output that nothing makes", "any")
def output_of_nothing(folder):
    return model(graph([relu()], [value("x")], [value("y"), value("z")]))


@attack("an input named twice, an output named twice", "any")
def doubled_names(folder):
    return {"input.onnx": model(graph([relu()], [value("x"), value("x", (3,))], [value("y")])),
            "output.onnx": model(graph([relu()], [value("x")], [value("y"), value("y")])),
            "initializer.onnx": plain([node("Add", ["x", "w"], ["y"])], initializers=[tensor(), tensor()]),
            "empty.onnx": model(graph([relu("", "y")], [value("")], [value("y")]))}


@attack("a branch that reads what is made after it, and what is made in the other branch", "any", lines=2)
def branch_scopes(folder):
    def cond(body, other, after=()):
        b, e = (graph([relu(s, p)], [], [value(p)], name=p) for s, p in ((body, "p"), (other, "q")))
        return model(graph([node("If", ["c"], ["y"], attr_graph("then_branch", b), attr_graph("else_branch", e)), *after], [value("c", (), 9), value("x")], [value("y")]))
    return {"after.onnx": cond("z", "x", [relu("x", "z")]), "other.onnx": cond("x", "p"), "self.onnx": cond("y", "x")}


@attack("a Loop, a Scan and an If without their bodies", "any", lines=3)
def no_body(folder):
    return {f"{op}.onnx": model(graph([node(op, ["c", "x"], ["y"])], [value("c", (), 9), value("x")], [value("y")])) for op in ("Loop", "Scan", "If")}


@attack("an attribute that refers to itself outside of any function", "any")
def stray_reference(folder):
    a = blob(5, blob(1, "alpha") + num(20, 1) + blob(21, "alpha"))
    return plain([node("LeakyRelu", ["x"], ["y"], a)])


@attack("attributes with a kind that does not exist, and another than their content's", "any", lines=2)
def odd_attributes(folder):
    kinds = {"none": 0, "far": 99, "below": -1, "tensor": 4, "graph": 5, "strings": 8}
    return {f"{k}.onnx": plain([node("LeakyRelu", ["x"], ["y"], attr("alpha", v, b"\x15\0\0\x80\x3f"))]) for k, v in kinds.items()}


@attack("element types that do not exist, in tensors, inputs and Cast", "any", lines=2)
def odd_elements(folder):
    files = {}
    for k in (0, 27, 99, 1 << 31, -1):
        n = k & 0xffffffff
        files[f"tensor_{n}.onnx"] = with_weight(tensor("w", (1,), k, b"\0" * 8), 1, k)
        files[f"input_{n}.onnx"] = model(graph([relu()], [value("x", (2,), k)], [out(1, k)]))
        files[f"cast_{n}.onnx"] = plain([node("Cast", ["x"], ["y"], attr_int("to", k))])
    return files


# ---- sparse tensors ----

def sparse_model(s, rank):
    return model(graph([node("Identity", ["w"], ["y"])], [], [out(rank)], extra=blob(15, s)))


def sparse_attack(name, what, values, indices, dims, expect="refused", differs=None, **more):
    def make(folder):
        data = struct.pack(f"<{len(indices)}q", *indices)
        shape = more.get("index_dims", (len(indices),))
        return sparse_model(sparse(tensor("w", (values,)), tensor("", shape, INT64, data), dims), len(dims))
    make.__name__ = name
    attack(what, expect, differs)(make)


sparse_attack("sparse_vast", "a sparse tensor that is a terabyte when made dense", 1, [5], (1 << 20, 1 << 20), "any", "a limit: what it takes when made dense")
sparse_attack("sparse_overflow", "a sparse tensor with a dense size over 2^64", 1, [5], ((1 << 63) - 1, (1 << 63) - 1))
sparse_attack("sparse_negative_dim", "a sparse tensor with a negative dimension", 1, [0], (-4,))
sparse_attack("sparse_outside", "an index at and beyond the end", 2, [0, 4], (4,))
sparse_attack("sparse_negative_index", "a negative index", 1, [-1], (4,))
sparse_attack("sparse_least_index", "an index of -2^63", 1, [-1 << 63], (4,))
sparse_attack("sparse_unsorted", "indices out of order", 2, [3, 1], (4,))
sparse_attack("sparse_twice", "an index twice", 2, [1, 1], (4,))
sparse_attack("sparse_few", "more values than indices", 3, [0, 1], (4,))
sparse_attack("sparse_wide", "indices of another rank than the tensor", 2, [0, 0, 1, 1], (4,), index_dims=(2, 2))
sparse_attack("sparse_product", "indices that are linear beyond 2^63", 1, [(1 << 63) - 1], (1 << 32, 1 << 32))
