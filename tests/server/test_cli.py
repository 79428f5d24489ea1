#!/usr/bin/env python3
"""The commands, from outside: exit codes, one line of error that names the field, help, results."""

import hashlib
import json
import os
import re
import subprocess
import sys

import harness as h
import toy_onnx as toy
from harness import check, equal, run

COMMANDS = ("serve", "run", "submit", "models", "bench", "selftest", "keys")


def one_line(err, word):
    """stderr is one line of synthd that has the word."""
    lines = err.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith("synthd: ") and word in lines[0]


def test_help_and_version():
    code, out, err = run("--version")
    version = open(os.path.join(h.ROOT, "VERSION"), encoding="utf-8").read().strip()
    check(
        code == 0 and out.decode().startswith(f"synthd {version} ("),
        f"--version: {code} {out} {err}",
    )
    code, out, _ = run("--help")
    check(code == 0 and all(c in out.decode() for c in COMMANDS), f"--help: {code} {out}")
    for command in (
        *[(c,) for c in COMMANDS],
        ("models", "list"),
        ("models", "fetch"),
        ("models", "add"),
        ("models", "check"),
    ):
        code, out, err = run(*command, "--help")
        text = out.decode()
        check(
            code == 0 and "Usage: synthd" in text and "Examples:" in text and not err,
            f"{command} --help: {code} {text[:80]} {err}",
        )


def test_bad_usage():
    toys = h.toy_models()
    picture = os.path.join(h.folder(), "a.png")
    with open(picture, "wb") as f:
        f.write(h.png(8, 8))
    ok = [
        "run",
        "upscale",
        "--model",
        "toy",
        "--models",
        toys,
        "--in",
        f"image={picture}",
        "--out",
        "/dev/null",
        "--device",
        "cpu",
    ]
    swap = lambda old, new: [new if w == old else w for w in ok]
    cases = (
        ([], "Usage"),
        (["fly"], "fly"),
        (["serve", "--fly"], "--fly"),
        (["serve", "fly"], "fly"),
        (["serve", "-x"], "-x"),
        (["serve", "--threads", "many"], "--threads"),
        (["serve", "--threads=-1"], "--threads"),
        (["serve", "--max-queued"], "--max-queued"),
        (["serve", "--log-level", "loud"], "log_level"),
        (["serve", "--device", "abacus", "--data", h.folder()], "device"),
        (["serve", "--precision", "f8", "--data", h.folder()], "precision"),
        (["serve", "--queue", "maybe", "--data", h.folder()], "queue"),
        (["serve", "--listen", "nowhere", "--data", h.folder()], "listen"),
        (["run"], "KIND"),
        (["run", "fly", "--model", "m", "--in", "image=x", "--out", "y"], "fly"),
        (["run", "upscale"], "--model"),
        (["run", "upscale", "--model", "toy", "--out", "y"], "--in"),
        (swap("toy", "nobody"), "nobody"),
        (swap(f"image={picture}", f"mask={picture}"), "mask"),
        (swap(f"image={picture}", picture), "NAME=FILE"),
        (ok + ["--set", "scale=99"], "scale"),
        (ok + ["--set", "stepz=1"], "stepz"),
        (ok + ["--set", "scale"], "NAME=VALUE"),
        (ok + ["--set", "scale=2", "--set", "scale=3"], "scale"),
        (ok + ["--output", "quality=900"], "quality"),
        (ok + ["--precision", "f8"], "--precision"),
        (ok + ["--output", "format=gif"], "format"),
        (
            [
                "submit",
                "upscale",
                "--model",
                "toy",
                "--in",
                f"image={picture}",
                "--out",
                "y",
                "--server",
                "ftp://x",
            ],
            "--server",
        ),
        (["models", "fly"], "fly"),
        (["models", "check", "nobody", "--models", toys], "nobody"),
        (["models", "check", "toy", "--size", "0x8", "--models", toys], "--size"),
        (["models", "add", h.folder()], "model.json"),
        (["models", "fetch", "nobody", "--models", h.folder()], "nobody"),
        (["bench", "toy", "--runs", "0"], "--runs"),
        (["bench", "toy", "--scale", "3", "--models", toys], "--scale"),
        (["keys", "fly"], "fly"),
        (["keys", "create", "a/b"], "a/b"),
        (["keys", "create"], "usage"),
    )
    for words, named in cases:
        code, out, err = run(*words)
        good = code == 2 and named in err and not out
        if words:
            good = good and one_line(err, named)
        check(good, f"synthd {' '.join(words)}: exit {code}, stderr {err!r}")


