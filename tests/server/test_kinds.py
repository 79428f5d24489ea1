#!/usr/bin/env python3
"""Every kind of job over HTTP and by `synthd submit`: the same bytes as `synthd run`, refusals at
submit, several inputs and outputs, limits from headers, cancel while one runs."""

import json
import math
import os
import struct

import api
import harness as h
import toy_onnx as t
from api import errors_of, form, problem, uri
from harness import Daemon, check, equal, png, run

NPY, OCTETS = "application/x-npy", "application/octet-stream"
# Two processes may measure different precisions and convolutions as the quicker ones.
EXACT = ("--precision", "f32", "--device", "cpu:own")
MODELS = None
daemon = None


def models():
    """One toy of each kind: "toy" and "slow", "two" and "mean", "bright", "same", "sums"."""
    global MODELS
    if MODELS is None:
        MODELS = t.every_kind(h.toy_models())
    return MODELS


def d():
    global daemon
    if daemon is None or daemon.process.poll() is not None:
        daemon = Daemon(*EXACT, models=models())
    return daemon


def post(body, headers=None, server=None):
    return api.post(body, headers, server or d())


def tone(n, rate=8000, channels=1):
    one = [int(9000 * math.sin(0.05 * i) * math.sin(0.0013 * i)) for i in range(n)]
    return t.wav([v for v in one for _ in range(channels)], rate, channels)


def half(x, _):
    return (255, 255, 255) if x < 9 else (0, 0, 0)


PHOTO, STYLE = png(13, 7), png(30, 9, lambda x, y: (51, x * 3, y * 9))
BRIGHT, WIDE = png(18, 12, half), png(40, 10)
SOUND = tone(9000)
A = t.npy_bytes("f", (3, 2), [1, 2, 3, 4, 5, 6])
B = t.npy_bytes("f", (3, 2), [10, 20, 30, 40, 50, 60])

# kind, model, inputs, params, output; enough to see each parameter and output form once
JOBS = (
    ("upscale", "toy", {"image": PHOTO}, {"scale": 2}, {"format": "png"}),
    ("stylize", "two", {"image": PHOTO}, {}, {}),
    ("stylize", "two", {"image": PHOTO}, {"styles": "[0.25,0.75]", "precision": "f32"}, {"format": "webp"}),
    ("stylize", "mean", {"image": PHOTO, "style": STYLE}, {"strength": 0.5}, {}),
    ("stylize", "mean", {"style": STYLE, "image": PHOTO}, {"preserve_color": True}, {"format": "jpeg"}),
    ("matte", "bright", {"image": BRIGHT}, {}, {}),
    ("matte", "bright", {"image": BRIGHT}, {"background": "#0a64ff"}, {"format": "jpeg"}),
    ("matte", "bright", {"image": BRIGHT}, {"mask_only": True}, {"gray": True}),
    ("matte", "bright", {"image": BRIGHT, "background": WIDE}, {}, {}),
    ("denoise-speech", "same", {"audio": SOUND}, {}, {}),
    ("denoise-speech", "same", {"audio": tone(4000, 44100, 2)}, {"attenuation_db": 12}, {"format": "flac", "level": 8}),
    ("denoise-speech", "same", {"audio": SOUND}, {"post_filter": 0.02}, {"format": "wav", "type": "f32"}),
    ("tensor", "sums", {"a": A, "b": B}, {"outputs": "sum"}, {}),
    ("tensor", "sums", {"left": A, "b": B}, {"outputs": "product", "seed": 7}, {}),
)


def words_of(inputs, params, output):
    """The same job for the command line; inputs go to files."""
    path, words = h.folder(), []
    for name, data in inputs.items():
        with open(os.path.join(path, name), "wb") as f:
            f.write(data)
        words += ["--in", f"{name}={os.path.join(path, name)}"]
    text = lambda v: v if isinstance(v, str) else json.dumps(v)
    for k, v in params.items():
        words += ["--set", f"{k}={text(v)}"]
    for k, v in output.items():
        words += ["--output", f"{k}={text(v)}"]
    return words


