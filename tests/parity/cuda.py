"""Parity on a CUDA device: every network of the catalog's ncnn models against ONNX Runtime, small
pictures, in each precision that the device has. Without a card: the plugin of the host runtime.

    python3 tests/parity/cuda.py --plugin FILE [--device cuda:0] [--models DIR] [--run PROGRAM]
                                 [--only ID] [--side N]

Tolerances as in parity.py (f32 and bf16); f16 keeps three bits more than bf16: a quarter of its
mean, half of its greatest difference. The last network of each model runs in all precisions, the
others in f16. Closes with "N passed, N failed, N skipped".
"""

import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import parity  # noqa: E402

F16_MEAN, F16_MAX = parity.BF16_MEAN / 4, parity.BF16_MAX / 2
BOUNDS = {
    "f32": (parity.F32_MAX, parity.F32_MAX),
    "f16": (F16_MEAN, F16_MAX),
    "bf16": (parity.BF16_MEAN, parity.BF16_MAX),
}


def check_net(engine, net, device, side, precisions, tally):
    x = net.input(side, side + 3)
    want = net.reference(x)
    for precision in precisions:
        where = "%s, %dx%d, %s" % (net.label, x.shape[3], x.shape[2], precision)
        y, _ = engine.run(net, x, "--device", device, "--precision", precision)
        most, mean = parity.difference(y, want)
        tally.check(
            mean <= BOUNDS[precision][0] and most <= BOUNDS[precision][1],
            "%s: mean %.2g/255, max %.2g/255" % (where, mean * 255, most * 255),
        )


def main():
    build = os.environ.get("BUILD") or "build"
    parser = argparse.ArgumentParser()
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--models", default=parity.default_models())
    parser.add_argument("--run", default=os.path.join(build, "test/run_model"))
    parser.add_argument("--only")
    parser.add_argument("--side", type=int, default=6, help="rows of the picture within its border")
    args = parser.parse_args()
    os.environ["SYNTHD_CUDA_PLUGIN"] = os.path.abspath(args.plugin)
    tally = parity.Tally()
    nets = parity.find_nets(args.models, args.only, tally)
    with tempfile.TemporaryDirectory() as folder:
        engine = parity.Engine(os.path.abspath(args.run), folder)
        for i, net in enumerate(nets):
            last = i + 1 == len(nets) or nets[i + 1].model != net.model
            try:
                net.study(engine)
                check_net(engine, net, args.device, args.side, BOUNDS if last else ["f16"], tally)
            except RuntimeError as e:
                tally.check(False, "%s: %s" % (net.label, e))
            net.session = None
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
