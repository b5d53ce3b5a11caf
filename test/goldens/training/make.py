#!/usr/bin/env python3
"""Writes the goldens of training: losses, gradients, running statistics and optimizer steps of Hugging Face's
MobileNetV2 in PyTorch.

    pip install torch==2.13.0 transformers safetensors numpy      # made with transformers 5.24.0, torch 2.13.0+cpu
    python make.py FOLDER [kernels cases optimizers steps probes]

The files lie beside the project, in shared/goldens/training, because they are large.

Weights, pictures, labels and masks come from the formula of test/goldens/models/make.py (name and index -> value), so
that both sides compute them and only what is expected is stored. Everything is computed in float64 and stored as
float32; `float32_deviation` says how far PyTorch itself is off in float32, relative to each tensor's largest value.

    kernels.json / kernels.safetensors   one operation at a time: the forward's y, and the gradients of x, w, b
    cases.json   / cases/NAME.safetensors   whole networks: grad.<parameter>, grad.pixel_values, stat.<buffer>
    optimizers.json / optimizers.safetensors   every optimizer, schedule and clipping on given gradients, after each of 5 steps
    steps.json   / steps/NAME.safetensors   three optimizer steps: change.<parameter or buffer>
    probes.json  wide networks: of each gradient its norm, sum, and dot product with formula('probe.' + name)
"""
import json, math, sys
from pathlib import Path
import numpy as np, torch, transformers
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation

transformers.logging.set_verbosity_error()
OUT = Path(sys.argv[1])
C, S = MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation
torch.set_num_threads(1)

# --- the formula -----------------------------------------------------------------------------------------------------
sys.path.insert(0, str(Path(__file__).parent.parent / "models"))
from make import fill, formula as value_of, hashes  # noqa: E402


def formula(name, dims, kind=None, keep=None, **labels):
    """The formula of ../models/make.py, and `keep`, a dropout mask: 1 where the top 16 bits are below keep * 65536."""
    if kind != "keep": return value_of(name, dims, kind, **labels)
    kept = (hashes(name, math.prod(dims)) >> np.uint32(16)) < np.uint32(round(keep * 65536))
    return torch.from_numpy(kept.astype(np.float32).reshape(dims))

class Masked(torch.nn.Module):
    """Dropout with a mask from the formula: y = x * mask / keep. Dropout2d has a mask of [N,C,1,1]."""
    def __init__(self, p, two_d): super().__init__(); self.p, self.two_d, self.name = p, two_d, "dropout"
    def forward(self, x):
        if not self.training or self.p == 0: return x
        dims = [*x.shape[:2], 1, 1] if self.two_d else list(x.shape)
        return x * formula(self.name, dims, "keep", keep=1 - self.p).to(x.dtype) / (1 - self.p)

def build(cls, config, dtype):
    model = cls(config); fill(model)
    # transformers' own: Dropout(inplace) and Dropout2d; the same with a mask that both sides know
    if cls is C: model.dropout = Masked(config.classifier_dropout_prob, False)
    else: model.segmentation_head.dropout = Masked(config.classifier_dropout_prob, True)
    return model.to(dtype)

def set_mode(model, mode, trainable):
    """train: everything in train mode. eval: everything in eval mode, no dropout. frozen: batch norms in eval mode, the
    rest in train mode. last: parameters by prefix train, batch norms of the others are in eval mode."""
    model.train(mode != "eval")
    for name, p in model.named_parameters(): p.requires_grad = trainable is None or name.startswith(tuple(trainable))
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d) and (mode == "frozen" or not m.weight.requires_grad): m.eval()

def relative(a, b): return float((a.double() - b.double()).abs().max() / max(1e-12, float(b.double().abs().max())))

def kink_distance(model, run):
    """The least distance of an activation's input to a kink (0, or 6): below 1e-6 float32 could fall on the other side."""
    least = [math.inf]
    def hook(m, args):
        x = args[0].detach(); least[0] = min(least[0], float(x.abs().min()))
        if isinstance(m, torch.nn.ReLU6): least[0] = min(least[0], float((x - 6).abs().min()))
    hs = [m.register_forward_pre_hook(hook) for m in model.modules() if isinstance(m, (torch.nn.ReLU, torch.nn.ReLU6))]
    run(); [h.remove() for h in hs]
    return least[0]

def labels_of(spec, dtype, name="labels"):
    if spec is None: return None
    t = formula(name, **{k: v for k, v in spec.items() if k != "override"})
    for index, value in (spec.get("override") or {}).items(): t.view(-1)[int(index)] = value
    return t if t.dtype == torch.int64 else t.to(dtype)

