"""proto/openapi.yaml says what the server does: requests made from it by schemathesis, right and
wrong ones, and the places where it repeats a table of the program.

Needs schemathesis (tests/requirements.txt): beside this Python, or $SCHEMATHESIS. SEED and
EXAMPLES choose another run.
"""

import os
import re
import subprocess
import sys

import harness
import toy_onnx
from api import keys_file
from harness import Daemon, Skip, check, equal, folder, toy_model

DOCUMENT = os.path.join(harness.ROOT, "proto", "openapi.yaml")
SCHEMATHESIS = os.environ.get(
    "SCHEMATHESIS", os.path.join(os.path.dirname(sys.executable), "schemathesis")
)
CONFIG = """
[checks]
ignored_auth.enabled = false # keys are an option of the operator's
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 404, 409, 416, 429]
"""


def document():
    try:
        import yaml
    except ImportError as e:
        raise Skip("no PyYAML here") from e
    with open(DOCUMENT, encoding="utf-8") as f:
        return yaml.safe_load(f)


def test_document_is_served():
    with Daemon() as server:
        answer = server.get("/openapi.yaml")
        with open(DOCUMENT, "rb") as f:
            check(answer.body == f.read(), "the served document is the one in proto/")
        equal(answer.headers["Content-Type"], "application/yaml")


def test_tables_agree():
    schemas = document()["components"]["schemas"]
    with Daemon() as server:
        kinds = server.get("/v1/kinds").json()["data"]
    equal([k["kind"] for k in kinds], schemas["JobSpec"]["properties"]["kind"]["enum"], "kinds")
    forms = {f["properties"]["kind"]["const"]: f["properties"] for f in schemas["JobSpec"]["oneOf"]}
    equal(set(forms), {k["kind"] for k in kinds}, "forms of a job")
    for kind in kinds:
        form = forms[kind["kind"]]
        inputs = form["inputs"]
        equal({i["name"] for i in kind["inputs"]}, set(inputs.get("properties", {})), kind["kind"])
        needed = {i["name"] for i in kind["inputs"] if i["required"]}
        equal(needed, set(inputs.get("required", [])), kind["kind"])
        for member in ("params", "output"):
            table, ours = kind[member], schemas[form[member]["$ref"].rsplit("/", 1)[1]]
            what = f"{kind['kind']} {member}"
            equal(ours["additionalProperties"], False, what)
            equal(set(table["properties"]), set(ours.get("properties", {})), what)
            for name, row in table["properties"].items():
                said = {k: v for k, v in ours["properties"][name].items() if k != "description"}
                equal({k: v for k, v in row.items() if k != "description"}, said, f"{what} {name}")
    with open(os.path.join(harness.ROOT, "server", "http", "problem.h"), encoding="utf-8") as f:
        codes = re.findall(r"^    X\((\w+), \d+", f.read(), re.M)
    check(len(codes) > 20, codes)
    equal(set(schemas["Problem"]["properties"]["code"]["enum"]), set(codes), "codes")
    with open(os.path.join(harness.ROOT, "docs", "api.md"), encoding="utf-8") as f:
        text = f.read()
    equal([c for c in codes if f"`{c}`" not in text], [], "codes that docs/api.md does not explain")


# On every answer, as the document's introduction says; or HTTP's own.
EVERYWHERE = {"x-request-id", "cache-control", "x-content-type-options", "content-type"}
EVERYWHERE |= {"content-length", "date", "connection"}


def resolved(root, node):
    while "$ref" in node:
        at = root
        for step in node["$ref"].split("/")[1:]:
            at = at[step]
        node = at
    return node


