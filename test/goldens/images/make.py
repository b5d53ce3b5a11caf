"""Makes pngsuite.json and jpeg.json: what Pillow sees in ../shared/pngsuite and ../shared/jpeg.

    pip install pillow==13.0.0 numpy
    python test/goldens/images/make.py

SHA-256 of the RGB bytes of `convert('RGB')`, of JPEG upright, or null where Pillow refuses the file. Of 16-bit grey Pillow
makes RGB by clipping at 255, so there it is the upper bytes of Pillow's own 16-bit values ("upper_bytes").
"""

import hashlib
import json
import pathlib
import warnings

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
SHARED = HERE.parents[3] / "shared"


def png(path):
    try:
        image = Image.open(path)
        image.load()
    except Exception:
        return None
    entry = {"width": image.width, "height": image.height}
    if image.mode.startswith("I"):
        rgb = np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
        entry["upper_bytes"] = True
    else:
        rgb = np.asarray(image.convert("RGB"))
    return {**entry, "sha256": hashlib.sha256(rgb.tobytes()).hexdigest()}


def jpeg(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return {"width": image.width, "height": image.height, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}


def main():
    for kind, entry in (("pngsuite", png), ("jpeg", jpeg)):
        suffix = "png" if entry is png else "jpg"
        entries = {path.name: entry(path) for path in sorted((SHARED / kind).glob(f"*.{suffix}"))}
        (HERE / f"{kind}.json").write_text(json.dumps(entries, indent=1) + "\n")


main()
