#!/usr/bin/env python3
"""`synthd run stylize` with networks that any eye can check, and with the real ones where they are fetched."""

import json
import os

import harness as h
import toy_onnx as t
from harness import check, equal, run

SIDE = 8


def toys():
    return t.stylize_toys(h.folder(), SIDE)


def file(data):
    path = os.path.join(h.folder(), "picture.png")
    with open(path, "wb") as f:
        f.write(data)
    return path


def stylize(models, model, image, *words, out="-"):
    words = ("--model", model, "--in", f"image={image}", *words, "--out", out)
    return run("run", "stylize", "--models", models, *words, "--output", "format=png")


def pixels(answer):
    code, out, err = answer
    return h.png_pixels(out) if equal(code, 0, err) else None


def test_one_style_leaves_an_odd_size_as_it_is():
    source = h.png(13, 7)
    got = pixels(stylize(toys(), "two", file(source), "--set", "style=0", "--set", "precision=f32"))
    equal(got, h.png_pixels(source))


def flat(value, width=6, height=5):
    return file(h.png(width, height, lambda x, y: (value, value, value)))


def first(got):
    return list(got[3][0][:3]) if got else None


def test_blends_are_normalised():
    models = toys()
    for styles in ('{"0":1,"1":3}', "[0.5,1.5]", '{ "1" : 0.3, "0": 0.1 }'):
        words = ("--set", f"styles={styles}", "--set", "precision=f32")
        equal(first(pixels(stylize(models, "two", flat(200), *words))), [50, 50, 50], styles)


def test_style_of_a_picture_and_its_strength():
    models = toys()
    for strength, wanted in ((1, 51), (0.5, 153), (0, 255)):
        words = ("--in", f"style={flat(51, 30, 9)}", "--set", f"strength={strength}")
        got = pixels(stylize(models, "mean", flat(255, 21, 10), *words, "--set", "precision=f32"))
        if got:
            equal(got[:2], (21, 10))
        equal(first(got), [wanted] * 3, f"strength {strength}")


def test_colour_is_kept():
    colour = file(h.png(6, 5, lambda x, y: (150, 100, 90)))
    words = ("--set", "styles=[1,1]", "--set", "preserve_color=true", "--set", "precision=f32")
    got = first(pixels(stylize(toys(), "two", colour, *words)))
    if got:
        equal([got[0] - got[1], got[1] - got[2]], [50, 10])
        check(got[0] < 110, f"{got}: luma is not the result's")


def test_refusals():
    models, path = toys(), h.folder()
    grey, out = flat(9), os.path.join(path, "o.png")
    style = ("--in", f"style={grey}")
    for model, words, said in (
        ("two", ("--set", "style=2"), "style = 2: the model has 0 to 1"),
        ("two", ("--set", 'styles={"2":1}'), "style 2: the model has 0 to 1"),
        ("two", ("--set", "styles=[1]"), "styles: 1 weights: the model has 2 styles"),
        ("two", ("--set", "styles=[0,0]"), "must be over 0"),
        ("two", ("--set", "styles=[1,-1]"), "must be in [0, 1e6]"),
        ("two", ("--set", "styles=[1,nan]"), "must be in [0, 1e6]"),
        ("two", ("--set", 'styles={"1":1,"1":1}'), "given twice"),
        ("two", ("--set", "styles=[1,1"), "it does not end as it begins"),
        ("two", ("--set", "styles=[1,1]", "--set", "style=1"), "not beside style"),
        ("two", ("--set", "strength=1"), "strength: only where the style is a picture"),
        ("two", ("--set", "scale=2"), "scale is unknown"),
        ("two", style, "two has styles of its own"),
        ("mean", (), "inputs.style is missing"),
        ("mean", (*style, "--set", "style=1"), "style: the model has no styles of its own"),
        ("mean", (*style, "--set", "strength=2"), "strength = 2: must be in [0, 1]"),
    ):
        code, text, err = stylize(models, model, grey, *words, out=out)
        check(code != 0 and not text and said in err, f"{words}: {code} {err}")
        check(not os.path.exists(out), f"{words}: wrote {out}")


def test_memory_is_limited():
    code, text, err = stylize(toys(), "two", flat(9, 400, 300), "--memory-budget-bytes", "5000000")
    check(code == 1 and not text, f"{code}")
    check("inputs.image: 400x300 needs 36000000 bytes" in err and "limit is 5000000" in err, err)


def fetched(model):
    """The folder of models that has it."""
    cache = os.environ.get("SYNTHD_CACHE", os.path.expanduser("~/.cache/synthd"))
    models = os.path.join(cache, "models")
    if not os.path.exists(os.path.join(models, model, "model.json")):
        raise h.Skip(f"{model} is not fetched")
    return models


def test_real_networks_paint():
    """Another picture than the photo, of its size, neither flat nor the same for two styles."""
    for model in ("multistyle26", "arbitrary-style"):
        models, image, made = fetched(model), file(h.png(70, 45)), []
        for i in (3, 19):
            words = ("--set", f"style={i}")
            if model == "arbitrary-style":
                words = ("--in", f"style={file(h.png(64, 80, lambda x, y, i=i: (x * i & 255, 90, y)))}")
            got = pixels(stylize(models, model, image, *words))
            if got:
                equal(got[:2], (70, 45))
                made.append([v for row in got[3] for v in row])
        if equal(len(made), 2):
            check(max(made[0]) - min(made[0]) > 80, f"{model}: flat")
            change = sum(abs(a - b) for a, b in zip(*made)) / len(made[0])
            check(change > 4, f"{model}: two styles differ by {change}")


if __name__ == "__main__":
    h.main(globals())
