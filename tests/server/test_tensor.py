#!/usr/bin/env python3
"""`synthd run tensor`: named .npy files in and out, of a toy model and of Silero VAD where it is fetched."""

import json
import math
import os

import harness as h
import toy_onnx as t
from harness import check, equal, run

SPEECH, STATE = 0.28539938, 64.25275  # Silero's answers below


def toys():
    return t.tensor_toy(h.folder(), "two")


def files():
    path = h.folder()
    return (
        path,
        t.npy(os.path.join(path, "a.npy"), "f", (3, 2), [1, 2, 3, 4, 5, 6]),
        t.npy(os.path.join(path, "b.npy"), "f", (3, 2), [10, 20, 30, 40, 50, 60]),
    )


def tensor(models, model, *words):
    return run("run", "tensor", "--models", models, "--model", model, *words)


def test_all_outputs_into_a_folder():
    models, (path, a, b) = toys(), files()
    out = os.path.join(path, "out")
    words = ("--in", f"b={b}", "--in", f"a={a}", "--out", out, "--json")
    code, text, err = tensor(models, "two", *words)
    if not equal(code, 0, err):
        return
    report = json.loads(text)
    equal([o["name"] for o in report["outputs"]], ["sum", "x/product"])
    equal([o["shape"] for o in report["outputs"]], [[3, 2], [3, 2]])
    equal([o["type"] for o in report["outputs"]], ["f32", "f32"])
    got = []
    for o in report["outputs"]:
        equal(os.path.dirname(o["out"]), out)
        with open(o["out"], "rb") as f:
            got.append(t.read_npy(f.read()))
    equal(got[0], ((3, 2), (11, 22, 33, 44, 55, 66)))
    equal(got[1], ((3, 2), (10, 40, 90, 160, 250, 360)))


def test_one_output_by_its_role():
    models, (_, a, b) = toys(), files()
    words = ("--in", f"left={a}", "--in", f"b={b}", "--set", "outputs=product", "--out", "-")
    code, out, err = tensor(models, "two", *words)
    if equal(code, 0, err):
        equal(t.read_npy(out), ((3, 2), (10, 40, 90, 160, 250, 360)))


def test_nan_is_a_result():
    models, (path, a, _) = toys(), files()
    nan = t.npy(os.path.join(path, "n.npy"), "f", (3, 2), [math.nan, math.inf, 0, 0, 0, 0])
    words = ("--in", f"a={a}", "--in", f"b={nan}", "--set", "outputs=sum", "--out", "-")
    code, out, err = tensor(models, "two", *words)
    if equal(code, 0, err):
        values = t.read_npy(out)[1]
        check(math.isnan(values[0]) and values[1:] == (math.inf, 3, 4, 5, 6), f"{values}")


def test_refusals():
    models, (path, a, b) = toys(), files()
    whole = t.npy(os.path.join(path, "i.npy"), "q", (3, 2), [1, 2, 3, 4, 5, 6])
    wide = t.npy(os.path.join(path, "w.npy"), "f", (2, 3), [1, 2, 3, 4, 5, 6])
    out = os.path.join(path, "o")
    both = ("--in", f"a={a}", "--in", f"b={b}")
    for words, said in (
        (("--in", f"a={a}"), "inputs.b is missing: f32 [?, 2]"),
        ((*both, "--in", f"c={b}"), "inputs.c is unknown: there are a, b"),
        (("--in", f"a={a}", "--in", f"a={b}"), "a is given twice"),
        (("--in", f"a={a}", "--in", f"left={b}"), "inputs.left is given more than once"),
        (("--in", f"a={a}", "--in", f"b={whole}"), "inputs.b is of type i64: must be of type f32"),
        (("--in", f"a={a}", "--in", f"b={wide}"), "inputs.b has shape [2, 3]: must be [?, 2]"),
        ((*both, "--set", "outputs=zip"), 'params.outputs = "zip": there are sum, x/product'),
        ((*both, "--set", "outputs=sum,sum"), "named more than once"),
        ((*both, "--set", "network=x"), 'params.network = "x": two has net'),
        ((*both, "--set", "scale=2"), "scale is unknown"),
        ((*both, "--set", "seed=-1"), "seed = -1: must be in [0, "),
        ((*both, "--output", "format=png"), "output: kind tensor"),
    ):
        code, text, err = tensor(models, "two", *words, "--out", out)
        check(code == 2 and not text and said in err, f"{words}: {code} {err}")
        check(not os.path.exists(out), f"{words}: wrote {out}")
    code, _, err = tensor(models, "two", *both, "--out", f"{out}.npy")
    check(code == 2 and "there are 2 outputs" in err, f"{code} {err}")


def fetched(model):
    """The folder of models that has it."""
    cache = os.environ.get("SYNTHD_CACHE", os.path.expanduser("~/.cache/synthd"))
    models = os.path.join(cache, "models")
    if not os.path.exists(os.path.join(models, model, "model.json")):
        raise h.Skip(f"{model} is not fetched")
    return models


def test_silero():
    """Numbers of onnxruntime 1.32.0 for the same input."""
    models, path = fetched("silero-vad"), h.folder()
    wave = [0.5 * math.sin(0.05 * i) * math.sin(0.31 * i) for i in range(512)]
    a = t.npy(os.path.join(path, "a.npy"), "f", (1, 512), wave)
    s = t.npy(os.path.join(path, "s.npy"), "f", (2, 1, 128), [0] * 256)
    rate = t.npy(os.path.join(path, "sr.npy"), "q", (), [16000])
    words = ("--in", f"input={a}", "--in", f"sr={rate}", "--in", f"state={s}", "--out", path)
    code, _, err = tensor(models, "silero-vad", *words)
    if not equal(code, 0, err):
        return
    with open(os.path.join(path, "output.npy"), "rb") as f:
        shape, speech = t.read_npy(f.read())
    with open(os.path.join(path, "stateN.npy"), "rb") as f:
        state_shape, state = t.read_npy(f.read())
    equal((shape, state_shape), ((1, 1), (2, 1, 128)))
    check(abs(speech[0] - SPEECH) < 1e-5, f"speech {speech[0]}")
    total = sum(abs(v) for v in state)
    check(abs(total - STATE) < 1e-3, f"state {total}")


if __name__ == "__main__":
    h.main(globals())
