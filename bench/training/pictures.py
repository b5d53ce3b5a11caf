"""Small sets of pictures from packages, as folders {train,test}/<class>/<name>.png.

    pictures.py digits OUT             scikit-learn's digits (UCI, optical recognition of handwritten digits, its test half; CC BY 4.0), 1200 and 597
    pictures.py clipart OUT SOURCE     Debian's openclipart-png (public domain), ten classes, 387 and 158

Digits are 32x32; the file is ordered by writer, so that those of the test are of other people. Clip art is 192x192 on white, without near
duplicates (64 bits of differences, 3 of them or fewer), and pictures of one series stay on one side.
"""
import glob
import hashlib
import os
import re
import sys

from PIL import Image


def digits(out):
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    for i, (image, label) in enumerate(zip(data.images, data.target)):
        folder = f"{out}/{'train' if i < 1200 else 'test'}/{label}"
        os.makedirs(folder, exist_ok=True)
        pixels = (image * 255 / 16).round().astype(np.uint8)
        Image.fromarray(pixels).resize((32, 32), Image.BICUBIC).convert("RGB").save(f"{folder}/{i:04d}.png")


CLASSES = {
    "bird": "animals/birds", "bug": "animals/bugs", "mammal": "animals/mammals", "fish": "animals/fish", "fruit": "food/fruit",
    "dessert": "food/desserts", "drink": "food/beverages", "vehicle": "transportation/vehicles", "flower": "plants/flowers", "building": "buildings",
}  # fmt: skip


def hash_of(image):
    pixels = list(image.convert("L").resize((9, 8), Image.BILINEAR).getdata())
    return sum((pixels[r * 9 + c] > pixels[r * 9 + c + 1]) << (r * 8 + c) for r in range(8) for c in range(8))


def clipart(out, source):
    seen = []
    for label, folder in CLASSES.items():
        for file in sorted(glob.glob(f"{source}/{folder}/**/*.png", recursive=True)):
            image = Image.open(file).convert("RGBA")
            box = image.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox()
            if box is None:
                continue
            image = image.crop(box)
            if min(image.size) < 24:
                continue
            side = int(max(image.size) * 1.1)
            white = Image.new("RGBA", (side, side), (255, 255, 255, 255))
            white.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
            image = white.convert("RGB").resize((192, 192), Image.BICUBIC)
            own = hash_of(image)
            if any(bin(own ^ other).count("1") <= 3 for other in seen):
                continue
            seen.append(own)
            name = os.path.basename(file)[:-4]
            series = re.split(r"[\d_\-\.]", name)[0].lower() + label
            part = "test" if int(hashlib.md5(series.encode()).hexdigest(), 16) % 10 < 3 else "train"
            os.makedirs(f"{out}/{part}/{label}", exist_ok=True)
            image.save(f"{out}/{part}/{label}/{name}.png")


{"digits": digits, "clipart": clipart}[sys.argv[1]](*sys.argv[2:])
