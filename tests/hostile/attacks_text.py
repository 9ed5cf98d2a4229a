"""Attacks by names and other text: on the generated C, on its build files, on messages. All of these models are valid, so they compile."""
from attacks import attack
from wire import *  # noqa: F403

EVIL = [
    '*/ #include "pwned.h" /*', "*/ int pwned; /*", "// \\", "\\", "line\nint pwned;", "line\r\nint pwned;", "\u2028int pwned;", "??/\nint pwned;", "??/",
    "??>int pwned;", '"; int pwned; "', "';", "%s%n%d", "%", "$(touch pwned)", "`touch pwned`", ";touch pwned", "| touch pwned", "a b", "a\tb",
    "int", "while", "main", "NULL", "errno", "memcpy", "float", "restrict", "_Bool", "static_assert", "printf", "x86", "0", "1x", "-", "_", "__", "é", "日本語", "🙂",
    "../up", "/abs", "a/b", "con", "${CMAKE_COMMAND}", "[[x]]", "]]", "]==]", "#", "@x@", "$<1:x>", "a;b", "<tag>", "{}", "}", "\x01\x02\x7f", "\x1b[31mred", "\u202eabc",
    "N" * 10240,
]


def each(make, texts=EVIL):
    return {f"{i:02}.onnx": make(t) for i, t in enumerate(texts)}


def together(make):
    """All but the long one in one model, and that in one of its own: make is given a list."""
    return {"short.onnx": make(EVIL[:-1]), "long.onnx": make(EVIL[-1:])}


@attack("text in the name of a node", "fine")
def text_node_name(folder):
    def make(ts):
        names = ["x", *(f"v{i}" for i in range(1, len(ts))), "y"]
        return plain([relu(a, b, name=t) for a, b, t in zip(names, names[1:], ts)])
    return together(make)


@attack("text in the names of tensors: input, output, weight and one in between", "fine")
def text_value_names(folder):
    def make(ts):
        nodes = [n for t in ts for n in (node("Add", [t + "x", t + "w"], [t + "m"]), relu(t + "m", t))]
        return model(graph(nodes, [value(t + "x") for t in ts], [value(t) for t in ts], [tensor(t + "w") for t in ts]))
    return together(make)


@attack("text in the name of the graph", "fine")
def text_graph_name(folder):
    return each(lambda t: model(graph([relu()], [value("x")], [value("y")], name=t)), EVIL[:16])


@attack("text in the documentation of model, graph, node, value and tensor", "fine")
def text_docs(folder):
    def make(t):
        g = graph([relu(extra=blob(6, t))], [value("x", extra=blob(3, t))], [value("y")], [tensor(extra=blob(12, t))], extra=blob(10, t))
        return model(g, extra=blob(6, t))
    return each(make, EVIL[:12] + EVIL[-6:])


@attack("text in producer, version, domain and metadata of the model", "fine")
def text_producer(folder):
    return each(lambda t: plain(extra=blob(2, t) + blob(3, t) + blob(4, t) + blob(14, entry(t, t))), EVIL[:8] + EVIL[-5:])


@attack("text in the names of dimensions", "fine")
def text_dimensions(folder):
    def make(ts):
        nodes = [relu(f"x{i}", f"y{i}") for i in range(len(ts))]
        return model(graph(nodes, [value(f"x{i}", (t, 2)) for i, t in enumerate(ts)], [value(f"y{i}", (t, 2)) for i, t in enumerate(ts)]))
    return together(make)


@attack("text in the denotation of types and dimensions", "fine")
def text_denotation(folder):
    def make(t):
        typed = blob(1, num(1, FLOAT) + blob(2, blob(1, num(1, 2) + blob(3, t)))) + blob(6, t)
        return model(graph([relu()], [blob(1, "x") + blob(2, typed)], [value("y")]))
    return each(make, EVIL[:12] + EVIL[-6:])


@attack("text in the name, domain and values of a function", "any")
def text_function(folder):
    def make(t):
        f = function(t, [t], [t + "y"], [relu(t, t + "y", name=t)], domain=t)
        return model(graph([node(t, ["x"], ["y"], domain=t)], [value("x")], [value("y")]), [f], domains=[t])
    return each(make, EVIL[:12] + EVIL[-6:])


@attack("text as an unknown operator and as its domain", "any", lines=2)
def text_operator(folder):
    files = {f"op{i:02}.onnx": plain([node(t, ["x"], ["y"])]) for i, t in enumerate(EVIL)}
    files.update({f"domain{i:02}.onnx": plain([node("Own", ["x"], ["y"], domain=t)], domains=[t]) for i, t in enumerate(EVIL)})
    return files


@attack("text as the name of an attribute that the operator does not have", "any")
def text_attribute(folder):
    return each(lambda t: plain([node("Relu", ["x"], ["y"], attr_int(t, 1))]))


@attack("text in messages: the name of a weight whose data are too short", "refused")
def text_message(folder):
    return each(lambda t: model(graph([node("Identity", [t], ["y"])], [], [out(1)], [tensor(t, (3,), FLOAT, b"\0")])))


@attack("text as a location of external data", "refused")
def text_location(folder):
    return each(lambda t: with_weight(external(location="nowhere" + t, length="8")))


@attack("text as the elements of a tensor of strings", "fine")
def text_elements(folder):
    def make(t):
        w = tensor("w", (1,), STRING, b"", blob(6, t))
        return model(graph([node("Identity", ["w"], ["y"])], [], [out(1, STRING)], [w]))
    return each(make, EVIL[:12] + EVIL[-6:])


@attack("names that differ only where C has no letters", "fine")
def text_collisions(folder):
    names = ["a.b", "a-b", "a b", "a_b", "a/b", "a:b", "A_b", "a__b", "a_b_1", "a_b_2"]
    return model(graph([relu("x" if i == 0 else names[i - 1], n) for i, n in enumerate(names)], [value("x")], [value(n) for n in names]))


@attack("names that the generated code uses itself", "fine")
def text_own_names(folder):
    names = ["in", "out", "arena", "env", "weights", "at", "work", "i", "i0", "model", "text_own_names_run", "text_own_names", "threads", "size"]
    return model(graph([relu("x" if i == 0 else names[i - 1], n, name=n) for i, n in enumerate(names)], [value("x")], [value(n) for n in names]))


@attack("a zero byte in a name", "any")
def text_zero(folder):
    return {"node.onnx": plain([relu(name="a\0b")]), "value.onnx": model(graph([relu("x", "y\0z")], [value("x")], [value("y\0z")])),
            "doc.onnx": plain(extra=blob(6, "a\0*/int pwned;"))}


@attack("a name of a megabyte, and one hundred thousand names of a hundred bytes", "any")
def text_long(folder):
    n = "N" * (1 << 20)
    return {"one.onnx": plain([relu("x", n), relu(n, "y")]),
            "docs.onnx": plain(extra=b"".join(blob(14, entry(f"{i:0100}", "v")) for i in range(100000)))}


@attack("file names: blanks, quotes, dollar signs, line breaks", "fine")
def text_file_name(folder):
    names = ["a b.onnx", "a'b.onnx", 'a"b.onnx', "a$b.onnx", "a#b.onnx", "a;b.onnx", "a\\b.onnx", "-a.onnx", "$(touch pwned).onnx", "a:b.onnx", "é.onnx", "int.onnx",
             "1.onnx", "a%b.onnx", "a\nb.onnx", "N" * 200 + ".onnx"]
    return {n: plain() for n in names}
