"""inference_service.py file.yaml: holds an InferenceService against KServe's own classes, and its pod against Kubernetes' schema.

KServe publishes no schema on PyPI, but its SDK has a class for each object, with the names and types of its fields.
They are read from the source: importing the SDK would take 40 packages more.
"""
import ast
import importlib.util
import re
import sys
from pathlib import Path

import kubernetes_validate
import yaml

MODELS = Path(importlib.util.find_spec("kserve").origin).parent / "models"
SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def fields(name):
    """{ name in YAML: type } of a class of the SDK; None for one that is Kubernetes' own."""
    file = MODELS / (re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower() + ".py")
    if not file.exists():
        return None
    tables = {}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in ("openapi_types", "attribute_map"):
            tables[node.targets[0].id] = ast.literal_eval(node.value)
    return {tables["attribute_map"][key]: kind for key, kind in tables["openapi_types"].items()}


def check(value, kind, path, faults):
    """Adds to `faults` what is wrong with a value. What is Kubernetes' own is left to its schema."""
    if kind in SCALARS:
        if not isinstance(value, SCALARS[kind]):
            faults.append(f"{path}: expected {kind}, got {value!r}")
        return
    known = fields(kind)
    if known is None:
        return
    if not isinstance(value, dict):
        faults.append(f"{path}: expected {kind}, got {value!r}")
        return
    for key, inner in value.items():
        if key not in known:
            faults.append(f"{path}.{key}: {kind} has no such field")
        else:
            check(inner, known[key], f"{path}.{key}", faults)


def pod(predictor):
    """The part of a predictor that is a pod's."""
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleMetricType", "scaleTarget", "timeout", "containerConcurrency"}
    return {key: value for key, value in predictor.items() if key not in own}


def main(path):
    document = yaml.safe_load(Path(path).read_text())
    if (document["apiVersion"], document["kind"]) != ("serving.kserve.io/v1beta1", "InferenceService"):
        return [f"expected an InferenceService of serving.kserve.io/v1beta1, got {document['apiVersion']} {document['kind']}"]
    faults = []
    check(document, "V1beta1InferenceService", "", faults)
    spec = pod(document["spec"]["predictor"])
    try:
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": document["metadata"], "spec": spec}, "1.37", strict=True
        )
    except kubernetes_validate.ValidationError as error:
        faults.append(f".spec.predictor: {error.message}")
    names = [container["name"] for container in spec["containers"]]
    # A predictor's own container has to have this name; KServe adds others beside it.
    if "kserve-container" not in names:
        faults.append(f".spec.predictor.containers: expected one named kserve-container, got {names}")
    return faults


if __name__ == "__main__":
    found = main(sys.argv[1])
    print("\n".join(found) or f"{sys.argv[1]}: an InferenceService")
    sys.exit(1 if found else 0)