def spec_of(kind, model, inputs, params, output):
    return {
        "kind": kind,
        "model": model,
        "inputs": {k: uri(v, OCTETS) for k, v in inputs.items()},
        "params": params,
        "output": output,
    }


def ran(job, seconds=60):
    """The job object in its end, which must be success."""
    server = d()
    answer = post(spec_of(*job), {"Prefer": "wait=20"}, server)
    if not check(answer.status in (200, 202), f"{job[0]}: {answer.status} {answer.body[:300]}"):
        return None
    j = server.finished(answer.json()["id"], seconds)
    return j if equal(j["state"], "succeeded", f"{job[0]}: {j['error']}") else None


def test_same_bytes_by_run_http_and_submit():
    for job in JOBS:
        kind, model, inputs, params, output = job
        words = ("--model", model, *words_of(inputs, params, output), "--out", "-")
        code, by_run, err = run("run", kind, *EXACT, "--models", models(), *words)
        if not equal(code, 0, f"run {kind}: {err}"):
            continue
        j = ran(job)
        if not j:
            continue
        got = d().get(j["outputs"][0]["href"])
        equal((got.status, got.body == by_run), (200, True), f"{kind} {params}: HTTP against run")
        equal(got.headers["Content-Type"], j["outputs"][0]["media_type"])
        code, by_submit, err = run("submit", kind, "--server", d().url, *words)
        equal(code, 0, f"submit {kind}: {err}")
        check(by_submit == by_run, f"{kind} {params}: submit against run")


def test_the_job_object():
    names = {"denoise-speech": "audio", "tensor": "sum"}
    types = {"denoise-speech": "audio/wav", "tensor": NPY}
    for job in (JOBS[0], JOBS[1], JOBS[5], JOBS[9], JOBS[12]):
        j = ran(job)
        if not j:
            continue
        kind = job[0]
        out = j["outputs"][0]
        equal(len(j["outputs"]), 1)
        equal(out["name"], names.get(kind, "image"), kind)
        equal(out["media_type"], types.get(kind, "image/png"), kind)
        equal(out["width"] is None, kind in names, f"{kind}: {out}")
        check(j["units"]["done"] == j["units"]["total"] > 0, f"{kind}: {j['units']}")
        equal(set(j["inputs"]), set(job[2]), kind)
        model = d().get(f"/v1/models/{job[1]}").json()
        wanted = model["variants"][0]["digest"] if kind == "upscale" else model["digest"]
        equal(j["model"], {"id": job[1], "digest": wanted}, kind)
        head = d().get(out["href"]).headers["Content-Disposition"]
        ending = {"denoise-speech": "wav", "tensor": "npy"}.get(kind, "png")
        check(head.endswith(f'-0.{ending}"'), head)


def test_effective_sets():
    """Defaults are filled in, those that mean nothing for the model or beside what is given are not;
    what is stored gives the same job again."""
    for i, params, output in (
        (1, {"style": 0, "preserve_color": False, "precision": "auto", "accept_truncated": False}, "png"),
        (2, {"styles": "[0.25,0.75]", "preserve_color": False, "precision": "f32", "accept_truncated": False}, "webp"),
        (3, {"strength": 0.5, "preserve_color": False, "precision": "auto", "accept_truncated": False}, "png"),
        (7, {"mask_only": True, "precision": "f32", "accept_truncated": False}, "png"),
        (9, {"attenuation_db": 100.0, "post_filter": 0.0, "accept_truncated": False}, "same"),
        (13, {"outputs": "product", "precision": "f32", "seed": 7}, None),
    ):
        j = ran(JOBS[i])
        if not j:
            continue
        equal(j["params"], params, JOBS[i][0])
        equal(j["output"].get("format"), output, JOBS[i][0])
        again = ran((*JOBS[i][:3], j["params"], j["output"]))
        if again:
            equal(again["params"], j["params"], JOBS[i][0])
            equal(again["outputs"][0]["sha256"], j["outputs"][0]["sha256"], JOBS[i][0])


