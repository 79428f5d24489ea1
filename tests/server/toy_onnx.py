"""Tiny ONNX models written by hand, and .npy files: for tests that have no other library.

Field numbers are those of onnx.proto: ModelProto ir_version 1, graph 7, opset_import 8; GraphProto
node 1, name 2, input 11, output 12; NodeProto input 1, output 2, op_type 4, attribute 5.
"""

import ast
import hashlib
import json
import os
import struct

FLOAT, INT64, BOOL = 1, 7, 9


def varint(n):
    out, n = b"", n & (1 << 64) - 1  # a negative number is its 64 bits
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def text(field, body):
    body = body.encode() if isinstance(body, str) else body
    return varint(field << 3 | 2) + varint(len(body)) + body


def value(name, kind, dims):
    """A ValueInfoProto; a dim that is a word may have any length."""
    shape = b"".join(
        text(1, number(1, d) if isinstance(d, int) else text(2, d)) for d in dims
    )
    return text(1, name) + text(2, text(1, number(1, kind) + text(2, shape)))


def ints(name, values):
    """An AttributeProto of type INTS; one number instead of a list: of type INT."""
    if isinstance(values, int):
        return text(1, name) + number(3, values) + number(20, 2)
    return text(1, name) + b"".join(number(8, v) for v in values) + number(20, 7)


def attribute(name, v):
    """An AttributeProto: a graph() or what ints() takes."""
    if isinstance(v, bytes):
        return text(1, name) + text(6, v) + number(20, 5)
    return ints(name, v)


def node(op, inputs, outputs, **attributes):
    return (
        b"".join(text(1, i) for i in inputs)
        + b"".join(text(2, o) for o in outputs)
        + text(4, op)
        + b"".join(text(5, attribute(k, v)) for k, v in attributes.items())
    )


def graph(nodes, inputs, outputs):
    return (
        b"".join(text(1, n) for n in nodes)
        + text(2, "toy")
        + b"".join(text(11, value(*i)) for i in inputs)
        + b"".join(text(12, value(*o)) for o in outputs)
    )


def model(nodes, inputs, outputs, opset=13):
    return number(1, 8) + text(7, graph(nodes, inputs, outputs)) + text(8, number(2, opset))


def write_model(models, name, kind, data, network):
    """models/NAME with a manifest of one network, a dict without its file."""
    path = os.path.join(models, name)
    os.makedirs(path)
    with open(os.path.join(path, "toy.onnx"), "wb") as f:
        f.write(data)
    digest = hashlib.sha256(data).hexdigest()
    manifest = {
        "manifest": 1,
        "id": name,
        "title": f"Toy {name}",
        "kind": kind,
        "format": "onnx",
        "licence": "MIT",
        "source": "tests",
        "trained_on": "nothing",
        "label_term": "algorithmicMedia",
        "files": [{"name": "toy.onnx", "bytes": len(data), "sha256": digest}],
        "networks": [{"file": "toy.onnx", **network}],
    }
    with open(os.path.join(path, "model.json"), "w", encoding="utf-8") as f:
        json.dump(manifest, f)


def npy_bytes(kind, shape, values):
    """kind: struct's letter, "f" or "q"."""
    descr = {"f": "<f4", "q": "<i8", "d": "<f8"}[kind]
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
    return head + struct.pack(f"<{len(values)}{kind}", *values)


def npy(path, kind, shape, values):
    with open(path, "wb") as f:
        f.write(npy_bytes(kind, shape, values))
    return path


def read_npy(data):
    """(shape, values) of a file of version 1."""
    (n,) = struct.unpack_from("<H", data, 8)
    head = ast.literal_eval(data[10 : 10 + n].decode())
    kind = {"<f4": "f", "<i8": "q"}[head["descr"]]
    body = data[10 + n :]
    return head["shape"], struct.unpack(f"<{len(body) // struct.calcsize(kind)}{kind}", body)


# ---- toys of each kind ---------------------------------------------------------------------------


def amend(models, name, **members):
    """Replaces members of a manifest."""
    path = os.path.join(models, name, "model.json")
    with open(path, encoding="utf-8") as f:
        manifest = json.load(f)
    manifest.update(members)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(manifest, f)


