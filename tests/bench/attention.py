#!/usr/bin/env python3
"""Attention alone, against ONNX Runtime: python3 tests/bench/attention.py [--synthd build/synthd]

The same numbers in several ways: spelled out in products and a softmax as PyTorch exports it, ours and
theirs; as the operator that each has for it (ONNX's Attention; theirs also com.microsoft's
MultiHeadAttention, which their CPU has a blocked version of). Engines take turns, ROUNDS times; the
figure is the median of all runs.
"""

import argparse
import os
import statistics
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

import onnx_works

ROUNDS = 5
# name: heads, queries, keys, numbers a head, mask
WORKS = {
    "12 x 77 x 64": (12, 77, 77, 64, "none"),
    "12 x 77 x 64, causal mask": (12, 77, 77, 64, "causal"),
    "12 x 128 x 64, padding mask": (12, 128, 128, 64, "padding"),
    "8 x 1024 x 64": (8, 1024, 1024, 64, "none"),
    "8 x 1024 x 40": (8, 1024, 1024, 40, "none"),
    "8 x 1024 x 64, causal mask": (8, 1024, 1024, 64, "causal"),
    "8 x 1 x 1024 x 64": (8, 1, 1024, 64, "none"),
}


def mask_of(kind, queries, keys):
    if kind == "causal":
        return np.triu(np.full((1, 1, queries, keys), -np.inf, np.float32), 1)
    mask = np.zeros((1, 1, 1, keys), np.float32)
    mask[..., keys * 3 // 4 :] = -10000
    return mask


def model(nodes, constants, inputs, shape, opset, domain=None):
    sets = [helper.make_opsetid("", opset)]
    if domain:
        sets.append(helper.make_opsetid(domain, 1))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "attention",
        [value(n, TensorProto.FLOAT, s) for n, s in inputs],
        [value("y", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


def inputs_of(heads, queries, keys, size):
    wide = heads * size
    return [("q", [1, queries, wide]), ("k", [1, keys, wide]), ("v", [1, keys, wide])]


def spelled(heads, queries, keys, size, mask):
    """As torch.onnx spells scaled_dot_product_attention."""
    node = helper.make_node
    constants = {"root": np.float32(size**-0.25).reshape(1)}
    nodes = []
    perms = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
    for name, perm in perms.items():
        rows = queries if name == "q" else keys
        constants["shape_" + name] = np.array([1, rows, heads, size])
        nodes.append(node("Reshape", [name, "shape_" + name], [name + "_heads"]))
        nodes.append(node("Transpose", [name + "_heads"], [name + "_t"], perm=perm))
    nodes += [
        node("Mul", ["q_t", "root"], ["q_s"]),
        node("Mul", ["k_t", "root"], ["k_s"]),
        node("MatMul", ["q_s", "k_s"], ["scores"]),
    ]
    if mask != "none":
        constants["mask"] = mask_of(mask, queries, keys)
        nodes.append(node("Add", ["scores", "mask"], ["masked"]))
    nodes += [
        node("Softmax", ["masked" if mask != "none" else "scores"], ["p"], axis=-1),
        node("MatMul", ["p", "v_t"], ["y_heads"]),
        node("Transpose", ["y_heads"], ["y_t"], perm=[0, 2, 1, 3]),
        node("Reshape", ["y_t", "shape_y"], ["y"]),
    ]
    constants["shape_y"] = np.array([1, queries, heads * size])
    inputs = inputs_of(heads, queries, keys, size)
    return model(nodes, constants, inputs, [1, queries, heads * size], 17)


def operator(heads, queries, keys, size, mask):
    inputs = inputs_of(heads, queries, keys, size)
    constants = {} if mask == "none" else {"mask": mask_of(mask, queries, keys)}
    names = ["q", "k", "v", *constants]
    node = helper.make_node("Attention", names, ["y"], q_num_heads=heads, kv_num_heads=heads)
    return model([node], constants, inputs, [1, queries, heads * size], 23)


def multi_head(heads, queries, keys, size, mask):
    inputs = inputs_of(heads, queries, keys, size)
    constants = {} if mask == "none" else {"mask": mask_of(mask, queries, keys)}
    names = ["q", "k", "v"] + ([] if mask == "none" else ["", "", "mask"])
    if mask == "padding":
        constants["mask"] = np.tile(constants["mask"], (1, 1, queries, 1))
    own = "com.microsoft"
    node = helper.make_node("MultiHeadAttention", names, ["y"], domain=own, num_heads=heads)
    return model([node], constants, inputs, [1, queries, heads * size], 17, own)


FORMS = {"spelled": spelled, "operator": operator, "multi-head": multi_head}
WAYS = [
    ("synthd-f32", "spelled"),
    ("synthd-f32", "operator"),
    ("synthd-bf16", "operator"),
    ("onnxruntime", "spelled"),
    ("onnxruntime", "operator"),
    ("onnxruntime", "multi-head"),
]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--synthd", default="build/synthd")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=40)
    p.add_argument("--passes-off", default="0")
    p.add_argument("--only", default="")
    args = p.parse_args()
    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx_peer.py")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in WORKS.items():
            if args.only not in name:
                continue
            heads, queries, keys, size, mask = work
            rng = np.random.default_rng(1)
            files = {}
            for x, rows in (("q", queries), ("k", keys), ("v", keys)):
                files[x] = os.path.join(folder, x + ".npy")
                np.save(files[x], rng.standard_normal((1, rows, heads * size), dtype=np.float32))
            for form, make in FORMS.items():
                onnx.save(make(*work), os.path.join(folder, form + ".onnx"))
            times = {way: [] for way in WAYS}
            for _ in range(ROUNDS):
                for engine, form in WAYS:
                    path = os.path.join(folder, form + ".onnx")
                    if (engine, form, mask) == ("onnxruntime", "operator", "padding"):
                        continue  # theirs wants a row of the mask for each query
                    if engine.startswith("synthd"):
                        line = [args.synthd, "models", "run", "--json", "--model", path]
                        line += ["--repeat", str(args.runs), "--threads", str(args.threads)]
                        line += ["--passes-off", args.passes_off, "--precision", engine[7:]]
                        for x, file in files.items():
                            line += ["--in", "%s=%s" % (x, file)]
                    else:
                        line = [sys.executable, peer, engine, path, str(args.runs), str(args.threads)]
                        line += ["%s=%s" % pair for pair in files.items()]
                    try:
                        times[engine, form] += onnx_works.ask(line)["runs_ms"]
                    except onnx_works.Failed as e:
                        print("%s %s: %s" % (engine, form, e))
            figures = {way: statistics.median(t) for way, t in times.items() if t}
            text = "  ".join("%s %s %.3f" % (*way, ms) for way, ms in figures.items())
            print("%-28s %s" % (name, text), flush=True)


if __name__ == "__main__":
    main()
