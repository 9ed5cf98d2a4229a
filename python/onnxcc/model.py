"""Models: compiled when they are made, and once more for what only a run can tell.

Most models compile as they are, at any size of their symbolic dimensions. Some ask for more: how many elements a sequence has, or the value of an input
that decides a shape (axes, sizes). The compiler says so, by name; the first run has the answer, and every run that gives other answers gets a library
of its own."""
import os
import tempfile

import numpy as np

from . import tool, types
from .library import E_CAPACITY, Library, RunError

FIRST_CAPACITY = 4096  # of sizes that the data decides and that nothing bounds
MOST_CAPACITY = 1 << 26


def compile(model, **options):
    """A Model. `model` is a path, the bytes of a file, or a ModelProto. Options are those of `onnxcc compile` with _ for -: a value; True for a flag; a
    list or, for options of the form NAME=VALUE, a dictionary: compile("net.onnx", target="generic-c99", dim={"batch": "1..8"}, state={"hn": "h0"})."""
    return Model(model, **options)


def _words(options):
    """Options as the command line has them."""
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            yield flag
        elif isinstance(value, dict):
            for k, v in value.items():
                yield from (flag, f"{k}={v}")
        elif value is not False and value is not None:
            for v in value if isinstance(value, (list, tuple)) else [value]:
                yield from (flag, str(v))


def _absolute(files):
    return [os.path.abspath(p) for p in ([files] if isinstance(files, (str, os.PathLike)) else files)]


def _dim_ranges(said):
    """{name: range} of the option `dim`, which may be a dictionary, NAME=RANGE, or a list of those."""
    if isinstance(said, dict):
        return dict(said)
    return dict(s.rpartition("=")[::2] for s in ([said] if isinstance(said, str) else said or []))


def _stored(model):
    """Path of the model: its own, or that of a copy in the cache."""
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model)
    content = model if isinstance(model, bytes) else model.SerializeToString()
    path = os.path.join(tool.cache_folder(), tool.key_of(content) + ".onnx")
    _write(path, lambda f: f.write(content))
    return path


def _shown(model):
    """What messages call the model: its path; of one in memory, the name of its graph."""
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model)
    graph = "" if isinstance(model, bytes) else model.graph.name
    return f"model '{graph}'" if graph else "the model in memory"


