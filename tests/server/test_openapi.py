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
    kind = kinds[0]
    equal(
        {i["name"] for i in kind["inputs"]},
        set(schemas["JobSpec"]["properties"]["inputs"]["properties"]),
        "inputs",
    )
    for table, ours in (
        (kind["params"], schemas["UpscaleParams"]),
        (kind["output"], schemas["Output"]),
    ):
        equal(set(table["properties"]), set(ours["properties"]), "names")
        for name, row in table["properties"].items():
            said = {k: v for k, v in ours["properties"][name].items() if k != "description"}
            equal({k: v for k, v in row.items() if k != "description"}, said, name)
    with open(os.path.join(harness.ROOT, "server", "http", "problem.h"), encoding="utf-8") as f:
        codes = re.findall(r"^    X\((\w+), \d+", f.read(), re.M)
    check(len(codes) > 20, codes)
    equal(set(schemas["Problem"]["properties"]["code"]["enum"]), set(codes), "codes")
    with open(os.path.join(harness.ROOT, "docs", "api.md"), encoding="utf-8") as f:
        text = f.read()
    equal([c for c in codes if f"`{c}`" not in text], [], "codes that docs/api.md does not explain")


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
    with Daemon(models=os.path.dirname(toy_model(folder(), "toy"))) as server:
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
