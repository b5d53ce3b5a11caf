"""Parts of pictures resized as Pillow does, and colors changed as torchvision does: augment.json.

    python augment.py          # Pillow 13, torch 2.13, torchvision 0.29

Pictures are those of test/helpers/processor-inputs.ts, so only CRC-32 of the results is stored. Of torchvision only the file
with the formulas is loaded: the rest wants the very torch that it was built for.
"""
import importlib.util, json, random, sys, zlib
from pathlib import Path

import numpy as np, torch
from PIL import Image

OUT = Path(__file__).parent / 'augment.json'

spec = importlib.util.find_spec('torchvision')
where = Path(spec.submodule_search_locations[0]) / 'transforms' / '_functional_tensor.py'
spec = importlib.util.spec_from_file_location('functional', where)
F = importlib.util.module_from_spec(spec)
spec.loader.exec_module(F)


def noise(width, height, channels, seed=1):
    state, out = seed, np.empty(width * height * channels, np.uint8)
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state >> 24
    return out.reshape(height, width, channels)


crc = lambda array: zlib.crc32(np.ascontiguousarray(array, dtype=np.uint8).tobytes())
r = random.Random(16)

boxes = []
for i in range(120):
    width, height, channels = r.randint(1, 70), r.randint(1, 70), r.choice([1, 3])
    w, h = r.randint(1, width), r.randint(1, height)
    box = dict(left=r.randint(0, width - w), top=r.randint(0, height - h), width=w, height=h)
    size = [r.randint(1, 60), r.randint(1, 60)]
    if i % 10 == 0: size = [w, h]
    resample = r.choice([0, 1, 2, 2, 2, 3])
    pixels = noise(width, height, channels)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    corners = (box['left'], box['top'], box['left'] + w, box['top'] + h)
    out = image.resize(size, resample, box=corners)
    boxes.append(dict(width=width, height=height, channels=channels, box=box, size=size, resample=resample, crc=crc(out)))

colors = []
for i in range(60):
    width, height = r.randint(1, 40), r.randint(1, 40)
    name = ['brightness', 'contrast', 'saturation'][i % 3]
    factor = r.choice([0, 1, r.uniform(0, 2), r.uniform(0, 2), r.uniform(.6, 1.4)])
    image = torch.from_numpy(noise(width, height, 3, seed=i + 1).transpose(2, 0, 1).copy())
    out = getattr(F, f'adjust_{name}')(image, factor)
    colors.append(dict(width=width, height=height, seed=i + 1, name=name, factor=factor, crc=crc(out.numpy().transpose(1, 2, 0))))

OUT.write_text(json.dumps(dict(boxes=boxes, colors=colors)) + '\n')
print(len(boxes), len(colors))
