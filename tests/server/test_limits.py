"""Limits, half-sent requests, many clients: what must never end the daemon or make it grow."""

import hashlib
import http.client
import json
import os
import random
import socket
import threading
import time

import harness
from harness import Daemon, Skip, check, equal, eventually, png
from api import form, keys_file, metrics, post, problem, spec, uri

PICTURE = png(20, 10)


def connect(server, timeout=20):
    host, port = server.host.split(":")
    return socket.create_connection((host, int(port)), timeout * harness.SLOW)


def talk(server, data, timeout=20):
    """Sends bytes as they are, reads to the end or to silence; (status or None, bytes)."""
    got = b""
    with connect(server, timeout) as s:
        try:
            s.sendall(data)
        except OSError:
            pass
        s.settimeout(timeout * harness.SLOW)
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
                head = got.find(b"\r\n\r\n")
                if head >= 0:
                    length = [
                        int(line.split(b":")[1])
                        for line in got[:head].lower().split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ]
                    if length and len(got) >= head + 4 + length[0]:
                        break
        except OSError:
            pass
    return (int(got[9:12]) if got.startswith(b"HTTP/1.") else None), got


def resident(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def small(*more):
    return Daemon("--max-body-bytes", "100000", "--max-blob-bytes", "200000", *more)


# ---- E15: bodies over the limit ------------------------------------------------------------------


def test_E15_body_limits():
    with small() as server:
        fits = json.dumps(spec()).encode()
        fits += b" " * (100000 - len(fits))
        kind = {"Content-Type": "application/json"}
        equal(post(fits, kind, server).status, 202, "at the limit")
        p = problem(post(fits + b" ", kind, server), 413, "payload_too_large", "one byte more")
        equal((p["limit"], p["received"]), (100000, 100001))
        p = problem(
            post(b" " * 5000000, kind, server),
            413,
            "payload_too_large",
            "much more: the answer arrives all the same",
        )
        equal(p["received"], 5000000)
        answer = server.request(
            "POST", "/v1/blobs", b"x" * 200000, {"Content-Type": "application/octet-stream"}
        )
        equal(answer.status, 201, "blob at its limit")
        answer = server.request(
            "POST", "/v1/blobs", b"x" * 200001, {"Content-Type": "application/octet-stream"}
        )
        equal(problem(answer, 413, "payload_too_large")["limit"], 200000)
        body, headers = form(
            [
                ("spec", json.dumps({"kind": "upscale", "model": "toy"}).encode(), None),
                ("image", b"x" * 100000, "f"),
            ]
        )
        problem(post(body, headers, server), 413, "payload_too_large", "form")
        problem(
            server.request("GET", "/healthz", b"x" * 70000),
            413,
            "payload_too_large",
            "a body where none belongs",
        )
        equal(
            server.request("GET", "/healthz", b"x" * 100).status, 200, "a small one is thrown away"
        )
        limits = server.get("/v1/kinds").json()["limits"]
        equal(
            (limits["max_body_bytes"], limits["max_blob_bytes"]),
            (100000, 200000),
            "they can be asked for",
        )
        equal(metrics(server)["synthd_http_inflight_bytes"], 0, "all given back")


def test_E15_chunked_over_the_limit():
    with small() as server:
        for path, kind, n in (
            ("/v1/jobs", "application/json", 150000),
            ("/v1/blobs", "image/png", 300000),
        ):
            connection = http.client.HTTPConnection(server.host, timeout=20)
            connection.request(
                "POST",
                path,
                (b" " * 1000 for _ in range(n // 1000)),
                {"Content-Type": kind},
                encode_chunked=True,
            )
            answer = connection.getresponse()
            equal(answer.status, 413, path)
            equal(json.loads(answer.read())["code"], "payload_too_large")
            connection.close()
        # One that never ends is cut off.
        with connect(server) as s:
            s.sendall(
                b"POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            sent, chunk = 0, b"10000\r\n" + b"x" * 65536 + b"\r\n"
            try:
                while sent < 50 << 20:
                    s.sendall(chunk)
                    sent += 65536
            except OSError:
                pass
            check(sent < 20 << 20, f"cut off after {sent} bytes")
        equal(server.get("/healthz").status, 200)


def test_E15_expect_continue():
    with small() as server:
        head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n{}\r\n"
        for path, kind, length, more, status in (
            ("/v1/jobs", "application/json", 100001, "", 413),
            ("/v1/jobs", "text/plain", 10, "", 415),
            ("/v1/nothing", "application/json", 10, "", 404),
            ("/healthz", "application/json", 10, "", 405),
            ("/v1/jobs", "application/json", 10, "Origin: http://evil\r\n", 403),
        ):
            got, text = talk(server, head.format(path, kind, length, more).encode())
            equal(got, status, f"{path}: the final answer before the body")
            check(b"application/problem+json" in text, text[:200])
        body = json.dumps(spec()).encode()
        with connect(server) as s:
            s.sendall(head.format("/v1/jobs", "application/json", len(body), "").encode())
            check(s.recv(1000).startswith(b"HTTP/1.1 100"), "100 first")
            s.sendall(body)
            check(s.recv(1000).startswith(b"HTTP/1.1 202"), "then the answer")
    with Daemon("--keys-file", keys_file(anna="s1")) as server:
        equal(talk(server, head.format("/v1/jobs", "application/json", 10, "").encode())[0], 401)


# ---- B11: uploads in flight ----------------------------------------------------------------------


def test_B11_uploads_in_flight():
    with Daemon("--max-inflight-bytes", "3000000") as server:
        held = []
        for _ in range(2):
            s = connect(server)
            s.sendall(
                b"POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1400000\r\n\r\nx"
            )
            held.append(s)
        check(
            eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 2800000),
            "reserved by what was announced",
        )
        answer = server.request("POST", "/v1/blobs", b"x" * 300000, {"Content-Type": "image/png"})
        problem(answer, 429, "uploads_full")
        check(
            1 <= int(answer.headers["Retry-After"]) <= 120
            and answer.headers["x-should-retry"] == "true",
            answer.headers,
        )
        equal(
            server.request(
                "POST", "/v1/blobs", b"x" * 100000, {"Content-Type": "image/png"}
            ).status,
            201,
            "there is room for a small one",
        )
        for s in held:
            s.close()
        check(eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 0), "given back")
        equal(
            server.request(
                "POST", "/v1/blobs", b"x" * 300000, {"Content-Type": "image/png"}
            ).status,
            201,
        )
        equal(
            server.request(
                "POST", "/v1/blobs", b"x" * 4000000, {"Content-Type": "image/png"}
            ).status,
            201,
            "one alone is let through",
        )
        equal(metrics(server)['synthd_jobs_rejected_total{reason="bytes"}'], 1)


def test_B11_json_counts_what_it_takes_in_memory():
    """JSON stays in memory: its text, the parser's copy, and the document; a form goes to disk."""
    with Daemon("--max-inflight-bytes", "3000000") as server:
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 800000\r\n\r\n%s"
        one, two = connect(server), connect(server)
        one.sendall(head % (b"application/json", b"{"))
        check(
            eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 2400000),
            "three times its length",
        )
        two.sendall(head % (b"application/json", b"{"))
        two.settimeout(10 * harness.SLOW)
        check(two.recv(4000).startswith(b"HTTP/1.1 429 "), "a second one is too much")
        one.close()
        two.close()
        check(eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 0), "given back")
        with connect(server) as form:
            form.sendall(head % (b"multipart/form-data; boundary=f", b"--f"))
            check(
                eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 800000),
                "a form by its length",
            )