def add_files(models, name, files):
    """Further files of a model, beside toy.onnx; {file name: bytes}. Gives the manifest's list."""
    path = os.path.join(models, name)
    rows = []
    for file, data in files.items():
        with open(os.path.join(path, file), "wb") as f:
            f.write(data)
        rows.append(
            {"name": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        )
    return rows


def stylize_toys(models, side=8):
    """"two": the picture times the first of two weights. "mean": the photo times the mean colour of
    the style, both side x side."""
    any_size = (1, 3, "h", "w")
    data = model(
        [node("Split", ["w"], ["w0", "w1"]), node("Mul", ["x", "w0"], ["y"])],
        [("x", FLOAT, any_size), ("w", FLOAT, (2,))],
        [("y", FLOAT, any_size)],
    )
    form = {"layout": "nchw", "order": "rgb", "mean": 0, "scale": 1, "side": 0, "multiple": 4}
    network = {"inputs": {"picture": "x", "weights": "w"}, "outputs": {"picture": "y"}}
    write_model(models, "two", "stylize", data, {"name": "stylize", "picture": form, **network})
    amend(models, "two", settings={"styles": 2})

    square = (1, side, side, 3)
    mean = node("ReduceMean", ["x"], ["s"], axes=[1, 2], keepdims=1)
    learn = model([mean], [("x", FLOAT, square)], [("s", FLOAT, (1, 1, 1, 3))])
    paint = model(
        [node("Mul", ["c", "v"], ["y"])],
        [("c", FLOAT, square), ("v", FLOAT, (1, 1, 1, 3))],
        [("y", FLOAT, square)],
    )
    form = {"layout": "nhwc", "order": "rgb", "mean": 0, "scale": 1, "side": side}
    predict = {"inputs": {"picture": "x"}, "outputs": {"style": "s"}, "picture": form}
    transform = {
        "name": "transform",
        "file": "paint.onnx",
        "picture": form,
        "inputs": {"picture": "c", "style": "v"},
        "outputs": {"picture": "y"},
    }
    write_model(models, "mean", "stylize", learn, {"name": "predict", **predict})
    files = add_files(models, "mean", {"toy.onnx": learn, "paint.onnx": paint})
    networks = [{"name": "predict", "file": "toy.onnx", **predict}, transform]
    amend(models, "mean", files=files, networks=networks)
    return models


def matte_toy(models, side=8):
    """"bright": alpha = the mean of (sample - 0.5) * 2 over the channels: white is 1, grey 0, black
    under 0."""
    data = model(
        [node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)],
        [("x", FLOAT, (1, 3, side, side))],
        [("y", FLOAT, (1, 1, side, side))],
    )
    picture = {"layout": "nchw", "order": "rgb", "mean": 0.5, "scale": 2, "side": side}
    network = {"inputs": {"picture": "x"}, "outputs": {"alpha": "y"}, "picture": picture}
    write_model(models, "bright", "matte", data, {"name": "matte", **network})
    return models


def tensor_toy(models, name):
    """sum = a + b, x/product = a * b, a and b [n, 2]; left is a's role, product that of x/product."""
    shape = ("n", 2)
    data = model(
        [node("Add", ["a", "b"], ["sum"]), node("Mul", ["a", "b"], ["x/product"])],
        [("a", FLOAT, shape), ("b", FLOAT, shape)],
        [("sum", FLOAT, shape), ("x/product", FLOAT, shape)],
    )
    roles = {"inputs": {"left": "a"}, "outputs": {"product": "x/product"}}
    write_model(models, name, "tensor", data, {"name": "net", **roles})
    return models


