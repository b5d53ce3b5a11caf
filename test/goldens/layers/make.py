"""Golden values of the layers, from PyTorch.

    pip install torch==2.13.0 safetensors==0.8.0 transformers==5.23.0 && python make.py

writes layers.safetensors beside this file: inputs and outputs, all values, in PyTorch's own layout (NCHW). The float64
twin of each layer computes the output, which is then rounded, so that a test may be strict; only the bilinear resize is
computed in float32, because where it reads is decided in float32. Sizes are small, and height differs from width.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers.activations import ACT2FN

torch.manual_seed(20180113)
tensors = {}


def case(name, y, **inputs):
    for key, value in inputs.items():
        tensors[f"{name}.{key}"] = value.float().contiguous()
    tensors[f"{name}.y"] = y.float().contiguous()


def rand(*shape):
    """Float32 values, held as float64."""
    return torch.randn(*shape).double()


for stride, height, width in [(1, 5, 7), (2, 5, 7), (2, 6, 9), (2, 8, 6)]:
    x, w, bias = rand(2, 3, height, width), rand(4, 3, 3, 3), rand(4)
    y = F.conv2d(x, w, bias, stride=stride, padding=1)
    case(f"conv3x3_s{stride}_{height}x{width}", y, x=x, w=w, bias=bias)

# TensorFlow's SAME at stride 2: an even size is padded after the picture only.
x, w, bias = rand(1, 3, 6, 8), rand(5, 3, 3, 3), rand(5)
case("conv3x3_same_s2_6x8", F.conv2d(F.pad(x, (0, 1, 0, 1)), w, bias, stride=2), x=x, w=w, bias=bias)

for stride, dilation, height, width in [(1, 1, 5, 7), (2, 1, 5, 7), (2, 1, 6, 9), (1, 2, 7, 9), (1, 4, 6, 11), (2, 2, 9, 7)]:
    x, w, bias = rand(2, 5, height, width), rand(5, 1, 3, 3), rand(5)
    y = F.conv2d(x, w, bias, stride=stride, padding=dilation, dilation=dilation, groups=5)
    case(f"depthwise3x3_s{stride}_d{dilation}_{height}x{width}", y, x=x, w=w, bias=bias)

x, w, bias, residual = rand(2, 6, 3, 5), rand(7, 6, 1, 1), rand(7), rand(2, 7, 3, 5)
case("pointwise", F.relu6(F.conv2d(x, w, bias) + residual), x=x, w=w, bias=bias, residual=residual)

# Convolution and batch norm, one after the other.
x, w = rand(2, 4, 5, 6), rand(6, 4, 3, 3)
norm = {"gamma": rand(6), "beta": rand(6), "mean": rand(6), "variance": rand(6).abs() + 0.1}
convolved = F.conv2d(x, w, padding=1)
y = F.batch_norm(convolved, norm["mean"], norm["variance"], norm["gamma"], norm["beta"], eps=1e-3)
case("conv_batch_norm", y, x=x, w=w, convolved=convolved, **norm)
x, w = rand(2, 6, 5, 4), rand(6, 1, 3, 3)
y = F.conv2d(x, w, padding=1, groups=6)
y = F.batch_norm(y, norm["mean"], norm["variance"], norm["gamma"], norm["beta"], eps=1e-3)
case("depthwise_batch_norm", y, x=x, w=w, **norm)

x = rand(2, 3, 5, 7)
case("average_pool_5x7", F.avg_pool2d(x, (5, 7), stride=1), x=x)
case("average_pool_2x3", F.avg_pool2d(x, (2, 3), stride=1), x=x)

for height, width, out_height, out_width in [(4, 6, 9, 7), (9, 7, 4, 5), (5, 3, 10, 12), (1, 1, 4, 5), (3, 4, 1, 1), (17, 33, 65, 129)]:
    x = rand(1, 1 if out_width > 100 else 3, height, width)
    for align_corners in (False, True):
        y = F.interpolate(x.float(), (out_height, out_width), mode="bilinear", align_corners=align_corners)
        name = f"resize_{height}x{width}_{out_height}x{out_width}_{'corners' if align_corners else 'edges'}"
        case(name, y, x=x)

# An inverted residual block with its batch norms folded already: expand, depthwise, project, add.
x = rand(2, 4, 6, 5)
block = {
    "expand_w": rand(12, 4, 1, 1), "expand_bias": rand(12),
    "depthwise_w": rand(12, 1, 3, 3), "depthwise_bias": rand(12),
    "project_w": rand(4, 12, 1, 1), "project_bias": rand(4),
}
y = F.relu6(F.conv2d(x, block["expand_w"], block["expand_bias"]))
y = F.relu6(F.conv2d(y, block["depthwise_w"], block["depthwise_bias"], padding=1, groups=12))
y = x + F.conv2d(y, block["project_w"], block["project_bias"])
case("inverted_residual", y, x=x, **block)

special = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 3, -3, 6, -6, 6.5, -6.5, 20, -20, 20.5, -20.5, 88, -88, 1e4, -1e4])
x = torch.cat([special, torch.linspace(-9, 9, 181)]).double()
tensors["activation.x"] = x.float()
for name in sorted(ACT2FN):
    if name not in ("prelu", "xielu"):
        tensors[f"activation.{name}"] = ACT2FN[name](x.float().double()).float()

path = pathlib.Path(__file__).with_name("layers.safetensors")
save_file(tensors, path)
print(f"{len(tensors)} tensors, {path.stat().st_size} bytes, torch {torch.__version__}")