def test_headers_are_declared():
    """What an answer carries is in the document, has the form said there, and what must be there is."""
    root = document()
    seen = set()

    def look(answer, method, path, status, *wanted):
        what = f"{method} {path} {status}"
        equal(answer.status, status, f"{what}: {answer.body[:200]}")
        responses = root["paths"][path][method]["responses"]
        response = resolved(root, responses.get(str(status), responses["default"]))
        rows = {k.lower(): resolved(root, v) for k, v in response.get("headers", {}).items()}
        got = {k.lower(): v for k, v in answer.headers.items()}
        equal(set(got) - EVERYWHERE - set(rows), set(), f"{what}: not declared")
        must = {name for name, row in rows.items() if row.get("required")}
        equal((must | set(wanted)) - set(got), set(), f"{what}: missing")
        for name in set(rows) & set(got):
            schema, value = rows[name]["schema"], got[name]
            seen.add(name)
            check(
                value in schema.get("enum", [value])
                and value == schema.get("const", value)
                and re.search(schema.get("pattern", ""), value)
                and (schema.get("type") != "integer" or schema["minimum"] <= int(value) <= schema["maximum"]),
                f"{what}: {name}: {value!r} is not {schema}",
            )

    jobs, one, bytes_of = "/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/outputs/{n}"
    with Daemon() as server:
        sha = server.blob(harness.png(8, 6))
        spec = {"kind": "upscale", "model": "toy", "inputs": {"image": sha}}
        post = lambda body=spec, **headers: server.request("POST", jobs, body, headers)
        kind = {"Content-Type": "application/octet-stream"}
        look(server.request("POST", "/v1/blobs", b"bytes", kind), "post", "/v1/blobs", 201, "location")
        look(server.get(f"/v1/blobs/{sha}"), "get", "/v1/blobs/{sha256}", 200, "etag")
        key = {"Idempotency-Key": "k"}
        waited = post(**key, Prefer="wait=20")
        look(waited, "post", jobs, 200, "location", "preference-applied")
        look(post(**key), "post", jobs, 200, "location", "idempotency-replayed")
        conflict = post({**spec, "priority": 1}, **key)
        look(conflict, "post", jobs, 409, "location")
        output = waited.json()["outputs"][0]["href"]
        tag = {"If-None-Match": f'"{waited.json()["outputs"][0]["sha256"]}"'}
        for headers, status in ({}, 200), ({"Range": "bytes=0-3"}, 206), (tag, 304):
            look(server.get(output, headers=headers), "get", bytes_of, status, "content-disposition")
        look(server.get(output, headers={"Range": "bytes=999999-"}), "get", bytes_of, 416)
        for body, status in (b"{", 400), ({**spec, "more": 1}, 422), ({**spec, "kind": "no"}, 404):
            answer = server.request("POST", jobs, body, {"Content-Type": "application/json"})
            look(answer, "post", jobs, status)
        look(server.request("POST", jobs, b"a", {"Content-Type": "text/plain"}), "post", jobs, 415)
    with Daemon("--queue", "pause", "--max-queued", "2") as server:
        sha = server.blob(harness.png(8, 6))
        spec = {"kind": "upscale", "model": "toy", "inputs": {"image": sha}}
        queued = server.request("POST", jobs, spec, {**key, "Prefer": "wait=1"})
        look(queued, "post", jobs, 202, "location", "preference-applied", "retry-after")
        look(server.request("POST", jobs, spec, key), "post", jobs, 202, "idempotency-replayed")
        path = f"/v1/jobs/{queued.json()['id']}"
        look(server.get(path), "get", one, 200, "retry-after")
        server.submit(sha)
        look(server.submit(sha), "post", jobs, 429)
        look(server.request("DELETE", path), "delete", one, 200)
        look(server.request("PUT", path), "get", one, 405, "allow")
    with Daemon("--keys-file", keys_file(anna="s1")) as server:
        look(server.get(jobs), "get", jobs, 401, "www-authenticate")
    declared = {n.lower() for r in root["components"]["responses"].values() for n in r.get("headers", {})}
    equal(declared - seen, set(), "declared, but never seen here")


def run(server, *words):
    """One run against the server; checks that it found nothing."""
    where = folder()
    with open(os.path.join(where, "schemathesis.toml"), "w", encoding="utf-8") as f:
        f.write(CONFIG)
    command = [
        SCHEMATHESIS,
        "run",
        DOCUMENT,
        "--url",
        server.url,
        "--seed",
        os.environ.get("SEED", "1"),
        "--max-examples",
        os.environ.get("EXAMPLES", "20"),
        "--suppress-health-check",
        "all",
        "--warnings",
        "off",
        "--continue-on-failure",
        "--no-color",
        *words,
    ]
    pid = server.process.pid
    done = subprocess.run(
        command, cwd=where, capture_output=True, text=True, timeout=300 * harness.SLOW, check=False
    )
    check(
        done.returncode == 0,
        f"schemathesis {done.returncode}: {done.stdout[-6000:]}{done.stderr[-1000:]}",
    )
    generated = re.search(r"(\d+) generated", done.stdout)
    check(generated and int(generated.group(1)) > 100, done.stdout[-500:])
    equal(
        (server.process.poll(), server.process.pid, server.get("/healthz").status),
        (None, pid, 200),
        "alive",
    )


def test_schemathesis():
    if not os.access(SCHEMATHESIS, os.X_OK):
        raise Skip("no schemathesis here: scripts/install-deps --tests")
    with Daemon(models=toy_onnx.every_kind(os.path.dirname(toy_model(folder(), "toy")))) as server:
        run(server, "--checks", "all", "--exclude-checks", "positive_data_acceptance")
        # What the schema allows is taken. Not so for jobs: a text need not be a picture, nor
        # parameters fit together.
        run(
            server,
            "--checks",
            "positive_data_acceptance",
            "--exclude-operation-id",
            "postJob",
            "--phases",
            "coverage,fuzzing",
        )


if __name__ == "__main__":
    harness.main(globals())