NOISE = {"transformers_version", "architectures", "model_type", "id2label", "label2id", "dtype", "output_hidden_states", "return_dict", "output_attentions", "chunk_size_feed_forward", "is_encoder_decoder", "_name_or_path"}
def config_fields(config): return {**{k: v for k, v in config.to_dict().items() if k not in NOISE}, "num_labels": config.num_labels}

# --- whole networks -------------------------------------------------------------------------------------------------------
# 4 to 128 channels, 37 thousand parameters
TINY = dict(depth_multiplier=0.1, depth_divisible_by=4, min_depth=4, finegrained_output=False, classifier_dropout_prob=0.0)
def case(name, cls, dims, mode, config, labels, trainable=None, micro=None): return dict(name=name, cls=cls, dims=dims, mode=mode, config=config, labels=labels, trainable=trainable)
cl = lambda n, k, **o: dict(kind="classes", dims=[n], classes=k, **o)
sg = lambda n, h, w, k, ignore=255: dict(kind="segments", dims=[n, h, w], classes=k, ignore=ignore)
LAST = ["mobilenet_v2.layer.13.", "mobilenet_v2.layer.14.", "mobilenet_v2.layer.15.", "mobilenet_v2.conv_1x1.", "classifier."]
CASES = [
    case("classify-eval", C, [3, 3, 33, 47], "eval", dict(**TINY, num_labels=5), cl(3, 5)),
    case("classify-eval-torch-padding", C, [3, 3, 48, 34], "eval", dict(**TINY, tf_padding=False, num_labels=5), cl(3, 5)),
    case("classify-train", C, [4, 3, 65, 47], "train", dict(**TINY, num_labels=5), cl(4, 5)),
    case("classify-train-even", C, [4, 3, 64, 48], "train", dict(**TINY, num_labels=5), cl(4, 5)),
    case("classify-train-torch-padding", C, [4, 3, 65, 47], "train", dict(**TINY, tf_padding=False, num_labels=5), cl(4, 5)),
    case("classify-train-torch-padding-even", C, [4, 3, 64, 48], "train", dict(**TINY, tf_padding=False, num_labels=5), cl(4, 5)),
    case("classify-frozen-norm", C, [3, 3, 33, 47], "frozen", dict(**TINY, num_labels=5), cl(3, 5)),
    case("classify-ignored-label", C, [4, 3, 65, 48], "train", dict(**TINY, num_labels=5), cl(4, 5, override={"1": -100})),
    case("classify-all-ignored-but-one", C, [3, 3, 64, 47], "eval", dict(**TINY, num_labels=5), cl(3, 5, override={"0": -100, "2": -100})),
    case("classify-dropout", C, [4, 3, 65, 47], "train", dict(TINY, classifier_dropout_prob=0.25, num_labels=5), cl(4, 5)),
    case("classify-dropout-0.8", C, [4, 3, 65, 47], "train", dict(TINY, classifier_dropout_prob=0.8, num_labels=5), cl(4, 5)),
    case("classify-regression-1", C, [4, 3, 65, 47], "train", dict(**TINY, num_labels=1), dict(kind="value", dims=[4])),
    case("classify-regression-3", C, [3, 3, 64, 65], "train", dict(**TINY, num_labels=3, problem_type="regression"), dict(kind="value", dims=[3, 3])),
    case("classify-multi-label", C, [3, 3, 65, 64], "train", dict(**TINY, num_labels=7, problem_type="multi_label_classification"), dict(kind="binary", dims=[3, 7])),
    case("classify-stride-16", C, [3, 3, 33, 49], "train", dict(**TINY, num_labels=5, output_stride=16), cl(3, 5)),
    case("classify-stride-8", C, [3, 3, 33, 40], "train", dict(**TINY, num_labels=5, output_stride=8), cl(3, 5)),
    case("classify-stride-4-torch-padding", C, [2, 3, 33, 26], "train", dict(**TINY, num_labels=5, output_stride=4, tf_padding=False), cl(2, 5)),
    case("classify-own-expansion", C, [4, 3, 65, 47], "train", dict(**TINY, num_labels=5, first_layer_is_expansion=False), cl(4, 5)),
    case("classify-last-blocks", C, [4, 3, 65, 47], "train", dict(**TINY, num_labels=5), cl(4, 5), LAST),
    case("classify-head-only", C, [3, 3, 33, 47], "eval", dict(**TINY, num_labels=5), cl(3, 5), ["classifier."]),
    case("classify-odd-channels", C, [4, 3, 65, 47], "train", dict(depth_multiplier=0.15625, depth_divisible_by=1, min_depth=1, expand_ratio=4.5, finegrained_output=False, classifier_dropout_prob=0.0, num_labels=5), cl(4, 5)),
    case("classify-ratio-1", C, [4, 3, 65, 47], "train", dict(**TINY, num_labels=5, expand_ratio=1.0), cl(4, 5)),
    case("classify-channels-1", C, [4, 1, 65, 47], "train", dict(**TINY, num_channels=1, num_labels=5), cl(4, 5)),
    case("classify-act-relu", C, [4, 3, 65, 47], "train", dict(**TINY, hidden_act="relu", num_labels=5), cl(4, 5)),
    case("classify-act-silu", C, [4, 3, 65, 47], "train", dict(**TINY, hidden_act="silu", num_labels=5), cl(4, 5)),
    case("segment-eval", S, [2, 3, 65, 49], "eval", dict(**TINY, output_stride=8, num_labels=5), sg(2, 65, 49, 5)),
    case("segment-train", S, [4, 3, 65, 49], "train", dict(**TINY, output_stride=16, num_labels=5), sg(4, 65, 49, 5)),
    case("segment-train-torch-padding", S, [4, 3, 49, 64], "train", dict(**TINY, output_stride=8, tf_padding=False, num_labels=5), sg(4, 49, 64, 5)),
    case("segment-train-dropout", S, [4, 3, 49, 65], "train", dict(TINY, output_stride=16, num_labels=5, classifier_dropout_prob=0.25), sg(4, 49, 65, 5)),
    case("segment-train-stride-32-other-size", S, [5, 3, 65, 97], "train", dict(**TINY, num_labels=5, semantic_loss_ignore_index=3), sg(5, 20, 31, 5, 3)),
    case("segment-frozen-norm", S, [2, 3, 49, 65], "frozen", dict(**TINY, output_stride=16, num_labels=5), sg(2, 49, 65, 5)),
]