def test_results():
    j = ran(JOBS[3])
    if j:
        equal((j["result"]["runs"], j["result"]["input"]["width"]), (3, 13))
    j = ran(JOBS[5])
    if j:
        check(abs(j["result"]["coverage"] - 0.5) < 0.1, f"{j['result']}")
    j = ran(JOBS[10])
    if j:
        r = j["result"]
        equal((r["rate"], r["channels"], r["frames"], r["model_rate"]), (44100, 2, 4000, 8000))
    j = ran(JOBS[13])
    if j:
        equal(j["result"]["tensors"], [{"name": "x/product", "type": "f32", "shape": [3, 2]}])


def test_several_outputs():
    server, path = d(), h.folder()
    j = ran(("tensor", "sums", {"a": A, "b": B}, {}, {}))
    if j:
        equal([o["name"] for o in j["outputs"]], ["sum", "x/product"])
        got = [t.read_npy(server.get(o["href"]).body) for o in j["outputs"]]
        equal(got[0], ((3, 2), (11, 22, 33, 44, 55, 66)))
        equal(got[1], ((3, 2), (10, 40, 90, 160, 250, 360)))
        problem(server.get(f"/v1/jobs/{j['id']}/outputs/2"), 404, "unknown_output")
    out = os.path.join(path, "out")
    words = ("--server", server.url, "--model", "sums", *words_of({"a": A, "b": B}, {}, {}))
    code, _, err = run("submit", "tensor", *words, "--out", out)
    if equal(code, 0, err):
        equal(sorted(os.listdir(out)), ["sum.npy", "x_product-1.npy"])
    code, _, err = run("submit", "tensor", *words, "--out", os.path.join(path, "x.npy"))
    check(code == 1 and "there are 2 outputs" in err, f"{code} {err}")


def test_forms_and_blobs():
    """Inputs as files of a form, as blob ids, and mixed."""
    server = d()
    spec = json.dumps({"kind": "stylize", "model": "mean"}).encode()
    parts = [("spec", spec, None), ("image", PHOTO, "a.png"), ("style", STYLE, "b.png")]
    answer = post(*form(parts))
    if equal(answer.status, 202, answer.body[:300]):
        equal(server.finished(answer.json()["id"])["state"], "succeeded")
    blob = server.blob(A)
    body = {"kind": "tensor", "model": "sums", "inputs": {"a": blob}}
    answer = post(*form([("spec", json.dumps(body).encode(), None), ("b", B, "b.npy")]))
    if equal(answer.status, 202, answer.body[:300]):
        j = server.finished(answer.json()["id"])
        equal((j["state"], j["inputs"]["a"]), ("succeeded", blob))


def test_kinds_and_models():
    server = d()
    kinds = {k["kind"]: k for k in server.get("/v1/kinds").json()["data"]}
    equal(list(kinds), ["upscale", "stylize", "matte", "denoise-speech", "tensor"])
    for kind, ids in (
        ("upscale", ["slow", "toy"]),
        ("stylize", ["mean", "two"]),
        ("matte", ["bright"]),
        ("denoise-speech", ["same"]),
        ("tensor", ["bright", "mean", "same", "sums", "two"]),
    ):
        equal(kinds[kind]["models"], ids, kind)
    equal(kinds["tensor"]["inputs"], [])
    equal(set(kinds["denoise-speech"]["output"]["properties"]), {"format", "type", "level"})
    equal(kinds["tensor"]["output"]["properties"], {})
    row = server.get("/v1/models/mean").json()
    equal([v["name"] for v in row["variants"]], ["predict", "transform"])
    equal((row["kind"], row["format"], len(row["digest"])), ("stylize", "onnx", 64))


