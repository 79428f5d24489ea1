#!/usr/bin/env python3
"""Jobs from outside: nothing lost over crashes, cancel, pause, stop, memory given back. Each test carries
the code of the fault it keeps out."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import harness as h
from harness import check, equal

WIDE = h.png(256, 256)  # in tiles of 8 that is 1024 units, in tiles of 32 it is 64


def submit(d, blob, model="slow", **params):
    answer = d.submit(blob, model=model, **params)
    assert answer.status == 202, answer.body
    return answer.json()["id"]


def running(d, job_id, units=1):
    """Waits until the job has done so many units."""
    return h.eventually(
        lambda: (lambda j: j["state"] == "running" and j["units"]["done"] >= units)(d.job(job_id))
    )


def test_c01_kill_during_a_job():
    """Five jobs, kill -9 during the second: one done once, two retried once, the rest in order."""
    d = h.Daemon()
    blob = d.blob(WIDE)
    ids = [submit(d, blob, model="toy")]
    d.finished(ids[0])
    ids += [submit(d, blob, tile=16) for _ in range(4)]
    check(running(d, ids[1]), "the second runs")
    d.kill()
    with h.Daemon(data=d.data, models=d.models) as again:
        jobs = [again.finished(i) for i in ids]
        check(
            all(j["state"] == "succeeded" for j in jobs),
            f"{[(j['state'], j['error']) for j in jobs]}",
        )
        equal([j["attempts"] for j in jobs], [1, 2, 1, 1, 1], "attempts")
        starts = [j["started_at"] for j in jobs[1:]]
        check(starts == sorted(starts), f"in order: {starts}")
        equal(
            len({j["outputs"][0]["sha256"] for j in jobs[1:]}), 1, "the retried result is the same"
        )
        body = again.get(f"/v1/jobs/{ids[1]}/outputs/0").body
        equal(h.png_pixels(body)[:2], (512, 512), "its picture is whole")


def test_c02_crash_loop():
    """A job in whose company the process dies max_attempts times is failed as crashed, not run again."""
    d = h.Daemon("--max-attempts", "2")
    blob = d.blob(WIDE)
    bad = submit(d, blob, tile=8)
    waiting = submit(d, blob, model="toy")
    check(running(d, bad), "first try runs")
    d.kill()
    d = h.Daemon("--max-attempts", "2", data=d.data, models=d.models, wait_ready=False)
    check(running(d, bad), "second try runs")
    d.kill()
    with h.Daemon("--max-attempts", "2", data=d.data, models=d.models) as third:
        job = third.job(bad)
        check(
            job["state"] == "failed" and job["error"]["code"] == "crashed" and job["attempts"] == 2,
            f"{job}",
        )
        equal(third.finished(waiting)["state"], "succeeded", "the job behind it")
        equal(third.get("/readyz").status, 200, "healthy")


def test_c04_cancel_a_running_job():
    with h.Daemon() as d:
        blob = d.blob(WIDE)
        job = submit(d, blob, tile=8)
        after = submit(d, blob, model="toy")
        check(running(d, job, 3), "it runs")
        began = time.monotonic()
        answer = d.request("DELETE", f"/v1/jobs/{job}")
        check(answer.status in (200, 202), f"DELETE: {answer.status} {answer.body}")
        ended = h.eventually(lambda: d.job(job)["state"] == "canceled", 5)
        took = time.monotonic() - began
        done = d.job(job)
        check(ended and took < 0.2 * h.SLOW + 0.1, f"canceled after {took:.3f} s: {done['state']}")
        check(3 <= done["units"]["done"] < 1024, f"stopped on the way: {done['units']}")
        equal(done["outputs"], [], "no output")
        equal(d.request("DELETE", f"/v1/jobs/{job}").status, 200, "again: fine")
        equal(d.finished(after)["state"], "succeeded", "the next job")
        equal(d.request("DELETE", f"/v1/jobs/{after}").status, 409, "a finished one")


def test_c05_cancel_before_the_first_unit():
    """Jobs canceled while queued are never decoded; the one behind them runs."""
    with h.Daemon() as d:
        blob = d.blob(WIDE)
        first = submit(d, blob, tile=8)
        waiting = [submit(d, blob) for _ in range(5)]
        last = submit(d, blob, model="toy")
        for job in waiting:
            equal(d.request("DELETE", f"/v1/jobs/{job}").status, 200, "queued: at once")
        d.request("DELETE", f"/v1/jobs/{first}")
        equal(d.finished(last)["state"], "succeeded", "the last")
        for job in waiting:
            j = d.job(job)
            check(
                j["state"] == "canceled" and j["started_at"] is None and j["attempts"] == 0,
                f"never started: {j}",
            )


def test_c06_cancel_reaches_its_job_only():
    """Cancel of a waiting job leaves the running one alone; cancel(1) racing the end of 1 and the start of
    2 never reaches 2."""
    with h.Daemon() as d:
        blob, small = d.blob(WIDE), d.blob(h.png(24, 24))
        one, three = submit(d, blob, tile=16), submit(d, blob)
        check(running(d, one), "it runs")
        d.request("DELETE", f"/v1/jobs/{three}")
        job = d.finished(one)
        check(
            job["state"] == "succeeded" and job["units"]["done"] == job["units"]["total"] > 1,
            f"{job['state']} {job['units']}",
        )
        equal(d.job(three)["state"], "canceled", "the waiting one")
        hit = 0
        for i in range(150):
            one, two = submit(d, small, model="toy"), submit(d, small, model="toy")
            time.sleep(0.0004 * (i % 12))
            status = d.request("DELETE", f"/v1/jobs/{one}").status
            first, second = d.finished(one), d.finished(two)
            hit += second["state"] != "succeeded"
            if not (first["state"], status) in (
                ("canceled", 200),
                ("canceled", 202),
                ("succeeded", 202),
                ("succeeded", 409),
            ):
                check(False, f"round {i}: {first['state']} after {status}")
        equal(hit, 0, "jobs hit by another's cancel in 150 races")


def test_c07_pause_survives_a_restart():
    d = h.Daemon()
    blob = d.blob(h.png(16, 16))
    d.signal(signal.SIGUSR1)
    check(h.eventually(lambda: "queue paused" in d.log_text()), "SIGUSR1 pauses")
    ids = [submit(d, blob, model="toy", tile=8) for _ in range(3)]
    time.sleep(0.3)
    equal([d.job(i)["state"] for i in ids], ["queued"] * 3, "paused: all queued")
    equal([d.job(i)["queue_position"] for i in ids], [0, 1, 2], "positions")
    d.stop()
    with h.Daemon(data=d.data, models=d.models) as again:
        time.sleep(0.3)
        equal(
            [again.job(i)["state"] for i in ids], ["queued"] * 3, "still paused after the restart"
        )
        again.signal(signal.SIGUSR2)
        jobs = [again.finished(i) for i in ids]
        equal([j["state"] for j in jobs], ["succeeded"] * 3, "resumed: all run")
        equal({j["params"]["tile"] for j in jobs}, {8}, "parameters kept")


def test_c09_liveness_under_load():
    """Liveness answers while the engine works; readiness says why not while the daemon stops."""
    with h.Daemon() as d:
        blob = d.blob(WIDE)
        job = submit(d, blob, tile=8)
        check(running(d, job), "it runs")
        times = []
        for _ in range(200):
            began = time.monotonic()
            assert d.get("/healthz").status == 200
            times.append(time.monotonic() - began)
        times.sort()
        check(times[197] < 0.05 * h.SLOW + 0.05, f"liveness p99 {times[197] * 1e3:.1f} ms")
        equal(d.get("/readyz").status, 200, "ready under load")
        d.signal(signal.SIGTERM)
        answer = h.eventually(
            lambda: (lambda a: a if a.status == 503 else None)(d.get("/readyz")), 2
        )
        check(answer and answer.status == 503, "readiness 503 while draining")
        refused = d.submit(blob, model="toy")
        equal(refused.status, 503, "a new job while draining")
        d.request("DELETE", f"/v1/jobs/{job}")
        equal(d.wait(), 0, "exit code")


def test_f05_graceful_stop():
    """SIGTERM during a job: it is finished within the deadline, the waiting client sees its end, the queue
    goes on after the restart."""
    d = h.Daemon("--shutdown-seconds", "60")
    blob = d.blob(WIDE)
    job, behind = submit(d, blob, tile=16), submit(d, blob, model="toy")
    check(running(d, job), "it runs")
    seen = []
    waiter = h.in_thread(
        lambda: seen.append(d.submit(blob, model="toy", headers={"Prefer": "wait=20"}))
    )
    time.sleep(0.05)
    d.signal(signal.SIGTERM)
    equal(d.wait(90), 0, "exit code")
    waiter.join(20 * h.SLOW)
    check(
        seen and seen[0].status in (200, 202, 503),
        f"the waiting client was answered: {seen and seen[0].status}",
    )
    with h.Daemon(data=d.data, models=d.models) as again:
        first = again.job(job)
        check(
            first["state"] == "succeeded" and first["attempts"] == 1,
            f"finished before the end: {first['state']} {first['attempts']}",
        )
        second = again.finished(behind)
        check(
            second["state"] == "succeeded" and second["attempts"] == 1,
            f"the queue goes on: {second['state']} {second['attempts']}",
        )


def test_f05_deadline_puts_the_job_back():
    d = h.Daemon("--shutdown-seconds", "0")
    job = submit(d, d.blob(WIDE), tile=8)
    check(running(d, job), "it runs")
    began = time.monotonic()
    d.signal(signal.SIGTERM)
    equal(d.wait(), 0, "exit code")
    check(time.monotonic() - began < 3 * h.SLOW, f"ended in {time.monotonic() - began:.1f} s")
    with h.Daemon("--queue", "pause", data=d.data, models=d.models) as again:
        j = again.job(job)
        check(
            j["state"] == "queued" and j["attempts"] == 0,
            f"back in the queue, its try not counted: {j['state']} {j['attempts']}",
        )


def test_f05_second_signal():
    d = h.Daemon("--shutdown-seconds", "600")
    job = submit(d, d.blob(h.png(1024, 1024)), tile=8)
    check(running(d, job), "it runs")
    d.signal(signal.SIGTERM)
    check(h.eventually(lambda: d.get("/readyz").status == 503), "draining")
    began = time.monotonic()
    d.signal(signal.SIGTERM)
    code = d.wait(10)
    check(
        code not in (None, 0) and time.monotonic() - began < 1 * h.SLOW,
        f"exit {code} in {time.monotonic() - began:.2f} s",
    )
    with h.Daemon("--queue", "pause", data=d.data, models=d.models) as again:
        j = again.job(job)
        check(
            j["state"] == "queued" and j["attempts"] == 1,
            f"recovered: {j['state']} {j['attempts']}",
        )


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def test_b05_memory_is_given_back():
    """One large job, then small ones, then idle: resident memory is back near where it was."""
    if "asan" in h.SYNTHD or "tsan" in h.SYNTHD:
        raise h.Skip("a sanitizer keeps freed memory")
    with h.Daemon("--idle-trim-seconds", "1") as d:
        small = d.blob(h.png(64, 64))
        for _ in range(10):
            d.finished(submit(d, small))
        time.sleep(2.5)
        base = rss_mib(d.process.pid)
        d.finished(submit(d, d.blob(h.png(1024, 1024)), model="toy"))
        for _ in range(10):
            d.finished(submit(d, small))
        h.eventually(lambda: rss_mib(d.process.pid) < base * 1.25 + 8, 10, 0.2)
        check(
            rss_mib(d.process.pid) < base * 1.25 + 8,
            f"RSS {base:.0f} MiB before, {rss_mib(d.process.pid):.0f} MiB after",
        )


def test_b08_after_out_of_memory():
    """A job that needs more than there is fails as out_of_memory; the next one runs."""
    if "asan" in h.SYNTHD or "tsan" in h.SYNTHD:
        raise h.Skip("a sanitizer's shadow does not fit under an address limit")
    limited = ["prlimit", f"--as={1500 << 20}", h.SYNTHD]
    with h.Daemon(
        "--max-output-pixels", "1000000000", "--memory-budget-bytes", str(1 << 32), program=limited
    ) as d:
        large = d.blob(h.png(2000, 1500, lambda x, y: (9, 9, 9)))
        small = d.blob(h.png(32, 32))
        job = d.finished(submit(d, large, model="toy", scale=6.5))
        check(
            job["state"] == "failed" and job["error"]["code"] == "out_of_memory",
            f"{job['state']} {job['error']}",
        )
        for _ in range(3):
            equal(
                d.finished(submit(d, small, model="toy"))["state"],
                "succeeded",
                "the next small job",
            )
        equal(d.get("/readyz").status, 200, "ready")


def test_b11_many_uploads_at_once():
    """Parallel uploads are bounded: some may be refused with 429 and Retry-After, memory stays flat."""
    with h.Daemon("--max-inflight-bytes", str(8 << 20), "--max-queued", "2000") as d:
        body = os.urandom(1 << 20)

        def upload(i):
            try:
                return d.request(
                    "POST",
                    "/v1/blobs",
                    body[:-4] + i.to_bytes(4, "big"),
                    {"Content-Type": "application/octet-stream"},
                )
            except OSError:  # refused while it was still sending
                return None

        before = rss_mib(d.process.pid)
        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(upload, range(200)))
        statuses = {a.status for a in answers if a}
        check(statuses <= {200, 201, 429}, f"statuses {statuses}")
        check(sum(1 for a in answers if a and a.status in (200, 201)) > 0, "some got through")
        check(
            all(a.headers.get("Retry-After") for a in answers if a and a.status == 429),
            "429 says when",
        )
        if "san/" not in h.SYNTHD:
            check(
                rss_mib(d.process.pid) < before + 60,
                f"RSS {before:.0f} -> {rss_mib(d.process.pid):.0f} MiB",
            )
        equal(
            d.finished(submit(d, d.blob(h.png(8, 8)), model="toy"))["state"],
            "succeeded",
            "a job afterwards",
        )


def test_queue_bound():
    """A full queue answers 429 and takes jobs again later."""
    with h.Daemon("--max-queued", "3", "--queue", "pause") as d:
        blob = d.blob(h.png(8, 8))
        answers = [d.submit(blob) for _ in range(5)]
        equal([a.status for a in answers], [202, 202, 202, 429, 429], "statuses")
        check(int(answers[3].headers["Retry-After"]) >= 1, "Retry-After")
        d.signal(signal.SIGUSR2)
        d.finished(answers[2].json()["id"])
        equal(d.submit(blob).status, 202, "room again")


def test_f02_read_only_root_and_no_root():
    """As uid 10001 without capabilities, everything but the state folder read-only: jobs and uploads work."""
    if (
        os.getuid() != 0
        or subprocess.run(
            ["unshare", "--mount", "true"], check=False, capture_output=True
        ).returncode
    ):
        raise h.Skip("needs root and mount namespaces")
    data = h.folder()
    os.chmod(data, 0o777)
    models = h.toy_models()
    subprocess.run(["chmod", "-R", "a+rX", models], check=True)
    # The tree may lie under a folder that others cannot enter: the binary is put beside the state.
    binary = os.path.join(data, "synthd")
    subprocess.run(["cp", h.SYNTHD, binary], check=True)
    script = (
        f"mount --bind {data} {data} && mount -o remount,bind,ro / && exec setpriv --reuid 10001 --regid 10001 --clear-groups "
        f'--bounding-set=-all --inh-caps=-all --no-new-privs {binary} "$@"'
    )
    program = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*program, "--version"], check=False, capture_output=True).returncode:
        raise h.Skip("cannot make the root read-only here")
    with h.Daemon(data=data, models=models, program=program, env={"HOME": "/nonexistent"}) as d:
        job = d.finished(submit(d, d.blob(h.png(32, 32)), model="toy"))
        equal(job["state"], "succeeded", "a job")
        equal(
            d.request(
                "POST",
                "/v1/blobs",
                os.urandom(20 << 20),
                {"Content-Type": "application/octet-stream"},
            ).status,
            201,
            "20 MB upload",
        )
        equal(d.stop(), 0, "exit code")


def test_throughput():
    """Through HTTP, queue, decoder and encoder a stream of jobs runs at the engine's own pace."""
    if h.SLOW > 1:
        raise h.Skip("timing")
    with h.Daemon() as d:
        blob = d.blob(h.png(256, 256))
        d.finished(submit(d, blob))
        d.signal(signal.SIGUSR1)
        h.eventually(lambda: "queue paused" in d.log_text())
        ids = [submit(d, blob) for _ in range(12)]
        began = time.monotonic()
        d.signal(signal.SIGUSR2)
        d.finished(ids[-1])
        wall = time.monotonic() - began
        busy = sum(d.job(i)["timings"]["compute"] for i in ids)
        print(
            f"throughput: {busy:.2f} s of compute in {wall:.2f} s: {100 * busy / wall:.1f} %",
            file=sys.stderr,
        )
        check(
            busy / wall > 0.8, f"{busy:.2f} s of compute in {wall:.2f} s"
        )  # a floor for a busy machine; 95 % on a quiet one


if __name__ == "__main__":
    h.main(globals())
