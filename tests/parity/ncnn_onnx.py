"""An ncnn model (.param, .bin) as an ONNX model: a second reading of the format, for tests only.

Written from the format's description, in another language and over another runtime than the
engine's loader, so that an error in one of them shows. Heights and widths stay symbolic. Nothing is
checked for hostile input: that is the loader's job, not this one's.

    python3 ncnn_onnx.py model.param model.bin model.onnx
"""

import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
F16_TAG = 0x01306B47


def parse_value(text):
    return float(text) if any(c in text for c in ".eE") else int(text)


def parse_param(path):
    """A list of (type, name, inputs, outputs, {key: value or list})."""
    with open(path) as f:
        lines = [line.split() for line in f if line.strip()]
    if lines[0] != ["7767517"]:
        raise ValueError(path + ": not an ncnn param file")
    layers = []
    for words in lines[2:]:
        n_in, n_out = int(words[2]), int(words[3])
        keys = {}
        for word in words[4 + n_in + n_out :]:
            key, value = word.split("=")
            key = int(key)
            if key <= -23300:
                keys[-key - 23300] = [parse_value(v) for v in value.split(",")[1:]]
            else:
                keys[key] = parse_value(value)
        layers.append(
            (words[0], words[1], words[4 : 4 + n_in], words[4 + n_in : 4 + n_in + n_out], keys)
        )
    if len(layers) != int(lines[1][0]):
        raise ValueError(path + ": wrong number of layers")
    return layers


class Weights:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.at = 0

    def plain(self, n):
        a = np.frombuffer(self.data, "<f4", n, self.at)
        self.at += 4 * n
        return a.astype(np.float32)

    def tagged(self, n):
        (tag,) = struct.unpack_from("<I", self.data, self.at)
        self.at += 4
        if tag == 0:
            return self.plain(n)
        if tag != F16_TAG:
            raise ValueError("tag 0x%08x" % tag)
        a = np.frombuffer(self.data, "<f2", n, self.at).astype(np.float32)
        self.at += (2 * n + 3) // 4 * 4
        return a


