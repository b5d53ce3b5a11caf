#!/usr/bin/env python3
"""Small Keras models, what Keras makes of a picture with them, and HDF5 files of every kind that h5py writes.

    pip install torch==2.13.0 keras==3.15.1 h5py==3.16.0 pillow safetensors numpy
    KERAS_BACKEND=torch python make_keras.py

Weights are few and random multiples of 1/4, with random batch-norm statistics, so that files compress and activations live. Expected values are logits (before softmax or sigmoid), given the picture as
Keras's `load_img(..., interpolation="bilinear")` makes it.
"""

import gzip
import io
import os
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
import h5py
import keras
import numpy as np
from PIL import Image
from safetensors.numpy import save_file

HERE = Path(__file__).parent
PICTURE = HERE.parents[2] / "examples" / "husky.png"
SIZE = 64
# The narrowest whose first block changes the number of channels, so that nothing is added to it.
ALPHA = 0.3
L = keras.layers
random = np.random.default_rng(2)


def coarse(values, steps=32):
    return (np.round(np.asarray(values) * steps) / steps).astype(np.float32)


def sparse(values):
    """One weight in six, made larger for it."""
    return coarse(values * 6**0.5 * (random.random(values.shape) < 1 / 6), 4)


def fill(model):
    for layer in model._flatten_layers(include_self=False):
        shapes = [w.shape for w in layer.get_weights()]
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            gamma, beta = random.uniform(0.7, 1.3, shapes[0]), random.normal(0, 0.3, shapes[1])
            mean, variance = random.normal(0, 0.3, shapes[2]), random.uniform(0.4, 1.6, shapes[3])
            layer.set_weights([coarse(v) for v in (gamma, beta, mean, variance)])
        elif kind in ("Conv2D", "DepthwiseConv2D"):
            fan_in = 9 if kind == "DepthwiseConv2D" else np.prod(shapes[0][:3])
            layer.set_weights([sparse(random.normal(0, (2 / fan_in) ** 0.5, shapes[0]))])
        elif kind == "Dense":
            layer.set_weights([coarse(random.normal(0, 0.1, s)) for s in shapes])


def backbone():
    return keras.applications.MobileNetV2(input_shape=(SIZE, SIZE, 3), alpha=ALPHA, include_top=False, weights=None)


def logits(model, pixels):
    model.layers[-1].activation = keras.activations.linear
    return keras.ops.convert_to_numpy(model(pixels, training=False))


def repack(source: bytes, target: Path):
    """The same file with its larger kernels in chunks, compressed."""
    with h5py.File(io.BytesIO(source)) as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)

        def visit(path, item):
            if isinstance(item, h5py.Group):
                new.require_group(path).attrs.update(item.attrs)
            elif item.size < 512:
                new.create_dataset(path, data=item[()])
            else:
                options = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": item.size % 3 == 0}
                new.create_dataset(path, data=item[()], chunks=True, **options)

        old.visititems(visit)


