"""Asks a server through Triton's own client of gRPC: python triton_grpc_client.py host:port model photo"""

import json
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

url, model, photo = sys.argv[1:]
client = triton.InferenceServerClient(url)
client.load_model(model)


def images_counted(*which):
    statistics = client.get_inference_statistics(*which).model_stats
    return next(each.inference_count for each in statistics if each.name == model)


before = images_counted(model, "1")
metadata = client.get_model_metadata(model, as_json=True)
_, height, width, _ = (int(size) for size in metadata["inputs"][0]["shape"])
pixels = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)

answers = []
for datatype, dtype in (("UINT8", np.uint8), ("FP32", np.float32)):
    tensor = triton.InferInput("pixels", pixels.shape, datatype)
    tensor.set_data_from_numpy(pixels.astype(dtype))
    wanted = [triton.InferRequestedOutput(name) for name in ("probabilities", "features")]
    result = client.infer(model, [tensor], outputs=wanted, model_version="1", request_id="mine")
    assert result.get_response().id == "mine"
    answers.append(np.concatenate([result.as_numpy("probabilities"), result.as_numpy("features")], axis=1))

files = triton.InferInput("pixels", [1], "BYTES")
with open(photo, "rb") as file:
    files.set_data_from_numpy(np.array([file.read()], dtype=object))
named = client.infer(model, [files], outputs=[triton.InferRequestedOutput("probabilities", class_count=1)])
configuration = client.get_model_config(model, as_json=True)["config"]
counted = [images_counted(*which) - before for which in ((model, "1"), ())]

client.unload_model(model)
try:
    client.infer(model, [files])
    refusal = ["", ""]
except InferenceServerException as error:
    refusal = [error.status(), error.message()]
ready_after_unload = client.is_model_ready(model)
client.load_model(model)

print(
    json.dumps(
        {
            "server": [client.is_server_live(), client.is_server_ready()],
            "extensions": client.get_server_metadata(as_json=True)["extensions"],
            "states": {entry["name"]: entry["state"] for entry in client.get_model_repository_index(as_json=True)["models"]},
            "inputs": configuration["input"],
            "counted": counted,
            "spread": float(abs(answers[1] - answers[0]).max()),
            "top1": int(named.as_numpy("probabilities")[0][0].decode().split(":")[1]),
            "ready": [client.is_model_ready(model), ready_after_unload, client.is_model_ready("nobody")],
            "refusal": refusal,
        }
    )
)
