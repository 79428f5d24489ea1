"""Memory over many runs: the Piper voice speaks phrases of 5 to 400 ids, other scales each time.

The program is tests/bench/soak.c, which says what must hold; here its short form. `make soak` runs
2,000 phrases.
"""

import os
import subprocess

MODEL = "en_US-joe-medium"
RUNS, WARM = "60", "20"


def run(models, program, tally):
    folder = os.path.join(models, MODEL)
    if not os.path.exists(os.path.join(folder, "model.json")):
        tally.skip("%s: not in %s" % (MODEL, models))
        return
    voice = os.path.join(folder, MODEL + ".onnx")
    command = [program, "--model", voice, "--runs", RUNS, "--warm", WARM]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as e:
        tally.check(False, "soak: %s" % e)
        return
    lines = done.stdout.strip().splitlines()
    text = done.stderr.strip() or (lines[-2] if len(lines) > 1 else "exit %d" % done.returncode)
    tally.check(done.returncode == 0, "%s, resident memory: %s" % (MODEL, text))
