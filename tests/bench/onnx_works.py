"""What is measured on ONNX models: files and inputs of each work, and their timing.

A work is one network, or several that run one after another (their times are added, of their peaks
of memory the largest counts). Each engine runs a part in a process of its own: it loads, runs once
and then some timed times; engines take turns, several rounds of it, so that whatever else the
machine does hits all alike.
"""

import json
import os
import statistics
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
import onnx_reference as reference  # noqa: E402
import onnx_sound  # noqa: E402
import pictures  # noqa: E402

ROUNDS = 3


class Part:
    def __init__(self, file, inputs, form=""):
        self.file, self.inputs, self.form = file, inputs, form


def multistyle(side):
    def make(_):
        picture = reference.square(pictures.photo("astronaut"), side)
        inputs = {"image": reference.nchw(picture), "style_weights": reference.weights(s19=1)}
        return [Part(reference.STYLES, inputs)]

    return make


def predict(form):
    def make(_):
        x = reference.nhwc(reference.square(pictures.photo("coffee"), 256))
        return [Part(reference.PREDICT, {"style_image": x}, form)]

    return make


def transform(form):
    def make(maker):
        x = reference.nhwc(reference.square(pictures.photo("coffee"), 256))
        style = maker.run(reference.PREDICT, {"style_image": x})[reference.STYLE_OUT]
        x = reference.nhwc(reference.square(pictures.photo("astronaut"), 384))
        return [Part(reference.TRANSFORM, {"content_image": x, reference.STYLE_OUT: style}, form)]

    return make


def voice(_):
    inputs = onnx_sound.voice_inputs(onnx_sound.SENTENCE, (0.667, 1, 0.8))
    return [Part(reference.VOICE, inputs)]


def denoise(maker):
    """Ten seconds at 48 kHz: 1,000 frames."""
    speech = maker.run(reference.VOICE, onnx_sound.voice_inputs(onnx_sound.SENTENCE))["output"]
    erb, spec = onnx_sound.features(onnx_sound.noisy_speech(speech.ravel(), 48000, 10, 7))
    files = [("deepfilternet3", name) for name in ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")]
    inputs = {"feat_erb": erb, "feat_spec": spec}
    made = maker.run(files[0], inputs)
    return [
        Part(files[0], inputs),
        Part(files[1], {k: made[k] for k in ("emb", "e3", "e2", "e1", "e0")}),
        Part(files[2], {k: made[k] for k in ("emb", "c0")}),
    ]


# name: shape, GFLOP (2 x multiply-adds of convolutions, products of matrices, recurrences), timed
# runs a round, models, parts. "float": weights and activations without quantisation.
WORKS = {
    "multistyle26-512": ("512x512", 10.17, 5, ["multistyle26"], multistyle(512)),
    "multistyle26-1024": ("1024x1024", 40.69, 4, ["multistyle26"], multistyle(1024)),
    "arbitrary-predict-float": ("256x256", 0.7826, 31, ["arbitrary-style"], predict("float")),
    "arbitrary-predict-int8": ("256x256", 0.7826, 31, ["arbitrary-style"], predict("")),
    "arbitrary-transform-float": ("384x384", 3.695, 11, ["arbitrary-style"], transform("float")),
    "arbitrary-transform-int8": ("384x384", 3.695, 11, ["arbitrary-style"], transform("")),
    "piper": ("103 ids", 15.14, 7, ["en_US-joe-medium"], voice),
    "deepfilternet3": ("10 s", 6.615, 5, ["deepfilternet3", "en_US-joe-medium"], denoise),
}
PEERS = ["onnxruntime", "openvino-f32", "openvino-bf16", "torch-f32", "torch-bf16"]
# As onnx_torch.py reads them; the others' operators are too many, and none has a source in PyTorch.
TORCH_WORKS = {n for n in WORKS if n.startswith("multistyle26") or n.endswith("-float")}


def peers_of(name, wanted):
    return [
        peer
        for peer in PEERS
        if peer in wanted and (not peer.startswith("torch") or name in TORCH_WORKS)
    ]


class Failed(Exception):
    """An engine ended without an answer; says what it wrote."""


def ask(command):
    """The answer of an engine's process. A shell stands between: a process that asks the kernel for
    its peak of memory is told that of the one which started it, if that was more."""
    done = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *command], capture_output=True, text=True, timeout=600
    )
    if done.returncode == 3:
        raise Failed("not installed")
    if done.returncode != 0 or not done.stdout.strip():
        lines = done.stderr.strip().splitlines()
        raise Failed(lines[-1][-200:] if lines else "exit code %d" % done.returncode)
    return json.loads(done.stdout.strip().splitlines()[-1])


class Figures:
    """Of one engine on one work: for each part what it answered in each round."""

    def __init__(self, n_parts):
        self.answers = [[] for _ in range(n_parts)]

    def median_ms(self):
        runs = [[t for a in part for t in a["runs_ms"]] for part in self.answers]
        return sum(statistics.median(r) for r in runs)

    def start_ms(self):
        """From before the file is read to the first output."""
        starts = [[(a["load_s"] + a["first_s"]) * 1e3 for a in part] for part in self.answers]
        return sum(statistics.median(s) for s in starts)

    def peak_mib(self):
        return max(a["rss_mib"] for part in self.answers for a in part)

    def runs(self):
        return min(sum(len(a["runs_ms"]) for a in part) for part in self.answers)


def measure(name, maker, folder, commands, runs=None):
    """{engine: Figures} for commands {engine: f(path, inputs {name: file}, runs) -> command}. An
    engine that fails is left out with a line that says why; ours ("ours") must not."""
    _, _, each, _, make = WORKS[name]
    each = max(each, -(-(runs or 0) // ROUNDS))
    parts = make(maker)
    figures = {engine: Figures(len(parts)) for engine in commands}
    for round_ in range(ROUNDS):
        for k, part in enumerate(parts):
            path, files = maker.path(part.file, part.form), {}
            for i, (tensor, x) in enumerate(part.inputs.items()):
                files[tensor] = os.path.join(folder, "%s-%d-%d.npy" % (name, k, i))
                if round_ == 0:
                    np.save(files[tensor], x)
            for engine in list(figures):
                try:
                    answer = ask(commands[engine](path, files, each))
                    figures[engine].answers[k].append(answer)
                except Failed as why:
                    if engine == "ours":
                        raise
                    print("%-26s %-14s left out: %s" % (name, engine, why), flush=True)
                    del figures[engine]
    return figures


def has(maker, name):
    return all(maker.has(model) for model in WORKS[name][3])


def peer_command(python, peer, threads, prefix=()):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx_peer.py")

    def command(path, files, runs):
        pairs = ["%s=%s" % pair for pair in files.items()]
        return [*prefix, python, script, peer, path, str(runs), str(threads), *pairs]

    return command


# Where bf16 must be asked for, and what it must not touch: durations decide the length.
OURS = {"piper": ["--precision", "bf16", "--pin", "/enc_p", "--pin", "/dp"]}


def our_command(program, threads, precision, data, prefix=(), work=""):
    def command(path, files, runs):
        line = [*prefix, program, "models", "run", "--json", "--model", path]
        line += ["--repeat", str(runs), "--threads", str(threads)]
        line += OURS.get(work, []) if precision == "auto" else []
        if "--precision" not in line:
            line += ["--precision", precision]
        for pair in files.items():
            line += ["--in", "%s=%s" % pair]
        return line + ["--data", data]

    return command