def refuse(kind, model, inputs, params=None, output=None, **more):
    return {**spec_of(kind, model, inputs, params or {}, output or {}), **more}


def test_refusals_name_every_field():
    """Nothing of this becomes a job; a whole list of errors comes at once."""
    before = d().get("/v1/jobs?limit=200").json()["data"]
    for body, wanted in (
        (refuse("stylize", "mean", {"image": PHOTO}), {"/inputs/style": "missing_field"}),
        (refuse("stylize", "two", {"image": PHOTO, "style": STYLE}), {"/inputs/style": "unsupported_value"}),
        (
            refuse("stylize", "two", {"imag": PHOTO}, {"style": 2, "scale": 2}, {"format": "gif"}, more=1),
            {
                "/more": "unknown_field",
                "/inputs/imag": "unknown_field",
                "/inputs/image": "missing_field",
                "/params/scale": "unknown_field",
                "/output/format": "invalid_field",
            },
        ),
        (refuse("stylize", "two", {"image": PHOTO}, {"style": 2}), {"/params/style": "unsupported_value"}),
        (refuse("stylize", "two", {"image": PHOTO}, {"strength": 1}), {"/params/strength": "unsupported_value"}),
        (refuse("stylize", "bright", {"image": PHOTO}), {"/model": "unsupported_value"}),
        (refuse("tensor", "toy", {"a": A}), {"/model": "unsupported_value"}),
        (
            refuse("matte", "bright", {"image": BRIGHT, "background": WIDE}, {"mask_only": True}),
            {"/inputs/background": "conflicting_field"},
        ),
        (
            refuse("matte", "bright", {"image": BRIGHT, "background": WIDE}, {"background": "#000000"}),
            {"/inputs/background": "conflicting_field"},
        ),
        (refuse("matte", "bright", {"image": BRIGHT}, {}, {"format": "jpeg"}), {"/output/format": "unsupported_value"}),
        (refuse("matte", "bright", {"image": BRIGHT}, {"background": "blue"}), {"/params/background": "invalid_field"}),
        (refuse("denoise-speech", "same", {}), {"/inputs/audio": "missing_field"}),
        (
            refuse("denoise-speech", "same", {"audio": SOUND}, {"attenuation_db": -1}, {"format": "mp3", "quality": 3}),
            {
                "/params/attenuation_db": "invalid_field",
                "/output/format": "invalid_field",
                "/output/quality": "unknown_field",
            },
        ),
        (
            refuse("denoise-speech", "same", {"audio": SOUND}, {}, {"format": "wav", "level": 3}),
            {"/output/level": "unsupported_value"},
        ),
        (
            refuse("denoise-speech", "same", {"audio": tone(100, channels=9)}, {}, {"format": "flac"}),
            {"/output/format": "unsupported_value"},
        ),
        (
            refuse("denoise-speech", "same", {"audio": tone(100, rate=8)}),
            {"/inputs/audio": "unsupported_value"},
        ),
        (refuse("tensor", "sums", {"a": A, "b": B}, {}, {"format": "png"}), {"/output/format": "unknown_field"}),
        (refuse("tensor", "sums", {"a": A, "b": B}, {"network": "x"}), {"/params/network": "unsupported_value"}),
        (refuse("tensor", "sums", {"a": A, "b": A[:-1]}), {"/inputs/b": "invalid_field"}),
        (refuse("tensor", "mean", {"x": A}), {"/params/network": "missing_field"}),
        (refuse("denoise-speech", "same", {"audio": SOUND[:30]}), {"/inputs/audio": "audio_truncated"}),
    ):
        equal(errors_of(post(body)), wanted, f"{body['kind']} {body['params']}")
    for kind, model, inputs in (
        ("upscale", "toy", {"image": SOUND}),
        ("matte", "bright", {"image": A}),
        ("stylize", "mean", {"image": PHOTO, "style": SOUND}),
        ("denoise-speech", "same", {"audio": PHOTO}),
        ("tensor", "sums", {"a": A, "b": PHOTO}),
    ):
        body = refuse(kind, model, inputs)
        problem(post(body), 415, "unsupported_media", f"{kind} with another medium")
    names = {f"n{i}": d().blob(A) for i in range(18)}
    answer = post({"kind": "tensor", "model": "sums", "inputs": names})
    equal(errors_of(answer).get("/inputs/n17"), "unknown_field", "18 inputs")
    answer = post({"kind": "tensor", "model": "sums", "inputs": {"x" * 128: d().blob(A), "": d().blob(B)}})
    equal(errors_of(answer).get("/inputs/"), "unknown_field", "an empty name")
    equal(errors_of(answer).get("/inputs/" + "x" * 128), "unknown_field", "a long name")
    bad = form([("spec", b'{"kind":"tensor","model":"sums"}', None), ("b", B, "b.npy")])
    answer = post(bad[0].replace(b'name="b"', b'name="\xff"'), bad[1])
    check(answer.status in (400, 422), f"a part's name that is not UTF-8: {answer.status}")
    equal(d().get("/v1/jobs?limit=200").json()["data"], before, "no job was made")


