#!/usr/bin/env python3
"""Writes the model goldens of this folder: what Hugging Face transformers computes for many configurations.

    pip install torch==2.13.0 transformers safetensors numpy      # made with transformers 5.23.0
    python make.py

Weights and inputs come from a formula of name and index (README.md), so that both sides can compute them and only the
expected outputs are stored, in full. They are computed in float64 and stored as float32: what an implementation differs
from them is its own error alone. The run refuses to write a case that would hide faults: dead or saturated activations,
logits that hardly vary, outputs that stay the same when height and width change places.

    cases.json                 the cases, see CASES below
    outputs/NAME.safetensors   the outputs of each case
    configs.json               for more configurations, every convolution and the state dict that transformers builds
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    MobileNetV2ForSemanticSegmentation,
    MobileNetV2Model,
)

HERE = Path(__file__).parent
OUTPUTS = HERE / "outputs"
CLASSES = {
    "MobileNetV2Model": MobileNetV2Model,
    "MobileNetV2ForImageClassification": MobileNetV2ForImageClassification,
    "MobileNetV2ForSemanticSegmentation": MobileNetV2ForSemanticSegmentation,
}


# --- the formula ------------------------------------------------------------------------------------------------------


def hashes(name: str, count: int) -> np.ndarray:
    """uint32 for each index: the index in steps of the golden ratio from the name's FNV-1a, mixed by lowbias32."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 % 2**32
    x = np.uint32(seed) + np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def scale_of(fan_in: int) -> float:
    """The smallest power of two whose square times fan_in is at least 2; 1 where fan_in is below 2."""
    scale = 1.0
    while (scale / 2) ** 2 * fan_in >= 2:
        scale /= 2
    return scale


def kind_of(name: str) -> str:
    for ending, kind in [
        ("normalization.weight", "gamma"),
        (".bias", "value"),
        (".running_mean", "mean"),
        (".running_var", "variance"),
        (".weight", "weight"),
    ]:
        if name.endswith(ending):
            return kind
    return "value"


def formula(name: str, dims: list[int], kind: str | None = None, **labels) -> torch.Tensor:
    kind = kind or kind_of(name)
    h = hashes(name, math.prod(dims))
    v = (h >> np.uint32(16)).astype(np.float32) / np.float32(32768) - np.float32(1)  # exact: 16 bits, [-1, 1)
    if kind == "value":
        out = v
    elif kind == "weight":
        out = v * np.float32(scale_of(math.prod(dims[1:])))
    elif kind == "gamma":
        out = np.float32(1.25) + v * np.float32(0.25)
    elif kind == "mean":
        out = v * np.float32(0.25)
    elif kind == "variance":
        out = 1 + v * np.float32(0.5)
    elif kind == "binary":
        out = (h >> np.uint32(31)).astype(np.float32)
    elif kind == "classes":
        out = ((h >> np.uint32(16)) % np.uint32(labels["classes"])).astype(np.int64)
    elif kind == "segments":  # one value more than there are classes: it stands for the label to ignore
        out = ((h >> np.uint32(16)) % np.uint32(labels["classes"] + 1)).astype(np.int64)
        out[out == labels["classes"]] = labels["ignore"]
    else:
        raise ValueError(kind)
    assert out.dtype == (np.int64 if kind in ("classes", "segments") else np.float32)
    return torch.from_numpy(out.reshape(dims))


