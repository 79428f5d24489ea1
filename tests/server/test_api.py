"""The native API from outside: the way of a job, following it, results, blobs, service routes."""

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
from api import d, errors_of, form, metrics, paused, PICTURE, post, problem, spec, uri
from harness import Daemon, check, equal, eventually, folder, png, png_pixels, toy_model


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
    near = all(
        abs(rows[y][x * 3 + c] - source[y // 2][x // 2 * 3 + c]) <= 1
        for y in range(20)
        for x in range(40)
        for c in range(3)
    )
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
        check(
            answer.status == 202 and "Preference-Applied" not in answer.headers,
            f"Prefer: {value} is ignored",
        )


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
    spellings = [
        uri(PICTURE),
        uri(PICTURE, "application/octet-stream"),
        text,
        text.rstrip("="),
        sha,
        text.replace("+", "-").replace("/", "_"),
        "\r\n".join(text[i : i + 60] for i in range(0, len(text), 60)),
    ]
    results = set()
    for image in spellings:
        answer = post(spec(inputs={"image": image}), {"Prefer": "wait=20"})
        equal(answer.status, 200, answer.body)
        results.add(answer.json()["outputs"][0]["sha256"])
    bare = json.dumps({"kind": "upscale", "model": "toy"}).encode()
    for parts in (
        [("spec", bare, None), ("image", PICTURE, "upload")],
        [("image", PICTURE, "../../x.png"), ("spec", bare, "spec.json")],
        [("spec", bare, None), ("image", sha.encode(), None)],
    ):
        body, headers = form(parts)
        answer = post(body, {**headers, "Prefer": "wait=20"})
        equal(answer.status, 200, answer.body)
        results.add(answer.json()["outputs"][0]["sha256"])
    equal(len(results), 1, "one picture, one result")


def test_A19_effective_parameters_are_echoed():
    answer = post(
        spec(params={"width": 33}, output={"format": "webp", "quality": 80}), {"Prefer": "wait=20"}
    )
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
    for params, size in (
        ({"scale": 1}, (20, 10)),
        ({"scale": 0.5}, (10, 5)),
        ({"scale": 3}, (60, 30)),
        ({"height": 25}, (50, 25)),
        ({"width": 31, "height": 17}, (31, 17)),
        ({"scale": 16}, (320, 160)),
    ):
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
                results.append(
                    answer.status == 200 and answer.json()["outputs"][0]["width"] == width
                )

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
        answer = post(
            {"kind": "upscale", "inputs": {"image": uri(PICTURE)}}, {"Prefer": "wait=20"}, server
        )
        equal(answer.status, 200, answer.body)
        equal(answer.json()["model"]["id"], "only", "the default is echoed")


def test_idempotency():
    key = {"Idempotency-Key": f"key-{time.time()}"}
    first = post(spec(), {**key, "Prefer": "wait=20"})
    equal(first.status, 200, first.body)
    check("Idempotency-Replayed" not in first.headers, "the first is no replay")
    job = first.json()["id"]
    again = post(spec(), key)
    equal(
        (again.status, again.json()["id"], again.headers.get("Idempotency-Replayed")),
        (200, job, "true"),
        "200: it is over",
    )
    sha = d().blob(PICTURE)
    again = post(spec(inputs={"image": sha}, params={"scale": 2}), key)
    equal(
        (again.status, again.json()["id"]),
        (200, job),
        "the same in another spelling: blob id, default given",
    )
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
        threads = [
            threading.Thread(
                target=lambda: answers.append(post(spec(), {"Idempotency-Key": "one"}, server))
            )
            for _ in range(8)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal({a.status for a in answers}, {202})
        equal(len({a.json()["id"] for a in answers}), 1, "eight at once: one job")
        equal(sum("Idempotency-Replayed" in a.headers for a in answers), 7)


def test_C11_queue_positions_and_lists():
    with paused() as server:
        ids = [post(spec(metadata={"i": i}), server=server).json()["id"] for i in range(5)]
        equal([server.job(i)["queue_position"] for i in ids], [0, 1, 2, 3, 4])
        equal(
            [server.job(i)["eta_seconds"] for i in ids],
            [None] * 5,
            "no estimate without a measurement",
        )
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
        equal(
            len(
                server.get("/v1/jobs?kind=upscale&model=toy&family=native&state=queued").json()[
                    "data"
                ]
            ),
            4,
        )
        for model in ("slow", "en_US-joe-medium"):  # ids may hold capitals
            equal(server.get("/v1/jobs?model=" + model).json(), {"data": [], "next_cursor": None})
        for query in (
            "limit=0",
            "limit=201",
            "limit=x",
            "limit=",
            "state=done",
            "cursor=job_x",
            "cursor=..",
            "model=%zz",
            "kind=" + "k" * 40,
        ):
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
    check(
        eventually(
            lambda: d().job(job)["units"]["done"] > 0
            or d().job(job)["state"] not in ("queued", "running")
        ),
        "it runs",
    )
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
            s.sendall(
                b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nPrefer: wait=25\r\n"
                b"Content-Length: %d\r\n\r\n" % len(text) + text
            )
            check(
                eventually(lambda: len(server.get("/v1/jobs").json()["data"]) == n + 1), "submitted"
            )
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
    jobs = [
        post(spec(model="slow", inputs={"image": uri(png(400, 400))})).json()["id"]
        for _ in range(3)
    ]
    last = d().job(jobs[-1])
    check(
        last["state"] != "queued"
        or (last["eta_seconds"] is not None and last["eta_seconds"] >= 0 and last["finish_at"]),
        last,
    )
    for job in jobs:
        d().request("DELETE", f"/v1/jobs/{job}")
    check(all(d().finished(j) for j in jobs), "ended")


def test_output_headers_and_ranges():
    out = post(spec(), {"Prefer": "wait=20"}).json()["outputs"][0]
    whole = d().get(out["href"])
    tag = whole.headers["ETag"]
    equal(tag, f'"{out["sha256"]}"')
    equal(whole.headers["Content-Type"], "image/png")
    check("sandbox" in whole.headers["Content-Security-Policy"], whole.headers)
    check(
        "immutable" in whole.headers["Cache-Control"]
        and "private" in whole.headers["Cache-Control"],
        whole.headers,
    )
    check(
        re.search(r'filename="job_\w+-0\.png"', whole.headers["Content-Disposition"]), whole.headers
    )
    n = len(whole.body)
    for value in (tag, "*", f"W/{tag}", f'"x", {tag}'):
        answer = d().get(out["href"], headers={"If-None-Match": value})
        equal((answer.status, answer.body), (304, b""), value)
        equal(answer.headers.get("ETag"), tag)
    equal(d().get(out["href"], headers={"If-None-Match": '"other"'}).status, 200)
    for value, first, last in (
        ("bytes=0-9", 0, 9),
        ("bytes=5-", 5, n - 1),
        ("bytes=-7", n - 7, n - 1),
        (f"bytes={n - 1}-{n + 50}", n - 1, n - 1),
        ("bytes=0-0", 0, 0),
        (f"bytes=-{n + 9}", 0, n - 1),
    ):
        answer = d().get(out["href"], headers={"Range": value})
        equal((answer.status, answer.body), (206, whole.body[first : last + 1]), value)
        equal(answer.headers.get("Content-Range"), f"bytes {first}-{last}/{n}", value)
    for value in (
        "bytes=1-2,4-5",
        "bytes=9-2",
        "bytes=x-",
        "pages=1-2",
        "bytes=",
        "bytes=-",
        "bytes=1",
        "bytes=" + "9" * 60 + "-",
    ):
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
    equal(
        (answer.status, answer.json()),
        (201, {"id": sha, "bytes": len(data), "href": f"/v1/blobs/{sha}"}),
    )
    equal(answer.headers["Location"], f"/v1/blobs/{sha}")
    equal(
        d().request("POST", "/v1/blobs", data, {"Content-Type": "image/png"}).json()["id"],
        sha,
        "again",
    )
    answer = d().get(f"/v1/blobs/{sha}")
    equal((answer.body == data, answer.headers["Content-Type"]), (True, "application/octet-stream"))
    equal(
        d().get(f"/v1/blobs/{d().blob(PICTURE)}").headers["Content-Type"], "image/png", "by content"
    )
    equal(
        d().get(f"/v1/blobs/{d().blob(b'<html><script>')}").headers["Content-Type"],
        "application/octet-stream",
        "never HTML",
    )
    problem(
        d().request("POST", "/v1/blobs", b"", {"Content-Type": "application/octet-stream"}),
        422,
        "invalid_field",
    )
    connection = http.client.HTTPConnection(d().host, timeout=30)
    connection.request(
        "POST",
        "/v1/blobs",
        (data[i : i + 7000] for i in range(0, len(data), 7000)),
        {"Content-Type": "image/webp"},
        encode_chunked=True,
    )
    equal(json.loads(connection.getresponse().read())["id"], sha, "chunked")
    connection.close()


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
    check(
        kind["params"]["properties"]["filter"]["enum"]
        and kind["params"]["additionalProperties"] is False,
        kind,
    )
    check(
        kinds["limits"]["max_body_bytes"] > 0 and kinds["limits"]["max_pixels"] > 0, kinds["limits"]
    )


def test_metrics():
    with Daemon() as server:
        post(spec(), {"Prefer": "wait=20"}, server)
        post(spec(stepz=1), server=server)
        server.get("/v1/jobs/x")
        m = metrics(server)
        answer = server.get("/metrics")
        equal(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        for name, value in (
            ("synthd_ready", 1),
            ('synthd_jobs{state="succeeded"}', 1),
            ('synthd_jobs{state="queued"}', 0),
            ('synthd_jobs_submitted_total{kind="upscale",model="toy",family="native"}', 1),
            ('synthd_jobs_finished_total{kind="upscale",model="toy",state="succeeded"}', 1),
            ('synthd_jobs_rejected_total{reason="invalid"}', 1),
            ('synthd_units_total{kind="upscale",model="toy",device="0"}', 1),
            ('synthd_unit_seconds_count{kind="upscale",model="toy",device="0"}', 1),
            ('synthd_job_run_seconds_count{kind="upscale",model="toy"}', 1),
            (
                'synthd_http_requests_total{family="native",route="/v1/jobs",method="POST",code="422"}',
                1,
            ),
            (
                'synthd_http_requests_total{family="native",route="/v1/jobs/{id}",method="GET",code="404"}',
                1,
            ),
            ('synthd_model_state{model="toy",state="ready"}', 1),
            ("synthd_http_inflight_bytes", 0),
        ):
            equal(m.get(name), value, name)
        check(
            m["synthd_blob_bytes"] > 0
            and m["process_resident_memory_bytes"] > 1e6
            and m['synthd_model_resident_bytes{model="toy"}'] > 0,
            "memory",
        )
        text, typed = answer.body.decode(), set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                check(line.split()[2] not in typed, f"declared twice: {line}")
                typed.add(line.split()[2])
        names = {
            (
                re.sub(r"_(bucket|sum|count)$", "", k.split("{")[0])
                if re.sub(r"_(bucket|sum|count)$", "", k.split("{")[0]) in typed
                else k.split("{")[0]
            )
            for k in m
        }
        equal(names - typed, set(), "each has its TYPE")
        check(
            "job_" not in re.sub(r"synthd_job_|process_", "", text), "no job ids among the labels"
        )


def test_C09_liveness_while_loading():
    equal(d().get("/healthz").json(), {"status": "ok"})
    job = d().submit(d().blob(png(500, 500)), model="slow", tile=64).json()["id"]
    times = []
    for _ in range(60):
        began = time.monotonic()
        equal(d().get("/healthz").status, 200)
        times.append(time.monotonic() - began)
    d().request("DELETE", f"/v1/jobs/{job}")
    check(
        sorted(times)[56] < 0.25 * harness.SLOW, f"p95 {sorted(times)[56]:.3f} s while a job runs"
    )
    d().finished(job)


def test_F05_stop_with_waiters():
    server = paused()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(spec(), {"Prefer": "wait=25"}, server)))
        for _ in range(10)
    ]
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
        equal(
            len(again.get("/v1/jobs?state=queued").json()["data"]), 10, "the queue is still there"
        )


if __name__ == "__main__":
    harness.main(globals())
