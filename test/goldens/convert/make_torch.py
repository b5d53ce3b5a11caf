#!/usr/bin/env python3
"""Small torchvision and timm models, and what those make of a picture with them.

    pip install torch==2.13.0 pillow safetensors numpy pyyaml huggingface_hub
    pip install --no-deps torchvision==0.29.1 timm==1.0.31
    python make_torch.py

Width 0.3 (see make_keras.py), few and random multiples of 1/4, with random batch-norm statistics; stored as float16, which holds them exactly.
"""

import gzip
import io
import json
from pathlib import Path

import torch

# torchvision's compiled part does not load beside a torch of another build; it is not needed, but its names are.
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import timm
import torchvision
from PIL import Image
from safetensors.torch import save, save_file
from timm.models.efficientnet import _gen_mobilenet_v2

HERE = Path(__file__).parent
PICTURE = HERE.parents[2] / "examples" / "husky.png"
SIZE = 64
random = torch.Generator().manual_seed(3)


def coarse(tensor, steps=32):
    tensor.copy_((tensor * steps).round() / steps)


@torch.no_grad()
def fill(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.7, 1.3, generator=random)
            module.running_var.uniform_(0.4, 1.6, generator=random)
            module.bias.normal_(0, 0.3, generator=random)
            module.running_mean.normal_(0, 0.3, generator=random)
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                coarse(tensor)
        elif isinstance(module, torch.nn.Conv2d):
            module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=random)
            module.weight.mul_(6**0.5 * (torch.rand(module.weight.shape, generator=random) < 1 / 6))
            coarse(module.weight, 4)
        elif isinstance(module, torch.nn.Linear):
            module.weight.normal_(0, 0.1, generator=random)
            module.bias.normal_(0, 0.1, generator=random)
            coarse(module.weight)
            coarse(module.bias)
    return model.eval()


def half(model):
    return {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}


expected = {}


@torch.inference_mode()
def expect(name, model, transform):
    pixels = transform(Image.open(PICTURE).convert("RGB"))[None]
    normalise = transform if hasattr(transform, "mean") else transform.transforms[-1]
    mean, std = [torch.as_tensor(v).reshape(3, 1, 1) for v in (normalise.mean, normalise.std)]
    expected[f"{name}.uint8"] = ((pixels * std + mean) * 255).round().to(torch.uint8).contiguous()
    expected[f"{name}.logits"] = model(pixels).contiguous()


model = fill(torchvision.models.mobilenet_v2(width_mult=0.3, num_classes=4))
# The layout of `torch.save` in an epoch's checkpoint, from DataParallel.
file = io.BytesIO()
torch.save({"state_dict": {f"module.{k}": v for k, v in half(model).items()}}, file)
(HERE / "torchvision.pth.gz").write_bytes(gzip.compress(file.getvalue(), 9, mtime=0))
transform = torchvision.transforms._presets.ImageClassification(crop_size=SIZE, resize_size=73)
expect("torchvision", model, transform)

cfg = {"input_size": (3, SIZE, SIZE), "crop_pct": 0.8, "interpolation": "bicubic", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}
model = fill(_gen_mobilenet_v2("mobilenetv2_035", 0.3, num_classes=4))
folder = HERE / "timm"
folder.mkdir(exist_ok=True)
(folder / "model.safetensors.gz").write_bytes(gzip.compress(save(half(model)), 9, mtime=0))
config = {"architecture": "mobilenetv2_035", "num_classes": 4, "label_names": ["a", "b", "c", "d"], "pretrained_cfg": cfg}
(folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
expect("timm", model, timm.data.create_transform(**timm.data.resolve_data_config(cfg)))

save_file(expected, HERE / "torch.expected.safetensors")
for name, value in expected.items():
    print(name, tuple(value.shape), value.flatten()[:4])
