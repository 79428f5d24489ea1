"""Parity of `synthd run denoise-speech` with DeepFilterNet3's own library, and with itself; a part of
`make parity`, also by itself:

    python3 tests/parity/denoise.py [--models DIR] [--synthd PROGRAM]

DIR holds one folder per model, as `synthd models fetch` makes them; default: $MODELS, or models/ in
the cache that demo and tests share. PROGRAM: default $SYNTHD, else $BUILD/synthd. Without the model,
or where the library cannot be had, the checks are counted as one skipped. Closes with
"N passed, N failed, N skipped".

The recording: vowels and breaths of a formant synthesiser, in pink noise and hum, 10 s at 48 kHz, made
here; the network was not trained on such, so only equality is asked of it. Tolerance: 1e-4 of the
library's peak: it is 1e-7 to 1e-5, float32 in another order carried on through recurrences.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import denoise_library  # noqa: E402
import pictures  # noqa: E402
from parity import Tally  # noqa: E402

RATE = 48000
SAME_MAX = 1e-4
MODEL = "deepfilternet3"


def speech(seconds, rate=RATE):
    """Something with the pitch, formants, onsets and pauses of speech."""
    rng = np.random.default_rng(4)
    n = int(seconds * rate)
    t = np.arange(n) / rate
    pitch = 115 + 25 * np.sin(2 * np.pi * 0.7 * t) + 8 * np.sin(2 * np.pi * 5 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    source = sum(np.cos(k * phase) / k for k in range(1, 40))
    formants = [(730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240), (530, 1840, 2480)]
    out, at = np.zeros(n), 0
    while at < n:
        length = int(rate * rng.uniform(0.12, 0.35))
        piece = np.arange(at, min(at + length, n))
        kind = rng.integers(0, 8)
        if kind < len(formants):
            spectrum = np.fft.rfft(source[piece])
            f = np.fft.rfftfreq(len(piece), 1 / rate)
            gain = sum(1 / (1 + ((f - c) / (60 + 0.05 * c)) ** 2) for c in formants[kind])
            sound = np.fft.irfft(spectrum * gain, len(piece))
        elif kind == 5:
            sound = np.diff(rng.standard_normal(len(piece) + 1)) * 0.15
        else:
            sound = np.zeros(len(piece))
        edge = np.minimum(1, np.minimum(np.arange(len(piece)), np.arange(len(piece))[::-1]) / (0.02 * rate))
        out[piece] = sound * edge
        at += length
    return (0.4 * out / np.abs(out).max()).astype(np.float32)


def noise(n):
    rng = np.random.default_rng(5)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / RATE)
    pink = np.fft.irfft(spectrum / np.sqrt(1 + f / 300), n)
    return (0.02 * pink / pink.std() + 0.004 * np.sin(2 * np.pi * 100 * np.arange(n) / RATE)).astype(np.float32)


def write_wav(path, x, rate=RATE):
    """[channels][frames] or [frames] as 32-bit floats."""
    x = np.atleast_2d(x)
    body = np.ascontiguousarray(x.T, "<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 3, len(x), rate,
                       rate * 4 * len(x), 4 * len(x), 32, b"data", len(body))
    with open(path, "wb") as f:
        f.write(head + body)


def read_wav(path):
    """([channels][frames], rate) of a file of 32-bit floats."""
    with open(path, "rb") as f:
        b = f.read()
    at, channels, rate = 12, 0, 0
    while at < len(b):
        name, size = struct.unpack_from("<4sI", b, at)
        if name == b"fmt ":
            tag, channels, rate = struct.unpack_from("<HHI", b, at + 8)
            if tag not in (3, 0xFFFE):
                raise ValueError("format tag %d: must be float" % tag)
        elif name == b"data":
            return np.frombuffer(b, "<f4", size // 4, at + 8).reshape(-1, channels).T.copy(), rate
        at += 8 + size + (size & 1)
    raise ValueError(path + ": no samples")


class Denoiser:
    def __init__(self, models, program, folder):
        self.models, self.program, self.folder = models, program, folder

    def __call__(self, x, rate=RATE, **params):
        source, result = (os.path.join(self.folder, name) for name in ("in.wav", "out.wav"))
        write_wav(source, x, rate)
        words = [w for k, v in params.items() for w in ("--set", "%s=%s" % (k, v))]
        command = [self.program, "run", "denoise-speech", "--models", self.models, "--model", MODEL]
        subprocess.run(command + ["--in", "audio=" + source, "--out", result] + words, check=True,
                       stdout=subprocess.DEVNULL)
        y, out_rate = read_wav(result)
        if out_rate != rate or y.shape != np.atleast_2d(x).shape:
            raise ValueError("%s at %d Hz came back as %s at %d" % (np.shape(x), rate, y.shape, out_rate))
        return y if np.ndim(x) == 2 else y[0]


def compare(tally, denoise, out):
    clean = speech(10)
    noisy = clean + noise(len(clean))
    whole = denoise(noisy)

    def close(name, got, want, limit, scale=None):
        worst = float(np.max(np.abs(got - want)) / (scale or np.max(np.abs(want))))
        tally.check(bool(worst <= limit), "%s: %.2g of the peak, limit %.2g" % (name, worst, limit))

    library, _ = denoise_library.enhanced(noisy, out)
    close("library", whole, library, SAME_MAX)
    library, _ = denoise_library.enhanced(noisy, out, 12)
    close("library, attenuation 12 dB", denoise(noisy, attenuation_db=12), library, SAME_MAX)
    close("attenuation 0 dB is the input", denoise(noisy, attenuation_db=0), noisy, SAME_MAX)
    for n in (1, 479, 480, 481, 48000, 48000 - 1440, 48000 - 1439):
        short = noisy[20000 : 20000 + n]
        close("library, %d samples" % n, denoise(short), denoise_library.enhanced(short, out)[0], SAME_MAX,
              np.max(np.abs(short)))
    stereo = denoise(np.stack([noisy, noisy[::-1]]))
    alone = np.stack([whole, denoise(noisy[::-1].copy())])
    tally.check(np.array_equal(stereo, alone), "each channel for itself: the same bits")
    alone = noise(4 * RATE)
    down = 10 * np.log10(np.sum(alone**2) / np.sum(denoise(alone) ** 2))
    tally.check(bool(down > 20), "noise alone goes down by %.1f dB" % down)
    for rate in (44100, 16000, 96000):
        x = speech(4, rate) + np.float32(0.005) * np.random.default_rng(6).standard_normal(4 * rate).astype("f4")
        y = denoise(x, rate)
        lag = int(np.argmax(np.correlate(y[rate : 2 * rate], x[rate + 50 : 2 * rate - 50], "valid"))) - 50
        tally.check(lag == 0, "%d Hz: shifted by %d samples" % (rate, lag))


def run(models, program, tally):
    """All of it; what is not there is skipped."""
    out = os.path.join(pictures.cache_dir(), "parity-onnx")
    os.makedirs(out, exist_ok=True)
    if not os.path.exists(os.path.join(models, MODEL, "model.json")):
        tally.skip("%s: not in %s" % (MODEL, models))
        return
    try:
        denoise_library.unpacked(out)
    except denoise_library.Missing as e:
        tally.skip("%s against its own library: %s" % (MODEL, e))
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            compare(tally, Denoiser(models, program, folder), out)
    except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as e:
        tally.check(False, "%s: %s" % (MODEL, e))


def main():
    p = argparse.ArgumentParser(description="denoise-speech against DeepFilterNet3's own library")
    p.add_argument("--models", default=os.environ.get("MODELS") or os.path.join(pictures.cache_dir(), "models"))
    p.add_argument("--synthd", default=os.environ.get("SYNTHD")
                   or os.path.join(os.environ.get("BUILD") or "build", "synthd"))
    args = p.parse_args()
    tally = Tally()
    run(args.models, args.synthd, tally)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
