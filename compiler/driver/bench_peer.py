"""Runs another engine for `onnxcc bench`, which starts this and drives it over pipes.

arguments: engine, model file, INPUTS and the number of sets of them (INPUTS_0.npz, ...), threads, the .npz that the outputs for the first set go to, and
           OUT=IN for each output that may be written where the input lies
on start:  "ready VERSION"; "missing REASON"; or "absent REASON", where this Python lacks the packages
then, for each line holding numbers k and n: takes k times of n runs each, of which each is on the next set, and answers with k numbers, the milliseconds
           of one run, or "missing REASON"
"""
import importlib.metadata
import itertools
import os
import signal
import sys
import time


def timer(runs):
    """A function that runs n times, each time on the next set, and gives the milliseconds of it. runs: a function for each set."""
    turns = itertools.cycle(runs)

    def take(n):
        start = time.perf_counter_ns()
        for run in itertools.islice(turns, n):
            run()
        return (time.perf_counter_ns() - start) / 1e6

    return take


def has_other_shape(declared, shape):
    return len(declared) != len(shape) or any(isinstance(size, int) and size != is_now for size, is_now in zip(declared, shape))


def tensors_only(outputs, arrays):
    """Of the outputs those that are tensors, by name: strings as NumPy writes them."""
    return {o.name: a.astype(str) if a.dtype == object else a for o, a in zip(outputs, arrays) if hasattr(a, "dtype")}


def prepare_onnxruntime(model, sets, threads, state):
    """Version, what timer() gives, and a function that gives the outputs for the first set."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    taken = {i.name for i in session.get_inputs()}
    outputs = session.get_outputs()
    feeds = [{name: array for name, array in inputs.items() if name in taken} for inputs in sets]
    if any(not v.type.startswith("tensor(") or v.type == "tensor(string)" for v in session.get_inputs() + outputs):
        return ort.__version__, timer([lambda feed=feed: session.run(None, feed) for feed in feeds]), lambda: tensors_only(outputs, session.run(None, feeds[0]))

    names = [o.name for o in outputs]
    given = [{name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in feed.items()} for feed in feeds]
    plain = lambda values: session.run_with_ort_values(names, values)
    first = plain(given[0])
    if any(has_other_shape(o.shape, value.shape()) for o, value in zip(outputs, first)):  # a bound output must have the shape that the model declares
        return ort.__version__, timer([lambda values=values: plain(values) for values in given]), lambda: tensors_only(outputs, [value.numpy() for value in first])

    def bound(values):
        binding = session.io_binding()  # without the copies that session.run makes
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for output in outputs:
            kept = values.get(state.get(output.name))
            if kept is not None and kept.shape() == output.shape:
                binding.bind_ortvalue_output(output.name, kept)
            else:
                binding.bind_output(output.name, "cpu")
        return binding

    bindings = [bound(values) for values in given]
    runs = [lambda binding=binding: session.run_with_iobinding(binding) for binding in bindings]
    return ort.__version__, timer(runs), lambda: tensors_only(outputs, [value.numpy() for value in bindings[0].get_outputs()])


def prepare_openvino(model, sets, threads, precision):
    import openvino as ov
    core = ov.Core()
    network = core.read_model(model)
    network.reshape({name: list(array.shape) for name, array in sets[0].items()})
    compiled = core.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision})
    requests = [compiled.create_infer_request() for _ in sets]
    for request, inputs in zip(requests, sets):
        for name, array in inputs.items():
            request.set_tensor(name, ov.Tensor(array))
    return ov.__version__, timer([request.infer for request in requests]), lambda: {name: requests[0].get_tensor(o).data for o in compiled.outputs for name in o.names}


def prepare_emx(model, sets, flags):
    sys.dont_write_bytecode = True  # nothing is left beside it
    import bench_emx
    return bench_emx.prepare(model, sets, flags)


ENGINES = {
    "onnxruntime": prepare_onnxruntime,
    "openvino": lambda model, sets, threads, state: prepare_openvino(model, sets, threads, "f32"),
    "openvino-bf16": lambda model, sets, threads, state: prepare_openvino(model, sets, threads, "bf16"),
    "emx": lambda model, sets, threads, state: prepare_emx(model, sets, []),
    "emx-fast-math": lambda model, sets, threads, state: prepare_emx(model, sets, ["-ffast-math"]),
}


PACKAGES = {"onnxruntime": ["onnxruntime"], "openvino": ["openvino"], "emx": ["onnx", "emx-onnx-cgen"]}  # beside numpy


def is_there(package):
    """Can it be imported, or (of a program) is it installed?"""
    try:
        if package == "emx-onnx-cgen":
            importlib.metadata.version(package)
        else:
            __import__(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    except ModuleNotFoundError as problem:
        if problem.name != package:
            raise  # it is there, but not what it needs
        return False
    return True


def reason(problem):
    """What the engine says, on one line: the last lines when there are many, none of those that name places in its own source."""
    lines = [line.strip() for line in str(problem).splitlines()]
    lines = [line for line in lines if line and not line.startswith("Exception from ") and " failed at src/" not in line] or [str(problem).strip() or type(problem).__name__]
    while len(lines) > 1 and len(" ".join(lines)) > 300:
        lines.pop(0)
    return " ".join(" ".join(lines).split())[:300]


def main():
    engine, model, path, n_sets, threads, answers, *pairs = sys.argv[1:]
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))  # leaves without a traceback, and without temporary files
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints is no reply
    try:
        missing = [package for package in ["numpy", *PACKAGES[engine.split("-")[0]]] if not is_there(package)]
        if missing:
            print("absent", sys.executable, "has no package", " and no ".join(missing), file=replies, flush=True)
            return
        import numpy
        sets = [{name.replace("\\", "/"): array for name, array in numpy.load(f"{path}_{k}.npz").items()} for k in range(int(n_sets))]
        version, take, outputs = ENGINES[engine](model, sets, int(threads), dict(pair.split("=", 1) for pair in pairs))
        take(1)
        numpy.savez(answers, **{name.replace("/", "\\"): array for name, array in outputs().items()})
        print("ready", version, file=replies, flush=True)
        for line in sys.stdin:
            k, n = map(int, line.split())
            print(*[take(n) / n for _ in range(k)], file=replies, flush=True)
    except ImportError as problem:
        print("absent", sys.executable, "can't import what it needs:", reason(problem), file=replies, flush=True)
    except Exception as problem:
        print("missing", reason(problem), file=replies, flush=True)


main()
