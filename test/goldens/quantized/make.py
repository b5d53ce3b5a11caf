"""Golden values of quantized convolutions, from LiteRT with XNNPACK.

    pip install ai-edge-litert==2.3.0 flatbuffers numpy safetensors && python make.py

writes cases.json and cases.safetensors beside this file. Every case is a TFLite file of one operator with random numbers,
run by LiteRT: `<n>.x .w .b .sw` are its input, weights (as TFLite lays them: [K,kh,kw,C], depthwise [1,3,3,C]), biases and
scales of the weights, `<n>.xnn` is its output. LiteRT leaves some operators to kernels of its own, which round twice; they
are told apart by a model of XNNPACK's arithmetic in numpy, and left out.
"""

import json
import pathlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}
rng = np.random.default_rng(20180113)
f32 = np.float32


def quantization(scale, zero_point, axis=0):
    q = schema.QuantizationParametersT()
    q.scale = np.atleast_1d(np.asarray(scale, f32))
    q.zeroPoint = np.atleast_1d(np.asarray(zero_point, np.int64))
    q.quantizedDimension = axis
    return q


def model(case, x, w, b, sw):
    """The bytes of a TFLite file."""
    m = schema.ModelT()
    m.version = 3
    m.buffers = [schema.BufferT()]
    g = schema.SubGraphT()
    g.tensors = []
    m.subgraphs = [g]
    of_type = schema.TensorType.UINT8 if case["type"] == "u8" else schema.TensorType.INT8
    depthwise = case["op"] == "dw"

    def tensor(name, shape, kind, q, data=None):
        t = schema.TensorT()
        t.name, t.shape, t.type, t.quantization, t.buffer = name, list(shape), kind, q, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            m.buffers.append(buffer)
            t.buffer = len(m.buffers) - 1
        g.tensors.append(t)
        return len(g.tensors) - 1

    zero_points = np.full(len(sw), case["zw"])
    biases = f32(case["sx"]) * sw
    inputs = [
        tensor("x", x.shape, of_type, quantization(case["sx"], case["zx"])),
        tensor("w", w.shape, of_type, quantization(sw, zero_points, 3 if depthwise else 0), w),
        tensor("b", b.shape, schema.TensorType.INT32, quantization(biases, np.zeros(len(sw), int)), b),
    ]
    out = tensor("y", [1, *out_size(case), case["K"]], of_type, quantization(case["so"], case["zo"]))
    g.inputs, g.outputs = [inputs[0]], [out]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = 4 if depthwise else 3
    code.version = 3 if case["type"] == "i8" else 2
    m.operatorCodes = [code]
    options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.padding = 0 if case["padding"] == "SAME" else 1
    options.strideH = options.strideW = case["stride"]
    options.dilationHFactor = options.dilationWFactor = case["dilation"]
    options.fusedActivationFunction = ACTIVATIONS[case["activation"]]
    if depthwise:
        options.depthMultiplier = 1
    op = schema.OperatorT()
    op.inputs, op.outputs, op.builtinOptions = inputs, [out], options
    kind = schema.BuiltinOptions
    op.builtinOptionsType = kind.DepthwiseConv2DOptions if depthwise else kind.Conv2DOptions
    g.operators = [op]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(m.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def out_size(case):
    reach = (case["k"] - 1) * case["dilation"] + 1
    same = case["padding"] == "SAME"
    return [-(-n // case["stride"]) if same else (n - reach) // case["stride"] + 1 for n in (case["H"], case["W"])]


def xnnpack(case, x, w, b, sw):
    """Its arithmetic: an exact sum, times a float32, half to even."""
    k, s, d, depthwise = case["k"], case["stride"], case["dilation"], case["op"] == "dw"
    oh, ow = out_size(case)
    reach = (k - 1) * d + 1
    pads = [max((o - 1) * s + reach - n, 0) for o, n in ((oh, case["H"]), (ow, case["W"]))]
    centered = x.astype(np.int64) - case["zx"]
    padded = np.pad(centered, [(0, 0), *[(p // 2, p - p // 2) for p in pads], (0, 0)])
    weights = w.astype(np.int64) - case["zw"]
    sums = np.zeros((1, oh, ow, case["K"]), np.int64) + b
    for i in range(k):
        for j in range(k):
            part = padded[:, i * d : i * d + (oh - 1) * s + 1 : s, j * d : j * d + (ow - 1) * s + 1 : s]
            sums += part * weights[0, i, j] if depthwise else part @ weights[:, i, j].T
    low = 0 if case["type"] == "u8" else -128
    lo, hi = low, low + 255
    if case["activation"] != "none":
        lo = max(low, case["zo"])
    if case["activation"] == "relu6":
        hi = min(hi, case["zo"] + int(np.floor(f32(6) / f32(case["so"]) + f32(0.5))))
    scale = (f32(case["sx"]) * sw / f32(case["so"])).astype(f32)
    scaled = np.clip(sums.astype(f32) * scale, f32(lo - case["zo"]), f32(hi - case["zo"]))
    return (np.rint(scaled) + case["zo"]).astype(x.dtype)


def make(op, kind, H, W, C, K, k, stride, dilation, padding, activation):
    low = 0 if kind == "u8" else -128
    dtype = np.uint8 if kind == "u8" else np.int8
    zo = low if activation != "none" else int(rng.integers(low, low + 256))
    case = dict(op=op, type=kind, H=H, W=W, C=C, K=K, k=k, stride=stride, dilation=dilation, padding=padding)
    case |= dict(activation=activation, sx=float(f32(rng.uniform(0.005, 0.2))), zx=int(rng.integers(low, low + 256)))
    case |= dict(so=float(f32(rng.uniform(0.02, 0.4))), zo=zo, zw=int(rng.integers(60, 200)) if kind == "u8" else 0)
    shape = [1, k, k, C] if op == "dw" else [K, k, k, C]
    w = rng.integers(low + 1, low + 256, shape).astype(dtype)
    sw = rng.uniform(0.0005, 0.02, 1 if kind == "u8" else K).astype(f32)
    b = rng.integers(-20000, 20000, K).astype(np.int32)
    x = rng.integers(low, low + 256, (1, H, W, C)).astype(dtype)
    interpreter = Interpreter(model_content=model(case, x, w, b, sw), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return case, dict(x=x, w=w, b=b, sw=sw, xnn=y), bool((y == xnnpack(case, x, w, b, sw)).all())


LIST = [
    (op, kind, *sizes)
    for kind in ("i8", "u8")
    for op, *sizes in (
        ("conv", 5, 3, 8, 16, 1, 1, 1, "SAME", "relu6"),
        ("conv", 3, 3, 13, 21, 1, 1, 1, "SAME", "none"),
        ("conv", 1, 1, 160, 17, 1, 1, 1, "SAME", "none"),
        ("conv", 9, 8, 3, 16, 3, 2, 1, "SAME", "relu6"),
        ("conv", 9, 11, 3, 10, 3, 2, 1, "SAME", "relu"),
        ("dw", 9, 7, 12, 12, 3, 1, 1, "SAME", "relu6"),
        ("dw", 9, 7, 5, 5, 3, 2, 1, "SAME", "none"),
        ("dw", 8, 8, 16, 16, 3, 2, 1, "SAME", "none"),
        ("dw", 11, 9, 8, 8, 3, 1, 4, "SAME", "relu6"),
        ("dw", 7, 7, 8, 8, 3, 1, 1, "VALID", "relu6"),
    )
]
cases, tensors = [], {}
for arguments in LIST:
    case, values, by_xnnpack = make(*arguments)
    if not by_xnnpack:
        print("not by XNNPACK, left out:", *arguments)
        continue
    tensors |= {f"{len(cases)}.{name}": np.ascontiguousarray(value) for name, value in values.items()}
    cases.append(case)
lines = ",\n".join(json.dumps(case) for case in cases)
(HERE / "cases.json").write_text(f"[\n{lines}\n]\n")
save_file(tensors, HERE / "cases.safetensors")
print(len(cases), "cases")
