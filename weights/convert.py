#!/usr/bin/env python3
"""Makes the checkpoints of this folder from quantised TFLite files: one MobileNetV2 classifier, one DeepLabV3 of it.

    pip install torch==2.13.0 transformers==5.24.0 safetensors pillow numpy
    python convert.py classifier MODEL.tflite LABELS.txt OUT PICTURE_OR_FOLDER...
    python convert.py segmenter MODEL.tflite LABELS.txt OUT PICTURE_OR_FOLDER...

Writes config.json, preprocessor_config.json and model.safetensors into OUT, in the layout of Hugging Face. The pictures
are those that batch norm's mean and variance are measured on; `NAME.png` and `NAME.jpg` in folders are taken, in order
of their names. The README of each checkpoint says which were used. Nothing is downloaded.

How a folded, quantised convolution becomes a convolution with batch norm:

    TFLite:  y = scale·Σ(q − zero)·x + bias          q is an integer of 8 bits, scale one number a file or a channel
    here:    w = (q − zero)·2^−k                     float16 holds it exactly: nothing of the weights is lost
             y = gamma·(Σw·x − mean) / √(var + eps) + beta
             gamma = scale·2^k·√(var + eps), beta = bias + scale·2^k·mean

`mean` and `var` are those of Σw·x over all pixels of the pictures. Any other numbers would give the same outputs, but
only in evaluation: in training, batch norm takes the mean and variance of the batch instead, and the network is
itself only if those are about the same. k is chosen for each output channel so that its weights have a norm of about
√2, as a new network has: batch norm takes the size of the weights out of the output, but how far a step of an
optimizer turns them depends on it.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, MobileNetV2ForSemanticSegmentation

# --- A reader of TFLite files: flatbuffers, as far as these files need it. Field numbers are those of the public schema. ---


class Table:
    def __init__(self, data: bytes, at: int):
        self.data, self.at = data, at
        self.fields = at - struct.unpack_from("<i", data, at)[0]
        self.count = (struct.unpack_from("<H", data, self.fields)[0] - 4) // 2

    def _offset(self, field: int) -> int:
        return 0 if field >= self.count else struct.unpack_from("<H", self.data, self.fields + 4 + 2 * field)[0]

    def _follow(self, at: int) -> int:
        return at + struct.unpack_from("<I", self.data, at)[0]

    def scalar(self, field: int, form: str, default=0):
        offset = self._offset(field)
        return struct.unpack_from("<" + form, self.data, self.at + offset)[0] if offset else default

    def table(self, field: int):
        offset = self._offset(field)
        return Table(self.data, self._follow(self.at + offset)) if offset else None

    def array(self, field: int, dtype) -> np.ndarray | None:
        offset = self._offset(field)
        if not offset:
            return None
        at = self._follow(self.at + offset)
        return np.frombuffer(self.data, dtype, struct.unpack_from("<I", self.data, at)[0], at + 4)

    def tables(self, field: int) -> list["Table"]:
        offset = self._offset(field)
        if not offset:
            return []
        at = self._follow(self.at + offset)
        count = struct.unpack_from("<I", self.data, at)[0]
        return [Table(self.data, self._follow(at + 4 + 4 * index)) for index in range(count)]


DTYPES = {0: np.float32, 2: np.int32, 3: np.uint8, 9: np.int8}
CONV_2D, DEPTHWISE_CONV_2D = 3, 4
SAME = 0
RELU6, NO_ACTIVATION = 3, 0


def read_convolutions(path: str) -> list[dict]:
    """Every convolution in the order of the graph: `q` − zero as [K, C/groups, R, S], `scale` and `bias` as [K]."""
    data = Path(path).read_bytes()
    model = Table(data, struct.unpack_from("<I", data, 0)[0])
    codes = [max(code.scalar(0, "b"), code.scalar(3, "i")) for code in model.tables(1)]
    buffers = [buffer.array(0, np.uint8) for buffer in model.tables(4)]
    graph = model.tables(2)[0]
    tensors = graph.tables(0)

    def constant(index: int):
        tensor = tensors[index]
        quantization = tensor.table(4)
        values = buffers[tensor.scalar(2, "I")].view(DTYPES[tensor.scalar(1, "b")]).reshape(tensor.array(0, np.int32))
        scale, zero = quantization.array(2, np.float32), quantization.array(3, np.int64)
        if scale is None:
            raise SystemExit(f"{path}: expected a quantised file, got one with float weights")
        return values, scale.astype(np.float64), zero, quantization.scalar(6, "i")

    found = []
    for op in graph.tables(3):
        code = codes[op.scalar(0, "I")]
        if code not in (CONV_2D, DEPTHWISE_CONV_2D):
            continue
        depthwise = code == DEPTHWISE_CONV_2D
        inputs, options = op.array(1, np.int32), op.table(4)
        q, scale, zero, axis = constant(inputs[1])
        shape = [1] * 4
        shape[axis] = -1
        q = q.astype(np.int64) - zero.reshape(shape if len(zero) > 1 else [1] * 4)
        # TFLite: convolution [K, R, S, C], depthwise [1, R, S, K]. PyTorch: [K, C, R, S] and [K, 1, R, S].
        q = q.transpose(3, 0, 1, 2) if depthwise else q.transpose(0, 3, 1, 2)
        bias, bias_scale, _, _ = constant(inputs[2])
        assert options.scalar(0, "b") == SAME
        found.append(
            {
                "depthwise": depthwise,
                "q": q,
                "scale": np.broadcast_to(scale, len(q)),
                "bias": bias.astype(np.float64) * bias_scale,
                "stride": options.scalar(1, "i"),
                "activation": options.scalar(4 if depthwise else 3, "b"),
                "input_size": int(tensors[inputs[0]].array(0, np.int32)[1]),
            }
        )
    return found


# --- Names ---


def backbone_names() -> list[str]:
    """The convolutions of MobileNetV2 in order, without the last 1×1: stem of three, then 16 blocks of three."""
    parts = ("expand_1x1", "conv_3x3", "reduce_1x1")
    stem = [f"mobilenet_v2.conv_stem.{part}" for part in ("first_conv", "conv_3x3", "reduce_1x1")]
    return stem + [f"mobilenet_v2.layer.{block}.{part}" for block in range(16) for part in parts]


def name_convolutions(kind: str, convolutions: list[dict]) -> dict[str, dict]:
    names = backbone_names()
    for name, convolution in zip(names, convolutions):
        assert convolution["depthwise"] == name.endswith("conv_3x3"), name
        assert convolution["activation"] == (NO_ACTIVATION if name.endswith("reduce_1x1") else RELU6), name
    named = dict(zip(names, convolutions))
    rest = convolutions[len(names) :]
    if kind == "classifier":
        named["mobilenet_v2.conv_1x1"], named["classifier"] = rest
        return named
    pool = next(convolution for convolution in rest if convolution["input_size"] == 1)
    aspp, projection, classifier = [convolution for convolution in rest if convolution is not pool]
    head = {"conv_pool": pool, "conv_aspp": aspp, "conv_projection": projection, "classifier": classifier}
    return named | {f"segmentation_head.{name}": convolution for name, convolution in head.items()}


# --- Weights ---


def shift_of(q: np.ndarray) -> np.ndarray:
    """k for each output channel: w = q·2^−k has a norm between 1 and 2."""
    norm = np.sqrt((q.reshape(len(q), -1).astype(np.float64) ** 2).sum(1))
    return np.where(norm > 0, np.floor(np.log2(np.maximum(norm, 1))), 0)


def folded_state(named: dict[str, dict]) -> dict[str, np.ndarray]:
    """The network with a batch norm of mean 0 and √(var + eps) = 1: what TFLite computes, without its rounding."""
    state = {}
    for name, convolution in named.items():
        q, bias = convolution["q"], convolution["bias"]
        if name.endswith("classifier"):  # no batch norm: one scale for each class, at most; kept in float32 if not exact
            prefix = name if name == "classifier" else f"{name}.convolution"
            scale = convolution["scale"].reshape(-1, 1, 1, 1)
            weight = (q * scale).astype(np.float32)
            state[f"{prefix}.weight"] = weight.reshape(len(q), -1) if name == "classifier" else weight
            state[f"{prefix}.bias"] = bias.astype(np.float32)
            continue
        shift = shift_of(q)
        weight = q * 2.0 ** -shift.reshape(-1, 1, 1, 1)
        assert (weight.astype(np.float16) == weight).all(), name
        convolution["factor"] = convolution["scale"] * 2.0**shift
        state[f"{name}.convolution.weight"] = weight.astype(np.float32)
        norm = f"{name}.normalization"
        state[f"{norm}.weight"] = convolution["factor"].astype(np.float32)
        state[f"{norm}.bias"] = bias.astype(np.float32)
        state[f"{norm}.running_mean"] = np.zeros(len(q), np.float32)
        state[f"{norm}.running_var"] = np.full(len(q), 1 - eps_of(name), np.float32)
        state[f"{norm}.num_batches_tracked"] = np.array(0, np.int64)
    return state


def eps_of(name: str) -> float:
    return 1e-5 if name.startswith("segmentation_head") else 0.001


# --- Statistics ---


def list_pictures(paths: list[str]) -> list[Path]:
    found = []
    for path in map(Path, paths):
        found += [path] if path.is_file() else sorted(path.rglob("*.png")) + sorted(path.rglob("*.jpg"))
    return found


def views(path: Path, size: int, rng: np.random.Generator) -> np.ndarray:
    """Four square views of a picture as pixel_values: the whole, its middle, and two random parts, one mirrored."""
    image = Image.open(path)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    width, height = image.size
    side = min(width, height)
    boxes = [(0, 0, width, height), ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)]
    for _ in range(2):
        part = side * rng.uniform(0.5, 1)
        x, y = rng.uniform(0, width - part), rng.uniform(0, height - part)
        boxes.append((x, y, x + part, y + part))
    parts = [np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box)) for box in boxes]
    parts[-1] = parts[-1][:, ::-1]
    return np.stack(parts).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


@torch.no_grad()
def measure(model: torch.nn.Module, pictures: list[Path], size: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and variance of what enters each batch norm, channel by channel, over all pixels of all views."""
    sums: dict[str, list] = {}

    def listen(name: str):
        def hook(_module, inputs):
            var, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)  # over the views of one picture
            total = sums.setdefault(name, [0, 0.0, 0.0])
            total[0] += 1
            total[1] = total[1] + mean.to(torch.float64)
            total[2] = total[2] + var.to(torch.float64) + mean.to(torch.float64) ** 2

        return hook

    norms = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [module.register_forward_pre_hook(listen(name)) for name, module in norms]
    rng = np.random.default_rng(0)
    for path in pictures:
        model(pixel_values=torch.from_numpy(views(path, size, rng)))
    for hook in hooks:
        hook.remove()
    found = {}
    for name, (count, total, squares) in sums.items():
        mean = total / count
        found[name] = (mean.numpy(), (squares / count - mean * mean).clamp(min=0).numpy())
    return found


