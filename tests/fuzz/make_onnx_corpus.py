"""Writes the seeds of fuzz_onnx and fuzz_pb: small models that use each part of the format.

    python3 tests/fuzz/make_onnx_corpus.py [DIR]        default: tests/fuzz/corpus

Needs the package onnx (tests/requirements.txt). The files are committed; this says how they came
to be."""

import os
import sys

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "corpus")


def save(name, data):
    for target in ("onnx", "pb"):
        os.makedirs(os.path.join(OUT, target), exist_ok=True)
    with open(os.path.join(OUT, "onnx", name), "wb") as f:
        f.write(data)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, constants=(), opset=17, functions=(), ir=8, extra=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in extra]
    m = helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=ir)
    return m.SerializeToString()


def weights(name, shape):
    return numpy_helper.from_array(np.linspace(-1, 1, int(np.prod(shape))).astype(np.float32)
                                   .reshape(shape), name)


def pictures():
    node = helper.make_node
    x, y = value("x", ["n", 3, "h", "w"]), value("y", None)
    save("conv", model(
        [node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]), node("Relu", ["a"], ["r"]),
         node("Resize", ["r", "", "s"], ["y"], mode="nearest")],
        [x], [y], [weights("w", (4, 3, 3, 3)), weights("b", (4,)),
                   numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "s")]))
    save("norm", model(
        [node("ReduceMean", ["x"], ["m"], axes=[2, 3]), node("Sub", ["x", "m"], ["d"]),
         node("Constant", [], ["two"], value_float=2.0), node("Pow", ["d", "two"], ["y"])],
        [x], [y]))
    save("shapes", model(
        [node("Shape", ["x"], ["s"]), node("Constant", [], ["i"], value_ints=[0]),
         node("Gather", ["s", "i"], ["n"]), node("Constant", [], ["rest"], value_ints=[-1]),
         node("Concat", ["n", "rest"], ["to"], axis=0), node("Reshape", ["x", "to"], ["y"])],
        [x], [y]))
    save("quantised", model(
        [node("QuantizeLinear", ["x", "s", "z"], ["q"]),
         node("DequantizeLinear", ["q", "s", "z"], ["y"])],
        [x], [y], [numpy_helper.from_array(np.array(0.1, np.float32), "s"),
                   numpy_helper.from_array(np.array(3, np.int8), "z")]))
    save("old", model([node("Add", ["x", "b"], ["y"], axis=1, broadcast=1)], [x, value("b", [3])],
                      [y], [weights("b", (3,))], opset=6, ir=3))


def bodies():
    node = helper.make_node
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    then = helper.make_graph([node("Add", ["x", "one"], ["t"])], "then", [], [value("t", None)])
    other = helper.make_graph([node("Neg", ["x"], ["e"])], "else", [], [value("e", None)])
    save("if", model([node("If", ["c"], ["y"], then_branch=then, else_branch=other)],
                     [value("x", [2, 3]), value("c", [], TensorProto.BOOL)],
                     [value("y", None)], [one]))
    step = helper.make_graph(
        [node("Identity", ["go"], ["go_out"]), node("Add", ["s", "x"], ["s_out"]),
         node("Mul", ["s", "x"], ["scan"])], "step",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("s", [2])],
        [value("go_out", [], TensorProto.BOOL), value("s_out", [2]), value("scan", [2])])
    save("loop", model([node("Loop", ["n", "", "x"], ["last", "y"], body=step)],
                       [value("x", [2]), value("n", [], TensorProto.INT64)],
                       [value("y", None)]))
    save("lstm", model([node("LSTM", ["x", "w", "r"], ["", "y"], hidden_size=2)],
                       [value("x", ["t", 1, 3])], [value("y", None)],
                       [weights("w", (1, 8, 3)), weights("r", (1, 8, 2))]))


def functions():
    node = helper.make_node
    leaky = node("LeakyRelu", ["a"], ["p"])
    leaky.attribute.add(name="alpha", ref_attr_name="alpha", type=AttributeProto.FLOAT)
    inner = helper.make_function("my", "Inner", ["a"], ["c"],
                                 [leaky, node("Abs", ["p"], ["c"])],
                                 [helper.make_opsetid("", 17)], ["alpha"])
    outer = helper.make_function("my", "Outer", ["a"], ["b"],
                                 [node("Inner", ["a"], ["b"], domain="my", alpha=0.5)],
                                 [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)])
    save("functions", model([node("Outer", ["x"], ["y"], domain="my")], [value("x", [2])],
                            [value("y", None)], functions=[inner, outer], extra=["my"]))


def tensors():
    kinds = [t for t in TensorProto.DataType.values()
             if t not in (0, TensorProto.STRING) and t <= TensorProto.FLOAT4E2M1]
    constants = []
    for kind in kinds:
        for raw in (True, False):
            t = TensorProto(name=f"t{kind}{raw}", data_type=kind, dims=[2])
            size = {11: 16, 7: 16, 13: 16, 14: 16, 15: 32, 1: 8, 6: 8, 12: 8, 4: 4, 5: 4, 10: 4,
                    16: 4, 21: 1, 22: 1, 23: 1}.get(kind, 2)
            if raw:
                t.raw_data = bytes(size)
            elif kind in (1, 14):
                t.float_data.extend([0.0] * (size // 4))
            elif kind in (11, 15):
                t.double_data.extend([0.0] * (size // 8))
            elif kind == 7:
                t.int64_data.extend([-1, 1])
            elif kind in (12, 13):
                t.uint64_data.extend([1, 2])
            else:
                t.int32_data.extend([1] * (1 if size == 1 else 2))
            constants.append(t)
    runs = [t for t in constants if t.data_type not in (14, 15)]
    save("types", model([helper.make_node("Identity", ["x"], ["y"])], [value("x", [1])],
                        [value("y", None)], runs))
    for t in constants[::7]:
        save("tensor_" + t.name, t.SerializeToString())
    sparse = helper.make_sparse_tensor(weights("sp", (2,)),
                                       helper.make_tensor("i", TensorProto.INT64, [2], [0, 4]),
                                       [2, 3])
    m = helper.make_model(helper.make_graph([helper.make_node("Add", ["x", "sp"], ["y"])], "g",
                                            [value("x", [2, 3])], [value("y", None)],
                                            sparse_initializer=[sparse]), ir_version=8)
    save("sparse", m.SerializeToString())
    text = helper.make_tensor("s", TensorProto.STRING, [2], [b"a", b"bc"])
    far = TensorProto(name="far", data_type=1, dims=[2], data_location=1)
    for key, word in (("location", "w.bin"), ("offset", "8"), ("length", "8")):
        far.external_data.add(key=key, value=word)
    save("refused", model([helper.make_node("None", ["x"], ["y"])], [value("x", [1])],
                          [value("y", None)], [text, far]))


def messages():
    for name, data in (("varints", b"\x08\x96\x01\x10" + b"\xff" * 9 + b"\x01"),
                       ("packed", b"\x3a\x04\x01\x80\x01\x02\x25\0\0\x80\x3f\x21" + bytes(8)),
                       ("nested", b"\x0a\x06\x0a\x04\x0a\x02\x08\x01"),
                       ("group", b"\x0b\x08\x01\x0c")):
        with open(os.path.join(OUT, "pb", name), "wb") as f:
            f.write(data)


pictures()
bodies()
functions()
tensors()
messages()