class Converter:
    def __init__(self, param, weights):
        self.layers = parse_param(param)
        self.weights = Weights(weights)
        self.nodes, self.constants, self.inputs = [], [], []
        self.alias = {}
        self.used = set()
        self.made = []
        self.n = 0

    # --- building ---
    def name(self, hint):
        self.n += 1
        return "%s.%d" % (hint, self.n)

    def constant(self, array, hint="c"):
        name = self.name(hint)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def node(self, op, inputs, out=None, **attrs):
        out = out or self.name(op)
        self.nodes.append(helper.make_node(op, inputs, [out], name=self.name(op), **attrs))
        return out

    def activated(self, y, keys, out):
        kind, p = keys.get(9, 0), keys.get(10, [])
        if kind == 0:
            return self.node("Identity", [y], out)
        if kind == 1:
            return self.node("Relu", [y], out)
        if kind == 2:
            return self.node("LeakyRelu", [y], out, alpha=float(p[0]))
        if kind == 3:
            return self.node(
                "Clip", [y, self.constant(np.float32(p[0])), self.constant(np.float32(p[1]))], out
            )
        if kind == 4:
            return self.node("Sigmoid", [y], out)
        raise ValueError("activation %d" % kind)

    # --- layers: x are the inputs, y the output's name ---
    @staticmethod
    def window(k):
        kw, dw, sw, left = k[1], k.get(2, 1), k.get(3, 1), k.get(4, 0)
        top = k.get(14, left)
        return (
            [k.get(11, kw), kw],
            [k.get(12, dw), dw],
            [k.get(13, sw), sw],
            [top, left, k.get(16, top), k.get(15, left)],
        )

    def Convolution(self, x, y, k):
        (kh, kw), dilations, strides, pads = self.window(k)
        co, group = k[0], k.get(7, 1)
        w = self.weights.tagged(k[6]).reshape(co, -1, kh, kw)
        inputs = [x[0], self.constant(w, "w")]
        if k.get(5, 0):
            inputs.append(self.constant(self.weights.plain(co), "b"))
        t = self.node(
            "Conv",
            inputs,
            group=group,
            dilations=dilations,
            strides=strides,
            pads=pads,
            kernel_shape=[kh, kw],
        )
        self.activated(t, k, y)

    ConvolutionDepthWise = Convolution

    def Deconvolution(self, x, y, k):
        (kh, kw), dilations, strides, pads = self.window(k)
        co = k[0]
        w = self.weights.tagged(k[6]).reshape(co, -1, kh, kw).transpose(1, 0, 2, 3)
        inputs = [x[0], self.constant(w, "w")]
        if k.get(5, 0):
            inputs.append(self.constant(self.weights.plain(co), "b"))
        right = k.get(18, 0)
        t = self.node(
            "ConvTranspose",
            inputs,
            dilations=dilations,
            strides=strides,
            pads=pads,
            kernel_shape=[kh, kw],
            output_padding=[k.get(19, right), right],
        )
        self.activated(t, k, y)

    def InnerProduct(self, x, y, k):
        w = self.weights.tagged(k[2]).reshape(k[0], -1, 1, 1)
        inputs = [x[0], self.constant(w, "w")]
        if k.get(1, 0):
            inputs.append(self.constant(self.weights.plain(k[0]), "b"))
        self.activated(self.node("Conv", inputs), k, y)

    def PReLU(self, x, y, k):
        slope = self.weights.plain(k[0]).reshape(-1, 1, 1)
        self.node("PRelu", [x[0], self.constant(slope, "slope")], y)

    def ReLU(self, x, y, k):
        self.node("LeakyRelu", [x[0]], y, alpha=float(k.get(0, 0)))

    def Sigmoid(self, x, y, k):
        self.node("Sigmoid", [x[0]], y)

    def Concat(self, x, y, k):
        axis = k.get(0, 0)
        self.node("Concat", x, y, axis=axis + 1 if axis >= 0 else axis)

    def Eltwise(self, x, y, k):
        kind, coeffs = k.get(0, 0), k.get(1, [])
        if kind == 1 and coeffs:
            x = [self.node("Mul", [v, self.constant(np.float32(c))]) for v, c in zip(x, coeffs)]
        t = x[0]
        for i, v in enumerate(x[1:]):
            t = self.node(("Mul", "Add", "Max")[kind], [t, v], y if i == len(x) - 2 else None)

    def BinaryOp(self, x, y, k):
        b = self.constant(np.float32(k.get(2, 0))) if k.get(1, 0) else x[1]
        op = ("Add", "Sub", "Mul", "Div", "Max", "Min")[k.get(0, 0)]
        self.node(op, [x[0], b], y)

    def Scale(self, x, y, k):
        if k[0] == -233:
            self.node("Mul", x, y)
            return
        t = self.node("Mul", [x[0], self.constant(self.weights.plain(k[0]).reshape(-1, 1, 1))])
        bias = self.weights.plain(k[0]) if k.get(1, 0) else np.zeros(k[0], np.float32)
        self.node("Add", [t, self.constant(bias.reshape(-1, 1, 1))], y)

    def Pooling(self, x, y, k):
        if k.get(0, 0) != 1 or k.get(4, 0) != 1:
            raise ValueError("a pooling that is not the global average")
        self.node("GlobalAveragePool", [x[0]], y)

    def PixelShuffle(self, x, y, k):
        self.node(
            "DepthToSpace", [x[0]], y, blocksize=k.get(0, 1), mode="DCR" if k.get(1, 0) else "CRD"
        )

    def Interp(self, x, y, k):
        scales = self.constant(np.array([1, 1, k.get(1, 1), k.get(2, 1)], np.float32))
        if k[0] == 1:
            self.node(
                "Resize",
                [x[0], "", scales],
                y,
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        else:
            self.node(
                "Resize",
                [x[0], "", scales],
                y,
                mode="linear" if k[0] == 2 else "cubic",
                coordinate_transformation_mode="half_pixel",
                cubic_coeff_a=-0.75,
            )

    def Crop(self, x, y, k):
        if len(x) == 2:
            start = self.ints(k.get(1, 0), k.get(0, 0))
            size = self.node("Shape", [x[1]], start=2, end=4)
            self.node("Slice", [x[0], start, self.node("Add", [start, size]), self.ints(2, 3)], y)
            return
        starts, ends, axes = k[9], k[10], k[11]
        self.node(
            "Slice",
            [
                x[0],
                self.ints(*starts),
                self.ints(*[e or 2**31 for e in ends]),
                self.ints(*[a + 1 if a >= 0 else a for a in axes]),
            ],
            y,
        )

    # --- the whole ---
    def convert(self):
        for kind, name, inputs, outputs, keys in self.layers:
            x = [self.alias.get(i, i) for i in inputs]
            self.used.update(x)
            if kind == "Input":
                self.inputs.append(
                    helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, [1, 3, "h", "w"])
                )
            elif kind == "Split":
                for o in outputs:
                    self.alias[o] = x[0]
            else:
                getattr(self, kind)(x, outputs[0], keys)
                self.made.append(outputs[0])
        if self.weights.at != len(self.weights.data):
            raise ValueError(
                "%d bytes after the last weight" % (len(self.weights.data) - self.weights.at)
            )
        outputs = [
            helper.make_tensor_value_info(m, TensorProto.FLOAT, [1, 3, "oh", "ow"])
            for m in self.made
            if m not in self.used
        ]
        graph = helper.make_graph(self.nodes, "ncnn", self.inputs, outputs, self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )
        onnx.checker.check_model(model)
        return model


def convert(param, weights):
    return Converter(param, weights).convert()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: ncnn_onnx.py model.param model.bin model.onnx")
    onnx.save(convert(sys.argv[1], sys.argv[2]), sys.argv[3])