def test_E01_more_than_the_memory_to_decode():
    """What could never be decoded here is refused at submit, not failed later."""
    with Daemon("--memory-budget-bytes", str(16 << 20), "--queue", "pause") as server:
        fits, large = harness.png(1000, 1000), harness.png(2400, 2400)
        equal(post(spec(inputs={"image": uri(fits)}), {}, server).status, 202)
        answer = post(spec(inputs={"image": uri(large)}), {}, server)
        problem(answer, 413, "payload_too_large")
        body = answer.json()
        equal(body["limit"], 16 << 20)
        check(body["received"] >= 2400 * 2400 * 3, body)


def test_A38_more_than_the_memory_for_its_pictures():
    """A small input whose result could never be held here is refused at submit too."""
    with Daemon("--memory-budget-bytes", str(16 << 20)) as server:
        picture = uri(harness.png(1000, 1000))
        needed = 3 * (2000 * 2000 + 1500 * 1500)  # the network's own size, and the one asked for
        answer = post(spec(inputs={"image": picture}, params={"scale": 1.5}), {}, server)
        body = problem(answer, 413, "payload_too_large")
        equal((body.get("limit"), body.get("received")), (16 << 20, needed))
        check("memory_budget_bytes" in answer.body.decode(), body)
        fits = post(spec(inputs={"image": picture}), {"Prefer": "wait=25"}, server)
        equal(fits.json().get("state"), "succeeded", fits.body)
    models = harness.toy_models()
    path = os.path.join(harness.folder(), "in.png")
    with open(path, "wb") as f:
        f.write(harness.png(1000, 1000))
    words = ("run", "upscale", "--models", models, "--model", "toy", "--device", "cpu", "--in",
             f"image={path}", "--out", path + ".out.png", "--memory-budget-bytes")
    code, _, err = harness.run(*words, str(14 << 20))
    check(code == 1 and f"memory_budget_bytes is {14 << 20}" in err, f"{code} {err}")
    check(not os.path.exists(path + ".out.png"), "nothing is left")
    code, _, err = harness.run(*words, str(15 << 20))
    check(code == 0 and os.path.exists(path + ".out.png"), f"{code} {err}")


