"""What the black-box tests share: a real daemon, toy models, pictures, and the closing line.

A test file defines functions test_*, ends with `harness.main(globals())`, and runs alone:
    python3 tests/server/test_x.py [NAME...]
The binary is $SYNTHD, or build/synthd. Python's standard library only. Every process started is ended.
"""

import atexit
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYNTHD = os.path.abspath(os.environ.get("SYNTHD", os.path.join(ROOT, "build", "synthd")))
# A sanitizer's or a busy machine's slowness: every deadline is multiplied by it.
SLOW = float(os.environ.get("SLOW", "1"))
passed = failed = skipped = 0


class Skip(Exception):
    """Raised by a test that cannot run here; says why."""


def check(condition, message):
    """Counts one check."""
    global passed, failed
    if condition:
        passed += 1
        return True
    failed += 1
    frame = sys._getframe(1)
    print(
        f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}: {message}", file=sys.stderr
    )
    return False


def equal(got, wanted, message=""):
    return check(got == wanted, f"{message}: got {got!r}, wanted {wanted!r}")


def main(names):
    """Runs every test_* (or those named on the command line) and prints the closing line."""
    global failed, skipped
    tests = {n: f for n, f in names.items() if n.startswith("test_") and callable(f)}
    for name, test in tests.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        began = time.monotonic()
        try:
            test()
        except Skip as why:
            skipped += 1
            print(f"{name}: skipped: {why}", file=sys.stderr)
        except Exception:
            failed += 1
            traceback.print_exc()
        if os.environ.get("VERBOSE"):
            print(f"{name} {time.monotonic() - began:.1f} s", file=sys.stderr)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


def eventually(condition, seconds=20, pause=0.02):
    """The first true value of condition(), or the last false one after so many seconds."""
    until = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(pause)


# ---- folders -------------------------------------------------------------------------------------

folders = []


def folder():
    """A fresh folder, removed at the end."""
    path = tempfile.mkdtemp(prefix="synthd-test-")
    folders.append(path)
    return path


@atexit.register
def remove_folders():
    if not os.environ.get("KEEP"):
        for path in folders:
            shutil.rmtree(path, ignore_errors=True)


# ---- pictures ------------------------------------------------------------------------------------


def png(width, height, pixel=lambda x, y: (x * 7 & 255, y * 5 & 255, (x + y) * 3 & 255)):
    """An 8-bit RGB PNG (RGBA when pixel gives four samples)."""
    rows = [b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height)]
    colour = 2 if len(pixel(0, 0)) == 3 else 6

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


def png_pixels(data):
    """(width, height, channels, rows of bytes) of an 8-bit RGB or RGBA PNG without interlacing."""
    at, idat, head = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + n]
        at += 12 + n
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            idat += body
    width, height, bits, colour = head[:4]
    assert bits == 8 and colour in (2, 6), (bits, colour)
    step = 3 if colour == 2 else 4
    raw, stride, rows, above = zlib.decompress(idat), width * step, [], bytes(width * step)
    for y in range(height):
        how, line = raw[y * (stride + 1)], bytearray(
            raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)]
        )
        for i in range(stride):
            a, b, c = (
                (line[i - step] if i >= step else 0),
                above[i],
                (above[i - step] if i >= step else 0),
            )
            p = a + b - c
            guess = (
                0,
                a,
                b,
                (a + b) // 2,
                min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2],
            )[how]
            line[i] = (line[i] + guess) & 255
        rows.append(bytes(line))
        above = line
    return width, height, step, rows


# ---- models --------------------------------------------------------------------------------------


def conv_bytes(weights, bias):
    """A convolution's record in an ncnn weight file: tag of plain floats, weights, bias."""
    return (
        struct.pack("<I", 0)
        + struct.pack(f"<{len(weights)}f", *weights)
        + struct.pack(f"<{len(bias)}f", *bias)
    )


