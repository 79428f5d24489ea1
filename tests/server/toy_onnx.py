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


def npy(path, kind, shape, values):
    """kind: struct's letter, "f" or "q"."""
    descr = {"f": "<f4", "q": "<i8", "d": "<f8"}[kind]
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(struct.pack(f"<{len(values)}{kind}", *values))
    return path


def read_npy(data):
    """(shape, values) of a file of version 1."""
    (n,) = struct.unpack_from("<H", data, 8)
    head = ast.literal_eval(data[10 : 10 + n].decode())
    kind = {"<f4": "f", "<i8": "q"}[head["descr"]]
    body = data[10 + n :]
    return head["shape"], struct.unpack(f"<{len(body) // struct.calcsize(kind)}{kind}", body)
