"""Runs another engine for `onnxcc bench`, which starts this and drives it over pipes.

arguments: engine, model file, INPUTS and the number of sets of them (INPUTS_0.npz, ...), threads, and the .npz that the outputs for the first set go to
on start:  "ready VERSION", or "missing REASON"
then, for each line holding a number k: runs k times, each on the next set, and answers with k times in milliseconds
"""
import itertools
import sys
import time


def prepare_onnxruntime(model, sets, threads):
    """Version, a function for each set that runs on it, and one that gives the outputs of the first set's last run."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    outputs = session.get_outputs()
    feeds = [{name: array for name, array in inputs.items() if name in names} for inputs in sets]
    if any(not v.type.startswith("tensor(") or v.type == "tensor(string)" for v in session.get_inputs() + outputs):
        return ort.__version__, [lambda feed=feed: session.run(None, feed) for feed in feeds], lambda: {}

    def bound(feed):
        binding = session.io_binding()  # without the copies that session.run makes
        for name, array in feed.items():
            binding.bind_cpu_input(name, array)
        for output in outputs:
            binding.bind_output(output.name, "cpu")
        return binding

    bindings = [bound(feed) for feed in feeds]
    runs = [lambda binding=binding: session.run_with_iobinding(binding) for binding in bindings]
    return ort.__version__, runs, lambda: {o.name: v.numpy() for o, v in zip(outputs, bindings[0].get_outputs())}


def prepare_openvino(model, sets, threads):
    import openvino as ov
    core = ov.Core()
    network = core.read_model(model)
    network.reshape({name: list(array.shape) for name, array in sets[0].items()})
    compiled = core.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    requests = [compiled.create_infer_request() for _ in sets]
    for request, inputs in zip(requests, sets):
        for name, array in inputs.items():
            request.set_tensor(name, ov.Tensor(array))
    return ov.__version__, [request.infer for request in requests], lambda: {o.any_name: requests[0].get_tensor(o).data for o in compiled.outputs if o.names}


def main():
    engine, model, path, n_sets, threads, answers = sys.argv[1:7]
    try:
        import numpy
        sets = [{name.replace("\\", "/"): array for name, array in numpy.load(f"{path}_{k}.npz").items()} for k in range(int(n_sets))]
        version, runs, outputs = {"onnxruntime": prepare_onnxruntime, "openvino": prepare_openvino}[engine](model, sets, int(threads))
        runs[0]()
        numpy.savez(answers, **{name.replace("/", "\\"): array for name, array in outputs().items()})
    except Exception as problem:
        print("missing", " ".join(str(problem).split())[:300], flush=True)
        return
    print("ready", version, flush=True)
    turns = itertools.cycle(runs)
    for line in sys.stdin:
        times = []
        for run in itertools.islice(turns, int(line)):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        print(*times, flush=True)


main()
