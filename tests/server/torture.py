#!/usr/bin/env python3
"""torture.py --kills N --jobs M [--seed S] - kills the daemon with kill -9 at random instants while a
client sends M small jobs, until both are used up; then proves that nothing was lost:

  - each accepted job is there, in a final state, with its result or a stated error;
  - each idempotency key made exactly one job, and there is no job that nobody sent;
  - a final state, once seen, never changed: not the time, not the output, not over later kills;
  - each output is what this input must give, by digest, and downloads whole;
  - canceled jobs are canceled or had succeeded before.

The client retries with the same key when an answer did not come. Closes with N passed, N failed.
"""

import argparse
import hashlib
import http.client
import random
import threading
import time

import harness as h
import toy_onnx as t
from harness import check, equal

MAX_ATTEMPTS = 100  # kills strike innocent jobs: none shall be given up
FINAL = ("succeeded", "failed", "canceled")


def works():
    """What the jobs are: (kind, model, inputs, parameters). In f32 where rounding would show: two
    daemons may measure different precisions as the quicker one."""
    pictures = [h.png(w, w) for w in (16, 40, 96)]
    sound = t.wav([int(i * 37 % 1009 - 504) * 9 for i in range(80000)])
    a = t.npy_bytes("f", (3, 2), [1, 2, 3, 4, 5, 6])
    b = t.npy_bytes("f", (3, 2), [10, 20, 30, 40, 50, 60])
    return [
        *[
            ("upscale", model, {"image": p}, {"scale": 2})
            for p in pictures
            for model in ("toy", "slow")
        ],
        ("stylize", "two", {"image": pictures[1]}, {"styles": "[1,2]", "precision": "f32"}),
        ("stylize", "mean", {"image": pictures[2], "style": pictures[0]}, {"strength": 0.5, "precision": "f32"}),
        ("matte", "bright", {"image": pictures[2], "background": pictures[0]}, {}),
        ("denoise-speech", "same", {"audio": sound}, {}),
        ("tensor", "sums", {"a": a, "b": b}, {}),
    ]


def spec_of(work):
    kind, model, inputs, params = work
    blobs = {name: hashlib.sha256(data).hexdigest() for name, data in inputs.items()}
    return {"kind": kind, "model": model, "inputs": blobs, "params": params}


class Stage:
    """The daemon of the moment: killed and started again by one thread, used by others."""

    def __init__(self):
        self.models = t.every_kind(h.toy_models())
        self.daemon = self._start(h.folder())
        self.kills = 0

    def _start(self, data):
        return h.Daemon(
            "--max-attempts",
            str(MAX_ATTEMPTS),
            "--max-queued",
            "100000",
            "--log-level",
            "warn",
            data=data,
            models=self.models,
            wait_ready=False,
        )

    def kill(self):
        dead = self.daemon
        dead.kill()
        self.kills += 1
        self.daemon = self._start(dead.data)

    def request(self, *words, **more):
        """Asks until there is an answer: the daemon may be dead at any moment."""
        while True:
            try:
                return self.daemon.request(*words, **more)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)


class Client:
    def __init__(self, stage, n_jobs, rng):
        self.stage, self.n_jobs, self.rng = stage, n_jobs, rng
        self.works = works()
        self.accepted = {}  # key -> (job id, which of the works)
        self.canceled = set()
        self.final = {}  # job id -> what was seen first
        self.errors = []

    def upload(self):
        for data in {d for _, _, inputs, _ in self.works for d in inputs.values()}:
            answer = self.stage.request(
                "POST", "/v1/blobs", data, {"Content-Type": "application/octet-stream"}
            )
            assert answer.status in (200, 201), answer.body

    def submit(self, i):
        which = self.rng.randrange(len(self.works))
        spec = spec_of(self.works[which])
        key = f"key-{i}"
        while True:
            answer = self.stage.request("POST", "/v1/jobs", spec, {"Idempotency-Key": key})
            if answer.status in (200, 202):
                break
            if answer.status not in (429, 503):
                self.errors.append(f"{key}: {answer.status} {answer.body[:200]}")
                return
            time.sleep(0.02)
        job = answer.json()["id"]
        self.accepted[key] = (job, which)
        if self.rng.random() < 0.1:
            if self.stage.request("DELETE", f"/v1/jobs/{job}").status in (200, 202):
                self.canceled.add(job)
        if self.rng.random() < 0.3:
            self.look(self.rng.choice(list(self.accepted.values()))[0])

    def look(self, job):
        """Remembers a final state; says when one has changed."""
        answer = self.stage.request("GET", f"/v1/jobs/{job}")
        if answer.status != 200:
            self.errors.append(f"{job}: {answer.status} {answer.body[:200]}")
            return None
        j = answer.json()
        if j["state"] not in FINAL:
            if job in self.final:
                self.errors.append(f"{job}: was {self.final[job]}, now {j['state']}")
            return None
        seen = (j["state"], j["finished_at"], [o["sha256"] for o in j["outputs"]], j["attempts"])
        if self.final.setdefault(job, seen) != seen:
            self.errors.append(f"{job}: was {self.final[job]}, now {seen}")
        return j

    def run(self, n_kills):
        for i in range(self.n_jobs):
            while i * n_kills > (self.stage.kills + 1) * self.n_jobs:
                time.sleep(0.005)  # the stream lasts as long as the kills do
            self.submit(i)
            time.sleep(self.rng.random() * 0.02)