def toy_model(models, name="toy", layers=0, channels=16, scale=2):
    """Writes models/NAME: an upscaler that repeats each pixel exactly, as an ncnn network: `layers` 3x3
    convolutions that carry the picture through `channels` channels (to take time), one more to
    3 * scale^2 channels, a pixel shuffle."""
    path = os.path.join(models, name)
    os.makedirs(path, exist_ok=True)
    lines, weights, width = ["Input in 0 1 b0"], b"", 3
    for i in range(layers + 1):
        out = 3 * scale * scale if i == layers else channels
        w = [0.0] * (out * width * 9)
        for o in range(out):
            source = o // (scale * scale) if i == layers else o
            if source < min(width, 3):
                w[(o * width + source) * 9 + 4] = 1.0
        lines.append(f"Convolution c{i} 1 1 b{i} b{i + 1} 0={out} 1=3 4=1 5=1 6={len(w)}")
        weights += conv_bytes(w, [0.0] * out)
        width = out
    lines.append(f"PixelShuffle shuffle 1 1 b{layers + 1} out 0={scale}")
    text = f"7767517\n{len(lines)} {len(lines)}\n" + "\n".join(lines) + "\n"
    files = []
    for file, data in ((f"{name}.param", text.encode()), (f"{name}.bin", weights)):
        with open(os.path.join(path, file), "wb") as f:
            f.write(data)
        files.append({"name": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    manifest = {
        "manifest": 1,
        "id": name,
        "title": f"Toy {name}",
        "kind": "upscale",
        "format": "ncnn",
        "licence": "MIT",
        "source": "tests",
        "trained_on": "nothing",
        "label_term": "algorithmicMedia",
        "edge": "zero",
        "halo": 0,
        "files": files,
        "variants": [
            {"scale": scale, "noise": None, "graph": f"{name}.param", "weights": f"{name}.bin"}
        ],
    }
    with open(os.path.join(path, "model.json"), "w", encoding="utf-8") as f:
        json.dump(manifest, f)
    return path


def toy_models():
    """A folder with "toy" (instant) and "slow" (tens of milliseconds for a 64x64 tile)."""
    path = folder()
    toy_model(path, "toy")
    toy_model(path, "slow", layers=6, channels=96)
    return path


# ---- the daemon ----------------------------------------------------------------------------------


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Daemon:
    """A synthd in its own process: on port 0, with its own data folder unless one is given."""

    def __init__(self, *options, data=None, models=None, env=None, wait_ready=True, program=None):
        self.data = data or folder()
        self.models = models or toy_models()
        self.log_path = os.path.join(self.data, "log")
        self.options = options
        command = [
            *(program or [SYNTHD]),
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            self.data,
            "--models",
            self.models,
            "--device",
            "cpu",
            *options,
        ]
        self.log = open(self.log_path, "ab")
        start = self.log.tell()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, **(env or {})},
        )
        daemons.add(self)
        self.url = eventually(lambda: self._listening(start) or self.process.poll() is not None, 30)
        if self.process.poll() is not None:
            raise RuntimeError(
                f"the daemon ended with {self.process.returncode}: {self.log_text()[-500:]}"
            )
        assert isinstance(self.url, str), "the daemon does not listen"
        self.host = self.url.split("//")[1]
        if wait_ready:
            assert eventually(lambda: self.get("/readyz").status == 200, 60), self.get(
                "/readyz"
            ).body

    def _listening(self, start):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            f.seek(start)
            for line in f:
                if line.startswith("listening url=") and line.endswith("\n"):
                    return line.split()[1][4:]
        return None

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def request(self, method, path, body=None, headers=None, timeout=30):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        connection = http.client.HTTPConnection(self.host, timeout=timeout * SLOW)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def blob(self, data):
        """Uploads; its sha256."""
        answer = self.request(
            "POST", "/v1/blobs", data, {"Content-Type": "application/octet-stream"}
        )
        assert answer.status in (200, 201), answer.body
        return hashlib.sha256(data).hexdigest()

    def submit(self, blob, model="toy", headers=None, **params):
        """The answer to one upscale job."""
        return self.request(
            "POST",
            "/v1/jobs",
            {"kind": "upscale", "model": model, "inputs": {"image": blob}, "params": params},
            headers,
        )

    def job(self, job_id):
        return self.get(f"/v1/jobs/{job_id}").json()

    def finished(self, job_id, seconds=60):
        """The job once it is in a final state."""
        done = lambda: (lambda j: j if j["state"] not in ("queued", "running") else None)(
            self.job(job_id)
        )
        return eventually(done, seconds) or self.job(job_id)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._gone()

    def stop(self, seconds=30):
        """SIGTERM; the exit code, or None when it did not end in time (then it is killed)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=30):
        try:
            code = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self._gone()
        return code

    def _gone(self):
        self.log.close()
        daemons.discard(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """An orderly end is part of every test: under a sanitizer a leak or a race shows here."""
        if self.process.poll() is None:
            code = self.stop()
            check(code == 0, f"the daemon's end: exit {code}: {self.log_text()[-2000:]}")
        elif self in daemons:
            self._gone()


daemons = set()


@atexit.register
def end_daemons():
    for d in list(daemons):
        with contextlib.suppress(ProcessLookupError):
            d.process.kill()
            d.process.wait()


def run(*words, stdin=None, env=None, timeout=120):
    """Runs `synthd WORDS`: (exit code, stdout, stderr)."""
    done = subprocess.run(
        [SYNTHD, *words],
        input=stdin,
        capture_output=True,
        timeout=timeout * SLOW,
        check=False,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def in_thread(function, *words):
    """Starts function in a thread; .join() gives its end."""
    thread = threading.Thread(target=function, args=words, daemon=True)
    thread.start()
    return thread
