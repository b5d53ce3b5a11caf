"""tritonclient.grpc: all that it can ask, sixteen pictures at once, streams, asyncio, deadlines."""

import asyncio
import queue

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from common import GRPC, MODEL, PICTURES, SEGMENTER, check_logits, done, labels, tritons
from common import check_pictures as check
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(GRPC)
tensor, pictures = tritons(triton)


def metadata():
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL, "1")
    assert client.get_server_metadata().name == "mobilenet-v2"
    model = client.get_model_metadata(MODEL)
    assert list(model.inputs[0].shape) == [-1, 3, 224, 224] and list(model.outputs[0].shape) == [-1, 1001]
    config = client.get_model_config(MODEL).config
    assert config.max_batch_size == 64 and list(config.input[0].dims) == [3, 224, 224], config
    index = client.get_model_repository_index().models
    assert [(entry.name, entry.state) for entry in index] == [(MODEL, "READY"), (SEGMENTER, "READY")]


def inference():
    for packing in (None, "gzip", "deflate"):
        result = client.infer(MODEL, tensor("cat.jpg"), request_id="7", compression_algorithm=packing)
        assert result.get_response().id == "7"
        check_logits(result.as_numpy("logits"), "cat.jpg")
    sixteen = client.infer(MODEL, tensor(*PICTURES * 4)).as_numpy("logits")
    assert sixteen.shape == (16, 1001)
    for row, name in zip(sixteen, PICTURES * 4, strict=True):
        check_logits(row, name)
    check(client.infer(MODEL, pictures(*PICTURES)), PICTURES)
    check(client.infer(MODEL, pictures("dog.jpg"), parameters={"top_k": 3}, timeout=60_000_000), ["dog.jpg"], 3)
    wanted = [triton.InferRequestedOutput("logits", class_count=2)]
    for text, entry in zip(client.infer(MODEL, tensor("cat.jpg"), outputs=wanted).as_numpy("logits")[0], labels("cat.jpg")):
        value, index, label = text.decode().split(":", 2)
        assert (int(index), label) == (entry["index"], entry["label"]) and abs(float(value) - entry["logit"]) < 1e-3


def stream():
    results = queue.Queue()
    with triton.InferenceServerClient(GRPC) as own:
        own.start_stream(lambda result, error: results.put((result, error)))
        for i, name in enumerate(PICTURES * 3):
            own.async_stream_infer(MODEL, tensor(name), request_id=str(i))
        own.async_stream_infer("nothing", tensor("cat.jpg"), request_id="x")
        own.async_stream_infer(MODEL, pictures("husky.png"), request_id="last")
        for i, name in enumerate(PICTURES * 3):
            result, error = results.get(timeout=60)
            assert error is None and result.get_response().id == str(i), (error, i)
            check_logits(result.as_numpy("logits"), name)
        _, error = results.get(timeout=60)
        assert "nothing" in error.message(), error
        result, error = results.get(timeout=60)
        assert error is None
        check(result, ["husky.png"])
        own.stop_stream()


def refusals():
    small = triton.InferInput("pixel_values", [1, 3, 8, 8], "FP32")
    small.set_data_from_numpy(np.zeros((1, 3, 8, 8), np.float32))
    for inputs, model, status in (
        ([small], MODEL, "INVALID_ARGUMENT"),
        (tensor("cat.jpg"), "nothing", "NOT_FOUND"),
    ):
        try:
            client.infer(model, inputs)
            raise AssertionError("nothing refused")
        except InferenceServerException as error:
            assert status in error.status(), error
    try:
        client.infer(MODEL, pictures(*PICTURES * 4), client_timeout=0.001)
        raise AssertionError("nothing refused")
    except InferenceServerException as error:
        assert "DEADLINE_EXCEEDED" in error.status(), error


def statistics():
    before = client.get_inference_statistics(MODEL).model_stats[0]
    client.infer(MODEL, pictures("cat.jpg", "dog.jpg"))
    after = client.get_inference_statistics(MODEL).model_stats[0]
    assert after.inference_count - before.inference_count == 2
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns


async def by_asyncio():
    async with triton_aio.InferenceServerClient(GRPC) as own:
        assert await own.is_model_ready(MODEL)
        results = await asyncio.gather(*(own.infer(MODEL, tensor(name)) for name in PICTURES))
        for name, result in zip(PICTURES, results, strict=True):
            check_logits(result.as_numpy("logits"), name)

        async def requests():
            for name in PICTURES:
                yield {"model_name": MODEL, "inputs": pictures(name), "request_id": name}

        answered = []
        async for result, error in own.stream_infer(requests()):
            assert error is None, error
            answered.append(result.get_response().id)
            check(result, [answered[-1]])
        assert answered == list(PICTURES), answered


for part in (metadata, inference, stream, refusals, statistics):
    part()
asyncio.run(by_asyncio())
done("tritonclient.grpc: metadata, tensors, gzip, 16 pictures, classes, streams, aio, deadline, refusals, statistics")