def unfold(state: dict[str, np.ndarray], named: dict[str, dict], statistics: dict) -> dict[str, np.ndarray]:
    """The same network with the measured mean and variance: gamma and beta take them out again."""
    out = dict(state)
    for name, convolution in named.items():
        norm = f"{name}.normalization"
        if norm not in statistics:
            continue
        # What the file will hold: float32. gamma and beta are made from that, in float64.
        mean, var = (array.astype(np.float32) for array in statistics[norm])
        gamma = convolution["factor"] * np.sqrt(var.astype(np.float64) + eps_of(name))
        out[f"{norm}.running_mean"], out[f"{norm}.running_var"] = mean, var
        out[f"{norm}.weight"] = gamma.astype(np.float32)
        out[f"{norm}.bias"] = (convolution["bias"] + convolution["factor"] * mean.astype(np.float64)).astype(np.float32)
        out[f"{norm}.num_batches_tracked"] = np.array(1, np.int64)
    return out


def halve(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """float16 for the kernels, which are exact in it, and for the matrix of a classifier; vectors keep float32."""
    return {name: array.astype(np.float16) if array.ndim > 1 else array for name, array in state.items()}


# --- Configurations ---


CONFIG_FIELDS = (
    *("num_channels", "image_size", "depth_multiplier", "depth_divisible_by", "min_depth", "expand_ratio"),
    *("output_stride", "first_layer_is_expansion", "finegrained_output", "hidden_act", "tf_padding"),
    *("classifier_dropout_prob", "initializer_range", "layer_norm_eps", "semantic_loss_ignore_index"),
    *("id2label", "label2id"),
)


def make_config(kind: str, labels: list[str], named: dict[str, dict]) -> MobileNetV2Config:
    depth = len(named["mobilenet_v2.layer.15.reduce_1x1"]["q"]) / 320
    common = {
        "depth_multiplier": depth,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    if kind == "classifier":
        size = 7 * 32
        assert named["classifier"]["input_size"] == 1 and len(named["classifier"]["q"]) == len(labels)
        return MobileNetV2Config(image_size=size, num_labels=len(labels), **common)
    # The last stride of 2 is left out, and the blocks after it are dilated: stride 16.
    size = (named["segmentation_head.conv_aspp"]["input_size"] - 1) * 16 + 1
    return MobileNetV2Config(
        image_size=size,
        output_stride=16,
        finegrained_output=False,
        depth_divisible_by=8 if depth == 1 else 4,
        num_labels=len(labels),
        **common,
    )


def preprocessor(shortest_edge: int, crop: int) -> dict:
    return {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": shortest_edge},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": {"height": crop, "width": crop},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def build(kind: str, tflite: str, labels_file: str):
    """The folded network in transformers, its state and its convolutions by name."""
    named = name_convolutions(kind, read_convolutions(tflite))
    labels = [line.strip() for line in Path(labels_file).read_text().splitlines() if line.strip()]
    labels = labels[: len(named["classifier" if kind == "classifier" else "segmentation_head.classifier"]["q"])]
    state = folded_state(named)
    config = make_config(kind, labels, named)
    model = (MobileNetV2ForImageClassification if kind == "classifier" else MobileNetV2ForSemanticSegmentation)(config)
    load(model, state)
    return model, state, named


def load(model: torch.nn.Module, state: dict[str, np.ndarray]) -> None:
    tensors = {name: torch.from_numpy(np.array(array, np.float32 if array.ndim else np.int64)) for name, array in state.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    # A segmenter has no use for the backbone's last convolution, yet transformers' class has one.
    assert not unexpected and all(name.startswith("mobilenet_v2.conv_1x1.") for name in missing), (missing, unexpected)
    model.eval()


def main() -> None:
    kind, tflite, labels, out, *paths = sys.argv[1:]
    assert kind in ("classifier", "segmenter")
    pictures = list_pictures(paths)
    model, state, named = build(kind, tflite, labels)
    size = model.config.image_size
    state = halve(unfold(state, named, measure(model, pictures, size)))

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file({name: np.array(array, order="C") for name, array in state.items()}, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it readable by its owner alone
    config = {
        "architectures": [type(model).__name__],
        "model_type": "mobilenet_v2",
        "dtype": "float32",  # what to compute in: the float16 of the file is widened when read, which is exact
        **{field: getattr(model.config, field) for field in CONFIG_FIELDS},
    }
    crop = preprocessor(256, size) if kind == "classifier" else preprocessor(size, size)
    for file, value in (("config.json", config), ("preprocessor_config.json", crop)):
        (folder / file).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    print(f"{weights}: {weights.stat().st_size} bytes, measured on {len(pictures)} pictures, 4 views each")


if __name__ == "__main__":
    main()
