"""One peer on one ONNX model in a process of its own.

    python3 onnx_peer.py ENGINE MODEL.onnx RUNS THREADS NAME=INPUT.npy...

ENGINE: onnxruntime, openvino-f32, openvino-bf16, torch-f32, torch-bf16 (networks of pictures only).
Speaks `synthd models run --json`: one line
{"load_s", "first_s", "runs_ms", "rss_mib"}. load_s: from before the file is read until the engine
is ready; first_s: the first run; runs_ms: RUNS more. Imports are not counted in any of them, but
rss_mib is the process's peak, Python included. Exits with 3 when the peer is not installed.
"""

import json
import sys
import time

import numpy as np


def load_onnxruntime(path, inputs, threads, _):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


def load_openvino(path, inputs, threads, precision):
    core = openvino.Core()
    model = core.read_model(path)
    sizes = {}
    for port in model.inputs:
        x = inputs[port.get_any_name()]
        if port.get_partial_shape().is_dynamic:
            sizes[port.get_any_name()] = list(x.shape)  # as quick as it can be: sizes are known
    if sizes:
        model.reshape(sizes)
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
        },
    )
    request = compiled.create_infer_request()
    return lambda: list(request.infer(inputs).values())


def load_torch(path, inputs, threads, precision):
    return onnx_torch.load(path, inputs, threads, precision)


LOADERS = {
    "onnxruntime": load_onnxruntime,
    "openvino-f32": load_openvino,
    "openvino-bf16": load_openvino,
    "torch-f32": load_torch,
    "torch-bf16": load_torch,
}


def peak_mib():
    """Of this program alone: getrusage also knows what the process was before it was this."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024


def main():
    engine, path, runs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    inputs = dict(pair.split("=", 1) for pair in sys.argv[5:])
    inputs = {name: np.load(file) for name, file in inputs.items()}
    began = time.perf_counter()
    run = LOADERS[engine](path, inputs, threads, engine.rpartition("-")[2])
    loaded = time.perf_counter()
    outputs = run()
    first = time.perf_counter()
    if not all(np.isfinite(y).all() for y in outputs):
        sys.exit("onnx_peer.py: %s gave no finite numbers" % engine)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(round((time.perf_counter() - start) * 1e3, 4))
    answer = {
        "load_s": round(loaded - began, 4),
        "first_s": round(first - loaded, 4),
        "runs_ms": times,
        "rss_mib": round(peak_mib(), 1),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[1] not in LOADERS:
        sys.exit("usage: onnx_peer.py ENGINE MODEL.onnx RUNS THREADS NAME=INPUT.npy...")
    try:
        if sys.argv[1] == "onnxruntime":
            import onnxruntime
        elif sys.argv[1].startswith("torch"):
            import onnx_torch
        else:
            import openvino
    except ImportError:
        sys.exit(3)
    main()
