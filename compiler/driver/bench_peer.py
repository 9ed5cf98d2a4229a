"""Runs another engine for `onnxcc bench`, which starts this and drives it over pipes.

arguments: engine, model file, inputs (.npz), threads, the .npz that the outputs of its first run go to, and OUT=IN for each output that may be written where
           the input lies
on start:  "ready VERSION", or "missing REASON"
then, for each line holding a number k: runs k times and answers with k times in milliseconds
"""
import sys
import time


def prepare_onnxruntime(model, inputs, threads, state):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    feeds = {name: array for name, array in inputs.items() if name in names}
    outputs = session.get_outputs()
    if any(not v.type.startswith("tensor(") or v.type == "tensor(string)" for v in session.get_inputs() + outputs):
        return ort.__version__, lambda: session.run(None, feeds), lambda: {}
    binding = session.io_binding()  # without the copies that session.run makes
    values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in feeds.items()}
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    for output in outputs:
        kept = values.get(state.get(output.name))
        if kept is not None and kept.shape() == output.shape:
            binding.bind_ortvalue_output(output.name, kept)
        else:
            binding.bind_output(output.name, "cpu")
    return ort.__version__, lambda: session.run_with_iobinding(binding), lambda: {o.name: v.numpy() for o, v in zip(outputs, binding.get_outputs())}


def prepare_openvino(model, inputs, threads, _):
    import openvino as ov
    core = ov.Core()
    network = core.read_model(model)
    network.reshape({name: list(array.shape) for name, array in inputs.items()})
    compiled = core.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    for name, array in inputs.items():
        request.set_tensor(name, ov.Tensor(array))
    return ov.__version__, request.infer, lambda: {o.any_name: request.get_tensor(o).data for o in compiled.outputs if o.names}


def main():
    engine, model, path, threads, answers, *pairs = sys.argv[1:]
    try:
        import numpy
        inputs = {name.replace("\\", "/"): array for name, array in numpy.load(path).items()}
        version, run, outputs = {"onnxruntime": prepare_onnxruntime, "openvino": prepare_openvino}[engine](model, inputs, int(threads), dict(pair.split("=", 1) for pair in pairs))
        run()
        numpy.savez(answers, **{name.replace("/", "\\"): array for name, array in outputs().items()})
    except Exception as problem:
        print("missing", " ".join(str(problem).split())[:300], flush=True)
        return
    print("ready", version, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        print(*times, flush=True)


main()
