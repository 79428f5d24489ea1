"""ONNX models as float32: quantised tensors and pairs of QuantizeLinear and DequantizeLinear taken
out, float16 widened. For tests: what a float engine's results are compared with.

    python3 onnx_float.py in.onnx out.onnx [--side N]

Constants behind a DequantizeLinear become its float32 result; elsewhere both are left out.
--side N: fixed picture inputs [1,n,n,3] become [1,N,N,3].
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def dequantised(x, scale, zero, axis):
    if scale.ndim == 1 and x.ndim > 0 and scale.size > 1:
        shape = [1] * x.ndim
        shape[axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return (x.astype(np.int64) - zero.astype(np.int64)).astype(np.float32) * scale


def without_qdq(model):
    """A copy of the model with no QuantizeLinear or DequantizeLinear."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    constant = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    alias, kept, made = {}, [], {}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            alias[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear" and node.input[0] not in constant:
            alias[node.output[0]] = node.input[0]  # of a quantised value, perhaps reshaped between
        elif node.op_type == "DequantizeLinear":
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            scale = constant[node.input[1]]
            zero = constant[node.input[2]] if len(node.input) > 2 else np.zeros_like(scale)
            made[node.output[0]] = dequantised(constant[node.input[0]], scale, zero, axis)
        else:
            kept.append(node)
    renamed = {}
    for name in alias:  # a chain of pairs ends at the value before all of them
        end = name
        while end in alias:
            end = alias[end]
        renamed[name] = end
    for node in kept:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    outputs = {o.name for o in graph.output}
    for name in outputs & set(renamed):  # the output's name must stay
        for node in kept:
            for i, produced in enumerate(node.output):
                if produced == renamed[name]:
                    node.output[i] = name
            for i, read in enumerate(node.input):
                if read == renamed[name]:
                    node.input[i] = name
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in made.items())
    used = {name for node in kept for name in node.input}
    left = [t for t in graph.initializer if t.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def widened(tensor):
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def without_f16(model):
    """A copy of the model that computes in float32 from the float16 weights."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(widened(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT16:
                attribute.t.CopyFrom(widened(attribute.t))
    for value in list(graph.input) + list(graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]  # not checked: a converter left these files' nodes out of order
    return model


def with_side(model, side):
    """A copy whose square picture inputs and outputs [1,n,n,3] are [1,side,side,3]."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for value in list(model.graph.input) + list(model.graph.output):
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 4 and dims[3].dim_value == 3 and dims[1].dim_value > 1:
            dims[1].dim_value = dims[2].dim_value = side
    del model.graph.value_info[:]
    return model


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5) or (len(sys.argv) == 5 and sys.argv[3] != "--side"):
        sys.exit("usage: onnx_float.py in.onnx out.onnx [--side N]")
    result = without_f16(without_qdq(onnx.load(sys.argv[1])))
    if len(sys.argv) == 5:
        result = with_side(result, int(sys.argv[4]))
    onnx.save(result, sys.argv[2])
