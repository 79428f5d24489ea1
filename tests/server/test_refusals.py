"""What the native API refuses and how it says so: fields, bodies, names, keys, foreign pages."""

import base64
import hashlib
import http.client
import json
import os
import re

import harness
from api import bomb, d, errors_of, form, keys_file, PICTURE, post, problem, resident, spec, uri
from harness import Daemon, check, equal, folder, png


def test_all_wrong_fields_at_once():
    answer = post(
        {
            "kind": "upscale",
            "model": "toy",
            "stepz": 4,
            "a/b~c": 1,
            "priority": 101,
            "metadata": [],
            "on_disconnect": "x",
            "inputs": {"image": "!!", "mask": "aaaa"},
            "params": {"scale": 99, "noise": 7, "tyle": 1, "filter": "sinc"},
            "output": {"format": "gif", "quality": "9"},
        }
    )
    problem(answer, 422, answer.json()["code"])
    equal(
        errors_of(answer),
        {
            "/stepz": "unknown_field",
            "/a~1b~0c": "unknown_field",
            "/priority": "invalid_field",
            "/metadata": "invalid_field",
            "/on_disconnect": "invalid_field",
            "/inputs/image": "invalid_field",
            "/inputs/mask": "unknown_field",
            "/params/scale": "invalid_field",
            "/params/noise": "invalid_field",
            "/params/tyle": "unknown_field",
            "/params/filter": "invalid_field",
            "/output/format": "invalid_field",
            "/output/quality": "invalid_field",
        },
    )
    answer = post(spec(model="nope", stepz=1))
    equal(
        errors_of(answer),
        {"/model": "unknown_model", "/stepz": "unknown_field"},
        "422 when more than the model is wrong",
    )
    check(
        errors_of(post(spec(params={"scale": 2, "width": 4}))).keys()
        & {"/params/scale", "/params/width"},
        "scale beside width",
    )
    equal(
        errors_of(post(spec(metadata={"a": "x" * 4096}))),
        {"/metadata": "invalid_field"},
        "4 KiB of metadata",
    )
    equal(errors_of(post({})), {"/kind": "missing_field"})
    equal(errors_of(post({"kind": "upscale", "model": "toy"})), {"/inputs/image": "missing_field"})
    equal(
        errors_of(post({"kind": "upscale", "model": "toy", "inputs": 7})),
        {"/inputs": "invalid_field"},
    )
    problem(post(spec(kind="paint")), 404, "unknown_kind")
    equal(errors_of(post(spec(kind=4))), {"/kind": "invalid_field"})


def test_A19_unknown_field():
    p = problem(post(spec(stepz=4)), 422, "unknown_field")
    check("stepz" in p.get("detail", ""), "names it")


def test_not_json():
    headers = {"Content-Type": "application/json"}
    for body in (
        b"",
        b"{",
        b"[1]",
        b'"x"',
        b"{} {}",
        b'{"kind":"a","kind":"b"}',
        b'{"kind":"\xff"}',
        b'{"kind":"a\\u0000b"}',
        b"[" * 5000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b'{"a":1e999}',
        b'{"a":1' + b"0" * 400 + b"}",
    ):
        problem(post(body, headers), 400, "invalid_json", repr(body[:30]))


