"""Parity of the catalog's ONNX models: our engine against ONNX Runtime in float32 on real inputs.

    python3 tests/parity/test_onnx_models.py [--models DIR] [--synthd PROGRAM] [--only ID]
                                             [--case NAME]

DIR holds one folder per model, as `synthd models fetch` makes them; default: $MODELS, or models/ in
the cache that demo and tests share. PROGRAM: default $SYNTHD, else $BUILD/synthd. A model that is
not there is counted as skipped. Closes with "N passed, N failed, N skipped".

Tolerances, as fractions of the full scale of a picture, else of the largest value of the output:
  f32      1e-3, every value: float32 in another order is off by up to some 1e-5 here (ONNX Runtime
           against OpenVINO and PyTorch), so the limit leaves room, but not for a wrong constant.
  shipped  0.15 in relative L2: quantised networks as shipped. A value on the edge of an int8 step
           falls to either side and what follows carries it on; reading them as float is 0.05 (style
           vector) to 0.09 (picture) away. The float forms of the same files are held to f32's limit.
  bf16     pictures: 0.05 in relative L2: OpenVINO in bf16 is 0.023 to 0.027 away on these networks
           (18 instance norms in a row).
  passes   1e-3 again, all passes off and the scalar definitions, both against the same reference.
"""

import argparse
import copy
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_reference  # noqa: E402
import onnx_sound  # noqa: E402
from parity import Tally  # noqa: E402

F32_MAX = 1e-3
SHIPPED_L2 = 0.15
BF16_L2 = 0.05
ALL_PASSES = str(2**31 - 1)
# ISNet is stored in f16, which nothing but the scalar references computes in: minutes a picture.
# Without the pass that widens it (kernels/engine.h, SYN_PASS_WIDEN) that is all it would run by.
ALL_BUT_WIDEN = str((2**31 - 1) & ~(1 << 14))

# Through the scalar definitions as well: the smallest of each model, they are slow.
SCALAR = {
    "multistyle-tiny",
    "predict-golden-float",
    "vad-16000-20",
    "voice-ids5",
    "face-front-face",
}
# With all passes off as well: each network once.
PLAIN = SCALAR | {
    "multistyle-golden128",
    "predict-golden-shipped",
    "transform-golden-float",
    "transform-golden-shipped",
    "voice-golden103",
    "vad-8000-1",
    "enc-short",
    "erb_dec-short",
    "df_dec-short",
    "face-back-face",
    "matte-astronaut",
}
BF16 = {
    "multistyle-astronaut512",
    "multistyle-rocket640x427",
    "transform-golden-float",
    "matte-chelsea",
}


class Refused(Exception):
    """The program said no; the text is its last line."""


class Engine:
    def __init__(self, program, maker, folder):
        self.program, self.maker, self.folder = program, maker, folder
        self.data = os.path.join(folder, "data")

    def run(self, case, *options):
        """{output: array} of a case in our engine."""
        out = tempfile.mkdtemp(dir=self.folder)
        path = self.maker.path((case.model, case.file), case.given)
        command = [self.program, "models", "run", "--model", path, "--out-dir", out]
        for i, (name, x) in enumerate(case.inputs.items()):
            file = os.path.join(out, "in%d.npy" % i)
            np.save(file, x)
            command += ["--in", "%s=%s" % (name, file)]
        done = subprocess.run(
            command + ["--data", self.data, *options], capture_output=True, text=True, timeout=600
        )
        if done.returncode != 0:
            text = done.stderr.strip().splitlines()
            raise Refused(text[-1] if text else "exit code %d" % done.returncode)
        found = {}
        for name in case.outputs:
            found[name] = np.load(os.path.join(out, name.replace("/", "_") + ".npy"))
        subprocess.run(["rm", "-rf", out], check=True)
        return found


def worst(case, want, got):
    """(largest error, relative L2) over the outputs that count; inf where a shape differs."""
    most = l2 = 0.0
    for name in case.outputs:
        a, b = want[name].astype(np.float64), got[name].astype(np.float64)
        if a.shape != b.shape or not np.isfinite(b).all():
            return np.inf, np.inf
        d = np.abs(a - b)
        most = max(most, d.max() / (case.scale or np.abs(a).max()))
        l2 = max(l2, np.linalg.norm(d) / np.linalg.norm(a))
    return most, l2


def compare(tally, case, want, got, what):
    most, l2 = worst(case, want, got)
    shapes = " ".join(str(list(got[n].shape)) for n in case.outputs) if most == np.inf else ""
    text = "%s, %s: max %.2g, L2 %.2g %s" % (case.name, what, most, l2, shapes)
    if case.literal:
        tally.check(l2 <= SHIPPED_L2, text)
    else:
        tally.check(most <= F32_MAX, text)


