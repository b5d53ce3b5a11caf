"""openapi.json: valid by the specification's own validator, and true of bodies and answers: both are held against its schemas."""

import json
from base64 import b64encode
from urllib.request import Request, urlopen

from common import MODEL, SEGMENTER, SERVER, done, read
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import validate


def ask(method, path, body=None):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = "image/jpeg" if isinstance(body, bytes) else "application/json"
    with urlopen(Request(SERVER + path, data, {"content-type": kind}, method=method)) as reply:
        return json.loads(reply.read())


spec = ask("GET", "/openapi.json")
validate(spec)

b64 = b64encode(read("dog.jpg")).decode()
predict = "/v1/models/{name}:predict"
image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [b64], "parameters": {"content_type": "base64"}}
calls = [
    ("GET", "/", {}, None),
    ("GET", "/ping", {}, None),
    ("GET", "/livez", {}, None),
    ("GET", "/readyz", {}, None),
    ("GET", "/v1/models", {}, None),
    ("GET", "/v1/models/{name}", {"name": MODEL}, None),
    ("GET", "/v1/models/{name}/versions/{version}", {"name": MODEL, "version": "1"}, None),
    ("POST", "/", {}, read("dog.jpg")),
    ("POST", "/", {}, {"inputs": b64, "parameters": {"top_k": 2, "function_to_apply": "none"}}),
    ("POST", "/", {}, {"inputs": [b64, b64]}),
    ("POST", "/models/{*}", {"*": SEGMENTER}, {"inputs": b64}),
    ("POST", "/models/{*}", {"*": f"{MODEL}/pipeline/feature-extraction"}, {"inputs": b64}),
    ("POST", "/invocations", {}, {"instances": [{"b64": b64}]}),
    ("POST", "/invocations", {}, {"inputs": b64}),
    ("POST", "/v2/models/{model}/infer", {"model": MODEL}, {"id": "7", "inputs": [image], "outputs": [{"name": "scores"}]}),
    ("POST", predict, {"name": MODEL}, {"instances": [{"b64": b64}, {"image": {"b64": b64}}, b64]}),
    ("POST", predict, {"name": MODEL}, {"inputs": {"image_bytes": [{"b64": b64}]}, "parameters": {"threshold": 0.1}}),
    ("POST", predict, {"name": SEGMENTER}, {"inputs": [{"b64": b64}], "signature_name": "serving_default"}),
]


def check(schema, value, what):
    wrong = [f"{'/'.join(map(str, error.path))}: {error.message[-300:]}" for error in Draft202012Validator(schema).iter_errors(value)]
    assert not wrong, (what, wrong)


for method, path, names, body in calls:
    operation = spec["paths"][path][method.lower()]
    described = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert len(described) > 1, f"{method} {path}: the answer is not described"
    if isinstance(body, dict):
        check(operation["requestBody"]["content"]["application/json"]["schema"], body, f"body of {path}")
    url = path
    for name, value in names.items():
        url = url.replace(f"{{{name}}}", value)
    check(described, ask(method, url, body), f"answer of {path}")

# Schemas that allow anything would have passed all of this.
body = Draft202012Validator(spec["paths"][predict]["post"]["requestBody"]["content"]["application/json"]["schema"])
for wrong in ({}, {"instances": []}, {"instances": [3]}, {"instances": [b64], "parameters": {"top_k": 0}}):
    try:
        body.validate(wrong)
        raise AssertionError(f"{wrong} is said to be right")
    except ValidationError:
        pass
done(f"openapi.json: valid, {len(spec['paths'])} paths, {len(calls)} calls as it says")
