"""What the tests of the native API share: one daemon, requests, and what a refusal looks like."""

import base64
import hashlib
import os
import struct
import zlib

from harness import Daemon, check, equal, folder, png

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
    return (
        {e["pointer"]: e["code"] for e in answer.json().get("errors", [])}
        if answer.status == status
        else {}
    )


def form(parts, boundary="frontier"):
    """(body, headers) of a form; parts: (name, bytes, file name or None)."""
    out = b""
    for name, data, file in parts:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        out += (
            (
                f'; filename="{file}"\r\nContent-Type: application/octet-stream' if file else ""
            ).encode()
            + b"\r\n\r\n"
            + data
            + b"\r\n"
        )
    return out + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def paused():
    return Daemon("--queue", "pause")


def bomb(width, height):
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0)
        + struct.pack(
            ">I", zlib.crc32(struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0))
        )
        + struct.pack(">I4s", 0, b"IDAT")
        + struct.pack(">I", zlib.crc32(b"IDAT"))
    )


def resident():
    with open(f"/proc/{d().process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def metrics(server=None):
    out = {}
    for line in (server or d()).get("/metrics").body.decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            out[name] = float(value)
    return out


def keys_file(**keys):
    path = os.path.join(folder(), "keys")
    with open(path, "w", encoding="ascii") as f:
        for name, key in keys.items():
            f.write(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}\n")
    return path
