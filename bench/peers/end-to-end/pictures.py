"""Makes the pictures that picture → label is timed with, of examples/dog.jpg.

    pip install pillow numpy
    python pictures.py FOLDER     # FOLDER/12mp.jpg, 2mp.jpg, 1mp.jpg, 640x480.jpg, 256x256.jpg, 2mp.png

What decoding takes depends on how many bits a pixel has, and an enlarged photograph has few. So it gets the noise of a
camera, until 12 megapixels are 3 to 4 MB, as telephones write them.
"""

import pathlib
import sys

import numpy as np
from PIL import Image, ImageOps

FOLDER = pathlib.Path(sys.argv[1])
DOG = Image.open(pathlib.Path(__file__).parents[3] / "examples/dog.jpg").convert("RGB")
# width, height, strength of the noise
SIZES = {"12mp": (4000, 3000, 7), "2mp": (1600, 1200, 3), "1mp": (1152, 864, 3), "640x480": (640, 480, 2), "256x256": (256, 256, 2)}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, (width, height, strength) in SIZES.items():
    enlarged = np.asarray(ImageOps.fit(DOG, (width, height), Image.Resampling.BICUBIC), np.float32)
    noise = np.random.default_rng(1).normal(0, strength, (height, width, 1)).astype(np.float32)
    image = Image.fromarray(np.clip(np.rint(enlarged + noise), 0, 255).astype(np.uint8))
    image.save(FOLDER / f"{name}.jpg", quality=88, subsampling="4:2:0")
    if name == "2mp":
        image.save(FOLDER / f"{name}.png")