def test_C09_waiters_leave_room():
    """Waiting is a favour: enough connections stay for those who ask whether the server lives."""
    with Daemon("--queue", "pause", "--max-connections", "8") as server:
        waiters = [
            harness.in_thread(lambda: post(spec(), {"Prefer": "wait=8"}, server)) for _ in range(6)
        ]
        check(
            eventually(lambda: metrics(server)['synthd_jobs{state="queued"}'] == 6, 6),
            "all are accepted",
        )
        for _ in range(3):
            answer = post(spec(), {"Prefer": "wait=8"}, server)
            equal(answer.status, 202)
            check("Preference-Applied" not in answer.headers, "no room to wait")
        equal(server.get("/healthz").status, 200, "alive")
        check(all(w.is_alive() for w in waiters), "while they wait")
        for w in waiters:
            w.join()
        equal(
            post(spec(), {"Prefer": "wait=1"}, server).headers.get("Preference-Applied"),
            "wait=1",
            "room again",
        )


def test_waiting_holds_no_room():
    with Daemon("--queue", "pause") as server:
        waiter = harness.in_thread(lambda: post(spec(), {"Prefer": "wait=5"}, server))
        check(eventually(lambda: server.get("/v1/jobs").json()["data"]), "submitted")
        check(
            eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 0, 3),
            "given back while it waits",
        )
        check(waiter.is_alive(), "it does wait")
        waiter.join()


def test_queue_full():
    with Daemon("--queue", "pause", "--max-queued", "2") as server:
        key = {"Idempotency-Key": "k"}
        equal([post(spec(), key, server).status, post(spec(), {}, server).status], [202, 202])
        answer = post(spec(), server=server)
        problem(answer, 429, "queue_full")
        check(
            1 <= int(answer.headers["Retry-After"]) <= 120
            and answer.headers["x-should-retry"] == "true",
            answer.headers,
        )
        equal(post(spec(), key, server).status, 202, "a replay is never refused")
        job = server.get("/v1/jobs").json()["data"][0]["id"]
        equal(server.request("DELETE", f"/v1/jobs/{job}").status, 200)
        equal(post(spec(), {}, server).status, 202, "room again")
        equal(metrics(server)['synthd_jobs_rejected_total{reason="queue_full"}'], 1)


# ---- C21: half-sent requests ---------------------------------------------------------------------


def test_C21_aborted_uploads():
    with Daemon() as server:
        server.blob(b"warm")
        before, files = resident(server), metrics(server)["process_open_fds"]
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 5000000\r\n\r\n"
        frontier = b'--f\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
        for i in range(200):
            path, kind, start = (
                (b"/v1/blobs", b"image/png", b""),
                (b"/v1/jobs", b"application/json", b'{"a":"'),
                (b"/v1/jobs", b"multipart/form-data; boundary=f", frontier),
            )[i % 3]
            s = connect(server)
            s.sendall(head % (path, kind) + start)
            s.sendall(b"x" * (2500000 if i % 10 == 0 else 20000 * (i % 5)))
            if i % 2:
                s.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                )  # a reset, not a close
            s.close()
        check(
            eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 0), "all given back"
        )
        check(
            eventually(lambda: metrics(server)["process_open_fds"] <= files + 2),
            "no descriptor leaked",
        )
        check(
            eventually(lambda: not os.listdir(os.path.join(server.data, "blobs", "tmp"))),
            "no temporary file left",
        )
        check(
            harness.SLOW > 1 or resident(server) - before < 40 << 20,
            f"grew by {(resident(server) - before) >> 20} MiB",
        )
        equal(server.stop(), 0, "exit code")


