#!/usr/bin/env python3
"""The cases of ONNX's backend test suite: which there are, which are in scope, what they use.

    suite.py generate DIR   writes the node and simple cases of the installed onnx package to DIR
    suite.py check          excluded.txt names just what the rules below leave out, and the figures hold
    suite.py excluded       the lines of excluded.txt as the rules give them
    suite.py list           the cases in scope, a line each: set, kind, name, operators
    suite.py inventory      a table of operators: versions, cases, types

Sets: "system" is Debian's package libonnx-testdata, "package" what `generate` wrote, of which only
those cases count that system lacks (by name, or in a newer version of their operator).
Options: --system DIR, --package DIR. Needs the Python package onnx; the runner (node_suite.c) does not.
"""
import argparse
import collections
import os
import re
import shutil
import sys

import onnx
from onnx import AttributeProto, TensorProto

HERE = os.path.dirname(os.path.abspath(__file__))
EXCLUDED = os.path.join(HERE, "excluded.txt")
SYSTEM = "/usr/share/libonnx-testdata/data"
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")

TRAINING = "ai.onnx.preview.training"
NOT_TENSOR = {"sequence_type": "a sequence", "optional_type": "an optional", "map_type": "a map"}
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}

# What libonnx-testdata 1.12 holds: cases, of these in scope, operators in scope.
FIGURES = (932, 883, 157)
# How many of the further cases may be judged away ("near" and "fails" of excluded.txt).
EXCUSED = 0.03


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attr in node.attribute:
            if attr.type == AttributeProto.GRAPH:
                yield from nodes_of(attr.g)
            for inner in attr.graphs:
                yield from nodes_of(inner)


def all_nodes(model):
    yield from nodes_of(model.graph)
    for function in model.functions:
        yield from nodes_of(function)


def qualified(node):
    return (node.domain + "." if node.domain not in ("", "ai.onnx") else "") + node.op_type


class Case:
    """One folder: model.onnx and test_data_set_N/{input,output}_N.pb."""

    def __init__(self, set_name, kind, path):
        self.set, self.kind, self.path, self.name = set_name, kind, path, os.path.basename(path)
        self.model = onnx.load(os.path.join(path, "model.onnx"), load_external_data=False)
        self.nodes = list(all_nodes(self.model))
        own = {(f.domain, f.name) for f in self.model.functions}
        self.operators = {qualified(n) for n in self.nodes if (n.domain, n.op_type) not in own}
        self.opset = {o.domain or "ai.onnx": o.version for o in self.model.opset_import}

    def versions(self):
        """{operator: the version of its definition that the model's opset picks}"""
        out = {}
        for op in self.operators:
            domain, _, name = op.rpartition(".")
            try:
                out[op] = onnx.defs.get_schema(name, self.opset[domain or "ai.onnx"], domain).since_version
            except (onnx.defs.SchemaError, KeyError):
                out[op] = self.opset.get(domain or "ai.onnx", 0)
        return out

    def types(self):
        """Element types of the inputs, by their ONNX names."""
        return {TensorProto.DataType.Name(v.type.tensor_type.elem_type).lower()
                for v in self.model.graph.input if v.type.WhichOneof("value") == "tensor_type"}

    def excluded(self):
        """'out: why', 'random: why', or None when the case is in scope."""
        for node in self.nodes:
            if node.domain == TRAINING:
                return f"out: training operator {node.op_type}"
            if node.op_type != "ReverseSequence":
                for word in ("Sequence", "Optional", "String"):
                    if word in node.op_type:
                        return f"out: {word.lower()} operator {node.op_type}"
            if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
                return "out: training mode of Dropout"
        for what, values in (("input", self.model.graph.input), ("output", self.model.graph.output)):
            for value in values:
                held = value.type.WhichOneof("value")
                if held != "tensor_type":
                    return f"out: {what} {value.name} is {NOT_TENSOR.get(held, held)}"
                if value.type.tensor_type.elem_type == TensorProto.STRING:
                    return f"out: {what} {value.name} holds strings"
        drawn = sorted(self.operators & RANDOM)
        if drawn:
            return f"random: {drawn[0]} draws its output; type and shape are checked"
        return None


def read_set(set_name, root, kinds=KINDS):
    cases = []
    for kind in kinds:
        folder = os.path.join(root, kind)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if os.path.isfile(os.path.join(folder, name, "model.onnx")):
                cases.append(Case(set_name, kind, os.path.join(folder, name)))
    return cases


def further(system, package):
    """The cases of package that system lacks: by name, or with an operator in another version."""
    known = {(c.kind, c.name): c for c in system}
    return [c for c in package
            if (c.kind, c.name) not in known or c.versions() != known[c.kind, c.name].versions()]


