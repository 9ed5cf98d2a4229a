"""Runs another engine for `onnxcc bench`, which starts this and drives it over pipes.

arguments: engine, model file, inputs (.npz), threads, and the .npz that the outputs of its first run go to
on start:  "ready VERSION", or "missing REASON"
then, for each line holding a number k: runs k times and answers with k times in milliseconds
"""
import sys
import time


def prepare_onnxruntime(model, inputs, threads):
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
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    for output in outputs:
        binding.bind_output(output.name, "cpu")
    return ort.__version__, lambda: session.run_with_iobinding(binding), lambda: {o.name: v.numpy() for o, v in zip(outputs, binding.get_outputs())}


def prepare_openvino(model, inputs, threads, precision="f32"):
    import openvino as ov
    core = ov.Core()
    network = core.read_model(model)
    network.reshape({name: list(array.shape) for name, array in inputs.items()})
    compiled = core.compile_model(network, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()
    for name, array in inputs.items():
        request.set_tensor(name, ov.Tensor(array))
    return ov.__version__, request.infer, lambda: {o.any_name: request.get_tensor(o).data for o in compiled.outputs if o.names}


def prepare_openvino_bf16(model, inputs, threads):
    return prepare_openvino(model, inputs, threads, "bf16")


PREPARE = {"onnxruntime": prepare_onnxruntime, "openvino": prepare_openvino, "openvino-bf16": prepare_openvino_bf16}


def main():
    engine, model, path, threads, answers = sys.argv[1:6]
    try:
        import numpy
        inputs = {name.replace("\\", "/"): array for name, array in numpy.load(path).items()}
        version, run, outputs = PREPARE[engine](model, inputs, int(threads))
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