def test_dripping_headers():
    with Daemon("--idle-timeout-seconds", "1") as server:
        began = time.monotonic()
        with connect(server) as silent, connect(server) as drip:
            closed = None
            for c in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"b" * 1000:
                try:
                    drip.sendall(bytes((c,)))
                    drip.settimeout(0.2)
                    if drip.recv(100) == b"":
                        closed = time.monotonic() - began
                        break
                except TimeoutError:
                    pass
                except OSError:
                    closed = time.monotonic() - began
                    break
                if time.monotonic() - began > 15 * harness.SLOW:
                    break
            check(
                closed is not None and closed < 8 * harness.SLOW,
                f"a byte now and then does not hold a connection: {closed}",
            )
            silent.settimeout(10 * harness.SLOW)
            equal(silent.recv(100), b"", "nor does silence")
        # A waited job outlives the idle time.
        with Daemon("--queue", "pause", "--idle-timeout-seconds", "1") as slow:
            equal(post(spec(), {"Prefer": "wait=3"}, slow).status, 202)


def test_connection_cap():
    with Daemon("--max-connections", "20") as server:
        held = [connect(server) for _ in range(40)]
        time.sleep(0.3)
        for s in held:
            s.close()
        check(eventually(lambda: answers(server)), "serves again")
        equal(server.stop(), 0)


def answers(server):
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


# ---- malformed requests --------------------------------------------------------------------------


def garbage(rng):
    """One raw request that is wrong in some way, and whether it may also be right."""
    good = json.dumps(spec()).encode()
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    n = rng.randrange(14)
    if n == 0:  # length that is none
        return (
            head
            + b"Content-Length: "
            + rng.choice(
                [b"-1", b"x", b"1e3", b"99999999999999999999999", b"0x10", b"", b"1 2", b"+5"]
            )
            + b"\r\n\r\n"
            + good
        )
    if n == 1:  # chunked garbage
        return (
            head
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + rng.choice(
                [
                    b"zz\r\n",
                    b"-5\r\nabc\r\n",
                    b"fffffffffffffffffff\r\n",
                    b"5\r\nabcdefgh\r\n0\r\n\r\n",
                    b"\r\n\r\n",
                    b"5;" + b"x" * 70000 + b"\r\n",
                ]
            )
        )
    if n == 2:  # huge headers
        return (
            b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Big: "
            + b"a" * rng.choice([40000, 70000, 200000])
            + b"\r\n\r\n"
        )
    if n == 3:  # huge path
        return (
            b"GET /"
            + b"a" * rng.choice([9000, 70000, 150000])
            + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
    if n == 4:  # noise
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400))) + b"\r\n\r\n"
    if n == 5:  # request line
        return rng.choice(
            [
                b"GET\r\n\r\n",
                b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
                b" / HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET  HTTP/1.1\r\n\r\n",
                b"GET /healthz\x00x HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"\r\n" * 50 + b"X\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            ]
        )
    if n == 6:  # both lengths
        return head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    if n == 7:  # no Host
        return b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
    if n == 8:  # encoded paths
        return (
            b"GET /v1/"
            + rng.choice(
                [
                    b"jobs/%00",
                    b"blobs/..%2f..%2fetc",
                    b"models/%ff%fe",
                    b"jobs/%",
                    b"jobs?limit=%00",
                    b"jobs?cursor=%80",
                ]
            )
            + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
    if n == 9:  # form noise
        body = bytes(rng.choice(b'-fX\r\n";=: name') for _ in range(rng.randrange(300)))
        return (
            b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=f\r\nContent-Length: %d\r\n\r\n"
            % len(body)
            + body
        )
    body = bytearray(good)  # a job with bytes changed, cut, doubled
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(body))
        if n == 10:
            body[at] = rng.randrange(256)
        elif n == 11:
            del body[at : at + rng.randrange(20)]
        elif n == 12:
            body[at:at] = body[at : at + rng.randrange(30)]
        else:
            body[at:at] = rng.choice(
                [b"{", b"[", b'"', b",", b"\\u0000", b"null", b"1e999", b"\xff"]
            )
        if not body:
            body = bytearray(b"x")
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + bytes(body)


