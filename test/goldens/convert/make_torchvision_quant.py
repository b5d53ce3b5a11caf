"""Quantized networks of torchvision with their state dicts as torch saves them, and what torch computes with them. For
test/convert/torchvision-quant.test.ts.

    pip install torch torchvision && python make_torchvision_quant.py [FOLDER]     (PyTorch 2.13, torchvision 0.28)

FOLDER has networks whose numbers are all different and whose norms are those of a run over noise, the files in torchvision-quant
ones that pack well.
"""
import gzip, os, sys
import numpy as np, torch
from torchvision.models.quantization import mobilenet_v2
from torchvision.models.quantization.utils import quantize_model

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT = len(sys.argv) == 1
SIZE, COUNT = 96, 4 if KEPT else 16
random = np.random.RandomState(3)
torch.manual_seed(0)


def values(shape, scale, period):
    places = np.indices(shape).reshape(len(shape), -1)
    index = (np.array([11, 23, 5, 3])[:len(shape)] @ places + random.randint(period)) % period
    return torch.tensor(random.uniform(-scale, scale, period)[index].reshape(shape), dtype=torch.float32)


def pictures():
    """Bytes [N,H,W,3] of noise, each picture coarser than the one before."""
    sides = [1 + 3 * (i % 8) for i in range(COUNT)]
    blocks = [random.randint(0, 256, (-(-SIZE // side), -(-SIZE // side), 3)) for side in sides]
    return np.stack([np.kron(b, np.ones((side, side, 1)))[:SIZE, :SIZE] for b, side in zip(blocks, sides)]).astype(np.uint8)


def fill(model, pixels):
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.data = values(module.weight.shape, 1.2 / fan_in**0.5, 61)
        elif isinstance(module, torch.nn.BatchNorm2d):
            count = module.weight.shape
            module.weight.data, module.bias.data = 1 + values(count, 0.5, 5), values(count, 0.5, 61)
            module.running_mean, module.running_var = values(count, 0.5, 61), 1 + values(count, 0.75, 3)
        elif isinstance(module, torch.nn.Linear):
            module.weight.data, module.bias.data = values(module.weight.shape, 0.1, 61), values(module.bias.shape, 1, 61)


def calibrate(model, pixels):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
            module.momentum = None
    model.train()
    with torch.no_grad(): model(pixels)
    model.eval()


def make(folder, backend, noise):
    pixels = torch.from_numpy((noise.transpose(0, 3, 1, 2).astype(np.float32) - 128) / 64)
    model = mobilenet_v2(weights=None, quantize=False, width_mult=0.35, num_classes=5 if KEPT else 100).eval()
    (fill if KEPT else calibrate)(model, pixels)
    # quantize_model() looks at one picture of noise; ours are to be in its ranges.
    model.register_forward_pre_hook(lambda module, args: (pixels,) if args[0].shape[-1] == 299 else None)
    quantize_model(model, backend)
    with torch.no_grad(): logits = model(pixels)
    scale = model.classifier[1].scale
    print(f'{backend}: logits {tuple(logits.shape)} in steps of {scale}, {len(logits.unique())} different')
    torch.save(model.state_dict(), os.path.join(folder, f'{backend}.pth'))
    if not KEPT:
        # As before PyTorch 1.6, and out of a checkpoint of training.
        wrapped = {'epoch': 3, 'model': {f'module.{name}': value for name, value in model.state_dict().items()}}
        torch.save(wrapped, os.path.join(folder, f'{backend}.legacy.pth'), _use_new_zipfile_serialization=False)
    logits.numpy().astype(np.float32).tofile(os.path.join(folder, f'{backend}.logits'))


def main(folder):
    noise = pictures()
    noise.tofile(os.path.join(folder, 'pictures'))
    for backend in ('qnnpack', 'fbgemm'): make(folder, backend, noise)


if not KEPT: main(sys.argv[1])
else:
    own = os.path.join(HERE, 'torchvision-quant')
    os.makedirs(own, exist_ok=True)
    main(own)
    for name in os.listdir(own):
        if name.endswith('.gz'): continue
        path = os.path.join(own, name)
        with open(path, 'rb') as file, gzip.GzipFile(path + '.gz', 'wb', 9, mtime=0) as out: out.write(file.read())
        os.remove(path)
