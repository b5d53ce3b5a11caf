"""tritonclient.http: all that it can ask, tensors as bytes and as JSON, pictures, classes, gzip; from threads and asyncio too."""

import asyncio
import io

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from common import EXPECTED, HOST_AND_PORT, MODEL, PICTURES, SEGMENTER, check_logits, done, labels, tritons
from common import check_pictures as check
from PIL import Image
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(HOST_AND_PORT, concurrency=4)
tensor, pictures = tritons(triton)


def outputs(*names, **how):
    return [triton.InferRequestedOutput(name, **how) for name in names]


def metadata():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("nothing")
    assert client.get_server_metadata()["name"] == "mobilenet-v2"
    model = client.get_model_metadata(MODEL, "1")
    assert model["inputs"] == [{"name": "pixel_values", "datatype": "FP32", "shape": [-1, 3, 224, 224]}], model
    config = client.get_model_config(MODEL)
    assert config["max_batch_size"] == 64 and config["output"][0]["dims"] == [1001], config
    index = client.get_model_repository_index()
    assert [entry["name"] for entry in index] == [MODEL, SEGMENTER], index


def tensors():
    for binary in (True, False):
        for wanted in (None, outputs("logits", binary_data=True), outputs("logits", binary_data=False)):
            result = client.infer(MODEL, tensor("cat.jpg", binary_data=binary), outputs=wanted, request_id="7")
            assert result.get_response()["id"] == "7"
            check_logits(result.as_numpy("logits"), "cat.jpg")
    for packing in ("gzip", "deflate"):
        result = client.infer(
            MODEL,
            tensor("dog.jpg"),
            request_compression_algorithm=packing,
            response_compression_algorithm=packing,
        )
        check_logits(result.as_numpy("logits"), "dog.jpg")
    rows = client.infer(MODEL, tensor(*PICTURES), model_version="1").as_numpy("logits")
    assert rows.shape == (4, 1001)
    for row, name in zip(rows, PICTURES, strict=True):
        check_logits(row, name)


def classes():
    for binary in (True, False):
        wanted = outputs("logits", class_count=3, binary_data=binary)
        found = client.infer(MODEL, tensor("cat.jpg", "dog.jpg"), outputs=wanted).as_numpy("logits")
        assert found.shape == (2, 3), found.shape
        for row, name in zip(found, ("cat.jpg", "dog.jpg"), strict=True):
            for text, entry in zip(row, labels(name)):
                value, index, label = (text.decode() if isinstance(text, bytes) else text).split(":", 2)
                assert (int(index), label) == (entry["index"], entry["label"]), (text, entry)
                assert abs(float(value) - entry["logit"]) < 1e-3, (text, entry)


def files():
    check(client.infer(MODEL, pictures(*PICTURES)), PICTURES)
    check(client.infer(MODEL, pictures("cat.jpg"), parameters={"top_k": 2}, timeout=60_000_000), ["cat.jpg"], 2)
    check(client.infer(MODEL, pictures("husky.png"), outputs=outputs("labels", "scores")), ["husky.png"])
    result = client.infer(SEGMENTER, pictures("dog.jpg"))
    expected = np.asarray(Image.open(EXPECTED / "dog-classes.png"))
    mask = np.asarray(Image.open(io.BytesIO(result.as_numpy("mask")[0])))
    assert mask.shape == expected.shape and np.mean(mask != expected) < 0.002
    assert result.as_numpy("labels")[12] == b"dog"


def many():
    waiting = [(name, client.async_infer(MODEL, tensor(name))) for name in PICTURES * 3]
    for name, request in waiting:
        check_logits(request.get_result().as_numpy("logits"), name)


def refusals():
    pixels = np.zeros((1, 3, 8, 8), np.float32)
    small = triton.InferInput("pixel_values", [1, 3, 8, 8], "FP32")
    small.set_data_from_numpy(pixels)
    text = triton.InferInput("image", [1], "BYTES")
    text.set_data_from_numpy(np.array([b"no picture"], dtype=np.object_))
    for model, inputs, status, words in (
        (MODEL, [small], "400", "[N,3,224,224]"),
        (MODEL, [text], "415", "PNG or JPEG"),
        ("nothing", tensor("cat.jpg"), "404", "nothing"),
    ):
        try:
            client.infer(model, inputs)
            raise AssertionError("nothing refused")
        except InferenceServerException as error:
            assert status in error.status() and words in error.message(), error


def statistics():
    before = client.get_inference_statistics(MODEL)["model_stats"][0]
    client.infer(MODEL, pictures("cat.jpg", "dog.jpg"))
    after = client.get_inference_statistics(MODEL)["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]


async def by_asyncio():
    async with triton_aio.InferenceServerClient(HOST_AND_PORT) as own:
        assert await own.is_model_ready(MODEL)
        results = await asyncio.gather(*(own.infer(MODEL, tensor(name)) for name in PICTURES))
        for name, result in zip(PICTURES, results, strict=True):
            check_logits(result.as_numpy("logits"), name)
        check(await own.infer(MODEL, pictures("cat.jpg"), request_compression_algorithm="gzip"), ["cat.jpg"])


for part in (metadata, tensors, classes, files, many, refusals, statistics):
    part()
asyncio.run(by_asyncio())
done("tritonclient.http: metadata, binary, JSON, gzip, deflate, classes, pictures, masks, async_infer, aio, statistics")
