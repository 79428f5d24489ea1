"""Parity: every model of the catalog, against ONNX Runtime on a second reading of its files; those of
format onnx by test_onnx_models.py, and the denoising of speech as a whole against its own library by
denoise.py; their tolerances stand there. soak.py looks at memory over many runs.

    python3 tests/parity/parity.py [--models DIR] [--run PROGRAM] [--synthd PROGRAM] [--only ID]

DIR holds one folder per model, as `synthd models fetch` makes them; default: $MODELS, or models/ in
the cache that demo and tests share. PROGRAM: default $BUILD/test/run_model and $BUILD/synthd. A
model that is not there is counted as skipped. Closes with "N passed, N failed, N skipped".

Tolerances. The networks' output is a picture with full scale 1.
  f32   2e-4 of full scale: two float32 evaluations of up to 351 convolutions in different orders
        differ by some 1e-5; 2e-4 is a twentieth of one 8-bit step.
  bf16  2/255 on average, 12/255 at most: plain code in this precision is off by up to 0.7/255 and
        10/255 (OpenVINO with bf16 on the CUGAN networks and the same picture).
  passes, stages: 5e-5, f32 against f32 of the same engine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ncnn_onnx  # noqa: E402
import pictures  # noqa: E402

F32_MAX = 2e-4
BF16_MEAN, BF16_MAX = 2 / 255, 12 / 255
SAME_MAX = 5e-5
SIZES = [(64, 64), (61, 97)]  # rows, columns
PASSES = {"fold": 1, "fuse_conv": 2, "phases": 4, "concat_views": 8, "share_memory": 16, "winograd": 32, "all": 63}

# Outputs of PyTorch in f32 for test_img(64, 64): shape, [mean, std, min, max], {flat index: value}.
GOLDEN = {
    "realesrgan-x4plus": (
        [1, 3, 256, 256],
        [0.5452601, 0.2521603, 0.03158503, 0.9499649],
        {
            10423: 0.938198,
            115462: 0.857671,
            111655: 0.896451,
            45701: 0.814208,
            86989: 0.438863,
            19720: 0.308721,
            44740: 0.552733,
            91403: 0.644603,
            10515: 0.255055,
            1168: 0.673326,
            130564: 0.858454,
            175475: 0.308663,
            32146: 0.900506,
            54257: 0.240902,
            186437: 0.39253,
            152508: 0.238918,
        },
    ),
    "realesr-animevideov3": (
        [1, 3, 256, 256],
        [0.5571453, 0.2564183, 0.02848571, 0.9857559],
        {
            10423: 0.924927,
            115462: 0.868192,
            111655: 0.91256,
            45701: 0.807871,
            86989: 0.448289,
            19720: 0.264451,
            44740: 0.556666,
            91403: 0.661397,
            10515: 0.228315,
            1168: 0.701314,
            130564: 0.885876,
            175475: 0.30436,
            32146: 0.890968,
            54257: 0.256068,
            186437: 0.385519,
            152508: 0.239634,
        },
    ),
}

# Half-size pictures through waifu2x-cunet 2x, in dB of PSNR above bicubic. Drawings and the first
# two photos are what it was made for; fur and a dark sky hold little that half the pixels tell.
DRAWING_GAIN = 5.0
PHOTO_GAIN = {
    "astronaut": ((60, 0), 2.5),
    "coffee": ((100, 60), 2.5),
    "chelsea": ((100, 40), 0.8),
    "rocket": ((200, 100), 1.0),
}


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, ok, text):
        if ok:  # a NaN compares false, so it fails
            self.passed += 1
        else:
            self.failed += 1
        print("%s %s" % ("ok  " if ok else "FAIL", text), flush=True)

    def skip(self, text):
        self.skipped += 1
        print("skip " + text, flush=True)

    def close(self):
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped))
        return self.failed > 0 or self.passed == 0


def fmix32(x):
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x


def test_img(rows, columns):
    """A picture made of integers, [1, 3, rows, columns] in 0..1."""
    c, y, x = np.meshgrid(np.arange(3), np.arange(rows), np.arange(columns), indexing="ij")
    t = (5 * x + 3 * y + 85 * c) & 511
    tri = np.where(t < 256, t, 511 - t)
    noise = fmix32((c * rows + y) * columns + x) & np.uint32(31)
    u8 = np.minimum(255, tri * 7 // 8 + noise.astype(np.int64))
    return (u8.astype(np.float32) / np.float32(255))[None]


class Engine:
    """run_model on files in a scratch folder."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.tuning = os.path.join(folder, "tuning")

    def call(self, net, *options):
        command = [
            self.program,
            "--graph",
            net.graph,
            "--weights",
            net.weights,
            "--tuning",
            self.tuning,
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError((done.stderr or "exit code %d" % done.returncode).strip())
        return dict(pair.split("=") for pair in done.stdout.split())

    def run(self, net, x, *options):
        """The output and what run_model says of it."""
        source, target = os.path.join(self.folder, "in.f32"), os.path.join(self.folder, "out.f32")
        np.ascontiguousarray(x, np.float32).tofile(source)
        info = self.call(
            net,
            "--shape",
            ",".join(str(d) for d in x.shape),
            "--in",
            source,
            "--out",
            target,
            *options
        )
        y = np.fromfile(target, np.float32).reshape([int(d) for d in info["shape"].split(",")])
        return y, info


class Net:
    """One variant of a model: its files, its footprint, its reference."""

    def __init__(self, model, folder, manifest, variant):
        self.model, self.variant, self.edge = model, variant, manifest["edge"]
        self.scale = variant["scale"]
        self.graph = os.path.join(folder, variant["graph"])
        self.weights = os.path.join(folder, variant["weights"])
        self.label = "%s %dx%s" % (
            model,
            self.scale,
            "" if variant["noise"] is None else " noise %d" % variant["noise"],
        )
        self.session = None

    def study(self, engine):
        info = engine.call(self, "--info")
        self.trim, self.align, self.stages = (
            int(info["trim"]),
            int(info["align"]),
            int(info["stages"]),
        )

    def reference(self, x):
        if not self.session:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 2
            model = ncnn_onnx.convert(self.graph, self.weights)
            self.session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        return self.session.run(None, {self.session.get_inputs()[0].name: x})[0]

    def padded(self, n):
        """The input length that gives at least n * scale pixels and that the network takes."""
        whole = n + 2 * self.trim
        return (whole + self.align - 1) // self.align * self.align

    def input(self, rows, columns):
        return test_img(self.padded(rows), self.padded(columns))

    def upscale(self, engine, picture):
        """A picture [rows, columns, 3] in 0..1, edges repeated as far as the network needs."""
        rows, columns, _ = picture.shape
        below, right = (
            self.padded(rows) - rows - self.trim,
            self.padded(columns) - columns - self.trim,
        )
        x = np.pad(picture, ((self.trim, below), (self.trim, right), (0, 0)), "edge")
        y, _ = engine.run(self, x.transpose(2, 0, 1)[None])
        return np.clip(y[0].transpose(1, 2, 0)[: rows * self.scale, : columns * self.scale], 0, 1)


def read_catalog():
    with open(os.path.join(os.path.dirname(__file__), "../../config/catalog.json")) as f:
        return json.load(f)


def onnx_ids():
    manifests = [entry["manifest"] for entry in read_catalog()["models"]]
    return [m["id"] for m in manifests if m["format"] == "onnx"]


def find_nets(models, only, tally):
    nets = []
    for entry in read_catalog()["models"]:
        manifest = entry["manifest"]
        if manifest["format"] != "ncnn" or (only and manifest["id"] != only):
            continue
        folder = os.path.join(models, manifest["id"])
        if not os.path.exists(os.path.join(folder, "model.json")):
            tally.skip("%s: not in %s" % (manifest["id"], models))
            continue
        nets += [Net(manifest["id"], folder, manifest, v) for v in manifest["variants"]]
    return nets


def difference(y, want):
    if y.shape != want.shape:
        return np.inf, np.inf
    d = np.abs(y.astype(np.float64) - want)
    return d.max(), d.mean()


def check_net(engine, net, tally):
    """f32 and bf16 against the reference, both sizes; two runs give the same bits."""
    for rows, columns in SIZES:
        x = net.input(rows, columns)
        want = net.reference(x)
        where = "%s, %dx%d" % (net.label, x.shape[3], x.shape[2])
        y, _ = engine.run(net, x, "--precision", "f32")
        most, _ = difference(y, want)
        tally.check(most <= F32_MAX, "%s, f32: max %.2g" % (where, most))
        y, info = engine.run(net, x, "--precision", "bf16")
        if info["precision"] != "bf16":
            tally.skip(where + ", bf16: this machine has none")
            continue
        most, mean = difference(y, want)
        tally.check(
            mean <= BF16_MEAN and most <= BF16_MAX,
            "%s, bf16: mean %.2f/255, max %.2f/255" % (where, mean * 255, most * 255),
        )


def check_family(engine, net, tally):
    """What holds whatever the weights: passes, stages, repeated runs, the scalar definitions."""
    x = net.input(64, 64)
    y, info = engine.run(net, x, "--precision", "f32")
    for name, mask in PASSES.items():
        plain, without = engine.run(net, x, "--precision", "f32", "--passes-off", str(mask))
        most, _ = difference(plain, y)
        tally.check(most <= SAME_MAX, "%s, pass %s off = on: max %.2g" % (net.label, name, most))
    tally.check(
        int(without["peak_bytes"]) > int(info["peak_bytes"]),
        "%s, all passes off: %s bytes of workspace, on: %s"
        % (net.label, without["peak_bytes"], info["peak_bytes"]),
    )
    again, _ = engine.run(net, x, "--precision", info["precision"])
    tally.check(
        np.array_equal(again.view(np.uint32), y.view(np.uint32)),
        net.label + ", two runs, same bits",
    )
    if net.stages > 1:
        staged, _ = engine.run(net, x, "--precision", "f32", "--stage", str(net.stages - 1))
        most, _ = difference(staged, y)
        tally.check(
            most <= SAME_MAX, "%s, %d stages = whole: max %.2g" % (net.label, net.stages, most)
        )
    if net.model != "realesrgan-x4plus":  # 600 scalar convolutions take a minute
        small = net.input(28, 36)
        y, _ = engine.run(net, small, "--device", "ref")
        most, _ = difference(y, net.reference(small))
        tally.check(most <= F32_MAX, "%s, scalar definitions: max %.2g" % (net.label, most))


def check_golden(engine, net, tally):
    shape, statistics, samples = GOLDEN[net.model]
    y, _ = engine.run(net, test_img(64, 64), "--precision", "f32")
    tally.check(list(y.shape) == shape, "%s, golden: shape %s" % (net.label, list(y.shape)))
    got = [y.mean(dtype=np.float64), y.std(dtype=np.float64), y.min(), y.max()]
    worst = max(abs(a - b) for a, b in zip(got, statistics))
    tally.check(worst <= 1e-5, "%s, golden: mean, std, min, max within %.2g" % (net.label, worst))
    worst = max(abs(float(y.ravel()[i]) - v) for i, v in samples.items())  # printed with 6 digits
    tally.check(worst <= 1e-5, "%s, golden: 16 samples within %.2g" % (net.label, worst))


def gain(engine, net, picture, shrink):
    """How much closer the network comes to a picture from its half than bicubic does, in dB."""
    from PIL import Image

    want = np.asarray(picture) / 255
    half = picture.resize((picture.width // 2, picture.height // 2), shrink)
    bicubic = np.asarray(half.resize(picture.size, Image.BICUBIC)) / 255
    ours = net.upscale(engine, np.asarray(half, np.float32) / 255)
    return 10 * np.log10(np.mean((bicubic - want) ** 2) / np.mean((ours - want) ** 2))


def check_quality(engine, net, tally):
    from PIL import Image

    for code in pictures.DRAWINGS:
        try:
            picture = pictures.drawing(code)
        except (OSError, subprocess.SubprocessError, IndexError) as e:
            tally.skip("drawings: cannot be fetched: %s" % e)
            break
        db = gain(engine, net, picture, Image.BOX)
        tally.check(
            db >= DRAWING_GAIN, "%s, drawing %s: %+.2f dB over bicubic" % (net.label, code, db)
        )
    for name, ((left, top), least) in PHOTO_GAIN.items():
        try:
            picture = pictures.photo(name).crop((left, top, left + 240, top + 240))
        except (OSError, subprocess.SubprocessError, IndexError) as e:
            tally.skip("photos: cannot be fetched: %s" % e)
            break
        db = gain(engine, net, picture, Image.BICUBIC)
        tally.check(
            db >= least,
            "%s, photo %s: %+.2f dB over bicubic (at least %g)" % (net.label, name, db, least),
        )


def default_models():
    return os.environ.get("MODELS") or os.path.join(pictures.cache_dir(), "models")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default=default_models())
    parser.add_argument(
        "--run", default=os.path.join(os.environ.get("BUILD") or "build", "test/run_model")
    )
    build = os.environ.get("BUILD") or "build"
    parser.add_argument(
        "--synthd", default=os.environ.get("SYNTHD") or os.path.join(build, "synthd")
    )
    parser.add_argument("--only", help="one model's id")
    args = parser.parse_args()
    tally, families = Tally(), set()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(os.path.abspath(args.run), folder)
        for net in find_nets(args.models, args.only, tally):
            family = (net.model, net.scale)
            try:
                net.study(engine)
                check_net(engine, net, tally)
                if family not in families:
                    check_family(engine, net, tally)
                if net.model in GOLDEN and net.scale == 4:
                    check_golden(engine, net, tally)
                if net.model == "waifu2x-cunet" and net.scale == 2 and net.variant["noise"] is None:
                    check_quality(engine, net, tally)
            except (RuntimeError, ValueError, subprocess.TimeoutExpired) as e:
                tally.check(False, "%s: %s" % (net.label, e))
            families.add(family)
    import test_onnx_models  # it reads this file

    if not args.only or args.only in onnx_ids():
        test_onnx_models.run(args.models, args.synthd, args.only, None, tally)
    import denoise

    if not args.only or args.only == denoise.MODEL:
        denoise.run(args.models, args.synthd, tally)
    import soak

    if not args.only or args.only == soak.MODEL:
        soak.run(args.models, os.path.join(os.path.dirname(os.path.abspath(args.run)), "soak"), tally)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
