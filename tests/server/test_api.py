"""The native API from outside: every route, every status it may give, each fault that has a number."""
import base64
import hashlib
import http.client
import json
import os
import re
import socket
import threading
import time

import harness
from harness import Daemon, check, equal, eventually, folder, png, png_pixels, toy_model, toy_models

PICTURE = png(20, 10)
daemon = None


def d():
    """The daemon that most tests share."""
    global daemon
    if daemon is None or daemon.process.poll() is not None:
        daemon = Daemon()
    return daemon


def uri(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def spec(**more):
    return {"kind": "upscale", "model": "toy", "inputs": {"image": uri(PICTURE)}, **more}


def post(body, headers=None, server=None, **more):
    return (server or d()).request("POST", "/v1/jobs", body, headers, **more)


def problem(answer, status, code, message=""):
    """The answer is this problem, in full; gives its JSON."""
    where = f"{message or code}: {answer.status} {answer.body[:300]!r}"
    if not check(answer.status == status, where):
        return {}
    equal(answer.headers.get("Content-Type"), "application/problem+json", where)
    p = answer.json()
    equal(p.get("code"), code, where)
    equal(p.get("status"), status, where)
    check(p.get("title") and p.get("type") and p.get("instance") and p.get("detail"), where)
    equal(p.get("request_id"), answer.headers.get("X-Request-Id"), where)
    check(answer.headers.get("x-should-retry") in ("true", "false"), where)
    text = answer.body.decode()
    check("/tmp" not in text and "server/" not in text, f"names internals: {where}")
    return p


def errors_of(answer, status=422):
    equal(answer.status, status, answer.body[:300])
    return {e["pointer"]: e["code"] for e in answer.json().get("errors", [])} if answer.status == status else {}


def form(parts, boundary="frontier"):
    """(body, headers) of a form; parts: (name, bytes, file name or None)."""
    out = b""
    for name, data, file in parts:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        out += (f'; filename="{file}"\r\nContent-Type: application/octet-stream' if file else "").encode() + b"\r\n\r\n" + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


# ---- the way of a job ----------------------------------------------------------------------------

def test_job_from_submit_to_bytes():
    answer = post(spec(metadata={"mine": [1, None]}, priority=3))
    equal(answer.status, 202, answer.body)
    job = answer.json()
    equal(answer.headers["Location"], f"/v1/jobs/{job['id']}")
    check(1 <= int(answer.headers["Retry-After"]) <= 10, answer.headers)
    check(job["state"] in ("queued", "running", "succeeded"), job["state"])
    job = d().finished(job["id"])
    equal(job["state"], "succeeded", job["error"])
    equal(job["progress"], 1.0)
    equal(job["metadata"], {"mine": [1, None]})
    equal(job["priority"], 3)
    equal(job["family"], "native")
    equal(job["inputs"], {"image": hashlib.sha256(PICTURE).hexdigest()})
    check(job["units"]["done"] == job["units"]["total"] >= 1, job["units"])
    check(re.fullmatch(r"[0-9a-f]{64}", job["model"]["digest"]), job["model"])
    check(job["created_at"] <= job["started_at"] <= job["finished_at"], "times in order")
    check(all(v >= 0 for v in job["timings"].values()), job["timings"])
    out = job["outputs"][0]
    equal((out["n"], out["media_type"], out["width"], out["height"]), (0, "image/png", 40, 20))
    answer = d().get(out["href"])
    equal(answer.status, 200)
    equal(hashlib.sha256(answer.body).hexdigest(), out["sha256"])
    equal(len(answer.body), out["bytes"])
    width, height, channels, rows = png_pixels(answer.body)
    equal((width, height, channels), (40, 20, 3))
    source = png_pixels(PICTURE)[3]
    near = all(abs(rows[y][x * 3 + c] - source[y // 2][x // 2 * 3 + c]) <= 1 for y in range(20) for x in range(40) for c in range(3))
    check(near, "the toy model repeats each pixel")


def test_C14_prefer_wait():
    answer = post(spec(), {"Prefer": "wait=20"})
    equal(answer.status, 200, answer.body)
    equal(answer.json()["state"], "succeeded")
    equal(answer.headers.get("Preference-Applied"), "wait=20")
    answer = post(spec(), {"Prefer": "respond-async, wait=9999"})
    equal(answer.headers.get("Preference-Applied"), "wait=25", "clamped")
    for value in ("wait", "wait=0", "wait=x", "wait=-1", "waiting=3"):
        answer = post(spec(), {"Prefer": value})
        check(answer.status == 202 and "Preference-Applied" not in answer.headers, f"Prefer: {value} is ignored")


def paused():
    return Daemon("--queue", "pause")


def test_C14_wait_falls_back_to_202():
    with paused() as server:
        began = time.monotonic()
        answer = post(spec(), {"Prefer": "wait=1"}, server)
        seconds = time.monotonic() - began
        equal(answer.status, 202, answer.body)
        equal(answer.json()["state"], "queued")
        check(0.9 < seconds < 3 * harness.SLOW, f"answered after {seconds:.2f} s")


def test_inputs_by_data_uri_form_and_blob_are_the_same():
    """E15: base64 is never required."""
    sha = d().blob(PICTURE)
    text = base64.b64encode(PICTURE).decode()
    spellings = [uri(PICTURE), uri(PICTURE, "application/octet-stream"), text, text.rstrip("="), sha,
                 text.replace("+", "-").replace("/", "_"), "\r\n".join(text[i:i + 60] for i in range(0, len(text), 60))]
    results = set()
    for image in spellings:
        answer = post(spec(inputs={"image": image}), {"Prefer": "wait=20"})
        equal(answer.status, 200, answer.body)
        results.add(answer.json()["outputs"][0]["sha256"])
    bare = json.dumps({"kind": "upscale", "model": "toy"}).encode()
    for parts in ([("spec", bare, None), ("image", PICTURE, "upload")], [("image", PICTURE, "../../x.png"), ("spec", bare, "spec.json")],
                  [("spec", bare, None), ("image", sha.encode(), None)]):
        body, headers = form(parts)
        answer = post(body, {**headers, "Prefer": "wait=20"})
        equal(answer.status, 200, answer.body)
        results.add(answer.json()["outputs"][0]["sha256"])
    equal(len(results), 1, "one picture, one result")


def test_A19_effective_parameters_are_echoed():
    answer = post(spec(params={"width": 33}, output={"format": "webp", "quality": 80}), {"Prefer": "wait=20"})
    equal(answer.status, 200, answer.body)
    job = answer.json()
    out = job["outputs"][0]
    equal((out["media_type"], out["width"], out["height"]), ("image/webp", 33, 17))
    equal(job["params"]["width"], 33)
    equal(job["params"]["filter"], "lanczos3", "a default that was filled in")
    equal(job["output"]["quality"], 80)
    equal(d().get(out["href"]).headers["Content-Type"], "image/webp")


def test_A18_sizes():
    pid = d().process.pid
    for width, height in ((1, 1), (1, 37), (63, 7), (65, 66), (80, 121)):
        answer = post(spec(inputs={"image": uri(png(width, height))}), {"Prefer": "wait=25"})
        equal(answer.status, 200, answer.body)
        out = (answer.json()["outputs"] or [{}])[0]
        equal((out.get("width"), out.get("height")), (width * 2, height * 2), f"{width}x{height}")
    for params, size in (({"scale": 1}, (20, 10)), ({"scale": 0.5}, (10, 5)), ({"scale": 3}, (60, 30)), ({"height": 25}, (50, 25)),
                         ({"width": 31, "height": 17}, (31, 17)), ({"scale": 16}, (320, 160))):
        answer = post(spec(params=params), {"Prefer": "wait=25"})
        equal(answer.status, 200, answer.body)
        out = (answer.json()["outputs"] or [{}])[0]
        equal((out.get("width"), out.get("height")), size, params)
    equal(d().process.pid, pid)
    equal(d().get("/healthz").status, 200)


def test_C15_model_of_each_job():
    models = folder()
    for name, scale in (("two", 2), ("three", 3)):
        toy_model(models, name, scale=scale)
    with Daemon(models=models) as server:
        results = []

        def client(model, width):
            for _ in range(10):
                answer = post(spec(model=model), {"Prefer": "wait=25"}, server)
                results.append(answer.status == 200 and answer.json()["outputs"][0]["width"] == width)
        threads = [threading.Thread(target=client, args=a) for a in (("two", 40), ("three", 60))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(results, [True] * 20, "each output has its model's size")
        for name in ("two\\..\\three", "Two", "", "two/", "../two", "unknown", "x" * 300, "two\n"):
            problem(post(spec(model=name), server=server), 404, "unknown_model", repr(name))
        answer = post({"kind": "upscale", "inputs": {"image": uri(PICTURE)}}, server=server)
        equal(errors_of(answer), {"/model": "missing_field"}, "two models: no default")
    with Daemon(models=os.path.dirname(toy_model(folder(), "only"))) as server:
        answer = post({"kind": "upscale", "inputs": {"image": uri(PICTURE)}}, {"Prefer": "wait=20"}, server)
        equal(answer.status, 200, answer.body)
        equal(answer.json()["model"]["id"], "only", "the default is echoed")


# ---- refusals ------------------------------------------------------------------------------------

def test_all_wrong_fields_at_once():
    answer = post({"kind": "upscale", "model": "toy", "stepz": 4, "a/b~c": 1, "priority": 101, "metadata": [], "on_disconnect": "x",
                   "inputs": {"image": "!!", "mask": "aaaa"},
                   "params": {"scale": 99, "noise": 7, "tyle": 1, "filter": "sinc"}, "output": {"format": "gif", "quality": "9"}})
    problem(answer, 422, answer.json()["code"])
    equal(errors_of(answer), {
        "/stepz": "unknown_field", "/a~1b~0c": "unknown_field", "/priority": "invalid_field", "/metadata": "invalid_field",
        "/on_disconnect": "invalid_field", "/inputs/image": "invalid_field", "/inputs/mask": "unknown_field",
        "/params/scale": "invalid_field", "/params/noise": "invalid_field", "/params/tyle": "unknown_field",
        "/params/filter": "invalid_field", "/output/format": "invalid_field", "/output/quality": "invalid_field"})
    answer = post(spec(model="nope", stepz=1))
    equal(errors_of(answer), {"/model": "unknown_model", "/stepz": "unknown_field"}, "422 when more than the model is wrong")
    check(errors_of(post(spec(params={"scale": 2, "width": 4}))).keys() & {"/params/scale", "/params/width"}, "scale beside width")
    equal(errors_of(post(spec(metadata={"a": "x" * 4096}))), {"/metadata": "invalid_field"}, "4 KiB of metadata")
    equal(errors_of(post({})), {"/kind": "missing_field"})
    equal(errors_of(post({"kind": "upscale", "model": "toy"})), {"/inputs/image": "missing_field"})
    equal(errors_of(post({"kind": "upscale", "model": "toy", "inputs": 7})), {"/inputs": "invalid_field"})
    problem(post(spec(kind="paint")), 404, "unknown_kind")
    equal(errors_of(post(spec(kind=4))), {"/kind": "invalid_field"})


def test_A19_unknown_field():
    p = problem(post(spec(stepz=4)), 422, "unknown_field")
    check("stepz" in p.get("detail", ""), "names it")


def test_not_json():
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[1]", b'"x"', b"{} {}", b'{"kind":"a","kind":"b"}', b'{"kind":"\xff"}', b'{"kind":"a\\u0000b"}',
                 b"[" * 5000, b'{"a":' * 200 + b"1" + b"}" * 200, b"\xef\xbb\xbf{}", b"{'a':1}", b'{"a":1e999}', b'{"a":1' + b"0" * 400 + b"}"):
        problem(post(body, headers), 400, "invalid_json", repr(body[:30]))


def test_E12_content_types():
    text = json.dumps(spec())
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/plain; application/json", ""):
        problem(post(text, {"Content-Type": kind}), 415, "unsupported_media", kind)
    connection = http.client.HTTPConnection(d().host, timeout=20)
    connection.putrequest("POST", "/v1/jobs")
    connection.putheader("Content-Length", str(len(text)))
    connection.endheaders(text.encode())
    equal(connection.getresponse().status, 415, "no Content-Type at all")
    connection.close()
    equal(post(text, {"Content-Type": "Application/JSON ; charset=utf-8"}).status, 202)
    problem(post(text, {"Content-Type": "application/json", "Content-Encoding": "gzip"}), 415, "unsupported_media")
    problem(d().request("POST", "/v1/blobs", b"x", {"Content-Type": "text/plain"}), 415, "unsupported_media")


def test_E02_E03_pictures():
    magic = {"gif": b"GIF89a" + bytes(50), "bmp": b"BM" + bytes(60), "psd": b"8BPS" + bytes(60), "pnm": b"P6\n2 2\n255\n" + bytes(12),
             "tga": bytes((0, 0, 2)) + bytes(40), "html": b"<html>" + b" " * 60, "elf": b"\x7fELF" + bytes(60), "one": b"x"}
    for name, data in magic.items():
        problem(post(spec(inputs={"image": uri(data)})), 415, "unsupported_media", name)
        problem(post(spec(inputs={"image": d().blob(data)})), 415, "unsupported_media", f"{name} as blob")
    problem(post(spec(inputs={"image": uri(PICTURE[:20])})), 422, "image_truncated")
    broken = PICTURE[:12] + b"XXXX" + PICTURE[16:]
    check("/inputs/image" in errors_of(post(spec(inputs={"image": uri(broken)}))), "a first chunk that is no IHDR")
    sha = "0" * 64
    problem(post(spec(inputs={"image": sha})), 404, "unknown_blob")
    for url in ("http://127.0.0.1:1/x.png", "https://example.com/x.png", "file:///etc/passwd"):
        p = problem(post(spec(inputs={"image": url})), 422, "unsupported_value", url)
        check("/inputs/image" in p.get("detail", ""), p)


def bomb(width, height):
    return (b"\x89PNG\r\n\x1a\n" + harness.struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) +
            harness.struct.pack(">I", harness.zlib.crc32(harness.struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0))) +
            harness.struct.pack(">I4s", 0, b"IDAT") + harness.struct.pack(">I", harness.zlib.crc32(b"IDAT")))


def resident():
    with open(f"/proc/{d().process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_E01_bombs():
    before = resident()
    for width, height in ((65535, 65535), (19000, 19000), (16384, 16384), (2**31 - 1, 2**31 - 1), (1, 100000)):
        answer = post(spec(inputs={"image": uri(bomb(width, height))}))
        check(answer.status in (413, 422), f"{width}x{height}: {answer.status}")
        if answer.status == 413:
            p = problem(answer, 413, "payload_too_large")
            check(p["received"] > p["limit"] > 0, p)
    check(resident() - before < 10 << 20, "nothing was allocated for it")
    equal(errors_of(post(spec(inputs={"image": uri(png(3000, 10))}, params={"scale": 16}, output={"format": "webp"}))),
          {"/output/format": "unsupported_value"}, "over WebP's own side")


def test_E10_parameter_ranges():
    pid = d().process.pid
    values = [0, -1, 1, 2**31, 2**31 - 1, 2**63 - 1, 1e308, -1e308, 0.5, 1e-320, None, "text", "", [], {}, True]
    names = ["scale", "width", "height", "noise", "tile", "precision", "filter", "alpha"]
    for name in names:
        for value in values:
            answer = post(spec(inputs={"image": uri(png(2, 2))}, params={name: value}), {"Prefer": "wait=20"})
            check(answer.status in (200, 422), f"params.{name} = {value!r}: {answer.status} {answer.body[:200]}")
            if answer.status == 200:
                equal(answer.json()["state"], "succeeded", f"params.{name} = {value!r}")
        problem(post(f'{{"kind":"upscale","model":"toy","inputs":{{"image":"x"}},"params":{{"{name}":{2**63}}}}}'.encode(),
                     {"Content-Type": "application/json"}), 400, "invalid_json", "2^63")
    for value in values:
        answer = post(spec(priority=value))
        check(answer.status in (202, 422), f"priority = {value!r}: {answer.status}")
    equal(d().process.pid, pid)
    equal(d().get("/healthz").status, 200)


def test_E07_names_are_not_paths():
    for name in ("../x", "..%2fx", "..%5cx", "%2fetc%2fpasswd", "a%00b", "x" * 300, ".", "..", "%", "%zz", "~", "toy%2F..%2Ftoy"):
        for route in ("/v1/models/", "/v1/jobs/", "/v1/blobs/"):
            answer = d().get(route + name)
            check(answer.status in (404, 422), f"{route}{name}: {answer.status}")
            check(answer.headers["Content-Type"] == "application/problem+json", route + name)
    sha = d().blob(b"some bytes")
    for name in (sha.upper(), sha[:63], sha + "0", sha[:2] + "/" + sha, "../" + sha[:2] + "/" + sha):
        equal(d().get("/v1/blobs/" + name).status, 404, name)
    equal(d().get("/v1/models/toy").json()["id"], "toy")


def test_routes_and_methods():
    answer = problem_answer = d().get("/v1/nothing")
    problem(problem_answer, 404, "unknown_route")
    for method, path, allow in (("PUT", "/v1/jobs", "POST, GET, HEAD"), ("POST", "/v1/jobs/x", "GET, HEAD, DELETE"), ("DELETE", "/", "GET, HEAD"),
                                ("PATCH", "/v1/models", "GET, HEAD"), ("TRACE", "/healthz", "GET, HEAD")):
        answer = d().request(method, path)
        problem(answer, 405, "method_not_allowed", f"{method} {path}")
        equal(answer.headers.get("Allow"), allow, path)
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.yaml", "/v1/kinds", "/v1/models", "/v1/models/toy", "/v1/jobs", "/v1/nothing"):
        got, head = d().get(path), d().request("HEAD", path)
        equal((head.status, head.body), (got.status, b""), path)
        equal(head.headers.get("Content-Type"), got.headers.get("Content-Type"), path)
        check(path in ("/metrics", "/v1/nothing") or head.headers["Content-Length"] == str(len(got.body)), f"HEAD {path}: Content-Length")
    answer = d().request("OPTIONS", "/v1/jobs")
    equal((answer.status, answer.headers.get("Allow")), (204, "POST, GET, HEAD, OPTIONS"))
    equal(d().get("/?api-version=3&x=%zz").status, 200, "unknown query parameters are ignored")
    answer = d().get("/v1/models/nope")
    p = problem(answer, 404, "unknown_model")
    equal((p["error"]["code"], p["error"]["type"], p["error"]["param"]), ("unknown_model", "invalid_request_error", None), "both shapes")


def test_request_ids():
    answer = d().get("/healthz", headers={"X-Request-Id": "mine-7"})
    equal(answer.headers["X-Request-Id"], "mine-7")
    made = {d().get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"] for bad in ("a b", "x" * 200, "caf\u00e9", '"')}
    check(len(made) == 4 and all(re.fullmatch(r"req_[0-9a-f]{24}", i) for i in made), made)
    for path in ("/healthz", "/v1/nothing", "/v1/models"):
        equal(d().get(path).headers.get("X-Content-Type-Options"), "nosniff")


# ---- idempotency ---------------------------------------------------------------------------------

def test_idempotency():
    key = {"Idempotency-Key": f"key-{time.time()}"}
    first = post(spec(), {**key, "Prefer": "wait=20"})
    equal(first.status, 200, first.body)
    check("Idempotency-Replayed" not in first.headers, "the first is no replay")
    job = first.json()["id"]
    again = post(spec(), key)
    equal((again.status, again.json()["id"], again.headers.get("Idempotency-Replayed")), (200, job, "true"), "200: it is over")
    sha = d().blob(PICTURE)
    again = post(spec(inputs={"image": sha}, params={"scale": 2}), key)
    equal((again.status, again.json()["id"]), (200, job), "the same in another spelling: blob id, default given")
    p = problem(post(spec(params={"scale": 3}), key), 409, "idempotency_conflict")
    check("/params/scale" in p["detail"] and p["job"] == job, p)
    p = problem(post(spec(priority=1), key), 409, "idempotency_conflict")
    check("/priority" in p["detail"], p)
    equal(post(spec(params={"scale": 3}), key).headers["x-should-retry"], "false")
    for bad in ("", "x" * 256, "a\tb", "caf\u00e9"):
        problem(post(spec(), {"Idempotency-Key": bad}), 400, "invalid_header", repr(bad))
    equal(post(spec(), {"Idempotency-Key": "y" * 255}).status in (200, 202), True, "255 characters")
    problem(post(spec(params={"scale": 77}), key), 422, "invalid_field", "checked before")


def test_idempotency_of_a_waiting_job():
    with paused() as server:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(post(spec(), {"Idempotency-Key": "one"}, server))) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal({a.status for a in answers}, {202})
        equal(len({a.json()["id"] for a in answers}), 1, "eight at once: one job")
        equal(sum("Idempotency-Replayed" in a.headers for a in answers), 7)


# ---- follow, list, cancel ------------------------------------------------------------------------

def test_C11_queue_positions_and_lists():
    with paused() as server:
        ids = [post(spec(metadata={"i": i}), server=server).json()["id"] for i in range(5)]
        equal([server.job(i)["queue_position"] for i in ids], [0, 1, 2, 3, 4])
        equal([server.job(i)["eta_seconds"] for i in ids], [None] * 5, "no estimate without a measurement")
        page = server.get("/v1/jobs?limit=2").json()
        equal([j["id"] for j in page["data"]], ids[:-3:-1], "newest first")
        seen = [j["id"] for j in page["data"]]
        while page["next_cursor"]:
            page = server.get(f"/v1/jobs?limit=2&cursor={page['next_cursor']}").json()
            seen += [j["id"] for j in page["data"]]
        equal(seen, ids[::-1], "pages")
        equal(server.request("DELETE", f"/v1/jobs/{ids[1]}").status, 200)
        equal([server.job(i)["queue_position"] for i in ids], [0, None, 1, 2, 3])
        equal([j["id"] for j in server.get("/v1/jobs?state=canceled").json()["data"]], [ids[1]])
        equal(len(server.get("/v1/jobs?kind=upscale&model=toy&family=native&state=queued").json()["data"]), 4)
        equal(server.get("/v1/jobs?model=slow").json(), {"data": [], "next_cursor": None})
        for query in ("limit=0", "limit=201", "limit=x", "limit=", "state=done", "cursor=job_x", "cursor=..", "model=%zz", "kind=" + "k" * 40):
            answer = server.get("/v1/jobs?" + query)
            problem(answer, 422, "invalid_field", query)
            equal(list(errors_of(answer)), ["?" + query.split("=")[0]], query)
        problem(server.get("/v1/jobs/job_0000000000000000000000"), 404, "unknown_job")


def test_cancel():
    with paused() as server:
        job = post(spec(), server=server).json()["id"]
        answer = server.request("DELETE", f"/v1/jobs/{job}")
        equal((answer.status, answer.json()["state"]), (200, "canceled"), "queued: at once")
        equal(server.request("DELETE", f"/v1/jobs/{job}").status, 200, "again")
        problem(server.get(f"/v1/jobs/{job}/outputs/0"), 404, "unknown_output")
        problem(server.request("DELETE", "/v1/jobs/job_none"), 404, "unknown_job")
    job = post(spec(), {"Prefer": "wait=20"}).json()["id"]
    answer = d().request("DELETE", f"/v1/jobs/{job}")
    problem(answer, 409, "not_cancelable")
    equal(answer.headers["x-should-retry"], "false")


def test_C04_cancel_running():
    job = d().submit(d().blob(png(640, 640)), model="slow", tile=32).json()["id"]
    check(eventually(lambda: d().job(job)["units"]["done"] > 0 or d().job(job)["state"] not in ("queued", "running")), "it runs")
    answer = d().request("DELETE", f"/v1/jobs/{job}")
    check(answer.status in (200, 202), answer.body)
    began = time.monotonic()
    job = d().finished(job)
    equal(job["state"], "canceled")
    check(time.monotonic() - began < 2 * harness.SLOW, "within a unit")
    check(job["progress"] < 1, job["progress"])


def test_C08_client_leaves():
    with paused() as server:
        for n, (mode, state) in enumerate((("cancel", "canceled"), ("keep", "queued"))):
            text = json.dumps(spec(on_disconnect=mode)).encode()
            host, port = server.host.split(":")
            s = socket.create_connection((host, int(port)), 20)
            s.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nPrefer: wait=25\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(text) + text)
            check(eventually(lambda: len(server.get("/v1/jobs").json()["data"]) == n + 1), "submitted")
            job = server.get("/v1/jobs").json()["data"][0]["id"]
            s.close()
            began = time.monotonic()
            if state == "canceled":
                check(eventually(lambda: server.job(job)["state"] == "canceled", 5), mode)
                check(time.monotonic() - began < 2 * harness.SLOW, "noticed within 2 s")
            else:
                time.sleep(1)
                equal(server.job(job)["state"], "queued", mode)


def test_estimates():
    for _ in range(2):
        post(spec(model="slow", inputs={"image": uri(png(64, 64))}), {"Prefer": "wait=25"})
    jobs = [post(spec(model="slow", inputs={"image": uri(png(400, 400))})).json()["id"] for _ in range(3)]
    last = d().job(jobs[-1])
    check(last["state"] != "queued" or (last["eta_seconds"] is not None and last["eta_seconds"] >= 0 and last["finish_at"]), last)
    for job in jobs:
        d().request("DELETE", f"/v1/jobs/{job}")
    check(all(d().finished(j) for j in jobs), "ended")


# ---- outputs and blobs ---------------------------------------------------------------------------

def test_output_headers_and_ranges():
    out = post(spec(), {"Prefer": "wait=20"}).json()["outputs"][0]
    whole = d().get(out["href"])
    tag = whole.headers["ETag"]
    equal(tag, f'"{out["sha256"]}"')
    equal(whole.headers["Content-Type"], "image/png")
    check("sandbox" in whole.headers["Content-Security-Policy"], whole.headers)
    check("immutable" in whole.headers["Cache-Control"] and "private" in whole.headers["Cache-Control"], whole.headers)
    check(re.search(r'filename="job_\w+-0\.png"', whole.headers["Content-Disposition"]), whole.headers)
    n = len(whole.body)
    for value in (tag, "*", f'W/{tag}', f'"x", {tag}'):
        answer = d().get(out["href"], headers={"If-None-Match": value})
        equal((answer.status, answer.body), (304, b""), value)
        equal(answer.headers.get("ETag"), tag)
    equal(d().get(out["href"], headers={"If-None-Match": '"other"'}).status, 200)
    for value, first, last in (("bytes=0-9", 0, 9), ("bytes=5-", 5, n - 1), ("bytes=-7", n - 7, n - 1), (f"bytes={n - 1}-{n + 50}", n - 1, n - 1),
                               ("bytes=0-0", 0, 0), (f"bytes=-{n + 9}", 0, n - 1)):
        answer = d().get(out["href"], headers={"Range": value})
        equal((answer.status, answer.body), (206, whole.body[first:last + 1]), value)
        equal(answer.headers.get("Content-Range"), f"bytes {first}-{last}/{n}", value)
    for value in ("bytes=1-2,4-5", "bytes=9-2", "bytes=x-", "pages=1-2", "bytes=", "bytes=-", "bytes=1", "bytes=" + "9" * 60 + "-"):
        equal(d().get(out["href"], headers={"Range": value}).status, 200, f"{value} is ignored")
    for value in (f"bytes={n}-", "bytes=-0", "bytes=99999999999999999999-"):
        answer = d().get(out["href"], headers={"Range": value})
        problem(answer, 416, "range_not_satisfiable", value)
        equal(answer.headers.get("Content-Range"), f"bytes */{n}")
    equal(d().get(out["href"], headers={"Range": "bytes=0-9", "If-Range": tag}).status, 206)
    equal(d().get(out["href"], headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status, 200)
    head = d().request("HEAD", out["href"])
    equal((head.status, head.headers["Content-Length"], head.body), (200, str(n), b""))
    for number in ("1", "-1", "x", "00000", "99999999999", "0x0", "%30%00"):
        check(d().get(out["href"][:-1] + number).status == 404, number)


def test_blobs():
    data = os.urandom(300000)
    answer = d().request("POST", "/v1/blobs", data, {"Content-Type": "application/octet-stream"})
    sha = hashlib.sha256(data).hexdigest()
    equal((answer.status, answer.json()), (201, {"id": sha, "bytes": len(data), "href": f"/v1/blobs/{sha}"}))
    equal(answer.headers["Location"], f"/v1/blobs/{sha}")
    equal(d().request("POST", "/v1/blobs", data, {"Content-Type": "image/png"}).json()["id"], sha, "again")
    answer = d().get(f"/v1/blobs/{sha}")
    equal((answer.body == data, answer.headers["Content-Type"]), (True, "application/octet-stream"))
    equal(d().get(f"/v1/blobs/{d().blob(PICTURE)}").headers["Content-Type"], "image/png", "by content")
    equal(d().get(f"/v1/blobs/{d().blob(b'<html><script>')}").headers["Content-Type"], "application/octet-stream", "never HTML")
    problem(d().request("POST", "/v1/blobs", b"", {"Content-Type": "application/octet-stream"}), 422, "invalid_field")
    connection = http.client.HTTPConnection(d().host, timeout=30)
    connection.request("POST", "/v1/blobs", (data[i:i + 7000] for i in range(0, len(data), 7000)), {"Content-Type": "image/webp"},
                       encode_chunked=True)
    equal(json.loads(connection.getresponse().read())["id"], sha, "chunked")
    connection.close()


def test_forms_refused():
    bare = json.dumps({"kind": "upscale", "model": "toy"}).encode()
    body, headers = form([("image", PICTURE, "x")])
    problem(post(body, headers), 422, "missing_field", "no spec")
    body, headers = form([("spec", bare, None), ("spec", bare, None)])
    problem(post(body, headers), 400, "invalid_multipart", "a part twice")
    body, headers = form([("spec", json.dumps(spec()).encode(), None), ("image", PICTURE, "x")])
    equal(errors_of(post(body, headers)), {"/inputs/image": "duplicate_field"})
    body, headers = form([("spec", bare, None), ("image", PICTURE, "x"), ("extra", b"1", None)])
    equal(errors_of(post(body, headers)), {"/inputs/extra": "unknown_field"})
    body, headers = form([("spec", b"{", None), ("image", PICTURE, "x")])
    problem(post(body, headers), 400, "invalid_json")
    body, headers = form([(f"p{i}", b"1", None) for i in range(17)])
    problem(post(body, headers), 400, "invalid_multipart", "17 parts")
    body, headers = form([("spec", b" " * ((1 << 20) + 1), None)])
    problem(post(body, headers), 400, "invalid_multipart", "a text over 1 MiB")
    body, headers = form([("spec", bare, None), ("image", PICTURE, "x")])
    problem(post(body[:-30], headers), 400, "invalid_multipart", "cut off")
    problem(post(body, {"Content-Type": "multipart/form-data"}), 400, "invalid_multipart", "no boundary")
    problem(post(b"", headers), 400, "invalid_multipart", "empty")
    body, headers = form([("spec", bare, None), ("image", b"", "x")])
    equal(post(body, headers).status, 415, "an empty file")


# ---- service -------------------------------------------------------------------------------------

def test_discovery_models_kinds():
    links = d().get("/").json()["links"]
    for path in links.values():
        check(d().request("HEAD", path).status in (200, 405), path)
    models = d().get("/v1/models").json()
    equal([m["id"] for m in models["data"]], ["slow", "toy"])
    for m in models["data"]:
        check(m["object"] == "model" and isinstance(m["created"], int) and m["owned_by"], m)
        equal(d().get(f"/v1/models/{m['id']}").json().keys(), m.keys())
    kinds = d().get("/v1/kinds").json()
    kind = {k["kind"]: k for k in kinds["data"]}["upscale"]
    equal(kind["models"], ["slow", "toy"])
    equal(kind["inputs"][0]["name"], "image")
    check(kind["params"]["properties"]["filter"]["enum"] and kind["params"]["additionalProperties"] is False, kind)
    check(kinds["limits"]["max_body_bytes"] > 0 and kinds["limits"]["max_pixels"] > 0, kinds["limits"])


def metrics(server=None):
    out = {}
    for line in (server or d()).get("/metrics").body.decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            out[name] = float(value)
    return out


def test_metrics():
    with Daemon() as server:
        post(spec(), {"Prefer": "wait=20"}, server)
        post(spec(stepz=1), server=server)
        server.get("/v1/jobs/x")
        m = metrics(server)
        answer = server.get("/metrics")
        equal(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        for name, value in (('synthd_ready', 1), ('synthd_jobs{state="succeeded"}', 1), ('synthd_jobs{state="queued"}', 0),
                            ('synthd_jobs_submitted_total{kind="upscale",model="toy",family="native"}', 1),
                            ('synthd_jobs_finished_total{kind="upscale",model="toy",state="succeeded"}', 1),
                            ('synthd_jobs_rejected_total{reason="invalid"}', 1),
                            ('synthd_units_total{kind="upscale",model="toy",device="0"}', 1),
                            ('synthd_unit_seconds_count{kind="upscale",model="toy",device="0"}', 1),
                            ('synthd_job_run_seconds_count{kind="upscale",model="toy"}', 1),
                            ('synthd_http_requests_total{family="native",route="/v1/jobs",method="POST",code="422"}', 1),
                            ('synthd_http_requests_total{family="native",route="/v1/jobs/{id}",method="GET",code="404"}', 1),
                            ('synthd_model_state{model="toy",state="ready"}', 1), ('synthd_http_inflight_bytes', 0)):
            equal(m.get(name), value, name)
        check(m["synthd_blob_bytes"] > 0 and m["process_resident_memory_bytes"] > 1e6 and m["synthd_model_resident_bytes{model=\"toy\"}"] > 0,
              "memory")
        text, typed = answer.body.decode(), set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                check(line.split()[2] not in typed, f"declared twice: {line}")
                typed.add(line.split()[2])
        names = {re.sub(r"_(bucket|sum|count)$", "", k.split("{")[0]) if re.sub(r"_(bucket|sum|count)$", "", k.split("{")[0]) in typed
                 else k.split("{")[0] for k in m}
        equal(names - typed, set(), "each has its TYPE")
        check("job_" not in re.sub(r"synthd_job_|process_", "", text), "no job ids among the labels")


def test_C09_liveness_while_loading():
    equal(d().get("/healthz").json(), {"status": "ok"})
    job = d().submit(d().blob(png(500, 500)), model="slow", tile=64).json()["id"]
    times = []
    for _ in range(60):
        began = time.monotonic()
        equal(d().get("/healthz").status, 200)
        times.append(time.monotonic() - began)
    d().request("DELETE", f"/v1/jobs/{job}")
    check(sorted(times)[56] < 0.25 * harness.SLOW, f"p95 {sorted(times)[56]:.3f} s while a job runs")
    d().finished(job)


def test_F05_stop_with_waiters():
    server = paused()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post(spec(), {"Prefer": "wait=25"}, server))) for _ in range(10)]
    for t in threads:
        t.start()
    check(eventually(lambda: len(server.get("/v1/jobs").json()["data"]) == 10), "ten wait")
    began = time.monotonic()
    equal(server.stop(), 0, "exit code")
    check(time.monotonic() - began < 10 * harness.SLOW, "soon")
    for t in threads:
        t.join()
    equal([a.status for a in answers], [202] * 10, "each waiter was told its job's id")
    with Daemon("--queue", "pause", data=server.data, models=server.models) as again:
        equal(len(again.get("/v1/jobs?state=queued").json()["data"]), 10, "the queue is still there")


# ---- keys, browsers ------------------------------------------------------------------------------

def keys_file(**keys):
    path = os.path.join(folder(), "keys")
    with open(path, "w", encoding="ascii") as f:
        for name, key in keys.items():
            f.write(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}\n")
    return path


def test_keys():
    with Daemon("--keys-file", keys_file(anna="s1", bert="s2")) as server:
        equal(server.get("/healthz").status, 200, "liveness needs no key")
        equal(server.get("/readyz").status, 200)
        for path in ("/", "/metrics", "/v1/jobs", "/v1/models", "/openapi.yaml", "/nothing"):
            answer = server.get(path)
            problem(answer, 401, "unauthorized", path)
            check("Bearer" in answer.headers["WWW-Authenticate"], answer.headers)
        answer = post(spec(), server=server)
        problem(answer, 401, "unauthorized")
        anna, bert = {"Authorization": "Bearer s1"}, {"x-api-key": "s2"}
        basic = {"Authorization": "Basic " + base64.b64encode(b"who:s1").decode()}
        for headers, status in ((anna, 200), (bert, 200), (basic, 200), ({"Authorization": "Bearer s3"}, 401), ({"Authorization": ""}, 401)):
            equal(server.get("/v1/jobs", headers=headers).status, status, headers)
        job = post(spec(), {**anna, "Idempotency-Key": "k", "Prefer": "wait=20"}, server).json()
        equal(server.get(f"/v1/jobs/{job['id']}", headers=anna).status, 200)
        for method, path in (("GET", f"/v1/jobs/{job['id']}"), ("DELETE", f"/v1/jobs/{job['id']}"), ("GET", job["outputs"][0]["href"])):
            problem(server.request(method, path, headers=bert), 404, "unknown_job", f"another key: {method} {path}")
        equal(server.get("/v1/jobs", headers=bert).json()["data"], [])
        other = post(spec(params={"scale": 3}), {**bert, "Idempotency-Key": "k"}, server)
        check(other.status == 202 and other.json()["id"] != job["id"], "idempotency keys are each key's own")
        check("s1" not in server.log_text().split(), "no key in the log")
        equal(post(spec(), {"Authorization": "Bearer "}, d()).status, 202, "without configured keys, whatever arrives is ignored")


def test_E12_browsers():
    host = d().host
    for headers, status in (({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": f"http://{host}"}, 202),
                            ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 202),
                            ({"Host": "evil.example"}, 403), ({"Host": "localhost:1"}, 202),
                            ({"Host": "evil.example", "X-Forwarded-Host": host}, 403)):
        answer = post(spec(), headers)
        equal(answer.status, status, headers)
        if status == 403:
            problem(answer, 403, "forbidden", str(headers))
        check("Access-Control-Allow-Origin" not in answer.headers, "CORS is off")
    equal(d().get("/v1/jobs", headers={"Host": "evil.example"}).status, 403, "reads too: a rebound name")
    before = len(d().get("/v1/jobs?limit=200").json()["data"])
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.yaml", "/v1/kinds", "/v1/models", "/v1/jobs", "/v1/blobs/" + "0" * 64):
        d().get(path)
    equal(len(d().get("/v1/jobs?limit=200").json()["data"]), before, "GET changes nothing")


def test_F06_listed_origin():
    with Daemon("--origins", "https://app.example", "--hosts", "box.lan") as server:
        origin = {"Origin": "https://app.example"}
        answer = server.request("OPTIONS", "/v1/jobs", headers={**origin, "Access-Control-Request-Method": "POST",
                                                                "Access-Control-Request-Headers": "authorization, idempotency-key"})
        equal(answer.status, 204)
        equal(answer.headers.get("Access-Control-Allow-Origin"), "https://app.example")
        check("Authorization" in answer.headers["Access-Control-Allow-Headers"] and
              "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"] and "POST" in answer.headers["Access-Control-Allow-Methods"],
              answer.headers)
        check("Access-Control-Allow-Credentials" not in answer.headers and answer.headers["Vary"] == "Origin", answer.headers)
        equal(post(spec(), origin, server).headers.get("Access-Control-Allow-Origin"), "https://app.example")
        for other in ("https://app.example.evil", "http://app.example", "https://app.example:444", "null"):
            equal(server.request("OPTIONS", "/v1/jobs", headers={"Origin": other}).status, 403, other)
            equal(post(spec(), {"Origin": other}, server).status, 403, other)
        equal(server.get("/v1/jobs", headers={"Host": "box.lan:80"}).status, 200)
        equal(server.get("/v1/jobs", headers={"Host": "box.lan.evil"}).status, 403)


def test_open_bind_is_refused_without_keys():
    code, _, err = harness.run("serve", "--listen", "0.0.0.0:0", "--data", folder(), "--models", folder(), "--device", "cpu")
    check(code != 0 and "0.0.0.0" in err and "allow" in err and "keys" in err, err)
    for listen in ("127.0.0.1", "127.0.0.1:99999", ":80", "::1:80", "127.0.0.1:x", "nonsense.invalid:1"):
        code, _, err = harness.run("serve", "--listen", listen, "--data", folder(), "--models", folder(), "--device", "cpu")
        check(code == 2 and "listen" in err, f"{listen}: {code} {err}")


if __name__ == "__main__":
    harness.main(globals())
