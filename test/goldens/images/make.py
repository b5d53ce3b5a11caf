"""Makes pngsuite.json, jpeg.json and jpeg.safetensors: what Pillow and libjpeg-turbo see in ../shared/pngsuite and
../shared/jpeg.

    apt install libjpeg-turbo-progs
    pip install pillow==13.0.0 numpy safetensors
    python test/goldens/images/make.py

pngsuite.json: SHA-256 of the RGB bytes of `convert('RGB')`, or null where Pillow refuses the file. Of 16-bit grey Pillow
makes RGB by clipping at 255, so there it is the upper bytes of Pillow's own 16-bit values ("upper_bytes").

jpeg.*: rows of every picture, upright, spread evenly over it, as `NAME/pillow` (smooth chroma) and, where djpeg can write
RGB, `NAME/nosmooth` (repeated chroma) [R,W,3]; and the mean of each channel over the whole picture.
"""

import hashlib
import io
import json
import pathlib
import subprocess
import warnings

import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import save_file

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
SHARED = HERE.parents[3] / "shared"
PIXELS = 2600
T = Image.Transpose
TRANSPOSES = {
    2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_270, 7: T.TRANSVERSE, 8: T.ROTATE_90,
}


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


def djpeg(path, orientation):
    run = subprocess.run(["djpeg", "-rgb", "-ppm", "-nosmooth", path], capture_output=True)
    if run.returncode == 1:  # it writes no CMYK; 2 is a warning
        return None
    image = Image.open(io.BytesIO(run.stdout))
    return image.transpose(TRANSPOSES[orientation]) if orientation in TRANSPOSES else image


def main():
    pngs = {path.name: png(path) for path in sorted((SHARED / "pngsuite").glob("*.png"))}
    (HERE / "pngsuite.json").write_text(json.dumps(pngs, indent=1) + "\n")

    cases, tensors = {}, {}
    for path in sorted((SHARED / "jpeg").glob("*.jpg")):
        image = Image.open(path)
        orientation = image.getexif().get(0x0112, 1)
        upright = ImageOps.exif_transpose(image).convert("RGB")
        rows = max(1, min(upright.height, PIXELS // upright.width))
        at = [int((r + 0.5) * upright.height / rows) for r in range(rows)]
        case = {"width": upright.width, "height": upright.height, "rows": at, "means": {}}
        for name, picture in (("pillow", upright), ("nosmooth", djpeg(path, orientation))):
            if picture is not None:
                pixels = np.asarray(picture)
                case["means"][name] = [round(float(mean), 4) for mean in pixels.mean(axis=(0, 1))]
                tensors[f"{path.name}/{name}"] = np.ascontiguousarray(pixels[at])
        cases[path.name] = case
    (HERE / "jpeg.json").write_text(json.dumps(cases) + "\n")
    save_file(tensors, HERE / "jpeg.safetensors")


main()