def test_E12_content_types():
    text = json.dumps(spec())
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "text/plain; application/json",
        "",
    ):
        problem(post(text, {"Content-Type": kind}), 415, "unsupported_media", kind)
    connection = http.client.HTTPConnection(d().host, timeout=20)
    connection.putrequest("POST", "/v1/jobs")
    connection.putheader("Content-Length", str(len(text)))
    connection.endheaders(text.encode())
    equal(connection.getresponse().status, 415, "no Content-Type at all")
    connection.close()
    equal(post(text, {"Content-Type": "Application/JSON ; charset=utf-8"}).status, 202)
    problem(
        post(text, {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        415,
        "unsupported_media",
    )
    problem(
        d().request("POST", "/v1/blobs", b"x", {"Content-Type": "text/plain"}),
        415,
        "unsupported_media",
    )


def test_E02_E03_pictures():
    magic = {
        "gif": b"GIF89a" + bytes(50),
        "bmp": b"BM" + bytes(60),
        "psd": b"8BPS" + bytes(60),
        "pnm": b"P6\n2 2\n255\n" + bytes(12),
        "tga": bytes((0, 0, 2)) + bytes(40),
        "html": b"<html>" + b" " * 60,
        "elf": b"\x7fELF" + bytes(60),
        "one": b"x",
    }
    for name, data in magic.items():
        problem(post(spec(inputs={"image": uri(data)})), 415, "unsupported_media", name)
        problem(
            post(spec(inputs={"image": d().blob(data)})),
            415,
            "unsupported_media",
            f"{name} as blob",
        )
    problem(post(spec(inputs={"image": uri(PICTURE[:20])})), 422, "image_truncated")
    broken = PICTURE[:12] + b"XXXX" + PICTURE[16:]
    check(
        "/inputs/image" in errors_of(post(spec(inputs={"image": uri(broken)}))),
        "a first chunk that is no IHDR",
    )
    sha = "0" * 64
    problem(post(spec(inputs={"image": sha})), 404, "unknown_blob")
    for url in ("http://127.0.0.1:1/x.png", "https://example.com/x.png", "file:///etc/passwd"):
        p = problem(post(spec(inputs={"image": url})), 422, "unsupported_value", url)
        check("/inputs/image" in p.get("detail", ""), p)


def test_E03_truncated():
    """A file that ends early fails its job; who asks for it gets what there is, and a warning."""
    whole = png(90, 70, lambda x, y: ((x * 73 + y * 31) % 251, (x * y) % 241, (x ^ y) * 5 % 239))
    wait = {"Prefer": "wait=20"}
    for percent in (10, 50, 90):
        inputs = {"image": uri(whole[: len(whole) * percent // 100])}
        job = post(spec(inputs=inputs), wait).json()
        equal((job.get("error") or {}).get("code"), "image_truncated", f"{percent} %: {job}")
        job = post(spec(inputs=inputs, params={"accept_truncated": True}), wait).json()
        equal(job.get("state"), "succeeded", f"{percent} % accepted: {job}")
        check(any("ends early" in w for w in job.get("warnings", [])), f"{percent} %: {job}")
        equal(job["params"]["accept_truncated"], True)
    job = post(spec(inputs={"image": uri(whole)}, params={"accept_truncated": True}), wait).json()
    equal((job.get("state"), job.get("warnings")), ("succeeded", []), "whole")


def test_E01_bombs():
    before = resident()
    for width, height in (
        (65535, 65535),
        (19000, 19000),
        (16384, 16384),
        (2**31 - 1, 2**31 - 1),
        (1, 100000),
    ):
        answer = post(spec(inputs={"image": uri(bomb(width, height))}))
        check(answer.status in (413, 422), f"{width}x{height}: {answer.status}")
        if answer.status == 413:
            p = problem(answer, 413, "payload_too_large")
            check(p["received"] > p["limit"] > 0, p)
    check(resident() - before < 10 << 20, "nothing was allocated for it")
    equal(
        errors_of(
            post(
                spec(
                    inputs={"image": uri(png(3000, 10))},
                    params={"scale": 16},
                    output={"format": "webp"},
                )
            )
        ),
        {"/output/format": "unsupported_value"},
        "over WebP's own side",
    )


def test_E01_frames():
    for name in ("webp_anim_0", "webp_anim_1", "webp_anim_2"):
        with open(os.path.join(harness.ROOT, "tests", "fuzz", "corpus", "image", name), "rb") as f:
            answer = post(spec(inputs={"image": uri(f.read())}))
        p = problem(answer, 413, "payload_too_large", name)
        check(p.get("limit") == 1 and p.get("received", 0) > 1 and "frames" in p["detail"], p)


def test_E10_parameter_ranges():
    pid = d().process.pid
    values = [
        0,
        -1,
        1,
        2**31,
        2**31 - 1,
        2**63 - 1,
        1e308,
        -1e308,
        0.5,
        1e-320,
        None,
        "text",
        "",
        [],
        {},
        True,
    ]
    names = ["scale", "width", "height", "noise", "tile", "precision", "filter", "alpha", "accept_truncated"]
    for name in names:
        for value in values:
            answer = post(
                spec(inputs={"image": uri(png(2, 2))}, params={name: value}), {"Prefer": "wait=20"}
            )
            check(
                answer.status in (200, 422),
                f"params.{name} = {value!r}: {answer.status} {answer.body[:200]}",
            )
            if answer.status == 200:
                equal(answer.json()["state"], "succeeded", f"params.{name} = {value!r}")
        problem(
            post(
                f'{{"kind":"upscale","model":"toy","inputs":{{"image":"x"}},"params":{{"{name}":{2**63}}}}}'.encode(),
                {"Content-Type": "application/json"},
            ),
            400,
            "invalid_json",
            "2^63",
        )
    for value in values:
        answer = post(spec(priority=value))
        check(answer.status in (202, 422), f"priority = {value!r}: {answer.status}")
    equal(d().process.pid, pid)
    equal(d().get("/healthz").status, 200)


def test_E07_names_are_not_paths():
    for name in (
        "../x",
        "..%2fx",
        "..%5cx",
        "%2fetc%2fpasswd",
        "a%00b",
        "x" * 300,
        ".",
        "..",
        "%",
        "%zz",
        "~",
        "toy%2F..%2Ftoy",
    ):
        for route in ("/v1/models/", "/v1/jobs/", "/v1/blobs/"):
            answer = d().get(route + name)
            check(answer.status in (404, 422), f"{route}{name}: {answer.status}")
            check(answer.headers["Content-Type"] == "application/problem+json", route + name)
    sha = d().blob(b"some bytes")
    for name in (
        sha.upper(),
        sha[:63],
        sha + "0",
        sha[:2] + "/" + sha,
        "../" + sha[:2] + "/" + sha,
    ):
        equal(d().get("/v1/blobs/" + name).status, 404, name)
    equal(d().get("/v1/models/toy").json()["id"], "toy")


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
    body, headers = form([(f"p{i}", b"1", None) for i in range(19)])
    problem(post(body, headers), 400, "invalid_multipart", "19 parts")
    body, headers = form([("spec", b" " * ((1 << 20) + 1), None)])
    problem(post(body, headers), 400, "invalid_multipart", "a text over 1 MiB")
    body, headers = form([("spec", bare, None), ("image", PICTURE, "x")])
    problem(post(body[:-30], headers), 400, "invalid_multipart", "cut off")
    problem(
        post(body, {"Content-Type": "multipart/form-data"}), 400, "invalid_multipart", "no boundary"
    )
    problem(post(b"", headers), 400, "invalid_multipart", "empty")
    body, headers = form([("spec", bare, None), ("image", b"", "x")])
    equal(post(body, headers).status, 415, "an empty file")


def test_routes_and_methods():
    answer = problem_answer = d().get("/v1/nothing")
    problem(problem_answer, 404, "unknown_route")
    for method, path, allow in (
        ("PUT", "/v1/jobs", "POST, GET, HEAD"),
        ("POST", "/v1/jobs/x", "GET, HEAD, DELETE"),
        ("DELETE", "/", "GET, HEAD"),
        ("PATCH", "/v1/models", "GET, HEAD"),
        ("TRACE", "/healthz", "GET, HEAD"),
    ):
        answer = d().request(method, path)
        problem(answer, 405, "method_not_allowed", f"{method} {path}")
        equal(answer.headers.get("Allow"), allow, path)
    for path in (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.yaml",
        "/v1/kinds",
        "/v1/models",
        "/v1/models/toy",
        "/v1/jobs",
        "/v1/nothing",
    ):
        got, head = d().get(path), d().request("HEAD", path)
        equal((head.status, head.body), (got.status, b""), path)
        equal(head.headers.get("Content-Type"), got.headers.get("Content-Type"), path)
        check(
            path in ("/metrics", "/v1/nothing")
            or head.headers["Content-Length"] == str(len(got.body)),
            f"HEAD {path}: Content-Length",
        )
    answer = d().request("OPTIONS", "/v1/jobs")
    equal((answer.status, answer.headers.get("Allow")), (204, "POST, GET, HEAD, OPTIONS"))
    equal(d().get("/?api-version=3&x=%zz").status, 200, "unknown query parameters are ignored")
    answer = d().get("/v1/models/nope")
    p = problem(answer, 404, "unknown_model")
    equal(
        (p["error"]["code"], p["error"]["type"], p["error"]["param"]),
        ("unknown_model", "invalid_request_error", None),
        "both shapes",
    )


def test_request_ids():
    answer = d().get("/healthz", headers={"X-Request-Id": "mine-7"})
    equal(answer.headers["X-Request-Id"], "mine-7")
    made = {
        d().get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
        for bad in ("a b", "x" * 200, "caf\u00e9", '"')
    }
    check(len(made) == 4 and all(re.fullmatch(r"req_[0-9a-f]{24}", i) for i in made), made)
    for path in ("/healthz", "/v1/nothing", "/v1/models"):
        equal(d().get(path).headers.get("X-Content-Type-Options"), "nosniff")


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
        for headers, status in (
            (anna, 200),
            (bert, 200),
            (basic, 200),
            ({"Authorization": "Bearer s3"}, 401),
            ({"Authorization": ""}, 401),
        ):
            equal(server.get("/v1/jobs", headers=headers).status, status, headers)
        job = post(spec(), {**anna, "Idempotency-Key": "k", "Prefer": "wait=20"}, server).json()
        equal(server.get(f"/v1/jobs/{job['id']}", headers=anna).status, 200)
        for method, path in (
            ("GET", f"/v1/jobs/{job['id']}"),
            ("DELETE", f"/v1/jobs/{job['id']}"),
            ("GET", job["outputs"][0]["href"]),
        ):
            problem(
                server.request(method, path, headers=bert),
                404,
                "unknown_job",
                f"another key: {method} {path}",
            )
        equal(server.get("/v1/jobs", headers=bert).json()["data"], [])
        other = post(spec(params={"scale": 3}), {**bert, "Idempotency-Key": "k"}, server)
        check(
            other.status == 202 and other.json()["id"] != job["id"],
            "idempotency keys are each key's own",
        )
        check("s1" not in server.log_text().split(), "no key in the log")
        equal(
            post(spec(), {"Authorization": "Bearer "}, d()).status,
            202,
            "without configured keys, whatever arrives is ignored",
        )


def test_blobs_of_other_keys():
    """A blob is there for the keys that brought or made it, and for nobody else."""
    anna, bert = {"Authorization": "Bearer s1"}, {"Authorization": "Bearer s2"}
    kind = {"Content-Type": "application/octet-stream"}
    keys = keys_file(anna="s1", bert="s2")
    with Daemon("--keys-file", keys) as server:
        data, models = server.data, server.models
        upload = lambda who, body: server.request("POST", "/v1/blobs", body, {**kind, **who})
        read = lambda who, sha: server.get(f"/v1/blobs/{sha}", headers=who)
        job = lambda who, sha: post(spec(inputs={"image": sha}), {**who, "Prefer": "wait=20"}, server)
        sha = upload(anna, PICTURE).json()["id"]
        equal(read(anna, sha).body, PICTURE)
        unknown = problem(read(bert, "0" * 64), 404, "unknown_blob")
        other = problem(read(bert, sha), 404, "unknown_blob", "another key's")
        equal(other["detail"], unknown["detail"], "told as one that is not there")
        refused, absent = job(bert, sha), job(bert, "0" * 64)
        equal(problem(refused, 404, "unknown_blob").get("errors"), absent.json().get("errors"))
        check("20" not in refused.json()["detail"].replace(sha, ""), "nothing of the picture is told")
        equal(server.get("/v1/jobs", headers=bert).json()["data"], [])
        made = job(anna, sha).json()["outputs"][0]
        result = server.get(made["href"], headers=anna).headers["ETag"].strip('"')
        check(read(anna, result).status == 200, "its job made it")
        problem(read(bert, result), 404, "unknown_blob", "another key's result")
        problem(job(bert, result), 404, "unknown_blob", "a result as input")
        equal(job(anna, result).status, 200, "a job's result is an input of the next")
        hers = upload(anna, b"of no picture").json()["id"]
        equal(upload(bert, PICTURE).status, 201)
        equal(read(bert, sha).status, 200, "brought by a second key")
        equal(read(anna, sha).status, 200, "and still the first one's")
        equal(job(bert, sha).status, 200)
        inline = png(7, 5)
        inline_sha = hashlib.sha256(inline).hexdigest()
        equal(post(spec(inputs={"image": uri(inline)}), anna, server).status, 202)
        equal(read(anna, inline_sha).status, 200, "brought as a data URI")
        problem(read(bert, inline_sha), 404, "unknown_blob", "another key's data URI")
        body, headers = form(
            [("spec", b'{"kind": "upscale", "model": "toy"}', None), ("image", inline, "a.png")]
        )
        answer = server.request("POST", "/v1/jobs", body, {**headers, **bert})
        equal(answer.status, 202, answer.body)
        equal(read(bert, inline_sha).status, 200, "brought by a form")
    with Daemon("--keys-file", keys, data=data, models=models) as server:
        equal(read(anna, hers).status, 200, "after a restart")
        problem(read(bert, hers), 404, "unknown_blob")
    with Daemon("--keys-file", keys_file(carl="s3"), data=data, models=models) as server:
        problem(read({"Authorization": "Bearer s3"}, sha), 404, "unknown_blob", "a new key")
    with Daemon(data=data, models=models) as server:
        equal(read({}, hers).status, 200, "without keys everybody may")


def test_E12_browsers():
    host = d().host
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": f"http://{host}"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:1"}, 202),
        ({"Host": "evil.example", "X-Forwarded-Host": host}, 403),
    ):
        answer = post(spec(), headers)
        equal(answer.status, status, headers)
        if status == 403:
            problem(answer, 403, "forbidden", str(headers))
        check("Access-Control-Allow-Origin" not in answer.headers, "CORS is off")
    equal(
        d().get("/v1/jobs", headers={"Host": "evil.example"}).status,
        403,
        "reads too: a rebound name",
    )
    before = len(d().get("/v1/jobs?limit=200").json()["data"])
    for path in (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.yaml",
        "/v1/kinds",
        "/v1/models",
        "/v1/jobs",
        "/v1/blobs/" + "0" * 64,
    ):
        d().get(path)
    equal(len(d().get("/v1/jobs?limit=200").json()["data"]), before, "GET changes nothing")


def test_F06_listed_origin():
    with Daemon("--origins", "https://app.example", "--hosts", "box.lan") as server:
        origin = {"Origin": "https://app.example"}
        answer = server.request(
            "OPTIONS",
            "/v1/jobs",
            headers={
                **origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, idempotency-key",
            },
        )
        equal(answer.status, 204)
        equal(answer.headers.get("Access-Control-Allow-Origin"), "https://app.example")
        check(
            "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            and "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
            and "POST" in answer.headers["Access-Control-Allow-Methods"],
            answer.headers,
        )
        check(
            "Access-Control-Allow-Credentials" not in answer.headers
            and answer.headers["Vary"] == "Origin",
            answer.headers,
        )
        equal(
            post(spec(), origin, server).headers.get("Access-Control-Allow-Origin"),
            "https://app.example",
        )
        for other in (
            "https://app.example.evil",
            "http://app.example",
            "https://app.example:444",
            "null",
        ):
            equal(
                server.request("OPTIONS", "/v1/jobs", headers={"Origin": other}).status, 403, other
            )
            equal(post(spec(), {"Origin": other}, server).status, 403, other)
        equal(server.get("/v1/jobs", headers={"Host": "box.lan:80"}).status, 200)
        equal(server.get("/v1/jobs", headers={"Host": "box.lan.evil"}).status, 403)


def test_open_bind_is_refused_without_keys():
    code, _, err = harness.run(
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--data",
        folder(),
        "--models",
        folder(),
        "--device",
        "cpu",
    )
    check(code != 0 and "0.0.0.0" in err and "allow" in err and "keys" in err, err)
    for listen in (
        "127.0.0.1",
        "127.0.0.1:99999",
        ":80",
        "::1:80",
        "127.0.0.1:x",
        "nonsense.invalid:1",
    ):
        code, _, err = harness.run(
            "serve", "--listen", listen, "--data", folder(), "--models", folder(), "--device", "cpu"
        )
        check(code == 2 and "listen" in err, f"{listen}: {code} {err}")


if __name__ == "__main__":
    harness.main(globals())
