"""huggingface_hub's InferenceClient: pictures as bytes, as a path, with parameters; classes, masks, refusals."""

import asyncio
from base64 import b64encode

from common import EXAMPLES, LOGIT, MODEL, SEGMENTER, SERVER, check_mask, check_scores, done, features, labels, read
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

client = InferenceClient(model=SERVER, token="none")


def check(found, name):
    check_scores([entry.label for entry in found], [entry.score for entry in found], name)


for name in ("cat.jpg", "dog.jpg", "husky.png"):
    found = client.image_classification(read(name))
    assert len(found) == 5
    check(found, name)
check(client.image_classification(EXAMPLES / "coffee.jpg"), "coffee.jpg")
check(client.image_classification(str(EXAMPLES / "coffee.jpg")), "coffee.jpg")
two = client.image_classification(EXAMPLES / "dog.jpg", top_k=2)
assert len(two) == 2
check(two, "dog.jpg")

# The logits, of which softmax makes the scores.
for found, entry in zip(client.image_classification(read("dog.jpg"), function_to_apply="none"), labels("dog.jpg")):
    assert found.label == entry["label"] and abs(found.score - entry["logit"]) < LOGIT, (found, entry)

named = InferenceClient(model=f"{SERVER}/models/{MODEL}", token="none")
check(named.image_classification(read("cat.jpg")), "cat.jpg")

segmenter = InferenceClient(model=f"{SERVER}/models/{SEGMENTER}", token="none")
segments = {entry.label: entry for entry in segmenter.image_segmentation(EXAMPLES / "dog.jpg")}
assert list(segments) == ["background", "bicycle", "car", "dog"], list(segments)
for label, entry in segments.items():
    assert entry.score is None
    check_mask(entry.mask, label, "dog.jpg")

# feature_extraction takes text: base64 of a picture is such a text.
extractor = InferenceClient(model=f"{SERVER}/models/{MODEL}/pipeline/feature-extraction", token="none")
found = extractor.feature_extraction(b64encode(read("cat.jpg")).decode())
expected = features("cat.jpg")
assert found.shape == (1, len(expected)), found.shape
assert max(abs(float(a) - b) for a, b in zip(found[0], expected)) < 1e-4


async def both():
    own = AsyncInferenceClient(model=SERVER, token="none")
    return await asyncio.gather(*(own.image_classification(read(name)) for name in ("cat.jpg", "dog.jpg")))


for name, found in zip(("cat.jpg", "dog.jpg"), asyncio.run(both())):
    check(found, name)

for wrong, status in ((b"no picture at all", 415), (read("cat.jpg")[:2000], 400)):
    try:
        client.image_classification(wrong)
        raise AssertionError("nothing refused")
    except HfHubHTTPError as error:
        assert error.response.status_code == status, (status, error)
done("InferenceClient: bytes, path, top_k, masks, features, async; refusals as 400 and 415")