def fill(model: torch.nn.Module) -> None:
    """Every weight by the formula; the counters of batches stay 0."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(formula(name, list(tensor.shape)))


# --- the cases --------------------------------------------------------------------------------------------------------

M, C, S = CLASSES
TINY = dict(depth_multiplier=0.25)  # 8 to 80 channels
ALL = "hidden_states"


def case(name, kind, dims, config=None, labels=None, outputs=(), **options):
    return dict(name=name, kind=kind, dims=dims, config=config or {}, labels=labels, outputs=outputs, **options)


CASES = [
    # The paper's width multipliers, and inputs of every parity.
    case("model-1.0", M, [1, 3, 33, 47], outputs=["last_hidden_state", "pooler_output"]),
    case("model-0.25-states", M, [2, 3, 33, 47], TINY, outputs=[ALL, "last_hidden_state", "pooler_output"]),
    case("model-0.35-states-even", M, [1, 3, 64, 48], dict(depth_multiplier=0.35), outputs=[ALL, "pooler_output"]),
    case("model-no-pooling", M, [1, 3, 37, 32], dict(depth_multiplier=0.5), add_pooling_layer=False,
         outputs=["last_hidden_state"]),
    case("classify-0.75", C, [1, 3, 48, 33], dict(depth_multiplier=0.75, image_size=[48, 33]), outputs=["logits"]),
    case("classify-1.0", C, [3, 3, 32, 37], outputs=["logits"]),
    case("classify-1.0-1001", C, [1, 3, 65, 40], dict(num_labels=1001, initializer_range=0.1), outputs=["logits"]),
    case("classify-1.4", C, [1, 3, 40, 35], dict(depth_multiplier=1.4, num_labels=21), outputs=["logits"]),
    # Padding: PyTorch's, at the same sizes.
    case("torch-padding-odd", M, [1, 3, 33, 47], dict(**TINY, tf_padding=False), outputs=[ALL, "pooler_output"]),
    case("torch-padding-even", C, [2, 3, 64, 48], dict(**TINY, tf_padding=False, num_labels=21),
         outputs=[ALL, "logits"]),
    case("torch-padding-mixed", M, [1, 3, 37, 32], dict(depth_multiplier=0.35, tf_padding=False),
         outputs=["pooler_output"]),
    # Output strides, with the dilations they bring, in both paddings.
    case("stride-16", M, [1, 3, 33, 47], dict(**TINY, output_stride=16), outputs=[ALL, "pooler_output"]),
    case("stride-8", C, [1, 3, 48, 37], dict(**TINY, output_stride=8, num_labels=3), outputs=[ALL, "logits"]),
    case("stride-4", C, [1, 3, 33, 48], dict(**TINY, output_stride=4, num_labels=21), outputs=["logits"]),
    case("stride-2", C, [1, 3, 31, 26], dict(**TINY, output_stride=2, num_labels=21), outputs=["logits"]),
    case("stride-8-torch-padding", M, [1, 3, 47, 34], dict(**TINY, output_stride=8, tf_padding=False),
         outputs=["hidden_states.5", "hidden_states.12", "hidden_states.15", "pooler_output"]),
    case("stride-2-torch-padding", C, [1, 3, 26, 31], dict(**TINY, output_stride=2, tf_padding=False),
         outputs=["hidden_states.3", "logits"]),
    # The stem with an expansion of its own; few outputs of the last layer.
    case("own-expansion", M, [1, 3, 33, 47], dict(**TINY, first_layer_is_expansion=False),
         outputs=["hidden_states.0", "hidden_states.15", "pooler_output"]),
    case("coarse-output", C, [1, 3, 47, 33], dict(**TINY, finegrained_output=False, num_labels=21),
         outputs=["logits"]),
    case("coarse-output-wide", M, [1, 3, 35, 33], dict(depth_multiplier=1.4, finegrained_output=False),
         outputs=["pooler_output"]),
    # Channel counts. 0.15625 meets Python's rounding of halves to even: 16 -> 2.5 -> 2 and 5 x 4.5 = 22.5 -> 22.
    case("divisor-1-ratio-4.5", M, [1, 3, 33, 47],
         dict(depth_multiplier=0.15625, depth_divisible_by=1, min_depth=1, expand_ratio=4.5),
         outputs=[ALL, "pooler_output"]),
    case("divisor-4", C, [2, 3, 37, 32], dict(depth_multiplier=0.5, depth_divisible_by=4, num_labels=5),
         outputs=["hidden_states.2", "logits"]),
    case("divisor-16", C, [1, 3, 40, 33], dict(depth_multiplier=0.35, depth_divisible_by=16, min_depth=16),
         outputs=["hidden_states.2", "logits"]),
    case("min-depth-24", M, [1, 3, 33, 40], dict(**TINY, min_depth=24),
         outputs=["hidden_states.1", "hidden_states.15", "pooler_output"]),
    case("ratio-3", M, [1, 3, 33, 47], dict(**TINY, expand_ratio=3), outputs=["hidden_states.15", "pooler_output"]),
    case("ratio-1", M, [2, 3, 47, 33], dict(depth_multiplier=0.5, expand_ratio=1.0), outputs=["hidden_states.15", "pooler_output"]),
    # Other pictures than RGB.
    case("channels-1", C, [2, 1, 33, 47], dict(**TINY, num_channels=1, num_labels=21), outputs=["logits"]),
    case("channels-4", C, [1, 4, 48, 33], dict(**TINY, num_channels=4, num_labels=21), outputs=["logits"]),
    case("epsilon", M, [1, 3, 33, 37], dict(**TINY, layer_norm_eps=0.05), outputs=["hidden_states.15", "pooler_output"]),
    # One pixel, and one row: everything is padding.
    case("one-pixel", M, [1, 3, 1, 1], TINY, outputs=[ALL, "last_hidden_state", "pooler_output"]),
    case("one-row-torch-padding", M, [1, 3, 1, 45], dict(**TINY, tf_padding=False), outputs=[ALL, "pooler_output"]),
    # Losses of a classifier.
    case("loss-single-label", C, [3, 3, 33, 32], dict(**TINY, num_labels=21), dict(kind="classes", dims=[3]),
         outputs=["logits"]),
    case("loss-regression-1", C, [3, 3, 32, 33], dict(**TINY, num_labels=1), dict(kind="value", dims=[3]),
         outputs=["logits"]),
    case("loss-regression-3", C, [2, 3, 33, 40], dict(**TINY, num_labels=3, problem_type="regression"),
         dict(kind="value", dims=[2, 3]), outputs=["logits"]),
    case("loss-multi-label", C, [2, 3, 40, 33],
         dict(**TINY, num_labels=7, problem_type="multi_label_classification"), dict(kind="binary", dims=[2, 7]),
         outputs=["logits"]),
    case("loss-multi-label-guessed", C, [1, 3, 33, 33], dict(**TINY, num_labels=5), dict(kind="binary", dims=[1, 5]),
         outputs=["logits"]),
    # Segmentation. Labels have the size of the picture, or any other.
    case("segment", S, [1, 3, 65, 49], dict(**TINY, output_stride=8, num_labels=21),
         dict(kind="segments", dims=[1, 65, 49]), outputs=["logits"]),
    case("segment-1.0", S, [1, 3, 33, 47], dict(output_stride=16, num_labels=21, classifier_dropout_prob=0.1),
         outputs=["logits"]),
    case("segment-ignore-7", S, [2, 3, 37, 48],
         dict(depth_multiplier=0.5, depth_divisible_by=4, output_stride=8, num_labels=7,
              semantic_loss_ignore_index=7),
         dict(kind="segments", dims=[2, 20, 31]), outputs=["logits"]),
    case("segment-32-states", S, [2, 3, 47, 33], dict(**TINY, num_labels=3, tf_padding=False),
         dict(kind="segments", dims=[2, 94, 33]), outputs=[ALL, "logits"]),
    case("segment-1-label", S, [1, 3, 48, 37], dict(**TINY, output_stride=16, num_labels=1, hidden_act="gelu"),
         outputs=["hidden_states.15", "logits"]),
    case("segment-stride-4", S, [1, 3, 34, 27], dict(**TINY, output_stride=4, num_labels=5, layer_norm_eps=0.1),
         outputs=["logits"]),
    # Activations, by their names in transformers.
    *[case(f"act-{act}", C, [1, 3, 33, 40], dict(**TINY, hidden_act=act, num_labels=21),
           outputs=["hidden_states.7", "logits"])
      for act in ["relu", "gelu", "gelu_new", "quick_gelu", "silu", "swish", "hardswish", "mish", "tanh", "sigmoid",
                  "leaky_relu", "linear"]],
]  # fmt: skip

# --- running them -----------------------------------------------------------------------------------------------------

NOISE = {"transformers_version", "architectures", "model_type", "id2label", "label2id", "dtype", "output_hidden_states",
         "return_dict", "output_attentions", "chunk_size_feed_forward", "is_encoder_decoder", "_name_or_path"}  # fmt: skip


def config_fields(config: MobileNetV2Config) -> dict:
    """All fields that mean something to the network, and num_labels in place of the names of the classes."""
    fields = {key: value for key, value in config.to_dict().items() if key not in NOISE}
    return {**fields, "num_labels": config.num_labels}


def build(kind: str, options: dict, config: MobileNetV2Config, dtype=torch.float64) -> torch.nn.Module:
    model = CLASSES[kind](config, **options).eval()
    fill(model)
    return model.to(dtype)


def outputs_of(model, pixels, labels=None) -> dict[str, torch.Tensor]:
    """By name, hidden states as hidden_states.0 to hidden_states.15."""
    dtype = next(model.parameters()).dtype
    arguments = {} if labels is None else {"labels": labels.to(dtype) if labels.is_floating_point() else labels}
    with torch.inference_mode():
        result = model(pixels.to(dtype), output_hidden_states=True, **arguments)
    named = {}
    for key, value in result.items():
        if key == "hidden_states":
            named.update({f"hidden_states.{i}": state for i, state in enumerate(value)})
        elif value is not None:
            named[key] = value
    return named


def check_alive(name: str, model, pixels, got: dict[str, torch.Tensor]) -> None:
    """That a fault would show: see the head of this file."""

    def differ(key, a, b, least):
        a, b = a[key], b[key]
        assert (a - b).abs().max() > least * max(1, a.abs().max()), (name, key, "hardly differs")

    for key, value in got.items():
        assert torch.isfinite(value).all() and value.abs().max() < 1e6, (name, key, value.abs().max())
    for i in range(16):
        state = got.get(f"hidden_states.{i}")
        if state is not None and pixels[0, 0].numel() > 1:
            assert state.std() > 0.05 and (state.abs() > 1e-6).double().mean() > 0.5, (name, i, state.std())
            if state[0, 0].numel() > 1:
                assert state.std(dim=(2, 3)).mean() > 0.01, (name, i, "hardly varies over space")
    if "last_hidden_state" in got and pixels[0, 0].numel() > 1:
        low, high = [(got["last_hidden_state"] == end).double().mean() for end in (0, 6)]
        assert 0.1 < low < 0.8 and 0.005 < high < 0.3, (name, low, high)
    # Seventeen sigmoids in a row squeeze every input into nearly the same logits; there the states have to do.
    ends = {"pooler_output", "logits"} & set(got) if model.config.hidden_act != "sigmoid" else {"hidden_states.7"}
    for end in ends:
        assert got[end].numel() < 5 or got[end].std() > 0.02, (name, end, got[end].std())
        if pixels.shape[0] > 1:
            differ(end, {end: got[end][0]}, {end: got[end][1]}, 0.02)
    if pixels.shape[2] > 1:  # a single row on its side makes no sense here
        swapped = outputs_of(model, pixels.transpose(2, 3))
        back = {key: value.transpose(2, 3) if value.dim() == 4 else value for key, value in swapped.items()}
        for key in ends | {key for key in got if key.startswith("hidden_states")}:
            differ(key, got, back, 0.02)


def run_case(spec: dict) -> dict:
    config = MobileNetV2Config(**spec["config"])
    options = {key: spec[key] for key in ["add_pooling_layer"] if key in spec}
    model = build(spec["kind"], options, config)
    pixels = formula("pixel_values", spec["dims"])
    labels = None
    if spec["labels"]:
        if spec["labels"]["kind"] in ("classes", "segments"):
            spec["labels"]["classes"] = config.num_labels
        if spec["labels"]["kind"] == "segments":
            spec["labels"]["ignore"] = config.semantic_loss_ignore_index
        labels = formula("labels", **spec["labels"])
    got = outputs_of(model, pixels, labels)
    loss = got.pop("loss", None)
    assert (loss is None) == (labels is None)
    check_alive(spec["name"], model, pixels, got)

    names = [f"hidden_states.{i}" for i in range(16)] if ALL in spec["outputs"] else []
    names += [name for name in spec["outputs"] if name != ALL]
    stored = {name: got[name].float().contiguous() for name in names}
    single = outputs_of(build(spec["kind"], options, config, torch.float32), pixels, labels)
    deviation = max(float((single[n] - stored[n]).abs().max() / max(1, stored[n].abs().max())) for n in names)
    assert deviation < 2e-5, (spec["name"], deviation)
    file = OUTPUTS / f"{spec['name']}.safetensors"
    save_file(stored, file)
    file.chmod(0o644)  # safetensors makes it readable by its owner alone
    return {
        "name": spec["name"],
        "class": spec["kind"],
        **options,
        "config": config_fields(config),
        "pixel_values": spec["dims"],
        "labels": spec["labels"],
        "loss": None if loss is None else float(loss),
        "outputs": names,
        # How far transformers itself is off in float32, relative to max(1, max |expected|).
        "float32_deviation": float(f"{deviation:.2g}"),
    }


# --- architectures ----------------------------------------------------------------------------------------------------

CONFIGS = [
    (C, {}),
    (C, dict(depth_multiplier=0.35)),
    (C, dict(depth_multiplier=0.5, depth_divisible_by=4, first_layer_is_expansion=False)),
    (C, dict(depth_multiplier=0.75, expand_ratio=4.5, output_stride=16)),
    (C, dict(depth_multiplier=1.3, num_labels=1001)),
    (C, dict(depth_multiplier=1.4, finegrained_output=False, num_channels=4)),
    (C, dict(depth_multiplier=0.1, finegrained_output=False, min_depth=10)),
    (M, dict(depth_multiplier=0.15625, depth_divisible_by=1, min_depth=1, expand_ratio=4.5)),
    (M, dict(depth_multiplier=0.35, depth_divisible_by=16, min_depth=16, output_stride=4)),
    (M, dict(depth_multiplier=0.25, output_stride=2, expand_ratio=1.0, tf_padding=False)),
    (S, dict(output_stride=8, num_labels=21)),
    (S, dict(depth_multiplier=0.5, depth_divisible_by=4, output_stride=16, num_labels=21, tf_padding=False)),
]

CONVOLUTION = ["module", "in_channels", "out_channels", "kernel", "stride", "dilation", "groups", "padding", "bias",
               "epsilon", "activation"]  # fmt: skip
ACTIVATIONS = {"ReLU6": "relu6", "ReLU": "relu"}


def describe(kind: str, options: dict) -> dict:
    config = MobileNetV2Config(**options)
    model = CLASSES[kind](config)
    rows = []
    state: dict[str, dict] = {}
    for name, module in model.named_modules():
        if type(module).__name__ != "MobileNetV2ConvLayer":
            continue
        conv, norm, act = module.convolution, module.normalization, module.activation
        for pair in [conv.kernel_size, conv.stride, conv.dilation, conv.padding]:
            assert pair[0] == pair[1]
        rows.append([name, conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0], conv.dilation[0],
                     conv.groups, "same" if config.tf_padding else conv.padding[0], conv.bias is not None,
                     norm and norm.eps, act and ACTIVATIONS[type(act).__name__]])  # fmt: skip
    for name, tensor in model.state_dict().items():
        module, found, part = name.partition(".normalization.")
        if found:
            shape = [] if part == "num_batches_tracked" else [state[module]["convolution.weight"][0]]
            assert list(tensor.shape) == shape
            state[module].setdefault("normalization", shape)
        else:
            module, _, part = name.rpartition(".convolution.")
            key, part = (module, f"convolution.{part}") if module else name.rsplit(".", 1)
            state.setdefault(key, {})[part] = list(tensor.shape)
    residual = [layer.use_residual for layer in getattr(model, "mobilenet_v2", model).layer]
    return {"class": kind, "config": config_fields(config), "convolutions": rows, "residual": residual,
            "parameters": sum(p.numel() for p in model.parameters()), "tensors": len(model.state_dict()),
            "state_dict": state}  # fmt: skip


# --- writing ----------------------------------------------------------------------------------------------------------


def lines(items: list) -> str:
    """A JSON array with an item a line."""
    return "[\n" + ",\n".join("    " + json.dumps(item) for item in items) + "\n  ]"


def pretty(config: dict) -> str:
    """An object with a field a line, and an item a line in the two long fields."""
    fields = []
    for key, value in config.items():
        if key == "convolutions":
            text = "[\n" + ",\n".join(f"        {json.dumps(row)}" for row in value) + "\n      ]"
        elif key == "state_dict":
            items = [f"        {json.dumps(name)}: {json.dumps(shapes)}" for name, shapes in value.items()]
            text = "{\n" + ",\n".join(items) + "\n      }"
        else:
            text = json.dumps(value)
        fields.append(f'      "{key}": {text}')
    return "    {\n" + ",\n".join(fields) + "\n    }"


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    OUTPUTS.mkdir(exist_ok=True)
    for old in OUTPUTS.iterdir():
        old.unlink()
    about = f"Written by make.py with transformers {transformers.__version__}, torch {torch.__version__}. See README.md."
    cases = []
    for spec in CASES:
        cases.append(run_case(spec))
        size = (OUTPUTS / f"{spec['name']}.safetensors").stat().st_size
        print(f"{spec['name']:28} {size:8,} bytes, float32 off by {cases[-1]['float32_deviation']}", flush=True)
    samples = []
    for name, dims in [
        ("pixel_values", [2, 3, 33, 47]),
        ("mobilenet_v2.conv_stem.first_conv.convolution.weight", [32, 3, 3, 3]),
        ("mobilenet_v2.layer.3.conv_3x3.convolution.weight", [192, 1, 3, 3]),
        ("mobilenet_v2.layer.3.conv_3x3.normalization.weight", [192]),
        ("mobilenet_v2.layer.3.conv_3x3.normalization.bias", [192]),
        ("mobilenet_v2.layer.3.conv_3x3.normalization.running_mean", [192]),
        ("mobilenet_v2.layer.3.conv_3x3.normalization.running_var", [192]),
        ("classifier.weight", [21, 1280]),
        ("classifier.bias", [21]),
    ]:
        values = formula(name, dims).double().flatten()
        samples.append({"name": name, "dims": dims, "first": values[:4].tolist(), "sum": float(values.sum())})
    for labels in [dict(kind="binary", dims=[2, 7]), dict(kind="classes", dims=[3], classes=21),
                   dict(kind="segments", dims=[2, 20, 31], classes=7, ignore=255)]:  # fmt: skip
        values = formula("labels", **labels).double().flatten()
        samples.append({"name": "labels", **labels, "first": values[:4].tolist(), "sum": float(values.sum())})
    (HERE / "cases.json").write_text(
        f'{{\n  "about": {json.dumps(about)},\n  "formula": {lines(samples)},\n  "cases": {lines(cases)}\n}}\n'
    )
    configs = [describe(kind, options) for kind, options in CONFIGS]
    rows = ",\n".join(pretty(config) for config in configs)
    (HERE / "configs.json").write_text(
        f'{{\n  "about": {json.dumps(about)},\n  "convolution": {json.dumps(CONVOLUTION)},\n  "configs": [\n{rows}\n  ]\n}}\n'
    )
    total = sum(path.stat().st_size for path in [*HERE.glob("*.json"), *OUTPUTS.iterdir()])
    print(f"{len(cases)} cases, {len(configs)} configurations, {total:,} bytes")


if __name__ == "__main__":
    main()