def test_memory_budget():
    """The log's start tells how much memory a job may take, and why."""
    with h.Daemon() as d:
        line = next(x for x in d.log_text().splitlines() if x.startswith("memory "))
        words = dict(w.split("=") for w in line.split()[1:4])
        usable, budget = int(words["usable_bytes"]), int(words["memory_budget_bytes"])
        equal(words["decided"], "automatic")
        equal(budget, min(max(usable // 4, 256 << 20), 8 << 30))
    with h.Daemon("--memory-budget-bytes", str(64 << 20)) as d:
        check(f"memory_budget_bytes={64 << 20} decided=setting" in d.log_text(), "as set")


def test_config_file():
    """Defaults, the file, options; unknown members and wrong types are refused by name."""
    where = h.folder()
    path = os.path.join(where, "c.json")

    def with_file(text, *more):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return run("serve", "--config", path, "--print-config", *more)

    code, out, _ = run("serve", "--print-config")
    with open(os.path.join(h.ROOT, "config", "synthd.json"), encoding="utf-8") as f:
        equal(json.loads(out), json.load(f), "config/synthd.json shows the defaults")
    code, out, err = with_file(
        '{"max_queued": 7, "origins": ["http://a", "http://b"], "log_level": "debug"}'
    )
    got = json.loads(out)
    check(
        code == 0 and got["max_queued"] == 7 and got["origins"] == ["http://a", "http://b"],
        f"{code} {err}",
    )
    code, out, _ = with_file(
        '{"max_queued": 7, "origins": ["http://a"]}', "--max-queued", "9", "--origins", "http://c"
    )
    got = json.loads(out)
    check(got["max_queued"] == 9 and got["origins"] == ["http://c"], "options win over the file")
    code, _, err = run("serve", "--data", where, "--memory-budget-bytes", "16777215")
    check(code == 2 and one_line(err, "memory_budget_bytes = 16777215"), f"{code} {err!r}")
    for text, named in (
        ('{"max_qeued": 7}', "max_qeued"),
        ('{"max_queued": "7"}', "max_queued"),
        ('{"max_queued": 0}', "max_queued"),
        ('{"max_queued": 1e3}', "max_queued"),
        ('{"allow_open": 1}', "allow_open"),
        ('{"origins": "x"}', "origins"),
        ('{"origins": [1]}', "origins"),
        ('{"listen": null}', "listen"),
        ("[]", "object"),
        ("{", ""),
        ('{"max_queued": 7, "max_queued": 8}', "max_queued"),
        ("", ""),
    ):
        code, out, err = with_file(text)
        check(
            code == 2 and one_line(err, named) and not out, f"{text}: exit {code}, stderr {err!r}"
        )
    code, _, err = run("serve", "--config", os.path.join(where, "none.json"))
    check(code == 2 and one_line(err, "none.json"), f"missing file: {code} {err!r}")


def test_run():
    """One job without a daemon: the picture is what the network says, in the format that --out names."""
    toys, where = h.toy_models(), h.folder()
    source, out_path = os.path.join(where, "a.png"), os.path.join(where, "b.png")
    picture = h.png(40, 30)
    with open(source, "wb") as f:
        f.write(picture)
    base = [
        "run",
        "upscale",
        "--model",
        "toy",
        "--models",
        toys,
        "--in",
        f"image={source}",
        "--device",
        "cpu",
        "--precision",
        "f32",
    ]
    code, out, err = run(*base, "--out", out_path, "--json")
    report = json.loads(out) if code == 0 else {}
    check(code == 0 and not err, f"run: {code} {err}")
    check(
        report.get("state") == "succeeded"
        and (report.get("width"), report.get("height")) == (80, 60),
        f"{report}",
    )
    _, _, _, small = h.png_pixels(picture)
    w, hh, step, large = h.png_pixels(open(out_path, "rb").read())
    worst = max(
        abs(large[y][3 * x + c] - small[y // 2][3 * (x // 2) + c])
        for y in range(hh)
        for x in range(w)
        for c in range(3)
    )
    check(
        (w, hh, step) == (80, 60, 3) and worst <= 1,
        f"pixels repeat: {w}x{hh}x{step}, off by {worst}",
    )
    for name, magic in (("c.jpg", b"\xff\xd8\xff"), ("c.webp", b"RIFF"), ("c.png", b"\x89PNG")):
        path = os.path.join(where, name)
        code, out, err = run(*base, "--out", path)
        check(code == 0 and open(path, "rb").read(4).startswith(magic), f"{name}: {code} {err}")
        check(b"80x60" in out, f"{name}: {out}")
    code, out, err = run(*base[:-1], "bf16", "--set", "scale=1.5", "--out", "-")
    check(code == 0 and h.png_pixels(out)[:2] == (60, 45) and not err, f"--out -: {code} {err}")
    words = [w if not w.startswith("image=") else "image=-" for w in base]
    code, out, err = run(*words, "--out", "-", stdin=picture)
    check(code == 0 and h.png_pixels(out)[:2] == (80, 60), f"--in image=-: {code} {err}")
    code, out, err = run(*base, "--out", "-", "--json")
    check(code == 2 and one_line(err, "--json"), f"--json with --out -: {code} {err!r}")
    check(
        sorted(os.listdir(where)) == ["a.png", "b.png", "c.jpg", "c.png", "c.webp"],
        f"nothing else is left: {os.listdir(where)}",
    )


def test_run_failures():
    """A job that fails is exit code 1 and leaves no output file."""
    toys, where = h.toy_models(), h.folder()
    whole = h.png(64, 64)
    for name, data, word in (
        ("cut.png", whole[: len(whole) // 2], "truncated"),
        ("text.png", b"no picture at all" * 9, "unsupported"),
        ("crc.png", whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], ""),
    ):
        path, target = os.path.join(where, name), os.path.join(where, name + ".out.png")
        with open(path, "wb") as f:
            f.write(data)
        code, out, err = run(
            "run",
            "upscale",
            "--model",
            "toy",
            "--models",
            toys,
            "--in",
            f"image={path}",
            "--out",
            target,
            "--device",
            "cpu",
        )
        check(
            code == 1 and one_line(err, word) and not os.path.exists(target),
            f"{name}: exit {code}, {err!r}",
        )
    code, _, err = run(
        "run",
        "upscale",
        "--model",
        "toy",
        "--models",
        toys,
        "--in",
        f"image={where}/none.png",
        "--out",
        f"{where}/x.png",
    )
    check(code == 1 and one_line(err, "none.png"), f"missing input: {code} {err!r}")
    good = os.path.join(where, "good.png")
    with open(good, "wb") as f:
        f.write(whole)
    code, _, err = run(
        "run",
        "upscale",
        "--model",
        "toy",
        "--models",
        toys,
        "--in",
        f"image={good}",
        "--out",
        f"{where}/no/x.png",
    )
    check(code == 1 and one_line(err, "no/x.png"), f"output folder missing: {code} {err!r}")
    code, _, err = run(
        "submit",
        "upscale",
        "--model",
        "toy",
        "--in",
        f"image={good}",
        "--out",
        f"{where}/x.png",
        "--server",
        "http://127.0.0.1:9",
    )
    check(code == 3 and one_line(err, "127.0.0.1:9"), f"no server: {code} {err!r}")


def test_c04_run_stops_on_a_signal():
    """Ctrl-C ends `synthd run` between two nodes: exit code 1, no output file, nothing left beside it."""
    toys, where = h.toy_models(), h.folder()
    source = os.path.join(where, "a.png")
    with open(source, "wb") as f:
        f.write(h.png(512, 512, lambda x, y: (x & 255, y & 255, 7)))
    job = subprocess.Popen(
        [
            h.SYNTHD,
            "run",
            "upscale",
            "--model",
            "slow",
            "--models",
            toys,
            "--in",
            f"image={source}",
            "--set",
            "tile=8",
            "--set",
            "scale=8",
            "--device",
            "cpu",
            "--out",
            f"{where}/b.png",
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    h.time.sleep(1 * h.SLOW)
    began = h.time.monotonic()
    job.send_signal(h.signal.SIGINT)
    _, err = job.communicate(timeout=60 * h.SLOW)
    took = h.time.monotonic() - began
    check(
        job.returncode == 1 and one_line(err.decode(), "canceled"),
        f"exit {job.returncode}, {err!r}",
    )
    check(took < 1 * h.SLOW, f"it took {took:.2f} s")
    equal(os.listdir(where), ["a.png"], "files left")


def test_a01_numeric_error():
    """A network that makes infinity fails with numeric_error; no file is written."""
    toys, where = h.toy_models(), h.folder()
    path = h.toy_model(toys, "boom", layers=2)
    weights = os.path.join(path, "boom.bin")
    data = bytearray(open(weights, "rb").read())
    data[4 : 4 + 3 * 16 * 9 * 4] = h.struct.pack("<432f", *([3e38] * 432))
    with open(weights, "wb") as f:
        f.write(data)
    manifest = os.path.join(path, "model.json")
    text = json.load(open(manifest, encoding="utf-8"))
    text["files"][1]["sha256"] = hashlib.sha256(data).hexdigest()
    json.dump(text, open(manifest, "w", encoding="utf-8"))
    picture, target = os.path.join(where, "a.png"), os.path.join(where, "b.png")
    with open(picture, "wb") as f:
        f.write(h.png(16, 16))
    code, _, err = run(
        "run",
        "upscale",
        "--model",
        "boom",
        "--models",
        toys,
        "--in",
        f"image={picture}",
        "--out",
        target,
        "--device",
        "cpu",
    )
    check(
        code == 1 and one_line(err, "numeric_error") and not os.path.exists(target),
        f"run: {code} {err!r}",
    )
    with h.Daemon(models=toys) as d:
        job = d.finished(d.submit(d.blob(h.png(16, 16)), model="boom").json()["id"])
        check(
            job["state"] == "failed"
            and job["error"]["code"] == "numeric_error"
            and not job["outputs"],
            f"job: {job}",
        )
        job = d.finished(d.submit(d.blob(h.png(16, 16))).json()["id"])
        equal(job["state"], "succeeded", "the next job")


def test_models():
    toys, target = h.toy_models(), h.folder()
    code, out, err = run("models", "list", "--json", "--models", toys)
    listed = {m["id"]: m for m in json.loads(out)}
    check(
        code == 0 and listed["toy"]["installed"] and listed["toy"]["variants"][0]["scale"] == 2,
        f"{code} {err}",
    )
    check(
        not listed["realesrgan-x4plus"]["installed"] and listed["realesrgan-x4plus"]["bytes"] > 1e7,
        "the catalog is listed",
    )
    code, out, err = run("models", "add", os.path.join(toys, "toy"), "--models", target)
    check(
        code == 0 and sorted(os.listdir(target)) == ["toy"],
        f"add: {code} {err} {os.listdir(target)}",
    )
    source, secret = os.path.join(toys, "toy"), os.path.join(toys, "secret")
    texts = {"LICENSE": b"MIT", "licence.md": b"here", "COPYING.LESSER": b"", "NOTICE": b"by us"}
    for name, text in (*texts.items(), ("notes.txt", b"private"), ("../secret", b"secret")):
        with open(os.path.join(source, name), "wb") as f:
            f.write(text)
    os.symlink(secret, os.path.join(source, "LICENSE.link"))
    os.mkdir(os.path.join(source, "LICENSES"))
    code, out, err = run("models", "add", source, "--models", target)
    check(
        code == 0 and sorted(os.listdir(target)) == ["toy"],
        f"add again: {code} {err} {os.listdir(target)}",
    )
    added = os.path.join(target, "toy")
    equal(
        set(os.listdir(added)),
        {"model.json", "toy.param", "toy.bin", *texts},
        "the terms come along, links, folders and other files do not",
    )
    for name, text in texts.items():
        equal(open(os.path.join(added, name), "rb").read(), text, name)
    with open(os.path.join(source, "LICENSE"), "wb") as f:
        f.write(bytes(2 << 20))
    code, out, err = run("models", "add", source, "--models", target)
    check(code == 2 and one_line(err, "LICENSE"), f"terms of two megabytes: {code} {err!r}")
    check(open(os.path.join(added, "LICENSE"), "rb").read() == b"MIT", "the old one is kept")
    code, out, err = run(
        "models",
        "check",
        "toy",
        "--models",
        target,
        "--device",
        "cpu",
        "--json",
        "--steps",
        "--size",
        "24x16",
    )
    report = json.loads(out) if code == 0 else {"networks": [{}]}
    network = report["networks"][0]
    check(
        code == 0
        and network.get("out") == "[1, 3, 32, 48]"
        and network.get("steps")
        and network.get("workspace_bytes", 0) > 0,
        f"check: {code} {err} {network}",
    )
    weights = os.path.join(target, "toy", "toy.bin")
    data = bytearray(open(weights, "rb").read())
    data[100] ^= 1
    with open(weights, "wb") as f:
        f.write(data)
    code, out, err = run("models", "check", "toy", "--models", target, "--device", "cpu")
    check(code == 1 and one_line(err, "toy.bin"), f"a changed file: {code} {err!r}")
    code, out, err = run("models", "add", os.path.join(target, "toy"), "--models", toys)
    check(code == 2 and one_line(err, "toy.bin"), f"adding a changed file: {code} {err!r}")


def check_json(*args):
    """(exit code, the only network of the report, stderr)"""
    code, out, err = run("models", "check", *args, "--device", "cpu", "--json")
    return code, json.loads(out)["networks"][0] if code == 0 else {}, err


def test_check_onnx():
    """What is in an ONNX network, and which version of which operator runs each node."""
    folder = h.folder()
    path = os.path.join(folder, "toy.onnx")
    nodes = [
        toy.node("Softmax", ["x"], ["s"], axis=-1),
        toy.node("Softmax", ["s"], ["t"], axis=-1),
        toy.node("Gather", ["t", "i"], ["y"], axis=0),
    ]
    x, i = ("x", toy.FLOAT, ["n", "length", 8]), ("i", toy.INT64, ["k"])
    with open(path, "wb") as f:
        f.write(toy.model(nodes, [x, i], [("y", toy.FLOAT, ["k", "length", 8])]))
    code, net, err = check_json(path)  # index 1 of one
    check(code == 0 and "Gather" in net.get("not_run", ""), f"not run: {code} {net} {err!r}")
    operators = [
        {"op": "Softmax", "domain": "", "n": 2},
        {"op": "Gather", "domain": "", "n": 1},
    ]
    equal(net.get("operators"), operators, "operators of what did not run")
    check("placement" not in net and "ran" not in net["inputs"][0], f"did not run: {net}")

    code, net, err = check_json(path, "--shape", "x=2x3x8", "--steps", "--size", "5x4")
    check(code == 0 and "not_run" not in net, f"ran: {code} {net} {err!r}")
    equal(net.get("operators"), operators, "operators")
    shapes = [(io["name"], io["type"], io["shape"], io["ran"]) for io in net.get("inputs", [])]
    equal(
        shapes,
        [("x", "f32", "[?, ?, 8]", "[2, 3, 8]"), ("i", "i64", "[?]", "[1]")],
        "inputs",
    )
    equal(net.get("outputs", [{}])[0].get("ran"), "[1, 3, 8]", "output")
    placed = {(p["op"], p["n"]): p["impl"] for p in net.get("placement", [])}
    equal(set(placed), {("Softmax", 2), ("Gather", 1)}, "every node is placed")
    check(placed.get(("Softmax", 2)) not in (None, "reference"), f"a quick version: {placed}")
    equal(placed.get(("Gather", 1)), "reference", "no quick version")
    equal([s["op"] for s in net.get("steps", [])], ["Softmax", "Softmax", "Gather"], "steps")
    equal([s["out"] for s in net["steps"]], ["[2, 3, 8]", "[2, 3, 8]", "[1, 3, 8]"], "their shapes")
    check(
        all(s["seconds"] > 0 and s["depth"] == 0 for s in net["steps"])
        and net["planned"] is False
        and net["workspace_bytes"] > 0
        and net["seconds"] > 0
        and "threads" in net["device"],
        f"the run: {net}",
    )
    code, net, err = check_json(path, "--shape", "x=2x4x8", "--precision", "bf16")
    check(code == 0 and net["precision"] == "bf16", f"precision: {code} {net} {err!r}")
    code, out, err = run("models", "check", path, "--shape", "x=2x3x8", "--device", "ref")
    check(
        code == 0 and b"operators: Softmax 2, Gather 1" in out and b"node by node on" in out,
        f"as text: {code} {out!r} {err!r}",
    )
    for bad, word in (
        ("x=2x3x9", "input x"),
        ("x=2xx8", "--shape"),
        ("x=2x", "--shape"),
        ("x=-1x3x8", "--shape"),
        ("x=1x1x1x1x1x1x1x1x1", "--shape"),
        ("x=2147483647x2147483647x8", "input x"),
    ):
        code, out, err = run("models", "check", path, "--shape", bad, "--device", "cpu")
        check(code == 1 and one_line(err, word), f"--shape {bad}: {code} {err!r}")
    code, net, err = check_json(path, "--shape", "x=2x3x8", "--shape", "z=1")
    check(code == 1 and one_line(err, "z=1"), f"no such input: {code} {err!r}")
    code, out, err = run("models", "check", os.path.join(folder, "none.onnx"))
    check(code == 1 and one_line(err, "none.onnx"), f"no such file: {code} {err!r}")


def test_check_onnx_bodies():
    """Bodies' operators are counted, and their nodes are placed and timed once they ran."""
    path = os.path.join(h.folder(), "toy.onnx")
    y = ("y", toy.FLOAT, ["n"])
    branch = toy.node(
        "If",
        ["c"],
        ["y"],
        then_branch=toy.graph([toy.node("Softmax", ["x"], ["y"])], [], [y]),
        else_branch=toy.graph([toy.node("Hardmax", ["x"], ["y"])], [], [y]),
    )
    with open(path, "wb") as f:
        f.write(toy.model([branch], [("c", toy.BOOL, []), ("x", toy.FLOAT, ["n"])], [y]))
    code, net, err = check_json(path, "--steps")
    equal(
        {o["op"]: o["n"] for o in net.get("operators", [])},
        {"If": 1, "Softmax": 1, "Hardmax": 1},
        f"operators: {code} {err!r}",
    )
    equal(
        [(s["op"], s["depth"]) for s in net.get("steps", [])],
        [("If", 0), ("Softmax", 1)],
        "what ran",
    )


def test_selftest_and_bench():
    for device in ("cpu", "ref"):
        code, out, err = run("selftest", "--device", device, "--json")
        check(code == 0 and json.loads(out)["ok"] is True, f"selftest {device}: {code} {err}")
    code, out, err = run(
        "bench", "toy", "--models", h.toy_models(), "--device", "cpu", "--runs", "3", "--json"
    )
    report = json.loads(out) if code == 0 else {}
    check(
        code == 0
        and report["runs"] == 3
        and report["median_seconds"] > 0
        and report["units_per_second"] > 0,
        f"bench: {code} {err} {report}",
    )


def test_submit():
    where = h.folder()
    source, target = os.path.join(where, "a.png"), os.path.join(where, "b.webp")
    with open(source, "wb") as f:
        f.write(h.png(32, 20))
    with h.Daemon() as d:
        base = ["submit", "upscale", "--model", "toy", "--in", f"image={source}", "--server", d.url]
        code, out, err = run(*base, "--out", target, "--json")
        job = json.loads(out) if code == 0 else {}
        check(
            code == 0 and job["state"] == "succeeded" and open(target, "rb").read(4) == b"RIFF",
            f"submit: {code} {err}",
        )
        code, out, err = run(*base, "--set", "scale=99", "--out", target)
        check(code == 2 and one_line(err, "scale"), f"bad parameter: {code} {err!r}")
        code, out, err = run(*[w if w != "toy" else "nobody" for w in base], "--out", target)
        check(code == 2 and one_line(err, "nobody"), f"unknown model: {code} {err!r}")
        slow = subprocess.Popen(
            [
                h.SYNTHD,
                "submit",
                "upscale",
                "--model",
                "slow",
                "--in",
                f"image={source}",
                "--server",
                d.url,
                "--set",
                "tile=8",
                "--set",
                "scale=16",
                "--out",
                f"{where}/c.png",
            ],
            stderr=subprocess.PIPE,
        )
        h.eventually(lambda: d.get("/v1/jobs?state=running").json()["data"])
        slow.send_signal(h.signal.SIGINT)
        _, err = slow.communicate(timeout=30 * h.SLOW)
        check(slow.returncode in (0, 1), f"Ctrl-C: exit {slow.returncode}, {err}")
        check(
            h.eventually(lambda: not d.get("/v1/jobs?state=running").json()["data"]),
            "the job has ended",
        )


def test_keys():
    where = h.folder()
    file = os.path.join(where, "keys")
    code, out, err = run("keys", "create", "web", "--file", file)
    key = out.decode().strip()
    check(code == 0 and re.fullmatch(r"syn_[0-9a-f]{64}", key), f"create: {code} {out} {err}")
    check(oct(os.stat(file).st_mode & 0o777) == "0o600", "the file is the owner's alone")
    with open(file, encoding="utf-8") as f:
        equal(f.read(), f"web:{hashlib.sha256(key.encode()).hexdigest()}\n", "digest only")
    code, _, err = run("keys", "create", "web", "--file", file)
    check(code == 2 and one_line(err, "web"), f"twice: {code} {err!r}")
    code, out, _ = run("keys", "create", "batch", "--file", file)
    code, out, _ = run("keys", "list", "--file", file)
    check(
        code == 0 and [line.split()[0] for line in out.decode().splitlines()] == ["web", "batch"],
        f"list: {out}",
    )
    with h.Daemon("--keys-file", file, wait_ready=False) as d:
        equal(d.get("/v1/jobs").status, 401, "without a key")
        equal(
            d.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status,
            200,
            "with the key",
        )
        picture, target = os.path.join(where, "a.png"), os.path.join(where, "b.png")
        with open(picture, "wb") as f:
            f.write(h.png(8, 8))
        words = [
            "submit",
            "upscale",
            "--model",
            "toy",
            "--in",
            f"image={picture}",
            "--server",
            d.url,
            "--out",
            target,
        ]
        code, _, err = run(*words)
        check(code == 3 and one_line(err, "401"), f"submit without key: {code} {err!r}")
        code, _, err = run(*words, env={"SYNTHD_KEY": "syn_" + "0" * 64})
        check(code == 3 and one_line(err, "unauthorized"), f"submit with a wrong key: {code} {err!r}")
        code, _, err = run(*words, env={"SYNTHD_KEY": key})
        check(code == 0 and os.path.exists(target), f"submit with key: {code} {err!r}")
    code, _, _ = run("keys", "revoke", "web", "--file", file)
    equal(code, 0, "revoke")
    code, _, err = run("keys", "revoke", "web", "--file", file)
    check(code == 2 and one_line(err, "web"), f"revoke twice: {code} {err!r}")
    run("keys", "revoke", "batch", "--file", file)
    code, _, err = run(
        "serve", "--listen", "127.0.0.1:0", "--data", h.folder(), "--keys-file", file
    )
    check(
        code in (2, 3) and one_line(err.splitlines()[-1], "no keys"),
        f"a file without keys opens nothing: {code} {err!r}",
    )


def test_serve_refusals():
    """What cannot start is exit code 3, or 2 when the words are wrong, in one line."""
    with h.Daemon() as d:
        code, _, err = run(
            "serve", "--listen", "127.0.0.1:0", "--data", d.data, "--models", d.models
        )
        check(code == 3 and d.data in err, f"a data folder in use: {code} {err!r}")
        code, _, err = run("serve", "--listen", d.host, "--data", h.folder(), "--models", d.models)
        check(
            code == 3 and one_line(err.splitlines()[-1], d.host.split(":")[1]),
            f"a port in use: {code} {err!r}",
        )
    code, _, err = run("serve", "--listen", "0.0.0.0:0", "--data", h.folder())
    check(code in (2, 3) and "allow" in err, f"open address without keys: {code} {err!r}")
    code, _, err = run("serve", "--listen", "127.0.0.1:0", "--data", "/proc/nowhere")
    check(
        code == 3 and "data" in err.splitlines()[-1] and "/proc/nowhere" in err,
        f"data folder: {code} {err!r}",
    )
    first = open(h.Daemon().log_path, encoding="utf-8").readline()
    check(re.match(r"listening url=http://127\.0\.0\.1:\d+( |\n)", first), f"first line: {first!r}")


if __name__ == "__main__":
    h.main(globals())
