"""Makes scores.safetensors: every score that Python's transformers gives JPEGs, by the classifier of weights/.

    pip install torch==2.13.0 transformers==5.24.0 pillow==13.0.0 safetensors
    python make_scores.py

Keys are paths: of examples/, and of ../shared/jpeg beside the project. Pictures are opened as transformers' pipelines do it.
"""

from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file
from transformers import MobileNetV2ForImageClassification, MobileNetV2ImageProcessorPil

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FOLDER = ROOT / "weights/mobilenet_v2_1.0_224"
FILES = [
    *sorted((ROOT / "examples").glob("*.jpg")),
    *(ROOT.parent / "shared/jpeg" / name for name in (
        "apsara.jpg", "cat-420.jpg", "cat-422.jpg", "cat-444.jpg", "cat-gray.jpg", "cat-progressive.jpg", "cmyktest.jpg",
        "exif-orientation-6.jpg", "grumpycat-50.jpg", "rgb.jpg", "skater-progressive.jpg", "tree-cmyk.jpg",
    )),
]  # fmt: skip

processor = MobileNetV2ImageProcessorPil.from_pretrained(FOLDER)
model = MobileNetV2ForImageClassification.from_pretrained(FOLDER).eval()
scores = {}
for path in FILES:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    with torch.no_grad():
        logits = model(**processor(image, return_tensors="pt")).logits[0]
    key = path.relative_to(ROOT if path.is_relative_to(ROOT) else ROOT.parent).as_posix()
    scores[key] = logits.double().softmax(-1).float()
save_file(scores, HERE / "scores.safetensors")
