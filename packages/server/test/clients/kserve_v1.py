"""kserve's InferenceRESTClient with protocol v1, and a queue of its calls at once."""

import asyncio
from base64 import b64encode

import httpx
from common import MODEL, SERVER, check_scores, done, read
from kserve import InferenceRESTClient, RESTConfig


def encoded(name):
    return {"b64": b64encode(read(name)).decode()}


async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v1", timeout=60))
    assert await client.is_server_live(SERVER) is True
    assert await client.is_model_ready(SERVER, MODEL) is True
    names = ["cat.jpg", "husky.png", "coffee.jpg"]
    bodies = [
        {"instances": [encoded(name) for name in names]},
        {"instances": [{"image_bytes": encoded(name)} for name in names]},
        {"instances": [{"image": encoded(name)} for name in names], "parameters": {"top_k": 3}},
    ]
    for answer, k in zip(await asyncio.gather(*(client.infer(SERVER, body, MODEL) for body in bodies)), (5, 5, 3)):
        for row, name in zip(answer["predictions"], names, strict=True):
            assert len(row["classes"]) == k
            check_scores(row["classes"], row["scores"], name)
    for body, word in (({"instances": []}, "instances"), ({"instances": [{"b64": "!"}]}, "base64"), ({}, "instances")):
        try:
            await client.infer(SERVER, body, MODEL)
            raise AssertionError("nothing refused")
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == 400 and word in error.response.json()["error"], error
    try:
        await client.is_model_ready(SERVER, "nothing")
        raise AssertionError("nothing refused")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404
    await client.close()


asyncio.run(main())
done("InferenceRESTClient(v1): live, ready, three forms of instances, refusals as 400 and 404")
