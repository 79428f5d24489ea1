"""An ONNX model as PyTorch calls, for the peers' rows: the feed-forward networks of pictures, whose
operators are few. No source of these networks in PyTorch is published, so this stands for it: each
node one call, what depends on no input computed once beforehand, channels last.
"""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

functional = torch.nn.functional


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def folded(model):
    """({name: array} of all values that depend on no input, the nodes that are left)."""
    known = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    left = []
    for node in model.graph.node:
        if not all(name in known for name in node.input if name):
            left.append(node)
            continue
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [
                onnx.helper.make_tensor_value_info(
                    n, onnx.helper.np_dtype_to_tensor_dtype(known[n].dtype), known[n].shape
                )
                for n in node.input
                if n
            ],
            [onnx.ValueInfoProto(name=n) for n in node.output],
        )
        one = onnx.helper.make_model(graph, opset_imports=model.opset_import)
        values = ReferenceEvaluator(one).run(None, {n: known[n] for n in node.input if n})
        known.update(zip(node.output, values))
    return known, left


class Network:
    def __init__(self, path, dtype):
        self.model = onnx.load(path)
        known, nodes = folded(self.model)
        self.numpy, self.constant, self.steps = known, {}, []
        for node in nodes:
            for name in node.input:
                if name in known and np.issubdtype(known[name].dtype, np.floating):
                    tensor = torch.from_numpy(np.array(known[name], np.float32)).to(dtype)
                    if tensor.dim() == 4:
                        tensor = tensor.contiguous(memory_format=torch.channels_last)
                    self.constant[name] = tensor
            self.steps.append((node, self.call(node)))
        self.last = {}
        for i, (node, _) in enumerate(self.steps):
            for name in node.input:
                self.last[name] = i

    def call(self, node):
        """A function of the node's tensors; its integers are known."""
        a = attributes(node)
        ints = lambda i: [int(v) for v in self.numpy[node.input[i]].ravel()]  # noqa: E731
        kind = node.op_type
        if kind == "Conv":
            strides, pads = a.get("strides", [1, 1]), a.get("pads", [0, 0, 0, 0])
            group = a.get("group", 1)

            def convolution(x, w, b=None):
                if pads[:2] != pads[2:]:
                    x = functional.pad(x, (pads[1], pads[3], pads[0], pads[2]))
                    return functional.conv2d(x, w, b, strides, 0, 1, group)
                return functional.conv2d(x, w, b, strides, pads[:2], 1, group)

            return convolution
        if kind == "Pad":
            return self.padding(ints(1))
        if kind == "ReduceMean":
            return lambda x: x.mean(a["axes"], keepdim=bool(a.get("keepdims", 1)))
        if kind == "ReduceSum":
            axes = ints(1)
            return lambda x, *_: x.sum(axes, keepdim=bool(a.get("keepdims", 1)))
        if kind == "Reshape":
            shape = ints(1)
            return lambda x, *_: x.reshape(
                [x.shape[i] if d == 0 else d for i, d in enumerate(shape)]
            )
        if kind == "Unsqueeze":
            axis = ints(1)[0]
            return lambda x, *_: x.unsqueeze(axis)
        if kind == "Transpose":
            return lambda x: x.permute(a["perm"])
        if kind == "Resize":
            scales = [float(s) for s in self.numpy[node.input[2]]][2:]
            return lambda x, *_: functional.interpolate(x, scale_factor=scales, mode="nearest")
        if kind == "Clip":
            lo, hi = (float(self.numpy[n]) for n in node.input[1:3])
            return lambda x, *_: x.clamp(lo, hi)
        if kind == "Pow" and self.numpy[node.input[1]].size == 1:
            exponent = float(self.numpy[node.input[1]].ravel()[0])
            return lambda x, *_: torch.pow(x, exponent)
        plain = {
            "Add": torch.add,
            "Sub": torch.sub,
            "Mul": torch.mul,
            "Div": torch.div,
            "Sqrt": torch.sqrt,
            "Reciprocal": torch.reciprocal,
            "Relu": torch.relu,
            "Sigmoid": torch.sigmoid,
            "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
        }
        if kind not in plain:
            raise ValueError("onnx_torch: no operator " + kind)
        return plain[kind]

    @staticmethod
    def padding(pads):
        n = len(pads) // 2

        def run(x, *_):
            nhwc = n == 4 and (pads[1] or pads[1 + n])  # rows and columns before the channels
            x = x.permute(0, 3, 1, 2) if nhwc else x
            y = 1 if nhwc else 2
            sides = (pads[y + 1], pads[y + 1 + n], pads[y], pads[y + n])
            x = functional.pad(x, sides, "reflect")
            return x.permute(0, 2, 3, 1) if nhwc else x

        return run

    def run(self, inputs):
        values = dict(inputs)
        for i, (node, function) in enumerate(self.steps):
            tensors = []
            for name in node.input:
                if name in values:
                    tensors.append(values[name])
                elif name in self.constant:
                    tensors.append(self.constant[name])
            values[node.output[0]] = function(*tensors)
            for name in node.input:
                if self.last[name] == i and name in values:
                    del values[name]
        return [values[o.name].float().contiguous().numpy() for o in self.model.graph.output]


def load(path, inputs, threads, precision):
    torch.set_num_threads(threads)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network, tensors = Network(path, dtype), {}
    for name, x in inputs.items():
        tensor = torch.from_numpy(x).to(dtype)
        if tensor.dim() == 4 and x.shape[1] == 3:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        tensors[name] = tensor

    @torch.inference_mode()
    def run():
        return network.run(tensors)

    return run
