#!/usr/bin/env python3
"""`synthd run matte` with a network that any eye can check: alpha is how bright the picture is."""

import json
import os

import harness as h
import toy_onnx as t
from harness import check, equal, run

SIDE = 8


def toys():
    return t.matte_toy(h.folder(), SIDE)


def halves(x, _):
    """White on the left, black on the right."""
    return (255, 255, 255) if x < 16 else (0, 0, 0)


def file(name, data):
    path = os.path.join(h.folder(), name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def matte(image, *words, out="-"):
    words = ("--models", toys(), "--model", "bright", "--in", f"image={image}", *words)
    return run("run", "matte", *words, "--out", out)


def pixels(data):
    """(width, height, samples a pixel, pixel(x, y))."""
    width, height, step, rows = h.png_pixels(data)
    return width, height, step, lambda x, y: tuple(rows[y][x * step : (x + 1) * step])


def test_alpha():
    """The subject keeps its colour, what is cut away has none left."""
    code, out, err = matte(file("a.png", h.png(32, 20, halves)))
    if not equal(code, 0, err):
        return
    width, height, step, at = pixels(out)
    equal((width, height, step), (32, 20, 4))
    for y in (0, 10, 19):
        equal(at(0, y), (255, 255, 255, 255), "left")
        equal(at(31, y), (0, 0, 0, 0), "right")


def test_own_alpha_stays():
    def half_seen(x, y):
        return (*halves(x, y), 128 if y < 10 else 255)

    code, out, err = matte(file("a.png", h.png(32, 20, half_seen)))
    if equal(code, 0, err):
        at = pixels(out)[3]
        equal(at(0, 0), (255, 255, 255, 128))
        equal(at(0, 19), (255, 255, 255, 255))


def test_colour_behind():
    image = file("a.png", h.png(32, 20, halves))
    code, out, err = matte(image, "--set", "background=#0A64fF")
    if equal(code, 0, err):
        _, _, step, at = pixels(out)
        equal((step, at(0, 5), at(31, 5)), (3, (255, 255, 255), (10, 100, 255)))


def test_picture_behind():
    """Cut at its middle: of a wide red-green-blue one, only green is left."""

    def thirds(x, _):
        return ((200, 0, 0), (0, 200, 0), (0, 0, 200))[x // 20]

    image = file("a.png", h.png(32, 32, halves))
    behind = file("b.png", h.png(60, 12, thirds))
    code, out, err = matte(image, "--in", f"background={behind}")
    if equal(code, 0, err):
        _, _, step, at = pixels(out)
        equal((step, at(0, 5)), (3, (255, 255, 255)))
        for x in (24, 31):
            equal(at(x, 16), (0, 200, 0), f"x = {x}")


def test_mask_only():
    image = file("a.png", h.png(32, 20, halves))
    code, out, err = matte(image, "--set", "mask_only=true")
    if equal(code, 0, err):
        _, _, step, at = pixels(out)
        equal((step, at(0, 5), at(31, 5)), (3, (255,) * 3, (0,) * 3))
        values = [at(x, 5)[0] for x in range(32)]
        equal(values, sorted(values, reverse=True), "alpha falls from left to right")


def test_report_and_webp():
    path = os.path.join(h.folder(), "a.webp")
    code, out, err = matte(file("a.png", h.png(32, 20, halves)), "--json", out=path)
    if not equal(code, 0, err):
        return
    report = json.loads(out)
    equal((report["media_type"], report["width"], report["height"]), ("image/webp", 32, 20))
    equal((report["result"]["network_width"], report["result"]["network_height"]), (SIDE, SIDE))
    check(abs(report["result"]["coverage"] - 0.5) < 0.1, f"{report}")
    with open(path, "rb") as f:
        equal(f.read(4), b"RIFF")


def test_refusals():
    image = file("a.png", h.png(32, 20, halves))
    behind = ("--in", f"background={image}")
    for words, said in (
        (("--set", "alpha_mating=true"), "alpha_mating is unknown"),
        (("--set", "background=blue"), 'background = "blue": must be transparent or #rrggbb'),
        (("--set", "background=#12345g"), "must be transparent or #rrggbb"),
        (("--set", "mask_only=1"), "mask_only is of type integer"),
        (("--set", "mask_only=true", "--set", "background=#000000"), "mask_only has none"),
        ((*behind, "--set", "background=#000000"), "params.background: not together"),
        ((*behind, "--set", "mask_only=true"), "inputs.background: mask_only has none"),
        (("--output", "format=jpeg"), 'output.format = "jpeg": holds no alpha'),
        (("--in", f"mask={image}"), "kind matte has no such input"),
    ):
        code, out, err = matte(image, *words)
        check(code == 2 and not out and said in err, f"{words}: {code} {err}")
    code, out, err = matte(file("a.png", b"no picture"))
    check(code == 1 and not out and "inputs.image: " in err, f"{code} {err}")


def test_isnet():
    """A bright disc on a dark ground is the subject."""
    cache = os.environ.get("SYNTHD_CACHE", os.path.expanduser("~/.cache/synthd"))
    models = os.path.join(cache, "models")
    if not os.path.exists(os.path.join(models, "isnet", "model.json")):
        raise h.Skip("isnet is not fetched")

    def disc(x, y):
        inside = (x - 120) ** 2 + (y - 80) ** 2 < 50**2
        return (240, 60 + y // 2, 40) if inside else (30, 40 + x // 8, 60)

    image = file("a.png", h.png(240, 160, disc))
    words = ("--models", models, "--model", "isnet", "--in", f"image={image}", "--out", "-")
    code, out, err = run("run", "matte", *words, timeout=300)
    if equal(code, 0, err):
        width, height, step, at = pixels(out)
        equal((width, height, step), (240, 160, 4))
        check(at(120, 80)[3] > 240, f"the middle: {at(120, 80)}")
        check(at(5, 5)[3] < 15, f"the corner: {at(5, 5)}")


if __name__ == "__main__":
    h.main(globals())
