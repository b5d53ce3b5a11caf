"""Logits of a quantized .tflite by LiteRT (XNNPACK): litert-logits.py MODEL OPERATOR PICTURES OUT

PICTURES has the bytes of pictures, one after another; OUT gets the raw bytes that the operator made of each. Needs
`pip install ai-edge-litert numpy`. The file's output is moved to that operator: four bytes of its list of outputs.
"""
import struct, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

model, operator, pictures, out = sys.argv[1:5]
b = bytearray(open(model, 'rb').read())
u32 = lambda at: struct.unpack_from('<I', b, at)[0]


def field(table, index):
    """Where a table's field is, or 0."""
    vtable = table - struct.unpack_from('<i', b, table)[0]
    if 4 + 2 * index >= struct.unpack_from('<H', b, vtable)[0]:
        return 0
    offset = struct.unpack_from('<H', b, vtable + 4 + 2 * index)[0]
    return table + offset if offset else 0


def vector(table, index):
    """Where a vector's elements begin."""
    at = field(table, index)
    return at + u32(at) + 4


subgraphs = vector(u32(0), 2)
subgraph = subgraphs + u32(subgraphs)
operators = vector(subgraph, 3)
at = operators + 4 * int(operator)
b[vector(subgraph, 2) : vector(subgraph, 2) + 4] = b[vector(at + u32(at), 2) : vector(at + u32(at), 2) + 4]

interpreter = Interpreter(model_content=bytes(b), num_threads=1)
interpreter.allocate_tensors()
entry, exit = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
with open(out, 'wb') as f:
    for picture in np.fromfile(pictures, np.uint8).reshape(-1, *entry['shape']):
        interpreter.set_tensor(entry['index'], picture)
        interpreter.invoke()
        f.write(interpreter.get_tensor(exit['index']).tobytes())
