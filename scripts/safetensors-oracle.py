"""Reads safetensors files, each after its length in four bytes, and prints a line for each: what the Rust library makes of it."""
import json
import struct
import sys

from safetensors import SafetensorError, deserialize

data = sys.stdin.buffer.read()
at = 0
while at < len(data):
    (size,) = struct.unpack_from('<I', data, at)
    at += 4
    try:
        tensors = deserialize(data[at : at + size])
        print(json.dumps({'ok': sorted([n, t['dtype'], list(t['shape']), len(t['data'])] for n, t in tensors)}))
    except SafetensorError as error:
        print(json.dumps({'error': str(error)}))
    at += size
