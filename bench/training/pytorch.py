"""One measurement of PyTorch for bench/training/run.mjs: steps of fine-tuning by transformers' MobileNetV2, on the CPU.

usage: pytorch.py '{"checkpoint": folder, "size": 224, "batch": 16, "threads": 1, "norms": "frozen" | "train" | "head", "steps": 3}'

Prints one line of JSON: milliseconds of CPU and of wall time a picture (the best step), losses, and bytes of memory: `base` with the model
loaded and `peak` (what the system counted as resident at most). Pictures are random and ready in memory: nothing is decoded. Memory is
channels_last, which is the faster of PyTorch's two here.
"""
import json
import resource
import sys
import time

import torch
from transformers import MobileNetV2ForImageClassification, logging

job = json.loads(sys.argv[1])
logging.set_verbosity_error()
torch.set_num_threads(job["threads"])
torch.manual_seed(0)
classes = 10
model = MobileNetV2ForImageClassification.from_pretrained(job["checkpoint"], num_labels=classes, ignore_mismatched_sizes=True)
resident = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
size, batch, steps = job["size"], job["batch"], job["steps"]
labels = torch.arange(batch) % classes

if job["norms"] == "head":  # on features that are there already
    features = torch.rand(batch, model.config.hidden_sizes[-1] if hasattr(model.config, "hidden_sizes") else model.classifier.in_features)
    model = model.classifier
    forward = lambda: torch.nn.functional.cross_entropy(model(features), labels)
else:
    model = model.to(memory_format=torch.channels_last)
    pixels = (torch.rand(batch, 3, size, size) * 2 - 1).contiguous(memory_format=torch.channels_last)
    forward = lambda: model(pixel_values=pixels, labels=labels).loss
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.1
            if job["norms"] == "frozen":
                module.eval()
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(
    [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01}, {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}],
    lr=1e-5,
)
base, losses, cpu, wall = resident(), [], float("inf"), float("inf")
for step in range(steps + 1):  # the first is not counted
    c, w = time.process_time(), time.perf_counter()
    loss = forward()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    c, w = time.process_time() - c, time.perf_counter() - w
    losses.append(loss.item())
    if step > 0:
        cpu, wall = min(cpu, c), min(wall, w)
print(json.dumps(dict(engine="pytorch", version=torch.__version__, cpu=cpu * 1e3 / batch, wall=wall * 1e3 / batch, losses=losses, base=base, peak=resident())))