def run_case(spec, dtype):
    config = MobileNetV2Config(**spec["config"])
    model = build(spec["cls"], config, dtype); set_mode(model, spec["mode"], spec["trainable"])
    x = formula("pixel_values", spec["dims"]).to(dtype).requires_grad_(True)
    y = labels_of(spec["labels"], dtype)
    out = model(pixel_values=x, labels=y); out.loss.backward()
    got = {"logits": out.logits.detach(), "grad.pixel_values": x.grad} if x.grad is not None else {"logits": out.logits.detach()}
    for name, p in model.named_parameters():
        if p.grad is not None: got[f"grad.{name}"] = p.grad
    for name, b in model.named_buffers():
        if b.is_floating_point() and not torch.equal(b, formula(name, list(b.shape)).to(dtype)): got[f"stat.{name}"] = b
    return model, float(out.loss.detach()), got

def group(name):
    return "grad" if name.startswith("grad") else "stat" if name.startswith("stat") else "logits"

INVARIANT = 1e-9  # of the largest gradient of all: zero but for rounding
def invariant(got):
    """Parameters whose gradient is zero by the mathematics. In train mode that is the beta of every reduce_1x1: what
    follows, through any number of residuals, is a 1x1 convolution and a batch norm that subtracts the mean. In float32
    they hold noise of about 1e-7 of the largest gradient, which Adam and RMSProp blow up to whole steps."""
    most = max(float(v.abs().max()) for n, v in got.items() if n.startswith("grad."))
    return [n for n, v in got.items() if n.startswith("grad.") and float(v.abs().max()) < INVARIANT * most]

def compare(single, double):
    worst = {}
    zero = invariant(double)
    for name, value in double.items():
        if name in zero: continue
        r = relative(single[name], value)
        g = group(name)
        if r > worst.get(g, (0, ""))[0]: worst[g] = (float(f"{r:.2g}"), name)
    return worst

FULL = {"classify-eval", "classify-train", "classify-train-torch-padding-even", "classify-last-blocks", "segment-train"}
def probe(name, value):
    """[norm, sum, dot product with formula('probe.' + name)]"""
    r = formula("probe." + name, list(value.shape), "value").double()
    return [float(value.double().norm()), float(value.double().sum()), float((value.double() * r).sum())]

