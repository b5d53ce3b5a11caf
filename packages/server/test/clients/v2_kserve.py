"""kserve's clients with protocol v2: REST with JSON, base64 and binary tensors, gRPC with raw bytes and contents."""

import asyncio
from base64 import b64encode

import grpc
import httpx
import numpy as np
from common import GRPC, MODEL, SERVER, check_logits, check_scores, done, pixel_values, read
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferOutput, InferRequest, RESTConfig

PIXELS = pixel_values("cat.jpg")
NAMES = ["cat.jpg", "dog.jpg"]


def output(response, name) -> InferOutput:
    (found,) = [entry for entry in response.outputs if entry.name == name]
    return found


def request(own, **parameters):
    return InferRequest(MODEL, [own], request_id="7", parameters=parameters or None)


def numbers(binary):
    own = InferInput("pixel_values", list(PIXELS.shape), "FP32")
    own.set_data_from_numpy(PIXELS, binary_data=binary)
    return own


def files(binary):
    if binary:
        own = InferInput("image", [2], "BYTES")
        own.set_data_from_numpy(np.array([read(name) for name in NAMES], dtype=np.object_), binary_data=True)
        return own
    texts = [b64encode(read(name)).decode() for name in NAMES]
    return InferInput("image", [2], "BYTES", data=texts, parameters={"content_type": "base64"})


def check_files(response):
    labels = np.array(output(response, "labels").as_numpy()).reshape(2, -1)
    scores = np.array(output(response, "scores").as_numpy()).reshape(2, -1)
    for row, score, name in zip(labels, scores, NAMES, strict=True):
        check_scores(row, score, name)


async def rest():
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    assert await client.is_server_live(SERVER) is True
    assert await client.is_server_ready(SERVER) is True
    assert await client.is_model_ready(SERVER, MODEL) is True
    for binary in (True, False):
        for wanted in ({}, {"binary_data_output": True}):
            answer = await client.infer(SERVER, request(numbers(binary), **wanted), MODEL)
            assert answer.id == "7" and answer.model_name == MODEL
            check_logits(output(answer, "logits").as_numpy(), "cat.jpg")
            check_files(await client.infer(SERVER, request(files(binary), **wanted), MODEL))
    try:
        await client.infer(SERVER, InferRequest(MODEL, [InferInput("x", [1], "FP32", data=[1.0])]), MODEL)
        raise AssertionError("nothing refused")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 400 and "pixel_values or image" in error.response.json()["error"]
    await client.close()


async def by_grpc():
    async with InferenceGRPCClient(GRPC, timeout=60) as client:
        assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready(MODEL)
        contents = InferInput("pixel_values", list(PIXELS.shape), "FP32", data=PIXELS.flatten().tolist())
        for own in (numbers(True), contents):
            answer = await client.infer(request(own))
            check_logits(output(answer, "logits").as_numpy(), "cat.jpg")
        check_files(await client.infer(request(files(True))))
        try:
            await client.infer(InferRequest("nothing", [contents]))
            raise AssertionError("nothing refused")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error


asyncio.run(rest())
asyncio.run(by_grpc())
done("kserve: REST v2 with JSON, base64 and binary tensors, gRPC with raw bytes and contents; refusals")