def _write(path, write):
    """Makes the file, whole, unless it is there."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as f:
        write(f)
    os.replace(f.name, path)


class Model:
    """A model that can be run. `inputs` and `outputs` list (name, type) pairs, types in the onnx package's text form: "float[batch,3]", "seq(float)".
    What `state` keeps is not among them. `name`: its path, or what messages call one in memory."""

    def __init__(self, model, **options):
        self.path = _stored(model)
        self.name = _shown(model)
        self._shown = () if self.path == self.name else (self.path, self.name)
        options = {**options, **{o: _absolute(options[o]) for o in ("custom", "custom_source") if options.get(o)}}
        if not (options.get("custom_source") and self.path == self.name):  # a source may include the header, which is named after the model's file
            options.setdefault("name", "model")
        self._options = list(_words(options))
        self._dims = _dim_ranges(options.get("dim"))
        said = tool.call(["inspect", self.path], self._shown)
        state = options.get("state") or {}
        self.inputs = [(i["name"], i["type"]) for i in said["inputs"] if i["name"] not in state.values()]
        self.outputs = [(o["name"], o["type"]) for o in said["outputs"] if o["name"] not in state]
        self._stateful, self._last = bool(state), None  # the library whose state the last run left
        self._libraries = {}  # by the arguments that runs add
        self._fixed = []      # inputs whose value the compiler has asked for
        self._capacity = {}   # of sizes that the data decides, once it has asked
        if not any(_is_list(t) for _, t in self.inputs):
            try:
                self._library_for({})
            except tool.CompileError as e:
                if not self._learn(e):
                    raise

    def __repr__(self):
        inputs, outputs = (", ".join(f"{n}: {t}" for n, t in tensors) for tensors in (self.inputs, self.outputs))
        return f"<onnxcc.Model {self.name}: ({inputs}) -> ({outputs})>"

    def run(self, inputs, sizes=None):
        """{name: array} of the outputs for {name: array} of the inputs. A sequence is a list of arrays, an optional without content None, a map a
        dictionary (or its parts NAME.keys and NAME.values), a sequence of maps a list of dictionaries. `sizes` says how much a growing state holds,
        {"past": 3}; left out, it holds what the runs so far have put there, none at first. Raises RunError, or CompileError when the model can't be
        compiled for such inputs."""
        given = _parted(inputs, self.inputs)
        unknown, missing = given.keys() - {n for n, _ in self.inputs}, [n for n, t in self.inputs if n not in given and not t.startswith("optional(")]
        if unknown or missing:
            raise RunError(0, f"the model has no input '{min(unknown)}'" if unknown else f"no value is given for input '{missing[0]}'")
        for name, kind in self.inputs:
            given.setdefault(name, None)
            if given[name] is not None and not _is_map(kind):
                given[name] = _arrays(name, kind, given[name])
        while True:
            try:
                library = self._library_for(given)
                if self._stateful and self._last not in (None, library):
                    raise RunError(0, "the state belongs to a library for other inputs (other sizes of 0, lengths or fixed values); reset() forgets it")
                outputs = self._named(library, library.run(_leaves(given, library.inputs), sizes))
                self._last = library
                return outputs
            except tool.CompileError as e:
                if not self._learn(e, given):
                    raise
            except RunError as e:
                if e.code != E_CAPACITY or not self._grow():
                    raise

    def reset(self):
        """Forgets the state of a model that was compiled with `state`."""
        for library in self._libraries.values():
            library.reset()
        self._last = None

    def _library_for(self, given):
        """The library for these inputs: the arguments that they add are the number of elements in sequences, sizes of 0, which symbols are not, and the
        values that were asked for."""
        words = list(self._options)
        words += [w for n, t in self.inputs if _is_map(t) and f"{n}.length" not in self._dims for w in ("--dim", f"{n}.length=0..")]
        for name, kind in self.inputs if given else []:
            words += _structure(name, kind, given[name], f"{name}=any" in self._options, self._dims)
        for name in self._fixed:
            words += ["--value", f"{name}={_value_file(given[name])}"]
        for name, n in self._capacity.items():
            words += ["--dim", f"{name}=..{n}"]
        key = tuple(words)
        if key not in self._libraries:
            self._libraries[key] = Library(*tool.build(self.path, words, self._shown))
        return self._libraries[key]

    def _learn(self, error, given=None):
        """Notes what the compiler asks for; False when there is nothing new that could help. Without inputs: could a run help?"""
        before = len(self._fixed), len(self._capacity)
        for option, name in error.needs:
            if option == "dim":
                self._capacity.setdefault(name, FIRST_CAPACITY)
            elif option == "value" and name not in self._fixed and (given is None or given.get(name) is not None):
                self._fixed.append(name)
        return before != (len(self._fixed), len(self._capacity))

    def _grow(self):
        if not self._capacity or max(self._capacity.values()) >= MOST_CAPACITY:
            return False
        self._capacity = {name: 16 * n for name, n in self._capacity.items()}
        return True

    def _named(self, library, arrays):
        """The outputs of the model, put together of those of the library (docs/generated-code.md, Sequences)."""
        left = list(zip(library.outputs, arrays))
        return {name: _gather(name, kind, left) for name, kind in self.outputs}


def _is_sequence(kind):
    return kind.startswith("seq(") or kind.startswith("optional(seq(")


def _is_list(kind):
    return kind.startswith(("seq(", "optional("))


def _arrays(name, kind, value):
    """The value of an input that is a tensor as an array, of a sequence as a list of those."""
    try:
        if not _is_sequence(kind):
            return types.given_as(value, kind)
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise TypeError(f"a list of arrays is wanted, not {type(value).__name__}")
        return [types.given_as(v, kind) for v in value]
    except (TypeError, ValueError, OverflowError) as e:
        raise RunError(0, f"input '{name}', {kind}: {e}") from e


def _is_map(kind):
    return kind.startswith("map(")


def _parted(inputs, declared):
    """The inputs with each map in two parts, (keys, values): of a dictionary, or given as NAME.keys and NAME.values."""
    given = dict(inputs)
    for name, kind in declared:
        if not _is_map(kind):
            continue
        parts = f"{name}.keys", f"{name}.values"
        if name in given and isinstance(given[name], dict):
            given[name] = list(given[name].keys()), list(given[name].values())
        elif name in given:
            raise RunError(0, f"input '{name}' is a map: a dictionary is wanted, or {parts[0]} and {parts[1]}")
        elif all(p in given for p in parts):
            given[name] = given.pop(parts[0]), given.pop(parts[1])
        elif any(p in given for p in parts):
            raise RunError(0, f"of the map '{name}' both {parts[0]} and {parts[1]} are wanted")
    return given


def _structure(name, kind, value, stacked, bounded):
    """Options that say what an input looks like, as far as the compiler can't leave it open and the option `dim` does not name the size."""
    if value is None:
        return ["--length", f"{name}=none"]
    if _is_map(kind):
        return []
    symbols = _symbols(kind)
    if not _is_sequence(kind):
        zero = _zeros(name, value.shape, symbols, bounded)
        return _shape(name, zero) if "[...]" in kind or any(zero) else []
    if stacked:
        return []
    words = ["--length", f"{name}={len(value)}"]
    for k, v in enumerate(value):
        words += _shape(f"{name}.{k}", _zeros(f"{name}.{k}", np.shape(v), [f"{s}.{k}" for s in symbols], bounded))
    return words


