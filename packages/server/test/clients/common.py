"""What the clients in Python share: where the server is, pictures, and what Python's transformers says of them."""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SERVER = os.environ["SERVER"]
GRPC = os.environ.get("GRPC")
HOST_AND_PORT = SERVER.removeprefix("http://")
EXAMPLES = Path(os.environ["EXAMPLES"])
EXPECTED = Path(os.environ["EXPECTED"])
MODEL = "mobilenet_v2"
SEGMENTER = "deeplab"
# How far a score may be from Python's. As far as the library's own test of photographs (test/models/shipped.test.ts).
SCORE = 1e-5
LOGIT = 1e-3
PICTURES = ("cat.jpg", "dog.jpg", "coffee.jpg", "husky.png")

_expected = json.loads((EXPECTED / "expected.json").read_text())


def read(name):
    """The bytes of a picture."""
    return (EXAMPLES / name).read_bytes()


def labels(name):
    """[{label, score, logit, index}], the best five."""
    return _expected["labels"][name]


def features(name):
    return _expected["features"][name]


def pixel_values(*names):
    """[N,3,224,224], prepared as preprocessor_config.json says, with Pillow and numpy."""
    tensors = []
    for name in names:
        image = Image.open(EXAMPLES / name).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float32)
        tensors.append((pixels / 127.5 - 1).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(tensors), dtype=np.float32)


def check_scores(found_labels, found_scores, name):
    """That labels and scores, best first, are Python's; as many as there are, five at most."""
    expected = labels(name)[: len(found_labels)]
    text = [label.decode() if isinstance(label, bytes) else str(label) for label in found_labels]
    assert text and text == [entry["label"] for entry in expected], (name, text)
    for found, entry in zip(found_scores, expected, strict=True):
        assert abs(float(found) - entry["score"]) < SCORE, (name, float(found), entry)


def check_logits(logits, name):
    """That a row of logits [1001] is Python's where Python's best are."""
    row = np.asarray(logits).reshape(-1)
    assert row.shape == (1001,), row.shape
    assert int(row.argmax()) == labels(name)[0]["index"], name
    for entry in labels(name):
        assert abs(float(row[entry["index"]]) - entry["logit"]) < LOGIT, (name, entry, float(row[entry["index"]]))


def check_mask(image, label, name):
    """That a mask (a picture with one channel) covers the pixels of a class in dog-classes.png, one of 500 aside."""
    expected = np.asarray(Image.open(EXPECTED / name.replace(".jpg", "-classes.png")))
    index = {"background": 0, "bicycle": 2, "car": 7, "dog": 12}[label]
    found = np.asarray(image)
    assert found.shape == expected.shape and set(np.unique(found)) <= {0, 255}, (found.shape, np.unique(found))
    wrong = np.mean((found == 255) != (expected == index))
    assert wrong < 0.002, (label, wrong)


def tritons(triton):
    """Inputs for tritonclient.http or tritonclient.grpc, which have the same classes: a tensor of pictures, and their files."""

    def filled(name, shape, datatype, values, **how):
        own = triton.InferInput(name, shape, datatype)
        own.set_data_from_numpy(values, **how)
        return [own]

    def tensor(*names, **how):
        pixels = pixel_values(*names)
        return filled("pixel_values", list(pixels.shape), "FP32", pixels, **how)

    def pictures(*names):
        return filled("image", [len(names)], "BYTES", np.array([read(name) for name in names], dtype=np.object_))

    return tensor, pictures


def check_pictures(result, names, k=5):
    """That tritonclient's answer has the labels and scores of pictures."""
    rows, scores = result.as_numpy("labels"), result.as_numpy("scores")
    assert rows.shape == scores.shape == (len(names), k), (rows.shape, scores.shape)
    for row, score, name in zip(rows, scores, names, strict=True):
        check_scores(row, score, name)


def done(text):
    """The line that the runner prints."""
    print(text)
    sys.exit(0)


def skip(why):
    print(why)
    sys.exit(77)
