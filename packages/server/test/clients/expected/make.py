"""Makes expected.json and dog-classes.png: what Python's transformers says of examples/, with the checkpoints of weights/.

    pip install torch==2.13.0 transformers==5.24.0 pillow==13.0.0
    python make.py

expected.json, for every picture: the five best labels, their scores, logits and places in the list of classes; and of cat.jpg
the 1280 pooled features. dog-classes.png: the class of every pixel of dog.jpg, the whole picture segmented (no crop).
"""

import json
from pathlib import Path

import torch
from PIL import Image, ImageOps
from transformers import (
    MobileNetV2ForImageClassification,
    MobileNetV2ForSemanticSegmentation,
    MobileNetV2ImageProcessorPil,
    MobileNetV2Model,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[4]
CLASSIFIER = ROOT / "weights/mobilenet_v2_1.0_224"
SEGMENTER = ROOT / "weights/deeplabv3_mobilenet_v2_0.5_513"


def picture(name):
    return ImageOps.exif_transpose(Image.open(ROOT / "examples" / name)).convert("RGB")


def classes(name):
    processor = MobileNetV2ImageProcessorPil.from_pretrained(CLASSIFIER)
    model = MobileNetV2ForImageClassification.from_pretrained(CLASSIFIER).eval()
    logits = model(**processor(picture(name), return_tensors="pt")).logits[0].double()
    scores = logits.softmax(-1)
    return [
        {
            "label": model.config.id2label[i],
            "score": round(scores[i].item(), 7),
            "logit": round(logits[i].item(), 5),
            "index": i,
        }
        for i in logits.topk(5).indices.tolist()
    ]


def features(name):
    processor = MobileNetV2ImageProcessorPil.from_pretrained(CLASSIFIER)
    model = MobileNetV2Model.from_pretrained(CLASSIFIER).eval()
    pooled = model(**processor(picture(name), return_tensors="pt")).pooler_output.flatten()
    return [round(x, 5) for x in pooled.tolist()]


def segments(name):
    processor = MobileNetV2ImageProcessorPil.from_pretrained(SEGMENTER)
    model = MobileNetV2ForSemanticSegmentation.from_pretrained(SEGMENTER).eval()
    image = picture(name)
    outputs = model(**processor(image, return_tensors="pt", do_center_crop=False))
    (found,) = processor.post_process_semantic_segmentation(outputs, [(image.height, image.width)])
    return found.byte().numpy(), model.config.id2label


with torch.no_grad():
    found, names = segments("dog.jpg")
    expected = {
        "labels": {name: classes(name) for name in ("cat.jpg", "dog.jpg", "coffee.jpg", "husky.png")},
        "features": {"cat.jpg": features("cat.jpg")},
        "segments": {"dog.jpg": {names[i]: int((found == i).sum()) for i in sorted(set(found.flatten().tolist()))}},
    }
Image.fromarray(found).save(HERE / "dog-classes.png", optimize=True)
text = json.dumps(expected, indent=1)
(HERE / "expected.json").write_text(text + "\n")
