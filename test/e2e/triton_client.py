"""Asks a server through Triton's own client: python triton_client.py host:port model photo"""

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, model, photo = sys.argv[1:]
client = triton.InferenceServerClient(url, network_timeout=60)
client.load_model(model)
metadata = client.get_model_metadata(model)
_, height, width, _ = metadata["inputs"][0]["shape"]
pixels = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)

answers = []
for datatype, dtype in (("UINT8", np.uint8), ("FP32", np.float32)):
    for binary in (True, False):
        tensor = triton.InferInput("pixels", pixels.shape, datatype)
        tensor.set_data_from_numpy(pixels.astype(dtype), binary_data=binary)
        wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "features")]
        result = client.infer(model, [tensor], outputs=wanted, model_version="1", request_id="mine")
        assert result.get_response()["id"] == "mine"
        answers.append(np.concatenate([result.as_numpy("probabilities"), result.as_numpy("features")], axis=1))

files = triton.InferInput("pixels", [1], "BYTES")
with open(photo, "rb") as file:
    files.set_data_from_numpy(np.array([file.read()], dtype=object))
named = client.infer(model, [files], outputs=[triton.InferRequestedOutput("probabilities", class_count=1)])

statistics = client.get_inference_statistics()["model_stats"]
counted = next(int(each["inference_count"]) for each in statistics if each["name"] == model)

client.unload_model(model)
try:
    client.infer(model, [files])
    refusal = ""
except InferenceServerException as error:
    refusal = error.message()
ready_after_unload = client.is_model_ready(model)
client.load_model(model)

print(
    json.dumps(
        {
            "extensions": client.get_server_metadata()["extensions"],
            "states": {entry["name"]: entry["state"] for entry in client.get_model_repository_index()},
            "spread": float(max(abs(answer - answers[0]).max() for answer in answers)),
            "top1": int(named.as_numpy("probabilities")[0][0].decode().split(":")[1]),
            "ready": [client.is_model_ready(model), ready_after_unload],
            "counted": counted,
            "refusal": refusal,
        }
    )
)