def denoise_toy(models):
    """"same": a denoiser of DeepFilterNet's form whose gains and filters are all 1: what comes out
    is what went in, to rounding. 8 kHz, frames of 10 ms, chunks of 100 of them."""
    steps, bands, bins, hidden, channels = 100, 4, 8, 256, 64
    past, state = (1, 1, 2 + steps, bands), (1, 1, hidden)
    frames = {"axes": [2], "starts": [2], "ends": [2 + steps]}
    enc = model(
        [
            node("Slice", ["erb"], ["emb"], **frames),
            node("ReduceMean", ["spec"], ["level"], axes=[1], keepdims=1),
            node("Slice", ["level"], ["now"], **frames),
            node("Concat", ["now"] * channels, ["c0"], axis=1),
            *[node("Identity", ["emb"], [f"e{i}"]) for i in range(4)],
            node("Identity", ["gru"], ["gru_out"]),
            node("Identity", ["emb"], ["lsnr"]),
        ],
        [("erb", FLOAT, past), ("spec", FLOAT, (1, 2, 2 + steps, bins)), ("gru", FLOAT, state)],
        [
            *[(f"e{i}", FLOAT, (1, 1, steps, bands)) for i in range(4)],
            ("emb", FLOAT, (1, 1, steps, bands)),
            ("c0", FLOAT, (1, channels, steps, bins)),
            ("lsnr", FLOAT, (1, 1, steps, bands)),
            ("gru_out", FLOAT, state),
        ],
        opset=9,
    )
    states = [("h0", FLOAT, state), ("h1", FLOAT, state)]
    kept = [node("Identity", ["h0"], ["h0_out"]), node("Identity", ["h1"], ["h1_out"])]
    kept_out = [("h0_out", FLOAT, state), ("h1_out", FLOAT, state)]
    features = ["emb", "e3", "e2", "e1", "e0"]
    erb_dec = model(
        [
            node("Sub", ["emb", "emb"], ["zero"]),
            node("Sum", ["zero", "e0", "e1", "e2", "e3"], ["all"]),  # each input is read
            node("Sub", ["all", "all"], ["none"]),
            node("Exp", ["none"], ["mask"]),
            *kept,
        ],
        [*[(name, FLOAT, (1, 1, steps, bands)) for name in features], *states],
        [("mask", FLOAT, (1, 1, steps, bands)), *kept_out],
        opset=9,
    )
    df_dec = model(
        [
            node("Slice", ["c0"], ["one"], axes=[1, 2], starts=[0, 4], ends=[1, 4 + steps]),
            node("ReduceMean", ["emb"], ["mean"], axes=[3], keepdims=1),
            node("Add", ["one", "mean"], ["both"]),
            node("Sub", ["both", "both"], ["none"]),
            node("Unsqueeze", ["none"], ["zero"], axes=[4]),
            node("Exp", ["zero"], ["real"]),
            node("Concat", ["real", "zero"], ["coefs"], axis=4),
            *kept,
        ],
        [
            ("emb", FLOAT, (1, 1, steps, bands)),
            ("c0", FLOAT, (1, channels, 4 + steps, bins)),
            *states,
        ],
        [("coefs", FLOAT, (1, 1, steps, bins, 2)), *kept_out],
        opset=9,
    )
    same = lambda *names: {n: n for n in names}
    memory_in = {"gru0": "h0", "gru1": "h1"}
    memory_out = {"gru0": "h0_out", "gru1": "h1_out"}
    networks = [
        {
            "name": "enc",
            "file": "toy.onnx",
            "inputs": same("erb", "spec", "gru"),
            "outputs": {**same("e0", "e1", "e2", "e3", "emb", "c0", "lsnr"), "gru": "gru_out"},
        },
        {
            "name": "erb_dec",
            "file": "erb_dec.onnx",
            "inputs": {**same(*features), **memory_in},
            "outputs": {"mask": "mask", **memory_out},
        },
        {
            "name": "df_dec",
            "file": "df_dec.onnx",
            "inputs": {"emb": "emb", "c0_past": "c0", **memory_in},
            "outputs": {"coefs": "coefs", **memory_out},
        },
    ]
    settings = {
        "rate": 8000,
        "fft": 160,
        "hop": 80,
        "erb_bands": bands,
        "erb_min_bins": 2,
        "df_bins": bins,
        "df_order": 1,
        "df_lookahead": 0,
        "conv_lookahead": 0,
        "norm_tau": 1,
    }
    write_model(models, "same", "denoise-speech", enc, networks[0])
    files = {"toy.onnx": enc, "erb_dec.onnx": erb_dec, "df_dec.onnx": df_dec}
    files = add_files(models, "same", files)
    amend(models, "same", files=files, networks=networks, settings=settings)
    return models


def every_kind(models):
    """A toy of each kind that ONNX models have: "two", "mean", "bright", "same", "sums"."""
    stylize_toys(models)
    matte_toy(models)
    denoise_toy(models)
    return tensor_toy(models, "sums")


def wav(samples, rate=8000, channels=1):
    """A WAV file of 16 bits; samples of the channels in turn."""
    body = struct.pack(f"<{len(samples)}h", *samples)
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body))
    return b"RIFF" + struct.pack("<I", len(head) + len(body)) + head + body
