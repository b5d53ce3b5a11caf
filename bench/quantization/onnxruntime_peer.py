"""The same comparison for onnxruntime's quantization: its QDQ form (per channel, min-max) and its dynamic one.

    python3 bench/quantization/onnxruntime_peer.py FLOAT PICTURES

FLOAT: a folder with a float checkpoint of Hugging Face's names. Needs onnx, onnxruntime, numpy, safetensors and Pillow.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from safetensors.numpy import load_file

STRIDES = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
P = "mobilenet_v2."


class Network:
    """MobileNetV2 at 224×224 as an ONNX graph, batch norm folded."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], []
        x = self.conv("conv_stem.first_conv", "pixel_values", 224, 2)
        x = self.conv("conv_stem.conv_3x3", x, 112)
        x = self.conv("conv_stem.reduce_1x1", x, 112, act=False)
        size = 112
        for block, stride in enumerate(STRIDES):
            before = x
            for part, step, act in (("expand_1x1", 1, True), ("conv_3x3", stride, True), ("reduce_1x1", 1, False)):
                x = self.conv(f"layer.{block}.{part}", x, size, step, act)
                size = -(-size // step)
            shape = [weights[f"{P}layer.{block}.{part}.convolution.weight"].shape for part in ("expand_1x1", "reduce_1x1")]
            if stride == 1 and shape[0][1] == shape[1][0]:
                x = self.node("Add", [before, x])
        x = self.node("GlobalAveragePool", [self.conv("conv_1x1", x, size)])
        classifier = [self.constant("w", weights["classifier.weight"]), self.constant("b", weights["classifier.bias"])]
        self.nodes.append(helper.make_node("Gemm", [self.node("Flatten", [x]), *classifier], ["logits"], transB=1))

    def constant(self, name, data):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(data, dtype=np.float32), name))
        return name

    def node(self, op, inputs, **fields):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **fields))
        return name

    def conv(self, name, x, size, stride=1, act=True):
        path = f"{P}{name}"
        weight = self.weights[f"{path}.convolution.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.weights[f"{path}.normalization.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + 0.001)
        kernel, channels = weight.shape[2], weight.shape[0]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads = [total // 2, total // 2, total - total // 2, total - total // 2]
        inputs = [x, self.constant(f"{name}.w", weight * scale[:, None, None, None]), self.constant(f"{name}.b", beta - mean * scale)]
        group = channels if kernel == 3 and weight.shape[1] == 1 else 1
        y = self.node("Conv", inputs, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pads, group=group)
        if not act:
            return y
        if not any(each.name == "six" for each in self.constants):
            self.constant("zero", np.float32(0)), self.constant("six", np.float32(6))
        return self.node("Clip", [y, "zero", "six"])

    def save(self, file):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        classes = self.weights["classifier.bias"].size
        graph = helper.make_graph(
            self.nodes, "mobilenet_v2", [value("pixel_values", ["N", 3, 224, 224])], [value("logits", ["N", classes])], self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, file)


def pixels(file, mean, std):
    picture = Image.open(file).convert("RGB")
    factor = 256 / min(picture.size)
    picture = picture.resize((int(picture.width * factor), int(picture.height * factor)), Image.Resampling.BILINEAR)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    rows = np.asarray(picture.crop((left, top, left + 224, top + 224)), dtype=np.float32)
    return ((rows / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]


class Reader(CalibrationDataReader):
    def __init__(self, pictures):
        self.left = iter(pictures)

    def get_next(self):
        picture = next(self.left, None)
        return None if picture is None else {"pixel_values": picture}


def logits(file, pictures):
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"pixel_values": picture})[0] for picture in pictures])


def main(folder, pictures):
    fields = json.loads((folder / "preprocessor_config.json").read_text())
    mean, std = fields["image_mean"][0], fields["image_std"][0]
    calibrate, evaluate = ([pixels(file, mean, std) for file in sorted((pictures / name).iterdir())] for name in ("calibrate", "evaluate"))
    with tempfile.TemporaryDirectory() as temporary:
        at = lambda name: f"{temporary}/{name}.onnx"
        Network(load_file(folder / "model.safetensors")).save(at("float"))
        quant_pre_process(at("float"), at("prepared"))
        wanted = logits(at("float"), evaluate)
        static = {"quant_format": QuantFormat.QDQ, "weight_type": QuantType.QInt8, "per_channel": True}
        quantize_static(at("prepared"), at("QDQ, int8 values"), Reader(calibrate), activation_type=QuantType.QInt8, **static)
        quantize_static(at("prepared"), at("QDQ, uint8 values"), Reader(calibrate), activation_type=QuantType.QUInt8, **static)
        quantize_dynamic(at("prepared"), at("dynamic uint8"), weight_type=QuantType.QUInt8)
        for name in ("QDQ, int8 values", "QDQ, uint8 values", "dynamic uint8"):
            found = logits(at(name), evaluate)
            same = (found.argmax(1) == wanted.argmax(1)).sum()
            off = np.sqrt(((found - wanted) ** 2).sum() / ((wanted - wanted.mean(1, keepdims=True)) ** 2).sum())
            print(f"onnxruntime {ort.__version__}, {name}: {same} of {len(wanted)}, {100 * same / len(wanted):.1f} %, off by {100 * off:.1f} %", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