def all_jobs(stage):
    """Every job id that the daemon knows, through the list's pages."""
    ids, cursor = [], ""
    while True:
        page = stage.request("GET", f"/v1/jobs?limit=100{cursor}").json()
        ids += [j["id"] for j in page["data"]]
        if not page.get("next_cursor"):
            return ids
        cursor = f"&cursor={page['next_cursor']}"


def expected_outputs(client):
    """Digests of the right outputs of each work, from a daemon that nobody kills."""
    with h.Daemon(models=client.stage.models) as d:
        right = []
        for work in client.works:
            for data in work[2].values():
                d.blob(data)
            job = d.finished(d.request("POST", "/v1/jobs", spec_of(work)).json()["id"])
            assert job["state"] == "succeeded", job
            right.append([o["sha256"] for o in job["outputs"]])
        return right


def verify(client, stage):
    right = expected_outputs(client)
    for error in client.errors[:20]:
        check(False, error)
    equal(len(client.accepted), client.n_jobs, "jobs accepted")
    ids = [job for job, _ in client.accepted.values()]
    equal(len(set(ids)), len(ids), "one job a key")
    listed = all_jobs(stage)
    equal(sorted(listed), sorted(ids), "no job is lost and none is made up")
    states = {}
    for job, which in client.accepted.values():
        j = client.look(job)
        if not check(j is not None, f"{job}: no final state"):
            continue
        states[j["state"]] = states.get(j["state"], 0) + 1
        if j["state"] == "succeeded":
            got = [
                hashlib.sha256(stage.request("GET", o["href"]).body).hexdigest()
                for o in j["outputs"]
            ]
            check(
                got == [o["sha256"] for o in j["outputs"]] == right[which],
                f"{job}: {client.works[which][:2]}: its outputs differ",
            )
        else:
            check(
                j["state"] == "canceled" and job in client.canceled,
                f"{job}: {j['state']} {j['error']}",
            )
    for error in client.errors[20:]:
        check(False, error)
    return states


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    words = parser.parse_args()
    seed = words.seed if words.seed is not None else random.randrange(1 << 30)
    rng = random.Random(seed)
    stage = Stage()
    client = Client(stage, words.jobs, random.Random(seed + 1))
    began = time.monotonic()
    client.upload()
    sender = threading.Thread(target=client.run, args=(words.kills,), daemon=True)
    sender.start()
    while stage.kills < words.kills:
        # From while it starts to well into its work; each second one long enough to finish some jobs.
        time.sleep(rng.random() * rng.choice((0.05, 0.5)) * h.SLOW)
        stage.kill()
    sender.join(600 * h.SLOW)
    check(not sender.is_alive(), "the client has sent everything")
    idle = lambda: all(
        client.look(job) for job, _ in client.accepted.values() if job not in client.final
    )
    h.eventually(idle, 300, 0.2)
    states = verify(client, stage)
    print(
        f"seed {seed}: {stage.kills} kills, {words.jobs} jobs in {time.monotonic() - began:.0f} s: {states}, "
        f"most attempts {max(a for _, _, _, a in client.final.values())}"
    )
    equal(stage.daemon.stop(), 0, "a last, orderly stop")
    print(f"{h.passed} passed, {h.failed} failed, 0 skipped")
    raise SystemExit(1 if h.failed or not h.passed else 0)


if __name__ == "__main__":
    main()