def generate(folder):
    import numpy
    import onnx.backend.test.case.model as model_cases
    import onnx.backend.test.case.node as node_cases
    from onnx import numpy_helper

    def proto(value, info):
        if isinstance(value, TensorProto):
            return value
        make = {"map_type": numpy_helper.from_dict, "sequence_type": numpy_helper.from_list,
                "optional_type": numpy_helper.from_optional}
        return make.get(info.type.WhichOneof("value"), numpy_helper.from_array)(value, info.name)

    numpy.random.seed(0)  # the cases' inputs are drawn from the global generator
    with numpy.errstate(all="ignore"):
        cases = node_cases.collect_testcases() + [c for c in model_cases.collect_testcases() if c.kind == "simple"]
    work = f"{folder}.{os.getpid()}"
    for case in cases:
        path = os.path.join(work, case.kind, case.name)
        os.makedirs(path)
        with open(os.path.join(path, "model.onnx"), "wb") as f:
            f.write(case.model.SerializeToString())
        for i, data in enumerate(case.data_sets):
            into = os.path.join(path, f"test_data_set_{i}")
            os.mkdir(into)
            for word, values, infos in zip(("input", "output"), data, (case.model.graph.input, case.model.graph.output)):
                for j, value in enumerate(values):
                    with open(os.path.join(into, f"{word}_{j}.pb"), "wb") as f:
                        f.write(proto(value, infos[j]).SerializeToString())
    with open(os.path.join(work, "version"), "w") as f:
        f.write(onnx.__version__ + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(work, folder)
    print(f"{len(cases)} cases of onnx {onnx.__version__} in {folder}")


def excluded_lines(cases):
    lines = {}
    for case in cases:
        why = case.excluded()
        if why:
            lines.setdefault(f"{case.kind}/{case.name}", why)
    return [f"{name}\t{why}" for name, why in sorted(lines.items())]


def read_excluded():
    with open(EXCLUDED, encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")]


def check(system, package):
    passed, failed, skipped = 0, 0, 0

    def expect(holds, text):
        nonlocal passed, failed
        passed, failed = passed + bool(holds), failed + (not holds)
        if not holds:
            print("failed: " + text)

    said = read_excluded()
    expect(len({line.split("\t")[0] for line in said}) == len(said), "excluded.txt names a case twice")
    for line in excluded_lines(system + package):
        name = line.split("\t")[0]
        expect(line in said, f"excluded.txt lacks or words differently: {line}")
    present = {f"{c.kind}/{c.name}": c for c in system + package}
    for line in said:
        name = line.split("\t")[0]
        if name not in present:
            skipped += 1  # a case of the other set, which is not here
        else:
            judged = line.split("\t")[1].startswith(("near: ", "fails: "))
            expect(bool(present[name].excluded()) != judged,
                   f"excluded.txt names {name} as {line.split(chr(9))[1].split(':')[0]}, against the rules of scope")

    nodes = [c for c in system if c.kind == "node"]
    scope = [c for c in nodes if not (c.excluded() or "").startswith("out")]
    figures = (len(nodes), len(scope), len(set().union(*(c.operators for c in scope))))
    if len(nodes) == FIGURES[0]:
        expect(figures == FIGURES, f"cases, in scope, operators: {figures}, not {FIGURES}")
    else:
        skipped += 1
    print("system: %d node cases, %d in scope, %d operators" % figures)
    new = [c for c in further(system, package) if c.kind == "node"]
    inside = [c for c in new if not (c.excluded() or "").startswith("out")]
    ops = set().union(*(c.operators for c in inside)) if inside else set()
    judged = {line.split("\t")[0] for line in said if line.split("\t")[1].startswith(("near: ", "fails: "))}
    excused = [c for c in inside if f"{c.kind}/{c.name}" in judged]
    expect(len(excused) <= EXCUSED * len(inside), f"excluded.txt excuses {len(excused)} of {len(inside)} further cases")
    fails = [line.split("\t")[0] for line in said if "\tfails: " in line]
    for name in {f"{c.kind}/{c.name}" for c in system} & set(fails):
        expect(False, f"excluded.txt excuses {name}, a case of {SYSTEM}")
    print(f"package: {sum(c.kind == 'node' for c in package)} node cases, {len(new)} further, {len(inside)} in scope, "
          f"{len(ops - set().union(*(c.operators for c in scope)))} further operators; {len(excused)} excused")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


def inventory(system, package):
    """{operator: [versions, cases, types]} over the cases in scope."""
    table = collections.defaultdict(lambda: [set(), 0, 0, set()])
    new = {id(c) for c in further(system, package)}
    for case in system + package:
        if (case.excluded() or "").startswith("out") or (case.set == "package" and id(case) not in new):
            continue
        versions = case.versions()
        for op in case.operators:
            row = table[op]
            row[0].add(versions[op])
            row[1 if case.set == "system" else 2] += 1
            row[3] |= case.types()
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("generate", "check", "excluded", "list", "inventory"))
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--system", default=SYSTEM)
    parser.add_argument("--package")
    args = parser.parse_args()
    if args.command == "generate":
        if not args.folder:
            parser.error("generate: DIR is missing")
        return generate(args.folder)
    system = read_set("system", args.system)
    package = read_set("package", args.package) if args.package else []
    if not system and not package:
        parser.error(f"--system {args.system}: no cases there (install libonnx-testdata)")
    if args.command == "check":
        return check(system, package)
    if args.command == "excluded":
        print("\n".join(excluded_lines(system + package)))
    elif args.command == "list":
        for case in system + further(system, package):
            if not (case.excluded() or "").startswith("out"):
                print(case.set, case.kind, case.name, ",".join(sorted(case.operators)))
    else:
        for op, (versions, n_system, n_package, types) in sorted(inventory(system, package).items()):
            print(f"| {op} | {', '.join(map(str, sorted(versions)))} | {n_system} | {n_package} | {' '.join(sorted(types))} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
