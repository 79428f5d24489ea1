#!/usr/bin/env python3
"""torture.py --kills N --jobs M [--seed S] - kills the daemon with kill -9 at random instants while a
client sends M small jobs, until both are used up; then proves that nothing was lost:

  - each accepted job is there, in a final state, with its result or a stated error;
  - each idempotency key made exactly one job, and there is no job that nobody sent;
  - a final state, once seen, never changed: not the time, not the output, not over later kills;
  - each output is the picture that this input must give, by digest, and downloads whole;
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
from harness import check, equal

MAX_ATTEMPTS = 100  # kills strike innocent jobs: none shall be given up
FINAL = ("succeeded", "failed", "canceled")


class Stage:
    """The daemon of the moment: killed and started again by one thread, used by others."""

    def __init__(self):
        self.models = h.toy_models()
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
        self.pictures = [h.png(w, w) for w in (16, 40, 96)]
        self.blobs = [hashlib.sha256(p).hexdigest() for p in self.pictures]
        self.accepted = {}  # key -> (job id, picture, model)
        self.canceled = set()
        self.final = {}  # job id -> what was seen first
        self.errors = []

    def upload(self):
        for picture in self.pictures:
            answer = self.stage.request(
                "POST", "/v1/blobs", picture, {"Content-Type": "application/octet-stream"}
            )
            assert answer.status in (200, 201), answer.body

    def submit(self, i):
        which, model = self.rng.randrange(len(self.blobs)), self.rng.choice(("toy", "slow"))
        spec = {
            "kind": "upscale",
            "model": model,
            "inputs": {"image": self.blobs[which]},
            "params": {"scale": 2},
        }
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
        self.accepted[key] = (job, which, model)
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
    """Digest of the right output for each picture and model, from a daemon that nobody kills."""
    with h.Daemon(models=client.stage.models) as d:
        right = {}
        for which, picture in enumerate(client.pictures):
            blob = d.blob(picture)
            for model in ("toy", "slow"):
                job = d.finished(d.submit(blob, model=model, scale=2).json()["id"])
                assert job["state"] == "succeeded", job
                right[which, model] = job["outputs"][0]["sha256"]
        return right


def verify(client, stage):
    right = expected_outputs(client)
    for error in client.errors[:20]:
        check(False, error)
    equal(len(client.accepted), client.n_jobs, "jobs accepted")
    ids = [job for job, _, _ in client.accepted.values()]
    equal(len(set(ids)), len(ids), "one job a key")
    listed = all_jobs(stage)
    equal(sorted(listed), sorted(ids), "no job is lost and none is made up")
    states = {}
    for job, which, model in client.accepted.values():
        j = client.look(job)
        if not check(j is not None, f"{job}: no final state"):
            continue
        states[j["state"]] = states.get(j["state"], 0) + 1
        if j["state"] == "succeeded":
            body = stage.request("GET", f"/v1/jobs/{job}/outputs/0").body
            check(
                hashlib.sha256(body).hexdigest()
                == j["outputs"][0]["sha256"]
                == right[which, model],
                f"{job}: its output differs",
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
        client.look(job) for job, _, _ in client.accepted.values() if job not in client.final
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