def test_malformed_requests():
    """A thousand of them: 4xx or a closed connection, and the same process afterwards."""
    seed = int(os.environ.get("SEED", "1"))
    with Daemon("--queue", "pause", "--max-queued", "100000") as server:
        seen = {}
        for i in range(1000):
            data = garbage(random.Random(seed * 100000 + i))
            status, text = talk(server, data, 5 if i else 20)
            seen[status] = seen.get(status, 0) + 1
            # A mutation can be sound (a byte of metadata); 505 is HTTP's word for a version we do
            # not speak. Before its 1.0, libmicrohttpd itself answers 500 to a chunk's line over its
            # buffer, and closes.
            if status == 500 and b"5;" + b"x" * 60000 in data and b"GNU libmicrohttpd" in text:
                continue
            check(
                status is None or 400 <= status < 500 or status in (200, 202, 505),
                f"request {i}: {status} {data[:200]!r} {text[:200]!r}",
            )
            if status and status not in (200, 202) and b"application/problem+json" in text:
                check(b'"code":"internal"' not in text, f"request {i}: {text[:300]!r}")
        check(sum(n for s, n in seen.items() if s and 400 <= s < 500) > 600, seen)
        equal(server.process.poll(), None, "the same process")
        equal(server.get("/healthz").status, 200)
        check(
            eventually(lambda: metrics(server)["synthd_http_inflight_bytes"] == 0), "all given back"
        )
        equal(server.stop(), 0)


def test_framing_that_others_may_read_differently():
    """A request whose end a proxy could see elsewhere is refused, and nothing after it is read."""
    next_one = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    blob = b"POST /v1/blobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    chunks = b"5\r\nhello\r\n0\r\n\r\n"
    with Daemon() as server:
        for what, data in {
            "two lengths, the first 0": get
            + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(next_one),
            "two lengths": blob + b"Content-Length: 5\r\ncontent-length: 50\r\n\r\nhello",
            "the same length twice": blob + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "a blank before the colon": blob + b"Content-Length : 5\r\n\r\nhello",
            "a tab before the colon": blob + b"Transfer-Encoding\t: chunked\r\n\r\n" + chunks,
            "length and chunks": blob
            + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks,
            "another coding": blob + b"Transfer-Encoding: xchunked\r\n\r\n" + chunks,
            "two codings": blob + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks,
            "two coding headers": blob
            + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"
            + chunks,
            "two hosts": get + b"Host: elsewhere.example\r\n\r\n",
        }.items():
            s = connect(server)
            s.settimeout(5 * harness.SLOW)
            s.sendall(data + next_one)
            got = b""
            try:
                while piece := s.recv(65536):
                    got += piece
            except (TimeoutError, ConnectionResetError) as e:
                got += repr(e).encode()
            s.close()
            check(
                got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1 ") == 1,
                f"{what}: {got[:300]!r} {got[-200:]!r}",
            )
            check(b'"code":"invalid_header"' in got, f"{what}: {got[-300:]!r}")
        equal(
            talk(server, get + b"transfer-encoding: Chunked\r\n\r\n0\r\n\r\n")[0],
            200,
            "words in any case",
        )


def test_json_of_countless_values():
    """A body of brackets would grow fortyfold in memory: it is refused before it is read."""
    if harness.SLOW > 1:
        raise Skip("memory under a sanitizer says nothing")
    with Daemon() as server:
        before = resident(server)
        for body in (
            b'{"kind":[' + b"[]," * 5_000_000 + b"1]}",
            b'{"kind":{' + b",".join(b'"%d":1' % i for i in range(500_000)) + b"}}",
        ):
            answer = server.request("POST", "/v1/jobs", body, {"Content-Type": "application/json"})
            problem(answer, 400, "invalid_json")
        grown = (resident(server) - before) >> 20
        check(grown < 60, f"grew by {grown} MiB")


