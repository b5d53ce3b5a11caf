#!/usr/bin/env python3
"""real.json: the shipped checkpoint (19 dogs, 160x160) trained for a few steps on pictures that the repository has.
float64 in PyTorch, and how far float32 is off.   python make_real.py FOLDER WEIGHTS PICTURE.png..."""
import json, sys, torch
from pathlib import Path
from PIL import Image
from transformers import MobileNetV2ForImageClassification, AutoImageProcessor, logging
logging.set_verbosity_error(); torch.set_num_threads(1)
folder, weights, *pictures = sys.argv[1:]
proc = AutoImageProcessor.from_pretrained(weights, backend="pil")
x = torch.cat([proc(Image.open(p).convert("RGB"), return_tensors="pt")["pixel_values"] for p in pictures]); y = torch.tensor([13, 0, 5, 7][: len(pictures)])
def run(mode, dtype, opt, steps):
    m = MobileNetV2ForImageClassification.from_pretrained(weights).to(dtype); m.dropout.p = 0.0; m.train()
    if mode == "frozen": [b.eval() for b in m.modules() if isinstance(b, torch.nn.BatchNorm2d)]
    ps = list(m.parameters()); named = list(m.named_parameters())
    o = torch.optim.AdamW([dict(params=[p for n, p in named if "bias" not in n], weight_decay=.01), dict(params=[p for n, p in named if "bias" in n], weight_decay=0.)], lr=1e-4) if opt == "adamw" else torch.optim.SGD(ps, lr=1e-3, momentum=.9)
    rows = []
    for k in range(steps):
        out = m(pixel_values=x.to(dtype), labels=y); o.zero_grad(); out.loss.backward(); norm = torch.nn.utils.clip_grad_norm_(ps, 1e9)
        row = dict(loss=float(out.loss), grad_norm=float(norm))
        if k == 0: row["logits"] = [[round(v, 6) for v in r] for r in out.logits.detach().double().tolist()]; row["grad_norms"] = {n: float(p.grad.norm()) for n, p in named if n.endswith("convolution.weight") or n.startswith("classifier")}
        o.step(); rows.append(row)
    return rows
res = []
for mode, opt in (("frozen", "adamw"), ("frozen", "sgd"), ("train", "sgd")):
    a, b = run(mode, torch.float64, opt, 5), run(mode, torch.float32, opt, 5)
    dev = [abs(p["loss"] - q["loss"]) / max(1, abs(p["loss"])) for p, q in zip(a, b)]
    res.append(dict(mode=mode, optimizer=opt, lr=1e-4 if opt == "adamw" else 1e-3, weight_decay=.01 if opt == "adamw" else 0, momentum=.9, steps=a, float32_loss_deviation=[float(f"{d:.1e}") for d in dev])); print(mode, opt, [round(r["loss"], 5) for r in a], [round(r["grad_norm"], 3) for r in a], "f32", [f"{d:.0e}" for d in dev])
(Path(folder) / "real.json").write_text(json.dumps(dict(about="dropout off; labels " + str(y.tolist()), pictures=[Path(p).name for p in pictures], pixel_sums=[float(v) for v in x.double().sum((1, 2, 3))], cases=res), indent=1))
