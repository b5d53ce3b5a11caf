"""Makes shipped.safetensors: what Python's transformers computes with the checkpoints of weights/, for examples/husky.png.

    pip install torch==2.13.0 transformers==5.24.0 pillow safetensors
    python make.py
"""

from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    MobileNetV2ForImageClassification,
    MobileNetV2ForSemanticSegmentation,
    MobileNetV2ImageProcessorPil,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FOLDERS = {
    "mobilenet_v2_1.0_224": MobileNetV2ForImageClassification,
    "deeplabv3_mobilenet_v2_0.5_513": MobileNetV2ForSemanticSegmentation,
}

image = Image.open(ROOT / "examples/husky.png").convert("RGB")
logits = {}
for name, Model in FOLDERS.items():
    folder = ROOT / "weights" / name
    processor = MobileNetV2ImageProcessorPil.from_pretrained(folder)
    model = Model.from_pretrained(folder).eval()
    assert next(model.parameters()).dtype == torch.float32
    with torch.no_grad():
        logits[name] = model(**processor(image, return_tensors="pt")).logits[0].contiguous()
save_file(logits, HERE / "shipped.safetensors")