def test_random_json_specs():
    """Well-formed JSON of the wrong shape: always 4xx, and the members that are wrong are named."""
    rng = random.Random(int(os.environ.get("SEED", "1")))
    names = [
        "kind",
        "model",
        "inputs",
        "params",
        "output",
        "priority",
        "metadata",
        "on_disconnect",
        "image",
        "scale",
        "format",
        "x",
    ]

    def value(depth=0):
        n = rng.randrange(10 if depth < 4 else 7)
        if n < 7:
            return rng.choice(
                [
                    None,
                    True,
                    0,
                    -1,
                    2**31,
                    1.5,
                    "",
                    "upscale",
                    "toy",
                    "png",
                    "x" * 50,
                    "\u00e9\U0001f600",
                    1e300,
                ]
            )
        if n == 7:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        return {rng.choice(names): value(depth + 1) for _ in range(rng.randrange(6))}

    with Daemon("--queue", "pause") as server:
        for i in range(300):
            body = value()
            if i % 2:
                body = spec(**{rng.choice(names[:8]): value() for _ in range(rng.randrange(1, 4))})
            answer = server.request(
                "POST", "/v1/jobs", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            check(
                answer.status == 202 or 400 <= answer.status < 500,
                f"{body!r}: {answer.status} {answer.body[:200]!r}",
            )
            if answer.status == 422:
                check(answer.json()["errors"], answer.body[:300])


# ---- many clients --------------------------------------------------------------------------------


def test_many_clients():
    """64 at once, each through the whole way of a job: none fails, memory stays bounded."""
    with Daemon() as server:
        post(spec(), {"Prefer": "wait=20"}, server)
        before, failures, done = resident(server), [], []

        def client(number):
            connection = http.client.HTTPConnection(server.host, timeout=120 * harness.SLOW)
            try:
                for turn in range(3):
                    picture = png(16 + number % 7, 8 + turn)
                    connection.request(
                        "POST",
                        "/v1/jobs",
                        json.dumps(spec(inputs={"image": uri(picture)})).encode(),
                        {"Content-Type": "application/json", "Prefer": "wait=25"},
                    )
                    answer = connection.getresponse()
                    job = json.loads(answer.read())
                    while job["state"] in ("queued", "running"):
                        connection.request("GET", f"/v1/jobs/{job['id']}")
                        job = json.loads(connection.getresponse().read())
                    connection.request("GET", job["outputs"][0]["href"])
                    answer = connection.getresponse()
                    data = answer.read()
                    if (
                        answer.status != 200
                        or hashlib.sha256(data).hexdigest() != job["outputs"][0]["sha256"]
                    ):
                        failures.append((number, answer.status))
                    done.append(job["outputs"][0]["width"] == 2 * (16 + number % 7))
            except Exception as e:  # any failure of a client counts
                failures.append((number, repr(e)))
            finally:
                connection.close()

        threads = [threading.Thread(target=client, args=(i,)) for i in range(64)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(failures, [])
        equal(done, [True] * 192)
        grown = (resident(server) - before) >> 20
        check(grown < 150 * max(1, harness.SLOW / 2), f"grew by {grown} MiB")
        check(
            eventually(lambda: metrics(server)['synthd_http_connections{state="active"}'] == 1),
            "all connections ended",
        )


def test_large_uploads_do_not_pile_up():
    """Parallel pictures of several megabytes, as base64 and as blobs."""
    if harness.SLOW > 1:
        raise Skip("memory under a sanitizer says nothing")
    noise = os.urandom(3 << 20)
    with Daemon("--max-inflight-bytes", str(24 << 20)) as server:
        before, statuses = resident(server), []

        def client(n):
            for _ in range(3):
                body = json.dumps(spec(inputs={"image": uri(noise)})).encode() if n % 2 else noise
                try:
                    answer = server.request(
                        "POST",
                        "/v1/jobs" if n % 2 else "/v1/blobs",
                        body,
                        {"Content-Type": "application/json" if n % 2 else "image/png"},
                        timeout=60,
                    )
                    statuses.append(answer.status)
                except OSError as e:
                    statuses.append(repr(e))

        threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(set(statuses) <= {201, 415, 429} and 201 in statuses and 415 in statuses, statuses)
        grown = (resident(server) - before) >> 20
        check(grown < 200, f"grew by {grown} MiB")


if __name__ == "__main__":
    harness.main(globals())
