#!/usr/bin/env python3
"""Does transformers read what our trainer wrote, see in it what we saw, and train on?

    python check_trained.py CHECKPOINT PICTURES

CHECKPOINT is a folder checkpoint-N of ours; PICTURES a safetensors file with `pixel_values`, `labels` and the `logits` that our
network gave. Prints one line of JSON: the largest difference of logits, our loss and theirs, the losses of ten more
steps, and what their TrainerState makes of trainer_state.json.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageClassification
from transformers.trainer_callback import TrainerState

folder = Path(sys.argv[1])
data = load_file(sys.argv[2])
pixels, labels = data["pixel_values"], data["labels"].long()
model, info = AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
with torch.no_grad():
    output = model.eval()(pixel_values=pixels, labels=labels)
state = TrainerState.load_from_json(str(folder / "trainer_state.json"))


# What their Trainer does in a step, without its dependencies.
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
losses = []
for _ in range(10):
    optimizer.zero_grad()
    loss = model(pixel_values=pixels, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(float(loss.detach()))
print(json.dumps({
    "missing": sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]),
    "difference": float((output.logits - data["logits"]).abs().max() / max(1, data["logits"].abs().max())),
    "loss": float(output.loss),
    "losses": losses,
    "finite": all(bool(torch.isfinite(p).all()) for p in model.parameters()),
    "global_step": state.global_step,
    "epoch": state.epoch,
    "logged": len(state.log_history),
    "callbacks": sorted(state.stateful_callbacks),
}))
