"""Pictures for tests, taken out of packages that registries carry; fetched once, never committed.

photos: the example photographs of scikit-image (public domain or CC0); drawings: Fluent Emoji
(MIT). The packages are unpacked as archives: nothing of them is installed or run.
"""

import glob
import io
import os
import subprocess
import sys
import tarfile
import zipfile

from PIL import Image

PHOTO_PACKAGE = "scikit-image==0.26.0"
DRAWING_PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"
DRAWINGS = ["1f36f", "1f45b", "1f46d", "1f52c", "0023-fe0f-20e3"]


def cache_dir():
    """What demo and tests share: models, packages, pictures."""
    base = os.environ.get("SYNTHD_CACHE")
    if not base:
        base = os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "synthd"
        )
    return base


def archive(pattern, command):
    """The path of an archive in the cache, brought by a registry's client when it is not there."""
    folder = os.path.join(cache_dir(), "pictures")
    os.makedirs(folder, exist_ok=True)
    found = glob.glob(os.path.join(folder, pattern))
    if not found:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=300,
        )
        found = glob.glob(os.path.join(folder, pattern))
    return found[0]


def photo(name):
    """An RGB picture: astronaut, coffee, chelsea or rocket."""
    wheel = archive(
        "scikit_image-*.whl",
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            PHOTO_PACKAGE,
        ],
    )
    with zipfile.ZipFile(wheel) as z:
        for member in z.namelist():
            if member.startswith("skimage/data/" + name + "."):
                return Image.open(io.BytesIO(z.read(member))).convert("RGB")
    raise FileNotFoundError("%s: not in %s" % (name, os.path.basename(wheel)))


def drawing(code):
    """A drawing on white, 240x240, by its code points."""
    path = archive(
        "lobehub-fluent-emoji-3d-*.tgz", ["npm", "pack", "--ignore-scripts", DRAWING_PACKAGE]
    )
    with tarfile.open(path) as t:
        data = t.extractfile("package/assets/%s.webp" % code).read()
    drawn = Image.open(io.BytesIO(data)).convert("RGBA")
    page = Image.new("RGBA", drawn.size, (255, 255, 255, 255))
    page.alpha_composite(drawn)
    return page.convert("RGB").resize((240, 240), Image.LANCZOS)