def test_tensors_against_a_loaded_model():
    """What the network takes is known once it is loaded: refused at submit; before that the job fails
    with the same words."""
    whole = t.npy_bytes("q", (3, 2), [1, 2, 3, 4, 5, 6])
    tall = t.npy_bytes("f", (2, 3), [1, 2, 3, 4, 5, 6])
    cases = (
        ({"a": A}, {}, "/inputs/b", "missing_field", "inputs.b is missing: f32 [?, 2]"),
        ({"a": A, "b": B, "c": A}, {}, "/inputs/c", "unknown_field", "inputs.c is unknown"),
        ({"a": A, "b": whole}, {}, "/inputs/b", "unsupported_value", "must be of type f32"),
        ({"a": A, "b": tall}, {}, "/inputs/b", "unsupported_value", "must be [?, 2]"),
        ({"a": A, "left": B}, {}, "/inputs/left", "unsupported_value", "more than once"),
        ({"a": A, "b": B}, {"outputs": "zip"}, "/params/outputs", "unsupported_value", "there are sum"),
    )
    for inputs, params, pointer, code, said in cases:
        with Daemon(models=models()) as server:
            body = refuse("tensor", "sums", inputs, params)
            answer = post(body, None, server)
            if equal(answer.status, 202, f"nothing is loaded yet: {answer.body[:200]}"):
                j = server.finished(answer.json()["id"])
                equal((j["state"], j["error"]["code"]), ("failed", "invalid_field"), f"{j['error']}")
                check(said in j["error"]["detail"], f"{j['error']}")
            answer = post(body, None, server)
            equal(errors_of(answer), {pointer: code}, said)
            check(said in answer.json()["errors"][0]["detail"], answer.body[:400])


def test_failed_jobs():
    """What only decoding tells."""
    nan = t.wav([0] * 50).replace(struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16),
                                  struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32))
    nan = nan[:-100] + struct.pack("<25f", *[math.nan] * 25)
    for kind, model, inputs, code in (
        ("denoise-speech", "same", {"audio": SOUND[:-100]}, "audio_truncated"),
        ("denoise-speech", "same", {"audio": nan}, "invalid_audio"),
        ("stylize", "mean", {"image": PHOTO, "style": STYLE[:-40]}, "image_truncated"),
    ):
        answer = post(refuse(kind, model, inputs))
        if not equal(answer.status, 202, f"{kind}: {answer.body[:300]}"):
            continue
        j = d().finished(answer.json()["id"])
        equal((j["state"], (j["error"] or {}).get("code")), ("failed", code), f"{kind}: {j['error']}")
        equal(j["outputs"], [])


