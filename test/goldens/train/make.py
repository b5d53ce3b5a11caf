#!/usr/bin/env python3
"""What transformers' schedules and PyTorch's training of one linear layer give.

    pip install torch==2.13.0 transformers accelerate numpy
    python make.py

schedules.json   `get_scheduler` by name: the factor of the learning rate at every step, and two after the last
metric-schedules.json   those that follow a metric: the learning rate after each evaluation
head.json        a classifier on features that the formula of test/goldens/models gives (imported from there): loss, norm and
                 rate of five steps, and the weights after them, all in float64
"""

import json
import sys
from pathlib import Path

import torch
from transformers import get_scheduler

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "models"))
from make import formula  # noqa: E402

RATE = 0.01
SCHEDULES = [
    ("linear", 3, 20, {}),
    ("linear", 0, 7, {}),
    ("cosine", 3, 20, {}),
    ("cosine", 0, 9, {"num_cycles": 1.5}),
    ("cosine_with_restarts", 2, 20, {"num_cycles": 3}),
    ("polynomial", 4, 20, {}),
    ("polynomial", 0, 12, {"lr_end": 1e-3, "power": 2.0}),
    ("constant", 3, 20, {}),
    ("constant_with_warmup", 3, 20, {}),
    ("inverse_sqrt", 4, 20, {}),
    ("inverse_sqrt", 0, 20, {"timescale": 7}),
    ("cosine_with_min_lr", 3, 20, {"min_lr": 1e-3}),
    ("cosine_with_min_lr", 0, 20, {"min_lr_rate": 0.2, "num_cycles": 1.0}),
    ("cosine_warmup_with_min_lr", 3, 20, {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", 4, 20, {"min_lr": 2e-3, "warmup_lr_rate": 0.25}),
    ("warmup_stable_decay", 3, 20, {"num_decay_steps": 6}),
    ("warmup_stable_decay", 4, 20, {"num_decay_steps": 8, "num_stable_steps": 5, "min_lr_ratio": 0.1,
                                    "warmup_type": "cosine", "decay_type": "1-sqrt"}),
    ("warmup_stable_decay", 4, 20, {"num_decay_steps": 8, "warmup_type": "1-sqrt", "decay_type": "linear"}),
]


def schedule(name, warmup, steps, options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    # No schedule of this name takes them all; constant takes none.
    scheduler = get_scheduler(name, optimizer, warmup, steps, options)
    factors = []
    for _ in range(steps + 2):
        factors.append(scheduler.get_last_lr()[0] / RATE)
        optimizer.step()
        scheduler.step()
    return {"name": name, "learning_rate": RATE, "warmup": warmup, "steps": steps, "options": options, "factors": factors}


METRIC_SCHEDULES = [
    ("reduce_lr_on_plateau", {"patience": 2}),
    ("reduce_lr_on_plateau", {"mode": "max", "factor": 0.5, "patience": 0, "cooldown": 2, "min_lr": 1e-3}),
    ("reduce_lr_on_plateau", {"threshold": 0.05, "threshold_mode": "abs", "patience": 1, "eps": 1e-4}),
    ("reduce_lr_on_plateau", {"mode": "max", "threshold": 0.2, "patience": 3}),
    ("greedy", {"patience": 1, "min_lr": 1e-3}),
    ("greedy", {"mode": "max", "factor": 0.5, "patience": 0, "cooldown": 1, "warmup": 2, "max_lr": 0.03}),
    ("greedy", {"patience": 1, "smooth": True, "window_size": 4, "threshold": 0.01, "threshold_mode": "rel"}),
    ("greedy", {"factor": 0.2, "patience": 0, "min_lr": 5e-3, "reset_start": 3, "smooth": True, "window_size": 2}),
]


def metric_schedule(name, options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = get_scheduler(name, optimizer, scheduler_specific_kwargs=options)
    # Falls, rises, and trembles.
    metrics = [abs(1 - n / 20) + 0.3 * ((n * 7919 % 13) / 13) for n in range(60)]
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(optimizer.param_groups[0]["lr"])
    return {"name": name, "learning_rate": RATE, "options": options, "metrics": metrics, "rates": rates}


CLASSES, CHANNELS, BATCH, STEPS = 5, 37, 6, 5
OPTIMIZERS = {
    "adamw_torch": lambda groups: torch.optim.AdamW(groups, lr=RATE),
    "adam": lambda groups: torch.optim.Adam(groups, lr=RATE),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9, nesterov=True),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=RATE, alpha=0.9, momentum=0.9, eps=1.0),
}
HEADS = [
    ("adamw_torch", {"weight_decay": 0.1, "clip": 0.5}),
    ("adamw_torch", {"smoothing": 0.1}),
    ("adam", {"weight_decay": 0.1, "weights": [1.0, 2.0, 0.0, 0.5, 4.0]}),
    ("sgd", {"weight_decay": 0.1, "smoothing": 0.2, "weights": [1.0, 2.0, 3.0, 0.5, 4.0]}),
    ("rmsprop", {"weight_decay": 4e-5, "dropout": 0.2}),
]


def head(optim, weight_decay=0.0, clip=0.0, smoothing=0.0, weights=None, dropout=0.0):
    layer = torch.nn.Linear(CHANNELS, CLASSES).double()
    layer.weight.data = formula("classifier.weight", [CLASSES, CHANNELS]).double()
    layer.bias.data = formula("classifier.bias", [CLASSES]).double()
    groups = [dict(params=[layer.weight], weight_decay=weight_decay), dict(params=[layer.bias], weight_decay=0.0)]
    optimizer = OPTIMIZERS[optim](groups)
    scheduler = get_scheduler("linear", optimizer, 1, STEPS)
    rows = []
    for step in range(STEPS):
        x = formula(f"features.{step}", [BATCH, CHANNELS]).double()
        if dropout:
            keep = formula(f"dropout.{step}", [BATCH, CHANNELS]) > -0.5
            x = x * keep / (1 - dropout)
        labels = torch.tensor([(3 * step + 2 * n) % CLASSES for n in range(BATCH)])
        weight = None if weights is None else torch.tensor(weights).double()
        loss = torch.nn.functional.cross_entropy(layer(x), labels, weight, label_smoothing=smoothing)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(layer.parameters(), clip or float("inf"))
        rows.append({"loss": float(loss), "grad_norm": float(norm), "lr": optimizer.param_groups[0]["lr"]})
        optimizer.step()
        scheduler.step()
    return {"optim": optim, "weight_decay": weight_decay, "clip": clip, "smoothing": smoothing, "weights": weights,
            "dropout": dropout, "rows": rows, "weight": layer.weight.flatten().tolist(), "bias": layer.bias.tolist()}


def write(name, value):
    (HERE / name).write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    write("schedules.json", [schedule(*case) for case in SCHEDULES])
    write("metric-schedules.json", [metric_schedule(*case) for case in METRIC_SCHEDULES])
    write("head.json", {"classes": CLASSES, "channels": CHANNELS, "batch": BATCH, "learning_rate": RATE, "steps": STEPS,
                        "cases": [head(optim, **how) for optim, how in HEADS]})
