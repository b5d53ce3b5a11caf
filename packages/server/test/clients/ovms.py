"""ovmsclient, of OpenVINO's model server, over HTTP: TensorFlow Serving's API in columns."""

import ovmsclient
from common import HOST_AND_PORT, MODEL, check_scores, done, read

client = ovmsclient.make_http_client(HOST_AND_PORT)
status = client.get_model_status(MODEL)
assert status[1]["state"] == "AVAILABLE" and status[1]["error_code"] == 0, status
metadata = client.get_model_metadata(MODEL, 1)
assert metadata["model_version"] == 1
assert metadata["inputs"] == {"image": {"shape": [-1], "dtype": "DT_STRING"}}, metadata
assert set(metadata["outputs"]) == {"classes", "scores"}
for version in (0, 1):
    names = ["dog.jpg", "cat.jpg"]
    outputs = client.predict({"image": [read(name) for name in names]}, MODEL, version)
    for classes, scores, name in zip(outputs["classes"], outputs["scores"], names, strict=True):
        assert len(classes) == 5
        check_scores(classes, scores, name)
for wrong in (lambda: client.get_model_status("nothing"), lambda: client.get_model_status(MODEL, 2)):
    try:
        wrong()
        raise AssertionError("nothing refused")
    except ovmsclient.tfs_compat.base.errors.ModelNotFoundError:
        pass
done("ovmsclient: status, metadata, predict with two pictures, versions; an unknown model is ModelNotFoundError")