def test_cut_files_are_taken_when_asked():
    whole = ran(JOBS[9])
    for job, said in (
        (("denoise-speech", "same", {"audio": SOUND[:-100]}, {"accept_truncated": True}, {}), "inputs.audio"),
        (("stylize", "mean", {"image": PHOTO, "style": STYLE[:-40]}, {"accept_truncated": True}, {}), "inputs.style"),
        (("matte", "bright", {"image": BRIGHT[:-30]}, {"accept_truncated": True}, {}), "inputs.image"),
    ):
        j = ran(job)
        if j:
            check(len(j["warnings"]) == 1 and j["warnings"][0].startswith(said), f"{j['warnings']}")
            equal(whole["warnings"], [])


def test_limits_by_header():
    options = ("--max-sound-seconds", "2", "--memory-budget-bytes", str(1 << 24), "--max-side", "1000")
    large = png(900, 900, lambda x, y: (x & 255, y & 255, 7))
    with Daemon(*options, models=models()) as server:
        for kind, model, inputs, pointer in (
            ("denoise-speech", "same", {"audio": tone(16001)}, "/inputs/audio"),
            ("denoise-speech", "same", {"audio": t.wav([0] * 90000 * 64, 48000, 64)}, "/inputs/audio"),
            ("stylize", "two", {"image": png(300, 200)}, "/inputs/image"),
            ("stylize", "mean", {"image": png(16, 16), "style": png(1001, 4)}, "/inputs/style"),
            ("matte", "bright", {"image": large, "background": large}, "/inputs"),
            (
                "tensor",
                "sums",
                {k: t.npy_bytes("f", (750000, 2), [0] * 1500000) for k in "abc"},
                "/inputs",
            ),
        ):
            answer = post(refuse(kind, model, inputs), None, server)
            p = problem(answer, 413, "payload_too_large", kind)
            equal([e["pointer"] for e in p.get("errors", [])], [pointer], f"{kind}: {p.get('detail')}")
            check(p.get("received", 0) > p.get("limit", 0) > 0, f"{kind}: {p}")
        # As large as the limits allow.
        for kind, model, inputs in (
            ("denoise-speech", "same", {"audio": tone(16000)}),
            ("matte", "bright", {"image": large}),
        ):
            answer = post(refuse(kind, model, inputs), None, server)
            if equal(answer.status, 202, answer.body[:300]):
                j = server.finished(answer.json()["id"])
                equal(j["state"], "succeeded", f"{kind}: {j['error']}")


def test_cancel_while_it_runs():
    """A long sound is left within a unit, and the next job runs."""
    server = d()
    long = t.wav([0])[:-2]
    n = 2 * 8000 * 3600
    long = long[:4] + struct.pack("<I", 36 + n) + long[8:-4] + struct.pack("<I", n) + bytes(n)
    blob = server.blob(long)
    body = {"kind": "denoise-speech", "model": "same", "inputs": {"audio": blob}}
    answer = post(body)
    if not equal(answer.status, 202, answer.body[:300]):
        return
    job = answer.json()["id"]
    begun = lambda: (lambda j: j["state"] != "running" or j["units"]["done"] > 0)(server.job(job))
    check(h.eventually(lambda: server.job(job)["state"] != "queued" and begun(), 60, 0.005), "it begins")
    answer = server.request("DELETE", f"/v1/jobs/{job}")
    equal(answer.status, 202, answer.body[:300])
    j = server.finished(job)
    equal((j["state"], j["outputs"]), ("canceled", []))
    check(0 < j["units"]["done"] < j["units"]["total"], f"{j['units']}")
    check(ran(JOBS[9]), "the next one runs")