def models(expected):
    picture = keras.utils.load_img(PICTURE, target_size=(SIZE, SIZE), interpolation="bilinear")
    bytes_ = np.asarray(picture, np.float32)[None]
    expected["uint8"] = np.asarray(picture, np.uint8)

    # As transfer learning is taught: augmentation and scaling in the model, and a new head.
    flowers = keras.Sequential([
        keras.Input((SIZE, SIZE, 3)), L.RandomFlip("horizontal"), L.Rescaling(1 / 127.5, offset=-1), backbone(),
        L.GlobalAveragePooling2D(), L.Dropout(0.25), L.Dense(3, activation="softmax"),
    ])  # fmt: skip
    fill(flowers)
    flowers.save("/tmp/flowers.h5")
    repack(Path("/tmp/flowers.h5").read_bytes(), Path("/tmp/sequential.h5"))
    # Half of an HDF5 file of so many groups is zeros.
    packed = gzip.compress(Path("/tmp/sequential.h5").read_bytes(), 9, mtime=0)
    (HERE / "sequential.h5.gz").write_bytes(packed)
    expected["sequential.h5"] = logits(flowers, bytes_)

    # The other way it is taught: preprocess_input as operations, two classes by one sigmoid; zipped as mail would do it.
    inputs = keras.Input((SIZE, SIZE, 3))
    values = backbone()(keras.applications.mobilenet_v2.preprocess_input(inputs), training=False)
    cats = keras.Model(inputs, L.Dense(1, activation="sigmoid")(L.GlobalAveragePooling2D()(values)))
    fill(cats)
    cats.save("/tmp/cats.keras")
    with zipfile.ZipFile("/tmp/cats.keras") as old, zipfile.ZipFile(HERE / "functional.keras", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    expected["functional.keras"] = logits(cats, bytes_)


def hdf5():
    """What the reader must read, and `dense.h5`, which it must refuse by name."""
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8

    def content(file):
        file.attrs["text"] = "grüße"
        file.attrs["texts"] = np.array([b"one", b"three"])
        file.attrs["variable"] = np.array(["a", "", "longer than the others"], dtype=h5py.string_dtype())
        file.attrs["number"] = 7
        group = file.create_group("group")
        group.attrs["name"] = "a group"
        group.create_dataset("f32", data=values)
        group.create_dataset("f16", data=values.astype(np.float16))
        group.create_dataset("f64", data=values.astype(np.float64))
        group.create_dataset("i64", data=np.array(5, np.int64))
        inner = group.create_group("inner")
        inner.create_dataset("u8", data=np.arange(7, dtype=np.uint8))
        inner.create_dataset("empty", data=np.zeros((0, 3), np.float32))

    for name, libver in [("earliest", "earliest"), ("latest", "latest")]:
        with h5py.File(HERE / f"{name}.h5", "w", libver=libver) as file:
            content(file)
    with h5py.File("/tmp/chunked.h5", "w") as file:
        large = (np.arange(50 * 70) % 251).astype(np.float32).reshape(50, 70)
        file.create_dataset("plain", data=large, chunks=(16, 32))
        file.create_dataset("gzip", data=large, chunks=(16, 32), compression="gzip")
        file.create_dataset("all", data=large, chunks=(7, 70), compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("lzf", data=large, chunks=(16, 32), compression="lzf")
        # So many chunks that the B-tree has two levels.
        file.create_dataset("many", data=large, chunks=(1, 35))
        # A symbol table of more than one node.
        for i in range(40):
            file.create_dataset(f"many links/{i:02}", data=np.full(2, i, np.float32))
        file.create_dataset("text", data="no number")
        file.create_dataset("big-endian", data=np.arange(3, dtype=">f4"))
        file.create_dataset("nothing", shape=(4,), dtype="f4")
    (HERE / "chunked.h5.gz").write_bytes(gzip.compress(Path("/tmp/chunked.h5").read_bytes(), 9, mtime=0))
    with h5py.File(HERE / "dense.h5", "w", libver="latest") as file:
        for i in range(20):
            file.create_dataset(f"{i:02}", data=np.full(2, i, np.float32))
    # Chunks as large as the dataset, for which HDF5 1.10 has no B-tree.
    with h5py.File(HERE / "one-chunk.h5", "w", libver=("v110", "v110")) as file:
        whole = (np.arange(24) / 8).astype(np.float32).reshape(4, 6)
        file.create_dataset("plain", data=whole, chunks=(4, 6))
        file.create_dataset("gzip", data=whole, chunks=(4, 6), compression="gzip", shuffle=True)


expected = {}
models(expected)
hdf5()
save_file({k: np.ascontiguousarray(v) for k, v in expected.items()}, HERE / "keras.expected.safetensors")
for name, value in expected.items():
    print(name, value.shape, value.ravel()[:5])