def model_cases():
    out = OUT / "cases"; out.mkdir(exist_ok=True); [f.unlink() for f in out.iterdir()]
    cases = []
    for spec in CASES:
        model, loss, got = run_case(spec, torch.float64)
        _, loss32, got32 = run_case(spec, torch.float32)
        worst = compare(got32, got)
        dead = invariant(got)
        for n in dead: got[n] = torch.zeros_like(got[n])
        file = out / f"{spec['name']}.safetensors"
        # In full where it is small, or in a case that has everything in full; probes elsewhere (see `probe`).
        full = spec["name"] in FULL
        kept = {k: v for k, v in got.items() if full or k == "logits" or (k.startswith("grad.") and v.numel() <= 20000 and k != "grad.pixel_values")}
        probes = {k: probe(k, v) for k, v in got.items() if k not in kept}
        save_file({k: v.float().contiguous() for k, v in kept.items()}, file); file.chmod(0o644)
        cases.append({"name": spec["name"], "class": spec["cls"].__name__, "config": config_fields(MobileNetV2Config(**spec["config"])), "pixel_values": spec["dims"], "labels": spec["labels"], "mode": spec["mode"], "trainable": spec["trainable"], "loss": loss, "grad_norm": float(torch.sqrt(sum((v.double() ** 2).sum() for n, v in got.items() if n.startswith("grad.") and n != "grad.pixel_values"))), "zero_gradients": dead, "float32_deviation": {k: v for k, v in worst.items()}, "probes": probes})
        print(f"{spec['name']:36} {file.stat().st_size:8,} B loss {loss:.5f} (f32 {abs(loss32-loss):.1e}) norm {cases[-1]['grad_norm']:.3g} f32 {worst} dead {len(dead)}", flush=True)
    return cases

# --- optimizer steps ----------------------------------------------------------------------------------------------------------
def decay_names(model):
    """transformers' Trainer.get_decay_parameter_names: everything but biases. Batch norm's gammas are decayed, too: their
    names end in `normalization.weight`, which none of Trainer's patterns matches."""
    return {n for n, _ in model.named_parameters() if "bias" not in n}

OPTS = {
    "sgd": lambda g: torch.optim.SGD(g, lr=2e-5, momentum=0.9),
    "sgd-nesterov": lambda g: torch.optim.SGD(g, lr=2e-5, momentum=0.9, nesterov=True),
    "sgd-plain": lambda g: torch.optim.SGD(g, lr=1e-3),
    "rmsprop": lambda g: torch.optim.RMSprop(g, lr=2e-5, alpha=0.9, momentum=0.9, eps=1.0),
    "rmsprop-small-eps": lambda g: torch.optim.RMSprop(g, lr=1e-5, alpha=0.9, momentum=0.9, eps=0.002),
    "adamw": lambda g: torch.optim.AdamW(g, lr=1e-4),
    "adamw-fast": lambda g: torch.optim.AdamW(g, lr=2e-3),
    "adam": lambda g: torch.optim.Adam(g, lr=1e-5),
}
def linear(steps, warmup): return lambda k: (k / max(1, warmup)) if k < warmup else max(0.0, (steps - k) / max(1, steps - warmup))
def cosine(steps, warmup): return lambda k: (k / max(1, warmup)) if k < warmup else max(0.0, 0.5 * (1 + math.cos(math.pi * (k - warmup) / max(1, steps - warmup))))
SCHEDULES = {"constant": lambda: (lambda k: 1.0), "linear-of-3": lambda: linear(3, 0), "linear-of-4-warmup-1": lambda: linear(4, 1), "cosine-of-3": lambda: cosine(3, 0), "exponential-0.98": lambda: (lambda k: 0.98 ** k)}

def step(name, opt, schedule="constant", weight_decay=0.0, clip=0.0, mode="train", cls=C, trainable=None, decay="trainer", dropout=0.0, steps=3, accumulate=1, label_smoothing=0.0):
    return dict(name=name, opt=opt, schedule=schedule, weight_decay=weight_decay, clip=clip, mode=mode, cls=cls, trainable=trainable, decay=decay, dropout=dropout, steps=steps, accumulate=accumulate, label_smoothing=label_smoothing)
STEPS = [
    step("sgd-momentum", "sgd", weight_decay=4e-5),
    step("rmsprop-paper", "rmsprop", "exponential-0.98", 4e-5, decay="all"),
    step("adamw-trainer", "adamw", "linear-of-3", 0.01, clip=1.0),
    step("adamw-frozen-norm", "adamw-fast", "linear-of-3", 0.01, clip=1.0, mode="frozen"),
    step("adamw-last-blocks", "adamw-fast", "linear-of-3", 0.01, clip=1.0, trainable=LAST),
    step("adamw-accumulate-2", "adamw-fast", weight_decay=0.01, clip=1.0, accumulate=2, steps=2, mode="frozen"),
    step("adamw-label-smoothing", "adamw", weight_decay=0.01, label_smoothing=0.1),
    step("adamw-dropout", "adamw", weight_decay=0.01, dropout=0.2),
    step("adamw-segment", "adamw", "linear-of-3", 0.01, clip=1.0, cls=S),
]

