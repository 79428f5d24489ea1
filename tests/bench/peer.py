"""One peer in a process of its own: what bench.py asks for a run at a time.

    python3 peer.py ENGINE MODEL.param MODEL.bin ROWS COLUMNS THREADS

ENGINE: onnxruntime, openvino-f32, openvino-bf16, ncnn, torch-bf16. Speaks run_model --serve's
protocol: "ready ms=..." after the first output (from before the model's files are read; imports are
not counted), then one "ms=... peak_kib=..." for each line on stdin. Exits with 3
when the peer is not installed.
"""

import os
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
import ncnn_onnx  # noqa: E402


def picture(rows, columns):
    """The same numbers as run_model's."""
    n = 3 * rows * columns
    return ((np.arange(n) % 251).astype(np.float32) / np.float32(250)).reshape(1, 3, rows, columns)


def peak_kib():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def load_onnxruntime(files, x, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        files["onnx"], options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})[0]


def load_openvino(files, x, threads, precision):
    core = openvino.Core()
    model = core.read_model(files["onnx"])
    model.reshape(
        {model.inputs[0].get_any_name(): list(x.shape)}
    )  # as quick as it can be: sizes are known
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
    return lambda: list(request.infer({0: x}).values())[0]


def load_ncnn(files, x, threads):
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.load_param(files["param"])
    net.load_model(files["bin"])
    layers = ncnn_onnx.parse_param(files["param"])
    first, last = layers[0][3][0], layers[-1][3][0]
    mat = ncnn.Mat(x[0]).clone()

    def run():
        extractor = net.create_extractor()
        extractor.input(first, mat)
        return np.array(extractor.extract(last)[1])[None]

    return run


def torch_network(files):
    """The benchmarked networks' layers as torch calls: a list of (function, inputs, outputs)."""
    weights, steps = ncnn_onnx.Weights(files["bin"]), []
    functional = torch.nn.functional

    def tensor(a):
        return torch.from_numpy(np.ascontiguousarray(a)).bfloat16()

    def convolution(k):
        w = tensor(weights.tagged(k[6]).reshape(k[0], -1, k[1], k[1])).contiguous(
            memory_format=torch.channels_last
        )
        b = tensor(weights.plain(k[0]))
        slope = k[10][0] if k.get(9) == 2 else None

        def run(x):
            y = functional.conv2d(x, w, b, stride=k.get(3, 1), padding=k.get(4, 0))
            return y if slope is None else functional.leaky_relu_(y, slope)

        return run

    def weighted_sum(k):
        c = k.get(1, [1, 1])
        return lambda a, b: torch.add(b * c[1] if c[1] != 1 else b, a, alpha=c[0])

    def prelu(k):
        slope = tensor(weights.plain(k[0]))
        return lambda x: functional.prelu(x, slope)

    make = {
        "Convolution": convolution,
        "Eltwise": weighted_sum,
        "PReLU": prelu,
        "Concat": lambda k: lambda *x: torch.cat(x, 1),
        "BinaryOp": lambda k: lambda a, b: a + b,
        "Interp": lambda k: lambda x: functional.interpolate(x, scale_factor=k[1], mode="nearest"),
        "PixelShuffle": lambda k: lambda x: functional.pixel_shuffle(x, k[0]),
        "Split": lambda k: None,
    }
    for kind, _, inputs, outputs, keys in ncnn_onnx.parse_param(files["param"]):
        if kind != "Input":
            steps.append((make[kind](keys), inputs, outputs))
    return steps


def load_torch(files, x, threads):
    torch.set_num_threads(threads)
    first = ncnn_onnx.parse_param(files["param"])[0][3][0]
    steps = torch_network(files)
    readers = {}
    for _, inputs, _ in steps:
        for name in inputs:
            readers[name] = readers.get(name, 0) + 1

    @torch.inference_mode()
    def run():
        blobs, left = {
            first: torch.from_numpy(x).bfloat16().contiguous(memory_format=torch.channels_last)
        }, dict(readers)
        for function, inputs, outputs in steps:
            values = [blobs[name] for name in inputs]
            for name in inputs:
                left[name] -= 1
                if left[name] == 0:
                    del blobs[name]
            y = function(*values) if function else values[0]
            for name in outputs:
                blobs[name] = y
        return y.float().contiguous().numpy()

    return run


def main():
    engine, param, weights, rows, columns, threads = sys.argv[1:7]
    x, threads = picture(int(rows), int(columns)), int(threads)
    files = {"param": param, "bin": weights}
    with tempfile.TemporaryDirectory() as folder:
        if engine.startswith(("onnxruntime", "openvino")):  # the file that this peer would be given
            files["onnx"] = os.path.join(folder, "model.onnx")
            with open(files["onnx"], "wb") as f:
                f.write(ncnn_onnx.convert(param, weights).SerializeToString())
        start = time.perf_counter()
        if engine == "onnxruntime":
            run = load_onnxruntime(files, x, threads)
        elif engine in ("openvino-f32", "openvino-bf16"):
            run = load_openvino(files, x, threads, engine[9:])
        elif engine == "ncnn":
            run = load_ncnn(files, x, threads)
        elif engine == "torch-bf16":
            run = load_torch(files, x, threads)
        else:
            sys.exit("peer.py: %s: unknown engine" % engine)
        y = run()
        ready = time.perf_counter() - start
    if not np.isfinite(y).all():
        sys.exit("peer.py: %s gave no finite numbers" % engine)
    print(
        "ready ms=%.3f precision=%s mean=%.6f"
        % (ready * 1e3, "bf16" if "bf16" in engine else "f32", y.mean()),
        flush=True,
    )
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print("ms=%.3f peak_kib=%d" % ((time.perf_counter() - start) * 1e3, peak_kib()), flush=True)


if __name__ == "__main__":
    try:
        if sys.argv[1].startswith("onnx"):
            import onnxruntime
        elif sys.argv[1].startswith("openvino"):
            import openvino
        elif sys.argv[1] == "ncnn":
            import ncnn
        elif sys.argv[1].startswith("torch"):
            import torch
    except ImportError:
        sys.exit(3)
    main()
