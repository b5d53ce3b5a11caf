"""Makes the fixtures of this folder: small files as torch.save writes them, and what they hold as safetensors.

    python make.py        (torch 2.13.0, safetensors 0.8.0)

Every NAME.bin has a NAME.safetensors beside it: the same tensors, written by the safetensors library.
malicious.bin has none: it must be refused.
"""

import collections
import os
import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def values(*dims):
    """0, 1/8, 2/8, … : exact in every float type, every element different."""
    return torch.arange(torch.Size(dims).numel(), dtype=torch.float32).reshape(dims) / 8


def save(name, state, **options):
    torch.save(state, HERE / f"{name}.bin", **options)
    # clone: safetensors refuses tensors that share memory.
    tensors = state.get("state_dict", state)
    plain = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
    save_file(plain, HERE / f"{name}.safetensors")


def module_state():
    """What a real checkpoint has: an OrderedDict with `_metadata`, float32 and the int64 counter of batch norm."""
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    state = module.state_dict()
    with torch.no_grad():
        for index, tensor in enumerate(state.values()):
            tensor.copy_(values(*tensor.shape).to(tensor.dtype) + index)
    return state


class Attack:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


base = values(4, 6)
half_shared = values(10)

save("zip", module_state())
save("legacy", module_state(), _use_new_zipfile_serialization=False)
save("protocol4", module_state(), pickle_protocol=4)
save(
    "dtypes",
    {
        "float16": values(2, 3).half(),
        "bfloat16": values(2, 3).bfloat16(),
        "float64": values(2, 3).double(),
        "int64": torch.tensor([-(2**62), -1, 2**53 + 1]),
        "int32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "int16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(0.125),
        "empty": torch.zeros(0, 3),
    },
)
save(
    "strided",
    {
        "transposed": base.t(),
        "slice": base[1:3, 2:5],
        "every_second": base[::2, ::3],
        "permuted": values(2, 3, 4).permute(2, 0, 1),
        "channels_last": values(2, 3, 4, 5).to(memory_format=torch.channels_last),
    },
)
save("shared", {"all": half_shared, "first": half_shared[:4], "last": half_shared[6:], "again": half_shared})
save("parameter", collections.OrderedDict(weight=torch.nn.Parameter(values(3, 2)), bias=torch.nn.Parameter(values(3))))
save("wrapped", {"state_dict": {"weight": values(2, 2)}, "epoch": 3})


def trained(**more):
    """A checkpoint of training: everything beside the weights that torch's weights_only reader allows."""
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    module.load_state_dict(module_state())
    optimizer = torch.optim.AdamW(module.parameters())
    module(values(1, 2, 4, 4)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60, 60])
    return {
        "epoch": 3,
        "loss": torch.tensor(0.5),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),  # with a collections.Counter
        "device": torch.device("cuda:0"),
        "dtype": torch.float16,
        "layout": torch.strided,
        "size": torch.Size([1, 2]),
        "set": {1, 2},
        "complex": 1 + 2j,
        "bytes": b"bytes",
        "bytearray": bytearray(b"bytes"),
        "tuple keys": {(1, 2): 3},
        "sparse": torch.eye(2).to_sparse(),
        "quantized": torch.quantize_per_tensor(values(2), 0.1, 0, torch.qint8),
        **more,
    }


def save_training(name, taken, checkpoint, **options):
    torch.save(checkpoint, HERE / f"{name}.bin", **options)
    torch.load(HERE / f"{name}.bin", weights_only=True)  # what torch reads, we read
    save_file({key: tensor.detach().clone() for key, tensor in taken.items()}, HERE / f"{name}.safetensors")


def with_attribute(tensor):
    tensor.sharded = False
    return tensor


attributes = collections.OrderedDict(
    weight=with_attribute(torch.nn.Parameter(values(3, 2))), bias=with_attribute(values(3))
)
state = module_state()
average = {key: tensor + 1 for key, tensor in state.items()}
save_training("training", state, {**trained(float8=values(2).to(torch.float8_e4m3fn)), "model_state_dict": state})
save_training("training_legacy", state, {**trained(), "net": state}, _use_new_zipfile_serialization=False)
save_training("attributes", attributes, attributes)
save_training("ema", average, {"epoch": 3, "state_dict_ema": average})
save_training("both", state, {"model_ema": average, "checkpoint": {"model": state, "epoch": 3}})
torch.save({"weight": values(2, 2), "attack": Attack()}, HERE / "malicious.bin")
