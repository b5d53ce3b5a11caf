"""python qdq.py FLOAT.onnx OUT.onnx PIXELS.bin: int8 by onnxruntime's own tool, with its defaults and a scale per channel.

The ranges come from one picture: enough for times, not for accuracy.
"""

import sys

import numpy as np
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class Picture(CalibrationDataReader):
    def __init__(self, model, file):
        (own,) = InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()
        pixels = np.fromfile(file, np.float32).reshape(own.shape)
        self.feeds = iter([{own.name: pixels}])

    def get_next(self):
        return next(self.feeds, None)


model, out, pixels = sys.argv[1:]
quantize_static(
    model,
    out,
    Picture(model, pixels),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
)