def run_steps(spec, dtype):
    seg = spec["cls"] is S
    config = MobileNetV2Config(**dict(TINY, classifier_dropout_prob=spec["dropout"], num_labels=5, **(dict(output_stride=16) if seg else {})))
    model = build(spec["cls"], config, dtype); set_mode(model, spec["mode"], spec["trainable"])
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    decays = decay_names(model) if spec["decay"] == "trainer" else {n for n, _ in named}
    groups = [dict(params=[p for n, p in named if n in decays], weight_decay=spec["weight_decay"]), dict(params=[p for n, p in named if n not in decays], weight_decay=0.0)]
    opt = OPTS[spec["opt"]]([g for g in groups if g["params"]])
    sched = torch.optim.lr_scheduler.LambdaLR(opt, SCHEDULES[spec["schedule"]]())
    rows = []; micro = 0
    dims = [4, 3, 49, 65] if seg else [4, 3, 65, 47]
    for k in range(spec["steps"]):
        opt.zero_grad(); total = 0.0
        for _ in range(spec["accumulate"]):
            x = formula(f"pixel_values.{micro}", dims).to(dtype)
            y = labels_of(sg(4, 49, 65, 5) if seg else cl(4, 5), dtype, f"labels.{micro}")
            for m in model.modules():
                if isinstance(m, Masked): m.name = f"dropout.{micro}"
            out = model(pixel_values=x, labels=y); loss = out.loss
            if spec["label_smoothing"]: loss = F.cross_entropy(out.logits, y, label_smoothing=spec["label_smoothing"])
            (loss / spec["accumulate"]).backward(); total += float(loss.detach()) / spec["accumulate"]; micro += 1
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], spec["clip"] or math.inf)
        rows.append({"lr": opt.param_groups[0]["lr"], "loss": total, "grad_norm": float(norm)})
        opt.step(); sched.step()
    after = {n: t for n, t in model.state_dict().items() if t.is_floating_point()}
    return rows, after, config, {n: p.grad for n, p in named if p.grad is not None}

NOISY = 0.01  # changes that PyTorch itself in float32 gets wrong by more, in the norm, are not compared
def step_cases():
    out = OUT / "steps"; out.mkdir(exist_ok=True); [f.unlink() for f in out.iterdir()]
    cases = []
    for spec in STEPS:
        rows, after, config, grads = run_steps(spec, torch.float64); rows32, after32, _, _ = run_steps(spec, torch.float32)
        skip = [n[5:] for n in invariant({f"grad.{n}": g for n, g in grads.items()})]
        after = {n: v for n, v in after.items() if n not in skip and not torch.equal(v, formula(n, list(v.shape)).double())}
        # what a step changed is what has to be right: relative to the change, not to the weight
        worst = (0, ""); devs = []; noisy = []
        change = {n: v - formula(n, list(v.shape)).double() for n, v in after.items()}
        for n, d in change.items():
            d32 = after32[n].double() - formula(n, list(d.shape)).double()
            r = float((d32 - d).norm() / max(1e-12, float(d.norm())))
            devs.append(r)
            if r > NOISY: noisy.append(n); continue
            if r > worst[0]: worst = (float(f"{r:.2g}"), n)
        for n in noisy: del change[n]
        skip = skip + noisy
        file = out / f"{spec['name']}.safetensors"
        # The change since the formula's weights, which is what has to be right; of large tensors a probe of it.
        save_file({f"change.{k}": d.float().contiguous() for k, d in change.items() if d.numel() <= 20000}, file); file.chmod(0o644)
        probes = {f"change.{k}": probe(k, d) for k, d in change.items() if d.numel() > 20000}
        o = OPTS[spec["opt"]]([torch.nn.Parameter(torch.zeros(1))]); d = o.defaults
        hyper = {"type": type(o).__name__, **{k: d[k] for k in ("lr", "momentum", "nesterov", "alpha", "eps", "betas") if k in d}}
        cases.append({**{k: v for k, v in spec.items() if k != "cls"}, "class": spec["cls"].__name__, "optimizer": hyper, "config": config_fields(config), "rows": rows, "not_compared": skip, "float32_deviation_of_change": {"worst": worst, "median": float(f"{sorted(devs)[len(devs)//2]:.2g}")}, "probes": probes})
        print(f"{spec['name']:28} {file.stat().st_size:8,} B", [(round(r['lr'], 5), round(r['loss'], 4), round(r['grad_norm'], 3)) for r in rows], "f32", worst, "median", f"{sorted(devs)[len(devs)//2]:.1g}", "skip", len(skip), flush=True)
    return cases