def test_idempotency():
    """Inputs by content, defaults filled in: 100 and 100.0 are one value."""
    key = {"Idempotency-Key": "kinds-1"}
    first = post(refuse("denoise-speech", "same", {"audio": SOUND}, {"attenuation_db": 100}), key)
    again = post(refuse("denoise-speech", "same", {"audio": SOUND}, {"attenuation_db": 100.0, "post_filter": 0}), key)
    equal(first.status, 202, first.body[:200])
    equal(again.headers.get("Idempotency-Replayed"), "true", again.body[:300])
    equal(again.json()["id"], first.json()["id"])
    other = post(refuse("denoise-speech", "same", {"audio": tone(50)}, {}), key)
    problem(other, 409, "idempotency_conflict")
    post(refuse("tensor", "sums", {"a": A, "b": B}), {"Idempotency-Key": "kinds-2"})
    other = post(refuse("tensor", "sums", {"a": B, "b": A}), {"Idempotency-Key": "kinds-2"})
    check("/inputs" in problem(other, 409, "idempotency_conflict").get("detail", ""), other.body[:300])


def test_changed_model_fails_what_was_queued():
    """A job runs on the files that it was accepted for, or not at all."""
    own = h.folder()
    t.tensor_toy(own, "sums")
    t.matte_toy(own)
    with Daemon("--queue", "pause", models=own) as server:
        ids = [
            post(refuse("tensor", "sums", {"a": A, "b": B}), None, server).json()["id"],
            post(refuse("matte", "bright", {"image": BRIGHT}), None, server).json()["id"],
        ]
        data = server.data
    for name in ("sums", "bright"):
        t.amend(own, name, title="the same files")
    with open(os.path.join(own, "sums", "toy.onnx"), "rb") as f:
        network = f.read().replace(b"toy", b"yot")
    t.amend(own, "sums", files=t.add_files(own, "sums", {"toy.onnx": network}))
    with Daemon("--queue", "run", data=data, models=own) as server:
        j = server.finished(ids[0])
        equal((j["state"], j["error"]["code"]), ("failed", "model_failed"), f"{j['error']}")
        equal(server.finished(ids[1])["state"], "succeeded", "another title is no other model")


def test_metrics_by_kind():
    for job in (JOBS[1], JOBS[9], JOBS[12]):
        check(ran(job), job[0])
    text = d().get("/metrics").body.decode()
    for kind, model in (("stylize", "two"), ("denoise-speech", "same"), ("tensor", "sums")):
        check(f'kind="{kind}",model="{model}",state="succeeded"' in text, f"{kind} in /metrics")


def test_real_models():
    """What is fetched gives the same over HTTP as by `synthd run`."""
    cache = os.environ.get("SYNTHD_CACHE", os.path.expanduser("~/.cache/synthd"))
    real = os.path.join(cache, "models")
    vad = {
        "input": t.npy_bytes("f", (1, 512), [math.sin(0.05 * i) for i in range(512)]),
        "state": t.npy_bytes("f", (2, 1, 128), [0] * 256),
        "sr": t.npy_bytes("q", (), [16000]),
    }
    jobs = [
        ("stylize", "multistyle26", {"image": png(70, 45)}, {"style": 19}, {}),
        ("denoise-speech", "deepfilternet3", {"audio": tone(30000, 16000)}, {}, {}),
        ("tensor", "silero-vad", vad, {"outputs": "stateN"}, {}),
    ]
    jobs = [j for j in jobs if os.path.exists(os.path.join(real, j[1], "model.json"))]
    if not jobs:
        raise h.Skip("none of the models is fetched")
    with Daemon(*EXACT, models=real) as server:
        for kind, model, inputs, params, output in jobs:
            words = ("--model", model, *words_of(inputs, params, output), "--out", "-")
            code, by_run, err = run("run", kind, *EXACT, "--models", real, *words)
            equal(code, 0, err)
            code, by_submit, err = run("submit", kind, "--server", server.url, *words)
            equal(code, 0, err)
            check(by_submit == by_run, f"{kind}: submit against run")


if __name__ == "__main__":
    h.main(globals())
