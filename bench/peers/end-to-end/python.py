"""The same in Python, for rounds.mjs: a request in JSON a line, an answer in JSON a line.

open {"task": "label" | "decode", "folder"}; turn {"path", "budget"}: as child.mjs.
"""

import io
import json
import sys
import time

import numpy as np
from PIL import Image


def decoder():
    def run(data):
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        return lambda: {"width": pixels.shape[1], "height": pixels.shape[0], "means": pixels.mean((0, 1)).tolist()}

    return run


def classifier(folder):
    import torch
    from transformers import MobileNetV2ForImageClassification, MobileNetV2ImageProcessorPil

    torch.set_num_threads(1)
    processor = MobileNetV2ImageProcessorPil.from_pretrained(folder)
    model = MobileNetV2ForImageClassification.from_pretrained(folder).eval()

    def run(data):
        image = Image.open(io.BytesIO(data)).convert("RGB")
        with torch.no_grad():
            scores = model(**processor(image, return_tensors="pt")).logits[0].softmax(-1)
        best = int(scores.argmax())
        return lambda: {"label": model.config.id2label[best], "score": float(scores[best])}

    return run


def turn(run, data, budget):
    wall, cpu, begin = [], [], time.perf_counter()
    first = True
    while first or (time.perf_counter() - begin) * 1000 < budget:
        start, used = time.perf_counter(), time.process_time()
        answer = run(data)
        took = (time.perf_counter() - start) * 1000
        if not (first and took < budget):
            wall.append(took)
            cpu.append((time.process_time() - used) * 1000)
        first = False
    return {"wall": wall, "cpu": cpu, "answer": answer()}


run = None
for line in sys.stdin:
    asked = json.loads(line)
    try:
        if asked["call"] == "open":
            run = decoder() if asked["task"] == "decode" else classifier(asked["folder"])
            value = {}
        else:
            value = turn(run, open(asked["path"], "rb").read(), asked["budget"])
        answer = {"value": value}
    except Exception as error:
        answer = {"error": repr(error)}
    print("\x1e" + json.dumps(answer), flush=True)