def check_case(engine, case, tally):
    want = engine.maker.result(case)
    got = engine.run(case, "--precision", "f32")
    compare(tally, case, want, got, "f32")
    if case.name in PLAIN:
        off = ALL_BUT_WIDEN if case.name.startswith("matte") else ALL_PASSES
        plain = engine.run(case, "--precision", "f32", "--passes-off", off)
        compare(tally, case, want, plain, "all passes off")
        again = engine.run(case, "--precision", "f32")
        same = all(np.array_equal(again[n], got[n]) for n in case.outputs)
        tally.check(same, "%s: two runs, same bits" % case.name)
    if case.name in SCALAR:
        scalar = engine.run(case, "--device", "ref")
        compare(tally, case, want, scalar, "scalar definitions")
    if case.name in BF16:
        _, l2 = worst(case, want, engine.run(case, "--precision", "bf16"))
        tally.check(l2 <= BF16_L2, "%s, bf16: L2 %.2g" % (case.name, l2))


def check_vad_chain(engine, cases, tally):
    """Our own state of one chunk into the next one."""
    first, second = [c for c in cases if c.name in ("vad-16000-0", "vad-16000-1")]
    want = engine.maker.result(second)
    second = copy.copy(second)
    second.inputs = dict(second.inputs, state=engine.run(first, "--precision", "f32")["stateN"])
    most, _ = worst(second, want, engine.run(second, "--precision", "f32"))
    tally.check(most <= F32_MAX, "vad chain: our own state into the next chunk: max %.2g" % most)


def check_denoise_chain(engine, cases, tally):
    """Features to mask and coefficients through our three networks, errors adding up."""
    enc, erb, df = [c for c in cases if c.model == "deepfilternet3"][:3]
    made = engine.run(enc, "--precision", "f32")
    for case in (erb, df):
        want = engine.maker.result(case)
        case = copy.copy(case)
        case.inputs = {name: made[name] for name in case.inputs}
        most, _ = worst(case, want, engine.run(case, "--precision", "f32"))
        tally.check(most <= F32_MAX, "denoise chain, %s: max %.2g" % (case.name, most))


def check_voice_noise(engine, case, tally):
    """With noise the numbers are random, but not the rest: the same seed gives the same sound, another
    seed another one; whole frames of 256; a level and a length near those without noise."""
    plain = engine.maker.result(case)["output"]
    case = copy.copy(case)
    case.inputs = onnx_sound.voice_inputs(onnx_sound.SENTENCE, (0.667, 1, 0.8))
    made = [engine.run(case, "--seed", str(seed))["output"] for seed in (1, 1, 2, 3)]
    tally.check(np.array_equal(made[0], made[1]), "voice with noise: the same seed, the same bits")
    differ = made[0].shape != made[2].shape or not np.array_equal(made[0], made[2])
    tally.check(differ, "voice with noise: another seed, another sound")
    for y in made[1:]:
        ratio, level = y.size / plain.size, np.sqrt(np.mean(y**2) / np.mean(plain**2))
        fine = y.size % 256 == 0 and np.isfinite(y).all() and np.abs(y).max() <= 1
        tally.check(
            fine and 0.8 < ratio < 1.25 and 0.5 < level < 2,
            "voice with noise: %d samples, %.2f of those without, level %.2f"
            % (y.size, ratio, level),
        )


def check_voice_length(engine, case, tally):
    """Whatever the device finds quickest: durations must not be rounded to another length."""
    want = engine.maker.result(case)["output"]
    got = engine.run(case, "--precision", "auto")["output"]
    tally.check(got.shape == want.shape, "%s, auto: %d samples" % (case.name, got.size))


def check_all(engine, cases, missing, only, tally):
    chains = {
        "silero-vad": lambda: check_vad_chain(engine, cases, tally),
        "deepfilternet3": lambda: check_denoise_chain(engine, cases, tally),
        "en_US-joe-medium": lambda: check_voice_noise(engine, named["voice-golden103"], tally),
    }
    named = {case.name: case for case in cases}
    onnx_reference.check_golden(engine.maker, cases, tally)
    for model in missing:
        tally.skip("%s: not in %s" % (model, engine.maker.models))
    for case in cases:
        if only and case.name != only:
            continue
        try:
            check_case(engine, case, tally)
            if case.model == "en_US-joe-medium":
                check_voice_length(engine, case, tally)
        except (Refused, OSError, subprocess.TimeoutExpired) as e:
            tally.check(False, "%s: %s" % (case.name, e))
    for model, check in chains.items():
        if only or not any(case.model == model for case in cases):
            continue
        try:
            check()
        except (Refused, OSError, subprocess.TimeoutExpired) as e:
            tally.check(False, "%s: %s" % (model, e))


def run(models, program, only, case, tally):
    """All of it; what is not there is skipped."""
    maker = onnx_reference.Maker(models, onnx_reference.default_out())
    cases, missing = onnx_reference.cases(maker, only)
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(os.path.abspath(program), maker, folder)
        check_all(engine, cases, missing, case, tally)


def main():
    build = os.environ.get("BUILD") or "build"
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default=onnx_reference.default_models())
    parser.add_argument(
        "--synthd", default=os.environ.get("SYNTHD") or os.path.join(build, "synthd")
    )
    parser.add_argument("--only", help="one model's id")
    parser.add_argument("--case", help="one case's name")
    args = parser.parse_args()
    tally = Tally()
    run(args.models, args.synthd, args.only, args.case, tally)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
