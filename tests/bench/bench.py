"""Benchmarks against the peers: `make bench`, `make bench WORK=name`. Writes $BUILD/bench.json.

Each engine runs in a process of its own that stays up; the parent asks them in turn for one run
each, so that whatever else the machine does hits all alike. While one runs, the others are stopped
(SIGSTOP), so that nobody's idle threads take the cores. The first round is not counted.

Rows: {work, shape, ours_ms, peer, peer_ms, ratio, ours_rss_mib, peer_rss_mib, threads, runs,
precision, cpu}. ratio = peer_ms / ours_ms of medians: above 1 we are quicker. RSS is the peak of
the whole process (VmHWM).
Works:
    x4plus, animevideov3    one picture through the network, everything loaded
    x4plus-start, ...       from before the files are read to the first output, fresh processes
    http512                 a 512x512 photo through the daemon (upload, queue, decode, tiles,
                            encode, download); the peer is our own engine on a tensor as large
    multistyle26-512, ...   ONNX models (onnx_works.py lists them): there an engine's process loads,
                            runs once and then some timed times, and ends; the engines take turns,
                            three rounds of it. NAME-start: from before the file is read to the
                            first output, of the same processes

    python3 tests/bench/bench.py [--work NAME[@SHAPE]] [--runs 7] [--threads 2] [--peers a,b]
                                 [--shapes WxH,...] [--starts 3] [--precision auto|f32|bf16]
                                 [--prefix "chrt -f 5"]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD") or os.path.join(ROOT, "build")
CACHE = os.environ.get("SYNTHD_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "synthd"
)
MODELS = os.environ.get("MODELS") or os.path.join(CACHE, "models")

# name: model's folder, graph and weights, pictures as (columns, rows)
WORKS = {
    "x4plus": ("realesrgan-x4plus", "realesrgan-x4plus", [(128, 128), (256, 256)]),
    "animevideov3": ("realesr-animevideov3", "realesr-animevideov3-x4", [(640, 360)]),
}
PEERS = ["onnxruntime", "openvino-f32", "openvino-bf16", "ncnn", "torch-bf16"]
HTTP_MODEL = "realesrgan-x4plus"


class Gone(Exception):
    """The process ended instead of answering; says what it wrote."""


class Child:
    """An engine in its own process. Stopped except while it is asked."""

    def __init__(self, name, command):
        self.name, self.times, self.peak_kib = name, [], 0
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            bufsize=1,
        )
        answer = self.read()
        self.ready_ms, self.precision = float(answer["ms"]), answer["precision"]
        self.process.send_signal(signal.SIGSTOP)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            raise Gone(
                "not installed"
                if code == 3
                else self.errors.read().decode(errors="replace").strip()[-200:]
            )
        return dict(pair.split("=") for pair in line.split() if "=" in pair)

    def ask(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("run\n")
        answer = self.read()
        self.process.send_signal(signal.SIGSTOP)
        self.times.append(float(answer["ms"]))
        self.peak_kib = int(answer["peak_kib"])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def median(self):
        return statistics.median(self.times)


def cpu_name():
    out = subprocess.run(
        ["lscpu"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    ).stdout
    names = [
        line.split(":", 1)[1].strip() for line in out.splitlines() if line.startswith("Model name:")
    ]
    return names[0] if names else "unknown"


def peer_python():
    """The interpreter with the peers: $BENCH_PYTHON, or an environment made once in the cache."""
    if os.environ.get("BENCH_PYTHON"):
        return os.environ["BENCH_PYTHON"]
    venv = os.path.join(CACHE, "venv-bench")
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(python):
        print("bench: peers into %s" % venv, flush=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run(
            [
                python,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "-r",
                os.path.join(ROOT, "tests", "requirements.txt"),
                "-r",
                os.path.join(HERE, "requirements.txt"),
            ],
            check=True,
        )
    return python


class Bench:
    def __init__(self, args):
        self.args, self.rows, self.cpu = args, [], cpu_name()
        self.program = os.path.join(BUILD, "test", "run_model")
        self.tuning = tempfile.NamedTemporaryFile(prefix="synthd-tuning-")
        self.python = None

    def our_command(self, folder, file, columns, rows):
        # The tuning file is there from the second start on, as in a daemon's data folder.
        return [
            self.program,
            "--serve",
            "--graph",
            "%s/%s/%s.param" % (MODELS, folder, file),
            "--weights",
            "%s/%s/%s.bin" % (MODELS, folder, file),
            "--shape",
            "1,3,%d,%d" % (rows, columns),
            "--threads",
            str(self.args.threads),
            "--precision",
            self.args.precision,
            "--tuning",
            self.tuning.name,
        ]

    def peer_command(self, peer, folder, file, columns, rows):
        self.python = self.python or peer_python()
        return [
            self.python,
            os.path.join(HERE, "peer.py"),
            peer,
            "%s/%s/%s.param" % (MODELS, folder, file),
            "%s/%s/%s.bin" % (MODELS, folder, file),
            str(rows),
            str(columns),
            str(self.args.threads),
        ]

    def row(self, work, shape, ours_ms, peer, peer_ms, ours_kib, peer_kib, runs, precision):
        row = {
            "work": work,
            "shape": shape,
            "ours_ms": round(ours_ms, 3),
            "peer": peer,
            "peer_ms": round(peer_ms, 3),
            "ratio": round(peer_ms / ours_ms, 3),
            "ours_rss_mib": round(ours_kib / 1024, 1),
            "peer_rss_mib": round(peer_kib / 1024, 1),
            "threads": self.args.threads,
            "runs": runs,
            "precision": precision,
            "cpu": self.cpu,
        }
        self.rows.append(row)
        print(
            "%-18s %-9s ours %9.1f ms %7.0f MiB   %-14s %9.1f ms %7.0f MiB   ratio %.2f"
            % (
                work,
                shape,
                ours_ms,
                row["ours_rss_mib"],
                peer,
                peer_ms,
                row["peer_rss_mib"],
                row["ratio"],
            ),
            flush=True,
        )

    def start(self, name, command):
        """A child, or None with a line that says why."""
        try:
            return Child(name, command)
        except Gone as why:
            if name == "ours":
                raise
            print("%-18s left out: %s" % (name, why), flush=True)
            return None

    def alternate(self, work, folder, file, columns, rows):
        shape = "%dx%d" % (columns, rows)
        children = []
        try:
            children.append(self.start("ours", self.our_command(folder, file, columns, rows)))
            for peer in self.args.peers:
                child = self.start(peer, self.peer_command(peer, folder, file, columns, rows))
                if child:
                    children.append(child)
            for turn in range(self.args.runs + 1):
                for child in children:
                    child.ask()
                    if turn == 0:
                        child.times.clear()
            ours = children[0]
            for peer in children[1:]:
                self.row(
                    work,
                    shape,
                    ours.median(),
                    peer.name,
                    peer.median(),
                    ours.peak_kib,
                    peer.peak_kib,
                    self.args.runs,
                    ours.precision,
                )
        finally:
            for child in children:
                if child:
                    child.close()

    def starts(self, work, folder, file, columns, rows):
        """From nothing loaded to the first output, each time in a new process, in alternation."""
        shape, names = "%dx%d" % (columns, rows), ["ours"] + list(self.args.peers)
        found = {name: ([], [], []) for name in names}
        for turn in range(self.args.starts + 1):
            for name in list(names):
                command = (
                    self.our_command(folder, file, columns, rows)
                    if name == "ours"
                    else self.peer_command(name, folder, file, columns, rows)
                )
                child = self.start(name, command)
                if not child:
                    names.remove(name)
                    continue
                child.ask()
                if turn > 0:  # the first turn brings the files into memory
                    found[name][0].append(child.ready_ms)
                    found[name][1].append(child.peak_kib)
                    found[name][2].append(child.precision)
                child.close()
        ms, kib, precision = found["ours"]
        for name in names[1:]:
            self.row(
                work,
                shape,
                statistics.median(ms),
                name,
                statistics.median(found[name][0]),
                max(kib),
                max(found[name][1]),
                self.args.starts,
                precision[0],
            )

    def http(self):
        """One photo through the daemon, upload to downloaded result, against the engine alone."""
        sys.path[:0] = [
            os.path.join(ROOT, "tests", "server"),
            os.path.join(ROOT, "tests", "parity"),
        ]
        import harness
        import pictures

        side = self.args.http_side
        with tempfile.NamedTemporaryFile(suffix=".png") as f:
            pictures.photo("astronaut").crop((0, 0, side, side)).save(f.name)
            with open(f.name, "rb") as png:
                data = png.read()
        engine, times = None, []
        with harness.Daemon(
            "--threads", str(self.args.threads), "--precision", self.args.precision, models=MODELS
        ) as daemon:
            try:
                engine = self.start("ours", self.our_command(HTTP_MODEL, HTTP_MODEL, side, side))
                for turn in range(self.args.runs + 1):
                    began = time.perf_counter()
                    job = daemon.submit(
                        daemon.blob(data), HTTP_MODEL, {"Prefer": "wait=120"}
                    ).json()
                    if job.get("state") in ("queued", "running"):
                        job = daemon.finished(job["id"], 600)
                    if job.get("state") != "succeeded":
                        raise RuntimeError(
                            "http512: %s: %s"
                            % (job.get("state"), json.dumps(job.get("error") or job)[:400])
                        )
                    result = daemon.get("/v1/jobs/%s/outputs/0" % job["id"], timeout=60)
                    took = (time.perf_counter() - began) * 1e3
                    if result.status != 200 or not result.body:
                        raise RuntimeError("http512: output: %d" % result.status)
                    engine.ask()
                    if turn == 0:
                        engine.times.clear()
                    else:
                        times.append(took)
                with open("/proc/%d/status" % daemon.process.pid) as status:
                    peak = next(
                        int(line.split()[1]) for line in status if line.startswith("VmHWM:")
                    )
                self.row(
                    "http512",
                    "%dx%d" % (side, side),
                    statistics.median(times),
                    "engine alone",
                    engine.median(),
                    peak,
                    engine.peak_kib,
                    self.args.runs,
                    engine.precision,
                )
            finally:
                if engine:
                    engine.close()


    def onnx(self, name, works, maker):
        """A work on ONNX models and its start, in one go: the same processes give both."""
        base = name[: -len("-start")] if name.endswith("-start") else name
        if not works.has(maker, base):
            print("%-18s left out: its models are not fetched" % base, flush=True)
            return
        self.python = self.python or peer_python()
        prefix = self.args.prefix.split()
        program = os.environ.get("SYNTHD") or os.path.join(BUILD, "synthd")
        with tempfile.TemporaryDirectory() as folder:
            data = os.path.join(folder, "data")
            commands = {
                "ours": works.our_command(
                    program, self.args.threads, self.args.precision, data, prefix, base
                )
            }
            wanted = works.PEERS if self.args.peers is PEERS else self.args.peers
            for peer in works.peers_of(base, wanted):
                commands[peer] = works.peer_command(
                    self.python, peer, self.args.threads, prefix
                )
            figures = works.measure(base, maker, folder, commands, self.args.runs)
        ours = figures.pop("ours")
        for peer, theirs in figures.items():
            pairs = [(base, ours.median_ms(), theirs.median_ms(), ours.runs())]
            pairs += [(base + "-start", ours.start_ms(), theirs.start_ms(), works.ROUNDS)]
            for work, our_ms, peer_ms, runs in pairs:
                self.row(
                    work,
                    works.WORKS[base][0],
                    our_ms,
                    peer,
                    peer_ms,
                    ours.peak_mib() * 1024,
                    theirs.peak_mib() * 1024,
                    runs,
                    self.args.precision,
                )


def onnx_works():
    """The module, or None with a line that says why: it needs what tests/requirements.txt lists."""
    sys.path.insert(0, HERE)
    try:
        import onnx_works as works
    except ImportError as why:
        print("ONNX works left out: %s" % why, flush=True)
        return None
    return works


def parse_shape(text):
    columns, _, rows = text.partition("x")
    return int(columns), int(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--work", default="", help="x4plus, x4plus@128x128, x4plus-start, http512...; default: all"
    )
    parser.add_argument("--runs", type=int, default=int(os.environ.get("RUNS") or 7))
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("THREADS") or 2))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=PEERS)
    parser.add_argument(
        "--shapes",
        type=lambda s: [parse_shape(t) for t in s.split(",")],
        help="instead of each work's own",
    )
    parser.add_argument("--http-side", type=int, default=512)
    parser.add_argument("--prefix", default="", help="before each ONNX engine's command")
    parser.add_argument("--out", default=os.path.join(BUILD, "bench.json"))
    args = parser.parse_args()
    name, _, only = args.work.partition("@")
    works = onnx_works()
    onnx_names = list(works.WORKS) if works else []
    known = [n + s for n in [*WORKS, *onnx_names] for s in ("", "-start")] + ["http512"]
    if name and name not in known:
        parser.error("--work %s: must be one of %s" % (name, ", ".join(known)))
    bench = Bench(args)
    print("%s, %d threads, medians of %d" % (bench.cpu, args.threads, args.runs), flush=True)
    for work, (folder, file, shapes) in WORKS.items():
        for columns, rows in args.shapes or shapes:
            if only and only != "%dx%d" % (columns, rows):
                continue
            if name in ("", work):
                bench.alternate(work, folder, file, columns, rows)
        columns, rows = (args.shapes or shapes)[0]
        if name in ("", work + "-start") and only in ("", "%dx%d" % (columns, rows)):
            bench.starts(work + "-start", folder, file, columns, rows)
    if works:
        maker = works.reference.Maker(MODELS, works.reference.default_out())
        for work in onnx_names:
            if name in ("", work, work + "-start"):
                bench.onnx(work, works, maker)
    if name in ("", "http512"):
        bench.http()
    with open(args.out, "w") as f:
        json.dump(bench.rows, f, indent=1)
        f.write("\n")
    print("%d rows in %s" % (len(bench.rows), os.path.relpath(args.out)))
    return 0 if bench.rows else 1


if __name__ == "__main__":
    sys.exit(main())
