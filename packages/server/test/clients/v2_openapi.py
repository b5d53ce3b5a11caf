"""open-inference-openapi: the client that is generated from the protocol's own OpenAPI description."""

import asyncio

from common import MODEL, SERVER, check_logits, done, pixel_values
from open_inference.openapi.client import AsyncOpenInferenceClient, OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.types import InferenceRequest, RequestInput, RequestOutput, TensorData

client = OpenInferenceClient(base_url=SERVER, timeout=60)


def request(data, **more):
    own = RequestInput(name="pixel_values", shape=[1, 3, 224, 224], datatype="FP32", data=TensorData.parse_obj(data))
    return InferenceRequest(id="7", inputs=[own], **more)


client.check_server_liveness()
client.check_server_readiness()
client.check_model_readiness(MODEL)
client.check_model_version_readiness(MODEL, "1")
assert client.read_server_metadata().name == "mobilenet-v2"
for model in (client.read_model_metadata(MODEL), client.read_model_version_metadata(MODEL, "1")):
    assert model.versions == ["1"] and model.inputs[0].shape == [-1, 3, 224, 224], model

# The client's own model of data takes a while to read 150,000 numbers.
pixels = pixel_values("dog.jpg").flatten().tolist()
wanted = [RequestOutput(name="logits")]
for answer in (
    client.model_infer(MODEL, request=request(pixels)),
    client.model_version_infer(MODEL, "1", request=request(pixels, outputs=wanted)),
):
    assert answer.id == "7" and answer.model_name == MODEL
    (logits,) = answer.outputs
    assert logits.shape == [1, 1001]
    check_logits([number.__root__ if hasattr(number, "__root__") else number for number in logits.data.__root__], "dog.jpg")

for ask, status in (
    (lambda: client.model_infer(MODEL, request=request([1.0])), 400),
    (lambda: client.read_model_metadata("nothing"), 404),
):
    try:
        ask()
        raise AssertionError("nothing refused")
    except ApiError as refused:
        assert refused.status_code == status and refused.body["error"], refused


async def by_asyncio():
    own = AsyncOpenInferenceClient(base_url=SERVER, timeout=60)
    await own.check_server_readiness()
    answer = await own.model_infer(MODEL, request=request(pixels))
    assert answer.outputs[0].name == "logits"


asyncio.run(by_asyncio())
done("open-inference-openapi: health, metadata, inference, refusals, async")