# --- single operations ------------------------------------------------------------------------------------------------------------
def same_padding(size, stride, kernel=3, dilation=1):
    pad = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
    return (pad // 2 * dilation, (pad - pad // 2) * dilation)

def kernel_cases():
    cases, tensors = [], {}
    def add(name, spec, f, inputs, dtype=torch.float64):
        """f(inputs) -> y; the upstream gradient is formula(name + '.dy')."""
        leaf = {k: v.to(dtype).requires_grad_(v.is_floating_point()) if v.is_floating_point() else v for k, v in inputs.items()}
        y = f(leaf); dy = formula(f"{name}.dy", list(y.shape), "value").to(dtype) if y.dim() else torch.ones((), dtype=dtype)
        y.backward(dy)
        tensors[f"{name}/y"] = y.detach().float().contiguous()
        for k, v in leaf.items():
            if v.is_floating_point() and v.grad is not None: tensors[f"{name}/d{k}"] = v.grad.float().contiguous()
        cases.append({"name": name, **spec, "inputs": {k: {"dims": list(v.shape)} for k, v in inputs.items()}})
    def inp(name, **dims): return {k: formula(f"{name}.{k}", d, {"w": "weight", "gamma": "gamma"}.get(k, "value")) for k, d in dims.items()}
    for stride in (1, 2):
        for padding in ("tf", "torch"):
            for h, w in ((7, 6), (8, 5)):
                n = f"conv3x3-s{stride}-{padding}-{h}x{w}"
                pads = (*same_padding(w, stride), *same_padding(h, stride)) if padding == "tf" else (1, 1, 1, 1)
                add(n, dict(op="conv3x3", stride=stride, padding=padding), lambda i: F.conv2d(F.pad(i["x"], pads), i["w"], i["b"], stride), inp(n, x=[2, 3, h, w], w=[5, 3, 3, 3], b=[5]))
    for stride, dilation in ((1, 1), (2, 1), (1, 2), (1, 4)):
        for padding in ("tf", "torch"):
            for h, w, c in ((7, 6, 5), (8, 9, 4), (1, 1, 6), (2, 13, 9)):
                n = f"depthwise-s{stride}-d{dilation}-{padding}-{h}x{w}x{c}"
                pads = (*same_padding(w, stride, 3, dilation), *same_padding(h, stride, 3, dilation)) if padding == "tf" else (dilation,) * 4
                add(n, dict(op="depthwise3x3", stride=stride, dilation=dilation, padding=padding), lambda i: F.conv2d(F.pad(i["x"], pads), i["w"], i["b"], stride, 0, dilation, c), inp(n, x=[2, c, h, w], w=[c, 1, 3, 3], b=[c]))
    for p, c, k in ((1, 1, 1), (7, 5, 9), (16, 16, 16), (49, 12, 33), (3, 40, 4)):
        n = f"pointwise-{p}x{c}x{k}"
        add(n, dict(op="pointwise", layout="x [2,C,P]"), lambda i: torch.einsum("ncp,kc->nkp", i["x"], i["w"]) + i["b"][:, None], inp(n, x=[2, c, p], w=[k, c], b=[k]))
    for training in (True, False):
        for n_, c, h, w in ((2, 5, 3, 4), (4, 3, 1, 1), (3, 6, 7, 1)):
            n = f"batch_norm-{'train' if training else 'eval'}-{n_}x{c}x{h}x{w}"
            mean, var = formula(f"{n}.running_mean", [c]).double(), formula(f"{n}.running_var", [c]).double()
            add(n, dict(op="batch_norm", training=training, momentum=0.997, epsilon=0.001, running_mean="formula(name + '.running_mean')", running_var="formula(name + '.running_var')"), lambda i: F.batch_norm(i["x"], mean, var, i["gamma"], i["beta"], training, 0.997, 0.001), inp(n, x=[n_, c, h, w], gamma=[c], beta=[c]))
            if training: tensors[f"{n}/running_mean"], tensors[f"{n}/running_var"] = mean.float(), var.float()
    acts = {"relu6": F.relu6, "relu": F.relu, "silu": F.silu, "gelu": F.gelu, "gelu_new": lambda x: F.gelu(x, approximate="tanh"), "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "hardswish": F.hardswish, "mish": F.mish, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "leaky_relu": F.leaky_relu, "linear": lambda x: x * 1}
    for a, f in acts.items():
        x = torch.tensor([-8, -6, -3.0001, -3, -2.9999, -1, -1e-30, -0.0, 0.0, 1e-30, 1e-7, 0.5, 1, 2.9999, 3, 3.0001, 5.9999995, 6, 6.0000005, 8, 100.0])
        leaf = x.clone().double().requires_grad_(True); f(leaf).sum().backward()
        n = f"activation-{a}"; tensors[f"{n}/x"], tensors[f"{n}/y"], tensors[f"{n}/dx"] = x, f(leaf).detach().float(), leaf.grad.float()
        cases.append({"name": n, "op": "activation", "function": a, "x": "stored: the kinks and their neighbours; dy = 1"})
    add("global_pool", dict(op="average_pool"), lambda i: i["x"].mean((2, 3)), inp("global_pool", x=[2, 5, 3, 4]))
    for align in (True, False):
        for (h, w), (oh, ow) in (((3, 4), (7, 9)), ((5, 2), (5, 2)), ((7, 9), (3, 4)), ((1, 1), (4, 5)), ((5, 5), (33, 17))):
            n = f"resize-{'corners' if align else 'half'}-{h}x{w}-{oh}x{ow}"
            add(n, dict(op="resize_bilinear", alignCorners=align), lambda i: F.interpolate(i["x"], (oh, ow), mode="bilinear", align_corners=align), inp(n, x=[2, 3, h, w]))
    for smoothing in (0.0, 0.1):
        for weights in (False, True):
            n = f"cross_entropy-smoothing{smoothing}{'-weights' if weights else ''}"
            y = formula(f"{n}.labels", [6], "classes", classes=4); y[2] = -100
            wt = formula(f"{n}.class_weights", [4], "gamma").double() if weights else None
            add(n, dict(op="cross_entropy", label_smoothing=smoothing, labels=y.tolist(), class_weights=None if wt is None else wt.tolist()), lambda i: F.cross_entropy(i["x"], y, weight=wt, label_smoothing=smoothing), inp(n, x=[6, 4]))
    big = torch.tensor([[1000.0, -1000, 0], [88, 89, -500], [0, 0, 0]])
    y = torch.tensor([1, 0, 2]); leaf = big.clone().double().requires_grad_(True); l = F.cross_entropy(leaf, y); l.backward()
    tensors["cross_entropy-large/x"], tensors["cross_entropy-large/y"], tensors["cross_entropy-large/dx"] = big, l.detach().float().reshape(()), leaf.grad.float()
    cases.append({"name": "cross_entropy-large", "op": "cross_entropy", "labels": y.tolist(), "x": "stored"})
    t = formula("bce.targets", [3, 4], "binary").double(); add("bce_with_logits", dict(op="bce_with_logits", targets="formula('bce.targets', binary)"), lambda i: F.binary_cross_entropy_with_logits(i["x"], t), inp("bce", x=[3, 4]))
    t2 = formula("mse.targets", [3, 4], "value").double(); add("mse", dict(op="mse", targets="formula('mse.targets', value)"), lambda i: F.mse_loss(i["x"], t2), inp("mse", x=[3, 4]))
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / "kernels.safetensors"); (OUT / "kernels.safetensors").chmod(0o644)
    print(len(cases), "kernel cases", (OUT / "kernels.safetensors").stat().st_size)
    return cases

# --- wide networks: probes --------------------------------------------------------------------------------------------------------
def probe_cases():
    rows = []
    for name, cls, dims, mode, cfg, labels in [
        ("classify-1.0-eval", C, [2, 3, 96, 96], "eval", dict(num_labels=19, classifier_dropout_prob=0.0), cl(2, 19)),
        ("classify-1.0-train", C, [4, 3, 96, 96], "train", dict(num_labels=19, classifier_dropout_prob=0.0), cl(4, 19)),
        ("classify-0.35-train", C, [4, 3, 96, 64], "train", dict(depth_multiplier=0.35, num_labels=19, classifier_dropout_prob=0.0), cl(4, 19)),
        ("segment-0.5-train", S, [3, 3, 65, 97], "train", dict(depth_multiplier=0.5, depth_divisible_by=4, output_stride=16, num_labels=21, classifier_dropout_prob=0.0), sg(3, 65, 97, 21)),
    ]:
        spec = dict(cls=cls, dims=dims, mode=mode, config=cfg, labels=labels, trainable=None)
        _, loss, got = run_case(spec, torch.float64); _, loss32, got32 = run_case(spec, torch.float32)
        probe = {}; zero = invariant(got)
        for k, v in got.items():
            if k == "logits" or k in zero: continue
            r = formula("probe." + k, list(v.shape), "value").double()
            n = float(v.norm()); dot = float((v * r).sum()); dot32 = float((got32[k].double() * r).sum())
            probe[k] = [n, float(v.sum()), dot, float(f"{abs(dot32-dot)/max(n,1e-30):.1g}")]
        rows.append({"name": name, "class": cls.__name__, "config": config_fields(MobileNetV2Config(**cfg)), "pixel_values": dims, "labels": labels, "mode": mode, "loss": loss, "zero_gradients": zero, "probes": probe})
        print(name, loss, abs(loss32 - loss), "worst f32 dot deviation / norm", max(v[3] for v in probe.values()), flush=True)
    return rows

# --- optimizers, apart from any network -----------------------------------------------------------------------------------
def optimizer_cases():
    """p0 and the gradients of five steps from the formula, one of them all zeros; parameters after every step."""
    cases, tensors = [], {}
    defs = {
        "sgd": (torch.optim.SGD, dict(lr=0.1)), "sgd-momentum-decay": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
        "sgd-nesterov": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=4e-5)), "sgd-dampening": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.5)),
        "rmsprop": (torch.optim.RMSprop, dict(lr=0.045, alpha=0.9, momentum=0.9, eps=1.0, weight_decay=4e-5)), "rmsprop-plain": (torch.optim.RMSprop, dict(lr=0.01, alpha=0.99, eps=1e-8)), "rmsprop-centered": (torch.optim.RMSprop, dict(lr=0.01, alpha=0.9, momentum=0.9, centered=True, eps=1e-3)),
        "adam": (torch.optim.Adam, dict(lr=0.01, weight_decay=0.1)), "adamw": (torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1)), "adamw-betas": (torch.optim.AdamW, dict(lr=0.01, betas=(0.5, 0.7), eps=1e-3, weight_decay=0.0)),
    }
    for name, (cls, kw) in defs.items():
        for schedule in ("constant", "linear-of-4-warmup-1", "cosine-of-3"):
            if schedule != "constant" and name not in ("adamw", "sgd-nesterov"): continue
            n = f"{name}-{schedule}"; ps = [torch.nn.Parameter(formula(f"p.{i}", d, "value").double()) for i, d in enumerate(([3, 4], [5]))]
            opt = cls(ps, **kw); sched = torch.optim.lr_scheduler.LambdaLR(opt, SCHEDULES[schedule]()); lrs = []
            for k in range(5):
                for i, p in enumerate(ps):
                    p.grad = formula(f"g.{k}.{i}", list(p.shape), "value").double() * (0.0 if k == 2 else 10.0 ** (1 - k))
                lrs.append(opt.param_groups[0]["lr"]); opt.step(); sched.step()
                for i, p in enumerate(ps): tensors[f"{n}/{k}.{i}"] = p.detach().float().clone()
            cases.append({"name": n, "type": cls.__name__, **{k: list(v) if isinstance(v, tuple) else v for k, v in kw.items()}, "schedule": schedule, "lr_of_step": lrs, "gradient_scale": [10.0, 1.0, 0.0, 0.01, 0.001]})
    for clip, scale in ((1.0, 10.0), (1.0, 0.01), (0.5, 1.0)):
        ps = [torch.nn.Parameter(torch.zeros(d).double()) for d in ([3, 4], [5])]
        for i, p in enumerate(ps): p.grad = formula(f"g.0.{i}", list(p.shape), "value").double() * scale
        norm = float(torch.nn.utils.clip_grad_norm_(ps, clip)); n = f"clip-{clip}-{scale}"
        for i, p in enumerate(ps): tensors[f"{n}/{i}"] = p.grad.float()
        cases.append({"name": n, "type": "clip_grad_norm_", "max_norm": clip, "scale": scale, "total_norm": norm})
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / "optimizers.safetensors"); (OUT / "optimizers.safetensors").chmod(0o644)
    print(len(cases), "optimizer cases")
    return cases

def lines(items): return "[\n" + ",\n".join("    " + json.dumps(i) for i in items) + "\n  ]"
def main():
    torch.manual_seed(0)
    about = f"Written by make.py with transformers {transformers.__version__}, torch {torch.__version__}."
    for file, make in [("kernels", kernel_cases), ("cases", model_cases), ("optimizers", optimizer_cases), ("steps", step_cases), ("probes", probe_cases)]:
        if len(sys.argv) > 2 and file not in sys.argv[2:]: continue
        (OUT / f"{file}.json").write_text(f'{{\n  "about": {json.dumps(about)},\n  "cases": {lines(make())}\n}}\n')
main()
