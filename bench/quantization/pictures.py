"""Makes two folders of pictures, DIR/calibrate and DIR/evaluate, out of photographs that packages of Debian carry.

    python3 bench/quantization/pictures.py DIR [PACKAGES]

Needs Pillow, `apt-get download` and `dpkg` (PACKAGES: a folder where the packages lie already, unpacked). No picture is in
both: a photograph or a stamp is for the one or for the other, with all its crops. Everything follows from the names of
files, so that a second run makes the same bytes.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from PIL import Image

PACKAGES = ["tuxpaint-stamps-default", "opencv-doc", "darknet", "python3-skimage", "mate-backgrounds"]

# Photographs of scenes. Cut at several places they are several pictures.
DATA = "opencv-doc/usr/share/doc/opencv-doc/examples/data/"
SKIMAGE = "python3-skimage/usr/lib/python3/dist-packages/skimage/data/"
DARKNET = "darknet/usr/share/darknet/data/"
MATE = "mate-backgrounds/usr/share/backgrounds/mate/nature/"
SCENES = (
    [DATA + name for name in """fruits.jpg baboon.jpg HappyFish.jpg squirrel_cls.jpg home.jpg aloeL.jpg board.jpg
      starry_night.jpg basketball1.png cards.png orange.jpg chicky_512.png stuff.jpg rubberwhale1.png messi5.jpg
      butterfly.jpg building.jpg apple.jpg aero1.jpg aero3.jpg leuvenA.jpg licenseplate_motion.jpg""".split()]
    + [SKIMAGE + name for name in "astronaut.png coffee.png chelsea.png rocket.jpg motorcycle_left.png".split()]
    + [DARKNET + name for name in "dog.jpg eagle.jpg giraffe.jpg horses.jpg kite.jpg person.jpg".split()]
    + [MATE + name + ".jpg" for name in """Garden Dune Wood Aqua TwoWings Storm GreenMeadow RainDrops FreshFlower
      LadyBird YellowFlower""".split()]
)
# Where a scene is cut: left, top and side as parts of the shorter edge; None is all of it.
CROPS = [None, (0.0, 0.0, 0.6), (0.4, 0.4, 0.6)]
STAMPS = "tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
LEAST_BYTES = 60_000  # of a stamp: photographs, not drawings
EDGE = 320
# One of so many is for calibration.
CALIBRATION_SHARE = 4


def fetch(packages: Path) -> None:
    """What is not there yet, unpacked into a folder of its own."""
    for name in PACKAGES:
        if (packages / name).is_dir():
            continue
        packages.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", name], cwd=packages, check=True)
        archive = next(packages.glob(f"{name}_*.deb"))
        subprocess.run(["dpkg", "-x", archive, packages / name], check=True)


def number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def upright(picture: Image.Image, name: str) -> Image.Image:
    """RGB. A cut-out stamp stands on a plain color, a dark or a bright one by its name."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    stamp = picture.convert("RGBA")
    side = round(max(stamp.size) * 1.15)
    shade = number(name)
    color = tuple(40 + (shade >> shift) % 216 for shift in (0, 8, 16))
    ground = Image.new("RGBA", (side, side), (*color, 255))
    ground.alpha_composite(stamp, ((side - stamp.width) // 2, (side - stamp.height) // 2))
    return ground.convert("RGB")


def cut(picture: Image.Image, crop: tuple[float, float, float] | None) -> Image.Image:
    short = min(picture.size)
    if crop is not None:
        left, top, side = (round(short * part) for part in crop)
        picture = picture.crop((left, top, left + side, top + side))
    factor = EDGE / min(picture.size)
    size = (max(EDGE, round(picture.width * factor)), max(EDGE, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def main(out: Path, packages: Path) -> None:
    fetch(packages)
    stamps = sorted(path for path in (packages / STAMPS).rglob("*.png") if path.stat().st_size >= LEAST_BYTES)
    files = [packages / name for name in SCENES] + stamps
    counts = {"calibrate": 0, "evaluate": 0}
    for file in files:
        name = file.relative_to(packages).as_posix()
        use = "calibrate" if number(name) % CALIBRATION_SHARE == 0 else "evaluate"
        picture = upright(Image.open(file), name)
        for index, crop in enumerate(CROPS if file not in stamps else [None]):
            to = out / use / f"{file.parent.name}-{file.stem}-{index}.png"
            to.parent.mkdir(parents=True, exist_ok=True)
            cut(picture, crop).save(to)
            counts[use] += 1
    print(counts)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    main(out, Path(sys.argv[2]) if len(sys.argv) == 3 else out / "packages")
