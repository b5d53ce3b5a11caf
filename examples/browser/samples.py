"""
Makes two sample pictures and the thumbnails of all of them. Needs Pillow.

    python3 samples.py <skimage/data of Debian's python3-skimage> <test_data of google-coral/test_data>
"""
import sys
from pathlib import Path
from PIL import Image, ImageOps

here = Path(__file__).parent
skimage, coral = map(Path, sys.argv[1:])


def stored(picture: Image.Image, name: str, edge: int) -> None:
    picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    picture.save(here.parent / name, quality=82, optimize=True)


stored(Image.open(skimage / "astronaut.png").convert("RGB"), "astronaut.jpg", 448)
parrot = Image.open(coral / "parrot.jpg").convert("RGB")
width, height = parrot.size
# The middle square, which the network looks at, then holds the bird.
stored(parrot.crop((0, round(0.1 * height), width, round(0.76 * height))), "parrot.jpg", 512)
for name in ("cat.jpg", "dog.jpg", "coffee.jpg", "husky.png", "astronaut.jpg", "parrot.jpg"):
    small = ImageOps.fit(Image.open(here.parent / name).convert("RGB"), (96, 96), Image.Resampling.LANCZOS)
    small.save(here / "thumbs" / f"{Path(name).stem}.jpg", quality=72, optimize=True)