def _symbols(kind):
    """What stands for the sizes of the tensor in a type, such as ["batch", "3"]."""
    inside = kind[kind.find("[") + 1:kind.rfind("]")] if "[" in kind else ""
    return [s.strip() for s in inside.split(",")]


def _zeros(name, shape, symbols, bounded):
    """Which sizes are 0 and not `bounded`, by their symbol or as NAME:AXIS."""
    known = symbols if len(symbols) == len(shape) else [""] * len(shape)
    return [not n and known[i] not in bounded and f"{name}:{i}" not in bounded for i, n in enumerate(shape)]


def _shape(name, zero):
    """The number of dimensions, and which are 0; the others stay open."""
    return ["--shape", f"{name}=" + "x".join("0" if z else "?" for z in zero)]


def _value_file(value):
    """Path of an .npy file with the value, in the cache."""
    array = np.asarray(value)
    path = os.path.join(tool.cache_folder(), tool.key_of(array.dtype.str, array.shape, array.tobytes()) + ".npy")
    _write(path, lambda f: np.save(f, array, allow_pickle=False))
    return path


def _leaves(given, names):
    """The library's inputs: tensors, and elements of sequences by NAME.K, or all of them as one tensor NAME."""
    out = []
    for name in names:
        value = given.get(name)
        if value is None:
            stem, _, k = name.rpartition(".")
            value = given[stem][("keys", "values").index(k) if k in ("keys", "values") else int(k)]
        elif isinstance(value, (list, tuple)):
            value = np.stack(value)
        out.append(value)
    return out


def _gather(name, kind, left):
    """The output NAME, of the (name, array) pairs at the front of `left`, which are taken away."""
    def take(wanted):
        return left.pop(0)[1] if left and left[0][0] == wanted else None

    present = take(f"{name}.present")
    keys = take(f"{name}.keys") if "map(" in kind else None
    if keys is not None:
        values = take(f"{name}.values")
        return [dict(zip(keys.tolist(), row.tolist())) for row in values]
    whole, items = take(name), []
    if _is_sequence(kind):
        while whole is None and left and left[0][0] == f"{name}.{len(items)}":
            items.append(left.pop(0)[1])
        whole = list(whole) if whole is not None else items
    return None if present is not None and not present.reshape(-1)[0] else whole
